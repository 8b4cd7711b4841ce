/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decompression of a stream that arrives in pieces: files, pipes and HTTP bodies.
 *
 *	in = what arrived;
 *	while ((rc = decompress_next(d, &in, &run, &e)) == 1)
 *		... run ...;
 *	... and at the end of the stream: decompress_finish(d, &e)
 *
 * Memory is one output block and the library's window (zstd: up to 128 MiB, more is an error),
 *whatever the compression ratio. gzip: several members, and zero octets behind them (tape padding),
 *are one stream. zstd: several frames and skippable ones are.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum compression {
	COMPRESSION_NONE, /* runs are what went in: nothing is copied */
	COMPRESSION_GZIP,
	COMPRESSION_ZSTD,
};

#define COMPRESSION_MAGIC 4 /* octets that compression_of needs, unless there are no more */

/* What a stream that begins with head is. */
enum compression compression_of(struct bytes head);

struct decompressor;

struct decompressor *decompress_open(enum compression kind);

/* The next run of decompressed octets, never empty: 1, with in moved past what was used and ret_run
 * borrowed until the next call; 0 when in is used up and nothing is pending; ERR_CORRUPT, ERR_LIMIT
 * (the window) or ERR_NOMEM. After an error only decompress_close is allowed. */
int decompress_next(struct decompressor *d, struct bytes *in, struct bytes *ret_run, struct err *e);

/* At the end of the stream: 0, or ERR_CORRUPT when it is cut off. An empty stream is fine. */
int decompress_finish(struct decompressor *d, struct err *e);

void decompress_close(struct decompressor *d);
