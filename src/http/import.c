/* SPDX-License-Identifier: GPL-3.0-or-later */
/* POST /pdns/import: observations from a feeder. */
#include <pthread.h>
#include <stdlib.h>

#include "answer/answer.h"
#include "base/limits.h"
#include "base/log.h"
#include "feed/intake.h"
#include "http/http_priv.h"
#include "ingest/decompress.h"

enum {
	ERRORS_MAX = 20,    /* bad lines that are named in the answer */
	IMPORTS_MAX = 64,   /* under way at once; each folds in memory of its own */
	MEMORY_MIN = 1 << 20,
	KEY_OCTETS_MAX = 255,
};

struct import {
	struct import *next; /* guarded by the server's keys_lock */
	struct buffer note_key;
	struct note resume;
	struct intake *intake;
	struct decompressor *decompressor;
	struct buffer waiting;  /* body that came while a worker wrote */
	struct buffer errors;   /* JSON objects */
	unsigned n_errors;
	uint64_t octets;        /* decompressed */
	unsigned status;        /* of a failure, 0: none; the rest of the body is dropped */
	struct err error;
	bool counted;           /* in server->feeding */
};

static void fail(struct import *im, unsigned status, const char *text)
{
	if (im->status)
		return;
	im->status = status;
	err_set(&im->error, 0, "%s", text);
}

static void reject(void *ctx, uint64_t line, struct bytes input, const char *reason)
{
	struct import *im = ctx;
	(void)input;
	if (im->n_errors++ >= ERRORS_MAX)
		return;
	buffer_put_str(&im->errors, im->errors.n ? ", " : "");
	buffer_putf(&im->errors, "{\"line\": %llu, \"error\": ", (unsigned long long)line);
	answer_json_string(bytes_str(reason), &im->errors);
	buffer_put_byte(&im->errors, '}');
}

/* Full disks and failing ones are the server's trouble: the feeder keeps the body and comes again. */
static void fail_storing(struct import *im, int rc, const struct err *e)
{
	if (rc == ERR_USAGE) {
		fail(im, MHD_HTTP_BAD_REQUEST, "idempotency-key: it was used for another body");
		return;
	}
	log_error("http", "an import failed: %s", e->text);
	fail(im, rc == ERR_FULL ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_INTERNAL_SERVER_ERROR,
	     rc == ERR_FULL ? "the store has no space left; nothing of this was acknowledged"
	                    : "the store failed; nothing of this was acknowledged");
}

static void respond_failed(struct request *r, const struct import *im)
{
	if (im->status == MHD_HTTP_SERVICE_UNAVAILABLE)
		respond_error_with(r, im->status, "retry-after", "60", "%s", im->error.text);
	else
		respond_error(r, im->status, "%s", im->error.text);
}

/* --- idempotency keys --- */

/* False when the same key is under way already. */
static bool key_take(struct request *r, struct import *im)
{
	bool is_free = true;
	pthread_mutex_lock(&r->server->keys_lock);
	for (struct import *i = r->server->imports; i; i = i->next)
		is_free = is_free && !bytes_eq(buffer_bytes(&i->note_key), buffer_bytes(&im->note_key));
	if (is_free) {
		im->next = r->server->imports;
		r->server->imports = im;
	}
	pthread_mutex_unlock(&r->server->keys_lock);
	return is_free;
}

static void key_drop(struct request *r, struct import *im)
{
	pthread_mutex_lock(&r->server->keys_lock);
	for (struct import **i = &r->server->imports; *i; i = &(*i)->next) {
		if (*i == im) {
			*i = im->next;
			break;
		}
	}
	pthread_mutex_unlock(&r->server->keys_lock);
}

/* --- the resource --- */

static void import_release(struct request *r)
{
	struct import *im = r->state;
	if (!im)
		return;
	if (im->note_key.n)
		key_drop(r, im);
	if (im->counted)
		atomic_fetch_sub(&r->server->feeding, 1);
	intake_close(im->intake);
	if (im->decompressor)
		decompress_close(im->decompressor);
	buffer_release(&im->note_key);
	buffer_release(&im->waiting);
	buffer_release(&im->errors);
	free(im);
	r->state = NULL;
}

