/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble export --salvage: what can still be read of a store that is damaged.
 *
 * DESIGN: a record's rows all have its numbers, and most often lie in different segments: what one has lost another still has. So of every
 * row the record's others are looked up. It is written at the first of those that are there, in the order owner row, data rows, with
 * what they say together: the greatest count, the earliest and the latest times. No row has more than is true.
 */
#include "cli/salvage.h"

#include <string.h>

#include "answer/answer.h"
#include "base/hash.h"
#include "cli/common.h"
#include "cli/out.h"
#include "store/keys.h"

/* Each damage is come upon several times, and told once. */
static void tell(void *ctx, const char *sentence)
{
	struct salvage *s = ctx;
	uint64_t hash = hash64(sentence, strlen(sentence));
	for (size_t i = 0; i < s->n; i++) {
		if (s->told[i] == hash)
			return;
	}
	if (s->n == SALVAGE_TOLD_MAX)
		return;
	s->told[s->n++] = hash;
	cli_fail("export", 0, "%s", sentence);
	if (s->n == SALVAGE_TOLD_MAX)
		cli_fail("export", 0, "what else is damaged is not told any more");
}

struct damage salvage_damage(struct salvage *s)
{
	return (struct damage){tell, s};
}

struct salvaging {
	struct scan *rows;   /* over everything */
	struct scan *lookup; /* of other rows of the same record */
	struct answer answer;
	struct buffer lines, key, text, behind;
	/* Of the row that was come upon: */
	struct bytes here; /* its key */
	bool found;        /* one of the record's rows */
	bool elsewhere;    /* that was another one */
	struct seen seen;  /* what they say; texts borrowed from the row that was come upon, or from these: */
	struct buffer sensor_id, bailiwick;
	struct err *e;
};

static void keep_text(struct bytes *text, struct buffer *in)
{
	if (text->p == in->p)
		return;
	buffer_clear(in);
	buffer_put_bytes(in, *text);
	*text = buffer_bytes(in);
}

/* Looks at one of the record's rows. */
static int look(void *ctx, struct bytes key, bool whole)
{
	struct salvaging *s = ctx;
	struct bytes value;
	struct value v;
	(void)whole;
	bool here = bytes_eq(key, s->here);
	if (!here) {
		buffer_clear(&s->behind);
		buffer_put_bytes(&s->behind, key);
		key_to_successor(&s->behind);
		scan_bound(s->lookup, buffer_bytes(&s->behind));
		int rc = scan_find(s->lookup, key, &value, s->e);
		if (rc <= 0)
			return rc;
	}
	if (!s->found)
		s->elsewhere = !here;
	s->found = true;
	if (here || value_decode(value, &v) != 0)
		return 0;
	uint64_t count = s->seen.count > v.seen.count ? s->seen.count : v.seen.count;
	seen_merge(&s->seen, &v.seen);
	s->seen.count = count;
	keep_text(&s->seen.sensor_id, &s->sensor_id);
	keep_text(&s->seen.bailiwick, &s->bailiwick);
	return 0;
}

/* Looks at all rows of a record. */
static int look_at_all(struct salvaging *s, const struct record *r)
{
	s->found = s->elsewhere = false;
	buffer_clear(&s->key);
	key_put_owner_row(&s->key, r->owner, r->rrtype, r->form, r->rdata);
	int rc = look(s, buffer_bytes(&s->key), false);
	return rc == 0 ? key_each_data_row(r->owner, r->rrtype, r->form, r->rdata, &s->key, &s->text, look, s) : rc;
}

static int export_row(struct salvaging *s, struct bytes key, struct bytes value)
{
	struct record_scratch scratch;
	struct record r;
	if (key_is_sensor(key))
		return 0;
	int rc = record_decode(key, value, &scratch, &r);
	if (rc < 0)
		return err_set(s->e, rc, "a row of the store does not decode");
	s->here = key;
	s->seen = r.seen;
	rc = look_at_all(s, &r);
	if (rc < 0 || s->elsewhere)
		return rc;
	r.seen = s->seen;
	answer_line(&s->answer, &r, &s->lines);
	return out_flush(&s->lines, false, s->e);
}

int salvage_export(struct store *store, struct err *e)
{
	static const uint8_t first[] = {STORE_FIRST_ROW};
	struct salvaging s = {.answer = {.style = STYLE_EXPORT}, .e = e};
	struct bytes key, value;
	int rc = scan_begin(store, &s.rows, e);
	if (rc == 0)
		rc = scan_begin(store, &s.lookup, e);
	if (rc == 0)
		rc = scan_seek(s.rows, bytes_of(first, 1), &key, &value, e);
	while (rc == 1) {
		rc = export_row(&s, key, value);
		if (rc == 0)
			rc = scan_next(s.rows, &key, &value, e);
	}
	if (rc == 0)
		rc = out_flush(&s.lines, true, e);
	scan_end(s.lookup);
	scan_end(s.rows);
	answer_release(&s.answer);
	struct buffer *buffers[] = {&s.lines, &s.key, &s.text, &s.behind, &s.sensor_id, &s.bailiwick};
	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
		buffer_release(buffers[i]);
	return rc;
}
