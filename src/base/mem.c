/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation that aborts instead of failing. */
#include "base/mem.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	HUGE_PAGE = 2 << 20,
	KEPT_OCTETS = 8 << 20, /* free at the end of a heap before it is given back */
};

void mem_settle(void)
{
	/* Left to itself glibc takes what is large from its heaps once one such piece was freed. Every thread has its own heap, and
	 * pieces of some MiB, each at a page boundary, leave holes there: an import took 1.1 GB instead of 440 MB. */
	mallopt(M_MMAP_THRESHOLD, HUGE_PAGE);
	mallopt(M_TRIM_THRESHOLD, KEPT_OCTETS);
}

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
