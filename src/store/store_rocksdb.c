/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The embedded store: RocksDB through its C API. The only file that includes it.
 *
 * DESIGN: one column family with a merge operator, so that every run is one atomic step whichever way
 * it travels: a small one as a write batch (synced log), a large one as sorted files that a single call links into
 * the tree. A store is a directory:
 *
 *   PATH/rocksdb    RocksDB's own
 *   PATH/incoming   files of runs that are being written; what a crash leaves there is removed at the next open
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "store/store_priv.h"
#include "store/value.h"

enum {
	BATCH_ROWS = 20000,         /* runs up to this size go through the log */
	FILE_BYTES = 64 << 20,      /* a run's files are cut at this size, before compression */
	BLOCK_BYTES = 16 << 10,     /* measured: smaller ones compress worse, larger ones seek slower */
	WRITE_BUFFER = 64 << 20,
	OPEN_FILES = 1000,
	READ_TRIES = 20,
	NOTES_COUNTED = 10000,
};

struct rocks {
	struct store base;
	rocksdb_t *db;
	rocksdb_options_t *options; /* owns the merge operator */
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *sync_write;
	rocksdb_readoptions_t *read;
	rocksdb_envoptions_t *env;
	bool read_only;
	atomic_ullong generation;
	atomic_ullong run_number;
};

struct rocks_run {
	struct run base;
	struct rocks *store; /* borrowed */
	rocksdb_writebatch_t *batch; /* a small run, else NULL */
	rocksdb_sstfilewriter_t *writer; /* the open file of a large one */
	uint64_t number;
	unsigned files; /* begun */
	size_t file_bytes;
	bool file_notes; /* the open file holds notes */
	struct buffer last; /* the last key */
};

struct rocks_scan {
	struct scan base;
	rocksdb_iterator_t *it;
	struct buffer hi;
};

/* --- errors --- */

/* Takes RocksDB's message (and frees it) apart into one of our codes. */
static int rocks_error(char *message, const char *path, struct err *e)
{
	static const struct {
		const char *part;
		int code;
	} known[] = {
		{"No space left", ERR_FULL},       {"Disk quota exceeded", ERR_FULL},
		{"Permission denied", ERR_DENIED}, {"Read-only file system", ERR_DENIED},
		{"While lock file", ERR_BUSY},     {"lock hold by", ERR_BUSY},
		{"Corruption", ERR_CORRUPT},       {"does not exist", ERR_NOTFOUND},
		{"No such file", ERR_NOTFOUND},    {"Invalid argument", ERR_CORRUPT},
	};
	int code = ERR_IO;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strstr(message, known[i].part)) {
			code = known[i].code;
			break;
		}
	}
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

static char *path_join(const char *dir, const char *name)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s/%s", dir, name);
	buffer_put_byte(&b, 0);
	return (char *)b.p;
}

static void set_options(struct rocks *r, const struct store_options *opt)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	int threads = opt->threads ? (int)opt->threads : (int)(online > 0 ? online : 1);
	r->options = rocksdb_options_create();
	r->table = rocksdb_block_based_options_create();
	r->cache = rocksdb_cache_create_lru(opt->cache_bytes ? opt->cache_bytes : 512u << 20);
	rocksdb_options_increase_parallelism(r->options, threads > 2 ? threads : 2);
	rocksdb_options_set_create_if_missing(r->options, 1);
	rocksdb_options_set_merge_operator(
		r->options, rocksdb_mergeoperator_create(NULL, merge_destroy, full_merge,
	                                                 partial_merge, merge_free, merge_name));
	rocksdb_options_set_compression(r->options, rocksdb_zstd_compression);
	rocksdb_options_set_compression_options(r->options, -14, 3, 0, 0);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(r->options, 1);
	rocksdb_options_set_write_buffer_size(r->options, WRITE_BUFFER);
	rocksdb_options_set_max_write_buffer_number(r->options, 3);
	rocksdb_options_set_max_open_files(r->options, r->read_only ? -1 : OPEN_FILES);
	rocksdb_options_set_max_total_wal_size(r->options, 4ull * WRITE_BUFFER);
	rocksdb_options_set_bytes_per_sync(r->options, 1 << 20);
	rocksdb_options_set_paranoid_checks(r->options, 1);
	/* An incomplete last record is what a crash leaves; anything else is damage and must be told. */
	rocksdb_options_set_wal_recovery_mode(r->options, 0);
	rocksdb_options_set_info_log_level(r->options, 2);
	rocksdb_options_set_keep_log_file_num(r->options, 4);
	rocksdb_options_set_max_log_file_size(r->options, 8 << 20);
	rocksdb_block_based_options_set_block_size(r->table, BLOCK_BYTES);
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_format_version(r->table, 5);
	rocksdb_options_set_block_based_table_factory(r->options, r->table);
	r->sync_write = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(r->sync_write, 1);
	r->read = rocksdb_readoptions_create();
	r->env = rocksdb_envoptions_create();
}

