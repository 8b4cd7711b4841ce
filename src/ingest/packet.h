/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A captured packet's layers: link, IPv4 or IPv6 with its extension headers, UDP or TCP. Nothing is copied, nothing remembered.
 *
 * Checksums are not looked at: captures on the sending machine hold them unfinished (offloading). What the capture cut off
 * (its snaplen) is told apart from what is malformed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Link layers that are read: LINKTYPE_ of the registry of tcpdump.org. */
enum link_type {
	LINK_NULL = 0,
	LINK_ETHERNET = 1,
	LINK_RAW_OPENBSD = 14,
	LINK_RAW_OLD = 12,
	LINK_RAW = 101,
	LINK_LOOP = 108,
	LINK_LINUX_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_LINUX_SLL2 = 276,
};

/* A packet as a capture holds it. */
struct captured {
	uint32_t link;
	uint64_t time_s;
	struct bytes octets; /* what was kept of it; borrowed */
	uint64_t length;     /* octets it had on the wire */
	uint64_t number;     /* its place in the capture, from 1 */
};

enum packet_result {
	PACKET_OK,
	PACKET_OTHER,     /* something else than IP with UDP or TCP */
	PACKET_MALFORMED, /* ret_reason says what */
};

/* An IP packet, or a fragment of one. */
struct datagram {
	uint8_t from[16], to[16]; /* IPv4 as ::ffff:a.b.c.d */
	uint8_t protocol;         /* of what follows the headers */
	struct bytes payload;     /* what the capture holds of it */
	bool cut;                 /* the capture holds less than there was */
	bool fragment;
	bool more;                /* fragments follow this one */
	uint16_t offset;          /* octets, of a fragment */
	uint32_t id;              /* of a fragment */
};

enum packet_result packet_datagram(const struct captured *c, struct datagram *ret, const char **ret_reason);

/* Steps over the IPv6 extension headers at the beginning of a payload that was put together from fragments. */
enum packet_result packet_after_fragments(struct datagram *d, const char **ret_reason);

enum { PROTOCOL_TCP = 6, PROTOCOL_UDP = 17 };

/* What UDP or TCP carries. */
struct transport {
	bool tcp;
	bool cut;
	uint16_t from_port, to_port;
	struct bytes payload;
	uint32_t sequence; /* of TCP, as what follows */
	uint32_t acknowledged; /* of the other direction, all before it; where acks */
	bool acks;
	bool syn, end;     /* end: FIN or RST */
	bool reset;
};

/* d must not be a fragment. PACKET_OTHER for protocols that are neither. */
enum packet_result packet_transport(const struct datagram *d, struct transport *ret, const char **ret_reason);
