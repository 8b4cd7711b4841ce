/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Suricata's EVE log: one JSON object a line, of which the events about DNS answers count. Three
 *versions of them are known:
 *
 *	1 (to 4.0)   a line a record: dns.rrname, rrtype, rdata
 *	2 (to 7)     a line a response: the question in dns.rrname, the records in answers, or in
 *grouped by type alone 3 (from 8)   as 2, with the questions in dns.queries
 *
 * Suricata does not escape names and strings; octets that are no UTF-8 become \xHH, which cannot be
 *told from those four characters. What has such a thing in it is uncertain. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "ingest/eve_record.h"
#include "ingest/json.h"
#include "ingest/lines.h"
#include "ingest/logged.h"
#include "ingest/timestamp.h"

enum event_member { TIMESTAMP, EVENT_TYPE, HOST, DNS, RRNAME, EVENT_MEMBERS };

static const struct bytes event_names[EVENT_MEMBERS] = {
	[TIMESTAMP] = JSON_NAME("timestamp"), [EVENT_TYPE] = JSON_NAME("event_type"),
	[HOST] = JSON_NAME("host"),           [DNS] = JSON_NAME("dns"),
	[RRNAME] = JSON_NAME("rrname"), /* an event has none, COF does */
};

enum dns_member {
	VERSION,
	TYPE,
	RCODE,
	OPCODE,
	TC,
	QNAME,
	QNAME_CUT,
	QUERIES,
	ANSWERS,
	GROUPED,
	AUTHORITIES,
	ADDITIONALS,
	DNS_MEMBERS
};

static const struct bytes dns_names[DNS_MEMBERS] = {
	[VERSION] = JSON_NAME("version"),
	[TYPE] = JSON_NAME("type"),
	[RCODE] = JSON_NAME("rcode"),
	[OPCODE] = JSON_NAME("opcode"),
	[TC] = JSON_NAME("tc"),
	[QNAME] = JSON_NAME("rrname"),
	[QNAME_CUT] = JSON_NAME("rrname_truncated"),
	[QUERIES] = JSON_NAME("queries"),
	[ANSWERS] = JSON_NAME("answers"),
	[GROUPED] = JSON_NAME("grouped"),
	[AUTHORITIES] = JSON_NAME("authorities"),
	[ADDITIONALS] = JSON_NAME("additionals"),
};

struct reader {
	struct lines lines; /* first: lines_position is its position */
	struct eve_records records; /* of the line in work */
	struct buffer sensor;       /* the one that was told last */
	struct buffer scratch;

	struct json_value event[EVENT_MEMBERS];
	uint64_t event_has;
	struct json_value dns[DNS_MEMBERS];
	uint64_t dns_has;
};

static bool has(uint64_t present, unsigned member)
{
	return present >> member & 1;
}

static bool is_text(const struct json_value *v, const char *text)
{
	return v->kind == JSON_KIND_STRING && bytes_eq(v->raw, bytes_str(text));
}

/* --- the members of a line --- */

static bool read_object(struct reader *r, struct bytes object, const struct bytes *names, size_t n,
			struct json_value *ret_values, uint64_t *ret_has)
{
	struct json j;
	return json_pick(&j, object, names, n, ret_values, ret_has) == 0 ||
	       complain(&r->records.complaint, "bad JSON at octet %zu: %s", json_offset(&j) + 1,
			j.reason);
}

static bool take_time(struct reader *r, uint64_t *ret_s)
{
	uint64_t us;
	const struct json_value *v = &r->event[TIMESTAMP];
	if (!has(r->event_has, TIMESTAMP))
		return complain(&r->records.complaint, "timestamp is missing");
	if (v->kind != JSON_KIND_STRING || timestamp_from_date(json_text(v, &r->scratch), &us) != 0)
		return complain(&r->records.complaint, "timestamp is not a time");
	*ret_s = us / 1000000;
	return true;
}

