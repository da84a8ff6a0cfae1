/* The inside of libs/bus. Everything runs on the loop's thread; nats.c has no thread that touches us after bus_open()
 * but the pool thread of a connection attempt (conn.c), which owns what it touches.
 *
 *   conn.c   connection, event-loop adapter, reconnect, the buffer while NATS is away, keep-alive
 *   msg.c    building, publishing, subscribing                    mux.c    handles, the inbox, requests
 *   answer.c dispatch to handlers, answering                      open.c   life of the bus
 *   node.c   presence                                             js.c     JetStream API, streams
 *   jspub.c  acknowledged publishing                              tail.c   ordered readers
 *   consume.c durable consumers                                   kv.c, lease.c */
#ifndef BUS_INT_H
#define BUS_INT_H
#include <parley/bus.h>
#include <parley/log.h>
#include <parley/obs.h>

#include <jansson.h>
#include <nats/nats.h>

#define BUS_BUFFER_MAX_BYTES (32u << 20)
#define BUS_MSG_MAX_BYTES (1u << 20)
#define BUS_HEADER_ROOM_BYTES 1024u /* of the message, kept for headers */
#define BUS_SUBJECT_MAX 512u
#define BUS_MUX_MAX (1u << 18) /* requests, publishes and readers that wait for something */
#define BUS_JS_MAX 100000u
#define BUS_TICK_US (250 * PL_US_PER_MS)
#define BUS_API_TIMEOUT_MS 5000

struct bus_sock; /* one connection's event-loop state */
struct attempt;
struct req;
struct jspub;

typedef void (*mux_fn)(struct bus *b, void *arg, natsMsg *m);
struct mux_slot {
	uint64_t handle; /* 0: free */
	mux_fn fn;
	void *arg;
	uint32_t next_free;
};

/* A subscription at the server. nats.c's NextMsg swallows the "no responders" reply (status 503) and returns an error
 * instead of the message: none() is all that is left of it. So each request has a subscription of its own while it
 * waits, a lane (mux.c), and lanes are used again. */
struct bus_sub {
	struct pl_list node;
	struct bus *b;
	char *subject, *queue;
	bus_fn fn;
	void (*raw)(void *arg, natsMsg *m); /* instead of fn: for our own use */
	void (*none)(void *arg);            /* what was sent with this reply subject reached nobody */
	void *arg;
	natsSubscription *ns; /* NULL while not connected */
	bool dead;
};

struct bus {
	struct pl_loop *loop;
	char service[48], node[64];
	char *url, *user, *password;
	char inbox[96]; /* "_INBOX_<service>.<random>." */
	size_t inbox_len;
	bool closing;

	/* conn.c */
	natsConnection *nc; /* NULL while away */
	natsStatistics *stats;
	struct bus_sock *sock;
	struct attempt *attempt; /* under way on a pool thread */
	struct pl_timer *retry, *tick;
	int64_t retry_us, up_since_us, node_tick_us;
	int retries;
	uint64_t in_seen;
	int pings_out;
	bool draining, sweep, broken;
	size_t unsent_bytes; /* given to nats.c and not yet written to the socket; an upper bound */
	struct pl_list subs, queue;
	size_t queue_bytes;
	struct pl_list reqs; /* requests being answered */

	/* mux.c */
	struct mux_slot *slots;
	uint32_t n_slots, free_slot, gen;
	struct pl_list lanes_busy, lanes_idle, lanes_dead, *lane_next;
	size_t n_idle;
	unsigned lane_no;
	struct req **heap;
	size_t heap_n, heap_cap;
	struct pl_timer *due;
	int64_t due_us; /* 0: not armed */

	/* node.c */
	struct pl_list watches, nodes;
	struct announce *announce;

	/* js.c, jspub.c, tail.c, consume.c, lease.c, kv.c */
	struct pl_list streams, pubs, tails, consumers, leases, marks;
	size_t n_pubs, n_marks;
	int64_t pubs_hold_us;
	char *why_js;

	struct obs_check *check;
	struct obs_metric *m_reconnects, *m_refused, *m_in, *m_out, *m_resent, *m_queue, *m_pubs, *m_gaps;
};

/* open.c */
void bus_tell_up(struct bus *b);

