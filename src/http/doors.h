/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where connections come in, and which thread each is given to.
 *
 * Threads of libmicrohttpd that accept for themselves take up to ten connections when they wake, so that all those of one client,
 * which keeps them, may come to one thread while another sleeps. Here one thread accepts, and gives each to the desk of its
 * address that has the fewest.
 */
#pragma once

#include <microhttpd.h>
#include <stdatomic.h>

#include "base/err.h"
#include "config/config.h"

struct doors;

/* One daemon of libmicrohttpd, with one thread and no socket of its own. */
struct desk {
	struct doors *doors;       /* borrowed */
	void *owner;               /* of who opened it */
	struct MHD_Daemon *daemon; /* the doors' own; set before doors_open */
	atomic_uint connections;
};

/* connections_max: at once, over all addresses; more wait outside. NULL: no descriptors were left. */
struct doors *doors_new(unsigned connections_max);
/* After doors_close. Stops all daemons, and with them what connections are left. */
void doors_free(struct doors *d);

/* Listens on an address, with so many desks behind it, which are the doors' own. Nobody is let in before doors_open. */
int doors_add(struct doors *d, const struct config_address *address, unsigned desks, void *owner,
              struct desk **ret, struct err *e);
/* The address added as number i, with the port it got. */
const struct config_address *doors_address(const struct doors *d, size_t i);

/* Starts to let in. */
int doors_open(struct doors *d, struct err *e);
/* Lets nobody in any more; nobody listens. Connections stay with their desks. */
void doors_close(struct doors *d);

/* A connection of a desk has ended. By its thread. */
void desk_left(struct desk *desk);
