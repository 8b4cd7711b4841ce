/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A store that stays open while calls of the system fail, and goes on when they do not any more;
 * and merging beside what cannot be merged. The calls go through the functions below. */
#include "store_kit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* --- calls that fail --- */

enum { WRITES = 1, SYNCS = 2, CREATES = 4 };

static atomic_int failing;                    /* which of them */
static atomic_int failing_as;                 /* errno */
static _Atomic(const char *) failing_in = ""; /* paths with that in them */
static atomic_bool no_room;

static bool path_fails(int which, const char *path)
{
	if (!(failing & which) || !strstr(path, failing_in) || !strstr(path, "store"))
		return false;
	const char *name = strrchr(path, '/');
	if (name && strncmp(name, "/LOG", 4) == 0) /* for people */
		return false;
	errno = failing_as;
	return true;
}

static bool fails(int which, int fd)
{
	char link[64], path[512];
	if (!(failing & which))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return path_fails(which, path);
}

#define REAL(name)                                                                                 \
	static __typeof__(&name) real;                                                             \
	if (!real)                                                                                 \
	*(void **)&real = dlsym(RTLD_NEXT, #name)
#define SEEN_BY_LIBRARIES __attribute__((visibility("default")))

SEEN_BY_LIBRARIES ssize_t write(int fd, const void *p, size_t n)
{
	REAL(write);
	return fails(WRITES, fd) ? -1 : real(fd, p, n);
}

SEEN_BY_LIBRARIES int fsync(int fd)
{
	REAL(fsync);
	return fails(SYNCS, fd) ? -1 : real(fd);
}

SEEN_BY_LIBRARIES int fdatasync(int fd)
{
	REAL(fdatasync);
	return fails(SYNCS, fd) ? -1 : real(fd);
}

typedef int open_function(const char *, int, ...);

#define OPEN_AS(function, symbol)                                                                  \
	int function(const char *path, int flags, ...) __asm__(symbol) SEEN_BY_LIBRARIES;          \
	int function(const char *path, int flags, ...)                                             \
	{                                                                                          \
		static open_function *real;                                                        \
		va_list ap;                                                                        \
		va_start(ap, flags);                                                               \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;              \
		va_end(ap);                                                                        \
		if (!real)                                                                         \
			*(void **)&real = dlsym(RTLD_NEXT, symbol);                                \
		return flags & O_CREAT && path_fails(CREATES, path) ? -1                           \
								    : real(path, flags, mode);     \
	}

OPEN_AS(open_plain, "open")
OPEN_AS(open_large, "open64")

static void shrink(struct statvfs *fs)
{
	if (no_room)
		fs->f_bavail = 0;
}

typedef int statvfs_function(const char *, struct statvfs *);

#define STATVFS_AS(function, symbol)                                                               \
	int function(const char *path, struct statvfs *fs) __asm__(symbol) SEEN_BY_LIBRARIES;      \
	int function(const char *path, struct statvfs *fs)                                         \
	{                                                                                          \
		static statvfs_function *real;                                                     \
		if (!real)                                                                         \
			*(void **)&real = dlsym(RTLD_NEXT, symbol);                                \
		int rc = real(path, fs);                                                           \
		shrink(fs);                                                                        \
		return rc;                                                                         \
	}

STATVFS_AS(statvfs_plain, "statvfs")
STATVFS_AS(statvfs_large, "statvfs64")

static void break_calls(int which, const char *in, int as)
{
	failing_in = in;
	failing_as = as;
	failing = which;
}

static void heal(void)
{
	failing = 0;
	no_room = false;
}

/* --- stores --- */

static int setup(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, "rocksdb");
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	heal();
	kit_end(*state);
	free(*state);
	return 0;
}

static int try_run(struct store *s, uint64_t expect, const char *rows, struct err *e)
{
	struct run *r;
	int rc = run_begin(s, expect, &r, e);
	if (rc < 0)
		return rc;
	kit_write(r, rows);
	return run_commit(r, e);
}

/* What is in the store, with the first rows or the others. */
static void assert_either(struct store *s, const char *this, const char *that)
{
	struct scan *sc = kit_scan(s);
	char *found = kit_rest(sc, bytes_str("\x01"));
	scan_end(sc);
	if (strcmp(found, this) != 0 && strcmp(found, that) != 0)
		fail_msg("found: %s", found);
	free(found);
}

