/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decompression in pieces: members, frames, padding, cut-off and corrupt streams. */
#include "ingest/decompress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buffer.h"

static void put_gzip(struct buffer *b, struct bytes text)
{
	z_stream z = {0};
	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
			 Z_OK);
	size_t room = deflateBound(&z, text.n) + 64;
	z.next_in = (Bytef *)(uintptr_t)text.p;
	z.avail_in = (uInt)text.n;
	z.next_out = buffer_reserve(b, room);
	z.avail_out = (uInt)room;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	b->n += room - z.avail_out;
	deflateEnd(&z);
}

static void put_zstd(struct buffer *b, struct bytes text)
{
	size_t room = ZSTD_compressBound(text.n);
	size_t n = ZSTD_compress(buffer_reserve(b, room), room, text.p, text.n, 3);
	assert_false(ZSTD_isError(n));
	b->n += n;
}

static void put_skippable(struct buffer *b)
{
	buffer_put(b, "\x5a\x2a\x4d\x18\x05\x00\x00\x00hello", 13);
}

/* Decompresses in pieces of step octets; what came out is in out. Returns the first error. */
static int run_all(enum compression kind, struct bytes in, size_t step, struct buffer *out,
		   struct err *e)
{
	struct decompressor *d = decompress_open(kind);
	struct bytes run;
	int rc = 0;
	for (size_t at = 0; at < in.n && rc >= 0; at += step) {
		size_t n = in.n - at < step ? in.n - at : step;
		uint8_t *piece = malloc(n); /* alone on the heap, for the sanitizer */
		memcpy(piece, in.p + at, n);
		struct bytes rest = bytes_of(piece, n);
		while ((rc = decompress_next(d, &rest, &run, e)) == 1) {
			assert_true(run.n > 0);
			buffer_put_bytes(out, run);
		}
		assert_true(rc < 0 || rest.n == 0);
		free(piece);
	}
	if (rc >= 0)
		rc = decompress_finish(d, e);
	decompress_close(d);
	return rc;
}

static const size_t steps[] = {1, 2, 3, 7, 4096, 1 << 20};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void assert_gives(enum compression kind, struct bytes in, struct bytes want)
{
	for (size_t i = 0; i < STEPS; i++) {
		struct buffer out = BUFFER_INIT;
		struct err e = {""};
		if (run_all(kind, in, steps[i], &out, &e) != 0) {
			fprintf(stderr, "# in steps of %zu: %s\n", steps[i], e.text);
			fail();
		}
		assert_int_equal(out.n, want.n);
		if (want.n)
			assert_memory_equal(out.p, want.p, want.n);
		buffer_release(&out);
	}
}

static void assert_fails(enum compression kind, struct bytes in, int code, const char *text)
{
	for (size_t i = 0; i < STEPS; i++) {
		struct buffer out = BUFFER_INIT;
		struct err e = {""};
		assert_int_equal(run_all(kind, in, steps[i], &out, &e), code);
		assert_non_null(strstr(e.text, text));
		buffer_release(&out);
	}
}

static void make_text(struct buffer *b, size_t lines)
{
	for (size_t i = 0; i < lines; i++)
		buffer_putf(b, "{\"rrname\": \"host%zu.example\", \"n\": %zu}\n", i,
			    i * 7919 % 1000);
}

static void test_plain(void **state)
{
	struct buffer text = BUFFER_INIT;
	make_text(&text, 500);
	assert_gives(COMPRESSION_NONE, buffer_bytes(&text), buffer_bytes(&text));
	assert_gives(COMPRESSION_NONE, bytes_of(NULL, 0), bytes_of(NULL, 0));
	buffer_release(&text);
}

static void test_members(void **state)
{
	for (int kind = COMPRESSION_GZIP; kind <= COMPRESSION_ZSTD; kind++) {
		struct buffer text = BUFFER_INIT, packed = BUFFER_INIT;
		make_text(&text, 20000); /* more than an output block */
		if (kind == COMPRESSION_ZSTD)
			put_skippable(&packed);
		for (int i = 0; i < 3; i++) {
			size_t from = text.n * (size_t)i / 3, to = text.n * (size_t)(i + 1) / 3;
			struct bytes part = bytes_of(text.p + from, to - from);
			void (*put)(struct buffer *, struct bytes) =
				kind == COMPRESSION_GZIP ? put_gzip : put_zstd;
			put(&packed, part);
			put(&packed, bytes_of("", 0));
			if (kind == COMPRESSION_ZSTD)
				put_skippable(&packed);
		}
		assert_int_equal(compression_of(buffer_bytes(&packed)), kind);
		assert_gives((enum compression)kind, buffer_bytes(&packed), buffer_bytes(&text));
		if (kind == COMPRESSION_GZIP) { /* tape padding */
			for (int i = 0; i < 1000; i++)
				buffer_put_byte(&packed, 0);
			assert_gives(COMPRESSION_GZIP, buffer_bytes(&packed), buffer_bytes(&text));
		}
		assert_gives((enum compression)kind, bytes_of(NULL, 0), bytes_of(NULL, 0));
		buffer_release(&text);
		buffer_release(&packed);
	}
}

