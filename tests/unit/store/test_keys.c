/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Keys: records to rows and back, the order of rows, subjects of texts, and keys that are damaged.
 */
#include "store/keys.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "model/dname.h"
#include "model/rrtype.h"

static struct arena arena;
static struct rdata_parser *parser;
static uint64_t state;

static uint64_t random_below(uint64_t n)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % n;
}

/* --- records and their rows --- */

struct rec {
	struct bytes owner; /* as the others in the arena */
	uint16_t type;
	enum rdata_form form;
	struct bytes rdata;
};

struct row {
	struct bytes key;
	bool owner_row, whole;
	const struct rec *of;
};

struct rows {
	struct row *row; /* owned */
	size_t n;
	const struct rec *of;
};

static struct bytes name_of(const char *text)
{
	uint8_t wire[DNAME_MAX];
	int n = dname_from_text(bytes_str(text), wire);
	if (n < 0)
		fail_msg("%s: not a name", text);
	return arena_copy(&arena, bytes_of(wire, (size_t)n));
}

static struct rec rec_of(const char *owner, const char *type, bool opaque, struct bytes text)
{
	struct rec r = {.owner = name_of(owner), .form = opaque ? RDATA_OPAQUE : RDATA_WIRE};
	struct buffer wire = BUFFER_INIT;
	assert_true(rrtype_from_text(bytes_str(type), &r.type));
	if (opaque)
		buffer_put_bytes(&wire, text);
	else if (rdata_from_text(parser, r.type, text, &wire) != 0)
		fail_msg("%s %.*s: does not parse", type, (int)text.n, (const char *)text.p);
	r.rdata = arena_copy(&arena, buffer_bytes(&wire));
	buffer_release(&wire);
	return r;
}

static void rows_put(struct rows *rows, struct bytes key, bool owner_row, bool whole)
{
	rows->row = xrealloc(rows->row, (rows->n + 1) * sizeof(*rows->row));
	rows->row[rows->n++] = (struct row){arena_copy(&arena, key), owner_row, whole, rows->of};
}

static int put_data_row(void *ctx, struct bytes key, bool whole)
{
	rows_put(ctx, key, false, whole);
	return 0;
}

static void rows_add(struct rows *rows, const struct rec *r)
{
	struct buffer key = BUFFER_INIT, text = BUFFER_INIT;
	rows->of = r;
	bool cut = key_put_owner_row(&key, r->owner, r->type, r->form, r->rdata);
	rows_put(rows, buffer_bytes(&key), true, cut);
	assert_int_equal(key_each_data_row(r->owner, r->type, r->form, r->rdata, &key, &text,
					   put_data_row, rows),
			 0);
	buffer_release(&key);
	buffer_release(&text);
}

static struct rows rows_of(const struct rec *r)
{
	struct rows rows = {0};
	rows_add(&rows, r);
	return rows;
}

static void assert_record(const struct record *r, const struct row *row)
{
	assert_int_equal(r->rrtype, row->of->type);
	assert_int_equal(r->form, row->of->form);
	assert_int_equal(r->owner_row, row->owner_row);
	assert_true(bytes_eq(r->owner, row->of->owner));
	assert_true(bytes_eq(r->rdata, row->of->rdata));
}

/* A row says all of its record, with its value or with the whole rdata alone. */
static void assert_row(const struct row *row)
{
	struct record_scratch scratch;
	struct record r;
	struct value v = {
		.seen = {.count = 3, .first_s = 10, .last_s = 20, .sensor_id = bytes_str("s")}};
	struct buffer value = BUFFER_INIT;
	assert_true(row->key.n < KEY_MAX && row->key.n > 0);
	assert_true(row->key.p[0] >= 0x20);
	if (row->whole)
		v.rdata = row->of->rdata;
	assert_int_equal(record_decode_key(row->key, v.rdata, &scratch, &r), 0);
	assert_record(&r, row);
	assert_int_equal(r.seen.count, 0);
	value_encode(&v, &value);
	assert_int_equal(record_decode(row->key, buffer_bytes(&value), &scratch, &r), 0);
	assert_record(&r, row);
	assert_int_equal(r.seen.count, 3);
	assert_int_equal(r.seen.first_s, 10);
	assert_int_equal(r.seen.last_s, 20);
	assert_true(bytes_eq(r.seen.sensor_id, bytes_str("s")));
	assert_int_equal(key_type(row->key), row->of->type);
	assert_int_equal(key_owner_type(row->key), row->owner_row ? row->of->type : ERR_CORRUPT);
	if (row->whole)
		assert_int_equal(record_decode_key(row->key, bytes_of(NULL, 0), &scratch, &r),
				 ERR_CORRUPT);
	buffer_release(&value);
}

/* A row lies under a subject, and behind its type. */
static bool is_under(const struct row *row, const struct buffer *subject)
{
	struct buffer prefix = BUFFER_INIT;
	buffer_put_bytes(&prefix, buffer_bytes(subject));
	bool under = key_subject_len(row->key) == prefix.n &&
		     bytes_has_prefix(row->key, buffer_bytes(&prefix));
	key_put_type(&prefix, row->of->type);
	under = under && bytes_has_prefix(row->key, buffer_bytes(&prefix));
	buffer_release(&prefix);
	return under;
}

/* --- the rows of single records --- */

