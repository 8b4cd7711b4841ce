/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Columns to rows: of a whole segment, or of a piece of it. */
#include <endian.h>
#include <string.h>

#include "base/err.h"
#include "base/varint.h"
#include "store/segment_priv.h"
#include "store/value.h"

struct unpacker {
	ZSTD_DCtx *context;
	struct buffer columns; /* scratch, as what follows */
	struct buffer bytes;   /* of a piece */
	struct segment *piece; /* made when one is asked for */
};

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
	buffer_release(&u->bytes);
	free(u->piece);
	free(u);
}

static uint64_t get_packed(struct bytes packed, size_t i, unsigned bits)
{
	size_t at = i * bits;
	uint64_t v = 0;
	size_t octet = at / 8, left = packed.n - octet;
	memcpy(&v, packed.p + octet, left < sizeof(v) ? left : sizeof(v));
	return (le64toh(v) >> at % 8) & ((UINT64_C(1) << bits) - 1);
}

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
static void get_frame(struct source *s, struct unpacker *u, bool raw, const ZSTD_DDict *dictionary,
		      uint8_t *to, size_t octets)
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
	uint8_t *bytes; /* of the segment */
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
	} else if ((size_t)fixed <= shared ||
		   !copy(r, BINARY, (size_t)fixed - (r->at - r->start))) {
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
	if (shared && r->at != last_start) /* else it takes the place of the one before */
		memcpy(r->bytes + r->at, r->bytes + last_start, shared);
	r->at += shared;
	/* Where sharing ends within the parts of the key before, all that follows is told anew (see
	 * put_key). */
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
	return !r->column[LENGTH].bad && octets >= have &&
	       copy(r, is_binary(octets) ? BINARY : DATA, octets - have);
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

/* Steps over a value. */
static bool skip_value(struct reader *r)
{
	uint8_t head = get_octet(&r->column[HEAD]);
	r->times.at += value_is_timed(head);
	if (r->times.at > r->times.n)
		return false;
	if (value_has_rest(head))
		get_octets(&r->column[REST],
			   (size_t)get_varint(&r->column[LENGTH], SEGMENT_VALUE_MAX));
	return !r->column[HEAD].bad && !r->column[LENGTH].bad && !r->column[REST].bad;
}

/* As get_key and get_value, of rows that are not of the grammar. The length of a value stands
 * beside that of its key. */
static bool get_plain_key(struct reader *r, size_t last_start, size_t last_n, size_t *ret_value_n)
{
	size_t shared = get_octet(&r->column[SHARED]);
	size_t key_n = (size_t)get_varint(&r->column[LENGTH], SEGMENT_KEY_MAX);
	*ret_value_n = (size_t)get_varint(&r->column[LENGTH], SEGMENT_VALUE_MAX);
	if (r->column[SHARED].bad || r->column[LENGTH].bad || shared > last_n ||
	    shared > r->room - r->at)
		return false;
	if (shared && r->at != last_start)
		memcpy(r->bytes + r->at, r->bytes + last_start, shared);
	r->start = r->at;
	r->at += shared;
	return copy(r, TEXT, key_n);
}

static bool get_rows(struct reader *r, bool plain)
{
	struct segment *s = r->segment;
	size_t last_start = 0, last_n = 0, value_n = 0;
	for (uint32_t i = 0; i < s->n; i++) {
		s->rows[i].key = (uint32_t)r->at;
		if (!(plain ? get_plain_key(r, last_start, last_n, &value_n)
			    : get_key(r, last_start, last_n)))
			return false;
		last_start = s->rows[i].key;
		last_n = r->at - last_start;
		s->rows[i].value = (uint32_t)r->at;
		if (!(plain ? copy(r, REST, value_n) : get_value(r)))
			return false;
	}
	return true;
}

/* Reads keys, each in the place of the one before, up to the first that is not less than another.
 * False: damage. */
static bool find_row(struct reader *r, bool plain, struct bytes key, uint32_t n, uint32_t *ret,
		     size_t *ret_value_n)
{
	size_t same = 0; /* octets that the key before has in common with the one that is sought,
			    and is less than */
	size_t last_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct source *s = &r->column[SHARED];
		bool less = i && s->p != s->end &&
			    *s->p > same; /* than it, as the one before is, and by the same octet */
		r->at = 0;
		if (!(plain ? get_plain_key(r, 0, last_n, ret_value_n) : get_key(r, 0, last_n)))
			return false;
		last_n = r->at;
		size_t least = last_n < key.n ? last_n : key.n;
		if (!less) {
			for (same = 0; same < least && r->bytes[same] == key.p[same]; same++)
				;
			less = same < least ? r->bytes[same] < key.p[same] : last_n < key.n;
		}
		if (!less) {
			*ret = i;
			return true;
		}
		if (plain)
			get_octets(&r->column[REST], *ret_value_n);
		if (plain ? r->column[REST].bad : !skip_value(r))
			return false;
	}
	*ret = n;
	return true;
}

