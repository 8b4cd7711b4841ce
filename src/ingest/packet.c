/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From the link to what UDP and TCP carry. */
#include "ingest/packet.h"

#include <string.h>

enum {
	ETHERTYPE_IPV4 = 0x0800,
	ETHERTYPE_IPV6 = 0x86dd,
	ETHERTYPE_VLAN = 0x8100,
	ETHERTYPE_QINQ = 0x88a8,
	ETHERTYPE_QINQ_OLD = 0x9100,
	ETHERTYPE_PPPOE = 0x8864,
	PPP_IPV4 = 0x0021,
	PPP_IPV6 = 0x0057,
	TAGS_MAX = 8,       /* VLAN tags on one another */
	EXTENSIONS_MAX = 8, /* IPv6 extension headers of one packet */
};

static const char CUT[] = "the packet is cut off by the capture (its snaplen)";

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline struct bytes after(struct bytes b, size_t n)
{
	return bytes_of(b.p + n, b.n - n);
}

static enum packet_result malformed(const char **ret_reason, const char *reason)
{
	*ret_reason = reason;
	return PACKET_MALFORMED;
}

/* --- link --- */

static enum packet_result tagged(struct bytes *rest, uint16_t *type, const char **ret_reason)
{
	for (int tags = 0; *type == ETHERTYPE_VLAN || *type == ETHERTYPE_QINQ || *type == ETHERTYPE_QINQ_OLD; tags++) {
		if (tags == TAGS_MAX)
			return malformed(ret_reason, "too many VLAN tags");
		if (rest->n < 4)
			return malformed(ret_reason, "a VLAN tag is cut off");
		*type = get16(rest->p + 2);
		*rest = after(*rest, 4);
	}
	if (*type != ETHERTYPE_PPPOE)
		return PACKET_OK;
	if (rest->n < 8)
		return malformed(ret_reason, "the PPPoE header is cut off");
	uint16_t protocol = get16(rest->p + 6);
	*type = protocol == PPP_IPV4 ? ETHERTYPE_IPV4 : protocol == PPP_IPV6 ? ETHERTYPE_IPV6 : 0;
	*rest = after(*rest, 8);
	return PACKET_OK;
}

/* Link layers that name an EtherType at a place of their header. */
static enum packet_result with_type(struct bytes *rest, size_t type_at, size_t header, const char **ret_reason)
{
	if (rest->n < header)
		return malformed(ret_reason, "the link layer's header is cut off");
	uint16_t type = get16(rest->p + type_at);
	*rest = after(*rest, header);
	enum packet_result result = tagged(rest, &type, ret_reason);
	if (result != PACKET_OK)
		return result;
	return type == ETHERTYPE_IPV4 || type == ETHERTYPE_IPV6 ? PACKET_OK : PACKET_OTHER;
}

/* BSD loopback: four octets, the address family in the byte order of the capturing machine or of the network. */
static enum packet_result with_family(struct bytes *rest, const char **ret_reason)
{
	if (rest->n < 4)
		return malformed(ret_reason, "the link layer's header is cut off");
	uint32_t family = get32(rest->p);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	*rest = after(*rest, 4);
	/* AF_INET is 2 everywhere, AF_INET6 is 10 (Linux), 24 (NetBSD, OpenBSD), 28 (FreeBSD) or 30 (Darwin) */
	return family == 2 || family == 10 || family == 24 || family == 28 || family == 30 ? PACKET_OK : PACKET_OTHER;
}

static enum packet_result link_layer(const struct captured *c, struct bytes *rest, const char **ret_reason)
{
	switch (c->link) {
	case LINK_ETHERNET:
		return with_type(rest, 12, 14, ret_reason);
	case LINK_LINUX_SLL:
		return with_type(rest, 14, 16, ret_reason);
	case LINK_LINUX_SLL2:
		return with_type(rest, 0, 20, ret_reason);
	case LINK_NULL:
	case LINK_LOOP:
		return with_family(rest, ret_reason);
	case LINK_RAW:
	case LINK_RAW_OLD:
	case LINK_RAW_OPENBSD:
	case LINK_IPV4:
	case LINK_IPV6:
		return PACKET_OK;
	default:
		return malformed(ret_reason, "packets of this link type are not read");
	}
}

/* --- IP --- */

static void map_ipv4(uint8_t ret[16], const uint8_t *address)
{
	memset(ret, 0, 10);
	ret[10] = ret[11] = 0xff;
	memcpy(ret + 12, address, 4);
}

static enum packet_result ipv4(struct bytes b, bool cut, struct datagram *d, const char **ret_reason)
{
	if (b.n < 20)
		return malformed(ret_reason, cut ? CUT : "the IPv4 header is cut off");
	size_t header = (size_t)(b.p[0] & 15) * 4, total = get16(b.p + 2);
	if (total == 0)
		total = b.n; /* segmentation offloading leaves it to the network card */
	if (header < 20 || total < header)
		return malformed(ret_reason, "the IPv4 header has a wrong length");
	if (b.n < total && !cut)
		return malformed(ret_reason, "the IPv4 packet is longer than its frame");
	if (b.n < header)
		return malformed(ret_reason, cut ? CUT : "the IPv4 header is cut off");
	d->cut = b.n < total;
	d->payload = bytes_of(b.p + header, (d->cut ? b.n : total) - header);
	uint16_t flags = get16(b.p + 6);
	d->more = flags & 0x2000;
	d->offset = (uint16_t)((flags & 0x1fff) * 8);
	d->fragment = d->more || d->offset;
	d->id = get16(b.p + 4);
	d->protocol = b.p[9];
	map_ipv4(d->from, b.p + 12);
	map_ipv4(d->to, b.p + 16);
	return PACKET_OK;
}

