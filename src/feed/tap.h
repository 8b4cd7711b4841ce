/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between a reader and a fold: leaves out what the lists say, and counts for the sensor that it is
 * from.
 *
 * The id of the sensor is that of the observation where it names one, else what the reader said
 * last (struct sink, sensor), else the source's own.
 */
#pragma once

#include "base/buffer.h"
#include "feed/fold.h"
#include "feed/folder.h"
#include "ingest/exclusion.h"
#include "ingest/reader.h"

struct tap {
	struct fold *fold;                 /* borrowed; where what comes now goes */
	struct folder *folder;             /* borrowed; who puts it there; NULL: the tap itself */
	const struct exclusion *exclusion; /* borrowed; may be NULL */
	uint64_t now_s;                    /* when what comes now was received */
	struct buffer own, said;           /* ids of sensors */
	/* Since it was made, or the user set them to 0. */
	uint64_t accepted, rejected, left_out[LEFT_OUT_REASONS];
};

void tap_init(struct tap *t, struct bytes own_id, const struct exclusion *exclusion);
void tap_release(struct tap *t);

void tap_observe(struct tap *t, const struct observation *o);
void tap_reject(struct tap *t);
void tap_left_out(struct tap *t, enum left_out why, uint64_t n);
void tap_dropped(struct tap *t, uint64_t n);
void tap_sensor(struct tap *t, struct bytes id);
