/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The reader of passivedns logs. */
#include "reader_kit.h"

#define HEAD "1322849924.408856||10.1.1.1||8.8.8.8||IN||"
#define AT " 1322849924\n"

static void expect(const char *text, const char *want)
{
	kit_expect(&passivedns_format, NULL, text, want);
}

static void test_lines(void **state)
{
	expect("", "");
	expect("#timestamp||dns-client ||dns-server||RR class||Query||Query "
	       "Type||Answer||TTL||Count\n"
	       "\n" HEAD "upload.youtube.com.||A||74.125.43.117||46587||5\r\n" HEAD
	       "WWW.adobe.com.||CNAME||www.wip4.adobe.com.||43200||8",
	       "upload.youtube.com A 74.125.43.117 x5" AT
	       "www.adobe.com CNAME www.wip4.adobe.com x8" AT);
	expect(HEAD "a.example.||AAAA||2001:DB8::1||60||0\n", "a.example AAAA 2001:db8::1 x1" AT);
	expect(HEAD ".||NS||a.root-servers.net.||60||1\n", ". NS a.root-servers.net x1" AT);
	expect(HEAD "a\\.b\\032c.example.||A||192.0.2.1||60||1\n",
	       "a\\.b\\032c.example A 192.0.2.1 x1" AT);
	expect(HEAD "a.example.||257||\\# 2 abcd||60||99999999999999999999\n",
	       "a.example CAA '\\# 2 abcd' x9223372036854775807" AT);
}

static void test_data(void **state)
{
	expect(HEAD "example.||MX||Mail.example.||60||1\n" HEAD
		    "_sip._tcp.example.||SRV||sip.example.||60||1\n" HEAD
		    "example.||SOA||ns.example.||60||1\n",
	       "example MX 'mail.example' x1" AT "_sip._tcp.example SRV 'sip.example' x1" AT
	       "example SOA 'ns.example' x1" AT);
	expect(HEAD "example.||TXT||\"v=spf1 || \\\"a\\\" -all\"||60||1\n",
	       "example TXT \"v=spf1 || \\\"a\\\" -all\" x1" AT);
	expect(HEAD "example.||NAPTR||100 50 \"s\" \"http\" \"\" _http.example.||60||1\n",
	       "example NAPTR 100 50 \"s\" \"http\" \"\" _http.example x1" AT);
	expect(HEAD "example.||HINFO||\"PC\" \"Linux\"||60||1\n",
	       "example HINFO \"PC\" \"Linux\" x1" AT);
	expect(HEAD "example.||DS||12345 8 1 "
		    "49fd46e6c4b45c55d4ac49fd46e6c4b45c55d4ac||60||1\n",
	       "example DS 12345 8 1 49FD46E6C4B45C55D4AC49FD46E6C4B45C55D4AC x1" AT);
	expect(HEAD "example.||A||not an address||60||1\n", "example A 'not an address' x1" AT);
}

/* passivedns prints the first string of a TXT alone: with 255 octets there is a second. */
static void test_long_strings(void **state)
{
	struct buffer text = BUFFER_INIT, want = BUFFER_INIT;
	for (size_t n = 254; n < 256; n++) {
		buffer_clear(&text), buffer_clear(&want);
		buffer_put_str(&text, HEAD "example.||TXT||\"");
		buffer_put_str(&want, "example TXT \"");
		for (size_t i = 0; i < n; i++)
			buffer_put_byte(&text, 'a'), buffer_put_byte(&want, 'a');
		buffer_put(&text, "\"||60||1\n", 10);
		buffer_put(&want, "\" x1" AT, sizeof("\" x1" AT));
		expect((char *)text.p, n == 255 ? "- uncertain\n" : (char *)want.p);
	}
	buffer_release(&text), buffer_release(&want);
}

static void test_left_out(void **state)
{
	expect(HEAD "nx.example.||A||NXDOMAIN||0||1\n" HEAD "a.example.||A||SERVFAIL||0||1\n" HEAD
		    "a.example.||A||UNKNOWN-ERROR-11||0||1\n",
	       "- rcode\n- rcode\n- rcode\n");
	expect(HEAD "a.example.||CNAME||NXDOMAIN.||0||1\n", "a.example CNAME nxdomain x1" AT);
	expect("1322849924||10.1.1.1||8.8.8.8||CH||version.bind.||TXT||\"9\"||0||1\n", "- class\n");
	expect(HEAD "a.example.||OPT||x||0||1\n", "- meta\n");
}

static void test_times(void **state)
{
#define REST "||c||s||IN||a.example.||A||192.0.2.1||1||1\n"
	expect("1322849924" REST, "a.example A 192.0.2.1 x1" AT);
	expect("2011-12-02 18:18:44.999999" REST, "a.example A 192.0.2.1 x1" AT);
	expect("2011-12-02T19:18:44+0100" REST, "a.example A 192.0.2.1 x1" AT);
	expect("253402300799" REST, "a.example A 192.0.2.1 x1 253402300799\n");
	expect("253402300800" REST "2011-13-02 18:18:44" REST "-5" REST "1.x" REST,
	       "1: the timestamp is not a time\n2: the timestamp is not a time\n3: the timestamp "
	       "is not a time\n"
	       "4: the timestamp is not a time\n");
}

