/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Records of Suricata's EVE log. */
#include "ingest/eve_record.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "ingest/logged.h"
#include "model/rrtype.h"

enum { TYPE_NULL = 10, TYPE_SSHFP = 44 };

enum member { RRNAME, RRTYPE, RDATA, SOA, SRV, SSHFP, RRNAME_CUT, RDATA_CUT, MEMBERS };

static const struct bytes member_names[MEMBERS] = {
	[RRNAME] = JSON_NAME("rrname"),
	[RRTYPE] = JSON_NAME("rrtype"),
	[RDATA] = JSON_NAME("rdata"),
	[SOA] = JSON_NAME("soa"),
	[SRV] = JSON_NAME("srv"),
	[SSHFP] = JSON_NAME("sshfp"),
	[RRNAME_CUT] = JSON_NAME("rrname_truncated"),
	[RDATA_CUT] = JSON_NAME("rdata_truncated"),
};

void eve_init(struct eve_records *e)
{
	memset(e, 0, sizeof(*e));
	e->parser = rdata_parser_new();
}

void eve_release(struct eve_records *e)
{
	response_release(&e->response);
	rdata_parser_free(e->parser);
	buffer_release(&e->text);
	buffer_release(&e->wire);
}

void eve_begin(struct eve_records *e)
{
	response_begin(&e->response);
	e->complaint.reason[0] = '\0';
}

static bool uncertain(struct eve_records *e)
{
	e->response.left_out[LEFT_OUT_UNCERTAIN]++;
	return false;
}

/* --- names --- */

/* False: it is left out, or there is a complaint. */
static bool name_of(struct eve_records *e, const struct json_value *v,
		    uint8_t wire[static DNAME_MAX], size_t *ret_n)
{
	if (v->kind != JSON_KIND_STRING)
		return complain(&e->complaint, "a name is not a string");
	struct bytes text = json_text(v, &e->text);
	if (memchr(text.p, '\\', text.n))
		return uncertain(e);
	int n = logged_name(text, wire);
	if (n < 0)
		return complain(&e->complaint,
				n == ERR_LIMIT
					? "a name is over 255 octets, or a label of it over 63"
					: "a name has an empty label");
	*ret_n = (size_t)n;
	return true;
}

/* Puts a name among the octets of the response. */
static uint32_t put_name(struct eve_records *e, const uint8_t *wire, size_t n)
{
	buffer_put(&e->response.octets, wire, n);
	return (uint32_t)(e->response.octets.n - n);
}

bool eve_question(struct eve_records *e, const struct json_value *name, bool truncated)
{
	uint8_t wire[DNAME_MAX];
	size_t n = 0;
	if (truncated)
		return uncertain(e);
	if (!name_of(e, name, wire, &n))
		return false;
	e->response.qname = put_name(e, wire, n);
	e->response.qname_n = (uint8_t)n;
	return true;
}

/* --- types --- */

static bool type_of(struct eve_records *e, struct bytes text, uint16_t *ret_type)
{
	/* As Suricata spells them. */
	static const struct {
		const char *here, *there;
	} other[] = {{"CDSNKEY", "CDNSKEY"}, {"NSAPPT", "NSAP-PTR"}, {"ND", "MD"}};
	for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		if (bytes_eq(text, bytes_str(other[i].here)))
			text = bytes_str(other[i].there);
	}
	if (!rrtype_from_text(text, ret_type))
		return complain(&e->complaint, "a type is unknown");
	if (!rrtype_is_meta(*ret_type))
		return true;
	e->response.left_out[LEFT_OUT_META]++;
	return false;
}

/* --- data --- */

/* A string that has something like \xHH may be of other octets. */
static bool has_hex(struct bytes text)
{
	return text.n && memmem(text.p, text.n, "\\x", 2);
}

static bool put_u(struct eve_records *e, const struct json_value *v, unsigned octets)
{
	if (v->kind != JSON_KIND_INTEGER || v->integer < 0 || v->integer >> (8 * octets))
		return complain(&e->complaint, "a number in rdata is missing or out of range");
	for (unsigned i = octets; i-- > 0;)
		buffer_put_byte(&e->wire, (uint8_t)(v->integer >> (8 * i)));
	return true;
}

static bool put_name_member(struct eve_records *e, const struct json_value *v)
{
	uint8_t name[DNAME_MAX];
	size_t n = 0;
	if (!name_of(e, v, name, &n))
		return false;
	buffer_put(&e->wire, name, n);
	return true;
}

static bool put_hex(struct eve_records *e, const struct json_value *v)
{
	if (v->kind != JSON_KIND_STRING)
		return complain(&e->complaint, "fingerprint is not a string");
	struct bytes text = json_text(v, &e->text);
	for (size_t i = 0; i<text.n; i += text.n> i + 2 && text.p[i + 2] == ':' ? 3 : 2) {
		static const char digits[] = "0123456789abcdef";
		const char *high = strchr(digits, ascii_lower(text.p[i]));
		const char *low =
			i + 1 < text.n ? strchr(digits, ascii_lower(text.p[i + 1])) : NULL;
		if (!high || !low || !*high || !*low)
			return complain(&e->complaint, "fingerprint is not hexadecimal");
		buffer_put_byte(&e->wire, (uint8_t)((high - digits) << 4 | (low - digits)));
	}
	return true;
}

