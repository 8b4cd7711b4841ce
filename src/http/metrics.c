/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /metrics: counters in the text format of Prometheus. A new one is a row, or a call of put. */
#include <stdlib.h>

#include "http/http_priv.h"

static void head(struct buffer *b, const char *name, const char *type, const char *help)
{
	buffer_putf(b, "# HELP dribble_%s %s\n# TYPE dribble_%s %s\n", name, help, name, type);
}

static void put(struct buffer *b, const char *name, const char *type, const char *help, uint64_t n)
{
	head(b, name, type, help);
	buffer_putf(b, "dribble_%s %llu\n", name, (unsigned long long)n);
}

static void put_requests(struct server *s, struct buffer *b)
{
	head(b, "http_requests_total", "counter", "Requests that were answered, by status.");
	for (unsigned i = 0; i < STATUS_MAX; i++) {
		if (s->statuses[i])
			buffer_putf(b, "dribble_http_requests_total{code=\"%u\"} %llu\n", i, s->statuses[i]);
	}
	put(b, "http_requests_in_flight", "gauge", "Requests that are being read or answered.", s->busy);
	put(b, "imports_in_flight", "gauge", "Imports under way.", s->feeding);
}

static void put_resolver(struct resolver *resolver, struct buffer *b)
{
	struct resolver_figures f;
	resolver_figures(resolver, &f);
	put(b, "active_questions_total", "counter", "Questions asked of the living DNS: a name and a type each.", f.questions);
	put(b, "active_answers_total", "counter", "Questions that were answered.", f.answers);
	put(b, "active_late_answers_total", "counter", "Of those, answers that came after the budget.", f.late);
	put(b, "active_records_total", "counter", "Observations that came of answers.", f.records);
	put(b, "active_shared_total", "counter", "Lookups that joined a question in flight.", f.shared);
	put(b, "active_remembered_total", "counter", "Questions that were not asked as their last answer is good still.",
	    f.remembered);
	head(b, "active_failed_total", "counter", "Questions without an answer, and names that were not asked, by reason.");
	for (int i = 0; i < ACTIVE_REASONS; i++)
		buffer_putf(b, "dribble_active_failed_total{reason=\"%s\"} %llu\n",
		            active_reason_name((enum active_reason)i), (unsigned long long)f.reasons[i]);
	put(b, "active_in_flight", "gauge", "Questions in flight.", f.in_flight);
	put(b, "active_waiting", "gauge", "Lookups that wait for answers.", f.waiting);
	put(b, "active_silent", "gauge", "1 while the resolver as a whole does not answer.", f.silent);
}

static void metrics(struct request *r)
{
	struct buffer b = BUFFER_INIT;
	put_requests(r->server, &b);
	if (r->server->resolver)
		put_resolver(r->server->resolver, &b);
	respond_body(r, MHD_HTTP_OK, "text/plain; version=0.0.4", &b);
}

const struct resource metrics_resource = {
	.allow = "GET, HEAD",
	.methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
	.role = ACCOUNT_READER,
	.act = metrics,
};
