/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Preloaded into dribble, it makes the operating system fail: at a given call the process dies, or the call fails.
 *
 * DESIGN: calls that change files below a folder are counted; a small file that is mapped (struct control) says what becomes of
 * which of them, and may be changed while the process runs. All of them go through one lock, so that nothing else happens at
 * the moment of a death. A second file, the trace, gets a line a call: tests/crash/crash.py makes from it what a power failure
 * would have left, of files only what was synced, and of names only what was in a folder when that was.
 *
 *   FAULTS_ROOT     the folder, as /proc/self/fd tells it
 *   FAULTS_CONTROL  the mapped file
 *   FAULTS_TRACE    what happened is appended to it
 *   FAULTS_KEPT     a folder on the same disk, for links to what names stood for before they went
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PATH_ROOM = 512, LINE_ROOM = 4 * PATH_ROOM };

/* What is counted; crash.py has the same list. */
enum kind {
	WRITE = 1 << 0,
	SYNC = 1 << 1,
	SYNC_FOLDER = 1 << 2,
	CREATE = 1 << 3,
	RENAME = 1 << 4,
	UNLINK = 1 << 5,
	TRUNCATE = 1 << 6,
	MKDIR = 1 << 7,
	ALLOCATE = 1 << 8,
	READ = 1 << 9,
	OPEN = 1 << 10,
};

enum action {
	NOTHING,
	DIE_BEFORE,
	DIE_HALFWAY, /* of a write, half is done */
	DIE_AFTER,
	FAIL,         /* with error */
	FAIL_HALFWAY, /* likewise, but half of a write is done */
	SHORT,        /* a write writes half and says so, a read likewise */
};

struct control {
	_Atomic uint64_t calls; /* so far, of the kinds below */
	_Atomic uint64_t from, to; /* calls that action happens to; from 0: none */
	_Atomic uint64_t action, error, kinds;
	_Atomic uint64_t fired; /* how often it did */
};

static struct control *control; /* NULL: everything is as always */
static const char *root, *kept;
static size_t root_n;
static int trace = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t line_number;

#define SEEN __attribute__((visibility("default")))
#define REAL(name) \
	static __typeof__(&name) real; \
	if (!real) \
		*(void **)&real = dlsym(RTLD_NEXT, #name)

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAULTS_CONTROL"), *to = getenv("FAULTS_TRACE");
	root = getenv("FAULTS_ROOT");
	kept = getenv("FAULTS_KEPT");
	if (!path || !to || !root || !kept)
		return;
	root_n = strlen(root);
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	void *p = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	trace = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (p == MAP_FAILED || trace < 0)
		abort();
	close(fd);
	control = p;
}

/* --- what is watched --- */

/* What RocksDB logs for people is no part of the store. */
static bool is_watched(const char *path)
{
	if (strncmp(path, root, root_n) != 0 || (path[root_n] != '/' && path[root_n] != '\0'))
		return false;
	const char *name = strrchr(path, '/');
	return strncmp(name, "/LOG", 4) != 0 || name[4] == 'K';
}

static bool path_is_watched(const char *path)
{
	return control && is_watched(path);
}

static bool fd_is_watched(int fd, char path[static PATH_ROOM])
{
	char link[64];
	if (!control)
		return false;
	int saved = errno;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, path, PATH_ROOM - 1);
	path[n > 0 ? n : 0] = '\0';
	errno = saved;
	return n > 0 && is_watched(path);
}

/* --- counting --- */

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
	char line[LINE_ROOM];
	va_list ap;
	va_start(ap, format);
	int n = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (n >= (int)sizeof(line) || syscall(SYS_write, trace, line, (size_t)n) != n)
		abort();
}

static void die(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
	for (;;)
		pause();
}

/* A call that is under way, the lock held. */
struct call {
	enum action action;
	int error;
};

static struct call call_begin(enum kind kind, const char *path)
{
	struct call c = {NOTHING, 0};
	pthread_mutex_lock(&lock);
	if (!(control->kinds & kind))
		return c;
	uint64_t n = ++control->calls;
	if (control->from && n >= control->from && n <= control->to) {
		c = (struct call){(enum action)control->action, (int)control->error};
		control->fired++;
	}
	tell("call\t%llu\t%d\t%d\t%s\n", (unsigned long long)n, kind, c.action, path);
	if (c.action == DIE_BEFORE || (c.action == DIE_HALFWAY && kind != WRITE))
		die();
	return c;
}

static bool call_fails(const struct call *c)
{
	return c->action == FAIL || c->action == FAIL_HALFWAY;
}

/* Gives what the call returns. */
static ssize_t call_end(const struct call *c, ssize_t rc)
{
	int saved = errno;
	if (c->action == DIE_AFTER)
		die();
	pthread_mutex_unlock(&lock);
	errno = call_fails(c) ? c->error : saved;
	return call_fails(c) ? -1 : rc;
}

/* --- the trace of names and sizes --- */

