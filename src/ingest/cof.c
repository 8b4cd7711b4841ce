/* SPDX-License-Identifier: GPL-3.0-or-later */
/* COF lines to observations. */
#include "ingest/cof.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "ingest/json.h"
#include "ingest/lines.h"
#include "ingest/logged.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

enum member {
	RRNAME,
	RRTYPE,
	RDATA,
	RRCLASS,
	CLASS,
	COUNT,
	TIME_FIRST,
	TIME_LAST,
	TIME_FIRST_MS,
	TIME_LAST_MS,
	ZONE_TIME_FIRST,
	ZONE_TIME_LAST,
	SENSOR_ID,
	BAILIWICK,
	RAW_RDATA,
	/* The framing of DNSDB's interface, version 2. */
	COND,
	OBJ,
	MSG,
	MEMBERS
};

static const char *const member_names[MEMBERS] = {
	[RRNAME] = "rrname",
	[RRTYPE] = "rrtype",
	[RDATA] = "rdata",
	[RRCLASS] = "rrclass",
	[CLASS] = "class",
	[COUNT] = "count",
	[TIME_FIRST] = "time_first",
	[TIME_LAST] = "time_last",
	[TIME_FIRST_MS] = "time_first_ms",
	[TIME_LAST_MS] = "time_last_ms",
	[ZONE_TIME_FIRST] = "zone_time_first",
	[ZONE_TIME_LAST] = "zone_time_last",
	[SENSOR_ID] = "sensor_id",
	[BAILIWICK] = "bailiwick",
	[RAW_RDATA] = "raw_rdata",
	[COND] = "cond",
	[OBJ] = "obj",
	[MSG] = "msg",
};

/* The functions that look at one line return false after putting the reason in reason. */
struct reader {
	struct lines lines; /* first: lines_position is its position */
	struct rdata_parser *parser; /* owned */

	/* The line in work; its values borrow from the run or from lines.held. */
	struct json_value members[MEMBERS];
	unsigned present; /* a bit for each member that is there and not null */
	uint64_t answer;  /* the line where an answer of DNSDB began that has not ended; 0: none */
	char reason[160];

	/* What the observation borrows. */
	uint8_t owner[DNAME_MAX];
	struct buffer wire;
	struct buffer rdata_text;
	struct buffer sensor_id;
	struct buffer bailiwick;
	struct buffer scratch; /* an unescaped text that nobody borrows */
};

/* The first complaint about a line is the one that is told. */
__attribute__((format(printf, 2, 3))) static bool complain(struct reader *r, const char *fmt, ...)
{
	if (r->reason[0])
		return false;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(r->reason, sizeof(r->reason), fmt, ap);
	va_end(ap);
	return false;
}

static bool has(const struct reader *r, enum member m)
{
	return r->present & 1u << m;
}

/* Foreign text for a complaint: its start, printable. */
struct excerpt {
	char text[44];
};

static struct excerpt excerpt_of(struct bytes text)
{
	struct excerpt e;
	size_t n = text.n < sizeof(e.text) - 4 ? text.n : sizeof(e.text) - 4;
	for (size_t i = 0; i < n; i++)
		e.text[i] = text.p[i] >= 0x20 && text.p[i] < 0x7f ? (char)text.p[i] : '?';
	memcpy(e.text + n, n < text.n ? "..." : "", n < text.n ? 4 : 1);
	return e;
}

/* The member with this name, or MEMBERS. */
static enum member member_named(struct bytes name)
{
	const uint8_t *p = name.p;
	switch (name.n) {
	case 3:
		return memcmp(p, "obj", 3) == 0 ? OBJ : memcmp(p, "msg", 3) == 0 ? MSG : MEMBERS;
	case 4:
		return memcmp(p, "cond", 4) == 0 ? COND : MEMBERS;
	case 5:
		return memcmp(p, "rdata", 5) == 0   ? RDATA
		       : memcmp(p, "count", 5) == 0 ? COUNT
		       : memcmp(p, "class", 5) == 0 ? CLASS
						    : MEMBERS;
	case 6:
		return memcmp(p, "rrname", 6) == 0   ? RRNAME
		       : memcmp(p, "rrtype", 6) == 0 ? RRTYPE
						     : MEMBERS;
	case 7:
		return memcmp(p, "rrclass", 7) == 0 ? RRCLASS : MEMBERS;
	case 9:
		return memcmp(p, "time_last", 9) == 0   ? TIME_LAST
		       : memcmp(p, "sensor_id", 9) == 0 ? SENSOR_ID
		       : memcmp(p, "bailiwick", 9) == 0 ? BAILIWICK
		       : memcmp(p, "raw_rdata", 9) == 0 ? RAW_RDATA
							: MEMBERS;
	case 10:
		return memcmp(p, "time_first", 10) == 0 ? TIME_FIRST : MEMBERS;
	case 12:
		return memcmp(p, "time_last_ms", 12) == 0 ? TIME_LAST_MS : MEMBERS;
	case 13:
		return memcmp(p, "time_first_ms", 13) == 0 ? TIME_FIRST_MS : MEMBERS;
	case 14:
		return memcmp(p, "zone_time_last", 14) == 0 ? ZONE_TIME_LAST : MEMBERS;
	case 15:
		return memcmp(p, "zone_time_first", 15) == 0 ? ZONE_TIME_FIRST : MEMBERS;
	default:
		return MEMBERS;
	}
}

