/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What store.h promises of a store that lies on disk: opening, other processes, damage. Other
 * processes are this program again, in a role (see main). */
#include "store_kit.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "store/rocks.h"

static int setup(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, "rocksdb");
	*state = k;
	return 0;
}

static int setup_folder(void **state)
{
	struct kit *k = xcalloc(1, sizeof(*k));
	kit_begin(k, NULL);
	*state = k;
	return 0;
}

static int teardown(void **state)
{
	kit_end(*state);
	free(*state);
	return 0;
}

static char path_text[1024];

static const char *in(const struct kit *k, const char *name)
{
	snprintf(path_text, sizeof(path_text), "%s/%s", k->dir, name);
	return path_text;
}

static void touch(const char *path)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs("x", f);
	fclose(f);
}

static int entries(const char *dir)
{
	DIR *d = opendir(dir);
	int n = 0;
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

/* --- other processes --- */

struct child {
	pid_t pid;
	FILE *to, *from;
};

static struct child child_start(const char *role, const char *uri)
{
	int to[2], from[2];
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	struct child c = {.pid = fork()};
	assert_true(c.pid >= 0);
	if (c.pid == 0) {
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl("/proc/self/exe", "test_store_rocksdb", role, uri, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	c.to = fdopen(to[1], "w");
	c.from = fdopen(from[0], "r");
	return c;
}

/* What the child says next: a number. */
static int child_answer(struct child *c)
{
	int n = 12345;
	assert_int_equal(fscanf(c->from, "%d", &n), 1);
	return n;
}

static int child_ask(struct child *c, const char *command)
{
	fprintf(c->to, "%s\n", command);
	fflush(c->to);
	return child_answer(c);
}

static void child_end(struct child *c, int kill_it)
{
	int status;
	if (kill_it)
		kill(c->pid, SIGKILL);
	fclose(c->to); /* the end of its orders */
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	fclose(c->from);
	if (!kill_it)
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void say(int n)
{
	printf("%d\n", n);
	fflush(stdout);
}

/* Opens, says how that went, and obeys: s and l write rows in a small or large run, c compacts. */
static int role_writer(const char *uri)
{
	char line[512];
	struct store *s = NULL;
	struct err e;
	int rc = store_open(uri, STORE_CREATE, NULL, &s, &e);
	say(rc);
	while (rc == 0 && fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == 'c')
			rc = store_compact(s, &e);
		else
			kit_run(s, line[0] == 'l' ? LARGE : SMALL, line + 2);
		say(rc);
	}
	store_close(s);
	return 0;
}

/* Runs without pause, each adding one to a and to z, and says the number of each when it is
 * committed. */
_Noreturn static void role_busy(const char *uri)
{
	struct store *s = kit_open(uri, STORE_CREATE);
	for (int i = 1;; i++) {
		if (i % 3 == 0) {
			kit_run(s, LARGE, "a=1@1-1 z=1@1-1");
		} else if (i % 7 == 0) { /* a log that comes and goes */
			kit_run(s, SMALL, "a=1@1-1 z=1@1-1");
			store_compact(s, NULL);
		} else {
			kit_run(s, SMALL, "a=1@1-1 z=1@1-1");
		}
		say(i);
	}
}

/* Says how opening goes without the superuser's powers. */
static int role_nobody(const char *uri, enum store_mode mode)
{
	struct store *s = NULL;
	if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
		return 1;
	say(store_open(uri, mode, NULL, &s, NULL));
	store_close(s);
	return 0;
}

/* --- opening --- */

static void uris(void **state)
{
	struct kit *k = *state;
	static const char *const wrong[] = {"",          "rocksdb:",          "memory:x",
					    "oracle:db", "http://127.0.0.1/", "file:/tmp/x"};
	struct err e;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++)
			assert_int_equal(kit_refused(wrong[i], mode, &e), ERR_USAGE);
	}
	char *plain = xstrdup(in(k, "with:colon/")), *full = xstrdup(in(k, "with:colon"));
	struct store *s = kit_open(plain, STORE_CREATE);
	assert_string_equal(store_path(s), full);
	kit_run(s, SMALL, "a=1@1-1");
	store_close(s);
	s = kit_open(full, STORE_READ);
	kit_assert(s, "a=1@1-1");
	store_close(s);
	store_close(NULL);
	s = kit_open("memory:", STORE_CREATE);
	assert_null(store_path(s));
	store_close(s);
	free(plain);
	free(full);
}

static void a_relative_path_will_do(void **state)
{
	struct kit *k = *state;
	char *before = getcwd(NULL, 0);
	assert_non_null(before);
	assert_int_equal(chdir(k->dir), 0);
	struct store *s = kit_open("here", STORE_CREATE);
	kit_run(s, LARGE, "a=1@1-1");
	assert_int_equal(store_verify(s, NULL), 0);
	store_close(s);
	assert_int_equal(chdir(before), 0);
	free(before);
	s = kit_open(in(k, "here"), STORE_READ);
	kit_assert(s, "a=1@1-1");
	store_close(s);
}

static void only_create_makes_a_store(void **state)
{
	struct kit *k = *state;
	struct err e;
	for (int round = 0; round < 2; round++) { /* nothing there; an empty folder */
		assert_int_equal(kit_refused(k->uri, STORE_READ, &e), ERR_NOTFOUND);
		assert_non_null(strstr(e.text, "/store"));
		assert_int_equal(kit_refused(k->uri, STORE_WRITE, &e), ERR_NOTFOUND);
		assert_int_equal(entries(k->dir), round);
		if (round)
			assert_int_equal(entries(in(k, "store")), 0);
		mkdir(in(k, "store"), 0700);
	}
	store_close(kit_open(k->uri, STORE_CREATE));
	store_close(kit_open(k->uri, STORE_READ));
	store_close(kit_open(k->uri, STORE_WRITE));
	assert_int_equal(kit_refused(in(k, "none/deeper/store"), STORE_CREATE, &e), ERR_NOTFOUND);
}

static void a_file_or_foreign_folder_is_no_store(void **state)
{
	struct kit *k = *state;
	touch(in(k, "file"));
	mkdir(in(k, "foreign"), 0700);
	touch(in(k, "foreign/letter"));
	for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++) {
		assert_int_equal(kit_refused(in(k, "file"), mode, NULL), ERR_USAGE);
		assert_int_equal(kit_refused(in(k, "foreign"), mode, NULL),
				 mode == STORE_CREATE ? ERR_USAGE : ERR_NOTFOUND);
	}
	assert_int_equal(entries(in(k, "foreign")), 1);
	/* The accounts may be there first, and what a file system keeps at its top is nobody's. */
	mkdir(in(k, "ours"), 0700);
	touch(in(k, "ours/accounts"));
	store_close(kit_open(in(k, "ours"), STORE_CREATE));
	mkdir(in(k, "mounted"), 0700);
	mkdir(in(k, "mounted/lost+found"), 0700);
	store_close(kit_open(in(k, "mounted"), STORE_CREATE));
}

