/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times as logs write them. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

/* Seconds since 1970 with a fraction or none, as 1322849924.408856: digits behind the sixth are cut
 * off. Returns 0, ERR_SYNTAX, or ERR_LIMIT when it is over TIME_MAX. */
int timestamp_from_seconds(struct bytes text, uint64_t *ret_us);

/* YYYY-MM-DDTHH:MM:SS, a blank for the T, a fraction or none, then Z, an offset (+0100, +01:00,
 * +01) or nothing, which is UTC. ERR_SYNTAX when it is not such a time or no date of the calendar,
 * ERR_LIMIT before 1970 and after 9999. A leap second is the second behind it. */
int timestamp_from_date(struct bytes text, uint64_t *ret_us);
