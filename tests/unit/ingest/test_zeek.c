/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of Zeek's dns.log: its columns and its JSON, and which answers are certain. */
#include "reader_kit.h"

#define MARKS                                                                                      \
	"#separator "                                                                              \
	"\\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n#"          \
	"open\t2018-05-02-10-00-00\n"
#define COLUMNS                                                                                    \
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\ttrans_"              \
	"id\trtt\tquery\tqclass\tqclass_name\tqtype\t"                                             \
	"qtype_name\trcode\trcode_name\tAA\tTC\tRD\tRA\tZ\tanswers\tTTLs\trejected\n#"             \
	"types\ttime\tstring\taddr\tport\taddr\tport\n"
#define HEAD MARKS COLUMNS
#define LINE(query, qtype, qname, rcode, answers)                                                  \
	"1509791152.900000\tCW32Gp1Jcm75uTlXTh\t10.0.0.1\t55332\t8.8.8.8\t53\tudp\t12345\t0."      \
	"200000\t" query "\t1\tC_INTERNET\t" qtype "\t" qname "\t" rcode                           \
	"\t-\tF\tF\tT\tT\t0\t" answers "\t60.000000\tF\n"
#define A(query, answers) LINE(query, "1", "A", "0", answers)
#define AT " x1 1509791153\n"

static void expect(const char *text, const char *want)
{
	kit_expect(&zeek_format, NULL, text, want);
}

/* Lines behind the usual head. */
static void expect_lines(const char *lines, const char *want)
{
	struct buffer text = BUFFER_INIT;
	buffer_put_str(&text, HEAD);
	buffer_put_str(&text, lines);
	buffer_put_byte(&text, '\0');
	expect((char *)text.p, want);
	buffer_release(&text);
}

static void test_addresses(void **state)
{
	expect("", "");
	expect_lines(A("A.Example", "192.0.2.1,192.0.2.2") LINE(
			     "a.example", "28", "AAAA", "0", "2001:db8::1") "#close\t2018-05-02\n",
		     "a.example A 192.0.2.1" AT "a.example A 192.0.2.2" AT
		     "a.example AAAA 2001:db8::1" AT);
	expect_lines(A("a.example", "2001:db8::1,192.0.2.1") A("a.example", "-")
			     A("a.example", "(empty)") A("a.example", "192.0.2.1,192.0.2.1"),
		     "- uncertain x2\na.example A 192.0.2.1" AT);
}

static void test_chains(void **state)
{
	expect_lines(A("a.example", "b.example,c.example,192.0.2.1,192.0.2.2"),
		     "a.example CNAME b.example" AT "b.example CNAME c.example" AT
		     "c.example A 192.0.2.1" AT "c.example A 192.0.2.2" AT);
	expect_lines(A("a.example", "b.example")
			     LINE("a.example", "15", "MX", "3", "b.example,c.example"),
		     "a.example CNAME b.example" AT "a.example CNAME b.example" AT
		     "b.example CNAME c.example" AT);
	expect_lines(A("a.example", "b.example,192.0.2.1,c.example,192.0.2.2")
			     A("a.example", "b.example,a.example,192.0.2.1")
				     A("a.example", "b.example,b.example")
					     A("a.example", "b..example,192.0.2.1"),
		     "- uncertain x4\n- uncertain x3\n- uncertain x2\n- uncertain x2\n");
	expect_lines(LINE("a.example", "65", "HTTPS", "0", "b.example")
			     LINE("a.example", "16", "TXT", "0", "b.example,TXT 1 x"),
		     "a.example CNAME b.example" AT "a.example CNAME b.example" AT
		     "b.example TXT \"x\"" AT);
}

