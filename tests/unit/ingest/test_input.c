/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files and pipes: what is read, the errors, going back, progress. */
#include "ingest/input.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buffer.h"

static char dir[64];
static char path[96];
static struct buffer text;

static int setup(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/dribble-test-input-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/x", dir);
	for (int i = 0; i < 30000; i++)
		buffer_putf(&text, "{\"rrname\": \"host%d.example\"}\n", i);
	return 0;
}

static int teardown(void **state)
{
	unlink(path);
	buffer_release(&text);
	return rmdir(dir);
}

static void write_file(struct bytes data)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(data.p, 1, data.n, f), data.n);
	assert_int_equal(fclose(f), 0);
}

static struct buffer gzip_of(struct bytes data)
{
	struct buffer b = BUFFER_INIT;
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	size_t room = deflateBound(&z, data.n) + 64;
	z.next_in = (Bytef *)(uintptr_t)data.p;
	z.avail_in = (uInt)data.n;
	z.next_out = buffer_reserve(&b, room);
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b.n = room - z.avail_out;
	deflateEnd(&z);
	return b;
}

static struct buffer zstd_of(struct bytes data)
{
	struct buffer b = BUFFER_INIT;
	size_t room = ZSTD_compressBound(data.n);
	b.n = ZSTD_compress(buffer_reserve(&b, room), room, data.p, data.n, 3);
	assert_false(ZSTD_isError(b.n));
	return b;
}

/* Reads to the end, or max octets at least. */
static int read_some(struct input *in, size_t max, struct buffer *out, struct err *e)
{
	struct bytes run;
	int rc = 0;
	while (out->n < max && (rc = input_read(in, &run, e)) == 1) {
		assert_true(run.n > 0 && run.n <= 256 << 10);
		buffer_put_bytes(out, run);
	}
	return rc;
}

static void assert_reads(struct input *in, struct bytes want)
{
	struct buffer out = BUFFER_INIT;
	struct err e = {""};
	assert_int_equal(read_some(in, SIZE_MAX, &out, &e), 0);
	assert_true(bytes_eq(buffer_bytes(&out), want));
	buffer_release(&out);
}

static void check_file(struct bytes data, struct bytes want)
{
	struct input *in;
	struct err e = {""};
	write_file(data);
	assert_int_equal(input_open(path, &in, &e), 0);
	assert_int_equal(input_size(in), data.n);
	assert_int_equal(input_offset(in), 0);
	assert_string_equal(input_name(in), path);
	assert_reads(in, want);
	assert_int_equal(input_offset(in), data.n);
	assert_int_equal(input_rewind(in, &e), 0);
	assert_int_equal(input_offset(in), 0);
	assert_reads(in, want);
	for (size_t skip = 0; skip <= want.n; skip += want.n / 3 + 1) {
		assert_int_equal(input_rewind(in, &e), 0);
		assert_int_equal(input_skip(in, skip, &e), 0);
		assert_reads(in, bytes_of(want.p + skip, want.n - skip));
	}
	assert_int_equal(input_rewind(in, &e), 0);
	assert_int_equal(input_skip(in, want.n, &e), 0);
	assert_reads(in, bytes_of(NULL, 0));
	assert_int_equal(input_rewind(in, &e), 0);
	assert_int_equal(input_skip(in, want.n + 1, &e), ERR_USAGE);
	input_close(in);
}

static void test_file(void **state)
{
	struct bytes all = buffer_bytes(&text);
	struct buffer gzip = gzip_of(all), zstd = zstd_of(all);
	check_file(all, all);
	check_file(buffer_bytes(&gzip), all);
	check_file(buffer_bytes(&zstd), all);
	check_file(bytes_str("{}"), bytes_str("{}"));
	check_file(bytes_str("x"), bytes_str("x"));
	check_file(bytes_str("\x28\xb5\x2f"), bytes_str("\x28\xb5\x2f"));
	check_file(bytes_of("", 0), bytes_of("", 0));
	buffer_release(&gzip);
	buffer_release(&zstd);
}

