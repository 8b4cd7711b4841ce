/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Active query: asks the living DNS for what somebody looks up, and stores what it says.
 *
 * A question is a name and a type. It is in flight once, however many ask; what was answered is not asked again before its TTL
 * (within bounds), and what failed not before a short time. What is asked at all is bounded: by a queue, by rates (overall, a zone,
 * an account), by what special-use names and the exclude lists say. When several names in a row got no answer a probe (resolve/probe.h) tells
 * whether anybody can be reached. If not, the resolver as a whole counts as silent: then nobody waits, and only now and then a name and the
 * probe are asked, until one is answered.
 *
 * What is answered goes through a collector, as what any sensor saw, under the sensor's id "active": each record once in its TTL. What is
 * bogus, refused or failed stores nothing.
 *
 * All functions may be called by any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "config/config.h"
#include "feed/collector.h"
#include "ingest/exclusion.h"
#include "query/question.h"
#include "resolve/aim.h"

struct resolver;
struct asking;

/* Why a question has no answer. */
enum active_reason {
	ACTIVE_TIMEOUT,     /* none within the budget, or lately */
	ACTIVE_SERVFAIL,    /* lately */
	ACTIVE_BOGUS,       /* its signatures are wrong */
	ACTIVE_REFUSED,     /* the servers do not answer such a question */
	ACTIVE_UNREACHABLE, /* the resolver as a whole is silent */
	ACTIVE_QUEUE,       /* too many questions are in flight */
	ACTIVE_RATE,        /* overall */
	ACTIVE_RATE_ZONE,
	ACTIVE_RATE_ACCOUNT,
	ACTIVE_SPECIAL,     /* a name that never leaves */
	ACTIVE_EXCLUDED,    /* by the lists */
	ACTIVE_REASONS,
};

/* "timeout", …: as x-dribble-errors and the metrics name them. */
const char *active_reason_name(enum active_reason reason);

struct active_error {
	enum active_reason reason;
	uint16_t type; /* 0: of the name */
};

/* Whether the configuration wants it: it is not switched off, and there is somebody to ask. */
bool resolver_is_wanted(const struct config *config);

/* config, collector and exclusion (may be NULL) are borrowed. */
int resolver_new(const struct config *config, struct collector *collector, const struct exclusion *exclusion,
                 struct resolver **ret, struct err *e);
/* Nobody waits any longer, now and from now on: every asking is done, and every done has returned. */
void resolver_hush(struct resolver *r);
/* After resolver_hush; all askings are freed. Takes NULL. */
void resolver_free(struct resolver *r);

/* Whether the value is an address, or the reverse name of one, whose PTR may be asked for. */
bool resolver_reverse(const struct resolver *r, struct bytes value, const struct filter *filter, struct aim *ret);
/* Begins to ask for a value. account: who asks. NULL when there is nothing to ask, ever: the value is no name, its types are not
 * asked for. Never blocks. */
struct asking *resolver_ask(struct resolver *r, struct bytes value, const struct filter *filter, struct bytes account);
/* Calls done once the answers are in the store, or the budget is used up, perhaps before it returns, else on another thread. False, and done is not
 * called: that is so already. */
bool asking_wait(struct asking *a, void (*done)(void *ctx), void *ctx);
/* Whether there is nothing to wait for. */
bool asking_is_done(const struct asking *a);
/* After done: whether something was stored since resolver_ask. */
bool asking_has_news(const struct asking *a);
/* After done. Returns how many; at most AIM_TYPES_MAX. */
size_t asking_errors(const struct asking *a, struct active_error ret[static AIM_TYPES_MAX]);
/* Takes NULL; done must have been called, or never be. */
void asking_free(struct asking *a);

struct resolver_figures {
	uint64_t questions;        /* handed to the resolver */
	uint64_t answers;          /* NOERROR and NXDOMAIN */
	uint64_t late;             /* of those, after nobody waited any longer */
	uint64_t records;          /* stored */
	uint64_t shared;           /* askings that joined a question in flight */
	uint64_t remembered;       /* questions that were not asked: answered within their TTL */
	uint64_t reasons[ACTIVE_REASONS]; /* questions that had no answer, and names that were not asked */
	uint64_t in_flight;        /* now */
	uint64_t waiting;          /* requests, now */
	bool silent;               /* now */
};
void resolver_figures(struct resolver *r, struct resolver_figures *ret);
