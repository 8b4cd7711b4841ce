/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables: what is written is found, in order, by key and by rank, whatever the depth of the index;
 * what is damaged is told. */
#include "store/table.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../contract/store_kit.h"
#include "base/hash.h"
#include "store/keys.h"
#include "store/value.h"

static struct kit k;
static struct cache *cache;
static char path[400];

static int begin(void **state)
{
	(void)state;
	kit_begin(&k, NULL);
	snprintf(path, sizeof(path), "%s/t", k.dir);
	cache = cache_new(1 << 20);
	return 0;
}

static int end(void **state)
{
	(void)state;
	cache_free(cache);
	kit_end(&k);
	return 0;
}

/* Rows of a test: the key and value of each number are made when they are needed. */
struct shape {
	size_t n;
	size_t key_room; /* octets of a key, at most */
	size_t value_n;
	bool records; /* by the store's grammar */
};

static size_t make_key(const struct shape *s, size_t i, uint8_t *to)
{
	struct buffer key = BUFFER_INIT;
	if (s->records) {
		uint8_t owner[] = "\x0ahost000000\x04test";
		for (size_t at = 10, v = i; v; v /= 10)
			owner[at--] = (uint8_t)('0' + v % 10);
		key_put_name(&key, bytes_of(owner, sizeof(owner)));
		key_put_type(&key, 1);
		buffer_put(&key, "\x01\xc0\x00\x02\x01", 5);
	} else {
		buffer_put_byte(&key, 'x');
		while (key.n + 8 < s->key_room) /* long ones differ at the end: so do the index's */
			buffer_put_byte(&key, 'l');
		buffer_putf(&key, "%08zu", i * 2);
	}
	size_t n = key.n;
	memcpy(to, key.p, n);
	buffer_release(&key);
	return n;
}

static void make_value(const struct shape *s, size_t i, struct buffer *out)
{
	struct value v = {.seen = {.count = 1 + i % 100,
				   .first_s = 1600000000 + i,
				   .last_s = 1600000000 + 3 * i}};
	buffer_clear(out);
	if (!s->value_n)
		value_encode(&v, out);
	for (size_t at = 0; at < s->value_n; at++)
		buffer_put_byte(out, (uint8_t)(i + at));
}

static uint8_t key_octets[SEGMENT_KEY_MAX];

static struct bytes key_of(const struct shape *s, size_t i)
{
	return bytes_of(key_octets, make_key(s, i, key_octets));
}

static void write_table_as(const struct shape *s, struct bytes dictionary, bool beside)
{
	struct table_writer *w = NULL;
	struct buffer value = BUFFER_INIT;
	struct err e = {""};
	assert_int_equal(table_writer_open(path, 3, dictionary, &w, &e), 0);
	if (beside)
		table_writer_beside(w);
	for (size_t i = 0; i < s->n; i++) {
		make_value(s, i, &value);
		if (table_writer_add(w, key_of(s, i), buffer_bytes(&value), &e) != 0)
			fail_msg("%s", e.text);
	}
	assert_int_equal(table_writer_rows(w), s->n);
	assert_int_equal(table_writer_finish(w, &e), 0);
	table_writer_free(w);
	buffer_release(&value);
}

static void write_table(const struct shape *s, struct bytes dictionary)
{
	write_table_as(s, dictionary, false);
}

static struct table *open_table(void)
{
	static uint64_t number;
	struct table *t = NULL;
	struct err e = {""};
	if (table_open(path, ++number, cache, &t, &e) != 0)
		fail_msg("%s", e.text);
	return t;
}

static void assert_at(const struct table_cursor *c, const struct shape *s, size_t i)
{
	struct buffer value = BUFFER_INIT;
	make_value(s, i, &value);
	assert_true(bytes_eq(table_key(c), key_of(s, i)));
	assert_true(bytes_eq(table_value(c), buffer_bytes(&value)));
	buffer_release(&value);
}

