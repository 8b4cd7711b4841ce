/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A configuration file of any bytes: an error names it and a line; what is taken can be printed,
 * and what was printed is taken again and is the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static char *printed(const struct config *config)
{
	char *text;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	require(f != NULL);
	config_print(config, f);
	fclose(f);
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config, again;
	struct err e = {""};
	config_init(&config);
	config_init(&again);
	if (config_parse(&config, "file", bytes_of(data, size), &e) == 0) {
		char *text = printed(&config);
		require(config_parse(&again, "file", bytes_str(text), &e) == 0);
		require(strcmp(config.store, again.store) == 0 &&
			strcmp(config.accounts, again.accounts) == 0 &&
			strcmp(config.origin, again.origin) == 0 &&
			strcmp(config.tls_key, again.tls_key) == 0);
		require(config.listen.n == again.listen.n && config.cache == again.cache &&
			config.connection_timeout_ms == again.connection_timeout_ms &&
			config.style == again.style);
		config_check(&config, NULL);
		free(text);
	} else {
		require(strncmp(e.text, "file:", 5) == 0 && strstr(e.text, ": "));
	}
	config_release(&config);
	config_release(&again);
	return 0;
}
