/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble stats: what a store holds. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "answer/answer.h"
#include "cli/common.h"
#include "feed/tally.h"
#include "model/rrtype.h"
#include "store/keys.h"

static const char help[] =
	"usage: dribble stats [OPTIONS]\n\n"
	"Shows what a store holds. Counting reads every record once; --quick leaves that out and\n"
	"shows an estimate of the rows instead (a record has one by its owner and one for every name\n"
	"or address in its data). Works while a server holds the store.\n\n"
	"Examples:\n"
	"  dribble stats --store /var/lib/dribble\n"
	"  dribble stats --store /var/lib/dribble --quick\n\n"
	"  --quick\n      do not count\n"
	"  --sensors\n      show every sensor; else the first 100, in the order of their ids\n";

enum { SENSORS_SHOWN = 100 };

struct totals {
	uint64_t records, observations;
	uint64_t first_s, last_s;
	uint64_t by_type[65536];
};

static int count(struct store *s, struct totals *t, struct err *e)
{
	static const uint8_t names[] = {SUBJECT_NAME}, behind[] = {SUBJECT_NAME + 1};
	struct bytes key, value;
	struct value v;
	struct scan *sc;
	int rc = scan_begin(s, &sc, e);
	if (rc < 0)
		return rc;
	scan_bound(sc, bytes_of(behind, 1));
	rc = scan_seek(sc, bytes_of(names, 1), &key, &value, e);
	for (; rc == 1; rc = scan_next(sc, &key, &value, e)) {
		int type = key_owner_type(key);
		if (type < 0)
			continue;
		if (value_decode(value, &v) != 0) {
			rc = err_set(e, ERR_CORRUPT, "a row of the store does not decode");
			break;
		}
		t->records++;
		t->by_type[type]++;
		t->observations += v.seen.count;
		if (v.seen.count && (!t->first_s || v.seen.first_s < t->first_s))
			t->first_s = v.seen.first_s;
		if (v.seen.count && v.seen.last_s > t->last_s)
			t->last_s = v.seen.last_s;
	}
	scan_end(sc);
	return rc;
}

static void print_time(const char *name, uint64_t seconds)
{
	char text[64];
	struct tm tm;
	time_t t = (time_t)seconds;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	printf("%-14s %s UTC\n", name, text);
}

static void print_totals(const struct totals *t)
{
	printf("records        %llu\nobservations   %llu\n", (unsigned long long)t->records,
	       (unsigned long long)t->observations);
	if (t->records) {
		print_time("first seen", t->first_s);
		print_time("last seen", t->last_s);
	}
	for (int type = 0; type < 65536; type++) {
		struct buffer name = BUFFER_INIT;
		if (!t->by_type[type])
			continue;
		rrtype_to_text((uint16_t)type, &name);
		printf("  %-12.*s %llu\n", (int)name.n, (const char *)name.p,
		       (unsigned long long)t->by_type[type]);
		buffer_release(&name);
	}
}

/* A sensor's id as one word, whatever octets it has. */
static void print_id(struct bytes id)
{
	struct buffer b = BUFFER_INIT;
	bool plain = id.n > 0;
	for (size_t i = 0; i < id.n; i++)
		plain = plain && id.p[i] > ' ' && id.p[i] <= '~' && id.p[i] != '"';
	if (plain)
		buffer_put_bytes(&b, id);
	else
		answer_json_string(id, &b);
	printf("  %-12.*s", (int)b.n, (const char *)b.p);
	buffer_release(&b);
}

static void print_moment(uint64_t seconds)
{
	char text[64];
	struct tm tm;
	time_t t = (time_t)seconds;
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
	fputs(text, stdout);
}

/* ctx: how many were printed. */
static int print_sensor(void *ctx, const struct contribution *c)
{
	uint64_t *n = ctx;
	if (!(*n)++)
		puts("sensors");
	print_id(c->id);
	printf(" %llu ", (unsigned long long)c->n[TALLY_OBSERVED]);
	print_moment(c->first_s);
	fputs(" to ", stdout);
	print_moment(c->last_s);
	fputs(" UTC", stdout);
	for (int what = TALLY_OBSERVED + 1; what < TALLY_WHATS; what++) {
		if (c->n[what])
			printf(", %s %llu", tally_name((enum tally_what)what), (unsigned long long)c->n[what]);
	}
	putchar('\n');
	return 0;
}

static int print_sensors(struct store *s, bool all, struct err *e)
{
	uint64_t n = 0;
	int rc = tally_each(s, all ? UINT64_MAX : SENSORS_SHOWN, print_sensor, &n, e);
	if (rc == 1)
		puts("  there are more: --sensors shows them all");
	return rc < 0 ? rc : 0;
}

static int stats(struct store *s, bool quick, bool all_sensors, struct err *e)
{
	struct store_figures f;
	int rc = store_figures(s, &f, e);
	if (rc == 0 && quick) {
		printf("rows           %llu (estimate)\n", (unsigned long long)f.rows);
	} else if (rc == 0) {
		struct totals *t = xcalloc(1, sizeof(*t));
		rc = count(s, t, e);
		if (rc == 0)
			print_totals(t);
		free(t);
	}
	if (rc == 0)
		printf("disk           %llu bytes\n", (unsigned long long)f.disk_bytes);
	return rc == 0 ? print_sensors(s, all_sensors, e) : rc;
}

int stats_main(int argc, char **argv)
{
	struct config config;
	struct err e;
	bool quick = false, sensors = false;
	int code = EXIT_FAILED;
	const struct config_own_option own[] = {{"quick", NULL, &quick}, {"sensors", NULL, &sensors}, {NULL, NULL, NULL}};
	int first = cli_options(argc, argv, &config, CONFIG_FOR_STORE | CONFIG_FOR_READING, own, help,
	                        &code);
	if (first < 0)
		return code;
	if (first < argc) {
		config_release(&config);
		return cli_fail("stats", EXIT_USAGE, "%s: it takes options only (--store names the store)",
		                argv[first]);
	}
	struct store *s = cli_store("stats", &config, STORE_READ);
	code = EXIT_FAILED;
	if (s)
		code = stats(s, quick, sensors, &e) < 0 ? cli_fail("stats", EXIT_FAILED, "%s", e.text) : EXIT_DONE;
	store_close(s);
	config_release(&config);
	return code;
}
