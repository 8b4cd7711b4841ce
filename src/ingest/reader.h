/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A source format: turns bytes into observations. One format a file.
 *
 * A reader is fed runs of bytes as they arrive and hands every observation to a sink. It never reads
 * a file itself, so the same reader serves files, pipes and HTTP bodies. Malformed input costs itself: it is
 * reported to the sink with its place and reason, and reading goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/observation.h"

/* Where observations go. Both return 0 to go on; anything else stops the reader, which returns it. */
struct sink {
	/* o and what it points at are valid during the call only. */
	int (*observe)(void *ctx, const struct observation *o);
	/* place counts lines from 1; input is the offending line, or its start; reason is a short phrase such as "rrname is
	 * missing". Counted once a line, however many of its records are bad. */
	int (*reject)(void *ctx, uint64_t place, struct bytes input, const char *reason);
	void *ctx;
};

struct reader; /* opaque: each format has its own */

struct reader_format {
	const char *name;
	const char *help; /* one line */
	/* Does this look like the format? head is the first bytes of the input (up to 64 KiB). */
	bool (*recognises)(struct bytes head);
	struct reader *(*open)(void);
	/* Takes the next run of bytes. Everything that is complete is handed to the sink before it returns; a
	 * cut line at the end of the run is kept inside. Returns 0, the sink's answer, or a negative error. */
	int (*feed)(struct reader *r, struct bytes run, const struct sink *sink);
	/* End of input: a last line without LF counts. */
	int (*finish)(struct reader *r, const struct sink *sink);
	/* Position after the last complete line: bytes of input consumed and lines passed. A new reader that is told
	 * these with resume, and fed from that byte on, goes on with the same line numbers. */
	void (*position)(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines);
	void (*resume)(struct reader *r, uint64_t bytes, uint64_t lines);
	void (*close)(struct reader *r);
};

extern const struct reader_format cof_format;

/* All formats, in the order in which --format auto asks them; ends with NULL. */
extern const struct reader_format *const reader_formats[];

const struct reader_format *reader_format_named(const char *name);
