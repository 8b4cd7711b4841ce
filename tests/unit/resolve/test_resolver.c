/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who waits, and how long, while nobody answers: with threads, for the sanitizers. What comes of answers is in tests/scenario/test_active.py. */
#include "kit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "resolve/resolver.h"

struct fixture {
	int silent; /* a socket that nobody reads from */
	struct config config;
	struct store *store;
	struct collector *collector;
	struct resolver *resolver;
};

static void set(struct fixture *f, const char *name, const char *value)
{
	struct err e;
	if (config_set(&f->config, name, value, (struct config_origin){CONFIG_COMMAND_LINE, 0}, &e) < 0)
		fail_msg("%s", e.text);
}

static void begin(struct fixture *f, const char *budget)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t n = sizeof(a);
	char text[64];
	struct err e;
	f->silent = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(bind(f->silent, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(f->silent, (struct sockaddr *)&a, &n), 0);
	snprintf(text, sizeof(text), "127.0.0.1@%u", ntohs(a.sin_port));
	config_init(&f->config);
	assert_false(resolver_is_wanted(&f->config));
	set(f, "active_forwarder", text);
	set(f, "active_trust_anchor", "");
	set(f, "active_budget", budget);
	set(f, "active_types", "A,PTR");
	set(f, "active_rate_zone", "0");
	set(f, "active_rate_account", "0");
	set(f, "active_rate", "0");
	set(f, "active_queue", "50");
	assert_true(resolver_is_wanted(&f->config));
	assert_int_equal(store_open("memory:", STORE_CREATE, NULL, &f->store, &e), 0);
	const struct collector_options opt = {.store = f->store, .memory = 1 << 20, .hold_ms = 1000, .hold_observations = 1000};
	assert_int_equal(collector_new(&opt, &f->collector, &e), 0);
	if (resolver_new(&f->config, f->collector, NULL, &f->resolver, &e) < 0)
		fail_msg("%s", e.text);
}

static void end(struct fixture *f)
{
	resolver_hush(f->resolver);
	resolver_free(f->resolver);
	assert_int_equal(collector_free(f->collector, 1000, NULL), 0);
	store_close(f->store);
	config_release(&f->config);
	close(f->silent);
}

struct waiting {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool done;
};

static void done(void *ctx)
{
	struct waiting *w = ctx;
	pthread_mutex_lock(&w->lock);
	w->done = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* The reason of the first error, -1 when there is none. */
static int ask(struct resolver *r, const char *name)
{
	struct active_error errors[AIM_TYPES_MAX];
	struct waiting w = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
	struct asking *a = resolver_ask(r, bytes_str(name), NULL, bytes_str("anna"));
	assert_non_null(a);
	if (asking_wait(a, done, &w)) {
		pthread_mutex_lock(&w.lock);
		while (!w.done)
			pthread_cond_wait(&w.wake, &w.lock);
		pthread_mutex_unlock(&w.lock);
	}
	assert_true(asking_is_done(a));
	assert_false(asking_has_news(a));
	int reason = asking_errors(a, errors) ? (int)errors[0].reason : -1;
	asking_free(a);
	return reason;
}

static void *ask_many(void *arg)
{
	char name[32];
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "n%u.zz", i % 30);
		int reason = ask(arg, name);
		assert_true(reason == ACTIVE_TIMEOUT || reason == ACTIVE_UNREACHABLE || reason == ACTIVE_QUEUE || reason == ACTIVE_SERVFAIL);
	}
	return NULL;
}

static void test_silence(void **state)
{
	struct fixture f;
	struct resolver_figures figures;
	pthread_t threads[4];
	(void)state;
	begin(&f, "20ms");
	assert_int_equal(ask(f.resolver, "first.zz"), ACTIVE_TIMEOUT);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask_many, f.resolver), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	do /* half a second after the probe began */
		resolver_figures(f.resolver, &figures);
	while (!figures.silent && usleep(1000) == 0);
	assert_int_equal(ask(f.resolver, "last.zz"), ACTIVE_UNREACHABLE);
	assert_int_equal(figures.waiting, 0);
	assert_int_equal(figures.answers, 0);
	assert_true(figures.questions >= 4 && figures.questions <= 50);
	end(&f);
}

static void *hush(void *arg)
{
	struct resolver_figures figures = {0};
	while (!figures.waiting)
		resolver_figures(arg, &figures);
	resolver_hush(arg);
	return NULL;
}

static void test_hush_ends_waiting(void **state)
{
	struct fixture f;
	pthread_t thread;
	(void)state;
	begin(&f, "60s");
	assert_int_equal(pthread_create(&thread, NULL, hush, f.resolver), 0);
	assert_int_equal(ask(f.resolver, "a.zz"), ACTIVE_TIMEOUT);
	pthread_join(thread, NULL);
	assert_int_equal(ask(f.resolver, "b.zz"), -1);
	end(&f);
}

static void test_given_up(void **state)
{
	struct fixture f;
	struct resolver_figures figures;
	(void)state;
	begin(&f, "60s");
	for (int i = 0; i < 10; i++) /* without waiting */
		asking_free(resolver_ask(f.resolver, bytes_str("a.zz"), NULL, bytes_str("anna")));
	resolver_figures(f.resolver, &figures);
	assert_int_equal(figures.questions, 1);
	assert_int_equal(figures.shared, 9);
	for (int i = 0; i < 60; i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%d.zz", i);
		asking_free(resolver_ask(f.resolver, bytes_str(name), NULL, bytes_str("anna")));
	}
	resolver_figures(f.resolver, &figures);
	assert_int_equal(figures.in_flight, 50);
	assert_int_equal(figures.reasons[ACTIVE_QUEUE], 11);
	assert_int_equal(ask(f.resolver, "x.local"), ACTIVE_SPECIAL);
	assert_null(resolver_ask(f.resolver, bytes_str("no name"), NULL, bytes_str("anna")));
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silence),
		cmocka_unit_test(test_hush_ends_waiting),
		cmocka_unit_test(test_given_up),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
