/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Zeek's dns.log: columns that the log's own head names, or one JSON object a line; a file may have
 * several heads, and both.
 *
 * In columns, octets that are not printable, the dividers and the backslash are \xHH or \\. In
 * JSON, octets that are no UTF-8 are \xHH, and a backslash is itself. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "ingest/complaint.h"
#include "ingest/json.h"
#include "ingest/lines.h"
#include "ingest/logged.h"
#include "ingest/timestamp.h"
#include "ingest/zeek_answers.h"
#include "model/rrtype.h"

enum field {
	TS,
	RTT,
	UID,
	TRANS_ID,
	PORT,
	QUERY,
	QCLASS,
	QCLASS_NAME,
	QTYPE,
	QTYPE_NAME,
	RCODE,
	RCODE_NAME,
	TC,
	ANSWERS,
	PATH,
	SYSTEM_NAME,
	NODE_NAME,
	NODE,
	FIELDS,
	/* Of JSON only: */
	ID = FIELDS, /* {"resp_p": ...}, when its fields are not flat */
	EVENT_TYPE,  /* of Suricata */
	RRNAME,      /* of COF */
	MEMBERS
};

static const struct bytes field_names[MEMBERS] = {
	[TS] = JSON_NAME("ts"),
	[RTT] = JSON_NAME("rtt"),
	[UID] = JSON_NAME("uid"),
	[TRANS_ID] = JSON_NAME("trans_id"),
	[PORT] = JSON_NAME("id.resp_p"),
	[QUERY] = JSON_NAME("query"),
	[QCLASS] = JSON_NAME("qclass"),
	[QCLASS_NAME] = JSON_NAME("qclass_name"),
	[QTYPE] = JSON_NAME("qtype"),
	[QTYPE_NAME] = JSON_NAME("qtype_name"),
	[RCODE] = JSON_NAME("rcode"),
	[RCODE_NAME] = JSON_NAME("rcode_name"),
	[TC] = JSON_NAME("TC"),
	[ANSWERS] = JSON_NAME("answers"),
	[PATH] = JSON_NAME("_path"),
	[SYSTEM_NAME] = JSON_NAME("_system_name"),
	[NODE_NAME] = JSON_NAME("_node_name"),
	[NODE] = JSON_NAME("_node"),
	[ID] = JSON_NAME("id"),
	[EVENT_TYPE] = JSON_NAME("event_type"),
	[RRNAME] = JSON_NAME("rrname"),
};

enum { COLUMNS_MAX = 256, MARK_MAX = 16 };

/* A short text of the head. */
struct mark {
	uint8_t p[MARK_MAX];
	size_t n;
};

/* What the head of a log in columns says. */
struct head {
	uint8_t separator;
	struct mark set_separator, empty, unset;
	uint16_t columns;            /* 0: there was no #fields */
	uint8_t fields[COLUMNS_MAX]; /* FIELDS: not looked at */
	bool about_dns;
};

struct reader {
	struct lines lines; /* first: lines_position is its position */
	struct head head;
	struct buffer sensor; /* the one that was told last */
	struct zeek_answers answers;

	/* The line in work. */
	struct bytes values[FIELDS]; /* borrowed from the line or from texts */
	uint64_t has;
	struct buffer texts[FIELDS];
	struct buffer scratch;
	struct complaint complaint;
};

static bool has(const struct reader *r, enum field f)
{
	return r->has >> f & 1;
}

static bool is(const struct reader *r, enum field f, const char *text)
{
	return has(r, f) && bytes_eq(r->values[f], bytes_str(text));
}

/* --- what a line says --- */

static bool take_number(struct bytes text, uint64_t max, uint64_t *ret)
{
	uint64_t us;
	if (timestamp_from_seconds(text, &us) != 0 || us % 1000000 || us / 1000000 > max)
		return false;
	*ret = us / 1000000;
	return true;
}

/* Milliseconds: more than the seconds of any date. */
static int from_milliseconds(struct bytes text, uint64_t *ret_us)
{
	uint64_t ms = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || i > 15)
			return ERR_LIMIT;
		ms = ms * 10 + (uint64_t)(text.p[i] - '0');
	}
	*ret_us = ms * 1000;
	return 0;
}

