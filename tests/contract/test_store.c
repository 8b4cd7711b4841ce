/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The contract of store.h, the same for every engine: test_store memory|rocksdb. */
#include "store_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static const char *engine;

static int setup(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, engine);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	kit_end(*state);
	free(*state);
	return 0;
}

static const uint64_t both[] = {SMALL, LARGE};
#define EACH(expect)                                                                               \
	for (size_t each_ = 0; each_ < 2; each_++)                                                 \
		for (uint64_t expect = both[each_], once_ = 1; once_; once_ = 0)

/* --- scans --- */

static void an_empty_store_gives_no_rows(void **state)
{
	struct kit *k = *state;
	struct scan *sc = kit_scan(k->s);
	struct bytes key, value;
	struct err e;
	kit_assert_scan(sc, "");
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), 0);
	assert_int_equal(scan_next(sc, &key, &value, &e), 0);
	assert_int_equal(scan_next(sc, &key, &value, &e), 0);
	scan_end(sc);
	scan_end(NULL);
}

static const struct bytes ordered[] = {
	{(const uint8_t *)"\x20", 1},
	{(const uint8_t *)"\x20\x00", 2},
	{(const uint8_t *)"\x20\x00\x00", 3},
	{(const uint8_t *)"\x20\x01", 2},
	{(const uint8_t *)"\x20\x7f", 2},
	{(const uint8_t *)"\x20\x80", 2},
	{(const uint8_t *)"\x20\xff", 2},
	{(const uint8_t *)"\x20\xff\x00", 3},
	{(const uint8_t *)"!", 1},
	{(const uint8_t *)"A", 1},
	{(const uint8_t *)"a", 1},
	{(const uint8_t *)"aa", 2},
	{(const uint8_t *)"aaa", 3},
	{(const uint8_t *)"ab", 2},
	{(const uint8_t *)"b", 1},
	{(const uint8_t *)"\x7f", 1},
	{(const uint8_t *)"\x80", 1},
	{(const uint8_t *)"\xff", 1},
	{(const uint8_t *)"\xff\x00", 2},
	{(const uint8_t *)"\xff\xff", 2},
	{(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\xff", 9},
};
enum { ORDERED = sizeof(ordered) / sizeof(ordered[0]) };

static void assert_ordered(struct store *s)
{
	struct scan *sc = kit_scan(s);
	struct bytes key, value;
	struct err e;
	struct buffer at = BUFFER_INIT;
	const uint8_t first = STORE_FIRST_ROW;
	int rc = scan_seek(sc, bytes_of(&first, 1), &key, &value, &e);
	for (size_t i = 0; i < ORDERED; i++) {
		assert_int_equal(rc, 1);
		assert_true(bytes_eq(key, ordered[i]));
		rc = scan_next(sc, &key, &value, &e);
	}
	assert_int_equal(rc, 0);
	for (size_t i = 0; i < ORDERED; i++) {
		assert_int_equal(scan_seek(sc, ordered[i], &key, &value, &e), 1);
		assert_true(bytes_eq(key, ordered[i]));
		buffer_clear(&at);
		buffer_put_bytes(&at, ordered[i]);
		buffer_put_byte(&at, 0); /* the very next key there can be */
		rc = scan_seek(sc, buffer_bytes(&at), &key, &value, &e);
		assert_int_equal(rc, i + 1 < ORDERED);
		if (rc)
			assert_true(bytes_eq(key, ordered[i + 1]));
	}
	buffer_release(&at);
	scan_end(sc);
}

static void keys_are_ordered_as_by_memcmp(void **state)
{
	struct kit *k = *state;
	EACH(expect)
	{
		struct run *r = kit_run_begin(k->s, expect);
		for (size_t i = 0; i < ORDERED; i++)
			assert_int_equal(kit_add(r, ordered[i], 1, 5, 5), 0);
		kit_commit(r);
		assert_ordered(k->s);
	}
}

static void keys_of_many_runs_are_ordered_too(void **state)
{
	struct kit *k = *state;
	struct kit_random random = {7};
	for (size_t i = 0; i < ORDERED; i++) {
		struct run *r = kit_run_begin(k->s, kit_below(&random, 2) ? SMALL : LARGE);
		assert_int_equal(kit_add(r, ordered[i * 8 % ORDERED], 1, 5, 5), 0);
		kit_commit(r);
	}
	assert_ordered(k->s);
}

static void seek_and_next(void **state)
{
	struct kit *k = *state;
	static const struct {
		const char *at, *rest;
	} cases[] = {
		{" ", "b=1@1-1 d=2@2-2 dd=3@3-3 f=4@4-4"},
		{"a", "b=1@1-1 d=2@2-2 dd=3@3-3 f=4@4-4"},
		{"b", "b=1@1-1 d=2@2-2 dd=3@3-3 f=4@4-4"},
		{"ba", "d=2@2-2 dd=3@3-3 f=4@4-4"},
		{"d", "d=2@2-2 dd=3@3-3 f=4@4-4"},
		{"d\x01", "dd=3@3-3 f=4@4-4"},
		{"f", "f=4@4-4"},
		{"fa", ""},
		{"\xff\xff", ""},
		{"c", "d=2@2-2 dd=3@3-3 f=4@4-4"}, /* back from the end */
	};
	EACH(expect)
	{
		if (expect == SMALL)
			kit_run(k->s, expect, "b=1@1-1 d=2@2-2 dd=3@3-3 f=4@4-4");
		struct scan *sc = kit_scan(k->s);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			char *rest = kit_rest(sc, bytes_str(cases[i].at));
			assert_string_equal(rest, cases[i].rest);
			free(rest);
			struct bytes key, value;
			struct err e;
			assert_int_equal(scan_next(sc, &key, &value, &e),
					 0); /* the end stays the end */
		}
		scan_end(sc);
		assert_int_equal(store_compact(k->s, NULL), 0);
	}
}

static void bounds(void **state)
{
	struct kit *k = *state;
	static const struct {
		const char *lo, *hi, *rows;
	} cases[] = {
		{"a", "d", "b=1@1-1"},
		{"a", "d\x01", "b=1@1-1 d=2@2-2"},
		{"a", "c", "b=1@1-1"},
		{"a", "b", ""},
		{"a", "a", ""},
		{"d", "b", ""},
		{"d", "dd", "d=2@2-2"},
		{"c", "f", "d=2@2-2 dd=3@3-3"},
		{"f", "g", "f=4@4-4"},
		{"g", "h", ""},
		{"d", "", "d=2@2-2 dd=3@3-3 f=4@4-4"},
	};
	kit_run(k->s, SMALL, "b=1@1-1 dd=3@3-3");
	kit_run(k->s, LARGE, "d=2@2-2 f=4@4-4");
	struct scan *sc = kit_scan(k->s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char hi[8];
		snprintf(hi, sizeof(hi), "%s", cases[i].hi);
		scan_bound(sc, bytes_str(hi));
		memset(hi, 'a', sizeof(hi)); /* the bytes were copied */
		char *rows = kit_rest(sc, bytes_str(cases[i].lo));
		assert_string_equal(rows, cases[i].rows);
		free(rows);
	}
	scan_end(sc);
}

static void a_bound_is_looked_at_by_next_as_well(void **state)
{
	struct kit *k = *state;
	struct bytes key, value;
	struct err e;
	kit_run(k->s, SMALL, "a=1@1-1 b=1@1-1 c=1@1-1");
	struct scan *sc = kit_scan(k->s);
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), 1);
	scan_bound(sc, bytes_str("c"));
	assert_int_equal(scan_next(sc, &key, &value, &e), 1);
	assert_true(bytes_eq(key, bytes_str("b")));
	assert_int_equal(scan_next(sc, &key, &value, &e), 0);
	assert_int_equal(scan_next(sc, &key, &value, &e), 0);
	scan_end(sc);
}

