/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble serve: the server in the foreground, until SIGTERM, SIGINT or SIGHUP. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "access/access.h"
#include "base/log.h"
#include "cli/common.h"
#include "feeders/feeders.h"
#include "http/server.h"
#include "resolve/resolver.h"

static const char help[] =
	"usage: dribble serve [OPTIONS]\n\n"
	"Answers GET /pdns/query/VALUE and takes POST /pdns/import, and what feeders bring (dnstap,\n"
	"folders, streams: dribble-sources(7)), until it is told to stop\n"
	"(SIGTERM): then it ends what it is answering, within 10 seconds.\n\n"
	"Examples:\n"
	"  dribble serve --store /var/lib/dribble\n"
	"  dribble serve --store /tmp/trial --listen 127.0.0.1:0 --style cof\n"
	"  dribble serve --store /var/lib/dribble --dnstap-unix /run/dribble/dnstap.sock\n"
	"  dribble serve --config /etc/dribble.conf --print-config\n"
	"\n  --print-config\n      show the options in force, and end\n";

enum { FEED_SHARE = 4 }; /* of the memory of imports is for what feeders bring */
enum { GRACE_MS = 5000 }; /* what is being written when it is over may take some seconds more; 10 are promised */

/* Every connection and every open file of the store takes a descriptor. */
static void raise_descriptors(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void report(void *context, const char *message)
{
	(void)context;
	log_warning("access", "%s", message);
}

static int open_gate(const struct config *config, struct access **ret, struct err *e)
{
	struct access_options opt = access_defaults();
	bool loopback = true;
	char *path = NULL;
	if (config_accounts_path(config, &path, e) < 0)
		path = NULL; /* a store in memory has no folder: no accounts unless a file is named */
	opt.path = path;
	opt.report = report;
	int rc = access_new(&opt, ret, e);
	free(path);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < config->listen.n; i++)
		loopback = loopback && config_address_is_loopback(&config->listen.p[i]);
	if (loopback || config->serve_anyone || !access_is_open(*ret))
		return 0;
	return err_set(e, ERR_DENIED,
	               "there are no accounts: without any, only loopback addresses are served "
	               "(add one with dribble user add, or say --serve-anyone yes)");
}

static void end_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP); /* accounts are read anew without it, options are not */
}

static void wait_for_end(const sigset_t *signals)
{
	int signal;
	while (sigwait(signals, &signal) != 0)
		;
	log_info("serve", "stopping");
}

static int open_collector(const struct config *config, struct store *store, const struct exclusion *exclusion,
                          struct collector **ret, struct err *e)
{
	const struct collector_options opt = {
		.store = store,
		.memory = config->memory / FEED_SHARE,
		.hold_ms = config->feed_hold_ms,
		.hold_observations = config->feed_hold_records,
		.exclusion = exclusion,
	};
	return collector_new(&opt, ret, e);
}

static int serve(const struct config *config, struct store *store)
{
	struct err e;
	struct access *access = NULL;
	struct exclusion *exclusion = NULL;
	struct collector *collector = NULL;
	struct feeders *feeders = NULL;
	struct resolver *resolver = NULL;
	struct server *server;
	sigset_t signals;
	int code = EXIT_DONE;
	end_signals(&signals);
	if (cli_exclusion("serve", config, &exclusion) < 0)
		return EXIT_FAILED;
	int rc = open_gate(config, &access, &e);
	if (rc == 0)
		rc = open_collector(config, store, exclusion, &collector, &e);
	if (rc == 0)
		rc = feeders_start(config, store, collector, exclusion, &feeders, &e);
	if (rc == 0 && resolver_is_wanted(config))
		rc = resolver_new(config, collector, exclusion, &resolver, &e);
	if (rc == 0)
		rc = server_start(config, store, access, exclusion, feeders, resolver, &server, &e);
	if (rc < 0) {
		cli_fail("serve", EXIT_FAILED, "%s", e.text);
		if (collector)
			collector_stop(collector);
		feeders_free(feeders);
		resolver_free(resolver);
		collector_free(collector, GRACE_MS, NULL);
		exclusion_free(exclusion);
		access_free(access);
		return EXIT_FAILED;
	}
	log_info("serve", resolver ? "lookups ask the living DNS, too" : "lookups are answered from the store alone");
	cli_serving_write(store, server_url(server, 0));
	for (size_t i = 0; server_url(server, i); i++)
		log_info("serve", "listening on %s", server_url(server, i));
	wait_for_end(&signals);
	if (resolver)
		resolver_hush(resolver); /* lookups are answered with what is stored */
	collector_stop(collector);
	feeders_stop(feeders);
	server_stop(server, GRACE_MS);
	feeders_free(feeders);
	resolver_free(resolver);
	if (collector_free(collector, GRACE_MS, &e) < 0)
		code = cli_fail("serve", EXIT_FAILED, "%s", e.text);
	cli_serving_remove(store);
	exclusion_free(exclusion);
	access_free(access);
	return code;
}

int serve_main(int argc, char **argv)
{
	struct config config;
	bool print = false;
	int code = EXIT_USAGE;
	const struct config_own_option own[] = {{"print-config", NULL, &print}, {NULL, NULL, NULL}};
	int first = cli_options(argc, argv, &config, CONFIG_FOR_ALL, own, help, &code);
	if (first < 0)
		return code;
	if (first < argc) {
		code = cli_fail("serve", EXIT_USAGE, "%s: it takes options only", argv[first]);
	} else if (print) {
		config_print(&config, stdout);
		code = EXIT_DONE;
	} else {
		sigset_t signals;
		end_signals(&signals);
		pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread: they inherit it */
		signal(SIGPIPE, SIG_IGN);
		raise_descriptors();
		log_set_level((enum log_level)config.log_level);
		struct store *store = cli_store("serve", &config, STORE_CREATE);
		code = store ? serve(&config, store) : EXIT_FAILED;
		store_close(store);
	}
	config_release(&config);
	return code;
}