/* A string's value; an escaped one is put into to and borrowed from there. */
static struct bytes text_of(const struct json_value *v, struct buffer *to)
{
	if (!v->escaped)
		return v->raw;
	buffer_clear(to);
	json_unescape(v->raw, to);
	return buffer_bytes(to);
}

static bool read_members(struct reader *r, struct bytes line)
{
	struct json j;
	struct json_value key, value;
	r->present = 0;
	int rc = json_begin(&j, line);
	while (rc >= 0 && (rc = json_next(&j, &key, &value)) == 1) {
		enum member m = member_named(text_of(&key, &r->scratch));
		if (m == MEMBERS)
			continue;
		r->members[m] = value;
		r->present |= 1u << m;
		if (value.kind == JSON_KIND_NULL)
			r->present &= ~(1u << m);
	}
	return rc == 0 || complain(r, "bad JSON at octet %zu: %s", json_offset(&j) + 1, j.reason);
}

/* A text that is a number: as JSON writes one, or with leading zeros. */
static bool number_of_text(struct bytes text, struct json_value *ret_value)
{
	while (text.n > 1 && text.p[0] == '0' && text.p[1] >= '0' && text.p[1] <= '9')
		text = bytes_of(text.p + 1, text.n - 1);
	return json_number(text, ret_value);
}

/* The number of a member that is there: 0 to max, its fraction cut off. */
static bool take_number(struct reader *r, enum member m, uint64_t max, uint64_t *ret_n)
{
	const char *name = member_names[m];
	struct json_value v = r->members[m];
	if (v.kind == JSON_KIND_STRING && !number_of_text(text_of(&v, &r->scratch), &v))
		return complain(r, "%s is not a number", name);
	if (v.kind == JSON_KIND_REAL) {
		if (v.real >= 9e18)
			return complain(r, "%s is over %llu", name, (unsigned long long)max);
		v.kind = JSON_KIND_INTEGER;
		v.integer = v.real <= -1 ? -1 : (int64_t)v.real;
	}
	if (v.kind != JSON_KIND_INTEGER)
		return complain(r, "%s is not a number", name);
	if (v.integer < 0)
		return complain(r, "%s is negative", name);
	if ((uint64_t)v.integer > max)
		return complain(r, "%s is over %llu", name, (unsigned long long)max);
	*ret_n = (uint64_t)v.integer;
	return true;
}

/* A time in seconds, or the one in milliseconds that stands in for it. */
static bool take_time(struct reader *r, enum member m, bool *ret_there, uint64_t *ret_s)
{
	enum member ms = m == TIME_FIRST ? TIME_FIRST_MS : m == TIME_LAST ? TIME_LAST_MS : MEMBERS;
	*ret_there = has(r, m) || has(r, ms); /* MEMBERS is never there */
	if (has(r, m))
		return take_number(r, m, TIME_MAX, ret_s);
	if (has(r, ms)) {
		if (!take_number(r, ms, TIME_MAX * 1000 + 999, ret_s))
			return false;
		*ret_s /= 1000;
	}
	return true;
}

/* Both times of a pair, one standing in for the other. */
static bool take_times(struct reader *r, enum member first, enum member last, bool *ret_there,
		       uint64_t *ret_first_s, uint64_t *ret_last_s)
{
	uint64_t first_s = 0, last_s = 0;
	bool has_first, has_last;
	if (!take_time(r, first, &has_first, &first_s) || !take_time(r, last, &has_last, &last_s))
		return false;
	/* 0 is how feeds say that they do not know; nothing was seen in 1970. */
	has_first = has_first && first_s;
	has_last = has_last && last_s;
	*ret_there = has_first || has_last;
	if (!has_first)
		first_s = last_s;
	if (!has_last)
		last_s = first_s;
	*ret_first_s = first_s < last_s ? first_s : last_s;
	*ret_last_s = first_s < last_s ? last_s : first_s;
	return true;
}

