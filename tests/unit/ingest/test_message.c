/* SPDX-License-Identifier: GPL-3.0-or-later */
/* DNS messages: every rule of ingest/message.h, on messages made by hand. */
#include "ingest/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/err.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

enum { IN = 1, QR = 0x8000, TC = 0x0200, NXDOMAIN = 3 };

/* --- making messages --- */

struct made {
	struct buffer b;
	unsigned section; /* 0: questions */
};

static void u16(struct made *m, unsigned v)
{
	buffer_put_byte(&m->b, (uint8_t)(v >> 8));
	buffer_put_byte(&m->b, (uint8_t)v);
}

static void begin(struct made *m, unsigned flags)
{
	*m = (struct made){.b = BUFFER_INIT};
	u16(m, 0x1234);
	u16(m, flags);
	for (int i = 0; i < 4; i++)
		u16(m, 0);
}

/* Octets as they are: text with ~N for a pointer to place N (ended by a blank), | before a label,
 * whose length is put. */
static void put(struct made *m, const char *text)
{
	while (*text) {
		if (*text == '~') {
			u16(m, 0xc000 | (unsigned)strtoul(text + 1, (char **)(uintptr_t)&text, 10));
			text += *text == ' ';
		} else if (*text == '|') {
			size_t n = strcspn(++text, "|~^");
			buffer_put_byte(&m->b, (uint8_t)n);
			buffer_put(&m->b, text, n);
			text += n;
		} else { /* ^: the root */
			buffer_put_byte(&m->b, 0);
			text++;
		}
	}
}

static void count(struct made *m, unsigned section)
{
	uint8_t *p = m->b.p + 4 + 2 * section;
	unsigned n = (unsigned)(p[0] << 8 | p[1]) + 1;
	p[0] = (uint8_t)(n >> 8);
	p[1] = (uint8_t)n;
}

static void question(struct made *m, const char *name, unsigned type)
{
	put(m, name);
	u16(m, type);
	u16(m, IN);
	count(m, 0);
}

/* Begins a record; what is put until rr_end is its rdata. */
static size_t rr_begin(struct made *m, unsigned section, const char *owner, unsigned type,
		       unsigned class)
{
	put(m, owner);
	u16(m, type);
	u16(m, class);
	u16(m, 0);
	u16(m, 300);
	u16(m, 0);
	count(m, section);
	return m->b.n;
}

static void rr_end(struct made *m, size_t at)
{
	m->b.p[at - 2] = (uint8_t)((m->b.n - at) >> 8);
	m->b.p[at - 1] = (uint8_t)(m->b.n - at);
}

static void rr(struct made *m, unsigned section, const char *owner, unsigned type,
	       const void *rdata, size_t n)
{
	size_t at = rr_begin(m, section, owner, type, IN);
	buffer_put(&m->b, rdata, n);
	rr_end(m, at);
}

/* Rdata of names alone. */
static void rr_name(struct made *m, unsigned section, const char *owner, unsigned type,
		    const char *name)
{
	size_t at = rr_begin(m, section, owner, type, IN);
	put(m, name);
	rr_end(m, at);
}

static void rr_a(struct made *m, unsigned section, const char *owner, unsigned last)
{
	uint8_t address[] = {192, 0, 2, (uint8_t)last};
	rr(m, section, owner, RRTYPE_A, address, 4);
}

/* --- what comes of them --- */

struct log {
	struct buffer text;
	unsigned observed;
	int answer;
};

static int log_observe(void *ctx, const struct observation *o)
{
	struct log *l = ctx;
	l->observed++;
	assert_int_equal(o->seen.count, 1);
	assert_int_equal(o->seen.first_s, 1700000000);
	assert_int_equal(o->seen.last_s, 1700000000);
	assert_int_equal(o->seen.zone_last_s, 0);
	assert_int_equal(dname_wire_len(o->owner.p, o->owner.n), o->owner.n);
	dname_to_text(o->owner, &l->text);
	buffer_put_byte(&l->text, ' ');
	rrtype_to_text(o->rrtype, &l->text);
	buffer_put_byte(&l->text, ' ');
	if (o->form == RDATA_OPAQUE)
		buffer_put_byte(&l->text, '\'');
	rdata_to_text(o->rrtype, o->form, o->rdata, &l->text);
	buffer_put_byte(&l->text, '\n');
	return l->answer;
}