static void everything_is_there_after_a_reopen(void **state)
{
	struct kit *k = *state;
	static const uint64_t expects[] = {SMALL, LARGE};
	for (int i = 0; i < 2; i++) {
		kit_run(k->s, expects[i], "!n=1 a=1@5-5 b=1@5-5");
		kit_reopen(k);
		kit_run(k->s, expects[i], "!n=2 a=1@4-4 c=1@5-5");
		assert_int_equal(store_forget(k->s, bytes_str("\x01n"), NULL), 0);
		kit_reopen(k);
		kit_reopen(k);
	}
	kit_assert(k->s, "a=4@4-5 b=2@5-5 c=2@5-5");
	kit_run(k->s, SMALL, "!n=3");
	assert_int_equal(store_compact(k->s, NULL), 0);
	kit_reopen(k);
	kit_assert(k->s, "!n=3 a=4@4-5 b=2@5-5 c=2@5-5");
	assert_int_equal(store_verify(k->s, NULL), 0);
}

/* Writes the note of the key layout's version (dribble-keys(5)) into a closed store, or takes it
 * away. */
static void set_version(const struct kit *k, const char *version)
{
	const struct bytes key = bytes_of("\0version", 8);
	struct rocks *r = NULL;
	assert_int_equal(rocks_open(in(k, "store/rocksdb"), false, 1 << 20, 1, &r, NULL), 0);
	struct rocks_batch *b = rocks_batch_new();
	if (version)
		rocks_batch_put(b, key, bytes_str(version));
	else
		rocks_batch_delete(b, key);
	assert_int_equal(rocks_write(r, b, NULL), 0);
	rocks_batch_free(b);
	rocks_close(r);
}

static void close_store(struct kit *k)
{
	store_close(k->s);
	k->s = NULL;
}

static void another_layout_is_refused(void **state)
{
	struct kit *k = *state;
	static const char *const versions[] = {"99", "1", ""};
	static const char *const makers[] = {"a newer dribble", "an older dribble", "an older dribble"};
	struct err e = {""};
	kit_run(k->s, SMALL, "a=1@1-1");
	close_store(k);
	for (int i = 0; i < 3; i++) {
		set_version(k, versions[i]);
		for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++) {
			assert_int_equal(kit_refused(k->uri, mode, &e), ERR_VERSION);
			assert_non_null(strstr(e.text, versions[i]));
			assert_non_null(strstr(e.text, makers[i]));
		}
	}
}

static void a_store_without_a_version_is_refused(void **state)
{
	struct kit *k = *state;
	kit_run(k->s, SMALL, "a=1@1-1");
	close_store(k);
	set_version(k, NULL);
	for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++)
		assert_int_equal(kit_refused(k->uri, mode, NULL), ERR_VERSION);
}

static void a_store_that_is_just_being_made_is_not_there_yet(void **state)
{
	struct kit *k = *state;
	close_store(k);
	set_version(k, NULL);
	assert_int_equal(kit_refused(k->uri, STORE_READ, NULL), ERR_NOTFOUND);
	k->s = kit_open(k->uri, STORE_WRITE); /* whoever writes goes on */
	kit_run(k->s, SMALL, "a=1@1-1");
	struct store *s = kit_open(k->uri, STORE_READ);
	kit_assert(s, "a=1@1-1");
	store_close(s);
}

