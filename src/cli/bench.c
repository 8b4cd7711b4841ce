/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble bench: how fast and how small, on this machine. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/common.h"
#include "cli/usage.h"
#include "cli/workload.h"
#include "feed/file.h"
#include "model/dname.h"
#include "query/page.h"
#include "store/keys.h"

static const char help[] =
	"usage: dribble bench [OPTIONS]\n\n"
	"Makes a workload, imports it into a new store in a folder of its own, and measures: import,\n"
	"size, lookups, a hot set, export. Everything runs in one process, without HTTP. The folder is\n"
	"removed at the end.\n\n"
	"Examples:\n"
	"  dribble bench\n"
	"  dribble bench --records 10000000 --observations 30000000 --folder /data/tmp\n"
	"  dribble bench --write workload.ndjson\n"
	"  dribble bench --input feed.ndjson.gz --hot-name cdn.example\n\n"
	"  --records NUMBER\n      distinct records (1000000)\n"
	"  --observations NUMBER\n      lines, at least as many (2000000)\n"
	"  --hot NUMBER\n      of the records: CNAMEs with one target (100000)\n"
	"  --seed NUMBER\n      another seed is another workload (1)\n"
	"  --input FILE\n      measures with a file instead; repeat it as it is\n"
	"  --hot-name NAME\n      the name whose answer is measured as a hot set (" WORKLOAD_HOT_NAME ")\n"
	"  --write FILE\n      writes the workload and does nothing else\n"
	"  --folder DIR\n      where the store and the workload are made ($TMPDIR or /tmp)\n"
	"  --trace FILE\n      while importing, asks for names that are in already and writes a line each\n"
	"      second: seconds, observations, their rate, memory (MiB), disk (MiB), lookups, their p50, p99\n"
	"      and longest (ms)\n";

enum {
	LOOKUPS = 100000,
	ROUNDS = 5,
	PAGES = 200,
	TRACE_PAUSE_US = 2000, /* between two lookups of a trace */
	TRACE_MAX = 2000,      /* lookups of a second that are kept */
	PAGE = 1000,
};

struct bench {
	const char *input, *hot_name, *write, *folder, *trace;
	const char *records_text, *observations_text, *hot_text, *seed_text;
	struct workload workload;
	struct config config;
	char dir[512];
	char *names[LOOKUPS]; /* owners, owned */
	size_t n_names;
	uint64_t observations;
	uint64_t records;
};

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void say(const char *what, double value, const char *unit)
{
	int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
	printf("%-44s %12.*f %s\n", what, digits, value, unit);
	fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q)
{
	qsort(v, n, sizeof(*v), by_value);
	return v[(size_t)((double)(n - 1) * q)];
}

