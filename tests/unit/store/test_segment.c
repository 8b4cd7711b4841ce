/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Segments: rows come back as they went in, whatever they are; damaged octets are told and never
 * lead astray. */
#include "store/segment.h"

#include <stdlib.h>
#include <string.h>

#include "../../contract/store_kit.h"

static struct packer *packer;
static struct unpacker *unpacker;

static struct bytes key_of(const struct kit_row *r)
{
	return buffer_bytes(&r->key);
}

static struct bytes value_of(const struct kit_row *r)
{
	return buffer_bytes(&r->value);
}

static struct buffer encoded(const struct kit_row *rows, size_t n, struct samples *samples)
{
	struct segment_builder *b = segment_builder_new();
	struct buffer out = BUFFER_INIT;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(segment_builder_rows(b), i);
		assert_false(segment_is_full(b));
		segment_add(b, key_of(&rows[i]), value_of(&rows[i]));
		assert_true(bytes_eq(segment_last_key(b), key_of(&rows[i])));
	}
	buffer_put_str(&out, "before");
	segment_encode(b, packer, &out, samples);
	assert_memory_equal(out.p, "before", 6);
	assert_int_equal(segment_builder_rows(b), 0);
	memmove(out.p, out.p + 6, out.n -= 6);
	segment_builder_free(b);
	return out;
}

/* Decodes a copy with nothing around it. */
static int decode_exact(struct bytes octets, const struct dictionary *d, struct segment **ret)
{
	uint8_t *exact = malloc(octets.n ? octets.n : 1);
	assert_non_null(exact);
	if (octets.n)
		memcpy(exact, octets.p, octets.n);
	int rc = segment_decode(bytes_of(exact, octets.n), unpacker, d, ret);
	free(exact);
	return rc;
}

static void assert_rows(const struct segment *s, const struct kit_row *rows, size_t n)
{
	assert_int_equal(s->n, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(bytes_eq(segment_key(s, i), key_of(&rows[i])));
		assert_true(bytes_eq(segment_value(s, i), value_of(&rows[i])));
	}
}

/* The piece for a prefix has the rows of the whole that begin with it. */
static void assert_piece(const struct segment *whole, struct bytes octets, const struct dictionary *d, struct bytes prefix)
{
	const struct segment *piece = NULL;
	uint32_t first = 0, n = 0;
	assert_int_equal(segment_decode_piece(octets, unpacker, d, prefix, &piece), 0);
	while (first < whole->n && bytes_cmp(segment_key(whole, first), prefix) < 0)
		first++;
	while (first + n < whole->n && bytes_has_prefix(segment_key(whole, first + n), prefix))
		n++;
	void *memory = malloc(piece->size);
	assert_non_null(memory);
	struct segment *copy = segment_copy(piece, memory);
	assert_int_equal(copy->size, piece->size);
	assert_int_equal(piece->of, whole->n);
	assert_int_equal(piece->first, first);
	assert_int_equal(piece->n, n);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(bytes_eq(segment_key(piece, i), segment_key(whole, first + i)));
		assert_true(bytes_eq(segment_value(piece, i), segment_value(whole, first + i)));
		assert_true(bytes_eq(segment_key(copy, i), segment_key(whole, first + i)));
		assert_true(bytes_eq(segment_value(copy, i), segment_value(whole, first + i)));
	}
	free(memory);
}

/* Of some prefixes: those of its rows, and what lies just beside them. step: of so many rows one. */
static void assert_pieces(const struct segment *whole, struct bytes octets, const struct dictionary *d, uint32_t step)
{
	static const struct bytes none;
	static const uint8_t last[] = {0xff, 0xff};
	struct buffer prefix = BUFFER_INIT;
	assert_piece(whole, octets, d, none);
	assert_piece(whole, octets, d, bytes_of(last, 2));
	for (uint32_t i = 0; i < whole->n; i += step) {
		struct bytes key = segment_key(whole, i);
		assert_piece(whole, octets, d, key);
		assert_piece(whole, octets, d, bytes_of(key.p, key.n / 2));
		assert_piece(whole, octets, d, bytes_of(key.p, key.n - (key.n > 0)));
		buffer_clear(&prefix);
		buffer_put_bytes(&prefix, key);
		buffer_put_byte(&prefix, 0);
		assert_piece(whole, octets, d, buffer_bytes(&prefix));
		if (key.n && ++prefix.p[key.n / 2])
			assert_piece(whole, octets, d, bytes_of(prefix.p, key.n / 2 + 1));
	}
	buffer_release(&prefix);
}

