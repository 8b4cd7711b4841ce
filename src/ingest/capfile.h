/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Capture files, pcap and pcapng: runs of octets become packets.
 *
 *	capfile_put(f, run);
 *	while ((rc = capfile_next(f, &packet)) == 1)
 *		...;
 *
 * pcap: both byte orders, microseconds and nanoseconds (draft-ietf-opsawg-pcap). pcapng: sections of either byte order, any number of
 * interfaces, packets in enhanced, simple and obsolete blocks; other blocks are stepped over (draft-ietf-opsawg-pcapng).
 * A packet inside one run is not copied.
 */
#pragma once

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/packet.h"

struct capture_interface {
	uint16_t link;
	uint32_t snaplen;     /* 0: unlimited */
	uint64_t per_second;  /* units of time; 0: a resolution that makes no sense */
	int64_t offset_s;
};

/* All zero is the beginning of a file. */
struct capfile {
	struct bytes run;   /* what is left of it, borrowed */
	struct buffer held; /* the start of a block that a run cut; owned */
	uint64_t skip;      /* octets to step over */
	uint64_t bytes;     /* octets before the block that is next */
	uint64_t count;     /* packets before it */
	uint64_t taken;     /* octets of the block that was handed out last */
	enum { CAPFILE_UNKNOWN, CAPFILE_PCAP, CAPFILE_PCAPNG } kind;
	bool swapped;       /* numbers have this machine's other byte order */
	struct capture_interface *interfaces; /* of the section; owned. pcap has one */
	size_t n_interfaces;
	const char *broken; /* why nothing can be read any more; static */
};

void capfile_release(struct capfile *f);

/* The next run. The one before must be used up. */
void capfile_put(struct capfile *f, struct bytes run);

/* The next packet of the run, borrowed until the next call: 1; 0: there is none, the rest is kept. ERR_SYNTAX: f->broken says why; what
 * follows cannot be read, and every later call says the same. A packet whose time is not told has time 0, and link_type
 * UINT32_MAX when its interface is not. */
int capfile_next(struct capfile *f, struct captured *ret);

/* Whether a packet is kept that is not complete: at the end of input it is cut off. */
bool capfile_is_cut(const struct capfile *f);

/* Whether a file begins as one of a capture. */
bool capfile_begins(struct bytes head);