static int tables_in(const struct kit *k)
{
	char path[400];
	int n = 0;
	snprintf(path, sizeof(path), "%s/store/tables", k->dir);
	DIR *d = opendir(path);
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

/* --- a change that fails --- */

static void goes_on_after(struct kit *k, int which, uint64_t expect, int as)
{
	struct err e = {""};
	kit_run(k->s, SMALL, "!n=1 a=1@1-1");
	break_calls(which, ".log", as);
	int rc = try_run(k->s, expect, "!n=2 a=1@1-1 b=1@1-1", &e);
	assert_int_equal(rc, as == ENOSPC ? ERR_FULL : ERR_IO);
	assert_non_null(strstr(e.text, ".log"));
	heal();
	kit_run(k->s, expect, "a=1@9-9");
	assert_either(k->s, "!n=1 a=2@1-9", "!n=2 a=3@1-9 b=1@1-1");
	struct scan *sc = kit_scan(k->s);
	char *before = kit_rest(sc, bytes_str("\x01"));
	scan_end(sc);
	kit_reopen(k);
	kit_assert(k->s, before);
	assert_int_equal(store_verify(k->s, &e), 0);
	assert_int_equal(store_compact(k->s, &e), 0);
	kit_assert(k->s, before);
	free(before);
}

static void a_small_run_whose_write_fails(void **state)
{
	goes_on_after(*state, WRITES, SMALL, EIO);
}

static void a_small_run_without_room(void **state)
{
	goes_on_after(*state, WRITES, SMALL, ENOSPC);
}

static void a_small_run_whose_sync_fails(void **state)
{
	goes_on_after(*state, SYNCS, SMALL, EIO);
}

static void a_large_run_whose_write_fails(void **state)
{
	struct kit *k = *state;
	goes_on_after(k, WRITES, LARGE, EIO);
	assert_int_equal(tables_in(k), 1);
}

/* What failed is in the log, so it is alive afterwards, with the file that was written for it. */
static void a_large_run_whose_sync_fails(void **state)
{
	struct kit *k = *state;
	goes_on_after(k, SYNCS, LARGE, EIO);
	assert_int_equal(tables_in(k), 1);
}

/* Who looks whether a run that failed is in, and gives it again if not, has it once. */
static void what_is_in_doubt_is_known_when_it_is_asked_for(void **state)
{
	struct kit *k = *state;
	static const int whichs[] = {SYNCS, WRITES};
	static const uint64_t sizes[] = {SMALL, LARGE};
	char note[8], run[32];
	uint64_t count = 0;
	kit_run(k->s, SMALL, "!n=0");
	for (int i = 1; i <= 4; i++) {
		struct bytes key, value;
		snprintf(note, sizeof(note), "%d", i);
		snprintf(run, sizeof(run), "!n=%d a=1@1-1", i);
		break_calls(whichs[i % 2], ".log", EIO);
		assert_int_equal(try_run(k->s, sizes[i / 2 % 2], run, NULL), ERR_IO);
		heal();
		struct scan *sc = kit_scan(k->s);
		assert_int_equal(scan_seek(sc, bytes_str("\x01n"), &key, &value, NULL), 1);
		bool is_in = bytes_eq(value, bytes_str(note));
		scan_end(sc);
		if (!is_in)
			kit_run(k->s, SMALL, run);
		count++;
		char want[64];
		snprintf(want, sizeof(want), "!n=%d a=%d@1-1", i, (int)count);
		kit_assert(k->s, want);
	}
}

static void files_of_runs_that_failed_go(void **state)
{
	struct kit *k = *state;
	kit_run(k->s, LARGE, "a=1@1-1");
	break_calls(WRITES, ".log", ENOSPC);
	assert_int_equal(try_run(k->s, LARGE, "b=1@1-1", NULL), ERR_FULL);
	heal();
	kit_run(k->s, LARGE, "c=1@1-1");
	assert_int_equal(tables_in(k), 2);
	kit_assert(k->s, "a=1@1-1 c=1@1-1");
}

/* --- while it cannot go on --- */

static void rows_are_read_while_there_is_no_room(void **state)
{
	struct kit *k = *state;
	struct err e = {""};
	struct scan *before;
	kit_run(k->s, SMALL, "!n=1 a=1@1-1");
	kit_run(k->s, LARGE, "b=1@1-1");
	assert_int_equal(scan_begin(k->s, &before, NULL), 0);
	break_calls(WRITES | CREATES, "", ENOSPC);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(try_run(k->s, SMALL, "c=1@1-1", &e), ERR_FULL);
		struct scan *sc = kit_scan(k->s);
		char *rows = kit_rest(sc, bytes_str("a"));
		assert_string_equal(rows, "a=1@1-1 b=1@1-1");
		free(rows);
		scan_end(sc);
	}
	struct store_figures figures;
	assert_int_equal(store_figures(k->s, &figures, NULL), 0);
	heal();
	kit_run(k->s, SMALL, "c=1@1-1");
	kit_assert(k->s, "!n=1 a=1@1-1 b=1@1-1 c=1@1-1");
	char *rows = kit_rest(before, bytes_str("a"));
	assert_string_equal(rows, "a=1@1-1 b=1@1-1");
	free(rows);
	scan_end(before);
}

