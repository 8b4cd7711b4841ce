/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Importing a file or pipe: recognised when it is all in already, continued when it was begun.
 *
 * A source is known by what is in it, decompressed, never by its name: notes are found by a hash of its first octets,
 * and compared by a digest of all that they cover before they are believed. What makes other records of the same octets, a format
 * that they do not look like or an option of the reader, makes another source.
 */
#pragma once

#include "feed/note.h"
#include "ingest/exclusion.h"
#include "ingest/input.h"
#include "ingest/reader.h"

struct file_options {
	struct store *store;
	const struct reader_format *format; /* NULL: by its content, and passivedns where that tells nothing and the reader has fields */
	const struct reader_options *reader; /* may be NULL */
	struct bytes sensor;               /* whom it counts for where the input names nobody */
	const struct exclusion *exclusion; /* may be NULL */
	size_t memory;
	bool again; /* count it anew, whatever the journal says */
	void (*reject)(void *ctx, uint64_t line, struct bytes input, const char *reason);
	uint64_t (*before_commit)(void *ctx);
	/* Called before the first line is read: how far the source is in already (resumed->position 0: not begun). */
	void (*begin)(void *ctx, const struct note *resumed);
	/* Called now and then. Non-zero stops: ERR_CANCELLED, and what was committed stays. */
	int (*progress)(void *ctx, const struct note *counts);
	/* LEFT_OUT_REASONS numbers, to which is added what was left out; may be NULL. */
	uint64_t *left_out;
	void *ctx;
};

/* 0: all of it is in. 1: it was in already, nothing was counted; ret then tells of that time. Negative: failed; what was
 * committed stays, and giving it again continues. */
int file_import(const struct file_options *opt, struct input *in, struct note *ret, struct err *e);
