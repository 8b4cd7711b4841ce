/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Options that are wrong, or would do nothing: said before anything is opened. */
#pragma once

#include "config/config.h"
#include "ingest/reader.h"

/* Of names, separated by blanks, the first that the command line has is refused: "--NAME why".
 * Values of a configuration file are for several commands, and never refused. Returns EXIT_USAGE,
 * or 0 when there is none. */
int usage_refuse(const char *command, const struct config *config,
		 const struct config_own_option *own, const char *names, const char *why);

/* Options of readers whose value makes no sense: EXIT_USAGE, or 0. */
int usage_check_reader(const char *command, const struct reader_options *opt);

/* --sensor and who feeds a server, for the commands that have them: EXIT_USAGE, or 0. url may be
 * NULL: no server. */
int usage_check_sender(const char *command, const char *sensor, const char *url, const char *user,
		       const char *token);
