/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of source formats. */
#include "ingest/reader.h"

#include <string.h>

const struct reader_format *const reader_formats[] = {
	&pcap_format,
	&dnstap_format,
	&eve_format,
	&zeek_format,
	&cof_format,
	&passivedns_format,
	&zone_format,
	NULL,
};

const struct reader_format *reader_format_named(const char *name)
{
	for (size_t i = 0; reader_formats[i]; i++) {
		if (strcmp(reader_formats[i]->name, name) == 0)
			return reader_formats[i];
	}
	return NULL;
}

const struct reader_format *reader_format_of(struct bytes head)
{
	for (size_t i = 0; reader_formats[i]; i++) {
		if (reader_formats[i]->recognises(head))
			return reader_formats[i];
	}
	return NULL;
}

const char *left_out_name(enum left_out why)
{
	static const char *const names[LEFT_OUT_REASONS] = {
		[LEFT_OUT_QUESTION] = "question",   [LEFT_OUT_RCODE] = "rcode",
		[LEFT_OUT_TRUNCATED] = "truncated", [LEFT_OUT_META] = "meta",
		[LEFT_OUT_CLASS] = "class",         [LEFT_OUT_BAILIWICK] = "bailiwick",
		[LEFT_OUT_UNMATCHED] = "unmatched", [LEFT_OUT_OTHER] = "other",
		[LEFT_OUT_POLICY] = "policy",       [LEFT_OUT_UNREADABLE] = "unreadable",
		[LEFT_OUT_UNCERTAIN] = "uncertain", [LEFT_OUT_EXCLUDED] = "excluded",
	};
	return names[why];
}
