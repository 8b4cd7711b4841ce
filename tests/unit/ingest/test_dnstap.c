/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dnstap: every rule of ingest/dnstap.h, on frames made by hand, with runs cut anywhere. */
#include "ingest/dnstap.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

/* --- protobuf --- */

static void varint(struct buffer *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		buffer_put_byte(b, (uint8_t)(v | 0x80));
	buffer_put_byte(b, (uint8_t)v);
}

static void put_number(struct buffer *b, unsigned field, uint64_t v)
{
	varint(b, field << 3);
	varint(b, v);
}

static void put_octets(struct buffer *b, unsigned field, struct bytes octets)
{
	varint(b, field << 3 | 2);
	varint(b, octets.n);
	buffer_put_bytes(b, octets);
}

static void put_fixed32(struct buffer *b, unsigned field)
{
	varint(b, field << 3 | 5);
	buffer_put(b, "\1\2\3\4", 4);
}

/* www.example.com A 192.0.2.1, asked for in capitals, with an OPT. */
static const uint8_t response[] =
	"\1\2\x84\0\0\1\0\1\0\0\0\1\3WWW\7example\3com\0\0\1\0\1"
	"\xc0\14\0\1\0\1\0\0\1\54\0\4\300\0\2\1\0\0\x29\4\xd0\0\0\0\0\0\0";
#define RESPONSE bytes_of(response, sizeof(response) - 1)
#define ZONE bytes_of("\7EXAMPLE\3com", 13)
#define OBSERVED " www.example.com A 192.0.2.1 "

/* What is put into a message, each unless it is 0. */
struct made {
	unsigned type;
	uint64_t query_s, response_s;
	struct bytes zone, response;
	struct bytes identity;
	uint64_t action;
};

static void put_message(struct buffer *b, const struct made *m)
{
	static const uint8_t client[] = {10, 0, 0, 7};
	put_number(b, 1, m->type);
	put_number(b, 2, 1);
	put_number(b, 3, 1);
	put_octets(b, 4, bytes_of(client, 4));
	put_number(b, 6, 53535);
	if (m->query_s)
		put_number(b, 8, m->query_s);
	put_fixed32(b, 9);
	put_octets(b, 10, bytes_str("a question that nobody reads"));
	if (m->zone.p)
		put_octets(b, 11, m->zone);
	if (m->response_s)
		put_number(b, 12, m->response_s);
	put_fixed32(b, 13);
	if (m->response.p)
		put_octets(b, 14, m->response);
	if (m->action) {
		struct buffer policy = BUFFER_INIT;
		put_number(&policy, 1, 1);
		put_number(&policy, 3, m->action);
		put_octets(b, 15, buffer_bytes(&policy));
		buffer_release(&policy);
	}
	put_number(b, 16, 2);
	varint(b, 99 << 3 | 1); /* a field of the future, of 8 octets */
	buffer_put(b, "12345678", 8);
}

static void put_tap(struct buffer *b, const struct made *m)
{
	struct buffer message = BUFFER_INIT;
	put_message(&message, m);
	if (m->identity.p)
		put_octets(b, 1, m->identity);
	put_octets(b, 2, bytes_str("version"));
	put_number(b, 15, 1);
	put_octets(b, 14, buffer_bytes(&message));
	buffer_release(&message);
}

static void put_frame(struct buffer *b, const struct made *m)
{
	struct buffer tap = BUFFER_INIT;
	put_tap(&tap, m);
	frame_write(buffer_bytes(&tap), b);
	buffer_release(&tap);
}

static const struct made plain = {
	.type = 4, .response_s = 1700000000, .response = {response, sizeof(response) - 1}};

/* --- what the sink got, as text --- */

struct log {
	struct buffer text;
	unsigned calls, stop_at; /* the number of the call that answers 7; 0: none */
};

