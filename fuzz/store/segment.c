/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Segments. With a first octet of 0 the rest is a segment as it lies on disk: what decodes has rows
 * that lie within it, and they come back when they are encoded. Else the rest is rows, each with
 * the octets it shares with the one before: they come back. A piece has the rows that the whole has there. */
#include "store/segment.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static struct packer *packer;
static struct unpacker *unpacker;
static struct segment_builder *builder;

static void check_same(const struct segment *a, struct bytes octets)
{
	struct segment *b = NULL;
	require(segment_decode(octets, unpacker, NULL, &b) == 0);
	require(a->n == b->n);
	for (uint32_t i = 0; i < a->n; i++) {
		require(bytes_eq(segment_key(a, i), segment_key(b, i)));
		require(bytes_eq(segment_value(a, i), segment_value(b, i)));
	}
	free(b);
}

/* The piece for a prefix, of a segment that decodes to a whole. */
static void check_piece(const struct segment *whole, struct bytes octets, struct bytes prefix)
{
	const struct segment *piece = NULL;
	uint32_t at = 0;
	require(segment_decode_piece(octets, unpacker, NULL, prefix, &piece) == 0);
	while (at < whole->n && bytes_cmp(segment_key(whole, at), prefix) < 0)
		at++;
	require(piece->of == whole->n && piece->first == at);
	for (uint32_t i = 0; i < piece->n; i++, at++) {
		require(at < whole->n);
		require(bytes_eq(segment_key(piece, i), segment_key(whole, at)));
		require(bytes_eq(segment_value(piece, i), segment_value(whole, at)));
		require(bytes_has_prefix(segment_key(piece, i), prefix));
	}
	require(at == whole->n || !bytes_has_prefix(segment_key(whole, at), prefix));
}

static void check_pieces(const struct segment *whole, struct bytes octets)
{
	for (uint32_t i = 0; i < whole->n; i += 1 + whole->n / 4) {
		struct bytes key = segment_key(whole, i);
		check_piece(whole, octets, key);
		check_piece(whole, octets, bytes_of(key.p, key.n / 2));
	}
	check_piece(whole, octets, bytes_str("n"));
}

static void check_octets(struct bytes octets)
{
	struct segment *s = NULL;
	if (segment_decode(octets, unpacker, NULL, &s) != 0) {
		const struct segment *piece = NULL;
		if (segment_decode_piece(octets, unpacker, NULL, bytes_str("n"), &piece) == 0)
			require(piece->first + piece->n <= piece->of);
		return;
	}
	check_pieces(s, octets);
	struct buffer again = BUFFER_INIT;
	bool fits = true; /* into what is made; any order and size can be read */
	size_t total = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		struct bytes key = segment_key(s, i), value = segment_value(s, i);
		fits = fits && !segment_is_full(builder) && key.n <= SEGMENT_KEY_MAX &&
		       value.n <= SEGMENT_VALUE_MAX;
		total += key.n + value.n;
		require(total <= SEGMENT_DECODED_MAX);
		if (fits)
			segment_add(builder, key, value);
	}
	if (segment_builder_rows(builder)) {
		segment_encode(builder, packer, &again, NULL);
		if (fits)
			check_same(s, buffer_bytes(&again));
	}
	buffer_release(&again);
	free(s);
}

/* Each row: octets shared with the key before, of the key, of the value, then those. */
static void check_rows(struct bytes b)
{
	struct buffer keys = BUFFER_INIT, octets = BUFFER_INIT;
	size_t at[SEGMENT_ROWS][3], n = 0, last = 0, last_n = 0;
	while (b.n >= 3 && n < SEGMENT_ROWS && !segment_is_full(builder)) {
		size_t shared = b.p[0] < last_n ? b.p[0] : last_n, key_n = b.p[1], value_n = b.p[2];
		b = bytes_of(b.p + 3, b.n - 3);
		key_n = key_n < b.n ? key_n : b.n;
		value_n = value_n < b.n - key_n ? value_n : b.n - key_n;
		buffer_reserve(&keys, shared + key_n + value_n);
		size_t start = keys.n;
		if (shared)
			memcpy(keys.p + start, keys.p + last, shared);
		keys.n += shared;
		buffer_put(&keys, b.p, key_n + value_n);
		struct bytes key = bytes_of(keys.p + start, shared + key_n);
		segment_add(builder, key, bytes_of(keys.p + start + key.n, value_n));
		at[n][0] = start;
		at[n][1] = key.n;
		at[n++][2] = value_n;
		last = start;
		last_n = key.n;
		b = bytes_of(b.p + key_n + value_n, b.n - key_n - value_n);
	}
	if (n) {
		struct segment *s = NULL;
		segment_encode(builder, packer, &octets, NULL);
		require(segment_decode(buffer_bytes(&octets), unpacker, NULL, &s) == 0 &&
			s->n == n);
		for (uint32_t i = 0; i < n; i++) {
			require(bytes_eq(segment_key(s, i), bytes_of(keys.p + at[i][0], at[i][1])));
			require(bytes_eq(segment_value(s, i),
					 bytes_of(keys.p + at[i][0] + at[i][1], at[i][2])));
		}
		check_pieces(s, buffer_bytes(&octets));
		free(s);
	}
	buffer_release(&keys);
	buffer_release(&octets);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!packer) {
		packer = packer_new(1);
		unpacker = unpacker_new();
		builder = segment_builder_new();
	}
	if (!size)
		return 0;
	if (data[0] == 0)
		check_octets(bytes_of(data + 1, size - 1));
	else
		check_rows(bytes_of(data + 1, size - 1));
	return 0;
}
