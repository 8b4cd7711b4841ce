/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the embedded store uses of RocksDB: atomic, durable batches of small changes, and reading them back in order.
 * rocks.c is the only file that includes it. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/err.h"
#include "store/merger.h"

struct rocks;
struct rocks_batch;
struct rocks_snapshot;
struct rocks_cursor;

/* Opens, and unless read_only makes, the database in a directory. Errors as store_open's; ERR_FULL when there is no room for
 * what opening for writing writes. */
int rocks_open(const char *dir, bool read_only, size_t memory, unsigned threads, struct rocks **ret, struct err *e);
void rocks_close(struct rocks *r);

/* Whether a change failed. From then on every change is refused with what was said then, as RocksDB may not know any more what is
 * durable, until it is opened again. */
bool rocks_failed(struct rocks *r);
/* What was read out of it makes no sense, or could not be had: as if a change had failed. */
void rocks_distrust(struct rocks *r, int rc, const struct err *why);
/* Closes and opens again, which tells what of the changes that failed is there. When a cursor is open for long (ERR_BUSY), or
 * there is no room to open it (ERR_FULL), all stays as it was: what is there can be read. After another error nothing can be
 * read or written, until it is tried again with success. ERR_CORRUPT when something is gone that a write acknowledged.
 * Snapshots taken before see notes as of now. */
int rocks_reopen(struct rocks *r, struct err *e);

/* 1: found, and in ret; 0: not there. */
int rocks_get(struct rocks *r, struct bytes key, struct buffer *ret, struct err *e);

struct rocks_batch *rocks_batch_new(void);
void rocks_batch_put(struct rocks_batch *b, struct bytes key, struct bytes value);
/* value is merged with what is there (store/value.h). */
void rocks_batch_merge(struct rocks_batch *b, struct bytes key, struct bytes value);
void rocks_batch_delete(struct rocks_batch *b, struct bytes key);
/* Keys in [from, to). */
void rocks_batch_delete_range(struct rocks_batch *b, struct bytes from, struct bytes to);
void rocks_batch_free(struct rocks_batch *b);
/* All or nothing, and durable when it returns 0. */
int rocks_write(struct rocks *r, struct rocks_batch *b, struct err *e);

struct rocks_snapshot *rocks_snapshot_take(struct rocks *r);
void rocks_snapshot_drop(struct rocks *r, struct rocks_snapshot *s);

/* The rows whose keys begin with a prefix, as a source of keys without it. snapshot NULL: as of now. */
struct rocks_cursor *rocks_cursor_new(struct rocks *r, const struct rocks_snapshot *s, struct bytes prefix);
struct source *rocks_cursor_source(struct rocks_cursor *c);
void rocks_cursor_free(struct rocks_cursor *c);

/* The number of the last change; it never gets less. */
uint64_t rocks_sequence(struct rocks *r);

struct rocks_figures {
	uint64_t rows, disk_octets, memory_octets;
};
void rocks_figures(struct rocks *r, struct rocks_figures *ret);

/* Writes what is in memory to files, and drops what is deleted. */
int rocks_compact(struct rocks *r, struct err *e);
/* Reads everything and compares it with its checksums. */
int rocks_verify(struct rocks *r, struct err *e);
