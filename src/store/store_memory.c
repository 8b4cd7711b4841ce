/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The store in memory: the executable specification of store.h, and what tests and trials run on.
 *
 * DESIGN: the rows stand in a sorted array that is never changed. A commit merges its run with the newest
 * array into a new one and makes that the newest, under a lock; scans hold on to the array they began with, and the
 * last holder frees it. A commit so costs a copy of everything: simple before fast.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "store/store_priv.h"
#include "store/value.h"

struct row {
	size_t at; /* offset of the key in bytes; the value follows it */
	uint32_t key_n;
	uint32_t value_n;
};

struct rows {
	atomic_uint holders;
	struct buffer bytes;
	struct row *row; /* owned */
	size_t n, cap;
};

struct memory {
	struct store base;
	pthread_mutex_t lock; /* guards newest and generation */
	struct rows *newest;
	uint64_t generation;
};

struct memory_run {
	struct run base;
	struct memory *store; /* borrowed */
	struct rows *rows;    /* sorted: of the batches before this one */
	struct rows *batch;   /* sorted, as they come */
};

struct memory_scan {
	struct scan base;
	struct rows *rows; /* held */
	size_t at;
	struct buffer hi;
};

static struct rows *rows_new(void)
{
	struct rows *rows = xcalloc(1, sizeof(*rows));
	rows->holders = 1;
	return rows;
}

static void rows_drop(struct rows *rows)
{
	if (atomic_fetch_sub(&rows->holders, 1) != 1)
		return;
	buffer_release(&rows->bytes);
	free(rows->row);
	free(rows);
}

static struct rows *rows_hold(struct memory *m)
{
	pthread_mutex_lock(&m->lock);
	struct rows *rows = m->newest;
	atomic_fetch_add(&rows->holders, 1);
	pthread_mutex_unlock(&m->lock);
	return rows;
}

static struct bytes row_key(const struct rows *rows, size_t i)
{
	return bytes_of(rows->bytes.p + rows->row[i].at, rows->row[i].key_n);
}

static struct bytes row_value(const struct rows *rows, size_t i)
{
	return bytes_of(rows->bytes.p + rows->row[i].at + rows->row[i].key_n, rows->row[i].value_n);
}

static void rows_append(struct rows *rows, struct bytes key, struct bytes value)
{
	if (rows->n == rows->cap) {
		rows->cap = rows->cap ? rows->cap * 2 : 64;
		rows->row = xrealloc(rows->row, rows->cap * sizeof(*rows->row));
	}
	rows->row[rows->n++] = (struct row){rows->bytes.n, (uint32_t)key.n, (uint32_t)value.n};
	buffer_put_bytes(&rows->bytes, key);
	buffer_put_bytes(&rows->bytes, value);
}

