/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Folds on a thread of its own, while the next observations are read: of a large fold each look waits for memory. */
#pragma once

#include "feed/fold.h"

struct folder;

/* NULL when there is no thread to be had. fold is borrowed; its tally stays the caller's. */
struct folder *folder_new(struct fold *fold);

void folder_add(struct folder *f, const struct observation *o);

/* What was folded so far has filled the fold's memory. */
bool folder_is_full(struct folder *f);

/* Waits until all that was added is in the fold: it is the caller's until the next folder_add. */
void folder_drain(struct folder *f);

/* After folder_drain: where what comes next goes. */
void folder_use(struct folder *f, struct fold *fold);

/* What was added and not drained is lost. f may be NULL. */
void folder_free(struct folder *f);
