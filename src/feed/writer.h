/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Commits folds on a thread of its own, so that reading goes on while they are sorted and written.
 *
 * Folds are committed in the order they were handed over, each with its note in one run of the store. At most one waits: whoever
 * is faster waits for the other, and memory is bounded by two folds.
 */
#pragma once

#include "feed/fold.h"
#include "feed/note.h"

struct writer;

/* note_key is copied; empty: no notes. NULL when there is no thread to be had. */
struct writer *writer_new(struct store *store, struct bytes note_key, size_t memory);

/* Hands a fold over and leaves an empty one in its place. Fails with the error of an earlier commit; then nothing handed over
 * after that one is committed. */
int writer_hand(struct writer *w, struct fold **fold, const struct note *note, struct err *e);

/* Until everything handed over is committed. */
int writer_wait(struct writer *w, struct err *e);

/* Waits, and frees; w may be NULL. */
void writer_free(struct writer *w);

/* Commits a fold with its note at once, on this thread. The fold is cleared. */
int writer_commit(struct store *store, struct bytes note_key, struct fold *fold,
                  const struct note *note, struct err *e);
