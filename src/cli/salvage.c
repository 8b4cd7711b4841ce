/* SPDX-License-Identifier: GPL-3.0-or-later */
/* dribble export --salvage: what can still be read of a store that is damaged.
 *
 * DESIGN: a record's rows all have its numbers, and most often lie in different segments: what one has lost another still has. So of every
 * row the record's others are looked up. It is written at the first of those that are there, in the order owner row, data rows, with
 * the numbers of the one that counts most: that has lost least.
 */
#include "cli/salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer/answer.h"
#include "base/mem.h"
#include "cli/common.h"
#include "cli/out.h"
#include "store/keys.h"

enum { TOLD_MAX = 1000 }; /* sentences that are remembered */

/* Each damage is come upon several times, and told once. */
static void tell(void *ctx, const char *sentence)
{
	struct salvage *s = ctx;
	for (size_t i = 0; i < s->n_told && i < TOLD_MAX; i++) {
		if (strcmp(s->told[i], sentence) == 0)
			return;
	}
	if (s->n_told < TOLD_MAX) {
		s->told = xrealloc(s->told, (s->n_told + 1) * sizeof(*s->told));
		s->told[s->n_told] = xstrdup(sentence);
	}
	s->n_told++;
	cli_fail("export", 0, "%s", sentence);
}

struct damage salvage_damage(struct salvage *s)
{
	return (struct damage){tell, s};
}

void salvage_release(struct salvage *s)
{
	for (size_t i = 0; i < s->n_told && i < TOLD_MAX; i++)
		free(s->told[i]);
	free(s->told);
}

struct salvaging {
	struct scan *rows;   /* over everything */
	struct scan *lookup; /* of other rows of the same record */
	struct answer answer;
	struct buffer lines, key, text;
	/* Of the row that was come upon: */
	struct bytes here; /* its key */
	bool found;        /* one of the record's rows */
	bool elsewhere;    /* that was another one */
	struct value best;
	struct buffer best_value, value; /* best borrows from the first */
	struct err *e;
};

/* Looks at one of the record's rows. */
static int look(void *ctx, struct bytes key, bool whole)
{
	struct salvaging *s = ctx;
	struct bytes found, value;
	struct value v;
	(void)whole;
	int rc = scan_seek(s->lookup, key, &found, &value, s->e);
	if (rc < 0)
		return rc;
	if (rc == 0 || !bytes_eq(found, key))
		return 0;
	if (!s->found)
		s->elsewhere = !bytes_eq(key, s->here);
	s->found = true;
	buffer_clear(&s->value);
	buffer_put_bytes(&s->value, value);
	if (value_decode(buffer_bytes(&s->value), &v) != 0 || v.seen.count <= s->best.seen.count)
		return 0;
	struct buffer before = s->best_value;
	s->best_value = s->value;
	s->value = before;
	s->best = v;
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
	s->best = (struct value){.seen = r.seen};
	rc = look_at_all(s, &r);
	if (rc < 0 || s->elsewhere)
		return rc;
	r.seen = s->best.seen;
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
	struct buffer *buffers[] = {&s.lines, &s.key, &s.text, &s.best_value, &s.value};
	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
		buffer_release(buffers[i]);
	return rc;
}