/* When the question was seen, and the time that the answer took. */
static bool take_time(struct reader *r, uint64_t *ret_s)
{
	uint64_t us, rtt = 0;
	struct bytes ts = r->values[TS];
	if (!has(r, TS))
		return complain(&r->complaint, "ts is missing");
	int rc = timestamp_from_seconds(ts, &us);
	if (rc == ERR_LIMIT)
		rc = from_milliseconds(ts, &us);
	if (rc == ERR_SYNTAX)
		rc = timestamp_from_date(ts, &us);
	if (rc != 0)
		return complain(&r->complaint, "ts is not a time");
	if (has(r, RTT) && timestamp_from_seconds(r->values[RTT], &rtt) == 0)
		us += rtt;
	if (us / 1000000 > TIME_MAX)
		return complain(&r->complaint, "ts is not a time");
	*ret_s = us / 1000000;
	return true;
}

/* The number of a type, or its name where there is no number. */
static bool take_qtype(const struct reader *r, uint16_t *ret_type)
{
	uint64_t n;
	if (has(r, QTYPE)) {
		if (!take_number(r->values[QTYPE], UINT16_MAX, &n))
			return false;
		*ret_type = (uint16_t)n;
		return true;
	}
	return has(r, QTYPE_NAME) && rrtype_from_text(r->values[QTYPE_NAME], ret_type);
}

static bool is_internet(const struct reader *r)
{
	return has(r, QCLASS) ? is(r, QCLASS, "1") : is(r, QCLASS_NAME, "C_INTERNET");
}

/* LEFT_OUT_REASONS: it is an answer that counts. */
static enum left_out left_out_of(const struct reader *r)
{
	/* NetBIOS, mDNS and LLMNR, whose names are of the local network */
	if (is(r, PORT, "137") || is(r, PORT, "5353") || is(r, PORT, "5355"))
		return LEFT_OUT_OTHER;
	if (!has(r, RCODE) && !has(r, RCODE_NAME))
		return LEFT_OUT_QUESTION;
	if (has(r, RCODE) ? !is(r, RCODE, "0") && !is(r, RCODE, "3")
			  : !is(r, RCODE_NAME, "NOERROR") && !is(r, RCODE_NAME, "NXDOMAIN"))
		return LEFT_OUT_RCODE;
	if (is(r, TC, "T"))
		return LEFT_OUT_TRUNCATED;
	if ((has(r, QCLASS) || has(r, QCLASS_NAME)) && !is_internet(r))
		return LEFT_OUT_CLASS;
	return LEFT_OUT_REASONS;
}

static bool is_nxdomain(const struct reader *r)
{
	return has(r, RCODE) ? is(r, RCODE, "3") : is(r, RCODE_NAME, "NXDOMAIN");
}

/* False: the answers' owner is not known, or there is a complaint. */
static bool take_query(struct reader *r, uint8_t name[static DNAME_MAX], size_t *ret_n)
{
	struct bytes query = r->values[QUERY];
	if (!has(r, QUERY) || (r->answers.ambiguous && memchr(query.p, '\\', query.n)))
		return false;
	int n = logged_name(query, name);
	if (n < 0)
		return complain(&r->complaint, "query is not a name");
	*ret_n = (size_t)n;
	return true;
}

static int take_answers(struct reader *r, const struct sink *sink)
{
	struct seen seen = {.count = 1};
	struct zeek_answers *z = &r->answers;
	uint8_t name[DNAME_MAX];
	uint16_t qtype = 0;
	size_t n = 0;
	if (!take_time(r, &seen.first_s))
		return 0;
	seen.last_s = seen.first_s;
	if (!take_query(r, name, &n) || !take_qtype(r, &qtype) || !is_internet(r)) {
		sink_left_out(sink, LEFT_OUT_UNCERTAIN, r->complaint.reason[0] ? 0 : z->n);
		return 0;
	}
	zeek_answers_take(z, bytes_of(name, n), qtype, is_nxdomain(r));
	return response_hand_out(&z->response, &seen, sink);
}

