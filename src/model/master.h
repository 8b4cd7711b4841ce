/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Entries of master files (RFC 1035, 5.1) to records, by libzscanner.
 *
 * A master keeps what one entry leaves to the next: the origin, the owner, the default TTL. Whoever feeds it cuts the text into
 * entries: a record or directive with the lines that its parentheses reach over.
 *
 * An entry that is malformed costs itself, but what came from it must not be misunderstood: when its owner cannot be read,
 * entries without an owner of their own that follow it are errors, too, and so are relative names behind a bad $ORIGIN.
 */
#pragma once

#include <stdint.h>

#include "base/bytes.h"
#include "base/limits.h"

struct master;

/* What is known between two entries. */
struct master_place {
	uint8_t origin[DNAME_MAX], owner[DNAME_MAX];
	uint16_t origin_n, owner_n; /* octets; 0: there is none */
	uint32_t ttl;
};

struct master_record {
	struct bytes owner; /* canonical; borrowed until the next entry */
	uint16_t type, class;
	struct bytes rdata; /* canonical */
};

/* origin: a wire name; empty: relative names are errors until the first $ORIGIN. */
struct master *master_new(struct bytes origin);
void master_free(struct master *m); /* takes NULL */

/* One entry, with its last LF; $INCLUDE is not for it. 1: a record; 0: a directive, or nothing but blanks and comments. ERR_SYNTAX,
 * with a short phrase, when it is malformed; ERR_NOMEM. */
int master_take(struct master *m, struct bytes entry, struct master_record *ret, const char **ret_reason);

/* For files that are included: where it is, and back there. */
void master_place(const struct master *m, struct master_place *ret);
void master_move(struct master *m, const struct master_place *to);
