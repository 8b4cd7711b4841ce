/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wire form of rdata: layouts, canonical form, terms. */
#include "model/rdata.h"

#include <string.h>

#include "model/dname.h"
#include "model/rdata_priv.h"
#include "model/rrtype.h"

/* By type. DLV and TA, far above, are DS by another number. */
static const char layouts[][10] = {
	[1] = "a",          [2] = "n",     [3] = "n",     [4] = "n",       [5] = "n",
	[6] = "nn44444",    [7] = "n",     [8] = "n",     [9] = "n",       [11] = "a1*",
	[12] = "n",         [13] = "ss",   [14] = "nn",   [15] = "2n",     [17] = "nn",
	[18] = "2n",        [19] = "s",    [20] = "so",   [21] = "2n",     [23] = "n",
	[24] = "2114442n*", [25] = "211*", [26] = "2nn",  [27] = "sss",    [28] = "88",
	[29] = "88",        [30] = "n*",   [33] = "222n", [35] = "22sssn", [36] = "2n",
	[37] = "221*",      [39] = "n",    [42] = "p",    [43] = "211*",   [44] = "11*",
	[46] = "2114442n*", [47] = "nm",   [48] = "211*", [50] = "112hhm", [51] = "112h",
	[52] = "111*",      [53] = "111*", [57] = "211*", [58] = "nn",     [59] = "211*",
	[60] = "211*",      [62] = "42m",  [63] = "411*", [64] = "2nv",    [65] = "2nv",
	[66] = "ty2n",      [104] = "28",  [105] = "2a",  [106] = "28",    [107] = "2n",
	[108] = "6",        [109] = "8",   [256] = "22*", [257] = "1s*",   [259] = "441s*",
};

const char *rdata_layout(uint16_t type)
{
	if (type == 32768 || type == 32769)
		type = 43;
	return type < sizeof(layouts) / sizeof(layouts[0]) && *layouts[type] ? layouts[type] : NULL;
}

bool rdata_layout_is_plain(const char *layout)
{
	return layout && strspn(layout, "n24soty") == strlen(layout);
}

bool rdata_is_text(uint16_t type)
{
	return type == RRTYPE_TXT || type == RRTYPE_SPF || type == 56 || type == 258 ||
	       type == 261 || type == 262;
}

/* Ascending windows of 1 to 32 octets (RFC 4034 4.1.2). */
static bool bitmap_is_valid(const uint8_t *p, size_t n)
{
	int last = -1;
	while (n) {
		if (n < 2 || p[0] <= last || p[1] < 1 || p[1] > 32 || p[1] > n - 2)
			return false;
		last = p[0];
		size_t item = p[1] + 2u;
		p += item, n -= item;
	}
	return true;
}

/* Address prefixes (RFC 3123 4). */
static bool prefixes_are_valid(const uint8_t *p, size_t n)
{
	while (n) {
		if (n < 4 || (p[3] & 0x7fu) > n - 4)
			return false;
		size_t item = (p[3] & 0x7fu) + 4u;
		p += item, n -= item;
	}
	return true;
}

/* SvcParams: ascending keys, each with its length (RFC 9460 2.2). */
static bool params_are_valid(const uint8_t *p, size_t n)
{
	int last = -1;
	while (n) {
		if (n < 4)
			return false;
		int key = p[0] << 8 | p[1];
		size_t item = (size_t)(p[2] << 8 | p[3]) + 4;
		if (key <= last || item > n)
			return false;
		last = key;
		p += item, n -= item;
	}
	return true;
}

/* Length of a field at the start of p, or ERR_SYNTAX. */
static int field_len(char field, const uint8_t *p, size_t n)
{
	size_t need = (size_t)(field - '0');
	switch (field) {
	case 'n':
		return dname_wire_len(p, n);
	case 'o':
		if (!n)
			return 0;
		/* fall through */
	case 's':
	case 'h':
		return n >= 1 && p[0] < n ? p[0] + 1 : ERR_SYNTAX;
	case 'm':
		return bitmap_is_valid(p, n) ? (int)n : ERR_SYNTAX;
	case 'p':
		return prefixes_are_valid(p, n) ? (int)n : ERR_SYNTAX;
	case 'v':
		return params_are_valid(p, n) ? (int)n : ERR_SYNTAX;
	case '*':
		return (int)n;
	case 'a':
		return n >= 4 ? 4 : ERR_SYNTAX;
	case 't':
		return n >= 2 ? 2 : ERR_SYNTAX;
	case 'y':
		return n >= 1 ? 1 : ERR_SYNTAX;
	default:
		return n >= need ? (int)need : ERR_SYNTAX;
	}
}

