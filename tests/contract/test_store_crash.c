/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A run is all or nothing and durable when its commit returns 0, whenever the process is killed,
 * the power fails or a call of the operating system fails. The process that writes is this program
 * again, and the calls by which it and RocksDB change files go through the functions below: at a
 * given one of them it dies, halfway through what it was writing, or the call fails.
 *
 * What a power failure leaves is made from what was not synced: files lose the octets behind the
 * size that they were synced with, and names lose what was done to them since their folder was. */
#include "store_kit.h"

#include <dlfcn.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNS = 22, PATH_ROOM = 200, CHANGES_MAX = 4000, FILES_MAX = 4000 };

enum what { MADE, MADE_FOLDER, RENAMED, REMOVED };

/* Something that was done to a name. */
struct change {
	enum what what;
	bool durable;
	char path[PATH_ROOM], from[PATH_ROOM];
	bool kept; /* what was there before is kept under KEPT/number */
};

struct synced {
	ino_t inode;
	off_t size;
};

/* What the one that dies and the one that looks after it share. */
struct journal {
	atomic_int calls;
	int die_at;  /* a call; 0: none */
	int fail_at; /* likewise */
	atomic_int lock;
	int n_changes, n_files;
	struct change changes[CHANGES_MAX];
	struct synced files[FILES_MAX];
};

static struct journal *journal; /* NULL: calls are as always */
static char base[PATH_ROOM];    /* the folder that is watched */

/* --- calls that are watched --- */

#define REAL(name)                                                                                 \
	static __typeof__(&name) real;                                                             \
	if (!real)                                                                                 \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

static bool is_watched(const char *path)
{
	return journal && strncmp(path, base, strlen(base)) == 0;
}

static bool fd_path(int fd, char *to)
{
	char link[64];
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, to, PATH_ROOM - 1);
	to[n > 0 ? n : 0] = '\0';
	return n > 0 && is_watched(to);
}

static bool fd_is_watched(int fd)
{
	char path[PATH_ROOM];
	return journal && fd_path(fd, path);
}

static void lock(void)
{
	int free = 0;
	while (!atomic_compare_exchange_weak(&journal->lock, &free, 1))
		free = 0;
}

static void unlock(void)
{
	atomic_store(&journal->lock, 0);
}

enum fate { GOES_ON, FAILS, DIES };

static enum fate next_call(void)
{
	int call = atomic_fetch_add(&journal->calls, 1) + 1;
	return call == journal->die_at ? DIES : call == journal->fail_at ? FAILS : GOES_ON;
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* Dies, or returns false when the call is to fail. */
static bool may_go_on(void)
{
	enum fate fate = next_call();
	if (fate == DIES)
		die();
	if (fate == FAILS)
		errno = EIO;
	return fate == GOES_ON;
}

/* Keeps what a name stands for before it goes. */
static bool keep(const char *path, int number)
{
	char kept[PATH_ROOM + 32];
	snprintf(kept, sizeof(kept), "%s.kept/%d", base, number);
	return link(path, kept) == 0;
}

static void note_change(enum what what, const char *path, const char *from)
{
	lock();
	if (journal->n_changes == CHANGES_MAX)
		abort();
	struct change *c = &journal->changes[journal->n_changes];
	*c = (struct change){.what = what};
	snprintf(c->path, sizeof(c->path), "%s", path);
	snprintf(c->from, sizeof(c->from), "%s", from ? from : "");
	struct stat st;
	if ((what == RENAMED || what == REMOVED) && stat(path, &st) == 0 && S_ISREG(st.st_mode))
		c->kept = keep(path, journal->n_changes);
	journal->n_changes++;
	unlock();
}

static struct synced *synced_of(ino_t inode)
{
	for (int i = 0; i < journal->n_files; i++) {
		if (journal->files[i].inode == inode)
			return &journal->files[i];
	}
	if (journal->n_files == FILES_MAX)
		abort();
	journal->files[journal->n_files] = (struct synced){inode, 0};
	return &journal->files[journal->n_files++];
}

/* A new file has the number of one that is gone, perhaps. */
static void note_made(const char *path)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return;
	lock();
	synced_of(st.st_ino)->size = 0;
	unlock();
	note_change(MADE, path, NULL);
}

static bool lies_in(const char *path, const char *folder)
{
	const char *slash = strrchr(path, '/');
	size_t n = (size_t)(slash - path);
	return n == strlen(folder) && memcmp(path, folder, n) == 0;
}

