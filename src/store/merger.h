/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Several sources of rows in order, read as one: rows with the same key are merged. */
#pragma once

#include "base/buffer.h"
#include "base/err.h"

/* Something that has rows in order. seek and next return 1 for a row, 0 at the end, negative for an error; key and value are then
 * set, and valid until the next call of either. */
struct source {
	int (*seek)(struct source *s, struct bytes at, struct err *e);
	int (*next)(struct source *s, struct err *e);
	struct bytes key, value;
};

struct merger {
	struct source **heap; /* those that have a row, the least on top; owned, the sources are not */
	size_t n;             /* in the heap */
	struct source **all;  /* owned */
	size_t n_all, cap;
	bool lent;            /* heap and all are somebody else's */
	bool moved;           /* the top is still on the row that was returned last */
	int failed;           /* the error of the last seek or since, which stays until the next; 0: none */
	struct err error;     /* what it said */
	struct buffer key, value, more; /* of merged rows */
};

/* Lends an empty one room for so many sources: twice as many pointers. It takes more than that, too. */
void merger_lend(struct merger *m, struct source **room, size_t n);
/* Zeroed is empty. The source is borrowed. */
void merger_add(struct merger *m, struct source *s);
void merger_release(struct merger *m);

/* As those of a source; what they return is valid until the next call. After an error next gives it again: no row is skipped. */
int merger_seek(struct merger *m, struct bytes at, struct bytes *ret_key, struct bytes *ret_value, struct err *e);
int merger_next(struct merger *m, struct bytes *ret_key, struct bytes *ret_value, struct err *e);
