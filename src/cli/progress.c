/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The line of progress. */
#include "cli/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void progress_begin(struct progress *p, const char *name)
{
	*p = (struct progress){.shown = isatty(STDERR_FILENO), .start = now(), .name = name};
}

double progress_seconds(const struct progress *p)
{
	return now() - p->start;
}

void progress_show(struct progress *p, uint64_t records, uint64_t done, uint64_t size)
{
	double t = now(), seconds = t - p->start;
	if (!p->shown || t - p->last < 0.2)
		return;
	p->last = t;
	p->line_open = true;
	double rate = seconds > 0 ? (double)records / seconds : 0;
	if (!size) {
		fprintf(stderr, "\r%s  %llu records  %.0f/s\033[K", p->name,
		        (unsigned long long)records, rate);
		return;
	}
	double part = (double)done / (double)size;
	char bar[BAR + 1];
	for (int i = 0; i < BAR; i++)
		bar[i] = i < (int)(part * BAR) ? '#' : '.';
	bar[BAR] = '\0';
	long eta = part > 0 ? (long)(seconds / part - seconds) : 0;
	fprintf(stderr, "\r%s  [%s] %3.0f %%  %llu records  %.0f/s  ETA %ld:%02ld\033[K", p->name, bar,
	        100 * part, (unsigned long long)records, rate, eta / 60, eta % 60);
}

void progress_end(struct progress *p)
{
	if (p->line_open)
		fputs("\r\033[K", stderr);
	p->line_open = false;
}