static int log_observe(void *ctx, const struct observation *o)
{
	struct log *l = ctx;
	assert_int_equal(o->seen.first_s, o->seen.last_s);
	assert_int_equal(o->seen.count, 1);
	assert_int_equal(o->seen.sensor_id.n, 0);
	buffer_put_byte(&l->text, ' ');
	dname_to_text(o->owner, &l->text);
	buffer_put_byte(&l->text, ' ');
	rrtype_to_text(o->rrtype, &l->text);
	buffer_put_byte(&l->text, ' ');
	rdata_to_text(o->rrtype, o->form, o->rdata, &l->text);
	buffer_putf(&l->text, " %" PRIu64 "\n", o->seen.first_s);
	return ++l->calls == l->stop_at ? 7 : 0;
}

static int log_reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct log *l = ctx;
	buffer_putf(&l->text, "%" PRIu64 ": %s", place, reason);
	if (input.n) /* a response, never more of the frame */
		buffer_putf(&l->text, " (%zu octets)", input.n);
	buffer_put_byte(&l->text, '\n');
	return ++l->calls == l->stop_at ? 7 : 0;
}

static void log_left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct log *l = ctx;
	buffer_putf(&l->text, "%s %u\n", left_out_name(why), (unsigned)n);
}

static void log_sensor(void *ctx, struct bytes id)
{
	struct log *l = ctx;
	if (id.n)
		buffer_putf(&l->text, "[%.*s]", (int)id.n, (const char *)id.p);
}

static int feed(struct reader *r, struct bytes text, size_t step, struct log *l)
{
	struct sink sink = {log_observe, log_reject, log_left_out, log_sensor, l};
	int rc = 0;
	for (size_t at = 0; at < text.n && rc == 0; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;
		uint8_t *run = malloc(n);
		memcpy(run, text.p + at, n);
		rc = dnstap_format.feed(r, bytes_of(run, n), &sink);
		free(run);
	}
	return rc == 0 ? dnstap_format.finish(r, &sink) : rc;
}

/* Releases text. */
static void expect(struct buffer *text, const char *want)
{
	static const size_t steps[] = {1 << 20, 1, 2, 3, 7, 4096};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct log l = {.text = BUFFER_INIT};
		struct reader *r = dnstap_format.open(NULL, NULL);
		assert_int_equal(feed(r, buffer_bytes(text), steps[i], &l), 0);
		dnstap_format.close(r);
		buffer_put_byte(&l.text, '\0');
		assert_string_equal((char *)l.text.p, want);
		buffer_release(&l.text);
	}
	buffer_release(text);
}

static void start(struct buffer *b)
{
	control_write(CONTROL_START, bytes_str(DNSTAP_CONTENT_TYPE), b);
}

static void stop(struct buffer *b)
{
	control_write(CONTROL_STOP, bytes_of(NULL, 0), b);
}

/* A file of one message. */
static void expect_of(struct made m, const char *want)
{
	struct buffer b = BUFFER_INIT;
	start(&b);
	put_frame(&b, &m);
	stop(&b);
	expect(&b, want);
}

/* A file of one frame with octets as they are. */
static void expect_octets(struct buffer *octets, const char *want)
{
	struct buffer b = BUFFER_INIT;
	start(&b);
	frame_write(buffer_bytes(octets), &b);
	stop(&b);
	buffer_release(octets);
	expect(&b, want);
}

static void test_types(void **state)
{
	struct made m = plain;
	for (m.type = 1; m.type <= 16; m.type++) {
		bool counts = m.type % 2 == 0 && m.type <= 12;
		expect_of(m, counts ? OBSERVED "1700000000\nmeta 1\n" : "question 1\n");
	}
	m.type = 0;
	expect_of(m, "2: a message without its type\n");
}