static void assert_error(int code, const char *want)
{
	struct input *in = NULL;
	struct err e = {""};
	struct buffer out = BUFFER_INIT;
	char full[160];
	int rc = input_open(path, &in, &e);
	if (rc == 0)
		rc = read_some(in, SIZE_MAX, &out, &e);
	snprintf(full, sizeof(full), "%s: %s", path, want);
	assert_int_equal(rc, code);
	assert_string_equal(e.text, full);
	input_close(in);
	buffer_release(&out);
}

static void test_errors(void **state)
{
	struct buffer gzip = gzip_of(buffer_bytes(&text)), zstd = zstd_of(buffer_bytes(&text));
	unlink(path);
	assert_error(ERR_NOTFOUND, "No such file or directory");
	assert_int_equal(mkdir(path, 0700), 0);
	assert_error(ERR_USAGE, "is a directory");
	assert_int_equal(rmdir(path), 0);
	write_file(bytes_of(gzip.p, gzip.n / 2));
	assert_error(ERR_CORRUPT, "the gzip data is cut off");
	write_file(bytes_of(zstd.p, zstd.n / 2));
	assert_error(ERR_CORRUPT, "the zstd data is cut off");
	gzip.p[gzip.n - 6] ^= 1;
	write_file(buffer_bytes(&gzip));
	assert_error(ERR_CORRUPT, "corrupt gzip data: incorrect data check");
	memset(zstd.p + 20, 0xff, 40);
	write_file(buffer_bytes(&zstd));
	struct input *in;
	struct buffer out = BUFFER_INIT;
	struct err e = {""};
	assert_int_equal(input_open(path, &in, &e), 0);
	assert_int_equal(read_some(in, SIZE_MAX, &out, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "x: corrupt zstd data: "));
	input_close(in);
	if (geteuid() != 0) {
		chmod(path, 0);
		assert_error(ERR_DENIED, "Permission denied");
	}
	input_close(NULL);
	buffer_release(&out);
	buffer_release(&gzip);
	buffer_release(&zstd);
}

/* A pipe with a writer behind it, at the place of standard input. */
struct piped {
	pthread_t writer;
	int fd;
	int saved_stdin;
	struct bytes data;
};

static void *write_pipe(void *arg)
{
	struct piped *p = arg;
	for (size_t at = 0, step = 1; at < p->data.n; step = step * 5 % 70001) {
		size_t n = p->data.n - at < step ? p->data.n - at : step;
		ssize_t got = write(p->fd, p->data.p + at, n);
		if (got <= 0)
			break;
		at += (size_t)got;
	}
	close(p->fd);
	return NULL;
}

static struct input *piped_open(struct piped *p, struct bytes data)
{
	int ends[2];
	struct input *in;
	struct err e = {""};
	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(ends), 0);
	p->fd = ends[1];
	p->data = data;
	p->saved_stdin = dup(STDIN_FILENO);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	assert_int_equal(pthread_create(&p->writer, NULL, write_pipe, p), 0);
	assert_int_equal(input_open("-", &in, &e), 0);
	assert_string_equal(input_name(in), "standard input");
	assert_int_equal(input_size(in), 0);
	return in;
}

static void piped_close(struct piped *p, struct input *in)
{
	input_close(in);
	if (p->saved_stdin >= 0) {
		dup2(p->saved_stdin, STDIN_FILENO);
		close(p->saved_stdin);
	} else {
		close(STDIN_FILENO);
	}
	pthread_join(p->writer, NULL);
}

