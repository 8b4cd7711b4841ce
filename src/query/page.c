/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Planning and producing a part of an answer. */
#include "query/page.h"

#include <stddef.h>
#include <stdlib.h>

enum {
	FIRST_LINES = 1000, /* octets: most answers have fewer */
	SCRATCH_MAX = 4096, /* octets of a buffer that is left behind */
	SETS_MAX = 16,      /* likewise, sets */
};

/* Moves a buffer; what is too large is not kept. */
static void move(struct buffer *to, struct buffer *from)
{
	*to = *from;
	*from = BUFFER_INIT;
	if (to->cap > SCRATCH_MAX)
		buffer_release(to);
	buffer_clear(to);
}

static void take_scratch(struct page *p, struct page_scratch *s)
{
	move(&p->walk.key, &s->key);
	move(&p->walk.hi, &s->hi);
	move(&p->answer.text, &s->text);
	move(&p->answer.name, &s->name);
	move(&p->lines, &s->lines);
	p->sets = s->sets;
	p->sets_cap = s->sets_cap;
	s->sets = NULL;
	s->sets_cap = 0;
}

static void leave_scratch(struct page *p, struct page_scratch *s)
{
	page_scratch_release(s);
	move(&s->key, &p->walk.key);
	move(&s->hi, &p->walk.hi);
	move(&s->text, &p->answer.text);
	move(&s->name, &p->answer.name);
	move(&s->lines, &p->lines);
	if (p->sets_cap <= SETS_MAX) {
		s->sets = p->sets;
		s->sets_cap = p->sets_cap;
		p->sets = NULL;
	}
}

void page_scratch_release(struct page_scratch *s)
{
	buffer_release(&s->key);
	buffer_release(&s->hi);
	buffer_release(&s->text);
	buffer_release(&s->name);
	buffer_release(&s->lines);
	free(s->sets);
	*s = (struct page_scratch){0};
}

static void clear(struct page *p)
{
	memset(p, 0, offsetof(struct page, next));
}

int page_begin(struct page *p, struct page_request *r, struct err *e)
{
	clear(p);
	p->r = *r;
	r->question = (struct question){0};
	int rc = walk_begin(p->r.store, &p->r.question, &p->walk, e);
	if (p->r.scratch)
		take_scratch(p, p->r.scratch);
	p->answer.style = p->r.style;
	p->answer.origin = p->r.origin;
	return rc;
}

void page_end(struct page *p)
{
	walk_leave(&p->walk);
	if (p->r.scratch)
		leave_scratch(p, p->r.scratch);
	walk_end(&p->walk);
	answer_release(&p->answer);
	buffer_release(&p->lines);
	buffer_release(&p->resume_key);
	free(p->sets);
	question_release(&p->r.question);
	clear(p);
}

void page_let_go(struct page *p)
{
	walk_leave(&p->walk);
}

static struct page_set *set_of(struct page *p, uint16_t type)
{
	for (size_t i = p->n_sets; i; i--) { /* rows come type by type: the last one is the likely one */
		if (p->sets[i - 1].type == type)
			return &p->sets[i - 1];
	}
	if (p->n_sets == p->sets_cap) {
		p->sets_cap = p->sets_cap ? 2 * p->sets_cap : 2;
		p->sets = xrealloc(p->sets, p->sets_cap * sizeof(*p->sets));
	}
	p->sets[p->n_sets] = (struct page_set){.type = type};
	return &p->sets[p->n_sets++];
}

/* Adds the line of the row the walk is on, or marks where lines must be made anew. */
static int keep_line(struct page *p, struct err *e)
{
	struct record_scratch scratch; /* here, not in the page: a page is zeroed, and small enough for malloc to be fast */
	struct record r;
	if (p->resume_key.n)
		return 0;
	if (p->lines.n >= PAGE_BUFFER) {
		buffer_put_bytes(&p->resume_key, p->walk.row_key);
		return 0;
	}
	if (!p->lines.p)
		buffer_reserve(&p->lines, FIRST_LINES);
	int rc = walk_record(&p->walk, &scratch, &r, e);
	if (rc == 0)
		answer_line(&p->answer, &r, &p->lines);
	return rc;
}

static bool over_budget(struct page *p)
{
	return p->r.budget && ++p->looked > p->r.budget;
}

/* The walk is on a row beyond the limit of its set: counts the set within this range, all of it, and leaves it. 2: the
 * budget does not allow it. */
