/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An array of entries, chained by their hash and in the order of their last use; places are 1 and up, 0 is none. */
#include "resolve/recall.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct entry {
	struct hash128 key;
	uint64_t until_ms;
	uint32_t chain;        /* the next of its bucket */
	uint32_t newer, older; /* by use; of place 0: the oldest, the newest */
	uint8_t what;
};

struct recall {
	struct entry *p;   /* owned; grows up to most + 1 */
	uint32_t *buckets; /* owned */
	size_t most, n, cap, mask;
};

struct recall *recall_new(size_t most)
{
	struct recall *r = xcalloc(1, sizeof(*r));
	r->most = most;
	for (r->mask = 1; r->mask < most; r->mask *= 2)
		;
	r->buckets = xcalloc(r->mask, sizeof(*r->buckets));
	r->mask--;
	r->cap = 16;
	r->p = xcalloc(r->cap, sizeof(*r->p));
	return r;
}

void recall_free(struct recall *r)
{
	if (!r)
		return;
	free(r->p);
	free(r->buckets);
	free(r);
}

static uint32_t *bucket_of(struct recall *r, const struct hash128 *key)
{
	uint64_t h;
	memcpy(&h, key->b, sizeof(h));
	return &r->buckets[h & r->mask];
}

static uint32_t find(struct recall *r, const struct hash128 *key)
{
	uint32_t i = *bucket_of(r, key);
	while (i && memcmp(r->p[i].key.b, key->b, sizeof(key->b)) != 0)
		i = r->p[i].chain;
	return i;
}

static void unlink_use(struct recall *r, uint32_t i)
{
	struct entry *e = &r->p[i];
	r->p[e->newer].older = e->older;
	r->p[e->older].newer = e->newer;
}

/* Between place 0 and what was the newest. */
static void link_newest(struct recall *r, uint32_t i)
{
	struct entry *e = &r->p[i];
	e->newer = 0;
	e->older = r->p[0].older;
	r->p[e->older].newer = i;
	r->p[0].older = i;
}

/* A place for one more key, if need be that of the oldest. */
static uint32_t take_place(struct recall *r)
{
	if (r->n < r->most) {
		if (r->n + 1 == r->cap) {
			r->cap *= 2;
			r->p = xrealloc(r->p, r->cap * sizeof(*r->p));
		}
		return (uint32_t)++r->n;
	}
	uint32_t oldest = r->p[0].newer, *at = bucket_of(r, &r->p[oldest].key);
	while (*at != oldest)
		at = &r->p[*at].chain;
	*at = r->p[oldest].chain;
	unlink_use(r, oldest);
	return oldest;
}

bool recall_has(struct recall *r, const struct hash128 *key, uint64_t now_ms, uint8_t *ret_what)
{
	uint32_t i = find(r, key);
	if (!i || r->p[i].until_ms <= now_ms)
		return false;
	unlink_use(r, i);
	link_newest(r, i);
	*ret_what = r->p[i].what;
	return true;
}

void recall_put(struct recall *r, const struct hash128 *key, uint64_t until_ms, uint8_t what)
{
	uint32_t i = find(r, key);
	if (i) {
		unlink_use(r, i);
	} else {
		i = take_place(r);
		uint32_t *bucket = bucket_of(r, key);
		r->p[i].key = *key;
		r->p[i].chain = *bucket;
		*bucket = i;
	}
	r->p[i].until_ms = until_ms;
	r->p[i].what = what;
	link_newest(r, i);
}

size_t recall_count(const struct recall *r)
{
	return r->n;
}
