/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The COF reader: every rule of ingest/cof.h, and that runs may be cut anywhere. */
#include "ingest/cof.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/reader.h"

/* What the sink got, as text:
 *	OWNER TYPE RDATA COUNT FIRST-LAST [zone FIRST-LAST] [sensor=…] [bailiwick=…]
 *	LINE: REASON
 * Wire forms are printed with . for octets below 0x21, opaque rdata in single quotes. */
struct log {
	struct buffer text;
	unsigned observed;
	unsigned rejected;
	unsigned stop_at; /* the number of the call that answers 7; 0: none */
};

static void put_printable(struct buffer *b, struct bytes s)
{
	for (size_t i = 0; i < s.n; i++)
		buffer_put_byte(b, s.p[i] < 0x21 ? '.' : s.p[i]);
}

static int log_answer(const struct log *l)
{
	return l->stop_at == l->observed + l->rejected ? 7 : 0;
}

static int log_observe(void *ctx, const struct observation *o)
{
	struct log *l = ctx;
	const struct seen *s = &o->seen;
	l->observed++;
	put_printable(&l->text, o->owner);
	buffer_putf(&l->text, " %u ", o->rrtype);
	if (o->form == RDATA_OPAQUE) {
		buffer_putf(&l->text, "'%.*s'", (int)o->rdata.n, (const char *)o->rdata.p);
	} else if (o->rrtype == 1) {
		assert_int_equal(o->rdata.n, 4);
		buffer_putf(&l->text, "%u.%u.%u.%u", o->rdata.p[0], o->rdata.p[1], o->rdata.p[2],
			    o->rdata.p[3]);
	} else {
		put_printable(&l->text, o->rdata);
	}
	buffer_putf(&l->text, " %" PRIu64, s->count);
	if (s->count)
		buffer_putf(&l->text, " %" PRIu64 "-%" PRIu64, s->first_s, s->last_s);
	if (s->zone_last_s)
		buffer_putf(&l->text, " zone %" PRIu64 "-%" PRIu64, s->zone_first_s,
			    s->zone_last_s);
	if (s->sensor_id.n)
		buffer_putf(&l->text, " sensor=%.*s", (int)s->sensor_id.n,
			    (const char *)s->sensor_id.p);
	if (s->bailiwick.n)
		buffer_putf(&l->text, " bailiwick=%.*s", (int)s->bailiwick.n,
			    (const char *)s->bailiwick.p);
	buffer_put_byte(&l->text, '\n');
	return log_answer(l);
}

static int log_reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct log *l = ctx;
	l->rejected++;
	assert_true(input.n > 0 && input.n <= LINE_MAX_BYTES);
	buffer_putf(&l->text, "%" PRIu64 ": %s\n", place, reason);
	return log_answer(l);
}

static void log_release(struct log *l)
{
	buffer_release(&l->text);
}

/* Feeds text in runs of step octets, each alone on the heap. Returns the reader's answer. */
static int feed(struct reader *r, struct bytes text, size_t step, struct log *l)
{
	struct sink sink = {.observe = log_observe, .reject = log_reject, .ctx = l};
	int rc = 0;
	for (size_t at = 0; at < text.n && rc == 0; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;
		uint8_t *run = malloc(n);
		memcpy(run, text.p + at, n);
		rc = cof_format.feed(r, bytes_of(run, n), &sink);
		free(run);
	}
	return rc == 0 ? cof_format.finish(r, &sink) : rc;
}

static void read_text(struct bytes text, size_t step, struct log *l)
{
	struct reader *r = cof_format.open(NULL, NULL);
	uint64_t bytes, lines, lf = 0;
	assert_int_equal(feed(r, text, step, l), 0);
	cof_format.position(r, &bytes, &lines);
	for (size_t i = 0; i < text.n; i++)
		lf += text.p[i] == '\n' || i == text.n - 1;
	assert_int_equal(bytes, text.n);
	assert_int_equal(lines, lf);
	cof_format.close(r);
}

/* Reads text, in several runs, and compares with what the sink should get. */
static void expect(const char *text, const char *want)
{
	static const size_t steps[] = {1 << 20, 1, 2, 3, 7, 4096};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct log l = {.text = BUFFER_INIT};
		read_text(bytes_str(text), steps[i], &l);
		buffer_put_byte(&l.text, '\0');
		assert_string_equal((char *)l.text.p, want);
		log_release(&l);
	}
}

