/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Decides who may pass.
 *
 * DESIGN. A token is found by its hash. A password costs argon2id once; the verdict is then
 * remembered under a hash keyed with a secret of this process:
 *
 *     BLAKE2b-128(key, lengths, user, password, the account's argon2id string)
 *
 * The account's string is part of it, so a verdict stands exactly as long as the account's password
 * does, whatever else changes in the file, and nothing has to be thrown away when it is read anew.
 * For a user who does not exist the string is empty. Right and wrong are kept apart, so that
 * guessing pushes nobody out.
 *
 * `lock` protects the accounts and the verdicts and is held for a microsecond; `file_lock` is held
 * by the one thread that looks at the file, which reads it without `lock`.
 */
#include "access/access.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "access/authorization.h"
#include "access/verdicts.h"
#include "base/clock.h"
#include "base/mem.h"

#define VERIFY_AT_ONCE 2           /* 64 MiB and one processor each */
#define VERIFY_WAITING_MAX 64      /* some 2 s of waiting; more are told to come again */
#define RIGHT_MS (7 * 86400000ull) /* a right password is verified again after a week */
#define RACY_MS 100                /* a file may change again within one tick of its clock */

struct access {
	struct access_options options; /* path is owned */
	uint8_t key[crypto_generichash_KEYBYTES];

	pthread_rwlock_t lock;
	struct accounts *accounts; /* owned; under lock */
	_Atomic uint64_t version;  /* of accounts, from 1 on; changed under lock */
	struct verdicts *right;    /* owned; under lock */
	struct verdicts *wrong;    /* owned; under lock */

	_Atomic uint64_t next_look_ms;
	atomic_bool guarded;

	pthread_mutex_t file_lock;
	struct stat seen;   /* the version that was read last; under file_lock */
	bool has_seen;      /* under file_lock */
	bool racy;          /* seen may have changed without a trace; under file_lock */
	struct err trouble; /* what was reported last; under file_lock */

	sem_t verifying;
	atomic_int waiting;
};

struct access_options access_defaults(void)
{
	return (struct access_options){.look_ms = 250, .failure_ms = 10000};
}

/* The file. */

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static void remember_file(struct access *access, const struct stat *st)
{
	uint64_t changed = (uint64_t)st->st_ctim.tv_sec * 1000 + st->st_ctim.tv_nsec / 1000000;
	access->seen = *st;
	access->has_seen = true;
	/* Not so when the file is from the future: it would be read for ever. */
	access->racy = clock_ms(CLOCK_REALTIME) - changed < RACY_MS;
}

/* Once for every trouble, not at every look. */
static void report(struct access *access, const struct err *trouble)
{
	if (strcmp(access->trouble.text, trouble->text) == 0)
		return;
	access->trouble = *trouble;
	if (access->options.report)
		access->options.report(access->options.context, trouble->text);
}

static void put_in_force(struct access *access, struct accounts *accounts)
{
	if (accounts_count(accounts))
		atomic_store(&access->guarded, true);
	pthread_rwlock_wrlock(&access->lock);
	struct accounts *old = access->accounts;
	access->accounts = accounts;
	atomic_fetch_add(&access->version, 1);
	pthread_rwlock_unlock(&access->lock);
	accounts_free(old);
}

static void file_is_gone(struct access *access)
{
	struct err trouble;
	if (!access->has_seen)
		return;
	access->has_seen = false;
	put_in_force(access, accounts_new());
	err_set(&trouble, ERR_NOTFOUND, "%s is gone: without accounts everybody is refused",
		access->options.path);
	report(access, &trouble);
}

static void look(struct access *access)
{
	const char *path = access->options.path;
	struct accounts *accounts;
	struct stat st;
	struct err e = {""}, trouble;
	int rc;
	if (stat(path, &st) < 0) {
		rc = err_sys(&e, errno, "%s", path);
	} else {
		if (access->has_seen && !access->racy && same_file(&access->seen, &st))
			return;
		rc = accounts_load(path, &accounts, &st, &e);
	}
	if (rc == 0) {
		remember_file(access, &st);
		put_in_force(access, accounts);
		access->trouble.text[0] = '\0';
		return;
	}
	if (rc == ERR_NOTFOUND) {
		file_is_gone(access);
		return;
	}
	/* Somebody meant there to be accounts. */
	atomic_store(&access->guarded, true);
	/* This version stays bad; a file that could not be read may become readable. */
	if (rc == ERR_SYNTAX || rc == ERR_LIMIT)
		remember_file(access, &st);
	err_set(&trouble, rc, "%.400s; the accounts stay as they were", e.text);
	report(access, &trouble);
}

static void refresh(struct access *access)
{
	uint64_t now = now_coarse_ms();
	if (now < atomic_load_explicit(&access->next_look_ms, memory_order_relaxed))
		return;
	if (pthread_mutex_trylock(&access->file_lock) != 0)
		return;
	if (now >= atomic_load_explicit(&access->next_look_ms, memory_order_relaxed)) {
		look(access);
		atomic_store_explicit(&access->next_look_ms, now + access->options.look_ms,
				      memory_order_relaxed);
	}
	pthread_mutex_unlock(&access->file_lock);
}

/* Lifetime. */

static void lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attributes;
	pthread_rwlockattr_init(&attributes);
	/* Else a stream of requests could keep a removed account alive. */
	pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attributes);
	pthread_rwlockattr_destroy(&attributes);
}