static int log_reject(void *ctx, uint64_t place, struct bytes input, const char *reason)
{
	fail_msg("message_take never rejects by itself");
	return 0;
}

static void log_left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct log *l = ctx;
	buffer_putf(&l->text, "%s %u\n", left_out_name(why), (unsigned)n);
}

static struct message_reader *reader;

/* The message alone on the heap: a read behind it is seen. Releases it. */
static void expect_of(struct made *m, const char *zone, const char *want)
{
	uint8_t wire[DNAME_MAX];
	struct log l = {.text = BUFFER_INIT};
	struct sink sink = {
		.observe = log_observe, .reject = log_reject, .left_out = log_left_out, .ctx = &l};
	struct message_context about = {.time_s = 1700000000};
	const char *reason = NULL;
	if (zone)
		about.zone = bytes_of(wire, (size_t)dname_from_text(bytes_str(zone), wire));
	uint8_t *copy = malloc(m->b.n);
	memcpy(copy, m->b.p, m->b.n);
	int rc = message_take(reader, bytes_of(copy, m->b.n), &about, &sink, &reason);
	free(copy);
	if (rc == ERR_SYNTAX) {
		assert_int_equal(l.text.n, 0); /* nothing of it was seen */
		buffer_put_str(&l.text, reason);
	} else {
		assert_int_equal(rc, 0);
	}
	buffer_put_byte(&l.text, '\0');
	assert_string_equal((char *)l.text.p, want);
	buffer_release(&l.text);
	buffer_release(&m->b);
}

static void expect(struct made *m, const char *want)
{
	expect_of(m, NULL, want);
}

/* An answer to www.example.com A; the name is at 12, example.com at 16, com at 24, records begin
 * at 33. */
static void answer(struct made *m, unsigned flags)
{
	begin(m, QR | flags);
	question(m, "|www|example|com^", RRTYPE_A);
	assert_int_equal(m->b.n, 33);
}

#define TARGET_AT 45 /* of the rdata of the first record whose owner is a pointer */

static void test_plain(void **state)
{
	struct made m;
	answer(&m, 0);
	expect(&m, "");
	answer(&m, 0);
	rr_a(&m, 1, "~12", 1);
	expect(&m, "www.example.com A 192.0.2.1\n");
	/* spelled out, in capitals, all three sections; octets behind it */
	answer(&m, 0);
	rr_a(&m, 1, "|WWW|eXAMPLE|Com^", 1);
	rr_name(&m, 2, "~16", RRTYPE_NS, "|NS1~16");
	rr_a(&m, 3, "|ns1~16", 2);
	rr(&m, 3, "|ns1~16", RRTYPE_AAAA, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2", 16);
	put(&m, "|trailing");
	expect(&m, "www.example.com A 192.0.2.1\nexample.com NS ns1.example.com\nns1.example.com A "
		   "192.0.2.2\n"
		   "ns1.example.com AAAA 2001:db8::2\n");
	/* NXDOMAIN's SOA */
	answer(&m, NXDOMAIN);
	size_t at = rr_begin(&m, 2, "~16", RRTYPE_SOA, IN);
	put(&m, "|ns1~16 |root~16 ");
	for (unsigned i = 1; i <= 5; i++)
		u16(&m, 0), u16(&m, i);
	rr_end(&m, at);
	expect(&m, "example.com SOA ns1.example.com root.example.com 1 2 3 4 5\n");
	/* the root */
	begin(&m, QR);
	question(&m, "^", RRTYPE_NS);
	rr_name(&m, 1, "^", RRTYPE_NS, "|a^");
	expect(&m, ". NS a\n");
}

static void test_left_out_whole(void **state)
{
	static const struct {
		unsigned flags;
		const char *want;
	} cases[] = {
		{0, "question 1\n"},
		{QR | 1 << 11, "question 1\n"},
		{QR | 4 << 11, "question 1\n"},
		{QR | 5 << 11, "question 1\n"},
		{QR | 1, "rcode 1\n"},
		{QR | 2, "rcode 1\n"},
		{QR | 5, "rcode 1\n"},
		{QR | TC, "truncated 1\n"},
		{QR | TC | 3, "truncated 1\n"},
		{QR | TC | 5, "rcode 1\n"},
	};
	struct made m;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(&m, cases[i].flags);
		question(&m, "|a^", RRTYPE_A);
		rr_a(&m, 1, "~12", 1);
		expect(&m, cases[i].want);
	}
	begin(&m, QR); /* no question, as in mDNS */
	rr_a(&m, 1, "|a^", 1);
	expect(&m, "question 1\n");
	begin(&m, QR);
	question(&m, "|a^", 251); /* IXFR */
	rr_a(&m, 1, "~12", 1);
	expect(&m, "question 1\n");
	begin(&m, QR);
	question(&m, "|a^", RRTYPE_A);
	question(&m, "|b^", RRTYPE_A);
	expect(&m, "more than one question");
}

