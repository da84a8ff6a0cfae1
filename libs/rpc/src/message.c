/* Protobuf without JSON: arenas, unpacking with a bound on the depth, copies, the table of the contract. */
#include "codec.h"

#include <google/protobuf/timestamp.pb-c.h>
#include <registry.h>
#include <stdlib.h>
#include <threads.h>

static void *arena_alloc(void *arg, size_t n)
{
	return pl_arena_alloc(arg, n);
}
static void arena_free(void *arg, void *p)
{
	(void)arg, (void)p;
}

ProtobufCAllocator pl_arena_pb(struct pl_arena *a)
{
	return (ProtobufCAllocator){ .alloc = arena_alloc, .free = arena_free, .allocator_data = a };
}

/* --- unpacking --- */

static bool varint(const uint8_t **p, const uint8_t *end, uint64_t *ret)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 64 && *p < end; shift += 7) {
		uint8_t c = *(*p)++;
		v |= (uint64_t)(c & 0x7f) << shift;
		if (!(c & 0x80)) {
			*ret = v;
			return true;
		}
	}
	return false;
}

/* protobuf-c recurses as deep as the bytes say, and Struct nests without end: look before it leaps. */
static bool depth_ok(const ProtobufCMessageDescriptor *d, const uint8_t *p, const uint8_t *end, int depth)
{
	while (p < end) {
		uint64_t tag, n;
		if (!varint(&p, end, &tag))
			return false;
		switch (tag & 7) {
		case 0:
			if (!varint(&p, end, &n))
				return false;
			continue;
		case 1:
			n = 8;
			break;
		case 2:
			if (!varint(&p, end, &n))
				return false;
			break;
		case 5:
			n = 4;
			break;
		default:
			return false; /* groups: proto3 has none */
		}
		if (n > (uint64_t)(end - p))
			return false;
		const ProtobufCFieldDescriptor *f = NULL;
		if ((tag & 7) == 2)
			f = protobuf_c_message_descriptor_get_field(d, (unsigned)(tag >> 3));
		if (f && f->type == PROTOBUF_C_TYPE_MESSAGE &&
		    (depth >= JSON_MAX_DEPTH || !depth_ok(f->descriptor, p, p + n, depth + 1)))
			return false;
		p += n;
	}
	return true;
}

enum pl_err rpc_unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len, struct pl_arena *a,
		       ProtobufCMessage **ret, struct pl_why *why)
{
	ProtobufCAllocator pba = pl_arena_pb(a);
	const uint8_t *p = data;

	ProtobufCMessage *m = NULL;
	if (!len || depth_ok(d, p, p + len, 1))
		m = protobuf_c_message_unpack(d, &pba, len, p);
	if (!m)
		return pl_why_set(why, PL_E_FORMAT, "%zu bytes are no %s", len, d->name);
	*ret = m;
	return PL_OK;
}

ProtobufCMessage *rpc_dup(const ProtobufCMessage *m, struct pl_arena *a)
{
	ProtobufCAllocator pba = pl_arena_pb(a);
	size_t n = protobuf_c_message_get_packed_size(m);

	uint8_t *tmp = malloc(n ? n : 1);
	if (!tmp)
		return NULL;
	protobuf_c_message_pack(m, tmp);
	ProtobufCMessage *copy = protobuf_c_message_unpack(m->descriptor, &pba, n, tmp);
	free(tmp);
	return copy;
}

/* --- text --- */

static enum pl_err text_ok(const ProtobufCMessage *m, const struct path *up, struct pl_why *why);

static enum pl_err value_text_ok(const ProtobufCFieldDescriptor *f, const void *member, const struct path *at,
				 struct pl_why *why)
{
	if (f->type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *sub = *(ProtobufCMessage *const *)member;
		return sub ? text_ok(sub, at, why) : PL_OK;
	}
	const char *s = *(char *const *)member;
	if (!s || pl_utf8_ok(s, strlen(s)))
		return PL_OK;
	char where[sizeof(why->field)];
	path_print(at, where, sizeof(where));
	return pl_why_field(why, PL_E_FORMAT, where, "is not UTF-8");
}

static enum pl_err text_ok(const ProtobufCMessage *m, const struct path *up, struct pl_why *why)
{
	enum pl_err err = PL_OK;

