/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Exclude and only lists.
 *
 * Each kind of list has two sets of octet strings: names in wire form, and blocks as family, length
 * and address. A question walks over what could be in a set: the ends of a name, the starts of an
 * address that are as long as some rule. This is asked of every observation of an import, and the
 * answer is nearly always no, so what says no comes in the order of its price: whether a rule has
 * that many octets and so long a first label, or any block lies in that /16; a filter of 64-bit
 * words, small enough for the processor's cache also with a million rules; the table.
 */
#include "ingest/exclusion.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/dname.h"
#include "model/rdata.h"
#include "model/rrtype.h"

enum {
	LABELS_MAX = 128,        /* of a name, the root's counted */
	RULE_TEXT_MAX = 4 * 255, /* a name with every octet escaped */
	FILTER_BITS_PER_RULE = 16,
	BLOCK_KEY_MAX = 32, /* 2 + 16, and room: gcc thinks at -O3 that hashing reads further */
};

struct set {
	struct buffer octets; /* of all strings, each behind its length */
	uint64_t *at;         /* where each begins in octets; owned */
	size_t n, cap;
	/* Made by set_seal. */
	uint64_t *table; /* upper half of the hash, index + 1 in the lower half; owned */
	size_t table_mask;
	uint64_t *filter; /* owned */
	size_t filter_mask;
};

struct rules {
	bool any; /* a list of this kind was given */
	struct set names;
	unsigned most_labels;              /* of a rule */
	uint64_t shapes[LABEL_MAX + 1][4]; /* by octets of the first label, a bit for the octets of
					      a name that some rule has */
	struct set blocks;
	uint64_t v4_blocks[1024]; /* a bit for each /16 in which some block lies, or that lies in
				     one */
	uint8_t v4[33], v6[129];  /* prefix lengths that some rule has, ascending */
	unsigned n_v4, n_v6;
};

struct exclusion {
	struct rules kinds[2]; /* by enum exclusion_kind */
	size_t n;
};

/* --- sets --- */

static void set_release(struct set *s)
{
	buffer_release(&s->octets);
	free(s->at);
	free(s->table);
	free(s->filter);
}

static void set_add(struct set *s, struct bytes key)
{
	if (s->n == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 16;
		s->at = xrealloc(s->at, s->cap * sizeof(*s->at));
	}
	s->at[s->n++] = s->octets.n;
	buffer_put_byte(&s->octets, (uint8_t)key.n);
	buffer_put_bytes(&s->octets, key);
}

static inline struct bytes set_key(const struct set *s, size_t i)
{
	const uint8_t *p = s->octets.p + s->at[i];
	return bytes_of(p + 1, *p);
}

