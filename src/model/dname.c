/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names: text to canonical wire form and back. */
#include "model/dname.h"

#include <string.h>

#include "base/err.h"


static inline bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Reads the escape whose backslash is at p. Returns the octets of text it took, or 0. */
static size_t get_escape(const uint8_t *p, const uint8_t *end, uint8_t *ret)
{
	if (end - p < 2)
		return 0;
	if (!is_digit(p[1])) {
		*ret = p[1];
		return 2;
	}
	if (end - p < 4 || !is_digit(p[2]) || !is_digit(p[3]))
		return 0;
	unsigned v = (p[1] - '0') * 100u + (p[2] - '0') * 10u + (p[3] - '0');
	if (v > 255)
		return 0;
	*ret = (uint8_t)v;
	return 4;
}

int dname_from_text(struct bytes text, uint8_t ret_wire[static DNAME_MAX])
{
	const uint8_t *p = text.p, *end = p + text.n;
	size_t start = 0, n = 1; /* of the label that is being read */
	if (text.n == 1 && *p == '.') {
		ret_wire[0] = 0;
		return 1;
	}
	while (p < end) {
		uint8_t c = *p;
		if (c == '.') {
			if (n == start + 1)
				return ERR_SYNTAX;
			ret_wire[start] = (uint8_t)(n - start - 1);
			start = n++;
			p++;
			continue;
		}
		if (c == '\\') {
			size_t took = get_escape(p, end, &c);
			if (!took)
				return ERR_SYNTAX;
			p += took;
		} else {
			p++;
		}
		if (n - start > LABEL_MAX || n >= DNAME_MAX - 1)
			return ERR_LIMIT;
		ret_wire[n++] = ascii_lower(c);
	}
	if (n == start + 1) { /* nothing after the last dot, or nothing at all */
		if (start == 0)
			return ERR_SYNTAX;
		ret_wire[start] = 0;
		return (int)n;
	}
	ret_wire[start] = (uint8_t)(n - start - 1);
	ret_wire[n++] = 0;
	return (int)n;
}

int dname_wire_len(const uint8_t *p, size_t n)
{
	size_t at = 0;
	while (at < n && at < DNAME_MAX) {
		uint8_t len = p[at];
		if (len == 0)
			return (int)(at + 1);
		if (len > LABEL_MAX)
			return ERR_SYNTAX;
		at += len + 1u;
	}
	return ERR_SYNTAX;
}

void dname_to_lower(uint8_t *wire, size_t n)
{
	for (size_t at = 0; at < n && wire[at]; at += wire[at] + 1u) {
		for (size_t i = 1; i <= wire[at]; i++)
			wire[at + i] = ascii_lower(wire[at + i]);
	}
}

/* Octets that stand for themselves in a name: printable, and nothing to a master file. */
static bool is_plain(uint8_t c)
{
	return c > 0x20 && c < 0x7f && c != '.' && c != '\\' && c != '"' && c != '(' && c != ')' &&
	       c != ';' && c != '@' && c != '$';
}

/* Most octets are of these; what others there are takes longer to tell. */
static inline bool is_usual(uint8_t c)
{
	return (uint8_t)(c - 'a') < 26 || (uint8_t)(c - '0') < 10 || c == '-';
}

static uint8_t *put_octet(uint8_t *to, uint8_t c)
{
	*to++ = '\\';
	if (c > 0x20 && c < 0x7f) {
		*to++ = c;
		return to;
	}
	*to++ = (uint8_t)('0' + c / 100);
	*to++ = (uint8_t)('0' + c / 10 % 10);
	*to++ = (uint8_t)('0' + c % 10);
	return to;
}

void dname_label_to_text(const uint8_t *label, size_t n, struct buffer *out)
{
	uint8_t *start = buffer_reserve(out, 4 * n), *to = start;
	for (size_t i = 0; i < n; i++) {
		if (is_usual(label[i]) || is_plain(label[i]))
			*to++ = label[i];
		else
			to = put_octet(to, label[i]);
	}
	out->n += (size_t)(to - start);
}

void dname_to_text(struct bytes wire, struct buffer *out)
{
	if (wire.n <= 1) {
		buffer_put_byte(out, '.');
		return;
	}
	for (size_t at = 0; at < wire.n && wire.p[at]; at += wire.p[at] + 1u) {
		if (at)
			buffer_put_byte(out, '.');
		dname_label_to_text(wire.p + at + 1, wire.p[at], out);
	}
}
