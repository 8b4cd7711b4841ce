/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files and pipes as runs of bytes.
 *
 *	fd or spool → block → decompressor → run
 */
#include "ingest/input.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "ingest/decompress.h"

#define IN_BLOCK ((size_t)256 << 10) /* few system calls, and the block stays in the cache */

struct input {
	char *name; /* owned; for messages */
	int fd;     /* owned when owns_fd */
	bool owns_fd;
	bool regular;
	bool spooling;
	bool reading_spool;
	bool failed;
	int spool;              /* owned, -1: none */
	uint64_t spool_size;    /* octets in it: the beginning of the pipe */
	uint64_t pipe_read;     /* octets read from the pipe so far */
	uint64_t start;         /* of the file: standard input may have been read before */
	uint64_t size;          /* of a regular file, from start */
	uint64_t time_s;        /* when it was changed last */
	uint64_t offset;        /* octets read, since the beginning */
	uint8_t *block;         /* IN_BLOCK octets, owned */
	struct bytes rest;      /* of the block, not yet decompressed */
	enum compression kind;  /* known when d is there */
	struct decompressor *d; /* owned, NULL before the magic was read */
	struct bytes run;       /* what input_skip left of the last run */
	const volatile sig_atomic_t *stop; /* borrowed; may be NULL */
};

