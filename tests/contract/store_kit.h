/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of stores share: a store in a fresh folder, rows and notes written as text, and
 * what a store holds as text again.
 *
 * Text of rows: KEY=COUNT@FIRST-LAST, of notes !KEY=VALUE (the ! stands for an octet 1), in key
 * order with single blanks between;
 * '|' begins another batch of the run.
 */
#pragma once

#include "base/buffer.h"
#include "store/store.h"
#include "store/value.h"

/* cmocka's needs, in the order it wants them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define SMALL 10ull        /* rows expected of a run: so few go one way */
#define LARGE (1ull << 40) /* and so many another */

struct kit {
	const char *engine; /* "memory" or "rocksdb" */
	char dir[256];      /* made by kit_begin, removed by kit_end */
	char uri[300];      /* of the store, in dir */
	struct store *s;
};

/* A fresh folder, and a store opened in it when there is an engine. */
void kit_begin(struct kit *k, const char *engine);
void kit_end(struct kit *k);
/* Closes and opens again. */
void kit_reopen(struct kit *k);
bool kit_is_lasting(const struct kit *k); /* what it holds outlives it */

struct store *kit_open(const char *uri, enum store_mode mode);
/* Opens what cannot be: returns the code, having looked that a sentence came with it. */
int kit_refused(const char *uri, enum store_mode mode, struct err *e);
void kit_remove(const char *path); /* with all that is in it */

/* Writes rows and notes into an open run, or as one run. */
void kit_write(struct run *r, const char *rows);
void kit_run(struct store *s, uint64_t expect, const char *rows);
struct run *kit_run_begin(struct store *s, uint64_t expect);
void kit_commit(struct run *r);

void kit_value(struct buffer *out, uint64_t count, uint64_t first_s, uint64_t last_s);
int kit_add(struct run *r, struct bytes key, uint64_t count, uint64_t first_s, uint64_t last_s);
int kit_put(struct run *r, const char *key,
	    const char *value); /* a note; key without the octet 1 */

struct scan *kit_scan(struct store *s);
/* All that a scan still gives from a key on, as text; owned by the caller. The store's own notes
 * are left out. */
char *kit_rest(struct scan *sc, struct bytes from);
void kit_assert_scan(struct scan *sc, const char *rows);
void kit_assert(struct store *s, const char *rows);
/* A hash of all keys and values, users' notes included, and their number. */
uint64_t kit_sum(struct store *s, size_t *ret_rows);

/* Numbers that are the same in every run of the tests. */
struct kit_random {
	uint64_t state;
};
uint64_t kit_random(struct kit_random *r);
uint64_t kit_below(struct kit_random *r, uint64_t n);

/* --- rows as they come in a store --- */

struct kit_row {
	struct buffer key, value; /* owned */
};

/* Appends a key of a record that may be, of few so that they meet again; *ret_whole: its value
 * carries rdata. */
void kit_record_key(struct kit_random *r, struct buffer *out, bool *ret_whole,
		    struct buffer *rdata);
/* Appends any octets, often nearly such a key. */
void kit_odd_key(struct kit_random *r, struct buffer *out);
/* Makes up to n rows in order of their keys, of records, with odd some others among them. Returns
 * how many. */
size_t kit_rows(struct kit_random *r, struct kit_row *rows, size_t n, bool odd);
void kit_rows_free(struct kit_row *rows, size_t n);
