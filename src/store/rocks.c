/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RocksDB through its C API. */
#include "store/rocks.h"

#include <dirent.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/room.h"
#include "store/rocks_files.h"
#include "store/value.h"

enum {
	BLOCK_OCTETS = 16 << 10,
	WRITE_BUFFER = 32 << 20,
	OPEN_FILES = 256,
	READ_TRIES = 20,
	CHECKSUM_XXH3 = 4,
	OPEN_ROOM = 64 << 10, /* what opening writes, beside the rows of the logs */
	HEADERS_ONLY = 5, /* in the log for people */
	REOPEN_WAIT_S = 2, /* for cursors that are open */
};

struct rocks {
	char *dir;
	bool read_only;
	rocksdb_t *db; /* NULL: opening it again failed */
	rocksdb_options_t *options; /* owns the merge operator */
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *sync_write;
	rocksdb_readoptions_t *read;
	pthread_mutex_t lock; /* guards what follows, and db */
	pthread_cond_t changed;
	unsigned users; /* of db, which is not closed meanwhile */
	bool switching; /* it is being opened again: nobody may begin to use it */
	struct rocks_snapshot *snapshots;
	struct rocks_snapshot *latest; /* the last that was taken: who comes before the next change shares it */
	int rc; /* of the first change that failed, or of opening again */
	struct err error;
	uint64_t durable; /* number of the last change that was acknowledged */
};

struct rocks_snapshot {
	struct rocks_snapshot *next, **link;
	const rocksdb_snapshot_t *real; /* NULL: its database was closed */
	uint64_t sequence;              /* of the last change that it sees; it may see a later one */
	unsigned holders;
};

struct rocks_cursor {
	struct source source; /* first */
	struct rocks *rocks;  /* borrowed */
	rocksdb_readoptions_t *read;
	rocksdb_iterator_t *it; /* NULL: there was no database; error tells why */
	int rc;
	struct err error;
	struct buffer prefix;
	struct buffer key; /* scratch of seeks */
};

/* --- errors --- */

/* Takes RocksDB's message (and frees it) apart into one of our codes. */
static int rocks_error(char *message, const char *path, struct err *e)
{
	static const struct {
		const char *part;
		int code;
	} known[] = {
		{"Corruption", ERR_CORRUPT},
		{"No space left", ERR_FULL},       {"Disk quota exceeded", ERR_FULL},
		{"Permission denied", ERR_DENIED}, {"Read-only file system", ERR_DENIED},
		{"While lock file", ERR_BUSY},     {"lock hold by current process", ERR_BUSY},
		{"does not exist", ERR_NOTFOUND},  {"No such file", ERR_NOTFOUND},
		{"Invalid argument", ERR_CORRUPT},
	};
	int code = ERR_IO;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(message, known[i].part)) {
			code = known[i].code;
			break;
		}
	}
	for (char *c = message; (c = strchr(c, '\n'));)
		*c = ' ';
	if (code == ERR_BUSY)
		err_set(e, code, "%s: the store is held by another process", path);
	else
		err_set(e, code, "%s: %s", path, message);
	rocksdb_free(message);
	return code;
}

/* --- merging --- */

static char *merged(const char *existing, size_t existing_n, const char *const *operands,
                    const size_t *sizes, int n, unsigned char *success, size_t *ret_n)
{
	struct value sum = {0}, more;
	bool any = existing != NULL;
	*success = 0;
	*ret_n = 0; /* is looked at even when there is no value */
	if (any && value_decode(bytes_of(existing, existing_n), &sum) != 0)
		return NULL;
	for (int i = 0; i < n; i++) {
		if (value_decode(bytes_of(operands[i], sizes[i]), &more) != 0)
			return NULL;
		if (any)
			value_merge(&sum, &more);
		else
			sum = more;
		any = true;
	}
	struct buffer out = BUFFER_INIT;
	value_encode(&sum, &out);
	*success = 1;
	*ret_n = out.n;
	return (char *)out.p;
}

static char *full_merge(void *state, const char *key, size_t key_n, const char *existing,
                        size_t existing_n, const char *const *operands, const size_t *sizes, int n,
                        unsigned char *success, size_t *ret_n)
{
	(void)state, (void)key, (void)key_n;
	return merged(existing, existing_n, operands, sizes, n, success, ret_n);
}

