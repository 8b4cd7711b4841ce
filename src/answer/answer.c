/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records as JSON lines, or as a table for people. */
#include "answer/answer.h"

#include <stdio.h>
#include <time.h>

#include "model/dname.h"
#include "model/rrtype.h"

static const char *const names[] = {"circl", "cof", "doc"};

bool style_from_text(struct bytes name, enum style *ret)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (bytes_eq(name, bytes_str(names[i]))) {
			*ret = (enum style)i;
			return true;
		}
	}
	return false;
}

const char *style_name(enum style style)
{
	return style <= STYLE_DOC ? names[style] : style == STYLE_TABLE ? "table" : "export";
}

void answer_release(struct answer *a)
{
	buffer_release(&a->text);
	buffer_release(&a->name);
}

/* Length of the UTF-8 sequence at p (2..4), or 0; its code point to ret. */
static size_t utf8_get(const uint8_t *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] >= 0xf0 && p[0] < 0xf5 ? 4
	             : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
	             : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
	                                           : 0;
	if (!len || n < len)
		return 0;
	uint32_t c = p[0] & (0xff >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	*ret = c;
	return len;
}

static uint8_t *put_u(uint8_t *to, unsigned unit)
{
	static const char hex[] = "0123456789abcdef";
	*to++ = '\\';
	*to++ = 'u';
	for (int shift = 12; shift >= 0; shift -= 4)
		*to++ = (uint8_t)hex[unit >> shift & 15];
	return to;
}

static uint8_t *put_code_point(uint8_t *to, uint32_t c)
{
	if (c < 0x10000)
		return put_u(to, c);
	c -= 0x10000;
	return put_u(put_u(to, 0xd800 + (c >> 10)), 0xdc00 + (c & 0x3ff));
}

static uint8_t *put_octet(uint8_t *to, uint8_t c)
{
	*to++ = '\\';
	*to++ = '\\';
	*to++ = (uint8_t)('0' + c / 100);
	*to++ = (uint8_t)('0' + c / 10 % 10);
	*to++ = (uint8_t)('0' + c % 10);
	return to;
}

/* Everything from p that is not plain ASCII: one character. Returns the octets it took. */
static size_t put_escaped(const uint8_t *p, size_t n, uint8_t **to)
{
	uint32_t c;
	size_t len = 1;
	if (*p == '"' || *p == '\\') {
		*(*to)++ = '\\';
		*(*to)++ = *p;
	} else if (*p && *p < 0x80) {
		*to = put_u(*to, *p);
	} else if ((len = utf8_get(p, n, &c))) {
		*to = put_code_point(*to, c);
	} else {
		*to = put_octet(*to, *p);
		len = 1;
	}
	return len;
}

#define EACH(octet) (UINT64_C(0x0101010101010101) * (octet))

/* Sets the high bit of some octet when one of the eight is zero, and only then. */
static uint64_t has_zero(uint64_t eight)
{
	return (eight - EACH(1)) & ~eight & EACH(0x80);
}

/* Whether eight octets stand in a string as they are. */
static bool are_plain(uint64_t eight)
{
	uint64_t control = (eight - EACH(0x20)) & ~eight & EACH(0x80);
	return !((eight & EACH(0x80)) | control | has_zero(eight ^ EACH(0x7f)) | has_zero(eight ^ EACH('"')) |
	         has_zero(eight ^ EACH('\\')));
}

void answer_json_string(struct bytes text, struct buffer *out)
{
	uint8_t *start = buffer_reserve(out, 6 * text.n + 2), *to = start;
	*to++ = '"';
	for (size_t i = 0; i < text.n;) {
		uint64_t eight;
		if (text.n - i >= sizeof(eight)) {
			memcpy(&eight, text.p + i, sizeof(eight));
			if (are_plain(eight)) {
				memcpy(to, &eight, sizeof(eight));
				to += sizeof(eight);
				i += sizeof(eight);
				continue;
			}
		}
		uint8_t c = text.p[i];
		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			*to++ = c;
			i++;
		} else {
			i += put_escaped(text.p + i, text.n - i, &to);
		}
	}
	*to++ = '"';
	out->n += (size_t)(to - start);
}

