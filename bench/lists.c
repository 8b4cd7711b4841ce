/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the options exclude and only cost an observation: lists of 10, 10,000 and 1,000,000 rules,
 * half names and half blocks, asked about observations of which hardly any is on them: the case
 * that has to look longest. `bench/lists` builds and runs it. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "ingest/exclusion.h"
#include "model/dname.h"
#include "model/rrtype.h"

enum { OBSERVATIONS = 200000, ROUNDS = 10 };

static struct observation observations[OBSERVATIONS];

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint32_t random_number(void)
{
	static uint64_t state = 88172645463325252ull;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 16);
}

/* One behind the other: in an import what is asked about was parsed a moment ago and is in the
 * processor's cache. */
static struct bytes copy(const void *p, size_t n)
{
	static uint8_t octets[OBSERVATIONS * 64];
	static size_t used;
	uint8_t *to = octets + used;
	used += n;
	if (used > sizeof(octets))
		abort();
	return bytes_of(memcpy(to, p, n), n);
}

/* Three of four are addresses, as in feeds; the others are CNAMEs. */
static void make_observations(void)
{
	static const char *const hosts[] = {"www", "mail", "cdn", "api", "a.b"};
	for (size_t i = 0; i < OBSERVATIONS; i++) {
		char text[128];
		uint8_t wire[DNAME_MAX], address[4];
		uint32_t r = random_number();
		snprintf(text, sizeof(text), "%s.x%06x.ex%u.org", hosts[r % 5],
			 random_number() & 0xffffff, r % 97);
		int n = dname_from_text(bytes_str(text), wire);
		observations[i] = (struct observation){
			.owner = copy(wire, (size_t)n), .rrtype = RRTYPE_A, .seen = {.count = 1}};
		if (i % 4 == 3) {
			snprintf(text, sizeof(text), "edge%u.y%06x.cdn.net", r % 50,
				 random_number() & 0xffffff);
			n = dname_from_text(bytes_str(text), wire);
			observations[i].rrtype = RRTYPE_CNAME;
			observations[i].rdata = copy(wire, (size_t)n);
			continue;
		}
		r = random_number();
		memcpy(address, &r, 4);
		observations[i].rdata = copy(address, 4);
	}
}

/* Names of two and three labels, blocks of /24 and /32. */
static struct exclusion *make_list(unsigned rules)
{
	struct buffer text = BUFFER_INIT;
	struct err e;
	for (unsigned i = 0; i < rules; i += 4) {
		unsigned a = i * 2654435761u; /* all over the addresses */
		buffer_putf(&text, "n%u.test\nwww.x%u.org\n%u.%u.%u.0/24\n%u.%u.%u.%u\n", i, i,
			    a >> 24, a >> 16 & 255, a >> 8 & 255, a >> 8 & 255, a >> 24,
			    a >> 16 & 255, a & 255);
	}
	struct exclusion *x = exclusion_new();
	double start = cpu_seconds();
	if (exclusion_parse(x, EXCLUSION_EXCLUDE, "list", buffer_bytes(&text), &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	exclusion_seal(x);
	printf("%8u rules: read in %.3f s", rules, cpu_seconds() - start);
	buffer_release(&text);
	return x;
}

int main(void)
{
	static const unsigned sizes[] = {10, 10000, 1000000};
	make_observations();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct exclusion *x = make_list(sizes[i]);
		unsigned refused = 0;
		double best = 1e9;
		for (int round = 0; round < ROUNDS; round++) {
			double start = cpu_seconds();
			for (size_t j = 0; j < OBSERVATIONS; j++)
				refused += exclusion_refuses(x, &observations[j]);
			double took = (cpu_seconds() - start) / OBSERVATIONS * 1e9;
			best = took < best ? took : best;
		}
		printf(", %.1f ns an observation (the best of %d rounds), %.2f %% refused\n", best,
		       ROUNDS, refused * 100.0 / OBSERVATIONS / ROUNDS);
		exclusion_free(x);
	}
	return 0;
}
