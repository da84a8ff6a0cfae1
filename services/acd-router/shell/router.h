/** The shell of acd-router: one engine, fed by the stream ACD_IN; the copy that holds the lease tells what the engine
 *  decides.
 *  Threads    all of it on the app's loop, except the jobs in db_*.c, which run on pg workers and touch nothing of
 *             struct router. */
#ifndef ACD_ROUTER_H
#define ACD_ROUTER_H
#include <parley/app.h>
#include <parley/log.h>
#include <parley/outbox.h>
#include <parley/pg.h>
#include <parley/rpc.h>

#include "acd.h"
#include "parley/acd/v1/acd.pb-c.h"

#define ACD_STREAM "ACD_IN"
#define ACD_BUCKET "ACD_SNAP"
#define ACD_LEASE "acd-router"

struct router_opts {
	char *sql_dir;
	int64_t max_queues, max_agents, max_waiting, presence_s, ledger_age_s;
};

struct inlog;    /* inlog.c: the stream of inputs */
struct emitter;  /* emit.c: what is to be told, and was it */
struct snaps;    /* snaps.c: snapshots in KV */
struct lead;     /* lead.c: the lease, ticks, the monitor */
struct presence; /* presence.c */
struct diary;    /* diary.c: the latest decisions */

struct router {
	struct pl_app *app;
	struct bus *bus;
	struct pl_loop *loop;
	const struct router_opts *opts;
	struct pg *pg;
	struct outbox *outbox;
	struct acd *e;
	void *block;
	struct acd_limits lim;
	struct acd_fx_list *fx;
	struct pl_arena *tmp; /* wiped before each input */
	struct inlog *in;
	struct emitter *out;
	struct snaps *snaps;
	struct lead *lead;
	struct presence *presence;
	struct diary *diary;
	struct obs_check *ready;
	struct pl_timer *again;
	struct obs_metric *m_inputs, *m_ignored, *m_decisions, *m_offers, *m_refused, *m_apply, *m_waiting, *m_items,
		*m_leader, *m_broken, *m_events, *m_lost, *m_snapshots, *m_lag;
};

PL_MUST enum pl_err router_new(struct router **ret, struct pl_app *app, const struct router_opts *opts,
			       struct pl_why *why);
void router_free(struct router *r);
void router_freep(struct router **r);
/** Now it may answer, say it is ready, and lead. */
void router_caught_up(struct router *r);
extern const struct cfg_opt router_opt_table[];
/** An engine with nothing in it, in place of the present one. */
PL_MUST enum pl_err router_engine_new(struct router *r, struct pl_why *why);

/* --- ids --- */
bool acd_id_parse(const char *s, struct acd_id *ret);     /* "" and NULL: none, true; anything that is no UUID: false */
char *acd_id_text(struct acd_id id, char out[PL_ID_LEN]); /* none: "" */
char *acd_id_dup(struct pl_arena *a, struct acd_id id);

/* --- inputs.c, events.c: between protobuf and the engine --- */
/** False: it means nothing to the engine (an id is no UUID, an unknown kind). *ret points into a. */
bool input_map(const struct router *r, const Parley__Acd__V1__AcdInput *in, struct pl_arena *a, struct acd_in *ret);
struct event {
	char subject[96];
	char id[PL_ID_LEN];
	ProtobufCMessage *msg; /* in the arena */
};
/** False: nothing to tell (a refusal), or memory is out. */
bool event_map(const struct router *r, const struct acd_fx *fx, int64_t now_us, uint64_t seq, size_t n,
	       struct pl_arena *a, struct event *ret);
Parley__Acd__V1__AgentStatus *event_status(const struct router *r, const struct acd_status *st, struct pl_arena *a);
Parley__Acd__V1__WaitingItem *event_item(const struct router *r, const struct acd_item_view *v, struct pl_arena *a);
/* What a note holds; an empty message when there is none. */
const Parley__Acd__V1__Queue *note_queue(const struct router *r, struct acd_id id, struct pl_arena *a);
const Parley__Acd__V1__Agent *note_agent(const struct router *r, struct acd_id id, struct pl_arena *a);
const Parley__Acd__V1__PauseReason *note_reason(const struct router *r, struct acd_id id, struct pl_arena *a);
const Parley__Acd__V1__Enqueue *note_item(const struct router *r, uint32_t item_ref, struct pl_arena *a);
const char *why_word(uint8_t why); /* of a candidate: "" when it was chosen or could have been */
char *score_words(struct pl_arena *a, uint8_t strategy, int64_t score); /* "Longest idle: 4 min 12 s" */
char *duration_words(struct pl_arena *a, int64_t us);

