/* SPDX-License-Identifier: GPL-3.0-or-later */
/* RocksDB through its C API. */
#include "store/rocks.h"

#include <dirent.h>
#include <rocksdb/c.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store/value.h"

enum {
	BLOCK_OCTETS = 16 << 10,
	WRITE_BUFFER = 32 << 20,
	OPEN_FILES = 256,
	READ_TRIES = 20,
};

struct rocks {
	char *dir;
	bool read_only;
	rocksdb_t *db;
	rocksdb_options_t *options; /* owns the merge operator */
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
	rocksdb_writeoptions_t *sync_write;
	rocksdb_readoptions_t *read;
};

struct rocks_cursor {
	struct source source; /* first */
	struct rocks *rocks;  /* borrowed */
	rocksdb_readoptions_t *read;
	rocksdb_iterator_t *it;
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
	rocksdb_options_set_info_log_level(r->options, 2);
	rocksdb_options_set_keep_log_file_num(r->options, 4);
	rocksdb_options_set_max_log_file_size(r->options, 8 << 20);
	rocksdb_block_based_options_set_block_size(r->table, BLOCK_OCTETS);
	rocksdb_block_based_options_set_block_cache(r->table, r->cache);
	rocksdb_block_based_options_set_format_version(r->table, 5);
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

int rocks_open(const char *dir, bool read_only, size_t memory, unsigned threads, struct rocks **ret, struct err *e)
{
	struct rocks *r = xcalloc(1, sizeof(*r));
	char *message = NULL;
	int rc = 0;
	r->dir = xstrdup(dir);
	r->read_only = read_only;
	set_options(r, read_only, memory, threads);
	r->db = read_only ? open_to_read(r, &message) : rocksdb_open(r->options, dir, &message);
	if (message) {
		r->db = NULL;
		rc = rocks_error(message, dir, e);
		if (rc == ERR_NOTFOUND)
			rc = ERR_CORRUPT; /* the database is there, some file of it is not */
	} else if (!r->db) {
		rc = err_set(e, ERR_BUSY, "%s: the store changes too fast", dir);
	}
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

void rocks_close(struct rocks *r)
{
	char *message = NULL;
	if (!r)
		return;
	if (r->db && !r->read_only)
		flush(r, &message); /* failing is no harm: what is durable is in the log */
	if (message)
		rocksdb_free(message);
	if (r->db)
		rocksdb_close(r->db);
	rocksdb_readoptions_destroy(r->read);
	rocksdb_writeoptions_destroy(r->sync_write);
	rocksdb_options_destroy(r->options);
	rocksdb_block_based_options_destroy(r->table);
	rocksdb_cache_destroy(r->cache);
	free(r->dir);
	free(r);
}

int rocks_get(struct rocks *r, struct bytes key, struct buffer *ret, struct err *e)
{
	char *message = NULL;
	size_t n = 0;
	char *found = rocksdb_get(r->db, r->read, (const char *)key.p, key.n, &n, &message);
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

int rocks_write(struct rocks *r, struct rocks_batch *b, struct err *e)
{
	char *message = NULL;
	rocksdb_write(r->db, r->sync_write, batch_of(b), &message);
	return message ? rocks_error(message, r->dir, e) : 0;
}

/* --- reading --- */

struct rocks_snapshot *rocks_snapshot_take(struct rocks *r)
{
	return (struct rocks_snapshot *)(uintptr_t)rocksdb_create_snapshot(r->db);
}

void rocks_snapshot_drop(struct rocks *r, struct rocks_snapshot *s)
{
	if (s)
		rocksdb_release_snapshot(r->db, (const rocksdb_snapshot_t *)s);
}

static int cursor_row(struct rocks_cursor *c, struct err *e)
{
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
	rocksdb_iter_seek(c->it, (const char *)c->key.p, c->key.n);
	return cursor_row(c, e);
}

static int cursor_next(struct source *s, struct err *e)
{
	struct rocks_cursor *c = (struct rocks_cursor *)s;
	if (rocksdb_iter_valid(c->it))
		rocksdb_iter_next(c->it);
	return cursor_row(c, e);
}

struct rocks_cursor *rocks_cursor_new(struct rocks *r, const struct rocks_snapshot *s, struct bytes prefix)
{
	struct rocks_cursor *c = xcalloc(1, sizeof(*c));
	c->source = (struct source){.seek = cursor_seek, .next = cursor_next};
	c->rocks = r;
	buffer_put_bytes(&c->prefix, prefix);
	c->read = rocksdb_readoptions_create();
	if (s)
		rocksdb_readoptions_set_snapshot(c->read, (const rocksdb_snapshot_t *)s);
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
	rocksdb_iter_destroy(c->it);
	rocksdb_readoptions_destroy(c->read);
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
	return rocksdb_get_latest_sequence_number(r->db);
}

void rocks_figures(struct rocks *r, struct rocks_figures *ret)
{
	ret->rows = property(r->db, "rocksdb.estimate-num-keys");
	ret->disk_octets = property(r->db, "rocksdb.total-sst-files-size");
	ret->memory_octets = property(r->db, "rocksdb.block-cache-usage") +
	                     property(r->db, "rocksdb.cur-size-all-mem-tables") +
	                     property(r->db, "rocksdb.estimate-table-readers-mem");
}

/* Reads everything as it lies on disk: a database that is opened anew has none in its cache. */
int rocks_verify(struct rocks *r, struct err *e)
{
	struct rocks *anew = NULL;
	int rc = rocks_open(r->dir, true, 1 << 20, 1, &anew, e);
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

int rocks_compact(struct rocks *r, struct err *e)
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
	return rc < 0 ? rc : err_set(e, ERR_IO, "%s: compacting failed", r->dir);
}
