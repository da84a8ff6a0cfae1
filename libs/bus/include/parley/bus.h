/** The bus: NATS core, JetStream and KV, asynchronously on one loop. Nothing here blocks after bus_open().
 *  Threads    everything on the loop's thread; nats.c runs inside the loop (docs/decisions/0002-bus.md), there is no hop.
 *  Flushing   what one turn of the loop publishes goes out in one write at the end of the turn.
 *  Bounds     reconnect buffer 32 MiB; then publishes are refused with PL_E_FULL and counted. A message is at most 1 MiB.
 *  Failure    NATS away: /readyz false, publishes are kept in the buffer, requests under way end with PL_E_UNAVAIL, new ones
 *             wait in the buffer until their time is over (PL_E_TIMEOUT),
 *             consumers and tails resume at the sequence they had. js publishes are repeated with the same message id until
 *             acknowledged, so nothing published with bus_js_publish() is lost unless the process dies.
 *  Headers    Parley-Type: protobuf message name. Parley-Actor, Parley-Deadline (unix ms) on requests.
 *             Parley-Error, Parley-Field, Parley-Why on replies that carry an error. */
#ifndef PARLEY_BUS_H
#define PARLEY_BUS_H
#include <parley/base.h>
#include <parley/loop.h>

struct bus;
struct bus_sub;
struct bus_req;		/* a request being answered; answered exactly once */
struct obs;

struct bus_cfg {
	const char *url;		/* "nats://127.0.0.1:4222[,nats://...]" */
	const char *user, *password;	/* NULL: none */
	const char *service, *node;
	int64_t connect_wait_ms;	/* how long bus_open() tries, 0: one attempt */
};
PL_MUST enum pl_err bus_open(struct bus **ret, struct pl_loop *l, struct obs *o, const struct bus_cfg *cfg, struct pl_why *why);
void bus_close(struct bus *b);		/* flushes for at most 2 s */
bool bus_connected(const struct bus *b);
const char *bus_node(const struct bus *b);
const char *bus_service(const struct bus *b);
struct pl_loop *bus_loop(struct bus *b);

/** A message as a handler sees it; all borrowed until the handler returns. */
struct bus_msg {
	const char *subject;
	const char *type;		/* Parley-Type or "" */
	const uint8_t *data;
	size_t len;
	const char *id;			/* Nats-Msg-Id or "" */
	uint64_t seq;			/* stream sequence; 0: not from a stream */
	int64_t time_us;		/* UTC, when the stream stored it; 0: not from a stream */
	const char *actor;		/* Parley-Actor or "" */
	const char *reply;		/* or "" */
	struct bus_req *req;		/* to answer with; NULL: nobody waits */
};
typedef void (*bus_fn)(void *arg, const struct bus_msg *m);

/* --- core --- */
/** queue NULL: every subscriber gets it; else one of the group. */
PL_MUST enum pl_err bus_subscribe(struct bus_sub **ret, struct bus *b, const char *subject, const char *queue,
				  bus_fn fn, void *arg, struct pl_why *why);
void bus_unsubscribe(struct bus_sub *s);
struct bus_out {			/* what to send; strings are copied */
	const char *subject, *type;
	const void *data;
	size_t len;
	const char *actor;		/* NULL: none */
	const char *msg_id;		/* js only: for de-duplication, at most 64 chars */
};
PL_MUST enum pl_err bus_publish(struct bus *b, const struct bus_out *o);

/** Called once: err PL_OK and the reply, or the error (m NULL unless an error reply came). */
typedef void (*bus_reply_fn)(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why);
/** No responder: PL_E_UNAVAIL at once. Returns a handle for bus_cancel(), 0 if it failed at once (fn was not called). */
uint64_t bus_request(struct bus *b, const struct bus_out *o, int64_t timeout_ms, bus_reply_fn fn, void *arg, struct pl_why *why);
void bus_cancel(struct bus *b, uint64_t handle);	/* fn will not be called */

/* Answering. A handler that answers later keeps m->req; everything else of the message dies with the handler. */
void bus_answer(struct bus_req *r, const char *type, const void *data, size_t len);
void bus_answer_err(struct bus_req *r, enum pl_err err, const struct pl_why *why);
/** Sends the request on to another subject (e.g. the owner's node); the answer goes straight to the one who asked. If nobody
 *  is there, the one who asked hears of it only by PL_E_TIMEOUT (NATS tells a missing responder to the owner of the inbox,
 *  and only on its own connection): look with bus_find_node() first. */
void bus_forward(struct bus_req *r, const char *subject, const struct bus_msg *m);
const char *bus_req_actor(const struct bus_req *r);
int64_t bus_req_deadline_us(const struct bus_req *r);	/* wall clock; 0: none */

/* --- JetStream --- */
struct bus_stream_cfg { const char *name, *subjects[8]; int64_t max_age_s, max_bytes, dup_window_s; int replicas; bool memory; };
/** Creates the stream or updates it to this. */
void bus_stream_ensure(struct bus *b, const struct bus_stream_cfg *c, bus_reply_fn done, void *arg);
/** Publishes with acknowledgement; repeats until acknowledged (msg_id must be set). fn may be NULL. In order per bus.
 *  fn gets m->seq of the stored message. At most 100,000 unacknowledged, then PL_E_FULL. */
