/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Zone files: what a record is, what an error costs, files that are included. */
#include <sys/stat.h>
#include <unistd.h>

#include "reader_kit.h"

#define SEEN " x0 0 z1600000000-1600000000\n"

static const struct reader_options at_org = {.origin = "Example.ORG", .time_s = 1600000000};
static const struct reader_options no_origin = {.time_s = 1600000000};

static void expect(const char *text, const char *want)
{
	kit_expect(&zone_format, &at_org, text, want);
}

static void owners(void **state)
{
	(void)state;
	expect("@ 3600 IN SOA ns1 Host\\.Master 1 2 3 4 5\n"
	       "  NS ns1\n"
	       "\tNS ns2.example.net.\n"
	       "www IN 60 A 192.0.2.1\n"
	       "    60 IN AAAA 2001:DB8::1 ; comment\n"
	       "\n"
	       "   ; a comment, then the same owner\n"
	       "    MX 10 @\n"
	       "WWW.sub A 192.0.2.2\r\n"
	       "*.w A 192.0.2.3\n"
	       "a\\.b A 192.0.2.4\n"
	       "\\097 A 192.0.2.5\n"
	       "1+2=3 A 192.0.2.6\n"
	       "_sip._tcp SRV 1 2 5060 sip",
	       "example.org SOA ns1.example.org host\\.master.example.org 1 2 3 4 5" SEEN
	       "example.org NS ns1.example.org" SEEN "example.org NS ns2.example.net" SEEN
	       "www.example.org A 192.0.2.1" SEEN "www.example.org AAAA 2001:db8::1" SEEN
	       "www.example.org MX 10 example.org" SEEN "www.sub.example.org A 192.0.2.2" SEEN
	       "*.w.example.org A 192.0.2.3" SEEN "a\\.b.example.org A 192.0.2.4" SEEN
	       "a.example.org A 192.0.2.5" SEEN "1+2=3.example.org A 192.0.2.6" SEEN
	       "_sip._tcp.example.org SRV 1 2 5060 sip.example.org" SEEN);
}

static void directives(void **state)
{
	(void)state;
	expect("$TTL 1h\n$ORIGIN sub\na A 192.0.2.1\n$origin example.net.\n@ A 192.0.2.2\n$ORIGIN "
	       ".\ncom NS a.gtld\n"
	       "$GENERATE 1-2 h$ A 192.0.2.$\n$TTL x\nz A 192.0.2.3\n",
	       "a.sub.example.org A 192.0.2.1" SEEN "example.net A 192.0.2.2" SEEN
	       "com NS a.gtld" SEEN "8: invalid directive\n"
	       "9: invalid number\n"
	       "z A 192.0.2.3" SEEN);
}

static void lines(void **state)
{
	(void)state;
	expect("@ SOA ns1 host ( ; serial next\n"
	       "\t1 ; not ( this\n"
	       "\n"
	       "\t2 3 4 5 )\n"
	       "t TXT ( \"a;b\" ; c\n"
	       "  \"(\" \"d\n"
	       "e\" \\( )\n"
	       "u TXT \"x\\\"y;\" z\\;\n"
	       "v ( A\n192.0.2.1\n)\n"
	       "w A 192.0.2.2 ()\n",
	       "example.org SOA ns1.example.org host.example.org 1 2 3 4 5" SEEN
	       "t.example.org TXT \"a;b(d\\010e(\"" SEEN "u.example.org TXT \"x\\\"y;z;\"" SEEN
	       "v.example.org A 192.0.2.1" SEEN "w.example.org A 192.0.2.2" SEEN);
}

