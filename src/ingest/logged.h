/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What logs tell of names and data, in canonical form. */
#pragma once

#include <stdbool.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/reader.h"
#include "model/observation.h"
#include "model/rdata.h"

/* A name as sensors print it that do not escape: labels divided by dots, every other octet as it
 * is. An empty text and "." are the root. Returns its length in wire form, ERR_SYNTAX or ERR_LIMIT.
 */
int logged_name(struct bytes raw, uint8_t ret_wire[static DNAME_MAX]);

/* Presentation form of a type's data: in wire form where it parses, else as opaque text. Sets the
 * form and data of o, which borrow from scratch or text. Returns 0, ERR_SYNTAX when the text is
 * empty, or ERR_LIMIT when it is over RDATA_MAX. */
int logged_rdata(struct rdata_parser *p, struct bytes text, struct buffer *scratch,
		 struct observation *o);

/* Sensors print of MX, SRV, SOA and the like a name alone. It is kept as opaque text, spelled as
 * dribble spells names, so that it is found by it. */
void logged_name_alone(const uint8_t *wire, size_t n, struct buffer *scratch,
		       struct observation *o);

/* One character-string of at most LOGGED_STRING_MAX octets as data of the TXT family, or any octets
 * as data of NULL. */
void logged_string(struct bytes octets, struct buffer *scratch, struct observation *o);

/* A string of this length goes on in the next one, and logs print each string as if it was a
 * record, or the first alone. */
#define LOGGED_STRING_MAX 255

/* Tells the sink who saw what comes, empty when nobody is named, if that is another than last, which is kept. */
void logged_sensor(struct buffer *last, struct bytes id, const struct sink *sink);
