/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of zone files: see reader_kit.h. An even first octet gives it an origin. */
#include "reader_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *origin;

static struct reader *open_then(const struct reader_options *opt, struct err *e)
{
	const struct reader_options then = {.time_s = 1600000000, .origin = origin};
	(void)opt;
	return zone_format.open(&then, e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader_format format = zone_format;
	format.open = open_then;
	origin = size && data[0] % 2 == 0 ? "example.org" : NULL;
	return fuzz_reader(&format, data, size);
}
