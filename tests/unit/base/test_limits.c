/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Limits that only make sense together. */
#include "base/limits.h"

#include <limits.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_relations(void **state)
{
	/* the text of the largest rdata can be read, escaped in JSON in one line */
	assert_true(RDATA_TEXT_MAX >= 4 * RDATA_MAX + 3 * (RDATA_MAX / 255 + 1));
	assert_true(LINE_MAX_BYTES > 3 * RDATA_TEXT_MAX);
	/* a name spelled with \DDD alone can be asked for, percent-encoded in one target */
	assert_true(QUERY_VALUE_MAX >= 4 * DNAME_MAX);
	assert_true(URL_MAX >= 3 * QUERY_VALUE_MAX);
	assert_true(HEADERS_MAX >= URL_MAX);
	/* counts and times fit what JSON readers take, two counts add up without overflow */
	assert_true(COUNT_MAX == INT64_MAX);
	assert_true(COUNT_MAX + COUNT_MAX > COUNT_MAX);
	assert_true(TIME_MAX < COUNT_MAX);
	/* wire forms */
	assert_int_equal(DNAME_MAX, UINT8_MAX);
	assert_int_equal(LABEL_MAX, 0x3f);
	assert_int_equal(RDATA_MAX, UINT16_MAX);
	assert_true(MEMBER_MAX <= UINT8_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relations),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
