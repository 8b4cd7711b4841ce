/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Following servers that send lines of COF over WebSocket (RFC 6455). The header of libwebsockets
 * is included here only.
 *
 * DESIGN: one thread, one context for all streams. What comes is put behind what waits, a line end
 * behind each message, and goes to the reader when the collector has room; while it has none the
 * connection is not read, so that the server's own buffers fill. A connection that ends is made
 * again after a pause that doubles, with chance in it, so that many who follow do not come all at
 * once.
 */
#include <libwebsockets.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "feeders/feeder.h"

enum {
	PAUSE_MS = 250, /* before the second attempt */
	PAUSE_MAX_MS = 60000,
	LASTED_MS = 10000, /* a connection that held so long begins with the shortest pause again */
	FULL_MS = 20,      /* until the collector is asked for room again */
	PING_S = 30,       /* of silence until a ping, and until it is over */
	HANGUP_S = 45,
	RX = 64 << 10,
	PENDING_MAX = 4 << 20, /* more than libwebsockets gives when it is not to read */
	HOST_MAX = 255,
};

/* What libwebsockets logged last about a certificate on this thread: its error does not tell. */
static _Thread_local char certificate[128];

struct stream {
	struct follow *f;
	char *where;         /* owned: the URL without credentials */
	char *host;          /* owned: name or address */
	char *host_header;   /* owned: with brackets and port */
	char *path;          /* owned */
	char *authorization; /* owned; NULL: none */
	uint16_t port;
	bool tls;
	struct lws *wsi; /* libwebsockets'; NULL: not connected, and not trying to */
	lws_sorted_usec_list_t again, room;
	uint64_t pause_ms;
	lws_usec_t since;
	bool within_line; /* pending ends in the midst of a message */
	bool held_back;   /* it is not read */
	struct buffer pending;
	struct reader *reader;
	struct collector_entry *entry;
	struct sink sink;
	atomic_ullong connected, connections, messages, failed;
};

struct follow {
	struct feeder base;
	struct stream *streams; /* owned */
	size_t n;
	struct lws_context *context;
	pthread_t thread;
	bool started;
	atomic_bool stopping;
	pthread_mutex_t lock; /* guards what follows */
	char (*errors)[160];  /* owned; by stream */
};

static void remember(struct stream *s, const char *text)
{
	pthread_mutex_lock(&s->f->lock);
	snprintf(s->f->errors[s - s->f->streams], sizeof(*s->f->errors), "%s", text);
	pthread_mutex_unlock(&s->f->lock);
}

/* --- URLs --- */

