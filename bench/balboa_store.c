/* SPDX-License-Identifier: GPL-3.0-or-later */
/* balboa_store DIR: compacts a database of balboa-rocksdb with its own settings, and prints how many records it holds.
 *
 * It has a key o... for each record, whose values merge, and an empty i... for the other direction.
 */
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rocksdb/c.h>

struct seen {
	uint32_t count, last, first; /* little-endian, as stored */
};

static void add(struct seen *to, const char *value, size_t n)
{
	struct seen v;
	if (n != sizeof(v))
		return;
	memcpy(&v, value, n);
	to->count = htole32(le32toh(to->count) + le32toh(v.count));
	if (le32toh(v.last) > le32toh(to->last))
		to->last = v.last;
	if (le32toh(v.first) < le32toh(to->first))
		to->first = v.first;
}

static char *merged(const struct seen *v, unsigned char *ok, size_t *ret_n)
{
	char *p = malloc(sizeof(*v));
	*ok = p != NULL;
	*ret_n = p ? sizeof(*v) : 0;
	return p ? memcpy(p, v, sizeof(*v)) : NULL;
}

static char *merge_partly(void *ctx, const char *key, size_t key_n, const char *const *values, const size_t *n, int count,
                          unsigned char *ok, size_t *ret_n)
{
	struct seen v = {0, 0, UINT32_MAX};
	for (int i = 0; i < count; i++)
		add(&v, values[i], n[i]);
	return merged(&v, ok, ret_n);
}

static char *merge(void *ctx, const char *key, size_t key_n, const char *old, size_t old_n, const char *const *values,
                   const size_t *n, int count, unsigned char *ok, size_t *ret_n)
{
	struct seen v = {0, 0, UINT32_MAX};
	if (old)
		add(&v, old, old_n);
	for (int i = 0; i < count; i++)
		add(&v, values[i], n[i]);
	return merged(&v, ok, ret_n);
}

static void forget(void *ctx)
{
}

static const char *name(void *ctx)
{
	return "observation-mergeop";
}

static void must(char *error)
{
	if (!error)
		return;
	fprintf(stderr, "balboa_store: %s\n", error);
	exit(1);
}

int main(int argc, char **argv)
{
	char *error = NULL, **names;
	rocksdb_options_t *general, **families;
	size_t n_families, n;
	unsigned long long records = 0, others = 0;
	if (argc != 2)
		return 2;
	rocksdb_env_t *env = rocksdb_create_default_env();
	rocksdb_cache_t *cache = rocksdb_cache_create_lru(32 << 20);
	rocksdb_load_latest_options(argv[1], env, true, cache, &general, &n_families, &names, &families, &error);
	must(error);
	rocksdb_options_set_merge_operator(families[0], rocksdb_mergeoperator_create(NULL, forget, merge, merge_partly, NULL, name));
	rocksdb_column_family_handle_t *handle;
	rocksdb_t *db = rocksdb_open_column_families(general, argv[1], 1, (const char *const *)names,
	                                             (const rocksdb_options_t *const *)families, &handle, &error);
	must(error);
	rocksdb_compactoptions_t *how = rocksdb_compactoptions_create();
	rocksdb_compactoptions_set_bottommost_level_compaction(how, 2); /* force */
	rocksdb_compact_range_cf_opt(db, handle, how, NULL, 0, NULL, 0);
	rocksdb_iterator_t *it = rocksdb_create_iterator_cf(db, rocksdb_readoptions_create(), handle);
	for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it))
		(*rocksdb_iter_key(it, &n) == 'o' ? records++ : others++);
	rocksdb_iter_get_error(it, &error);
	must(error);
	rocksdb_iter_destroy(it);
	rocksdb_column_family_handle_destroy(handle);
	rocksdb_close(db);
	printf("%llu %llu\n", records, others);
	return 0;
}