static void test_names_of_types(void **state)
{
	expect_lines(LINE("a.example", "2", "NS", "0", "ns.example")
			     LINE("a.example", "15", "MX", "0", "m.example")
				     LINE("a.example", "6", "SOA", "0", "ns.example")
					     LINE("_s._tcp.example", "33", "SRV", "0",
						  "s.example,192.0.2.1"),
		     "- uncertain\n- uncertain\n- uncertain\n- uncertain x2\n");
	expect_lines(LINE("1.2.0.192.in-addr.arpa", "12", "PTR", "0", "a.example")
			     LINE("1.2.0.192.in-addr.arpa", "12", "PTR", "0",
				  "1.0-7.2.0.192.in-addr.arpa,a.example")
				     LINE("1.2.0.192.in-addr.arpa", "12", "PTR", "0",
					  "a.example,b.example"),
		     "1.2.0.192.in-addr.arpa PTR a.example" AT
		     "1.2.0.192.in-addr.arpa CNAME 1.0-7.2.0.192.in-addr.arpa" AT
		     "1.0-7.2.0.192.in-addr.arpa PTR a.example" AT "- uncertain x2\n");
	expect_lines(LINE("a.example", "5", "CNAME", "0", "b.example")
			     LINE("a.example", "5", "CNAME", "0", "b.example,c.example"),
		     "a.example CNAME b.example" AT "- uncertain x2\n");
	expect_lines(LINE("a.example", "255", "*", "0", "192.0.2.1")
			     LINE("a.example", "255", "*", "0", "192.0.2.1,ns.example"),
		     "a.example A 192.0.2.1" AT "- uncertain x2\n");
}

static void test_strings(void **state)
{
	expect_lines(LINE("a.example", "16", "TXT", "0",
			  "TXT 6 v=spf1,TXT 3 a\\x2cb TXT 0  TXT 2 \\\\\\xff,TXT 0 "),
		     "a.example TXT \"v=spf1\"" AT "a.example TXT \"a,b\\\\\\255\"" AT
		     "a.example TXT \"\"" AT);
	expect_lines(LINE("a.example", "99", "SPF", "0", "SPF 6 v=spf1"),
		     "a.example SPF \"v=spf1\"" AT);
	expect_lines(LINE("a.example", "16", "TXT", "0", "TXT 5 v=spf1") LINE("a.example", "16",
									      "TXT", "0", "TXT x")
			     LINE("a.example", "16", "TXT", "0", "TXT 300 x")
				     LINE("a.example", "16", "TXT", "0", "TXT 3 abc SPF 1 x"),
		     "- uncertain\n- uncertain\n- uncertain\n- uncertain\n");
}

static void test_parts(void **state)
{
	expect_lines(A("a.example", "b.example,RRSIG 5 example,192.0.2.1,RRSIG 1 example")
			     LINE("example", "48", "DNSKEY", "0", "DNSKEY 8,DNSKEY 8")
				     LINE("example", "16", "TXT", "0", "<unknown type=39>,TXT 1 x"),
		     "a.example CNAME b.example" AT "b.example A 192.0.2.1" AT
		     "- uncertain x2\n- uncertain x2\n"
		     "example TXT \"x\"" AT "- uncertain\n");
}

static void test_left_out(void **state)
{
	expect_lines(LINE("a.example", "1", "A", "-", "-") LINE("a.example", "1", "A", "2", "-")
			     LINE("a.example", "1", "A", "3", "-")
				     LINE("-", "1", "A", "0", "192.0.2.1")
					     LINE("a.example", "-", "-", "0", "192.0.2.1"),
		     "- question\n- rcode\n- uncertain\n- uncertain\n");
	expect(MARKS "#fields\tts\tid.resp_p\tquery\tqclass\tqtype\trcode\tTC\tanswers\n"
		     "1\t53\ta.example\t1\t1\t0\tT\t192.0.2.1\n1\t53\ta.example\t3\t1\t0\tF\t192.0."
		     "2.1\n1\t5353\ta.local\t1\t1\t0\tF\t192.0.2.1\n"
		     "1\t137\tA\t1\t32\t0\tF\t192.0.2.1\n1\t53\ta.example\t-\t1\t0\tF\t192.0.2.1\n",
	       "- truncated\n- class\n- other\n- other\n- uncertain\n");
}

