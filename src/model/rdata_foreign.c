/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rdata of the types that are not hot, through libzscanner (text to wire) and libknot (wire to text). The only file that includes
 * them. */
#include <libknot/libknot.h>
#include <libzscanner/scanner.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
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

/* Text that would be more than one record's data to a master file: another line, a comment, a parenthesis that
 * stays open. */
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
static int scan(struct rdata_parser *p, uint16_t type, struct buffer *out)
{
	zs_scanner_t *s = &p->scanner;
	if (!p->ready && zs_init(s, ".", KNOT_CLASS_IN, 0) != 0)
		return ERR_NOMEM;
	p->ready = true;
	int rc = ERR_SYNTAX;
	if (zs_set_input_string(s, (const char *)p->line.p, p->line.n) == 0 &&
	    zs_parse_record(s) == 0 && s->state == ZS_STATE_DATA && s->r_type == type)
		rc = rdata_canonical(type, bytes_of(s->r_data, s->r_data_length), out);
	if (rc < 0) {
		zs_deinit(s);
		p->ready = false;
	}
	return rc;
}

int rdata_foreign_from_text(struct rdata_parser *p, uint16_t type, struct bytes text,
                            struct buffer *out)
{
	char name[32];
	if (!text.n || !is_one_line(text) || knot_rrtype_to_string(type, name, sizeof(name)) < 0)
		return ERR_SYNTAX;
	buffer_clear(&p->line);
	buffer_putf(&p->line, ". 0 IN %s ", name);
	buffer_put_bytes(&p->line, text);
	buffer_put_byte(&p->line, '\n');
	return scan(p, type, out);
}

/* --- printing --- */

/* Which of the words libknot prints are names: from the first to the last, -1 for the very last word. */
static bool name_words(uint16_t type, struct bytes rdata, int *ret_first, int *ret_last)
{
	static const struct {
		uint16_t type;
		int first, last;
	} known[] = {
		{24, 7, 7}, {30, 0, 0}, {35, -1, -1}, {46, 7, 7}, {47, 0, 0}, {64, 1, 1}, {65, 1, 1},
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].type == type) {
			*ret_first = known[i].first;
			*ret_last = known[i].last;
			return true;
		}
	}
	*ret_first = 3;
	*ret_last = type == 55 ? 10000 : 3;
	return type == 55 || (type == 45 && rdata.n > 1 && rdata.p[1] == 3) ||
	       (type == 260 && rdata.n > 1 && (rdata.p[1] & 0x7f) == 3);
}

/* Appends a word without the dot that ends a name. */
static void put_name_word(struct bytes word, struct buffer *out)
{
	bool dotted = word.n > 1 && word.p[word.n - 1] == '.';
	buffer_put(out, word.p, word.n - dotted);
}

static void put_words(uint16_t type, struct bytes rdata, struct bytes text, struct buffer *out)
{
	int first, last, index = 0;
	if (!name_words(type, rdata, &first, &last)) {
		buffer_put_bytes(out, text);
		return;
	}
	while (text.n) {
		const uint8_t *space = memchr(text.p, ' ', text.n);
		size_t n = space ? (size_t)(space - text.p) : text.n;
		struct bytes word = bytes_of(text.p, n);
		bool is_name = first < 0 ? !space : index >= first && index <= last;
		if (is_name)
			put_name_word(word, out);
		else
			buffer_put_bytes(out, word);
		if (space)
			buffer_put_byte(out, ' ');
		text = space ? bytes_of(space + 1, text.n - n - 1) : bytes_of(NULL, 0);
		index++;
	}
}

static bool knot_print(uint16_t type, struct bytes rdata, struct buffer *out)
{
	static const knot_dump_style_t style = {.human_timestamp = true};
	knot_dname_t *root = (knot_dname_t *)(uintptr_t)"";
	struct buffer text = BUFFER_INIT;
	knot_rrset_t rrset;
	int n = -1;
	knot_rrset_init(&rrset, root, type, KNOT_CLASS_IN, 0);
	if (knot_rrset_add_rdata(&rrset, rdata.p, (uint16_t)rdata.n, NULL) == KNOT_EOK) {
		size_t room = 6 * rdata.n + 512;
		n = knot_rrset_txt_dump_data(&rrset, 0, (char *)buffer_reserve(&text, room), room, &style);
	}
	knot_rdataset_clear(&rrset.rrs, NULL);
	if (n > 0) {
		while (n > 0 && text.p[n - 1] == ' ')
			n--;
		put_words(type, rdata, bytes_of(text.p, (size_t)n), out);
	}
	buffer_release(&text);
	return n > 0;
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

/* What libknot prints of odd rdata cannot always be read back as the same: then it is not used. */
bool rdata_foreign_to_text(uint16_t type, struct bytes rdata, struct buffer *out)
{
	size_t start = out->n;
	struct buffer again = BUFFER_INIT;
	bool same = rrtype_mnemonic(type) && knot_print(type, rdata, out);
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
