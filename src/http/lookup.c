/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /pdns/query/VALUE: what is known of a value. */
#include <stdlib.h>

#include "base/log.h"
#include "http/http_priv.h"
#include "model/rrtype.h"
#include "query/page.h"

enum {
	INLINE_ROWS = 20000, /* rows looked at on the connection's own thread; more goes to a worker */
	CHUNK = 64 << 10,
};

static const char vary[] =
	"authorization, dribble-style, dribble-filter-rrtype, dribble-paginate-count, "
	"dribble-paginate-cursor, dribble-disable-active-query";

struct lookup {
	struct page page;
	bool begun;
	struct buffer ahead; /* lines that are not sent yet */
	size_t sent;         /* octets of ahead */
};

static void lookup_free(void *ctx)
{
	struct lookup *l = ctx;
	if (l->begun)
		page_end(&l->page);
	buffer_release(&l->ahead);
	free(l);
}

static void lookup_release(struct request *r)
{
	if (r->state)
		lookup_free(r->state);
	r->state = NULL;
}

/* Decimal digits, 1 and up; saturates. */
static bool count_parse(const char *text, uint64_t *ret)
{
	uint64_t v = 0;
	if (!*text)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		v = v > UINT32_MAX ? v : v * 10 + (uint64_t)(*text - '0');
	}
	*ret = v;
	return v > 0;
}

static bool style_choose(struct request *r, enum style *ret)
{
	const char *header = request_header(r, "dribble-style");
	if (header) {
		if (style_from_text(bytes_str(header), ret))
			return true;
		respond_error(r, MHD_HTTP_BAD_REQUEST,
		              "dribble-style: %s is not a style (circl, cof and doc are)", header);
		return false;
	}
	*ret = (enum style)(r->style >= 0        ? r->style
	                    : r->who.style >= 0 ? r->who.style
	                                        : r->server->config->style);
	return true;
}

static bool limits_choose(struct request *r, struct page_request *p, const char *cursor)
{
	const struct config *c = r->server->config;
	const char *count = request_header(r, "dribble-paginate-count");
	p->paginated = count || cursor;
	p->limit = c->maxset;
	if (!count)
		return true;
	if (!count_parse(count, &p->limit)) {
		respond_error(r, MHD_HTTP_BAD_REQUEST,
		              "dribble-paginate-count: %s is not a number from 1", count);
		return false;
	}
	if (p->limit > c->page_max)
		p->limit = c->page_max;
	return true;
}

static unsigned status_of(int rc)
{
	return rc == ERR_SYNTAX || rc == ERR_LIMIT || rc == ERR_UNSUPPORTED ? MHD_HTTP_BAD_REQUEST
	                                                                    : MHD_HTTP_INTERNAL_SERVER_ERROR;
}

/* Understands the request. False: it was answered. */
static bool prepare(struct request *r, struct page_request *p)
{
	struct filter filter = {0};
	struct err e;
	const char *types = request_header(r, "dribble-filter-rrtype");
	const char *cursor = request_header(r, "dribble-paginate-cursor");
	*p = (struct page_request){.store = r->server->store};
	p->origin = bytes_str(r->server->config->origin);
	if (!style_choose(r, &p->style) || !limits_choose(r, p, cursor))
		return false;
	if (types && filter_parse(bytes_str(types), &filter, &e) < 0) {
		respond_error(r, MHD_HTTP_BAD_REQUEST, "dribble-filter-rrtype: %s", e.text);
		return false;
	}
	int rc = question_parse(buffer_bytes(&r->value), &filter, NULL, &p->question, &e);
	if (rc < 0) {
		respond_error(r, status_of(rc), "%s", e.text);
		return false;
	}
	if (cursor && cursor_get(&p->question, bytes_str(cursor), &p->from, &e) < 0) {
		question_release(&p->question);
		respond_error(r, MHD_HTTP_BAD_REQUEST, "dribble-paginate-cursor: %s", e.text);
		return false;
	}
	return true;
}

