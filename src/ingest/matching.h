/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions that wait for their answers. An answer matches when a question with the same addresses, ports, protocol, id, name, type and
 * class went the other way not long before; a question takes one answer.
 *
 * Where a capture holds answers only, there is nothing to match: as long as no question was seen at all, every answer counts. From the
 * first question on, answers must match.
 */
#pragma once

#include "ingest/message.h"
#include "ingest/packet.h"

struct matching;

struct matching *matching_new(void);
void matching_free(struct matching *m); /* takes NULL */

void matching_question(struct matching *m, uint64_t time_s, const struct datagram *d, const struct transport *t,
                       const struct message_head *head);
/* Whether an answer counts. */
bool matching_answer(struct matching *m, uint64_t time_s, const struct datagram *d, const struct transport *t,
                     const struct message_head *head);
