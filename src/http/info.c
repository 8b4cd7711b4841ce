/* SPDX-License-Identifier: GPL-3.0-or-later */
/* GET /info: what the store holds, who contributed what, and how the feeders do. */
#include <stdlib.h>
#include <time.h>

#include "answer/answer.h"
#include "base/log.h"
#include "feed/tally.h"
#include "http/http_priv.h"

enum {
	SENSORS_SHOWN = 1000,
	SENSORS_READ = 100000 /* so many are counted, which takes a tenth of a second */
};

static void put_text(struct buffer *b, const char *name, struct bytes text)
{
	buffer_putf(b, "\"%s\": ", name);
	answer_json_string(text, b);
}

static void put_number(struct buffer *b, const char *name, uint64_t n)
{
	buffer_putf(b, "\"%s\": %llu", name, (unsigned long long)n);
}

/* Those that are not 0, and malformed. */
static void put_reasons(struct buffer *b, const uint64_t *left_out, uint64_t malformed,
			uint64_t dropped)
{
	put_number(b, "malformed", malformed);
	if (dropped) {
		buffer_put_str(b, ", ");
		put_number(b, "dropped", dropped);
	}
	for (int i = 0; i < LEFT_OUT_REASONS; i++) {
		if (!left_out[i])
			continue;
		buffer_put_str(b, ", ");
		put_number(b, left_out_name((enum left_out)i), left_out[i]);
	}
}

struct sensors {
	struct buffer *b;
	uint64_t n, observations;
};

static int put_sensor(void *ctx, const struct contribution *c)
{
	struct sensors *s = ctx;
	s->observations += c->n[TALLY_OBSERVED];
	if (s->n++ >= SENSORS_SHOWN)
		return 0;
	buffer_put_str(s->b, s->n > 1 ? ",\n  {" : "\n  {");
	put_text(s->b, "sensor_id", c->id);
	buffer_put_str(s->b, ", ");
	put_number(s->b, "count", c->n[TALLY_OBSERVED]);
	buffer_put_str(s->b, ", \"rejected\": {");
	put_reasons(s->b, &c->n[TALLY_LEFT_OUT], c->n[TALLY_MALFORMED], c->n[TALLY_DROPPED]);
	buffer_put_str(s->b, "}, ");
	put_number(s->b, "first_contact", c->first_s);
	buffer_put_str(s->b, ", ");
	put_number(s->b, "last_contact", c->last_s);
	buffer_put_byte(s->b, '}');
	return 0;
}

static void put_feeders(struct request *r, struct buffer *b)
{
	struct feeder_state s;
	for (size_t i = 0; feeders_state(r->server->feeders, i, &s); i++) {
		buffer_put_str(b, i ? ",\n  {" : "\n  {");
		put_text(b, "kind", bytes_str(s.kind));
		buffer_put_str(b, ", ");
		put_text(b, "where", bytes_str(s.where));
		buffer_putf(b,
			    ", \"connected\": %llu, \"connections\": %llu, \"messages\": %llu, "
			    "\"failed\": %llu, \"observations\": %llu, \"rejected\": {",
			    (unsigned long long)s.connected, (unsigned long long)s.connections,
			    (unsigned long long)s.messages, (unsigned long long)s.failed,
			    (unsigned long long)s.counts.observations);
		put_reasons(b, s.counts.left_out, s.counts.malformed, s.counts.dropped);
		buffer_put_str(b, "}, \"error\": ");
		if (s.error[0])
			answer_json_string(bytes_str(s.error), b);
		else
			buffer_put_str(b, "null");
		buffer_put_byte(b, '}');
	}
}

/* On a worker: it reads the store. */
static void answer_info(struct request *r)
{
	struct err e = {""};
	struct buffer b = BUFFER_INIT, list = BUFFER_INIT;
	struct sensors sensors = {.b = &list};
	struct store_figures figures = {0};
	int rc = store_figures(r->server->store, &figures, &e);
	if (rc == 0)
		rc = tally_each(r->server->store, SENSORS_READ, put_sensor, &sensors, &e);
	if (rc < 0) {
		log_error("http", "/info: %s", e.text);
		buffer_release(&list);
		respond_error(r, MHD_HTTP_INTERNAL_SERVER_ERROR, "the store failed");
		return;
	}
	buffer_put_str(&b, "{\"version\": \"" DRIBBLE_VERSION "\", \"software\": \"dribble\", ");
	put_number(&b, "stats", sensors.observations);
	buffer_put_str(&b, ", ");
	put_number(&b, "uptime", (uint64_t)time(NULL) - r->server->since_s);
	buffer_putf(&b,
		    ", \"store\": {\"rows\": %llu, \"disk\": %llu, \"memory\": %llu, "
		    "\"generation\": %llu},\n",
		    (unsigned long long)figures.rows, (unsigned long long)figures.disk_bytes,
		    (unsigned long long)figures.memory_bytes,
		    (unsigned long long)store_generation(r->server->store));
	put_number(&b, "sensors_total", sensors.n);
	buffer_putf(&b, ", \"sensors_complete\": %s, \"sensors\": [",
		    rc || sensors.n > SENSORS_SHOWN ? "false" : "true");
	buffer_put_bytes(&b, buffer_bytes(&list));
	buffer_putf(&b, "],\n\"failing\": %s, \"feeders\": [",
		    feeders_are_failing(r->server->feeders) ? "true" : "false");
	put_feeders(r, &b);
	buffer_put_str(&b, "]}\n");
	buffer_release(&list);
	respond_body(r, MHD_HTTP_OK, "application/json", &b);
}

static void info(struct request *r)
{
	request_defer(r, answer_info);
}

const struct resource info_resource = {
	.allow = "GET, HEAD",
	.methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
	.role = ACCOUNT_READER,
	.act = info,
};
