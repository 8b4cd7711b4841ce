/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decoded segments that were read lately, and pieces of segments, up to so many octets of memory. Safe from many threads.
 *
 * While there is room whole segments are kept. When there is none, the piece that a question needed is worth more than its
 * segment, of which it is a fiftieth: see cache_wants_whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/segment.h"

struct cache;
struct cached; /* a segment or piece in the cache, held by whoever got it */

/* octets: all that it takes, its own tables included, but for what is held beyond that. */
struct cache *cache_new(size_t octets);
/* Nothing may be held. */
void cache_free(struct cache *c);

/* The segment at an offset of a table, held, or NULL. Numbers of tables are never used again. */
struct cached *cache_get(struct cache *c, uint64_t table, uint64_t offset);
/* The piece of it that a prefix was asked with (segment_decode_piece), or the segment, or NULL. */
struct cached *cache_get_piece(struct cache *c, uint64_t table, uint64_t offset, struct bytes prefix);
/* Whether there is room for the whole of a segment, so that it should be put in rather than a piece. */
bool cache_wants_whole(struct cache *c, uint64_t table, uint64_t offset);
/* Puts a segment in (it is the cache's from now on) and returns it, held. Where another thread was faster, what that put in
 * is returned. */
struct cached *cache_put(struct cache *c, uint64_t table, uint64_t offset, struct segment *s);
/* The same with a piece, of which the cache makes a copy. */
struct cached *cache_put_piece(struct cache *c, uint64_t table, uint64_t offset, struct bytes prefix, const struct segment *piece);
/* Holds a segment that the cache does not keep. */
struct cached *cache_pass(struct segment *s);
const struct segment *cached_segment(const struct cached *held);
/* What a piece begins with; valid while it is held. False: it is a whole segment. */
bool cached_prefix(const struct cached *held, struct bytes *ret);
void cache_release(struct cache *c, struct cached *held);

/* Drops what it has of a table, which nobody reads any more. */
void cache_forget(struct cache *c, uint64_t table);

size_t cache_used(struct cache *c);
