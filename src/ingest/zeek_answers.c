/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is certain of the answers that Zeek logs. */
#include "ingest/zeek_answers.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ingest/logged.h"
#include "ingest/wire.h"
#include "model/rdata.h"
#include "model/rrtype.h"

enum {
	TYPE_HINFO = 13,
	TYPE_NAPTR = 35,
	TYPE_DS = 43,
	TYPE_DNSKEY = 48,
	TYPE_TLSA = 52,
	TYPE_CAA = 257,
	TYPE_ANY = 255
};

enum kind {
	NAME,
	IPV4,
	IPV6,
	STRINGS, /* of a TXT */
	SPF,
	OTHER, /* a part of the data, or none of it */
};

void zeek_answers_release(struct zeek_answers *z)
{
	response_release(&z->response);
	buffer_release(&z->octets);
	buffer_release(&z->scratch);
	free(z->texts);
	free(z->kinds);
}

void zeek_answers_begin(struct zeek_answers *z, bool ambiguous)
{
	buffer_clear(&z->octets);
	buffer_reserve(&z->octets, 1); /* never NULL */
	z->n = 0;
	z->ambiguous = ambiguous;
}

void zeek_answers_add(struct zeek_answers *z, struct bytes text)
{
	if (z->n == z->cap) {
		z->cap = z->cap ? 2 * z->cap : 32; /* bounded by a line's length */
		z->texts = xrealloc(z->texts, z->cap * sizeof(*z->texts));
	}
	z->texts[z->n++] = (struct zeek_text){(uint32_t)z->octets.n, (uint32_t)text.n};
	buffer_put_bytes(&z->octets, text);
}

static struct bytes text_of(const struct zeek_answers *z, size_t i)
{
	return bytes_of(z->octets.p + z->texts[i].at, z->texts[i].n);
}

/* --- what a text is --- */

static bool is_address(int family, struct bytes text)
{
	char spelling[INET6_ADDRSTRLEN];
	uint8_t address[16];
	if (!text.n || text.n >= sizeof(spelling))
		return false;
	memcpy(spelling, text.p, text.n);
	spelling[text.n] = '\0';
	return inet_pton(family, spelling, address) == 1;
}

static enum kind kind_of(struct bytes text)
{
	if (bytes_has_prefix(text, bytes_str("TXT ")))
		return STRINGS;
	if (bytes_has_prefix(text, bytes_str("SPF ")))
		return SPF;
	if (is_address(AF_INET, text))
		return IPV4;
	if (is_address(AF_INET6, text))
		return IPV6;
	/* What Zeek prints of other types has a blank, and its names are in lower case. */
	if (!text.n || memchr(text.p, ' ', text.n) || bytes_has_prefix(text, bytes_str("NSEC3")))
		return OTHER;
	return NAME;
}

/* The kind of a type's own data; NAME where it is one, and so looks like that of a CNAME; OTHER
 * where Zeek does not print it. */
static enum kind own_kind(uint16_t type)
{
	switch (type) {
	case RRTYPE_A:
		return IPV4;
	case RRTYPE_AAAA:
		return IPV6;
	case RRTYPE_TXT:
		return STRINGS;
	case RRTYPE_SPF:
		return SPF;
	case RRTYPE_SVCB:
	case RRTYPE_HTTPS:
	case TYPE_HINFO:
	case TYPE_NAPTR:
	case TYPE_DS:
	case TYPE_DNSKEY:
	case TYPE_TLSA:
	case TYPE_CAA:
		return OTHER;
	default:
		return NAME;
	}
}

static uint16_t type_of_kind(enum kind k)
{
	return k == IPV4 ? RRTYPE_A : k == IPV6 ? RRTYPE_AAAA : k == SPF ? RRTYPE_SPF : RRTYPE_TXT;
}

/* --- data --- */

/* Appends the octets that text has for size octets: text itself, or, where it is longer, what its
 * \xHH stand for. How many octets of text that took, or 0. */
