/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two folds: one fills, the other is written.
 *
 * DESIGN: sources take turns at the filling fold, in the order in which they came; the writer's
 * turn, a swap of two pointers, goes before theirs: whoever leaves the fold when it is due makes
 * it. What was swapped stays with the writer until it is durable, however often that fails. A
 * commit that fails may have become durable all the same (its octets may be in a log that a
 * reopened store believes), so each carries a note with its number: it is not tried again before
 * the note was looked for.
 */
#include "feed/collector.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feed/note.h"
#include "feed/tap.h"

enum {
	RETRY_MS = 100, /* after the first failure; then twice as long each time */
	RETRY_MAX_MS = 5000,
	TELL_MS = 10000, /* between two complaints about one source */
	STAMP = 24,      /* the collector's random octets, and the number of the commit */
};

struct collector_entry {
	struct collector *c; /* borrowed */
	struct collector_entry *next, **back;
	struct tap tap;                  /* its turn's */
	char reason[96];                 /* of the last reject; its turn's */
	uint64_t told_ms, told_rejected; /* its turn's */
	struct collector_counts counts;  /* guarded by the collector's lock, as what follows */
	uint64_t dropped;                /* not in a fold yet */
};

struct collector {
	struct collector_options opt;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t turn;  /* for sources: the fold is free, has room again */
	pthread_cond_t work;  /* for the writer */
	pthread_cond_t done;  /* for those that wait until something is durable */
	struct fold *filling; /* owned; while taken it is only looked at by the source whose turn it
				 is */
	struct fold *spare;   /* owned; NULL while it is being written */
	struct fold *writing; /* owned; NULL: the writer has none */
	bool taken;
	unsigned waiting;          /* sources that wait without a ticket */
	bool dirty, full;          /* of filling, when the last source left it */
	uint64_t tickets, serving; /* turns that were drawn, and the next */
	uint64_t leaves;
	uint64_t held;           /* observations and rejects in filling */
	uint64_t writing_held;   /* and in writing */
	uint64_t since_ms;       /* when the first of them came */
	uint64_t swaps, durable; /* folds handed to the writer, and those that are durable */
	uint64_t failures;       /* attempts */
	unsigned flushes;        /* callers that wait in collector_flush */
	bool stopped, closing, given_up, failing, dropped;
	int rc;
	struct err error; /* of the last attempt, while failing */
	uint8_t stamp[STAMP];
	struct buffer note_key;
	struct collector_entry *entries;
};

static void wait_until(struct collector *c, pthread_cond_t *cond, uint64_t at_ms)
{
	struct timespec t = {.tv_sec = (time_t)(at_ms / 1000),
			     .tv_nsec = (long)(at_ms % 1000) * 1000000};
	if (at_ms == UINT64_MAX)
		pthread_cond_wait(cond, &c->lock);
	else
		pthread_cond_timedwait(cond, &c->lock, &t);
}

/* --- the filling fold; all with the lock --- */

/* Looks at the fold, which nobody has taken. */
static void look(struct collector *c)
{
	c->dirty = !fold_is_empty(c->filling);
	c->full = c->held >= c->opt.hold_observations || fold_is_full(c->filling);
}

/* What was dropped while somebody had the fold. */
static void count_dropped(struct collector *c)
{
	if (!c->dropped || c->taken)
		return;
	for (struct collector_entry *entry = c->entries; entry; entry = entry->next) {
		entry->tap.fold = c->filling;
		entry->tap.now_s = (uint64_t)time(NULL);
		tap_dropped(&entry->tap, entry->dropped);
		entry->dropped = 0;
	}
	c->dropped = false;
	if (!c->dirty)
		c->since_ms = now_ms();
	look(c);
}

static bool is_due(const struct collector *c)
{
	return c->dirty &&
	       (c->full || c->closing || c->flushes || now_ms() >= c->since_ms + c->opt.hold_ms);
}

