/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log lines: their form, that foreign text forges none, levels. */
#include "base/log.h"

#include <ctype.h>
#include <pthread.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static FILE *file;
static int old_stderr;
static char text[1 << 20];

/* From here on stderr is a file. */
static void begin(void)
{
	fflush(stderr);
	file = tmpfile();
	assert_non_null(file);
	old_stderr = dup(STDERR_FILENO);
	assert_true(old_stderr >= 0);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
}

/* What has been logged since. */
static const char *end(void)
{
	assert_true(dup2(old_stderr, STDERR_FILENO) >= 0);
	close(old_stderr);
	rewind(file);
	size_t n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = '\0';
	fclose(file);
	return text;
}

/* A line without its time, which has the form 2024-01-31T12:00:00Z. */
static const char *after_time(const char *line)
{
	static const char form[] = "0000-00-00T00:00:00Z ";
	for (size_t i = 0; form[i]; i++) {
		if (form[i] == '0')
			assert_true(isdigit((unsigned char)line[i]));
		else
			assert_int_equal(line[i], form[i]);
	}
	return line + sizeof(form) - 1;
}

static void test_form(void **state)
{
	begin();
	log_error("feed", "%s: line %d", "a file", 7);
	assert_string_equal(after_time(end()), "error feed: a file: line 7\n");
	begin();
	log_warning("http", "x");
	assert_string_equal(after_time(end()), "warning http: x\n");
	begin();
	log_info("daemon", "%s", "");
	assert_string_equal(after_time(end()), "info daemon: \n");
}

static void test_levels(void **state)
{
	static const enum log_level levels[] = {LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO,
						LOG_LEVEL_DEBUG};
	for (size_t i = 0; i < 4; i++) {
		begin();
		log_set_level(levels[i]);
		log_debug("x", "four");
		log_info("x", "three");
		log_warning("x", "two");
		log_error("x", "one");
		const char *got = end();
		assert_non_null(strstr(got, "one"));
		assert_int_equal(strstr(got, "two") != NULL, i >= 1);
		assert_int_equal(strstr(got, "three") != NULL, i >= 2);
		assert_int_equal(strstr(got, "four") != NULL, i >= 3);
	}
	log_set_level(LOG_LEVEL_INFO);
}

static void test_foreign_text(void **state)
{
	begin();
	log_info("x", "%s", "a\nerror y: forged\r\n\033[2J\tb\x01");
	assert_string_equal(after_time(end()), "info x: a?error y: forged???[2J?b?\n");
	begin();
	log_info("x", "%s", "\xc3\xa4");
	assert_string_equal(after_time(end()), "info x: \xc3\xa4\n");
}

static void test_long_lines(void **state)
{
	static char long_text[5000];
	memset(long_text, 'y', sizeof(long_text) - 1);
	for (size_t n = 900; n < sizeof(long_text); n += n < 1100 ? 1 : 999) {
		long_text[n] = '\0';
		begin();
		log_info("x", "%s", long_text);
		const char *got = after_time(end());
		size_t length = strlen(got);
		assert_int_equal(got[length - 1], '\n');
		assert_true(length == n + 9 || length > 900);
		assert_true(strspn(got + 8, "y") == length - 9); /* all of it, or its beginning */
		long_text[n] = 'y';
	}
	begin();
	log_info(long_text, "%s", "the text"); /* a subsystem without end */
	assert_non_null(strstr(end(), ": the text\n"));
}

enum { LINES = 500 };

static void *many(void *name)
{
	for (int i = 0; i < LINES; i++)
		log_info(name, "%d %s", i, "0123456789012345678901234567890123456789");
	return NULL;
}

/* Lines of threads do not mix. */
static void test_threads(void **state)
{
	static char names[4][8] = {"one", "two", "three", "four"};
	pthread_t threads[4];
	int lines = 0;
	begin();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, many, names[i]), 0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	end();
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char name[8], tail[64];
		int number;
		assert_int_equal(
			sscanf(after_time(line), "info %7[a-z]: %d %63s", name, &number, tail), 3);
		assert_string_equal(tail, "0123456789012345678901234567890123456789");
		lines++;
	}
	assert_int_equal(lines, 4 * LINES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),         cmocka_unit_test(test_levels),
		cmocka_unit_test(test_foreign_text), cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_threads),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
