/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Arrays that merge when they are of about the same size. */
#include "store/fresh.h"

#include <stdlib.h>

enum {
	MERGE_RATIO = 4,           /* a part is merged with one before it that has not so many times its rows */
	OCTETS_MAX = 1u << 30,     /* of a part: offsets have 32 bits */
};

struct fresh *fresh_new(void)
{
	struct fresh *f = xcalloc(1, sizeof(*f));
	f->holders = 1;
	return f;
}

struct fresh *fresh_hold(struct fresh *f)
{
	atomic_fetch_add(&f->holders, 1);
	return f;
}

static void part_drop(struct fresh_part *p)
{
	if (atomic_fetch_sub(&p->sets, 1) != 1)
		return;
	free(p->rows);
	free(p);
}

void fresh_release(struct fresh *f)
{
	if (!f || atomic_fetch_sub(&f->holders, 1) != 1)
		return;
	for (size_t i = 0; i < f->n; i++)
		part_drop(f->part[i]);
	free(f);
}

/* --- a part as a source --- */

static int source_row(struct part_source *s)
{
	if (s->at >= s->rows->n)
		return 0;
	s->source.key = segment_key(s->rows, s->at);
	s->source.value = segment_value(s->rows, s->at);
	return 1;
}

static int source_seek(struct source *source, struct bytes at, struct err *e)
{
	struct part_source *s = (struct part_source *)source;
	(void)e;
	s->at = segment_find(s->rows, at);
	return source_row(s);
}

static int source_next(struct source *source, struct err *e)
{
	struct part_source *s = (struct part_source *)source;
	(void)e;
	s->at++;
	return source_row(s);
}

void part_source_init(struct part_source *s, const struct fresh_part *part)
{
	*s = (struct part_source){.source = {.seek = source_seek, .next = source_next}, .rows = part->rows};
}

/* --- making parts --- */

/* All that a merger gives, as one array. */
static int gather(struct merger *m, struct segment **ret, struct err *e)
{
	static const struct bytes start;
	struct buffer bytes = BUFFER_INIT, rows = BUFFER_INIT;
	struct bytes key, value;
	int rc = merger_seek(m, start, &key, &value, e);
	while (rc == 1) {
		struct segment_row row = {.key = (uint32_t)bytes.n};
		buffer_put_bytes(&bytes, key);
		row.value = (uint32_t)bytes.n;
		buffer_put_bytes(&bytes, value);
		buffer_put(&rows, &row, sizeof(row));
		rc = bytes.n > OCTETS_MAX ? err_set(e, ERR_LIMIT, "too many fresh rows") : merger_next(m, &key, &value, e);
	}
	if (rc == 0) {
		const struct segment_row end = {(uint32_t)bytes.n, (uint32_t)bytes.n};
		uint32_t n = (uint32_t)(rows.n / sizeof(end));
		buffer_put(&rows, &end, sizeof(end));
		size_t size = sizeof(struct segment) + rows.n + bytes.n;
		struct segment *s = xmalloc(size);
		uint8_t *octets = (uint8_t *)s + sizeof(*s) + rows.n;
		*s = (struct segment){.n = n, .size = (uint32_t)size, .bytes = octets};
		memcpy(s->rows, rows.p, rows.n);
		if (bytes.n)
			memcpy(octets, bytes.p, bytes.n);
		*ret = s;
	}
	buffer_release(&bytes);
	buffer_release(&rows);
	return rc;
}

static int make_part(uint32_t area, struct merger *m, struct fresh_part **ret, struct err *e)
{
	struct segment *rows;
	int rc = gather(m, &rows, e);
	if (rc < 0)
		return rc;
	struct fresh_part *p = xcalloc(1, sizeof(*p));
	p->area = area;
	p->rows = rows;
	*ret = p;
	return 0;
}

/* Puts a part into a set that is being made. */
static void put_part(struct fresh *f, struct fresh_part *p)
{
	atomic_fetch_add(&p->sets, 1);
	f->part[f->n++] = p;
	f->rows += p->rows->n;
	f->octets += p->rows->size;
}

int fresh_with(const struct fresh *f, uint32_t area, struct source *rows, struct fresh **ret, struct err *e)
{
	struct merger m = {0};
	struct fresh_part *new;
	merger_add(&m, rows);
	int rc = make_part(area, &m, &new, e);
	merger_release(&m);
	if (rc < 0)
		return rc;
	size_t kept = f->n, merged_rows = new->rows->n;
	while (kept && f->part[kept - 1]->area == area && f->part[kept - 1]->rows->n < MERGE_RATIO * merged_rows)
		merged_rows += f->part[--kept]->rows->n;
	if (kept < f->n) {
		size_t n = f->n - kept;
		struct part_source *sources = xcalloc(n + 1, sizeof(*sources));
		struct fresh_part *one = new;
		for (size_t i = 0; i <= n; i++) {
			part_source_init(&sources[i], i < n ? f->part[kept + i] : one);
			merger_add(&m, &sources[i].source);
		}
		rc = make_part(area, &m, &new, e);
		merger_release(&m);
		free(sources);
		free(one->rows);
		free(one);
		if (rc < 0)
			return rc;
	}
	struct fresh *set = xcalloc(1, sizeof(*set) + (kept + 1) * sizeof(set->part[0]));
	set->holders = 1;
	for (size_t i = 0; i < kept; i++)
		put_part(set, f->part[i]);
	put_part(set, new);
	*ret = set;
	return 0;
}

struct fresh *fresh_without(const struct fresh *f, uint32_t first_area)
{
	struct fresh *set = xcalloc(1, sizeof(*set) + f->n * sizeof(set->part[0]));
	set->holders = 1;
	for (size_t i = 0; i < f->n; i++) {
		if (f->part[i]->area >= first_area)
			put_part(set, f->part[i]);
	}
	return set;
}
