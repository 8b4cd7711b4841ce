/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Live sources: everything once and in time, whatever the store does. */
#include "../records_kit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "feed/collector.h"
#include "feed/tally.h"
#include "model/dname.h"
#include "store/store_priv.h"

/* --- a store whose commits fail --- */

enum failing { WORKS, FAILS, FAILS_BUT_IS_IN };

struct frail {
	struct store base;
	struct store *inner;
	atomic_int how;
	atomic_uint failures, commits, most; /* most: rows of a run, of all runs */
};

struct frail_run {
	struct run base;
	struct frail *store;
	struct run *inner;
	unsigned rows;
};

struct frail_scan {
	struct scan base;
	struct scan *inner;
};

static int frail_begin(struct store *s, uint64_t expect, struct run **ret, struct err *e)
{
	struct frail *f = (struct frail *)s;
	struct frail_run *r = xcalloc(1, sizeof(*r));
	r->base.engine = s->engine;
	r->store = f;
	int rc = run_begin(f->inner, expect, &r->inner, e);
	assert_int_equal(rc, 0);
	*ret = &r->base;
	return 0;
}

static int frail_put(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	return run_put(((struct frail_run *)run)->inner, key, value, e);
}

static int frail_add(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	((struct frail_run *)run)->rows++;
	return run_add(((struct frail_run *)run)->inner, key, value, e);
}

static void frail_abort(struct run *run)
{
	run_abort(((struct frail_run *)run)->inner);
	free(run);
}

static int frail_commit(struct run *run, struct err *e)
{
	struct frail_run *r = (struct frail_run *)run;
	struct frail *f = r->store;
	int how = f->how;
	if (how != FAILS)
		assert_int_equal(run_commit(r->inner, e), 0);
	else
		run_abort(r->inner);
	if (r->rows > f->most)
		f->most = r->rows;
	free(r);
	if (how == WORKS)
		f->commits++;
	else
		f->failures++;
	return how == WORKS ? 0 : err_set(e, ERR_FULL, "the test's disk is full");
}

static int frail_scan_begin(struct store *s, struct scan **ret, struct err *e)
{
	struct frail_scan *sc = xcalloc(1, sizeof(*sc));
	sc->base.engine = s->engine;
	assert_int_equal(scan_begin(((struct frail *)s)->inner, &sc->inner, e), 0);
	*ret = &sc->base;
	return 0;
}

static int frail_seek(struct scan *sc, struct bytes at, struct bytes *key, struct bytes *value, struct err *e)
{
	return scan_seek(((struct frail_scan *)sc)->inner, at, key, value, e);
}

static void frail_scan_end(struct scan *sc)
{
	scan_end(((struct frail_scan *)sc)->inner);
	free(sc);
}

static const struct store_engine frail_engine = {
	.run_begin = frail_begin,
	.run_put = frail_put,
	.run_add = frail_add,
	.run_commit = frail_commit,
	.run_abort = frail_abort,
	.scan_begin = frail_scan_begin,
	.scan_seek = frail_seek,
	.scan_end = frail_scan_end,
};

/* --- sources --- */

static const char *engine = "memory";

struct fixture {
	char dir[64];
	struct store *s;
	struct frail frail;
	struct collector *c;
};

static void begin_with(struct fixture *f, uint64_t hold_ms, uint64_t hold_observations, size_t memory)
{
	char uri[80] = "memory:";
	*f = (struct fixture){.dir = "/tmp/test_collector.XXXXXX"};
	assert_non_null(mkdtemp(f->dir));
	if (strcmp(engine, "rocksdb") == 0)
		snprintf(uri, sizeof(uri), "%s/store", f->dir);
	assert_int_equal(store_open(uri, STORE_CREATE, NULL, &f->s, NULL), 0);
	f->frail.base.engine = &frail_engine;
	f->frail.inner = f->s;
	const struct collector_options opt = {.store = &f->frail.base,
	                                      .memory = memory,
	                                      .hold_ms = hold_ms,
	                                      .hold_observations = hold_observations};
	assert_int_equal(collector_new(&opt, &f->c, NULL), 0);
}

static void end(struct fixture *f)
{
	char command[100];
	if (f->c)
		assert_int_equal(collector_free(f->c, 60000, NULL), 0);
	store_close(f->s);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
}

