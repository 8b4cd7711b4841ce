/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Choosing an engine by URI, and passing calls on to it. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/store_priv.h"

static const struct store_engine *const engines[] = {&store_rocksdb, &store_memory};

/* The scheme of a URI is letters before the first ':'; a path may hold colons behind a slash. */
static size_t scheme_len(const char *uri)
{
	size_t n = strspn(uri, "abcdefghijklmnopqrstuvwxyz");
	return n > 1 && uri[n] == ':' ? n : 0;
}

int store_open(const char *uri, enum store_mode mode, const struct store_options *opt,
               struct store **ret, struct err *e)
{
	static const struct store_options defaults = {.threads = 0};
	if (!opt)
		opt = &defaults;
	if (opt->damage.tell && mode != STORE_READ)
		return err_set(e, ERR_USAGE, "%s: a store that may be damaged is not written to", uri);
	size_t n = scheme_len(uri);
	if (!n) {
		if (!*uri)
			return err_set(e, ERR_USAGE, "the store URI is empty");
		return store_rocksdb.open(uri, mode, opt, ret, e);
	}
	for (size_t i = 0; i < sizeof(engines) / sizeof(engines[0]); i++) {
		const struct store_engine *engine = engines[i];
		if (strlen(engine->scheme) == n && memcmp(engine->scheme, uri, n) == 0)
			return engine->open(uri + n + 1, mode, opt, ret, e);
	}
	return err_set(e, ERR_USAGE,
	               "%s: not a store URI (a path, rocksdb:PATH or memory: are)", uri);
}

void store_close(struct store *s)
{
	if (s)
		s->engine->close(s);
}

const char *store_path(const struct store *s)
{
	return s->path;
}

int run_begin(struct store *s, uint64_t expect, struct run **ret, struct err *e)
{
	return s->engine->run_begin(s, expect, ret, e);
}

int run_restart(struct run *r, struct err *e)
{
	return r->engine->run_restart(r, e);
}

int run_put(struct run *r, struct bytes key, struct bytes value, struct err *e)
{
	return r->engine->run_put(r, key, value, e);
}

int run_add(struct run *r, struct bytes key, struct bytes value, struct err *e)
{
	return r->engine->run_add(r, key, value, e);
}

int run_commit(struct run *r, struct err *e)
{
	return r->engine->run_commit(r, e);
}

void run_abort(struct run *r)
{
	if (r)
		r->engine->run_abort(r);
}

int store_forget(struct store *s, struct bytes key, struct err *e)
{
	if (!key.n || key.p[0] >= STORE_FIRST_ROW)
		return err_set(e, ERR_USAGE, "only notes can be forgotten");
	return s->engine->forget(s, key, e);
}

int scan_begin(struct store *s, struct scan **ret, struct err *e)
{
	return s->engine->scan_begin(s, ret, e);
}

int scan_find(struct scan *sc, struct bytes key, struct bytes *value, struct err *e)
{
	struct bytes found;
	int rc = scan_seek(sc, key, &found, value, e);
	return rc == 1 && !bytes_eq(found, key) ? 0 : rc;
}

void scan_bound(struct scan *sc, struct bytes hi)
{
	sc->engine->scan_bound(sc, hi);
}

int scan_seek(struct scan *sc, struct bytes at, struct bytes *ret_key, struct bytes *ret_value,
              struct err *e)
{
	return sc->engine->scan_seek(sc, at, ret_key, ret_value, e);
}

int scan_next(struct scan *sc, struct bytes *ret_key, struct bytes *ret_value, struct err *e)
{
	return sc->engine->scan_next(sc, ret_key, ret_value, e);
}

int scan_count(struct scan *sc, struct bytes prefix, uint64_t budget, uint64_t *ret, struct err *e)
{
	size_t n = prefix.n;
	while (n && prefix.p[n - 1] == 0xff)
		n--;
	if (!n)
		return err_set(e, ERR_USAGE, "rows are counted below a prefix");
	return sc->engine->scan_count(sc, prefix, budget, ret, e);
}

void scan_end(struct scan *sc)
{
	if (sc)
		sc->engine->scan_end(sc);
}

uint64_t store_generation(struct store *s)
{
	return s->engine->generation(s);
}

int store_figures(struct store *s, struct store_figures *ret, struct err *e)
{
	return s->engine->figures(s, ret, e);
}

int store_compact(struct store *s, struct err *e)
{
	return s->engine->compact ? s->engine->compact(s, e) : 0;
}

int store_verify(struct store *s, struct err *e)
{
	return s->engine->verify ? s->engine->verify(s, e) : 0;
}
