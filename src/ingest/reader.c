/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of source formats. */
#include "ingest/reader.h"

#include <string.h>

const struct reader_format *const reader_formats[] = {
	&cof_format,
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
