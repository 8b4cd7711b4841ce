/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tables of a store that are alive, and which of them to merge next. Safe from many threads.
 *
 * A set of tables is never changed: what changes makes a new set, and whoever reads holds on to the one it
 * began with. The file of a table that no set has any more, and nobody holds, is removed.
 */
#pragma once

#include "base/err.h"
#include "store/cache.h"
#include "store/table.h"

struct tables;

struct table_set {
	size_t n;
	struct live_table **live;
	unsigned holders;
};

struct table *live_table(const struct live_table *l);

/* dir is where the files are. cache_octets: of decoded segments. */
struct tables *tables_new(const char *dir, size_t cache_octets);
void tables_free(struct tables *t);
struct cache *tables_cache(struct tables *t);

/* A number that no table has had. */
uint64_t tables_number(struct tables *t);
/* The path of a table's file; the caller frees it. */
char *tables_path(const struct tables *t, uint64_t number);

/* Opens a table's file and returns it without making it alive. */
int tables_open(struct tables *t, uint64_t number, struct table **ret, struct err *e);
/* Makes tables alive (they are owned from now on) and others no longer so, in one step. The files of those are removed when nobody
 * holds them. */
void tables_change(struct tables *t, struct table *const *add, size_t n_add, const uint64_t *gone, size_t n_gone);

/* The newest set, held. */
struct table_set *tables_hold(struct tables *t);
void tables_release(struct tables *t, struct table_set *set);
size_t tables_count(struct tables *t);

/* Removes files of the directory that are of no table alive: what a crash has left. */
void tables_sweep(struct tables *t);

/* A set of some of another's tables, held: the others' files may go. */
struct table_set *tables_hold_some(struct tables *t, const struct table_set *set, const size_t *index, size_t n);

bool tables_are_among(uint64_t number, const uint64_t *numbers, size_t n);

#define TABLES_CLASSES 40

/* Chooses tables that are worth merging: indexes into the set, at least two; 0 when there are none. Those whose numbers are among busy
 * are left alone, and so are those of a size class that is not below one. *ret_class: the largest class among those chosen. */
size_t tables_choose(const struct table_set *set, const uint64_t *busy, size_t n_busy, unsigned below, size_t *ret_index,
                     unsigned *ret_class);
