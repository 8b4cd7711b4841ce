/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What commands share: options, errors, the store, lines on stdout. */
#pragma once

#include "base/err.h"
#include "cli/command.h"
#include "config/config.h"
#include "ingest/exclusion.h"
#include "store/store.h"

/* One sentence on stderr, prefixed "dribble COMMAND: ". Returns code. */
int cli_fail(const char *command, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Reads the options: --help prints help (text, then the options in scope) and gives *ret_exit = EXIT_DONE; wrong ones EXIT_USAGE.
 * Returns the index of the first argument, or -1 when the command is to end with *ret_exit. own may be NULL. */
int cli_options(int argc, char **argv, struct config *config, unsigned scope,
                const struct config_own_option *own, const char *help, int *ret_exit);

/* Opens the configured store. On failure says why, and how to reach the server that holds it, and returns NULL. */
struct store *cli_store(const char *command, const struct config *config, enum store_mode mode);
/* For reading, with what is damaged told and passed over. */
struct store *cli_store_damaged(const char *command, const struct config *config, struct damage damage);

/* The folder of a store's URI; NULL when it has none. */
const char *cli_store_folder(const char *uri);

/* Reads the lists of the options exclude and only: NULL to *ret when there are none. On failure says why. */
int cli_exclusion(const char *command, const struct config *config, struct exclusion **ret);

/* The file by which a server tells others that it holds a store. */
void cli_serving_write(const struct store *s, const char *url);
void cli_serving_remove(const struct store *s);
