/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decoded segments that were read lately, up to so many octets of memory. Safe from many threads. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "store/segment.h"

struct cache;
struct cached; /* a segment in the cache, held by whoever got it */

struct cache *cache_new(size_t octets);
/* Nothing may be held. */
void cache_free(struct cache *c);

/* The segment at an offset of a table, held, or NULL. Numbers of tables are never used again. */
struct cached *cache_get(struct cache *c, uint64_t table, uint64_t offset);
/* Puts a segment in (it is the cache's from now on) and returns it, held. Where another thread was faster, what that put in
 * is returned. */
struct cached *cache_put(struct cache *c, uint64_t table, uint64_t offset, struct segment *s);
/* Holds a segment that the cache does not keep. */
struct cached *cache_pass(struct segment *s);
const struct segment *cached_segment(const struct cached *held);
void cache_release(struct cache *c, struct cached *held);

size_t cache_used(struct cache *c);
