/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A pull parser for one JSON object: the hot path of COF input. One pass over the text, no
 *allocation, no copy of a string that has no escapes.
 *
 * It accepts what jansson's json_loadb accepts with flags 0 and yields the same top-level members:
 * RFC 8259, valid UTF-8 only, no lone surrogates, no \u0000, integers that fit 64 bits signed,
 *reals that do not overflow. fuzz/ingest/json.c proves it. Three differences, on purpose: the top
 *level is an object, nesting ends at JSON_DEPTH_MAX (the top level is 1), and a NUL octet is never
 *taken (jansson steps over one that follows a number or a literal).
 *
 *	struct json j;
 *	struct json_value key, value;
 *	int rc = json_begin(&j, line);
 *	while (rc >= 0 && (rc = json_next(&j, &key, &value)) == 1)
 *		...;
 *	if (rc < 0)
 *		j.reason, json_offset(&j)
 *
 * Members come in the order of the text, duplicates included; to agree with jansson, let the last
 *one win. The text as a whole is known to be good only when json_next has returned 0.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/err.h"

/* Not JSON_STRING and so on: those are jansson's. */
enum json_kind {
	JSON_KIND_NULL,
	JSON_KIND_FALSE,
	JSON_KIND_TRUE,
	JSON_KIND_INTEGER,
	JSON_KIND_REAL,
	JSON_KIND_STRING,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT,
};

struct json_value {
	enum json_kind kind;
	bool escaped; /* JSON_KIND_STRING: raw holds backslashes, use json_unescape */
	union {
		int64_t integer; /* JSON_KIND_INTEGER */
		double real;     /* JSON_KIND_REAL */
	};
	struct bytes raw; /* source text, borrowed; of a string what is between the quotes */
};

struct json {
	const uint8_t *start; /* of the text, borrowed */
	const uint8_t *end;
	const uint8_t *p;   /* what is read next; after an error, where it is */
	const char *reason; /* after an error: a short static phrase */
	bool first;         /* nothing was read after the opening bracket */
	bool done;          /* the closing bracket was read */
};

/* Reads up to the object's opening brace. Returns 0 or ERR_SYNTAX. */
int json_begin(struct json *j, struct bytes text);

/* The next member: 1, or 0 at the end of the object with nothing but blanks after it, or
 * ERR_SYNTAX. The key is a JSON_KIND_STRING. */
int json_next(struct json *j, struct json_value *ret_key, struct json_value *ret_value);

/* Begins the elements of a JSON_KIND_ARRAY that json_next gave. */
void json_begin_array(struct json *j, const struct json_value *array);

/* The next element: 1, 0 at the end. Never fails: the array was parsed before. */
int json_next_element(struct json *j, struct json_value *ret_value);

/* Where in the text reading stopped, from 0. */
static inline size_t json_offset(const struct json *j)
{
	return (size_t)(j->p - j->start);
}

/* Appends a string's value: raw with its escapes resolved. raw must come from this parser. */
void json_unescape(struct bytes raw, struct buffer *out);

/* Reads a text that is one JSON number and nothing else. */
bool json_number(struct bytes text, struct json_value *ret_value);

/* A name to look for, for json_pick. */
#define JSON_NAME(text) {(const uint8_t *)(text), sizeof(text) - 1}

/* Reads a whole object, and keeps the values of the members with one of n names, at most 64: of several of one name the last, none
 * of those that are null. ret_present has a bit for each that is there. 0, or ERR_SYNTAX with j->reason. */
int json_pick(struct json *j, struct bytes object, const struct bytes *names, size_t n, struct json_value *ret_values,
              uint64_t *ret_present);

/* A string's value: as it lies in the text, or, when it is escaped, put into to, which is cleared first. */
struct bytes json_text(const struct json_value *string, struct buffer *to);
