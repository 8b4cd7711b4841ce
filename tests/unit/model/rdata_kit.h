/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of rdata share: types by their names, wire forms in hexadecimal, memory of exact
 * size. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "model/rdata.h"
#include "model/rrtype.h"

static inline uint16_t type_of(const char *name)
{
	uint16_t type = 0;
	assert_true(rrtype_from_text(bytes_str(name), &type));
	return type;
}

/* A copy without anything behind it, so that a sanitizer sees a read too far; free() it. */
static inline uint8_t *exact_copy(struct bytes b)
{
	uint8_t *p = malloc(b.n ? b.n : 1);
	assert_non_null(p);
	if (b.n)
		memcpy(p, b.p, b.n);
	return p;
}

/* Hexadecimal digits and blanks; 'text' in single quotes stands for its octets. */
static inline void put_hex(const char *hex, struct buffer *out)
{
	unsigned octet;
	while (*hex) {
		if (*hex == ' ') {
			hex++;
		} else if (*hex == '\'') {
			for (hex++; *hex != '\''; hex++)
				buffer_put_byte(out, (uint8_t)*hex);
			hex++;
		} else {
			assert_int_equal(sscanf(hex, "%2x", &octet), 1);
			buffer_put_byte(out, (uint8_t)octet);
			hex += 2;
		}
	}
}

static inline void is_hex(const char *what, struct bytes got, const char *hex)
{
	struct buffer expected = BUFFER_INIT;
	put_hex(hex, &expected);
	if (!bytes_eq(got, buffer_bytes(&expected))) {
		print_error("%s: expected %s, got ", what, hex);
		for (size_t i = 0; i < got.n; i++)
			print_error("%02x", got.p[i]);
		print_error("\n");
		fail();
	}
	buffer_release(&expected);
}

static inline int read_text(struct rdata_parser *p, uint16_t type, struct bytes text,
			    struct buffer *out)
{
	uint8_t *exact = exact_copy(text);
	int rc = rdata_from_text(p, type, bytes_of(exact, text.n), out);
	free(exact);
	return rc;
}

static inline int canonical(uint16_t type, struct bytes wire, struct buffer *out)
{
	uint8_t *exact = exact_copy(wire);
	int rc = rdata_canonical(type, bytes_of(exact, wire.n), out);
	free(exact);
	return rc;
}

/* What dribble prints, NUL-terminated in out. */
static inline const char *print_text(uint16_t type, struct bytes wire, struct buffer *out)
{
	uint8_t *exact = exact_copy(wire);
	buffer_clear(out);
	rdata_to_text(type, RDATA_WIRE, bytes_of(exact, wire.n), out);
	buffer_put_byte(out, '\0');
	out->n--;
	free(exact);
	return (const char *)out->p;
}

/* What holds for all wire rdata: it is canonical, its text is tidy and gives it again. */
static inline void is_stable(struct rdata_parser *p, uint16_t type, struct bytes wire)
{
	struct buffer text = BUFFER_INIT, again = BUFFER_INIT;
	bool quoted = false;
	assert_int_equal(canonical(type, wire, &again), 0);
	assert_true(bytes_eq(buffer_bytes(&again), wire));
	buffer_clear(&again);
	print_text(type, wire, &text);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		assert_true(c >= 0x20 && c <= 0x7e);
		if (c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == ' ' && !quoted)
			assert_true(i > 0 && i + 1 < text.n && text.p[i - 1] != ' ');
	}
	assert_false(quoted);
	if (read_text(p, type, buffer_bytes(&text), &again) != 0 ||
	    !bytes_eq(buffer_bytes(&again), wire)) {
		print_error("TYPE%u is not read back: %.200s\n", type, (const char *)text.p);
		fail();
	}
	buffer_release(&text);
	buffer_release(&again);
}

/* xorshift: the same numbers in every run */
static inline uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}