static void assert_round_trip(const struct kit_row *rows, size_t n)
{
	struct buffer octets = encoded(rows, n, NULL);
	struct segment *s = NULL;
	assert_int_equal(decode_exact(buffer_bytes(&octets), NULL, &s), 0);
	assert_rows(s, rows, n);
	assert_int_equal(s->first, 0);
	assert_int_equal(s->of, n);
	assert_pieces(s, buffer_bytes(&octets), NULL, 1 + (uint32_t)n / 16);
	free(s);
	buffer_release(&octets);
}

/* As many of some rows as a segment takes. */
static size_t fill(struct kit_random *r, struct kit_row rows[static SEGMENT_ROWS], bool odd)
{
	size_t wanted = kit_below(r, 3) ? SEGMENT_ROWS : 1 + kit_below(r, SEGMENT_ROWS), octets = 0;
	size_t n = kit_rows(r, rows, wanted, odd), take = 0;
	while (take < n && octets < SEGMENT_BYTES) {
		octets += rows[take].key.n + rows[take].value.n;
		take++;
	}
	kit_rows_free(rows + take, n - take);
	return take;
}

static void rows_come_back(void **state)
{
	struct kit_random r = {1};
	static struct kit_row rows[SEGMENT_ROWS];
	(void)state;
	for (int i = 0; i < 400; i++) {
		size_t n = fill(&r, rows, i % 2);
		assert_round_trip(rows, n);
		kit_rows_free(rows, n);
	}
}

static struct kit_row row_of(struct bytes key, struct bytes value)
{
	struct kit_row row = {BUFFER_INIT, BUFFER_INIT};
	buffer_put_bytes(&row.key, key);
	buffer_put_bytes(&row.value, value);
	return row;
}

/* Two rows of any octets each, among them all that begin like keys and values of the store. */
static void short_rows_come_back(void **state)
{
	static const uint8_t firsts[] = {' ', '4', '6', 'n', 'x'};
	static const uint8_t octets[] = {0, 1, 2, 3, 4, 5, 6, 7, 0x80, 0xff};
	struct kit_random r = {2};
	(void)state;
	for (int i = 0; i < 60000; i++) {
		uint8_t key[2][28], value[2][16];
		struct kit_row rows[2];
		size_t key_n = 1 + kit_below(&r, 27);
		for (int k = 0; k < 2; k++) {
			key[k][0] = firsts[kit_below(&r, 5)];
			for (size_t at = 1; at < key_n; at++)
				key[k][at] = octets[kit_below(&r, 10)];
			for (size_t at = 0; at < 16; at++)
				value[k][at] = octets[kit_below(&r, 10)];
		}
		memcpy(key[1], key[0], kit_below(&r, key_n)); /* mostly much in common */
		struct bytes a = bytes_of(key[0], key_n),
			     b = bytes_of(key[1], 1 + kit_below(&r, key_n));
		int c = bytes_cmp(a, b);
		if (c == 0)
			continue;
		rows[0] = row_of(c < 0 ? a : b, bytes_of(value[0], kit_below(&r, 17)));
		rows[1] = row_of(c < 0 ? b : a, bytes_of(value[1], kit_below(&r, 17)));
		assert_round_trip(rows, 2);
		kit_rows_free(rows, 2);
	}
}

static void the_largest_rows_come_back(void **state)
{
	static uint8_t octets[SEGMENT_VALUE_MAX];
	struct kit_row rows[2];
	(void)state;
	for (int noise = 0; noise < 2; noise++) {
		struct kit_random r = {3};
		for (size_t i = 0; i < sizeof(octets); i++)
			octets[i] = noise ? (uint8_t)kit_random(&r) : 'n';
		octets[0] = 'n';
		rows[0] = row_of(bytes_of(octets, 1), bytes_of(octets, 1000));
		rows[1] = row_of(bytes_of(octets, SEGMENT_KEY_MAX),
				 bytes_of(octets, SEGMENT_VALUE_MAX));
		assert_round_trip(rows, 2);
		assert_round_trip(rows + 1, 1);
		kit_rows_free(rows, 2);
	}
	rows[0] = row_of(bytes_of(NULL, 0), bytes_of(NULL, 0));
	rows[1] = row_of(bytes_str("a"), bytes_of(NULL, 0));
	assert_round_trip(rows, 2);
	kit_rows_free(rows, 2);
}

