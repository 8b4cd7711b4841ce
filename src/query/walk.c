/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One scan, moved from range to range. */
#include "query/walk.h"

int walk_begin(struct store *s, const struct question *q, struct walk *ret, struct err *e)
{
	*ret = (struct walk){.q = q};
	return scan_begin(s, &ret->scan, e);
}

void walk_leave(struct walk *w)
{
	scan_end(w->scan);
	w->scan = NULL;
}

void walk_end(struct walk *w)
{
	walk_leave(w);
	buffer_release(&w->key);
	buffer_release(&w->hi);
}

/* Goes to a key of the range that the walk is in. The scan is told where that ends: the store then reads no more than it needs. */
static int seek(struct walk *w, struct bytes at, struct err *e)
{
	buffer_clear(&w->hi);
	buffer_put_bytes(&w->hi, w->q->ranges[w->range].prefix);
	key_to_successor(&w->hi);
	scan_bound(w->scan, buffer_bytes(&w->hi));
	return scan_seek(w->scan, at, &w->row_key, &w->row_value, e);
}

/* Sorts out what a seek or step found: the rows of a range are those with its prefix. When the range is done, goes to
 * the start of the next. */
static int settle(struct walk *w, int rc, struct err *e)
{
	for (;;) {
		if (rc < 0)
			return rc;
		if (rc == 1 && bytes_has_prefix(w->row_key, w->q->ranges[w->range].prefix))
			return 1;
		if (++w->range >= w->q->n) {
			w->ended = true;
			return 0;
		}
		rc = seek(w, w->q->ranges[w->range].prefix, e);
	}
}

int walk_seek(struct walk *w, const struct position *at, struct err *e)
{
	w->range = at ? at->range : 0;
	w->ended = w->range >= w->q->n;
	if (w->ended)
		return 0;
	buffer_clear(&w->key);
	buffer_put_bytes(&w->key, w->q->ranges[w->range].prefix);
	if (at)
		buffer_put(&w->key, at->suffix, at->n);
	return settle(w, seek(w, buffer_bytes(&w->key), e), e);
}

int walk_next(struct walk *w, struct err *e)
{
	if (w->ended)
		return 0;
	return settle(w, scan_next(w->scan, &w->row_key, &w->row_value, e), e);
}

int walk_type(const struct walk *w)
{
	const struct range *r = &w->q->ranges[w->range];
	return r->type >= 0 ? r->type : key_type(w->row_key);
}

int walk_skip_type(struct walk *w, struct err *e)
{
	const struct range *r = &w->q->ranges[w->range];
	if (w->ended)
		return 0;
	if (r->type >= 0) {
		w->row_key = bytes_of(NULL, 0); /* the range is of this type alone: on to the next */
		return settle(w, 1, e);
	}
	int type = key_type(w->row_key);
	if (type < 0)
		return err_set(e, ERR_CORRUPT, "a key does not decode");
	buffer_clear(&w->key);
	buffer_put(&w->key, w->row_key.p, r->subject_n);
	key_put_type(&w->key, (uint16_t)type);
	key_to_successor(&w->key);
	return settle(w, seek(w, buffer_bytes(&w->key), e), e);
}

int walk_record(const struct walk *w, struct record_scratch *scratch, struct record *ret,
                struct err *e)
{
	int rc = record_decode(w->row_key, w->row_value, scratch, ret);
	return rc < 0 ? err_set(e, rc, "a row of the store does not decode") : 0;
}
