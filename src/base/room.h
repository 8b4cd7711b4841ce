/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether a disk has room for what is about to be written: said before, it costs nothing. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* ERR_FULL: the file system of path, which exists, has less than need octets for us. what needs them, for the sentence. */
int room_look(const char *path, uint64_t need, const char *what, struct err *e);
