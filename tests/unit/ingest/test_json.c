/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON parser: values, reasons, and agreement with jansson over a table of nasty texts. */
#include "ingest/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/limits.h"

/* The text on the heap without anything behind it, so that a sanitizer sees a read too far. */
struct exact {
	uint8_t *p;
	size_t n;
};

static struct exact exact_of(const char *text, size_t n)
{
	struct exact x = {malloc(n ? n : 1), n};
	assert_non_null(x.p);
	memcpy(x.p, text, n);
	return x;
}

static void assert_same_value(const struct json_value *v, const json_t *theirs)
{
	struct buffer out = BUFFER_INIT;
	assert_non_null(theirs);
	switch (v->kind) {
	case JSON_KIND_NULL:
		assert_true(json_is_null(theirs));
		break;
	case JSON_KIND_FALSE:
		assert_true(json_is_false(theirs));
		break;
	case JSON_KIND_TRUE:
		assert_true(json_is_true(theirs));
		break;
	case JSON_KIND_INTEGER:
		assert_true(json_is_integer(theirs));
		assert_int_equal(v->integer, json_integer_value(theirs));
		break;
	case JSON_KIND_REAL:
		assert_true(json_is_real(theirs));
		assert_true(v->real == json_real_value(theirs));
		break;
	case JSON_KIND_STRING:
		assert_true(json_is_string(theirs));
		json_unescape(v->raw, &out);
		assert_int_equal(out.n, json_string_length(theirs));
		if (out.n)
			assert_memory_equal(out.p, json_string_value(theirs), out.n);
		break;
	case JSON_KIND_ARRAY: {
		struct json j;
		struct json_value element;
		size_t n = 0;
		assert_true(json_is_array(theirs));
		json_begin_array(&j, v);
		while (json_next_element(&j, &element))
			assert_same_value(&element, json_array_get(theirs, n++));
		assert_int_equal(n, json_array_size(theirs));
		break;
	}
	case JSON_KIND_OBJECT:
		assert_true(json_is_object(theirs));
		break;
	}
	buffer_release(&out);
}

#define MEMBERS_MAX 64

/* Compares what both make of a text. Returns whether it was taken. */
static bool compare(const char *text, size_t n)
{
	struct exact x = exact_of(text, n);
	struct json j;
	struct json_value key, values[MEMBERS_MAX];
	struct buffer names[MEMBERS_MAX];
	size_t members = 0, distinct = 0;
	json_t *theirs = json_loadb((const char *)x.p, x.n, 0, NULL);
	int rc = json_begin(&j, bytes_of(x.p, x.n));
	while (rc >= 0 && (rc = json_next(&j, &key, &values[members])) == 1) {
		assert_true(members < MEMBERS_MAX - 1);
		names[members] = BUFFER_INIT;
		json_unescape(key.raw, &names[members]);
		buffer_put_byte(&names[members++], '\0');
	}
	if ((rc == 0) != json_is_object(theirs)) {
		fprintf(stderr, "# differs from jansson: %.*s\n", (int)n, text);
		fail();
	}
	for (size_t i = 0; rc == 0 && i < members; i++) {
		size_t k = i + 1; /* the last one of a name counts */
		while (k < members && strcmp((char *)names[k].p, (char *)names[i].p) != 0)
			k++;
		if (k < members)
			continue;
		distinct++;
		assert_same_value(&values[i], json_object_get(theirs, (char *)names[i].p));
	}
	if (rc == 0) {
		assert_int_equal(distinct, json_object_size(theirs));
	} else {
		assert_non_null(j.reason);
		assert_true(json_offset(&j) <= n);
	}
	for (size_t i = 0; i < members; i++)
		buffer_release(&names[i]);
	json_decref(theirs);
	free(x.p);
	return rc == 0;
}

