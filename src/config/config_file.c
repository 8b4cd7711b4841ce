/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The configuration file:
 *
 *     # a comment
 *     listen = 127.0.0.1:8400
 *     listen = [::1]:8400        # another
 *     store  = "/srv/pdns data"  # quoted: \" and \\ are " and \; in '…' nothing is special
 *
 * Without quotes a value ends where a blank and # follow it.
 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config_priv.h"

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct bytes trim(struct bytes s)
{
	while (s.n && is_blank(s.p[0]))
		s = bytes_of(s.p + 1, s.n - 1);
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

/* Puts the value and a NUL into out. Returns what is wrong, or NULL. */
static const char *unquote(struct bytes s, struct buffer *out)
{
	uint8_t quote = s.p[0];
	size_t i = 1;
	for (; i < s.n && s.p[i] != quote; i++) {
		if (quote == '"' && s.p[i] == '\\') {
			if (i + 1 == s.n || (s.p[i + 1] != '"' && s.p[i + 1] != '\\'))
				return "after \\ only \" or \\ may stand";
			i++;
		}
		buffer_put_byte(out, s.p[i]);
	}
	if (i == s.n)
		return "the closing quote is missing";
	struct bytes rest = trim(bytes_of(s.p + i + 1, s.n - i - 1));
	if (rest.n && rest.p[0] != '#')
		return "something follows the closing quote";
	buffer_put_byte(out, '\0');
	return NULL;
}

static const char *read_value(struct bytes s, struct buffer *out)
{
	if (s.n && (s.p[0] == '"' || s.p[0] == '\''))
		return unquote(s, out);
	size_t n = 0;
	while (n < s.n && !(s.p[n] == '#' && (n == 0 || is_blank(s.p[n - 1]))))
		n++;
	buffer_put_bytes(out, trim(bytes_of(s.p, n)));
	buffer_put_byte(out, '\0');
	return NULL;
}

/* The file is complete: a bad line is the error of the whole. seen has a flag for every row. */
static int parse_line(struct config *config, struct bytes line, unsigned number, bool *seen,
		      struct err *e)
{
	struct buffer value = BUFFER_INIT;
	char name[64] = "";
	int rc = 0;
	line = trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	const uint8_t *equals = memchr(line.p, '=', line.n);
	if (!equals)
		return err_set(e, ERR_SYNTAX, "not a line of the form KEY = VALUE");
	struct bytes key = trim(bytes_of(line.p, (size_t)(equals - line.p)));
	if (key.n == 0)
		return err_set(e, ERR_SYNTAX, "there is no key before the =");
	if (memchr(line.p, '\0', line.n))
		return err_set(e, ERR_SYNTAX, "has a NUL");
	const char *wrong = read_value(
		trim(bytes_of(equals + 1, line.n - (size_t)(equals + 1 - line.p))), &value);
	if (wrong) {
		rc = err_set(e, ERR_SYNTAX, "%s", wrong);
		goto out;
	}
	memcpy(name, key.p, key.n < sizeof(name) ? key.n : sizeof(name) - 1);
	const struct option_row *row = option_find(key, CONFIG_FOR_ALL);
	if (row && !option_repeats(row) && seen[row - option_rows]) {
		rc = err_set(e, ERR_SYNTAX, "%s is given twice", row->name);
		goto out;
	}
	if (row)
		seen[row - option_rows] = true;
	rc = config_set(config, name, (const char *)value.p,
			(struct config_origin){CONFIG_FILE, number}, e);
out:
	buffer_release(&value);
	return rc;
}

int config_parse(struct config *config, const char *path, struct bytes text, struct err *e)
{
	bool seen[CONFIG_OPTIONS_MAX] = {false};
	unsigned number = 0;
	int rc = 0;
	if (bytes_has_prefix(text, bytes_str("\xef\xbb\xbf"))) /* editors put a mark there */
		text = bytes_of(text.p + 3, text.n - 3);
	for (size_t i = 0; i < text.n && rc == 0; number++) {
		struct err why = {""};
		const uint8_t *end = memchr(text.p + i, '\n', text.n - i);
		size_t n = end ? (size_t)(end - (text.p + i)) : text.n - i;
		size_t cut = n && text.p[i + n - 1] == '\r' ? 1 : 0;
		rc = parse_line(config, bytes_of(text.p + i, n - cut), number + 1, seen, &why);
		if (rc)
			err_set(e, rc, "%.150s:%u: %s", path, number + 1, why.text);
		i += n + 1;
	}
	return rc;
}

static int read_file(const char *path, struct buffer *out, struct err *e)
{
	int rc = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return err_sys(e, errno, "%s", path);
	for (;;) {
		ssize_t n = read(fd, buffer_reserve(out, 4096), 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(e, errno, "%s", path);
		if (n <= 0)
			break;
		out->n += (size_t)n;
		if (out->n > CONFIG_FILE_MAX) {
			rc = err_set(e, ERR_LIMIT, "%s: larger than %zu octets", path,
				     CONFIG_FILE_MAX);
			break;
		}
	}
	close(fd);
	return rc;
}

int config_load_file(struct config *config, const char *path, struct err *e)
{
	struct buffer text = BUFFER_INIT;
	int rc = read_file(path, &text, e);
	if (rc == 0)
		rc = config_parse(config, path, buffer_bytes(&text), e);
	if (rc == 0) {
		free(config->file);
		config->file = xstrdup(path);
	}
	buffer_release(&text);
	return rc;
}