static void test_pipe(void **state)
{
	struct buffer gzip = gzip_of(buffer_bytes(&text)), zstd = zstd_of(buffer_bytes(&text));
	const struct bytes kinds[] = {buffer_bytes(&text), buffer_bytes(&gzip),
				      buffer_bytes(&zstd)};
	for (int i = 0; i < 3; i++) {
		struct piped p;
		struct err e = {""};
		struct input *in = piped_open(&p, kinds[i]);
		assert_reads(in, buffer_bytes(&text));
		assert_int_equal(input_offset(in), kinds[i].n);
		assert_int_equal(input_rewind(in, &e), ERR_UNSUPPORTED);
		assert_string_equal(e.text, "standard input: cannot be read a second time");
		piped_close(&p, in);
	}
	buffer_release(&gzip);
	buffer_release(&zstd);
}

static void test_spool(void **state)
{
	struct buffer gzip = gzip_of(buffer_bytes(&text));
	const struct bytes kinds[] = {buffer_bytes(&text), buffer_bytes(&gzip)};
	for (int i = 0; i < 2; i++) {
		struct piped p;
		struct err e = {""};
		struct buffer out = BUFFER_INIT;
		struct input *in = piped_open(&p, kinds[i]);
		input_spool(in, true);
		assert_int_equal(input_rewind(in, &e), 0); /* nothing was read */
		assert_int_equal(read_some(in, 300000, &out, &e), 1);
		assert_int_equal(input_rewind(in, &e), 0);
		assert_reads(in, buffer_bytes(&text)); /* from the spool, then the pipe */
		assert_int_equal(input_rewind(in, &e), 0);
		input_spool(in, false);
		assert_reads(in, buffer_bytes(&text));
		assert_int_equal(input_rewind(in, &e), ERR_UNSUPPORTED); /* it was let go */
		piped_close(&p, in);
		buffer_release(&out);
	}
	buffer_release(&gzip);
}

/* A look at the beginning, then one pass that keeps nothing. */
static void test_spool_head(void **state)
{
	struct piped p;
	struct err e = {""};
	struct bytes run;
	struct input *in = piped_open(&p, buffer_bytes(&text));
	input_spool(in, true);
	assert_int_equal(input_read(in, &run, &e), 1);
	input_spool(in, false);
	assert_int_equal(input_rewind(in, &e), 0);
	assert_reads(in, buffer_bytes(&text));
	assert_int_equal(input_rewind(in, &e), ERR_UNSUPPORTED);
	piped_close(&p, in);

	setenv("TMPDIR", "/nonexistent", 1);
	in = piped_open(&p, buffer_bytes(&text));
	input_spool(in, true);
	assert_int_equal(input_read(in, &run, &e), ERR_NOTFOUND);
	assert_non_null(strstr(e.text, "standard input: cannot be kept in /nonexistent"));
	piped_close(&p, in);
	unsetenv("TMPDIR");
}

static volatile sig_atomic_t stop;

static void on_alarm(int number)
{
	(void)number;
	stop++;
}

/* Alarms come again and again: one between the look at the flag and the read would pass by. */
static void test_stop(void **state)
{
	struct sigaction action = {.sa_handler = on_alarm}, before;
	const struct itimerval often = {{0, 20000}, {0, 20000}}, never = {{0, 0}, {0, 0}};
	struct err e = {""};
	struct bytes run;
	struct input *in;
	int ends[2], kept = dup(STDIN_FILENO);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
	assert_int_equal(write(ends[1], "some\n", 5), 5);
	assert_int_equal(input_open("-", &in, &e), 0);
	input_stop_on(in, &stop);
	assert_int_equal(input_read(in, &run, &e), 1);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(input_read(in, &run, &e), ERR_CANCELLED);
	assert_string_equal(e.text, "standard input: interrupted");
	assert_true(stop > 0);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	input_close(in);
	dup2(kept, STDIN_FILENO);
	close(kept);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),       cmocka_unit_test(test_errors),
		cmocka_unit_test(test_pipe),       cmocka_unit_test(test_spool),
		cmocka_unit_test(test_spool_head), cmocka_unit_test(test_stop),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
