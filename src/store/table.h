/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table: a file of rows in order that is written once and never changed.
 *
 * Segments of rows, and above them a tree of index segments; every block carries a checksum. dribble-keys(5) shows the octets.
 */
#pragma once

#include "base/err.h"
#include "store/cache.h"
#include "store/damage.h"
#include "store/merger.h"
#include "store/segment.h"

/* --- writing --- */

struct table_writer;

/* Makes the file, which must not be there. level is zstd's; dictionary may be empty. */
int table_writer_open(const char *path, int level, struct bytes dictionary, struct table_writer **ret, struct err *e);
/* Adds a row; keys strictly ascend. ERR_LIMIT when key or value is larger than a segment takes. */
int table_writer_add(struct table_writer *w, struct bytes key, struct bytes value, struct err *e);
uint64_t table_writer_rows(const struct table_writer *w);
/* Compresses and writes on threads of its own from now on, beside who adds rows; before the first row. Errors come with a later row, or
 * at the end. Where there is no thread to be had it does without. */
void table_writer_beside(struct table_writer *w);
/* Writes what is left and makes the file durable. */
int table_writer_finish(struct table_writer *w, struct err *e);
/* Frees; a file that was not finished is removed. w may be NULL. */
void table_writer_free(struct table_writer *w);

/* --- reading --- */

struct table;

/* Opens; number tells tables apart in the cache, which is borrowed. ERR_NOTFOUND, ERR_VERSION, ERR_CORRUPT, ERR_IO: the
 * sentence names the file. */
int table_open(const char *path, uint64_t number, struct cache *cache, struct table **ret, struct err *e);
void table_close(struct table *t);
uint64_t table_number(const struct table *t);
uint64_t table_rows(const struct table *t);
uint64_t table_octets(const struct table *t);
/* Empty where there is none; owned by the table. */
struct bytes table_dictionary(const struct table *t);

/* Reads every block, compares it with its checksum, and looks at the order of the keys. */
int table_verify(struct table *t, struct err *e);

#define TABLE_DEPTH_MAX 8 /* levels of the index and the rows below it */

/* A place in a table. Zero it, set table. */
struct table_cursor {
	struct table *table;
	bool pass; /* reads for once: what it reads is not kept in the cache */
	struct damage damage; /* with a tell: what cannot be read is told, and passed over; e is wanted then */
	struct bytes hi; /* borrowed; rows from here on are not wanted, so that the end may be said instead of them. Empty: no such bound */
	int depth; /* levels that are loaded; 0: nowhere */
	struct table_level {
		struct cached *held;
		const struct segment *segment; /* of the root: owned by the table, else of held */
		uint32_t at;
	} level[TABLE_DEPTH_MAX];
};

/* Go to the first row with a key >= at, or one row on. 1: there is one, 0: the end, negative: an error. Where
 * the cache has no room for whole segments, and the bound lies right behind the keys that begin with at, only their rows are
 * read. */
int table_seek(struct table_cursor *c, struct bytes at, struct err *e);
int table_next(struct table_cursor *c, struct err *e);
/* How many rows of the table have a lesser key; takes time by the depth of the index, not by their number. The cursor moves. */
int table_rank(struct table_cursor *c, struct bytes key, uint64_t *ret, struct err *e);
/* Of the row that the cursor is on; valid until it moves. */
struct bytes table_key(const struct table_cursor *c);
struct bytes table_value(const struct table_cursor *c);
/* Lets go of everything. */
void table_cursor_end(struct table_cursor *c);

/* A cursor as a source of a merger. End the cursor when done. */
struct table_source {
	struct source source; /* first */
	struct table_cursor cursor;
};

void table_source_init(struct table_source *s, struct table *t, bool pass);

/* Samples of some segments, spread evenly over the table, of about so many octets of text. */
int table_sample(struct table *t, size_t octets, struct samples *samples, struct err *e);
