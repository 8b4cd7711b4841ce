/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of Zeek's DNS logs: see reader_kit.h. */
#include "reader_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_reader(&zeek_format, data, size);
}
