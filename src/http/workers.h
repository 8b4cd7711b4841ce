/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A few threads that run jobs in the order they came. */
#pragma once

struct workers;

struct workers *workers_new(unsigned threads);

/* Runs what was handed in before, and ends the threads. */
void workers_stop(struct workers *w);
void workers_free(struct workers *w);

/* After workers_stop the job is run at once, by the caller. */
void workers_run(struct workers *w, void (*job)(void *arg), void *arg);
