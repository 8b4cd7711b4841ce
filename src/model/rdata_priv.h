/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of rdata share. */
#pragma once

#include "model/rdata.h"

/* How the wire form of a type is made up, a character a field: n a name, 1 2 4 integers of so many octets, s a
 * character-string, * whatever is left. NULL: not known here. */
const char *rdata_layout(uint16_t type);

/* A layout of names and integers alone is read and printed by rdata_text.c. */
bool rdata_layout_is_plain(const char *layout);

bool rdata_is_text(uint16_t type); /* TXT and its family */

/* The names that lie outside layouts (HIP, IPSECKEY, AMTRELAY): calls each for each name's offset and length. ERR_SYNTAX when
 * the rdata is malformed. */
int rdata_odd_names(uint16_t type, struct bytes rdata, void (*each)(void *ctx, size_t at, size_t n),
                    void *ctx);

/* libzscanner and libknot, behind rdata_foreign.c. */
int rdata_foreign_from_text(struct rdata_parser *p, uint16_t type, struct bytes text,
                            struct buffer *out);
/* False when libknot cannot print it. */
bool rdata_foreign_to_text(uint16_t type, struct bytes rdata, struct buffer *out);
