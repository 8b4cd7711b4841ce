/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The gate: who passes, how long that stays so, and many threads at once. */
#include "access/access.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/mem.h"

struct gate {
	char folder[64];
	char file[80];
	struct access_options options;
	struct access *access;
	char message[512]; /* the last that was reported */
	int reports;
	char token[TOKEN_LENGTH + 1]; /* sie's */
};

/* Hashed once: every one costs 60 ms. */
static char hash_of_secret[PASSWORD_HASH_MAX], hash_of_other[PASSWORD_HASH_MAX];

static void record(void *context, const char *message)
{
	struct gate *gate = context;
	snprintf(gate->message, sizeof(gate->message), "%s", message);
	gate->reports++;
}

static void edit(struct gate *gate, const char *name, const char *hash, const char *token)
{
	struct accounts *accounts;
	assert_int_equal(accounts_begin(gate->file, &accounts, NULL), 0);
	accounts_delete(accounts, name, NULL);
	if (hash || token)
		accounts_add(accounts, name, ACCOUNT_READER, ACCOUNT_STYLE_COF, NULL);
	if (hash)
		accounts_set_password(accounts, name, hash, NULL);
	if (token) {
		struct token_hash token_hash;
		assert_true(token_hash_of(bytes_str(token), &token_hash));
		accounts_add_token(accounts, name, &token_hash, NULL);
	}
	assert_int_equal(accounts_commit(accounts, NULL), 0);
	accounts_free(accounts);
}

static int setup_all(void **state)
{
	return secret_init(NULL) || password_hash(bytes_str("secret"), hash_of_secret, NULL) ||
	       password_hash(bytes_str("other"), hash_of_other, NULL);
}

static int setup_empty(void **state)
{
	struct gate *gate = xcalloc(1, sizeof(*gate));
	snprintf(gate->folder, sizeof(gate->folder), "/tmp/test_access.XXXXXX");
	if (!mkdtemp(gate->folder))
		return -1;
	snprintf(gate->file, sizeof(gate->file), "%s/accounts", gate->folder);
	token_new(gate->token);
	gate->options = access_defaults();
	gate->options.path = gate->file;
	gate->options.report = record;
	gate->options.context = gate;
	gate->options.look_ms = 0; /* every call looks */
	*state = gate;
	return 0;
}

static int setup(void **state)
{
	if (setup_empty(state))
		return -1;
	struct gate *gate = *state;
	edit(gate, "anna", hash_of_secret, NULL);
	edit(gate, "sie", NULL, gate->token);
	return access_new(&gate->options, &gate->access, NULL);
}

static int teardown(void **state)
{
	struct gate *gate = *state;
	char path[128];
	access_free(gate->access);
	unlink(gate->file);
	snprintf(path, sizeof(path), "%s.lock", gate->file);
	unlink(path);
	rmdir(gate->folder);
	free(gate);
	return 0;
}

static const char *basic(const char *user, const char *password, char *header, size_t n)
{
	char text[256];
	snprintf(text, sizeof(text), "%s:%s", user, password);
	snprintf(header, n, "Basic ");
	sodium_bin2base64(header + 6, n - 6, (const uint8_t *)text, strlen(text),
			  sodium_base64_VARIANT_ORIGINAL);
	return header;
}

static enum access_result check(struct gate *gate, const char *header)
{
	struct identity identity;
	return access_check(gate->access, bytes_str(header), &identity);
}

static enum access_result verify(struct gate *gate, const char *header)
{
	struct identity identity;
	return access_verify(gate->access, bytes_str(header), &identity);
}

