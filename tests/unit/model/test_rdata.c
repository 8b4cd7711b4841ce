/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Wire rdata: what is rdata of its type, its canonical form, its terms. */
#include "model/rdata.h"

#include <libknot/libknot.h>

#include "base/err.h"
#include "model/dname.h"
#include "rdata_kit.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One record of a type. Of its beginnings, those that lengths name are rdata too ("3-" means 3 and
 * more); `more` says whether octets may follow. The terms are what it names, in hexadecimal or
 * quoted. */
static const struct {
	const char *type;
	const char *wire;
	const char *canonical;
	const char *beginnings;
	bool more;
	const char *terms[4];
} samples[] = {
	{"A", "c0000201", "c0000201", "", false, {"c0000201"}},
	{"AAAA",
	 "20010db8000000000000000000000001",
	 "20010db8000000000000000000000001",
	 "",
	 false,
	 {"20010db8000000000000000000000001"}},
	{"NS", "01'A' 02'Bc' 00", "01'a' 02'bc' 00", "", false, {"01'a' 02'bc' 00"}},
	{"MD", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"MF", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"CNAME", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"SOA",
	 "01'M' 00 01'R' 00 00000001 00000002 00000003 00000004 00000005",
	 "01'm' 00 01'r' 00 00000001 00000002 00000003 00000004 00000005",
	 "",
	 false,
	 {"01'm' 00", "01'r' 00"}},
	{"MB", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"MG", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"MR", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"NULL", "'ABC'", "'ABC'", "0-", true, {0}},
	{"WKS", "c0000201 06 'ABC'", "c0000201 06 'ABC'", "5-", true, {0}},
	{"PTR", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"HINFO", "01'A' 02'Bc'", "01'A' 02'Bc'", "", false, {0}},
	{"MINFO", "01'A' 00 01'B' 00", "01'a' 00 01'b' 00", "", false, {"01'a' 00", "01'b' 00"}},
	{"MX", "4142 01'A' 00", "4142 01'a' 00", "", false, {"01'a' 00"}},
	{"RP",
	 "01'A' 00 01'A' 01'B' 00",
	 "01'a' 00 01'a' 01'b' 00",
	 "",
	 false,
	 {"01'a' 00", "01'a' 01'b' 00"}},
	{"AFSDB", "0001 01'A' 00", "0001 01'a' 00", "", false, {"01'a' 00"}},
	{"X25", "02'AB'", "02'AB'", "", false, {0}},
	{"ISDN", "02'AB' 01'C'", "02'AB' 01'C'", "3", false, {0}},
	{"RT", "4142 01'A' 00", "4142 01'a' 00", "", false, {"01'a' 00"}},
	{"NSAP", "'ABC'", "'ABC'", "0-", true, {0}},
	{"NSAP-PTR", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"SIG",
	 "0001 41 42 41424344 41424344 41424344 4142 01'A' 00 'SIG'",
	 "0001 41 42 41424344 41424344 41424344 4142 01'a' 00 'SIG'",
	 "21-",
	 true,
	 {"01'a' 00"}},
	{"KEY", "4142 43 44 'KEY'", "4142 43 44 'KEY'", "4-", true, {0}},
	{"PX",
	 "4142 01'A' 00 01'B' 00",
	 "4142 01'a' 00 01'b' 00",
	 "",
	 false,
	 {"01'a' 00", "01'b' 00"}},
	{"GPOS", "01'A' 01'B' 01'C'", "01'A' 01'B' 01'C'", "", false, {0}},
	{"LOC",
	 "00 12 16 13 80000000 80000000 00989680",
	 "00 12 16 13 80000000 80000000 00989680",
	 "",
	 false,
	 {0}},
	{"NXT", "01'A' 00 'BITS'", "01'a' 00 'BITS'", "3-", true, {"01'a' 00"}},
	{"SRV", "4142 4344 4546 01'A' 00", "4142 4344 4546 01'a' 00", "", false, {"01'a' 00"}},
	{"NAPTR",
	 "4142 4344 01'U' 03'E2U' 01'Z' 01'A' 00",
	 "4142 4344 01'U' 03'E2U' 01'Z' 01'a' 00",
	 "",
	 false,
	 {"01'a' 00"}},
	{"KX", "4142 01'A' 00", "4142 01'a' 00", "", false, {"01'a' 00"}},
	{"CERT", "4142 4344 45 'KEY'", "4142 4344 45 'KEY'", "5-", true, {0}},
	{"A6",
	 "40 4142434445464748 01'A' 00",
	 "40 4142434445464748 01'a' 00",
	 "",
	 false,
	 {"01'a' 00"}},
	{"A6",
	 "00 41424344454647484142434445464748",
	 "00 41424344454647484142434445464748",
	 "",
	 false,
	 {0}},
	{"A6", "80 01'A' 00", "80 01'a' 00", "", false, {"01'a' 00"}},
	{"A6", "7f 01 01'A' 00", "7f 01 01'a' 00", "", false, {"01'a' 00"}},
	{"DNAME", "01'A' 00", "01'a' 00", "", false, {"01'a' 00"}},
	{"APL",
	 "0001 18 03 'ABC' 0002 08 81 'D'",
	 "0001 18 03 'ABC' 0002 08 81 'D'",
	 "0 7",
	 false,
	 {0}},
	{"DS", "4142 43 44 'DIGEST'", "4142 43 44 'DIGEST'", "4-", true, {0}},
	{"SSHFP", "41 42 'FP'", "41 42 'FP'", "2-", true, {0}},
	{"IPSECKEY",
	 "41 03 42 01'A' 00 'KEY'",
	 "41 03 42 01'a' 00 'KEY'",
	 "6-",
	 true,
	 {"01'a' 00"}},
	{"IPSECKEY", "41 00 42 'KEY'", "41 00 42 'KEY'", "3-", true, {0}},
	{"IPSECKEY", "41 01 42 'ABCD' 'KEY'", "41 01 42 'ABCD' 'KEY'", "7-", true, {0}},
	{"IPSECKEY",
	 "41 02 42 'ABCDEFGHIJKLMNOP' 'KEY'",
	 "41 02 42 'ABCDEFGHIJKLMNOP' 'KEY'",
	 "19-",
	 true,
	 {0}},
	{"RRSIG",
	 "0001 41 42 41424344 41424344 41424344 4142 01'A' 00 'SIG'",
	 "0001 41 42 41424344 41424344 41424344 4142 01'a' 00 'SIG'",
	 "21-",
	 true,
	 {"01'a' 00"}},
	{"NSEC",
	 "01'A' 00 00 02 4142 01 01 43",
	 "01'a' 00 00 02 4142 01 01 43",
	 "3 7",
	 false,
	 {"01'a' 00"}},
	{"DNSKEY", "4142 43 44 'KEY'", "4142 43 44 'KEY'", "4-", true, {0}},
	{"DHCID", "'ABC'", "'ABC'", "0-", true, {0}},
	{"NSEC3",
	 "01 41 4243 02'AB' 03'CDE' 00 01 41",
	 "01 41 4243 02'AB' 03'CDE' 00 01 41",
	 "11",
	 false,
	 {0}},
	{"NSEC3PARAM", "01 41 4243 02'AB'", "01 41 4243 02'AB'", "", false, {0}},
	{"TLSA", "41 42 43 'DATA'", "41 42 43 'DATA'", "3-", true, {0}},
	{"SMIMEA", "41 42 43 'DATA'", "41 42 43 'DATA'", "3-", true, {0}},
	{"HIP",
	 "02 41 0003 'AB' 'KEY' 01'A' 00 01'B' 00",
	 "02 41 0003 'AB' 'KEY' 01'a' 00 01'b' 00",
	 "9 12",
	 false,
	 {"01'a' 00", "01'b' 00"}},
	{"RKEY", "4142 43 44 'KEY'", "4142 43 44 'KEY'", "4-", true, {0}},
	{"TALINK", "01'A' 00 01'B' 00", "01'a' 00 01'b' 00", "", false, {"01'a' 00", "01'b' 00"}},
	{"CDS", "4142 43 44 'DIGEST'", "4142 43 44 'DIGEST'", "4-", true, {0}},
	{"CDNSKEY", "4142 43 44 'KEY'", "4142 43 44 'KEY'", "4-", true, {0}},
	{"OPENPGPKEY", "'KEY'", "'KEY'", "0-", true, {0}},
	{"CSYNC", "41424344 4546 00 01 41", "41424344 4546 00 01 41", "6", false, {0}},
	{"ZONEMD", "41424344 45 46 'DIGEST'", "41424344 45 46 'DIGEST'", "6-", true, {0}},
	{"SVCB",
	 "0001 01'A' 00 0001 0003 02'H2' 0004 0004 c0000201",
	 "0001 01'a' 00 0001 0003 02'H2' 0004 0004 c0000201",
	 "5 12",
	 false,
	 {"01'a' 00", "c0000201"}},
	{"HTTPS", "0000 01'A' 00", "0000 01'a' 00", "", false, {"01'a' 00"}},
	{"HTTPS",
	 "0001 00 0004 0008 c0000201 c0000202 0006 0010 20010db8000000000000000000000001",
	 "0001 00 0004 0008 c0000201 c0000202 0006 0010 20010db8000000000000000000000001",
	 "3 15",
	 false,
	 {"00", "c0000201", "c0000202", "20010db8000000000000000000000001"}},
	{"DSYNC", "003b 01 14e7 01'A' 00", "003b 01 14e7 01'a' 00", "", false, {"01'a' 00"}},
	{"NID", "0001 'ABCDEFGH'", "0001 'ABCDEFGH'", "", false, {0}},
	{"L32", "0001 'ABCD'", "0001 'ABCD'", "", false, {0}},
	{"L64", "0001 'ABCDEFGH'", "0001 'ABCDEFGH'", "", false, {0}},
	{"LP", "0001 01'A' 00", "0001 01'a' 00", "", false, {"01'a' 00"}},
	{"EUI48", "'ABCDEF'", "'ABCDEF'", "", false, {0}},
	{"EUI64", "'ABCDEFGH'", "'ABCDEFGH'", "", false, {0}},
	{"URI", "0001 0002 'HTTP://A/'", "0001 0002 'HTTP://A/'", "4-", true, {0}},
	{"CAA", "00 05'ISSUE' 'CA'", "00 05'ISSUE' 'CA'", "7-", true, {0}},
	{"DOA",
	 "41424344 41424344 41 01'A' 'DATA'",
	 "41424344 41424344 41 01'A' 'DATA'",
	 "11-",
	 true,
	 {0}},
	{"AMTRELAY", "41 83 01'A' 00", "41 83 01'a' 00", "", false, {"01'a' 00"}},
	{"AMTRELAY", "41 00", "41 00", "", false, {0}},
	{"AMTRELAY", "41 81 c0000201", "41 81 c0000201", "", false, {0}},
	{"AMTRELAY", "41 02 'ABCDEFGHIJKLMNOP'", "41 02 'ABCDEFGHIJKLMNOP'", "", false, {0}},
	{"TA", "4142 43 44 'DIGEST'", "4142 43 44 'DIGEST'", "4-", true, {0}},
	{"DLV", "4142 43 44 'DIGEST'", "4142 43 44 'DIGEST'", "4-", true, {0}},
	{"TYPE65280", "'ANYTHING'", "'ANYTHING'", "0-", true, {0}},
};