static void observe(const struct sink *sink, unsigned n)
{
	uint8_t name[DNAME_MAX];
	char text[32];
	const uint8_t data[4] = {10, 0, (uint8_t)(n >> 8), (uint8_t)n};
	snprintf(text, sizeof(text), "n%u.example", n);
	int name_n = dname_from_text(bytes_str(text), name);
	const struct observation o = {.owner = bytes_of(name, (size_t)name_n),
	                              .rrtype = 1,
	                              .rdata = bytes_of(data, 4),
	                              .seen = {.first_s = 100, .last_s = 200, .count = 1}};
	assert_int_equal(sink->observe(sink->ctx, &o), 0);
}

/* Sum of the counts of owner rows. */
static uint64_t stored(struct store *s, uint64_t *ret_records)
{
	static const uint8_t from = SUBJECT_NAME, behind = SUBJECT_NAME + 1;
	struct bytes key, bytes;
	struct value v;
	struct scan *sc;
	uint64_t sum = 0, records = 0;
	assert_int_equal(scan_begin(s, &sc, NULL), 0);
	scan_bound(sc, bytes_of(&behind, 1));
	int rc = scan_seek(sc, bytes_of(&from, 1), &key, &bytes, NULL);
	for (; rc == 1; rc = scan_next(sc, &key, &bytes, NULL)) {
		assert_int_equal(value_decode(bytes, &v), 0);
		sum += v.seen.count;
		records++;
	}
	assert_int_equal(rc, 0);
	scan_end(sc);
	if (ret_records)
		*ret_records = records;
	return sum;
}

struct told {
	const char *id;
	uint64_t n[TALLY_WHATS];
	bool found;
};

static int find(void *ctx, const struct contribution *c)
{
	struct told *t = ctx;
	if (bytes_eq(c->id, bytes_str(t->id))) {
		memcpy(t->n, c->n, sizeof(t->n));
		t->found = true;
	}
	return 0;
}

static struct told told(struct store *s, const char *id)
{
	struct told t = {.id = id};
	assert_int_equal(tally_each(s, 100, find, &t, NULL), 0);
	return t;
}

static void tick(void)
{
	const struct timespec t = {0, 2000000};
	nanosleep(&t, NULL);
}

/* --- tests --- */

static void test_durable_in_time(void **state)
{
	struct fixture f;
	struct sink sink;
	begin_with(&f, 30, 1000000, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	for (unsigned round = 1; round <= 3; round++) {
		assert_int_equal(collector_enter(entry), 0);
		for (unsigned i = 0; i < 100; i++)
			observe(&sink, i);
		collector_leave(entry);
		while (f.frail.commits < round) /* no flush: by the clock */
			tick();
		assert_int_equal(f.frail.commits, round);
		assert_int_equal(stored(f.s, NULL), round * 100);
	}
	struct told t = told(f.s, "one");
	assert_int_equal(t.n[TALLY_OBSERVED], 300);
	collector_close(entry);
	end(&f);
}

static void test_durable_by_number(void **state)
{
	struct fixture f;
	struct sink sink;
	begin_with(&f, 3600000, 50, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	for (unsigned i = 0; i < 500; i++) {
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, i);
		collector_leave(entry);
	}
	while (f.frail.commits < 10)
		tick();
	assert_int_equal(stored(f.s, NULL), 500);
	collector_close(entry);
	end(&f);
}

/* The writer looks at the clock, also when a source had the fold while it looked last. */
static void test_durable_in_time_whoever_was_in(void **state)
{
	struct fixture f;
	struct sink sink;
	begin_with(&f, 40, 1000000, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	assert_int_equal(collector_enter(entry), 0);
	observe(&sink, 0);
	collector_leave(entry);
	for (unsigned round = 1; round <= 10; round++) {
		unsigned commits = f.frail.commits;
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, round);
		for (int i = 0; i < 2 * (int)round; i++) /* longer and longer, until the clock runs out meanwhile */
			tick();
		collector_leave(entry);
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, round);
		collector_leave(entry);
		for (int i = 0; f.frail.commits == commits || stored(f.s, NULL) < 1 + 2 * round; i++) {
			assert_true(i < 10000);
			tick();
		}
	}
	collector_close(entry);
	end(&f);
}

