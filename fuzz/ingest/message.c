/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DNS messages: what libknot's parser takes and ours takes has the same records, of which the same
 * count by the rules of ingest/message.h, told here once more in the simplest way.
 *
 * Where they differ by law: we want pointers that go back before the labels they follow, behind the
 * head, at most NAME_POINTERS_MAX of them; libknot wants nothing behind the message, one OPT, EDNS
 * options and TSIG that are well formed, and data of every type it knows to be so, where we keep
 * text. It takes compressed names in DNAME and others where we do not. */
#include <libknot/libknot.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/limits.h"
#include "ingest/message.h"
#include "ingest/wire.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RECORDS_MAX = 300 };

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* --- ours --- */

struct observed {
	struct buffer text; /* type, lengths, owner, rdata of each */
	size_t n;
	bool opaque;
};

static void put_record(struct buffer *b, uint16_t type, struct bytes owner, struct bytes rdata)
{
	size_t n[] = {type, owner.n, rdata.n};
	buffer_put(b, n, sizeof(n));
	buffer_put_bytes(b, owner);
	buffer_put_bytes(b, rdata);
}

static int observe(void *ctx, const struct observation *o)
{
	struct observed *obs = ctx;
	struct buffer again = BUFFER_INIT;
	uint8_t lower[DNAME_MAX];
	require(dname_wire_len(o->owner.p, o->owner.n) == (int)o->owner.n);
	memcpy(lower, o->owner.p, o->owner.n);
	dname_to_lower(lower, o->owner.n);
	require(memcmp(lower, o->owner.p, o->owner.n) == 0);
	require(!rrtype_is_meta(o->rrtype) && o->rdata.n <= RDATA_MAX);
	if (o->form == RDATA_WIRE) {
		require(rdata_canonical(o->rrtype, o->rdata, &again) == 0);
		require(bytes_eq(buffer_bytes(&again), o->rdata));
	} else {
		require(bytes_has_prefix(o->rdata, bytes_str("\\# ")));
	}
	obs->opaque |= o->form == RDATA_OPAQUE;
	put_record(&obs->text, o->rrtype, o->owner, o->rdata);
	obs->n++;
	buffer_release(&again);
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	abort();
}

/* --- libknot's --- */

struct theirs {
	struct bytes owner, rdata; /* canonical; in octets */
	uint16_t type;
	bool counts;
};

struct list {
	struct theirs records[RECORDS_MAX];
	size_t n;
	uint8_t octets[RECORDS_MAX * (RDATA_MAX + DNAME_MAX)];
	size_t octets_n;
};

static struct list list;

static struct bytes keep(const void *p, size_t n)
{
	uint8_t *to = list.octets + list.octets_n;
	memcpy(to, p, n);
	list.octets_n += n;
	return bytes_of(to, n);
}

/* Octets of rdata as they were on the wire. */
static size_t size_on_wire(const knot_pkt_t *pkt, const knot_pktsection_t *section, uint16_t i)
{
	struct bytes wire = bytes_of(pkt->wire, pkt->size);
	size_t at = knot_pkt_rr_offset(section, i);
	uint8_t name[WIRE_NAME_ROOM];
	require(wire_name_into(wire, &at, name) > 0 && at + 10 <= wire.n);
	return (size_t)(wire.p[at + 8] << 8 | wire.p[at + 9]);
}

/* Types whose names may be compressed (RFC 1035, RFC 3597 4). */
static bool may_be_compressed(uint16_t type)
{
	static const uint8_t types[] = {2,  3,  4,  5,  6,  7,  8,  9,  12, 14,
					15, 17, 18, 21, 24, 26, 30, 33, 35};
	return type < 256 && memchr(types, type, sizeof(types)) != NULL;
}

/* False when there is a record that we may see in another way. */
static bool add_theirs(const knot_rrset_t *rr, size_t size)
{
	struct buffer canonical = BUFFER_INIT;
	uint8_t owner[DNAME_MAX];
	size_t n = knot_dname_size(rr->owner);
	if (rrtype_is_meta(rr->type) || rr->rclass != KNOT_CLASS_IN)
		return true;
	const knot_rdata_t *rdata = rr->rrs.rdata;
	if (rr->rrs.count != 1 || list.n == RECORDS_MAX ||
	    (size != rdata->len && !may_be_compressed(rr->type)))
		return false;
	bool ok = rdata_canonical(rr->type, bytes_of(rdata->data, rdata->len), &canonical) == 0;
	if (ok) {
		memcpy(owner, rr->owner, n);
		dname_to_lower(owner, n);
		list.records[list.n++] = (struct theirs){
			keep(owner, n), keep(canonical.p, canonical.n), rr->type, true};
	}
	buffer_release(&canonical);
	return ok;
}

