/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of Suricata's EVE log: its three versions, and what is uncertain. */
#include "reader_kit.h"

#define EVENT                                                                                      \
	"{\"timestamp\":\"2017-11-04T11:25:52.123456+0100\",\"flow_id\":1,\"event_type\":\"dns\"," \
	"\"src_ip\":\"10.0.0.1\","
#define V2                                                                                         \
	EVENT "\"dns\":{\"version\":2,\"type\":\"answer\",\"id\":1,\"flags\":\"8180\",\"qr\":"     \
	      "true,"
#define V3 EVENT "\"dns\":{\"version\":3,\"type\":\"response\",\"tx_id\":1,\"id\":1,\"opcode\":0,"
#define ASKED(name) "\"rrname\":\"" name "\",\"rrtype\":\"A\",\"rcode\":\"NOERROR\","
#define QUERIES(name)                                                                              \
	"\"rcode\":\"NOERROR\",\"queries\":[{\"rrname\":\"" name "\",\"rrtype\":\"A\"}],"
#define RR(name, type, data)                                                                       \
	"{\"rrname\":\"" name "\",\"rrtype\":\"" type "\",\"ttl\":60,\"rdata\":\"" data "\"}"
#define AT " x1 1509791152\n"

static void expect(const char *text, const char *want)
{
	kit_expect(&eve_format, NULL, text, want);
}

static void test_version_1(void **state)
{
#define V1 EVENT "\"dns\":{\"type\":\"answer\",\"id\":1,\"rcode\":\"NOERROR\","
	expect("", "");
	expect(V1 "\"rrname\":\"A.Example\",\"rrtype\":\"A\",\"ttl\":9,\"rdata\":\"192.0.2.1\"}}"
		  "\n\n" V1 "\"rrname\":\"a.example\",\"rrtype\":\"CNAME\",\"ttl\":9,\"rdata\":\"b."
			    "example\"}}\r\n" V1
		  "\"rrname\":\"b.example\",\"rrtype\":\"NS\",\"ttl\":9}}",
	       "a.example A 192.0.2.1" AT "a.example CNAME b.example" AT "- uncertain\n");
	expect(EVENT "\"dns\":{\"type\":\"query\",\"id\":1,\"rrname\":\"a.example\",\"rrtype\":"
		     "\"A\",\"tx_id\":0}}\n",
	       "- question\n");
	expect(EVENT "\"dns\":{\"type\":\"answer\",\"id\":1,\"rcode\":\"NXDOMAIN\",\"rrname\":\"nx."
		     "example\"}}\n",
	       "");
	expect(EVENT "\"dns\":{\"type\":\"answer\",\"id\":1,\"rcode\":\"SERVFAIL\",\"rrname\":\"a."
		     "example\"}}\n",
	       "- rcode\n");
}

static void test_version_2(void **state)
{
	expect(V2 ASKED("www.a.example") "\"answers\":[" RR("www.a.example", "CNAME", "a.example") "," RR(
		       "a.example", "A",
		       "192.0.2.1") "," RR("a.example", "A",
					   "192.0.2.1") "," RR("other.example", "A",
							       "192.0.2.2") "],"
									    "\"grouped\":{\"A\":["
									    "\"192.0.2.9\"]},"
									    "\"authorities\":[" RR(
										    "example", "NS",
										    "ns.example") "]}}\n",
	       "www.a.example CNAME a.example" AT "a.example A 192.0.2.1" AT
	       "example NS ns.example" AT "- bailiwick\n");
	expect(V2 ASKED(
		       "nx.example") "\"authorities\":[{\"rrname\":\"example\",\"rrtype\":\"SOA\","
				     "\"ttl\":60,\"soa\":{\"mname\":"
				     "\"ns.Example\",\"rname\":\"h.example\",\"serial\":2018050201,"
				     "\"refresh\":1,\"retry\":2,\"expire\":3,\"minimum\":4}}]}}\n",
	       "example SOA ns.example h.example 2018050201 1 2 3 4" AT);
	expect(V2
	       "\"rcode\":\"REFUSED\",\"rrname\":\"a.example\",\"rrtype\":\"A\"}}\n" V2
	       "\"tc\":true," ASKED("a.example") "\"answers\":[" RR(
		       "a.example", "A",
		       "192.0.2.1") "]}}\n" V2
				    "\"opcode\":4," ASKED("a.example") "\"answers\":[" RR(
					    "a.example", "A",
					    "192.0.2.1") "]}}\n" V2
							 "\"rcode\":\"NOERROR\",\"answers\":[" RR(
								 "a.example", "A",
								 "192.0.2.1") "]}}\n",
	       "- rcode\n- truncated\n- question\n- question\n");
	expect(V2 ASKED("a.example") "\"answers\":[]}}\n", "");
}

