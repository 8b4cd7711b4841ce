/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing what can still be read of a damaged store. */
#pragma once

#include "store/store.h"

enum { SALVAGE_TOLD_MAX = 1000 };

/* Zero it before the store is opened. */
struct salvage {
	size_t n; /* damages that were told on stderr */
	uint64_t told[SALVAGE_TOLD_MAX]; /* hashes of the sentences */
};

/* For struct store_options. */
struct damage salvage_damage(struct salvage *s);

/* Writes every record of which a row can be read to stdout, as COF. */
int salvage_export(struct store *s, struct err *e);
