/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store_kit.h"

#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

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
