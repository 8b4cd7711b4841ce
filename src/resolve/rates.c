/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets of four buckets, found by a keyed hash: nobody can choose whose bucket is pushed out. */
#include "resolve/rates.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/mem.h"

enum { WAYS = 4, LABELS = 128 };

struct bucket {
	uint64_t key; /* 0: empty */
	uint64_t at_ms;
	uint64_t left; /* thousandths */
};

struct rates {
	uint64_t a_second, secret;
	size_t sets;
	struct bucket p[]; /* WAYS of each set */
};

struct rates *rates_new(uint64_t a_second, unsigned buckets)
{
	size_t sets = buckets < WAYS ? 1 : buckets / WAYS;
	struct rates *r = xcalloc(1, sizeof(*r) + sets * WAYS * sizeof(r->p[0]));
	r->a_second = a_second;
	r->sets = sets;
	if (getrandom(&r->secret, sizeof(r->secret), 0) != sizeof(r->secret))
		r->secret = (uintptr_t)r;
	return r;
}

void rates_free(struct rates *r)
{
	free(r);
}

/* The key's bucket, filled up to now; one that was not used for the longest time makes room. */
static struct bucket *bucket_of(struct rates *r, struct bytes key, uint64_t now_ms)
{
	uint64_t h = XXH3_64bits_withSeed(key.p, key.n, r->secret) | 1;
	struct bucket *set = &r->p[(h >> 32) % r->sets * WAYS], *b = set;
	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].key == h) {
			b = &set[i];
			break;
		}
		if (set[i].at_ms < b->at_ms)
			b = &set[i];
	}
	uint64_t most = r->a_second * 1000, passed = now_ms > b->at_ms ? now_ms - b->at_ms : 0;
	if (b->key != h)
		*b = (struct bucket){h, now_ms, most};
	else if (passed >= 1000 || b->left + passed * r->a_second > most)
		b->left = most;
	else
		b->left += passed * r->a_second;
	b->at_ms = now_ms;
	return b;
}

bool rates_allow(struct rates *r, struct bytes key, uint64_t now_ms)
{
	return !r->a_second || bucket_of(r, key, now_ms)->left >= 1000;
}

void rates_take(struct rates *r, struct bytes key, uint64_t now_ms)
{
	if (!r->a_second)
		return;
	struct bucket *b = bucket_of(r, key, now_ms);
	b->left -= b->left < 1000 ? b->left : 1000;
}

static bool label_is(struct bytes name, size_t at, const char *text)
{
	return bytes_eq(bytes_of(name.p + at + 1, name.p[at]), bytes_str(text));
}

struct bytes rates_zone(struct bytes name)
{
	size_t at[LABELS], n = 0, keep = 2;
	for (size_t i = 0; i < name.n && name.p[i] && n < LABELS; i += name.p[i] + 1u)
		at[n++] = i;
	if (n >= 2 && label_is(name, at[n - 1], "arpa"))
		keep = label_is(name, at[n - 2], "in-addr") ? 5 : label_is(name, at[n - 2], "ip6") ? 14 : 2;
	else if (n >= 3 && name.p[at[n - 1]] == 2 && name.p[at[n - 2]] <= 3)
		keep = 3;
	if (n <= keep)
		return name;
	return bytes_of(name.p + at[n - keep], name.n - at[n - keep]);
}
