/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble: chooses the command. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/command.h"

static const struct command commands[] = {
	{"serve", "answer questions over HTTP", serve_main},
	{"import", "take in files of observations", import_main},
	{"capture", "take in DNS traffic of a network", capture_main},
	{"query", "ask for a name, an address or a text", query_main},
	{"export", "write records as COF NDJSON", export_main},
	{"user", "manage accounts", user_main},
	{"check", "verify a store", check_main},
	{"compact", "merge a store down to its smallest form", compact_main},
	{"stats", "show what a store holds", stats_main},
	{"bench", "measure speed and size on this machine", bench_main},
};

#define COUNT (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	fputs("dribble: a passive DNS database\n\nusage: dribble COMMAND [OPTIONS] [ARGS]\n\n", out);
	for (size_t i = 0; i < COUNT; i++)
		fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
	fputs("\ndribble COMMAND --help tells more, with examples.\n\n"
	      "example: dribble query --store /var/lib/dribble circl.lu\n",
	      out);
}

/* Closed standard descriptors would become those of the store's files, and what is said would be written into them. Their
 * places are taken by what cannot be read from or written to, but for stderr, where silence was asked for. */
static void take_standard_places(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
			continue;
		if (open("/dev/null", fd == STDOUT_FILENO ? O_RDONLY : O_WRONLY) != fd)
			exit(EXIT_FAILED);
	}
}

static int run(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
		usage(stdout);
		return EXIT_DONE;
	}
	if (strcmp(name, "--version") == 0) {
		puts("dribble " DRIBBLE_VERSION);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < COUNT; i++) {
		if (strcmp(name, commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	if (*name)
		fprintf(stderr, "dribble: there is no command %s\n\n", name);
	usage(stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	mem_settle();
	take_standard_places();
	int code = run(argc, argv);
	errno = 0;
	/* Results that were lost must not look like success; a reader that went away has seen enough. */
	if (code == EXIT_DONE && (fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE) {
		fprintf(stderr, "dribble: standard output cannot be written to%s%s\n", errno ? ": " : "",
		        errno ? strerror(errno) : "");
		return EXIT_FAILED;
	}
	return code;
}
