/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rdata as text: what is read, what is printed, that two spellings are one record, that text and
 * wire are two forms of one thing. */
#include "model/rdata.h"

#include <arpa/inet.h>
#include <libknot/libknot.h>

#include "base/err.h"
#include "model/dname.h"
#include "model/rdata_priv.h"
#include "rdata_kit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static struct rdata_parser *parser;

static int set_up(void **state)
{
	parser = rdata_parser_new();
	return 0;
}

static int tear_down(void **state)
{
	rdata_parser_free(parser);
	return 0;
}

/* Text, its wire form, and how it is printed (NULL: as it was read). The numbers come from the
 * RFCs' examples where they have any. */
static const struct {
	const char *type;
	const char *text;
	const char *wire;
	const char *printed;
} samples[] = {
	{"A", "192.0.2.1", "c0000201", NULL},
	{"A", "255.255.255.255", "ffffffff", NULL},
	{"AAAA", "2001:db8::1", "20010db8000000000000000000000001", NULL},
	{"AAAA", "::", "00000000000000000000000000000000", NULL},
	{"AAAA", "::ffff:192.0.2.1", "00000000000000000000ffffc0000201", NULL},
	{"AAAA", "2001:db8:0:0:1::1", "20010db8000000000001000000000001", "2001:db8::1:0:0:1"},
	{"NS", "ns1.example", "03'ns1' 07'example' 00", NULL},
	{"NS", ".", "00", NULL},
	{"CNAME", "a\\.b.c", "03'a.b' 01'c' 00", NULL},
	{"DNAME", "*._x-y.example.", "01'*' 04'_x-y' 07'example' 00", "*._x-y.example"},
	{"PTR", "!#$%&.example", "05'!#$%&' 07'example' 00", "!#\\$%&.example"},
	{"PTR", "\\000\\255\\032x", "04 00 ff 20'x' 00", "\\000\\255\\032x"},
	{"MD", "a", "01'a' 00", NULL},
	{"MF", "a", "01'a' 00", NULL},
	{"MB", "a", "01'a' 00", NULL},
	{"MG", "a", "01'a' 00", NULL},
	{"MR", "a", "01'a' 00", NULL},
	{"NSAP-PTR", "a.b", "01'a' 01'b' 00", NULL},
	{"SOA", "m.example r\\.s.example 2024010100 7200 3600 4294967295 0",
	 "01'm' 07'example' 00 03'r.s' 07'example' 00 78a3f174 00001c20 00000e10 ffffffff 00000000",
	 NULL},
	{"SOA", "m r 1 1h 1h30m 1d 2W",
	 "01'm' 00 01'r' 00 00000001 00000e10 00001518 00015180 00127500",
	 "m r 1 3600 5400 86400 1209600"},
	{"MX", "0 .", "0000 00", NULL},
	{"MX", "65535 mail.example", "ffff 04'mail' 07'example' 00", NULL},
	{"MINFO", "a b", "01'a' 00 01'b' 00", NULL},
	{"RP", "a .", "01'a' 00 00", NULL},
	{"AFSDB", "1 a", "0001 01'a' 00", NULL},
	{"RT", "1 a", "0001 01'a' 00", NULL},
	{"PX", "1 a b", "0001 01'a' 00 01'b' 00", NULL},
	{"KX", "1 a", "0001 01'a' 00", NULL},
	{"LP", "10 l64.example", "000a 03'l64' 07'example' 00", NULL},
	{"TALINK", ". a", "00 01'a' 00", NULL},
	{"SRV", "0 5 5060 sip.example", "0000 0005 13c4 03'sip' 07'example' 00", NULL},
	{"HINFO", "\"PC AT\" \"\"", "05'PC AT' 00", NULL},
	{"HINFO", "RFC8482 x", "07'RFC8482' 01'x'", "\"RFC8482\" \"x\""},
	{"HINFO", "\"a\\\"\\\\b;(\" \"\\000\\200\"", "06'a\"\\b;(' 02 00 c8", NULL},
	{"HINFO", "\\a\\ \\098 \"\xc3\xa4\"", "03'a b' 02 c3a4", "\"a b\" \"\\195\\164\""},
	{"X25", "311061700956", "0c'311061700956'", "\"311061700956\""},
	{"ISDN", "\"150862028003217\" \"004\"", "0f'150862028003217' 03'004'", NULL},
	{"ISDN", "150862028003217", "0f'150862028003217'", "\"150862028003217\""},
	{"GPOS", "-32.6882 116.8652 10.0", "08'-32.6882' 08'116.8652' 04'10.0'",
	 "\"-32.6882\" \"116.8652\" \"10.0\""},
	{"NAPTR", "100 50 \"s\" \"http+N2L+N2C+N2R\" \"\" www.example",
	 "0064 0032 01's' 10'http+N2L+N2C+N2R' 00 03'www' 07'example' 00", NULL},
	{"NAPTR", "100 10 \"u\" \"E2U+sip\" \"!^.*$!sip:\\\\1@example!\" .",
	 "0064 000a 01'u' 07'E2U+sip' 15'!^.*$!sip:\\1@example!' 00", NULL},
	{"TXT", "\"v=spf1 -all\"", "0b'v=spf1 -all'", NULL},
	{"TXT", "\"\"", "00", NULL},
	{"TXT", "\"\\\" \\\\ \\000\\127\\255 ;()@$\"", "0d'\" \\ ' 00 7f ff ' ;()@$'", NULL},
	{"SPF", "\"a\"", "01'a'", NULL},
	{"NINFO", "\"a\"", "01'a'", NULL},
	{"AVC", "\"a\"", "01'a'", NULL},
	{"RESINFO", "\"qnamemin\"", "08'qnamemin'", NULL},
	{"WALLET", "\"a\"", "01'a'", NULL},
	{"LOC", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",
	 "00 00 16 13 8b3cf018 810cbce0 009895b8", "52 22 23 N 4 53 32 E -2m 0m 10000m 10m"},
	{"LOC", "90 S 180 W 0", "00 12 16 13 6cb02700 59604e00 00989680",
	 "90 0 0 S 180 0 0 W 0m 1m 10000m 10m"},
	{"CERT", "PKIX 65535 RSASHA256 AQNR U3mG", "0001 ffff 08 010351537986",
	 "1 65535 8 AQNRU3mG"},
	{"APL", "1:192.168.32.0/21 !1:192.168.38.0/28 2:ff00::/8", NULL, NULL},
	{"DS", "60485 5 1 2BB183AF5F22588179A53B0A98631FAD1A292118",
	 "ec45 05 01 2bb183af5f22588179a53b0a98631fad1a292118", NULL},
	{"DLV", "60485 5 1 2BB183", "ec45 05 01 2bb183", NULL},
	{"TA", "60485 5 1 2BB183", "ec45 05 01 2bb183", NULL},
	{"CDS", "0 0 0 00", "0000 00 00 00", NULL},
	{"SSHFP", "2 1 123456789ABCDEF67890123456789ABCDEF67890",
	 "02 01 123456789abcdef67890123456789abcdef67890", NULL},
	{"IPSECKEY", "10 1 2 192.0.2.38 AQNRU3mG", "0a 01 02 c0000226 010351537986", NULL},
	{"IPSECKEY", "10 0 2 . AQNRU3mG", "0a 00 02 010351537986", NULL},
	{"IPSECKEY", "10 3 2 gw.example AQNRU3mG", "0a 03 02 02'gw' 07'example' 00 010351537986",
	 NULL},
	{"IPSECKEY", "10 2 2 2001:db8::1 AQNRU3mG",
	 "0a 02 02 20010db8000000000000000000000001 010351537986", NULL},
	{"RRSIG", "A 5 3 86400 20030322173103 20030220173103 2642 example oJB1",
	 "0001 05 03 00015180 3e7c9dd7 3e5510d7 0a52 07'example' 00 a09075", NULL},
	{"SIG", "HIP 5 3 86400 20030322173103 20030220173103 2642 a!b oJB1",
	 "0037 05 03 00015180 3e7c9dd7 3e5510d7 0a52 03'a!b' 00 a09075", NULL},
	{"NSEC", "host.example A MX RRSIG NSEC TYPE1234", NULL, NULL},
	{"NSEC", "a", "01'a' 00", NULL},
	/* what a large operator answers for every name that does not exist */
	{"NSEC",
	 "\\000.example A NS SOA HINFO MX TXT AAAA LOC SRV NAPTR CERT SSHFP RRSIG NSEC DNSKEY TLSA "
	 "SMIMEA HIP CDS CDNSKEY OPENPGPKEY SVCB HTTPS SPF URI CAA",
	 "01 00 07'example' 00 00 0d 6205800c540b8d1cc000000010 01 01 c0", NULL},
	{"NSEC", "a!b\\@c NXNAME AMTRELAY DLV", NULL, NULL},
	{"DNSKEY", "256 3 5 AQPSKmynfzW4", "0100 03 05 0103d22a6ca77f35b8", NULL},
	{"KEY", "256 3 RSASHA1 AQPS", "0100 03 05 0103d2", "256 3 5 AQPS"},
	{"RKEY", "0 3 5 AQPS", "0000 03 05 0103d2", NULL},
	{"CDNSKEY", "0 3 0 AA==", "0000 03 00 00", NULL},
	{"DHCID", "AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=",
	 "000201636fc0b8271c82825bb1ac5c41cf5351aa69b4febd94e8f17cdb95000da48c40", NULL},
	{"NSEC3",
	 "1 1 12 AABBCCDD 2t7b4g4vsa5smi47k61mv5bv1a22bojr NS SOA MX RRSIG DNSKEY NSEC3PARAM",
	 "01 01 000c 04 aabbccdd 14 174eb2409fe28bcb4887a1836f957f0a8425e27b 00 07 22010000000290",
	 NULL},
	{"NSEC3", "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr TYPE65280", NULL, NULL},
	{"NSEC3PARAM", "1 0 12 AABBCCDD", "01 00 000c 04 aabbccdd", NULL},
	{"NSEC3PARAM", "1 0 0 -", "01 00 0000 00", NULL},
	{"TLSA", "3 1 1 D2ABDE", "03 01 01 d2abde", NULL},
	{"SMIMEA", "3 0 0 308201", "03 00 00 308201", NULL},
	{"OPENPGPKEY", "AQNRU3mG", "010351537986", NULL},
	{"CSYNC", "66 3 A NS AAAA", "00000042 0003 00 04 60000008", NULL},
	{"ZONEMD", "2018031500 1 1 FEBE3D4CE2EC2FFA4BA99D46CD69D6D29711E55217057BEE", NULL, NULL},
	{"SVCB", "0 foo.example", "0000 03'foo' 07'example' 00", NULL},
	{"HTTPS", "1 . alpn=h2,h3 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1",
	 "0001 00 0001 0006 02'h2' 02'h3' 0004 0008 c0000201c0000202 0006 0010 "
	 "20010db8000000000000000000000001",
	 NULL},
	{"SVCB", "16 foo.example alpn=f\\\\\\\\oo\\\\,bar,h2",
	 "0010 03'foo' 07'example' 00 "
	 "0001 000c 08'f\\oo,bar' 02'h2'",
	 NULL},
	{"SVCB", "1 foo.example key667=\"hello\\210qoo\"",
	 "0001 03'foo' 07'example' 00 "
	 "029b 0009 'hello' d2 'qoo'",
	 NULL},
	{"NID", "10 0014:4FFF:FF20:EE64", "000a 00144fffff20ee64", NULL},
	{"L32", "10 10.1.2.0", "000a 0a010200", NULL},
	{"L64", "10 2001:0DB8:1140:1000", "000a 20010db811401000", NULL},
	{"EUI48", "00-00-5E-00-53-2A", "00005e00532a", NULL},
	{"EUI64", "00-00-5E-EF-10-00-00-2A", "00005eef1000002a", NULL},
	{"URI", "10 1 \"ftp://ftp1.example/public  a\"", "000a 0001 'ftp://ftp1.example/public  a'",
	 NULL},
	{"CAA", "0 issue \"ca.example; policy=ev\"", "00 05'issue' 'ca.example; policy=ev'", NULL},
	{"CAA", "128 iodef \"a\\\"\\\\\\200\"", "80 05'iodef' 'a\"\\' c8", NULL},
	{"CAA", "0 issue \"\"", "00 05'issue'", NULL},
	{"DSYNC", "CDS NOTIFY 5359 cds-scanner.example",
	 "003b 01 14ef 0b'cds-scanner' 07'example' 00", NULL},
	{"DSYNC", "TYPE65280 255 0 .", "ff00 ff 0000 00", NULL},
	{"NULL", "\\# 3 ABCDEF", "abcdef", NULL},
	{"WKS", "\\# 6 C00002010601", "c00002010601", NULL},
	{"HIP", "\\# 12 02010003414243 444501 4100", "02 01 0003 'ABCDE' 01'a' 00",
	 "\\# 12 020100034142434445016100"},
	{"TYPE65280", "\\# 0", "", NULL},
	{"TYPE65280", "\\# 2 00FF", "00ff", NULL},
};

