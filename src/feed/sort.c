/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Multikey quicksort over eight octets at a time (Bentley and Sedgewick, "Fast Algorithms for Sorting and Searching
 * Strings", 1997): keys share long prefixes, and each octet of them is looked at only once. As long as there are many rows they are
 * dealt into 256 parts instead (American flag sort: McIlroy, Bostic and McIlroy, "Engineering Radix Sort", 1993), which guesses
 * no branches. */
#include "feed/sort.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
	SMALL = 12,
	MANY = 1024,
	DEALS = 16, /* within each other: each takes 6 KiB of the stack, and keys can be made that need one an octet */
	AHEAD = 12,
	TOLD_AT_ONCE = 4096, /* rows */
};

/* Eight octets from depth on as a number whose order is theirs; zeros where the key has ended. */
static uint64_t cache_of(const struct sort_key *key, size_t depth)
{
	uint64_t v = 0;
	if (depth + 8 <= key->n) {
		memcpy(&v, key->octets + depth, 8);
		return __builtin_bswap64(v);
	}
	for (size_t i = depth; i < key->n; i++)
		v |= (uint64_t)key->octets[i] << (8 * (7 - (i - depth)));
	return v;
}

static int compare(const struct sort_row *a, const struct sort_row *b)
{
	if (a->cache != b->cache)
		return a->cache < b->cache ? -1 : 1;
	return bytes_cmp(bytes_of(a->key->octets, a->key->n), bytes_of(b->key->octets, b->key->n));
}

static void swap(struct sort_row *a, struct sort_row *b)
{
	struct sort_row t = *a;
	*a = *b;
	*b = t;
}

static void insertion_sort(struct sort_row *rows, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct sort_row row = rows[i];
		size_t k = i;
		for (; k && compare(&row, &rows[k - 1]) < 0; k--)
			rows[k] = rows[k - 1];
		rows[k] = row;
	}
}

static uint64_t median(uint64_t a, uint64_t b, uint64_t c)
{
	if (a > b) {
		uint64_t t = a;
		a = b;
		b = t;
	}
	return c < a ? a : c > b ? b : c;
}

/* A place below n. Not foreseeable: a source must not be able to make the sort quadratic. */
static size_t any(size_t n)
{
	static _Thread_local uint64_t state;
	if (!state)
		state = (uint64_t)(uintptr_t)&state ^ (uint64_t)getpid() << 32 ^ (uint64_t)time(NULL);
	state += 0x9e3779b97f4a7c15;
	uint64_t z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (size_t)((z ^ z >> 31) % n);
}

/* Three parts: below, equal to and above the pivot. */
static void partition(struct sort_row *rows, size_t n, uint64_t pivot, size_t *ret_lo,
                      size_t *ret_hi)
{
	size_t lo = 0, i = 0, hi = n;
	while (i < hi) {
		if (rows[i].cache < pivot)
			swap(&rows[lo++], &rows[i++]);
		else if (rows[i].cache > pivot)
			swap(&rows[i], &rows[--hi]);
		else
			i++;
	}
	*ret_lo = lo;
	*ret_hi = hi;
}

struct sorting {
	const struct sort_row *rows;
	size_t told;
	void (*done)(void *ctx, size_t first); /* NULL: nobody asks */
	void *ctx;
	unsigned deals; /* under way, one within the other */
};

/* All rows before end are in order. */
static void tell(struct sorting *s, const struct sort_row *end)
{
	size_t first = (size_t)(end - s->rows);
	if (!s->done || first < s->told + TOLD_AT_ONCE)
		return;
	s->told = first;
	s->done(s->ctx, first);
}

/* Keys lie anywhere in memory: they are fetched ahead of their use. */
static void load(struct sort_row *rows, size_t n, size_t depth)
{
	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			__builtin_prefetch(rows[i + AHEAD].key->octets + depth);
		rows[i].cache = cache_of(rows[i].key, depth);
	}
}

static void sort_from(struct sorting *s, struct sort_row *rows, size_t n, size_t depth);

/* Their caches are equal: first come those that end here, by length, since zeros stood for their missing octets. */
static void sort_equal(struct sorting *s, struct sort_row *rows, size_t n, size_t depth)
{
	size_t ended = 0;
	for (size_t i = 0; i < n; i++) {
		if (rows[i].key->n <= depth + 8)
			swap(&rows[ended++], &rows[i]);
	}
	insertion_sort(rows, ended);
	tell(s, rows + ended);
	load(rows + ended, n - ended, depth + 8);
	sort_from(s, rows + ended, n - ended, depth + 8);
}

/* Deals rows into parts by the first eight bits in which any of their caches differ; differ: all bits in which any do. */
static void deal(struct sort_row *rows, size_t n, uint64_t differ, size_t ret_end[static 256])
{
	int top = 63 - __builtin_clzll(differ), shift = top > 7 ? top - 7 : 0;
	size_t at[256], count[256] = {0}, sum = 0;
	for (size_t i = 0; i < n; i++)
		count[rows[i].cache >> shift & 255]++;
	for (int k = 0; k < 256; k++) {
		at[k] = sum;
		ret_end[k] = sum += count[k];
	}
	for (int k = 0; k < 256; k++) {
		while (at[k] < ret_end[k]) {
			struct sort_row row = rows[at[k]];
			int to;
			while ((to = row.cache >> shift & 255) != k) {
				struct sort_row other = rows[at[to]];
				rows[at[to]++] = row;
				row = other;
			}
			rows[at[k]++] = row;
		}
	}
}

static void sort_many(struct sorting *s, struct sort_row *rows, size_t n, size_t depth)
{
	uint64_t differ = 0;
	size_t end[256], from = 0;
	for (size_t i = 1; i < n; i++)
		differ |= rows[i].cache ^ rows[0].cache;
	if (!differ) {
		sort_equal(s, rows, n, depth);
		return;
	}
	deal(rows, n, differ, end);
	s->deals++;
	for (int k = 0; k < 256; from = end[k++])
		sort_from(s, rows + from, end[k] - from, depth);
	s->deals--;
}

/* All rows agree up to depth, and cache holds the eight octets from there. */
static void sort_from(struct sorting *s, struct sort_row *rows, size_t n, size_t depth)
{
	if (n >= MANY && s->deals < DEALS) {
		sort_many(s, rows, n, depth);
		return;
	}
	while (n > SMALL) {
		size_t lo, hi;
		uint64_t pivot = median(rows[any(n)].cache, rows[any(n)].cache, rows[any(n)].cache);
		partition(rows, n, pivot, &lo, &hi);
		sort_from(s, rows, lo, depth);
		sort_equal(s, rows + lo, hi - lo, depth);
		rows += hi;
		n -= hi;
	}
	insertion_sort(rows, n);
	tell(s, rows + n);
}

void sort_rows_telling(struct sort_row *rows, size_t n, void (*done)(void *ctx, size_t first), void *ctx)
{
	struct sorting s = {.rows = rows, .done = done, .ctx = ctx};
	load(rows, n, 0);
	sort_from(&s, rows, n, 0);
	if (done)
		done(ctx, n);
}

void sort_rows(struct sort_row *rows, size_t n)
{
	sort_rows_telling(rows, n, NULL, NULL);
}