/* The names that a question leads to. */
struct names {
	uint8_t name[MESSAGE_CHAIN_MAX][DNAME_MAX];
	size_t size[MESSAGE_CHAIN_MAX];
	size_t n;
};

static bool has_name(const struct names *s, struct bytes name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (bytes_eq(bytes_of(s->name[i], s->size[i]), name))
			return true;
	}
	return false;
}

/* False when there are too many. */
static bool add_name(struct names *s, struct bytes head, struct bytes tail)
{
	uint8_t name[2 * DNAME_MAX];
	size_t n = head.n + tail.n;
	memcpy(name, head.p, head.n);
	memcpy(name + head.n, tail.p, tail.n);
	if (n > DNAME_MAX || has_name(s, bytes_of(name, n)))
		return true;
	if (s->n == MESSAGE_CHAIN_MAX / 2)
		return false;
	memcpy(s->name[s->n], name, n);
	s->size[s->n++] = n;
	return true;
}

static bool is_below(struct bytes name, struct bytes owner)
{
	for (size_t at = 0; name.p[at]; at += name.p[at] + 1u) {
		if (at && bytes_eq(bytes_of(name.p + at, name.n - at), owner))
			return true;
	}
	return name.n > 1 && owner.n == 1;
}

/* Marks what the question leads to, until nothing more is found. False when the chain is too long.
 */
static bool follow(struct names *s, size_t answers)
{
	struct bytes nothing = bytes_of("", 0);
	for (size_t before = 0; before != s->n;) {
		before = s->n;
		for (size_t i = 0; i < answers; i++) {
			struct theirs *r = &list.records[i];
			if (r->type == RRTYPE_CNAME && has_name(s, r->owner) &&
			    !add_name(s, nothing, r->rdata))
				return false;
			for (size_t k = 0; r->type == RRTYPE_DNAME && k < s->n; k++) {
				struct bytes name = bytes_of(s->name[k], s->size[k]);
				if (is_below(name, r->owner) &&
				    !add_name(s, bytes_of(name.p, name.n - r->owner.n), r->rdata))
					return false;
			}
		}
	}
	return true;
}

static bool is_dname_on_the_way(const struct names *s, size_t answers, struct bytes owner)
{
	for (size_t i = 0; i < answers; i++) {
		const struct theirs *r = &list.records[i];
		for (size_t k = 0; r->type == RRTYPE_DNAME && bytes_eq(r->owner, owner) && k < s->n;
		     k++) {
			if (is_below(bytes_of(s->name[k], s->size[k]), owner))
				return true;
		}
	}
	return false;
}

static bool choose(struct names *s, size_t answers, struct bytes zone, bool transfer)
{
	if (!follow(s, answers) && !transfer)
		return false;
	for (size_t i = 0; i < list.n; i++) {
		struct theirs *r = &list.records[i];
		struct bytes qname = bytes_of(s->name[0], s->size[0]);
		bool signature = r->type == RRTYPE_DNAME || r->type == KNOT_RRTYPE_RRSIG;
		if (i < answers && transfer)
			r->counts = bytes_eq(r->owner, qname) || is_below(r->owner, qname);
		else if (i < answers)
			r->counts = has_name(s, r->owner) ||
				    (signature && is_dname_on_the_way(s, answers, r->owner));
		r->counts = r->counts &&
			    (!zone.n || bytes_eq(r->owner, zone) || is_below(r->owner, zone));
		for (size_t k = 0; k < i && r->counts; k++) {
			const struct theirs *other = &list.records[k];
			r->counts = !(other->counts && other->type == r->type &&
				      bytes_eq(other->owner, r->owner) &&
				      bytes_eq(other->rdata, r->rdata));
		}
	}
	return true;
}