PL_MUST enum pl_err bus_js_publish(struct bus *b, const struct bus_out *o, bus_reply_fn fn, void *arg);
size_t bus_js_pending(const struct bus *b);

/** Reads a stream in order from a sequence, without acknowledgements, and never skips: a gap or a lost connection is healed by
 *  starting again after the last message seen. For replicas, fan-out and caches. */
struct bus_tail;
struct bus_tail_cfg {
	const char *stream, *filter;	/* filter: subject with wildcards, NULL all */
	uint64_t from_seq;		/* 0: only new ones; 1: all that is kept */
	bool last_per_subject;		/* first the last message of each subject (KV watch); a deleted key has len 0 */
	bus_fn fn;
	/** Called when the reader has caught up with the end of the stream for the first time; may be NULL. */
	void (*caught_up)(void *arg);
	/** What comes next is not what followed: from_seq had already been deleted, or the stream was made anew and is shorter;
	 *  first_seq is the oldest kept, where reading goes on. May be NULL. */
	void (*lost)(void *arg, uint64_t from_seq, uint64_t first_seq);
	void *arg;
};
PL_MUST enum pl_err bus_tail_open(struct bus_tail **ret, struct bus *b, const struct bus_tail_cfg *c, struct pl_why *why);
void bus_tail_close(struct bus_tail *t);
uint64_t bus_tail_seq(const struct bus_tail *t);

/** A durable pull consumer shared by all copies of a service. Each message must be acked or nacked once, in any order, on the
 *  loop; one not acked within ack_wait comes again. */
struct bus_consumer;
struct bus_consumer_cfg {
	const char *stream, *durable, *filter;
	int batch;			/* messages asked for at a time, 1..1000 */
	int64_t ack_wait_ms;
	int max_deliver;		/* 0: for ever */
	void (*fn)(void *arg, struct bus_consumer *c, const struct bus_msg *m, const char *ack);
	void *arg;
};
PL_MUST enum pl_err bus_consume(struct bus_consumer **ret, struct bus *b, const struct bus_consumer_cfg *c, struct pl_why *why);
void bus_ack(struct bus *b, const char *ack);
void bus_nack(struct bus *b, const char *ack, int64_t delay_ms);
void bus_consumer_close(struct bus_consumer *c);

/* --- KV --- a bucket is the stream KV_<bucket>; keys [A-Za-z0-9_=.-] */
struct bus_kv_cfg { const char *bucket; int64_t ttl_s, max_bytes; int history; bool memory; };
void bus_kv_ensure(struct bus *b, const struct bus_kv_cfg *c, bus_reply_fn done, void *arg);
/** rev 0: must not exist (create); BUS_REV_ANY: whatever; else compare and set. PL_E_CONFLICT when it is otherwise.
 *  done gets m->seq = the new revision. */
#define BUS_REV_ANY UINT64_MAX
void bus_kv_put(struct bus *b, const char *bucket, const char *key, const void *data, size_t len, uint64_t rev,
		bus_reply_fn done, void *arg);
void bus_kv_delete(struct bus *b, const char *bucket, const char *key, uint64_t rev, bus_reply_fn done, void *arg);
/** PL_E_NOTFOUND when absent or deleted; else m->data, m->seq = revision, m->time_us. */
void bus_kv_get(struct bus *b, const char *bucket, const char *key, bus_reply_fn done, void *arg);

/** A lease: one holder per key in the bucket LEASES (TTL 3 s), renewed each second. The fencing number is given when it is
 *  gained (a revision of the bucket FENCES): it only grows. Both buckets are on disk: in memory a restart of NATS would forget
 *  the holder while it still counts on its lease, and the numbers would begin again at 1. */
struct bus_lease;
enum bus_lease_change { BUS_LEASE_GAINED, BUS_LEASE_LOST };
PL_MUST enum pl_err bus_lease_new(struct bus_lease **ret, struct bus *b, const char *key,
				  void (*fn)(void *arg, enum bus_lease_change c, uint64_t fence), void *arg);
/** True only while the lease cannot have passed to another: the last renewal acknowledged is younger than the TTL minus 1 s by
 *  our monotonic clock. Check it before each effect (a process that slept finds out here). */
bool bus_lease_held(const struct bus_lease *l);
const char *bus_lease_holder(const struct bus_lease *l);	/* node, or "" */
void bus_lease_free(struct bus_lease *l);			/* gives it up at once */

/* --- presence of nodes --- heartbeats on node.hb.<service>.<node> every second; gone after 3.5 s of silence */
struct bus_node { const char *service, *node; int64_t load, capacity, seen_us; const char *info; };
PL_MUST enum pl_err bus_announce(struct bus *b, int64_t (*load)(void *arg), int64_t capacity, const char *info, void *arg);
enum bus_node_change { BUS_NODE_UP, BUS_NODE_DOWN };
PL_MUST enum pl_err bus_watch_nodes(struct bus *b, const char *service,
				    void (*fn)(void *arg, enum bus_node_change c, const struct bus_node *n), void *arg);
/** The live node of a service with the lowest load/capacity, NULL when none. avoid may be NULL. */
const struct bus_node *bus_pick_node(struct bus *b, const char *service, const char *avoid);
const struct bus_node *bus_find_node(struct bus *b, const char *service, const char *node);
#endif