static void test_heads(void **state)
{
	expect(HEAD A("a.example", "192.0.2.1") "#close\t2018\n#separator "
						"|\n#set_separator|;\n#empty_field|E\n#unset_field|"
						"U\n#path|dns\n"
						"#fields|answers|query|ts|qtype_name|rcode_name|"
						"qclass_name|_system_name\n192.0.2.1;192.0.2.2|a."
						"example|5|A|NOERROR|C_INTERNET|s1\n"
						"E|a.example|5|A|NXDOMAIN|C_INTERNET|U\nU|a."
						"example|5|A|REFUSED|C_INTERNET|s1\n" MARKS
						"#fields\tts\tuid\tservice\n1\tx\tdns\n",
	       "a.example A 192.0.2.1" AT "a.example A 192.0.2.1 x1 5 @s1\na.example A 192.0.2.2 "
					  "x1 5 @s1\n- rcode\n- other\n");
	expect("1\t2\n#separator \\x09\\x09\n",
	       "1: no #fields tells what its columns are\n2: a head that makes no sense\n");
	expect(MARKS "#fields\tts\tquery\tanswers\n1\t2\n1\t2\t3\t4\n",
	       "8: 2 columns instead of 3\n9: 4 columns instead of 3\n");
	/* a dash and a dot that are names, as Zeek writes them */
	expect_lines(A("\\x2d", "192.0.2.1") A("(empty)", "192.0.2.1"),
		     "- A 192.0.2.1" AT ". A 192.0.2.1" AT);
}

static void test_escapes(void **state)
{
	expect_lines(A("a\\x09b\\\\\\xff.example", "192.0.2.1"),
		     "a\\009b\\\\\\255.example A 192.0.2.1" AT);
	expect_lines(A("a\\xzz.example", "192.0.2.1"), "a\\\\xzz.example A 192.0.2.1" AT);
}

#define JSON(query, qtype, answers)                                                                \
	"{\"ts\":1509791152.900000,\"uid\":\"C\",\"id.resp_p\":53,\"rtt\":0.2,\"query\":\"" query  \
	"\",\"qclass\":1,\"qtype\":" qtype ",\"rcode\":0,\"TC\":false,\"answers\":[" answers       \
	"]}\n"

static void test_json(void **state)
{
	expect(JSON("a.example", "1", "\"b.example\",\"192.0.2.1\"")
		       JSON("a.example", "16", "\"TXT 4 a\\\"b,\",null,\"TXT 3 \\\\xff\\\\\\\\\""),
	       "a.example CNAME b.example" AT "b.example A 192.0.2.1" AT
	       "a.example TXT \"a\\\"b,\"" AT "a.example TXT \"\\255\\\\\\\\\"" AT);
	expect(JSON("a\\\\xff.example", "1", "\"192.0.2.1\"")
		       JSON("a.example", "1", "\"\\\\x80.example\",\"192.0.2.1\""),
	       "- uncertain\n- uncertain x2\n");
	expect("{\"_path\":\"dns\",\"_system_name\":\"ds61\",\"_node\":\"w\",\"ts\":\"2017-11-"
	       "04T10:25:53.3Z\",\"uid\":\"C\",\"id\":{\"resp_p\":53},"
	       "\"query\":\"a.example\",\"qclass\":1,\"qtype\":28,\"rcode_name\":\"NOERROR\","
	       "\"answers\":[\"2001:db8::1\"]}\n"
	       "{\"_path\":\"dns\",\"ts\":1509791153900,\"query\":\"a.example\",\"qclass\":1,"
	       "\"qtype\":1,\"rcode\":0,\"answers\":[\"192.0.2.1\"]}\n"
	       "{\"_path\":\"conn\",\"ts\":1}\n{\"ts\":1,\"uid\":\"C\"}\n"
	       "{\"ts\":1,\"uid\":\"C\",\"id\":{\"resp_p\":5353},\"query\":\"a.local\"}\n",
	       "a.example AAAA 2001:db8::1 x1 1509791153 @ds61\na.example A 192.0.2.1" AT
	       "- other\n- other\n- other\n");
	expect("{\"query\":\"a.example\",\"qclass\":1,\"qtype\":1,\"rcode\":0,\"answers\":[\"192.0."
	       "2.1\"]}\n"
	       "{\"ts\":\"x\",\"query\":\"a\",\"rcode\":0}\n{\"ts\":-1,\"query\":\"a\",\"rcode\":0}"
	       "\n{\"ts\":1,\"query\":\"a\",\"answers\":7}\n"
	       "{\"ts\":1,\"query\":\"a\",\"answers\":[7]}\n{\"ts\":1,\"query\":\"a..b\",\"rcode\":"
	       "0}\n{\n",
	       "1: ts is missing\n2: ts is not a time\n3: ts is not a time\n4: answers is not an "
	       "array\n5: an answer is not a string\n"
	       "6: query is not a name\n7: bad JSON at octet 2: no key where one is due\n");
}

