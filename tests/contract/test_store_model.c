/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The same random operations on the store on disk and on the one in memory, which is its model:
 * whatever is asked, both answer the same. DRIBBLE_MODEL_SEED and DRIBBLE_MODEL_STEPS try others.
 */
#include "store_kit.h"

#include <stdlib.h>
#include <string.h>

enum { HELD = 3, NOTES = 6 };

struct pair {
	struct kit disk, memory;
	struct kit_random random;
	struct scan *held[HELD][2]; /* scans that were begun together, on disk and in memory */
	uint64_t step;
};

static uint64_t any(struct pair *p, uint64_t n)
{
	return kit_below(&p->random, n);
}

static void write_batch(struct pair *p, struct run *disk, struct run *memory)
{
	static struct kit_row rows[3000];
	struct err e;
	size_t n =
		kit_rows(&p->random, rows, any(p, 3) ? any(p, 30) : any(p, 3000), any(p, 3) == 0);
	for (unsigned note = 0; note < NOTES; note++) {
		char key[8], value[16];
		if (any(p, 8))
			continue;
		snprintf(key, sizeof(key), "n%u", note);
		snprintf(value, sizeof(value), "%u", (unsigned)any(p, 1000));
		assert_int_equal(kit_put(disk, key, value), 0);
		assert_int_equal(kit_put(memory, key, value), 0);
	}
	for (size_t i = 0; i < n; i++) {
		struct bytes key = buffer_bytes(&rows[i].key), value = buffer_bytes(&rows[i].value);
		assert_int_equal(run_add(disk, key, value, &e), 0);
		assert_int_equal(run_add(memory, key, value, &e), 0);
	}
	kit_rows_free(rows, n);
}

/* --- comparing --- */

static void assert_same_row(const struct pair *p, int a, int b, const struct bytes *row,
			    const struct bytes *other)
{
	if (a != b || (a == 1 && (!bytes_eq(row[0], other[0]) || !bytes_eq(row[1], other[1]))))
		fail_msg("step %llu: the stores differ", (unsigned long long)p->step);
}

static const uint8_t users[] = {1};

static void compare_scans(const struct pair *p, struct scan *disk, struct scan *memory)
{
	struct bytes row[2], other[2];
	struct err e;
	int a = scan_seek(disk, bytes_of(users, 1), &row[0], &row[1], &e);
	int b = scan_seek(memory, bytes_of(users, 1), &other[0], &other[1], &e);
	for (;;) {
		assert_same_row(p, a, b, row, other);
		if (a != 1)
			break;
		a = scan_next(disk, &row[0], &row[1], &e);
		b = scan_next(memory, &other[0], &other[1], &e);
	}
}

static void compare_all(const struct pair *p)
{
	struct scan *disk = kit_scan(p->disk.s), *memory = kit_scan(p->memory.s);
	compare_scans(p, disk, memory);
	scan_end(disk);
	scan_end(memory);
}

/* Seeks here and there, with bounds and without, and counts. */
static void compare_some(struct pair *p, struct scan *disk, struct scan *memory)
{
	struct buffer at = BUFFER_INIT, hi = BUFFER_INIT, rdata = BUFFER_INIT;
	struct bytes row[2], other[2];
	struct err e;
	bool whole;
	for (int i = 0; i < 20; i++) {
		uint64_t n = 0, m = 0;
		buffer_clear(&at);
		buffer_clear(&hi);
		kit_record_key(&p->random, &at, &whole, &rdata);
		if (any(p, 2))
			at.n = any(p, at.n + 1);
		if (any(p, 3) == 0)
			kit_odd_key(&p->random, &hi);
		scan_bound(disk, buffer_bytes(&hi));
		scan_bound(memory, buffer_bytes(&hi));
		if (!at.n)
			buffer_put_byte(&at, 1);
		int a = scan_seek(disk, buffer_bytes(&at), &row[0], &row[1], &e);
		int b = scan_seek(memory, buffer_bytes(&at), &other[0], &other[1], &e);
		for (int steps = 0; steps < 10; steps++) {
			assert_same_row(p, a, b, row, other);
			a = scan_next(disk, &row[0], &row[1], &e);
			b = scan_next(memory, &other[0], &other[1], &e);
		}
		assert_int_equal(scan_count(disk, buffer_bytes(&at), 0, &n, &e),
				 at.p[0] == 0xff && at.n == 1 ? ERR_USAGE : 0);
		if (at.p[0] >= STORE_FIRST_ROW) {
			assert_int_equal(scan_count(memory, buffer_bytes(&at), 0, &m, &e), 0);
			assert_int_equal(n, m);
		}
	}
	scan_bound(disk, bytes_of(NULL, 0));
	scan_bound(memory, bytes_of(NULL, 0));
	buffer_release(&at);
	buffer_release(&hi);
	buffer_release(&rdata);
}

