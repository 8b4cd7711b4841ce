/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Work behind the scenes.
 *
 * DESIGN: one thread works. A merge of large tables takes long, and what comes in meanwhile must
 * not wait for it: while it writes, the thread looks now and then for something smaller to do
 * (fresh rows that become a table, a merge of smaller tables), does it first, and goes on. So few
 * tables are alive at any time, whatever is under way. Merges nest, each of a lower size class than
 * the one that it interrupts. What they write is packed by threads beside: one alone fell behind a
 * large import, which then waited half a minute for it.
 *
 * What fails is tried again, seldomer and seldomer: a disk that was full may have room. A table that
 * cannot be read is left alone from then on, and the others are merged without it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/room.h"
#include "store/counting.h"
#include "store/disk.h"
#include "store/segment.h"

enum {
	FRESH_ROWS = 500000,           /* so many become a table, */
	FRESH_OCTETS = 64 << 20,       /* or when they take so much memory */
	FRESH_WAIT = 4,                /* with so many times as many, runs wait */
	TABLES_MAX = 64,               /* with more, large runs wait until some are merged */
	TABLES_LAST = 128,             /* so many, and fresh rows become no table, either: each keeps a file open */
	DICTIONARY_OCTETS = 256 << 10, /* measured: twice as much gains half a percent */
	DICTIONARY_ROWS = 400000, /* smaller tables have none: it would cost more than it gains */
	SAMPLE_OCTETS = 8 * DICTIONARY_OCTETS,
	RETRY_FIRST_S = 1, /* after a failure it is tried again, after twice the time each time */
	RETRY_LAST_S = 10,
	LOOK_UP = 4096, /* rows between two looks at whether to stop */
};

/* Tables that are being merged, innermost first. */
struct merge {
	const struct table_set *set;
	unsigned class; /* what may go before it is below that */
	struct merge *outer;
};

struct keeper {
	struct disk *disk; /* borrowed */
	pthread_t thread;
	pthread_mutex_t working; /* one works at a time: the thread, or who compacts */
	pthread_mutex_t lock;    /* guards what follows */
	pthread_cond_t changed;
	bool woken;
	atomic_bool stopping;
	struct merge *merging; /* by who works, as what follows */
	bool no_more; /* something small failed: nothing more goes before the merge that is under
			 way */
	uint32_t settle_to; /* areas before it are being settled, 0: none are; kept when that fails.
			       By who works */
	struct buffer bad;  /* uint64_t: numbers of tables that cannot be read. By who works */
	atomic_size_t n_bad;
	unsigned retry_s;   /* 0: nothing failed */
	int rc;             /* of the last work, and what it said */
	struct err error;
};

static void work_between(struct keeper *k);

/* --- making a table --- */

/* Writes all rows of a merger to a new table, and lets smaller work go before when it is a merge of
 * tables. *ret stays NULL when there are none. */
static int write_table(struct keeper *k, struct merger *m, bool merge, int level,
		       struct bytes dictionary, struct table **ret, struct err *e)
{
	static const struct bytes start;
	struct bytes key, value;
	uint64_t number = tables_number(k->disk->tables), rows = 0;
	char *path = tables_path(k->disk->tables, number);
	struct table_writer *w = NULL;
	int rc = table_writer_open(path, level, dictionary, &w, e);
	if (rc == 0 && merge)
		table_writer_beside(w);
	if (rc == 0)
		rc = merger_seek(m, start, &key, &value, e);
	while (rc == 1) {
		rc = table_writer_add(w, key, value, e);
		if (rc == 0 && ++rows % LOOK_UP == 0) {
			if (merge)
				work_between(k);
			if (atomic_load(&k->stopping))
				rc = err_set(e, ERR_CANCELLED, "stopped");
		}
		if (rc == 0)
			rc = merger_next(m, &key, &value, e);
	}
	if (rc == 0 && rows)
		rc = table_writer_finish(w, e);
	table_writer_free(w);
	if (rc == 0 && rows)
		rc = disk_open_table(k->disk, number, ret, e);
	free(path);
	return rc;
}

/* --- fresh rows --- */

