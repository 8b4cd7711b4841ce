/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A thread that posts batches. */
#include "cli/sender.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

enum {
	WAITING_MAX = 64 << 20, /* octets of lines in memory */
	PAUSE_FIRST_MS = 250,
	PAUSE_MOST_MS = 30000,
};

struct batch {
	struct batch *next;
	struct buffer lines;
	uint64_t observations;
	char key[sizeof("idempotency-key: ") + 32];
};

struct sender {
	const struct client_options *client; /* borrowed */
	struct buffer sensor;                /* a header line, or empty */
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct batch *first, **end;
	size_t octets;
	bool stopping;
	atomic_bool giving_up; /* read without the lock while a batch is posted */
	struct sender_figures figures;
};

static void free_batch(struct batch *b)
{
	buffer_release(&b->lines);
	free(b);
}

static int post(struct sender *s, struct batch *b, struct err *e)
{
	char *answer = NULL;
	const char *headers[] = {"content-type: application/x-ndjson", b->key,
	                         s->sensor.n ? (const char *)s->sensor.p : NULL, NULL};
	int rc = client_post_bytes(s->client, "/pdns/import", headers, buffer_bytes(&b->lines), &s->giving_up, &answer, e);
	free(answer);
	return rc;
}

/* Waits for a while, or until it is told to stop. The lock is held. */
static void pause_for(struct sender *s, unsigned ms)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static void make_key(struct batch *b);

static uint64_t count_lines(struct bytes lines)
{
	uint64_t n = 0;
	for (size_t i = 0; i < lines.n; i++)
		n += lines.p[i] == '\n';
	return n;
}

/* Cuts the first batch in two behind a line; false when it is a single one. What was refused as too large was not taken: both get a new
 * key. The lock is held. */
static bool split_first(struct sender *s)
{
	struct batch *b = s->first;
	size_t at = b->lines.n / 2;
	while (at < b->lines.n && b->lines.p[at] != '\n')
		at++;
	if (at + 1 >= b->lines.n) { /* the last line is the longer half */
		for (at = b->lines.n / 2; at && b->lines.p[at] != '\n';)
			at--;
		if (b->lines.p[at] != '\n')
			return false;
	}
	struct batch *rest = xcalloc(1, sizeof(*rest));
	buffer_put(&rest->lines, b->lines.p + at + 1, b->lines.n - at - 1);
	b->lines.n = at + 1;
	rest->observations = count_lines(buffer_bytes(&rest->lines));
	b->observations -= rest->observations;
	make_key(b);
	make_key(rest);
	rest->next = b->next;
	b->next = rest;
	if (s->end == &b->next)
		s->end = &rest->next;
	return true;
}

static void remove_first(struct sender *s)
{
	struct batch *b = s->first;
	s->first = b->next;
	if (!s->first)
		s->end = &s->first;
	s->octets -= b->lines.n;
	s->figures.waiting -= b->observations;
	free_batch(b);
	pthread_cond_broadcast(&s->changed);
}

static bool is_final(int rc)
{
	return rc == ERR_LIMIT || rc == ERR_DENIED || rc == ERR_USAGE;
}

/* The first batch will never be taken as it is. told is what was said of the last such. */
static void refused(struct sender *s, int rc, const struct err *e, struct err *told)
{
	if (rc == ERR_LIMIT && split_first(s))
		return;
	s->figures.error = *e;
	s->figures.dropped += s->first->observations;
	s->figures.refused += s->first->observations;
	if (strcmp(e->text, told->text) != 0)
		fprintf(stderr, "dribble capture: %s; what it refuses is lost, and counted\n", e->text);
	*told = *e;
	remove_first(s);
}

/* Says once why nothing arrives: who watches need not ask. told is what was said last. */
static void tell(const struct sender *s, const struct err *e, struct err *told)
{
	if (s->giving_up || strcmp(e->text, told->text) == 0)
		return;
	*told = *e;
	fprintf(stderr, "dribble capture: %s; it is tried again\n", e->text);
}

