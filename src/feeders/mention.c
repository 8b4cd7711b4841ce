/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that were complained of, by the hashes of their names. */
#include "feeders/mention.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

enum { MENTIONS_MAX = 1024 };

struct mention {
	struct hash128 name;
	bool is_there;     /* it was met since the last mentions_forget */
	uint64_t until_ms; /* it is put off; 0: it is not */
};

static struct mention *find(const struct mentions *m, const char *name)
{
	struct hash128 h = hash128_of(name, strlen(name));
	for (size_t i = 0; i < m->n; i++) {
		if (memcmp(m->of[i].name.b, h.b, sizeof(h.b)) == 0)
			return &m->of[i];
	}
	return NULL;
}

enum mentioned mentions_add(struct mentions *m, const char *name)
{
	struct mention *found = find(m, name);
	if (found) {
		found->is_there = true;
		return MENTION_AGAIN;
	}
	if (m->n == MENTIONS_MAX) {
		bool said = m->full;
		m->full = true;
		return said ? MENTION_AGAIN : MENTION_FULL;
	}
	if (!m->of)
		m->of = xcalloc(MENTIONS_MAX, sizeof(*m->of));
	m->of[m->n++] = (struct mention){hash128_of(name, strlen(name)), true, 0};
	return MENTION_FIRST;
}

bool mentions_was_put_off(const struct mentions *m, const char *name)
{
	struct mention *found = find(m, name);
	return found && found->until_ms;
}

void mentions_put_off(struct mentions *m, const char *name, uint64_t until_ms)
{
	struct mention *found = find(m, name);
	if (found)
		found->until_ms = until_ms;
}

bool mentions_is_put_off(struct mentions *m, const char *name, uint64_t now_ms)
{
	struct mention *found = find(m, name);
	if (!found || now_ms >= found->until_ms)
		return false;
	found->is_there = true;
	return true;
}

void mentions_forget(struct mentions *m)
{
	size_t n = 0;
	for (size_t i = 0; i < m->n; i++) {
		if (m->of[i].is_there) {
			m->of[n] = m->of[i];
			m->of[n++].is_there = false;
		}
	}
	m->n = n;
	m->full = m->full && n == MENTIONS_MAX;
}

void mentions_release(struct mentions *m)
{
	free(m->of);
	*m = (struct mentions){0};
}
