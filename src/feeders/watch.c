/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Watched folders: a finished file that lies in one is imported, and moved to done/ or failed/ in
 * it.
 *
 * DESIGN: the kernel tells when a file was moved in or closed after writing; then, at the start,
 * and every RESCAN_MS the folder is looked through, by name. A file that somebody has open for
 * writing is not finished: that shows in that no read lease is to be had of it. The import is the
 * one of the command (feed/file.h): the journal knows what is in, so that a file that was moved too
 * late is only moved when it is seen again.
 *
 *   FOLDER/x.ndjson        → FOLDER/done/x.ndjson, and x.ndjson.rejects beside it where lines were
 * rejected → FOLDER/failed/x.ndjson and x.ndjson.error FOLDER/.x.ndjson.rejects    while it is
 * imported
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "feed/file.h"
#include "feeders/feeder.h"
#include "ingest/input.h"

enum {
	RESCAN_MS = 60000, /* for folders whose changes nobody tells (some network file systems) */
	AGAIN_MS = 1000,   /* while a file is not finished, and nobody may tell when it is */
	RETRY_MAX_MS = 60000,
	YOUNG_S = 3,            /* where no lease is to be had: so long nothing was written */
	REJECT_MAX = 4096,      /* octets of a rejected line that are kept */
	REJECTS_MAX = 64 << 20, /* octets of a file of rejects */
	NAMES_MAX = 1000,       /* ways to call a file that is there already */
};

struct folder {
	struct watch *w;
	char *path; /* owned */
	struct buffer sensor;
	int fd;            /* of the folder */
	int inotify;       /* its descriptor of change */
	uint64_t retry_ms; /* the pause while the store fails; 0: it does not */
	bool is_waiting;   /* a file is there that may not be finished */
	atomic_ullong done, failed, observations, rejected;
};

struct watch {
	struct feeder base;
	struct feeder_options opt;
	struct folder *folders; /* owned */
	size_t n;
	int inotify, wake;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	pthread_mutex_t lock; /* guards what follows */
	char (*errors)[160];  /* owned; by folder, as what follows */
	uint64_t (*left_out)[LEFT_OUT_REASONS];
};

/* A file under way. */
struct taken {
	struct folder *folder;
	const char *name;
	char rejects[300]; /* its name in the folder */
	int rejects_fd;
	uint64_t octets; /* of rejects */
	uint64_t before; /* observations that were in already */
	uint64_t rejected_before;
	struct buffer lines;
	int error; /* errno of writing rejects */
};

static void remember(struct folder *f, const char *text)
{
	pthread_mutex_lock(&f->w->lock);
	snprintf(f->w->errors[f - f->w->folders], sizeof(*f->w->errors), "%s", text);
	pthread_mutex_unlock(&f->w->lock);
}

/* --- rejects --- */

static void flush_rejects(struct taken *t)
{
	size_t at = 0;
	while (at < t->lines.n && !t->error) {
		ssize_t n = write(t->rejects_fd, t->lines.p + at, t->lines.n - at);
		if (n < 0 && errno != EINTR)
			t->error = errno;
		at += n > 0 ? (size_t)n : 0;
	}
	t->octets += at;
	buffer_clear(&t->lines);
}

static void reject(void *ctx, uint64_t line, struct bytes input, const char *reason)
{
	struct taken *t = ctx;
	if (t->octets + t->lines.n > REJECTS_MAX)
		return;
	buffer_putf(&t->lines, "%llu: %s: ", (unsigned long long)line, reason);
	for (size_t i = 0; i < input.n && i < REJECT_MAX; i++)
		buffer_put_byte(&t->lines,
				input.p[i] == '\n' || input.p[i] == 0 ? ' ' : input.p[i]);
	buffer_put_byte(&t->lines, '\n');
	if (t->octets + t->lines.n > REJECTS_MAX)
		buffer_put_str(&t->lines, "what was rejected after this is not kept\n");
	if (t->lines.n > 1 << 20)
		flush_rejects(t);
}

static uint64_t before_commit(void *ctx)
{
	struct taken *t = ctx;
	flush_rejects(t);
	fdatasync(t->rejects_fd);
	return t->octets;
}

