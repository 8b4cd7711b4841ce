/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A live source of the server: what it is told, and what it says of itself. One kind a file:
 * listener.c (dnstap), watch.c (folders), follow.c (streams over WebSocket).
 */
#pragma once

#include "config/config.h"
#include "feed/collector.h"

/* What all feeders share; borrowed from whoever starts them. */
struct feeder_options {
	struct store *store;
	struct collector *collector;
	const struct exclusion *exclusion; /* may be NULL */
	size_t memory;                     /* octets, for what does not go through the collector */
	uint64_t connections_max;          /* of each listener */
	uint64_t handshake_ms;             /* a connection that has not begun by then is closed */
};

/* For /info. */
struct feeder_state {
	const char *kind;     /* "dnstap", "watch", "follow" */
	const char *where;    /* borrowed from the feeder */
	uint64_t connected;   /* now */
	uint64_t connections; /* so far, those that failed left out */
	uint64_t messages;    /* frames, messages, or files that are done */
	uint64_t failed; /* connections that were closed for what they sent, or could not be made;
			    files */
	struct collector_counts counts;
	char error[160]; /* the last, "" for none */
};

struct feeder; /* begins with the struct below */

struct feeder_kind {
	const char *name;
	/* Ends its work: what was received by then is in the collector when it returns. Called
	 * once. */
	void (*stop)(struct feeder *f);
	void (*free)(struct feeder *f);
	/* Number i of its sources; false when there are no more. From any thread. */
	bool (*state)(struct feeder *f, size_t i, struct feeder_state *ret);
};

struct feeder {
	const struct feeder_kind *kind;
};

/* Listens on n places: unix paths and addresses. mode is the permissions of the former. */
int listener_start(const struct feeder_options *opt, char *const *paths, size_t n_paths,
		   unsigned mode, const struct config_address *addresses, size_t n_addresses,
		   struct feeder **ret, struct err *e);

/* Watches folders: they must exist, done and failed are made in them. */
int watch_start(const struct feeder_options *opt, char *const *folders, size_t n,
		struct feeder **ret, struct err *e);

/* Follows ws:// and wss:// URLs. */
int follow_start(const struct feeder_options *opt, char *const *urls, size_t n, struct feeder **ret,
		 struct err *e);
