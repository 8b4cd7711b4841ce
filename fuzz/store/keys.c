/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys. With a first octet of 0 the rest is a key: what decodes is put together of its parts again.
 * Else the rest is made a record (type, owner, data): each of its rows says all of it, and lies
 * where it is looked for. */
#include "store/keys.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/dname.h"
#include "model/rrtype.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* --- any octets --- */

/* What stands in a key between its type and its owner. */
static bool is_middle_of(const struct record *r, struct bytes middle, const struct term *term)
{
	struct buffer b = BUFFER_INIT;
	key_put_data(&b, r->rrtype, r->form, r->rdata, term);
	bool same = bytes_eq(buffer_bytes(&b), middle);
	buffer_release(&b);
	return same;
}

/* The subject as octets of rdata. */
static struct term term_of(struct bytes key, size_t subject_n, struct record_scratch *scratch)
{
	struct term t = {.kind = TERM_NAME};
	if (key.p[0] == SUBJECT_IPV4 || key.p[0] == SUBJECT_IPV6) {
		t.kind = key.p[0] == SUBJECT_IPV4 ? TERM_IPV4 : TERM_IPV6;
		t.value = bytes_of(key.p + 1, subject_n - 1);
		return t;
	}
	/* The owner of an owner row is its subject: that reads the name. */
	static const uint8_t root[1];
	struct buffer row = BUFFER_INIT, any = BUFFER_INIT;
	struct record r;
	key_put_owner_row(&any, bytes_of(root, 1), RRTYPE_A, RDATA_WIRE, bytes_of(NULL, 0));
	size_t behind = key_subject_len(buffer_bytes(&any));
	buffer_put(&row, key.p, subject_n);
	buffer_put(&row, any.p + behind, any.n - behind);
	require(record_decode_key(buffer_bytes(&row), bytes_of(NULL, 0), scratch, &r) == 0);
	buffer_release(&any);
	t.value = r.owner;
	buffer_release(&row);
	return t;
}

static void check_data_row(struct bytes key, const struct record *r)
{
	struct buffer head = BUFFER_INIT, owner = BUFFER_INIT;
	size_t subject_n = key_subject_len(key);
	buffer_put(&head, key.p, subject_n);
	key_put_type(&head, r->rrtype);
	require(bytes_has_prefix(key, buffer_bytes(&head)));
	key_put_name(&owner, r->owner);
	struct bytes labels = bytes_of(owner.p + 1, owner.n - 2);
	require(key.n >= head.n + labels.n &&
		bytes_eq(bytes_of(key.p + key.n - labels.n, labels.n), labels));
	struct bytes middle = bytes_of(key.p + head.n, key.n - head.n - labels.n);
	bool found = is_middle_of(r, middle, NULL);
	if (!found && key.p[0] != SUBJECT_TEXT) {
		struct record_scratch scratch;
		struct term t = term_of(key, subject_n, &scratch);
		for (size_t at = 0; !found && at + t.value.n <= r->rdata.n; at++) {
			t.at = (uint16_t)at;
			found = memcmp(r->rdata.p + at, t.value.p, t.value.n) == 0 &&
				is_middle_of(r, middle, &t);
		}
	}
	require(found);
	buffer_release(&head);
	buffer_release(&owner);
}

static void check_octets(struct bytes key)
{
	struct record_scratch scratch;
	struct record r;
	int rc = record_decode_key(key, bytes_of(NULL, 0), &scratch, &r);
	require(rc == 0 || rc == ERR_CORRUPT);
	int type = key_type(key), owner_type = key_owner_type(key);
	require(key_subject_len(key) <= key.n);
	if (rc < 0)
		return;
	require(type == r.rrtype && owner_type == (r.owner_row ? type : ERR_CORRUPT));
	require(dname_wire_len(r.owner.p, r.owner.n) == (int)r.owner.n);
	if (!r.owner_row) {
		check_data_row(key, &r);
		return;
	}
	struct buffer again = BUFFER_INIT;
	require(!key_put_owner_row(&again, r.owner, r.rrtype, r.form, r.rdata));
	require(bytes_eq(buffer_bytes(&again), key));
	buffer_release(&again);
}

