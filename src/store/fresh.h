/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fresh rows in memory: what small runs brought and is no table yet. RocksDB's log has the same, for when the process ends.
 *
 * They are parts, each an array in key order that never changes. A run makes a part, which is merged with those before it while they are
 * not much larger: so there are few of them, and each row is moved few times. A set of parts is never changed, either: whoever reads
 * holds on to the one it began with. Not safe from many threads: callers lock.
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "store/merger.h"
#include "store/segment.h"

struct fresh_part {
	atomic_uint sets;      /* that have it */
	uint32_t area;         /* of RocksDB that has its rows; parts of several areas are never merged */
	struct segment *rows;  /* owned */
};

struct fresh {
	atomic_uint holders;
	uint64_t rows, octets; /* of all parts; keys that several parts have count for each */
	size_t n;
	struct fresh_part *part[]; /* the oldest first */
};

/* A set without parts, held. */
struct fresh *fresh_new(void);
struct fresh *fresh_hold(struct fresh *f);
void fresh_release(struct fresh *f);

/* A new set, held: that of f and rows of an area, of which there is at least one, in key order. f stays as it is. */
int fresh_with(const struct fresh *f, uint32_t area, struct source *rows, struct fresh **ret, struct err *e);
/* A new set, held: that of f without the parts of areas before one. */
struct fresh *fresh_without(const struct fresh *f, uint32_t first_area);

/* A part as a source. */
struct part_source {
	struct source source; /* first */
	const struct segment *rows; /* borrowed */
	uint32_t at;
};

void part_source_init(struct part_source *s, const struct fresh_part *part);
