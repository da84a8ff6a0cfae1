/* The well-known types to JSON (protobuf.dev/programming-guides/json, "ProtoJSON Format"). */
#include "codec.h"

#include <ctype.h>
#include <google/protobuf/duration.pb-c.h>
#include <google/protobuf/field_mask.pb-c.h>
#include <google/protobuf/struct.pb-c.h>
#include <google/protobuf/timestamp.pb-c.h>

#define NANOS_PER_S 1000000000

/* 0, 3, 6 or 9 digits, as few as say it all. */
static void put_nanos(struct buf *b, int32_t nanos)
{
	if (!nanos)
		return;
	if (nanos % 1000000 == 0)
		buf_printf(b, ".%03d", nanos / 1000000);
	else if (nanos % 1000 == 0)
		buf_printf(b, ".%06d", nanos / 1000);
	else
		buf_printf(b, ".%09d", nanos);
}

static void put_timestamp(struct buf *b, const Google__Protobuf__Timestamp *ts)
{
	char text[PL_TIME_LEN];

	if (ts->seconds < TS_MIN_S || ts->seconds > TS_MAX_S || ts->nanos < 0 || ts->nanos >= NANOS_PER_S) {
		b->err = b->err ? b->err : PL_E_FORMAT;
		return;
	}
	pl_time_format(ts->seconds * PL_US_PER_S, text);
	buf_put(b, "\"", 1);
	buf_put(b, text, strlen("2026-11-22T15:04:05"));
	put_nanos(b, ts->nanos);
	buf_puts(b, "Z\"");
}

static void put_duration(struct buf *b, const Google__Protobuf__Duration *d)
{
	int64_t s = d->seconds;
	int32_t n = d->nanos;

	if (s > DURATION_MAX_S || s < -DURATION_MAX_S || n >= NANOS_PER_S || n <= -NANOS_PER_S || (s > 0 && n < 0) ||
	    (s < 0 && n > 0)) {
		b->err = b->err ? b->err : PL_E_FORMAT;
		return;
	}
	buf_printf(b, "\"%s%" PRId64, s < 0 || n < 0 ? "-" : "", s < 0 ? -s : s);
	put_nanos(b, n < 0 ? -n : n);
	buf_puts(b, "s\"");
}

static void put_field_mask(struct buf *b, const Google__Protobuf__FieldMask *m)
{
	buf_put(b, "\"", 1);
	for (size_t i = 0; i < m->n_paths; i++) {
		char camel[256];
		if (i)
			buf_put(b, ",", 1);
		if (strlen(m->paths[i]) >= sizeof(camel)) {
			b->err = b->err ? b->err : PL_E_FULL;
			return;
		}
		size_t n = json_name(m->paths[i], camel, sizeof(camel));
		for (size_t k = 0; k < n; k++) /* a path is made of names and dots; anything else has no JSON form */
			if (!isalnum((unsigned char)camel[k]) && camel[k] != '.') {
				b->err = b->err ? b->err : PL_E_FORMAT;
				return;
			}
		buf_put(b, camel, n);
	}
	buf_put(b, "\"", 1);
}

static void put_struct(struct buf *b, const Google__Protobuf__Struct *s, int depth)
{
	buf_put(b, "{", 1);
	for (size_t i = 0; i < s->n_fields; i++) {
		if (i)
			buf_put(b, ",", 1);
		put_string(b, s->fields[i]->key);
		buf_put(b, ":", 1);
		if (s->fields[i]->value)
			put_message(b, &s->fields[i]->value->base, depth + 1);
		else
			buf_puts(b, "null");
	}
	buf_put(b, "}", 1);
}

static void put_list(struct buf *b, const Google__Protobuf__ListValue *l, int depth)
{
	buf_put(b, "[", 1);
	for (size_t i = 0; i < l->n_values; i++) {
		if (i)
			buf_put(b, ",", 1);
		put_message(b, &l->values[i]->base, depth + 1);
	}
	buf_put(b, "]", 1);
}

static void put_any_value(struct buf *b, const Google__Protobuf__Value *v, int depth)
{
	switch (v->kind_case) {
	case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
		put_double(b, v->number_value, 15, 17);
		break;
	case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
		put_string(b, v->string_value);
		break;
	case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
		buf_puts(b, v->bool_value ? "true" : "false");
		break;
	case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
		put_message(b, &v->struct_value->base, depth);
		break;
	case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
		put_message(b, &v->list_value->base, depth);
		break;
	default:
		buf_puts(b, "null");
	}
}

bool put_wkt(struct buf *b, const ProtobufCMessage *m, int depth)
{
	const void *p = m;

	switch (wkt_of(m->descriptor)) {
	case WKT_NONE:
		return false;
	case WKT_TIMESTAMP:
		put_timestamp(b, p);
		break;
	case WKT_DURATION:
		put_duration(b, p);
		break;
	case WKT_FIELD_MASK:
		put_field_mask(b, p);
		break;
	case WKT_STRUCT:
		put_struct(b, p, depth);
		break;
	case WKT_VALUE:
		put_any_value(b, p, depth);
		break;
	case WKT_LIST:
		put_list(b, p, depth);
		break;
	case WKT_WRAPPER: {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[0];
		put_value(b, f, field_at(m, f->offset), depth);
	}
	}
	return true;
}
