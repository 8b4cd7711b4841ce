/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines of answers, octet by octet, and that what is exported reads back as the same record. */
#include "../records_kit.h"

#include <jansson.h>

#include "answer/answer.h"
#include "model/dname.h"
#include "query/walk.h"

/* The line of the one record that a line of COF makes, in a style. */
static char *line_of(const char *cof, enum style style)
{
	struct store *s = kit_store(cof);
	struct answer a = {.style = style, .origin = bytes_str("https://o.example/")};
	struct record_scratch scratch;
	struct record r;
	struct buffer out = BUFFER_INIT;
	struct bytes key, value;
	struct scan *sc;
	static const uint8_t names[] = {SUBJECT_NAME};
	assert_int_equal(scan_begin(s, &sc, NULL), 0);
	int rc = scan_seek(sc, bytes_of(names, 1), &key, &value, NULL);
	for (; rc == 1 && !out.n; rc = scan_next(sc, &key, &value, NULL)) {
		assert_int_equal(record_decode(key, value, &scratch, &r), 0);
		if (r.owner_row)
			answer_line(&a, &r, &out);
	}
	assert_true(out.n > 0);
	scan_end(sc);
	answer_release(&a);
	store_close(s);
	buffer_put_byte(&out, 0);
	return (char *)out.p;
}

static void assert_line(const char *cof, enum style style, const char *want)
{
	char *got = line_of(cof, style);
	assert_string_equal(got, want);
	free(got);
}

#define MX                                                                                                             \
	"{\"rrname\": \"Circl.LU.\", \"rrtype\": \"mx\", \"rdata\": \"10 Cppy.circl.lu.\", \"count\": 149, \"time_first\": 5, "  \
	"\"time_last\": 1697897232}\n"

static void test_styles(void **state)
{
	assert_line(MX, STYLE_CIRCL,
	            "{\"rrtype\": \"MX\", \"rrname\": \"10 cppy.circl.lu\", \"rdata\": \"circl.lu\", \"count\": 149, "
	            "\"time_first\": 5, \"time_last\": 1697897232, \"origin\": \"https://o.example/\"}\n");
	assert_line(MX, STYLE_COF,
	            "{\"rrtype\": \"MX\", \"rrname\": \"circl.lu\", \"rdata\": \"10 cppy.circl.lu\", \"count\": 149, "
	            "\"time_first\": 5, \"time_last\": 1697897232, \"origin\": \"https://o.example/\"}\n");
	assert_line(MX, STYLE_EXPORT,
	            "{\"rrtype\": \"MX\", \"rrname\": \"circl.lu\", \"rdata\": \"10 cppy.circl.lu\", \"count\": 149, "
	            "\"time_first\": 5, \"time_last\": 1697897232}\n");
	char *doc = line_of(MX, STYLE_DOC);
	assert_non_null(strstr(doc, "\"count\": \"149\""));
	assert_non_null(strstr(doc, "\"time_first\": \"5\""));
	assert_null(strstr(doc, "origin"));
	free(doc);
	char *table = line_of(MX, STYLE_TABLE);
	assert_non_null(strstr(table, "circl.lu"));
	assert_non_null(strstr(table, "10 cppy.circl.lu"));
	assert_non_null(strstr(table, "2023-10-21"));
	assert_null(strchr(table, '{'));
	free(table);
}

static void test_strings(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
		const char *want;
	} rows[] = {
		{"", 0, "\"\""},
		{"plain", 5, "\"plain\""},
		{"q\"b\\s/", 6, "\"q\\\"b\\\\s/\""},
		{"\xc3\xa9", 2, "\"\\u00e9\""},
		{"\xf0\x9f\x98\x80", 4, "\"\\ud83d\\ude00\""},
		{"a\0b", 3, "\"a\\\\000b\""},
		{"\xff", 1, "\"\\\\255\""},
		{"\xc3", 1, "\"\\\\195\""},
		{"\xed\xa0\x80", 3, "\"\\\\237\\\\160\\\\128\""}, /* half a surrogate pair is no UTF-8 */
		{"\xc0\xaf", 2, "\"\\\\192\\\\175\""},            /* nor is an overlong form */
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buffer out = BUFFER_INIT;
		answer_json_string(bytes_of(rows[i].bytes, rows[i].n), &out);
		buffer_put_byte(&out, 0);
		assert_string_equal((const char *)out.p, rows[i].want);
		json_t *json = json_loads((const char *)out.p, JSON_DECODE_ANY, NULL);
		assert_true(json_is_string(json));
		json_decref(json);
		buffer_release(&out);
	}
}

