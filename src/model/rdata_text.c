/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The presentation form of rdata: the hot types here, all others through rdata_foreign.c. */
#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base/limits.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rdata_priv.h"
#include "model/rrtype.h"

enum { DSYNC_NOTIFY = 1 };

/* --- reading --- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* Whether the octet behind is escaped: an odd number of backslashes. */
static bool ends_in_backslash(const uint8_t *p, size_t n)
{
	size_t at = n;
	while (at && p[at - 1] == '\\')
		at--;
	return (n - at) % 2;
}

static struct bytes trim(struct bytes t)
{
	while (t.n && is_blank(t.p[0]))
		t = bytes_of(t.p + 1, t.n - 1);
	while (t.n && is_blank(t.p[t.n - 1]) && !ends_in_backslash(t.p, t.n - 1))
		t.n--;
	return t;
}

/* The next token, ended by blanks; an escaped blank does not end it. False at the end. */
static bool next_token(struct bytes *text, struct bytes *ret)
{
	size_t n = 0;
	*text = trim(*text);
	if (!text->n)
		return false;
	while (n < text->n && !is_blank(text->p[n]))
		n += text->p[n] == '\\' && n + 1 < text->n ? 2 : 1;
	*ret = bytes_of(text->p, n);
	*text = bytes_of(text->p + n, text->n - n);
	return true;
}

/* What ends or opens something in a master file, when it is neither quoted nor escaped. */
static bool is_special(uint8_t c)
{
	return c < 0x20 || c == '"' || c == ';' || c == '(' || c == ')';
}

int rdata_name_from_text(struct bytes text, struct buffer *out)
{
	for (size_t i = 0; i < text.n; i++) {
		if (is_special(text.p[i]))
			return ERR_SYNTAX;
		if (text.p[i] == '\\')
			i++;
	}
	if (text.n == 1 && text.p[0] == '@')
		return ERR_SYNTAX;
	uint8_t *to = buffer_reserve(out, DNAME_MAX);
	int n = dname_from_text(text, to);
	if (n > 0)
		out->n += (size_t)n;
	return n < 0 ? n : 0;
}

static int put_integer(struct bytes token, int octets, struct buffer *out)
{
	uint64_t v = 0;
	if (!token.n || token.n > 10)
		return ERR_SYNTAX;
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] < '0' || token.p[i] > '9')
			return ERR_SYNTAX;
		v = v * 10 + (token.p[i] - '0');
	}
	if (v >> (8 * octets))
		return ERR_SYNTAX;
	uint8_t *to = buffer_reserve(out, 4);
	for (int i = octets - 1; i >= 0; i--)
		*to++ = (uint8_t)(v >> (8 * i));
	out->n += (size_t)octets;
	return 0;
}

/* One octet of text, escapes resolved; moves p. False for a bad escape. */
static bool next_octet(const uint8_t **p, const uint8_t *end, uint8_t *ret)
{
	const uint8_t *s = *p;
	if (*s != '\\') {
		*ret = *s;
		*p = s + 1;
		return true;
	}
	if (end - s < 2)
		return false;
	if (s[1] < '0' || s[1] > '9') {
		*ret = s[1];
		*p = s + 2;
		return true;
	}
	if (end - s < 4 || s[2] < '0' || s[2] > '9' || s[3] < '0' || s[3] > '9')
		return false;
	unsigned v = (s[1] - '0') * 100u + (s[2] - '0') * 10u + (s[3] - '0');
	*ret = (uint8_t)v;
	*p = s + 4;
	return v <= 255;
}

/* The next character-string, quoted or a word. */
static int put_string(struct bytes *text, struct buffer *out)
{
	*text = trim(*text);
	const uint8_t *p = text->p, *end = p + text->n;
	size_t start = out->n;
	if (p == end)
		return ERR_SYNTAX;
	bool quoted = *p == '"';
	uint8_t c = 0;
	buffer_put_byte(out, 0);
	for (p += quoted; p < end && (quoted ? *p != '"' : !is_blank(*p));) {
		if (quoted ? *p < 0x20 && *p != '\t' : is_special(*p))
			return ERR_SYNTAX;
		if (!next_octet(&p, end, &c))
			return ERR_SYNTAX;
		buffer_put_byte(out, c);
	}
	if (quoted && (p == end || (++p < end && !is_blank(*p))))
		return ERR_SYNTAX;
	if (out->n - start > 256)
		return ERR_LIMIT;
	out->p[start] = (uint8_t)(out->n - start - 1);
	*text = bytes_of(p, (size_t)(end - p));
	return 0;
}

