/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells names that nobody answers for from a network that is not there: asks for what is always answered when anybody can be
 * reached, the name servers of the root, and the SOA of each stub zone. Nothing of it is from a cache: each round has a libunbound of its own.
 *
 * Everything is for one thread.
 */
#pragma once

#include "resolve/upstream.h"

struct probe;

/* Of the options, whose strings are borrowed, only whom to ask matters. alive is called in probe_take for every answer. */
struct probe *probe_new(const struct upstream_options *opt, void (*alive)(void *ctx), void *ctx);
void probe_free(struct probe *p); /* takes NULL */

/* Asks, after what was asked before is forgotten. */
void probe_begin(struct probe *p);
void probe_end(struct probe *p);
int probe_fd(const struct probe *p); /* readable: probe_take; -1: nothing is asked */
void probe_take(struct probe *p);
