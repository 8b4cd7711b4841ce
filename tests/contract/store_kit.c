/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store_kit.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/limits.h"
#include "model/dname.h"
#include "store/keys.h"

static int remove_one(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st, (void)what, (void)at;
	return remove(path);
}

void kit_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void kit_begin(struct kit *k, const char *engine)
{
	const char *tmp = getenv("TMPDIR");
	*k = (struct kit){.engine = engine};
	snprintf(k->dir, sizeof(k->dir), "%s/dribble-store-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(k->dir));
	if (engine && strcmp(engine, "memory") == 0)
		snprintf(k->uri, sizeof(k->uri), "memory:");
	else
		snprintf(k->uri, sizeof(k->uri), "rocksdb:%s/store", k->dir);
	if (engine)
		k->s = kit_open(k->uri, STORE_CREATE);
}

void kit_end(struct kit *k)
{
	store_close(k->s);
	k->s = NULL;
	kit_remove(k->dir);
}

void kit_reopen(struct kit *k)
{
	store_close(k->s);
	k->s = kit_open(k->uri, STORE_WRITE);
}

bool kit_is_lasting(const struct kit *k)
{
	return strcmp(k->engine, "memory") != 0;
}

struct store *kit_open(const char *uri, enum store_mode mode)
{
	const struct store_options opt = {.cache_bytes = 8 << 20, .threads = 2};
	struct store *s = NULL;
	struct err e = {""};
	if (store_open(uri, mode, &opt, &s, &e) != 0)
		fail_msg("%s", e.text);
	assert_non_null(s);
	return s;
}

int kit_refused(const char *uri, enum store_mode mode, struct err *e)
{
	struct store *s = NULL;
	struct err here = {""};
	int rc = store_open(uri, mode, NULL, &s, &here);
	assert_true(rc < 0);
	assert_null(s);
	assert_true(here.text[0] != '\0');
	assert_null(strchr(here.text, '\n'));
	if (e)
		*e = here;
	return rc;
}

/* --- writing --- */

void kit_value(struct buffer *out, uint64_t count, uint64_t first_s, uint64_t last_s)
{
	struct value v = {.seen = {.count = count, .first_s = first_s, .last_s = last_s}};
	value_encode(&v, out);
}

int kit_add(struct run *r, struct bytes key, uint64_t count, uint64_t first_s, uint64_t last_s)
{
	struct buffer value = BUFFER_INIT;
	struct err e;
	kit_value(&value, count, first_s, last_s);
	int rc = run_add(r, key, buffer_bytes(&value), &e);
	buffer_release(&value);
	return rc;
}

int kit_put(struct run *r, const char *key, const char *value)
{
	char note[64];
	struct err e;
	int n = snprintf(note, sizeof(note), "\x01%s", key);
	return run_put(r, bytes_of(note, (size_t)n), bytes_str(value), &e);
}

struct run *kit_run_begin(struct store *s, uint64_t expect)
{
	struct run *r = NULL;
	struct err e = {""};
	if (run_begin(s, expect, &r, &e) != 0)
		fail_msg("%s", e.text);
	return r;
}

void kit_commit(struct run *r)
{
	struct err e = {""};
	if (run_commit(r, &e) != 0)
		fail_msg("%s", e.text);
}

static void write_one(struct run *r, char *row)
{
	char *value = strchr(row, '=');
	uint64_t count, first, last;
	assert_non_null(value);
	*value++ = '\0';
	if (*row == '!') {
		assert_int_equal(kit_put(r, row + 1, value), 0);
		return;
	}
	assert_int_equal(sscanf(value, "%" SCNu64 "@%" SCNu64 "-%" SCNu64, &count, &first, &last),
			 3);
	assert_int_equal(kit_add(r, bytes_str(row), count, first, last), 0);
}

void kit_write(struct run *r, const char *rows)
{
	char *copy = strdup(rows), *rest = copy;
	struct err e;
	for (char *row; (row = strsep(&rest, " "));) {
		if (strcmp(row, "|") == 0)
			assert_int_equal(run_restart(r, &e), 0);
		else if (*row)
			write_one(r, row);
	}
	free(copy);
}

void kit_run(struct store *s, uint64_t expect, const char *rows)
{
	struct run *r = kit_run_begin(s, expect);
	kit_write(r, rows);
	kit_commit(r);
}

/* --- reading --- */

struct scan *kit_scan(struct store *s)
{
	struct scan *sc = NULL;
	struct err e = {""};
	if (scan_begin(s, &sc, &e) != 0)
		fail_msg("%s", e.text);
	return sc;
}

static void put_row(struct buffer *out, struct bytes key, struct bytes value)
{
	struct value v;
	if (out->n)
		buffer_put_byte(out, ' ');
	if (key.n && key.p[0] == 1) {
		buffer_putf(out, "!%.*s=%.*s", (int)key.n - 1, (const char *)key.p + 1,
			    (int)value.n, (const char *)value.p);
		return;
	}
	buffer_putf(out, "%.*s=", (int)key.n, (const char *)key.p);
	if (value_decode(value, &v) != 0)
		buffer_put_str(out, "?");
	else
		buffer_putf(out, "%" PRIu64 "@%" PRIu64 "-%" PRIu64, v.seen.count, v.seen.first_s,
			    v.seen.last_s);
}

char *kit_rest(struct scan *sc, struct bytes from)
{
	struct buffer out = BUFFER_INIT;
	struct bytes key, value;
	struct err e = {""};
	int rc = scan_seek(sc, from, &key, &value, &e);
	while (rc == 1) {
		put_row(&out, key, value);
		rc = scan_next(sc, &key, &value, &e);
	}
	if (rc < 0)
		fail_msg("%s", e.text);
	buffer_put_byte(&out, 0);
	return (char *)out.p;
}

static const uint8_t users[] = {1}; /* where notes of users begin */

void kit_assert_scan(struct scan *sc, const char *rows)
{
	char *found = kit_rest(sc, bytes_of(users, 1));
	assert_string_equal(found, rows);
	free(found);
}

void kit_assert(struct store *s, const char *rows)
{
	struct scan *sc = kit_scan(s);
	kit_assert_scan(sc, rows);
	scan_end(sc);
}

uint64_t kit_sum(struct store *s, size_t *ret_rows)
{
	struct scan *sc = kit_scan(s);
	struct bytes key, value;
	struct err e = {""};
	uint64_t sum = 0;
	size_t n = 0;
	int rc = scan_seek(sc, bytes_of(users, 1), &key, &value, &e);
	while (rc == 1) {
		sum = XXH3_64bits_withSeed(key.p, key.n, sum);
		sum = XXH3_64bits_withSeed(value.p, value.n, sum);
		n++;
		rc = scan_next(sc, &key, &value, &e);
	}
	if (rc < 0)
		fail_msg("%s", e.text);
	scan_end(sc);
	if (ret_rows)
		*ret_rows = n;
	return sum;
}

uint64_t kit_random(struct kit_random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

uint64_t kit_below(struct kit_random *r, uint64_t n)
{
	return kit_random(r) % n;
}

/* --- rows --- */

/* Few names, so that runs have rows in common. */
static struct bytes some_name(struct kit_random *p, uint8_t *wire)
{
	char text[64];
	static const char *const zones[] = {"test", "example.com", "a.b.c.example.net",
					    "\\000\\001.x", "."};
	const char *zone = zones[kit_below(p, 5)];
	if (kit_below(p, 4) && *zone != '.')
		snprintf(text, sizeof(text), "%s%u.%s", kit_below(p, 2) ? "h" : "www-",
			 (unsigned)kit_below(p, 300), zone);
	else
		snprintf(text, sizeof(text), "%s", zone);
	return bytes_of(wire, (size_t)dname_from_text(bytes_str(text), wire));
}

static void put_octets(struct kit_random *p, struct buffer *out, size_t n)
{
	while (n--)
		buffer_put_byte(out,
				(uint8_t)(kit_below(p, 3) ? kit_below(p, 4) : kit_below(p, 256)));
}

/* A key of the store's grammar, of a record that may be. */
void kit_record_key(struct kit_random *p, struct buffer *out, bool *ret_whole, struct buffer *rdata)
{
	static const uint16_t types[] = {1, 2, 6, 15, 16, 28, 65280};
	uint8_t owner[DNAME_MAX], name[DNAME_MAX];
	struct bytes o = some_name(p, owner), n = some_name(p, name);
	uint16_t type = types[kit_below(p, 7)];
	enum rdata_form form = RDATA_WIRE;
	buffer_clear(rdata);
	if (type == 1 || type == 28)
		put_octets(p, rdata, type == 1 ? 4 : 16);
	else if (type == 2)
		buffer_put_bytes(rdata, n);
	else if (type == 15)
		put_octets(p, rdata, 2), buffer_put_bytes(rdata, n);
	else if (type == 6)
		buffer_put_bytes(rdata, n), buffer_put_bytes(rdata, o), put_octets(p, rdata, 20);
	else
		form = RDATA_OPAQUE,
		put_octets(p, rdata, kit_below(p, 20) ? kit_below(p, 40) : kit_below(p, 600));
	struct term terms[TERMS_MAX];
	size_t k = rdata_terms(type, form, buffer_bytes(rdata), terms);
	if (kit_below(p, 2)) {
		*ret_whole = key_put_owner_row(out, o, type, form, buffer_bytes(rdata));
		return;
	}
	const struct term *t = k ? &terms[kit_below(p, k)] : NULL;
	if (!t)
		key_put_text(out, buffer_bytes(rdata));
	else if (t->kind == TERM_NAME)
		key_put_name(out, t->value);
	else if (t->kind == TERM_IPV4)
		key_put_ipv4(out, t->value.p);
	else
		key_put_ipv6(out, t->value.p);
	key_put_type(out, type);
	key_put_data(out, type, form, buffer_bytes(rdata), t);
	struct buffer labels = BUFFER_INIT;
	key_put_name(&labels, o);
	buffer_put(out, labels.p + 1, labels.n - 2);
	buffer_release(&labels);
	*ret_whole = rdata->n > 200;
}

/* Any octets, often with much in common, of the store's grammar or nearly so. */
void kit_odd_key(struct kit_random *p, struct buffer *out)
{
	static const uint8_t firsts[] = {0x20, '4', '6', 'n', 'x', 0xff};
	buffer_put_byte(out, firsts[kit_below(p, 6)]);
	for (uint64_t n = kit_below(p, 8); n; n--)
		buffer_put_byte(out,
				(uint8_t)(kit_below(p, 4) ? kit_below(p, 7) : kit_below(p, 256)));
	if (kit_below(p, 50) == 0)
		for (uint64_t n = kit_below(p, 1500); n; n--)
			buffer_put_byte(out, 'l');
}

static void put_value(struct kit_random *p, bool whole, struct bytes rdata, struct buffer *out)
{
	static const uint64_t counts[] = {1, 1, 1, 2, 3, 62, 63, 64, 1000, COUNT_MAX};
	static const char *const texts[] = {"", "", "", "s", "sensor-7", "z"};
	struct value v = {.seen = {.count = counts[kit_below(p, 10)],
				   .first_s = 1700000000 + kit_below(p, 1000)}};
	v.seen.last_s = v.seen.first_s + (kit_below(p, 2) ? 0 : kit_below(p, 100000));
	if (kit_below(p, 30) == 0)
		v.seen = (struct seen){.zone_first_s = kit_below(p, 100),
				       .zone_last_s = 100 + kit_below(p, TIME_MAX - 100)};
	if (kit_below(p, 40) == 0)
		v.seen.first_s = kit_below(p, 1ull << 34),
		v.seen.last_s = v.seen.first_s + kit_below(p, 1ull << 34);
	v.seen.sensor_id = bytes_str(texts[kit_below(p, 6)]);
	v.seen.bailiwick = bytes_str(texts[kit_below(p, 4)]);
	if (whole)
		v.rdata = rdata;
	value_encode(&v, out);
}

static int by_key(const void *a, const void *b)
{
	return bytes_cmp(buffer_bytes(&((const struct kit_row *)a)->key),
			 buffer_bytes(&((const struct kit_row *)b)->key));
}

/* So many rows at most, in order. Equal keys have equal rdata, as with records. */
size_t kit_rows(struct kit_random *p, struct kit_row *rows, size_t n, bool odd)
{
	struct buffer rdata = BUFFER_INIT;
	size_t kept = 0;
	for (size_t i = 0; i < n; i++) {
		bool whole = false;
		rows[i] = (struct kit_row){BUFFER_INIT, BUFFER_INIT};
		if (odd && kit_below(p, 8) == 0)
			kit_odd_key(p, &rows[i].key);
		else
			kit_record_key(p, &rows[i].key, &whole, &rdata);
		put_value(p, whole, buffer_bytes(&rdata), &rows[i].value);
	}
	qsort(rows, n, sizeof(*rows), by_key);
	for (size_t i = 0; i < n; i++) {
		if (kept && by_key(&rows[kept - 1], &rows[i]) == 0) {
			buffer_release(&rows[i].key);
			buffer_release(&rows[i].value);
		} else {
			rows[kept++] = rows[i];
		}
	}
	buffer_release(&rdata);
	return kept;
}

void kit_rows_free(struct kit_row *rows, size_t n)
{
	while (n--) {
		buffer_release(&rows[n].key);
		buffer_release(&rows[n].value);
	}
}
