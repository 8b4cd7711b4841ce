/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A segment: some hundred consecutive rows, the unit in which tables are stored, read and cached.
 *
 * On disk its rows are taken apart into columns, each of one kind of octets, because what is alike compresses together: measured
 * against blocks that hold row after row, a third fewer octets at a tenth of the effort. In memory it is an array of
 * whole rows that is searched by halves. dribble-keys(5) shows the octets.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

#define SEGMENT_ROWS 256              /* a segment is full at so many rows */
#define SEGMENT_BYTES (64u << 10)     /* or when they take so many octets */
#define SEGMENT_DECODED_MAX (1u << 20) /* no segment takes more in memory: more is damage */
#define SEGMENT_KEY_MAX 65535
#define SEGMENT_VALUE_MAX (128u << 10)

#define SEGMENT_FRAMES 2 /* compressed apart */

/* The compressors a thread uses; one at a time. dictionary may be NULL. */
struct packer;
struct unpacker;
struct dictionary;

struct packer *packer_new(int level);
/* Uses a dictionary from now on; borrowed. */
void packer_use(struct packer *p, struct bytes dictionary);
void packer_free(struct packer *p);
struct unpacker *unpacker_new(void);
void unpacker_free(struct unpacker *u);

/* NULL when the octets are no dictionary. */
struct dictionary *dictionary_new(struct bytes octets);
void dictionary_free(struct dictionary *d);

/* What dictionaries are made from: what segments compress, uncompressed, one sample of each frame for each segment. */
struct samples {
	struct buffer octets[SEGMENT_FRAMES];
	struct buffer lengths[SEGMENT_FRAMES]; /* size_t each */
};

void samples_release(struct samples *s);
/* Makes a dictionary of at most about so many octets; empty when the samples are too few. */
void dictionary_train(const struct samples *s, size_t octets, struct buffer *ret);

/* --- making --- */

struct segment_builder;

struct segment_builder *segment_builder_new(void);
void segment_builder_free(struct segment_builder *b);
/* Adds a row behind those that are there: key is greater than theirs, and both within the limits above. */
void segment_add(struct segment_builder *b, struct bytes key, struct bytes value);
uint32_t segment_builder_rows(const struct segment_builder *b);
bool segment_is_full(const struct segment_builder *b);
/* The last key added; valid until the next call. */
struct bytes segment_last_key(const struct segment_builder *b);
/* Appends the encoding and empties the builder. What was compressed is appended to samples, unless NULL. */
void segment_encode(struct segment_builder *b, struct packer *p, struct buffer *out, struct samples *samples);

/* --- reading --- */

struct segment_row {
	uint32_t key, value; /* where each begins; the value ends where the next key begins */
};

/* The rows of a segment, or of a piece of one. */
struct segment {
	uint32_t n;
	uint32_t size;      /* octets of memory, all told */
	uint32_t first, of; /* of the whole segment's rows: the number of the first one here, and how many there are */
	const uint8_t *bytes;
	struct segment_row rows[]; /* n + 1 */
};

/* Decodes; *ret is freed with free(). ERR_CORRUPT when the octets are no segment (they are checked for everything that could lead astray,
 * not for the order of the keys). */
int segment_decode(struct bytes octets, struct unpacker *u, const struct dictionary *d, struct segment **ret);

/* Decodes a piece: the rows whose keys begin with a prefix, which may be none; first is then where they would be. What is before them
 * is not kept, and what is behind is not looked at. *ret belongs to u, until u is used again. Octets that segment_decode takes give
 * the same rows; others may be taken. */
int segment_decode_piece(struct bytes octets, struct unpacker *u, const struct dictionary *d, struct bytes prefix,
                         const struct segment **ret);

/* Copies to s->size octets of memory. */
struct segment *segment_copy(const struct segment *s, void *to);

static inline struct bytes segment_key(const struct segment *s, uint32_t i)
{
	return bytes_of(s->bytes + s->rows[i].key, s->rows[i].value - s->rows[i].key);
}

static inline struct bytes segment_value(const struct segment *s, uint32_t i)
{
	return bytes_of(s->bytes + s->rows[i].value, s->rows[i + 1].key - s->rows[i].value);
}

/* The first row whose key is not less; n when there is none. */
uint32_t segment_find(const struct segment *s, struct bytes key);
