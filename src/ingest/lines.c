/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines out of runs of bytes. */
#include "ingest/lines.h"

#include "base/limits.h"

void lines_release(struct lines *l)
{
	buffer_release(&l->held);
}

void lines_put(struct lines *l, struct bytes run)
{
	l->run = run;
}

/* A line counts as passed only when the next one is asked for: until then it may be in work. */
static void pass_line(struct lines *l)
{
	if (!l->taken)
		return;
	l->bytes += l->taken;
	l->count++;
	l->taken = 0;
	if (l->clear_held) {
		buffer_clear(&l->held);
		l->held_size = 0;
		l->clear_held = false;
	}
}

static void hold(struct lines *l, struct bytes part)
{
	size_t room = LINE_MAX_BYTES - l->held.n;
	l->held_size += part.n;
	buffer_put(&l->held, part.p, part.n < room ? part.n : room);
}

static void hand_out(struct lines *l, struct bytes text, uint64_t size, struct line *ret_line)
{
	ret_line->too_long = size > LINE_MAX_BYTES;
	if (text.n > LINE_MAX_BYTES)
		text.n = LINE_MAX_BYTES;
	ret_line->text = text;
	ret_line->number = l->count + 1;
}

bool lines_next(struct lines *l, struct line *ret_line)
{
	pass_line(l);
	if (!l->run.n)
		return false;
	const uint8_t *lf = memchr(l->run.p, '\n', l->run.n);
	struct bytes part = bytes_of(l->run.p, lf ? (size_t)(lf - l->run.p) : l->run.n);
	size_t used = part.n + (lf ? 1 : 0);
	l->run = bytes_of(l->run.p + used, l->run.n - used);
	if (!lf) {
		hold(l, part);
		return false;
	}
	if (l->held_size) {
		hold(l, part);
		l->clear_held = true;
		l->taken = l->held_size + 1;
		hand_out(l, buffer_bytes(&l->held), l->held_size, ret_line);
	} else {
		l->taken = used;
		hand_out(l, part, part.n, ret_line);
	}
	return true;
}

bool lines_last(struct lines *l, struct line *ret_line)
{
	pass_line(l);
	if (!l->held_size)
		return false;
	l->clear_held = true;
	l->taken = l->held_size;
	hand_out(l, buffer_bytes(&l->held), l->held_size, ret_line);
	return true;
}

bool line_is_blank(struct bytes text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] != ' ' && text.p[i] != '\t' && text.p[i] != '\r')
			return false;
	}
	return true;
}

struct bytes line_without_bom(struct bytes text)
{
	return bytes_has_prefix(text, bytes_str("\xef\xbb\xbf")) ? bytes_of(text.p + 3, text.n - 3) : text;
}

bool head_line(struct bytes *head, struct bytes *ret_line)
{
	if (!head->n)
		return false;
	const uint8_t *lf = memchr(head->p, '\n', head->n);
	size_t n = lf ? (size_t)(lf - head->p) : head->n;
	*ret_line = bytes_of(head->p, n);
	n += lf ? 1 : 0;
	*head = bytes_of(head->p + n, head->n - n);
	return true;
}

void lines_position(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines)
{
	const struct lines *l = (const struct lines *)(const void *)r;
	*ret_bytes = l->bytes;
	*ret_lines = l->count;
}

void lines_resume(struct reader *r, uint64_t bytes, uint64_t lines)
{
	struct lines *l = (struct lines *)(void *)r;
	l->bytes = bytes;
	l->count = lines;
}
