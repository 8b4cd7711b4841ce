/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble capture: live packets, or those of a file, into a store, to a server, or as COF on standard output. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "answer/answer.h"
#include "base/limits.h"
#include "base/log.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/rights.h"
#include "cli/sender.h"
#include "cli/usage.h"
#include "feed/collector.h"
#include "ingest/input.h"
#include "ingest/live.h"
#include "ingest/sniffer.h"

static const char help[] =
	"usage: dribble capture (-i INTERFACE | -r FILE) [OPTIONS]\n\n"
	"Takes observations from DNS traffic: of an interface, or of a capture (- is standard input) as it\n"
	"comes. They go into a store, to a server, or as COF to standard output. An answer counts only if\n"
	"it matches a question that was seen. Started as root it gives that up before it reads a packet.\n\n"
	"Examples:\n"
	"  dribble capture -i eth0 | zstd > traffic.ndjson.zst\n"
	"  dribble capture -i any --server https://pdns.example.net --token TOKEN --sensor fra-1\n"
	"  dribble capture -i eth0 --store /var/lib/dribble --filter 'host 192.0.2.53'\n"
	"  tcpdump -i eth0 -w - port 53 | dribble capture -r -\n\n"
	"  --interface NAME\n      whose packets to take, or any; also -i\n"
	"  --read FILE\n      takes those of a capture instead; also -r\n"
	"  --filter EXPRESSION\n      only packets that pass it, see pcap-filter(7)\n"
	"  --port PORT[,PORT]...\n      the ports of servers (53)\n"
	"  --unmatched\n      answers count although their questions were not seen\n"
	"  --no-promiscuous\n      only what is for this machine\n"
	"  --buffer MIB\n      the kernel's buffer for packets that wait (32)\n"
	"  --run-as USER\n      whose rights remain when started as root (the owner of the store; dribble, or nobody)\n"
	"  --sensor ID\n      who saw it, for stats and /info (capture, with --server the account); on standard output\n      the sensor_id of every line\n"
	"  --server URL\n      sends to a server\n"
	"  --user NAME:PASSWORD\n  --token TOKEN\n      who feeds the server\n\n"
	"SIGUSR1 shows figures. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some packets were rejected.\n";

enum {
	BATCH_LINES = 20000,
	BATCH_SECONDS = 2,
	GRACE_MS = 10000,
	TOLD = 5, /* rejects that are shown */
};

struct capture {
	const char *interface, *file, *buffer, *run_as, *sensor;
	bool no_promiscuous;
	unsigned buffer_mib;
	struct reader_options reader;
	struct client_options client;
	struct config config;
	struct live *live;
	struct sink sink;
	/* where it goes: one of these, or standard output */
	struct store *store;
	struct exclusion *exclusion;
	struct collector *collector;
	struct collector_entry *entry;
	struct sink collecting; /* the collector's */
	struct sender *sender;
	struct sender_figures sent; /* what it said at last */
	struct answer answer;
	struct buffer lines;
	uint64_t in_lines; /* observations in lines */
	time_t flushed_s;
	int rc;            /* of writing */
	struct err error;
	uint64_t observations, rejected, left_out[LEFT_OUT_REASONS];
};

static volatile sig_atomic_t stopping, asked;

static void on_stop(int number)
{
	(void)number;
	stopping = 1;
}

static void on_ask(int number)
{
	(void)number;
	asked = 1;
}

/* --- where observations go --- */

static int flush(struct capture *c, bool all)
{
	if (c->sender && (all || c->in_lines >= BATCH_LINES)) {
		sender_hand(c->sender, &c->lines, c->in_lines);
		c->in_lines = 0;
	} else if (!c->sender && !c->collector) {
		c->rc = c->rc ? c->rc : out_flush(&c->lines, all, &c->error);
	}
	return c->rc;
}