/* An object whose members are the fields of the data: n for a name, h for hexadecimal, 1, 2 and 4
 * octets of a number. */
struct layout {
	uint16_t type;
	const char *fields;
	struct bytes names[7];
};

static const struct layout layouts[] = {
	{RRTYPE_SOA,
	 "nn44444",
	 {JSON_NAME("mname"), JSON_NAME("rname"), JSON_NAME("serial"), JSON_NAME("refresh"),
	  JSON_NAME("retry"), JSON_NAME("expire"), JSON_NAME("minimum")}},
	{RRTYPE_SRV,
	 "222n",
	 {JSON_NAME("priority"), JSON_NAME("weight"), JSON_NAME("port"), JSON_NAME("name")}},
	{TYPE_SSHFP, "11h", {JSON_NAME("algo"), JSON_NAME("type"), JSON_NAME("fingerprint")}},
};

static bool data_of_object(struct eve_records *e, const struct json_value *v, struct observation *o)
{
	const struct layout *l = layouts;
	struct json_value values[7];
	uint64_t present;
	struct json j;
	while (l < layouts + 2 && l->type != o->rrtype)
		l++;
	size_t n = strlen(l->fields);
	if (l->type != o->rrtype || v->kind != JSON_KIND_OBJECT)
		return complain(&e->complaint, "rdata is not of its type");
	json_pick(&j, v->raw, l->names, n, values, &present);
	buffer_clear(&e->wire);
	for (size_t i = 0; i < n; i++) {
		static const struct json_value none = {.kind = JSON_KIND_NULL};
		const struct json_value *field = present >> i & 1 ? &values[i] : &none;
		char kind = l->fields[i];
		if (!(kind == 'n'   ? put_name_member(e, field)
		      : kind == 'h' ? put_hex(e, field)
				    : put_u(e, field, (unsigned)(kind - '0'))))
			return false;
	}
	if (e->wire.n > RDATA_MAX)
		return complain(&e->complaint, "rdata is over %d octets", RDATA_MAX);
	o->form = RDATA_WIRE;
	o->rdata = buffer_bytes(&e->wire);
	return true;
}

static bool is_one_name(uint16_t type)
{
	return type == RRTYPE_CNAME || type == RRTYPE_NS || type == RRTYPE_PTR ||
	       type == RRTYPE_DNAME;
}

/* Suricata has each string of a TXT as if it was a record. */
static bool data_of_string(struct eve_records *e, struct bytes text, struct observation *o)
{
	if (has_hex(text) || (o->rrtype != TYPE_NULL && text.n >= LOGGED_STRING_MAX) ||
	    text.n > RDATA_MAX)
		return uncertain(e);
	logged_string(text, &e->wire, o);
	return true;
}

static bool data_of_text(struct eve_records *e, const struct json_value *v, struct observation *o)
{
	uint8_t name[DNAME_MAX];
	size_t n = 0;
	struct bytes text = json_text(v, &e->text);
	if (o->rrtype == RRTYPE_TXT || o->rrtype == RRTYPE_SPF || o->rrtype == TYPE_NULL)
		return data_of_string(e, text, o);
	if (is_one_name(o->rrtype)) {
		buffer_clear(&e->wire);
		o->form = RDATA_WIRE;
		bool good = put_name_member(e, v);
		o->rdata = buffer_bytes(&e->wire);
		return good;
	}
	if (o->rrtype == RRTYPE_MX && !memchr(text.p, ' ', text.n)) { /* without its preference */
		if (!name_of(e, v, name, &n))
			return false;
		logged_name_alone(name, n, &e->wire, o);
		return true;
	}
	if (!text.n)
		return uncertain(e);
	return logged_rdata(e->parser, text, &e->wire, o) == 0 ||
	       complain(&e->complaint, "rdata is over %d octets", RDATA_MAX);
}

/* False: it is left out, or there is a complaint. */
static bool data_of(struct eve_records *e, const struct json_value *v, struct observation *o)
{
	if (v->kind == JSON_KIND_STRING)
		return data_of_text(e, v, o);
	return data_of_object(e, v, o);
}

static void put_record(struct eve_records *e, uint32_t owner, size_t owner_n,
		       const struct observation *o)
{
	struct response *r = &e->response;
	struct response_record *record = response_next(r);
	*record = (struct response_record){
		.owner = owner,
		.owner_n = (uint8_t)owner_n,
		.type = o->rrtype,
		.form = (uint8_t)o->form,
		.rdata = (uint32_t)r->octets.n,
		.rdata_n = (uint16_t)o->rdata.n,
		.counts = true,
	};
	buffer_put_bytes(&r->octets, o->rdata);
	r->n++;
}

/* --- one record --- */

