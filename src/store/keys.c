/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records to keys and back: see dribble-keys(5), which this file follows section by section. */
#include "store/keys.h"

#include <arpa/inet.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/varint.h"
#include "model/dname.h"
#include "model/rrtype.h"

enum {
	END = 0x00,    /* ends a name or text */
	JOIN = 0x01,   /* between labels */
	ESCAPE = 0x02, /* before an octet 0, 1 or 2, which is written plus one */
};

enum kind {
	KIND_OWNER = 1,        /* owner row, rdata in wire form */
	KIND_OWNER_OPAQUE = 2, /* owner row, opaque text */
	KIND_BARE = 3,         /* data row, the rdata is the term */
	KIND_AROUND = 4,       /* data row, the rdata is the term and what stands around it */
	KIND_WHOLE = 5,        /* data row, the rdata stands whole */
	KIND_WHOLE_OPAQUE = 6, /* the same of opaque text */
};

enum {
	CUT_HEAD = 239,             /* octets of long data that stay in the key */
	CUT = CUT_HEAD + 16,        /* with the hash of all of it */
	TEXT_HEAD = 184,            /* octets of long text in a subject, before its hash */
	TEXT_CUT = TEXT_HEAD + 16,
};

/* --- writing --- */

static uint8_t *escape(uint8_t *to, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] <= ESCAPE) {
			*to++ = ESCAPE;
			*to++ = p[i] + 1;
		} else {
			*to++ = p[i];
		}
	}
	return to;
}

enum { NAME_ROOM = 2 * DNAME_MAX + 2 };

/* Labels from the root down, without the END. */
static void put_labels(struct buffer *out, struct bytes name)
{
	uint8_t starts[DNAME_MAX / 2 + 1];
	size_t labels = 0;
	for (size_t at = 0; at < name.n && name.p[at]; at += name.p[at] + 1u)
		starts[labels++] = (uint8_t)at;
	uint8_t *start = buffer_reserve(out, 2 * DNAME_MAX), *to = start; /* see NAME_ROOM */
	while (labels--) {
		const uint8_t *label = name.p + starts[labels];
		to = escape(to, label + 1, *label);
		if (labels)
			*to++ = JOIN;
	}
	out->n += (size_t)(to - start);
}

void key_put_name(struct buffer *out, struct bytes name)
{
	buffer_reserve(out, NAME_ROOM); /* at once, not twice */
	buffer_put_byte(out, SUBJECT_NAME);
	put_labels(out, name);
	buffer_put_byte(out, END);
}

void key_put_ipv4(struct buffer *out, const uint8_t addr[static 4])
{
	buffer_put_byte(out, SUBJECT_IPV4);
	buffer_put(out, addr, 4);
}

void key_put_ipv6(struct buffer *out, const uint8_t addr[static 16])
{
	buffer_put_byte(out, SUBJECT_IPV6);
	buffer_put(out, addr, 16);
}

/* False when the text is no address and no name. */
static bool put_address_or_name(struct buffer *out, struct bytes text)
{
	char spelling[INET6_ADDRSTRLEN];
	uint8_t addr[16], name[DNAME_MAX];
	if (text.n < sizeof(spelling) && !memchr(text.p, 0, text.n)) {
		memcpy(spelling, text.p, text.n);
		spelling[text.n] = '\0';
		bool dotted = text.n && text.p[text.n - 1] >= '0' && text.p[text.n - 1] <= '9';
		if (dotted && inet_pton(AF_INET, spelling, addr) == 1) {
			key_put_ipv4(out, addr);
			return true;
		}
		if (memchr(text.p, ':', text.n) && inet_pton(AF_INET6, spelling, addr) == 1) {
			key_put_ipv6(out, addr);
			return true;
		}
	}
	if (text.n > 4 * DNAME_MAX || memchr(text.p, ' ', text.n))
		return false;
	int n = dname_from_text(text, name);
	if (n < 0)
		return false;
	key_put_name(out, bytes_of(name, (size_t)n));
	return true;
}

