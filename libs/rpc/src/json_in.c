/* JSON to protobuf. Strict: unknown fields, duplicate keys, a second member of a oneof and values out of range are
 * refused, and the error names the field. */
#include "codec.h"

#include <jansson.h>
#include <stdio.h>

enum pl_err bad(struct reader *r, const struct path *at, enum pl_err err, const char *fmt, ...)
{
	char where[sizeof(r->why->field)], text[sizeof(r->why->text)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	path_print(at, where, sizeof(where));
	return pl_why_field(r->why, err, where, "%s", text);
}

/* 32-bit kinds are read as 64-bit ones with narrower limits. */
static enum pl_err get_number(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *j,
			      const struct path *at, void *p)
{
	bool wide = elem_size(f->type) == 8;
	enum pl_err err;
	uint64_t u = 0;
	int64_t i = 0;
	double d = 0;

	switch (f->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		err = get_uint(r, j, at, wide ? UINT64_MAX : UINT32_MAX, &u);
		if (!err && wide)
			*(uint64_t *)p = u;
		else if (!err)
			*(uint32_t *)p = (uint32_t)u;
		return err;
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
		err = get_double(r, j, at, !wide, &d);
		if (!err && wide)
			*(double *)p = d;
		else if (!err)
			*(float *)p = (float)d;
		return err;
	default:
		err = get_int(r, j, at, wide ? INT64_MIN : INT32_MIN, wide ? INT64_MAX : INT32_MAX, &i);
		if (!err && wide)
			*(int64_t *)p = i;
		else if (!err)
			*(int32_t *)p = (int32_t)i;
		return err;
	}
}

static enum pl_err get_enum(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *j, const struct path *at,
			    void *p)
{
	if (is_null_enum(f) && json_is_null(j)) {
		*(int32_t *)p = 0;
		return PL_OK;
	}
	if (!json_is_string(j))
		return get_number(r, f, j, at, p); /* proto3 enums are open: any int32 */
	const ProtobufCEnumValue *v = protobuf_c_enum_descriptor_get_value_by_name(f->descriptor, json_string_value(j));
	if (!v)
		return bad(r, at, PL_E_FORMAT, "\"%.60s\" is no value of %s", json_string_value(j),
			   ((const ProtobufCEnumDescriptor *)f->descriptor)->name);
	*(int32_t *)p = v->value;
	return PL_OK;
}

enum pl_err get_value(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *j, const struct path *at,
		      void *member)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_BOOL:
		if (!json_is_boolean(j))
			return bad(r, at, PL_E_FORMAT, "must be true or false, not %s", kind_name(j));
		*(protobuf_c_boolean *)member = json_is_true(j);
		return PL_OK;
	case PROTOBUF_C_TYPE_ENUM:
		return get_enum(r, f, j, at, member);
	case PROTOBUF_C_TYPE_STRING:
		return get_string(r, j, at, member);
	case PROTOBUF_C_TYPE_BYTES:
		return get_bytes(r, j, at, member);
	case PROTOBUF_C_TYPE_MESSAGE:
		return get_message(r, f->descriptor, j, at, member);
	default:
		return get_number(r, f, j, at, member);
	}
}

static enum pl_err get_map_key(struct reader *r, const ProtobufCFieldDescriptor *f, const char *key,
			       const struct path *at, void *member)
{
	if (f->type == PROTOBUF_C_TYPE_BOOL) {
		if (!pl_streq(key, "true") && !pl_streq(key, "false"))
			return bad(r, at, PL_E_FORMAT, "a key must be \"true\" or \"false\"");
		*(protobuf_c_boolean *)member = *key == 't';
		return PL_OK;
	}
	/* one spelling per number, or two keys could be the same one */
	if (f->type != PROTOBUF_C_TYPE_STRING && (strspn(key, "-0123456789") != strlen(key) || pl_streq(key, "-0")))
		return bad(r, at, PL_E_FORMAT, "a key must be a whole number");
	json_t *j = json_string(key);
	if (!j)
		return bad(r, at, PL_E_NOMEM, "no memory");
	enum pl_err err = get_value(r, f, j, at, member);
	json_decref(j);
	return err;
}

static enum pl_err get_map(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *j, const struct path *at,
			   ProtobufCMessage *m)
{
	const ProtobufCMessageDescriptor *e = f->descriptor;
	json_t *v;
	const char *key;

	if (!json_is_object(j))
		return bad(r, at, PL_E_FORMAT, "must be an object, not %s", kind_name(j));
	size_t n = json_object_size(j), i = 0;
	ProtobufCMessage **items = pl_arena_alloc(r->a, (n + 1) * sizeof(*items));
	if (!items)
		return bad(r, at, PL_E_NOMEM, "no memory");
	json_object_foreach((json_t *)(uintptr_t)j, key, v)
	{
		struct path in = { at, key, 0 };
		items[i] = pl_arena_alloc(r->a, e->sizeof_message);
		if (!items[i])
			return bad(r, &in, PL_E_NOMEM, "no memory");
		e->message_init(items[i]);
		enum pl_err err = get_map_key(r, &e->fields[0], key, &in, field_at(items[i], e->fields[0].offset));
		r->depth++; /* the entry is a message of its own on the wire */
		if (!err)
			err = get_value(r, &e->fields[1], v, &in, field_at(items[i], e->fields[1].offset));
		r->depth--;
		if (err)
			return err;
		i++;
	}
	*(size_t *)field_at(m, f->quantifier_offset) = n;
	*(void **)field_at(m, f->offset) = n ? items : NULL;
	return PL_OK;
}

