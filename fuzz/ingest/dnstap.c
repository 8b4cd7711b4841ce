/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dnstap: the same observations, rejects and position whether a file comes in one run or in many,
 * or is left anywhere and taken up by another reader. The first octet seeds the cuts. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/dnstap.h"
#include "model/dname.h"
#include "model/rrtype.h"

#include "log_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int observe(void *ctx, const struct observation *o)
{
	struct buffer *log = ctx;
	require(dname_wire_len(o->owner.p, o->owner.n) == (int)o->owner.n);
	require(!rrtype_is_meta(o->rrtype) && o->rdata.n <= RDATA_MAX);
	require(o->seen.count == 1 && o->seen.first_s == o->seen.last_s);
	require(o->seen.first_s > 0 && o->seen.first_s <= TIME_MAX);
	put_text(log, o->owner);
	put_number(log, o->rrtype);
	put_number(log, o->form);
	put_text(log, o->rdata);
	put_number(log, o->seen.first_s);
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	struct buffer *log = ctx;
	require(place > 0 && reason && *reason && input.n <= FRAME_MAX);
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
	require(id.n <= MEMBER_MAX);
	put_text(ctx, id);
}

static struct sink sink_of(struct buffer *log)
{
	return (struct sink){observe, reject, left_out, sensor, log};
}

/* A run that is alone on the heap. */
static void feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	uint8_t *copy = malloc(run.n + 1);
	require(copy != NULL);
	memcpy(copy, run.p, run.n);
	require(dnstap_format.feed(r, bytes_of(copy, run.n), sink) == 0);
	free(copy);
}

static void read_in_pieces(struct bytes text, uint32_t seed, struct buffer *log)
{
	struct sink sink = sink_of(log);
	struct reader *r = dnstap_format.open(NULL, NULL);
	uint32_t random = seed;
	for (size_t at = 0, n; at < text.n; at += n) {
		random = random * 1664525u + 1013904223u;
		n = 1 + (random >> 16) % (seed % 2 ? 7 : 70);
		if (n > text.n - at)
			n = text.n - at;
		feed(r, bytes_of(text.p + at, n), &sink);
	}
	require(dnstap_format.finish(r, &sink) == 0);
	dnstap_format.close(r);
}

/* As far as cut by one reader, from where that says by another. */
static void read_in_two(struct bytes text, size_t cut, struct buffer *log)
{
	struct sink sink = sink_of(log);
	struct reader *r = dnstap_format.open(NULL, NULL);
	uint64_t bytes, frames;
	feed(r, bytes_of(text.p, cut), &sink);
	dnstap_format.position(r, &bytes, &frames);
	require(bytes <= cut || bytes == UINT64_MAX);
	dnstap_format.close(r);
	r = dnstap_format.open(NULL, NULL);
	if (bytes)
		dnstap_format.resume(r, bytes, frames);
	if (bytes != UINT64_MAX)
		feed(r, bytes_of(text.p + bytes, text.n - bytes), &sink);
	require(dnstap_format.finish(r, &sink) == 0);
	dnstap_format.close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer whole = BUFFER_INIT, pieces = BUFFER_INIT, two = BUFFER_INIT;
	if (size < 2)
		return 0;
	struct bytes text = bytes_of(data + 1, size - 1);
	(void)dnstap_format.recognises(text);
	read_in_two(text, 0, &whole);
	read_in_pieces(text, data[0], &pieces);
	read_in_two(text, (data[0] * 2654435761u) % (text.n + 1), &two);
	require(bytes_eq(buffer_bytes(&whole), buffer_bytes(&pieces)));
	require(bytes_eq(buffer_bytes(&whole), buffer_bytes(&two)));
	buffer_release(&whole);
	buffer_release(&pieces);
	buffer_release(&two);
	return 0;
}
