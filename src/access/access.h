/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The gate of the running server: an Authorization header in, an identity out.
 *
 * Everything here may be called from any thread at any time. The accounts file is looked at four
 * times a second at most, by a call that happens to come; whoever finds it changed reads it anew
 * while the others go on with the old one. A file that does not parse or cannot be read leaves the
 * old accounts in force and is reported; a file that is gone means that there are no accounts, and
 * everybody is refused.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/accounts.h"
#include "base/bytes.h"
#include "base/err.h"

struct access;

struct identity {
	char name[ACCOUNT_NAME_MAX + 1];
	unsigned roles; /* enum account_role */
	int style;      /* enum account_style */
};

enum access_result {
	ACCESS_OK,
	ACCESS_NEEDS_VERIFY, /* only access_verify can tell; from access_check alone */
	ACCESS_DENIED,
	ACCESS_BUSY, /* too many passwords are being verified: answer 503; from access_verify alone
		      */
};

#define ACCESS_MEMO_MAX 64 /* octets of a header that is remembered: "Bearer " and a token */

/* What a connection remembers of the header that was let in last, so that the next one that is the same need not be hashed. Zeroed is
 * empty. For one thread at a time. */
struct access_memo {
	uint64_t version; /* of the accounts by which it was let in; 0: nothing is remembered */
	size_t n;
	uint8_t header[ACCESS_MEMO_MAX]; /* with zeros behind it */
	struct identity who;
};

/* message is one sentence without a newline, worth a warning in the log. Called by a thread that is
 * in one of the functions below, never twice at once; must not call back. */
typedef void access_report(void *context, const char *message);

struct access_options {
	const char *path;      /* of the accounts file, which need not exist; NULL: there is none */
	access_report *report; /* may be NULL */
	void *context;         /* for report */
	unsigned look_ms;      /* least time between two looks at the file */
	unsigned failure_ms;   /* how long a wrong password is remembered */
};

/* Everything but the path. */
struct access_options access_defaults(void);

/* Fails when there is a file that cannot be read or does not parse. */
int access_new(const struct access_options *options, struct access **ret_access, struct err *e);
/* When no thread is in any other function. Takes NULL too. */
void access_free(struct access *access);

/* Takes about a microsecond. ret_identity is filled for ACCESS_OK only. ACCESS_NEEDS_VERIFY: call
 * access_verify with the same header, on a thread that may wait. */
enum access_result access_check(struct access *access, struct bytes header,
				struct identity *ret_identity);

/* The same, but quicker where the header is the one that was let in last, by a token, and the accounts have not been changed since. What
 * has a password in it, or was refused, is never remembered. */
enum access_result access_check_memo(struct access *access, struct bytes header,
				     struct access_memo *memo, struct identity *ret_identity);
/* Wipes it. */
void access_memo_release(struct access_memo *memo);

/* May take some 60 ms for the password, and waits while two others are being verified. Never gives
 * ACCESS_NEEDS_VERIFY. A name that does not exist takes as long as a wrong password. */
enum access_result access_verify(struct access *access, struct bytes header,
				 struct identity *ret_identity);

size_t access_count_accounts(struct access *access);

/* Whether no account has been known since access_new and the file has always been readable or
 * absent: the case in which a server that listens on loopback may serve everybody. Once false it
 * stays false, also when all accounts are deleted. */
bool access_is_open(struct access *access);
