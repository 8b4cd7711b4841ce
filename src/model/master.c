/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libzscanner, an entry at a time. Here and not beside the reader of zone files, as libzscanner
 * stays in this folder. */
#include "model/master.h"

#include <libzscanner/scanner.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/err.h"
#include "base/mem.h"
#include "model/dname.h"
#include "model/rdata.h"

enum {
	CLASS_IN = 1,
	TTL = 3600
}; /* TTLs are of no interest, but a record without one is an error to libzscanner */

/* What stands for the origin when there is none: names that end like this were relative. */
static const uint8_t no_origin[] = "\011no-origin\007dribble\007invalid";

struct master {
	zs_scanner_t scanner;
	bool ready;
	struct master_place place;
	struct buffer rdata, probe, escaped;
};

struct master *master_new(struct bytes origin)
{
	struct master *m = xcalloc(1, sizeof(*m));
	m->place.ttl = TTL;
	m->place.origin_n = (uint16_t)origin.n;
	if (origin.n)
		memcpy(m->place.origin, origin.p, origin.n);
	return m;
}

static void drop_scanner(struct master *m)
{
	if (m->ready)
		zs_deinit(&m->scanner);
	m->ready = false;
}

void master_free(struct master *m)
{
	if (!m)
		return;
	drop_scanner(m);
	buffer_release(&m->rdata);
	buffer_release(&m->probe);
	buffer_release(&m->escaped);
	free(m);
}

void master_place(const struct master *m, struct master_place *ret)
{
	*ret = m->place;
}

static void set_place(struct master *m)
{
	zs_scanner_t *s = &m->scanner;
	const struct master_place *at = &m->place;
	const uint8_t *origin = at->origin_n ? at->origin : no_origin;
	s->zone_origin_length = at->origin_n ? at->origin_n : sizeof(no_origin);
	memcpy(s->zone_origin, origin, s->zone_origin_length);
	s->r_owner_length = at->owner_n;
	memcpy(s->r_owner, at->owner, at->owner_n);
	s->default_ttl = at->ttl;
}

void master_move(struct master *m, const struct master_place *to)
{
	m->place = *to;
	if (m->ready)
		set_place(m);
}

static int make_ready(struct master *m)
{
	if (m->ready)
		return 0;
	if (zs_init(&m->scanner, ".", CLASS_IN, m->place.ttl) != 0)
		return ERR_NOMEM;
	set_place(m);
	m->ready = true;
	return 0;
}

/* After an error the scanner steps over the rest of the entry, and goes on where the one before
 * left it. Where it cannot, another one begins there, which costs some hundred microseconds. */
static int recover(struct master *m)
{
	zs_scanner_t *s = &m->scanner;
	for (int i = 0; i < 4 && s->state == ZS_STATE_ERROR && !s->error.fatal; i++)
		zs_parse_record(s);
	if (s->state != ZS_STATE_EOF || s->multiline)
		drop_scanner(m);
	else
		set_place(m);
	return make_ready(m);
}

static bool is_relative(struct bytes octets)
{
	return memmem(octets.p, octets.n, no_origin, sizeof(no_origin)) != NULL;
}

static bool has_owner(struct bytes entry)
{
	return entry.n && !strchr(" \t\r\n;$(", entry.p[0]);
}

/* Whether a word at the start of an entry is this directive. */
static bool is_directive(struct bytes entry, const char *name)
{
	size_t n = strlen(name);
	if (entry.n <= n || !strchr(" \t", entry.p[n]))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (ascii_lower(entry.p[i]) != (uint8_t)name[i])
			return false;
	}
	return true;
}

/* Scans it to its end. 1: one record; 0: none; negative: malformed. */
static int scan(zs_scanner_t *s, struct bytes entry, const char **ret_reason)
{
	int records = 0;
	if (zs_set_input_string(s, (const char *)entry.p, entry.n) != 0)
		return ERR_NOMEM;
	while (zs_parse_record(s) == 0 && s->state == ZS_STATE_DATA && records < 2)
		records++;
	if (s->state == ZS_STATE_EOF && !s->multiline && records < 2)
		return records;
	*ret_reason = s->state == ZS_STATE_ERROR ? zs_strerror(s->error.code)
		      : s->multiline             ? "a parenthesis is not closed"
						 : "not one record";
	return ERR_SYNTAX;
}

static size_t owner_length(struct bytes entry)
{
	size_t n = 0;
	while (n < entry.n && !strchr(" \t\r\n;()\"", entry.p[n]))
		n += entry.p[n] == '\\' && n + 1 < entry.n ? 2 : 1;
	return n;
}

/* libzscanner takes few octets in a name unless they are escaped, but other programs print them as
 * they are: 1+2.example. False when the owner has none of these. */
static bool escape_owner(struct bytes entry, struct buffer *out)
{
	size_t n = owner_length(entry);
	bool any = false;
	buffer_clear(out);
	for (size_t i = 0; i < n; i++) {
		uint8_t c = entry.p[i];
		if (c > 0x20 && c < 0x7f && strchr("!#%&'+,:<=>?[]^`{|}~", c)) {
			buffer_putf(out, "\\%03u", c);
			any = true;
			continue;
		}
		buffer_put_byte(out, c);
		if (c == '\\' && i + 1 < n)
			buffer_put_byte(out, entry.p[++i]);
	}
	buffer_put(out, entry.p + n, entry.n - n);
	return any;
}

