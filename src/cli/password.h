/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A password from a person or from a pipe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/limits.h"

struct password {
	uint8_t text[PASSWORD_MAX + 1];
	size_t n;
};

/* Asks twice on the terminal, without echo; or reads one line of standard input when that is no
 * terminal or from_stdin. */
int password_read(struct password *ret_password, bool from_stdin, struct err *e);
/* Wipes it. */
void password_release(struct password *password);
