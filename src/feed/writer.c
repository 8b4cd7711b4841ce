/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread, one place where a fold waits. */
#include "feed/writer.h"

#include <pthread.h>
#include <stdlib.h>

struct writer {
	struct store *store; /* borrowed */
	struct buffer note_key;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct fold *waiting; /* owned; NULL: the place is free */
	struct fold *spare;   /* owned: empty, to be given in exchange */
	struct note note;     /* of the waiting one */
	bool writing, stopping;
	int rc; /* of the first commit that failed */
	struct err error;
};

int writer_commit(struct store *store, struct bytes note_key, struct fold *fold,
                  const struct note *note, struct err *e)
{
	struct buffer value = BUFFER_INIT;
	struct run *run = NULL;
	int rc = run_begin(store, fold_rows_expected(fold), &run, e);
	if (rc == 0 && note_key.n) {
		note_encode(note, &value);
		rc = run_put(run, note_key, buffer_bytes(&value), e);
	}
	if (rc == 0)
		rc = fold_write(fold, run, e);
	if (rc == 0)
		rc = run_commit(run, e);
	else
		run_abort(run);
	if (rc == 0)
		fold_clear(fold);
	buffer_release(&value);
	return rc;
}

static void *work(void *arg)
{
	struct writer *w = arg;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (!w->waiting) {
			if (w->stopping)
				break;
			pthread_cond_wait(&w->changed, &w->lock);
			continue;
		}
		struct fold *fold = w->waiting;
		struct note note = w->note;
		struct err e;
		int rc = w->rc;
		w->waiting = NULL;
		w->writing = true;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->lock);
		if (rc == 0)
			rc = writer_commit(w->store, buffer_bytes(&w->note_key), fold, &note, &e);
		pthread_mutex_lock(&w->lock);
		if (rc < 0 && w->rc == 0) {
			w->rc = rc;
			w->error = e;
		}
		fold_clear(fold);
		w->spare = fold;
		w->writing = false;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

struct writer *writer_new(struct store *store, struct bytes note_key, size_t memory)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	w->store = store;
	buffer_put_bytes(&w->note_key, note_key);
	w->spare = fold_new(memory);
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (pthread_create(&w->thread, NULL, work, w) == 0)
		return w;
	fold_free(w->spare);
	buffer_release(&w->note_key);
	free(w);
	return NULL;
}

static int failure(const struct writer *w, struct err *e)
{
	if (w->rc < 0 && e)
		*e = w->error;
	return w->rc;
}

int writer_hand(struct writer *w, struct fold **fold, const struct note *note, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	while ((w->waiting || !w->spare) && w->rc == 0)
		pthread_cond_wait(&w->changed, &w->lock);
	int rc = failure(w, e);
	if (rc == 0) {
		w->waiting = *fold;
		w->note = *note;
		*fold = w->spare;
		w->spare = NULL;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return rc;
}

int writer_wait(struct writer *w, struct err *e)
{
	pthread_mutex_lock(&w->lock);
	while (w->waiting || w->writing)
		pthread_cond_wait(&w->changed, &w->lock);
	int rc = failure(w, e);
	pthread_mutex_unlock(&w->lock);
	return rc;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	fold_free(w->spare);
	buffer_release(&w->note_key);
	free(w);
}
