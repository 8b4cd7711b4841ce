/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of options and what the files of this folder share. */
#pragma once

#include "base/buffer.h"
#include "config/config.h"

enum option_type {
	OPTION_STRING,
	OPTION_URI, /* printable ASCII without blanks, not empty */
	OPTION_PATH,
	OPTION_PATHS,   /* repeatable */
	OPTION_ADDRESS, /* repeatable */
	OPTION_NUMBER,
	OPTION_SIZE,     /* octets, with K, M, G or T (powers of 1024) */
	OPTION_DURATION, /* milliseconds; written with ms, s, m or h, seconds without */
	OPTION_BOOL,     /* yes, no */
	OPTION_CHOICE,   /* the place of the word in words */
};

struct option_row {
	const char *name;
	enum option_type type;
	unsigned scope; /* enum config_scope */
	size_t offset;  /* in struct config: char *, struct config_paths, struct config_listen, uint64_t, bool or int by
			   type */
	uint64_t least, most; /* of numbers, sizes and durations */
	const char *const *words;
	const char *initial;  /* the default, as in a file */
	const char *argument; /* what the value is called */
	const char *help;     /* one line */
	const char *prose;    /* the rest of the manual's paragraph */
};

extern const struct option_row option_rows[];
extern const size_t option_count;

/* Whether it may be given several times. */
static inline bool option_repeats(const struct option_row *row)
{
	return row->type == OPTION_ADDRESS || row->type == OPTION_PATHS;
}
/* How many values are in force. */
size_t option_values(const struct config *config, const struct option_row *row);

/* NULL when there is none. - and _ are the same. */
const struct option_row *option_find(struct bytes name, unsigned scope);
bool option_name_is(const char *name, struct bytes other);
/* The same in a command's own options; own may be NULL. */
const struct config_own_option *own_option_find(const struct config_own_option *own, struct bytes name);
/* How many letters have to be changed, added, taken away or swapped; at most a small number is
 * exact. */
size_t option_distance(const char *name, struct bytes other);
/* The name in the table that is most like it, NULL when none is. */
const char *option_nearest(struct bytes name, unsigned scope);
/* The value in force, as in a file but without quotes. The i-th of a repeatable one. */
void option_print_value(const struct config *config, const struct option_row *row, size_t i,
			struct buffer *out);