static const char *const good[] = {
	"{}",
	" \t\r\n{ \n} \r\n",
	"{\"a\":1}",
	"{\"a\" : 1 , \"b\" : [ ] , \"c\" : { } }",
	"{\"\":0}",
	"{\"a\":-0}",
	"{\"a\":0}",
	"{\"a\":9223372036854775807,\"b\":-9223372036854775808}",
	"{\"a\":999999999999999999}",
	"{\"a\":1.5,\"b\":-1.5e3,\"c\":1E+2,\"d\":1e-2,\"e\":0.0,\"f\":-0.0,\"g\":0e0}",
	"{\"a\":1e-400,\"b\":1.7976931348623157e308,\"c\":5e-324}",
	"{\"a\":12345678901234567890123456789012345678901234567890123456789012345678901234567890."
	"5}",
	"{\"a\":99999999999999999999e0}",
	"{\"a\":null,\"b\":true,\"c\":false}",
	"{\"a\":[null,true,false,1,2.5,\"x\",[[]],{\"a\":{}}]}",
	"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
	"{\"a\":"
	"\"\\u0041\\u00e9\\u20ac\\ud83d\\ude00\\uFFFF\\uDBFF\\uDFFF\\u0001\\u007f\\u07ff\\u0800\"}",
	"{\"\\u0061\\n\":\"x\"}",
	"{\"a\":\"\x7f\"}",
	"{\"\xc3\xa9\":\"\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xef\xbf\xbf\"}",
	"{\"a\":\"\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf\"}",
	"{\"a\":\"0123456789abcdef0123456789abcdef\"}",
	"{\"a\":\"0123456789abcde\\n0123456789abcdef\\\"0123456789\"}",
	"{\"a\":\"\\\\\"}",
	"{\"a\":\"\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\\"}",
};

static const char *const bad[] = {
	"",
	" ",
	"{",
	"}",
	"{]",
	"{,}",
	"{\"a\"}",
	"{\"a\":}",
	"{\"a\":1,}",
	"{\"a\":1",
	"{\"a\":1,",
	"{\"a\":1 ",
	"{\"a\" 1}",
	"{\"a\"",
	"{\"a",
	"{\"a\":",
	"{a:1}",
	"{'a':1}",
	"{1:1}",
	"{\"a\":1}}",
	"{\"a\":1} x",
	"{\"a\":1}{}",
	"{\"a\":1]",
	"{\"a\":01}",
	"{\"a\":-01}",
	"{\"a\":+1}",
	"{\"a\":-}",
	"{\"a\":.5}",
	"{\"a\":1.}",
	"{\"a\":1.e5}",
	"{\"a\":1e}",
	"{\"a\":1e+}",
	"{\"a\":1e5.5}",
	"{\"a\":0x10}",
	"{\"a\":1e309}",
	"{\"a\":-1e309}",
	"{\"a\":9223372036854775808}",
	"{\"a\":-9223372036854775809}",
	"{\"a\":18446744073709551617}",
	"{\"a\":100000000000000000000000}",
	"{\"a\":nul}",
	"{\"a\":nulll}",
	"{\"a\":null1}",
	"{\"a\":True}",
	"{\"a\":NaN}",
	"{\"a\":Infinity}",
	"{\"a\":\"\n\"}",
	"{\"a\":\"\t\"}",
	"{\"a\":\"\x1f\"}",
	"{\"a\":\"\\x\"}",
	"{\"a\":\"\\\"}",
	"{\"a\":\"\\",
	"{\"a\":\"\\u",
	"{\"a\":\"\\u12\"}",
	"{\"a\":\"\\u12g4\"}",
	"{\"a\":\"\\U0041\"}",
	"{\"a\":\"\\u0000\"}",
	"{\"a\":\"\\ud800\"}",
	"{\"a\":\"\\ud800x\"}",
	"{\"a\":\"\\ud800\\n\"}",
	"{\"a\":\"\\ud800\\u0041\"}",
	"{\"a\":\"\\ud800\\ud800\"}",
	"{\"a\":\"\\udc00\"}",
	"{\"a\":\"\\udc00\\ud800\"}",
	"{\"a\":\"\\ud800\\u",
	"{\"\\u0000\":1}",
	"{\"a\":[\"\\u0000\"]}",
	"{\"a\":{\"\\u0000\":1}}",
	"{\"a\":\"\x80\"}",
	"{\"a\":\"\xc0\x80\"}",
	"{\"a\":\"\xc1\xbf\"}",
	"{\"a\":\"\xc3\"}",
	"{\"a\":\"\xc3",
	"{\"a\":\"\xe0\x9f\xbf\"}",
	"{\"a\":\"\xed\xa0\x80\"}",
	"{\"a\":\"\xe2\x82\"}",
	"{\"a\":\"\xf0\x8f\xbf\xbf\"}",
	"{\"a\":\"\xf4\x90\x80\x80\"}",
	"{\"a\":\"\xf5\x80\x80\x80\"}",
	"{\"a\":\"\xff\"}",
	"{\"a\":\"\xfe\"}",
	"{\"a\":1\xc3\xa9}",
	"{\"a\":1,\xa0\"b\":2}",
	"\xef\xbb\xbf{}",
	"{\"a\":[}",
	"{\"a\":[1,]}",
	"{\"a\":[,1]}",
	"{\"a\":[1 2]}",
	"{\"a\":[1",
	"{\"a\":[",
	"{\"a\":{\"b\"}}",
	"{\"a\":{\"b\":1,}}",
	"{\"a\":{1:2}}",
	"{\"a\":{\"b\":1]}",
	"{\"a\":1}\f",
	"{\v}",
	"/**/{}",
	"{\"a\":1}//",
};

