/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Listening for dnstap: resolvers and servers connect and send what they see.
 *
 * DESIGN: one thread and one epoll for all sockets. A readable connection is read once, at most
 * RUN_MAX octets, before the next one's turn; what it holds between two turns is the frame that a
 * run cut (ingest/framestream.h). When the collector has no room the thread waits in it, and what
 * senders send waits in their sockets.
 *
 *   connected → (READY, answered with ACCEPT) → START → frames → STOP (answered with FINISH) →
 * closed
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/config.h"
#include "feeders/feeder.h"
#include "ingest/dnstap.h"

enum {
	RUN_MAX = 64 << 10,
	KEEP_MAX = 64 << 10, /* a larger buffer is not kept for a connection whose large frame is
				through */
	EVENTS = 64,
	TICK_MS = 1000,
	DRAIN_MS = 1000, /* at the end: for what has arrived and was not read */
	REST_MS = 3000,  /* for the other side to close after FINISH */
	BACKLOG = 1024,
};

enum stage { STAGE_START, STAGE_FRAMES, STAGE_STOPPED };

struct place {
	struct listener *l; /* borrowed */
	char *where;        /* owned */
	char *path;         /* owned; NULL for TCP */
	int fd;
	bool waiting; /* not in the epoll: as many are connected as may be, or there are no
			 descriptors */
	struct collector_entry *entry;
	struct sink sink;
	atomic_ullong connected, connections, frames, failed;
};

/* What an epoll event points at: connection NULL: a place's socket; both NULL: wake. */
struct connection {
	struct place *place;
	struct connection *next, **back;
	int fd;
	enum stage stage;
	bool asked;           /* it said READY */
	uint64_t deadline_ms; /* until START, and for the end; 0: none */
	struct framestream frames;
};

struct listener {
	struct feeder base;
	struct feeder_options opt;
	struct place *places; /* owned */
	size_t n;
	int epoll, wake;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	struct connection *connections;
	struct dnstap *dnstap;
	uint8_t *run;         /* owned: RUN_MAX octets */
	pthread_mutex_t lock; /* guards what follows */
	char (*errors)[160];  /* owned; by place */
};

/* --- connections --- */

static void watch_place(struct place *p, bool on)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	p->waiting = !on;
	epoll_ctl(p->l->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, p->fd, &event);
}

static void close_connection(struct connection *c)
{
	struct place *p = c->place;
	*c->back = c->next;
	if (c->next)
		c->next->back = c->back;
	close(c->fd);
	framestream_release(&c->frames);
	free(c);
	atomic_fetch_sub(&p->connected, 1);
	if (p->waiting && !p->l->stopping)
		watch_place(p, true);
}

static void remember(struct place *p, const char *text)
{
	struct listener *l = p->l;
	pthread_mutex_lock(&l->lock);
	snprintf(l->errors[p - l->places], sizeof(*l->errors), "%s", text);
	pthread_mutex_unlock(&l->lock);
}

/* What this connection sent last is no dnstap: counted, and told when its turn with the collector
 * ends. */
static void reject(struct connection *c, const char *reason)
{
	struct sink *sink = &c->place->sink;
	atomic_fetch_add(&c->place->failed, 1);
	remember(c->place, reason);
	sink->reject(sink->ctx, c->frames.count + 1, bytes_of(NULL, 0), reason);
}

/* Answers are a few octets, asked for one at a time: who does not leave room for them is let go. */
static bool answer(struct connection *c, enum control_type type, const char *content_type)
{
	struct buffer b = BUFFER_INIT;
	control_write(type, bytes_str(content_type), &b);
	ssize_t n = send(c->fd, b.p, b.n, MSG_NOSIGNAL | MSG_DONTWAIT);
	bool whole = n == (ssize_t)b.n;
	buffer_release(&b);
	return whole;
}

