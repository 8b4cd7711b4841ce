/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From bytes to a store, exactly once. */
#include "feed/intake.h"

#include <stdlib.h>
#include <time.h>

#include "feed/fold.h"
#include "feed/tap.h"
#include "feed/writer.h"

struct intake {
	struct intake_options opt;
	struct buffer note_key;
	struct note note;      /* as of the last commit, or resume */
	struct note expected;  /* resume, until its digest was compared */
	bool checking;         /* it was not yet */
	bool again;            /* octets that are in already go through the reader */
	struct reader *reader;
	struct fold *fold;
	struct folder *folder; /* with overlap; NULL: there was no thread to be had */
	struct writer *writer; /* with overlap; the same */
	struct run *run;       /* open between batches when nothing may be committed before the end */
	XXH3_state_t *digest;
	uint64_t extent;       /* octets fed */
	uint64_t skip_until;   /* observations before this octet are counted already */
	struct tap tap;        /* its counts are those since the last commit */
	struct sink sink;
};

static int observe(void *ctx, const struct observation *o)
{
	struct intake *in = ctx;
	tap_observe(&in->tap, o);
	return 0;
}

static int reject(void *ctx, uint64_t line, struct bytes input, const char *reason)
{
	struct intake *in = ctx;
	tap_reject(&in->tap);
	if (in->opt.reject)
		in->opt.reject(in->opt.ctx, line, input, reason);
	return 0;
}

static void left_out(void *ctx, enum left_out why, uint64_t n)
{
	struct intake *in = ctx;
	tap_left_out(&in->tap, why, n);
}

static void sensor(void *ctx, struct bytes id)
{
	struct intake *in = ctx;
	tap_sensor(&in->tap, id);
}

/* While lines that are counted already go by again. */
static int observe_again(void *ctx, const struct observation *o)
{
	struct intake *in = ctx;
	in->tap.left_out[LEFT_OUT_EXCLUDED] += exclusion_refuses(in->opt.exclusion, o);
	return 0;
}

static int reject_again(void *ctx, uint64_t line, struct bytes input, const char *reason)
{
	struct intake *in = ctx;
	if (in->opt.replay && in->opt.reject)
		in->opt.reject(in->opt.ctx, line, input, reason);
	return 0;
}

struct intake *intake_open(const struct intake_options *opt, struct err *e)
{
	struct reader *reader = opt->format->open(opt->reader, e);
	if (!reader)
		return NULL;
	struct intake *in = xcalloc(1, sizeof(*in));
	in->opt = *opt;
	buffer_put_bytes(&in->note_key, opt->note_key);
	in->reader = reader;
	in->again = opt->replay || opt->format->replays;
	if (opt->overlap && !opt->whole)
		in->writer = writer_new(opt->store, opt->note_key, opt->memory / 2);
	in->fold = fold_new(in->writer ? opt->memory / 2 : opt->memory);
	tap_init(&in->tap, opt->sensor, opt->exclusion);
	in->tap.fold = in->fold;
	if (in->writer)
		in->tap.folder = in->folder = folder_new(in->fold);
	in->digest = XXH3_createState();
	if (!in->digest)
		abort();
	XXH3_128bits_reset(in->digest);
	in->sink = (struct sink){.observe = observe, .reject = reject, .left_out = left_out, .sensor = sensor, .ctx = in};
	if (opt->resume) {
		in->note = *opt->resume;
		in->expected = *opt->resume;
		in->checking = opt->resume->extent > 0;
		in->skip_until = opt->resume->position;
		if (in->skip_until && !in->again)
			opt->format->resume(in->reader, opt->resume->position, opt->resume->lines);
	}
	return in;
}

void intake_close(struct intake *in)
{
	if (!in)
		return;
	run_abort(in->run);
	writer_free(in->writer);
	in->opt.format->close(in->reader);
	folder_free(in->folder);
	fold_free(in->fold);
	XXH3_freeState(in->digest);
	buffer_release(&in->note_key);
	tap_release(&in->tap);
	free(in);
}

static struct hash128 digest_now(const struct intake *in)
{
	XXH128_canonical_t c;
	struct hash128 h;
	XXH128_canonicalFromHash(&c, XXH3_128bits_digest(in->digest));
	memcpy(h.b, c.digest, sizeof(h.b));
	return h;
}

/* Octets that lie before skip_until: for the digest alone, or for the rejects in them too. */
static int feed_again(struct intake *in, struct bytes run)
{
	const struct sink again = {
		.observe = observe_again, .reject = reject_again, .sensor = sensor, .ctx = in};
	return in->again ? in->opt.format->feed(in->reader, run, &again) : 0;
}

/* One piece that lies wholly before or wholly behind both skip_until and the end of the digest that is to be compared. */
static int feed_piece(struct intake *in, struct bytes piece, struct err *e)
{
	XXH3_128bits_update(in->digest, piece.p, piece.n);
	int rc = in->extent < in->skip_until ? feed_again(in, piece)
	                                     : in->opt.format->feed(in->reader, piece, &in->sink);
	in->extent += piece.n;
	if (rc < 0)
		return err_set(e, rc, "reading failed");
	if (in->checking && in->extent == in->expected.extent) {
		struct hash128 h = digest_now(in);
		in->checking = false;
		if (memcmp(h.b, in->expected.digest.b, sizeof(h.b)) != 0)
			return err_set(e, ERR_USAGE, "it is not the source that was begun before");
	}
	return 0;
}

