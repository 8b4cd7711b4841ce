/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The framing of pcap and pcapng. */
#include "ingest/capfile.h"

#include <stdlib.h>

#include "base/err.h"

enum {
	MAGIC_MICRO = 0xa1b2c3d4,
	MAGIC_NANO = 0xa1b23c4d,
	MAGIC_NG = 0x0a0d0d0a,
	MAGIC_ORDER = 0x1a2b3c4d,
	PCAP_HEADER = 24,
	PACKET_HEADER = 16,
	SECTION_HEADER = 28,
	BLOCK_HEADER = 8,
	BLOCK_LEAST = 12, /* type, length, length again */
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 2,
	BLOCK_SIMPLE = 3,
	BLOCK_ENHANCED = 6,
	OPTION_TSRESOL = 9,
	OPTION_TSOFFSET = 14,
};

static uint16_t get16(const struct capfile *f, const uint8_t *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return f->swapped ? __builtin_bswap16(v) : v;
}

static uint32_t get32(const struct capfile *f, const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return f->swapped ? __builtin_bswap32(v) : v;
}

void capfile_release(struct capfile *f)
{
	buffer_release(&f->held);
	free(f->interfaces);
	*f = (struct capfile){0};
}

void capfile_put(struct capfile *f, struct bytes run)
{
	f->run = run;
}

bool capfile_is_cut(const struct capfile *f)
{
	return !f->broken && (f->held.n > 0 || f->skip > 0);
}

/* Of either byte order. */
static bool is_pcap(uint32_t magic)
{
	uint32_t other = __builtin_bswap32(magic);
	return magic == MAGIC_MICRO || magic == MAGIC_NANO || other == MAGIC_MICRO || other == MAGIC_NANO;
}

static bool is_order(uint32_t order)
{
	return order == MAGIC_ORDER || __builtin_bswap32(order) == MAGIC_ORDER;
}

bool capfile_begins(struct bytes head)
{
	uint32_t magic, order;
	if (head.n < 12)
		return false;
	memcpy(&magic, head.p, 4);
	memcpy(&order, head.p + 8, 4);
	return magic == MAGIC_NG ? is_order(order) : is_pcap(magic);
}

static int breaks(struct capfile *f, const char *reason)
{
	f->broken = reason;
	f->run = bytes_of(NULL, 0);
	buffer_clear(&f->held);
	return ERR_SYNTAX;
}

/* The first n octets of what is next, in one piece; NULL: the run ends before. They stay next until take. */
static const uint8_t *peek(struct capfile *f, size_t n)
{
	if (!f->held.n && f->run.n >= n)
		return f->run.p;
	if (f->held.n < n) {
		size_t more = n - f->held.n < f->run.n ? n - f->held.n : f->run.n;
		buffer_put(&f->held, f->run.p, more);
		f->run = bytes_of(f->run.p + more, f->run.n - more);
	}
	return f->held.n >= n ? f->held.p : NULL;
}

/* n octets that were peeked at are behind us. Those in held stay readable until the next call of capfile_next. */
static void take(struct capfile *f, size_t n)
{
	if (!f->held.n)
		f->run = bytes_of(f->run.p + n, f->run.n - n);
	f->taken = n;
}

/* Forgets what was taken by the call before. */
static void settle(struct capfile *f)
{
	if (f->taken)
		buffer_clear(&f->held);
	f->bytes += f->taken;
	f->taken = 0;
}

static void step_over(struct capfile *f)
{
	size_t n = f->skip < f->run.n ? (size_t)f->skip : f->run.n;
	f->run = bytes_of(f->run.p + n, f->run.n - n);
	f->skip -= n;
	f->bytes += n;
}

static struct capture_interface *add_interface(struct capfile *f)
{
	f->interfaces = xrealloc(f->interfaces, (f->n_interfaces + 1) * sizeof(*f->interfaces));
	return &f->interfaces[f->n_interfaces++];
}

/* --- pcap --- */