static void what_is_not_permitted_is_denied(void **state)
{
	struct kit *k = *state;
	static const enum store_mode modes[] = {STORE_READ, STORE_WRITE, STORE_CREATE};
	static const char *const roles[] = {"nobody-read", "nobody-write", "nobody-create"};
	kit_run(k->s, SMALL, "a=1@1-1");
	close_store(k);
	if (chmod(k->dir, 0755) != 0 || chmod(in(k, "store"), 0) != 0)
		fail();
	for (int i = 0; i < 3; i++) {
		struct child c = child_start(roles[i], k->uri);
		assert_int_equal(child_answer(&c), ERR_DENIED);
		child_end(&c, 0);
		if (getuid() != 0)
			assert_int_equal(kit_refused(k->uri, modes[i], NULL), ERR_DENIED);
	}
	chmod(in(k, "store"), 0555);
	struct child c = child_start("nobody-read", k->uri); /* needs no right to write */
	assert_int_equal(child_answer(&c), 0);
	child_end(&c, 0);
	chmod(in(k, "store/rocksdb"), 0555);
	c = child_start("nobody-write", k->uri);
	assert_int_equal(child_answer(&c), ERR_DENIED);
	child_end(&c, 0);
	chmod(in(k, "store/rocksdb"), 0755);
	chmod(k->dir, 0555);
	char *other = xstrdup(in(k, "other"));
	c = child_start("nobody-create", other);
	assert_int_equal(child_answer(&c), ERR_DENIED);
	child_end(&c, 0);
	free(other);
	chmod(k->dir, 0755);
	chmod(in(k, "store"), 0755);
}

/* --- beside other processes --- */

static void one_process_writes(void **state)
{
	struct kit *k = *state;
	struct err e;
	struct child c = child_start("writer", k->uri);
	assert_int_equal(child_answer(&c), 0);
	assert_int_equal(child_ask(&c, "s a=1@1-1"), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(kit_refused(k->uri, i ? STORE_WRITE : STORE_CREATE, &e), ERR_BUSY);
		assert_non_null(strstr(e.text, "/store"));
	}
	assert_int_equal(child_ask(&c, "l b=1@1-1"), 0); /* it was not disturbed */
	child_end(&c, 0);
	k->s = kit_open(k->uri, STORE_WRITE);
	kit_assert(k->s, "a=1@1-1 b=1@1-1");
	c = child_start("writer", k->uri);
	assert_int_equal(child_answer(&c), ERR_BUSY);
	child_end(&c, 0);
	assert_int_equal(kit_refused(k->uri, STORE_WRITE, NULL), ERR_BUSY); /* the same process */
	kit_run(k->s, SMALL, "a=1@1-1");
	close_store(k);
	c = child_start("writer", k->uri);
	assert_int_equal(child_answer(&c), 0);
	child_end(&c, 1); /* dies: what it held is free */
	k->s = kit_open(k->uri, STORE_WRITE);
	kit_assert(k->s, "a=2@1-1 b=1@1-1");
}

static void readers_see_what_was_durable_when_they_opened(void **state)
{
	struct kit *k = *state;
	struct child c = child_start("writer", k->uri);
	assert_int_equal(child_answer(&c), 0);
	assert_int_equal(child_ask(&c, "s !n=1 a=1@1-1"), 0);
	struct store *one = kit_open(k->uri, STORE_READ);
	assert_int_equal(child_ask(&c, "l a=1@2-2 b=1@1-1"), 0);
	struct store *two = kit_open(k->uri, STORE_READ);
	assert_int_equal(child_ask(&c, "s !n=2 a=1@3-3 b=1@1-1"), 0);
	struct store *three = kit_open(k->uri, STORE_READ);
	for (int i = 0; i < 2; i++) { /* also when the writer has replaced every file */
		kit_assert(one, "!n=1 a=1@1-1");
		kit_assert(two, "!n=1 a=2@1-2 b=1@1-1");
		kit_assert(three, "!n=2 a=3@1-3 b=2@1-1");
		assert_int_equal(child_ask(&c, "c"), 0);
		assert_int_equal(child_ask(&c, "l a=1@9-9 c=1@1-1"), 0);
		assert_int_equal(child_ask(&c, "c"), 0);
	}
	child_end(&c, 1);
	kit_assert(two, "!n=1 a=2@1-2 b=1@1-1");
	store_close(one);
	store_close(two);
	store_close(three);
}

static void readers_cannot_write(void **state)
{
	struct kit *k = *state;
	struct run *run = NULL;
	struct err e;
	kit_run(k->s, LARGE, "!n=1 a=1@1-1");
	struct store *s = kit_open(k->uri, STORE_READ);
	e.text[0] = '\0';
	assert_int_equal(run_begin(s, SMALL, &run, &e), ERR_USAGE);
	assert_true(e.text[0] != '\0');
	assert_int_equal(run_begin(s, LARGE, &run, NULL), ERR_USAGE);
	assert_null(run);
	assert_int_equal(store_forget(s, bytes_str("\x01n"), &e), ERR_USAGE);
	assert_int_equal(store_compact(s, &e), ERR_USAGE);
	assert_int_equal(store_verify(s, &e), 0);
	struct store_figures f;
	assert_int_equal(store_figures(s, &f, &e), 0);
	assert_int_equal(f.rows, 1);
	kit_assert(s, "!n=1 a=1@1-1");
	store_close(s);
	kit_assert(k->s, "!n=1 a=1@1-1");
}

/* Says so with every row of what was committed before it began to open. */
static void readers_open_while_the_writer_is_busy(void **state)
{
	struct kit *k = *state;
	struct child c = child_start("busy", k->uri);
	uint64_t answered = 0, seen = 0;
	char *line = NULL;
	size_t room = 0;
	for (int i = 0; i < 60; i++) {
		for (int n = 0; n < 4; n++) {
			assert_true(getline(&line, &room, c.from) > 0);
			answered = (uint64_t)atoll(line);
		}
		struct store *s = kit_open(k->uri, STORE_READ);
		struct scan *sc = kit_scan(s);
		struct bytes key, value;
		struct value a, z;
		assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, NULL), 1);
		assert_int_equal(value_decode(value, &a), 0);
		assert_int_equal(scan_seek(sc, bytes_str("z"), &key, &value, NULL), 1);
		assert_int_equal(value_decode(value, &z), 0);
		assert_true(a.seen.count == z.seen.count);
		assert_true(a.seen.count >= answered && a.seen.count >= seen);
		seen = a.seen.count;
		scan_end(sc);
		store_close(s);
	}
	free(line);
	child_end(&c, 1);
}

