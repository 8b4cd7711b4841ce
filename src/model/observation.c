/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Merging what was seen. */
#include "model/observation.h"

#include "base/limits.h"

static void merge_text(struct bytes *a, struct bytes b)
{
	if (b.n && (!a->n || bytes_cmp(b, *a) < 0))
		*a = b;
}

void seen_merge(struct seen *s, const struct seen *more)
{
	if (more->count) {
		if (!s->count || more->first_s < s->first_s)
			s->first_s = more->first_s;
		if (!s->count || more->last_s > s->last_s)
			s->last_s = more->last_s;
		s->count += more->count; /* both are at most COUNT_MAX: no overflow */
		if (s->count > COUNT_MAX)
			s->count = COUNT_MAX;
	}
	if (more->zone_last_s) {
		if (!s->zone_last_s || more->zone_first_s < s->zone_first_s)
			s->zone_first_s = more->zone_first_s;
		if (more->zone_last_s > s->zone_last_s)
			s->zone_last_s = more->zone_last_s;
	}
	merge_text(&s->sensor_id, more->sensor_id);
	merge_text(&s->bailiwick, more->bailiwick);
}
