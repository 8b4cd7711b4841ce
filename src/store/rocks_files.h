/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of RocksDB, looked at before RocksDB opens them.
 *
 * What it checks itself it checks well, but not all: a record at the end of a log or of the list of
 * files whose length is damaged is taken for one that a crash cut off, and everything behind it is
 * lost without a word; the foot of a file of rows and its properties are believed, and what makes
 * no sense in them ends the process. So these are compared with their checksums here.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"

enum rocks_look {
	ROCKS_LOOK,      /* at what RocksDB does not check */
	ROCKS_LOOK_MEND, /* likewise; what is wrong and can be put right is, unless a process has
			    the store open for writing */
	ROCKS_LOOK_ALL,  /* at every record of the logs, too */
};

/* ERR_CORRUPT: the sentence names the file. A directory without a database is fine. */
int rocks_files_look(const char *dir, enum rocks_look how, struct err *e);
