/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sorting rows by key. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key, and two bits about it that are its user's. What it belongs to lies before it in memory, as its user likes. */
struct sort_key {
	uint32_t n : 30;
	uint32_t mark : 2;
	uint8_t octets[];
};

struct sort_row {
	const struct sort_key *key;
	uint64_t cache; /* the sort's own */
};

/* Sorts by key as memcmp does, the shorter first. */
void sort_rows(struct sort_row *rows, size_t n);

/* The same. As it goes on done is told how many of the first rows are where they belong and are not touched any more. */
void sort_rows_telling(struct sort_row *rows, size_t n, void (*done)(void *ctx, size_t first), void *ctx);
