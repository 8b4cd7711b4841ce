/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What sensors contributed: counted, written as rows that merge, read back. */
#include "../records_kit.h"

#include "base/limits.h"
#include "feed/tally.h"

static void write_out(struct tally *t, struct store *s)
{
	struct run *run;
	assert_int_equal(run_begin(s, tally_rows(t), &run, NULL), 0);
	assert_int_equal(tally_write(t, run, NULL), 0);
	assert_int_equal(run_commit(run, NULL), 0);
	tally_clear(t);
}

struct listing {
	struct buffer text;
	int stop_after;
};

static int list(void *ctx, const struct contribution *c)
{
	struct listing *l = ctx;
	for (size_t i = 0; i < c->id.n; i++)
		buffer_putf(&l->text, c->id.p[i] > ' ' && c->id.p[i] < 127 ? "%c" : "<%02x>", c->id.p[i]);
	for (int i = 0; i < TALLY_WHATS; i++) {
		if (c->n[i])
			buffer_putf(&l->text, " %s=%llu", tally_name((enum tally_what)i), (unsigned long long)c->n[i]);
	}
	buffer_putf(&l->text, " %llu-%llu;", (unsigned long long)c->first_s, (unsigned long long)c->last_s);
	return --l->stop_after ? 0 : 7;
}

static void assert_tally(struct store *s, uint64_t limit, int rc, const char *want)
{
	struct listing l = {BUFFER_INIT, -1};
	assert_int_equal(tally_each(s, limit, list, &l, NULL), rc);
	buffer_put_byte(&l.text, 0);
	assert_string_equal(l.text.p, want);
	buffer_release(&l.text);
}

static void test_runs_merge(void **state)
{
	struct store *s = kit_store(NULL);
	struct tally *t = tally_new();
	assert_tally(s, 10, 0, "");
	tally_add(t, bytes_str("b"), TALLY_OBSERVED, 3, 100);
	tally_add(t, bytes_str("b"), TALLY_OBSERVED, 2, 90);
	tally_add(t, bytes_str("a"), TALLY_MALFORMED, 1, 95);
	tally_add(t, bytes_str("c"), TALLY_DROPPED, 0, 1); /* nothing is nothing */
	assert_int_equal(tally_rows(t), 2);
	write_out(t, s);
	assert_int_equal(tally_rows(t), 0);
	assert_tally(s, 10, 0, "a malformed=1 95-95;b observations=5 90-100;");
	tally_add(t, bytes_str("b"), TALLY_OBSERVED, 1, 200);
	tally_add(t, bytes_str("b"), TALLY_LEFT_OUT + LEFT_OUT_EXCLUDED, 4, 300);
	tally_add(t, bytes_str("b"), TALLY_LEFT_OUT + LEFT_OUT_QUESTION, 9, 210);
	write_out(t, s);
	assert_tally(s, 10, 0, "a malformed=1 95-95;b observations=6 question=9 excluded=4 90-300;");
	tally_free(t);
	store_close(s);
}

/* Ids are any octets, in the order of memcmp, and as long as they may be. */
static void test_ids_are_octets(void **state)
{
	static const uint8_t odd[][4] = {{0}, {0, 0}, {0, 1}, {1}, {2}, {2, 1}, {3}, {255, 0}, {255, 255}};
	static const size_t octets[] = {1, 2, 2, 1, 1, 2, 1, 2, 2};
	struct store *s = kit_store("{\"rrname\": \"a.test\", \"rrtype\": \"A\", \"rdata\": \"192.0.2.1\", \"time_first\": 1, \"time_last\": 1}\n");
	struct tally *t = tally_new();
	char longest[MEMBER_MAX + 9];
	memset(longest, 'z', sizeof(longest));
	for (size_t i = 9; i-- > 0;)
		tally_add(t, bytes_of(odd[i], octets[i]), TALLY_OBSERVED, i + 1, 5);
	tally_add(t, bytes_of(longest, sizeof(longest)), TALLY_OBSERVED, 1, 5);
	tally_add(t, bytes_of(longest, MEMBER_MAX), TALLY_OBSERVED, 1, 5);
	write_out(t, s);
	tally_add(t, bytes_of(NULL, 0), TALLY_OBSERVED, 1, 5); /* nobody said */
	write_out(t, s);
	struct listing l = {BUFFER_INIT, -1};
	assert_int_equal(tally_each(s, 8, list, &l, NULL), 1);
	buffer_put_byte(&l.text, 0);
	char *records = strstr((char *)l.text.p, " observations=2 5-5;<00><01>");
	assert_non_null(records);
	buffer_clear(&l.text);
	assert_int_equal(tally_each(s, 100, list, &l, NULL), 0);
	longest[MEMBER_MAX] = 0;
	buffer_put_byte(&l.text, 0);
	assert_non_null(strstr((char *)l.text.p, longest));
	assert_non_null(strstr((char *)l.text.p, "z observations=2 5-5;"));
	buffer_release(&l.text);
	tally_free(t);
	store_close(s);
}