/* --- inlog.c --- */
PL_MUST enum pl_err inlog_new(struct inlog **ret, struct router *r);
void inlog_free(struct inlog *l);
/** Begins to read after the engine's own sequence; first and last: of the stream as it is now. same_stream: the
 *  engine's sequence is one of this stream's. */
void inlog_open(struct inlog *l, uint64_t first_seq, uint64_t last_seq, bool same_stream, bool had_snapshot);
bool inlog_caught_up(const struct inlog *l);
int64_t inlog_now_us(const struct inlog *l); /* our guess of the stream's clock */
typedef void (*inlog_fn)(void *arg, enum pl_err err, const struct pl_why *why);
/** Puts an input into the log; fn (may be NULL) runs when this copy's engine has applied it, or with the error. */
void inlog_put(struct inlog *l, const Parley__Acd__V1__AcdInput *in, const char *msg_id, inlog_fn fn, void *arg);

/* --- emit.c --- */
PL_MUST enum pl_err emitter_new(struct emitter **ret, struct router *r, struct pl_why *why);
void emitter_free(struct emitter *o);
void emitter_add(struct emitter *o, const struct event *ev, uint64_t seq);
void emitter_flush(struct emitter *o); /* sends what is due, if this copy may */
void emitter_age(struct emitter *o);   /* each second */
uint64_t emitter_done_seq(
	const struct emitter *o); /* all effects of inputs up to this one are in the ledger, as far as we know */
void emitter_forget(struct emitter *o, uint64_t up_to_seq);

/* --- snaps.c --- */
PL_MUST enum pl_err snaps_new(struct snaps **ret, struct router *r);
void snaps_free(struct snaps *s);
void snaps_start(struct snaps *s); /* streams and bucket, newest snapshot, then inlog_open(); repeats until it works */
void snaps_tick(struct snaps *s);  /* each second on the leader */

/* --- lead.c --- */
PL_MUST enum pl_err lead_new(struct lead **ret, struct router *r);
void lead_stop(struct lead *l); /* gives the lease up */
void lead_free(struct lead *l);
void lead_start(struct lead *l);               /* once the engine has caught up */
bool lead_held(const struct lead *l);          /* effects are allowed now */
int64_t lead_since_us(const struct lead *l);   /* wall clock; 0: not leading */
uint64_t lead_fence(const struct lead *l);     /* of the present or last lease */
void lead_applied(struct lead *l);             /* after each input: arm the next tick */
void lead_reconciled(struct lead *l, bool ok); /* not ok: tried again while leading */
void lead_emit_own(struct router *r, const char *what, const ProtobufCMessage *msg,
		   Parley__Common__V1__EventMeta *meta);

/* --- presence.c --- */
PL_MUST enum pl_err presence_new(struct presence **ret, struct router *r, struct pl_why *why);
void presence_free(struct presence *p);
void presence_judge(struct presence *p); /* each second on the leader */
void presence_ask(struct presence *p);   /* which phones are there: what was not heard while nobody listened */

/* --- diary.c --- */
PL_MUST enum pl_err diary_new(struct diary **ret);
void diary_free(struct diary *d);
void diary_add(struct diary *d, const Parley__Acd__V1__Decision *m);
/** The latest that name this agent, newest first; in a. */
size_t diary_find(const struct diary *d, const char *agent_id, struct pl_arena *a, Parley__Acd__V1__Decision **out,
		  size_t max);

/* --- configuration --- */
void config_reconcile(struct router *r); /* what PostgreSQL has and the engine has not */
PL_MUST enum pl_err rpc_config_serve(struct router *r, struct pl_why *why); /* queues, agents, pause reasons */
PL_MUST enum pl_err rpc_work_serve(struct router *r, struct pl_why *why);
PL_MUST enum pl_err rpc_routing_serve(struct router *r, struct pl_why *why);
void rpc_set_agent_state(struct rpc_call *c);
/** Fails the call when the actor is below the role. */
bool rpc_may(struct rpc_call *c, enum rpc_role at_least);
void rpc_no(struct rpc_call *c, enum pl_err err, const char *field, const char *text);
#endif
