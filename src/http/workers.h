/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A few threads that run jobs in the order they came. */
#pragma once

struct workers;

struct workers *workers_new(unsigned threads);

/* Runs what was handed in before, then ends the threads and frees. */
void workers_free(struct workers *w);

void workers_run(struct workers *w, void (*job)(void *arg), void *arg);
