/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sorting against qsort, with keys that are hard on it. */
#include "../records_kit.h"

#include <pthread.h>

#include "feed/sort.h"

enum { ROOM = sizeof(struct sort_key) + 160 };

static int by_key(const void *a, const void *b)
{
	const struct sort_key *x = ((const struct sort_row *)a)->key, *y = ((const struct sort_row *)b)->key;
	return bytes_cmp(bytes_of(x->octets, x->n), bytes_of(y->octets, y->n));
}

struct told {
	const struct sort_row *rows, *want;
	size_t n;
};

/* What was told to be in order is, and stays so. */
static void hear(void *ctx, size_t first)
{
	struct told *t = ctx;
	assert_true(first >= t->n);
	for (; t->n < first; t->n++)
		assert_int_equal(by_key(&t->rows[t->n], &t->want[t->n]), 0);
}

static void check(struct sort_row *rows, size_t n)
{
	struct sort_row *want = xcalloc(n + 1, sizeof(*want));
	memcpy(want, rows, n * sizeof(*rows));
	qsort(want, n, sizeof(*want), by_key);
	struct told told = {rows, want, 0};
	if (n % 2)
		sort_rows(rows, n);
	else
		sort_rows_telling(rows, n, hear, &told);
	assert_int_equal(told.n, n % 2 ? 0 : n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(by_key(&rows[i], &want[i]), 0);
	free(want);
}

static uint64_t next(uint64_t *state)
{
	return *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

/* Keys of up to most octets out of so many different ones, behind a prefix they share. */
static void try(size_t n, unsigned letters, unsigned most, unsigned shared, uint64_t seed)
{
	struct sort_row *rows = xcalloc(n + 1, sizeof(*rows));
	uint8_t *octets = xcalloc(n + 1, ROOM);
	for (size_t i = 0; i < n; i++) {
		struct sort_key *key = (struct sort_key *)(void *)(octets + i * ROOM);
		key->n = (shared + (uint32_t)((next(&seed) >> 33) % (most + 1))) & 0xff;
		memset(key->octets, 0xff, shared);
		for (uint32_t at = shared; at < key->n; at++)
			key->octets[at] = (uint8_t)((next(&seed) >> 33) % letters * (255 / (letters - 1)));
		rows[i].key = key;
	}
	check(rows, n);
	check(rows, n); /* in order already */
	for (size_t i = 0; i < n / 2; i++) { /* and the other way round */
		struct sort_row row = rows[i];
		rows[i] = rows[n - 1 - i];
		rows[n - 1 - i] = row;
	}
	check(rows, n);
	free(octets);
	free(rows);
}

static void test_sort(void **state)
{
	static const size_t counts[] = {0, 1, 2, 3, 7, 31, 100, 1000, 20000};
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		try(counts[i], 256, 20, 0, i + 1);  /* all octets */
		try(counts[i], 2, 12, 0, i + 2);    /* zero and 255: many equal, many prefixes */
		try(counts[i], 256, 1, 0, i + 3);   /* very short */
		try(counts[i], 3, 9, 100, i + 4);   /* behind a long common prefix */
		try(counts[i], 256, 0, 40, i + 5);  /* all the same */
	}
}

enum { LONG = 1300, ALIKE = 1200, STACK = 512 << 10 };

/* Keys of which each departs from the rest an octet later than the one before, and many that do so at the end alone. */
static void *sort_a_ladder(void *arg)
{
	size_t n = LONG - 2 + ALIKE;
	struct sort_row *rows = xcalloc(n, sizeof(*rows));
	size_t room = sizeof(struct sort_key) + LONG + 8;
	room += -room % 8;
	uint8_t *octets = xcalloc(n, room);
	for (size_t i = 0; i < n; i++) {
		struct sort_key *key = (struct sort_key *)(void *)(octets + i * room);
		key->n = LONG;
		memset(key->octets, 'm', LONG);
		if (i < LONG - 2) {
			key->octets[i] = 'n';
		} else {
			key->octets[LONG - 2] = (uint8_t)((i * 7) >> 8);
			key->octets[LONG - 1] = (uint8_t)(i * 7);
		}
		rows[i].key = key;
	}
	check(rows, n);
	free(octets);
	free(rows);
	return arg;
}

static void test_a_ladder_needs_little_stack(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;
	(void)state;
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, STACK), 0);
	assert_int_equal(pthread_create(&thread, &attr, sort_a_ladder, NULL), 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_sort), cmocka_unit_test(test_a_ladder_needs_little_stack)};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
