/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines of COF on their way to a server: in batches, each with a key of its own, so that one that has to be sent again counts once. While the
 * server is away they wait in memory, up to a bound; what comes beyond is dropped and counted. What the server calls too large is
 * sent in halves; what it refuses for good is dropped and counted. A failure is told
 * on standard error when it begins, and when it is another one. */
#pragma once

#include "cli/client.h"

struct sender;

/* sensor: for the header dribble-sensor; NULL: not said. Borrowed, as client. */
struct sender *sender_new(const struct client_options *client, const char *sensor);

/* Takes a batch of lines over and leaves an empty buffer. */
void sender_hand(struct sender *s, struct buffer *lines, uint64_t observations);

struct sender_figures {
	uint64_t sent, dropped, waiting; /* observations */
	uint64_t refused;                /* of dropped: what the server said it never takes */
	struct err error;                /* of the last attempt that failed */
};
void sender_figures(struct sender *s, struct sender_figures *ret);

/* Whether half of the room is taken: who can wait, as the reader of a file can, waits. */
bool sender_is_busy(struct sender *s);

/* Sends what waits, until nothing has arrived for so long, and frees. */
void sender_free(struct sender *s, unsigned grace_ms, struct sender_figures *ret);
