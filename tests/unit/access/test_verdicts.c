/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of remembered credentials. */
#include "access/verdicts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct credential_hash hash_of(unsigned set, unsigned n)
{
	struct credential_hash hash = {{set & 0xff, set >> 8 & 0xff, n & 0xff, n >> 8 & 0xff}};
	return hash;
}

static void test_put_and_end(void **state)
{
	struct verdicts *v = calloc(1, sizeof(*v));
	struct credential_hash a = hash_of(5, 1), none = hash_of(0, 0);
	assert_false(verdicts_has(v, &a, 0));
	assert_false(verdicts_has(v, &none, 0)); /* an empty place is not the hash of zeros */
	verdicts_put(v, &a, 100);
	assert_true(verdicts_has(v, &a, 99));
	assert_false(verdicts_has(v, &a, 100));
	verdicts_put(v, &a, 200);
	assert_true(verdicts_has(v, &a, 100));
	free(v);
}

static void test_oldest_is_pushed_out(void **state)
{
	struct verdicts *v = calloc(1, sizeof(*v));
	for (unsigned i = 0; i <= VERDICTS_WAYS; i++) {
		struct credential_hash hash = hash_of(1023, i);
		verdicts_put(v, &hash, 100 + i);
	}
	for (unsigned i = 0; i <= VERDICTS_WAYS; i++) {
		struct credential_hash hash = hash_of(1023, i);
		assert_int_equal(verdicts_has(v, &hash, 1), i != 0);
	}
	struct credential_hash other = hash_of(7, 0);
	assert_false(verdicts_has(v, &other, 1));
	free(v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_and_end),
		cmocka_unit_test(test_oldest_is_pushed_out),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
