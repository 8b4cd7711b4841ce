/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A DNS message becomes observations.
 *
 * First all of it is read, every record in canonical form in one buffer; then it is decided which
 * of them count; then they are handed out. */
#include "ingest/message.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/hash.h"
#include "ingest/wire.h"
#include "model/rrtype.h"

enum {
	HEAD = 12,
	QTYPE_IXFR = 251,
	QTYPE_AXFR = 252,
	TYPE_OPT = 41,
	TYPE_RRSIG = 46,
	CLASS_IN = 1
};

/* Up to here each record is compared with each; with more they are hashed. */
enum { FEW = 16 };

struct record {
	uint32_t owner, rdata; /* offsets in octets */
	uint16_t type;
	uint16_t rdata_n;
	uint8_t owner_n;
	uint8_t form;
	bool counts;
};

/* A name that the answer section may speak of. */
struct link {
	uint32_t name;
	uint8_t n;
	bool dname; /* the owner of a DNAME: itself and its signature, no more */
};

struct message_reader {
	struct buffer octets;   /* names and rdata of the message in work */
	struct record *records; /* owned */
	size_t n, cap;
	uint32_t *slots; /* owned: a hash table of records, place + 1; 0 is empty */
	size_t slots_cap;

	/* The message in work. */
	struct bytes wire;
	size_t at;
	size_t answers;      /* records of the answer section among records */
	struct record qname; /* its owner alone */
	uint16_t qtype;
	unsigned rcode_high;   /* of an OPT record */
	uint16_t last_pointer; /* an owner that was a pointer alone, and where that name is now */
	uint32_t last_owner;
	uint8_t last_owner_n;
	uint64_t left_out[LEFT_OUT_REASONS];
};

struct message_reader *message_reader_new(void)
{
	return xcalloc(1, sizeof(struct message_reader));
}

void message_reader_free(struct message_reader *m)
{
	if (!m)
		return;
	buffer_release(&m->octets);
	free(m->records);
	free(m->slots);
	free(m);
}

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline struct bytes owner_of(const struct message_reader *m, const struct record *r)
{
	return bytes_of(m->octets.p + r->owner, r->owner_n);
}

static inline struct bytes rdata_of(const struct message_reader *m, const struct record *r)
{
	return bytes_of(m->octets.p + r->rdata, r->rdata_n);
}

/* --- reading --- */

/* Most owners are one pointer, and it is the one of the record before. */
static int read_owner(struct message_reader *m, struct record *r)
{
	const uint8_t *p = m->wire.p + m->at;
	bool pointer = m->wire.n - m->at >= 2 && p[0] >= 0xc0;
	if (pointer && get_u16(p) == m->last_pointer) {
		m->at += 2;
		r->owner = m->last_owner;
		r->owner_n = m->last_owner_n;
		return 0;
	}
	r->owner = (uint32_t)m->octets.n;
	int n = wire_name(m->wire, &m->at, &m->octets);
	if (n < 0)
		return n;
	r->owner_n = (uint8_t)n;
	if (pointer) {
		m->last_pointer = get_u16(p);
		m->last_owner = r->owner;
		m->last_owner_n = r->owner_n;
	}
	return 0;
}

static struct record *next_record(struct message_reader *m)
{
	if (m->n == m->cap) {
		m->cap = m->cap ? 2 * m->cap : 64; /* at most MESSAGE_MAX / 11 are asked for */
		m->records = xrealloc(m->records, m->cap * sizeof(*m->records));
	}
	return &m->records[m->n];
}

/* One record: kept, or left out for its type or class. */
static const char *read_record(struct message_reader *m)
{
	struct record *r = next_record(m);
	enum rdata_form form;
	if (read_owner(m, r) < 0)
		return "an owner's name is malformed or cut off";
	if (m->wire.n - m->at < 10)
		return "a record is cut off";
	const uint8_t *p = m->wire.p + m->at;
	uint16_t type = get_u16(p), class = get_u16(p + 2), size = get_u16(p + 8);
	size_t at = m->at + 10;
	if (size > m->wire.n - at)
		return "rdata is cut off";
	m->at = at + size;
	if (type == TYPE_OPT)
		m->rcode_high |= p[4];
	if (rrtype_is_meta(type) || class != CLASS_IN) {
		m->left_out[rrtype_is_meta(type) ? LEFT_OUT_META : LEFT_OUT_CLASS]++;
		return NULL;
	}
	r->type = type;
	r->rdata = (uint32_t)m->octets.n;
	if (wire_rdata(m->wire, at, size, type, &m->octets, &form) < 0)
		return "rdata is not of its type";
	r->rdata_n = (uint16_t)(m->octets.n - r->rdata);
	r->form = (uint8_t)form;
	r->counts = true;
	m->n++;
	return NULL;
}