static void a_scan_sees_the_store_as_it_began(void **state)
{
	struct kit *k = *state;
	EACH(expect)
	{
		struct kit fresh;
		kit_begin(&fresh, k->engine);
		struct scan *none = kit_scan(fresh.s);
		kit_run(fresh.s, expect, "!n=old b=1@50-50 d=1@50-50");
		struct scan *one = kit_scan(fresh.s);
		kit_assert_scan(one, "!n=old b=1@50-50 d=1@50-50");
		kit_run(fresh.s, expect, "!m=x !n=new a=1@1-1 b=5@40-60 c=1@1-1");
		struct scan *two = kit_scan(fresh.s);
		assert_int_equal(store_forget(fresh.s, bytes_str("\x01m"), NULL), 0);
		assert_int_equal(store_compact(fresh.s, NULL), 0);
		kit_run(fresh.s, expect == SMALL ? LARGE : SMALL, "b=1@1-1");
		kit_assert_scan(two, "!m=x !n=new a=1@1-1 b=6@40-60 c=1@1-1 d=1@50-50");
		kit_assert_scan(one, "!n=old b=1@50-50 d=1@50-50");
		kit_assert_scan(none, "");
		kit_assert(fresh.s, "!n=new a=1@1-1 b=7@1-60 c=1@1-1 d=1@50-50");
		scan_end(one);
		scan_end(none);
		kit_assert_scan(two, "!m=x !n=new a=1@1-1 b=6@40-60 c=1@1-1 d=1@50-50");
		scan_end(two);
		kit_end(&fresh);
	}
}

