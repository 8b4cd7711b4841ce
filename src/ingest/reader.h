/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A source format: turns bytes into observations. One format a file.
 *
 * A reader is fed runs of bytes as they arrive and hands every observation to a sink. It never reads
 * a file itself, so the same reader serves files, pipes and HTTP bodies. Malformed input costs itself: it is
 * reported to the sink with its place and reason, and reading goes on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/err.h"
#include "model/observation.h"

/* Why something that was understood gave no observation. Not an error: it is counted, not told one by one. Stores hold the
 * numbers: new ones go to the end (and into dribble-keys(5)). */
enum left_out {
	LEFT_OUT_QUESTION,   /* a question, or another message that is no answer to one */
	LEFT_OUT_RCODE,      /* an answer that says neither NOERROR nor NXDOMAIN */
	LEFT_OUT_TRUNCATED,  /* an answer with TC: it comes again over TCP */
	LEFT_OUT_META,       /* records of OPT, TSIG, TKEY, ANY and the like */
	LEFT_OUT_CLASS,      /* records of another class than IN */
	LEFT_OUT_BAILIWICK,  /* records outside the zone that was asked, or that answer something else */
	LEFT_OUT_UNMATCHED,  /* answers to no question that was seen: they may be spoofed */
	LEFT_OUT_OTHER,      /* packets and lines about something else than DNS */
	LEFT_OUT_UNCERTAIN,  /* records whose owner or type a log does not tell */
	LEFT_OUT_EXCLUDED,   /* by the lists of ingest/exclusion.h */
	LEFT_OUT_POLICY,     /* answers that a resolver's policy made up */
	LEFT_OUT_UNREADABLE, /* files of a watched folder that cannot be taken */
	LEFT_OUT_REASONS,
};

/* "question", "rcode", …: as /info and stats name them. */
const char *left_out_name(enum left_out why);

/* Where observations go. observe and reject return 0 to go on; anything else stops the reader, which returns it. */
struct sink {
	/* o and what it points at are valid during the call only. */
	int (*observe)(void *ctx, const struct observation *o);
	/* place counts lines, frames or packets from 1; input is the offending one, or its start; reason is a short phrase such as
	 * "rrname is missing". Counted once a place, however many of its records are bad. */
	int (*reject)(void *ctx, uint64_t place, struct bytes input, const char *reason);
	/* n things more were left out. May be NULL. */
	void (*left_out)(void *ctx, enum left_out why, uint64_t n);
	/* What comes from now on was seen by this sensor (dnstap's identity); empty: not said. May be NULL. */
	void (*sensor)(void *ctx, struct bytes id);
	void *ctx;
};

static inline void sink_left_out(const struct sink *sink, enum left_out why, uint64_t n)
{
	if (sink->left_out && n)
		sink->left_out(sink->ctx, why, n);
}

/* What a reader may be told; each looks at what concerns it. All zero is the default. Borrowed until close. */
struct reader_options {
	const char *path;    /* of the file, where there is one: zone files find what they include beside it */
	const char *fields;  /* passivedns: which fields a line has, as its -f names them; NULL: its default */
	const char *origin;  /* zone: the origin before the first $ORIGIN; NULL: there is none */
	bool include;        /* zone: $INCLUDE is followed */
	uint64_t time_s;     /* zone: when it was seen; 0: now. Of a file file_import says when it was changed last */
	const char *filter;  /* pcap: a BPF expression; NULL: everything */
	bool unmatched;      /* pcap: answers count without their questions */
	const char *ports;   /* pcap: the ports of servers, "53,5300"; NULL: 53 */
};

struct reader; /* opaque: each format has its own */

struct reader_format {
	const char *name;
	const char *help; /* one line */
	/* What it is about depends on what came before (a capture's head, questions): octets that are in already are read again
	 * with a sink that drops them, instead of being stepped over. */
	bool replays;
	/* Does this look like the format? head is the first bytes of the input (up to 64 KiB). */
	bool (*recognises)(struct bytes head);
	/* opt may be NULL. NULL is returned, with a sentence, for options that make no sense. */
	struct reader *(*open)(const struct reader_options *opt, struct err *e);
	/* Takes the next run of bytes. Everything that is complete is handed to the sink before it returns; a
	 * cut line at the end of the run is kept inside. Returns 0, the sink's answer, or a negative error. */
	int (*feed)(struct reader *r, struct bytes run, const struct sink *sink);
	/* End of input: a last line without LF counts. */
	int (*finish)(struct reader *r, const struct sink *sink);
	/* Position after the last complete line, frame or packet: bytes of input consumed and lines passed. A new reader that is told
	 * these with resume, and fed from that byte on, goes on with the same line numbers. Bytes of UINT64_MAX: what follows is lost, and
	 * passed over. With replays it is fed from the beginning and resume is not called. */
	void (*position)(const struct reader *r, uint64_t *ret_bytes, uint64_t *ret_lines);
	void (*resume)(struct reader *r, uint64_t bytes, uint64_t lines);
	/* Appends what of the options makes another source of the same octets: it belongs to the key under which the journal knows
	 * it. NULL: nothing does. */
	void (*identity)(const struct reader_options *opt, struct buffer *out);
	void (*close)(struct reader *r);
};

extern const struct reader_format cof_format;
extern const struct reader_format pcap_format;
extern const struct reader_format eve_format;
extern const struct reader_format passivedns_format;
extern const struct reader_format zeek_format;
extern const struct reader_format dnstap_format;
extern const struct reader_format zone_format;

/* All formats, in the order in which --format auto asks them; ends with NULL. */
extern const struct reader_format *const reader_formats[];

const struct reader_format *reader_format_named(const char *name);
/* What a source that begins so is, by its content: the first format that recognises it. NULL: none does. */
const struct reader_format *reader_format_of(struct bytes head);