#define A "\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\""
#define T "\"time_first\":5,\"time_last\":9"
#define SEEN ".a.b. 1 192.0.2.1 1 5-9"

static void test_plain(void **state)
{
	expect("", "");
	expect("{" A "," T "}\n", SEEN "\n");
	expect("{" A "," T "}", SEEN "\n");
	expect("{" A "," T ",\"count\":3}\r\n\r\n \t\n{" A "," T "}\r\n",
	       ".a.b. 1 192.0.2.1 3 5-9\n" SEEN "\n");
	expect("\xef\xbb\xbf{" A "," T "}\n", SEEN "\n");
	expect("\xef\xbb\xbf\n{" A "," T "}\n", SEEN "\n");
	expect("\n\xef\xbb\xbf{" A "," T "}\n", "2: bad JSON at octet 1: not an object\n");
	expect("{\"rrname\":\"A.B.\",\"rrtype\":\"cname\",\"rdata\":\"C.D.\"," T "}\n",
	       ".a.b. 5 .c.d. 1 5-9\n");
	expect("{\"rrname\":\".\",\"rrtype\":\"NS\",\"rdata\":\"c\"," T "}\n", ". 2 .c. 1 5-9\n");
	expect("{" A "," T ",\"origin\":\"http://x\",\"meta\":{\"time_first\":[1,{}]},\"x\":null,"
	       "\"time_first_rfc3339\":\"2020-01-01\"}\n",
	       SEEN "\n");
}

static void test_names(void **state)
{
	/* octets above 127 as they are; escapes in keys and values */
	expect("{\"rrname\":\"\xc3\xa9.b\",\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n",
	       ".\xc3\xa9.b. 1 192.0.2.1 1 5-9\n");
	expect("{\"rr\\u006eame\":\"\\u00e9.\\u0062\",\"rrtype\":\"\\u0041\","
	       "\"rdata\":\"192.0.2\\u002e1\"," T ",\"sensor_id\":\"s\\t1\","
	       "\"bailiwick\":\"\\u0062\"}\n",
	       ".\xc3\xa9.b. 1 192.0.2.1 1 5-9 sensor=s\t1 bailiwick=b\n");
	expect("{\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n", "1: rrname is missing\n");
	expect("{\"rrname\":null,\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n",
	       "1: rrname is missing\n");
	expect("{\"rrname\":5,\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n",
	       "1: rrname is not a string\n");
	expect("{\"rrname\":[\"a\"],\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n",
	       "1: rrname is not a string\n");
	expect("{\"rrname\":\"\",\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n",
	       "1: rrname is empty\n");
	expect("{\"rrname\":\"a..b\",\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\"," T "}\n",
	       "1: rrname: empty label or bad escape\n");
}

static void test_long_names(void **state)
{
	struct buffer b = BUFFER_INIT;
	char label[65];
	memset(label, 'x', 64);
	label[64] = '\0';
	buffer_putf(&b, "{\"rrname\":\"%s.a\",\"rrtype\":1,\"rdata\":\"192.0.2.1\"," T "}\n",
		    label);
	buffer_putf(&b, "{\"rrname\":\"%.62s\\\\046%s\",\"rrtype\":1,\"rdata\":\"1\"," T "}\n",
		    label, ".x");
	buffer_put_str(&b, "{\"rrname\":\"");
	for (int i = 0; i < 5; i++)
		buffer_putf(&b, "%.62s\\\\..", label);
	buffer_put_str(&b, "\",\"rrtype\":1,\"rdata\":\"192.0.2.1\"," T "}\n");
	buffer_put_byte(&b, '\0');
	char want[256];
	snprintf(want, sizeof(want),
		 "1: rrname: label over 63 octets\n"
		 "?%.62s..x. 1 '1' 1 5-9\n"
		 "3: rrname: name over 255 octets\n",
		 label);
	*strchr(want, '?') = 63;
	expect((char *)b.p, want);
	buffer_release(&b);
}