static void walk_all(struct table *t, const struct shape *s, bool pass)
{
	struct table_cursor c = {.table = t, .pass = pass};
	struct err e;
	int rc = table_seek(&c, bytes_of(NULL, 0), &e);
	for (size_t i = 0; i < s->n; i++) {
		assert_int_equal(rc, 1);
		assert_at(&c, s, i);
		rc = table_next(&c, &e);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(table_next(&c, &e), 0);
	table_cursor_end(&c);
	table_cursor_end(&c);
}

/* Seeks to rows, and to just before and just behind them. */
static void seek_some(struct table *t, const struct shape *s, bool pass)
{
	struct table_cursor c = {.table = t, .pass = pass};
	struct kit_random r = {s->n};
	struct buffer at = BUFFER_INIT;
	struct err e;
	for (int tries = 0; tries < 400 && s->n; tries++) {
		size_t i = tries < 3   ? (size_t)tries % s->n
			   : tries < 6 ? s->n - 1
				       : kit_below(&r, s->n);
		uint64_t rank = 0;
		int how = (int)kit_below(
			&r, 3); /* the key, the least behind it, the greatest before it, nearly */
		buffer_clear(&at);
		buffer_put_bytes(&at, key_of(s, i));
		if (how == 1)
			buffer_put_byte(&at, 0);
		if (how == 2)
			at.p[at.n - 1]--;
		size_t found = how == 1 ? i + 1 : i;
		if (tries % 2) {
			assert_int_equal(table_rank(&c, buffer_bytes(&at), &rank, &e), 0);
			assert_int_equal(rank, found);
			continue;
		}
		assert_int_equal(table_seek(&c, buffer_bytes(&at), &e), found < s->n);
		for (size_t steps = kit_below(&r, 4); found < s->n; found++) {
			assert_at(&c, s, found);
			if (!steps--)
				break;
			assert_int_equal(table_next(&c, &e), found + 1 < s->n);
		}
	}
	table_cursor_end(&c);
	buffer_release(&at);
}

static const struct shape shapes[] = {
	{1, 0, 0, false},
	{1, 0, 0, true},
	{SEGMENT_ROWS - 1, 0, 0, true},
	{SEGMENT_ROWS, 0, 0, true},
	{SEGMENT_ROWS + 1, 0, 0, true},
	{999, 0, 0, true},
	{SEGMENT_ROWS * 3, 0, 0, false},
	{SEGMENT_ROWS * SEGMENT_ROWS, 0, 0, false}, /* an index that is just full */
	{SEGMENT_ROWS * SEGMENT_ROWS + 1, 0, 0, false},
	{SEGMENT_ROWS * SEGMENT_ROWS * 2 + 77, 0, 0, false},
	{60, 40000, 0, false}, /* so long that an index of two is full: many levels */
	{64, 40000, 0, false},
	{65, 40000, 0, false},
	{100, 65000, 0, false},
	{300, 300, 700, false},
	{20, 9, 130000, false},
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void rows_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < SHAPES; i++) {
		write_table(&shapes[i], bytes_of(NULL, 0));
		struct table *t = open_table();
		struct stat st;
		struct err e = {""};
		assert_int_equal(table_rows(t), shapes[i].n);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(table_octets(t), st.st_size);
		assert_int_equal(table_dictionary(t).n, 0);
		for (int pass = 0; pass < 2; pass++) {
			walk_all(t, &shapes[i], pass);
			seek_some(t, &shapes[i], pass);
		}
		assert_int_equal(table_verify(t, &e), 0);
		table_close(t);
		unlink(path);
	}
	table_close(NULL);
}

