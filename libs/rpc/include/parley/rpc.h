/** Protobuf over the bus, by descriptor: calls, events, and JSON both ways (proto3 JSON mapping,
 * protobuf.dev/programming-guides/json). Names      an RPC travels on rpc.<package>.<Service>.<Method>; a node-bound
 * one on node.<node>.<Service>.<Method>. JSON       lowerCamelCase out; in also the proto names. 64-bit integers as
 * strings, bytes base64, enums by name, Timestamp RFC 3339, Duration "1.5s", Struct/Value/ListValue as JSON, wrappers
 * as their value, FieldMask "a,b". Unknown fields and duplicate keys are refused with the path. Bounds: 4 MiB,
 * depth 64. Threads    the codec: any. Serving and asking: the loop's thread. Bounds     10,000 calls being answered
 * per served service, then PL_E_FULL; an unpacked call takes at most 64 MiB; an answer at most 1 MiB (what the bus
 * carries). */
#ifndef PARLEY_RPC_H
#define PARLEY_RPC_H
#include <parley/base.h>
#include <parley/bus.h>
#include <parley/pg.h>
#include <protobuf-c/protobuf-c.h>

ProtobufCAllocator pl_arena_pb(struct pl_arena *a); /* free is a no-op */
/** Unpacks into the arena; PL_E_FORMAT when the bytes do not parse. */
PL_MUST enum pl_err rpc_unpack(const ProtobufCMessageDescriptor *d, const void *data, size_t len, struct pl_arena *a,
			       ProtobufCMessage **ret, struct pl_why *why);
PL_MUST enum pl_err rpc_to_json(const ProtobufCMessage *m, struct pl_arena *a, char **ret, size_t *ret_len,
				struct pl_why *why);
PL_MUST enum pl_err rpc_from_json(const ProtobufCMessageDescriptor *d, const char *json, size_t len, struct pl_arena *a,
				  ProtobufCMessage **ret, struct pl_why *why);
/** Every string is UTF-8 (protobuf-c does not look); PL_E_FORMAT with the field. For bytes from outside. */
PL_MUST enum pl_err rpc_text_ok(const ProtobufCMessage *m, struct pl_why *why);
/** Deep copy; NULL when memory is out. */
ProtobufCMessage *rpc_dup(const ProtobufCMessage *m, struct pl_arena *a);

/* Every message and service of proto/, in a table generated at build time (sorted by name). */
const ProtobufCMessageDescriptor *rpc_find_message(const char *full_name);
const ProtobufCServiceDescriptor *rpc_find_service(const char *full_name);
const ProtobufCServiceDescriptor *const *rpc_services(size_t *ret_n);

/* --- who asks --- Parley-Actor is "<role> <user-id> <session-id>", e.g. "agent 0193... 0193..."; services use "service
 * <name>" */
enum rpc_role { RPC_NOBODY, RPC_AGENT, RPC_SUPERVISOR, RPC_ADMIN, RPC_SERVICE };
struct rpc_actor {
	enum rpc_role role;
	char user_id[64];
	char session_id[64];
};
void rpc_actor_parse(const char *header, struct rpc_actor *ret); /* nonsense is RPC_NOBODY */
PL_MUST enum pl_err rpc_need(const struct rpc_actor *a, enum rpc_role at_least, struct pl_why *why);

/* --- serving --- */
struct rpc_call { /* lives until answered */
	struct bus_req *req;
	struct rpc_actor actor;
	const ProtobufCMessage *in; /* in arena */
	struct pl_arena *arena;     /* of this call; freed when answered */
	const ProtobufCMethodDescriptor *method;
	void *arg;   /* of rpc_serve() */
	void *state; /* the handler's own, for its later steps */
	struct bus *bus;
};
/** Must lead to exactly one rpc_reply() or rpc_fail(), now or later. */
typedef void (*rpc_fn)(struct rpc_call *c);
struct rpc_entry {
	const char *method;
	rpc_fn fn;
};
/** Subscribes each method in a queue group named after the service. Entries end with {NULL}; a method of the descriptor
 * without entry is answered with PL_E_UNSUPPORTED. */
PL_MUST enum pl_err rpc_serve(struct bus *b, const ProtobufCServiceDescriptor *d, const struct rpc_entry *entries,
			      void *arg, struct pl_why *why);
/** The same service on node.<node>.<Service>.<Method>, for this process only. */
PL_MUST enum pl_err rpc_serve_node(struct bus *b, const ProtobufCServiceDescriptor *d, const struct rpc_entry *entries,
				   void *arg, struct pl_why *why);
void rpc_reply(struct rpc_call *c, const ProtobufCMessage *out);
void rpc_fail(struct rpc_call *c, enum pl_err err, const struct pl_why *why);
/** Hands the call to the same method on another node; the answer goes straight to the caller. */
void rpc_pass(struct rpc_call *c, const char *node);

/** For handlers that are straight SQL: job runs on a pg worker in a transaction and builds *out in c->arena; the reply
 * is sent on the loop. after (may be NULL) runs on the loop after a successful commit, before the reply: kick the
 * outbox, refresh caches. */
typedef enum pl_err (*rpc_job_fn)(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why);
void rpc_on_db(struct rpc_call *c, struct pg *pg, bool read_only, rpc_job_fn job, void (*after)(struct rpc_call *c));

/* --- calling --- */
/** out is NULL unless err is PL_OK; it lives in tmp until fn returns. */
typedef void (*rpc_done_fn)(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why);
struct rpc_to {
	const ProtobufCServiceDescriptor *service;
	const char *method;
	const char *node;
	const char *actor;
	int64_t timeout_ms;
};
/** Returns a handle for rpc_cancel(), 0 if it failed at once (fn was not called). actor NULL: we ask as "service
 * <name>". */
uint64_t rpc_ask(struct bus *b, const struct rpc_to *to, const ProtobufCMessage *in, rpc_done_fn fn, void *arg,
		 struct pl_why *why);
void rpc_cancel(struct bus *b, uint64_t handle); /* fn will not be called; a handle that has ended is ignored */

/* --- events and one-way messages --- */
/** Core publish, not stored. */
PL_MUST enum pl_err rpc_send(struct bus *b, const char *subject, const ProtobufCMessage *m);
/** Into JetStream; event_id is the Nats-Msg-Id. */
PL_MUST enum pl_err rpc_emit(struct bus *b, const char *subject, const char *event_id, const ProtobufCMessage *m,
			     bus_reply_fn fn, void *arg);
/** Unpacks m by its Parley-Type. */
PL_MUST enum pl_err rpc_decode(const struct bus_msg *m, struct pl_arena *a, ProtobufCMessage **ret, struct pl_why *why);

/** Creates the stream LEDGER (ev.>) or leaves it as it is; every service that publishes or reads events calls it at its
 * start. */
void rpc_ledger_ensure(struct bus *b, bus_reply_fn done, void *arg);

/* google.protobuf.Timestamp */
struct Google__Protobuf__Timestamp;
struct Google__Protobuf__Timestamp *rpc_ts(struct pl_arena *a, int64_t wall_us); /* 0 gives NULL */
int64_t rpc_ts_us(const struct Google__Protobuf__Timestamp *ts);                 /* NULL gives 0 */
#endif
