/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shards, each a hash table with a list in the order of last use.
 *
 * What is held is not thrown away: it leaves the table at once, and memory when the last holder lets go.
 */
#include "store/cache.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
	SHARDS = 16,
	SLOTS = 4096, /* of a shard: chains stay short up to some gigabytes */
};

struct cached {
	struct segment *segment; /* owned */
	uint64_t table, offset;
	unsigned holders;  /* the cache itself is not one */
	bool kept;         /* in the table and the list */
	bool passing;      /* of no shard */
	struct cached *chain;
	struct cached *newer, *older;
};

struct shard {
	pthread_mutex_t lock;
	struct cached *slots[SLOTS];
	struct cached *newest, *oldest;
	size_t used, room;
};

struct cache {
	struct shard shards[SHARDS];
};

struct cache *cache_new(size_t octets)
{
	struct cache *c = xcalloc(1, sizeof(*c));
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_init(&c->shards[i].lock, NULL);
		c->shards[i].room = octets / SHARDS;
	}
	return c;
}

static uint64_t mixed(uint64_t table, uint64_t offset)
{
	uint64_t h = (offset ^ table << 40) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static struct shard *shard_of(struct cache *c, uint64_t hash)
{
	return &c->shards[hash % SHARDS];
}

static struct cached **slot_of(struct shard *s, uint64_t hash)
{
	return &s->slots[hash / SHARDS % SLOTS];
}

static size_t weight(const struct cached *e)
{
	return e->segment->size + sizeof(*e);
}

static void destroy(struct cached *e)
{
	free(e->segment);
	free(e);
}

/* --- the list, under the shard's lock --- */

static void list_remove(struct shard *s, struct cached *e)
{
	*(e->newer ? &e->newer->older : &s->newest) = e->older;
	*(e->older ? &e->older->newer : &s->oldest) = e->newer;
}

static void list_push(struct shard *s, struct cached *e)
{
	e->newer = NULL;
	e->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = e;
	s->newest = e;
}

static struct cached *find(struct shard *s, uint64_t hash, uint64_t table, uint64_t offset)
{
	struct cached *e = *slot_of(s, hash);
	while (e && (e->offset != offset || e->table != table))
		e = e->chain;
	return e;
}

static void drop(struct shard *s, struct cached *e)
{
	struct cached **at = slot_of(s, mixed(e->table, e->offset));
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	list_remove(s, e);
	s->used -= weight(e);
	e->kept = false;
	if (!e->holders)
		destroy(e);
}

void cache_free(struct cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < SHARDS; i++) {
		while (c->shards[i].oldest)
			drop(&c->shards[i], c->shards[i].oldest);
		pthread_mutex_destroy(&c->shards[i].lock);
	}
	free(c);
}

struct cached *cache_get(struct cache *c, uint64_t table, uint64_t offset)
{
	uint64_t hash = mixed(table, offset);
	struct shard *s = shard_of(c, hash);
	pthread_mutex_lock(&s->lock);
	struct cached *e = find(s, hash, table, offset);
	if (e) {
		e->holders++;
		if (s->newest != e) {
			list_remove(s, e);
			list_push(s, e);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return e;
}

struct cached *cache_pass(struct segment *segment)
{
	struct cached *e = xcalloc(1, sizeof(*e));
	*e = (struct cached){.segment = segment, .holders = 1, .passing = true};
	return e;
}

struct cached *cache_put(struct cache *c, uint64_t table, uint64_t offset, struct segment *segment)
{
	uint64_t hash = mixed(table, offset);
	struct shard *s = shard_of(c, hash);
	struct cached *new = xcalloc(1, sizeof(*new));
	*new = (struct cached){.segment = segment, .table = table, .offset = offset, .kept = true};
	pthread_mutex_lock(&s->lock);
	struct cached *e = find(s, hash, table, offset);
	if (e) {
		destroy(new);
	} else {
		e = new;
		e->chain = *slot_of(s, hash);
		*slot_of(s, hash) = e;
		list_push(s, e);
		s->used += weight(e);
	}
	e->holders++;
	while (s->used > s->room && s->oldest && s->oldest != e)
		drop(s, s->oldest);
	pthread_mutex_unlock(&s->lock);
	return e;
}

const struct segment *cached_segment(const struct cached *held)
{
	return held->segment;
}

void cache_release(struct cache *c, struct cached *held)
{
	if (!held)
		return;
	if (held->passing) {
		destroy(held);
		return;
	}
	struct shard *s = shard_of(c, mixed(held->table, held->offset));
	pthread_mutex_lock(&s->lock);
	bool last = --held->holders == 0 && !held->kept;
	pthread_mutex_unlock(&s->lock);
	if (last)
		destroy(held);
}

size_t cache_used(struct cache *c)
{
	size_t used = 0;
	for (int i = 0; i < SHARDS; i++) {
		pthread_mutex_lock(&c->shards[i].lock);
		used += c->shards[i].used;
		pthread_mutex_unlock(&c->shards[i].lock);
	}
	return used;
}
