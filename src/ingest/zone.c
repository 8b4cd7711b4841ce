/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Zone files (RFC 1035, 5) to observations that were made in a zone, not by a sensor.
 *
 * Lines are put together to entries, a record or directive each, as far as parentheses reach;
 * model/master.h reads these. An entry is held until it is whole. A parenthesis that is never
 * closed would swallow all that follows: when another one opens, at ENTRY_MAX octets and at the
 * end, only the line where it began is given up, and those behind it are looked at anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/mem.h"
#include "ingest/lines.h"
#include "ingest/reader.h"
#include "model/dname.h"
#include "model/master.h"
#include "model/rrtype.h"

enum {
	ENTRY_MAX = LINE_MAX_BYTES, /* octets of an entry */
	INCLUDE_DEPTH_MAX = 8,
	INCLUDED_MAX = 256 << 20, /* octets that one line of the file may include: all of it is
				     folded at once */
	INCLUDES_MAX = 10000,     /* files that one line may include */
	RUN = 64 << 10,
	CLASS_IN = 1,
};

/* A file under way: that which is fed, or one that is included. */
struct zone_file {
	const char *path; /* borrowed; NULL: it has none */
	struct lines lines;
	struct buffer text; /* lines of the entry under way, and those that wait behind it, each
			       with LF */
	size_t start, at;   /* where the entry begins in text, and what was looked at */
	uint64_t line;      /* number of the line at start */
	bool open, quoted;  /* in parentheses, in quotes */
};

struct reader {
	struct master *master;
	struct zone_file file;
	char *path; /* owned */
	bool include;
	uint64_t time_s;
	unsigned depth;    /* of the file under way: 0 is the one that is fed */
	unsigned includes; /* by the line of the outer file */
	uint64_t included;
	uint64_t place; /* line of the outer file, while others are included */
	char reason[512];
};

static int take_runs(struct reader *r, struct zone_file *f, const struct sink *sink);
static int take_rest(struct reader *r, struct zone_file *f, const struct sink *sink);

static void file_begin(struct zone_file *f, const char *path)
{
	*f = (struct zone_file){.path = path, .line = 1};
}

static void file_release(struct zone_file *f)
{
	lines_release(&f->lines);
	buffer_release(&f->text);
}

static int reject(struct reader *r, const struct zone_file *f, uint64_t line, struct bytes text,
		  const char *reason, const struct sink *sink)
{
	if (text.n && text.p[text.n - 1] == '\n')
		text.n--;
	if (text.n > LINE_MAX_BYTES)
		text.n = LINE_MAX_BYTES;
	if (!r->depth)
		return sink->reject(sink->ctx, line, text, reason);
	char where[512];
	snprintf(where, sizeof(where), "%.300s:%llu: %.150s", f->path, (unsigned long long)line,
		 reason);
	return sink->reject(sink->ctx, r->place, text, where);
}

/* --- words of a line --- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The next word, quoted or not, with its escapes; false at the end of the line, or where a comment
 * begins. */
static bool next_word(struct bytes *rest, struct bytes *ret)
{
	size_t i = 0, start;
	while (i < rest->n && is_blank(rest->p[i]))
		i++;
	bool quoted = i < rest->n && rest->p[i] == '"';
	start = i += quoted;
	for (; i < rest->n; i++) {
		uint8_t c = rest->p[i];
		if (quoted ? c == '"' || c == '\n' : is_blank(c) || c == ';')
			break;
		i += c == '\\' && i + 1 < rest->n;
	}
	*ret = bytes_of(rest->p + start, i - start);
	*rest = bytes_of(rest->p + i, rest->n - i);
	if (quoted && rest->n && *rest->p == '"')
		*rest = bytes_of(rest->p + 1, rest->n - 1);
	return quoted || ret->n > 0;
}

static bool word_is(struct bytes word, const char *lower)
{
	size_t i = 0;
	while (i < word.n && lower[i] && ascii_lower(word.p[i]) == (uint8_t)lower[i])
		i++;
	return i == word.n && !lower[i];
}

static bool is_digits(struct bytes word)
{
	size_t i = 0;
	while (i < word.n && word.p[i] >= '0' && word.p[i] <= '9')
		i++;
	return i == word.n && word.n > 0;
}

/* A TTL: 3600, or 1h30m. */
static bool is_ttl(struct bytes word)
{
	bool digit = false;
	for (size_t i = 0; i < word.n; i++) {
		uint8_t c = ascii_lower(word.p[i]);
		if (c >= '0' && c <= '9')
			digit = true;
		else if (!digit || !strchr("smhdw", c))
			return false;
	}
	return digit;
}

