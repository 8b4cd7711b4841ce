/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What needs no asking, or counting, again before a time: a bounded table of keys, of which the one used longest ago is
 * forgotten first. Not synchronized.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct recall;

/* most: keys that are kept; from 1. */
struct recall *recall_new(size_t most);
void recall_free(struct recall *r); /* takes NULL */

/* Whether the key is good at a time still; ret_what is what was put with it. Makes it the latest used. */
bool recall_has(struct recall *r, const struct hash128 *key, uint64_t now_ms, uint8_t *ret_what);
/* A key that is there already is replaced. */
void recall_put(struct recall *r, const struct hash128 *key, uint64_t until_ms, uint8_t what);
size_t recall_count(const struct recall *r);
