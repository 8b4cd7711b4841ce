/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An arena: small allocations that die together. Zero-initialised is empty. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

struct arena {
	struct arena_chunk *chunk; /* the one in use; owned, as those behind it */
	struct arena_chunk *spare; /* owned */
	size_t at;                 /* octets used of it */
	size_t used;               /* octets handed out */
};

void arena_release(struct arena *a);
/* Empty again. What was in use is kept for what comes, what was not is given back. */
void arena_clear(struct arena *a);
/* Aligned for pointers and numbers of 64 bits. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
/* A copy of octets, not aligned. */
struct bytes arena_copy(struct arena *a, struct bytes b);

static inline size_t arena_used(const struct arena *a)
{
	return a->used;
}