static void take_record(struct eve_records *e, const struct json_value values[static MEMBERS],
			uint64_t present)
{
	struct observation o = {0};
	uint8_t owner[DNAME_MAX];
	size_t n = 0;
	const struct json_value *data = NULL;
	if (!type_of(e, json_text(&values[RRTYPE], &e->text), &o.rrtype))
		return;
	for (unsigned m = RDATA; m <= SSHFP && !data; m++)
		data = present >> m & 1 ? &values[m] : NULL;
	if (!data || present >> RRNAME_CUT & 1 || present >> RDATA_CUT & 1) {
		uncertain(e); /* of most types Suricata tells the owner and no more */
		return;
	}
	if (name_of(e, &values[RRNAME], owner, &n) && data_of(e, data, &o))
		put_record(e, put_name(e, owner, n), n, &o);
}

void eve_record(struct eve_records *e, const struct json_value *record)
{
	struct json_value values[MEMBERS];
	uint64_t present = 0;
	struct json j;
	if (record->kind != JSON_KIND_OBJECT) {
		complain(&e->complaint, "a record is not an object");
		return;
	}
	json_pick(&j, record->raw, member_names, MEMBERS, values, &present);
	if (!(present >> RRTYPE & 1)) {
		/* Version 1 tells of an NXDOMAIN the name that was asked for. */
		if (!(present >> RDATA & 1))
			return;
		complain(&e->complaint, "rrtype is missing");
		return;
	}
	if (!(present >> RRNAME & 1) || values[RRTYPE].kind != JSON_KIND_STRING)
		complain(&e->complaint,
			 present >> RRNAME & 1 ? "rrtype is not a string" : "rrname is missing");
	else
		take_record(e, values, present);
}

/* --- grouped answers --- */

/* The name to which the CNAMEs lead. False when they do not make a chain. */
static bool follow(struct eve_records *e, const struct json_value *cnames, uint32_t *ret_owner,
		   size_t *ret_n)
{
	uint32_t names[MESSAGE_CHAIN_MAX], owner = e->response.qname;
	size_t sizes[MESSAGE_CHAIN_MAX], n = 1, size = e->response.qname_n;
	struct json j;
	struct json_value v;
	names[0] = owner, sizes[0] = size;
	json_begin_array(&j, cnames);
	while (json_next_element(&j, &v)) {
		struct observation o = {.rrtype = RRTYPE_CNAME};
		if (n == MESSAGE_CHAIN_MAX || !data_of(e, &v, &o))
			return false;
		put_record(e, owner, size, &o);
		owner = e->response.records[e->response.n - 1].rdata;
		size = o.rdata.n;
		for (size_t i = 0; i < n; i++) {
			if (sizes[i] == size && memcmp(e->response.octets.p + names[i],
						       e->response.octets.p + owner, size) == 0)
				return false;
		}
		names[n] = owner, sizes[n++] = size;
	}
	*ret_owner = owner, *ret_n = size;
	return true;
}

/* The records of one type, all of one owner. */
static void take_group(struct eve_records *e, struct bytes type, const struct json_value *group,
		       uint32_t owner, size_t n)
{
	struct observation o = {0};
	struct json j;
	struct json_value v;
	if (group->kind != JSON_KIND_ARRAY || !type_of(e, type, &o.rrtype)) {
		if (group->kind != JSON_KIND_ARRAY)
			complain(&e->complaint, "grouped has something that is not an array");
		return;
	}
	json_begin_array(&j, group);
	while (json_next_element(&j, &v)) {
		if (data_of(e, &v, &o))
			put_record(e, owner, n, &o);
	}
}

static uint64_t count_elements(const struct json_value *group)
{
	struct json j;
	struct json_value v;
	uint64_t n = 0;
	if (group->kind != JSON_KIND_ARRAY)
		return 0;
	for (json_begin_array(&j, group); json_next_element(&j, &v);)
		n++;
	return n;
}

static void take_groups(struct eve_records *e, struct bytes grouped, bool known, uint32_t owner,
			size_t n)
{
	struct json j;
	struct json_value key, group;
	json_begin(&j, grouped);
	while (json_next(&j, &key, &group) == 1) {
		if (known && !bytes_eq(key.raw, bytes_str("CNAME")))
			take_group(e, key.raw, &group, owner, n);
		else if (!known)
			e->response.left_out[LEFT_OUT_UNCERTAIN] += count_elements(&group);
	}
}

void eve_grouped(struct eve_records *e, const struct json_value *grouped)
{
	static const struct bytes name = JSON_NAME("CNAME");
	struct json_value cnames;
	uint64_t present, uncertain_before = e->response.left_out[LEFT_OUT_UNCERTAIN];
	uint32_t owner = e->response.qname;
	size_t n = e->response.qname_n;
	bool known = true;
	struct json j;
	if (grouped->kind != JSON_KIND_OBJECT) {
		complain(&e->complaint, "grouped is not an object");
		return;
	}
	json_pick(&j, grouped->raw, &name, 1, &cnames, &present);
	if (present && cnames.kind == JSON_KIND_ARRAY)
		known = follow(e, &cnames, &owner, &n);
	if (!known) {
		e->response.n = 0;
		e->response.left_out[LEFT_OUT_UNCERTAIN] = uncertain_before;
	}
	take_groups(e, grouped->raw, known, owner, n);
}
