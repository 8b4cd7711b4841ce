/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One source, from its first octet to its note. */
#include "feed/file.h"

#include <stdlib.h>
#include <time.h>

#include "feed/intake.h"

enum { CANDIDATES_MAX = 256 };

struct candidate {
	struct note note;
	uint32_t number;
	bool matches; /* the digest of its extent is the source's */
};

struct source {
	struct input *in;
	struct buffer head;
	const struct reader_format *format; /* NULL: there is nothing to read */
	struct reader_options reader;
	struct buffer known_by; /* what its notes are found by */
	struct candidate *candidates; /* owned */
	size_t n;
	uint32_t next_number;
	uint64_t length; /* octets read while comparing */
	bool ended;      /* all of it was read then */
};

static int read_head(struct source *s, struct err *e)
{
	struct bytes run;
	int rc = 1;
	input_spool(s->in, true);
	while (s->head.n < NOTE_HEAD && (rc = input_read(s->in, &run, e)) == 1) {
		size_t room = NOTE_HEAD - s->head.n;
		buffer_put(&s->head, run.p, run.n < room ? run.n : room);
	}
	return rc < 0 ? rc : input_rewind(s->in, e);
}

/* The notes of sources that begin like this one. */
static int find_candidates(struct store *store, struct source *s, struct err *e)
{
	struct buffer prefix = BUFFER_INIT;
	struct bytes key, value;
	struct scan *sc;
	int rc = scan_begin(store, &sc, e);
	if (rc < 0)
		return rc;
	note_key_file(&prefix, buffer_bytes(&s->known_by), 0);
	prefix.n -= 4;
	s->candidates = xcalloc(CANDIDATES_MAX, sizeof(*s->candidates));
	rc = scan_seek(sc, buffer_bytes(&prefix), &key, &value, e);
	while (rc == 1 && bytes_has_prefix(key, buffer_bytes(&prefix)) && s->n < CANDIDATES_MAX) {
		struct candidate *c = &s->candidates[s->n];
		if (key.n != prefix.n + 4 || note_decode(value, &c->note) != 0) {
			rc = err_set(e, ERR_CORRUPT, "a note of the import journal does not decode");
			break;
		}
		const uint8_t *p = key.p + prefix.n;
		c->number = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		s->next_number = c->number + 1;
		s->n++;
		rc = scan_next(sc, &key, &value, e);
	}
	scan_end(sc);
	buffer_release(&prefix);
	return rc < 0 ? rc : 0;
}

/* The nearest extent at or behind an offset that is still to be compared. */
static uint64_t next_extent(const struct source *s, uint64_t from)
{
	uint64_t next = UINT64_MAX;
	for (size_t i = 0; i < s->n; i++) {
		uint64_t extent = s->candidates[i].note.extent;
		if (extent > from && extent < next)
			next = extent;
	}
	return next;
}

static void compare_digests(struct source *s, XXH3_state_t *digest)
{
	XXH128_canonical_t now;
	XXH128_canonicalFromHash(&now, XXH3_128bits_digest(digest));
	for (size_t i = 0; i < s->n; i++) {
		struct candidate *c = &s->candidates[i];
		if (c->note.extent == s->length)
			c->matches = memcmp(c->note.digest.b, now.digest, sizeof(now.digest)) == 0;
	}
}

/* Reads as far as the candidates reach, and one run further: is there more? */
static int compare(struct source *s, struct err *e)
{
	struct bytes run;
	int rc = 1;
	uint64_t next = next_extent(s, 0);
	XXH3_state_t *digest = XXH3_createState();
	if (!digest)
		abort();
	XXH3_128bits_reset(digest);
	while (next != UINT64_MAX && (rc = input_read(s->in, &run, e)) == 1) {
		while (run.n) {
			size_t n = next - s->length < run.n ? (size_t)(next - s->length) : run.n;
			XXH3_128bits_update(digest, run.p, n);
			s->length += n;
			run = bytes_of(run.p + n, run.n - n);
			if (s->length != next)
				continue;
			compare_digests(s, digest);
			next = next_extent(s, s->length);
			if (next == UINT64_MAX && run.n)
				s->length += run.n, run.n = 0; /* longer than any candidate */
		}
	}
	if (rc == 1 && s->n)
		rc = input_read(s->in, &run, e);
	s->ended = rc == 0;
	XXH3_freeState(digest);
	if (rc < 0)
		return rc;
	return input_rewind(s->in, e);
}

/* What is in of this source: the note of all of it, else the one that is furthest. */
static const struct candidate *choose(const struct source *s)
{
	const struct candidate *best = NULL;
	for (size_t i = 0; i < s->n; i++) {
		const struct candidate *c = &s->candidates[i];
		if (!c->matches || (c->note.done && !(s->ended && c->note.extent == s->length)))
			continue;
		if (!best || c->note.done || (!best->note.done && c->note.extent > best->note.extent))
			best = c;
	}
	return best;
}

