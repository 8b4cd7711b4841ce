/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which answers match: everything of a question counts, once, and not for ever. */
#include "ingest/matching.h"

#include "base/limits.h"
#include "packets_kit.h"

/* A message on its way between client 1 and server 2. */
struct sent {
	struct datagram d;
	struct transport t;
	struct message_head head;
};

static struct sent make(unsigned id, const char *name, bool answer)
{
	struct sent s = {0};
	s.d.from[15] = answer ? 2 : 1;
	s.d.to[15] = answer ? 1 : 2;
	s.t.from_port = answer ? 53 : 1000;
	s.t.to_port = answer ? 1000 : 53;
	s.head = (struct message_head){.id = (uint16_t)id, .answer = answer, .questions = 1, .type = 1, .class = 1};
	s.head.name_n = (uint16_t)dname_from_text(bytes_str(name), s.head.name);
	return s;
}

static void ask(struct matching *m, uint64_t time_s, struct sent s)
{
	matching_question(m, time_s, &s.d, &s.t, &s.head);
}

static bool answers(struct matching *m, uint64_t time_s, struct sent s)
{
	return matching_answer(m, time_s, &s.d, &s.t, &s.head);
}

static void test_answers_only(void **state)
{
	(void)state;
	struct matching *m = matching_new();
	assert_true(answers(m, 10, make(1, "a.example", true)));
	assert_true(answers(m, 10, make(1, "a.example", true)));
	ask(m, 10, make(2, "b.example", false));
	assert_false(answers(m, 10, make(1, "a.example", true)));
	matching_free(m);
}

static void test_once(void **state)
{
	(void)state;
	struct matching *m = matching_new();
	ask(m, 10, make(1, "a.example", false));
	ask(m, 10, make(1, "a.example", false)); /* sent again */
	assert_true(answers(m, 11, make(1, "a.example", true)));
	assert_false(answers(m, 11, make(1, "a.example", true)));
	matching_free(m);
}

static void test_all_must_match(void **state)
{
	(void)state;
	struct matching *m = matching_new();
	struct sent s;
	ask(m, 10, make(1, "a.example", false));
	assert_false(answers(m, 10, make(2, "a.example", true)));
	assert_false(answers(m, 10, make(1, "b.example", true)));
	s = make(1, "a.example", true);
	s.t.to_port = 1001;
	assert_false(answers(m, 10, s));
	s = make(1, "a.example", true);
	s.t.from_port = 54;
	assert_false(answers(m, 10, s));
	s = make(1, "a.example", true);
	s.d.from[15] = 3;
	assert_false(answers(m, 10, s));
	s = make(1, "a.example", true);
	s.d.to[15] = 3;
	assert_false(answers(m, 10, s));
	s = make(1, "a.example", true);
	s.head.type = 28;
	assert_false(answers(m, 10, s));
	s = make(1, "a.example", true);
	s.head.class = 3;
	assert_false(answers(m, 10, s));
	s = make(1, "a.example", true);
	s.t.tcp = true;
	assert_false(answers(m, 10, s));
	assert_true(answers(m, 10, make(1, "a.example", true)));
	matching_free(m);
}

static void test_age(void **state)
{
	(void)state;
	struct matching *m = matching_new();
	ask(m, 1000, make(1, "a.example", false));
	assert_false(answers(m, 1001 + QUESTION_SECONDS, make(1, "a.example", true)));
	ask(m, 1000, make(1, "a.example", false));
	assert_true(answers(m, 999, make(1, "a.example", true))); /* packets of two cards come a little out of order */
	matching_free(m);
}

static void test_many(void **state)
{
	(void)state;
	char name[64];
	struct matching *m = matching_new();
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		ask(m, 10, make(i & 0xffff, name, false));
	}
	unsigned found = 0;
	for (unsigned i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "n%u.example", i);
		found += answers(m, 11, make(i & 0xffff, name, true));
	}
	assert_true(found >= 99900); /* sets of four: hardly any overflows at a tenth of the table */
	matching_free(m);
	matching_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_only), cmocka_unit_test(test_once), cmocka_unit_test(test_all_must_match),
		cmocka_unit_test(test_age),          cmocka_unit_test(test_many),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
