/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble export: all records, or those of some values, as COF NDJSON. */
#include <signal.h>
#include <stdio.h>

#include "answer/answer.h"
#include "cli/common.h"
#include "cli/out.h"
#include "cli/salvage.h"
#include "query/walk.h"

static const char help[] =
	"usage: dribble export [OPTIONS] [VALUE...]\n\n"
	"Writes every record (or those found by the values) as Common Output Format, a JSON object\n"
	"a line. Importing it rebuilds the same database. Works while a server holds the store.\n\n"
	"Examples:\n"
	"  dribble export --store /var/lib/dribble | zstd > backup.ndjson.zst\n"
	"  dribble export --store /var/lib/dribble circl.lu 185.194.93.14\n"
	"  dribble export --store /var/lib/dribble --salvage | dribble import --store /tmp/rebuilt -\n"
	"\n"
	"  --salvage\n"
	"      passes over what is damaged, names it, and writes what can still be read of everything; exit 1 then\n";

/* Owner rows, in key order: each record stands in one. */
static int export_all(struct store *s, struct err *e)
{
	static const uint8_t names[] = {SUBJECT_NAME}, behind[] = {SUBJECT_NAME + 1};
	struct answer a = {.style = STYLE_EXPORT};
	struct record_scratch scratch;
	struct record r;
	struct buffer lines = BUFFER_INIT;
	struct bytes key, value;
	struct scan *sc;
	int rc = scan_begin(s, &sc, e);
	if (rc < 0)
		return rc;
	scan_bound(sc, bytes_of(behind, 1));
	rc = scan_seek(sc, bytes_of(names, 1), &key, &value, e);
	while (rc == 1) {
		rc = record_decode(key, value, &scratch, &r);
		if (rc < 0) {
			err_set(e, rc, "a row of the store does not decode");
			break;
		}
		if (r.owner_row)
			answer_line(&a, &r, &lines);
		rc = out_flush(&lines, false, e);
		if (rc == 0)
			rc = scan_next(sc, &key, &value, e);
	}
	if (rc == 0)
		rc = out_flush(&lines, true, e);
	scan_end(sc);
	answer_release(&a);
	buffer_release(&lines);
	return rc;
}

static int export_value(struct store *s, const char *text, struct err *e)
{
	struct answer a = {.style = STYLE_EXPORT};
	struct filter filter = {0};
	struct question q;
	struct record_scratch scratch;
	struct record r;
	struct buffer lines = BUFFER_INIT;
	struct walk w;
	int rc = question_parse(bytes_str(text), &filter, NULL, &q, e);
	if (rc < 0)
		return rc;
	rc = walk_begin(s, &q, &w, e);
	if (rc == 0) {
		rc = walk_seek(&w, NULL, e);
		while (rc == 1) {
			rc = walk_record(&w, &scratch, &r, e);
			if (rc == 0) {
				answer_line(&a, &r, &lines);
				rc = out_flush(&lines, false, e);
			}
			if (rc == 0)
				rc = walk_next(&w, e);
		}
		if (rc == 0)
			rc = out_flush(&lines, true, e);
		walk_end(&w);
	}
	question_release(&q);
	answer_release(&a);
	buffer_release(&lines);
	return rc;
}

static int export_salvaged(const struct config *config)
{
	struct salvage salvage = {0};
	struct err e;
	int code = EXIT_FAILED;
	struct store *s = cli_store_damaged("export", config, salvage_damage(&salvage));
	int rc = s ? salvage_export(s, &e) : 0;
	if (rc < 0 && rc != ERR_CANCELLED)
		cli_fail("export", 0, "%s", e.text);
	else if (salvage.n && s && rc == 0)
		cli_fail("export", 0, "what can be read is written: records may be missing, and counts and times lack what was lost");
	else if (s)
		code = EXIT_DONE;
	store_close(s);
	return code;
}

static int export_sound(const struct config *config, int n, char **values)
{
	struct err e;
	struct store *s = cli_store("export", config, STORE_READ);
	if (!s)
		return EXIT_FAILED;
	int rc = n ? 0 : export_all(s, &e);
	for (int i = 0; i < n && rc == 0; i++)
		rc = export_value(s, values[i], &e);
	store_close(s);
	return rc == 0 || rc == ERR_CANCELLED ? EXIT_DONE : cli_fail("export", EXIT_FAILED, "%s", e.text);
}

int export_main(int argc, char **argv)
{
	struct config config;
	bool salvage = false;
	const struct config_own_option own[] = {{"salvage", NULL, &salvage}, {NULL, NULL, NULL}};
	int code = EXIT_USAGE;
	int first = cli_options(argc, argv, &config, CONFIG_FOR_STORE | CONFIG_FOR_READING, own, help,
	                        &code);
	if (first < 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	if (!salvage)
		code = export_sound(&config, argc - first, argv + first);
	else if (first == argc)
		code = export_salvaged(&config);
	else
		code = cli_fail("export", EXIT_USAGE, "%s: --salvage writes everything, and takes no values", argv[first]);
	config_release(&config);
	return code;
}