static void test_token(void **state)
{
	struct gate *gate = *state;
	struct identity identity;
	char header[256];
	assert_int_equal(access_check(gate->access, bytes_str(gate->token), &identity), ACCESS_OK);
	assert_string_equal(identity.name, "sie");
	assert_int_equal(identity.roles, ACCOUNT_READER);
	assert_int_equal(identity.style, ACCOUNT_STYLE_COF);
	snprintf(header, sizeof(header), "bearer %s", gate->token);
	assert_int_equal(check(gate, header), ACCESS_OK);
	snprintf(header, sizeof(header), "Basic dTpw, %s", gate->token);
	assert_int_equal(check(gate, header), ACCESS_OK);
	snprintf(header, sizeof(header), "Basic %s", gate->token);
	assert_int_equal(check(gate, header), ACCESS_DENIED);
	gate->token[20] ^= 1;
	assert_int_equal(check(gate, gate->token), ACCESS_DENIED);
	assert_int_equal(verify(gate, gate->token), ACCESS_DENIED);
	assert_int_equal(check(gate, ""), ACCESS_DENIED);
}

/* What a connection remembers. */
static enum access_result check_memo(struct gate *gate, struct access_memo *memo, const char *header)
{
	struct identity identity;
	enum access_result result = access_check_memo(gate->access, bytes_str(header), memo, &identity);
	if (result == ACCESS_OK && strstr(header, gate->token)) {
		assert_string_equal(identity.name, "sie");
		assert_int_equal(identity.roles, ACCOUNT_READER);
		assert_int_equal(identity.style, ACCOUNT_STYLE_COF);
	}
	return result;
}

static void test_memo(void **state)
{
	struct gate *gate = *state;
	struct access_memo memo = {0};
	char header[256], wrong[256];
	struct identity identity;
	access_free(gate->access);
	gate->options.look_ms = 600000; /* else the file, which is new, is read at every call */
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	snprintf(header, sizeof(header), "Bearer %s", gate->token);
	for (int i = 0; i < 3; i++)
		assert_int_equal(check_memo(gate, &memo, header), ACCESS_OK);
	assert_int_equal(memo.n, strlen(header));
	memo.who.roles = ACCOUNT_FEEDER; /* is what is remembered what is told? */
	assert_int_equal(access_check_memo(gate->access, bytes_str(header), &memo, &identity), ACCESS_OK);
	assert_int_equal(identity.roles, ACCOUNT_FEEDER);
	memo.who.roles = ACCOUNT_READER;
	/* Every octet counts, and the length; what is refused changes nothing. */
	for (size_t i = 0; i < strlen(header); i++) {
		strcpy(wrong, header);
		wrong[i] = wrong[i] == 'Q' ? 'R' : 'Q';
		assert_int_equal(check_memo(gate, &memo, wrong), ACCESS_DENIED);
	}
	snprintf(wrong, sizeof(wrong), "%.*s", (int)strlen(header) - 1, header);
	assert_int_equal(check_memo(gate, &memo, wrong), ACCESS_DENIED);
	assert_int_equal(check_memo(gate, &memo, ""), ACCESS_DENIED);
	assert_int_equal(check_memo(gate, &memo, header), ACCESS_OK);
	/* Another spelling is another header. */
	assert_int_equal(check_memo(gate, &memo, gate->token), ACCESS_OK);
	assert_int_equal(memo.n, strlen(gate->token));
	assert_int_equal(check_memo(gate, &memo, header), ACCESS_OK);
	access_memo_release(&memo);
	assert_int_equal(memo.version, 0);
	/* No password, and nothing too long. */
	basic("anna", "secret", wrong, sizeof(wrong));
	assert_int_equal(verify(gate, wrong), ACCESS_OK);
	assert_int_equal(check_memo(gate, &memo, wrong), ACCESS_OK);
	assert_int_equal(memo.version, 0);
	snprintf(wrong, sizeof(wrong), "Basic dTpw, %s", gate->token);
	assert_int_equal(check_memo(gate, &memo, wrong), ACCESS_OK);
	assert_int_equal(memo.version, 0);
	snprintf(wrong, sizeof(wrong), "Bearer              %s", gate->token);
	assert_int_equal(check_memo(gate, &memo, wrong), ACCESS_OK);
	assert_int_equal(memo.version, 0);
}

