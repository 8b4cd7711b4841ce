/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every line is computed from its number, so that any of them can be made again. */
#include "cli/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	FLUSH = 1 << 20,
	DOMAINS = 150000,
	SHARED_ADDRESSES = 1 << 18,
};

/* A well-mixed number from a number (splitmix64). */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* In [0, 1). */
static double fraction(uint64_t h)
{
	return (double)(h >> 11) * 0x1p-53;
}

static void put_random(struct buffer *out, uint64_t h, unsigned n)
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	for (unsigned i = 0; i < n; i++) {
		buffer_put_byte(out, (uint8_t)alphabet[h % 36]);
		h = mix(h);
	}
}

/* One of the domains, those with low numbers more often. */
static void put_domain(struct buffer *out, uint64_t h)
{
	static const char *const heads[] = {"al", "be", "cor", "da", "en", "fi", "gra", "hu", "in", "jo", "ka", "lu",
	                                    "mar", "net", "o", "par", "qui", "ro", "sol", "te", "uni", "ver", "web", "za"};
	static const char *const middles[] = {"ba", "co", "di", "ga", "le", "ma", "ni", "po", "ra", "sha", "ti", "vo",
	                                      "lan", "ner", "ston", "ber", "tek", "ling"};
	static const char *const tails[] = {"", "cloud", "data", "group", "home", "it", "lab", "media", "net", "online",
	                                    "s", "shop", "soft", "tech", "24", "x", "travel", "-blog"};
	static const char *const tlds[] = {"com", "com", "com", "net", "org", "de", "fr", "lu", "ru", "cn", "co.uk", "nl",
	                                   "info", "io", "br", "xyz", "online", "eu", "com.au", "it"};
	double u = fraction(h);
	uint64_t d = mix((uint64_t)(DOMAINS * u * u));
	buffer_put_str(out, heads[d % 24]);
	buffer_put_str(out, middles[(d >> 8) % 18]);
	if (d >> 60 < 9)
		buffer_put_str(out, middles[(d >> 16) % 18]);
	buffer_put_str(out, tails[(d >> 24) % 18]);
	buffer_put_byte(out, '.');
	buffer_put_str(out, tlds[(d >> 32) % 20]);
}

static const char *host(uint64_t h)
{
	static const char *const hosts[] = {"www", "mail", "api", "cdn", "static", "img", "m", "blog", "shop", "dev",
	                                    "ftp", "smtp", "ns1", "ns2", "login", "portal", "vpn", "autodiscover", "app",
	                                    "test"};
	return hosts[h % 20];
}

static void put_name(struct buffer *out, uint64_t h)
{
	unsigned kind = h % 10;
	if (kind >= 2 && kind <= 5) {
		buffer_putf(out, "%s.", host(h >> 8));
	} else if (kind == 6 || kind == 7) {
		put_random(out, mix(h + 3), 6 + (unsigned)(h >> 20) % 10);
		buffer_put_byte(out, '.');
	} else if (kind == 8) {
		buffer_putf(out, "%s-%u.%s.", host(h >> 8), (unsigned)(h >> 16) % 5000, host(h >> 40));
	} else if (kind == 9) {
		put_random(out, mix(h + 5), 24);
		buffer_putf(out, ".%s.", host(h >> 8));
	}
	put_domain(out, mix(h));
}