static void a_scan_in_the_middle_is_not_moved_by_commits(void **state)
{
	struct kit *k = *state;
	struct bytes key, value;
	struct err e;
	kit_run(k->s, SMALL, "a=1@1-1 c=1@1-1 e=1@1-1");
	struct scan *sc = kit_scan(k->s);
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), 1);
	kit_run(k->s, SMALL, "b=1@1-1 c=1@1-1");
	kit_run(k->s, LARGE, "d=1@1-1 e=1@1-1");
	assert_int_equal(scan_next(sc, &key, &value, &e), 1);
	assert_true(bytes_eq(key, bytes_str("c")));
	assert_int_equal(scan_next(sc, &key, &value, &e), 1);
	assert_true(bytes_eq(key, bytes_str("e")));
	assert_int_equal(scan_next(sc, &key, &value, &e), 0);
	scan_end(sc);
}

/* --- merging --- */

struct operand {
	struct seen seen;
};

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}

static const struct seen operands[] = {
	{.count = 3,
	 .first_s = 100,
	 .last_s = 200,
	 .sensor_id = TEXT("mm"),
	 .bailiwick = TEXT("b.test")},
	{.count = 1, .first_s = 50, .last_s = 50, .sensor_id = TEXT("m")},
	{.zone_first_s = 10, .zone_last_s = 20, .bailiwick = TEXT("a.test")},
	{.count = 7,
	 .first_s = 150,
	 .last_s = 900,
	 .zone_first_s = 15,
	 .zone_last_s = 40,
	 .sensor_id = TEXT("z")},
	{.count = COUNT_MAX - 5, .first_s = 120, .last_s = TIME_MAX},
};
enum { OPERANDS = sizeof(operands) / sizeof(operands[0]) };

/* Adds the operands of a permutation; bit i of cuts ends a run after the i-th. */
static void add_permuted(struct store *s, struct bytes key, const int *order, unsigned cuts,
			 uint64_t expect)
{
	struct buffer value = BUFFER_INIT;
	struct run *r = NULL;
	struct err e;
	for (int i = 0; i < OPERANDS; i++) {
		struct value v = {.seen = operands[order[i]]};
		buffer_clear(&value);
		value_encode(&v, &value);
		if (r)
			assert_int_equal(run_restart(r, &e), 0);
		else
			r = kit_run_begin(s, expect);
		assert_int_equal(run_add(r, key, buffer_bytes(&value), &e), 0);
		if (i == OPERANDS - 1 || cuts >> i & 1) {
			kit_commit(r);
			r = NULL;
		}
	}
	buffer_release(&value);
}

static void values_merge_in_any_order_and_grouping(void **state)
{
	struct kit *k = *state;
	struct kit_random random = {11};
	struct value all = {.seen = {0}};
	struct buffer expected = BUFFER_INIT;
	struct bytes key, value;
	struct err e;
	for (int i = 0; i < OPERANDS; i++) {
		struct value v = {.seen = operands[i]};
		value_merge(&all, &v);
	}
	assert_true(all.seen.count == COUNT_MAX);
	value_encode(&all, &expected);
	for (int i = 0; i < 48; i++) {
		int order[OPERANDS] = {0, 1, 2, 3, 4};
		char name[8];
		for (int n = OPERANDS; n > 1; n--) {
			int with = (int)kit_below(&random, (uint64_t)n), t = order[n - 1];
			order[n - 1] = order[with];
			order[with] = t;
		}
		snprintf(name, sizeof(name), "k%02d", i);
		add_permuted(k->s, bytes_str(name), order, (unsigned)kit_below(&random, 16),
			     i % 2 ? LARGE : SMALL);
	}
	for (int round = 0; round < 2; round++) {
		struct scan *sc = kit_scan(k->s);
		int rows = 0;
		int rc = scan_seek(sc, bytes_str("k"), &key, &value, &e);
		for (; rc == 1; rc = scan_next(sc, &key, &value, &e), rows++)
			assert_true(bytes_eq(value, buffer_bytes(&expected)));
		assert_int_equal(rc, 0);
		assert_int_equal(rows, 48);
		scan_end(sc);
		assert_int_equal(store_compact(k->s, NULL), 0);
	}
	buffer_release(&expected);
}