static void test_keys_that_are_none(void **state)
{
	static const struct {
		const char *octets;
		size_t n;
	} none[] = {{"", 0}, {"#", 1}, {"#\0", 2}, {"#\0\0", 3}, {"#a\0", 3}, {"#a\1\1", 4}, {"#\2\0\1", 4}, {"#\2\4\0\1", 5},
	            {"#\1\0\1", 4}, {"#\0\0\1", 4}, {"4a\0\1", 4}, {"na\0\1", 4}};
	uint8_t id[MEMBER_MAX], what;
	size_t n;
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_int_equal(key_get_sensor(bytes_of(none[i].octets, none[i].n), id, &n, &what), ERR_CORRUPT);
	struct buffer key = BUFFER_INIT;
	char longest[MEMBER_MAX + 1];
	memset(longest, 1, sizeof(longest));
	for (size_t length = 0; length <= sizeof(longest); length++) {
		buffer_clear(&key);
		key_put_sensor(&key, bytes_of(longest, length), 255);
		int rc = key_get_sensor(buffer_bytes(&key), id, &n, &what);
		assert_int_equal(rc, length > MEMBER_MAX ? ERR_CORRUPT : 0);
		if (rc == 0) {
			assert_true(n == length && what == 255 && memcmp(id, longest, n) == 0);
			assert_true(key_type(buffer_bytes(&key)) < 0 && key_owner_type(buffer_bytes(&key)) < 0);
			assert_int_equal(key_subject_len(buffer_bytes(&key)), 0);
		}
	}
	buffer_release(&key);
}

static void test_limit_and_stop(void **state)
{
	struct store *s = kit_store(NULL);
	struct tally *t = tally_new();
	for (int i = 0; i < 5; i++)
		tally_add(t, bytes_of("abcde" + i, 1), TALLY_OBSERVED, 1, 7);
	write_out(t, s);
	assert_tally(s, 5, 0, "a observations=1 7-7;b observations=1 7-7;c observations=1 7-7;d observations=1 7-7;e observations=1 7-7;");
	assert_tally(s, 4, 1, "a observations=1 7-7;b observations=1 7-7;c observations=1 7-7;d observations=1 7-7;");
	assert_tally(s, 0, 1, "");
	struct listing l = {BUFFER_INIT, 2};
	assert_int_equal(tally_each(s, 5, list, &l, NULL), 7);
	buffer_release(&l.text);
	tally_free(t);
	store_close(s);
}

static void test_many_sensors_ask_for_a_commit(void **state)
{
	struct tally *t = tally_new();
	char id[16];
	for (int i = 0; i < SENSORS_MAX; i++) {
		assert_false(tally_is_full(t));
		snprintf(id, sizeof(id), "sensor-%d", i);
		for (int k = 0; k < 3; k++)
			tally_add(t, bytes_str(id), TALLY_OBSERVED, 1, 1);
	}
	assert_true(tally_is_full(t));
	assert_int_equal(tally_rows(t), SENSORS_MAX);
	tally_clear(t);
	assert_false(tally_is_full(t));
	tally_free(t);
}

static void test_counts_saturate(void **state)
{
	struct store *s = kit_store(NULL);
	struct tally *t = tally_new();
	for (int i = 0; i < 3; i++) {
		tally_add(t, bytes_str("x"), TALLY_OBSERVED, COUNT_MAX - 1, 1);
		tally_add(t, bytes_str("x"), TALLY_OBSERVED, 3, 1);
		write_out(t, s);
	}
	assert_tally(s, 5, 0, "x observations=9223372036854775807 1-1;");
	tally_free(t);
	store_close(s);
}

/* Every place where an import may be cut off leaves sensors' numbers that are those of its records. */
static void test_an_import_counts_once(void **state)
{
	struct buffer lines = BUFFER_INIT;
	for (int i = 0; i < 60; i++) {
		buffer_putf(&lines, "{\"rrname\": \"n%d.test\", \"rrtype\": \"A\", \"rdata\": \"192.0.2.%d\", \"time_first\": 1, \"time_last\": 2%s}\n", i,
		            i, i % 3 == 0 ? ", \"sensor_id\": \"named\"" : "");
		if (i % 10 == 0)
			buffer_put_str(&lines, "no line\n");
	}
	for (size_t cut = 0; cut < lines.n; cut += 211) {
		for (int way = 0; way < 2; way++) {
			struct store *s = kit_store(NULL);
			struct note note;
			struct intake_options opt = {.store = s,
			                             .format = &cof_format,
			                             .memory = 1 << 20,
			                             .sensor = bytes_str("own"),
			                             .note_key = bytes_str("\x01test"),
			                             .overlap = way};
			struct intake *in = intake_open(&opt, NULL);
			for (size_t at = 0; at < cut; at += 100) {
				assert_int_equal(intake_feed(in, bytes_of(lines.p + at, cut - at < 100 ? cut - at : 100), NULL), 0);
				if (at % 300 == 0)
					assert_int_equal(intake_flush(in, NULL), 0);
			}
			intake_close(in);
			opt.resume = note_get(s, opt.note_key, &note, NULL) == 1 ? &note : NULL;
			in = intake_open(&opt, NULL);
			assert_int_equal(intake_feed(in, buffer_bytes(&lines), NULL), 0);
			assert_int_equal(intake_finish(in, NULL), 0);
			intake_close(in);
			struct listing l = {BUFFER_INIT, -1};
			assert_int_equal(tally_each(s, 9, list, &l, NULL), 0);
			buffer_put_byte(&l.text, 0);
			assert_non_null(strstr((char *)l.text.p, "named observations=20 "));
			assert_non_null(strstr((char *)l.text.p, "own observations=40 malformed=6 "));
			buffer_release(&l.text);
			store_close(s);
		}
	}
	buffer_release(&lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_merge),
		cmocka_unit_test(test_ids_are_octets),
		cmocka_unit_test(test_keys_that_are_none),
		cmocka_unit_test(test_limit_and_stop),
		cmocka_unit_test(test_many_sensors_ask_for_a_commit),
		cmocka_unit_test(test_counts_saturate),
		cmocka_unit_test(test_an_import_counts_once),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
