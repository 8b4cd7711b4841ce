/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A place between two rows of a question's answer, and its form as a decimal number.
 *
 * A position is the shortest run of octets that separates the last row of a page from the first of the next one,
 * relative to a range of the question. The number is those octets behind a check of the question and of themselves, read as one big-endian number;
 * so it needs no memory at the server and never expires.
 */
#pragma once

#include "base/buffer.h"
#include "base/err.h"
#include "query/question.h"
#include "store/keys.h"

struct position {
	size_t range;  /* index into the question's ranges */
	size_t n;      /* octets behind the range's prefix; 0: its start */
	uint8_t suffix[KEY_MAX];
};

/* The position just after the key last, at or before the key next (both in that range), or at the start of the
 * range when last is empty. */
void position_between(const struct question *q, size_t range, struct bytes last, struct bytes next,
                      struct position *ret);

/* Appends the cursor: a positive decimal number. */
void cursor_put(const struct question *q, const struct position *at, struct buffer *out);

/* Reads a cursor. "0" is the start. ERR_SYNTAX when it was not issued for this question. */
int cursor_get(const struct question *q, struct bytes text, struct position *ret, struct err *e);
