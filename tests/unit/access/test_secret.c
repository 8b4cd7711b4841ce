/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Passwords and tokens. */
#include "access/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/limits.h"

static void test_password(void **state)
{
	char hash[PASSWORD_HASH_MAX], other[PASSWORD_HASH_MAX];
	assert_int_equal(password_hash(bytes_str("a:b c"), hash, NULL), 0);
	assert_int_equal(password_hash(bytes_str("a:b c"), other, NULL), 0);
	assert_string_not_equal(hash, other); /* salted */
	assert_true(password_hash_is_valid(hash));
	assert_int_equal(password_verify(hash, bytes_str("a:b c")), 0);
	assert_int_equal(password_verify(hash, bytes_str("a:b C")), ERR_DENIED);
	assert_int_equal(password_verify(hash, bytes_str("")), ERR_DENIED);
	assert_int_equal(password_verify_nobody(bytes_str("a:b c")), ERR_DENIED);
}

static void test_password_is_any_bytes(void **state)
{
	char hash[PASSWORD_HASH_MAX];
	struct bytes nul = bytes_of("a\0b", 3);
	assert_int_equal(password_hash(nul, hash, NULL), 0);
	assert_int_equal(password_verify(hash, nul), 0);
	assert_int_equal(password_verify(hash, bytes_of("a\0c", 3)), ERR_DENIED);
	assert_int_equal(password_verify(hash, bytes_str("a")), ERR_DENIED);
}

static void test_latin1_and_utf8_are_one(void **state)
{
	char hash[PASSWORD_HASH_MAX];
	assert_int_equal(password_hash(bytes_str("caf\xc3\xa9"), hash, NULL), 0);
	assert_int_equal(password_verify(hash, bytes_str("caf\xe9")), 0);
	assert_int_equal(password_verify(hash, bytes_str("caf\xc3\xa9")), 0);
	assert_int_equal(password_verify(hash, bytes_str("cafe")), ERR_DENIED);
	/* Bytes that only look like UTF-8 at first: cut, overlong, a surrogate, beyond the end. */
	const char *const odd[] = {"\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		assert_int_equal(password_hash(bytes_str(odd[i]), hash, NULL), 0);
		assert_int_equal(password_verify(hash, bytes_str(odd[i])), 0);
	}
}

static void test_password_limits(void **state)
{
	char hash[PASSWORD_HASH_MAX];
	char longest[PASSWORD_MAX + 1];
	struct err e;
	memset(longest, 0xe9, sizeof(longest));
	assert_int_equal(password_hash(bytes_of(longest, PASSWORD_MAX), hash, NULL), 0);
	assert_int_equal(password_verify(hash, bytes_of(longest, PASSWORD_MAX)), 0);
	assert_int_equal(password_hash(bytes_of(longest, PASSWORD_MAX + 1), hash, &e), ERR_LIMIT);
	assert_int_equal(password_verify(hash, bytes_of(longest, PASSWORD_MAX + 1)), ERR_DENIED);
	assert_int_equal(password_hash(bytes_str(""), hash, &e), ERR_LIMIT);
	assert_string_equal(e.text, "the password is empty");
}

static void test_hash_is_valid(void **state)
{
	assert_false(password_hash_is_valid(""));
	assert_false(password_hash_is_valid("-"));
	assert_false(password_hash_is_valid("$argon2id$"));
	assert_false(password_hash_is_valid("$argon2i$v=19$m=65536,t=2,p=1$ZHJpYmJsZQ$ZHJpYmJsZQ"));
	assert_false(password_hash_is_valid("$argon2id$v=19$m=65536,t=2,p=1$****$ZHJpYmJsZQ"));
}

static void test_token(void **state)
{
	char a[TOKEN_LENGTH + 1], b[TOKEN_LENGTH + 1], hex[65];
	struct token_hash x, y;
	token_new(a);
	token_new(b);
	assert_int_equal(strlen(a), TOKEN_LENGTH);
	assert_memory_equal(a, TOKEN_PREFIX, strlen(TOKEN_PREFIX));
	assert_string_not_equal(a, b);
	assert_true(token_hash_of(bytes_str(a), &x));
	token_hash_print(&x, hex);
	assert_int_equal(strlen(hex), 64);
	assert_true(token_hash_parse(bytes_str(hex), &y));
	assert_memory_equal(x.b, y.b, sizeof(x.b));
	assert_false(token_hash_parse(bytes_of(hex, 63), &y));
	hex[3] = 'g';
	assert_false(token_hash_parse(bytes_str(hex), &y));
	assert_false(token_hash_of(bytes_of(a, TOKEN_LENGTH - 1), &x));
	a[0] = 'D';
	assert_false(token_hash_of(bytes_str(a), &x));
	assert_false(token_hash_of(bytes_str(""), &x));
}

static int setup(void **state)
{
	return secret_init(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_password_is_any_bytes),
		cmocka_unit_test(test_latin1_and_utf8_are_one),
		cmocka_unit_test(test_password_limits),
		cmocka_unit_test(test_hash_is_valid),
		cmocka_unit_test(test_token),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, NULL);
}
