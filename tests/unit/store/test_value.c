/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values: what goes in comes out, equal contents have equal bytes, and merging is an algebra.
 * Nothing here knows the octets. */
#include "store/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/limits.h"

#define TEXT(s)                                                                                    \
	{                                                                                          \
		(const uint8_t *)(s), sizeof(s) - 1                                                \
	}

static uint64_t state = 1;

static uint64_t random_below(uint64_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % n;
}

static uint8_t long_text[70000];

static const struct value samples[] = {
	{.seen = {.count = 0}},
	{.seen = {.count = 1, .first_s = 0, .last_s = 0}},
	{.seen = {.count = 1, .first_s = 1700000000, .last_s = 1700000000}},
	{.seen = {.count = 62, .first_s = 1700000000, .last_s = 1700000001}},
	{.seen = {.count = 63, .first_s = 1700000000, .last_s = 1700000127}},
	{.seen = {.count = 64, .first_s = 1700000000, .last_s = 1700000128}},
	{.seen = {.count = 127, .first_s = 1, .last_s = 16384}},
	{.seen = {.count = 128, .first_s = 0, .last_s = 1700000000}},
	{.seen = {.count = COUNT_MAX, .first_s = 0, .last_s = TIME_MAX}},
	{.seen = {.count = COUNT_MAX - 1, .first_s = TIME_MAX, .last_s = TIME_MAX}},
	{.seen = {.count = 5, .first_s = UINT32_MAX, .last_s = UINT32_MAX}},
	{.seen = {.count = 5, .first_s = UINT32_MAX, .last_s = 1ull << 32}},
	{.seen = {.count = 5, .first_s = 1ull << 32, .last_s = 1ull << 32}},
	{.seen = {.zone_first_s = 0, .zone_last_s = 1}},
	{.seen = {.zone_first_s = 1600000000, .zone_last_s = 1600000000}},
	{.seen = {.zone_first_s = 0, .zone_last_s = TIME_MAX}},
	{.seen = {.zone_first_s = TIME_MAX, .zone_last_s = TIME_MAX}},
	{.seen = {.count = 9, .first_s = 5, .last_s = 6, .zone_first_s = 7, .zone_last_s = 8}},
	{.seen = {.count = 9, .first_s = 5, .last_s = 6, .sensor_id = TEXT("s")}},
	{.seen = {.count = 9, .first_s = 5, .last_s = 6, .bailiwick = TEXT("b")}},
	{.seen = {.sensor_id = TEXT("\0\xff")}},
	{.seen = {.sensor_id = {long_text, MEMBER_MAX}, .bailiwick = {long_text, MEMBER_MAX}}},
	{.seen = {.count = 1, .first_s = 2, .last_s = 3}, .rdata = TEXT("r")},
	{.seen = {.count = 1, .first_s = 2, .last_s = 3}, .rdata = {long_text, 255}},
	{.seen = {.count = 1, .first_s = 2, .last_s = 3}, .rdata = {long_text, RDATA_MAX}},
	{.seen = {.zone_first_s = 1,
		  .zone_last_s = 2,
		  .sensor_id = TEXT("s"),
		  .bailiwick = TEXT("b.test")},
	 .rdata = {long_text, 70000}}, /* opaque text has no 16-bit length */
	{.seen = {.count = COUNT_MAX,
		  .first_s = TIME_MAX - 1,
		  .last_s = TIME_MAX,
		  .zone_first_s = 3,
		  .zone_last_s = TIME_MAX,
		  .sensor_id = {long_text, MEMBER_MAX},
		  .bailiwick = {long_text + 9, MEMBER_MAX}}},
};
enum { SAMPLES = sizeof(samples) / sizeof(samples[0]) };

static void assert_same(const struct value *a, const struct value *b)
{
	const struct seen *x = &a->seen, *y = &b->seen;
	assert_true(x->count == y->count);
	assert_true(!x->count || (x->first_s == y->first_s && x->last_s == y->last_s));
	assert_true(x->zone_last_s == y->zone_last_s);
	assert_true(!x->zone_last_s || x->zone_first_s == y->zone_first_s);
	assert_true(bytes_eq(x->sensor_id, y->sensor_id));
	assert_true(bytes_eq(x->bailiwick, y->bailiwick));
	assert_true(bytes_eq(a->rdata, b->rdata));
}