static void is_read(const char *type, struct bytes text, const char *wire)
{
	struct buffer out = BUFFER_INIT;
	buffer_put_byte(&out, '!'); /* appended */
	int rc = read_text(parser, type_of(type), text, &out);
	if (rc != 0)
		print_error("%s %.*s: %d\n", type, (int)text.n, (const char *)text.p, rc);
	assert_int_equal(rc, 0);
	assert_int_equal(out.p[0], '!');
	if (wire)
		is_hex(type, bytes_of(out.p + 1, out.n - 1), wire);
	is_stable(parser, type_of(type), bytes_of(out.p + 1, out.n - 1));
	buffer_release(&out);
}

static void is_refused(const char *type, struct bytes text, int code)
{
	struct buffer out = BUFFER_INIT;
	buffer_put_byte(&out, '!');
	int rc = read_text(parser, type_of(type), text, &out);
	if (rc != code)
		print_error("%s %.*s: %d\n", type, (int)(text.n < 100 ? text.n : 100),
			    (const char *)text.p, rc);
	assert_int_equal(rc, code);
	assert_int_equal(out.n, 1);
	buffer_release(&out);
}

/* Both are read, as the same. */
static void are_one(const char *type, const char *a, const char *b)
{
	struct buffer one = BUFFER_INIT, other = BUFFER_INIT;
	int rc = read_text(parser, type_of(type), bytes_str(a), &one);
	int rc2 = read_text(parser, type_of(type), bytes_str(b), &other);
	if (rc || rc2 || !bytes_eq(buffer_bytes(&one), buffer_bytes(&other))) {
		print_error("%s: %s (%d) and %s (%d) differ\n", type, a, rc, b, rc2);
		fail();
	}
	buffer_release(&one);
	buffer_release(&other);
}