void key_put_text(struct buffer *out, struct bytes text)
{
	if (text.n && put_address_or_name(out, text))
		return;
	buffer_put_byte(out, SUBJECT_TEXT);
	uint8_t *start = buffer_reserve(out, 2 * TEXT_CUT + 1), *to;
	if (text.n < TEXT_CUT) { /* no text is as long as a cut and taken for one */
		to = escape(start, text.p, text.n);
	} else {
		struct hash128 h = hash128_of(text.p, text.n);
		to = escape(start, text.p, TEXT_HEAD);
		to = escape(to, h.b, sizeof(h.b));
	}
	*to++ = END;
	out->n += (size_t)(to - start);
}

void key_put_type(struct buffer *out, uint16_t type)
{
	uint8_t rank = rrtype_rank(type);
	if (rank) {
		buffer_put_byte(out, rank);
	} else {
		const uint8_t unranked[3] = {0xff, (uint8_t)(type >> 8), (uint8_t)type};
		buffer_put(out, unranked, sizeof(unranked));
	}
}

/* The rest of rdata with its length, or the cut of it. True when it was cut. */
static bool put_rest(struct buffer *out, struct bytes before, struct bytes after)
{
	size_t n = before.n + after.n;
	if (n < CUT) {
		buffer_put_byte(out, (uint8_t)n);
		buffer_put_bytes(out, before);
		buffer_put_bytes(out, after);
		return false;
	}
	uint8_t *both = xmalloc(n);
	if (before.n)
		memcpy(both, before.p, before.n);
	if (after.n)
		memcpy(both + before.n, after.p, after.n);
	struct hash128 h = hash128_of(both, n);
	buffer_put_byte(out, CUT);
	buffer_put(out, both, CUT_HEAD);
	buffer_put(out, h.b, sizeof(h.b));
	free(both);
	return true;
}

void key_put_sensor(struct buffer *out, struct bytes id, uint8_t what)
{
	buffer_put_byte(out, KEY_SENSOR);
	uint8_t *start = buffer_reserve(out, 2 * id.n + 2), *to = escape(start, id.p, id.n);
	*to++ = END;
	*to++ = what;
	out->n += (size_t)(to - start);
}

static bool put_data(struct buffer *out, enum rdata_form form, struct bytes rdata,
                     const struct term *term)
{
	if (!term) {
		buffer_put_byte(out, form == RDATA_OPAQUE ? KIND_WHOLE_OPAQUE : KIND_WHOLE);
		return put_rest(out, rdata, bytes_of(NULL, 0));
	}
	size_t end = (size_t)term->at + term->value.n;
	if (term->at == 0 && end == rdata.n) {
		buffer_put_byte(out, KIND_BARE);
		return false;
	}
	uint8_t at[VARINT_MAX];
	buffer_put_byte(out, KIND_AROUND);
	buffer_put(out, at, varint_put(at, term->at));
	return put_rest(out, bytes_of(rdata.p, term->at), bytes_of(rdata.p + end, rdata.n - end));
}

void key_put_data(struct buffer *out, uint16_t type, enum rdata_form form, struct bytes rdata,
                  const struct term *term)
{
	(void)type;
	put_data(out, form, rdata, term);
}

void key_to_successor(struct buffer *key)
{
	while (key->n && key->p[key->n - 1] == 0xff)
		key->n--;
	if (key->n)
		key->p[key->n - 1]++;
}

bool key_put_owner_row(struct buffer *out, struct bytes owner, uint16_t type, enum rdata_form form,
                       struct bytes rdata)
{
	key_put_name(out, owner);
	key_put_type(out, type);
	buffer_put_byte(out, form == RDATA_OPAQUE ? KIND_OWNER_OPAQUE : KIND_OWNER);
	if (rdata.n < CUT) {
		buffer_put_bytes(out, rdata);
		return false;
	}
	struct hash128 h = hash128_of(rdata.p, rdata.n);
	buffer_put(out, rdata.p, CUT_HEAD);
	buffer_put(out, h.b, sizeof(h.b));
	return true;
}

