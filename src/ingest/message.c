/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A DNS message becomes observations.
 *
 * First all of it is read, every record in canonical form; what counts is then decided in ingest/response.h. */
#include "ingest/message.h"

#include <stdlib.h>

#include "base/err.h"
#include "ingest/response.h"
#include "ingest/wire.h"
#include "model/rrtype.h"

enum {
	HEAD = 12,
	QTYPE_IXFR = 251,
	QTYPE_AXFR = 252,
	TYPE_OPT = 41,
	CLASS_IN = 1
};

struct message_reader {
	struct response response; /* the records of the message in work */

	struct bytes wire;
	size_t at;
	uint16_t qtype;
	unsigned rcode_high;   /* of an OPT record */
	uint16_t last_pointer; /* an owner that was a pointer alone, and where that name is now */
	uint32_t last_owner;
	uint8_t last_owner_n;
};

struct message_reader *message_reader_new(void)
{
	return xcalloc(1, sizeof(struct message_reader));
}

uint32_t message_ttl(const struct message_reader *m)
{
	return m->response.ttl_s;
}

void message_reader_free(struct message_reader *m)
{
	if (!m)
		return;
	response_release(&m->response);
	free(m);
}

static inline uint16_t get_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* --- reading --- */

/* Most owners are one pointer, and it is the one of the record before. */
static int read_owner(struct message_reader *m, struct response_record *r)
{
	const uint8_t *p = m->wire.p + m->at;
	bool pointer = m->wire.n - m->at >= 2 && p[0] >= 0xc0;
	if (pointer && get_u16(p) == m->last_pointer) {
		m->at += 2;
		r->owner = m->last_owner;
		r->owner_n = m->last_owner_n;
		return 0;
	}
	r->owner = (uint32_t)m->response.octets.n;
	int n = wire_name(m->wire, &m->at, &m->response.octets);
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

/* One record: kept, or left out for its type or class. */
static const char *read_record(struct message_reader *m)
{
	struct response_record *r = response_next(&m->response);
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
		m->response.left_out[rrtype_is_meta(type) ? LEFT_OUT_META : LEFT_OUT_CLASS]++;
		return NULL;
	}
	r->type = type;
	r->ttl_s = (uint32_t)get_u16(p + 4) << 16 | get_u16(p + 6);
	r->rdata = (uint32_t)m->response.octets.n;
	if (wire_rdata(m->wire, at, size, type, &m->response.octets, &form) < 0)
		return "rdata is not of its type";
	r->rdata_n = (uint16_t)(m->response.octets.n - r->rdata);
	r->form = (uint8_t)form;
	r->counts = true;
	m->response.n++;
	return NULL;
}

static const char *read_question(struct message_reader *m)
{
	m->response.qname = (uint32_t)m->response.octets.n;
	int n = wire_name(m->wire, &m->at, &m->response.octets);
	if (n < 0 || m->wire.n - m->at < 4)
		return "the question is malformed or cut off";
	m->response.qname_n = (uint8_t)n;
	m->qtype = get_u16(m->wire.p + m->at);
	m->at += 4;
	m->last_pointer = 0xc000 | HEAD;
	m->last_owner = m->response.qname;
	m->last_owner_n = m->response.qname_n;
	return NULL;
}

static const char *read_records(struct message_reader *m)
{
	const uint8_t *p = m->wire.p;
	size_t answers = get_u16(p + 6), others = (size_t)get_u16(p + 8) + get_u16(p + 10);
	const char *reason = NULL;
	for (size_t i = 0; i < answers && !reason; i++)
		reason = read_record(m);
	m->response.answers = m->response.n;
	for (size_t i = 0; i < others && !reason; i++)
		reason = read_record(m);
	return reason;
}

/* --- the whole --- */

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
	m->rcode_high = 0;
	response_begin(&m->response);
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
		response_keep_in_zone(&m->response, m->response.answers, response_qname(&m->response));
	else
		response_keep_answers(&m->response);
	response_keep_in_zone(&m->response, m->response.n, about->zone);
	const struct seen seen = {.first_s = about->time_s, .last_s = about->time_s, .count = 1};
	return response_hand_out(&m->response, &seen, sink);
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