static void test_version_3(void **state)
{
	expect(V3 QUERIES("suricata.example") "\"answers\":[" RR(
		       "suricata.example", "A",
		       "35.212.0.44") "],\"additionals\":[" RR("ns.example", "AAAA",
							       "2001:0db8:0000:0000:0000:0000:0000:"
							       "0001") ","
								       "{\"rrname\":\"\","
								       "\"rrtype\":\"OPT\",\"ttl\":"
								       "0,\"opt\":[]}]}}\n",
	       "suricata.example A 35.212.0.44" AT "ns.example AAAA 2001:db8::1" AT "- meta\n");
	expect(EVENT "\"dns\":{\"version\":3,\"type\":\"request\",\"queries\":[{\"rrname\":\"a."
		     "example\",\"rrtype\":\"A\"}]}}\n",
	       "- question\n");
	expect(V3 "\"queries\":[],\"answers\":[" RR("a.example", "A", "192.0.2.1") "]}}\n",
	       "- question\n");
	expect(V3 "\"queries\":[{\"rrname\":\"a.example\"},{\"rrname\":\"b.example\"}],\"answers\":"
		  "[" RR("a.example", "A", "192.0.2.1") "]}}\n",
	       "1: more than one question\n");
}

static void test_data(void **state)
{
	expect(V2 ASKED("a.example") "\"answers\":[" RR("a.example", "MX", "Mail.example") "," RR(
		       "a.example", "MX",
		       "5 mail.example") "," RR("a.example", "PTR",
						"") "," RR("a.example", "A",
							   "x") "," RR("a.example", "CDSNKEY",
								       "\\\\# 1 00") ","
										     "{\"rrname\":"
										     "\"a."
										     "example\","
										     "\"rrtype\":"
										     "\"SRV\","
										     "\"ttl\":1,"
										     "\"srv\":{"
										     "\"priority\":"
										     "1,\"weight\":"
										     "2,\"port\":"
										     "65535,"
										     "\"name\":\"s."
										     "example\"}},"
										     "{\"rrname\":"
										     "\"a."
										     "example\","
										     "\"rrtype\":"
										     "\"SSHFP\","
										     "\"ttl\":1,"
										     "\"sshfp\":{"
										     "\"fingerprint"
										     "\":\"ab:01:"
										     "fF\","
										     "\"algo\":1,"
										     "\"type\":2}},"
										     "{\"rrname\":"
										     "\"a."
										     "example\","
										     "\"rrtype\":"
										     "\"HTTPS\","
										     "\"ttl\":1}]}}"
										     "\n",
	       "a.example MX 'mail.example'" AT "a.example MX 5 mail.example" AT
	       "a.example PTR ." AT "a.example A 'x'" AT "a.example CDNSKEY '\\# 1 00'" AT
	       "a.example SRV 1 2 65535 s.example" AT "a.example SSHFP 1 2 AB01FF" AT
	       "- uncertain\n");
}

static void test_strings(void **state)
{
	char text[4096], want[1024], string[256];
	expect(V2 ASKED("a.example") "\"answers\":[" RR("a.example", "TXT", "v=spf1 \\\"x\\\" \\\\ -all") "," RR(
		       "a.example", "TXT",
		       "") "," RR("a.example", "TXT",
				  "\\\\xff") "," RR("a.example", "TXT",
						    "\xc3\xa4") "," RR("a.example", "NULL",
								       "ab") "]}}\n",
	       "a.example TXT \"v=spf1 \\\"x\\\" \\\\ -all\"" AT "a.example TXT \"\"" AT
	       "a.example TXT \"\\195\\164\"" AT "a.example NULL \\# 2 6162" AT "- uncertain\n");
	for (size_t n = 254; n < 256; n++) {
		memset(string, 'a', n);
		snprintf(text, sizeof(text),
			 V2 ASKED("a.example") "\"answers\":[" RR("a.example", "TXT",
								  "%.*s") "]}}\n",
			 (int)n, string);
		snprintf(want, sizeof(want), "a.example TXT \"%.*s\"" AT, (int)n, string);
		expect(text, n == 255 ? "- uncertain\n" : want);
	}
}

