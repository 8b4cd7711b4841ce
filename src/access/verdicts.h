/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A bounded table of credentials that were found right or wrong, by their keyed hash.
 *
 * Sets of four entries, found by the first bits of the hash: these are unpredictable without the
 * key, so nobody can choose what is pushed out. Not synchronized.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VERDICTS_SETS 1024
#define VERDICTS_WAYS 4

struct credential_hash {
	uint8_t b[16];
};

struct verdict {
	struct credential_hash hash;
	uint64_t until_ms; /* 0: empty */
};

struct verdicts {
	struct verdict sets[VERDICTS_SETS][VERDICTS_WAYS];
};

bool verdicts_has(const struct verdicts *verdicts, const struct credential_hash *hash,
		  uint64_t now_ms);
/* Pushes out the entry of its set that would end first. */
void verdicts_put(struct verdicts *verdicts, const struct credential_hash *hash, uint64_t until_ms);
