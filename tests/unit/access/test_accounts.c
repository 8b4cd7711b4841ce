/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The accounts file: parsing, editing, writing, editing at once. */
#include "access/accounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define HASH                                                                                       \
	"$argon2id$v=19$m=65536,t=2,p=1$ZHJpYmJsZS1ub2JvZHkuLg$"                                   \
	"bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCByZWFsbHk"
#define HEX1 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define HEX2 "ff112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"

struct folder {
	char path[64];
	char file[80];
};

static int setup(void **state)
{
	struct folder *folder = xcalloc(1, sizeof(*folder));
	snprintf(folder->path, sizeof(folder->path), "/tmp/test_accounts.XXXXXX");
	if (secret_init(NULL) || !mkdtemp(folder->path))
		return -1;
	snprintf(folder->file, sizeof(folder->file), "%s/accounts", folder->path);
	*state = folder;
	return 0;
}

static int teardown(void **state)
{
	struct folder *folder = *state;
	char path[128];
	const char *const suffixes[] = {"", ".lock", ".new", ".link"};
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", folder->file, suffixes[i]);
		unlink(path);
	}
	rmdir(folder->path);
	free(folder);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void test_parse(void **state)
{
	const char *text = "# a comment\r\n\n  \t\n"
			   "sie\treader,feeder - - " HEX1 " " HEX2 "\r\n"
			   "anna reader circl " HASH "\n"
			   "z.Z_9@+- feeder doc -";
	struct accounts *accounts;
	struct err e = {""};
	assert_int_equal(accounts_parse("f", bytes_str(text), &accounts, &e), 0);
	assert_int_equal(accounts_count(accounts), 3);
	assert_string_equal(accounts_at(accounts, 0)->name, "anna");
	const struct account *sie = accounts_find(accounts, bytes_str("sie"));
	assert_non_null(sie);
	assert_int_equal(sie->roles, ACCOUNT_READER | ACCOUNT_FEEDER);
	assert_int_equal(sie->style, ACCOUNT_STYLE_NONE);
	assert_null(sie->password);
	assert_int_equal(sie->n_tokens, 2);
	assert_ptr_equal(accounts_find_token(accounts, &sie->tokens[1]), sie);
	struct token_hash other = sie->tokens[1];
	other.b[31] ^= 1;
	assert_null(accounts_find_token(accounts, &other));
	assert_string_equal(accounts_find(accounts, bytes_str("anna"))->password, HASH);
	assert_int_equal(accounts_find(accounts, bytes_str("z.Z_9@+-"))->style, ACCOUNT_STYLE_DOC);
	assert_null(accounts_find(accounts, bytes_str("Anna")));
	assert_null(accounts_find(accounts, bytes_str("")));
	accounts_free(accounts);
	assert_int_equal(accounts_parse("f", bytes_str(""), &accounts, &e), 0);
	assert_int_equal(accounts_count(accounts), 0);
	accounts_free(accounts);
}

static void test_parse_errors(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{"\n/a reader - -\n", "f:2: the name is not 1 to 64 of [A-Za-z0-9._@+-]"},
		{"a\n", "f:1: the roles are not reader, feeder or reader,feeder"},
		{"a - - -\n", "f:1: the roles are not reader, feeder or reader,feeder"},
		{"a reader, - -\n", "f:1: the roles are not reader, feeder or reader,feeder"},
		{"a reader,reader - -\n", "f:1: the roles are not reader, feeder or reader,feeder"},
		{"a reader json -\n", "f:1: the style is not circl, cof, doc or -"},
		{"a reader -\n", "f:1: four fields are needed: NAME ROLES STYLE PASSWORD"},
		{"a reader - secret\n", "f:1: the password is not an argon2id string"},
		{"a reader - - 1234\n", "f:1: a token's hash is not 64 hexadecimal digits"},
		{"a reader - -\nb reader - -\na feeder - -\n", "f:3: this name has a line already"},
		{"a reader - - " HEX1 "\nb reader - - " HEX1 "\n",
		 "f: accounts a and b have the same token"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct accounts *accounts = NULL;
		struct err e = {""};
		assert_int_equal(accounts_parse("f", bytes_str(cases[i].text), &accounts, &e),
				 ERR_SYNTAX);
		if (!strstr(e.text, cases[i].message) || !strstr(cases[i].message, "same token"))
			assert_string_equal(e.text, cases[i].message);
		assert_null(accounts);
	}
}

