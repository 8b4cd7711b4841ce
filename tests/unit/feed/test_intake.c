/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Each observation of a source once, wherever it was cut off; and the notes that say how far it came. */
#include "../records_kit.h"

#include "ingest/dnstap.h"

static struct bytes lines_of(int n, struct buffer *out)
{
	char owner[32];
	for (int i = 0; i < n; i++) {
		snprintf(owner, sizeof(owner), "n%d.example", i * 7919 % n / 2); /* two of each */
		kit_line(out, owner, i % 3 ? "A" : "CNAME", i % 3 ? "192.0.2.1" : "target.example");
		if (i % 10 == 5)
			buffer_put_str(out, "not a line of COF\n");
	}
	return buffer_bytes(out);
}

static const struct reader_format *format = &cof_format;

static struct intake *open_at(struct store *s, const struct note *resume, bool overlap, bool whole)
{
	const struct intake_options opt = {.store = s,
	                                   .format = format,
	                                   .memory = 1 << 20,
	                                   .note_key = bytes_str("\x01test"),
	                                   .resume = resume,
	                                   .overlap = overlap,
	                                   .whole = whole};
	return intake_open(&opt, NULL);
}

static char *of_one_go(struct bytes source, struct note *ret)
{
	struct store *s = kit_store(NULL);
	struct intake *in = open_at(s, NULL, false, false);
	assert_int_equal(intake_feed(in, source, NULL), 0);
	assert_int_equal(intake_finish(in, NULL), 0);
	intake_counts(in, ret);
	intake_close(in);
	char *dump = kit_dump(s);
	store_close(s);
	return dump;
}

/* Takes in up to a place, with commits at random, goes away, and comes again with what the note says. */
static void cut_off_anywhere(struct bytes all)
{
	struct note want, got, note;
	char *rows = of_one_go(all, &want);
	for (size_t cut = 0; cut < all.n; cut += 97) {
		for (int overlap = 0; overlap < 2; overlap++) {
			struct store *s = kit_store(NULL);
			struct intake *in = open_at(s, NULL, overlap, false);
			for (size_t at = 0; at < cut; at += 53) {
				assert_int_equal(intake_feed(in, bytes_of(all.p + at, at + 53 < cut ? 53 : cut - at), NULL), 0);
				if (at % 7 == 0)
					assert_int_equal(intake_flush(in, NULL), 0);
			}
			intake_close(in);
			int rc = note_get(s, bytes_str("\x01test"), &note, NULL);
			assert_true(rc == 0 || (rc == 1 && !note.done && (note.position <= cut || note.position == UINT64_MAX)));
			in = open_at(s, rc ? &note : NULL, overlap, false);
			assert_int_equal(intake_feed(in, all, NULL), 0);
			assert_int_equal(intake_finish(in, NULL), 0);
			intake_counts(in, &got);
			intake_close(in);
			assert_int_equal(got.accepted, want.accepted);
			assert_int_equal(got.rejected, want.rejected);
			char *dump = kit_dump(s);
			assert_string_equal(dump, rows);
			free(dump);
			store_close(s);
		}
	}
	free(rows);
}

static void test_cut_off_anywhere(void **state)
{
	struct buffer source = BUFFER_INIT;
	cut_off_anywhere(lines_of(300, &source));
	buffer_release(&source);
}

/* dnstap whose framing breaks: nothing behind that place is read, whoever comes again. */
static void test_lost_framing(void **state)
{
	static const uint8_t tap[] = "\x78\1\x72\63\10\4\140\5\162\55" /* MESSAGE, RESOLVER_RESPONSE at 5 */
				     "\1\2\x84\0\0\1\0\1\0\0\0\0\3www\7example\0\0\1\0\1\xc0\14\0\1\0\1\0\0\1\54\0\4\300\0\2\1";
	struct buffer source = BUFFER_INIT;
	struct note note;
	control_write(CONTROL_START, bytes_str(DNSTAP_CONTENT_TYPE), &source);
	for (int i = 0; i < 40; i++)
		frame_write(bytes_of(tap, sizeof(tap) - 1), &source);
	size_t lost_at = source.n;
	buffer_put(&source, "\xff\xff\xff\xff", 4);
	for (int i = 0; i < 20; i++)
		frame_write(bytes_of(tap, sizeof(tap) - 1), &source);
	format = &dnstap_format;
	cut_off_anywhere(buffer_bytes(&source));
	free(of_one_go(buffer_bytes(&source), &note));
	assert_int_equal(note.accepted, 40);
	assert_int_equal(note.rejected, 1);
	free(of_one_go(bytes_of(source.p, lost_at), &note));
	assert_int_equal(note.rejected, 0);
	format = &cof_format;
	buffer_release(&source);
}

