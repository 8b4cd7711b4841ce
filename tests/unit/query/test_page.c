/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pages, cursors and the sets of an answer that is not paged. */
#include "../records_kit.h"

#include "query/page.h"

enum { HUB = 2300 };

/* One name with many addresses, few mail servers, and many names that point at it. */
static struct store *hub(void)
{
	struct buffer lines = BUFFER_INIT;
	char text[64];
	for (int i = 0; i < HUB; i++) {
		snprintf(text, sizeof(text), "10.0.%d.%d", i / 250, i % 250);
		kit_line(&lines, "hub.example", "A", text);
		snprintf(text, sizeof(text), "n%05d.example", i);
		kit_line(&lines, text, "CNAME", "hub.example");
	}
	kit_line(&lines, "hub.example", "MX", "10 mx.example");
	kit_line(&lines, "hub.example", "PTR", "hub.example"); /* found both ways, and once */
	buffer_put_byte(&lines, 0);
	struct store *s = kit_store((const char *)lines.p);
	buffer_release(&lines);
	return s;
}

/* Plans a part of the answer for a value; its lines are appended. */
static struct page plan(struct store *s, const char *value, const char *cursor, uint64_t limit, bool paginated,
                        struct buffer *lines)
{
	static const struct filter none;
	struct page_request r = {.store = s,
	                         .limit = limit,
	                         .paginated = paginated,
	                         .style = STYLE_EXPORT};
	static struct position from;
	struct page p;
	struct err e = {""};
	assert_int_equal(question_parse(bytes_str(value), &none, NULL, &r.question, &e), 0);
	if (cursor) {
		assert_int_equal(cursor_get(&r.question, bytes_str(cursor), &from, &e), 0);
		r.from = &from;
	}
	assert_int_equal(page_begin(&p, &r, &e), 0);
	assert_int_equal(page_plan(&p, &e), 0);
	buffer_put_bytes(lines, buffer_bytes(&p.lines));
	int rc = 1;
	while (!p.complete && rc == 1)
		rc = page_more(&p, 1000, lines, &e);
	assert_true(rc >= 0);
	return p;
}

static size_t count_lines(const struct buffer *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++)
		n += b->p[i] == '\n';
	return n;
}

/* All of an answer, page by page; after each page, more(ctx) may do something. */
static void read_pages(struct store *s, uint64_t limit, struct buffer *lines, void (*more)(struct store *s, int page))
{
	char cursor[10000] = "0";
	bool any = true;
	for (int n = 0; any; n++) {
		size_t before = count_lines(lines);
		struct page p = plan(s, "hub.example", cursor, limit, true, lines);
		size_t got = count_lines(lines) - before;
		any = p.more;
		assert_true(any ? got == limit : got <= limit);
		if (any) {
			struct buffer text = BUFFER_INIT;
			cursor_put(&p.r.question, &p.next, &text);
			assert_true(text.n < sizeof(cursor));
			memcpy(cursor, text.p, text.n);
			cursor[text.n] = '\0';
			buffer_release(&text);
		}
		page_end(&p);
		if (more)
			more(s, n);
	}
}

static void test_pages_of_any_size_give_the_same_answer(void **state)
{
	static const uint64_t sizes[] = {7, 50, 1000, 2 * HUB + 1, 2 * HUB + 2, 100000};
	struct store *s = hub();
	struct buffer whole = BUFFER_INIT;
	struct page p = plan(s, "hub.example", NULL, 1000000, false, &whole);
	assert_int_equal(p.records, 2 * HUB + 2);
	page_end(&p);
	assert_int_equal(count_lines(&whole), 2 * HUB + 2);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct buffer lines = BUFFER_INIT;
		read_pages(s, sizes[i], &lines, NULL);
		assert_int_equal(lines.n, whole.n);
		assert_memory_equal(lines.p, whole.p, whole.n);
		buffer_release(&lines);
	}
	buffer_release(&whole);
	store_close(s);
}

static void insert(struct store *s, int page)
{
	struct buffer lines = BUFFER_INIT;
	char text[64];
	for (int i = 0; i < 40; i++) {
		snprintf(text, sizeof(text), "new%03d-n%05d.example", page, i * 57);
		kit_line(&lines, text, "CNAME", "hub.example");
		snprintf(text, sizeof(text), "n%05d-%d.example", i * 57, page);
		kit_line(&lines, text, "CNAME", "hub.example");
	}
	buffer_put_byte(&lines, 0);
	kit_feed(s, (const char *)lines.p);
	buffer_release(&lines);
}

static void test_what_was_there_is_read_once_while_more_comes(void **state)
{
	struct store *s = hub();
	struct buffer lines = BUFFER_INIT;
	read_pages(s, 211, &lines, insert);
	buffer_put_byte(&lines, 0);
	for (int i = 0; i < HUB; i++) {
		char text[64];
		snprintf(text, sizeof(text), "\"n%05d.example\"", i);
		const char *first = strstr((const char *)lines.p, text);
		assert_non_null(first);
		assert_null(strstr(first + 1, text));
	}
	buffer_release(&lines);
	store_close(s);
}

static void test_sets_are_cut_and_counted_exactly(void **state)
{
	struct store *s = hub();
	for (uint64_t limit = 1; limit <= 1000000; limit *= 10) {
		struct buffer lines = BUFFER_INIT;
		struct page p = plan(s, "hub.example", NULL, limit, false, &lines);
		uint64_t many = limit < HUB ? limit : HUB;
		assert_int_equal(count_lines(&lines), 2 * many + 2);
		for (size_t i = 0; i < p.n_sets; i++) {
			bool large = p.sets[i].type == 1 || p.sets[i].type == 5;
			assert_int_equal(p.sets[i].sent, large ? many : 1);
			assert_int_equal(p.sets[i].total, large && limit < HUB ? HUB : 0);
		}
		page_end(&p);
		buffer_release(&lines);
	}
	store_close(s);
}

static void test_nothing_found(void **state)
{
	struct store *s = hub();
	struct buffer lines = BUFFER_INIT;
	for (int paginated = 0; paginated < 2; paginated++) {
		struct page p = plan(s, "nothing.example", NULL, 10, paginated, &lines);
		assert_true(p.complete && !p.more && p.records == 0 && lines.n == 0);
		page_end(&p);
	}
	store_close(s);
}

static void test_a_budget_ends_planning(void **state)
{
	static const struct filter none;
	struct store *s = hub();
	struct page_request r = {.store = s, .limit = 1000, .style = STYLE_COF, .budget = 100};
	struct page p;
	assert_int_equal(question_parse(bytes_str("hub.example"), &none, NULL, &r.question, NULL), 0);
	assert_int_equal(page_begin(&p, &r, NULL), 0);
	assert_int_equal(page_plan(&p, NULL), 1);
	page_end(&p);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_of_any_size_give_the_same_answer),
		cmocka_unit_test(test_what_was_there_is_read_once_while_more_comes),
		cmocka_unit_test(test_sets_are_cut_and_counted_exactly),
		cmocka_unit_test(test_nothing_found),
		cmocka_unit_test(test_a_budget_ends_planning),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
