/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A flipped bit at any place of a small store: a process of its own opens it, reads all, and
 * verifies it. It says what is wrong or reads what was there, and it never dies.
 * tests/crash/test_flips.py does likewise with larger stores, from outside. */
#include "store_kit.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STEP = 97 }; /* of so many octets one is tried, unless DRIBBLE_CRASH says all */

/* How a child ends. */
enum verdict { RIGHT, TOLD, TOLD_BY_VERIFY, NO_NAME, WRONG_ROWS };

struct file {
	char path[600];
	off_t size;
};

struct files {
	struct file file[64];
	size_t n;
};

static void find(struct files *to, const char *dir)
{
	DIR *d = opendir(dir);
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));) {
		struct file *f = &to->file[to->n];
		struct stat st;
		snprintf(f->path, sizeof(f->path), "%.300s/%s", dir, entry->d_name);
		if (entry->d_name[0] == '.' || strncmp(entry->d_name, "LO", 2) == 0 ||
		    stat(f->path, &st) != 0)
			continue; /* LOG and LOCK are for people and processes */
		f->size = st.st_size;
		if (S_ISDIR(st.st_mode)) {
			char below[sizeof(f->path)];
			memcpy(below, f->path, sizeof(below));
			find(to, below);
		} else if (st.st_size) {
			to->n++;
		}
		assert_true(to->n < 64);
	}
	closedir(d);
}

static bool names(const struct err *e, const char *path)
{
	return strstr(e->text, strrchr(path, '/') + 1) != NULL;
}

/* In the child. */
static enum verdict look(const char *uri, const char *path, struct bytes rows)
{
	struct store *s = NULL;
	struct scan *sc;
	struct bytes key, value;
	struct buffer found = BUFFER_INIT;
	struct err e = {""};
	if (store_open(uri, STORE_READ, NULL, &s, &e) < 0)
		return names(&e, path) ? TOLD : NO_NAME;
	int rc = scan_begin(s, &sc, &e);
	if (rc == 0)
		rc = scan_seek(sc, bytes_str("\x01"), &key, &value, &e);
	for (; rc == 1; rc = scan_next(sc, &key, &value, &e)) {
		buffer_put_bytes(&found, key);
		buffer_put_bytes(&found, value);
	}
	if (rc < 0)
		return names(&e, path) ? TOLD : NO_NAME;
	if (!bytes_eq(buffer_bytes(&found), rows))
		return WRONG_ROWS;
	if (store_verify(s, &e) < 0)
		return names(&e, path) ? TOLD_BY_VERIFY : NO_NAME;
	return RIGHT;
}

static void flip(const char *path, off_t at, uint8_t mask)
{
	uint8_t octet;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &octet, 1, at), 1);
	octet ^= mask;
	assert_int_equal(pwrite(fd, &octet, 1, at), 1);
	close(fd);
}

static int try_flip(const struct kit *k, const struct file *f, off_t at, uint8_t mask,
		    struct bytes rows)
{
	int status;
	flip(f->path, at, mask);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(look(k->uri, f->path, rows));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	flip(f->path, at, mask);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_covered(const char *path, bool closed)
{
	return closed || (!strstr(path, "/OPTIONS-") && !strstr(path, "/IDENTITY"));
}

static void flip_all(const struct kit *k, bool closed)
{
	const char *mode = getenv("DRIBBLE_CRASH");
	bool all = mode && strcmp(mode, "all") == 0;
	struct files files = {.n = 0};
	struct kit_random random = {7};
	char dir[300];
	size_t tried = 0, told = 0;
	snprintf(dir, sizeof(dir), "%.250s/store", k->dir);
	find(&files, dir);
	/* What a process finds that nothing was done to. */
	struct store *s = kit_open(k->uri, STORE_READ);
	struct scan *sc = kit_scan(s);
	struct bytes key, value;
	int rc = scan_seek(sc, bytes_str("\x01"), &key, &value, NULL);
	struct buffer text = BUFFER_INIT;
	for (; rc == 1; rc = scan_next(sc, &key, &value, NULL)) {
		buffer_put_bytes(&text, key);
		buffer_put_bytes(&text, value);
	}
	scan_end(sc);
	store_close(s);
	for (size_t i = 0; i < files.n; i++) {
		const struct file *f = &files.file[i];
		off_t at = all ? 0 : (off_t)kit_below(&random, STEP);
		for (; at < f->size; at += all ? 1 : 1 + (off_t)kit_below(&random, 2 * STEP)) {
			uint8_t mask = (uint8_t)(1u << kit_below(&random, 8));
			int verdict = try_flip(k, f, at, mask, buffer_bytes(&text));
			bool good = verdict == TOLD || verdict == TOLD_BY_VERIFY ||
				    (verdict == RIGHT && !is_covered(f->path, closed));
			if (!good)
				fail_msg("%s: octet %lld of %lld, bit %x: verdict %d", f->path,
					 (long long)at, (long long)f->size, mask, verdict);
			tried++;
			told += verdict != RIGHT;
		}
	}
	buffer_release(&text);
	printf("# %zu octets tried, %zu told\n", tried, told);
	assert_true(told > 0);
}

static int setup(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, "rocksdb");
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	kit_end(*state);
	free(*state);
	return 0;
}

static void fill(struct kit *k)
{
	kit_run(k->s, LARGE, "!n=1 a=1@1-1 b=2@1-3");
	kit_run(k->s, SMALL, "!m=1 b=1@1-9 c=5@1-3");
	kit_reopen(k);
	kit_run(k->s, SMALL, "!o=1 c=1@1-9 d=5@1-3");
}

static void a_store_that_was_closed(void **state)
{
	struct kit *k = *state;
	fill(k);
	store_close(k->s);
	k->s = NULL;
	flip_all(k, true);
}

/* A copy of what lies on disk while it is open is what a killed process leaves. */
static void a_store_that_was_not_closed(void **state)
{
	struct kit *k = *state, copy = {.engine = "rocksdb"};
	char command[1024];
	fill(k);
	kit_begin(&copy, NULL);
	snprintf(command, sizeof(command), "cp -r '%s/store' '%s/store'", k->dir, copy.dir);
	assert_int_equal(system(command), 0);
	snprintf(copy.uri, sizeof(copy.uri), "%.250s/store", copy.dir);
	flip_all(&copy, false);
	kit_end(&copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_store_that_was_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(a_store_that_was_not_closed, setup, teardown),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