static int count_set(struct page *p, struct page_set *set, struct err *e)
{
	const struct range *range = &p->walk.q->ranges[p->walk.range];
	struct buffer prefix = BUFFER_INIT;
	uint64_t size;
	buffer_put(&prefix, p->walk.row_key.p, range->subject_n);
	key_put_type(&prefix, set->type);
	bool part = range->prefix.n > prefix.n; /* the range is a part of the set */
	int rc = scan_count(p->walk.scan, part ? range->prefix : buffer_bytes(&prefix), p->r.budget, &size, e);
	buffer_release(&prefix);
	if (rc != 0)
		return rc < 0 ? rc : 2;
	set->total = set->before + size;
	p->cut = p->cut || set->total > p->r.limit;
	return walk_skip_type(&p->walk, e);
}

/* A set may stand in several ranges: what it had before this one is counted already. */
static void enter_range(struct page *p, struct page_set *set)
{
	if (set->range == p->walk.range + 1)
		return;
	set->range = p->walk.range + 1;
	set->before = set->total ? set->total : set->sent;
}

static int plan_sets(struct page *p, struct err *e)
{
	int rc = walk_seek(&p->walk, p->r.from, e);
	while (rc == 1) {
		int type = walk_type(&p->walk);
		if (type < 0)
			return err_set(e, ERR_CORRUPT, "a key of the store does not decode");
		struct page_set *set = set_of(p, (uint16_t)type);
		enter_range(p, set);
		if (set->sent >= p->r.limit) {
			rc = count_set(p, set, e);
			continue;
		}
		rc = keep_line(p, e);
		if (rc < 0)
			return rc;
		set->sent++;
		p->records++;
		if (over_budget(p))
			return 2;
		rc = walk_next(&p->walk, e);
	}
	return rc;
}

static int plan_page(struct page *p, struct err *e)
{
	struct buffer last = BUFFER_INIT;
	size_t last_range = 0;
	int rc = walk_seek(&p->walk, p->r.from, e);
	while (rc == 1 && p->records < p->r.limit) {
		rc = keep_line(p, e);
		if (rc < 0)
			break;
		p->records++;
		if (p->records == p->r.limit) {
			buffer_put_bytes(&last, p->walk.row_key);
			last_range = p->walk.range;
		}
		rc = walk_next(&p->walk, e);
	}
	p->more = rc == 1;
	if (p->more) {
		bool same = last_range == p->walk.range;
		position_between(&p->r.question, p->walk.range,
		                 same ? buffer_bytes(&last) : bytes_of(NULL, 0), p->walk.row_key, &p->next);
	}
	buffer_release(&last);
	return rc < 0 ? rc : 0;
}

/* Puts the walk back to where lines were no longer kept, with the sets as they were then. */
static int rewind_lines(struct page *p, struct err *e)
{
	for (size_t i = 0; i < p->n_sets; i++)
		p->sets[i].sent = 0;
	p->records = 0;
	/* Walk the kept part again without making lines: it is at most PAGE_BUFFER octets of them. */
	int rc = walk_seek(&p->walk, p->r.from, e);
	while (rc == 1 && !bytes_eq(p->walk.row_key, buffer_bytes(&p->resume_key))) {
		struct page_set *set = set_of(p, (uint16_t)walk_type(&p->walk));
		if (!p->r.paginated && set->sent >= p->r.limit) {
			rc = walk_skip_type(&p->walk, e);
			continue;
		}
		set->sent++;
		p->records++;
		rc = walk_next(&p->walk, e);
	}
	return rc == 1 ? 0 : rc < 0 ? rc : err_set(e, ERR_CORRUPT, "a row went while it was read");
}

int page_plan(struct page *p, struct err *e)
{
	int rc = p->r.paginated ? plan_page(p, e) : plan_sets(p, e);
	if (rc < 0)
		return rc;
	if (rc == 2)
		return 1;
	p->complete = !p->resume_key.n;
	return p->complete ? 0 : rewind_lines(p, e);
}

int page_more(struct page *p, size_t want, struct buffer *out, struct err *e)
{
	struct record_scratch scratch;
	struct record r;
	size_t start = out->n;
	int rc = 1;
	while (rc == 1 && out->n - start < want && !p->walk.ended &&
	       !(p->r.paginated && p->records >= p->r.limit)) {
		struct page_set *set = set_of(p, (uint16_t)walk_type(&p->walk));
		if (!p->r.paginated && set->sent >= p->r.limit) {
			rc = walk_skip_type(&p->walk, e);
			continue;
		}
		rc = walk_record(&p->walk, &scratch, &r, e);
		if (rc < 0)
			return rc;
		answer_line(&p->answer, &r, out);
		set->sent++;
		p->records++;
		rc = walk_next(&p->walk, e);
	}
	return rc < 0 ? rc : out->n > start;
}