/* opendir of everybody here goes through this one: the writer can be made to act just before a
 * folder is read. */
static struct {
	struct child *writer;
	int left; /* calls until it acts; 0: it does not */
} before_list;

__attribute__((visibility("default"))) DIR *opendir(const char *path)
{
	static DIR *(*real)(const char *);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "opendir");
	size_t n = strlen(path);
	if (before_list.left && n > 8 && strcmp(path + n - 8, "/rocksdb") == 0 &&
	    --before_list.left == 0) {
		child_ask(before_list.writer,
			  "l a=1@2-2"); /* lies over what is in the log: which goes */
		child_ask(before_list.writer, "c");
	}
	return real(path);
}

/* As is open: before the first table is opened, the writer merges all tables, and the one that is
 * asked for is gone. */
static struct child *before_table;

__attribute__((visibility("default"))) int open(const char *path, int flags, ...)
{
	static int (*real)(const char *, int, ...);
	va_list ap;
	va_start(ap, flags);
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
	va_end(ap);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "open");
	if (before_table && strstr(path, ".table")) {
		struct child *writer = before_table;
		before_table = NULL;
		child_ask(writer, "l a=1@1-1");
		child_ask(writer, "c");
	}
	return real(path, flags, mode);
}

static void a_table_may_go_before_it_is_opened(void **state)
{
	struct kit *k = *state;
	struct child c = child_start("writer", k->uri);
	assert_int_equal(child_answer(&c), 0);
	assert_int_equal(child_ask(&c, "l a=1@1-1 b=1@1-1"), 0);
	before_table = &c;
	struct store *s = kit_open(k->uri, STORE_READ);
	assert_null(before_table);
	kit_assert(s, "a=2@1-1 b=1@1-1");
	store_close(s);
	child_end(&c, 0);
}

static void no_row_is_missed_while_a_log_goes(void **state)
{
	struct kit *k = *state;
	struct child c = child_start("writer", k->uri);
	int acted = 0;
	assert_int_equal(child_answer(&c), 0);
	before_list.writer = &c;
	for (int call = 1; call <= 6; call++) {
		assert_int_equal(child_ask(&c, "s a=1@1-1 log=1@1-1"), 0);
		before_list.left = call;
		struct store *s = kit_open(k->uri, STORE_READ);
		acted += before_list.left == 0;
		before_list.left = 0;
		struct scan *sc = kit_scan(s);
		char expected[64];
		char *rest = kit_rest(sc, bytes_str("log"));
		snprintf(expected, sizeof(expected), "log=%d@1-1", call);
		assert_string_equal(rest, expected);
		free(rest);
		scan_end(sc);
		store_close(s);
	}
	assert_true(acted >= 2); /* else it is not what happens any more: see open_to_read */
	child_end(&c, 0);
}

/* --- files --- */

static void runs_that_are_not_committed_leave_no_files(void **state)
{
	struct kit *k = *state;
	char *tables = xstrdup(in(k, "store/tables"));
	struct run *a = kit_run_begin(k->s, LARGE), *b = kit_run_begin(k->s, LARGE);
	kit_write(a, "!n=1 a=1@1-1 | b=1@1-1");
	kit_write(b, "!n=1 a=1@1-1 | b=1@1-1");
	assert_true(entries(tables) > 0);
	run_abort(a);
	run_abort(b);
	assert_int_equal(entries(tables), 0);
	a = kit_run_begin(k->s, LARGE);
	kit_write(a, "b=1@1-1");
	assert_int_equal(kit_add(a, bytes_str("a"), 1, 1, 1), ERR_USAGE);
	run_abort(a);
	run_abort(kit_run_begin(k->s, LARGE));
	kit_commit(kit_run_begin(k->s, LARGE));
	assert_int_equal(entries(tables), 0);
	free(tables);
}

static void files_that_are_not_needed_any_more_go(void **state)
{
	struct kit *k = *state;
	char *tables = xstrdup(in(k, "store/tables"));
	for (int i = 0; i < 3; i++)
		kit_run(k->s, LARGE, "a=1@1-1");
	struct scan *sc = kit_scan(k->s);
	assert_int_equal(store_compact(k->s, NULL), 0);
	assert_in_range(entries(tables), 2, 4); /* what a scan still reads */
	kit_assert_scan(sc, "a=3@1-1");
	scan_end(sc);
	assert_int_equal(entries(tables), 1);
	assert_int_equal(store_compact(k->s, NULL), 0);
	assert_int_equal(entries(tables), 1);
	free(tables);
}

static void what_a_crash_left_is_removed(void **state)
{
	struct kit *k = *state;
	char *tables = xstrdup(in(k, "store/tables"));
	kit_run(k->s, LARGE, "a=1@1-1");
	close_store(k);
	assert_int_equal(entries(tables), 1);
	touch(in(k, "store/tables/00000002.table"));
	touch(in(k, "store/tables/00000077.table"));
	struct store *s = kit_open(k->uri, STORE_READ);
	assert_int_equal(entries(tables), 3); /* a reader leaves alone what may be at work */
	store_close(s);
	k->s = kit_open(k->uri, STORE_WRITE);
	assert_int_equal(entries(tables), 1);
	kit_run(k->s, LARGE, "a=1@1-1");
	kit_assert(k->s, "a=2@1-1");
	free(tables);
}

