/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shards, each a hash table. Segments and pieces of one table and offset are in one shard.
 *
 * Who leaves: of a few segments and a few pieces that are picked at random the one with the greatest product of age (since it was
 * last asked for) and size, which is the one that is least worth its room. So a large segment leaves long before a small piece
 * that is asked for as often, and nothing needs to be moved in a list when it is asked for.
 *
 * What is held is not thrown away: it leaves the table at once, and memory when the last holder lets go.
 */
#include "store/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum {
	SHARDS = 16,
	SLOTS_MIN = 64, /* of a shard */
	SLOT_ROOM = 1024, /* octets of room a slot: chains stay short where all are pieces, which have some 300 */
	PICK = 4,       /* of so many segments and so many pieces one leaves */
	HEAP_COST = 16, /* octets of a block that are the allocator's */
	WHOLE_SIZE = SEGMENT_ROWS * 96, /* octets of a segment, rather too many */
	STEP = 4096,    /* entries looked at under the lock at a time */
};

struct cached {
	struct segment *segment; /* owned; of a piece: behind this, in the same block */
	uint64_t table, offset;
	struct cached *chain;
	uint32_t holders;  /* the cache itself is not one */
	uint32_t used;     /* the shard's time when it was asked for */
	uint32_t place;    /* in its list */
	uint32_t hash;     /* for its slot */
	uint32_t prefix_n;
	bool piece;
	bool kept;         /* in the table and the list */
	bool passing;      /* of no shard */
	uint8_t prefix[];  /* of a piece */
};

struct shard {
	pthread_mutex_t lock;
	struct cached **slots; /* owned */
	size_t mask;           /* slots - 1 */
	struct list {
		struct cached **e; /* owned, what it points at, too: what is kept, in no order */
		size_t n, cap;
	} segments, pieces;
	size_t used, room;     /* octets */
	uint32_t time;         /* goes on with each question */
	uint32_t random;
};

struct cache {
	uint64_t seed; /* so that nobody can choose names that meet in one slot */
	struct shard shards[SHARDS];
};

struct cache *cache_new(size_t octets)
{
	struct cache *c = xcalloc(1, sizeof(*c));
	size_t slots = SLOTS_MIN;
	c->seed = hash64(&c, sizeof(c));
	while (slots * 2 * SLOT_ROOM <= octets / SHARDS)
		slots *= 2;
	for (uint32_t i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shards[i];
		pthread_mutex_init(&s->lock, NULL);
		s->slots = xcalloc(slots, sizeof(struct cached *));
		s->mask = slots - 1;
		s->room = octets / SHARDS;
		s->used = slots * sizeof(struct cached *);
		s->random = i + 1;
	}
	return c;
}

