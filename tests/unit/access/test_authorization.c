/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Authorization headers taken apart. */
#include "access/authorization.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static void assert_basic(const char *header, const char *user, const char *password)
{
	struct authorization a;
	authorization_parse(bytes_str(header), &a);
	assert_true(a.has_basic);
	assert_true(bytes_eq(a.user, bytes_str(user)));
	assert_true(bytes_eq(a.password, bytes_str(password)));
	authorization_release(&a);
}

static void assert_none(const char *header)
{
	struct authorization a;
	authorization_parse(bytes_str(header), &a);
	assert_false(a.has_basic);
	assert_int_equal(a.n_tokens, 0);
}

static void assert_token(const char *header, const char *token)
{
	struct authorization a;
	authorization_parse(bytes_str(header), &a);
	assert_false(a.has_basic);
	assert_int_equal(a.n_tokens, 1);
	assert_true(bytes_eq(a.tokens[0], bytes_str(token)));
}

static void test_basic(void **state)
{
	assert_basic("Basic dTpw", "u", "p");
	assert_basic("basic  dTpw ", "u", "p");
	assert_basic("BASIC\tdTpw", "u", "p");
	assert_basic("Basic dTo=", "u", "");
	assert_basic("Basic dTo", "u", "");               /* padding left out */
	assert_basic("Basic dTpwOnE6", "u", "p:q:");      /* colons in the password */
	assert_basic("Basic dTpjYWbp", "u", "caf\xe9");   /* latin-1 */
	assert_basic("Basic dTpw, Basic dTpx", "u", "p"); /* the first */
}

static void test_not_basic(void **state)
{
	assert_none("");
	assert_none(" ");
	assert_none(",,,");
	assert_none("Basic =");
	assert_none("Basic dTpw*");
	assert_none("Basic dTp");      /* bits left over */
	assert_none("Basic dXA=");     /* no colon */
	assert_none("Basic OnA=");     /* no name */
	assert_none("Basic dSBhOnA="); /* a blank in the name */
	assert_none("Basic dTpw===");
	assert_none("Basic dT pw");
}

static void test_limits(void **state)
{
	char text[ACCOUNT_NAME_MAX + 2 + PASSWORD_MAX + 1], header[8 + 2 * sizeof(text)] = "Basic ";
	for (int extra = 0; extra <= 1; extra++) {
		struct authorization a;
		memset(text, 'n', ACCOUNT_NAME_MAX);
		text[ACCOUNT_NAME_MAX] = ':';
		memset(text + ACCOUNT_NAME_MAX + 1, 'p', PASSWORD_MAX + 1);
		sodium_bin2base64(header + 6, sizeof(header) - 6, (const uint8_t *)text,
				  (size_t)(ACCOUNT_NAME_MAX + 1 + PASSWORD_MAX + extra),
				  sodium_base64_VARIANT_ORIGINAL);
		authorization_parse(bytes_str(header), &a);
		assert_int_equal(a.has_basic, !extra);
	}
	/* A short name does not make room for a longer password. */
	struct authorization a;
	text[0] = 'u';
	text[1] = ':';
	memset(text + 2, 'p', PASSWORD_MAX + 1);
	sodium_bin2base64(header + 6, sizeof(header) - 6, (const uint8_t *)text,
			  2 + PASSWORD_MAX + 1, sodium_base64_VARIANT_ORIGINAL);
	authorization_parse(bytes_str(header), &a);
	assert_false(a.has_basic);
}

static void test_token(void **state)
{
	assert_token("abcdef", "abcdef");
	assert_token(" abcdef\t", "abcdef");
	assert_token("Bearer abcdef", "abcdef");
	assert_token("bEARER   abcdef", "abcdef");
	assert_token("Token abcdef", "abcdef");
	assert_token("token abcdef", "abcdef");
	assert_token("tokenabcdef", "tokenabcdef");
	assert_token("Basic", "Basic");
}

static void test_both(void **state)
{
	struct authorization a;
	authorization_parse(bytes_str("Basic dTpw, abcdef"), &a);
	assert_true(a.has_basic);
	assert_int_equal(a.n_tokens, 1);
	assert_true(bytes_eq(a.tokens[0], bytes_str("abcdef")));
	authorization_parse(bytes_str("x,Bearer y,z,Basic dTpw,1,2,3"), &a);
	assert_true(a.has_basic);
	assert_int_equal(a.n_tokens, AUTHORIZATION_TOKENS_MAX);
	assert_true(bytes_eq(a.tokens[1], bytes_str("y")));
	authorization_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basic),  cmocka_unit_test(test_not_basic),
		cmocka_unit_test(test_limits), cmocka_unit_test(test_token),
		cmocka_unit_test(test_both),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