/* More than so many times what makes a table. */
static bool fresh_is_over(struct disk *d, unsigned times)
{
	struct fresh *f = disk_hold_fresh(d);
	bool over = f->rows >= (uint64_t)times * FRESH_ROWS ||
		    f->octets >= (uint64_t)times * FRESH_OCTETS;
	fresh_release(f);
	return over;
}

static bool has_fresh(struct disk *d)
{
	struct fresh *f = disk_hold_fresh(d);
	bool any = f->n > 0;
	fresh_release(f);
	return any;
}

/* Rows of the areas before one into a table. They no longer change. */
static int areas_to_table(struct keeper *k, uint32_t to, struct table **ret, struct err *e)
{
	struct merger m = {0};
	struct fresh *fresh = disk_hold_fresh(k->disk);
	struct part_source *sources = xcalloc(fresh->n + 1, sizeof(*sources));
	for (size_t i = 0; i < fresh->n && fresh->part[i]->area < to; i++) {
		part_source_init(&sources[i], fresh->part[i]);
		merger_add(&m, &sources[i].source);
	}
	int rc = write_table(k, &m, false, TABLE_LEVEL_FAST, bytes_of(NULL, 0), ret, e);
	merger_release(&m);
	free(sources);
	fresh_release(fresh);
	return rc;
}

/* Writes that areas before one no longer count, and the table that has their rows instead. When
 * that fails, the log may have it all the same: the file must stay until that is known. */
static int change_areas(struct disk *d, uint32_t from, uint32_t to, struct table *table,
			struct err *e)
{
	uint8_t key = SPACE_FIRST_AREA, first[AREA_PREFIX], lo[AREA_PREFIX], hi[AREA_PREFIX];
	struct rocks_batch *b = rocks_batch_new();
	disk_area_prefix(to, first);
	rocks_batch_put(b, bytes_of(&key, 1), bytes_of(first + 1, AREA_PREFIX - 1));
	if (table)
		disk_put_table(b, table, TABLE_LEVEL_FAST);
	pthread_rwlock_rdlock(&d->writing);
	int rc = rocks_write(d->rocks, b, e);
	rocks_batch_free(b);
	if (rc < 0) {
		if (table)
			disk_doubt(d, table_number(table));
		pthread_rwlock_unlock(&d->writing);
		return rc;
	}
	pthread_mutex_lock(&d->publishing);
	struct fresh *before = d->fresh, *rest = fresh_without(before, to);
	pthread_mutex_lock(&d->view);
	d->first_area = to;
	d->fresh = rest;
	tables_change(d->tables, &table, table != NULL, NULL, 0);
	pthread_mutex_unlock(&d->view);
	pthread_mutex_unlock(&d->publishing);
	fresh_release(before);
	disk_area_prefix(from, lo);
	disk_area_prefix(to, hi);
	b = rocks_batch_new();
	rocks_batch_delete_range(b, bytes_of(lo, sizeof(lo)), bytes_of(hi, sizeof(hi)));
	rocks_write(
		d->rocks, b,
		NULL); /* nobody sees what is deleted: a failure costs room until the next open */
	pthread_rwlock_unlock(&d->writing);
	rocks_batch_free(b);
	return 0;
}

static int settle_fresh(struct keeper *k, struct err *e)
{
	struct disk *d = k->disk;
	struct table *table = NULL;
	if (!k->settle_to) {
		pthread_rwlock_wrlock(&d->writing);
		k->settle_to = ++d->area;
		pthread_rwlock_unlock(&d->writing);
	}
	uint32_t from = d->first_area; /* nobody but the keeper changes it, and who mends */
	if (from >= k->settle_to) {    /* it had failed, and was in the log after all */
		k->settle_to = 0;
		return 0;
	}
	int rc = areas_to_table(k, k->settle_to, &table, e);
	if (rc == 0)
		rc = change_areas(d, from, k->settle_to, table, e);
	if (rc < 0)
		table_close(table);
	else
		k->settle_to = 0;
	return rc;
}

/* --- merging --- */