	for (unsigned i = 0; i < m->descriptor->n_fields && !err; i++) {
		const ProtobufCFieldDescriptor *f = &m->descriptor->fields[i];
		struct path at = { up, f->name, 0 };
		if (f->type != PROTOBUF_C_TYPE_MESSAGE && f->type != PROTOBUF_C_TYPE_STRING)
			continue;
		const uint32_t *which = field_at(m, f->quantifier_offset);
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) && *which != f->id)
			continue;
		if (f->label != PROTOBUF_C_LABEL_REPEATED) {
			err = value_text_ok(f, field_at(m, f->offset), &at, why);
			continue;
		}
		size_t n = *(const size_t *)field_at(m, f->quantifier_offset);
		char *const *items = *(char **const *)field_at(m, f->offset);
		for (size_t k = 0; k < n && !err; k++)
			err = value_text_ok(f, &items[k], &(struct path){ &at, NULL, k }, why);
	}
	return err;
}

enum pl_err rpc_text_ok(const ProtobufCMessage *m, struct pl_why *why)
{
	return text_ok(m, NULL, why);
}

/* --- the table --- */

static const ProtobufCMessageDescriptor **messages;
static const ProtobufCServiceDescriptor **services;
static once_flag sorted = ONCE_FLAG_INIT;

static int by_message(const void *a, const void *b)
{
	return strcmp((*(const ProtobufCMessageDescriptor *const *)a)->name,
		      (*(const ProtobufCMessageDescriptor *const *)b)->name);
}

static int by_service(const void *a, const void *b)
{
	return strcmp((*(const ProtobufCServiceDescriptor *const *)a)->name,
		      (*(const ProtobufCServiceDescriptor *const *)b)->name);
}

static void sort_tables(void)
{
	messages = calloc(parley_messages_n + 1, sizeof(*messages));
	services = calloc(parley_services_n + 1, sizeof(*services));
	if (!messages || !services)
		abort(); /* some kilobytes, once, at the start */
	memcpy(messages, parley_messages, parley_messages_n * sizeof(*messages));
	memcpy(services, parley_services, parley_services_n * sizeof(*services));
	qsort(messages, parley_messages_n, sizeof(*messages), by_message);
	qsort(services, parley_services_n, sizeof(*services), by_service);
}

const ProtobufCMessageDescriptor *rpc_find_message(const char *full_name)
{
	ProtobufCMessageDescriptor key = { .name = full_name };
	const ProtobufCMessageDescriptor *k = &key;

	call_once(&sorted, sort_tables);
	const ProtobufCMessageDescriptor **d = bsearch(&k, messages, parley_messages_n, sizeof(k), by_message);
	return d ? *d : NULL;
}

const ProtobufCServiceDescriptor *rpc_find_service(const char *full_name)
{
	ProtobufCServiceDescriptor key = { .name = full_name };
	const ProtobufCServiceDescriptor *k = &key;

	call_once(&sorted, sort_tables);
	const ProtobufCServiceDescriptor **d = bsearch(&k, services, parley_services_n, sizeof(k), by_service);
	return d ? *d : NULL;
}

const ProtobufCServiceDescriptor *const *rpc_services(size_t *ret_n)
{
	call_once(&sorted, sort_tables);
	*ret_n = parley_services_n;
	return services;
}

/* --- Timestamp --- */

Google__Protobuf__Timestamp *rpc_ts(struct pl_arena *a, int64_t wall_us)
{
	Google__Protobuf__Timestamp *ts = wall_us ? PL_NEW(a, Google__Protobuf__Timestamp) : NULL;

	if (!ts)
		return NULL;
	google__protobuf__timestamp__init(ts);
	ts->seconds = wall_us / PL_US_PER_S;
	int64_t us = wall_us % PL_US_PER_S;
	if (us < 0) { /* nanos count forward from the second, before 1970 too */
		us += PL_US_PER_S;
		ts->seconds--;
	}
	ts->nanos = (int32_t)(us * 1000);
	return ts;
}

int64_t rpc_ts_us(const Google__Protobuf__Timestamp *ts)
{
	int64_t us;

	if (!ts || __builtin_mul_overflow(ts->seconds, PL_US_PER_S, &us) ||
	    __builtin_add_overflow(us, ts->nanos / 1000, &us))
		return 0;
	return us;
}