static void opt(struct made *m, unsigned rcode_high)
{
	size_t at = rr_begin(m, 3, "^", 41, 1232);
	rr_end(m, at);
	m->b.p[at - 6] = (uint8_t)rcode_high;
}

static void test_left_out_records(void **state)
{
	struct made m;
	answer(&m, 0);
	rr_a(&m, 1, "~12", 1);
	opt(&m, 0);
	expect(&m, "www.example.com A 192.0.2.1\nmeta 1\n");
	answer(&m, 0); /* BADVERS */
	rr_a(&m, 1, "~12", 1);
	opt(&m, 1);
	expect(&m, "rcode 1\n");
	answer(&m, 0);
	rr_end(&m, rr_begin(&m, 1, "~12", 255, IN));
	rr(&m, 1, "~12", 0, "x", 1);
	rr_end(&m, rr_begin(&m, 3, "~12", 250, 255));
	expect(&m, "meta 3\n");
	/* CH, and mDNS's flush bit: whatever their rdata */
	answer(&m, 0);
	rr_end(&m, rr_begin(&m, 1, "~12", RRTYPE_TXT, 3));
	rr_end(&m, rr_begin(&m, 1, "~12", RRTYPE_A, 0x8001));
	rr_a(&m, 1, "~12", 1);
	expect(&m, "www.example.com A 192.0.2.1\nclass 2\n");
}

static void test_chains(void **state)
{
	struct made m;
	answer(&m, 0);
	rr_name(&m, 1, "~12", RRTYPE_CNAME, "|a^"); /* its target is at TARGET_AT */
	rr_name(&m, 1, "|A^", RRTYPE_CNAME, "|b^");
	rr_a(&m, 1, "|b^", 1);
	rr_a(&m, 1, "|c^", 2);
	expect(&m, "www.example.com CNAME a\na CNAME b\nb A 192.0.2.1\nbailiwick 1\n");
	/* in any order */
	answer(&m, 0);
	rr_a(&m, 1, "|b^", 1);
	rr_name(&m, 1, "|a^", RRTYPE_CNAME, "|b^");
	rr_name(&m, 1, "~12", RRTYPE_CNAME, "|a^");
	expect(&m, "b A 192.0.2.1\na CNAME b\nwww.example.com CNAME a\n");
	/* round and round */
	answer(&m, 0);
	rr_name(&m, 1, "~12", RRTYPE_CNAME, "|a^");
	rr_name(&m, 1, "|a^", RRTYPE_CNAME, "~12");
	rr_name(&m, 1, "|b^", RRTYPE_CNAME, "|b^");
	expect(&m, "www.example.com CNAME a\na CNAME www.example.com\nbailiwick 1\n");
	/* what does not begin at the question */
	answer(&m, 0);
	rr_name(&m, 1, "|a^", RRTYPE_CNAME, "|b^");
	rr_a(&m, 1, "|b^", 1);
	rr_a(&m, 1, "~16", 1);
	rr_a(&m, 3, "|elsewhere^", 1);
	expect(&m, "elsewhere A 192.0.2.1\nbailiwick 3\n");
}