/* False: the connection is to be closed. */
static bool take_control(struct connection *c, const struct frame *frame)
{
	switch (frame->control) {
	case CONTROL_READY:
		if (c->stage != STAGE_START || c->asked) {
			reject(c, "READY where it may not be");
			return false;
		}
		if (!control_offers(frame->octets, bytes_str(DNSTAP_CONTENT_TYPE))) {
			reject(c, "another content type than " DNSTAP_CONTENT_TYPE);
			return false;
		}
		c->asked = true;
		return answer(c, CONTROL_ACCEPT, DNSTAP_CONTENT_TYPE);
	case CONTROL_START:
		if (c->stage != STAGE_START ||
		    !control_offers(frame->octets, bytes_str(DNSTAP_CONTENT_TYPE))) {
			reject(c, c->stage != STAGE_START
					  ? "START where it may not be"
					  : "another content type than " DNSTAP_CONTENT_TYPE);
			return false;
		}
		c->stage = STAGE_FRAMES;
		c->deadline_ms = 0;
		return true;
	case CONTROL_STOP:
		if (c->stage != STAGE_FRAMES) {
			reject(c, "STOP where it may not be");
			return false;
		}
		c->stage = STAGE_STOPPED;
		c->deadline_ms = now_ms() + REST_MS;
		if (!c->asked || !answer(c, CONTROL_FINISH, ""))
			return false;
		shutdown(c->fd, SHUT_WR);
		return true;
	default:
		reject(c, "a control frame that only receivers send");
		return false;
	}
}

/* What a run holds, with the turn. False: the connection is to be closed. */
static bool take_run(struct connection *c, struct bytes run)
{
	struct place *p = c->place;
	struct frame frame;
	int rc;
	p->sink.sensor(p->sink.ctx, bytes_of(NULL, 0));
	framestream_put(&c->frames, run);
	while ((rc = framestream_next(&c->frames, &frame)) == 1) {
		if (c->stage == STAGE_STOPPED)
			return false; /* nothing follows STOP */
		if (frame.control != CONTROL_NONE) {
			if (!take_control(c, &frame))
				return false;
			continue;
		}
		if (c->stage != STAGE_FRAMES) {
			reject(c, "a frame before START");
			return false;
		}
		atomic_fetch_add_explicit(&p->frames, 1, memory_order_relaxed);
		dnstap_take(p->l->dnstap, frame.octets, frame.number, &p->sink);
	}
	if (rc < 0)
		reject(c, c->frames.broken);
	else if (!framestream_is_cut(&c->frames) && c->frames.held.cap > KEEP_MAX)
		framestream_release(&c->frames);
	return rc == 0;
}

static void end_of_input(struct connection *c)
{
	if (framestream_is_cut(&c->frames) && collector_enter(c->place->entry) == 0) {
		reject(c, "the connection ended within a frame");
		collector_leave(c->place->entry);
	}
	close_connection(c);
}

/* Reads once. False: there was nothing, or the connection is gone. */
static bool read_connection(struct connection *c)
{
	struct listener *l = c->place->l;
	ssize_t n = recv(c->fd, l->run, RUN_MAX, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		end_of_input(c);
		return false;
	}
	if (collector_enter(c->place->entry) <
	    0) { /* told to stop, and no room: it is as good as not received */
		close_connection(c);
		return false;
	}
	bool open = take_run(c, bytes_of(l->run, (size_t)n));
	collector_leave(c->place->entry);
	if (!open)
		close_connection(c);
	return open;
}

/* Nothing else tells that a silent sender's machine is gone: within some two minutes. */
static void keep_alive(int fd)
{
	static const int on = 1, idle_s = 60, between_s = 15, times = 4;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between_s, sizeof(between_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
}

static void accept_connection(struct place *p)
{
	struct listener *l = p->l;
	if (p->connected >= l->opt.connections_max) {
		watch_place(p, false);
		return;
	}
	int fd = accept4(p->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			remember(p, strerror(errno));
			watch_place(p, false); /* until the next tick */
		}
		return;
	}
	if (!p->path)
		keep_alive(fd);
	struct connection *c = xcalloc(1, sizeof(*c));
	c->place = p;
	c->fd = fd;
	c->deadline_ms = now_ms() + l->opt.handshake_ms;
	c->next = l->connections;
	c->back = &l->connections;
	if (c->next)
		c->next->back = &c->next;
	l->connections = c;
	atomic_fetch_add(&p->connected, 1);
	atomic_fetch_add(&p->connections, 1);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	/* The lowest bit tells a connection from a place. */
	event.data.u64 |= 1;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		close_connection(c);
}