static void test_memo_of_a_revoked_token(void **state)
{
	struct gate *gate = *state;
	struct access_memo memo = {0}, other = {0};
	char header[256];
	snprintf(header, sizeof(header), "Bearer %s", gate->token);
	assert_int_equal(check_memo(gate, &memo, header), ACCESS_OK);
	assert_int_equal(check_memo(gate, &other, header), ACCESS_OK);
	edit(gate, "sie", NULL, NULL);
	assert_int_equal(check_memo(gate, &memo, header), ACCESS_DENIED);
	assert_int_equal(check_memo(gate, &other, header), ACCESS_DENIED);
	/* The file is gone: likewise, for who came in between. */
	edit(gate, "sie", NULL, gate->token);
	assert_int_equal(check_memo(gate, &memo, header), ACCESS_OK);
	assert_int_equal(unlink(gate->file), 0);
	assert_int_equal(check_memo(gate, &memo, header), ACCESS_DENIED);
}

static void test_password(void **state)
{
	struct gate *gate = *state;
	struct identity identity;
	char header[256], both[512];
	basic("anna", "secret", header, sizeof(header));
	assert_int_equal(check(gate, header), ACCESS_NEEDS_VERIFY);
	assert_int_equal(access_verify(gate->access, bytes_str(header), &identity), ACCESS_OK);
	assert_string_equal(identity.name, "anna");
	memset(&identity, 0, sizeof(identity));
	assert_int_equal(access_check(gate->access, bytes_str(header), &identity), ACCESS_OK);
	assert_string_equal(identity.name, "anna");
	snprintf(both, sizeof(both), "%s, dribble_nonsense", header);
	assert_int_equal(check(gate, both), ACCESS_OK);
}

/* Wrong passwords, users without one and users who do not exist all take the same way. */
static void test_wrong_password(void **state)
{
	struct gate *gate = *state;
	char header[256];
	static const char *const users[] = {"anna", "sie", "nobody"};
	for (size_t i = 0; i < 3; i++) {
		basic(users[i], "wrong", header, sizeof(header));
		assert_int_equal(check(gate, header), ACCESS_NEEDS_VERIFY);
		assert_int_equal(verify(gate, header), ACCESS_DENIED);
		assert_int_equal(check(gate, header), ACCESS_DENIED); /* remembered */
	}
	basic("anna", "wrong2", header, sizeof(header));
	assert_int_equal(check(gate, header), ACCESS_NEEDS_VERIFY);
	basic("anna", "secret", header, sizeof(header));
	assert_int_equal(verify(gate, header), ACCESS_OK);
}

static void test_failure_is_forgotten(void **state)
{
	struct gate *gate = *state;
	char header[256];
	edit(gate, "anna", hash_of_secret, NULL);
	gate->options.failure_ms = 0;
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	basic("anna", "wrong", header, sizeof(header));
	assert_int_equal(verify(gate, header), ACCESS_DENIED);
	assert_int_equal(check(gate, header), ACCESS_NEEDS_VERIFY);
}

static void test_changes_of_the_file(void **state)
{
	struct gate *gate = *state;
	char header[256], other[256], nobody[256];
	basic("anna", "secret", header, sizeof(header));
	basic("anna", "other", other, sizeof(other));
	basic("nobody", "secret", nobody, sizeof(nobody));
	assert_int_equal(verify(gate, header), ACCESS_OK);
	assert_int_equal(verify(gate, nobody), ACCESS_DENIED);

	edit(gate, "nobody", hash_of_secret, NULL); /* was remembered as wrong */
	assert_int_equal(check(gate, nobody), ACCESS_NEEDS_VERIFY);
	assert_int_equal(verify(gate, nobody), ACCESS_OK);
	assert_int_equal(check(gate, header), ACCESS_OK); /* somebody else's change */

	edit(gate, "anna", hash_of_other, NULL);
	assert_int_equal(check(gate, header), ACCESS_NEEDS_VERIFY);
	assert_int_equal(verify(gate, header), ACCESS_DENIED);
	assert_int_equal(verify(gate, other), ACCESS_OK);
	edit(gate, "anna", NULL, NULL);
	assert_int_equal(check(gate, other), ACCESS_NEEDS_VERIFY);
	assert_int_equal(verify(gate, other), ACCESS_DENIED);
	edit(gate, "sie", NULL, NULL);
	assert_int_equal(check(gate, gate->token), ACCESS_DENIED);
	assert_int_equal(access_count_accounts(gate->access), 1);
	assert_int_equal(gate->reports, 0);
}