/* subjects: where its data rows lie, one a line, each as a text. */
static const struct {
	const char *owner, *type, *rdata;
	bool opaque;
	const char *subjects;
} singles[] = {
	{"www.example.com", "A", "192.0.2.1", false, "192.0.2.1"},
	{"www.example.com", "AAAA", "2001:db8::1", false, "2001:db8::1"},
	{".", "A", "0.0.0.0", false, "0.0.0.0"},
	{"example.com", "NS", "ns1.example.net", false, "ns1.example.net"},
	{".", "NS", "a.root-servers.net", false, "a.root-servers.net"},
	{"example.com", "NS", ".", false, "."},
	{"example.com", "NS", "example.com", false, ""},
	{".", "NS", ".", false, ""},
	{"www.example.com", "CNAME", "www.example.com.edge.test", false,
	 "www.example.com.edge.test"},
	{"w.test", "DNAME", "v.test", false, "v.test"},
	{"1.2.0.192.in-addr.arpa", "PTR", "www.example.com", false, "www.example.com"},
	{"example.com", "MX", "10 mail.example.com", false, "mail.example.com"},
	{"example.com", "MX", "10 example.com", false, ""},
	{"example.com", "MX", "0 .", false, "."},
	{"example.com", "SRV", "1 2 3 t.test", false, "t.test"},
	{"example.com", "SOA", "ns.test admin.test 1 2 3 4 5", false, "ns.test\nadmin.test"},
	{"example.com", "SOA", "ns.test ns.test 1 2 3 4 5", false, "ns.test"},
	{"example.com", "SOA", "example.com admin.test 1 2 3 4 5", false, "admin.test"},
	{"example.com", "SOA", "ns.test example.com 1 2 3 4 5", false, "ns.test"},
	{"example.com", "SOA", ". . 1 2 3 4 5", false, "."},
	{"e.test", "RP", "a.test b.test", false, "a.test\nb.test"},
	{"e.test", "NAPTR", "1 2 \"s\" \"x\" \"\" r.test", false, "r.test"},
	{"e.test", "NSEC", "f.test A NS", false, "f.test"},
	{"e.test", "RRSIG", "A 8 2 60 20300101000000 20200101000000 1 s.test AAAA", false,
	 "s.test"},
	{"e.test", "HTTPS",
	 "1 . alpn=h2 ipv4hint=192.0.2.1,192.0.2.2,192.0.2.1 ipv6hint=2001:db8::1", false,
	 ".\n192.0.2.1\n192.0.2.2\n2001:db8::1"},
	{"e.test", "SVCB", "1 svc.test port=53", false, "svc.test"},
	{"e.test", "TXT", "\"two words\"", false, "\"two words\""},
	{"e.test", "TXT", "\"word\"", false, "\"word\""},
	{"e.test", "TXT", "\"\"", false, "\"\""},
	{"e.test", "CAA", "0 issue \"ca.test\"", false, "0 issue \"ca.test\""},
	{"e.test", "TYPE65280", "\\# 3 010203", false, "\\# 3 010203"},
	{"e.test", "TYPE65280", "\\# 0", false, "\\# 0"},
	{"e.test", "TYPE65535", "\\# 4 c0000201", false, "\\# 4 C0000201"},
	{"e.test", "TYPE67", "\\# 1 ff", false, "\\# 1 FF"},
	{"e.test", "A", "not an address", true, "not an address"},
	{"e.test", "A", "192.0.2.1", true, "192.0.2.1"},
	{"e.test", "A", "2001:DB8:0::1", true, "2001:db8::1"},
	{"e.test", "AAAA", "www.example.com", true, "www.example.com"},
	{"e.test", "AAAA", "WWW.Example.com.", true, "www.example.com"},
	{"e.test", "AAAA", "e.test", true, ""},
	{"e.test", "AAAA", "E.TEST.", true, ""},
	{"e.test", "NS", ".", true, "."},
	{".", "NS", ".", true, ""},
	{"e.test", "TYPE65280", "x", true, "x"},
	{"\\000\\001\\002\\003\\255.\\000.\\001.\\002", "NS", "\\002\\001\\000.\\255\\000", false,
	 "\\002\\001\\000.\\255\\000"},
	{"a\\.b.test", "NS", "a.b.test", false, "a.b.test"},
	{"a\\ b.test", "PTR", "c\\\\d.test", false, "c\\\\d.test"},
};

static void rows_lie_under_what_the_data_names(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
		struct rec r = rec_of(singles[i].owner, singles[i].type, singles[i].opaque,
				      bytes_str(singles[i].rdata));
		struct rows rows = rows_of(&r);
		struct buffer subject = BUFFER_INIT;
		size_t n = 0;
		for (const char *p = singles[i].subjects; *p; n++) {
			size_t len = strcspn(p, "\n");
			buffer_clear(&subject);
			key_put_text(&subject, bytes_of(p, len));
			if (n + 1 >= rows.n || !is_under(&rows.row[n + 1], &subject))
				fail_msg("%s %s %s: not under %.*s", singles[i].owner,
					 singles[i].type, singles[i].rdata, (int)len, p);
			p += len + (p[len] == '\n');
		}
		if (rows.n != n + 1)
			fail_msg("%s %s %s: %zu rows", singles[i].owner, singles[i].type,
				 singles[i].rdata, rows.n);
		buffer_clear(&subject);
		key_put_name(&subject, r.owner);
		assert_true(rows.row[0].owner_row && is_under(&rows.row[0], &subject));
		for (size_t k = 0; k < rows.n; k++) {
			assert_false(rows.row[k].whole);
			assert_row(&rows.row[k]);
		}
		buffer_release(&subject);
		free(rows.row);
	}
}

/* --- long names, long data --- */

