/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rdata as it is on the wire: two octets of type, then the rdata. What is canonical has a text that
 * gives it again, and libknot takes it. */
#include <libknot/libknot.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "model/rdata.h"
#include "model/rdata_priv.h"
#include "model/rrtype.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rdata_parser *parser;

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Types whose names libknot lower-cases as RFC 4034 6.2 wants. */
static bool is_lowered(uint16_t type)
{
	return type != 45 && type != 47 && type != 64 && type != 65 && type != 107;
}

static void compare_with_libknot(uint16_t type, struct bytes wire, struct bytes canonical)
{
	const uint8_t head[] = {0, (uint8_t)(type >> 8),   (uint8_t)type,  0, 1, 0, 0, 0,
				0, (uint8_t)(wire.n >> 8), (uint8_t)wire.n};
	struct buffer packet = BUFFER_INIT;
	knot_rrset_t rrset;
	size_t pos = 0;
	buffer_put(&packet, head, sizeof(head));
	buffer_put_bytes(&packet, wire);
	/* libknot takes no rdata of 0 octets but of some types */
	int rc = knot_rrset_rr_from_wire(packet.p, &pos, packet.n, &rrset, NULL, true);
	require(rc == KNOT_EOK || wire.n == 0);
	if (rc == KNOT_EOK) {
		struct bytes theirs = bytes_of(rrset.rrs.rdata->data, rrset.rrs.rdata->len);
		require(!is_lowered(type) || rdata_is_text(type) || bytes_eq(theirs, canonical));
		knot_rrset_clear(&rrset, NULL);
	}
	buffer_release(&packet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buffer out = BUFFER_INIT, again = BUFFER_INIT, text = BUFFER_INIT;
	struct term terms[TERMS_MAX];
	if (!parser)
		parser = rdata_parser_new();
	if (size < 2)
		return 0;
	uint16_t type = (uint16_t)(data[0] << 8 | data[1]);
	struct bytes wire = bytes_of(data + 2, size - 2);
	/* whatever it holds, printing and looking for names stays inside */
	rdata_to_text(type, RDATA_WIRE, wire, &text);
	rdata_terms(type, RDATA_WIRE, wire, terms);
	buffer_clear(&text);
	buffer_put_byte(&out, '!');
	int rc = rdata_canonical(type, wire, &out);
	require(out.p[0] == '!' && (rc == 0 || out.n == 1));
	require(rc == 0 || rc == ERR_SYNTAX || rc == ERR_LIMIT);
	require(wire.n <= RDATA_MAX || rc == ERR_LIMIT);
	require(rrtype_mnemonic(type) || wire.n > RDATA_MAX || rc == 0);
	if (rc == 0) {
		struct bytes canonical = bytes_of(out.p + 1, out.n - 1);
		require(rdata_canonical(type, canonical, &again) == 0);
		require(bytes_eq(buffer_bytes(&again), canonical));
		rdata_to_text(type, RDATA_WIRE, canonical, &text);
		buffer_clear(&again);
		require(rdata_from_text(parser, type, buffer_bytes(&text), &again) == 0);
		require(bytes_eq(buffer_bytes(&again), canonical));
		require(rdata_is_text(type) || canonical.n == wire.n);
		if (knot_get_rdata_descriptor(type)->type_name && !rrtype_is_meta(type))
			compare_with_libknot(type, wire, canonical);
	}
	buffer_release(&out);
	buffer_release(&again);
	buffer_release(&text);
	return 0;
}
