/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The HTTP server: what it is told, its life. Routes and resources are behind it.
 */
#pragma once

#include "access/access.h"
#include "base/err.h"
#include "config/config.h"
#include "feeders/feeders.h"
#include "ingest/exclusion.h"
#include "resolve/resolver.h"
#include "store/store.h"

struct server;

/* Listens. config, store, access, exclusion, feeders and resolver (these three may be NULL) are borrowed until server_stop. While access
 * is open (no account was ever known) everybody may read and feed. */
int server_start(const struct config *config, struct store *store, struct access *access,
                 const struct exclusion *exclusion, struct feeders *feeders, struct resolver *resolver,
                 struct server **ret, struct err *e);

/* The address it listens on, number i as given, as http://ADDR:PORT; NULL past the last. */
const char *server_url(const struct server *s, size_t i);

/* Takes no more connections, lets those that are being answered end for at most grace_ms, and frees. */
void server_stop(struct server *s, unsigned grace_ms);
