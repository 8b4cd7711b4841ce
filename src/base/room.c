/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/room.h"

#include <errno.h>
#include <sys/statvfs.h>

int room_look(const char *path, uint64_t need, const char *what, struct err *e)
{
	struct statvfs fs;
	if (statvfs(path, &fs) != 0)
		return err_sys(e, errno, "%s", path);
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	return room >= need ? 0
			    : err_set(e, ERR_FULL, "%s: %s needs %llu octets of room, there are %llu", path, what,
	                              (unsigned long long)need, (unsigned long long)room);
}
