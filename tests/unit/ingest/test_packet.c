/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The layers of a packet: each link type, VLANs, extension headers, lengths that lie. */
#include "packets_kit.h"

/* What a packet is, in a line: "udp 10.0.0.1:1000 -> 10.0.0.2:53 hello", or why not. */
static void describe(uint32_t link, struct bytes octets, uint64_t length, char *ret, size_t n)
{
	struct captured c = {.link = link, .time_s = 1, .octets = octets, .length = length, .number = 1};
	struct datagram d;
	struct transport t;
	const char *reason = "";
	enum packet_result result = packet_datagram(&c, &d, &reason);
	if (result == PACKET_OK && d.fragment) {
		snprintf(ret, n, "fragment %u at %u%s", d.id, d.offset, d.more ? ", more" : "");
		return;
	}
	if (result == PACKET_OK)
		result = packet_transport(&d, &t, &reason);
	if (result != PACKET_OK) {
		snprintf(ret, n, "%s", result == PACKET_OTHER ? "other" : reason);
		return;
	}
	snprintf(ret, n, "%s %u:%u -> %u:%u%s %.*s", t.tcp ? "tcp" : "udp", d.from[15], t.from_port, d.to[15], t.to_port,
	         t.cut ? " cut" : "", (int)t.payload.n, (const char *)t.payload.p);
}

/* The octets are copied, so that a sanitizer sees what is read beyond them. */
static void expect_cut(uint32_t link, struct bytes octets, uint64_t length, const char *want)
{
	char got[256];
	uint8_t *copy = malloc(octets.n + 1);
	memcpy(copy, octets.p, octets.n);
	copy = realloc(copy, octets.n ? octets.n : 1);
	describe(link, bytes_of(copy, octets.n), length, got, sizeof(got));
	assert_string_equal(got, want);
	free(copy);
}

static void expect(uint32_t link, struct bytes octets, const char *want)
{
	expect_cut(link, octets, octets.n, want);
}

static const char plain[] = "udp 1:1000 -> 2:53 hello";

static struct buffer ip4(void)
{
	struct buffer udp = BUFFER_INIT, ip = BUFFER_INIT;
	put_udp(&udp, 1000, 53, bytes_str("hello"));
	put_ipv4(&ip, 1, 2, PROTOCOL_UDP, 7, 0, buffer_bytes(&udp));
	buffer_release(&udp);
	return ip;
}

static void test_links(void **state)
{
	(void)state;
	struct buffer ip = ip4(), b = BUFFER_INIT;
	struct bytes packet = buffer_bytes(&ip);
	expect(LINK_RAW, packet, plain);
	expect(LINK_IPV4, packet, plain);
	put_ethernet(&b, bytes_of(NULL, 0), 0x0800, packet);
	expect(LINK_ETHERNET, buffer_bytes(&b), plain);
	buffer_clear(&b);
	put_ethernet(&b, bytes_of("\x81\0\0\5", 4), 0x0800, packet);
	expect(LINK_ETHERNET, buffer_bytes(&b), plain);
	buffer_clear(&b);
	put_ethernet(&b, bytes_of("\x88\xa8\0\5\x81\0\0\6", 8), 0x0800, packet);
	expect(LINK_ETHERNET, buffer_bytes(&b), plain);
	buffer_clear(&b);
	put_ethernet(&b, bytes_of("\x88\x64\x11\0\0\1\0\0\0\x21", 10), 0x4500, bytes_of(packet.p + 2, packet.n - 2));
	expect(LINK_ETHERNET, buffer_bytes(&b), plain);
	buffer_clear(&b);
	put_ethernet(&b, bytes_of(NULL, 0), 0x0806, packet);
	expect(LINK_ETHERNET, buffer_bytes(&b), "other");
	buffer_clear(&b);
	buffer_put(&b, "\0\0\0\1\0\6\2\0\0\0\0\1\0\0\x08\0", 16);
	buffer_put_bytes(&b, packet);
	expect(LINK_LINUX_SLL, buffer_bytes(&b), plain);
	buffer_clear(&b);
	buffer_put(&b, "\x08\0\0\0\0\0\0\1\0\1\0\6\2\0\0\0\0\1\0\0", 20);
	buffer_put_bytes(&b, packet);
	expect(LINK_LINUX_SLL2, buffer_bytes(&b), plain);
	buffer_clear(&b);
	buffer_put(&b, "\0\0\0\2", 4);
	buffer_put_bytes(&b, packet);
	expect(LINK_LOOP, buffer_bytes(&b), plain);
	expect(LINK_NULL, buffer_bytes(&b), plain);
	memcpy(b.p, "\2\0\0\0", 4);
	expect(LINK_NULL, buffer_bytes(&b), plain);
	expect(9999, packet, "packets of this link type are not read");
	buffer_release(&ip);
	buffer_release(&b);
}