static char *partial_merge(void *state, const char *key, size_t key_n, const char *const *operands,
                           const size_t *sizes, int n, unsigned char *success, size_t *ret_n)
{
	(void)state, (void)key, (void)key_n;
	return merged(NULL, 0, operands, sizes, n, success, ret_n);
}

static void merge_free(void *state, const char *value, size_t n)
{
	(void)state, (void)n;
	free((void *)(uintptr_t)value);
}

static void merge_destroy(void *state)
{
	(void)state;
}

static const char *merge_name(void *state)
{
	(void)state;
	return "dribble.seen.1";
}

/* --- opening --- */

static void set_options(struct rocks *r, bool read_only, size_t memory, unsigned threads)
{
	r->options = rocksdb_options_create();
	r->table = rocksdb_block_based_options_create();
	r->cache = rocksdb_cache_create_lru(memory);
	rocksdb_options_increase_parallelism(r->options, threads > 2 ? (int)threads : 2);
	rocksdb_options_set_create_if_missing(r->options, 1);
	rocksdb_options_set_merge_operator(
		r->options, rocksdb_mergeoperator_create(NULL, merge_destroy, full_merge,
	                                                 partial_merge, merge_free, merge_name));
	rocksdb_options_set_compression(r->options, rocksdb_no_compression); /* what stays becomes tables */
	rocksdb_options_set_level_compaction_dynamic_level_bytes(r->options, 1);
	rocksdb_options_set_write_buffer_size(r->options, WRITE_BUFFER);
	rocksdb_options_set_max_write_buffer_number(r->options, 3);
	rocksdb_options_set_max_open_files(r->options, read_only ? -1 : OPEN_FILES);
	rocksdb_options_set_max_total_wal_size(r->options, 4ull * WRITE_BUFFER);
	rocksdb_options_set_bytes_per_sync(r->options, 1 << 20);
	rocksdb_options_set_paranoid_checks(r->options, 1);
	/* An incomplete last record is what a crash leaves; anything else is damage and must be told. */
	rocksdb_options_set_wal_recovery_mode(r->options, 0);
	/* RocksDB's assertions, which Debian leaves in, end the process at a line of its log for people that follows
	 * one for which there was no room. So it writes none but those at opening: look_for_room. */
	rocksdb_options_set_info_log_level(r->options, HEADERS_ONLY);
	rocksdb_options_set_keep_log_file_num(r->options, 4);
	rocksdb_options_set_max_log_file_size(r->options, 8 << 20);
	rocksdb_block_based_options_set_block_size(r->table, BLOCK_OCTETS);
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_format_version(r->table, 5); /* this and the checksum: see rocks_files.c */
	rocksdb_block_based_options_set_checksum(r->table, CHECKSUM_XXH3);
	rocksdb_options_set_block_based_table_factory(r->options, r->table);
	r->sync_write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->sync_write, 1);
	r->read = rocksdb_readoptions_create();
}

/* The logs of a database, as text. */
static void list_logs(const char *dir, struct buffer *out)
{
	DIR *d = opendir(dir);
	for (struct dirent *entry; d && (entry = readdir(d));) {
		const char *dot = strrchr(entry->d_name, '.');
		if (dot && strcmp(dot, ".log") == 0)
			buffer_putf(out, "%s/%s%c", dir, entry->d_name, '\0');
	}
	if (d)
		closedir(d);
}

static bool all_exist(const struct buffer *paths)
{
	for (size_t at = 0; at < paths->n; at += strlen((const char *)paths->p + at) + 1) {
		if (access((const char *)paths->p + at, F_OK) != 0)
			return false;
	}
	return true;
}