/* --- a record --- */

struct check {
	struct bytes owner, rdata;
	uint16_t type;
	enum rdata_form form;
	int rows;
};

static int check_row(void *ctx, struct bytes key, bool whole)
{
	const struct check *c = ctx;
	struct record_scratch scratch;
	struct record r;
	require(key.n < KEY_MAX);
	require(record_decode_key(key, whole ? c->rdata : bytes_of(NULL, 0), &scratch, &r) == 0);
	require(bytes_eq(r.owner, c->owner) && bytes_eq(r.rdata, c->rdata));
	require(r.rrtype == c->type && r.form == c->form);
	require(key_type(key) == c->type &&
		key_owner_type(key) == (r.owner_row ? (int)c->type : ERR_CORRUPT));
	if (whole)
		require(record_decode_key(key, bytes_of(NULL, 0), &scratch, &r) == ERR_CORRUPT);
	else
		check_octets(key);
	((struct check *)ctx)->rows++;
	return 0;
}

static void check_record(struct check *c)
{
	struct term terms[TERMS_MAX];
	struct buffer key = BUFFER_INIT, text = BUFFER_INIT;
	bool cut = key_put_owner_row(&key, c->owner, c->type, c->form, c->rdata);
	check_row(c, buffer_bytes(&key), cut);
	size_t n = rdata_terms(c->type, c->form, c->rdata, terms);
	require(key_each_data_row(c->owner, c->type, c->form, c->rdata, &key, &text, check_row,
				  c) == 0);
	size_t self = 0;
	for (size_t i = 0; i < n; i++)
		self += terms[i].kind == TERM_NAME && bytes_eq(terms[i].value, c->owner);
	if (n)
		require((size_t)c->rows == 1 + n - self);
	else
		require(c->rows == 1 || c->rows == 2);
	buffer_release(&key);
	buffer_release(&text);
}

/* Labels of up to what is left, each with its length before it, lower case. */
static size_t take_name(struct bytes *b, uint8_t *to)
{
	size_t n = 0;
	while (b->n && b->p[0] && n + 2 < DNAME_MAX) {
		size_t len = b->p[0] % (LABEL_MAX + 1), room = DNAME_MAX - 2 - n;
		len = len < b->n - 1 ? len : b->n - 1;
		len = len < room ? len : room;
		if (!len)
			break;
		to[n] = (uint8_t)len;
		memcpy(to + n + 1, b->p + 1, len);
		n += len + 1;
		*b = bytes_of(b->p + 1 + len, b->n - 1 - len);
	}
	if (b->n && !b->p[0])
		*b = bytes_of(b->p + 1, b->n - 1);
	to[n++] = 0;
	dname_to_lower(to, n);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	struct bytes b = bytes_of(data + 1, size - 1);
	if (data[0] == 0) {
		check_octets(b);
		return 0;
	}
	if (b.n < 2)
		return 0;
	uint8_t owner[DNAME_MAX];
	struct check c = {.type = (uint16_t)(b.p[0] << 8 | b.p[1]),
			  .form = data[0] % 2 ? RDATA_WIRE : RDATA_OPAQUE};
	struct buffer rdata = BUFFER_INIT;
	b = bytes_of(b.p + 2, b.n - 2);
	c.owner = bytes_of(owner, take_name(&b, owner));
	for (unsigned times = data[0] / 2 % 4 ? data[0] / 2 % 4 * 8 : 1; times;
	     times--) /* some of it long */
		buffer_put_bytes(&rdata, b);
	c.rdata = buffer_bytes(&rdata);
	struct buffer canonical = BUFFER_INIT;
	if (c.form == RDATA_WIRE && rdata_canonical(c.type, c.rdata, &canonical) == 0)
		c.rdata = buffer_bytes(&canonical);
	else if (c.form == RDATA_WIRE)
		c.form = RDATA_OPAQUE;
	if (c.form == RDATA_WIRE || c.rdata.n)
		check_record(&c);
	buffer_release(&rdata);
	buffer_release(&canonical);
	return 0;
}
