/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is asked: a value and perhaps some types become an ordered list of key ranges, whose rows are the
 * answer, in that order. Most questions are one range.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "model/rdata.h"

/* All keys that begin with a prefix. */
struct range {
	struct bytes prefix; /* owned by the question */
	uint16_t subject_n;  /* octets of the prefix that are the subject */
	int type;            /* the one type of the range, or -1: any */
};

struct filter {
	size_t n; /* 0: no filter */
	uint16_t types[FILTER_TYPES_MAX]; /* distinct, in key order */
	bool nothing; /* only types nobody knows were asked for: the answer is empty */
};

struct question {
	struct range *ranges;  /* owned */
	size_t n, cap;
	uint64_t check; /* hash of the ranges: what cursors are bound to */
};

/* Reads dribble-filter-rrtype: types separated by commas. Unknown ones match nothing. ERR_LIMIT when there are
 * more than FILTER_TYPES_MAX, ERR_SYNTAX when it is empty. */
int filter_parse(struct bytes text, struct filter *ret, struct err *e);

/* Understands a value (percent-decoded): an address in any spelling, a name, or text. parser may be NULL: one is made when it
 * is needed, which is seldom. Errors: ERR_SYNTAX (empty, NUL),
 * ERR_LIMIT, ERR_UNSUPPORTED (a CIDR block). On success release with question_release. */
int question_parse(struct bytes value, const struct filter *filter, struct rdata_parser *parser,
                   struct question *ret, struct err *e);

/* Adds the records of one type that a name owns or is in, the name in canonical wire form: behind what is in the question already. */
void question_add_name(struct question *q, struct bytes name, uint16_t type);

/* Free of a zeroed or parsed question. */
void question_release(struct question *q);