static void test_names(void **state)
{
	char name[66];
	memset(name, 'x', sizeof(name));
	assert_true(account_name_is_valid(bytes_of(name, 64)));
	assert_false(account_name_is_valid(bytes_of(name, 65)));
	assert_false(account_name_is_valid(bytes_str("")));
	assert_false(account_name_is_valid(bytes_of("a\0b", 3)));
	assert_false(account_name_is_valid(bytes_str("a b")));
	assert_false(account_name_is_valid(bytes_str("a:b")));
	assert_false(account_name_is_valid(bytes_str("#a")));
	assert_false(account_name_is_valid(bytes_str("\xc3\xa9")));
}

static void test_no_active(void **state)
{
	struct accounts *accounts;
	unsigned roles = 0;
	struct err e;
	(void)state;
	const char *text = "a reader,no-active - -\nb no-active,feeder - -\nc reader,feeder - -\n";
	assert_int_equal(accounts_parse("f", bytes_str(text), &accounts, &e), 0);
	assert_int_equal(accounts_at(accounts, 0)->roles, ACCOUNT_READER | ACCOUNT_NO_ACTIVE);
	assert_int_equal(accounts_at(accounts, 1)->roles, ACCOUNT_FEEDER | ACCOUNT_NO_ACTIVE);
	assert_string_equal(account_roles_text(accounts_at(accounts, 1)->roles), "feeder,no-active");
	assert_int_equal(accounts_set_active(accounts, "a", true, &e), 0);
	assert_int_equal(accounts_set_active(accounts, "c", false, &e), 0);
	assert_int_equal(accounts_set_active(accounts, "d", false, &e), ERR_NOTFOUND);
	assert_string_equal(account_roles_text(accounts_at(accounts, 0)->roles), "reader");
	assert_string_equal(account_roles_text(accounts_at(accounts, 2)->roles), "reader,feeder,no-active");
	accounts_free(accounts);
	assert_false(account_roles_parse(bytes_str("no-active"), &roles)); /* it is no role */
	assert_int_equal(roles, 0);
}

