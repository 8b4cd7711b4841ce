/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Filters of packets in the language of pcap-filter(7), compiled by libpcap. */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "ingest/packet.h"

struct bpf;

/* ERR_SYNTAX, with libpcap's sentence, when it is no filter. */
int bpf_new(const char *expression, struct bpf **ret, struct err *e);
void bpf_free(struct bpf *b); /* takes NULL */

/* Whether a packet passes. Of a link type for which the expression makes no sense none does. */
bool bpf_passes(struct bpf *b, const struct captured *c);
