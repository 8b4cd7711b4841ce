/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands of the program: one row in main.c and one file here each. */
#pragma once

/* What a command exits with. */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REJECTED = 3, /* done, but some input was rejected */
};

struct command {
	const char *name;
	const char *summary;               /* one line for the list in --help */
	int (*run)(int argc, char **argv); /* argv[0] is the command's name; returns an exit_code */
};

int serve_main(int argc, char **argv);
int import_main(int argc, char **argv);
int capture_main(int argc, char **argv);
int query_main(int argc, char **argv);
int export_main(int argc, char **argv);
int user_main(int argc, char **argv);
int check_main(int argc, char **argv);
int compact_main(int argc, char **argv);
int stats_main(int argc, char **argv);
int bench_main(int argc, char **argv);
