/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One thread, and a ring of batches before it. */
#include "feed/folder.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"

enum {
	BATCHES = 32, /* the thread waits for pages of memory, too, and who reads need not */
	WORTH = 8,    /* so many are worth waking it */
};

struct folder {
	struct batch *batches[BATCHES]; /* owned */
	unsigned filling;               /* takes observations; those before it wait, or are being folded */
	struct fold *fold;              /* the thread's while batches wait, else the caller's */
	bool running;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	unsigned waiting; /* batches, the one being folded included */
	bool full, draining, stopping;
};

static void wait_for_work(struct folder *f)
{
	while (f->waiting < (f->draining ? 1 : WORTH) && !f->stopping)
		pthread_cond_wait(&f->changed, &f->lock);
}

static void *work(void *arg)
{
	struct folder *f = arg;
	pthread_mutex_lock(&f->lock);
	for (unsigned next = 0;; next = (next + 1) % BATCHES) {
		if (!f->waiting)
			wait_for_work(f);
		if (f->stopping)
			break;
		pthread_mutex_unlock(&f->lock);
		fold_take(f->fold, f->batches[next]);
		bool full = fold_memory_is_full(f->fold);
		pthread_mutex_lock(&f->lock);
		f->full = full;
		f->waiting--;
		if (f->draining ? !f->waiting : f->waiting == BATCHES - WORTH)
			pthread_cond_signal(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

struct folder *folder_new(struct fold *fold)
{
	struct folder *f = xcalloc(1, sizeof(*f));
	f->fold = fold;
	for (int i = 0; i < BATCHES; i++)
		f->batches[i] = batch_new();
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->changed, NULL);
	f->running = pthread_create(&f->thread, NULL, work, f) == 0;
	if (f->running)
		return f;
	folder_free(f);
	return NULL;
}

void folder_free(struct folder *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stopping = true;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (f->running)
		pthread_join(f->thread, NULL);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->changed);
	for (int i = 0; i < BATCHES; i++)
		batch_free(f->batches[i]);
	free(f);
}

/* The batch that is being filled goes to the thread. */
static void hand(struct folder *f)
{
	pthread_mutex_lock(&f->lock);
	f->waiting++;
	if (f->waiting >= WORTH)
		pthread_cond_signal(&f->changed);
	if (f->waiting == BATCHES) {
		while (f->waiting > BATCHES - WORTH)
			pthread_cond_wait(&f->changed, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	f->filling = (f->filling + 1) % BATCHES;
}

void folder_add(struct folder *f, const struct observation *o)
{
	if (batch_add(f->batches[f->filling], o))
		hand(f);
}

bool folder_is_full(struct folder *f)
{
	pthread_mutex_lock(&f->lock);
	bool full = f->full;
	pthread_mutex_unlock(&f->lock);
	return full;
}

void folder_drain(struct folder *f)
{
	if (f->batches[f->filling]->n)
		hand(f);
	pthread_mutex_lock(&f->lock);
	f->draining = true;
	pthread_cond_signal(&f->changed);
	while (f->waiting)
		pthread_cond_wait(&f->changed, &f->lock);
	f->draining = false;
	pthread_mutex_unlock(&f->lock);
}

void folder_use(struct folder *f, struct fold *fold)
{
	f->fold = fold;
	f->full = false;
}
