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

/* A piece that says where it is from. */
static struct cached *put_piece(struct cache *c, uint64_t table, uint64_t offset, const char *prefix, uint32_t octets)
{
	uint64_t memory[(sizeof(struct segment) + 3 * sizeof(struct segment_row)) / 8 + 1] = {0};
	struct segment *s = (struct segment *)(void *)memory;
	uint8_t *bytes = calloc(1, octets);
	assert_non_null(bytes);
	memcpy(bytes, prefix, strlen(prefix) < octets ? strlen(prefix) : octets);
	*s = (struct segment){.n = 1, .first = (uint32_t)offset, .of = 256, .bytes = bytes};
	s->rows[0].value = octets / 2;
	s->rows[1].key = s->rows[1].value = octets;
	s->size = (uint32_t)(sizeof(*s) + 2 * sizeof(s->rows[0]) + octets);
	struct cached *held = cache_put_piece(c, table, offset, bytes_str(prefix), s);
	free(bytes);
	return held;
}

static size_t empty_size(size_t room)
{
	struct cache *c = cache_new(room);
	size_t used = cache_used(c);
	cache_free(c);
	return used;
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
	assert_in_range(cache_used(c) - empty_size(1 << 20), 1000, 2000);
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
	assert_in_range(cache_used(c) - empty_size(1 << 20), 1000, 2000);
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
	assert_int_equal(cache_used(c), empty_size(1 << 20));
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

static void pieces_are_found_by_their_prefix(void **state)
{
	struct cache *c = cache_new(1 << 20);
	struct bytes prefix;
	(void)state;
	assert_null(cache_get_piece(c, 1, 16, bytes_str("a")));
	struct cached *a = put_piece(c, 1, 16, "a", 100), *ab = put_piece(c, 1, 16, "ab", 60);
	struct cached *other = put_piece(c, 2, 16, "a", 80), *empty = put_piece(c, 1, 16, "", 40);
	struct cached *same = put_piece(c, 1, 16, "a", 100); /* the first that is put stays */
	assert_ptr_equal(cached_segment(same), cached_segment(a));
	assert_null(cache_get(c, 1, 16)); /* it is not the segment */
	assert_null(cache_get_piece(c, 1, 16, bytes_str("abc")));
	assert_null(cache_get_piece(c, 1, 17, bytes_str("a")));
	struct cached *found = cache_get_piece(c, 1, 16, bytes_str("ab"));
	assert_ptr_equal(cached_segment(found), cached_segment(ab));
	assert_int_equal(segment_key(cached_segment(found), 0).n, 30);
	assert_memory_equal(segment_key(cached_segment(found), 0).p, "ab", 3);
	assert_int_equal(segment_value(cached_segment(found), 0).n, 30);
	assert_true(cached_prefix(found, &prefix) && bytes_eq(prefix, bytes_str("ab")));
	cache_release(c, found);
	found = cache_get_piece(c, 1, 16, bytes_of(NULL, 0));
	assert_ptr_equal(cached_segment(found), cached_segment(empty));
	cache_release(c, found);
	/* The segment will do for a piece that is not there. */
	struct cached *whole = cache_put(c, 1, 16, segment_of(1, 16, 1000));
	found = cache_get_piece(c, 1, 16, bytes_str("abc"));
	assert_ptr_equal(cached_segment(found), cached_segment(whole));
	assert_false(cached_prefix(found, &prefix));
	cache_release(c, found);
	struct cached *const all[] = {a, ab, other, empty, same, whole};
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		cache_release(c, all[i]);
	cache_free(c);
}

static void a_table_is_forgotten(void **state)
{
	struct cache *c = cache_new(1 << 20);
	(void)state;
	struct cached *held = cache_put(c, 3, 0, segment_of(3, 0, 300));
	for (uint64_t i = 0; i < 600; i++) {
		cache_release(c, cache_put(c, 1 + i % 3, i, segment_of(1 + i % 3, i, 300)));
		cache_release(c, put_piece(c, 1 + i % 3, i, "piece", 50));
	}
	size_t used = cache_used(c);
	cache_forget(c, 3);
	cache_forget(c, 77);
	assert_in_range(cache_used(c) - empty_size(1 << 20), (used - empty_size(1 << 20)) * 6 / 10, (used - empty_size(1 << 20)) * 7 / 10);
	assert_int_equal(cached_segment(held)->n, 3000);
	cache_release(c, held);
	for (uint64_t i = 0; i < 600; i++) {
		struct cached *whole = cache_get(c, 1 + i % 3, i), *piece = cache_get_piece(c, 1 + i % 3, i, bytes_str("piece"));
		assert_int_equal(whole != NULL, i % 3 != 2);
		assert_int_equal(piece != NULL, i % 3 != 2);
		cache_release(c, whole);
		cache_release(c, piece);
	}
	cache_forget(c, 1);
	cache_forget(c, 2);
	assert_in_range(cache_used(c), empty_size(1 << 20), empty_size(1 << 20) + 16 * 1024); /* the lists stay */
	cache_free(c);
}

/* Pieces that are asked for stay, and segments that are asked for as often leave: they take fifty times the room. */
static void what_is_large_leaves_first(void **state)
{
	enum { ROOM = 1 << 20, PIECES = 1500, SEGMENTS = 200, SIZE = 12000 };
	struct cache *c = cache_new(ROOM);
	int pieces = 0, segments = 0;
	(void)state;
	assert_true(cache_wants_whole(c, 1, 1));
	for (int round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < PIECES; i++) {
			struct cached *p = cache_get_piece(c, 1, i, bytes_str("p"));
			cache_release(c, p ? p : put_piece(c, 1, i, "p", 100));
			if (i % (PIECES / SEGMENTS))
				continue;
			struct cached *s = cache_get(c, 2, i);
			cache_release(c, s ? s : cache_put(c, 2, i, segment_of(2, i, SIZE)));
			assert_true(cache_used(c) <= ROOM);
		}
	}
	for (uint64_t i = 0; i < PIECES; i++) {
		struct cached *p = cache_get_piece(c, 1, i, bytes_str("p")), *s = cache_get(c, 2, i);
		pieces += p != NULL;
		segments += s != NULL;
		cache_release(c, p);
		cache_release(c, s);
	}
	assert_true(pieces > PIECES * 9 / 10);
	assert_in_range(segments, 20, ROOM / SIZE);
	int full = 0;
	for (uint64_t i = 0; i < 64; i++)
		full += !cache_wants_whole(c, 5, i);
	assert_true(full > 32);
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
		*slot = NULL;
		if (kit_below(&r, 2)) {
			struct cached *piece = cache_get_piece(c, table, offset, bytes_str("p"));
			struct bytes prefix;
			if (!piece)
				piece = put_piece(c, table, offset, "p", 20 + (uint32_t)offset);
			if (cached_prefix(piece, &prefix) && segment_key(cached_segment(piece), 0).n != (20 + offset) / 2)
				abort();
			cache_release(c, piece);
			if (kit_below(&r, 1000) == 0)
				cache_forget(c, table);
			continue;
		}
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
		cmocka_unit_test(pieces_are_found_by_their_prefix),
		cmocka_unit_test(a_table_is_forgotten),
		cmocka_unit_test(what_is_large_leaves_first),
		cmocka_unit_test(threads_share_it),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