static void rocks_close(struct store *s)
{
	struct rocks *r = (struct rocks *)s;
	if (r->db)
		rocksdb_close(r->db);
	if (r->options) {
		rocksdb_readoptions_destroy(r->read);
		rocksdb_writeoptions_destroy(r->sync_write);
		rocksdb_envoptions_destroy(r->env);
		rocksdb_options_destroy(r->options);
		rocksdb_block_based_options_destroy(r->table);
		rocksdb_cache_destroy(r->cache);
	}
	free(r->base.path);
	free(r);
}

/* Removes what a crash left of runs. What cannot be removed must not stay: it may be another name of a file that is
 * linked into the tree, and a run of that number would overwrite it. */
static int clean_incoming(const char *dir, struct err *e)
{
	DIR *d = opendir(dir);
	int rc = d ? 0 : err_sys(e, errno, "%s", dir);
	for (struct dirent *entry; rc == 0 && (entry = readdir(d));) {
		if (entry->d_name[0] != '.' && unlinkat(dirfd(d), entry->d_name, 0) != 0)
			rc = err_sys(e, errno, "%s/%s", dir, entry->d_name);
	}
	if (d)
		closedir(d);
	return rc;
}

/* Makes the entries of a directory durable: RocksDB does so for its own alone. */
static int sync_directory(const char *dir, struct err *e)
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
	int rc = access(parent, R_OK) == 0 ? sync_directory(parent, e) : 0;
	free(copy);
	return rc;
}

static bool dir_is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	bool empty = true;
	for (struct dirent *entry; d && (entry = readdir(d));)
		empty = empty && (entry->d_name[0] == '.' || strcmp(entry->d_name, "lost+found") == 0);
	if (d)
		closedir(d);
	return empty;
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
	char *current = path_join(path, "rocksdb/CURRENT"), *accounts = path_join(path, "accounts");
	int rc = 0;
	if (access(current, F_OK) != 0) {
		if (errno == EACCES)
			rc = err_sys(e, errno, "%s", path);
		else if (mode != STORE_CREATE)
			rc = err_set(e, ERR_NOTFOUND, "%s: there is no store", path);
		else if (!dir_is_empty(path) && access(accounts, F_OK) != 0 && errno == ENOENT) {
			char *inner = path_join(path, "rocksdb");
			if (access(inner, F_OK) != 0)
				rc = err_set(e, ERR_USAGE,
				             "%s: the directory holds something else than a store",
				             path);
			free(inner);
		}
	}
	free(current);
	free(accounts);
	return rc;
}

/* Checks the layout's version, or writes it into a new store. */
static int check_layout(struct rocks *r, struct err *e)
{
	char *message = NULL;
	size_t n = 0;
	char *found = rocksdb_get(r->db, r->read, LAYOUT_KEY, LAYOUT_KEY_LEN, &n, &message);
	if (message)
		return rocks_error(message, r->base.path, e);
	if (found) {
		bool same = n == strlen(LAYOUT_VERSION) && memcmp(found, LAYOUT_VERSION, n) == 0;
		int rc = same ? 0
		              : err_set(e, ERR_VERSION,
		                        "%s: the store has key layout %.*s, this program knows %s",
		                        r->base.path, (int)(n < 20 ? n : 20), found,
		                        LAYOUT_VERSION);
		rocksdb_free(found);
		return rc;
	}
	rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read);
	rocksdb_iter_seek_to_first(it);
	bool empty = !rocksdb_iter_valid(it);
	rocksdb_iter_destroy(it);
	if (!empty)
		return err_set(e, ERR_VERSION, "%s: not a store of this program (no layout version)",
		               r->base.path);
	if (r->read_only)
		return err_set(e, ERR_NOTFOUND, "%s: there is no store yet", r->base.path);
	rocksdb_put(r->db, r->sync_write, LAYOUT_KEY, LAYOUT_KEY_LEN, LAYOUT_VERSION,
	            strlen(LAYOUT_VERSION), &message);
	return message ? rocks_error(message, r->base.path, e) : 0;
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

