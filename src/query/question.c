/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values to key ranges. */
#include "query/question.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>

#include "base/hash.h"
#include "model/dname.h"
#include "model/rrtype.h"
#include "query/idn.h"
#include "store/keys.h"

/* Types whose data names something and takes more than one token: how such a text is found. */
static const uint16_t text_types[] = {
	6 /* SOA */,    14 /* MINFO */,   15 /* MX */,     17 /* RP */,      18 /* AFSDB */,
	21 /* RT */,    24 /* SIG */,     26 /* PX */,     30 /* NXT */,     33 /* SRV */,
	35 /* NAPTR */, 36 /* KX */,      45 /* IPSECKEY */, 46 /* RRSIG */, 47 /* NSEC */,
	55 /* HIP */,   58 /* TALINK */,  64 /* SVCB */,   65 /* HTTPS */,   107 /* LP */,
	260 /* AMTRELAY */,
};

enum { TYPE_UNKNOWN = 65280 }; /* of private use: stands for all whose data is printed as octets */

static int by_rank(const void *a, const void *b)
{
	struct buffer x = BUFFER_INIT, y = BUFFER_INIT;
	key_put_type(&x, *(const uint16_t *)a);
	key_put_type(&y, *(const uint16_t *)b);
	int c = bytes_cmp(buffer_bytes(&x), buffer_bytes(&y));
	buffer_release(&x);
	buffer_release(&y);
	return c;
}

static struct bytes trimmed(struct bytes b)
{
	while (b.n && (b.p[0] == ' ' || b.p[0] == '\t'))
		b = bytes_of(b.p + 1, b.n - 1);
	while (b.n && (b.p[b.n - 1] == ' ' || b.p[b.n - 1] == '\t'))
		b.n--;
	return b;
}

static int filter_add(struct filter *f, struct bytes text, struct err *e)
{
	uint16_t type;
	if (!rrtype_from_text(text, &type)) {
		f->nothing = true;
		return 0;
	}
	for (size_t i = 0; i < f->n; i++) {
		if (f->types[i] == type)
			return 0;
	}
	if (f->n == FILTER_TYPES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d types to filter by", FILTER_TYPES_MAX);
	f->types[f->n++] = type;
	return 0;
}

int filter_parse(struct bytes text, struct filter *ret, struct err *e)
{
	struct filter f = {0};
	bool any = false;
	while (text.n) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		size_t n = comma ? (size_t)(comma - text.p) : text.n;
		struct bytes item = trimmed(bytes_of(text.p, n));
		int rc = item.n ? filter_add(&f, item, e) : 0;
		if (rc < 0)
			return rc;
		any = any || item.n;
		text = comma ? bytes_of(comma + 1, text.n - n - 1) : bytes_of(NULL, 0);
	}
	if (!any)
		return err_set(e, ERR_SYNTAX, "the type to filter by is empty");
	f.nothing = f.nothing && f.n == 0;
	qsort(f.types, f.n, sizeof(f.types[0]), by_rank);
	*ret = f;
	return 0;
}

/* Takes over the bytes of prefix. Rows that lie in another range already are not asked for twice. */
static void add_range(struct question *q, struct buffer *prefix, size_t subject_n, int type)
{
	size_t kept = 0;
	for (size_t i = 0; i < q->n; i++) {
		if (bytes_has_prefix(buffer_bytes(prefix), q->ranges[i].prefix)) {
			buffer_release(prefix);
			return;
		}
	}
	for (size_t i = 0; i < q->n; i++) {
		if (bytes_has_prefix(q->ranges[i].prefix, buffer_bytes(prefix)))
			free((void *)(uintptr_t)q->ranges[i].prefix.p);
		else
			q->ranges[kept++] = q->ranges[i];
	}
	q->n = kept;
	if (q->n == q->cap) {
		q->cap = q->cap ? q->cap * 2 : 2;
		q->ranges = xrealloc(q->ranges, q->cap * sizeof(*q->ranges));
	}
	q->ranges[q->n++] = (struct range){buffer_bytes(prefix), (uint16_t)subject_n, type};
	*prefix = BUFFER_INIT;
}