#define PUT(out, literal) buffer_put((out), "" literal, sizeof(literal) - 1)

static void put_type(enum style style, uint16_t type, struct buffer *out)
{
	bool known = rrtype_mnemonic(type) != NULL;
	if (!known && style != STYLE_DOC) {
		buffer_put_u64(out, type);
		return;
	}
	buffer_put_byte(out, '"');
	rrtype_to_text(type, out);
	buffer_put_byte(out, '"');
}

static void put_number(bool quoted, uint64_t v, struct buffer *out)
{
	if (quoted)
		buffer_put_byte(out, '"');
	buffer_put_u64(out, v);
	if (quoted)
		buffer_put_byte(out, '"');
}

/* count, time_first, time_last. A record known only from zone files shows the zone's times, as COF clients
 * insist on a pair; an export leaves them out, so that reading it back invents no observation. */
static void put_seen(enum style style, const struct seen *s, struct buffer *out)
{
	bool quoted = style == STYLE_DOC;
	if (!s->count && style == STYLE_EXPORT)
		return;
	PUT(out, ", \"count\": ");
	put_number(quoted, s->count, out);
	PUT(out, ", \"time_first\": ");
	put_number(quoted, s->count ? s->first_s : s->zone_first_s, out);
	PUT(out, ", \"time_last\": ");
	put_number(quoted, s->count ? s->last_s : s->zone_last_s, out);
}

static void put_optional(const struct seen *s, struct buffer *out)
{
	if (s->sensor_id.n) {
		PUT(out, ", \"sensor_id\": ");
		answer_json_string(s->sensor_id, out);
	}
	if (s->bailiwick.n) {
		PUT(out, ", \"bailiwick\": ");
		answer_json_string(s->bailiwick, out);
	}
	if (s->zone_last_s) {
		PUT(out, ", \"zone_time_first\": ");
		buffer_put_u64(out, s->zone_first_s);
		PUT(out, ", \"zone_time_last\": ");
		buffer_put_u64(out, s->zone_last_s);
	}
}

static void table_line(const struct record *r, struct bytes owner, struct bytes data,
                       struct buffer *out)
{
	char first[32], last[32];
	const struct seen *s = &r->seen;
	time_t t = (time_t)(s->count ? s->first_s : s->zone_first_s);
	struct tm tm;
	strftime(first, sizeof(first), "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	t = (time_t)(s->count ? s->last_s : s->zone_last_s);
	strftime(last, sizeof(last), "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	buffer_putf(out, "%s  %s %10llu  ", first, last, (unsigned long long)s->count);
	size_t start = out->n;
	rrtype_to_text(r->rrtype, out);
	while (out->n < start + 7)
		buffer_put_byte(out, ' ');
	PUT(out, " ");
	buffer_put_bytes(out, owner);
	PUT(out, "  ");
	for (size_t i = 0; i < data.n; i++) /* a terminal must not obey what it shows */
		buffer_put_byte(out, data.p[i] < 0x20 || data.p[i] > 0x7e ? '?' : data.p[i]);
	PUT(out, "\n");
}

void answer_line(struct answer *a, const struct record *r, struct buffer *out)
{
	buffer_clear(&a->name);
	buffer_clear(&a->text);
	dname_to_text(r->owner, &a->name);
	rdata_to_text(r->rrtype, r->form, r->rdata, &a->text);
	struct bytes owner = buffer_bytes(&a->name), data = buffer_bytes(&a->text);
	if (a->style == STYLE_TABLE) {
		table_line(r, owner, data, out);
		return;
	}
	bool swapped = a->style == STYLE_CIRCL || a->style == STYLE_DOC;
	PUT(out, "{\"rrtype\": ");
	put_type(a->style, r->rrtype, out);
	PUT(out, ", \"rrname\": ");
	answer_json_string(swapped ? data : owner, out);
	PUT(out, ", \"rdata\": ");
	answer_json_string(swapped ? owner : data, out);
	put_seen(a->style, &r->seen, out);
	if (!swapped)
		put_optional(&r->seen, out);
	if (a->style == STYLE_CIRCL || a->style == STYLE_COF) {
		PUT(out, ", \"origin\": ");
		answer_json_string(a->origin, out);
	}
	PUT(out, "}\n");
}
