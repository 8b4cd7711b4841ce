/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scan_count of store.h against counting row by row, while runs of both kinds come in, tables are
 * merged and the store is opened anew: test_count memory|rocksdb. */
#include "store_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *engine;

static uint64_t counted_by_hand(struct store *s, const char *prefix)
{
	struct bytes key, value;
	struct scan *sc = kit_scan(s);
	uint64_t n = 0;
	int rc = scan_seek(sc, bytes_str(prefix), &key, &value, NULL);
	for (; rc == 1 && bytes_has_prefix(key, bytes_str(prefix));
	     rc = scan_next(sc, &key, &value, NULL))
		n++;
	assert_true(rc >= 0);
	scan_end(sc);
	return n;
}

static void assert_counts(struct store *s)
{
	static const char *const prefixes[] = {"a", "b", "bb", "c", "\xff\x01", "zz", "hot"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		for (int twice = 0; twice < 2; twice++) {
			uint64_t n = 12345;
			struct scan *sc = kit_scan(s);
			assert_int_equal(scan_count(sc, bytes_str(prefixes[i]), 0, &n, NULL), 0);
			scan_end(sc);
			assert_int_equal(n, counted_by_hand(s, prefixes[i]));
		}
	}
}

static void add_some(struct store *s, struct kit_random *random, uint64_t expect, unsigned rows)
{
	static const char *const heads[] = {"a", "b", "bb", "c", "d", "hot", "\xff\x01"};
	uint64_t step = 1 + 4000 / (rows + 1);
	struct run *r = kit_run_begin(s, expect);
	for (size_t h = 0; h < sizeof(heads) / sizeof(heads[0]); h++) {
		/* Few keys, so that runs have many in common. */
		for (uint64_t key = kit_below(random, step) + 1; key < 4000;
		     key += 1 + kit_below(random, 2 * step)) {
			char text[32];
			snprintf(text, sizeof(text), "%s/%05u", heads[h], (unsigned)key);
			assert_int_equal(kit_add(r, bytes_str(text), 1, 5, 6), 0);
		}
	}
	kit_commit(r);
}

static void counts_are_exact_whatever_comes(void **state)
{
	struct kit k;
	struct kit_random random = {11};
	(void)state;
	kit_begin(&k, engine);
	assert_counts(k.s);
	for (int i = 0; i < 60; i++) {
		unsigned rows = (unsigned)kit_below(&random, 3) ? 10 : 2000;
		add_some(k.s, &random, kit_below(&random, 3) ? SMALL : LARGE, rows);
		if (kit_below(&random, 3))
			assert_counts(k.s);
		if (i % 20 == 11) {
			assert_int_equal(store_compact(k.s, NULL), 0);
			assert_counts(k.s);
		}
		if (i % 20 == 17) {
			kit_reopen(&k);
			if (kit_is_lasting(&k))
				assert_counts(k.s);
		}
	}
	kit_end(&k);
}

static void a_scan_counts_what_it_sees(void **state)
{
	struct kit k;
	uint64_t n;
	(void)state;
	kit_begin(&k, engine);
	for (int i = 0; i < 2; i++) {
		uint64_t expect = i ? LARGE : SMALL;
		struct scan *before = kit_scan(k.s);
		uint64_t was = counted_by_hand(k.s, "row");
		kit_run(k.s, expect,
			i ? "row1=1@1-1 row4=1@1-1" : "row1=1@1-1 row2=1@1-1 row3=1@1-1");
		struct scan *after = kit_scan(k.s);
		assert_int_equal(scan_count(after, bytes_str("row"), 0, &n, NULL), 0);
		assert_int_equal(n, i ? 4 : 3);
		assert_int_equal(scan_count(before, bytes_str("row"), 0, &n, NULL), 0);
		assert_int_equal(n, was);
		assert_int_equal(scan_count(after, bytes_str("row"), 0, &n, NULL), 0);
		assert_int_equal(n, i ? 4 : 3);
		scan_end(before);
		scan_end(after);
	}
	kit_end(&k);
}

