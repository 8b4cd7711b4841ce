/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections that nothing will come of while no request is under way: their client has gone, or sends half a head, an octet now and
 * then.
 *
 * libmicrohttpd's epoll loop does not see the end of a stream that arrives together with the last bytes of half a request, and
 * would keep the connection until it times out; many such clients could fill all places. And its timeout is one of silence alone. This watches for both.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hangups;
struct watched; /* one connection */

/* timeout_ms: how long a connection may be without a request under way. */
struct hangups *hangups_new(uint64_t timeout_ms);
/* No connection may be watched any more. */
void hangups_free(struct hangups *h);

struct watched *hangups_add(struct hangups *h, int fd);
/* Before fd is closed. */
void hangups_remove(struct hangups *h, struct watched *w);
/* Something of it is under way, or no longer; either is a sign of life. w may be NULL. */
void hangups_busy(struct watched *w, bool busy);
