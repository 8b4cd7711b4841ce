/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "store/at_rest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "store/disk.h"

static char *path_of(const char *store, const char *name)
{
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s/%s%c", store, name, 0);
	return (char *)b.p;
}

int at_rest_read(const char *store, uint64_t *ret_sequence, struct err *e)
{
	char *path = path_of(store, "at-rest");
	unsigned long long sequence;
	FILE *f = fopen(path, "re");
	int rc = f ? 1 : errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	if (rc == 1 && (fscanf(f, "sequence %llu", &sequence) != 1 || fgetc(f) != '\n' || fgetc(f) != EOF))
		rc = err_set(e, ERR_CORRUPT, "%s: damaged", path);
	if (rc == 1)
		*ret_sequence = sequence;
	if (f)
		fclose(f);
	free(path);
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
	int rc = write_durably(fresh, buffer_bytes(&text), e);
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
	int rc = unlink(path) == 0 ? disk_sync_directory(store, e) : errno == ENOENT ? 0 : err_sys(e, errno, "%s", path);
	free(path);
	return rc;
}