static void test_samples(void **state)
{
	struct buffer wire = BUFFER_INIT, text = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(samples); i++) {
		const char *printed = samples[i].printed ? samples[i].printed : samples[i].text;
		uint16_t type = type_of(samples[i].type);
		is_read(samples[i].type, bytes_str(samples[i].text), samples[i].wire);
		buffer_clear(&wire);
		assert_int_equal(read_text(parser, type, bytes_str(samples[i].text), &wire), 0);
		assert_string_equal(print_text(type, buffer_bytes(&wire), &text), printed);
	}
	buffer_release(&wire);
	buffer_release(&text);
}

/* Every address of a few groups, beside inet_ntop. */
static void test_ipv6_as_libc(void **state)
{
	static const unsigned groups[] = {0, 1, 0xffff, 0xab, 0xc0d};
	enum { N = sizeof(groups) / sizeof(groups[0]) };
	struct buffer text = BUFFER_INIT;
	unsigned long all = 1;
	(void)state;
	for (int i = 0; i < 8; i++)
		all *= N;
	for (unsigned long n = 0; n < all; n++) {
		uint8_t addr[16];
		char expected[INET6_ADDRSTRLEN];
		unsigned long rest = n;
		for (int i = 0; i < 8; i++, rest /= N) {
			addr[2 * i] = (uint8_t)(groups[rest % N] >> 8);
			addr[2 * i + 1] = (uint8_t)groups[rest % N];
		}
		assert_non_null(inet_ntop(AF_INET6, addr, expected, sizeof(expected)));
		buffer_clear(&text);
		rdata_to_text(RRTYPE_AAAA, RDATA_WIRE, bytes_of(addr, 16), &text);
		if (!bytes_eq(buffer_bytes(&text), bytes_str(expected)))
			fail_msg("%.*s, not %s", (int)text.n, text.p, expected);
	}
	buffer_release(&text);
}

