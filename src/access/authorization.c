/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Takes an Authorization header apart. */
#include "access/authorization.h"

#include <string.h>

#include <sodium.h>

static struct bytes trim(struct bytes s)
{
	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = bytes_of(s.p + 1, s.n - 1);
	while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
		s.n--;
	return s;
}

/* Whether s is the scheme and a blank; then ret_rest is what follows. */
static bool has_scheme(struct bytes s, const char *scheme, struct bytes *ret_rest)
{
	size_t n = strlen(scheme);
	if (s.n <= n || (s.p[n] != ' ' && s.p[n] != '\t'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (ascii_lower(s.p[i]) != (uint8_t)scheme[i])
			return false;
	}
	*ret_rest = trim(bytes_of(s.p + n, s.n - n));
	return true;
}

static void parse_basic(struct bytes base64, struct authorization *a)
{
	/* Some clients leave the padding out. */
	for (int i = 0; i < 2 && base64.n && base64.p[base64.n - 1] == '='; i++)
		base64.n--;
	size_t n;
	if (base64.n == 0 ||
	    sodium_base642bin(a->text, sizeof(a->text), (const char *)base64.p, base64.n, NULL, &n,
			      NULL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) != 0)
		return;
	/* A password may contain colons, a name cannot. */
	const uint8_t *colon = memchr(a->text, ':', n);
	if (!colon)
		return;
	struct bytes user = bytes_of(a->text, (size_t)(colon - a->text));
	struct bytes password = bytes_of(colon + 1, n - user.n - 1);
	if (!account_name_is_valid(user) || password.n > PASSWORD_MAX)
		return;
	a->user = user;
	a->password = password;
	a->has_basic = true;
}

static void parse_part(struct bytes part, struct authorization *a)
{
	struct bytes rest;
	if (has_scheme(part, "basic", &rest)) {
		if (!a->has_basic)
			parse_basic(rest, a);
		return;
	}
	if (has_scheme(part, "bearer", &rest) || has_scheme(part, "token", &rest))
		part = rest;
	if (part.n && a->n_tokens < AUTHORIZATION_TOKENS_MAX)
		a->tokens[a->n_tokens++] = part;
}

void authorization_parse(struct bytes header, struct authorization *ret_authorization)
{
	struct authorization *a = ret_authorization;
	a->has_basic = false;
	a->user = a->password = bytes_of(NULL, 0);
	a->n_tokens = 0;
	size_t start = 0;
	for (size_t i = 0; i <= header.n && header.n; i++) {
		if (i < header.n && header.p[i] != ',')
			continue;
		parse_part(trim(bytes_of(header.p + start, i - start)), a);
		start = i + 1;
	}
}

void authorization_release(struct authorization *authorization)
{
	sodium_memzero(authorization->text, sizeof(authorization->text));
}
