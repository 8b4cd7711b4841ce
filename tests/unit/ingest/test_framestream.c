/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frame Streams: every rule of ingest/framestream.h, and that runs may be cut anywhere. */
#include "ingest/framestream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

static void put_u32(struct buffer *b, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buffer_put_byte(b, (uint8_t)(v >> shift));
}

/* The frames, as "NUMBER CONTROL OCTETS\n", and how it ends. */
static void read_all(struct bytes text, size_t step, struct buffer *log)
{
	struct framestream f = {.count = 0};
	struct frame frame;
	int rc = 0;
	for (size_t at = 0; at < text.n && rc == 0; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;
		uint8_t *run = malloc(n);
		memcpy(run, text.p + at, n);
		framestream_put(&f, bytes_of(run, n));
		while ((rc = framestream_next(&f, &frame)) == 1) {
			buffer_putf(log, "%u %u ", (unsigned)frame.number, frame.control);
			if (frame.octets.n < 40)
				buffer_put_bytes(log, frame.octets);
			else
				buffer_putf(log, "%zu octets", frame.octets.n);
			buffer_put_byte(log, '\n');
			assert_false(framestream_is_cut(&f));
		}
		free(run);
	}
	if (rc < 0) {
		assert_int_equal(rc, ERR_SYNTAX);
		framestream_put(&f, text);
		assert_int_equal(framestream_next(&f, &frame), ERR_SYNTAX);
		buffer_putf(log, "%s after %u octets\n", f.broken, (unsigned)f.bytes);
	} else if (framestream_is_cut(&f)) {
		buffer_putf(log, "cut after %u octets\n", (unsigned)f.bytes);
	} else {
		assert_int_equal(f.bytes, text.n);
	}
	framestream_release(&f);
}

/* Releases text. */
static void expect(struct buffer *text, const char *want)
{
	static const size_t steps[] = {1 << 20, 1, 2, 3, 7, 4096};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct buffer log = BUFFER_INIT;
		read_all(buffer_bytes(text), steps[i], &log);
		buffer_put_byte(&log, '\0');
		assert_string_equal((char *)log.p, want);
		buffer_release(&log);
	}
	buffer_release(text);
}

static void test_frames(void **state)
{
	struct buffer b = BUFFER_INIT;
	expect(&b, "");
	control_write(CONTROL_START, bytes_str("x"), &b);
	frame_write(bytes_str("one"), &b);
	frame_write(bytes_str("2"), &b);
	control_write(CONTROL_STOP, bytes_of(NULL, 0), &b);
	static const uint8_t octets[] =
		"\0\0\0\0\0\0\0\15\0\0\0\2\0\0\0\1\0\0\0\1x\0\0\0\3one\0\0\0\1"
		"2\0\0\0\0\0\0\0\4\0\0\0\3";
	assert_int_equal(b.n, sizeof(octets) - 1);
	assert_memory_equal(b.p, octets, b.n);
	b.n = 0; /* read_all shows zero octets as they are: without fields it is text */
	for (unsigned type = CONTROL_ACCEPT; type <= CONTROL_FINISH; type++)
		control_write((enum control_type)type, bytes_of(NULL, 0), &b);
	frame_write(bytes_str("one"), &b);
	expect(&b, "1 1 \n2 2 \n3 3 \n4 4 \n5 5 \n6 0 one\n");
}

static void test_sizes(void **state)
{
	static uint8_t big[FRAME_MAX + 1];
	struct buffer b = BUFFER_INIT;
	frame_write(bytes_of(big, FRAME_MAX), &b);
	frame_write(bytes_str("one"), &b);
	expect(&b, "1 0 262144 octets\n2 0 one\n");
	frame_write(bytes_str("one"), &b);
	frame_write(bytes_of(big, FRAME_MAX + 1), &b);
	expect(&b, "1 0 one\na frame is over 262144 octets: it is none, or a length is wrong after "
		   "7 octets\n");
	put_u32(&b, 0xffffffff);
	expect(&b,
	       "a frame is over 262144 octets: it is none, or a length is wrong after 0 octets\n");
	/* control frames: a field of a size that fills it; then one octet more */
	put_u32(&b, 0);
	put_u32(&b, CONTROL_FRAME_MAX);
	put_u32(&b, CONTROL_READY);
	put_u32(&b, 9);
	put_u32(&b, CONTROL_FRAME_MAX - 12);
	buffer_put(&b, big, CONTROL_FRAME_MAX - 12);
	expect(&b, "1 4 508 octets\n");
	static const uint32_t sizes[] = {0, 3, CONTROL_FRAME_MAX + 1, 0xffffffff};
	for (size_t i = 0; i < 4; i++) {
		put_u32(&b, 0);
		put_u32(&b, sizes[i]);
		expect(&b, "a control frame is under 4 or over 512 octets after 0 octets\n");
	}
}

static void test_broken(void **state)
{
	struct buffer b = BUFFER_INIT;
	for (unsigned type = 0; type <= 6; type += 6) {
		put_u32(&b, 0);
		put_u32(&b, 4);
		put_u32(&b, type);
		expect(&b, "a control frame of no known type after 0 octets\n");
	}
	for (uint32_t size = 0; size < 3;
	     size += 2) { /* cut off in a field's head; a field that is longer than the frame */
		put_u32(&b, 0);
		put_u32(&b, 4 + 4 + 2 * size + 1);
		put_u32(&b, CONTROL_START);
		put_u32(&b, 1);
		buffer_put(&b, "\0\0\0\2x", 2 * size + 1);
		expect(&b, "a control frame's fields are malformed after 0 octets\n");
	}
}

static void test_cut(void **state)
{
	struct buffer b = BUFFER_INIT;
	control_write(CONTROL_START, bytes_of(NULL, 0), &b);
	frame_write(bytes_str("one"), &b);
	for (size_t n = 1; n < b.n; n++) {
		struct buffer start = BUFFER_INIT;
		buffer_put(&start, b.p, n);
		expect(&start, n < 12    ? "cut after 0 octets\n"
			       : n == 12 ? "1 2 \n"
					 : "1 2 \ncut after 12 octets\n");
	}
	buffer_release(&b);
}

static bool offers(const char *types[], size_t n, const char *wanted)
{
	struct buffer b = BUFFER_INIT;
	put_u32(&b, 7); /* a field that nobody knows */
	put_u32(&b, 1);
	buffer_put_byte(&b, 'x');
	for (size_t i = 0; i < n; i++) {
		put_u32(&b, 1);
		put_u32(&b, (uint32_t)strlen(types[i]));
		buffer_put_str(&b, types[i]);
	}
	bool yes = control_offers(buffer_bytes(&b), bytes_str(wanted));
	buffer_release(&b);
	return yes;
}

static void test_offers(void **state)
{
	const char *types[] = {"a", "bc", ""};
	assert_true(offers(types, 0, "a"));
	assert_true(offers(types, 1, "a"));
	assert_false(offers(types, 1, "bc"));
	assert_true(offers(types, 2, "bc"));
	assert_true(offers(types, 3, "bc"));
	assert_false(offers(types, 3, "b"));
	assert_true(control_offers(bytes_of(NULL, 0), bytes_str("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames), cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_broken), cmocka_unit_test(test_cut),
		cmocka_unit_test(test_offers),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
