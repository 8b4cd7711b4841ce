/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of captures: what becomes history, what is left out, what is rejected. */
#include "ingest/reader.h"

#include "packets_kit.h"

struct log {
	struct buffer text;
	uint64_t left_out[LEFT_OUT_REASONS];
};

static int observe(void *ctx, const struct observation *o)
{
	struct log *l = ctx;
	buffer_putf(&l->text, "%llu ", (unsigned long long)o->seen.first_s);
	dname_to_text(o->owner, &l->text);
	buffer_putf(&l->text, " %u.%u\n", o->rdata.p[2], o->rdata.p[3]);
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct log *l = ctx;
	(void)input;
	buffer_putf(&l->text, "packet %llu: %s\n", (unsigned long long)place, reason);
	return 0;
}

static void left_out(void *ctx, enum left_out why, uint64_t n)
{
	((struct log *)ctx)->left_out[why] += n;
}

/* What a capture gives; it is kept. */
static void read_capture(struct bytes capture, const struct reader_options *opt, size_t step, struct log *l)
{
	const struct sink sink = {.observe = observe, .reject = reject, .left_out = left_out, .ctx = l};
	struct err e;
	struct reader *r = pcap_format.open(opt, &e);
	assert_non_null(r);
	for (size_t at = 0; at < capture.n; at += step) {
		size_t n = capture.n - at < step ? capture.n - at : step;
		uint8_t *run = malloc(n);
		memcpy(run, capture.p + at, n);
		assert_int_equal(pcap_format.feed(r, bytes_of(run, n), &sink), 0);
		free(run);
	}
	assert_int_equal(pcap_format.finish(r, &sink), 0);
	pcap_format.close(r);
	buffer_put_byte(&l->text, 0);
}

static void expect(const struct buffer *capture, const struct reader_options *opt, const char *want)
{
	static const size_t steps[] = {1, 7, 1000, 1 << 20};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct log l = {0};
		read_capture(buffer_bytes(capture), opt, steps[i], &l);
		assert_string_equal((const char *)l.text.p, want);
		buffer_release(&l.text);
	}
}

/* A packet between client 1 and server 2 at a port. */
static void put_dns_packet(struct buffer *b, uint32_t time_s, unsigned port, unsigned id, const char *name, int last)
{
	struct buffer ip = BUFFER_INIT;
	if (last < 0)
		put_dns(&ip, 1, 1000, 2, port, id, name, last);
	else
		put_dns(&ip, 2, port, 1, 1000, id, name, last);
	put_packet(b, time_s, buffer_bytes(&ip));
	buffer_release(&ip);
}

static void test_matched(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	struct log l = {0};
	put_pcap(&b, LINK_RAW);
	put_dns_packet(&b, 100, 53, 1, "a.example", -1);
	put_dns_packet(&b, 101, 53, 1, "A.Example", 7);
	put_dns_packet(&b, 101, 53, 1, "a.example", 7);  /* a second answer */
	put_dns_packet(&b, 102, 53, 2, "a.example", 66); /* of no question */
	put_dns_packet(&b, 103, 53, 3, "b.example", -1);
	put_dns_packet(&b, 103, 53, 3, "evil.example", 66);
	put_dns_packet(&b, 104, 53, 3, "b.example", 8);
	expect(&b, NULL, "101 a.example 2.7\n104 b.example 2.8\n");
	read_capture(buffer_bytes(&b), NULL, 100, &l);
	assert_int_equal(l.left_out[LEFT_OUT_UNMATCHED], 3);
	assert_int_equal(l.left_out[LEFT_OUT_QUESTION], 2);
	buffer_release(&l.text);
	const struct reader_options all = {.unmatched = true};
	expect(&b, &all,
	       "101 a.example 2.7\n101 a.example 2.7\n102 a.example 2.66\n103 evil.example 2.66\n104 b.example 2.8\n");
	buffer_release(&b);
}

static void test_answers_only(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	put_pcap(&b, LINK_RAW);
	put_dns_packet(&b, 100, 53, 1, "a.example", 1);
	put_dns_packet(&b, 101, 53, 2, "b.example", 2);
	expect(&b, NULL, "100 a.example 2.1\n101 b.example 2.2\n");
	buffer_release(&b);
}