static int begin_pcap(struct capfile *f, uint32_t magic)
{
	f->swapped = magic != MAGIC_MICRO && magic != MAGIC_NANO;
	uint32_t plain = f->swapped ? __builtin_bswap32(magic) : magic;
	const uint8_t *p = peek(f, PCAP_HEADER);
	if (!p)
		return 0;
	if (get16(f, p + 4) != 2)
		return breaks(f, "pcap of a version that is not read");
	f->n_interfaces = 0;
	*add_interface(f) = (struct capture_interface){
		.link = get32(f, p + 20) & 0xffff,
		.per_second = plain == MAGIC_NANO ? 1000000000 : 1000000,
	};
	f->kind = CAPFILE_PCAP;
	take(f, PCAP_HEADER);
	return 1;
}

static int next_pcap(struct capfile *f, struct captured *ret)
{
	const uint8_t *p = peek(f, PACKET_HEADER);
	if (!p)
		return 0;
	uint32_t kept = get32(f, p + 8);
	if (kept > PACKET_MAX)
		return breaks(f, "the length of a packet is wrong: what follows cannot be read");
	p = peek(f, PACKET_HEADER + kept);
	if (!p)
		return 0;
	*ret = (struct captured){
		.link = f->interfaces[0].link,
		.time_s = get32(f, p),
		.octets = bytes_of(p + PACKET_HEADER, kept),
		.length = get32(f, p + 12),
		.number = ++f->count,
	};
	take(f, PACKET_HEADER + kept);
	return 1;
}

/* --- pcapng --- */

static int begin_section(struct capfile *f, uint32_t *ret_length)
{
	uint32_t order;
	const uint8_t *p = peek(f, 12);
	if (!p)
		return 0;
	memcpy(&order, p + 8, 4);
	if (!is_order(order))
		return breaks(f, "a pcapng section without a byte order");
	f->swapped = order != MAGIC_ORDER;
	*ret_length = get32(f, p + 4);
	f->n_interfaces = 0;
	f->kind = CAPFILE_PCAPNG;
	return *ret_length < SECTION_HEADER ? breaks(f, "the length of a block is wrong: what follows cannot be read") : 1;
}

static uint64_t units(uint8_t resolution)
{
	uint64_t n = 1;
	if (resolution & 0x80)
		return (resolution & 0x7f) < 64 ? (uint64_t)1 << (resolution & 0x7f) : 0;
	for (int i = 0; i < resolution && n; i++)
		n = n > UINT64_MAX / 10 ? 0 : n * 10;
	return n;
}

static int take_interface(struct capfile *f, struct bytes body)
{
	if (body.n < 8)
		return breaks(f, "an interface of a pcapng section is malformed");
	if (f->n_interfaces == INTERFACES_MAX)
		return breaks(f, "a pcapng section has too many interfaces");
	struct capture_interface *i = add_interface(f);
	*i = (struct capture_interface){.link = get16(f, body.p), .snaplen = get32(f, body.p + 4), .per_second = 1000000};
	for (size_t at = 8; body.n - at >= 4;) {
		uint16_t code = get16(f, body.p + at), n = get16(f, body.p + at + 2);
		const uint8_t *value = body.p + at + 4;
		if (!code || n > body.n - at - 4)
			break;
		if (code == OPTION_TSRESOL && n >= 1)
			i->per_second = units(value[0]);
		if (code == OPTION_TSOFFSET && n >= 8) {
			uint64_t v;
			memcpy(&v, value, sizeof(v));
			i->offset_s = (int64_t)(f->swapped ? __builtin_bswap64(v) : v);
		}
		size_t padded = 4 + ((size_t)n + 3) / 4 * 4;
		at += padded < body.n - at ? padded : body.n - at;
	}
	return 0;
}

static void describe(const struct capfile *f, uint32_t interface, uint64_t ticks, struct captured *ret)
{
	ret->link = UINT32_MAX;
	ret->time_s = 0;
	if (interface >= f->n_interfaces)
		return;
	const struct capture_interface *i = &f->interfaces[interface];
	ret->link = i->link;
	if (!i->per_second)
		return;
	int64_t s;
	uint64_t whole = ticks / i->per_second;
	if (whole <= INT64_MAX && !__builtin_add_overflow((int64_t)whole, i->offset_s, &s) && s > 0)
		ret->time_s = (uint64_t)s;
}