/* sensor_id and bailiwick. A sensor that is a number keeps its digits; other kinds say nothing. */
static bool take_text(struct reader *r, enum member m, struct buffer *to, struct bytes *ret_text)
{
	*ret_text = bytes_of(NULL, 0);
	if (!has(r, m))
		return true;
	const struct json_value *v = &r->members[m];
	if (v->kind == JSON_KIND_INTEGER)
		*ret_text = v->raw;
	else if (v->kind == JSON_KIND_STRING)
		*ret_text = text_of(v, to);
	if (m == BAILIWICK && ret_text->n > 1 && ret_text->p[ret_text->n - 1] == '.')
		ret_text->n--;
	return ret_text->n <= MEMBER_MAX ||
	       complain(r, "%s is over %d octets", member_names[m], MEMBER_MAX);
}

static bool take_seen(struct reader *r, struct seen *ret_seen)
{
	bool by_sensor, in_zone;
	uint64_t count = 1;
	struct seen *s = ret_seen;
	if (!take_times(r, TIME_FIRST, TIME_LAST, &by_sensor, &s->first_s, &s->last_s) ||
	    !take_times(r, ZONE_TIME_FIRST, ZONE_TIME_LAST, &in_zone, &s->zone_first_s,
			&s->zone_last_s) ||
	    (has(r, COUNT) && !take_number(r, COUNT, COUNT_MAX, &count)) ||
	    !take_text(r, SENSOR_ID, &r->sensor_id, &s->sensor_id) ||
	    !take_text(r, BAILIWICK, &r->bailiwick, &s->bailiwick))
		return false;
	/* A last time of 0 means "not in a zone" in struct seen. */
	if (!by_sensor && (!in_zone || s->zone_last_s == 0))
		return complain(r, "time_first and time_last are missing");
	s->count = !by_sensor ? 0 : count ? count : 1;
	return true;
}

static bool take_class(struct reader *r, enum member m)
{
	if (!has(r, m))
		return true;
	const struct json_value *v = &r->members[m];
	struct bytes text = v->kind == JSON_KIND_STRING ? text_of(v, &r->scratch) : v->raw;
	char lower[8] = "";
	for (size_t i = 0; i < text.n && text.n < sizeof(lower); i++)
		lower[i] = (char)ascii_lower(text.p[i]);
	if (strcmp(lower, "in") == 0 || strcmp(lower, "1") == 0 || strcmp(lower, "class1") == 0)
		return true;
	return complain(r, "class %s is not IN", excerpt_of(text).text);
}

/* Whether a label of this text is too long, for the complaint's sake. */
static bool has_long_label(struct bytes text)
{
	size_t label = 0;
	for (size_t i = 0; i < text.n && label <= LABEL_MAX; i++) {
		if (text.p[i] == '.') {
			label = 0;
			continue;
		}
		label++;
		if (text.p[i] == '\\' && i + 1 < text.n)
			i += text.p[i + 1] >= '0' && text.p[i + 1] <= '9' ? 3 : 1;
	}
	return label > LABEL_MAX;
}

static bool take_owner(struct reader *r, struct bytes *ret_owner)
{
	if (!has(r, RRNAME))
		return complain(r, "rrname is missing");
	if (r->members[RRNAME].kind != JSON_KIND_STRING)
		return complain(r, "rrname is not a string");
	struct bytes text = text_of(&r->members[RRNAME], &r->scratch);
	if (!text.n)
		return complain(r, "rrname is empty");
	int n = dname_from_text(text, r->owner);
	if (n == ERR_LIMIT)
		return complain(r, "rrname: %s over %d octets",
				has_long_label(text) ? "label" : "name",
				has_long_label(text) ? LABEL_MAX : DNAME_MAX);
	if (n < 0)
		return complain(r, "rrname: empty label or bad escape");
	*ret_owner = bytes_of(r->owner, (size_t)n);
	return true;
}

