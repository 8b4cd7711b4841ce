/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sets of tables, counted references, and the choice of what to merge.
 *
 * DESIGN: tables are merged by size, MERGE_AT of about the same size into one that is so much
 * larger. Each row is so written once for each power of MERGE_AT in the number of tables; and as
 * merging values never depends on order, any tables may be merged with any.
 */
#include "store/tables.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MERGE_AT = 4,
	SMALL_ROWS = 1 << 17, /* smaller ones are of one size */
};

struct live_table {
	struct table *table; /* owned */
	char *path;
	unsigned sets; /* that have it */
	bool gone;     /* its file goes with it */
};

struct tables {
	char *dir;
	struct cache *cache;
	pthread_mutex_t lock; /* guards what follows and all counts */
	struct table_set *newest;
	uint64_t next_number;
};

struct tables *tables_new(const char *dir, size_t cache_octets)
{
	struct tables *t = xcalloc(1, sizeof(*t));
	t->dir = xstrdup(dir);
	t->cache = cache_new(cache_octets);
	pthread_mutex_init(&t->lock, NULL);
	t->newest = xcalloc(1, sizeof(*t->newest));
	t->newest->holders = 1;
	t->next_number = 1;
	return t;
}

struct table *live_table(const struct live_table *l)
{
	return l->table;
}

static void live_free(struct tables *t, struct live_table *l)
{
	if (l->gone) {
		unlink(l->path);
		cache_forget(t->cache, table_number(l->table));
	}
	table_close(l->table);
	free(l->path);
	free(l);
}

/* Under the lock; those whose last set this was are put into *dead, to be freed without it. */
static void set_drop(struct table_set *set, struct live_table **dead, size_t *n_dead)
{
	if (--set->holders)
		return;
	for (size_t i = 0; i < set->n; i++) {
		if (--set->live[i]->sets == 0)
			dead[(*n_dead)++] = set->live[i];
	}
	free(set->live);
	free(set);
}

void tables_release(struct tables *t, struct table_set *set)
{
	size_t n = 0;
	pthread_mutex_lock(&t->lock);
	if (set->holders > 1) {
		set->holders--;
		pthread_mutex_unlock(&t->lock);
		return;
	}
	struct live_table **dead = xcalloc(set->n + 1, sizeof(struct live_table *));
	set_drop(set, dead, &n);
	pthread_mutex_unlock(&t->lock);
	while (n)
		live_free(t, dead[--n]);
	free(dead);
}

void tables_free(struct tables *t)
{
	if (!t)
		return;
	tables_release(t, t->newest);
	cache_free(t->cache);
	pthread_mutex_destroy(&t->lock);
	free(t->dir);
	free(t);
}

struct cache *tables_cache(struct tables *t)
{
	return t->cache;
}

uint64_t tables_number(struct tables *t)
{
	pthread_mutex_lock(&t->lock);
	uint64_t number = t->next_number++;
	pthread_mutex_unlock(&t->lock);
	return number;
}

char *tables_path(const struct tables *t, uint64_t number)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s/%08llu.table", t->dir, (unsigned long long)number);
	buffer_put_byte(&b, 0);
	return (char *)b.p;
}

int tables_open(struct tables *t, uint64_t number, struct table **ret, struct err *e)
{
	char *path = tables_path(t, number);
	int rc = table_open(path, number, t->cache, ret, e);
	free(path);
	pthread_mutex_lock(&t->lock);
	if (t->next_number <= number)
		t->next_number = number + 1;
	pthread_mutex_unlock(&t->lock);
	return rc;
}

bool tables_are_among(uint64_t number, const uint64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == number)
			return true;
	}
	return false;
}

void tables_change(struct tables *t, struct table *const *add, size_t n_add, const uint64_t *gone,
		   size_t n_gone)
{
	struct table_set *set = xcalloc(1, sizeof(*set));
	set->holders = 1;
	pthread_mutex_lock(&t->lock);
	struct table_set *before = t->newest;
	set->live = xcalloc(before->n + n_add + 1, sizeof(struct live_table *));
	for (size_t i = 0; i < before->n; i++) {
		struct live_table *l = before->live[i];
		if (tables_are_among(table_number(l->table), gone, n_gone)) {
			l->gone = true;
		} else {
			l->sets++;
			set->live[set->n++] = l;
		}
	}
	for (size_t i = 0; i < n_add; i++) {
		struct live_table *l = xcalloc(1, sizeof(*l));
		*l = (struct live_table){
			.table = add[i], .path = tables_path(t, table_number(add[i])), .sets = 1};
		set->live[set->n++] = l;
	}
	t->newest = set;
	pthread_mutex_unlock(&t->lock);
	tables_release(t, before);
}

struct table_set *tables_hold(struct tables *t)
{
	pthread_mutex_lock(&t->lock);
	struct table_set *set = t->newest;
	set->holders++;
	pthread_mutex_unlock(&t->lock);
	return set;
}

struct table_set *tables_hold_some(struct tables *t, const struct table_set *set,
				   const size_t *index, size_t n)
{
	struct table_set *some = xcalloc(1, sizeof(*some));
	some->holders = 1;
	some->live = xcalloc(n + 1, sizeof(struct live_table *));
	pthread_mutex_lock(&t->lock);
	for (; some->n < n; some->n++) {
		some->live[some->n] = set->live[index[some->n]];
		some->live[some->n]->sets++;
	}
	pthread_mutex_unlock(&t->lock);
	return some;
}

size_t tables_count(struct tables *t)
{
	pthread_mutex_lock(&t->lock);
	size_t n = t->newest->n;
	pthread_mutex_unlock(&t->lock);
	return n;
}

void tables_sweep(struct tables *t)
{
	struct table_set *set = tables_hold(t);
	DIR *d = opendir(t->dir);
	for (struct dirent *entry; d && (entry = readdir(d));) {
		unsigned long long number;
		bool known = entry->d_name[0] == '.';
		if (sscanf(entry->d_name, "%llu.table", &number) == 1) {
			for (size_t i = 0; i < set->n && !known; i++)
				known = table_number(set->live[i]->table) == number;
		}
		if (!known)
			unlinkat(dirfd(d), entry->d_name, 0);
	}
	if (d)
		closedir(d);
	tables_release(t, set);
}

static unsigned size_class(const struct live_table *l)
{
	uint64_t rows = table_rows(l->table) / SMALL_ROWS;
	unsigned class = 0;
	for (; rows; rows /= MERGE_AT)
		class ++;
	return class;
}

size_t tables_choose(const struct table_set *set, const uint64_t *busy, size_t n_busy,
		     unsigned below, size_t *ret_index, unsigned *ret_class)
{
	size_t count[TABLES_CLASSES] = {0};
	for (size_t i = 0; i < set->n; i++) {
		if (!tables_are_among(table_number(set->live[i]->table), busy, n_busy))
			count[size_class(set->live[i])]++;
	}
	/* The smallest class that has enough; what is smaller goes along, as it costs next to
	 * nothing. */
	for (unsigned class = 0; class < TABLES_CLASSES && class < below; class ++) {
		if (count[class] < MERGE_AT)
			continue;
		size_t n = 0;
		for (size_t i = 0; i < set->n; i++) {
			if (size_class(set->live[i]) <= class &&
			    !tables_are_among(table_number(set->live[i]->table), busy, n_busy))
				ret_index[n++] = i;
		}
		*ret_class = class;
		return n;
	}
	return 0;
}