/* What a cursor with a bound gives, with whatever cache: the rows that begin with a prefix, and the end or what is behind them. */
static void ask(struct table *t, const struct shape *s, struct bytes prefix, size_t first, size_t n)
{
	struct buffer hi = BUFFER_INIT;
	struct err e;
	buffer_put_bytes(&hi, prefix);
	hi.p[hi.n - 1]++;
	struct table_cursor c = {.table = t, .hi = buffer_bytes(&hi)};
	for (int again = 0; again < 3; again++) {
		int rc = table_seek(&c, prefix, &e);
		for (size_t i = first; i < first + n; i++) {
			assert_int_equal(rc, 1);
			assert_at(&c, s, i);
			rc = table_next(&c, &e);
		}
		if (rc == 1) /* it need not say the end, but not skip either */
			assert_at(&c, s, first + n);
		else
			assert_int_equal(rc, 0);
		if (again == 1)
			table_cursor_end(&c);
	}
	assert_int_equal(table_seek(&c, c.hi, &e), 0);
	assert_int_equal(table_next(&c, &e), 0);
	/* The same cursor without a bound goes on behind the piece. */
	c.hi = bytes_of(NULL, 0);
	int rc = table_seek(&c, prefix, &e);
	for (size_t i = first; i < first + n + 2 && i < s->n; i++) {
		assert_int_equal(rc, 1);
		assert_at(&c, s, i);
		uint64_t rank;
		struct table_cursor r = {.table = t, .hi = buffer_bytes(&hi)};
		assert_int_equal(table_rank(&r, prefix, &rank, &e), 0);
		assert_int_equal(rank, first);
		table_cursor_end(&r);
		rc = table_next(&c, &e);
	}
	table_cursor_end(&c);
	buffer_release(&hi);
}

static void questions_are_answered_with_any_cache(void **state)
{
	static const struct shape small = {20000, 0, 0, true}, plain = {3000, 0, 0, false};
	const struct shape *const of[] = {&small, &plain};
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		const struct shape *s = of[kind];
		write_table(s, bytes_of(NULL, 0));
		for (size_t room = 1 << 12; room <= 1 << 23; room <<= 11) {
			struct kit_random r = {room};
			struct cache *own = cache_new(room);
			struct table *t = NULL;
			assert_int_equal(table_open(path, 1, own, &t, NULL), 0);
			for (int tries = 0; tries < 3000; tries++) {
				size_t i = kit_below(&r, s->n), first = i, n = 1;
				/* Asked again, at the ends of segments, in tens and hundreds, and where there is nothing. */
				if (tries % 3 == 0)
					i = kit_below(&r, 20);
				if (tries % 7 == 0)
					i = i / SEGMENT_ROWS * SEGMENT_ROWS + kit_below(&r, 3);
				if (i >= s->n)
					continue;
				first = i;
				struct buffer key = BUFFER_INIT;
				buffer_put_bytes(&key, key_of(s, i));
				if (kind == 1 && tries % 5 == 0) { /* even numbers: five of ten, which the last octet tells apart */
					key.n--;
					first = i / 5 * 5;
					n = first + 5 <= s->n ? 5 : s->n - first;
				} else if (tries % 5 == 1) {
					buffer_put_byte(&key, 0);
					first++;
					n = 0;
				}
				ask(t, s, buffer_bytes(&key), first, n);
				buffer_release(&key);
			}
			table_close(t);
			cache_free(own);
		}
		unlink(path);
	}
}

static void an_empty_table_has_nothing(void **state)
{
	const struct shape none = {0, 0, 0, false};
	struct err e;
	uint64_t rank = 7;
	(void)state;
	write_table(&none, bytes_of(NULL, 0));
	struct table *t = open_table();
	struct table_cursor c = {.table = t};
	assert_int_equal(table_rows(t), 0);
	assert_int_equal(table_seek(&c, bytes_of(NULL, 0), &e), 0);
	assert_int_equal(table_next(&c, &e), 0);
	assert_int_equal(table_rank(&c, bytes_str("a"), &rank, &e), 0);
	assert_int_equal(rank, 0);
	assert_int_equal(table_verify(t, &e), 0);
	table_cursor_end(&c);
	table_close(t);
}

