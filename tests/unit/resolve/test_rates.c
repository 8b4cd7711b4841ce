/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Token buckets, and what counts as a zone. */
#include "kit.h"

#include "resolve/rates.h"

static unsigned burst(struct rates *r, const char *key, uint64_t now)
{
	unsigned n = 0;
	while (n < 1000 && rates_allow(r, bytes_str(key), now)) {
		rates_take(r, bytes_str(key), now);
		n++;
	}
	return n;
}

static void test_so_many_a_second(void **state)
{
	struct rates *r = rates_new(10, 64);
	(void)state;
	assert_int_equal(burst(r, "a", 5000), 10);
	assert_int_equal(burst(r, "a", 5000), 0);
	assert_int_equal(burst(r, "a", 5100), 1);
	assert_int_equal(burst(r, "a", 5150), 0);
	assert_int_equal(burst(r, "a", 5200), 1); /* what was half there was not lost */
	assert_int_equal(burst(r, "a", 99000), 10);
	assert_int_equal(burst(r, "a", 50), 0); /* a clock that goes back gives nothing */
	assert_int_equal(burst(r, "b", 5000), 10);
	rates_free(r);
	rates_free(NULL);
}

static void test_no_limit(void **state)
{
	struct rates *r = rates_new(0, 4);
	(void)state;
	assert_int_equal(burst(r, "a", 1), 1000);
	rates_free(r);
}

static void test_many_keys(void **state)
{
	struct rates *r = rates_new(1, 64);
	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		char key[16];
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(burst(r, key, 1000 + i), 1);
	}
	rates_free(r);
}

static void test_zones(void **state)
{
	static const char *const rows[][2] = {
		{"www.circl.lu", "circl.lu"}, {"circl.lu", "circl.lu"}, {"lu", "lu"}, {".", "."}, {"a.b.c.example.com", "example.com"},
		{"a.b.example.co.uk", "example.co.uk"}, {"co.uk", "co.uk"}, {"www.abcd.uk", "abcd.uk"},
		{"4.3.2.1.in-addr.arpa", "3.2.1.in-addr.arpa"}, {"2.1.in-addr.arpa", "2.1.in-addr.arpa"},
		{"1.2.3.4.5.6.7.8.9.a.b.c.d.e.ip6.arpa", "3.4.5.6.7.8.9.a.b.c.d.e.ip6.arpa"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct kit_name a, b;
		struct bytes zone = rates_zone(kit_wire(rows[i][0], &a));
		if (!bytes_eq(zone, kit_wire(rows[i][1], &b)))
			fail_msg("the zone of %s is not %s", rows[i][0], rows[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_so_many_a_second),
		cmocka_unit_test(test_no_limit),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_zones),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