/* A reader keeps every file open, so that a writer's compactions do not take them away. */
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
static rocksdb_t *open_to_read(struct rocks *r, const char *dir, char **message)
{
	struct buffer logs = BUFFER_INIT;
	rocksdb_t *db = NULL;
	allow_open_files();
	for (int i = 0; i < READ_TRIES; i++) {
		rocksdb_free(*message);
		*message = NULL;
		buffer_clear(&logs);
		list_logs(dir, &logs);
		db = rocksdb_open_for_read_only(r->options, dir, 0, message);
		if (*message ? !strstr(*message, "No such file") : all_exist(&logs))
			break;
		if (db)
			rocksdb_close(db);
		db = NULL;
	}
	buffer_release(&logs);
	return db;
}

static int open_db(struct rocks *r, struct err *e)
{
	char *dir = path_join(r->base.path, "rocksdb"), *message = NULL;
	if (r->read_only)
		r->db = open_to_read(r, dir, &message);
	else
		r->db = rocksdb_open(r->options, dir, &message);
	free(dir);
	if (!message)
		return r->db ? 0 : err_set(e, ERR_BUSY, "%s: the store changes too fast", r->base.path);
	int rc = rocks_error(message, r->base.path, e);
	return rc == ERR_NOTFOUND ? ERR_CORRUPT : rc; /* the store is there, some file of it is not */
}

/* The folder for files of runs. */
static int open_incoming(struct rocks *r, struct err *e)
{
	char *incoming = path_join(r->base.path, "incoming");
	int rc = mkdir(incoming, 0750) != 0 && errno != EEXIST ? err_sys(e, errno, "%s", incoming) : 0;
	if (rc == 0)
		rc = clean_incoming(incoming, e);
	if (rc == 0)
		rc = sync_directory(r->base.path, e); /* RocksDB's folder is in it */
	free(incoming);
	return rc;
}

static int rocks_open(const char *rest, enum store_mode mode, const struct store_options *opt,
                      struct store **ret, struct err *e)
{
	if (!*rest)
		return err_set(e, ERR_USAGE, "the path of the store is empty");
	int rc = check_directory(rest, mode, e);
	if (rc < 0)
		return rc;
	struct rocks *r = xcalloc(1, sizeof(*r));
	r->base.engine = &store_rocksdb;
	r->base.path = xstrdup(rest);
	while (strlen(r->base.path) > 1 && r->base.path[strlen(r->base.path) - 1] == '/')
		r->base.path[strlen(r->base.path) - 1] = '\0';
	r->read_only = mode == STORE_READ;
	set_options(r, opt);
	rc = open_db(r, e);
	if (rc == 0)
		rc = check_layout(r, e);
	if (rc == 0 && !r->read_only)
		rc = open_incoming(r, e);
	if (rc < 0) {
		rocks_close(&r->base);
		return rc;
	}
	*ret = &r->base;
	return 0;
}

/* --- runs --- */

/* ERR_USAGE when the store is open for reading. */
static int check_writable(const struct rocks *r, struct err *e)
{
	return r->read_only ? err_set(e, ERR_USAGE, "%s: the store is open for reading only", r->base.path) : 0;
}

