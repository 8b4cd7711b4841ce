/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merging: any order and any grouping of observations gives the same. */
#include "model/observation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* What is meaningful of it is the same. */
static void is_same(const struct seen *a, const struct seen *b)
{
	assert_true(a->count == b->count);
	assert_true(!a->count || (a->first_s == b->first_s && a->last_s == b->last_s));
	assert_true(a->zone_last_s == b->zone_last_s);
	assert_true(!a->zone_last_s || a->zone_first_s == b->zone_first_s);
	assert_true(bytes_eq(a->sensor_id, b->sensor_id));
	assert_true(bytes_eq(a->bailiwick, b->bailiwick));
}

static struct bytes random_text(void)
{
	static const char *const texts[] = {"", "", "a", "ab", "b", "B", "\xff", "example.com"};
	return bytes_str(texts[next_random() % 8]);
}

static struct seen random_seen(void)
{
	static const uint64_t counts[] = {
		0, 0, 1, 2, 1000, COUNT_MAX - 1, COUNT_MAX, COUNT_MAX / 2};
	struct seen s = {.sensor_id = random_text(), .bailiwick = random_text()};
	s.count = counts[next_random() % 8];
	s.first_s = next_random() % 100; /* without a count: noise that nobody may look at */
	s.last_s = s.first_s + next_random() % 100;
	if (next_random() % 2) {
		s.zone_first_s = next_random() % 100;
		s.zone_last_s = s.zone_first_s + 1 + next_random() % 100;
	}
	return s;
}

static void test_plain(void **state)
{
	struct seen a = {.first_s = 100, .last_s = 200, .count = 3, .sensor_id = bytes_str("s2")};
	struct seen b = {.first_s = 50,
			 .last_s = 150,
			 .count = 4,
			 .zone_first_s = 7,
			 .zone_last_s = 9,
			 .sensor_id = bytes_str("s1"),
			 .bailiwick = bytes_str("com")};
	struct seen both = {.first_s = 50,
			    .last_s = 200,
			    .count = 7,
			    .zone_first_s = 7,
			    .zone_last_s = 9,
			    .sensor_id = bytes_str("s1"),
			    .bailiwick = bytes_str("com")};
	seen_merge(&a, &b);
	is_same(&a, &both);
}

static void test_zone_alone(void **state)
{
	struct seen zone = {.zone_first_s = 10, .zone_last_s = 20};
	struct seen later = {.zone_first_s = 15, .zone_last_s = 30};
	struct seen sensor = {.first_s = 5, .last_s = 5, .count = 1};
	seen_merge(&zone, &later);
	assert_int_equal(zone.count, 0);
	assert_int_equal(zone.zone_first_s, 10);
	assert_int_equal(zone.zone_last_s, 30);
	seen_merge(&zone, &sensor); /* a first time of 0 that means nothing is no minimum */
	assert_int_equal(zone.first_s, 5);
	assert_int_equal(zone.last_s, 5);
	seen_merge(&sensor, &later);
	assert_int_equal(sensor.zone_first_s, 15);
}

static void test_saturation(void **state)
{
	struct seen a = {.count = COUNT_MAX}, b = {.count = COUNT_MAX}, one = {.count = 1};
	seen_merge(&a, &b);
	assert_true(a.count == COUNT_MAX);
	seen_merge(&a, &one);
	assert_true(a.count == COUNT_MAX);
	b.count = COUNT_MAX - 1;
	seen_merge(&b, &one);
	assert_true(b.count == COUNT_MAX);
}

static void test_with_itself(void **state)
{
	struct seen s = {.first_s = 1, .last_s = 2, .count = 3, .sensor_id = bytes_str("x")};
	seen_merge(&s, &s);
	assert_int_equal(s.count, 6);
	assert_int_equal(s.first_s, 1);
	assert_int_equal(s.last_s, 2);
}

static void test_laws(void **state)
{
	for (int round = 0; round < 100000; round++) {
		struct seen a = random_seen(), b = random_seen(), c = random_seen();
		struct seen ab = a, ba = b, ab_c, bc = b, a_bc = a, nothing = {0}, same = a;
		seen_merge(&ab, &b);
		seen_merge(&ba, &a);
		is_same(&ab, &ba);
		ab_c = ab;
		seen_merge(&ab_c, &c);
		seen_merge(&bc, &c);
		seen_merge(&a_bc, &bc);
		is_same(&ab_c, &a_bc);
		seen_merge(&same, &nothing);
		is_same(&same, &a);
		seen_merge(&nothing, &a);
		is_same(&nothing, &a);
		assert_true(!ab.count || ab.first_s <= ab.last_s);
		assert_true(!ab.zone_last_s || ab.zone_first_s <= ab.zone_last_s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),      cmocka_unit_test(test_zone_alone),
		cmocka_unit_test(test_saturation), cmocka_unit_test(test_with_itself),
		cmocka_unit_test(test_laws),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
