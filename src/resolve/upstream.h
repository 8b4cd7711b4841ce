/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libunbound: asks, validates, follows aliases, falls back to TCP. Its work is done on a thread of its own; everything here is
 * for one thread, but upstream_fd's descriptor tells it when there is something to take.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "ingest/exclusion.h"

enum upstream_result {
	UPSTREAM_ANSWER,   /* NOERROR or NXDOMAIN, not bogus */
	UPSTREAM_SERVFAIL, /* or no answer at all, after all attempts */
	UPSTREAM_BOGUS,    /* validation failed */
	UPSTREAM_REFUSED,  /* another rcode */
};

struct upstream_answer {
	enum upstream_result result;
	struct bytes message; /* wire; valid during the call. Of UPSTREAM_ANSWER only */
	uint64_t ttl_s;
};

struct upstream_options {
	char *const *forwarders; /* ADDR or ADDR@PORT; none: from the root on */
	size_t n_forwarders;
	bool recursion; /* without it and without forwarders only stubs are asked */
	char *const *stubs; /* ZONE=ADDR or ZONE=ADDR@PORT */
	size_t n_stubs;
	char *const *insecure; /* zones that are not validated */
	size_t n_insecure;
	char *const *anchors; /* files of DS or DNSKEY records */
	size_t n_anchors;
	const struct exclusion *exclusion; /* what lies in its exclude lists is not asked, nor are stubs there; may be NULL */
	const char *root_hints; /* file; empty: those that libunbound has */
	bool validate;
	uint64_t ttl_min_s, ttl_max_s;
	/* Once for each question. In upstream_take, and in upstream_ask for what is known at once. */
	void (*answered)(void *ctx, void *question, const struct upstream_answer *answer);
	void *ctx;
};

struct upstream;

/* The options are borrowed during the call. Errors name the option. */
int upstream_new(const struct upstream_options *opt, struct upstream **ret, struct err *e);
/* Takes NULL. Questions that have no answer yet get none. */
void upstream_free(struct upstream *u);

/* name is a canonical wire name. A failure to ask is UPSTREAM_SERVFAIL. */
void upstream_ask(struct upstream *u, struct bytes name, uint16_t type, void *question);
int upstream_fd(const struct upstream *u); /* readable: upstream_take */
void upstream_take(struct upstream *u);

/* The parts of an option's value; false when it is malformed. ret_zone has room for DNAME_MAX octets. */
bool upstream_address_is_valid(const char *text);
bool upstream_stub_parse(const char *text, uint8_t *ret_zone, size_t *ret_zone_n, const char **ret_address);