int access_new(const struct access_options *options, struct access **ret_access, struct err *e)
{
	struct accounts *accounts = NULL;
	struct stat st;
	int rc = secret_init(e);
	if (rc)
		return rc;
	rc = options->path ? accounts_load(options->path, &accounts, &st, e) : ERR_NOTFOUND;
	if (rc && rc != ERR_NOTFOUND)
		return rc;
	struct access *access = xcalloc(1, sizeof(*access));
	access->options = *options;
	access->options.path = options->path ? xstrdup(options->path) : NULL;
	access->right = xcalloc(1, sizeof(*access->right));
	access->wrong = xcalloc(1, sizeof(*access->wrong));
	crypto_generichash_keygen(access->key);
	lock_init(&access->lock);
	pthread_mutex_init(&access->file_lock, NULL);
	sem_init(&access->verifying, 0, VERIFY_AT_ONCE);
	if (rc == 0)
		remember_file(access, &st);
	put_in_force(access, accounts ? accounts : accounts_new());
	atomic_store(&access->next_look_ms,
		     options->path ? now_coarse_ms() + options->look_ms : UINT64_MAX);
	*ret_access = access;
	return 0;
}

void access_free(struct access *access)
{
	if (!access)
		return;
	sem_destroy(&access->verifying);
	pthread_mutex_destroy(&access->file_lock);
	pthread_rwlock_destroy(&access->lock);
	sodium_memzero(access->key, sizeof(access->key));
	accounts_free(access->accounts);
	free(access->right);
	free(access->wrong);
	free((char *)(uintptr_t)access->options.path);
	free(access);
}

size_t access_count_accounts(struct access *access)
{
	refresh(access);
	pthread_rwlock_rdlock(&access->lock);
	size_t n = accounts_count(access->accounts);
	pthread_rwlock_unlock(&access->lock);
	return n;
}

bool access_is_open(struct access *access)
{
	if (atomic_load_explicit(&access->guarded, memory_order_acquire)) /* for good */
		return false;
	refresh(access);
	return !atomic_load(&access->guarded);
}

/* The decision. */

static void identify(const struct account *account, struct identity *ret_identity)
{
	memcpy(ret_identity->name, account->name, sizeof(ret_identity->name));
	ret_identity->roles = account->roles;
	ret_identity->style = account->style;
}

/* stored is the account's argon2id string, empty when there is none. */
static struct credential_hash hash_credential(const struct access *access,
					      const struct authorization *a, const char *stored)
{
	crypto_generichash_state state;
	struct credential_hash hash;
	uint16_t lengths[2] = {(uint16_t)a->user.n, (uint16_t)a->password.n};
	crypto_generichash_init(&state, access->key, sizeof(access->key), sizeof(hash.b));
	crypto_generichash_update(&state, (const uint8_t *)lengths, sizeof(lengths));
	crypto_generichash_update(&state, a->user.p, a->user.n);
	crypto_generichash_update(&state, a->password.p, a->password.n);
	crypto_generichash_update(&state, (const uint8_t *)stored, strlen(stored));
	crypto_generichash_final(&state, hash.b, sizeof(hash.b));
	sodium_memzero(&state, sizeof(state));
	return hash;
}

static const char *stored_of(const struct account *account)
{
	return account && account->password ? account->password : "";
}

/* Under lock. */
static enum access_result check_basic(struct access *access, const struct authorization *a,
				      struct identity *ret_identity)
{
	if (accounts_count(access->accounts) == 0)
		return ACCESS_DENIED;
	const struct account *account = accounts_find(access->accounts, a->user);
	struct credential_hash hash = hash_credential(access, a, stored_of(account));
	uint64_t now = now_coarse_ms();
	if (account && account->password && verdicts_has(access->right, &hash, now)) {
		identify(account, ret_identity);
		return ACCESS_OK;
	}
	return verdicts_has(access->wrong, &hash, now) ? ACCESS_DENIED : ACCESS_NEEDS_VERIFY;
}

