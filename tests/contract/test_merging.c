/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the keeper does while a large merge is under way: smaller work goes before. */
#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "store_kit.h"

enum { ROWS = 300000, SMALL_RUNS = 4 };

static int begin(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, "rocksdb");
	*state = k;
	return 0;
}

static int end(void **state)
{
	kit_end(*state);
	free(*state);
	return 0;
}

static int tables(const struct kit *k)
{
	char path[400];
	int n = 0;
	snprintf(path, sizeof(path), "%s/store/tables", k->dir);
	DIR *d = opendir(path);
	for (struct dirent *entry; d && (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void moment(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void write_rows(struct store *s, uint64_t expect, int from, int n)
{
	struct run *r = kit_run_begin(s, expect);
	for (int i = from; i < from + n; i++) {
		char key[24];
		snprintf(key, sizeof(key), "k%09d", i);
		assert_int_equal(
			kit_add(r, bytes_str(key), 1, (uint64_t)i * 7919, (uint64_t)i * 7919), 0);
	}
	kit_commit(r);
}

struct compaction {
	struct store *store;
	atomic_bool done;
	int rc;
};

static void *compact(void *arg)
{
	struct compaction *c = arg;
	c->rc = store_compact(c->store, NULL);
	atomic_store(&c->done, true);
	return NULL;
}

/* Compacts two large tables. True when small ones that came meanwhile were merged before it ended.
 */
static bool small_tables_go_first(struct kit *k, int rows)
{
	struct compaction c = {.store = k->s};
	pthread_t thread;
	bool merged = false;
	for (int i = 0; i < 2; i++)
		write_rows(k->s, LARGE, i * rows, rows);
	assert_int_equal(pthread_create(&thread, NULL, compact, &c), 0);
	while (tables(k) < 3 && !atomic_load(&c.done)) /* until it writes */
		moment();
	for (int i = 0; i < SMALL_RUNS; i++)
		write_rows(k->s, LARGE, i, 1);
	while (!merged && !atomic_load(&c.done)) {
		merged = tables(k) == 4; /* two old ones, the one that is being made, and one of all
					    the small ones */
		moment();
	}
	pthread_join(thread, NULL);
	assert_int_equal(c.rc, 0);
	return merged;
}

static void small_merges_go_before_a_large_one(void **state)
{
	struct kit *k = *state;
	int rows = ROWS;
	/* A machine that is busy elsewhere may be too late: then with more. */
	while (!small_tables_go_first(k, rows) && rows < 8 * ROWS) {
		rows *= 2;
		kit_end(k);
		kit_begin(k, "rocksdb");
	}
	assert_true(rows < 8 * ROWS);
	for (int round = 0; round < 2; round++) {
		struct scan *sc = kit_scan(k->s);
		struct bytes key, value;
		struct value v;
		int n = 0, rc = scan_seek(sc, bytes_str("k"), &key, &value, NULL);
		for (; rc == 1; rc = scan_next(sc, &key, &value, NULL), n++) {
			assert_int_equal(value_decode(value, &v), 0);
			assert_int_equal(v.seen.count, n < SMALL_RUNS ? 2 : 1);
		}
		assert_int_equal(rc, 0);
		assert_int_equal(n, 2 * rows);
		scan_end(sc);
		assert_int_equal(store_compact(k->s, NULL), 0);
		assert_int_equal(tables(k), 1);
	}
}

/* Small runs do not wait for a compaction to become a table: far more come than may wait. */
static void fresh_rows_go_before_a_large_merge(void **state)
{
	struct kit *k = *state;
	enum { RUN = 20000, RUNS = 120 };
	struct compaction c = {.store = k->s};
	pthread_t thread;
	for (int i = 0; i < 2; i++)
		write_rows(k->s, LARGE, i * ROWS, ROWS);
	assert_int_equal(pthread_create(&thread, NULL, compact, &c), 0);
	for (int i = 0; i < RUNS; i++)
		write_rows(k->s, RUN, 2 * ROWS + i * RUN, RUN);
	pthread_join(thread, NULL);
	assert_int_equal(c.rc, 0);
	struct store_figures f;
	assert_int_equal(store_figures(k->s, &f, NULL), 0);
	assert_int_equal(f.rows, 2 * ROWS + RUNS * RUN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(small_merges_go_before_a_large_one),
		TEST(fresh_rows_go_before_a_large_merge),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
