/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rdata as text: two octets of type, then the text. What is read is canonical, and its text is a
 * fixed point. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rdata_priv.h"
#include "model/rrtype.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rdata_parser *parser;

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Printable, single blanks, none at the ends. */
static void require_tidy(struct bytes text)
{
	bool quoted = false;
	require(text.n > 0);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		require(c >= 0x20 && c <= 0x7e);
		if (c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (c == ' ' && !quoted)
			require(i > 0 && i + 1 < text.n && text.p[i - 1] != ' ');
	}
	require(!quoted);
}

static void require_terms(uint16_t type, struct bytes wire)
{
	struct term terms[TERMS_MAX];
	size_t n = rdata_terms(type, RDATA_WIRE, wire, terms);
	require(n <= TERMS_MAX);
	for (size_t i = 0; i < n; i++) {
		const struct term *t = &terms[i];
		require(t->value.p == wire.p + t->at && t->at + t->value.n <= wire.n);
		require(t->value.n == (t->kind == TERM_IPV4 ? 4
				       : t->kind == TERM_IPV6
					       ? 16
					       : (size_t)dname_wire_len(t->value.p, t->value.n)));
		for (size_t j = 0; j < i; j++)
			require(t->kind != terms[j].kind || !bytes_eq(t->value, terms[j].value));
	}
}

static void check_read(uint16_t type, struct bytes text, struct bytes wire)
{
	struct buffer again = BUFFER_INIT, printed = BUFFER_INIT, reprinted = BUFFER_INIT;
	require(wire.n <= RDATA_MAX);
	require(rdata_canonical(type, wire, &again) == 0 && bytes_eq(buffer_bytes(&again), wire));
	rdata_to_text(type, RDATA_WIRE, wire, &printed);
	require_tidy(buffer_bytes(&printed));
	buffer_clear(&again);
	require(rdata_from_text(parser, type, buffer_bytes(&printed), &again) == 0);
	require(bytes_eq(buffer_bytes(&again), wire));
	rdata_to_text(type, RDATA_WIRE, buffer_bytes(&again), &reprinted);
	require(bytes_eq(buffer_bytes(&printed), buffer_bytes(&reprinted)));
	require_terms(type, wire);
	/* blanks around it change nothing, unless the last one is escaped */
	buffer_clear(&reprinted);
	buffer_clear(&again);
	buffer_put_str(&reprinted, " \t");
	buffer_put_bytes(&reprinted, text);
	if (text.p[text.n - 1] != '\\')
		buffer_put_str(&reprinted, "\t ");
	require(rdata_from_text(parser, type, buffer_bytes(&reprinted), &again) == 0 ||
		reprinted.n > RDATA_TEXT_MAX);
	require(reprinted.n > RDATA_TEXT_MAX || bytes_eq(buffer_bytes(&again), wire));
	buffer_release(&again);
	buffer_release(&printed);
	buffer_release(&reprinted);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer wire = BUFFER_INIT, theirs = BUFFER_INIT;
	if (!parser)
		parser = rdata_parser_new();
	if (size < 2)
		return 0;
	uint16_t type = (uint16_t)(data[0] << 8 | data[1]);
	struct bytes text = bytes_of(data + 2, size - 2);
	buffer_put_byte(&wire, '!'); /* what is there stays */
	int rc = rdata_from_text(parser, type, text, &wire);
	require(rc == 0 || rc == ERR_SYNTAX || rc == ERR_LIMIT);
	require(wire.p[0] == '!' && (rc == 0 || wire.n == 1));
	struct bytes ours = bytes_of(wire.p + 1, wire.n - 1);
	if (rc == 0)
		check_read(type, text, ours);
	/* libzscanner reads fewer spellings of plain types, none of them otherwise */
	if (rdata_layout_is_plain(rdata_layout(type)) && rc == 0 &&
	    rdata_foreign_from_text(parser, type, text, &theirs) == 0)
		require(bytes_eq(buffer_bytes(&theirs), ours));
	buffer_clear(&theirs);
	rdata_to_text(type, RDATA_OPAQUE, text, &theirs);
	require(bytes_eq(buffer_bytes(&theirs), text));
	buffer_release(&wire);
	buffer_release(&theirs);
	return 0;
}
