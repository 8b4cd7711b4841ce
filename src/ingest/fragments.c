/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets that are being put together: few at any time, so they are looked for one by one. */
#include "ingest/fragments.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/limits.h"

enum { PIECES_MAX = 64 }; /* fragments of one packet: 65,535 octets in pieces of 1,280 are 52 */

struct piece {
	uint32_t begin, end;
};

struct partial {
	bool used, ended; /* ended: the last fragment was seen, so that the size is known */
	uint8_t from[16], to[16];
	uint32_t id;
	uint16_t space;       /* in which id is unique: see space_of */
	uint8_t protocol;     /* of the first fragment */
	uint64_t time_s;      /* of the fragment that came first */
	uint64_t order;       /* in which the packets were begun */
	uint32_t size;
	struct piece pieces[PIECES_MAX]; /* in order, without gaps between neighbours that touch */
	unsigned n;
	struct buffer octets;
};

struct fragments {
	struct partial partial[FRAGMENTED_MAX];
	uint64_t begun;
	struct buffer whole; /* what was handed out last */
};

struct fragments *fragments_new(void)
{
	return xcalloc(1, sizeof(struct fragments));
}

void fragments_free(struct fragments *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < FRAGMENTED_MAX; i++)
		buffer_release(&f->partial[i].octets);
	buffer_release(&f->whole);
	free(f);
}

static void drop(struct partial *p)
{
	buffer_release(&p->octets);
	*p = (struct partial){0};
}

/* IPv4 has ids of their own for each protocol (RFC 791); in IPv6 fragments of one packet may name different ones (RFC 8200 4.5). */
static uint16_t space_of(const struct datagram *d)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	return memcmp(d->from, mapped, sizeof(mapped)) == 0 ? d->protocol : UINT16_MAX;
}

static bool is_of(const struct partial *p, const struct datagram *d)
{
	return p->used && p->id == d->id && p->space == space_of(d) &&
	       memcmp(p->from, d->from, 16) == 0 && memcmp(p->to, d->to, 16) == 0;
}

/* The packet that a fragment belongs to, or a place for it. */
static struct partial *find(struct fragments *f, uint64_t time_s, const struct datagram *d)
{
	struct partial *oldest = &f->partial[0];
	for (size_t i = 0; i < FRAGMENTED_MAX; i++) {
		struct partial *p = &f->partial[i];
		if (p->used && time_s > p->time_s && time_s - p->time_s > FRAGMENT_SECONDS)
			drop(p);
		if (is_of(p, d))
			return p;
		if (!p->used || (oldest->used && p->order < oldest->order))
			oldest = oldest->used ? p : oldest;
	}
	drop(oldest);
	oldest->used = true;
	memcpy(oldest->from, d->from, 16);
	memcpy(oldest->to, d->to, 16);
	oldest->id = d->id;
	oldest->space = space_of(d);
	oldest->time_s = time_s;
	oldest->order = ++f->begun;
	return oldest;
}

/* 1: it is new; 0: an exact copy of what is there, or of a part of it; ERR_SYNTAX: it overlaps. */
static int add_piece(struct partial *p, struct piece new)
{
	unsigned at = 0;
	while (at < p->n && p->pieces[at].end <= new.begin)
		at++;
	if (at < p->n && p->pieces[at].begin < new.end) {
		const struct piece *there = &p->pieces[at];
		return there->begin <= new.begin && new.end <= there->end ? 0 : ERR_SYNTAX;
	}
	if (p->n == PIECES_MAX)
		return ERR_LIMIT;
	memmove(&p->pieces[at + 1], &p->pieces[at], (p->n - at) * sizeof(new));
	p->pieces[at] = new;
	p->n++;
	if (at + 1 < p->n && p->pieces[at].end == p->pieces[at + 1].begin) {
		p->pieces[at].end = p->pieces[at + 1].end;
		memmove(&p->pieces[at + 1], &p->pieces[at + 2], (p->n - at - 2) * sizeof(new));
		p->n--;
	}
	if (at > 0 && p->pieces[at - 1].end == p->pieces[at].begin) {
		p->pieces[at - 1].end = p->pieces[at].end;
		memmove(&p->pieces[at], &p->pieces[at + 1], (p->n - at - 1) * sizeof(new));
		p->n--;
	}
	return 1;
}

static int refuse(struct partial *p, const char **ret_reason, const char *reason)
{
	drop(p);
	*ret_reason = reason;
	return ERR_SYNTAX;
}

static void put_octets(struct partial *p, uint32_t at, struct bytes b)
{
	if (p->octets.n < at + b.n) {
		size_t more = at + b.n - p->octets.n;
		memset(buffer_reserve(&p->octets, more), 0, more);
		p->octets.n += more;
	}
	memcpy(p->octets.p + at, b.p, b.n);
}

int fragments_take(struct fragments *f, uint64_t time_s, struct datagram *d, const char **ret_reason)
{
	struct partial *p = find(f, time_s, d);
	uint32_t begin = d->offset, end = begin + (uint32_t)d->payload.n;
	if (d->cut)
		return refuse(p, ret_reason, "a fragment is cut off by the capture");
	if (!d->payload.n || end > UINT16_MAX || (d->more && d->payload.n % 8))
		return refuse(p, ret_reason, "a fragment has a wrong length");
	if ((p->ended && end > p->size) || (!d->more && p->octets.n > end))
		return refuse(p, ret_reason, "fragments disagree about the packet's length");
	int rc = add_piece(p, (struct piece){begin, end});
	if (rc < 0)
		return refuse(p, ret_reason, rc == ERR_LIMIT ? "too many fragments" : "fragments overlap");
	if (rc == 0 && memcmp(p->octets.p + begin, d->payload.p, d->payload.n) != 0)
		return refuse(p, ret_reason, "fragments overlap");
	put_octets(p, begin, d->payload);
	if (begin == 0)
		p->protocol = d->protocol;
	if (!d->more) {
		p->ended = true;
		p->size = end;
	}
	if (!p->ended || p->n != 1 || p->pieces[0].begin != 0 || p->pieces[0].end != p->size)
		return 0;
	d->protocol = p->protocol;
	buffer_clear(&f->whole);
	buffer_put(&f->whole, p->octets.p, p->size);
	d->payload = buffer_bytes(&f->whole);
	drop(p);
	return 1;
}