/* The encoding, alone on the heap. */
static struct bytes encoded(const struct value *v)
{
	struct buffer out = BUFFER_INIT;
	value_encode(v, &out);
	uint8_t *exact = malloc(out.n ? out.n : 1);
	assert_non_null(exact);
	memcpy(exact, out.p, out.n);
	size_t n = out.n;
	buffer_release(&out);
	return bytes_of(exact, n);
}

static void drop(struct bytes b)
{
	free((void *)(uintptr_t)b.p);
}

static void comes_back_as_it_was(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct value v;
		struct bytes b = encoded(&samples[i]);
		assert_int_equal(value_decode(b, &v), 0);
		assert_same(&v, &samples[i]);
		if (!samples[i].rdata.n)
			assert_true(b.n <= VALUE_SMALL_MAX);
		drop(b);
	}
}

static void encoding_appends(void **ctx)
{
	struct buffer out = BUFFER_INIT;
	struct value v;
	(void)ctx;
	buffer_put_str(&out, "before");
	value_encode(&samples[2], &out);
	assert_memory_equal(out.p, "before", 6);
	assert_int_equal(value_decode(bytes_of(out.p + 6, out.n - 6), &v), 0);
	assert_same(&v, &samples[2]);
	buffer_release(&out);
}

/* Times and strings that mean nothing leave no trace. */
static void equal_contents_have_equal_bytes(void **ctx)
{
	const struct value plain = {.seen = {.zone_first_s = 4, .zone_last_s = 5}};
	struct value odd = plain;
	(void)ctx;
	odd.seen.first_s = 77;
	odd.seen.last_s = 78;
	odd.seen.sensor_id = bytes_of("unused", 0);
	struct bytes a = encoded(&plain), b = encoded(&odd);
	assert_true(bytes_eq(a, b));
	drop(a);
	drop(b);
	const struct value seen = {.seen = {.count = 1, .first_s = 4, .last_s = 5}};
	odd = seen;
	odd.seen.zone_first_s = 99;
	a = encoded(&seen);
	b = encoded(&odd);
	assert_true(bytes_eq(a, b));
	drop(a);
	drop(b);
}

static void different_contents_have_different_bytes(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct bytes a = encoded(&samples[i]);
		for (size_t j = 0; j < i; j++) {
			struct bytes b = encoded(&samples[j]);
			assert_false(bytes_eq(a, b));
			drop(b);
		}
		drop(a);
	}
}

/* Whatever decodes is the one encoding of what it says. */
static void assert_canonical_or_corrupt(struct bytes b)
{
	struct value v;
	int rc = value_decode(b, &v);
	if (rc != 0) {
		assert_int_equal(rc, ERR_CORRUPT);
		return;
	}
	assert_true(v.seen.count <= COUNT_MAX);
	assert_true(v.seen.last_s <= TIME_MAX && v.seen.zone_last_s <= TIME_MAX);
	assert_true(v.seen.first_s <= v.seen.last_s && v.seen.zone_first_s <= v.seen.zone_last_s);
	struct bytes again = encoded(&v);
	assert_true(bytes_eq(b, again));
	drop(again);
}

static void cut_values_are_corrupt_or_others(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct bytes b = encoded(&samples[i]);
		for (size_t n = 0; n < b.n; n += n < 700 ? 1 : 997) {
			uint8_t *cut = malloc(n ? n : 1);
			assert_non_null(cut);
			memcpy(cut, b.p, n);
			assert_canonical_or_corrupt(bytes_of(cut, n));
			free(cut);
		}
		struct buffer longer = BUFFER_INIT;
		buffer_put_bytes(&longer, b);
		for (int c = 0; c < 256; c++) {
			longer.n = b.n;
			buffer_put_byte(&longer, (uint8_t)c);
			assert_canonical_or_corrupt(buffer_bytes(&longer));
		}
		buffer_release(&longer);
		drop(b);
	}
	struct value v;
	assert_int_equal(value_decode(bytes_of(NULL, 0), &v), ERR_CORRUPT);
}

