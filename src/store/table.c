/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading a file of segments. */
#include "store/table.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/varint.h"
#include "store/table_format.h"

enum {
	SAMPLE_OCTETS = SEGMENT_ROWS * 24, /* of text that a segment gives, roughly */
};

static uint64_t get_le(const uint8_t *p, int octets)
{
	uint64_t le = 0;
	memcpy(&le, p, (size_t)octets);
	return le64toh(le);
}

/* What reading a block needs; a few are kept for those that come. */
struct tool {
	struct unpacker *unpacker;
	struct buffer octets;
	struct tool *next;
};

struct table {
	char *path;
	int fd;
	uint64_t number, octets;
	struct foot foot;
	struct segment *root;
	struct buffer dictionary_octets;
	struct dictionary *dictionary;
	struct cache *cache; /* borrowed */
	pthread_mutex_t lock; /* guards tools */
	struct tool *tools;
};

static struct tool *tool_take(struct table *t)
{
	pthread_mutex_lock(&t->lock);
	struct tool *tool = t->tools;
	if (tool)
		t->tools = tool->next;
	pthread_mutex_unlock(&t->lock);
	if (!tool) {
		tool = xcalloc(1, sizeof(*tool));
		tool->unpacker = unpacker_new();
	}
	return tool;
}

static void tool_give(struct table *t, struct tool *tool)
{
	pthread_mutex_lock(&t->lock);
	tool->next = t->tools;
	t->tools = tool;
	pthread_mutex_unlock(&t->lock);
}