/* What is wrong costs itself. */
static void errors(void **state)
{
	(void)state;
	expect("a A 300.1.1.1\n"
	       "  AAAA ::1\n"
	       "b..c A 192.0.2.1\n"
	       "  AAAA ::2\n" /* nobody knows of whom */
	       "\n"
	       "d A 192.0.2.1 x\n"
	       "e TXT \"open\n"
	       "f A 192.0.2.2\n"
	       "g TXT ( \"a\"\n"
	       "h A 192.0.2.3\n"
	       "i TXT ( \"b\" )\n"
	       "j A ) 192.0.2.4\n"
	       "k HIP 2 200100107B1A74DF365639CC39F1D578 x\n"
	       "l TYPE65280 \\# 3 abcd\n"
	       "m A\n"
	       "n\n"
	       "o A 192.0.2.5\n"
	       "p TXT ( a\n"
	       "q A 192.0.2.6",
	       "1: invalid IPv4 address\n"
	       "a.example.org AAAA ::1" SEEN "3: invalid domain name character\n"
	       "4: previous owner is invalid\n"
	       "6: unexpected data\n"
	       "7: invalid text character\n"
	       "f.example.org A 192.0.2.2" SEEN "9: unclosed last multiline block\n"
	       "h.example.org A 192.0.2.3" SEEN "i.example.org TXT \"b\"" SEEN
	       "12: too many right parentheses\n"
	       "13: unsupported record type\n"
	       "14: the rdata length statement is incorrect\n"
	       "15: invalid address character\n"
	       "16: owner is invalid\n"
	       "o.example.org A 192.0.2.5" SEEN "18: unclosed last multiline block\n"
	       "q.example.org A 192.0.2.6" SEEN);
}

static void types(void **state)
{
	(void)state;
	expect("a TYPE1 \\# 4 c0000201\n"
	       "b TYPE65280 \\# 2 ABCD\n"
	       "c IN A 192.0.2.1\n"
	       "d CH TXT \"x\"\n"
	       "e 60 CLASS3 TXT \"x\"\n"
	       "f HS 60 TXT \"x\"\n"
	       "g DS 1 8 2 0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789abcdef\n"
	       "h NSEC i A TYPE999 RRSIG\n"
	       "i RRSIG A 8 3 60 20260101000000 20250101000000 1 @ ( AAAA\n BBBB )\n"
	       "j HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1\n"
	       "k CAA 0 issue \"ca.example; x\"\n"
	       "l TYPE41 \\# 0\n",
	       "a.example.org A 192.0.2.1" SEEN "b.example.org TYPE65280 \\# 2 ABCD" SEEN
	       "c.example.org A 192.0.2.1" SEEN "- class\n- class\n- class\n"
	       "g.example.org DS 1 8 2 "
	       "0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF" SEEN
	       "h.example.org NSEC i.example.org A RRSIG TYPE999" SEEN
	       "i.example.org RRSIG A 8 3 60 20260101000000 20250101000000 1 example.org "
	       "AAAABBBB" SEEN "j.example.org HTTPS 1 . alpn=h2 ipv4hint=192.0.2.1" SEEN
	       "k.example.org CAA 0 issue \"ca.example; x\"" SEEN "- meta\n");
}

/* Without an origin nothing relative is believed. */
static void origins(void **state)
{
	(void)state;
	kit_expect(&zone_format, &no_origin,
		   "\xef\xbb\xbf"
		   "a.example. NS b.example.\n"
		   "@ A 192.0.2.1\n"
		   "c A 192.0.2.1\n"
		   "  A 192.0.2.2\n"
		   "d.example. NS e\n"
		   "  A 192.0.2.3\n"
		   "$ORIGIN rel\n"
		   "f A 192.0.2.4\n"
		   "$ORIGIN example.\n"
		   "g A 192.0.2.5\n"
		   "$ORIGIN bad..\n"
		   "h A 192.0.2.6\n",
		   "a.example NS b.example" SEEN "2: a relative name, and there is no origin\n"
		   "3: a relative name, and there is no origin\n"
		   "4: previous owner is invalid\n"
		   "5: a relative name, and there is no origin\n"
		   "d.example A 192.0.2.3" SEEN "7: a relative name, and there is no origin\n"
		   "8: a relative name, and there is no origin\n"
		   "g.example A 192.0.2.5" SEEN "11: the origin is not a name\n"
		   "12: a relative name, and there is no origin\n");
}