/* A crash between a table's coming alive and the end of the rows that it was made from. */
static void fresh_rows_that_became_a_table_go(void **state)
{
	struct kit *k = *state;
	const struct bytes first = bytes_str("F"),
			   row = bytes_of("R\0\0\0\0a", 6); /* dribble-keys(5) */
	struct rocks *r = NULL;
	struct buffer value = BUFFER_INIT;
	kit_run(k->s, SMALL, "a=1@1-1");
	assert_int_equal(store_compact(k->s, NULL), 0);
	kit_run(k->s, SMALL, "a=1@1-1 b=1@1-1");
	close_store(k);
	assert_int_equal(rocks_open(in(k, "store/rocksdb"), false, 1 << 20, 1, &r, NULL), 0);
	assert_int_equal(rocks_get(r, first, &value, NULL), 1); /* area 0 counts no more */
	struct rocks_batch *b = rocks_batch_new();
	buffer_clear(&value);
	kit_value(&value, 7, 7, 7);
	rocks_batch_merge(b, row, buffer_bytes(&value));
	assert_int_equal(rocks_write(r, b, NULL), 0);
	rocks_batch_free(b);
	rocks_close(r);
	struct store *s = kit_open(k->uri, STORE_READ);
	kit_assert(s, "a=2@1-1 b=1@1-1");
	store_close(s);
	k->s = kit_open(k->uri, STORE_WRITE);
	kit_assert(k->s, "a=2@1-1 b=1@1-1");
	close_store(k);
	assert_int_equal(rocks_open(in(k, "store/rocksdb"), true, 1 << 20, 1, &r, NULL), 0);
	assert_int_equal(rocks_get(r, row, &value, NULL), 0);
	rocks_close(r);
	buffer_release(&value);
}

enum { BATCH = 20000, BATCHES = 30 };

/* Small runs, of which the same rows come again. */
static void *write_many(void *arg)
{
	struct store *s = arg;
	for (int i = 0; i < 2 * BATCHES; i++) {
		struct run *r = NULL;
		bool good = run_begin(s, BATCH, &r, NULL) == 0;
		for (int n = 0; n < BATCH; n++) {
			char key[16];
			snprintf(key, sizeof(key), "k%07d", (i % BATCHES) * BATCH + n);
			good = good && kit_add(r, bytes_str(key), 1, 1, 1) == 0;
		}
		if (!good || run_commit(r, NULL) != 0)
			abort();
	}
	return NULL;
}

/* Whatever becomes a table meanwhile, scans see all that was committed. */
static void many_fresh_rows_become_a_table(void **state)
{
	struct kit *k = *state;
	pthread_t threads[2];
	struct timespec until;
	struct store_figures f;
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_many, k->s), 0);
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += 60;
	while (entries(in(k, "store/tables")) ==
	       0) { /* so many rows are enough for one */
		struct timespec now, moment = {.tv_nsec = 10000000};
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > until.tv_sec)
			fail_msg("they do not become a table");
		nanosleep(&moment, NULL);
	}
	for (int round = 0; round < 3; round++) {
		struct scan *sc = kit_scan(k->s);
		struct bytes key, value;
		struct value v;
		int n = 0, rc = scan_seek(sc, bytes_str("k"), &key, &value, NULL);
		for (; rc == 1; rc = scan_next(sc, &key, &value, NULL), n++) {
			assert_int_equal(value_decode(value, &v), 0);
			assert_int_equal(v.seen.count, 4);
		}
		assert_int_equal(rc, 0);
		assert_int_equal(n, BATCHES * BATCH);
		scan_end(sc);
		if (round == 0)
			kit_reopen(k);
		if (round == 1)
			assert_int_equal(store_compact(k->s, NULL), 0);
	}
	assert_int_equal(store_figures(k->s, &f, NULL), 0);
	assert_int_equal(f.rows, BATCHES * BATCH);
	assert_int_equal(entries(in(k, "store/tables")), 1);
}