/* A name of 255 octets: its labels take lens, and their octets go round from first to last. */
static struct bytes long_name(const uint8_t *lens, size_t labels, uint8_t first, uint8_t last)
{
	uint8_t wire[DNAME_MAX];
	size_t n = 0;
	uint8_t c = first;
	for (size_t i = 0; i < labels; i++) {
		wire[n++] = lens[i];
		for (size_t k = 0; k < lens[i]; k++) {
			wire[n++] = c;
			c = c == last ? first : c + 1;
		}
	}
	wire[n++] = 0;
	assert_int_equal(n, DNAME_MAX);
	assert_int_equal(dname_wire_len(wire, n), DNAME_MAX);
	return arena_copy(&arena, bytes_of(wire, n));
}

enum { LONG_NAMES = 5 };

static void long_names(struct bytes ret[static LONG_NAMES])
{
	static const uint8_t wide[] = {63, 63, 63, 61}, odd[] = {61, 63, 63, 63};
	uint8_t narrow[127];
	memset(narrow, 1, sizeof(narrow));
	ret[0] = long_name(wide, 4, 0, 2); /* every octet escaped */
	ret[1] = long_name(odd, 4, 0, 3);
	ret[2] = long_name(narrow, 127, 0, 2);
	ret[3] = long_name(narrow, 127, 0xff, 0xff);
	ret[4] = long_name(wide, 4, 'a', 'z');
}

static void assert_rows(const struct rec *r, size_t expected)
{
	struct rows rows = rows_of(r);
	assert_int_equal(rows.n, expected);
	for (size_t i = 0; i < rows.n; i++) {
		assert_int_equal(rows.row[i].owner_row, i == 0);
		assert_row(&rows.row[i]);
	}
	free(rows.row);
}

static struct rec with_rdata(struct bytes owner, uint16_t type, enum rdata_form form,
			     struct buffer *rdata)
{
	return (struct rec){owner, type, form, arena_copy(&arena, buffer_bytes(rdata))};
}

static void names_of_255_octets(void **ctx)
{
	struct bytes names[LONG_NAMES];
	struct buffer rdata = BUFFER_INIT;
	(void)ctx;
	long_names(names);
	for (int i = 0; i < LONG_NAMES; i++) {
		for (int k = 0; k < LONG_NAMES; k++) {
			buffer_clear(&rdata);
			buffer_put_bytes(&rdata, names[k]);
			struct rec ns = with_rdata(names[i], RRTYPE_NS, RDATA_WIRE, &rdata);
			assert_rows(&ns, i == k ? 1 : 2);
			buffer_put_bytes(&rdata, names[(k + 1) % LONG_NAMES]);
			buffer_put(&rdata, "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", 20);
			struct rec soa = with_rdata(names[i], RRTYPE_SOA, RDATA_WIRE, &rdata);
			assert_rows(&soa, i == k || i == (k + 1) % LONG_NAMES ? 2 : 3);
		}
		/* The longest key there is: long name, type without rank, long text, all octets
		 * escaped. */
		buffer_clear(&rdata);
		for (int n = 0; n < 3000; n++)
			buffer_put_byte(&rdata, (uint8_t)(n % 3));
		struct rec opaque = with_rdata(names[i], 65280, RDATA_OPAQUE, &rdata);
		assert_rows(&opaque, 2);
		rdata.n = 180;
		opaque = with_rdata(names[i], 65280, RDATA_OPAQUE, &rdata);
		assert_rows(&opaque, 2);
	}
	buffer_release(&rdata);
}

static const size_t lengths[] = {1,   2,   100, 180, 183, 184, 185, 198, 199, 200,  201,   202,
				 237, 238, 239, 240, 253, 254, 255, 256, 257, 1000, 65000, 65535};
enum { LENGTHS = sizeof(lengths) / sizeof(lengths[0]) };

/* An RRSIG whose data without the signer's name takes n octets. */
static void put_rrsig(struct buffer *out, struct bytes signer, size_t n)
{
	static const uint8_t fixed[18] = {0, 1, 8, 2, 0, 0, 0, 60};
	buffer_put(out, fixed, sizeof(fixed));
	buffer_put_bytes(out, signer);
	for (size_t i = 18; i < n; i++)
		buffer_put_byte(out, (uint8_t)(i * 7));
}

static void long_data_is_cut_and_comes_back(void **ctx)
{
	struct buffer rdata = BUFFER_INIT;
	struct bytes owner = name_of("e.test"), signer = name_of("signer.test");
	(void)ctx;
	for (size_t i = 0; i < LENGTHS; i++) {
		buffer_clear(&rdata);
		for (size_t k = 0; k < lengths[i]; k++)
			buffer_put_byte(&rdata, (uint8_t)(k * 5));
		struct rec unknown = with_rdata(owner, 65280, RDATA_WIRE, &rdata);
		assert_rows(&unknown, 2);
		struct rec opaque = with_rdata(owner, RRTYPE_A, RDATA_OPAQUE, &rdata);
		assert_rows(&opaque, 2);
		if (lengths[i] < 20 || lengths[i] > 65000)
			continue;
		buffer_clear(&rdata);
		put_rrsig(&rdata, signer, lengths[i]);
		struct rec rrsig = with_rdata(owner, 46, RDATA_WIRE, &rdata);
		assert_rows(&rrsig, 2);
		rrsig.owner = signer;
		assert_rows(&rrsig, 1);
	}
	buffer_clear(&rdata);
	for (size_t k = 0; k < 1000000; k++) /* opaque text may be as long as a line */
		buffer_put_byte(&rdata, (uint8_t)('a' + k % 26));
	struct rec opaque = with_rdata(owner, RRTYPE_A, RDATA_OPAQUE, &rdata);
	assert_rows(&opaque, 2);
	buffer_release(&rdata);
}