static void append(const char *path, const char *text)
{
	FILE *f = fopen(path, "a");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void test_bad_file_changes_nothing(void **state)
{
	struct gate *gate = *state;
	char expected[256];
	append(gate->file, "nonsense\n");
	for (int i = 0; i < 5; i++)
		assert_int_equal(check(gate, gate->token), ACCESS_OK);
	assert_int_equal(gate->reports, 1); /* not at every look */
	snprintf(expected, sizeof(expected),
		 "%s:5: the roles are not reader, feeder or reader,feeder; the accounts stay as "
		 "they were",
		 gate->file);
	assert_string_equal(gate->message, expected);
	assert_int_equal(access_count_accounts(gate->access), 2);
	struct access *second;
	assert_int_equal(access_new(&gate->options, &second, NULL), ERR_SYNTAX);
	unlink(gate->file);
	edit(gate, "anna", hash_of_secret, NULL);
	assert_int_equal(check(gate, gate->token), ACCESS_DENIED);
}

static void test_removed_file_refuses_everybody(void **state)
{
	struct gate *gate = *state;
	char header[256];
	basic("anna", "secret", header, sizeof(header));
	assert_int_equal(verify(gate, header), ACCESS_OK);
	unlink(gate->file);
	assert_int_equal(check(gate, header), ACCESS_DENIED);
	assert_int_equal(check(gate, gate->token), ACCESS_DENIED);
	assert_int_equal(check(gate, ""), ACCESS_DENIED);
	assert_int_equal(access_count_accounts(gate->access), 0);
	assert_false(access_is_open(gate->access));
	assert_int_equal(gate->reports, 1);
	assert_non_null(strstr(gate->message, "is gone"));
	edit(gate, "sie", NULL, gate->token);
	assert_int_equal(check(gate, gate->token), ACCESS_OK);
}

static void test_open_until_there_is_an_account(void **state)
{
	struct gate *gate = *state;
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	assert_true(access_is_open(gate->access));
	assert_int_equal(access_count_accounts(gate->access), 0);
	assert_int_equal(check(gate, "Basic dTpw"), ACCESS_DENIED);
	append(gate->file, "# none yet\n");
	assert_true(access_is_open(gate->access));
	edit(gate, "anna", hash_of_secret, NULL);
	assert_false(access_is_open(gate->access));
	edit(gate, "anna", NULL, NULL);
	assert_false(access_is_open(gate->access));
	assert_int_equal(access_count_accounts(gate->access), 0);
}

static void test_bad_file_closes(void **state)
{
	struct gate *gate = *state;
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	append(gate->file, "nonsense\n");
	assert_false(access_is_open(gate->access));
	assert_int_equal(gate->reports, 1);
}

static void test_no_file(void **state)
{
	struct gate *gate = *state;
	gate->options.path = NULL;
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	assert_true(access_is_open(gate->access));
	assert_int_equal(check(gate, "Basic dTpw"), ACCESS_DENIED);
	assert_int_equal(access_count_accounts(gate->access), 0);
}

static double seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* With the real interval a removed account is refused within a second. */
static void test_within_a_second(void **state)
{
	struct gate *gate = *state;
	access_free(gate->access);
	gate->options.look_ms = access_defaults().look_ms;
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	assert_int_equal(check(gate, gate->token), ACCESS_OK);
	edit(gate, "sie", NULL, NULL);
	double start = seconds();
	while (check(gate, gate->token) == ACCESS_OK)
		assert_true(seconds() - start < 1);
}

struct worker {
	struct gate *gate;
	const char *header;
	atomic_bool *stop;
	unsigned long ok, denied, other;
};

static void *work(void *context)
{
	struct worker *worker = context;
	struct identity identity;
	while (!atomic_load(worker->stop)) {
		struct bytes header = bytes_str(worker->header);
		enum access_result result = access_check(worker->gate->access, header, &identity);
		if (result == ACCESS_NEEDS_VERIFY)
			result = access_verify(worker->gate->access, header, &identity);
		worker->ok += result == ACCESS_OK && identity.name[0] == 'a';
		worker->denied += result == ACCESS_DENIED;
		worker->other += result != ACCESS_OK && result != ACCESS_DENIED;
	}
	return NULL;
}

/* The file changes all the time; the one account that does not is let in throughout. */
static void test_threads(void **state)
{
	enum { THREADS = 6, EDITS = 30 };
	struct gate *gate = *state;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	atomic_bool stop = false;
	char good[256], wrong[256];
	basic("anna", "secret", good, sizeof(good));
	basic("anna", "wrong", wrong, sizeof(wrong));
	assert_int_equal(verify(gate, good), ACCESS_OK);
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){
			gate, i % 3 == 0 ? good : i % 3 == 1 ? wrong : gate->token, &stop, 0, 0, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (int i = 0; i < EDITS; i++)
		edit(gate, "sie", NULL, i % 2 ? gate->token : NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].other, 0);
		if (i % 3 == 0)
			assert_int_equal(workers[i].denied, 0);
		else
			assert_int_equal(workers[i].ok, 0);
	}
}

