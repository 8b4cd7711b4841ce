/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The accounts in memory: parsing, looking up, changing, printing. */
#include "access/accounts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "access/accounts_priv.h"
#include "base/limits.h"
#include "base/mem.h"

bool account_name_is_valid(struct bytes name)
{
	if (name.n == 0 || name.n > ACCOUNT_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++) {
		uint8_t c = name.p[i], l = ascii_lower(c);
		if (!((l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr("._@+-", c))))
			return false;
	}
	return true;
}

bool account_roles_parse(struct bytes text, unsigned *ret_roles)
{
	unsigned roles = 0;
	size_t start = 0;
	for (size_t i = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] != ',')
			continue;
		struct bytes word = bytes_of(text.p + start, i - start);
		unsigned role = bytes_eq(word, bytes_str("reader"))   ? ACCOUNT_READER
				: bytes_eq(word, bytes_str("feeder")) ? ACCOUNT_FEEDER
				: bytes_eq(word, bytes_str("no-active")) ? ACCOUNT_NO_ACTIVE
								      : 0;
		if (!role || roles & role)
			return false;
		roles |= role;
		start = i + 1;
	}
	if (!(roles & (ACCOUNT_READER | ACCOUNT_FEEDER)))
		return false;
	*ret_roles = roles;
	return true;
}

const char *account_roles_text(unsigned roles)
{
	static const char *const texts[] = {"-", "reader", "feeder", "reader,feeder", "no-active", "reader,no-active",
					    "feeder,no-active", "reader,feeder,no-active"};
	return texts[roles & (ACCOUNT_READER | ACCOUNT_FEEDER | ACCOUNT_NO_ACTIVE)];
}

static const char *const styles[] = {"-", "circl", "cof", "doc"};

bool account_style_parse(struct bytes text, int *ret_style)
{
	for (int i = 0; i < (int)(sizeof(styles) / sizeof(*styles)); i++) {
		if (bytes_eq(text, bytes_str(styles[i]))) {
			*ret_style = i + ACCOUNT_STYLE_NONE;
			return true;
		}
	}
	return false;
}

const char *account_style_text(int style)
{
	return styles[style - ACCOUNT_STYLE_NONE];
}

struct accounts *accounts_new(void)
{
	struct accounts *accounts = xcalloc(1, sizeof(*accounts));
	accounts->lock_fd = -1;
	return accounts;
}

static void account_release(struct account *account)
{
	free(account->password);
	free(account->tokens);
}

void accounts_free(struct accounts *accounts)
{
	if (!accounts)
		return;
	for (size_t i = 0; i < accounts->n; i++)
		account_release(&accounts->p[i]);
	if (accounts->lock_fd >= 0)
		close(accounts->lock_fd);
	free(accounts->p);
	free(accounts->tokens);
	free(accounts->path);
	free(accounts);
}

size_t accounts_count(const struct accounts *accounts)
{
	return accounts->n;
}

const struct account *accounts_at(const struct accounts *accounts, size_t i)
{
	return &accounts->p[i];
}

/* Where the name is, or where it belongs. */
static size_t place_of(const struct accounts *accounts, struct bytes name, bool *ret_found)
{
	size_t low = 0, high = accounts->n;
	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = bytes_cmp(bytes_str(accounts->p[middle].name), name);
		if (c == 0) {
			*ret_found = true;
			return middle;
		}
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct account *accounts_find(const struct accounts *accounts, struct bytes name)
{
	bool found;
	size_t i = place_of(accounts, name, &found);
	return found ? &accounts->p[i] : NULL;
}

/* The search leaks at most where a hash lies among the others, which does not help to find a token
 * that has it; the decision itself takes constant time. */
const struct account *accounts_find_token(const struct accounts *accounts,
					  const struct token_hash *hash)
{
	size_t low = 0, high = accounts->n_tokens;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(accounts->tokens[middle].hash.b, hash->b, sizeof(hash->b)) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == accounts->n_tokens ||
	    sodium_memcmp(accounts->tokens[low].hash.b, hash->b, sizeof(hash->b)) != 0)
		return NULL;
	return &accounts->p[accounts->tokens[low].account];
}

/* An empty place for one more account before place i. */
static struct account *open_place(struct accounts *accounts, size_t i)
{
	if (accounts->n == accounts->cap) {
		accounts->cap = accounts->cap ? accounts->cap * 2 : 16;
		accounts->p = xrealloc(accounts->p, accounts->cap * sizeof(*accounts->p));
	}
	struct account *account = &accounts->p[i];
	memmove(account + 1, account, (accounts->n - i) * sizeof(*account));
	memset(account, 0, sizeof(*account));
	accounts->n++;
	return account;
}

