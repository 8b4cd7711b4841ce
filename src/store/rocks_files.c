/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reading the formats of RocksDB's files as far as their checksums go: logs (and the list of files,
 * which is one), and the foot, the index of blocks and the properties of a file of rows. */
#include "store/rocks_files.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/varint.h"

enum {
	CURRENT_MAX = 64,
	TRIES = 20, /* a writer may put another list of files in place of the one that is looked for
		     */
	/* logs */
	PAGE = 32 << 10, /* records do not cross its end */
	HEAD = 7,        /* checksum(4) length(2) type(1) */
	RECYCLED = 5,    /* types from here on have a longer head: not used */
	/* files of rows */
	FOOT = 53, /* checksum's type(1), two places padded to 40, version(4), magic(8) */
	FOOT_VERSION = 5,
	SUM_XXH3 = 4,
	TRAILER = 5, /* behind each block: compression(1) checksum(4) */
	BLOCK_MAX = 256 << 20,
};

#define FOOT_MAGIC 0x88e241b785f4cff7ull

/* --- reading files --- */

struct file {
	char *path; /* owned */
	int fd;
	uint64_t octets;
};

/* ERR_NOTFOUND when it is not there. */
static int file_open(struct file *f, const char *dir, const char *name, struct err *e)
{
	struct buffer path = BUFFER_INIT;
	struct stat st;
	buffer_putf(&path, "%s/%s%c", dir, name, '\0');
	*f = (struct file){.path = (char *)path.p};
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd >= 0 && fstat(f->fd, &st) == 0) {
		f->octets = (uint64_t)st.st_size;
		return 0;
	}
	return err_sys(e, errno, "%s", f->path);
}

static void file_close(struct file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
}

static int damaged(const struct file *f, uint64_t at, struct err *e)
{
	return err_set(e, ERR_CORRUPT, "%s: damaged at octet %llu", f->path,
		       (unsigned long long)at);
}

/* Reads up to n octets. */
static int file_read(const struct file *f, uint64_t at, size_t n, struct buffer *ret, struct err *e)
{
	buffer_clear(ret);
	while (ret->n < n) {
		ssize_t got = pread(f->fd, buffer_reserve(ret, n - ret->n), n - ret->n,
				    (off_t)(at + ret->n));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, errno, "%s", f->path);
		if (got == 0)
			break;
		ret->n += (size_t)got;
	}
	return 0;
}

static uint32_t get_le32(const uint8_t *p)
{
	uint32_t le;
	memcpy(&le, p, sizeof(le));
	return le32toh(le);
}

/* --- logs --- */

/* CRC-32C, one octet. */
static uint32_t crc_step(uint32_t crc, uint8_t octet)
{
	static const uint32_t table[16] = {0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1,
					   0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
					   0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
					   0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75};
	crc ^= octet;
	crc = crc >> 4 ^ table[crc & 15];
	return crc >> 4 ^ table[crc & 15];
}

/* What stands in a record's head. */
static uint32_t masked(uint32_t crc)
{
	crc = ~crc;
	return (crc >> 15 | crc << 17) + 0xa282ead8;
}

static uint32_t sum_of_record(const uint8_t *record, size_t n)
{
	uint32_t crc = ~0u;
	for (size_t i = HEAD - 1; i < HEAD + n; i++)
		crc = crc_step(crc, record[i]);
	return masked(crc);
}

static size_t length_of_record(const uint8_t *record)
{
	return (size_t)record[4] | (size_t)record[5] << 8;
}

/* Writes the right length into a record's head. */
static int mend_length(const struct file *f, uint64_t at, size_t n, struct err *e)
{
	const uint8_t length[2] = {(uint8_t)n, (uint8_t)(n >> 8)};
	int fd = open(f->path, O_WRONLY | O_CLOEXEC);
	bool done =
		fd >= 0 &&
		pwrite(fd, length, sizeof(length), (off_t)(at + 4)) == (ssize_t)sizeof(length) &&
		fdatasync(fd) == 0;
	int rc = done ? 0 : err_sys(e, errno, "%s", f->path);
	if (fd >= 0)
		close(fd);
	return rc;
}

/* A record that seems to go on behind the end of the file. Either a crash cut it off, or its length
 * is damaged: then its checksum fits another length. */
static int look_at_torn(const struct file *f, uint64_t at, const uint8_t *record, size_t rest,
			bool mend, size_t *ret, struct err *e)
{
	uint32_t crc = crc_step(~0u, record[HEAD - 1]), stored = get_le32(record);
	for (size_t n = 0;; n++) {
		if (masked(crc) == stored) {
			*ret = n;
			return mend ? mend_length(f, at, n, e) : damaged(f, at, e);
		}
		if (n == rest - HEAD)
			break;
		crc = crc_step(crc, record[HEAD + n]);
	}
	*ret = rest;
	return 0;
}

