/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One enum of error codes for the whole program, and a buffer for the sentence a person reads.
 *
 * Functions that can fail return int: 0 (or a positive count) for success, a negative enum err_code
 * otherwise. The sentence goes, when the caller wants it, into a struct err: it is complete ("file:
 * what is wrong"), without a newline, and untouched on success. Iterators return 1 for a row, 0 for
 * the end, negative for an error: the end and a failure are never the same value.
 */
#pragma once

#include <stddef.h>

enum err_code {
	ERR_NOMEM = -1,    /* memory could not be had, for a size that comes from outside */
	ERR_IO = -2,       /* the operating system failed to read or write */
	ERR_SYNTAX = -3,   /* input is malformed: costs itself, never its neighbours */
	ERR_LIMIT = -4,    /* a size from outside is over its limit (base/limits.h) */
	ERR_NOTFOUND = -5, /* no such file, account, … */
	ERR_DENIED = -6,   /* not permitted */
	ERR_BUSY = -7,     /* held by another process */
	ERR_VERSION = -8,  /* a store or file of another version */
	ERR_CORRUPT = -9,  /* stored data does not decode or fails its checksum */
	ERR_USAGE = -10,   /* the caller asked for something that makes no sense */
	ERR_FULL = -11,    /* no space left on the device */
	ERR_EXISTS = -12,  /* it is there already */
	ERR_UNSUPPORTED = -13,
	ERR_CANCELLED = -14, /* told to stop */
};

struct err {
	char text[512];
};

/* Sets the sentence (printf style); e may be NULL. Returns code, so that
 * `return err_set(e, ERR_IO, "…")` reads well. */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As err_set, appends ": " and the text of errnum, and returns the code that errnum maps to
 * (ENOSPC EDQUOT → ERR_FULL, EACCES EPERM EROFS → ERR_DENIED, ENOENT → ERR_NOTFOUND, EEXIST →
 * ERR_EXISTS, ENOMEM → ERR_NOMEM, else ERR_IO). */
int err_sys(struct err *e, int errnum, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* A short fixed phrase for a code. */
const char *err_phrase(int code);
