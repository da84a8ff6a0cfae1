/** The flow service: runs sessions for channels, keeps flows and schedules.
 *  Threads    everything on the loop; jobs (shell/db_*.c) on pg workers see only what their call carries.
 *  Ownership  flow_svc owns caches, sessions and subscriptions; sessions hold references to graphs.
 *  Bounds     100,000 sessions; 1,000 graphs in memory beyond those that sessions use; 10,000 queues, schedules, zones.
 */
#ifndef FLOW_SVC_H
#define FLOW_SVC_H
#include "run.h"
#include "zone.h"

#include "parley/flow/v1/flow.pb-c.h"
#include <parley/actor.h>
#include <parley/app.h>
#include <parley/outbox.h>
#include <parley/pg.h>
#include <parley/rpc.h>
#include <uthash.h>

#define FLOW_SCHEMA "flow"
#define FLOW_SESSIONS_MAX 100000

struct flow_cfg {
	char *sql_dir;
	char *zone_dir;
	int64_t idle_s;  /* a session nobody steps for so long is dropped */
	int64_t ended_s; /* an ended session answers repeated steps for so long */
	int64_t ledger_age_s;
};

struct flow_svc;
struct graph; /* a version in memory */
struct session;

struct flow_svc {
	struct pl_app *app;
	const struct flow_cfg *cfg;
	struct pg *pg;
	struct outbox *outbox;
	struct actors *actors;
	struct bus_sub *on_flow, *on_schedule, *on_queue;
	struct graphs *graphs;
	struct refs *refs;
	struct session *sessions; /* uthash, by id */
	bool takes_steps;
	struct pl_timer *tick;
	uint64_t ticks;
	struct obs_check *loaded; /* readiness: flows, schedules and queues are known */
	struct obs_metric *m_sessions, *m_steps, *m_refused, *m_failed, *m_step_us;
	/* One step is computed at a time: its scratch is here instead of on the stack (70 KiB of variables). */
	struct flow_state state;
	struct flow_out out;
	_Alignas(16) char step_block[256 * 1024];
};
PL_MUST enum pl_err flow_svc_new(struct flow_svc **ret, struct pl_app *app, const struct flow_cfg *cfg,
				 struct pl_why *why);
void flow_svc_free(struct flow_svc *s);
void flow_svc_freep(struct flow_svc **s);

/* --- graphs.c: compiled versions --- */
struct graph {
	char key[64]; /* "<flow id>/<version>" */
	char flow_id[PL_ID_LEN];
	uint32_t version, refs;
	const struct flow_graph *g;
	void *block;
	bool published; /* kept although no session uses it */
	UT_hash_handle hh;
};
/** Called once, now or later, on the loop. g is NULL with why when there is none; to keep it: graph_ref(). */
typedef void (*graph_fn)(void *arg, struct graph *g, const struct pl_why *why);
PL_MUST enum pl_err graphs_new(struct graphs **ret, struct flow_svc *s, struct pl_why *why);
void graphs_free(struct graphs *gs);
void graphs_get(struct graphs *gs, const char *flow_id, uint32_t version, graph_fn fn,
		void *arg);                                                    /* 0: the published one */
struct graph *graphs_published(struct graphs *gs, const char *flow_id);        /* in memory, or NULL */
size_t graphs_flow_ids(const struct graphs *gs, const char **ids, size_t max); /* of flows that exist; borrowed */
void graphs_refresh(struct graphs *gs); /* looks which versions are published and loads what is new */
bool graphs_loaded(const struct graphs *gs);
void graph_ref(struct graph *g);
void graph_unref(struct graphs *gs, struct graph *g);

/* --- val.c --- */
/** The value tree of a Struct. PL_E_FORMAT: deeper than 16 or more than 50,000 values. */
PL_MUST enum pl_err flow_val_of(const Google__Protobuf__Struct *st, struct pl_arena *a, struct flow_val *ret,
				struct pl_why *why);
/** Checks a graph: problems as messages in the arena. PL_E_FORMAT: too large or too deep to be looked at. Any thread.
 */
PL_MUST enum pl_err flow_check(const Google__Protobuf__Struct *graph, const struct flow_refs *refs, struct pl_arena *a,
			       size_t *ret_n, Parley__Flow__V1__FlowProblem ***ret, struct pl_why *why);
/** Compiles into a block of its own (free()). PL_E_STATE: it has problems; why names the first. Any thread. */
PL_MUST enum pl_err flow_build(const Google__Protobuf__Struct *graph, struct pl_arena *a, const struct flow_graph **ret,
			       void **ret_block, struct pl_why *why);