static const char *read_question(struct message_reader *m)
{
	m->qname.owner = (uint32_t)m->octets.n;
	int n = wire_name(m->wire, &m->at, &m->octets);
	if (n < 0 || m->wire.n - m->at < 4)
		return "the question is malformed or cut off";
	m->qname.owner_n = (uint8_t)n;
	m->qtype = get_u16(m->wire.p + m->at);
	m->at += 4;
	m->last_pointer = 0xc000 | HEAD;
	m->last_owner = m->qname.owner;
	m->last_owner_n = m->qname.owner_n;
	return NULL;
}

static const char *read_records(struct message_reader *m)
{
	const uint8_t *p = m->wire.p;
	size_t answers = get_u16(p + 6), others = (size_t)get_u16(p + 8) + get_u16(p + 10);
	const char *reason = NULL;
	for (size_t i = 0; i < answers && !reason; i++)
		reason = read_record(m);
	m->answers = m->n;
	for (size_t i = 0; i < others && !reason; i++)
		reason = read_record(m);
	return reason;
}

/* --- what belongs to the question --- */

struct chain {
	struct link links[MESSAGE_CHAIN_MAX];
	size_t n;
};

static void chain_add(struct chain *c, struct message_reader *m, uint32_t name, size_t n,
		      bool dname)
{
	for (size_t i = 0; i < c->n; i++) {
		const struct link *l = &c->links[i];
		if (l->dname == dname && l->n == n &&
		    memcmp(m->octets.p + l->name, m->octets.p + name, n) == 0)
			return;
	}
	if (c->n < MESSAGE_CHAIN_MAX)
		c->links[c->n++] = (struct link){name, (uint8_t)n, dname};
}

/* The name that a DNAME makes of a name below its owner (RFC 6672 2.2); a longer one than names may
 * be is none. */
static void follow_dname(struct chain *c, struct message_reader *m, const struct record *r,
			 struct link from)
{
	size_t kept = (size_t)from.n - r->owner_n, n = kept + r->rdata_n;
	chain_add(c, m, r->owner, r->owner_n, true);
	if (n > DNAME_MAX)
		return;
	uint8_t *to = buffer_reserve(&m->octets, n);
	memcpy(to, m->octets.p + from.name, kept);
	memcpy(to + kept, m->octets.p + r->rdata, r->rdata_n);
	m->octets.n += n;
	chain_add(c, m, (uint32_t)(m->octets.n - n), n, false);
}

/* Does a record of the answer section belong to a link? What it leads to becomes the next link. */
static bool belongs(struct chain *c, struct message_reader *m, const struct record *r,
		    struct link l)
{
	struct bytes owner = owner_of(m, r), name = bytes_of(m->octets.p + l.name, l.n);
	bool same = r->owner == l.name || bytes_eq(owner, name);
	if (l.dname)
		return same && (r->type == RRTYPE_DNAME || r->type == TYPE_RRSIG);
	if (same && r->type == RRTYPE_CNAME)
		chain_add(c, m, r->rdata, r->rdata_n, false);
	if (same || r->type != RRTYPE_DNAME || r->form != RDATA_WIRE || !wire_in_zone(name, owner))
		return same;
	follow_dname(c, m, r, l);
	return true;
}

/* Whatever the order of the records, so that each link is looked up once: hostile messages have
 * thousands. */
static void choose_answers(struct message_reader *m)
{
	struct chain c = {.links = {{m->qname.owner, m->qname.owner_n, false}}, .n = 1};
	size_t left = m->answers;
	for (size_t i = 0; i < m->answers; i++)
		m->records[i].counts = false;
	for (size_t k = 0; k < c.n && left; k++) {
		for (size_t i = 0; i < m->answers; i++) {
			struct record *r = &m->records[i];
			if (r->counts || !belongs(&c, m, r, c.links[k]))
				continue;
			r->counts = true;
			left--;
		}
	}
	m->left_out[LEFT_OUT_BAILIWICK] += left;
}

static void choose_in_zone(struct message_reader *m, size_t n, struct bytes zone)
{
	for (size_t i = 0; i < n; i++) {
		struct record *r = &m->records[i];
		if (!r->counts || wire_in_zone(owner_of(m, r), zone))
			continue;
		r->counts = false;
		m->left_out[LEFT_OUT_BAILIWICK]++;
	}
}

/* --- each record once --- */

static bool same_record(const struct message_reader *m, const struct record *a,
			const struct record *b)
{
	return a->type == b->type && a->form == b->form &&
	       bytes_eq(rdata_of(m, a), rdata_of(m, b)) &&
	       (a->owner == b->owner || bytes_eq(owner_of(m, a), owner_of(m, b)));
}

static void drop_repeated_of_few(struct message_reader *m)
{
	for (size_t i = 1; i < m->n; i++) {
		for (size_t k = 0; k < i && m->records[i].counts; k++) {
			if (m->records[k].counts && same_record(m, &m->records[k], &m->records[i]))
				m->records[i].counts = false;
		}
	}
}

