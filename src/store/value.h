/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The value of a row: when and how often, and what did not fit the key. dribble-keys(5) shows the
 * layout. Encoding is canonical: equal contents give equal bytes. */
#pragma once

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

/* Merges more into v (seen_merge; equal keys have equal rdata). */
void value_merge(struct value *v, const struct value *more);