static inline uint64_t load8(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load4(const uint8_t *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

/* Most keys are short: a multiplication is enough to spread them, and costs less than a hash for
 * all purposes. */
static inline uint64_t key_hash(const uint8_t *p, size_t n)
{
	uint64_t a, b;
	if (n > 16)
		return hash64(p, n);
	if (n >= 8) {
		a = load8(p);
		b = load8(p + n - 8);
	} else if (n >= 4) {
		a = load4(p);
		b = load4(p + n - 4);
	} else {
		a = n ? p[0] | p[n / 2] << 8 | p[n - 1] << 16 : 0;
		b = 0;
	}
	__uint128_t m = (__uint128_t)(a ^ 0x9e3779b97f4a7c15u ^ n) * (b ^ 0xe7037ed1a0b428dbu);
	return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static inline uint64_t filter_bits(uint64_t hash)
{
	return (uint64_t)1 << (hash >> 58) | (uint64_t)1 << (hash >> 52 & 63) |
	       (uint64_t)1 << (hash >> 46 & 63);
}

static __attribute__((noinline)) bool set_find(const struct set *s, struct bytes key, uint64_t hash)
{
	for (size_t at = hash & s->table_mask; s->table[at]; at = (at + 1) & s->table_mask) {
		uint64_t slot = s->table[at];
		if (slot >> 32 == hash >> 32 && bytes_eq(set_key(s, (uint32_t)slot - 1), key))
			return true;
	}
	return false;
}

static inline bool set_has(const struct set *s, const uint8_t *p, size_t n)
{
	uint64_t hash = key_hash(p, n), bits = filter_bits(hash);
	return (s->filter[hash & s->filter_mask] & bits) == bits &&
	       set_find(s, bytes_of(p, n), hash);
}

static size_t power_of_two(size_t least)
{
	size_t n = 8;
	while (n < least)
		n *= 2;
	return n;
}

static void set_seal(struct set *s)
{
	size_t slots = power_of_two(2 * s->n),
	       words = power_of_two(s->n * FILTER_BITS_PER_RULE / 64);
	if (!s->n)
		return;
	free(s->table);
	free(s->filter);
	s->table = xcalloc(slots, sizeof(*s->table));
	s->filter = xcalloc(words, sizeof(*s->filter));
	s->table_mask = slots - 1;
	s->filter_mask = words - 1;
	for (size_t i = 0; i < s->n; i++) {
		struct bytes key = set_key(s, i);
		uint64_t hash = key_hash(key.p, key.n);
		if (set_find(s, key, hash))
			continue; /* given twice */
		size_t at = hash & s->table_mask;
		while (s->table[at])
			at = (at + 1) & s->table_mask;
		s->table[at] = hash >> 32 << 32 | (uint32_t)(i + 1);
		s->filter[hash & s->filter_mask] |= filter_bits(hash);
	}
}

/* --- rules --- */

struct exclusion *exclusion_new(void)
{
	return xcalloc(1, sizeof(struct exclusion));
}

void exclusion_free(struct exclusion *x)
{
	if (!x)
		return;
	for (int kind = 0; kind < 2; kind++) {
		set_release(&x->kinds[kind].names);
		set_release(&x->kinds[kind].blocks);
	}
	free(x);
}

static unsigned count_labels(const uint8_t *name)
{
	unsigned n = 0;
	for (; *name; name += *name + 1u)
		n++;
	return n;
}

/* Puts the first bits of an address, and how many, as the set of blocks has them. */
static size_t block_key(const uint8_t *address, size_t size, unsigned bits,
			uint8_t key[static BLOCK_KEY_MAX])
{
	size_t whole = bits / 8;
	key[0] = (uint8_t)size;
	key[1] = (uint8_t)bits;
	memcpy(key + 2, address, whole);
	if (bits % 8)
		key[2 + whole] = (uint8_t)(address[whole] & 0xff << (8 - bits % 8));
	return 2 + whole + (bits % 8 ? 1 : 0);
}

static bool is_number(struct bytes text, unsigned most, unsigned *ret)
{
	unsigned v = 0;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9' || v > most)
			return false;
		v = 10 * v + (unsigned)(text.p[i] - '0');
	}
	*ret = v;
	return text.n > 0 && v <= most;
}

static void add_length(uint8_t *lengths, unsigned *n, unsigned bits)
{
	unsigned at = 0;
	while (at < *n && lengths[at] < bits)
		at++;
	if (at < *n && lengths[at] == bits)
		return;
	memmove(lengths + at + 1, lengths + at, *n - at);
	lengths[at] = (uint8_t)bits;
	++*n;
}

/* 1: it is a block, or was meant to be one and e says what is wrong (negative); 0: it is none. */
static int add_block(struct rules *r, struct bytes text, struct err *e)
{
	char host[INET6_ADDRSTRLEN] = "";
	uint8_t address[16] = {0}, key[BLOCK_KEY_MAX];
	const uint8_t *slash = memchr(text.p, '/', text.n);
	size_t n = slash ? (size_t)(slash - text.p) : text.n;
	if (n >= sizeof(host) || memchr(text.p, 0, n))
		return 0;
	memcpy(host, text.p, n);
	size_t size = inet_pton(AF_INET, host, address) == 1    ? 4
		      : inet_pton(AF_INET6, host, address) == 1 ? 16
								: 0;
	unsigned bits = (unsigned)size * 8;
	if (!size)
		return 0;
	if (slash && !is_number(bytes_of(slash + 1, text.n - n - 1), bits, &bits))
		return err_set(e, ERR_SYNTAX, "the length of the block is not a number of 0 to %u",
			       (unsigned)size * 8);
	for (unsigned i = bits; i < size * 8; i++) {
		if (address[i / 8] >> (7 - i % 8) & 1)
			return err_set(e, ERR_SYNTAX,
				       "the address has bits behind the length of the block");
	}
	set_add(&r->blocks, bytes_of(key, block_key(address, size, bits, key)));
	if (size == 4) {
		unsigned first = (unsigned)address[0] << 8 | address[1];
		for (unsigned i = 0; i < 1u << (bits < 16 ? 16 - bits : 0); i++)
			r->v4_blocks[(first + i) / 64] |= (uint64_t)1 << (first + i) % 64;
		add_length(r->v4, &r->n_v4, bits);
	} else {
		add_length(r->v6, &r->n_v6, bits);
	}
	return 1;
}

/* Nobody has a top-level domain of digits: what looks like one was meant to be an address. */
static bool is_half_an_address(struct bytes text)
{
	size_t n = text.n && text.p[text.n - 1] == '.' ? text.n - 1 : text.n, at = n;
	if (memchr(text.p, ':', text.n))
		return true;
	while (at && text.p[at - 1] != '.')
		at--;
	for (size_t i = at; i < n; i++) {
		if ((text.p[i] < '0' || text.p[i] > '9') && text.p[i] != '/')
			return false;
	}
	return n > at;
}

static int add_name(struct rules *r, struct bytes text, struct err *e)
{
	uint8_t wire[DNAME_MAX];
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] == 0x7f)
			return err_set(e, ERR_SYNTAX, "more than one word");
		if (text.p[i] > 0x7f)
			return err_set(e, ERR_SYNTAX,
				       "not ASCII: write the name as DNS has it, with xn--");
	}
	if (bytes_has_prefix(text, bytes_str("*.")) || (text.n > 1 && text.p[0] == '.'))
		return err_set(e, ERR_SYNTAX,
			       "a name stands for all below it, too: write it without the %s",
			       text.p[0] == '*' ? "*." : "dot before it");
	if (is_half_an_address(text))
		return err_set(e, ERR_SYNTAX, "neither a name nor an address or block");
	int n = dname_from_text(text, wire);
	if (n < 0)
		return err_set(e, n,
			       n == ERR_LIMIT ? "the name is too long"
					      : "not a name: empty label or bad escape");
	unsigned labels = count_labels(wire);
	r->most_labels = labels > r->most_labels ? labels : r->most_labels;
	r->shapes[wire[0]][n / 64] |= (uint64_t)1 << n % 64;
	set_add(&r->names, bytes_of(wire, (size_t)n));
	return 0;
}

