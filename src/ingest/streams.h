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

/* Octets that are held. */
size_t streams_held(const struct streams *s);
