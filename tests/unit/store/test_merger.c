/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The merger: the rows of all sources in order, those with one key merged; errors of sources are
 * told, and stay. */
#include "store/merger.h"

#include <stdlib.h>
#include <string.h>

#include "../../contract/store_kit.h"

enum { SOURCES = 9, KEYS = 60 };

/* Keys are numbers below KEYS, two octets; a source has some of them. */
struct list {
	struct source source; /* first */
	uint8_t has[KEYS];    /* how often its value counts; 0: not there */
	int at;
	int fails_at;   /* a key; -1: never */
	bool bad_value; /* at that key, instead */
	uint8_t octets[2];
	struct buffer value;
	int calls;
};

static int list_row(struct list *l, struct err *e)
{
	l->calls++;
	memset(l->octets, 0xee, sizeof(l->octets)); /* what was handed out is gone */
	while (l->at < KEYS && !l->has[l->at])
		l->at++;
	if (l->at == KEYS)
		return 0;
	if (l->at == l->fails_at && !l->bad_value)
		return err_set(e, ERR_IO, "key %d cannot be read", l->at);
	l->octets[0] = 'k';
	l->octets[1] = (uint8_t)l->at;
	buffer_clear(&l->value);
	kit_value(&l->value, l->has[l->at], 5, 6);
	if (l->at == l->fails_at)
		l->value.p[0] ^= 2; /* wide times that are none */
	l->source.key = bytes_of(l->octets, 2);
	l->source.value = buffer_bytes(&l->value);
	return 1;
}

static int list_seek(struct source *s, struct bytes at, struct err *e)
{
	struct list *l = (struct list *)s;
	l->at = at.n < 2 ? 0 : at.p[1] + (at.n > 2);
	return list_row(l, e);
}

static int list_next(struct source *s, struct err *e)
{
	struct list *l = (struct list *)s;
	l->at++;
	return list_row(l, e);
}

struct world {
	struct list list[SOURCES];
	struct merger m;
	unsigned sum[KEYS];
	int n;
};

static void world_begin(struct world *w, struct kit_random *r, int sources)
{
	*w = (struct world){.n = sources};
	for (int i = 0; i < sources; i++) {
		struct list *l = &w->list[i];
		*l = (struct list){.source = {.seek = list_seek, .next = list_next},
				   .fails_at = -1};
		uint64_t share = 1 + kit_below(r, 6);
		for (int key = 0; key < KEYS; key++) {
			if (kit_below(r, share) == 0)
				l->has[key] = (uint8_t)(1 + kit_below(r, 9));
			w->sum[key] += l->has[key];
		}
		merger_add(&w->m, &l->source);
	}
}

static void world_end(struct world *w)
{
	merger_release(&w->m);
	merger_release(&w->m);
	for (int i = 0; i < w->n; i++)
		buffer_release(&w->list[i].value);
}

/* Reads on until the end or an error, comparing. Returns which; *ret_key is the last key. */
static int read_on(struct world *w, int from, int steps, struct err *e, int *ret_key)
{
	uint8_t at[2] = {'k', (uint8_t)from};
	struct bytes key, value;
	struct value v;
	int expected = from, rc = merger_seek(&w->m, bytes_of(at, 2), &key, &value, e);
	for (; rc == 1; rc = merger_next(&w->m, &key, &value, e)) {
		while (expected < KEYS && !w->sum[expected])
			expected++;
		assert_int_equal(key.n, 2);
		assert_int_equal(key.p[1], expected);
		assert_int_equal(value_decode(value, &v), 0);
		assert_int_equal(v.seen.count, w->sum[expected]);
		*ret_key = expected++;
		if (--steps == 0)
			return 1;
	}
	if (rc == 0) {
		while (expected < KEYS && !w->sum[expected])
			expected++;
		assert_int_equal(expected, KEYS);
	}
	return rc;
}

static void rows_are_merged_in_order(void **state)
{
	struct kit_random r = {1};
	(void)state;
	for (int i = 0; i < 3000; i++) {
		struct world w;
		struct err e;
		int last = -1;
		world_begin(&w, &r, (int)kit_below(&r, SOURCES + 1));
		assert_int_equal(read_on(&w, 0, -1, &e, &last), 0);
		for (int tries = 0; tries < 4; tries++)
			assert_true(read_on(&w, (int)kit_below(&r, KEYS), (int)kit_below(&r, 10),
					    &e, &last) >= 0);
		world_end(&w);
	}
}

static void the_end_stays_the_end(void **state)
{
	struct kit_random r = {2};
	struct bytes key, value;
	struct world w;
	struct err e;
	int last;
	(void)state;
	world_begin(&w, &r, 0);
	assert_int_equal(merger_next(&w.m, &key, &value, &e), 0);
	assert_int_equal(merger_seek(&w.m, bytes_str("k"), &key, &value, &e), 0);
	world_end(&w);
	world_begin(&w, &r, 4);
	assert_int_equal(read_on(&w, 0, -1, &e, &last), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(merger_next(&w.m, &key, &value, &e), 0);
	world_end(&w);
}

/* Sources are moved only when their row was asked for: what a row borrows stays until the next
 * call. */
static void rows_stay_until_the_next_call(void **state)
{
	struct kit_random r = {3};
	struct bytes key, value;
	struct world w;
	struct err e;
	(void)state;
	world_begin(&w, &r, 1);
	int rc = merger_seek(&w.m, bytes_str("k"), &key, &value, &e);
	while (rc == 1) {
		assert_int_equal(key.p[0], 'k');
		rc = merger_next(&w.m, &key, &value, &e);
	}
	assert_int_equal(rc, 0);
	world_end(&w);
}

static void errors_are_told_and_stay(void **state)
{
	struct kit_random r = {4};
	(void)state;
	for (int i = 0; i < 4000; i++) {
		struct world w;
		struct err e = {""}, again = {""};
		struct bytes key, value;
		int last = -1;
		bool bad_value = i % 3 == 0; /* is told when it has to be merged with another */
		world_begin(&w, &r, (bad_value ? 2 : 1) + (int)kit_below(&r, SOURCES - 1));
		int which = (int)kit_below(&r, (uint64_t)w.n), fails_at = (int)kit_below(&r, KEYS);
		struct list *l = &w.list[which], *other = &w.list[(which + 1) % w.n];
		l->has[fails_at] += !l->has[fails_at];
		if (bad_value)
			other->has[fails_at] += !other->has[fails_at];
		w.sum[fails_at] += 1; /* is not read anyway */
		l->fails_at = fails_at;
		l->bad_value = bad_value;
		int rc = read_on(&w, 0, -1, &e, &last);
		assert_int_equal(rc, bad_value ? ERR_CORRUPT : ERR_IO);
		assert_true(last < fails_at); /* no row behind it, and not half of its own */
		for (int k = 0; k < 3; k++) {
			assert_int_equal(merger_next(&w.m, &key, &value, &again), rc);
			assert_string_equal(again.text, e.text);
		}
		assert_int_equal(merger_next(&w.m, &key, &value, NULL), rc);
		l->fails_at = -1; /* a seek begins anew */
		w.sum[fails_at] = 0;
		for (int k = 0; k < w.n; k++)
			w.sum[fails_at] += w.list[k].has[fails_at];
		assert_int_equal(read_on(&w, 0, -1, &e, &last), 0);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_merged_in_order),
		cmocka_unit_test(the_end_stays_the_end),
		cmocka_unit_test(rows_stay_until_the_next_call),
		cmocka_unit_test(errors_are_told_and_stay),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
