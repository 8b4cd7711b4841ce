/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exclude and only lists: any text is a list or an error, and what a list says of a name agrees
 * with a walk over the rules, each alone in a list of its own. The text is the rules; the last line
 * is the name that is asked about. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/exclusion.h"
#include "model/dname.h"
#include "model/rrtype.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static struct exclusion *list_of(enum exclusion_kind kind, struct bytes text)
{
	struct err e;
	struct exclusion *x = exclusion_new();
	if (exclusion_parse(x, kind, "list", text, &e) < 0) {
		require(strncmp(e.text, "list:", 5) == 0);
		exclusion_free(x);
		return NULL;
	}
	exclusion_seal(x);
	return x;
}

static void compare(struct bytes rules, const struct observation *o)
{
	struct exclusion *x = list_of(EXCLUSION_EXCLUDE, rules),
			 *only = list_of(EXCLUSION_ONLY, rules);
	if (x && only) { /* without a rule there is no only list */
		bool any = false, any_name = false;
		for (struct bytes rest = rules; rest.n;) {
			const uint8_t *lf = memchr(rest.p, '\n', rest.n);
			size_t n = lf ? (size_t)(lf - rest.p) + 1 : rest.n;
			struct exclusion *one = list_of(EXCLUSION_EXCLUDE, bytes_of(rest.p, n));
			require(one != NULL);
			any = exclusion_refuses(one, o) || any;
			any_name = exclusion_refuses_name(one, o->owner) || any_name;
			exclusion_free(one);
			rest = bytes_of(rest.p + n, rest.n - n);
		}
		require(exclusion_refuses(x, o) == any);
		require(exclusion_refuses_name(x, o->owner) == any_name);
		require(exclusion_refuses(only, o) == !any);
		require(!any_name || any);
	}
	exclusion_free(x);
	exclusion_free(only);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t wire[DNAME_MAX];
	const uint8_t *lf = memrchr(data, '\n', size);
	if (!lf || size > 4096)
		return 0;
	struct bytes name = bytes_of(lf + 1, size - (size_t)(lf + 1 - data));
	int n = dname_from_text(name, wire);
	if (n < 0)
		return 0;
	uint8_t *owner = malloc((size_t)n); /* where a read too far is seen */
	require(owner != NULL);
	memcpy(owner, wire, (size_t)n);
	struct observation o = {.owner = bytes_of(owner, (size_t)n),
				.rrtype = RRTYPE_CNAME,
				.rdata = bytes_of(owner, (size_t)n)};
	compare(bytes_of(data, (size_t)(lf - data)), &o);
	o.rrtype = n < 16 ? RRTYPE_A : RRTYPE_AAAA;
	o.rdata = n < 4 ? bytes_of("\1\2\3\4", 4) : bytes_of(owner, n < 16 ? 4 : 16);
	compare(bytes_of(data, (size_t)(lf - data)), &o);
	free(owner);
	return 0;
}
