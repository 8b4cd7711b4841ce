/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An arena: small allocations that die together. Zero-initialised is empty. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"

struct arena {
	struct arena_chunk *chunk; /* the one in use; owned, as those behind it */
	size_t at;                 /* octets used of it */
	size_t used;               /* octets handed out */
};

void arena_release(struct arena *a);
/* Empty again; one chunk is kept. */
void arena_clear(struct arena *a);
/* Aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
struct bytes arena_copy(struct arena *a, struct bytes b);

static inline size_t arena_used(const struct arena *a)
{
	return a->used;
}
