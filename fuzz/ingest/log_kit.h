/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What fuzz targets compare by: a log of octets in which nothing runs into what follows. */
#pragma once

#include <stdlib.h>

#include "base/buffer.h"

static inline void require(bool ok)
{
	if (!ok)
		abort();
}

static inline void put_number(struct buffer *b, uint64_t n)
{
	buffer_put(b, &n, sizeof(n));
}

static inline void put_text(struct buffer *b, struct bytes s)
{
	put_number(b, s.n);
	buffer_put_bytes(b, s);
}
