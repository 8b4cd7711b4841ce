/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Complaints about lines. */
#include "ingest/complaint.h"

#include <stdarg.h>
#include <stdio.h>

bool complain(struct complaint *c, const char *fmt, ...)
{
	if (c->reason[0])
		return false;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
	return false;
}
