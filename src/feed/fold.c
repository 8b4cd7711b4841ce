/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of records in memory, and its way into a run.
 *
 * DESIGN: the key of a record's owner row is its identity, so the table is keyed by it and needs no other form of the
 * record. Keys and records live in an arena that is dropped as a whole. Open addressing over 64-bit hashes: a look costs one
 * probe and, when the hash is there, one comparison.
 *
 *   slot[hash] → folded { seen, key, rdata where the key holds a cut } in the arena
 */
#include "feed/fold.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "feed/sort.h"
#include "store/keys.h"

enum {
	FIRST_SLOTS = 1 << 12,
	PENDING = 16,      /* observations on their way into the table */
	PENDING_KEY = 160, /* octets of their keys: longer ones go in at once */
	AHEAD = 8, /* rows that are fetched ahead of their use; measured: a tenth of the writing time */
};

struct folded {
	struct seen seen;    /* strings in the arena */
	struct bytes rdata;  /* in the arena; empty when the key holds it whole */
	uint32_t key_n;
	uint8_t key[];
};

struct slot {
	uint64_t hash;
	struct folded *folded; /* NULL: empty */
};

/* An observation on its way: the memory that it needs is fetched meanwhile. */
struct pending {
	uint64_t hash;
	struct seen seen; /* without strings */
	uint32_t key_n;
	uint8_t key[PENDING_KEY];
};

struct fold {
	struct arena arena;
	struct slot *slots; /* owned */
	size_t mask;        /* slots - 1, a power of two */
	size_t n;
	size_t memory;
	struct tally *tally; /* owned */
	struct buffer key; /* scratch */
	struct pending pending[PENDING];
	unsigned first, n_pending; /* a ring */
};

struct fold *fold_new(size_t memory)
{
	struct fold *f = xcalloc(1, sizeof(*f));
	f->memory = memory;
	f->mask = FIRST_SLOTS - 1;
	f->slots = xcalloc(FIRST_SLOTS, sizeof(*f->slots));
	f->tally = tally_new();
	return f;
}

void fold_free(struct fold *f)
{
	if (!f)
		return;
	arena_release(&f->arena);
	tally_free(f->tally);
	free(f->slots);
	buffer_release(&f->key);
	free(f);
}

void fold_clear(struct fold *f)
{
	arena_clear(&f->arena);
	memset(f->slots, 0, (f->mask + 1) * sizeof(*f->slots));
	f->n = 0;
	f->n_pending = 0;
	tally_clear(f->tally);
}

static void grow(struct fold *f)
{
	size_t mask = f->mask * 2 + 1;
	struct slot *slots = xcalloc(mask + 1, sizeof(*slots));
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
		if (slot->hash == hash &&
		    bytes_eq(bytes_of(slot->folded->key, slot->folded->key_n), key))
			return slot;
	}
}

/* The strings of what was merged still borrow from the observation: keep them. */
static void keep_text(struct fold *f, struct bytes before, struct bytes *text)
{
	if (text->p != before.p && text->n)
		*text = arena_copy(&f->arena, *text);
}

static void merge(struct fold *f, struct folded *to, const struct seen *more)
{
	struct seen before = to->seen;
	seen_merge(&to->seen, more);
	keep_text(f, before.sensor_id, &to->seen.sensor_id);
	keep_text(f, before.bailiwick, &to->seen.bailiwick);
}

/* rdata: whole, where the key holds a cut of it; else empty. */
static void put(struct fold *f, uint64_t hash, struct bytes key, struct bytes rdata, const struct seen *seen)
{
	struct slot *slot = find(f, hash, key);
	if (slot->folded) {
		merge(f, slot->folded, seen);
		return;
	}
	struct folded *new = arena_alloc(&f->arena, sizeof(*new) + key.n);
	*new = (struct folded){.key_n = (uint32_t)key.n};
	memcpy(new->key, key.p, key.n);
	new->rdata = arena_copy(&f->arena, rdata);
	merge(f, new, seen);
	*slot = (struct slot){hash, new};
	if (++f->n * 2 > f->mask)
		grow(f);
}

/* The one that waits longest. */
static void put_pending(struct fold *f)
{
	struct pending *p = &f->pending[f->first];
	put(f, p->hash, bytes_of(p->key, p->key_n), bytes_of(NULL, 0), &p->seen);
	f->first = (f->first + 1) % PENDING;
	f->n_pending--;
}

static void fetch_folded(const struct fold *f, const struct pending *p)
{
	const struct slot *slot = &f->slots[p->hash & f->mask];
	if (!slot->folded)
		return;
	__builtin_prefetch(slot->folded, 1);
	__builtin_prefetch((const char *)slot->folded + 64);
}

/* The slot is fetched when an observation comes, what the slot points at some observations later, and both are looked at
 * some more later: of a large table nearly each look would wait for memory. */