/* A disk that takes no more: files may not grow over a size. */
static void a_run_that_cannot_be_written_leaves_nothing(void **state)
{
	struct kit *k = *state;
	struct rlimit before, small;
	struct kit_random random = {5};
	struct err e = {""};
	uint8_t rdata[1000];
	kit_run(k->s, SMALL, "a=1@1-1");
	assert_int_equal(store_compact(k->s, NULL), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = before;
	small.rlim_cur = 300000;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	struct run *r = kit_run_begin(k->s, LARGE);
	struct buffer value = BUFFER_INIT;
	int rc = 0;
	for (int i = 0; i < 3000 && rc == 0; i++) {
		char key[16];
		struct value v = {.seen = {.count = 1}, .rdata = bytes_of(rdata, sizeof(rdata))};
		for (size_t n = 0; n < sizeof(rdata); n++)
			rdata[n] = (uint8_t)kit_random(&random);
		snprintf(key, sizeof(key), "k%05d", i);
		buffer_clear(&value);
		value_encode(&v, &value);
		rc = run_add(r, bytes_str(key), buffer_bytes(&value), &e);
	}
	if (rc == 0)
		rc = run_commit(r, &e);
	else
		run_abort(r);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(rc, ERR_IO);
	assert_true(e.text[0] != '\0');
	assert_int_equal(entries(in(k, "store/tables")), 1);
	kit_assert(k->s, "a=1@1-1");
	kit_run(k->s, LARGE, "a=1@1-1");
	kit_reopen(k);
	kit_assert(k->s, "a=2@1-1");
	buffer_release(&value);
}

/* --- damage --- */

enum { DAMAGE_ROWS = 15000 };

/* Rows in two tables and rows that are fresh; values that say which row they are. */
static void fill(struct store *s)
{
	for (int part = 0; part < 3; part++) {
		struct run *r = kit_run_begin(s, part < 2 ? LARGE : SMALL);
		for (int i = part; i < DAMAGE_ROWS; i += 3) {
			char key[16];
			snprintf(key, sizeof(key), "k%05d", i);
			assert_int_equal(kit_add(r, bytes_str(key), (uint64_t)i + 1, (uint64_t)i,
						 1000000 + i),
					 0);
		}
		kit_commit(r);
		if (part == 0)
			assert_int_equal(store_compact(s, NULL), 0);
	}
}

/* Scans all: 0 when it is whole, else the error; what it gives up to then is right. */
static int scan_all(struct store *s, struct err *e)
{
	struct bytes key, value;
	struct scan *sc = kit_scan(s);
	int n = 0, rc = scan_seek(sc, bytes_str("k"), &key, &value, e);
	for (; rc == 1; rc = scan_next(sc, &key, &value, e), n++) {
		char expected[16];
		struct value v;
		snprintf(expected, sizeof(expected), "k%05d", n);
		assert_true(bytes_eq(key, bytes_str(expected)));
		assert_int_equal(value_decode(value, &v), 0);
		assert_int_equal(v.seen.count, n + 1);
		assert_int_equal(v.seen.first_s, n);
		assert_int_equal(v.seen.last_s, 1000000 + n);
	}
	if (rc < 0) { /* and it stays so: an error does not turn into an end */
		assert_true(scan_next(sc, &key, &value, NULL) < 0);
		assert_true(scan_next(sc, &key, &value, NULL) < 0);
	}
	scan_end(sc);
	if (rc == 0)
		assert_int_equal(n, DAMAGE_ROWS);
	return rc;
}

/* Opens, scans and verifies: the first error, or 0. */
static int read_all(const struct kit *k, struct err *e)
{
	struct store *s = NULL;
	int rc = store_open(k->uri, STORE_READ, NULL, &s, e);
	if (rc < 0)
		return rc;
	rc = scan_all(s, e);
	if (rc == 0) /* what a scan does not need may be damaged all the same */
		rc = store_verify(s, e);
	else
		assert_true(store_verify(s, NULL) < 0);
	store_close(s);
	return rc;
}

static void flip(const char *path, off_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t c;
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &c, 1, at), 1);
	c ^= 0x41;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	close(fd);
}

static off_t size_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

struct file {
	char name[64], path[700];
};

/* The files of a folder of the store whose names have a part. */
static int files(const struct kit *k, const char *folder, const char *part, struct file *ret,
		 int max)
{
	char path[600];
	snprintf(path, sizeof(path), "%s/store/%s", k->dir, folder);
	DIR *d = opendir(path);
	int n = 0;
	assert_non_null(d);
	for (struct dirent *entry; (entry = readdir(d)) && n < max;) {
		if (!strstr(entry->d_name, part))
			continue;
		snprintf(ret[n].name, sizeof(ret[n].name), "%.63s", entry->d_name);
		snprintf(ret[n].path, sizeof(ret[n].path), "%s/%.63s", path, entry->d_name);
		n++;
	}
	closedir(d);
	return n;
}

static void every_flipped_octet_of_a_table_is_told(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	fill(k->s);
	close_store(k);
	assert_int_equal(files(k, "tables", ".table", f, 4), 2);
	for (int i = 0; i < 2; i++) {
		off_t size = size_of(f[i].path);
		for (off_t at = 0; at < size; at += at < 20 || at > size - 100 ? 1 : size / 60) {
			struct err e = {""};
			flip(f[i].path, at);
			int rc = read_all(k, &e);
			if (rc != ERR_CORRUPT || !strstr(e.text, f[i].name))
				fail_msg("%s at %lld of %lld: %d %s", f[i].name, (long long)at,
					 (long long)size, rc, e.text);
			flip(f[i].path, at);
		}
	}
	assert_int_equal(read_all(k, NULL), 0);
}

/* Octets that mean nothing may be flipped, others are told. */
static void flipped_octets_of_fresh_rows_are_told(void **state)
{
	struct kit *k = *state;
	struct file f[8];
	fill(k->s);
	close_store(k);
	int n = files(k, "rocksdb", ".sst", f, 8), told = 0, tried = 0;
	assert_in_range(n, 1, 8);
	for (int i = 0; i < n; i++) {
		off_t size = size_of(f[i].path);
		for (off_t at = 3; at < size; at += size / 41 + 1, tried++) {
			struct err e = {""};
			flip(f[i].path, at);
			int rc = read_all(k, &e);
			assert_true(rc == 0 || rc == ERR_CORRUPT);
			if (rc) /* what is wrong in its last octets is said of the list of files */
				assert_true(strstr(e.text, f[i].name) ||
					    strstr(e.text, "MANIFEST"));
			told += rc != 0;
			flip(f[i].path, at);
		}
	}
	assert_true(told * 10 >= tried * 7);
	assert_int_equal(read_all(k, NULL), 0);
}

