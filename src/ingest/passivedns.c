/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The log of gamelinux/passivedns: a line a record, fields divided by ||.
 *
 * passivedns writes its fields in an order of its own, whatever the order of the letters given to
 * it with -f; other programs that write its format keep to another. So a line is read in the order
 * that was asked for if it fits, else in that of passivedns. Within a quoted answer || is no
 * divider: what is too much belongs to it. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/mem.h"
#include "ingest/complaint.h"
#include "ingest/lines.h"
#include "ingest/logged.h"
#include "ingest/reader.h"
#include "ingest/timestamp.h"
#include "model/dname.h"
#include "model/rrtype.h"

enum field {
	TIME, /* S, M, both together, or H */
	HOSTNAME,
	CLASS,
	QUERY,
	TYPE,
	ANSWER,
	TTL,
	COUNT,
	OTHER, /* addresses, lengths, the protocol: not looked at */
	FIELDS
};

enum { LETTERS = 17, TXT_FAMILY_LONG = 1 + LOGGED_STRING_MAX };

/* The letters of -f in the order in which passivedns writes them; w and W are addresses of
 * hardware. */
static const char letters[LETTERS + 1] = "HSMhcwsWpCQLTAltn";
static const char default_fields[] = "SMcsCQTAtn";
/* Before version 1.0 there was no count, and no fraction. */
static const char old_fields[] = "ScsCQTAt";

struct order {
	enum field fields[LETTERS];
	size_t n;
	size_t answer; /* its place */
};

enum { ORDERS_MAX = 2 };

struct reader {
	struct lines lines; /* first: lines_position is its position */
	struct rdata_parser *parser; /* owned */
	struct order orders[ORDERS_MAX];
	size_t n_orders;

	/* The line in work. */
	struct bytes values[FIELDS];
	struct buffer sensor; /* the one that was told last */
	struct buffer rdata;
	struct complaint complaint;
	uint8_t owner[DNAME_MAX];
};

/* --- which fields a line has --- */

static enum field field_of(char letter)
{
	switch (letter) {
	case 'H':
	case 'S':
	case 'M':
		return TIME;
	case 'h':
		return HOSTNAME;
	case 'C':
		return CLASS;
	case 'Q':
		return QUERY;
	case 'T':
		return TYPE;
	case 'A':
		return ANSWER;
	case 't':
		return TTL;
	case 'n':
		return COUNT;
	default:
		return OTHER;
	}
}

static bool has_field(const struct order *o, enum field f)
{
	for (size_t i = 0; i < o->n; i++) {
		if (o->fields[i] == f)
			return true;
	}
	return false;
}

/* H, S and M are one field, where the first of them stands. */
static void order_add(struct order *o, char letter)
{
	enum field f = field_of(letter);
	if (f == TIME && has_field(o, TIME))
		return;
	if (f == ANSWER)
		o->answer = o->n;
	o->fields[o->n++] = f;
}

static struct order order_of(const char *spec)
{
	struct order o = {.n = 0};
	for (; *spec; spec++)
		order_add(&o, *spec);
	return o;
}

/* The same letters as passivedns writes them. */
static struct order own_order_of(const char *spec)
{
	struct order o = {.n = 0};
	for (const char *p = letters; *p; p++) {
		if (strchr(spec, *p))
			order_add(&o, *p);
	}
	return o;
}

static int check_fields(const char *spec, struct err *e)
{
	for (const char *p = spec; *p; p++) {
		if (!strchr(letters, *p))
			return err_set(e, ERR_USAGE, "fields %s: %c is no field of passivedns (%s)",
				       spec, *p, letters);
		if (strchr(p + 1, *p))
			return err_set(e, ERR_USAGE, "fields %s: %c is there twice", spec, *p);
	}
	if (!strpbrk(spec, "SH") || !strchr(spec, 'Q') || !strchr(spec, 'T') || !strchr(spec, 'A'))
		return err_set(e, ERR_USAGE, "fields %s: a record needs S or H, Q, T and A", spec);
	return 0;
}

static size_t orders_of(const char *spec, struct order ret[static ORDERS_MAX])
{
	if (!spec) {
		ret[0] = order_of(default_fields);
		ret[1] = order_of(old_fields);
		return 2;
	}
	ret[0] = order_of(spec);
	ret[1] = own_order_of(spec);
	return memcmp(ret[0].fields, ret[1].fields, ret[0].n * sizeof(ret[0].fields[0])) == 0 ? 1
											      : 2;
}

/* --- one line --- */

static size_t count_fields(struct bytes line)
{
	size_t n = 1;
	for (size_t i = 0; i + 1 < line.n; i++) {
		if (line.p[i] != '|' || line.p[i + 1] != '|')
			continue;
		n++;
		i++;
	}
	return n;
}

