/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The embedded store: opening, runs and scans. disk.h tells how it is made. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/at_rest.h"
#include "store/counting.h"
#include "store/disk.h"
#include "store/value.h"

enum {
	FRESH_RUN_ROWS = 20000, /* larger runs become tables at once */
	CACHE_DEFAULT = 512 << 20,
	ROCKS_CACHE = 32 << 20,
	READ_TRIES = 20, /* a reader beside a writer that merges may find a table gone, and looks again */
};

/* --- keys in RocksDB --- */

void disk_area_prefix(uint32_t area, uint8_t to[static AREA_PREFIX])
{
	to[0] = SPACE_AREA;
	disk_put_be(to + 1, area, AREA_PREFIX - 1);
}

void disk_table_key(uint64_t number, uint8_t to[static TABLE_KEY])
{
	to[0] = SPACE_TABLE;
	disk_put_be(to + 1, number, TABLE_KEY - 1);
}

void disk_put_table(struct rocks_batch *b, struct table *t, int level)
{
	uint8_t key[TABLE_KEY], note[TABLE_NOTE];
	disk_table_key(table_number(t), key);
	disk_put_be(note, table_rows(t), 8);
	disk_put_be(note + 8, table_octets(t), 8);
	note[16] = (uint8_t)level;
	rocks_batch_put(b, bytes_of(key, sizeof(key)), bytes_of(note, sizeof(note)));
}

void disk_delete_table(struct rocks_batch *b, uint64_t number)
{
	uint8_t key[TABLE_KEY];
	disk_table_key(number, key);
	rocks_batch_delete(b, bytes_of(key, sizeof(key)));
}

static char *path_join(const char *dir, const char *name)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s/%s", dir, name);
	buffer_put_byte(&b, 0);
	return (char *)b.p;
}