static void test_types(void **state)
{
	static const char line[] =
		"{\"rrname\":\"a.b\",\"rrtype\":%s,\"rdata\":\"192.0.2.1\"," T "}\n";
	static const struct {
		const char *type, *want;
	} cases[] = {
		{"1", SEEN "\n"},
		{"\"a\"", SEEN "\n"},
		{"\"1\"", SEEN "\n"},
		{"\"TYPE1\"", SEEN "\n"},
		{"\"type1\"", SEEN "\n"},
		{"1.0", SEEN "\n"},
		{"65280", ".a.b. 65280 '192.0.2.1' 1 5-9\n"},
		{"\"FOO\"", "1: rrtype \"FOO\" is unknown\n"},
		{"\"F\\u00e9\\n\"", "1: rrtype \"F\?\?\?\" is unknown\n"},
		{"\"TYPE65536\"", "1: rrtype \"TYPE65536\" is unknown\n"},
		{"\"\"", "1: rrtype \"\" is unknown\n"},
		{"65536", "1: rrtype 65536 is unknown\n"},
		{"-1", "1: rrtype -1 is unknown\n"},
		{"1e99", "1: rrtype 1e99 is unknown\n"},
		{"true", "1: rrtype true is unknown\n"},
		{"[1]", "1: rrtype [1] is unknown\n"},
		{"null", "1: rrtype is missing\n"},
		{"\"ANY\"", "1: rrtype ANY is not the type of a record\n"},
		{"255", "1: rrtype 255 is not the type of a record\n"},
		{"41", "1: rrtype 41 is not the type of a record\n"},
		{"0", "1: rrtype 0 is not the type of a record\n"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer b = BUFFER_INIT;
		const char *at = strstr(line, "%s");
		buffer_put(&b, line, (size_t)(at - line));
		buffer_put_str(&b, cases[i].type);
		buffer_put(&b, at + 2, strlen(at + 2) + 1);
		expect((char *)b.p, cases[i].want);
		buffer_release(&b);
	}
	expect("{\"rrname\":\"a.b\",\"rdata\":\"192.0.2.1\"," T "}\n", "1: rrtype is missing\n");
}

static void test_classes(void **state)
{
	expect("{" A "," T ",\"rrclass\":\"IN\"}\n{" A "," T ",\"class\":\"in\"}\n{" A "," T
	       ",\"rrclass\":1}\n{" A "," T ",\"rrclass\":\"1\",\"class\":null}\n",
	       SEEN "\n" SEEN "\n" SEEN "\n" SEEN "\n");
	expect("{" A "," T ",\"class\":\"CH\"}\n{" A "," T ",\"rrclass\":3}\n{" A "," T
	       ",\"rrclass\":\"IN\",\"class\":\"HESIOD-LIKE\"}\n{" A "," T ",\"class\":\"\"}\n",
	       "1: class CH is not IN\n2: class 3 is not IN\n3: class HESIOD-LIKE is not IN\n"
	       "4: class  is not IN\n");
}

static void test_rdata(void **state)
{
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":[\"192.0.2.1\",\"192.0.2.2\"]," T
	       ",\"count\":4}\n",
	       ".a.b. 1 192.0.2.1 4 5-9\n.a.b. 1 192.0.2.2 4 5-9\n");
	/* a bad element costs itself, and is told once */
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":[\"192.0.2.1\",5,\"\",null,"
	       "\"192.0.2.2\"]," T "}\n",
	       ".a.b. 1 192.0.2.1 1 5-9\n.a.b. 1 192.0.2.2 1 5-9\n1: rdata is not a string\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":[]," T "}\n", "1: rdata is empty\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":\"\"," T "}\n",
	       "1: rdata is empty\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":5," T "}\n",
	       "1: rdata is not a string\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":{}," T "}\n",
	       "1: rdata is not a string\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\"," T "}\n", "1: rdata is missing\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":null," T "}\n",
	       "1: rdata is missing\n");
	/* what is not of its type is kept, octet for octet */
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":[\" 1.2.3 \",\"X\\u00e9\\ny\"]," T
	       "}\n",
	       ".a.b. 1 ' 1.2.3 ' 1 5-9\n.a.b. 1 'X\xc3\xa9\ny' 1 5-9\n");
}

