/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Domain names: presentation form to canonical wire form and back.
 *
 * Wire form: labels, each a length octet and its octets, ended by the root's 0 (RFC 1035 3.1), never
 * compressed, ASCII letters in lower case: the canonical form of RFC 4034 6.2.
 */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/limits.h"

/* Parses presentation form (RFC 1035 5.1: \DDD, \X), with or without the trailing dot, into
 * canonical wire form. "." is the root; an empty text is ERR_SYNTAX. Octets above 127 are taken as
 * they are. Writes at most DNAME_MAX bytes to ret_wire; returns the wire length, or ERR_SYNTAX (empty
 * label, bad escape) or ERR_LIMIT (label over 63, name over 255), with ret_wire undefined. */
int dname_from_text(struct bytes text, uint8_t ret_wire[static DNAME_MAX]);

/* Length of the name at the start of p, or ERR_SYNTAX when it is cut, compressed or too long. */
int dname_wire_len(const uint8_t *p, size_t n);

/* Lower-cases a valid wire name in place. */
void dname_to_lower(uint8_t *wire, size_t n);

/* Appends presentation form without a trailing dot ("." for the root). Inside a label, . \ " ( ) ; @
 * and $ get a backslash; octets outside 0x21..0x7e become \DDD. wire must be valid. */
void dname_to_text(struct bytes wire, struct buffer *out);

/* Appends the escaped form of one label's octets, as dname_to_text does. */
void dname_label_to_text(const uint8_t *label, size_t n, struct buffer *out);