static void note_synced(int fd)
{
	struct stat st;
	char path[PATH_ROOM];
	if (fstat(fd, &st) != 0 || !fd_path(fd, path))
		return;
	lock();
	if (S_ISREG(st.st_mode))
		synced_of(st.st_ino)->size = st.st_size;
	for (int i = 0; i < journal->n_changes && S_ISDIR(st.st_mode); i++) {
		if (lies_in(journal->changes[i].path, path))
			journal->changes[i].durable = true;
	}
	unlock();
}

#define SEEN_BY_LIBRARIES __attribute__((visibility("default")))

static int watched_open(const char *path, int flags, mode_t mode,
			int (*real)(const char *, int, ...))
{
	bool makes = flags & O_CREAT && is_watched(path) && access(path, F_OK) != 0;
	if (makes && !may_go_on())
		return -1;
	int fd = real(path, flags, mode);
	if (fd >= 0 && makes)
		note_made(path);
	return fd;
}

int plain_open(const char *path, int flags, ...) __asm__("open") SEEN_BY_LIBRARIES;
int plain_open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open");
	return watched_open(path, flags, mode, real);
}

int large_open(const char *path, int flags, ...) __asm__("open64") SEEN_BY_LIBRARIES;
int large_open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open64");
	return watched_open(path, flags, mode, real);
}

SEEN_BY_LIBRARIES ssize_t write(int fd, const void *p, size_t n)
{
	REAL(write);
	if (!fd_is_watched(fd))
		return real(fd, p, n);
	enum fate fate = next_call();
	if (fate != GOES_ON && n > 1 && real(fd, p, n / 2) < 0) /* half of it */
		return -1;
	if (fate == DIES)
		die();
	if (fate == FAILS) {
		errno = EIO;
		return -1;
	}
	return real(fd, p, n);
}

SEEN_BY_LIBRARIES ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	static ssize_t (*real)(int, const void *, size_t, off_t);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pwrite64");
	if (fd_is_watched(fd) && !may_go_on())
		return -1;
	return real(fd, p, n, at);
}

SEEN_BY_LIBRARIES int fsync(int fd)
{
	REAL(fsync);
	bool watched = fd_is_watched(fd);
	if (watched && !may_go_on())
		return -1;
	int rc = real(fd);
	if (watched && rc == 0)
		note_synced(fd);
	return rc;
}

SEEN_BY_LIBRARIES int fdatasync(int fd)
{
	REAL(fdatasync);
	bool watched = fd_is_watched(fd);
	if (watched && !may_go_on())
		return -1;
	int rc = real(fd);
	if (watched && rc == 0)
		note_synced(fd);
	return rc;
}

SEEN_BY_LIBRARIES int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir);
	bool watched = is_watched(path) && access(path, F_OK) != 0;
	if (watched && !may_go_on())
		return -1;
	int rc = real(path, mode);
	if (watched && rc == 0)
		note_change(MADE_FOLDER, path, NULL);
	return rc;
}

SEEN_BY_LIBRARIES int rename(const char *from, const char *path)
{
	REAL(rename);
	if (is_watched(path)) {
		if (!may_go_on())
			return -1;
		note_change(RENAMED, path, from);
	}
	return real(from, path);
}

SEEN_BY_LIBRARIES int unlink(const char *path)
{
	REAL(unlink);
	if (is_watched(path)) {
		if (!may_go_on())
			return -1;
		note_change(REMOVED, path, NULL);
	}
	return real(path);
}

SEEN_BY_LIBRARIES int unlinkat(int folder, const char *name, int flags)
{
	REAL(unlinkat);
	char path[PATH_ROOM];
	if (journal && fd_path(folder, path)) {
		if (!may_go_on())
			return -1;
		size_t n = strlen(path);
		snprintf(path + n, sizeof(path) - n, "/%s", name);
		note_change(REMOVED, path, NULL);
	}
	return real(folder, name, flags);
}

/* --- the one that writes --- */

static void say(int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%d\n", n);
	if (write(1, text, (size_t)len) != len)
		_exit(3);
}

/* Of the run number i: notes and rows in both ways, in one batch or two. */
static void put_rows(char *to, size_t room, int i)
{
	snprintf(to, room, "!n=%d a=1@%d-%d k%d=1@1-1 %sz=1@%d-%d", i, 100 - i, 100 + i, i % 5,
		 i % 4 == 0 ? "| a=1@1-1 " : "", 100 - i, 100 + i);
}