/* conn.c */
enum pl_err conn_init(struct bus *b);
enum pl_err conn_first(struct bus *b, int64_t wait_ms, struct pl_why *why); /* blocks */
void conn_done(struct bus *b);                                              /* flushes */
void conn_tick(struct bus *b, int64_t now_us);
bool bus_up(const struct bus *b);
/** Takes m. req: drop it from the buffer when this handle is no longer waiting; 0: none. */
enum pl_err bus_send(struct bus *b, natsMsg *m, size_t bytes, uint64_t req);
/** Leaves m to the caller; PL_E_UNAVAIL while away. */
enum pl_err bus_send_now(struct bus *b, natsMsg *m, size_t bytes);
/** Subscribes at the server if connected. */
enum pl_err bus_sub_attach(struct bus_sub *s);
void bus_drain_sub(struct bus_sub *s, uint64_t *left);

/* msg.c */
const char *bus_hdr(natsMsg *m, const char *key); /* "" when absent */
bool bus_subject_ok(const char *s, bool wildcards);
enum pl_err bus_msg_new(natsMsg **ret, const struct bus_out *o, const char *reply, size_t *ret_bytes);
void bus_msg_fill(struct bus_msg *out, natsMsg *m);
void bus_dispatch(struct bus_sub *s, natsMsg *m);
void bus_subs_sweep(struct bus *b);
enum pl_err bus_subscribe_raw(struct bus_sub **ret, struct bus *b, const char *subject,
			      void (*raw)(void *arg, natsMsg *m), void (*none)(void *arg), void *arg);
void bus_sub_free(struct bus_sub *s);

/* mux.c */
enum pl_err mux_init(struct bus *b);
void mux_done(struct bus *b);
uint64_t mux_add(struct bus *b, mux_fn fn, void *arg); /* 0: full */
void mux_drop(struct bus *b, uint64_t handle);
bool mux_waits(const struct bus *b, uint64_t handle);
/** The subject that answers to this handle; out is at least BUS_REPLY_MAX. */
#define BUS_REPLY_MAX 128
char *mux_reply(const struct bus *b, uint64_t handle, char *out);
void mux_detach(struct bus *b); /* the connection goes */
void mux_down(struct bus *b);   /* it is gone: ends all requests */
enum pl_err mux_up(struct bus *b);
void mux_tick(struct bus *b);
void mux_drain(struct bus *b, uint64_t *left);
void mux_on_inbox(void *arg, natsMsg *m);
/** As bus_request(), without Parley's headers. hdr: name, value, ..., NULL; or NULL. */
uint64_t bus_ask(struct bus *b, const char *subject, const char *const *hdr, const void *data, size_t len,
		 int64_t timeout_ms, bus_reply_fn fn, void *arg);
void bus_reqs_free(struct bus *b);

/* node.c */
void node_init(struct bus *b);
void node_done(struct bus *b);
void node_up(struct bus *b);
void node_tick(struct bus *b, int64_t now_us);
void node_goodbye(struct bus *b);

/* js.c */
/** As bus_stream_ensure() with the configuration as JSON (taken). */
void js_stream_ensure(struct bus *b, const char *name, json_t *config, bus_reply_fn done, void *arg);
void js_done(struct bus *b);
void js_up(struct bus *b);
/** Asks $JS.API.<verb> with a JSON body (taken; NULL: empty). fn gets the parsed reply or NULL. */
typedef void (*js_fn)(void *arg, enum pl_err err, json_t *reply, const struct pl_why *why);
void js_ask(struct bus *b, const char *verb, json_t *body, js_fn fn, void *arg);
/** $JS.ACK.<stream>.<consumer>.<delivered>.<sseq>.<cseq>.<ns>.<pending>[...] */
struct js_pos {
	const char *stream, *consumer;
	size_t stream_len, consumer_len;
	uint64_t sseq, cseq, pending;
	int64_t time_us;
};
bool js_pos_parse(const char *reply, struct js_pos *p);
/** A Publish Ack or an API error. */
enum pl_err js_ack_parse(const struct bus_msg *m, uint64_t *ret_seq, int *ret_code, struct pl_why *why);
int js_status(natsMsg *m); /* 0: an ordinary message */

void jspub_on_ack(struct bus *b, void *arg, natsMsg *m); /* runs while the bus closes, too */
void jspub_on_none(struct bus *b);
void jspub_up(struct bus *b);
void jspub_tick(struct bus *b, int64_t now_us);
void jspub_done(struct bus *b);
void tail_up(struct bus *b);
void tail_down(struct bus *b);
void tail_tick(struct bus *b, int64_t now_us);
void consume_up(struct bus *b);
void consume_down(struct bus *b);
void consume_tick(struct bus *b, int64_t now_us);
void consume_acked(struct bus *b, const char *ack);
void kv_tick(struct bus *b, int64_t now_us);
void kv_done(struct bus *b);
void lease_tick(struct bus *b, int64_t now_us);
void lease_done(struct bus *b);
#endif
