/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names that are never asked of the living DNS: special-use names (RFC 6761, 6762, 7686, 8375, 9476 and IANA's list) and the
 * reverse zones of addresses that are private, of one link or host, or of documentation (RFC 6303 and IANA's registries).
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

/* name is in canonical wire form. */
bool special_holds(struct bytes name);

/* Whether name is zone or below it, both in canonical wire form. */
bool special_is_below(struct bytes name, struct bytes zone);

/* The zones, as text without a trailing dot, NULL past the last. */
const char *special_zone(size_t i);
