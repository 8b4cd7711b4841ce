/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The cache: what was put in is found until room is needed; what is held stays, from many threads
 * at once. */
#include "store/cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../../contract/store_kit.h"

/* A segment of so many octets that says where it is from. */
static struct segment *segment_of(uint64_t table, uint64_t offset, uint32_t size)
{
	struct segment *s = calloc(1, size);
	assert_non_null(s);
	s->n = (uint32_t)(table * 1000 + offset);
	s->size = size;
	return s;
}

static void what_is_put_is_found(void **state)
{
	struct cache *c = cache_new(1 << 20);
	(void)state;
	assert_null(cache_get(c, 1, 16));
	struct cached *a = cache_put(c, 1, 16, segment_of(1, 16, 1000));
	assert_int_equal(cached_segment(a)->n, 1016);
	struct cached *same = cache_get(c, 1, 16);
	assert_ptr_equal(cached_segment(same), cached_segment(a));
	assert_null(cache_get(c, 1, 17));
	assert_null(cache_get(c, 2, 16));
	assert_null(cache_get(c, 16, 1));
	cache_release(c, same);
	cache_release(c, a);
	cache_release(c, NULL);
	a = cache_get(c, 1, 16); /* nobody holds it: it is kept all the same */
	assert_non_null(a);
	cache_release(c, a);
	assert_in_range(cache_used(c), 1000, 2000);
	cache_free(c);
	cache_free(NULL);
}

static void the_first_that_is_put_stays(void **state)
{
	struct cache *c = cache_new(1 << 20);
	(void)state;
	struct cached *a = cache_put(c, 1, 16, segment_of(1, 16, 1000));
	struct cached *b = cache_put(c, 1, 16, segment_of(1, 16, 1000));
	assert_ptr_equal(cached_segment(a), cached_segment(b));
	assert_in_range(cache_used(c), 1000, 2000);
	cache_release(c, a);
	cache_release(c, b);
	cache_free(c);
}

static void what_passes_is_not_kept(void **state)
{
	struct cache *c = cache_new(1 << 20);
	(void)state;
	struct cached *a = cache_pass(segment_of(3, 4, 500));
	assert_int_equal(cached_segment(a)->n, 3004);
	assert_int_equal(cache_used(c), 0);
	cache_release(c, a);
	cache_free(c);
}

static void room_is_kept_to(void **state)
{
	enum { ROOM = 1 << 18, SIZE = 512, PUT = 5000 };
	struct cache *c = cache_new(ROOM);
	int found = 0, recent = 0;
	(void)state;
	for (uint64_t i = 0; i < PUT; i++) {
		cache_release(c, cache_put(c, 1, i, segment_of(1, i, SIZE)));
		assert_true(cache_used(c) <= ROOM);
		struct cached *first = cache_get(c, 1, 0); /* is asked for all the time: stays */
		assert_non_null(first);
		cache_release(c, first);
	}
	for (uint64_t i = 0; i < PUT; i++) {
		struct cached *a = cache_get(c, 1, i);
		found += a != NULL;
		recent += a && i >= PUT - 100;
		if (a)
			assert_int_equal(cached_segment(a)->n, 1000 + i);
		cache_release(c, a);
	}
	assert_in_range(found, ROOM / SIZE / 3, ROOM / SIZE);
	assert_in_range(recent, 95, 100); /* the shards are not all of one size */
	cache_free(c);
}

static void what_is_held_outlives_its_place(void **state)
{
	struct cache *c = cache_new(1 << 16);
	struct cached *held[50];
	(void)state;
	for (uint64_t i = 0; i < 50; i++)
		held[i] = cache_put(c, 7, i, segment_of(7, i, 8000));
	for (uint64_t i = 0; i < 50; i++)
		assert_int_equal(cached_segment(held[i])->n, 7000 + i);
	int gone = 0;
	for (uint64_t i = 0; i < 50; i++) {
		struct cached *a = cache_get(c, 7, i);
		gone += a == NULL;
		cache_release(c, a);
		cache_release(c, held[i]);
	}
	assert_in_range(gone, 30, 49);
	/* One that is larger than all the room is handed out, and goes with the next. */
	struct cached *large = cache_put(c, 8, 1, segment_of(8, 1, 1 << 20));
	assert_int_equal(cached_segment(large)->n, 8001);
	cache_release(c, large);
	for (uint64_t i = 0; i < 400; i++)
		cache_release(c, cache_put(c, 9, i, segment_of(9, i, 300)));
	assert_true(cache_used(c) <= 1 << 16);
	cache_free(c);
}

static void a_cache_without_room_works(void **state)
{
	struct cache *c = cache_new(0);
	(void)state;
	for (uint64_t i = 0; i < 200; i++) {
		struct cached *a = cache_put(c, 1, i, segment_of(1, i, 100));
		assert_int_equal(cached_segment(a)->n, 1000 + i);
		cache_release(c, a);
	}
	cache_free(c);
}

static void *work(void *arg)
{
	struct cache *c = arg;
	struct kit_random r = {(uint64_t)(uintptr_t)&r};
	struct cached *held[8] = {NULL};
	for (int i = 0; i < 30000; i++) {
		uint64_t table = 1 + kit_below(&r, 3), offset = kit_below(&r, 300);
		struct cached **slot = &held[kit_below(&r, 8)];
		cache_release(c, *slot);
		*slot = cache_get(c, table, offset);
		if (!*slot)
			*slot = cache_put(c, table, offset,
					  segment_of(table, offset, 200 + (uint32_t)offset));
		if (cached_segment(*slot)->n != table * 1000 + offset)
			abort();
	}
	for (int i = 0; i < 8; i++)
		cache_release(c, held[i]);
	return NULL;
}

static void threads_share_it(void **state)
{
	struct cache *c = cache_new(1 << 16);
	pthread_t threads[4];
	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, c), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_true(cache_used(c) <= 1 << 16);
	cache_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_found),
		cmocka_unit_test(the_first_that_is_put_stays),
		cmocka_unit_test(what_passes_is_not_kept),
		cmocka_unit_test(room_is_kept_to),
		cmocka_unit_test(what_is_held_outlives_its_place),
		cmocka_unit_test(a_cache_without_room_works),
		cmocka_unit_test(threads_share_it),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
