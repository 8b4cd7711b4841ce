/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The COF reader against one made of jansson and of what ingest/cof.h says: the same lines taken and rejected, the same
 * observations with the same values. What both take from the model (names, types, data) has targets of its own. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/logged.h"
#include "ingest/reader.h"
#include "model/dname.h"
#include "model/rrtype.h"

#include "log_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- what was read, as octets --- */

static int observe(void *ctx, const struct observation *o)
{
	struct buffer *log = ctx;
	const struct seen *s = &o->seen;
	buffer_put_byte(log, 'o');
	put_text(log, o->owner);
	put_number(log, o->rrtype);
	put_number(log, o->form);
	put_text(log, o->rdata);
	put_number(log, s->count);
	put_number(log, s->first_s);
	put_number(log, s->last_s);
	put_number(log, s->zone_first_s);
	put_number(log, s->zone_last_s);
	put_text(log, s->sensor_id);
	put_text(log, s->bailiwick);
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	(void)place, (void)input, (void)reason;
	buffer_put_byte(ctx, 'r');
	return 0;
}

/* --- the other reader --- */

static struct bytes text_of(const json_t *v)
{
	return bytes_of(json_string_value(v), json_string_length(v));
}

/* A member that is there and not null. */
static const json_t *member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);
	return json_is_null(v) ? NULL : v;
}

static bool number_of(const json_t *v, uint64_t max, uint64_t *ret)
{
	json_t *own = NULL;
	bool good = false;
	if (json_is_string(v)) {
		struct bytes t = text_of(v);
		while (t.n > 1 && t.p[0] == '0' && t.p[1] >= '0' && t.p[1] <= '9')
			t = bytes_of(t.p + 1, t.n - 1);
		/* Nothing around it, where jansson would step over blanks. */
		bool bare = t.n && (t.p[0] == '-' || (t.p[0] >= '0' && t.p[0] <= '9')) && t.p[t.n - 1] >= '0' && t.p[t.n - 1] <= '9';
		v = own = bare ? json_loadb((const char *)t.p, t.n, JSON_DECODE_ANY, NULL) : NULL;
	}
	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);
		good = n >= 0 && (uint64_t)n <= max;
		*ret = (uint64_t)n;
	} else if (json_is_real(v)) {
		double n = json_real_value(v);
		good = n > -1 && n < 9e18 && (n < 1 || (uint64_t)n <= max);
		*ret = good && n >= 1 ? (uint64_t)n : 0;
	}
	json_decref(own);
	return good;
}

/* The time in seconds, 0: not known. */
static bool time_of(const json_t *line, const char *name, const char *name_ms, uint64_t *ret)
{
	const json_t *s = member(line, name), *ms = name_ms ? member(line, name_ms) : NULL;
	*ret = 0;
	if (s)
		return number_of(s, TIME_MAX, ret);
	if (!ms)
		return true;
	bool good = number_of(ms, TIME_MAX * 1000 + 999, ret);
	*ret /= 1000;
	return good;
}

static void pair_up(uint64_t *first, uint64_t *last)
{
	*first = *first ? *first : *last;
	*last = *last ? *last : *first;
	if (*first > *last) {
		uint64_t swapped = *first;
		*first = *last;
		*last = swapped;
	}
}

static bool seen_of(const json_t *line, struct seen *s)
{
	const json_t *count = member(line, "count");
	uint64_t n = 1;
	if (!time_of(line, "time_first", "time_first_ms", &s->first_s) || !time_of(line, "time_last", "time_last_ms", &s->last_s) ||
	    !time_of(line, "zone_time_first", NULL, &s->zone_first_s) || !time_of(line, "zone_time_last", NULL, &s->zone_last_s) ||
	    (count && !number_of(count, COUNT_MAX, &n)))
		return false;
	pair_up(&s->first_s, &s->last_s);
	pair_up(&s->zone_first_s, &s->zone_last_s);
	s->count = !s->last_s ? 0 : n ? n : 1;
	return s->last_s || s->zone_last_s;
}

/* sensor_id or bailiwick. buffer: for the digits of a number. */
static bool label_of(const json_t *line, const char *name, struct buffer *digits, struct bytes *ret)
{
	const json_t *v = member(line, name);
	*ret = bytes_of(NULL, 0);
	if (json_is_string(v))
		*ret = text_of(v);
	if (json_is_integer(v)) {
		buffer_putf(digits, "%lld", (long long)json_integer_value(v));
		*ret = buffer_bytes(digits);
	}
	return ret->n <= MEMBER_MAX;
}