/* The next field of a line: a run without blanks; empty at the end. */
static struct bytes next_field(struct bytes *line)
{
	size_t i = 0;
	while (i < line->n && (line->p[i] == ' ' || line->p[i] == '\t'))
		i++;
	size_t start = i;
	while (i < line->n && line->p[i] != ' ' && line->p[i] != '\t')
		i++;
	struct bytes field = bytes_of(line->p + start, i - start);
	*line = bytes_of(line->p + i, line->n - i);
	return field;
}

static const char *parse_password(struct bytes field, char **ret_password)
{
	if (bytes_eq(field, bytes_str("-")))
		return NULL;
	if (field.n == 0)
		return "four fields are needed: NAME ROLES STYLE PASSWORD";
	if (field.n >= PASSWORD_HASH_MAX || memchr(field.p, '\0', field.n))
		return "the password is not an argon2id string";
	char *password = xstrndup((const char *)field.p, field.n);
	if (!password_hash_is_valid(password)) {
		free(password);
		return "the password is not an argon2id string";
	}
	*ret_password = password;
	return NULL;
}

static void put_token(struct account *account, const struct token_hash *hash)
{
	size_t n = account->n_tokens + 1;
	account->tokens = xrealloc(account->tokens, n * sizeof(*account->tokens));
	account->tokens[n - 1] = *hash;
	account->n_tokens = n;
}

/* Fills an account from its line. Returns what is wrong with it, or NULL. */
static const char *parse_account(struct bytes line, struct account *account)
{
	struct bytes name = next_field(&line);
	if (!account_name_is_valid(name))
		return "the name is not 1 to 64 of [A-Za-z0-9._@+-]";
	memcpy(account->name, name.p, name.n);
	if (!account_roles_parse(next_field(&line), &account->roles))
		return "the roles are not reader, feeder or reader,feeder";
	if (!account_style_parse(next_field(&line), &account->style))
		return "the style is not circl, cof, doc or -";
	const char *wrong = parse_password(next_field(&line), &account->password);
	if (wrong)
		return wrong;
	for (;;) {
		struct bytes field = next_field(&line);
		struct token_hash hash;
		if (field.n == 0)
			return NULL;
		if (account->n_tokens == ACCOUNT_TOKENS_MAX)
			return "more than 64 tokens";
		if (!token_hash_parse(field, &hash))
			return "a token's hash is not 64 hexadecimal digits";
		put_token(account, &hash);
	}
}

static int compare_tokens(const void *a, const void *b)
{
	const struct accounts_token *x = a, *y = b;
	return memcmp(x->hash.b, y->hash.b, sizeof(x->hash.b));
}

static int index_tokens(const char *path, struct accounts *accounts, struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < accounts->n; i++)
		n += accounts->p[i].n_tokens;
	accounts->tokens = xmalloc(n * sizeof(*accounts->tokens));
	for (size_t i = 0; i < accounts->n; i++) {
		for (size_t j = 0; j < accounts->p[i].n_tokens; j++)
			accounts->tokens[accounts->n_tokens++] =
				(struct accounts_token){accounts->p[i].tokens[j], i};
	}
	if (n)
		qsort(accounts->tokens, n, sizeof(*accounts->tokens), compare_tokens);
	for (size_t i = 1; i < n; i++) {
		if (compare_tokens(&accounts->tokens[i - 1], &accounts->tokens[i]) == 0)
			return err_set(e, ERR_SYNTAX, "%s: accounts %s and %s have the same token",
				       path, accounts->p[accounts->tokens[i - 1].account].name,
				       accounts->p[accounts->tokens[i].account].name);
	}
	return 0;
}

static int parse_line(const char *path, unsigned number, struct bytes line,
		      struct accounts *accounts, struct err *e)
{
	struct bytes rest = line;
	struct bytes first = next_field(&rest);
	if (first.n == 0 || first.p[0] == '#')
		return 0;
	if (accounts->n == ACCOUNTS_MAX)
		return err_set(e, ERR_LIMIT, "%s:%u: more than %d accounts", path, number,
			       ACCOUNTS_MAX);
	struct account account = {0};
	const char *wrong = parse_account(line, &account);
	bool found = false;
	size_t i = wrong ? 0 : place_of(accounts, bytes_str(account.name), &found);
	if (found)
		wrong = "this name has a line already";
	if (wrong) {
		account_release(&account);
		return err_set(e, ERR_SYNTAX, "%s:%u: %s", path, number, wrong);
	}
	*open_place(accounts, i) = account;
	return 0;
}