static void drop_repeated_of_many(struct message_reader *m)
{
	size_t cap = 64;
	while (cap < 2 * m->n)
		cap *= 2;
	if (cap > m->slots_cap) {
		m->slots = xrealloc(m->slots, cap * sizeof(*m->slots));
		m->slots_cap = cap;
	}
	memset(m->slots, 0, cap * sizeof(*m->slots));
	for (size_t i = 0; i < m->n; i++) {
		struct record *r = &m->records[i];
		if (!r->counts)
			continue;
		struct bytes owner = owner_of(m, r), rdata = rdata_of(m, r);
		size_t slot = (hash64(owner.p, owner.n) * 3 + hash64(rdata.p, rdata.n) + r->type) &
			      (cap - 1);
		while (m->slots[slot] && !same_record(m, &m->records[m->slots[slot] - 1], r))
			slot = (slot + 1) & (cap - 1);
		if (m->slots[slot])
			r->counts = false;
		else
			m->slots[slot] = (uint32_t)i + 1;
	}
}

/* --- the whole --- */

static int hand_out(struct message_reader *m, uint64_t time_s, const struct sink *sink)
{
	struct observation o = {.seen = {.first_s = time_s, .last_s = time_s, .count = 1}};
	int rc = 0;
	for (size_t i = 0; i < m->n && rc == 0; i++) {
		const struct record *r = &m->records[i];
		if (!r->counts)
			continue;
		o.owner = owner_of(m, r);
		o.rrtype = r->type;
		o.form = (enum rdata_form)r->form;
		o.rdata = rdata_of(m, r);
		rc = sink->observe(sink->ctx, &o);
	}
	for (int why = 0; why < LEFT_OUT_REASONS; why++)
		sink_left_out(sink, (enum left_out)why, m->left_out[why]);
	return rc;
}

/* Why the message as a whole is left out, as far as its head tells; LEFT_OUT_REASONS: it is not. */
static enum left_out head_left_out(const uint8_t *p)
{
	unsigned rcode = p[3] & 15;
	if (!(p[2] & 0x80) || p[2] & 0x78) /* no answer, or not to a QUERY */
		return LEFT_OUT_QUESTION;
	if (rcode != 0 && rcode != 3)
		return LEFT_OUT_RCODE;
	if (p[2] & 2)
		return LEFT_OUT_TRUNCATED;
	return get_u16(p + 4) == 0 ? LEFT_OUT_QUESTION : LEFT_OUT_REASONS;
}

static const char *read_message(struct message_reader *m, struct bytes wire)
{
	m->wire = wire;
	m->at = HEAD;
	m->n = m->answers = 0;
	m->rcode_high = 0;
	buffer_clear(&m->octets);
	memset(m->left_out, 0, sizeof(m->left_out));
	if (get_u16(wire.p + 4) > 1)
		return "more than one question";
	const char *reason = read_question(m);
	return reason ? reason : read_records(m);
}

static int left_out_whole(const struct sink *sink, enum left_out why)
{
	sink_left_out(sink, why, 1);
	return 0;
}

int message_take(struct message_reader *m, struct bytes wire, const struct message_context *about,
		 const struct sink *sink, const char **ret_reason)
{
	if (wire.n < HEAD || wire.n > MESSAGE_MAX) {
		*ret_reason = wire.n < HEAD ? "the message is shorter than its head"
					    : "the message is over 65535 octets";
		return ERR_SYNTAX;
	}
	enum left_out why = head_left_out(wire.p);
	if (why != LEFT_OUT_REASONS)
		return left_out_whole(sink, why);
	const char *reason = read_message(m, wire);
	if (reason) {
		*ret_reason = reason;
		return ERR_SYNTAX;
	}
	if (m->rcode_high)
		return left_out_whole(sink, LEFT_OUT_RCODE);
	if (m->qtype == QTYPE_IXFR)
		return left_out_whole(sink, LEFT_OUT_QUESTION);
	if (m->qtype == QTYPE_AXFR)
		choose_in_zone(m, m->answers, owner_of(m, &m->qname));
	else
		choose_answers(m);
	choose_in_zone(m, m->n, about->zone);
	if (m->n > FEW)
		drop_repeated_of_many(m);
	else
		drop_repeated_of_few(m);
	return hand_out(m, about->time_s, sink);
}

int message_head(struct bytes wire, struct message_head *ret)
{
	const uint8_t *p = wire.p;
	uint8_t name[WIRE_NAME_ROOM];
	size_t at = HEAD;
	int n = 0;
	if (wire.n < HEAD)
		return ERR_SYNTAX;
	bool asks = get_u16(p + 4) > 0;
	if (asks) {
		n = wire_name_into(wire, &at, name);
		if (n < 0 || wire.n - at < 4)
			return ERR_SYNTAX;
	}
	ret->id = get_u16(p);
	ret->answer = p[2] & 0x80;
	ret->opcode = p[2] >> 3 & 15;
	ret->rcode = p[3] & 15;
	ret->questions = get_u16(p + 4);
	ret->name_n = (uint16_t)n;
	memcpy(ret->name, name, (size_t)n);
	ret->type = asks ? get_u16(p + at) : 0;
	ret->class = asks ? get_u16(p + at + 2) : 0;
	return 0;
}