static bool take_rrtype(struct reader *r, uint16_t *ret_type)
{
	if (!has(r, RRTYPE))
		return complain(r, "rrtype is missing");
	const struct json_value *v = &r->members[RRTYPE];
	struct bytes text = v->raw;
	if (v->kind == JSON_KIND_STRING) {
		text = text_of(v, &r->scratch);
		if (!rrtype_from_text(text, ret_type))
			return complain(r, "rrtype \"%s\" is unknown", excerpt_of(text).text);
	} else {
		double n = v->kind == JSON_KIND_INTEGER ? (double)v->integer
			   : v->kind == JSON_KIND_REAL  ? v->real
							: -1;
		if (!(n >= 0 && n < 65536))
			return complain(r, "rrtype %s is unknown", excerpt_of(text).text);
		*ret_type = (uint16_t)n;
	}
	return !rrtype_is_meta(*ret_type) ||
	       complain(r, "rrtype %s is not the type of a record", excerpt_of(text).text);
}

/* Hexadecimal wire form, read as RFC 3597 writes it. False when it is no data of the type. */
static bool take_raw(struct reader *r, struct bytes hex, struct observation *o)
{
	if (!hex.n || hex.n % 2 || hex.n > 2 * RDATA_MAX)
		return false;
	buffer_clear(&r->scratch);
	buffer_putf(&r->scratch, "\\# %zu ", hex.n / 2);
	buffer_put_bytes(&r->scratch, hex);
	buffer_clear(&r->wire);
	if (rdata_from_text(r->parser, o->rrtype, buffer_bytes(&r->scratch), &r->wire) < 0)
		return false;
	o->form = RDATA_WIRE;
	o->rdata = buffer_bytes(&r->wire);
	return true;
}

/* Hands one record to the sink, or complains. Returns the sink's answer or a negative error. */
static int take_record(struct reader *r, const struct json_value *v, struct observation *o,
		       const struct sink *sink)
{
	if (v->kind != JSON_KIND_STRING) {
		complain(r, "rdata is not a string");
		return 0;
	}
	struct bytes text = text_of(v, &r->rdata_text);
	if (!has(r, RDATA)) {
		if (take_raw(r, text, o))
			return sink->observe(sink->ctx, o);
		complain(r, "raw_rdata is not data of its type");
		return 0;
	}
	int rc = logged_rdata(r->parser, text, &r->wire, o);
	if (rc == 0)
		return sink->observe(sink->ctx, o);
	if (rc == ERR_LIMIT)
		complain(r, "rdata is over %d octets", RDATA_MAX);
	else
		complain(r, "rdata is empty");
	return 0;
}

static int take_records(struct reader *r, struct observation *o, const struct sink *sink)
{
	const struct json_value *rdata = &r->members[has(r, RDATA) ? RDATA : RAW_RDATA];
	if (rdata->kind != JSON_KIND_ARRAY)
		return take_record(r, rdata, o, sink);
	struct json j;
	struct json_value element;
	json_begin_array(&j, rdata);
	int rc = 0;
	size_t n = 0;
	while (rc == 0 && json_next_element(&j, &element)) {
		if (++n > RDATA_ARRAY_MAX) {
			complain(r, "rdata has over %d elements", RDATA_ARRAY_MAX);
			break;
		}
		rc = take_record(r, &element, o, sink);
	}
	if (n == 0)
		complain(r, "rdata is empty");
	return rc;
}

/* Every member but rdata. */
static bool take_head(struct reader *r, struct observation *o)
{
	return take_owner(r, &o->owner) && take_rrtype(r, &o->rrtype) &&
	       (has(r, RDATA) || has(r, RAW_RDATA) || complain(r, "rdata is missing")) &&
	       take_class(r, RRCLASS) && take_class(r, CLASS) && take_seen(r, &o->seen);
}

static bool text_is(struct reader *r, enum member m, const char *text)
{
	return r->members[m].kind == JSON_KIND_STRING &&
	       bytes_eq(text_of(&r->members[m], &r->scratch), bytes_str(text));
}

static bool cut_off(struct reader *r)
{
	complain(r,
		 "the answer that began in line %llu was cut off: nothing says that it succeeded",
		 (unsigned long long)r->answer);
	r->answer = 0;
	return false;
}

/* How an answer of DNSDB begins and ends. What did not succeed is told: the records before it
 * count, but they are not all. */
static bool take_cond(struct reader *r, uint64_t line)
{
	if (text_is(r, COND, "begin")) {
		bool whole = !r->answer || cut_off(r);
		r->answer = line;
		return whole;
	}
	if (text_is(r, COND, "ongoing"))
		return true;
	bool limited = text_is(r, COND, "limited");
	if (!text_is(r, COND, "succeeded") && !limited && !text_is(r, COND, "failed"))
		return complain(r, "cond is unknown");
	r->answer = 0;
	if (text_is(r, COND, "succeeded"))
		return true;
	struct bytes why = bytes_str("no reason is given");
	if (has(r, MSG) && r->members[MSG].kind == JSON_KIND_STRING)
		why = text_of(&r->members[MSG], &r->scratch);
	return complain(r, "the answer %s: %s", limited ? "is not complete" : "failed",
			excerpt_of(why).text);
}