static void put_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void replace(char *text, size_t size, const char *what, const char *by)
{
	for (char *at; (at = strstr(text, what));) {
		assert_true(strlen(text) + strlen(by) < size);
		memmove(at + strlen(by), at + strlen(what), strlen(at + strlen(what)) + 1);
		memcpy(at, by, strlen(by));
	}
}

static void includes(void **state)
{
	(void)state;
	char dir[] = "/tmp/dribble-zone-XXXXXX", path[512], command[512];
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	put_file(dir, "sub/one",
		 "a A 192.0.2.1\n$ORIGIN elsewhere.\nb A 192.0.2.2\n$INCLUDE two x\nbad A "
		 "1.1.1.300\n A 192.0.2.4");
	put_file(dir, "sub/two", "@ A 192.0.2.3\nt TXT (\n");
	put_file(dir, "loop", "l A 192.0.2.9\n$INCLUDE loop\n");
	snprintf(path, sizeof(path), "%s/main.zone", dir);
	const struct reader_options opt = {
		.origin = "org", .time_s = 1600000000, .include = true, .path = path};
	char want[4096] =
		"w.org A 192.0.2.7" SEEN "a.org A 192.0.2.1" SEEN "b.elsewhere A 192.0.2.2" SEEN
		"x.elsewhere A 192.0.2.3" SEEN "2: DIR/sub/two:2: unclosed last multiline block\n"
		"2: DIR/sub/one:5: invalid IPv4 address\n"
		"bad.elsewhere A 192.0.2.4" SEEN
		"w.org AAAA ::7" SEEN /* origin and owner are back */
		"a.sub.org A 192.0.2.1" SEEN "b.elsewhere A 192.0.2.2" SEEN
		"x.elsewhere A 192.0.2.3" SEEN "4: DIR/sub/two:2: unclosed last multiline block\n"
		"4: DIR/sub/one:5: invalid IPv4 address\n"
		"bad.elsewhere A 192.0.2.4" SEEN
		"5: $INCLUDE: DIR/none: No such file or directory\n"
		"6: $INCLUDE: DIR/sub: it is no file\n"
		"7: $INCLUDE: no file is named\n"
		"z.org A 192.0.2.8" SEEN;
	char text[] = "w A 192.0.2.7\n$INCLUDE sub/one\n  AAAA ::7\n$include \"sub/one\" sub ; "
		      "comment\n$INCLUDE none\n"
		      "$INCLUDE sub\n$INCLUDE ; x\nz A 192.0.2.8\n";
	/* the line behind the bad record of sub/one belongs to its owner, as the owner could be
	 * read */
	replace(want, sizeof(want), "DIR", dir);
	kit_expect(&zone_format, &opt, text, want);

	struct kit_log l = {.text = BUFFER_INIT};
	struct sink sink = kit_sink(&l);
	struct reader *r = kit_open(&zone_format, &opt);
	kit_feed(&zone_format, r, bytes_str("$INCLUDE loop\n"), 4096, &sink);
	assert_int_equal(zone_format.finish(r, &sink), 0);
	zone_format.close(r);
	buffer_put_byte(&l.text, 0);
	assert_non_null(strstr((char *)l.text.p, "loop:2: $INCLUDE: too many, one in the other\n"));
	buffer_release(&l.text);

	expect("$INCLUDE /etc/passwd\na A 192.0.2.1\n",
	       "1: $INCLUDE is not followed unless it is allowed (--include)\n"
	       "a.example.org A 192.0.2.1" SEEN);
	const struct reader_options pipe = {.origin = "org", .time_s = 1600000000, .include = true};
	kit_expect(&zone_format, &pipe, "$INCLUDE one\n",
		   "1: $INCLUDE: the input is no file that others could be beside\n");
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void long_ones(void **state)
{
	(void)state;
	struct buffer text = BUFFER_INIT;
	struct kit_log l = {.text = BUFFER_INIT};
	buffer_put_str(&text, "a TXT ( ");
	for (int i = 0; i < 70000; i++)
		buffer_put_str(&text, "; 0123456789\n  ");
	buffer_put_str(&text, "x )\nb A 192.0.2.1\n");
	kit_read(&zone_format, &at_org, buffer_bytes(&text), 5000, &l);
	kit_compare(&l, "1: unclosed last multiline block\n70001: invalid number\n"
			"b.example.org A 192.0.2.1" SEEN);
	buffer_clear(&text);
	l = (struct kit_log){.text = BUFFER_INIT};
	buffer_put_str(&text, "a A 192.0.2.1\nb TXT ");
	for (int i = 0; i < LINE_MAX_BYTES; i++)
		buffer_put_byte(&text, 'x');
	buffer_put_str(&text, "\n  A 192.0.2.2\nc A 192.0.2.3\n");
	kit_read(&zone_format, &at_org, buffer_bytes(&text), 50000, &l);
	kit_compare(&l, "a.example.org A 192.0.2.1" SEEN "2: the line is over 1048576 octets\n"
			"3: previous owner is invalid\n"
			"c.example.org A 192.0.2.3" SEEN);
	buffer_release(&text);
}

static void recognised(void **state)
{
	static const char *const yes[] = {
		"$ORIGIN example.org.\n",
		"\n; c\n   ; d\n$TTL 300\n",
		"example.org. 3600 IN SOA ns. host. 1 2 3 4 5\n",
		"@ SOA ns host (\n",
		"; <<>> DiG 9.18 <<>> axfr\n;; global options: "
		"+cmd\nexample.org.\t3600\tIN\tSOA\tns. host. 1 2 3 4 5\n",
		"com.\t900\tin\tsoa\ta.gtld-servers.net. x. 1 2 3 4 5\n",
		"@ IN 1h SOA ns host 1 2 3 4 5",
	};
	static const char *const no[] = {
		"",
		"\n",
		"; only a comment\n",
		"{\"rrname\": \"a\"}\n",
		"www A 192.0.2.1\n",
		"SOA\n",
		"the IN SOA\n",
		"a SOA\n",
		"1600000000||192.0.2.1||192.0.2.2||IN||a.||SOA||x.||1||1\n",
		"#fields\tts\n",
		"some words SOA here\n",
		"$ORIGIN\n",
		"$PATH x\n",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (!kit_is_first_to_recognise(&zone_format, yes[i]))
			fail_msg("not known: %s", yes[i]);
	}
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		if (zone_format.recognises(bytes_str(no[i])))
			fail_msg("known: %s", no[i]);
	}
	assert_false(zone_format.recognises(bytes_of("$TTL 1\n\0", 8)));
}

static void options(void **state)
{
	struct err e = {""};
	struct buffer a = BUFFER_INIT, b = BUFFER_INIT;
	(void)state;
	const struct reader_options bad = {.origin = "a..b"},
				    later = {.origin = "Example.ORG", .time_s = 1600000001};
	assert_null(zone_format.open(&bad, &e));
	assert_string_equal(e.text, "the origin a..b is not a name");
	struct reader *r = kit_open(&zone_format, NULL);
	zone_format.close(r);
	zone_format.close(NULL);
	zone_format.identity(&at_org, &a);
	zone_format.identity(&later, &b);
	assert_false(bytes_eq(buffer_bytes(&a), buffer_bytes(&b)));
	buffer_release(&a);
	buffer_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(owners),     cmocka_unit_test(directives),
		cmocka_unit_test(lines),      cmocka_unit_test(errors),
		cmocka_unit_test(types),      cmocka_unit_test(origins),
		cmocka_unit_test(includes),   cmocka_unit_test(long_ones),
		cmocka_unit_test(recognised), cmocka_unit_test(options),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