static size_t until(const struct intake *in, size_t n, uint64_t mark)
{
	return in->extent < mark && mark - in->extent < n ? (size_t)(mark - in->extent) : n;
}

int intake_feed(struct intake *in, struct bytes run, struct err *e)
{
	in->tap.now_s = (uint64_t)time(NULL);
	while (run.n) {
		size_t n = until(in, until(in, run.n, in->skip_until), in->checking ? in->expected.extent : 0);
		int rc = feed_piece(in, bytes_of(run.p, n), e);
		if (rc < 0)
			return rc;
		run = bytes_of(run.p + n, run.n - n);
	}
	return 0;
}

bool intake_wants_flush(const struct intake *in)
{
	if (in->checking)
		return false;
	return in->folder ? folder_is_full(in->folder) || tally_is_full(fold_tally(in->fold))
	                  : fold_is_full(in->fold);
}

/* Where the source is now, as a note. */
static struct note note_now(struct intake *in, bool done)
{
	struct note note = in->note;
	note.done = done;
	in->opt.format->position(in->reader, &note.position, &note.lines);
	note.extent = in->extent;
	note.digest = digest_now(in);
	note.accepted += in->tap.accepted;
	note.rejected += in->tap.rejected;
	note.rejects_bytes = in->opt.before_commit ? in->opt.before_commit(in->opt.ctx) : 0;
	note.time_s = (uint64_t)time(NULL);
	return note;
}

/* Writes what is folded as a batch of the run that stays open. */
static int write_batch(struct intake *in, struct err *e)
{
	int rc = in->run ? run_restart(in->run, e)
	                 : run_begin(in->opt.store, UINT64_MAX, &in->run, e);
	if (rc == 0)
		rc = fold_write(in->fold, in->run, e);
	if (rc == 0)
		fold_clear(in->fold);
	return rc;
}

/* Ends the run that stayed open, with the note. */
static int commit_whole(struct intake *in, const struct note *note, struct err *e)
{
	struct buffer value = BUFFER_INIT;
	int rc = run_restart(in->run, e);
	if (rc == 0 && in->note_key.n) {
		note_encode(note, &value);
		rc = run_put(in->run, buffer_bytes(&in->note_key), buffer_bytes(&value), e);
	}
	if (rc == 0)
		rc = fold_write(in->fold, in->run, e);
	if (rc == 0)
		rc = run_commit(in->run, e);
	else
		run_abort(in->run);
	in->run = NULL;
	buffer_release(&value);
	return rc;
}

/* Commits everything since the last commit, with the note. */
static int commit(struct intake *in, bool done, struct err *e)
{
	struct note note = note_now(in, done);
	int rc;
	if (in->folder)
		folder_drain(in->folder);
	if (in->run)
		rc = commit_whole(in, &note, e);
	else if (in->writer)
		rc = writer_hand(in->writer, &in->fold, &note, e);
	else
		rc = writer_commit(in->opt.store, buffer_bytes(&in->note_key), in->fold, &note, e);
	if (rc < 0)
		return rc;
	in->note = note;
	in->tap.accepted = in->tap.rejected = 0;
	in->tap.fold = in->fold; /* another was given for it */
	if (in->folder)
		folder_use(in->folder, in->fold);
	return 0;
}

int intake_flush(struct intake *in, struct err *e)
{
	if (in->folder)
		folder_drain(in->folder);
	if (fold_is_empty(in->fold))
		return 0;
	return in->opt.whole ? write_batch(in, e) : commit(in, false, e);
}

int intake_finish(struct intake *in, struct err *e)
{
	const struct sink again = {
		.observe = observe_again, .reject = reject_again, .sensor = sensor, .ctx = in};
	in->tap.now_s = (uint64_t)time(NULL);
	bool all_known = in->extent <= in->skip_until && in->note.done;
	int rc = in->opt.format->finish(in->reader, all_known ? &again : &in->sink);
	if (rc < 0)
		return err_set(e, rc, "reading failed");
	if (in->checking || (in->expected.done && in->extent != in->expected.extent))
		return err_set(e, ERR_USAGE, "it is not the source that was begun before");
	bool kept = in->opt.whole && in->note_key.n; /* that it was empty is worth knowing, too */
	if (in->note.done || (!in->extent && !kept))
		return 0;
	rc = commit(in, true, e);
	return rc == 0 && in->writer ? writer_wait(in->writer, e) : rc;
}

void intake_counts(const struct intake *in, struct note *ret)
{
	*ret = in->note;
	ret->accepted += in->tap.accepted;
	ret->rejected += in->tap.rejected;
}

const uint64_t *intake_left_out(const struct intake *in)
{
	return in->tap.left_out;
}
