/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of dnstap, and its frames. */
#include "ingest/dnstap.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"
#include "ingest/message.h"
#include "ingest/wire.h"

/* --- protobuf (protobuf.dev, "Encoding") --- */

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_OCTETS = 2, WIRE_32 = 5 };

struct field {
	uint32_t tag;        /* number << 3 | wire type */
	uint64_t value;      /* WIRE_VARINT */
	struct bytes octets; /* WIRE_OCTETS */
};

#define TAG(number, wire) ((number) << 3 | (wire))

static const uint8_t *take_long_varint(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;
	for (unsigned shift = 0; shift < 70 && p < end; shift += 7) {
		uint8_t c = *p++;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80) {
			*ret = v;
			return p;
		}
	}
	return NULL;
}

/* Returns what is behind it, or NULL. Most have one octet. */
static inline const uint8_t *take_varint(const uint8_t *p, const uint8_t *end, uint64_t *ret)
{
	if (p == end || *p >= 0x80)
		return take_long_varint(p, end, ret);
	*ret = *p;
	return p + 1;
}

/* The next field: 1; 0 at the end; or ERR_SYNTAX. Groups are malformed: nothing has them any more.
 */
static inline int next_field(struct bytes *in, struct field *ret)
{
	const uint8_t *p = in->p, *end = p + in->n;
	uint64_t tag, n;
	if (p == end)
		return 0;
	p = take_varint(p, end, &tag);
	if (!p || tag < TAG(1, 0) || tag > UINT32_MAX)
		return ERR_SYNTAX;
	ret->tag = (uint32_t)tag;
	ret->value = n = 0;
	switch (tag & 7) {
	case WIRE_VARINT:
		p = take_varint(p, end, &ret->value);
		break;
	case WIRE_64:
		n = 8;
		break;
	case WIRE_32:
		n = 4;
		break;
	case WIRE_OCTETS:
		p = take_varint(p, end, &n);
		break;
	default:
		return ERR_SYNTAX;
	}
	if (!p || n > (size_t)(end - p))
		return ERR_SYNTAX;
	ret->octets = bytes_of(p, n);
	*in = bytes_of(p + n, (size_t)(end - p) - n);
	return 1;
}

/* --- what dnstap makes of it (dnstap.pb, "dnstap.proto") --- */

enum {
	DNSTAP_IDENTITY = TAG(1, WIRE_OCTETS),
	DNSTAP_MESSAGE = TAG(14, WIRE_OCTETS),
	DNSTAP_TYPE = TAG(15, WIRE_VARINT),
	TYPE_MESSAGE = 1,

	MESSAGE_TYPE = TAG(1, WIRE_VARINT),
	MESSAGE_QUERY_S = TAG(8, WIRE_VARINT),
	MESSAGE_ZONE = TAG(11, WIRE_OCTETS),
	MESSAGE_RESPONSE_S = TAG(12, WIRE_VARINT),
	MESSAGE_RESPONSE = TAG(14, WIRE_OCTETS),
	MESSAGE_POLICY = TAG(15, WIRE_OCTETS),
	TOOL_RESPONSE = 12, /* up to here responses have even numbers */

	POLICY_ACTION = TAG(3, WIRE_VARINT),
	ACTION_PASS = 3,
};

/* A field that comes again replaces the one before, and messages merge, as protobuf has it. */
struct tap {
	struct bytes identity;
	uint64_t type; /* 0: there is none; also below */
	bool has_message;
	uint64_t message_type;
	uint64_t query_s, response_s;
	struct bytes zone;
	struct bytes response;
	uint64_t action;
};

static int read_policy(struct bytes in, struct tap *t)
{
	struct field f;
	int rc;
	while ((rc = next_field(&in, &f)) == 1) {
		if (f.tag == POLICY_ACTION)
			t->action = f.value;
	}
	return rc;
}

