/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A direct-mapped table of sums, and the arithmetic of tables that overlap. */
#include "store/counting.h"

#include <stdlib.h>

#include "base/hash.h"

enum {
	SLOTS = 4096,
	REMEMBER = 500, /* smaller sums are made again as fast */
};

struct sum {
	struct hash128 set; /* of the prefix */
	uint64_t *tables;   /* numbers of those that rows are counted of; owned */
	size_t n;           /* 0: the slot is free */
	uint64_t rows;
	uint64_t fresh_rows; /* beside those, when the generation was the one that stands here */
	uint64_t fresh_generation;
	bool fresh_known;
};

struct counting {
	pthread_mutex_t lock;
	struct sum slots[SLOTS];
};

struct counting *counting_new(void)
{
	struct counting *c = xcalloc(1, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

void counting_free(struct counting *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		free(c->slots[i].tables);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct sum *slot_of(struct counting *c, const struct hash128 *set)
{
	return &c->slots[(set->b[0] << 8 | set->b[1]) % SLOTS];
}

static bool has(const uint64_t *numbers, size_t n, uint64_t number)
{
	for (size_t i = 0; i < n; i++) {
		if (numbers[i] == number)
			return true;
	}
	return false;
}

/* --- what is remembered --- */

static void forget(struct sum *s)
{
	free(s->tables);
	*s = (struct sum){0};
}

void counting_replaced(struct counting *c, const uint64_t *gone, size_t n, uint64_t by)
{
	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < SLOTS; i++) {
		struct sum *s = &c->slots[i];
		size_t covered = 0, kept = 0;
		for (size_t j = 0; j < n; j++)
			covered += has(s->tables, s->n, gone[j]);
		if (!covered)
			continue;
		if (covered < n) { /* the new table has rows that were not counted */
			forget(s);
			continue;
		}
		for (size_t j = 0; j < s->n; j++) {
			if (!has(gone, n, s->tables[j]))
				s->tables[kept++] = s->tables[j];
		}
		s->tables[kept++] = by;
		s->n = kept;
	}
	pthread_mutex_unlock(&c->lock);
}

/* Copies what is remembered, when it covers nothing that the view has not. */
static bool recall(struct counting *c, const struct hash128 *set, const struct counting_view *v, struct sum *ret)
{
	uint64_t *numbers = xcalloc(v->set->n + 1, sizeof(*numbers));
	bool usable = false;
	for (size_t i = 0; i < v->set->n; i++)
		numbers[i] = table_number(live_table(v->set->live[i]));
	pthread_mutex_lock(&c->lock);
	const struct sum *s = slot_of(c, set);
	if (s->n && memcmp(&s->set, set, sizeof(*set)) == 0) {
		usable = true;
		for (size_t i = 0; i < s->n && usable; i++)
			usable = has(numbers, v->set->n, s->tables[i]);
	}
	if (usable) {
		*ret = *s;
		ret->tables = xcalloc(s->n, sizeof(*ret->tables));
		memcpy(ret->tables, s->tables, s->n * sizeof(*ret->tables));
	}
	pthread_mutex_unlock(&c->lock);
	free(numbers);
	return usable;
}

/* Takes the numbers over. */
static void remember(struct counting *c, struct sum *s)
{
	pthread_mutex_lock(&c->lock);
	struct sum *slot = slot_of(c, &s->set);
	free(slot->tables);
	*slot = *s;
	pthread_mutex_unlock(&c->lock);
}

/* --- counting --- */

struct counted_table {
	struct table_source source; /* first */
	uint64_t rows;              /* below the prefix */
	bool covered;               /* by the sum */
};

struct job {
	const struct counting_view *v;
	struct bytes prefix;
	struct buffer after; /* the least key beyond the prefix */
	struct counted_table *tables; /* of the view; owned */
	size_t n;
	uint64_t budget, looked;
};

static void begin(struct job *j, const struct counting_view *v, struct bytes prefix, uint64_t budget)
{
	*j = (struct job){.v = v, .prefix = prefix, .n = v->set->n, .budget = budget};
	j->tables = xcalloc(j->n + 1, sizeof(*j->tables));
	for (size_t i = 0; i < j->n; i++)
		table_source_init(&j->tables[i].source, live_table(v->set->live[i]), false);
	buffer_put_bytes(&j->after, prefix);
	while (j->after.p[j->after.n - 1] == 0xff)
		j->after.n--;
	j->after.p[j->after.n - 1]++;
}

static void end(struct job *j)
{
	for (size_t i = 0; i < j->n; i++)
		table_cursor_end(&j->tables[i].source.cursor);
	free(j->tables);
	buffer_release(&j->after);
}

static int count_one(struct job *j, struct counted_table *t, struct err *e)
{
	uint64_t from = 0, to = 0;
	int rc = table_rank(&t->source.cursor, j->prefix, &from, e);
	if (rc == 0)
		rc = table_rank(&t->source.cursor, buffer_bytes(&j->after), &to, e);
	t->rows = to - from;
	return rc;
}

/* 1: some table that the sum covers has the key. */
static int is_covered(struct job *j, struct bytes key, struct err *e)
{
	for (size_t i = 0; i < j->n; i++) {
		struct table_cursor *c = &j->tables[i].source.cursor;
		if (!j->tables[i].covered || !j->tables[i].rows)
			continue;
		int rc = table_seek(c, key, e);
		if (rc < 0 || (rc == 1 && bytes_eq(table_key(c), key)))
			return rc;
	}
	return 0;
}

/* Counts the keys below the prefix that a merger has, and no table that is covered. */
static int count_new(struct job *j, struct merger *m, uint64_t *ret, struct err *e)
{
	struct bytes key, value;
	int rc = merger_seek(m, j->prefix, &key, &value, e);
	while (rc == 1 && bytes_has_prefix(key, j->prefix)) {
		if (j->budget && ++j->looked > j->budget)
			return 1;
		rc = is_covered(j, key, e);
		if (rc < 0)
			return rc;
		*ret += rc == 0;
		rc = merger_next(m, &key, &value, e);
	}
	return rc < 0 ? rc : 0;
}

/* Adds the rows of tables that the sum does not cover. 1: the budget does not allow it. */
static int add_tables(struct job *j, struct sum *s, struct err *e)
{
	struct counted_table *largest = NULL;
	struct merger m = {0};
	uint64_t work = 0;
	for (size_t i = 0; i < j->n; i++) {
		struct counted_table *t = &j->tables[i];
		int rc = count_one(j, t, e);
		if (rc < 0)
			return rc;
		t->covered = has(s->tables, s->n, table_number(t->source.cursor.table));
		if (!s->n && (!largest || t->rows > largest->rows))
			largest = t;
	}
	if (largest) {
		largest->covered = true;
		s->rows = largest->rows;
	}
	for (size_t i = 0; i < j->n; i++) {
		struct counted_table *t = &j->tables[i];
		if (t->covered || !t->rows)
			continue;
		work += t->rows;
		merger_add(&m, &t->source.source);
	}
	int rc = j->budget && work > j->budget ? 1 : 0;
	if (rc == 0 && work)
		rc = count_new(j, &m, &s->rows, e);
	merger_release(&m);
	if (rc != 0)
		return rc;
	free(s->tables);
	s->tables = xcalloc(j->n + 1, sizeof(*s->tables));
	s->n = j->n;
	for (size_t i = 0; i < j->n; i++) {
		j->tables[i].covered = true;
		s->tables[i] = table_number(j->tables[i].source.cursor.table);
	}
	return 0;
}

/* Counts fresh rows that no table has. */
static int count_fresh(struct job *j, struct sum *s, struct err *e)
{
	const struct fresh *fresh = j->v->fresh;
	struct merger m = {0};
	struct part_source *sources = xcalloc(fresh->n + 1, sizeof(*sources));
	for (size_t i = 0; i < fresh->n; i++) {
		part_source_init(&sources[i], fresh->part[i]);
		merger_add(&m, &sources[i].source);
	}
	s->fresh_rows = 0;
	int rc = count_new(j, &m, &s->fresh_rows, e);
	merger_release(&m);
	free(sources);
	s->fresh_known = rc == 0 && j->v->settled; /* else others of this generation may see less */
	s->fresh_generation = j->v->generation;
	return rc;
}

int counting_count(struct counting *c, const struct counting_view *v, struct bytes prefix, uint64_t budget,
                   uint64_t *ret, struct err *e)
{
	struct hash128 set = hash128_of(prefix.p, prefix.n);
	struct sum s = {0};
	struct job j;
	if (!recall(c, &set, v, &s))
		s = (struct sum){.set = set};
	bool all = s.n == v->set->n;
	bool fresh = v->fresh->n > 0;
	if (all && (!fresh || (s.fresh_known && v->settled && s.fresh_generation == v->generation))) {
		*ret = s.rows + (fresh ? s.fresh_rows : 0);
		free(s.tables);
		return 0;
	}
	begin(&j, v, prefix, budget);
	s.fresh_known = false; /* it was beside other tables */
	int rc = add_tables(&j, &s, e);
	if (rc == 0 && fresh)
		rc = count_fresh(&j, &s, e);
	end(&j);
	if (rc == 0)
		*ret = s.rows + (fresh ? s.fresh_rows : 0);
	if (rc == 0 && s.n && *ret >= REMEMBER)
		remember(c, &s);
	else
		free(s.tables);
	return rc;
}
