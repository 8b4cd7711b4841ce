/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The accounts file: read at once, replaced by rename, one editor at a time.
 *
 * An operator edits as root, the server reads as its own user: what is made new is given to the
 * owner of the folder, and a file that is replaced keeps its owner.
 */
#include "access/accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "access/accounts_priv.h"
#include "base/mem.h"

static char *with_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix) + 1;
	char *text = xmalloc(n + m);
	memcpy(text, path, n);
	memcpy(text + n, suffix, m);
	return text;
}

static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* Reads to the end, at most ACCOUNTS_FILE_MAX; n_hint is what the file claims to have. */
static int read_all(int fd, const char *path, off_t n_hint, struct buffer *out, struct err *e)
{
	buffer_reserve(out,
		       n_hint > 0 && n_hint < (off_t)ACCOUNTS_FILE_MAX ? (size_t)n_hint + 1 : 1);
	for (;;) {
		ssize_t n = read(fd, buffer_reserve(out, 4096), out->cap - out->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", path);
		if (n == 0)
			return 0;
		out->n += (size_t)n;
		if (out->n > ACCOUNTS_FILE_MAX)
			return err_set(e, ERR_LIMIT, "%s: larger than %zu MiB", path,
				       ACCOUNTS_FILE_MAX >> 20);
	}
}

int accounts_load(const char *path, struct accounts **ret_accounts, struct stat *ret_stat,
		  struct err *e)
{
	struct buffer text = BUFFER_INIT;
	struct stat st;
	int rc = secret_init(e);
	if (rc)
		return rc;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	if (fstat(fd, &st) < 0) {
		rc = err_sys(e, errno, "%s", path);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		rc = err_set(e, ERR_USAGE, "%s: not a file", path);
		goto out;
	}
	rc = read_all(fd, path, st.st_size, &text, e);
	if (rc == 0)
		rc = accounts_parse(path, buffer_bytes(&text), ret_accounts, e);
	if (rc == 0 && ret_stat)
		*ret_stat = st;
out:
	buffer_release(&text);
	close(fd);
	return rc;
}

/* Only root can and needs to: see the top. */
static int give_to_owner(int fd, const char *path, struct err *e)
{
	struct stat st;
	if (geteuid() != 0)
		return 0;
	char *folder = folder_of(path);
	bool replaced = lstat(path, &st) == 0;
	bool found = replaced || stat(folder, &st) == 0;
	free(folder);
	/* A server that reads the file by its group goes on doing so. */
	mode_t mode = 0600 | (replaced ? st.st_mode & 0040 : 0);
	if (!found || fchown(fd, st.st_uid, st.st_gid) < 0 || fchmod(fd, mode) < 0)
		return err_sys(e, errno, "%s: cannot be given to its owner", path);
	return 0;
}

static int take_lock(struct accounts *accounts, struct err *e)
{
	char *path = with_suffix(accounts->path, ".lock");
	int rc = 0;
	accounts->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (accounts->lock_fd < 0) {
		char *folder = folder_of(path);
		rc = errno == ENOENT ? err_set(e, ERR_NOTFOUND, "there is no folder %s", folder)
				     : err_sys(e, errno, "%s", path);
		free(folder);
		goto out;
	}
	rc = give_to_owner(accounts->lock_fd, accounts->path, e);
	while (rc == 0 && flock(accounts->lock_fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			rc = err_sys(e, errno, "%s", path);
	}
out:
	free(path);
	return rc;
}

int accounts_begin(const char *path, struct accounts **ret_accounts, struct err *e)
{
	struct stat st;
	struct accounts *accounts = accounts_new();
	accounts->path = xstrdup(path);
	int rc = take_lock(accounts, e);
	if (rc)
		goto out;
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode)) {
		/* Renaming over it would leave the file it leads to as it was. */
		rc = err_set(e, ERR_USAGE, "%s: a symbolic link; name the file itself", path);
		goto out;
	}
	struct accounts *loaded;
	rc = accounts_load(path, &loaded, NULL, e);
	if (rc == ERR_NOTFOUND) {
		rc = 0;
	} else if (rc == 0) {
		accounts->p = loaded->p;
		accounts->n = loaded->n;
		accounts->cap = loaded->cap;
		loaded->p = NULL;
		loaded->n = 0;
		accounts_free(loaded);
	}
out:
	if (rc) {
		accounts_free(accounts);
		return rc;
	}
	*ret_accounts = accounts;
	return 0;
}

static int write_all(int fd, const char *path, struct bytes text, struct err *e)
{
	while (text.n) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno != EINTR)
			return err_sys(e, errno, "%s", path);
		if (n > 0)
			text = bytes_of(text.p + n, text.n - (size_t)n);
	}
	if (fsync(fd) < 0)
		return err_sys(e, errno, "%s", path);
	return 0;
}

/* The rename itself must survive a crash too. */
static int sync_folder(const char *path, struct err *e)
{
	char *folder = folder_of(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;
	if (fd < 0 || fsync(fd) < 0)
		rc = err_sys(e, errno, "%s", folder);
	if (fd >= 0)
		close(fd);
	free(folder);
	return rc;
}

int accounts_commit(struct accounts *accounts, struct err *e)
{
	struct buffer text = BUFFER_INIT;
	char *path = with_suffix(accounts->path, ".new");
	int rc = 0;
	/* Under the lock nobody else's: what a crash left behind is in the way. */
	unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		rc = err_sys(e, errno, "%s", path);
		goto out;
	}
	accounts_print(accounts, &text);
	rc = give_to_owner(fd, accounts->path, e);
	if (rc == 0)
		rc = write_all(fd, path, buffer_bytes(&text), e);
	if (rc == 0 && rename(path, accounts->path) < 0)
		rc = err_sys(e, errno, "%s", accounts->path);
	if (rc)
		unlink(path);
	else
		rc = sync_folder(accounts->path, e);
	close(fd);
out:
	buffer_release(&text);
	free(path);
	return rc;
}
