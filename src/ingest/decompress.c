/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gzip and zstd. The only file that knows zlib and libzstd. */
#include "ingest/decompress.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/mem.h"

#define OUT_BLOCK ((size_t)256 << 10) /* small enough to stay in the cache until it is parsed */
#define ZSTD_WINDOW_LOG 27            /* 128 MiB: what zstd --long writes */

struct decompressor {
	enum compression kind;
	bool begun;   /* gzip: the library is set up, by the first member */
	bool inside;  /* a member or frame has begun and not ended */
	bool padding; /* gzip: zero octets were seen behind a member */
	bool full;    /* the last run filled the block: more may be pending */
	z_stream gzip;
	ZSTD_DCtx *zstd;
	uint8_t *out; /* OUT_BLOCK octets, owned */
};

enum compression compression_of(struct bytes head)
{
	if (head.n >= 2 && head.p[0] == 0x1f && head.p[1] == 0x8b)
		return COMPRESSION_GZIP;
	if (head.n < 4)
		return COMPRESSION_NONE;
	if (memcmp(head.p, "\x28\xb5\x2f\xfd", 4) == 0)
		return COMPRESSION_ZSTD;
	/* A skippable frame, which pzstd writes first. */
	if ((head.p[0] & 0xf0) == 0x50 && memcmp(head.p + 1, "\x2a\x4d\x18", 3) == 0)
		return COMPRESSION_ZSTD;
	return COMPRESSION_NONE;
}

struct decompressor *decompress_open(enum compression kind)
{
	struct decompressor *d = xcalloc(1, sizeof(*d));
	d->kind = kind;
	if (kind == COMPRESSION_NONE)
		return d;
	d->out = xmalloc(OUT_BLOCK);
	if (kind == COMPRESSION_ZSTD) {
		d->zstd = ZSTD_createDCtx();
		if (d->zstd)
			ZSTD_DCtx_setParameter(d->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG);
	}
	return d;
}

void decompress_close(struct decompressor *d)
{
	if (!d)
		return;
	if (d->begun)
		inflateEnd(&d->gzip);
	ZSTD_freeDCtx(d->zstd);
	free(d->out);
	free(d);
}

/* Between members: steps over padding and begins the next one. Returns 0 or a negative error. */
static int gzip_begin(struct decompressor *d, struct bytes *in, struct err *e)
{
	while (d->begun && in->n && in->p[0] == 0) {
		d->padding = true;
		*in = bytes_of(in->p + 1, in->n - 1);
	}
	if (!in->n)
		return 0;
	if (d->begun && (d->padding || in->p[0] != 0x1f))
		return err_set(e, ERR_CORRUPT, "something follows the gzip data that is not gzip");
	int rc = d->begun ? inflateReset(&d->gzip) : inflateInit2(&d->gzip, 16 + MAX_WBITS);
	if (rc != Z_OK)
		return err_set(e, ERR_NOMEM, "out of memory for the gzip data");
	d->begun = true;
	d->inside = true;
	return 0;
}

static int gzip_next(struct decompressor *d, struct bytes *in, size_t *ret_n, struct err *e)
{
	*ret_n = 0;
	while (*ret_n < OUT_BLOCK && (in->n || d->full)) {
		if (!d->inside) {
			d->full = false;
			int rc = gzip_begin(d, in, e);
			if (rc < 0)
				return rc;
			continue;
		}
		z_stream *z = &d->gzip;
		uInt offered = in->n < UINT_MAX ? (uInt)in->n : UINT_MAX;
		z->next_in = (Bytef *)(uintptr_t)in->p; /* zlib does not write there */
		z->avail_in = offered;
		z->next_out = d->out + *ret_n;
		z->avail_out = (uInt)(OUT_BLOCK - *ret_n);
		int rc = inflate(z, Z_NO_FLUSH);
		if (offered)
			*in = bytes_of(in->p + (offered - z->avail_in),
				       in->n - (offered - z->avail_in));
		*ret_n = OUT_BLOCK - z->avail_out;
		d->full = z->avail_out == 0;
		if (rc == Z_STREAM_END)
			d->inside = false;
		else if (rc == Z_MEM_ERROR)
			return err_set(e, ERR_NOMEM, "out of memory for the gzip data");
		else if (rc != Z_OK && rc != Z_BUF_ERROR)
			return err_set(e, ERR_CORRUPT, "corrupt gzip data: %s",
				       z->msg ? z->msg : "it needs a dictionary");
	}
	return 0;
}

static int zstd_next(struct decompressor *d, struct bytes *in, size_t *ret_n, struct err *e)
{
	ZSTD_outBuffer out = {d->out, OUT_BLOCK, 0};
	ZSTD_inBuffer from = {in->p, in->n, 0};
	if (!d->zstd)
		return err_set(e, ERR_NOMEM, "out of memory for the zstd data");
	while (out.pos < out.size && (from.pos < from.size || d->full)) {
		size_t left = ZSTD_decompressStream(d->zstd, &out, &from);
		if (ZSTD_isError(left)) {
			switch (ZSTD_getErrorCode(left)) {
			case ZSTD_error_memory_allocation:
				return err_set(e, ERR_NOMEM, "out of memory for the zstd data");
			case ZSTD_error_frameParameter_windowTooLarge:
				return err_set(e, ERR_LIMIT, "the zstd window is over 128 MiB");
			default:
				return err_set(e, ERR_CORRUPT, "corrupt zstd data: %s",
					       ZSTD_getErrorName(left));
			}
		}
		d->inside = left != 0;
		d->full = d->inside && out.pos == out.size;
	}
	*in = bytes_of(in->p + from.pos, in->n - from.pos);
	*ret_n = out.pos;
	return 0;
}

int decompress_next(struct decompressor *d, struct bytes *in, struct bytes *ret_run, struct err *e)
{
	if (d->kind == COMPRESSION_NONE) {
		*ret_run = *in;
		*in = bytes_of(NULL, 0);
		return ret_run->n > 0;
	}
	if (!in->n && !d->full)
		return 0;
	size_t n = 0;
	int rc = d->kind == COMPRESSION_GZIP ? gzip_next(d, in, &n, e) : zstd_next(d, in, &n, e);
	if (rc < 0)
		return rc;
	*ret_run = bytes_of(d->out, n);
	return n > 0;
}

int decompress_finish(struct decompressor *d, struct err *e)
{
	if (!d->inside)
		return 0;
	return err_set(e, ERR_CORRUPT, "the %s data is cut off",
		       d->kind == COMPRESSION_GZIP ? "gzip" : "zstd");
}