static void changed_values_are_corrupt_or_others(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct bytes b = encoded(&samples[i]);
		uint8_t *p = (uint8_t *)(uintptr_t)b.p;
		for (size_t at = 0; at < b.n && at < 40; at++) {
			uint8_t was = p[at];
			for (int c = 0; c < 256; c++) {
				p[at] = (uint8_t)c;
				assert_canonical_or_corrupt(b);
			}
			p[at] = was;
		}
		for (int k = 0; k < 2000; k++) { /* two octets at once */
			size_t x = random_below(b.n < 40 ? b.n : 40),
			       y = random_below(b.n < 40 ? b.n : 40);
			uint8_t was_x = p[x], was_y = p[y];
			p[x] = (uint8_t)random_below(256);
			p[y] = (uint8_t)random_below(256);
			assert_canonical_or_corrupt(b);
			p[y] = was_y;
			p[x] = was_x;
		}
		drop(b);
	}
}

static void short_octets_are_corrupt_or_canonical(void **ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < 1u << 16; i++) {
		uint8_t octets[2] = {(uint8_t)(i >> 8), (uint8_t)i};
		assert_canonical_or_corrupt(bytes_of(octets, 2));
		if (octets[0] == 0)
			assert_canonical_or_corrupt(bytes_of(octets + 1, 1));
	}
}

static void what_is_over_a_limit_does_not_decode(void **ctx)
{
	static const struct value over[] = {
		{.seen = {.count = COUNT_MAX + 1, .first_s = 1, .last_s = 1}},
		{.seen = {.count = UINT64_MAX, .first_s = 1, .last_s = 1}},
		{.seen = {.count = 1, .first_s = 1, .last_s = TIME_MAX + 1}},
		{.seen = {.count = 1, .first_s = TIME_MAX + 1, .last_s = TIME_MAX + 1}},
		{.seen = {.count = 1, .first_s = TIME_MAX, .last_s = 2 * TIME_MAX}},
		{.seen = {.zone_first_s = 1, .zone_last_s = TIME_MAX + 1}},
		{.seen = {.zone_first_s = TIME_MAX, .zone_last_s = 2 * TIME_MAX}},
	};
	(void)ctx;
	for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++) {
		struct value v;
		struct bytes b = encoded(&over[i]);
		assert_int_equal(value_decode(b, &v), ERR_CORRUPT);
		drop(b);
	}
}

/* --- merging --- */

static uint64_t random_time(void)
{
	static const uint64_t reach[] = {3, 1ull << 31, 1ull << 33, TIME_MAX + 1};
	return random_below(reach[random_below(4)]);
}

static struct bytes random_text(void)
{
	static const char *const texts[] = {"", "a", "b", "ab", "aa", "\xff", "zz"};
	return bytes_str(texts[random_below(7)]);
}

static struct value random_value(void)
{
	static const uint64_t counts[] = {
		0, 1, 2, 62, 63, 64, 1000, 1ull << 40, COUNT_MAX - 1, COUNT_MAX};
	struct value v = {.seen = {.count = counts[random_below(10)]}};
	if (v.seen.count) {
		uint64_t a = random_time(), b = random_time();
		v.seen.first_s = a < b ? a : b;
		v.seen.last_s = a < b ? b : a;
	}
	if (random_below(3) == 0) {
		uint64_t a = random_time(), b = random_time();
		v.seen.zone_first_s = a < b ? a : b;
		v.seen.zone_last_s = (a < b ? b : a) + (a == b && a == 0);
	}
	v.seen.sensor_id = random_text();
	v.seen.bailiwick = random_text();
	return v;
}

static struct value merged(struct value a, const struct value *b)
{
	value_merge(&a, b);
	return a;
}

static void merging_is_commutative_and_associative(void **ctx)
{
	(void)ctx;
	for (int i = 0; i < 20000; i++) {
		struct value a = random_value(), b = random_value(), c = random_value(), v;
		struct value ab = merged(a, &b), ba = merged(b, &a), bc = merged(b, &c);
		struct value left = merged(ab, &c), right = merged(a, &bc);
		assert_same(&ab, &ba);
		assert_same(&left, &right);
		struct bytes x = encoded(&left), y = encoded(&right);
		assert_true(bytes_eq(x, y));
		assert_int_equal(value_decode(x, &v), 0); /* and is a value again */
		assert_same(&v, &left);
		drop(x);
		drop(y);
	}
}

