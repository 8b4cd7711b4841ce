/* SPDX-License-Identifier: GPL-3.0-or-later */
/* exclude and only lists: what a rule stands for, what is no rule, and a large list against a
 * search without tables. */
#include "ingest/exclusion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

static struct exclusion *lists(const char *exclude, const char *only)
{
	struct exclusion *x = exclusion_new();
	struct err e = {""};
	if (exclude && exclusion_parse(x, EXCLUSION_EXCLUDE, "e", bytes_str(exclude), &e) < 0)
		fail_msg("%s", e.text);
	if (only && exclusion_parse(x, EXCLUSION_ONLY, "o", bytes_str(only), &e) < 0)
		fail_msg("%s", e.text);
	exclusion_seal(x);
	return x;
}

static bool refuses(const struct exclusion *x, const char *owner, const char *type,
		    const char *data)
{
	static struct rdata_parser *parser;
	uint8_t wire[DNAME_MAX];
	struct buffer rdata = BUFFER_INIT;
	struct observation o = {.form = RDATA_WIRE};
	if (!parser)
		parser = rdata_parser_new();
	int n = dname_from_text(bytes_str(owner), wire);
	assert_true(n > 0);
	o.owner = bytes_of(wire, (size_t)n);
	assert_true(rrtype_from_text(bytes_str(type), &o.rrtype));
	if (rdata_from_text(parser, o.rrtype, bytes_str(data), &rdata) < 0) {
		o.form = RDATA_OPAQUE;
		buffer_put_str(&rdata, data);
	}
	o.rdata = buffer_bytes(&rdata);
	bool refused = exclusion_refuses(x, &o);
	buffer_release(&rdata);
	return refused;
}

static bool refuses_name(const struct exclusion *x, const char *name)
{
	uint8_t wire[DNAME_MAX];
	int n = dname_from_text(bytes_str(name), wire);
	assert_true(n > 0);
	return exclusion_refuses_name(x, bytes_of(wire, (size_t)n));
}

static void names(void **state)
{
	(void)state;
	struct exclusion *x =
		lists("# comment\n\n  zen.Spamhaus.org.  # why\r\n\tlan\nb\\.c.example\n", NULL);
	assert_true(refuses(x, "zen.spamhaus.org", "A", "127.0.0.2"));
	assert_true(refuses(x, "4.3.2.1.zen.spamhaus.org", "A", "127.0.0.2"));
	assert_false(refuses(x, "xzen.spamhaus.org", "A", "127.0.0.2"));
	assert_false(refuses(x, "spamhaus.org", "A", "127.0.0.2"));
	assert_false(refuses(x, "zen.spamhaus.org.example", "A", "127.0.0.2"));
	assert_true(refuses(x, "printer.LAN", "A", "192.0.2.1"));
	assert_false(refuses(x, "lan.example", "A", "192.0.2.1"));
	assert_true(refuses(x, "a.b\\.c.example", "A", "192.0.2.1"));
	assert_false(refuses(x, "b.c.example", "A", "192.0.2.1"));
	assert_false(refuses(x, ".", "NS", "a.example"));
	exclusion_free(x);
}

static void data(void **state)
{
	(void)state;
	struct exclusion *x = lists("lan\n10.0.0.0/8\n", NULL);
	assert_true(refuses(x, "www.example", "CNAME", "host.lan"));
	assert_true(refuses(x, "www.example", "MX", "10 mail.lan"));
	assert_true(refuses(x, "example", "SOA", "a.example b.lan 1 2 3 4 5"));
	assert_true(refuses(x, "www.example", "A", "10.255.1.2"));
	assert_true(refuses(x, "www.example", "HTTPS", "1 . ipv4hint=192.0.2.1,10.1.1.1"));
	assert_false(refuses(x, "www.example", "HTTPS", "1 . ipv4hint=192.0.2.1"));
	assert_false(refuses(x, "www.example", "A", "11.0.0.0"));
	assert_false(refuses(x, "www.example", "A", "not an address: lan"));
	assert_false(refuses(x, "www.example", "TXT", "lan"));
	exclusion_free(x);
}

