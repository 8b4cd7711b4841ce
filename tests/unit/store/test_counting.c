/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Counting against sets of keys kept by hand: tables that overlap, come, go and are merged, fresh rows, and views that are
 * older than what is remembered. */
#include "store/counting.h"

#include <stdlib.h>
#include <string.h>

#include "../../contract/store_kit.h"
#include "store/tables.h"

enum { KEYS = 4000, TABLES = 12, VIEWS = 6 };

/* Keys are numbers; those of a set are true. */
struct set {
	bool has[KEYS];
};

static const char *const prefixes[] = {"k", "k0", "k1", "k00", "k39", "k2\xff", "z"};
enum { PREFIXES = sizeof(prefixes) / sizeof(prefixes[0]) };

static struct bytes key_of(int i)
{
	static char text[16];
	/* Some right behind a prefix that ends with the greatest octet. */
	int n = i % 1000 == 999 ? snprintf(text, sizeof(text), "k%d\xff%c", i / 1000, 0)
	                        : snprintf(text, sizeof(text), "k%04d", i);
	return bytes_of(text, (size_t)n);
}

static int by_key(const void *a, const void *b)
{
	char text[16];
	struct bytes x = key_of(*(const int *)a);
	memcpy(text, x.p, x.n);
	return bytes_cmp(bytes_of(text, x.n), key_of(*(const int *)b));
}

static int order[KEYS]; /* of keys, as bytes are ordered */

static void set_some(struct kit_random *r, struct set *s)
{
	uint64_t share = 1 + kit_below(r, 6);
	for (int i = 0; i < KEYS; i++)
		s->has[i] = kit_below(r, share) == 0;
}

static void set_join(struct set *s, const struct set *more)
{
	for (int i = 0; i < KEYS; i++)
		s->has[i] |= more->has[i];
}

static uint64_t set_count(const struct set *s, const char *prefix)
{
	uint64_t n = 0;
	for (int i = 0; i < KEYS; i++)
		n += s->has[i] && bytes_has_prefix(key_of(i), bytes_str(prefix));
	return n;
}

/* --- a store of tables and fresh rows --- */

struct view {
	struct counting_view v;
	struct table_set *set;
	struct fresh *fresh;
	struct set keys;
	bool taken;
};

struct world {
	struct kit k;
	struct counting *counting;
	struct tables *tables;
	struct set of[1000]; /* of each table, by its number */
	uint64_t alive[TABLES];
	size_t n_alive;
	struct fresh *fresh;
	struct set fresh_keys;
	uint64_t begun, generation;
	struct view views[VIEWS];
};

static struct world w;

static int begin(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	kit_begin(&w.k, NULL);
	w.counting = counting_new();
	w.tables = tables_new(w.k.dir, 1 << 22);
	w.fresh = fresh_new();
	for (int i = 0; i < KEYS; i++)
		order[i] = i;
	qsort(order, KEYS, sizeof(order[0]), by_key);
	return 0;
}

static void view_drop(struct view *v)
{
	if (!v->taken)
		return;
	tables_release(w.tables, v->set);
	fresh_release(v->fresh);
	v->taken = false;
}

static int end(void **state)
{
	(void)state;
	for (int i = 0; i < VIEWS; i++)
		view_drop(&w.views[i]);
	fresh_release(w.fresh);
	tables_free(w.tables);
	counting_free(w.counting);
	counting_free(NULL);
	kit_end(&w.k);
	return 0;
}

/* As disk_scan_begin. */
static void view_take(struct view *v)
{
	view_drop(v);
	v->set = tables_hold(w.tables);
	v->fresh = fresh_hold(w.fresh);
	v->v = (struct counting_view){.set = v->set, .fresh = v->fresh, .generation = w.generation,
	                              .settled = w.begun == w.generation};
	v->keys = w.fresh_keys;
	for (size_t i = 0; i < w.n_alive; i++)
		set_join(&v->keys, &w.of[w.alive[i]]);
	v->taken = true;
}

static struct table *make_table(const struct set *s)
{
	struct table_writer *writer;
	struct table *t = NULL;
	struct buffer value = BUFFER_INIT;
	uint64_t number = tables_number(w.tables);
	char *path = tables_path(w.tables, number);
	assert_in_range(number, 1, sizeof(w.of) / sizeof(w.of[0]) - 1);
	kit_value(&value, 1, 5, 6);
	assert_int_equal(table_writer_open(path, 1, bytes_of(NULL, 0), &writer, NULL), 0);
	for (int i = 0; i < KEYS; i++) {
		if (s->has[order[i]])
			assert_int_equal(table_writer_add(writer, key_of(order[i]), buffer_bytes(&value), NULL), 0);
	}
	assert_int_equal(table_writer_finish(writer, NULL), 0);
	table_writer_free(writer);
	assert_int_equal(tables_open(w.tables, number, &t, NULL), 0);
	w.of[number] = *s;
	buffer_release(&value);
	free(path);
	return t;
}

