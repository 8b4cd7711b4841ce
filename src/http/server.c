/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Connections and the life of a request: see http_priv.h. */
#include "http/server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "http/http_priv.h"

enum {
	/* libmicrohttpd answers a head that does not fit its pool with a page of HTML. The pool is larger than any head
	 * we take, so that we are the ones to refuse what is a little too large. But one and a half of it are zeroed for
	 * every request, which pushes all else out of the processor's caches: with 64 KiB a lookup took a fifth longer. */
	POOL = 32 << 10,
	STACK = 512 << 10,
	VALUE_KEPT = 512, /* octets of room that a request leaves to the next */
	WORKERS = 4,
};

/* --- the life of a request --- */

static enum method method_of(const char *name)
{
	return strcmp(name, "GET") == 0    ? METHOD_GET
	       : strcmp(name, "HEAD") == 0 ? METHOD_HEAD
	       : strcmp(name, "POST") == 0 ? METHOD_POST
	                                   : METHOD_OTHER;
}

static const struct {
	const char *name;
	size_t n;
} header_names[HEADERS] = {
#define NAMED(text) {(text), sizeof(text) - 1}
	[HEADER_AUTHORIZATION] = NAMED("authorization"),
	[HEADER_STYLE] = NAMED("dribble-style"),
	[HEADER_RRTYPE] = NAMED("dribble-filter-rrtype"),
	[HEADER_COUNT] = NAMED("dribble-paginate-count"),
	[HEADER_CURSOR] = NAMED("dribble-paginate-cursor"),
	[HEADER_NO_ACTIVE] = NAMED("dribble-disable-active-query"),
	[HEADER_ACTIVE_ERRORS] = NAMED("dribble-active-errors"),
#undef NAMED
};

struct head {
	struct request *request;
	size_t octets;
};

/* Of several headers of one name the first counts. */
static enum MHD_Result look_at_header(void *ctx, enum MHD_ValueKind kind, const char *key,
                                      size_t key_n, const char *value, size_t value_n)
{
	struct head *head = ctx;
	(void)kind;
	head->octets += key_n + value_n + 4;
	for (int i = 0; i < HEADERS; i++) {
		if (key_n != header_names[i].n || strncasecmp(key, header_names[i].name, key_n) != 0)
			continue;
		if (!head->request->headers[i])
			head->request->headers[i] = value;
		break;
	}
	return MHD_YES;
}

static bool head_is_too_large(struct request *r)
{
	struct head head = {.request = r};
	if (strlen(r->target) > URL_MAX) {
		respond_error(r, MHD_HTTP_URI_TOO_LONG, "the request target is over %d octets", URL_MAX);
		return true;
	}
	MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, look_at_header, &head);
	if (head.octets > HEADERS_MAX) {
		respond_error(r, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
		              "the request headers are over %d octets", HEADERS_MAX);
		return true;
	}
	return false;
}

static struct bytes authorization(struct request *r)
{
	const char *header = r->headers[HEADER_AUTHORIZATION];
	return header ? bytes_str(header) : bytes_of(NULL, 0);
}

static void verify(struct request *r)
{
	r->verified = access_verify(r->server->access, authorization(r), &r->who);
}

/* 1: known and allowed. 0: answered. 2: deferred. */
static int authorise(struct request *r)
{
	enum access_result result = r->verified;
	if (!r->resource->role)
		return 1;
	if (access_is_open(r->server->access)) {
		r->who = (struct identity){.roles = ACCOUNT_READER | ACCOUNT_FEEDER, .style = ACCOUNT_STYLE_NONE};
		return 1;
	}
	if (r->stage == STAGE_HEAD)
		result = access_check_memo(r->server->access, authorization(r), &r->peer->memo, &r->who);
	if (result == ACCESS_NEEDS_VERIFY) {
		r->stage = STAGE_VERIFYING;
		request_defer(r, verify);
		return 2;
	}
	if (result == ACCESS_BUSY) {
		respond_error_with(r, MHD_HTTP_SERVICE_UNAVAILABLE, "retry-after", "1",
		                   "too many passwords are being verified, ask again in a second");
		return 0;
	}
	if (result != ACCESS_OK) {
		respond_error_with(r, MHD_HTTP_UNAUTHORIZED, "www-authenticate",
		                   "Basic realm=\"dribble\"", "Unauthorized");
		return 0;
	}
	if (!(r->who.roles & r->resource->role)) {
		respond_error(r, MHD_HTTP_FORBIDDEN, "the account %s is no %s", r->who.name,
		              account_roles_text(r->resource->role));
		return 0;
	}
	return 1;
}

