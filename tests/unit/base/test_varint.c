/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Varints: one form a number, nothing else is taken. */
#include "base/varint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Reads p from memory of exactly n octets. */
static size_t get(const uint8_t *p, size_t n, uint64_t *ret)
{
	uint8_t *exact = malloc(n ? n : 1);
	assert_non_null(exact);
	memcpy(exact, p, n);
	size_t took = varint_get(exact, exact + n, ret);
	free(exact);
	return took;
}

static void round_trip(uint64_t v, size_t length)
{
	uint8_t p[VARINT_MAX + 1];
	uint64_t got = ~v;
	memset(p, 0xff, sizeof(p));
	size_t n = varint_put(p, v);
	assert_int_equal(n, length);
	assert_int_equal(p[n], 0xff); /* not a byte more */
	assert_int_equal(get(p, n, &got), n);
	assert_true(got == v);
	assert_int_equal(get(p, sizeof(p), &got), n); /* what follows is left alone */
	got = 4711;
	for (size_t cut = 0; cut < n; cut++) {
		assert_int_equal(get(p, cut, &got), 0);
		assert_int_equal(got, 4711);
	}
	if (n < VARINT_MAX) { /* a longer form of the same number */
		p[n - 1] |= 0x80;
		p[n] = 0;
		assert_int_equal(get(p, n + 1, &got), 0);
		assert_int_equal(got, 4711);
	}
}

static void test_edges(void **state)
{
	round_trip(0, 1);
	for (unsigned bits = 1; bits <= 64; bits++) {
		uint64_t top = bits == 64 ? UINT64_MAX : ((uint64_t)1 << bits) - 1;
		size_t length = (bits + 6) / 7;
		round_trip(top, length);
		round_trip((uint64_t)1 << (bits - 1), length);
	}
}

static void test_random(void **state)
{
	uint64_t x = 88172645463325252u;
	for (int i = 0; i < 100000; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		uint64_t v = x >> (i % 64);
		size_t length = 1;
		while (length < 10 && v >> (7 * length))
			length++;
		round_trip(v, length);
	}
}

static void test_malformed(void **state)
{
	uint64_t v = 4711;
	assert_int_equal(get((const uint8_t *)"", 0, &v), 0);
	assert_int_equal(get((const uint8_t *)"\x80", 1, &v), 0);
	assert_int_equal(get((const uint8_t *)"\x80\0", 2, &v), 0);
	assert_int_equal(get((const uint8_t *)"\x81\x80\0", 3, &v), 0);
	/* more than 64 bits */
	assert_int_equal(get((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\2", 10, &v), 0);
	assert_int_equal(get((const uint8_t *)"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1", 11, &v),
			 0);
	assert_int_equal(get((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 11, &v),
			 0);
	assert_int_equal(v, 4711);
	assert_int_equal(get((const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 10, &v),
			 10);
	assert_true(v == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_malformed),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
