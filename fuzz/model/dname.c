/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names: the input as text, against a slow reader of RFC 1035 5.1, and as wire form, against
 * libknot. */
#include <libknot/libknot.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "model/dname.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* The octet at *at, escapes resolved, or -1: a bad escape. A dot that ends a label is 256. */
static int slow_octet(const uint8_t *p, size_t n, size_t *at)
{
	uint8_t c = p[(*at)++];
	if (c == '.')
		return 256;
	if (c != '\\')
		return c;
	if (*at == n)
		return -1;
	if (p[*at] < '0' || p[*at] > '9')
		return p[(*at)++];
	int v = 0;
	for (int i = 0; i < 3; i++, (*at)++) {
		if (*at == n || p[*at] < '0' || p[*at] > '9')
			return -1;
		v = v * 10 + p[*at] - '0';
	}
	return v <= 255 ? v : -1;
}

/* Whether it is a name, with every limit looked at only at the end; its octets go to wire (room for
 * n + 2). */
static bool slow_read(const uint8_t *p, size_t n, uint8_t *wire, size_t *ret_n)
{
	size_t label = 0, out = 1, at = 0;
	bool fits = true;
	if (n == 1 && p[0] == '.') {
		wire[0] = 0;
		*ret_n = 1;
		return true;
	}
	while (at < n) {
		int c = slow_octet(p, n, &at);
		if (c < 0)
			return false;
		if (c < 256) {
			wire[out++] = c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : (uint8_t)c;
			if (at < n)
				continue;
		}
		if (out == label + 1)
			return false;
		fits = fits && out - label - 1 <= 63;
		wire[label] = (uint8_t)(out - label - 1);
		label = out++;
	}
	wire[label] = 0;
	*ret_n = label + 1;
	return n && fits && *ret_n <= 255;
}

static void print_and_read(struct bytes wire)
{
	struct buffer text = BUFFER_INIT;
	uint8_t again[DNAME_MAX];
	dname_to_text(wire, &text);
	for (size_t i = 0; i < text.n; i++)
		require(text.p[i] > 0x20 && text.p[i] < 0x7f);
	require(text.n == 1 || text.p[text.n - 1] != '.' || text.p[text.n - 2] == '\\');
	require(dname_from_text(buffer_bytes(&text), again) == (int)wire.n);
	require(memcmp(again, wire.p, wire.n) == 0);
	if (wire.n > 1) {
		buffer_put_byte(&text, '.');
		require(dname_from_text(buffer_bytes(&text), again) == (int)wire.n);
	}
	buffer_release(&text);
}

static void as_text(const uint8_t *data, size_t size)
{
	uint8_t *wire = malloc(DNAME_MAX), *slow = malloc(size + 2);
	size_t slow_n = 0;
	require(wire && slow);
	int n = dname_from_text(bytes_of(data, size), wire);
	if (slow_read(data, size, slow, &slow_n)) {
		require(n == (int)slow_n && memcmp(wire, slow, slow_n) == 0);
		require(dname_wire_len(wire, slow_n) == n);
		print_and_read(bytes_of(wire, slow_n));
	} else {
		require(n == ERR_SYNTAX || n == ERR_LIMIT);
	}
	free(wire);
	free(slow);
}

static void as_wire(const uint8_t *data, size_t size)
{
	int n = dname_wire_len(data, size);
	int theirs = size ? knot_dname_wire_check(data, data + size, NULL) : 0;
	require(n == theirs || (n == ERR_SYNTAX && theirs <= 0));
	if (n < 0)
		return;
	uint8_t ours[DNAME_MAX], lower[DNAME_MAX];
	char text[KNOT_DNAME_TXT_MAXLEN + 1];
	memcpy(ours, data, (size_t)n);
	memcpy(lower, data, (size_t)n);
	dname_to_lower(ours, (size_t)n);
	knot_dname_to_lower(lower);
	require(memcmp(ours, lower, (size_t)n) == 0);
	print_and_read(bytes_of(ours, (size_t)n));
	/* libknot's spelling is a name too, the same */
	require(knot_dname_to_str(text, data, sizeof(text)) != NULL);
	require(dname_from_text(bytes_str(text), lower) == n);
	require(memcmp(ours, lower, (size_t)n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	as_text(data, size);
	as_wire(data, size);
	return 0;
}
