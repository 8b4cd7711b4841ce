/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cuts runs of bytes into lines. A line inside one run is not copied; a line cut by the end of a
 *run is kept until its LF arrives. A line over LINE_MAX_BYTES costs no more memory than that: its
 *start is kept, the rest is stepped over.
 *
 *	lines_put(l, run);
 *	while (lines_next(l, &line))
 *		...;
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

struct line {
	struct bytes text; /* without its LF; borrowed until the next call */
	uint64_t number;   /* from 1 */
	bool too_long;     /* text is its first LINE_MAX_BYTES */
};

struct lines {
	struct bytes run;   /* what is left of it, borrowed */
	struct buffer held; /* the start of a line that a run cut; owned */
	uint64_t held_size; /* of that line so far: held may have less */
	uint64_t taken;     /* octets of the line that was handed out last, with its LF */
	bool clear_held;    /* that line is in held */
	uint64_t bytes;     /* octets of the lines before it */
	uint64_t count;     /* lines before it */
};

void lines_release(struct lines *l);

/* The next run. The one before must be used up. */
void lines_put(struct lines *l, struct bytes run);

/* The next complete line of the run; false when there is none, its rest is then kept. */
bool lines_next(struct lines *l, struct line *ret_line);

/* At the end of input: a last line without LF, once. */
bool lines_last(struct lines *l, struct line *ret_line);

/* What the readers of formats that are lines have in common. */
struct reader;
struct sink;
typedef int line_taker(struct reader *r, const struct line *line, const struct sink *sink);

/* Hands the run's complete lines, one after the other, to take, until it answers other than 0; returns that. */
static inline int lines_feed(struct lines *l, struct bytes run, line_taker *take, struct reader *r, const struct sink *sink)
{
	struct line line;
	int rc = 0;
	lines_put(l, run);
	while (rc == 0 && lines_next(l, &line))
		rc = take(r, &line, sink);
	return rc;
}

static inline int lines_finish(struct lines *l, line_taker *take, struct reader *r, const struct sink *sink)
{
	struct line line;
	int rc = 0;
	while (rc == 0 && lines_last(l, &line))
		rc = take(r, &line, sink);
	return rc;
}

/* position and resume of a reader whose first member is its struct lines. */
void lines_position(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines);
void lines_resume(struct reader *r, uint64_t bytes, uint64_t lines);

/* Nothing but blanks and a CR. */
bool line_is_blank(struct bytes text);

/* A first line without its byte order mark. */
struct bytes line_without_bom(struct bytes text);

/* For looking at the head of an input: its next line, which the head's end may have cut. */
bool head_line(struct bytes *head, struct bytes *ret_line);