static void put_subject(struct buffer *out, const struct term *term)
{
	if (term->kind == TERM_IPV4)
		key_put_ipv4(out, term->value.p);
	else if (term->kind == TERM_IPV6)
		key_put_ipv6(out, term->value.p);
	else
		key_put_name(out, term->value);
}

int key_each_data_row(struct bytes owner, uint16_t type, enum rdata_form form, struct bytes rdata,
                      struct buffer *key, struct buffer *text,
                      int (*emit)(void *ctx, struct bytes key, bool whole), void *ctx)
{
	struct term terms[TERMS_MAX];
	size_t n = rdata_terms(type, form, rdata, terms);
	int rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		if (terms[i].kind == TERM_NAME && bytes_eq(terms[i].value, owner))
			continue;
		buffer_clear(key);
		put_subject(key, &terms[i]);
		key_put_type(key, type);
		bool whole = put_data(key, form, rdata, &terms[i]);
		put_labels(key, owner);
		rc = emit(ctx, buffer_bytes(key), whole);
	}
	if (n)
		return rc;
	buffer_clear(key);
	buffer_clear(text);
	rdata_to_text(type, form, rdata, text);
	key_put_text(key, buffer_bytes(text));
	size_t subject_n = key->n;
	buffer_clear(text);
	key_put_name(text, owner);
	if (bytes_has_prefix(buffer_bytes(key), buffer_bytes(text)) && text->n == subject_n)
		return 0;
	key_put_type(key, type);
	bool whole = put_data(key, form, rdata, NULL);
	put_labels(key, owner);
	return emit(ctx, buffer_bytes(key), whole);
}

/* --- reading --- */

enum key_rest key_rest(uint8_t kind)
{
	switch (kind) {
	case KIND_OWNER:
	case KIND_OWNER_OPAQUE:
		return REST_RDATA;
	case KIND_BARE:
		return REST_NONE;
	case KIND_AROUND:
		return REST_AROUND;
	case KIND_WHOLE:
	case KIND_WHOLE_OPAQUE:
		return REST_WHOLE;
	default:
		return REST_UNKNOWN;
	}
}

/* Reads a label into what is free of plain. Returns what follows, or NULL. */
static const uint8_t *get_label(const uint8_t *p, const uint8_t *end, uint8_t *plain, size_t room,
                                size_t *ret_n)
{
	size_t n = 0, limit = room < LABEL_MAX ? room : LABEL_MAX;
	for (; p < end && *p > JOIN; p++, n++) {
		uint8_t c = *p;
		if (n == limit)
			return NULL;
		if (c == ESCAPE) {
			if (++p == end || *p < 1 || *p > ESCAPE + 1)
				return NULL;
			c = *p - 1;
		}
		plain[n] = c;
	}
	*ret_n = n;
	return n ? p : NULL;
}

/* Reads labels up to END or, when at_end, exactly up to the end of the key. Returns what follows, or NULL. */
static const uint8_t *get_name(const uint8_t *p, const uint8_t *end, bool at_end, uint8_t *ret_wire,
                               size_t *ret_n)
{
	uint8_t plain[DNAME_MAX - 1]; /* labels, root first, each behind its length octet */
	uint8_t starts[DNAME_MAX / 2];
	size_t n = 0, labels = 0, len = 0;
	bool more = p < end && *p != END;
	while (more) {
		if (n + 2 > sizeof(plain))
			return NULL;
		p = get_label(p, end, plain + n + 1, sizeof(plain) - n - 1, &len);
		if (!p)
			return NULL;
		plain[n] = (uint8_t)len;
		starts[labels++] = (uint8_t)n;
		n += len + 1;
		more = p < end && *p == JOIN;
		p += more;
	}
	if ((p == end) != at_end)
		return NULL;
	uint8_t *to = ret_wire;
	while (labels--) {
		const uint8_t *label = plain + starts[labels];
		memcpy(to, label, *label + 1u);
		to += *label + 1u;
	}
	*to++ = 0;
	*ret_n = (size_t)(to - ret_wire);
	return at_end ? p : p + 1;
}

