/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Streams in a hash table, in a list by their last traffic. */
#include "ingest/streams.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/hash.h"
#include "base/limits.h"

/* A segment that came before the one that it follows. */
struct ahead {
	uint32_t sequence;
	uint32_t n;
	uint8_t *octets; /* owned */
};

struct ends {
	uint8_t from[16], to[16];
	uint16_t from_port, to_port;
};

struct stream {
	struct ends ends;
	uint64_t hash;
	struct stream *next;            /* in its chain */
	struct stream *newer, *older;   /* by last traffic */
	bool synced;                    /* expected and message mean something */
	uint32_t expected;              /* the next octet */
	struct buffer message;          /* the beginning of one, with its length */
	struct ahead ahead[STREAM_AHEAD_MAX];
	unsigned n_ahead;
};

enum { CHAINS = 1 << 12 };

struct streams {
	struct stream *chains[CHAINS];
	struct stream *newest, *oldest;
	size_t n;
	size_t held;
};

struct call {
	int (*message)(void *ctx, struct bytes wire);
	void *ctx;
};

struct streams *streams_new(void)
{
	return xcalloc(1, sizeof(struct streams));
}

size_t streams_held(const struct streams *s)
{
	return s->held;
}

/* --- the table --- */

static void unlink_age(struct streams *s, struct stream *st)
{
	*(st->newer ? &st->newer->older : &s->newest) = st->older;
	*(st->older ? &st->older->newer : &s->oldest) = st->newer;
	st->newer = st->older = NULL;
}

static void link_newest(struct streams *s, struct stream *st)
{
	st->older = s->newest;
	*(s->newest ? &s->newest->newer : &s->oldest) = st;
	s->newest = st;
}

static void drop_ahead(struct streams *s, struct stream *st, unsigned i)
{
	s->held -= st->ahead[i].n;
	free(st->ahead[i].octets);
	st->ahead[i] = st->ahead[--st->n_ahead];
}

/* Forgets what is held: the next octets have to look like a beginning. */
static void lose_sync(struct streams *s, struct stream *st)
{
	st->synced = false;
	s->held -= st->message.n;
	buffer_release(&st->message);
}

static void drop(struct streams *s, struct stream *st)
{
	struct stream **at = &s->chains[st->hash % CHAINS];
	while (*at != st)
		at = &(*at)->next;
	*at = st->next;
	unlink_age(s, st);
	lose_sync(s, st);
	while (st->n_ahead)
		drop_ahead(s, st, 0);
	free(st);
	s->n--;
}

void streams_free(struct streams *s)
{
	if (!s)
		return;
	while (s->oldest)
		drop(s, s->oldest);
	free(s);
}

static struct stream *look_up(const struct streams *s, const struct ends *ends, uint64_t hash)
{
	struct stream *st = s->chains[hash % CHAINS];
	while (st && (st->hash != hash || memcmp(&st->ends, ends, sizeof(*ends)) != 0))
		st = st->next;
	return st;
}

static struct stream *find(struct streams *s, const struct ends *ends, bool make)
{
	uint64_t hash = hash64(ends, sizeof(*ends));
	struct stream *st = look_up(s, ends, hash);
	if (st) {
		unlink_age(s, st);
	} else if (make) {
		if (s->n == STREAMS_MAX)
			drop(s, s->oldest);
		st = xcalloc(1, sizeof(*st));
		st->ends = *ends;
		st->hash = hash;
		st->next = s->chains[hash % CHAINS];
		s->chains[hash % CHAINS] = st;
		s->n++;
	} else {
		return NULL;
	}
	link_newest(s, st);
	return st;
}

/* --- one stream --- */

static size_t length_of(const uint8_t *p)
{
	return (size_t)p[0] << 8 | p[1];
}

/* A length, and a head that a question or an answer could have: opcode QUERY, one question, the Z bit clear. */
static bool looks_like_beginning(struct bytes b)
{
	return b.n >= 14 && length_of(b.p) >= 17 && (b.p[4] & 0x78) == 0 && (b.p[5] & 0x40) == 0 && b.p[6] == 0 &&
	       b.p[7] == 1;
}

/* Octets that are next. Whole messages are handed on without being copied where a segment holds them. */
static int take_next(struct streams *s, struct stream *st, struct bytes b, const struct call *call)
{
	int rc = 0;
	st->expected += (uint32_t)b.n;
	while (b.n && rc == 0) {
		struct buffer *m = &st->message;
		if (m->n == 0 && b.n >= 2 && b.n - 2 >= length_of(b.p)) {
			size_t n = length_of(b.p);
			rc = call->message(call->ctx, bytes_of(b.p + 2, n));
			b = bytes_of(b.p + 2 + n, b.n - 2 - n);
			continue;
		}
		size_t want = m->n < 2 ? 2 : 2 + length_of(m->p);
		size_t n = want - m->n < b.n ? want - m->n : b.n;
		buffer_put(m, b.p, n);
		s->held += n;
		b = bytes_of(b.p + n, b.n - n);
		if (m->n < 2 || m->n < 2 + length_of(m->p))
			continue;
		rc = call->message(call->ctx, bytes_of(m->p + 2, m->n - 2));
		s->held -= m->n;
		buffer_release(m); /* not kept for the next one: only what is held is counted */
	}
	return rc;
}