/* Reads the rows of a piece; the key of the first row that is not less than the prefix is in place, if there is one. */
static bool get_piece(struct reader *r, bool plain, struct bytes prefix, size_t value_n)
{
	struct segment *s = r->segment;
	size_t last_start = 0, last_n = 0;
	for (uint32_t left = s->of - s->first; left; left--) {
		if (s->n) {
			size_t start = r->at;
			if (!(plain ? get_plain_key(r, last_start, last_n, &value_n)
				    : get_key(r, last_start, last_n)))
				return false;
			last_start = start;
		}
		last_n = r->at - last_start;
		if (!bytes_has_prefix(bytes_of(r->bytes + last_start, last_n), prefix)) {
			r->at = last_start;
			break;
		}
		s->rows[s->n++] = (struct segment_row){(uint32_t)last_start, (uint32_t)r->at};
		if (!(plain ? copy(r, REST, value_n) : get_value(r)))
			return false;
	}
	if (!s->n)
		r->at = 0;
	s->rows[s->n] = (struct segment_row){(uint32_t)r->at, (uint32_t)r->at};
	return true;
}

/* Sets the columns of a reader to the octets of a frame. */
static const uint8_t *split(struct reader *r, enum column from, enum column to,
			    const size_t *octets, const uint8_t *p)
{
	for (enum column i = from; i < to; i++) {
		r->column[i] = (struct source){p, p + octets[i], false};
		p += octets[i];
	}
	return p;
}

/* What the head of a segment says. */
struct head {
	bool plain;
	uint32_t n;
	size_t total; /* octets of keys and values */
};

/* Reads and decompresses the columns, and sets a reader at their begins. */
static int open_columns(struct bytes octets, struct unpacker *u, const struct dictionary *d,
			struct head *ret, struct reader *r)
{
	struct source s = {octets.p, octets.p + octets.n, false};
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
		get_times(&s, &r->times);
	buffer_clear(&u->columns);
	uint8_t *columns = buffer_reserve(&u->columns, frame[0] + frame[1]);
	bool with = flags & DICTIONARY;
	get_frame(&s, u, flags & RAW_SHORT, with ? d->frame[0] : NULL, columns, frame[0]);
	get_frame(&s, u, flags & RAW_TEXT, with ? d->frame[1] : NULL, columns + frame[0], frame[1]);
	if (s.bad || s.p != s.end)
		return ERR_CORRUPT;
	split(r, FRAME_TEXT, COLUMNS, lengths, split(r, SHARED, FRAME_TEXT, lengths, columns));
	r->room = total + SLACK; /* what is copied may be written over a little: see copy and
				    value_put_together */
	*ret = (struct head){flags & PLAIN, n, total};
	return 0;
}

int segment_decode(struct bytes octets, struct unpacker *u, const struct dictionary *d,
		   struct segment **ret)
{
	struct reader r = {0};
	struct head head;
	int rc = open_columns(octets, u, d, &head, &r);
	if (rc < 0)
		return rc;
	size_t size = sizeof(*r.segment) + (head.n + 1) * sizeof(r.segment->rows[0]) + r.room;
	r.segment = xmalloc(size);
	r.bytes = (uint8_t *)(r.segment->rows + head.n + 1);
	*r.segment = (struct segment){
		.n = head.n, .size = (uint32_t)size, .of = head.n, .bytes = r.bytes};
	bool ok = get_rows(&r, head.plain);
	for (int i = 0; i < COLUMNS; i++)
		ok = ok && r.column[i].p == r.column[i].end;
	if (!ok || r.at != head.total || r.times.at != r.times.n) {
		free(r.segment);
		return ERR_CORRUPT;
	}
	r.segment->rows[head.n].key = r.segment->rows[head.n].value = (uint32_t)head.total;
	*ret = r.segment;
	return 0;
}

int segment_decode_piece(struct bytes octets, struct unpacker *u, const struct dictionary *d,
			 struct bytes prefix, const struct segment **ret)
{
	struct reader r = {0};
	struct head head;
	size_t value_n = 0;
	int rc = open_columns(octets, u, d, &head, &r);
	if (rc < 0)
		return rc;
	if (!u->piece)
		u->piece =
			xmalloc(sizeof(*u->piece) + (SEGMENT_ROWS + 1) * sizeof(u->piece->rows[0]));
	buffer_clear(&u->bytes);
	r.bytes = buffer_reserve(&u->bytes, r.room);
	r.segment = u->piece;
	*r.segment = (struct segment){.of = head.n, .bytes = r.bytes};
	if (!find_row(&r, head.plain, prefix, head.n, &r.segment->first, &value_n) ||
	    !get_piece(&r, head.plain, prefix, value_n))
		return ERR_CORRUPT;
	r.segment->size =
		(uint32_t)(sizeof(*r.segment) + (r.segment->n + 1) * sizeof(r.segment->rows[0]) +
			   r.segment->rows[r.segment->n].key);
	*ret = r.segment;
	return 0;
}

struct segment *segment_copy(const struct segment *s, void *to)
{
	struct segment *copy = to;
	size_t rows = (s->n + 1) * sizeof(s->rows[0]), octets = s->rows[s->n].key;
	memcpy(copy, s, sizeof(*s) + rows);
	copy->bytes = (uint8_t *)copy + sizeof(*s) + rows;
	if (octets)
		memcpy((uint8_t *)copy + sizeof(*s) + rows, s->bytes, octets);
	copy->size = (uint32_t)(sizeof(*s) + rows + octets);
	return copy;
}

uint32_t segment_find(const struct segment *s, struct bytes key)
{
	uint32_t lo = 0, hi = s->n;
	while (lo < hi) {
		uint32_t middle = (lo + hi) / 2;
		/* The rows looked at next, whichever it is: they come from memory while this one is compared. */
		__builtin_prefetch(s->bytes + s->rows[(lo + middle) / 2].key);
		__builtin_prefetch(s->bytes + s->rows[(middle + 1 + hi) / 2].key);
		if (bytes_cmp(segment_key(s, middle), key) < 0)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo;
}