/* Calls each for every name of a layout; checks the lengths. */
static int layout_names(const char *layout, struct bytes rdata,
			void (*each)(void *ctx, size_t at, size_t n), void *ctx)
{
	size_t at = 0;
	for (; *layout; layout++) {
		int n = field_len(*layout, rdata.p + at, rdata.n - at);
		if (n < 0)
			return n;
		if (*layout == 'n')
			each(ctx, at, (size_t)n);
		at += (size_t)n;
	}
	return at == rdata.n ? 0 : ERR_SYNTAX;
}

/* The types whose make-up depends on what they hold: names from an offset on. */
struct odd {
	size_t at;
	size_t names;
	bool rest; /* more may follow the names */
};

static struct odd odd_of_gateway(uint8_t kind, size_t at, bool rest)
{
	size_t address = kind == 1 ? 4 : kind == 2 ? 16 : 0;
	return (struct odd){at + address, kind == 3, rest || kind > 3};
}

static bool odd_of(uint16_t type, struct bytes r, struct odd *ret)
{
	switch (type) {
	case 38: /* RFC 2874 3.1: prefix length, the rest of the address, prefix name */
		if (r.n < 1 || r.p[0] > 128)
			return false;
		*ret = (struct odd){1u + (128u - r.p[0] + 7u) / 8, r.p[0] > 0, false};
		break;
	case 45: /* RFC 4025: precedence, gateway type, algorithm, gateway, key */
		if (r.n < 3)
			return false;
		*ret = odd_of_gateway(r.p[1], 3, true);
		break;
	case 55: /* RFC 8005: HIT length, algorithm, key length, HIT, key, servers */
		if (r.n < 4)
			return false;
		*ret = (struct odd){4u + r.p[0] + (size_t)(r.p[2] << 8 | r.p[3]), SIZE_MAX, false};
		break;
	case 260: /* RFC 8777: precedence, D and type, relay */
		if (r.n < 2)
			return false;
		*ret = odd_of_gateway(r.p[1] & 0x7f, 2, false);
		break;
	default:
		*ret = (struct odd){0, 0, true};
	}
	return ret->at <= r.n;
}

static int odd_names(uint16_t type, struct bytes rdata,
		     void (*each)(void *ctx, size_t at, size_t n), void *ctx)
{
	struct odd o;
	if (!odd_of(type, rdata, &o))
		return ERR_SYNTAX;
	for (; o.names && (o.at < rdata.n || o.names == 1); o.names--) {
		int n = dname_wire_len(rdata.p + o.at, rdata.n - o.at);
		if (n < 0)
			return n;
		each(ctx, o.at, (size_t)n);
		o.at += (size_t)n;
	}
	return o.rest || o.at == rdata.n ? 0 : ERR_SYNTAX;
}

static int each_name(uint16_t type, struct bytes rdata,
		     void (*each)(void *ctx, size_t at, size_t n), void *ctx)
{
	const char *layout = rdata_layout(type);
	return layout ? layout_names(layout, rdata, each, ctx) : odd_names(type, rdata, each, ctx);
}

static void ignore_name(void *ctx, size_t at, size_t n)
{
}

bool rdata_is_valid(uint16_t type, struct bytes rdata)
{
	return each_name(type, rdata, ignore_name, NULL) == 0;
}

/* --- canonical form --- */

static void lower_name(void *ctx, size_t at, size_t n)
{
	dname_to_lower((uint8_t *)ctx + at, n);
}