/* A packet in a block's body. False: it is malformed, and costs itself. */
static bool packet_of(const struct capfile *f, uint32_t type, struct bytes body, struct captured *ret)
{
	size_t header = type == BLOCK_SIMPLE ? 4 : 20;
	if (body.n < header)
		return false;
	size_t kept = body.n - header;
	if (type == BLOCK_SIMPLE) {
		ret->length = get32(f, body.p);
		uint32_t snaplen = f->n_interfaces ? f->interfaces[0].snaplen : 0;
		uint64_t least = snaplen && snaplen < ret->length ? snaplen : ret->length;
		kept = least < kept ? (size_t)least : kept;
		describe(f, 0, 0, ret);
		ret->time_s = 0;
	} else {
		uint32_t interface = type == BLOCK_ENHANCED ? get32(f, body.p) : get16(f, body.p);
		uint64_t ticks = (uint64_t)get32(f, body.p + 4) << 32 | get32(f, body.p + 8);
		if (get32(f, body.p + 12) > kept)
			return false;
		kept = get32(f, body.p + 12);
		ret->length = get32(f, body.p + 16);
		describe(f, interface, ticks, ret);
	}
	ret->octets = bytes_of(body.p + header, kept);
	return true;
}

/* 1: a packet; 2: another block; 0; or an error. */
static int next_block(struct capfile *f, struct captured *ret)
{
	const uint8_t *p = peek(f, BLOCK_HEADER);
	if (!p)
		return 0;
	uint32_t raw, length;
	memcpy(&raw, p, 4);
	uint32_t type = f->swapped ? __builtin_bswap32(raw) : raw;
	int rc = 1;
	if (raw == MAGIC_NG)
		rc = begin_section(f, &length);
	else
		length = get32(f, p + 4);
	if (rc != 1)
		return rc;
	if (length < BLOCK_LEAST || length % 4)
		return breaks(f, "the length of a block is wrong: what follows cannot be read");
	bool packet = raw != MAGIC_NG && (type == BLOCK_PACKET || type == BLOCK_SIMPLE || type == BLOCK_ENHANCED);
	bool interface = raw != MAGIC_NG && type == BLOCK_INTERFACE;
	if (!packet && !interface) { /* of whatever size: it is stepped over */
		size_t seen = f->held.n ? f->held.n : BLOCK_HEADER;
		f->skip = length - seen;
		take(f, seen);
		return 2;
	}
	if (length > BLOCK_MAX)
		return breaks(f, "a block is too long: what follows cannot be read");
	p = peek(f, length);
	if (!p)
		return 0;
	if (get32(f, p + length - 4) != length)
		return breaks(f, "the two lengths of a block differ: what follows cannot be read");
	struct bytes body = bytes_of(p + BLOCK_HEADER, length - BLOCK_LEAST);
	take(f, length);
	if (interface)
		return take_interface(f, body) < 0 ? ERR_SYNTAX : 2;
	*ret = (struct captured){.number = ++f->count};
	if (!packet_of(f, type, body, ret)) {
		ret->octets = bytes_of(body.p, 0);
		ret->link = UINT32_MAX;
	}
	return 1;
}

/* --- either --- */

static int begin(struct capfile *f)
{
	uint32_t magic;
	const uint8_t *p = peek(f, 4);
	if (!p)
		return 0;
	memcpy(&magic, p, 4);
	if (magic == MAGIC_NG) {
		f->kind = CAPFILE_PCAPNG;
		return 1;
	}
	if (is_pcap(magic))
		return begin_pcap(f, magic);
	return breaks(f, "it does not begin as a capture does");
}

int capfile_next(struct capfile *f, struct captured *ret)
{
	int rc = 2;
	if (f->broken)
		return ERR_SYNTAX;
	while (rc == 2) {
		settle(f);
		step_over(f);
		if (f->skip)
			return 0;
		if (f->kind == CAPFILE_UNKNOWN) {
			rc = begin(f);
			if (rc == 1)
				rc = 2;
		} else {
			rc = f->kind == CAPFILE_PCAP ? next_pcap(f, ret) : next_block(f, ret);
		}
	}
	return rc;
}