/* Closes those whose time is over; listens again where descriptors may be free by now. */
static void tick(struct listener *l)
{
	uint64_t now = now_ms();
	for (struct connection *c = l->connections, *next; c; c = next) {
		next = c->next;
		if (!c->deadline_ms || now < c->deadline_ms)
			continue;
		if (c->stage == STAGE_START && collector_enter(c->place->entry) == 0) {
			reject(c, "no START in time");
			collector_leave(c->place->entry);
		}
		close_connection(c);
	}
	for (size_t i = 0; i < l->n; i++) {
		if (l->places[i].waiting && l->places[i].connected < l->opt.connections_max)
			watch_place(&l->places[i], true);
	}
}

/* What has arrived by now is received, too. */
static void drain(struct listener *l)
{
	uint64_t until = now_ms() + DRAIN_MS;
	for (bool any = true; any && now_ms() < until;) {
		any = false;
		for (struct connection *c = l->connections, *next; c && now_ms() < until;
		     c = next) {
			next = c->next;
			any |= read_connection(c);
		}
	}
	while (l->connections)
		close_connection(l->connections);
}

static void *work(void *arg)
{
	struct listener *l = arg;
	struct epoll_event events[EVENTS];
	uint64_t next_tick = now_ms() + TICK_MS;
	while (!l->stopping) {
		uint64_t now = now_ms();
		if (now >= next_tick) {
			tick(l);
			next_tick = now + TICK_MS;
		}
		int n = epoll_wait(l->epoll, events, EVENTS,
				   (int)(next_tick - now < TICK_MS ? next_tick - now : TICK_MS));
		for (int i = 0; i < n && !l->stopping; i++) {
			uint64_t u = events[i].data.u64;
			if (!u)
				continue;
			if (u & 1)
				read_connection((struct connection *)(uintptr_t)(u & ~UINT64_C(1)));
			else
				accept_connection(events[i].data.ptr);
		}
	}
	drain(l);
	return NULL;
}

/* --- sockets --- */

/* A socket's file whose process is gone may be replaced. */
static bool is_stale(const struct sockaddr_un *address)
{
	struct stat st;
	if (lstat(address->sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 &&
		       connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 &&
		       errno == ECONNREFUSED;
	if (fd >= 0)
		close(fd);
	return refused;
}

static int open_unix(struct place *p, unsigned mode, struct err *e)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!*p->path || strlen(p->path) >= sizeof(address.sun_path))
		return err_set(e, ERR_LIMIT, "dnstap_unix: the path %s is empty or over %zu octets",
			       p->path, sizeof(address.sun_path) - 1);
	memcpy(address.sun_path, p->path, strlen(p->path) + 1);
	p->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return err_sys(e, errno, "dnstap_unix: %s", p->path);
	int rc = bind(p->fd, (struct sockaddr *)&address, sizeof(address));
	if (rc < 0 && errno == EADDRINUSE && is_stale(&address)) {
		unlink(p->path);
		rc = bind(p->fd, (struct sockaddr *)&address, sizeof(address));
	}
	if (rc < 0) {
		rc = err_sys(e, errno, "dnstap_unix: cannot listen on %s", p->path);
		free(p->path); /* not ours to remove */
		p->path = NULL;
		return rc;
	}
	/* Nobody can connect before it listens: no moment with other permissions. */
	if (chmod(p->path, mode) < 0 || listen(p->fd, BACKLOG) < 0)
		return err_sys(e, errno, "dnstap_unix: %s", p->path);
	return 0;
}

static int open_tcp(struct place *p, const struct config_address *address, struct err *e)
{
	struct config_address bound;
	p->fd = config_address_listen(address, BACKLOG, &bound);
	if (p->fd < 0)
		return err_sys(e, errno, "dnstap_tcp: cannot listen on %s", address->text);
	free(p->where);
	p->where = xstrdup(bound.text);
	return 0;
}

