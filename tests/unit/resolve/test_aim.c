/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which name and types a value means. */
#include "kit.h"

#include "resolve/aim.h"

static struct aim_types all;

static int setup(void **state)
{
	(void)state;
	return aim_types_parse(bytes_str("A,AAAA,CNAME,MX,NS,SOA,PTR"), &all, NULL);
}

static void assert_aim(const char *value, const char *name, size_t types)
{
	struct aim aim;
	struct kit_name room;
	if (!aim_take(bytes_str(value), &all, NULL, &aim))
		fail_msg("%s gives nothing", value);
	assert_int_equal(aim.n, types);
	if (!bytes_eq(bytes_of(aim.name, aim.name_n), kit_wire(name, &room)))
		fail_msg("%s is not %s", value, name);
}

static void test_names(void **state)
{
	(void)state;
	assert_aim("circl.lu", "circl.lu", 6);
	assert_aim("CIRCL.lu.", "circl.lu", 6);
	assert_aim("_dmarc.circl.lu", "_dmarc.circl.lu", 6);
	assert_aim("com", "com", 6);
	assert_aim("b\xc3\xbc" "cher.lu", "xn--bcher-kva.lu", 6);
	assert_aim("1.in-addr.arpa", "1.in-addr.arpa", 6);
}

static void test_addresses(void **state)
{
	(void)state;
	assert_aim("1.2.3.4", "4.3.2.1.in-addr.arpa", 1);
	assert_aim("4.3.2.1.in-addr.arpa", "4.3.2.1.in-addr.arpa", 1);
	assert_aim("2a00::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.2.ip6.arpa", 1);
	assert_aim("[2A00::1]", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.a.2.ip6.arpa", 1);
}

static void test_nothing(void **state)
{
	static const char *const values[] = {
		"", ".", "v=spf1 -all", "10 mail.circl.lu", "*.circl.lu", "a..b", "a@b.lu", "a b.lu", "\"text\"", "::ffff:1.2.3.4", "a\\.b.lu",
		"1.2.3.0/24", "\\# 1 00", "b\xff.lu",
	};
	char large[400];
	struct aim aim;
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if (aim_take(bytes_str(values[i]), &all, NULL, &aim))
			fail_msg("%s gives something", values[i]);
	}
	memset(large, 'a', sizeof(large));
	assert_false(aim_take(bytes_of(large, sizeof(large)), &all, NULL, &aim));
}

static void test_filters(void **state)
{
	struct filter f = {0};
	struct aim aim;
	(void)state;
	assert_int_equal(filter_parse(bytes_str("A,TXT,SOA"), &f, NULL), 0);
	assert_true(aim_take(bytes_str("circl.lu"), &all, &f, &aim));
	assert_int_equal(aim.n, 3);
	assert_int_equal(aim.types[0], 1);
	assert_int_equal(aim.types[1], 6);
	assert_int_equal(aim.types[2], 16);
	assert_false(aim_take(bytes_str("1.2.3.4"), &all, &f, &aim));
	assert_int_equal(filter_parse(bytes_str("NOSUCH"), &f, NULL), 0);
	assert_false(aim_take(bytes_str("circl.lu"), &all, &f, &aim));
}

/* On request, once, of names only, and not when only addresses are asked for. */
static void test_text(void **state)
{
	struct aim_types with, addresses;
	struct filter f = {0};
	struct aim aim;
	(void)state;
	assert_int_equal(aim_types_parse(bytes_str("TXT,A"), &with, NULL), 0);
	assert_int_equal(aim_types_parse(bytes_str("PTR"), &addresses, NULL), 0);
	assert_int_equal(filter_parse(bytes_str("TXT"), &f, NULL), 0);
	assert_true(aim_take(bytes_str("circl.lu"), &all, &f, &aim));
	assert_int_equal(aim.n, 1);
	assert_true(aim_take(bytes_str("circl.lu"), &with, &f, &aim));
	assert_int_equal(aim.n, 1);
	assert_int_equal(aim.types[0], 16);
	assert_false(aim_take(bytes_str("4.3.2.1.in-addr.arpa"), &all, &f, &aim));
	assert_false(aim_take(bytes_str("circl.lu"), &addresses, &f, &aim));
}

static void test_types(void **state)
{
	struct aim_types t;
	struct err e;
	(void)state;
	assert_int_equal(aim_types_parse(bytes_str(" a, TXT ,a,TYPE257"), &t, &e), 0);
	assert_int_equal(t.n, 3);
	assert_int_equal(t.p[2], 257);
	assert_int_equal(aim_types_parse(bytes_str(""), &t, &e), 0);
	assert_int_equal(t.n, 0);
	assert_int_equal(aim_types_parse(bytes_str("A,ANY"), &t, &e), ERR_SYNTAX);
	assert_int_equal(aim_types_parse(bytes_str("A,,B"), &t, &e), ERR_SYNTAX);
	assert_int_equal(aim_types_parse(bytes_str("1001,1002,1003,1004,1005,1006,1007,1008,1009,1010,1011,1012,1013,1014,1015,1016,1017"), &t, &e),
	                 ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names), cmocka_unit_test(test_addresses), cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_filters), cmocka_unit_test(test_text), cmocka_unit_test(test_types),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
