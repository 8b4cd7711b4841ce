/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Walking over the rows of a question's answer, in order. */
#pragma once

#include "query/cursor.h"
#include "query/question.h"
#include "store/keys.h"
#include "store/store.h"

struct walk {
	const struct question *q; /* borrowed */
	struct scan *scan;        /* owned */
	size_t range;             /* where the walk is */
	bool ended;
	struct buffer key;        /* scratch: where to seek */
	struct buffer hi;         /* scratch: the end of the range */
	/* The row the walk is on, valid until it moves. */
	struct bytes row_key;
	struct bytes row_value;
};

/* Sees the store as it is now. */
int walk_begin(struct store *s, const struct question *q, struct walk *ret, struct err *e);
void walk_end(struct walk *w);
/* Lets the store go, and nothing else: it is walked no further. */
void walk_leave(struct walk *w);

/* Goes to the first row at or after a position (NULL: the start). 1 a row, 0 the end, negative an error. */
int walk_seek(struct walk *w, const struct position *at, struct err *e);

/* The next row. */
int walk_next(struct walk *w, struct err *e);

/* The first row of the next type in this range, or of the next range. */
int walk_skip_type(struct walk *w, struct err *e);

/* The type of the row the walk is on. */
int walk_type(const struct walk *w);

/* The record of the row the walk is on. */
int walk_record(const struct walk *w, struct record_scratch *scratch, struct record *ret,
                struct err *e);