/* Character-strings, cut anew. */
static int canonical_text(struct bytes wire, struct buffer *out)
{
	size_t start = out->n, total = 0;
	for (size_t at = 0; at < wire.n; at += wire.p[at] + 1u) {
		if (wire.p[at] >= wire.n - at)
			return ERR_SYNTAX;
		total += wire.p[at];
	}
	if (!wire.n || total + total / 255 + 1 > RDATA_MAX)
		return wire.n ? ERR_LIMIT : ERR_SYNTAX;
	size_t left = total, room = 0; /* of the string that is being filled */
	if (!total)
		buffer_put_byte(out, 0);
	for (size_t at = 0; at < wire.n; at += wire.p[at] + 1u) {
		const uint8_t *p = wire.p + at + 1;
		for (size_t n = wire.p[at]; n;) {
			if (!room) {
				room = left < 255 ? left : 255;
				buffer_put_byte(out, (uint8_t)room);
			}
			size_t take = n < room ? n : room;
			buffer_put(out, p, take);
			p += take, n -= take, room -= take, left -= take;
		}
	}
	return out->n - start > RDATA_MAX ? ERR_LIMIT : 0;
}

static struct bytes params_of(struct bytes rdata)
{
	int n = rdata.n > 2 ? dname_wire_len(rdata.p + 2, rdata.n - 2) : -1;
	return n < 0 ? bytes_of(NULL, 0) : bytes_of(rdata.p + 2 + n, rdata.n - 2 - (size_t)n);
}

int rdata_canonical(uint16_t type, struct bytes wire, struct buffer *out)
{
	size_t start = out->n;
	int rc = 0;
	if (wire.n > RDATA_MAX)
		return ERR_LIMIT;
	if (rdata_is_text(type)) {
		rc = canonical_text(wire, out);
	} else {
		buffer_put_bytes(out, wire);
		uint8_t *copy = buffer_reserve(out, 1) - wire.n; /* never NULL */
		rc = each_name(type, bytes_of(copy, wire.n), lower_name, copy);
	}
	if (rc < 0)
		out->n = start;
	return rc;
}

/* --- terms --- */

struct terms {
	struct term *to;
	size_t n;
	struct bytes rdata;
};

static void add_term(struct terms *t, enum term_kind kind, size_t at, size_t n)
{
	struct bytes value = bytes_of(t->rdata.p + at, n);
	if (t->n == TERMS_MAX) /* hostile rdata has thousands: do not compare them all */
		return;
	for (size_t i = 0; i < t->n; i++) {
		if (t->to[i].kind == kind && bytes_eq(t->to[i].value, value))
			return;
	}
	t->to[t->n++] = (struct term){kind, value, (uint16_t)at};
}

static void add_name(void *ctx, size_t at, size_t n)
{
	add_term(ctx, TERM_NAME, at, n);
}

/* ipv4hint and ipv6hint (RFC 9460 7.3). */
static void add_hints(struct terms *t)
{
	struct bytes p = params_of(t->rdata);
	while (p.n >= 4) {
		int key = p.p[0] << 8 | p.p[1];
		size_t n = (size_t)(p.p[2] << 8 | p.p[3]);
		size_t size = key == 4 ? 4 : key == 6 ? 16 : 0;
		if (n > p.n - 4)
			return;
		for (size_t i = 0; size && i + size <= n; i += size)
			add_term(t, size == 4 ? TERM_IPV4 : TERM_IPV6,
				 (size_t)(p.p + 4 + i - t->rdata.p), size);
		p = bytes_of(p.p + 4 + n, p.n - 4 - n);
	}
}

size_t rdata_terms(uint16_t type, enum rdata_form form, struct bytes rdata,
		   struct term ret_terms[static TERMS_MAX])
{
	struct terms t = {ret_terms, 0, rdata};
	if (form == RDATA_OPAQUE)
		return 0;
	if (type == RRTYPE_A && rdata.n == 4)
		add_term(&t, TERM_IPV4, 0, 4);
	else if (type == RRTYPE_AAAA && rdata.n == 16)
		add_term(&t, TERM_IPV6, 0, 16);
	else if (each_name(type, rdata, add_name, &t) < 0)
		return 0;
	if (type == RRTYPE_SVCB || type == RRTYPE_HTTPS)
		add_hints(&t);
	return t.n;
}
