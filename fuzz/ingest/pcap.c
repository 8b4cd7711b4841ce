/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Captures: the same observations, rejects and position whether a file comes in one run or in many, and whatever was read of it is
 * an observation of its time. The first octet seeds the cuts; answers count without their questions. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/reader.h"
#include "model/dname.h"
#include "model/rrtype.h"

#include "log_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int observe(void *ctx, const struct observation *o)
{
	require(dname_wire_len(o->owner.p, o->owner.n) == (int)o->owner.n);
	require(!rrtype_is_meta(o->rrtype) && o->rdata.n <= RDATA_TEXT_MAX);
	require(o->seen.count == 1 && o->seen.first_s == o->seen.last_s && o->seen.first_s > 0);
	buffer_putf(ctx, "%u %zu %llu ", o->rrtype, o->rdata.n, (unsigned long long)o->seen.first_s);
	buffer_put_bytes(ctx, o->owner);
	buffer_put_bytes(ctx, o->rdata);
	return 0;
}

static int reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	require(place > 0 && *reason && input.n <= PACKET_MAX);
	buffer_putf(ctx, "%llu %s", (unsigned long long)place, reason);
	return 0;
}

static void left_out(void *ctx, enum left_out why, uint64_t n)
{
	require(why < LEFT_OUT_REASONS && n > 0);
	buffer_putf(ctx, "%d %llu", why, (unsigned long long)n);
}

static void take(struct bytes all, unsigned seed, const struct reader_options *opt, struct buffer *log)
{
	const struct sink sink = {.observe = observe, .reject = reject, .left_out = left_out, .ctx = log};
	struct reader *r = pcap_format.open(opt, NULL);
	uint64_t bytes, packets;
	while (all.n) {
		size_t n = seed ? 1 + (seed = seed * 1103515245 + 12345) / 65536 % 300 : all.n;
		n = n < all.n ? n : all.n;
		uint8_t *run = malloc(n);
		require(run != NULL);
		memcpy(run, all.p, n);
		require(pcap_format.feed(r, bytes_of(run, n), &sink) == 0);
		free(run);
		all = bytes_of(all.p + n, all.n - n);
	}
	require(pcap_format.finish(r, &sink) == 0);
	pcap_format.position(r, &bytes, &packets);
	buffer_putf(log, "%llu %llu", (unsigned long long)bytes, (unsigned long long)packets);
	pcap_format.close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	const struct reader_options opt = {.unmatched = (data[0] & 1) != 0};
	struct bytes all = bytes_of(data + 1, size - 1);
	struct buffer once = BUFFER_INIT, cut = BUFFER_INIT;
	take(all, 0, &opt, &once);
	take(all, data[0] + 1u, &opt, &cut);
	require(bytes_eq(buffer_bytes(&once), buffer_bytes(&cut)));
	buffer_release(&once);
	buffer_release(&cut);
	return 0;
}
