/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A line of progress on a terminal: records a second, how much is done, how long it will take. Silent when stderr is no
 * terminal. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool shown;       /* stderr is a terminal */
	bool line_open;   /* something stands on the line */
	double start, last;
	const char *name; /* borrowed */
};

void progress_begin(struct progress *p, const char *name);
/* size 0: not known. */
void progress_show(struct progress *p, uint64_t records, uint64_t done, uint64_t size);
/* Clears the line. */
void progress_end(struct progress *p);
double progress_seconds(const struct progress *p);
