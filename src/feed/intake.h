/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The intake: runs of bytes of one source go in, and come out as records in a store, each observation
 * exactly once.
 *
 * reader → fold → (when full, and at the end) a run of the store that carries the rows and the source's note, in one
 * atomic step. The note says how far the source was read, and a digest of what was read; whoever gives the same source
 * again begins with that note.
 */
#pragma once

#include "base/err.h"
#include "feed/note.h"
#include "ingest/exclusion.h"
#include "ingest/reader.h"
#include "store/store.h"

struct intake;

struct intake_options {
	struct store *store;                /* borrowed */
	const struct reader_format *format;
	size_t memory;                      /* for folding, octets */
	struct bytes note_key;              /* copied; empty: no note is kept */
	const struct note *resume;          /* what is in already; NULL: nothing. Octets before resume->position
	                                     * are read for the digest and line numbers, and not counted again */
	bool overlap;                       /* fold, and sort and write, on threads of their own while reading goes
	                                     * on; not with whole. memory is then shared by two folds */
	bool whole;                         /* all or nothing: what does not reach intake_finish leaves nothing */
	bool replay;                        /* with resume: hand the rejects before the position to reject again */
	struct bytes sensor;                 /* copied: whom it counts for where the input names nobody */
	const struct reader_options *reader; /* borrowed until intake_close; may be NULL */
	const struct exclusion *exclusion;   /* what is not stored; borrowed; may be NULL */
	/* A line was rejected; may be NULL. */
	void (*reject)(void *ctx, uint64_t line, struct bytes input, const char *reason);
	/* Called just before a run is committed: bytes of the rejects file, made durable. May be NULL. */
	uint64_t (*before_commit)(void *ctx);
	void *ctx;
};

/* NULL, with a sentence, when the format does not take the reader's options. */
struct intake *intake_open(const struct intake_options *opt, struct err *e);

/* The next run. ERR_USAGE: the source is not the one that resume speaks of. */
int intake_feed(struct intake *in, struct bytes run, struct err *e);

/* True when the next intake_flush has much to do: callers that must not block look first. */
bool intake_wants_flush(const struct intake *in);
int intake_flush(struct intake *in, struct err *e);

/* The end of the source: everything is in the store when it returns 0. */
int intake_finish(struct intake *in, struct err *e);

/* What was counted by now, resumed parts included. */
void intake_counts(const struct intake *in, struct note *ret);

/* What was left out since it was opened, by enum left_out: of a source that is continued without reading its start again, what was
 * left out there is not counted. */
const uint64_t *intake_left_out(const struct intake *in);

void intake_close(struct intake *in);
