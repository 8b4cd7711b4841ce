/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What each sensor contributed: how much of what, first and last when it was received.
 *
 * It is counted beside the fold that holds the observations, and becomes rows of the same run
 * (keys.h, dribble-keys(5)): a row a sensor and thing counted, whose value is a count and two
 * times. Rows merge, so that the numbers are those of the records, whatever was cut off when.
 */
#pragma once

#include "base/err.h"
#include "ingest/reader.h"
#include "store/store.h"

/* What is counted. The octet in the key is this plus one: never change an order, add at the end of
 * enum left_out. */
enum tally_what {
	TALLY_OBSERVED,  /* observations, as the source gave them: one that says "seen 5 times" is
			    one */
	TALLY_MALFORMED, /* lines, frames, packets that were rejected */
	TALLY_DROPPED,   /* came, but were never read */
	TALLY_LEFT_OUT,  /* and on: by enum left_out */
	TALLY_WHATS = TALLY_LEFT_OUT + LEFT_OUT_REASONS,
};

/* "observations", "malformed", "dropped", else as left_out_name. */
const char *tally_name(enum tally_what what);

struct tally;
struct tally *tally_new(void);
void tally_free(struct tally *t); /* takes NULL */
void tally_clear(struct tally *t);

/* Of a longer id the first MEMBER_MAX octets count. */
void tally_add(struct tally *t, struct bytes id, enum tally_what what, uint64_t n, uint64_t now_s);

/* SENSORS_MAX are in it: time to write. It takes more. */
bool tally_is_full(const struct tally *t);
/* Rows that tally_write adds. */
size_t tally_rows(const struct tally *t);
/* Adds the rows, in key order; they stand before those of all records. */
int tally_write(const struct tally *t, struct run *run, struct err *e);

/* What a store knows of a sensor. */
struct contribution {
	struct bytes id;
	uint64_t n[TALLY_WHATS];
	uint64_t first_s, last_s; /* contact */
};

/* Calls each for the sensors of a store in the order of their ids, the first limit of them. 0, 1
 * when there are more, or what each returned when that is not 0, or a negative error. */
int tally_each(struct store *s, uint64_t limit,
	       int (*each)(void *ctx, const struct contribution *c), void *ctx, struct err *e);
