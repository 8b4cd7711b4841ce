/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets of tables: who reads keeps what it began with, files go when nobody needs them, and what to
 * merge is chosen well. */
#include "store/tables.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../contract/store_kit.h"

static int begin(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, NULL);
	*state = k;
	return 0;
}

static int end(void **state)
{
	kit_end(*state);
	free(*state);
	return 0;
}

static struct table *make_table(struct tables *t, int rows)
{
	uint64_t number = tables_number(t);
	char *path = tables_path(t, number);
	struct table_writer *w;
	struct table *table = NULL;
	assert_int_equal(table_writer_open(path, 1, bytes_of(NULL, 0), &w, NULL), 0);
	for (int i = 0; i < rows; i++) {
		char key[16];
		snprintf(key, sizeof(key), "k%08d", i);
		assert_int_equal(table_writer_add(w, bytes_str(key), bytes_of(NULL, 0), NULL), 0);
	}
	assert_int_equal(table_writer_finish(w, NULL), 0);
	table_writer_free(w);
	assert_int_equal(tables_open(t, number, &table, NULL), 0);
	assert_int_equal(table_number(table), number);
	free(path);
	return table;
}

static int files(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;
	for (struct dirent *entry; (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static void a_set_stays_as_it_was(void **state)
{
	struct kit *k = *state;
	struct tables *t = tables_new(k->dir, 1 << 20);
	struct table_set *none = tables_hold(t);
	struct table *two[2] = {make_table(t, 1), make_table(t, 2)}, *merged;
	tables_change(t, two, 2, NULL, 0);
	struct table_set *both = tables_hold(t), *again = tables_hold(t);
	merged = make_table(t, 3);
	const uint64_t gone[2] = {table_number(two[0]), table_number(two[1])};
	tables_change(t, &merged, 1, gone, 2);
	assert_int_equal(tables_count(t), 1);
	assert_int_equal(none->n, 0);
	assert_int_equal(both->n, 2);
	assert_int_equal(table_rows(live_table(both->live[0])), 1);
	assert_int_equal(table_rows(live_table(both->live[1])), 2);
	assert_int_equal(files(k->dir), 3); /* is read still */
	assert_int_equal(table_verify(live_table(both->live[1]), NULL), 0);
	tables_release(t, both);
	assert_int_equal(files(k->dir), 3);
	tables_release(t, again);
	assert_int_equal(files(k->dir), 1);
	tables_release(t, none);
	tables_free(t);
	assert_int_equal(files(k->dir), 1); /* what is alive stays */
	tables_free(NULL);
}

static void numbers_are_not_used_again(void **state)
{
	struct kit *k = *state;
	struct tables *t = tables_new(k->dir, 1 << 20);
	uint64_t first = tables_number(t), second = tables_number(t);
	assert_true(second > first && first > 0);
	struct table *table = make_table(t, 1);
	assert_true(table_number(table) > second);
	uint64_t number = table_number(table);
	table_close(table);
	tables_free(t);
	t = tables_new(k->dir, 1 << 20);
	assert_int_equal(tables_open(t, number, &table, NULL),
			 0); /* as it is found when a store is opened */
	tables_change(t, &table, 1, NULL, 0);
	assert_true(tables_number(t) > number);
	assert_int_equal(tables_open(t, number + 1000, &table, NULL), ERR_NOTFOUND);
	tables_free(t);
}

static void touch(const char *dir, const char *name)
{
	char path[400];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
}

static void what_is_not_alive_is_swept(void **state)
{
	struct kit *k = *state;
	struct tables *t = tables_new(k->dir, 1 << 20);
	struct table *table = make_table(t, 1);
	tables_change(t, &table, 1, NULL, 0);
	static const char *const others[] = {"00000099.table", "rubbish", "00000002.table.old"};
	for (int i = 0; i < 3; i++)
		touch(k->dir, others[i]);
	assert_int_equal(files(k->dir), 4);
	tables_sweep(t);
	assert_int_equal(files(k->dir), 1);
	assert_int_equal(table_verify(table, NULL), 0);
	tables_free(t);
}

/* Tables of so many thousand rows; which of them are chosen, as a bit each. */
static unsigned chosen_of(struct kit *k, const int *thousands, int n)
{
	struct tables *t = tables_new(k->dir, 1 << 20);
	size_t index[64];
	unsigned chosen = 0, class;
	for (int i = 0; i < n; i++) {
		struct table *table = make_table(t, thousands[i] * 1000);
		tables_change(t, &table, 1, NULL, 0);
	}
	struct table_set *set = tables_hold(t);
	size_t m = tables_choose(set, NULL, 0, TABLES_CLASSES, index, &class);
	for (size_t i = 0; i < m; i++) {
		assert_true(index[i] < (size_t)n);
		chosen |= 1u << index[i];
	}
	assert_int_equal(__builtin_popcount(chosen), m);
	assert_true(m != 1);
	tables_release(t, set);
	tables_free(t);
	return chosen;
}

static void what_to_merge_is_chosen_by_size(void **state)
{
	struct kit *k = *state;
	static const struct {
		int n, thousands[12];
		unsigned chosen;
	} cases[] = {
		{0, {0}, 0},
		{1, {1}, 0},
		{3, {1, 1, 1}, 0},
		{4, {1, 1, 1, 1}, 0xf},
		{4, {1, 2, 3, 100}, 0xf}, /* all of them small */
		{4, {600, 1, 1, 1}, 0},
		{5, {600, 1, 1, 1, 1}, 0x1e}, /* the large one is left alone */
		{6, {600, 1, 600, 1, 1, 1}, 0x3a},
		{4, {200, 200, 200, 200}, 0xf},
		{5, {200, 200, 1, 200, 200}, 0x1f}, /* a small one goes along */
		{3, {600, 150, 1}, 0},
		{8, {600, 600, 600, 200, 200, 200, 1, 1}, 0}, /* none of a size is enough */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned chosen = chosen_of(k, cases[i].thousands, cases[i].n);
		if (chosen != cases[i].chosen)
			fail_msg("case %zu: %x", i, chosen);
		kit_remove(k->dir);
		assert_int_equal(mkdir(k->dir, 0700), 0);
	}
}

/* What is being merged stays out of it, and what goes before a merge is smaller than that. */
static void what_goes_before_a_merge_is_smaller(void **state)
{
	struct kit *k = *state;
	struct tables *t = tables_new(k->dir, 1 << 20);
	uint64_t busy[4];
	size_t index[64];
	unsigned class = 99;
	for (int i = 0; i < 12; i++) { /* four of class 1, then eight of class 0 */
		struct table *table = make_table(t, i < 4 ? 200000 : 1000);
		tables_change(t, &table, 1, NULL, 0);
		if (i < 4)
			busy[i] = table_number(table);
	}
	struct table_set *set = tables_hold(t);
	assert_int_equal(tables_choose(set, NULL, 0, TABLES_CLASSES, index, &class), 8);
	assert_int_equal(class, 0);
	assert_int_equal(tables_choose(set, busy, 4, 1, index, &class), 8);
	for (size_t i = 0; i < 8; i++)
		assert_true(index[i] >= 4);
	assert_int_equal(tables_choose(set, busy, 4, 0, index, &class), 0); /* nothing is smaller */
	/* Of those that are left when the small ones are busy, too, there are too few. */
	struct table_set *some = tables_hold_some(t, set, index, 8);
	assert_int_equal(some->n, 8);
	uint64_t gone[12];
	for (size_t i = 0; i < 12; i++)
		gone[i] = table_number(live_table(set->live[i]));
	assert_int_equal(tables_choose(set, gone + 1, 11, TABLES_CLASSES, index, &class), 0);
	tables_release(t, set);
	tables_change(t, NULL, 0, gone, 12);
	assert_int_equal(files(k->dir), 8); /* those that somebody holds */
	assert_int_equal(table_verify(live_table(some->live[7]), NULL), 0);
	tables_release(t, some);
	assert_int_equal(files(k->dir), 0);
	tables_free(t);
}

/* However many come, they stay few, and no row is written too often. */
static void merging_comes_to_rest(void **state)
{
	(void)state;
	/* By the numbers alone: tables of one unit each, merged as they are chosen. */
	struct kit *k = *state;
	struct tables *t = tables_new(k->dir, 1 << 20);
	size_t most = 0, written = 0;
	for (int i = 0; i < 100; i++) {
		struct table *table = make_table(t, 500);
		tables_change(t, &table, 1, NULL, 0);
		for (;;) {
			struct table_set *set = tables_hold(t);
			unsigned class;
			size_t index[64], n = tables_choose(set, NULL, 0, TABLES_CLASSES, index, &class);
			uint64_t gone[64];
			int rows = 0;
			for (size_t m = 0; m < n; m++) {
				rows += (int)table_rows(live_table(set->live[index[m]]));
				gone[m] = table_number(live_table(set->live[index[m]]));
			}
			tables_release(t, set);
			if (!n)
				break;
			struct table *merged = make_table(t, rows);
			tables_change(t, &merged, 1, gone, n);
			written += (size_t)rows;
		}
		if (tables_count(t) > most)
			most = tables_count(t);
	}
	assert_true(most < 8);
	assert_true(written < 100 * 500 * 40);
	tables_free(t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_set_stays_as_it_was),      TEST(numbers_are_not_used_again),
		TEST(what_is_not_alive_is_swept), TEST(what_to_merge_is_chosen_by_size),
		TEST(what_goes_before_a_merge_is_smaller), TEST(merging_comes_to_rest),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
