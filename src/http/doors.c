/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "http/doors.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum {
	BACKLOG = 1024,
	REST_MS = 100, /* where descriptors or memory are short */
};

struct door {
	int fd; /* -1: closed */
	struct config_address address;
	struct desk *desks; /* owned */
	unsigned n, next;   /* next: who is given one when all have as many */
};

struct doors {
	struct door doors[CONFIG_LISTEN_MAX];
	size_t n;
	unsigned max;
	atomic_uint inside;  /* connections of all desks */
	atomic_bool waiting; /* for one to leave: who does so says it */
	atomic_bool closing;
	int bell; /* an eventfd: look at the above */
	bool running;
	pthread_t thread;
};

static void ring(struct doors *d)
{
	const uint64_t one = 1;
	ssize_t n = write(d->bell, &one, sizeof(one));
	(void)n; /* it cannot fail but when it rings already */
}

struct doors *doors_new(unsigned connections_max)
{
	struct doors *d = xcalloc(1, sizeof(*d));
	d->max = connections_max;
	d->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (d->bell >= 0)
		return d;
	free(d);
	return NULL;
}

void doors_free(struct doors *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->n; i++) {
		struct door *door = &d->doors[i];
		for (unsigned k = 0; k < door->n; k++) {
			if (door->desks[k].daemon)
				MHD_stop_daemon(door->desks[k].daemon);
		}
		free(door->desks);
	}
	close(d->bell);
	free(d);
}

int doors_add(struct doors *d, const struct config_address *address, unsigned desks, void *owner,
              struct desk **ret, struct err *e)
{
	struct door *door = &d->doors[d->n];
	int fd = config_address_listen(address, BACKLOG, &door->address);
	if (fd < 0)
		return err_sys(e, errno, "cannot listen on %s", address->text);
	d->n++;
	door->fd = fd;
	door->n = desks;
	door->desks = xcalloc(desks, sizeof(*door->desks));
	for (unsigned i = 0; i < desks; i++) {
		door->desks[i].doors = d;
		door->desks[i].owner = owner;
	}
	*ret = door->desks;
	return 0;
}

const struct config_address *doors_address(const struct doors *d, size_t i)
{
	return &d->doors[i].address;
}

/* --- letting in --- */

static struct desk *least(struct door *door)
{
	unsigned best = door->next % door->n;
	for (unsigned i = 1; i < door->n; i++) {
		unsigned other = (door->next + i) % door->n;
		if (door->desks[other].connections < door->desks[best].connections)
			best = other;
	}
	door->next = best + 1;
	return &door->desks[best];
}

/* Whether there may be more. */
static bool let_in(struct doors *d, struct door *door, bool *rest)
{
	struct config_address from;
	from.length = sizeof(from.socket);
	if (d->inside >= d->max)
		return false;
	int fd = accept4(door->fd, &from.socket.any, &from.length, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM || errno == EINVAL)) {
		*rest = true;
		log_debug("http", "no connection is let in: %s", strerror(errno));
		return false;
	}
	if (fd < 0)
		return true; /* that connection has failed: accept(2) */
	struct desk *desk = least(door);
	atomic_fetch_add(&desk->connections, 1);
	atomic_fetch_add(&d->inside, 1);
	if (MHD_add_connection(desk->daemon, fd, &from.socket.any, from.length) == MHD_NO) /* closes it */
		desk_left(desk);
	return true;
}

void desk_left(struct desk *desk)
{
	struct doors *d = desk->doors;
	atomic_fetch_sub(&desk->connections, 1);
	atomic_fetch_sub(&d->inside, 1);
	if (atomic_exchange(&d->waiting, false))
		ring(d);
}

static void *work(void *arg)
{
	struct doors *d = arg;
	struct pollfd fds[1 + CONFIG_LISTEN_MAX] = {{.fd = d->bell, .events = POLLIN}};
	bool rest = false;
	while (!d->closing) {
		d->waiting = true; /* before it is counted: who leaves behind that rings */
		bool full = d->inside >= d->max;
		if (!full && !rest)
			d->waiting = false;
		for (size_t i = 0; i < d->n; i++)
			fds[1 + i] = (struct pollfd){.fd = full || rest ? -1 : d->doors[i].fd, .events = POLLIN};
		poll(fds, 1 + d->n, rest ? REST_MS : -1);
		rest = false;
		uint64_t rung;
		if (fds[0].revents && read(d->bell, &rung, sizeof(rung)) < 0)
			log_debug("http", "the bell of the doors: %s", strerror(errno));
		for (size_t i = 0; i < d->n; i++) {
			while (fds[1 + i].revents && !d->closing && let_in(d, &d->doors[i], &rest))
				;
		}
	}
	return NULL;
}

int doors_open(struct doors *d, struct err *e)
{
	int error = pthread_create(&d->thread, NULL, work, d);
	if (error)
		return err_sys(e, error, "cannot start a thread");
	d->running = true;
	return 0;
}

void doors_close(struct doors *d)
{
	if (!d)
		return;
	d->closing = true;
	ring(d);
	if (d->running)
		pthread_join(d->thread, NULL);
	d->running = false;
	for (size_t i = 0; i < d->n; i++) {
		if (d->doors[i].fd >= 0)
			close(d->doors[i].fd);
		d->doors[i].fd = -1;
	}
}
