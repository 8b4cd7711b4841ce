/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The types: one table, alphabetical by mnemonic (IANA, DNS parameters). */
#include "model/rrtype.h"

#include <string.h>

/* A type's rank is its place here, from 1: it is part of stored keys and documented in dribble-keys(5). Never
 * insert, remove or reorder within a version of the key layout: what IANA adds goes to `later`. */
static const struct {
	char name[12];
	uint16_t type;
} ranked[] = {
	{"A", 1},          {"A6", 38},       {"AAAA", 28},       {"AFSDB", 18},   {"AMTRELAY", 260},
	{"APL", 42},       {"ATMA", 34},     {"AVC", 258},       {"CAA", 257},    {"CDNSKEY", 60},
	{"CDS", 59},       {"CERT", 37},     {"CNAME", 5},       {"CSYNC", 62},   {"DHCID", 49},
	{"DLV", 32769},    {"DNAME", 39},    {"DNSKEY", 48},     {"DOA", 259},    {"DS", 43},
	{"DSYNC", 66},     {"EID", 31},      {"EUI48", 108},     {"EUI64", 109},  {"GID", 102},
	{"GPOS", 27},      {"HINFO", 13},    {"HIP", 55},        {"HTTPS", 65},   {"IPSECKEY", 45},
	{"ISDN", 20},      {"KEY", 25},      {"KX", 36},         {"L32", 105},    {"L64", 106},
	{"LOC", 29},       {"LP", 107},      {"MB", 7},          {"MD", 3},       {"MF", 4},
	{"MG", 8},         {"MINFO", 14},    {"MR", 9},          {"MX", 15},      {"NAPTR", 35},
	{"NID", 104},      {"NIMLOC", 32},   {"NINFO", 56},      {"NS", 2},       {"NSAP", 22},
	{"NSAP-PTR", 23},  {"NSEC", 47},     {"NSEC3", 50},      {"NSEC3PARAM", 51}, {"NULL", 10},
	{"NXT", 30},       {"OPENPGPKEY", 61}, {"PTR", 12},      {"PX", 26},      {"RESINFO", 261},
	{"RKEY", 57},      {"RP", 17},       {"RRSIG", 46},      {"RT", 21},      {"SIG", 24},
	{"SINK", 40},      {"SMIMEA", 53},   {"SOA", 6},         {"SPF", 99},     {"SRV", 33},
	{"SSHFP", 44},     {"SVCB", 64},     {"TA", 32768},      {"TALINK", 58},  {"TLSA", 52},
	{"TXT", 16},       {"UID", 101},     {"UINFO", 100},     {"UNSPEC", 103}, {"URI", 256},
	{"WALLET", 262},   {"WKS", 11},      {"X25", 19},        {"ZONEMD", 63},
};

static const struct {
	char name[12];
	uint16_t type;
} later[] = {
	{"HHIT", 67}, {"BRID", 68}, {"CLA", 263}, {"IPN", 264}, {"NXNAME", 128},
	/* not history, but read */
	{"OPT", 41}, {"TKEY", 249}, {"TSIG", 250}, {"IXFR", 251}, {"AXFR", 252}, {"MAILB", 253},
	{"MAILA", 254}, {"ANY", 255},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Rank by type for the types below 264, filled before main: a record is printed and keyed by it. */
static uint8_t rank_of_low[264];

__attribute__((constructor)) static void fill_ranks(void)
{
	for (size_t i = 0; i < COUNT(ranked); i++) {
		if (ranked[i].type < COUNT(rank_of_low))
			rank_of_low[ranked[i].type] = (uint8_t)(i + 1);
	}
}

uint8_t rrtype_rank(uint16_t type)
{
	if (type < COUNT(rank_of_low))
		return rank_of_low[type];
	for (size_t i = 0; i < COUNT(ranked); i++) {
		if (ranked[i].type == type)
			return (uint8_t)(i + 1);
	}
	return 0;
}

int rrtype_of_rank(uint8_t rank)
{
	return rank >= 1 && rank <= COUNT(ranked) ? ranked[rank - 1].type : -1;
}

const char *rrtype_mnemonic(uint16_t type)
{
	uint8_t rank = rrtype_rank(type);
	if (rank)
		return ranked[rank - 1].name;
	for (size_t i = 0; i < COUNT(later); i++) {
		if (later[i].type == type)
			return later[i].name;
	}
	return NULL;
}

/* Decimal digits up to 65535. */
static bool number_from_text(struct bytes text, uint16_t *ret)
{
	uint32_t v = 0;
	if (text.n < 1 || text.n > 5)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		v = v * 10 + (text.p[i] - '0');
	}
	if (v > 65535)
		return false;
	*ret = (uint16_t)v;
	return true;
}

/* Compares with an upper-case name, letter case aside. */
static int compare(struct bytes text, const char *name)
{
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i] >= 'a' && text.p[i] <= 'z' ? text.p[i] - 0x20 : text.p[i];
		if (c != (uint8_t)name[i] || !c) /* a NUL in the text is no end */
			return c < (uint8_t)name[i] ? -1 : 1;
	}
	return name[text.n] ? -1 : 0;
}

bool rrtype_from_text(struct bytes text, uint16_t *ret_type)
{
	if (!text.n || text.n > 11)
		return false;
	size_t lo = 0, hi = COUNT(ranked);
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;
		int c = compare(text, ranked[mid].name);
		if (c == 0) {
			*ret_type = ranked[mid].type;
			return true;
		}
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	for (size_t i = 0; i < COUNT(later); i++) {
		if (compare(text, later[i].name) == 0) {
			*ret_type = later[i].type;
			return true;
		}
	}
	if (text.n > 4 && compare(bytes_of(text.p, 4), "TYPE") == 0)
		return number_from_text(bytes_of(text.p + 4, text.n - 4), ret_type);
	return number_from_text(text, ret_type);
}

void rrtype_to_text(uint16_t type, struct buffer *out)
{
	const char *name = rrtype_mnemonic(type);
	if (name)
		buffer_put_str(out, name);
	else
		buffer_putf(out, "TYPE%u", type);
}

bool rrtype_is_meta(uint16_t type)
{
	return type == 0 || type == 41 || type == 128 || (type >= 249 && type <= 255);
}