static int observe(void *ctx, const struct observation *o)
{
	struct capture *c = ctx;
	c->observations++;
	if (c->collector)
		return c->collecting.observe(c->collecting.ctx, o);
	if (exclusion_refuses(c->exclusion, o)) {
		c->left_out[LEFT_OUT_EXCLUDED]++;
		return 0;
	}
	struct record record = {
		.rrtype = o->rrtype, .form = o->form, .owner_row = true, .owner = o->owner, .rdata = o->rdata, .seen = o->seen};
	if (!c->sender && c->sensor) /* a server is told once a batch */
		record.seen.sensor_id = bytes_str(c->sensor);
	answer_line(&c->answer, &record, &c->lines);
	c->in_lines++;
	return flush(c, false);
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct capture *c = ctx;
	if (c->rejected++ < TOLD)
		fprintf(stderr, "packet %llu: %s\n", (unsigned long long)place, reason);
	return c->collector ? c->collecting.reject(c->collecting.ctx, place, input, reason) : 0;
}

static void left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct capture *c = ctx;
	c->left_out[why] += n;
	if (c->collector)
		sink_left_out(&c->collecting, why, n);
}

static int open_store(struct capture *c)
{
	struct err e;
	const struct collector_options opt = {
		.memory = c->config.memory,
		.hold_ms = c->config.feed_hold_ms,
		.hold_observations = c->config.feed_hold_records,
		.exclusion = c->exclusion,
	};
	c->store = cli_store("capture", &c->config, STORE_CREATE);
	if (!c->store)
		return ERR_IO;
	struct collector_options with_store = opt;
	with_store.store = c->store;
	if (collector_new(&with_store, &c->collector, &e) < 0)
		return cli_fail("capture", ERR_IO, "%s", e.text);
	c->entry = collector_open(c->collector, bytes_str(c->sensor ? c->sensor : "capture"), &c->collecting);
	return 0;
}

static bool has_store(const struct capture *c)
{
	return !c->client.url && config_source(&c->config, "store") != CONFIG_DEFAULT;
}

static int open_output(struct capture *c)
{
	c->answer.style = STYLE_EXPORT;
	c->sink = (struct sink){.observe = observe, .reject = reject, .left_out = left_out, .ctx = c};
	if (c->client.url)
		c->sender = sender_new(&c->client, c->sensor);
	else if (has_store(c))
		return open_store(c);
	return 0;
}

/* Writes what is left. Negative: something was lost. */
static int close_output(struct capture *c)
{
	struct err e;
	int rc = flush(c, true);
	if (c->sender) {
		const struct sender_figures *f = &c->sent;
		sender_free(c->sender, GRACE_MS, &c->sent);
		c->sender = NULL;
		if (f->waiting || f->dropped)
			rc = cli_fail("capture", ERR_IO, "%llu observations did not reach the server: %s",
			              (unsigned long long)(f->waiting + f->dropped), f->error.text);
	}
	if (c->collector) {
		collector_close(c->entry);
		if (collector_free(c->collector, GRACE_MS, &e) < 0)
			rc = cli_fail("capture", ERR_IO, "%s", e.text);
	}
	store_close(c->store);
	exclusion_free(c->exclusion);
	answer_release(&c->answer);
	buffer_release(&c->lines);
	return rc;
}

static void show_figures(struct capture *c)
{
	fprintf(stderr, "%llu observations, %llu packets rejected", (unsigned long long)c->observations,
	        (unsigned long long)c->rejected);
	if (c->live) {
		uint64_t received, dropped;
		live_figures(c->live, &received, &dropped);
		fprintf(stderr, ", %llu packets, %llu dropped by the kernel", (unsigned long long)received,
		        (unsigned long long)dropped);
	}
	if (c->sender)
		sender_figures(c->sender, &c->sent);
	if (c->client.url)
		fprintf(stderr, ", %llu sent, %llu waiting, %llu dropped", (unsigned long long)c->sent.sent,
		        (unsigned long long)c->sent.waiting, (unsigned long long)c->sent.dropped);
	if (c->sent.refused)
		fprintf(stderr, " (%llu refused by the server)", (unsigned long long)c->sent.refused);
	for (int i = 0; i < LEFT_OUT_REASONS; i++) {
		if (c->left_out[i])
			fprintf(stderr, ", %s %llu", left_out_name((enum left_out)i), (unsigned long long)c->left_out[i]);
	}
	fputc('\n', stderr);
}