/* Everything that the head decides. True when the body is wanted; else it was answered, or deferred. */
static bool begin(struct request *r)
{
	int rc;
	if (r->stage == STAGE_HEAD) {
		if (head_is_too_large(r))
			return false;
		r->resource = route(r, &rc);
		if (rc < 0) {
			respond_error(r, MHD_HTTP_BAD_REQUEST, "the path holds a malformed percent-escape");
			return false;
		}
		if (!r->resource) {
			respond_error(r, MHD_HTTP_NOT_FOUND, "there is nothing at this path");
			return false;
		}
		if (!(r->resource->methods & 1u << r->method)) {
			respond_error_with(r, MHD_HTTP_METHOD_NOT_ALLOWED, "allow", r->resource->allow,
			                   "this path takes %s", r->resource->allow);
			return false;
		}
	}
	if (authorise(r) != 1)
		return false;
	r->stage = STAGE_BODY;
	return !r->resource->begin || r->resource->begin(r) == 0;
}

static enum MHD_Result queue(struct request *r)
{
	r->stage = STAGE_DONE;
	if (r->status < STATUS_MAX)
		atomic_fetch_add_explicit(&r->server->statuses[r->status], 1, memory_order_relaxed);
	if (r->server->stopping)
		MHD_add_response_header(r->response, "connection", "close");
	enum MHD_Result ok = MHD_queue_response(r->connection, r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return ok;
}

static void run_job(void *arg)
{
	struct request *r = arg;
	r->job(r);
	request_resume(r);
}

void request_wait(struct request *r)
{
	r->deferred = true;
	r->in_job = true;
	hangups_busy(r->peer->watched, true);
	MHD_suspend_connection(r->connection);
}

void request_resume(void *arg)
{
	struct request *r = arg;
	struct MHD_Connection *connection = r->connection;
	r->in_job = false;
	MHD_resume_connection(connection);
}

void request_defer(struct request *r, void (*job)(struct request *r))
{
	r->job = job;
	r->deferred = true;
	r->in_job = true;
	hangups_busy(r->peer->watched, true);
	MHD_suspend_connection(r->connection);
	workers_run(r->server->workers, run_job, r);
}

static struct request *request_new(struct server *s, struct MHD_Connection *connection,
                                   const char *target, const char *method)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct peer *peer = info->socket_context;
	struct request *r = peer->spare;
	if (!r)
		r = xmalloc(sizeof(*r));
	struct buffer value = peer->spare ? r->value : BUFFER_INIT;
	peer->spare = NULL;
	*r = (struct request){.server = s, .peer = peer, .connection = connection, .value = value};
	r->target = target;
	r->method = method_of(method);
	r->style = -1;
	r->who.style = ACCOUNT_STYLE_NONE;
	hangups_busy(peer->watched, r->method != METHOD_POST);
	atomic_fetch_add(&s->busy, 1);
	return r;
}

static void request_free(struct request *r)
{
	if (r)
		buffer_release(&r->value);
	free(r);
}

/* Leaves it to the next request of its connection, which is one at a time. */
static void request_leave(struct request *r)
{
	buffer_clear(&r->value);
	if (r->value.cap > VALUE_KEPT)
		buffer_release(&r->value);
	request_free(r->peer->spare);
	r->peer->spare = r;
}

/* The body so far was taken, or is not wanted. */
static enum MHD_Result drop(size_t *upload_n)
{
	*upload_n = 0;
	return MHD_YES;
}

/* Called by libmicrohttpd when the head is read (then a POST's body follows and an answer now would end the connection: only
 * refusals are given here), for every run of the body, and at its end; and again after each resumption. */
