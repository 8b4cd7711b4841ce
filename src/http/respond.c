/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Making answers. Header names are lower case, as the service's own are (libmicrohttpd adds Content-Length and Connection in its
 * own spelling). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "http/http_priv.h"

void respond_header(struct request *r, const char *name, const char *value)
{
	MHD_add_response_header(r->response, name, value);
}

static void date_header(struct request *r)
{
	static _Thread_local char date[64]; /* of the second in which it was made */
	static _Thread_local time_t made;
	struct tm tm;
	time_t now = time(NULL);
	if (now != made) {
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
		made = now;
	}
	respond_header(r, "date", date);
}

static void set_response(struct request *r, unsigned status, struct MHD_Response *response,
                         const char *type)
{
	if (!response)
		abort(); /* only for want of memory, of a size of our own */
	if (r->response)
		MHD_destroy_response(r->response);
	r->response = response;
	r->status = status;
	date_header(r);
	respond_header(r, "content-type", type);
	respond_header(r, "server", "dribble");
}

void respond_body(struct request *r, unsigned status, const char *type, struct buffer *body)
{
	size_t n = body->n;
	struct MHD_Response *response = MHD_create_response_from_buffer(
		n, n ? body->p : NULL, n ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	if (n)
		*body = BUFFER_INIT;
	else
		buffer_release(body);
	set_response(r, status, response, type);
}

void respond_lent(struct request *r, unsigned status, const char *type, struct bytes body)
{
	set_response(r, status,
	             MHD_create_response_from_buffer(body.n, (void *)(uintptr_t)body.p, MHD_RESPMEM_PERSISTENT),
	             type);
}

void respond_stream(struct request *r, const char *type, MHD_ContentReaderCallback reader,
                    void *ctx, MHD_ContentReaderFreeCallback release)
{
	set_response(r, MHD_HTTP_OK,
	             MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 64 << 10, reader, ctx, release),
	             type);
}

static void error_body(struct request *r, unsigned status, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void error_body(struct request *r, unsigned status, const char *fmt, va_list ap)
{
	char line[600];
	struct buffer body = BUFFER_INIT;
	int n = vsnprintf(line, sizeof(line), fmt, ap);
	if (n < 0 || (size_t)n >= sizeof(line))
		n = (int)sizeof(line) - 1;
	for (int i = 0; i < n; i++) /* what a client sent comes back as text, never as lines or bytes */
		buffer_put_byte(&body, line[i] < 0x20 || line[i] > 0x7e ? '?' : (uint8_t)line[i]);
	buffer_put_byte(&body, '\n');
	respond_body(r, status, "text/plain", &body);
}

void respond_error(struct request *r, unsigned status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	error_body(r, status, fmt, ap);
	va_end(ap);
}

void respond_error_with(struct request *r, unsigned status, const char *header, const char *value,
                        const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	error_body(r, status, fmt, ap);
	va_end(ap);
	respond_header(r, header, value);
}

const char *request_header(struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}
