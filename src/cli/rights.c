/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Giving up root for good. */
#include "cli/rights.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/common.h"

struct user {
	uid_t uid;
	gid_t gid;
	char name[256];
};

static bool find_user(const char *name, struct user *ret)
{
	const struct passwd *p = getpwnam(name);
	if (!p)
		return false;
	*ret = (struct user){p->pw_uid, p->pw_gid, ""};
	strncpy(ret->name, p->pw_name, sizeof(ret->name) - 1);
	return true;
}

/* The nearest folder that is there tells who is to own what is made. */
static bool find_owner(const char *store, struct user *ret)
{
	struct stat st;
	const char *folder = cli_store_folder(store);
	if (!folder || !*folder)
		return false;
	char *path = xstrdup(folder);
	int rc;
	while ((rc = stat(path, &st)) != 0 && strcmp(path, ".") != 0 && strcmp(path, "/") != 0) {
		char *slash = strrchr(path, '/');
		if (!slash)
			strcpy(path, ".");
		else
			slash[slash == path] = '\0';
	}
	free(path);
	if (rc != 0)
		return false;
	const struct passwd *p = getpwuid(st.st_uid);
	*ret = (struct user){st.st_uid, p ? p->pw_gid : st.st_gid, ""};
	if (p)
		strncpy(ret->name, p->pw_name, sizeof(ret->name) - 1);
	return true;
}

/* Groups, then the group, then the user; and a look whether it could be had back. */
static int become(const char *command, const struct user *u)
{
	int rc = *u->name ? initgroups(u->name, u->gid) : setgroups(0, NULL);
	if (rc != 0 || setresgid(u->gid, u->gid, u->gid) != 0 ||
	    setresuid(u->uid, u->uid, u->uid) != 0)
		return cli_fail(command, ERR_DENIED,
				"cannot become the user %s (%u): %s; --run-as root stays root",
				u->name, u->uid, strerror(errno));
	if (setuid(0) == 0 || geteuid() == 0)
		return cli_fail(command, ERR_DENIED, "root's rights could not be given up");
#ifdef __SANITIZE_ADDRESS__
	prctl(PR_SET_DUMPABLE, 1); /* its search for leaks traces this process */
#endif
	return 0;
}

int rights_drop(const char *command, const struct rights *r)
{
	struct user u;
	if (geteuid() != 0)
		return r->run_as ? cli_fail(command, ERR_DENIED,
					    "--run-as: only root can become another user")
				 : 0;
	if (r->run_as) {
		if (!find_user(r->run_as, &u))
			return cli_fail(command, ERR_NOTFOUND, "--run-as %s: there is no such user",
					r->run_as);
		return u.uid == 0 ? 0 : become(command, &u); /* root, in so many words */
	}
	if (r->store && find_owner(r->store, &u)) {
		if (u.uid != 0)
			return become(command, &u);
		if (r->root_store)
			return 0;
	}
	if (!find_user("dribble", &u) && !find_user("nobody", &u))
		return cli_fail(command, ERR_NOTFOUND,
				"there is no user dribble or nobody: --run-as says who is to be "
				"left of root");
	return u.uid == 0 ? 0 : become(command, &u);
}
