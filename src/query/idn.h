/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Internationalised names (IDNA 2008, RFC 5890), through libidn2. */
#pragma once

#include "base/buffer.h"
#include "base/bytes.h"

/* Appends the A-label form of a name in UTF-8. ERR_SYNTAX when it is no such name. */
int idn_to_alabel(struct bytes utf8, struct buffer *out);
