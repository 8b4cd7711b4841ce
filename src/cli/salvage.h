/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writing what can still be read of a damaged store. */
#pragma once

#include "store/store.h"

/* Zero it before the store is opened; release it after that was closed. */
struct salvage {
	size_t n_told; /* damages that were told on stderr */
	char **told;
};

/* For struct store_options. */
struct damage salvage_damage(struct salvage *s);

/* Writes every record of which a row can be read to stdout, as COF. */
int salvage_export(struct store *s, struct err *e);

void salvage_release(struct salvage *s);
