/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Giving up root before anything that came from outside is looked at. */
#pragma once

#include <stdbool.h>

struct rights {
	const char *run_as; /* a user's name; NULL: as below */
	const char *store;  /* the store that is going to be written, a URI; NULL: none */
	bool root_store; /* root stays where the store is root's, as nobody else could write it */
};

/* Becomes the user of run_as for good, root included. Without it the owner of the store's folder,
 * or of the folder that it is going to be made in; where that is root, or there is no store,
 * dribble, or nobody. Who is not root stays who he is. Returns 0, or a negative code when that was
 * said on stderr. */
int rights_drop(const char *command, const struct rights *r);
