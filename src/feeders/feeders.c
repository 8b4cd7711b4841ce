/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Starting and stopping all feeders. */
#include "feeders/feeders.h"

#include <stdlib.h>

#include "base/mem.h"

enum { KINDS = 3, SHARE = 4 /* of the memory of imports is for what a folder holds */ };

struct feeders {
	struct feeder *of[KINDS];    /* owned */
	struct collector *collector; /* borrowed */
	size_t n;
};

static bool is_beyond_loopback(const struct config_listen *addresses)
{
	for (size_t i = 0; i < addresses->n; i++) {
		if (!config_address_is_loopback(&addresses->p[i]))
			return true;
	}
	return false;
}

static int start_listener(struct feeders *f, const struct config *c,
			  const struct feeder_options *opt, struct err *e)
{
	unsigned mode;
	if (!c->dnstap_unix.n && !c->dnstap_tcp.n)
		return 0;
	if (is_beyond_loopback(&c->dnstap_tcp) && !c->dnstap_anyone)
		return err_set(e, ERR_DENIED,
			       "dnstap_tcp: senders do not say who they are: beyond loopback it is "
			       "listened only with dnstap_anyone yes");
	if (config_mode_parse(c->dnstap_unix_mode, &mode) < 0)
		return err_set(e, ERR_SYNTAX,
			       "dnstap_unix_mode: not permissions in octal, as in 0660");
	int rc = listener_start(opt, c->dnstap_unix.p, c->dnstap_unix.n, mode, c->dnstap_tcp.p,
				c->dnstap_tcp.n, &f->of[f->n], e);
	f->n += rc == 0;
	return rc;
}

int feeders_start(const struct config *c, struct store *store, struct collector *collector,
		  const struct exclusion *exclusion, struct feeders **ret, struct err *e)
{
	const struct feeder_options opt = {
		.store = store,
		.collector = collector,
		.exclusion = exclusion,
		.memory = c->memory / SHARE,
		.connections_max = c->connections_max,
		.handshake_ms = c->connection_timeout_ms,
	};
	struct feeders *f = xcalloc(1, sizeof(*f));
	f->collector = collector;
	int rc = start_listener(f, c, &opt, e);
	if (rc == 0 && c->watch.n) {
		rc = watch_start(&opt, c->watch.p, c->watch.n, &f->of[f->n], e);
		f->n += rc == 0;
	}
	if (rc == 0 && c->follow.n) {
		rc = follow_start(&opt, c->follow.p, c->follow.n, &f->of[f->n], e);
		f->n += rc == 0;
	}
	if (rc < 0)
		feeders_free(f);
	else
		*ret = f;
	return rc;
}

void feeders_stop(struct feeders *f)
{
	for (size_t i = 0; i < f->n; i++)
		f->of[i]->kind->stop(f->of[i]);
}

void feeders_free(struct feeders *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		f->of[i]->kind->free(f->of[i]);
	free(f);
}

bool feeders_are_failing(struct feeders *f)
{
	return f && collector_is_failing(f->collector);
}

bool feeders_state(struct feeders *f, size_t i, struct feeder_state *ret)
{
	for (size_t k = 0; f && k < f->n; k++) {
		size_t n = 0;
		for (; f->of[k]->kind->state(f->of[k], n, ret); n++) {
			if (n == i)
				return true;
		}
		i -= n;
	}
	return false;
}