static void test_table(void **state)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!compare(good[i], strlen(good[i]))) {
			fprintf(stderr, "# %s\n", good[i]);
			fail();
		}
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (compare(bad[i], strlen(bad[i]))) {
			fprintf(stderr, "# %s\n", bad[i]);
			fail();
		}
	}
}

/* Every beginning of a good text, and every text with one octet changed, as jansson sees it. */
static void test_cut_and_changed(void **state)
{
	static const char others[] = "\"\\{}[]:, 0-e\n\x80\xe2u";
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t n = strlen(good[i]);
		char copy[256];
		assert_true(n < sizeof(copy));
		for (size_t at = 0; at < n; at++) {
			compare(good[i], at);
			for (size_t k = 0; k < sizeof(others) - 1; k++) {
				memcpy(copy, good[i], n);
				copy[at] = others[k];
				compare(copy, n);
			}
		}
	}
}

/* A quote, a backslash or an accent at every offset of a block of 16. */
static void test_alignment(void **state)
{
	static const char *const specials[] = {"", "\\\"", "\\u00e9", "\xc3\xa9", "\x01", "\x80"};
	for (size_t s = 0; s < sizeof(specials) / sizeof(specials[0]); s++) {
		for (int before = 0; before < 40; before++) {
			for (int after = 0; after < 20; after++) {
				char text[128];
				int n = snprintf(
					text, sizeof(text), "{\"k\":\"%.*s%s%.*s\"}", before,
					"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz",
					specials[s], after, "abcdefghijklmnopqrstuvwxyz");
				bool taken = compare(text, (size_t)n);
				assert_int_equal(taken, s < 4);
			}
		}
	}
}

static void test_members(void **state)
{
	static const char text[] =
		"{\"a\": \"x\\ty\", \"a\": -5, \"l\" : [ 1 , \"z\" ] , \"o\":{\"a\":[]} }";
	struct json j;
	struct json_value key, v;
	assert_int_equal(json_begin(&j, bytes_str(text)), 0);
	assert_int_equal(json_next(&j, &key, &v), 1);
	assert_true(bytes_eq(key.raw, bytes_str("a")));
	assert_false(key.escaped);
	assert_int_equal(v.kind, JSON_KIND_STRING);
	assert_true(v.escaped);
	assert_true(bytes_eq(v.raw, bytes_str("x\\ty")));
	assert_int_equal(json_next(&j, &key, &v), 1);
	assert_int_equal(v.kind, JSON_KIND_INTEGER);
	assert_int_equal(v.integer, -5);
	assert_true(bytes_eq(v.raw, bytes_str("-5")));
	assert_int_equal(json_next(&j, &key, &v), 1);
	assert_int_equal(v.kind, JSON_KIND_ARRAY);
	assert_true(bytes_eq(v.raw, bytes_str("[ 1 , \"z\" ]")));
	struct json inner;
	struct json_value element;
	json_begin_array(&inner, &v);
	assert_int_equal(json_next_element(&inner, &element), 1);
	assert_int_equal(element.integer, 1);
	assert_int_equal(json_next_element(&inner, &element), 1);
	assert_true(bytes_eq(element.raw, bytes_str("z")));
	assert_int_equal(json_next_element(&inner, &element), 0);
	assert_int_equal(json_next_element(&inner, &element), 0);
	assert_int_equal(json_next(&j, &key, &v), 1);
	assert_int_equal(v.kind, JSON_KIND_OBJECT);
	assert_true(bytes_eq(v.raw, bytes_str("{\"a\":[]}")));
	assert_int_equal(json_next(&j, &key, &v), 0);
	assert_int_equal(json_next(&j, &key, &v), 0);
}