/* Hands the fold to the writer when it is time and the writer is free. */
static void swap_if_due(struct collector *c)
{
	if (c->taken || c->writing || !is_due(c))
		return;
	c->writing = c->filling;
	c->filling = c->spare;
	c->spare = NULL;
	c->writing_held = c->held;
	c->held = 0;
	c->dirty = c->full = false;
	c->swaps++;
	pthread_cond_signal(&c->work);
	pthread_cond_broadcast(&c->turn);
}

/* --- writing --- */

/* 1: the commit with this stamp is in, although it seemed to fail. */
static int is_in(struct collector *c, struct err *e)
{
	struct scan *sc;
	struct bytes key, value;
	int rc = scan_begin(c->opt.store, &sc, e);
	if (rc < 0)
		return rc;
	rc = scan_seek(sc, buffer_bytes(&c->note_key), &key, &value, e);
	if (rc == 1)
		rc = bytes_eq(key, buffer_bytes(&c->note_key)) &&
		     bytes_eq(value, bytes_of(c->stamp, STAMP));
	scan_end(sc);
	return rc;
}

static int commit(struct collector *c, struct fold *fold, struct err *e)
{
	struct run *run = NULL;
	int rc = run_begin(c->opt.store, fold_rows_expected(fold), &run, e);
	if (rc == 0)
		rc = run_put(run, buffer_bytes(&c->note_key), bytes_of(c->stamp, STAMP), e);
	if (rc == 0)
		rc = fold_write(fold, run, e);
	if (rc == 0)
		return run_commit(run, e);
	run_abort(run);
	return rc;
}

/* Commits a fold; again: after it failed before. */
static int attempt(struct collector *c, struct fold *fold, bool again, struct err *e)
{
	int rc = again ? is_in(c, e) : 0;
	if (rc == 0)
		rc = commit(c, fold, e);
	if (rc >= 0)
		fold_clear(fold);
	return rc < 0 ? rc : 0;
}

/* That it fails, and that it goes again, is told once each. */
static void note_result(struct collector *c, int rc, const struct err *e)
{
	if (rc < 0) {
		if (!c->failing)
			log_error("feed",
				  "what was received cannot be stored, and is tried again: %s",
				  e->text);
		c->rc = rc;
		c->error = *e;
		c->failures++;
		pthread_cond_broadcast(&c->done);
	} else if (c->failing) {
		log_info("feed", "what was received is stored again");
	}
	c->failing = rc < 0;
}

/* Until it is durable, or nobody waits any longer. */
static void write_fold(struct collector *c)
{
	struct fold *fold = c->writing;
	uint64_t pause = RETRY_MS, number = c->swaps;
	for (int i = 0; i < 8; i++)
		c->stamp[STAMP - 1 - i] = (uint8_t)(number >> 8 * i);
	for (bool again = false;; again = true) {
		struct err e = {""};
		pthread_mutex_unlock(&c->lock);
		int rc = attempt(c, fold, again, &e);
		pthread_mutex_lock(&c->lock);
		note_result(c, rc, &e);
		if (rc == 0 || c->given_up)
			break;
		uint64_t until = now_ms() + pause;
		unsigned flushes = c->flushes;
		while (!c->given_up && c->flushes <= flushes && now_ms() < until)
			wait_until(c, &c->work, until);
		pause = pause * 2 < RETRY_MAX_MS ? pause * 2 : RETRY_MAX_MS;
	}
	if (c->failing)
		return;
	c->spare = fold;
	c->writing = NULL;
	c->durable = number;
	swap_if_due(c);
	pthread_cond_broadcast(&c->done);
}

/* When the fold is due; never, when it is and somebody has taken it: that one hands it over when leaving. */
static uint64_t wake_at(const struct collector *c)
{
	return c->dirty && !(c->taken && is_due(c)) ? c->since_ms + c->opt.hold_ms : UINT64_MAX;
}

static void *work(void *arg)
{
	struct collector *c = arg;
	pthread_mutex_lock(&c->lock);
	while (!c->given_up || !c->failing) {
		swap_if_due(c);
		if (c->writing)
			write_fold(c);
		else if (c->closing && !c->dirty)
			break;
		else
			wait_until(c, &c->work, wake_at(c));
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* --- life --- */

static void cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static void release(struct collector *c)
{
	fold_free(c->filling);
	fold_free(c->writing);
	fold_free(c->spare);
	buffer_release(&c->note_key);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->turn);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->done);
	free(c);
}