static int take_values(struct reader *r, const struct sink *sink)
{
	struct bytes id = has(r, SYSTEM_NAME) ? r->values[SYSTEM_NAME]
			  : has(r, NODE_NAME) ? r->values[NODE_NAME]
			  : has(r, NODE)      ? r->values[NODE]
					      : bytes_of(NULL, 0);
	enum left_out why = left_out_of(r);
	logged_sensor(&r->sensor, id, sink);
	if (why == LEFT_OUT_REASONS)
		return take_answers(r, sink);
	sink_left_out(sink, why, 1);
	return 0;
}

/* --- lines of columns --- */

/* Resolves \xHH and \\ into out; any other backslash is itself. */
static struct bytes unescape(struct bytes text, struct buffer *out)
{
	static const char digits[] = "0123456789abcdef";
	if (!text.n || !memchr(text.p, '\\', text.n))
		return text;
	buffer_clear(out);
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		size_t left = text.n - i - 1;
		if (c == '\\' && left >= 1 && text.p[i + 1] == '\\') {
			i++;
		} else if (c == '\\' && left >= 3 && text.p[i + 1] == 'x') {
			const char *high = memchr(digits, ascii_lower(text.p[i + 2]), 16);
			const char *low = memchr(digits, ascii_lower(text.p[i + 3]), 16);
			if (high && low) {
				c = (uint8_t)((high - digits) << 4 | (low - digits));
				i += 3;
			}
		}
		buffer_put_byte(out, c);
	}
	return buffer_bytes(out);
}

static struct bytes mark_bytes(const struct mark *m)
{
	return bytes_of(m->p, m->n);
}

static void set_mark(struct mark *m, struct bytes text)
{
	m->n = text.n < MARK_MAX ? text.n : MARK_MAX;
	memcpy(m->p, text.p, m->n);
}

static void head_begin(struct head *h)
{
	*h = (struct head){.separator = '\t'};
	set_mark(&h->set_separator, bytes_str(","));
	set_mark(&h->empty, bytes_str("(empty)"));
	set_mark(&h->unset, bytes_str("-"));
}

/* The text before the next divider, and moves rest behind it. False at the end. */
static bool next_part(struct bytes *rest, struct bytes divider, struct bytes *ret)
{
	if (!rest->p)
		return false;
	const uint8_t *d =
		rest->n && divider.n ? memmem(rest->p, rest->n, divider.p, divider.n) : NULL;
	*ret = bytes_of(rest->p, d ? (size_t)(d - rest->p) : rest->n);
	*rest = d ? bytes_of(d + divider.n, rest->n - ret->n - divider.n) : bytes_of(NULL, 0);
	return true;
}

static enum field field_named(struct bytes name)
{
	enum field f = 0;
	while (f < FIELDS && !bytes_eq(name, field_names[f]))
		f++;
	return f;
}

/* True when it has columns that tell of answers. */
static bool head_fields(struct head *h, struct bytes names)
{
	struct bytes name;
	uint64_t found = 0;
	h->columns = 0;
	while (next_part(&names, bytes_of(&h->separator, 1), &name)) {
		if (h->columns == COLUMNS_MAX)
			return false;
		enum field f = field_named(name);
		h->fields[h->columns++] = (uint8_t)f;
		found |= f < FIELDS ? (uint64_t)1 << f : 0;
	}
	const uint64_t needed = 1u << TS | 1u << QUERY | 1u << ANSWERS;
	h->about_dns = (found & needed) == needed;
	return true;
}

/* A line that begins with #. False: it makes no sense. */
static bool head_take(struct head *h, struct bytes line, struct buffer *scratch)
{
	struct bytes name, rest = line;
	if (bytes_has_prefix(line, bytes_str("#separator "))) {
		struct bytes separator = unescape(bytes_of(line.p + 11, line.n - 11), scratch);
		head_begin(h);
		if (separator.n != 1)
			return false;
		h->separator = separator.p[0];
		return true;
	}
	next_part(&rest, bytes_of(&h->separator, 1), &name);
	if (!rest.p)
		return true;
	if (bytes_eq(name, bytes_str("#set_separator")))
		set_mark(&h->set_separator, unescape(rest, scratch));
	else if (bytes_eq(name, bytes_str("#empty_field")))
		set_mark(&h->empty, unescape(rest, scratch));
	else if (bytes_eq(name, bytes_str("#unset_field")))
		set_mark(&h->unset, unescape(rest, scratch));
	else if (bytes_eq(name, bytes_str("#fields")))
		return head_fields(h, rest);
	return true;
}

