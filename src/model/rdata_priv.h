/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of rdata share. */
#pragma once

#include "model/rdata.h"

/* How the wire form of a type is made up, a character a field: n a name, 1 2 4 6 8 integers of so
 * many octets, a an IPv4 address, s a character-string, o one that may be missing at the end, h
 * octets behind a length octet, t a type, y the scheme of DSYNC, m type bitmaps, p address
 * prefixes, v SvcParams, * whatever is left. NULL: not known, or not so simple. */
const char *rdata_layout(uint16_t type);

/* Whether rdata is made up as its type wants; unknown types are. */
bool rdata_is_valid(uint16_t type, struct bytes rdata);

/* A layout of n 2 4 s o t y alone is read and printed by rdata_text.c. */
bool rdata_layout_is_plain(const char *layout);

bool rdata_is_text(uint16_t type); /* TXT and its family */

/* Appends the wire form of a name in rdata: one that a master file could hold as it is, and not @.
 */
int rdata_name_from_text(struct bytes text, struct buffer *out);

/* Appends \DDD. */
void rdata_octet_to_text(uint8_t c, struct buffer *out);

/* libzscanner and libknot, behind rdata_foreign.c. */
int rdata_foreign_from_text(struct rdata_parser *p, uint16_t type, struct bytes text,
			    struct buffer *out);
/* False when libknot cannot print it. */
bool rdata_foreign_to_text(uint16_t type, struct bytes rdata, struct buffer *out);
