/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mtbl COMPRESSION SOURCE TABLE: what dnstable does, with the library it stands on: COF lines become one sorted file, then names
 * are asked for.
 *
 * Two rows a record, by the owner and by the data, names in them with their labels reversed; values are varints of the times and
 * the count. Prints: observations a second, CPU of one (us), rows, octets of the file, lookups a second, records of an answer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

#include <jansson.h>
#include <mtbl.h>

enum { LINE = 1 << 16, NAMES = 100000, ROUNDS = 5 };

struct seen {
	uint64_t first, last, count;
};

static char *names[NAMES];
static uint64_t n_names, n_owners;

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

static void fail(const char *what)
{
	fprintf(stderr, "mtbl: %s\n", what);
	exit(1);
}

static size_t put_seen(uint8_t *out, const struct seen *s)
{
	size_t n = mtbl_varint_encode64(out, s->first);
	n += mtbl_varint_encode64(out + n, s->last - s->first);
	return n + mtbl_varint_encode64(out + n, s->count);
}

static struct seen get_seen(const uint8_t *p)
{
	struct seen s;
	p += mtbl_varint_decode64(p, &s.first);
	p += mtbl_varint_decode64(p, &s.last);
	mtbl_varint_decode64(p, &s.count);
	s.last += s.first;
	return s;
}

static void merge(void *ctx, const uint8_t *key, size_t key_n, const uint8_t *a, size_t a_n, const uint8_t *b, size_t b_n,
                  uint8_t **ret, size_t *ret_n)
{
	struct seen x = get_seen(a), y = get_seen(b);
	x.first = x.first < y.first ? x.first : y.first;
	x.last = x.last > y.last ? x.last : y.last;
	x.count += y.count;
	*ret = malloc(32);
	*ret_n = put_seen(*ret, &x);
	(void)ctx, (void)key, (void)key_n, (void)a_n, (void)b_n;
}

/* www.example.org becomes org.example.www: names below a name are neighbours. */
static size_t put_reversed(uint8_t *out, const char *name, size_t n)
{
	size_t at = 0, end = n;
	for (size_t i = n; i-- > 0;) {
		if (name[i] != '.')
			continue;
		memcpy(out + at, name + i + 1, end - i - 1);
		at += end - i - 1;
		out[at++] = '.';
		end = i;
	}
	memcpy(out + at, name, end);
	return at + end;
}

static size_t put_text(uint8_t *out, const char *text)
{
	size_t n = strlen(text);
	memcpy(out, text, n + 1);
	return n + 1;
}

/* The name in the data by which one asks, or the data. */
static size_t put_data(uint8_t *out, const char *type, const char *rdata)
{
	const char *last = strrchr(rdata, ' ');
	if (strcmp(type, "CNAME") == 0 || strcmp(type, "NS") == 0 || strcmp(type, "PTR") == 0)
		return put_reversed(out, rdata, strlen(rdata));
	if ((strcmp(type, "MX") == 0 || strcmp(type, "SRV") == 0) && last)
		return put_reversed(out, last + 1, strlen(last + 1));
	if (strcmp(type, "SOA") == 0)
		return put_reversed(out, rdata, strcspn(rdata, " "));
	return put_text(out, rdata) - 1;
}

static void add(struct mtbl_sorter *sorter, const char *line)
{
	uint8_t key[3 * LINE], value[32];
	json_t *o = json_loads(line, 0, NULL);
	const char *owner, *type, *rdata;
	json_int_t first, last, count;
	if (json_unpack(o, "{s:s, s:s, s:s, s:I, s:I, s:I}", "rrname", &owner, "rrtype", &type, "rdata", &rdata, "time_first", &first,
	                "time_last", &last, "count", &count) != 0)
		fail("a line is no record");
	struct seen s = {(uint64_t)first, (uint64_t)last, (uint64_t)count};
	size_t value_n = put_seen(value, &s), n = 0;
	key[n++] = 'o';
	n += put_reversed(key + n, owner, strlen(owner));
	key[n++] = 0;
	n += put_text(key + n, type);
	n += put_text(key + n, rdata);
	if (mtbl_sorter_add(sorter, key, n, value, value_n) != mtbl_res_success)
		fail("a row was not taken");
	key[0] = 'r';
	n = 1 + put_data(key + 1, type, rdata);
	key[n++] = 0;
	n += put_text(key + n, type);
	n += put_text(key + n, rdata);
	n += put_reversed(key + n, owner, strlen(owner));
	if (mtbl_sorter_add(sorter, key, n, value, value_n) != mtbl_res_success)
		fail("a row was not taken");
	json_decref(o);
}

