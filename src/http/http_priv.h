/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the HTTP server share: the server, a request, how to answer.
 *
 * A request's life: libmicrohttpd reads its head and calls handle() (server.c) on one of its threads. Whoever may ask is
 * settled first, then its resource is called. What could take long — a password's hash, a large count, a durable write —
 * runs on a worker thread while the connection is suspended, so that it never keeps other connections waiting.
 */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "http/doors.h"
#include "http/hangups.h"
#include "http/server.h"
#include "http/workers.h"
#include "model/rdata.h"

struct request;

enum { STATUS_MAX = 600 };

struct server {
	const struct config *config; /* borrowed */
	struct store *store;         /* borrowed */
	struct access *access;       /* borrowed */
	struct feeders *feeders;     /* borrowed; NULL: there are none */
	uint64_t since_s;            /* when it was started */
	const struct exclusion *exclusion; /* borrowed; NULL: nothing is kept out */
	struct resolver *resolver;   /* borrowed; NULL: the living DNS is not asked */
	atomic_ullong statuses[STATUS_MAX]; /* answers, by their status */
	struct workers *workers;     /* owned */
	struct hangups *hangups;     /* owned */
	struct doors *doors;         /* owned */
	char *urls[CONFIG_LISTEN_MAX]; /* owned */
	size_t n;
	atomic_uint busy;    /* requests between their first call and their completion */
	atomic_uint feeding; /* imports under way */
	atomic_bool stopping; /* connections are closed behind their answers */
	atomic_bool ending;   /* the grace is over: imports are given up */
	pthread_mutex_t keys_lock;
	pthread_mutex_t spares_lock;
	struct lookup *spares; /* owned; guarded by spares_lock, as n_spares */
	unsigned n_spares;
	struct import *imports; /* under way, for their idempotency keys; guarded by keys_lock */
};

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_OTHER };

/* A resource: what a path leads to. One file each. */
struct resource {
	const char *allow; /* methods, for the header of 405 */
	unsigned methods;  /* bits by enum method */
	unsigned role;     /* enum account_role, 0: anybody */
	/* The request's head and identity are known; no body was read. 0 to go on. Anything but 0: it was
	 * answered. May be NULL. */
	int (*begin)(struct request *r);
	/* A run of the body. */
	void (*body)(struct request *r, struct bytes run);
	/* The body is complete: answer. */
	void (*act)(struct request *r);
	void (*release)(struct request *r); /* frees r->state; may be NULL */
};

enum stage { STAGE_HEAD, STAGE_VERIFYING, STAGE_BODY, STAGE_DONE };

/* What is kept of a connection from one request to the next. */
struct peer {
	struct watched *watched; /* owned; may be NULL */
	struct request *spare;   /* owned: what the last request leaves to the next, or NULL */
	struct access_memo memo;
};

/* Request headers that are looked for in every request, or every lookup: found in one walk. */
enum header {
	HEADER_AUTHORIZATION,
	HEADER_STYLE,
	HEADER_RRTYPE,
	HEADER_COUNT,
	HEADER_CURSOR,
	HEADER_NO_ACTIVE,
	HEADER_ACTIVE_ERRORS,
	HEADERS
};

struct request {
	struct server *server;
	struct peer *peer; /* its connection's; borrowed */
	const char *headers[HEADERS]; /* values, libmicrohttpd's; NULL: absent */
	struct MHD_Connection *connection;
	enum method method;
	const char *target; /* raw path; libmicrohttpd's */
	enum stage stage;
	const struct resource *resource;
	struct identity who;
	enum access_result verified;
	struct buffer value;  /* decoded rest of the path */
	int style;            /* by the path, or -1 */
	void *state;          /* the resource's own */
	struct MHD_Response *response; /* made, to be queued by handle() */
	unsigned status;
	bool deferred;        /* in this call of handle() */
	atomic_bool in_job;   /* a worker has it: nothing else may be looked at */
	void (*job)(struct request *r); /* what a worker runs while the connection is suspended */
};

/* Makes an answer of one line of plain text. */
void respond_error(struct request *r, unsigned status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with one more header. */
void respond_error_with(struct request *r, unsigned status, const char *header, const char *value,
                        const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* An answer whose body is complete; takes the bytes of body over. */
void respond_body(struct request *r, unsigned status, const char *type, struct buffer *body);
/* The same, but the body stays the request's: it is valid until the request is released. */
void respond_lent(struct request *r, unsigned status, const char *type, struct bytes body);
void respond_header(struct request *r, const char *name, const char *value);
/* An answer whose body comes from a callback of libmicrohttpd, of unknown length. */
void respond_stream(struct request *r, const char *type, MHD_ContentReaderCallback reader,
                    void *ctx, MHD_ContentReaderFreeCallback release);

/* A request header that is none of enum header, NULL when absent. */
const char *request_header(struct request *r, const char *name);

/* Suspends the connection and runs job on a worker; afterwards handle() goes on. */
void request_defer(struct request *r, void (*job)(struct request *r));

/* Suspends the connection until request_resume is called with the request, by whatever thread; afterwards handle() goes on, and calls
 * the resource again. */
void request_wait(struct request *r);
void request_resume(void *request);

/* Decodes percent-escapes, once. False when one is malformed. */
bool url_decode(struct bytes text, struct buffer *out);

/* Finds what a raw path leads to. NULL: nothing. Fills value and style of the request; ERR_SYNTAX to ret_rc when the value is
 * malformed. */
const struct resource *route(struct request *r, int *ret_rc);

extern const struct resource lookup_resource;
void lookup_discard_spares(struct server *s); /* when no requests are left */
extern const struct resource import_resource;
extern const struct resource info_resource;
extern const struct resource metrics_resource;
extern const struct resource ping_resource;
