/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which records of a response count. */
#include "ingest/response.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ingest/wire.h"
#include "model/rrtype.h"

enum { TYPE_RRSIG = 46 };

/* Up to here each record is compared with each; with more they are hashed. */
enum { FEW = 16 };

/* A name that the answer section may speak of. */
struct link {
	uint32_t name;
	uint8_t n;
	bool dname; /* the owner of a DNAME: itself and its signature, no more */
};

void response_release(struct response *r)
{
	buffer_release(&r->octets);
	free(r->records);
	free(r->slots);
}

void response_begin(struct response *r)
{
	buffer_clear(&r->octets);
	r->n = r->answers = 0;
	memset(r->left_out, 0, sizeof(r->left_out));
}

struct response_record *response_next(struct response *r)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 64; /* bounded by a message's or line's length */
		r->records = xrealloc(r->records, r->cap * sizeof(*r->records));
	}
	return &r->records[r->n];
}

static inline struct bytes owner_of(const struct response *r, const struct response_record *rec)
{
	return bytes_of(r->octets.p + rec->owner, rec->owner_n);
}

static inline struct bytes rdata_of(const struct response *r, const struct response_record *rec)
{
	return bytes_of(r->octets.p + rec->rdata, rec->rdata_n);
}

/* --- what belongs to the question --- */

struct chain {
	struct link links[MESSAGE_CHAIN_MAX];
	size_t n;
	unsigned followed; /* DNAMEs, of which hostile messages have thousands */
};

/* False when it is there already, or one too many. */
static bool chain_add(struct chain *c, struct response *r, uint32_t name, size_t n, bool dname)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct link *l = &c->links[i];
		if (l->dname == dname && l->n == n &&
		    memcmp(r->octets.p + l->name, r->octets.p + name, n) == 0)
			return false;
	}
	if (c->n == MESSAGE_CHAIN_MAX)
		return false;
	c->links[c->n++] = (struct link){name, (uint8_t)n, dname};
	return true;
}

/* The name that a DNAME makes of a name below its owner (RFC 6672 2.2); a longer one than names may
 * be is none. */
static void follow_dname(struct chain *c, struct response *r, const struct response_record *rec,
			 struct link from)
{
	size_t kept = (size_t)from.n - rec->owner_n, n = kept + rec->rdata_n;
	if (c->followed++ >= 2 * MESSAGE_CHAIN_MAX)
		return;
	chain_add(c, r, rec->owner, rec->owner_n, true);
	if (n > DNAME_MAX)
		return;
	uint8_t *to = buffer_reserve(&r->octets, n);
	memcpy(to, r->octets.p + from.name, kept);
	memcpy(to + kept, r->octets.p + rec->rdata, rec->rdata_n);
	if (chain_add(c, r, (uint32_t)r->octets.n, n, false))
		r->octets.n += n;
}

/* Does a record of the answer section belong to a link? What it leads to becomes the next link. */
static bool belongs(struct chain *c, struct response *r, const struct response_record *rec,
		    struct link l)
{
	struct bytes owner = owner_of(r, rec), name = bytes_of(r->octets.p + l.name, l.n);
	bool same = rec->owner == l.name || bytes_eq(owner, name);
	if (l.dname)
		return same && (rec->type == RRTYPE_DNAME || rec->type == TYPE_RRSIG);
	if (same && rec->type == RRTYPE_CNAME && rec->form == RDATA_WIRE)
		chain_add(c, r, rec->rdata, rec->rdata_n, false);
	if (same || rec->type != RRTYPE_DNAME || rec->form != RDATA_WIRE ||
	    !wire_in_zone(name, owner))
		return same;
	follow_dname(c, r, rec, l);
	return true;
}

/* Whatever the order of the records, so that each link is looked up once: hostile messages have
 * thousands. */
void response_keep_answers(struct response *r)
{
	struct chain c; /* large: only what is used of it is set */
	size_t left = r->answers;
	c.links[0] = (struct link){r->qname, r->qname_n, false};
	c.n = 1;
	c.followed = 0;
	for (size_t i = 0; i < r->answers; i++)
		r->records[i].counts = false;
	for (size_t k = 0; k < c.n && left; k++) {
		for (size_t i = 0; i < r->answers; i++) {
			struct response_record *rec = &r->records[i];
			bool again = rec->counts; /* a DNAME leads on from several names */
			if ((again && rec->type != RRTYPE_DNAME) ||
			    !belongs(&c, r, rec, c.links[k]) || again)
				continue;
			rec->counts = true;
			left--;
		}
	}
	r->left_out[LEFT_OUT_BAILIWICK] += left;
}

void response_keep_in_zone(struct response *r, size_t n, struct bytes zone)
{
	for (size_t i = 0; i < n; i++) {
		struct response_record *rec = &r->records[i];
		if (!rec->counts || wire_in_zone(owner_of(r, rec), zone))
			continue;
		rec->counts = false;
		r->left_out[LEFT_OUT_BAILIWICK]++;
	}
}

/* --- each record once --- */

static bool same_record(const struct response *r, const struct response_record *a,
			const struct response_record *b)
{
	return a->type == b->type && a->form == b->form &&
	       bytes_eq(rdata_of(r, a), rdata_of(r, b)) &&
	       (a->owner == b->owner || bytes_eq(owner_of(r, a), owner_of(r, b)));
}

static void drop_repeated_of_few(struct response *r)
{
	for (size_t i = 1; i < r->n; i++) {
		for (size_t k = 0; k < i && r->records[i].counts; k++) {
			if (r->records[k].counts && same_record(r, &r->records[k], &r->records[i]))
				r->records[i].counts = false;
		}
	}
}

static void drop_repeated_of_many(struct response *r)
{
	size_t cap = 64;
	while (cap < 2 * r->n)
		cap *= 2;
	if (cap > r->slots_cap) {
		r->slots = xrealloc(r->slots, cap * sizeof(*r->slots));
		r->slots_cap = cap;
	}
	memset(r->slots, 0, cap * sizeof(*r->slots));
	for (size_t i = 0; i < r->n; i++) {
		struct response_record *rec = &r->records[i];
		if (!rec->counts)
			continue;
		struct bytes owner = owner_of(r, rec), rdata = rdata_of(r, rec);
		size_t slot =
			(hash64(owner.p, owner.n) * 3 + hash64(rdata.p, rdata.n) + rec->type) &
			(cap - 1);
		while (r->slots[slot] && !same_record(r, &r->records[r->slots[slot] - 1], rec))
			slot = (slot + 1) & (cap - 1);
		if (r->slots[slot])
			rec->counts = false;
		else
			r->slots[slot] = (uint32_t)i + 1;
	}
}

/* --- the whole --- */

int response_hand_out(struct response *r, const struct seen *seen, const struct sink *sink)
{
	struct observation o = {.seen = *seen};
	int rc = 0;
	if (r->n > FEW)
		drop_repeated_of_many(r);
	else
		drop_repeated_of_few(r);
	for (size_t i = 0; i < r->n && rc == 0; i++) {
		const struct response_record *rec = &r->records[i];
		if (!rec->counts)
			continue;
		o.owner = owner_of(r, rec);
		o.rrtype = rec->type;
		o.form = (enum rdata_form)rec->form;
		o.rdata = rdata_of(r, rec);
		r->ttl_s = rec->ttl_s;
		rc = sink->observe(sink->ctx, &o);
	}
	for (int why = 0; why < LEFT_OUT_REASONS; why++)
		sink_left_out(sink, (enum left_out)why, r->left_out[why]);
	return rc;
}