/* What of a segment is next or later: octets that were there before are cut from its front. False: nothing. */
static bool trim(const struct stream *st, uint32_t *sequence, struct bytes *b)
{
	int32_t early = (int32_t)(st->expected - *sequence);
	if (early <= 0)
		return b->n > 0;
	if ((uint32_t)early >= b->n)
		return false;
	*b = bytes_of(b->p + early, b->n - (size_t)early);
	*sequence += (uint32_t)early;
	return true;
}

/* Segments that came too early and are next now. */
static int take_ahead(struct streams *s, struct stream *st, const struct call *call)
{
	int rc = 0;
	for (unsigned i = 0; i < st->n_ahead && rc == 0;) {
		struct ahead *a = &st->ahead[i];
		uint32_t sequence = a->sequence;
		struct bytes b = bytes_of(a->octets, a->n);
		if (!trim(st, &sequence, &b)) {
			drop_ahead(s, st, i);
			i = 0;
		} else if (sequence == st->expected) {
			rc = take_next(s, st, b, call);
			drop_ahead(s, st, i);
			i = 0;
		} else {
			i++;
		}
	}
	return rc;
}

static void keep_ahead(struct streams *s, struct stream *st, uint32_t sequence, struct bytes b)
{
	for (unsigned i = 0; i < st->n_ahead; i++) {
		if (st->ahead[i].sequence == sequence && st->ahead[i].n >= b.n)
			return;
	}
	struct ahead *a = &st->ahead[st->n_ahead++];
	a->sequence = sequence;
	a->n = (uint32_t)b.n;
	a->octets = xmalloc(b.n);
	memcpy(a->octets, b.p, b.n);
	s->held += b.n;
}

static unsigned first_ahead(const struct stream *st)
{
	unsigned first = 0;
	for (unsigned i = 1; i < st->n_ahead; i++) {
		if ((int32_t)(st->ahead[i].sequence - st->ahead[first].sequence) < 0)
			first = i;
	}
	return first;
}

/* The segment that is missing will not come: goes on behind it, where something looks like a beginning. */
static int skip_gap(struct streams *s, struct stream *st, const struct call *call)
{
	unsigned first = first_ahead(st);
	lose_sync(s, st);
	struct ahead *a = &st->ahead[first];
	if (!looks_like_beginning(bytes_of(a->octets, a->n))) {
		drop_ahead(s, st, first);
		return 0;
	}
	st->synced = true;
	st->expected = a->sequence;
	return take_ahead(s, st, call);
}

static int take(struct streams *s, struct stream *st, uint32_t sequence, struct bytes b, const struct call *call)
{
	if (!st->synced) {
		if (!looks_like_beginning(b))
			return 0;
		while (st->n_ahead)
			drop_ahead(s, st, 0);
		st->synced = true;
		st->expected = sequence;
	}
	if (!trim(st, &sequence, &b))
		return 0;
	if (sequence != st->expected) {
		int rc = st->n_ahead == STREAM_AHEAD_MAX ? skip_gap(s, st, call) : 0;
		bool is_next = st->synced && sequence == st->expected;
		if (rc || !is_next) {
			if (st->n_ahead < STREAM_AHEAD_MAX)
				keep_ahead(s, st, sequence, b);
			return rc;
		}
	}
	int rc = take_next(s, st, b, call);
	return rc ? rc : take_ahead(s, st, call);
}

static struct ends ends_of(const struct datagram *d, const struct transport *t)
{
	struct ends ends = {.from_port = t->from_port, .to_port = t->to_port};
	memcpy(ends.from, d->from, 16);
	memcpy(ends.to, d->to, 16);
	return ends;
}

int streams_acknowledged(struct streams *s, const struct datagram *d, const struct transport *t, uint32_t number,
                         int (*message)(void *ctx, struct bytes wire), void *ctx)
{
	const struct ends ends = ends_of(d, t);
	const struct call call = {message, ctx};
	struct stream *st = look_up(s, &ends, hash64(&ends, sizeof(ends)));
	int rc = 0;
	while (st && st->n_ahead && rc == 0) {
		const struct ahead *a = &st->ahead[first_ahead(st)];
		if ((int32_t)(number - (a->sequence + a->n)) < 0)
			break;
		rc = skip_gap(s, st, &call);
	}
	return rc;
}

int streams_take(struct streams *s, const struct datagram *d, const struct transport *t,
                 int (*message)(void *ctx, struct bytes wire), void *ctx)
{
	const struct ends ends = ends_of(d, t);
	struct call call = {message, ctx};
	struct stream *st = find(s, &ends, t->syn || t->payload.n);
	int rc = 0;
	if (!st)
		return 0;
	uint32_t sequence = t->sequence;
	if (t->syn) {
		lose_sync(s, st);
		while (st->n_ahead)
			drop_ahead(s, st, 0);
		st->synced = true;
		st->expected = ++sequence; /* SYN takes a number (RFC 9293 3.4) */
	}
	if (t->payload.n && !t->reset)
		rc = take(s, st, sequence, t->payload, &call);
	/* FIN may overtake the segment before it: the end is where all before it is in */
	uint32_t to = sequence + (uint32_t)t->payload.n;
	bool whole = !st->n_ahead && (!st->synced || to == st->expected);
	if (t->end && (t->reset || whole))
		drop(s, st);
	while (s->held > STREAM_HELD_MAX)
		drop(s, s->oldest);
	return rc;
}
