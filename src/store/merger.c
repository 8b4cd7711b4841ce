/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A heap of sources. */
#include "store/merger.h"

#include <stdlib.h>
#include <string.h>

#include "store/value.h"

void merger_lend(struct merger *m, struct source **room, size_t n)
{
	m->all = room;
	m->heap = room + n;
	m->cap = n;
	m->lent = true;
}

static void grow(struct merger *m)
{
	size_t cap = m->cap ? 2 * m->cap : 8;
	struct source **all = xcalloc(cap, sizeof(struct source *));
	struct source **heap = xcalloc(cap, sizeof(struct source *));
	if (m->n_all)
		memcpy(all, m->all, m->n_all * sizeof(struct source *));
	if (m->n)
		memcpy(heap, m->heap, m->n * sizeof(struct source *));
	if (!m->lent) {
		free(m->all);
		free(m->heap);
	}
	m->all = all;
	m->heap = heap;
	m->cap = cap;
	m->lent = false;
}

void merger_add(struct merger *m, struct source *s)
{
	if (m->n_all == m->cap)
		grow(m);
	m->all[m->n_all++] = s;
}

void merger_release(struct merger *m)
{
	if (!m->lent) {
		free(m->all);
		free(m->heap);
	}
	buffer_release(&m->key);
	buffer_release(&m->value);
	buffer_release(&m->more);
	*m = (struct merger){0};
}

static bool less(const struct source *a, const struct source *b)
{
	return bytes_cmp(a->key, b->key) < 0;
}

static void sift(struct merger *m, size_t i)
{
	struct source *s = m->heap[i];
	for (size_t child; (child = 2 * i + 1) < m->n; i = child) {
		if (child + 1 < m->n && less(m->heap[child + 1], m->heap[child]))
			child++;
		if (!less(m->heap[child], s))
			break;
		m->heap[i] = m->heap[child];
	}
	m->heap[i] = s;
}

/* Moves the top on by one row. */
static int advance(struct merger *m, struct err *e)
{
	int rc = m->heap[0]->next(m->heap[0], e);
	if (rc < 0)
		return rc;
	if (rc == 0)
		m->heap[0] = m->heap[--m->n];
	if (m->n > 1)
		sift(m, 0);
	return 0;
}

static int merge_values(struct merger *m, struct bytes value, struct err *e)
{
	struct value sum, more;
	int rc = value_decode(buffer_bytes(&m->value), &sum);
	if (rc == 0)
		rc = value_decode(value, &more);
	if (rc < 0)
		return err_set(e, rc, "a value of the store does not decode");
	value_merge(&sum, &more);
	buffer_clear(&m->more);
	value_encode(&sum, &m->more);
	struct buffer merged = m->more;
	m->more = m->value;
	m->value = merged;
	return 0;
}

static bool next_is_same(const struct merger *m)
{
	return (m->n > 1 && bytes_eq(m->heap[1]->key, m->heap[0]->key)) ||
	       (m->n > 2 && bytes_eq(m->heap[2]->key, m->heap[0]->key));
}

/* Returns the least row; what several sources have is merged first. */
static int emit(struct merger *m, struct bytes *ret_key, struct bytes *ret_value, struct err *e)
{
	m->moved = false;
	if (!m->n)
		return 0;
	if (!next_is_same(m)) {
		*ret_key = m->heap[0]->key;
		*ret_value = m->heap[0]->value;
		m->moved = true;
		return 1;
	}
	buffer_clear(&m->key);
	buffer_put_bytes(&m->key, m->heap[0]->key);
	buffer_clear(&m->value);
	buffer_put_bytes(&m->value, m->heap[0]->value);
	int rc = advance(m, e);
	while (rc == 0 && m->n && bytes_eq(m->heap[0]->key, buffer_bytes(&m->key))) {
		rc = merge_values(m, m->heap[0]->value, e);
		if (rc == 0)
			rc = advance(m, e);
	}
	*ret_key = buffer_bytes(&m->key);
	*ret_value = buffer_bytes(&m->value);
	return rc < 0 ? rc : 1;
}

/* Passes an answer on; an error is kept. */
static int answer(struct merger *m, int rc, struct err *e)
{
	if (rc < 0) {
		m->failed = rc;
		if (e)
			*e = m->error;
	}
	return rc;
}

int merger_seek(struct merger *m, struct bytes at, struct bytes *ret_key, struct bytes *ret_value, struct err *e)
{
	m->n = 0;
	m->failed = 0;
	for (size_t i = 0; i < m->n_all; i++) {
		int rc = m->all[i]->seek(m->all[i], at, &m->error);
		if (rc < 0)
			return answer(m, rc, e);
		if (rc == 1)
			m->heap[m->n++] = m->all[i];
	}
	for (size_t i = m->n / 2; i-- > 0;)
		sift(m, i);
	return answer(m, emit(m, ret_key, ret_value, &m->error), e);
}

int merger_next(struct merger *m, struct bytes *ret_key, struct bytes *ret_value, struct err *e)
{
	int rc = m->failed;
	if (rc == 0 && m->moved)
		rc = advance(m, &m->error);
	if (rc == 0)
		rc = emit(m, ret_key, ret_value, &m->error);
	return answer(m, rc, e);
}