static bool share_a_key(const struct rec *a, const struct rec *b)
{
	struct rows x = rows_of(a), y = rows_of(b);
	bool share = false;
	for (size_t i = 0; i < x.n; i++) {
		for (size_t k = 0; k < y.n; k++)
			share = share || bytes_eq(x.row[i].key, y.row[k].key);
	}
	free(x.row);
	free(y.row);
	return share;
}

static void other_records_have_other_keys(void **ctx)
{
	struct buffer rdata = BUFFER_INIT;
	struct bytes owner = name_of("e.test"), signer = name_of("signer.test");
	(void)ctx;
	for (size_t i = 0; i < LENGTHS; i++) {
		buffer_clear(&rdata);
		for (size_t k = 0; k < lengths[i]; k++)
			buffer_put_byte(&rdata, 'x');
		struct rec a = with_rdata(owner, 65280, RDATA_OPAQUE, &rdata);
		struct rec b = with_rdata(owner, 65280, RDATA_WIRE, &rdata);
		assert_false(share_a_key(&a, &b)); /* the same octets in another form */
		struct rec c = a;
		c.type = 65281;
		assert_false(share_a_key(&a, &c));
		rdata.p[lengths[i] - 1] ^= 1; /* the last octet */
		c = with_rdata(owner, 65280, RDATA_OPAQUE, &rdata);
		assert_false(share_a_key(&a, &c));
		c = with_rdata(owner, 65280, RDATA_WIRE, &rdata);
		assert_false(share_a_key(&b, &c));
		rdata.n--;
		c = with_rdata(owner, 65280, RDATA_WIRE, &rdata);
		assert_false(share_a_key(&b, &c));
	}
	for (size_t n = 250; n < 260; n++) {
		buffer_clear(&rdata);
		put_rrsig(&rdata, signer, n);
		struct rec a = with_rdata(owner, 46, RDATA_WIRE, &rdata);
		rdata.p[rdata.n - 1] ^= 1;
		struct rec b = with_rdata(owner, 46, RDATA_WIRE, &rdata);
		assert_false(share_a_key(&a, &b));
	}
	buffer_release(&rdata);
}

/* Data made up of what stands in the key of other, longer data. */
static void a_cut_cannot_be_forged(void **ctx)
{
	struct buffer rdata = BUFFER_INIT;
	struct bytes owner = name_of("e.test");
	(void)ctx;
	for (int i = 0; i < 1000; i++)
		buffer_put_byte(&rdata, 'x');
	struct rec a = with_rdata(owner, 65280, RDATA_OPAQUE, &rdata);
	struct rows rows = rows_of(&a);
	assert_true(rows.row[0].whole);
	for (size_t k = 0; k < rows.n; k++) {
		struct bytes key = rows.row[k].key;
		for (size_t from = 0; from < key.n; from++) {
			for (size_t n = 150; n <= key.n - from; n++) {
				struct rec b = {owner, 65280, RDATA_OPAQUE,
						bytes_of(key.p + from, n)};
				struct buffer forged = BUFFER_INIT;
				key_put_owner_row(&forged, b.owner, b.type, b.form, b.rdata);
				assert_false(bytes_eq(buffer_bytes(&forged), rows.row[0].key));
				buffer_release(&forged);
			}
		}
	}
	free(rows.row);
	buffer_release(&rdata);
}

/* --- subjects of texts --- */

static const struct {
	const char *text;
	size_t n;
	char kind;
	const char *means; /* of an address or name: in plain spelling */
} texts[] = {
#define T(text, kind, means)                                                                       \
	{                                                                                          \
		text, sizeof(text) - 1, kind, means                                                \
	}
	T("192.0.2.1", '4', "192.0.2.1"),
	T("0.0.0.0", '4', "0.0.0.0"),
	T("255.255.255.255", '4', "255.255.255.255"),
	T("256.1.1.1", 'n', "256.1.1.1"),
	T("192.0.2", 'n', "192.0.2"),
	T("192.0.2.1.", 'n', "192.0.2.1"), /* the dot says that it is a name */
	T("192.0.2.1.5", 'n', "192.0.2.1.5"),
	T("192.0.2.1x", 'n', "192.0.2.1x"),
	T("192.0.2.1\0", 'n', "192.0.2.1\\000"),
	T("192.0.2.1\0005", 'n', "192.0.2.1\\0005"),
	T(" 192.0.2.1", 'x', NULL),
	T("192.0.2.1 ", 'x', NULL),
	T("1", 'n', "1"),
	T("::", '6', "::"),
	T("::1", '6', "::1"),
	T("0:0:0:0:0:0:0:1", '6', "::1"),
	T("2001:DB8::A", '6', "2001:db8::a"),
	T("2001:0db8:0000:0000:0000:0000:0000:000a", '6', "2001:db8::a"),
	T("::ffff:192.0.2.1", '6', "::ffff:c000:201"),
	T("0000:0000:0000:0000:0000:ffff:192.168.100.200", '6', "::ffff:192.168.100.200"),
	T("::1\0", 'n', "::1\\000"),
	T("::1\0x", 'n', "::1\\000x"),
	T("fe80::1%eth0", 'n', "fe80::1%eth0"),
	T(":", 'n', ":"),
	T("[::1]", 'n', "[::1]"),
	T("example.com", 'n', "example.com"),
	T("EXAMPLE.com.", 'n', "example.com"),
	T("_sip._tcp.test", 'n', "_sip._tcp.test"),
	T("\"quoted\"", 'n', "\\\"quoted\\\""),
	T("a\\.b.test", 'n', "a\\.b.test"),
	T("\\065.test", 'n', "a.test"),
	T("a\\032b", 'n', "a\\032b"),
	T(".", 'n', "."),
	T("..", 'x', NULL),
	T("a..b", 'x', NULL),
	T(".a", 'x', NULL),
	T("a\\", 'x', NULL),
	T("a\\25", 'x', NULL),
	T("a\\256", 'x', NULL),
	T("a b", 'x', NULL),
	T("a\\ b", 'x', NULL), /* a blank is a blank */
	T("", 'x', NULL),
	T(" ", 'x', NULL),
	T("\0 \1 \2", 'x', NULL),
	T("123456789012345678901234567890123456789012345678901234567890123", 'n',
	  "123456789012345678901234567890123456789012345678901234567890123"),
	T("1234567890123456789012345678901234567890123456789012345678901234", 'x', NULL),
#undef T
};

