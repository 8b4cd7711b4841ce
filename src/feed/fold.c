/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of records in memory, and its way into a run.
 *
 * DESIGN: the key of a record's owner row is its identity, so the table is keyed by it and needs no other form of the
 * record. Keys and records live in an arena that is dropped as a whole. Open addressing over 64-bit hashes: a look costs one
 * probe and, when the hash is there, one comparison.
 *
 *   slot[hash] → folded { times, count }, key of the owner row     → rare { zone times, strings, rdata where the key holds a cut }
 *                data_row { → folded }, key of the data row         all in the arena
 *   rows[]     → keys of both
 *
 * The rows of a record are made when it is first seen, so that writing sorts and no more.
 */
#include "feed/fold.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "feed/sort.h"
#include "store/keys.h"

enum {
	FIRST_SLOTS = 1 << 12,
	/* The slot of an observation is fetched so many before its turn, what the slot points at half as many: of a large table
	 * nearly each look would wait for memory. */
	AHEAD = 16,
	ROWS_BESIDE = 1 << 15, /* so many rows are worth a thread that sorts them */
};

/* What few records have. */
struct rare {
	uint64_t zone_first_s, zone_last_s;
	struct bytes sensor_id, bailiwick; /* in the arena */
	struct bytes rdata;                /* in the arena; empty when the owner row's key holds it whole */
};

/* A record. Times and count as in struct seen. The key of its owner row follows. */
struct folded {
	uint64_t first_s, last_s, count;
	struct rare *rare; /* in the arena; NULL: nothing of it */
};

/* The key of a data row follows. */
struct data_row {
	struct folded *of;
};

enum { /* sort_key.mark */
	DATA_ROW = 1,
	WHOLE = 2, /* the row's value carries the rdata whole, as its key does not */
};

struct slot {
	uint64_t hash;
	struct folded *folded; /* NULL: empty */
};

struct fold {
	struct arena arena;
	struct slot *slots; /* owned */
	size_t mask;        /* slots - 1, a power of two */
	size_t n;
	struct sort_row *rows; /* owned: of all records, in both directions */
	size_t n_rows, rows_room;
	size_t memory;
	struct tally *tally; /* owned */
	struct batch *batch; /* owned: on their way into the table */
	struct buffer key, text; /* scratch */
};

static struct sort_key *key_behind(void *p, size_t n)
{
	return (struct sort_key *)(void *)((uint8_t *)p + n);
}

static struct sort_key *owner_key(struct folded *folded)
{
	return key_behind(folded, sizeof(*folded));
}

static const struct folded *record_of(const struct sort_key *key)
{
	const void *before = (const uint8_t *)key - (key->mark & DATA_ROW ? sizeof(struct data_row) : sizeof(struct folded));
	return key->mark & DATA_ROW ? ((const struct data_row *)before)->of : before;
}

static struct slot *slots_new(size_t n)
{
	/* Written at once: pages that are first read come twice. */
	return memset(xmalloc_large(n * sizeof(struct slot)), 0, n * sizeof(struct slot));
}

struct fold *fold_new(size_t memory)
{
	struct fold *f = xcalloc(1, sizeof(*f));
	f->memory = memory;
	f->mask = FIRST_SLOTS - 1;
	f->slots = slots_new(FIRST_SLOTS);
	f->tally = tally_new();
	f->batch = batch_new();
	return f;
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	arena_release(&f->arena);
	tally_free(f->tally);
	batch_free(f->batch);
	buffer_release(&f->key);
	buffer_release(&f->text);
	free(f->slots);
	free(f->rows);
	free(f);
}

/* What was hardly used is given back, so that nothing clears large tables for a handful of records. */
void fold_clear(struct fold *f)
{
	arena_clear(&f->arena);
	if (f->mask >= FIRST_SLOTS && f->n * 16 < f->mask) {
		free(f->slots);
		free(f->rows);
		f->mask = FIRST_SLOTS - 1;
		f->slots = slots_new(FIRST_SLOTS);
		f->rows = NULL;
		f->rows_room = 0;
	} else {
		memset(f->slots, 0, (f->mask + 1) * sizeof(*f->slots));
	}
	f->n = 0;
	f->n_rows = 0;
	batch_clear(f->batch);
	tally_clear(f->tally);
}

static void grow(struct fold *f)
{
	size_t mask = f->mask * 2 + 1;
	struct slot *slots = slots_new(mask + 1);
	for (size_t i = 0; i <= f->mask; i++) {
		if (!f->slots[i].folded)
			continue;
		size_t at = f->slots[i].hash & mask;
		while (slots[at].folded)
			at = (at + 1) & mask;
		slots[at] = f->slots[i];
	}
	free(f->slots);
	f->slots = slots;
	f->mask = mask;
}