static void carried_rdata_stays_when_values_merge(void **state)
{
	struct kit *k = *state;
	uint8_t *rdata = xmalloc(RDATA_MAX);
	struct buffer encoded = BUFFER_INIT;
	struct bytes key, value;
	struct value v = {.seen = {.count = 1, .first_s = 5, .last_s = 5}};
	struct err e;
	for (size_t i = 0; i < RDATA_MAX; i++)
		rdata[i] = (uint8_t)(i * 131 >> 3);
	v.rdata = bytes_of(rdata, RDATA_MAX);
	value_encode(&v, &encoded);
	EACH(expect)
	{
		for (int i = 0; i < 3; i++) {
			struct run *r = kit_run_begin(k->s, expect);
			assert_int_equal(run_add(r, bytes_str("long"), buffer_bytes(&encoded), &e),
					 0);
			kit_commit(r);
		}
	}
	struct scan *sc = kit_scan(k->s);
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), 1);
	assert_int_equal(value_decode(value, &v), 0);
	assert_int_equal(v.seen.count, 6);
	assert_true(bytes_eq(v.rdata, bytes_of(rdata, RDATA_MAX)));
	scan_end(sc);
	buffer_release(&encoded);
	free(rdata);
}

static void notes_are_replaced_and_rows_are_merged(void **state)
{
	struct kit *k = *state;
	EACH(expect)
	{
		struct kit fresh;
		kit_begin(&fresh, k->engine);
		kit_run(fresh.s, expect, "!a=1 !b= !c=three a=1@1-1");
		kit_run(fresh.s, expect, "!a= !b=2 a=1@2-2");
		kit_assert(fresh.s, "!a= !b=2 !c=three a=2@1-2");
		kit_run(fresh.s, expect, "!c=3 | !c=4 !d=5 | !c=6 a=1@1-1");
		kit_assert(fresh.s, "!a= !b=2 !c=6 !d=5 a=3@1-2");
		kit_run(fresh.s, expect == SMALL ? LARGE : SMALL, "!c=7 a=1@0-0");
		kit_assert(fresh.s, "!a= !b=2 !c=7 !d=5 a=4@0-2");
		assert_int_equal(store_compact(fresh.s, NULL), 0);
		kit_assert(fresh.s, "!a= !b=2 !c=7 !d=5 a=4@0-2");
		kit_end(&fresh);
	}
}

static void notes_hold_any_octets_of_any_size(void **state)
{
	struct kit *k = *state;
	struct err e;
	struct bytes key, value;
	struct buffer big = BUFFER_INIT;
	for (int i = 0; i < 100000; i++)
		buffer_put_byte(&big, (uint8_t)(i * 7));
	EACH(expect)
	{
		struct run *r = kit_run_begin(k->s, expect);
		assert_int_equal(run_put(r, bytes_of("\x01\x00", 2), buffer_bytes(&big), &e), 0);
		assert_int_equal(
			run_put(r, bytes_of("\x1f\xff", 2), bytes_of("\x00\x01\xff", 3), &e), 0);
		kit_commit(r);
		struct scan *sc = kit_scan(k->s);
		assert_int_equal(scan_seek(sc, bytes_of("\x01", 1), &key, &value, &e), 1);
		assert_true(bytes_eq(key, bytes_of("\x01\x00", 2)));
		assert_true(bytes_eq(value, buffer_bytes(&big)));
		assert_int_equal(scan_next(sc, &key, &value, &e), 1);
		assert_true(bytes_eq(key, bytes_of("\x1f\xff", 2)));
		assert_true(bytes_eq(value, bytes_of("\x00\x01\xff", 3)));
		assert_int_equal(scan_next(sc, &key, &value, &e), 0);
		scan_end(sc);
	}
	buffer_release(&big);
}

static void forget_removes_notes(void **state)
{
	struct kit *k = *state;
	struct err e = {""};
	EACH(expect)
	{
		kit_run(k->s, expect, "!a=1 !b=2 !c=3 row=1@1-1");
		assert_int_equal(store_forget(k->s,
					      bytes_str("\x01"
							"b"),
					      &e),
				 0);
		assert_int_equal(store_forget(k->s,
					      bytes_str("\x01"
							"b"),
					      &e),
				 0); /* is not there: well */
		assert_int_equal(store_forget(k->s, bytes_str("\x01nothing"), &e), 0);
		struct scan *sc = kit_scan(k->s);
		char *notes = kit_rest(sc, bytes_str("\x01"));
		assert_non_null(strstr(notes, "!a=1 !c=3 row="));
		free(notes);
		scan_end(sc);
	}
	kit_run(k->s, SMALL, "!b=again");
	kit_assert(k->s, "!a=1 !b=again !c=3 row=2@1-1");
	/* Rows are history: they are not taken out, from one side least of all. */
	assert_int_equal(store_forget(k->s, bytes_str("row"), &e), ERR_USAGE);
	assert_int_equal(store_forget(k->s, bytes_of(NULL, 0), &e), ERR_USAGE);
	kit_assert(k->s, "!a=1 !b=again !c=3 row=2@1-1");
}

