/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Observations of live sources on their way into a store: folded in memory for at most so long, or so many, whichever is first,
 * then durable. Any number of sources share one collector, each behind its own entry.
 *
 *	collector_enter(c, entry);           waits while the folds are full: back-pressure, never more memory
 *	format->feed(reader, run, &sink);    the entry's sink
 *	collector_leave(c, entry);
 *
 * What readers reject is logged now and then, with the reason of the last.
 *
 * A thread of the collector's writes what was folded. What cannot be written (a full disk) is kept and tried again; meanwhile
 * collector_enter waits.
 */
#pragma once

#include "base/err.h"
#include "ingest/exclusion.h"
#include "ingest/reader.h"
#include "store/store.h"

struct collector;
struct collector_entry;

struct collector_options {
	struct store *store;               /* borrowed */
	size_t memory;                     /* octets of both folds together */
	uint64_t hold_ms;                  /* longest time in memory only */
	uint64_t hold_observations;        /* most of them */
	const struct exclusion *exclusion; /* borrowed; may be NULL */
};

int collector_new(const struct collector_options *opt, struct collector **ret, struct err *e);
/* Writes what is left, waits for it for at most grace_ms, and frees. All entries must be closed. Negative: something was lost, and
 * the sentence says how many observations. */
int collector_free(struct collector *c, unsigned grace_ms, struct err *e);

/* A source. sensor is the id under which it is counted where its input names none; copied. The sink is valid until the entry
 * is closed, and may be used between enter and leave only. */
struct collector_entry *collector_open(struct collector *c, struct bytes sensor, struct sink *ret_sink);
void collector_close(struct collector_entry *entry);

/* 0, or ERR_CANCELLED when the collector was told to stop while the folds were full. */
int collector_enter(struct collector_entry *entry);
void collector_leave(struct collector_entry *entry);
/* The same without waiting: ERR_BUSY while the folds are full. */
int collector_try_enter(struct collector_entry *entry);
/* Wakes and refuses whoever waits in collector_enter; called before the sources are stopped. */
void collector_stop(struct collector *c);

/* Until everything taken in before the call is durable. Negative when an attempt to write failed: it is kept, and tried again. */
int collector_flush(struct collector *c, struct err *e);

/* n things were dropped before they reached a reader (a full queue): counted for the sensor. Not between enter and leave. */
void collector_dropped(struct collector_entry *entry, uint64_t n);

/* What came through an entry since it was opened, durable or not. */
struct collector_counts {
	uint64_t observations, malformed, dropped, left_out[LEFT_OUT_REASONS];
};
void collector_counts(const struct collector_entry *entry, struct collector_counts *ret);

/* Whether the last attempt to write failed. */
bool collector_is_failing(struct collector *c);
