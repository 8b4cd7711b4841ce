/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rows to columns and back.
 *
 * DESIGN: a segment has two compressed frames: what is short or binary in one, text in the other, which is where a
 * dictionary helps. Times are nearly random, so they are packed to as many bits as the segment needs and not compressed at
 * all. Rows whose keys or values are not of the store's grammar make the whole segment a plain one: prefix, suffix, value.
 */
#include "store/segment.h"

#include <endian.h>
#include <stdlib.h>
#include <zdict.h>
#define ZSTD_STATIC_LINKING_ONLY /* frames without their magic: four octets of each are worth half a percent */
#include <zstd.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/varint.h"
#include "store/keys.h"
#include "store/value.h"

enum column {
	SHARED, /* octets that a key shares with the one before, an octet each */
	LENGTH, /* what is not said by the grammar */
	MIDDLE, /* first octets of subjects, types, kinds */
	HEAD,   /* first octets of values */
	BINARY, /* addresses */
	TEXT,   /* names and texts, a zero behind each */
	DATA,   /* rdata that is no address */
	REST,   /* what is unusual of values */
	COLUMNS,
	FRAME_TEXT = TEXT, /* the columns from here on make the second frame */
};

enum flags {
	PLAIN = 1,      /* not by the grammar of keys and values */
	RAW_SHORT = 2,  /* the first frame is not compressed */
	RAW_TEXT = 4,   /* the second frame is not compressed */
	DICTIONARY = 8, /* the frames that are compressed need the table's dictionary */
	FLAGS = 15,
};

enum {
	BITS_MAX = 57, /* that can be read with one load from any bit */
	SHORT_SHARE = 16, /* the first frame's dictionary is so much smaller: what matters are its tables */
	SLACK = 32,    /* octets that moves may write beyond what they move */
};

/* Columns of one octet a row need not be told how long they are. */
static bool is_implied(enum column c)
{
	return c == SHARED || c == HEAD;
}

/* --- compressors --- */

struct packer {
	int level;
	ZSTD_CCtx *context;
	ZSTD_CDict *dictionary[SEGMENT_FRAMES]; /* owned */
};

struct unpacker {
	ZSTD_DCtx *context;
	struct buffer columns; /* scratch */
};