static void test_another_source_is_refused(void **state)
{
	struct buffer source = BUFFER_INIT;
	struct bytes all = lines_of(50, &source);
	struct store *s = kit_store(NULL);
	struct note note;
	struct intake *in = open_at(s, NULL, false, false);
	assert_int_equal(intake_feed(in, bytes_of(all.p, all.n / 2), NULL), 0);
	assert_int_equal(intake_flush(in, NULL), 0);
	intake_close(in);
	assert_int_equal(note_get(s, bytes_str("\x01test"), &note, NULL), 1);
	char *before = kit_dump(s);
	source.p[10] ^= 1;
	in = open_at(s, &note, false, false);
	int rc = intake_feed(in, all, NULL);
	if (rc == 0)
		rc = intake_finish(in, NULL);
	assert_int_equal(rc, ERR_USAGE);
	intake_close(in);
	char *after = kit_dump(s);
	assert_string_equal(after, before);
	free(before);
	free(after);
	store_close(s);
	buffer_release(&source);
}

static void test_whole_is_all_or_nothing(void **state)
{
	struct buffer source = BUFFER_INIT;
	struct bytes all = lines_of(200, &source);
	struct note want, note;
	char *rows = of_one_go(all, &want);
	struct store *s = kit_store(NULL);
	struct intake *in = open_at(s, NULL, false, true);
	for (size_t at = 0; at < all.n; at += 100) { /* every few lines a batch */
		assert_int_equal(intake_feed(in, bytes_of(all.p + at, all.n - at < 100 ? all.n - at : 100), NULL), 0);
		assert_int_equal(intake_flush(in, NULL), 0);
	}
	intake_close(in);
	char *dump = kit_dump(s);
	assert_string_equal(dump, "");
	free(dump);
	assert_int_equal(note_get(s, bytes_str("\x01test"), &note, NULL), 0);
	in = open_at(s, NULL, false, true);
	for (size_t at = 0; at < all.n; at += 100) {
		assert_int_equal(intake_feed(in, bytes_of(all.p + at, all.n - at < 100 ? all.n - at : 100), NULL), 0);
		assert_int_equal(intake_flush(in, NULL), 0);
	}
	assert_int_equal(intake_finish(in, NULL), 0);
	intake_close(in);
	for (int again = 0; again < 2; again++) { /* and again, with the note: nothing more */
		assert_int_equal(note_get(s, bytes_str("\x01test"), &note, NULL), 1);
		assert_true(note.done);
		dump = kit_dump(s);
		assert_string_equal(dump, rows);
		free(dump);
		in = open_at(s, &note, false, true);
		assert_int_equal(intake_feed(in, all, NULL), 0);
		assert_int_equal(intake_finish(in, NULL), 0);
		intake_counts(in, &note);
		assert_int_equal(note.accepted, want.accepted);
		intake_close(in);
	}
	free(rows);
	store_close(s);
	buffer_release(&source);
}

static void test_notes(void **state)
{
	const struct note n = {true, 1, 200, 1ull << 40, {{1, 2, 3}}, 5, 6, 7, 1700000000};
	struct buffer b = BUFFER_INIT;
	struct note back;
	note_encode(&n, &b);
	assert_int_equal(note_decode(buffer_bytes(&b), &back), 0);
	assert_true(back.done && back.position == 1 && back.lines == 200 && back.extent == 1ull << 40 && back.accepted == 5 &&
	            back.rejected == 6 && back.rejects_bytes == 7 && back.time_s == 1700000000);
	assert_memory_equal(back.digest.b, n.digest.b, sizeof(n.digest.b));
	for (size_t cut = 0; cut < b.n; cut++)
		assert_int_equal(note_decode(bytes_of(b.p, cut), &back), ERR_CORRUPT);
	buffer_put_byte(&b, 0);
	assert_int_equal(note_decode(buffer_bytes(&b), &back), ERR_CORRUPT);
	buffer_release(&b);
	/* Keys of bodies: the account and the key cannot be mistaken for one another. */
	struct buffer x = BUFFER_INIT, y = BUFFER_INIT;
	note_key_body(&x, bytes_str("ab"), bytes_str("c"));
	note_key_body(&y, bytes_str("a"), bytes_str("bc"));
	assert_false(bytes_eq(buffer_bytes(&x), buffer_bytes(&y)));
	assert_true(x.p[0] < STORE_FIRST_ROW);
	buffer_release(&x);
	buffer_release(&y);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cut_off_anywhere), cmocka_unit_test(test_lost_framing),
		cmocka_unit_test(test_another_source_is_refused),
		cmocka_unit_test(test_whole_is_all_or_nothing),
		cmocka_unit_test(test_notes),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
