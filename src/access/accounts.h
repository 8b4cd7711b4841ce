/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The accounts: who may ask and feed. A text file, one account a line:
 *
 *     NAME ROLES STYLE PASSWORD [TOKEN]…
 *
 *     anna reader        circl $argon2id$v=19$m=65536,t=2,p=1$…$…
 *     sie  reader,feeder -     -   1f00…64 hexadecimal digits…
 *
 * NAME is 1 to 64 of [A-Za-z0-9._@+-]; ROLES are reader and feeder, separated by a comma, and perhaps no-active behind them; STYLE is
 * circl, cof, doc or - for the server's; PASSWORD an argon2id string or - for none; a TOKEN is the
 * BLAKE2b-256 of the token's text. Blank lines and lines starting with # are skipped (and not kept
 * when the file is rewritten). One name has one line.
 *
 * A struct accounts is either read (accounts_load, accounts_parse: never changes, any number of
 * threads may look) or being edited by one thread (accounts_begin … accounts_commit), which holds
 * the lock file PATH.lock, so that two edits at once are one after the other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "access/secret.h"
#include "base/bytes.h"
#include "base/err.h"

#define ACCOUNT_NAME_MAX 64
#define ACCOUNT_TOKENS_MAX 64                 /* tokens of one account */
#define ACCOUNTS_FILE_MAX ((size_t)128 << 20) /* octets of the file */

enum account_role {
	ACCOUNT_READER = 1 << 0,
	ACCOUNT_FEEDER = 1 << 1,
	ACCOUNT_NO_ACTIVE = 1 << 2, /* no role: what it looks up is not asked of the living DNS */
};

enum account_style {
	ACCOUNT_STYLE_NONE = -1, /* the server's */
	ACCOUNT_STYLE_CIRCL = 0,
	ACCOUNT_STYLE_COF = 1,
	ACCOUNT_STYLE_DOC = 2,
};

struct account {
	char name[ACCOUNT_NAME_MAX + 1];
	unsigned roles;            /* enum account_role */
	int style;                 /* enum account_style */
	char *password;            /* owned: an argon2id string, NULL for none */
	struct token_hash *tokens; /* owned */
	size_t n_tokens;
};

struct accounts;

/* Reads the text of a file; errors are "PATH:LINE: …" (ERR_SYNTAX, ERR_LIMIT). */
int accounts_parse(const char *path, struct bytes text, struct accounts **ret_accounts,
		   struct err *e);
/* Reads a file. ret_stat, when not NULL, tells which version of it was read. ERR_NOTFOUND when
 * there is no file. */
int accounts_load(const char *path, struct accounts **ret_accounts, struct stat *ret_stat,
		  struct err *e);
struct accounts *accounts_new(void);
/* Takes NULL too. An edit that was not committed is given up. */
void accounts_free(struct accounts *accounts);

size_t accounts_count(const struct accounts *accounts);
/* In the order of their names (bytes). The account belongs to `accounts`. */
const struct account *accounts_at(const struct accounts *accounts, size_t i);
const struct account *accounts_find(const struct accounts *accounts, struct bytes name);
/* Not while editing. */
const struct account *accounts_find_token(const struct accounts *accounts,
					  const struct token_hash *hash);

/* Waits for the lock, then reads the file (or starts empty when there is none). The folder must
 * exist. */
int accounts_begin(const char *path, struct accounts **ret_accounts, struct err *e);
/* Writes the file anew: after a crash it is the old or the new one. Then accounts_free. */
int accounts_commit(struct accounts *accounts, struct err *e);

/* Each fails without having changed anything: ERR_EXISTS, ERR_NOTFOUND, ERR_LIMIT, ERR_SYNTAX. */
int accounts_add(struct accounts *accounts, const char *name, unsigned roles, int style,
		 struct err *e);
/* hash is a string of password_hash; it is copied. */
int accounts_set_password(struct accounts *accounts, const char *name, const char *hash,
			  struct err *e);
int accounts_add_token(struct accounts *accounts, const char *name, const struct token_hash *hash,
		       struct err *e);
int accounts_drop_tokens(struct accounts *accounts, const char *name, struct err *e);
/* Whether what it looks up may be asked of the living DNS. */
int accounts_set_active(struct accounts *accounts, const char *name, bool active, struct err *e);
int accounts_delete(struct accounts *accounts, const char *name, struct err *e);

bool account_name_is_valid(struct bytes name);
/* "reader", "reader,feeder", and with no-active; false for anything else, and for no role. */
bool account_roles_parse(struct bytes text, unsigned *ret_roles);
const char *account_roles_text(unsigned roles);
/* "circl", "cof", "doc" or "-". */
bool account_style_parse(struct bytes text, int *ret_style);
const char *account_style_text(int style);
