/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A store with records that are given as lines of COF, for tests of what stands above the store. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "feed/intake.h"
#include "store/keys.h"

/* Takes lines into a store. */
static inline void kit_feed(struct store *s, const char *lines)
{
	struct err e = {""};
	const struct intake_options opt = {.store = s, .format = &cof_format, .memory = 1 << 20};
	struct intake *in = intake_open(&opt, NULL);
	struct note counts;
	if (intake_feed(in, bytes_str(lines), &e) != 0 || intake_finish(in, &e) != 0)
		fail_msg("%s", e.text);
	intake_counts(in, &counts);
	assert_int_equal(counts.rejected, 0);
	intake_close(in);
}

static inline struct store *kit_store(const char *lines)
{
	struct store *s = NULL;
	assert_int_equal(store_open("memory:", STORE_CREATE, NULL, &s, NULL), 0);
	if (lines)
		kit_feed(s, lines);
	return s;
}

/* Appends a line; times and count are the same in all. */
static inline void kit_line(struct buffer *out, const char *owner, const char *type, const char *data)
{
	buffer_putf(out, "{\"rrname\": \"%s\", \"rrtype\": \"%s\", \"rdata\": \"%s\", \"count\": 1, \"time_first\": 5, \"time_last\": 6}\n",
	            owner, type, data);
}

/* What a store holds: keys and values in hexadecimal, a row a line. Notes and sensors, which have the time of the day, are
 * left out. */
static inline char *kit_dump(struct store *s)
{
	static const uint8_t first = KEY_SENSOR + 1;
	struct buffer out = BUFFER_INIT;
	struct bytes key, value;
	struct scan *sc;
	assert_int_equal(scan_begin(s, &sc, NULL), 0);
	int rc = scan_seek(sc, bytes_of(&first, 1), &key, &value, NULL);
	for (; rc == 1; rc = scan_next(sc, &key, &value, NULL)) {
		for (size_t i = 0; i < key.n; i++)
			buffer_putf(&out, "%02x", key.p[i]);
		buffer_put_byte(&out, ' ');
		for (size_t i = 0; i < value.n; i++)
			buffer_putf(&out, "%02x", value.p[i]);
		buffer_put_byte(&out, '\n');
	}
	assert_int_equal(rc, 0);
	scan_end(sc);
	buffer_put_byte(&out, 0);
	return (char *)out.p;
}
