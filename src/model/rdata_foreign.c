/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rdata of the types that are not hot, through libzscanner (text to wire) and libknot (wire to
 * text). The only file that includes them. */
#include <libknot/libknot.h>
#include <libzscanner/scanner.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "model/dname.h"
#include "model/rdata_priv.h"
#include "model/rrtype.h"

struct rdata_parser {
	zs_scanner_t scanner;
	bool ready;
	struct buffer line; /* scratch */
};

struct rdata_parser *rdata_parser_new(void)
{
	return xcalloc(1, sizeof(struct rdata_parser));
}

void rdata_parser_free(struct rdata_parser *p)
{
	if (!p)
		return;
	if (p->ready)
		zs_deinit(&p->scanner);
	buffer_release(&p->line);
	free(p);
}

/* Text that would be more than one record's data to a master file: another line, a comment, a
 * parenthesis that stays open. */
static bool is_one_line(struct bytes text)
{
	bool quoted = false;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c == 0 || c == '\n' || c == '\r')
			return false;
		if (c == '\\') {
			if (++i == text.n || text.p[i] == '\n' || text.p[i] == 0)
				return false;
			continue;
		}
		if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == ';' || c == '(' || c == ')'))
			return false;
	}
	return !quoted;
}

/* A scanner that met an error is not used again. */
static int scan(struct rdata_parser *p, uint16_t as, uint16_t type, struct buffer *out)
{
	zs_scanner_t *s = &p->scanner;
	if (!p->ready && zs_init(s, ".", KNOT_CLASS_IN, 0) != 0)
		return ERR_NOMEM;
	p->ready = true;
	int rc = ERR_SYNTAX;
	if (zs_set_input_string(s, (const char *)p->line.p, p->line.n) == 0 &&
	    zs_parse_record(s) == 0 && s->state == ZS_STATE_DATA && s->r_type == as)
		rc = rdata_canonical(type, bytes_of(s->r_data, s->r_data_length), out);
	if (rc < 0) {
		zs_deinit(s);
		p->ready = false;
	}
	return rc;
}

/* --- words --- */

/* What the words of a type are, a character a word, the last one for all that follow: n a name, g a
 * name when the second word is 3, t a type, p a SvcParam, b digits of one run, . anything else.
 * libzscanner and libknot do not spell these as the rest of dribble does: they know fewer types,
 * take fewer octets unescaped in names, and want digits cut in fours. Some types they do not know
 * are written as another one. */
static const struct form {
	uint16_t type;
	uint16_t as;
	char words[12];
} forms[] = {
	{6, 6, "nn."},    {24, 46, "t......nb"}, {25, 25, "...b"},    {37, 37, "...b"},
	{43, 43, "...b"}, {44, 44, "..b"},       {45, 45, "...gb"},   {46, 46, "t......nb"},
	{47, 47, "nt"},   {48, 48, "...b"},      {49, 49, "b"},       {50, 50, ".....t"},
	{52, 52, "...b"}, {53, 53, "...b"},      {57, 48, "...b"},    {59, 59, "...b"},
	{60, 60, "...b"}, {61, 61, "b"},         {62, 62, "..t"},     {63, 63, "...b"},
	{64, 64, ".np"},  {65, 65, ".np"},       {32768, 43, "...b"}, {32769, 43, "...b"},
};

static struct form form_of(uint16_t type)
{
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (forms[i].type == type)
			return forms[i];
	}
	return (struct form){type, type, "."};
}

/* The next word, which may hold quoted blanks. False at the end. */
static bool next_word(struct bytes *text, struct bytes *ret)
{
	size_t start = 0, n;
	bool quoted = false;
	while (start < text->n && (text->p[start] == ' ' || text->p[start] == '\t'))
		start++;
	for (n = start; n < text->n; n++) {
		uint8_t c = text->p[n];
		if (!quoted && (c == ' ' || c == '\t'))
			break;
		if (c == '"')
			quoted = !quoted;
		if (c == '\\' && n + 1 < text->n)
			n++;
	}
	*ret = bytes_of(text->p + start, n - start);
	*text = bytes_of(text->p + n, text->n - n);
	return ret->n > 0;
}

