/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Talking to a server: libcurl behind two calls. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/err.h"
#include "ingest/input.h"

struct client_options {
	const char *url;   /* of the server, such as http://127.0.0.1:8400 */
	const char *user;  /* NAME:PASSWORD, or NULL */
	const char *token; /* or NULL */
};

/* GET path (percent-escaped), with header lines (NULL-terminated array). The body goes to standard output as it comes;
 * ret_lines is how many lines it had. Returns 1 and the value of x-dribble-cursor, of any length, to ret_cursor when there is
 * one; 0 when there is none. */
int client_get(const struct client_options *opt, const char *path, const char *const *headers,
               uint64_t *ret_lines, struct buffer *ret_cursor, struct err *e);

/* POST of an input, decompressed as it is read; the answer's body to ret (to be freed). */
int client_post(const struct client_options *opt, const char *path, const char *const *headers,
                struct input *in, char **ret, struct err *e);

/* The same with a body that is in memory. ERR_LIMIT: it is too large for the server (413); ERR_DENIED, ERR_USAGE: the server will refuse it
 * again (401 and 403, others of 4xx but 408, 425, 429); ERR_IO: it may take it later. It fails when stop becomes true meanwhile, and when the server says nothing for two minutes. */
int client_post_bytes(const struct client_options *opt, const char *path, const char *const *headers,
                      struct bytes body, const atomic_bool *stop, char **ret, struct err *e);

/* Percent-escapes a value; to be freed. */
char *client_escape(const char *value);
