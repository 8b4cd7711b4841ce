/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an Authorization header offers: a user and password, tokens, or both. */
#pragma once

#include <stdbool.h>

#include "access/accounts.h"
#include "base/bytes.h"
#include "base/limits.h"

#define AUTHORIZATION_TOKENS_MAX 4

struct authorization {
	bool has_basic;
	struct bytes user;     /* in text; a valid account name */
	struct bytes password; /* in text */
	uint8_t text[ACCOUNT_NAME_MAX + 1 + PASSWORD_MAX];
	struct bytes tokens[AUTHORIZATION_TOKENS_MAX]; /* borrowed from the header */
	size_t n_tokens;
};

/* Never fails: what cannot be a credential is left out. `Basic BASE64`, `Bearer TOKEN`, `Token
 * TOKEN` (any letter case) and a bare token, several separated by commas; of several Basic the
 * first counts. */
void authorization_parse(struct bytes header, struct authorization *ret_authorization);
/* Wipes the password. */
void authorization_release(struct authorization *authorization);
