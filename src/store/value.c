/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Encoding of values: see dribble-keys(5).
 *
 *   head   first       last - first   [count - 63]   [members]
 *   1      4 or 8 BE   varint         varint         tag, varint length, octets; ascending tags
 *
 * head: bit 0 members follow, bit 1 first takes 8 octets, bits 2..7 the count, 63 meaning that the rest of it
 * follows. A count of 0 has no times.
 */
#include "store/value.h"

#include "base/err.h"

#include "base/limits.h"
#include "base/varint.h"

enum {
	HEAD_MEMBERS = 1,
	HEAD_WIDE = 2,
	COUNT_INLINE = 63,
};

enum tag {
	TAG_RDATA = 1,
	TAG_ZONE = 2,
	TAG_SENSOR = 3,
	TAG_BAILIWICK = 4,
};

static uint8_t *put_be(uint8_t *p, uint64_t v, int octets)
{
	for (int i = octets - 1; i >= 0; i--)
		*p++ = (uint8_t)(v >> (8 * i));
	return p;
}

static uint64_t get_be(const uint8_t *p, int octets)
{
	uint64_t v = 0;
	for (int i = 0; i < octets; i++)
		v = v << 8 | p[i];
	return v;
}

static void put_member(struct buffer *out, enum tag tag, struct bytes b)
{
	if (!b.n)
		return;
	uint8_t head[1 + VARINT_MAX] = {(uint8_t)tag};
	size_t n = 1 + varint_put(head + 1, b.n);
	buffer_put(out, head, n);
	buffer_put_bytes(out, b);
}

static void put_members(const struct value *v, struct buffer *out)
{
	put_member(out, TAG_RDATA, v->rdata);
	if (v->seen.zone_last_s) {
		uint8_t zone[2 * VARINT_MAX];
		size_t n = varint_put(zone, v->seen.zone_first_s);
		n += varint_put(zone + n, v->seen.zone_last_s - v->seen.zone_first_s);
		put_member(out, TAG_ZONE, bytes_of(zone, n));
	}
	put_member(out, TAG_SENSOR, v->seen.sensor_id);
	put_member(out, TAG_BAILIWICK, v->seen.bailiwick);
}

void value_encode(const struct value *v, struct buffer *out)
{
	const struct seen *s = &v->seen;
	bool members = v->rdata.n || s->zone_last_s || s->sensor_id.n || s->bailiwick.n;
	bool wide = s->count && s->first_s > UINT32_MAX;
	uint8_t *start = buffer_reserve(out, 1 + 8 + 2 * VARINT_MAX), *p = start;
	uint64_t inline_count = s->count < COUNT_INLINE ? s->count : COUNT_INLINE;
	*p++ = (uint8_t)((members ? HEAD_MEMBERS : 0) | (wide ? HEAD_WIDE : 0) | inline_count << 2);
	if (s->count) {
		p = put_be(p, s->first_s, wide ? 8 : 4);
		p += varint_put(p, s->last_s - s->first_s);
		if (inline_count == COUNT_INLINE)
			p += varint_put(p, s->count - COUNT_INLINE);
	}
	out->n += (size_t)(p - start);
	if (members)
		put_members(v, out);
}

/* Returns where the times end, or NULL. */
static const uint8_t *get_times(const uint8_t *p, const uint8_t *end, uint8_t head,
                                struct seen *ret)
{
	int octets = head & HEAD_WIDE ? 8 : 4;
	uint64_t span, more;
	if (end - p < octets)
		return NULL;
	ret->first_s = get_be(p, octets);
	if (octets == 8 && ret->first_s <= UINT32_MAX)
		return NULL;
	p += octets;
	size_t n = varint_get(p, end, &span);
	if (!n || ret->first_s > TIME_MAX || span > TIME_MAX - ret->first_s)
		return NULL;
	ret->last_s = ret->first_s + span;
	p += n;
	if (ret->count == COUNT_INLINE) {
		n = varint_get(p, end, &more);
		if (!n || more > COUNT_MAX - COUNT_INLINE)
			return NULL;
		ret->count += more;
		p += n;
	}
	return p;
}

