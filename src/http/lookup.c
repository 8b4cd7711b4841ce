/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /pdns/query/VALUE: what is known of a value. */
#include <stddef.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/http_priv.h"
#include "model/rrtype.h"
#include "query/page.h"

enum {
	INLINE_ROWS = 20000, /* rows looked at on the connection's own thread; more goes to a worker */
	CHUNK = 64 << 10,
	SPARES_MAX = 64,     /* lookups that wait to be used again, of some 20 KiB each at most */
};

static const char vary[] =
	"authorization, dribble-style, dribble-filter-rrtype, dribble-paginate-count, "
	"dribble-paginate-cursor, dribble-disable-active-query, dribble-active-errors";

enum phase {
	PHASE_NEW,
	PHASE_READ,   /* the stored part is read, perhaps on a worker */
	PHASE_WAITED, /* for the living DNS */
	PHASE_LAST,   /* read again, with what came */
};

struct lookup {
	struct server *server;
	bool begun;
	enum phase phase;
	struct asking *asking; /* owned; NULL: the living DNS is not asked */
	struct buffer ahead; /* lines that are not sent yet */
	size_t sent;         /* octets of ahead */
	/* What follows is not cleared. */
	struct page page;     /* with begun */
	struct position from; /* where it begins */
	struct page_scratch scratch; /* left behind by the pages before */
	struct lookup *next_spare;
};

/* Lookups that are over are used again, with the memory that they have: there is nothing as quick. */
static struct lookup *lookup_new(struct server *s)
{
	pthread_mutex_lock(&s->spares_lock);
	struct lookup *l = s->spares;
	if (l) {
		s->spares = l->next_spare;
		s->n_spares--;
	}
	pthread_mutex_unlock(&s->spares_lock);
	if (!l)
		l = xcalloc(1, sizeof(*l));
	l->server = s;
	return l;
}

static void discard(struct lookup *l)
{
	page_scratch_release(&l->scratch);
	free(l);
}

void lookup_discard_spares(struct server *s)
{
	while (s->spares) {
		struct lookup *l = s->spares;
		s->spares = l->next_spare;
		discard(l);
	}
}