/* A mnemonic or TYPEn; a bare number is none. */
static int put_type(struct bytes token, struct buffer *out)
{
	uint16_t type;
	if ((token.p[0] >= '0' && token.p[0] <= '9') || !rrtype_from_text(token, &type))
		return ERR_SYNTAX;
	buffer_put_byte(out, (uint8_t)(type >> 8));
	buffer_put_byte(out, (uint8_t)type);
	return 0;
}

/* The scheme of a DSYNC (RFC 9859 2.1): a number, or the one mnemonic. */
static int put_scheme(struct bytes token, struct buffer *out)
{
	if (token.n != 6 || strncasecmp((const char *)token.p, "NOTIFY", 6) != 0)
		return put_integer(token, 1, out);
	buffer_put_byte(out, DSYNC_NOTIFY);
	return 0;
}

static int field_from_text(char field, struct bytes *text, struct buffer *out)
{
	struct bytes token;
	if (field == 's')
		return put_string(text, out);
	if (field == 'o')
		return trim(*text).n ? put_string(text, out) : 0;
	if (!next_token(text, &token))
		return ERR_SYNTAX;
	switch (field) {
	case 'n':
		return rdata_name_from_text(token, out);
	case 't':
		return put_type(token, out);
	case 'y':
		return put_scheme(token, out);
	default:
		return put_integer(token, field - '0', out);
	}
}

static int layout_from_text(const char *layout, struct bytes text, struct buffer *out)
{
	for (; *layout; layout++) {
		int rc = field_from_text(*layout, &text, out);
		if (rc < 0)
			return rc;
	}
	return trim(text).n ? ERR_SYNTAX : 0;
}

static int address_from_text(int family, struct bytes text, struct buffer *out)
{
	char spelling[INET6_ADDRSTRLEN];
	uint8_t addr[16];
	text = trim(text);
	if (!text.n || text.n >= sizeof(spelling) || memchr(text.p, 0, text.n))
		return ERR_SYNTAX;
	memcpy(spelling, text.p, text.n);
	spelling[text.n] = '\0';
	if (inet_pton(family, spelling, addr) != 1)
		return ERR_SYNTAX;
	buffer_put(out, addr, family == AF_INET ? 4 : 16);
	return 0;
}

/* Octets as character-strings of 255. */
static int put_strings(struct bytes octets, struct buffer *out)
{
	if (octets.n + octets.n / 255 + 1 > RDATA_MAX)
		return ERR_LIMIT;
	size_t at = 0;
	do {
		size_t n = octets.n - at < 255 ? octets.n - at : 255;
		buffer_put_byte(out, (uint8_t)n);
		buffer_put(out, octets.p + at, n);
		at += n;
	} while (at < octets.n);
	return 0;
}

/* Quoted strings one after another are one run of octets; so are the blanks-separated words behind
 * a first quoted one. Text that does not begin with a quote is one string as it stands: what feeds
 * print that strip the quotes. */
static int octets_from_text(struct bytes text, struct buffer *out)
{
	const uint8_t *p = text.p, *end = p + text.n;
	bool master = text.n && *p == '"', quoted = false;
	uint8_t c;
	while (p < end) {
		if (master && *p == '"') {
			quoted = !quoted;
			p++;
			continue;
		}
		if (master && !quoted && is_blank(*p)) {
			p++;
			continue;
		}
		if (!next_octet(&p, end, &c))
			return ERR_SYNTAX;
		buffer_put_byte(out, c);
	}
	return quoted ? ERR_SYNTAX : 0;
}

static int text_from_text(struct bytes text, struct buffer *out)
{
	struct buffer octets = BUFFER_INIT;
	text = trim(text);
	if (!text.n)
		return ERR_SYNTAX;
	buffer_reserve(&octets, text.n); /* once */
	int rc = octets_from_text(text, &octets);
	if (rc == 0)
		rc = put_strings(buffer_bytes(&octets), out);
	buffer_release(&octets);
	return rc;
}

