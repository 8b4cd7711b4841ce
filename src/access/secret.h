/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passwords and tokens: how they are made, hashed and compared.
 *
 * A password is hashed with argon2id (64 MiB, some 60 ms); a token is 32 random bytes, so one round
 * of BLAKE2b is enough for it. Clients send the same password as UTF-8 or as latin-1: bytes that
 * are not UTF-8 are taken for latin-1 and turned into UTF-8 before hashing, so both spellings are
 * one password.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define PASSWORD_HASH_MAX 128 /* octets of an argon2id string with its NUL */
#define TOKEN_PREFIX "dribble_"
#define TOKEN_LENGTH 51 /* octets of a token: prefix and 43 of URL-safe base64 */

struct token_hash {
	uint8_t b[32];
};

/* Must succeed once before anything else here; may be called again, from any thread. */
int secret_init(struct err *e);

/* ERR_LIMIT: empty or longer than PASSWORD_MAX. ERR_NOMEM: argon2id did not get its 64 MiB. */
int password_hash(struct bytes password, char ret_hash[PASSWORD_HASH_MAX], struct err *e);

/* 0 the password is right, ERR_DENIED it is wrong, ERR_NOMEM it could not be found out. */
int password_verify(const char *hash, struct bytes password);

/* Takes as long as password_verify with a password that is wrong, and tells nothing. */
int password_verify_nobody(struct bytes password);

/* Whether text is an argon2id string that password_verify can use. */
bool password_hash_is_valid(const char *hash);

/* A new random token, with its NUL. */
void token_new(char ret_token[TOKEN_LENGTH + 1]);

/* False when the text does not have the form of a token. */
bool token_hash_of(struct bytes token, struct token_hash *ret_hash);

/* Hexadecimal with its NUL, and back. */
void token_hash_print(const struct token_hash *hash, char ret_hex[65]);
bool token_hash_parse(struct bytes hex, struct token_hash *ret_hash);