static void test_what_is_counted(void **state)
{
	struct fixture f;
	struct sink sink;
	struct collector_counts counts;
	begin_with(&f, 3600000, 1000000, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("own"), &sink);
	collector_dropped(entry, 5);
	assert_int_equal(collector_enter(entry), 0);
	observe(&sink, 1);
	sink.reject(sink.ctx, 1, bytes_str("x"), "it is an x");
	sink.sensor(sink.ctx, bytes_str("said"));
	observe(&sink, 2);
	observe(&sink, 3);
	sink_left_out(&sink, LEFT_OUT_META, 7);
	sink.sensor(sink.ctx, bytes_of(NULL, 0));
	sink_left_out(&sink, LEFT_OUT_QUESTION, 2);
	collector_leave(entry);
	collector_dropped(entry, 6);
	assert_int_equal(collector_flush(f.c, NULL), 0);
	struct told own = told(f.s, "own"), said = told(f.s, "said");
	assert_int_equal(own.n[TALLY_OBSERVED], 1);
	assert_int_equal(own.n[TALLY_MALFORMED], 1);
	assert_int_equal(own.n[TALLY_DROPPED], 11);
	assert_int_equal(own.n[TALLY_LEFT_OUT + LEFT_OUT_QUESTION], 2);
	assert_int_equal(own.n[TALLY_LEFT_OUT + LEFT_OUT_META], 0);
	assert_int_equal(said.n[TALLY_OBSERVED], 2);
	assert_int_equal(said.n[TALLY_LEFT_OUT + LEFT_OUT_META], 7);
	collector_counts(entry, &counts);
	assert_int_equal(counts.observations, 3);
	assert_int_equal(counts.malformed, 1);
	assert_int_equal(counts.dropped, 11);
	assert_int_equal(counts.left_out[LEFT_OUT_META], 7);
	collector_dropped(entry, 1); /* alone, it becomes durable too */
	assert_int_equal(collector_flush(f.c, NULL), 0);
	own = told(f.s, "own");
	assert_int_equal(own.n[TALLY_DROPPED], 12);
	assert_int_equal(collector_flush(f.c, NULL), 0); /* nothing is left */
	collector_close(entry);
	end(&f);
}

static void test_failing_commits_lose_nothing(void **state)
{
	struct fixture f;
	struct sink sink;
	struct err e = {""};
	begin_with(&f, 1, 100, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	unsigned n = 0, refused = 0;
	f.frail.how = FAILS;
	while (refused < 20) { /* both folds fill, then nothing more is taken */
		int rc = collector_try_enter(entry);
		assert_true(rc == 0 || rc == ERR_BUSY);
		if (rc == 0) {
			observe(&sink, n++);
			collector_leave(entry);
		} else {
			refused++;
			tick();
		}
	}
	assert_in_range(n, 101, 200);
	while (f.frail.failures < 3)
		tick();
	assert_true(collector_is_failing(f.c));
	assert_int_equal(collector_flush(f.c, &e), ERR_FULL);
	assert_string_equal(e.text, "the test's disk is full");
	f.frail.how = WORKS;
	while (collector_flush(f.c, NULL) != 0) /* the attempt of before may be under way */
		tick();
	assert_false(collector_is_failing(f.c));
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, n++);
		collector_leave(entry);
	}
	collector_close(entry);
	assert_int_equal(collector_free(f.c, 60000, NULL), 0);
	f.c = NULL;
	uint64_t records;
	assert_int_equal(stored(f.s, &records), n);
	assert_int_equal(records, n);
	struct told t = told(f.s, "one");
	assert_int_equal(t.n[TALLY_OBSERVED], n);
	end(&f);
}

/* A commit that failed and is in all the same is not repeated. */
static void test_commits_in_doubt_count_once(void **state)
{
	struct fixture f;
	struct sink sink;
	begin_with(&f, 3600000, 50, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	f.frail.how = FAILS_BUT_IS_IN;
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, i);
		collector_leave(entry);
	}
	while (collector_flush(f.c, NULL) != 0)
		tick();
	assert_int_equal(stored(f.s, NULL), 200);
	assert_int_equal(f.frail.failures, 4);
	assert_int_equal(f.frail.commits, 0);
	struct told t = told(f.s, "one");
	assert_int_equal(t.n[TALLY_OBSERVED], 200);
	collector_close(entry);
	end(&f);
}

struct waiter {
	struct collector_entry *entry;
	atomic_int rc;
};

static void *wait_for_room(void *arg)
{
	struct waiter *w = arg;
	int rc = collector_enter(w->entry);
	w->rc = rc;
	if (rc == 0)
		collector_leave(w->entry);
	return NULL;
}

