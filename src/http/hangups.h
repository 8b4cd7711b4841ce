/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections whose client has gone while no request is under way.
 *
 * libmicrohttpd's epoll loop does not see the end of a stream that arrives together with the last bytes of half a request, and
 * would keep the connection until it times out; many such clients could fill all places. This watches for them.
 */
#pragma once

#include <stdbool.h>

struct hangups;
struct watched; /* one connection */

struct hangups *hangups_new(void);
/* No connection may be watched any more. */
void hangups_free(struct hangups *h);

struct watched *hangups_add(struct hangups *h, int fd);
/* Before fd is closed. */
void hangups_remove(struct hangups *h, struct watched *w);
/* Something of it is under way, or no longer; either is a sign of life. w may be NULL. */
void hangups_busy(struct hangups *h, struct watched *w, bool busy);
