/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble query: what is known of a value, from a store or a server. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer/answer.h"
#include "cli/client.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/usage.h"
#include "query/walk.h"

static const char help[] =
	"usage: dribble query [OPTIONS] VALUE...\n\n"
	"Shows every record that a name, an address or an exact text owns or stands in the data of.\n"
	"Works while a server holds the store.\n\n"
	"Examples:\n"
	"  dribble query --store /var/lib/dribble circl.lu\n"
	"  dribble query --store /var/lib/dribble --rrtype NS,MX --style cof circl.lu\n"
	"  dribble query --server http://127.0.0.1:8400 185.194.93.14\n\n"
	"  --rrtype TYPES\n      only these types, separated by commas\n"
	"  --style STYLE\n      table (the default on a terminal), cof, circl or doc\n"
	"  --limit N\n      at most so many records for each value\n"
	"  --server URL\n      ask a server instead of a store\n"
	"  --user NAME:PASSWORD\n  --token TOKEN\n      who asks the server\n";

struct query_options {
	const char *rrtype, *style, *limit, *server, *user, *token;
};

enum { PAGE = 10000 }; /* records asked of a server at a time */

static uint64_t limit_of(const struct query_options *o)
{
	return o->limit ? strtoull(o->limit, NULL, 10) : UINT64_MAX;
}

static int print_rows(struct store *s, const struct question *q, enum style style,
                      const struct config *config, uint64_t limit, struct err *e)
{
	struct answer a = {.style = style, .origin = bytes_str(config->origin)};
	struct record_scratch scratch;
	struct record r;
	struct buffer lines = BUFFER_INIT;
	struct walk w;
	int rc = walk_begin(s, q, &w, e);
	if (rc < 0)
		return rc;
	rc = walk_seek(&w, NULL, e);
	for (uint64_t n = 0; rc == 1 && n < limit; n++) {
		rc = walk_record(&w, &scratch, &r, e);
		if (rc == 0) {
			answer_line(&a, &r, &lines);
			rc = out_flush(&lines, false, e);
		}
		if (rc == 0)
			rc = walk_next(&w, e);
	}
	if (rc >= 0)
		rc = out_flush(&lines, true, e);
	walk_end(&w);
	answer_release(&a);
	buffer_release(&lines);
	return rc;
}

static int query_store(struct store *s, const char *value, const struct query_options *o,
                       enum style style, const struct config *config, struct err *e)
{
	struct filter filter = {0};
	struct question q;
	int rc = o->rrtype ? filter_parse(bytes_str(o->rrtype), &filter, e) : 0;
	if (rc < 0)
		return rc;
	rc = question_parse(bytes_str(value), &filter, NULL, &q, e);
	if (rc < 0)
		return rc;
	rc = print_rows(s, &q, style, config, limit_of(o), e);
	question_release(&q);
	return rc;
}

/* A header line, NUL-terminated, in b. */
static const char *header_line(struct buffer *b, const char *name, const char *value)
{
	buffer_clear(b);
	buffer_putf(b, "%s: %s", name, value);
	buffer_put_byte(b, 0);
	return (const char *)b->p;
}

static const char *count_line(struct buffer *b, uint64_t left)
{
	char digits[24];
	snprintf(digits, sizeof(digits), "%llu", (unsigned long long)(left < PAGE ? left : PAGE));
	return header_line(b, "dribble-paginate-count", digits);
}

/* Page after page, until all is there or the limit is reached: the server gives fewer records than are asked for when its own
 * pages are shorter. Returns 1 when there are more. */
static int query_pages(const struct client_options *client, const char *path, const char *rrtype,
                       uint64_t limit, struct err *e)
{
	struct buffer type = BUFFER_INIT, count = BUFFER_INIT, at = BUFFER_INIT, cursor = BUFFER_INIT;
	const char *headers[4] = {NULL};
	size_t n = 1;
	uint64_t lines;
	int rc;
	if (rrtype)
		headers[n++] = header_line(&type, "dribble-filter-rrtype", rrtype);
	do {
		headers[0] = count_line(&count, limit);
		rc = client_get(client, path, headers, &lines, &cursor, e);
		if (rc == 1 && !lines)
			rc = err_set(e, ERR_IO, "%s says that there is more, but does not give it", client->url);
		limit -= lines < limit ? lines : limit;
		if (rc == 1) {
			buffer_put_byte(&cursor, 0);
			headers[n] = header_line(&at, "dribble-paginate-cursor", (const char *)cursor.p);
		}
	} while (rc == 1 && limit);
	buffer_release(&type);
	buffer_release(&count);
	buffer_release(&at);
	buffer_release(&cursor);
	return rc;
}