static void test_names(void **state)
{
	expect(V2 ASKED("") "\"answers\":[" RR("", "NS", "a.root.example") "]}}\n",
	       ". NS a.root.example" AT);
	expect(V2 ASKED("a b.example") "\"answers\":[" RR("a b.example", "A", "192.0.2.1") "]}}\n",
	       "a\\032b.example A 192.0.2.1" AT);
	expect(V2 ASKED("a\\\\xffb.example") "\"answers\":[" RR("a.example", "A",
								"192.0.2.1") "]}}\n",
	       "- uncertain\n");
	expect(V2 ASKED("a.example") "\"answers\":[" RR(
		       "a.example", "CNAME",
		       "\\\\x80.example") ","
					  "{\"rrname\":\"a.example\",\"rrtype\":\"A\",\"rdata\":"
					  "\"192.0.2.1\",\"rrname_truncated\":true}]}}\n",
	       "- uncertain x2\n");
	expect(V2 ASKED("a..example") "\"answers\":[]}}\n", "1: a name has an empty label\n");
}

static void test_grouped(void **state)
{
	expect(V2 ASKED("a.example") "\"grouped\":{\"A\":[\"192.0.2.1\",\"192.0.2.2\"],\"TXT\":["
				     "\"x\"]}}}\n",
	       "a.example A 192.0.2.1" AT "a.example A 192.0.2.2" AT "a.example TXT \"x\"" AT);
	expect(V2 ASKED("a.example") "\"grouped\":{\"A\":[\"192.0.2.1\"],\"CNAME\":[\"b.example\","
				     "\"c.example\"]}}}\n",
	       "a.example CNAME b.example" AT "b.example CNAME c.example" AT
	       "c.example A 192.0.2.1" AT);
	expect(V3 QUERIES("a.example") "\"grouped\":{\"CNAME\":[\"b.example\",\"a.example\"],"
				       "\"AAAA\":[\"2001:db8::1\"]}}}\n",
	       "- uncertain x3\n");
	expect(V3 QUERIES("a.example") "\"grouped\":{\"CNAME\":[\"\\\\xff\"],\"AAAA\":[\"2001:db8::"
				       "1\"]}}}\n",
	       "- uncertain x2\n");
	expect(V2 ASKED("a.example") "\"grouped\":{\"SRV\":[{\"priority\":1,\"weight\":2,\"port\":"
				     "3,\"name\":\"s.example\"}]}}}\n",
	       "a.example SRV 1 2 3 s.example" AT);
	expect(V2 ASKED("a.example") "\"grouped\":{\"A\":\"192.0.2.1\"}}}\n",
	       "1: grouped has something that is not an array\n");
}

static void test_other_events(void **state)
{
	expect("{\"timestamp\":\"2017-11-04T11:25:52.123456+0100\",\"event_type\":\"alert\","
	       "\"dns\":{\"type\":\"answer\"}}\n"
	       "{\"timestamp\":\"x\",\"event_type\":\"stats\"}\n",
	       "- other\n- other\n");
}

static void test_sensors(void **state)
{
#define HOST(name)                                                                                 \
	"{\"timestamp\":\"2017-11-04T10:25:52Z\",\"event_type\":\"dns\",\"host\":" name            \
	",\"dns\":{\"version\":2,\"type\":\"answer\","
#define ONE ASKED("a.example") "\"answers\":[" RR("a.example", "A", "192.0.2.1") "]}}\n"
	expect(HOST("\"s\\u0031\"") ONE HOST("\"s2\"") ONE HOST("null") ONE HOST("7")
		       ONE HOST("\"s2\"") ONE,
	       "a.example A 192.0.2.1 x1 1509791152 @s1\na.example A 192.0.2.1 x1 1509791152 @s2\n"
	       "a.example A 192.0.2.1" AT "a.example A 192.0.2.1" AT
	       "a.example A 192.0.2.1 x1 1509791152 @s2\n");
}