static void damage_is_seen_behind_what_is_cached(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	struct err e = {""};
	fill(k->s);
	assert_int_equal(scan_all(k->s, &e), 0);
	assert_int_equal(store_verify(k->s, &e), 0);
	assert_int_equal(files(k, "tables", ".table", f, 4), 2);
	off_t size = size_of(f[0].path);
	const off_t at[] = {3, 12, 100, size / 2, size - 60, size - 5};
	for (int i = 0; i < 6; i++) {
		flip(f[0].path, at[i]);
		assert_int_equal(store_verify(k->s, &e), ERR_CORRUPT);
		assert_non_null(strstr(e.text, f[0].name));
		flip(f[0].path, at[i]);
		assert_int_equal(store_verify(k->s, &e), 0);
	}
}

static void cut_and_missing_files_are_told(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	struct err e;
	fill(k->s);
	close_store(k);
	for (int kind = 0; kind < 2; kind++) {
		assert_true(files(k, kind ? "tables" : "rocksdb", kind ? ".table" : ".sst", f, 4) >
			    0);
		const char *aside = in(k, "aside");
		assert_int_equal(rename(f[0].path, aside), 0);
		for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++)
			assert_int_equal(kit_refused(k->uri, mode, &e), ERR_CORRUPT);
		assert_int_equal(rename(in(k, "aside"), f[0].path), 0);
		assert_int_equal(read_all(k, NULL), 0);
	}
	for (int i = 0; i < 4; i++) {
		assert_int_equal(
			truncate(f[0].path, i == 3 ? 0 : size_of(f[0].path) - (i == 1 ? 100 : 1)),
			0);
		assert_int_equal(read_all(k, &e), ERR_CORRUPT);
		assert_non_null(strstr(e.text, f[0].name));
		assert_int_equal(kit_refused(k->uri, STORE_WRITE, &e), ERR_CORRUPT);
	}
}

/* Whole, but not what was written under that name. */
static void a_table_in_the_place_of_another_is_told(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	struct err e;
	fill(k->s);
	kit_run(k->s, LARGE, "other=1@1-1");
	close_store(k);
	assert_int_equal(files(k, "tables", ".table", f, 4), 3);
	char *aside = xstrdup(in(k, "aside"));
	rename(f[0].path, aside);
	rename(f[1].path, f[0].path);
	rename(f[2].path, f[1].path);
	rename(aside, f[2].path);
	assert_int_equal(kit_refused(k->uri, STORE_READ, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, ".table"));
	free(aside);
}

static void a_missing_or_damaged_manifest_is_told(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	fill(k->s);
	close_store(k);
	assert_int_equal(files(k, "rocksdb", "MANIFEST", f, 4), 1);
	for (off_t at = 0; at < size_of(f[0].path); at += 13) {
		struct err e = {""};
		flip(f[0].path, at);
		int rc = read_all(k, &e);
		if (rc != ERR_CORRUPT)
			fail_msg("manifest at %lld: %d %s", (long long)at, rc, e.text);
		flip(f[0].path, at);
	}
	assert_int_equal(read_all(k, NULL), 0);
	assert_int_equal(unlink(f[0].path), 0);
	for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++)
		assert_int_equal(kit_refused(k->uri, mode, NULL), ERR_CORRUPT);
	assert_int_equal(unlink(in(k, "store/rocksdb/CURRENT")),
			 0); /* not to be taken for a new one */
	for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++)
		assert_int_equal(kit_refused(k->uri, mode, NULL), ERR_CORRUPT);
}

/* RocksDB takes a list of files that ends early for what a crash left, and opens an earlier state. */
static void a_store_at_rest_is_not_younger_than_it_was_left(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	struct err e = {""};
	fill(k->s);
	kit_run(k->s, SMALL, "last=1@1-1");
	assert_int_not_equal(access(in(k, "store/at-rest"), F_OK), 0); /* while somebody writes */
	close_store(k);
	assert_int_equal(access(in(k, "store/at-rest"), F_OK), 0);
	assert_int_equal(files(k, "rocksdb", "MANIFEST", f, 4), 1);
	assert_int_equal(truncate(f[0].path, size_of(f[0].path) - 20), 0);
	for (enum store_mode mode = STORE_READ; mode <= STORE_CREATE; mode++) {
		assert_int_equal(kit_refused(k->uri, mode, &e), ERR_CORRUPT);
		assert_non_null(strstr(e.text, "rocksdb"));
	}
}

/* A log that ends in the middle of a run is what a crash leaves; one that is damaged before its end
 * is damage. */
static void the_log_may_end_early_but_not_be_damaged(void **state)
{
	struct kit *k = *state;
	struct file f[8];
	struct child c = child_start("writer", k->uri);
	assert_int_equal(child_answer(&c), 0);
	assert_int_equal(child_ask(&c, "s !n=1 a=1@1-1 b=1@1-1"), 0);
	assert_int_equal(files(k, "rocksdb", ".log", f, 8), 1);
	off_t first = size_of(f[0].path);
	assert_int_equal(child_ask(&c, "s !n=2 a=1@1-1 c=1@1-1"), 0);
	off_t second = size_of(f[0].path);
	assert_true(second > first + 10);
	child_end(&c, 1);
	flip(f[0].path, first - 5);
	assert_int_equal(kit_refused(k->uri, STORE_READ, NULL), ERR_CORRUPT);
	assert_int_equal(kit_refused(k->uri, STORE_WRITE, NULL), ERR_CORRUPT);
	flip(f[0].path, first - 5);
	for (off_t size = second; size >= first; size--) {
		assert_int_equal(truncate(f[0].path, size), 0);
		struct store *s = kit_open(k->uri, STORE_READ);
		kit_assert(s, size == second ? "!n=2 a=2@1-1 b=1@1-1 c=1@1-1"
					     : "!n=1 a=1@1-1 b=1@1-1");
		store_close(s);
	}
	k->s = kit_open(k->uri, STORE_WRITE);
	kit_assert(k->s, "!n=1 a=1@1-1 b=1@1-1");
	kit_run(k->s, SMALL, "c=1@1-1");
	kit_reopen(k);
	kit_assert(k->s, "!n=1 a=1@1-1 b=1@1-1 c=1@1-1");
}

