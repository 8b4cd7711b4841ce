/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A DNS message on the wire (RFC 1035 4.1): its records become observations.
 *
 * What counts: an answer (QR, opcode QUERY) with rcode NOERROR or NXDOMAIN and without TC; the records of all its sections, each
 * once a message, of class IN, and of types that are data (no OPT, TSIG, TKEY, ANY, …). In the answer section only what
 * belongs to the question counts: the owner is the name asked for or what a CNAME or DNAME of the same message
 * leads it to. Everything outside the zone that was asked, where it is known, is left out too: a server is believed about its own.
 *
 * A message is well formed to its end or nothing of it counts. Octets behind its last record are let be.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "ingest/reader.h"

/* Scratch for reading messages, one a thread. */
struct message_reader;
struct message_reader *message_reader_new(void);
void message_reader_free(struct message_reader *m); /* takes NULL */

struct message_context {
	uint64_t time_s;   /* when it was seen */
	struct bytes zone; /* canonical wire name of the zone whose server answered; empty: not known */
};

/* Hands every record that counts to the sink, and says what was left out. 0, or the sink's answer; or ERR_SYNTAX with
 * ret_reason a short phrase when it is malformed: then the sink has seen nothing of it. The caller rejects it with its place. */
int message_take(struct message_reader *m, struct bytes wire, const struct message_context *about,
                 const struct sink *sink, const char **ret_reason);

/* The head of a message, and the first question when there is one: for matching answers with questions. */
struct message_head {
	uint16_t id;
	bool answer;       /* QR */
	uint8_t opcode, rcode;
	uint16_t questions;
	uint8_t name[DNAME_MAX]; /* canonical wire form */
	uint16_t name_n;   /* 0: there is no question */
	uint16_t type, class;
};

/* ERR_SYNTAX when it is shorter than a head or its first question is malformed. */
int message_head(struct bytes wire, struct message_head *ret);
