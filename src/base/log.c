/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Log lines on stderr. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

static void put(enum log_level level, const char *name, const char *subsystem, const char *fmt,
                va_list ap) __attribute__((format(printf, 4, 0)));

static void put(enum log_level level, const char *name, const char *subsystem, const char *fmt,
                va_list ap)
{
	if (level > max_level)
		return;
	char line[1024];
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	size_t n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%SZ ", &tm);
	/* a subsystem is a word of ours; however long, there is room for the text */
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s %.64s: ", name, subsystem);
	int more = vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (more > 0)
		n = n + (size_t)more < sizeof(line) - 2 ? n + (size_t)more : sizeof(line) - 2;
	for (size_t i = 0; i < n; i++) { /* foreign text must not forge lines */
		if ((unsigned char)line[i] < 0x20)
			line[i] = '?';
	}
	line[n++] = '\n';
	/* One write a line, so that threads do not mix theirs; nowhere to report its failure. */
	ssize_t ignored = write(STDERR_FILENO, line, n);
	(void)ignored;
}

#define LOG_FUNCTION(function, level, name)                                                        \
	void function(const char *subsystem, const char *fmt, ...)                                 \
	{                                                                                          \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		put(level, name, subsystem, fmt, ap);                                              \
		va_end(ap);                                                                        \
	}

LOG_FUNCTION(log_error, LOG_LEVEL_ERROR, "error")
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING, "warning")
LOG_FUNCTION(log_info, LOG_LEVEL_INFO, "info")
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG, "debug")