static bool is_wanted(const struct filter *f, uint16_t type)
{
	bool wanted = f->n == 0;
	for (size_t i = 0; i < f->n; i++)
		wanted = wanted || f->types[i] == type;
	return wanted;
}

/* All rows of a subject, or those of the wanted types. Takes over the bytes of subject. */
static void add_subject(struct question *q, struct buffer *subject, const struct filter *f)
{
	struct buffer prefix = BUFFER_INIT;
	if (!f->n) {
		add_range(q, subject, subject->n, -1);
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		buffer_put_bytes(&prefix, buffer_bytes(subject));
		key_put_type(&prefix, f->types[i]);
		add_range(q, &prefix, subject->n, f->types[i]);
	}
	buffer_release(subject);
}

/* The rows of records of one type whose rdata is exactly this: those under the first term, and the one
 * whose owner is that term. */
static void add_rdata(struct question *q, uint16_t type, struct bytes rdata)
{
	struct term terms[TERMS_MAX];
	struct buffer prefix = BUFFER_INIT;
	if (!rdata_terms(type, RDATA_WIRE, rdata, terms))
		return;
	if (terms[0].kind == TERM_NAME) {
		key_put_owner_row(&prefix, terms[0].value, type, RDATA_WIRE, rdata);
		add_range(q, &prefix, key_subject_len(buffer_bytes(&prefix)), type);
		key_put_name(&prefix, terms[0].value);
	} else if (terms[0].kind == TERM_IPV4) {
		key_put_ipv4(&prefix, terms[0].value.p);
	} else {
		key_put_ipv6(&prefix, terms[0].value.p);
	}
	size_t subject_n = prefix.n;
	key_put_type(&prefix, type);
	key_put_data(&prefix, type, RDATA_WIRE, rdata, &terms[0]);
	add_range(q, &prefix, subject_n, type);
}

static void add_text(struct question *q, struct bytes text, const struct filter *f,
                     struct rdata_parser *parser)
{
	struct buffer wire = BUFFER_INIT;
	for (size_t i = 0; i < sizeof(text_types) / sizeof(text_types[0]); i++) {
		buffer_clear(&wire);
		if (is_wanted(f, text_types[i]) &&
		    rdata_from_text(parser, text_types[i], text, &wire) == 0)
			add_rdata(q, text_types[i], buffer_bytes(&wire));
	}
	buffer_release(&wire);
}

/* "192.0.2.0/24", "2001:db8::,32": an address, a slash or comma, digits. */
static bool is_block(struct bytes v)
{
	size_t n = v.n;
	while (n && isdigit(v.p[n - 1]))
		n--;
	if (n == v.n || n == 0 || (v.p[n - 1] != '/' && v.p[n - 1] != ','))
		return false;
	char text[INET6_ADDRSTRLEN];
	uint8_t addr[16];
	if (n - 1 >= sizeof(text))
		return false;
	memcpy(text, v.p, n - 1);
	text[n - 1] = '\0';
	return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

static struct bytes without_decoration(struct bytes v)
{
	if (v.n > 1 && v.p[v.n - 1] == '.')
		v.n--;
	if (v.n > 2 && v.p[0] == '[' && v.p[v.n - 1] == ']')
		v = bytes_of(v.p + 1, v.n - 2);
	return v;
}

static bool is_ascii(struct bytes v)
{
	for (size_t i = 0; i < v.n; i++) {
		if (v.p[i] >= 0x80)
			return false;
	}
	return true;
}

/* Data of a type that is spelled in another way than dribble prints it: the subject of what it prints. False when it is
 * spelled as printed, or is no such data. */
static bool canonical_text(uint16_t type, struct bytes value, struct rdata_parser *parser, struct buffer *subject)
{
	struct buffer wire = BUFFER_INIT, text = BUFFER_INIT;
	bool other = false;
	if (rdata_from_text(parser, type, value, &wire) == 0) {
		rdata_to_text(type, RDATA_WIRE, buffer_bytes(&wire), &text);
		other = !bytes_eq(value, buffer_bytes(&text));
		if (other)
			key_put_text(subject, buffer_bytes(&text));
	}
	buffer_release(&wire);
	buffer_release(&text);
	return other;
}

static bool has_upper(struct bytes value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (ascii_lower(value.p[i]) != value.p[i])
			return true;
	}
	return false;
}

