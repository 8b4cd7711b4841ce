/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Clocks in milliseconds. */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* For pauses and deadlines: nobody sets it. */
static inline uint64_t now_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC);
}

/* The same as of the last tick, a few milliseconds ago, for what happens all the time. */
static inline uint64_t now_coarse_ms(void)
{
	return clock_ms(CLOCK_MONOTONIC_COARSE);
}