static int get_zone(struct bytes b, struct seen *ret)
{
	const uint8_t *end = b.p + b.n;
	uint64_t span;
	size_t n = varint_get(b.p, end, &ret->zone_first_s);
	size_t m = n ? varint_get(b.p + n, end, &span) : 0;
	if (!m || n + m != b.n || ret->zone_first_s > TIME_MAX || span > TIME_MAX - ret->zone_first_s)
		return ERR_CORRUPT;
	ret->zone_last_s = ret->zone_first_s + span;
	return ret->zone_last_s ? 0 : ERR_CORRUPT;
}

static int get_members(const uint8_t *p, const uint8_t *end, struct value *ret)
{
	int last_tag = 0;
	while (p < end) {
		int tag = *p++;
		uint64_t len;
		size_t n = varint_get(p, end, &len);
		if (!n || tag <= last_tag || len == 0 || len > (uint64_t)(end - p) - n)
			return ERR_CORRUPT;
		struct bytes b = bytes_of(p + n, (size_t)len);
		p += n + len;
		last_tag = tag;
		if (tag == TAG_RDATA)
			ret->rdata = b;
		else if (tag == TAG_SENSOR)
			ret->seen.sensor_id = b;
		else if (tag == TAG_BAILIWICK)
			ret->seen.bailiwick = b;
		else if (tag != TAG_ZONE || get_zone(b, &ret->seen) != 0)
			return ERR_CORRUPT;
	}
	return 0;
}

int value_decode(struct bytes bytes, struct value *ret)
{
	const uint8_t *p = bytes.p, *end = p + bytes.n;
	*ret = (struct value){0};
	if (!bytes.n)
		return ERR_CORRUPT;
	uint8_t head = *p++;
	ret->seen.count = head >> 2;
	if (ret->seen.count) {
		p = get_times(p, end, head, &ret->seen);
		if (!p)
			return ERR_CORRUPT;
	} else if (head & HEAD_WIDE) {
		return ERR_CORRUPT;
	}
	if (!(head & HEAD_MEMBERS) != (p == end))
		return ERR_CORRUPT;
	return get_members(p, end, ret);
}

bool value_is_timed(uint8_t head)
{
	return head >> 2 && !(head & HEAD_WIDE);
}

bool value_has_rest(uint8_t head)
{
	return head & (HEAD_MEMBERS | HEAD_WIDE) || head >> 2 == COUNT_INLINE;
}

int value_take_apart(struct bytes bytes, struct value_parts *ret)
{
	if (!bytes.n)
		return ERR_CORRUPT;
	*ret = (struct value_parts){.head = bytes.p[0], .timed = value_is_timed(bytes.p[0])};
	size_t at = 1;
	if (ret->timed) {
		if (bytes.n < 5)
			return ERR_CORRUPT;
		ret->first_s = (uint32_t)get_be(bytes.p + 1, 4);
		size_t n = varint_get(bytes.p + 5, bytes.p + bytes.n, &ret->span_s);
		if (!n || ret->span_s > TIME_MAX)
			return ERR_CORRUPT;
		at = 5 + n;
	}
	ret->rest = bytes_of(bytes.p + at, bytes.n - at);
	return ret->rest.n && !value_has_rest(ret->head) ? ERR_CORRUPT : 0;
}

uint8_t *value_put_together(const struct value_parts *parts, uint8_t *p)
{
	*p++ = parts->head;
	if (parts->timed) {
		p = put_be(p, parts->first_s, 4);
		p += varint_put(p, parts->span_s);
	}
	if (parts->rest.n)
		memcpy(p, parts->rest.p, parts->rest.n);
	return p + parts->rest.n;
}

void value_merge(struct value *v, const struct value *more)
{
	seen_merge(&v->seen, &more->seen);
	if (!v->rdata.n)
		v->rdata = more->rdata;
}
