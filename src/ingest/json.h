/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pull parser for one flat JSON object, the hot path of COF input: no allocation, no copies where a
 * string has no escapes.
 *
 * It accepts exactly what jansson's json_loadb accepts with JSON_DISABLE_EOF_CHECK off (RFC 8259; valid UTF-8 only; no lone
 * surrogates; nesting up to JSON_DEPTH_MAX; integers that fit 64 bits signed), which the differential fuzz target proves. Duplicate
 * members: the last one wins, as in jansson.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum json_kind {
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_INTEGER,
	JSON_REAL,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json_value {
	enum json_kind kind;
	int64_t integer; /* JSON_INTEGER */
	double real;     /* JSON_REAL */
	struct bytes raw; /* the value's source text; for JSON_STRING what is between the quotes */
	bool escaped;     /* JSON_STRING: raw holds backslashes, use json_unescape */
};