static int rocks_run_begin(struct store *s, uint64_t expect, struct run **ret, struct err *e)
{
	struct rocks *store = (struct rocks *)s;
	int rc = check_writable(store, e);
	if (rc < 0)
		return rc;
	struct rocks_run *r = xcalloc(1, sizeof(*r));
	r->base.engine = &store_rocksdb;
	r->store = store;
	r->number = atomic_fetch_add(&store->run_number, 1);
	if (expect <= BATCH_ROWS)
		r->batch = rocksdb_writebatch_create();
	*ret = &r->base;
	return 0;
}

static char *run_file(const struct rocks_run *r, unsigned i)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s/incoming/%llu-%u.sst", r->store->base.path,
	            (unsigned long long)r->number, i);
	buffer_put_byte(&b, 0);
	return (char *)b.p;
}

static int file_finish(struct rocks_run *r, struct err *e)
{
	char *message = NULL;
	if (!r->writer)
		return 0;
	rocksdb_sstfilewriter_finish(r->writer, &message);
	rocksdb_sstfilewriter_destroy(r->writer);
	r->writer = NULL;
	return message ? rocks_error(message, r->store->base.path, e) : 0;
}

/* Makes sure that a file is open for a row of n octets. Notes get a file of their own: rows lie far from them, and a file that
 * spans both would overlap every other. */
static int file_ready(struct rocks_run *r, bool note, size_t n, struct err *e)
{
	int rc = 0;
	if (r->writer && (r->file_notes != note || r->file_bytes + n > FILE_BYTES))
		rc = file_finish(r, e);
	if (rc < 0 || r->writer)
		return rc;
	char *path = run_file(r, r->files++), *message = NULL;
	r->writer = rocksdb_sstfilewriter_create(r->store->env, r->store->options);
	r->file_bytes = 0;
	r->file_notes = note;
	rocksdb_sstfilewriter_open(r->writer, path, &message);
	free(path);
	return message ? rocks_error(message, r->store->base.path, e) : 0;
}

static int rocks_run_restart(struct run *run, struct err *e)
{
	struct rocks_run *r = (struct rocks_run *)run;
	buffer_clear(&r->last);
	return file_finish(r, e);
}

static int run_row(struct rocks_run *r, bool note, struct bytes key, struct bytes value,
                   struct err *e)
{
	char *message = NULL;
	if (r->last.n && bytes_cmp(buffer_bytes(&r->last), key) >= 0)
		return err_set(e, ERR_USAGE, "keys of a run must ascend");
	if (note != (key.n && key.p[0] < STORE_FIRST_ROW))
		return err_set(e, ERR_USAGE, "notes are put, rows are added");
	buffer_clear(&r->last);
	buffer_put_bytes(&r->last, key);
	const char *k = (const char *)key.p, *v = (const char *)value.p;
	if (r->batch) {
		if (note)
			rocksdb_writebatch_put(r->batch, k, key.n, v, value.n);
		else
			rocksdb_writebatch_merge(r->batch, k, key.n, v, value.n);
		return 0;
	}
	int rc = file_ready(r, note, key.n + value.n, e);
	if (rc < 0)
		return rc;
	r->file_bytes += key.n + value.n;
	if (note)
		rocksdb_sstfilewriter_put(r->writer, k, key.n, v, value.n, &message);
	else
		rocksdb_sstfilewriter_merge(r->writer, k, key.n, v, value.n, &message);
	return message ? rocks_error(message, r->store->base.path, e) : 0;
}

static int rocks_run_put(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	return run_row((struct rocks_run *)run, true, key, value, e);
}

static int rocks_run_add(struct run *run, struct bytes key, struct bytes value, struct err *e)
{
	return run_row((struct rocks_run *)run, false, key, value, e);
}

static void rocks_run_abort(struct run *run)
{
	struct rocks_run *r = (struct rocks_run *)run;
	if (r->batch)
		rocksdb_writebatch_destroy(r->batch);
	if (r->writer)
		rocksdb_sstfilewriter_destroy(r->writer);
	for (unsigned i = 0; i < r->files; i++) {
		char *path = run_file(r, i);
		unlink(path); /* gone already when the run was taken in */
		free(path);
	}
	buffer_release(&r->last);
	free(r);
}