static void test_spellings(void **state)
{
	are_one("A", "192.0.2.1", "\t192.0.2.1  ");
	are_one("A", "192.0.2.1", "\\# 4 c0 0002\t01 ");
	are_one("AAAA", "2001:db8::1", "2001:DB8:0::1");
	are_one("AAAA", "2001:db8::1", "2001:0db8:0000:0000:0000:0000:0000:0001");
	are_one("AAAA", "::ffff:192.0.2.1", "0::FFFF:C000:201");
	are_one("NS", "a.example", "A.EXAMPLE.");
	are_one("NS", "a.example", "\\065.example");
	are_one("NS", "a.example", "\\097.e\\x\\Ample.");
	are_one("NS", "#a", "\\#a.");
	are_one("NS", "a", "\\# 3 014100");
	are_one("NS", "@.example", "\\064.example");
	are_one("MX", "10 a", "0010\t A. ");
	are_one("SOA", "m r 1 3600 60 86400 0", "M. R. 1 1h 1m 1d 0");
	are_one("SOA", "m!x r 1 3600 60 86400 0", "m\\!x r 1 1H 1m 1d 0");
	are_one("HINFO", "\"a\" \"b\"", "a   b");
	are_one("HINFO", "\"A\" \"b\"", "\\065 \\b");
	are_one("HINFO", "\"@\" \"#\"", "@ \\#");
	are_one("NAPTR", "1 2 \"u\" \"x\" \"\" a", "1 2 u x \"\" A.");
	are_one("TXT", "\"ab\"", "\"a\" \"b\"");
	are_one("TXT", "\"ab\"", "\"a\"\"b\"");
	are_one("TXT", "\"ab\"", "\"a\" b");
	are_one("TXT", "\"ab\"", "\"\\097\\b\"");
	are_one("TXT", "\"ab\"", "ab");
	are_one("TXT", "\"\"", "\"\" \"\"");
	are_one("TXT", "\"a\\\\\"", "a\\\\");
	are_one("TXT", "\"a\\\\\"", "a\\\\ "); /* that blank is not escaped */
	are_one("TXT", "\"a \"", "a\\ ");
	are_one("TXT", "\"#a b\"", "\\#a b");
	are_one("CAA", "0 issue \"a\"", "0 issue a");
	are_one("CAA", "0 issue \"\xc3\xa4\"", "0 issue \"\\195\\164\"");
	are_one("CAA", "0 issue \"\\017\"", "0 issue \"\\\x11\"");
	are_one("URI", "1 2 \"http://a/\"", "1  2\thttp://a/");
	are_one("DS", "1 2 3 abcdef", "1 2 3 A BCDE F");
	are_one("DLV", "1 2 3 abcdef", "1 2 3 ABCDEF");
	are_one("SSHFP", "1 2 abcdef", "1 2 AB cd\tEF");
	are_one("TLSA", "3 1 1 abcdef", "3 1 1 a b c d e f");
	are_one("ZONEMD", "1 1 1 abcdefabcdefabcdefabcdef", "1 1 1 ABCDEF abcdefabcdef abcdef");
	are_one("DNSKEY", "256 3 5 AQNRU3mG", "256 3 RSASHA1 AQN RU3mG");
	are_one("DNSKEY", "256 3 5 AQ==", "256 3 5 AQ = =");
	are_one("OPENPGPKEY", "AQNRU3mG", "A QNRU3m G");
	are_one("CERT", "1 1 8 AQNRU3mG", "PKIX 1 RSASHA256 AQNRU3m G");
	are_one("IPSECKEY", "10 3 2 gw!.example AQNRU3mG", "10 3 2 GW\\033.Example. AQN RU3mG");
	are_one("RRSIG", "A 5 3 1 20030322173103 20030220173103 2 a!b oJB1",
		"a 5 3 1 1048354263 1045762263 2 A\\!B. oJ B1");
	are_one("RRSIG", "TYPE55 5 3 1 20030322173103 20030220173103 2 a oJB1",
		"HIP 5 3 1 20030322173103 20030220173103 2 a oJB1");
	are_one("NSEC", "a!b A NS HIP TYPE65280", "A\\033B. type65280 TYPE55 ns TYPE1");
	are_one("NSEC3", "1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr HIP",
		"1 0 0 - 2T7B4G4VSA5SMI47K61MV5BV1A22BOJR TYPE55");
	are_one("HTTPS", "1 a!b alpn=h2,h3 port=443", "1 A\\!B. port=\"443\" alpn=\"h2,h3\"");
	are_one("HTTPS", "1 . key7=\"/dns-query{?dns}\"", "1 . dohpath=/dns-query{?dns}");
	are_one("HTTPS", "1 . key8", "1 . ohttp");
	are_one("HTTPS", "1 . key8", "1 . ohttp=");
	are_one("HTTPS", "1 . key8", "1 . ohttp=\"\"");
	are_one("HTTPS", "1 . key4444=\"a b\"", "1 .  key4444=a\\032b");
	are_one("DSYNC", "CDS NOTIFY 5359 a", "type59 1 05359 A.");
	are_one("DSYNC", "CDS NOTIFY 5359 a", "cds notify 5359 A.");
	are_one("LOC", "51 30 0 N 0 7 39.6 W 0m", "51 30 N 00 07 39.600 W 0.00m 1m 10000m 10m");
	are_one("APL", "2:ff00::/8", "2:FF00:0:0::0/8");
	are_one("EUI48", "00-00-5e-00-53-2a", "00-00-5E-00-53-2A");
	are_one("TYPE65280", "\\# 2 00ff", "\\#\t2 0 0 F F");
}
/* Text without quotes is one string, as feeds print it that strip the quotes. */
static void test_text_without_quotes(void **state)
{
	is_read("TXT", bytes_str("v=spf1 include:_spf.example  -all"),
		"21'v=spf1 include:_spf.example  -all'");
	is_read("TXT", bytes_str("  a b\t"), "03'a b'");
	is_read("TXT", bytes_str("a \"b\" c"), "07'a \"b\" c'");
	is_read("TXT", bytes_str("a\"b\"c"), "05'a\"b\"c'");
	is_read("TXT", bytes_str("k=v; p=x (y) @ $ORIGIN"), "16'k=v; p=x (y) @ $ORIGIN'");
	is_read("TXT", bytes_str(";"), "01';'");
	is_read("TXT", bytes_str("\"a\";b"), "03'a;b'");
	is_read("TXT", bytes_str("\xc3\xa4\xff"), "03 c3a4ff");
	is_read("TXT", bytes_of("a\0b\n$INCLUDE x", 14), "0e'a' 00 'b' 0a '$INCLUDE x'");
	is_read("TXT", bytes_str("\\\"a\\\""), "03'\"a\"'");
}