static enum MHD_Result handle(void *ctx, struct MHD_Connection *connection, const char *target,
                              const char *method, const char *version, const char *upload,
                              size_t *upload_n, void **con_cls)
{
	struct request *r = *con_cls;
	(void)version;
	if (!r) {
		r = *con_cls = request_new(ctx, connection, target, method);
		if (r->method != METHOD_POST)
			return MHD_YES; /* answered on the second call: on the first the connection would close */
	}
	if (r->in_job)
		return MHD_YES; /* libmicrohttpd goes on with the next chunk although the connection is suspended */
	if (r->stage == STAGE_DONE) {
		*upload_n = 0;
		return MHD_YES;
	}
	r->deferred = false;
	if (r->response) /* a worker made it */
		return *upload_n ? drop(upload_n) : queue(r);
	if (r->stage != STAGE_BODY) {
		bool first = r->method == METHOD_POST, wanted = begin(r);
		if (r->deferred)
			return MHD_YES;
		if (r->response)
			return queue(r);
		if (!wanted || first)
			return MHD_YES;
	}
	if (*upload_n) {
		hangups_busy(r->peer->watched, false); /* a sign of life */
		if (r->resource->body)
			r->resource->body(r, bytes_of(upload, *upload_n));
		return drop(upload_n);
	}
	hangups_busy(r->peer->watched, true);
	r->resource->act(r);
	return r->deferred ? MHD_YES : queue(r);
}

static void completed(void *ctx, struct MHD_Connection *connection, void **con_cls,
                      enum MHD_RequestTerminationCode code)
{
	struct request *r = *con_cls;
	struct server *s = ctx;
	(void)connection, (void)code;
	if (!r)
		return;
	hangups_busy(r->peer->watched, false);
	if (r->resource && r->resource->release)
		r->resource->release(r);
	if (r->response)
		MHD_destroy_response(r->response);
	request_leave(r);
	*con_cls = NULL;
	atomic_fetch_sub(&s->busy, 1);
}

static void peer_free(struct server *s, struct peer *peer)
{
	if (!peer)
		return;
	if (peer->watched)
		hangups_remove(s->hangups, peer->watched);
	request_free(peer->spare);
	access_memo_release(&peer->memo);
	free(peer);
}

static void connection_changed(void *ctx, struct MHD_Connection *connection, void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
	struct desk *desk = ctx;
	struct server *s = desk->owner;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		const union MHD_ConnectionInfo *info =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
		struct peer *peer = xcalloc(1, sizeof(*peer));
		peer->watched = info ? hangups_add(s->hangups, info->connect_fd) : NULL;
		*socket_context = peer;
	} else {
		peer_free(s, *socket_context);
		*socket_context = NULL;
		desk_left(desk);
	}
}

/* Paths stay as they came: they are decoded once, by us. */
static size_t keep_escapes(void *ctx, struct MHD_Connection *connection, char *text)
{
	(void)ctx, (void)connection;
	return strlen(text);
}

