/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /metrics: counters in the text format of Prometheus. A new one is a row, or a call of put. */
#include <stddef.h>
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

static void put_label(struct buffer *b, const char *name, const char *text)
{
	buffer_putf(b, "%s=\"", name);
	for (; *text; text++) {
		if (*text == '\\' || *text == '"')
			buffer_put_byte(b, '\\');
		buffer_put_byte(b, (uint8_t)*text < 0x20 ? '?' : (uint8_t)*text);
	}
	buffer_put_byte(b, '"');
}

static void put_source(struct buffer *b, const char *name, const struct feeder_state *s, const char *reason, uint64_t n)
{
	buffer_putf(b, "dribble_%s{", name);
	put_label(b, "kind", s->kind);
	buffer_put_byte(b, ',');
	put_label(b, "where", s->where);
	if (reason) {
		buffer_put_byte(b, ',');
		put_label(b, "reason", reason);
	}
	buffer_putf(b, "} %llu\n", (unsigned long long)n);
}

/* Of every source: malformed and dropped always, of the others those that are not 0. */
static void put_rejected(struct feeders *feeders, struct buffer *b)
{
	struct feeder_state s;
	head(b, "feeder_rejected_total", "counter", "What was not stored of a source, by reason.");
	for (size_t i = 0; feeders_state(feeders, i, &s); i++) {
		put_source(b, "feeder_rejected_total", &s, "malformed", s.counts.malformed);
		put_source(b, "feeder_rejected_total", &s, "dropped", s.counts.dropped);
		for (int why = 0; why < LEFT_OUT_REASONS; why++) {
			if (s.counts.left_out[why])
				put_source(b, "feeder_rejected_total", &s, left_out_name((enum left_out)why), s.counts.left_out[why]);
		}
	}
}

static void put_feeders(struct feeders *feeders, struct buffer *b)
{
	static const struct {
		const char *name, *type, *help;
		size_t at;
	} rows[] = {
		{"feeder_connected", "gauge", "Connections of a source.", offsetof(struct feeder_state, connected)},
		{"feeder_connections_total", "counter", "Connections of a source so far.", offsetof(struct feeder_state, connections)},
		{"feeder_messages_total", "counter", "Frames, messages or files of a source.", offsetof(struct feeder_state, messages)},
		{"feeder_failed_total", "counter", "Connections closed for what they sent or not made, and files that failed.",
	         offsetof(struct feeder_state, failed)},
		{"feeder_observations_total", "counter", "Observations of a source.",
	         offsetof(struct feeder_state, counts.observations)},
	};
	struct feeder_state s;
	if (!feeders_state(feeders, 0, &s))
		return;
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		head(b, rows[row].name, rows[row].type, rows[row].help);
		for (size_t i = 0; feeders_state(feeders, i, &s); i++) {
			uint64_t n;
			memcpy(&n, (const char *)&s + rows[row].at, sizeof(n));
			put_source(b, rows[row].name, &s, NULL, n);
		}
	}
	put_rejected(feeders, b);
	put(b, "feeders_failing", "gauge", "1 while what came last could not be stored, and is tried again.",
	    feeders_are_failing(feeders));
}

static void metrics(struct request *r)
{
	struct buffer b = BUFFER_INIT;
	put_requests(r->server, &b);
	if (r->server->resolver)
		put_resolver(r->server->resolver, &b);
	put_feeders(r->server->feeders, &b);
	respond_body(r, MHD_HTTP_OK, "text/plain; version=0.0.4", &b);
}

const struct resource metrics_resource = {
	.allow = "GET, HEAD",
	.methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
	.role = ACCOUNT_READER,
	.act = metrics,
};
