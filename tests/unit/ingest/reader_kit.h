/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of readers share: a sink that writes down what it got, and a check that it is the
 *same however the input is cut, and wherever reading is taken up again.
 *
 *	OWNER TYPE RDATA xCOUNT FIRST[-LAST] [zFIRST-LAST] [@SENSOR]     opaque rdata in single quotes
 *	PLACE: REASON
 *	- LEFT OUT [xN]
 */
#pragma once

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/reader.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

struct kit_log {
	struct buffer text;
	struct buffer sensor;
};

static int kit_observe(void *ctx, const struct observation *o)
{
	struct kit_log *l = ctx;
	const struct seen *s = &o->seen;
	dname_to_text(o->owner, &l->text);
	buffer_put_byte(&l->text, ' ');
	rrtype_to_text(o->rrtype, &l->text);
	buffer_put_str(&l->text, o->form == RDATA_OPAQUE ? " '" : " ");
	rdata_to_text(o->rrtype, o->form, o->rdata, &l->text);
	buffer_putf(&l->text, "%s x%" PRIu64 " %" PRIu64, o->form == RDATA_OPAQUE ? "'" : "",
		    s->count, s->first_s);
	if (s->last_s != s->first_s)
		buffer_putf(&l->text, "-%" PRIu64, s->last_s);
	if (s->zone_last_s)
		buffer_putf(&l->text, " z%" PRIu64 "-%" PRIu64, s->zone_first_s, s->zone_last_s);
	if (l->sensor.n)
		buffer_putf(&l->text, " @%.*s", (int)l->sensor.n, (const char *)l->sensor.p);
	buffer_put_byte(&l->text, '\n');
	return 0;
}

static int kit_reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct kit_log *l = ctx;
	assert_true(input.n > 0 && input.n <= LINE_MAX_BYTES);
	buffer_putf(&l->text, "%" PRIu64 ": %s\n", place, reason);
	return 0;
}

static void kit_left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct kit_log *l = ctx;
	buffer_putf(&l->text, "- %s", left_out_name(why));
	if (n != 1)
		buffer_putf(&l->text, " x%" PRIu64, n);
	buffer_put_byte(&l->text, '\n');
}

static void kit_sensor(void *ctx, struct bytes id)
{
	struct kit_log *l = ctx;
	buffer_clear(&l->sensor);
	buffer_put_bytes(&l->sensor, id);
}

static struct sink kit_sink(struct kit_log *l)
{
	return (struct sink){.observe = kit_observe,
			     .reject = kit_reject,
			     .left_out = kit_left_out,
			     .sensor = kit_sensor,
			     .ctx = l};
}

/* Feeds text in runs of step octets, each alone on the heap. */
static void kit_feed(const struct reader_format *f, struct reader *r, struct bytes text,
		     size_t step, const struct sink *sink)
{
	for (size_t at = 0; at < text.n; at += step) {
		size_t n = text.n - at < step ? text.n - at : step;
		uint8_t *run = malloc(n);
		memcpy(run, text.p + at, n);
		assert_int_equal(f->feed(r, bytes_of(run, n), sink), 0);
		free(run);
	}
}

static void kit_compare(struct kit_log *l, const char *want)
{
	buffer_put_byte(&l->text, '\0');
	assert_string_equal((char *)l->text.p, want);
	buffer_release(&l->text);
	buffer_release(&l->sensor);
}

static struct reader *kit_open(const struct reader_format *f, const struct reader_options *opt)
{
	struct err e = {""};
	struct reader *r = f->open(opt, &e);
	if (!r)
		fail_msg("%s", e.text);
	return r;
}

static void kit_read(const struct reader_format *f, const struct reader_options *opt,
		     struct bytes text, size_t step, struct kit_log *l)
{
	uint64_t bytes, lines, lf = 0;
	const struct sink sink = kit_sink(l);
	struct reader *r = kit_open(f, opt);
	kit_feed(f, r, text, step, &sink);
	assert_int_equal(f->finish(r, &sink), 0);
	f->position(r, &bytes, &lines);
	for (size_t i = 0; i < text.n; i++)
		lf += text.p[i] == '\n' || i == text.n - 1;
	assert_int_equal(bytes, text.n);
	assert_int_equal(lines, lf);
	f->close(r);
}

/* Reads a part, then takes it up with another reader, as an import does that was killed there. */
static void kit_read_resumed(const struct reader_format *f, const struct reader_options *opt,
			     struct bytes text, size_t part, struct kit_log *l)
{
	uint64_t bytes, lines;
	struct kit_log dropped = {.text = BUFFER_INIT};
	const struct sink sink = kit_sink(l), drop = kit_sink(&dropped);
	struct reader *r = kit_open(f, opt);
	kit_feed(f, r, bytes_of(text.p, part), part, &sink);
	f->position(r, &bytes, &lines);
	f->close(r);
	assert_true(bytes <= part);
	buffer_clear(&l->sensor);
	r = kit_open(f, opt);
	if (f->replays)
		kit_feed(f, r, bytes_of(text.p, bytes), 4096, &drop);
	else if (bytes)
		f->resume(r, bytes, lines);
	kit_feed(f, r, bytes_of(text.p + bytes, text.n - bytes), 4096, &sink);
	assert_int_equal(f->finish(r, &sink), 0);
	f->close(r);
	buffer_release(&dropped.text);
	buffer_release(&dropped.sensor);
}

/* Reads text in all these ways and compares with what the sink should get. */
static void kit_expect(const struct reader_format *f, const struct reader_options *opt,
		       const char *text, const char *want)
{
	static const size_t steps[] = {1 << 20, 1, 2, 3, 7, 4096};
	struct bytes t = bytes_str(text);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct kit_log l = {.text = BUFFER_INIT};
		kit_read(f, opt, t, steps[i], &l);
		kit_compare(&l, want);
	}
	for (size_t part = 1; part < t.n; part += 1 + t.n / 40) {
		struct kit_log l = {.text = BUFFER_INIT};
		kit_read_resumed(f, opt, t, part, &l);
		kit_compare(&l, want);
	}
}

/* Whether --format auto gives this text to the format. */
static bool kit_is_first_to_recognise(const struct reader_format *f, const char *text)
{
	for (size_t i = 0; reader_formats[i]; i++) {
		if (reader_formats[i]->recognises(bytes_str(text)))
			return reader_formats[i] == f;
	}
	return false;
}