/* Links all files of the run into the tree in one step. */
static int ingest(struct rocks_run *r, struct err *e)
{
	char *message = NULL;
	char **paths = xcalloc(r->files, sizeof(*paths));
	for (unsigned i = 0; i < r->files; i++)
		paths[i] = run_file(r, i);
	rocksdb_ingestexternalfileoptions_t *opt = rocksdb_ingestexternalfileoptions_create();
	rocksdb_ingestexternalfileoptions_set_move_files(opt, 1);
	rocksdb_ingest_external_file(r->store->db, (const char *const *)paths, r->files, opt,
	                             &message);
	rocksdb_ingestexternalfileoptions_destroy(opt);
	for (unsigned i = 0; i < r->files; i++)
		free(paths[i]);
	free(paths);
	return message ? rocks_error(message, r->store->base.path, e) : 0;
}

static int rocks_run_commit(struct run *run, struct err *e)
{
	struct rocks_run *r = (struct rocks_run *)run;
	char *message = NULL;
	int rc = 0;
	if (r->batch) {
		rocksdb_write(r->store->db, r->store->sync_write, r->batch, &message);
		if (message)
			rc = rocks_error(message, r->store->base.path, e);
	} else {
		rc = file_finish(r, e);
		if (rc == 0 && r->files)
			rc = ingest(r, e);
	}
	if (rc == 0)
		atomic_fetch_add(&r->store->generation, 1);
	rocks_run_abort(run);
	return rc;
}

static int rocks_forget(struct store *s, struct bytes key, struct err *e)
{
	struct rocks *r = (struct rocks *)s;
	char *message = NULL;
	int rc = check_writable(r, e);
	if (rc < 0)
		return rc;
	rocksdb_delete(r->db, r->sync_write, (const char *)key.p, key.n, &message);
	if (message)
		return rocks_error(message, s->path, e);
	atomic_fetch_add(&r->generation, 1);
	return 0;
}

/* --- scans --- */

static int rocks_scan_begin(struct store *s, struct scan **ret, struct err *e)
{
	(void)e;
	struct rocks *r = (struct rocks *)s;
	struct rocks_scan *sc = xcalloc(1, sizeof(*sc));
	sc->base.engine = &store_rocksdb;
	sc->it = rocksdb_create_iterator(r->db, r->read);
	*ret = &sc->base;
	return 0;
}

static void rocks_scan_bound(struct scan *scan, struct bytes hi)
{
	struct rocks_scan *sc = (struct rocks_scan *)scan;
	buffer_clear(&sc->hi);
	buffer_put_bytes(&sc->hi, hi);
}

static int rocks_scan_row(struct rocks_scan *sc, struct bytes *key, struct bytes *value,
                          struct err *e)
{
	if (!rocksdb_iter_valid(sc->it)) {
		char *message = NULL;
		rocksdb_iter_get_error(sc->it, &message);
		return message ? rocks_error(message, "reading the store", e) : 0;
	}
	key->p = (const uint8_t *)rocksdb_iter_key(sc->it, &key->n);
	if (sc->hi.n && bytes_cmp(*key, buffer_bytes(&sc->hi)) >= 0)
		return 0;
	value->p = (const uint8_t *)rocksdb_iter_value(sc->it, &value->n);
	return 1;
}

static int rocks_scan_seek(struct scan *scan, struct bytes at, struct bytes *key,
                           struct bytes *value, struct err *e)
{
	struct rocks_scan *sc = (struct rocks_scan *)scan;
	rocksdb_iter_seek(sc->it, (const char *)at.p, at.n);
	return rocks_scan_row(sc, key, value, e);
}

static int rocks_scan_next(struct scan *scan, struct bytes *key, struct bytes *value,
                           struct err *e)
{
	struct rocks_scan *sc = (struct rocks_scan *)scan;
	if (rocksdb_iter_valid(sc->it))
		rocksdb_iter_next(sc->it);
	return rocks_scan_row(sc, key, value, e);
}

static void rocks_scan_end(struct scan *scan)
{
	struct rocks_scan *sc = (struct rocks_scan *)scan;
	rocksdb_iter_destroy(sc->it);
	buffer_release(&sc->hi);
	free(sc);
}

/* --- the rest --- */

static uint64_t rocks_generation(struct store *s)
{
	return atomic_load(&((struct rocks *)s)->generation);
}

