/* Protobuf to JSON. Fields without presence are left out at their default value, as protojson does. */
#include "codec.h"

#include <math.h>
#include <parley/crypto.h>
#include <stdio.h>
#include <stdlib.h>

static bool room(struct buf *b, size_t n)
{
	if (b->err)
		return false;
	if (b->n + n <= b->cap)
		return true;
	size_t cap = b->cap ? b->cap : 512;
	while (cap < b->n + n)
		cap *= 2;
	char *p = b->n + n > JSON_MAX_BYTES ? NULL : realloc(b->p, cap);
	if (!p) {
		b->err = b->n + n > JSON_MAX_BYTES ? PL_E_FULL : PL_E_NOMEM;
		return false;
	}
	b->p = p;
	b->cap = cap;
	return true;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	if (!room(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void buf_puts(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	char tmp[64]; /* numbers and times only */
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(tmp, sizeof(tmp), fmt, ap);
	va_end(ap);
	if (n > 0)
		buf_put(b, tmp, PL_MIN((size_t)n, sizeof(tmp) - 1));
}

/* The length of the character at s, 0 when it is not well-formed. */
static size_t utf8_len(const char *s)
{
	unsigned char c = (unsigned char)*s;
	size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	return strnlen(s, n) == n && pl_utf8_ok(s, n) ? n : 0;
}

static void put_escape(struct buf *b, char c)
{
	static const char letter[] = {
		['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'
	};

	if ((size_t)c < sizeof(letter) && letter[(size_t)c])
		buf_put(b, (char[]){ '\\', letter[(size_t)c] }, 2);
	else
		buf_printf(b, "\\u%04x", (unsigned)c);
}

/* Bytes that are not UTF-8 (a caller's display name in Latin-1) become U+FFFD: a reader must get the rest. */
void put_string(struct buf *b, const char *s)
{
	buf_put(b, "\"", 1);
	while (s && *s) {
		size_t plain = 0;
		while ((unsigned char)s[plain] >= 0x20 && (unsigned char)s[plain] < 0x7f && s[plain] != '"' &&
		       s[plain] != '\\')
			plain++;
		buf_put(b, s, plain);
		s += plain;
		if (!*s)
			break;
		size_t n = utf8_len(s);
		if (!n)
			buf_puts(b, "\xEF\xBF\xBD");
		else if (n > 1 || *s == 0x7f)
			buf_put(b, s, n);
		else
			put_escape(b, *s);
		s += n ? n : 1;
	}
	buf_put(b, "\"", 1);
}

void put_double(struct buf *b, double v, int digits_min, int digits_max)
{
	char text[32];

	if (isnan(v) || isinf(v)) {
		buf_puts(b, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
		return;
	}
	if (v == 0 && signbit(v)) { /* "-0" would read back as the whole number 0 */
		buf_puts(b, "-0.0");
		return;
	}
	for (int d = digits_min; d <= digits_max; d++) { /* the shortest that reads back as the same */
		snprintf(text, sizeof(text), "%.*g", d, v);
		double back = strtod(text, NULL);
		if (digits_max == 9 ? (float)back == (float)v : !(back < v || back > v))
			break;
	}
	buf_puts(b, text);
}

static void put_bytes(struct buf *b, const ProtobufCBinaryData *v)
{
	size_t n = 4 * ((v->len + 2) / 3);

	buf_put(b, "\"", 1);
	if (room(b, n + 1))
		b->n += crypto_b64(v->data, v->len, b->p + b->n);
	buf_put(b, "\"", 1);
}

static void put_enum(struct buf *b, const ProtobufCFieldDescriptor *f, int32_t v)
{
	const ProtobufCEnumValue *e = protobuf_c_enum_descriptor_get_value(f->descriptor, v);

	if (is_null_enum(f))
		buf_puts(b, "null");
	else if (e)
		put_string(b, e->name);
	else /* a newer sender's value */
		buf_printf(b, "%" PRId32, v);
}

void put_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *p, int depth)
{
	switch (f->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		buf_printf(b, "%" PRId32, *(const int32_t *)p);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		buf_printf(b, "%" PRIu32, *(const uint32_t *)p);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		buf_printf(b, "\"%" PRId64 "\"", *(const int64_t *)p);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		buf_printf(b, "\"%" PRIu64 "\"", *(const uint64_t *)p);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		put_double(b, (double)*(const float *)p, 6, 9);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		put_double(b, *(const double *)p, 15, 17);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		buf_puts(b, *(const protobuf_c_boolean *)p ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		put_enum(b, f, *(const int32_t *)p);
		break;
	case PROTOBUF_C_TYPE_STRING:
		put_string(b, *(char *const *)p);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		put_bytes(b, p);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		put_message(b, *(ProtobufCMessage *const *)p, depth + 1);
		break;
	}
}

static bool zeroish(const ProtobufCFieldDescriptor *f, const void *p)
{
	static const uint8_t zero[8];

	switch (f->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return !*(void *const *)p;
	case PROTOBUF_C_TYPE_STRING:
		return pl_empty(*(char *const *)p);
	case PROTOBUF_C_TYPE_BYTES:
		return ((const ProtobufCBinaryData *)p)->len == 0;
	default:
		return memcmp(p, zero, elem_size(f->type)) == 0; /* -0.0 is not the default: its bits differ */
	}
}

static bool present(const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f)
{
	const void *q = field_at(m, f->quantifier_offset), *p = field_at(m, f->offset);
	bool pointer = f->type == PROTOBUF_C_TYPE_MESSAGE || f->type == PROTOBUF_C_TYPE_STRING;

	if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
		return *(const uint32_t *)q == f->id && (!pointer || *(void *const *)p);
	switch (f->label) {
	case PROTOBUF_C_LABEL_REPEATED:
		return *(const size_t *)q > 0;
	case PROTOBUF_C_LABEL_REQUIRED:
		return !pointer || *(void *const *)p;
	case PROTOBUF_C_LABEL_OPTIONAL:
		return pointer ? *(void *const *)p && *(void *const *)p != f->default_value
			       : *(const protobuf_c_boolean *)q != 0;
	case PROTOBUF_C_LABEL_NONE:
		break;
	}
	return !zeroish(f, p);
}

static void put_map(struct buf *b, const ProtobufCFieldDescriptor *f, ProtobufCMessage *const *entries, size_t n,
		    int depth)
{
	const ProtobufCMessageDescriptor *e = f->descriptor;

	buf_put(b, "{", 1);
	for (size_t i = 0; i < n; i++) {
		struct buf key = { 0 };
		if (i)
			buf_put(b, ",", 1);
		put_value(&key, &e->fields[0], field_at(entries[i], e->fields[0].offset), depth);
		bool quoted = key.n && key.p[0] == '"'; /* a key is always a string */
		buf_put(b, "\"", quoted ? 0 : 1);
		buf_put(b, key.p, key.n);
		buf_put(b, "\"", quoted ? 0 : 1);
		buf_put(b, ":", 1);
		const void *v = field_at(entries[i], e->fields[1].offset);
		if (e->fields[1].type == PROTOBUF_C_TYPE_MESSAGE && !*(void *const *)v)
			buf_puts(b, "{}"); /* an entry whose value was not on the wire: the empty message */
		else
			put_value(b, &e->fields[1], v, depth);
		b->err = b->err ? b->err : key.err;
		free(key.p);
	}
	buf_put(b, "}", 1);
}

static void put_field(struct buf *b, const ProtobufCMessage *m, const ProtobufCFieldDescriptor *f, int depth)
{
	const void *p = field_at(m, f->offset);

	if (f->label != PROTOBUF_C_LABEL_REPEATED) {
		put_value(b, f, p, depth);
		return;
	}
	size_t n = *(const size_t *)field_at(m, f->quantifier_offset), size = elem_size(f->type);
	const char *items = *(char *const *)p;
	if (is_map(m->descriptor, f)) {
		put_map(b, f, (ProtobufCMessage *const *)(const void *)items, n, depth + 1);
		return;
	}
	buf_put(b, "[", 1);
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_put(b, ",", 1);
		put_value(b, f, items + i * size, depth);
	}
	buf_put(b, "]", 1);
}

void put_message(struct buf *b, const ProtobufCMessage *m, int depth)
{
	bool first = true;

	if (depth > JSON_MAX_DEPTH) {
		b->err = b->err ? b->err : PL_E_FORMAT;
		return;
	}
	if (put_wkt(b, m, depth))
		return;
	buf_put(b, "{", 1);
	for (unsigned i = 0; i < m->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		char name[128];
		if (!present(m, f))
			continue;
		buf_puts(b, first ? "\"" : ",\"");
		buf_put(b, name, json_name(f->name, name, sizeof(name)));
		buf_puts(b, "\":");
		put_field(b, m, f, depth);
		first = false;
	}
	buf_put(b, "}", 1);
}

enum pl_err rpc_to_json(const ProtobufCMessage *m, struct pl_arena *a, char **ret, size_t *ret_len, struct pl_why *why)
{
	struct buf b = { 0 };

	put_message(&b, m, 1);
	buf_put(&b, "", 1);
	char *out = b.err ? NULL : pl_arena_dup(a, b.p, b.n);
	free(b.p);
	if (b.err)
		return pl_why_set(why, b.err, "%s does not fit in JSON of %zu bytes and depth %d", m->descriptor->name,
				  JSON_MAX_BYTES, JSON_MAX_DEPTH);
	if (!out)
		return pl_why_set(why, PL_E_NOMEM, "JSON of %zu bytes", b.n);
	*ret = out;
	*ret_len = b.n - 1;
	return PL_OK;
}
