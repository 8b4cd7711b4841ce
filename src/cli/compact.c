/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble compact: merges a store down to its smallest form. */
#include <stdio.h>

#include "cli/common.h"

static const char help[] =
	"usage: dribble compact [OPTIONS]\n\n"
	"Merges everything that a store holds into its smallest form, which is also the fastest to "
	"ask.\n"
	"While it works both forms are on disk. It may be stopped at any time: the store is then "
	"as it\n"
	"was. Stores merge by themselves as they grow; this is for what no longer grows much.\n"
	"Not while a server holds the store.\n\n"
	"Example:\n"
	"  dribble compact --store /var/lib/dribble\n";

static int compact(struct store *s, struct err *e)
{
	struct store_figures before = {0}, after = {0};
	int rc = store_figures(s, &before, e);
	if (rc == 0)
		rc = store_compact(s, e);
	if (rc == 0)
		rc = store_figures(s, &after, e);
	if (rc == 0)
		printf("disk           %llu bytes, %llu before\n",
		       (unsigned long long)after.disk_bytes, (unsigned long long)before.disk_bytes);
	return rc;
}

int compact_main(int argc, char **argv)
{
	struct config config;
	struct err e;
	int code = EXIT_FAILED;
	int first = cli_options(argc, argv, &config, CONFIG_FOR_STORE, NULL, help, &code);
	if (first < 0)
		return code;
	if (first < argc) {
		config_release(&config);
		return cli_fail("compact", EXIT_USAGE,
				"%s: it takes options only (--store names the store)", argv[first]);
	}
	struct store *s = cli_store("compact", &config, STORE_WRITE);
	code = EXIT_FAILED;
	if (s)
		code = compact(s, &e) < 0 ? cli_fail("compact", EXIT_FAILED, "%s", e.text)
					  : EXIT_DONE;
	store_close(s);
	config_release(&config);
	return code;
}
