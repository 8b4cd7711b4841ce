/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options that are wrong, or would do nothing. */
#include "cli/usage.h"

#include <string.h>

#include "base/limits.h"
#include "cli/common.h"

static bool is_name(const char *name, const char *other, size_t n)
{
	return strlen(name) == n && strncmp(name, other, n) == 0;
}

static bool is_given(const struct config *config, const struct config_own_option *own,
		     const char *name, size_t n)
{
	char text[64];
	for (; own && own->name; own++) {
		if (is_name(own->name, name, n))
			return own->ret_flag ? *own->ret_flag : *own->ret_value != NULL;
	}
	if (n >= sizeof(text))
		return false;
	memcpy(text, name, n);
	text[n] = '\0';
	return config_source(config, text) == CONFIG_COMMAND_LINE;
}

int usage_refuse(const char *command, const struct config *config,
		 const struct config_own_option *own, const char *names, const char *why)
{
	while (*names) {
		size_t n = strcspn(names, " ");
		if (is_given(config, own, names, n))
			return cli_fail(command, EXIT_USAGE, "--%.*s %s", (int)n, names, why);
		names += n + (names[n] == ' ');
	}
	return 0;
}

/* The reader that an option is for says what is wrong with it. */
static int try_open(const char *command, const char *option, const char *value,
		    const struct reader_format *format, const struct reader_options *opt)
{
	struct err e = {""};
	if (!value)
		return 0;
	struct reader *r = format->open(opt, &e);
	if (!r)
		return cli_fail(command, EXIT_USAGE, "--%s: %s", option, e.text);
	format->close(r);
	return 0;
}

int usage_check_reader(const char *command, const struct reader_options *opt)
{
	const struct reader_options fields = {.fields = opt->fields},
				    filter = {.filter = opt->filter}, ports = {.ports = opt->ports},
				    origin = {.origin = opt->origin};
	int code = try_open(command, "fields", opt->fields, &passivedns_format, &fields);
	code = code ? code : try_open(command, "filter", opt->filter, &pcap_format, &filter);
	code = code ? code : try_open(command, "port", opt->ports, &pcap_format, &ports);
	return code ? code : try_open(command, "origin", opt->origin, &zone_format, &origin);
}

int usage_check_sender(const char *command, const char *sensor, const char *url, const char *user,
		       const char *token)
{
	if (sensor && (!*sensor || strlen(sensor) > MEMBER_MAX))
		return cli_fail(command, EXIT_USAGE, "--sensor: it must have 1 to %d octets",
				MEMBER_MAX);
	if (url && !*url)
		return cli_fail(command, EXIT_USAGE, "--server: it must not be empty");
	if (user && token)
		return cli_fail(command, EXIT_USAGE, "--user and --token do not go together");
	if (!url && (user || token))
		return cli_fail(command, EXIT_USAGE, "--%s is for --server",
				user ? "user" : "token");
	return 0;
}