/* What it is read as when nobody says what it is. Fields are told for logs that cannot be recognised without them. */
static const struct reader_format *format_by_content(const struct source *s)
{
	const struct reader_format *found = reader_format_of(buffer_bytes(&s->head));
	return found || !s->reader.fields ? found : &passivedns_format;
}

static int choose_format(const struct file_options *opt, const struct source *s,
                         const struct reader_format **ret, struct err *e)
{
	*ret = opt->format ? opt->format : format_by_content(s);
	size_t blank = 0;
	while (blank < s->head.n && strchr(" \t\r\n", s->head.p[blank]) && s->head.p[blank])
		blank++;
	if (*ret || blank == s->head.n)
		return 0;
	return err_set(e, ERR_SYNTAX, "%s: no known format, see dribble-sources(7)",
	               input_name(s->in));
}

static int pump(const struct file_options *opt, struct source *s, struct intake *intake,
                struct note *ret, struct err *e)
{
	struct bytes run;
	int rc;
	input_spool(s->in, false);
	while ((rc = input_read(s->in, &run, e)) == 1) {
		rc = intake_feed(intake, run, e);
		if (rc == 0 && intake_wants_flush(intake))
			rc = intake_flush(intake, e);
		intake_counts(intake, ret);
		if (rc == 0 && opt->progress && opt->progress(opt->ctx, ret) != 0)
			rc = err_set(e, ERR_CANCELLED, "%s: interrupted", input_name(s->in));
		if (rc < 0)
			return rc;
	}
	if (rc == 0)
		rc = intake_finish(intake, e);
	else
		intake_flush(intake, NULL); /* the lines that were whole count, also of a source that is cut off */
	intake_counts(intake, ret);
	return rc;
}

static int import(const struct file_options *opt, struct source *s, struct note *ret,
                  struct err *e)
{
	static const struct note none;
	struct buffer key = BUFFER_INIT;
	int rc;
	const struct candidate *known = !opt->again ? choose(s) : NULL;
	*ret = known ? known->note : none;
	if (!s->format || (known && known->note.done))
		return known != NULL;
	note_key_file(&key, buffer_bytes(&s->known_by), known ? known->number : s->next_number);
	struct intake_options io = {
		.store = opt->store,
		.format = s->format,
		.sensor = opt->sensor,
		.exclusion = opt->exclusion,
		.memory = opt->memory,
		.overlap = true,
		.note_key = buffer_bytes(&key),
		.resume = known ? &known->note : NULL,
		.reject = opt->reject,
		.before_commit = opt->before_commit,
		.ctx = opt->ctx,
	};
	io.reader = &s->reader;
	if (opt->begin)
		opt->begin(opt->ctx, ret);
	struct intake *intake = intake_open(&io, e);
	rc = intake ? pump(opt, s, intake, ret, e) : ERR_USAGE;
	for (int i = 0; intake && opt->left_out && i < LEFT_OUT_REASONS; i++)
		opt->left_out[i] += intake_left_out(intake)[i];
	intake_close(intake);
	buffer_release(&key);
	return rc;
}

/* Read as something else than what it looks like, the octets are another source: one that was read wrongly is not in. What looks
 * like nothing is lines of COF. */
static bool is_read_otherwise(const struct source *s)
{
	const struct reader_format *looks = format_by_content(s);
	if (!looks && s->format == &cof_format)
		return false;
	return s->format && s->format != looks;
}

/* What the source is known by: its beginning, and what the options make of it. */
static int identify(const struct file_options *opt, struct source *s, struct err *e)
{
	if (opt->reader)
		s->reader = *opt->reader;
	int rc = choose_format(opt, s, &s->format, e);
	if (rc < 0)
		return rc;
	if (!s->reader.path && input_size(s->in))
		s->reader.path = input_name(s->in);
	if (!s->reader.time_s)
		s->reader.time_s = input_time_s(s->in);
	if (!s->reader.time_s)
		s->reader.time_s = (uint64_t)time(NULL);
	buffer_put_bytes(&s->known_by, buffer_bytes(&s->head));
	if (is_read_otherwise(s))
		buffer_putf(&s->known_by, "format %s\n", s->format->name);
	if (s->format && s->format->identity)
		s->format->identity(&s->reader, &s->known_by);
	return 0;
}

int file_import(const struct file_options *opt, struct input *in, struct note *ret, struct err *e)
{
	struct source s = {.in = in};
	int rc = read_head(&s, e);
	if (rc == 0)
		rc = identify(opt, &s, e);
	if (rc == 0)
		rc = find_candidates(opt->store, &s, e);
	if (rc == 0 && s.n && !opt->again)
		rc = compare(&s, e);
	if (rc == 0)
		rc = import(opt, &s, ret, e);
	free(s.candidates);
	buffer_release(&s.known_by);
	buffer_release(&s.head);
	return rc;
}
