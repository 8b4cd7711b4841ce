/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a source saw: a record and when and how often it was seen.
 *
 * A record is (rrname, rrtype, rdata). Everything that enters becomes the same canonical form
 * first: the owner name in lower-case wire form, the type as its number, the rdata in canonical
 * wire form (names lower-cased and uncompressed). Text that no parser takes as its type is kept as
 * it is, as opaque text under its type.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

enum rdata_form {
	RDATA_WIRE = 0,   /* canonical wire form */
	RDATA_OPAQUE = 1, /* text that does not parse as the type, byte for byte */
};

/* When and how often. Merging is commutative, associative and blind (see seen_merge): counts add up
 * and saturate at COUNT_MAX, first times take the minimum, last times the maximum, strings the
 * smallest (bytes_cmp) of those present. */
struct seen {
	uint64_t first_s;      /* seconds since 1970, UTC; meaningful only when count > 0 */
	uint64_t last_s;       /* >= first_s */
	uint64_t count;        /* 0: never observed by a sensor, only in a zone file */
	uint64_t zone_first_s; /* meaningful only when zone_last_s > 0 */
	uint64_t zone_last_s;  /* 0: never seen in a zone file */
	struct bytes sensor_id; /* empty: not known. Borrowed, as below */
	struct bytes bailiwick; /* COF member, text; empty: not known */
};

struct observation {
	struct bytes owner; /* canonical wire form, borrowed until the next one is read */
	uint16_t rrtype;
	enum rdata_form form;
	struct bytes rdata; /* borrowed until the next one is read */
	struct seen seen;
};

/* Merges more into s. The strings of s afterwards borrow from either. */
void seen_merge(struct seen *s, const struct seen *more);