static void test_dname(void **state)
{
	struct made m;
	answer(&m, 0);
	rr_name(&m, 1, "~16", RRTYPE_DNAME, "|d|net^");
	rr(&m, 1, "~16", 46, "\0\x27\5\2\0\0\0\0\0\0\0\1\0\0\0\1\0\1\0sig", 22);
	rr_name(&m, 1, "~12", RRTYPE_CNAME, "|www|d|net^");
	rr_a(&m, 1, "|www|d|net^", 1);
	rr_a(&m, 1, "~16", 2); /* not asked for */
	expect(&m, "example.com DNAME d.net\nexample.com RRSIG DNAME 5 2 0 19700101000001 "
		   "19700101000001 1 . c2ln\n"
		   "www.example.com CNAME www.d.net\nwww.d.net A 192.0.2.1\nbailiwick 1\n");
	/* without the CNAME that servers make of it */
	answer(&m, 0);
	rr_name(&m, 1, "~16", RRTYPE_DNAME, "|d|net^");
	rr_a(&m, 1, "|www|d|net^", 1);
	expect(&m, "example.com DNAME d.net\nwww.d.net A 192.0.2.1\n");
	/* a DNAME speaks of what is below it only, by labels */
	answer(&m, 0);
	rr_name(&m, 1, "~12", RRTYPE_DNAME, "|d|net^");
	rr_a(&m, 1, "|d|net^", 1);
	rr_name(&m, 1, "|xample|com^", RRTYPE_DNAME, "|d|net^");
	expect(&m, "www.example.com DNAME d.net\nbailiwick 2\n");
	/* that of the root, and one whose names get too long */
	answer(&m, 0);
	rr_name(&m, 1, "^", RRTYPE_DNAME, "|d^");
	rr_a(&m, 1, "|www|example|com|d^", 1);
	expect(&m, ". DNAME d\nwww.example.com.d A 192.0.2.1\n");
	char label[64], name[256];
	memset(label, 'x', 63);
	label[63] = '\0';
	snprintf(name, sizeof(name), "|%.61s|%s|%s|%s^", label, label, label, label);
	answer(&m, 0);
	rr_name(&m, 1, "~16", RRTYPE_DNAME, name);
	rr_a(&m, 1, "~12", 1);
	snprintf(name, sizeof(name), "%.61s.%s.%s.%s", label, label, label, label);
	struct buffer want = BUFFER_INIT;
	buffer_putf(&want, "example.com DNAME %s\nwww.example.com A 192.0.2.1\n", name);
	buffer_put_byte(&want, 0);
	expect(&m, (char *)want.p);
	buffer_release(&want);
}

static void test_long_chains(void **state)
{
	struct made m;
	char from[16], to[16];
	struct log l = {.text = BUFFER_INIT};
	struct sink sink = {.observe = log_observe, .left_out = log_left_out, .ctx = &l};
	struct message_context about = {.time_s = 1700000000};
	const char *reason;
	answer(&m, 0);
	for (unsigned i = 0; i < 2000; i++) {
		snprintf(from, sizeof(from), "|n%u^", i);
		snprintf(to, sizeof(to), "|n%u^", i + 1);
		rr_name(&m, 1, i ? from : "~12", RRTYPE_CNAME, to);
	}
	assert_int_equal(message_take(reader, buffer_bytes(&m.b), &about, &sink, &reason), 0);
	assert_int_equal(l.observed, MESSAGE_CHAIN_MAX);
	buffer_release(&l.text);
	buffer_release(&m.b);
}

/* As many DNAMEs as fit, each of which could lead on from each name: read in no time and little
 * room. */
static void test_many_dnames(void **state)
{
	struct made m;
	char target[16];
	struct log l = {.text = BUFFER_INIT};
	struct sink sink = {.observe = log_observe, .left_out = log_left_out, .ctx = &l};
	struct message_context about = {.time_s = 1700000000};
	const char *reason;
	answer(&m, 0);
	for (unsigned i = 0; i < 3500; i++) {
		snprintf(target, sizeof(target), "|%u^", i % 1000);
		rr_name(&m, 1, "^", RRTYPE_DNAME, target);
	}
	rr_a(&m, 1, "|www|example|com|3^", 1);
	assert_int_equal(message_take(reader, buffer_bytes(&m.b), &about, &sink, &reason), 0);
	assert_int_equal(l.observed, 1001);
	buffer_release(&l.text);
	buffer_release(&m.b);
}

