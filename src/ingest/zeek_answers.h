/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The answers of a line of Zeek's dns.log. Zeek tells of each record of the answer section a text,
 * in their order, and neither its owner nor its type: addresses are addresses, TXT and SPF say that
 * they are, but a name may be the data of a CNAME or of the type that was asked for, and of MX, SRV
 * and SOA only the name is there.
 *
 * What is certain: servers put the CNAMEs of a chain first and in order. So where the data of the
 * type that was asked for is no name, leading names are a chain of CNAMEs that begins with the name
 * asked for, and what follows belongs to its end. */
#pragma once

#include "ingest/response.h"

struct zeek_text {
	uint32_t at, n; /* in octets */
};

struct zeek_answers {
	struct response response;
	struct zeek_text *texts; /* owned */
	size_t n, cap;
	struct buffer octets;
	bool ambiguous; /* a backslash may stand for itself: the log is JSON */

	/* While they are taken. */
	uint8_t *kinds; /* owned: of each text */
	size_t kinds_cap;
	struct buffer scratch;
};

void zeek_answers_release(struct zeek_answers *z);

/* No answers yet. */
void zeek_answers_begin(struct zeek_answers *z, bool ambiguous);

/* The next answer: its octets are copied. */
void zeek_answers_add(struct zeek_answers *z, struct bytes text);

/* Makes records of what is certain; the others are counted in response.left_out. qname is the name
 * asked for, in wire form. */
void zeek_answers_take(struct zeek_answers *z, struct bytes qname, uint16_t qtype, bool nxdomain);