/* Whether a list like "3 7" or "5-" has n. */
static bool has_length(const char *list, size_t n)
{
	while (*list) {
		char *end;
		size_t length = strtoul(list, &end, 10);
		if (length == n || (*end == '-' && n > length))
			return true;
		list = *end ? end + 1 : end;
	}
	return false;
}

static void check_canonical(uint16_t type, struct bytes wire, struct bytes expected, bool ok)
{
	struct buffer out = BUFFER_INIT;
	buffer_put_str(&out, "before");
	int rc = canonical(type, wire, &out);
	if (rc != (ok ? 0 : ERR_SYNTAX))
		print_error("TYPE%u of %zu octets: %d\n", type, wire.n, rc);
	assert_int_equal(rc, ok ? 0 : ERR_SYNTAX);
	assert_int_equal(out.n, 6 + (ok ? expected.n : 0));
	assert_memory_equal(out.p, "before", 6);
	if (ok && expected.n)
		assert_memory_equal(out.p + 6, expected.p, expected.n);
	buffer_release(&out);
	buffer_clear(&out); /* and from nothing */
	assert_int_equal(canonical(type, wire, &out), ok ? 0 : ERR_SYNTAX);
	assert_int_equal(out.n, ok ? expected.n : 0);
	buffer_release(&out);
}