static void test_rejects(void **state)
{
	expect("{\n[]\n{\"event_type\":7}\n{\"a\":1}\n",
	       "1: bad JSON at octet 2: no key where one is due\n2: bad JSON at octet 1: not an "
	       "object\n- other\n"
	       "4: event_type is missing\n");
	expect("{\"event_type\":\"dns\",\"dns\":{\"type\":\"answer\"}}\n"
	       "{\"event_type\":\"dns\",\"timestamp\":5,\"dns\":{}}\n{\"event_type\":\"dns\","
	       "\"timestamp\":\"1960-01-01T00:00:00Z\",\"dns\":{}}\n" EVENT "\"dns\":[]}\n",
	       "1: timestamp is missing\n2: timestamp is not a time\n3: timestamp is not a "
	       "time\n4: dns is missing\n");
	expect(V2 ASKED("a.example") "\"answers\":[5," RR("a.example", "A", "192.0.2.1") "," RR(
		       "a.example", "WHAT", "x") "]}}\n",
	       "a.example A 192.0.2.1" AT "1: a record is not an object\n");
	expect(V2 ASKED("a.example") "\"answers\":[{\"rrname\":\"a.example\",\"rrtype\":\"SOA\","
				     "\"soa\":{\"mname\":\"a\",\"rname\":\"b\"}}]}}\n",
	       "1: a number in rdata is missing or out of range\n");
	expect(V2 ASKED("a.example") "\"answers\":[{\"rrname\":\"a.example\",\"rrtype\":\"SSHFP\","
				     "\"sshfp\":{\"fingerprint\":\"zz\",\"algo\":1,\"type\":1}}]}}"
				     "\n",
	       "1: fingerprint is not hexadecimal\n");
	expect(V2 ASKED("a.example") "\"answers\":{}}}\n", "1: answers is not an array\n");
}

static void test_recognises(void **state)
{
	assert_true(kit_is_first_to_recognise(&eve_format, V2 ONE));
	assert_true(kit_is_first_to_recognise(&eve_format, "ype\":\"cut\"}\n" V2 ONE));
	assert_true(kit_is_first_to_recognise(&eve_format, V2 "\"cut\":\""));
	assert_false(eve_format.recognises(bytes_str("")));
	assert_true(kit_is_first_to_recognise(
		&cof_format, "{\"rrname\":\"a\",\"rrtype\":\"A\",\"rdata\":\"192.0.2.1\",\"event_"
			     "type\":\"dns\",\"timestamp\":\"x\"}\n"));
	assert_false(eve_format.recognises(bytes_str("{\"event_type\":\"dns\"}\n")));
}

/* No line may make much of itself: a thousand records that are one, and names of a chain that is
 * too long. */
static void test_limits(void **state)
{
	struct buffer text = BUFFER_INIT;
	struct kit_log l = {.text = BUFFER_INIT};
	buffer_put_str(&text, V2 ASKED("a.example") "\"answers\":[");
	for (int i = 0; i < 9000; i++)
		buffer_put_str(&text, RR("a.example", "A", "192.0.2.1") ",");
	buffer_put_str(&text, RR("a.example", "A",
				 "192.0.2.2") "]}}\n" V3 QUERIES("n0") "\"grouped\":{\"CNAME\":[");
	for (int i = 1; i < 40; i++)
		buffer_putf(&text, "%s\"n%d\"", i > 1 ? "," : "", i);
	buffer_put_str(&text, "]}}}\n");
	kit_read(&eve_format, NULL, buffer_bytes(&text), 1 << 16, &l);
	kit_compare(&l, "a.example A 192.0.2.1" AT "a.example A 192.0.2.2" AT "- uncertain x39\n");
	buffer_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_1),    cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_version_3),    cmocka_unit_test(test_data),
		cmocka_unit_test(test_strings),      cmocka_unit_test(test_names),
		cmocka_unit_test(test_grouped),      cmocka_unit_test(test_sensors),
		cmocka_unit_test(test_other_events), cmocka_unit_test(test_rejects),
		cmocka_unit_test(test_recognises),   cmocka_unit_test(test_limits),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