/* --- what comes in --- */

/* Now and then, whether something came or not. */
static int tend(struct capture *c)
{
	time_t now = time(NULL);
	if (asked) {
		asked = 0;
		show_figures(c);
	}
	if (now - c->flushed_s >= BATCH_SECONDS || now < c->flushed_s) {
		c->flushed_s = now;
		flush(c, true);
	}
	return c->rc;
}

static int enter(struct capture *c)
{
	return c->entry ? collector_enter(c->entry) : 0;
}

static void leave(struct capture *c)
{
	if (c->entry)
		collector_leave(c->entry);
}

static int from_interface(struct capture *c)
{
	enum { TOGETHER = 256 }; /* packets between two looks at the clock */
	struct captured packet;
	struct err e;
	struct sniffer *sniffer = sniffer_new(&c->reader, &e);
	if (!sniffer)
		return cli_fail("capture", ERR_USAGE, "--port %s", e.text);
	int rc = 0;
	while (!stopping && rc >= 0) {
		int more = 1;
		for (int i = 0; i < TOGETHER && more == 1 && rc >= 0; i++) {
			more = live_next(c->live, &packet, &e);
			if (more != 1)
				break;
			rc = enter(c);
			if (rc < 0)
				break;
			rc = sniffer_packet(sniffer, &packet, &c->sink);
			leave(c);
		}
		if (more < 0)
			rc = cli_fail("capture", more, "%s", e.text);
		if (rc >= 0)
			rc = tend(c);
	}
	sniffer_free(sniffer);
	return rc;
}

/* A file waits for the server, as an interface cannot. */
static int wait_for_server(struct capture *c)
{
	const struct timespec tick = {0, 10000000};
	int rc = 0;
	while (rc >= 0 && !stopping && c->sender && sender_is_busy(c->sender)) {
		nanosleep(&tick, NULL);
		rc = tend(c);
	}
	return rc;
}

static int from_file(struct capture *c, struct input *in)
{
	struct bytes run;
	struct err e;
	struct reader *r = pcap_format.open(&c->reader, &e);
	if (!r)
		return cli_fail("capture", ERR_USAGE, "%s", e.text);
	int rc, more = 0;
	for (rc = 0; !stopping && rc >= 0 && (more = input_read(in, &run, &e)) == 1;) {
		rc = enter(c);
		if (rc < 0)
			break;
		rc = pcap_format.feed(r, run, &c->sink);
		leave(c);
		if (rc >= 0)
			rc = tend(c);
		if (rc >= 0)
			rc = wait_for_server(c);
	}
	if (rc >= 0 && more < 0 && more != ERR_CANCELLED)
		rc = cli_fail("capture", more, "%s", e.text);
	if (rc >= 0 && !stopping && (rc = enter(c)) == 0) {
		rc = pcap_format.finish(r, &c->sink);
		leave(c);
	}
	pcap_format.close(r);
	return rc;
}

static int open_interface(struct capture *c)
{
	char warning[256];
	struct err e;
	const struct live_options opt = {.interface = c->interface,
	                                 .filter = c->reader.filter,
	                                 .promiscuous = !c->no_promiscuous,
	                                 .buffer_mib = c->buffer_mib};
	int rc = live_open(&opt, &c->live, warning, &e);
	if (rc == ERR_SYNTAX)
		return cli_fail("capture", ERR_USAGE, "--filter: %s", e.text);
	if (rc < 0)
		return cli_fail("capture", rc, "%s", e.text);
	if (*warning)
		cli_fail("capture", 0, "%s", warning);
	return 0;
}

