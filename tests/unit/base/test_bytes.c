/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Bytes: comparing, prefixes, letter case. */
#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define B(literal) bytes_of(literal, sizeof(literal) - 1)

static void test_compare(void **state)
{
	const struct bytes ordered[] = {
		{NULL, 0}, B("\0"), B("\0\0"), B("\0\1"), B("A"),    B("a"),        B("a\0"),
		B("aa"),   B("b"),  B("\x7f"), B("\x80"), B("\xff"), B("\xff\xff"),
	};
	size_t n = sizeof(ordered) / sizeof(ordered[0]);
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < n; j++) {
			int c = bytes_cmp(ordered[i], ordered[j]);
			assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
			assert_int_equal(bytes_eq(ordered[i], ordered[j]), i == j);
		}
	}
	assert_true(bytes_eq(bytes_of(NULL, 0), bytes_str("")));
	assert_int_equal(bytes_cmp(bytes_of(NULL, 0), bytes_str("")), 0);
}

static void test_prefix(void **state)
{
	assert_true(bytes_has_prefix(B("abc"), B("ab")));
	assert_true(bytes_has_prefix(B("abc"), B("abc")));
	assert_true(bytes_has_prefix(B("abc"), B("")));
	assert_true(bytes_has_prefix(bytes_of(NULL, 0), bytes_of(NULL, 0)));
	assert_true(bytes_has_prefix(B("a\0b"), B("a\0")));
	assert_false(bytes_has_prefix(B("abc"), B("abcd")));
	assert_false(bytes_has_prefix(B("abc"), B("ac")));
	assert_false(bytes_has_prefix(bytes_of(NULL, 0), B("a")));
}

static void test_lower(void **state)
{
	for (unsigned c = 0; c < 256; c++) {
		unsigned expected = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
		assert_int_equal(ascii_lower((uint8_t)c), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_lower),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
