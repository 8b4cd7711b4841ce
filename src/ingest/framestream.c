/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames out of runs of octets. */
#include "ingest/framestream.h"

#include "base/err.h"

enum { FIELD_CONTENT_TYPE = 1 };

static inline uint32_t get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u32(struct buffer *b, size_t v)
{
	const uint8_t p[] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
	buffer_put(b, p, sizeof(p));
}

void framestream_release(struct framestream *f)
{
	buffer_release(&f->held);
}

void framestream_put(struct framestream *f, struct bytes run)
{
	f->run = run;
}

bool framestream_is_cut(const struct framestream *f)
{
	return f->held.n > 0 && !f->clear_held;
}

/* A frame counts as passed only when the next one is asked for: until then it may be in work. */
static void pass_frame(struct framestream *f)
{
	if (!f->taken)
		return;
	f->bytes += f->taken;
	f->count++;
	f->taken = 0;
	if (f->clear_held)
		buffer_clear(&f->held);
	f->clear_held = false;
}

static int break_off(struct framestream *f, const char *why)
{
	f->broken = why;
	return ERR_SYNTAX;
}

/* How many octets the frame at the start of have has, as far as they tell; more than there are when
 * that is not far enough. */
static int measure(struct framestream *f, struct bytes have, size_t *ret_size)
{
	*ret_size = 4;
	if (have.n < 4)
		return 0;
	uint32_t size = get_u32(have.p);
	if (size > FRAME_MAX)
		return break_off(f,
				 "a frame is over 262144 octets: it is none, or a length is wrong");
	*ret_size = 4 + (size_t)size;
	if (size)
		return 0;
	*ret_size = 8;
	if (have.n < 8)
		return 0;
	size = get_u32(have.p + 4);
	if (size < 4 || size > CONTROL_FRAME_MAX)
		return break_off(f, "a control frame is under 4 or over 512 octets");
	*ret_size = 8 + (size_t)size;
	return 0;
}

/* The next field of a control frame: 1; 0 at the end; or ERR_SYNTAX. */
static int next_field(struct bytes *fields, uint32_t *ret_type, struct bytes *ret_octets)
{
	if (!fields->n)
		return 0;
	if (fields->n < 8 || get_u32(fields->p + 4) > fields->n - 8)
		return ERR_SYNTAX;
	*ret_type = get_u32(fields->p);
	*ret_octets = bytes_of(fields->p + 8, get_u32(fields->p + 4));
	*fields = bytes_of(ret_octets->p + ret_octets->n, fields->n - 8 - ret_octets->n);
	return 1;
}

static int hand_out(struct framestream *f, struct bytes whole, struct frame *ret_frame)
{
	struct frame frame = {.control = CONTROL_NONE,
			      .octets = bytes_of(whole.p + 4, whole.n - 4)};
	if (get_u32(whole.p) == 0) {
		uint32_t type = get_u32(whole.p + 8), field;
		struct bytes fields = bytes_of(whole.p + 12, whole.n - 12), value;
		int rc;
		frame.octets = fields;
		if (type < CONTROL_ACCEPT || type > CONTROL_FINISH)
			return break_off(f, "a control frame of no known type");
		while ((rc = next_field(&fields, &field, &value)) == 1)
			;
		if (rc < 0)
			return break_off(f, "a control frame's fields are malformed");
		frame.control = (enum control_type)type;
	}
	f->taken = whole.n;
	frame.number = f->count + 1;
	*ret_frame = frame;
	return 1;
}

/* Goes on with a frame that was cut: of the run what is known to belong to it. */
static int next_of_held(struct framestream *f, struct frame *ret_frame)
{
	size_t size;
	for (;;) {
		int rc = measure(f, buffer_bytes(&f->held), &size);
		if (rc < 0)
			return rc;
		if (f->held.n == size)
			break;
		size_t n = size - f->held.n < f->run.n ? size - f->held.n : f->run.n;
		if (!n)
			return 0;
		buffer_put(&f->held, f->run.p, n);
		f->run = bytes_of(f->run.p + n, f->run.n - n);
	}
	f->clear_held = true;
	return hand_out(f, buffer_bytes(&f->held), ret_frame);
}

int framestream_next(struct framestream *f, struct frame *ret_frame)
{
	size_t size;
	pass_frame(f);
	if (f->broken)
		return ERR_SYNTAX;
	if (f->held.n)
		return next_of_held(f, ret_frame);
	int rc = measure(f, f->run, &size);
	if (rc < 0)
		return rc;
	if (f->run.n < size) {
		buffer_put_bytes(&f->held, f->run);
		f->run.n = 0;
		return 0;
	}
	struct bytes whole = bytes_of(f->run.p, size);
	f->run = bytes_of(f->run.p + size, f->run.n - size);
	return hand_out(f, whole, ret_frame);
}

bool control_offers(struct bytes fields, struct bytes content_type)
{
	uint32_t type;
	struct bytes value;
	bool any = true;
	while (next_field(&fields, &type, &value) == 1) {
		if (type != FIELD_CONTENT_TYPE)
			continue;
		if (bytes_eq(value, content_type))
			return true;
		any = false;
	}
	return any;
}

void control_write(enum control_type type, struct bytes content_type, struct buffer *out)
{
	put_u32(out, 0);
	put_u32(out, 4 + (content_type.n ? 8 + content_type.n : 0));
	put_u32(out, type);
	if (!content_type.n)
		return;
	put_u32(out, FIELD_CONTENT_TYPE);
	put_u32(out, content_type.n);
	buffer_put_bytes(out, content_type);
}

void frame_write(struct bytes octets, struct buffer *out)
{
	put_u32(out, octets.n);
	buffer_put_bytes(out, octets);
}