static struct bytes rule_of(struct bytes line)
{
	const uint8_t *hash = memchr(line.p, '#', line.n);
	if (hash)
		line.n = (size_t)(hash - line.p);
	while (line.n && (line.p[0] == ' ' || line.p[0] == '\t'))
		line = bytes_of(line.p + 1, line.n - 1);
	while (line.n && strchr(" \t\r", line.p[line.n - 1]) && line.p[line.n - 1])
		line.n--;
	return line;
}

static int add_rule(struct exclusion *x, struct rules *r, struct bytes text, struct err *e)
{
	if (x->n == EXCLUSION_RULES_MAX)
		return err_set(e, ERR_LIMIT, "more than %d rules", EXCLUSION_RULES_MAX);
	if (text.n > RULE_TEXT_MAX)
		return err_set(e, ERR_LIMIT, "the rule is over %d octets", RULE_TEXT_MAX);
	int rc = add_block(r, text, e);
	if (rc == 0)
		rc = add_name(r, text, e);
	if (rc < 0)
		return rc;
	x->n++;
	return 0;
}

int exclusion_parse(struct exclusion *x, enum exclusion_kind kind, const char *path,
		    struct bytes text, struct err *e)
{
	struct rules *r = &x->kinds[kind];
	size_t before = x->n;
	if (bytes_has_prefix(text, bytes_str("\xef\xbb\xbf")))
		text = bytes_of(text.p + 3, text.n - 3);
	for (unsigned number = 1; text.n; number++) {
		struct err why = {""};
		const uint8_t *lf = memchr(text.p, '\n', text.n);
		size_t n = lf ? (size_t)(lf - text.p) : text.n;
		struct bytes rule = rule_of(bytes_of(text.p, n));
		int rc = rule.n ? add_rule(x, r, rule, &why) : 0;
		if (rc < 0)
			return err_set(e, rc, "%s:%u: %s", path, number, why.text);
		text = bytes_of(text.p + n + (lf != NULL), text.n - n - (lf != NULL));
	}
	if (kind == EXCLUSION_ONLY && x->n == before)
		return err_set(e, ERR_SYNTAX,
			       "%s: an only list without a rule would keep out everything", path);
	r->any = true;
	return 0;
}

