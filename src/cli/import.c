/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble import: files of observations into a store, or to a server. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/limits.h"
#include "cli/client.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "cli/usage.h"
#include "feed/file.h"
#include "ingest/timestamp.h"

static const char help[] =
	"usage: dribble import [OPTIONS] [FILE|-]...\n\n"
	"Takes in files of observations (standard input when none is named), plain, gzip or zstd.\n"
	"An import that was killed continues where it was when the same file is given again; a file\n"
	"that is in already is recognised by its content, whatever its name, and not counted again.\n\n"
	"Examples:\n"
	"  dribble import --store /var/lib/dribble feed.ndjson.zst\n"
	"  zcat old/*.gz | dribble import --store /var/lib/dribble -\n"
	"  dribble import --store /var/lib/dribble --exclude /etc/dribble/exclude resolver.dnstap\n"
	"  dribble import --store /var/lib/dribble --origin example.org --time now example.org.zone\n"
	"  dribble import --server http://127.0.0.1:8400 --token TOKEN feed.ndjson\n\n"
	"  --format FORMAT\n      what the files hold, a name of dribble-sources(7); auto, the default, looks at their beginning\n"
	"  --fields FIELDS\n      of passivedns logs: which fields a line has, as its option -f names them\n"
	"  --filter EXPRESSION\n      of captures: only packets that pass it, see pcap-filter(7)\n"
	"  --port PORT[,PORT]...\n      of captures: the ports of servers (53)\n"
	"  --unmatched\n      of captures: answers count although their questions were not seen\n"
	"  --origin NAME\n      of zone files: what relative names are under before the first $ORIGIN\n"
	"  --time SECONDS|DATE|now\n      of zone files: when they were seen (when the file was changed last)\n"
	"  --include\n      of zone files: follows $INCLUDE\n"
	"  --rejects FILE\n      writes what could not be read there: line, reason, text (not with --server)\n"
	"  --sensor ID\n      who saw it, where the input does not say (import): for stats and /info\n"
	"  --again\n      counts a file that is in already once more\n"
	"  --server URL\n      sends the files to a server instead of opening a store\n"
	"  --user NAME:PASSWORD\n  --token TOKEN\n      who feeds the server\n\n"
	"Exit codes: 0 done, 1 failed, 2 wrong usage, 3 done but some lines were rejected.\n";