/* SvcParamKeys younger than libzscanner (IANA, DNS SVCB). */
static const char *const young_keys[] = {"dohpath", "ohttp", "tls-supported-groups", "docpath"};

enum { FIRST_YOUNG_KEY = 7 };

static size_t key_len(struct bytes word)
{
	const uint8_t *equals = memchr(word.p, '=', word.n);
	return equals ? (size_t)(equals - word.p) : word.n;
}

/* Octets as they are, those that are not ASCII escaped. */
static void put_word(struct bytes word, struct buffer *out)
{
	for (size_t i = 0; i < word.n; i++) {
		bool escaped = word.p[i] == '\\' && i + 1 < word.n;
		uint8_t c = word.p[i += escaped];
		if (c < 0x20 || c > 0x7e) {
			rdata_octet_to_text(c, out);
			continue;
		}
		if (escaped)
			buffer_put_byte(out, '\\');
		buffer_put_byte(out, c);
	}
}

/* A name, with a dot at its end and all but letters and digits escaped. */
static int read_name(struct bytes word, struct buffer *out)
{
	struct buffer wire = BUFFER_INIT;
	int rc = rdata_name_from_text(word, &wire);
	if (rc == 0 && wire.n == 1)
		buffer_put_byte(out, '.');
	for (size_t at = 0; rc == 0 && wire.p[at]; at += wire.p[at] + 1u) {
		for (size_t i = 1; i <= wire.p[at]; i++) {
			uint8_t c = wire.p[at + i];
			if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
			    c == '_')
				buffer_put_byte(out, c);
			else
				rdata_octet_to_text(c, out);
		}
		buffer_put_byte(out, '.');
	}
	buffer_release(&wire);
	return rc;
}

/* A word as libzscanner takes it. */
static int read_word(char kind, struct bytes word, struct buffer *out)
{
	uint16_t type;
	size_t n;
	switch (kind) {
	case 'n':
		return read_name(word, out);
	case 't': /* a bare number is none */
		if (word.p[0] >= '0' && word.p[0] <= '9')
			return ERR_SYNTAX;
		if (!rrtype_from_text(word, &type))
			return ERR_SYNTAX;
		buffer_putf(out, "TYPE%u", type);
		return 0;
	case 'p':
		n = key_len(word);
		if (n + 1 == word.n || (n + 3 == word.n && memcmp(word.p + n, "=\"\"", 3) == 0))
			word.n = n; /* no value and an empty one are the same */
		for (size_t i = 0; i < sizeof(young_keys) / sizeof(young_keys[0]); i++) {
			if (bytes_eq(bytes_of(word.p, n), bytes_str(young_keys[i]))) {
				buffer_putf(out, "key%zu", FIRST_YOUNG_KEY + i);
				word = bytes_of(word.p + n, word.n - n);
				break;
			}
		}
		/* fall through */
	default:
		put_word(word, out);
		return 0;
	}
}

/* A word of libknot as dribble prints it. */
static int print_word(char kind, struct bytes word, struct buffer *out)
{
	uint8_t wire[DNAME_MAX];
	uint16_t type;
	int n;
	switch (kind) {
	case 'n':
		n = dname_from_text(word, wire);
		if (n > 0)
			dname_to_text(bytes_of(wire, (size_t)n), out);
		return n > 0 ? 0 : ERR_SYNTAX;
	case 't':
		if (!rrtype_from_text(word, &type))
			return ERR_SYNTAX;
		rrtype_to_text(type, out);
		return 0;
	default:
		buffer_put_bytes(out, word);
		return 0;
	}
}

/* Every word by its kind, one blank between them. */
static int rewrite(const char *words, struct bytes text,
		   int (*one)(char kind, struct bytes word, struct buffer *out), struct buffer *out)
{
	struct bytes word;
	bool gateway = false;
	char before = '\0';
	for (size_t i = 0; next_word(&text, &word); i++) {
		char kind = *words;
		if (i == 1)
			gateway = bytes_eq(word, bytes_str("3"));
		if (kind == 'g')
			kind = gateway ? 'n' : '.';
		if (i && !(kind == 'b' && before == 'b'))
			buffer_put_byte(out, ' ');
		int rc = one(kind, word, out);
		if (rc < 0)
			return rc;
		before = kind;
		words += words[1] != '\0';
	}
	return 0;
}