/* --- runs --- */

static void nothing_of_a_run_is_seen_before_its_commit(void **state)
{
	struct kit *k = *state;
	EACH(expect)
	{
		struct kit fresh;
		kit_begin(&fresh, k->engine);
		struct run *r = kit_run_begin(fresh.s, expect);
		kit_write(r, "!n=1 b=1@1-1 c=1@1-1 | a=2@2-2 c=3@3-3 | c=1@9-9 d=1@1-1");
		kit_assert(fresh.s, "");
		kit_commit(r);
		kit_assert(fresh.s, "!n=1 a=2@2-2 b=1@1-1 c=5@1-9 d=1@1-1");
		assert_int_equal(store_compact(fresh.s, NULL), 0);
		kit_assert(fresh.s, "!n=1 a=2@2-2 b=1@1-1 c=5@1-9 d=1@1-1");
		kit_end(&fresh);
	}
}

static void an_aborted_run_leaves_nothing(void **state)
{
	struct kit *k = *state;
	run_abort(NULL);
	kit_run(k->s, SMALL, "!n=1 a=1@1-1");
	EACH(expect)
	{
		run_abort(kit_run_begin(k->s, expect));
		struct run *r = kit_run_begin(k->s, expect);
		kit_write(r, "!n=2 a=1@1-1 b=1@1-1 | !o=1 c=1@1-1 |");
		run_abort(r);
		kit_assert(k->s, "!n=1 a=1@1-1");
		if (kit_is_lasting(k)) {
			kit_reopen(k);
			kit_assert(k->s, "!n=1 a=1@1-1");
		}
	}
}

static void a_run_may_be_empty(void **state)
{
	struct kit *k = *state;
	EACH(expect)
	{
		kit_commit(kit_run_begin(k->s, expect));
		kit_run(k->s, expect, "|");
		kit_run(k->s, expect, "| |");
	}
	kit_assert(k->s, "");
	EACH(expect)
	kit_run(k->s, expect, "| a=1@1-1 | |");
	kit_assert(k->s, "a=2@1-1");
}

static void expect_need_not_be_right(void **state)
{
	struct kit *k = *state;
	static const uint64_t expects[] = {0, 1, 20000, 20001, UINT64_MAX};
	size_t rows;
	for (size_t i = 0; i < 5; i++) {
		struct run *r = kit_run_begin(k->s, expects[i]);
		for (int n = 0; n < 30000; n++) {
			char key[16];
			snprintf(key, sizeof(key), "k%06d", n);
			assert_int_equal(kit_add(r, bytes_str(key), 1, 1, 1), 0);
		}
		kit_commit(r);
		kit_run(k->s, expects[i], "one=1@1-1");
	}
	kit_sum(k->s, &rows);
	assert_int_equal(rows, 30001);
	struct scan *sc = kit_scan(k->s);
	char *end = kit_rest(sc, bytes_str("k029999"));
	assert_string_equal(end, "k029999=5@1-1 one=5@1-1");
	free(end);
	scan_end(sc);
}

/* Over 64 MiB, so that no engine can hold it in one piece; the batches overlap. */
static void a_run_of_many_files_is_one_run(void **state)
{
	struct kit *k = *state;
	uint8_t *rdata = xcalloc(1, 60000);
	struct buffer encoded = BUFFER_INIT;
	struct value v = {.seen = {.count = 1, .first_s = 5, .last_s = 5},
			  .rdata = bytes_of(rdata, 60000)};
	struct err e;
	size_t rows;
	value_encode(&v, &encoded);
	for (int aborted = 1; aborted >= 0; aborted--) {
		struct run *r = kit_run_begin(k->s, LARGE);
		for (int batch = 0; batch < 2; batch++) {
			kit_write(r, batch ? "| !n=2" : "!n=1");
			for (int n = 0; n < 1500; n++) {
				char key[16];
				snprintf(key, sizeof(key), "k%05d", n * 2 + batch);
				assert_int_equal(
					run_add(r, bytes_str(key), buffer_bytes(&encoded), &e), 0);
			}
		}
		kit_assert(k->s, "");
		if (aborted)
			run_abort(r);
		else
			kit_commit(r);
	}
	kit_sum(k->s, &rows);
	assert_int_equal(rows, 3001);
	buffer_release(&encoded);
	free(rdata);
}

