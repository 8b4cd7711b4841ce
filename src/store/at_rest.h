/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The file at-rest: how far the log of a store had come when it was closed, and what RocksDB's small files were.
 *
 * RocksDB takes a list of files or a log that was cut off for what a crash has left, and opens an earlier state without a word. A store
 * that was closed in order must not be younger than that: whoever opens it compares. Of its files some have no checksum of their
 * own. It is there only while no process writes. dribble-keys(5) shows it.
 */
#pragma once

#include "base/err.h"

#include <stdint.h>

/* 1: there is one; 0: there is none; ERR_CORRUPT: it is damaged. */
int at_rest_read(const char *store, uint64_t *ret_sequence, struct err *e);
/* Of a store whose files nobody changes any more. */
int at_rest_write(const char *store, uint64_t sequence, struct err *e);
int at_rest_remove(const char *store, struct err *e);
/* Compares the files that it tells of. ERR_CORRUPT: the sentence names the one that is another. */
int at_rest_verify(const char *store, struct err *e);