static int hex(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* user:password of a URL as the header of RFC 7617. NULL when an escape is malformed. */
static char *basic(const char *text, size_t n)
{
	struct buffer plain = BUFFER_INIT;
	char *out = NULL;
	size_t i = 0;
	for (; i < n; i++) {
		uint8_t c = (uint8_t)text[i];
		if (c == '%') {
			if (i + 2 >= n || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				break;
			c = (uint8_t)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		}
		buffer_put_byte(&plain, c);
	}
	if (i == n) {
		size_t room = plain.n * 4 / 3 + 16;
		out = xcalloc(1, room);
		memcpy(out, "Basic ", 6);
		if (lws_b64_encode_string((const char *)plain.p, (int)plain.n, out + 6,
					  (int)room - 6) < 0) {
			free(out);
			out = NULL;
		}
	}
	buffer_release(&plain);
	return out;
}

/* Takes [host]:port or host:port apart. */
static int parse_host(struct stream *s, const char *text, size_t n)
{
	const char *end = text + n, *host = text, *behind;
	unsigned long port = s->tls ? 443 : 80;
	if (*text == '[') {
		host++;
		behind = memchr(text, ']', n);
		if (!behind)
			return ERR_SYNTAX;
		s->host = xstrndup(host, (size_t)(behind - host));
		behind++;
	} else {
		behind = memchr(text, ':', n);
		behind = behind ? behind : end;
		s->host = xstrndup(host, (size_t)(behind - host));
	}
	if (!*s->host || strlen(s->host) > HOST_MAX)
		return ERR_SYNTAX;
	if (behind < end) {
		char *digits_end;
		if (*behind != ':' || behind + 1 == end || behind[1] < '0' || behind[1] > '9')
			return ERR_SYNTAX;
		port = strtoul(behind + 1, &digits_end, 10);
		if (digits_end != end || !port || port > 65535)
			return ERR_SYNTAX;
	}
	s->port = (uint16_t)port;
	s->host_header = xstrndup(text, n);
	return 0;
}

static int parse_url(struct stream *s, const char *url, struct err *e)
{
	s->tls = strncmp(url, "wss://", 6) == 0;
	if (!s->tls && strncmp(url, "ws://", 5) != 0)
		return err_set(e, ERR_SYNTAX, "follow: \"%.128s\" is no ws:// or wss:// URL", url);
	for (const char *p = url; *p; p++) {
		if (*p <= ' ' || *p > '~')
			return err_set(e, ERR_SYNTAX,
				       "follow: the URL holds a blank, or what is not ASCII");
	}
	const char *start = url + (s->tls ? 6 : 5);
	size_t n = strcspn(start, "/?#");
	const char *at = NULL;
	for (size_t i = 0; i < n; i++)
		at = start[i] == '@' ? start + i : at;
	if (at) {
		s->authorization = basic(start, (size_t)(at - start));
		if (!s->authorization)
			return err_set(
				e, ERR_SYNTAX,
				"follow: the URL's credentials hold a malformed percent-escape");
	}
	const char *host = at ? at + 1 : start;
	if (parse_host(s, host, n - (size_t)(host - start)) < 0)
		return err_set(e, ERR_SYNTAX, "follow: the URL has no host, or a malformed port");
	const char *path = start + n;
	struct buffer b = BUFFER_INIT;
	buffer_putf(&b, "%s%.*s%c", *path == '/' ? "" : "/", (int)strcspn(path, "#"), path, 0);
	s->path = (char *)b.p;
	b = BUFFER_INIT;
	buffer_putf(&b, "%s://%s%s%c", s->tls ? "wss" : "ws", s->host_header, s->path, 0);
	s->where = (char *)b.p;
	return 0;
}

static void release_url(struct stream *s)
{
	free(s->where);
	free(s->host);
	free(s->host_header);
	free(s->path);
	free(s->authorization);
}

/* --- what comes --- */

/* With the turn. */
static void feed(struct stream *s)
{
	cof_format.feed(s->reader, buffer_bytes(&s->pending), &s->sink);
	buffer_clear(&s->pending);
	collector_leave(s->entry);
}

static void deliver(struct stream *s)
{
	if (s->pending.n) {
		if (collector_try_enter(s->entry) < 0) {
			if (s->wsi && !s->held_back)
				lws_rx_flow_control(s->wsi, 0);
			s->held_back = true;
			lws_sul_schedule(s->f->context, 0, &s->room, s->room.cb,
					 FULL_MS * LWS_US_PER_MS);
			return;
		}
		feed(s);
	}
	if (s->held_back && s->wsi)
		lws_rx_flow_control(s->wsi, 1);
	s->held_back = false;
}

static void on_room(lws_sorted_usec_list_t *sul)
{
	deliver(lws_container_of(sul, struct stream, room));
}

/* Nothing is read further of what is too much: negative closes the connection. */
static int receive(struct stream *s, const void *octets, size_t n, bool ends)
{
	buffer_put(&s->pending, octets, n);
	s->within_line = !ends;
	if (ends) {
		buffer_put_byte(&s->pending, '\n');
		atomic_fetch_add(&s->messages, 1);
	}
	deliver(s);
	return s->pending.n > PENDING_MAX ? -1 : 0;
}

/* --- connections --- */

static void try_later(struct stream *s)
{
	uint32_t chance = 0;
	if (getrandom(&chance, sizeof(chance), GRND_NONBLOCK) < 0)
		chance = 0;
	uint64_t pause = s->pause_ms + chance % (s->pause_ms / 2 + 1);
	s->pause_ms = s->pause_ms * 2 < PAUSE_MAX_MS ? s->pause_ms * 2 : PAUSE_MAX_MS;
	if (!s->f->stopping)
		lws_sul_schedule(s->f->context, 0, &s->again, s->again.cb,
				 (lws_usec_t)pause * LWS_US_PER_MS);
}

static void ended(struct stream *s, const char *why)
{
	if (s->connected && lws_now_usecs() - s->since > LASTED_MS * (lws_usec_t)LWS_US_PER_MS)
		s->pause_ms = PAUSE_MS;
	if (!s->connected)
		atomic_fetch_add(&s->failed, 1);
	if (!s->f->stopping) {
		remember(s, why);
		if (s->connected || s->pause_ms == PAUSE_MS) /* not each of many attempts */
			log_warning("follow", "%s: %s; it is tried again", s->where, why);
	}
	s->connected = 0;
	s->wsi = NULL;
	if (s->within_line) /* half a line: let it be seen as what it is */
		receive(s, NULL, 0, true);
	try_later(s);
}

static void connect_now(lws_sorted_usec_list_t *sul)
{
	static const lws_retry_bo_t idle = {.secs_since_valid_ping = PING_S,
					    .secs_since_valid_hangup = HANGUP_S};
	struct stream *s = lws_container_of(sul, struct stream, again);
	struct lws_client_connect_info info = {
		.context = s->f->context,
		.address = s->host,
		.port = s->port,
		.path = s->path,
		.host = s->host_header,
		.origin = s->host_header,
		.ssl_connection = s->tls ? LCCSCF_USE_SSL : 0,
		.local_protocol_name = "follow",
		.retry_and_idle_policy = &idle,
		.opaque_user_data = s,
		.pwsi = &s->wsi,
	};
	if (s->pending.n) { /* what came before goes before */
		lws_sul_schedule(s->f->context, 0, &s->again, s->again.cb, FULL_MS * LWS_US_PER_MS);
		return;
	}
	unsigned long long failed = s->failed;
	if (!lws_client_connect_via_info(&info) && s->failed == failed)
		ended(s, "cannot connect");
}

static int add_authorization(struct stream *s, struct lws *wsi, unsigned char **p, size_t n)
{
	if (!s->authorization)
		return 0;
	return lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION,
					    (const unsigned char *)s->authorization,
					    (int)strlen(s->authorization), p, *p + n);
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
		    size_t n)
{
	struct stream *s = wsi ? lws_get_opaque_user_data(wsi) : NULL;
	(void)user;
	if (!s)
		return 0;
	switch (reason) {
	case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
		return add_authorization(s, wsi, in, n) ? -1 : 0;
	case LWS_CALLBACK_CLIENT_ESTABLISHED:
		s->connected = 1;
		s->since = lws_now_usecs();
		atomic_fetch_add(&s->connections, 1);
		log_info("follow", "%s: connected", s->where);
		return 0;
	case LWS_CALLBACK_CLIENT_RECEIVE:
		return receive(s, in, n,
			       lws_is_final_fragment(wsi) && !lws_remaining_packet_payload(wsi));
	case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
		if (certificate[0])
			ended(s, certificate);
		else
			ended(s, in && n ? (const char *)in : "cannot connect");
		certificate[0] = '\0';
		return 0;
	case LWS_CALLBACK_CLIENT_CLOSED:
		ended(s, "the connection ended");
		return 0;
	default:
		return 0;
	}
}

static const struct lws_protocols protocols[] = {
	{"follow", on_event, 0, RX, 0, NULL, 0},
	{NULL, NULL, 0, 0, 0, NULL, 0},
};

static void *work(void *arg)
{
	struct follow *f = arg;
	for (size_t i = 0; i < f->n; i++)
		connect_now(&f->streams[i].again);
	while (!f->stopping && lws_service(f->context, 0) >= 0)
		;
	return NULL;
}

/* --- life --- */

static void follow_stop(struct feeder *feeder)
{
	struct follow *f = (struct follow *)feeder;
	f->stopping = true;
	if (f->started) {
		lws_cancel_service(f->context);
		pthread_join(f->thread, NULL);
	}
	f->started = false;
	for (size_t i = 0; i < f->n; i++) { /* what was received and waits */
		struct stream *s = &f->streams[i];
		if (!s->pending.n || !s->entry)
			continue;
		if (collector_enter(s->entry) == 0)
			feed(s);
		else
			collector_dropped(s->entry, 1);
	}
}

static void follow_free(struct feeder *feeder)
{
	struct follow *f = (struct follow *)feeder;
	follow_stop(feeder);
	if (f->context)
		lws_context_destroy(f->context);
	for (size_t i = 0; i < f->n; i++) {
		struct stream *s = &f->streams[i];
		if (s->entry)
			collector_close(s->entry);
		if (s->reader)
			cof_format.close(s->reader);
		buffer_release(&s->pending);
		release_url(s);
	}
	pthread_mutex_destroy(&f->lock);
	free(f->streams);
	free(f->errors);
	free(f);
}

static bool follow_state(struct feeder *feeder, size_t i, struct feeder_state *ret)
{
	struct follow *f = (struct follow *)feeder;
	if (i >= f->n)
		return false;
	struct stream *s = &f->streams[i];
	*ret = (struct feeder_state){
		.kind = "follow",
		.where = s->where,
		.connected = s->connected,
		.connections = s->connections,
		.messages = s->messages,
		.failed = s->failed,
	};
	collector_counts(s->entry, &ret->counts);
	pthread_mutex_lock(&f->lock);
	memcpy(ret->error, f->errors[i], sizeof(ret->error));
	pthread_mutex_unlock(&f->lock);
	return true;
}

static const struct feeder_kind kind = {"follow", follow_stop, follow_free, follow_state};

static int open_stream(struct follow *f, struct stream *s, const struct feeder_options *opt,
		       const char *url, struct err *e)
{
	struct buffer sensor = BUFFER_INIT;
	s->f = f;
	s->pause_ms = PAUSE_MS;
	s->again.cb = connect_now;
	s->room.cb = on_room;
	int rc = parse_url(s, url, e);
	if (rc < 0)
		return rc;
	buffer_putf(&sensor, "follow:%s", s->where);
	s->entry = collector_open(opt->collector, buffer_bytes(&sensor), &s->sink);
	buffer_release(&sensor);
	s->reader = cof_format.open(NULL, e);
	return s->reader ? 0 : ERR_USAGE;
}

static void log_line(int level, const char *line)
{
	static const char start[] = "SSL error: ";
	const char *told = strstr(line, start);
	(void)level;
	if (told) {
		told += sizeof(start) - 1;
		snprintf(certificate, sizeof(certificate), "the certificate is refused: %.*s",
			 (int)strcspn(told, "(\n"), told);
		size_t n = strlen(certificate);
		while (n && certificate[n - 1] == ' ')
			certificate[--n] = '\0';
	}
	log_debug("follow", "%.*s", (int)strcspn(line, "\n"), line);
}

int follow_start(const struct feeder_options *opt, char *const *urls, size_t n, struct feeder **ret,
		 struct err *e)
{
	struct follow *f = xcalloc(1, sizeof(*f));
	int rc = 0;
	f->base.kind = &kind;
	f->n = n;
	f->streams = xcalloc(n, sizeof(*f->streams));
	f->errors = xcalloc(n, sizeof(*f->errors));
	pthread_mutex_init(&f->lock, NULL);
	for (size_t i = 0; i < n && rc == 0; i++)
		rc = open_stream(f, &f->streams[i], opt, urls[i], e);
	if (rc == 0) {
		struct lws_context_creation_info info = {
			.port = CONTEXT_PORT_NO_LISTEN,
			.protocols = protocols,
			.gid = (gid_t)-1,
			.uid = (uid_t)-1,
			.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT,
		};
		lws_set_log_level(LLL_ERR | LLL_WARN, log_line);
		f->context = lws_create_context(&info);
		if (!f->context)
			rc = err_set(e, ERR_IO, "follow: libwebsockets does not start");
	}
	if (rc == 0) {
		int error = pthread_create(&f->thread, NULL, work, f);
		f->started = error == 0;
		if (error)
			rc = err_sys(e, error, "follow: cannot start a thread");
	}
	if (rc < 0)
		follow_free(&f->base);
	else
		*ret = &f->base;
	return rc;
}