static bool encoding_of(struct request *r, enum compression *ret)
{
	const char *text = request_header(r, "content-encoding");
	struct buffer lower = BUFFER_INIT;
	for (const char *p = text ? text : "identity"; *p; p++)
		buffer_put_byte(&lower, ascii_lower((uint8_t)*p));
	struct bytes b = buffer_bytes(&lower);
	bool known = true;
	if (bytes_eq(b, bytes_str("gzip")) || bytes_eq(b, bytes_str("x-gzip")))
		*ret = COMPRESSION_GZIP;
	else if (bytes_eq(b, bytes_str("zstd")))
		*ret = COMPRESSION_ZSTD;
	else if (bytes_eq(b, bytes_str("identity")) || !b.n)
		*ret = COMPRESSION_NONE;
	else
		known = false;
	buffer_release(&lower);
	return known;
}

/* Reads the idempotency key and what its note says. False: answered. */
static bool begin_key(struct request *r, struct import *im, bool *ret_resume)
{
	struct err e;
	const char *key = request_header(r, "idempotency-key");
	*ret_resume = false;
	if (!key)
		return true;
	if (!*key || strlen(key) > KEY_OCTETS_MAX) {
		respond_error(r, MHD_HTTP_BAD_REQUEST, "idempotency-key: it must have 1 to %d octets",
		              KEY_OCTETS_MAX);
		return false;
	}
	struct buffer note_key = BUFFER_INIT;
	note_key_body(&note_key, bytes_str(r->who.name), bytes_str(key));
	im->note_key = note_key;
	if (!key_take(r, im)) {
		buffer_release(&im->note_key);
		respond_error_with(r, MHD_HTTP_SERVICE_UNAVAILABLE, "retry-after", "1",
		                   "a request with this idempotency-key is under way");
		return false;
	}
	int rc = note_get(r->server->store, buffer_bytes(&im->note_key), &im->resume, &e);
	if (rc < 0) {
		fail_storing(im, rc, &e);
		respond_failed(r, im);
		return false;
	}
	*ret_resume = rc == 1;
	return true;
}

/* What the body is, and who saw it. False: answered. */
static bool begin_source(struct request *r, const struct reader_format **ret_format, struct bytes *ret_sensor)
{
	const char *format = request_header(r, "dribble-format"), *sensor = request_header(r, "dribble-sensor");
	*ret_format = format ? reader_format_named(format) : &cof_format;
	if (!*ret_format) {
		respond_error(r, MHD_HTTP_BAD_REQUEST, "dribble-format: there is no format \"%.32s\"", format);
		return false;
	}
	if (sensor && (!*sensor || strlen(sensor) > MEMBER_MAX)) {
		respond_error(r, MHD_HTTP_BAD_REQUEST, "dribble-sensor: it must have 1 to %d octets", MEMBER_MAX);
		return false;
	}
	*ret_sensor = bytes_str(sensor ? sensor : r->who.name[0] ? r->who.name : "anonymous");
	return true;
}

static int import_begin(struct request *r)
{
	const struct reader_format *format;
	struct bytes sensor;
	enum compression kind;
	bool resume;
	if (!begin_source(r, &format, &sensor))
		return 1;
	const char *length = request_header(r, "content-length");
	if (!encoding_of(r, &kind)) {
		respond_error(r, MHD_HTTP_BAD_REQUEST,
		              "content-encoding: only identity, gzip and zstd are read");
		return 1;
	}
	if (length && strtoull(length, NULL, 10) > r->server->config->import_body_max) {
		respond_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "the body is over %llu octets",
		              (unsigned long long)r->server->config->import_body_max);
		return 1;
	}
	struct import *im = xcalloc(1, sizeof(*im));
	r->state = im;
	im->counted = true;
	if (atomic_fetch_add(&r->server->feeding, 1) >= IMPORTS_MAX) {
		respond_error_with(r, MHD_HTTP_SERVICE_UNAVAILABLE, "retry-after", "1",
		                   "too many imports are under way");
		return 1;
	}
	if (!begin_key(r, im, &resume))
		return 1;
	size_t memory = r->server->config->memory / IMPORTS_MAX;
	if (memory < MEMORY_MIN)
		memory = MEMORY_MIN;
	struct intake_options opt = {
		.store = r->server->store,
		.format = format,
		.sensor = sensor,
		.memory = memory,
		.note_key = buffer_bytes(&im->note_key),
		.resume = resume ? &im->resume : NULL,
		.whole = true,
		.replay = true,
		.exclusion = r->server->exclusion,
		.reject = reject,
		.ctx = im,
	};
	struct err e;
	im->intake = intake_open(&opt, &e);
	if (!im->intake) {
		respond_error(r, MHD_HTTP_BAD_REQUEST, "%s", e.text);
		return 1;
	}
	im->decompressor = decompress_open(kind);
	return 0;
}

