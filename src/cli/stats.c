/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble stats: what a store holds. */
#include <stdio.h>

#include "cli/common.h"

static const char help[] =
	"usage: dribble stats [OPTIONS]\n\n"
	"Shows how much a store holds. Rows are an estimate (a record has one by its owner and one\n"
	"for every name or address in its data). Works while a server holds the store.\n\n"
	"Example:\n"
	"  dribble stats --store /var/lib/dribble\n";

int stats_main(int argc, char **argv)
{
	struct config config;
	struct err e;
	struct store_figures f;
	int code = EXIT_FAILED;
	int first = cli_options(argc, argv, &config, CONFIG_FOR_STORE | CONFIG_FOR_READING, NULL, help,
	                        &code);
	if (first < 0)
		return code;
	struct store *s = cli_store("stats", &config, STORE_READ);
	code = EXIT_FAILED;
	if (s && store_figures(s, &f, &e) < 0) {
		cli_fail("stats", EXIT_FAILED, "%s", e.text);
	} else if (s) {
		printf("rows (estimate)  %llu\ndisk             %llu bytes\nmemory           %llu bytes\n",
		       (unsigned long long)f.rows, (unsigned long long)f.disk_bytes,
		       (unsigned long long)f.memory_bytes);
		code = EXIT_DONE;
	}
	store_close(s);
	config_release(&config);
	return code;
}
