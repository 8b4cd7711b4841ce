/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The store: one ordered keyspace of bytes whose values merge.
 *
 * Invariants, for every implementation (tests/contract/test_store.c runs on all of them):
 *  - Keys are ordered as by memcmp, the shorter first when one is a prefix of the other.
 *  - A row is (key, value). Adding a value to a key merges it with what is there (store/value.h); the order of
 *    additions never matters. Adding never reads.
 *  - A run of additions is all or nothing, and durable when its commit returns 0: after a crash at any
 *    instant either all of it is there or none.
 *  - A scan sees the store as it was when the scan began: of each run all rows or none. Notes alone may be seen a moment before the
 *    rows of their run, while its commit has not returned yet.
 *
 * Keys beginning with an octet below STORE_FIRST_ROW are the store's and its users' notes (version, journal of what has been
 * imported): they are put, not merged, within the same runs. store/keys.h says how records become keys.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define STORE_FIRST_ROW 0x20

struct store;
struct run;
struct scan;

enum store_mode {
	STORE_READ,   /* must exist; works beside a process that writes, and sees what was durable at open */
	STORE_WRITE,  /* must exist */
	STORE_CREATE, /* written to, made if it is not there */
};

/* Who is told of what is damaged, a sentence that names the file each time it is come upon. */
struct damage {
	void (*tell)(void *ctx, const char *sentence);
	void *ctx;
};

struct store_options {
	uint64_t cache_bytes; /* block cache; 0: the default */
	unsigned threads;     /* background work; 0: as many as processors */
	/* With STORE_READ. With a tell, what is damaged is no error: it is told, its rows are missing, and scans go on behind them. Rows that other
	 * files have, too, lack what the damaged one would add. */
	struct damage damage;
};

/* Counters for people; approximate where exact ones would cost a scan. */
struct store_figures {
	uint64_t rows;         /* estimate of rows, notes left out */
	uint64_t disk_bytes;   /* 0 for memory */
	uint64_t memory_bytes; /* caches and write buffers */
};

/* Opens a store by URI: PATH, rocksdb:PATH or memory:. opt may be NULL. Errors: ERR_NOTFOUND, ERR_DENIED, ERR_BUSY (another
 * process writes to it), ERR_VERSION (a layout this program does not know), ERR_CORRUPT, ERR_IO, ERR_USAGE (not a store
 * URI). */
int store_open(const char *uri, enum store_mode mode, const struct store_options *opt,
               struct store **ret, struct err *e);

/* Closes; s may be NULL. No scan or run may be open. */
void store_close(struct store *s);

/* The directory of an embedded store, or NULL. Owned by the store. */
const char *store_path(const struct store *s);

/* A run of additions. Keys come in strictly ascending order: first all puts (below STORE_FIRST_ROW), then all adds. expect is the
 * number of rows about to come, which decides how they travel. A run may hold several such batches. The run ends with commit or abort, which free it. After an
 * error of put or add the run can only be aborted. Runs of several threads may be open at once. */
int run_begin(struct store *s, uint64_t expect, struct run **ret, struct err *e);
/* Begins another batch in the same run: keys ascend anew. */
int run_restart(struct run *r, struct err *e);
int run_put(struct run *r, struct bytes key, struct bytes value, struct err *e);
int run_add(struct run *r, struct bytes key, struct bytes value, struct err *e);
int run_commit(struct run *r, struct err *e);
void run_abort(struct run *r);

/* Removes notes (keys below STORE_FIRST_ROW); durable when it returns 0. */
int store_forget(struct store *s, struct bytes key, struct err *e);

/* Scans: begin, then position and step. scan_seek goes to the first key >= at. scan_next moves on; both return 1 with a row, 0 at the
 * end (keys >= the bound given to scan_bound, or no more), negative on failure. Key and value are valid until the next call on the
 * scan. */
int scan_begin(struct store *s, struct scan **ret, struct err *e);
/* Seeks exactly one key: 1 and its value, 0 when it is not there, negative on failure. */
int scan_find(struct scan *sc, struct bytes key, struct bytes *value, struct err *e);
/* No key >= hi is returned; empty: no bound. The bytes are copied. */
void scan_bound(struct scan *sc, struct bytes hi);
int scan_seek(struct scan *sc, struct bytes at, struct bytes *ret_key, struct bytes *ret_value,
              struct err *e);
int scan_next(struct scan *sc, struct bytes *ret_key, struct bytes *ret_value, struct err *e);
/* The exact number of rows whose keys begin with prefix (not empty, not all octets 255), as the scan sees them; bounds do not matter. What was
 * counted is remembered, so that counting it again looks only at what came since. budget: how many rows may be looked at,
 * 0 for all there are; 1 is returned, and nothing else, when they would be more. The rows of the scan stay where they are. */
int scan_count(struct scan *sc, struct bytes prefix, uint64_t budget, uint64_t *ret, struct err *e);
void scan_end(struct scan *sc);

/* A number that changes whenever a commit may have changed what a scan begun now would see. */
uint64_t store_generation(struct store *s);

int store_figures(struct store *s, struct store_figures *ret, struct err *e);

/* Merges everything down to its smallest form. Slow; reads and writes go on meanwhile. */
int store_compact(struct store *s, struct err *e);

/* Verifies the checksums of everything stored; the sentence names the file that is bad. */
int store_verify(struct store *s, struct err *e);
