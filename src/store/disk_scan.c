/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Scans of the embedded store: what is alive when one begins, merged. */
#include <stdlib.h>

#include "store/counting.h"
#include "store/disk.h"
#include "store/merger.h"

enum { SCAN_KEPT = 16 << 10 }; /* octets of a scan's block that is left to the next */

struct fresh *disk_hold_fresh(struct disk *d)
{
	pthread_mutex_lock(&d->view);
	struct fresh *f = fresh_hold(d->fresh);
	pthread_mutex_unlock(&d->view);
	return f;
}

struct disk_scan {
	struct scan base;
	struct disk *disk; /* borrowed */
	struct counting_view view;
	struct table_set *set;
	struct fresh *fresh;
	struct part_source *parts; /* behind tables, and behind them the merger's room */
	struct rocks_snapshot *snapshot;
	struct rocks_cursor *notes; /* made when notes are looked at */
	struct merger merger;
	struct buffer hi;
	size_t octets; /* of the block this is in */
	struct table_source tables[];
};

void disk_scan_free(struct disk_scan *sc)
{
	if (sc)
		buffer_release(&sc->hi);
	free(sc);
}

/* A block for a scan: that which another one has left behind, if it is large enough, with the room of its hi. */
static struct disk_scan *scan_new(struct disk *d, size_t octets)
{
	struct disk_scan *sc = atomic_exchange(&d->spare, NULL);
	if (sc && sc->octets < octets) {
		disk_scan_free(sc);
		sc = NULL;
	}
	if (!sc) {
		sc = xmalloc(octets);
		sc->octets = octets;
		sc->hi = BUFFER_INIT;
	}
	buffer_clear(&sc->hi);
	return sc;
}

/* Leaves it to the next one. */
static void scan_leave(struct disk *d, struct disk_scan *sc)
{
	bool small = sc->octets <= SCAN_KEPT && sc->hi.cap <= SCAN_KEPT;
	disk_scan_free(small ? atomic_exchange(&d->spare, sc) : sc);
}

int disk_scan_begin(struct store *s, struct scan **ret, struct err *e)
{
	struct disk *d = (struct disk *)s;
	(void)e;
	uint64_t generation = atomic_load(&d->generation);
	pthread_mutex_lock(&d->view);
	struct table_set *set = tables_hold(d->tables);
	struct fresh *fresh = fresh_hold(d->fresh);
	struct rocks_snapshot *snapshot = rocks_snapshot_take(d->rocks);
	bool settled = atomic_load(&d->begun) == generation;
	pthread_mutex_unlock(&d->view);
	size_t n = set->n + fresh->n + 1; /* notes may be one more */
	struct disk_scan *sc = scan_new(d, sizeof(*sc) + set->n * sizeof(sc->tables[0]) + fresh->n * sizeof(sc->parts[0]) +
	                                           2 * n * sizeof(struct source *));
	*sc = (struct disk_scan){
		.base.engine = &store_rocksdb,
		.disk = d,
		.view = {d, set, fresh, generation, settled},
		.set = set,
		.fresh = fresh,
		.parts = (struct part_source *)(sc->tables + set->n),
		.snapshot = snapshot,
		.hi = sc->hi,
		.octets = sc->octets,
	};
	merger_lend(&sc->merger, (struct source **)(sc->parts + fresh->n), n);
	for (size_t i = 0; i < set->n; i++) {
		table_source_init(&sc->tables[i], live_table(set->live[i]), false);
		sc->tables[i].cursor.damage = d->damage;
		merger_add(&sc->merger, &sc->tables[i].source);
	}
	for (size_t i = 0; i < fresh->n; i++) {
		part_source_init(&sc->parts[i], fresh->part[i]);
		merger_add(&sc->merger, &sc->parts[i].source);
	}
	*ret = &sc->base;
	return 0;
}

void disk_scan_bound(struct scan *scan, struct bytes hi)
{
	struct disk_scan *sc = (struct disk_scan *)scan;
	buffer_clear(&sc->hi);
	buffer_put_bytes(&sc->hi, hi);
	for (size_t i = 0; i < sc->set->n; i++)
		sc->tables[i].cursor.hi = buffer_bytes(&sc->hi);
}

static int within(const struct disk_scan *sc, int rc, const struct bytes *key)
{
	return rc == 1 && sc->hi.n && bytes_cmp(*key, buffer_bytes(&sc->hi)) >= 0 ? 0 : rc;
}

int disk_scan_seek(struct scan *scan, struct bytes at, struct bytes *key, struct bytes *value, struct err *e)
{
	struct disk_scan *sc = (struct disk_scan *)scan;
	if (!sc->notes && (!at.n || at.p[0] < STORE_FIRST_ROW)) {
		/* Who looks for the note of a run that failed must not find it missing, and there after the next run. */
		int rc = sc->disk->read_only ? 0 : disk_mend(sc->disk, e);
		if (rc < 0)
			return rc;
		const uint8_t prefix = SPACE_NOTE;
		sc->notes = rocks_cursor_new(sc->disk->rocks, sc->snapshot, bytes_of(&prefix, 1));
		merger_add(&sc->merger, rocks_cursor_source(sc->notes));
	}
	return within(sc, merger_seek(&sc->merger, at, key, value, e), key);
}

int disk_scan_next(struct scan *scan, struct bytes *key, struct bytes *value, struct err *e)
{
	struct disk_scan *sc = (struct disk_scan *)scan;
	return within(sc, merger_next(&sc->merger, key, value, e), key);
}

int disk_scan_count(struct scan *scan, struct bytes prefix, uint64_t budget, uint64_t *ret, struct err *e)
{
	struct disk_scan *sc = (struct disk_scan *)scan;
	return counting_count(sc->disk->counting, &sc->view, prefix, budget, ret, e);
}

void disk_scan_end(struct scan *scan)
{
	struct disk_scan *sc = (struct disk_scan *)scan;
	merger_release(&sc->merger);
	for (size_t i = 0; i < sc->set->n; i++)
		table_cursor_end(&sc->tables[i].cursor);
	rocks_cursor_free(sc->notes);
	rocks_snapshot_drop(sc->disk->rocks, sc->snapshot);
	tables_release(sc->disk->tables, sc->set);
	fresh_release(sc->fresh);
	scan_leave(sc->disk, sc);
}
