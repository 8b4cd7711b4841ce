/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets made by hand: DNS messages in UDP or TCP, in IPv4 or IPv6, in frames, in captures. Each put_ appends. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/err.h"
#include "ingest/packet.h"
#include "model/dname.h"

static inline void put16(struct buffer *b, unsigned v)
{
	buffer_put_byte(b, (uint8_t)(v >> 8));
	buffer_put_byte(b, (uint8_t)v);
}

static inline void put32(struct buffer *b, uint32_t v)
{
	put16(b, v >> 16);
	put16(b, v & 0xffff);
}

/* A question for an A record, or its answer 192.0.2.LAST; last -1: the question. */
static inline void put_message(struct buffer *b, unsigned id, const char *name, int last)
{
	uint8_t wire[DNAME_MAX];
	int n = dname_from_text(bytes_str(name), wire);
	if (n <= 0 || n > DNAME_MAX)
		abort();
	put16(b, id);
	put16(b, last < 0 ? 0x0100 : 0x8180);
	put16(b, 1);
	put16(b, last < 0 ? 0 : 1);
	put32(b, 0);
	buffer_put(b, wire, (size_t)n);
	put16(b, 1);
	put16(b, 1);
	if (last < 0)
		return;
	put16(b, 0xc00c);
	put16(b, 1);
	put16(b, 1);
	put32(b, 300);
	put16(b, 4);
	put32(b, 0xc0000200 | (uint32_t)last);
}

static inline void put_udp(struct buffer *b, unsigned from, unsigned to, struct bytes payload)
{
	put16(b, from);
	put16(b, to);
	put16(b, (unsigned)payload.n + 8);
	put16(b, 0);
	buffer_put_bytes(b, payload);
}

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static inline void put_tcp(struct buffer *b, unsigned from, unsigned to, uint32_t sequence, unsigned flags,
                           struct bytes payload)
{
	put16(b, from);
	put16(b, to);
	put32(b, sequence);
	put32(b, 0);
	put16(b, 5 << 12 | flags);
	put16(b, 65535);
	put32(b, 0);
	buffer_put_bytes(b, payload);
}

/* From 10.0.0.FROM to 10.0.0.TO; fragment: the flags and offset field. */
static inline void put_ipv4(struct buffer *b, unsigned from, unsigned to, unsigned protocol, unsigned id, unsigned fragment,
                            struct bytes payload)
{
	put16(b, 0x4500);
	put16(b, (unsigned)payload.n + 20);
	put16(b, id);
	put16(b, fragment);
	put16(b, 64 << 8 | protocol);
	put16(b, 0);
	put32(b, 0x0a000000 | from);
	put32(b, 0x0a000000 | to);
	buffer_put_bytes(b, payload);
}

static inline void put_ipv6(struct buffer *b, unsigned from, unsigned to, unsigned protocol, struct bytes payload)
{
	put32(b, 0x60000000);
	put16(b, (unsigned)payload.n);
	put16(b, protocol << 8 | 64);
	for (int i = 0; i < 2; i++) {
		put32(b, 0x20010db8);
		put32(b, 0);
		put32(b, 0);
		put32(b, i ? to : from);
	}
	buffer_put_bytes(b, payload);
}

/* An Ethernet frame; tags are VLAN tags: EtherType and so on, as they stand. */
static inline void put_ethernet(struct buffer *b, struct bytes tags, unsigned type, struct bytes payload)
{
	buffer_put(b, "\x02\0\0\0\0\1\x02\0\0\0\0\2", 12);
	buffer_put_bytes(b, tags);
	put16(b, type);
	buffer_put_bytes(b, payload);
}

/* A UDP packet of one message between 10.0.0.FROM and 10.0.0.TO, as IP. */
static inline void put_dns(struct buffer *b, unsigned from, unsigned from_port, unsigned to, unsigned to_port, unsigned id,
                           const char *name, int last)
{
	struct buffer message = BUFFER_INIT, udp = BUFFER_INIT;
	put_message(&message, id, name, last);
	put_udp(&udp, from_port, to_port, buffer_bytes(&message));
	put_ipv4(b, from, to, PROTOCOL_UDP, 7, 0, buffer_bytes(&udp));
	buffer_release(&message);
	buffer_release(&udp);
}

static inline void put_le32(struct buffer *b, uint32_t v)
{
	put32(b, __builtin_bswap32(v));
}

/* The head of a pcap file, little-endian. */
static inline void put_pcap(struct buffer *b, uint32_t link)
{
	put_le32(b, 0xa1b2c3d4);
	put_le32(b, 2 | 4 << 16);
	put_le32(b, 0);
	put_le32(b, 0);
	put_le32(b, 262144);
	put_le32(b, link);
}

static inline void put_packet(struct buffer *b, uint32_t time_s, struct bytes octets)
{
	put_le32(b, time_s);
	put_le32(b, 5);
	put_le32(b, (uint32_t)octets.n);
	put_le32(b, (uint32_t)octets.n);
	buffer_put_bytes(b, octets);
}