static int hex_digit(uint8_t c)
{
	return c >= '0' && c <= '9'                             ? c - '0'
	       : ascii_lower(c) >= 'a' && ascii_lower(c) <= 'f' ? ascii_lower(c) - 'a' + 10
								: -1;
}

/* The word \#, not a word that begins so. */
static bool is_generic(struct bytes text)
{
	return text.n >= 2 && text.p[0] == '\\' && text.p[1] == '#' &&
	       (text.n == 2 || is_blank(text.p[2]));
}

/* RFC 3597 5: \# LENGTH HEX, the hexadecimal digits in any number of words. */
static int generic_from_text(uint16_t type, struct bytes text, struct buffer *out)
{
	struct bytes token;
	size_t length = 0;
	struct buffer wire = BUFFER_INIT;
	int rc = ERR_SYNTAX, high = -1;
	next_token(&text, &token); /* \# */
	if (!next_token(&text, &token) || token.n > 5)
		return ERR_SYNTAX;
	for (size_t i = 0; i < token.n; i++) {
		if (token.p[i] < '0' || token.p[i] > '9')
			return ERR_SYNTAX;
		length = length * 10 + (size_t)(token.p[i] - '0');
	}
	while (next_token(&text, &token)) {
		for (size_t i = 0; i < token.n; i++) {
			int digit = hex_digit(token.p[i]);
			if (digit < 0)
				goto out;
			if (high >= 0)
				buffer_put_byte(&wire, (uint8_t)(high << 4 | digit));
			high = high >= 0 ? -1 : digit;
		}
	}
	if (high < 0 && wire.n == length)
		rc = rdata_canonical(type, buffer_bytes(&wire), out);
out:
	buffer_release(&wire);
	return rc;
}

int rdata_from_text(struct rdata_parser *p, uint16_t type, struct bytes text, struct buffer *out)
{
	size_t start = out->n;
	const char *layout;
	int rc;
	if (text.n > RDATA_TEXT_MAX)
		return ERR_LIMIT;
	struct bytes trimmed = trim(text);
	if (is_generic(trimmed))
		rc = generic_from_text(type, trimmed, out);
	else if (type == RRTYPE_A || type == RRTYPE_AAAA)
		rc = address_from_text(type == RRTYPE_A ? AF_INET : AF_INET6, text, out);
	else if (rdata_is_text(type))
		rc = text_from_text(text, out);
	else if (!rdata_layout_is_plain(layout = rdata_layout(type)))
		rc = rdata_foreign_from_text(p, type, text, out);
	else if ((rc = layout_from_text(layout, text, out)) < 0 && type == RRTYPE_SOA) {
		out->n = start; /* times as 1h30m, which few write */
		rc = rdata_foreign_from_text(p, type, text, out);
	}
	if (rc < 0)
		out->n = start;
	return rc;
}

/* --- printing --- */

static void put_blank(struct buffer *out)
{
	buffer_put_byte(out, ' ');
}

void rdata_octet_to_text(uint8_t c, struct buffer *out)
{
	uint8_t digits[] = {'\\', '0' + c / 100, '0' + c / 10 % 10, '0' + c % 10};
	buffer_put(out, digits, sizeof(digits));
}

/* A character-string; returns its length on the wire. */
static size_t string_to_text(const uint8_t *p, struct buffer *out)
{
	buffer_put_byte(out, '"');
	for (size_t i = 1; i <= *p; i++) {
		uint8_t c = p[i];
		if (c < 0x20 || c > 0x7e) {
			rdata_octet_to_text(c, out);
			continue;
		}
		if (c == '"' || c == '\\')
			buffer_put_byte(out, '\\');
		buffer_put_byte(out, c);
	}
	buffer_put_byte(out, '"');
	return *p + 1u;
}

/* A field; returns its length on the wire. n is what there is of rdata. */
static size_t field_to_text(char field, const uint8_t *p, size_t n, struct buffer *out)
{
	uint32_t v = 0;
	switch (field) {
	case 'n':
		n = (size_t)dname_wire_len(p, n);
		dname_to_text(bytes_of(p, n), out);
		return n;
	case 's':
	case 'o':
		return string_to_text(p, out);
	case 't':
		rrtype_to_text((uint16_t)(p[0] << 8 | p[1]), out);
		return 2;
	case 'y':
		if (*p == DSYNC_NOTIFY)
			buffer_put_str(out, "NOTIFY");
		else
			buffer_put_u64(out, *p);
		return 1;
	default:
		n = (size_t)(field - '0');
		for (size_t i = 0; i < n; i++)
			v = v << 8 | p[i];
		buffer_put_u64(out, v);
		return n;
	}
}