static size_t put_octets(struct bytes text, size_t size, struct buffer *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0, start = out->n;
	if (text.n == size || (text.n > size && text.p[size] == ' ')) {
		buffer_put(out, text.p, size);
		return size;
	}
	for (; at < text.n && out->n - start < size; at++) {
		uint8_t c = text.p[at];
		if (c == '\\' && text.n - at >= 4 && text.p[at + 1] == 'x') {
			const char *high = memchr(digits, ascii_lower(text.p[at + 2]), 16);
			const char *low = memchr(digits, ascii_lower(text.p[at + 3]), 16);
			if (!high || !low)
				return 0;
			c = (uint8_t)((high - digits) << 4 | (low - digits));
			at += 3;
		}
		buffer_put_byte(out, c);
	}
	return out->n - start == size && (at == text.n || text.p[at] == ' ') ? at : 0;
}

/* "TXT 3 abc TXT 2 de": the strings of one record, each with its length. */
static bool put_strings(struct zeek_answers *z, struct bytes text, struct buffer *out)
{
	struct bytes word = bytes_of(text.p, 4);
	buffer_clear(&z->scratch);
	for (;;) {
		size_t size = 0, at = 4;
		if (!bytes_has_prefix(text, word))
			return false;
		for (; at < text.n && text.p[at] >= '0' && text.p[at] <= '9' &&
		       size <= LOGGED_STRING_MAX;
		     at++)
			size = size * 10 + (size_t)(text.p[at] - '0');
		if (at == 4 || at == text.n || text.p[at] != ' ' || size > LOGGED_STRING_MAX)
			return false;
		text = bytes_of(text.p + at + 1, text.n - at - 1);
		buffer_put_byte(&z->scratch, (uint8_t)size);
		size_t used = put_octets(text, size, &z->scratch);
		if (size && !used)
			return false;
		if (used == text.n)
			return rdata_canonical(RRTYPE_TXT, buffer_bytes(&z->scratch), out) == 0;
		text = bytes_of(text.p + used + 1, text.n - used - 1);
	}
}

static bool put_data(struct zeek_answers *z, enum kind kind, struct bytes text, struct buffer *out)
{
	uint8_t name[DNAME_MAX];
	int n;
	switch (kind) {
	case NAME:
		n = z->ambiguous && memchr(text.p, '\\', text.n) ? ERR_SYNTAX
								 : logged_name(text, name);
		if (n > 0)
			buffer_put(out, name, (size_t)n);
		return n > 0;
	case IPV4:
	case IPV6:
		return rdata_from_text(NULL, type_of_kind(kind), text, out) == 0;
	case STRINGS:
	case SPF:
		return put_strings(z, text, out);
	default:
		return false;
	}
}

/* Adds a record; false when its data is not what it looked like. */
static bool put_record(struct zeek_answers *z, uint32_t owner, uint8_t owner_n, uint16_t type,
		       size_t i)
{
	struct response *r = &z->response;
	struct response_record *record = response_next(r);
	*record = (struct response_record){.owner = owner,
					   .owner_n = owner_n,
					   .type = type,
					   .form = RDATA_WIRE,
					   .counts = true};
	record->rdata = (uint32_t)r->octets.n;
	if (!put_data(z, z->kinds[i], text_of(z, i), &r->octets))
		return false;
	record->rdata_n = (uint16_t)(r->octets.n - record->rdata);
	r->n++;
	return true;
}

/* --- all answers --- */

static void find_kinds(struct zeek_answers *z)
{
	if (z->n > z->kinds_cap) {
		z->kinds_cap = z->cap;
		z->kinds = xrealloc(z->kinds, z->kinds_cap);
	}
	for (size_t i = 0; i < z->n; i++)
		z->kinds[i] = (uint8_t)kind_of(text_of(z, i));
}

/* Others are never records; they are stepped over. */
static uint64_t drop_others(struct zeek_answers *z)
{
	size_t kept = 0;
	for (size_t i = 0; i < z->n; i++) {
		if (z->kinds[i] == OTHER)
			continue;
		z->texts[kept] = z->texts[i];
		z->kinds[kept++] = z->kinds[i];
	}
	uint64_t dropped = z->n - kept;
	z->n = kept;
	return dropped;
}

static size_t leading_names(const struct zeek_answers *z)
{
	size_t n = 0;
	while (n < z->n && z->kinds[n] == NAME)
		n++;
	return n;
}