static void *verify_once(void *context)
{
	struct worker *worker = context;
	worker->ok = verify(worker->gate, worker->header) == ACCESS_OK;
	return NULL;
}

/* Ten connections of one client at once: two verify, the rest find the verdict. */
static void test_one_verdict_for_many(void **state)
{
	enum { THREADS = 10 };
	struct gate *gate = *state;
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	char good[256];
	basic("anna", "secret", good, sizeof(good));
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){gate, good, NULL, 0, 0, 0};
		assert_int_equal(pthread_create(&threads[i], NULL, verify_once, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(workers[i].ok, 1);
	}
}

/* No limit is tested, machines and sanitizers differ; the number is for who reads the output. */
static void test_speed(void **state)
{
	enum { CHECKS = 200000 };
	struct gate *gate = *state;
	char header[256];
	access_free(gate->access);
	gate->options.look_ms = access_defaults().look_ms;
	assert_int_equal(access_new(&gate->options, &gate->access, NULL), 0);
	basic("anna", "secret", header, sizeof(header));
	assert_int_equal(verify(gate, header), ACCESS_OK);
	double start = seconds();
	for (int i = 0; i < CHECKS; i++)
		assert_int_equal(check(gate, header), ACCESS_OK);
	double middle = seconds();
	for (int i = 0; i < CHECKS; i++)
		assert_int_equal(check(gate, gate->token), ACCESS_OK);
	printf("# access_check: %.2f us a password, %.2f us a token\n",
	       (middle - start) / CHECKS * 1e6, (seconds() - middle) / CHECKS * 1e6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_memo_of_a_revoked_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failure_is_forgotten, setup_empty, teardown),
		cmocka_unit_test_setup_teardown(test_changes_of_the_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_file_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed_file_refuses_everybody, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_open_until_there_is_an_account, setup_empty,
						teardown),
		cmocka_unit_test_setup_teardown(test_bad_file_closes, setup_empty, teardown),
		cmocka_unit_test_setup_teardown(test_no_file, setup_empty, teardown),
		cmocka_unit_test_setup_teardown(test_within_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_verdict_for_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_speed, setup, teardown),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup_all, NULL);
}