static void log_mhd(void *ctx, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void log_mhd(void *ctx, const char *fmt, va_list ap)
{
	char line[512];
	(void)ctx;
	vsnprintf(line, sizeof(line), fmt, ap);
	log_debug("http", "%s", line);
}

/* --- listening --- */

static int read_file(const char *path, char **ret, struct err *e)
{
	struct buffer b = BUFFER_INIT;
	FILE *f = fopen(path, "re");
	if (!f)
		return err_sys(e, errno, "%s", path);
	size_t n;
	do {
		n = fread(buffer_reserve(&b, 4096), 1, 4096, f);
		b.n += n;
	} while (n && b.n < 1 << 20);
	fclose(f);
	buffer_put_byte(&b, 0);
	*ret = (char *)b.p;
	return 0;
}

static unsigned threads_of(const struct config *c)
{
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	return c->threads ? (unsigned)c->threads : (unsigned)(online > 0 ? online : 1);
}

static int open_desk(struct server *s, struct desk *desk, const struct config_address *address,
                     const char *cert, const char *key, struct err *e)
{
	const struct config *c = s->config;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
	struct MHD_OptionItem tls[] = {
		{cert ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, (void *)(uintptr_t)cert},
		{cert ? MHD_OPTION_HTTPS_MEM_KEY : MHD_OPTION_END, 0, (void *)(uintptr_t)key},
		{MHD_OPTION_END, 0, NULL},
	};
	if (cert)
		flags |= MHD_USE_TLS;
	errno = 0;
	desk->daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, handle, s, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL,
		MHD_OPTION_NOTIFY_COMPLETED, completed, s, MHD_OPTION_NOTIFY_CONNECTION, connection_changed, desk,
		MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->connections_max, MHD_OPTION_CONNECTION_TIMEOUT,
		(unsigned)(c->connection_timeout_ms / 1000), MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK,
		MHD_OPTION_STRICT_FOR_CLIENT, -1, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (!desk->daemon && errno)
		return err_sys(e, errno, "cannot listen on %s", address->text);
	if (!desk->daemon)
		return err_set(e, ERR_IO, "cannot listen on %s%s", address->text,
		               cert ? " (is the certificate or key malformed?)" : "");
	return 0;
}

static int listen_on(struct server *s, const struct config_address *address, const char *cert,
                     const char *key, struct err *e)
{
	struct desk *desks;
	struct buffer url = BUFFER_INIT;
	unsigned threads = threads_of(s->config);
	int rc = doors_add(s->doors, address, threads, s, &desks, e);
	for (unsigned i = 0; i < threads && rc == 0; i++)
		rc = open_desk(s, &desks[i], address, cert, key, e);
	if (rc < 0)
		return rc;
	buffer_putf(&url, "%s://%s%c", cert ? "https" : "http", doors_address(s->doors, s->n)->text, '\0');
	s->urls[s->n++] = (char *)url.p;
	return 0;
}

int server_start(const struct config *config, struct store *store, struct access *access,
                 const struct exclusion *exclusion, struct feeders *feeders, struct resolver *resolver,
                 struct server **ret, struct err *e)
{
	char *cert = NULL, *key = NULL;
	int rc = 0;
	struct server *s = xcalloc(1, sizeof(*s));
	s->config = config;
	s->store = store;
	s->access = access;
	s->exclusion = exclusion;
	s->feeders = feeders;
	s->resolver = resolver;
	s->since_s = (uint64_t)time(NULL);
	pthread_mutex_init(&s->keys_lock, NULL);
	pthread_mutex_init(&s->spares_lock, NULL);
	s->workers = workers_new(WORKERS);
	s->hangups = hangups_new(config->connection_timeout_ms);
	s->doors = doors_new((unsigned)config->connections_max);
	if (!s->workers || !s->hangups || !s->doors)
		rc = err_set(e, ERR_IO, "cannot start threads");
	if (rc == 0 && *config->tls_certificate)
		rc = read_file(config->tls_certificate, &cert, e);
	if (rc == 0 && *config->tls_key)
		rc = read_file(config->tls_key, &key, e);
	for (size_t i = 0; i < config->listen.n && rc == 0; i++)
		rc = listen_on(s, &config->listen.p[i], cert, key, e);
	free(cert);
	free(key);
	if (rc == 0)
		rc = doors_open(s->doors, e);
	if (rc < 0) {
		server_stop(s, 0);
		return rc;
	}
	*ret = s;
	return 0;
}

const char *server_url(const struct server *s, size_t i)
{
	return i < s->n ? s->urls[i] : NULL;
}

void server_stop(struct server *s, unsigned grace_ms)
{
	const struct timespec tick = {0, 5000000};
	s->stopping = true;
	doors_close(s->doors);
	for (unsigned waited = 0; waited < grace_ms && s->busy; waited += 5)
		nanosleep(&tick, NULL);
	s->ending = true;
	if (s->resolver)
		resolver_hush(s->resolver); /* resumes who waits for it */
	if (s->workers)
		workers_stop(s->workers); /* resumes what is suspended, which libmicrohttpd requires before it stops */
	doors_free(s->doors);
	for (size_t i = 0; i < s->n; i++)
		free(s->urls[i]);
	workers_free(s->workers);
	hangups_free(s->hangups);
	lookup_discard_spares(s);
	pthread_mutex_destroy(&s->spares_lock);
	pthread_mutex_destroy(&s->keys_lock);
	free(s);
}
