/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The only file that knows libunbound.
 *
 * DESIGN: what must not leave must not leave by way of an alias either. Every special zone is a stub zone (resolve/special.h) whose server
 * is an address that libunbound is told never to send to: it fails at once. Without forwarders and recursion the root is such a
 * zone, too. The zones of the exclude lists may be a million: they are stub zones without any server, which a file in memory names,
 * as libunbound searches all stubs for each that is set by a call. A zone costs some 430 octets and 3 us.
 */
#include "resolve/upstream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unbound.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/limits.h"
#include "base/mem.h"
#include "model/dname.h"
#include "resolve/special.h"

#define NOWHERE "192.0.2.1" /* documentation: nobody is there, and nothing is sent */

enum { CLASS_IN = 1, NOERROR = 0, NXDOMAIN = 3, SERVFAIL = 2 };

struct upstream {
	struct ub_ctx *ctx;
	void (*answered)(void *ctx, void *question, const struct upstream_answer *answer);
	void *answered_ctx;
	struct pending *pending; /* owned */
};

/* What libunbound has. */
struct pending {
	struct upstream *u;
	void *question;
	struct pending *next, **back;
};

/* ADDR or ADDR@PORT; the address to ret. */
static bool address_parse(const char *text, char ret[INET6_ADDRSTRLEN])
{
	uint8_t a[16];
	const char *at = strchr(text, '@');
	size_t n = at ? (size_t)(at - text) : strlen(text);
	if (n >= INET6_ADDRSTRLEN)
		return false;
	memcpy(ret, text, n);
	ret[n] = '\0';
	if (at) {
		char *end;
		unsigned long port = strtoul(at + 1, &end, 10);
		if (at[1] < '0' || at[1] > '9' || *end || !port || port > 65535)
			return false;
	}
	return inet_pton(AF_INET, ret, a) == 1 || inet_pton(AF_INET6, ret, a) == 1;
}

bool upstream_address_is_valid(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	return address_parse(text, address);
}

bool upstream_stub_parse(const char *text, uint8_t *ret_zone, size_t *ret_zone_n, const char **ret_address)
{
	const char *equals = strchr(text, '=');
	int n = equals ? dname_from_text(bytes_of(text, (size_t)(equals - text)), ret_zone) : -1;
	if (n <= 0 || !upstream_address_is_valid(equals + 1))
		return false;
	*ret_zone_n = (size_t)n;
	*ret_address = equals + 1;
	return true;
}

static bool is_loopback(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	return address_parse(text, address) && (strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0);
}

/* A name as libunbound reads it. */
static const char *name_text(struct bytes wire, struct buffer *b)
{
	buffer_clear(b);
	dname_to_text(wire, b);
	if (wire.n > 1)
		buffer_put_byte(b, '.');
	buffer_put_byte(b, 0);
	return (const char *)b->p;
}

static int set(struct upstream *u, const char *option, const char *value, struct err *e)
{
	int rc = ub_ctx_set_option(u->ctx, option, value);
	return rc ? err_set(e, ERR_USAGE, "libunbound takes no %s %.64s: %s", option, value, ub_strerror(rc)) : 0;
}

static int set_seconds(struct upstream *u, const char *option, uint64_t s, struct err *e)
{
	char text[24];
	snprintf(text, sizeof(text), "%llu", (unsigned long long)s);
	return set(u, option, text, e);
}

static int set_behaviour(struct upstream *u, const struct upstream_options *opt, struct err *e)
{
	bool loopback = false;
	for (size_t i = 0; i < opt->n_forwarders; i++)
		loopback = loopback || is_loopback(opt->forwarders[i]);
	for (size_t i = 0; i < opt->n_stubs; i++)
		loopback = loopback || is_loopback(strchr(opt->stubs[i], '=') + 1);
	int rc = set(u, "module-config:", opt->validate ? "validator iterator" : "iterator", e);
	/* Otherwise anybody's delegation could lead to servers of this machine. */
	if (rc == 0)
		rc = set(u, "do-not-query-localhost:", loopback ? "no" : "yes", e);
	if (rc == 0)
		rc = set(u, "do-not-query-address:", NOWHERE, e);
	/* What is given out again from libunbound's cache would be counted as if it were seen again. */
	if (rc == 0)
		rc = set_seconds(u, "cache-max-ttl:", opt->ttl_max_s, e);
	if (rc == 0)
		rc = set_seconds(u, "cache-max-negative-ttl:", opt->ttl_max_s, e);
	if (rc == 0)
		rc = set_seconds(u, "cache-min-ttl:", opt->ttl_min_s, e);
	/* A server that did not answer is tried again soon. */
	if (rc == 0)
		rc = set(u, "infra-host-ttl:", "60", e);
	if (rc == 0)
		rc = set(u, "infra-keep-probing:", "yes", e);
	if (rc == 0 && opt->root_hints && *opt->root_hints)
		rc = set(u, "root-hints:", opt->root_hints, e);
	for (size_t i = 0; i < opt->n_insecure && rc == 0; i++)
		rc = set(u, "domain-insecure:", opt->insecure[i], e);
	return rc;
}

