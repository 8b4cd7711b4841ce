/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Little-endian base-128 numbers, as in protocol buffers: 7 bits a byte, the high bit says that
 * more follow. A number has exactly one accepted form: the shortest. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10 /* bytes of the longest */

/* Writes v at p (room for VARINT_MAX) and returns the number of bytes. */
static inline size_t varint_put(uint8_t *p, uint64_t v)
{
	size_t n = 0;
	while (v >= 0x80) {
		p[n++] = (uint8_t)v | 0x80;
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}

/* Reads a number from [p, end); returns the bytes it took, or 0 when it is cut, longer than 64
 * bits or not in its shortest form. */
static inline size_t varint_get(const uint8_t *p, const uint8_t *end, uint64_t *ret_v)
{
	uint64_t v = 0;
	for (size_t n = 0; p + n < end && n < VARINT_MAX; n++) {
		uint8_t c = p[n];
		if (n == 9 && c > 1)
			return 0;
		v |= (uint64_t)(c & 0x7f) << (7 * n);
		if (!(c & 0x80)) {
			if (c == 0 && n > 0)
				return 0;
			*ret_v = v;
			return n + 1;
		}
	}
	return 0;
}