int collector_new(const struct collector_options *opt, struct collector **ret, struct err *e)
{
	static atomic_uint made; /* the collectors of a process have notes of their own */
	struct collector *c = xcalloc(1, sizeof(*c));
	c->opt = *opt;
	c->filling = fold_new(opt->memory / 2);
	c->spare = fold_new(opt->memory / 2);
	note_key_collector(&c->note_key, (uint8_t)atomic_fetch_add(&made, 1));
	pthread_mutex_init(&c->lock, NULL);
	cond_init(&c->turn);
	cond_init(&c->work);
	cond_init(&c->done);
	if (getrandom(c->stamp, STAMP - 8, 0) == STAMP - 8 &&
	    pthread_create(&c->thread, NULL, work, c) == 0) {
		*ret = c;
		return 0;
	}
	release(c);
	return err_set(e, ERR_IO, "cannot start a thread");
}

int collector_free(struct collector *c, unsigned grace_ms, struct err *e)
{
	if (!c)
		return 0;
	uint64_t until = now_ms() + grace_ms;
	pthread_mutex_lock(&c->lock);
	c->closing = c->stopped = true;
	count_dropped(c);
	pthread_cond_signal(&c->work);
	while ((c->writing || c->dirty) && now_ms() < until)
		wait_until(c, &c->done, until);
	c->given_up =
		c->writing || c->dirty; /* a commit that is under way is waited for all the same */
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	uint64_t lost = (c->writing ? c->writing_held : 0) + c->held;
	int rc = 0;
	if (c->writing || c->dirty)
		rc = err_set(e, c->failing ? c->rc : ERR_IO,
			     "%llu observations could not be stored%s%s", (unsigned long long)lost,
			     c->failing ? ": " : " in time", c->failing ? c->error.text : "");
	release(c);
	return rc;
}

/* --- sources --- */

static int observe(void *ctx, const struct observation *o)
{
	struct collector_entry *entry = ctx;
	tap_observe(&entry->tap, o);
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct collector_entry *entry = ctx;
	(void)place, (void)input;
	tap_reject(&entry->tap);
	snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
	return 0;
}

static void left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct collector_entry *entry = ctx;
	tap_left_out(&entry->tap, why, n);
}

static void sensor(void *ctx, struct bytes id)
{
	struct collector_entry *entry = ctx;
	tap_sensor(&entry->tap, id);
}

struct collector_entry *collector_open(struct collector *c, struct bytes sensor_id,
				       struct sink *ret_sink)
{
	struct collector_entry *entry = xcalloc(1, sizeof(*entry));
	entry->c = c;
	tap_init(&entry->tap, sensor_id, c->opt.exclusion);
	*ret_sink = (struct sink){.observe = observe,
				  .reject = reject,
				  .left_out = left_out,
				  .sensor = sensor,
				  .ctx = entry};
	pthread_mutex_lock(&c->lock);
	entry->next = c->entries;
	entry->back = &c->entries;
	if (entry->next)
		entry->next->back = &entry->next;
	c->entries = entry;
	pthread_mutex_unlock(&c->lock);
	return entry;
}

void collector_close(struct collector_entry *entry)
{
	struct collector *c = entry->c;
	pthread_mutex_lock(&c->lock);
	c->waiting++;
	while (entry->dropped && c->taken)
		pthread_cond_wait(&c->turn, &c->lock);
	c->waiting--;
	count_dropped(c);
	*entry->back = entry->next;
	if (entry->next)
		entry->next->back = entry->back;
	pthread_mutex_unlock(&c->lock);
	tap_release(&entry->tap);
	free(entry);
}

static void take(struct collector_entry *entry)
{
	struct collector *c = entry->c;
	c->taken = true;
	if (!c->dirty)
		c->since_ms = now_ms();
	entry->tap.fold = c->filling;
	entry->tap.now_s = (uint64_t)time(NULL);
}

