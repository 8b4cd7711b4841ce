/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Paths to resources: one table. */
#include "answer/answer.h"
#include "base/limits.h"
#include "http/http_priv.h"

#define PONG "pong\n"

static const struct {
	const char *path;   /* segments; the value, where there is one, follows */
	bool value;
	bool styled;        /* /cof, /circl or /doc may stand before it */
	int style;          /* of answers under this path, -1: not said */
	const struct resource *resource;
} routes[] = {
	{"/pdns/query/", true, true, -1, &lookup_resource},
	{"/query/", true, false, STYLE_COF, &lookup_resource},
	{"/pdns/import", false, false, -1, &import_resource},
	{"/info", false, false, -1, &info_resource},
	{"/metrics", false, false, -1, &metrics_resource},
	{"/ping", false, false, -1, &ping_resource},
	{"/ping/", true, false, -1, &ping_resource},
};

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0'
	       : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
	                                                        : -1;
}

bool url_decode(struct bytes text, struct buffer *out)
{
	if (!memchr(text.p, '%', text.n)) {
		buffer_put_bytes(out, text);
		return true;
	}
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != '%') {
			buffer_put_byte(out, text.p[i]);
			continue;
		}
		int high = i + 2 < text.n ? hex_digit(text.p[i + 1]) : -1;
		int low = i + 2 < text.n ? hex_digit(text.p[i + 2]) : -1;
		if (high < 0 || low < 0)
			return false;
		buffer_put_byte(out, (uint8_t)(high << 4 | low));
		i += 2;
	}
	return true;
}

/* Proxies send the absolute form (RFC 9112 3.2.2): what it says before the path is not for us. */
static const char *path_of(const char *target)
{
	size_t n = strncmp(target, "http://", 7) == 0 ? 7 : strncmp(target, "https://", 8) == 0 ? 8 : 0;
	if (!n)
		return target;
	const char *slash = strchr(target + n, '/');
	return slash ? slash : "/";
}

/* Runs of slashes become one; an empty query does not reach us. Where there are none raw is returned. */
static struct bytes collapse(const char *raw, struct buffer *out)
{
	if (!strstr(raw, "//"))
		return bytes_str(raw);
	for (const char *p = raw; *p; p++) {
		if (*p != '/' || !out->n || out->p[out->n - 1] != '/')
			buffer_put_byte(out, (uint8_t)*p);
	}
	return buffer_bytes(out);
}

/* Takes /cof, /circl or /doc from the front. */
static bool take_style(struct bytes *path, int *ret)
{
	for (int style = STYLE_CIRCL; style <= STYLE_DOC; style++) {
		const char *name = style_name((enum style)style);
		size_t n = strlen(name) + 1;
		if (path->n > n && path->p[n] == '/' && memcmp(path->p + 1, name, n - 1) == 0) {
			*path = bytes_of(path->p + n, path->n - n);
			*ret = style;
			return true;
		}
	}
	return false;
}

const struct resource *route(struct request *r, int *ret_rc)
{
	struct buffer whole = BUFFER_INIT;
	const struct resource *found = NULL;
	struct bytes path = collapse(path_of(r->target), &whole);
	bool styled = take_style(&path, &r->style);
	*ret_rc = 0;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]) && !found; i++) {
		size_t n = strlen(routes[i].path);
		bool fits = path.n >= n && memcmp(path.p, routes[i].path, n) == 0 &&
		            (routes[i].value ? path.n > n : path.n == n);
		if (!fits || (styled && !routes[i].styled))
			continue;
		found = routes[i].resource;
		if (!styled)
			r->style = routes[i].style;
		if (!url_decode(bytes_of(path.p + n, path.n - n), &r->value))
			*ret_rc = ERR_SYNTAX;
	}
	buffer_release(&whole);
	return found;
}

/* How many octets a ping asks for: decimal digits, or nothing for those of one pong. 0: neither. */
static size_t ping_octets(struct bytes text)
{
	size_t n = text.n ? 0 : strlen(PONG);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || n > PING_MAX)
			return 0;
		n = n * 10 + (size_t)(text.p[i] - '0');
	}
	return n <= PING_MAX ? n : 0;
}

static void ping(struct request *r)
{
	struct buffer body = BUFFER_INIT;
	size_t n = ping_octets(buffer_bytes(&r->value));
	if (!n) {
		respond_error(r, MHD_HTTP_BAD_REQUEST, "/ping/: a number from 1 to %d is expected", PING_MAX);
		return;
	}
	uint8_t *to = buffer_reserve(&body, n);
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)PONG[i % strlen(PONG)];
	body.n = n;
	respond_body(r, MHD_HTTP_OK, "text/plain", &body);
}

const struct resource ping_resource = {
	.allow = "GET, HEAD",
	.methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
	.act = ping,
};
