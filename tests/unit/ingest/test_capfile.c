/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The framing of pcap and pcapng: byte orders, resolutions, blocks of all kinds, lengths that lie, cuts anywhere. */
#include "ingest/capfile.h"

#include "packets_kit.h"

/* Packets as "NUMBER LINK TIME LENGTH OCTETS\n", and how it ends; the same for runs of any size. */
static void read_all(struct bytes text, size_t step, struct buffer *log)
{
	struct capfile f = {0};
	struct captured c;
	int rc = 0;
	for (size_t at = 0; at < text.n && rc == 0; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;
		uint8_t *run = malloc(n);
		memcpy(run, text.p + at, n);
		capfile_put(&f, bytes_of(run, n));
		while ((rc = capfile_next(&f, &c)) == 1)
			buffer_putf(log, "%u %d %llu %llu %.*s\n", (unsigned)c.number, (int)c.link,
			            (unsigned long long)c.time_s, (unsigned long long)c.length, (int)c.octets.n,
			            (const char *)c.octets.p);
		free(run);
	}
	if (rc < 0) {
		capfile_put(&f, text);
		assert_int_equal(capfile_next(&f, &c), ERR_SYNTAX);
		buffer_putf(log, "%s\n", f.broken);
	} else if (capfile_is_cut(&f)) {
		buffer_put_str(log, "cut\n");
	} else {
		assert_int_equal(f.bytes + f.taken, text.n);
	}
	capfile_release(&f);
}

/* Releases text. */
static void expect(struct buffer *text, const char *want)
{
	for (size_t step = 1; step < text->n + 2; step += step < 40 ? 1 : text->n / 3 + 1) {
		struct buffer log = BUFFER_INIT;
		read_all(buffer_bytes(text), step, &log);
		buffer_put_byte(&log, 0);
		assert_string_equal((const char *)log.p, want);
		buffer_release(&log);
	}
	buffer_release(text);
}

static void test_pcap(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	put_pcap(&b, 1);
	assert_true(capfile_begins(buffer_bytes(&b)));
	put_packet(&b, 1000, bytes_str("one"));
	put_packet(&b, 1001, bytes_str(""));
	put_packet(&b, 1002, bytes_str("three"));
	expect(&b, "1 1 1000 3 one\n2 1 1001 0 \n3 1 1002 5 three\n");
	/* big-endian, nanoseconds, a link type with a flag above it, a packet that was cut */
	put32(&b, 0xa1b23c4d);
	put32(&b, 2 << 16 | 4);
	put32(&b, 0);
	put32(&b, 0);
	put32(&b, 100);
	put32(&b, 0xf0000071);
	put32(&b, 7);
	put32(&b, 999999999);
	put32(&b, 4);
	put32(&b, 1500);
	buffer_put_str(&b, "abcd");
	assert_true(capfile_begins(buffer_bytes(&b)));
	expect(&b, "1 113 7 1500 abcd\n");
}

static void test_pcap_lies(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	put_pcap(&b, 1);
	put_packet(&b, 1000, bytes_str("one"));
	put_le32(&b, 1);
	put_le32(&b, 1);
	put_le32(&b, 0x40000000);
	put_le32(&b, 0x40000000);
	expect(&b, "1 1 1000 3 one\nthe length of a packet is wrong: what follows cannot be read\n");
	put_pcap(&b, 1);
	put_packet(&b, 1000, bytes_str("one"));
	b.n--;
	expect(&b, "cut\n");
	buffer_put_str(&b, "GARBAGE, NO CAPTURE");
	assert_false(capfile_begins(buffer_bytes(&b)));
	expect(&b, "it does not begin as a capture does\n");
	put_pcap(&b, 1);
	b.p[4] = 9;
	expect(&b, "pcap of a version that is not read\n");
}

/* --- pcapng, of the byte order that put says --- */

static void (*put)(struct buffer *b, uint32_t v);

static void put_block(struct buffer *b, uint32_t type, struct bytes body)
{
	uint32_t n = 12 + ((uint32_t)body.n + 3) / 4 * 4;
	put(b, type);
	put(b, n);
	buffer_put_bytes(b, body);
	while (b->n % 4)
		buffer_put_byte(b, 0);
	put(b, n);
}

static void put_section(struct buffer *b)
{
	struct buffer body = BUFFER_INIT;
	put(&body, 0x1a2b3c4d);
	put(&body, put == put32 ? 1 << 16 : 1);
	put(&body, 0xffffffff);
	put(&body, 0xffffffff);
	put_block(b, 0x0a0d0d0a, buffer_bytes(&body));
	buffer_release(&body);
}

static void put_interface(struct buffer *b, unsigned link, uint32_t snaplen, struct bytes options)
{
	struct buffer body = BUFFER_INIT;
	put(&body, put == put32 ? link << 16 : link);
	put(&body, snaplen);
	buffer_put_bytes(&body, options);
	put_block(b, 1, buffer_bytes(&body));
	buffer_release(&body);
}