/* What a run that was killed wrote behind its last commit is going to be written again. */
static void begin(void *ctx, const struct note *resumed)
{
	struct taken *t = ctx;
	off_t end = lseek(t->rejects_fd, 0, SEEK_END), keep = (off_t)resumed->rejects_bytes;
	if (keep > end)
		keep = end;
	if (ftruncate(t->rejects_fd, keep) < 0 || lseek(t->rejects_fd, keep, SEEK_SET) < 0)
		t->error = errno;
	t->octets = (uint64_t)keep;
	t->before = resumed->accepted;
	t->rejected_before = resumed->rejected;
}

static int progress(void *ctx, const struct note *counts)
{
	struct taken *t = ctx;
	(void)counts;
	return t->error || t->folder->w->stopping;
}

/* --- moving --- */

/* Renames name into a folder of the folder, as name or, if that is taken, name.1 and so on; ret_as
 * is what it is called there. */
static int move(struct folder *f, const char *name, const char *into, const char *as, char *ret_as,
		size_t room)
{
	for (int i = 0; i < NAMES_MAX; i++) {
		char path[600];
		snprintf(ret_as, room, i ? "%s.%d" : "%s", as, i);
		snprintf(path, sizeof(path), "%s/%s", into, ret_as);
		if (renameat2(f->fd, name, f->fd, path, RENAME_NOREPLACE) == 0)
			return 0;
		if (errno ==
		    EINVAL) { /* a file system that knows no such flag; nobody else moves here */
			if (faccessat(f->fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
				continue;
			if (renameat(f->fd, name, f->fd, path) == 0)
				return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static void write_error(struct folder *f, const char *name, const char *text)
{
	char path[600];
	snprintf(path, sizeof(path), "failed/%s.error", name);
	int fd = openat(f->fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return;
	dprintf(fd, "%s\n", text);
	close(fd);
}

/* The file is through: rejects go first, so that a file in done has them. */
static int put_away(struct taken *t, const char *into, const char *error)
{
	struct folder *f = t->folder;
	char as[300], rejects[300], ignored[400];
	struct stat st;
	if (fstat(t->rejects_fd, &st) == 0 && st.st_size > 0) {
		snprintf(rejects, sizeof(rejects), "%s.rejects", t->name);
		move(f, t->rejects, into, rejects, ignored, sizeof(ignored));
	} else {
		unlinkat(f->fd, t->rejects, 0);
	}
	int rc = move(f, t->name, into, t->name, as, sizeof(as));
	if (rc < 0) {
		log_error("watch", "%s/%s cannot be moved to %s: %s", f->path, t->name, into,
			  strerror(-rc));
		remember(f, strerror(-rc));
		return rc;
	}
	if (error)
		write_error(f, as, error);
	return 0;
}

/* --- one file --- */

/* Whether the trouble is the store's, or the machine's, and the file may be fine. */
static bool is_ours(int rc)
{
	return rc == ERR_FULL || rc == ERR_IO || rc == ERR_NOMEM;
}

static void add_left_out(struct folder *f, const uint64_t *left_out)
{
	pthread_mutex_lock(&f->w->lock);
	for (int i = 0; i < LEFT_OUT_REASONS; i++)
		f->w->left_out[f - f->w->folders][i] += left_out[i];
	pthread_mutex_unlock(&f->w->lock);
}

static int import(struct taken *t, struct err *e)
{
	struct folder *f = t->folder;
	struct input *in;
	struct note note = {0};
	char path[4096 + 300];
	snprintf(path, sizeof(path), "%s/%s", f->path, t->name);
	uint64_t left_out[LEFT_OUT_REASONS] = {0};
	int rc = input_open(path, &in, e);
	if (rc < 0)
		return rc;
	const struct reader_options reader = {.path = path};
	const struct file_options opt = {
		.store = f->w->opt.store,
		.reader = &reader,
		.sensor = buffer_bytes(&f->sensor),
		.exclusion = f->w->opt.exclusion,
		.memory = f->w->opt.memory,
		.reject = reject,
		.before_commit = before_commit,
		.begin = begin,
		.progress = progress,
		.left_out = left_out,
		.ctx = t,
	};
	rc = file_import(&opt, in, &note, e);
	input_close(in);
	flush_rejects(t);
	if (rc != 1) { /* else it was counted before */
		atomic_fetch_add(&f->observations, note.accepted - t->before);
		atomic_fetch_add(&f->rejected, note.rejected - t->rejected_before);
		add_left_out(f, left_out);
	}
	if (t->error && (rc >= 0 || rc == ERR_CANCELLED))
		rc = err_sys(e, t->error, "%s/%s", f->path, t->rejects);
	return rc;
}

/* Negative: the folder is to be left alone for a while. */
static int take(struct folder *f, const char *name)
{
	struct err e = {""};
	struct taken t = {.folder = f, .name = name};
	snprintf(t.rejects, sizeof(t.rejects), ".%.250s.rejects", name);
	t.rejects_fd = openat(f->fd, t.rejects, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (t.rejects_fd < 0) {
		if (!f->retry_ms)
			log_error("watch", "%s/%s: %s", f->path, t.rejects, strerror(errno));
		remember(f, strerror(errno));
		return ERR_IO;
	}
	int rc = import(&t, &e);
	int result = 0;
	if (rc == ERR_CANCELLED && f->w->stopping) {
		result = rc;
	} else if (rc < 0 && is_ours(rc)) {
		if (!f->retry_ms)
			log_error("watch", "%s/%s cannot be stored, and is tried again: %s",
				  f->path, name, e.text);
		remember(f, e.text);
		result = rc;
	} else if (rc == ERR_NOTFOUND) { /* somebody took it away */
		unlinkat(f->fd, t.rejects, 0);
	} else if (rc < 0) {
		log_warning("watch", "%s/%s failed: %s", f->path, name, e.text);
		remember(f, e.text);
		atomic_fetch_add(&f->failed, 1);
		result = put_away(&t, "failed", e.text);
	} else {
		log_info("watch", "%s/%s is in%s", f->path, name, rc == 1 ? " already" : "");
		atomic_fetch_add(&f->done, 1);
		result = put_away(&t, "done", NULL);
	}
	close(t.rejects_fd);
	buffer_release(&t.lines);
	return result;
}

/* --- which files --- */

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), k = strlen(end);
	return n >= k && strcmp(name + n - k, end) == 0;
}

/* Names of files that their writers call unfinished, and of our folders. */
static bool is_left_alone(const char *name)
{
	return name[0] == '.' || ends_in(name, ".tmp") || ends_in(name, ".part") ||
	       strlen(name) > 240;
}

/* Nobody writes to it. */
static bool is_finished(struct folder *f, const char *name)
{
	struct stat st;
	int fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return false; /* a link, or not for us */
	bool finished = false;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		int got = fcntl(fd, F_SETLEASE, F_RDLCK), error = errno;
		if (got == 0)
			fcntl(fd, F_SETLEASE, F_UNLCK);
		finished = got == 0 || (error != EAGAIN && time(NULL) - st.st_mtime >= YOUNG_S);
		if (!finished)
			f->is_waiting = true;
	}
	close(fd);
	return finished;
}

static int is_candidate(const struct dirent *d)
{
	return !is_left_alone(d->d_name) && (d->d_type == DT_REG || d->d_type == DT_UNKNOWN);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void look_through(struct folder *f)
{
	struct dirent **names = NULL;
	int rc = 0, n = scandirat(f->fd, ".", &names, is_candidate, by_name);
	if (n < 0) {
		remember(f, strerror(errno));
		return;
	}
	f->is_waiting = false;
	for (int i = 0; i < n; i++) {
		if (rc == 0 && !f->w->stopping && is_finished(f, names[i]->d_name))
			rc = take(f, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	if (rc == 0 && f->retry_ms) {
		log_info("watch", "%s: files are stored again", f->path);
		f->retry_ms = 0;
	} else if (rc < 0) {
		f->retry_ms = f->retry_ms ? f->retry_ms * 2 : AGAIN_MS;
		if (f->retry_ms > RETRY_MAX_MS)
			f->retry_ms = RETRY_MAX_MS;
	}
}

/* --- the thread --- */

/* Reads what changed; what that is shows when the folders are looked through. */
static void read_changes(struct watch *w)
{
	_Alignas(struct inotify_event) char changes[16384];
	while (read(w->inotify, changes, sizeof(changes)) > 0)
		;
}

static void *work(void *arg)
{
	struct watch *w = arg;
	while (!w->stopping) {
		struct pollfd fds[] = {{w->inotify, POLLIN, 0}, {w->wake, POLLIN, 0}};
		uint64_t pause = RESCAN_MS;
		read_changes(w);
		for (size_t i = 0; i < w->n && !w->stopping; i++) {
			struct folder *f = &w->folders[i];
			look_through(f);
			uint64_t want = f->retry_ms     ? f->retry_ms
					: f->is_waiting ? AGAIN_MS
							: RESCAN_MS;
			pause = want < pause ? want : pause;
		}
		if (!w->stopping)
			poll(fds, 2, (int)pause);
	}
	return NULL;
}

/* --- life --- */

static int open_folder(struct watch *w, struct folder *f, const char *path, struct err *e)
{
	f->w = w;
	f->path = xstrdup(path);
	buffer_putf(&f->sensor, "watch:%s", path);
	f->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0)
		return err_sys(e, errno, "watch: %s", path);
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "failed" : "done";
		if (mkdirat(f->fd, name, 0777) < 0 && errno != EEXIST)
			return err_sys(e, errno, "watch: %s/%s", path, name);
	}
	f->inotify = inotify_add_watch(w->inotify, path, IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR);
	if (f->inotify < 0)
		return err_sys(e, errno, "watch: %s", path);
	log_info("watch", "watching %s", path);
	return 0;
}

static void watch_stop(struct feeder *feeder)
{
	struct watch *w = (struct watch *)feeder;
	uint64_t one = 1;
	w->stopping = true;
	if (w->started) {
		while (write(w->wake, &one, sizeof(one)) < 0 && errno == EINTR)
			;
		pthread_join(w->thread, NULL);
	}
	w->started = false;
}

static void watch_free(struct feeder *feeder)
{
	struct watch *w = (struct watch *)feeder;
	watch_stop(feeder);
	for (size_t i = 0; i < w->n; i++) {
		struct folder *f = &w->folders[i];
		if (f->fd >= 0)
			close(f->fd);
		free(f->path);
		buffer_release(&f->sensor);
	}
	if (w->inotify >= 0)
		close(w->inotify);
	if (w->wake >= 0)
		close(w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w->folders);
	free(w->errors);
	free(w->left_out);
	free(w);
}

static bool watch_state(struct feeder *feeder, size_t i, struct feeder_state *ret)
{
	struct watch *w = (struct watch *)feeder;
	if (i >= w->n)
		return false;
	struct folder *f = &w->folders[i];
	*ret = (struct feeder_state){
		.kind = "watch",
		.where = f->path,
		.connected = 1,
		.connections = 1,
		.messages = f->done,
		.failed = f->failed,
		.counts = {.observations = f->observations, .malformed = f->rejected},
	};
	pthread_mutex_lock(&w->lock);
	memcpy(ret->error, w->errors[i], sizeof(ret->error));
	memcpy(ret->counts.left_out, w->left_out[i], sizeof(ret->counts.left_out));
	pthread_mutex_unlock(&w->lock);
	return true;
}

static const struct feeder_kind kind = {"watch", watch_stop, watch_free, watch_state};

int watch_start(const struct feeder_options *opt, char *const *folders, size_t n,
		struct feeder **ret, struct err *e)
{
	struct watch *w = xcalloc(1, sizeof(*w));
	int rc = 0;
	w->base.kind = &kind;
	w->opt = *opt;
	w->n = n;
	w->folders = xcalloc(n, sizeof(*w->folders));
	w->errors = xcalloc(n, sizeof(*w->errors));
	w->left_out = xcalloc(n, sizeof(*w->left_out));
	pthread_mutex_init(&w->lock, NULL);
	for (size_t i = 0; i < n; i++)
		w->folders[i].fd = -1;
	signal(SIGIO, SIG_IGN); /* what comes of somebody opening a file at the very moment when a
				   lease is asked for */
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->wake = eventfd(0, EFD_CLOEXEC);
	if (w->inotify < 0 || w->wake < 0)
		rc = err_sys(e, errno, "watch: folders cannot be watched");
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = open_folder(w, &w->folders[i], folders[i], e);
	if (rc == 0) {
		int error = pthread_create(&w->thread, NULL, work, w);
		w->started = error == 0;
		if (error)
			rc = err_sys(e, error, "watch: cannot start a thread");
	}
	if (rc < 0)
		watch_free(&w->base);
	else
		*ret = &w->base;
	return rc;
}
