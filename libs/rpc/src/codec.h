/* Shared by the JSON reader and writer of libs/rpc. */
#ifndef PARLEY_RPC_CODEC_H
#define PARLEY_RPC_CODEC_H
#include <parley/rpc.h>

#define JSON_MAX_BYTES ((size_t)4 << 20)
#define JSON_MAX_DEPTH 64
/* What google.protobuf.Timestamp and Duration may say. */
#define TS_MIN_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */
#define TS_MAX_S INT64_C(253402300799) /* 9999-12-31T23:59:59Z */
#define DURATION_MAX_S INT64_C(315576000000)

/* The messages of google/protobuf that JSON writes in a form of their own. */
enum wkt {
	WKT_NONE,
	WKT_TIMESTAMP,
	WKT_DURATION,
	WKT_FIELD_MASK,
	WKT_STRUCT,
	WKT_VALUE,
	WKT_LIST,
	WKT_WRAPPER, /* one field named value, written bare */
};
enum wkt wkt_of(const ProtobufCMessageDescriptor *d);
bool is_null_enum(const ProtobufCFieldDescriptor *f);

/* protobuf-c does not keep the map_entry option; an entry is known by its generated name and its two fields. */
bool is_map(const ProtobufCMessageDescriptor *parent, const ProtobufCFieldDescriptor *f);

/* protoc's ToJsonName: an underscore goes, the letter behind it becomes upper case. */
size_t json_name(const char *proto_name, char *out, size_t size);

static inline void *field_at(const void *msg, size_t offset)
{
	return (char *)(uintptr_t)msg + offset;
}
size_t elem_size(ProtobufCType t);

/* Where we are in the document; lives on the stack of the recursion. */
struct path {
	const struct path *up;
	const char *name; /* NULL: an element of an array */
	size_t index;
};
void path_print(const struct path *p, char *out, size_t size);

/* --- writer --- */
struct buf {
	char *p;
	size_t n, cap;
	enum pl_err err; /* sticky; when set, nothing more is written */
};
void buf_put(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) PL_PRINTF(2, 3);
void put_string(struct buf *b, const char *s);
void put_double(struct buf *b, double v, int digits_min, int digits_max);
void put_message(struct buf *b, const ProtobufCMessage *m, int depth);
void put_value(struct buf *b, const ProtobufCFieldDescriptor *f, const void *member, int depth);
bool put_wkt(struct buf *b, const ProtobufCMessage *m, int depth); /* false: an ordinary message */

/* --- reader --- */
struct json_t;
struct reader {
	struct pl_arena *a;
	struct pl_why *why;
	int depth;
};
PL_MUST enum pl_err bad(struct reader *r, const struct path *at, enum pl_err err, const char *fmt, ...) PL_PRINTF(4, 5);
PL_MUST enum pl_err get_message(struct reader *r, const ProtobufCMessageDescriptor *d, const struct json_t *j,
				const struct path *at, ProtobufCMessage **ret);
/** One value (not a repeated field) into member. */
PL_MUST enum pl_err get_value(struct reader *r, const ProtobufCFieldDescriptor *f, const struct json_t *j,
			      const struct path *at, void *member);
PL_MUST enum pl_err get_wkt(struct reader *r, enum wkt kind, ProtobufCMessage *m, const struct json_t *j,
			    const struct path *at);
PL_MUST enum pl_err get_int(struct reader *r, const struct json_t *j, const struct path *at, int64_t min, int64_t max,
			    int64_t *ret);
PL_MUST enum pl_err get_uint(struct reader *r, const struct json_t *j, const struct path *at, uint64_t max,
			     uint64_t *ret);
PL_MUST enum pl_err get_double(struct reader *r, const struct json_t *j, const struct path *at, bool single,
			       double *ret);
PL_MUST enum pl_err get_bytes(struct reader *r, const struct json_t *j, const struct path *at,
			      ProtobufCBinaryData *ret);
const char *kind_name(const struct json_t *j); /* "a string" */
PL_MUST enum pl_err get_string(struct reader *r, const struct json_t *j, const struct path *at, char **ret);
#endif