static void test_samples(void **state)
{
	struct buffer wire = BUFFER_INIT, expected = BUFFER_INIT;
	struct term terms[TERMS_MAX];
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t type = type_of(samples[i].type);
		buffer_clear(&wire);
		buffer_clear(&expected);
		put_hex(samples[i].wire, &wire);
		put_hex(samples[i].canonical, &expected);
		for (size_t n = 0; n <= wire.n; n++) {
			bool ok = n == wire.n || has_length(samples[i].beginnings, n);
			check_canonical(type, bytes_of(wire.p, n), bytes_of(expected.p, n), ok);
			uint8_t *exact =
				exact_copy(bytes_of(wire.p, n)); /* nothing beyond is read */
			size_t found = rdata_terms(type, RDATA_WIRE, bytes_of(exact, n), terms);
			assert_true(ok || found == 0);
			free(exact);
		}
		buffer_put_byte(&wire, 'X');
		buffer_put_byte(&expected, 'X');
		check_canonical(type, buffer_bytes(&wire), buffer_bytes(&expected),
				samples[i].more);
	}
	buffer_release(&wire);
	buffer_release(&expected);
}

static void check_hex(const char *type, const char *hex, bool ok)
{
	struct buffer wire = BUFFER_INIT;
	put_hex(hex, &wire);
	check_canonical(type_of(type), buffer_bytes(&wire), buffer_bytes(&wire), ok);
	buffer_release(&wire);
}

