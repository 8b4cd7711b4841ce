/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The bounded memory: until when, what is forgotten first; and beside a plain model. */
#include "kit.h"

#include "resolve/recall.h"

static struct hash128 key(unsigned n)
{
	return hash128_of(&n, sizeof(n));
}

static bool has(struct recall *r, unsigned n, uint64_t now)
{
	struct hash128 k = key(n);
	uint8_t what = 0;
	bool found = recall_has(r, &k, now, &what);
	if (found)
		assert_int_equal(what, (uint8_t)n);
	return found;
}

static void put(struct recall *r, unsigned n, uint64_t until)
{
	struct hash128 k = key(n);
	recall_put(r, &k, until, (uint8_t)n);
}

static void test_until(void **state)
{
	struct recall *r = recall_new(8);
	(void)state;
	assert_false(has(r, 1, 0));
	put(r, 1, 100);
	assert_true(has(r, 1, 99));
	assert_false(has(r, 1, 100));
	put(r, 1, 200);
	assert_true(has(r, 1, 199));
	assert_int_equal(recall_count(r), 1);
	recall_free(r);
	recall_free(NULL);
}

static void test_least_used_goes(void **state)
{
	struct recall *r = recall_new(3);
	(void)state;
	for (unsigned i = 1; i <= 3; i++)
		put(r, i, 1000);
	assert_true(has(r, 1, 0)); /* now 2 is the one used longest ago */
	put(r, 4, 1000);
	assert_false(has(r, 2, 0));
	assert_true(has(r, 3, 0) && has(r, 4, 0) && has(r, 1, 0));
	put(r, 3, 1000);
	put(r, 5, 1000);
	assert_false(has(r, 4, 0));
	assert_int_equal(recall_count(r), 3);
	recall_free(r);
}

static void test_one(void **state)
{
	struct recall *r = recall_new(1);
	(void)state;
	put(r, 1, 10);
	put(r, 2, 10);
	assert_false(has(r, 1, 0));
	assert_true(has(r, 2, 0));
	recall_free(r);
}

enum { KEYS = 200, MOST = 50 };

/* The last MOST used keys, and nothing else, are there. */
static void test_against_a_model(void **state)
{
	struct recall *r = recall_new(MOST);
	uint64_t used[KEYS] = {0}, until[KEYS] = {0};
	uint32_t seed = 1;
	(void)state;
	for (uint64_t step = 1; step < 20000; step++) {
		seed = seed * 1664525 + 1013904223;
		unsigned k = (seed >> 8) % KEYS;
		bool known = used[k] != 0;
		for (unsigned i = 0, later = 0; known && i < KEYS; i++) {
			later += used[i] > used[k];
			known = later < MOST;
		}
		if (seed >> 31) {
			until[k] = step + (seed >> 20) % 300;
			put(r, k, until[k]);
			used[k] = step;
		} else {
			assert_int_equal(has(r, k, step), known && until[k] > step);
			if (known && until[k] > step)
				used[k] = step;
		}
		assert_true(recall_count(r) <= MOST);
	}
	recall_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until),
		cmocka_unit_test(test_least_used_goes),
		cmocka_unit_test(test_one),
		cmocka_unit_test(test_against_a_model),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
