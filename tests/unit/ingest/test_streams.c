/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DNS over TCP: messages cut anywhere, segments twice, in another order, lost; connections that were there before. */
#include "ingest/streams.h"

#include "base/limits.h"
#include "packets_kit.h"

struct got {
	struct buffer names; /* ids of the messages, as text */
};

static int message(void *ctx, struct bytes wire)
{
	struct got *g = ctx;
	assert_true(wire.n >= 12);
	buffer_putf(&g->names, "%u ", (unsigned)(wire.p[0] << 8 | wire.p[1]));
	return 0;
}

static struct streams *streams;
static struct got got;

static void send(unsigned port, uint32_t sequence, unsigned flags, struct bytes payload)
{
	struct datagram d = {.protocol = PROTOCOL_TCP};
	struct transport t = {.tcp = true, .from_port = 53, .to_port = (uint16_t)port, .sequence = sequence};
	d.from[15] = 1;
	d.to[15] = 2;
	t.syn = flags & SYN;
	t.reset = flags & RST;
	t.end = flags & (FIN | RST);
	uint8_t *copy = malloc(payload.n + 1);
	memcpy(copy, payload.p, payload.n);
	t.payload = bytes_of(copy, payload.n);
	assert_int_equal(streams_take(streams, &d, &t, message, &got), 0);
	free(copy);
}

static void expect(const char *want)
{
	buffer_put_byte(&got.names, 0);
	assert_string_equal((const char *)got.names.p, want);
	buffer_clear(&got.names);
}

/* Messages first .. last with their lengths. */
static struct buffer sequence_of(unsigned first, unsigned last)
{
	struct buffer b = BUFFER_INIT;
	for (unsigned id = first; id <= last; id++) {
		struct buffer m = BUFFER_INIT;
		put_message(&m, id, "www.example.org", (int)id & 255);
		put16(&b, (unsigned)m.n);
		buffer_put_bytes(&b, buffer_bytes(&m));
		buffer_release(&m);
	}
	return b;
}

static struct bytes part(const struct buffer *b, size_t begin, size_t end)
{
	return bytes_of(b->p + begin, end - begin);
}

static int begin(void **state)
{
	(void)state;
	streams = streams_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	streams_free(streams);
	buffer_release(&got.names);
	return 0;
}

static void test_cut_anywhere(void **state)
{
	(void)state;
	struct buffer b = sequence_of(1, 3);
	for (size_t step = 1; step <= b.n; step++) {
		unsigned port = 1000 + (unsigned)step;
		uint32_t sequence = 0xfffffff0; /* numbers wrap */
		send(port, sequence++, SYN, bytes_of(NULL, 0));
		for (size_t at = 0; at < b.n; at += step) {
			size_t n = b.n - at < step ? b.n - at : step;
			send(port, sequence + (uint32_t)at, ACK, part(&b, at, at + n));
		}
		expect("1 2 3 ");
		send(port, sequence + (uint32_t)b.n, FIN | ACK, bytes_of(NULL, 0));
	}
	assert_int_equal(streams_held(streams), 0);
	buffer_release(&b);
}

static void test_any_order_and_twice(void **state)
{
	(void)state;
	struct buffer b = sequence_of(1, 4);
	size_t q = b.n / 4;
	static const unsigned orders[][4] = {{3, 2, 1, 0}, {1, 0, 3, 2}, {2, 3, 0, 1}, {0, 3, 2, 1}};
	for (unsigned o = 0; o < 4; o++) {
		send(2000 + o, 99, SYN, bytes_of(NULL, 0));
		for (unsigned i = 0; i < 4; i++) {
			size_t at = orders[o][i] * q, to = orders[o][i] == 3 ? b.n : at + q;
			send(2000 + o, 100 + (uint32_t)at, ACK, part(&b, at, to));
			send(2000 + o, 100 + (uint32_t)at, ACK, part(&b, at, to));
		}
		expect("1 2 3 4 ");
	}
	/* a retransmission that is longer than what was sent first */
	send(2100, 99, SYN, bytes_of(NULL, 0));
	send(2100, 100, ACK, part(&b, 0, 30));
	send(2100, 100, ACK, part(&b, 0, b.n));
	expect("1 2 3 4 ");
	assert_int_equal(streams_held(streams), 0);
	buffer_release(&b);
}

static void test_taken_up(void **state)
{
	(void)state;
	struct buffer b = sequence_of(1, 3);
	size_t one = b.n / 3;
	send(3000, 500, ACK, part(&b, 10, one)); /* the rest of a message nobody saw begin */
	send(3000, 500 + (uint32_t)(one - 10), ACK, part(&b, one, b.n));
	expect("2 3 ");
	buffer_release(&b);
}

/* The connection's end comes before its last segment. */
static void test_end_overtakes(void **state)
{
	(void)state;
	struct buffer b = sequence_of(1, 1);
	send(3500, 99, SYN, bytes_of(NULL, 0));
	send(3500, 100, ACK, part(&b, 0, 20));
	send(3500, 100 + (uint32_t)b.n, FIN | ACK, bytes_of(NULL, 0));
	send(3500, 120, ACK, part(&b, 20, b.n));
	expect("1 ");
	assert_int_equal(streams_held(streams), 0);
	buffer_release(&b);
}

