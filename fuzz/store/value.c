/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values: what decodes is the one encoding of what it says, comes back from its parts, and merges
 * with another into a value. The input is two values, the first as long as its first octet says. */
#include "store/value.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_parts(struct bytes b)
{
	struct value_parts parts;
	if (value_take_apart(b, &parts) != 0)
		return;
	require(parts.timed == value_is_timed(parts.head));
	require(!parts.rest.n || value_has_rest(parts.head));
	uint8_t *to = malloc(1 + 4 + 10 + parts.rest.n);
	require(to != NULL);
	require(bytes_eq(bytes_of(to, (size_t)(value_put_together(&parts, to) - to)), b));
	free(to);
}

static bool check_one(struct bytes b, struct value *v)
{
	struct buffer again = BUFFER_INIT;
	check_parts(b);
	if (value_decode(b, v) != 0)
		return false;
	const struct seen *s = &v->seen;
	require(s->count <= COUNT_MAX && s->last_s <= TIME_MAX && s->zone_last_s <= TIME_MAX);
	require(s->first_s <= s->last_s && s->zone_first_s <= s->zone_last_s);
	value_encode(v, &again);
	require(bytes_eq(buffer_bytes(&again), b));
	buffer_release(&again);
	struct value_parts parts;
	require(value_take_apart(b, &parts) == 0); /* every value has its parts */
	return true;
}

/* Either order gives the same, and that is a value. */
static void check_merged(const struct value *a, const struct value *b)
{
	struct value ab = *a, ba = *b, v;
	struct buffer x = BUFFER_INIT, y = BUFFER_INIT;
	value_merge(&ab, b);
	value_merge(&ba, a);
	if (a->rdata.n && b->rdata.n) /* rows of one key have one rdata */
		ba.rdata = ab.rdata;
	value_encode(&ab, &x);
	value_encode(&ba, &y);
	require(bytes_eq(buffer_bytes(&x), buffer_bytes(&y)));
	require(value_decode(buffer_bytes(&x), &v) == 0);
	require(v.seen.count >= a->seen.count && v.seen.count >= b->seen.count);
	buffer_release(&x);
	buffer_release(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct value a, b;
	if (!size)
		return 0;
	size_t n = data[0] < size - 1 ? data[0] : size - 1;
	bool first = check_one(bytes_of(data + 1, n), &a),
	     second = check_one(bytes_of(data + 1 + n, size - 1 - n), &b);
	if (first && second)
		check_merged(&a, &b);
	if (first)
		check_merged(&a, &a);
	return 0;
}
