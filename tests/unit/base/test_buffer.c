/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Buffers: what is put in is there, in order, however it grows. */
#include "base/buffer.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void holds(const struct buffer *b, const char *text)
{
	assert_true(bytes_eq(buffer_bytes(b), bytes_str(text)));
	assert_true(b->n <= b->cap);
}

static void test_put(void **state)
{
	struct buffer b = BUFFER_INIT;
	assert_null(b.p);
	assert_int_equal(buffer_bytes(&b).n, 0);
	buffer_put(&b, NULL, 0);
	buffer_put_bytes(&b, bytes_of(NULL, 0));
	assert_null(b.p);
	buffer_put_str(&b, "ab");
	buffer_put_byte(&b, 'c');
	buffer_put(&b, "de", 2);
	buffer_put_bytes(&b, bytes_str("fg"));
	holds(&b, "abcdefg");
	buffer_clear(&b);
	assert_int_equal(b.n, 0);
	assert_non_null(b.p);
	buffer_put_str(&b, "x");
	holds(&b, "x");
	buffer_release(&b);
	assert_null(b.p);
	assert_int_equal(b.cap, 0);
	buffer_release(&b);
}

static void test_growth(void **state)
{
	struct buffer b = BUFFER_INIT;
	for (size_t i = 0; i < 200000; i++) {
		if (i % 1000 == 0)
			memset(buffer_reserve(&b, 5000), 0xff, 5000); /* room is not content */
		buffer_put_byte(&b, (uint8_t)(i * 7));
	}
	assert_int_equal(b.n, 200000);
	for (size_t i = 0; i < b.n; i++)
		assert_int_equal(b.p[i], (uint8_t)(i * 7));
	assert_true(b.cap < 4 * b.n);
	buffer_release(&b);
	uint8_t *p = buffer_reserve(&b, 256); /* exactly the first size, and one more */
	memset(p, 1, 256);
	b.n = 256;
	p = buffer_reserve(&b, 1);
	assert_ptr_equal(p, b.p + 256);
	*p = 2;
	assert_int_equal(b.p[255], 1);
	buffer_release(&b);
}

static void test_numbers(void **state)
{
	static const uint64_t numbers[] = {0,
					   1,
					   9,
					   10,
					   99,
					   100,
					   4294967295u,
					   4294967296u,
					   9999999999999999999u,
					   10000000000000000000u,
					   UINT64_MAX};
	struct buffer b = BUFFER_INIT;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char expected[32];
		snprintf(expected, sizeof(expected), "%" PRIu64, numbers[i]);
		buffer_clear(&b);
		buffer_put_u64(&b, numbers[i]);
		holds(&b, expected);
	}
	buffer_release(&b);
}

static void test_printf(void **state)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s", "");
	assert_int_equal(b.n, 0);
	buffer_putf(&b, "%d-%s", -5, "x");
	buffer_putf(&b, "%%");
	holds(&b, "-5-x%");
	buffer_clear(&b);
	for (int n = 0; n < 2000; n++) { /* over every capacity */
		buffer_clear(&b);
		buffer_putf(&b, "%*s", n, "");
		assert_int_equal(b.n, n);
		buffer_release(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_printf),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