static void test_loss(void **state)
{
	(void)state;
	struct buffer b = sequence_of(1, STREAM_AHEAD_MAX + 5);
	size_t one = b.n / (STREAM_AHEAD_MAX + 5);
	send(4000, 99, SYN, bytes_of(NULL, 0));
	for (unsigned i = 0; i < STREAM_AHEAD_MAX + 5; i++) {
		if (i != 1) /* the second message is lost */
			send(4000, 100 + (uint32_t)(i * one), ACK, part(&b, i * one, (i + 1) * one));
	}
	buffer_put_byte(&got.names, 0);
	assert_non_null(strstr((const char *)got.names.p, "1 3 4 5 "));
	assert_null(strstr((const char *)got.names.p, " 2 "));
	buffer_clear(&got.names);
	send(4000, 0, RST, bytes_of(NULL, 0));
	assert_int_equal(streams_held(streams), 0);
	buffer_release(&b);
}

static void acknowledge(unsigned port, uint32_t number)
{
	struct datagram d = {.protocol = PROTOCOL_TCP};
	const struct transport t = {.tcp = true, .from_port = 53, .to_port = (uint16_t)port};
	d.from[15] = 1;
	d.to[15] = 2;
	assert_int_equal(streams_acknowledged(streams, &d, &t, number, message, &got), 0);
}

/* What the receiver has went past the capture: it is not waited for. */
static void test_acknowledged(void **state)
{
	(void)state;
	struct buffer b = sequence_of(1, 6);
	uint32_t one = (uint32_t)b.n / 6;
	acknowledge(4100, 5);
	send(4100, 99, SYN, bytes_of(NULL, 0));
	for (unsigned i = 0; i < 6; i++) {
		if (i != 1 && i != 4)
			send(4100, 100 + i * one, ACK, part(&b, i * one, (i + 1) * one));
	}
	acknowledge(4100, 100 + one);         /* all that is needed for the first */
	acknowledge(4100, 100 + 3 * one - 1); /* not all of the third */
	expect("1 ");
	acknowledge(4100, 100 + 3 * one);
	expect("3 4 ");
	send(4100, 100 + 6 * one, FIN | ACK, bytes_of(NULL, 0));
	acknowledge(4100, 100 + 6 * one + 1);
	expect("6 ");
	send(4100, 100 + 6 * one, RST, bytes_of(NULL, 0));
	/* the numbers start anew, and what is behind the gap begins within a message */
	send(4101, UINT32_MAX - 1, SYN, bytes_of(NULL, 0));
	send(4101, UINT32_MAX + one, ACK, part(&b, one, one + 20));
	send(4101, UINT32_MAX + one + 20, ACK, part(&b, one + 20, 2 * one));
	send(4101, UINT32_MAX + 2 * one + 5, ACK, part(&b, 2 * one + 5, 3 * one));
	send(4101, UINT32_MAX + 3 * one, ACK, part(&b, 3 * one, 4 * one));
	acknowledge(4101, UINT32_MAX + 4 * one);
	expect("2 4 ");
	send(4101, 0, RST, bytes_of(NULL, 0));
	assert_int_equal(streams_held(streams), 0);
	buffer_release(&b);
}

static void test_noise(void **state)
{
	(void)state;
	uint8_t noise[3000];
	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (uint8_t)(i * 131 >> 3);
	for (uint32_t i = 0; i < 100; i++)
		send(5001, 100 + 3000 * i, ACK, bytes_of(noise, sizeof(noise)));
	expect("");
	assert_int_equal(streams_held(streams), 0);
}

/* Ids of messages shorter than two octets must not be looked at. */
static int any_message(void *ctx, struct bytes wire)
{
	*(size_t *)ctx += wire.n;
	return 0;
}

static void test_bounds(void **state)
{
	(void)state;
	struct datagram d = {.protocol = PROTOCOL_TCP};
	static uint8_t half[60000];
	size_t octets = 0;
	half[0] = 0xff;
	half[1] = 0xff;
	for (unsigned i = 0; i < 3 * STREAMS_MAX; i++) {
		struct transport t = {.tcp = true, .from_port = 53, .to_port = (uint16_t)i, .syn = true};
		d.to[0] = (uint8_t)(i >> 16);
		t.payload = bytes_of(half, i % 16 ? 40 : sizeof(half));
		assert_int_equal(streams_take(streams, &d, &t, any_message, &octets), 0);
		assert_true(streams_held(streams) <= STREAM_HELD_MAX);
	}
	assert_int_equal(octets, 0);
}

static void test_tiny(void **state)
{
	(void)state;
	struct datagram d = {.protocol = PROTOCOL_TCP};
	struct transport t = {.tcp = true, .from_port = 53, .to_port = 9, .syn = true, .sequence = 9};
	size_t octets = 0;
	t.payload = bytes_of("\0\0\0\3abc\0\1", 9);
	assert_int_equal(streams_take(streams, &d, &t, any_message, &octets), 0);
	assert_int_equal(octets, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cut_anywhere, begin, end),
		cmocka_unit_test_setup_teardown(test_any_order_and_twice, begin, end),
		cmocka_unit_test_setup_teardown(test_taken_up, begin, end),
		cmocka_unit_test_setup_teardown(test_end_overtakes, begin, end),
		cmocka_unit_test_setup_teardown(test_loss, begin, end),
		cmocka_unit_test_setup_teardown(test_acknowledged, begin, end),
		cmocka_unit_test_setup_teardown(test_noise, begin, end),
		cmocka_unit_test_setup_teardown(test_tiny, begin, end),
		cmocka_unit_test_setup_teardown(test_bounds, begin, end),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
