/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing a file of segments. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/varint.h"
#include "store/table.h"
#include "store/table_format.h"

enum {
	WRITE_OCTETS = 1 << 20,
	BATCHES = 16, /* segments between who adds rows and who writes */
	WORTH = 4,    /* so many are worth waking others */
	PACKERS = 2,
};

static void put_le(struct buffer *out, uint64_t v, int octets)
{
	uint64_t le = htole64(v);
	buffer_put(out, &le, (size_t)octets);
}

/* Rows of a segment on their way to the file. */
struct batch {
	struct segment_builder *rows;
	uint64_t n;          /* of them */
	struct buffer last;  /* their last key */
	struct buffer next;  /* the key that follows them; empty: none does */
	struct buffer block; /* they, packed */
	bool packed;
};

/* Who adds rows fills one batch after the other. They are packed and written by the same thread or, beside it, by the writer's own:
 * each packs a batch at a time, and whoever has packed the first in the row writes it and those behind it that are ready. What is
 * marked so is that thread's, one at a time. */
struct table_writer {
	char *path;
	int fd;
	bool finished;
	struct batch batches[BATCHES];
	unsigned filling; /* which of them takes rows */
	uint64_t rows;
	int level;
	struct packer *packers[PACKERS]; /* one for each thread; the first for who does without */
	/* Of who writes: */
	struct packer *index_packer;
	struct buffer pending; /* octets on their way to the file */
	uint64_t offset;       /* of the end of pending in the file */
	struct segment_builder *index[TABLE_DEPTH_MAX];
	uint64_t index_rows[TABLE_DEPTH_MAX]; /* below each */
	struct buffer separator; /* scratch */
	struct foot foot;
	/* Beside: */
	unsigned threads;
	pthread_t thread[PACKERS];
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	unsigned begun;   /* threads that have a packer */
	unsigned first;   /* the batch that is written next */
	unsigned full;    /* batches from there on that are not written yet */
	unsigned packing; /* of these, from the first on: those that a thread has taken */
	bool writing;     /* a thread writes */
	bool no_more;
	int rc; /* of writing; once it failed nothing is written any more */
	struct err error;
};