enum step { ADD, PUT, RESTART };

static void keys_that_do_not_ascend_are_refused(void **state)
{
	struct kit *k = *state;
	static const struct {
		const char *before; /* is taken */
		enum step step;
		const char *key; /* is not */
	} cases[] = {
		{"a=1@1-1", ADD, "a"},
		{"b=1@1-1", ADD, "a"},
		{"aa=1@1-1", ADD, "a"},
		{"a=1@1-1 b=1@1-1 c=1@1-1", ADD, "bb"},
		{"a=1@1-1 | b=1@1-1", ADD, "b"},
		{"!n=1", PUT, "n"},
		{"!nn=1", PUT, "n"},
		{"!n=1", PUT, "m"},
		{"a=1@1-1", PUT, "n"}, /* notes come first */
		{"!n=1 a=1@1-1", PUT, "o"},
		{"!n=1 a=1@1-1 | b=1@1-1", PUT, "o"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		EACH(expect)
		{
			struct run *r = kit_run_begin(k->s, expect);
			kit_write(r, cases[i].before);
			int rc = cases[i].step == ADD ? kit_add(r, bytes_str(cases[i].key), 1, 1, 1)
						      : kit_put(r, cases[i].key, "x");
			assert_int_equal(rc, ERR_USAGE);
			run_abort(r);
		}
	}
	kit_assert(k->s, "");
}

static void rows_are_not_put_and_notes_are_not_added(void **state)
{
	struct kit *k = *state;
	struct buffer value = BUFFER_INIT;
	kit_value(&value, 1, 1, 1);
	EACH(expect)
	{
		struct err e = {""};
		struct run *r = kit_run_begin(k->s, expect);
		assert_int_equal(run_put(r, bytes_str(" "), buffer_bytes(&value), &e), ERR_USAGE);
		assert_true(e.text[0] != '\0');
		run_abort(r);
		r = kit_run_begin(k->s, expect);
		e.text[0] = '\0';
		assert_int_equal(run_add(r, bytes_str("\x1f"), buffer_bytes(&value), &e),
				 ERR_USAGE);
		assert_true(e.text[0] != '\0');
		run_abort(r);
		r = kit_run_begin(k->s, expect);
		assert_int_equal(run_add(r, bytes_str("\x1f"), buffer_bytes(&value), NULL),
				 ERR_USAGE);
		run_abort(r);
	}
	kit_assert(k->s, "");
	buffer_release(&value);
}

static void runs_may_be_open_at_once(void **state)
{
	struct kit *k = *state;
	struct run *r[4];
	for (int i = 0; i < 4; i++)
		r[i] = kit_run_begin(k->s, i % 2 ? LARGE : SMALL);
	for (int i = 0; i < 4; i++)
		kit_write(r[i], "a=1@1-1 c=1@2-2");
	kit_commit(r[2]);
	kit_write(r[1], "d=1@1-1");
	run_abort(r[0]);
	kit_assert(k->s, "a=1@1-1 c=1@2-2");
	kit_commit(r[3]);
	kit_commit(r[1]);
	kit_assert(k->s, "a=3@1-1 c=3@2-2 d=1@1-1");
}

static void the_generation_changes_with_commits(void **state)
{
	struct kit *k = *state;
	uint64_t last = store_generation(k->s);
	for (int i = 0; i < 6; i++) {
		assert_true(store_generation(k->s) == last); /* nothing happened */
		kit_run(k->s, i % 2 ? LARGE : SMALL, "a=1@1-1");
		uint64_t now = store_generation(k->s);
		assert_true(now != last);
		last = now;
	}
	kit_run(k->s, SMALL, "!n=1");
	assert_true(store_generation(k->s) != last);
	last = store_generation(k->s);
	assert_int_equal(store_forget(k->s, bytes_str("\x01n"), NULL), 0);
	assert_true(store_generation(k->s) != last);
}

/* --- the rest --- */

static void figures(void **state)
{
	struct kit *k = *state;
	struct store_figures f;
	struct err e;
	assert_int_equal(store_figures(k->s, &f, &e), 0);
	assert_int_equal(f.rows, 0);
	for (int round = 0; round < 2; round++) {
		struct run *r = kit_run_begin(k->s, LARGE);
		for (int i = 0; i < 1000; i++) {
			char key[16];
			snprintf(key, sizeof(key), "%04d", i);
			assert_int_equal(kit_put(r, key, "note"), 0);
		}
		for (int i = 0; i < 5000; i++) {
			char key[16];
			snprintf(key, sizeof(key), "%04d", i);
			assert_int_equal(kit_add(r, bytes_str(key), 1, 1, 1), 0);
		}
		kit_commit(r);
	}
	assert_int_equal(store_compact(k->s, &e), 0);
	memset(&f, 0xff, sizeof(f));
	assert_int_equal(store_figures(k->s, &f, &e), 0);
	assert_in_range(f.rows, 4500, 5500); /* an estimate */
	if (kit_is_lasting(k))
		assert_in_range(f.disk_bytes, 1000, 10 << 20);
	else
		assert_int_equal(f.disk_bytes, 0);
	assert_in_range(f.memory_bytes, 1, 1 << 30);
}

static void compacting_keeps_everything(void **state)
{
	struct kit *k = *state;
	struct kit_random random = {3};
	assert_int_equal(store_compact(k->s, NULL), 0);
	for (int i = 0; i < 20; i++) {
		struct run *r = kit_run_begin(k->s, i % 3 ? SMALL : LARGE);
		assert_int_equal(kit_put(r, i % 2 ? "odd" : "even", i % 4 ? "x" : "y"), 0);
		for (uint64_t key = 0; key < 2000; key += 1 + kit_below(&random, 50)) {
			char text[16];
			snprintf(text, sizeof(text), "%05u", (unsigned)key);
			assert_int_equal(kit_add(r, bytes_str(text), 1, 100 - i, 100 + i), 0);
		}
		kit_commit(r);
	}
	size_t before_n, after_n;
	uint64_t before = kit_sum(k->s, &before_n);
	struct scan *sc = kit_scan(k->s);
	char *held = kit_rest(sc, bytes_str("\x01"));
	assert_int_equal(store_compact(k->s, NULL), 0);
	assert_true(kit_sum(k->s, &after_n) == before);
	assert_int_equal(after_n, before_n);
	kit_assert_scan(sc, held);
	free(held);
	scan_end(sc);
	assert_int_equal(store_compact(k->s, NULL), 0);
	assert_true(kit_sum(k->s, NULL) == before);
	assert_int_equal(store_verify(k->s, NULL), 0);
}

static void a_healthy_store_verifies(void **state)
{
	struct kit *k = *state;
	assert_int_equal(store_verify(k->s, NULL), 0);
	kit_run(k->s, SMALL, "!n=1 a=1@1-1");
	assert_int_equal(store_verify(k->s, NULL), 0);
	kit_run(k->s, LARGE, "a=1@1-1 b=1@1-1");
	assert_int_equal(store_verify(k->s, NULL), 0);
}

/* --- threads --- */

/* cmocka's assertions are for its own thread. */
#define REQUIRE(what)                                                                              \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

enum { WRITERS = 3, RUNS = 40 };

struct crowd {
	struct store *s;
	atomic_int left; /* writers at work */
	atomic_int number;
};

/* Each run adds the same count to two keys that all share, far apart, and to one of its own. */
static void *write_runs(void *arg)
{
	struct crowd *c = arg;
	int me = atomic_fetch_add(&c->number, 1);
	struct kit_random random = {(uint64_t)me + 1};
	for (int i = 0; i < RUNS; i++) {
		char rows[128];
		bool large = kit_below(&random, 3) == 0;
		snprintf(rows, sizeof(rows), "!%d=%d  1=1@%d-%d k%d=1@1-1 z=1@%d-%d", me, i,
			 1000 - i, 1000 + i, me, 1000 - i, 1000 + i);
		struct run *r = kit_run_begin(c->s, large ? LARGE : SMALL);
		kit_write(r, rows);
		if (kit_below(&random, 4) == 0) {
			run_abort(r);
			i--;
			continue;
		}
		kit_commit(r);
	}
	atomic_fetch_sub(&c->left, 1);
	return NULL;
}

/* A writer's note says which run was its last; its row counts them. */
static void compare_note(struct scan *sc, int writer)
{
	struct bytes key, value;
	struct value v;
	struct err e;
	char text[16], note[16] = "";
	int n = snprintf(text, sizeof(text), "\x01%d", writer);
	int rc = scan_seek(sc, bytes_of(text, (size_t)n), &key, &value, &e);
	bool noted = rc == 1 && bytes_eq(key, bytes_of(text, (size_t)n));
	if (noted)
		memcpy(note, value.p, value.n);
	snprintf(text, sizeof(text), "k%d", writer);
	rc = scan_seek(sc, bytes_str(text), &key, &value, &e);
	bool counted = rc == 1 && bytes_eq(key, bytes_str(text));
	REQUIRE(rc >= 0 && (noted || !counted));
	uint64_t runs = noted ? (uint64_t)atoi(note) + 1 : 0, rows = 0;
	if (counted) {
		REQUIRE(value_decode(value, &v) == 0);
		rows = v.seen.count;
	}
	REQUIRE(rows == runs || rows + 1 == runs); /* a note may be seen a moment before the rows of its run */
}

/* Whenever one looks, the shared keys agree, and their count never falls. */
static void *read_along(void *arg)
{
	struct crowd *c = arg;
	struct bytes key, value;
	struct value first, last;
	uint64_t seen = 0;
	struct err e;
	bool more = true;
	while (more) {
		more = atomic_load(&c->left) > 0;
		uint64_t generation = store_generation(c->s);
		struct scan *sc = kit_scan(c->s);
		int a = scan_seek(sc, bytes_str("1"), &key, &value, &e);
		struct seen one =
			a == 1 && value_decode(value, &first) == 0 ? first.seen : (struct seen){0};
		int z = scan_seek(sc, bytes_str("z"), &key, &value, &e);
		struct seen other =
			z == 1 && value_decode(value, &last) == 0 ? last.seen : (struct seen){0};
		for (int writer = 0; writer < WRITERS; writer++)
			compare_note(sc, writer);
		scan_end(sc);
		REQUIRE(a == z && a >= 0);
		REQUIRE(one.count == other.count && one.first_s == other.first_s &&
			one.last_s == other.last_s);
		REQUIRE(one.count >= seen);
		seen = one.count;
		REQUIRE(store_generation(c->s) >= generation);
		struct store_figures f;
		REQUIRE(store_figures(c->s, &f, &e) == 0);
	}
	return NULL;
}

static void *compact_along(void *arg)
{
	struct crowd *c = arg;
	while (atomic_load(&c->left) > 0) {
		REQUIRE(store_compact(c->s, NULL) == 0);
		REQUIRE(store_verify(c->s, NULL) == 0);
	}
	return NULL;
}

static void threads_write_and_read_at_once(void **state)
{
	struct kit *k = *state;
	struct crowd c = {.s = k->s, .left = WRITERS};
	pthread_t threads[WRITERS + 2];
	for (int i = 0; i < WRITERS + 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						i < WRITERS    ? write_runs
						: i == WRITERS ? read_along
							       : compact_along,
						&c),
				 0);
	for (int i = 0; i < WRITERS + 2; i++)
		pthread_join(threads[i], NULL);
	kit_assert(k->s,
		   "!0=39 !1=39 !2=39 1=120@961-1039 k0=40@1-1 k1=40@1-1 k2=40@1-1 z=120@961-1039");
}