/* The subject of a value in lower case, where that is another than its own. It stays empty when there is none. */
static void lower_subject(struct bytes value, struct bytes own, struct buffer *ret)
{
	struct buffer lower = BUFFER_INIT;
	if (!has_upper(value))
		return;
	for (size_t i = 0; i < value.n; i++)
		buffer_put_byte(&lower, ascii_lower(value.p[i]));
	key_put_text(ret, buffer_bytes(&lower));
	if (bytes_eq(buffer_bytes(ret), own))
		buffer_clear(ret);
	buffer_release(&lower);
}

static void add_value(struct question *q, struct bytes value, const struct filter *f,
                      struct rdata_parser *parser)
{
	struct buffer subject = BUFFER_INIT, lower = BUFFER_INIT;
	if (!is_ascii(value)) {
		struct buffer alabel = BUFFER_INIT;
		if (idn_to_alabel(value, &alabel) == 0) {
			key_put_text(&subject, buffer_bytes(&alabel));
			add_subject(q, &subject, f);
		}
		buffer_release(&alabel);
	}
	struct rdata_parser *own = NULL;
	bool text = memchr(value.p, ' ', value.n) != NULL, quoted = value.p[0] == '"';
	bool unknown = bytes_has_prefix(value, bytes_str("\\#")); /* RFC 3597 */
	if ((text || quoted || unknown) && !parser)
		parser = own = rdata_parser_new();
	if (text)
		add_text(q, value, f, parser);
	if ((quoted && canonical_text(RRTYPE_TXT, value, parser, &subject)) ||
	    (unknown && canonical_text(TYPE_UNKNOWN, value, parser, &subject)))
		add_subject(q, &subject, f);
	rdata_parser_free(own);
	buffer_clear(&subject);
	key_put_text(&subject, value);
	lower_subject(value, buffer_bytes(&subject), &lower);
	add_subject(q, &subject, f);
	if (lower.n) /* a value in upper case also asks for the text in lower case */
		add_subject(q, &lower, f);
	buffer_release(&subject);
	buffer_release(&lower);
}

static void set_check(struct question *q)
{
	q->check = 0;
	for (size_t i = 0; i < q->n; i++)
		q->check = XXH3_64bits_withSeed(q->ranges[i].prefix.p, q->ranges[i].prefix.n, q->check + 1);
}

int question_parse(struct bytes value, const struct filter *filter, struct rdata_parser *parser,
                   struct question *ret, struct err *e)
{
	struct question q = {0};
	if (!value.n)
		return err_set(e, ERR_SYNTAX, "the value is empty");
	if (value.n > QUERY_VALUE_MAX)
		return err_set(e, ERR_LIMIT, "the value is over %d octets", QUERY_VALUE_MAX);
	if (memchr(value.p, 0, value.n))
		return err_set(e, ERR_SYNTAX, "the value holds a NUL");
	struct bytes plain = without_decoration(value);
	if (is_block(plain))
		return err_set(e, ERR_UNSUPPORTED, "CIDR blocks are not supported (ask for one address)");
	if (!filter->nothing)
		add_value(&q, plain, filter, parser);
	set_check(&q);
	*ret = q;
	return 0;
}

void question_add_name(struct question *q, struct bytes name, uint16_t type)
{
	struct buffer prefix = BUFFER_INIT;
	key_put_name(&prefix, name);
	size_t subject_n = prefix.n;
	key_put_type(&prefix, type);
	add_range(q, &prefix, subject_n, type);
	set_check(q);
}

void question_release(struct question *q)
{
	for (size_t i = 0; i < q->n; i++)
		free((void *)(uintptr_t)q->ranges[i].prefix.p);
	free(q->ranges);
	*q = (struct question){0};
}
