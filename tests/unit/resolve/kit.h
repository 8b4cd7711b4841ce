/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names for tests of src/resolve. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/dname.h"

struct kit_name {
	uint8_t wire[DNAME_MAX];
};

static inline struct bytes kit_wire(const char *text, struct kit_name *room)
{
	int n = dname_from_text(bytes_str(text), room->wire);
	assert_true(n > 0);
	return bytes_of(room->wire, (size_t)n);
}
