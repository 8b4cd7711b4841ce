/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble check: every record is found by owner and by data, with the same numbers.
 *
 * DESIGN: one pass over all rows in key order would need to look the other side of each row up, a seek a row. Instead the two
 * sides are compared as sets: every owner row says which data rows must be there, each side is hashed row by row with its value, and
 * the sums of the hashes must be equal. Only when they are not are single rows looked up, to name them.
 */
#include <stdio.h>

#include "answer/answer.h"
#include "base/hash.h"
#include "cli/common.h"
#include "store/keys.h"

static const char help[] =
	"usage: dribble check [OPTIONS]\n\n"
	"Reads all of a store, compares its checksums, and verifies that every record is found by\n"
	"its owner and by its data with the same numbers. Works while a server holds the store.\n\n"
	"Example:\n"
	"  dribble check --store /var/lib/dribble\n";

enum { NAMED_MAX = 10 };

struct check {
	struct scan *rows;   /* over everything */
	struct scan *lookup; /* for naming what is wrong */
	uint64_t records, data_rows;
	uint64_t expected, found; /* sums of hashes */
	uint64_t bad;
	bool naming;
	struct buffer key, text, value;
	struct value v;      /* of the owner row */
	struct err *e;
};

/* The numbers of a row, whatever the bytes of its value: rdata that one side carries whole is left out. */
static uint64_t row_hash(struct check *c, struct bytes key, const struct value *v)
{
	struct value plain = *v;
	plain.rdata = bytes_of(NULL, 0);
	buffer_clear(&c->value);
	value_encode(&plain, &c->value);
	return XXH3_64bits_withSeed(key.p, key.n, hash64(c->value.p, c->value.n));
}

static void complain(struct check *c, const char *what, struct bytes key, struct bytes value)
{
	struct answer a = {.style = STYLE_EXPORT};
	struct record_scratch scratch;
	struct record r;
	struct buffer line = BUFFER_INIT;
	if (c->bad++ >= NAMED_MAX)
		return;
	if (record_decode(key, value, &scratch, &r) == 0) {
		answer_line(&a, &r, &line);
		fprintf(stderr, "dribble check: %s: %.*s", what, (int)line.n, (const char *)line.p);
	} else {
		fprintf(stderr, "dribble check: a row of %zu octets does not decode\n", key.n);
	}
	answer_release(&a);
	buffer_release(&line);
}

static int expect_data_row(void *ctx, struct bytes key, bool whole)
{
	struct check *c = ctx;
	struct bytes value;
	struct value v;
	(void)whole;
	uint64_t hash = row_hash(c, key, &c->v);
	c->expected += hash;
	if (!c->naming)
		return 0;
	int rc = scan_find(c->lookup, key, &value, c->e);
	if (rc < 0)
		return rc;
	if (rc == 0) {
		struct buffer b = BUFFER_INIT;
		value_encode(&c->v, &b);
		complain(c, "not found by its data", key, buffer_bytes(&b));
		buffer_release(&b);
	} else if (value_decode(value, &v) != 0 || row_hash(c, key, &v) != hash) {
		complain(c, "other numbers by its data than by its owner", key, value);
	}
	return 0;
}

/* A data row's record must have its owner row. */
static int look_for_owner(struct check *c, struct bytes key, struct bytes value,
                          const struct record *r)
{
	struct bytes ignored;
	buffer_clear(&c->key);
	key_put_owner_row(&c->key, r->owner, r->rrtype, r->form, r->rdata);
	int rc = scan_find(c->lookup, buffer_bytes(&c->key), &ignored, c->e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		complain(c, "not found by its owner", key, value);
	return 0;
}

static int check_row(struct check *c, struct bytes key, struct bytes value)
{
	struct record_scratch scratch;
	struct record r;
	uint8_t id[MEMBER_MAX], what;
	size_t id_n;
	if (key_get_sensor(key, id, &id_n, &what) == 0 && value_decode(value, &c->v) == 0)
		return 0; /* what a sensor contributed stands once */
	if (record_decode(key, value, &scratch, &r) != 0 || value_decode(value, &c->v) != 0) {
		complain(c, "", key, value);
		return 0;
	}
	if (r.owner_row) {
		c->records++;
		return key_each_data_row(r.owner, r.rrtype, r.form, r.rdata, &c->key, &c->text,
		                         expect_data_row, c);
	}
	c->data_rows++;
	c->found += row_hash(c, key, &c->v);
	return c->naming ? look_for_owner(c, key, value, &r) : 0;
}

static int pass(struct check *c, struct err *e)
{
	static const uint8_t first[] = {STORE_FIRST_ROW};
	struct bytes key, value;
	int rc = scan_seek(c->rows, bytes_of(first, 1), &key, &value, e);
	while (rc == 1) {
		rc = check_row(c, key, value);
		if (rc == 0)
			rc = scan_next(c->rows, &key, &value, e);
	}
	return rc;
}

static int check(struct store *s, struct check *c, struct err *e)
{
	c->e = e;
	int rc = store_verify(s, e);
	if (rc == 0)
		rc = scan_begin(s, &c->rows, e);
	if (rc == 0)
		rc = pass(c, e);
	if (rc == 0 && c->expected != c->found) {
		c->naming = true;
		rc = scan_begin(s, &c->lookup, e);
		if (rc == 0)
			rc = pass(c, e);
		c->records /= 2;
		c->data_rows /= 2;
	}
	scan_end(c->rows);
	scan_end(c->lookup);
	buffer_release(&c->key);
	buffer_release(&c->text);
	buffer_release(&c->value);
	return rc;
}

int check_main(int argc, char **argv)
{
	struct config config;
	struct err e;
	struct check c = {0};
	int code = EXIT_FAILED;
	int first = cli_options(argc, argv, &config, CONFIG_FOR_STORE | CONFIG_FOR_READING, NULL, help,
	                        &code);
	if (first < 0)
		return code;
	if (first < argc) {
		config_release(&config);
		return cli_fail("check", EXIT_USAGE, "%s: it takes options only (--store names the store)",
		                argv[first]);
	}
	struct store *s = cli_store("check", &config, STORE_READ);
	code = EXIT_FAILED;
	if (s && check(s, &c, &e) < 0) {
		cli_fail("check", 0, "%s", e.text);
	} else if (s && (c.bad || c.expected != c.found)) {
		cli_fail("check", 0, "%llu rows are wrong", (unsigned long long)c.bad);
	} else if (s) {
		printf("%llu records, %llu rows by their data: all found both ways, with the same numbers\n",
		       (unsigned long long)c.records, (unsigned long long)c.data_rows);
		code = EXIT_DONE;
	}
	store_close(s);
	config_release(&config);
	return code;
}