typedef void record_seen(void *ctx, struct bytes octets);

/* Looks at the records of a log that begin in one page. last: of the file. all: their checksums,
 * too. */
static int look_at_page(const struct file *f, uint64_t start, struct bytes page, bool last,
			bool all, bool mend, record_seen *seen, void *ctx, struct err *e)
{
	size_t at = 0;
	while (page.n - at >= HEAD) {
		const uint8_t *record = page.p + at;
		size_t rest = page.n - at, n = length_of_record(record);
		int type = record[HEAD - 1];
		if (!n && !type && !get_le32(record)) /* room that was kept for records */
			return 0;
		if (HEAD + n > rest) {
			if (!last)
				return damaged(f, start + at, e);
			int rc = look_at_torn(f, start + at, record, rest, mend, &n, e);
			if (rc < 0 || n == rest)
				return rc;
		} else if (all &&
			   (type >= RECYCLED || sum_of_record(record, n) != get_le32(record))) {
			return damaged(f, start + at, e);
		}
		if (seen)
			seen(ctx, bytes_of(record + HEAD - 1, n + 1));
		at += HEAD + n;
	}
	return 0;
}

/* Only in the last page a wrong length goes without being noticed. */
static int look_at_log(const struct file *f, bool all, bool mend, record_seen *seen, void *ctx,
		       struct err *e)
{
	struct buffer page = BUFFER_INIT;
	uint64_t at = all ? 0 : f->octets / PAGE * PAGE;
	int rc = 0;
	for (; rc == 0 && at < f->octets; at += PAGE) {
		rc = file_read(f, at, PAGE, &page, e);
		if (rc == 0)
			rc = look_at_page(f, at, buffer_bytes(&page), page.n < PAGE, all, mend,
					  seen, ctx, e);
	}
	buffer_release(&page);
	return rc;
}

/* --- files of rows --- */

static uint32_t sum_of_block(const uint8_t *p, size_t n)
{
	return (uint32_t)XXH3_64bits(p, n) ^
	       (uint32_t)p[n] * 0x6b9083d9u; /* p[n]: how it is compressed */
}

/* Reads a block and compares it with its checksum. */
static int read_block(const struct file *f, uint64_t at, uint64_t n, struct buffer *ret,
		      struct err *e)
{
	if (n > BLOCK_MAX || at > f->octets || n + TRAILER > f->octets - at)
		return damaged(f, at, e);
	int rc = file_read(f, at, (size_t)n + TRAILER, ret, e);
	if (rc == 0 &&
	    (ret->n != n + TRAILER || sum_of_block(ret->p, (size_t)n) != get_le32(ret->p + n + 1)))
		rc = damaged(f, at, e);
	return rc;
}

static bool get_place(const uint8_t **p, const uint8_t *end, uint64_t *at, uint64_t *n)
{
	size_t m = varint_get(*p, end, at);
	*p += m;
	size_t k = m ? varint_get(*p, end, n) : 0;
	*p += k;
	return m && k;
}

/* Looks at the blocks that the index of blocks names: properties and so on. */
static int look_at_named(const struct file *f, const struct buffer *index, struct err *e)
{
	struct buffer block = BUFFER_INIT;
	size_t n = index->n - TRAILER;
	int rc = 0;
	uint64_t restarts = n >= 4 ? get_le32(index->p + n - 4) : UINT32_MAX;
	if (restarts * 4 + 4 > n)
		return damaged(f, 0, e);
	const uint8_t *p = index->p, *end = p + n - 4 - restarts * 4;
	while (rc == 0 && p < end) {
		uint64_t part[3], at, octets; /* octets shared with the key before, more of the key,
						 of the value */
		for (int i = 0; i < 3; i++) {
			size_t m = varint_get(p, end, &part[i]);
			if (!m)
				return damaged(f, 0, e);
			p += m;
		}
		if (part[1] > (uint64_t)(end - p) || part[2] > (uint64_t)(end - p) - part[1])
			return damaged(f, 0, e);
		const uint8_t *value = p + part[1];
		p = value + part[2];
		if (!get_place(&value, p, &at, &octets))
			return damaged(f, 0, e);
		rc = read_block(f, at, octets, &block, e);
	}
	buffer_release(&block);
	return rc;
}

