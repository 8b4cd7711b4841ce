/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A thread that looks at idle connections a few times a second. */
#include "http/hangups.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

enum { LOOK_MS = 250 };

/* What a request changes, several times, takes no lock: a look that comes in between sees the one or the other, and only two
 * looks in a row end a connection. */
struct watched {
	struct watched *next, *previous;
	int fd; /* borrowed */
	atomic_bool busy;
	atomic_bool gone; /* it was so at the last look, with nothing under way since */
	atomic_ullong since_ms; /* of the last sign of life */
};

struct hangups {
	pthread_mutex_t lock; /* guards all of it, but for what a request changes of its connection */
	pthread_cond_t wake;
	struct watched *first; /* owned */
	bool stopping;
	uint64_t timeout_ms;
	pthread_t thread;
};

/* Twice gone and idle all the time between: what it had sent was read, and nothing will follow. Shutting down makes
 * libmicrohttpd see the end. */
static void look(const struct hangups *h, struct watched *w)
{
	struct pollfd p = {.fd = w->fd, .events = POLLRDHUP};
	int unread = 0;
	bool gone = poll(&p, 1, 0) == 1 && p.revents & (POLLRDHUP | POLLHUP | POLLERR);
	if (gone && ioctl(w->fd, FIONREAD, &unread) == 0 && unread > 0)
		gone = false; /* it asked and will listen; libmicrohttpd is late */
	uint64_t since_ms = w->since_ms; /* before the clock is read: a request may change it now, and it shall not be later */
	bool late = now_coarse_ms() - since_ms > h->timeout_ms;
	if ((gone && w->gone) || late)
		shutdown(w->fd, SHUT_RDWR);
	w->gone = gone;
}

static void *watch(void *arg)
{
	struct hangups *h = arg;
	pthread_mutex_lock(&h->lock);
	while (!h->stopping) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		while (!h->stopping && pthread_cond_timedwait(&h->wake, &h->lock, &until) != ETIMEDOUT)
			;
		for (struct watched *w = h->first; w; w = w->next) {
			if (!w->busy)
				look(h, w);
		}
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

struct hangups *hangups_new(uint64_t timeout_ms)
{
	pthread_condattr_t attr;
	struct hangups *h = xcalloc(1, sizeof(*h));
	h->timeout_ms = timeout_ms;
	pthread_mutex_init(&h->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&h->wake, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&h->thread, NULL, watch, h) != 0) {
		free(h);
		return NULL;
	}
	return h;
}

void hangups_free(struct hangups *h)
{
	if (!h)
		return;
	pthread_mutex_lock(&h->lock);
	h->stopping = true;
	pthread_cond_signal(&h->wake);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	pthread_mutex_destroy(&h->lock);
	pthread_cond_destroy(&h->wake);
	free(h);
}

struct watched *hangups_add(struct hangups *h, int fd)
{
	struct watched *w = xcalloc(1, sizeof(*w));
	w->fd = fd;
	w->since_ms = now_coarse_ms();
	pthread_mutex_lock(&h->lock);
	w->next = h->first;
	if (w->next)
		w->next->previous = w;
	h->first = w;
	pthread_mutex_unlock(&h->lock);
	return w;
}

void hangups_remove(struct hangups *h, struct watched *w)
{
	pthread_mutex_lock(&h->lock);
	if (w->next)
		w->next->previous = w->previous;
	if (w->previous)
		w->previous->next = w->next;
	else
		h->first = w->next;
	pthread_mutex_unlock(&h->lock);
	free(w);
}

void hangups_busy(struct watched *w, bool busy)
{
	if (!w)
		return;
	if (!busy)
		atomic_store_explicit(&w->since_ms, now_coarse_ms(), memory_order_relaxed);
	atomic_store_explicit(&w->gone, false, memory_order_relaxed);
	atomic_store_explicit(&w->busy, busy, memory_order_release);
}