static int open_path(const char *path, struct input *in, struct err *e)
{
	if (strcmp(path, "-") == 0) {
		in->fd = STDIN_FILENO;
		in->name = xstrdup("standard input");
	} else {
		in->name = xstrdup(path);
		do
			in->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		while (in->fd < 0 && errno == EINTR);
		in->owns_fd = in->fd >= 0;
	}
	struct stat st;
	if (in->fd < 0 || fstat(in->fd, &st) < 0)
		return err_sys(e, errno, "%s", in->name);
	if (S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "%s: is a directory", in->name);
	off_t start = S_ISREG(st.st_mode) ? lseek(in->fd, 0, SEEK_CUR) : -1;
	if (start < 0)
		return 0;
	in->regular = true;
	in->time_s = st.st_mtime > 0 ? (uint64_t)st.st_mtime : 0;
	in->start = (uint64_t)start;
	in->size = st.st_size > start ? (uint64_t)(st.st_size - start) : 0;
	/* Advice: a kernel that does not take it reads all the same. */
	(void)posix_fadvise(in->fd, start, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

int input_open(const char *path, struct input **ret_in, struct err *e)
{
	struct input *in = xcalloc(1, sizeof(*in));
	in->fd = -1;
	in->spool = -1;
	int rc = open_path(path, in, e);
	if (rc < 0) {
		input_close(in);
		return rc;
	}
	in->block = xmalloc(IN_BLOCK);
	*ret_in = in;
	return 0;
}

static void drop_spool(struct input *in)
{
	if (in->spool >= 0)
		close(in->spool);
	in->spool = -1;
	in->spool_size = 0;
	in->reading_spool = false;
}

void input_close(struct input *in)
{
	if (!in)
		return;
	decompress_close(in->d);
	drop_spool(in);
	if (in->owns_fd)
		close(in->fd);
	free(in->block);
	free(in->name);
	free(in);
}

static int spool_open(struct input *in, struct err *e)
{
	const char *dir = getenv("TMPDIR");
	if (!dir || !*dir)
		dir = "/tmp";
	in->spool = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (in->spool >= 0)
		return 0;
	/* Not every file system has O_TMPFILE. */
	char path[4096];
	int n = snprintf(path, sizeof(path), "%s/dribble-XXXXXX", dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return err_set(e, ERR_LIMIT, "%s: cannot be kept: TMPDIR is too long", in->name);
	in->spool = mkostemp(path, O_CLOEXEC);
	if (in->spool < 0)
		return err_sys(e, errno, "%s: cannot be kept in %s", in->name, dir);
	unlink(path);
	return 0;
}

static int spool_write(struct input *in, struct bytes data, struct err *e)
{
	if (in->spool < 0) {
		int rc = spool_open(in, e);
		if (rc < 0)
			return rc;
	}
	while (data.n) {
		ssize_t n = pwrite(in->spool, data.p, data.n, (off_t)in->spool_size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, n < 0 ? errno : ENOSPC, "%s: cannot be kept in $TMPDIR",
				       in->name);
		data = bytes_of(data.p + n, data.n - (size_t)n);
		in->spool_size += (uint64_t)n;
	}
	return 0;
}

/* After a failed read: whether it is worth another try. Standard input may have been made
 * non-blocking by whoever gave it to us. */
static bool try_again(const struct input *in)
{
	struct pollfd wait = {.fd = in->fd, .events = POLLIN};
	if (errno == EAGAIN && poll(&wait, 1, -1) >= 0)
		return true;
	return errno == EINTR && !(in->stop && *in->stop);
}

/* Reads behind what is in the block, once. Returns the octets, 0 at the end, or a negative error.
 */
static ssize_t read_more(struct input *in, size_t at, struct err *e)
{
	uint8_t *to = in->block + at;
	ssize_t n;
	if (in->reading_spool && in->offset == in->spool_size) {
		in->reading_spool = false;
		if (!in->spooling)
			drop_spool(in);
	}
	do {
		n = in->reading_spool ? pread(in->spool, to, IN_BLOCK - at, (off_t)in->offset)
				      : read(in->fd, to, IN_BLOCK - at);
	} while (n < 0 && try_again(in));
	if (n < 0 && errno == EINTR)
		return err_set(e, ERR_CANCELLED, "%s: interrupted", in->name);
	if (n < 0) {
		in->failed = true;
		return err_sys(e, errno, "%s", in->name);
	}
	in->offset += (uint64_t)n;
	if (in->regular || in->reading_spool || n == 0)
		return n;
	/* What was not spooled leaves a hole: from then on spooling is of no use. */
	if (in->spooling && in->pipe_read == in->spool_size) {
		int rc = spool_write(in, bytes_of(to, (size_t)n), e);
		if (rc < 0)
			return rc;
	}
	in->pipe_read += (uint64_t)n;
	return n;
}

/* Fills the block; the first time with enough to tell the compression. 1, 0 at the end, or an
 * error. */
static int fill(struct input *in, struct err *e)
{
	size_t n = 0, enough = in->d ? 1 : COMPRESSION_MAGIC;
	while (n < enough) {
		ssize_t got = read_more(in, n, e);
		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	in->rest = bytes_of(in->block, n);
	if (!in->d) {
		in->kind = compression_of(in->rest);
		in->d = decompress_open(in->kind);
	}
	return n > 0;
}

int input_read(struct input *in, struct bytes *ret_run, struct err *e)
{
	struct err inner = {""};
	if (in->run.n) {
		*ret_run = in->run;
		in->run = bytes_of(NULL, 0);
		return 1;
	}
	for (;;) {
		int rc = in->d ? decompress_next(in->d, &in->rest, ret_run, &inner) : 0;
		if (rc > 0)
			return rc;
		if (rc < 0)
			return err_set(e, rc, "%s: %s", in->name, inner.text);
		rc = fill(in, e);
		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		rc = decompress_finish(in->d, &inner);
		return rc < 0 ? err_set(e, rc, "%s: %s", in->name, inner.text) : 0;
	}
}

void input_stop_on(struct input *in, const volatile sig_atomic_t *flag)
{
	in->stop = flag;
}

void input_spool(struct input *in, bool on)
{
	in->spooling = on && !in->regular;
}

int input_rewind(struct input *in, struct err *e)
{
	if (in->regular) {
		if (lseek(in->fd, (off_t)in->start, SEEK_SET) < 0)
			return err_sys(e, errno, "%s", in->name);
	} else if (in->pipe_read != in->spool_size) {
		return err_set(e, ERR_UNSUPPORTED, "%s: cannot be read a second time", in->name);
	}
	in->reading_spool = !in->regular && in->spool_size > 0;
	in->offset = 0;
	in->rest = bytes_of(NULL, 0);
	in->run = bytes_of(NULL, 0);
	decompress_close(in->d);
	in->d = NULL;
	return 0;
}

int input_skip(struct input *in, uint64_t n, struct err *e)
{
	struct bytes run = bytes_of(NULL, 0);
	int rc = fill(in, e);
	if (rc < 0)
		return rc;
	if (in->regular && in->kind == COMPRESSION_NONE && n <= in->size) {
		in->rest = bytes_of(NULL, 0);
		in->offset = n;
		if (lseek(in->fd, (off_t)(in->start + n), SEEK_SET) < 0)
			return err_sys(e, errno, "%s", in->name);
		return 0;
	}
	while (n) {
		rc = input_read(in, &run, e);
		if (rc < 0)
			return rc;
		if (rc == 0)
			return err_set(e, ERR_USAGE,
				       "%s: is shorter than where reading should go on", in->name);
		size_t used = run.n < n ? run.n : (size_t)n;
		n -= used;
		in->run = bytes_of(run.p + used, run.n - used);
	}
	return 0;
}

uint64_t input_size(const struct input *in)
{
	return in->size;
}

uint64_t input_offset(const struct input *in)
{
	return in->offset - in->rest.n;
}

uint64_t input_time_s(const struct input *in)
{
	return in->time_s;
}

bool input_failed(const struct input *in)
{
	return in->failed;
}

const char *input_name(const struct input *in)
{
	return in->name;
}
