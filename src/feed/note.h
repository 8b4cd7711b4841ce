/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The journal of what has been taken in: one note a source, written in the same atomic step as the
 * rows it speaks of. dribble-keys(5) shows the layout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/hash.h"
#include "store/store.h"

struct note {
	bool done;              /* all of the source is in; else what follows is how far it is */
	uint64_t position;      /* octets of input whose observations are in: complete lines */
	uint64_t lines;
	uint64_t extent;        /* octets that the digest covers, >= position */
	struct hash128 digest;  /* XXH3-128 of the first extent octets */
	uint64_t accepted;      /* observations */
	uint64_t rejected;      /* lines */
	uint64_t rejects_bytes; /* of the file of rejects, at that time */
	uint64_t time_s;
};

#define NOTE_HEAD (64 << 10) /* octets of a file's beginning that its notes are found by */

/* Key of the note number of files that begin with head (up to NOTE_HEAD octets, decompressed). */
void note_key_file(struct buffer *out, struct bytes head, uint32_t number);
/* Key of the note of an HTTP body with an idempotency key. */
void note_key_body(struct buffer *out, struct bytes account, struct bytes idempotency_key);
/* Key of the note of a collector's last commit (feed/collector.h), which is no struct note. */
void note_key_collector(struct buffer *out, uint8_t number);

void note_encode(const struct note *n, struct buffer *out);
int note_decode(struct bytes bytes, struct note *ret);

/* The note with a key: 1, 0 when there is none, negative on failure. */
int note_get(struct store *s, struct bytes key, struct note *ret, struct err *e);