int key_get_sensor(struct bytes key, uint8_t *ret_id, size_t *ret_id_n, uint8_t *ret_what)
{
	size_t n = 0;
	if (key.n < 3 || !key_is_sensor(key))
		return ERR_CORRUPT;
	const uint8_t *p = key.p + 1, *end = key.p + key.n - 2; /* the zero and what is counted */
	for (; p < end; p++) {
		uint8_t c = *p;
		if (c < ESCAPE || n == MEMBER_MAX)
			return ERR_CORRUPT;
		if (c == ESCAPE) {
			if (++p == end || *p < 1 || *p > ESCAPE + 1)
				return ERR_CORRUPT;
			c = *p - 1;
		}
		ret_id[n++] = c;
	}
	if (*end != END || !end[1])
		return ERR_CORRUPT;
	*ret_id_n = n;
	*ret_what = end[1];
	return 0;
}

size_t key_subject_len(struct bytes key)
{
	if (!key.n)
		return 0;
	size_t fixed = key.p[0] == SUBJECT_IPV4 ? 5 : key.p[0] == SUBJECT_IPV6 ? 17 : 0;
	if (fixed)
		return key.n > fixed ? fixed : 0;
	if (key.p[0] != SUBJECT_NAME && key.p[0] != SUBJECT_TEXT)
		return 0;
	const uint8_t *zero = memchr(key.p, END, key.n);
	return zero ? (size_t)(zero - key.p) + 1 : 0;
}

/* Reads a type; returns what follows, or NULL. */
static const uint8_t *get_type(const uint8_t *p, const uint8_t *end, uint16_t *ret)
{
	if (p == end)
		return NULL;
	if (*p != 0xff) {
		int type = rrtype_of_rank(*p);
		if (type < 0)
			return NULL;
		*ret = (uint16_t)type;
		return p + 1;
	}
	if (end - p < 3)
		return NULL;
	*ret = (uint16_t)(p[1] << 8 | p[2]);
	return rrtype_rank(*ret) ? NULL : p + 3;
}

int key_type(struct bytes key)
{
	size_t n = key_subject_len(key);
	uint16_t type;
	if (!n || !get_type(key.p + n, key.p + key.n, &type))
		return ERR_CORRUPT;
	return type;
}

int key_owner_type(struct bytes key)
{
	size_t n = key_subject_len(key);
	uint16_t type;
	const uint8_t *end = key.p + key.n;
	const uint8_t *p = n ? get_type(key.p + n, end, &type) : NULL;
	return p && p < end && (*p == KIND_OWNER || *p == KIND_OWNER_OPAQUE) ? type : ERR_CORRUPT;
}

/* The subject of a data row as octets of rdata. */
static int get_term(struct bytes key, struct record_scratch *scratch, struct bytes *ret)
{
	if (key.p[0] == SUBJECT_IPV4) {
		*ret = bytes_of(key.p + 1, 4);
	} else if (key.p[0] == SUBJECT_IPV6) {
		*ret = bytes_of(key.p + 1, 16);
	} else {
		if (!get_name(key.p + 1, key.p + key.n, false, scratch->term, &ret->n))
			return ERR_CORRUPT;
		ret->p = scratch->term;
	}
	return 0;
}