static int read_fully(const struct table *t, uint64_t offset, uint8_t *to, size_t n, struct err *e)
{
	while (n) {
		ssize_t got = pread(t->fd, to, n, (off_t)offset);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "%s", t->path);
		if (got == 0)
			return err_set(e, ERR_CORRUPT, "%s: the file is shorter than it was", t->path);
		to += got;
		offset += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

/* Reads a block and compares it with its checksum. */
static int read_block(const struct table *t, const struct place *place, size_t max, struct buffer *out, struct err *e)
{
	buffer_clear(out);
	if (place->octets > max || place->offset < HEAD_LEN ||
	    place->offset > t->octets - FOOT_LEN || place->octets + SUM_LEN > t->octets - FOOT_LEN - place->offset)
		return err_set(e, ERR_CORRUPT, "%s: a block lies outside the file", t->path);
	size_t n = (size_t)place->octets;
	int rc = read_fully(t, place->offset, buffer_reserve(out, n + SUM_LEN), n + SUM_LEN, e);
	if (rc < 0)
		return rc;
	if (get_le(out->p + n, SUM_LEN) != sum_of(bytes_of(out->p, n), place->offset))
		return err_set(e, ERR_CORRUPT, "%s: the block at octet %llu does not match its checksum", t->path,
		               (unsigned long long)place->offset);
	out->n = n;
	return 0;
}

static int bad_segment(const struct table *t, const struct place *place, int rc, struct err *e)
{
	return err_set(e, rc, "%s: the segment at octet %llu does not decode", t->path, (unsigned long long)place->offset);
}

static int read_segment(struct table *t, const struct place *place, struct segment **ret, struct err *e)
{
	struct tool *tool = tool_take(t);
	int rc = read_block(t, place, BLOCK_MAX, &tool->octets, e);
	if (rc == 0) {
		rc = segment_decode(buffer_bytes(&tool->octets), tool->unpacker, t->dictionary, ret);
		if (rc < 0)
			bad_segment(t, place, rc, e);
	}
	tool_give(t, tool);
	return rc;
}

/* Reads the piece of a segment that a prefix needs, into the cache. */
static int read_piece(struct table *t, const struct place *place, struct bytes prefix, struct cached **ret, struct err *e)
{
	struct tool *tool = tool_take(t);
	const struct segment *piece;
	int rc = read_block(t, place, BLOCK_MAX, &tool->octets, e);
	if (rc == 0) {
		rc = segment_decode_piece(buffer_bytes(&tool->octets), tool->unpacker, t->dictionary, prefix, &piece);
		if (rc < 0)
			bad_segment(t, place, rc, e);
		else
			*ret = cache_put_piece(t->cache, t->number, place->offset, prefix, piece);
	}
	tool_give(t, tool);
	return rc;
}

/* Reads the ends of the file, which say what is between. */
static int read_foot(const struct table *t, struct foot *ret, struct err *e)
{
	uint8_t head[HEAD_LEN], foot[FOOT_LEN];
	uint64_t number[8];
	if (t->octets < HEAD_LEN + FOOT_LEN)
		return err_set(e, ERR_CORRUPT, "%s: too short to be a table", t->path);
	int rc = read_fully(t, 0, head, sizeof(head), e);
	if (rc == 0)
		rc = read_fully(t, t->octets - FOOT_LEN, foot, sizeof(foot), e);
	if (rc < 0)
		return rc;
	if (memcmp(head, TABLE_MAGIC, MAGIC_LEN) != 0 || memcmp(foot + FOOT_LEN - MAGIC_LEN, TABLE_MAGIC, MAGIC_LEN) != 0 ||
	    get_le(foot + sizeof(number), 8) != XXH3_64bits(foot, sizeof(number)))
		return err_set(e, ERR_CORRUPT, "%s: not a table, or damaged", t->path);
	for (int i = 0; i < 8; i++)
		number[i] = get_le(foot + 8 * i, 8);
	if (number[7] != FORMAT)
		return err_set(e, ERR_VERSION, "%s: a table of format %llu, this program knows %d", t->path,
		               (unsigned long long)number[7], FORMAT);
	*ret = (struct foot){
		{number[0], number[1]}, {number[2], number[3]}, number[4], number[5], number[6], number[7]};
	if (ret->levels >= TABLE_DEPTH_MAX || !ret->levels != !ret->rows || get_le(head + MAGIC_LEN, 8) != FORMAT)
		return err_set(e, ERR_CORRUPT, "%s: damaged", t->path);
	return 0;
}

int table_open(const char *path, uint64_t number, struct cache *cache, struct table **ret, struct err *e)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* of a pipe nothing is waited for */
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	struct table *t = xcalloc(1, sizeof(*t));
	t->path = xstrdup(path);
	t->fd = fd;
	t->number = number;
	t->cache = cache;
	pthread_mutex_init(&t->lock, NULL);
	int rc = fstat(fd, &st) == 0 ? 0 : err_sys(e, errno, "%s", path);
	if (rc == 0 && !S_ISREG(st.st_mode))
		rc = err_set(e, ERR_CORRUPT, "%s: not a file", path);
	if (rc == 0) {
		t->octets = (uint64_t)st.st_size;
		rc = read_foot(t, &t->foot, e);
	}
	if (rc == 0 && t->foot.dictionary.octets) {
		rc = read_block(t, &t->foot.dictionary, DICTIONARY_MAX, &t->dictionary_octets, e);
		if (rc == 0)
			t->dictionary = dictionary_new(buffer_bytes(&t->dictionary_octets));
		if (rc == 0 && !t->dictionary)
			rc = err_set(e, ERR_CORRUPT, "%s: the dictionary does not decode", path);
	}
	if (rc == 0 && t->foot.levels)
		rc = read_segment(t, &t->foot.root, &t->root, e);
	if (rc < 0) {
		table_close(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void table_close(struct table *t)
{
	if (!t)
		return;
	while (t->tools) {
		struct tool *tool = t->tools;
		t->tools = tool->next;
		unpacker_free(tool->unpacker);
		buffer_release(&tool->octets);
		free(tool);
	}
	pthread_mutex_destroy(&t->lock);
	dictionary_free(t->dictionary);
	buffer_release(&t->dictionary_octets);
	free(t->root);
	close(t->fd);
	free(t->path);
	free(t);
}

uint64_t table_number(const struct table *t)
{
	return t->number;
}

uint64_t table_rows(const struct table *t)
{
	return t->foot.rows;
}

uint64_t table_octets(const struct table *t)
{
	return t->octets;
}

struct bytes table_dictionary(const struct table *t)
{
	return buffer_bytes(&t->dictionary_octets);
}

/* --- a place --- */

/* Reads an index entry: where a block is, and how many rows lie below it. */
static int get_entry(const struct table *t, const struct segment *s, uint32_t at, struct place *ret,
                     uint64_t *ret_rows, struct err *e)
{
	struct bytes value = segment_value(s, at);
	const uint8_t *p = value.p, *end = p + value.n;
	uint64_t *const parts[] = {&ret->offset, &ret->octets, ret_rows};
	for (int i = 0; i < 3; i++) {
		size_t n = varint_get(p, end, parts[i]);
		if (!n)
			return err_set(e, ERR_CORRUPT, "%s: an index entry does not decode", t->path);
		p += n;
	}
	return 0;
}

static void let_go(struct table_cursor *c, int depth)
{
	while (c->depth > depth) {
		struct table_level *l = &c->level[--c->depth];
		if (l->held)
			cache_release(c->table->cache, l->held);
		l->held = NULL;
	}
}

void table_cursor_end(struct table_cursor *c)
{
	if (c->table)
		let_go(c, 0);
}

/* Gets a segment from the cache or the file. fill: the cache may keep it. */
static int load(struct table_cursor *c, const struct place *place, bool fill, struct cached **ret, struct err *e)
{
	struct table *t = c->table;
	struct segment *segment;
	*ret = c->pass ? NULL : cache_get(t->cache, t->number, place->offset);
	if (*ret)
		return 0;
	int rc = read_segment(t, place, &segment, e);
	if (rc == 0)
		*ret = fill ? cache_put(t->cache, t->number, place->offset, segment) : cache_pass(segment);
	return rc;
}

/* Whether hi is the least key that is greater than all that begin with a prefix. */
static bool is_successor(struct bytes hi, struct bytes prefix)
{
	size_t n = prefix.n;
	while (n && prefix.p[n - 1] == 0xff)
		n--;
	return n && hi.n == n && hi.p[n - 1] == prefix.p[n - 1] + 1 && memcmp(hi.p, prefix.p, n - 1) == 0;
}

/* Gets the rows of a segment that begin with a prefix, or all. */
static int load_piece(struct table_cursor *c, const struct place *place, struct bytes prefix, struct cached **ret, struct err *e)
{
	struct table *t = c->table;
	if (c->pass || !is_successor(c->hi, prefix))
		return load(c, place, !c->pass, ret, e);
	*ret = cache_get_piece(t->cache, t->number, place->offset, prefix);
	if (*ret)
		return 0;
	if (cache_wants_whole(t->cache, t->number, place->offset))
		return load(c, place, true, ret, e);
	return read_piece(t, place, prefix, ret, e);
}

/* Loads the level below the last one loaded, where that points. prefix: of the rows that are wanted, or NULL. fill: the cache may
 * keep it. */
static int descend(struct table_cursor *c, const struct bytes *prefix, bool fill, struct err *e)
{
	struct table_level *below = &c->level[c->depth];
	struct place place;
	uint64_t rows;
	int rc = get_entry(c->table, below[-1].segment, below[-1].at, &place, &rows, e);
	if (rc == 0)
		rc = prefix ? load_piece(c, &place, *prefix, &below->held, e) : load(c, &place, fill, &below->held, e);
	if (rc < 0)
		return rc;
	below->segment = cached_segment(below->held);
	below->at = 0;
	c->depth++;
	return 0;
}

/* The rows of a piece are used up, and the segment has more: loads it whole, and goes to the row behind the piece. */
static int widen(struct table_cursor *c, struct err *e)
{
	struct table_level *l = &c->level[c->depth - 1];
	struct cached *whole;
	struct place place;
	uint64_t rows;
	uint32_t at = l->segment->first + l->segment->n;
	int rc = get_entry(c->table, l[-1].segment, l[-1].at, &place, &rows, e);
	if (rc == 0)
		rc = load(c, &place, true, &whole, e);
	if (rc < 0)
		return rc;
	cache_release(c->table->cache, l->held);
	*l = (struct table_level){whole, cached_segment(whole), at};
	return 0;
}

/* Whether nothing is wanted behind the rows that the cursor has. */
static bool is_over(const struct table_cursor *c)
{
	const struct table_level *l = &c->level[c->depth - 1];
	struct bytes prefix;
	if (!c->hi.n)
		return false;
	if (l->segment->first + l->segment->n < l->segment->of)
		return cached_prefix(l->held, &prefix) && is_successor(c->hi, prefix);
	/* What follows is greater than what the index says of the segment. */
	return bytes_cmp(segment_key(l[-1].segment, l[-1].at), c->hi) >= 0;
}

/* What an entry of the last level that is loaded points to cannot be read: goes behind it. False when nothing is wanted there. */
static bool step_over(struct table_cursor *c)
{
	struct table_level *l = &c->level[c->depth - 1];
	if (c->hi.n && bytes_cmp(segment_key(l->segment, l->at), c->hi) >= 0) {
		let_go(c, 0);
		return false;
	}
	l->at++;
	return true;
}

/* From a level that may have run out: up to one that has more, and down to the rows again. */
static int settle(struct table_cursor *c, struct err *e)
{
	int leaf = (int)c->table->foot.levels;
	for (;;) {
		struct table_level *l = &c->level[c->depth - 1];
		if (l->at < l->segment->n) {
			if (c->depth - 1 == leaf)
				return 1;
			/* What is come upon by walking is read once, most likely: the cache is for what is sought. */
			int rc = descend(c, NULL, c->depth != leaf && !c->pass, e);
			if (rc < 0 && !damage_is_passed(&c->damage, rc, e))
				return rc;
			if (rc < 0 && !step_over(c))
				return 0;
			continue;
		}
		if (c->depth - 1 == leaf && is_over(c)) {
			let_go(c, 0);
			return 0;
		}
		if (l->segment->first + l->segment->n < l->segment->of) {
			int rc = widen(c, e);
			if (rc < 0 && !damage_is_passed(&c->damage, rc, e))
				return rc;
			if (rc == 0)
				continue;
		}
		let_go(c, c->depth - 1);
		if (!c->depth)
			return 0;
		c->level[c->depth - 1].at++;
	}
}

/* Whether a key lies within a loaded segment, so that looking for it need not begin at the root. */
static bool is_within(const struct segment *s, struct bytes key)
{
	return bytes_cmp(segment_key(s, 0), key) <= 0 && bytes_cmp(key, segment_key(s, s->n - 1)) <= 0;
}

int table_seek(struct table_cursor *c, struct bytes at, struct err *e)
{
	struct table *t = c->table;
	int leaf = (int)t->foot.levels;
	if (!t->root)
		return 0;
	if (c->hi.n && bytes_cmp(at, c->hi) >= 0) {
		let_go(c, 0);
		return 0;
	}
	if (c->depth == leaf + 1 && is_within(c->level[leaf].segment, at)) {
		c->level[leaf].at = segment_find(c->level[leaf].segment, at);
		return 1;
	}
	let_go(c, 0);
	c->level[0] = (struct table_level){NULL, t->root, segment_find(t->root, at)};
	c->depth = 1;
	while (c->depth <= leaf) {
		struct table_level *l = &c->level[c->depth - 1];
		if (l->at == l->segment->n)
			break;
		int rc = descend(c, c->depth == leaf ? &at : NULL, !c->pass, e);
		if (rc < 0 && !damage_is_passed(&c->damage, rc, e))
			return rc;
		if (rc < 0) {
			if (!step_over(c))
				return 0;
			break;
		}
		l = &c->level[c->depth - 1];
		l->at = segment_find(l->segment, at);
	}
	return settle(c, e);
}

int table_next(struct table_cursor *c, struct err *e)
{
	if (!c->depth)
		return 0;
	struct table_level *l = &c->level[c->depth - 1];
	bool at_row = c->depth - 1 == (int)c->table->foot.levels; /* else the way down to it failed: try again */
	if (at_row && ++l->at < l->segment->n)
		return 1;
	return settle(c, e);
}

int table_rank(struct table_cursor *c, struct bytes key, uint64_t *ret, struct err *e)
{
	struct table *t = c->table;
	struct bytes hi = c->hi;
	c->hi = bytes_of(NULL, 0); /* what is behind it counts, too */
	int leaf = (int)t->foot.levels, rc = table_seek(c, key, e);
	c->hi = hi;
	if (rc <= 0) {
		*ret = t->foot.rows;
		return rc;
	}
	*ret = c->level[leaf].segment->first + c->level[leaf].at;
	for (int level = 0; level < leaf; level++) {
		for (uint32_t i = 0; i < c->level[level].at; i++) {
			struct place place;
			uint64_t rows;
			rc = get_entry(t, c->level[level].segment, i, &place, &rows, e);
			if (rc < 0)
				return rc;
			*ret += rows;
		}
	}
	return 0;
}

struct bytes table_key(const struct table_cursor *c)
{
	const struct table_level *l = &c->level[c->depth - 1];
	return segment_key(l->segment, l->at);
}

struct bytes table_value(const struct table_cursor *c)
{
	const struct table_level *l = &c->level[c->depth - 1];
	return segment_value(l->segment, l->at);
}

/* --- as a source --- */

static int source_row(struct table_source *s, int rc)
{
	if (rc == 1) {
		s->source.key = table_key(&s->cursor);
		s->source.value = table_value(&s->cursor);
	}
	return rc;
}

static int source_seek(struct source *source, struct bytes at, struct err *e)
{
	struct table_source *s = (struct table_source *)source;
	return source_row(s, table_seek(&s->cursor, at, e));
}

static int source_next(struct source *source, struct err *e)
{
	struct table_source *s = (struct table_source *)source;
	return source_row(s, table_next(&s->cursor, e));
}

void table_source_init(struct table_source *s, struct table *t, bool pass)
{
	*s = (struct table_source){.source = {.seek = source_seek, .next = source_next},
	                           .cursor = {.table = t, .pass = pass}};
}

/* --- looking at all of it --- */

int table_sample(struct table *t, size_t octets, struct samples *samples, struct err *e)
{
	struct table_cursor c = {.table = t, .pass = true};
	struct segment_builder *b = segment_builder_new();
	struct packer *p = packer_new(1);
	struct buffer packed = BUFFER_INIT;
	static const struct bytes start;
	size_t leaf = (size_t)t->foot.levels, all = (size_t)t->foot.segments, want = octets / SAMPLE_OCTETS + 1;
	uint32_t step = (uint32_t)(all > want ? all / want : 1);
	int rc = table_seek(&c, start, e);
	while (rc == 1) {
		const struct segment *s = c.level[leaf].segment;
		for (uint32_t i = 0; i < s->n; i++)
			segment_add(b, segment_key(s, i), segment_value(s, i));
		buffer_clear(&packed);
		segment_encode(b, p, &packed, samples);
		let_go(&c, (int)leaf);
		c.level[leaf - 1].at += step;
		rc = settle(&c, e);
	}
	table_cursor_end(&c);
	buffer_release(&packed);
	packer_free(p);
	segment_builder_free(b);
	return rc;
}

int table_verify(struct table *t, struct err *e)
{
	struct table_cursor c = {.table = t, .pass = true};
	struct buffer last = BUFFER_INIT, block = BUFFER_INIT;
	uint64_t rows = 0;
	static const struct bytes start;
	struct foot foot;
	int rc = read_foot(t, &foot, e);
	if (rc == 0 && t->foot.dictionary.octets)
		rc = read_block(t, &t->foot.dictionary, DICTIONARY_MAX, &block, e);
	if (rc == 0 && t->root)
		rc = read_block(t, &t->foot.root, BLOCK_MAX, &block, e);
	if (rc == 0)
		rc = table_seek(&c, start, e);
	for (; rc == 1; rc = table_next(&c, e)) {
		struct bytes key = table_key(&c);
		if (rows++ && bytes_cmp(buffer_bytes(&last), key) >= 0) {
			rc = err_set(e, ERR_CORRUPT, "%s: its keys are out of order", t->path);
			break;
		}
		buffer_clear(&last);
		buffer_put_bytes(&last, key);
	}
	if (rc == 0 && rows != t->foot.rows)
		rc = err_set(e, ERR_CORRUPT, "%s: it has %llu rows, and says %llu", t->path, (unsigned long long)rows,
		             (unsigned long long)t->foot.rows);
	table_cursor_end(&c);
	buffer_release(&last);
	buffer_release(&block);
	return rc;
}
