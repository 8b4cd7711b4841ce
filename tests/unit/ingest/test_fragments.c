/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Fragments in any order, twice, overlapping, too many, too late. */
#include "ingest/fragments.h"

#include "base/limits.h"
#include "packets_kit.h"

static const char text[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789"; /* 46 octets */

static struct datagram piece(uint32_t id, unsigned begin, unsigned end)
{
	struct datagram d = {.protocol = PROTOCOL_UDP, .fragment = true, .id = id};
	d.from[15] = 1;
	d.to[15] = 2;
	d.offset = (uint16_t)begin;
	d.payload = bytes_of(text + begin, end - begin);
	d.more = end < sizeof(text) - 1;
	return d;
}

static int take(struct fragments *f, uint64_t time_s, struct datagram d)
{
	const char *reason = NULL;
	int rc = fragments_take(f, time_s, &d, &reason);
	if (rc == 1) {
		assert_int_equal(d.payload.n, sizeof(text) - 1);
		assert_memory_equal(d.payload.p, text, sizeof(text) - 1);
		assert_int_equal(d.protocol, PROTOCOL_UDP);
	}
	if (rc < 0)
		assert_non_null(reason);
	return rc;
}

static void test_any_order(void **state)
{
	static const unsigned orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
	static const unsigned cuts[4] = {0, 16, 32, 46};
	(void)state;
	struct fragments *f = fragments_new();
	for (unsigned o = 0; o < 6; o++) {
		for (unsigned i = 0; i < 3; i++) {
			unsigned at = orders[o][i];
			assert_int_equal(take(f, 10, piece(o, cuts[at], cuts[at + 1])), i == 2);
			if (i < 2) /* an exact copy is no overlap */
				assert_int_equal(take(f, 10, piece(o, cuts[at], cuts[at + 1])), 0);
		}
	}
	fragments_free(f);
}

static void test_interleaved(void **state)
{
	(void)state;
	struct fragments *f = fragments_new();
	struct datagram other = piece(1, 0, 16);
	other.from[15] = 9;
	assert_int_equal(take(f, 10, piece(1, 0, 16)), 0);
	assert_int_equal(take(f, 10, other), 0);
	assert_int_equal(take(f, 10, piece(2, 16, 46)), 0);
	assert_int_equal(take(f, 10, piece(1, 16, 46)), 1);
	assert_int_equal(take(f, 10, piece(2, 0, 16)), 1);
	fragments_free(f);
}

/* Packets of two protocols between the same hosts may have the same id: in IPv4 they are two, in IPv6 one. */
static void test_protocols(void **state)
{
	(void)state;
	struct fragments *f = fragments_new();
	for (int v4 = 0; v4 < 2; v4++) {
		struct datagram first = piece(1, 0, 16), rest = piece(1, 16, 46), other;
		if (v4)
			first.from[10] = first.from[11] = rest.from[10] = rest.from[11] = 0xff;
		other = rest;
		other.protocol = 1;
		assert_int_equal(take(f, 10, first), 0);
		assert_int_equal(take(f, 10, other), v4 ? 0 : 1);
		if (v4)
			assert_int_equal(take(f, 10, rest), 1);
	}
	fragments_free(f);
}

static void test_overlaps(void **state)
{
	(void)state;
	struct fragments *f = fragments_new();
	assert_int_equal(take(f, 10, piece(1, 0, 24)), 0);
	assert_int_equal(take(f, 10, piece(1, 16, 46)), ERR_SYNTAX);
	/* all of it is gone: the rest does not make it whole */
	assert_int_equal(take(f, 10, piece(1, 24, 46)), 0);
	struct datagram forged = piece(2, 0, 24);
	assert_int_equal(take(f, 10, forged), 0);
	forged.payload = bytes_of("FORGED..................", 24);
	assert_int_equal(take(f, 10, forged), ERR_SYNTAX);
	fragments_free(f);
}

static void test_lengths(void **state)
{
	(void)state;
	struct fragments *f = fragments_new();
	struct datagram d = piece(1, 0, 13);
	assert_int_equal(take(f, 10, d), ERR_SYNTAX); /* not a multiple of eight, though more follow */
	d = piece(2, 40, 46);
	d.offset = 65528;
	d.payload = bytes_of(text, 16);
	assert_int_equal(take(f, 10, d), ERR_SYNTAX);
	assert_int_equal(take(f, 10, piece(3, 16, 46)), 0);
	d = piece(3, 0, 16);
	d.offset = 48;
	assert_int_equal(take(f, 10, d), ERR_SYNTAX); /* behind the end */
	d = piece(4, 0, 16);
	d.payload.n = 0;
	assert_int_equal(take(f, 10, d), ERR_SYNTAX);
	d = piece(5, 0, 16);
	d.cut = true;
	assert_int_equal(take(f, 10, d), ERR_SYNTAX);
	fragments_free(f);
}

static void test_age_and_number(void **state)
{
	(void)state;
	struct fragments *f = fragments_new();
	assert_int_equal(take(f, 10, piece(1, 0, 16)), 0);
	assert_int_equal(take(f, 11 + FRAGMENT_SECONDS, piece(1, 16, 46)), 0); /* too late */
	for (uint32_t id = 100; id < 100 + 3 * FRAGMENTED_MAX; id++)
		assert_int_equal(take(f, 50, piece(id, 0, 16)), 0);
	assert_int_equal(take(f, 50, piece(100, 16, 46)), 0);                          /* pushed out */
	assert_int_equal(take(f, 50, piece(100 + 3 * FRAGMENTED_MAX - 1, 16, 46)), 1); /* the newest is there */
	fragments_free(f);
	fragments_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_order), cmocka_unit_test(test_interleaved),    cmocka_unit_test(test_protocols),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_lengths),   cmocka_unit_test(test_age_and_number),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
