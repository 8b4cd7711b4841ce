/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folding: equal records met in memory become one before anything is sorted or written. DNS repeats
 * itself; here it stops to cost. */
#pragma once

#include "base/err.h"
#include "feed/batch.h"
#include "feed/tally.h"
#include "model/observation.h"
#include "store/store.h"

struct fold;

/* memory is what it may hold, in octets, before it says that it is full. */
struct fold *fold_new(size_t memory);
void fold_free(struct fold *f);

/* Takes one observation in. */
void fold_add(struct fold *f, const struct observation *o);
/* Takes all of a batch in, and clears it. */
void fold_take(struct fold *f, struct batch *b);

/* What sensors contributed to what it holds; written and forgotten with it. */
struct tally *fold_tally(struct fold *f);

/* Nothing to write: no records, and nothing counted for a sensor. */
bool fold_is_empty(const struct fold *f);

/* Over its memory, or its tally is full: time to write. */
bool fold_is_full(const struct fold *f);
/* The first of both alone. */
bool fold_memory_is_full(const struct fold *f);

/* Distinct records held. */
size_t fold_records(struct fold *f);

/* Rows that fold_write will add. */
uint64_t fold_rows_expected(const struct fold *f);

/* Adds all rows, those of the sensors and of the records in both directions, in key order, to a run. The fold keeps what it holds. */
int fold_write(struct fold *f, struct run *run, struct err *e);

/* Forgets everything. The memory that it took is kept for what comes. */
void fold_clear(struct fold *f);
