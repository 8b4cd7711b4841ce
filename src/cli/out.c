/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing to stdout. */
#include "cli/out.h"

#include <errno.h>
#include <unistd.h>

enum { LARGE = 256 << 10 };

int out_flush(struct buffer *lines, bool all, struct err *e)
{
	size_t at = 0;
	if (!all && lines->n < LARGE)
		return 0;
	while (at < lines->n) {
		ssize_t n = write(STDOUT_FILENO, lines->p + at, lines->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EPIPE)
			return err_set(e, ERR_CANCELLED, "the reader went away");
		if (n < 0)
			return err_sys(e, errno, "writing to standard output");
		at += (size_t)n;
	}
	buffer_clear(lines);
	return 0;
}
