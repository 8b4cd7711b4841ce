/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Errors: codes, sentences, what errno becomes. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
	struct err e = {"before"};
	assert_int_equal(err_set(&e, ERR_IO, "%s: line %d", "file", 7), ERR_IO);
	assert_string_equal(e.text, "file: line 7");
	assert_int_equal(err_set(NULL, ERR_LIMIT, "%s", "unseen"), ERR_LIMIT);
}

static void test_long_sentences(void **state)
{
	char text[2000];
	struct {
		struct err e;
		char after[8];
	} x = {{""}, "after"};
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	err_set(&x.e, ERR_IO, "%s", text);
	assert_int_equal(strlen(x.e.text), sizeof(x.e.text) - 1);
	for (size_t n = 480; n < 520; n++) { /* the text of errno does not fit any more */
		text[n] = '\0';
		assert_int_equal(err_sys(&x.e, ENOENT, "%s", text), ERR_NOTFOUND);
		assert_true(strlen(x.e.text) < sizeof(x.e.text));
		assert_memory_equal(x.e.text, text,
				    n < sizeof(x.e.text) ? n : sizeof(x.e.text) - 1);
		text[n] = 'x';
	}
	assert_string_equal(x.after, "after");
}

static void test_sys(void **state)
{
	static const struct {
		int errnum;
		int code;
	} known[] = {
		{ENOSPC, ERR_FULL},   {EDQUOT, ERR_FULL},  {EACCES, ERR_DENIED},
		{EPERM, ERR_DENIED},  {EROFS, ERR_DENIED}, {ENOENT, ERR_NOTFOUND},
		{EEXIST, ERR_EXISTS}, {ENOMEM, ERR_NOMEM}, {EIO, ERR_IO},
		{ECONNRESET, ERR_IO}, {EINVAL, ERR_IO},    {0, ERR_IO},
	};
	struct err e;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		char expected[256];
		snprintf(expected, sizeof(expected), "file 3: %s", strerror(known[i].errnum));
		assert_int_equal(err_sys(&e, known[i].errnum, "file %d", 3), known[i].code);
		assert_string_equal(e.text, expected);
		assert_int_equal(err_sys(NULL, known[i].errnum, "file %d", 3), known[i].code);
	}
}

/* Every code has a phrase of its own, fit for the end of a sentence. */
static void test_phrases(void **state)
{
	for (int code = ERR_CANCELLED; code <= ERR_NOMEM; code++) {
		const char *phrase = err_phrase(code);
		assert_true(strlen(phrase) > 0);
		assert_null(strchr(phrase, '\n'));
		assert_string_not_equal(phrase, err_phrase(-10000));
		for (int other = ERR_CANCELLED; other < code; other++)
			assert_string_not_equal(phrase, err_phrase(other));
	}
	assert_string_equal(err_phrase(0), err_phrase(1));
	assert_string_not_equal(err_phrase(0), err_phrase(-10000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_long_sentences),
		cmocka_unit_test(test_sys),
		cmocka_unit_test(test_phrases),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