static bool is_in(const json_t *line, const char *name)
{
	const json_t *v = member(line, name);
	if (!v || json_is_integer(v))
		return !v || json_integer_value(v) == 1;
	const char *text = json_is_string(v) ? json_string_value(v) : "";
	return strcasecmp(text, "in") == 0 || strcmp(text, "1") == 0 || strcasecmp(text, "class1") == 0;
}

static bool type_of(const json_t *v, uint16_t *ret)
{
	if (json_is_string(v))
		return rrtype_from_text(text_of(v), ret) && !rrtype_is_meta(*ret);
	double n = json_is_number(v) ? json_number_value(v) : -1;
	if (!(n >= 0 && n < 65536))
		return false;
	*ret = (uint16_t)n;
	return !rrtype_is_meta(*ret);
}

static bool read_record(struct rdata_parser *parser, const json_t *v, struct observation *o, struct buffer *log)
{
	struct buffer wire = BUFFER_INIT;
	bool good = json_is_string(v) && logged_rdata(parser, text_of(v), &wire, o) == 0;
	if (good)
		observe(log, o);
	buffer_release(&wire);
	return good;
}

static bool read_object(struct rdata_parser *parser, const json_t *line, struct buffer *log)
{
	uint8_t owner[DNAME_MAX];
	struct observation o = {0};
	struct buffer sensor = BUFFER_INIT, bailiwick = BUFFER_INIT;
	const json_t *name = member(line, "rrname"), *rdata = member(line, "rdata");
	int n = json_is_string(name) && json_string_length(name) ? dname_from_text(text_of(name), owner) : -1;
	bool good = n > 0 && type_of(member(line, "rrtype"), &o.rrtype) && rdata && is_in(line, "rrclass") && is_in(line, "class") &&
	            seen_of(line, &o.seen) && label_of(line, "sensor_id", &sensor, &o.seen.sensor_id) &&
	            label_of(line, "bailiwick", &bailiwick, &o.seen.bailiwick);
	o.owner = bytes_of(owner, n > 0 ? (size_t)n : 0);
	if (good && json_is_array(rdata)) {
		size_t records = json_array_size(rdata);
		good = records > 0 && records <= RDATA_ARRAY_MAX;
		for (size_t i = 0; i < records && i < RDATA_ARRAY_MAX; i++)
			good = read_record(parser, json_array_get(rdata, i), &o, log) && good;
	} else if (good) {
		good = read_record(parser, rdata, &o, log);
	}
	buffer_release(&sensor);
	buffer_release(&bailiwick);
	return good;
}

/* False: it is among the texts in which the two are meant to differ (fuzz/ingest/json.c). */
static bool is_comparable(struct bytes line)
{
	unsigned open = 0;
	for (size_t i = 0; i < line.n; i++)
		open += line.p[i] == '[' || line.p[i] == '{';
	bool minus_zero = memmem(line.p, line.n, "-0", 2) != NULL; /* a sensor keeps its digits */
	return open <= JSON_DEPTH_MAX && !memchr(line.p, '\0', line.n) && !minus_zero;
}

static void read_line(struct rdata_parser *parser, struct bytes line, bool first, struct buffer *log)
{
	size_t i = 0;
	if (first && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
		line = bytes_of(line.p + 3, line.n - 3);
	while (i < line.n && memchr(" \t\r", line.p[i], 3))
		i++;
	if (i == line.n)
		return;
	json_t *object = json_loadb((const char *)line.p, line.n, 0, NULL);
	if (!json_is_object(object) || !read_object(parser, object, log))
		buffer_put_byte(log, 'r');
	json_decref(object);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rdata_parser *parser;
	parser = parser ? parser : rdata_parser_new();
	bool first = true;
	while (size) { /* a line at a time: so what cannot be compared costs itself */
		const uint8_t *end = memchr(data, '\n', size);
		size_t n = end ? (size_t)(end - data) : size;
		struct bytes line = bytes_of(data, n);
		struct buffer ours = BUFFER_INIT, theirs = BUFFER_INIT;
		struct sink sink = {.observe = observe, .reject = reject, .ctx = &ours};
		if (n <= LINE_MAX_BYTES && is_comparable(line)) {
			struct reader *r = cof_format.open(NULL, NULL);
			if (!first) /* a byte order mark is one at the start only */
				require(cof_format.feed(r, bytes_str("\n"), &sink) == 0);
			require(cof_format.feed(r, line, &sink) == 0 && cof_format.finish(r, &sink) == 0);
			cof_format.close(r);
			read_line(parser, line, first, &theirs);
			require(bytes_eq(buffer_bytes(&ours), buffer_bytes(&theirs)));
		}
		buffer_release(&ours);
		buffer_release(&theirs);
		first = false;
		data += end ? n + 1 : n;
		size -= end ? n + 1 : n;
	}
	return 0;
}