/* [{"error": "maxset", …}, …] of the sets that were cut; false when there are none. */
static bool maxset_json(const struct page *p, struct buffer *out)
{
	buffer_put_byte(out, '[');
	for (size_t i = 0; i < p->n_sets; i++) {
		const struct page_set *set = &p->sets[i];
		if (set->total <= p->r.limit)
			continue;
		buffer_put_str(out, out->n > 1 ? ", " : "");
		buffer_put_str(out, "{\"error\": \"maxset\", \"record\": ");
		answer_json_string(buffer_bytes(&p->r.question.value), out);
		buffer_putf(out, ", \"value\": %llu, \"rrtype\": \"", (unsigned long long)p->r.limit);
		rrtype_to_text(set->type, out);
		buffer_putf(out, "\", \"total_value\": %llu}", (unsigned long long)set->total);
	}
	buffer_put_byte(out, ']');
	return out->n > 2;
}

static void dribble_headers(struct request *r, const struct page *p)
{
	struct buffer text = BUFFER_INIT;
	if (p->r.paginated) {
		respond_header(r, "x-dribble-errors", "[]");
		if (p->more) {
			cursor_put(&p->r.question, &p->next, &text);
			buffer_put_byte(&text, 0);
			respond_header(r, "x-dribble-cursor", (const char *)text.p);
		}
	} else if (maxset_json(p, &text)) {
		buffer_put_byte(&text, 0);
		respond_header(r, "x-dribble-errors", (const char *)text.p);
	}
	respond_header(r, "vary", vary);
	buffer_release(&text);
}

/* libmicrohttpd wants up to max octets more. */
static ssize_t stream(void *ctx, uint64_t pos, char *to, size_t max)
{
	struct lookup *l = ctx;
	struct err e;
	(void)pos;
	if (l->sent == l->ahead.n) {
		buffer_clear(&l->ahead);
		l->sent = 0;
		int rc = page_more(&l->page, CHUNK, &l->ahead, &e);
		if (rc < 0) {
			log_error("http", "an answer was cut off: %s", e.text);
			return MHD_CONTENT_READER_END_WITH_ERROR;
		}
		if (rc == 0)
			return MHD_CONTENT_READER_END_OF_STREAM;
	}
	size_t n = l->ahead.n - l->sent < max ? l->ahead.n - l->sent : max;
	memcpy(to, l->ahead.p + l->sent, n);
	l->sent += n;
	return (ssize_t)n;
}

/* The page is planned: its head is known. */
static void respond_page(struct request *r)
{
	struct lookup *l = r->state;
	struct page *p = &l->page;
	static const char type[] = "application/x-ndjson";
	if (p->complete) {
		respond_body(r, MHD_HTTP_OK, type, &p->lines);
		dribble_headers(r, p);
		return;
	}
	l->ahead = p->lines;
	p->lines = BUFFER_INIT;
	r->state = NULL;
	respond_stream(r, type, stream, l, lookup_free);
	dribble_headers(r, p);
}

static int begin_page(struct request *r, uint64_t budget)
{
	struct page_request p;
	struct err e;
	struct lookup *l = r->state;
	if (!prepare(r, &p))
		return 0;
	p.budget = budget;
	l->begun = true;
	int rc = page_begin(&l->page, &p, &e);
	if (rc == 0)
		rc = page_plan(&l->page, &e);
	if (rc == 0) {
		respond_page(r);
	} else if (rc < 0) {
		log_error("http", "a lookup failed: %s", e.text);
		respond_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the store failed"); /* what failed is the log's */
	}
	return rc;
}

static void plan_slowly(struct request *r)
{
	begin_page(r, 0);
}

static void lookup(struct request *r)
{
	struct lookup *l = xcalloc(1, sizeof(*l));
	r->state = l;
	if (begin_page(r, INLINE_ROWS) != 1)
		return;
	page_end(&l->page);
	l->begun = false;
	request_defer(r, plan_slowly);
}

const struct resource lookup_resource = {
	.allow = "GET, HEAD",
	.methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
	.role = ACCOUNT_READER,
	.act = lookup,
	.release = lookup_release,
};