/* --- steps --- */

static void step_run(struct pair *p)
{
	struct err e;
	struct run *disk = kit_run_begin(p->disk.s, any(p, 2) ? SMALL : LARGE);
	struct run *memory = kit_run_begin(p->memory.s, SMALL);
	write_batch(p, disk, memory);
	for (uint64_t batches = any(p, 4) ? 0 : any(p, 4); batches; batches--) {
		assert_int_equal(run_restart(disk, &e), 0);
		assert_int_equal(run_restart(memory, &e), 0);
		write_batch(p, disk, memory);
	}
	if (any(p, 6) == 0) {
		run_abort(disk);
		run_abort(memory);
	} else {
		kit_commit(disk);
		kit_commit(memory);
	}
}

static void step_forget(struct pair *p)
{
	char key[8];
	int n = snprintf(key, sizeof(key), "\x01n%u", (unsigned)any(p, NOTES));
	assert_int_equal(store_forget(p->disk.s, bytes_of(key, (size_t)n), NULL), 0);
	assert_int_equal(store_forget(p->memory.s, bytes_of(key, (size_t)n), NULL), 0);
}

static void drop_held(struct pair *p, int i)
{
	scan_end(p->held[i][0]);
	scan_end(p->held[i][1]);
	p->held[i][0] = p->held[i][1] = NULL;
}

static void step_hold(struct pair *p)
{
	int i = (int)any(p, HELD);
	if (p->held[i][0])
		compare_scans(p, p->held[i][0], p->held[i][1]);
	drop_held(p, i);
	p->held[i][0] = kit_scan(p->disk.s);
	p->held[i][1] = kit_scan(p->memory.s);
}

static void step_reopen(struct pair *p)
{
	for (int i = 0; i < HELD; i++)
		drop_held(p, i);
	kit_reopen(&p->disk);
}

static void step(struct pair *p)
{
	uint64_t what = any(p, 100);
	int held = (int)any(p, HELD);
	if (what < 55)
		step_run(p);
	else if (what < 62)
		step_forget(p);
	else if (what < 75)
		step_hold(p);
	else if (what < 88 && p->held[held][0])
		compare_some(p, p->held[held][0], p->held[held][1]);
	else if (what < 94)
		compare_all(p);
	else if (what < 97)
		assert_int_equal(store_compact(p->disk.s, NULL), 0);
	else
		step_reopen(p);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);
	return text ? strtoull(text, NULL, 10) : otherwise;
}

static void the_store_on_disk_does_as_the_one_in_memory(void **state)
{
	uint64_t first = number_from("DRIBBLE_MODEL_SEED", 1),
		 steps = number_from("DRIBBLE_MODEL_STEPS", 300);
	(void)state;
	for (uint64_t seed = first; seed < first + 2; seed++) {
		struct pair p = {.random = {seed}};
		kit_begin(&p.disk, "rocksdb");
		kit_begin(&p.memory, "memory");
		for (p.step = 0; p.step < steps; p.step++)
			step(&p);
		compare_all(&p);
		assert_int_equal(store_verify(p.disk.s, NULL), 0);
		step_reopen(&p);
		compare_all(&p);
		kit_end(&p.disk);
		kit_end(&p.memory);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_store_on_disk_does_as_the_one_in_memory)};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