static void test_ipv6(void **state)
{
	(void)state;
	struct buffer udp = BUFFER_INIT, b = BUFFER_INIT, more = BUFFER_INIT;
	put_udp(&udp, 1000, 53, bytes_str("hello"));
	put_ipv6(&b, 1, 2, PROTOCOL_UDP, buffer_bytes(&udp));
	expect(LINK_IPV6, buffer_bytes(&b), plain);
	/* hop by hop, then destination options, then UDP */
	buffer_put(&more, "\x3c\0\1\4\0\0\0\0", 8);
	buffer_put(&more, "\x11\1\1\x0c\0\0\0\0\0\0\0\0\0\0\0\0", 16);
	buffer_put_bytes(&more, buffer_bytes(&udp));
	buffer_clear(&b);
	put_ipv6(&b, 1, 2, 0, buffer_bytes(&more));
	expect(LINK_IPV6, buffer_bytes(&b), plain);
	/* a fragment header of a packet that is whole (RFC 6946), and one of a fragment */
	buffer_clear(&more);
	buffer_put(&more, "\x11\0\0\0\0\0\0\x09", 8);
	buffer_put_bytes(&more, buffer_bytes(&udp));
	buffer_clear(&b);
	put_ipv6(&b, 1, 2, 44, buffer_bytes(&more));
	expect(LINK_RAW, buffer_bytes(&b), plain);
	b.p[43] = 9;
	expect(LINK_RAW, buffer_bytes(&b), "fragment 9 at 8, more");
	b.p[6] = 51; /* an authentication header that is longer than the packet */
	b.p[41] = 255;
	expect(LINK_RAW, buffer_bytes(&b), "an IPv6 extension header is cut off");
	buffer_release(&udp);
	buffer_release(&b);
	buffer_release(&more);
}

static void test_extension_headers_end(void **state)
{
	(void)state;
	struct buffer b = BUFFER_INIT, many = BUFFER_INIT;
	for (int i = 0; i < 40; i++)
		buffer_put(&many, "\x3c\0\1\4\0\0\0\0", 8);
	put_ipv6(&b, 1, 2, 60, buffer_bytes(&many));
	expect(LINK_RAW, buffer_bytes(&b), "too many IPv6 extension headers");
	buffer_release(&b);
	buffer_release(&many);
}

static void test_tcp(void **state)
{
	(void)state;
	struct buffer tcp = BUFFER_INIT, b = BUFFER_INIT;
	put_tcp(&tcp, 53, 1000, 1, ACK, bytes_str("hello"));
	put_ipv4(&b, 2, 1, PROTOCOL_TCP, 7, 0x4000, buffer_bytes(&tcp));
	expect(LINK_RAW, buffer_bytes(&b), "tcp 2:53 -> 1:1000 hello");
	b.p[20 + 12] = 0xf0;
	expect(LINK_RAW, buffer_bytes(&b), "the TCP header has a wrong length");
	b.p[9] = 1;
	expect(LINK_RAW, buffer_bytes(&b), "other");
	buffer_release(&tcp);
	buffer_release(&b);
}

static void test_lengths(void **state)
{
	(void)state;
	struct buffer ip = ip4();
	struct bytes b = buffer_bytes(&ip);
	expect_cut(LINK_RAW, bytes_of(b.p, b.n - 2), b.n, "udp 1:1000 -> 2:53 cut hel");
	expect(LINK_RAW, bytes_of(b.p, b.n - 2), "the IPv4 packet is longer than its frame");
	expect_cut(LINK_RAW, bytes_of(b.p, 24), b.n, "the packet is cut off by the capture (its snaplen)");
	ip.p[25] = 99; /* UDP's length */
	expect(LINK_RAW, b, "the UDP header has a wrong length");
	ip.p[25] = 7;
	expect(LINK_RAW, b, "the UDP header has a wrong length");
	ip.p[25] = 13;
	ip.p[2] = ip.p[3] = 0; /* left to the network card */
	expect(LINK_RAW, b, plain);
	ip.p[0] = 0x44;
	expect(LINK_RAW, b, "the IPv4 header has a wrong length");
	ip.p[0] = 0x25;
	expect(LINK_RAW, b, "the IP version is neither 4 nor 6");
	ip.p[0] = 0x45;
	ip.p[6] = 0x20;
	expect(LINK_RAW, b, "fragment 7 at 0, more");
	for (size_t n = 0; n < b.n; n++) { /* every cut is told or taken, none is read beyond */
		char got[256];
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, b.p, n);
		describe(LINK_RAW, bytes_of(copy, n), n, got, sizeof(got));
		describe(LINK_ETHERNET, bytes_of(copy, n), b.n, got, sizeof(got));
		free(copy);
	}
	buffer_release(&ip);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_links),  cmocka_unit_test(test_ipv6), cmocka_unit_test(test_extension_headers_end),
		cmocka_unit_test(test_tcp),    cmocka_unit_test(test_lengths),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