/* Strings over 255 octets are cut, and printed cut. */
static void test_long_text(void **state)
{
	static const size_t lengths[] = {254, 255, 256, 510, 511, 65278, 65279};
	struct buffer text = BUFFER_INIT, wire = BUFFER_INIT, other = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		buffer_clear(&text);
		buffer_clear(&wire);
		buffer_clear(&other);
		buffer_put_byte(&text, '"');
		for (size_t j = 0; j < lengths[i]; j++)
			buffer_put_byte(&text, 'a' + j % 26);
		assert_int_equal(read_text(parser, 16, bytes_of(text.p + 1, lengths[i]), &other),
				 0);
		buffer_put_byte(&text, '"');
		assert_int_equal(read_text(parser, 16, buffer_bytes(&text), &wire), 0);
		assert_true(bytes_eq(buffer_bytes(&wire), buffer_bytes(&other)));
		assert_int_equal(wire.n, lengths[i] + (lengths[i] + 254) / 255);
		is_stable(parser, 16, buffer_bytes(&wire));
	}
	buffer_put(&text, "\"x\"", 3);
	is_refused("TXT", buffer_bytes(&text), ERR_LIMIT);
	buffer_clear(&text);
	for (size_t i = 0; i < 65279; i++)
		buffer_put(&text, "\\000", 4);
	is_read("TXT", buffer_bytes(&text), NULL);
	while (text.n <= RDATA_TEXT_MAX)
		buffer_put_byte(&text, 'x');
	is_refused("TXT", buffer_bytes(&text), ERR_LIMIT);
	is_refused("TYPE65280", buffer_bytes(&text), ERR_LIMIT);
	is_refused("CAA", buffer_bytes(&text), ERR_LIMIT);
	buffer_release(&text);
	buffer_release(&wire);
	buffer_release(&other);
}

