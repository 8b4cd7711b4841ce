/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Password and token hashes, all by libsodium. */
#include "access/secret.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "base/limits.h"

#define TOKEN_BYTES 32
#define CANONICAL_MAX (2 * PASSWORD_MAX) /* latin-1 at most doubles as UTF-8 */

_Static_assert(PASSWORD_HASH_MAX >= crypto_pwhash_STRBYTES, "an argon2id string must fit");
_Static_assert(sizeof(TOKEN_PREFIX) - 1 + 43 == TOKEN_LENGTH, "32 bytes are 43 base64 digits");

/* The parameters of password_hash with an arbitrary salt and result: nobody's password. */
static const char nobody[] = "$argon2id$v=19$m=65536,t=2,p=1$ZHJpYmJsZS1ub2JvZHkuLg"
			     "$bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCByZWFsbHk";

int secret_init(struct err *e)
{
	if (sodium_init() < 0)
		return err_set(e, ERR_IO,
			       "libsodium does not start (no source of random numbers?)");
	return 0;
}

/* Octets of the UTF-8 sequence at p, 0 when there is none. Overlong forms, surrogates and values
 * beyond U+10FFFF are not UTF-8. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
	static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (length < 2)
		return length;
	if (p[0] > 0xf4 || n < length)
		return 0;
	uint32_t c = p[0] & (0x7f >> length);
	for (size_t i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : length;
}

/* Returns the octets written: the password itself, or its UTF-8 form when it is latin-1. */
static size_t canonical(struct bytes password, uint8_t ret_text[CANONICAL_MAX])
{
	size_t i = 0, n = 0;
	while (i < password.n) {
		size_t length = utf8_length(password.p + i, password.n - i);
		if (!length)
			break;
		i += length;
	}
	if (i == password.n) {
		if (password.n)
			memcpy(ret_text, password.p, password.n);
		return password.n;
	}
	for (i = 0; i < password.n; i++) {
		uint8_t c = password.p[i];
		if (c >= 0x80)
			ret_text[n++] = 0xc0 | c >> 6;
		ret_text[n++] = c < 0x80 ? c : 0x80 | (c & 0x3f);
	}
	return n;
}

int password_hash(struct bytes password, char ret_hash[PASSWORD_HASH_MAX], struct err *e)
{
	if (password.n == 0)
		return err_set(e, ERR_LIMIT, "the password is empty");
	if (password.n > PASSWORD_MAX)
		return err_set(e, ERR_LIMIT, "the password is longer than %d octets", PASSWORD_MAX);
	uint8_t text[CANONICAL_MAX];
	char hash[crypto_pwhash_STRBYTES];
	size_t n = canonical(password, text);
	int rc = crypto_pwhash_str_alg(
		hash, (const char *)text, n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
		crypto_pwhash_MEMLIMIT_INTERACTIVE, crypto_pwhash_ALG_ARGON2ID13);
	sodium_memzero(text, sizeof(text));
	if (rc)
		return err_set(e, ERR_NOMEM, "no memory to hash a password (64 MiB are needed)");
	memcpy(ret_hash, hash, sizeof(hash));
	return 0;
}

int password_verify(const char *hash, struct bytes password)
{
	if (password.n > PASSWORD_MAX)
		return ERR_DENIED;
	uint8_t text[CANONICAL_MAX];
	size_t n = canonical(password, text);
	errno = 0;
	int rc = crypto_pwhash_str_verify(hash, (const char *)text, n);
	/* A mismatch is EINVAL; anything else is want of memory, and says nothing of the password.
	 */
	int code = rc == 0 ? 0 : errno == EINVAL ? ERR_DENIED : ERR_NOMEM;
	sodium_memzero(text, sizeof(text));
	return code;
}

int password_verify_nobody(struct bytes password)
{
	int rc = password_verify(nobody, password);
	return rc == ERR_NOMEM ? rc : ERR_DENIED;
}

bool password_hash_is_valid(const char *hash)
{
	return strncmp(hash, crypto_pwhash_argon2id_STRPREFIX,
		       strlen(crypto_pwhash_argon2id_STRPREFIX)) == 0 &&
	       strlen(hash) < crypto_pwhash_STRBYTES &&
	       crypto_pwhash_str_needs_rehash(hash, crypto_pwhash_OPSLIMIT_INTERACTIVE,
					      crypto_pwhash_MEMLIMIT_INTERACTIVE) >= 0;
}

void token_new(char ret_token[TOKEN_LENGTH + 1])
{
	uint8_t random[TOKEN_BYTES];
	size_t prefix = strlen(TOKEN_PREFIX);
	randombytes_buf(random, sizeof(random));
	memcpy(ret_token, TOKEN_PREFIX, prefix);
	sodium_bin2base64(ret_token + prefix, TOKEN_LENGTH + 1 - prefix, random, sizeof(random),
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	sodium_memzero(random, sizeof(random));
}

bool token_hash_of(struct bytes token, struct token_hash *ret_hash)
{
	if (token.n != TOKEN_LENGTH || !bytes_has_prefix(token, bytes_str(TOKEN_PREFIX)))
		return false;
	crypto_generichash(ret_hash->b, sizeof(ret_hash->b), token.p, token.n, NULL, 0);
	return true;
}

void token_hash_print(const struct token_hash *hash, char ret_hex[65])
{
	sodium_bin2hex(ret_hex, 65, hash->b, sizeof(hash->b));
}

bool token_hash_parse(struct bytes hex, struct token_hash *ret_hash)
{
	struct token_hash hash;
	size_t n;
	if (hex.n != 2 * sizeof(hash.b) ||
	    sodium_hex2bin(hash.b, sizeof(hash.b), (const char *)hex.p, hex.n, NULL, &n, NULL) != 0)
		return false;
	*ret_hash = hash;
	return true;
}
