/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folding: what goes in one by one comes out as the same rows. */
#include "../records_kit.h"

#include "feed/fold.h"
#include "feed/folder.h"
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

/* Data of every shape: short, cut in its key, with names and without, in zones only, from sensors. */
static void each_shape(unsigned n, void (*take)(void *ctx, const struct observation *o), void *ctx)
{
	uint8_t name[DNAME_MAX], data[600];
	uint64_t random = 11;
	char text[40];
	for (unsigned i = 0; i < n; i++) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		unsigned h = (unsigned)(random >> 33);
		snprintf(text, sizeof(text), "h%u.some.example", h % (n / 2));
		struct observation o = {.owner = bytes_of(name, (size_t)dname_from_text(bytes_str(text), name)),
		                        .seen = {1000 + h % 50, 1100 + h % 70, 1 + h % 3, 0, 0, {NULL, 0}, {NULL, 0}}};
		memset(data, (int)(h % 7), sizeof(data));
		switch (h % 17) {
		case 0: /* TXT, longer than a key holds */
			o.rrtype = 16;
			for (unsigned at = 0; at < 500; at += 100)
				data[at] = 99;
			o.rdata = bytes_of(data, 500);
			break;
		case 1: /* CNAME */
			o.rrtype = 5;
			o.rdata = o.owner;
			break;
		case 2: /* MX */
			o.rrtype = 15;
			data[0] = 0, data[1] = 10;
			memcpy(data + 2, o.owner.p, o.owner.n);
			o.rdata = bytes_of(data, 2 + o.owner.n);
			break;
		case 3: /* in a zone only */
			o.seen = (struct seen){.zone_first_s = 5 + h % 9, .zone_last_s = 20 + h % 9};
			/* fall through */
		default:
			o.rrtype = 1;
			o.rdata = bytes_of(data, 4);
		}
		if (h % 23 == 0)
			o.seen.sensor_id = bytes_str(h & 1 ? "one" : "another");
		if (h % 29 == 0)
			o.seen.bailiwick = bytes_str("example");
		take(ctx, &o);
	}
}

static void take_here(void *ctx, const struct observation *o)
{
	fold_add(ctx, o);
}

static void take_beside(void *ctx, const struct observation *o)
{
	folder_add(ctx, o);
}

struct small_folds {
	struct fold *fold;
	struct store *store;
	unsigned n;
};

static void take_small(void *ctx, const struct observation *o)
{
	struct small_folds *small = ctx;
	fold_add(small->fold, o);
	if (++small->n % 777)
		return;
	write_out(small->fold, small->store);
	fold_clear(small->fold);
}

/* Folded here or on a thread of its own, sorted here or beside, in one fold or many: the rows are the same. */
static void test_threads_change_nothing(void **state)
{
	enum { N = 22000 };
	struct store *stores[3];
	char *dumps[3];
	for (int i = 0; i < 3; i++)
		stores[i] = kit_store(NULL);

	struct fold *f = fold_new(64 << 20);
	each_shape(N, take_here, f);
	assert_true(fold_records(f) > 16384); /* enough to be sorted beside */
	write_out(f, stores[0]);
	fold_clear(f);

	struct folder *folder = folder_new(f);
	assert_non_null(folder);
	each_shape(N, take_beside, folder);
	folder_drain(folder);
	assert_false(folder_is_full(folder));
	write_out(f, stores[1]);
	write_out(f, stores[1]); /* it keeps what it holds: all counts twice */
	fold_clear(f);
	folder_use(folder, f);
	folder_drain(folder); /* nothing */
	assert_true(fold_is_empty(f));
	folder_free(folder);

	struct small_folds small = {f, stores[2], 0};
	each_shape(N, take_small, &small);
	each_shape(N, take_small, &small);
	write_out(f, stores[2]);
	fold_free(f);

	for (int i = 0; i < 3; i++) {
		dumps[i] = kit_dump(stores[i]);
		store_close(stores[i]);
	}
	assert_string_equal(dumps[1], dumps[2]);
	assert_string_not_equal(dumps[0], dumps[1]);
	for (int i = 0; i < 3; i++)
		free(dumps[i]);
}

static void test_folder_tells_that_it_is_full(void **state)
{
	struct fold *f = fold_new(1 << 20);
	struct folder *folder = folder_new(f);
	unsigned rounds = 0;
	while (!folder_is_full(folder)) {
		each_shape(1000 + rounds, take_beside, folder);
		folder_drain(folder);
		assert_true(++rounds < 100);
	}
	assert_true(fold_is_full(f));
	fold_clear(f);
	folder_use(folder, f);
	assert_false(folder_is_full(folder));
	each_shape(100, take_beside, folder); /* never drained: it is lost, and no more */
	folder_free(folder);
	fold_free(f);
	folder_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_spread_gives_the_same_rows),
		cmocka_unit_test(test_repeats_cost_nothing),
		cmocka_unit_test(test_a_fold_is_full_by_its_memory),
		cmocka_unit_test(test_strings_outlive_the_observation),
		cmocka_unit_test(test_threads_change_nothing),
		cmocka_unit_test(test_folder_tells_that_it_is_full),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
