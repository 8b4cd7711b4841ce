/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a file or a pipe as a stream of decompressed runs. gzip and zstd are known by their
 * magic; everything else is taken as it is. Every error names the file. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct input;

/* Opens a file, or standard input when path is "-". Nothing is read yet. 0, or ERR_NOTFOUND,
 * ERR_DENIED, ERR_IO, ERR_USAGE (a directory). */
int input_open(const char *path, struct input **ret_in, struct err *e);

/* The next run: 1, borrowed until the next call on this input; 0 at the end; or an error: ERR_IO,
 * ERR_CORRUPT (bad or cut off compressed data), ERR_LIMIT, ERR_NOMEM, ERR_FULL (the spool). Runs
 * are of any size up to 256 KiB, never empty. Interrupted by a signal: reading goes on, unless input_stop_on says
 * otherwise. */
int input_read(struct input *in, struct bytes *ret_run, struct err *e);

/* A read that a signal interrupts ends with ERR_CANCELLED when the signal's handler has set this flag. Without it
 * nobody could end the wait for a pipe in which nothing comes. Borrowed. */
void input_stop_on(struct input *in, const volatile sig_atomic_t *flag);

/* From now on, or no longer, keeps what is read from a pipe in an unlinked file in $TMPDIR (/tmp),
 * as it is there: compressed. Files need no spool and ignore this. The spool is let go once it has
 * been read again with spooling off. */
void input_spool(struct input *in, bool on);

/* Back to the beginning. A pipe: only when all that was read was spooled, else ERR_UNSUPPORTED. */
int input_rewind(struct input *in, struct err *e);

/* Steps over n decompressed octets from the beginning, before anything was read: a plain file
 * seeks, others are read and dropped. Beyond the end is ERR_USAGE. */
int input_skip(struct input *in, uint64_t n, struct err *e);

/* For progress: the size as it is on disk, 0 when it is not a regular file, and how much of it was
 * read. */
uint64_t input_size(const struct input *in);
uint64_t input_offset(const struct input *in);

/* When a regular file was changed last, seconds since 1970; 0 for all others. */
uint64_t input_time_s(const struct input *in);

/* Whether the system failed to read it, as from a bad disk: an ERR_IO is this file's, and none of whoever takes it in. */
bool input_failed(const struct input *in);

/* The path, or "standard input". */
const char *input_name(const struct input *in);

void input_close(struct input *in);
