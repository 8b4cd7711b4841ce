/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names and data as logs print them. */
#include "ingest/logged.h"

#include <string.h>

#include "base/err.h"
#include "model/dname.h"

enum { TYPE_NULL = 10 };

int logged_name(struct bytes raw, uint8_t ret_wire[static DNAME_MAX])
{
	size_t at = 0;
	if (raw.n && raw.p[raw.n - 1] == '.')
		raw.n--;
	if (raw.n > DNAME_MAX - 2)
		return ERR_LIMIT;
	while (raw.n) {
		const uint8_t *dot = memchr(raw.p, '.', raw.n);
		size_t n = dot ? (size_t)(dot - raw.p) : raw.n, used = n + (dot ? 1 : 0);
		if (n > LABEL_MAX)
			return ERR_LIMIT;
		if (!n || (dot && used == raw.n)) /* an empty label, in the middle or behind the dot
						     that was cut off */
			return ERR_SYNTAX;
		ret_wire[at++] = (uint8_t)n;
		for (size_t i = 0; i < n; i++)
			ret_wire[at++] = ascii_lower(raw.p[i]);
		raw = bytes_of(raw.p + used, raw.n - used);
	}
	ret_wire[at++] = 0;
	return (int)at;
}

int logged_rdata(struct rdata_parser *p, struct bytes text, struct buffer *scratch,
		 struct observation *o)
{
	buffer_clear(scratch);
	int rc = rdata_from_text(p, o->rrtype, text, scratch);
	if (rc == 0) {
		o->form = RDATA_WIRE;
		o->rdata = buffer_bytes(scratch);
		return 0;
	}
	if (text.n == 0 || text.n > RDATA_MAX)
		return text.n ? ERR_LIMIT : ERR_SYNTAX;
	o->form = RDATA_OPAQUE;
	o->rdata = text;
	return 0;
}

void logged_name_alone(const uint8_t *wire, size_t n, struct buffer *scratch, struct observation *o)
{
	buffer_clear(scratch);
	dname_to_text(bytes_of(wire, n), scratch);
	o->form = RDATA_OPAQUE;
	o->rdata = buffer_bytes(scratch);
}

void logged_string(struct bytes octets, struct buffer *scratch, struct observation *o)
{
	buffer_clear(scratch);
	if (o->rrtype != TYPE_NULL)
		buffer_put_byte(scratch, (uint8_t)octets.n);
	buffer_put_bytes(scratch, octets);
	o->form = RDATA_WIRE;
	o->rdata = buffer_bytes(scratch);
}

void logged_sensor(struct buffer *last, struct bytes id, const struct sink *sink)
{
	if (!sink->sensor || id.n > MEMBER_MAX || bytes_eq(id, buffer_bytes(last)))
		return;
	buffer_clear(last);
	buffer_put_bytes(last, id);
	sink->sensor(sink->ctx, id);
}
