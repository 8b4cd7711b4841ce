/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dnstap (dnstap.info): what resolvers and servers say they saw, one protobuf message a frame.
 *
 * Of a frame these fields are looked at: identity, type, and of its message type, query_zone,
 * response_time_sec, query_time_sec as its stand-in, response_message, policy. Addresses and ports
 * are stepped over. What becomes of the response is ingest/message.h's.
 *
 * Left out as LEFT_OUT_QUESTION: messages of all types but AUTH_, RESOLVER_, CLIENT_, FORWARDER_,
 * STUB_ and TOOL_RESPONSE. As LEFT_OUT_POLICY: answers that a policy made up (any action but PASS).
 * As LEFT_OUT_OTHER: a dnstap type that is not MESSAGE. Rejected: what is no protobuf of this
 * make-up, a response without octets, time or with a zone that is no name. The input that is handed
 * out with it is the response or nothing, as the rest of a frame holds addresses of clients.
 *
 * A stream that breaks (ingest/framestream.h), is of another content type, or has a frame where
 * none may be, is rejected once at that frame, and what follows is passed over: position then tells
 * UINT64_MAX. It need not end with STOP, and another may follow.
 *
 * dnstap_format reads files; a live listener uses ingest/framestream.h and dnstap_take.
 */
#pragma once

#include "ingest/framestream.h"
#include "ingest/reader.h"

#define DNSTAP_CONTENT_TYPE "protobuf:dnstap.Dnstap"

/* Scratch, one a thread or stream. */
struct dnstap;
struct dnstap *dnstap_new(void);
void dnstap_free(struct dnstap *d); /* takes NULL */

/* Takes the octets of one data frame. A bad one is rejected with its place. Before the observations
 * of a frame the sink is told its sensor, at most MEMBER_MAX octets of it, or that it names none.
 * 0, or the sink's answer. */
int dnstap_take(struct dnstap *d, struct bytes frame, uint64_t place, const struct sink *sink);
