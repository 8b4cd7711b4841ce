/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A table of sensors by their ids. */
#include "feed/tally.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/hash.h"
#include "base/limits.h"
#include "store/keys.h"

struct counted {
	uint64_t n, first_s, last_s;
};

struct sensor {
	uint64_t hash;
	struct bytes id; /* in the arena */
	struct counted of[TALLY_WHATS];
};

struct tally {
	struct arena arena;
	struct sensor **slots; /* owned; the sensors lie in the arena. Open addressing */
	size_t mask;
	size_t n, rows;
	struct sensor *last; /* the one that was counted for last: mostly the next, too */
};

enum { FIRST_SLOTS = 64 };

const char *tally_name(enum tally_what what)
{
	static const char *const names[TALLY_LEFT_OUT] = {"observations", "malformed", "dropped"};
	return what < TALLY_LEFT_OUT ? names[what]
				     : left_out_name((enum left_out)(what - TALLY_LEFT_OUT));
}

struct tally *tally_new(void)
{
	struct tally *t = xcalloc(1, sizeof(*t));
	t->mask = FIRST_SLOTS - 1;
	t->slots = xcalloc(FIRST_SLOTS, sizeof(struct sensor *));
	return t;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	arena_release(&t->arena);
	free(t->slots);
	free(t);
}

void tally_clear(struct tally *t)
{
	if (!t->n)
		return;
	arena_clear(&t->arena);
	memset(t->slots, 0, (t->mask + 1) * sizeof(struct sensor *));
	t->n = t->rows = 0;
	t->last = NULL;
}

static void grow(struct tally *t)
{
	size_t mask = t->mask * 2 + 1;
	struct sensor **slots = xcalloc(mask + 1, sizeof(struct sensor *));
	for (size_t i = 0; i <= t->mask; i++) {
		if (!t->slots[i])
			continue;
		size_t at = t->slots[i]->hash & mask;
		while (slots[at])
			at = (at + 1) & mask;
		slots[at] = t->slots[i];
	}
	free(t->slots);
	t->slots = slots;
	t->mask = mask;
}

static struct sensor *find(struct tally *t, struct bytes id)
{
	uint64_t hash = hash64(id.p, id.n);
	size_t at = hash & t->mask;
	for (; t->slots[at]; at = (at + 1) & t->mask) {
		if (t->slots[at]->hash == hash && bytes_eq(t->slots[at]->id, id))
			return t->slots[at];
	}
	struct sensor *s = arena_alloc(&t->arena, sizeof(*s));
	*s = (struct sensor){.hash = hash, .id = arena_copy(&t->arena, id)};
	t->slots[at] = s;
	if (++t->n * 2 > t->mask)
		grow(t);
	return s;
}

void tally_add(struct tally *t, struct bytes id, enum tally_what what, uint64_t n, uint64_t now_s)
{
	if (!n)
		return;
	if (id.n > MEMBER_MAX)
		id.n = MEMBER_MAX;
	if (!t->last || !bytes_eq(t->last->id, id))
		t->last = find(t, id);
	struct counted *c = &t->last->of[what];
	t->rows += !c->n;
	if (!c->n || now_s < c->first_s)
		c->first_s = now_s;
	if (!c->n || now_s > c->last_s)
		c->last_s = now_s;
	c->n = n > COUNT_MAX - c->n ? COUNT_MAX : c->n + n;
}

bool tally_is_full(const struct tally *t)
{
	return t->n >= SENSORS_MAX;
}

size_t tally_rows(const struct tally *t)
{
	return t->rows;
}

static int by_id(const void *a, const void *b)
{
	const struct sensor *const *x = a, *const *y = b;
	return bytes_cmp((*x)->id, (*y)->id); /* as their keys do */
}

int tally_write(const struct tally *t, struct run *run, struct err *e)
{
	struct buffer key = BUFFER_INIT, value = BUFFER_INIT;
	struct sensor **sorted = xcalloc(t->n + 1, sizeof(struct sensor *));
	size_t n = 0;
	int rc = 0;
	for (size_t i = 0; i <= t->mask; i++) {
		if (t->slots[i])
			sorted[n++] = t->slots[i];
	}
	qsort(sorted, n, sizeof(struct sensor *), by_id);
	for (size_t i = 0; i < n * TALLY_WHATS && rc == 0; i++) {
		const struct sensor *s = sorted[i / TALLY_WHATS];
		const struct counted *c = &s->of[i % TALLY_WHATS];
		if (!c->n)
			continue;
		struct value v = {
			.seen = {.count = c->n, .first_s = c->first_s, .last_s = c->last_s}};
		buffer_clear(&key);
		buffer_clear(&value);
		key_put_sensor(&key, s->id, (uint8_t)(i % TALLY_WHATS + 1));
		value_encode(&v, &value);
		rc = run_add(run, buffer_bytes(&key), buffer_bytes(&value), e);
	}
	free(sorted);
	buffer_release(&key);
	buffer_release(&value);
	return rc;
}

/* --- reading --- */

/* Adds a row to the contribution that it belongs to; what this program does not know is a contact
 * all the same. */
static void gather(struct contribution *c, uint8_t what, const struct seen *seen)
{
	if (what <= TALLY_WHATS)
		c->n[what - 1] = seen->count;
	if (!c->first_s || seen->first_s < c->first_s)
		c->first_s = seen->first_s;
	if (seen->last_s > c->last_s)
		c->last_s = seen->last_s;
}

int tally_each(struct store *s, uint64_t limit,
	       int (*each)(void *ctx, const struct contribution *c), void *ctx, struct err *e)
{
	static const uint8_t from = KEY_SENSOR, behind = KEY_SENSOR + 1;
	uint8_t id[MEMBER_MAX], current_id[MEMBER_MAX], what;
	struct contribution current = {0};
	bool any = false;
	struct bytes key, bytes;
	struct value value;
	struct scan *sc;
	size_t n;
	int rc = scan_begin(s, &sc, e);
	if (rc < 0)
		return rc;
	scan_bound(sc, bytes_of(&behind, 1));
	rc = scan_seek(sc, bytes_of(&from, 1), &key, &bytes, e);
	for (; rc == 1; rc = scan_next(sc, &key, &bytes, e)) {
		if (key_get_sensor(key, id, &n, &what) != 0 || value_decode(bytes, &value) != 0) {
			rc = err_set(e, ERR_CORRUPT, "a row about a sensor does not decode");
			break;
		}
		if (!any || !bytes_eq(current.id, bytes_of(id, n))) {
			if (any && (rc = each(ctx, &current)) != 0)
				break;
			any = limit-- > 0;
			if (!any) {
				rc = 1;
				break;
			}
			memcpy(current_id, id, n);
			current = (struct contribution){.id = bytes_of(current_id, n)};
		}
		gather(&current, what, &value.seen);
	}
	if (rc == 0 && any)
		rc = each(ctx, &current);
	scan_end(sc);
	return rc;
}