static void put_ipv4(struct buffer *out, uint32_t a)
{
	buffer_putf(out, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

static void put_ipv6(struct buffer *out, uint64_t h)
{
	buffer_putf(out, "2001:db8:%x:%x::%x:%x", (unsigned)(h & 0xff) + 1, (unsigned)(h >> 16 & 0xfff) + 1,
	            (unsigned)(h >> 32 & 0xffff) + 1, (unsigned)(h >> 48) + 1);
}

static void put_txt(struct buffer *out, uint64_t h)
{
	if (h & 1) {
		buffer_put_str(out, "\\\"site-verification=");
		put_random(out, mix(h + 4), 43);
		buffer_put_str(out, "\\\"");
		return;
	}
	buffer_put_str(out, "\\\"v=spf1 include:_spf.");
	put_domain(out, h >> 5);
	buffer_putf(out, " ip4:%u.%u.%u.0/24 -all\\\"", (unsigned)(h >> 8 & 255), (unsigned)(h >> 16 & 255),
	            (unsigned)(h >> 24 & 255));
}

/* The record that a number stands for: name, type and data, as members of a line. */
static void put_record(struct buffer *out, const struct workload *w, uint64_t record)
{
	uint64_t h = mix(record ^ mix(w->seed));
	unsigned kind = (unsigned)(h >> 32) % 1000;
	const char *type = "A";
	struct buffer owner = BUFFER_INIT, data = BUFFER_INIT;
	if (record < w->hot) {
		put_random(&owner, mix(h + 9), 8);
		buffer_put_byte(&owner, '.');
		put_domain(&owner, mix(h));
		type = "CNAME";
		buffer_put_str(&data, WORKLOAD_HOT_NAME);
	} else if (kind < 540) {
		put_name(&owner, h);
		put_ipv4(&data, kind < 300 ? 0x68100000u | ((uint32_t)mix(h >> 3) & (SHARED_ADDRESSES - 1))
		                           : (uint32_t)mix(h >> 3));
	} else if (kind < 690) {
		type = "AAAA";
		put_name(&owner, h);
		put_ipv6(&data, mix(h + 1));
	} else if (kind < 810) {
		type = "CNAME";
		put_name(&owner, h);
		put_random(&data, mix(h + 2), 10);
		buffer_putf(&data, ".cdn%u.", (unsigned)(h % 7));
		put_domain(&data, h >> 7);
	} else if (kind < 870) {
		type = "NS";
		put_name(&owner, h);
		buffer_putf(&data, "ns%u.", (unsigned)(h % 4) + 1);
		put_domain(&data, mix(h >> 9) % 1000 * (UINT64_MAX / 200000));
	} else if (kind < 905) {
		type = "MX";
		put_name(&owner, h);
		buffer_putf(&data, "%u mx%u.", (unsigned)(h % 5) * 10, (unsigned)(h % 3));
		put_domain(&data, mix(h >> 9) % 2000 * (UINT64_MAX / 200000));
	} else if (kind < 935) {
		type = "TXT";
		put_name(&owner, h);
		put_txt(&data, h);
	} else if (kind < 970) {
		type = "SOA";
		put_name(&owner, h);
		buffer_put_str(&data, "ns1.");
		put_domain(&data, h >> 5);
		buffer_put_str(&data, " hostmaster.");
		put_domain(&data, h >> 5);
		buffer_putf(&data, " %u 7200 3600 1209600 300", 2020000000u + (unsigned)(h >> 40) % 60000);
	} else if (kind < 990) {
		type = "PTR";
		uint32_t a = (uint32_t)mix(h);
		put_ipv4(&owner, __builtin_bswap32(a));
		buffer_put_str(&owner, ".in-addr.arpa");
		put_name(&data, mix(h + 7));
	} else {
		type = "SRV";
		buffer_put_str(&owner, "_sip._tcp.");
		put_domain(&owner, h >> 3);
		buffer_putf(&data, "10 %u 5060 sip%u.", (unsigned)(h % 100), (unsigned)(h % 3));
		put_domain(&data, h >> 5);
	}
	buffer_putf(out, "\"rrtype\": \"%s\", \"rrname\": \"%.*s\", \"rdata\": \"%.*s\"", type, (int)owner.n,
	            (const char *)owner.p, (int)data.n, (const char *)data.p);
	buffer_release(&owner);
	buffer_release(&data);
}

void workload_line(const struct workload *w, uint64_t i, struct buffer *out)
{
	uint64_t random = mix(mix(w->seed) + i), record = i;
	if (i >= w->records) { /* a repetition, of low numbers more often */
		double u = fraction(random);
		record = (uint64_t)((double)w->records * u * u * u);
	}
	record = (record * UINT64_C(2654435761) + w->seed) % w->records;
	uint64_t h = mix(record ^ mix(w->seed)), first = 1577836800 + h % 150000000;
	uint64_t more = mix(random);
	buffer_putf(out, "{\"count\": %u, \"time_first\": %llu, ", more % 100 < 70 ? 1u : 1 + (unsigned)(more >> 8) % 50,
	            (unsigned long long)first);
	put_record(out, w, record);
	buffer_putf(out, ", \"time_last\": %llu}\n", (unsigned long long)(first + (more >> 32) % 20000000));
}

static int write_all(int fd, struct buffer *b, const char *path, struct err *e)
{
	for (size_t at = 0; at < b->n;) {
		ssize_t n = write(fd, b->p + at, b->n - at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, errno, "%s", path);
		at += (size_t)n;
	}
	buffer_clear(b);
	return 0;
}

int workload_write(const struct workload *w, const char *path, struct err *e)
{
	struct buffer lines = BUFFER_INIT;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int rc = fd < 0 ? err_sys(e, errno, "%s", path) : 0;
	for (uint64_t i = 0; i < w->observations && rc == 0; i++) {
		workload_line(w, i, &lines);
		if (lines.n >= FLUSH)
			rc = write_all(fd, &lines, path, e);
	}
	if (rc == 0)
		rc = write_all(fd, &lines, path, e);
	if (fd >= 0 && close(fd) != 0 && rc == 0)
		rc = err_sys(e, errno, "%s", path);
	buffer_release(&lines);
	return rc;
}
