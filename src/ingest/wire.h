/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and rdata inside a DNS message: decompressed (RFC 1035 4.1.4) and brought into canonical
 * form. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "model/observation.h"

/* Appends the name at *at of a message in canonical wire form, and moves *at behind it as it lies
 * there. Its pointers must go back, each before the labels it follows, to a place behind the head.
 * Returns its length, or ERR_SYNTAX with at and out as they were. */
int wire_name(struct bytes message, size_t *at, struct buffer *out);
/* The same into an array: WIRE_NAME_ROOM octets, of which those behind the name are spoilt. */
#define WIRE_NAME_ROOM (DNAME_MAX + 8)
int wire_name_into(struct bytes message, size_t *at, uint8_t ret_name[static WIRE_NAME_ROOM]);

/* Appends the canonical form of the n octets of rdata at a place of a message; n octets are there.
 * Names are decompressed in the types of RFC 1035, and of RFC 3597 4 (RP, AFSDB, RT, SIG, PX, NXT,
 * NAPTR, SRV); in others a compressed name is an error.
 *
 * Rdata that is not of its type: for A, AAAA and the types above it is ERR_SYNTAX, as names in it
 * mean nothing outside the message, and no resolver takes such a message. For all other types it
 * becomes opaque text, \# LENGTH HEX, unless that is over RDATA_MAX. */
int wire_rdata(struct bytes message, size_t at, size_t n, uint16_t type, struct buffer *out,
	       enum rdata_form *ret_form);

/* Whether a canonical wire name is the zone's or below it. The root's and an empty zone hold
 * everything. */
bool wire_in_zone(struct bytes name, struct bytes zone);
