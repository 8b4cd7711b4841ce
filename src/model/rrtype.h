/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Resource record types: numbers, mnemonics (IANA registry) and RFC 3597's TYPEn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum {
	RRTYPE_A = 1,
	RRTYPE_NS = 2,
	RRTYPE_CNAME = 5,
	RRTYPE_SOA = 6,
	RRTYPE_PTR = 12,
	RRTYPE_MX = 15,
	RRTYPE_TXT = 16,
	RRTYPE_AAAA = 28,
	RRTYPE_SRV = 33,
	RRTYPE_DNAME = 39,
	RRTYPE_SVCB = 64,
	RRTYPE_HTTPS = 65,
	RRTYPE_SPF = 99,
};

/* The upper-case mnemonic, or NULL when the type has none. */
const char *rrtype_mnemonic(uint16_t type);

/* Reads a mnemonic in any letter case, "TYPE257" or "257". False when it is none of them. */
bool rrtype_from_text(struct bytes text, uint16_t *ret_type);

/* Appends the mnemonic, or TYPEn. */
void rrtype_to_text(uint16_t type, struct buffer *out);

/* The place of a type in keys and so in answers: alphabetical by mnemonic, see dribble-keys(5).
 * 1..254 for the types of that table, 0 for all others. The table never changes within a key
 * layout version, whatever IANA adds. */
uint8_t rrtype_rank(uint16_t type);

/* The type with that rank, or -1. */
int rrtype_of_rank(uint8_t rank);

/* Meta types and question types (OPT, TKEY, TSIG, IXFR, AXFR, MAILA, MAILB, ANY, type 0): nothing that is
 * history. */
bool rrtype_is_meta(uint16_t type);
