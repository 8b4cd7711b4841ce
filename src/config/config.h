/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options: one table (options.c) from which the configuration file, the long options, --help,
 * --print-config and the manual are all made. A new option is one row there and one member here.
 *
 * A value comes from its default, from the configuration file or from the command line, and a later
 * one in this list wins in whatever order they are set. Names may be spelled with - or _.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/err.h"

#define CONFIG_LISTEN_MAX 8
#define CONFIG_PATHS_MAX 64               /* of one option */
#define CONFIG_OPTIONS_MAX 64             /* rows of the table, checked in options.c */
#define CONFIG_VALUE_MAX 4096             /* octets of a value */
#define CONFIG_FILE_MAX ((size_t)1 << 20) /* octets of a configuration file */

enum config_style { CONFIG_STYLE_CIRCL, CONFIG_STYLE_COF, CONFIG_STYLE_DOC };

enum config_log_level { /* as enum log_level */
			CONFIG_LOG_ERROR,
			CONFIG_LOG_WARNING,
			CONFIG_LOG_INFO,
			CONFIG_LOG_DEBUG,
};

/* Which commands take an option: a command gives the sum of those it wants. */
enum config_scope {
	CONFIG_FOR_STORE = 1 << 0,    /* store */
	CONFIG_FOR_ACCOUNTS = 1 << 1, /* accounts */
	CONFIG_FOR_ANSWERS = 1 << 2,  /* style, origin */
	CONFIG_FOR_READING = 1 << 3,  /* cache */
	CONFIG_FOR_FEEDING = 1 << 4,  /* memory, threads */
	CONFIG_FOR_SERVER = 1 << 5,   /* listen, limits, TLS, … */
	CONFIG_FOR_LOG = 1 << 6,      /* log_level */
	CONFIG_FOR_LISTS = 1 << 7,    /* exclude, only */
	CONFIG_FOR_LIVE = 1 << 8,     /* feed_hold, feed_hold_records */
	CONFIG_FOR_ALL = (1 << 9) - 1,
};

struct config_address {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} socket;
	socklen_t length;
	char text[64]; /* as it is written in a file: 127.0.0.1:8400, [::1]:8400 */
};

struct config_listen {
	struct config_address p[CONFIG_LISTEN_MAX];
	size_t n;
};

/* An option that may be given several times. */
struct config_paths {
	char *p[CONFIG_PATHS_MAX]; /* owned */
	size_t n;
};

enum config_source { CONFIG_DEFAULT, CONFIG_FILE, CONFIG_COMMAND_LINE };

struct config_origin {
	enum config_source source;
	unsigned line; /* of the file */
};

/* Strings are owned and never NULL; empty means not given. */
struct config {
	char *store;
	struct config_listen listen;
	char *accounts; /* see config_accounts_path */
	bool serve_anyone;
	int style; /* enum config_style */
	char *origin;
	uint64_t maxset;
	uint64_t page_max;
	uint64_t import_body_max; /* octets */
	uint64_t connections_max;
	uint64_t connection_timeout_ms;
	uint64_t threads; /* 0: as many as processors */
	uint64_t memory;  /* octets */
	uint64_t cache;   /* octets */
	char *tls_certificate;
	char *tls_key;
	int log_level; /* enum config_log_level */
	struct config_paths dnstap_unix;
	struct config_listen dnstap_tcp;
	char *dnstap_unix_mode; /* see config_mode_parse */
	bool dnstap_anyone;
	struct config_paths watch, follow; /* folders; URLs */
	uint64_t feed_hold_ms;
	uint64_t feed_hold_records;
	bool active; /* in force when there is somebody to ask, see resolve/resolver.h */
	struct config_paths active_forwarder; /* ADDR, ADDR@PORT */
	bool active_recursion;
	struct config_paths active_stub;     /* ZONE=ADDR, ZONE=ADDR@PORT */
	char *active_root_hints;
	bool active_dnssec;
	struct config_paths active_trust_anchor; /* files */
	struct config_paths active_insecure; /* zones */
	char *active_types;
	uint64_t active_budget_ms, active_ttl_min_ms, active_ttl_max_ms;
	uint64_t active_queue;
	uint64_t active_rate, active_rate_zone, active_rate_account; /* 0: none */
	struct config_paths exclude, only; /* lists of ingest/exclusion.h */

	char *file; /* owned: the file that was loaded, or NULL */
	struct config_origin origins[CONFIG_OPTIONS_MAX]; /* by row of the table */
};

/* Sets every default. */
void config_init(struct config *config);
void config_release(struct config *config);

/* Errors are "FILE:LINE: …". One file only. */
int config_load_file(struct config *config, const char *path, struct err *e);
/* The text of a file, path for its errors. config->file is not set. */
int config_parse(struct config *config, const char *path, struct bytes text, struct err *e);

/* A value that a stronger source has set already stays; it is checked all the same. What may be
 * given several times (listen, exclude, …) is added to what the same source gave; an empty path adds none. The sentence of an error names the option.
 * ERR_NOTFOUND: no such option. */
int config_set(struct config *config, const char *name, const char *value,
	       struct config_origin origin, struct err *e);

/* Where the value of an option is from. */
enum config_source config_source(const struct config *config, const char *name);

/* What no single value shows: the TLS files come in pairs, and so on. */
int config_check(const struct config *config, struct err *e);

/* The accounts file that is meant: `accounts`, or `accounts` in the store's folder. To be freed.
 * ERR_USAGE when the store has no folder. */
int config_accounts_path(const struct config *config, char **ret_path, struct err *e);

/* Whether nobody outside this machine can reach the address. */
bool config_address_is_loopback(const struct config_address *address);
/* ADDR:PORT with a numeric address; IPv6 in brackets. */
int config_address_parse(const char *text, struct config_address *ret_address, struct err *e);
/* A socket that listens there and does not block, or -1 and errno. ret_bound: the address with the port it got, where 0 was asked for. */
int config_address_listen(const struct config_address *address, int backlog, struct config_address *ret_bound);

/* Permissions of a file in octal, as 0660. */
int config_mode_parse(const char *text, unsigned *ret_mode);

/* An option of one command only: either a value or a flag. */
struct config_own_option {
	const char *name;
	const char **ret_value; /* borrowed from argv; the last one given counts */
	bool *ret_flag;
};

/* Takes the options out of argv, wherever they stand before a `--`, and moves the rest to its end
 * in order. Returns the index of the first of the rest (argc when there is none), or a negative
 * error. own may be NULL and ends with a NULL name; it goes before the table, of which only the
 * rows in scope are options.
 * `-h` is `--help` when own has it. */
int config_parse_argv(struct config *config, unsigned scope, const struct config_own_option *own,
		      int argc, char **argv, struct err *e);

/* A line for every option in scope, for the end of a --help; those that a command has an own option for are its own to explain.
 * own as for config_parse_argv. */
void config_print_help(FILE *out, unsigned scope, const struct config_own_option *own);
/* Every option as a configuration file, with where its value is from: config_load_file gives the
 * same. */
void config_print(const struct config *config, FILE *out);
/* The list of all options for the manual. */
void config_print_mdoc(FILE *out);