static void test_recognises(void **state)
{
	assert_true(kit_is_first_to_recognise(&zeek_format, HEAD));
	assert_true(kit_is_first_to_recognise(&zeek_format, JSON("a.example", "1", "")));
	assert_true(
		kit_is_first_to_recognise(&zeek_format, "cut off\n" JSON("a.example", "1", "")));
	assert_false(zeek_format.recognises(bytes_str("")));
	assert_false(zeek_format.recognises(
		bytes_str("#separator \\x09\n#path\tconn\n#fields\tts\tuid\tquery\n")));
	assert_false(zeek_format.recognises(
		bytes_str("{\"ts\":1,\"uid\":\"C\",\"_path\":\"conn\",\"query\":1}\n")));
	assert_false(zeek_format.recognises(
		bytes_str("{\"ts\":1,\"uid\":\"C\",\"query\":1,\"rrname\":\"a\"}\n")));
	assert_true(kit_is_first_to_recognise(&passivedns_format,
					      "#x\n1||c||s||IN||a.example.||A||192.0.2.1||1\n"));
}

static void test_limits(void **state)
{
	struct buffer text = BUFFER_INIT;
	struct kit_log l = {.text = BUFFER_INIT};
	buffer_put_str(
		&text, HEAD
		"1509791153\tC\tc\t1\ts\t53\tudp\t1\t-\tn0\t1\tI\t1\tA\t0\tN\tF\tF\tF\tF\t0\tn1");
	for (int i = 2; i < 40; i++)
		buffer_putf(&text, ",n%d", i);
	buffer_put_str(&text, "\t-\tF\n1509791153\tC\tc\t1\ts\t53\tudp\t1\t-"
			      "\tn0\t1\tI\t1\tA\t0\tN\tF\tF\tF\tF\t0\t192.0.2.1");
	for (int i = 2; i < 40000; i++)
		buffer_put_str(&text, ",192.0.2.1");
	buffer_put_str(&text, "\t-\tF\n#fields\tts");
	for (int i = 1; i <= 256; i++)
		buffer_put_str(&text, "\tx");
	buffer_put_byte(&text, '\n');
	kit_read(&zeek_format, NULL, buffer_bytes(&text), 1 << 16, &l);
	kit_compare(&l, "- uncertain x39\nn0 A 192.0.2.1" AT "11: a head that makes no sense\n");
	buffer_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),      cmocka_unit_test(test_chains),
		cmocka_unit_test(test_names_of_types), cmocka_unit_test(test_strings),
		cmocka_unit_test(test_parts),          cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_heads),          cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_json),           cmocka_unit_test(test_recognises),
		cmocka_unit_test(test_limits),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
