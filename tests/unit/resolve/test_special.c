/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which names never leave. */
#include "kit.h"

#include "resolve/special.h"

static void test_special_names(void **state)
{
	static const char *const special[] = {
		"test", "a.test", "a.b.example", "www.example.com", "localhost", "x.localhost", "printer.local", "abc.onion", "a.home.arpa",
		"host.internal", "a.lan", "a.invalid", "4.3.2.10.in-addr.arpa", "10.in-addr.arpa", "1.1.168.192.in-addr.arpa",
		"1.0.16.172.in-addr.arpa", "1.0.31.172.in-addr.arpa", "1.0.0.127.in-addr.arpa", "9.8.254.169.in-addr.arpa",
		"7.2.0.192.in-addr.arpa", "7.100.51.198.in-addr.arpa", "7.113.0.203.in-addr.arpa", "1.1.64.100.in-addr.arpa",
		"127.100.in-addr.arpa", "1.19.198.in-addr.arpa", "255.255.255.255.in-addr.arpa",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa", "d.f.ip6.arpa", "1.c.f.ip6.arpa", "0.8.e.f.ip6.arpa",
		"1.b.e.f.ip6.arpa", "8.b.d.0.1.0.0.2.ip6.arpa",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++) {
		struct kit_name room;
		if (!special_holds(kit_wire(special[i], &room)))
			fail_msg("%s may be asked", special[i]);
	}
}

static void test_ordinary_names(void **state)
{
	static const char *const ordinary[] = {
		".", "com", "circl.lu", "atest", "mytest.lu", "test.lu", "local.lu", "onion.com", "arpa", "in-addr.arpa", "example.lu",
		"8.8.8.8.in-addr.arpa", "11.in-addr.arpa", "1.15.172.in-addr.arpa", "1.32.172.in-addr.arpa", "1.63.100.in-addr.arpa",
		"1.128.100.in-addr.arpa", "100.in-addr.arpa", "1.167.192.in-addr.arpa", "1.0.2.ip6.arpa", "7.1.0.192.in-addr.arpa", "homexarpa.lu",
		"x64.100.in-addr.arpa", "9.b.d.0.1.0.0.2.ip6.arpa",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		struct kit_name room;
		if (special_holds(kit_wire(ordinary[i], &room)))
			fail_msg("%s may not be asked", ordinary[i]);
	}
}

static void test_below(void **state)
{
	struct kit_name a, b;
	(void)state;
	assert_true(special_is_below(kit_wire("a.b.c", &a), kit_wire("b.c", &b)));
	assert_true(special_is_below(kit_wire("b.c", &a), kit_wire("b.c", &b)));
	assert_true(special_is_below(kit_wire("b.c", &a), kit_wire(".", &b)));
	assert_false(special_is_below(kit_wire("ab.c", &a), kit_wire("b.c", &b)));
	assert_false(special_is_below(kit_wire("c", &a), kit_wire("b.c", &b)));
}

static void test_zones_are_names(void **state)
{
	size_t n = 0;
	(void)state;
	for (; special_zone(n); n++) {
		struct kit_name room;
		assert_true(special_holds(kit_wire(special_zone(n), &room)));
	}
	assert_true(n > 60);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_special_names),
		cmocka_unit_test(test_ordinary_names),
		cmocka_unit_test(test_below),
		cmocka_unit_test(test_zones_are_names),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
