/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Long options from a command line. */
#include "config/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/config_priv.h"

struct argv_walk {
	struct config *config;
	unsigned scope;
	const struct config_own_option *own;
	int argc;
	char **argv;
	int i; /* the argument being looked at */
};

const struct config_own_option *own_option_find(const struct config_own_option *own, struct bytes name)
{
	for (; own && own->name; own++) {
		if (option_name_is(own->name, name))
			return own;
	}
	return NULL;
}

static int unknown_option(const struct argv_walk *walk, struct bytes name, struct err *e)
{
	const char *nearest = option_nearest(name, walk->scope);
	size_t least = nearest ? option_distance(nearest, name) : 3;
	for (const struct config_own_option *own = walk->own; own && own->name; own++) {
		size_t distance = option_distance(own->name, name);
		if (distance < least && distance < name.n) {
			nearest = own->name;
			least = distance;
		}
	}
	return err_set(e, ERR_USAGE, "there is no option --%.*s%s%s%s",
		       (int)(name.n > 64 ? 64 : name.n), (const char *)name.p,
		       nearest ? "; did you mean --" : "", nearest ? nearest : "",
		       nearest ? "?" : "");
}

/* The value behind = or in the next argument; NULL when there is none. */
static const char *value_of(struct argv_walk *walk, const char *equals)
{
	if (equals)
		return equals + 1;
	return walk->i + 1 < walk->argc ? walk->argv[++walk->i] : NULL;
}

static int take_option(struct argv_walk *walk, struct err *e)
{
	const char *text = walk->argv[walk->i] + 2;
	const char *equals = strchr(text, '=');
	struct bytes name = bytes_of(text, equals ? (size_t)(equals - text) : strlen(text));
	const struct config_own_option *own = name.n > 1 ? own_option_find(walk->own, name) : NULL;
	const struct option_row *row = own ? NULL : option_find(name, walk->scope);
	if (own && own->ret_flag) {
		if (equals)
			return err_set(e, ERR_USAGE, "--%s takes no value", own->name);
		*own->ret_flag = true;
		return 0;
	}
	if (!own && !row)
		return unknown_option(walk, name, e);
	const char *value = value_of(walk, equals);
	if (!value)
		return err_set(e, ERR_USAGE, "--%s needs a value", own ? own->name : row->name);
	if (own) {
		*own->ret_value = value;
		return 0;
	}
	struct err why = {""};
	int rc = config_set(walk->config, row->name, value,
			    (struct config_origin){CONFIG_COMMAND_LINE, 0}, &why);
	return rc ? err_set(e, rc, "--%s", why.text) : 0;
}

/* A command may have options of one letter among its own; `-` is standard input, -h is what everybody tries first. */
static int take_short(struct argv_walk *walk, struct err *e)
{
	const char *text = walk->argv[walk->i];
	const struct config_own_option *own =
		strlen(text) == 2 ? own_option_find(walk->own, bytes_of(text + 1, 1)) : NULL;
	if (own && own->ret_flag) {
		*own->ret_flag = true;
		return 0;
	}
	if (own) {
		const char *value = value_of(walk, NULL);
		if (!value)
			return err_set(e, ERR_USAGE, "%s needs a value", text);
		*own->ret_value = value;
		return 0;
	}
	const struct config_own_option *help = own_option_find(walk->own, bytes_str("help"));
	if (strcmp(text, "-h") == 0 && help && help->ret_flag) {
		*help->ret_flag = true;
		return 0;
	}
	return err_set(e, ERR_USAGE,
		       "there is no option %.64s (a value that starts with - goes behind --)",
		       text);
}

int config_parse_argv(struct config *config, unsigned scope, const struct config_own_option *own,
		      int argc, char **argv, struct err *e)
{
	struct argv_walk walk = {config, config ? scope : 0, own, argc, argv, 1};
	char **rest = xmalloc(((size_t)argc + 1) * sizeof(*rest));
	bool only_rest = false;
	int n_rest = 0, rc = 0;
	for (; walk.i < argc && rc == 0; walk.i++) {
		char *text = argv[walk.i];
		if (only_rest || text[0] != '-' || text[1] == '\0')
			rest[n_rest++] = text;
		else if (strcmp(text, "--") == 0)
			only_rest = true;
		else if (text[1] == '-')
			rc = take_option(&walk, e);
		else
			rc = take_short(&walk, e);
	}
	if (rc == 0) {
		rc = argc - n_rest;
		for (int i = 0; i < n_rest; i++)
			argv[rc + i] = rest[i];
	}
	free(rest);
	return rc;
}