int disk_sync_directory(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 || fsync(fd) != 0 ? err_sys(e, errno, "%s", dir) : 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

static int sync_parent(const char *path, struct err *e)
{
	char *copy = xstrdup(path), *parent = dirname(copy);
	int rc = access(parent, R_OK) == 0 ? disk_sync_directory(parent, e) : 0;
	free(copy);
	return rc;
}

int disk_open_table(struct disk *d, uint64_t number, struct table **ret, struct err *e)
{
	char *dir = path_join(d->base.path, "tables");
	int rc = disk_sync_directory(dir, e);
	free(dir);
	return rc == 0 ? tables_open(d->tables, number, ret, e) : rc;
}

/* --- opening --- */

static void disk_close(struct store *s)
{
	struct disk *d = (struct disk *)s;
	bool kept = d->keeper != NULL;
	keeper_stop(d->keeper);
	tables_free(d->tables);
	counting_free(d->counting);
	/* Only who opened it for writing, and came so far, has a keeper. */
	kept = kept && !rocks_failed(d->rocks);
	uint64_t sequence = d->rocks ? rocks_sequence(d->rocks) : 0;
	rocks_close(d->rocks);
	if (kept)
		at_rest_write(d->base.path, sequence, NULL); /* without it the store is as good, and less sure */
	pthread_rwlock_destroy(&d->writing);
	fresh_release(d->fresh);
	disk_scan_free(d->spare);
	pthread_mutex_destroy(&d->publishing);
	pthread_mutex_destroy(&d->view);
	buffer_release(&d->doubtful);
	free(d->base.path);
	free(d);
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

/* Whether a directory has a file whose name ends so; dots alone do not count. */
static bool dir_has(const char *parent, const char *name, const char *end)
{
	char *dir = path_join(parent, name);
	DIR *d = opendir(dir);
	bool has = false;
	for (struct dirent *entry; d && (entry = readdir(d));)
		has = has || (entry->d_name[0] != '.' && strcmp(entry->d_name, "lost+found") != 0 &&
		              ends_with(entry->d_name, end));
	if (d)
		closedir(d);
	free(dir);
	return has;
}

static bool exists(const char *dir, const char *name)
{
	char *path = path_join(dir, name);
	bool there = access(path, F_OK) == 0 || errno != ENOENT;
	free(path);
	return there;
}

/* A directory without RocksDB's entry point: is it new, half made, or damaged? */
static int check_no_database(const char *path, enum store_mode mode, struct err *e)
{
	if (dir_has(path, "rocksdb", ".sst") || dir_has(path, "rocksdb", ".log") || dir_has(path, "tables", ".table"))
		return err_set(e, ERR_CORRUPT, "%s: the store is damaged: rocksdb/CURRENT is missing", path);
	if (mode != STORE_CREATE)
		return err_set(e, ERR_NOTFOUND, "%s: there is no store", path);
	if (dir_has(path, ".", "") && !exists(path, "accounts") && !exists(path, "rocksdb"))
		return err_set(e, ERR_USAGE, "%s: the directory holds something else than a store", path);
	return 0;
}

/* Looks at the directory before RocksDB does, for clearer words. */
static int check_directory(const char *path, enum store_mode mode, struct err *e)
{
	struct stat st;
	if (stat(path, &st) != 0) {
		if (errno != ENOENT)
			return err_sys(e, errno, "%s", path);
		if (mode != STORE_CREATE)
			return err_set(e, ERR_NOTFOUND, "%s: there is no store", path);
		if (mkdir(path, 0750) != 0)
			return err_sys(e, errno, "%s: cannot make the store's directory", path);
		return sync_parent(path, e);
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_USAGE, "%s: a store is a directory, this is not", path);
	if (access(path, R_OK | X_OK) != 0)
		return err_sys(e, errno, "%s", path);
	char *current = path_join(path, "rocksdb/CURRENT");
	int rc = 0;
	if (access(current, F_OK) != 0)
		rc = errno == ENOENT ? check_no_database(path, mode, e) : err_sys(e, errno, "%s", current);
	free(current);
	return rc;
}

static int refuse_layout(const char *path, struct bytes found, struct err *e)
{
	char version[21] = "";
	memcpy(version, found.p, found.n < 20 ? found.n : 20);
	bool newer = strtol(version, NULL, 10) > strtol(LAYOUT_VERSION, NULL, 10);
	return err_set(e, ERR_VERSION, "%s: the store has key layout %s, this program knows %s: it was made by %s",
	               path, version, LAYOUT_VERSION,
	               newer ? "a newer dribble, which can read it"
	                     : "an older dribble; export it with that, and import it anew");
}

/* Checks the layout's version, or writes it into a new store. */
static int check_layout(struct disk *d, struct err *e)
{
	static const struct bytes start;
	struct bytes key = bytes_of(LAYOUT_KEY, LAYOUT_KEY_LEN);
	struct buffer found = BUFFER_INIT;
	int rc = rocks_get(d->rocks, key, &found, e);
	if (rc == 1) {
		rc = 0;
		if (!bytes_eq(buffer_bytes(&found), bytes_str(LAYOUT_VERSION)))
			rc = refuse_layout(d->base.path, buffer_bytes(&found), e);
	} else if (rc == 0) {
		struct rocks_cursor *c = rocks_cursor_new(d->rocks, NULL, start);
		rc = rocks_cursor_source(c)->seek(rocks_cursor_source(c), start, e);
		rocks_cursor_free(c);
		if (rc == 1)
			rc = err_set(e, ERR_VERSION, "%s: not a store of this program (no layout version)",
			             d->base.path);
		else if (rc == 0 && d->read_only) /* its maker was killed before anything came in */
			rc = err_set(e, ERR_NOTFOUND, "%s: there is no store yet", d->base.path);
		if (rc == 0) {
			struct rocks_batch *b = rocks_batch_new();
			rocks_batch_put(b, key, bytes_str(LAYOUT_VERSION));
			rc = rocks_write(d->rocks, b, e);
			rocks_batch_free(b);
		}
	}
	buffer_release(&found);
	return rc;
}

static int make_tables_dir(const struct disk *d, struct err *e)
{
	char *dir = path_join(d->base.path, "tables");
	int rc = 0;
	if (mkdir(dir, 0755) != 0 && errno != EEXIST) /* as RocksDB's: the store's own folder keeps others out */
		rc = err_sys(e, errno, "%s", dir);
	free(dir);
	return rc == 0 ? disk_sync_directory(d->base.path, e) : rc; /* RocksDB's is in it, too */
}

static void init_locks(struct disk *d)
{
	pthread_rwlockattr_t attr;
	pthread_rwlockattr_init(&attr); /* many small runs must not keep the keeper waiting for ever */
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&d->writing, &attr);
	pthread_rwlockattr_destroy(&attr);
	pthread_mutex_init(&d->publishing, NULL);
	pthread_mutex_init(&d->view, NULL);
}

/* *gone: a table was not there. last: this is the last try. */
static int open_once(const char *path, enum store_mode mode, const struct store_options *opt, bool last, struct store **ret,
                     bool *gone, struct err *e)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned threads = opt->threads ? opt->threads : (unsigned)(online > 0 ? online : 1);
	struct disk *d = xcalloc(1, sizeof(*d));
	d->base.engine = &store_rocksdb;
	d->base.path = xstrdup(path);
	while (strlen(d->base.path) > 1 && d->base.path[strlen(d->base.path) - 1] == '/')
		d->base.path[strlen(d->base.path) - 1] = '\0';
	d->read_only = mode == STORE_READ;
	d->damage = opt->damage;
	d->last_try = last;
	init_locks(d);
	char *rocks = path_join(d->base.path, "rocksdb"), *tables = path_join(d->base.path, "tables");
	d->counting = counting_new();
	d->fresh = fresh_new();
	d->tables = tables_new(tables, opt->cache_bytes ? (size_t)opt->cache_bytes : CACHE_DEFAULT);
	uint64_t left_at = 0;
	int rc = at_rest_read(d->base.path, &left_at, e); /* before: a writer may begin in between */
	if (rc >= 0 || damage_is_passed(&d->damage, rc, e))
		rc = rocks_open(rocks, d->read_only, ROCKS_CACHE, threads, &d->rocks, e);
	if (rc == 0 && rocks_sequence(d->rocks) < left_at)
		rc = err_set(e, ERR_CORRUPT, "%s: the store is damaged: rocksdb is older than it was when it was closed", path);
	if (rc == 0 || (d->rocks && damage_is_passed(&d->damage, rc, e)))
		rc = check_layout(d, e);
	if (rc == 0 && !d->read_only)
		rc = at_rest_remove(d->base.path, e);
	if (rc == 0 && !d->read_only)
		rc = make_tables_dir(d, e);
	if (rc == 0)
		rc = disk_load(d, gone, e);
	if (rc == 0 && !d->read_only) {
		tables_sweep(d->tables);
		d->keeper = keeper_start(d);
		if (!d->keeper)
			rc = err_set(e, ERR_NOMEM, "%s: cannot start a thread", path);
	}
	free(rocks);
	free(tables);
	if (rc < 0) {
		disk_close(&d->base);
		return rc;
	}
	*ret = &d->base;
	return 0;
}

