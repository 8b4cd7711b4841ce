/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reader gives, on its way into a fold. */
#include "feed/tap.h"

#include "base/limits.h"

static struct bytes short_id(struct bytes id)
{
	return bytes_of(id.p, id.n < MEMBER_MAX ? id.n : MEMBER_MAX);
}

void tap_init(struct tap *t, struct bytes own_id, const struct exclusion *exclusion)
{
	*t = (struct tap){.exclusion = exclusion};
	buffer_put_bytes(&t->own, short_id(own_id));
}

void tap_release(struct tap *t)
{
	buffer_release(&t->own);
	buffer_release(&t->said);
}

static void count(struct tap *t, struct bytes id, enum tally_what what, uint64_t n)
{
	tally_add(fold_tally(t->fold), id, what, n, t->now_s);
}

static struct bytes sensor_of(const struct tap *t)
{
	return t->said.n ? buffer_bytes(&t->said) : buffer_bytes(&t->own);
}

void tap_observe(struct tap *t, const struct observation *o)
{
	struct bytes id = o->seen.sensor_id.n ? o->seen.sensor_id : sensor_of(t);
	if (exclusion_refuses(t->exclusion, o)) {
		t->left_out[LEFT_OUT_EXCLUDED]++;
		count(t, id, (enum tally_what)(TALLY_LEFT_OUT + LEFT_OUT_EXCLUDED), 1);
		return;
	}
	if (t->folder)
		folder_add(t->folder, o);
	else
		fold_add(t->fold, o);
	t->accepted++;
	count(t, id, TALLY_OBSERVED, 1);
}

void tap_reject(struct tap *t)
{
	t->rejected++;
	count(t, sensor_of(t), TALLY_MALFORMED, 1);
}

void tap_left_out(struct tap *t, enum left_out why, uint64_t n)
{
	t->left_out[why] += n;
	count(t, sensor_of(t), (enum tally_what)(TALLY_LEFT_OUT + why), n);
}

void tap_dropped(struct tap *t, uint64_t n)
{
	count(t, sensor_of(t), TALLY_DROPPED, n);
}

void tap_sensor(struct tap *t, struct bytes id)
{
	if (bytes_eq(buffer_bytes(&t->said), short_id(id)))
		return;
	buffer_clear(&t->said);
	buffer_put_bytes(&t->said, short_id(id));
}