static void a_segment_says_when_it_is_full(void **state)
{
	struct segment_builder *b = segment_builder_new();
	struct buffer out = BUFFER_INIT;
	static uint8_t value[1000];
	char key[16];
	(void)state;
	for (int i = 0; i < SEGMENT_ROWS; i++) {
		assert_false(segment_is_full(b));
		snprintf(key, sizeof(key), "%05d", i);
		segment_add(b, bytes_str(key), bytes_of(NULL, 0));
	}
	assert_true(segment_is_full(b));
	segment_encode(b, packer, &out, NULL);
	assert_false(segment_is_full(b));
	for (size_t octets = 0; octets < SEGMENT_BYTES; octets += 1005) {
		assert_false(segment_is_full(b));
		snprintf(key, sizeof(key), "%05d", (int)octets);
		segment_add(b, bytes_str(key), bytes_of(value, sizeof(value)));
	}
	assert_true(segment_is_full(b));
	segment_builder_free(b);
	segment_builder_free(NULL);
	buffer_release(&out);
}

static void rows_are_found_by_key(void **state)
{
	struct kit_random r = {4};
	static struct kit_row rows[SEGMENT_ROWS];
	(void)state;
	for (int i = 0; i < 50; i++) {
		size_t n = fill(&r, rows, i % 2);
		struct buffer octets = encoded(rows, n, NULL);
		struct segment *s;
		assert_int_equal(segment_decode(buffer_bytes(&octets), unpacker, NULL, &s), 0);
		for (uint32_t k = 0; k < n; k++) {
			struct buffer at = BUFFER_INIT;
			buffer_put_bytes(&at, key_of(&rows[k]));
			assert_int_equal(segment_find(s, buffer_bytes(&at)), k);
			buffer_put_byte(&at, 0);
			assert_int_equal(segment_find(s, buffer_bytes(&at)), k + 1);
			buffer_release(&at);
		}
		assert_int_equal(segment_find(s, bytes_of(NULL, 0)), 0);
		free(s);
		buffer_release(&octets);
		kit_rows_free(rows, n);
	}
}

/* --- dictionaries --- */

static void dictionaries_make_segments_smaller_and_are_needed(void **state)
{
	struct kit_random r = {5};
	static struct kit_row rows[SEGMENT_ROWS];
	struct samples samples = {0};
	struct buffer octets = BUFFER_INIT;
	struct segment *s = NULL;
	size_t plain = 0, with = 0;
	(void)state;
	dictionary_train(&samples, 1 << 14, &octets);
	assert_int_equal(octets.n, 0); /* of nothing */
	for (int i = 0; i < 300; i++) {
		size_t n = fill(&r, rows, false);
		struct buffer one = encoded(rows, n, &samples);
		plain += one.n;
		buffer_release(&one);
		kit_rows_free(rows, n);
	}
	for (int i = 0; i < SEGMENT_FRAMES; i++)
		assert_int_equal(samples.lengths[i].n, 300 * sizeof(size_t));
	dictionary_train(&samples, 1 << 14, &octets);
	assert_in_range(octets.n, 100, 3 << 14);
	struct dictionary *d = dictionary_new(buffer_bytes(&octets));
	assert_non_null(d);
	packer_use(packer, buffer_bytes(&octets));
	r.state = 5;
	for (int i = 0; i < 300; i++) {
		size_t n = fill(&r, rows, false);
		struct buffer one = encoded(rows, n, NULL);
		with += one.n;
		assert_int_equal(decode_exact(buffer_bytes(&one), d, &s), 0);
		assert_rows(s, rows, n);
		free(s);
		if (n > 100)
			assert_int_equal(decode_exact(buffer_bytes(&one), NULL, &s), ERR_CORRUPT);
		buffer_release(&one);
		kit_rows_free(rows, n);
	}
	assert_true(with < plain);
	packer_use(packer, bytes_of(NULL, 0));
	size_t n = fill(
		&r, rows,
		false); /* and without it again; a dictionary that is not needed does no harm */
	struct buffer one = encoded(rows, n, NULL);
	assert_int_equal(decode_exact(buffer_bytes(&one), NULL, &s), 0);
	free(s);
	assert_int_equal(decode_exact(buffer_bytes(&one), d, &s), 0);
	assert_rows(s, rows, n);
	free(s);
	buffer_release(&one);
	kit_rows_free(rows, n);
	dictionary_free(d);
	dictionary_free(NULL);
	samples_release(&samples);
	buffer_release(&octets);
}

static void what_is_no_dictionary_is_told(void **state)
{
	struct kit_random r = {6};
	(void)state;
	assert_null(dictionary_new(bytes_of(NULL, 0)));
	for (int i = 0; i < 3000; i++) {
		uint8_t octets[64];
		size_t n = kit_below(&r, sizeof(octets));
		for (size_t k = 0; k < n; k++)
			octets[k] = (uint8_t)(k < 4 ? kit_below(&r, 3) * kit_below(&r, 40)
						    : kit_random(&r));
		if (n > 12 && i % 2)
			memcpy(octets + 4, "\x37\xa4\x30\xec", 4); /* what zstd's own begin with */
		dictionary_free(dictionary_new(bytes_of(octets, n)));
	}
}

