/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Live packets of an interface, by way of libpcap. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "ingest/packet.h"

struct live;

struct live_options {
	const char *interface; /* "any": all */
	const char *filter;    /* of pcap-filter(7), applied in the kernel; NULL: everything */
	bool promiscuous;
	unsigned buffer_mib;   /* the kernel's buffer */
};

/* ERR_DENIED, ERR_NOTFOUND, ERR_SYNTAX (the filter), ERR_IO. A warning of libpcap goes to ret_warning, "" when there is none. */
int live_open(const struct live_options *opt, struct live **ret, char ret_warning[static 256], struct err *e);
void live_close(struct live *l); /* takes NULL */

/* The next packet, borrowed until the next call: 1; 0 when there was none for a tenth of a second, or a signal came; ERR_IO. */
int live_next(struct live *l, struct captured *ret, struct err *e);

/* Packets that came, and those that the kernel or the interface dropped as nobody took them in time. */
void live_figures(struct live *l, uint64_t *ret_received, uint64_t *ret_dropped);