static int disk_open(const char *path, enum store_mode mode, const struct store_options *opt, struct store **ret,
                     struct err *e)
{
	if (!*path)
		return err_set(e, ERR_USAGE, "the path of the store is empty");
	int rc = check_directory(path, mode, e);
	if (rc < 0)
		return rc;
	bool gone = true;
	for (int tries = mode == STORE_READ ? READ_TRIES : 1; gone && tries; tries--) {
		gone = false;
		rc = open_once(path, mode, opt, tries == 1, ret, &gone, e);
	}
	return rc;
}

/* --- runs --- */

/* A row or note that waits for the run's end. */
struct waiting {
	uint32_t key_n, value_n;
};

struct disk_run {
	struct run base;
	struct disk *disk;    /* borrowed */
	bool small;           /* goes to RocksDB */
	struct buffer notes;  /* keys and values behind their struct waiting */
	struct buffer rows;   /* of a small run, likewise */
	struct buffer batches; /* of a small run: size_t, where each batch begins in rows */
	struct table_writer *writer; /* of a large run: the table being written */
	uint64_t writing;            /* its number */
	struct table **tables;       /* those that are finished; owned until the commit */
	size_t n_tables;
	bool doubtful;      /* whether they came alive is not known */
	struct buffer last; /* the last key */
};

/* ERR_USAGE when the store is open for reading. */
static int check_writable(const struct disk *d, struct err *e)
{
	return d->read_only ? err_set(e, ERR_USAGE, "%s: the store is open for reading only", d->base.path) : 0;
}