/* The rdata of a data row of KIND_AROUND: the rest, with the term put back where it was. */
static const uint8_t *get_around(struct bytes key, const uint8_t *p, struct bytes whole,
                                 struct record_scratch *scratch, struct bytes *ret)
{
	const uint8_t *end = key.p + key.n;
	uint64_t at;
	size_t n = varint_get(p, end, &at);
	if (!n || p + n == end)
		return NULL;
	p += n;
	size_t len = *p++;
	if (len > (size_t)(end - p) || !len)
		return NULL;
	if (len == CUT) {
		*ret = whole;
		return whole.n ? p + len : NULL;
	}
	struct bytes term;
	if (key.p[0] == SUBJECT_TEXT || at > len || get_term(key, scratch, &term) != 0)
		return NULL;
	uint8_t *to = scratch->rdata;
	memcpy(to, p, at);
	memcpy(to + at, term.p, term.n);
	memcpy(to + at + term.n, p + at, len - at);
	*ret = bytes_of(to, len + term.n);
	return p + len;
}

/* Reads what a data row says of its rdata; returns where the owner begins, or NULL. */
static const uint8_t *get_data(struct bytes key, const uint8_t *p, int kind, struct bytes whole,
                               struct record_scratch *scratch, struct bytes *ret)
{
	const uint8_t *end = key.p + key.n;
	if (kind == KIND_BARE) {
		if (key.p[0] == SUBJECT_TEXT || get_term(key, scratch, ret) != 0)
			return NULL;
		return p;
	}
	if (kind == KIND_AROUND)
		return get_around(key, p, whole, scratch, ret);
	if (kind != KIND_WHOLE && kind != KIND_WHOLE_OPAQUE)
		return NULL;
	if (p == end || *p > (size_t)(end - p - 1))
		return NULL;
	size_t len = *p++;
	*ret = len == CUT ? whole : bytes_of(p, len);
	return len == CUT && !whole.n ? NULL : p + len;
}

static int decode_owner_row(struct bytes key, const uint8_t *p, struct bytes whole,
                            struct record_scratch *scratch, struct record *ret)
{
	size_t n = (size_t)(key.p + key.n - p);
	if (key.p[0] != SUBJECT_NAME || n > CUT || (n == CUT && !whole.n))
		return ERR_CORRUPT;
	ret->rdata = n == CUT ? whole : bytes_of(p, n);
	if (!get_name(key.p + 1, p, false, scratch->owner, &ret->owner.n))
		return ERR_CORRUPT;
	ret->owner.p = scratch->owner;
	return 0;
}

int record_decode_key(struct bytes key, struct bytes whole, struct record_scratch *scratch,
                      struct record *ret)
{
	size_t subject = key_subject_len(key);
	if (!subject)
		return ERR_CORRUPT;
	const uint8_t *end = key.p + key.n;
	const uint8_t *p = get_type(key.p + subject, end, &ret->rrtype);
	if (!p || p == end)
		return ERR_CORRUPT;
	int kind = *p++;
	ret->seen = (struct seen){0};
	ret->owner_row = kind == KIND_OWNER || kind == KIND_OWNER_OPAQUE;
	ret->form = kind == KIND_OWNER_OPAQUE || kind == KIND_WHOLE_OPAQUE ? RDATA_OPAQUE : RDATA_WIRE;
	if (ret->owner_row)
		return decode_owner_row(key, p, whole, scratch, ret);
	p = get_data(key, p, kind, whole, scratch, &ret->rdata);
	if (!p || !get_name(p, end, true, scratch->owner, &ret->owner.n))
		return ERR_CORRUPT;
	ret->owner.p = scratch->owner;
	return 0;
}

int record_decode(struct bytes key, struct bytes value, struct record_scratch *scratch,
                  struct record *ret)
{
	struct value v;
	if (value_decode(value, &v) != 0)
		return ERR_CORRUPT;
	int rc = record_decode_key(key, v.rdata, scratch, ret);
	ret->seen = v.seen;
	return rc;
}
