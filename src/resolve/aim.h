/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a value that somebody looks up means to the living DNS: a name, and the types to ask for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/limits.h"
#include "query/question.h"

#define AIM_TYPES_MAX 16

/* The types of the option active_types. */
struct aim_types {
	uint16_t p[AIM_TYPES_MAX];
	size_t n;
};

/* A list such as "A, AAAA, PTR". ERR_SYNTAX for what is no type of data, ERR_LIMIT for more than AIM_TYPES_MAX. */
int aim_types_parse(struct bytes text, struct aim_types *ret, struct err *e);

struct aim {
	uint8_t name[DNAME_MAX]; /* canonical wire form */
	size_t name_n;
	uint16_t types[AIM_TYPES_MAX];
	size_t n; /* 0: there is nothing to ask */
};

/* An address, or its reverse name in full, aims at PTR; any other name at the rest of the types, the address types first.
 * Those that filter does not have are left out; filter may be NULL. TXT is asked of a name that any type is asked of, if filter has
 * it, among the types or not. False when the value is neither an address nor a host's or zone's name (letters, digits, -, _;
 * a label of * is none), or nothing is to be asked. */
bool aim_take(struct bytes value, const struct aim_types *types, const struct filter *filter, struct aim *ret);
