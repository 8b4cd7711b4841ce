/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Types: mnemonics, TYPEn, ranks. The ranks are part of stored keys: the table here is a copy on
 * purpose. */
#include "model/rrtype.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* By rank, from 1: dribble-keys(5). */
static const uint16_t by_rank[] = {
	1,   38,  28,  18, 260,   42,  34,  258, 257, 60,  59,  37,  5,   62, 49, 32769, 39,
	48,  259, 43,  66, 31,    108, 109, 102, 27,  13,  55,  65,  45,  20, 25, 36,    105,
	106, 29,  107, 7,  3,     4,   8,   14,  9,   15,  35,  104, 32,  56, 2,  22,    23,
	47,  50,  51,  10, 30,    61,  12,  26,  261, 57,  17,  46,  21,  24, 40, 53,    6,
	99,  33,  44,  64, 32768, 58,  52,  16,  101, 100, 103, 256, 262, 11, 19, 63,
};

static bool reads(const char *text, size_t n, uint16_t expected)
{
	uint16_t type = 4711;
	uint8_t *exact = malloc(n ? n : 1);
	assert_non_null(exact);
	memcpy(exact, text, n);
	bool ok = rrtype_from_text(bytes_of(exact, n), &type);
	free(exact);
	assert_true(ok || type == 4711); /* untouched on failure */
	return ok && type == expected;
}

#define READS(text, expected) assert_true(reads(text, sizeof(text) - 1, expected))

static void fails(const char *text, size_t n)
{
	uint16_t type = 4711;
	assert_false(rrtype_from_text(bytes_of(text, n), &type));
	assert_int_equal(type, 4711);
}

#define FAILS(text) fails(text, sizeof(text) - 1)

static void test_from_text(void **state)
{
	READS("A", 1);
	READS("a", 1);
	READS("aaaa", 28);
	READS("Nsec3Param", 51);
	READS("nsap-ptr", 23);
	READS("SVCB", 64);
	READS("HTTPS", 65);
	READS("HHIT", 67);
	READS("any", 255);
	READS("OPT", 41);
	READS("TYPE257", 257);
	READS("type1", 1);
	READS("TYPE0", 0);
	READS("TYPE65535", 65535);
	READS("257", 257);
	READS("0", 0);
	READS("65535", 65535);
	READS("TYPE00001", 1);
}

static void test_bad_text(void **state)
{
	uint16_t type;
	assert_false(rrtype_from_text(bytes_of(NULL, 0), &type));
	FAILS("");
	FAILS(" A");
	FAILS("A ");
	FAILS("A.");
	FAILS("AA");
	FAILS("B");
	FAILS("ZZZ");
	FAILS("-1");
	FAILS("+1");
	FAILS("65536");
	FAILS("99999");
	FAILS("000001");
	FAILS("TYPE");
	FAILS("TYPE ");
	FAILS("TYPE-1");
	FAILS("TYPE65536");
	FAILS("TYPE000001");
	FAILS("TYPEA");
	FAILS("1x");
	FAILS("NSEC3PARAMX");
	FAILS("NSEC3PARAMXXXXXXXXX");
	FAILS("A\0");
	FAILS("A\0\0\0");
	FAILS("\0");
	FAILS("\0A");
	FAILS("ANY\0");
	FAILS("TYPE1\0");
}

static void test_every_type(void **state)
{
	struct buffer out = BUFFER_INIT;
	unsigned named = 0;
	for (unsigned type = 0; type <= 65535; type++) {
		const char *name = rrtype_mnemonic((uint16_t)type);
		buffer_clear(&out);
		rrtype_to_text((uint16_t)type, &out);
		assert_true(reads((const char *)out.p, out.n, (uint16_t)type));
		for (size_t i = 0; i < out.n; i++)
			out.p[i] = ascii_lower(out.p[i]);
		assert_true(reads((const char *)out.p, out.n, (uint16_t)type));
		if (!name) {
			assert_true(out.n > 4 && memcmp(out.p, "type", 4) == 0);
			continue;
		}
		named++;
		assert_int_equal(out.n, strlen(name));
		for (const char *c = name; *c; c++)
			assert_true((*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
				    *c == '-');
	}
	assert_true(named >= COUNT(by_rank));
	buffer_release(&out);
}

static void test_ranks(void **state)
{
	unsigned ranked = 0;
	for (size_t i = 0; i < COUNT(by_rank); i++) {
		assert_int_equal(rrtype_of_rank((uint8_t)(i + 1)), by_rank[i]);
		assert_int_equal(rrtype_rank(by_rank[i]), i + 1);
		assert_false(rrtype_is_meta(by_rank[i]));
		if (i)
			assert_true(strcmp(rrtype_mnemonic(by_rank[i - 1]),
					   rrtype_mnemonic(by_rank[i])) < 0);
	}
	for (unsigned type = 0; type <= 65535; type++)
		ranked += rrtype_rank((uint16_t)type) != 0;
	assert_int_equal(ranked, COUNT(by_rank));
	assert_int_equal(rrtype_of_rank(0), -1);
	for (unsigned rank = COUNT(by_rank) + 1; rank <= 255; rank++)
		assert_int_equal(rrtype_of_rank((uint8_t)rank), -1);
}

static void test_meta(void **state)
{
	static const uint16_t meta[] = {0, 41, 128, 249, 250, 251, 252, 253, 254, 255};
	size_t n = 0;
	for (unsigned type = 0; type <= 65535; type++) {
		bool expected = n < COUNT(meta) && meta[n] == type;
		n += expected;
		assert_int_equal(rrtype_is_meta((uint16_t)type), expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_text),  cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_every_type), cmocka_unit_test(test_ranks),
		cmocka_unit_test(test_meta),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