/* The slot of a key: the one that has it, or the empty one where it goes. */
static struct slot *find(struct fold *f, uint64_t hash, struct bytes key)
{
	size_t at = hash & f->mask;
	for (;; at = (at + 1) & f->mask) {
		struct slot *slot = &f->slots[at];
		if (!slot->folded)
			return slot;
		const struct sort_key *k = owner_key(slot->folded);
		if (slot->hash == hash && bytes_eq(bytes_of(k->octets, k->n), key))
			return slot;
	}
}

static struct seen seen_of(const struct folded *folded)
{
	struct seen s = {.first_s = folded->first_s, .last_s = folded->last_s, .count = folded->count};
	const struct rare *rare = folded->rare;
	if (rare) {
		s.zone_first_s = rare->zone_first_s;
		s.zone_last_s = rare->zone_last_s;
		s.sensor_id = rare->sensor_id;
		s.bailiwick = rare->bailiwick;
	}
	return s;
}

/* Strings of what was merged still borrow from the observation: they are kept. */
static void keep_text(struct fold *f, struct bytes text, struct bytes *kept)
{
	if (text.p != kept->p)
		*kept = arena_copy(&f->arena, text);
}

static void merge(struct fold *f, struct folded *to, const struct seen *more)
{
	struct seen s = seen_of(to);
	seen_merge(&s, more);
	to->first_s = s.first_s;
	to->last_s = s.last_s;
	to->count = s.count;
	if (!to->rare && !s.zone_last_s && !s.sensor_id.n && !s.bailiwick.n)
		return;
	if (!to->rare) {
		to->rare = arena_alloc(&f->arena, sizeof(*to->rare));
		*to->rare = (struct rare){0};
	}
	to->rare->zone_first_s = s.zone_first_s;
	to->rare->zone_last_s = s.zone_last_s;
	keep_text(f, s.sensor_id, &to->rare->sensor_id);
	keep_text(f, s.bailiwick, &to->rare->bailiwick);
}

static void add_row(struct fold *f, struct sort_key *to, struct bytes key, unsigned mark)
{
	to->n = (uint32_t)key.n;
	to->mark = mark & (DATA_ROW | WHOLE);
	memcpy(to->octets, key.p, key.n);
	if (f->n_rows == f->rows_room) {
		f->rows_room = f->rows_room ? f->rows_room * 2 : FIRST_SLOTS;
		f->rows = xrealloc(f->rows, f->rows_room * sizeof(*f->rows));
	}
	f->rows[f->n_rows++].key = to;
}

/* Whose data rows are made. */
struct making {
	struct fold *fold;
	struct folded *of;
};

static int add_data_row(void *ctx, struct bytes key, bool whole)
{
	const struct making *m = ctx;
	struct data_row *row = arena_alloc(&m->fold->arena, sizeof(*row) + sizeof(struct sort_key) + key.n);
	row->of = m->of;
	add_row(m->fold, key_behind(row, sizeof(*row)), key, whole ? DATA_ROW | WHOLE : DATA_ROW);
	return 0;
}

/* A record that was not there, with all its rows: while its key is at hand that costs least. */
static struct folded *add_record(struct fold *f, const struct ready *r)
{
	const struct observation *o = &r->o;
	struct folded *new = arena_alloc(&f->arena, sizeof(*new) + sizeof(struct sort_key) + r->key.n);
	struct making making = {f, new};
	*new = (struct folded){0};
	add_row(f, owner_key(new), r->key, r->cut ? WHOLE : 0);
	if (r->cut) {
		new->rare = arena_alloc(&f->arena, sizeof(*new->rare));
		*new->rare = (struct rare){.rdata = arena_copy(&f->arena, o->rdata)};
	}
	key_each_data_row(o->owner, o->rrtype, o->form, o->rdata, &f->key, &f->text, add_data_row, &making);
	f->n++;
	return new;
}

static void put(struct fold *f, const struct ready *r)
{
	struct slot *slot = find(f, r->hash, r->key);
	if (!slot->folded)
		*slot = (struct slot){r->hash, add_record(f, r)};
	merge(f, slot->folded, &r->o.seen);
	if (f->n * 2 > f->mask)
		grow(f);
}

static void fetch_folded(const struct fold *f, uint64_t hash)
{
	const struct slot *slot = &f->slots[hash & f->mask];
	if (!slot->folded)
		return;
	__builtin_prefetch(slot->folded, 1);
	__builtin_prefetch((const char *)slot->folded + 64);
}

void fold_take(struct fold *f, struct batch *b)
{
	const struct ready *r = b->ready;
	for (unsigned i = 0; i < b->n && i < AHEAD; i++)
		__builtin_prefetch(&f->slots[r[i].hash & f->mask], 1);
	for (unsigned i = 0; i < b->n; i++) {
		if (i + AHEAD < b->n)
			__builtin_prefetch(&f->slots[r[i + AHEAD].hash & f->mask], 1);
		if (i + AHEAD / 2 < b->n)
			fetch_folded(f, r[i + AHEAD / 2].hash);
		put(f, &r[i]);
	}
	batch_clear(b);
}

