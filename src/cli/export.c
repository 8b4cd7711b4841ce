/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble export: all records, or those of some values, as COF NDJSON. */
#include <signal.h>
#include <stdio.h>

#include "answer/answer.h"
#include "cli/common.h"
#include "cli/out.h"
#include "query/walk.h"

static const char help[] =
	"usage: dribble export [OPTIONS] [VALUE...]\n\n"
	"Writes every record (or those found by the values) as Common Output Format, a JSON object\n"
	"a line. Importing it rebuilds the same database. Works while a server holds the store.\n\n"
	"Examples:\n"
	"  dribble export --store /var/lib/dribble | zstd > backup.ndjson.zst\n"
	"  dribble export --store /var/lib/dribble circl.lu 185.194.93.14\n";

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

int export_main(int argc, char **argv)
{
	struct config config;
	struct err e;
	int code = EXIT_FAILED, rc = 0;
	int first = cli_options(argc, argv, &config, CONFIG_FOR_STORE | CONFIG_FOR_READING, NULL, help,
	                        &code);
	if (first < 0)
		return code;
	signal(SIGPIPE, SIG_IGN);
	struct store *s = cli_store("export", &config, STORE_READ);
	if (s) {
		if (first == argc)
			rc = export_all(s, &e);
		for (int i = first; i < argc && rc == 0; i++)
			rc = export_value(s, argv[i], &e);
		code = rc == 0 || rc == ERR_CANCELLED ? EXIT_DONE
		                                      : cli_fail("export", EXIT_FAILED, "%s", e.text);
	} else {
		code = EXIT_FAILED;
	}
	store_close(s);
	config_release(&config);
	return code;
}
