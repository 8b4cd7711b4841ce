/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What commands share. */
#include "cli/common.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { OWN_MAX = 24 };

int cli_fail(const char *command, int code, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fprintf(stderr, "dribble %s: %s\n", command, text);
	return code;
}

int cli_options(int argc, char **argv, struct config *config, unsigned scope,
                const struct config_own_option *own, const char *help, int *ret_exit)
{
	struct err e;
	bool want_help = false;
	const char *file = NULL;
	struct config_own_option all[OWN_MAX + 3] = {
		{"help", NULL, &want_help},
		{"config", &file, NULL},
	};
	for (size_t i = 0; own && own[i].name && i < OWN_MAX; i++)
		all[i + 2] = own[i];
	config_init(config);
	int first = config_parse_argv(config, scope, all, argc, argv, &e);
	if (first >= 0 && want_help) {
		fputs(help, stdout);
		puts("\nOptions:\n  --config FILE\n      read options from a file first");
		config_print_help(stdout, scope, own);
		*ret_exit = EXIT_DONE;
		config_release(config);
		return -1;
	}
	int rc = first >= 0 && file ? config_load_file(config, file, &e) : 0;
	if (first >= 0 && rc == 0)
		rc = config_check(config, &e);
	if (first < 0 || rc < 0) {
		*ret_exit = cli_fail(argv[0], EXIT_USAGE, "%s", e.text);
		config_release(config);
		return -1;
	}
	return first;
}

const char *cli_store_folder(const char *uri)
{
	if (strncmp(uri, "memory:", strlen("memory:")) == 0)
		return NULL;
	return strncmp(uri, "rocksdb:", strlen("rocksdb:")) == 0 ? uri + strlen("rocksdb:") : uri;
}

static char *serving_path(const char *store)
{
	char *path = xmalloc(strlen(store) + sizeof("/serving"));
	strcpy(path, store);
	strcat(path, "/serving");
	return path;
}

/* Where the server listens that holds a store; empty when it is not known. */
static void serving_read(const char *store, char *ret, size_t n)
{
	ret[0] = '\0';
	char *path = serving_path(cli_store_folder(store) ? cli_store_folder(store) : "");
	FILE *f = fopen(path, "re");
	free(path);
	if (!f)
		return;
	if (fgets(ret, (int)n, f))
		ret[strcspn(ret, "\n")] = '\0';
	fclose(f);
}

static struct store *open_store(const char *command, const struct config *config, enum store_mode mode, struct damage damage)
{
	struct err e;
	struct store *s;
	struct store_options opt = {.cache_bytes = config->cache, .threads = (unsigned)config->threads, .damage = damage};
	int rc = store_open(config->store, mode, &opt, &s, &e);
	if (rc == 0)
		return s;
	cli_fail(command, 0, "%s", e.text);
	if (rc == ERR_BUSY && strcmp(command, "import") == 0) {
		char url[256];
		serving_read(config->store, url, sizeof(url));
		if (*url)
			cli_fail(command, 0, "a server holds it: send the file to the server with --server %s",
			         url);
	}
	return NULL;
}

struct store *cli_store(const char *command, const struct config *config, enum store_mode mode)
{
	return open_store(command, config, mode, (struct damage){NULL, NULL});
}

struct store *cli_store_damaged(const char *command, const struct config *config, struct damage damage)
{
	return open_store(command, config, STORE_READ, damage);
}

void cli_serving_write(const struct store *s, const char *url)
{
	if (!store_path(s))
		return;
	char *path = serving_path(store_path(s));
	FILE *f = fopen(path, "we");
	if (f) {
		fprintf(f, "%s\n", url);
		fclose(f);
	}
	free(path);
}

void cli_serving_remove(const struct store *s)
{
	if (!store_path(s))
		return;
	char *path = serving_path(store_path(s));
	unlink(path);
	free(path);
}

static int load_lists(struct exclusion *x, enum exclusion_kind kind, const struct config_paths *paths, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < paths->n && rc == 0; i++)
		rc = exclusion_load(x, kind, paths->p[i], e);
	return rc;
}

int cli_exclusion(const char *command, const struct config *config, struct exclusion **ret)
{
	struct err e;
	struct exclusion *x = NULL;
	int rc = 0;
	if (config->exclude.n || config->only.n) {
		x = exclusion_new();
		rc = load_lists(x, EXCLUSION_EXCLUDE, &config->exclude, &e);
		if (rc == 0)
			rc = load_lists(x, EXCLUSION_ONLY, &config->only, &e);
		if (rc < 0) {
			exclusion_free(x);
			cli_fail(command, EXIT_FAILED, "%s", e.text);
			return rc;
		}
		exclusion_seal(x);
	}
	*ret = x;
	return 0;
}
