/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names: every rule of model/dname.h, and that text and wire are two spellings of one thing. */
#include "model/dname.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* xorshift: the same numbers in every run */
static uint32_t next_random(void)
{
	static uint32_t x = 2463534242u;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Parses text that lies exactly on the heap, into room that does as well. */
static int parse(struct bytes text, uint8_t *wire)
{
	uint8_t *exact = malloc(text.n ? text.n : 1), *room = malloc(DNAME_MAX);
	assert_non_null(exact);
	assert_non_null(room);
	if (text.n)
		memcpy(exact, text.p, text.n);
	int n = dname_from_text(bytes_of(exact, text.n), room);
	if (n > 0)
		memcpy(wire, room, (size_t)n);
	free(exact);
	free(room);
	return n;
}

static void is_wire(struct bytes text, struct bytes wire)
{
	uint8_t got[DNAME_MAX];
	assert_int_equal(parse(text, got), wire.n);
	assert_memory_equal(got, wire.p, wire.n);
	assert_int_equal(dname_wire_len(got, wire.n), wire.n);
}

#define IS_WIRE(text, wire)                                                                        \
	is_wire(bytes_of(text, sizeof(text) - 1), bytes_of(wire "\0", sizeof(wire)))

static void fails(const char *text, int code)
{
	uint8_t wire[DNAME_MAX];
	assert_int_equal(parse(bytes_str(text), wire), code);
}

static void prints(const char *text, const char *expected)
{
	uint8_t wire[DNAME_MAX];
	struct buffer out = BUFFER_INIT;
	int n = parse(bytes_str(text), wire);
	assert_true(n > 0);
	dname_to_text(bytes_of(wire, (size_t)n), &out);
	buffer_put_byte(&out, '\0');
	assert_string_equal((const char *)out.p, expected);
	buffer_release(&out);
}

static void test_from_text(void **state)
{
	IS_WIRE(".", "");
	IS_WIRE("a", "\1a");
	IS_WIRE("a.", "\1a");
	IS_WIRE("WwW.ExAmPlE.", "\3www\7example");
	IS_WIRE("\\065.B", "\1a\1b");
	IS_WIRE("\\A\\B", "\2ab");
	IS_WIRE("a\\.b.c", "\3a.b\1c");
	IS_WIRE("a\\\\.c", "\2a\\\1c");
	IS_WIRE("a\\046b", "\3a.b");
	IS_WIRE("\\000\\255", "\2\0\xff");
	IS_WIRE("a b", "\3a b");
	IS_WIRE("\xc3\xa4.x", "\2\xc3\xa4\1x");
	IS_WIRE("\xc3\x84.x", "\2\xc3\x84\1x"); /* only ASCII has letter case here */
	IS_WIRE("_dmarc.*.-", "\6_dmarc\1*\1-");
	IS_WIRE("@[`{Z", "\5@[`{z"); /* the neighbours of the letters */
	IS_WIRE("\\091\\064\\090", "\3[@z");
	is_wire(bytes_of("a\0b", 3), bytes_of("\3a\0b\0", 5));
}

static void test_bad_text(void **state)
{
	uint8_t wire[DNAME_MAX];
	assert_int_equal(dname_from_text(bytes_of(NULL, 0), wire), ERR_SYNTAX);
	fails("", ERR_SYNTAX);
	fails("..", ERR_SYNTAX);
	fails(".a", ERR_SYNTAX);
	fails("a..", ERR_SYNTAX);
	fails("a..b", ERR_SYNTAX);
	fails("\\", ERR_SYNTAX);
	fails("a.\\", ERR_SYNTAX);
	fails("\\1", ERR_SYNTAX);
	fails("\\12", ERR_SYNTAX);
	fails("\\12a", ERR_SYNTAX);
	fails("\\1.2", ERR_SYNTAX);
	fails("\\256", ERR_SYNTAX);
	fails("\\999", ERR_SYNTAX);
}

static void test_labels_of_63(void **state)
{
	char text[130];
	uint8_t wire[DNAME_MAX];
	memset(text, 'X', sizeof(text));
	text[63] = '.';
	assert_int_equal(parse(bytes_of(text, 127), wire), 129);
	assert_int_equal(wire[0], 63);
	assert_int_equal(wire[64], 63);
	assert_int_equal(wire[127], 'x');
	assert_int_equal(parse(bytes_of(text, 128), wire), ERR_LIMIT);
	memset(text, 'x', sizeof(text));
	assert_int_equal(parse(bytes_of(text, 64), wire), ERR_LIMIT);
	memcpy(text + 60, "\\000", 4); /* 61 octets */
	assert_int_equal(parse(bytes_of(text, 66), wire), 65);
	assert_int_equal(parse(bytes_of(text, 67), wire), ERR_LIMIT);
}

static void test_names_of_255(void **state)
{
	char text[600];
	uint8_t wire[DNAME_MAX];
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'A';
	assert_int_equal(parse(bytes_of(text, 253), wire), 255);
	assert_int_equal(dname_wire_len(wire, 255), 255);
	assert_int_equal(parse(bytes_of(text, 254), wire), 255);
	assert_int_equal(parse(bytes_of(text, 255), wire), ERR_LIMIT);
	assert_int_equal(parse(bytes_of(text, sizeof(text)), wire), ERR_LIMIT);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 64 == 63 ? '.' : 'A';
	for (size_t n = 1; n <= 300; n++) {
		size_t label_end = n % 64 == 0;
		int expected = (int)(n + 2 - label_end);
		assert_int_equal(parse(bytes_of(text, n), wire), n > 253 ? ERR_LIMIT : expected);
	}
}

static void test_wire_len(void **state)
{
	uint8_t wire[400] = {0};
	assert_int_equal(dname_wire_len(wire, 0), ERR_SYNTAX);
	assert_int_equal(dname_wire_len(NULL, 0), ERR_SYNTAX);
	assert_int_equal(dname_wire_len(wire, 1), 1);
	assert_int_equal(dname_wire_len((const uint8_t *)"\1a\0rest", 7), 3);
	assert_int_equal(dname_wire_len((const uint8_t *)"\1a", 2), ERR_SYNTAX);
	assert_int_equal(dname_wire_len((const uint8_t *)"\2a", 2), ERR_SYNTAX);
	assert_int_equal(dname_wire_len((const uint8_t *)"\300\14", 2), ERR_SYNTAX);
	assert_int_equal(dname_wire_len((const uint8_t *)"\1a\300\14\0", 5), ERR_SYNTAX);
	wire[0] = 64; /* neither a length nor a pointer */
	assert_int_equal(dname_wire_len(wire, sizeof(wire)), ERR_SYNTAX);
	for (size_t i = 0; i < sizeof(wire); i += 2)
		wire[i] = 1;
	assert_int_equal(dname_wire_len(wire, sizeof(wire)), ERR_SYNTAX);
	wire[254] = 0;
	assert_int_equal(dname_wire_len(wire, sizeof(wire)), 255);
	assert_int_equal(dname_wire_len(wire, 254), ERR_SYNTAX);
	wire[254] = 1;
	wire[256] = 0;
	assert_int_equal(dname_wire_len(wire, sizeof(wire)), ERR_SYNTAX);
}

static void test_to_lower(void **state)
{
	/* a length octet of 65 would be a letter: 'A' cannot be one, but octets beside letters can
	 */
	uint8_t wire[] = "\5A@Z[\xc4\1z\0AAAA";
	dname_to_lower(wire, 9);
	assert_memory_equal(wire, "\5a@z[\xc4\1z\0AAAA", sizeof(wire));
	uint8_t root[] = {0};
	dname_to_lower(root, 1);
	assert_int_equal(root[0], 0);
}

static void test_to_text(void **state)
{
	prints(".", ".");
	prints("A.b.", "a.b");
	prints("a\\.b.c", "a\\.b.c");
	prints("\\000.\\ .\\127\\128\xff", "\\000.\\032.\\127\\128\\255");
	prints("\\@\\\"\\(\\)\\;\\$\\\\", "\\@\\\"\\(\\)\\;\\$\\\\");
	prints("!#%&'*+,-/:<=>?[]^_`{|}~", "!#%&'*+,-/:<=>?[]^_`{|}~");
	struct buffer out = BUFFER_INIT;
	dname_label_to_text((const uint8_t *)"a.\n", 3, &out);
	dname_label_to_text((const uint8_t *)"", 0, &out);
	assert_int_equal(out.n, 7);
	assert_memory_equal(out.p, "a\\.\\010", 7);
	buffer_release(&out);
}

/* Any wire name, canonical, of labels of any octets. */
static size_t random_wire(uint8_t *wire)
{
	size_t n = 0, labels = next_random() % 8;
	while (labels--) {
		size_t len = 1 + next_random() % (next_random() % 4 ? 12 : 63);
		if (n + 1 + len + 1 > DNAME_MAX)
			break;
		wire[n++] = (uint8_t)len;
		while (len--)
			wire[n++] = ascii_lower((uint8_t)next_random());
	}
	wire[n++] = 0;
	return n;
}

static void test_round_trip(void **state)
{
	struct buffer out = BUFFER_INIT;
	for (int round = 0; round < 20000; round++) {
		uint8_t wire[DNAME_MAX], again[DNAME_MAX];
		size_t n = random_wire(wire);
		buffer_clear(&out);
		dname_to_text(bytes_of(wire, n), &out);
		for (size_t i = 0; i < out.n; i++)
			assert_true(out.p[i] > 0x20 && out.p[i] < 0x7f);
		assert_int_equal(parse(buffer_bytes(&out), again), n);
		assert_memory_equal(again, wire, n);
		if (n > 1) { /* the same with a dot */
			buffer_put_byte(&out, '.');
			assert_int_equal(parse(buffer_bytes(&out), again), n);
			assert_memory_equal(again, wire, n);
		}
		assert_int_equal(dname_wire_len(wire, n), n);
		dname_to_lower(again, n);
		assert_memory_equal(again, wire, n);
	}
	buffer_release(&out);
}

/* Any text: what is taken is canonical. */
static void test_any_text(void **state)
{
	static const char octets[] = "aZ09.\\-_@;\"() \n\x80.";
	for (int round = 0; round < 50000; round++) {
		uint8_t text[40], wire[DNAME_MAX], lower[DNAME_MAX];
		size_t n = next_random() % sizeof(text);
		for (size_t i = 0; i < n; i++)
			text[i] = (uint8_t)octets[next_random() % (sizeof(octets) - 1)];
		int len = parse(bytes_of(text, n), wire);
		assert_true(len > 0 || len == ERR_SYNTAX);
		if (len < 0)
			continue;
		assert_int_equal(dname_wire_len(wire, (size_t)len), len);
		memcpy(lower, wire, (size_t)len);
		dname_to_lower(lower, (size_t)len);
		assert_memory_equal(lower, wire, (size_t)len);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from_text),    cmocka_unit_test(test_bad_text),
		cmocka_unit_test(test_labels_of_63), cmocka_unit_test(test_names_of_255),
		cmocka_unit_test(test_wire_len),     cmocka_unit_test(test_to_lower),
		cmocka_unit_test(test_to_text),      cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_any_text),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