static bool is_other_class(struct bytes word)
{
	return word_is(word, "ch") || word_is(word, "hs") || word_is(word, "chaos") ||
	       word_is(word, "hesiod") ||
	       (word.n > 5 && word_is(bytes_of(word.p, 5), "class") &&
		is_digits(bytes_of(word.p + 5, word.n - 5)) && !word_is(word, "class1"));
}

/* Of a record that libzscanner does not take: it reads class IN only. */
static bool has_other_class(struct bytes entry)
{
	struct bytes word, rest = entry;
	if (entry.n && !is_blank(entry.p[0]))
		next_word(&rest, &word);
	for (int i = 0; i < 2 && next_word(&rest, &word); i++) {
		if (is_other_class(word))
			return true;
		if (!is_ttl(word))
			break;
	}
	return false;
}

/* --- $INCLUDE --- */

/* Beside the file that says it, unless it is absolute. NULL when that file has no place. */
static char *include_path(const char *beside, struct bytes name)
{
	const char *slash = beside ? strrchr(beside, '/') : NULL;
	char *path;
	if (name.p[0] == '/')
		return xstrndup((const char *)name.p, name.n);
	if (!beside)
		return NULL;
	if (asprintf(&path, "%.*s%.*s", slash ? (int)(slash - beside + 1) : 0, beside, (int)name.n,
		     (const char *)name.p) < 0)
		abort();
	return path;
}

