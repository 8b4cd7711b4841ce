/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What RocksDB says is in a store: which tables are alive, and which rows are fresh.
 *
 * DESIGN: it is read when a store is opened, and again after a change has failed. Then RocksDB
 * refuses to be changed any more, and of what was being written nobody knows whether its log has
 * it: so it is closed and opened, and what its log tells holds. Meanwhile scans go on, as they need
 * nothing of it.
 */
#include <stdlib.h>
#include <unistd.h>

#include "store/disk.h"

/* What was learned. */
struct contents {
	struct table **tables; /* those that were not alive yet; owned */
	size_t n_tables;
	uint64_t *listed;
	size_t n_listed;
	struct fresh *fresh;
	uint32_t first_area, area;
};

void disk_put_be(uint8_t *to, uint64_t v, int octets)
{
	while (octets--) {
		to[octets] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t get_be(const uint8_t *p, int octets)
{
	uint64_t v = 0;
	while (octets--)
		v = v << 8 | *p++;
	return v;
}

static void contents_release(struct contents *c)
{
	for (size_t i = 0; i < c->n_tables; i++)
		table_close(c->tables[i]);
	free(c->tables);
	free(c->listed);
	fresh_release(c->fresh);
}

/* --- tables --- */

static bool is_alive(const struct table_set *set, uint64_t number)
{
	for (size_t i = 0; i < set->n; i++) {
		if (table_number(live_table(set->live[i])) == number)
			return true;
	}
	return false;
}

static int read_listed(struct disk *d, struct contents *c, const struct table_set *alive,
		       struct bytes key, struct bytes note, bool *gone, struct err *e)
{
	struct table *t = NULL;
	if (key.n != TABLE_KEY - 1 || note.n != TABLE_NOTE)
		return err_set(e, ERR_CORRUPT, "%s: the list of tables does not decode",
			       d->base.path);
	uint64_t number = get_be(key.p, 8);
	c->listed = xrealloc(c->listed, (c->n_listed + 1) * sizeof(*c->listed));
	c->listed[c->n_listed++] = number;
	if (is_alive(alive, number))
		return 0;
	int rc = tables_open(d->tables, number, &t, e);
	if (rc == 0 && (table_rows(t) != get_be(note.p, 8) || table_octets(t) != get_be(note.p + 8, 8))) {
		table_close(t);
		rc = err_set(e, ERR_CORRUPT, "%s/tables/%08llu.table: not the table that was written",
			     d->base.path, (unsigned long long)number);
	}
	if ((rc != ERR_NOTFOUND || d->last_try) && damage_is_passed(&d->damage, rc, e))
		return 0;
	*gone = rc == ERR_NOTFOUND;
	if (rc < 0)
		return *gone ? ERR_CORRUPT : rc;
	c->tables = xrealloc(c->tables, (c->n_tables + 1) * sizeof(struct table *));
	c->tables[c->n_tables++] = t;
	return 0;
}

static int read_tables(struct disk *d, struct contents *to, const struct table_set *alive,
		       bool *gone, struct err *e)
{
	static const struct bytes start;
	const uint8_t prefix = SPACE_TABLE;
	struct rocks_cursor *c = rocks_cursor_new(d->rocks, NULL, bytes_of(&prefix, 1));
	struct source *s = rocks_cursor_source(c);
	int rc = s->seek(s, start, e);
	while (rc == 1) {
		rc = read_listed(d, to, alive, s->key, s->value, gone, e);
		if (rc == 0)
			rc = s->next(s, e);
	}
	rocks_cursor_free(c);
	return rc;
}

/* --- fresh rows --- */

/* Rows of RocksDB's. Where damage is passed over it goes on behind what cannot be read. */
struct readable {
	struct source source; /* first */
	struct disk *disk;    /* borrowed, as prefix */
	struct bytes prefix;
	struct rocks_cursor *cursor;
	struct buffer last; /* what was sought, or came, last; when damage is passed over */
};

enum { FINER = 16 }; /* octets of a key by which the end of what is damaged is found more closely */

/* With a new cursor: RocksDB's do not forget what failed, and then find what they do not find again. */
static int seek_anew(struct readable *r, struct bytes at, struct err *e)
{
	rocks_cursor_free(r->cursor);
	r->cursor = rocks_cursor_new(r->disk->rocks, NULL, r->prefix);
	struct source *s = rocks_cursor_source(r->cursor);
	return s->seek(s, at, e);
}

/* The first octet, from one on, with which behind those of a key something can be sought; 256: none. */
static int find_octet(struct readable *r, struct buffer *key, int from)
{
	size_t n = key->n;
	int rc = -1;
	for (; from < 256 && rc < 0; from++) {
		buffer_put_byte(key, (uint8_t)from);
		rc = seek_anew(r, buffer_bytes(key), NULL);
		key->n = n;
	}
	return rc < 0 ? 256 : from - 1;
}

/* Nothing tells where what cannot be read ends: keys that are greater and greater are tried. */
static int seek_behind(struct readable *r, struct err *e)
{
	struct buffer key = BUFFER_INIT, found = BUFFER_INIT;
	buffer_put_bytes(&key, buffer_bytes(&r->last));
	int from = 0, octet = find_octet(r, &key, from), rc = 0;
	while (octet == 256 && key.n) {
		from = key.p[--key.n] + 1;
		octet = find_octet(r, &key, from);
	}
	for (int i = 0; i < FINER && octet < 256; i++) {
		buffer_clear(&found);
		buffer_put_bytes(&found, buffer_bytes(&key));
		buffer_put_byte(&found, (uint8_t)octet);
		if (octet == from)
			break;
		buffer_put_byte(&key, (uint8_t)(octet - 1));
		from = 0;
		octet = find_octet(r, &key, from);
	}
	if (found.n)
		rc = seek_anew(r, buffer_bytes(&found), e);
	buffer_release(&key);
	buffer_release(&found);
	return rc;
}

static int readable_row(struct readable *r, int rc, struct err *e)
{
	const struct damage *damage = &r->disk->damage;
	if (rc < 0 && damage_is_passed(damage, rc, e))
		rc = seek_behind(r, e);
	const struct source *s = rocks_cursor_source(r->cursor);
	if (rc == 1 && damage->tell) {
		buffer_clear(&r->last);
		buffer_put_bytes(&r->last, s->key);
	}
	r->source.key = s->key;
	r->source.value = s->value;
	return rc;
}

static int readable_seek(struct source *source, struct bytes at, struct err *e)
{
	struct readable *r = (struct readable *)source;
	struct source *s = rocks_cursor_source(r->cursor);
	buffer_clear(&r->last);
	buffer_put_bytes(&r->last, at);
	return readable_row(r, s->seek(s, at, e), e);
}

static int readable_next(struct source *source, struct err *e)
{
	struct readable *r = (struct readable *)source;
	struct source *s = rocks_cursor_source(r->cursor);
	return readable_row(r, s->next(s, e), e);
}

static void readable_begin(struct readable *r, struct disk *d, struct bytes prefix)
{
	*r = (struct readable){.source = {.seek = readable_seek, .next = readable_next}, .disk = d, .prefix = prefix};
	r->cursor = rocks_cursor_new(d->rocks, NULL, prefix);
}

static void readable_end(struct readable *r)
{
	rocks_cursor_free(r->cursor);
	buffer_release(&r->last);
}

/* Reads the rows of an area into memory. */
static int read_area(struct disk *d, struct contents *to, struct err *e)
{
	uint8_t prefix[AREA_PREFIX];
	struct fresh *with = NULL;
	disk_area_prefix(to->area, prefix);
	struct readable rows;
	readable_begin(&rows, d, bytes_of(prefix, sizeof(prefix)));
	int rc = fresh_with(to->fresh, to->area, &rows.source, &with, e);
	readable_end(&rows);
	if (rc < 0)
		return rc;
	fresh_release(to->fresh);
	to->fresh = with;
	return 0;
}

static int read_first_area(struct disk *d, struct contents *to, struct err *e)
{
	const uint8_t first = SPACE_FIRST_AREA;
	struct buffer found = BUFFER_INIT;
	int rc = rocks_get(d->rocks, bytes_of(&first, 1), &found, e);
	if (rc == 1 && found.n == AREA_PREFIX - 1)
		to->first_area = (uint32_t)get_be(found.p, AREA_PREFIX - 1);
	else if (rc == 1)
		rc = err_set(e, ERR_CORRUPT, "%s: the number of the first area does not decode",
			     d->base.path);
	buffer_release(&found);
	return rc < 0 ? rc : 0;
}

/* Learns which areas there are, and what is in them. */
static int read_areas(struct disk *d, struct contents *to, struct err *e)
{
	const uint8_t prefix = SPACE_AREA;
	uint8_t at[AREA_PREFIX];
	int rc = read_first_area(d, to, e);
	if (rc < 0)
		return rc;
	to->area = to->first_area;
	to->fresh = fresh_new();
	struct readable rows;
	readable_begin(&rows, d, bytes_of(&prefix, 1));
	struct source *s = &rows.source;
	disk_area_prefix(to->first_area, at);
	rc = s->seek(s, bytes_of(at + 1, AREA_PREFIX - 1), e);
	while (rc == 1 && s->key.n >= AREA_PREFIX - 1) { /* one look for each area */
		to->area = (uint32_t)get_be(s->key.p, AREA_PREFIX - 1);
		rc = read_area(d, to, e);
		if (rc < 0 || to->area == UINT32_MAX)
			break;
		disk_area_prefix(to->area + 1, at);
		rc = s->seek(s, bytes_of(at + 1, AREA_PREFIX - 1), e);
	}
	readable_end(&rows);
	return rc < 0 ? rc : 0;
}

/* Removes rows that became a table just before the end, and do not count any more. */
static int clean_areas(struct disk *d, struct err *e)
{
	static const struct bytes start;
	const uint8_t prefix = SPACE_AREA;
	uint8_t lo[AREA_PREFIX], hi[AREA_PREFIX];
	struct rocks_cursor *c = rocks_cursor_new(d->rocks, NULL, bytes_of(&prefix, 1));
	struct source *s = rocks_cursor_source(c);
	disk_area_prefix(0, lo);
	disk_area_prefix(d->first_area, hi);
	int rc = s->seek(s, start, e);
	bool any = rc == 1 && bytes_cmp(s->key, bytes_of(hi + 1, AREA_PREFIX - 1)) < 0;
	rocks_cursor_free(c);
	if (rc < 0 || !any)
		return rc < 0 ? rc : 0;
	struct rocks_batch *b = rocks_batch_new();
	rocks_batch_delete_range(b, bytes_of(lo, sizeof(lo)), bytes_of(hi, sizeof(hi)));
	rc = rocks_write(d->rocks, b, e);
	rocks_batch_free(b);
	return rc;
}

/* --- all of it --- */

static bool is_listed(const struct contents *c, uint64_t number)
{
	for (size_t i = 0; i < c->n_listed; i++) {
		if (c->listed[i] == number)
			return true;
	}
	return false;
}

/* Shows what was learned to the scans that begin from now on. Files of tables that did not come
 * alive are removed. */
static void show(struct disk *d, struct contents *c, const struct table_set *alive)
{
	uint64_t *gone = xcalloc(alive->n + 1, sizeof(*gone));
	size_t n_gone = 0;
	for (size_t i = 0; i < alive->n; i++) {
		uint64_t number = table_number(live_table(alive->live[i]));
		if (!is_listed(c, number))
			gone[n_gone++] = number;
	}
	pthread_mutex_lock(&d->publishing);
	for (size_t at = 0; at < d->doubtful.n; at += sizeof(uint64_t)) {
		uint64_t number;
		memcpy(&number, d->doubtful.p + at, sizeof(number));
		char *path = tables_path(d->tables, number);
		if (!is_listed(c, number))
			unlink(path);
		free(path);
	}
	buffer_clear(&d->doubtful);
	pthread_mutex_lock(&d->view);
	struct fresh *before = d->fresh;
	d->fresh = c->fresh;
	c->fresh = before;
	d->first_area = c->first_area;
	if (d->area <
	    c->area) /* the keeper may have opened another, in which there is nothing yet */
		d->area = c->area;
	tables_change(d->tables, c->tables, c->n_tables, gone, n_gone);
	c->n_tables = 0;
	pthread_mutex_unlock(&d->view);
	pthread_mutex_unlock(&d->publishing);
	free(gone);
}

int disk_load(struct disk *d, bool *ret_gone, struct err *e)
{
	struct contents c = {0};
	struct table_set *alive = tables_hold(d->tables);
	int rc = read_tables(d, &c, alive, ret_gone, e);
	if (rc == 0)
		rc = read_areas(d, &c, e);
	if (rc == 0)
		show(d, &c, alive);
	tables_release(d->tables, alive);
	contents_release(&c);
	if (rc == 0 && !d->read_only)
		rc = clean_areas(d, e);
	return rc;
}

void disk_doubt(struct disk *d, uint64_t number)
{
	pthread_mutex_lock(&d->publishing);
	buffer_put(&d->doubtful, &number, sizeof(number));
	pthread_mutex_unlock(&d->publishing);
}

int disk_mend(struct disk *d, struct err *e)
{
	bool gone;
	int rc = 0;
	struct err error;
	if (!rocks_failed(d->rocks))
		return 0;
	pthread_rwlock_wrlock(&d->writing);
	if (rocks_failed(d->rocks)) { /* nobody was faster */
		atomic_fetch_add(&d->begun, 1);
		rc = rocks_reopen(d->rocks, &error);
		if (rc == 0) {
			rc = disk_load(d, &gone, &error);
			if (rc < 0)
				rocks_distrust(d->rocks, rc, &error);
		}
		if (rc < 0 && e)
			*e = error;
		atomic_fetch_add(&d->generation, 1);
	}
	pthread_rwlock_unlock(&d->writing);
	return rc;
}
