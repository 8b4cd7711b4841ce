/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One scan, moved from range to range. */
#include "query/walk.h"

int walk_begin(struct store *s, const struct question *q, struct walk *ret, struct err *e)
{
	*ret = (struct walk){.q = q};
	return scan_begin(s, &ret->scan, e);
}

void walk_end(struct walk *w)
{
	scan_end(w->scan);
	buffer_release(&w->key);
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
		rc = scan_seek(w->scan, w->q->ranges[w->range].prefix, &w->row_key, &w->row_value, e);
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
	int rc = scan_seek(w->scan, buffer_bytes(&w->key), &w->row_key, &w->row_value, e);
	return settle(w, rc, e);
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
	/* The successor of the prefix: its last octet plus one, where that octet is not 255. */
	while (w->key.p[w->key.n - 1] == 0xff)
		w->key.n--;
	w->key.p[w->key.n - 1]++;
	int rc = scan_seek(w->scan, buffer_bytes(&w->key), &w->row_key, &w->row_value, e);
	return settle(w, rc, e);
}

int walk_record(const struct walk *w, struct record_scratch *scratch, struct record *ret,
                struct err *e)
{
	int rc = record_decode(w->row_key, w->row_value, scratch, ret);
	return rc < 0 ? err_set(e, rc, "a row of the store does not decode") : 0;
}
