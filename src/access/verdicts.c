/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Remembers credentials by keyed hash. */
#include "access/verdicts.h"

#include <stddef.h>

#include <sodium.h>

static size_t set_of(const struct credential_hash *hash)
{
	return (hash->b[0] | (size_t)hash->b[1] << 8) % VERDICTS_SETS;
}

static bool same(const struct credential_hash *a, const struct credential_hash *b)
{
	return sodium_memcmp(a->b, b->b, sizeof(a->b)) == 0;
}

bool verdicts_has(const struct verdicts *verdicts, const struct credential_hash *hash,
		  uint64_t now_ms)
{
	const struct verdict *set = verdicts->sets[set_of(hash)];
	bool has = false;
	for (size_t i = 0; i < VERDICTS_WAYS; i++)
		has |= set[i].until_ms > now_ms && same(&set[i].hash, hash);
	return has;
}

void verdicts_put(struct verdicts *verdicts, const struct credential_hash *hash, uint64_t until_ms)
{
	struct verdict *set = verdicts->sets[set_of(hash)], *place = &set[0];
	for (size_t i = 0; i < VERDICTS_WAYS; i++) {
		if (set[i].until_ms && same(&set[i].hash, hash)) {
			place = &set[i];
			break;
		}
		if (set[i].until_ms < place->until_ms)
			place = &set[i];
	}
	*place = (struct verdict){*hash, until_ms};
}
