/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Chunks in a list, filled one after another. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"

struct arena_chunk {
	struct arena_chunk *next;
	size_t size;
	uint64_t p[];
};

/* The first chunk is small, and each is twice as large as the one before, up to pieces that huge pages can hold. */
enum { FIRST_CHUNK = 1 << 16, CHUNK = 4 << 20 };

static void drop(struct arena_chunk *c)
{
	while (c) {
		struct arena_chunk *next = c->next;
		free(c);
		c = next;
	}
}

void arena_release(struct arena *a)
{
	drop(a->chunk);
	drop(a->spare);
	*a = (struct arena){0};
}

void arena_clear(struct arena *a)
{
	drop(a->spare);
	*a = (struct arena){.spare = a->chunk};
}

/* Another chunk, of at least n octets. */
static struct arena_chunk *chunk_for(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->spare;
	if (c && c->size >= n) {
		a->spare = c->next;
		return c;
	}
	size_t size = a->chunk ? 2 * (a->chunk->size + sizeof(*c)) : FIRST_CHUNK;
	size = (size < CHUNK ? size : CHUNK) - sizeof(*c);
	if (size < n)
		size = n;
	c = xmalloc_large(sizeof(*c) + size);
	c->size = size;
	return c;
}

static void *take(struct arena *a, size_t n)
{
	if (!a->chunk || a->chunk->size - a->at < n) {
		struct arena_chunk *c = chunk_for(a, n);
		c->next = a->chunk;
		a->chunk = c;
		a->at = 0;
	}
	void *p = (uint8_t *)a->chunk->p + a->at;
	a->at += n;
	a->used += n;
	return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
	a->at = (a->at + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
	if (a->chunk && a->at > a->chunk->size)
		a->at = a->chunk->size;
	return take(a, n);
}

struct bytes arena_copy(struct arena *a, struct bytes b)
{
	if (!b.n)
		return bytes_of(NULL, 0);
	void *p = take(a, b.n);
	memcpy(p, b.p, b.n);
	return bytes_of(p, b.n);
}
