/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions by their hash, in sets of four: a question that finds its set full takes the place of the oldest. */
#include "ingest/matching.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/mem.h"

enum {
	WAYS = 4,
	BLOCK = 256, /* sets that are allocated together, when the first of them is needed: small captures stay small */
	BLOCKS = QUESTIONS_MAX / WAYS / BLOCK,
};

struct waiting {
	uint64_t hash;
	uint32_t time_s; /* the low 32 bits */
	uint32_t used;
};

struct matching {
	struct waiting (*blocks[BLOCKS])[WAYS]; /* owned; NULL: empty */
	bool seen;                              /* a question */
};

struct matching *matching_new(void)
{
	return xcalloc(1, sizeof(struct matching));
}

void matching_free(struct matching *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < BLOCKS; i++)
		free(m->blocks[i]);
	free(m);
}

/* The set of a hash; NULL when it is empty and not to be made. */
static struct waiting *set_of(struct matching *m, uint64_t hash, bool make)
{
	size_t at = hash % (BLOCKS * BLOCK);
	struct waiting(**block)[WAYS] = &m->blocks[at / BLOCK];
	if (!*block && make)
		*block = xcalloc(BLOCK, sizeof(**block));
	return *block ? (*block)[at % BLOCK] : NULL;
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
	struct waiting *set = set_of(m, hash, true), *place = &set[0];
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
	struct waiting *set = set_of(m, hash, false);
	if (!m->seen)
		return true;
	for (int i = 0; set && i < WAYS; i++) {
		if (!set[i].used || set[i].hash != hash)
			continue;
		bool old = is_old(&set[i], time_s);
		set[i].used = 0;
		return !old;
	}
	return false;
}