static struct bytes next_field(struct bytes *rest)
{
	const uint8_t *bar = rest->n ? memmem(rest->p, rest->n, "||", 2) : NULL;
	size_t n = bar ? (size_t)(bar - rest->p) : rest->n;
	struct bytes field = bytes_of(rest->p, n);
	*rest = bytes_of(rest->p + n + (bar ? 2 : 0), rest->n - n - (bar ? 2 : 0));
	return field;
}

/* An answer and what is too much behind it. */
static struct bytes wide_field(struct bytes *rest, size_t surplus)
{
	struct bytes field = next_field(rest);
	const uint8_t *start = field.p;
	while (surplus--)
		field = next_field(rest);
	return bytes_of(start, (size_t)(field.p + field.n - start));
}

static bool is_number(struct bytes text)
{
	uint64_t us;
	return !text.n || !memchr(text.p, '.', text.n)
		       ? timestamp_from_seconds(text, &us) != ERR_SYNTAX
		       : false;
}

static bool take_time(struct bytes text, uint64_t *ret_us)
{
	return timestamp_from_seconds(text, ret_us) == 0 || timestamp_from_date(text, ret_us) == 0;
}

/* Cuts a line; false, with the reason, when it does not fit. Fields that are not there are empty.
 */
static bool order_fits(const struct order *o, struct bytes line, size_t fields,
		       struct bytes values[static FIELDS], struct complaint *c)
{
	uint64_t us;
	uint16_t type;
	if (fields < o->n)
		return complain(c, "%zu fields instead of %zu", fields, o->n);
	memset(values, 0, FIELDS * sizeof(*values));
	for (size_t i = 0; i < o->n; i++)
		values[o->fields[i]] =
			i == o->answer ? wide_field(&line, fields - o->n) : next_field(&line);
	if (fields > o->n && values[ANSWER].p[0] != '"')
		return complain(c, "%zu fields instead of %zu", fields, o->n);
	if (!take_time(values[TIME], &us))
		return complain(c, "the timestamp is not a time");
	if (!rrtype_from_text(values[TYPE], &type))
		return complain(c, "the query type is unknown");
	if (has_field(o, TTL) && !is_number(values[TTL]))
		return complain(c, "the TTL is not a number");
	if (has_field(o, COUNT) && !is_number(values[COUNT]))
		return complain(c, "the count is not a number");
	return true;
}

/* The first complaint is about the order that was asked for: that is the one to be told. */
static bool cut(struct reader *r, struct bytes line)
{
	struct complaint other = {""};
	size_t fields = count_fields(line);
	r->complaint.reason[0] = '\0';
	for (size_t i = 0; i < r->n_orders; i++) {
		if (order_fits(&r->orders[i], line, fields, r->values, i ? &other : &r->complaint))
			return true;
	}
	return false;
}

/* What passivedns writes where an answer would be when there was none. Names end in a dot there. */
static bool is_rcode(struct bytes answer)
{
	static const char *const rcodes[] = {"FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMPL",
					     "REFUSED", "YXDOMAIN", "YXRRSET",  "NXRRSET",
					     "NOTAUTH", "NOTZONE"};
	for (size_t i = 0; i < sizeof(rcodes) / sizeof(rcodes[0]); i++) {
		if (bytes_eq(answer, bytes_str(rcodes[i])))
			return true;
	}
	return bytes_has_prefix(answer, bytes_str("UNKNOWN-ERROR-"));
}

static bool is_in(struct bytes class)
{
	return class.n == 0 || bytes_eq(class, bytes_str("IN")) || bytes_eq(class, bytes_str("1"));
}

static uint64_t count_of(struct bytes text)
{
	uint64_t n = 0;
	for (size_t i = 0; i < text.n; i++) {
		unsigned digit = (unsigned)(text.p[i] - '0');
		if (n > (COUNT_MAX - digit) / 10)
			return COUNT_MAX;
		n = n * 10 + digit;
	}
	return n ? n : 1;
}

static bool take_owner(struct reader *r, struct observation *o)
{
	int n = dname_from_text(r->values[QUERY], r->owner);
	if (n < 0)
		return complain(&r->complaint,
				n == ERR_LIMIT
					? "the query is over 255 octets, or a label of it over 63"
					: "the query is not a name");
	o->owner = bytes_of(r->owner, (size_t)n);
	return true;
}

static bool is_family_of_txt(uint16_t type)
{
	return type == RRTYPE_TXT || type == RRTYPE_SPF;
}