static int disk_run_begin(struct store *s, uint64_t expect, struct run **ret, struct err *e)
{
	struct disk *d = (struct disk *)s;
	if (check_writable(d, e) < 0)
		return ERR_USAGE;
	bool small = expect <= FRESH_RUN_ROWS;
	int rc = disk_mend(d, e);
	if (rc == 0)
		rc = keeper_wait(d->keeper, !small, e);
	if (rc < 0)
		return rc;
	struct disk_run *r = xcalloc(1, sizeof(*r));
	r->base.engine = &store_rocksdb;
	r->disk = d;
	r->small = small;
	*ret = &r->base;
	return 0;
}

static int end_table(struct disk_run *r, struct err *e)
{
	struct table *t;
	if (!r->writer)
		return 0;
	int rc = table_writer_finish(r->writer, e);
	table_writer_free(r->writer);
	r->writer = NULL;
	if (rc == 0)
		rc = disk_open_table(r->disk, r->writing, &t, e);
	if (rc < 0)
		return rc;
	r->tables = xrealloc(r->tables, (r->n_tables + 1) * sizeof(struct table *));
	r->tables[r->n_tables++] = t;
	return 0;
}

static void begin_batch(struct disk_run *r)
{
	buffer_put(&r->batches, &r->rows.n, sizeof(r->rows.n));
}

static int disk_run_restart(struct run *run, struct err *e)
{
	struct disk_run *r = (struct disk_run *)run;
	buffer_clear(&r->last);
	if (r->small)
		begin_batch(r);
	return end_table(r, e);
}

static void put_waiting(struct buffer *out, struct bytes key, struct bytes value)
{
	struct waiting w = {(uint32_t)key.n, (uint32_t)value.n};
	buffer_put(out, &w, sizeof(w));
	buffer_put_bytes(out, key);
	buffer_put_bytes(out, value);
}

static int begin_row(struct disk_run *r, bool note, struct bytes key, struct bytes value, struct err *e)
{
	if (r->last.n && bytes_cmp(buffer_bytes(&r->last), key) >= 0)
		return err_set(e, ERR_USAGE, "keys of a run must ascend");
	if (note != (key.n && key.p[0] < STORE_FIRST_ROW))
		return err_set(e, ERR_USAGE, "notes are put, rows are added");
	if (!note && (key.n > SEGMENT_KEY_MAX || value.n > SEGMENT_VALUE_MAX))
		return err_set(e, ERR_LIMIT, "a row of %zu octets is too large", key.n + value.n);
	struct value v;
	if (!note && value_decode(value, &v) != 0) /* what cannot be merged would stop merging for good */
		return err_set(e, ERR_USAGE, "a row's value does not decode");
	buffer_clear(&r->last);
	buffer_put_bytes(&r->last, key);
	return 0;
}

static int disk_run_put(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	struct disk_run *r = (struct disk_run *)run;
	int rc = begin_row(r, true, key, value, e);
	if (rc == 0)
		put_waiting(&r->notes, key, value);
	return rc;
}

static int disk_run_add(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	struct disk_run *r = (struct disk_run *)run;
	int rc = begin_row(r, false, key, value, e);
	if (rc < 0)
		return rc;
	if (r->small) {
		if (!r->batches.n)
			begin_batch(r);
		put_waiting(&r->rows, key, value);
		return 0;
	}
	if (!r->writer) {
		r->writing = tables_number(r->disk->tables);
		char *path = tables_path(r->disk->tables, r->writing);
		rc = table_writer_open(path, TABLE_LEVEL_FAST, bytes_of(NULL, 0), &r->writer, e);
		free(path);
		if (rc == 0)
			table_writer_beside(r->writer);
	}
	return rc == 0 ? table_writer_add(r->writer, key, value, e) : rc;
}

static void disk_run_abort(struct run *run)
{
	struct disk_run *r = (struct disk_run *)run;
	table_writer_free(r->writer);
	for (size_t i = 0; i < r->n_tables; i++) {
		char *path = tables_path(r->disk->tables, table_number(r->tables[i]));
		table_close(r->tables[i]);
		if (!r->doubtful)
			unlink(path);
		free(path);
	}
	free(r->tables);
	buffer_release(&r->notes);
	buffer_release(&r->rows);
	buffer_release(&r->batches);
	buffer_release(&r->last);
	free(r);
}