static uint64_t property(rocksdb_t *db, const char *name)
{
	uint64_t v = 0;
	return rocksdb_property_int(db, name, &v) == 0 ? v : 0;
}

/* How many notes there are, up to a number that counts for little among rows. */
static uint64_t count_notes(struct rocks *r)
{
	rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read);
	uint64_t n = 0;
	size_t key_n;
	for (rocksdb_iter_seek_to_first(it); n < NOTES_COUNTED && rocksdb_iter_valid(it); n++) {
		const char *key = rocksdb_iter_key(it, &key_n);
		if (key_n && (uint8_t)key[0] >= STORE_FIRST_ROW)
			break;
		rocksdb_iter_next(it);
	}
	rocksdb_iter_destroy(it);
	return n;
}

static int rocks_figures(struct store *s, struct store_figures *ret, struct err *e)
{
	struct rocks *r = (struct rocks *)s;
	(void)e;
	uint64_t rows = property(r->db, "rocksdb.estimate-num-keys"), notes = count_notes(r);
	ret->rows = rows > notes ? rows - notes : 0;
	ret->disk_bytes = property(r->db, "rocksdb.total-sst-files-size");
	ret->memory_bytes = property(r->db, "rocksdb.block-cache-usage") +
	                    property(r->db, "rocksdb.cur-size-all-mem-tables") +
	                    property(r->db, "rocksdb.estimate-table-readers-mem");
	return 0;
}

/* Reads every block once, as it lies on disk: a database that is opened anew has none in its cache. RocksDB compares each with
 * its checksum. */
static int rocks_verify(struct store *s, struct err *e)
{
	struct store *fresh = NULL;
	const struct store_options opt = {.cache_bytes = 1 << 20};
	int rc = rocks_open(s->path, STORE_READ, &opt, &fresh, e);
	if (rc < 0)
		return rc;
	struct rocks *r = (struct rocks *)fresh;
	rocksdb_readoptions_set_fill_cache(r->read, 0);
	rocksdb_iterator_t *it = rocksdb_create_iterator(r->db, r->read);
	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
		;
	char *message = NULL;
	rocksdb_iter_get_error(it, &message);
	rocksdb_iter_destroy(it);
	rocks_close(fresh);
	return message ? rocks_error(message, s->path, e) : 0;
}

static int rocks_compact(struct store *s, struct err *e)
{
	struct rocks *r = (struct rocks *)s;
	char *message = NULL;
	int rc = check_writable(r, e);
	if (rc < 0)
		return rc;
	uint64_t failures = property(r->db, "rocksdb.background-errors");
	rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
	rocksdb_flush(r->db, flush, &message);
	rocksdb_flushoptions_destroy(flush);
	if (message)
		return rocks_error(message, s->path, e);
	rocksdb_compactoptions_t *opt = rocksdb_compactoptions_create();
	rocksdb_compactoptions_set_bottommost_level_compaction(opt, 2); /* force */
	rocksdb_compact_range_opt(r->db, opt, NULL, 0, NULL, 0); /* says nothing when it fails */
	rocksdb_compactoptions_destroy(opt);
	if (property(r->db, "rocksdb.background-errors") == failures)
		return 0;
	rc = rocks_verify(s, e);
	return rc < 0 ? rc : err_set(e, ERR_IO, "%s: compacting failed", s->path);
}

const struct store_engine store_rocksdb = {
	.scheme = "rocksdb",
	.open = rocks_open,
	.close = rocks_close,
	.run_begin = rocks_run_begin,
	.run_restart = rocks_run_restart,
	.run_put = rocks_run_put,
	.run_add = rocks_run_add,
	.run_commit = rocks_run_commit,
	.run_abort = rocks_run_abort,
	.forget = rocks_forget,
	.scan_begin = rocks_scan_begin,
	.scan_bound = rocks_scan_bound,
	.scan_seek = rocks_scan_seek,
	.scan_next = rocks_scan_next,
	.scan_end = rocks_scan_end,
	.generation = rocks_generation,
	.figures = rocks_figures,
	.compact = rocks_compact,
	.verify = rocks_verify,
};