static void put_set(struct reader *r, struct bytes set)
{
	struct bytes element;
	if (bytes_eq(set, mark_bytes(&r->head.empty)))
		return;
	while (next_part(&set, mark_bytes(&r->head.set_separator), &element)) {
		if (!bytes_eq(element, mark_bytes(&r->head.unset)))
			zeek_answers_add(&r->answers, unescape(element, &r->scratch));
	}
}

static bool cut_columns(struct reader *r, struct bytes line)
{
	const struct head *h = &r->head;
	struct bytes value;
	size_t n = 0;
	while (next_part(&line, bytes_of(&h->separator, 1), &value)) {
		enum field f = n < h->columns ? (enum field)h->fields[n] : FIELDS;
		n++;
		if (f == FIELDS || bytes_eq(value, mark_bytes(&h->unset)))
			continue;
		r->has |= (uint64_t)1 << f;
		if (f == ANSWERS)
			put_set(r, value);
		else if (bytes_eq(value, mark_bytes(&h->empty)))
			r->values[f] = bytes_str("");
		else
			r->values[f] = unescape(value, &r->texts[f]);
	}
	return n == h->columns ||
	       complain(&r->complaint, "%zu columns instead of %u", n, (unsigned)h->columns);
}

static int take_columns(struct reader *r, struct bytes line, const struct sink *sink)
{
	if (!r->head.columns) {
		complain(&r->complaint, "no #fields tells what its columns are");
		return 0;
	}
	if (!r->head.about_dns) {
		sink_left_out(sink, LEFT_OUT_OTHER, 1);
		return 0;
	}
	return cut_columns(r, line) ? take_values(r, sink) : 0;
}

/* --- lines of JSON --- */

static bool is_about_dns(const struct json_value values[static MEMBERS], uint64_t present)
{
	if (present >> PATH & 1)
		return bytes_eq(values[PATH].raw, bytes_str("dns"));
	return (present >> QUERY & 1 || present >> QTYPE & 1 || present >> TRANS_ID & 1);
}

static void put_scalar(struct reader *r, enum field f, const struct json_value *v)
{
	if (v->kind == JSON_KIND_ARRAY || v->kind == JSON_KIND_OBJECT)
		return;
	r->has |= (uint64_t)1 << f;
	r->values[f] = v->kind == JSON_KIND_STRING ? json_text(v, &r->texts[f])
		       : v->kind == JSON_KIND_TRUE ? bytes_str("T")
						   : v->raw;
}

static bool put_array(struct reader *r, const struct json_value *answers)
{
	struct json j;
	struct json_value v;
	if (answers->kind != JSON_KIND_ARRAY)
		return complain(&r->complaint, "answers is not an array");
	json_begin_array(&j, answers);
	while (json_next_element(&j, &v)) {
		if (v.kind == JSON_KIND_NULL)
			continue;
		if (v.kind != JSON_KIND_STRING)
			return complain(&r->complaint, "an answer is not a string");
		zeek_answers_add(&r->answers, json_text(&v, &r->scratch));
	}
	return true;
}

/* The port of an id whose fields are not flat. */
static void put_port(struct reader *r, const struct json_value *id)
{
	static const struct bytes name = JSON_NAME("resp_p");
	struct json_value port;
	uint64_t present;
	struct json j;
	if (id->kind == JSON_KIND_OBJECT &&
	    json_pick(&j, id->raw, &name, 1, &port, &present) == 0 && present)
		put_scalar(r, PORT, &port);
}