int exclusion_load(struct exclusion *x, enum exclusion_kind kind, const char *path, struct err *e)
{
	enum { STEP = 1 << 16 };
	struct buffer text = BUFFER_INIT;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
	ssize_t n = 1;
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	while (rc == 0 && n) {
		n = read(fd, buffer_reserve(&text, STEP), STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(e, errno, "%s", path);
		else
			text.n += (size_t)n;
		if (text.n > EXCLUSION_FILE_MAX)
			rc = err_set(e, ERR_LIMIT, "%s: over %zu octets", path, EXCLUSION_FILE_MAX);
	}
	close(fd);
	if (rc == 0)
		rc = exclusion_parse(x, kind, path, buffer_bytes(&text), e);
	buffer_release(&text);
	return rc;
}

void exclusion_seal(struct exclusion *x)
{
	for (int kind = 0; kind < 2; kind++) {
		set_seal(&x->kinds[kind].names);
		set_seal(&x->kinds[kind].blocks);
	}
}

/* --- questions --- */

/* Whether a block of the rules holds the first `bits` bits of an address, all of it. */
static bool has_block(const struct rules *r, const uint8_t *address, size_t size, unsigned bits)
{
	const uint8_t *lengths = size == 4 ? r->v4 : r->v6;
	unsigned n = size == 4 ? r->n_v4 : r->n_v6;
	uint8_t key[BLOCK_KEY_MAX];
	if (size == 4 && bits >= 16 &&
	    !(r->v4_blocks[address[0] << 2 | address[1] >> 6] >> (address[1] & 63) & 1))
		return false;
	for (unsigned i = 0; i < n && lengths[i] <= bits; i++) {
		if (set_has(&r->blocks, key, block_key(address, size, lengths[i], key)))
			return true;
	}
	return false;
}

/* A name with where its labels begin; label 0 is the first, the root is the last. */
struct walk {
	struct bytes name;
	uint8_t at[LABELS_MAX];
	unsigned labels; /* without the root */
};

static inline void walk_begin(struct walk *w, struct bytes name)
{
	w->name = name;
	w->labels = 0;
	for (size_t at = 0; name.p[at] && w->labels < LABELS_MAX - 1; at += name.p[at] + 1u)
		w->at[w->labels++] = (uint8_t)at;
	w->at[w->labels] = (uint8_t)(name.n - 1);
}

static int nibble(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The address, or the start of one, that a reverse name stands for: its octets, and how many bits
 * are said. 0 when it is none. */
static size_t reverse_address(const struct walk *w, uint8_t address[static 16], unsigned *ret_bits)
{
	static const uint8_t in_addr[] = "\7in-addr\4arpa", ip6[] = "\3ip6\4arpa";
	const uint8_t *p = w->name.p;
	unsigned left = w->labels;
	if (left < 3 || w->name.n - w->at[left - 1] != 6 ||
	    memcmp(p + w->at[left - 1], "\4arpa", 6) != 0)
		return 0;
	const uint8_t *zone = p + w->at[left -= 2];
	size_t size = memcmp(zone, ip6, 5) == 0                     ? 16
		      : *zone == 7 && memcmp(zone, in_addr, 9) == 0 ? 4
								    : 0;
	unsigned step = size == 4 ? 8 : 4, bits = 0, octet;
	memset(address, 0, 16);
	while (size && left && bits < size * 8) {
		const uint8_t *label = p + w->at[--left];
		if (size == 4 && *label <= 3 && is_number(bytes_of(label + 1, *label), 255, &octet))
			address[bits / 8] = (uint8_t)octet;
		else if (size == 16 && *label == 1 && nibble(label[1]) >= 0)
			address[bits / 8] |= (uint8_t)(nibble(label[1]) << (bits % 8 ? 0 : 4));
		else
			break;
		bits += step;
	}
	*ret_bits = bits;
	return bits ? size : 0;
}

static bool has_name(const struct rules *r, const struct walk *w)
{
	unsigned most = w->labels < r->most_labels ? w->labels : r->most_labels;
	for (unsigned n = 0; r->names.n && n <= most; n++) {
		const uint8_t *p = w->name.p + w->at[w->labels - n];
		size_t octets = (size_t)(w->name.p + w->name.n - p);
		if (r->shapes[*p][octets / 64] >> octets % 64 & 1 && set_has(&r->names, p, octets))
			return true;
	}
	uint8_t address[16];
	unsigned bits;
	size_t size = r->blocks.n ? reverse_address(w, address, &bits) : 0;
	return size && has_block(r, address, size, bits);
}

/* What an observation speaks of. */
struct subject {
	struct walk owner;
	struct term terms[TERMS_MAX];
	size_t n;
};

static bool has_subject(const struct rules *r, const struct subject *s)
{
	if (has_name(r, &s->owner))
		return true;
	for (size_t i = 0; i < s->n; i++) {
		const struct term *t = &s->terms[i];
		struct walk w;
		if (t->kind != TERM_NAME) {
			if (has_block(r, t->value.p, t->value.n, (unsigned)t->value.n * 8))
				return true;
			continue;
		}
		walk_begin(&w, t->value);
		if (has_name(r, &w))
			return true;
	}
	return false;
}

bool exclusion_refuses(const struct exclusion *x, const struct observation *o)
{
	if (!x || !(x->kinds[EXCLUSION_EXCLUDE].any || x->kinds[EXCLUSION_ONLY].any))
		return false;
	struct subject s;
	walk_begin(&s.owner, o->owner);
	if (o->form == RDATA_WIRE && (o->rrtype == RRTYPE_A || o->rrtype == RRTYPE_AAAA)) {
		s.terms[0] =
			(struct term){o->rrtype == RRTYPE_A ? TERM_IPV4 : TERM_IPV6, o->rdata, 0};
		s.n = 1;
	} else {
		s.n = rdata_terms(o->rrtype, o->form, o->rdata, s.terms);
	}
	return has_subject(&x->kinds[EXCLUSION_EXCLUDE], &s) ||
	       (x->kinds[EXCLUSION_ONLY].any && !has_subject(&x->kinds[EXCLUSION_ONLY], &s));
}

bool exclusion_refuses_name(const struct exclusion *x, struct bytes name)
{
	struct walk w;
	if (!x || !x->kinds[EXCLUSION_EXCLUDE].any)
		return false;
	walk_begin(&w, name);
	return has_name(&x->kinds[EXCLUSION_EXCLUDE], &w);
}

/* Whether another rule holds all that this one of n labels holds. */
static bool is_below_another(const struct rules *r, struct walk *w)
{
	if (!w->labels)
		return false;
	struct walk above;
	walk_begin(&above, bytes_of(w->name.p + w->at[1], w->name.n - w->at[1]));
	return has_name(r, &above);
}

/* The reverse zone of the first bits of an address: whole labels. */
static size_t reverse_zone(const uint8_t *address, size_t size, unsigned bits,
			   uint8_t ret[static DNAME_MAX])
{
	char text[DNAME_MAX] = "";
	unsigned step = size == 4 ? 8 : 4;
	int at = 0;
	for (unsigned i = bits / step; i-- > 0;) {
		unsigned v = size == 4 ? address[i] : address[i / 2] >> (i % 2 ? 0 : 4) & 15;
		at += snprintf(text + at, sizeof(text) - (size_t)at, size == 4 ? "%u." : "%x.", v);
	}
	snprintf(text + at, sizeof(text) - (size_t)at, size == 4 ? "in-addr.arpa" : "ip6.arpa");
	int n = dname_from_text(bytes_str(text), ret);
	return n > 0 ? (size_t)n : 0;
}

static int block_zones(struct bytes block, int (*each)(void *ctx, struct bytes zone), void *ctx)
{
	size_t size = block.p[0];
	unsigned bits = block.p[1], step = size == 4 ? 8 : 4, last = (bits + step - 1) / step * step;
	uint8_t address[16] = {0}, zone[DNAME_MAX];
	int rc = 0;
	memcpy(address, block.p + 2, block.n - 2);
	for (unsigned i = 0; i < 1u << (last - bits) && rc == 0; i++) {
		uint8_t own[16];
		memcpy(own, address, sizeof(own));
		if (last)
			own[(last - 1) / 8] |= (uint8_t)(i << (last % 8 ? 8 - last % 8 : 0));
		rc = each(ctx, bytes_of(zone, reverse_zone(own, size, last, zone)));
	}
	return rc;
}

int exclusion_zones(const struct exclusion *x, int (*each)(void *ctx, struct bytes zone), void *ctx)
{
	int rc = 0;
	if (!x)
		return 0;
	const struct rules *r = &x->kinds[EXCLUSION_EXCLUDE];
	for (size_t i = 0; i < r->names.n && rc == 0; i++) {
		struct walk w;
		walk_begin(&w, set_key(&r->names, i));
		if (!is_below_another(r, &w))
			rc = each(ctx, w.name);
	}
	for (size_t i = 0; i < r->blocks.n && rc == 0; i++)
		rc = block_zones(set_key(&r->blocks, i), each, ctx);
	return rc;
}
