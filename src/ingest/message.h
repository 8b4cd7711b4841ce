/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A DNS message on the wire (RFC 1035 4.1): its records become observations.
 *
 * What counts: an answer (QR, opcode QUERY) to one question, with rcode NOERROR or NXDOMAIN (an OPT record's part of it included) and
 * without TC; the records of all its sections, each once a message, of class IN (mDNS's flush bit is another class), and of types
 * that are data (no OPT, TSIG, TKEY, ANY, …). In the answer section only what belongs to the question counts: the owner is
 * the name asked for or what a CNAME or DNAME of the same message leads it to, in any order; a DNAME on the way and its signature;
 * of a zone transfer (AXFR) what lies in the zone. Everything outside the zone that was asked, where it is known, is left out too: a
 * server is believed about its own.
 *
 * A message is well formed to its end or nothing of it counts: names, lengths, and the rdata of A, AAAA and of the types that may
 * hold compressed names. Data of other types that is not of its type costs nothing else: it is kept as opaque text, \# LENGTH HEX
 * (ingest/wire.h). Octets behind the last record are let be. Two questions are malformed (RFC 9619).
 *
 * Left out are, as LEFT_OUT_QUESTION, messages that are no answer, to another opcode (NOTIFY, UPDATE, IQUERY), without a
 * question (mDNS, later messages of a zone transfer), and IXFR, which tells of removed records; each message counts once. LEFT_OUT_META,
 * _CLASS and _BAILIWICK count records; nearly each message has an OPT.
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

/* While the sink's observe runs: the TTL of that record, as it stands in the message. */
uint32_t message_ttl(const struct message_reader *m);

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