static int flush(struct table_writer *w, struct err *e)
{
	size_t at = 0;
	while (at < w->pending.n) {
		ssize_t n = write(w->fd, w->pending.p + at, w->pending.n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return err_sys(e, n < 0 ? errno : ENOSPC, "%s", w->path);
		at += (size_t)n;
	}
	buffer_clear(&w->pending);
	return 0;
}

/* The octets from start on of pending are a block: closes it. */
static struct place end_block(struct table_writer *w, size_t start)
{
	struct place place = {w->offset, w->pending.n - start};
	put_le(&w->pending, sum_of(bytes_of(w->pending.p + start, (size_t)place.octets), place.offset), SUM_LEN);
	w->offset += place.octets + SUM_LEN;
	return place;
}

int table_writer_open(const char *path, int level, struct bytes dictionary, struct table_writer **ret, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	struct table_writer *w = xcalloc(1, sizeof(*w));
	w->path = xstrdup(path);
	w->fd = fd;
	w->level = level;
	w->packers[0] = packer_new(level);
	w->index_packer = packer_new(level);
	for (int i = 0; i < BATCHES; i++)
		w->batches[i].rows = segment_builder_new();
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	buffer_put(&w->pending, TABLE_MAGIC, MAGIC_LEN);
	put_le(&w->pending, FORMAT, 8);
	w->offset = HEAD_LEN;
	if (dictionary.n) {
		packer_use(w->packers[0], dictionary);
		size_t start = w->pending.n;
		buffer_put_bytes(&w->pending, dictionary);
		w->foot.dictionary = end_block(w, start);
	}
	*ret = w;
	return 0;
}

/* The shortest key that is >= a and < b, given a < b; b empty: a itself. */
static void put_separator(struct buffer *out, struct bytes a, struct bytes b)
{
	buffer_clear(out);
	size_t i = 0;
	while (i < a.n && i < b.n && a.p[i] == b.p[i])
		i++;
	if (i < a.n && i < b.n && a.p[i] + 1 < b.p[i]) {
		buffer_put(out, a.p, i);
		buffer_put_byte(out, a.p[i] + 1);
	} else if (i < b.n && i + 1 < a.n && a.p[i] < b.p[i]) {
		/* Nothing lies between at this octet: the first one behind it that can grow. */
		size_t j = i + 1;
		while (j < a.n && a.p[j] == 0xff)
			j++;
		buffer_put(out, a.p, j < a.n ? j + 1 : j);
		if (j + 1 < a.n)
			out->p[j]++;
	} else {
		buffer_put_bytes(out, a);
	}
}

static int index_add(struct table_writer *w, int level, struct bytes key, const struct place *place, uint64_t rows,
                     struct err *e);

static int end_index(struct table_writer *w, int level, struct err *e)
{
	struct segment_builder *b = w->index[level];
	struct buffer key = BUFFER_INIT;
	buffer_put_bytes(&key, segment_last_key(b));
	size_t start = w->pending.n;
	segment_encode(b, w->index_packer, &w->pending, NULL);
	struct place place = end_block(w, start);
	uint64_t rows = w->index_rows[level];
	w->index_rows[level] = 0;
	int rc = index_add(w, level + 1, buffer_bytes(&key), &place, rows, e);
	buffer_release(&key);
	return rc;
}

static int index_add(struct table_writer *w, int level, struct bytes key, const struct place *place, uint64_t rows,
                     struct err *e)
{
	uint8_t value[3 * VARINT_MAX];
	if (level == TABLE_DEPTH_MAX - 1)
		return err_set(e, ERR_LIMIT, "%s: the table would be too large", w->path);
	if (!w->index[level])
		w->index[level] = segment_builder_new();
	size_t n = varint_put(value, place->offset);
	n += varint_put(value + n, place->octets);
	n += varint_put(value + n, rows);
	segment_add(w->index[level], key, bytes_of(value, n));
	w->index_rows[level] += rows;
	/* One row does not make a level, however long its key: the tree would not end. */
	bool full = segment_is_full(w->index[level]) && segment_builder_rows(w->index[level]) > 1;
	return full ? end_index(w, level, e) : 0;
}

static void pack(struct batch *b, struct packer *packer)
{
	b->n = segment_builder_rows(b->rows);
	buffer_clear(&b->last);
	buffer_put_bytes(&b->last, segment_last_key(b->rows));
	buffer_clear(&b->block);
	segment_encode(b->rows, packer, &b->block, NULL);
}

/* A packed batch goes to the file when there is enough; its index entry tells it from what follows. */
static int write_batch(struct table_writer *w, struct batch *b, struct err *e)
{
	size_t start = w->pending.n;
	buffer_put_bytes(&w->pending, buffer_bytes(&b->block));
	struct place place = end_block(w, start);
	w->foot.segments++;
	int rc = w->pending.n >= WRITE_OCTETS ? flush(w, e) : 0;
	put_separator(&w->separator, buffer_bytes(&b->last), buffer_bytes(&b->next));
	return rc < 0 ? rc : index_add(w, 0, buffer_bytes(&w->separator), &place, b->n, e);
}

/* With the lock, which is left meanwhile: what is packed, from the first on. */
static void write_packed(struct table_writer *w)
{
	w->writing = true;
	while (w->packing && w->batches[w->first].packed) {
		struct batch *b = &w->batches[w->first];
		if (w->rc == 0) {
			struct err e;
			pthread_mutex_unlock(&w->lock);
			int rc = write_batch(w, b, &e);
			pthread_mutex_lock(&w->lock);
			if (rc < 0) {
				w->rc = rc;
				w->error = e;
			}
		}
		b->packed = false;
		w->first = (w->first + 1) % BATCHES;
		w->packing--;
		w->full--;
		if (w->full == BATCHES - WORTH)
			pthread_cond_broadcast(&w->changed);
	}
	w->writing = false;
}

static void *write_beside(void *arg)
{
	struct table_writer *w = arg;
	pthread_mutex_lock(&w->lock);
	struct packer *packer = w->packers[w->begun++];
	for (;;) {
		while (w->packing == w->full && !w->no_more)
			pthread_cond_wait(&w->changed, &w->lock);
		if (w->packing == w->full)
			break;
		struct batch *b = &w->batches[(w->first + w->packing++) % BATCHES];
		pthread_mutex_unlock(&w->lock);
		pack(b, packer);
		pthread_mutex_lock(&w->lock);
		b->packed = true;
		if (!w->writing)
			write_packed(w);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void table_writer_beside(struct table_writer *w)
{
	/* Nothing was written yet: it is in pending. */
	struct bytes dictionary = bytes_of(w->pending.p + HEAD_LEN, w->foot.dictionary.octets);
	for (int i = 1; i < PACKERS; i++) {
		w->packers[i] = packer_new(w->level);
		if (dictionary.n)
			packer_use(w->packers[i], dictionary);
	}
	for (int i = 0; i < PACKERS; i++)
		w->threads += pthread_create(&w->thread[w->threads], NULL, write_beside, w) == 0;
}

/* Waits until all is written that is full. */
static int end_beside(struct table_writer *w, struct err *e)
{
	if (!w->threads)
		return 0;
	pthread_mutex_lock(&w->lock);
	w->no_more = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	while (w->threads)
		pthread_join(w->thread[--w->threads], NULL);
	if (w->rc < 0 && e)
		*e = w->error;
	return w->rc;
}

/* The batch that is being filled is complete: the next one takes its place, once that is free. */
static int end_batch(struct table_writer *w, struct bytes next, struct err *e)
{
	struct batch *b = &w->batches[w->filling];
	buffer_clear(&b->next);
	buffer_put_bytes(&b->next, next);
	if (!w->threads) {
		pack(b, w->packers[0]);
		return write_batch(w, b, e);
	}
	pthread_mutex_lock(&w->lock);
	w->full++;
	if (w->full - w->packing >= WORTH)
		pthread_cond_broadcast(&w->changed);
	if (w->full == BATCHES) {
		while (w->full > BATCHES - WORTH)
			pthread_cond_wait(&w->changed, &w->lock);
	}
	int rc = w->rc;
	if (rc < 0 && e)
		*e = w->error;
	pthread_mutex_unlock(&w->lock);
	w->filling = (w->filling + 1) % BATCHES;
	return rc;
}

int table_writer_add(struct table_writer *w, struct bytes key, struct bytes value, struct err *e)
{
	if (key.n > SEGMENT_KEY_MAX || value.n > SEGMENT_VALUE_MAX)
		return err_set(e, ERR_LIMIT, "%s: a row of %zu octets is too large", w->path, key.n + value.n);
	int rc = segment_is_full(w->batches[w->filling].rows) ? end_batch(w, key, e) : 0;
	if (rc < 0)
		return rc;
	segment_add(w->batches[w->filling].rows, key, value);
	w->rows++;
	return 0;
}

uint64_t table_writer_rows(const struct table_writer *w)
{
	return w->rows;
}

/* Ends every level of the index; the one that stands alone at the top is the root. */
static int end_tree(struct table_writer *w, struct err *e)
{
	static const struct bytes none;
	int rc = 0;
	if (segment_builder_rows(w->batches[w->filling].rows))
		rc = end_batch(w, none, e);
	if (rc == 0)
		rc = end_beside(w, e);
	for (int level = 0; level < TABLE_DEPTH_MAX && w->index[level] && rc == 0; level++) {
		bool top = level + 1 == TABLE_DEPTH_MAX || !w->index[level + 1];
		if (!segment_builder_rows(w->index[level]))
			continue;
		if (!top) {
			rc = end_index(w, level, e);
			continue;
		}
		size_t start = w->pending.n;
		segment_encode(w->index[level], w->index_packer, &w->pending, NULL);
		w->foot.root = end_block(w, start);
		w->foot.levels = (uint64_t)level + 1;
	}
	return rc;
}

static void put_foot(struct buffer *out, const struct foot *foot)
{
	size_t start = out->n;
	const uint64_t numbers[] = {foot->root.offset, foot->root.octets, foot->dictionary.offset,
	                            foot->dictionary.octets, foot->levels, foot->rows, foot->segments, FORMAT};
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		put_le(out, numbers[i], 8);
	put_le(out, XXH3_64bits(out->p + start, out->n - start), 8);
	buffer_put(out, TABLE_MAGIC, MAGIC_LEN);
}

int table_writer_finish(struct table_writer *w, struct err *e)
{
	int rc = end_tree(w, e);
	if (rc < 0)
		return rc;
	w->foot.rows = w->rows;
	put_foot(&w->pending, &w->foot);
	rc = flush(w, e);
	if (rc < 0)
		return rc;
	if (fsync(w->fd) != 0)
		return err_sys(e, errno, "%s", w->path);
	int fd = w->fd;
	w->fd = -1;
	if (close(fd) != 0)
		return err_sys(e, errno, "%s", w->path);
	w->finished = true;
	return 0;
}

void table_writer_free(struct table_writer *w)
{
	if (!w)
		return;
	end_beside(w, NULL);
	if (w->fd >= 0)
		close(w->fd);
	if (!w->finished)
		unlink(w->path);
	for (int i = 0; i < PACKERS; i++)
		packer_free(w->packers[i]);
	packer_free(w->index_packer);
	for (int i = 0; i < BATCHES; i++) {
		segment_builder_free(w->batches[i].rows);
		buffer_release(&w->batches[i].last);
		buffer_release(&w->batches[i].next);
		buffer_release(&w->batches[i].block);
	}
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->changed);
	for (int i = 0; i < TABLE_DEPTH_MAX; i++)
		segment_builder_free(w->index[i]);
	buffer_release(&w->pending);
	buffer_release(&w->separator);
	free(w->path);
	free(w);
}
