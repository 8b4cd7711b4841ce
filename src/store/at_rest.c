/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/at_rest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "store/disk.h"

static char *path_of(const char *store, const char *name)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s/%s%c", store, name, 0);
	return (char *)b.p;
}

enum { TEXT_MAX = 64 << 10, NAME_MAX_OCTETS = 63 };

/* Reads a file whole. 0: it is not there. */
static int read_file(const char *path, size_t max, struct buffer *ret, struct err *e)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	size_t n = 1;
	int rc = 1;
	while (n && ret->n <= max) {
		n = fread(buffer_reserve(ret, 4096), 1, 4096, f);
		ret->n += n;
	}
	if (ferror(f))
		rc = err_sys(e, EIO, "%s", path);
	else if (ret->n > max)
		rc = err_set(e, ERR_CORRUPT, "%s: damaged", path);
	fclose(f);
	return rc;
}

/* The whole text, when its last line, a sum of those before, fits. A line with the sequence alone
 * is what it was once. */
static bool is_whole(struct bytes text)
{
	static const char label[] = "sum ";
	size_t line = 4 + 16 + 1, lines = 0;
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	if (lines == 1)
		return true;
	if (text.n < line || text.p[text.n - 1] != '\n' ||
	    memcmp(text.p + text.n - line, label, 4) != 0)
		return false;
	char sum[17];
	snprintf(sum, sizeof(sum), "%016llx", (unsigned long long)hash64(text.p, text.n - line));
	return memcmp(text.p + text.n - line + 4, sum, 16) == 0;
}

/* Reads the text, with a NUL behind it. */
static int read_text(const char *store, struct buffer *ret, uint64_t *ret_sequence, struct err *e)
{
	char *path = path_of(store, "at-rest");
	unsigned long long sequence;
	int used = 0;
	int rc = read_file(path, TEXT_MAX, ret, e);
	if (rc == 1) {
		bool whole = is_whole(buffer_bytes(ret));
		buffer_put_byte(ret, 0);
		if (!whole || sscanf((char *)ret->p, "sequence %llu%n", &sequence, &used) != 1 ||
		    ret->p[used] != '\n')
			rc = err_set(e, ERR_CORRUPT, "%s: damaged", path);
		else
			*ret_sequence = sequence;
	}
	free(path);
	return rc;
}

int at_rest_read(const char *store, uint64_t *ret_sequence, struct err *e)
{
	struct buffer text = BUFFER_INIT;
	int rc = read_text(store, &text, ret_sequence, e);
	buffer_release(&text);
	return rc;
}

/* --- RocksDB's files that have no checksum of their own, or a weak one --- */

static bool is_told_of(const char *name)
{
	return strcmp(name, "CURRENT") == 0 || strcmp(name, "IDENTITY") == 0 ||
	       strncmp(name, "MANIFEST-", 9) == 0 || strncmp(name, "OPTIONS-", 8) == 0;
}

static int hash_file(const char *store, const char *name, uint64_t *ret_octets, uint64_t *ret,
		     struct err *e)
{
	struct buffer path = BUFFER_INIT, octets = BUFFER_INIT;
	buffer_putf(&path, "%s/rocksdb/%s%c", store, name, 0);
	int rc = read_file((char *)path.p, SIZE_MAX, &octets, e);
	if (rc == 0)
		rc = err_set(e, ERR_CORRUPT, "%s: it is missing", (char *)path.p);
	*ret_octets = octets.n;
	*ret = hash64(octets.p, octets.n);
	buffer_release(&path);
	buffer_release(&octets);
	return rc;
}

static int put_files(const char *store, struct buffer *out, struct err *e)
{
	char *dir = path_of(store, "rocksdb");
	DIR *d = opendir(dir);
	int rc = d ? 0 : err_sys(e, errno, "%s", dir);
	for (struct dirent *entry; d && rc >= 0 && (entry = readdir(d));) {
		uint64_t octets, hash;
		if (!is_told_of(entry->d_name))
			continue;
		rc = hash_file(store, entry->d_name, &octets, &hash, e);
		if (rc == 1)
			buffer_putf(out, "file %s %llu %016llx\n", entry->d_name,
				    (unsigned long long)octets, (unsigned long long)hash);
	}
	if (d)
		closedir(d);
	free(dir);
	return rc < 0 ? rc : 0;
}