int collector_enter(struct collector_entry *entry)
{
	struct collector *c = entry->c;
	int rc = 0;
	pthread_mutex_lock(&c->lock);
	uint64_t ticket = c->tickets++;
	while (c->serving != ticket || c->taken || (c->full && !c->stopped))
		pthread_cond_wait(&c->turn, &c->lock);
	c->serving++;
	if (c->full)
		rc = ERR_CANCELLED;
	else
		take(entry);
	if (rc < 0)
		pthread_cond_broadcast(&c->turn);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int collector_try_enter(struct collector_entry *entry)
{
	struct collector *c = entry->c;
	pthread_mutex_lock(&c->lock);
	c->waiting++;
	while (c->taken) /* for as long as a run of octets takes to read */
		pthread_cond_wait(&c->turn, &c->lock);
	c->waiting--;
	int rc = c->full ? ERR_BUSY : 0;
	if (rc == 0)
		take(entry);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

/* What a source's input was rejected for, now and then. */
static void complain(struct collector_entry *entry)
{
	uint64_t rejected = entry->tap.rejected - entry->told_rejected, now = now_ms();
	if (!rejected || (entry->told_ms && now < entry->told_ms + TELL_MS))
		return;
	log_warning("feed", "%.*s: %llu rejected, the last because: %s", (int)entry->tap.own.n,
		    (const char *)entry->tap.own.p, (unsigned long long)rejected, entry->reason);
	entry->told_rejected = entry->tap.rejected;
	entry->told_ms = now;
}

void collector_leave(struct collector_entry *entry)
{
	struct collector *c = entry->c;
	struct tap *tap = &entry->tap;
	complain(entry);
	pthread_mutex_lock(&c->lock);
	c->taken = false;
	c->leaves++;
	c->held += tap->accepted - entry->counts.observations + tap->rejected -
		   entry->counts.malformed;
	entry->counts.observations = tap->accepted;
	entry->counts.malformed = tap->rejected;
	memcpy(entry->counts.left_out, tap->left_out, sizeof(tap->left_out));
	bool was_dirty = c->dirty;
	look(c);
	count_dropped(c);
	swap_if_due(c);
	if (c->dirty && !was_dirty)
		pthread_cond_signal(&c->work); /* from now on it looks at the clock */
	if (c->serving != c->tickets || c->waiting)
		pthread_cond_broadcast(&c->turn);
	if (c->flushes)
		pthread_cond_broadcast(&c->done);
	pthread_mutex_unlock(&c->lock);
}

void collector_stop(struct collector *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopped = true;
	pthread_cond_broadcast(&c->turn);
	pthread_mutex_unlock(&c->lock);
}

int collector_flush(struct collector *c, struct err *e)
{
	int rc = 0;
	pthread_mutex_lock(&c->lock);
	uint64_t leaves = c->leaves, failures = c->failures;
	c->flushes++;
	while (c->taken && c->leaves == leaves)
		pthread_cond_wait(&c->done, &c->lock);
	count_dropped(c);
	uint64_t target = c->swaps + c->dirty;
	pthread_cond_signal(&c->work);
	while (c->durable < target && c->failures == failures)
		pthread_cond_wait(&c->done, &c->lock);
	if (c->durable < target) {
		rc = c->rc;
		if (e)
			*e = c->error;
	}
	c->flushes--;
	pthread_mutex_unlock(&c->lock);
	return rc;
}

void collector_dropped(struct collector_entry *entry, uint64_t n)
{
	struct collector *c = entry->c;
	pthread_mutex_lock(&c->lock);
	entry->dropped += n;
	entry->counts.dropped += n;
	c->dropped = true;
	bool was_dirty = c->dirty;
	count_dropped(c);
	if (c->dirty && !was_dirty)
		pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
}

void collector_counts(const struct collector_entry *entry, struct collector_counts *ret)
{
	pthread_mutex_lock(&entry->c->lock);
	*ret = entry->counts;
	pthread_mutex_unlock(&entry->c->lock);
}

bool collector_is_failing(struct collector *c)
{
	pthread_mutex_lock(&c->lock);
	bool failing = c->failing;
	pthread_mutex_unlock(&c->lock);
	return failing;
}