static void test_long_rdata(void **state)
{
	struct log l = {.text = BUFFER_INIT};
	struct buffer b = BUFFER_INIT;
	for (size_t n = RDATA_MAX; n <= RDATA_MAX + 1; n++) {
		buffer_put_str(&b, "{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":\"");
		memset(buffer_reserve(&b, n), 'x', n);
		b.n += n;
		buffer_put_str(&b, "\"," T "}\n");
	}
	buffer_put_str(&b, "{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":[");
	for (int i = 0; i < RDATA_ARRAY_MAX; i++)
		buffer_put_str(&b, "\"192.0.2.1\",");
	buffer_put_str(&b, "\"192.0.2.2\"]," T "}\n");
	read_text(buffer_bytes(&b), 4096, &l);
	assert_int_equal(l.observed, 1 + RDATA_ARRAY_MAX);
	assert_int_equal(l.rejected, 2);
	buffer_put_byte(&l.text, '\0');
	assert_non_null(strstr((char *)l.text.p, "\n2: rdata is over 65535 octets\n"));
	assert_non_null(strstr((char *)l.text.p, "\n3: rdata has over 10000 elements\n"));
	buffer_release(&b);
	log_release(&l);
}

/* Times and counts: the members of a line, and COUNT TIMES or the reason. */
static void test_numbers(void **state)
{
	static const struct {
		const char *members, *want;
	} cases[] = {
		{"\"time_first\":\"1696798385\",\"time_last\":\"1696798390\",\"count\":\"12\"",
		 "12 1696798385-1696798390"},
		{"\"time_first\":5.9,\"time_last\":9.1,\"count\":2.999", "2 5-9"},
		{"\"time_first\":\"1.5e9\",\"time_last\":\"1600000000.25\"",
		 "1 1500000000-1600000000"},
		{"\"time_first\":1.5e9,\"time_last\":1.6E+9", "1 1500000000-1600000000"},
		{"\"time_first\":\"0005\",\"time_last\":\"0\"", "1 5-5"},
		{"\"time_first\":5", "1 5-5"},
		{"\"time_last\":9", "1 9-9"},
		{"\"time_first\":null,\"time_last\":9", "1 9-9"},
		{"\"time_first\":5,\"time_last\":0", "1 5-5"},
		{"\"time_first\":0,\"time_last\":9", "1 9-9"},
		{"\"time_first\":9,\"time_last\":5", "1 5-9"},
		{"\"time_first\":5,\"time_last\":9,\"count\":0", "1 5-9"},
		{"\"time_first\":5,\"time_last\":9,\"count\":null", "1 5-9"},
		{"\"time_first\":5,\"time_last\":9,\"count\":-0.5", "1 5-9"},
		{"\"time_first\":253402300799,\"time_last\":253402300799,"
		 "\"count\":4611686018427387904",
		 "4611686018427387904 253402300799-253402300799"},
		{"\"time_first_ms\":5999,\"time_last_ms\":\"9000\"", "1 5-9"},
		{"\"time_first_ms\":5999,\"time_first\":4,\"time_last_ms\":9000", "1 4-9"},
		{"\"time_last_ms\":9999", "1 9-9"},
		{"\"zone_time_first\":3,\"zone_time_last\":4", "0 zone 3-4"},
		{"\"zone_time_first\":3", "0 zone 3-3"},
		{"\"zone_time_last\":4,\"zone_time_first\":7", "0 zone 4-7"},
		{"\"zone_time_first\":3,\"zone_time_last\":4,\"count\":6", "0 zone 3-4"},
		{"\"time_first\":5,\"zone_time_first\":3,\"count\":6", "6 5-5 zone 3-3"},
		{"\"time_first\":5,\"zone_time_first\":0,\"zone_time_last\":0", "1 5-5"},
		{"\"time_first\":1,\"time_first\":5,\"time_last\":9", "1 5-9"},
		{"\"time_first\":\"x\",\"time_first\":5,\"time_last\":9", "1 5-9"},
		{"\"time_first\":5,\"time_last\":9,\"time_last\":null", "1 5-5"},
		{"\"time_first\":5,\"sensor_id\":\"s1\",\"bailiwick\":\"b.\"",
		 "1 5-5 sensor=s1 bailiwick=b"},
		{"\"time_first\":5,\"sensor_id\":42,\"bailiwick\":[]", "1 5-5 sensor=42"},
		{"\"time_first\":5,\"sensor_id\":\"\"", "1 5-5"},
		{"\"x\":1", "!time_first and time_last are missing"},
		{"\"time_last\":0", "!time_first and time_last are missing"},
		{"\"zone_time_first\":0", "!time_first and time_last are missing"},
		{"\"time_first\":-1", "!time_first is negative"},
		{"\"time_first\":-1.5", "!time_first is negative"},
		{"\"time_first\":\"-7\"", "!time_first is negative"},
		{"\"time_first\":253402300800", "!time_first is over 253402300799"},
		{"\"time_first\":1e300", "!time_first is over 253402300799"},
		{"\"time_first\":1696798385000000", "!time_first is over 253402300799"},
		{"\"time_first\":5,\"time_last\":true", "!time_last is not a number"},
		{"\"time_first\":5,\"time_last\":\"\"", "!time_last is not a number"},
		{"\"time_first\":5,\"time_last\":\"9x\"", "!time_last is not a number"},
		{"\"time_first\":5,\"time_last\":\"2020-01-01\"", "!time_last is not a number"},
		{"\"time_first\":5,\"time_last\":[9]", "!time_last is not a number"},
		{"\"time_first\":5,\"count\":-1", "!count is negative"},
		{"\"time_first\":5,\"count\":9223372036854775808",
		 "!bad JSON at octet 73: an integer of more than 64 bits"},
		{"\"time_first_ms\":253402300800000", "!time_first_ms is over 253402300799999"},
		{"\"zone_time_first\":-3,\"time_first\":5", "!zone_time_first is negative"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer line = BUFFER_INIT, want = BUFFER_INIT;
		buffer_putf(&line, "{" A ",%s}\n", cases[i].members);
		if (cases[i].want[0] == '!')
			buffer_putf(&want, "1: %s\n", cases[i].want + 1);
		else
			buffer_putf(&want, ".a.b. 1 192.0.2.1 %s\n", cases[i].want);
		buffer_put_byte(&line, '\0');
		buffer_put_byte(&want, '\0');
		expect((char *)line.p, (char *)want.p);
		buffer_release(&line);
		buffer_release(&want);
	}
}

static void test_long_members(void **state)
{
	struct log l = {.text = BUFFER_INIT};
	struct buffer b = BUFFER_INIT;
	for (int n = MEMBER_MAX; n <= MEMBER_MAX + 1; n++) {
		buffer_put_str(&b, "{" A "," T ",\"sensor_id\":\"");
		for (int i = 0; i < n; i++)
			buffer_put_str(&b, "\\u0078");
		buffer_put_str(&b, "\"}\n");
	}
	read_text(buffer_bytes(&b), 100, &l);
	assert_int_equal(l.observed, 1);
	buffer_put_byte(&l.text, '\0');
	assert_non_null(strstr((char *)l.text.p, "\n2: sensor_id is over 255 octets\n"));
	buffer_release(&b);
	log_release(&l);
}

/* A bad line costs itself. */
static void test_neighbours(void **state)
{
	expect("{" A "," T "}\n{" A "," T "\n[]\nrubbish\n{}\n{" A "," T "} {}\n{" A "," T
	       "}\n\"cut",
	       SEEN "\n"
		    "2: bad JSON at octet 78: the text is cut off\n"
		    "3: bad JSON at octet 1: not an object\n"
		    "4: bad JSON at octet 1: not an object\n"
		    "5: rrname is missing\n"
		    "6: bad JSON at octet 80: something follows the object\n" SEEN "\n"
		    "8: bad JSON at octet 1: not an object\n");
}

static void test_long_lines(void **state)
{
	static const size_t steps[] = {1 << 24, 1000, 65536, 1048577};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct log l = {.text = BUFFER_INIT};
		struct buffer b = BUFFER_INIT;
		/* one as long as allowed, one octet more, much more, and one at the end */
		const size_t sizes[] = {LINE_MAX_BYTES, LINE_MAX_BYTES + 1, 3 * LINE_MAX_BYTES};
		for (size_t k = 0; k < 3; k++) {
			size_t start = b.n;
			buffer_put_str(&b, "{" A "," T ",\"x\":\"");
			size_t n = sizes[k] - (b.n - start) - 2;
			memset(buffer_reserve(&b, n), 'x', n);
			b.n += n;
			buffer_put_str(&b, "\"}");
			assert_int_equal(b.n - start, sizes[k]);
			buffer_put_str(&b, "\n{" A "," T "}\n");
		}
		memset(buffer_reserve(&b, 2 << 20), ' ', 2 << 20);
		b.n += 2 << 20;
		read_text(buffer_bytes(&b), steps[i], &l);
		buffer_put_byte(&l.text, '\0');
		assert_string_equal((char *)l.text.p,
				    SEEN "\n" SEEN "\n3: the line is over 1048576 octets\n" SEEN
					 "\n5: the line is over 1048576 octets\n" SEEN
					 "\n7: the line is over 1048576 octets\n");
		buffer_release(&b);
		log_release(&l);
	}
}

/* Stop after some lines, go on with a new reader at that place: nothing is lost or repeated. */
static void test_resume(void **state)
{
	static const char text[] =
		"\xef\xbb\xbf{" A "," T "}\nbad\n\n{" A "," T "}\r\nbad\n{" A "," T "}";
	static const char want[] = SEEN "\n2: bad JSON at octet 1: not an object\n" SEEN
					"\n5: bad JSON at octet 1: not an object\n" SEEN "\n";
	for (size_t cut = 0; cut <= sizeof(text) - 1; cut++) {
		struct log l = {.text = BUFFER_INIT};
		struct sink sink = {.observe = log_observe, .reject = log_reject, .ctx = &l};
		uint64_t bytes, lines;
		struct reader *r = cof_format.open(NULL, NULL);
		assert_int_equal(cof_format.feed(r, bytes_of(text, cut), &sink), 0);
		cof_format.position(r, &bytes, &lines);
		assert_true(bytes <= cut);
		assert_true(bytes == 0 || text[bytes - 1] == '\n');
		cof_format.close(r);
		r = cof_format.open(NULL, NULL);
		cof_format.resume(r, bytes, lines);
		assert_int_equal(feed(r, bytes_of(text + bytes, sizeof(text) - 1 - bytes), 5, &l),
				 0);
		cof_format.position(r, &bytes, &lines);
		assert_int_equal(bytes, sizeof(text) - 1);
		assert_int_equal(lines, 6);
		cof_format.close(r);
		buffer_put_byte(&l.text, '\0');
		assert_string_equal((char *)l.text.p, want);
		log_release(&l);
	}
}

/* The sink's answer ends reading, and the line it was about is not passed. */
static void test_stop(void **state)
{
	static const char text[] = "{" A "," T "}\nbad\n{" A "," T "}\n{" A "," T "}";
	for (unsigned stop = 1; stop <= 4; stop++) {
		struct log l = {.text = BUFFER_INIT, .stop_at = stop};
		struct reader *r = cof_format.open(NULL, NULL);
		uint64_t bytes, lines;
		assert_int_equal(feed(r, bytes_str(text), 1 << 20, &l), 7);
		assert_int_equal(l.observed + l.rejected, stop);
		cof_format.position(r, &bytes, &lines);
		assert_int_equal(lines, stop - 1);
		cof_format.close(r);
		log_release(&l);
	}
	cof_format.close(NULL);
}

static bool recognises(const char *head)
{
	return cof_format.recognises(bytes_str(head));
}

#define ROW(name)                                                                                  \
	"{\"obj\":{\"count\":4,\"time_first\":5,\"time_last\":9,\"rrname\":\"" name                \
	".\",\"rrtype\":\"A\","                                                                    \
	"\"bailiwick\":\"b.\",\"rdata\":[\"192.0.2.1\",\"192.0.2.2\"]}}\n"
#define ROW_SEEN(name)                                                                             \
	"." name ". 1 192.0.2.1 4 5-9 bailiwick=b\n." name ". 1 192.0.2.2 4 5-9 bailiwick=b\n"
#define BEGIN "{\"cond\":\"begin\"}\n"
#define SUCCEEDED "{\"cond\":\"succeeded\"}\n"
#define CUT(line)                                                                                  \
	"the answer that began in line " line " was cut off: nothing says that it succeeded\n"

/* The rows of DNSDB's interface, and their framing. */
static void test_dnsdb(void **state)
{
	(void)state;
	expect(BEGIN ROW("a") "{}\n{\"cond\":\"ongoing\"}\n{\"obj\":{\"count\":9,\"zone_time_"
			      "first\":7,\"zone_time_last\":8,"
			      "\"rrname\":\"z.\",\"rrtype\":\"A\",\"bailiwick\":\".\",\"rdata\":["
			      "\"192.0.2.1\"]}}\n" SUCCEEDED BEGIN SUCCEEDED,
	       ROW_SEEN("a") ".z. 1 192.0.2.1 0 zone 7-8 bailiwick=.\n");
	expect(BEGIN ROW("a"), ROW_SEEN("a") "2: " CUT("1"));
	expect(ROW("a") ROW("b"), ROW_SEEN("a") ROW_SEEN("b") "2: " CUT("1"));
	expect(ROW("a") SUCCEEDED ROW("b") SUCCEEDED, ROW_SEEN("a") ROW_SEEN("b"));
	expect(BEGIN BEGIN ROW("a") SUCCEEDED, "2: " CUT("1") ROW_SEEN("a"));
	expect(BEGIN "{\"cond\":\"limited\",\"msg\":\"Result limit reached\"}\n",
	       "2: the answer is not complete: Result limit reached\n");
	expect(BEGIN ROW("a") "{\"cond\":\"failed\"}\n",
	       ROW_SEEN("a") "3: the answer failed: no reason is given\n");
	expect("{\"cond\":\"failed\",\"msg\":7}\n{\"cond\":\"x\"}\n{\"cond\":1}\n{\"obj\":[]}\n{}"
	       "\n{\"obj\":null}\n",
	       "1: the answer failed: no reason is given\n2: cond is unknown\n3: cond is "
	       "unknown\n4: obj is not an object\n"
	       "5: rrname is missing\n6: rrname is missing\n");
	expect(BEGIN "{\"obj\":{\"rrname\":\"a.\"}}\n{\"obj\":{\"obj\":{}}}\n{\"cond\":\"ongoing\","
		     "\"obj\":{" A "," T "}}\n" SUCCEEDED,
	       "2: rrtype is missing\n3: rrname is missing\n" SEEN "\n");
	/* members of a record that are called so mean nothing */
	expect("{" A "," T ",\"obj\":{},\"cond\":\"begin\",\"msg\":1}\n", SEEN "\n");
	expect("{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"raw_rdata\":\"C0000201\"," T "}\n"
	       "{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"raw_rdata\":[\"c0000201\",\"c00002\","
	       "\"c0000201\",\"\"]," T "}\n"
	       "{\"rrname\":\"a.b\",\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\",\"raw_rdata\":\"x\"," T
	       "}\n",
	       SEEN "\n" SEEN "\n" SEEN "\n2: raw_rdata is not data of its type\n" SEEN "\n");
	struct log l = {.text = BUFFER_INIT}; /* continued behind the first line */
	struct reader *r = cof_format.open(NULL, NULL);
	cof_format.resume(r, strlen(BEGIN), 1);
	assert_int_equal(feed(r, bytes_str(ROW("a")), 100, &l), 0);
	buffer_put_byte(&l.text, 0);
	assert_string_equal((char *)l.text.p, ROW_SEEN("a") "2: " CUT("2"));
	log_release(&l);
	cof_format.close(r);
	assert_true(cof_format.recognises(bytes_str(BEGIN SUCCEEDED)));
	assert_true(cof_format.recognises(bytes_str(ROW("a"))));
	assert_false(cof_format.recognises(bytes_str("{\"obj\":{\"x\":1}}\n")));
}

static void test_recognises(void **state)
{
	assert_true(recognises("{" A "," T "}\n"));
	assert_true(recognises("\xef\xbb\xbf\r\n {" A "," T "}"));
	assert_true(recognises("{broken\n{" A "," T "}\n{\"cut"));
	assert_true(recognises("{\"x\":1,\"rrname\":\"a.b\",\"rda"));
	assert_true(recognises("# a comment\n\n{" A "," T "}\n"));
	assert_true(recognises("ame\":\"cut.example\"}\n{" A "," T "}\n"));
	assert_true(recognises("{\"x\":1}\nnull\n[]\n{" A "}\n{\"cut"));
	assert_false(recognises("{\"x\":{" A "}}\n{\"rrname\":"));
	assert_false(recognises(""));
	assert_false(recognises(" \n"));
	assert_false(recognises("rrname,rrtype\n"));
	assert_false(recognises("[{" A "}]"));
	assert_false(recognises("{\"dns\":{" A "}}\n"));
	assert_false(recognises("{\"x\":"));
	assert_ptr_equal(reader_format_named("cof"), &cof_format);
	assert_null(reader_format_named("nonsense"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),        cmocka_unit_test(test_names),
		cmocka_unit_test(test_long_names),   cmocka_unit_test(test_types),
		cmocka_unit_test(test_classes),      cmocka_unit_test(test_rdata),
		cmocka_unit_test(test_long_rdata),   cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_long_members), cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_long_lines),   cmocka_unit_test(test_resume),
		cmocka_unit_test(test_stop),         cmocka_unit_test(test_recognises),
		cmocka_unit_test(test_dnsdb),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