struct import {
	const char *format, *rejects_path, *server, *user, *token, *sensor;
	const char *time;
	struct reader_options reader;
	bool again;
	struct config config;
	int rejects;       /* descriptor, -1: none */
	bool rejects_fresh; /* nothing was written to it in this run */
	const char *name;  /* of the file under way */
	struct input *in;
	struct progress progress;
	struct buffer reject_lines;
	struct err reject_error;
	unsigned told; /* rejects of this file shown on stderr */
	struct exclusion *exclusion; /* NULL: there are no lists */
	uint64_t accepted, rejected;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* --- rejects --- */

static int rejects_flush(struct import *im)
{
	size_t at = 0;
	while (at < im->reject_lines.n) {
		ssize_t n = write(im->rejects, im->reject_lines.p + at, im->reject_lines.n - at);
		if (n < 0 && errno != EINTR)
			return err_sys(&im->reject_error, errno, "%s", im->rejects_path);
		at += n > 0 ? (size_t)n : 0;
	}
	buffer_clear(&im->reject_lines);
	return 0;
}

static void reject(void *ctx, uint64_t line, struct bytes input, const char *reason)
{
	enum { SHOWN = 4096, TOLD = 5 };
	struct import *im = ctx;
	if (im->told++ < TOLD) {
		progress_end(&im->progress);
		fprintf(stderr, "%s:%llu: %s\n", im->name, (unsigned long long)line, reason);
	} else if (im->told == TOLD + 1) {
		fprintf(stderr, "%s: further rejects are not shown%s\n", im->name,
		        im->rejects < 0 ? "; --rejects FILE keeps them" : "");
	}
	if (im->rejects < 0)
		return;
	buffer_putf(&im->reject_lines, "%s:%llu: %s: ", im->name, (unsigned long long)line, reason);
	for (size_t i = 0; i < input.n && i < SHOWN; i++)
		buffer_put_byte(&im->reject_lines, input.p[i] == '\n' || input.p[i] == 0 ? ' ' : input.p[i]);
	buffer_put_byte(&im->reject_lines, '\n');
	if (im->reject_lines.n > 1 << 20)
		rejects_flush(im);
}

/* The note says how long the file was, so that a run that continues cuts off what is going to be written again. */
static uint64_t before_commit(void *ctx)
{
	struct import *im = ctx;
	if (im->rejects < 0 || rejects_flush(im) < 0)
		return 0;
	fdatasync(im->rejects);
	off_t end = lseek(im->rejects, 0, SEEK_CUR);
	return end > 0 ? (uint64_t)end : 0;
}

static void begin(void *ctx, const struct note *resumed)
{
	struct import *im = ctx;
	if (resumed->position)
		fprintf(stderr, "%s: continuing after line %llu\n", im->name,
		        (unsigned long long)resumed->lines);
	if (im->rejects < 0)
		return;
	if (im->rejects_fresh) {
		off_t end = lseek(im->rejects, 0, SEEK_END);
		off_t keep = (off_t)resumed->rejects_bytes;
		if (keep > end)
			keep = end;
		if (ftruncate(im->rejects, keep) == 0)
			lseek(im->rejects, keep, SEEK_SET);
	}
	im->rejects_fresh = false;
}

static int progress(void *ctx, const struct note *counts)
{
	struct import *im = ctx;
	progress_show(&im->progress, counts->accepted, input_offset(im->in), input_size(im->in));
	if (im->reject_error.text[0])
		return ERR_IO;
	return interrupted;
}

/* --- one file --- */

static const struct reader_format *format_of(const struct import *im)
{
	return im->format && strcmp(im->format, "auto") != 0 ? reader_format_named(im->format) : NULL;
}

static void report_left_out(const uint64_t *left_out)
{
	uint64_t all = 0;
	for (int i = 0; i < LEFT_OUT_REASONS; i++)
		all += left_out[i];
	if (!all)
		return;
	fprintf(stderr, ", %llu left out", (unsigned long long)all);
	for (int i = 0, n = 0; i < LEFT_OUT_REASONS; i++) {
		if (left_out[i])
			fprintf(stderr, "%s%s %llu", n++ ? ", " : " (", left_out_name((enum left_out)i),
			        (unsigned long long)left_out[i]);
	}
	fputc(')', stderr);
}

static void report(struct import *im, const struct note *n, const struct note *before, const uint64_t *left_out)
{
	double seconds = progress_seconds(&im->progress);
	uint64_t accepted = n->accepted - before->accepted;
	fprintf(stderr, "%s: %llu observations, %llu lines rejected", im->name, (unsigned long long)accepted,
	        (unsigned long long)(n->rejected - before->rejected));
	report_left_out(left_out);
	fprintf(stderr, ", %.1f s (%.0f/s)\n", seconds, seconds > 0 ? (double)accepted / seconds : 0);
}


static int into_store(struct import *im, struct store *s)
{
	struct err e = {""};
	struct note n = {0};
	static const struct note none;
	uint64_t left_out[LEFT_OUT_REASONS] = {0};
	struct file_options opt = {
		.store = s,
		.format = format_of(im),
		.reader = &im->reader,
		.sensor = bytes_str(im->sensor ? im->sensor : "import"),
		.memory = im->config.memory,
		.again = im->again,
		.reject = reject,
		.before_commit = before_commit,
		.begin = begin,
		.progress = progress,
		.exclusion = im->exclusion,
		.left_out = left_out,
		.ctx = im,
	};
	int rc = file_import(&opt, im->in, &n, &e);
	progress_end(&im->progress);
	if (im->rejects >= 0 && rejects_flush(im) < 0)
		rc = ERR_IO;
	if (im->reject_error.text[0])
		return cli_fail("import", EXIT_FAILED, "%s", im->reject_error.text);
	if (rc < 0)
		return cli_fail("import", EXIT_FAILED, "%s%s%s", strstr(e.text, im->name) ? "" : im->name,
		                strstr(e.text, im->name) ? "" : ": ", e.text);
	if (rc == 1) {
		fprintf(stderr, "%s: already imported (%llu observations); --again counts it once more\n",
		        im->name, (unsigned long long)n.accepted);
		return EXIT_DONE;
	}
	report(im, &n, &none, left_out);
	im->rejected += n.rejected;
	return EXIT_DONE;
}

/* Key of the whole content and what it is read as, so that sending it twice counts once; and the format it is read as. */
static int content_key(struct import *im, struct buffer *out, const struct reader_format **ret_format, struct err *e)
{
	const struct reader_format *looks;
	struct buffer head = BUFFER_INIT;
	struct bytes run;
	int rc;
	XXH3_state_t *digest = XXH3_createState();
	if (!digest)
		abort();
	XXH3_128bits_reset(digest);
	input_spool(im->in, true);
	while ((rc = input_read(im->in, &run, e)) == 1) {
		size_t room = NOTE_HEAD - head.n;
		buffer_put(&head, run.p, run.n < room ? run.n : room);
		XXH3_128bits_update(digest, run.p, run.n);
	}
	looks = reader_format_of(buffer_bytes(&head)) ? reader_format_of(buffer_bytes(&head)) : &cof_format;
	*ret_format = format_of(im) ? format_of(im) : looks;
	buffer_release(&head);
	XXH128_canonical_t c;
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(digest));
	XXH3_freeState(digest);
	if (rc == 0)
		rc = input_rewind(im->in, e);
	input_spool(im->in, false);
	buffer_put_str(out, "idempotency-key: ");
	for (size_t i = 0; i < sizeof(c.digest); i++)
		buffer_putf(out, "%02x", c.digest[i]);
	if (*ret_format != looks) /* read wrongly it is not in */
		buffer_putf(out, "-%s", (*ret_format)->name);
	if (*ret_format == &zone_format) /* of another day it is news */
		buffer_putf(out, "-%llu", (unsigned long long)input_time_s(im->in));
	if (im->again)
		buffer_putf(out, "-%ld-%ld", (long)getpid(), (long)time(NULL));
	buffer_put_byte(out, 0);
	return rc;
}

