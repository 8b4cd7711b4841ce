/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What those who write and who read a table's file share; dribble-keys(5) has it octet by octet. */
#pragma once

#include "base/bytes.h"
#include "base/hash.h"

#define TABLE_MAGIC "dribtabl"

enum {
	MAGIC_LEN = 8,
	FORMAT = 1,
	HEAD_LEN = 16,     /* magic, format, zeros */
	FOOT_LEN = 80,     /* struct foot as octets */
	SUM_LEN = 4,       /* behind each block */
	BLOCK_MAX = 2 << 20, /* no block is larger: more is damage */
	DICTIONARY_MAX = 4 << 20,
};

/* Where a block is. */
struct place {
	uint64_t offset;
	uint64_t octets; /* without the checksum */
};

/* The last octets of the file: eight numbers, little-endian, a checksum of them and the magic. */
struct foot {
	struct place root, dictionary;
	uint64_t levels; /* of the index: 1 when the root points at rows */
	uint64_t rows, segments;
	uint64_t format;
};

static inline uint32_t sum_of(struct bytes b, uint64_t offset)
{
	return (uint32_t)XXH3_64bits_withSeed(b.p, b.n, offset); /* the offset: a block in another's place is found, too */
}