static enum access_result check(struct access *access, const struct authorization *a,
				struct identity *ret_identity)
{
	struct token_hash hashes[AUTHORIZATION_TOKENS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < a->n_tokens; i++)
		n += token_hash_of(a->tokens[i], &hashes[n]);
	if (n == 0 && !a->has_basic)
		return ACCESS_DENIED;

	enum access_result result = ACCESS_DENIED;
	pthread_rwlock_rdlock(&access->lock);
	for (size_t i = 0; i < n && result == ACCESS_DENIED; i++) {
		const struct account *account = accounts_find_token(access->accounts, &hashes[i]);
		if (account) {
			identify(account, ret_identity);
			result = ACCESS_OK;
		}
	}
	if (result == ACCESS_DENIED && a->has_basic)
		result = check_basic(access, a, ret_identity);
	pthread_rwlock_unlock(&access->lock);
	return result;
}

enum access_result access_check(struct access *access, struct bytes header,
				struct identity *ret_identity)
{
	struct authorization a;
	refresh(access);
	authorization_parse(header, &a);
	enum access_result result = check(access, &a, ret_identity);
	authorization_release(&a);
	return result;
}

/* Compares in constant time. */
static bool remembers(struct access *access, const struct access_memo *memo, struct bytes header)
{
	uint8_t padded[ACCESS_MEMO_MAX] = {0};
	if (!memo->version || memo->n != header.n ||
	    memo->version != atomic_load_explicit(&access->version, memory_order_acquire))
		return false;
	memcpy(padded, header.p, header.n);
	bool same = crypto_verify_64(padded, memo->header) == 0;
	sodium_memzero(padded, sizeof(padded));
	return same;
}

enum access_result access_check_memo(struct access *access, struct bytes header,
				     struct access_memo *memo, struct identity *ret_identity)
{
	struct authorization a;
	refresh(access);
	if (remembers(access, memo, header)) {
		*ret_identity = memo->who;
		return ACCESS_OK;
	}
	/* Read before it is looked for: when the accounts change meanwhile the memo is of no use. */
	uint64_t version = atomic_load(&access->version);
	authorization_parse(header, &a);
	enum access_result result = check(access, &a, ret_identity);
	if (result == ACCESS_OK && !a.has_basic && header.n <= ACCESS_MEMO_MAX) {
		*memo = (struct access_memo){.version = version, .n = header.n, .who = *ret_identity};
		memcpy(memo->header, header.p, header.n);
	}
	authorization_release(&a);
	return result;
}

void access_memo_release(struct access_memo *memo)
{
	sodium_memzero(memo, sizeof(*memo));
}

/* Runs argon2id and remembers the verdict. */
static enum access_result verify(struct access *access, const struct authorization *a,
				 struct identity *ret_identity)
{
	char stored[PASSWORD_HASH_MAX];
	pthread_rwlock_rdlock(&access->lock);
	snprintf(stored, sizeof(stored), "%s", stored_of(accounts_find(access->accounts, a->user)));
	pthread_rwlock_unlock(&access->lock);

	int rc = *stored ? password_verify(stored, a->password)
			 : password_verify_nobody(a->password);
	if (rc == ERR_NOMEM)
		return ACCESS_BUSY;

	struct credential_hash hash = hash_credential(access, a, stored);
	uint64_t now = now_coarse_ms();
	pthread_rwlock_wrlock(&access->lock);
	if (rc == 0)
		verdicts_put(access->right, &hash, now + RIGHT_MS);
	else
		verdicts_put(access->wrong, &hash, now + access->options.failure_ms);
	pthread_rwlock_unlock(&access->lock);
	if (rc)
		return ACCESS_DENIED;

	/* Against the accounts as they are now: the password may have changed meanwhile. */
	enum access_result result = check(access, a, ret_identity);
	return result == ACCESS_NEEDS_VERIFY ? ACCESS_DENIED : result;
}

enum access_result access_verify(struct access *access, struct bytes header,
				 struct identity *ret_identity)
{
	struct authorization a;
	refresh(access);
	authorization_parse(header, &a);
	enum access_result result = check(access, &a, ret_identity);
	if (result != ACCESS_NEEDS_VERIFY)
		goto out;
	if (atomic_fetch_add(&access->waiting, 1) >= VERIFY_WAITING_MAX) {
		result = ACCESS_BUSY;
	} else {
		while (sem_wait(&access->verifying) < 0 && errno == EINTR)
			;
		/* A client that opens ten connections at once is verified once or twice. */
		result = check(access, &a, ret_identity);
		if (result == ACCESS_NEEDS_VERIFY)
			result = verify(access, &a, ret_identity);
		sem_post(&access->verifying);
	}
	atomic_fetch_sub(&access->waiting, 1);
out:
	authorization_release(&a);
	return result;
}
