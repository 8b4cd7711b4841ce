/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An Authorization header of any bytes: taken apart, and shown to a gate that knows one account. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "access/access.h"
#include "access/authorization.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The token of the seeds: dribble_ and 43 times A. */
#define TOKEN "dribble_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Made once; the file is gone at once and not looked at again for a day. */
static struct access *gate(void)
{
	static struct access *access;
	char path[] = "/tmp/fuzz_authorization.XXXXXX", hex[65];
	struct token_hash hash;
	if (access)
		return access;
	struct access_options options = access_defaults();
	int fd = mkstemp(path);
	require(fd >= 0 && secret_init(NULL) == 0 && token_hash_of(bytes_str(TOKEN), &hash));
	token_hash_print(&hash, hex);
	require(dprintf(fd, "anna reader - - %s\n", hex) > 0);
	close(fd);
	options.path = path;
	options.look_ms = 86400000;
	require(access_new(&options, &access, NULL) == 0);
	unlink(path);
	return access;
}

static bool holds(const uint8_t *data, size_t size, const char *text)
{
	return size && memmem(data, size, text, strlen(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct authorization a;
	struct identity identity;
	authorization_parse(bytes_of(data, size), &a);
	require(a.n_tokens <= AUTHORIZATION_TOKENS_MAX);
	for (size_t i = 0; i < a.n_tokens; i++) {
		require(a.tokens[i].n > 0 && a.tokens[i].p >= data &&
			a.tokens[i].p + a.tokens[i].n <= data + size);
		require(!memchr(a.tokens[i].p, ',', a.tokens[i].n));
	}
	if (a.has_basic) {
		require(account_name_is_valid(a.user) && a.password.n <= PASSWORD_MAX);
		require(a.user.p == a.text && a.password.p == a.text + a.user.n + 1);
	}
	enum access_result result = access_check(gate(), bytes_of(data, size), &identity);
	if (result == ACCESS_OK)
		require(holds(data, size, TOKEN) && strcmp(identity.name, "anna") == 0);
	else
		require((result == ACCESS_NEEDS_VERIFY) == a.has_basic);
	authorization_release(&a);
	return 0;
}
