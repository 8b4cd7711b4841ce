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
 * A folder that goes away, or whose path leads to another one, is looked for again. What is there
 * and cannot be taken is told once, and looked at again each time; a file that fails in the middle
 * of reading, or is in and cannot be moved, which costs reading it, once in PUT_OFF_MS.
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

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "feed/file.h"
#include "feeders/feeder.h"
#include "feeders/mention.h"
#include "ingest/input.h"

enum {
	RESCAN_MS = 60000, /* for folders whose changes nobody tells (some network file systems) */
	AGAIN_MS = 1000,   /* while a file is not finished, and nobody may tell when it is */
	RETRY_MAX_MS = 10000,
	PUT_OFF_MS = 60000,
	THERE_MS = 2000,        /* between looks whether the folders are still there */
	RETURN_MAX_MS = 10000,  /* between looks for a folder that went away */
	NAME_MAX_TAKEN = 240,   /* octets; ours add to them */
	YOUNG_S = 3,            /* where no lease is to be had: so long nothing was written */
	REJECT_MAX = 4096,      /* octets of a rejected line that are kept */
	REJECTS_MAX = 64 << 20, /* octets of a file of rejects */
	NAMES_MAX = 1000,       /* ways to call a file that is there already */
};

struct folder {
	struct watch *w;
	char *path; /* owned */
	struct buffer sensor;
	struct collector_entry *entry; /* counts what cannot be taken */
	struct sink sink;
	atomic_int fd; /* of the folder; -1: it went away */
	int inotify;   /* its descriptor of change */
	dev_t device;  /* which folder it is, as inode */
	ino_t inode;
	uint64_t gone_ms;         /* the pause until it is looked for again; 0: it is there */
	atomic_ullong opened;     /* so often */
	struct mentions mentions; /* files that were complained of */
	uint64_t retry_ms;        /* the pause while the store fails; 0: it does not */
	uint64_t retry_at;        /* of now_ms */
	bool is_waiting;          /* a file is there that may not be finished */
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
	int error;       /* errno of writing rejects */
	bool unreadable; /* the trouble was reading it */
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

/* --- what was complained of --- */

/* Whether a file is complained of for the first time since it came. */
static bool mention(struct folder *f, const char *name)
{
	enum mentioned how = mentions_add(&f->mentions, name);
	if (how == MENTION_FULL)
		log_warning("watch", "%s: more files cannot be taken; they are not told", f->path);
	return how == MENTION_FIRST;
}

/* A file that was mentioned is let lie for a while. */
static void put_off(struct folder *f, const char *name)
{
	mentions_put_off(&f->mentions, name, now_ms() + PUT_OFF_MS);
}

/* Says once that a file is not taken, and counts it. */
static void complain(struct folder *f, const char *name, const char *why)
{
	char text[160];
	if (!mention(f, name))
		return;
	log_warning("watch", "%s/%s is not taken: %s", f->path, name, why);
	snprintf(text, sizeof(text), "%.60s: %s", name, why);
	remember(f, text);
	if (collector_enter(f->entry) < 0) /* the server ends: it is told again at the next start */
		return;
	sink_left_out(&f->sink, LEFT_OUT_UNREADABLE, 1);
	collector_leave(f->entry);
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
		if (errno == ENOENT && mkdirat(f->fd, into, 0777) == 0) {
			i--; /* somebody cleared the folder away */
			continue;
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

/* The file is through: rejects go first, so that a file in done has them. One that cannot be moved
 * must not be in the way of the others. */
static int put_away(struct taken *t, const char *into, const char *error)
{
	struct folder *f = t->folder;
	char as[300], rejects[300], ignored[400], text[160];
	struct stat st;
	if (fstat(t->rejects_fd, &st) == 0 && st.st_size > 0) {
		snprintf(rejects, sizeof(rejects), "%s.rejects", t->name);
		move(f, t->rejects, into, rejects, ignored, sizeof(ignored));
	} else {
		unlinkat(f->fd, t->rejects, 0);
	}
	int rc = move(f, t->name, into, t->name, as, sizeof(as));
	if (rc < 0) {
		snprintf(text, sizeof(text), "%.60s cannot be moved to %s: %s", t->name, into,
			 strerror(-rc));
		remember(f, text);
		if (mention(f, t->name))
			log_error("watch", "%s/%s cannot be moved to %s, and stays: %s", f->path,
				  t->name, into, strerror(-rc));
		put_off(f, t->name);
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
	t->unreadable = input_failed(in);
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
	} else if (rc == ERR_IO && t.unreadable) { /* what of it is in, and its rejects, stay */
		complain(f, name, e.text);
		put_off(f, name);
	} else if (rc < 0 && is_ours(rc)) {
		if (!f->retry_ms)
			log_error("watch", "%s/%s cannot be stored, and is tried again: %s",
				  f->path, name, e.text);
		remember(f, e.text);
		result = rc;
	} else if (rc == ERR_NOTFOUND) { /* somebody took it away */
		unlinkat(f->fd, t.rejects, 0);
	} else if (rc < 0) {
		if (!mentions_was_put_off(&f->mentions, name))
			log_warning("watch", "%s/%s failed: %s", f->path, name, e.text);
		remember(f, e.text);
		atomic_fetch_add(&f->failed, 1);
		if (put_away(&t, "failed", e.text) < 0)
			atomic_fetch_sub(&f->failed, 1); /* it counts when it is moved */
	} else {
		if (!mentions_was_put_off(&f->mentions, name))
			log_info("watch", "%s/%s is in%s", f->path, name,
				 rc == 1 ? " already" : "");
		atomic_fetch_add(&f->done, 1);
		if (put_away(&t, "done", NULL) < 0)
			atomic_fetch_sub(&f->done, 1);
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
	       strcmp(name, "done") == 0 || strcmp(name, "failed") == 0;
}

/* Nobody writes to it. */
static bool is_finished(struct folder *f, const char *name)
{
	struct stat st;
	int fd = openat(f->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0) {
		if (errno != ENOENT)
			complain(f, name,
				 errno == ELOOP ? "symbolic links are not followed"
						: strerror(errno));
		return false;
	}
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
	return !is_left_alone(d->d_name);
}

/* A plain file, with a name that leaves room for ours. */
static bool is_takeable(struct folder *f, const struct dirent *d)
{
	struct stat st;
	int type = d->d_type;
	if (type == DT_UNKNOWN)
		type = fstatat(f->fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0
			       ? IFTODT(st.st_mode)
			       : DT_REG; /* opening it tells why not */
	const char *why = type == DT_LNK   ? "symbolic links are not followed"
			  : type == DT_DIR ? "folders are not looked into"
			  : type != DT_REG ? "it is no plain file"
			  : strlen(d->d_name) > NAME_MAX_TAKEN
				  ? "its name is longer than 240 octets"
				  : NULL;
	if (why)
		complain(f, d->d_name, why);
	return !why;
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
		if (rc == 0 && !f->w->stopping &&
		    !mentions_is_put_off(&f->mentions, names[i]->d_name, now_ms()) &&
		    is_takeable(f, names[i]) && is_finished(f, names[i]->d_name))
			rc = take(f, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	if (rc == 0)
		mentions_forget(&f->mentions);
	if (rc == 0 && f->retry_ms) {
		log_info("watch", "%s: files are stored again", f->path);
		f->retry_ms = 0;
	} else if (rc < 0) {
		f->retry_ms = f->retry_ms ? f->retry_ms * 2 : AGAIN_MS;
		if (f->retry_ms > RETRY_MAX_MS)
			f->retry_ms = RETRY_MAX_MS;
		f->retry_at = now_ms() + f->retry_ms;
	}
}

/* --- the folder itself --- */

/* Another folder that is the same one by another path; NULL: none. */
static const struct folder *same_as(const struct folder *f, const struct stat *st)
{
	for (size_t i = 0; i < f->w->n; i++) {
		const struct folder *other = &f->w->folders[i];
		if (other != f && other->fd >= 0 && other->device == st->st_dev &&
		    other->inode == st->st_ino)
			return other;
	}
	return NULL;
}

/* Whether files of the one are moved into the other. */
static bool moves_into(const struct folder *f, const struct folder *into)
{
	struct stat st;
	return (fstatat(f->fd, "done", &st, 0) == 0 && st.st_dev == into->device &&
		st.st_ino == into->inode) ||
	       (fstatat(f->fd, "failed", &st, 0) == 0 && st.st_dev == into->device &&
		st.st_ino == into->inode);
}

static int check_others(const struct folder *f, struct err *e)
{
	for (size_t i = 0; i < f->w->n; i++) {
		const struct folder *other = &f->w->folders[i];
		if (other == f || other->fd < 0)
			continue;
		bool from = moves_into(f, other);
		if (from || moves_into(other, f))
			return err_set(e, ERR_USAGE, "watch: files of \"%s\" are moved to \"%s\"",
				       from ? f->path : other->path, from ? other->path : f->path);
	}
	return 0;
}

static int prepare_folder(struct folder *f, int fd, struct err *e)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_sys(e, errno, "watch: %s", f->path);
	const struct folder *other = same_as(f, &st);
	if (other)
		return err_set(e, ERR_USAGE, "watch: \"%s\" and \"%s\" are the same folder",
			       other->path, f->path);
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "failed" : "done";
		if (mkdirat(fd, name, 0777) < 0 && errno != EEXIST)
			return err_sys(e, errno, "watch: %s/%s", f->path, name);
	}
	/* Attributes: of the folder, when it is removed while it is open here; of a file that
	 * could not be read. */
	f->inotify = inotify_add_watch(f->w->inotify, f->path,
				       IN_CLOSE_WRITE | IN_MOVED_TO | IN_ATTRIB | IN_MOVE_SELF |
					       IN_ONLYDIR);
	if (f->inotify < 0)
		return err_sys(e, errno, "watch: %s", f->path);
	f->device = st.st_dev;
	f->inode = st.st_ino;
	return 0;
}

static int open_folder(struct folder *f, struct err *e)
{
	int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, errno, "watch: %s", f->path);
	int rc = prepare_folder(f, fd, e);
	if (rc == 0) {
		f->fd = fd;
		rc = check_others(f, e);
	}
	if (rc < 0) {
		f->fd = -1;
		close(fd);
		return rc;
	}
	atomic_fetch_add(&f->opened, 1);
	return 0;
}

/* Whether the path still leads to the folder that is open. */
static bool is_there(const struct folder *f)
{
	struct stat st;
	return f->fd >= 0 && stat(f->path, &st) == 0 && st.st_dev == f->device &&
	       st.st_ino == f->inode;
}

/* Looks for a folder that went away or became another one. Whether there is one to look through. */
static bool find_folder(struct folder *f)
{
	struct err e = {""};
	if (is_there(f))
		return true;
	if (f->fd >= 0) {
		inotify_rm_watch(f->w->inotify, f->inotify); /* fails where the kernel did it */
		close(f->fd);
		f->fd = -1;
	}
	if (open_folder(f, &e) < 0) {
		remember(f, e.text);
		if (!f->gone_ms)
			log_error("watch", "%s is gone, and looked for again: %s", f->path, e.text);
		f->gone_ms = f->gone_ms ? f->gone_ms * 2 : AGAIN_MS;
		if (f->gone_ms > RETURN_MAX_MS)
			f->gone_ms = RETURN_MAX_MS;
		return false;
	}
	log_info("watch", "%s is %s: watching it", f->path,
		 f->gone_ms ? "back" : "another folder now");
	f->gone_ms = 0;
	mentions_release(&f->mentions);
	return true;
}

/* --- the thread --- */

/* Reads what changed, and whether it matters; what that is shows when the folders are looked
 * through. Our own files of rejects do not: each attempt writes one, and would be followed by the
 * next at once. */
static bool read_changes(struct watch *w)
{
	_Alignas(struct inotify_event) char changes[16384];
	bool any = false;
	ssize_t n;
	while ((n = read(w->inotify, changes, sizeof(changes))) > 0) {
		const struct inotify_event *change;
		for (const char *p = changes; p < changes + n; p += sizeof(*change) + change->len) {
			change = (const struct inotify_event *)p;
			any = any || !change->len || !is_left_alone(change->name);
		}
	}
	return any;
}

/* Nobody tells when a folder that is open here is removed, or something is mounted over it. */
static bool has_lost_folder(const struct watch *w)
{
	for (size_t i = 0; i < w->n; i++) {
		if (w->folders[i].fd >= 0 && !is_there(&w->folders[i]))
			return true;
	}
	return false;
}

/* Returns the pause until the next look, in milliseconds. */
static uint64_t look_at_all(struct watch *w)
{
	uint64_t pause = RESCAN_MS;
	for (size_t i = 0; i < w->n && !w->stopping; i++) {
		struct folder *f = &w->folders[i];
		bool waits = f->retry_ms && now_ms() < f->retry_at;
		if (find_folder(f) && !waits)
			look_through(f);
		uint64_t want = f->gone_ms      ? f->gone_ms
				: f->retry_ms   ? f->retry_ms
				: f->is_waiting ? AGAIN_MS
						: RESCAN_MS;
		pause = want < pause ? want : pause;
	}
	return pause;
}

static void *work(void *arg)
{
	struct watch *w = arg;
	uint64_t due = 0;
	while (!w->stopping) {
		struct pollfd fds[] = {{w->inotify, POLLIN, 0}, {w->wake, POLLIN, 0}};
		if (read_changes(w) || now_ms() >= due || has_lost_folder(w))
			due = look_at_all(w) + now_ms();
		uint64_t now = now_ms(), pause = due > now ? due - now : 0;
		if (!w->stopping)
			poll(fds, 2, (int)(pause < THERE_MS ? pause : THERE_MS));
	}
	return NULL;
}

/* --- life --- */

static int add_folder(struct watch *w, struct folder *f, const char *path, struct err *e)
{
	f->w = w;
	f->path = xstrdup(path);
	buffer_putf(&f->sensor, "watch:%s", path);
	int rc = open_folder(f, e);
	if (rc < 0)
		return rc;
	f->entry = collector_open(w->opt.collector, buffer_bytes(&f->sensor), &f->sink);
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
		if (f->entry)
			collector_close(f->entry);
		mentions_release(&f->mentions);
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
		.connected = f->fd >= 0,
		.connections = f->opened,
		.messages = f->done,
		.failed = f->failed,
	};
	collector_counts(f->entry, &ret->counts);
	ret->counts.observations += f->observations;
	ret->counts.malformed += f->rejected;
	pthread_mutex_lock(&w->lock);
	memcpy(ret->error, w->errors[i], sizeof(ret->error));
	for (int k = 0; k < LEFT_OUT_REASONS; k++)
		ret->counts.left_out[k] += w->left_out[i][k];
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
		rc = add_folder(w, &w->folders[i], folders[i], e);
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