void fold_add(struct fold *f, const struct observation *o)
{
	if (batch_add(f->batch, o))
		fold_take(f, f->batch);
}

struct tally *fold_tally(struct fold *f)
{
	return f->tally;
}

bool fold_is_empty(const struct fold *f)
{
	return !f->n && !f->batch->n && !tally_rows(f->tally);
}

bool fold_is_full(const struct fold *f)
{
	return tally_is_full(f->tally) || fold_memory_is_full(f);
}

bool fold_memory_is_full(const struct fold *f)
{
	size_t tables = (f->mask + 1) * sizeof(*f->slots) + f->rows_room * sizeof(*f->rows);
	return f->n && arena_used(&f->arena) + tables > f->memory;
}

size_t fold_records(struct fold *f)
{
	fold_take(f, f->batch);
	return f->n;
}

uint64_t fold_rows_expected(const struct fold *f)
{
	return f->n_rows + 2 * (uint64_t)f->batch->n + tally_rows(f->tally);
}

/* --- writing --- */

/* Rows are written while those behind them are still sorted. */
struct sorting {
	struct sort_row *rows; /* borrowed */
	size_t n;
	bool beside; /* by a thread */
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	size_t sorted; /* rows that are in order, from the first on */
};

static void tell_sorted(void *ctx, size_t first)
{
	struct sorting *s = ctx;
	pthread_mutex_lock(&s->lock);
	s->sorted = first;
	pthread_cond_signal(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

static void *sort_beside(void *arg)
{
	struct sorting *s = arg;
	sort_rows_telling(s->rows, s->n, tell_sorted, s);
	return NULL;
}

static void begin_sort(struct sorting *s, struct sort_row *rows, size_t n)
{
	*s = (struct sorting){.rows = rows, .n = n};
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	s->beside = n >= ROWS_BESIDE && pthread_create(&s->thread, NULL, sort_beside, s) == 0;
	if (s->beside)
		return;
	sort_rows(rows, n);
	s->sorted = n;
}

/* How many rows are in order: more than i. */
static size_t wait_sorted(struct sorting *s, size_t i)
{
	pthread_mutex_lock(&s->lock);
	while (s->sorted <= i)
		pthread_cond_wait(&s->changed, &s->lock);
	size_t sorted = s->sorted;
	pthread_mutex_unlock(&s->lock);
	return sorted;
}

static void end_sort(struct sorting *s)
{
	if (s->beside)
		pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
}

/* The rdata that a row's value must carry: the whole of it, when the row's key holds a cut. */
static int carried(const struct sort_key *row, struct record_scratch *scratch, struct bytes *ret, struct err *e)
{
	const struct folded *folded = record_of(row);
	const struct sort_key *key = owner_key((struct folded *)folded);
	struct record r;
	*ret = folded->rare ? folded->rare->rdata : bytes_of(NULL, 0);
	if (ret->n)
		return 0;
	int rc = record_decode_key(bytes_of(key->octets, key->n), *ret, scratch, &r);
	*ret = r.rdata;
	return rc < 0 ? err_set(e, rc, "a folded record does not decode") : 0;
}

/* Rows in key order lie anywhere in memory, and so do the records of data rows. */
static void fetch_rows(const struct sort_row *rows, size_t n)
{
	if (n > AHEAD)
		__builtin_prefetch(rows[AHEAD].key);
	if (n > AHEAD / 2)
		__builtin_prefetch(record_of(rows[AHEAD / 2].key));
}

int fold_write(struct fold *f, struct run *run, struct err *e)
{
	struct buffer value = BUFFER_INIT;
	struct record_scratch scratch;
	struct sorting sorting;
	size_t sorted = 0;
	fold_records(f); /* none is on its way any more */
	int rc = tally_write(f->tally, run, e);
	begin_sort(&sorting, f->rows, f->n_rows);
	for (size_t i = 0; i < f->n_rows && rc == 0; i++) {
		if (i == sorted)
			sorted = wait_sorted(&sorting, i);
		fetch_rows(f->rows + i, sorted - i);
		const struct sort_key *key = f->rows[i].key;
		struct value v = {.seen = seen_of(record_of(key))};
		if (key->mark & WHOLE)
			rc = carried(key, &scratch, &v.rdata, e);
		if (rc < 0)
			break;
		buffer_clear(&value);
		value_encode(&v, &value);
		rc = run_add(run, bytes_of(key->octets, key->n), buffer_bytes(&value), e);
	}
	end_sort(&sorting);
	buffer_release(&value);
	return rc;
}
