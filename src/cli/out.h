/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines on stdout, written in large pieces. */
#pragma once

#include "base/buffer.h"
#include "base/err.h"

/* Writes the buffer when it is large, or when all is said; clears it. A closed pipe (head, less) is ERR_CANCELLED. */
int out_flush(struct buffer *lines, bool all, struct err *e);
