/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The wire form of rdata: layouts, canonical form, terms. */
#include "model/rdata.h"

#include <string.h>

#include "model/dname.h"
#include "model/rdata_priv.h"
#include "model/rrtype.h"

static const struct {
	uint16_t type;
	char fields[10];
} layouts[] = {
	{2, "n"},        {3, "n"},         {4, "n"},    {5, "n"},         {6, "nn44444"},
	{7, "n"},        {8, "n"},         {9, "n"},    {12, "n"},        {14, "nn"},
	{15, "2n"},      {17, "nn"},       {18, "2n"},  {21, "2n"},       {23, "n"},
	{24, "2114442n*"}, {26, "2nn"},    {30, "n*"},  {33, "222n"},     {35, "22sssn"},
	{36, "2n"},      {39, "n"},        {46, "2114442n*"}, {47, "n*"}, {58, "nn"},
	{64, "2n*"},     {65, "2n*"},      {107, "2n"},
};

const char *rdata_layout(uint16_t type)
{
	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++) {
		if (layouts[i].type == type)
			return layouts[i].fields;
	}
	return NULL;
}

bool rdata_layout_is_plain(const char *layout)
{
	return layout && strspn(layout, "n24") == strlen(layout);
}

bool rdata_is_text(uint16_t type)
{
	return type == RRTYPE_TXT || type == RRTYPE_SPF || type == 56 || type == 258 ||
	       type == 261 || type == 262;
}

/* Length of a field at the start of p, or ERR_SYNTAX. */
static int field_len(char field, const uint8_t *p, size_t n)
{
	size_t need = (size_t)(field - '0');
	switch (field) {
	case 'n':
		return dname_wire_len(p, n);
	case 's':
		return n >= 1 && p[0] < n ? p[0] + 1 : ERR_SYNTAX;
	case '*':
		return (int)n;
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

/* Where the names of HIP, IPSECKEY and AMTRELAY begin; 0 when there are none. */
static size_t odd_names_start(uint16_t type, struct bytes r)
{
	if (type == 45) /* RFC 4025: precedence, gateway type, algorithm, gateway, key */
		return r.n > 3 && r.p[1] == 3 ? 3 : 0;
	if (type == 260) /* RFC 8777: precedence, D and type, relay */
		return r.n > 2 && (r.p[1] & 0x7f) == 3 ? 2 : 0;
	if (type == 55 && r.n >= 4) /* RFC 8005: HIT length, algorithm, key length, HIT, key, servers */
		return 4u + r.p[0] + (size_t)(r.p[2] << 8 | r.p[3]);
	return 0;
}

int rdata_odd_names(uint16_t type, struct bytes rdata, void (*each)(void *ctx, size_t at, size_t n),
                    void *ctx)
{
	size_t at = odd_names_start(type, rdata);
	if (!at)
		return 0;
	if (at > rdata.n)
		return ERR_SYNTAX;
	while (at < rdata.n) {
		int n = dname_wire_len(rdata.p + at, rdata.n - at);
		if (n < 0)
			return n;
		each(ctx, at, (size_t)n);
		at += (size_t)n;
		if (type == 45)
			break;
	}
	return type == 260 && at != rdata.n ? ERR_SYNTAX : 0;
}

static int each_name(uint16_t type, struct bytes rdata, void (*each)(void *ctx, size_t at, size_t n),
                     void *ctx)
{
	const char *layout = rdata_layout(type);
	return layout ? layout_names(layout, rdata, each, ctx)
	              : rdata_odd_names(type, rdata, each, ctx);
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

/* SvcParams: ascending keys, each with its length (RFC 9460 2.2). */
static bool params_are_valid(struct bytes p)
{
	int last = -1;
	while (p.n) {
		if (p.n < 4)
			return false;
		int key = p.p[0] << 8 | p.p[1];
		size_t n = (size_t)(p.p[2] << 8 | p.p[3]);
		if (key <= last || n > p.n - 4)
			return false;
		last = key;
		p = bytes_of(p.p + 4 + n, p.n - 4 - n);
	}
	return true;
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
	if ((type == RRTYPE_A && wire.n != 4) || (type == RRTYPE_AAAA && wire.n != 16))
		return ERR_SYNTAX;
	if (rdata_is_text(type)) {
		rc = canonical_text(wire, out);
	} else {
		buffer_put_bytes(out, wire);
		rc = each_name(type, bytes_of(out->p + start, wire.n), lower_name,
		               out->p ? out->p + start : NULL);
		if (rc == 0 && (type == RRTYPE_SVCB || type == RRTYPE_HTTPS) &&
		    !params_are_valid(params_of(wire)))
			rc = ERR_SYNTAX;
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
	for (size_t i = 0; i < t->n; i++) {
		if (t->to[i].kind == kind && bytes_eq(t->to[i].value, value))
			return;
	}
	if (t->n < TERMS_MAX)
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