static int to_server(struct import *im)
{
	struct err e = {""};
	struct buffer key = BUFFER_INIT;
	const struct client_options client = {im->server, im->user, im->token};
	char *answer = NULL;
	const struct reader_format *format;
	struct buffer sensor = BUFFER_INIT, named = BUFFER_INIT;
	int rc = content_key(im, &key, &format, &e);
	buffer_putf(&named, "dribble-format: %s%c", format->name, 0);
	buffer_putf(&sensor, "dribble-sensor: %s%c", im->sensor ? im->sensor : "", 0);
	const char *headers[] = {format == &cof_format ? "content-type: application/x-ndjson"
	                                               : "content-type: application/octet-stream",
	                         "transfer-encoding: chunked", (const char *)key.p, (const char *)named.p,
	                         im->sensor ? (const char *)sensor.p : NULL, NULL};
	if (rc == 0)
		rc = client_post(&client, "/pdns/import", headers, im->in, &answer, &e);
	buffer_release(&key);
	buffer_release(&named);
	buffer_release(&sensor);
	progress_end(&im->progress);
	if (rc < 0)
		return cli_fail("import", EXIT_FAILED, "%s: %s", im->name, e.text);
	fprintf(stderr, "%s: %s", im->name, answer);
	const char *rejected = strstr(answer, "\"rejected\": ");
	im->rejected += rejected ? strtoull(rejected + 12, NULL, 10) : 0;
	free(answer);
	return EXIT_DONE;
}

static int one_file(struct import *im, struct store *s, const char *path)
{
	struct err e;
	if (input_open(path, &im->in, &e) < 0)
		return cli_fail("import", EXIT_FAILED, "%s", e.text);
	input_stop_on(im->in, &interrupted);
	im->name = input_name(im->in);
	im->told = 0;
	progress_begin(&im->progress, im->name);
	int code = im->server ? to_server(im) : into_store(im, s);
	input_close(im->in);
	im->in = NULL;
	return code;
}

static int all_files(struct import *im, int n, char **paths)
{
	static char dash[] = "-";
	static char *stdin_only[] = {dash};
	struct store *s = im->server ? NULL : cli_store("import", &im->config, STORE_CREATE);
	int code = EXIT_DONE;
	if (!im->server && !s)
		return EXIT_FAILED;
	if (!n) {
		n = 1;
		paths = stdin_only;
	}
	int done = 0;
	for (; done < n && !interrupted; done++) {
		int one = one_file(im, s, paths[done]);
		code = one ? one : code;
	}
	if (done < n && !code)
		code = cli_fail("import", EXIT_FAILED, "interrupted: %s and what is behind it were not begun", paths[done]);
	store_close(s);
	return code == EXIT_DONE && im->rejected ? EXIT_REJECTED : code;
}

static int no_such_format(const char *name)
{
	struct buffer names = BUFFER_INIT;
	for (size_t i = 0; reader_formats[i]; i++)
		buffer_putf(&names, ", %s", reader_formats[i]->name);
	int code = cli_fail("import", EXIT_USAGE, "--format %s: there is no such format; there are auto%.*s", name,
	                    (int)names.n, (const char *)names.p);
	buffer_release(&names);
	return code;
}

static bool take_time(struct import *im)
{
	struct buffer text = BUFFER_INIT;
	uint64_t us = 0;
	buffer_put_str(&text, im->time);
	if (text.n == strlen("2026-11-28"))
		buffer_put_str(&text, "T00:00:00Z");
	bool now = strcmp(im->time, "now") == 0;
	bool read = now || timestamp_from_seconds(bytes_str(im->time), &us) == 0 ||
	            timestamp_from_date(buffer_bytes(&text), &us) == 0;
	im->reader.time_s = now ? (uint64_t)time(NULL) : us / 1000000;
	buffer_release(&text);
	return read && im->reader.time_s;
}

