/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation that cannot fail: it aborts with a message. Only for sizes that are bounded by
 * base/limits.h or by our own structures. */
#pragma once

#include <stddef.h>

/* Settles how the C library keeps memory, for all of the process: to be called first. */
void mem_settle(void);

void *xmalloc(size_t n) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t n) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n) __attribute__((returns_nonnull));
/* For what is large and looked at in no order: in huge pages where the system gives them. Ends with free. */
void *xmalloc_large(size_t n) __attribute__((malloc, returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* A NUL-terminated copy of n bytes. */
char *xstrndup(const char *s, size_t n) __attribute__((malloc, returns_nonnull));
