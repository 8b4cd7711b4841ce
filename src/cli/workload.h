/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A deterministic stream of observations that looks like passive DNS: what dribble bench measures with.
 *
 * Names of made-up domains, the first ones far more often; hosts with usual, numbered and random labels; A, AAAA, CNAME, NS,
 * MX, TXT, SOA, PTR and SRV records in shares like those of public feeds; some thousand addresses that very many names share; a hot
 * set of CNAMEs with one target; times and counts that are nearly random. Every record comes at least once, some much more often.
 */
#pragma once

#include "base/err.h"
#include "base/buffer.h"

struct workload {
	uint64_t records;      /* distinct */
	uint64_t observations; /* lines, not fewer */
	uint64_t hot;          /* of the records: in the hot set */
	uint64_t seed;
};

#define WORKLOAD_HOT_NAME "cdn1.hot.example"

/* Appends line i (from 0 on) as COF NDJSON. */
void workload_line(const struct workload *w, uint64_t i, struct buffer *out);

/* Writes all lines to a file. */
int workload_write(const struct workload *w, const char *path, struct err *e);
