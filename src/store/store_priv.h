/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an implementation of the store provides. One file each: store_rocksdb.c, store_memory.c. */
#pragma once

#include "store/damage.h"
#include "store/store.h"

/* The functions mean what store.h says of them; forget, figures, compact and verify may be NULL where they have
 * nothing to do. Objects begin with the struct below. */
struct store_engine {
	const char *scheme; /* "rocksdb" */
	int (*open)(const char *rest, enum store_mode mode, const struct store_options *opt,
	            struct store **ret, struct err *e);
	void (*close)(struct store *s);
	int (*run_begin)(struct store *s, uint64_t expect, struct run **ret, struct err *e);
	int (*run_restart)(struct run *r, struct err *e);
	int (*run_put)(struct run *r, struct bytes key, struct bytes value, struct err *e);
	int (*run_add)(struct run *r, struct bytes key, struct bytes value, struct err *e);
	int (*run_commit)(struct run *r, struct err *e);
	void (*run_abort)(struct run *r);
	int (*forget)(struct store *s, struct bytes key, struct err *e);
	int (*scan_begin)(struct store *s, struct scan **ret, struct err *e);
	void (*scan_bound)(struct scan *sc, struct bytes hi);
	int (*scan_seek)(struct scan *sc, struct bytes at, struct bytes *key, struct bytes *value,
	                 struct err *e);
	int (*scan_next)(struct scan *sc, struct bytes *key, struct bytes *value, struct err *e);
	int (*scan_count)(struct scan *sc, struct bytes prefix, uint64_t budget, uint64_t *ret, struct err *e);
	void (*scan_end)(struct scan *sc);
	uint64_t (*generation)(struct store *s);
	int (*figures)(struct store *s, struct store_figures *ret, struct err *e);
	int (*compact)(struct store *s, struct err *e);
	int (*verify)(struct store *s, struct err *e);
};

struct store {
	const struct store_engine *engine;
	char *path; /* owned; NULL where there is none */
};

struct run {
	const struct store_engine *engine;
};

struct scan {
	const struct store_engine *engine;
};

extern const struct store_engine store_rocksdb;
extern const struct store_engine store_memory;

/* The note that holds the version of the key layout, and that version. */
#define LAYOUT_KEY "\0version"
#define LAYOUT_KEY_LEN 8
#define LAYOUT_VERSION "2"
