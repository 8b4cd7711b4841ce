/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions by their hash, in sets of four: a question that finds its set full takes the place of the oldest. */
#include "ingest/matching.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"

enum { WAYS = 4 };

struct waiting {
	uint64_t hash;
	uint32_t time_s; /* the low 32 bits */
	uint32_t used;
};

struct matching {
	struct waiting (*sets)[WAYS]; /* owned, QUESTIONS_MAX / WAYS */
	bool seen;                    /* a question */
};

struct matching *matching_new(void)
{
	struct matching *m = xcalloc(1, sizeof(*m));
	m->sets = xcalloc(QUESTIONS_MAX / WAYS, sizeof(*m->sets));
	return m;
}

void matching_free(struct matching *m)
{
	if (!m)
		return;
	free(m->sets);
	free(m);
}

struct asked {
	uint8_t client[16], server[16];
	uint16_t client_port, server_port;
	uint16_t id, type, class;
	uint16_t tcp;
	uint8_t name[DNAME_MAX + 1];
};

static uint64_t hash_of(const struct datagram *d, const struct transport *t, const struct message_head *head,
                        bool answer)
{
	struct asked q;
	memcpy(q.client, answer ? d->to : d->from, 16);
	memcpy(q.server, answer ? d->from : d->to, 16);
	q.client_port = answer ? t->to_port : t->from_port;
	q.server_port = answer ? t->from_port : t->to_port;
	q.id = head->id;
	q.type = head->type;
	q.class = head->class;
	q.tcp = t->tcp;
	memcpy(q.name, head->name, head->name_n);
	return hash64(&q, offsetof(struct asked, name) + head->name_n);
}

static bool is_old(const struct waiting *w, uint64_t time_s)
{
	uint32_t age = (uint32_t)time_s - w->time_s;
	return age > QUESTION_SECONDS && age < UINT32_MAX - QUESTION_SECONDS; /* clocks step back, too */
}

void matching_question(struct matching *m, uint64_t time_s, const struct datagram *d, const struct transport *t,
                       const struct message_head *head)
{
	uint64_t hash = hash_of(d, t, head, false);
	struct waiting *set = m->sets[hash % (QUESTIONS_MAX / WAYS)], *place = &set[0];
	m->seen = true;
	for (int i = 0; i < WAYS; i++) {
		if (set[i].used && set[i].hash == hash) {
			place = &set[i];
			break;
		}
		if (place->used && (!set[i].used || (int32_t)(set[i].time_s - place->time_s) < 0))
			place = &set[i];
	}
	*place = (struct waiting){hash, (uint32_t)time_s, 1};
}

bool matching_answer(struct matching *m, uint64_t time_s, const struct datagram *d, const struct transport *t,
                     const struct message_head *head)
{
	uint64_t hash = hash_of(d, t, head, true);
	struct waiting *set = m->sets[hash % (QUESTIONS_MAX / WAYS)];
	if (!m->seen)
		return true;
	for (int i = 0; i < WAYS; i++) {
		if (!set[i].used || set[i].hash != hash)
			continue;
		bool old = is_old(&set[i], time_s);
		set[i].used = 0;
		return !old;
	}
	return false;
}