/* The members of a line, or of the object in it when DNSDB has framed it. False when there is no
 * record in it. */
static bool unwrap(struct reader *r, uint64_t line, struct bytes text)
{
	if (!read_members(r, text))
		return false;
	if (has(r, RRNAME) || !(has(r, COND) || has(r, OBJ)))
		return r->present || !r->answer; /* {} keeps a connection alive */
	if (has(r, COND) && (!take_cond(r, line) || !has(r, OBJ)))
		return false;
	if (r->members[OBJ].kind != JSON_KIND_OBJECT)
		return complain(r, "obj is not an object");
	r->answer = r->answer ? r->answer : line;
	return read_members(r, r->members[OBJ].raw);
}

static int take_line(struct reader *r, const struct line *line, const struct sink *sink)
{
	struct bytes text = line->number == 1 ? line_without_bom(line->text) : line->text;
	if (!line->too_long && line_is_blank(text))
		return 0;
	struct observation o = {0};
	int rc = 0;
	r->reason[0] = '\0';
	if (line->too_long)
		complain(r, "the line is over %d octets", LINE_MAX_BYTES);
	else if (unwrap(r, line->number, text) && take_head(r, &o))
		rc = take_records(r, &o, sink);
	if (rc == 0 && r->reason[0])
		rc = sink->reject(sink->ctx, line->number, line->text, r->reason);
	return rc;
}

/* Whether a line is an object, and whether it has the member that makes it COF. */
static bool is_object(struct bytes line, bool *ret_named)
{
	struct json j;
	struct json_value key, value;
	int rc = json_begin(&j, line);
	*ret_named = false;
	while (rc >= 0 && (rc = json_next(&j, &key, &value)) == 1) {
		enum member m = member_named(key.raw);
		bool named = m == RRNAME;
		if (m == OBJ && value.kind == JSON_KIND_OBJECT)
			is_object(value.raw, &named);
		else if (m == COND && value.kind == JSON_KIND_STRING)
			named = bytes_eq(value.raw, bytes_str("begin"));
		*ret_named = *ret_named || named;
	}
	return rc == 0;
}

/* One good line is enough, wherever it stands: a log that was cut, or a comment before it, costs no
 * neighbours. */
static bool cof_recognises(struct bytes head)
{
	struct bytes rest = line_without_bom(head), line;
	bool named, other = false;
	while (rest.n && (line_is_blank(bytes_of(rest.p, 1)) || *rest.p == '\n'))
		rest = bytes_of(rest.p + 1, rest.n - 1);
	bool object = rest.n && *rest.p == '{';
	while (head_line(&rest, &line)) {
		bool whole = is_object(line, &named);
		if (whole && named)
			return true;
		other = other || whole;
	}
	return object && !other && memmem(head.p, head.n, "\"rrname\"", 8) != NULL;
}

static struct reader *cof_open(const struct reader_options *opt, struct err *e)
{
	(void)opt, (void)e;
	struct reader *r = xcalloc(1, sizeof(*r));
	r->parser = rdata_parser_new();
	return r;
}

static int cof_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	return lines_feed(&r->lines, run, take_line, r, sink);
}

static int cof_finish(struct reader *r, const struct sink *sink)
{
	int rc = lines_finish(&r->lines, take_line, r, sink);
	if (rc != 0 || !r->answer)
		return rc;
	r->reason[0] = '\0';
	cut_off(r);
	return sink->reject(sink->ctx, r->lines.count, bytes_str("(end)"), r->reason);
}

static void cof_close(struct reader *r)
{
	if (!r)
		return;
	lines_release(&r->lines);
	rdata_parser_free(r->parser);
	buffer_release(&r->wire);
	buffer_release(&r->rdata_text);
	buffer_release(&r->sensor_id);
	buffer_release(&r->bailiwick);
	buffer_release(&r->scratch);
	free(r);
}

const struct reader_format cof_format = {
	.name = "cof",
	.help = "Passive DNS Common Output Format: one JSON object a line",
	.recognises = cof_recognises,
	.open = cof_open,
	.feed = cof_feed,
	.finish = cof_finish,
	.position = lines_position,
	.resume = lines_resume,
	.close = cof_close,
};
