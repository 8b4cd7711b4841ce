/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Writes dribble.conf(5): its template, with the options' part made from the table of options. So the page and the program
 * cannot differ. */
#include <stdio.h>
#include <string.h>

#include "config/config.h"

int main(int argc, char **argv)
{
	char line[4096];
	int found = 0;
	FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
	if (!in) {
		fputs("usage: conf_page TEMPLATE\n", stderr);
		return 2;
	}
	while (fgets(line, sizeof(line), in)) {
		if (strcmp(line, "@OPTIONS@\n") == 0) {
			config_print_mdoc(stdout);
			found++;
		} else {
			fputs(line, stdout);
		}
	}
	fclose(in);
	return found == 1 && fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