static int run_number(struct store *s, int i)
{
	char rows[128];
	struct run *r;
	struct err e;
	put_rows(rows, sizeof(rows), i);
	int rc = run_begin(s, i % 3 ? SMALL : LARGE, &r, &e);
	if (rc < 0)
		return rc;
	char *rest = rows;
	for (char *row; rc == 0 && (row = strsep(&rest, " "));) {
		char *value = strchr(row, '=');
		int first, last;
		if (*row == '|') {
			rc = run_restart(r, &e);
			continue;
		}
		*value++ = '\0';
		if (*row == '!')
			rc = kit_put(r, row + 1, value);
		else if (sscanf(value, "1@%d-%d", &first, &last) == 2)
			rc = kit_add(r, bytes_str(row), 1, (uint64_t)first, (uint64_t)last);
	}
	if (rc == 0)
		return run_commit(r, &e);
	run_abort(r);
	return rc;
}

/* Does all runs from the one behind the last that is in; says the number of each. The first that
 * fails is the last. */
static int role_work(const char *folder)
{
	const struct store_options opt = {.cache_bytes = 1 << 20, .threads = 2};
	char path[PATH_ROOM + 32];
	struct store *s = NULL;
	snprintf(base, sizeof(base), "%s/w", folder);
	snprintf(path, sizeof(path), "%s/journal", folder);
	int fd = open(path, O_RDWR);
	journal = mmap(NULL, sizeof(*journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (journal == MAP_FAILED)
		return 2;
	close(fd);
	snprintf(path, sizeof(path), "rocksdb:%s/w/store", folder);
	int rc = store_open(path, STORE_CREATE, &opt, &s, NULL);
	if (rc == 0)
		say(0);
	for (int i = 1; i <= RUNS && rc == 0; i++) {
		rc = run_number(s, i);
		if (rc == 0)
			say(i);
		if (rc == 0 && i % 8 == 7)
			store_compact(s, NULL); /* may fail: nothing is lost by it */
		if (rc == 0 && i % 11 == 10) {
			store_close(s);
			s = NULL;
			rc = store_open(path, STORE_WRITE, &opt, &s, NULL);
		}
	}
	store_close(s);
	return 0;
}

/* --- the one that looks after it --- */

struct world {
	struct kit k; /* its folder holds the journal and w, which is watched */
	struct journal *journal;
	char store[PATH_ROOM];
};

static void world_begin(struct world *w)
{
	char path[PATH_ROOM + 64];
	kit_begin(&w->k, NULL);
	snprintf(w->store, sizeof(w->store), "%.150s/w/store", w->k.dir);
	snprintf(path, sizeof(path), "%s/w", w->k.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/w.kept", w->k.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/journal", w->k.dir);
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, sizeof(*w->journal)), 0);
	w->journal = mmap(NULL, sizeof(*w->journal), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(w->journal != MAP_FAILED);
	close(fd);
}

static void world_end(struct world *w)
{
	munmap(w->journal, sizeof(*w->journal));
	kit_end(&w->k);
}

enum trouble { NONE, KILL, POWER, FAILURE };

static bool ended_as_it_should(const struct journal *j, int status, enum trouble trouble)
{
	if (j->die_at && j->calls >= j->die_at)
		return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
	if (trouble == FAILURE && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
		return true; /* Debian's RocksDB asserts that failures come one at a time: so be it,
				if nothing is lost */
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Runs it. Returns the last number it said, -1 when it said none. */
static int work(struct world *w, enum trouble trouble)
{
	int from[2], status, last = -1, n;
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);
		dup2(from[1], 1);
		if (trouble == FAILURE)
			dup2(null, 2); /* it says what failed */
		execl("/proc/self/exe", "test_store_crash", "work", w->k.dir, (char *)NULL);
		_exit(127);
	}
	close(from[1]);
	FILE *f = fdopen(from[0], "r");
	while (fscanf(f, "%d", &n) == 1)
		last = n;
	fclose(f);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!ended_as_it_should(w->journal, status, trouble))
		fail_msg("the writer ended with status %x after run %d", status, last);
	return last;
}

static void undo(const struct world *w, int i)
{
	const struct change *c = &w->journal->changes[i];
	char kept[PATH_ROOM + 128];
	snprintf(kept, sizeof(kept), "%s/w.kept/%d", w->k.dir, i);
	switch (c->what) {
	case MADE:
		unlink(c->path);
		break;
	case MADE_FOLDER:
		kit_remove(c->path);
		break;
	case RENAMED:
		rename(c->path, c->from);
		if (c->kept)
			rename(kept, c->path);
		break;
	case REMOVED:
		if (c->kept)
			rename(kept, c->path);
		break;
	}
}

static const struct journal *cutting;

static int cut(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)at;
	off_t size = 0;
	if (what != FTW_F)
		return 0;
	for (int i = 0; i < cutting->n_files; i++) {
		if (cutting->files[i].inode == st->st_ino)
			size = cutting->files[i].size;
	}
	return st->st_size > size && truncate(path, size) != 0;
}