/* What libknot's records come to, or false when there is nothing to compare. */
static bool read_theirs(knot_pkt_t *pkt, struct bytes zone, struct buffer *out)
{
	struct names names = {.n = 0};
	size_t answers = 0;
	list.n = list.octets_n = 0;
	for (int section = KNOT_ANSWER; section <= KNOT_ADDITIONAL; section++) {
		const knot_pktsection_t *s = knot_pkt_section(pkt, (knot_section_t)section);
		for (uint16_t i = 0; i < s->count; i++) {
			if (!add_theirs(knot_pkt_rr(s, i), size_on_wire(pkt, s, i)))
				return false;
		}
		if (section == KNOT_ANSWER)
			answers = list.n;
	}
	names.size[0] = pkt->qname_size;
	memcpy(names.name[0], pkt->lower_qname, pkt->qname_size);
	names.n = 1;
	if (!choose(&names, answers, zone, knot_pkt_qtype(pkt) == KNOT_RRTYPE_AXFR))
		return false;
	for (size_t i = 0; i < list.n; i++) {
		const struct theirs *r = &list.records[i];
		if (r->counts)
			put_record(out, r->type, r->owner, r->rdata);
	}
	return true;
}

static void compare_heads(const knot_pkt_t *pkt, const struct message_head *head)
{
	require(head->id == knot_wire_get_id(pkt->wire));
	require(head->answer == (knot_wire_get_qr(pkt->wire) != 0));
	require(head->opcode == knot_wire_get_opcode(pkt->wire) &&
		head->rcode == knot_wire_get_rcode(pkt->wire));
	if (!head->questions)
		return;
	require(head->name_n == pkt->qname_size &&
		memcmp(head->name, pkt->lower_qname, head->name_n) == 0);
	require(head->type == knot_pkt_qtype(pkt) && head->class == knot_pkt_qclass(pkt));
}

static void compare(struct bytes wire, struct bytes zone, const struct observed *ours,
		    const struct message_head *head)
{
	struct buffer copy = BUFFER_INIT, want = BUFFER_INIT;
	buffer_put_bytes(&copy, wire);
	knot_pkt_t *pkt = knot_pkt_new(copy.p, (uint16_t)copy.n, NULL);
	if (knot_pkt_parse(pkt, KNOT_PF_KEEPWIRE) == KNOT_EOK && knot_pkt_ext_rcode(pkt) <= 15) {
		if (head)
			compare_heads(pkt, head);
		bool counts = knot_wire_get_qr(pkt->wire) && !knot_wire_get_opcode(pkt->wire) &&
			      (knot_pkt_ext_rcode(pkt) == 0 || knot_pkt_ext_rcode(pkt) == 3) &&
			      !knot_wire_get_tc(pkt->wire) &&
			      knot_wire_get_qdcount(pkt->wire) == 1 &&
			      knot_pkt_qtype(pkt) != KNOT_RRTYPE_IXFR;
		if (!counts)
			require(ours->n == 0);
		else if (!ours->opaque && read_theirs(pkt, zone, &want))
			require(bytes_eq(buffer_bytes(&ours->text), buffer_bytes(&want)));
	}
	knot_pkt_free(pkt);
	buffer_release(&copy);
	buffer_release(&want);
}

/* The first octet: 1 in its lowest bit makes a zone of the octets behind it, as far as they are a
 * name. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct message_reader *reader;
	struct observed ours = {.text = BUFFER_INIT};
	struct sink sink = {.observe = observe, .reject = reject, .ctx = &ours};
	struct message_context about = {.time_s = 1};
	uint8_t zone[DNAME_MAX];
	const char *reason = NULL;
	struct message_head head;
	if (!reader)
		reader = message_reader_new();
	if (size < 1)
		return 0;
	bool zoned = *data++ & 1;
	size--;
	int n = zoned ? dname_wire_len(data, size) : 0;
	if (n > 0) {
		memcpy(zone, data, (size_t)n);
		dname_to_lower(zone, (size_t)n);
		about.zone = bytes_of(zone, (size_t)n);
		data += n;
		size -= (size_t)n;
	}
	struct bytes wire = bytes_of(data, size);
	int rc = message_take(reader, wire, &about, &sink, &reason);
	require(rc == 0 || (rc == ERR_SYNTAX && reason && *reason && !ours.n));
	bool has_head = message_head(wire, &head) == 0;
	if (rc == 0)
		compare(wire, about.zone, &ours, has_head ? &head : NULL);
	buffer_release(&ours.text);
	return 0;
}
