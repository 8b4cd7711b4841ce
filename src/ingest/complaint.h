/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is wrong with the line in work: the first complaint is the one that is told. */
#pragma once

#include <stdbool.h>

struct complaint {
	char reason[120]; /* empty: there is none */
};

/* Always false, so that a function that looks at a line can end with it. */
bool complain(struct complaint *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