static void a_dictionary_made_of_samples_is_used(void **state)
{
	const struct shape s = {40000, 0, 0, true};
	struct samples samples = {0};
	struct buffer dictionary = BUFFER_INIT;
	struct err e;
	(void)state;
	write_table(&s, bytes_of(NULL, 0));
	struct table *t = open_table();
	uint64_t before = table_octets(t);
	assert_int_equal(table_sample(t, 200000, &samples, &e), 0);
	for (int i = 0; i < SEGMENT_FRAMES; i++) {
		size_t sum = 0;
		const size_t *lengths = (const size_t *)(const void *)samples.lengths[i].p;
		for (size_t at = 0; at < samples.lengths[i].n / sizeof(size_t); at++)
			sum += lengths[at];
		assert_int_equal(sum, samples.octets[i].n);
	}
	assert_in_range(samples.octets[0].n + samples.octets[1].n, 50000, 1000000);
	table_close(t);
	unlink(path);
	dictionary_train(&samples, 4096, &dictionary);
	assert_true(dictionary.n > 0);
	write_table(&s, buffer_bytes(&dictionary));
	t = open_table();
	assert_true(bytes_eq(table_dictionary(t), buffer_bytes(&dictionary)));
	assert_true(table_octets(t) < before + dictionary.n);
	walk_all(t, &s, false);
	seek_some(t, &s, true);
	assert_int_equal(table_verify(t, &e), 0);
	table_close(t);
	samples_release(&samples);
	buffer_release(&dictionary);
}

/* --- writing --- */

static void a_table_that_is_not_finished_is_removed(void **state)
{
	struct table_writer *w;
	struct err e = {""};
	(void)state;
	table_writer_free(NULL);
	assert_int_equal(table_writer_open(path, 3, bytes_of(NULL, 0), &w, &e), 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(table_writer_add(w, bytes_str("a"), bytes_of(NULL, 0), &e), 0);
	table_writer_free(w);
	assert_int_equal(access(path, F_OK), -1);
}

static void read_file(struct buffer *ret)
{
	FILE *f = fopen(path, "re");
	size_t n;
	assert_non_null(f);
	while ((n = fread(buffer_reserve(ret, 1 << 16), 1, 1 << 16, f)) > 0)
		ret->n += n;
	fclose(f);
}

static void a_thread_of_its_own_writes_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		struct buffer here = BUFFER_INIT, beside = BUFFER_INIT;
		write_table_as(&shapes[i], bytes_of(NULL, 0), false);
		read_file(&here);
		unlink(path);
		write_table_as(&shapes[i], bytes_of(NULL, 0), true);
		read_file(&beside);
		unlink(path);
		assert_true(bytes_eq(buffer_bytes(&here), buffer_bytes(&beside)));
		buffer_release(&here);
		buffer_release(&beside);
	}
}

/* With and without a thread of its own: the error is told, at a row or at the end, and no file is left. */
static void a_full_disk_is_told(void **state)
{
	struct rlimit before, small;
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){.rlim_cur = 64 << 10, .rlim_max = before.rlim_max};
	for (int beside = 0; beside < 2; beside++) {
		for (size_t rows = 1000; rows <= 300000; rows += 299000) {
			struct table_writer *w = NULL;
			struct err e = {""};
			int rc = 0;
			assert_int_equal(table_writer_open(path, 3, bytes_of(NULL, 0), &w, &e), 0);
			if (beside)
				table_writer_beside(w);
			assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
			uint8_t value[100];
			for (size_t i = 0; i < rows && rc == 0; i++) {
				char key[20];
				snprintf(key, sizeof(key), "n%08zu", i);
				struct hash128 h = hash128_of(key, strlen(key)); /* does not compress */
				for (size_t at = 0; at < sizeof(value); at++)
					value[at] = h.b[at % sizeof(h.b)] ^ (uint8_t)at;
				rc = table_writer_add(w, bytes_str(key), bytes_of(value, sizeof(value)), &e);
			}
			if (rc == 0)
				rc = table_writer_finish(w, &e);
			assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
			if (rows > 1000) {
				assert_true(rc < 0);
				assert_non_null(strstr(e.text, path));
			}
			table_writer_free(w);
			if (rc < 0)
				assert_int_equal(access(path, F_OK), -1);
			unlink(path);
		}
	}
}

