/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation that never gives NULL. */
#include "base/mem.h"

#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_nothing_is_something(void **state)
{
	void *p = xmalloc(0);
	assert_non_null(p);
	p = xrealloc(p, 100);
	memset(p, 1, 100);
	p = xrealloc(p, 0);
	assert_non_null(p);
	free(p);
	p = xrealloc(NULL, 1);
	assert_non_null(p);
	free(p);
	p = xcalloc(0, 8);
	assert_non_null(p);
	free(p);
}

static void test_zeroed(void **state)
{
	uint8_t *p = xcalloc(1000, 3);
	for (size_t i = 0; i < 3000; i++)
		assert_int_equal(p[i], 0);
	free(p);
}

static void test_large(void **state)
{
	static const size_t sizes[] = {0, 100, (2 << 20) - 1, 2 << 20, (5 << 20) + 3};
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *p = xmalloc_large(sizes[i]);
		memset(p, 1, sizes[i]);
		if (sizes[i] >= 2 << 20) /* where huge pages can begin */
			assert_int_equal((uintptr_t)p % (2 << 20), 0);
		free(p);
	}
}

static void test_strings(void **state)
{
	char *s = xstrdup("text");
	assert_string_equal(s, "text");
	free(s);
	s = xstrndup("text", 2);
	assert_string_equal(s, "te");
	free(s);
	s = xstrndup("", 0);
	assert_string_equal(s, "");
	free(s);
	s = xstrndup("a\0b", 3); /* octets, not a string */
	assert_memory_equal(s, "a\0b", 4);
	free(s);
}

/* Memory that cannot be had ends the program, with a message. */
static void test_abort(void **state)
{
	int ends[2];
	char text[400] = "";
	assert_int_equal(pipe(ends), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(ends[1], STDERR_FILENO);
		xmalloc((size_t)1 << 62);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	close(ends[1]);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	close(ends[0]);
	assert_true(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
	if (strstr(text, "Sanitizer")) /* it aborts on its own, with more words */
		return;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_string_equal(text, "dribble: out of memory (4611686018427387904 bytes)\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_something),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_abort),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