static void test_refused(void **state)
{
	static const struct {
		const char *type;
		const char *text;
	} bad[] = {
		{"A", ""},
		{"A", "1.2.3"},
		{"A", "1.2.3.4."},
		{"A", "1.2.3.4.5"},
		{"A", "1.2.3.256"},
		{"A", "01.2.3.4"},
		{"A", "1.2.3.4 5"},
		{"A", "0x1020304"},
		{"A", "::1"},
		{"A", "1.2.3.4\n"},
		{"AAAA", "1.2.3.4"},
		{"AAAA", "1::2::3"},
		{"AAAA", "fe80::1%eth0"},
		{"AAAA", "[::1]"},
		{"AAAA", "2001:db8::1/64"},
		{"AAAA", "2001:db8:0000:0000:0000:0000:0000:0001:0002:0003:0004:0005:0006:0007"},
		{"NS", ""},
		{"NS", " "},
		{"NS", "a b"},
		{"NS", "a..b"},
		{"NS", ".a"},
		{"NS", "@"}, /* there is no origin */
		{"NS", "\"a\""},
		{"NS", "a;b"},
		{"NS", "(a)"},
		{"NS", "a\\"},
		{"NS", "a\\25"},
		{"NS", "a\\256"},
		{"NS", "a\nb"},
		{"MX", "10"},
		{"MX", "a"},
		{"MX", "10 a b"},
		{"MX", "65536 a"},
		{"MX", "-1 a"},
		{"MX", "+1 a"},
		{"MX", "1.0 a"},
		{"MX", "10 @"},
		{"MX", "0x10 a"},
		{"SRV", "1 2 3"},
		{"SRV", "1 2 http a"},
		{"SOA", "m r 1 2 3 4"},
		{"SOA", "m r 1 2 3 4 5 6"},
		{"SOA", "m r 4294967296 2 3 4 5"},
		{"SOA", "m r 1 2 3 4 1x"},
		{"SOA", "@ r 1 1h 3 4 5"},
		{"SOA", "m r ( 1 2 3 4 5 )"},
		{"HINFO", "\"a\""},
		{"HINFO", "a b c"},
		{"HINFO", "\"a\"\"b\""},
		{"HINFO", "\"a\" \"b"},
		{"HINFO", "a\"b c"},
		{"HINFO", "a;b c"},
		{"HINFO", "a b(c)"},
		{"HINFO", "\"a\nb\" c"},
		{"X25", ""},
		{"ISDN", "a b c"},
		{"GPOS", "1 2"},
		{"NAPTR", "1 2 u x \"\" @"},
		{"NAPTR", "1 2 u x"},
		{"NAPTR", "1 2 3 4 5 6 7"},
		{"TXT", ""},
		{"TXT", "  "},
		{"TXT", "\"a"},
		{"TXT", "\"a\" \"b"},
		{"TXT", "\"a\\\""},
		{"TXT", "\\"},
		{"TXT", "a\\"},
		{"TXT", "\\1"},
		{"TXT", "\\25"},
		{"TXT", "\\256"},
		{"TXT", "\\999"},
		{"TXT", "\"\\2\""},
		{"TXT", "\\# 4 00"},
		{"CAA", "0 issue"},
		{"CAA", "256 issue \"a\""},
		{"CAA", "0 issue \"a"},
		{"CAA", "0 issue \"a\" ; comment"},
		{"CAA", "0 issue \"a\" b"},
		{"DS", "1 2 3"},
		{"DS", "1 2 3 abc"},
		{"DS", "1 2 3 xy"},
		{"DS", "1 2 256 ab"},
		{"DS", "( 1 2 3 ab )"},
		{"DNSKEY", "256 3 5 AQ"},
		{"DNSKEY", "256 3 5 ????"},
		{"TLSA", "3 1 1"},
		{"SSHFP", "1 1"},
		{"RRSIG", "1 5 3 1 20030322173103 20030220173103 2 a oJB1"},
		{"RRSIG", "NONE 5 3 1 20030322173103 20030220173103 2 a oJB1"},
		{"RRSIG", "A 5 3 1 20030322173103 20030220173103 2 @ oJB1"},
		{"NSEC", ""},
		{"NSEC", "@ A"},
		{"NSEC", "a A NONE"},
		{"NSEC", "a 1"},
		{"NSEC3", "1 0 0 zz 2t7b4g4vsa5smi47k61mv5bv1a22bojr"},
		{"HTTPS", "1 . alpn=h2 alpn=h3"},
		{"HTTPS", "1 . alpn"},
		{"HTTPS", "1 . ipv4hint=1.2.3"},
		{"HTTPS", "1 . nonsense=1"},
		{"HTTPS", "1 @"},
		{"HTTPS", "65536 ."},
		{"LOC", "91 0 0 N 0 0 0 E 0m"},
		{"LOC", "51 30 12.748 N"},
		{"APL", "3:192.0.2.1/8"},
		{"APL", "1:192.0.2.1/33"},
		{"EUI48", "00-00-5e-00-53"},
		{"L32", "1 10.0.0"},
		{"DSYNC", "59 NOTIFY 5359 a"},
		{"DSYNC", "CDS PUSH 5359 a"},
		{"DSYNC", "CDS 256 5359 a"},
		{"DSYNC", "CDS NOTIFY 65536 a"},
		{"NULL", "a"},
		{"WKS", "192.0.2.1 TCP smtp"},
		{"A6", "0 2001:db8::1"},
		{"TYPE65280", "a"},
		{"TYPE65280", ""},
	};
	for (size_t i = 0; i < COUNT(bad); i++)
		is_refused(bad[i].type, bytes_str(bad[i].text), ERR_SYNTAX);
	is_refused("NS", bytes_of(NULL, 0), ERR_SYNTAX);
	is_refused("CAA", bytes_of(NULL, 0), ERR_SYNTAX);
	is_refused("A", bytes_of("1.2.3.4\0", 8), ERR_SYNTAX);
	is_refused("NS", bytes_of("a\0b", 3), ERR_SYNTAX);
	is_refused("CAA", bytes_of("0 issue \"a\0\"", 12), ERR_SYNTAX);
}

/* Text that would be more than one record's data to a master file. */
static void test_smuggled(void **state)
{
	static const char *const tails[] = {
		"\n",
		"\r\n",
		"\n. 0 IN A 1.2.3.4",
		"\n$INCLUDE /etc/passwd\n",
		"\n$ORIGIN x.\n",
		";x",
		" ; x",
		" (",
		" )",
		" ( )",
		"(\n)",
		"\\\n",
		"\"\n\"",
		" \"",
	};
	static const char *const texts[][2] = {
		{"CAA", "0 issue a"},   {"DS", "1 2 3 ab"},
		{"NSEC", "a A"},        {"HTTPS", "1 . alpn=h2"},
		{"MX", "1 a"},          {"SOA", "m r 1 1h 2 3 4"},
		{"AAAA", "::1"},        {"HINFO", "a b"},
		{"LOC", "1 N 1 E 0m"},  {"DNSKEY", "256 3 5 AQ=="},
		{"APL", "1:1.2.3.4/8"}, {"TYPE65280", "\\# 1 00"},
	};
	struct buffer text = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(texts); i++) {
		for (size_t j = 0; j < COUNT(tails); j++) {
			buffer_clear(&text);
			buffer_put_str(&text, texts[i][1]);
			buffer_put_str(&text, tails[j]);
			bool name =
				strcmp(texts[i][0], "MX") == 0 || strcmp(texts[i][0], "HINFO") == 0;
			if (name && strcmp(tails[j], "\\\n") == 0)
				is_read(texts[i][0], buffer_bytes(&text),
					NULL); /* an octet of the name */
			else
				is_refused(texts[i][0], buffer_bytes(&text), ERR_SYNTAX);
			is_read(texts[i][0], bytes_str(texts[i][1]),
				NULL); /* the parser has survived */
		}
	}
	buffer_release(&text);
}

static void test_names_at_the_limit(void **state)
{
	char label[80], text[1100];
	memset(label, 'a', sizeof(label));
	is_read("NS", bytes_of(label, 63), NULL);
	is_refused("NS", bytes_of(label, 64), ERR_LIMIT);
	/* each octet spelled with four, in a type of ours and one of libzscanner's */
	for (size_t octets = 190; octets <= 260; octets++) { /* of text, the dots among them */
		size_t at = 0;
		for (size_t i = 0; i < octets; i++)
			at += (size_t)sprintf(text + at, "%s", i % 50 == 49 ? "." : "\\097");
		if (octets % 50 == 0)
			continue;
		if (octets + 2 <= DNAME_MAX) {
			is_read("NS", bytes_of(text, at), NULL);
			is_read("NSEC", bytes_of(text, at), NULL);
		} else {
			is_refused("NS", bytes_of(text, at), ERR_LIMIT);
			is_refused("NSEC", bytes_of(text, at), ERR_LIMIT);
		}
	}
}