static void test_malformed(void **state)
{
	check_hex("NS", "c00c", false); /* compressed */
	check_hex("MX", "0001 01'a' c00c", false);
	check_hex("NS", "40 00", false);
	check_hex("HINFO", "01'a' 02'b'", false);
	check_hex("CAA", "00 05'issu'", false);
	check_hex("SVCB", "0001 00 0004 0004 c0000201 0001 0003 02'h2'", false); /* keys descend */
	check_hex("SVCB", "0001 00 0001 0003 02'h2' 0001 0003 02'h2'", false);
	check_hex("SVCB", "0001 00 0001 0004 02'h2'", false);
	check_hex("SVCB", "0001 00 ffff 0000", true);
	check_hex("NSEC", "00 00 00", false); /* an empty window */
	check_hex("NSEC",
		  "00 00 21 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		  false);
	check_hex("NSEC",
		  "00 00 20 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		  true);
	check_hex("NSEC", "00 01 01 01 00 01 01", false); /* windows descend */
	check_hex("NSEC", "00 01 01 01 01 01 01", false);
	check_hex("APL", "0001 20 05 'abcd'", false);
	check_hex("IPSECKEY", "01 03 02", false); /* the name is missing */
	check_hex("IPSECKEY", "01 03 02 c00c", false);
	check_hex("IPSECKEY", "01 04 02 'key'", true); /* a gateway nobody knows */
	check_hex("HIP", "02 01 ffff 'ab'", false);
	check_hex("HIP", "00 01 0000", true);
	check_hex("A6", "81 01'a' 00", false);
	check_hex("A6", "40 4142434445464748", false);
	check_hex("AMTRELAY", "01 84 'any'", true);
}

static void test_sizes(void **state)
{
	uint8_t *wire = calloc(1, RDATA_MAX + 1);
	struct buffer out = BUFFER_INIT;
	assert_non_null(wire);
	assert_int_equal(canonical(65280, bytes_of(wire, RDATA_MAX), &out), 0);
	assert_int_equal(out.n, RDATA_MAX);
	assert_int_equal(canonical(65280, bytes_of(wire, RDATA_MAX + 1), &out), ERR_LIMIT);
	assert_int_equal(out.n, RDATA_MAX);
	assert_int_equal(canonical(RRTYPE_TXT, bytes_of(wire, RDATA_MAX + 1), &out), ERR_LIMIT);
	assert_int_equal(canonical(RRTYPE_TXT, bytes_of(wire, RDATA_MAX), &out), 0);
	assert_int_equal(out.n, RDATA_MAX + 1); /* 65535 empty strings are one */
	free(wire);
	buffer_release(&out);
}

/* However text is cut into strings, the canonical form is cut at 255. */
static void test_strings(void **state)
{
	static const size_t totals[] = {0,   1,   254,  255,   256,   509,
					510, 511, 1000, 65025, 65278, 65279};
	struct buffer wire = BUFFER_INIT, out = BUFFER_INIT;
	for (size_t i = 0; i < COUNT(totals); i++) {
		size_t total = totals[i], strings = total ? (total + 254) / 255 : 1;
		for (int round = 0; round < 20; round++) {
			size_t put = 0;
			buffer_clear(&wire);
			buffer_clear(&out);
			do {
				size_t n = round == 0 ? 255 : next_random() % 256;
				if (total > 60000 && n < 255)
					n = 255; /* shorter ones would not fit */
				n = total - put < n ? total - put : n;
				buffer_put_byte(&wire, (uint8_t)n);
				for (; n; n--)
					buffer_put_byte(&wire, (uint8_t)(put++ * 7));
			} while (put < total);
			assert_int_equal(canonical(RRTYPE_TXT, buffer_bytes(&wire), &out), 0);
			assert_int_equal(out.n, total + strings);
			for (size_t at = 0, seen = 0; at < out.n; at += out.p[at] + 1u) {
				size_t expected = total - seen < 255 ? total - seen : 255;
				assert_int_equal(out.p[at], expected);
				for (size_t j = 1; j <= expected; j++)
					assert_int_equal(out.p[at + j], (uint8_t)(seen++ * 7));
			}
		}
	}
	static const char *const family[] = {"TXT", "SPF", "NINFO", "AVC", "RESINFO", "WALLET"};
	for (size_t i = 0; i < COUNT(family); i++) {
		buffer_clear(&out);
		assert_int_equal(canonical(type_of(family[i]), bytes_of("\2Ab\0\1C", 6), &out), 0);
		is_hex(family[i], buffer_bytes(&out), "03'AbC'");
		check_hex(family[i], "", false);
		check_hex(family[i], "01", false);
		check_hex(family[i], "01'a' 02'b'", false);
	}
	buffer_release(&wire);
	buffer_release(&out);
}

/* libknot's reading of the same octets: it takes what is taken here, and lower-cases what it
 * lower-cases. */
static void test_as_libknot(void **state)
{
	struct buffer wire = BUFFER_INIT;
	unsigned same = 0;
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t type = type_of(samples[i].type);
		knot_rrset_t rrset;
		size_t pos = 0;
		if (type == 47 || type == 64 || type == 65 || type == 107 || type == 45)
			continue; /* names that libknot leaves as they are (RFC 6840 5.1, RFC 9460)
				   */
		if (!knot_get_rdata_descriptor(type)->type_name)
			continue;
		buffer_clear(&wire);
		buffer_put(
			&wire,
			(uint8_t[]){0, (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0, 0, 0, 0},
			11);
		put_hex(samples[i].wire, &wire);
		wire.p[10] = (uint8_t)(wire.n - 11);
		assert_int_equal(knot_rrset_rr_from_wire(wire.p, &pos, wire.n, &rrset, NULL, true),
				 0);
		is_hex(samples[i].type, bytes_of(rrset.rrs.rdata->data, rrset.rrs.rdata->len),
		       samples[i].canonical);
		knot_rrset_clear(&rrset, NULL);
		same++;
	}
	assert_true(same > 30);
	buffer_release(&wire);
}

static void test_terms(void **state)
{
	struct buffer wire = BUFFER_INIT, term = BUFFER_INIT;
	struct term terms[TERMS_MAX];
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t type = type_of(samples[i].type);
		size_t expected = 0;
		buffer_clear(&wire);
		put_hex(samples[i].canonical, &wire);
		uint8_t *exact = exact_copy(buffer_bytes(&wire));
		size_t n = rdata_terms(type, RDATA_WIRE, bytes_of(exact, wire.n), terms);
		for (; expected < 4 && samples[i].terms[expected]; expected++) {
			const struct term *t = &terms[expected];
			assert_true(expected < n);
			is_hex(samples[i].type, t->value, samples[i].terms[expected]);
			assert_ptr_equal(t->value.p, exact + t->at);
			buffer_clear(&term);
			put_hex(samples[i].terms[expected], &term);
			bool name = dname_wire_len(term.p, term.n) == (int)term.n;
			assert_int_equal(t->kind, name          ? TERM_NAME
						  : term.n == 4 ? TERM_IPV4
								: TERM_IPV6);
		}
		assert_int_equal(n, expected);
		assert_int_equal(rdata_terms(type, RDATA_OPAQUE, bytes_of(exact, wire.n), terms),
				 0);
		free(exact);
	}
	buffer_release(&wire);
	buffer_release(&term);
}

static size_t terms_of(const char *type, const char *hex, struct term *terms)
{
	struct buffer wire = BUFFER_INIT;
	put_hex(hex, &wire);
	size_t n = rdata_terms(type_of(type), RDATA_WIRE, buffer_bytes(&wire), terms);
	buffer_release(&wire);
	return n;
}

static void test_odd_terms(void **state)
{
	struct term terms[TERMS_MAX];
	/* a name that is there twice is one term, at its first place */
	assert_int_equal(terms_of("MINFO", "01'a' 00 01'a' 00", terms), 1);
	assert_int_equal(terms[0].at, 0);
	assert_int_equal(
		terms_of("SOA", "00 00 00000001 00000002 00000003 00000004 00000005", terms), 1);
	assert_int_equal(terms_of("HTTPS", "0001 00 0004 0008 c0000201 c0000201", terms), 2);
	assert_int_equal(terms[0].at, 2);
	assert_int_equal(terms[1].at, 7);
	/* malformed rdata names nothing */
	assert_int_equal(terms_of("MINFO", "01'a' 00 01'a'", terms), 0);
	assert_int_equal(terms_of("A", "c00002", terms), 0);
	assert_int_equal(terms_of("AAAA", "c0000201", terms), 0);
	assert_int_equal(terms_of("NS", "", terms), 0);
	assert_int_equal(terms_of("HTTPS", "0001 00 0004 0009 c0000201 c0000202", terms), 0);
	/* half an address is none */
	assert_int_equal(terms_of("HTTPS", "0001 00 0004 0007 c0000201 c00002", terms), 2);
	/* other keys hold no addresses */
	assert_int_equal(terms_of("HTTPS", "0001 00 0005 0004 c0000201", terms), 1);
}

static void test_many_terms(void **state)
{
	struct buffer wire = BUFFER_INIT;
	struct term terms[TERMS_MAX];
	put_hex("0001 00 0004 fff0", &wire);
	for (uint32_t i = 0; i < 0xfff0 / 4; i++)
		buffer_put(&wire, &i, 4);
	assert_int_equal(rdata_terms(RRTYPE_SVCB, RDATA_WIRE, buffer_bytes(&wire), terms),
			 TERMS_MAX);
	for (size_t i = 1; i < TERMS_MAX; i++) {
		assert_int_equal(terms[i].at, 7 + 4 * (i - 1));
		assert_int_equal(terms[i].kind, TERM_IPV4);
	}
	buffer_clear(&wire);
	put_hex("00 01 0000", &wire);
	for (int i = 0; i < 100; i++)
		buffer_put(&wire, (uint8_t[]){1, (uint8_t)(i + 128), 0}, 3);
	assert_int_equal(rdata_terms(55, RDATA_WIRE, buffer_bytes(&wire), terms), TERMS_MAX);
	buffer_release(&wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),    cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_sizes),      cmocka_unit_test(test_strings),
		cmocka_unit_test(test_as_libknot), cmocka_unit_test(test_terms),
		cmocka_unit_test(test_odd_terms),  cmocka_unit_test(test_many_terms),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