static int verify_line(const char *store, const char *line, struct err *e)
{
	char name[NAME_MAX_OCTETS + 1];
	unsigned long long octets, hash;
	uint64_t found, now;
	if (sscanf(line, "file %63s %llu %llx", name, &octets, &hash) != 3)
		return 0;
	int rc = hash_file(store, name, &found, &now, e);
	if (rc == 1 && (found != octets || now != hash))
		rc = err_set(e, ERR_CORRUPT,
			     "%s/rocksdb/%s: it is not what it was when the store was closed",
			     store, name);
	return rc < 0 ? rc : 0;
}

/* Whether the list of files that CURRENT names is another than the text tells of: somebody began to write, and was killed before
 * the file at-rest was removed. A damaged CURRENT is found by who opens it. */
static bool has_gone_on(const char *store, const char *text)
{
	struct buffer path = BUFFER_INIT, name = BUFFER_INIT, line = BUFFER_INIT;
	buffer_putf(&path, "%s/rocksdb/CURRENT%c", store, 0);
	bool gone_on = false;
	if (read_file((char *)path.p, TEXT_MAX, &name, NULL) == 1 && name.n) {
		buffer_putf(&line, "file %.*s %c", (int)name.n - 1, (char *)name.p, 0);
		gone_on = !strstr(text, (char *)line.p);
	}
	buffer_release(&path);
	buffer_release(&name);
	buffer_release(&line);
	return gone_on;
}

int at_rest_verify(const char *store, struct err *e)
{
	struct buffer text = BUFFER_INIT, again = BUFFER_INIT;
	struct err error;
	uint64_t sequence;
	int rc = read_text(store, &text, &sequence, e);
	if (rc == 1) {
		rc = 0;
		for (const char *at = (char *)text.p; rc == 0 && (at = strchr(at, '\n')); at++)
			rc = verify_line(store, at + 1, &error);
		/* Somebody may have begun to write meanwhile. */
		if (rc < 0 && !has_gone_on(store, (char *)text.p) && read_text(store, &again, &sequence, NULL) == 1 &&
		    bytes_eq(buffer_bytes(&text), buffer_bytes(&again))) {
			if (e)
				*e = error;
		} else {
			rc = 0;
		}
	}
	buffer_release(&text);
	buffer_release(&again);
	return rc;
}

static int write_durably(const char *path, struct bytes text, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), rc = 0;
	if (fd < 0 || write(fd, text.p, text.n) != (ssize_t)text.n || fsync(fd) != 0)
		rc = err_sys(e, errno, "%s", path);
	if (fd >= 0 && close(fd) != 0 && rc == 0)
		rc = err_sys(e, errno, "%s", path);
	return rc;
}

int at_rest_write(const char *store, uint64_t sequence, struct err *e)
{
	char *path = path_of(store, "at-rest"), *fresh = path_of(store, "at-rest.new");
	struct buffer text = BUFFER_INIT;
	buffer_putf(&text, "sequence %llu\n", (unsigned long long)sequence);
	int rc = put_files(store, &text, e);
	buffer_putf(&text, "sum %016llx\n", (unsigned long long)hash64(text.p, text.n));
	if (rc == 0)
		rc = write_durably(fresh, buffer_bytes(&text), e);
	if (rc == 0 && rename(fresh, path) != 0)
		rc = err_sys(e, errno, "%s", path);
	if (rc == 0)
		rc = disk_sync_directory(store, e);
	if (rc < 0)
		unlink(fresh);
	buffer_release(&text);
	free(path);
	free(fresh);
	return rc;
}

int at_rest_remove(const char *store, struct err *e)
{
	char *path = path_of(store, "at-rest");
	int rc = unlink(path) == 0 ? disk_sync_directory(store, e)
		 : errno == ENOENT ? 0
				   : err_sys(e, errno, "%s", path);
	free(path);
	return rc;
}