static int take_object(struct reader *r, struct bytes line, const struct sink *sink)
{
	struct json j;
	struct json_value values[MEMBERS];
	uint64_t present;
	if (json_pick(&j, line, field_names, MEMBERS, values, &present) != 0) {
		complain(&r->complaint, "bad JSON at octet %zu: %s", json_offset(&j) + 1, j.reason);
		return 0;
	}
	if (!is_about_dns(values, present)) {
		sink_left_out(sink, LEFT_OUT_OTHER, 1);
		return 0;
	}
	for (enum field f = 0; f < FIELDS; f++) {
		if (f != ANSWERS && present >> f & 1)
			put_scalar(r, f, &values[f]);
	}
	if (present >> ID & 1 && !has(r, PORT))
		put_port(r, &values[ID]);
	if (present >> ANSWERS & 1 && !put_array(r, &values[ANSWERS]))
		return 0;
	return take_values(r, sink);
}

/* --- the format --- */

static int take_text(struct reader *r, struct bytes text, const struct sink *sink)
{
	r->has = 0;
	r->complaint.reason[0] = '\0';
	zeek_answers_begin(&r->answers, text.p[0] == '{');
	if (text.p[0] == '{')
		return take_object(r, text, sink);
	if (text.p[0] != '#')
		return take_columns(r, text, sink);
	if (!head_take(&r->head, text, &r->scratch))
		complain(&r->complaint, "a head that makes no sense");
	return 0;
}

static int take_line(struct reader *r, const struct line *line, const struct sink *sink)
{
	struct bytes text = line->number == 1 ? line_without_bom(line->text) : line->text;
	if (line->too_long)
		return sink->reject(sink->ctx, line->number, line->text,
				    "the line is over 1048576 octets");
	if (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	if (line_is_blank(text))
		return 0;
	int rc = take_text(r, text, sink);
	if (rc == 0 && r->complaint.reason[0])
		rc = sink->reject(sink->ctx, line->number, line->text, r->complaint.reason);
	return rc;
}

static bool is_zeek_object(struct bytes line, bool *ret_whole)
{
	struct json j;
	struct json_value values[MEMBERS];
	uint64_t present;
	*ret_whole = json_pick(&j, line, field_names, MEMBERS, values, &present) == 0;
	return *ret_whole && is_about_dns(values, present) && present >> TS & present >> UID & 1 &&
	       !(present >> EVENT_TYPE & 1) && !(present >> RRNAME & 1);
}

/* A head with the columns of answers, or an object about DNS as the first one that is whole. */
static bool zeek_recognises(struct bytes head)
{
	struct buffer scratch = BUFFER_INIT;
	struct bytes rest = line_without_bom(head), line;
	struct head h;
	bool found = false, whole = false;
	head_begin(&h);
	while (!found && !whole && head_line(&rest, &line)) {
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n && line.p[0] == '#')
			found = head_take(&h, line, &scratch) && h.about_dns;
		else if (line.n && line.p[0] == '{')
			found = is_zeek_object(line, &whole);
	}
	buffer_release(&scratch);
	return found;
}

static struct reader *zeek_open(const struct reader_options *opt, struct err *e)
{
	(void)opt, (void)e;
	struct reader *r = xcalloc(1, sizeof(*r));
	head_begin(&r->head);
	return r;
}

static int zeek_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	return lines_feed(&r->lines, run, take_line, r, sink);
}

static int zeek_finish(struct reader *r, const struct sink *sink)
{
	return lines_finish(&r->lines, take_line, r, sink);
}

static void zeek_close(struct reader *r)
{
	if (!r)
		return;
	lines_release(&r->lines);
	zeek_answers_release(&r->answers);
	for (size_t f = 0; f < FIELDS; f++)
		buffer_release(&r->texts[f]);
	buffer_release(&r->sensor);
	buffer_release(&r->scratch);
	free(r);
}

const struct reader_format zeek_format = {
	.name = "zeek",
	.help = "Zeek's dns.log: columns with their head, or JSON",
	.replays = true, /* the head is needed */
	.recognises = zeek_recognises,
	.open = zeek_open,
	.feed = zeek_feed,
	.finish = zeek_finish,
	.position = lines_position,
	.resume = lines_resume,
	.close = zeek_close,
};
