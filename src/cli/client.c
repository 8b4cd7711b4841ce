/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only file that includes libcurl. */
#include "cli/client.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "cli/out.h"

enum {
	ANSWER_MAX = 1 << 20,
	SILENCE_SECONDS = 120,
};

struct transfer {
	CURL *curl;
	struct buffer body;
	bool to_stdout;
	uint64_t lines; /* that went to standard output */
	long status;
	struct input *in;
	struct bytes run;
	struct buffer *cursor;
	const atomic_bool *stop; /* NULL: nobody stops it */
	struct err *e;
	int rc;
};

char *client_escape(const char *value)
{
	struct buffer b = BUFFER_INIT;
	for (const uint8_t *p = (const uint8_t *)value; *p; p++) {
		bool plain = (*p >= '0' && *p <= '9') || (ascii_lower(*p) >= 'a' && ascii_lower(*p) <= 'z') ||
		             strchr("-_.~:", *p);
		if (plain)
			buffer_put_byte(&b, *p);
		else
			buffer_putf(&b, "%%%02X", *p);
	}
	buffer_put_byte(&b, 0);
	return (char *)b.p;
}

static size_t on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	if (t->body.n + n * size > ANSWER_MAX && !t->to_stdout)
		return 0;
	buffer_put(&t->body, p, n * size);
	if (t->to_stdout && t->status == 200) {
		for (size_t i = 0; i < n * size; i++)
			t->lines += p[i] == '\n';
		t->rc = out_flush(&t->body, false, t->e);
		if (t->rc < 0)
			return 0;
	}
	return n * size;
}

static size_t on_header(char *p, size_t size, size_t n, void *ctx)
{
	static const char name[] = "x-dribble-cursor:";
	struct transfer *t = ctx;
	size_t len = n * size, at = sizeof(name) - 1;
	if (!t->cursor || len <= at || strncasecmp(p, name, at) != 0)
		return len;
	for (; at < len; at++) {
		if (p[at] >= '0' && p[at] <= '9')
			buffer_put_byte(t->cursor, (uint8_t)p[at]);
	}
	return len;
}

static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	if (!t->run.n && t->in) {
		int rc = input_read(t->in, &t->run, t->e);
		if (rc < 0) {
			t->rc = rc;
			return CURL_READFUNC_ABORT;
		}
		if (rc == 0)
			return 0;
	}
	size_t take = t->run.n < n * size ? t->run.n : n * size;
	memcpy(to, t->run.p, take);
	t->run = bytes_of(t->run.p + take, t->run.n - take);
	return take;
}

/* libcurl asks at least once a second. */
static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	const struct transfer *t = ctx;
	(void)a, (void)b, (void)c, (void)d;
	return atomic_load(t->stop);
}

static struct curl_slist *header_list(const struct client_options *opt, const char *const *headers)
{
	struct curl_slist *list = NULL;
	struct buffer b = BUFFER_INIT;
	for (; headers && *headers; headers++)
		list = curl_slist_append(list, *headers);
	if (opt->token) {
		buffer_putf(&b, "authorization: Bearer %s", opt->token);
		buffer_put_byte(&b, 0);
		list = curl_slist_append(list, (const char *)b.p);
		buffer_release(&b);
	}
	return list;
}

/* What an answer that is not 200 means to who may try again. */
static int code_of(long status)
{
	if (status == 413)
		return ERR_LIMIT;
	if (status == 401 || status == 403)
		return ERR_DENIED;
	if (status >= 400 && status < 500 && status != 408 && status != 425 && status != 429)
		return ERR_USAGE;
	return ERR_IO;
}

static int perform(struct transfer *t, const struct client_options *opt, const char *path,
                   const char *const *headers)
{
	char detail[CURL_ERROR_SIZE] = "";
	struct buffer url = BUFFER_INIT;
	struct curl_slist *list = header_list(opt, headers);
	size_t n = strlen(opt->url);
	while (n && opt->url[n - 1] == '/')
		n--;
	buffer_put(&url, opt->url, n);
	buffer_put_str(&url, path);
	buffer_put_byte(&url, 0);
	curl_easy_setopt(t->curl, CURLOPT_URL, (const char *)url.p);
	curl_easy_setopt(t->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, detail);
	curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(t->curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, 10L);
	curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
	if (opt->user) {
		curl_easy_setopt(t->curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
		curl_easy_setopt(t->curl, CURLOPT_USERPWD, opt->user);
	}
	CURLcode code = curl_easy_perform(t->curl);
	curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->status);
	curl_slist_free_all(list);
	buffer_release(&url);
	if (t->rc < 0)
		return t->rc;
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return err_set(t->e, ERR_CANCELLED, "%s: it had not answered yet", opt->url);
	if (code != CURLE_OK)
		return err_set(t->e, ERR_IO, "%s: %s", opt->url, *detail ? detail : curl_easy_strerror(code));
	if (t->status != 200) {
		size_t line = t->body.n;
		while (line && t->body.p[line - 1] == '\n')
			line--;
		return err_set(t->e, code_of(t->status), "%s answers %ld: %.*s", opt->url, t->status,
		               (int)(line < 300 ? line : 300), t->body.p ? (const char *)t->body.p : "");
	}
	return 0;
}

int client_get(const struct client_options *opt, const char *path, const char *const *headers,
               uint64_t *ret_lines, struct buffer *ret_cursor, struct err *e)
{
	struct transfer t = {.curl = curl_easy_init(), .to_stdout = true, .cursor = ret_cursor, .e = e};
	buffer_clear(ret_cursor);
	if (!t.curl)
		return err_set(e, ERR_IO, "libcurl does not start");
	int rc = perform(&t, opt, path, headers);
	if (rc == 0)
		rc = out_flush(&t.body, true, e);
	curl_easy_cleanup(t.curl);
	buffer_release(&t.body);
	*ret_lines = t.lines;
	return rc == 0 ? ret_cursor->n > 0 : rc;
}

static int post(struct transfer *t, const struct client_options *opt, const char *path, const char *const *headers,
                char **ret)
{
	t->curl = curl_easy_init();
	if (!t->curl)
		return err_set(t->e, ERR_IO, "libcurl does not start");
	curl_easy_setopt(t->curl, CURLOPT_POST, 1L);
	curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(t->curl, CURLOPT_READDATA, t);
	if (!t->in)
		curl_easy_setopt(t->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->run.n);
	if (t->stop) {
		curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(t->curl, CURLOPT_LOW_SPEED_TIME, (long)SILENCE_SECONDS);
		curl_easy_setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
		curl_easy_setopt(t->curl, CURLOPT_XFERINFODATA, t);
		curl_easy_setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
	}
	int rc = perform(t, opt, path, headers);
	curl_easy_cleanup(t->curl);
	buffer_put_byte(&t->body, 0);
	if (rc == 0)
		*ret = (char *)t->body.p;
	else
		buffer_release(&t->body);
	return rc;
}

int client_post(const struct client_options *opt, const char *path, const char *const *headers,
                struct input *in, char **ret, struct err *e)
{
	struct transfer t = {.in = in, .e = e};
	return post(&t, opt, path, headers, ret);
}

int client_post_bytes(const struct client_options *opt, const char *path, const char *const *headers,
                      struct bytes body, const atomic_bool *stop, char **ret, struct err *e)
{
	struct transfer t = {.run = body, .stop = stop, .e = e};
	return post(&t, opt, path, headers, ret);
}