static void who_holds_notes_open_is_not_waited_for_for_ever(void **state)
{
	struct kit *k = *state;
	struct bytes key, value;
	kit_run(k->s, SMALL, "!n=1 a=1@1-1");
	struct scan *sc = kit_scan(k->s);
	assert_int_equal(scan_seek(sc, bytes_str("\x01"), &key, &value, NULL), 1);
	break_calls(WRITES, ".log", EIO);
	assert_int_equal(try_run(k->s, SMALL, "!n=2 a=1@1-1", NULL), ERR_IO);
	heal();
	struct scan *other =
		kit_scan(k->s); /* whether n=2 is in is not known: it must not be told */
	assert_true(scan_seek(other, bytes_str("\x01"), &key, &value, NULL) < 0);
	scan_end(other);
	assert_true(try_run(k->s, SMALL, "b=1@1-1", NULL) < 0);
	scan_end(sc);
	kit_run(k->s, SMALL, "c=1@1-1");
	assert_either(k->s, "!n=1 a=1@1-1 c=1@1-1", "!n=2 a=2@1-1 c=1@1-1");
}

static void a_store_is_closed_while_there_is_no_room(void **state)
{
	struct kit *k = *state;
	kit_run(k->s, SMALL, "a=1@1-1");
	break_calls(WRITES | CREATES, "", ENOSPC);
	assert_int_equal(try_run(k->s, SMALL, "b=1@1-1", NULL), ERR_FULL);
	assert_int_equal(try_run(k->s, SMALL, "b=1@1-1", NULL), ERR_FULL);
	store_close(k->s);
	heal();
	k->s = kit_open(k->uri, STORE_WRITE);
	assert_either(k->s, "a=1@1-1", "a=1@1-1 b=1@1-1");
}

/* --- merging --- */

static void wait_for_tables(const struct kit *k, int n)
{
	int found = tables_in(k); /* counted once: a file of one that is being made may come and go */
	for (int i = 0; i < 20000 && found != n; i++) {
		usleep(1000);
		found = tables_in(k);
	}
	assert_int_equal(found, n);
}

static void tables_are_merged_when_there_is_room(void **state)
{
	struct kit *k = *state;
	struct err e = {""};
	no_room = true;
	kit_run(k->s, LARGE, "a=1@1-1");
	for (int i = 0; i < 5; i++)
		kit_run(k->s, LARGE, "b=1@1-1 c=1@1-1");
	assert_int_equal(store_compact(k->s, &e), ERR_FULL);
	assert_non_null(strstr(e.text, "octets of room"));
	assert_int_equal(tables_in(k), 6);
	kit_assert(k->s, "a=1@1-1 b=5@1-1 c=5@1-1");
	heal(); /* nobody says so: the store looks by itself */
	wait_for_tables(k, 1);
	kit_assert(k->s, "a=1@1-1 b=5@1-1 c=5@1-1");
}

/* Damages the row segment of the table with the least number. */
static void damage_first_table(const struct kit *k)
{
	char path[400];
	uint8_t octet;
	snprintf(path, sizeof(path), "%s/store/tables/00000001.table", k->dir);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &octet, 1, 18), 1);
	octet ^= 8;
	assert_int_equal(pwrite(fd, &octet, 1, 18), 1);
	close(fd);
}

static void a_damaged_table_does_not_stop_merging(void **state)
{
	struct kit *k = *state;
	struct err e = {""};
	kit_run(k->s, LARGE, "a=1@1-1");
	damage_first_table(k);
	for (int i = 0; i < 3; i++)
		kit_run(k->s, LARGE, "b=1@1-1 c=1@1-1");
	wait_for_tables(k, 4); /* they are four, which are merged: that fails */
	kit_run(k->s, LARGE, "d=1@1-1");
	wait_for_tables(k, 2); /* the others */
	struct scan *sc = kit_scan(k->s);
	struct bytes key, value;
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "00000001.table"));
	scan_end(sc);
}

static void compacting_tells_of_a_damaged_table_and_merges_the_others(void **state)
{
	struct kit *k = *state;
	struct err e = {""};
	kit_run(k->s, LARGE, "a=1@1-1");
	damage_first_table(k);
	kit_run(k->s, LARGE, "b=1@1-1 c=1@1-1");
	kit_run(k->s, LARGE, "b=1@1-1 c=1@1-1");
	assert_int_equal(store_compact(k->s, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, "00000001.table"));
	assert_int_equal(tables_in(k), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_small_run_whose_write_fails),
		TEST(a_small_run_without_room),
		TEST(a_small_run_whose_sync_fails),
		TEST(a_large_run_whose_write_fails),
		TEST(a_large_run_whose_sync_fails),
		TEST(what_is_in_doubt_is_known_when_it_is_asked_for),
		TEST(files_of_runs_that_failed_go),
		TEST(rows_are_read_while_there_is_no_room),
		TEST(who_holds_notes_open_is_not_waited_for_for_ever),
		TEST(a_store_is_closed_while_there_is_no_room),
		TEST(tables_are_merged_when_there_is_room),
		TEST(a_damaged_table_does_not_stop_merging),
		TEST(compacting_tells_of_a_damaged_table_and_merges_the_others),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