static int read_tap_message(struct bytes in, struct tap *t)
{
	struct field f;
	int rc;
	while ((rc = next_field(&in, &f)) == 1) {
		switch (f.tag) {
		case MESSAGE_TYPE:
			t->message_type = f.value;
			break;
		case MESSAGE_QUERY_S:
			t->query_s = f.value;
			break;
		case MESSAGE_RESPONSE_S:
			t->response_s = f.value;
			break;
		case MESSAGE_ZONE:
			t->zone = f.octets;
			break;
		case MESSAGE_RESPONSE:
			t->response = f.octets;
			break;
		case MESSAGE_POLICY:
			if (read_policy(f.octets, t) < 0)
				return ERR_SYNTAX;
			break;
		default:
			break;
		}
	}
	return rc;
}

static int read_tap(struct bytes in, struct tap *t)
{
	struct field f;
	int rc;
	while ((rc = next_field(&in, &f)) == 1) {
		switch (f.tag) {
		case DNSTAP_IDENTITY:
			t->identity = f.octets;
			break;
		case DNSTAP_TYPE:
			t->type = f.value;
			break;
		case DNSTAP_MESSAGE:
			t->has_message = true;
			if (read_tap_message(f.octets, t) < 0)
				return ERR_SYNTAX;
			break;
		default:
			break;
		}
	}
	return rc;
}

/* --- a frame --- */

struct dnstap {
	struct message_reader *messages; /* owned */
	uint8_t zone[WIRE_NAME_ROOM];
};

struct dnstap *dnstap_new(void)
{
	struct dnstap *d = xcalloc(1, sizeof(*d));
	d->messages = message_reader_new();
	return d;
}

void dnstap_free(struct dnstap *d)
{
	if (!d)
		return;
	message_reader_free(d->messages);
	free(d);
}

/* Why a frame is left out before its response is looked at; LEFT_OUT_REASONS: it is not. */
static enum left_out left_out_of(const struct tap *t)
{
	if (t->type != TYPE_MESSAGE)
		return LEFT_OUT_OTHER;
	if (t->message_type % 2 || t->message_type > TOOL_RESPONSE)
		return LEFT_OUT_QUESTION;
	return t->action && t->action != ACTION_PASS ? LEFT_OUT_POLICY : LEFT_OUT_REASONS;
}

/* What message_take must know. Returns why it cannot be known, or NULL. */
static const char *read_context(struct dnstap *d, const struct tap *t, struct message_context *ret)
{
	ret->time_s = t->response_s ? t->response_s : t->query_s;
	ret->zone = bytes_of(d->zone, t->zone.n);
	if (!t->response.n)
		return "a response without response_message";
	if (!ret->time_s)
		return "neither response_time_sec nor query_time_sec is there";
	if (ret->time_s > TIME_MAX)
		return "a time beyond the year 9999";
	size_t at = 0; /* no pointer can be right here: there is nothing before it */
	if (t->zone.n && (wire_name_into(t->zone, &at, d->zone) < 0 || at != t->zone.n))
		return "query_zone is no name";
	return NULL;
}

int dnstap_take(struct dnstap *d, struct bytes frame, uint64_t place, const struct sink *sink)
{
	struct tap t = {.action = 0};
	struct message_context about;
	const struct bytes nothing = bytes_of(NULL, 0);
	if (read_tap(frame, &t) < 0 || !t.type)
		return sink->reject(sink->ctx, place, nothing, "not a message of dnstap");
	if (t.type == TYPE_MESSAGE && (!t.has_message || !t.message_type))
		return sink->reject(sink->ctx, place, nothing, "a message without its type");
	enum left_out why = left_out_of(&t);
	if (why != LEFT_OUT_REASONS) {
		sink_left_out(sink, why, 1);
		return 0;
	}
	const char *reason = read_context(d, &t, &about);
	if (reason)
		return sink->reject(sink->ctx, place, nothing, reason);
	if (sink->sensor)
		sink->sensor(sink->ctx,
			     bytes_of(t.identity.p,
				      t.identity.n < MEMBER_MAX ? t.identity.n : MEMBER_MAX));
	int rc = message_take(d->messages, t.response, &about, sink, &reason);
	return rc == ERR_SYNTAX ? sink->reject(sink->ctx, place, t.response, reason) : rc;
}