/* Puts what waited into a batch, behind a prefix. */
static void put_all(struct rocks_batch *b, const struct buffer *waiting, struct bytes prefix, bool merge)
{
	struct buffer key = BUFFER_INIT;
	for (size_t at = 0; at < waiting->n;) {
		struct waiting w;
		memcpy(&w, waiting->p + at, sizeof(w));
		at += sizeof(w);
		buffer_clear(&key);
		buffer_put_bytes(&key, prefix);
		buffer_put(&key, waiting->p + at, w.key_n);
		struct bytes value = bytes_of(waiting->p + at + w.key_n, w.value_n);
		(merge ? rocks_batch_merge : rocks_batch_put)(b, buffer_bytes(&key), value);
		at += w.key_n + w.value_n;
	}
	buffer_release(&key);
}

/* The rows of a batch that waits, as a source that is read once. */
struct waiting_source {
	struct source source; /* first */
	const uint8_t *p, *end;
};

static int waiting_next(struct source *source, struct err *e)
{
	struct waiting_source *s = (struct waiting_source *)source;
	struct waiting w;
	(void)e;
	if (s->p == s->end)
		return 0;
	memcpy(&w, s->p, sizeof(w));
	s->source.key = bytes_of(s->p + sizeof(w), w.key_n);
	s->source.value = bytes_of(s->p + sizeof(w) + w.key_n, w.value_n);
	s->p += sizeof(w) + w.key_n + w.value_n;
	return 1;
}

static int waiting_seek(struct source *source, struct bytes at, struct err *e)
{
	(void)at; /* its start: nobody asks for anything else */
	return waiting_next(source, e);
}

/* Shows the rows of a run that is durable to the scans that begin from now on. */
static int publish(struct disk_run *r, uint32_t area, struct err *e)
{
	struct disk *d = r->disk;
	pthread_mutex_lock(&d->publishing);
	struct fresh *set = disk_hold_fresh(d);
	int rc = 0;
	for (size_t i = 0; i < r->batches.n && rc == 0; i += sizeof(size_t)) {
		size_t from, to = r->rows.n;
		struct fresh *with;
		memcpy(&from, r->batches.p + i, sizeof(from));
		if (i + sizeof(size_t) < r->batches.n)
			memcpy(&to, r->batches.p + i + sizeof(size_t), sizeof(to));
		struct waiting_source s = {.source = {.seek = waiting_seek, .next = waiting_next},
		                           .p = r->rows.p + from,
		                           .end = r->rows.p + to};
		if (from == to)
			continue;
		rc = fresh_with(set, area, &s.source, &with, e);
		if (rc == 0) {
			fresh_release(set);
			set = with;
		}
	}
	pthread_mutex_lock(&d->view);
	struct fresh *before = d->fresh;
	d->fresh = set;
	pthread_mutex_unlock(&d->view);
	pthread_mutex_unlock(&d->publishing);
	fresh_release(before);
	return rc;
}

static int commit_small(struct disk_run *r, struct rocks_batch *b, struct err *e)
{
	struct disk *d = r->disk;
	uint8_t prefix[AREA_PREFIX];
	pthread_rwlock_rdlock(&d->writing);
	disk_area_prefix(d->area, prefix);
	put_all(b, &r->rows, bytes_of(prefix, sizeof(prefix)), true);
	int rc = rocks_write(d->rocks, b, e);
	if (rc == 0 && r->rows.n)
		rc = publish(r, d->area, e);
	pthread_rwlock_unlock(&d->writing);
	return rc;
}

static int commit_large(struct disk_run *r, struct rocks_batch *b, struct err *e)
{
	struct disk *d = r->disk;
	int rc = end_table(r, e);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < r->n_tables; i++)
		disk_put_table(b, r->tables[i], TABLE_LEVEL_FAST);
	pthread_rwlock_rdlock(&d->writing);
	rc = rocks_write(d->rocks, b, e);
	if (rc == 0) {
		pthread_mutex_lock(&d->view);
		tables_change(d->tables, r->tables, r->n_tables, NULL, 0);
		pthread_mutex_unlock(&d->view);
		r->n_tables = 0; /* they are not the run's any more */
	}
	for (size_t i = 0; i < r->n_tables; i++)
		disk_doubt(d, table_number(r->tables[i]));
	pthread_rwlock_unlock(&d->writing);
	r->doubtful = rc < 0;
	return rc;
}