static void test_transfer(void **state)
{
	struct made m;
	begin(&m, QR);
	question(&m, "|example^", 252);
	rr_name(&m, 1, "~12", RRTYPE_NS, "|ns|elsewhere^");
	rr_a(&m, 1, "|www~12", 1);
	rr_a(&m, 1, "|ns|elsewhere^", 2);
	rr_name(&m, 1, "~12", RRTYPE_NS, "|ns|elsewhere^");
	expect(&m, "example NS ns.elsewhere\nwww.example A 192.0.2.1\nbailiwick 1\n");
}

static void in_zone(struct made *m)
{
	answer(m, 0);
	rr_name(m, 1, "~12", RRTYPE_CNAME, "|cdn|net^");
	rr_a(m, 1, "|cdn|net^", 1);
	rr_name(m, 2, "~16", RRTYPE_NS, "|ns|net^");
	rr_a(m, 3, "|ns|net^", 2);
	rr_a(m, 3, "|xexample|com^", 3);
}

static void test_zone(void **state)
{
	static const char all[] =
		"www.example.com CNAME cdn.net\ncdn.net A 192.0.2.1\nexample.com NS ns.net\n"
		"ns.net A 192.0.2.2\nxexample.com A 192.0.2.3\n";
	struct made m;
	in_zone(&m);
	expect(&m, all);
	in_zone(&m);
	expect_of(&m, ".", all);
	in_zone(&m);
	expect_of(&m, "example.com",
		  "www.example.com CNAME cdn.net\nexample.com NS ns.net\nbailiwick 3\n");
	in_zone(&m);
	expect_of(&m, "com",
		  "www.example.com CNAME cdn.net\nexample.com NS ns.net\nxexample.com A "
		  "192.0.2.3\nbailiwick 2\n");
	in_zone(&m);
	expect_of(&m, "other", "bailiwick 5\n");
}

static void test_once(void **state)
{
	struct made m;
	answer(&m, 0);
	rr_a(&m, 1, "~12", 1);
	rr_a(&m, 1, "|WWW~16", 1);
	rr_a(&m, 1, "~12", 2);
	rr_a(&m, 3, "~12", 2);
	rr(&m, 1, "~12", 65280, "\300\0\2\1", 4); /* another type with the same data */
	expect(&m, "www.example.com A 192.0.2.1\nwww.example.com A 192.0.2.2\nwww.example.com "
		   "TYPE65280 \\# 4 C0000201\n");
	/* many: a hash table */
	struct buffer want = BUFFER_INIT;
	answer(&m, 0);
	for (unsigned i = 0; i < 250; i++) {
		rr_a(&m, 1, "~12", i % 100);
		if (i < 100)
			buffer_putf(&want, "www.example.com A 192.0.2.%u\n", i);
	}
	for (unsigned i = 0; i < 60; i++)
		rr_a(&m, 3, i % 2 ? "~16" : "~24", 7);
	buffer_put_str(&want, "com A 192.0.2.7\nexample.com A 192.0.2.7\n");
	buffer_put_byte(&want, 0);
	expect(&m, (char *)want.p);
	buffer_release(&want);
}