static void test_without_count(void **state)
{
	expect("1322849924||10.1.1.1||8.8.8.8||IN||a.example.||A||192.0.2.1||60\n",
	       "a.example A 192.0.2.1 x1" AT);
	expect("1322849924||10.1.1.1||8.8.8.8||IN||a.example.||TXT||\"x||y\"||60\n",
	       "a.example TXT \"x||y\" x1" AT);
}

static void test_rejects(void **state)
{
	expect("x\n" HEAD "a.example.||A||192.0.2.1\n" HEAD "a..example.||A||192.0.2.1||1||1\n" HEAD
	       "a.example.||WHAT||192.0.2.1||1||1\n" HEAD "a.example.||A||192.0.2.1||x||1\n" HEAD
	       "a.example.||A||192.0.2.1||1||1.5\n" HEAD "a.example.||A||||1||1\n" HEAD
	       "a.example.||A||192.0.2.1||1||1||1\n",
	       "1: 1 fields instead of 9\n2: 7 fields instead of 9\n3: the query is not a name\n"
	       "4: the query type is unknown\n5: the TTL is not a number\n6: the count is not a "
	       "number\n"
	       "7: the answer is empty\n8: 10 fields instead of 9\n");
}

static void expect_fields(const char *fields, const char *text, const char *want)
{
	const struct reader_options opt = {.fields = fields};
	kit_expect(&passivedns_format, &opt, text, want);
}

static void test_fields(void **state)
{
	expect_fields("SQTA", "1322849924||a.example.||A||192.0.2.1\n",
		      "a.example A 192.0.2.1 x1" AT);
	expect_fields("nATQS", "7||192.0.2.1||A||a.example.||1322849924\n",
		      "a.example A 192.0.2.1 x7" AT);
	expect_fields("HhcCsQTAtnpLlwW",
		      "2011-12-02 "
		      "18:18:44.000000||s1||c||w||s||W||udp||IN||a.example.||10||A||192.0.2.1||9||"
		      "60||2\n",
		      "a.example A 192.0.2.1 x2 1322849924 @s1\n");
	expect_fields("SMhQTA",
		      "1322849924.1||s1||a.example.||A||192.0.2.1\n1322849924.1||s2||a.example.||"
		      "TXT||\"a||b\"\n",
		      "a.example A 192.0.2.1 x1 1322849924 @s1\na.example TXT \"a||b\" x1 "
		      "1322849924 @s2\n");
}

static void test_bad_fields(void **state)
{
	static const char *const bad[] = {"", "SQT", "MQTA", "SQTAx", "SQTAQ"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err e = {""};
		const struct reader_options opt = {.fields = bad[i]};
		assert_null(passivedns_format.open(&opt, &e));
		assert_non_null(strstr(e.text, "fields"));
	}
}

static void test_recognises(void **state)
{
	assert_true(kit_is_first_to_recognise(&passivedns_format,
					      HEAD "a.example.||A||192.0.2.1||1||1\n"));
	assert_true(kit_is_first_to_recognise(&passivedns_format,
					      "cut||off\n" HEAD "a.example.||A||192.0.2.1||1||1"));
	assert_true(kit_is_first_to_recognise(&passivedns_format,
					      "#x\n1||c||s||IN||a.example.||A||192.0.2.1||1\n"));
	assert_false(passivedns_format.recognises(bytes_str("")));
	assert_false(passivedns_format.recognises(bytes_str("a||b||c||d||e||f||g||h||i\n")));
	assert_false(passivedns_format.recognises(
		bytes_str("{\"rrname\":\"" HEAD "a.example.||A||192.0.2.1||1||1\"}\n")));
}

static void test_limits(void **state)
{
	struct kit_log l = {.text = BUFFER_INIT};
	uint8_t *big = malloc(LINE_MAX_BYTES + 2);
	memset(big, '|', LINE_MAX_BYTES + 2);
	kit_read(&passivedns_format, NULL, bytes_of(big, LINE_MAX_BYTES + 2), 1 << 16, &l);
	kit_compare(&l, "1: the line is over 1048576 octets\n");
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),      cmocka_unit_test(test_data),
		cmocka_unit_test(test_left_out),   cmocka_unit_test(test_long_strings),
		cmocka_unit_test(test_times),      cmocka_unit_test(test_without_count),
		cmocka_unit_test(test_rejects),    cmocka_unit_test(test_fields),
		cmocka_unit_test(test_bad_fields), cmocka_unit_test(test_recognises),
		cmocka_unit_test(test_limits),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