static void *run(void *arg)
{
	struct sender *s = arg;
	unsigned pause = PAUSE_FIRST_MS;
	struct err told = {.text = ""}, told_refused = {.text = ""};
	pthread_mutex_lock(&s->lock);
	while (!s->giving_up && (s->first || !s->stopping)) {
		struct batch *b = s->first;
		struct err e;
		if (!b) {
			pthread_cond_wait(&s->changed, &s->lock);
			continue;
		}
		pthread_mutex_unlock(&s->lock);
		int rc = post(s, b, &e);
		pthread_mutex_lock(&s->lock);
		if (is_final(rc)) {
			refused(s, rc, &e, &told_refused);
			continue;
		}
		if (rc < 0) {
			if (!s->giving_up || !s->figures.error.text[0])
				s->figures.error = e;
			tell(s, &e, &told);
			pause_for(s, pause);
			pause = pause * 2 > PAUSE_MOST_MS ? PAUSE_MOST_MS : pause * 2;
			continue;
		}
		pause = PAUSE_FIRST_MS;
		told.text[0] = '\0';
		s->figures.sent += b->observations;
		remove_first(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

struct sender *sender_new(const struct client_options *client, const char *sensor)
{
	struct sender *s = xcalloc(1, sizeof(*s));
	s->client = client;
	s->end = &s->first;
	if (sensor) {
		buffer_putf(&s->sensor, "dribble-sensor: %s", sensor);
		buffer_put_byte(&s->sensor, 0);
	}
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->changed, NULL);
	if (pthread_create(&s->thread, NULL, run, s) != 0)
		abort();
	return s;
}

static void make_key(struct batch *b)
{
	uint8_t random[16];
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		abort();
	strcpy(b->key, "idempotency-key: ");
	for (size_t i = 0; i < sizeof(random); i++) {
		static const char digits[] = "0123456789abcdef";
		char *p = b->key + sizeof("idempotency-key: ") - 1 + 2 * i;
		p[0] = digits[random[i] >> 4];
		p[1] = digits[random[i] & 15];
		p[2] = '\0';
	}
}

void sender_hand(struct sender *s, struct buffer *lines, uint64_t observations)
{
	if (!lines->n)
		return;
	struct batch *b = xcalloc(1, sizeof(*b));
	b->lines = *lines;
	b->observations = observations;
	*lines = BUFFER_INIT;
	make_key(b);
	pthread_mutex_lock(&s->lock);
	if (s->octets + b->lines.n > WAITING_MAX) {
		s->figures.dropped += observations;
		pthread_mutex_unlock(&s->lock);
		free_batch(b);
		return;
	}
	s->octets += b->lines.n;
	s->figures.waiting += observations;
	*s->end = b;
	s->end = &b->next;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
}

bool sender_is_busy(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	bool busy = s->octets > WAITING_MAX / 2;
	pthread_mutex_unlock(&s->lock);
	return busy;
}

void sender_figures(struct sender *s, struct sender_figures *ret)
{
	pthread_mutex_lock(&s->lock);
	*ret = s->figures;
	pthread_mutex_unlock(&s->lock);
}

void sender_free(struct sender *s, unsigned grace_ms, struct sender_figures *ret)
{
	const struct timespec tick = {0, 10000000};
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	uint64_t sent = s->figures.sent;
	for (unsigned waited = 0; s->first && waited < grace_ms; waited += 10) {
		if (s->figures.sent != sent)
			waited = 0;
		sent = s->figures.sent;
		pthread_mutex_unlock(&s->lock);
		nanosleep(&tick, NULL);
		pthread_mutex_lock(&s->lock);
	}
	s->giving_up = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	*ret = s->figures;
	for (struct batch *b = s->first, *next; b; b = next) {
		next = b->next;
		free_batch(b);
	}
	buffer_release(&s->sensor);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->changed);
	free(s);
}