static int look_at_rows(const struct file *f, struct err *e)
{
	struct buffer block = BUFFER_INIT;
	uint64_t at, n, root_at, root_n;
	if (f->octets < FOOT)
		return damaged(f, 0, e);
	int rc = file_read(f, f->octets - FOOT, FOOT, &block, e);
	if (rc < 0 || block.n != FOOT)
		return rc < 0 ? rc : damaged(f, f->octets - FOOT, e);
	const uint8_t *p = block.p + 1, *end = block.p + 41;
	uint64_t magic;
	memcpy(&magic, end + 4, sizeof(magic));
	bool good = block.p[0] == SUM_XXH3 && get_le32(end) == FOOT_VERSION &&
		    le64toh(magic) == FOOT_MAGIC && get_place(&p, end, &at, &n) &&
		    get_place(&p, end, &root_at, &root_n);
	while (good && p < end)
		good = *p++ == 0;
	if (!good)
		rc = damaged(f, f->octets - FOOT, e);
	if (rc == 0)
		rc = read_block(f, root_at, root_n, &block, e);
	if (rc == 0)
		rc = read_block(f, at, n, &block, e);
	if (rc == 0)
		rc = look_at_named(f, &block, e);
	buffer_release(&block);
	return rc;
}

/* --- the list of files: which of them are rows that count --- */

struct listed {
	struct buffer record;  /* what its parts have brought so far */
	struct buffer numbers; /* uint64_t, of files of rows */
	bool unknown;          /* another RocksDB wrote something that is not known here */
};

/* Steps over n numbers. */
static bool skip_numbers(const uint8_t **p, const uint8_t *end, int n)
{
	uint64_t v;
	while (n--) {
		size_t m = varint_get(*p, end, &v);
		if (!m)
			return false;
		*p += m;
	}
	return true;
}

static bool skip_text(const uint8_t **p, const uint8_t *end)
{
	uint64_t n;
	size_t m = varint_get(*p, end, &n);
	if (!m || n > (uint64_t)(end - *p) - m)
		return false;
	*p += m + n;
	return true;
}

static void list_change(struct listed *l, uint64_t number, bool there)
{
	size_t kept = 0;
	for (size_t at = 0; at < l->numbers.n; at += sizeof(number)) {
		if (memcmp(l->numbers.p + at, &number, sizeof(number)) == 0)
			continue;
		memmove(l->numbers.p + kept, l->numbers.p + at, sizeof(number));
		kept += sizeof(number);
	}
	l->numbers.n = kept;
	if (there)
		buffer_put(&l->numbers, &number, sizeof(number));
}

enum field {
	COMPARATOR = 1,
	LOG_NUMBER,
	NEXT_FILE,
	LAST_SEQUENCE,
	CURSOR,
	DELETED_FILE,
	PREVIOUS_LOG = 9,
	LEAST_LOG = 10,
	NEW_FILE = 103,
	FAMILY = 200,
	FAMILY_ADDED,
	FAMILY_DROPPED,
	MAX_FAMILY,
	ATOMIC_GROUP = 300,
	MAY_BE_SKIPPED = 1 << 13,
};

static bool read_new_file(struct listed *l, const uint8_t **p, const uint8_t *end)
{
	uint64_t number, tag = 0;
	if (!skip_numbers(p, end, 1))
		return false;
	size_t m = varint_get(*p, end, &number);
	*p += m;
	if (!m || !skip_numbers(p, end, 1) || !skip_text(p, end) || !skip_text(p, end) ||
	    !skip_numbers(p, end, 2))
		return false;
	while (tag != 1) {
		m = varint_get(*p, end, &tag);
		*p += m;
		if (!m || (tag != 1 && !skip_text(p, end)))
			return false;
	}
	list_change(l, number, true);
	return true;
}

/* One field of a change of the list. */
static bool read_field(struct listed *l, uint64_t tag, const uint8_t **p, const uint8_t *end)
{
	uint64_t number;
	switch (tag) {
	case LOG_NUMBER:
	case NEXT_FILE:
	case LAST_SEQUENCE:
	case PREVIOUS_LOG:
	case LEAST_LOG:
	case FAMILY:
	case MAX_FAMILY:
	case ATOMIC_GROUP:
		return skip_numbers(p, end, 1);
	case COMPARATOR:
	case FAMILY_ADDED:
		return skip_text(p, end);
	case CURSOR:
		return skip_numbers(p, end, 1) && skip_text(p, end);
	case FAMILY_DROPPED:
		return true;
	case DELETED_FILE: {
		if (!skip_numbers(p, end, 1))
			return false;
		size_t m = varint_get(*p, end, &number);
		*p += m;
		if (m)
			list_change(l, number, false);
		return m;
	}
	case NEW_FILE:
		return read_new_file(l, p, end);
	default:
		return tag & MAY_BE_SKIPPED && skip_text(p, end);
	}
}

