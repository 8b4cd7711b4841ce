/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Error codes and their sentences. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *e, int code, const char *fmt, ...)
{
	if (!e)
		return code;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

static int errno_code(int errnum)
{
	switch (errnum) {
	case ENOSPC:
	case EDQUOT:
		return ERR_FULL;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
		return ERR_EXISTS;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_IO;
	}
}

int err_sys(struct err *e, int errnum, const char *fmt, ...)
{
	int code = errno_code(errnum);
	if (!e)
		return code;
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof(e->text))
		snprintf(e->text + n, sizeof(e->text) - n, ": %s", strerror(errnum));
	return code;
}

const char *err_phrase(int code)
{
	switch (code) {
	case ERR_NOMEM:
		return "out of memory";
	case ERR_IO:
		return "input/output error";
	case ERR_SYNTAX:
		return "malformed input";
	case ERR_LIMIT:
		return "over a limit";
	case ERR_NOTFOUND:
		return "not found";
	case ERR_DENIED:
		return "permission denied";
	case ERR_BUSY:
		return "held by another process";
	case ERR_VERSION:
		return "another version";
	case ERR_CORRUPT:
		return "corrupt data";
	case ERR_USAGE:
		return "wrong usage";
	case ERR_FULL:
		return "no space left";
	case ERR_EXISTS:
		return "exists already";
	case ERR_UNSUPPORTED:
		return "not supported";
	case ERR_CANCELLED:
		return "cancelled";
	default:
		return code < 0 ? "unknown error" : "no error";
	}
}
