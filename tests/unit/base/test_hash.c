/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hashes are stored in keys: they must be XXH3's on every machine. */
#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	uint64_t hash;
	const char *hash128; /* hexadecimal */
} vectors[] = {
	{"", 0x2d06800538d394c2, "99aa06d3014798d86001c324468d497f"},
	{"a", 0xe6c632b61e964e1f, "a96faf705af16834e6c632b61e964e1f"},
	{"abc", 0x78af5f94892f3950, "06b05ab6733a618578af5f94892f3950"},
};

static void test_vectors(void **state)
{
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const char *text = vectors[i].text;
		struct hash128 h = hash128_of(text, strlen(text));
		char hex[33];
		assert_true(hash64(text, strlen(text)) == vectors[i].hash);
		for (size_t j = 0; j < sizeof(h.b); j++)
			snprintf(hex + 2 * j, 3, "%02x", h.b[j]);
		assert_string_equal(hex, vectors[i].hash128);
	}
}

/* Every length of its inner loops, and every octet of them, counts. */
static void test_every_octet(void **state)
{
	static const size_t lengths[] = {1, 3, 4, 8, 9, 16, 17, 128, 129, 240, 241, 1024, 5000};
	uint8_t p[5000] = {0};
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t n = lengths[i];
		uint64_t h = hash64(p, n);
		struct hash128 h128 = hash128_of(p, n);
		for (size_t at = 0; at<n; at += n> 300 ? 61 : 1) {
			p[at] = 1;
			struct hash128 other = hash128_of(p, n);
			assert_true(hash64(p, n) != h);
			assert_memory_not_equal(other.b, h128.b, sizeof(other.b));
			p[at] = 0;
		}
		assert_true(hash64(p, n) == h);
		assert_true(hash64(p, n - 1) != h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_octet),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
