/* The well-known types from JSON (protobuf.dev/programming-guides/json, "ProtoJSON Format"). */
#include "codec.h"

#include <ctype.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/field_mask.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>
#include <jansson.h>

/* Up to 9 digits behind *s == '.'; moves *s behind them. */
static bool get_nanos(const char **s, int32_t *ret)
{
	int32_t v = 0;
	int n = 0;

	if (**s != '.') {
		*ret = 0;
		return true;
	}
	for ((*s)++; isdigit((unsigned char)**s) && n < 9; (*s)++, n++)
		v = v * 10 + (**s - '0');
	if (!n)
		return false;
	for (; n < 9; n++)
		v *= 10;
	*ret = v;
	return true;
}

/* base reads microseconds; the fraction is ours, because JSON may carry nanoseconds. */
static enum pl_err get_timestamp(struct reader *r, Google__Protobuf__Timestamp *ts, const char *s,
				 const struct path *at)
{
	static const size_t whole_n = sizeof("2026-11-22T15:04:05") - 1;
	char text[40];
	int64_t us;

	if (s && strlen(s) >= whole_n && strlen(s) < sizeof(text)) {
		const char *rest = s + whole_n;
		if (get_nanos(&rest, &ts->nanos) && *rest != '.') {
			memcpy(text, s, whole_n);
			pl_strlcpy(text + whole_n, rest, sizeof(text) - whole_n);
			bool ok = !pl_time_parse(text, &us);
			ts->seconds = ok ? us / PL_US_PER_S : 0; /* exact: the fraction was cut out */
			if (ok && ts->seconds >= TS_MIN_S && ts->seconds <= TS_MAX_S) /* an offset may lead out of it */
				return PL_OK;
		}
	}
	return bad(r, at, PL_E_FORMAT, "must be a time like \"2026-11-22T15:04:05.123456Z\"");
}

static enum pl_err get_duration(struct reader *r, Google__Protobuf__Duration *d, const char *text,
				const struct path *at)
{
	const char *s = text ? text : "";
	bool minus = *s == '-';
	int64_t v = 0;
	int digits = 0;

	for (s += minus; isdigit((unsigned char)*s) && digits < 13; s++, digits++)
		v = v * 10 + (*s - '0');
	if (!digits || v > DURATION_MAX_S || !get_nanos(&s, &d->nanos) || !pl_streq(s, "s"))
		return bad(r, at, PL_E_FORMAT, "must be a length of time like \"1.5s\"");
	d->seconds = minus ? -v : v;
	d->nanos = minus ? -d->nanos : d->nanos;
	return PL_OK;
}

/* "fooBar.baz,x" to { "foo_bar.baz", "x" }. */
static enum pl_err get_field_mask(struct reader *r, Google__Protobuf__FieldMask *m, const char *s,
				  const struct path *at)
{
	if (!s)
		return bad(r, at, PL_E_FORMAT, "must be a string like \"name,address.city\"");
	size_t max = *s ? 1 : 0;
	for (const char *p = s; *p; p++)
		max += *p == ',';
	m->paths = pl_arena_alloc(r->a, (max + 1) * sizeof(*m->paths));
	if (!m->paths)
		return bad(r, at, PL_E_NOMEM, "no memory");
	while (m->n_paths < max) {
		size_t n = strcspn(s, ",");
		char *out = pl_arena_alloc(r->a, 2 * n + 1);
		if (!out)
			return bad(r, at, PL_E_NOMEM, "no memory");
		m->paths[m->n_paths++] = out;
		for (size_t i = 0; i < n; i++) {
			if (!isalnum((unsigned char)s[i]) && s[i] != '.')
				return bad(r, at, PL_E_FORMAT, "must be names in lowerCamelCase");
			if (isupper((unsigned char)s[i]))
				*out++ = '_';
			*out++ = (char)tolower((unsigned char)s[i]);
		}
		s += n + (s[n] == ',');
	}
	return PL_OK;
}

