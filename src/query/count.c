/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A direct-mapped table of sizes. */
#include "query/count.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

enum { SLOTS = 4096 };

struct counted {
	struct hash128 set;
	uint64_t generation;
	uint64_t size; /* 0: empty slot */
};

struct counts {
	pthread_mutex_t lock;
	struct counted slots[SLOTS];
};

struct counts *counts_new(void)
{
	struct counts *c = xcalloc(1, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void counts_free(struct counts *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct counted *slot_of(struct counts *c, const struct hash128 *set)
{
	return &c->slots[(set->b[0] << 8 | set->b[1]) % SLOTS];
}

bool counts_get(struct counts *c, struct bytes prefix, uint64_t generation, uint64_t *ret)
{
	struct hash128 set = hash128_of(prefix.p, prefix.n);
	pthread_mutex_lock(&c->lock);
	const struct counted *slot = slot_of(c, &set);
	bool known = slot->size && slot->generation == generation &&
	             memcmp(slot->set.b, set.b, sizeof(set.b)) == 0;
	if (known)
		*ret = slot->size;
	pthread_mutex_unlock(&c->lock);
	return known;
}

void counts_put(struct counts *c, struct bytes prefix, uint64_t generation, uint64_t size)
{
	struct hash128 set = hash128_of(prefix.p, prefix.n);
	pthread_mutex_lock(&c->lock);
	*slot_of(c, &set) = (struct counted){set, generation, size};
	pthread_mutex_unlock(&c->lock);
}
