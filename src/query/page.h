/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of an answer that one request gets: a page of so many records, or at most maxset records of each
 * type. What the response's head must say (the next cursor, the sets that were cut) is known after page_plan; lines beyond the
 * buffer are made again from the store while they are sent, so that memory stays bounded.
 */
#pragma once

#include "answer/answer.h"
#include "query/walk.h"

/* Memory that pages leave behind for those that come after them, one at a time: most answers then need none of their own.
 * Zeroed is empty. */
struct page_scratch {
	struct buffer key, hi, text, name, lines;
	struct page_set *sets;
	size_t sets_cap;
};
void page_scratch_release(struct page_scratch *s);

#define PAGE_BUFFER (256 << 10) /* octets of lines kept from planning: a thousand connections may wait with so many each */

struct page_request {
	struct store *store;      /* borrowed, as the rest */
	struct question question; /* owned by the page from page_begin on */
	const struct position *from; /* NULL: the start */
	struct page_scratch *scratch; /* may be NULL */
	bool paginated;
	uint64_t limit;           /* records of a page, or of each type */
	enum style style;
	struct bytes origin;
	uint64_t budget;          /* rows that may be looked at while planning; 0: no bound */
};

struct page_set {
	uint16_t type;
	uint64_t sent;  /* records given out */
	uint64_t total; /* records there are, when more than the limit */
	uint64_t before; /* of those, in earlier ranges */
	size_t range;    /* the one it was met in last, plus one */
};

struct page {
	struct page_request r;
	struct walk walk;
	struct answer answer;
	struct buffer lines;      /* the first lines */
	bool complete;            /* they are all */
	struct buffer resume_key; /* where lines go on when they are not */
	struct page_set *sets;    /* owned: types met; oversize ones have a total */
	size_t n_sets, sets_cap;
	uint64_t records;
	uint64_t looked;
	bool cut;                 /* some set has more records than the limit */
	bool more;                /* paginated: records follow */
	struct position next;     /* where, set with more; at the end, as it is large and not cleared */
};

/* Takes the question over, also on failure. */
int page_begin(struct page *p, struct page_request *r, struct err *e);
void page_end(struct page *p); /* also of a zeroed one */

/* Walks the part. 0, negative on failure, or 1 when the budget is used up: begin anew without one, where time
 * matters less. */
int page_plan(struct page *p, struct err *e);

/* Of a complete page: the store is let go; the lines stay. */
void page_let_go(struct page *p);

/* After page_plan, when the lines are not complete: appends further lines, about want octets. 1, 0 when there are no
 * more, negative on failure. */
int page_more(struct page *p, size_t want, struct buffer *out, struct err *e);
