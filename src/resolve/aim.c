/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values to names and types. */
#include "resolve/aim.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "model/dname.h"
#include "model/rrtype.h"
#include "query/idn.h"

static struct bytes trimmed(struct bytes b)
{
	while (b.n && b.p[0] == ' ')
		b = bytes_of(b.p + 1, b.n - 1);
	while (b.n && b.p[b.n - 1] == ' ')
		b.n--;
	return b;
}

int aim_types_parse(struct bytes text, struct aim_types *ret, struct err *e)
{
	struct aim_types t = {0};
	while (text.n) {
		const uint8_t *comma = memchr(text.p, ',', text.n);
		size_t n = comma ? (size_t)(comma - text.p) : text.n;
		struct bytes word = trimmed(bytes_of(text.p, n));
		bool again = false;
		uint16_t type;
		if (!rrtype_from_text(word, &type) || rrtype_is_meta(type))
			return err_set(e, ERR_SYNTAX, "%.*s is no type of data", (int)(word.n > 32 ? 32 : word.n),
			               (const char *)word.p);
		for (size_t i = 0; i < t.n; i++)
			again = again || t.p[i] == type;
		if (!again && t.n == AIM_TYPES_MAX)
			return err_set(e, ERR_LIMIT, "more than %d types", AIM_TYPES_MAX);
		if (!again)
			t.p[t.n++] = type;
		text = comma ? bytes_of(comma + 1, text.n - n - 1) : bytes_of(NULL, 0);
	}
	*ret = t;
	return 0;
}

/* The reverse name of an address. False when the text is none. */
static bool reverse_of(const char *text, uint8_t ret_wire[DNAME_MAX], size_t *ret_n)
{
	uint8_t a[16];
	char name[128];
	int at = 0;
	if (inet_pton(AF_INET, text, a) == 1) {
		snprintf(name, sizeof(name), "%u.%u.%u.%u.in-addr.arpa", a[3], a[2], a[1], a[0]);
	} else if (inet_pton(AF_INET6, text, a) == 1) {
		if (memcmp(a, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0)
			return false; /* mapped: not in the reverse tree */
		for (int i = 15; i >= 0; i--)
			at += snprintf(name + at, sizeof(name) - (size_t)at, "%x.%x.", a[i] & 15, a[i] >> 4);
		snprintf(name + at, sizeof(name) - (size_t)at, "ip6.arpa");
	} else {
		return false;
	}
	int n = dname_from_text(bytes_str(name), ret_wire);
	*ret_n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool is_plain_label(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '-' || p[i] == '_'))
			return false;
	}
	return n > 0;
}

/* Of a valid name: how many labels, 0 when one is not plain. */
static size_t plain_labels(const struct aim *a)
{
	size_t labels = 0;
	for (size_t i = 0; a->name[i]; i += a->name[i] + 1u) {
		if (!is_plain_label(a->name + i + 1, a->name[i]))
			return 0;
		labels++;
	}
	return labels;
}

static bool ends_in(const struct aim *a, const char *suffix)
{
	uint8_t wire[DNAME_MAX];
	int n = dname_from_text(bytes_str(suffix), wire);
	return n > 0 && a->name_n > (size_t)n && memcmp(a->name + a->name_n - (size_t)n, wire, (size_t)n) == 0;
}

/* Names, too, in letters beyond ASCII. */
static bool name_of(struct bytes value, struct aim *a)
{
	struct buffer alabel = BUFFER_INIT;
	bool ascii = true;
	for (size_t i = 0; i < value.n; i++)
		ascii = ascii && value.p[i] < 0x80;
	int n = ascii                                ? dname_from_text(value, a->name)
	        : idn_to_alabel(value, &alabel) == 0 ? dname_from_text(buffer_bytes(&alabel), a->name)
	                                             : -1;
	buffer_release(&alabel);
	a->name_n = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool is_named(uint16_t type, const struct filter *filter)
{
	for (size_t i = 0; filter && i < filter->n; i++) {
		if (filter->types[i] == type)
			return true;
	}
	return false;
}

static bool is_wanted(uint16_t type, const struct filter *filter)
{
	return !filter || (!filter->n && !filter->nothing) || is_named(type, filter);
}

/* What is asked for on request only. */
static void add_text(const struct aim_types *types, const struct filter *filter, struct aim *a)
{
	bool names = false, again = false;
	for (size_t i = 0; i < types->n; i++)
		names = names || types->p[i] != RRTYPE_PTR;
	for (size_t i = 0; i < a->n; i++)
		again = again || a->types[i] == RRTYPE_TXT;
	if (names && !again && a->n < AIM_TYPES_MAX && is_named(RRTYPE_TXT, filter))
		a->types[a->n++] = RRTYPE_TXT;
}

bool aim_take(struct bytes value, const struct aim_types *types, const struct filter *filter, struct aim *ret)
{
	char text[INET6_ADDRSTRLEN + 2] = "";
	struct aim a = {.n = 0};
	if (value.n > 1 && value.p[value.n - 1] == '.')
		value.n--;
	if (value.n > 2 && value.p[0] == '[' && value.p[value.n - 1] == ']')
		value = bytes_of(value.p + 1, value.n - 2);
	if (value.n < sizeof(text))
		memcpy(text, value.p, value.n);
	bool reverse = reverse_of(text, a.name, &a.name_n);
	if (!reverse) {
		size_t labels = name_of(value, &a) ? plain_labels(&a) : 0;
		if (!labels)
			return false;
		reverse = (labels == 6 && ends_in(&a, "in-addr.arpa")) || (labels == 34 && ends_in(&a, "ip6.arpa"));
	}
	for (size_t i = 0; i < types->n; i++) {
		if ((types->p[i] == RRTYPE_PTR) == reverse && is_wanted(types->p[i], filter))
			a.types[a.n++] = types->p[i];
	}
	if (!reverse)
		add_text(types, filter, &a);
	*ret = a;
	return a.n > 0;
}
