/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chunks in a list, filled one after another. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	alignas(max_align_t) uint8_t p[];
};

enum { CHUNK = 1 << 20 };

static void drop_after(struct arena *a, struct arena_chunk *keep)
{
	struct arena_chunk *c = keep ? keep->next : a->chunk;
	while (c) {
		struct arena_chunk *next = c->next;
		free(c);
		c = next;
	}
}

void arena_release(struct arena *a)
{
	drop_after(a, NULL);
	*a = (struct arena){0};
}

void arena_clear(struct arena *a)
{
	if (!a->chunk)
		return;
	drop_after(a, a->chunk);
	a->chunk->next = NULL;
	a->at = 0;
	a->used = 0;
}

void *arena_alloc(struct arena *a, size_t n)
{
	n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (!a->chunk || a->chunk->size - a->at < n) {
		size_t size = n > CHUNK ? n : CHUNK;
		struct arena_chunk *c = xmalloc(sizeof(*c) + size);
		c->next = a->chunk;
		c->size = size;
		a->chunk = c;
		a->at = 0;
	}
	void *p = a->chunk->p + a->at;
	a->at += n;
	a->used += n;
	return p;
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
	if (!b.n)
		return bytes_of(NULL, 0);
	void *p = arena_alloc(a, b.n);
	memcpy(p, b.p, b.n);
	return bytes_of(p, b.n);
}
