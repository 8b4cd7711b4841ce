/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folding: what goes in one by one comes out as the same rows. */
#include "../records_kit.h"

#include "feed/fold.h"
#include "model/dname.h"

static void observe(struct fold *f, unsigned owner, unsigned address, uint64_t count, uint64_t first_s, uint64_t last_s)
{
	uint8_t name[DNAME_MAX];
	const uint8_t data[4] = {10, 0, (uint8_t)(address >> 8), (uint8_t)address};
	char text[32];
	snprintf(text, sizeof(text), "n%u.example", owner);
	int n = dname_from_text(bytes_str(text), name);
	const struct observation o = {.owner = bytes_of(name, (size_t)n),
	                              .rrtype = 1,
	                              .rdata = bytes_of(data, 4),
	                              .seen = {.first_s = first_s, .last_s = last_s, .count = count}};
	fold_add(f, &o);
}

static void write_out(struct fold *f, struct store *s)
{
	struct run *r = NULL;
	assert_int_equal(run_begin(s, fold_rows_expected(f), &r, NULL), 0);
	assert_int_equal(fold_write(f, r, NULL), 0);
	assert_int_equal(run_commit(r, NULL), 0);
}

/* However the observations are spread over folds and runs, the store is the same. */
static void test_any_spread_gives_the_same_rows(void **state)
{
	char *want = NULL;
	for (unsigned every = 1; every <= 100000; every *= 10) {
		struct store *s = kit_store(NULL);
		struct fold *f = fold_new(1 << 20);
		uint64_t random = 5;
		for (unsigned i = 0; i < 3000; i++) {
			random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			unsigned h = (unsigned)(random >> 33);
			observe(f, h % 200, h >> 8 & 7, 1 + h % 3, 1000 + h % 50, 1100 + h % 70);
			if (every > 1 ? i % every == 0 : i % 300 == 0) {
				write_out(f, s);
				fold_clear(f);
				assert_int_equal(fold_records(f), 0);
			}
		}
		write_out(f, s);
		fold_free(f);
		char *got = kit_dump(s);
		store_close(s);
		if (want)
			assert_string_equal(got, want);
		free(want);
		want = got;
	}
	free(want);
}

static void test_repeats_cost_nothing(void **state)
{
	struct fold *f = fold_new(1 << 20);
	for (int i = 0; i < 300000; i++) {
		observe(f, 1, 1, 1, 100, 200);
		assert_false(fold_is_full(f));
	}
	assert_int_equal(fold_records(f), 1);
	fold_free(f);
}

static void test_a_fold_is_full_by_its_memory(void **state)
{
	for (size_t memory = 1 << 20; memory <= 16 << 20; memory *= 4) {
		struct fold *f = fold_new(memory);
		assert_false(fold_is_full(f)); /* an empty one never is: nothing would make it less */
		for (int round = 0; round < 3; round++) {
			unsigned n = 0;
			while (!fold_is_full(f))
				observe(f, n++, 7, 1, 1, 1);
			assert_in_range(n, memory / 400, memory / 20); /* octets a record */
			assert_int_equal(fold_records(f), n);
			fold_clear(f);
			assert_false(fold_is_full(f));
		}
		fold_free(f);
	}
}

static void test_strings_outlive_the_observation(void **state)
{
	struct store *s = kit_store(NULL);
	struct fold *f = fold_new(1 << 20);
	uint8_t name[DNAME_MAX], data[4] = {10, 0, 0, 1};
	int n = dname_from_text(bytes_str("a.example"), name);
	static const char *const sensors[] = {"beta", "alpha", "gamma"};
	for (int i = 0; i < 3; i++) {
		char *sensor = xstrdup(sensors[i]);
		const struct observation o = {.owner = bytes_of(name, (size_t)n),
		                              .rrtype = 1,
		                              .rdata = bytes_of(data, 4),
		                              .seen = {1, 2, 1, 0, 0, bytes_str(sensor), bytes_of(NULL, 0)}};
		fold_add(f, &o);
		memset(sensor, 'z', strlen(sensor));
		free(sensor);
	}
	write_out(f, s);
	fold_free(f);
	char *dump = kit_dump(s);
	assert_non_null(strstr(dump, "616c706861")); /* "alpha", the smallest */
	assert_null(strstr(dump, "7a7a7a"));
	free(dump);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_spread_gives_the_same_rows),
		cmocka_unit_test(test_repeats_cost_nothing),
		cmocka_unit_test(test_a_fold_is_full_by_its_memory),
		cmocka_unit_test(test_strings_outlive_the_observation),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