static void texts_become_subjects(void **ctx)
{
	(void)ctx;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct buffer is = BUFFER_INIT, should = BUFFER_INIT;
		uint8_t addr[16];
		uint8_t *exact = malloc(texts[i].n ? texts[i].n : 1);
		assert_non_null(exact);
		memcpy(exact, texts[i].text, texts[i].n);
		key_put_text(&is, bytes_of(exact, texts[i].n));
		free(exact);
		if (texts[i].kind == '4') {
			assert_int_equal(inet_pton(AF_INET, texts[i].means, addr), 1);
			key_put_ipv4(&should, addr);
		} else if (texts[i].kind == '6') {
			assert_int_equal(inet_pton(AF_INET6, texts[i].means, addr), 1);
			key_put_ipv6(&should, addr);
		} else if (texts[i].kind == 'n') {
			key_put_name(&should, name_of(texts[i].means));
		}
		if (is.p[0] != texts[i].kind ||
		    (texts[i].means && !bytes_eq(buffer_bytes(&is), buffer_bytes(&should))))
			fail_msg("%zu: \"%s\" is not of kind %c", i, texts[i].text, texts[i].kind);
		buffer_release(&is);
		buffer_release(&should);
	}
}

static void other_texts_are_other_subjects(void **ctx)
{
	struct buffer subjects[2 * LENGTHS + 4], text = BUFFER_INIT;
	size_t n = 0;
	(void)ctx;
	for (size_t i = 0; i < LENGTHS; i++) {
		for (int last = 0; last < 2; last++) {
			buffer_clear(&text);
			for (size_t k = 0; k + 1 < lengths[i]; k++)
				buffer_put_byte(&text, k ? 'x' : ' ');
			buffer_put_byte(&text, last ? ' ' : 0);
			subjects[n] = BUFFER_INIT;
			key_put_text(&subjects[n++], buffer_bytes(&text));
		}
	}
	for (size_t i = 0; i < n; i++) {
		assert_true(subjects[i].n < KEY_MAX);
		assert_true(lengths[i / 2] == 1 || subjects[i].p[0] == SUBJECT_TEXT);
		for (size_t k = 0; k < n; k++) {
			if (k != i)
				assert_false(bytes_has_prefix(buffer_bytes(&subjects[i]),
							      buffer_bytes(&subjects[k])));
		}
	}
	while (n)
		buffer_release(&subjects[--n]);
	buffer_release(&text);
}

/* A text that consists of the octets by which a longer one is known must still be another one. */
static void the_cut_of_a_text_cannot_be_forged(void **ctx)
{
	(void)ctx;
	for (int tries = 0; tries < 50; tries++) {
		struct buffer text = BUFFER_INIT, subject = BUFFER_INIT;
		for (int i = 0; i < 1000; i++)
			buffer_put_byte(&text, i ? (uint8_t)('a' + tries % 26) : ' ');
		buffer_put_u64(&text, (uint64_t)tries);
		key_put_text(&subject, buffer_bytes(&text));
		assert_true(subject.n < text.n);
		for (size_t from = 0; from < subject.n; from++) {
			for (size_t n = 150; n <= subject.n - from; n++) {
				struct buffer forged = BUFFER_INIT;
				key_put_text(&forged, bytes_of(subject.p + from, n));
				assert_false(
					bytes_eq(buffer_bytes(&forged), buffer_bytes(&subject)));
				buffer_release(&forged);
			}
			if (from == 2)
				from = subject.n > 200 ? subject.n - 200 : from;
		}
		buffer_release(&text);
		buffer_release(&subject);
	}
}

/* --- order --- */

static bool is_ranked(uint16_t type)
{
	return rrtype_rank(type) != 0;
}

/* What the header says: by mnemonic; types without a rank behind, by number. */
static int type_order(uint16_t a, uint16_t b)
{
	if (is_ranked(a) != is_ranked(b))
		return is_ranked(a) ? -1 : 1;
	if (is_ranked(a))
		return strcmp(rrtype_mnemonic(a), rrtype_mnemonic(b));
	return (a > b) - (a < b);
}

static int sign(int c)
{
	return (c > 0) - (c < 0);
}

static void types_are_ordered_by_mnemonic(void **ctx)
{
	uint16_t list[120];
	size_t n = 0;
	(void)ctx;
	for (unsigned t = 0; t < 65536; t++) {
		if (is_ranked((uint16_t)t))
			list[n++] = (uint16_t)t;
	}
	assert_in_range(n, 80, 110);
	static const uint16_t others[] = {66, 67, 255, 256, 512, 32770, 65280, 65281, 65535, 0};
	for (size_t i = 0; i < 10; i++)
		list[n++] = others[i];
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < n; k++) {
			struct buffer a = BUFFER_INIT, b = BUFFER_INIT;
			key_put_type(&a, list[i]);
			key_put_type(&b, list[k]);
			assert_int_equal(sign(bytes_cmp(buffer_bytes(&a), buffer_bytes(&b))),
					 sign(type_order(list[i], list[k])));
			if (list[i] != list[k])
				assert_false(bytes_has_prefix(buffer_bytes(&a), buffer_bytes(&b)));
			buffer_release(&a);
			buffer_release(&b);
		}
	}
}

