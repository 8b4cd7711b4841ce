/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values of options: from text, to text, and where they are from. */
#include "config/config.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_priv.h"

#define ROCKSDB "rocksdb:"
#define MEMORY "memory:"

struct suffix {
	const char *text;
	uint64_t factor;
};

static const struct suffix sizes[] = {
	{"T", (uint64_t)1 << 40}, {"G", 1 << 30}, {"M", 1 << 20},
	{"K", 1 << 10},           {"", 1},        {NULL, 0},
};
static const struct suffix durations[] = {
	{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {"", 1000}, {NULL, 0},
};
static const struct suffix plain[] = {{"", 1}, {NULL, 0}};

static const struct suffix *suffixes_of(enum option_type type)
{
	return type == OPTION_SIZE ? sizes : type == OPTION_DURATION ? durations : plain;
}

static void *member_of(const struct config *config, const struct option_row *row)
{
	return (char *)(uintptr_t)config + row->offset;
}

static bool parse_u64(const char *text, const struct suffix *suffixes, uint64_t *ret_value)
{
	uint64_t value = 0;
	size_t i = 0;
	for (; text[i] >= '0' && text[i] <= '9'; i++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value))
			return false;
	}
	if (i == 0)
		return false;
	for (; suffixes->text; suffixes++) {
		if (strcasecmp(suffixes->text, text + i) == 0)
			return !__builtin_mul_overflow(value, suffixes->factor, ret_value);
	}
	return false;
}

/* The largest suffix that leaves no rest. */
static void print_u64(uint64_t value, const struct suffix *suffixes, struct buffer *out)
{
	while (*suffixes->text && (value == 0 || value % suffixes->factor))
		suffixes++;
	buffer_put_u64(out, value / suffixes->factor);
	buffer_put_str(out, suffixes->text);
}

int config_address_parse(const char *text, struct config_address *ret_address, struct err *e)
{
	struct config_address a = {0};
	char host[INET6_ADDRSTRLEN] = "";
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	bool brackets = n > 1 && text[0] == '[' && text[n - 1] == ']';
	uint64_t port;
	if (brackets && n - 2 < sizeof(host))
		memcpy(host, text + 1, n - 2);
	else if (!brackets && n < sizeof(host))
		memcpy(host, text, n);
	if (!colon || !parse_u64(colon + 1, plain, &port) || port > 65535)
		return err_set(e, ERR_SYNTAX, "not ADDR:PORT with a port of 0 to 65535");
	if (brackets && inet_pton(AF_INET6, host, &a.socket.in6.sin6_addr) == 1) {
		a.socket.in6.sin6_family = AF_INET6;
		a.socket.in6.sin6_port = htons((uint16_t)port);
		a.length = sizeof(a.socket.in6);
		inet_ntop(AF_INET6, &a.socket.in6.sin6_addr, host, sizeof(host));
		snprintf(a.text, sizeof(a.text), "[%s]:%u", host, (unsigned)port);
	} else if (!brackets && inet_pton(AF_INET, host, &a.socket.in.sin_addr) == 1) {
		a.socket.in.sin_family = AF_INET;
		a.socket.in.sin_port = htons((uint16_t)port);
		a.length = sizeof(a.socket.in);
		snprintf(a.text, sizeof(a.text), "%s:%u", host, (unsigned)port);
	} else {
		return err_set(e, ERR_SYNTAX,
			       "not a numeric address, as in 127.0.0.1:8400 or [::1]:8400");
	}
	*ret_address = a;
	return 0;
}

bool config_address_is_loopback(const struct config_address *address)
{
	const struct in6_addr *six = &address->socket.in6.sin6_addr;
	if (address->socket.any.sa_family == AF_INET)
		return ntohl(address->socket.in.sin_addr.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127);
}

/* A path, or a kind of store and a colon: letters, as a path with a colon has a slash before it. */
static int check_store(const char *value, struct err *e)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyz");
	if (!*value)
		return err_set(e, ERR_SYNTAX, "must not be empty");
	if (n > 1 && value[n] == ':' && strncmp(value, ROCKSDB, n + 1) != 0 && strncmp(value, MEMORY, n + 1) != 0)
		return err_set(e, ERR_SYNTAX, "no such kind of store: PATH, rocksdb:PATH and memory: are");
	return 0;
}

/* Text that a configuration file can hold: no control characters, and for a URI no blanks either.
 */
static int check_text(const struct option_row *row, const char *value, struct err *e)
{
	if (row->type == OPTION_URI && !*value)
		return err_set(e, ERR_SYNTAX, "must not be empty");
	if (row == option_rows && check_store(value, e) < 0) /* the store */
		return ERR_SYNTAX;
	for (const char *c = value; *c; c++) {
		uint8_t byte = (uint8_t)*c;
		if (byte < 0x20 || byte == 0x7f)
			return err_set(e, ERR_SYNTAX, "has a control character");
		if (row->type == OPTION_URI && (byte == ' ' || byte >= 0x80))
			return err_set(e, ERR_SYNTAX, "not a URI (ASCII without blanks)");
	}
	return 0;
}