static bool is_extension(uint8_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 51 || protocol == 60 ||
	       protocol == 135;
}

/* RFC 8200 4. Stops behind a fragment header, unless the packet is whole in spite of it (RFC 6946). */
static enum packet_result extensions(struct datagram *d, const char **ret_reason)
{
	for (int i = 0; is_extension(d->protocol); i++) {
		struct bytes b = d->payload;
		if (i == EXTENSIONS_MAX)
			return malformed(ret_reason, "too many IPv6 extension headers");
		if (b.n < 8)
			return malformed(ret_reason, "an IPv6 extension header is cut off");
		size_t n = d->protocol == 44   ? 8
		           : d->protocol == 51 ? ((size_t)b.p[1] + 2) * 4
		                               : ((size_t)b.p[1] + 1) * 8;
		if (b.n < n)
			return malformed(ret_reason, "an IPv6 extension header is cut off");
		if (d->protocol == 44) {
			d->more = b.p[3] & 1;
			d->offset = get16(b.p + 2) & 0xfff8;
			d->id = get32(b.p + 4);
			d->fragment = d->more || d->offset;
		}
		d->protocol = b.p[0];
		d->payload = after(b, n);
		if (d->fragment)
			break;
	}
	return PACKET_OK;
}

static enum packet_result ipv6(struct bytes b, bool cut, struct datagram *d, const char **ret_reason)
{
	if (b.n < 40)
		return malformed(ret_reason, cut ? CUT : "the IPv6 header is cut off");
	size_t length = get16(b.p + 4);
	if (length == 0 && b.p[6] != 0)
		length = b.n - 40;
	if (b.n - 40 < length && !cut)
		return malformed(ret_reason, "the IPv6 packet is longer than its frame");
	d->cut = b.n - 40 < length;
	d->payload = bytes_of(b.p + 40, d->cut ? b.n - 40 : length);
	d->protocol = b.p[6];
	memcpy(d->from, b.p + 8, 16);
	memcpy(d->to, b.p + 24, 16);
	return extensions(d, ret_reason);
}

enum packet_result packet_datagram(const struct captured *c, struct datagram *ret, const char **ret_reason)
{
	struct bytes rest = c->octets;
	enum packet_result result = link_layer(c, &rest, ret_reason);
	bool cut = c->length > c->octets.n;
	if (result != PACKET_OK)
		return result;
	if (rest.n < 1)
		return malformed(ret_reason, "the packet is empty");
	memset(ret, 0, sizeof(*ret));
	unsigned version = rest.p[0] >> 4;
	if (version == 4)
		return ipv4(rest, cut, ret, ret_reason);
	if (version == 6)
		return ipv6(rest, cut, ret, ret_reason);
	return malformed(ret_reason, "the IP version is neither 4 nor 6");
}

enum packet_result packet_after_fragments(struct datagram *d, const char **ret_reason)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	d->fragment = d->more = false;
	d->offset = 0;
	if (memcmp(d->from, mapped, sizeof(mapped)) == 0)
		return PACKET_OK;
	enum packet_result result = extensions(d, ret_reason);
	if (result == PACKET_OK && d->fragment)
		return malformed(ret_reason, "fragments within fragments");
	return result;
}

/* --- UDP and TCP --- */

static enum packet_result udp(const struct datagram *d, struct transport *t, const char **ret_reason)
{
	struct bytes b = d->payload;
	if (b.n < 8)
		return malformed(ret_reason, d->cut ? CUT : "the UDP header is cut off");
	size_t length = get16(b.p + 4);
	if (length < 8 || (b.n < length && !d->cut))
		return malformed(ret_reason, "the UDP header has a wrong length");
	t->cut = b.n < length;
	t->payload = bytes_of(b.p + 8, (t->cut ? b.n : length) - 8);
	return PACKET_OK;
}

static enum packet_result tcp(const struct datagram *d, struct transport *t, const char **ret_reason)
{
	struct bytes b = d->payload;
	if (b.n < 20)
		return malformed(ret_reason, d->cut ? CUT : "the TCP header is cut off");
	size_t header = (size_t)(b.p[12] >> 4) * 4;
	if (header < 20 || (b.n < header && !d->cut))
		return malformed(ret_reason, "the TCP header has a wrong length");
	if (b.n < header)
		header = b.n;
	t->tcp = true;
	t->cut = d->cut;
	t->sequence = get32(b.p + 4);
	t->acknowledged = get32(b.p + 8);
	t->acks = b.p[13] & 0x10;
	t->syn = b.p[13] & 0x02;
	t->reset = b.p[13] & 0x04;
	t->end = b.p[13] & 0x05;
	t->payload = after(b, header);
	return PACKET_OK;
}

enum packet_result packet_transport(const struct datagram *d, struct transport *ret, const char **ret_reason)
{
	memset(ret, 0, sizeof(*ret));
	if (d->protocol != PROTOCOL_UDP && d->protocol != PROTOCOL_TCP)
		return PACKET_OTHER;
	enum packet_result result = d->protocol == PROTOCOL_UDP ? udp(d, ret, ret_reason) : tcp(d, ret, ret_reason);
	if (result != PACKET_OK)
		return result;
	ret->from_port = get16(d->payload.p);
	ret->to_port = get16(d->payload.p + 2);
	return PACKET_OK;
}
