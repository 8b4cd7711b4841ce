/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the two sides of a segment share: segment.c, which makes them, and segment_decode.c, which
 * reads them. */
#pragma once

#include "store/segment.h"

#include <stdlib.h>
#define ZSTD_STATIC_LINKING_ONLY /* frames without their magic: four octets of each are worth half \
				    a percent */
#include <zstd.h>

#include "store/keys.h"

enum column {
	SHARED, /* octets that a key shares with the one before, an octet each */
	LENGTH, /* what is not said by the grammar */
	MIDDLE, /* first octets of subjects, types, kinds */
	HEAD,   /* first octets of values */
	BINARY, /* addresses */
	TEXT,   /* names and texts, a zero behind each */
	DATA,   /* rdata that is no address */
	REST,   /* what is unusual of values */
	COLUMNS,
	FRAME_TEXT = TEXT, /* the columns from here on make the second frame */
};

enum flags {
	PLAIN = 1,      /* not by the grammar of keys and values */
	RAW_SHORT = 2,  /* the first frame is not compressed */
	RAW_TEXT = 4,   /* the second frame is not compressed */
	DICTIONARY = 8, /* the frames that are compressed need the table's dictionary */
	FLAGS = 15,
};

enum {
	BITS_MAX = 57,    /* that can be read with one load from any bit */
	SHORT_SHARE = 16, /* the first frame's dictionary is so much smaller: what matters are its
			     tables */
	SLACK = 32,       /* octets that moves may write beyond what they move */
};

/* Columns of one octet a row need not be told how long they are. */
static inline bool is_implied(enum column c)
{
	return c == SHARED || c == HEAD;
}

/* As octets: the length of the first frame's dictionary in four, little-endian; that; the second
 * frame's. */
struct dictionary {
	ZSTD_DDict *frame[SEGMENT_FRAMES];
};

/* Where the parts of a key end. */
struct parts {
	size_t subject, middle, head;
	enum key_rest rest;
	bool text; /* the subject's length is told by a zero octet */
};

/* rdata of so many octets is an address, most likely. */
static inline bool is_binary(size_t octets)
{
	return octets == 4 || octets == 16;
}

static inline size_t packed_octets(size_t n, unsigned bits)
{
	return (n * bits + 7) / 8;
}

static inline void *checked(void *p)
{
	if (!p)
		abort(); /* as xmalloc: sizes here are our own */
	return p;
}