static int make_dictionary(const struct table_set *set, uint64_t rows, struct buffer *ret,
			   struct err *e)
{
	struct samples samples = {0};
	int rc = 0;
	buffer_clear(ret);
	for (size_t i = 0; i < set->n && rc == 0 && rows >= DICTIONARY_ROWS; i++) {
		struct table *t = live_table(set->live[i]);
		double share = (double)table_rows(t) / (double)rows;
		rc = table_sample(t, (size_t)(SAMPLE_OCTETS * share), &samples, e);
	}
	if (rc == 0 && samples.octets[0].n)
		dictionary_train(&samples, DICTIONARY_OCTETS, ret);
	samples_release(&samples);
	return rc;
}

/* Writes that tables are replaced by one that has all their rows. When that fails its file must
 * stay, as above. */
static int change_tables(struct disk *d, const struct table_set *old, struct table *new, int level,
			 struct err *e)
{
	struct rocks_batch *b = rocks_batch_new();
	size_t n = old->n;
	uint64_t *gone = xcalloc(n, sizeof(*gone));
	disk_put_table(b, new, level);
	for (size_t i = 0; i < n; i++) {
		gone[i] = table_number(live_table(old->live[i]));
		disk_delete_table(b, gone[i]);
	}
	pthread_rwlock_rdlock(&d->writing);
	int rc = rocks_write(d->rocks, b, e);
	rocks_batch_free(b);
	if (rc == 0) {
		pthread_mutex_lock(&d->view);
		counting_replaced(d->counting, gone, n, table_number(new));
		tables_change(d->tables, &new, 1, gone, n);
		pthread_mutex_unlock(&d->view);
	} else {
		disk_doubt(d, table_number(new));
	}
	pthread_rwlock_unlock(&d->writing);
	free(gone);
	return rc;
}

/* Whether there is room for what tables become: at most as much as they take now, which they do until
 * it is there. */
static int look_for_room(const struct disk *d, const struct table_set *set, struct err *e)
{
	uint64_t need = 0;
	for (size_t i = 0; i < set->n; i++)
		need += table_octets(live_table(set->live[i]));
	return room_look(d->base.path, need, "merging tables", e);
}

/* Finds the tables of a set that cannot be read. Returns how many there are. */
static size_t find_bad(struct keeper *k, const struct table_set *set)
{
	size_t n = 0;
	for (size_t i = 0; i < set->n; i++) {
		struct err e;
		struct table *t = live_table(set->live[i]);
		uint64_t number = table_number(t);
		if (table_verify(t, &e) == 0)
			continue;
		log_error("store", "%s; it is not merged any more", e.text);
		buffer_put(&k->bad, &number, sizeof(number));
		n++;
	}
	atomic_fetch_add(&k->n_bad, n);
	return n;
}

static int write_merged(struct keeper *k, const struct table_set *set, unsigned class, int level,
			struct err *e);

/* Merges all tables of a set into one. class: see struct merge. *ret_bad: how many of them cannot be
 * read, when that is why it failed. */
static int merge_tables(struct keeper *k, const struct table_set *set, unsigned class, int level,
			size_t *ret_bad, struct err *e)
{
	int rc = look_for_room(k->disk, set, e);
	*ret_bad = 0;
	if (rc == 0)
		rc = write_merged(k, set, class, level, e);
	if (rc == ERR_CORRUPT || rc == ERR_IO)
		*ret_bad = find_bad(k, set);
	return rc;
}

static int write_merged(struct keeper *k, const struct table_set *set, unsigned class, int level,
			struct err *e)
{
	struct merge merge = {set, class, k->merging};
	struct buffer dictionary = BUFFER_INIT;
	struct merger m = {0};
	struct table *merged = NULL;
	uint64_t rows = 0;
	for (size_t i = 0; i < set->n; i++)
		rows += table_rows(live_table(set->live[i]));
	int rc = make_dictionary(set, rows, &dictionary, e);
	struct table_source *sources = xcalloc(set->n, sizeof(*sources));
	for (size_t i = 0; i < set->n; i++) {
		table_source_init(&sources[i], live_table(set->live[i]), true);
		merger_add(&m, &sources[i].source);
	}
	k->merging = &merge;
	if (rc == 0)
		rc = write_table(k, &m, true, level, buffer_bytes(&dictionary), &merged, e);
	k->merging = merge.outer;
	for (size_t i = 0; i < set->n; i++)
		table_cursor_end(&sources[i].cursor);
	free(sources);
	merger_release(&m);
	buffer_release(&dictionary);
	if (rc < 0 || !merged)
		return rc;
	rc = change_tables(k->disk, set, merged, level, e);
	if (rc < 0)
		table_close(merged);
	return rc;
}