/* Not from a disk, which has checksums, but from a program that wrote nonsense. */
static void values_that_do_not_decode_are_told(void **state)
{
	struct kit *k = *state;
	struct bytes key, value;
	struct err e = {""};
	kit_run(k->s, SMALL, "a=1@1-1 c=1@1-1");
	struct run *r = kit_run_begin(k->s, SMALL);
	static const uint8_t nonsense[] = {0xff, 0xff, 0xff};
	if (run_add(r, bytes_str("b"), bytes_of(nonsense, 3), &e) != 0) { /* may well be refused */
		run_abort(r);
		return;
	}
	assert_int_equal(run_add(r, bytes_str("c"), bytes_of(nonsense, 3), &e), 0);
	kit_commit(r);
	struct scan *sc = kit_scan(k->s);
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), 1);
	assert_int_equal(scan_next(sc, &key, &value, &e), ERR_CORRUPT);
	assert_int_equal(scan_seek(sc, bytes_str("c"), &key, &value, &e), ERR_CORRUPT);
	assert_int_equal(scan_seek(sc, bytes_str("a"), &key, &value, &e), 1);
	scan_end(sc);
	assert_int_equal(store_verify(k->s, &e), ERR_CORRUPT);
	assert_int_equal(store_compact(k->s, &e), ERR_CORRUPT);
}

static void compacting_tells_damage(void **state)
{
	struct kit *k = *state;
	struct file f[4];
	struct err e = {""};
	fill(k->s);
	assert_int_equal(files(k, "tables", ".table", f, 4), 2);
	off_t middle = size_of(f[0].path) / 2;
	flip(f[0].path, middle);
	assert_int_equal(store_compact(k->s, &e), ERR_CORRUPT);
	assert_non_null(strstr(e.text, f[0].name));
	assert_true(scan_all(k->s, NULL) != 0); /* nothing was thrown away, nothing made up */
	flip(f[0].path, middle);
	assert_int_equal(scan_all(k->s, NULL), 0);
	assert_int_equal(store_compact(k->s, &e), 0);
	assert_int_equal(scan_all(k->s, NULL), 0);
	kit_reopen(k);
	assert_int_equal(scan_all(k->s, NULL), 0);
}

int main(int argc, char **argv)
{
#define TEST(setup, name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(setup_folder, uris),
		TEST(setup_folder, a_relative_path_will_do),
		TEST(setup_folder, only_create_makes_a_store),
		TEST(setup_folder, a_file_or_foreign_folder_is_no_store),
		TEST(setup, everything_is_there_after_a_reopen),
		TEST(setup, another_layout_is_refused),
		TEST(setup, a_store_without_a_version_is_refused),
		TEST(setup, a_store_that_is_just_being_made_is_not_there_yet),
		TEST(setup, what_is_not_permitted_is_denied),
		TEST(setup_folder, one_process_writes),
		TEST(setup_folder, readers_see_what_was_durable_when_they_opened),
		TEST(setup, readers_cannot_write),
		TEST(setup_folder, readers_open_while_the_writer_is_busy),
		TEST(setup_folder, no_row_is_missed_while_a_log_goes),
		TEST(setup_folder, a_table_may_go_before_it_is_opened),
		TEST(setup, runs_that_are_not_committed_leave_no_files),
		TEST(setup, files_that_are_not_needed_any_more_go),
		TEST(setup, what_a_crash_left_is_removed),
		TEST(setup, fresh_rows_that_became_a_table_go),
		TEST(setup, many_fresh_rows_become_a_table),
		TEST(setup, a_run_that_cannot_be_written_leaves_nothing),
		TEST(setup, every_flipped_octet_of_a_table_is_told),
		TEST(setup, flipped_octets_of_fresh_rows_are_told),
		TEST(setup, damage_is_seen_behind_what_is_cached),
		TEST(setup, cut_and_missing_files_are_told),
		TEST(setup, a_table_in_the_place_of_another_is_told),
		TEST(setup, a_missing_or_damaged_manifest_is_told),
		TEST(setup, a_store_at_rest_is_not_younger_than_it_was_left),
		TEST(setup_folder, the_log_may_end_early_but_not_be_damaged),
		TEST(setup, values_that_do_not_decode_are_told),
		TEST(setup, compacting_tells_damage),
	};
	if (argc == 3 && strcmp(argv[1], "writer") == 0)
		return role_writer(argv[2]);
	if (argc == 3 && strcmp(argv[1], "busy") == 0)
		role_busy(argv[2]);
	if (argc == 3 && strcmp(argv[1], "nobody-read") == 0)
		return role_nobody(argv[2], STORE_READ);
	if (argc == 3 && strcmp(argv[1], "nobody-write") == 0)
		return role_nobody(argv[2], STORE_WRITE);
	if (argc == 3 && strcmp(argv[1], "nobody-create") == 0)
		return role_nobody(argv[2], STORE_CREATE);
	signal(SIGPIPE, SIG_IGN);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