static void merging_takes_least_and_greatest(void **ctx)
{
	(void)ctx;
	for (int i = 0; i < 20000; i++) {
		struct value a = random_value(), b = random_value(), m = merged(a, &b);
		const struct seen *x = &a.seen, *y = &b.seen, *z = &m.seen;
		uint64_t sum = x->count + y->count;
		assert_true(z->count == (sum > COUNT_MAX ? COUNT_MAX : sum));
		if (x->count && y->count) {
			assert_true(z->first_s ==
				    (x->first_s < y->first_s ? x->first_s : y->first_s));
			assert_true(z->last_s == (x->last_s > y->last_s ? x->last_s : y->last_s));
		} else if (x->count ||
			   y->count) { /* times of what was never observed do not count */
			assert_true(z->first_s == (x->count ? x : y)->first_s);
			assert_true(z->last_s == (x->count ? x : y)->last_s);
		}
		if (x->zone_last_s && y->zone_last_s)
			assert_true(z->zone_first_s == (x->zone_first_s < y->zone_first_s
								? x->zone_first_s
								: y->zone_first_s));
		assert_true(z->zone_last_s ==
			    (x->zone_last_s > y->zone_last_s ? x->zone_last_s : y->zone_last_s));
		if (x->sensor_id.n && y->sensor_id.n)
			assert_true(bytes_eq(z->sensor_id, bytes_cmp(x->sensor_id, y->sensor_id) < 0
								   ? x->sensor_id
								   : y->sensor_id));
		else
			assert_int_equal(z->sensor_id.n, x->sensor_id.n + y->sensor_id.n);
	}
}

static void merging_the_same_changes_only_the_count(void **ctx)
{
	(void)ctx;
	for (int i = 0; i < 5000; i++) {
		struct value a = random_value(), m = merged(a, &a);
		uint64_t sum = 2 * a.seen.count;
		assert_true(m.seen.count == (sum > COUNT_MAX ? COUNT_MAX : sum));
		m.seen.count = a.seen.count;
		assert_same(&m, &a);
	}
}

static void nothing_merges_to_nothing_new(void **ctx)
{
	const struct value none = {.seen = {.count = 0}};
	(void)ctx;
	for (size_t i = 0; i < SAMPLES; i++) {
		struct value m = merged(samples[i], &none);
		assert_same(&m, &samples[i]);
		m = merged(none, &samples[i]);
		assert_same(&m, &samples[i]);
	}
}

static void whole_rdata_is_kept_from_either_side(void **ctx)
{
	struct value with = {.seen = {.count = 1}, .rdata = bytes_str("whole")},
		     without = {.seen = {.count = 2}};
	(void)ctx;
	struct value m = merged(with, &without);
	assert_true(bytes_eq(m.rdata, bytes_str("whole")));
	m = merged(without, &with);
	assert_true(bytes_eq(m.rdata, bytes_str("whole")));
	m = merged(with, &with);
	assert_true(bytes_eq(m.rdata, bytes_str("whole")));
}

static int fill(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof(long_text); i++)
		long_text[i] = (uint8_t)(i * 37 >> 2);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(encoding_appends),
		cmocka_unit_test(equal_contents_have_equal_bytes),
		cmocka_unit_test(different_contents_have_different_bytes),
		cmocka_unit_test(cut_values_are_corrupt_or_others),
		cmocka_unit_test(changed_values_are_corrupt_or_others),
		cmocka_unit_test(short_octets_are_corrupt_or_canonical),
		cmocka_unit_test(what_is_over_a_limit_does_not_decode),
		cmocka_unit_test(merging_is_commutative_and_associative),
		cmocka_unit_test(merging_takes_least_and_greatest),
		cmocka_unit_test(merging_the_same_changes_only_the_count),
		cmocka_unit_test(nothing_merges_to_nothing_new),
		cmocka_unit_test(whole_rdata_is_kept_from_either_side),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, fill, NULL);
}
