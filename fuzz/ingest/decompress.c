/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decompression: any octets are an error or a stream, and the same whether they come in one piece
 * or in many. The first octet seeds the cuts, the magic of the rest tells the kind. */
#include <stdlib.h>
#include <string.h>

#include "ingest/decompress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

#define OUTPUT_MAX ((size_t)8 << 20) /* bombs take too long to fuzz with */

struct result {
	int rc;
	size_t n;
	uint64_t hash; /* of the output, in pieces that do not depend on the runs */
	bool stopped;  /* at OUTPUT_MAX */
};

static struct result run_all(struct bytes in, uint32_t seed)
{
	struct result r = {0};
	struct err e = {""};
	struct bytes run;
	uint32_t random = seed;
	struct decompressor *d = decompress_open(compression_of(in));
	for (size_t at = 0, n; at < in.n && r.rc >= 0 && !r.stopped; at += n) {
		random = random * 1664525u + 1013904223u;
		n = seed ? 1 + (random >> 16) % (seed % 2 ? 3 : 50) : in.n;
		if (n > in.n - at)
			n = in.n - at;
		uint8_t *piece = malloc(n);
		require(piece != NULL);
		memcpy(piece, in.p + at, n);
		struct bytes rest = bytes_of(piece, n);
		while (!r.stopped && (r.rc = decompress_next(d, &rest, &run, &e)) == 1) {
			require(run.n > 0);
			for (size_t i = 0; i < run.n; i++)
				r.hash = (r.hash ^ run.p[i]) * 0x100000001b3u;
			r.n += run.n;
			r.stopped = r.n > OUTPUT_MAX;
		}
		require(r.stopped || r.rc < 0 || rest.n == 0);
		free(piece);
	}
	if (r.rc == 0 && !r.stopped)
		r.rc = decompress_finish(d, &e);
	require(r.rc >= 0 || e.text[0]);
	decompress_close(d);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct bytes in = bytes_of(data + 1, size - 1);
	struct result whole = run_all(in, 0), pieces = run_all(in, data[0] + 1u);
	if (whole.stopped || pieces.stopped)
		return 0;
	require(whole.rc == pieces.rc);
	require(whole.rc < 0 || (whole.n == pieces.n && whole.hash == pieces.hash));
	return 0;
}