/* Labels from the root on, each compared as octets. */
static int name_order(struct bytes a, struct bytes b)
{
	struct bytes x[128], y[128];
	size_t n = 0, m = 0;
	for (size_t at = 0; a.p[at]; at += a.p[at] + 1u)
		x[n++] = bytes_of(a.p + at + 1, a.p[at]);
	for (size_t at = 0; b.p[at]; at += b.p[at] + 1u)
		y[m++] = bytes_of(b.p + at + 1, b.p[at]);
	while (n && m) {
		int c = bytes_cmp(x[--n], y[--m]);
		if (c)
			return c;
	}
	return (n > 0) - (m > 0);
}

static struct bytes random_name(void)
{
	static const char octets[] = {0, 1, 2, 3, 4, '-', 'a', 'b', '.', (char)0xff};
	uint8_t wire[DNAME_MAX];
	size_t n = 0;
	for (uint64_t labels = random_below(4); labels; labels--) {
		wire[n] = (uint8_t)(1 + random_below(3));
		for (size_t k = 1; k <= wire[n]; k++)
			wire[n + k] = (uint8_t)octets[random_below(sizeof(octets))];
		n += wire[n] + 1u;
	}
	wire[n++] = 0;
	return arena_copy(&arena, bytes_of(wire, n));
}

static void names_are_ordered_from_the_root(void **ctx)
{
	(void)ctx;
	for (int i = 0; i < 100000; i++) {
		struct bytes a = random_name(), b = random_name();
		struct buffer x = BUFFER_INIT, y = BUFFER_INIT;
		key_put_name(&x, a);
		key_put_name(&y, b);
		assert_int_equal(sign(bytes_cmp(buffer_bytes(&x), buffer_bytes(&y))),
				 sign(name_order(a, b)));
		if (!bytes_eq(a, b))
			assert_false(bytes_has_prefix(buffer_bytes(&x), buffer_bytes(&y)));
		buffer_release(&x);
		buffer_release(&y);
		arena_clear(&arena);
	}
}

static struct rec random_rec(void)
{
	static const uint16_t types[] = {RRTYPE_NS, RRTYPE_MX, RRTYPE_SOA, RRTYPE_CNAME,
					 65280,     65281,     67};
	struct buffer rdata = BUFFER_INIT;
	struct rec r = {.owner = random_name(), .type = types[random_below(7)], .form = RDATA_WIRE};
	if (random_below(5) == 0) {
		r.form = RDATA_OPAQUE;
		dname_to_text(random_name(), &rdata);
		if (random_below(2))
			buffer_put_str(&rdata, " and more");
	} else if (r.type == RRTYPE_MX) {
		buffer_put(&rdata, random_below(2) ? "\0\1" : "\0\2", 2);
		buffer_put_bytes(&rdata, random_name());
	} else if (r.type == RRTYPE_SOA) {
		buffer_put_bytes(&rdata, random_name());
		buffer_put_bytes(&rdata, random_name());
		buffer_put(&rdata, "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5", 20);
	} else {
		buffer_put_bytes(&rdata, random_name());
	}
	r.rdata = arena_copy(&arena, buffer_bytes(&rdata));
	buffer_release(&rdata);
	return r;
}