static void test_strings_at_the_limit(void **state)
{
	struct buffer text = BUFFER_INIT;
	buffer_put_str(&text, "b ");
	for (int i = 0; i < 255; i++)
		buffer_put_byte(&text, 'a');
	is_read("HINFO", buffer_bytes(&text), NULL);
	buffer_put_byte(&text, 'a');
	is_refused("HINFO", buffer_bytes(&text), ERR_LIMIT);
	buffer_release(&text);
}

/* RFC 3597: every type has a generic form. */
static void put_generic(struct bytes wire, struct buffer *text)
{
	buffer_clear(text);
	buffer_putf(text, "\\# %zu", wire.n);
	for (size_t i = 0; i < wire.n; i++)
		buffer_putf(text, i % 5 ? "%02x" : " %02X", wire.p[i]);
}

static void test_generic(void **state)
{
	struct buffer wire = BUFFER_INIT, text = BUFFER_INIT, again = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t type = type_of(samples[i].type);
		buffer_clear(&wire);
		buffer_clear(&again);
		assert_int_equal(read_text(parser, type, bytes_str(samples[i].text), &wire), 0);
		put_generic(buffer_bytes(&wire), &text);
		assert_int_equal(read_text(parser, type, buffer_bytes(&text), &again), 0);
		assert_true(bytes_eq(buffer_bytes(&wire), buffer_bytes(&again)));
	}
	unsigned unknown = 0;
	for (unsigned type = 0; type <= 65535; type++) {
		if (rrtype_mnemonic((uint16_t)type))
			continue;
		unknown++;
		assert_string_equal(print_text((uint16_t)type, bytes_of("\0\"\xff", 3), &text),
				    "\\# 3 0022FF");
		buffer_clear(&wire);
		assert_int_equal(read_text(parser, (uint16_t)type, buffer_bytes(&text), &wire), 0);
		is_hex("unknown", buffer_bytes(&wire), "0022ff");
	}
	assert_true(unknown > 65000);
	is_refused("TYPE65280", bytes_str("\\#"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# "), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 1"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 1 0"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 1 000"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 1 0000"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 0 00"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 1 0g"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# -1 00"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# x 00"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\# 000001 00"), ERR_SYNTAX);
	is_refused("TYPE65280", bytes_str("\\#1 00"), ERR_SYNTAX);
	is_refused("A", bytes_str("\\# 3 c00002"), ERR_SYNTAX); /* of a known type it is checked */
	is_refused("NS", bytes_str("\\# 2 c00c"), ERR_SYNTAX);
	is_refused("NS", bytes_str("\\# 0"), ERR_SYNTAX);
	is_refused("DS", bytes_str("\\# 1 00"), ERR_SYNTAX);
	buffer_clear(&wire);
	for (int i = 0; i < RDATA_MAX; i++)
		buffer_put_byte(&wire, (uint8_t)i);
	put_generic(buffer_bytes(&wire), &text);
	is_read("TYPE65280", buffer_bytes(&text), NULL);
	buffer_put_byte(&wire, 0);
	put_generic(buffer_bytes(&wire), &text);
	is_refused("TYPE65280", buffer_bytes(&text), ERR_LIMIT);
	buffer_release(&wire);
	buffer_release(&text);
	buffer_release(&again);
}

/* An octet of a bitmap is up to eight types of text. */
static void test_many_types(void **state)
{
	struct buffer wire = BUFFER_INIT, text = BUFFER_INIT;
	buffer_put_byte(&wire, 0);
	for (int window = 0; window < 256; window++) {
		buffer_put_byte(&wire, (uint8_t)window);
		buffer_put_byte(&wire, 32);
		for (int i = 0; i < 32; i++)
			buffer_put_byte(&wire, 0xff);
		if (window != 0 && window != 3 && window != 99 && window != 255)
			continue;
		is_stable(parser, 47, buffer_bytes(&wire));
		print_text(47, buffer_bytes(&wire), &text);
		/* more than could be read again is generic */
		assert_int_equal(text.p[0], window == 255 ? '\\' : '.');
	}
	buffer_release(&wire);
	buffer_release(&text);
}

/* What is not rdata of its type, from a damaged store, is still printed. */
static void test_prints_anything(void **state)
{
	struct buffer text = BUFFER_INIT;
	assert_string_equal(print_text(1, bytes_of("\1\2\3", 3), &text), "\\# 3 010203");
	assert_string_equal(print_text(2, bytes_of("\300\14", 2), &text), "\\# 2 C00C");
	assert_string_equal(print_text(15, bytes_of("\0\1", 2), &text), "\\# 2 0001");
	assert_string_equal(print_text(16, bytes_of("\5a", 2), &text), "\\# 2 0561");
	assert_string_equal(print_text(16, bytes_of("", 0), &text), "\\# 0");
	assert_string_equal(print_text(13, bytes_of("\1a", 2), &text), "\\# 2 0161");
	assert_string_equal(print_text(29, bytes_of("", 0), &text), "\\# 0");
	assert_string_equal(print_text(43, bytes_of("\0", 1), &text), "\\# 1 00");
	/* libknot reads beyond the end of this one */
	assert_string_equal(print_text(250, bytes_of("\377\377\1a", 4), &text), "\\# 4 FFFF0161");
	assert_string_equal(print_text(257, bytes_of("\0\2", 2), &text), "\\# 2 0002");
	buffer_release(&text);
}

/* Opaque text is what it is. */
static void test_opaque(void **state)
{
	struct bytes texts[] = {bytes_str("not an address"), bytes_of("\0\n\xff\"\\", 5),
				bytes_of("", 0)};
	struct buffer out = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(texts); i++) {
		buffer_clear(&out);
		rdata_to_text(1, RDATA_OPAQUE, texts[i], &out);
		assert_true(bytes_eq(buffer_bytes(&out), texts[i]));
	}
	buffer_release(&out);
}

