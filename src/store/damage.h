/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passing over what is damaged, where somebody wants that (struct store_options). */
#pragma once

#include "base/err.h"
#include "store/store.h"

/* True: it was told, and is no error any more. */
static inline bool damage_is_passed(const struct damage *d, int rc, const struct err *e)
{
	bool damaged = rc == ERR_CORRUPT || rc == ERR_IO || rc == ERR_NOTFOUND || rc == ERR_DENIED;
	if (damaged && d->tell)
		d->tell(d->ctx, e->text);
	return damaged && d->tell;
}