static enum pl_err get_repeated(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *j,
				const struct path *at, ProtobufCMessage *m)
{
	size_t size = elem_size(f->type);

	if (!json_is_array(j))
		return bad(r, at, PL_E_FORMAT, "must be an array, not %s", kind_name(j));
	size_t n = json_array_size(j);
	char *items = n ? pl_arena_alloc(r->a, n * size) : NULL;
	if (n && !items)
		return bad(r, at, PL_E_NOMEM, "no memory");
	for (size_t i = 0; i < n; i++) {
		enum pl_err err =
			get_value(r, f, json_array_get(j, i), &(struct path){ at, NULL, i }, items + i * size);
		if (err)
			return err;
	}
	*(size_t *)field_at(m, f->quantifier_offset) = n;
	*(void **)field_at(m, f->offset) = items;
	return PL_OK;
}

/* In JSON null means absent, except where null itself is a value. */
static bool null_is_value(const ProtobufCFieldDescriptor *f)
{
	return is_null_enum(f) || (f->type == PROTOBUF_C_TYPE_MESSAGE && wkt_of(f->descriptor) == WKT_VALUE);
}

static enum pl_err get_field(struct reader *r, const ProtobufCFieldDescriptor *f, const json_t *j,
			     const struct path *at, ProtobufCMessage *m)
{
	void *q = field_at(m, f->quantifier_offset);

	if (json_is_null(j) && !(f->label != PROTOBUF_C_LABEL_REPEATED && null_is_value(f)))
		return PL_OK;
	if (is_map(m->descriptor, f))
		return get_map(r, f, j, at, m);
	if (f->label == PROTOBUF_C_LABEL_REPEATED)
		return get_repeated(r, f, j, at, m);
	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (*(uint32_t *)q)
			return bad(r, at, PL_E_FORMAT, "only one of its group may be given");
		*(uint32_t *)q = f->id;
	} else if (f->label == PROTOBUF_C_LABEL_OPTIONAL && f->type != PROTOBUF_C_TYPE_MESSAGE &&
		   f->type != PROTOBUF_C_TYPE_STRING) {
		*(protobuf_c_boolean *)q = 1;
	}
	return get_value(r, f, j, at, field_at(m, f->offset));
}

static int find_field(const ProtobufCMessageDescriptor *d, const char *key)
{
	for (unsigned i = 0; i < d->n_fields; i++) {
		char name[128];
		if (pl_streq(d->fields[i].name, key))
			return (int)i;
		json_name(d->fields[i].name, name, sizeof(name));
		if (pl_streq(name, key))
			return (int)i;
	}
	return -1;
}

static enum pl_err get_fields(struct reader *r, ProtobufCMessage *m, const json_t *j, const struct path *at)
{
	const ProtobufCMessageDescriptor *d = m->descriptor;
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return bad(r, at, PL_E_FORMAT, "must be an object, not %s", kind_name(j));
	bool *seen = pl_arena_alloc(r->a, d->n_fields + 1);
	if (!seen)
		return bad(r, at, PL_E_NOMEM, "no memory");
	json_object_foreach((json_t *)(uintptr_t)j, key, v)
	{
		struct path in = { at, key, 0 };
		int i = find_field(d, key);
		if (i < 0)
			return bad(r, &in, PL_E_FORMAT, "unknown field of %s", d->name);
		if (seen[i]) /* once by its JSON name, once by its proto name */
			return bad(r, &in, PL_E_FORMAT, "given twice");
		seen[i] = true;
		enum pl_err err = get_field(r, &d->fields[i], v, &in, m);
		if (err)
			return err;
	}
	return PL_OK;
}

enum pl_err get_message(struct reader *r, const ProtobufCMessageDescriptor *d, const json_t *j, const struct path *at,
			ProtobufCMessage **ret)
{
	enum wkt kind = wkt_of(d);

	if (r->depth >= JSON_MAX_DEPTH)
		return bad(r, at, PL_E_FORMAT, "nested deeper than %d", JSON_MAX_DEPTH);
	ProtobufCMessage *m = pl_arena_alloc(r->a, d->sizeof_message);
	if (!m)
		return bad(r, at, PL_E_NOMEM, "no memory");
	d->message_init(m);
	r->depth++;
	enum pl_err err = kind == WKT_NONE ? get_fields(r, m, j, at) : get_wkt(r, kind, m, j, at);
	r->depth--;
	if (!err)
		*ret = m;
	return err;
}

enum pl_err rpc_from_json(const ProtobufCMessageDescriptor *d, const char *json, size_t len, struct pl_arena *a,
			  ProtobufCMessage **ret, struct pl_why *why)
{
	struct pl_why unused;
	struct reader r = { .a = a, .why = why ? why : &unused };
	json_error_t at;

	if (len > JSON_MAX_BYTES)
		return pl_why_set(why, PL_E_FULL, "%zu bytes of JSON; at most %zu", len, JSON_MAX_BYTES);
	json_t *j = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
	if (!j)
		return pl_why_set(why, PL_E_FORMAT, "no JSON: line %d, column %d: %s", at.line, at.column, at.text);
	enum pl_err err = get_message(&r, d, j, NULL, ret);
	json_decref(j);
	return err;
}
