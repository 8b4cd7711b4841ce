/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How records become rows. The layout is documented octet by octet in dribble-keys(5).
 *
 *   owner row   n owner            rank kind rdata
 *   data row    subject            rank kind rest-of-rdata owner
 *
 * A subject is what can be asked for: a name (n), an address (4, 6) or the exact text of rdata (x). All
 * that concerns one subject, whichever side it stands on, is one contiguous range, ordered by rrtype
 * (alphabetically by mnemonic), then by side, data and owner. A record has one owner row, and a data row under every
 * term its data names, or under its text where it names none. A term equal to the owner needs no row of its own: the owner row lies
 * under the same subject already.
 */
#pragma once

#include "base/buffer.h"
#include "base/err.h"
#include "base/limits.h"
#include "model/observation.h"
#include "model/rdata.h"
#include "store/value.h"

#define KEY_MAX 2048 /* octets; every key is shorter */

enum subject_kind {
	SUBJECT_IPV4 = '4',
	SUBJECT_IPV6 = '6',
	SUBJECT_NAME = 'n',
	SUBJECT_TEXT = 'x',
};

/* What a sensor contributed stands in rows of its own, before all records: '#', the sensor's id, zero, and an octet for what is
 * counted (feed/tally.h). No function below takes them for rows of records. */
#define KEY_SENSOR '#'
void key_put_sensor(struct buffer *out, struct bytes id, uint8_t what);
static inline bool key_is_sensor(struct bytes key)
{
	return key.n && key.p[0] == KEY_SENSOR;
}
/* ret_id has room for MEMBER_MAX octets. ERR_CORRUPT when it is no such key. */
int key_get_sensor(struct bytes key, uint8_t *ret_id, size_t *ret_id_n, uint8_t *ret_what);

/* Append a subject. name is canonical wire form. */
void key_put_name(struct buffer *out, struct bytes name);
void key_put_ipv4(struct buffer *out, const uint8_t addr[static 4]);
void key_put_ipv6(struct buffer *out, const uint8_t addr[static 16]);
/* Appends the subject that a text means: an address (any spelling) when it is one, else a name when it is one and
 * has no blank, else the text itself. Data found by its text is stored under it and a value that is
 * asked for is looked up under it, so that the two always meet. */
void key_put_text(struct buffer *out, struct bytes text);

/* Appends the rank of a type: with a subject before it, the prefix of all rows of that type. */
void key_put_type(struct buffer *out, uint16_t type);

/* Appends what follows the type in the data rows under one term of rdata, up to the owner: with subject and
 * type before it, the prefix of all records with exactly that rdata. term NULL: the row under its text. */
void key_put_data(struct buffer *out, uint16_t type, enum rdata_form form, struct bytes rdata,
                  const struct term *term);

/* The owner row's key of a record, appended. True when the rdata was cut: the value must carry it whole. */
bool key_put_owner_row(struct buffer *out, struct bytes owner, uint16_t type, enum rdata_form form,
                       struct bytes rdata);

/* Makes the least key that is greater than all that begin with those of a buffer. It stays empty when there is none. */
void key_to_successor(struct buffer *key);

/* The keys of a record's data rows. emit is called once a row; key is valid during the call. whole says that the
 * row's value must carry the rdata whole. text is scratch for the printed form. Stops at the first non-zero answer and returns it. */
int key_each_data_row(struct bytes owner, uint16_t type, enum rdata_form form, struct bytes rdata,
                      struct buffer *key, struct buffer *text,
                      int (*emit)(void *ctx, struct bytes key, bool whole), void *ctx);

/* The grammar of a row's key, for those that take keys apart without knowing what they mean (store/segment.c):
 * subject, type, kind, then by the kind what key_rest says, and in a data row the owner up to the end. */
enum key_rest {
	REST_RDATA,  /* an owner row: all that follows is rdata */
	REST_NONE,   /* a data row: the owner follows at once */
	REST_AROUND, /* a varint, a length octet and so many octets, then the owner */
	REST_WHOLE,  /* a length octet and so many octets, then the owner */
	REST_UNKNOWN,
};

/* Octets of a subject that begins so; 0: it ends with the next zero octet; -1: no subject does. */
static inline int key_subject_octets(uint8_t first)
{
	if (first == SUBJECT_NAME || first == SUBJECT_TEXT)
		return 0;
	return first == SUBJECT_IPV4 ? 5 : first == SUBJECT_IPV6 ? 17 : -1;
}

/* Octets of a type that begins so. */
static inline size_t key_type_octets(uint8_t first)
{
	return first == 0xff ? 3 : 1;
}

enum key_rest key_rest(uint8_t kind);

/* A record read back from a row. */
struct record {
	uint16_t rrtype;
	enum rdata_form form;
	bool owner_row; /* else a data row */
	struct bytes owner; /* wire; borrowed from scratch */
	struct bytes rdata; /* borrowed from scratch or the value */
	struct seen seen;   /* strings borrowed from the value */
};

struct record_scratch {
	uint8_t owner[DNAME_MAX];
	uint8_t term[DNAME_MAX];
	uint8_t rdata[512 + DNAME_MAX];
};

/* The type of a row, without decoding the rest; negative when the key is no row. */
int key_type(struct bytes key);

/* The type of an owner row; negative when the key is none. */
int key_owner_type(struct bytes key);

/* Length of the subject at the start of a row's key, 0 when it is no row. */
size_t key_subject_len(struct bytes key);

/* Decodes a row. ERR_CORRUPT when it is not one. */
int record_decode(struct bytes key, struct bytes value, struct record_scratch *scratch,
                  struct record *ret);

/* Decodes a key alone; whole is the rdata where the key holds a cut of it. seen is left zero. */
int record_decode_key(struct bytes key, struct bytes whole, struct record_scratch *scratch,
                      struct record *ret);
