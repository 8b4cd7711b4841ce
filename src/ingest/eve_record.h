/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records as Suricata's EVE log has them: one by one, or the data alone, grouped by type. */
#pragma once

#include "ingest/complaint.h"
#include "ingest/json.h"
#include "ingest/response.h"
#include "model/rdata.h"

/* The records of one event. What is not certain, and what does not count, is in response.left_out.
 */
struct eve_records {
	struct response response;
	struct complaint complaint;
	struct rdata_parser *parser; /* owned */
	struct buffer text;          /* an unescaped text */
	struct buffer wire;
};

void eve_init(struct eve_records *e);
void eve_release(struct eve_records *e);
void eve_begin(struct eve_records *e);

/* The name asked for, a JSON_KIND_STRING. False when it is not known, and so none of the records:
 * one is left out, or there is a complaint. */
bool eve_question(struct eve_records *e, const struct json_value *name, bool truncated);

/* A record: an object with rrname, rrtype and rdata, soa, srv or sshfp. What is wrong with it is a
 * complaint. */
void eve_record(struct eve_records *e, const struct json_value *record);

/* The answer section as {"CNAME": [...], "A": [...]}. A name has one CNAME at most, and servers
 * list a chain in order; so CNAMEs lead from the name asked for to the owner of all else. */
void eve_grouped(struct eve_records *e, const struct json_value *grouped);