static bool is_stub(const struct upstream_options *opt, struct bytes zone)
{
	uint8_t own[DNAME_MAX];
	size_t n;
	const char *address;
	for (size_t i = 0; i < opt->n_stubs; i++) {
		if (upstream_stub_parse(opt->stubs[i], own, &n, &address) && bytes_eq(bytes_of(own, n), zone))
			return true;
	}
	return false;
}

static int set_zones(struct upstream *u, const struct upstream_options *opt, struct err *e)
{
	struct buffer text = BUFFER_INIT;
	uint8_t zone[DNAME_MAX];
	const char *address;
	size_t n;
	int failed = 0;
	for (size_t i = 0; i < opt->n_forwarders && !failed; i++)
		failed = ub_ctx_set_fwd(u->ctx, opt->forwarders[i]);
	if (!opt->n_forwarders && !opt->recursion)
		failed = ub_ctx_set_fwd(u->ctx, NOWHERE);
	for (size_t i = 0; special_zone(i) && !failed; i++) {
		int length = dname_from_text(bytes_str(special_zone(i)), zone);
		if (!is_stub(opt, bytes_of(zone, (size_t)length)))
			failed = ub_ctx_set_stub(u->ctx, name_text(bytes_of(zone, (size_t)length), &text), NOWHERE, 0);
	}
	for (size_t i = 0; i < opt->n_stubs && !failed; i++) {
		if (upstream_stub_parse(opt->stubs[i], zone, &n, &address) && !exclusion_refuses_name(opt->exclusion, bytes_of(zone, n)))
			failed = ub_ctx_set_stub(u->ctx, name_text(bytes_of(zone, n), &text), address, 0);
	}
	buffer_release(&text);
	return failed ? err_set(e, ERR_USAGE, "libunbound takes no forwarder or stub: %s", ub_strerror(failed)) : 0;
}

/* A zone as a clause of a configuration file, of which a quoted string knows no escapes but those of names. */
static int put_clause(void *ctx, struct bytes zone)
{
	FILE *f = ctx;
	fputs("stub-zone:\nname: \"", f);
	for (size_t at = 0; at < zone.n && zone.p[at]; at += zone.p[at] + 1u) {
		for (size_t i = at + 1; i <= at + zone.p[at]; i++) {
			uint8_t c = zone.p[i];
			bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
			fprintf(f, plain ? "%c" : "\\%03u", c);
		}
		putc('.', f);
	}
	fputs(zone.n == 1 ? ".\"\n" : "\"\n", f);
	return ferror(f) ? ERR_IO : 0;
}

static int exclude_zones(struct upstream *u, const struct upstream_options *opt, struct err *e)
{
	char path[32];
	int fd = memfd_create("excluded", MFD_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f) {
		int error = errno;
		if (fd >= 0)
			close(fd);
		return err_sys(e, error, "a file in memory");
	}
	int rc = exclusion_zones(opt->exclusion, put_clause, f);
	if (fflush(f) != 0 || rc < 0)
		rc = err_sys(e, errno, "a file in memory");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int failed = rc == 0 && ftell(f) > 0 ? ub_ctx_config(u->ctx, path) : 0;
	fclose(f);
	return rc < 0 ? rc : failed ? err_set(e, ERR_USAGE, "libunbound takes no zones of exclude lists: %s", ub_strerror(failed)) : 0;
}

/* libunbound answers some zones by itself: not those that there is a server for, nor their apex. The context takes no options afterwards. */
static int open_zones(struct upstream *u, const struct upstream_options *opt, struct err *e)
{
	struct buffer text = BUFFER_INIT;
	uint8_t zone[DNAME_MAX];
	const char *address;
	size_t n;
	int failed = 0;
	for (size_t i = 0; i < opt->n_stubs && !failed; i++) {
		if (!upstream_stub_parse(opt->stubs[i], zone, &n, &address))
			continue;
		failed = ub_ctx_zone_remove(u->ctx, name_text(bytes_of(zone, n), &text));
		if (!failed)
			failed = ub_ctx_zone_add(u->ctx, name_text(bytes_of(zone, n), &text), "transparent");
	}
	buffer_release(&text);
	return failed ? err_set(e, ERR_USAGE, "libunbound cannot begin: %s", ub_strerror(failed)) : 0;
}

static int add_anchors(struct upstream *u, const struct upstream_options *opt, struct err *e)
{
	for (size_t i = 0; i < opt->n_anchors && opt->validate; i++) {
		FILE *f = fopen(opt->anchors[i], "re");
		if (!f)
			return err_set(e, ERR_NOTFOUND, "active_trust_anchor: %.256s cannot be read", opt->anchors[i]);
		fclose(f);
		int rc = ub_ctx_add_ta_file(u->ctx, opt->anchors[i]);
		if (rc)
			return err_set(e, ERR_USAGE, "active_trust_anchor: %.256s: %s", opt->anchors[i], ub_strerror(rc));
	}
	return 0;
}