/* A table comes alive in the place of some others, chosen by bits. */
static void table_comes(const struct set *s, unsigned gone_bits)
{
	uint64_t gone[TABLES];
	size_t n_gone = 0, kept = 0;
	struct table *t = make_table(s);
	for (size_t i = 0; i < w.n_alive; i++) {
		if (gone_bits & 1u << i)
			gone[n_gone++] = w.alive[i];
		else
			w.alive[kept++] = w.alive[i];
	}
	if (n_gone)
		counting_replaced(w.counting, gone, n_gone, table_number(t));
	tables_change(w.tables, &t, 1, gone, n_gone);
	w.alive[kept++] = table_number(t);
	w.n_alive = kept;
}

static void tables_merge(unsigned bits)
{
	struct set all = {0};
	for (size_t i = 0; i < w.n_alive; i++) {
		if (bits & 1u << i)
			set_join(&all, &w.of[w.alive[i]]);
	}
	table_comes(&all, bits);
}

/* The keys of a set as rows. */
struct set_source {
	struct source source; /* first */
	const struct set *set;
	int at;
	struct buffer value;
};

static int set_next(struct source *source, struct err *e)
{
	struct set_source *s = (struct set_source *)source;
	(void)e;
	while (s->at < KEYS && !s->set->has[order[s->at]])
		s->at++;
	if (s->at == KEYS)
		return 0;
	s->source.key = key_of(order[s->at++]);
	s->source.value = buffer_bytes(&s->value);
	return 1;
}

static int set_seek(struct source *source, struct bytes at, struct err *e)
{
	assert_int_equal(at.n, 0);
	return set_next(source, e);
}

static void fresh_comes(const struct set *s, uint32_t area)
{
	struct set_source source = {.source = {.seek = set_seek, .next = set_next}, .set = s};
	struct fresh *with = NULL;
	kit_value(&source.value, 1, 5, 6);
	assert_int_equal(fresh_with(w.fresh, area, &source.source, &with, NULL), 0);
	fresh_release(w.fresh);
	w.fresh = with;
	set_join(&w.fresh_keys, s);
	buffer_release(&source.value);
}

static void fresh_goes(void)
{
	fresh_release(w.fresh);
	w.fresh = fresh_new();
	w.fresh_keys = (struct set){0};
}

static void assert_counts(const struct view *v, const char *prefix)
{
	uint64_t n = 12345, wanted = set_count(&v->keys, prefix);
	assert_int_equal(counting_count(w.counting, &v->v, bytes_str(prefix), 0, &n, NULL), 0);
	if (n != wanted)
		fail_msg("%s: counted %llu of %llu", prefix, (unsigned long long)n, (unsigned long long)wanted);
}

static void assert_all_counts(const struct view *v)
{
	for (int i = 0; i < PREFIXES; i++)
		assert_counts(v, prefixes[i]);
}

/* --- */

static void nothing_is_counted_as_nothing(void **state)
{
	const struct set none = {0};
	(void)state;
	view_take(&w.views[0]);
	assert_all_counts(&w.views[0]);
	table_comes(&none, 0);
	view_take(&w.views[0]);
	assert_all_counts(&w.views[0]);
}

static void tables_that_overlap_are_counted_once(void **state)
{
	struct kit_random r = {1};
	(void)state;
	for (int i = 0; i < TABLES; i++) {
		struct set s;
		set_some(&r, &s);
		table_comes(&s, 0);
		view_take(&w.views[0]);
		for (int twice = 0; twice < 2; twice++)
			assert_all_counts(&w.views[0]);
	}
}

static void what_is_replaced_is_not_counted_anew(void **state)
{
	struct kit_random r = {2};
	struct set s;
	(void)state;
	for (int i = 0; i < 4; i++) {
		set_some(&r, &s);
		table_comes(&s, 0);
	}
	view_take(&w.views[0]);
	assert_counts(&w.views[0], "k");
	tables_merge(0xb); /* all of them were counted */
	view_take(&w.views[1]);
	uint64_t n = 0, wanted = set_count(&w.views[1].keys, "k");
	assert_int_equal(counting_count(w.counting, &w.views[1].v, bytes_str("k"), 1, &n, NULL), 0);
	assert_int_equal(n, wanted);
	assert_counts(&w.views[0], "k"); /* of before */
	assert_counts(&w.views[1], "k");
	view_drop(&w.views[0]);
	/* With one that was not, what is known is of no use: the budget does not suffice. */
	memset(&s, 0, sizeof(s));
	s.has[7] = s.has[8] = true;
	table_comes(&s, 0);
	tables_merge(0x6);
	view_take(&w.views[1]);
	assert_int_equal(counting_count(w.counting, &w.views[1].v, bytes_str("k"), 1, &n, NULL), 1);
	assert_int_equal(n, wanted); /* untouched */
	assert_counts(&w.views[1], "k");
}

