/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and rdata out of DNS messages. */
#include "ingest/wire.h"

#include "base/err.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

enum { HEAD = 12 };

/* ASCII letters, eight octets at once; up to seven octets behind n are changed too. Length octets
 * of labels are below 'A', so a whole name goes through as it is. */
static void lower(uint8_t *p, size_t n)
{
	const uint64_t ones = 0x0101010101010101u;
	for (size_t i = 0; i < n; i += 8) {
		uint64_t v;
		memcpy(&v, p + i, 8);
		uint64_t low = v & 0x7f * ones;
		uint64_t from_a = low + (0x80 - 'A') * ones, behind_z = low + (0x7f - 'Z') * ones;
		v |= (from_a & ~behind_z & ~v & 0x80 * ones) >> 2;
		memcpy(p + i, &v, 8);
	}
}

int wire_name_into(struct bytes message, size_t *at, uint8_t ret_name[static WIRE_NAME_ROOM])
{
	uint8_t *to = ret_name;
	size_t p = *at, start = p, end = 0, n = 0; /* start: of the labels since the last pointer */
	unsigned pointers = 0;
	while (p < message.n) {
		uint8_t c = message.p[p];
		if (c <= LABEL_MAX) {
			p += c + 1u;
			if (n + (p - start) > DNAME_MAX)
				return ERR_SYNTAX;
			if (c)
				continue; /* that the label is all there is seen by the next length
					   */
		} else if (c < 0xc0 || message.n - p < 2) {
			return ERR_SYNTAX;
		}
		memcpy(to + n, message.p + start, p - start);
		n += p - start;
		if (!c) {
			lower(to, n);
			*at = end ? end : p;
			return (int)n;
		}
		if (!end)
			end = p + 2;
		p = (size_t)(c & 0x3f) << 8 | message.p[p + 1];
		if (p >= start || p < HEAD || ++pointers > NAME_POINTERS_MAX)
			return ERR_SYNTAX;
		start = p;
	}
	return ERR_SYNTAX;
}

int wire_name(struct bytes message, size_t *at, struct buffer *out)
{
	int n = wire_name_into(message, at, buffer_reserve(out, WIRE_NAME_ROOM));
	if (n > 0)
		out->n += (size_t)n;
	return n;
}

/* How rdata whose names may be compressed is made up: fixed octets, character-strings, names, and
 * at the end so many octets, or any. */
struct shape {
	uint8_t fixed, strings, names, tail;
};

enum { ANY = 255 };

static const struct shape shapes[] = {
	[RRTYPE_NS] = {.names = 1},
	[3] = {.names = 1}, /* MD */
	[4] = {.names = 1}, /* MF */
	[RRTYPE_CNAME] = {.names = 1},
	[RRTYPE_SOA] = {.names = 2, .tail = 20},
	[7] = {.names = 1}, /* MB */
	[8] = {.names = 1}, /* MG */
	[9] = {.names = 1}, /* MR */
	[RRTYPE_PTR] = {.names = 1},
	[14] = {.names = 2}, /* MINFO */
	[RRTYPE_MX] = {.fixed = 2, .names = 1},
	[17] = {.names = 2},                           /* RP */
	[18] = {.fixed = 2, .names = 1},               /* AFSDB */
	[21] = {.fixed = 2, .names = 1},               /* RT */
	[24] = {.fixed = 18, .names = 1, .tail = ANY}, /* SIG */
	[26] = {.fixed = 2, .names = 2},               /* PX */
	[30] = {.names = 1, .tail = ANY},              /* NXT */
	[RRTYPE_SRV] = {.fixed = 6, .names = 1},
	[35] = {.fixed = 4, .strings = 3, .names = 1}, /* NAPTR */
};

static int shaped_rdata(struct bytes message, size_t at, size_t n, struct shape shape,
			struct buffer *out)
{
	struct bytes upto = bytes_of(message.p, at + n); /* names end inside the rdata */
	size_t p = at + shape.fixed;
	if (n < shape.fixed)
		return ERR_SYNTAX;
	for (unsigned i = 0; i < shape.strings; i++) {
		if (p >= upto.n)
			return ERR_SYNTAX;
		p += upto.p[p] + 1u;
	}
	if (p > upto.n)
		return ERR_SYNTAX;
	if (p > at)
		buffer_put(out, upto.p + at, p - at);
	for (unsigned i = 0; i < shape.names; i++) {
		if (wire_name(upto, &p, out) < 0)
			return ERR_SYNTAX;
	}
	if (shape.tail != ANY && upto.n - p != shape.tail)
		return ERR_SYNTAX;
	if (p < upto.n)
		buffer_put(out, upto.p + p, upto.n - p);
	return 0;
}

/* The text of RFC 3597 5. */
static int opaque_rdata(struct bytes rdata, struct buffer *out)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t start = out->n;
	buffer_putf(out, "\\# %zu", rdata.n);
	if (rdata.n)
		buffer_put_byte(out, ' ');
	if (out->n - start + 2 * rdata.n > RDATA_MAX)
		return ERR_SYNTAX;
	for (size_t i = 0; i < rdata.n; i++) {
		buffer_put_byte(out, (uint8_t)hex[rdata.p[i] >> 4]);
		buffer_put_byte(out, (uint8_t)hex[rdata.p[i] & 15]);
	}
	return 0;
}

int wire_rdata(struct bytes message, size_t at, size_t n, uint16_t type, struct buffer *out,
	       enum rdata_form *ret_form)
{
	struct bytes rdata = bytes_of(message.p + at, n);
	size_t start = out->n;
	int rc = 0;
	*ret_form = RDATA_WIRE;
	if (type == RRTYPE_A || type == RRTYPE_AAAA) {
		if (n != (type == RRTYPE_A ? 4 : 16))
			return ERR_SYNTAX;
		buffer_put_bytes(out, rdata);
	} else if (type < sizeof(shapes) / sizeof(shapes[0]) && shapes[type].names) {
		rc = shaped_rdata(message, at, n, shapes[type], out);
	} else if (type == RRTYPE_TXT && n &&
		   rdata.p[0] == n - 1) { /* one string: there is one way to cut it */
		buffer_put_bytes(out, rdata);
	} else if (rdata_canonical(type, rdata, out) < 0) {
		*ret_form = RDATA_OPAQUE;
		rc = opaque_rdata(rdata, out);
	}
	if (rc < 0)
		out->n = start;
	return rc;
}

bool wire_in_zone(struct bytes name, struct bytes zone)
{
	if (zone.n <= 1)
		return true;
	if (name.n < zone.n || memcmp(name.p + name.n - zone.n, zone.p, zone.n) != 0)
		return false;
	size_t at = 0;
	while (name.n - at > zone.n)
		at += name.p[at] + 1u;
	return name.n - at == zone.n;
}