/* The numbers of all tables that are being merged, and of those that cannot be. The caller frees them. */
static uint64_t *busy_tables(const struct keeper *k, size_t *ret_n)
{
	size_t n = k->bad.n / sizeof(uint64_t);
	uint64_t *busy = xcalloc(n + 1, sizeof(*busy));
	if (n)
		memcpy(busy, k->bad.p, k->bad.n);
	for (const struct merge *m = k->merging; m; m = m->outer) {
		busy = xrealloc(busy, (n + m->set->n) * sizeof(*busy));
		for (size_t i = 0; i < m->set->n; i++)
			busy[n++] = table_number(live_table(m->set->live[i]));
	}
	*ret_n = n;
	return busy;
}

/* --- the thread --- */

/* Does one thing that is worth it, and smaller than what is under way. 1: done, 0: there is
 * nothing, negative: an error. */
static int work_once(struct keeper *k, struct err *e)
{
	struct disk *d = k->disk;
	unsigned class, below = k->merging ? k->merging->class : TABLES_CLASSES;
	size_t n_busy, bad = 0;
	int rc = disk_mend(d, e);
	if (rc < 0)
		return rc;
	if (fresh_is_over(d, 1) && tables_count(d->tables) < TABLES_LAST + atomic_load(&k->n_bad)) {
		rc = settle_fresh(k, e);
		return rc < 0 ? rc : 1;
	}
	uint64_t *busy = busy_tables(k, &n_busy);
	struct table_set *all = tables_hold(d->tables), *some = NULL;
	size_t *chosen = xcalloc(all->n + 1, sizeof(*chosen)),
	       n = tables_choose(all, busy, n_busy, below, chosen, &class);
	if (n)
		some = tables_hold_some(d->tables, all, chosen, n);
	tables_release(d->tables, all);
	free(chosen);
	free(busy);
	if (some) {
		rc = merge_tables(k, some, class, TABLE_LEVEL_FAST, &bad, e);
		tables_release(d->tables, some);
	}
	return bad ? 1 : rc < 0 ? rc : n > 0;
}

/* Tells those who wait what became of a work. Under the lock. */
static void report(struct keeper *k, int rc, const struct err *e)
{
	if (rc < 0 && rc != ERR_CANCELLED) {
		log_warning("store", "merging failed and will be tried again: %s", e->text);
		k->error = *e;
		k->retry_s = !k->retry_s ? RETRY_FIRST_S : k->retry_s < RETRY_LAST_S ? 2 * k->retry_s : RETRY_LAST_S;
	} else if (rc >= 0 && k->retry_s) {
		log_info("store", "merging goes on");
		k->retry_s = 0;
	}
	k->rc = rc < 0 ? rc : 0;
	pthread_cond_broadcast(&k->changed);
}

/* While a merge is under way: what is smaller goes before. When that fails the merge goes on
 * without. */
static void work_between(struct keeper *k)
{
	struct err e;
	while (!k->no_more && !atomic_load(&k->stopping)) {
		int rc = work_once(k, &e);
		if (rc == 0)
			return;
		k->no_more = rc < 0;
		pthread_mutex_lock(&k->lock);
		report(k, rc, &e);
		pthread_mutex_unlock(&k->lock);
	}
}

/* Until somebody says that there may be something to do, or it is time to try again. Under the lock. */
static void sleep_until_woken(struct keeper *k)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += k->retry_s;
	int rc = 0;
	while (!k->woken && !atomic_load(&k->stopping) && rc == 0)
		rc = k->retry_s ? pthread_cond_timedwait(&k->changed, &k->lock, &until)
				: pthread_cond_wait(&k->changed, &k->lock);
}