int accounts_parse(const char *path, struct bytes text, struct accounts **ret_accounts,
		   struct err *e)
{
	struct accounts *accounts = accounts_new();
	unsigned number = 0;
	int rc = 0;
	for (size_t i = 0; i < text.n && rc == 0; number++) {
		const uint8_t *end = memchr(text.p + i, '\n', text.n - i);
		size_t n = end ? (size_t)(end - (text.p + i)) : text.n - i;
		size_t cut = n && text.p[i + n - 1] == '\r' ? 1 : 0;
		rc = parse_line(path, number + 1, bytes_of(text.p + i, n - cut), accounts, e);
		i += n + 1;
	}
	if (rc == 0)
		rc = index_tokens(path, accounts, e);
	if (rc) {
		accounts_free(accounts);
		return rc;
	}
	*ret_accounts = accounts;
	return 0;
}

void accounts_print(const struct accounts *accounts, struct buffer *out)
{
	buffer_put_str(out, "# Written by `dribble user`, which does not keep comments.\n"
			    "# NAME ROLES STYLE PASSWORD [TOKEN]...\n");
	for (size_t i = 0; i < accounts->n; i++) {
		const struct account *account = &accounts->p[i];
		buffer_putf(out, "%s %s %s %s", account->name, account_roles_text(account->roles),
			    account_style_text(account->style),
			    account->password ? account->password : "-");
		for (size_t j = 0; j < account->n_tokens; j++) {
			char hex[65];
			token_hash_print(&account->tokens[j], hex);
			buffer_putf(out, " %s", hex);
		}
		buffer_put_byte(out, '\n');
	}
}

int accounts_add(struct accounts *accounts, const char *name, unsigned roles, int style,
		 struct err *e)
{
	bool found;
	if (!account_name_is_valid(bytes_str(name)))
		return err_set(e, ERR_SYNTAX, "an account's name is 1 to 64 of [A-Za-z0-9._@+-]");
	size_t i = place_of(accounts, bytes_str(name), &found);
	if (found)
		return err_set(e, ERR_EXISTS, "there is an account %s already", name);
	if (accounts->n == ACCOUNTS_MAX)
		return err_set(e, ERR_LIMIT, "there are %d accounts already", ACCOUNTS_MAX);
	struct account *account = open_place(accounts, i);
	snprintf(account->name, sizeof(account->name), "%s", name);
	account->roles = roles;
	account->style = style;
	return 0;
}

static struct account *find_to_change(struct accounts *accounts, const char *name, struct err *e)
{
	bool found;
	size_t i = place_of(accounts, bytes_str(name), &found);
	if (!found)
		err_set(e, ERR_NOTFOUND, "there is no account %.*s", ACCOUNT_NAME_MAX, name);
	return found ? &accounts->p[i] : NULL;
}

int accounts_set_password(struct accounts *accounts, const char *name, const char *hash,
			  struct err *e)
{
	struct account *account = find_to_change(accounts, name, e);
	if (!account)
		return ERR_NOTFOUND;
	free(account->password);
	account->password = xstrdup(hash);
	return 0;
}

int accounts_add_token(struct accounts *accounts, const char *name, const struct token_hash *hash,
		       struct err *e)
{
	struct account *account = find_to_change(accounts, name, e);
	if (!account)
		return ERR_NOTFOUND;
	if (account->n_tokens == ACCOUNT_TOKENS_MAX)
		return err_set(e, ERR_LIMIT, "account %s has %d tokens already", name,
			       ACCOUNT_TOKENS_MAX);
	put_token(account, hash);
	return 0;
}

int accounts_drop_tokens(struct accounts *accounts, const char *name, struct err *e)
{
	struct account *account = find_to_change(accounts, name, e);
	if (!account)
		return ERR_NOTFOUND;
	free(account->tokens);
	account->tokens = NULL;
	account->n_tokens = 0;
	return 0;
}

int accounts_set_active(struct accounts *accounts, const char *name, bool active, struct err *e)
{
	struct account *account = find_to_change(accounts, name, e);
	if (!account)
		return ERR_NOTFOUND;
	account->roles = active ? account->roles & ~(unsigned)ACCOUNT_NO_ACTIVE : account->roles | ACCOUNT_NO_ACTIVE;
	return 0;
}

int accounts_delete(struct accounts *accounts, const char *name, struct err *e)
{
	struct account *account = find_to_change(accounts, name, e);
	if (!account)
		return ERR_NOTFOUND;
	size_t after = (size_t)(accounts->p + accounts->n - (account + 1));
	account_release(account);
	memmove(account, account + 1, after * sizeof(*account));
	accounts->n--;
	return 0;
}