static void a_file_that_is_there_is_left_alone(void **state)
{
	struct table_writer *w = NULL;
	struct err e = {""};
	(void)state;
	write_table(&shapes[0], bytes_of(NULL, 0));
	assert_int_equal(table_writer_open(path, 3, bytes_of(NULL, 0), &w, &e), ERR_EXISTS);
	assert_non_null(strstr(e.text, path));
	assert_null(w);
	table_close(open_table());
	char deeper[500];
	snprintf(deeper, sizeof(deeper), "%s/none/t", k.dir);
	assert_int_equal(table_writer_open(deeper, 3, bytes_of(NULL, 0), &w, &e), ERR_NOTFOUND);
}

static void rows_that_are_too_large_are_refused(void **state)
{
	static uint8_t octets[SEGMENT_VALUE_MAX + 1];
	struct table_writer *w;
	struct err e = {""};
	(void)state;
	assert_int_equal(table_writer_open(path, 3, bytes_of(NULL, 0), &w, &e), 0);
	assert_int_equal(
		table_writer_add(w, bytes_of(octets, SEGMENT_KEY_MAX + 1), bytes_of(NULL, 0), &e),
		ERR_LIMIT);
	assert_int_equal(
		table_writer_add(w, bytes_str("a"), bytes_of(octets, SEGMENT_VALUE_MAX + 1), &e),
		ERR_LIMIT);
	assert_true(e.text[0] != '\0');
	assert_int_equal(
		table_writer_add(w, bytes_str("a"), bytes_of(octets, SEGMENT_VALUE_MAX), &e), 0);
	octets[0] = 'b';
	assert_int_equal(
		table_writer_add(w, bytes_of(octets, SEGMENT_KEY_MAX), bytes_of(NULL, 0), &e), 0);
	assert_int_equal(table_writer_finish(w, &e), 0);
	table_writer_free(w);
	struct table *t = open_table();
	assert_int_equal(table_rows(t), 2);
	assert_int_equal(table_verify(t, &e), 0);
	table_close(t);
}

/* With two rows an index of so long keys is full: the levels run out. */
static void a_table_that_would_be_too_deep_is_refused(void **state)
{
	const struct shape s = {2000, 65000, 0, false};
	struct table_writer *w;
	struct err e = {""};
	int rc = 0;
	(void)state;
	assert_int_equal(table_writer_open(path, 1, bytes_of(NULL, 0), &w, &e), 0);
	for (size_t i = 0; i < s.n && rc == 0; i++)
		rc = table_writer_add(w, key_of(&s, i), bytes_of(NULL, 0), &e);
	assert_int_equal(rc, ERR_LIMIT);
	assert_true(e.text[0] != '\0');
	table_writer_free(w);
	assert_int_equal(access(path, F_OK), -1);
}

/* --- reading what is damaged --- */

