/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of options. The order is that of the manual. */
#include "config/config_priv.h"

#include <stddef.h>

#define AT(member) offsetof(struct config, member)
#define GIGA ((uint64_t)1 << 30)

static const char *const styles[] = {"circl", "cof", "doc", NULL};
static const char *const log_levels[] = {"error", "warning", "info", "debug", NULL};

const struct option_row option_rows[] = {
	{"store", OPTION_STRING, CONFIG_FOR_STORE, AT(store), 0, 0, NULL, "/var/lib/dribble", "URI",
	 "where the records are kept",
	 "A path or rocksdb:PATH is a database in a folder of this machine, memory: one that is "
	 "gone when the program ends."},
	{"listen", OPTION_ADDRESS, CONFIG_FOR_SERVER, AT(listen), 0, 0, NULL, "127.0.0.1:8400",
	 "ADDR:PORT", "address to serve on; may be given up to 8 times",
	 "The address is numeric, an IPv6 address in brackets: [::1]:8400. 0.0.0.0 and [::] are "
	 "all addresses of the machine. Port 0 is any that is free; the log tells which. "
	 "Without accounts only loopback addresses are served, see serve_anyone."},
	{"accounts", OPTION_PATH, CONFIG_FOR_ACCOUNTS, AT(accounts), 0, 0, NULL, "", "FILE",
	 "the accounts file; empty is the file accounts in the store's folder",
	 "It is written by dribble user and read anew within a second of every change, without "
	 "a restart."},
	{"serve_anyone", OPTION_BOOL, CONFIG_FOR_SERVER, AT(serve_anyone), 0, 0, NULL, "no",
	 "yes|no", "listen beyond loopback although there are no accounts",
	 "Anybody who can reach the server may then read and feed. Without it the server "
	 "refuses to start in that case."},
	{"style", OPTION_CHOICE, CONFIG_FOR_ANSWERS, AT(style), 0, 0, styles, "circl", "STYLE",
	 "how records are written: circl, cof or doc",
	 "Holds for requests that say nothing else, by header, by URL or by their account. "
	 "circl has the data as rrname and the owner as rdata, as the public service answers; "
	 "cof is the Common Output Format; doc is circl with numbers as strings."},
	{"origin", OPTION_URI, CONFIG_FOR_ANSWERS, AT(origin), 0, 0, NULL,
	 "https://dribble.invalid/pdns/", "URI", "the origin member of every record",
	 "A URI that tells the reader of a record where it was found; usually the public "
	 "address of the server."},
	{"maxset", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(maxset), 1, 1000000, NULL, "1000", "NUMBER",
	 "most records of one type in an answer that is not paged",
	 "What is left out is told in the header x-dribble-errors. Also the length of a page "
	 "when a request has a cursor but no count."},
	{"page_max", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(page_max), 1, 1000000, NULL, "10000",
	 "NUMBER", "most records of a page", "Requests for more get this many."},
	{"import_body_max", OPTION_SIZE, CONFIG_FOR_SERVER, AT(import_body_max), 1024, 1024 * GIGA,
	 NULL, "1G", "SIZE", "largest body of POST /pdns/import, decompressed",
	 "A larger one is answered with 413."},
	{"connections_max", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(connections_max), 1, 1000000, NULL,
	 "1000", "NUMBER", "most connections at once",
	 "Of each address of listen. Further clients wait until one ends."},
	{"connection_timeout", OPTION_DURATION, CONFIG_FOR_SERVER, AT(connection_timeout_ms), 1000,
	 86400000, NULL, "60s", "TIME", "a connection without traffic is closed after this time",
	 ""},
	{"threads", OPTION_NUMBER, CONFIG_FOR_SERVER | CONFIG_FOR_FEEDING, AT(threads), 0, 1024,
	 NULL, "0", "NUMBER", "threads that work; 0 is one for every processor", ""},
	{"memory", OPTION_SIZE, CONFIG_FOR_FEEDING | CONFIG_FOR_SERVER, AT(memory), 1 << 20,
	 1024 * GIGA, NULL, "384M", "SIZE",
	 "memory in which imports fold observations of one record",
	 "The more, the fewer writes to the store when a feed repeats itself."},
	{"cache", OPTION_SIZE, CONFIG_FOR_READING | CONFIG_FOR_FEEDING | CONFIG_FOR_SERVER,
	 AT(cache), 1 << 20, 1024 * GIGA, NULL, "512M", "SIZE", "the store's cache of blocks it has read",
	 "At least 1M. Comes on top of what the operating system caches."},
	{"dnstap_unix", OPTION_PATHS, CONFIG_FOR_SERVER, AT(dnstap_unix), 0, 0, NULL, "", "PATH",
	 "take dnstap from whoever connects to this socket; may be given several times",
	 "Resolvers and servers send what they answer there, see dribble-sources(7). A socket that a server left behind when it was "
	 "killed is replaced. At most connections_max senders are taken at once, of each socket. One that has not begun within "
	 "connection_timeout is let go; after that it may be silent for as long as it likes."},
	{"dnstap_unix_mode", OPTION_STRING, CONFIG_FOR_SERVER, AT(dnstap_unix_mode), 0, 0, NULL, "0660", "MODE",
	 "permissions of the sockets of dnstap_unix, in octal",
	 "Who may write to the socket may feed. Give the folder to the group of the resolver and set its setgid bit, so that the socket is "
	 "of that group, too."},
	{"dnstap_tcp", OPTION_ADDRESS, CONFIG_FOR_SERVER, AT(dnstap_tcp), 0, 0, NULL, "", "ADDR:PORT",
	 "take dnstap from whoever connects to this address; may be given up to 8 times",
	 "As dnstap_unix. Senders do not say who they are: beyond loopback this needs dnstap_anyone."},
	{"dnstap_anyone", OPTION_BOOL, CONFIG_FOR_SERVER, AT(dnstap_anyone), 0, 0, NULL, "no", "yes|no",
	 "listen for dnstap beyond loopback",
	 "Anybody who can reach the address may then write history. Let a firewall, or a tunnel, decide who that is."},
	{"watch", OPTION_PATHS, CONFIG_FOR_SERVER, AT(watch), 0, 0, NULL, "", "FOLDER",
	 "import the files that come into this folder; may be given several times",
	 "Files of any format of dribble-sources(7), compressed or not, in the order of their names: when they are moved in, or closed "
	 "after writing. They are moved to done or failed in the folder, with FILE.rejects or FILE.error beside them where there is something "
	 "to tell. Names that begin with a dot or end in .tmp or .part are left alone. A file whose content is in already is not counted "
	 "again. The folder must be there at the start, and is given once; one that goes away later is waited for."},
	{"follow", OPTION_PATHS, CONFIG_FOR_SERVER, AT(follow), 0, 0, NULL, "", "URL",
	 "take in what a WebSocket server sends, lines of COF; may be given several times",
	 "ws:// or wss://, with NAME:PASSWORD@ before the host where the server wants that. A connection that ends is made again, after a "
	 "pause of a quarter of a second that grows to a minute. What is sent meanwhile is lost."},
	{"feed_hold", OPTION_DURATION, CONFIG_FOR_SERVER | CONFIG_FOR_LIVE, AT(feed_hold_ms), 1, 3600000, NULL, "2s", "TIME",
	 "longest time that what dnstap and follow bring is in memory only",
	 "It is lost when the machine or the server dies. The shorter, the more writes."},
	{"feed_hold_records", OPTION_NUMBER, CONFIG_FOR_SERVER | CONFIG_FOR_LIVE, AT(feed_hold_records), 1, 1000000000, NULL, "1000000", "NUMBER",
	 "most observations of dnstap and follow that are in memory only", "As feed_hold: what is reached first."},
	{"active", OPTION_BOOL, CONFIG_FOR_SERVER, AT(active), 0, 0, NULL, "yes", "yes|no",
	 "ask the living DNS, too, for what is looked up",
	 "In force only when there is somebody to ask: with active_forwarder, active_recursion yes or active_stub. What is answered is "
	 "stored as seen by the sensor active, and is part of the answer to the lookup. See dribble-api(7), ACTIVE QUERY."},
	{"active_forwarder", OPTION_PATHS, CONFIG_FOR_SERVER, AT(active_forwarder), 0, 0, NULL, "", "ADDR@PORT",
	 "resolver to ask; may be given several times", "An IPv4 or IPv6 address; without @PORT the port is 53."},
	{"active_recursion", OPTION_BOOL, CONFIG_FOR_SERVER, AT(active_recursion), 0, 0, NULL, "no", "yes|no",
	 "resolve from the root on, without a resolver", "The server then asks name servers all over the world by itself."},
	{"active_stub", OPTION_PATHS, CONFIG_FOR_SERVER, AT(active_stub), 0, 0, NULL, "", "ZONE=ADDR@PORT",
	 "authoritative server of a zone; may be given several times",
	 "For zones that the world does not see; without @PORT the port is 53. A stub zone may be below a special-use name, such as corp.internal, that is never asked "
	 "for otherwise."},
	{"active_root_hints", OPTION_PATH, CONFIG_FOR_SERVER, AT(active_root_hints), 0, 0, NULL, "", "FILE",
	 "addresses of the root's servers; empty is those that libunbound knows", "For active_recursion."},
	{"active_dnssec", OPTION_BOOL, CONFIG_FOR_SERVER, AT(active_dnssec), 0, 0, NULL, "yes", "yes|no",
	 "validate answers",
	 "What is bogus is not stored. A forwarder must pass on signatures: one that does not makes all of it bogus."},
	{"active_trust_anchor", OPTION_PATHS, CONFIG_FOR_SERVER, AT(active_trust_anchor), 0, 0, NULL, "/usr/share/dns/root.key", "FILE",
	 "DS or DNSKEY records that validation begins with; may be given several times",
	 "The default is of Debian's package dns-root-data; where it is missing nothing is validated, and the log says so."},
	{"active_insecure", OPTION_PATHS, CONFIG_FOR_SERVER, AT(active_insecure), 0, 0, NULL, "", "ZONE",
	 "zone that is not validated; may be given several times",
	 "For stub zones that the world's DNSSEC proves not to exist."},
	{"active_types", OPTION_STRING, CONFIG_FOR_SERVER, AT(active_types), 0, 0, NULL, "A,AAAA,CNAME,MX,NS,SOA,PTR", "TYPES",
	 "types to ask for, separated by commas; PTR is for addresses, the others are for names",
	 "At most 16. Of a lookup with a filter only those of its types are asked for; TXT of a name always when the filter has it."},
	{"active_budget", OPTION_DURATION, CONFIG_FOR_SERVER, AT(active_budget_ms), 1, 60000, NULL, "300ms", "TIME",
	 "longest time that an answer waits for the living DNS", "What comes later is stored for the next lookup."},
	{"active_ttl_min", OPTION_DURATION, CONFIG_FOR_SERVER, AT(active_ttl_min_ms), 0, 86400000, NULL, "1m", "TIME",
	 "a question is not asked again before, however short the TTL", ""},
	{"active_ttl_max", OPTION_DURATION, CONFIG_FOR_SERVER, AT(active_ttl_max_ms), 1000, 604800000, NULL, "24h", "TIME",
	 "a question may be asked again after this time, however long the TTL", ""},
	{"active_queue", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(active_queue), 1, 100000, NULL, "1000", "NUMBER",
	 "most questions in flight", "A name is as many questions as it has types to ask for. When there is no room, lookups are answered "
	 "from the store alone."},
	{"active_rate", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(active_rate), 0, 1000000, NULL, "200", "NUMBER",
	 "most names asked for a second; 0 is no limit", "In the first second as many again. What is over the limit is answered from the store alone."},
	{"active_rate_zone", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(active_rate_zone), 0, 1000000, NULL, "20", "NUMBER",
	 "most names asked for a second in one zone; 0 is no limit",
	 "A zone is a name of two labels, or of three as in example.co.uk, and all below it; of addresses a /24, or a /48 of IPv6."},
	{"active_rate_account", OPTION_NUMBER, CONFIG_FOR_SERVER, AT(active_rate_account), 0, 1000000, NULL, "50", "NUMBER",
	 "most names asked for a second on behalf of one account; 0 is no limit",
	 "Where there are no accounts, of all clients together."},
	{"exclude", OPTION_PATHS, CONFIG_FOR_LISTS, AT(exclude), 0, 0, NULL, "", "FILE",
	 "list of names and addresses that are kept out of the store",
	 "May be given up to 64 times. A rule a line: a name, which stands for all below it too, or a block of addresses. What has such "
	 "a name or address as its owner or in its data is not stored. Lists are read once, at start. The section LISTS tells more."},
	{"only", OPTION_PATHS, CONFIG_FOR_LISTS, AT(only), 0, 0, NULL, "", "FILE",
	 "list of names and addresses beside which nothing is stored",
	 "As exclude, which wins over it. What has none of these as its owner or in its data is not stored."},
	{"tls_certificate", OPTION_PATH, CONFIG_FOR_SERVER, AT(tls_certificate), 0, 0, NULL, "",
	 "FILE", "certificate chain (PEM): serve HTTPS", "Needs tls_key."},
	{"tls_key", OPTION_PATH, CONFIG_FOR_SERVER, AT(tls_key), 0, 0, NULL, "", "FILE",
	 "private key (PEM) of the certificate", "Needs tls_certificate."},
	{"log_level", OPTION_CHOICE, CONFIG_FOR_LOG | CONFIG_FOR_SERVER, AT(log_level), 0, 0,
	 log_levels, "info", "LEVEL",
	 "least serious messages to write: error, warning, info or debug",
	 "Messages go to standard error, one a line."},
};

