/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A value of any octets: understood or refused, always the same way, as ranges that can be walked. */
#include <stdlib.h>

#include "query/question.h"
#include "store/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_ranges(const struct question *q)
{
	require(q->n > 0);
	for (size_t i = 0; i < q->n; i++) {
		struct bytes prefix = q->ranges[i].prefix;
		require(q->ranges[i].subject_n > 0 && q->ranges[i].subject_n <= prefix.n && prefix.n < KEY_MAX);
		int octets = key_subject_octets(prefix.p[0]);
		require(octets >= 0 && (octets == 0 || q->ranges[i].subject_n == octets));
		require(octets > 0 || prefix.p[q->ranges[i].subject_n - 1] == 0);
		/* No row lies in two ranges: it would be answered twice. */
		for (size_t j = 0; j < i; j++)
			require(!bytes_has_prefix(prefix, q->ranges[j].prefix) &&
				!bytes_has_prefix(q->ranges[j].prefix, prefix));
	}
}

static void check_same(const struct question *a, const struct question *b)
{
	require(a->n == b->n && a->check == b->check);
	for (size_t i = 0; i < a->n; i++)
		require(bytes_eq(a->ranges[i].prefix, b->ranges[i].prefix) && a->ranges[i].type == b->ranges[i].type);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct filter none;
	struct filter some = {.n = 2, .types = {1, 5}};
	struct bytes value = bytes_of(data, size);
	struct question q, again;
	struct err e = {""};
	int rc = question_parse(value, &none, NULL, &q, &e);
	if (rc < 0) {
		require((rc == ERR_SYNTAX || rc == ERR_LIMIT || rc == ERR_UNSUPPORTED) && e.text[0]);
		require(question_parse(value, &none, NULL, &again, &e) == rc);
		return 0;
	}
	require(rc == 0);
	check_ranges(&q);
	require(question_parse(value, &none, NULL, &again, &e) == 0);
	check_same(&q, &again);
	question_release(&again);
	require(question_parse(value, &some, NULL, &again, &e) == 0);
	check_ranges(&again);
	for (size_t i = 0; i < again.n; i++)
		require(again.ranges[i].type == 1 || again.ranges[i].type == 5);
	question_release(&again);
	question_release(&q);
	return 0;
}
