/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Record data: presentation form (what master files and COF hold) to canonical wire form and back,
 * and the terms a record is found by besides its owner.
 *
 * Canonical: names inside are uncompressed and lower case for every type that carries names (RFC
 * 4034 6.2, and beyond its list); text of TXT, SPF, AVC, NINFO, RESINFO and WALLET is one run of
 * octets cut into character-strings of 255 (how a sender splits it carries no meaning: RFC
 * 7208 3.3). Hence text → wire → text → wire is stable, and two spellings of one record are one
 * record.
 *
 * A, AAAA, the TXT family and the types made of names, integers and character-strings (MX, SOA,
 * SRV, NAPTR, HINFO, …) are read and printed here; libzscanner and libknot do all others, in
 * rdata_foreign.c alone.
 */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/err.h"
#include "model/observation.h"

/* State for the slow types (a libzscanner instance). Made lazily, one a thread. */
struct rdata_parser;

struct rdata_parser *rdata_parser_new(void);
void rdata_parser_free(struct rdata_parser *p);

/* Parses presentation form of a type into canonical wire form, appended to out (room is made).
 * Accepts: names with or without the trailing dot (always absolute), RFC 3597 \# for every type (of
 * a known type it is checked and canonicalised as wire), for the TXT family text without quotes as
 * one string with its blanks kept (feeds that strip quotes), quoted strings over 255 octets (they
 * are cut), in type bitmaps every mnemonic that rrtype.h knows, hexadecimal and base64 in any
 * number of words. Not @, as there is no origin. Returns 0, or ERR_SYNTAX or ERR_LIMIT when the
 * text is not such rdata (out is then as it was): the caller keeps it as opaque text. Never runs
 * $INCLUDE, comments or further lines that the text may smuggle in. */
int rdata_from_text(struct rdata_parser *p, uint16_t type, struct bytes text, struct buffer *out);

/* Validates wire rdata of a type (its fields, uncompressed names, type bitmaps, SvcParams; not what
 * the values mean) and appends its canonical form to out. ERR_SYNTAX when it is not rdata of that
 * type, ERR_LIMIT when it is over RDATA_MAX (out is then as it was); types nobody knows pass. */
int rdata_canonical(uint16_t type, struct bytes wire, struct buffer *out);

/* Appends the text dribble prints: printable ASCII (0x20..0x7e) only, single blanks, names without
 * trailing dot ("." for the root), TXT family always in double quotes (\" and \\ escaped, octets
 * outside 0x20..0x7e as \DDD; strings over 255 octets as several quoted ones), unknown types, and
 * what has no text that reads back as the same, as \# LEN HEX. rdata_from_text of it gives the same
 * wire. Opaque text is printed as it is (the JSON layer
 * escapes what is not ASCII). */
void rdata_to_text(uint16_t type, enum rdata_form form, struct bytes rdata, struct buffer *out);

/* Terms: what the data of a record names. */
enum term_kind {
	TERM_NAME, /* canonical wire name */
	TERM_IPV4, /* 4 octets */
	TERM_IPV6, /* 16 octets */
};

struct term {
	enum term_kind kind;
	struct bytes value; /* borrowed from the rdata */
	uint16_t at; /* offset of value in the rdata: what remains is the rest of the rdata */
};

#define TERMS_MAX                                                                                  \
	64 /* a record with more (an SVCB of very many hints) is found by the first 64             \
	    */

/* The distinct terms of canonical rdata, in order of appearance: the address of A and AAAA; every
 * name of NS CNAME DNAME PTR MX SRV SOA RP AFSDB RT KX NAPTR PX LP TALINK NSEC NXT RRSIG SIG MB MG
 * MR MD MF MINFO A6 HIP IPSECKEY AMTRELAY DSYNC NSAP-PTR SVCB HTTPS; the ipv4hint and ipv6hint
 * addresses of SVCB and HTTPS. Opaque text and all other types have none: they are found by their
 * exact text. (libzscanner reads no A6, AMTRELAY, HIP and NXT: only their \# form is not opaque.)
 * Returns how many. */
size_t rdata_terms(uint16_t type, enum rdata_form form, struct bytes rdata,
		   struct term ret_terms[static TERMS_MAX]);