static uint64_t mixed(uint64_t table, uint64_t offset)
{
	uint64_t h = (offset ^ table << 40) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static struct shard *shard_of(struct cache *c, uint64_t place)
{
	return &c->shards[place % SHARDS];
}

/* Of a piece, or with no prefix of the whole. */
static uint32_t slot_hash(const struct cache *c, uint64_t place, const struct bytes *prefix)
{
	return (uint32_t)((prefix ? place ^ XXH3_64bits_withSeed(prefix->p, prefix->n, c->seed) : place) >> 4);
}

static size_t weight(const struct cached *e)
{
	return sizeof(*e) + e->prefix_n + e->segment->size + (e->piece ? HEAP_COST : 2 * HEAP_COST);
}

static void destroy(struct cached *e)
{
	if (!e->piece)
		free(e->segment);
	free(e);
}

/* --- under the shard's lock --- */

static struct list *list_of(struct shard *s, const struct cached *e)
{
	return e->piece ? &s->pieces : &s->segments;
}

static struct cached *find(const struct shard *s, uint32_t hash, uint64_t table, uint64_t offset, const struct bytes *prefix)
{
	struct cached *e = s->slots[hash & s->mask];
	for (; e; e = e->chain) {
		if (e->hash == hash && e->offset == offset && e->table == table && e->piece == (prefix != NULL) &&
		    (!prefix || bytes_eq(bytes_of(e->prefix, e->prefix_n), *prefix)))
			return e;
	}
	return NULL;
}

static struct cached *hold(struct shard *s, struct cached *e)
{
	e->holders++;
	e->used = ++s->time;
	return e;
}

static void drop(struct shard *s, struct cached *e)
{
	struct cached **at = &s->slots[e->hash & s->mask];
	struct list *l = list_of(s, e);
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	l->e[e->place] = l->e[--l->n];
	l->e[e->place]->place = e->place;
	s->used -= weight(e);
	e->kept = false;
	if (!e->holders)
		destroy(e);
}

static void keep(struct shard *s, struct cached *e)
{
	struct list *l = list_of(s, e);
	if (l->n == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : SLOTS_MIN;
		s->used += (cap - l->cap) * sizeof(struct cached *);
		l->cap = cap;
		l->e = xrealloc(l->e, cap * sizeof(struct cached *));
	}
	e->chain = s->slots[e->hash & s->mask];
	s->slots[e->hash & s->mask] = e;
	e->place = (uint32_t)l->n;
	e->kept = true;
	l->e[l->n++] = e;
	s->used += weight(e);
}

/* Who is to leave, but for one; NULL when that is alone. */
static struct cached *pick(struct shard *s, const struct cached *spared)
{
	struct list *const lists[] = {&s->segments, &s->pieces};
	struct cached *worst = NULL;
	uint64_t most = 0;
	for (int i = 0; i < 2; i++) {
		const struct list *l = lists[i];
		for (int n = 0; n < PICK && l->n; n++) {
			s->random = s->random * 1664525u + 1013904223u;
			struct cached *e = l->e[((uint64_t)s->random * l->n) >> 32];
			if (e == spared)
				e = l->e[(e->place + 1) % l->n];
			uint64_t cost = ((uint64_t)(s->time - e->used) + 1) * weight(e);
			if (e != spared && cost > most) {
				most = cost;
				worst = e;
			}
		}
	}
	return worst;
}

/* Puts an entry in, unless there is one by now; returns the one that is in, held. */
static struct cached *put(struct shard *s, struct cached *new, const struct bytes *prefix)
{
	pthread_mutex_lock(&s->lock);
	struct cached *e = find(s, new->hash, new->table, new->offset, prefix);
	if (e) {
		destroy(new);
	} else {
		e = new;
		keep(s, e);
	}
	hold(s, e);
	struct cached *worst;
	while (s->used > s->room && (worst = pick(s, e)))
		drop(s, worst);
	pthread_mutex_unlock(&s->lock);
	return e;
}

/* --- */

void cache_free(struct cache *c)
{
	if (!c)
		return;
	for (int i = 0; i < SHARDS; i++) {
		struct shard *s = &c->shards[i];
		while (s->segments.n)
			drop(s, s->segments.e[s->segments.n - 1]);
		while (s->pieces.n)
			drop(s, s->pieces.e[s->pieces.n - 1]);
		pthread_mutex_destroy(&s->lock);
		free(s->slots);
		free(s->segments.e);
		free(s->pieces.e);
	}
	free(c);
}

struct cached *cache_get(struct cache *c, uint64_t table, uint64_t offset)
{
	uint64_t place = mixed(table, offset);
	struct shard *s = shard_of(c, place);
	pthread_mutex_lock(&s->lock);
	struct cached *e = find(s, slot_hash(c, place, NULL), table, offset, NULL);
	if (e)
		hold(s, e);
	pthread_mutex_unlock(&s->lock);
	return e;
}

struct cached *cache_get_piece(struct cache *c, uint64_t table, uint64_t offset, struct bytes prefix)
{
	uint64_t place = mixed(table, offset);
	struct shard *s = shard_of(c, place);
	struct cached *e = NULL;
	pthread_mutex_lock(&s->lock);
	if (s->pieces.n)
		e = find(s, slot_hash(c, place, &prefix), table, offset, &prefix);
	if (!e)
		e = find(s, slot_hash(c, place, NULL), table, offset, NULL);
	if (e)
		hold(s, e);
	pthread_mutex_unlock(&s->lock);
	return e;
}

bool cache_wants_whole(struct cache *c, uint64_t table, uint64_t offset)
{
	struct shard *s = shard_of(c, mixed(table, offset));
	pthread_mutex_lock(&s->lock);
	bool wants = s->used + WHOLE_SIZE <= s->room;
	pthread_mutex_unlock(&s->lock);
	return wants;
}

struct cached *cache_pass(struct segment *segment)
{
	struct cached *e = xcalloc(1, sizeof(*e));
	*e = (struct cached){.segment = segment, .holders = 1, .passing = true};
	return e;
}

struct cached *cache_put(struct cache *c, uint64_t table, uint64_t offset, struct segment *segment)
{
	uint64_t place = mixed(table, offset);
	struct cached *e = xcalloc(1, sizeof(*e));
	*e = (struct cached){.segment = segment, .table = table, .offset = offset, .hash = slot_hash(c, place, NULL)};
	return put(shard_of(c, place), e, NULL);
}

struct cached *cache_put_piece(struct cache *c, uint64_t table, uint64_t offset, struct bytes prefix, const struct segment *piece)
{
	uint64_t place = mixed(table, offset);
	const size_t align = _Alignof(struct segment);
	size_t head = (sizeof(struct cached) + prefix.n + align - 1) / align * align;
	struct cached *e = xmalloc(head + piece->size);
	*e = (struct cached){.table = table,
	                     .offset = offset,
	                     .hash = slot_hash(c, place, &prefix),
	                     .piece = true,
	                     .prefix_n = (uint32_t)prefix.n};
	if (prefix.n)
		memcpy(e->prefix, prefix.p, prefix.n);
	e->segment = segment_copy(piece, (uint8_t *)e + head);
	return put(shard_of(c, place), e, &prefix);
}

const struct segment *cached_segment(const struct cached *held)
{
	return held->segment;
}

bool cached_prefix(const struct cached *held, struct bytes *ret)
{
	if (held->piece)
		*ret = bytes_of(held->prefix, held->prefix_n);
	return held->piece;
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

static void forget(struct shard *s, struct list *l, uint64_t table)
{
	size_t at = SIZE_MAX; /* from the end, as the last takes the place of what goes */
	do {
		pthread_mutex_lock(&s->lock);
		at = at < l->n ? at : l->n;
		for (int step = 0; step < STEP && at; step++) {
			if (l->e[--at]->table == table)
				drop(s, l->e[at]);
		}
		pthread_mutex_unlock(&s->lock);
	} while (at);
}

void cache_forget(struct cache *c, uint64_t table)
{
	for (int i = 0; i < SHARDS; i++) {
		forget(&c->shards[i], &c->shards[i].segments, table);
		forget(&c->shards[i], &c->shards[i].pieces, table);
	}
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
