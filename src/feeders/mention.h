/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files of a folder that were complained of: each is told once while it is there, and may be
 * put off for a while. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All 0: nothing was mentioned. */
struct mentions {
	struct mention *of; /* owned */
	size_t n;
	bool full; /* which was said */
};

enum mentioned {
	MENTION_AGAIN, /* it was mentioned before */
	MENTION_FIRST,
	MENTION_FULL, /* there is no room for another one; said once, then it is MENTION_AGAIN */
};

enum mentioned mentions_add(struct mentions *m, const char *name);

/* Whether it ever was put off. */
bool mentions_was_put_off(const struct mentions *m, const char *name);

/* Lets a file that was mentioned lie until then, a time of any clock. */
void mentions_put_off(struct mentions *m, const char *name, uint64_t until_ms);

/* Whether it is put off, by the same clock; asking keeps it from being forgotten. */
bool mentions_is_put_off(struct mentions *m, const char *name, uint64_t now_ms);

/* Forgets those that were not mentioned again, nor found put off, since the last call: they are
 * gone. */
void mentions_forget(struct mentions *m);

void mentions_release(struct mentions *m);
