/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation that aborts instead of failing. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

static void *checked(void *p, size_t n)
{
	if (!p) {
		fprintf(stderr, "dribble: out of memory (%zu bytes)\n", n);
		abort();
	}
	return p;
}

void *xmalloc(size_t n)
{
	return checked(malloc(n ? n : 1), n);
}

void *xcalloc(size_t count, size_t n)
{
	return checked(calloc(count ? count : 1, n ? n : 1), n);
}

void *xrealloc(void *p, size_t n)
{
	return checked(realloc(p, n ? n : 1), n);
}

void *xmalloc_large(size_t n)
{
	if (n < HUGE_PAGE)
		return xmalloc(n);
	n = (n + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
	void *p = checked(aligned_alloc(HUGE_PAGE, n), n);
	madvise(p, n, MADV_HUGEPAGE); /* refused: it is slower, no more */
	return p;
}

char *xstrdup(const char *s)
{
	return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
	char *copy = xmalloc(n + 1);
	memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}
