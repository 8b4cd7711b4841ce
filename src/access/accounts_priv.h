/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What accounts.c and accounts_file.c share. */
#pragma once

#include "access/accounts.h"
#include "base/buffer.h"

struct accounts_token {
	struct token_hash hash;
	size_t account; /* place in p */
};

struct accounts {
	struct account *p; /* owned, sorted by name */
	size_t n;
	size_t cap;
	struct accounts_token *tokens; /* owned, sorted by hash; NULL while editing */
	size_t n_tokens;
	char *path;  /* owned: the file being edited, else NULL */
	int lock_fd; /* owned: the lock file, else -1 */
};

/* The text of the file. */
void accounts_print(const struct accounts *accounts, struct buffer *out);
