/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One table of zones, in wire form once somebody has asked. */
#include "resolve/special.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "model/dname.h"

#define V4(block) block ".in-addr.arpa"
#define V6(nibbles) nibbles ".ip6.arpa"

static const char *const zones[] = {
	/* RFC 6761, 6762, 7686, 8375, 9476, ICANN's .internal; names that software of home networks has made up */
	"test", "localhost", "invalid", "example", "example.com", "example.net", "example.org", "local", "onion", "home.arpa",
	"alt", "internal", "intranet", "private", "corp", "home", "lan", "localdomain", "resolver.arpa", "service.arpa",
	"ipv4only.arpa", "eap-noob.arpa",
	/* IPv4: this network, private, shared, loopback, link-local, protocol assignments, documentation, benchmarks, multicast
	 * within an organisation, reserved, broadcast */
	V4("0"), V4("10"), V4("127"), V4("254.169"), V4("168.192"), V4("0.0.192"), V4("2.0.192"), V4("100.51.198"),
	V4("113.0.203"), V4("18.198"), V4("19.198"), V4("239"), V4("255"),
	V4("16.172"), V4("17.172"), V4("18.172"), V4("19.172"), V4("20.172"), V4("21.172"), V4("22.172"), V4("23.172"),
	V4("24.172"), V4("25.172"), V4("26.172"), V4("27.172"), V4("28.172"), V4("29.172"), V4("30.172"), V4("31.172"),
	V4("240"), V4("241"), V4("242"), V4("243"), V4("244"), V4("245"), V4("246"), V4("247"), V4("248"), V4("249"),
	V4("250"), V4("251"), V4("252"), V4("253"), V4("254"),
	/* IPv6: unspecified, loopback and mapped (::/16), unique local, link-local, site-local, link and host multicast, documentation */
	V6("0.0.0.0"), V6("c.f"), V6("d.f"), V6("8.e.f"), V6("9.e.f"), V6("a.e.f"), V6("b.e.f"), V6("c.e.f"), V6("d.e.f"),
	V6("e.e.f"), V6("f.e.f"), V6("f.f"), V6("8.b.d.0.1.0.0.2"), V6("0.f.f.f.3"),
};

enum { ZONES = sizeof(zones) / sizeof(zones[0]), ZONE_MAX = 48 };

/* Written once. */
static struct {
	uint8_t n, p[ZONE_MAX];
} wires[ZONES];
static pthread_once_t wires_once = PTHREAD_ONCE_INIT;

static void make_wires(void)
{
	uint8_t wire[DNAME_MAX];
	for (size_t i = 0; i < ZONES; i++) {
		int n = dname_from_text(bytes_str(zones[i]), wire);
		if (n <= 0 || n > ZONE_MAX)
			abort(); /* a row of ours is wrong */
		wires[i].n = (uint8_t)n;
		memcpy(wires[i].p, wire, (size_t)n);
	}
}

const char *special_zone(size_t i)
{
	return i < ZONES ? zones[i] : NULL;
}

bool special_is_below(struct bytes name, struct bytes zone)
{
	size_t at = 0;
	while (at < name.n && name.n - at > zone.n)
		at += name.p[at] + 1u;
	return at <= name.n && bytes_eq(bytes_of(name.p + at, name.n - at), zone);
}

/* 100.64.0.0/10: its 64 zones are no rows of the table. */
static bool is_shared_space(struct bytes name)
{
	static const uint8_t hundred[] = "\003100\007in-addr\004arpa";
	struct bytes zone = bytes_of(hundred, sizeof(hundred));
	unsigned second = 0;
	size_t at = 0, next = 0;
	if (!special_is_below(name, zone) || name.n == zone.n)
		return false;
	for (; name.n - next > zone.n; next += name.p[next] + 1u)
		at = next;
	for (size_t i = 0; i < name.p[at] && i < 3; i++) {
		uint8_t c = name.p[at + 1 + i];
		if (c < '0' || c > '9')
			return false;
		second = second * 10 + (unsigned)(c - '0');
	}
	return second >= 64 && second < 128;
}

bool special_holds(struct bytes name)
{
	if (name.n <= 1) /* the root may be asked */
		return false;
	pthread_once(&wires_once, make_wires);
	for (size_t i = 0; i < ZONES; i++) {
		size_t n = wires[i].n;
		if (n <= name.n && memcmp(name.p + name.n - n, wires[i].p, n) == 0 && special_is_below(name, bytes_of(wires[i].p, n)))
			return true;
	}
	return is_shared_space(name);
}
