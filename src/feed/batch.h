/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Observations made ready for a fold: each has its key and hash, and nothing borrows from its reader any more. Making them so
 * needs no fold: one thread can do it while another looks them up. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "model/observation.h"

enum { BATCH = 256 };

struct ready {
	uint64_t hash;        /* of key */
	struct bytes key;     /* of its owner row */
	bool cut;             /* the key does not hold the whole rdata */
	struct observation o; /* what it borrows is in the arena */
};

struct batch {
	struct arena arena;
	struct buffer key; /* scratch */
	unsigned n;
	struct ready ready[BATCH];
};

struct batch *batch_new(void);
void batch_free(struct batch *b);
void batch_clear(struct batch *b);

/* True: it is full, and must be cleared before the next one. */
bool batch_add(struct batch *b, const struct observation *o);
