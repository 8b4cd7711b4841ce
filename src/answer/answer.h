/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records as lines: the styles of the contract. Every line is one JSON object in ASCII, ended by LF. */
#pragma once

#include "base/buffer.h"
#include "base/bytes.h"
#include "store/keys.h"

enum style {
	STYLE_CIRCL,  /* rrname = data, rdata = owner; integers; origin */
	STYLE_COF,    /* rrname = owner, rdata = data; integers; optional members; origin */
	STYLE_DOC,    /* as circl; decimal strings; no origin */
	STYLE_EXPORT, /* as cof without origin: reading it back gives the same record */
	STYLE_TABLE,  /* for people: owner, type, data, times, count */
};

/* Name to style; false when there is no such style for answers (circl, cof, doc). */
bool style_from_text(struct bytes name, enum style *ret);
const char *style_name(enum style style);

/* What the lines of one answer share. Zero-initialised but for style and origin. */
struct answer {
	enum style style;
	struct bytes origin; /* URI; borrowed */
	struct buffer text;  /* scratch */
	struct buffer name;  /* scratch */
};

void answer_release(struct answer *a);

/* Appends the line of a record. */
void answer_line(struct answer *a, const struct record *r, struct buffer *out);

/* Appends bytes as a JSON string with its quotes, ASCII only: what is UTF-8 becomes \uXXXX, other octets and
 * NUL the presentation form \DDD (in JSON "\\DDD"). */
void answer_json_string(struct bytes text, struct buffer *out);
