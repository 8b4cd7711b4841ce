/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The JSON parser against jansson: the same texts taken, the same values of the top level. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "ingest/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

/* Nesting of arrays and objects; the outermost is 1. */
static unsigned depth_of(const json_t *v)
{
	unsigned deepest = 0;
	const char *key;
	json_t *inner;
	size_t i;
	if (json_is_array(v)) {
		json_array_foreach(v, i, inner)
		{
			unsigned d = depth_of(inner);
			deepest = d > deepest ? d : deepest;
		}
		return deepest + 1;
	}
	if (json_is_object(v)) {
		json_object_foreach((json_t *)(uintptr_t)v, key, inner)
		{
			unsigned d = depth_of(inner);
			deepest = d > deepest ? d : deepest;
		}
		return deepest + 1;
	}
	return 0;
}

static json_t *value_of(const struct json_value *v)
{
	struct buffer text = BUFFER_INIT;
	json_t *made = NULL;
	struct json j;
	struct json_value element;
	switch (v->kind) {
	case JSON_KIND_NULL:
		return json_null();
	case JSON_KIND_FALSE:
		return json_false();
	case JSON_KIND_TRUE:
		return json_true();
	case JSON_KIND_INTEGER:
		return json_integer(v->integer);
	case JSON_KIND_REAL:
		return json_real(v->real);
	case JSON_KIND_STRING:
		require(v->escaped == (v->raw.n && memchr(v->raw.p, '\\', v->raw.n)));
		json_unescape(v->raw, &text);
		made = json_stringn(text.p ? (const char *)text.p : "", text.n);
		break;
	case JSON_KIND_ARRAY:
		made = json_array();
		json_begin_array(&j, v);
		while (json_next_element(&j, &element))
			json_array_append_new(made, value_of(&element));
		break;
	case JSON_KIND_OBJECT: /* not looked into: its text must be what jansson takes */
		made = json_loadb((const char *)v->raw.p, v->raw.n, 0, NULL);
		break;
	}
	buffer_release(&text);
	require(made != NULL);
	return made;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json j;
	struct json_value key, value;
	struct buffer name = BUFFER_INIT;
	json_t *ours = json_object();
	int rc = json_begin(&j, bytes_of(data, size));
	while (rc >= 0 && (rc = json_next(&j, &key, &value)) == 1) {
		buffer_clear(&name);
		json_unescape(key.raw, &name);
		buffer_put_byte(&name, '\0');
		require(json_object_set_new(ours, (const char *)name.p, value_of(&value)) == 0);
	}
	require(json_offset(&j) <= size);
	json_t *theirs = json_loadb(size ? (const char *)data : "", size, 0, NULL);
	if (rc == 0)
		require(json_is_object(theirs) && json_equal(ours, theirs));
	else if (json_is_object(theirs)) /* the differences that are meant */
		require(depth_of(theirs) > JSON_DEPTH_MAX || memchr(data, '\0', size));
	json_decref(ours);
	json_decref(theirs);
	buffer_release(&name);
	return 0;
}
