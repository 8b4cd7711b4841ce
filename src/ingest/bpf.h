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

/* Whether a packet passes: 1 or 0; ERR_UNSUPPORTED for link types for which the expression makes no sense. */
int bpf_passes(struct bpf *b, const struct captured *c);