/* A descriptor, or -1 with the reason. */
static int include_open(struct reader *r, const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0) {
		snprintf(r->reason, sizeof(r->reason), "$INCLUDE: %.300s: %s", path,
			 strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		snprintf(r->reason, sizeof(r->reason), "$INCLUDE: %.300s: it is no file", path);
	} else if ((uint64_t)st.st_size > INCLUDED_MAX - r->included) {
		snprintf(r->reason, sizeof(r->reason), "$INCLUDE: over %d octets", INCLUDED_MAX);
	} else {
		r->included += (uint64_t)st.st_size;
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static int include_read(struct reader *r, int fd, const char *path, const struct sink *sink)
{
	struct zone_file f;
	uint8_t *run = xmalloc(RUN);
	uint64_t left = INCLUDED_MAX; /* it may grow while it is read */
	ssize_t n;
	int rc = 0;
	file_begin(&f, path);
	while (rc == 0 && left &&
	       ((n = read(fd, run, left < RUN ? left : RUN)) > 0 || (n < 0 && errno == EINTR))) {
		lines_put(&f.lines, bytes_of(run, n > 0 ? (size_t)n : 0));
		left -= n > 0 ? (uint64_t)n : 0;
		rc = take_runs(r, &f, sink);
	}
	if (rc == 0)
		rc = take_rest(r, &f, sink);
	if (rc == 0 && n < 0)
		rc = reject(r, &f, f.line, bytes_of(NULL, 0), strerror(errno), sink);
	file_release(&f);
	free(run);
	return rc;
}

/* The included file has its own origin when the line names one, and what it leaves behind is not
 * for those behind it. */
static int include(struct reader *r, struct zone_file *f, struct bytes entry, uint64_t line,
		   const struct sink *sink)
{
	struct bytes rest = entry, word, name = {NULL, 0}, origin = {NULL, 0};
	struct master_place place;
	struct master_record record;
	const char *reason = NULL;
	char *path = NULL;
	int fd = -1, rc = 0;
	next_word(&rest, &word);
	next_word(&rest, &name);
	next_word(&rest, &origin);
	master_place(r->master, &place);
	if (!r->depth) {
		r->included = r->includes = 0;
		r->place = line;
	}
	if (!r->include)
		reason = "$INCLUDE is not followed unless it is allowed (--include)";
	else if (!name.n || memchr(name.p, 0, name.n))
		reason = "$INCLUDE: no file is named";
	else if (r->depth == INCLUDE_DEPTH_MAX || r->includes == INCLUDES_MAX)
		reason = "$INCLUDE: too many, one in the other";
	else if (!(path = include_path(f->path, name)))
		reason = "$INCLUDE: the input is no file that others could be beside";
	else if ((fd = include_open(r, path)) < 0)
		reason = r->reason;
	if (!reason && origin.n) {
		struct buffer text = BUFFER_INIT;
		buffer_put_str(&text, "$ORIGIN ");
		buffer_put_bytes(&text, origin);
		buffer_put_byte(&text, '\n');
		if (master_take(r->master, buffer_bytes(&text), &record, &reason) == 0)
			reason = NULL;
		buffer_release(&text);
	}
	if (reason) {
		rc = reject(r, f, line, entry, reason, sink);
	} else {
		r->depth++;
		r->includes++;
		rc = include_read(r, fd, path, sink);
		r->depth--;
	}
	master_move(r->master, &place);
	if (fd >= 0)
		close(fd);
	free(path);
	return rc;
}

/* --- entries --- */

static int take_entry(struct reader *r, struct zone_file *f, struct bytes entry, uint64_t line,
		      const struct sink *sink)
{
	struct master_record record;
	const char *reason;
	struct bytes rest = entry, word;
	if (*entry.p == '\n')
		return 0;
	if (*entry.p == '$' && next_word(&rest, &word) && word_is(word, "$include"))
		return include(r, f, entry, line, sink);
	int rc = master_take(r->master, entry, &record, &reason);
	if (rc == ERR_SYNTAX) {
		if (!has_other_class(entry))
			return reject(r, f, line, entry, reason, sink);
		sink_left_out(sink, LEFT_OUT_CLASS, 1);
		return 0;
	}
	if (rc <= 0)
		return rc;
	if (record.class != CLASS_IN || rrtype_is_meta(record.type)) {
		sink_left_out(sink, record.class != CLASS_IN ? LEFT_OUT_CLASS : LEFT_OUT_META, 1);
		return 0;
	}
	const struct observation o = {
		.owner = record.owner,
		.rrtype = record.type,
		.form = RDATA_WIRE,
		.rdata = record.rdata,
		.seen = {.zone_first_s = r->time_s, .zone_last_s = r->time_s},
	};
	return sink->observe(sink->ctx, &o);
}

enum look { LOOK_WHOLE, LOOK_OPEN, LOOK_TWICE };

/* One more line of an entry, with its LF: is the entry whole? */
static enum look look_at(struct zone_file *f, struct bytes line)
{
	for (size_t i = 0; i < line.n; i++) {
		uint8_t c = line.p[i];
		if (c == '\\') {
			i += line.p[i + 1] != '\n'; /* the LF is there */
		} else if (c == '"') {
			f->quoted = !f->quoted;
		} else if (f->quoted || c > ';') {
			continue;
		} else if (c == ';') {
			break;
		} else if (c == ')') {
			f->open = false;
		} else if (c == '(') {
			if (f->open)
				return LOOK_TWICE;
			f->open = true;
		}
	}
	if (!f->open)
		f->quoted = false; /* quotes reach over lines in parentheses only */
	return f->open ? LOOK_OPEN : LOOK_WHOLE;
}

static size_t line_length(const struct zone_file *f, size_t from)
{
	const uint8_t *p = f->text.p + from;
	return (size_t)((const uint8_t *)memchr(p, '\n', f->text.n - from) - p) + 1;
}

/* The next n octets of text are done with. */
static void pass(struct zone_file *f, size_t n)
{
	for (size_t end = f->start + n; f->start < end; f->line++)
		f->start += line_length(f, f->start);
	f->at = f->start;
	f->open = f->quoted = false;
}

/* Hands the entry of the first n octets over. */
static int take_first(struct reader *r, struct zone_file *f, size_t n, const struct sink *sink)
{
	struct bytes entry = bytes_of(f->text.p + f->start, n);
	uint64_t line = f->line;
	pass(f, n);
	return take_entry(r, f, entry, line, sink);
}

/* Everything in text that is whole. At the end of the file nothing waits any longer. */
static int take_text(struct reader *r, struct zone_file *f, bool end, const struct sink *sink)
{
	int rc = 0;
	while (rc == 0 && (f->at < f->text.n || (end && f->start < f->text.n))) {
		enum look look = LOOK_TWICE; /* the end, in parentheses */
		if (f->at < f->text.n) {
			size_t n = line_length(f, f->at);
			look = look_at(f, bytes_of(f->text.p + f->at, n));
			f->at += n;
		}
		if (look == LOOK_WHOLE)
			rc = take_first(r, f, f->at - f->start, sink);
		else if (look == LOOK_TWICE || f->at - f->start > ENTRY_MAX)
			rc = take_first(r, f, line_length(f, f->start), sink);
	}
	if (f->start) {
		memmove(f->text.p, f->text.p + f->start, f->text.n - f->start);
		f->text.n -= f->start;
		f->at -= f->start;
		f->start = 0;
	}
	return rc;
}

static int take_long_line(struct reader *r, struct zone_file *f, const struct line *line,
			  const struct sink *sink)
{
	struct master_place place;
	char reason[64];
	int rc = take_text(r, f, true, sink);
	if (rc < 0)
		return rc;
	master_place(r->master, &place);
	place.owner_n = 0; /* it may have had another */
	master_move(r->master, &place);
	f->line++;
	snprintf(reason, sizeof(reason), "the line is over %d octets", LINE_MAX_BYTES);
	return rc ? rc : reject(r, f, line->number, line->text, reason, sink);
}

static struct bytes without_bom(struct bytes text)
{
	return bytes_has_prefix(text, bytes_str("\xef\xbb\xbf")) ? bytes_of(text.p + 3, text.n - 3)
								 : text;
}

static int take_line(struct reader *r, struct zone_file *f, const struct line *line,
		     const struct sink *sink)
{
	struct bytes text = f->line == 1 && !f->text.n ? without_bom(line->text) : line->text;
	if (line->too_long)
		return take_long_line(r, f, line, sink);
	buffer_put_bytes(&f->text, text);
	if (text.n && text.p[text.n - 1] == '\r')
		f->text.p[f->text.n - 1] = ' ';
	buffer_put_byte(&f->text, '\n');
	return take_text(r, f, false, sink);
}

static int take_runs(struct reader *r, struct zone_file *f, const struct sink *sink)
{
	struct line line;
	int rc = 0;
	while (rc == 0 && lines_next(&f->lines, &line))
		rc = take_line(r, f, &line, sink);
	return rc;
}

static int take_rest(struct reader *r, struct zone_file *f, const struct sink *sink)
{
	struct line line;
	int rc = 0;
	while (rc == 0 && lines_last(&f->lines, &line))
		rc = take_line(r, f, &line, sink);
	return rc == 0 ? take_text(r, f, true, sink) : rc;
}

/* --- the format --- */

/* A SOA, or a directive, before anything else. */
static bool zone_recognises(struct bytes head)
{
	struct bytes rest = without_bom(head), word;
	if (head.n && memchr(head.p, 0, head.n))
		return false;
	for (;;) {
		size_t i = 0;
		while (i < rest.n && is_blank(rest.p[i]))
			i++;
		rest = bytes_of(rest.p + i, rest.n - i);
		if (!rest.n || *rest.p != ';')
			break;
		const uint8_t *lf = memchr(rest.p, '\n', rest.n);
		rest = lf ? bytes_of(lf, rest.n - (size_t)(lf - rest.p)) : bytes_of(NULL, 0);
	}
	const uint8_t *lf = rest.n ? memchr(rest.p, '\n', rest.n) : NULL;
	if (lf)
		rest.n = (size_t)(lf - rest.p);
	if (!next_word(&rest, &word))
		return false;
	if (word_is(word, "$origin") || word_is(word, "$ttl") || word_is(word, "$include"))
		return next_word(&rest, &word);
	while (next_word(&rest, &word) &&
	       (is_ttl(word) || word_is(word, "in") || word_is(word, "class1")))
		;
	return word_is(word, "soa") && next_word(&rest, &word);
}

static void zone_close(struct reader *r)
{
	if (!r)
		return;
	file_release(&r->file);
	master_free(r->master);
	free(r->path);
	free(r);
}

static struct reader *zone_open(const struct reader_options *opt, struct err *e)
{
	static const struct reader_options none;
	uint8_t origin[DNAME_MAX];
	int n = 0;
	opt = opt ? opt : &none;
	if (opt->origin && (n = dname_from_text(bytes_str(opt->origin), origin)) < 0) {
		err_set(e, ERR_USAGE, "the origin %.300s is not a name", opt->origin);
		return NULL;
	}
	struct reader *r = xcalloc(1, sizeof(*r));
	r->master = master_new(bytes_of(origin, (size_t)n));
	r->path = opt->path ? xstrdup(opt->path) : NULL;
	r->include = opt->include;
	r->time_s = opt->time_s ? opt->time_s : (uint64_t)time(NULL);
	file_begin(&r->file, r->path);
	return r;
}

static int zone_feed(struct reader *r, struct bytes run, const struct sink *sink)
{
	lines_put(&r->file.lines, run);
	return take_runs(r, &r->file, sink);
}

static int zone_finish(struct reader *r, const struct sink *sink)
{
	return take_rest(r, &r->file, sink);
}

static void zone_position(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines)
{
	const struct zone_file *f = &r->file;
	*ret_bytes = f->lines.bytes + f->lines.taken - (f->text.n - f->start);
	*ret_lines = f->line - 1;
}

/* With replays it is never called. */
static void zone_resume(struct reader *r, uint64_t bytes, uint64_t lines)
{
	(void)r, (void)bytes, (void)lines;
}

/* The same file is another source when it was seen at another time, or means something else. */
static void zone_identity(const struct reader_options *opt, struct buffer *out)
{
	buffer_putf(out, "zone %llu %d %s", (unsigned long long)opt->time_s, opt->include,
		    opt->origin ? opt->origin : "");
}

const struct reader_format zone_format = {
	.name = "zone",
	.help = "zone file: records of a zone, in master file format",
	.replays = true,
	.recognises = zone_recognises,
	.open = zone_open,
	.feed = zone_feed,
	.finish = zone_finish,
	.position = zone_position,
	.resume = zone_resume,
	.identity = zone_identity,
	.close = zone_close,
};
