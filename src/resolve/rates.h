/* SPDX-License-Identifier: GPL-3.0-or-later */
/* So many a second, for each of any number of keys: token buckets in a table of fixed size. A bucket holds what comes in one
 * second, so that a burst of so many passes. What is pushed out of the table begins anew with a full bucket: limits for all keys
 * together need one key of their own table. Not synchronized.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct rates;

/* a_second 0: no limit. */
struct rates *rates_new(uint64_t a_second, unsigned buckets);
void rates_free(struct rates *r); /* takes NULL */

/* Whether the key may now; nothing is taken. */
bool rates_allow(struct rates *r, struct bytes key, uint64_t now_ms);
/* Takes one. */
void rates_take(struct rates *r, struct bytes key, uint64_t now_ms);

/* What stands for the registered domain of a name in canonical wire form: its last two labels; three where the last is of two
 * letters and the one before it of at most three (co.uk); of reverse names what stands for a /24, or a /48 of IPv6. */
struct bytes rates_zone(struct bytes name);
