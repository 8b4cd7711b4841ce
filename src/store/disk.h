/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The embedded store, as its own files see it: store_rocksdb.c (opening, runs, scans), contents.c
 * (what is in RocksDB, and learning it anew after a failure) and keeper.c (work behind the scenes).
 *
 * DESIGN: what comes in large runs is written at once as a table, a file of rows in order (store/table.h). What comes in small
 * ones goes to RocksDB, whose log makes it durable at little cost, and becomes a table when it is enough. Which tables are
 * alive stands in RocksDB too, so that whatever a run brings, rows and notes, comes alive in one atomic batch. Tables are merged
 * behind the scenes. A store is a directory:
 *
 *   PATH/rocksdb   notes, the list of tables, fresh rows
 *   PATH/tables    the tables
 *   PATH/at-rest   how far it had come when it was closed (store/at_rest.h)
 *
 * In RocksDB a key's first octet says what it is (dribble-keys(5)): fresh rows lie in numbered areas. Small runs write into the
 * newest; the keeper opens another and makes a table of those before, during which they do not change. What scans read of them is
 * in memory (store/fresh.h): RocksDB is written to, and read when a store is opened.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "store/fresh.h"
#include "store/rocks.h"
#include "store/store_priv.h"
#include "store/tables.h"

enum space {
	SPACE_FIRST_AREA = 'F', /* F                  → number of the first area that counts */
	SPACE_NOTE = 'N',       /* N note             → as put */
	SPACE_AREA = 'R',       /* R area(4) row      → value */
	SPACE_TABLE = 'T',      /* T number(8)        → rows(8) octets(8) level(1) */
};

enum {
	AREA_PREFIX = 5,
	TABLE_KEY = 9,
	TABLE_NOTE = 17,
};

struct disk_scan;

struct disk {
	struct store base;
	struct rocks *rocks;
	struct tables *tables;
	struct keeper *keeper; /* NULL when read-only */
	struct counting *counting;
	bool read_only;
	struct damage damage; /* see struct store_options; with a tell it is read-only */
	bool last_try;        /* of opening: a table that is not there is not one that was merged meanwhile */
	pthread_rwlock_t writing; /* held for reading while a change goes to RocksDB and comes into view, for writing to
	                             change area or to open RocksDB again */
	pthread_mutex_t publishing; /* who changes fresh holds it; taken before view */
	pthread_mutex_t view;     /* what scans see changes in one step under it */
	struct fresh *fresh;      /* held; guarded by view */
	uint32_t first_area;      /* guarded by publishing */
	uint32_t area;            /* the newest; guarded by writing */
	atomic_ullong begun;      /* commits, also those that failed */
	struct buffer doubtful;   /* uint64_t: numbers of tables that may be alive in RocksDB; guarded by publishing */
	struct disk_scan *_Atomic spare; /* owned: the block of a scan that has ended, for the next one; or NULL */
	atomic_ullong generation; /* as many, when they are done: the same number says that none is on its way */
};

/* Makes the entries of a directory durable. */
int disk_sync_directory(const char *dir, struct err *e);

/* The fresh rows as they are now, held. */
struct fresh *disk_hold_fresh(struct disk *d);

/* Scans, as the engine of a store has them: disk_scan.c. */
int disk_scan_begin(struct store *s, struct scan **ret, struct err *e);
void disk_scan_bound(struct scan *scan, struct bytes hi);
int disk_scan_seek(struct scan *scan, struct bytes at, struct bytes *key, struct bytes *value, struct err *e);
int disk_scan_next(struct scan *scan, struct bytes *key, struct bytes *value, struct err *e);
int disk_scan_count(struct scan *scan, struct bytes prefix, uint64_t budget, uint64_t *ret, struct err *e);
void disk_scan_end(struct scan *scan);
/* Of a block that was left behind; takes NULL too. */
void disk_scan_free(struct disk_scan *sc);

/* Learns from RocksDB which tables are alive and which rows are fresh. *ret_gone: a table's file was not there. */
int disk_load(struct disk *d, bool *ret_gone, struct err *e);
/* Where a change has failed: opens RocksDB again, and learns anew what is there. */
int disk_mend(struct disk *d, struct err *e);
/* A change that was to make a table alive failed: what RocksDB has of it is known when that is opened again. */
void disk_doubt(struct disk *d, uint64_t number);

void disk_put_be(uint8_t *to, uint64_t v, int octets);
void disk_area_prefix(uint32_t area, uint8_t to[static AREA_PREFIX]);

void disk_table_key(uint64_t number, uint8_t to[static TABLE_KEY]);

/* Makes a finished table file durable in its directory, and opens it. */
int disk_open_table(struct disk *d, uint64_t number, struct table **ret, struct err *e);
/* Puts into a batch what says that a table is alive, or no longer so. */
void disk_put_table(struct rocks_batch *b, struct table *t, int level);
void disk_delete_table(struct rocks_batch *b, uint64_t number);

/* The keeper: a thread that turns fresh rows into tables and merges tables. */
struct keeper *keeper_start(struct disk *d);
/* Lets it go at once; what it was writing is dropped. */
void keeper_stop(struct keeper *k);
/* There may be something to do. */
void keeper_wake(struct keeper *k);
/* Waits while there are too many fresh rows or, for a large run, too many tables. Returns the keeper's error when it cannot make
 * them fewer. */
int keeper_wait(struct keeper *k, bool large, struct err *e);
/* Makes one table of everything, as small as can be. */
int keeper_compact(struct keeper *k, struct err *e);

#define TABLE_LEVEL_FAST 3    /* zstd levels: measured, see bench/README.md */
#define TABLE_LEVEL_SMALL 9