/* --- damage --- */

/* Whatever decodes has rows that lie within it. */
static void decode_anything(struct bytes octets, const struct dictionary *d)
{
	struct segment *s = NULL;
	const struct segment *piece = NULL;
	int rc = decode_exact(octets, d, &s);
	if (rc != 0) {
		assert_int_equal(rc, ERR_CORRUPT);
		assert_null(s);
		rc = segment_decode_piece(octets, unpacker, d, bytes_str("n\003com"), &piece);
		assert_true(rc == ERR_CORRUPT || (rc == 0 && piece->first + piece->n <= piece->of));
		return;
	}
	assert_pieces(s, octets, d, s->n);
	uint64_t sum = 0;
	assert_in_range(s->n, 1, SEGMENT_ROWS);
	assert_true(s->size <= SEGMENT_DECODED_MAX + (64u << 10));
	for (uint32_t i = 0; i < s->n; i++) {
		struct bytes key = segment_key(s, i), value = segment_value(s, i);
		assert_true(s->rows[i].key <= s->rows[i].value &&
			    s->rows[i].value <= s->rows[i + 1].key);
		for (size_t k = 0; k < key.n; k++)
			sum += key.p[k];
		for (size_t k = 0; k < value.n; k++)
			sum += value.p[k];
	}
	assert_true(segment_find(s, bytes_of(&sum, sizeof(sum))) <= s->n);
	free(s);
}

static void damaged_octets_are_told_or_harmless(void **state)
{
	struct kit_random r = {7};
	static struct kit_row rows[SEGMENT_ROWS];
	(void)state;
	for (int i = 0; i < 60; i++) {
		size_t n = fill(&r, rows, i % 3 == 0);
		if (i % 2) { /* few rows are not compressed: damage reaches the columns */
			size_t few = n < 4 ? n : 4;
			kit_rows_free(rows + few, n - few);
			n = few;
		}
		struct buffer octets = encoded(rows, n, NULL);
		for (size_t cut = 0; cut < octets.n; cut += 1 + octets.n / 300)
			decode_anything(bytes_of(octets.p, cut), NULL);
		for (int k = 0; k < 2000; k++) {
			size_t at[2], near = octets.n < 60 || k % 2 ? octets.n : 60;
			uint8_t was[2];
			for (int x = 0; x < 2; x++) {
				at[x] = kit_below(&r, near);
				was[x] = octets.p[at[x]];
				octets.p[at[x]] =
					(uint8_t)(kit_below(&r, 2)
							  ? was[x] + 1 - 2 * kit_below(&r, 2)
							  : kit_random(&r));
			}
			decode_anything(buffer_bytes(&octets), NULL);
			octets.p[at[1]] = was[1];
			octets.p[at[0]] = was[0];
		}
		buffer_put_byte(&octets, 0);
		struct segment *s;
		assert_int_equal(decode_exact(buffer_bytes(&octets), NULL, &s),
				 ERR_CORRUPT); /* more than there is */
		buffer_release(&octets);
		kit_rows_free(rows, n);
	}
}

static void rubbish_is_told_or_harmless(void **state)
{
	struct kit_random r = {8};
	(void)state;
	for (int i = 0; i < 300000; i++) {
		uint8_t octets[48];
		size_t n = kit_below(&r, sizeof(octets));
		for (size_t k = 0; k < n; k++)
			octets[k] = (uint8_t)(kit_below(&r, 3) ? kit_below(&r, 6) : kit_random(&r));
		if (n)
			octets[0] = (uint8_t)(6 | kit_below(&r, 2)); /* not compressed */
		decode_anything(bytes_of(octets, n), NULL);
	}
}

static int begin(void **state)
{
	(void)state;
	packer = packer_new(3);
	unpacker = unpacker_new();
	return 0;
}

static int end(void **state)
{
	(void)state;
	packer_free(packer);
	packer_free(NULL);
	unpacker_free(unpacker);
	unpacker_free(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_come_back),
		cmocka_unit_test(short_rows_come_back),
		cmocka_unit_test(the_largest_rows_come_back),
		cmocka_unit_test(a_segment_says_when_it_is_full),
		cmocka_unit_test(rows_are_found_by_key),
		cmocka_unit_test(dictionaries_make_segments_smaller_and_are_needed),
		cmocka_unit_test(what_is_no_dictionary_is_told),
		cmocka_unit_test(damaged_octets_are_told_or_harmless),
		cmocka_unit_test(rubbish_is_told_or_harmless),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, end);
}