/* --- a file --- */

enum state {
	AT_START,  /* of the file, or behind STOP */
	IN_STREAM, /* behind START */
	RESUMED,   /* behind a frame that this reader has not seen */
	LOST,      /* behind what has no frames */
};

struct reader {
	struct framestream frames;
	struct dnstap *dnstap; /* owned */
	enum state state;
};

static bool dnstap_recognises(struct bytes head)
{
	struct framestream frames = {.count = 0};
	struct frame frame;
	if (head.n < 12 || head.p[0]) /* a control frame begins with 0 */
		return false;
	framestream_put(&frames, head);
	bool start = framestream_next(&frames, &frame) == 1 && frame.control == CONTROL_START &&
		     control_offers(frame.octets, bytes_str(DNSTAP_CONTENT_TYPE));
	framestream_release(&frames);
	return start;
}

static struct reader *dnstap_open(const struct reader_options *opt, struct err *e)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	r->dnstap = dnstap_new();
	return r;
}

static void dnstap_close(struct reader *r)
{
	framestream_release(&r->frames);
	dnstap_free(r->dnstap);
	free(r);
}

static int lose(struct reader *r, uint64_t place, const char *reason, const struct sink *sink)
{
	r->state = LOST;
	return sink->reject(sink->ctx, place, bytes_of(NULL, 0), reason);
}

static int take_control(struct reader *r, const struct frame *frame, const struct sink *sink)
{
	switch (frame->control) {
	case CONTROL_START: /* also where the stream before was not stopped */
		if (!control_offers(frame->octets, bytes_str(DNSTAP_CONTENT_TYPE)))
			return lose(r, frame->number,
				    "the content type is not " DNSTAP_CONTENT_TYPE, sink);
		r->state = IN_STREAM;
		return 0;
	case CONTROL_STOP:
		if (r->state == AT_START)
			return lose(r, frame->number, "STOP without START", sink);
		r->state = AT_START;
		return 0;
	default:
		return lose(r, frame->number, "a control frame of a live connection", sink);
	}
}

static int dnstap_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	struct frame frame;
	int rc = 0;
	framestream_put(&r->frames, run);
	while (rc == 0 && r->state != LOST) {
		int more = framestream_next(&r->frames, &frame);
		if (more == 0)
			break;
		if (more < 0)
			return lose(r, r->frames.count + 1, r->frames.broken, sink);
		if (frame.control)
			rc = take_control(r, &frame, sink);
		else if (r->state == AT_START)
			rc = lose(r, frame.number, "a frame before START", sink);
		else
			rc = dnstap_take(r->dnstap, frame.octets, frame.number, sink);
	}
	return rc;
}

static int dnstap_finish(struct reader *r, const struct sink *sink)
{
	if (r->state == LOST || !framestream_is_cut(&r->frames))
		return 0;
	return lose(r, r->frames.count + 1, "the frame is cut off", sink);
}

static void dnstap_position(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines)
{
	*ret_bytes = r->state == LOST ? UINT64_MAX : r->frames.bytes;
	*ret_lines = r->frames.count;
}

static void dnstap_resume(struct reader *r, uint64_t bytes, uint64_t lines)
{
	r->state = bytes == UINT64_MAX ? LOST : RESUMED;
	r->frames.bytes = bytes;
	r->frames.count = lines;
}

const struct reader_format dnstap_format = {
	.name = "dnstap",
	.help = "dnstap: what resolvers and servers write themselves (Frame Streams)",
	.recognises = dnstap_recognises,
	.open = dnstap_open,
	.feed = dnstap_feed,
	.finish = dnstap_finish,
	.position = dnstap_position,
	.resume = dnstap_resume,
	.close = dnstap_close,
};
