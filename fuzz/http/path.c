/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A request target of any octets: where it leads to, and its value decoded once. */
#include <stdlib.h>

#include "answer/answer.h"
#include "http/http_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static int digit(uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, ascii_lower(c)) : NULL;
	return at ? (int)(at - digits) : -1;
}

/* Decoding again, the plain way. */
static bool decoded(struct bytes text, struct buffer *out)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (c == '%') {
			if (text.n - i < 3 || digit(text.p[i + 1]) < 0 || digit(text.p[i + 2]) < 0)
				return false;
			c = (uint8_t)(16 * digit(text.p[i + 1]) + digit(text.p[i + 2]));
			i += 2;
		}
		buffer_put_byte(out, c);
	}
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer plain = BUFFER_INIT, out = BUFFER_INIT;
	bool good = decoded(bytes_of(data, size), &plain);
	require(url_decode(bytes_of(data, size), &out) == good);
	require(!good || bytes_eq(buffer_bytes(&plain), buffer_bytes(&out)));
	buffer_release(&plain);
	buffer_release(&out);

	char *target = xstrndup((const char *)data, size); /* as libmicrohttpd gives it: up to the first NUL */
	struct request r = {.target = target, .style = -1};
	int rc = 1;
	const struct resource *found = route(&r, &rc);
	require(rc == 0 || rc == ERR_SYNTAX);
	require(!found || found == &lookup_resource || found == &import_resource || found == &ping_resource);
	require(found || rc == 0);
	if (found == &lookup_resource && rc == 0) {
		require(r.value.n > 0 && r.value.n <= size);
		require(r.style >= -1 && r.style <= STYLE_DOC);
	} else if (found && found != &lookup_resource) {
		require(r.value.n == 0 && r.style == -1);
	}
	buffer_release(&r.value);
	free(target);
	return 0;
}