static void *work(void *arg)
{
	struct keeper *k = arg;
	pthread_mutex_lock(&k->lock);
	for (;;) {
		sleep_until_woken(k);
		if (atomic_load(&k->stopping))
			break;
		struct err e;
		k->woken = false;
		pthread_mutex_unlock(&k->lock);
		pthread_mutex_lock(&k->working);
		k->no_more = false;
		int rc = work_once(k, &e);
		pthread_mutex_unlock(&k->working);
		pthread_mutex_lock(&k->lock);
		k->woken = k->woken || rc == 1;
		report(k, rc, &e);
	}
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

struct keeper *keeper_start(struct disk *d)
{
	struct keeper *k = xcalloc(1, sizeof(*k));
	k->disk = d;
	k->woken = true;
	pthread_mutex_init(&k->working, NULL);
	pthread_condattr_t attr;
	pthread_mutex_init(&k->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&k->changed, &attr);
	pthread_condattr_destroy(&attr);
	if (pthread_create(&k->thread, NULL, work, k) == 0)
		return k;
	free(k);
	return NULL;
}

void keeper_stop(struct keeper *k)
{
	if (!k)
		return;
	atomic_store(&k->stopping, true);
	pthread_mutex_lock(&k->lock);
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
	pthread_join(k->thread, NULL);
	pthread_mutex_destroy(&k->working);
	pthread_mutex_destroy(&k->lock);
	pthread_cond_destroy(&k->changed);
	buffer_release(&k->bad);
	free(k);
}

void keeper_wake(struct keeper *k)
{
	pthread_mutex_lock(&k->lock);
	k->woken = true;
	pthread_cond_broadcast(&k->changed);
	pthread_mutex_unlock(&k->lock);
}

int keeper_wait(struct keeper *k, bool large, struct err *e)
{
	struct disk *d = k->disk;
	int rc = 0;
	pthread_mutex_lock(&k->lock);
	while (rc == 0 &&
	       (fresh_is_over(d, FRESH_WAIT) || (large && tables_count(d->tables) >= TABLES_MAX + atomic_load(&k->n_bad)))) {
		k->woken = true;
		k->rc = 0;
		pthread_cond_broadcast(&k->changed);
		pthread_cond_wait(&k->changed, &k->lock);
		rc = k->rc;
	}
	if (rc < 0 && e)
		*e = k->error;
	pthread_mutex_unlock(&k->lock);
	return rc;
}

static bool is_small(struct disk *d, const struct table *t)
{
	struct buffer note = BUFFER_INIT;
	uint8_t key[TABLE_KEY];
	disk_table_key(table_number(t), key);
	int rc = rocks_get(d->rocks, bytes_of(key, sizeof(key)), &note, NULL);
	bool small = rc == 1 && note.n == TABLE_NOTE && note.p[TABLE_NOTE - 1] >= TABLE_LEVEL_SMALL;
	buffer_release(&note);
	return small;
}

/* Merges all tables that can be read into one. */
static int merge_all(struct keeper *k, struct err *e)
{
	struct disk *d = k->disk;
	size_t n_busy, n = 0, bad = 0;
	int rc = 0;
	uint64_t *busy = busy_tables(k, &n_busy);
	struct table_set *all = tables_hold(d->tables);
	size_t *index = xcalloc(all->n + 1, sizeof(*index));
	for (size_t i = 0; i < all->n; i++) {
		if (!tables_are_among(table_number(live_table(all->live[i])), busy, n_busy))
			index[n++] = i;
	}
	struct table_set *some = tables_hold_some(d->tables, all, index, n);
	tables_release(d->tables, all);
	free(index);
	free(busy);
	if (n && !(n == 1 && is_small(d, live_table(some->live[0]))))
		rc = merge_tables(k, some, TABLES_CLASSES, TABLE_LEVEL_SMALL, &bad, e);
	tables_release(d->tables, some);
	if (bad)
		merge_all(k, NULL); /* the others, without those; what failed is told */
	return rc;
}

int keeper_compact(struct keeper *k, struct err *e)
{
	struct disk *d = k->disk;
	pthread_mutex_lock(&k->working);
	k->no_more = false;
	int rc = disk_mend(d, e);
	if (rc == 0 && has_fresh(d))
		rc = settle_fresh(k, e);
	if (rc == 0)
		rc = merge_all(k, e);
	if (rc == 0)
		rc = rocks_compact(d->rocks, e);
	pthread_mutex_unlock(&k->working);
	return rc;
}