/* A megabyte of one letter in a few octets; and output that ends exactly with the block. */
static void test_ratio(void **state)
{
	for (size_t n = (256 << 10) - 1; n <= (256 << 10) + 1; n++) {
		struct buffer text = BUFFER_INIT, gzip = BUFFER_INIT, zstd = BUFFER_INIT;
		memset(buffer_reserve(&text, n * 4), 'a', n * 4);
		text.n = n * 4;
		put_gzip(&gzip, buffer_bytes(&text));
		put_zstd(&zstd, buffer_bytes(&text));
		assert_gives(COMPRESSION_GZIP, buffer_bytes(&gzip), buffer_bytes(&text));
		assert_gives(COMPRESSION_ZSTD, buffer_bytes(&zstd), buffer_bytes(&text));
		buffer_release(&text);
		buffer_release(&gzip);
		buffer_release(&zstd);
	}
}

/* Every beginning of a stream is cut off, but for the empty one and the end of its first member. */
static void test_cut_off(void **state)
{
	struct buffer gzip = BUFFER_INIT, zstd = BUFFER_INIT;
	put_gzip(&gzip, bytes_str("some text"));
	put_zstd(&zstd, bytes_str("some text"));
	size_t first_gzip = gzip.n, first_zstd = zstd.n;
	put_gzip(&gzip, bytes_str(" and more"));
	put_zstd(&zstd, bytes_str(" and more"));
	for (size_t n = 1; n < gzip.n; n++) {
		if (n != first_gzip)
			assert_fails(COMPRESSION_GZIP, bytes_of(gzip.p, n), ERR_CORRUPT,
				     "the gzip data is cut off");
	}
	for (size_t n = 1; n < zstd.n; n++) {
		if (n != first_zstd)
			assert_fails(COMPRESSION_ZSTD, bytes_of(zstd.p, n), ERR_CORRUPT,
				     "the zstd data is cut off");
	}
	buffer_release(&gzip);
	buffer_release(&zstd);
}

static void test_corrupt(void **state)
{
	struct buffer b = BUFFER_INIT;
	put_gzip(&b, bytes_str("some text"));
	size_t n = b.n;
	b.p[n - 8] ^= 1;
	assert_fails(COMPRESSION_GZIP, buffer_bytes(&b), ERR_CORRUPT, "corrupt gzip data: ");
	b.p[n - 8] ^= 1;
	buffer_put_str(&b, "text");
	assert_fails(COMPRESSION_GZIP, buffer_bytes(&b), ERR_CORRUPT, "something follows");
	b.n = n;
	buffer_put_byte(&b, 0);
	put_gzip(&b, bytes_str("x"));
	assert_fails(COMPRESSION_GZIP, buffer_bytes(&b), ERR_CORRUPT, "something follows");
	buffer_clear(&b);
	put_zstd(&b, bytes_str("some text"));
	buffer_put_str(&b, "text");
	assert_fails(COMPRESSION_ZSTD, buffer_bytes(&b), ERR_CORRUPT, "corrupt zstd data: ");
	buffer_clear(&b);
	assert_fails(COMPRESSION_GZIP, bytes_str("not gzip"), ERR_CORRUPT, "corrupt gzip data: ");
	assert_fails(COMPRESSION_ZSTD, bytes_str("not zstd"), ERR_CORRUPT, "corrupt zstd data: ");
	buffer_release(&b);
}

/* A frame that wants a window of 256 MiB. */
static void test_window(void **state)
{
	static const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3, 0x01, 0x00, 0x00};
	assert_fails(COMPRESSION_ZSTD, bytes_of(frame, sizeof(frame)), ERR_LIMIT,
		     "the zstd window is over 128 MiB");
}

static void test_magic(void **state)
{
	assert_int_equal(compression_of(bytes_of(NULL, 0)), COMPRESSION_NONE);
	assert_int_equal(compression_of(bytes_str("\x1f")), COMPRESSION_NONE);
	assert_int_equal(compression_of(bytes_str("\x1f\x8b")), COMPRESSION_GZIP);
	assert_int_equal(compression_of(bytes_str("\x28\xb5\x2f")), COMPRESSION_NONE);
	assert_int_equal(compression_of(bytes_str("\x28\xb5\x2f\xfd")), COMPRESSION_ZSTD);
	assert_int_equal(compression_of(bytes_str("\x50\x2a\x4d\x18")), COMPRESSION_ZSTD);
	assert_int_equal(compression_of(bytes_str("\x5f\x2a\x4d\x18")), COMPRESSION_ZSTD);
	assert_int_equal(compression_of(bytes_str("\x60\x2a\x4d\x18")), COMPRESSION_NONE);
	assert_int_equal(compression_of(bytes_str("{\"rrname\":")), COMPRESSION_NONE);
	decompress_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),   cmocka_unit_test(test_members),
		cmocka_unit_test(test_ratio),   cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_corrupt), cmocka_unit_test(test_window),
		cmocka_unit_test(test_magic),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