void fold_add(struct fold *f, const struct observation *o)
{
	buffer_clear(&f->key);
	bool cut = key_put_owner_row(&f->key, o->owner, o->rrtype, o->form, o->rdata);
	struct bytes key = buffer_bytes(&f->key);
	uint64_t hash = hash64(key.p, key.n);
	if (cut || key.n > PENDING_KEY || o->seen.sensor_id.n || o->seen.bailiwick.n) { /* order is no matter */
		put(f, hash, key, cut ? o->rdata : bytes_of(NULL, 0), &o->seen);
		return;
	}
	if (f->n_pending == PENDING)
		put_pending(f);
	struct pending *p = &f->pending[(f->first + f->n_pending++) % PENDING];
	p->hash = hash;
	p->seen = o->seen;
	p->key_n = (uint32_t)key.n;
	memcpy(p->key, key.p, key.n);
	__builtin_prefetch(&f->slots[hash & f->mask]);
	if (f->n_pending > PENDING / 2)
		fetch_folded(f, &f->pending[(f->first + f->n_pending - 1 - PENDING / 2) % PENDING]);
}

struct tally *fold_tally(struct fold *f)
{
	return f->tally;
}

bool fold_is_empty(const struct fold *f)
{
	return !f->n && !f->n_pending && !tally_rows(f->tally);
}

bool fold_is_full(const struct fold *f)
{
	if (tally_is_full(f->tally))
		return true;
	return f->n && arena_used(&f->arena) + (f->mask + 1) * sizeof(*f->slots) > f->memory;
}

size_t fold_records(struct fold *f)
{
	while (f->n_pending)
		put_pending(f);
	return f->n;
}

uint64_t fold_rows_expected(const struct fold *f)
{
	return 2 * ((uint64_t)f->n + f->n_pending) + tally_rows(f->tally);
}

/* --- writing --- */

struct writing {
	struct arena arena; /* keys of data rows */
	struct sort_row *rows; /* owned */
	size_t n, cap;
	const struct folded *from; /* whose data rows are being made */
};

static void add_row(struct writing *w, const uint8_t *key, size_t n, bool whole)
{
	if (w->n == w->cap) {
		w->cap = w->cap ? w->cap * 2 : 1024;
		w->rows = xrealloc(w->rows, w->cap * sizeof(*w->rows));
	}
	w->rows[w->n++] = (struct sort_row){
		.key = key, .key_n = (uint32_t)n, .flag = whole, .what = w->from};
}

static int add_data_row(void *ctx, struct bytes key, bool whole)
{
	struct writing *w = ctx;
	struct bytes copy = arena_copy(&w->arena, key);
	add_row(w, copy.p, copy.n, whole);
	return 0;
}

static int make_rows(struct fold *f, struct writing *w, struct err *e)
{
	struct buffer key = BUFFER_INIT, text = BUFFER_INIT;
	struct record_scratch scratch;
	struct record r;
	int rc = 0;
	for (size_t i = 0; i <= f->mask && rc == 0; i++) {
		const struct folded *folded = f->slots[i].folded;
		if (i + AHEAD <= f->mask && f->slots[i + AHEAD].folded) {
			__builtin_prefetch(f->slots[i + AHEAD].folded);
			__builtin_prefetch((const char *)f->slots[i + AHEAD].folded + 64);
		}
		if (!folded)
			continue;
		w->from = folded;
		add_row(w, folded->key, folded->key_n, folded->rdata.n > 0);
		rc = record_decode_key(bytes_of(folded->key, folded->key_n), folded->rdata, &scratch, &r);
		if (rc < 0)
			err_set(e, rc, "a folded record does not decode");
		else
			rc = key_each_data_row(r.owner, r.rrtype, r.form, r.rdata, &key, &text,
			                       add_data_row, w);
	}
	buffer_release(&key);
	buffer_release(&text);
	return rc;
}

/* The rdata that a row's value must carry: the whole of it, when the key holds a cut. */
static struct bytes carried(const struct sort_row *row, struct record_scratch *scratch)
{
	const struct folded *folded = row->what;
	struct record r;
	if (!row->flag)
		return bytes_of(NULL, 0);
	if (folded->rdata.n)
		return folded->rdata;
	record_decode_key(bytes_of(folded->key, folded->key_n), folded->rdata, scratch, &r);
	return r.rdata;
}

int fold_write(struct fold *f, struct run *run, struct err *e)
{
	struct writing w = {0};
	struct buffer value = BUFFER_INIT;
	struct record_scratch scratch;
	fold_records(f); /* none is on its way any more */
	int rc = make_rows(f, &w, e);
	if (rc == 0)
		rc = tally_write(f->tally, run, e);
	if (rc == 0)
		sort_rows(w.rows, w.n);
	for (size_t i = 0; i < w.n && rc == 0; i++) {
		const struct folded *folded = w.rows[i].what;
		if (i + AHEAD < w.n) { /* rows in key order lie anywhere in memory */
			__builtin_prefetch(w.rows[i + AHEAD].what);
			__builtin_prefetch(w.rows[i + AHEAD].key);
		}
		struct value v = {folded->seen, carried(&w.rows[i], &scratch)};
		buffer_clear(&value);
		value_encode(&v, &value);
		rc = run_add(run, bytes_of(w.rows[i].key, w.rows[i].key_n), buffer_bytes(&value), e);
	}
	buffer_release(&value);
	arena_release(&w.arena);
	free(w.rows);
	return rc;
}