static void put_enhanced(struct buffer *b, uint32_t interface, uint64_t ticks, const char *text)
{
	struct buffer body = BUFFER_INIT;
	put(&body, interface);
	put(&body, (uint32_t)(ticks >> 32));
	put(&body, (uint32_t)ticks);
	put(&body, (uint32_t)strlen(text));
	put(&body, (uint32_t)strlen(text));
	buffer_put_str(&body, text);
	put_block(b, 6, buffer_bytes(&body));
	buffer_release(&body);
}

static void test_pcapng(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct buffer b = BUFFER_INIT, simple = BUFFER_INIT;
		put = order ? put32 : put_le32;
		put_section(&b);
		assert_true(capfile_begins(buffer_bytes(&b)));
		put_interface(&b, 1, 0, bytes_of(NULL, 0));
		put_block(&b, 4, bytes_str("names, that nobody reads here: stepped over"));
		put_enhanced(&b, 0, 1000000ull * 1600000000 + 5, "one");
		/* nanoseconds: option 9 with one octet */
		put_interface(&b, 113, 0, order ? bytes_of("\0\11\0\1\11\0\0\0\0\0\0\0", 12) : bytes_of("\11\0\1\0\11\0\0\0\0\0\0\0", 12));
		put_enhanced(&b, 1, 1000000000ull * 1600000001, "two..");
		put_enhanced(&b, 7, 5, "of no interface");
		put(&simple, 4);
		buffer_put_str(&simple, "simp");
		put_block(&b, 3, buffer_bytes(&simple));
		/* another section has interfaces of its own */
		put_section(&b);
		put_interface(&b, 101, 0, bytes_of(NULL, 0));
		put_enhanced(&b, 0, 1000000ull * 5, "three");
		expect(&b, "1 1 1600000000 3 one\n2 113 1600000001 5 two..\n3 -1 0 15 of no interface\n4 1 0 4 simp\n5 101 5 5 three\n");
		buffer_release(&simple);
	}
}

static void test_resolutions(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	put = put_le32;
	put_section(&b);
	put_interface(&b, 1, 0, bytes_of("\11\0\1\0\0\0\0\0", 8));                              /* seconds */
	put_interface(&b, 1, 0, bytes_of("\11\0\1\0\x8a\0\0\0", 8));                           /* 1/1024 */
	put_interface(&b, 1, 0, bytes_of("\11\0\1\0\x28\0\0\0", 8));                           /* 10^-40 */
	put_interface(&b, 1, 0, bytes_of("\16\0\x8\0\x64\0\0\0\0\0\0\0", 12));                 /* 100 s later */
	put_interface(&b, 1, 0, bytes_of("\16\0\x8\0\xff\xff\xff\xff\xff\xff\xff\xff", 12));   /* a second earlier */
	put_enhanced(&b, 0, 77, "a");
	put_enhanced(&b, 1, 77 * 1024 + 3, "b");
	put_enhanced(&b, 2, 77, "c");
	put_enhanced(&b, 3, 1000000, "d");
	put_enhanced(&b, 4, 1000000, "e");
	put_enhanced(&b, 4, 5000000, "f");
	expect(&b, "1 1 77 1 a\n2 1 77 1 b\n3 1 0 1 c\n4 1 101 1 d\n5 1 0 1 e\n6 1 4 1 f\n");
}

static void test_pcapng_lies(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	put = put_le32;
	put_section(&b);
	put_interface(&b, 1, 0, bytes_of(NULL, 0));
	put_enhanced(&b, 0, 5, "one");
	b.p[b.n - 4] ^= 4;
	expect(&b, "the two lengths of a block differ: what follows cannot be read\n");
	put_section(&b);
	put(&b, 6);
	put(&b, 0x7ffffffc);
	expect(&b, "a block is too long: what follows cannot be read\n");
	put_section(&b);
	put(&b, 77);
	put(&b, 8);
	expect(&b, "the length of a block is wrong: what follows cannot be read\n");
	put_section(&b);
	put(&b, 77);
	put(&b, 0xfffffff0);
	expect(&b, "cut\n"); /* a block that is stepped over, without end */
	put_section(&b);
	put_interface(&b, 1, 0, bytes_of(NULL, 0));
	put_enhanced(&b, 0, 1000000, "four");
	b.p[b.n - 4 - 4 - 8] = 99; /* the packet's length within its block */
	expect(&b, "1 -1 0 0 \n");
}

static void test_many_interfaces(void **state)
{
	(void)state;
	struct capfile f = {0};
	struct captured c;
	struct buffer b = BUFFER_INIT;
	put = put_le32;
	put_section(&b);
	for (int i = 0; i <= INTERFACES_MAX; i++)
		put_interface(&b, 1, 0, bytes_of(NULL, 0));
	capfile_put(&f, buffer_bytes(&b));
	assert_int_equal(capfile_next(&f, &c), ERR_SYNTAX);
	assert_string_equal(f.broken, "a pcapng section has too many interfaces");
	capfile_release(&f);
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pcap),       cmocka_unit_test(test_pcap_lies),   cmocka_unit_test(test_pcapng),
		cmocka_unit_test(test_resolutions), cmocka_unit_test(test_pcapng_lies), cmocka_unit_test(test_many_interfaces),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
