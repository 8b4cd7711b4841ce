/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the fuzz targets of readers share: the same observations, rejects, left out things and
 * position whether the input comes in one run or in many, and every observation is well formed. The
 * first octet seeds the cuts. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/reader.h"
#include "model/dname.h"
#include "model/rrtype.h"

#include "log_kit.h"

static int observe(void *ctx, const struct observation *o)
{
	struct buffer *log = ctx;
	const struct seen *s = &o->seen;
	require(dname_wire_len(o->owner.p, o->owner.n) == (int)o->owner.n);
	require(!rrtype_is_meta(o->rrtype));
	require(o->rdata.n <= RDATA_MAX);
	require(o->form == RDATA_WIRE || (o->form == RDATA_OPAQUE && o->rdata.n > 0));
	require(s->count <= COUNT_MAX && (s->count || s->zone_last_s));
	require(s->first_s <= s->last_s && s->last_s <= TIME_MAX);
	require(s->zone_first_s <= s->zone_last_s && s->zone_last_s <= TIME_MAX);
	require(s->sensor_id.n <= MEMBER_MAX && s->bailiwick.n <= MEMBER_MAX);
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
	struct buffer *log = ctx;
	require(place > 0 && reason && *reason && input.n <= LINE_MAX_BYTES);
	put_number(log, place);
	put_text(log, input);
	put_text(log, bytes_str(reason));
	return 0;
}

static void left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct buffer *log = ctx;
	require(why < LEFT_OUT_REASONS && n > 0);
	put_number(log, why);
	put_number(log, n);
}

static void sensor(void *ctx, struct bytes id)
{
	struct buffer *log = ctx;
	require(id.n <= MEMBER_MAX);
	put_text(log, id);
}

/* seed 0: one run. Each run is alone on the heap and gone when the next one comes. */
static void read_all(const struct reader_format *f, struct bytes text, uint32_t seed,
		     struct buffer *log)
{
	const struct sink sink = {.observe = observe,
				  .reject = reject,
				  .left_out = left_out,
				  .sensor = sensor,
				  .ctx = log};
	struct reader *r = f->open(NULL, NULL);
	uint64_t bytes, lines;
	uint32_t random = seed;
	for (size_t at = 0, n; at < text.n; at += n) {
		random = random * 1664525u + 1013904223u;
		n = seed ? 1 + (random >> 16) % (seed % 2 ? 7 : 70) : text.n;
		if (n > text.n - at)
			n = text.n - at;
		uint8_t *run = malloc(n);
		require(run != NULL);
		memcpy(run, text.p + at, n);
		require(f->feed(r, bytes_of(run, n), &sink) == 0);
		free(run);
	}
	require(f->finish(r, &sink) == 0);
	f->position(r, &bytes, &lines);
	require(bytes == text.n);
	put_number(log, lines);
	f->close(r);
}

static int fuzz_reader(const struct reader_format *f, const uint8_t *data, size_t size)
{
	struct buffer whole = BUFFER_INIT, pieces = BUFFER_INIT;
	if (size < 1)
		return 0;
	struct bytes text = bytes_of(data + 1, size - 1);
	(void)f->recognises(text);
	read_all(f, text, 0, &whole);
	read_all(f, text, data[0] + 1u, &pieces);
	require(bytes_eq(buffer_bytes(&whole), buffer_bytes(&pieces)));
	buffer_release(&whole);
	buffer_release(&pieces);
	return 0;
}