int main(int argc, char **argv)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_store_gives_no_rows),
		TEST(keys_are_ordered_as_by_memcmp),
		TEST(keys_of_many_runs_are_ordered_too),
		TEST(seek_and_next),
		TEST(bounds),
		TEST(a_bound_is_looked_at_by_next_as_well),
		TEST(a_scan_sees_the_store_as_it_began),
		TEST(a_scan_in_the_middle_is_not_moved_by_commits),
		TEST(values_merge_in_any_order_and_grouping),
		TEST(carried_rdata_stays_when_values_merge),
		TEST(notes_are_replaced_and_rows_are_merged),
		TEST(notes_hold_any_octets_of_any_size),
		TEST(forget_removes_notes),
		TEST(nothing_of_a_run_is_seen_before_its_commit),
		TEST(an_aborted_run_leaves_nothing),
		TEST(a_run_may_be_empty),
		TEST(expect_need_not_be_right),
		TEST(a_run_of_many_files_is_one_run),
		TEST(keys_that_do_not_ascend_are_refused),
		TEST(rows_are_not_put_and_notes_are_not_added),
		TEST(runs_may_be_open_at_once),
		TEST(the_generation_changes_with_commits),
		TEST(figures),
		TEST(compacting_keeps_everything),
		TEST(a_healthy_store_verifies),
		TEST(threads_write_and_read_at_once),
	};
	if (argc != 2) {
		fprintf(stderr, "usage: %s memory|rocksdb\n", argv[0]);
		return 2;
	}
	engine = argv[1];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