/* A record of the list, or a part of one: its type and what it holds. */
static void see_change(void *ctx, struct bytes octets)
{
	struct listed *l = ctx;
	enum { WHOLE = 1, FIRST, MIDDLE, LAST };
	uint8_t type = octets.p[0];
	if (type == WHOLE || type == FIRST)
		buffer_clear(&l->record);
	buffer_put(&l->record, octets.p + 1, octets.n - 1);
	if (type == FIRST || type == MIDDLE)
		return;
	const uint8_t *p = l->record.p, *end = p + l->record.n;
	while (p < end) {
		uint64_t tag;
		size_t m = varint_get(p, end, &tag);
		p += m;
		if (!m || !read_field(l, tag, &p, end)) {
			l->unknown = true;
			return;
		}
	}
}

/* --- a database --- */

/* The name of the list of files. 0: there is none, and no database. */
static int read_current(const char *dir, char ret[static CURRENT_MAX + 1], struct err *e)
{
	static const char start[] = "MANIFEST-";
	struct file f;
	struct buffer text = BUFFER_INIT;
	int rc = file_open(&f, dir, "CURRENT", e);
	if (rc == 0)
		rc = file_read(&f, 0, CURRENT_MAX, &text, e);
	size_t digits = 0, n = sizeof(start) - 1;
	while (rc == 0 && n + digits < text.n && text.p[n + digits] >= '0' &&
	       text.p[n + digits] <= '9')
		digits++;
	if (rc == 0) {
		rc = 1;
		if (text.n < n || memcmp(text.p, start, n) != 0 || !digits ||
		    text.n != n + digits + 1 || text.p[text.n - 1] != '\n' || f.octets != text.n)
			rc = err_set(e, ERR_CORRUPT, "%s: damaged", f.path);
	}
	if (rc == 1) {
		memcpy(ret, text.p, text.n - 1);
		ret[text.n - 1] = '\0';
	}
	buffer_release(&text);
	file_close(&f);
	return rc == ERR_NOTFOUND ? 0 : rc;
}

static bool is_held(const char *dir)
{
	struct file f;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	bool held = file_open(&f, dir, "LOCK", NULL) == 0 &&
		    (fcntl(f.fd, F_GETLK, &lock) != 0 || lock.l_type != F_UNLCK);
	file_close(&f);
	return held;
}

static int look_at_logs(const char *dir, bool all, bool mend, struct err *e)
{
	DIR *d = opendir(dir);
	int rc = 0;
	for (struct dirent *entry; d && rc == 0 && (entry = readdir(d));) {
		struct file f;
		const char *dot = strrchr(entry->d_name, '.');
		if (!dot || strcmp(dot, ".log") != 0)
			continue;
		rc = file_open(&f, dir, entry->d_name, e);
		if (rc == 0)
			rc = look_at_log(&f, all, mend, NULL, NULL, e);
		file_close(&f);
		if (rc == ERR_NOTFOUND) /* a writer is done with it */
			rc = 0;
	}
	if (d)
		closedir(d);
	return rc;
}

static int look_at_listed(const char *dir, const struct listed *l, struct err *e)
{
	int rc = 0;
	for (size_t at = 0; at < l->numbers.n && rc == 0; at += sizeof(uint64_t)) {
		char name[32];
		uint64_t number;
		struct file f;
		memcpy(&number, l->numbers.p + at, sizeof(number));
		snprintf(name, sizeof(name), "%06llu.sst", (unsigned long long)number);
		rc = file_open(&f, dir, name, e);
		if (rc == 0)
			rc = look_at_rows(&f, e);
		file_close(&f);
		if (rc == ERR_NOTFOUND) /* as above, or RocksDB says so */
			rc = 0;
	}
	return rc;
}

int rocks_files_look(const char *dir, enum rocks_look how, struct err *e)
{
	char name[CURRENT_MAX + 1];
	struct listed l = {0};
	struct file f;
	bool mend = how == ROCKS_LOOK_MEND && !is_held(dir);
	int rc = ERR_NOTFOUND;
	for (int i = 0; rc == ERR_NOTFOUND && i < TRIES; i++) {
		rc = read_current(dir, name, e);
		if (rc <= 0)
			return rc;
		rc = file_open(&f, dir, name, e);
		if (rc == 0)
			rc = look_at_log(&f, true, mend, see_change, &l, e);
		file_close(&f);
	}
	if (rc == ERR_NOTFOUND)
		rc = err_set(e, ERR_CORRUPT, "%s/CURRENT: damaged, or %s is missing", dir, name);
	if (rc == 0)
		rc = look_at_logs(dir, how == ROCKS_LOOK_ALL, mend, e);
	if (rc == 0 && !l.unknown)
		rc = look_at_listed(dir, &l, e);
	buffer_release(&l.record);
	buffer_release(&l.numbers);
	return rc;
}