/* Strings are read eight octets at a time: each octet comes out the same wherever it stands. */
static void test_octets_at_every_place(void **state)
{
	(void)state;
	for (unsigned octet = 1; octet < 256; octet++) {
		struct buffer alone = BUFFER_INIT;
		const uint8_t one = (uint8_t)octet;
		answer_json_string(bytes_of(&one, 1), &alone);
		for (size_t n = 1; n <= 19; n++) {
			for (size_t at = 0; at < n; at++) {
				struct buffer out = BUFFER_INIT, want = BUFFER_INIT;
				uint8_t text[19];
				memset(text, 'x', sizeof(text));
				text[at] = one;
				answer_json_string(bytes_of(text, n), &out);
				buffer_put_byte(&want, '"');
				buffer_put(&want, "xxxxxxxxxxxxxxxxxxx", at);
				buffer_put(&want, alone.p + 1, alone.n - 2);
				buffer_put(&want, "xxxxxxxxxxxxxxxxxxx", n - at - 1);
				buffer_put_byte(&want, '"');
				assert_int_equal(out.n, want.n);
				assert_memory_equal(out.p, want.p, want.n);
				buffer_release(&out);
				buffer_release(&want);
			}
		}
		buffer_release(&alone);
	}
}

static void test_octets_of_all_kinds_are_json(void **state)
{
	for (int c = 0; c < 65536; c++) {
		const uint8_t two[2] = {(uint8_t)(c >> 8), (uint8_t)c};
		struct buffer out = BUFFER_INIT;
		answer_json_string(bytes_of(two, 2), &out);
		for (size_t i = 0; i < out.n; i++)
			assert_in_range(out.p[i], 0x20, 0x7e);
		buffer_put_byte(&out, 0);
		json_t *json = json_loads((const char *)out.p, JSON_DECODE_ANY, NULL);
		assert_true(json_is_string(json));
		json_decref(json);
		buffer_release(&out);
	}
}

/* Every record that is exported comes back as itself. */
static void test_exports_read_back(void **state)
{
	static const char *const records[] = {
		MX,
		"{\"rrname\": \"a.example\", \"rrtype\": \"A\", \"rdata\": \"192.0.2.1\", \"count\": 9223372036854775807, \"time_first\": 1, \"time_last\": 253402300799}\n",
		"{\"rrname\": \".\", \"rrtype\": \"NS\", \"rdata\": \"a.root-servers.net\", \"count\": 1, \"time_first\": 1, \"time_last\": 2}\n",
		"{\"rrname\": \"\\\\000\\\\.b\\\\255.example\", \"rrtype\": \"AAAA\", \"rdata\": \"2001:DB8:0::1\", \"count\": 2, \"time_first\": 1, \"time_last\": 2}\n",
		"{\"rrname\": \"t.example\", \"rrtype\": \"TXT\", \"rdata\": \"\\\"q\\\\\\\"uote\\\" \\\"\\u00e9\\\"\", \"count\": 2, \"time_first\": 1, \"time_last\": 2}\n",
		"{\"rrname\": \"o.example\", \"rrtype\": \"A\", \"rdata\": \"no address \\u0001\", \"count\": 2, \"time_first\": 1, \"time_last\": 2}\n",
		"{\"rrname\": \"u.example\", \"rrtype\": \"TYPE65280\", \"rdata\": \"\\\\# 3 0a0b0c\", \"count\": 2, \"time_first\": 1, \"time_last\": 2}\n",
		"{\"rrname\": \"z.example\", \"rrtype\": \"A\", \"rdata\": \"192.0.2.9\", \"zone_time_first\": 7, \"zone_time_last\": 9}\n",
		"{\"rrname\": \"s.example\", \"rrtype\": \"A\", \"rdata\": \"192.0.2.8\", \"count\": 3, \"time_first\": 1, \"time_last\": 2, \"sensor_id\": \"probe 7\", \"bailiwick\": \"example\"}\n",
	};
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		char *line = line_of(records[i], STYLE_EXPORT);
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		assert_true(json_is_object(json));
		json_decref(json);
		struct store *first = kit_store(records[i]), *again = kit_store(line);
		char *a = kit_dump(first), *b = kit_dump(again);
		assert_string_equal(a, b);
		free(a);
		free(b);
		free(line);
		store_close(first);
		store_close(again);
	}
}

static void test_names_of_styles(void **state)
{
	enum style style;
	for (int i = STYLE_CIRCL; i <= STYLE_DOC; i++) {
		assert_true(style_from_text(bytes_str(style_name((enum style)i)), &style));
		assert_int_equal(style, i);
	}
	assert_false(style_from_text(bytes_str("export"), &style));
	assert_false(style_from_text(bytes_str("CIRCL"), &style));
	assert_false(style_from_text(bytes_str(""), &style));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_styles),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_octets_of_all_kinds_are_json),
		cmocka_unit_test(test_octets_at_every_place),
		cmocka_unit_test(test_exports_read_back),
		cmocka_unit_test(test_names_of_styles),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
