/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exact sizes of large sets of rows, without reading them each time.
 *
 * A table never changes, so how many of its rows begin with a prefix is told by its index. What makes it hard is that several tables may have the
 * same row. So the rows of the largest table are counted by its index, and of the others only those that it has not; the sum
 * is remembered together with the tables that it covers. Later only tables that came since are looked at, and fresh
 * rows.
 */
#pragma once

#include "store/disk.h"

struct counting;

/* What a scan sees of the store; borrowed. */
struct counting_view {
	struct disk *disk;
	const struct table_set *set;
	const struct fresh *fresh;
	uint64_t generation;           /* of the store */
	bool settled;                  /* no commit was on its way: whatever has this generation sees the same */
};

struct counting *counting_new(void);
void counting_free(struct counting *c);

/* As scan_count. Safe from many threads. */
int counting_count(struct counting *c, const struct counting_view *v, struct bytes prefix, uint64_t budget,
                   uint64_t *ret, struct err *e);

/* Tables were replaced by one that has all their rows and no others. */
void counting_replaced(struct counting *c, const uint64_t *gone, size_t n, uint64_t by);
