/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One packet's way through the layers. */
#include "ingest/sniffer.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/mem.h"
#include "ingest/fragments.h"
#include "ingest/matching.h"
#include "ingest/message.h"
#include "ingest/streams.h"

struct sniffer {
	uint16_t ports[CAPTURE_PORTS_MAX];
	size_t n_ports;
	bool unmatched;
	struct fragments *fragments;
	struct streams *streams;
	struct matching *matching;
	struct message_reader *messages;
	/* the packet under way */
	const struct captured *captured;
	const struct datagram *datagram;
	const struct transport *transport;
	const struct sink *sink;
	const char *reason; /* of the first message that was rejected; each packet is rejected once */
};

static int parse_ports(struct sniffer *s, const char *text, struct err *e)
{
	for (const char *p = text;; p++) {
		char *end;
		unsigned long port = *p >= '0' && *p <= '9' ? strtoul(p, &end, 10) : 0;
		if (port == 0 || port > UINT16_MAX || (*end && *end != ','))
			return err_set(e, ERR_USAGE, "%s: it is not a list of ports such as 53,5353", text);
		if (s->n_ports == CAPTURE_PORTS_MAX)
			return err_set(e, ERR_LIMIT, "%s: more than %d ports", text, CAPTURE_PORTS_MAX);
		s->ports[s->n_ports++] = (uint16_t)port;
		p = end;
		if (!*p)
			return 0;
	}
}

struct sniffer *sniffer_new(const struct reader_options *opt, struct err *e)
{
	struct sniffer *s = xcalloc(1, sizeof(*s));
	if (parse_ports(s, opt && opt->ports ? opt->ports : "53", e) < 0) {
		free(s);
		return NULL;
	}
	s->unmatched = opt && opt->unmatched;
	s->fragments = fragments_new();
	s->streams = streams_new();
	s->matching = matching_new();
	s->messages = message_reader_new();
	return s;
}

void sniffer_free(struct sniffer *s)
{
	if (!s)
		return;
	fragments_free(s->fragments);
	streams_free(s->streams);
	matching_free(s->matching);
	message_reader_free(s->messages);
	free(s);
}

static bool is_server(const struct sniffer *s, uint16_t port)
{
	for (size_t i = 0; i < s->n_ports; i++) {
		if (s->ports[i] == port)
			return true;
	}
	return false;
}

static void complain(struct sniffer *s, const char *reason)
{
	if (!s->reason)
		s->reason = reason;
}

static int take_message(void *ctx, struct bytes wire)
{
	struct sniffer *s = ctx;
	struct message_head head;
	const char *reason;
	if (message_head(wire, &head) < 0) {
		complain(s, "the message's head is malformed");
		return 0;
	}
	if (!head.answer) {
		if (is_server(s, s->transport->to_port) && head.name_n)
			matching_question(s->matching, s->captured->time_s, s->datagram, s->transport, &head);
		sink_left_out(s->sink, LEFT_OUT_QUESTION, 1);
		return 0;
	}
	if (!is_server(s, s->transport->from_port)) {
		sink_left_out(s->sink, LEFT_OUT_OTHER, 1);
		return 0;
	}
	if (!s->unmatched && !matching_answer(s->matching, s->captured->time_s, s->datagram, s->transport, &head)) {
		sink_left_out(s->sink, LEFT_OUT_UNMATCHED, 1);
		return 0;
	}
	struct message_context about = {.time_s = s->captured->time_s};
	int rc = message_take(s->messages, wire, &about, s->sink, &reason);
	if (rc == ERR_SYNTAX)
		complain(s, reason);
	return rc == ERR_SYNTAX ? 0 : rc;
}

/* A segment tells of the other direction how far it arrived. */
static int take_acknowledged(struct sniffer *s, const struct datagram *d, const struct transport *t)
{
	struct datagram other = {.protocol = d->protocol};
	const struct transport back = {.tcp = true, .from_port = t->to_port, .to_port = t->from_port};
	memcpy(other.from, d->to, sizeof(other.from));
	memcpy(other.to, d->from, sizeof(other.to));
	s->datagram = &other;
	s->transport = &back;
	return streams_acknowledged(s->streams, &other, &back, t->acknowledged, take_message, s);
}

/* What the packet is, down to UDP or TCP. */
static enum packet_result open_packet(struct sniffer *s, const struct captured *c, struct datagram *d,
                                      struct transport *t, bool *ret_held, const char **ret_reason)
{
	enum packet_result result = packet_datagram(c, d, ret_reason);
	*ret_held = false;
	if (result == PACKET_OK && d->fragment) {
		int rc = fragments_take(s->fragments, c->time_s, d, ret_reason);
		if (rc < 0)
			return PACKET_MALFORMED;
		*ret_held = rc == 0;
		result = rc == 1 ? packet_after_fragments(d, ret_reason) : PACKET_OK;
	}
	return result == PACKET_OK && !*ret_held ? packet_transport(d, t, ret_reason) : result;
}

static int take_packet(struct sniffer *s, const struct captured *c)
{
	struct datagram d;
	struct transport t;
	const char *reason;
	bool held;
	switch (open_packet(s, c, &d, &t, &held, &reason)) {
	case PACKET_MALFORMED:
		complain(s, reason);
		return 0;
	case PACKET_OTHER:
		sink_left_out(s->sink, LEFT_OUT_OTHER, 1);
		return 0;
	case PACKET_OK:
		break;
	}
	if (held)
		return 0;
	if (!is_server(s, t.from_port) && !is_server(s, t.to_port)) {
		sink_left_out(s->sink, LEFT_OUT_OTHER, 1);
		return 0;
	}
	int rc = t.acks ? take_acknowledged(s, &d, &t) : 0;
	if (rc)
		return rc;
	s->datagram = &d;
	s->transport = &t;
	if (t.cut)
		complain(s, "the packet is cut off by the capture (its snaplen)");
	if (t.tcp)
		return streams_take(s->streams, &d, &t, take_message, s);
	return t.cut ? 0 : take_message(s, t.payload);
}

int sniffer_packet(struct sniffer *s, const struct captured *c, const struct sink *sink)
{
	s->captured = c;
	s->sink = sink;
	s->reason = NULL;
	int rc = 0;
	if (c->link == UINT32_MAX)
		complain(s, "the packet's block is malformed, or names no interface");
	else if (!c->time_s || c->time_s > TIME_MAX)
		complain(s, "the packet has no usable time");
	else
		rc = take_packet(s, c);
	if (rc == 0 && s->reason)
		rc = sink->reject(sink->ctx, c->number, c->octets, s->reason);
	return rc;
}
