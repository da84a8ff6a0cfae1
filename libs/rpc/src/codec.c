#include "codec.h"

#include <ctype.h>
#include <google/protobuf/struct.pb-c.h>
#include <stdio.h>

enum wkt wkt_of(const ProtobufCMessageDescriptor *d)
{
	static const struct {
		const char *name;
		enum wkt kind;
	} known[] = {
		{ "Timestamp", WKT_TIMESTAMP }, { "Duration", WKT_DURATION },   { "FieldMask", WKT_FIELD_MASK },
		{ "Struct", WKT_STRUCT },       { "Value", WKT_VALUE },         { "ListValue", WKT_LIST },
		{ "DoubleValue", WKT_WRAPPER }, { "FloatValue", WKT_WRAPPER },  { "Int64Value", WKT_WRAPPER },
		{ "UInt64Value", WKT_WRAPPER }, { "Int32Value", WKT_WRAPPER },  { "UInt32Value", WKT_WRAPPER },
		{ "BoolValue", WKT_WRAPPER },   { "StringValue", WKT_WRAPPER }, { "BytesValue", WKT_WRAPPER },
	};

	if (!pl_streq(d->package_name, "google.protobuf"))
		return WKT_NONE;
	for (size_t i = 0; i < PL_ARRAY_N(known); i++)
		if (pl_streq(d->short_name, known[i].name))
			return known[i].kind;
	return WKT_NONE;
}

bool is_null_enum(const ProtobufCFieldDescriptor *f)
{
	return f->type == PROTOBUF_C_TYPE_ENUM && f->descriptor == &google__protobuf__null_value__descriptor;
}

bool is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *f)
{
	if (f->label != PROTOBUF_C_LABEL_REPEATED || f->type != PROTOBUF_C_TYPE_MESSAGE)
		return false;
	const ProtobufCMessageDescriptor *e = f->descriptor;
	if (e->n_fields != 2 || e->fields[0].id != 1 || e->fields[1].id != 2 || !pl_streq(e->fields[0].name, "key") ||
	    !pl_streq(e->fields[1].name, "value"))
		return false;
	size_t n = strlen(parent->name);
	char camel[128];
	if (strncmp(e->name, parent->name, n) != 0 || e->name[n] != '.')
		return false;
	size_t k = json_name(f->name, camel, sizeof(camel));
	camel[0] = (char)toupper((unsigned char)camel[0]);
	return strncmp(e->name + n + 1, camel, k) == 0 && pl_streq(e->name + n + 1 + k, "Entry");
}

size_t json_name(const char *proto_name, char *out, size_t size)
{
	size_t n = 0;
	bool up = false;

	for (const char *s = proto_name; *s && n + 1 < size; s++) {
		if (*s == '_') {
			up = true;
			continue;
		}
		out[n++] = up ? (char)toupper((unsigned char)*s) : *s;
		up = false;
	}
	out[n] = 0;
	return n;
}

size_t elem_size(ProtobufCType t)
{
	switch (t) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_ENUM:
		break;
	}
	return 4;
}

void path_print(const struct path *p, char *out, size_t size)
{
	out[0] = 0;
	if (!p)
		return;
	path_print(p->up, out, size);
	size_t n = strlen(out);
	if (p->name)
		snprintf(out + n, size - n, "%s%s", n ? "." : "", p->name);
	else
		snprintf(out + n, size - n, "[%zu]", p->index);
}