static void build(const char *compression, const char *source, const char *path)
{
	char line[LINE];
	mtbl_compression_type type;
	uint64_t observations = 0;
	FILE *in = fopen(source, "r");
	if (!in || mtbl_compression_type_from_str(compression, &type) != mtbl_res_success)
		fail("no such source or compression");
	double start = seconds(), cpu = cpu_seconds();
	struct mtbl_sorter_options *sorting = mtbl_sorter_options_init();
	struct mtbl_writer_options *writing = mtbl_writer_options_init();
	char *dir = strdup(path);
	*strrchr(dir, '/') = 0;
	mtbl_sorter_options_set_temp_dir(sorting, dir);
	mtbl_sorter_options_set_merge_func(sorting, merge, NULL);
	mtbl_writer_options_set_compression(writing, type);
	struct mtbl_sorter *sorter = mtbl_sorter_init(sorting);
	while (fgets(line, sizeof(line), in)) {
		add(sorter, line);
		observations++;
	}
	struct mtbl_writer *writer = mtbl_writer_init(path, writing);
	if (!writer || mtbl_sorter_write(sorter, writer) != mtbl_res_success)
		fail("the table was not written");
	mtbl_writer_destroy(&writer);
	mtbl_sorter_destroy(&sorter);
	fclose(in);
	double took = seconds() - start;
	printf("%.0f %.3f ", (double)observations / took, (cpu_seconds() - cpu) / (double)observations * 1e6);
}

/* Owners at random, each as likely as any other. */
static void pick(const struct mtbl_source *table, uint64_t *ret_rows)
{
	const uint8_t *key, *value;
	size_t key_n, value_n, last_n = 0;
	char last[LINE];
	uint64_t random = 42;
	struct mtbl_iter *it = mtbl_source_iter(table);
	for (*ret_rows = 0; mtbl_iter_next(it, &key, &key_n, &value, &value_n) == mtbl_res_success; ++*ret_rows) {
		size_t n = strnlen((const char *)key, key_n);
		if (key[0] != 'o' || (n == last_n && memcmp(last, key, n) == 0))
			continue;
		memcpy(last, key, last_n = n);
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t at = n_owners++ < NAMES ? n_names++ : (random >> 33) % n_owners;
		if (at >= NAMES)
			continue;
		free(names[at]);
		uint8_t name[LINE];
		names[at] = strndup((char *)name, put_reversed(name, (const char *)key + 1, n - 1));
	}
	mtbl_iter_destroy(&it);
	for (uint64_t i = n_names; i > 1; i--) {
		random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		uint64_t j = (random >> 33) % i;
		char *name = names[i - 1];
		names[i - 1] = names[j];
		names[j] = name;
	}
}

/* Makes the answer for a name; returns its records. */
static unsigned look_up(const struct mtbl_source *table, const char *name)
{
	static char body[1 << 20];
	uint8_t prefix[LINE];
	const uint8_t *key, *value;
	size_t key_n, value_n, at = 0;
	unsigned records = 0;
	prefix[0] = 'o';
	size_t n = 1 + put_reversed(prefix + 1, name, strlen(name));
	prefix[n++] = 0;
	struct mtbl_iter *it = mtbl_source_get_prefix(table, prefix, n);
	while (mtbl_iter_next(it, &key, &key_n, &value, &value_n) == mtbl_res_success && at < sizeof(body) - 2 * LINE) {
		const char *type = (const char *)key + n, *rdata = type + strlen(type) + 1;
		struct seen s = get_seen(value);
		at += (size_t)snprintf(body + at, sizeof(body) - at,
		                       "{\"rrtype\": \"%s\", \"rrname\": \"%s\", \"rdata\": \"%s\", \"count\": %llu, "
		                       "\"time_first\": %llu, \"time_last\": %llu}\n",
		                       type, name, rdata, (unsigned long long)s.count, (unsigned long long)s.first,
		                       (unsigned long long)s.last);
		records++;
	}
	mtbl_iter_destroy(&it);
	return records;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double rates[ROUNDS];
	uint64_t rows, records = 0;
	struct stat st;
	if (argc != 4)
		fail("usage: mtbl COMPRESSION SOURCE TABLE");
	build(argv[1], argv[2], argv[3]);
	struct mtbl_reader_options *reading = mtbl_reader_options_init();
	struct mtbl_reader *reader = mtbl_reader_init(argv[3], reading);
	if (!reader || stat(argv[3], &st) != 0)
		fail("the table was not opened");
	const struct mtbl_source *table = mtbl_reader_source(reader);
	pick(table, &rows);
	for (int round = 0; round < ROUNDS; round++) {
		double start = seconds();
		for (uint64_t i = 0; i < n_names; i++)
			records += look_up(table, names[i]);
		rates[round] = (double)n_names / (seconds() - start);
	}
	qsort(rates, ROUNDS, sizeof(*rates), by_value);
	printf("%llu %llu %.0f %.2f\n", (unsigned long long)rows, (unsigned long long)st.st_size, rates[ROUNDS / 2],
	       (double)records / ((double)n_names * ROUNDS));
	return 0;
}