static int set_number(const struct option_row *row, uint64_t *member, const char *value, bool store,
		      struct err *e)
{
	const struct suffix *suffixes = suffixes_of(row->type);
	uint64_t number;
	if (!parse_u64(value, suffixes, &number))
		return err_set(e, ERR_SYNTAX, "not a %s",
			       row->type == OPTION_SIZE       ? "size, as in 512M or 4G"
			       : row->type == OPTION_DURATION ? "time, as in 60s or 500ms"
							      : "number");
	if (number < row->least || number > row->most) {
		struct buffer range = BUFFER_INIT;
		print_u64(row->least, suffixes, &range);
		buffer_put_str(&range, " to ");
		print_u64(row->most, suffixes, &range);
		int rc = err_set(e, ERR_LIMIT, "not in the range of %.*s", (int)range.n,
				 (const char *)range.p);
		buffer_release(&range);
		return rc;
	}
	if (store)
		*member = number;
	return 0;
}

static int set_choice(const struct option_row *row, int *member, const char *value, bool store,
		      struct err *e)
{
	char words[128] = "";
	for (int i = 0; row->words[i]; i++) {
		if (strcmp(row->words[i], value) == 0) {
			if (store)
				*member = i;
			return 0;
		}
		size_t n = strlen(words);
		snprintf(words + n, sizeof(words) - n, "%s%s",
			 i == 0              ? ""
			 : row->words[i + 1] ? ", "
					     : " or ",
			 row->words[i]);
	}
	return err_set(e, ERR_SYNTAX, "must be %s", words);
}

static int set_bool(bool *member, const char *value, bool store, struct err *e)
{
	bool yes = strcmp(value, "yes") == 0;
	if (!yes && strcmp(value, "no") != 0)
		return err_set(e, ERR_SYNTAX, "must be yes or no");
	if (store)
		*member = yes;
	return 0;
}

static int add_listen(struct config_listen *listen, const struct option_row *row, const char *value, bool first, bool store,
		      struct err *e)
{
	struct config_address address;
	bool none = !*value && !*row->initial;
	int rc = none ? 0 : config_address_parse(value, &address, e);
	if (rc || !store)
		return rc;
	if (first)
		listen->n = 0;
	if (none)
		return 0;
	if (listen->n == CONFIG_LISTEN_MAX)
		return err_set(e, ERR_LIMIT, "more than %d addresses", CONFIG_LISTEN_MAX);
	listen->p[listen->n++] = address;
	return 0;
}

static void clear_paths(struct config_paths *paths)
{
	while (paths->n)
		free(paths->p[--paths->n]);
}

static int add_path(struct config_paths *paths, const struct option_row *row, const char *value, bool first, bool store,
		    struct err *e)
{
	int rc = check_text(row, value, e);
	if (rc || !store)
		return rc;
	if (first)
		clear_paths(paths);
	if (!*value)
		return 0;
	if (paths->n == CONFIG_PATHS_MAX)
		return err_set(e, ERR_LIMIT, "more than %d of them", CONFIG_PATHS_MAX);
	paths->p[paths->n++] = xstrdup(value);
	return 0;
}

static int set_row(struct config *config, const struct option_row *row, const char *value,
		   struct config_origin origin, struct err *e)
{
	struct config_origin *was = &config->origins[row - option_rows];
	bool store = origin.source >= was->source;
	void *member = member_of(config, row);
	int rc = 0;
	switch (row->type) {
	case OPTION_STRING:
	case OPTION_URI:
	case OPTION_PATH:
		rc = check_text(row, value, e);
		if (rc == 0 && store) {
			char **text = member, *old = *text;
			*text = xstrdup(value);
			free(old);
		}
		break;
	case OPTION_PATHS:
		rc = add_path(member, row, value, origin.source > was->source, store, e);
		break;
	case OPTION_ADDRESS:
		rc = add_listen(member, row, value, origin.source > was->source, store, e);
		break;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		rc = set_number(row, member, value, store, e);
		break;
	case OPTION_BOOL:
		rc = set_bool(member, value, store, e);
		break;
	case OPTION_CHOICE:
		rc = set_choice(row, member, value, store, e);
		break;
	}
	if (rc == 0 && store)
		*was = origin;
	return rc;
}

int config_set(struct config *config, const char *name, const char *value,
	       struct config_origin origin, struct err *e)
{
	struct err why = {""};
	const struct option_row *row = option_find(bytes_str(name), CONFIG_FOR_ALL);
	if (!row) {
		const char *nearest = option_nearest(bytes_str(name), CONFIG_FOR_ALL);
		return err_set(e, ERR_NOTFOUND, "there is no option \"%.64s\"%s%s%s", name,
			       nearest ? "; did you mean " : "", nearest ? nearest : "",
			       nearest ? "?" : "");
	}
	int rc = strlen(value) > CONFIG_VALUE_MAX
			 ? err_set(&why, ERR_LIMIT, "longer than %d octets", CONFIG_VALUE_MAX)
			 : set_row(config, row, value, origin, &why);
	if (rc)
		err_set(e, rc, "%s: \"%.128s\": %s", row->name, value, why.text);
	return rc;
}

