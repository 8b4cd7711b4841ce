/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is kept out of the store: names by suffix and addresses by block, from the lists of the options exclude and only.
 *
 * An observation is refused when its owner, or an address or name in its data, lies in an exclude list; and, when there are only
 * lists, when none of them lies in one. Reverse names (in-addr.arpa, ip6.arpa) count as the address, or block, that they stand for, too.
 *
 * A list is a text file: one rule a line, a name (it and all below it) or a block (192.0.2.0/24, 2001:db8::/32, a bare address);
 * blank lines and what follows # are comments. It never changes once it is read: any number of threads may ask.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "base/err.h"
#include "model/observation.h"

#define EXCLUSION_RULES_MAX 10000000
#define EXCLUSION_FILE_MAX ((size_t)1 << 30) /* octets of a list */

struct exclusion;

enum exclusion_kind { EXCLUSION_EXCLUDE, EXCLUSION_ONLY };

struct exclusion *exclusion_new(void);
void exclusion_free(struct exclusion *x); /* takes NULL */

/* Adds the rules of a file. Errors are "PATH:LINE: …" (ERR_SYNTAX, ERR_LIMIT), or those of reading. */
int exclusion_load(struct exclusion *x, enum exclusion_kind kind, const char *path, struct err *e);
/* The text of a list, path for its errors. */
int exclusion_parse(struct exclusion *x, enum exclusion_kind kind, const char *path, struct bytes text, struct err *e);
/* After the last list, before the first question: the rules are put in order. */
void exclusion_seal(struct exclusion *x);

/* x may be NULL: nothing is refused. */
bool exclusion_refuses(const struct exclusion *x, const struct observation *o);
/* A name that somebody asks about (active query): canonical wire form. only lists do not matter. */
bool exclusion_refuses_name(const struct exclusion *x, struct bytes name);
/* Calls each with the zones that the exclude lists keep from being asked, canonical wire form: a name of a rule that lies below
 * no other rule, and the reverse zones of a block (up to 128 of one whose length is between two labels). Stops when each returns
 * other than 0, and returns that. x may be NULL. */
int exclusion_zones(const struct exclusion *x, int (*each)(void *ctx, struct bytes zone), void *ctx);