static double memory_mib(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f) {
		if (fscanf(f, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	return (double)pages * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

/* --- answers --- */

struct answered {
	uint64_t records, octets, total;
	bool more;
	struct position next;
};

/* Makes an answer as the server does, all but sending it. */
static int answer(struct store *s, const char *value, uint64_t page, const struct position *from, struct answered *ret,
                  struct err *e)
{
	static const struct filter any;
	struct page_request r = {.store = s,
	                         .limit = page ? page : PAGE,
	                         .paginated = page > 0,
	                         .style = STYLE_CIRCL,
	                         .origin = bytes_str("https://dribble.invalid/pdns/")};
	struct page p;
	r.from = from;
	int rc = question_parse(bytes_str(value), &any, NULL, &r.question, e);
	if (rc < 0)
		return rc;
	rc = page_begin(&p, &r, e);
	if (rc == 0)
		rc = page_plan(&p, e);
	if (rc == 0) {
		*ret = (struct answered){.records = p.records, .octets = p.lines.n, .more = p.more, .next = p.next};
		for (size_t i = 0; i < p.n_sets; i++)
			ret->total = p.sets[i].total > ret->total ? p.sets[i].total : ret->total;
	}
	page_end(&p);
	return rc;
}

/* --- a trace --- */

/* A thread that asks while the import goes on. */
struct trace {
	struct bench *bench;
	struct store *store;
	FILE *out;
	pthread_t thread;
	atomic_bool stopping;
	atomic_ullong observations; /* read by the import */
	double start;
	int rc;
	struct err error;
	double took[TRACE_MAX]; /* ms, of this second */
	size_t n;
	double *all; /* of every second: the p99, for the summary */
	size_t n_all;
	double *every; /* ms, of all seconds; owned, as all */
	size_t n_every, cap_every;
};

/* The owner of a line that was read some time ago. */
static void trace_name(const struct trace *t, uint64_t line, struct buffer *ret)
{
	struct buffer text = BUFFER_INIT;
	workload_line(&t->bench->workload, line, &text);
	buffer_put_byte(&text, 0);
	const char *at = strstr((const char *)text.p, "\"rrname\": \"");
	at += strlen("\"rrname\": \"");
	buffer_clear(ret);
	buffer_put(ret, at, strcspn(at, "\""));
	buffer_put_byte(ret, 0);
	buffer_release(&text);
}

static void trace_second(struct trace *t, uint64_t *before)
{
	struct store_figures f = {0};
	uint64_t now = atomic_load(&t->observations);
	store_figures(t->store, &f, NULL);
	double p50 = t->n ? quantile(t->took, t->n, 0.5) : 0, p99 = t->n ? quantile(t->took, t->n, 0.99) : 0;
	fprintf(t->out, "%.0f,%llu,%llu,%.0f,%.0f,%zu,%.3f,%.3f,%.3f\n", seconds() - t->start, (unsigned long long)now,
	        (unsigned long long)(now - *before), memory_mib(), (double)f.disk_bytes / (1 << 20), t->n, p50, p99,
	        t->n ? t->took[t->n - 1] : 0);
	fflush(t->out);
	*before = now;
	if (t->n) {
		t->all = xrealloc(t->all, (t->n_all + 1) * sizeof(*t->all));
		t->all[t->n_all++] = p99;
	}
	t->n = 0;
}

static void trace_took(struct trace *t, double ms)
{
	if (t->n == TRACE_MAX)
		return;
	t->took[t->n++] = ms;
	if (t->n_every == t->cap_every) {
		t->cap_every = t->cap_every ? 2 * t->cap_every : TRACE_MAX;
		t->every = xrealloc(t->every, t->cap_every * sizeof(*t->every));
	}
	t->every[t->n_every++] = ms;
}

static void *trace_run(void *arg)
{
	struct trace *t = arg;
	struct buffer name = BUFFER_INIT;
	struct answered a;
	uint64_t before = 0, random = 7;
	double second = seconds() + 1;
	while (!atomic_load(&t->stopping) && t->rc == 0) {
		uint64_t known = atomic_load(&t->observations);
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		if (known) {
			trace_name(t, (random >> 24) % known, &name);
			double start = seconds();
			t->rc = answer(t->store, (const char *)name.p, 0, NULL, &a, &t->error);
			trace_took(t, (seconds() - start) * 1e3);
		}
		usleep(TRACE_PAUSE_US);
		if (seconds() >= second) {
			trace_second(t, &before);
			second += 1;
		}
	}
	buffer_release(&name);
	return NULL;
}

static int trace_progress(void *ctx, const struct note *counts)
{
	struct trace *t = ctx;
	atomic_store(&t->observations, counts->accepted);
	return 0;
}

static int trace_begin(struct trace *t, struct bench *b, struct store *s, struct err *e)
{
	t->bench = b;
	t->store = s;
	t->start = seconds();
	t->out = fopen(b->trace, "we");
	if (!t->out)
		return err_sys(e, errno, "%s", b->trace);
	fputs("seconds,observations,rate,memory_mib,disk_mib,lookups,p50_ms,p99_ms,max_ms\n", t->out);
	if (pthread_create(&t->thread, NULL, trace_run, t) == 0)
		return 0;
	fclose(t->out);
	return err_set(e, ERR_NOMEM, "cannot start a thread");
}

static int trace_end(struct trace *t, struct err *e)
{
	atomic_store(&t->stopping, true);
	pthread_join(t->thread, NULL);
	int rc = fclose(t->out) != 0 ? err_sys(e, errno, "%s", t->bench->trace) : 0;
	if (t->n_all) {
		say("lookups while importing, p99", quantile(t->every, t->n_every, 0.99), "ms, of all");
		say("lookups while importing, p99", quantile(t->all, t->n_all, 0.5), "ms, in the median second");
		say("lookups while importing, p99", t->all[t->n_all - 1], "ms, in the worst second");
	}
	free(t->all);
	free(t->every);
	if (t->rc < 0 && e)
		*e = t->error;
	return t->rc < 0 ? t->rc : rc;
}

/* --- import --- */

static void reject(void *ctx, uint64_t line, struct bytes input, const char *reason)
{
	(void)ctx, (void)line, (void)input, (void)reason;
}

static int measure_import(struct bench *b, struct store *s, const char *path, struct err *e)
{
	struct input *in;
	struct note note = {0};
	struct trace trace = {0};
	struct file_options opt = {.store = s, .memory = b->config.memory, .reject = reject, .ctx = &trace};
	int rc = input_open(path, &in, e);
	if (rc < 0)
		return rc;
	if (b->trace) {
		opt.progress = trace_progress;
		rc = trace_begin(&trace, b, s, e);
	}
	double start = seconds(), cpu = cpu_seconds();
	if (rc == 0)
		rc = file_import(&opt, in, &note, e);
	if (trace.thread) {
		int ended = trace_end(&trace, e);
		rc = rc < 0 ? rc : ended;
	}
	input_close(in);
	if (rc < 0)
		return rc;
	double took = seconds() - start;
	cpu = cpu_seconds() - cpu;
	b->observations = note.accepted;
	say("import", (double)note.accepted / took, "observations/s, durable");
	say("import, CPU", cpu / (double)note.accepted * 1e6, "us an observation");
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	say("import, memory", (double)u.ru_maxrss / 1024, "MiB at most");
	return 0;
}

/* --- what there is --- */

/* Picks owners at random, each as likely as any other, and counts the records. */
static int pick_names(struct bench *b, struct store *s, struct err *e)
{
	static const uint8_t from[] = {SUBJECT_NAME}, behind[] = {SUBJECT_NAME + 1};
	struct record_scratch scratch;
	struct buffer last = BUFFER_INIT, text = BUFFER_INIT;
	struct bytes key, value;
	struct record r;
	struct scan *sc;
	uint64_t owners = 0, random = 42;
	int rc = scan_begin(s, &sc, e);
	if (rc < 0)
		return rc;
	scan_bound(sc, bytes_of(behind, 1));
	rc = scan_seek(sc, bytes_of(from, 1), &key, &value, e);
	for (; rc == 1; rc = scan_next(sc, &key, &value, e)) {
		if (key_owner_type(key) < 0 || record_decode(key, value, &scratch, &r) < 0)
			continue;
		b->records++;
		if (bytes_eq(r.owner, buffer_bytes(&last)))
			continue;
		buffer_clear(&last);
		buffer_put_bytes(&last, r.owner);
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t at = owners++ < LOOKUPS ? b->n_names++ : (random >> 33) % owners;
		if (at >= LOOKUPS)
			continue;
		buffer_clear(&text);
		dname_to_text(r.owner, &text);
		free(b->names[at]);
		b->names[at] = xstrndup((const char *)text.p, text.n);
	}
	scan_end(sc);
	for (size_t i = b->n_names; i > 1; i--) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		size_t j = (random >> 33) % i;
		char *name = b->names[i - 1];
		b->names[i - 1] = b->names[j];
		b->names[j] = name;
	}
	buffer_release(&last);
	buffer_release(&text);
	return rc;
}

/* --- lookups --- */

static int measure_lookups(struct bench *b, struct store *s, struct err *e)
{
	double rates[ROUNDS], records = 0, octets = 0;
	uint64_t random = 4711;
	int rc = 0;
	for (int round = 0; round < ROUNDS && rc == 0; round++) {
		double start = seconds();
		for (size_t i = 0; i < b->n_names && rc == 0; i++) {
			struct answered a;
			random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
			size_t which = round ? (size_t)(random >> 33) % b->n_names : i; /* all of them first, then any */
			rc = answer(s, b->names[which], 0, NULL, &a, e);
			records += (double)a.records;
			octets += (double)a.octets;
		}
		rates[round] = (double)b->n_names / (seconds() - start);
		if (round == 0)
			say("lookups of names, first time", rates[0], "a second, one thread");
	}
	if (rc < 0)
		return rc;
	double n = (double)b->n_names * ROUNDS;
	say("lookups of names, again", quantile(rates, ROUNDS, 0.5), "a second, one thread");
	say("  records in an answer", records / n, "");
	say("  octets in an answer", octets / n, "");
	return 0;
}

/* --- the hot set --- */

static int measure_hot(struct bench *b, struct store *s, struct err *e)
{
	double took[PAGES];
	struct answered a;
	double start = seconds();
	int rc = answer(s, b->hot_name, 0, NULL, &a, e);
	if (rc < 0)
		return rc;
	if (!a.total) {
		printf("%s has %llu records: no hot set to measure\n", b->hot_name, (unsigned long long)a.records);
		return 0;
	}
	say("hot set", (double)a.total, "records");
	say("  unpaginated, not counted before", (seconds() - start) * 1e3, "ms");
	for (int i = 0; i < PAGES && rc == 0; i++) {
		start = seconds();
		rc = answer(s, b->hot_name, 0, NULL, &a, e);
		took[i] = (seconds() - start) * 1e3;
	}
	say("  unpaginated, counted, p50", quantile(took, PAGES, 0.5), "ms");
	for (int i = 0; i < PAGES && rc == 0; i++) {
		start = seconds();
		rc = answer(s, b->hot_name, PAGE, NULL, &a, e);
		took[i] = (seconds() - start) * 1e3;
	}
	say("  first page of 1000, p50", quantile(took, PAGES, 0.5), "ms");
	size_t n = 1;
	took[0] = 0;
	while (rc == 0 && a.more) { /* every page after it; their times in a reservoir */
		struct position from = a.next;
		start = seconds();
		rc = answer(s, b->hot_name, PAGE, &from, &a, e);
		took[n % PAGES] = (seconds() - start) * 1e3;
		n++;
	}
	if (n > 1)
		say("  later pages of 1000, p50", quantile(took + (n <= PAGES), n < PAGES ? n - 1 : PAGES - (n == PAGES), 0.5), "ms");
	return rc;
}

static int measure_export(struct bench *b, struct store *s, struct err *e)
{
	static const uint8_t from[] = {SUBJECT_NAME}, behind[] = {SUBJECT_NAME + 1};
	struct answer a = {.style = STYLE_EXPORT};
	struct record_scratch scratch;
	struct buffer lines = BUFFER_INIT;
	struct bytes key, value;
	struct record r;
	struct scan *sc;
	double start = seconds();
	int rc = scan_begin(s, &sc, e);
	if (rc < 0)
		return rc;
	scan_bound(sc, bytes_of(behind, 1));
	rc = scan_seek(sc, bytes_of(from, 1), &key, &value, e);
	for (; rc == 1; rc = scan_next(sc, &key, &value, e)) {
		if (record_decode(key, value, &scratch, &r) == 0 && r.owner_row)
			answer_line(&a, &r, &lines);
		if (lines.n > 1 << 16)
			buffer_clear(&lines);
	}
	scan_end(sc);
	answer_release(&a);
	buffer_release(&lines);
	say("export", (double)b->records / (seconds() - start), "records/s");
	return rc;
}

static int measure_all(struct bench *b, struct store *s, const char *path, struct err *e)
{
	struct store_figures f;
	int rc = measure_import(b, s, path, e);
	double start = seconds();
	if (rc == 0)
		rc = store_compact(s, e);
	double took = seconds() - start;
	if (rc == 0)
		rc = pick_names(b, s, e);
	if (rc == 0)
		rc = store_figures(s, &f, e);
	if (rc < 0)
		return rc;
	say("records", (double)b->records, "of which both directions are kept");
	say("compaction", took, "s");
	say("size", (double)f.disk_bytes / (double)(b->records ? b->records : 1), "octets a record, both directions");
	if (b->n_names)
		rc = measure_lookups(b, s, e);
	if (rc == 0)
		rc = measure_hot(b, s, e);
	return rc == 0 ? measure_export(b, s, e) : rc;
}

/* --- the folder --- */

static void remove_tree(const char *path)
{
	DIR *d = opendir(path);
	for (struct dirent *entry; d && (entry = readdir(d));) {
		struct buffer inner = BUFFER_INIT;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		buffer_putf(&inner, "%s/%s", path, entry->d_name);
		buffer_put_byte(&inner, 0);
		if (unlink((const char *)inner.p) != 0)
			remove_tree((const char *)inner.p);
		buffer_release(&inner);
	}
	if (d)
		closedir(d);
	rmdir(path);
}

static int run_in(struct bench *b, struct err *e)
{
	struct buffer path = BUFFER_INIT, uri = BUFFER_INIT;
	struct store *s = NULL;
	const struct store_options opt = {.cache_bytes = b->config.cache, .threads = b->config.threads};
	int rc = 0;
	buffer_putf(&path, "%s/workload.ndjson%c", b->dir, 0);
	buffer_putf(&uri, "rocksdb:%s/store%c", b->dir, 0);
	if (!b->input)
		rc = workload_write(&b->workload, (const char *)path.p, e);
	if (rc == 0)
		rc = store_open((const char *)uri.p, STORE_CREATE, &opt, &s, e);
	if (rc == 0)
		rc = measure_all(b, s, b->input ? b->input : (const char *)path.p, e);
	store_close(s);
	buffer_release(&path);
	buffer_release(&uri);
	return rc;
}

static int parse_number(const char *option, const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	if (!text)
		return 0;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || v > max)
		return cli_fail("bench", EXIT_USAGE, "--%s %s: a number up to %llu is expected", option, text,
		                (unsigned long long)max);
	*ret = v;
	return 0;
}

static int run(struct bench *b)
{
	struct err e;
	if (b->write)
		return workload_write(&b->workload, b->write, &e) < 0 ? cli_fail("bench", EXIT_FAILED, "%s", e.text)
		                                                      : EXIT_DONE;
	const char *folder = b->folder ? b->folder : getenv("TMPDIR");
	snprintf(b->dir, sizeof(b->dir), "%s/dribble-bench-XXXXXX", folder && *folder ? folder : "/tmp");
	if (!mkdtemp(b->dir))
		return cli_fail("bench", EXIT_FAILED, "%s: %s", b->dir, strerror(errno));
	int rc = run_in(b, &e);
	remove_tree(b->dir);
	for (size_t i = 0; i < b->n_names; i++)
		free(b->names[i]);
	return rc < 0 ? cli_fail("bench", EXIT_FAILED, "%s", e.text) : EXIT_DONE;
}

static int check(const struct bench *b, const struct config_own_option *own)
{
	int code = 0;
	if (b->input && b->trace)
		return cli_fail("bench", EXIT_USAGE, "--trace asks for names of the workload: not with --input");
	if (b->write)
		code = usage_refuse("bench", &b->config, own, "input folder trace hot-name threads memory cache",
		                    "does not go with --write: that measures nothing");
	if (b->input && !code)
		code = usage_refuse("bench", &b->config, own, "records observations hot seed", "does not go with --input: it makes a workload");
	return code;
}

int bench_main(int argc, char **argv)
{
	enum { MANY = 1000 };
	const uint64_t max = UINT64_C(1) << 40;
	struct bench *b = xcalloc(1, sizeof(*b));
	int code = EXIT_USAGE;
	b->workload = (struct workload){MANY * MANY, 2 * MANY * MANY, 100 * MANY, 1};
	const struct config_own_option own[] = {
		{"records", &b->records_text, NULL}, {"observations", &b->observations_text, NULL},
		{"hot", &b->hot_text, NULL},         {"seed", &b->seed_text, NULL},
		{"input", &b->input, NULL},          {"hot-name", &b->hot_name, NULL},
		{"write", &b->write, NULL},          {"folder", &b->folder, NULL},
		{"trace", &b->trace, NULL},
		{NULL, NULL, NULL},
	};
	int first = cli_options(argc, argv, &b->config, CONFIG_FOR_FEEDING | CONFIG_FOR_READING, own, help, &code);
	if (first >= 0) {
		code = first < argc ? cli_fail("bench", EXIT_USAGE, "%s: no argument is expected", argv[first]) : 0;
		code = code ? code : check(b, own);
		code = code ? code : parse_number("records", b->records_text, max, &b->workload.records);
		code = code ? code : parse_number("observations", b->observations_text, max, &b->workload.observations);
		code = code ? code : parse_number("hot", b->hot_text, max, &b->workload.hot);
		code = code ? code : parse_number("seed", b->seed_text, max, &b->workload.seed);
		if (!code && (!b->workload.records || b->workload.observations < b->workload.records ||
		              b->workload.hot > b->workload.records))
			code = cli_fail("bench", EXIT_USAGE,
			                "of records there must be at least one, and not more than observations; "
			                "--hot is a part of them");
		b->hot_name = b->hot_name ? b->hot_name : WORKLOAD_HOT_NAME;
		code = code ? code : run(b);
		config_release(&b->config);
	}
	free(b);
	return code;
}