/* Keeps what a name stands for before it goes. Returns the number it is kept under, 0 when there is none. */
static uint64_t keep(const char *path)
{
	char to[PATH_ROOM];
	struct stat st;
	if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return 0;
	uint64_t number = ++line_number;
	int n = snprintf(to, sizeof(to), "%s/%d-%llu", kept, (int)getpid(), (unsigned long long)number);
	return n < (int)sizeof(to) && link(path, to) == 0 ? number : 0;
}

static void told_made(const char *path)
{
	struct stat st;
	if (lstat(path, &st) == 0)
		tell("made\t%s\t%llu\t%d\n", path, (unsigned long long)st.st_ino, S_ISDIR(st.st_mode));
}

static void tell_synced(const char *path, const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		tell("folder\t%s\n", path);
	else
		tell("synced\t%llu\t%llu\n", (unsigned long long)st->st_ino, (unsigned long long)st->st_size);
}

/* --- the calls --- */

typedef int open_function(const char *, int, ...);

static int watched_open(const char *path, int flags, mode_t mode, open_function *real)
{
	if (!path_is_watched(path))
		return real(path, flags, mode);
	struct stat st;
	bool makes = flags & O_CREAT && lstat(path, &st) != 0;
	if (flags & O_DIRECTORY)
		return real(path, flags, mode);
	struct call c = call_begin(makes ? CREATE : OPEN, path);
	int fd = call_fails(&c) ? -1 : real(path, flags, mode);
	if (fd >= 0 && makes)
		told_made(path);
	return (int)call_end(&c, fd);
}

#define OPEN_AS(function, symbol) \
	int function(const char *path, int flags, ...) __asm__(symbol) SEEN; \
	int function(const char *path, int flags, ...) \
	{ \
		static open_function *real; \
		va_list ap; \
		va_start(ap, flags); \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; \
		va_end(ap); \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, symbol); \
		return watched_open(path, flags, mode, real); \
	}

OPEN_AS(open_plain, "open")
OPEN_AS(open_large, "open64")

typedef int temporary_function(char *, int);

static int watched_temporary(char *path, int flags, temporary_function *real)
{
	if (!path_is_watched(path))
		return real(path, flags);
	struct call c = call_begin(CREATE, path);
	int fd = call_fails(&c) ? -1 : real(path, flags);
	if (fd >= 0)
		told_made(path);
	return (int)call_end(&c, fd);
}

#define TEMPORARY_AS(function, symbol) \
	int function(char *path, int flags) __asm__(symbol) SEEN; \
	int function(char *path, int flags) \
	{ \
		static temporary_function *real; \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, symbol); \
		return watched_temporary(path, flags, real); \
	}

TEMPORARY_AS(temporary_plain, "mkostemp")
TEMPORARY_AS(temporary_large, "mkostemp64")

SEEN ssize_t write(int fd, const void *p, size_t n)
{
	char path[PATH_ROOM];
	REAL(write);
	if (!fd_is_watched(fd, path))
		return real(fd, p, n);
	struct call c = call_begin(WRITE, path);
	bool half = c.action == DIE_HALFWAY || c.action == FAIL_HALFWAY || c.action == SHORT;
	ssize_t done = c.action == FAIL ? -1 : real(fd, p, half && n > 1 ? n / 2 : n);
	if (c.action == DIE_HALFWAY)
		die();
	return call_end(&c, done);
}

typedef ssize_t pwrite_function(int, const void *, size_t, off_t);

static ssize_t watched_pwrite(int fd, const void *p, size_t n, off_t at, pwrite_function *real)
{
	char path[PATH_ROOM];
	if (!fd_is_watched(fd, path))
		return real(fd, p, n, at);
	struct call c = call_begin(WRITE, path);
	bool half = c.action == DIE_HALFWAY || c.action == FAIL_HALFWAY || c.action == SHORT;
	ssize_t done = c.action == FAIL ? -1 : real(fd, p, half && n > 1 ? n / 2 : n, at);
	if (c.action == DIE_HALFWAY)
		die();
	return call_end(&c, done);
}

#define PWRITE_AS(function, symbol) \
	ssize_t function(int fd, const void *p, size_t n, off_t at) __asm__(symbol) SEEN; \
	ssize_t function(int fd, const void *p, size_t n, off_t at) \
	{ \
		static pwrite_function *real; \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, symbol); \
		return watched_pwrite(fd, p, n, at, real); \
	}

PWRITE_AS(pwrite_plain, "pwrite")
PWRITE_AS(pwrite_large, "pwrite64")

typedef ssize_t pread_function(int, void *, size_t, off_t);

static ssize_t watched_pread(int fd, void *p, size_t n, off_t at, pread_function *real)
{
	char path[PATH_ROOM];
	if (!control || !(control->kinds & READ) || !fd_is_watched(fd, path))
		return real(fd, p, n, at);
	struct call c = call_begin(READ, path);
	return call_end(&c, call_fails(&c) ? -1 : real(fd, p, c.action == SHORT && n > 1 ? n / 2 : n, at));
}