static void test_edit(void **state)
{
	struct folder *folder = *state;
	struct accounts *accounts;
	struct err e = {""};
	struct stat st;
	struct token_hash hash = {{1}};
	assert_int_equal(accounts_load(folder->file, &accounts, NULL, &e), ERR_NOTFOUND);
	assert_int_equal(accounts_begin(folder->file, &accounts, &e), 0);
	assert_int_equal(accounts_add(accounts, "b", ACCOUNT_READER, ACCOUNT_STYLE_COF, &e), 0);
	assert_int_equal(accounts_add(accounts, "a", ACCOUNT_FEEDER, ACCOUNT_STYLE_NONE, &e), 0);
	assert_int_equal(accounts_add(accounts, "b", ACCOUNT_READER, 0, &e), ERR_EXISTS);
	assert_int_equal(accounts_add(accounts, "b b", ACCOUNT_READER, 0, &e), ERR_SYNTAX);
	assert_int_equal(accounts_set_password(accounts, "b", HASH, &e), 0);
	assert_int_equal(accounts_add_token(accounts, "a", &hash, &e), 0);
	assert_int_equal(accounts_add_token(accounts, "c", &hash, &e), ERR_NOTFOUND);
	assert_string_equal(e.text, "there is no account c");
	assert_int_equal(accounts_commit(accounts, &e), 0);
	accounts_free(accounts);

	assert_int_equal(accounts_load(folder->file, &accounts, &st, &e), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(accounts_count(accounts), 2);
	assert_string_equal(accounts_find_token(accounts, &hash)->name, "a");
	assert_string_equal(accounts_at(accounts, 1)->password, HASH);
	assert_int_equal(accounts_at(accounts, 1)->style, ACCOUNT_STYLE_COF);
	accounts_free(accounts);

	assert_int_equal(accounts_begin(folder->file, &accounts, &e), 0);
	assert_int_equal(accounts_delete(accounts, "b", &e), 0);
	assert_int_equal(accounts_delete(accounts, "b", &e), ERR_NOTFOUND);
	assert_int_equal(accounts_drop_tokens(accounts, "a", &e), 0);
	for (int i = 0; i < ACCOUNT_TOKENS_MAX; i++) {
		hash.b[1] = (uint8_t)i;
		assert_int_equal(accounts_add_token(accounts, "a", &hash, &e), 0);
	}
	assert_int_equal(accounts_add_token(accounts, "a", &hash, &e), ERR_LIMIT);
	assert_int_equal(accounts_commit(accounts, &e), 0);
	accounts_free(accounts);
	assert_int_equal(accounts_load(folder->file, &accounts, NULL, &e), 0);
	assert_int_equal(accounts_count(accounts), 1);
	assert_int_equal(accounts_at(accounts, 0)->n_tokens, ACCOUNT_TOKENS_MAX);
	accounts_free(accounts);
}

static void test_given_up(void **state)
{
	struct folder *folder = *state;
	struct accounts *accounts;
	struct err e = {""};
	assert_int_equal(accounts_begin(folder->file, &accounts, &e), 0);
	assert_int_equal(accounts_add(accounts, "b", ACCOUNT_READER, 0, &e), 0);
	accounts_free(accounts);
	assert_int_equal(accounts_load(folder->file, &accounts, NULL, &e), ERR_NOTFOUND);
}

/* A file that is bad is never replaced. */
static void test_edit_of_a_bad_file(void **state)
{
	struct folder *folder = *state;
	struct accounts *accounts;
	struct err e = {""};
	char link[128], message[256];
	write_file(folder->file, "a reader - -\nnonsense\n");
	assert_int_equal(accounts_begin(folder->file, &accounts, &e), ERR_SYNTAX);
	snprintf(message, sizeof(message), "%s:2: the roles", folder->file);
	assert_memory_equal(e.text, message, strlen(message));
	snprintf(link, sizeof(link), "%s.link", folder->file);
	assert_int_equal(symlink(folder->file, link), 0);
	assert_int_equal(accounts_begin(link, &accounts, &e), ERR_USAGE);
	snprintf(message, sizeof(message), "%s.lock", link);
	unlink(message);
	assert_int_equal(accounts_begin("/nonexistent/accounts", &accounts, &e), ERR_NOTFOUND);
	assert_int_equal(accounts_load("/tmp", &accounts, NULL, &e), ERR_USAGE);
}

static void test_editors_at_once(void **state)
{
	enum { EDITORS = 8, EDITS = 10 };
	struct folder *folder = *state;
	for (int i = 0; i < EDITORS; i++) {
		if (fork() != 0)
			continue;
		int bad = 0;
		for (int j = 0; j < EDITS; j++) {
			struct accounts *accounts;
			char name[32];
			snprintf(name, sizeof(name), "e%d.%d", i, j);
			bad |= accounts_begin(folder->file, &accounts, NULL);
			if (bad)
				break;
			bad |= accounts_add(accounts, name, ACCOUNT_READER, 0, NULL);
			bad |= accounts_commit(accounts, NULL);
			accounts_free(accounts);
		}
		_exit(bad != 0);
	}
	for (int i = 0; i < EDITORS; i++) {
		int status;
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	struct accounts *accounts;
	assert_int_equal(accounts_load(folder->file, &accounts, NULL, NULL), 0);
	assert_int_equal(accounts_count(accounts), EDITORS * EDITS);
	accounts_free(accounts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_errors),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_active),
		cmocka_unit_test_setup_teardown(test_edit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_edit_of_a_bad_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_editors_at_once, setup, teardown),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