static enum pl_err get_struct(struct reader *r, Google__Protobuf__Struct *st, const json_t *j, const struct path *at)
{
	const char *key;
	json_t *v;

	if (!json_is_object(j))
		return bad(r, at, PL_E_FORMAT, "must be an object, not %s", kind_name(j));
	st->fields = pl_arena_alloc(r->a, (json_object_size(j) + 1) * sizeof(*st->fields));
	if (!st->fields)
		return bad(r, at, PL_E_NOMEM, "no memory");
	json_object_foreach((json_t *)(uintptr_t)j, key, v)
	{
		Google__Protobuf__Struct__FieldsEntry *e = PL_NEW(r->a, Google__Protobuf__Struct__FieldsEntry);
		if (!e)
			return bad(r, at, PL_E_NOMEM, "no memory");
		google__protobuf__struct__fields_entry__init(e);
		e->key = pl_arena_strdup(r->a, key);
		if (!e->key)
			return bad(r, at, PL_E_NOMEM, "no memory");
		ProtobufCMessage *value;
		r->depth++; /* the entry is a message of its own on the wire */
		enum pl_err err =
			get_message(r, &google__protobuf__value__descriptor, v, &(struct path){ at, key, 0 }, &value);
		r->depth--;
		if (err)
			return err;
		e->value = (void *)value;
		st->fields[st->n_fields++] = e;
	}
	return PL_OK;
}

static enum pl_err get_list(struct reader *r, Google__Protobuf__ListValue *l, const json_t *j, const struct path *at)
{
	if (!json_is_array(j))
		return bad(r, at, PL_E_FORMAT, "must be an array, not %s", kind_name(j));
	l->values = pl_arena_alloc(r->a, (json_array_size(j) + 1) * sizeof(*l->values));
	if (!l->values)
		return bad(r, at, PL_E_NOMEM, "no memory");
	for (size_t i = 0; i < json_array_size(j); i++) {
		ProtobufCMessage *value;
		enum pl_err err = get_message(r, &google__protobuf__value__descriptor, json_array_get(j, i),
					      &(struct path){ at, NULL, i }, &value);
		if (err)
			return err;
		l->values[l->n_values++] = (void *)value;
	}
	return PL_OK;
}

static enum pl_err get_any_value(struct reader *r, Google__Protobuf__Value *v, const json_t *j, const struct path *at)
{
	ProtobufCMessage *m = NULL;
	enum pl_err err = PL_OK;

	switch (json_typeof(j)) {
	case JSON_NULL:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
		v->bool_value = json_is_true(j);
		break;
	case JSON_INTEGER:
	case JSON_REAL:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
		v->number_value = json_number_value(j);
		break;
	case JSON_STRING:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
		err = get_string(r, j, at, &v->string_value);
		break;
	case JSON_OBJECT:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
		err = get_message(r, &google__protobuf__struct__descriptor, j, at, &m);
		v->struct_value = (void *)m;
		break;
	case JSON_ARRAY:
		v->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
		err = get_message(r, &google__protobuf__list_value__descriptor, j, at, &m);
		v->list_value = (void *)m;
		break;
	}
	return err;
}

enum pl_err get_wkt(struct reader *r, enum wkt kind, ProtobufCMessage *m, const json_t *j, const struct path *at)
{
	void *p = m;

	switch (kind) {
	case WKT_TIMESTAMP:
		return get_timestamp(r, p, json_string_value(j), at);
	case WKT_DURATION:
		return get_duration(r, p, json_string_value(j), at);
	case WKT_FIELD_MASK:
		return get_field_mask(r, p, json_string_value(j), at);
	case WKT_STRUCT:
		return get_struct(r, p, j, at);
	case WKT_VALUE:
		return get_any_value(r, p, j, at);
	case WKT_LIST:
		return get_list(r, p, j, at);
	case WKT_WRAPPER: {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[0];
		return get_value(r, f, j, at, field_at(m, f->offset));
	}
	case WKT_NONE:
		break;
	}
	return bad(r, at, PL_E_INTERNAL, "%s", m->descriptor->name);
}