/* The slow way, through libzscanner, reads plain types as the fast one does. */
static void test_as_libzscanner(void **state)
{
	struct buffer wire = BUFFER_INIT, theirs = BUFFER_INIT;
	unsigned same = 0;
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t type = type_of(samples[i].type);
		buffer_clear(&wire);
		buffer_clear(&theirs);
		assert_int_equal(read_text(parser, type, bytes_str(samples[i].text), &wire), 0);
		if (rdata_foreign_from_text(parser, type, bytes_str(samples[i].text), &theirs) != 0)
			continue;
		assert_true(bytes_eq(buffer_bytes(&wire), buffer_bytes(&theirs)));
		const char *layout = rdata_layout(type);
		same += type == RRTYPE_A || type == RRTYPE_AAAA || type == RRTYPE_TXT ||
			rdata_layout_is_plain(layout);
	}
	assert_true(same > 25);
	buffer_release(&wire);
	buffer_release(&theirs);
}

/* What libknot prints of a record is read as that record. */
static void test_as_libknot(void **state)
{
	static const knot_dump_style_t style = {.human_timestamp = true};
	struct buffer wire = BUFFER_INIT, again = BUFFER_INIT;
	char text[4096];
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t type = type_of(samples[i].type);
		knot_dname_t root[] = {0};
		knot_rrset_t rrset;
		buffer_clear(&wire);
		buffer_clear(&again);
		assert_int_equal(read_text(parser, type, bytes_str(samples[i].text), &wire), 0);
		knot_rrset_init(&rrset, root, type, KNOT_CLASS_IN, 0);
		assert_int_equal(knot_rrset_add_rdata(&rrset, wire.p, (uint16_t)wire.n, NULL),
				 KNOT_EOK);
		int n = knot_rrset_txt_dump_data(&rrset, 0, text, sizeof(text), &style);
		knot_rdataset_clear(&rrset.rrs, NULL);
		assert_true(n >= 0);
		if (n == 0)
			continue;
		assert_int_equal(read_text(parser, type, bytes_of(text, (size_t)n), &again), 0);
		assert_true(bytes_eq(buffer_bytes(&wire), buffer_bytes(&again)));
	}
	buffer_release(&wire);
	buffer_release(&again);
}

/* A sample's wire form with some octets changed: whatever is still rdata has a text of its own. */
static void test_changed_wire(void **state)
{
	struct buffer sample = BUFFER_INIT, wire = BUFFER_INIT;
	for (int round = 0; round < 40000; round++) {
		size_t i = next_random() % COUNT(samples);
		uint16_t type = type_of(samples[i].type);
		buffer_clear(&sample);
		buffer_clear(&wire);
		assert_int_equal(read_text(parser, type, bytes_str(samples[i].text), &sample), 0);
		for (uint32_t changes = 1 + next_random() % 4; changes && sample.n; changes--)
			sample.p[next_random() % sample.n] = (uint8_t)next_random();
		if (next_random() % 4 == 0)
			sample.n -= next_random() % (sample.n + 1);
		if (canonical(type, buffer_bytes(&sample), &wire) == 0)
			is_stable(parser, type, buffer_bytes(&wire));
	}
	buffer_release(&sample);
	buffer_release(&wire);
}

/* A sample's text with some octets changed: whatever is still read is stable. */
static void test_changed_text(void **state)
{
	static const char octets[] = "\"\\ \t();@#0123456789aZ.-:=,!\n\x80";
	struct buffer text = BUFFER_INIT, wire = BUFFER_INIT;
	for (int round = 0; round < 40000; round++) {
		size_t i = next_random() % COUNT(samples);
		uint16_t type = type_of(samples[i].type);
		buffer_clear(&text);
		buffer_clear(&wire);
		buffer_put_str(&text, samples[i].text);
		for (uint32_t changes = 1 + next_random() % 4; changes; changes--)
			text.p[next_random() % text.n] =
				(uint8_t)octets[next_random() % (sizeof(octets) - 1)];
		int rc = read_text(parser, type, buffer_bytes(&text), &wire);
		assert_true(rc == 0 || rc == ERR_SYNTAX || rc == ERR_LIMIT);
		assert_true(rc == 0 || wire.n == 0);
		if (rc == 0)
			is_stable(parser, type, buffer_bytes(&wire));
	}
	buffer_release(&text);
	buffer_release(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_spellings),
		cmocka_unit_test(test_text_without_quotes),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_smuggled),
		cmocka_unit_test(test_names_at_the_limit),
		cmocka_unit_test(test_strings_at_the_limit),
		cmocka_unit_test(test_generic),
		cmocka_unit_test(test_many_types),
		cmocka_unit_test(test_prints_anything),
		cmocka_unit_test(test_opaque),
		cmocka_unit_test(test_ipv6_as_libc),
		cmocka_unit_test(test_as_libzscanner),
		cmocka_unit_test(test_as_libknot),
		cmocka_unit_test(test_changed_wire),
		cmocka_unit_test(test_changed_text),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