static void layout_to_text(const char *layout, struct bytes r, struct buffer *out)
{
	size_t at = 0;
	for (const char *field = layout; *field; field++) {
		if (*field == 'o' && at == r.n)
			continue;
		if (at)
			put_blank(out);
		at += field_to_text(*field, r.p + at, r.n - at, out);
	}
}

static bool text_fits(struct bytes r)
{
	size_t at = 0;
	while (at < r.n)
		at += r.p[at] + 1u;
	return r.n && at == r.n;
}

static void strings_to_text(struct bytes r, struct buffer *out)
{
	for (size_t at = 0; at < r.n;) {
		if (at)
			put_blank(out);
		at += string_to_text(r.p + at, out);
	}
}

static void generic_to_text(struct bytes r, struct buffer *out)
{
	static const char hex[] = "0123456789ABCDEF";
	buffer_putf(out, "\\# %zu", r.n);
	if (!r.n)
		return;
	put_blank(out);
	for (size_t i = 0; i < r.n; i++) {
		buffer_put_byte(out, (uint8_t)hex[r.p[i] >> 4]);
		buffer_put_byte(out, (uint8_t)hex[r.p[i] & 15]);
	}
}

static void ipv4_to_text(const uint8_t *addr, struct buffer *out)
{
	for (int i = 0; i < 4; i++) {
		if (i)
			buffer_put_byte(out, '.');
		buffer_put_u64(out, addr[i]);
	}
}

static void put_group(const uint8_t *octets, struct buffer *out)
{
	static const char digits[] = "0123456789abcdef";
	unsigned v = (unsigned)octets[0] << 8 | octets[1];
	int shift = v > 0xfff ? 12 : v > 0xff ? 8 : v > 0xf ? 4 : 0;
	for (; shift >= 0; shift -= 4)
		buffer_put_byte(out, (uint8_t)digits[v >> shift & 15]);
}

/* The first of the longest runs of zero groups, of two at least. Returns its length, 0 when there is none. */
static int zero_groups(const uint8_t *addr, int *ret_start)
{
	int most = 1, n = 0;
	for (int i = 0; i < 8; i++) {
		n = addr[2 * i] || addr[2 * i + 1] ? 0 : n + 1;
		if (n > most) {
			most = n;
			*ret_start = i - n + 1;
		}
	}
	return most > 1 ? most : 0;
}

/* As inet_ntop, which takes as long as all the rest of an answer's line. */
static void ipv6_to_text(const uint8_t *addr, struct buffer *out)
{
	int start = -1, zeros = zero_groups(addr, &start);
	bool mapped = start == 0 && (zeros == 6 || (zeros == 5 && addr[10] == 0xff && addr[11] == 0xff));
	for (int i = 0; i < 8; i++) {
		if (zeros && i == start) {
			buffer_put(out, "::", 2);
			i += zeros - 1;
			continue;
		}
		if (i && i != start + zeros)
			buffer_put_byte(out, ':');
		if (i == 6 && mapped) {
			ipv4_to_text(addr + 12, out);
			break;
		}
		put_group(addr + 2 * i, out);
	}
}

void rdata_to_text(uint16_t type, enum rdata_form form, struct bytes rdata, struct buffer *out)
{
	const char *layout;
	if (form == RDATA_OPAQUE)
		buffer_put_bytes(out, rdata);
	else if (type == RRTYPE_A && rdata.n == 4)
		ipv4_to_text(rdata.p, out);
	else if (type == RRTYPE_AAAA && rdata.n == 16)
		ipv6_to_text(rdata.p, out);
	else if (rdata_is_text(type) && text_fits(rdata))
		strings_to_text(rdata, out);
	else if (rdata_layout_is_plain(layout = rdata_layout(type)) && rdata_is_valid(type, rdata))
		layout_to_text(layout, rdata, out);
	else if (!rdata_foreign_to_text(type, rdata, out))
		generic_to_text(rdata, out);
}
