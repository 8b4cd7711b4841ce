/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows to columns; segment_decode.c is the way back.
 *
 * DESIGN: a segment has two compressed frames: what is short or binary in one, text in the other, which is where a
 * dictionary helps. Times are nearly random, so they are packed to as many bits as the segment needs and not compressed at
 * all. Rows whose keys or values are not of the store's grammar make the whole segment a plain one: prefix, suffix, value.
 */
#include "store/segment.h"

#include <endian.h>
#include <zdict.h>

#include "base/limits.h"
#include "base/varint.h"
#include "store/segment_priv.h"
#include "store/value.h"

/* --- compressors --- */

struct packer {
	int level;
	ZSTD_CCtx *context;
	ZSTD_CDict *dictionary[SEGMENT_FRAMES]; /* owned */
};

enum { DICTIONARY_HEAD = 4 };

static bool split_dictionary(struct bytes octets, struct bytes *ret)
{
	uint32_t n;
	if (octets.n < DICTIONARY_HEAD)
		return false;
	memcpy(&n, octets.p, sizeof(n));
	n = le32toh(n);
	if (n > octets.n - DICTIONARY_HEAD)
		return false;
	ret[0] = bytes_of(octets.p + DICTIONARY_HEAD, n);
	ret[1] = bytes_of(octets.p + DICTIONARY_HEAD + n, octets.n - DICTIONARY_HEAD - n);
	return ret[0].n && ret[1].n;
}

