/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sorting rows by key. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sort_row {
	const uint8_t *key;
	uint64_t cache; /* the sort's own */
	const void *what;
	uint32_t key_n;
	bool flag;
};

/* Sorts by key as memcmp does, the shorter first. */
void sort_rows(struct sort_row *rows, size_t n);
