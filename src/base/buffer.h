/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A growing byte buffer. p is NULL until something is put in; growing aborts when memory is out
 * (xrealloc), so callers bound what they put in by base/limits.h. */
#pragma once

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"

struct buffer {
	uint8_t *p; /* owned */
	size_t n;
	size_t cap;
};

#define BUFFER_INIT ((struct buffer){NULL, 0, 0})

static inline void buffer_release(struct buffer *b)
{
	free(b->p);
	*b = BUFFER_INIT;
}

static inline void buffer_clear(struct buffer *b)
{
	b->n = 0;
}

/* Makes room for n more bytes and returns where they go; b->n is not moved. */
static inline uint8_t *buffer_reserve(struct buffer *b, size_t n)
{
	if (b->cap - b->n < n) {
		size_t cap = b->cap ? b->cap * 2 : 256;
		while (cap - b->n < n)
			cap *= 2;
		b->p = xrealloc(b->p, cap);
		b->cap = cap;
	}
	return b->p + b->n;
}

static inline void buffer_put(struct buffer *b, const void *p, size_t n)
{
	if (n) {
		memcpy(buffer_reserve(b, n), p, n);
		b->n += n;
	}
}

static inline void buffer_put_byte(struct buffer *b, uint8_t c)
{
	*buffer_reserve(b, 1) = c;
	b->n++;
}

static inline void buffer_put_bytes(struct buffer *b, struct bytes s)
{
	buffer_put(b, s.p, s.n);
}

static inline void buffer_put_str(struct buffer *b, const char *s)
{
	buffer_put(b, s, strlen(s));
}

/* Decimal digits of v. */
void buffer_put_u64(struct buffer *b, uint64_t v);

/* printf into the buffer; no NUL is counted. */
void buffer_putf(struct buffer *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static inline struct bytes buffer_bytes(const struct buffer *b)
{
	return bytes_of(b->p, b->n);
}