static void a_budget_is_of_rows_looked_at(void **state)
{
	struct set large = {0}, small = {0}, fresh = {0};
	uint64_t n = 77;
	(void)state;
	for (int i = 0; i < 2000; i++)
		large.has[i] = true;
	for (int i = 1990; i < 2010; i++)
		small.has[i] = true;
	for (int i = 2005; i < 2015; i++)
		fresh.has[i] = true;
	table_comes(&small, 0);
	table_comes(&large, 0);
	view_take(&w.views[0]); /* the large one is counted by its index, the 20 of the small one are looked at */
	assert_int_equal(counting_count(w.counting, &w.views[0].v, bytes_str("k"), 19, &n, NULL), 1);
	assert_int_equal(n, 77);
	fresh_comes(&fresh, 0);
	view_take(&w.views[0]);
	assert_int_equal(counting_count(w.counting, &w.views[0].v, bytes_str("k"), 29, &n, NULL), 1);
	assert_int_equal(n, 77);
	assert_int_equal(counting_count(w.counting, &w.views[0].v, bytes_str("k"), 30, &n, NULL), 0);
	assert_int_equal(n, 2015);
}

/* Its commit is on its way: what it shows must not be taken for what others with the same number see. */
static void rows_that_are_just_coming_are_not_remembered(void **state)
{
	struct kit_random r = {3};
	struct set s, one = {0};
	(void)state;
	set_some(&r, &s);
	s.has[1] = s.has[2] = false;
	table_comes(&s, 0);
	one.has[1] = true;
	w.begun++;
	fresh_comes(&one, 0);
	w.generation++;
	view_take(&w.views[0]);
	assert_true(w.views[0].v.settled);
	one.has[2] = true;
	w.begun++;
	fresh_comes(&one, 0);
	view_take(&w.views[1]);
	assert_false(w.views[1].v.settled);
	assert_int_equal(w.views[1].v.generation, w.views[0].v.generation);
	assert_counts(&w.views[1], "k");
	assert_counts(&w.views[0], "k");
	w.generation++;
	view_take(&w.views[2]);
	assert_counts(&w.views[2], "k");
	assert_counts(&w.views[0], "k");
}

/* Whatever happens in whatever order, each view is counted as it is. */
static void all_at_once(void **state)
{
	struct kit_random r = {4};
	uint32_t area = 0;
	bool coming = false;
	(void)state;
	for (int i = 0; i < 1500; i++) {
		struct set s;
		switch (kit_below(&r, 8)) {
		case 0: /* a large run */
			if (w.n_alive == TABLES || coming)
				break;
			set_some(&r, &s);
			w.begun++;
			table_comes(&s, 0);
			w.generation++;
			break;
		case 1: /* tables are merged */
			if (w.n_alive > 3)
				tables_merge((unsigned)kit_below(&r, 1u << w.n_alive) | 3);
			break;
		case 2: /* a small run, in two steps */
			set_some(&r, &s);
			if (!coming) {
				w.begun++;
				fresh_comes(&s, area);
			} else {
				w.generation++;
			}
			coming = !coming;
			break;
		case 3: /* fresh rows become a table */
			if (w.n_alive == TABLES || !w.fresh->n || kit_below(&r, 3))
				break;
			s = w.fresh_keys;
			area++;
			fresh_goes();
			table_comes(&s, 0);
			break;
		default:
			break;
		}
		for (int n = 0; n < 3; n++) {
			struct view *v = &w.views[kit_below(&r, VIEWS)];
			if (!v->taken || kit_below(&r, 3) == 0)
				view_take(v);
			assert_counts(v, prefixes[kit_below(&r, 2) ? 0 : kit_below(&r, PREFIXES)]);
		}
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_counted_as_nothing),
		TEST(tables_that_overlap_are_counted_once),
		TEST(what_is_replaced_is_not_counted_anew),
		TEST(a_budget_is_of_rows_looked_at),
		TEST(rows_that_are_just_coming_are_not_remembered),
		TEST(all_at_once),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