static int by_key(const void *a, const void *b)
{
	return bytes_cmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static struct bytes subject_of(const struct row *row)
{
	return bytes_of(row->key.p, key_subject_len(row->key));
}

/* Two neighbours under one subject: by type, owner rows before data rows, equal data by owner. */
static void assert_neighbours(const struct row *a, const struct row *b)
{
	int c = type_order(a->of->type, b->of->type);
	assert_true(c <= 0);
	if (c)
		return;
	assert_true(a->owner_row >= b->owner_row);
	if (!a->owner_row && bytes_eq(a->of->rdata, b->of->rdata) && a->of->form == b->of->form)
		assert_true(name_order(a->of->owner, b->of->owner) <= 0);
}

static void rows_are_ordered_under_their_subject(void **ctx)
{
	(void)ctx;
	for (int round = 0; round < 30; round++) {
		struct rows rows = {0};
		struct rec recs[400];
		for (int i = 0; i < 400; i++) {
			recs[i] = random_rec();
			rows_add(&rows, &recs[i]);
		}
		qsort(rows.row, rows.n, sizeof(*rows.row), by_key);
		for (size_t i = 0; i < rows.n; i++) {
			struct bytes subject = subject_of(&rows.row[i]);
			assert_true(subject.n > 0);
			assert_row(&rows.row[i]);
			for (size_t k = 0; k < rows.n; k++) { /* nothing else begins like it */
				if (bytes_has_prefix(rows.row[k].key, subject))
					assert_true(bytes_eq(subject_of(&rows.row[k]), subject));
			}
			if (i && bytes_eq(subject_of(&rows.row[i - 1]), subject))
				assert_neighbours(&rows.row[i - 1], &rows.row[i]);
			if (i && bytes_eq(rows.row[i - 1].key,
					  rows.row[i].key)) { /* one record, twice */
				const struct rec *x = rows.row[i - 1].of, *y = rows.row[i].of;
				assert_true(bytes_eq(x->owner, y->owner) && x->type == y->type &&
					    x->form == y->form && bytes_eq(x->rdata, y->rdata));
			}
		}
		free(rows.row);
		arena_clear(&arena);
	}
}

/* --- rows of exactly one rdata --- */

static void subject_of_term(struct buffer *out, const struct term *t)
{
	if (t->kind == TERM_IPV4)
		key_put_ipv4(out, t->value.p);
	else if (t->kind == TERM_IPV6)
		key_put_ipv6(out, t->value.p);
	else
		key_put_name(out, t->value);
}

/* Whether all data rows of b begin with the prefix that stands for a's rdata under one of its
 * terms, and how many do. */
static size_t rows_with_data_of(const struct rec *a, const struct rec *b)
{
	struct term terms[TERMS_MAX];
	struct rows rows = rows_of(b);
	struct buffer prefix = BUFFER_INIT, text = BUFFER_INIT;
	size_t n = rdata_terms(a->type, a->form, a->rdata, terms), found = 0;
	for (size_t i = 0; i < n || (n == 0 && i == 0); i++) {
		buffer_clear(&prefix);
		if (n) {
			subject_of_term(&prefix, &terms[i]);
		} else {
			buffer_clear(&text);
			rdata_to_text(a->type, a->form, a->rdata, &text);
			key_put_text(&prefix, buffer_bytes(&text));
		}
		key_put_type(&prefix, a->type);
		key_put_data(&prefix, a->type, a->form, a->rdata, n ? &terms[i] : NULL);
		for (size_t k = 1; k < rows.n; k++)
			found += bytes_has_prefix(rows.row[k].key, buffer_bytes(&prefix));
	}
	free(rows.row);
	buffer_release(&prefix);
	buffer_release(&text);
	return found;
}

static void a_prefix_stands_for_exactly_one_rdata(void **ctx)
{
	(void)ctx;
	int same = 0;
	for (int i = 0; i < 20000; i++) {
		struct rec a = random_rec(), b = random_rec();
		if (random_below(3) == 0) {
			b = a;
			b.owner = random_name();
		}
		struct rows rows = rows_of(&b);
		size_t found = rows_with_data_of(&a, &b);
		bool equal = a.type == b.type && a.form == b.form && bytes_eq(a.rdata, b.rdata);
		assert_int_equal(found, equal ? rows.n - 1 : 0);
		same += equal;
		free(rows.row);
		arena_clear(&arena);
	}
	assert_true(same > 1000);
}

static int stop_at(void *ctx, struct bytes key, bool whole)
{
	int *left = ctx;
	(void)key, (void)whole;
	return --*left == 0 ? 77 : 0;
}

static void the_first_answer_that_is_not_zero_ends_it(void **ctx)
{
	struct rec r = rec_of("e.test", "SOA", false, bytes_str("a.test b.test 1 2 3 4 5"));
	struct buffer key = BUFFER_INIT, text = BUFFER_INIT;
	(void)ctx;
	for (int stop = 1; stop <= 3; stop++) {
		int left = stop;
		int rc = key_each_data_row(r.owner, r.type, r.form, r.rdata, &key, &text, stop_at,
					   &left);
		assert_int_equal(rc, stop <= 2 ? 77 : 0);
		assert_int_equal(left, stop <= 2 ? 0 : 1);
	}
	r = rec_of("e.test", "TXT", false, bytes_str("\"no terms\""));
	int left = 1;
	assert_int_equal(
		key_each_data_row(r.owner, r.type, r.form, r.rdata, &key, &text, stop_at, &left),
		77);
	buffer_release(&key);
	buffer_release(&text);
}

/* --- damaged keys --- */

/* Decodes a copy without anything around it. An owner row that decodes is the one owner row of what
 * it says. */
static int decode_exact(struct bytes key, struct bytes whole, struct record *ret)
{
	struct record_scratch scratch;
	uint8_t *exact = malloc(key.n ? key.n : 1);
	assert_non_null(exact);
	if (key.n)
		memcpy(exact, key.p, key.n);
	struct bytes k = bytes_of(exact, key.n);
	int rc = record_decode_key(k, whole, &scratch, ret);
	assert_true(rc == 0 || rc == ERR_CORRUPT);
	int type = key_type(k), owner_type = key_owner_type(k);
	assert_true(key_subject_len(k) <= key.n);
	if (rc == 0) {
		assert_int_equal(type, ret->rrtype);
		assert_int_equal(owner_type, ret->owner_row ? type : ERR_CORRUPT);
		assert_int_equal(dname_wire_len(ret->owner.p, ret->owner.n), ret->owner.n);
		struct buffer again = BUFFER_INIT;
		bool cut =
			key_put_owner_row(&again, ret->owner, ret->rrtype, ret->form, ret->rdata);
		if (ret->owner_row && !cut)
			assert_true(bytes_eq(buffer_bytes(&again), k));
		buffer_release(&again);
	}
	free(exact);
	return rc;
}

static void damaged_keys_are_no_crash(void **ctx)
{
	struct bytes names[LONG_NAMES];
	struct buffer changed = BUFFER_INIT, rdata = BUFFER_INIT;
	struct record r;
	struct rec recs[60];
	size_t n = 0;
	(void)ctx;
	long_names(names);
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++)
		recs[n++] = rec_of(singles[i].owner, singles[i].type, singles[i].opaque,
				   bytes_str(singles[i].rdata));
	put_rrsig(&rdata, names[1], 600);
	recs[n++] = with_rdata(names[0], 46, RDATA_WIRE, &rdata);
	recs[n++] = with_rdata(names[2], 65280, RDATA_WIRE, &rdata);
	assert_true(n <= sizeof(recs) / sizeof(recs[0]));
	struct rows rows = {0};
	for (size_t i = 0; i < n; i++)
		rows_add(&rows, &recs[i]);
	for (size_t i = 0; i < rows.n; i++) {
		struct bytes key = rows.row[i].key,
			     whole = rows.row[i].whole ? rows.row[i].of->rdata : (struct bytes){0};
		for (size_t cut = 0; cut < key.n; cut++)
			decode_exact(bytes_of(key.p, cut), whole, &r);
		for (int k = 0; k < 3000; k++) {
			buffer_clear(&changed);
			buffer_put_bytes(&changed, key);
			for (uint64_t times = 1 + random_below(3); times; times--) {
				size_t at = random_below(changed.n);
				if (random_below(4) == 0) { /* an octet more or less */
					size_t from = random_below(changed.n);
					buffer_put_byte(&changed, 0);
					memmove(changed.p + at, changed.p + from,
						changed.n - 1 - (at > from ? at : from));
					changed.n -= 1 + random_below(2);
				} else {
					changed.p[at] =
						(uint8_t)(random_below(2) ? random_below(7)
									  : random_below(256));
				}
				if (!changed.n)
					break;
			}
			decode_exact(buffer_bytes(&changed),
				     random_below(2) ? whole : bytes_of(NULL, 0), &r);
		}
	}
	for (int k = 0; k < 200000; k++) { /* rubbish */
		uint8_t octets[40];
		size_t len = random_below(sizeof(octets));
		for (size_t i = 0; i < len; i++)
			octets[i] =
				(uint8_t)(random_below(3) ? random_below(8) : random_below(256));
		if (len)
			octets[0] = (uint8_t) "46nxn"[random_below(5)];
		decode_exact(bytes_of(octets, len), bytes_of(NULL, 0), &r);
	}
	free(rows.row);
	buffer_release(&changed);
	buffer_release(&rdata);
}