static void counting_leaves_the_scan_where_it_is(void **state)
{
	struct kit k;
	struct bytes key, value;
	uint64_t n;
	(void)state;
	kit_begin(&k, engine);
	kit_run(k.s, SMALL, "a=1@1-1 b=1@1-1 c=1@1-1");
	kit_run(k.s, LARGE, "a=1@1-1 bb=1@1-1 d=1@1-1");
	struct scan *sc = kit_scan(k.s);
	assert_int_equal(scan_seek(sc, bytes_str("b"), &key, &value, NULL), 1);
	assert_int_equal(scan_count(sc, bytes_str("a"), 0, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_true(bytes_eq(key, bytes_str("b")));
	assert_int_equal(scan_next(sc, &key, &value, NULL), 1);
	assert_true(bytes_eq(key, bytes_str("bb")));
	scan_end(sc);
	kit_end(&k);
}

static void a_budget_is_kept(void **state)
{
	struct kit k;
	struct kit_random random = {3};
	uint64_t n = 77;
	(void)state;
	kit_begin(&k, engine);
	add_some(k.s, &random, LARGE, 2000);
	add_some(k.s, &random, LARGE, 2000);
	struct scan *sc = kit_scan(k.s);
	int rc = scan_count(sc, bytes_str("hot"), 5, &n, NULL);
	if (rc == 1)
		assert_int_equal(n, 77);
	else
		assert_int_equal(rc, 0);
	assert_int_equal(scan_count(sc, bytes_str("hot"), 0, &n, NULL), 0);
	assert_int_equal(n, counted_by_hand(k.s, "hot"));
	/* What was counted needs no budget. */
	assert_int_equal(scan_count(sc, bytes_str("hot"), 5, &n, NULL), 0);
	scan_end(sc);
	kit_end(&k);
}

static void a_prefix_is_needed(void **state)
{
	struct kit k;
	struct err e;
	uint64_t n;
	(void)state;
	kit_begin(&k, engine);
	struct scan *sc = kit_scan(k.s);
	assert_int_equal(scan_count(sc, bytes_str(""), 0, &n, &e), ERR_USAGE);
	assert_int_equal(scan_count(sc, bytes_str("\xff\xff"), 0, &n, &e), ERR_USAGE);
	scan_end(sc);
	kit_end(&k);
}

/* --- beside writers --- */

/* cmocka's assertions are for its own thread. */
#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct crowd {
	struct store *s;
	atomic_int left; /* runs */
};

/* One row a run: mostly new ones. */
static void *write_rows(void *arg)
{
	struct crowd *c = arg;
	for (int left; (left = atomic_fetch_sub(&c->left, 1)) > 0;) {
		char row[32];
		snprintf(row, sizeof(row), "row%05d=1@1-1", left * 7 % 5000);
		kit_run(c->s, left % 50 ? SMALL : LARGE, row);
	}
	return NULL;
}

/* Counts what a scan sees, and looks at each row of it. */
static void *count_along(void *arg)
{
	struct crowd *c = arg;
	struct bytes key, value, prefix = bytes_str("row");
	struct err e;
	while (atomic_load(&c->left) > 0) {
		struct scan *sc = kit_scan(c->s);
		uint64_t n = 0, seen = 0;
		REQUIRE(scan_count(sc, prefix, 0, &n, &e) == 0);
		int rc = scan_seek(sc, prefix, &key, &value, &e);
		for (; rc == 1 && bytes_has_prefix(key, prefix);
		     rc = scan_next(sc, &key, &value, &e))
			seen++;
		REQUIRE(rc >= 0);
		if (n != seen)
			fprintf(stderr, "counted %llu of %llu\n", (unsigned long long)n,
				(unsigned long long)seen);
		REQUIRE(n == seen);
		scan_end(sc);
	}
	return NULL;
}

static void counts_agree_with_scans_while_others_write(void **state)
{
	struct kit k;
	pthread_t threads[5];
	(void)state;
	kit_begin(&k, engine);
	struct run *r = kit_run_begin(k.s, LARGE);
	for (int i = 0; i < 700; i++) { /* small sums are not worth being remembered */
		char key[32];
		snprintf(key, sizeof(key), "row%05dx", i * 5);
		assert_int_equal(kit_add(r, bytes_str(key), 1, 1, 1), 0);
	}
	kit_commit(r);
	struct crowd c = {.s = k.s, .left = 1500};
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, i < 2 ? write_rows : count_along, &c), 0);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(counted_by_hand(k.s, "row"), 700 + 1500);
	kit_end(&k);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_are_exact_whatever_comes),
		cmocka_unit_test(a_scan_counts_what_it_sees),
		cmocka_unit_test(counting_leaves_the_scan_where_it_is),
		cmocka_unit_test(a_budget_is_kept),
		cmocka_unit_test(a_prefix_is_needed),
		cmocka_unit_test(counts_agree_with_scans_while_others_write),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: %s memory|rocksdb\n", argv[0]);
		return 2;
	}
	engine = argv[1];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