/* A reader keeps every file open, so that a writer does not take them away. */
static void allow_open_files(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Beside a writer a file may go while it is looked for, which RocksDB tells; or a log between reading which rows are
 * in files and which logs there are, which it does not: its rows would be missing. Then it is opened anew. */
static rocksdb_t *open_to_read(struct rocks *r, char **message)
{
	struct buffer logs = BUFFER_INIT;
	rocksdb_t *db = NULL;
	allow_open_files();
	for (int i = 0; i < READ_TRIES; i++) {
		rocksdb_free(*message);
		*message = NULL;
		buffer_clear(&logs);
		list_logs(r->dir, &logs);
		db = rocksdb_open_for_read_only(r->options, r->dir, 0, message);
		if (*message ? !strstr(*message, "No such file") : all_exist(&logs))
			break;
		if (db)
			rocksdb_close(db);
		db = NULL;
	}
	buffer_release(&logs);
	return db;
}

/* Opening makes the rows of the logs a file, and writes a few small ones. */
static int look_for_room(const struct rocks *r, struct err *e)
{
	struct buffer logs = BUFFER_INIT;
	uint64_t need = OPEN_ROOM;
	struct stat st;
	const char *end = strrchr(r->dir, '/');
	bool is_new = stat(r->dir, &st) != 0;
	list_logs(r->dir, &logs);
	for (size_t at = 0; at < logs.n; at += strlen((const char *)logs.p + at) + 1) {
		if (stat((const char *)logs.p + at, &st) == 0)
			need += (uint64_t)st.st_size;
	}
	buffer_clear(&logs);
	buffer_put(&logs, r->dir, is_new && end ? (size_t)(end - r->dir) : strlen(r->dir));
	buffer_putf(&logs, "%c", '\0');
	int rc = room_look((const char *)logs.p, need, "opening", e);
	buffer_release(&logs);
	return rc;
}

static int open_database(struct rocks *r, struct err *e)
{
	char *message = NULL;
	int rc = rocks_files_look(r->dir, r->read_only ? ROCKS_LOOK : ROCKS_LOOK_MEND, e);
	if (rc == 0 && !r->read_only)
		rc = look_for_room(r, e);
	if (rc < 0)
		return rc;
	r->db = r->read_only ? open_to_read(r, &message) : rocksdb_open(r->options, r->dir, &message);
	if (message) {
		r->db = NULL;
		rc = rocks_error(message, r->dir, e);
		if (rc == ERR_CORRUPT)
			rocks_files_look(r->dir, ROCKS_LOOK_ALL, e); /* it may say better where */
		return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc; /* the database is there, some file of it is not */
	}
	if (!r->db)
		return err_set(e, ERR_BUSY, "%s: the store changes too fast", r->dir);
	r->durable = rocksdb_get_latest_sequence_number(r->db);
	return 0;
}

int rocks_open(const char *dir, bool read_only, size_t memory, unsigned threads, struct rocks **ret, struct err *e)
{
	struct rocks *r = xcalloc(1, sizeof(*r));
	pthread_condattr_t attr;
	r->dir = xstrdup(dir);
	r->read_only = read_only;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	set_options(r, read_only, memory, threads);
	int rc = open_database(r, e);
	if (rc < 0) {
		rocks_close(r);
		return rc;
	}
	*ret = r;
	return 0;
}

/* Leaves nothing in the log, so that a store at rest does not depend on a file whose loss RocksDB would not notice. */
static void flush(struct rocks *r, char **message)
{
	rocksdb_flushoptions_t *opt = rocksdb_flushoptions_create();
	rocksdb_flush(r->db, opt, message);
	rocksdb_flushoptions_destroy(opt);
}

/* Takes the database away from those who have snapshots of it. Under the lock, or when nobody else has it. */
static rocksdb_t *detach(struct rocks *r)
{
	rocksdb_t *db = r->db;
	for (struct rocks_snapshot *p = r->snapshots; p; p = p->next) {
		if (p->real)
			rocksdb_release_snapshot(db, p->real);
		p->real = NULL;
	}
	r->db = NULL;
	return db;
}

static void close_database(rocksdb_t *db)
{
	if (db)
		rocksdb_close(db);
}

void rocks_close(struct rocks *r)
{
	char *message = NULL;
	if (!r)
		return;
	if (r->db && !r->read_only && r->rc == 0)
		flush(r, &message); /* failing is no harm: what is durable is in the log */
	if (message)
		rocksdb_free(message);
	close_database(detach(r));
	free(r->latest);
	rocksdb_readoptions_destroy(r->read);
	rocksdb_writeoptions_destroy(r->sync_write);
	rocksdb_options_destroy(r->options);
	rocksdb_block_based_options_destroy(r->table);
	rocksdb_cache_destroy(r->cache);
	pthread_mutex_destroy(&r->lock);
	pthread_cond_destroy(&r->changed);
	free(r->dir);
	free(r);
}

/* --- using it, and opening it again --- */

/* Whoever uses db begins and ends so. */
static int use(struct rocks *r, bool change, struct err *e)
{
	pthread_mutex_lock(&r->lock);
	while (r->switching)
		pthread_cond_wait(&r->changed, &r->lock);
	int rc = change || !r->db ? r->rc : 0;
	if (rc == 0)
		r->users++;
	else if (e)
		*e = r->error;
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void used(struct rocks *r)
{
	pthread_mutex_lock(&r->lock);
	if (--r->users == 0)
		pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

bool rocks_failed(struct rocks *r)
{
	pthread_mutex_lock(&r->lock);
	bool failed = r->rc < 0;
	pthread_mutex_unlock(&r->lock);
	return failed;
}

void rocks_distrust(struct rocks *r, int rc, const struct err *why)
{
	pthread_mutex_lock(&r->lock);
	if (r->rc == 0) {
		r->rc = rc;
		r->error = *why;
	}
	pthread_mutex_unlock(&r->lock);
}

/* Waits until nobody uses it. Those who come meanwhile are let in: who has a cursor open may need a second. */
static int wait_for_users(struct rocks *r)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += REOPEN_WAIT_S;
	int rc = 0;
	while (r->switching || (r->users && rc == 0))
		rc = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	return r->users ? -1 : 0;
}

int rocks_reopen(struct rocks *r, struct err *e)
{
	int rc = look_for_room(r, e); /* without, what is there can still be read */
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&r->lock);
	if (wait_for_users(r) < 0) {
		if (e)
			*e = r->error;
		pthread_mutex_unlock(&r->lock);
		return ERR_BUSY;
	}
	r->switching = true;
	uint64_t durable = r->durable;
	rocksdb_t *before = detach(r);
	pthread_mutex_unlock(&r->lock); /* closing takes its time; scans begin meanwhile */
	close_database(before);
	struct err error;
	rc = open_database(r, &error);
	if (rc == 0 && r->durable < durable)
		rc = err_set(&error, ERR_CORRUPT, "%s: the store is damaged: it lost what was written to it", r->dir);
	if (rc < 0) { /* nobody has a snapshot of it yet */
		close_database(r->db);
		r->db = NULL;
	}
	pthread_mutex_lock(&r->lock);
	if (rc < 0) {
		r->durable = durable;
		r->error = error;
		if (e)
			*e = error;
	}
	r->rc = rc;
	r->switching = false;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

int rocks_get(struct rocks *r, struct bytes key, struct buffer *ret, struct err *e)
{
	char *message = NULL;
	size_t n = 0;
	int rc = use(r, false, e);
	if (rc < 0)
		return rc;
	char *found = rocksdb_get(r->db, r->read, (const char *)key.p, key.n, &n, &message);
	used(r);
	if (message)
		return rocks_error(message, r->dir, e);
	buffer_clear(ret);
	if (!found)
		return 0;
	buffer_put(ret, found, n);
	rocksdb_free(found);
	return 1;
}

/* --- batches: RocksDB's own, under our name --- */

static rocksdb_writebatch_t *batch_of(struct rocks_batch *b)
{
	return (rocksdb_writebatch_t *)b;
}

struct rocks_batch *rocks_batch_new(void)
{
	return (struct rocks_batch *)rocksdb_writebatch_create();
}

void rocks_batch_put(struct rocks_batch *b, struct bytes key, struct bytes value)
{
	rocksdb_writebatch_put(batch_of(b), (const char *)key.p, key.n, (const char *)value.p, value.n);
}

void rocks_batch_merge(struct rocks_batch *b, struct bytes key, struct bytes value)
{
	rocksdb_writebatch_merge(batch_of(b), (const char *)key.p, key.n, (const char *)value.p, value.n);
}

void rocks_batch_delete(struct rocks_batch *b, struct bytes key)
{
	rocksdb_writebatch_delete(batch_of(b), (const char *)key.p, key.n);
}

void rocks_batch_delete_range(struct rocks_batch *b, struct bytes from, struct bytes to)
{
	rocksdb_writebatch_delete_range(batch_of(b), (const char *)from.p, from.n, (const char *)to.p, to.n);
}

void rocks_batch_free(struct rocks_batch *b)
{
	if (b)
		rocksdb_writebatch_destroy(batch_of(b));
}

/* Under the lock. */
static void snapshot_free(struct rocks *r, struct rocks_snapshot *s)
{
	if (s->real)
		rocksdb_release_snapshot(r->db, s->real);
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	free(s);
}

/* Nobody shares the latest any more. Under the lock. */
static void forget_latest(struct rocks *r)
{
	struct rocks_snapshot *s = r->latest;
	r->latest = NULL;
	if (s && !s->holders)
		snapshot_free(r, s);
}

int rocks_write(struct rocks *r, struct rocks_batch *b, struct err *e)
{
	char *message = NULL;
	struct err error;
	int rc = use(r, true, e);
	if (rc < 0)
		return rc;
	rocksdb_write(r->db, r->sync_write, batch_of(b), &message);
	uint64_t sequence = rocksdb_get_latest_sequence_number(r->db);
	rc = message ? rocks_error(message, r->dir, &error) : 0;
	if (rc < 0)
		rocks_distrust(r, rc, &error);
	pthread_mutex_lock(&r->lock);
	if (rc == 0 && r->durable < sequence)
		r->durable = sequence;
	forget_latest(r); /* else what it keeps RocksDB from dropping stays while nobody asks */
	pthread_mutex_unlock(&r->lock);
	used(r);
	if (rc < 0 && e)
		*e = error;
	return rc;
}

/* --- reading --- */

/* Under the lock. */
static bool latest_is_now(const struct rocks *r)
{
	return r->latest && r->latest->real && !r->switching && r->db &&
	       r->latest->sequence == rocksdb_get_latest_sequence_number(r->db);
}

struct rocks_snapshot *rocks_snapshot_take(struct rocks *r)
{
	pthread_mutex_lock(&r->lock);
	if (!latest_is_now(r)) {
		struct rocks_snapshot *s = xcalloc(1, sizeof(*s));
		forget_latest(r);
		if (!r->switching && r->db) {
			s->sequence = rocksdb_get_latest_sequence_number(r->db);
			s->real = rocksdb_create_snapshot(r->db);
		}
		s->next = r->snapshots;
		s->link = &r->snapshots;
		if (s->next)
			s->next->link = &s->next;
		r->snapshots = r->latest = s;
	}
	struct rocks_snapshot *s = r->latest;
	s->holders++;
	pthread_mutex_unlock(&r->lock);
	return s;
}

void rocks_snapshot_drop(struct rocks *r, struct rocks_snapshot *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&r->lock);
	if (--s->holders == 0 && s != r->latest)
		snapshot_free(r, s);
	pthread_mutex_unlock(&r->lock);
}

static int cursor_row(struct rocks_cursor *c, struct err *e)
{
	if (!c->it) {
		if (e)
			*e = c->error;
		return c->rc;
	}
	if (!rocksdb_iter_valid(c->it)) {
		char *message = NULL;
		rocksdb_iter_get_error(c->it, &message);
		return message ? rocks_error(message, c->rocks->dir, e) : 0;
	}
	struct bytes key;
	key.p = (const uint8_t *)rocksdb_iter_key(c->it, &key.n);
	if (!bytes_has_prefix(key, buffer_bytes(&c->prefix)))
		return 0;
	c->source.key = bytes_of(key.p + c->prefix.n, key.n - c->prefix.n);
	c->source.value.p = (const uint8_t *)rocksdb_iter_value(c->it, &c->source.value.n);
	return 1;
}

static int cursor_seek(struct source *s, struct bytes at, struct err *e)
{
	struct rocks_cursor *c = (struct rocks_cursor *)s;
	buffer_clear(&c->key);
	buffer_put_bytes(&c->key, buffer_bytes(&c->prefix));
	buffer_put_bytes(&c->key, at);
	if (c->it)
		rocksdb_iter_seek(c->it, (const char *)c->key.p, c->key.n);
	return cursor_row(c, e);
}

static int cursor_next(struct source *s, struct err *e)
{
	struct rocks_cursor *c = (struct rocks_cursor *)s;
	if (c->it && rocksdb_iter_valid(c->it))
		rocksdb_iter_next(c->it);
	return cursor_row(c, e);
}

struct rocks_cursor *rocks_cursor_new(struct rocks *r, const struct rocks_snapshot *s, struct bytes prefix)
{
	struct rocks_cursor *c = xcalloc(1, sizeof(*c));
	c->source = (struct source){.seek = cursor_seek, .next = cursor_next};
	c->rocks = r;
	buffer_put_bytes(&c->prefix, prefix);
	c->rc = use(r, false, &c->error);
	if (c->rc < 0)
		return c;
	c->read = rocksdb_readoptions_create();
	if (s && s->real) /* as long as it is used nobody takes it away */
		rocksdb_readoptions_set_snapshot(c->read, s->real);
	c->it = rocksdb_create_iterator(r->db, c->read);
	return c;
}

struct source *rocks_cursor_source(struct rocks_cursor *c)
{
	return &c->source;
}

void rocks_cursor_free(struct rocks_cursor *c)
{
	if (!c)
		return;
	if (c->it) {
		rocksdb_iter_destroy(c->it);
		rocksdb_readoptions_destroy(c->read);
		used(c->rocks);
	}
	buffer_release(&c->prefix);
	buffer_release(&c->key);
	free(c);
}

/* --- the rest --- */

static uint64_t property(rocksdb_t *db, const char *name)
{
	uint64_t v = 0;
	return rocksdb_property_int(db, name, &v) == 0 ? v : 0;
}

uint64_t rocks_sequence(struct rocks *r)
{
	if (use(r, false, NULL) < 0) {
		pthread_mutex_lock(&r->lock);
		uint64_t durable = r->durable;
		pthread_mutex_unlock(&r->lock);
		return durable;
	}
	uint64_t sequence = rocksdb_get_latest_sequence_number(r->db);
	used(r);
	return sequence;
}

void rocks_figures(struct rocks *r, struct rocks_figures *ret)
{
	*ret = (struct rocks_figures){0};
	if (use(r, false, NULL) < 0)
		return;
	ret->rows = property(r->db, "rocksdb.estimate-num-keys");
	ret->disk_octets = property(r->db, "rocksdb.total-sst-files-size");
	ret->memory_octets = property(r->db, "rocksdb.block-cache-usage") +
	                     property(r->db, "rocksdb.cur-size-all-mem-tables") +
	                     property(r->db, "rocksdb.estimate-table-readers-mem");
	used(r);
}

/* Reads everything as it lies on disk: a database that is opened anew has none in its cache. */
int rocks_verify(struct rocks *r, struct err *e)
{
	struct rocks *anew = NULL;
	int rc = rocks_files_look(r->dir, ROCKS_LOOK_ALL, e);
	if (rc == 0)
		rc = rocks_open(r->dir, true, 1 << 20, 1, &anew, e);
	if (rc < 0)
		return rc;
	rocksdb_readoptions_set_fill_cache(anew->read, 0);
	rocksdb_iterator_t *it = rocksdb_create_iterator(anew->db, anew->read);
	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
		;
	char *message = NULL;
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	rocks_close(anew);
	return message ? rocks_error(message, r->dir, e) : 0;
}

/* Compacting does not say why it failed. Changes are refused from then on for the same reason, except where there was
 * no room: RocksDB takes those in that fit in its log. */
static int why_compacting_failed(struct rocks *r, struct err *e)
{
	char *message = NULL;
	rocksdb_writebatch_t *nothing = rocksdb_writebatch_create();
	rocksdb_write(r->db, r->sync_write, nothing, &message);
	rocksdb_writebatch_destroy(nothing);
	return message ? rocks_error(message, r->dir, e)
	               : err_set(e, ERR_FULL, "%s: compacting failed: No space left on device", r->dir);
}

static int compact(struct rocks *r, struct err *e)
{
	char *message = NULL;
	uint64_t failures = property(r->db, "rocksdb.background-errors");
	flush(r, &message);
	if (message)
		return rocks_error(message, r->dir, e);
	rocksdb_compactoptions_t *opt = rocksdb_compactoptions_create();
	rocksdb_compactoptions_set_bottommost_level_compaction(opt, 2); /* force */
	rocksdb_compact_range_opt(r->db, opt, NULL, 0, NULL, 0); /* says nothing when it fails */
	rocksdb_compactoptions_destroy(opt);
	if (property(r->db, "rocksdb.background-errors") == failures)
		return 0;
	int rc = rocks_verify(r, e);
	if (rc < 0)
		return rc;
	return why_compacting_failed(r, e);
}

int rocks_compact(struct rocks *r, struct err *e)
{
	struct err error;
	int rc = use(r, true, e);
	if (rc < 0)
		return rc;
	rc = compact(r, &error);
	if (rc < 0)
		rocks_distrust(r, rc, &error);
	used(r);
	if (rc < 0 && e)
		*e = error;
	return rc;
}