/* What comes is seen by this one; by nobody who is named, where the member is missing. */
static void tell_sensor(struct reader *r, const struct sink *sink)
{
	const struct json_value *v = &r->event[HOST];
	struct bytes id = bytes_of(NULL, 0);
	if (has(r->event_has, HOST) && v->kind == JSON_KIND_STRING)
		id = json_text(v, &r->scratch);
	logged_sensor(&r->sensor, id, sink);
}

/* --- what is left out as a whole --- */

/* LEFT_OUT_REASONS: it is an answer that counts. */
static enum left_out left_out_of(const struct reader *r)
{
	const struct json_value *dns = r->dns;
	if (!has(r->dns_has, TYPE) ||
	    !(is_text(&dns[TYPE], "answer") || is_text(&dns[TYPE], "response")))
		return LEFT_OUT_QUESTION;
	if (has(r->dns_has, OPCODE) &&
	    !(dns[OPCODE].kind == JSON_KIND_INTEGER && dns[OPCODE].integer == 0))
		return LEFT_OUT_QUESTION;
	if (has(r->dns_has, RCODE) && !is_text(&dns[RCODE], "NOERROR") &&
	    !is_text(&dns[RCODE], "NXDOMAIN"))
		return LEFT_OUT_RCODE;
	if (has(r->dns_has, TC) && dns[TC].kind == JSON_KIND_TRUE)
		return LEFT_OUT_TRUNCATED;
	return LEFT_OUT_REASONS;
}

/* --- versions 2 and 3 --- */

/* The name asked for. False, and nothing else of the answer counts, when there is none or not one.
 */
static bool take_question(struct reader *r)
{
	struct eve_records *e = &r->records;
	struct json_value first = r->dns[QNAME], more;
	bool cut = has(r->dns_has, QNAME_CUT);
	if (has(r->dns_has, QUERIES) && r->dns[QUERIES].kind == JSON_KIND_ARRAY) {
		static const struct bytes names[] = {JSON_NAME("rrname"),
						     JSON_NAME("rrname_truncated")};
		struct json_value query[2];
		uint64_t query_has = 0;
		struct json j;
		json_begin_array(&j, &r->dns[QUERIES]);
		if (!json_next_element(&j, &first) || first.kind != JSON_KIND_OBJECT ||
		    !read_object(r, first.raw, names, 2, query, &query_has) || !has(query_has, 0)) {
			e->response.left_out[LEFT_OUT_QUESTION]++;
			return false;
		}
		if (json_next_element(&j, &more))
			return complain(&e->complaint, "more than one question");
		first = query[0];
		cut = has(query_has, 1);
	} else if (!has(r->dns_has, QNAME)) {
		e->response.left_out[LEFT_OUT_QUESTION]++;
		return false;
	}
	return eve_question(e, &first, cut);
}

static void take_section(struct reader *r, enum dns_member section)
{
	struct json j;
	struct json_value record;
	if (!has(r->dns_has, section))
		return;
	if (r->dns[section].kind != JSON_KIND_ARRAY) {
		complain(&r->records.complaint, "%s is not an array",
			 (const char *)dns_names[section].p);
		return;
	}
	json_begin_array(&j, &r->dns[section]);
	while (json_next_element(&j, &record))
		eve_record(&r->records, &record);
}

static void take_response(struct reader *r)
{
	struct eve_records *e = &r->records;
	if (!take_question(r))
		return;
	if (!has(r->dns_has, ANSWERS) && has(r->dns_has, GROUPED))
		eve_grouped(e, &r->dns[GROUPED]);
	take_section(r, ANSWERS);
	e->response.answers = e->response.n;
	take_section(r, AUTHORITIES);
	take_section(r, ADDITIONALS);
	response_keep_answers(&e->response);
}

/* --- lines --- */

static bool is_response(const struct reader *r)
{
	for (unsigned m = QUERIES; m < DNS_MEMBERS; m++) {
		if (has(r->dns_has, m))
			return true;
	}
	return has(r->dns_has, VERSION) &&
	       !(r->dns[VERSION].kind == JSON_KIND_INTEGER && r->dns[VERSION].integer < 2);
}