static void names_that_are_too_long_are_corrupt(void **ctx)
{
	struct buffer key = BUFFER_INIT;
	struct record r;
	(void)ctx;
	for (int labels = 3; labels < 8; labels++) {
		for (int len = 59; len < 66; len++) {
			for (int last = 0; last < 400; last += last < 70 ? 1 : 111) {
				buffer_clear(&key);
				buffer_put_byte(&key, SUBJECT_NAME);
				for (int i = 0; i < labels; i++) {
					for (int k = 0; k < len; k++)
						buffer_put_byte(&key, 'a');
					buffer_put_byte(&key, 1);
				}
				for (int k = 0; k < last; k++)
					buffer_put_byte(&key, 'b');
				buffer_put_byte(&key, 0);
				key_put_type(&key, RRTYPE_A);
				struct buffer row = BUFFER_INIT;
				key_put_owner_row(&row, name_of("x"), RRTYPE_A, RDATA_WIRE,
						  bytes_of("\1\2\3\4", 4));
				size_t behind = key_subject_len(buffer_bytes(&row)) + 1;
				buffer_put(&key, row.p + behind, row.n - behind);
				int rc = decode_exact(buffer_bytes(&key), bytes_of(NULL, 0), &r);
				bool fits = len <= 63 && last >= 1 && last <= 63 &&
					    labels * (len + 1) + last + 2 <= DNAME_MAX;
				assert_int_equal(rc, fits ? 0 : ERR_CORRUPT);
				buffer_release(&row);
			}
		}
	}
	buffer_release(&key);
}

static void what_follows_a_row_is_corrupt(void **ctx)
{
	struct record r;
	(void)ctx;
	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]); i++) {
		struct rec rec = rec_of(singles[i].owner, singles[i].type, singles[i].opaque,
					bytes_str(singles[i].rdata));
		struct rows rows = rows_of(&rec);
		for (size_t k = 1; k < rows.n; k++) {
			static const char *const tails[] = {"\0",   "\0x",   "\1",   "\2",
							    "\1\0", "\1\1x", "\2\4", "\2\0"};
			static const size_t sizes[] = {1, 2, 1, 1, 2, 3, 2, 2};
			for (size_t t = 0; t < 8; t++) {
				struct buffer longer = BUFFER_INIT;
				buffer_put_bytes(&longer, rows.row[k].key);
				buffer_put(&longer, tails[t], sizes[t]);
				assert_int_equal(
					decode_exact(buffer_bytes(&longer), bytes_of(NULL, 0), &r),
					ERR_CORRUPT);
				buffer_release(&longer);
			}
		}
		free(rows.row);
	}
}

static int begin(void **ctx)
{
	(void)ctx;
	state = 1;
	arena_clear(&arena);
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, begin)
	const struct CMUnitTest tests[] = {
		TEST(rows_lie_under_what_the_data_names),
		TEST(names_of_255_octets),
		TEST(long_data_is_cut_and_comes_back),
		TEST(other_records_have_other_keys),
		TEST(a_cut_cannot_be_forged),
		TEST(texts_become_subjects),
		TEST(other_texts_are_other_subjects),
		TEST(the_cut_of_a_text_cannot_be_forged),
		TEST(types_are_ordered_by_mnemonic),
		TEST(names_are_ordered_from_the_root),
		TEST(rows_are_ordered_under_their_subject),
		TEST(a_prefix_stands_for_exactly_one_rdata),
		TEST(the_first_answer_that_is_not_zero_ends_it),
		TEST(damaged_keys_are_no_crash),
		TEST(names_that_are_too_long_are_corrupt),
		TEST(what_follows_a_row_is_corrupt),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	parser = rdata_parser_new();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	rdata_parser_free(parser);
	arena_release(&arena);
	return failed;
}