/* Takes body in until the fold is full. What is left of it stays in `in`. */
static void take(struct request *r, struct import *im, struct bytes *in)
{
	struct bytes run;
	struct err e = {""};
	while (!im->status && !intake_wants_flush(im->intake)) {
		int rc = decompress_next(im->decompressor, in, &run, &e);
		if (rc == 0)
			return;
		if (rc < 0) {
			fail(im, MHD_HTTP_BAD_REQUEST, e.text);
			return;
		}
		im->octets += run.n;
		if (im->octets > r->server->config->import_body_max) {
			fail(im, MHD_HTTP_CONTENT_TOO_LARGE, "the body is too large");
			return;
		}
		rc = intake_feed(im->intake, run, &e);
		if (rc < 0)
			fail_storing(im, rc, &e);
	}
}

/* The server is about to end: what is not acknowledged by now never will be. */
static bool give_up(struct request *r, struct import *im)
{
	if (r->server->ending)
		fail(im, MHD_HTTP_SERVICE_UNAVAILABLE, "the server is stopping; nothing of this was acknowledged");
	return r->server->ending;
}

/* On a worker: writes what is folded, then takes in what waited, until that is gone. */
static void flush_and_take(struct request *r)
{
	struct import *im = r->state;
	struct bytes in = buffer_bytes(&im->waiting);
	struct err e;
	while (!im->status && intake_wants_flush(im->intake)) {
		if (give_up(r, im))
			break;
		int rc = intake_flush(im->intake, &e);
		if (rc < 0)
			fail_storing(im, rc, &e);
		take(r, im, &in);
	}
	buffer_clear(&im->waiting);
}

static void import_body(struct request *r, struct bytes run)
{
	struct import *im = r->state;
	take(r, im, &run);
	if (im->status || !intake_wants_flush(im->intake))
		return;
	buffer_put_bytes(&im->waiting, run);
	request_defer(r, flush_and_take);
}

static void answer(struct request *r)
{
	struct import *im = r->state;
	struct note counts;
	struct err e = {""};
	struct buffer body = BUFFER_INIT;
	int rc = im->status ? 0 : decompress_finish(im->decompressor, &e);
	if (rc < 0)
		fail(im, MHD_HTTP_BAD_REQUEST, e.text);
	rc = im->status || give_up(r, im) ? 0 : intake_finish(im->intake, &e);
	if (rc < 0)
		fail_storing(im, rc, &e);
	if (im->status) {
		respond_failed(r, im);
		return;
	}
	intake_counts(im->intake, &counts);
	buffer_putf(&body, "{\"accepted\": %llu, \"rejected\": %llu, \"errors\": [",
	            (unsigned long long)counts.accepted, (unsigned long long)counts.rejected);
	buffer_put_bytes(&body, buffer_bytes(&im->errors));
	buffer_put_byte(&body, ']');
	uint64_t excluded = intake_left_out(im->intake)[LEFT_OUT_EXCLUDED];
	if (excluded)
		buffer_putf(&body, ", \"excluded\": %llu", (unsigned long long)excluded);
	buffer_put_str(&body, "}\n");
	respond_body(r, MHD_HTTP_OK, "application/json", &body);
}

/* The key and the place among the imports are free before the client can know that it was answered. */
static void finish(struct request *r)
{
	answer(r);
	import_release(r);
}

/* Writing to a disk takes its time: never on a connection's thread. */
static void import_act(struct request *r)
{
	request_defer(r, finish);
}

const struct resource import_resource = {
	.allow = "POST",
	.methods = 1 << METHOD_POST,
	.role = ACCOUNT_FEEDER,
	.begin = import_begin,
	.body = import_body,
	.act = import_act,
	.release = import_release,
};
