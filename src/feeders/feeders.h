/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The feeders that a configuration names, beside the HTTP server. */
#pragma once

#include "config/config.h"
#include "feeders/feeder.h"

struct feeders;

/* Everything is borrowed until feeders_free. Errors name the option. */
int feeders_start(const struct config *config, struct store *store, struct collector *collector,
		  const struct exclusion *exclusion, struct feeders **ret, struct err *e);
/* What was received by then is in the collector, or in the store, when it returns. */
void feeders_stop(struct feeders *f);
void feeders_free(struct feeders *f); /* takes NULL; stops them */

/* Whether what was received last could not be stored, and is tried again. f may be NULL. */
bool feeders_are_failing(struct feeders *f);

/* Number i of all sources, false when there are no more. From any thread, until feeders_free. f may
 * be NULL. */
bool feeders_state(struct feeders *f, size_t i, struct feeder_state *ret);