static void test_compressed_rdata(void **state)
{
	static const struct {
		uint16_t type;
		const char *head; /* octets, head_n of them, in front of two names: one spelled and
				     one pointer */
		size_t head_n;
		unsigned names;
		const char *tail;
		size_t tail_n;
		const char *want;
	} cases[] = {
		{2, "", 0, 1, "", 0, "NS a.example.com"},
		{5, "", 0, 1, "", 0, "CNAME a.example.com"},
		{12, "", 0, 1, "", 0, "PTR a.example.com"},
		{3, "", 0, 1, "", 0, "MD a.example.com"},
		{4, "", 0, 1, "", 0, "MF a.example.com"},
		{7, "", 0, 1, "", 0, "MB a.example.com"},
		{8, "", 0, 1, "", 0, "MG a.example.com"},
		{9, "", 0, 1, "", 0, "MR a.example.com"},
		{14, "", 0, 2, "", 0, "MINFO a.example.com www.example.com"},
		{15, "\0\12", 2, 1, "", 0, "MX 10 a.example.com"},
		{17, "", 0, 2, "", 0, "RP a.example.com www.example.com"},
		{18, "\0\1", 2, 1, "", 0, "AFSDB 1 a.example.com"},
		{21, "\0\1", 2, 1, "", 0, "RT 1 a.example.com"},
		{26, "\0\1", 2, 2, "", 0, "PX 1 a.example.com www.example.com"},
		{33, "\0\1\0\2\1\273", 6, 1, "", 0, "SRV 1 2 443 a.example.com"},
		{35, "\0\1\0\2\1S\7SIP+D2U\0", 15, 1, "", 0,
		 "NAPTR 1 2 \"S\" \"SIP+D2U\" \"\" a.example.com"},
		{24, "\0\1\5\2\0\0\0\0\0\0\0\1\0\0\0\1\0\1", 18, 1, "sig", 3,
		 "SIG A 5 2 0 19700101000001 19700101000001 1 a.example.com c2ln"},
		{30, "", 0, 1, "\x40", 1, "NXT \\# 16 0161076578616D706C6503636F6D0040"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned cut = 0; cut < 3; cut++) {
			struct made m;
			char want[128];
			answer(&m, 0);
			size_t at = rr_begin(&m, 1, "~12", cases[i].type, IN);
			buffer_put(&m.b, cases[i].head, cases[i].head_n);
			put(&m, "|A~16 ");
			if (cases[i].names == 2)
				put(&m, "~12");
			buffer_put(&m.b, cases[i].tail, cases[i].tail_n);
			rr_end(&m, at);
			snprintf(want, sizeof(want), "www.example.com %s\n", cases[i].want);
			if (cut == 0) {
				expect(&m, want);
				continue;
			}
			/* one octet less, one more, of what is not open at its end */
			if (cut == 1 && !cases[i].tail_n)
				m.b.p[at - 1]--;
			else if (cut == 2 && !cases[i].tail_n)
				m.b.p[at - 1]++, buffer_put_byte(&m.b, 0);
			else
				m.b.p[at - 1] = 1;
			expect(&m, "rdata is not of its type");
		}
	}
}

static void test_rdata(void **state)
{
	struct made m;
	answer(&m, 0); /* TXT is cut anew */
	rr(&m, 1, "~12", RRTYPE_TXT, "\3abc", 4);
	rr(&m, 1, "~12", RRTYPE_TXT, "\1a\2bc", 5);
	rr(&m, 1, "~12", RRTYPE_TXT, "\0", 1);
	rr(&m, 1, "~12", RRTYPE_HTTPS, "\0\1\1T\0", 5);
	rr(&m, 1, "~12", 65280, "", 0);
	expect(&m,
	       "www.example.com TXT \"abc\"\nwww.example.com TXT \"\"\nwww.example.com HTTPS 1 t\n"
	       "www.example.com TYPE65280 \\# 0\n");
	/* not of their type, and nothing else suffers: kept as text */
	answer(&m, 0);
	rr(&m, 1, "~12", RRTYPE_TXT, "\4abc", 4);
	rr(&m, 1, "~12", RRTYPE_TXT, "", 0);
	rr(&m, 1, "~12", RRTYPE_HTTPS, "\0\1\0\0\5\0\0\0\1\0\0", 11); /* keys that descend */
	rr_name(&m, 1, "~12", RRTYPE_DNAME, "~16");                   /* may not be compressed */
	rr_a(&m, 1, "~12", 1);
	expect(&m, "www.example.com TXT '\\# 4 04616263\nwww.example.com TXT '\\# 0\n"
		   "www.example.com HTTPS '\\# 11 0001000005000000010000\nwww.example.com DNAME "
		   "'\\# 2 C010\n"
		   "www.example.com A 192.0.2.1\n");
	/* not of their type, and the message is not believed */
	answer(&m, 0);
	rr_a(&m, 1, "~12", 1);
	rr(&m, 3, "~12", RRTYPE_A, "\1\2\3\4\5", 5);
	expect(&m, "rdata is not of its type");
	answer(&m, 0);
	rr(&m, 1, "~12", RRTYPE_AAAA, "\1\2\3\4", 4);
	expect(&m, "rdata is not of its type");
	answer(&m, 0);
	rr(&m, 1, "~12", RRTYPE_A, "", 0);
	expect(&m, "rdata is not of its type");
	/* a name that runs out of its rdata into the next record */
	answer(&m, 0);
	rr(&m, 1, "~12", RRTYPE_NS, "\3ns", 3);
	rr_a(&m, 1, "~12", 1);
	expect(&m, "rdata is not of its type");
	/* NAPTR whose strings do */
	answer(&m, 0);
	rr(&m, 1, "~12", 35, "\0\1\0\2\1S\7SIP+D2U\377", 15);
	expect(&m, "rdata is not of its type");
	/* more than text can hold */
	static uint8_t big[40000];
	answer(&m, 0);
	rr(&m, 1, "~12", RRTYPE_HTTPS, big, sizeof(big));
	expect(&m, "rdata is not of its type");
}

