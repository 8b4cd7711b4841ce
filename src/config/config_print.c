/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table as help, as a configuration file and as a part of the manual. */
#include "config/config.h"

#include <ctype.h>
#include <string.h>

#include "config/config_priv.h"

#define HELP_COLUMN 32

void config_print_help(FILE *out, unsigned scope, const struct config_own_option *own)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		if (!(row->scope & scope) || own_option_find(own, bytes_str(row->name)))
			continue;
		int n = fprintf(out, "  --%s %s", row->name, row->argument);
		fprintf(out, "%*s%s", n < HELP_COLUMN ? HELP_COLUMN - n : 1, "", row->help);
		fprintf(out, *row->initial ? " (%s)\n" : "%s\n", row->initial);
	}
}

static bool needs_quotes(struct bytes value)
{
	if (value.n == 0 || value.p[0] == ' ' || value.p[value.n - 1] == ' ')
		return true;
	for (size_t i = 0; i < value.n; i++) {
		if (strchr("#\"'\\\t", value.p[i]))
			return true;
	}
	return false;
}

static void print_quoted(struct bytes value, FILE *out)
{
	fputc('"', out);
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			fputc('\\', out);
		fputc(value.p[i], out);
	}
	fputc('"', out);
}

static void print_source(const struct config *config, struct config_origin origin, FILE *out)
{
	if (origin.source == CONFIG_FILE)
		fprintf(out, "%s:%u", config->file ? config->file : "file", origin.line);
	else
		fputs(origin.source == CONFIG_DEFAULT ? "default" : "command line", out);
}

void config_print(const struct config *config, FILE *out)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		size_t n = option_values(config, row);
		fprintf(out, "%s# %s\n# from: ", i ? "\n" : "", row->help);
		print_source(config, config->origins[i], out);
		fputc('\n', out);
		for (size_t j = 0; j == 0 || j < n; j++) { /* no path is an empty one */
			struct buffer value = BUFFER_INIT;
			option_print_value(config, row, j, &value);
			fprintf(out, "%s = ", row->name);
			if (needs_quotes(buffer_bytes(&value)))
				print_quoted(buffer_bytes(&value), out);
			else
				fwrite(value.p, 1, value.n, out);
			fputc('\n', out);
			buffer_release(&value);
		}
	}
}

/* Text that mandoc takes literally, also at the start of a line. */
static void print_roff(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

/* Sentences start on lines of their own, as mdoc wants it. */
static void print_prose(const char *text, FILE *out)
{
	while (*text) {
		const char *end = strstr(text, ". ");
		size_t n = end ? (size_t)(end - text) + 1 : strlen(text);
		char sentence[1024];
		snprintf(sentence, sizeof(sentence), "%.*s", (int)n, text);
		print_roff(sentence, out);
		fputc('\n', out);
		text += n;
		while (*text == ' ')
			text++;
	}
}

/* "most records of a page" as a sentence. */
static void print_sentence(const char *text, FILE *out)
{
	char sentence[256];
	snprintf(sentence, sizeof(sentence), "%c%s.", toupper((unsigned char)*text), text + 1);
	print_roff(sentence, out);
	fputc('\n', out);
}

void config_print_mdoc(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < option_count; i++) {
		const struct option_row *row = &option_rows[i];
		fprintf(out, ".It Cm %s No = Ar ", row->name);
		print_roff(row->argument, out);
		fputc('\n', out);
		print_sentence(row->help, out);
		print_prose(row->prose, out);
		if (*row->initial) {
			fputs("The default is\n.Li ", out);
			print_roff(row->initial, out);
			fputs(" .\n", out);
		}
	}
	fputs(".El\n", out);
}