struct packer *packer_new(int level)
{
	struct packer *p = xcalloc(1, sizeof(*p));
	p->level = level;
	p->context = checked(ZSTD_createCCtx());
	ZSTD_CCtx_setParameter(p->context, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(p->context, ZSTD_c_contentSizeFlag, 0);
	ZSTD_CCtx_setParameter(p->context, ZSTD_c_dictIDFlag, 0);
	ZSTD_CCtx_setParameter(p->context, ZSTD_c_format, ZSTD_f_zstd1_magicless);
	return p;
}

void packer_use(struct packer *p, struct bytes dictionary)
{
	struct bytes part[SEGMENT_FRAMES];
	bool any = split_dictionary(dictionary, part);
	for (int i = 0; i < SEGMENT_FRAMES; i++) {
		ZSTD_freeCDict(p->dictionary[i]);
		p->dictionary[i] = any ? checked(ZSTD_createCDict(part[i].p, part[i].n, p->level)) : NULL;
	}
}

void packer_free(struct packer *p)
{
	if (!p)
		return;
	for (int i = 0; i < SEGMENT_FRAMES; i++)
		ZSTD_freeCDict(p->dictionary[i]);
	ZSTD_freeCCtx(p->context);
	free(p);
}

struct dictionary *dictionary_new(struct bytes octets)
{
	struct bytes part[SEGMENT_FRAMES];
	if (!split_dictionary(octets, part))
		return NULL;
	struct dictionary *d = xcalloc(1, sizeof(*d));
	bool good = true;
	for (int i = 0; i < SEGMENT_FRAMES; i++) {
		d->frame[i] = ZSTD_createDDict(part[i].p, part[i].n);
		good = good && d->frame[i];
	}
	if (good)
		return d;
	dictionary_free(d);
	return NULL;
}

void dictionary_free(struct dictionary *d)
{
	if (!d)
		return;
	for (int i = 0; i < SEGMENT_FRAMES; i++)
		ZSTD_freeDDict(d->frame[i]);
	free(d);
}

void samples_release(struct samples *s)
{
	for (int i = 0; i < SEGMENT_FRAMES; i++) {
		buffer_release(&s->octets[i]);
		buffer_release(&s->lengths[i]);
	}
}

/* Appends a dictionary of one frame. False: the samples are too few. */
static bool train(const struct samples *s, int frame, size_t octets, struct buffer *out)
{
	const struct buffer *lengths = &s->lengths[frame];
	size_t got = ZDICT_trainFromBuffer(buffer_reserve(out, octets), octets, s->octets[frame].p,
	                                   (const size_t *)(const void *)lengths->p,
	                                   (unsigned)(lengths->n / sizeof(size_t)));
	if (ZDICT_isError(got))
		return false;
	out->n += got;
	return true;
}

void dictionary_train(const struct samples *s, size_t octets, struct buffer *ret)
{
	uint32_t n = 0;
	buffer_clear(ret);
	buffer_put(ret, &n, sizeof(n));
	bool ok = train(s, 0, octets / SHORT_SHARE, ret);
	n = htole32((uint32_t)(ret->n - sizeof(n)));
	memcpy(ret->p, &n, sizeof(n));
	if (!ok || !train(s, 1, octets, ret))
		buffer_clear(ret);
}

/* --- bits --- */

static unsigned bits_of(uint64_t v)
{
	return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}

/* Values of the same width, one behind the other from the low bit on. */
static void put_packed(struct buffer *out, const uint64_t *v, size_t n, uint64_t base, unsigned bits)
{
	uint64_t pending = 0;
	unsigned have = 0;
	for (size_t i = 0; i < n; i++) {
		pending |= (v[i] - base) << have;
		have += bits;
		while (have >= 8) {
			buffer_put_byte(out, (uint8_t)pending);
			pending >>= 8;
			have -= 8;
		}
	}
	if (have)
		buffer_put_byte(out, (uint8_t)pending);
}

/* --- making --- */

struct segment_builder {
	struct buffer bytes; /* keys and values, one behind the other */
	struct segment_row rows[SEGMENT_ROWS + 1];
	uint32_t n;
	struct buffer columns[COLUMNS];
	struct buffer joined;
	uint64_t first[SEGMENT_ROWS], span[SEGMENT_ROWS];
	size_t timed;
};

struct segment_builder *segment_builder_new(void)
{
	return xcalloc(1, sizeof(struct segment_builder));
}

void segment_builder_free(struct segment_builder *b)
{
	if (!b)
		return;
	for (int i = 0; i < COLUMNS; i++)
		buffer_release(&b->columns[i]);
	buffer_release(&b->bytes);
	buffer_release(&b->joined);
	free(b);
}

void segment_add(struct segment_builder *b, struct bytes key, struct bytes value)
{
	struct segment_row *row = &b->rows[b->n++];
	row->key = (uint32_t)b->bytes.n;
	buffer_put_bytes(&b->bytes, key);
	row->value = (uint32_t)b->bytes.n;
	buffer_put_bytes(&b->bytes, value);
	row[1].key = (uint32_t)b->bytes.n;
}

uint32_t segment_builder_rows(const struct segment_builder *b)
{
	return b->n;
}

bool segment_is_full(const struct segment_builder *b)
{
	return b->n >= SEGMENT_ROWS || b->bytes.n >= SEGMENT_BYTES;
}

static struct bytes built_key(const struct segment_builder *b, uint32_t i)
{
	return bytes_of(b->bytes.p + b->rows[i].key, b->rows[i].value - b->rows[i].key);
}

static struct bytes built_value(const struct segment_builder *b, uint32_t i)
{
	return bytes_of(b->bytes.p + b->rows[i].value, b->rows[i + 1].key - b->rows[i].value);
}

struct bytes segment_last_key(const struct segment_builder *b)
{
	return built_key(b, b->n - 1);
}

static size_t shared_octets(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n, i = 0;
	if (n > 255)
		n = 255;
	while (i < n && a.p[i] == b.p[i])
		i++;
	return i;
}

static void put_varint(struct buffer *out, uint64_t v)
{
	out->n += varint_put(buffer_reserve(out, VARINT_MAX), v);
}

/* Takes a key apart. False when it is not of the grammar. */
static bool take_apart(struct bytes key, struct parts *ret)
{
	int fixed = key.n ? key_subject_octets(key.p[0]) : -1;
	if (fixed < 0 || (size_t)fixed >= key.n)
		return false;
	ret->text = fixed == 0;
	ret->subject = (size_t)fixed;
	if (ret->text) {
		const uint8_t *zero = memchr(key.p, 0, key.n);
		ret->subject = zero ? (size_t)(zero - key.p) + 1 : key.n;
	}
	if (ret->subject >= key.n || ret->subject + key_type_octets(key.p[ret->subject]) >= key.n)
		return false;
	ret->middle = ret->subject + key_type_octets(key.p[ret->subject]) + 1;
	ret->rest = key_rest(key.p[ret->middle - 1]);
	ret->head = ret->middle;
	if (ret->rest == REST_RDATA)
		return true;
	if (ret->rest == REST_AROUND) {
		uint64_t at;
		size_t n = varint_get(key.p + ret->middle, key.p + key.n, &at);
		if (!n)
			return false;
		ret->head += n;
	}
	if (ret->rest == REST_AROUND || ret->rest == REST_WHOLE) {
		if (ret->head >= key.n)
			return false;
		ret->head += 1u + key.p[ret->head];
	}
	return ret->rest != REST_UNKNOWN && ret->head <= key.n && !memchr(key.p + ret->head, 0, key.n - ret->head);
}

static void put_key(struct segment_builder *b, struct bytes key, const struct parts *parts, size_t shared)
{
	struct buffer *column = b->columns;
	/* Sharing ends at a boundary of parts, or within the subject or the last part: so the reader knows where it is. */
	if (shared >= parts->subject && shared < parts->middle)
		shared = parts->subject;
	else if (shared >= parts->middle && shared < parts->head)
		shared = parts->middle;
	buffer_put_byte(&column[SHARED], (uint8_t)shared);
	size_t at = shared;
	if (at < parts->subject) {
		if (at == 0)
			buffer_put_byte(&column[MIDDLE], key.p[at++]);
		buffer_put(&column[parts->text ? TEXT : BINARY], key.p + at, parts->subject - at);
		at = parts->subject;
	}
	if (at < parts->middle) {
		buffer_put(&column[MIDDLE], key.p + at, parts->middle - at);
		at = parts->middle;
	}
	if (at < parts->head) {
		buffer_put(&column[DATA], key.p + at, parts->head - at);
		at = parts->head;
	}
	if (parts->rest == REST_RDATA) {
		size_t octets = key.n - parts->middle;
		put_varint(&column[LENGTH], octets);
		buffer_put(&column[is_binary(octets) ? BINARY : DATA], key.p + at, key.n - at);
	} else {
		buffer_put(&column[TEXT], key.p + at, key.n - at);
		buffer_put_byte(&column[TEXT], 0);
	}
}

static void put_value(struct segment_builder *b, const struct value_parts *parts)
{
	buffer_put_byte(&b->columns[HEAD], parts->head);
	if (parts->timed) {
		b->first[b->timed] = parts->first_s;
		b->span[b->timed++] = parts->span_s;
	}
	if (value_has_rest(parts->head)) {
		put_varint(&b->columns[LENGTH], parts->rest.n);
		buffer_put_bytes(&b->columns[REST], parts->rest);
	}
}

static void clear_columns(struct segment_builder *b)
{
	for (int i = 0; i < COLUMNS; i++)
		buffer_clear(&b->columns[i]);
	b->timed = 0;
}

/* By the grammar. False when a row is not of it. */
static bool put_rows(struct segment_builder *b)
{
	struct bytes last = {0};
	for (uint32_t i = 0; i < b->n; i++) {
		struct bytes key = built_key(b, i);
		struct parts parts;
		struct value_parts value;
		if (!take_apart(key, &parts) || value_take_apart(built_value(b, i), &value) != 0)
			return false;
		put_key(b, key, &parts, shared_octets(last, key));
		put_value(b, &value);
		last = key;
	}
	return true;
}

static void put_plain_rows(struct segment_builder *b)
{
	struct bytes last = {0};
	for (uint32_t i = 0; i < b->n; i++) {
		struct bytes key = built_key(b, i), value = built_value(b, i);
		size_t shared = shared_octets(last, key);
		buffer_put_byte(&b->columns[SHARED], (uint8_t)shared);
		put_varint(&b->columns[LENGTH], key.n - shared);
		buffer_put(&b->columns[TEXT], key.p + shared, key.n - shared);
		put_varint(&b->columns[LENGTH], value.n);
		buffer_put_bytes(&b->columns[REST], value);
		last = key;
	}
}

/* Joins columns [from, to) and appends their frame. True when it is not compressed, as that would not make it smaller. */
static bool put_frame(struct segment_builder *b, struct packer *p, int frame, struct samples *samples,
                      struct buffer *out)
{
	enum column from = frame ? FRAME_TEXT : SHARED, to = frame ? COLUMNS : FRAME_TEXT;
	buffer_clear(&b->joined);
	for (enum column i = from; i < to; i++)
		buffer_put_bytes(&b->joined, buffer_bytes(&b->columns[i]));
	if (samples) {
		buffer_put_bytes(&samples->octets[frame], buffer_bytes(&b->joined));
		buffer_put(&samples->lengths[frame], &b->joined.n, sizeof(b->joined.n));
	}
	size_t room = ZSTD_compressBound(b->joined.n);
	buffer_reserve(out, room + VARINT_MAX);
	uint8_t *to_octets = out->p + out->n + VARINT_MAX; /* its length goes before it */
	ZSTD_CCtx_refCDict(p->context, p->dictionary[frame]);
	size_t n = ZSTD_compress2(p->context, to_octets, room, b->joined.p, b->joined.n);
	bool raw = ZSTD_isError(n) || n >= b->joined.n;
	const uint8_t *octets = raw ? b->joined.p : to_octets;
	if (raw)
		n = b->joined.n;
	size_t head = varint_put(out->p + out->n, n);
	if (n)
		memmove(out->p + out->n + head, octets, n);
	out->n += head + n;
	return raw;
}

static void put_times(struct segment_builder *b, struct buffer *out)
{
	uint64_t base = UINT64_MAX, last = 0, longest = 0;
	for (size_t i = 0; i < b->timed; i++) {
		base = b->first[i] < base ? b->first[i] : base;
		last = b->first[i] > last ? b->first[i] : last;
		longest = b->span[i] > longest ? b->span[i] : longest;
	}
	put_varint(out, b->timed);
	if (!b->timed)
		return;
	unsigned first_bits = bits_of(last - base), span_bits = bits_of(longest);
	put_varint(out, base);
	buffer_put_byte(out, (uint8_t)first_bits);
	buffer_put_byte(out, (uint8_t)span_bits);
	put_packed(out, b->first, b->timed, base, first_bits);
	put_packed(out, b->span, b->timed, 0, span_bits);
}

void segment_encode(struct segment_builder *b, struct packer *p, struct buffer *out, struct samples *samples)
{
	uint8_t flags = 0;
	clear_columns(b);
	if (!put_rows(b)) {
		clear_columns(b);
		put_plain_rows(b);
		flags = PLAIN;
	}
	size_t start = out->n;
	buffer_put_byte(out, 0);
	put_varint(out, b->n);
	put_varint(out, b->bytes.n);
	for (enum column i = 0; i < COLUMNS; i++) {
		if (!is_implied(i))
			put_varint(out, b->columns[i].n);
	}
	if (!(flags & PLAIN))
		put_times(b, out);
	if (put_frame(b, p, 0, samples, out))
		flags |= RAW_SHORT;
	if (put_frame(b, p, 1, samples, out))
		flags |= RAW_TEXT;
	if (p->dictionary[0])
		flags |= DICTIONARY;
	out->p[start] = flags;
	buffer_clear(&b->bytes);
	b->n = 0;
}
