/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of the buffer that are not worth inlining. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

void buffer_put_u64(struct buffer *b, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);
	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	buffer_put(b, digits + at, sizeof(digits) - at);
}

void buffer_putf(struct buffer *b, const char *fmt, ...)
{
	va_list ap, again;
	va_start(ap, fmt);
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n > 0) {
		char *to = (char *)buffer_reserve(b, (size_t)n + 1);
		vsnprintf(to, (size_t)n + 1, fmt, again);
		b->n += (size_t)n;
	}
	va_end(again);
}