static void lookup_free(void *ctx)
{
	struct lookup *l = ctx;
	struct server *s = l->server;
	if (l->begun)
		page_end(&l->page);
	asking_free(l->asking);
	buffer_release(&l->ahead);
	memset(l, 0, offsetof(struct lookup, page));
	pthread_mutex_lock(&s->spares_lock);
	bool keep = s->n_spares < SPARES_MAX;
	if (keep) {
		l->next_spare = s->spares;
		s->spares = l;
		s->n_spares++;
	}
	pthread_mutex_unlock(&s->spares_lock);
	if (!keep)
		discard(l);
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
	const char *header = r->headers[HEADER_STYLE];
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
	const char *count = r->headers[HEADER_COUNT];
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

/* Begins to ask the living DNS, unless the request, its account or the configuration does not want it. A cursor is about what was there
 * before. */
static void ask(struct request *r, const struct filter *filter)
{
	struct lookup *l = r->state;
	if (l->phase != PHASE_NEW || !r->server->resolver || r->who.roles & ACCOUNT_NO_ACTIVE ||
	    r->headers[HEADER_NO_ACTIVE] || r->headers[HEADER_CURSOR])
		return;
	l->asking = resolver_ask(r->server->resolver, buffer_bytes(&r->value), filter, bytes_str(r->who.name));
}

/* What is found out about an address is the PTR of its reverse name: that is part of its answers, of all pages of them. */
static void add_reverse(struct request *r, const struct filter *filter, struct question *q)
{
	struct aim aim;
	if (r->server->resolver && resolver_reverse(r->server->resolver, buffer_bytes(&r->value), filter, &aim))
		question_add_name(q, bytes_of(aim.name, aim.name_n), aim.types[0]);
}

/* Understands the request. False: it was answered. */
static bool prepare(struct request *r, struct page_request *p)
{
	struct filter filter = {0};
	struct err e;
	const char *types = r->headers[HEADER_RRTYPE];
	const char *cursor = r->headers[HEADER_CURSOR];
	struct lookup *l = r->state;
	*p = (struct page_request){.store = r->server->store, .scratch = &l->scratch};
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
	add_reverse(r, &filter, &p->question);
	if (cursor && cursor_get(&p->question, bytes_str(cursor), &l->from, &e) < 0) {
		question_release(&p->question);
		respond_error(r, MHD_HTTP_BAD_REQUEST, "dribble-paginate-cursor: %s", e.text);
		return false;
	}
	p->from = cursor ? &l->from : NULL;
	ask(r, &filter);
	return true;
}

/* {"error": "maxset", …}, … of the sets that were cut. */
static void put_maxset(const struct request *r, const struct page *p, struct buffer *out)
{
	for (size_t i = 0; i < p->n_sets; i++) {
		const struct page_set *set = &p->sets[i];
		if (set->total <= p->r.limit)
			continue;
		buffer_put_str(out, out->n > 1 ? ", " : "");
		buffer_put_str(out, "{\"error\": \"maxset\", \"record\": ");
		answer_json_string(buffer_bytes(&r->value), out);
		buffer_putf(out, ", \"value\": %llu, \"rrtype\": \"", (unsigned long long)p->r.limit);
		rrtype_to_text(set->type, out);
		buffer_putf(out, "\", \"total_value\": %llu}", (unsigned long long)set->total);
	}
}

/* {"error": "active", …}, … of what has no answer of the living DNS, when the client wants to know. */
static void put_active(struct request *r, const struct lookup *l, struct buffer *out)
{
	struct active_error errors[AIM_TYPES_MAX];
	size_t n = l->asking && r->headers[HEADER_ACTIVE_ERRORS] ? asking_errors(l->asking, errors) : 0;
	for (size_t i = 0; i < n; i++) {
		buffer_put_str(out, out->n > 1 ? ", " : "");
		buffer_put_str(out, "{\"error\": \"active\", \"record\": ");
		answer_json_string(buffer_bytes(&r->value), out);
		if (errors[i].type) {
			buffer_put_str(out, ", \"rrtype\": \"");
			rrtype_to_text(errors[i].type, out);
			buffer_put_byte(out, '"');
		}
		buffer_putf(out, ", \"reason\": \"%s\"}", active_reason_name(errors[i].reason));
	}
}

static void dribble_headers(struct request *r, const struct lookup *l)
{
	const struct page *p = &l->page;
	struct buffer text = BUFFER_INIT;
	if (!p->r.paginated && !p->cut && !l->asking) { /* as most are: there is nothing to tell */
		respond_header(r, "vary", vary);
		return;
	}
	buffer_put_byte(&text, '[');
	if (!p->r.paginated)
		put_maxset(r, p, &text);
	put_active(r, l, &text);
	buffer_put(&text, "]", 2); /* with its NUL */
	if (p->r.paginated || text.n > 3)
		respond_header(r, "x-dribble-errors", (const char *)text.p);
	if (p->more) {
		buffer_clear(&text);
		cursor_put(&p->r.question, &p->next, &text);
		buffer_put_byte(&text, 0);
		respond_header(r, "x-dribble-cursor", (const char *)text.p);
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
		respond_lent(r, MHD_HTTP_OK, type, buffer_bytes(&p->lines));
		dribble_headers(r, l);
		return;
	}
	l->ahead = p->lines;
	p->lines = BUFFER_INIT;
	r->state = NULL;
	respond_stream(r, type, stream, l, lookup_free);
	dribble_headers(r, l);
}

static void end_page(struct lookup *l)
{
	if (l->begun)
		page_end(&l->page);
	l->begun = false;
}

/* Reads the stored part. 1: it is larger than the budget; else, when it failed, that is the answer. */
static int read_page(struct request *r, uint64_t budget)
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
	if (rc < 0) {
		log_error("http", "a lookup failed: %s", e.text);
		respond_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the store failed"); /* what failed is the log's */
	}
	return rc;
}

static void read_slowly(struct request *r)
{
	read_page(r, 0);
}

/* False: it was answered, or goes on when a worker has read it. */
static bool read_here(struct request *r, enum phase phase)
{
	struct lookup *l = r->state;
	end_page(l);
	int rc = read_page(r, INLINE_ROWS);
	l->phase = phase;
	if (rc == 1) {
		end_page(l);
		request_defer(r, read_slowly);
	}
	return rc == 0 && !r->response;
}

/* Called anew after each suspension. */
static void lookup(struct request *r)
{
	struct lookup *l = r->state;
	if (!l)
		l = r->state = lookup_new(r->server);
	if (l->phase == PHASE_NEW && !read_here(r, PHASE_READ))
		return;
	if (l->phase == PHASE_READ) {
		l->phase = PHASE_WAITED;
		if (l->asking && !asking_is_done(l->asking)) {
			if (l->page.complete) /* thousands may wait: none shall hold much */
				page_let_go(&l->page);
			else
				end_page(l); /* it is read again */
			request_wait(r);
			if (!asking_wait(l->asking, request_resume, r))
				request_resume(r);
			return;
		}
	}
	if (l->phase == PHASE_WAITED && (!l->begun || (l->asking && asking_has_news(l->asking))) &&
	    !read_here(r, PHASE_LAST))
		return;
	respond_page(r);
}

const struct resource lookup_resource = {
	.allow = "GET, HEAD",
	.methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
	.role = ACCOUNT_READER,
	.act = lookup,
	.release = lookup_release,
};
