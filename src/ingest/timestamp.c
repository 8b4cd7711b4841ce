/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Times of logs to microseconds since 1970. */
#include "ingest/timestamp.h"

#include <stdbool.h>

#include "base/err.h"
#include "base/limits.h"

enum { US = 1000000 };

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

/* Takes the digits of a fraction behind its point, and only them: at least one. */
static bool take_fraction(struct bytes *text, uint32_t *ret_us)
{
	size_t n = 0;
	uint32_t us = 0, weight = US / 10;
	for (; n < text->n && is_digit(text->p[n]); n++, weight /= 10)
		us += weight * (uint32_t)(text->p[n] - '0');
	*text = bytes_of(text->p + n, text->n - n);
	*ret_us = us;
	return n > 0;
}

int timestamp_from_seconds(struct bytes text, uint64_t *ret_us)
{
	uint64_t s = 0;
	uint32_t us = 0;
	size_t n = 0;
	for (; n < text.n && is_digit(text.p[n]); n++) {
		if (s <= TIME_MAX)
			s = s * 10 + (uint64_t)(text.p[n] - '0');
	}
	if (!n)
		return ERR_SYNTAX;
	text = bytes_of(text.p + n, text.n - n);
	if (text.n && text.p[0] == '.') {
		text = bytes_of(text.p + 1, text.n - 1);
		if (!take_fraction(&text, &us))
			return ERR_SYNTAX;
	}
	if (text.n)
		return ERR_SYNTAX;
	if (s > TIME_MAX)
		return ERR_LIMIT;
	*ret_us = s * US + us;
	return 0;
}

/* Takes exactly n digits. */
static bool take_digits(struct bytes *text, size_t n, unsigned *ret)
{
	unsigned v = 0;
	if (text->n < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(text->p[i]))
			return false;
		v = v * 10 + (unsigned)(text->p[i] - '0');
	}
	*text = bytes_of(text->p + n, text->n - n);
	*ret = v;
	return true;
}

static bool take_octet(struct bytes *text, uint8_t c)
{
	if (!text->n || text->p[0] != c)
		return false;
	*text = bytes_of(text->p + 1, text->n - 1);
	return true;
}

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of_month(unsigned year, unsigned month)
{
	static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Days from 1970-01-01; year from 1 on. */
static int64_t days_to(unsigned year, unsigned month, unsigned day)
{
	int64_t y = year - 1;
	int64_t days = y * 365 + y / 4 - y / 100 + y / 400 - 719162;
	for (unsigned m = 1; m < month; m++)
		days += days_of_month(year, m);
	return days + day - 1;
}

static bool take_date(struct bytes *text, int64_t *ret_s)
{
	unsigned year, month, day, hour, minute, second;
	if (!take_digits(text, 4, &year) || !take_octet(text, '-') ||
	    !take_digits(text, 2, &month) || !take_octet(text, '-') ||
	    !take_digits(text, 2, &day) ||
	    !(take_octet(text, 'T') || take_octet(text, 't') || take_octet(text, ' ')) ||
	    !take_digits(text, 2, &hour) || !take_octet(text, ':') ||
	    !take_digits(text, 2, &minute) || !take_octet(text, ':') ||
	    !take_digits(text, 2, &second))
		return false;
	if (!year || !month || month > 12 || !day || day > days_of_month(year, month) ||
	    hour > 23 || minute > 59 || second > 60)
		return false;
	*ret_s = days_to(year, month, day) * 86400 + (int64_t)(hour * 3600 + minute * 60 + second);
	return true;
}

/* East of Greenwich, in seconds. */
static bool take_offset(struct bytes *text, int64_t *ret_s)
{
	unsigned hours, minutes = 0;
	bool east = take_octet(text, '+');
	*ret_s = 0;
	if (!east && !take_octet(text, '-')) {
		if (!take_octet(text, 'Z'))
			take_octet(text, 'z');
		return true;
	}
	if (!take_digits(text, 2, &hours))
		return false;
	take_octet(text, ':');
	if (text->n && !take_digits(text, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*ret_s = (int64_t)(hours * 3600 + minutes * 60) * (east ? 1 : -1);
	return true;
}

int timestamp_from_date(struct bytes text, uint64_t *ret_us)
{
	int64_t s, offset;
	uint32_t us = 0;
	if (!take_date(&text, &s))
		return ERR_SYNTAX;
	if ((take_octet(&text, '.') || take_octet(&text, ',')) && !take_fraction(&text, &us))
		return ERR_SYNTAX;
	if (!take_offset(&text, &offset) || text.n)
		return ERR_SYNTAX;
	s -= offset;
	if (s < 0 || (uint64_t)s > TIME_MAX)
		return ERR_LIMIT;
	*ret_us = (uint64_t)s * US + us;
	return 0;
}