#define PREAD_AS(function, symbol) \
	ssize_t function(int fd, void *p, size_t n, off_t at) __asm__(symbol) SEEN; \
	ssize_t function(int fd, void *p, size_t n, off_t at) \
	{ \
		static pread_function *real; \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, symbol); \
		return watched_pread(fd, p, n, at, real); \
	}

PREAD_AS(pread_plain, "pread")
PREAD_AS(pread_large, "pread64")

SEEN ssize_t read(int fd, void *p, size_t n)
{
	char path[PATH_ROOM];
	REAL(read);
	if (!control || !(control->kinds & READ) || !fd_is_watched(fd, path))
		return real(fd, p, n);
	struct call c = call_begin(READ, path);
	return call_end(&c, call_fails(&c) ? -1 : real(fd, p, c.action == SHORT && n > 1 ? n / 2 : n));
}

static int watched_sync(int fd, int (*real)(int))
{
	char path[PATH_ROOM];
	struct stat st;
	if (!fd_is_watched(fd, path) || fstat(fd, &st) != 0)
		return real(fd);
	struct call c = call_begin(S_ISDIR(st.st_mode) ? SYNC_FOLDER : SYNC, path);
	fstat(fd, &st); /* with the lock held nobody writes */
	int rc = call_fails(&c) ? -1 : real(fd);
	if (rc == 0)
		tell_synced(path, &st);
	return (int)call_end(&c, rc);
}

SEEN int fsync(int fd)
{
	REAL(fsync);
	return watched_sync(fd, real);
}

SEEN int fdatasync(int fd)
{
	REAL(fdatasync);
	return watched_sync(fd, real);
}

typedef int truncate_function(int, off_t);

static int watched_truncate(int fd, off_t size, truncate_function *real)
{
	char path[PATH_ROOM];
	if (!fd_is_watched(fd, path))
		return real(fd, size);
	struct call c = call_begin(TRUNCATE, path);
	return (int)call_end(&c, call_fails(&c) ? -1 : real(fd, size));
}

#define TRUNCATE_AS(function, symbol) \
	int function(int fd, off_t size) __asm__(symbol) SEEN; \
	int function(int fd, off_t size) \
	{ \
		static truncate_function *real; \
		if (!real) \
			*(void **)&real = dlsym(RTLD_NEXT, symbol); \
		return watched_truncate(fd, size, real); \
	}

TRUNCATE_AS(truncate_plain, "ftruncate")
TRUNCATE_AS(truncate_large, "ftruncate64")

SEEN int fallocate(int fd, int mode, off_t at, off_t n)
{
	char path[PATH_ROOM];
	REAL(fallocate);
	if (!fd_is_watched(fd, path))
		return real(fd, mode, at, n);
	struct call c = call_begin(ALLOCATE, path);
	return (int)call_end(&c, call_fails(&c) ? -1 : real(fd, mode, at, n));
}

SEEN int mkdir(const char *path, mode_t mode)
{
	REAL(mkdir);
	struct stat st;
	if (!path_is_watched(path) || lstat(path, &st) == 0)
		return real(path, mode);
	struct call c = call_begin(MKDIR, path);
	int rc = call_fails(&c) ? -1 : real(path, mode);
	if (rc == 0)
		told_made(path);
	return (int)call_end(&c, rc);
}

SEEN int rename(const char *from, const char *path)
{
	REAL(rename);
	if (!path_is_watched(path))
		return real(from, path);
	struct call c = call_begin(RENAME, path);
	uint64_t number = call_fails(&c) ? 0 : keep(path);
	int rc = call_fails(&c) ? -1 : real(from, path);
	if (rc == 0)
		tell("renamed\t%s\t%s\t%d-%llu\n", path, from, (int)getpid(), (unsigned long long)number);
	return (int)call_end(&c, rc);
}

static void tell_gone(const char *path, uint64_t number)
{
	tell("gone\t%s\t%d-%llu\n", path, (int)getpid(), (unsigned long long)number);
}

SEEN int unlink(const char *path)
{
	REAL(unlink);
	if (!path_is_watched(path))
		return real(path);
	struct call c = call_begin(UNLINK, path);
	uint64_t number = call_fails(&c) ? 0 : keep(path);
	int rc = call_fails(&c) ? -1 : real(path);
	if (rc == 0)
		tell_gone(path, number);
	return (int)call_end(&c, rc);
}

SEEN int unlinkat(int folder, const char *name, int flags)
{
	REAL(unlinkat);
	char path[PATH_ROOM], whole[2 * PATH_ROOM];
	if (!fd_is_watched(folder, path) || flags & AT_REMOVEDIR)
		return real(folder, name, flags);
	snprintf(whole, sizeof(whole), "%s/%s", path, name);
	struct call c = call_begin(UNLINK, whole);
	uint64_t number = call_fails(&c) ? 0 : keep(whole);
	int rc = call_fails(&c) ? -1 : real(folder, name, flags);
	if (rc == 0)
		tell_gone(whole, number);
	return (int)call_end(&c, rc);
}