static void test_ports_and_filter(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT;
	put_pcap(&b, LINK_RAW);
	put_dns_packet(&b, 100, 5300, 1, "a.example", 1);
	put_dns_packet(&b, 101, 53, 2, "b.example", 2);
	expect(&b, NULL, "101 b.example 2.2\n");
	const struct reader_options ports = {.ports = "5300,53"};
	expect(&b, &ports, "100 a.example 2.1\n101 b.example 2.2\n");
	const struct reader_options filtered = {.ports = "5300,53", .filter = "udp port 5300"};
	expect(&b, &filtered, "100 a.example 2.1\n");
	static const char *const wrong[] = {"", "0", "53,", "65536", "dns", "53;54", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct err e = {""};
		const struct reader_options opt = {.ports = wrong[i]};
		assert_null(pcap_format.open(&opt, &e));
		assert_true(e.text[0]);
	}
	struct err e = {""};
	const struct reader_options no_filter = {.filter = "udp port and and"};
	assert_null(pcap_format.open(&no_filter, &e));
	assert_non_null(strstr(e.text, "udp port and and"));
	buffer_release(&b);
}

static void test_rejects(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, ip = BUFFER_INIT, udp = BUFFER_INIT;
	put_pcap(&b, LINK_RAW);
	put_udp(&udp, 53, 1000, bytes_str("no message"));
	put_ipv4(&ip, 2, 1, PROTOCOL_UDP, 7, 0, buffer_bytes(&udp));
	put_packet(&b, 100, buffer_bytes(&ip));
	put_dns_packet(&b, 0, 53, 1, "a.example", 1);
	ip.p[0] = 0;
	put_packet(&b, 100, buffer_bytes(&ip));
	buffer_clear(&ip);
	put_dns(&ip, 2, 53, 1, 1000, 2, "b.example", 2);
	put_packet(&b, 100, bytes_of(ip.p, ip.n - 3));
	b.p[b.n - (ip.n - 3) - 4] = (uint8_t)ip.n; /* it was longer on the wire */
	put_dns_packet(&b, 100, 53, 1, "a.example", 1);
	b.n -= 2;
	expect(&b, NULL,
	       "packet 1: the message's head is malformed\npacket 2: the packet has no usable time\n"
	       "packet 3: the IP version is neither 4 nor 6\n"
	       "packet 4: the packet is cut off by the capture (its snaplen)\n"
	       "packet 5: the capture is cut off within a packet\n");
	buffer_release(&b);
	buffer_release(&ip);
	buffer_release(&udp);
}

static void test_fragments_and_streams(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, message = BUFFER_INIT, udp = BUFFER_INIT, ip = BUFFER_INIT, two = BUFFER_INIT;
	put_pcap(&b, LINK_RAW);
	put_message(&message, 9, "fragmented.example", 9);
	put_udp(&udp, 53, 1000, buffer_bytes(&message));
	put_ipv4(&ip, 2, 1, PROTOCOL_UDP, 77, 3, bytes_of(udp.p + 24, udp.n - 24));
	put_packet(&b, 100, buffer_bytes(&ip));
	buffer_clear(&ip);
	put_ipv4(&ip, 2, 1, PROTOCOL_UDP, 77, 0x2000, bytes_of(udp.p, 24));
	put_packet(&b, 101, buffer_bytes(&ip));
	put16(&two, (unsigned)message.n);
	buffer_put_bytes(&two, buffer_bytes(&message));
	for (int i = 1; i >= 0; i--) { /* the second half comes first */
		struct buffer tcp = BUFFER_INIT;
		buffer_clear(&ip);
		if (i == 1) {
			put_tcp(&tcp, 53, 1000, 499, SYN | ACK, bytes_of(NULL, 0));
			put_ipv4(&ip, 2, 1, PROTOCOL_TCP, 1, 0, buffer_bytes(&tcp));
			put_packet(&b, 102, buffer_bytes(&ip));
			buffer_clear(&tcp);
			buffer_clear(&ip);
		}
		put_tcp(&tcp, 53, 1000, 500 + (i ? 20 : 0), ACK, i ? bytes_of(two.p + 20, two.n - 20) : bytes_of(two.p, 20));
		put_ipv4(&ip, 2, 1, PROTOCOL_TCP, 1, 0, buffer_bytes(&tcp));
		put_packet(&b, i ? 103 : 104, buffer_bytes(&ip));
		buffer_release(&tcp);
	}
	expect(&b, NULL, "101 fragmented.example 2.9\n104 fragmented.example 2.9\n");
	buffer_release(&b);
	buffer_release(&message);
	buffer_release(&udp);
	buffer_release(&ip);
	buffer_release(&two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_matched), cmocka_unit_test(test_answers_only), cmocka_unit_test(test_ports_and_filter),
		cmocka_unit_test(test_rejects), cmocka_unit_test(test_fragments_and_streams),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