/* The first row whose key is >= key. */
static size_t rows_find(const struct rows *rows, struct bytes key)
{
	size_t lo = 0, hi = rows->n;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (bytes_cmp(row_key(rows, mid), key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool is_note(struct bytes key)
{
	return key.n && key.p[0] < STORE_FIRST_ROW;
}

/* Both rows have the same key: notes are replaced, values merge. */
static int append_merged(struct rows *to, struct bytes key, struct bytes old, struct bytes new)
{
	if (is_note(key)) {
		rows_append(to, key, new);
		return 0;
	}
	struct value a, b;
	if (value_decode(old, &a) != 0 || value_decode(new, &b) != 0)
		return ERR_CORRUPT;
	value_merge(&a, &b);
	struct buffer merged = BUFFER_INIT;
	value_encode(&a, &merged);
	rows_append(to, key, buffer_bytes(&merged));
	buffer_release(&merged);
	return 0;
}

static int rows_merge(const struct rows *old, const struct rows *new, struct rows *to)
{
	size_t i = 0, j = 0;
	while (i < old->n || j < new->n) {
		int c = i == old->n   ? 1
		        : j == new->n ? -1
		                      : bytes_cmp(row_key(old, i), row_key(new, j));
		int rc = 0;
		if (c < 0) {
			rows_append(to, row_key(old, i), row_value(old, i));
			i++;
		} else if (c > 0) {
			rows_append(to, row_key(new, j), row_value(new, j));
			j++;
		} else {
			rc = append_merged(to, row_key(old, i), row_value(old, i), row_value(new, j));
			i++;
			j++;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int memory_open(const char *rest, enum store_mode mode, const struct store_options *opt,
                       struct store **ret, struct err *e)
{
	(void)mode;
	(void)opt;
	if (*rest)
		return err_set(e, ERR_USAGE, "memory:%s: nothing may follow memory:", rest);
	struct memory *m = xcalloc(1, sizeof(*m));
	m->base.engine = &store_memory;
	pthread_mutex_init(&m->lock, NULL);
	m->newest = rows_new();
	*ret = &m->base;
	return 0;
}

static void memory_close(struct store *s)
{
	struct memory *m = (struct memory *)s;
	rows_drop(m->newest);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

static int memory_run_begin(struct store *s, uint64_t expect, struct run **ret, struct err *e)
{
	(void)expect;
	(void)e;
	struct memory_run *r = xcalloc(1, sizeof(*r));
	r->base.engine = &store_memory;
	r->store = (struct memory *)s;
	r->rows = rows_new();
	r->batch = rows_new();
	*ret = &r->base;
	return 0;
}

static int memory_run_add(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	struct memory_run *r = (struct memory_run *)run;
	struct value v;
	if (r->batch->n && bytes_cmp(row_key(r->batch, r->batch->n - 1), key) >= 0)
		return err_set(e, ERR_USAGE, "keys of a run must ascend");
	if (is_note(key) || value_decode(value, &v) != 0)
		return err_set(e, ERR_USAGE, "not a row");
	rows_append(r->batch, key, value);
	return 0;
}

static int memory_run_put(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	struct memory_run *r = (struct memory_run *)run;
	if (r->batch->n && bytes_cmp(row_key(r->batch, r->batch->n - 1), key) >= 0)
		return err_set(e, ERR_USAGE, "keys of a run must ascend");
	if (!is_note(key))
		return err_set(e, ERR_USAGE, "not a note");
	rows_append(r->batch, key, value);
	return 0;
}

static void memory_run_abort(struct run *run)
{
	struct memory_run *r = (struct memory_run *)run;
	rows_drop(r->rows);
	rows_drop(r->batch);
	free(r);
}

/* Makes rows the newest. The lock is held. */
static void replace_newest(struct memory *m, struct rows *rows)
{
	rows_drop(m->newest);
	m->newest = rows;
	m->generation++;
}

static int memory_run_restart(struct run *run, struct err *e)
{
	struct memory_run *r = (struct memory_run *)run;
	struct rows *merged = rows_new();
	int rc = rows_merge(r->rows, r->batch, merged);
	if (rc < 0) {
		rows_drop(merged);
		return err_set(e, rc, "a value in memory does not decode");
	}
	rows_drop(r->rows);
	rows_drop(r->batch);
	r->rows = merged;
	r->batch = rows_new();
	return 0;
}

static int memory_run_commit(struct run *run, struct err *e)
{
	struct memory_run *r = (struct memory_run *)run;
	int rc = memory_run_restart(run, e);
	if (rc < 0) {
		memory_run_abort(run);
		return rc;
	}
	struct rows *merged = rows_new();
	pthread_mutex_lock(&r->store->lock);
	rc = rows_merge(r->store->newest, r->rows, merged);
	if (rc == 0)
		replace_newest(r->store, merged);
	else
		rows_drop(merged);
	pthread_mutex_unlock(&r->store->lock);
	memory_run_abort(run);
	return rc < 0 ? err_set(e, rc, "a value in memory does not decode") : 0;
}

static int memory_forget(struct store *s, struct bytes key, struct err *e)
{
	struct memory *m = (struct memory *)s;
	struct rows *kept = rows_new();
	(void)e;
	pthread_mutex_lock(&m->lock);
	for (size_t i = 0; i < m->newest->n; i++) {
		if (!bytes_eq(row_key(m->newest, i), key))
			rows_append(kept, row_key(m->newest, i), row_value(m->newest, i));
	}
	replace_newest(m, kept);
	pthread_mutex_unlock(&m->lock);
	return 0;
}

static int memory_scan_begin(struct store *s, struct scan **ret, struct err *e)
{
	(void)e;
	struct memory_scan *sc = xcalloc(1, sizeof(*sc));
	sc->base.engine = &store_memory;
	sc->rows = rows_hold((struct memory *)s);
	*ret = &sc->base;
	return 0;
}

static void memory_scan_bound(struct scan *scan, struct bytes hi)
{
	struct memory_scan *sc = (struct memory_scan *)scan;
	buffer_clear(&sc->hi);
	buffer_put_bytes(&sc->hi, hi);
}

static int scan_row(struct memory_scan *sc, struct bytes *key, struct bytes *value)
{
	if (sc->at >= sc->rows->n)
		return 0;
	*key = row_key(sc->rows, sc->at);
	*value = row_value(sc->rows, sc->at);
	return !sc->hi.n || bytes_cmp(*key, buffer_bytes(&sc->hi)) < 0;
}

static int memory_scan_seek(struct scan *scan, struct bytes at, struct bytes *key,
                            struct bytes *value, struct err *e)
{
	struct memory_scan *sc = (struct memory_scan *)scan;
	(void)e;
	sc->at = rows_find(sc->rows, at);
	return scan_row(sc, key, value);
}

static int memory_scan_next(struct scan *scan, struct bytes *key, struct bytes *value,
                            struct err *e)
{
	struct memory_scan *sc = (struct memory_scan *)scan;
	(void)e;
	sc->at++;
	return scan_row(sc, key, value);
}

static int memory_scan_count(struct scan *scan, struct bytes prefix, uint64_t budget, uint64_t *ret, struct err *e)
{
	const struct memory_scan *sc = (struct memory_scan *)scan;
	size_t from = rows_find(sc->rows, prefix), to = from;
	(void)e, (void)budget;
	while (to < sc->rows->n && bytes_has_prefix(row_key(sc->rows, to), prefix))
		to++;
	*ret = to - from;
	return 0;
}

static void memory_scan_end(struct scan *scan)
{
	struct memory_scan *sc = (struct memory_scan *)scan;
	rows_drop(sc->rows);
	buffer_release(&sc->hi);
	free(sc);
}

static uint64_t memory_generation(struct store *s)
{
	struct memory *m = (struct memory *)s;
	pthread_mutex_lock(&m->lock);
	uint64_t generation = m->generation;
	pthread_mutex_unlock(&m->lock);
	return generation;
}

static int memory_figures(struct store *s, struct store_figures *ret, struct err *e)
{
	(void)e;
	struct rows *rows = rows_hold((struct memory *)s);
	const uint8_t first = STORE_FIRST_ROW;
	ret->rows = rows->n - rows_find(rows, bytes_of(&first, 1));
	ret->disk_bytes = 0;
	ret->memory_bytes = rows->bytes.cap + rows->cap * sizeof(*rows->row);
	rows_drop(rows);
	return 0;
}

const struct store_engine store_memory = {
	.scheme = "memory",
	.open = memory_open,
	.close = memory_close,
	.run_begin = memory_run_begin,
	.run_restart = memory_run_restart,
	.run_put = memory_run_put,
	.run_add = memory_run_add,
	.run_commit = memory_run_commit,
	.run_abort = memory_run_abort,
	.forget = memory_forget,
	.scan_begin = memory_scan_begin,
	.scan_bound = memory_scan_bound,
	.scan_seek = memory_scan_seek,
	.scan_next = memory_scan_next,
	.scan_count = memory_scan_count,
	.scan_end = memory_scan_end,
	.generation = memory_generation,
	.figures = memory_figures,
};
