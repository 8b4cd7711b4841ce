/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From observations to keys. */
#include "feed/batch.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/keys.h"

enum { OCTETS = 1 << 20 }; /* with so many it is full, however few they are */

struct batch *batch_new(void)
{
	return xcalloc(1, sizeof(struct batch));
}

void batch_free(struct batch *b)
{
	if (!b)
		return;
	arena_release(&b->arena);
	buffer_release(&b->key);
	free(b);
}

void batch_clear(struct batch *b)
{
	arena_clear(&b->arena);
	b->n = 0;
}

bool batch_add(struct batch *b, const struct observation *o)
{
	struct ready *r = &b->ready[b->n++];
	buffer_clear(&b->key);
	r->cut = key_put_owner_row(&b->key, o->owner, o->rrtype, o->form, o->rdata);
	r->key = arena_copy(&b->arena, buffer_bytes(&b->key));
	r->hash = hash64(r->key.p, r->key.n);
	r->o = *o;
	r->o.owner = arena_copy(&b->arena, o->owner);
	r->o.rdata = arena_copy(&b->arena, o->rdata);
	r->o.seen.sensor_id = arena_copy(&b->arena, o->seen.sensor_id);
	r->o.seen.bailiwick = arena_copy(&b->arena, o->seen.bailiwick);
	return b->n == BATCH || arena_used(&b->arena) > OCTETS;
}