const size_t option_count = sizeof(option_rows) / sizeof(*option_rows);

_Static_assert(sizeof(option_rows) / sizeof(*option_rows) <= CONFIG_OPTIONS_MAX,
	       "struct config has an origin for every row");

static uint8_t letter(uint8_t c)
{
	return c == '-' ? '_' : c;
}

bool option_name_is(const char *name, struct bytes other)
{
	size_t i = 0;
	while (i < other.n && name[i] != '\0' && letter((uint8_t)name[i]) == letter(other.p[i]))
		i++;
	return i == other.n && name[i] == '\0';
}

const struct option_row *option_find(struct bytes name, unsigned scope)
{
	for (size_t i = 0; i < option_count; i++) {
		if (option_rows[i].scope & scope && option_name_is(option_rows[i].name, name))
			return &option_rows[i];
	}
	return NULL;
}

/* Damerau's distance (optimal string alignment), three rows at a time. */
size_t option_distance(const char *name, struct bytes other)
{
	enum { LONGEST = 32 };
	size_t rows[3][LONGEST + 1], n = strlen(name);
	if (n > LONGEST || other.n > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= other.n; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *second = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= other.n; j++) {
			uint8_t a = letter((uint8_t)name[i - 1]),
				b = letter(ascii_lower(other.p[j - 1]));
			size_t best = above[j - 1] + (a != b);
			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a == letter(ascii_lower(other.p[j - 2])) &&
			    letter((uint8_t)name[i - 2]) == b && second[j - 2] + 1 < best)
				best = second[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n % 3][other.n];
}

const char *option_nearest(struct bytes name, unsigned scope)
{
	const char *nearest = NULL;
	size_t least = 1 + name.n / 3; /* as many slips as one makes in a word of this length */
	least = least > 3 ? 3 : least;
	for (size_t i = 0; i < option_count; i++) {
		size_t distance = option_distance(option_rows[i].name, name);
		if (option_rows[i].scope & scope && distance <= least) {
			nearest = option_rows[i].name;
			least = distance ? distance - 1 : 0;
		}
	}
	return nearest;
}
