/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON parser.
 *
 * Every function below reads at j->p, and either moves it past what it read and returns true, or
 * leaves the reason and the place in j and returns false. Nothing reads at or beyond j->end. */
#include "ingest/json.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/limits.h"
#include "base/mem.h"

static bool parse_value(struct json *j, struct json_value *v, unsigned depth);

static bool fail(struct json *j, const uint8_t *at, const char *reason)
{
	j->p = at;
	j->reason = reason;
	return false;
}

static inline void skip_blanks(struct json *j)
{
	const uint8_t *p = j->p;
	while (p < j->end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
		p++;
	j->p = p;
}

static inline bool is_digit(const uint8_t *p, const uint8_t *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

/* The first octet at or after p that a string cannot hold as it is: a quote, a backslash, a control
 * character, or the start of a UTF-8 sequence, which must be checked. */
static inline const uint8_t *find_special(const uint8_t *p, const uint8_t *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed: octets above 127 are negative, so one comparison finds both kinds. */
		__m128i hit = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
#else
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
	for (; end - p >= 8; p += 8) {
		uint64_t x;
		memcpy(&x, p, 8);
		uint64_t quote = x ^ (ones * '"'), backslash = x ^ (ones * '\\');
		/* Octets below n: (x - n) & ~x has the high bit; exact enough to stop and look. */
		uint64_t hit = x | ((x - ones * 0x20) & ~x) | ((quote - ones) & ~quote) |
			       ((backslash - ones) & ~backslash);
		if (hit & highs)
			break;
	}
#endif
	while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
		p++;
	return p;
}

/* Length of the valid UTF-8 sequence at p (p < end), or 0. RFC 3629's table. */
static size_t utf8_sequence(const uint8_t *p, const uint8_t *end)
{
	uint8_t c = p[0], low = 0x80, high = 0xbf;
	size_t n;
	if (c >= 0xc2 && c <= 0xdf) {
		n = 2;
	} else if (c >= 0xe0 && c <= 0xef) {
		n = 3;
		if (c == 0xe0)
			low = 0xa0; /* shorter forms exist below */
		else if (c == 0xed)
			high = 0x9f; /* surrogates above */
	} else if (c >= 0xf0 && c <= 0xf4) {
		n = 4;
		if (c == 0xf0)
			low = 0x90;
		else if (c == 0xf4)
			high = 0x8f; /* the end of Unicode */
	} else {
		return 0;
	}
	if ((size_t)(end - p) < n || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return n;
}

/* The value of four hexadecimal digits at p, or -1. */
static int32_t hex4(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 4)
		return -1;
	int32_t v = 0;
	for (int i = 0; i < 4; i++) {
		uint8_t c = p[i], letter = c | 0x20;
		if (c >= '0' && c <= '9')
			v = v * 16 + (c - '0');
		else if (letter >= 'a' && letter <= 'f')
			v = v * 16 + (letter - 'a' + 10);
		else
			return -1;
	}
	return v;
}

/* Reads a \u escape at p (p[0] is the backslash), with its second half when it is a surrogate pair.
 * Returns the octets it took, or 0. */
static size_t unicode_escape(const uint8_t *p, const uint8_t *end, uint32_t *ret_code)
{
	int32_t code = hex4(p + 2, end);
	if (code < 0 || (code >= 0xdc00 && code <= 0xdfff))
		return 0;
	*ret_code = (uint32_t)code;
	if (code < 0xd800 || code > 0xdbff)
		return 6;
	if (end - p < 12 || p[6] != '\\' || p[7] != 'u')
		return 0;
	int32_t second = hex4(p + 8, end);
	if (second < 0xdc00 || second > 0xdfff)
		return 0;
	*ret_code = 0x10000u + ((uint32_t)(code - 0xd800) << 10) + (uint32_t)(second - 0xdc00);
	return 12;
}

/* Length of the escape at p, or 0 when it is none that a string may hold. */
static size_t check_escape(const uint8_t *p, const uint8_t *end)
{
	if (end - p < 2)
		return 0;
	if (p[1] == 'u') {
		uint32_t code = 0;
		size_t n = unicode_escape(p, end, &code);
		return code ? n : 0;
	}
	return memchr("\"\\/bfnrt", p[1], 8) ? 2 : 0;
}

/* A string; j->p is behind its opening quote. */
static inline bool parse_string(struct json *j, struct json_value *v)
{
	const uint8_t *start = j->p, *p = start;
	v->kind = JSON_KIND_STRING;
	v->escaped = false;
	for (;;) {
		p = find_special(p, j->end);
		if (p == j->end)
			return fail(j, p, "a string is cut off");
		if (*p == '"')
			break;
		if (*p < 0x20)
			return fail(j, p, "a control character in a string");
		size_t n;
		if (*p == '\\') {
			n = check_escape(p, j->end);
			if (!n)
				return fail(j, p, "a bad escape");
			v->escaped = true;
		} else {
			n = utf8_sequence(p, j->end);
			if (!n)
				return fail(j, p, "invalid UTF-8");
		}
		p += n;
	}
	v->raw = bytes_of(start, (size_t)(p - start));
	j->p = p + 1;
	return true;
}

/* strtod wants a NUL behind the text, and the C locale's point. */
static bool text_to_real(struct bytes text, double *ret_real)
{
	char small[64];
	char *copy = text.n < sizeof(small) ? small : xmalloc(text.n + 1);
	memcpy(copy, text.p, text.n);
	copy[text.n] = '\0';
	locale_t c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* glibc: a static object */
	*ret_real = strtod_l(copy, NULL, c_locale);
	freelocale(c_locale);
	if (copy != small)
		free(copy);
	return !isinf(*ret_real);
}

/* A number with a fraction or an exponent; p is behind its integer part. */
static bool parse_real(struct json *j, const uint8_t *p, struct json_value *v)
{
	if (*p == '.') {
		p++;
		if (!is_digit(p, j->end))
			return fail(j, p, "a number without digits after the point");
		while (is_digit(p, j->end))
			p++;
	}
	if (p < j->end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < j->end && (*p == '+' || *p == '-'))
			p++;
		if (!is_digit(p, j->end))
			return fail(j, p, "a number without digits in its exponent");
		while (is_digit(p, j->end))
			p++;
	}
	v->kind = JSON_KIND_REAL;
	v->raw = bytes_of(j->p, (size_t)(p - j->p));
	if (!text_to_real(v->raw, &v->real))
		return fail(j, j->p, "a real number is too big");
	j->p = p;
	return true;
}

static inline bool parse_number(struct json *j, struct json_value *v)
{
	const uint8_t *p = j->p;
	bool negative = *p == '-';
	if (negative)
		p++;
	if (!is_digit(p, j->end))
		return fail(j, p, "a minus without digits");
	const uint8_t *digits = p;
	uint64_t n = 0;
	while (is_digit(p, j->end))
		n = n * 10 + (uint64_t)(*p++ - '0');
	if (*digits == '0' && p - digits > 1)
		return fail(j, digits, "a number with leading zeros");
	if (p < j->end && (*p == '.' || *p == 'e' || *p == 'E'))
		return parse_real(j, p, v);
	/* 19 digits never wrap 64 bits. */
	if (p - digits > 19 || n > (uint64_t)INT64_MAX + negative)
		return fail(j, j->p, "an integer of more than 64 bits");
	v->kind = JSON_KIND_INTEGER;
	v->integer = negative ? (int64_t)(0 - n) : (int64_t)n;
	v->raw = bytes_of(j->p, (size_t)(p - j->p));
	j->p = p;
	return true;
}

static bool parse_literal(struct json *j, struct json_value *v)
{
	static const struct {
		const char *text;
		enum json_kind kind;
	} literals[] = {
		{"null", JSON_KIND_NULL}, {"false", JSON_KIND_FALSE}, {"true", JSON_KIND_TRUE}};

	struct bytes rest = bytes_of(j->p, (size_t)(j->end - j->p));
	for (size_t i = 0; i < sizeof(literals) / sizeof(literals[0]); i++) {
		struct bytes text = bytes_str(literals[i].text);
		if (bytes_has_prefix(rest, text)) {
			v->kind = literals[i].kind;
			v->raw = bytes_of(j->p, text.n);
			j->p += text.n;
			return true;
		}
	}
	return fail(j, j->p, rest.n ? "no value where one is due" : "the text is cut off");
}

/* A key, its colon and its value. */
static inline bool parse_member(struct json *j, struct json_value *key, struct json_value *v,
				unsigned depth)
{
	if (j->p == j->end || *j->p != '"')
		return fail(j, j->p, "no key where one is due");
	j->p++;
	if (!parse_string(j, key))
		return false;
	skip_blanks(j);
	if (j->p == j->end || *j->p != ':')
		return fail(j, j->p, "no colon after a key");
	j->p++;
	skip_blanks(j);
	return parse_value(j, v, depth);
}

/* What follows a member or an element: a comma (and then *ret_more) or the closing bracket. */
static inline bool parse_separator(struct json *j, uint8_t closing, bool *ret_more)
{
	skip_blanks(j);
	if (j->p == j->end)
		return fail(j, j->p, "the text is cut off");
	*ret_more = *j->p == ',';
	if (!*ret_more && *j->p != closing)
		return fail(j, j->p, "no comma or bracket where one is due");
	j->p++;
	if (*ret_more)
		skip_blanks(j);
	return true;
}

/* An array or object inside, checked as a whole. Recursion ends at JSON_DEPTH_MAX. */
static bool parse_container(struct json *j, struct json_value *v, unsigned depth)
{
	const uint8_t *start = j->p;
	bool object = *start == '{';
	uint8_t closing = object ? '}' : ']';
	if (depth > JSON_DEPTH_MAX)
		return fail(j, j->p, "nested too deep");
	j->p++;
	skip_blanks(j);
	bool more = j->p == j->end || *j->p != closing;
	if (!more)
		j->p++;
	while (more) {
		struct json_value key, inner;
		bool ok = object ? parse_member(j, &key, &inner, depth + 1)
				 : parse_value(j, &inner, depth + 1);
		if (!ok || !parse_separator(j, closing, &more))
			return false;
	}
	v->kind = object ? JSON_KIND_OBJECT : JSON_KIND_ARRAY;
	v->raw = bytes_of(start, (size_t)(j->p - start));
	return true;
}

/* depth: of a container at this place. */
static bool parse_value(struct json *j, struct json_value *v, unsigned depth)
{
	if (j->p == j->end)
		return fail(j, j->p, "the text is cut off");
	uint8_t c = *j->p;
	if (c == '"') {
		j->p++;
		return parse_string(j, v);
	}
	if (c == '-' || (c >= '0' && c <= '9'))
		return parse_number(j, v);
	if (c == '{' || c == '[')
		return parse_container(j, v, depth);
	return parse_literal(j, v);
}

int json_begin(struct json *j, struct bytes text)
{
	*j = (struct json){.start = text.p, .p = text.p, .first = true};
	j->end = text.n ? text.p + text.n : text.p; /* text.p may be NULL when there is nothing */
	if (text.n)
		skip_blanks(j);
	if (!text.n || j->p == j->end || *j->p != '{') {
		fail(j, j->p, "not an object");
		return ERR_SYNTAX;
	}
	j->p++;
	skip_blanks(j);
	return 0;
}

/* After the object's closing brace. */
static bool check_end(struct json *j)
{
	skip_blanks(j);
	return j->p == j->end || fail(j, j->p, "something follows the object");
}

int json_next(struct json *j, struct json_value *ret_key, struct json_value *ret_value)
{
	if (j->done)
		return 0;
	if (j->first && j->p < j->end && *j->p == '}') {
		j->p++;
		j->done = true;
		return check_end(j) ? 0 : ERR_SYNTAX;
	}
	j->first = false;
	bool more;
	if (!parse_member(j, ret_key, ret_value, 2) || !parse_separator(j, '}', &more))
		return ERR_SYNTAX;
	j->done = !more;
	return more || check_end(j) ? 1 : ERR_SYNTAX;
}

void json_begin_array(struct json *j, const struct json_value *array)
{
	struct bytes text = array->raw;
	*j = (struct json){.start = text.p, .end = text.p + text.n, .p = text.p + 1, .first = true};
	skip_blanks(j);
}

int json_next_element(struct json *j, struct json_value *ret_value)
{
	if (j->done || (j->first && *j->p == ']'))
		return 0;
	j->first = false;
	bool more = false;
	/* It was inside an object when it was checked: this depth is enough. */
	if (!parse_value(j, ret_value, 3) || !parse_separator(j, ']', &more))
		return 0;
	j->done = !more;
	return 1;
}

static void put_utf8(uint32_t code, struct buffer *out)
{
	uint8_t b[4];
	size_t n;
	if (code < 0x80) {
		b[0] = (uint8_t)code;
		n = 1;
	} else if (code < 0x800) {
		b[0] = (uint8_t)(0xc0 | code >> 6);
		n = 2;
	} else if (code < 0x10000) {
		b[0] = (uint8_t)(0xe0 | code >> 12);
		n = 3;
	} else {
		b[0] = (uint8_t)(0xf0 | code >> 18);
		n = 4;
	}
	for (size_t i = n; i > 1; i--) {
		b[i - 1] = (uint8_t)(0x80 | (code & 0x3f));
		code >>= 6;
	}
	buffer_put(out, b, n);
}

void json_unescape(struct bytes raw, struct buffer *out)
{
	const uint8_t *p = raw.p, *end = raw.p + raw.n;
	while (p < end) {
		const uint8_t *backslash = memchr(p, '\\', (size_t)(end - p));
		if (!backslash || end - backslash < 2)
			break;
		buffer_put(out, p, (size_t)(backslash - p));
		p = backslash + 2;
		uint32_t code;
		switch (backslash[1]) {
		case 'b':
			buffer_put_byte(out, '\b');
			break;
		case 'f':
			buffer_put_byte(out, '\f');
			break;
		case 'n':
			buffer_put_byte(out, '\n');
			break;
		case 'r':
			buffer_put_byte(out, '\r');
			break;
		case 't':
			buffer_put_byte(out, '\t');
			break;
		case 'u':
			p = backslash + unicode_escape(backslash, end, &code);
			if (p == backslash)
				return; /* not from this parser */
			put_utf8(code, out);
			break;
		default:
			buffer_put_byte(out, backslash[1]);
			break;
		}
	}
	buffer_put(out, p, (size_t)(end - p));
}

bool json_number(struct bytes text, struct json_value *ret_value)
{
	if (!text.n)
		return false;
	struct json j = {.start = text.p, .end = text.p + text.n, .p = text.p};
	return parse_number(&j, ret_value) && j.p == j.end;
}

struct bytes json_text(const struct json_value *string, struct buffer *to)
{
	if (!string->escaped)
		return string->raw;
	buffer_clear(to);
	json_unescape(string->raw, to);
	return buffer_bytes(to);
}

static size_t name_index(const struct json_value *key, const struct bytes *names, size_t n)
{
	struct buffer unescaped = BUFFER_INIT;
	struct bytes name = json_text(key, &unescaped);
	size_t i = 0;
	while (i < n && !(name.n == names[i].n && memcmp(name.p, names[i].p, name.n) == 0))
		i++;
	buffer_release(&unescaped);
	return i;
}

int json_pick(struct json *j, struct bytes object, const struct bytes *names, size_t n, struct json_value *ret_values,
              uint64_t *ret_present)
{
	struct json_value key, value;
	uint64_t present = 0;
	int rc = json_begin(j, object);
	while (rc >= 0 && (rc = json_next(j, &key, &value)) == 1) {
		size_t i = name_index(&key, names, n);
		if (i == n)
			continue;
		ret_values[i] = value;
		present |= (uint64_t)1 << i;
		if (value.kind == JSON_KIND_NULL)
			present &= ~((uint64_t)1 << i);
	}
	*ret_present = present;
	return rc;
}