enum config_source config_source(const struct config *config, const char *name)
{
	const struct option_row *row = option_find(bytes_str(name), CONFIG_FOR_ALL);
	return row ? config->origins[row - option_rows].source : CONFIG_DEFAULT;
}

void config_init(struct config *config)
{
	*config = (struct config){0};
	for (size_t i = 0; i < option_count; i++) {
		struct err e;
		struct config_origin origin = {CONFIG_DEFAULT, 0};
		const struct option_row *row = &option_rows[i];
		if (set_row(config, row, row->initial, origin, &e) != 0)
			abort(); /* the table is wrong */
	}
}

void config_release(struct config *config)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		if (row->type == OPTION_STRING || row->type == OPTION_URI ||
		    row->type == OPTION_PATH)
			free(*(char **)member_of(config, row));
		else if (row->type == OPTION_PATHS)
			clear_paths(member_of(config, row));
	}
	free(config->file);
	*config = (struct config){0};
}

int config_mode_parse(const char *text, unsigned *ret_mode)
{
	unsigned mode = 0;
	if (!*text || strlen(text) > 4)
		return ERR_SYNTAX;
	for (; *text; text++) {
		if (*text < '0' || *text > '7')
			return ERR_SYNTAX;
		mode = mode * 8 + (unsigned)(*text - '0');
	}
	if (mode > 0777)
		return ERR_LIMIT;
	*ret_mode = mode;
	return 0;
}

/* No address twice. */
static int check_addresses(const char *name, const struct config_listen *listen, struct err *e)
{
	for (size_t i = 0; i < listen->n; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *text = listen->p[i].text;
			bool any_port = text[strlen(text) - 1] == '0' && text[strlen(text) - 2] == ':';
			if (!any_port && strcmp(text, listen->p[j].text) == 0)
				return err_set(e, ERR_USAGE, "%s: %s is given twice", name, text);
		}
	}
	return 0;
}

int config_check(const struct config *config, struct err *e)
{
	if (!*config->tls_certificate != !*config->tls_key)
		return err_set(e, ERR_USAGE, "%s is given, but not %s",
			       *config->tls_key ? "tls_key" : "tls_certificate",
			       *config->tls_key ? "tls_certificate" : "tls_key");
	if (config->active_recursion && config->active_forwarder.n)
		return err_set(e, ERR_USAGE, "active_recursion and active_forwarder exclude each other");
	if (config->active_ttl_min_ms > config->active_ttl_max_ms)
		return err_set(e, ERR_USAGE, "active_ttl_min is above active_ttl_max");
	unsigned mode;
	if (config_mode_parse(config->dnstap_unix_mode, &mode) < 0)
		return err_set(e, ERR_USAGE, "dnstap_unix_mode: \"%.32s\": not permissions in octal, as in 0660",
			       config->dnstap_unix_mode);
	int rc = check_addresses("listen", &config->listen, e);
	return rc < 0 ? rc : check_addresses("dnstap_tcp", &config->dnstap_tcp, e);
}

int config_accounts_path(const struct config *config, char **ret_path, struct err *e)
{
	const char *path = config->store;
	if (*config->accounts) {
		*ret_path = xstrdup(config->accounts);
		return 0;
	}
	if (strncmp(path, ROCKSDB, strlen(ROCKSDB)) == 0)
		path += strlen(ROCKSDB);
	else if (strncmp(path, MEMORY, strlen(MEMORY)) == 0)
		path = "";
	if (!*path)
		return err_set(e, ERR_USAGE,
			       "the store %.128s has no folder for accounts: give --accounts FILE",
			       config->store);
	if (asprintf(ret_path, "%s/accounts", path) < 0)
		abort();
	return 0;
}

size_t option_values(const struct config *config, const struct option_row *row)
{
	const void *member = member_of(config, row);
	if (row->type == OPTION_ADDRESS)
		return ((const struct config_listen *)member)->n;
	return row->type == OPTION_PATHS ? ((const struct config_paths *)member)->n : 1;
}

void option_print_value(const struct config *config, const struct option_row *row, size_t i,
			struct buffer *out)
{
	void *member = member_of(config, row);
	switch (row->type) {
	case OPTION_STRING:
	case OPTION_URI:
	case OPTION_PATH:
		buffer_put_str(out, *(char **)member);
		break;
	case OPTION_PATHS:
		if (i < ((struct config_paths *)member)->n)
			buffer_put_str(out, ((struct config_paths *)member)->p[i]);
		break;
	case OPTION_ADDRESS:
		if (i < ((struct config_listen *)member)->n)
			buffer_put_str(out, ((struct config_listen *)member)->p[i].text);
		break;
	case OPTION_NUMBER:
	case OPTION_SIZE:
	case OPTION_DURATION:
		print_u64(*(uint64_t *)member, suffixes_of(row->type), out);
		break;
	case OPTION_BOOL:
		buffer_put_str(out, *(bool *)member ? "yes" : "no");
		break;
	case OPTION_CHOICE:
		buffer_put_str(out, row->words[*(int *)member]);
		break;
	}
}