static int open_place(struct listener *l, struct place *p, struct err *e)
{
	struct buffer sensor = BUFFER_INIT;
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = p};
	buffer_putf(&sensor, "dnstap:%s", p->where);
	p->entry = collector_open(l->opt.collector, buffer_bytes(&sensor), &p->sink);
	buffer_release(&sensor);
	log_info("dnstap", "listening on %s", p->where);
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, p->fd, &event) < 0)
		return err_sys(e, errno, "dnstap: %s", p->where);
	return 0;
}

/* --- life --- */

static void listener_stop(struct feeder *f)
{
	struct listener *l = (struct listener *)f;
	uint64_t one = 1;
	l->stopping = true;
	if (l->started) {
		if (write(l->wake, &one, sizeof(one)) < 0)
			log_debug("dnstap", "waking: %s",
				  strerror(errno)); /* it looks every second anyway */
		pthread_join(l->thread, NULL);
	}
	l->started = false;
}

static void listener_free(struct feeder *f)
{
	struct listener *l = (struct listener *)f;
	listener_stop(f);
	for (size_t i = 0; i < l->n; i++) {
		struct place *p = &l->places[i];
		if (p->fd >= 0)
			close(p->fd);
		if (p->path && p->fd >= 0)
			unlink(p->path);
		if (p->entry)
			collector_close(p->entry);
		free(p->path);
		free(p->where);
	}
	if (l->epoll >= 0)
		close(l->epoll);
	if (l->wake >= 0)
		close(l->wake);
	dnstap_free(l->dnstap);
	pthread_mutex_destroy(&l->lock);
	free(l->errors);
	free(l->places);
	free(l->run);
	free(l);
}

static bool listener_state(struct feeder *f, size_t i, struct feeder_state *ret)
{
	struct listener *l = (struct listener *)f;
	if (i >= l->n)
		return false;
	struct place *p = &l->places[i];
	*ret = (struct feeder_state){
		.kind = "dnstap",
		.where = p->where,
		.connected = p->connected,
		.connections = p->connections,
		.messages = p->frames,
		.failed = p->failed,
	};
	collector_counts(p->entry, &ret->counts);
	pthread_mutex_lock(&l->lock);
	memcpy(ret->error, l->errors[i], sizeof(ret->error));
	pthread_mutex_unlock(&l->lock);
	return true;
}

static const struct feeder_kind kind = {"dnstap", listener_stop, listener_free, listener_state};

int listener_start(const struct feeder_options *opt, char *const *paths, size_t n_paths,
		   unsigned mode, const struct config_address *addresses, size_t n_addresses,
		   struct feeder **ret, struct err *e)
{
	struct listener *l = xcalloc(1, sizeof(*l));
	int rc = 0;
	l->base.kind = &kind;
	l->opt = *opt;
	l->n = n_paths + n_addresses;
	l->places = xcalloc(l->n, sizeof(*l->places));
	l->errors = xcalloc(l->n, sizeof(*l->errors));
	l->run = xmalloc(RUN_MAX);
	l->dnstap = dnstap_new();
	pthread_mutex_init(&l->lock, NULL);
	for (size_t i = 0; i < l->n; i++) {
		l->places[i].l = l;
		l->places[i].fd = -1;
	}
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0};
	if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &event) < 0)
		rc = err_sys(e, errno, "dnstap: cannot begin to listen");
	for (size_t i = 0; i < l->n && rc == 0; i++) {
		struct place *p = &l->places[i];
		p->where = xstrdup(i < n_paths ? paths[i] : addresses[i - n_paths].text);
		p->path = i < n_paths ? xstrdup(paths[i]) : NULL;
		rc = p->path ? open_unix(p, mode, e) : open_tcp(p, &addresses[i - n_paths], e);
		if (rc == 0)
			rc = open_place(l, p, e);
	}
	if (rc == 0) {
		int error = pthread_create(&l->thread, NULL, work, l);
		l->started = error == 0;
		if (error)
			rc = err_sys(e, error, "dnstap: cannot start a thread");
	}
	if (rc < 0)
		listener_free(&l->base);
	else
		*ret = &l->base;
	return rc;
}