static void flip(off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t c;
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 1;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

/* Reads all: 0, or the first error; every row up to it is right, and the error stays. */
static int read_all(struct table *t, const struct shape *s, struct err *e)
{
	struct table_cursor c = {.table = t, .pass = true};
	size_t i = 0;
	int rc = table_seek(&c, bytes_of(NULL, 0), e);
	for (; rc == 1; rc = table_next(&c, e))
		assert_at(&c, s, i++);
	if (rc == 0)
		assert_int_equal(i, s->n);
	for (int again = 0; rc < 0 && again < 3; again++)
		assert_true(table_next(&c, e) < 0);
	table_cursor_end(&c);
	return rc;
}

static void every_flipped_bit_is_told(void **state)
{
	static const struct shape all[] = {
		{3000, 0, 0, true}, {40, 40000, 0, false}, {0, 0, 0, false}};
	(void)state;
	for (int i = 0; i < 3; i++) {
		write_table(&all[i], bytes_of(NULL, 0));
		struct table *whole = open_table();
		off_t size = (off_t)table_octets(whole);
		for (off_t at = 0; at < size;
		     at += at < 40 || at > size - 200 ? 1 : 1 + size / 150) {
			struct table *t = NULL;
			struct err e = {""};
			flip(at);
			int rc = table_open(path, 1000000 + (uint64_t)at, cache, &t, &e);
			if (rc == 0) {
				int seen = read_all(t, &all[i], &e);
				rc = table_verify(t, &e);
				assert_true(seen == 0 || rc < 0);
				table_close(t);
			}
			if (rc != ERR_CORRUPT && rc != ERR_VERSION)
				fail_msg("octet %lld of %lld: %d", (long long)at, (long long)size,
					 rc);
			assert_non_null(strstr(e.text, path));
			assert_int_equal(table_verify(whole, &e),
					 rc == ERR_VERSION ? ERR_VERSION : ERR_CORRUPT);
			flip(at);
		}
		assert_int_equal(table_verify(whole, NULL), 0);
		table_close(whole);
		unlink(path);
	}
}

static void a_file_that_is_cut_is_told(void **state)
{
	const struct shape s = {3000, 0, 0, true};
	struct err e = {""};
	(void)state;
	write_table(&s, bytes_of(NULL, 0));
	struct table *whole = open_table(), *t = NULL;
	off_t size = (off_t)table_octets(whole);
	for (off_t at = size - 1; at >= 0; at -= at > size - 100 || at < 100 ? 1
						 : size / 30 < at            ? size / 30
									     : at) {
		assert_int_equal(truncate(path, at), 0);
		assert_int_equal(table_open(path, 9, cache, &t, &e), ERR_CORRUPT);
		assert_null(t);
		assert_int_equal(table_verify(whole, &e), ERR_CORRUPT);
	}
	assert_int_equal(read_all(whole, &s, &e), ERR_CORRUPT);
	table_close(whole);
	unlink(path);
	assert_int_equal(table_open(path, 9, cache, &t, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.text, path));
}

/* A cursor that met damage can be used for what is whole. */
static void a_cursor_lives_on_after_damage(void **state)
{
	const struct shape s = {SEGMENT_ROWS * 40, 0, 0, false};
	struct err e = {""};
	(void)state;
	write_table(&s, bytes_of(NULL, 0));
	struct table *t = open_table();
	struct table_cursor c = {.table = t, .pass = true};
	flip((off_t)table_octets(t) / 2);
	int failed = 0;
	for (size_t i = 0; i < s.n; i += 100) {
		uint64_t rank;
		int rc = table_seek(&c, key_of(&s, i), &e);
		if (rc == 1)
			assert_at(&c, &s, i);
		else
			assert_int_equal(rc, ERR_CORRUPT);
		failed += rc < 0;
		rc = table_rank(&c, key_of(&s, i), &rank, &e);
		assert_true(rc < 0 || rank == i);
	}
	assert_in_range(failed, 1, 4);
	table_cursor_end(&c);
	table_close(t);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(rows_are_found),
		TEST(questions_are_answered_with_any_cache),
		TEST(an_empty_table_has_nothing),
		TEST(a_dictionary_made_of_samples_is_used),
		TEST(a_table_that_is_not_finished_is_removed),
		TEST(a_thread_of_its_own_writes_the_same),
		TEST(a_full_disk_is_told),
		TEST(a_file_that_is_there_is_left_alone),
		TEST(rows_that_are_too_large_are_refused),
		TEST(a_table_that_would_be_too_deep_is_refused),
		TEST(every_flipped_bit_is_told),
		TEST(a_file_that_is_cut_is_told),
		TEST(a_cursor_lives_on_after_damage),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