static int disk_run_commit(struct run *run, struct err *e)
{
	struct disk_run *r = (struct disk_run *)run;
	const uint8_t prefix = SPACE_NOTE;
	struct rocks_batch *b = rocks_batch_new();
	put_all(b, &r->notes, bytes_of(&prefix, 1), false);
	atomic_fetch_add(&r->disk->begun, 1);
	int rc = r->small ? commit_small(r, b, e) : commit_large(r, b, e);
	atomic_fetch_add(&r->disk->generation, 1);
	rocks_batch_free(b);
	keeper_wake(r->disk->keeper); /* also when it failed: there is something to mend */
	disk_run_abort(run);
	return rc;
}

static int disk_forget(struct store *s, struct bytes key, struct err *e)
{
	struct disk *d = (struct disk *)s;
	struct buffer prefixed = BUFFER_INIT;
	if (check_writable(d, e) < 0)
		return ERR_USAGE;
	int rc = disk_mend(d, e);
	if (rc < 0)
		return rc;
	struct rocks_batch *b = rocks_batch_new();
	buffer_put_byte(&prefixed, SPACE_NOTE);
	buffer_put_bytes(&prefixed, key);
	rocks_batch_delete(b, buffer_bytes(&prefixed));
	atomic_fetch_add(&d->begun, 1);
	pthread_rwlock_rdlock(&d->writing);
	rc = rocks_write(d->rocks, b, e);
	pthread_rwlock_unlock(&d->writing);
	atomic_fetch_add(&d->generation, 1);
	rocks_batch_free(b);
	buffer_release(&prefixed);
	return rc;
}

/* --- the rest --- */

static uint64_t disk_generation(struct store *s)
{
	return atomic_load(&((struct disk *)s)->generation);
}

static int disk_figures(struct store *s, struct store_figures *ret, struct err *e)
{
	struct disk *d = (struct disk *)s;
	struct rocks_figures rocks;
	(void)e;
	rocks_figures(d->rocks, &rocks);
	struct fresh *fresh = disk_hold_fresh(d);
	*ret = (struct store_figures){
		.rows = fresh->rows,
		.disk_bytes = rocks.disk_octets,
		.memory_bytes = rocks.memory_octets + fresh->octets + cache_used(tables_cache(d->tables)),
	};
	fresh_release(fresh);
	struct table_set *set = tables_hold(d->tables);
	for (size_t i = 0; i < set->n; i++) {
		ret->rows += table_rows(live_table(set->live[i]));
		ret->disk_bytes += table_octets(live_table(set->live[i]));
	}
	tables_release(d->tables, set);
	return 0;
}

static int disk_compact(struct store *s, struct err *e)
{
	struct disk *d = (struct disk *)s;
	if (check_writable(d, e) < 0)
		return ERR_USAGE;
	return keeper_compact(d->keeper, e);
}

static int disk_verify(struct store *s, struct err *e)
{
	struct disk *d = (struct disk *)s;
	struct table_set *set = tables_hold(d->tables);
	int rc = rocks_verify(d->rocks, e);
	if (rc == 0)
		rc = at_rest_verify(d->base.path, e);
	for (size_t i = 0; i < set->n && rc == 0; i++)
		rc = table_verify(live_table(set->live[i]), e);
	tables_release(d->tables, set);
	return rc;
}

const struct store_engine store_rocksdb = {
	.scheme = "rocksdb",
	.open = disk_open,
	.close = disk_close,
	.run_begin = disk_run_begin,
	.run_restart = disk_run_restart,
	.run_put = disk_run_put,
	.run_add = disk_run_add,
	.run_commit = disk_run_commit,
	.run_abort = disk_run_abort,
	.forget = disk_forget,
	.scan_begin = disk_scan_begin,
	.scan_bound = disk_scan_bound,
	.scan_seek = disk_scan_seek,
	.scan_next = disk_scan_next,
	.scan_count = disk_scan_count,
	.scan_end = disk_scan_end,
	.generation = disk_generation,
	.figures = disk_figures,
	.compact = disk_compact,
	.verify = disk_verify,
};
