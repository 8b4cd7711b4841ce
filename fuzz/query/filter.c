/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A header dribble-filter-rrtype of any octets: distinct types in key order, or refused. */
#include <stdlib.h>

#include "query/question.h"
#include "store/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct filter f;
	struct err e = {""};
	int rc = filter_parse(bytes_of(data, size), &f, &e);
	if (rc < 0) {
		require((rc == ERR_SYNTAX || rc == ERR_LIMIT) && e.text[0]);
		return 0;
	}
	require(f.n <= FILTER_TYPES_MAX && (f.n > 0) == !f.nothing);
	struct buffer before = BUFFER_INIT, key = BUFFER_INIT;
	for (size_t i = 0; i < f.n; i++) {
		buffer_clear(&key);
		key_put_type(&key, f.types[i]);
		require(bytes_cmp(buffer_bytes(&before), buffer_bytes(&key)) < 0);
		buffer_clear(&before);
		buffer_put_bytes(&before, buffer_bytes(&key));
	}
	buffer_release(&before);
	buffer_release(&key);
	return 0;
}
