/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exact sizes of large sets, remembered: a set is all rows of one subject and type. A remembered size holds as long as
 * the store's generation is the one it was counted in. */
#pragma once

#include "base/bytes.h"
#include "store/store.h"

struct counts;

struct counts *counts_new(void);
void counts_free(struct counts *c);

/* True and the size, when it is known for this generation. */
bool counts_get(struct counts *c, struct bytes prefix, uint64_t generation, uint64_t *ret);
void counts_put(struct counts *c, struct bytes prefix, uint64_t generation, uint64_t size);
