/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arenas: what is handed out is aligned, apart and kept until it is cleared. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"

enum { CHUNK = 4 << 20 };

static void test_empty(void **state)
{
	struct arena a = {0};
	assert_int_equal(arena_used(&a), 0);
	arena_clear(&a);
	arena_release(&a);
	arena_release(&a);
	assert_int_equal(arena_used(&a), 0);
}

/* Each allocation filled to its end; none disturbs another. */
static void test_many(void **state)
{
	struct arena a = {0};
	enum { N = 5000 };
	static uint8_t *p[N];
	static size_t size[N];
	uint32_t x = 2463534242u;
	for (int round = 0; round < 3; round++) {
		size_t total = 0;
		for (int i = 0; i < N; i++) {
			x ^= x << 13, x ^= x >> 17, x ^= x << 5;
			size[i] = i % 1000 == 999 ? CHUNK + x % 1000 : x % 700;
			p[i] = arena_alloc(&a, size[i]);
			assert_non_null(p[i]);
			assert_int_equal((uintptr_t)p[i] % _Alignof(uint64_t), 0);
			memset(p[i], i & 255, size[i]);
			total += size[i];
		}
		for (int i = 0; i < N; i++) {
			for (size_t j = 0; j < size[i]; j++)
				assert_int_equal(p[i][j], i & 255);
		}
		assert_true(arena_used(&a) >= total);
		assert_true(arena_used(&a) <= 3 * total + CHUNK);
		arena_clear(&a);
		assert_true(arena_used(&a) <= 2 * CHUNK);
	}
	arena_release(&a);
	assert_int_equal(arena_used(&a), 0);
}

/* Copies lie close together, and what comes after them is aligned again. */
static void test_copies(void **state)
{
	struct arena a = {0};
	const struct bytes text = bytes_str("abc");
	struct bytes one = arena_copy(&a, text), two = arena_copy(&a, text);
	assert_ptr_equal(two.p, one.p + 3);
	assert_true(bytes_eq(one, text) && bytes_eq(two, text));
	assert_int_equal((uintptr_t)arena_alloc(&a, 8) % _Alignof(uint64_t), 0);
	assert_int_equal(arena_copy(&a, bytes_of(NULL, 0)).n, 0);
	arena_release(&a);
}

/* What is cleared is used again, as long as it is needed. */
static void test_clear_keeps_memory(void **state)
{
	struct arena a = {0};
	uint8_t *first = arena_alloc(&a, 1);
	size_t used = arena_used(&a);
	for (int i = 0; i < 1000; i++) {
		arena_clear(&a);
		assert_true(arena_used(&a) <= used);
		uint8_t *p = arena_alloc(&a, 1);
		assert_ptr_equal(p, first);
		assert_int_equal(arena_used(&a), used);
		memset(p, 1, 1);
	}
	enum { CHUNKS = 5 };
	uint8_t *of[2][CHUNKS];
	for (int round = 0; round < 2; round++) {
		arena_clear(&a);
		for (int i = 0; i < CHUNKS; i++)
			memset(of[round][i] = arena_alloc(&a, CHUNK / 2 + 64), round, CHUNK / 2 + 64);
	}
	for (int i = 0; i < CHUNKS; i++) {
		bool again = false;
		for (int k = 0; k < CHUNKS; k++)
			again = again || of[1][i] == of[0][k];
		assert_true(again);
	}
	arena_release(&a);
}

static void test_exact_fit(void **state)
{
	enum { ROOM = (1 << 16) - 2 * sizeof(void *) }; /* of the first chunk, behind its head */
	struct arena a = {0};
	uint8_t *one = arena_alloc(&a, ROOM - 16);
	uint8_t *two = arena_alloc(&a, 16); /* the rest of the chunk */
	assert_ptr_equal(two, one + ROOM - 16);
	memset(one, 1, ROOM - 16);
	memset(two, 2, 16);
	memset(arena_alloc(&a, 1), 3, 1);
	assert_true(arena_used(&a) > ROOM);
	assert_int_equal(one[ROOM - 17], 1);
	assert_int_equal(two[15], 2);
	arena_release(&a);
}

static void test_copy(void **state)
{
	struct arena a = {0};
	char text[] = "text";
	struct bytes copy = arena_copy(&a, bytes_str(text));
	text[0] = 'n';
	assert_true(bytes_eq(copy, bytes_str("text")));
	assert_int_equal(arena_copy(&a, bytes_of(NULL, 0)).n, 0);
	assert_int_equal(arena_copy(&a, bytes_of(text, 0)).n, 0);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_clear_keeps_memory),
		cmocka_unit_test(test_exact_fit),
		cmocka_unit_test(test_copy),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
