/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IP fragments until their packet is whole (RFC 791, RFC 8200 4.5).
 *
 * Fragments that overlap otherwise than as exact copies drop their packet (RFC 5722, and for IPv4 as well: nobody sends such, but to
 * deceive). At most FRAGMENTED_MAX packets are held, each for at most FRAGMENT_SECONDS of the capture's time; the oldest goes first.
 */
#pragma once

#include "ingest/packet.h"

struct fragments;

struct fragments *fragments_new(void);
void fragments_free(struct fragments *f); /* takes NULL */

/* Takes a fragment (d->fragment). 1: the packet is whole, d is it, its payload borrowed until the next call; 0: it is not, yet; ERR_SYNTAX:
 * it is dropped, ret_reason says why. */
int fragments_take(struct fragments *f, uint64_t time_s, struct datagram *d, const char **ret_reason);