/* Options of one format, where another one was said. */
static int check_format(const struct import *im, const struct config_own_option *own)
{
	static const struct {
		const struct reader_format *format;
		const char *options, *why;
	} rows[] = {
		{&passivedns_format, "fields", "is for passivedns logs, and --format says another format"},
		{&pcap_format, "filter port unmatched", "is for captures, and --format says another format"},
		{&zone_format, "origin time include", "is for zone files, and --format says another format"},
	};
	int code = 0;
	if (im->format && strcmp(im->format, "auto") != 0 && !reader_format_named(im->format))
		return no_such_format(im->format);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows) && !code; i++) {
		if (format_of(im) && format_of(im) != rows[i].format)
			code = usage_refuse("import", &im->config, own, rows[i].options, rows[i].why);
	}
	return code;
}

static int check(struct import *im, const struct config_own_option *own)
{
	static const struct {
		const char *options, *why;
	} not_sent[] = {
		{"store threads memory cache", "does not go with --server: it opens no store"},
		{"fields filter port unmatched origin time include", "does not go with --server: that reads the file in its own way"},
		{"exclude only", "does not go with --server: the server has lists of its own"},
		{"rejects", "does not go with --server: that tells the first rejects in its answer"},
	};
	int code = check_format(im, own);
	for (size_t i = 0; i < sizeof(not_sent) / sizeof(*not_sent) && !code && im->server; i++)
		code = usage_refuse("import", &im->config, own, not_sent[i].options, not_sent[i].why);
	code = code ? code : usage_check_reader("import", &im->reader);
	code = code ? code : usage_check_sender("import", im->sensor, im->server, im->user, im->token);
	if (!code && im->time && !take_time(im))
		code = cli_fail("import", EXIT_USAGE, "--time %s: not seconds since 1970, a date (2026-11-28T12:00:00Z) or now", im->time);
	return code;
}

/* The file of rejects is written anew: one that is to be read would be gone. */
static int check_rejects(const struct import *im, int n, char **paths)
{
	struct stat rejects, input;
	if (!im->rejects_path || stat(im->rejects_path, &rejects) != 0 || !S_ISREG(rejects.st_mode))
		return 0;
	for (int i = 0; i < (n ? n : 1); i++) {
		bool is_stdin = !n || strcmp(paths[i], "-") == 0;
		int rc = is_stdin ? fstat(STDIN_FILENO, &input) : stat(paths[i], &input);
		if (rc == 0 && input.st_dev == rejects.st_dev && input.st_ino == rejects.st_ino)
			return cli_fail("import", EXIT_USAGE, "--rejects %s: that is the file to be read", im->rejects_path);
	}
	return 0;
}

static int run(struct import *im, int n, char **paths)
{
	/* The second signal ends it at once: that loses nothing, as the journal knows what is in. */
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
	if (im->rejects_path) {
		im->rejects = open(im->rejects_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		if (im->rejects < 0)
			return cli_fail("import", EXIT_FAILED, "%s: %s", im->rejects_path, strerror(errno));
	}
	if (!im->server && cli_exclusion("import", &im->config, &im->exclusion) < 0)
		return EXIT_FAILED;
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	int code = all_files(im, n, paths);
	if (im->rejects >= 0 && close(im->rejects) != 0)
		code = cli_fail("import", EXIT_FAILED, "%s: %s", im->rejects_path, strerror(errno));
	buffer_release(&im->reject_lines);
	exclusion_free(im->exclusion);
	return code;
}

int import_main(int argc, char **argv)
{
	struct import im = {.rejects = -1, .rejects_fresh = true};
	int code = EXIT_USAGE;
	const struct config_own_option own[] = {
		{"format", &im.format, NULL}, {"rejects", &im.rejects_path, NULL},
		{"server", &im.server, NULL}, {"user", &im.user, NULL},
		{"token", &im.token, NULL},   {"again", NULL, &im.again},
		{"sensor", &im.sensor, NULL},
		{"fields", &im.reader.fields, NULL},
		{"filter", &im.reader.filter, NULL},
		{"port", &im.reader.ports, NULL},
		{"unmatched", NULL, &im.reader.unmatched},
		{"origin", &im.reader.origin, NULL},
		{"time", &im.time, NULL},
		{"include", NULL, &im.reader.include},
		{NULL, NULL, NULL},
	};
	int first = cli_options(argc, argv, &im.config,
	                        CONFIG_FOR_STORE | CONFIG_FOR_FEEDING | CONFIG_FOR_READING | CONFIG_FOR_LISTS, own, help,
	                        &code);
	if (first < 0)
		return code;
	code = check(&im, own);
	code = code ? code : check_rejects(&im, argc - first, argv + first);
	if (!code)
		code = run(&im, argc - first, argv + first);
	config_release(&im.config);
	return code;
}
