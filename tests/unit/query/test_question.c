/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What values and filters mean. */
#include "../records_kit.h"

#include "query/question.h"

static const struct filter none;

static struct question ask(const char *value, const struct filter *f)
{
	struct question q;
	struct err e = {""};
	if (question_parse(bytes_str(value), f, NULL, &q, &e) != 0)
		fail_msg("%s: %s", value, e.text);
	return q;
}

static bool is_same(const char *a, const char *b)
{
	struct question x = ask(a, &none), y = ask(b, &none);
	bool same = x.check == y.check && x.n == y.n;
	for (size_t i = 0; i < x.n && same; i++)
		same = bytes_eq(x.ranges[i].prefix, y.ranges[i].prefix);
	question_release(&x);
	question_release(&y);
	return same;
}

static void test_spellings_of_one_value(void **state)
{
	static const char *const pairs[][2] = {
		{"circl.lu", "CIRCL.LU"},
		{"circl.lu", "circl.lu."},
		{"2001:db8::1", "2001:0DB8:0:0::0001"},
		{"2001:db8::1", "[2001:db8::1]"},
		{"a.example", "\\097.example"},
		{"_sip._tcp.example", "_SIP._tcp.Example."},
		{".", "."},
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (!is_same(pairs[i][0], pairs[i][1]))
			fail_msg("%s and %s differ", pairs[i][0], pairs[i][1]);
	}
}

static void test_values_that_differ(void **state)
{
	static const char *const pairs[][2] = {
		{"circl.lu", "circl.lux"},   {"192.0.2.1", "192.0.2.10"}, {"a.b.example", "a\\.b.example"},
		{"10 mx.a", "10 mx.b"},      {"2001:db8::1", "2001:db8::2"}, {"com", "."},
	};
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (is_same(pairs[i][0], pairs[i][1]))
			fail_msg("%s and %s are the same", pairs[i][0], pairs[i][1]);
	}
}

static void test_a_unicode_name_asks_its_a_label(void **state)
{
	struct question q = ask("münchen.example", &none), a = ask("xn--mnchen-3ya.example", &none);
	assert_true(q.n >= 1);
	assert_true(bytes_eq(q.ranges[0].prefix, a.ranges[0].prefix));
	question_release(&q);
	question_release(&a);
}

static void test_values_that_are_refused(void **state)
{
	char large[QUERY_VALUE_MAX + 2];
	memset(large, 'a', sizeof(large));
	const struct {
		struct bytes value;
		int code;
	} rows[] = {
		{bytes_of("", 0), ERR_SYNTAX},
		{bytes_of("a\0b", 3), ERR_SYNTAX},
		{bytes_str("192.0.2.0/24"), ERR_UNSUPPORTED},
		{bytes_str("192.0.2.0,24"), ERR_UNSUPPORTED},
		{bytes_str("2001:db8::/32"), ERR_UNSUPPORTED},
		{bytes_of(large, QUERY_VALUE_MAX + 1), ERR_LIMIT},
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct question q;
		struct err e = {""};
		assert_int_equal(question_parse(rows[i].value, &none, NULL, &q, &e), rows[i].code);
		assert_true(e.text[0]);
	}
	struct question q;
	assert_int_equal(question_parse(bytes_of(large, QUERY_VALUE_MAX), &none, NULL, &q, NULL), 0);
	question_release(&q);
}

static int types_of(const char *text, struct filter *f)
{
	return filter_parse(bytes_str(text), f, NULL);
}

static void test_filters(void **state)
{
	struct filter a, b;
	assert_int_equal(types_of("CNAME,A", &a), 0);
	assert_int_equal(types_of(" a , TYPE5,A", &b), 0);
	assert_int_equal(a.n, 2);
	assert_int_equal(b.n, 2);
	assert_memory_equal(a.types, b.types, 2 * sizeof(a.types[0]));
	assert_int_equal(types_of("NOSUCHTYPE", &a), 0);
	assert_true(a.nothing);
	assert_int_equal(types_of("NOSUCHTYPE,MX", &a), 0);
	assert_true(!a.nothing && a.n == 1 && a.types[0] == 15);
	assert_int_equal(types_of("", &a), ERR_SYNTAX);
	struct buffer many = BUFFER_INIT;
	for (int i = 0; i <= FILTER_TYPES_MAX; i++)
		buffer_putf(&many, "%sTYPE%d", i ? "," : "", 1000 + i);
	assert_int_equal(filter_parse(buffer_bytes(&many), &a, NULL), ERR_LIMIT);
	buffer_release(&many);
}

static void test_a_filter_makes_a_range_for_each_type(void **state)
{
	struct filter f;
	assert_int_equal(types_of("A,MX,TXT", &f), 0);
	struct question q = ask("circl.lu", &f);
	assert_int_equal(q.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(q.ranges[i].type, f.types[i]);
		assert_true(i == 0 || bytes_cmp(q.ranges[i - 1].prefix, q.ranges[i].prefix) < 0);
	}
	question_release(&q);
	assert_int_equal(types_of("NOSUCHTYPE", &f), 0);
	q = ask("circl.lu", &f);
	assert_int_equal(q.n, 0);
	question_release(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spellings_of_one_value),
		cmocka_unit_test(test_values_that_differ),
		cmocka_unit_test(test_a_unicode_name_asks_its_a_label),
		cmocka_unit_test(test_values_that_are_refused),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_a_filter_makes_a_range_for_each_type),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