/* The owner of an entry whose data is malformed still holds for entries behind it. */
static void find_owner(struct master *m, struct bytes entry)
{
	const char *reason;
	size_t n = owner_length(entry);
	m->place.owner_n = 0;
	buffer_clear(&m->probe);
	buffer_put(&m->probe, entry.p, n);
	buffer_put_str(&m->probe, " 0 IN A 192.0.2.1\n");
	if (make_ready(m) == 0 && scan(&m->scanner, buffer_bytes(&m->probe), &reason) == 1 &&
	    !is_relative(bytes_of(m->scanner.r_owner, m->scanner.r_owner_length))) {
		m->place.owner_n = (uint16_t)m->scanner.r_owner_length;
		memcpy(m->place.owner, m->scanner.r_owner, m->place.owner_n);
	}
}

static int fail(struct master *m, struct bytes entry, const char *reason, const char **ret_reason)
{
	if (is_directive(entry, "$origin"))
		m->place.origin_n = 0;
	int rc = recover(m);
	if (rc == 0 && has_owner(entry)) {
		find_owner(m, entry);
		rc = recover(m);
	}
	*ret_reason = reason;
	return rc < 0 ? rc : ERR_SYNTAX;
}

static int take_record(struct master *m, struct bytes entry, struct master_record *ret,
		       const char **ret_reason)
{
	zs_scanner_t *s = &m->scanner;
	struct bytes rdata = bytes_of(s->r_data, s->r_data_length);
	dname_to_lower(s->r_owner, s->r_owner_length);
	ret->owner = bytes_of(s->r_owner, s->r_owner_length);
	if (!m->place.origin_n && (is_relative(ret->owner) || is_relative(rdata)))
		return fail(m, entry, "a relative name, and there is no origin", ret_reason);
	m->place.owner_n = (uint16_t)s->r_owner_length;
	memcpy(m->place.owner, s->r_owner, s->r_owner_length);
	buffer_clear(&m->rdata);
	if (dname_wire_len(ret->owner.p, ret->owner.n) != (int)ret->owner.n)
		return fail(m, entry, "the owner is no name", ret_reason);
	if (rdata_canonical(s->r_type, rdata, &m->rdata) < 0)
		return fail(m, entry, "the data is not of its type", ret_reason);
	ret->type = s->r_type;
	ret->class = s->r_class;
	ret->rdata = buffer_bytes(&m->rdata);
	return 1;
}

/* libzscanner takes no relative origin: it is read as the owner of a record. */
static int take_origin(struct master *m, struct bytes entry, const char **ret_reason)
{
	zs_scanner_t *s = &m->scanner;
	struct bytes word, rest;
	const char *reason;
	size_t at = strlen("$origin");
	while (at < entry.n && strchr(" \t\r", entry.p[at]))
		at++;
	word = bytes_of(entry.p + at, entry.n - at);
	word.n = owner_length(word);
	rest = bytes_of(word.p + word.n, entry.n - at - word.n);
	while (rest.n && strchr(" \t\r\n", *rest.p))
		rest = bytes_of(rest.p + 1, rest.n - 1);
	if (!word.n || word.p[0] == '$' || (rest.n && *rest.p != ';'))
		return fail(m, entry, "the origin is not a name", ret_reason);
	buffer_clear(&m->probe);
	buffer_put_bytes(&m->probe, word);
	buffer_put_str(&m->probe, " 0 IN A 192.0.2.1\n");
	int rc = scan(s, buffer_bytes(&m->probe), &reason);
	if (rc == ERR_NOMEM)
		return rc;
	if (rc != 1)
		return fail(m, entry, "the origin is not a name", ret_reason);
	if (!m->place.origin_n && is_relative(bytes_of(s->r_owner, s->r_owner_length)))
		return fail(m, entry, "a relative name, and there is no origin", ret_reason);
	m->place.origin_n = (uint16_t)s->r_owner_length;
	memcpy(m->place.origin, s->r_owner, s->r_owner_length);
	s->zone_origin_length = s->r_owner_length;
	memcpy(s->zone_origin, s->r_owner, s->r_owner_length);
	s->r_owner_length = m->place.owner_n;
	memcpy(s->r_owner, m->place.owner, m->place.owner_n);
	return 0;
}

int master_take(struct master *m, struct bytes entry, struct master_record *ret,
		const char **ret_reason)
{
	const char *reason;
	int rc = make_ready(m);
	if (rc == 0 && is_directive(entry, "$origin"))
		return take_origin(m, entry, ret_reason);
	if (rc == 0)
		rc = scan(&m->scanner, entry, &reason);
	if (rc == ERR_SYNTAX && has_owner(entry) && escape_owner(entry, &m->escaped)) {
		entry = buffer_bytes(&m->escaped);
		rc = recover(m);
		if (rc == 0)
			rc = scan(&m->scanner, entry, &reason);
	}
	if (rc == ERR_SYNTAX)
		return fail(m, entry, reason, ret_reason);
	if (rc < 0)
		return rc;
	zs_scanner_t *s = &m->scanner;
	m->place.ttl = s->default_ttl;
	return rc == 0 ? 0 : take_record(m, entry, ret, ret_reason);
}
