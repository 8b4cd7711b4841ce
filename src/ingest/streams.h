/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DNS messages out of TCP: each has two octets of length before it (RFC 1035 4.2.2), and segments come cut anywhere, twice, or in
 * another order.
 *
 * Each direction of a connection is a stream of its own. One that was there before the capture began is taken up where a segment looks
 * like the beginning of a message; so is one that lost a segment. Streams that are longest without traffic go first when there are
 * too many.
 */
#pragma once

#include "ingest/packet.h"

struct streams;

struct streams *streams_new(void);
void streams_free(struct streams *s); /* takes NULL */

/* Takes a segment, and calls message for each message that it completes: borrowed during the call. Stops at the first answer that is
 * not 0, and returns it. */
int streams_take(struct streams *s, const struct datagram *d, const struct transport *t,
                 int (*message)(void *ctx, struct bytes wire), void *ctx);

/* The receiver has all of a direction before this number; d and t are of a segment of that direction, of which the addresses and ports are
 * looked at. What is missing before it went past the capture and will not come: goes on behind it. As streams_take. */
int streams_acknowledged(struct streams *s, const struct datagram *d, const struct transport *t, uint32_t number,
                         int (*message)(void *ctx, struct bytes wire), void *ctx);

/* Octets that are held. */
size_t streams_held(const struct streams *s);