/* --- refs.c: what graphs refer to: queues of acd-router, schedules, time zones --- */
struct queue_info {
	char id[64], name[128], music[128];
	bool record;
	UT_hash_handle hh;
};
PL_MUST enum pl_err refs_new(struct refs **ret, struct flow_svc *s, struct pl_why *why);
void refs_free(struct refs *r);
void refs_refresh_schedules(struct refs *r);
void refs_refresh_queues(struct refs *r);
/** Runs fn(arg) when queues and schedules have been read again, by a read that began after this call; in any case
 * within 5 s. */
void refs_fresh(struct refs *r, void (*fn)(void *arg), void *arg);
bool refs_loaded(const struct refs *r);
const struct queue_info *refs_queue(const struct refs *r, const char *id); /* NULL: not known */
/** Whether a schedule is open at an instant; closed when there is none of that id, or its zone cannot be read (logged).
 */
bool refs_open(struct refs *r, const char *schedule_id, int64_t wall_us);
bool refs_zone_ok(struct refs *r, const char *zone);
/** What exists now, for the compiler; a copy in the arena, so that a worker may use it. queue is NULL while acd-router
 * has not answered yet. */
PL_MUST enum pl_err refs_snapshot(const struct flow_svc *s, struct pl_arena *a, struct flow_refs *ret);

/* --- sessions.c, step.c, answer.c --- */
struct saved { /* somebody who answers when a checkpoint is stored */
	struct saved *next;
	void (*fn)(void *arg, bool stored); /* false: the session is not ours any more */
	void *arg;
};
struct session {
	char id[PL_ID_LEN];
	uint32_t seq;
	bool ended;
	int64_t stepped_us;  /* monotonic */
	struct graph *graph; /* NULL until it is loaded (adopted sessions) */
	struct flow_svc *svc;
	struct saved *waiting; /* in order of their steps: a customer may go while a step is being stored */
	size_t len;
	uint8_t *packed; /* parley.flow.v1.FlowSession */
	UT_hash_handle hh;
};
struct session *session_find(struct flow_svc *s, const char *id);
/** Replaces (or creates) the session's bytes and checkpoints them. w lives until it was told, once; after an error it
 * is not told. */
PL_MUST enum pl_err session_save(struct flow_svc *s, const Parley__Flow__V1__FlowSession *m, struct graph *g,
				 struct saved *w);
void session_drop(struct flow_svc *s, struct session *x, bool end); /* end: the record goes too */
void sessions_free(struct flow_svc *s);
void sessions_adopt(void *arg, const char *id, const void *body, size_t len); /* of libs/actor */
void sessions_lost(void *arg);
void sessions_sweep(struct flow_svc *s);
enum flow_wait session_wait(const char *name);
const char *session_wait_name(enum flow_wait w);

PL_MUST enum pl_err step_serve(struct flow_svc *s, struct pl_why *why);

/** The answer to a channel from what the engine said; in the arena. */
struct answer {
	Parley__Flow__V1__StepResponse msg;
};
PL_MUST enum pl_err answer_add(struct flow_svc *s, struct answer *ans, const struct flow_graph *g,
			       const struct flow_out *out, struct pl_arena *a);
PL_MUST enum pl_err answer_shown(const struct flow_graph *g, const struct flow_state *st, struct answer *ans,
				 struct pl_arena *a);

/* --- tell.c: what others hear --- */
struct tell { /* who a step is about */
	const Parley__Flow__V1__FlowSession *session;
	uint32_t seq;
	int64_t now_us;
	uint32_t n; /* events told in this step; makes their ids */
};
void tell_entered(struct flow_svc *s, struct tell *t);
void tell_marks(struct flow_svc *s, struct tell *t, const struct flow_out *out);
void tell_left(struct flow_svc *s, struct tell *t, const struct flow_out *out);
void tell_queue(struct flow_svc *s, struct tell *t, const struct flow_out *out, const struct flow_graph *g);
/** UUIDv7 with the time of the session and a hash of (session, seq, n): the same step again tells the same events. */
void tell_id(const char *session_id, uint32_t seq, uint32_t n, char out[PL_ID_LEN]);

/* --- flows.c, schedules.c: FlowService, ScheduleService --- */
struct crud { /* rpc_call.arg of a call that runs as a job; in the call's arena */
	struct flow_svc *s;
	struct flow_refs refs;
	void (*changed)(struct flow_svc *s); /* after the commit */
};
/** Checks the role, then runs job on the database; kick tells what to read again after the commit (NULL: read only). */
void crud_run(struct rpc_call *c, enum rpc_role need, rpc_job_fn job, void (*changed)(struct flow_svc *s));
/** Fills an event's meta; in the arena. */
Parley__Common__V1__EventMeta *crud_meta(struct rpc_call *c);
PL_MUST enum pl_err flows_serve(struct flow_svc *s, struct pl_why *why);
PL_MUST enum pl_err schedules_serve(struct flow_svc *s, struct pl_why *why);
#endif
