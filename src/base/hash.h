/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XXH3 (xxHash 0.8): fast and stable across versions and machines, so its values may be stored.
 * Not for secrets: those use keyed hashes of libsodium in src/access. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct hash128 {
	uint8_t b[16];
};

static inline uint64_t hash64(const void *p, size_t n)
{
	return XXH3_64bits(p, n);
}

/* The canonical (big-endian) form of the 128-bit hash. */
static inline struct hash128 hash128_of(const void *p, size_t n)
{
	XXH128_canonical_t c;
	XXH128_canonicalFromHash(&c, XXH3_128bits(p, n));
	struct hash128 h;
	memcpy(h.b, c.digest, sizeof(h.b));
	return h;
}