static int query_server(const char *value, const struct query_options *o, const char *style,
                        struct err *e)
{
	const struct client_options client = {o->server, o->user, o->token};
	struct buffer path = BUFFER_INIT;
	char *escaped = client_escape(value);
	buffer_putf(&path, *style ? "/%s/pdns/query/%s" : "%s/pdns/query/%s", style, escaped);
	buffer_put_byte(&path, 0);
	int rc = query_pages(&client, (const char *)path.p, o->rrtype, limit_of(o), e);
	if (rc == 1)
		fprintf(stderr, "dribble query: there is more\n");
	free(escaped);
	buffer_release(&path);
	return rc < 0 ? rc : 0;
}

/* Which style is meant; false when there is no such. */
static bool choose_style(const struct query_options *o, const struct config *config,
                         enum style *ret)
{
	*ret = isatty(STDOUT_FILENO) && !o->server ? STYLE_TABLE : (enum style)config->style;
	if (!o->style)
		return true;
	if (strcmp(o->style, "table") == 0) {
		*ret = STYLE_TABLE;
		return !o->server;
	}
	return style_from_text(bytes_str(o->style), ret);
}

static int query_values(int n, char **values, const struct query_options *o, enum style style,
                        const struct config *config)
{
	struct err e;
	int rc = 0;
	struct store *s = o->server ? NULL : cli_store("query", config, STORE_READ);
	if (!o->server && !s)
		return EXIT_FAILED;
	for (int i = 0; i < n && rc == 0; i++)
		rc = o->server ? query_server(values[i], o, o->style ? style_name(style) : "", &e)
		               : query_store(s, values[i], o, style, config, &e);
	store_close(s);
	if (rc == 0 || rc == ERR_CANCELLED)
		return EXIT_DONE;
	return cli_fail("query", rc == ERR_SYNTAX || rc == ERR_UNSUPPORTED ? EXIT_USAGE : EXIT_FAILED,
	                "%s", e.text);
}

static int check_server(const struct query_options *o, const struct config *config, const struct config_own_option *own)
{
	int code = 0;
	if (o->server)
		code = usage_refuse("query", config, own, "store cache", "does not go with --server: it opens no store");
	if (!code && o->server)
		code = usage_refuse("query", config, own, "origin", "does not go with --server: that has its own");
	return code ? code : usage_check_sender("query", NULL, o->server, o->user, o->token);
}

int query_main(int argc, char **argv)
{
	struct config config;
	struct query_options o = {0};
	enum style style;
	int code = EXIT_USAGE;
	const struct config_own_option own[] = {
		{"rrtype", &o.rrtype, NULL}, {"style", &o.style, NULL}, {"limit", &o.limit, NULL},
		{"server", &o.server, NULL}, {"user", &o.user, NULL},   {"token", &o.token, NULL},
		{NULL, NULL, NULL},
	};
	int first = cli_options(argc, argv, &config,
	                        CONFIG_FOR_STORE | CONFIG_FOR_READING | CONFIG_FOR_ANSWERS, own, help,
	                        &code);
	if (first < 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	code = check_server(&o, &config, own);
	if (code) {
		config_release(&config);
		return code;
	}
	if (first == argc)
		code = cli_fail("query", EXIT_USAGE, "what for? Give a name, an address or a text");
	else if (!choose_style(&o, &config, &style))
		code = cli_fail("query", EXIT_USAGE, "--style %s: %s", o.style,
		                o.server ? "a server answers cof, circl or doc"
		                         : "table, cof, circl and doc are known");
	else if (o.limit && (!*o.limit || strspn(o.limit, "0123456789") != strlen(o.limit) ||
	                     strtoull(o.limit, NULL, 10) == 0))
		code = cli_fail("query", EXIT_USAGE, "--limit %s: not a number from 1", o.limit);
	else
		code = query_values(argc - first, argv + first, &o, style, &config);
	config_release(&config);
	return code;
}