static void blocks(void **state)
{
	(void)state;
	struct exclusion *x =
		lists("192.0.2.0/25\n198.51.100.7\n2001:db8::/33\n2001:db8:8000::1\n", NULL);
	assert_true(refuses(x, "a", "A", "192.0.2.0"));
	assert_true(refuses(x, "a", "A", "192.0.2.127"));
	assert_false(refuses(x, "a", "A", "192.0.2.128"));
	assert_true(refuses(x, "a", "A", "198.51.100.7"));
	assert_false(refuses(x, "a", "A", "198.51.100.6"));
	assert_true(refuses(x, "a", "AAAA", "2001:db8:7fff:ffff::1"));
	assert_false(refuses(x, "a", "AAAA", "2001:db8:8000::2"));
	assert_true(refuses(x, "a", "AAAA", "2001:db8:8000::1"));
	exclusion_free(x);
	x = lists("0.0.0.0/0\n", NULL);
	assert_true(refuses(x, "a", "A", "203.0.113.9"));
	assert_false(refuses(x, "a", "AAAA", "::203.0.113.9"));
	exclusion_free(x);
}

static void reverse(void **state)
{
	(void)state;
	struct exclusion *x =
		lists("10.0.0.0/8\n172.16.0.0/12\n192.0.2.64/26\nfd00::/8\n2001:db8::/46\n", NULL);
	assert_true(refuses(x, "4.3.2.10.in-addr.arpa", "PTR", "host.example"));
	assert_true(refuses(x, "10.in-addr.arpa", "NS", "ns.example"));
	assert_true(refuses(x, "_x.4.3.2.10.IN-ADDR.arpa", "TXT", "x"));
	assert_true(refuses(x, "16.172.in-addr.arpa", "NS", "ns.example"));
	assert_true(refuses(x, "31.172.in-addr.arpa", "NS", "ns.example"));
	assert_false(refuses(x, "32.172.in-addr.arpa", "NS", "ns.example"));
	assert_false(refuses(x, "172.in-addr.arpa", "NS", "ns.example"));
	assert_false(
		refuses(x, "2.0.192.in-addr.arpa", "NS", "ns.example")); /* more than the block */
	assert_true(refuses(x, "65.2.0.192.in-addr.arpa", "PTR", "a.example"));
	assert_false(refuses(x, "63.2.0.192.in-addr.arpa", "PTR", "a.example"));
	assert_true(refuses(x, "1.64/26.2.0.10.in-addr.arpa", "PTR", "a.example")); /* RFC 2317 */
	assert_false(refuses(x, "in-addr.arpa", "NS", "a.example"));
	assert_false(refuses(x, "999.in-addr.arpa", "NS", "a.example"));
	assert_false(refuses(x, "10.in-addr.arpa.example", "NS", "a.example"));
	assert_true(refuses(x, "d.f.ip6.arpa", "NS", "a.example"));
	assert_true(refuses(x, "0.0.D.F.ip6.arpa", "NS", "a.example"));
	assert_false(refuses(x, "f.ip6.arpa", "NS", "a.example"));
	assert_true(refuses(x, "3.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "NS", "a.example"));
	assert_false(refuses(x, "4.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "NS", "a.example"));
	assert_true(refuses(x, "www.example", "PTR", "1.0.0.10.in-addr.arpa"));
	exclusion_free(x);
	x = lists("10.in-addr.arpa\n", NULL); /* a name is a name */
	assert_true(refuses(x, "1.10.in-addr.arpa", "NS", "a.example"));
	assert_false(refuses(x, "a.example", "A", "10.0.0.1"));
	exclusion_free(x);
}

static void only(void **state)
{
	(void)state;
	struct exclusion *x = lists(NULL, "example.org\n192.0.2.0/24\n");
	assert_false(refuses(x, "www.example.org", "A", "203.0.113.1"));
	assert_false(refuses(x, "www.example.net", "A", "192.0.2.200"));
	assert_false(refuses(x, "www.example.net", "CNAME", "cdn.example.org"));
	assert_true(refuses(x, "www.example.net", "A", "203.0.113.1"));
	assert_false(refuses(x, "1.2.0.192.in-addr.arpa", "PTR", "a.example"));
	assert_false(refuses_name(x, "www.example.net"));
	exclusion_free(x);
	x = lists("secret.example.org\n", "example.org\n");
	assert_true(refuses(x, "a.secret.example.org", "A", "203.0.113.1"));
	assert_true(refuses(x, "www.example.org", "CNAME", "a.secret.example.org"));
	assert_false(refuses(x, "www.example.org", "A", "203.0.113.1"));
	assert_true(refuses(x, "www.example.net", "A", "203.0.113.1"));
	exclusion_free(x);
}

static void asked(void **state)
{
	(void)state;
	struct exclusion *x = lists("lan\n10.0.0.0/8\n", NULL);
	assert_true(refuses_name(x, "host.lan"));
	assert_true(refuses_name(x, "1.0.0.10.in-addr.arpa"));
	assert_false(refuses_name(x, "host.example"));
	assert_false(refuses_name(NULL, "host.lan"));
	exclusion_free(x);
	x = lists(".\n", NULL); /* the root is above everything */
	assert_true(refuses_name(x, "."));
	assert_true(refuses_name(x, "host.example"));
	exclusion_free(x);
}

static void nothing(void **state)
{
	(void)state;
	struct exclusion *x = lists(NULL, NULL);
	assert_false(refuses(x, "a.example", "A", "10.0.0.1"));
	assert_false(refuses(NULL, "a.example", "A", "10.0.0.1"));
	exclusion_free(x);
	x = lists("# nothing\n", NULL);
	assert_false(refuses(x, "a.example", "A", "10.0.0.1"));
	assert_false(refuses_name(x, "a.example"));
	exclusion_free(x);
	exclusion_free(NULL);
}

static void no_rules(void **state)
{
	static const struct {
		const char *text, *error;
	} rows[] = {
		{"a.example\n\n*.b.example",
		 "l:3: a name stands for all below it, too: write it without the *."},
		{".example",
		 "l:1: a name stands for all below it, too: write it without the dot before it"},
		{"a b", "l:1: more than one word"},
		{"a..b", "l:1: not a name: empty label or bad escape"},
		{"b\xc3\xbc"
		 "cher.example",
		 "l:1: not ASCII: write the name as DNS has it, with xn--"},
		{"10.0.0.1/8", "l:1: the address has bits behind the length of the block"},
		{"10.0.0.0/33", "l:1: the length of the block is not a number of 0 to 32"},
		{"10.0.0.0/", "l:1: the length of the block is not a number of 0 to 32"},
		{"::/129", "l:1: the length of the block is not a number of 0 to 128"},
		{"::/4294967304", "l:1: the length of the block is not a number of 0 to 128"},
		{"10.0.0", "l:1: neither a name nor an address or block"},
		{"10.0.0.256", "l:1: neither a name nor an address or block"},
		{"10/8", "l:1: neither a name nor an address or block"},
		{"fe80::%eth0", "l:1: neither a name nor an address or block"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example",
		 "l:1: the name is too long"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err e = {""};
		struct exclusion *x = exclusion_new();
		assert_true(exclusion_parse(x, EXCLUSION_EXCLUDE, "l", bytes_str(rows[i].text),
					    &e) < 0);
		assert_string_equal(e.text, rows[i].error);
		exclusion_free(x);
	}
	struct err e = {""};
	struct exclusion *x = exclusion_new();
	assert_int_equal(exclusion_parse(x, EXCLUSION_ONLY, "l", bytes_str("# nothing\n"), &e),
			 ERR_SYNTAX);
	assert_string_equal(e.text, "l: an only list without a rule would keep out everything");
	assert_int_equal(exclusion_load(x, EXCLUSION_EXCLUDE, "/nonexistent/list", &e),
			 ERR_NOTFOUND);
	assert_int_equal(exclusion_load(x, EXCLUSION_EXCLUDE, "/", &e), ERR_IO);
	exclusion_free(x);
}

static void from_file(void **state)
{
	(void)state;
	char path[] = "/tmp/dribble-list-XXXXXX";
	struct err e = {""};
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	static const char text[] = "\xef\xbb\xbflan\n192.0.2.0/24"; /* without a last LF */
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	struct exclusion *x = exclusion_new();
	assert_int_equal(exclusion_load(x, EXCLUSION_EXCLUDE, path, &e), 0);
	exclusion_seal(x);
	assert_true(refuses(x, "a.lan", "A", "203.0.113.1"));
	assert_true(refuses(x, "a.example", "A", "192.0.2.255"));
	exclusion_free(x);
	unlink(path);
}

/* Half of the numbers below are rules. */
static void many(void **state)
{
	(void)state;
	enum { MANY = 20000 };
	struct buffer text = BUFFER_INIT;
	char name[64], address[32];
	for (unsigned i = 0; i < MANY; i += 2) {
		buffer_putf(&text, "n%u.example\n%u.%u.%u.0/24\n", i, i >> 16, i >> 8 & 255,
			    i & 255);
		buffer_putf(&text, "n%u.example\n", i); /* twice */
	}
	buffer_put_byte(&text, 0);
	struct exclusion *x = lists((const char *)text.p, NULL);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "www.n%u.example", i);
		snprintf(address, sizeof(address), "%u.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255,
			 i % 256);
		if (refuses(x, name, "TXT", "x") != (i % 2 == 0) ||
		    refuses(x, "a.test", "A", address) != (i % 2 == 0))
			fail_msg("%s or %s", name, address);
	}
	exclusion_free(x);
	buffer_release(&text);
}

/* The sample of the documentation is a list. */
static void sample(void **state)
{
	(void)state;
	struct err e = {""};
	struct exclusion *x = exclusion_new();
	const char *root = getenv("SOURCE_ROOT");
	char path[4096];
	snprintf(path, sizeof(path), "%s/packaging/exclude.sample", root ? root : ".");
	if (exclusion_load(x, EXCLUSION_EXCLUDE, path, &e) < 0)
		fail_msg("%s", e.text);
	exclusion_seal(x);
	assert_true(refuses(x, "2.0.0.127.zen.spamhaus.org", "A", "127.0.0.2"));
	assert_true(refuses(x, "1.1.168.192.in-addr.arpa", "PTR", "host.example"));
	assert_false(refuses(x, "www.spamhaus.org", "A", "192.0.2.1"));
	exclusion_free(x);
}

static int print_zone(void *ctx, struct bytes zone)
{
	dname_to_text(zone, ctx);
	buffer_put_byte(ctx, ' ');
	return 0;
}

static int stop(void *ctx, struct bytes zone)
{
	(void)zone;
	++*(int *)ctx;
	return 7;
}

/* What is not to be asked, in zones; all that is in one is refused. */
static void zones(void **state)
{
	static const char *const rows[][2] = {
		{"secret.zz\na.secret.zz\nasecret.zz\n", "secret.zz asecret.zz "},
		{"a.b.zz\n.\n", ". "},
		{"203.0.113.0/24\n", "113.0.203.in-addr.arpa "},
		{"203.0.113.7\n", "7.113.0.203.in-addr.arpa "},
		{"203.0.112.0/22\n", "112.0.203.in-addr.arpa 113.0.203.in-addr.arpa 114.0.203.in-addr.arpa "
				      "115.0.203.in-addr.arpa "},
		{"64.0.0.0/7\n", "64.in-addr.arpa 65.in-addr.arpa "},
		{"2a00:12e0::/30\n", "0.e.2.1.0.0.a.2.ip6.arpa 1.e.2.1.0.0.a.2.ip6.arpa 2.e.2.1.0.0.a.2.ip6.arpa "
				      "3.e.2.1.0.0.a.2.ip6.arpa "},
		{"2a00::/15\n", "0.0.a.2.ip6.arpa 1.0.a.2.ip6.arpa "},
		{"0.0.0.0/0\n", "in-addr.arpa "},
		{"", ""},
	};
	int called = 0;
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exclusion *x = lists(rows[i][0], NULL);
		struct buffer text = BUFFER_INIT;
		assert_int_equal(exclusion_zones(x, print_zone, &text), 0);
		buffer_put_byte(&text, 0);
		assert_string_equal((const char *)text.p, rows[i][1]);
		buffer_release(&text);
		exclusion_free(x);
	}
	struct exclusion *x = lists("a\nb\n", "c\n");
	assert_int_equal(exclusion_zones(x, stop, &called), 7);
	assert_int_equal(called, 1);
	assert_int_equal(exclusion_zones(NULL, stop, &called), 0);
	exclusion_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),   cmocka_unit_test(data),     cmocka_unit_test(blocks),
		cmocka_unit_test(reverse), cmocka_unit_test(only),     cmocka_unit_test(asked),
		cmocka_unit_test(nothing), cmocka_unit_test(no_rules), cmocka_unit_test(from_file),
		cmocka_unit_test(many),    cmocka_unit_test(sample),
		cmocka_unit_test(zones),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