static void test_names(void **state)
{
	static const char bad[] = "an owner's name is malformed or cut off";
	static const char *const owners[] = {
		"~33 ",            /* itself */
		"~35 ",            /* forward */
		"|a~33 ",          /* to its own label */
		"~0 ",     "~11 ", /* into the head */
		"~16383 ",         /* behind the end */
	};
	struct made m;
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		answer(&m, 0);
		rr_a(&m, 1, owners[i], 1);
		expect(&m, bad);
	}
	/* label types 01 and 10 */
	for (unsigned c = 0x40; c < 0xc0; c += 0x40) {
		answer(&m, 0);
		rr_a(&m, 1, "|a^", 1);
		m.b.p[33] = (uint8_t)c;
		expect(&m, bad);
	}
	/* two names that point at each other */
	begin(&m, QR);
	question(&m, "|a^", RRTYPE_A);
	rr_name(&m, 1, "|b~41 ", RRTYPE_NS, "~19 ");
	expect(&m, bad);
	/* pointers to pointers: as many as a name may have labels, and more */
	for (unsigned hops = 100; hops <= 200; hops += 100) {
		struct buffer want = BUFFER_INIT;
		answer(&m, 0);
		size_t at = rr_begin(&m, 1, "~12", 65280, IN);
		for (unsigned i = 0; i < hops; i++)
			u16(&m, 0xc000 | (i ? TARGET_AT + 2 * (i - 1) : 12));
		rr_end(&m, at);
		char owner[16];
		snprintf(owner, sizeof(owner), "~%u ", TARGET_AT + 2 * (hops - 1));
		rr_a(&m, 3, owner, 1);
		buffer_putf(&want, "www.example.com TYPE65280 \\# %u ", 2 * hops);
		for (unsigned i = 0; i < hops; i++)
			buffer_putf(&want, "C0%02X", i ? TARGET_AT + 2 * (i - 1) : 12);
		buffer_put_str(&want, "\nwww.example.com A 192.0.2.1\n");
		buffer_put_byte(&want, 0);
		expect(&m, hops == 100 ? (char *)want.p : bad);
		buffer_release(&want);
	}
}

static void test_name_sizes(void **state)
{
	/* 255 octets, and one more by a pointer's help */
	struct made m;
	char label[64], name[300];
	memset(label, 'L', 63);
	label[63] = '\0';
	for (unsigned more = 0; more < 2; more++) {
		struct buffer want = BUFFER_INIT;
		begin(&m, QR);
		snprintf(name, sizeof(name), "|%s|%s|%s^", label, label, label);
		question(&m, name, RRTYPE_A); /* 193 octets */
		snprintf(name, sizeof(name), "|%.*s~12", (int)(61 + more), label);
		rr_a(&m, 3, name, 1);
		for (int i = 0; i < 61; i++)
			buffer_put_byte(&want, 'l');
		for (int i = 0; i < 3; i++) {
			buffer_put_byte(&want, '.');
			for (int k = 0; k < 63; k++)
				buffer_put_byte(&want, 'l');
		}
		buffer_put_str(&want, " A 192.0.2.1\n");
		buffer_put_byte(&want, 0);
		expect(&m, more ? "an owner's name is malformed or cut off" : (char *)want.p);
		buffer_release(&want);
	}
	/* letters only are lowered, at every place of a word of eight */
	begin(&m, QR);
	question(&m, "|@AZ[`az{\xc1\xda|AbCdEfGhIjKlMnOpQ^", 65280);
	rr(&m, 1, "~12", 65280, "", 0);
	expect(&m, "\\@az[`az{\\193\\218.abcdefghijklmnopq TYPE65280 \\# 0\n");
}