static void test_times(void **state)
{
	struct made m = plain;
	m.query_s = 1600000000;
	expect_of(m, OBSERVED "1700000000\nmeta 1\n");
	m.response_s = 0;
	expect_of(m, OBSERVED "1600000000\nmeta 1\n");
	m.query_s = 0;
	expect_of(m, "2: neither response_time_sec nor query_time_sec is there\n");
	m.response_s = TIME_MAX;
	expect_of(m, OBSERVED "253402300799\nmeta 1\n");
	m.response_s = TIME_MAX + 1;
	expect_of(m, "2: a time beyond the year 9999\n");
	m.response_s = UINT64_MAX;
	expect_of(m, "2: a time beyond the year 9999\n");
}

static void test_zone(void **state)
{
	struct made m = plain;
	m.zone = ZONE;
	expect_of(m, OBSERVED "1700000000\nmeta 1\n");
	m.zone = bytes_of("", 1);
	expect_of(m, OBSERVED "1700000000\nmeta 1\n");
	m.zone = bytes_of("", 0);
	expect_of(m, OBSERVED "1700000000\nmeta 1\n");
	m.zone = bytes_of("\3net", 5);
	expect_of(m, "meta 1\nbailiwick 1\n");
	m.zone = bytes_of("\3net", 4);
	expect_of(m, "2: query_zone is no name\n");
	m.zone = bytes_of("\3net\0", 6);
	expect_of(m, "2: query_zone is no name\n");
}

static void test_responses(void **state)
{
	struct made m = plain;
	m.response = bytes_of(NULL, 0);
	expect_of(m, "2: a response without response_message\n");
	m.response = bytes_of("", 0);
	expect_of(m, "2: a response without response_message\n");
	m.response = bytes_of(response, 11);
	expect_of(m, "2: the message is shorter than its head (11 octets)\n");
	m.response = bytes_of(response, sizeof(response) - 2);
	expect_of(m, "2: a record is cut off (59 octets)\n");
	m.response = RESPONSE;
	for (m.action = 1; m.action <= 6; m.action++)
		expect_of(m, m.action == 3 ? OBSERVED "1700000000\nmeta 1\n" : "policy 1\n");
}

static void test_sensors(void **state)
{
	char name[MEMBER_MAX + 10];
	struct made m = plain;
	struct buffer b = BUFFER_INIT, want = BUFFER_INIT;
	memset(name, 'x', sizeof(name));
	start(&b);
	m.identity = bytes_str("ns1");
	put_frame(&b, &m);
	m.identity = bytes_of(NULL, 0);
	put_frame(&b, &m);
	m.identity = bytes_of(name, sizeof(name));
	put_frame(&b, &m);
	buffer_put_str(&want,
		       "[ns1]" OBSERVED "1700000000\nmeta 1\n" OBSERVED "1700000000\nmeta 1\n");
	buffer_putf(&want, "[%.*s]" OBSERVED "1700000000\nmeta 1\n", MEMBER_MAX, name);
	buffer_put_byte(&want, '\0');
	expect(&b, (char *)want.p);
	buffer_release(&want);
}

