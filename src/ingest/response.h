/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The records of one response, from wherever they are known: which of them count, and each once.
 *
 *	response_begin(r);
 *	... octets, qname; response_next for each record of the answer section, then answers = n,
 *then the other sections response_keep_answers(r); response_hand_out(r, &seen, sink);
 *
 * A reader keeps one and uses it for all.
 */
#pragma once

#include "base/buffer.h"
#include "ingest/reader.h"

struct response_record {
	uint32_t owner, rdata; /* places in octets */
	uint32_t ttl_s;        /* of messages */
	uint16_t type;
	uint16_t rdata_n;
	uint8_t owner_n;
	uint8_t form; /* enum rdata_form */
	bool counts;
};

struct response {
	struct buffer octets;            /* owners, in canonical wire form, and data */
	struct response_record *records; /* owned */
	size_t n;                        /* records by now */
	size_t answers; /* how many of them, the first ones, are of the answer section */
	uint32_t qname; /* the name asked for: its place in octets */
	uint8_t qname_n;
	uint64_t left_out[LEFT_OUT_REASONS]; /* told when it is handed out */
	uint32_t ttl_s; /* of the record that the sink is given just now */

	size_t cap;
	uint32_t *slots; /* owned: a hash table of records, place + 1; 0 is empty */
	size_t slots_cap;
};

void response_release(struct response *r);

/* Empty again. */
void response_begin(struct response *r);

/* Where the next record goes. It is one of them when n is raised. Valid until the next call. */
struct response_record *response_next(struct response *r);

static inline struct bytes response_qname(const struct response *r)
{
	return bytes_of(r->octets.p + r->qname, r->qname_n);
}

/* Keeps of the answer section what belongs to the question: what the name asked for owns, or what
 * CNAME and DNAME lead it to, in any order; a DNAME on the way and its signature. The others are
 * left out, LEFT_OUT_BAILIWICK. */
void response_keep_answers(struct response *r);

/* Keeps of the first n records what is in the zone. An empty zone holds everything. */
void response_keep_in_zone(struct response *r, size_t n, struct bytes zone);

/* Hands out what counts, each record once, and then what was left out. 0, or the sink's answer. */
int response_hand_out(struct response *r, const struct seen *seen, const struct sink *sink);
