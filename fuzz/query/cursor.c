/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two things with the same octets: a cursor as a client sends it, and two keys between which one is issued. */
#include <stdlib.h>

#include "query/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static struct question ask(const char *value)
{
	static const struct filter none;
	struct question q;
	require(question_parse(bytes_str(value), &none, NULL, &q, NULL) == 0);
	return q;
}

static void check_foreign(const struct question *q, struct bytes text)
{
	struct position at;
	struct err e = {""};
	int rc = cursor_get(q, text, &at, &e);
	if (rc < 0) {
		require(rc == ERR_SYNTAX && e.text[0]);
		return;
	}
	require(at.range < q->n && at.n <= sizeof(at.suffix));
	if (!bytes_eq(text, bytes_str("0"))) { /* so it is one that was issued: there is no other spelling of it */
		struct buffer out = BUFFER_INIT;
		cursor_put(q, &at, &out);
		require(bytes_eq(buffer_bytes(&out), text));
		buffer_release(&out);
	}
}

static void put_key(struct buffer *out, const struct question *q, struct bytes rest)
{
	buffer_put_bytes(out, q->ranges[0].prefix);
	buffer_put(out, rest.p, rest.n < KEY_MAX / 2 ? rest.n : KEY_MAX / 2);
}

static void check_issued(const struct question *q, const struct question *other, struct bytes a, struct bytes b)
{
	struct buffer last = BUFFER_INIT, next = BUFFER_INIT, text = BUFFER_INIT, at_key = BUFFER_INIT;
	struct position at, back;
	put_key(&last, q, bytes_cmp(a, b) < 0 ? a : b);
	put_key(&next, q, bytes_cmp(a, b) < 0 ? b : a);
	if (bytes_cmp(buffer_bytes(&last), buffer_bytes(&next)) < 0) {
		position_between(q, 0, buffer_bytes(&last), buffer_bytes(&next), &at);
		cursor_put(q, &at, &text);
		require(cursor_get(q, buffer_bytes(&text), &back, NULL) == 0);
		require(back.range == at.range && back.n == at.n && memcmp(back.suffix, at.suffix, at.n) == 0);
		buffer_put_bytes(&at_key, q->ranges[0].prefix);
		buffer_put(&at_key, back.suffix, back.n);
		require(bytes_cmp(buffer_bytes(&last), buffer_bytes(&at_key)) < 0);
		require(bytes_cmp(buffer_bytes(&at_key), buffer_bytes(&next)) <= 0);
		require(cursor_get(other, buffer_bytes(&text), &back, NULL) == ERR_SYNTAX);
	}
	buffer_release(&last);
	buffer_release(&next);
	buffer_release(&text);
	buffer_release(&at_key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct question q = ask("circl.lu"), other = ask("com");
	check_foreign(&q, bytes_of(data, size));
	size_t half = size / 2;
	check_issued(&q, &other, bytes_of(data, half), bytes_of(data + half, size - half));
	if (size) {
		size_t n = data[0] < size ? data[0] : size - 1;
		check_issued(&q, &other, bytes_of(data + 1, n), bytes_of(data + 1 + n, size - 1 - n));
	}
	question_release(&q);
	question_release(&other);
	return 0;
}