static void test_protobuf(void **state)
{
	struct buffer b = BUFFER_INIT, message = BUFFER_INIT;
	/* what comes again replaces, and messages merge */
	put_message(&message, &plain);
	put_number(&message, 12, 5);
	put_number(&b, 15, 2);
	put_number(&b, 15, 1);
	put_octets(&b, 14, buffer_bytes(&message));
	buffer_clear(&message);
	put_number(&message, 12, 6);
	put_octets(&b, 14, buffer_bytes(&message));
	expect_octets(&b, OBSERVED "6\nmeta 1\n");
	/* known fields of another wire type are unknown ones */
	put_tap(&b, &plain);
	put_octets(&b, 15, bytes_str("x"));
	put_number(&b, 14, 7);
	put_fixed32(&b, 1);
	expect_octets(&b, OBSERVED "1700000000\nmeta 1\n");
	/* another thing than messages, and a message without one */
	put_number(&b, 15, 2);
	expect_octets(&b, "other 1\n");
	put_number(&b, 15, 1);
	expect_octets(&b, "2: a message without its type\n");
	put_octets(&b, 14, bytes_of(message.p, message.n));
	expect_octets(&b, "2: not a message of dnstap\n");
	buffer_release(&message);
	/* a varint of ten octets, one of eleven, one that is cut; field 0; groups; lengths that lie
	 */
	static const struct {
		const char *octets;
		size_t n;
		bool bad;
	} tails[] = {
		{"\xf8\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 12, false},
		{"\xf8\x07\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 13, true},
		{"\xf8\x07\xff", 3, true},
		{"\xf8", 1, true},
		{"\0\1", 2, true},
		{"\2\0", 2, true},
		{"\13\14", 2, true},
		{"\14", 1, true},
		{"\16\1", 2, true},
		{"\xf8\xff\xff\xff\x7f\1", 6, true}, /* a number over 32 bits */
		{"\22\2x", 3, true},
		{"\22\xff\xff\xff\xff\xff\xff\xff\xff\xff\1x", 12, true},
		{"\15\1\2\3", 4, true},
		{"\11\1\2\3\4\5\6\7", 8, true},
	};
	for (size_t i = 0; i < sizeof(tails) / sizeof(tails[0]); i++) {
		put_tap(&b, &plain);
		buffer_put(&b, tails[i].octets, tails[i].n);
		expect_octets(&b, tails[i].bad ? "2: not a message of dnstap\n"
					       : OBSERVED "1700000000\nmeta 1\n");
	}
	/* inside the message, and inside the policy */
	put_number(&b, 15, 1);
	put_octets(&b, 14, bytes_str("\10"));
	expect_octets(&b, "2: not a message of dnstap\n");
	put_number(&b, 15, 1);
	put_octets(&b, 14, bytes_of("\10\4\172\1\30", 5));
	expect_octets(&b, "2: not a message of dnstap\n");
}

static void test_streams(void **state)
{
	struct made m = plain, bad = plain;
	bad.response = bytes_of("", 0);
	struct buffer b = BUFFER_INIT;
	/* several, not stopped, and a bad frame among good ones */
	start(&b);
	put_frame(&b, &m);
	start(&b);
	put_frame(&b, &bad);
	put_frame(&b, &m);
	stop(&b);
	control_write(CONTROL_START, bytes_of(NULL, 0), &b);
	put_frame(&b, &m);
	expect(&b, OBSERVED "1700000000\nmeta 1\n4: a response without response_message\n" OBSERVED
			    "1700000000\nmeta 1\n" OBSERVED "1700000000\nmeta 1\n");
	/* what ends it */
	put_frame(&b, &m);
	put_frame(&b, &m);
	expect(&b, "1: a frame before START\n");
	stop(&b);
	start(&b);
	put_frame(&b, &m);
	expect(&b, "1: STOP without START\n");
	start(&b);
	stop(&b);
	put_frame(&b, &m);
	expect(&b, "3: a frame before START\n");
	control_write(CONTROL_START, bytes_str("protobuf:other"), &b);
	put_frame(&b, &m);
	expect(&b, "1: the content type is not protobuf:dnstap.Dnstap\n");
	start(&b);
	control_write(CONTROL_READY, bytes_str(DNSTAP_CONTENT_TYPE), &b);
	put_frame(&b, &m);
	expect(&b, "2: a control frame of a live connection\n");
	start(&b);
	put_frame(&b, &m);
	buffer_put(&b, "\xff\xff\xff\xff\0\0\0\0\0\0\0\0", 12);
	put_frame(&b, &m);
	expect(&b, OBSERVED "1700000000\nmeta 1\n3: a frame is over 262144 octets: it is none, or "
			    "a length is wrong\n");
	start(&b);
	put_frame(&b, &m);
	b.n--;
	expect(&b, "2: the frame is cut off\n");
}

/* Stopped at every octet, another reader goes on at the place that was told. */
static void test_resume(void **state)
{
	struct made m = plain, bad = plain;
	bad.response = bytes_of("", 0);
	struct buffer text = BUFFER_INIT;
	start(&text);
	put_frame(&text, &m);
	put_frame(&text, &bad);
	stop(&text);
	start(&text);
	m.response_s = 2;
	put_frame(&text, &m);
	buffer_put(&text, "\xff\xff\xff\xff\0\0", 6);
	put_frame(&text, &m);
	for (size_t at = 0; at <= text.n; at++) {
		struct log l = {.text = BUFFER_INIT};
		struct sink sink = {log_observe, log_reject, log_left_out, log_sensor, &l};
		uint64_t bytes, frames;
		struct reader *r = dnstap_format.open(NULL, NULL);
		assert_int_equal(dnstap_format.feed(r, bytes_of(text.p, at), &sink), 0);
		dnstap_format.position(r, &bytes, &frames);
		assert_true(bytes <= at || bytes == UINT64_MAX);
		dnstap_format.close(r);
		r = dnstap_format.open(NULL, NULL);
		if (bytes)
			dnstap_format.resume(r, bytes, frames);
		if (bytes < text.n)
			assert_int_equal(feed(r, bytes_of(text.p + bytes, text.n - bytes), 5, &l),
					 0);
		else
			assert_int_equal(dnstap_format.finish(r, &sink), 0);
		dnstap_format.close(r);
		buffer_put_byte(&l.text, '\0');
		assert_string_equal(
			(char *)l.text.p, OBSERVED
			"1700000000\nmeta 1\n3: a response without response_message\n" OBSERVED
			"2\nmeta 1\n7: a frame is over 262144 octets: it is none, or a length is "
			"wrong\n");
		buffer_release(&l.text);
	}
	buffer_release(&text);
}

static void test_stop(void **state)
{
	struct buffer b = BUFFER_INIT;
	struct made bad = plain;
	bad.response = bytes_of("", 0);
	start(&b);
	put_frame(&b, &plain);
	put_frame(&b, &bad);
	put_frame(&b, &plain);
	for (unsigned at = 1; at <= 3; at++) {
		struct log l = {.text = BUFFER_INIT, .stop_at = at};
		struct reader *r = dnstap_format.open(NULL, NULL);
		assert_int_equal(feed(r, buffer_bytes(&b), 1 << 20, &l), 7);
		assert_int_equal(l.calls, at);
		dnstap_format.close(r);
		buffer_release(&l.text);
	}
	buffer_release(&b);
}

static void test_recognises(void **state)
{
	struct buffer b = BUFFER_INIT;
	start(&b);
	for (size_t n = 0; n < b.n; n++)
		assert_false(dnstap_format.recognises(bytes_of(b.p, n)));
	assert_true(dnstap_format.recognises(buffer_bytes(&b)));
	put_frame(&b, &plain);
	assert_true(dnstap_format.recognises(buffer_bytes(&b)));
	buffer_clear(&b);
	control_write(CONTROL_START, bytes_of(NULL, 0), &b);
	assert_true(dnstap_format.recognises(buffer_bytes(&b)));
	buffer_clear(&b);
	control_write(CONTROL_START, bytes_str("protobuf:other"), &b);
	assert_false(dnstap_format.recognises(buffer_bytes(&b)));
	buffer_clear(&b);
	stop(&b);
	assert_false(dnstap_format.recognises(buffer_bytes(&b)));
	assert_false(dnstap_format.recognises(bytes_str("{\"rrname\": \"a.example\"}")));
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_types),   cmocka_unit_test(test_times),
		cmocka_unit_test(test_zone),    cmocka_unit_test(test_responses),
		cmocka_unit_test(test_sensors), cmocka_unit_test(test_protobuf),
		cmocka_unit_test(test_streams), cmocka_unit_test(test_resume),
		cmocka_unit_test(test_stop),    cmocka_unit_test(test_recognises),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