int rdata_foreign_from_text(struct rdata_parser *p, uint16_t type, struct bytes text,
			    struct buffer *out)
{
	char name[32];
	struct form form = form_of(type);
	if (!text.n || !is_one_line(text) || knot_rrtype_to_string(form.as, name, sizeof(name)) < 0)
		return ERR_SYNTAX;
	buffer_clear(&p->line);
	buffer_putf(&p->line, ". 0 IN %s ", name);
	int rc = rewrite(form.words, text, read_word, &p->line);
	buffer_put_byte(&p->line, '\n');
	return rc < 0 ? rc : scan(p, form.as, type, out);
}

/* --- printing --- */

/* Ample for what is read back, RDATA_TEXT_MAX. */
#define KNOT_ROOM_MAX ((size_t)4 << 20)

static bool knot_print(uint16_t type, struct bytes rdata, struct buffer *out)
{
	static const knot_dump_style_t style = {.human_timestamp = true};
	struct form form = form_of(type);
	knot_dname_t *root = (knot_dname_t *)(uintptr_t)"";
	struct buffer text = BUFFER_INIT;
	knot_rrset_t rrset;
	int n = KNOT_ERROR;
	knot_rrset_init(&rrset, root, form.as, KNOT_CLASS_IN, 0);
	if (knot_rrset_add_rdata(&rrset, rdata.p, (uint16_t)rdata.n, NULL) == KNOT_EOK) {
		n = KNOT_ESPACE; /* an octet of a bitmap may become 8 types */
		for (size_t room = 6 * rdata.n + 512; n == KNOT_ESPACE && room <= KNOT_ROOM_MAX;
		     room *= 4)
			n = knot_rrset_txt_dump_data(&rrset, 0, (char *)buffer_reserve(&text, room),
						     room, &style);
	}
	knot_rdataset_clear(&rrset.rrs, NULL);
	bool printed = n > 0 && memcmp(text.p, "\\# ", (size_t)(n < 3 ? n : 3)) != 0 &&
		       rewrite(form.words, bytes_of(text.p, (size_t)n), print_word, out) == 0;
	buffer_release(&text);
	return printed;
}

/* One a thread, for reading back what was printed. */
static pthread_key_t parser_key;
static pthread_once_t parser_once = PTHREAD_ONCE_INIT;

static void parser_destroy(void *p)
{
	rdata_parser_free(p);
}

static void parser_key_make(void)
{
	if (pthread_key_create(&parser_key, parser_destroy) != 0)
		abort();
}

static struct rdata_parser *thread_parser(void)
{
	pthread_once(&parser_once, parser_key_make);
	struct rdata_parser *p = pthread_getspecific(parser_key);
	if (!p) {
		p = rdata_parser_new();
		pthread_setspecific(parser_key, p);
	}
	return p;
}

/* libknot trusts that rdata is of its type, and reads beyond the end of some that is not. What it
 * prints of odd rdata cannot always be read back as the same: then it is not used. */
bool rdata_foreign_to_text(uint16_t type, struct bytes rdata, struct buffer *out)
{
	size_t start = out->n;
	struct buffer again = BUFFER_INIT;
	bool same = rrtype_mnemonic(type) && !rrtype_is_meta(type) && rdata_is_valid(type, rdata) &&
		    knot_print(type, rdata, out);
	same = same && out->n - start <= RDATA_TEXT_MAX;
	for (size_t i = start; i < out->n && same; i++)
		same = out->p[i] >= 0x20 && out->p[i] <= 0x7e;
	if (same) {
		struct bytes text = bytes_of(out->p + start, out->n - start);
		same = rdata_foreign_from_text(thread_parser(), type, text, &again) == 0 &&
		       bytes_eq(buffer_bytes(&again), rdata);
	}
	buffer_release(&again);
	if (!same)
		out->n = start;
	return same;
}
