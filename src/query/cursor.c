/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Positions and cursors. */
#include "query/cursor.h"

#include <string.h>

#include "base/hash.h"

enum {
	HEAD = 5, /* range + 1, four octets of check */
	CURSOR_OCTETS_MAX = HEAD + KEY_MAX,
	CURSOR_DIGITS_MAX = CURSOR_OCTETS_MAX * 241 / 100 + 1, /* log10(256) = 2.408 */
	LIMB = 1000000000,
};

void position_between(const struct question *q, size_t range, struct bytes last, struct bytes next,
                      struct position *ret)
{
	size_t prefix = q->ranges[range].prefix.n, n = 0;
	ret->range = range;
	ret->n = 0;
	if (!last.n)
		return;
	struct bytes a = bytes_of(last.p + prefix, last.n - prefix);
	struct bytes b = bytes_of(next.p + prefix, next.n - prefix);
	while (n < a.n && n < b.n && a.p[n] == b.p[n])
		n++;
	ret->n = n < b.n ? n + 1 : b.n;
	memcpy(ret->suffix, b.p, ret->n);
}

static uint32_t check_of(const struct question *q, size_t range, const uint8_t *suffix, size_t n)
{
	return (uint32_t)XXH3_64bits_withSeed(suffix, n, q->check + range);
}

/* Octets, most significant first, to decimal: repeated division by 10^9. */
static void put_decimal(uint8_t *octets, size_t n, struct buffer *out)
{
	uint32_t limbs[CURSOR_DIGITS_MAX / 9 + 1];
	size_t count = 0, start = 0;
	while (start < n) {
		uint64_t rest = 0;
		for (size_t i = start; i < n; i++) {
			rest = rest << 8 | octets[i];
			octets[i] = (uint8_t)(rest / LIMB);
			rest %= LIMB;
		}
		limbs[count++] = (uint32_t)rest;
		while (start < n && octets[start] == 0)
			start++;
	}
	buffer_putf(out, "%u", limbs[--count]);
	while (count)
		buffer_putf(out, "%09u", limbs[--count]);
}

/* Division by 10^9 leaves quotient octets above 255 only if rest were >= 10^9 before the shift; rest < 10^9 < 2^30, so
 * rest << 8 | octet < 2^38 and its quotient by 10^9 is below 256. */

void cursor_put(const struct question *q, const struct position *at, struct buffer *out)
{
	uint8_t octets[CURSOR_OCTETS_MAX];
	uint32_t check = check_of(q, at->range, at->suffix, at->n);
	octets[0] = (uint8_t)(at->range + 1);
	for (int i = 0; i < 4; i++)
		octets[1 + i] = (uint8_t)(check >> (24 - 8 * i));
	memcpy(octets + HEAD, at->suffix, at->n);
	put_decimal(octets, HEAD + at->n, out);
}

/* Decimal digits to octets, right-aligned in to; returns how many octets matter, or 0. */
static size_t get_decimal(struct bytes digits, uint8_t to[static CURSOR_OCTETS_MAX])
{
	size_t used = 0;
	for (size_t i = 0; i < digits.n; i++) {
		unsigned carry = digits.p[i] - '0';
		if (carry > 9)
			return 0;
		for (size_t k = 0; k < used || carry; k++) {
			if (k == CURSOR_OCTETS_MAX)
				return 0;
			uint8_t *octet = &to[CURSOR_OCTETS_MAX - 1 - k];
			unsigned v = (k < used ? *octet : 0) * 10u + carry;
			*octet = (uint8_t)v;
			carry = v >> 8;
			used = k < used ? used : k + 1;
		}
	}
	return used;
}

int cursor_get(const struct question *q, struct bytes text, struct position *ret, struct err *e)
{
	uint8_t octets[CURSOR_OCTETS_MAX];
	if (text.n == 1 && text.p[0] == '0') {
		ret->range = 0;
		ret->n = 0;
		return 0;
	}
	size_t n = text.n && text.n <= CURSOR_DIGITS_MAX && text.p[0] != '0' ? get_decimal(text, octets)
	                                                                   : 0;
	if (n < HEAD || n - HEAD > KEY_MAX)
		return err_set(e, ERR_SYNTAX, "the cursor is not one of this server's");
	const uint8_t *p = octets + CURSOR_OCTETS_MAX - n;
	uint32_t check = (uint32_t)p[1] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 8 | p[4];
	size_t range = p[0] - 1u;
	if (range >= q->n || check != check_of(q, range, p + HEAD, n - HEAD))
		return err_set(e, ERR_SYNTAX,
		               "the cursor was not issued for this value and filter");
	ret->range = range;
	ret->n = n - HEAD;
	memcpy(ret->suffix, p + HEAD, ret->n);
	return 0;
}