static int run(struct capture *c)
{
	struct input *in = NULL;
	struct err e;
	int rc = c->interface ? open_interface(c) : input_open(c->file, &in, &e);
	if (rc < 0)
		return !c->interface ? cli_fail("capture", EXIT_FAILED, "%s", e.text) : rc == ERR_USAGE ? EXIT_USAGE : EXIT_FAILED;
	if (in)
		input_stop_on(in, &stopping);
	rc = cli_exclusion("capture", &c->config, &c->exclusion); /* which the user that is left need not be able to read */
	if (rc == 0)
		rc = rights_drop("capture", &(struct rights){.run_as = c->run_as,
		                                             .store = has_store(c) ? c->config.store : NULL,
		                                             .root_store = c->file != NULL});
	if (rc == 0)
		rc = open_output(c);
	if (rc == 0) {
		if (c->live)
			fprintf(stderr, "capturing on %s\n", c->interface);
		rc = c->live ? from_interface(c) : from_file(c, in);
	}
	int closed = close_output(c);
	if ((rc < 0 || closed < 0) && c->error.text[0])
		cli_fail("capture", 0, "%s", c->rc == ERR_CANCELLED ? "who read standard output went away: what was not written yet is lost"
		                                                    : c->error.text);
	show_figures(c);
	live_close(c->live);
	if (in)
		input_close(in);
	return rc < 0 || closed < 0 ? EXIT_FAILED : c->rejected ? EXIT_REJECTED : EXIT_DONE;
}

static int check_buffer(struct capture *c)
{
	char *end = NULL;
	unsigned long buffer = c->buffer ? strtoul(c->buffer, &end, 10) : 32;
	if ((end && (*end || end == c->buffer)) || buffer < 1 || buffer > 1024)
		return cli_fail("capture", EXIT_USAGE, "--buffer %s: it is not a number from 1 to 1024", c->buffer);
	c->buffer_mib = (unsigned)buffer;
	return 0;
}

static int check(struct capture *c, const struct config_own_option *own)
{
	static const char for_store[] = "threads memory cache feed_hold feed_hold_records";
	struct reader_options reader = c->reader;
	int code = 0;
	if (!c->interface == !c->file)
		return cli_fail("capture", EXIT_USAGE, "it takes an interface (-i NAME) or a capture (-r FILE)");
	if (c->interface)
		reader.filter = NULL; /* which words there are depends on the interface */
	if (c->file)
		code = usage_refuse("capture", &c->config, own, "buffer no-promiscuous", "is for an interface");
	if (!code && c->client.url)
		code = usage_refuse("capture", &c->config, own, "store", "does not go with --server");
	if (!code && !has_store(c))
		code = usage_refuse("capture", &c->config, own, for_store, "is for a store (--store)");
	code = code ? code : check_buffer(c);
	code = code ? code : usage_check_reader("capture", &reader);
	return code ? code : usage_check_sender("capture", c->sensor, c->client.url, c->client.user, c->client.token);
}

int capture_main(int argc, char **argv)
{
	struct capture c = {0};
	int code = EXIT_USAGE;
	const struct config_own_option own[] = {
		{"interface", &c.interface, NULL}, {"i", &c.interface, NULL},
		{"read", &c.file, NULL},           {"r", &c.file, NULL},
		{"filter", &c.reader.filter, NULL}, {"port", &c.reader.ports, NULL},
		{"unmatched", NULL, &c.reader.unmatched}, {"no-promiscuous", NULL, &c.no_promiscuous},
		{"buffer", &c.buffer, NULL},       {"run-as", &c.run_as, NULL},
		{"sensor", &c.sensor, NULL},       {"server", &c.client.url, NULL},
		{"user", &c.client.user, NULL},    {"token", &c.client.token, NULL},
		{NULL, NULL, NULL},
	};
	int first = cli_options(argc, argv, &c.config,
	                        CONFIG_FOR_STORE | CONFIG_FOR_FEEDING | CONFIG_FOR_READING | CONFIG_FOR_LISTS |
	                                CONFIG_FOR_LIVE,
	                        own, help, &code);
	if (first < 0)
		return code;
	code = first < argc ? cli_fail("capture", EXIT_USAGE, "%s: it takes options only", argv[first]) : check(&c, own);
	if (code == 0) {
		const struct sigaction stop = {.sa_handler = on_stop}, ask = {.sa_handler = on_ask, .sa_flags = SA_RESTART};
		signal(SIGPIPE, SIG_IGN);
		sigaction(SIGINT, &stop, NULL);
		sigaction(SIGTERM, &stop, NULL);
		sigaction(SIGUSR1, &ask, NULL);
		code = run(&c);
	}
	config_release(&c.config);
	return code;
}