/* What was not synced is gone: all of it, or the later part. */
static void fail_power(struct world *w, struct kit_random *random)
{
	struct journal *j = w->journal;
	int keep = kit_below(random, 2) ? 0 : (int)kit_below(random, (uint64_t)j->n_changes + 1);
	for (int i = j->n_changes; i-- > keep;) {
		if (!j->changes[i].durable)
			undo(w, i);
	}
	cutting = j;
	char path[PATH_ROOM + 64];
	snprintf(path, sizeof(path), "%s/w", w->k.dir);
	assert_int_equal(nftw(path, cut, 16, FTW_PHYS), 0);
}

/* What the store must hold when runs up to a number are in. */
static char *expected(int runs)
{
	struct store *s = kit_open("memory:", STORE_CREATE);
	for (int i = 1; i <= runs; i++)
		assert_int_equal(run_number(s, i), 0);
	struct scan *sc = kit_scan(s);
	char *rows = kit_rest(sc, bytes_str("\x01"));
	scan_end(sc);
	store_close(s);
	return rows;
}

/* The store is there when it was said to be, and holds what was said to be in it, and at most one
 * run more. */
static void assert_sound(struct world *w, int said, const char *how)
{
	struct store *s = NULL;
	struct err e = {""};
	int rc = store_open(w->store, said >= 0 ? STORE_WRITE : STORE_CREATE, NULL, &s, &e);
	if (rc < 0)
		fail_msg("%s: after run %d: %s", how, said, e.text);
	struct scan *sc = kit_scan(s);
	char *found = kit_rest(sc, bytes_str("\x01"));
	char *this = expected(said > 0 ? said : 0), *next = expected(said > 0 ? said + 1 : 1);
	if (strcmp(found, this) != 0 && strcmp(found, next) != 0)
		fail_msg("%s: after run %d: %s", how, said, found);
	scan_end(sc);
	if (store_verify(s, &e) != 0 || store_compact(s, &e) != 0)
		fail_msg("%s: after run %d: %s", how, said, e.text);
	kit_assert(s, found);
	kit_run(s, LARGE, "more=1@1-1");
	kit_run(s, SMALL, "more=1@1-1");
	store_close(s);
	struct store *again = kit_open(w->store, STORE_READ);
	sc = kit_scan(again);
	char *more = kit_rest(sc, bytes_str("more"));
	assert_non_null(strstr(more, "more=2@1-1"));
	free(more);
	scan_end(sc);
	store_close(again);
	free(found);
	free(this);
	free(next);
}

static int points(void)
{
	const char *text = getenv("DRIBBLE_CRASH_POINTS"); /* to try more of them than there is time
							      for in every test */
	return text ? atoi(text) : 40;
}

static int calls_of_an_undisturbed_run(void)
{
	struct world w;
	world_begin(&w);
	assert_int_equal(work(&w, NONE), RUNS);
	int calls = w.journal->calls;
	assert_sound(&w, RUNS, "undisturbed");
	world_end(&w);
	assert_true(calls > 100);
	return calls;
}

static void trouble_at_many_points(enum trouble trouble)
{
	struct kit_random random = {(uint64_t)trouble + 1};
	int calls = calls_of_an_undisturbed_run(), n = points();
	for (int i = 0; i < n; i++) {
		struct world w;
		char how[64];
		int call = 1 + (int)((uint64_t)calls * (uint64_t)i / (uint64_t)n) +
			   (int)kit_below(&random, (uint64_t)(calls / n) + 1);
		world_begin(&w);
		*(trouble == FAILURE ? &w.journal->fail_at : &w.journal->die_at) = call;
		snprintf(how, sizeof(how), "%s at call %d",
			 trouble == FAILURE ? "failure" : "death", call);
		int said = work(&w, trouble);
		if (trouble == POWER)
			fail_power(&w, &random);
		assert_sound(&w, said, how);
		world_end(&w);
	}
}

static void runs_are_whole_when_the_process_is_killed(void **state)
{
	(void)state;
	trouble_at_many_points(KILL);
}

static void runs_are_whole_when_the_power_fails(void **state)
{
	(void)state;
	trouble_at_many_points(POWER);
}

static void runs_are_whole_when_a_call_fails(void **state)
{
	(void)state;
	trouble_at_many_points(FAILURE);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_are_whole_when_the_process_is_killed),
		cmocka_unit_test(runs_are_whole_when_the_power_fails),
		cmocka_unit_test(runs_are_whole_when_a_call_fails),
	};
	if (argc == 3 && strcmp(argv[1], "work") == 0)
		return role_work(argv[2]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
