/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets in, observations out: what the reader of captures and live capture share. Layers, fragments, TCP and the matching of answers with
 * questions are behind it; the addresses of clients stay there. What it holds is bounded (base/limits.h), and it is deterministic: the same
 * packets give the same observations. */
#pragma once

#include "base/err.h"
#include "ingest/packet.h"
#include "ingest/reader.h"

struct sniffer;

/* Of opt the members ports and unmatched matter; it may be NULL. NULL, with a sentence, when ports is no list of ports. */
struct sniffer *sniffer_new(const struct reader_options *opt, struct err *e);
void sniffer_free(struct sniffer *s); /* takes NULL */

/* 0, or the sink's answer. */
int sniffer_packet(struct sniffer *s, const struct captured *c, const struct sink *sink);