static int check(const struct upstream_options *opt, struct err *e)
{
	uint8_t zone[DNAME_MAX];
	const char *address;
	size_t n;
	for (size_t i = 0; i < opt->n_forwarders; i++) {
		if (!upstream_address_is_valid(opt->forwarders[i]))
			return err_set(e, ERR_USAGE, "active_forwarder: \"%.128s\": not ADDR or ADDR@PORT", opt->forwarders[i]);
	}
	for (size_t i = 0; i < opt->n_stubs; i++) {
		if (!upstream_stub_parse(opt->stubs[i], zone, &n, &address))
			return err_set(e, ERR_USAGE, "active_stub: \"%.128s\": not ZONE=ADDR or ZONE=ADDR@PORT", opt->stubs[i]);
	}
	for (size_t i = 0; i < opt->n_insecure; i++) {
		if (dname_from_text(bytes_str(opt->insecure[i]), zone) <= 0)
			return err_set(e, ERR_USAGE, "active_insecure: \"%.128s\": not a zone's name", opt->insecure[i]);
	}
	return 0;
}

static void ignore(void *arg, int err, struct ub_result *result)
{
	(void)arg, (void)err;
	ub_resolve_free(result);
}

/* With the first question libunbound puts its zones in order, seconds when they are many: nobody shall wait for that. This one it answers by
 * itself. */
static int begin(struct upstream *u, struct err *e)
{
	int failed = ub_resolve_async(u->ctx, "localhost.", 1, CLASS_IN, NULL, ignore, NULL);
	return failed ? err_set(e, ERR_IO, "libunbound cannot begin: %s", ub_strerror(failed)) : 0;
}

int upstream_new(const struct upstream_options *opt, struct upstream **ret, struct err *e)
{
	if (check(opt, e) < 0)
		return ERR_USAGE;
	struct upstream *u = xcalloc(1, sizeof(*u));
	u->answered = opt->answered;
	u->answered_ctx = opt->ctx;
	u->ctx = ub_ctx_create();
	int rc = u->ctx ? 0 : err_set(e, ERR_NOMEM, "libunbound cannot begin");
	if (rc == 0) {
		ub_ctx_debugout(u->ctx, NULL);
		ub_ctx_async(u->ctx, 1);
		rc = set_behaviour(u, opt, e);
	}
	if (rc == 0)
		rc = add_anchors(u, opt, e);
	if (rc == 0)
		rc = set_zones(u, opt, e);
	if (rc == 0)
		rc = exclude_zones(u, opt, e);
	if (rc == 0)
		rc = open_zones(u, opt, e);
	if (rc == 0)
		rc = begin(u, e);
	if (rc < 0) {
		upstream_free(u);
		return rc;
	}
	*ret = u;
	return 0;
}

void upstream_free(struct upstream *u)
{
	if (!u)
		return;
	if (u->ctx)
		ub_ctx_delete(u->ctx);
	while (u->pending) {
		struct pending *p = u->pending;
		u->pending = p->next;
		free(p);
	}
	free(u);
}

/* libunbound's callback. err: there is no result. */
static void on_result(void *arg, int err, struct ub_result *result)
{
	struct pending *p = arg;
	struct upstream_answer answer = {.result = UPSTREAM_SERVFAIL};
	if (err == 0 && result->bogus) {
		answer.result = UPSTREAM_BOGUS;
	} else if (err == 0 && (result->rcode == NOERROR || result->rcode == NXDOMAIN)) {
		answer.result = UPSTREAM_ANSWER;
		answer.message = bytes_of(result->answer_packet, result->answer_len > 0 ? (size_t)result->answer_len : 0);
		answer.ttl_s = result->ttl > 0 ? (uint64_t)result->ttl : 0;
	} else if (err == 0 && result->rcode != SERVFAIL) {
		answer.result = UPSTREAM_REFUSED;
	}
	p->u->answered(p->u->answered_ctx, p->question, &answer);
	ub_resolve_free(result);
	*p->back = p->next;
	if (p->next)
		p->next->back = p->back;
	free(p);
}

void upstream_ask(struct upstream *u, struct bytes name, uint16_t type, void *question)
{
	struct buffer text = BUFFER_INIT;
	struct pending *p = xmalloc(sizeof(*p));
	*p = (struct pending){u, question, u->pending, &u->pending};
	if (p->next)
		p->next->back = &p->next;
	u->pending = p;
	if (ub_resolve_async(u->ctx, name_text(name, &text), type, CLASS_IN, p, on_result, NULL) != 0)
		on_result(p, 1, NULL);
	buffer_release(&text);
}

int upstream_fd(const struct upstream *u)
{
	return ub_fd(u->ctx);
}

void upstream_take(struct upstream *u)
{
	ub_process(u->ctx);
}