/* As octets: the length of the first frame's dictionary in four, little-endian; that; the second frame's. */
struct dictionary {
	ZSTD_DDict *frame[SEGMENT_FRAMES];
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

static void *checked(void *p)
{
	if (!p)
		abort(); /* as xmalloc: sizes here are our own */
	return p;
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

struct unpacker *unpacker_new(void)
{
	struct unpacker *u = xcalloc(1, sizeof(*u));
	u->context = checked(ZSTD_createDCtx());
	ZSTD_DCtx_setParameter(u->context, ZSTD_d_format, ZSTD_f_zstd1_magicless);
	return u;
}

void unpacker_free(struct unpacker *u)
{
	if (!u)
		return;
	ZSTD_freeDCtx(u->context);
	buffer_release(&u->columns);
	free(u);
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

static size_t packed_octets(size_t n, unsigned bits)
{
	return (n * bits + 7) / 8;
}

static uint64_t get_packed(struct bytes packed, size_t i, unsigned bits)
{
	size_t at = i * bits;
	uint64_t v = 0;
	size_t octet = at / 8, left = packed.n - octet;
	memcpy(&v, packed.p + octet, left < sizeof(v) ? left : sizeof(v));
	return (le64toh(v) >> at % 8) & ((UINT64_C(1) << bits) - 1);
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

/* Where the parts of a key end. */
struct parts {
	size_t subject, middle, head;
	enum key_rest rest;
	bool text; /* the subject's length is told by a zero octet */
};

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

/* rdata of so many octets is an address, most likely. */
static bool is_binary(size_t octets)
{
	return octets == 4 || octets == 16;
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

/* --- reading --- */

/* Reads from the octets of a segment; bad stays set. */
struct source {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t get_varint(struct source *s, uint64_t max)
{
	uint64_t v = 0;
	size_t n = s->bad ? 0 : varint_get(s->p, s->end, &v);
	if (!n || v > max) {
		s->bad = true;
		return 0;
	}
	s->p += n;
	return v;
}

static const uint8_t *get_octets(struct source *s, size_t n)
{
	static const uint8_t none[1];
	if (s->bad || n > (size_t)(s->end - s->p)) {
		s->bad = true;
		return none;
	}
	const uint8_t *p = s->p;
	s->p += n;
	return p;
}

static uint8_t get_octet(struct source *s)
{
	return *get_octets(s, 1);
}

struct times {
	struct bytes first, span; /* packed */
	unsigned first_bits, span_bits;
	uint64_t base;
	size_t n, at;
};

static void get_times(struct source *s, struct times *ret)
{
	*ret = (struct times){.n = (size_t)get_varint(s, SEGMENT_ROWS)};
	if (!ret->n)
		return;
	ret->base = get_varint(s, UINT32_MAX);
	ret->first_bits = get_octet(s);
	ret->span_bits = get_octet(s);
	if (ret->first_bits > 32 || ret->span_bits > BITS_MAX) {
		s->bad = true;
		return;
	}
	ret->first.n = packed_octets(ret->n, ret->first_bits);
	ret->first.p = get_octets(s, ret->first.n);
	ret->span.n = packed_octets(ret->n, ret->span_bits);
	ret->span.p = get_octets(s, ret->span.n);
}

/* Reads a frame to where its octets, so many, go. */
static void get_frame(struct source *s, struct unpacker *u, bool raw, const ZSTD_DDict *dictionary, uint8_t *to,
                      size_t octets)
{
	size_t n = (size_t)get_varint(s, SEGMENT_DECODED_MAX);
	const uint8_t *p = get_octets(s, n);
	if (s->bad)
		return;
	if (raw) {
		s->bad = n != octets;
		if (!s->bad && n)
			memcpy(to, p, n);
		return;
	}
	ZSTD_DCtx_refDDict(u->context, dictionary);
	size_t got = ZSTD_decompressDCtx(u->context, to, octets, p, n);
	s->bad = ZSTD_isError(got) || got != octets;
}

/* What is being put together. */
struct reader {
	struct source column[COLUMNS];
	struct times times;
	struct segment *segment;
	uint8_t *bytes;     /* of the segment */
	size_t room;
	struct parts parts; /* of the key before */
	size_t start;       /* of the key at hand, as below: offsets in bytes */
	size_t at;          /* where the next octet goes */
};

static bool copy(struct reader *r, enum column column, size_t n)
{
	struct source *s = &r->column[column];
	if (n > (size_t)(s->end - s->p) || n > r->room - r->at)
		return false;
	const uint8_t *p = s->p;
	uint8_t *to = r->bytes + r->at;
	if (n <= 16 && s->end - p >= 16 && r->room - r->at >= 16)
		memcpy(to, p, 16); /* most are short: one move, what is too much is written over */
	else
		memcpy(to, p, n);
	s->p += n;
	r->at += n;
	return true;
}

/* Copies up to and with the next zero octet. */
static bool copy_text(struct reader *r, bool with_zero)
{
	struct source *s = &r->column[TEXT];
	const uint8_t *zero = memchr(s->p, 0, (size_t)(s->end - s->p));
	if (!zero || !copy(r, TEXT, (size_t)(zero - s->p) + with_zero))
		return false;
	s->p += !with_zero;
	return true;
}

static bool get_subject(struct reader *r, size_t shared)
{
	if (shared == 0 && !copy(r, MIDDLE, 1))
		return false;
	int fixed = key_subject_octets(r->bytes[r->start]);
	if (fixed < 0)
		return false;
	if (fixed == 0) {
		if (!copy_text(r, true))
			return false;
	} else if ((size_t)fixed <= shared || !copy(r, BINARY, (size_t)fixed - (r->at - r->start))) {
		return false;
	}
	r->parts.subject = r->at - r->start;
	return true;
}

static bool get_middle(struct reader *r)
{
	const struct source *s = &r->column[MIDDLE];
	if (s->p == s->end || !copy(r, MIDDLE, key_type_octets(*s->p) + 1))
		return false;
	r->parts.middle = r->at - r->start;
	r->parts.rest = key_rest(r->bytes[r->at - 1]);
	return r->parts.rest != REST_UNKNOWN;
}

static bool get_head(struct reader *r)
{
	struct source *s = &r->column[DATA];
	if (r->parts.rest == REST_AROUND) {
		uint64_t v;
		size_t n = varint_get(s->p, s->end, &v);
		if (!n || !copy(r, DATA, n))
			return false;
	}
	if (r->parts.rest == REST_AROUND || r->parts.rest == REST_WHOLE) {
		if (s->p == s->end || !copy(r, DATA, 1u + *s->p))
			return false;
	}
	r->parts.head = r->at - r->start;
	return true;
}

static bool get_key(struct reader *r, size_t last_start, size_t last_n)
{
	size_t shared = get_octet(&r->column[SHARED]);
	if (r->column[SHARED].bad || shared > last_n || shared > r->room - r->at)
		return false;
	r->start = r->at;
	if (shared)
		memcpy(r->bytes + r->at, r->bytes + last_start, shared);
	r->at += shared;
	/* Where sharing ends within the parts of the key before, all that follows is told anew (see put_key). */
	const struct parts *parts = &r->parts;
	bool ok = true;
	if (shared == 0 || shared < parts->subject)
		ok = get_subject(r, shared) && get_middle(r) && get_head(r);
	else if (shared == parts->subject)
		ok = get_middle(r) && get_head(r);
	else if (shared == parts->middle)
		ok = get_head(r);
	else
		ok = shared >= parts->head;
	if (!ok)
		return false;
	if (r->parts.rest != REST_RDATA)
		return copy_text(r, false);
	size_t octets = (size_t)get_varint(&r->column[LENGTH], SEGMENT_KEY_MAX);
	size_t have = r->at - r->start - r->parts.middle;
	return !r->column[LENGTH].bad && octets >= have && copy(r, is_binary(octets) ? BINARY : DATA, octets - have);
}

static bool get_value(struct reader *r)
{
	struct value_parts parts = {.head = get_octet(&r->column[HEAD])};
	struct times *t = &r->times;
	if (r->column[HEAD].bad)
		return false;
	parts.timed = value_is_timed(parts.head);
	if (parts.timed) {
		if (t->at == t->n)
			return false;
		parts.first_s = (uint32_t)(t->base + get_packed(t->first, t->at, t->first_bits));
		parts.span_s = get_packed(t->span, t->at, t->span_bits);
		t->at++;
	}
	if (value_has_rest(parts.head)) {
		parts.rest.n = (size_t)get_varint(&r->column[LENGTH], SEGMENT_VALUE_MAX);
		parts.rest.p = get_octets(&r->column[REST], parts.rest.n);
		if (r->column[LENGTH].bad || r->column[REST].bad)
			return false;
	}
	if (r->room - r->at < 1 + 4 + VARINT_MAX + parts.rest.n)
		return false;
	r->at = (size_t)(value_put_together(&parts, r->bytes + r->at) - r->bytes);
	return true;
}

static bool get_rows(struct reader *r)
{
	struct segment *s = r->segment;
	size_t last_start = 0, last_n = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		s->rows[i].key = (uint32_t)r->at;
		if (!get_key(r, last_start, last_n))
			return false;
		last_start = s->rows[i].key;
		last_n = r->at - last_start;
		s->rows[i].value = (uint32_t)r->at;
		if (!get_value(r))
			return false;
	}
	return true;
}

static bool get_plain_rows(struct reader *r)
{
	struct segment *s = r->segment;
	size_t last_start = 0, last_n = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		size_t shared = get_octet(&r->column[SHARED]);
		size_t key_n = (size_t)get_varint(&r->column[LENGTH], SEGMENT_KEY_MAX);
		size_t value_n = (size_t)get_varint(&r->column[LENGTH], SEGMENT_VALUE_MAX);
		if (r->column[SHARED].bad || r->column[LENGTH].bad || shared > last_n || shared > r->room - r->at)
			return false;
		s->rows[i].key = (uint32_t)r->at;
		memcpy(r->bytes + r->at, r->bytes + last_start, shared);
		r->at += shared;
		if (!copy(r, TEXT, key_n))
			return false;
		last_start = s->rows[i].key;
		last_n = r->at - last_start;
		s->rows[i].value = (uint32_t)r->at;
		if (!copy(r, REST, value_n))
			return false;
	}
	return true;
}

/* Sets the columns of a reader to the octets of a frame. */
static const uint8_t *split(struct reader *r, enum column from, enum column to, const size_t *octets, const uint8_t *p)
{
	for (enum column i = from; i < to; i++) {
		r->column[i] = (struct source){p, p + octets[i], false};
		p += octets[i];
	}
	return p;
}

int segment_decode(struct bytes octets, struct unpacker *u, const struct dictionary *d, struct segment **ret)
{
	struct source s = {octets.p, octets.p + octets.n, false};
	struct reader r = {0};
	size_t lengths[COLUMNS], frame[2] = {0};
	uint8_t flags = get_octet(&s);
	uint32_t n = (uint32_t)get_varint(&s, SEGMENT_ROWS);
	size_t total = (size_t)get_varint(&s, SEGMENT_DECODED_MAX);
	for (enum column i = 0; i < COLUMNS; i++) {
		if (is_implied(i))
			lengths[i] = i == HEAD && flags & PLAIN ? 0 : n;
		else
			lengths[i] = (size_t)get_varint(&s, SEGMENT_DECODED_MAX);
		frame[i >= FRAME_TEXT] += lengths[i];
	}
	if (s.bad || flags > FLAGS || n == 0 || ((flags & DICTIONARY) && !d))
		return ERR_CORRUPT;
	if (!(flags & PLAIN))
		get_times(&s, &r.times);
	buffer_clear(&u->columns);
	uint8_t *columns = buffer_reserve(&u->columns, frame[0] + frame[1]);
	bool with = flags & DICTIONARY;
	get_frame(&s, u, flags & RAW_SHORT, with ? d->frame[0] : NULL, columns, frame[0]);
	get_frame(&s, u, flags & RAW_TEXT, with ? d->frame[1] : NULL, columns + frame[0], frame[1]);
	if (s.bad || s.p != s.end)
		return ERR_CORRUPT;
	split(&r, FRAME_TEXT, COLUMNS, lengths, split(&r, SHARED, FRAME_TEXT, lengths, columns));
	/* What is copied may be written over a little: see copy and value_put_together. */
	r.room = total + SLACK;
	size_t size = sizeof(*r.segment) + (n + 1) * sizeof(r.segment->rows[0]) + r.room;
	r.segment = xmalloc(size);
	r.bytes = (uint8_t *)(r.segment->rows + n + 1);
	*r.segment = (struct segment){.n = n, .size = (uint32_t)size, .bytes = r.bytes};
	bool ok = flags & PLAIN ? get_plain_rows(&r) : get_rows(&r);
	for (int i = 0; i < COLUMNS; i++)
		ok = ok && r.column[i].p == r.column[i].end;
	if (!ok || r.at != total || r.times.at != r.times.n) {
		free(r.segment);
		return ERR_CORRUPT;
	}
	r.segment->rows[n].key = r.segment->rows[n].value = (uint32_t)total;
	*ret = r.segment;
	return 0;
}

uint32_t segment_find(const struct segment *s, struct bytes key)
{
	uint32_t lo = 0, hi = s->n;
	while (lo < hi) {
		uint32_t middle = (lo + hi) / 2;
		if (bytes_cmp(segment_key(s, middle), key) < 0)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}