/* Whether all from one on are of a kind. */
static bool all_are(const struct zeek_answers *z, size_t from, enum kind kind)
{
	for (size_t i = from; i < z->n; i++) {
		if (z->kinds[i] != kind)
			return false;
	}
	return true;
}

/* The first n texts as CNAMEs, each owned by the name before. False when they do not make a chain.
 */
static bool put_chain(struct zeek_answers *z, size_t n, uint32_t *ret_owner, uint8_t *ret_owner_n)
{
	struct response *r = &z->response;
	uint32_t owner = r->qname;
	uint8_t owner_n = r->qname_n;
	if (n > MESSAGE_CHAIN_MAX)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!put_record(z, owner, owner_n, RRTYPE_CNAME, i))
			return false;
		owner = r->records[i].rdata;
		owner_n = (uint8_t)r->records[i].rdata_n;
		const struct bytes name = bytes_of(r->octets.p + owner, owner_n);
		for (size_t k = 0; k <= i; k++) {
			if (bytes_eq(name, bytes_of(r->octets.p + r->records[k].owner,
						    r->records[k].owner_n)))
				return false;
		}
	}
	*ret_owner = owner;
	*ret_owner_n = owner_n;
	return true;
}

/* A chain, and records of one type at its end; type 0: whatever they look like. */
static bool put_all(struct zeek_answers *z, size_t chain, uint16_t type)
{
	uint32_t owner;
	uint8_t owner_n;
	if (!put_chain(z, chain, &owner, &owner_n))
		return false;
	for (size_t i = chain; i < z->n; i++) {
		if (!put_record(z, owner, owner_n,
				type ? type : type_of_kind((enum kind)z->kinds[i]), i))
			return false;
	}
	return true;
}

static bool is_below_arpa(const struct zeek_answers *z, size_t i)
{
	static const uint8_t v4[] = "\7in-addr\4arpa", v6[] = "\3ip6\4arpa";
	uint8_t name[DNAME_MAX];
	int n = logged_name(text_of(z, i), name);
	return n > 0 && (wire_in_zone(bytes_of(name, (size_t)n), bytes_of(v4, sizeof(v4))) ||
			 wire_in_zone(bytes_of(name, (size_t)n), bytes_of(v6, sizeof(v6))));
}

/* Names of the reverse tree are a chain (RFC 2317), and a name outside it, if it is the only one,
 * is where it leads to. */
static bool put_reverse(struct zeek_answers *z)
{
	size_t chain = 0;
	while (chain < z->n && is_below_arpa(z, chain))
		chain++;
	return z->n - chain <= 1 && put_all(z, chain, RRTYPE_PTR);
}

static bool put_certain(struct zeek_answers *z, uint16_t qtype, bool nxdomain)
{
	size_t names = leading_names(z);
	enum kind own = own_kind(qtype);
	if (names == z->n && (nxdomain || own != NAME))
		return put_all(z, names, 0);
	if (own != NAME)
		return own != OTHER && all_are(z, names, own) && put_all(z, names, qtype);
	if (qtype == TYPE_ANY)
		return names == 0 &&
		       all_are(z, 0, IPV4) + all_are(z, 0, IPV6) + all_are(z, 0, STRINGS) > 0 &&
		       put_all(z, 0, 0);
	if (names != z->n)
		return false;
	if (qtype == RRTYPE_PTR)
		return put_reverse(z);
	return qtype == RRTYPE_CNAME && z->n <= 1 && put_all(z, 1, 0);
}

void zeek_answers_take(struct zeek_answers *z, struct bytes qname, uint16_t qtype, bool nxdomain)
{
	struct response *r = &z->response;
	response_begin(r);
	buffer_put_bytes(&r->octets, qname);
	r->qname = 0;
	r->qname_n = (uint8_t)qname.n;
	find_kinds(z);
	r->left_out[LEFT_OUT_UNCERTAIN] += drop_others(z);
	if (!z->n || put_certain(z, qtype, nxdomain))
		return;
	r->n = 0;
	r->left_out[LEFT_OUT_UNCERTAIN] += z->n;
}
