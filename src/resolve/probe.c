/* SPDX-License-Identifier: GPL-3.0-or-later */
/* See probe.h. */
#include "resolve/probe.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "model/rrtype.h"

enum { STUBS_MAX = 16 }; /* that are asked: one that answers is enough */

struct probe {
	struct upstream_options opt;
	struct upstream *upstream; /* owned; NULL: nothing is asked */
	void (*alive)(void *ctx);
	void *ctx;
};

/* SERVFAIL is also what libunbound makes of silence. */
static void answered(void *ctx, void *question, const struct upstream_answer *answer)
{
	struct probe *p = ctx;
	(void)question;
	if (answer->result != UPSTREAM_SERVFAIL)
		p->alive(p->ctx);
}

struct probe *probe_new(const struct upstream_options *opt, void (*alive)(void *ctx), void *ctx)
{
	struct probe *p = xcalloc(1, sizeof(*p));
	p->opt = *opt;
	p->opt.exclusion = NULL;
	p->opt.validate = false;
	p->opt.ttl_min_s = p->opt.ttl_max_s = 0;
	p->opt.answered = answered;
	p->opt.ctx = p;
	p->alive = alive;
	p->ctx = ctx;
	return p;
}

void probe_free(struct probe *p)
{
	if (!p)
		return;
	probe_end(p);
	free(p);
}

void probe_begin(struct probe *p)
{
	static const uint8_t root[] = {0};
	uint8_t zone[DNAME_MAX];
	const char *address;
	struct err e;
	size_t n;
	probe_end(p);
	if (upstream_new(&p->opt, &p->upstream, &e) < 0) {
		log_error("active", "cannot ask whether anybody is there: %s", e.text);
		return;
	}
	if (p->opt.n_forwarders || p->opt.recursion)
		upstream_ask(p->upstream, bytes_of(root, sizeof(root)), RRTYPE_NS, NULL);
	for (size_t i = 0; i < p->opt.n_stubs && i < STUBS_MAX; i++) {
		if (upstream_stub_parse(p->opt.stubs[i], zone, &n, &address))
			upstream_ask(p->upstream, bytes_of(zone, n), RRTYPE_SOA, NULL);
	}
}

void probe_end(struct probe *p)
{
	upstream_free(p->upstream);
	p->upstream = NULL;
}

int probe_fd(const struct probe *p)
{
	return p->upstream ? upstream_fd(p->upstream) : -1;
}

void probe_take(struct probe *p)
{
	if (p->upstream)
		upstream_take(p->upstream);
}