static int take_dns(struct reader *r, const struct sink *sink)
{
	struct seen seen = {.count = 1};
	struct eve_records *e = &r->records;
	if (!has(r->event_has, DNS) || r->event[DNS].kind != JSON_KIND_OBJECT) {
		complain(&e->complaint, "dns is missing");
		return 0;
	}
	if (!take_time(r, &seen.first_s) ||
	    !read_object(r, r->event[DNS].raw, dns_names, DNS_MEMBERS, r->dns, &r->dns_has))
		return 0;
	seen.last_s = seen.first_s;
	tell_sensor(r, sink);
	enum left_out why = left_out_of(r);
	if (why != LEFT_OUT_REASONS)
		e->response.left_out[why]++;
	else if (is_response(r))
		take_response(r);
	else
		eve_record(e, &r->event[DNS]);
	return response_hand_out(&e->response, &seen, sink);
}

static int take_event(struct reader *r, struct bytes text, const struct sink *sink)
{
	eve_begin(&r->records);
	if (!read_object(r, text, event_names, EVENT_MEMBERS, r->event, &r->event_has))
		return 0;
	if (!has(r->event_has, EVENT_TYPE)) {
		complain(&r->records.complaint, "event_type is missing");
		return 0;
	}
	if (is_text(&r->event[EVENT_TYPE], "dns"))
		return take_dns(r, sink);
	sink_left_out(sink, LEFT_OUT_OTHER, 1);
	return 0;
}

static int take_line(struct reader *r, const struct line *line, const struct sink *sink)
{
	struct bytes text = line->number == 1 ? line_without_bom(line->text) : line->text;
	if (line->too_long)
		return sink->reject(sink->ctx, line->number, line->text,
				    "the line is over 1048576 octets");
	if (line_is_blank(text))
		return 0;
	int rc = take_event(r, text, sink);
	if (rc == 0 && r->records.complaint.reason[0])
		rc = sink->reject(sink->ctx, line->number, line->text, r->records.complaint.reason);
	return rc;
}

/* --- the format --- */

/* The first line that is a whole object decides; when none is, as it is longer than the head, its
 * look. */
static bool eve_recognises(struct bytes head)
{
	struct bytes rest = line_without_bom(head), line;
	struct json_value values[EVENT_MEMBERS];
	uint64_t present;
	struct json j;
	while (head_line(&rest, &line)) {
		if (json_pick(&j, line, event_names, EVENT_MEMBERS, values, &present) == 0)
			return has(present, EVENT_TYPE) &&
			       values[EVENT_TYPE].kind == JSON_KIND_STRING &&
			       has(present, TIMESTAMP) && !has(present, RRNAME);
	}
	return head.p && head.n && head.p[0] == '{' && memmem(head.p, head.n, "\"event_type\":\"", 14) &&
	       memmem(head.p, head.n, "\"timestamp\":\"", 13);
}

static struct reader *eve_open(const struct reader_options *opt, struct err *e)
{
	(void)opt, (void)e;
	struct reader *r = xcalloc(1, sizeof(*r));
	eve_init(&r->records);
	return r;
}

static int eve_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	return lines_feed(&r->lines, run, take_line, r, sink);
}

static int eve_finish(struct reader *r, const struct sink *sink)
{
	return lines_finish(&r->lines, take_line, r, sink);
}

static void eve_close(struct reader *r)
{
	if (!r)
		return;
	lines_release(&r->lines);
	eve_release(&r->records);
	buffer_release(&r->sensor);
	buffer_release(&r->scratch);
	free(r);
}

const struct reader_format eve_format = {
	.name = "eve",
	.help = "Suricata's EVE log: events about DNS",
	.recognises = eve_recognises,
	.open = eve_open,
	.feed = eve_feed,
	.finish = eve_finish,
	.position = lines_position,
	.resume = lines_resume,
	.close = eve_close,
};