/* What passivedns prints is the data's text, of some types its last name or first string alone. */
static bool take_answer(struct reader *r, struct observation *o)
{
	struct bytes text = r->values[ANSWER];
	uint8_t name[DNAME_MAX];
	int rc = logged_rdata(r->parser, text, &r->rdata, o);
	if (rc < 0)
		return complain(&r->complaint, rc == ERR_LIMIT ? "the answer is over 65535 octets"
							       : "the answer is empty");
	if (o->form == RDATA_WIRE || memchr(text.p, ' ', text.n) || text.p[text.n - 1] != '.')
		return true;
	rc = dname_from_text(text, name);
	if (rc > 0)
		logged_name_alone(name, (size_t)rc, &r->rdata, o);
	return true;
}

/* Why a line that fits gives no record; LEFT_OUT_REASONS: it may. */
static enum left_out left_out_of(const struct reader *r, uint16_t type)
{
	if (is_rcode(r->values[ANSWER]))
		return LEFT_OUT_RCODE;
	if (!is_in(r->values[CLASS]))
		return LEFT_OUT_CLASS;
	return rrtype_is_meta(type) ? LEFT_OUT_META : LEFT_OUT_REASONS;
}

static int take_record(struct reader *r, const struct line *line, const struct sink *sink)
{
	struct observation o = {0};
	uint64_t us = 0;
	if (!cut(r, line->text))
		return sink->reject(sink->ctx, line->number, line->text, r->complaint.reason);
	logged_sensor(&r->sensor, r->values[HOSTNAME], sink);
	rrtype_from_text(r->values[TYPE], &o.rrtype);
	enum left_out why = left_out_of(r, o.rrtype);
	if (why != LEFT_OUT_REASONS) {
		sink_left_out(sink, why, 1);
		return 0;
	}
	if (!take_owner(r, &o) || !take_answer(r, &o))
		return sink->reject(sink->ctx, line->number, line->text, r->complaint.reason);
	if (is_family_of_txt(o.rrtype) && o.form == RDATA_WIRE && o.rdata.n >= TXT_FAMILY_LONG) {
		sink_left_out(sink, LEFT_OUT_UNCERTAIN, 1);
		return 0;
	}
	take_time(r->values[TIME], &us);
	o.seen.first_s = o.seen.last_s = us / 1000000;
	o.seen.count = count_of(r->values[COUNT]);
	return sink->observe(sink->ctx, &o);
}

static int take_line(struct reader *r, const struct line *line, const struct sink *sink)
{
	struct line l = *line;
	if (l.too_long)
		return sink->reject(sink->ctx, l.number, l.text, "the line is over 1048576 octets");
	if (l.text.n && l.text.p[l.text.n - 1] == '\r')
		l.text.n--;
	if (line_is_blank(l.text) || l.text.p[0] == '#')
		return 0;
	return take_record(r, &l, sink);
}

/* --- the format --- */

/* One good line is enough; the first one of a log that was cut may be half. */
static bool passivedns_recognises(struct bytes head)
{
	struct order orders[ORDERS_MAX];
	struct bytes values[FIELDS], line;
	struct complaint c = {""};
	uint8_t name[DNAME_MAX];
	size_t n = orders_of(NULL, orders);
	while (head_line(&head, &line)) {
		size_t fields = count_fields(line);
		for (size_t i = 0; i < n && line.n && line.p[0] != '#'; i++) {
			if (fields >= orders[i].n &&
			    order_fits(&orders[i], line, fields, values, &c) &&
			    dname_from_text(values[QUERY], name) > 0 && values[ANSWER].n)
				return true;
		}
	}
	return false;
}

static struct reader *passivedns_open(const struct reader_options *opt, struct err *e)
{
	const char *spec = opt ? opt->fields : NULL;
	if (spec && check_fields(spec, e) < 0)
		return NULL;
	struct reader *r = xcalloc(1, sizeof(*r));
	r->parser = rdata_parser_new();
	r->n_orders = orders_of(spec, r->orders);
	return r;
}

/* With other fields the same lines tell other records. */
static void passivedns_identity(const struct reader_options *opt, struct buffer *out)
{
	if (opt && opt->fields)
		buffer_putf(out, "fields %s", opt->fields);
}

static int passivedns_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	return lines_feed(&r->lines, run, take_line, r, sink);
}

static int passivedns_finish(struct reader *r, const struct sink *sink)
{
	return lines_finish(&r->lines, take_line, r, sink);
}

static void passivedns_close(struct reader *r)
{
	if (!r)
		return;
	lines_release(&r->lines);
	rdata_parser_free(r->parser);
	buffer_release(&r->sensor);
	buffer_release(&r->rdata);
	free(r);
}

const struct reader_format passivedns_format = {
	.name = "passivedns",
	.help = "log of gamelinux/passivedns: fields divided by ||",
	.recognises = passivedns_recognises,
	.open = passivedns_open,
	.feed = passivedns_feed,
	.finish = passivedns_finish,
	.position = lines_position,
	.resume = lines_resume,
	.identity = passivedns_identity,
	.close = passivedns_close,
};
