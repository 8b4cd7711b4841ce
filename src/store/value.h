/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The value of a row: when and how often, and what did not fit the key. dribble-keys(5) shows the
 * layout. Encoding is canonical: equal contents give equal bytes. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "model/observation.h"

struct value {
	struct seen seen;
	struct bytes rdata; /* the whole rdata where the key holds a cut of it, else empty; borrowed */
};

/* Room for any value but one that carries whole rdata. */
#define VALUE_SMALL_MAX (64 + 2 * (3 + 255))

/* Appends the encoding. */
void value_encode(const struct value *v, struct buffer *out);

/* Reads one; strings borrow from bytes. ERR_CORRUPT when it is not a value. */
int value_decode(struct bytes bytes, struct value *ret);

/* A value as columns take it: its first octet, the two times that most values have, and the octets of all else. */
struct value_parts {
	uint8_t head;
	bool timed;     /* first_s and span_s are there, first_s in 32 bits */
	uint32_t first_s;
	uint64_t span_s;
	struct bytes rest; /* borrowed from the encoding */
};

/* ERR_CORRUPT when the octets cannot be put together again from the parts. */
int value_take_apart(struct bytes bytes, struct value_parts *ret);
/* Whether a value that begins so has the two times. */
bool value_is_timed(uint8_t head);
/* Whether anything else may follow. */
bool value_has_rest(uint8_t head);
/* Writes the encoding at p (room for 1 + 4 + VARINT_MAX + rest.n); returns where it ends. */
uint8_t *value_put_together(const struct value_parts *parts, uint8_t *p);

/* Merges more into v (seen_merge; equal keys have equal rdata). */
void value_merge(struct value *v, const struct value *more);