static void test_stop_refuses_those_that_wait(void **state)
{
	enum { WAITERS = 4 };
	struct fixture f;
	struct sink sink;
	struct err e;
	pthread_t threads[WAITERS];
	struct waiter waiters[WAITERS];
	begin_with(&f, 3600000, 10, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	f.frail.how = FAILS;
	for (unsigned n = 0; n < 20; n++) { /* ten in each fold */
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, n);
		collector_leave(entry);
	}
	for (int i = 0; i < WAITERS; i++) {
		waiters[i].entry = collector_open(f.c, bytes_str("two"), &sink);
		waiters[i].rc = 1;
		pthread_create(&threads[i], NULL, wait_for_room, &waiters[i]);
	}
	for (int i = 0; i < 10; i++)
		tick();
	for (int i = 0; i < WAITERS; i++)
		assert_int_equal(waiters[i].rc, 1);
	collector_stop(f.c);
	for (int i = 0; i < WAITERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(waiters[i].rc, ERR_CANCELLED);
		collector_close(waiters[i].entry);
	}
	collector_close(entry);
	assert_int_equal(collector_free(f.c, 20, &e), ERR_FULL); /* and what is lost is told */
	assert_non_null(strstr(e.text, "20 observations could not be stored"));
	f.c = NULL;
	f.frail.how = WORKS;
	assert_int_equal(stored(f.s, NULL), 0);
	end(&f);
}

/* --- many at once --- */

enum { SOURCES = 6, ROUNDS = 60, EACH = 40 };

struct source {
	struct fixture *f;
	unsigned number;
};

static void *feed_many(void *arg)
{
	struct source *source = arg;
	struct sink sink;
	char id[16];
	snprintf(id, sizeof(id), "s%u", source->number);
	struct collector_entry *entry = collector_open(source->f->c, bytes_str(id), &sink);
	for (unsigned i = 0; i < ROUNDS; i++) {
		while (i % 3 ? collector_enter(entry) : collector_try_enter(entry))
			tick();
		for (unsigned k = 0; k < EACH; k++)
			observe(&sink, (i * EACH + k) % 500);
		collector_leave(entry);
		if (i % 7 == 0)
			collector_dropped(entry, 1);
		if (i % 16 == source->number)
			collector_flush(source->f->c, NULL);
	}
	collector_close(entry);
	return NULL;
}

static void test_many_sources(void **state)
{
	struct fixture f;
	pthread_t threads[SOURCES];
	struct source sources[SOURCES];
	begin_with(&f, 2, 300, 2 << 20);
	for (unsigned i = 0; i < SOURCES; i++) {
		sources[i] = (struct source){&f, i};
		pthread_create(&threads[i], NULL, feed_many, &sources[i]);
	}
	for (int i = 0; i < 20; i++) { /* now and then the disk is full, or says so */
		f.frail.how = (int[]){FAILS, WORKS, FAILS_BUT_IS_IN, WORKS}[i % 4];
		tick();
	}
	f.frail.how = WORKS;
	for (unsigned i = 0; i < SOURCES; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(collector_free(f.c, 60000, NULL), 0);
	f.c = NULL;
	assert_int_equal(stored(f.s, NULL), SOURCES * ROUNDS * EACH);
	for (unsigned i = 0; i < SOURCES; i++) {
		char id[16];
		snprintf(id, sizeof(id), "s%u", i);
		struct told t = told(f.s, id);
		assert_int_equal(t.n[TALLY_OBSERVED], ROUNDS * EACH);
		assert_int_equal(t.n[TALLY_DROPPED], (ROUNDS + 6) / 7);
	}
	end(&f);
}

/* More than fits: the folds never hold more than their memory, and a run. */
static void test_memory_is_bounded(void **state)
{
	struct fixture f;
	struct sink sink;
	begin_with(&f, 3600000, 1000000, 1 << 20);
	struct collector_entry *entry = collector_open(f.c, bytes_str("one"), &sink);
	for (unsigned i = 0; i < 60000; i++) {
		assert_int_equal(collector_enter(entry), 0);
		observe(&sink, i);
		collector_leave(entry);
	}
	assert_int_equal(collector_flush(f.c, NULL), 0);
	uint64_t records;
	assert_int_equal(stored(f.s, &records), 60000);
	assert_int_equal(records, 60000);
	assert_true(f.frail.commits > 5);
	assert_true(f.frail.most < 20000);
	collector_close(entry);
	end(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_durable_in_time),
		cmocka_unit_test(test_durable_by_number),
		cmocka_unit_test(test_durable_in_time_whoever_was_in),
		cmocka_unit_test(test_what_is_counted),
		cmocka_unit_test(test_failing_commits_lose_nothing),
		cmocka_unit_test(test_commits_in_doubt_count_once),
		cmocka_unit_test(test_stop_refuses_those_that_wait),
		cmocka_unit_test(test_many_sources),
		cmocka_unit_test(test_memory_is_bounded),
	};
	if (argc > 1)
		engine = argv[1];
	log_set_level(LOG_LEVEL_ERROR);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
