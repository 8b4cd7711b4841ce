/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frame Streams, the framing of dnstap: what is in runs of octets becomes frames. For files and for
 *live connections.
 *
 *	a data frame:     length (not 0), octets
 *	a control frame:  0, length, type, fields: each its type, length and octets
 *
 * All numbers have 32 bits, the high octet first. A file is START, data frames, STOP. A live sender
 *says READY, gets ACCEPT, goes on as a file does, and gets FINISH for its STOP.
 *
 *	framestream_put(f, run);
 *	while ((rc = framestream_next(f, &frame)) == 1)
 *		...;
 *
 * A frame inside one run is not copied; one that a run cuts is kept until its rest arrives:
 *FRAME_MAX octets at most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/limits.h"

enum control_type {
	CONTROL_NONE = 0, /* it is a data frame */
	CONTROL_ACCEPT = 1,
	CONTROL_START = 2,
	CONTROL_STOP = 3,
	CONTROL_READY = 4,
	CONTROL_FINISH = 5,
};

struct frame {
	enum control_type control;
	struct bytes octets; /* of a control frame its fields, which are well formed. Borrowed until
				the next call */
	uint64_t number;     /* from 1, control frames included */
};

/* All zero is the beginning of a stream. */
struct framestream {
	struct bytes run;   /* what is left of it, borrowed */
	struct buffer held; /* the start of a frame that a run cut; owned */
	uint64_t taken;     /* octets of the frame that was handed out last, with its lengths */
	bool clear_held;    /* that frame is in held */
	uint64_t bytes;     /* octets of the frames before it */
	uint64_t count;     /* frames before it */
	const char *broken; /* why nothing can be read any more; static */
};

void framestream_release(struct framestream *f);

/* The next run. The one before must be used up. */
void framestream_put(struct framestream *f, struct bytes run);

/* The next complete frame of the run: 1; 0: there is none, its rest is kept. ERR_SYNTAX (a length
 * over FRAME_MAX or CONTROL_FRAME_MAX, a control frame that is none): then f->broken says why, what
 * follows has no frames, and every later call says the same. */
int framestream_next(struct framestream *f, struct frame *ret_frame);

/* Whether a frame is kept that is not complete: at the end of input it is cut off. */
bool framestream_is_cut(const struct framestream *f);

/* Whether the fields of a START or READY name a content type, or none at all, which means any. */
bool control_offers(struct bytes fields, struct bytes content_type);

/* Appends a whole control frame, with a content type unless that is empty. */
void control_write(enum control_type type, struct bytes content_type, struct buffer *out);
/* Appends a whole data frame. octets must not be empty. */
void frame_write(struct bytes octets, struct buffer *out);