/* Every message is whole or nothing, wherever it is cut. */
static void test_cut(void **state)
{
	struct made m;
	answer(&m, 0);
	rr_name(&m, 1, "~12", RRTYPE_CNAME, "|cdn~16 ");
	rr(&m, 1, "|cdn~16 ", RRTYPE_MX, "\0\1\1a\0", 5);
	rr(&m, 2, "~16", RRTYPE_TXT, "\3abc", 4);
	opt(&m, 0);
	for (size_t n = 0; n < m.b.n; n++) {
		struct log l = {.text = BUFFER_INIT};
		struct sink sink = {.observe = log_observe, .left_out = log_left_out, .ctx = &l};
		struct message_context about = {.time_s = 1700000000};
		const char *reason = NULL;
		uint8_t *copy = malloc(n + 1);
		memcpy(copy + 1, m.b.p, n);
		assert_int_equal(
			message_take(reader, bytes_of(copy + 1, n), &about, &sink, &reason),
			ERR_SYNTAX);
		assert_true(reason && *reason);
		assert_int_equal(l.text.n, 0);
		free(copy);
		buffer_release(&l.text);
	}
	expect(&m, "www.example.com CNAME cdn.example.com\ncdn.example.com MX 1 a\nexample.com TXT "
		   "\"abc\"\nmeta 1\n");
}

static void test_sink(void **state)
{
	struct log l = {.text = BUFFER_INIT, .answer = 7};
	struct sink sink = {.observe = log_observe, .ctx = &l}; /* left_out may be NULL */
	struct message_context about = {.time_s = 1700000000};
	const char *reason = NULL;
	struct made m;
	answer(&m, 0);
	rr_a(&m, 1, "~12", 1);
	rr_a(&m, 1, "~12", 2);
	opt(&m, 0);
	assert_int_equal(message_take(reader, buffer_bytes(&m.b), &about, &sink, &reason), 7);
	assert_int_equal(l.observed, 1);
	buffer_release(&l.text);
	buffer_release(&m.b);
}

static void test_head(void **state)
{
	struct message_head h = {.type = 77};
	struct made m;
	begin(&m, 5 << 11 | 9);
	question(&m, "|A|Bc^", RRTYPE_MX);
	assert_int_equal(message_head(bytes_of(m.b.p, 11), &h), ERR_SYNTAX);
	assert_int_equal(message_head(bytes_of(m.b.p, m.b.n - 1), &h), ERR_SYNTAX);
	assert_int_equal(h.type, 77);
	assert_int_equal(message_head(buffer_bytes(&m.b), &h), 0);
	assert_int_equal(h.id, 0x1234);
	assert_false(h.answer);
	assert_int_equal(h.opcode, 5);
	assert_int_equal(h.rcode, 9);
	assert_int_equal(h.questions, 1);
	assert_int_equal(h.name_n, 6);
	assert_memory_equal(h.name, "\1a\2bc\0", 6);
	assert_int_equal(h.type, RRTYPE_MX);
	assert_int_equal(h.class, IN);
	buffer_release(&m.b);
	begin(&m, QR);
	assert_int_equal(message_head(buffer_bytes(&m.b), &h), 0);
	assert_true(h.answer);
	assert_int_equal(h.questions, 0);
	assert_int_equal(h.name_n, 0);
	buffer_release(&m.b);
	begin(&m, QR);
	question(&m, "~12", RRTYPE_A);
	assert_int_equal(message_head(buffer_bytes(&m.b), &h), ERR_SYNTAX);
	buffer_release(&m.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_left_out_whole),
		cmocka_unit_test(test_left_out_records),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_dname),
		cmocka_unit_test(test_long_chains),
		cmocka_unit_test(test_many_dnames),
		cmocka_unit_test(test_transfer),
		cmocka_unit_test(test_zone),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_compressed_rdata),
		cmocka_unit_test(test_rdata),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_name_sizes),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_sink),
		cmocka_unit_test(test_head),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	reader = message_reader_new();
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	message_reader_free(reader);
	return rc;
}