static void test_reason(void **state)
{
	struct json j;
	struct json_value key, v;
	assert_int_equal(json_begin(&j, bytes_str(" [1]")), ERR_SYNTAX);
	assert_string_equal(j.reason, "not an object");
	assert_int_equal(json_offset(&j), 1);
	assert_int_equal(json_begin(&j, bytes_str("{\"a\":\"b")), 0);
	assert_int_equal(json_next(&j, &key, &v), ERR_SYNTAX);
	assert_string_equal(j.reason, "a string is cut off");
	assert_int_equal(json_offset(&j), 7);
	/* What follows the object spoils its last member too. */
	assert_int_equal(json_begin(&j, bytes_str("{\"a\":1} {")), 0);
	assert_int_equal(json_next(&j, &key, &v), ERR_SYNTAX);
	assert_string_equal(j.reason, "something follows the object");
	assert_int_equal(json_begin(&j, bytes_of(NULL, 0)), ERR_SYNTAX);
}

static bool takes_depth(int depth)
{
	char text[1024];
	int n = snprintf(text, sizeof(text), "{\"a\":");
	for (int i = 1; i < depth; i++)
		text[n++] = '[';
	for (int i = 1; i < depth; i++)
		text[n++] = ']';
	text[n++] = '}';
	struct json j;
	struct json_value key, v;
	assert_int_equal(json_begin(&j, bytes_of(text, (size_t)n)), 0);
	return json_next(&j, &key, &v) == 1;
}

static void test_depth(void **state)
{
	assert_true(takes_depth(1 + 1));
	assert_true(takes_depth(JSON_DEPTH_MAX));
	assert_false(takes_depth(JSON_DEPTH_MAX + 1));
	assert_false(takes_depth(500));
}

/* jansson steps over a NUL behind a number; we do not. */
static void test_nul(void **state)
{
	static const char *const texts[] = {"{\"a\":1.}", "{\"a\":null.}", "{.}", "{\"a\":\".\"}",
					    "{\"a\":1}."};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char copy[32];
		size_t n = strlen(texts[i]);
		memcpy(copy, texts[i], n);
		*(char *)memchr(copy, '.', n) = '\0';
		struct json j;
		struct json_value key, v;
		int rc = json_begin(&j, bytes_of(copy, n));
		while (rc >= 0 && (rc = json_next(&j, &key, &v)) == 1)
			;
		assert_int_equal(rc, ERR_SYNTAX);
	}
}

static void test_number(void **state)
{
	struct json_value v;
	assert_true(json_number(bytes_str("1696798385"), &v));
	assert_int_equal(v.integer, 1696798385);
	assert_true(json_number(bytes_str("1.5e9"), &v));
	assert_int_equal(v.kind, JSON_KIND_REAL);
	assert_false(json_number(bytes_str(""), &v));
	assert_false(json_number(bytes_str("-"), &v));
	assert_false(json_number(bytes_str("1 "), &v));
	assert_false(json_number(bytes_str(" 1"), &v));
	assert_false(json_number(bytes_str("x"), &v));
	assert_false(json_number(bytes_str("true"), &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),     cmocka_unit_test(test_cut_and_changed),
		cmocka_unit_test(test_alignment), cmocka_unit_test(test_members),
		cmocka_unit_test(test_reason),    cmocka_unit_test(test_depth),
		cmocka_unit_test(test_nul),       cmocka_unit_test(test_number),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
