/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Notes of the journal. */
#include "feed/note.h"

#include "base/varint.h"

enum {
	NOTE = 0x01, /* first octet of a note's key; dribble-keys(5) */
	NOTE_FILE = 'f',
	NOTE_BODY = 'k',
	NOTE_COLLECTOR = 'c',
	FIELDS = 8,
};

void note_key_file(struct buffer *out, struct bytes head, uint32_t number)
{
	const uint8_t start[2] = {NOTE, NOTE_FILE};
	const uint8_t end[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16),
	                        (uint8_t)(number >> 8), (uint8_t)number};
	struct hash128 h = hash128_of(head.p, head.n);
	buffer_put(out, start, sizeof(start));
	buffer_put(out, h.b, sizeof(h.b));
	buffer_put(out, end, sizeof(end));
}

void note_key_body(struct buffer *out, struct bytes account, struct bytes idempotency_key)
{
	struct buffer both = BUFFER_INIT;
	const uint8_t start[2] = {NOTE, NOTE_BODY};
	buffer_put_u64(&both, account.n);
	buffer_put_byte(&both, ' ');
	buffer_put_bytes(&both, account);
	buffer_put_bytes(&both, idempotency_key);
	struct hash128 h = hash128_of(both.p, both.n);
	buffer_release(&both);
	buffer_put(out, start, sizeof(start));
	buffer_put(out, h.b, sizeof(h.b));
}

void note_key_collector(struct buffer *out, uint8_t number)
{
	const uint8_t key[3] = {NOTE, NOTE_COLLECTOR, number};
	buffer_put(out, key, sizeof(key));
}

void note_encode(const struct note *n, struct buffer *out)
{
	const uint64_t fields[FIELDS] = {n->done,     n->position, n->lines,         n->extent,
	                                 n->accepted, n->rejected, n->rejects_bytes, n->time_s};
	uint8_t *to = buffer_reserve(out, sizeof(n->digest) + FIELDS * VARINT_MAX);
	size_t at = sizeof(n->digest);
	memcpy(to, n->digest.b, at);
	for (int i = 0; i < FIELDS; i++)
		at += varint_put(to + at, fields[i]);
	out->n += at;
}

int note_decode(struct bytes bytes, struct note *ret)
{
	uint64_t fields[FIELDS];
	const uint8_t *p = bytes.p, *end = p + bytes.n;
	if (bytes.n < sizeof(ret->digest))
		return ERR_CORRUPT;
	memcpy(ret->digest.b, p, sizeof(ret->digest));
	p += sizeof(ret->digest);
	for (int i = 0; i < FIELDS; i++) {
		size_t n = varint_get(p, end, &fields[i]);
		if (!n)
			return ERR_CORRUPT;
		p += n;
	}
	ret->done = fields[0] != 0;
	ret->position = fields[1];
	ret->lines = fields[2];
	ret->extent = fields[3];
	ret->accepted = fields[4];
	ret->rejected = fields[5];
	ret->rejects_bytes = fields[6];
	ret->time_s = fields[7];
	return p == end ? 0 : ERR_CORRUPT;
}

int note_get(struct store *s, struct bytes key, struct note *ret, struct err *e)
{
	struct scan *sc;
	struct bytes k, v;
	int rc = scan_begin(s, &sc, e);
	if (rc < 0)
		return rc;
	rc = scan_seek(sc, key, &k, &v, e);
	if (rc == 1 && !bytes_eq(k, key))
		rc = 0;
	if (rc == 1 && note_decode(v, ret) != 0)
		rc = err_set(e, ERR_CORRUPT, "a note of the import journal does not decode");
	scan_end(sc);
	return rc;
}
