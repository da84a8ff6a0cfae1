/** The reporting service: the ledger folded into tables, live figures and answers.
 *  Threads    everything on the loop; database jobs see only what they carry.
 *  Life       every copy loads the checkpoint (store.c, load.c), then follows the ledger from there in memory
 * (apply.c). The one that holds the lease loads afresh when it gains it, and from then on writes what changed
 * (flush.c): rows and the sequence number they are true for, in one transaction, which fails when another copy has
 * written meanwhile. Bounds     REP_OPEN_MAX interactions in memory (then the reader pauses until the database has
 * caught up). */
#ifndef REP_H
#define REP_H
#include "figures.h"

#include "parley/acd/v1/acd.pb-c.h"
#include "parley/report/v1/report.pb-c.h"
#include <parley/app.h>
#include <parley/pg.h>
#include <parley/redis.h>
#include <parley/rpc.h>
#include <uthash.h>

#define REP_SCHEMA "report"
#define REP_OPEN_MAX 300000
#define REP_ID 40
#define REP_NAME 128

struct rep_cfg {
	char *sql_dir, *time_zone;
	int64_t batch_ms, batch_events, linger_s, ledger_age_s;
};

/* --- memory --- */

struct ix { /* an interaction that is open, or ended a short while ago */
	char id[PL_ID_LEN];
	bool dirty, known, settled, stored_open, segs_written;
	bool forget; /* nobody saw it begin: its checkpoint is to go */
	uint32_t n_agents_written;
	int32_t priority;
	uint64_t written; /* hash of the row as it was written; 0 never */
	struct rep_ix f;
	struct rep_queue *waiting, *talking; /* where it counts now */
	struct pl_list in_queue;             /* of waiting */
	struct pl_list in_dirty, in_settled;
	UT_hash_handle hh;
};

struct rep_queue {
	char id[REP_ID], name[REP_NAME];
	int channel;
	uint32_t sl_ms, target_pct;
	bool deleted, rt_dirty, db_dirty;
	int64_t sent_us;
	uint32_t n_waiting, n_talking;
	uint32_t agents[REP_A_STATE_N]; /* members by state */
	struct pl_list waiting;         /* ix.in_queue, by time of queueing */
	struct rep_qfig today;
	struct rep_window window;
	UT_hash_handle hh;
};

struct rep_person { /* an agent */
	char id[REP_ID], name[REP_NAME];
	bool deleted, rt_dirty, db_dirty;
	int64_t sent_us;
	struct rep_agent st;
	size_t n_queues, status_len;
	struct rep_queue **queues; /* memberships */
	uint8_t *status;           /* parley.acd.v1.AgentStatus as it came */
	UT_hash_handle hh;
};

struct qkey {
	char id[REP_ID];
	int64_t at;
};            /* zeroed, then filled: hashed whole */
struct qrow { /* a quarter of an hour of a queue */
	struct qkey key;
	struct rep_qfig f;
	bool dirty;
	UT_hash_handle hh;
};
struct arow { /* a day of an agent; key.at is the day's number */
	struct qkey key;
	struct rep_afig f;
	int64_t state_ms[REP_A_STATE_N];
	bool dirty;
	UT_hash_handle hh;
};

struct rec { /* a recording whose news are not written yet */
	char id[PL_ID_LEN], interaction_id[PL_ID_LEN], agent_id[REP_ID];
	int status;
	int64_t started_us;
	size_t len, marks_len;
	uint8_t *body;  /* parley.voice.v1.Recording; NULL: only marks came */
	uint8_t *marks; /* parley.voice.v1.RecordingStopped; NULL: none came */
	UT_hash_handle hh;
};
void rec_free(struct rec *r);
struct span {
	struct rep_span s;
	char agent_id[REP_ID];
};

struct days {
	int64_t *from_us;
	size_t n;
	int32_t first;
}; /* midnights of the company's zone; first: number of the first day */

struct store {
	uint64_t seq;       /* applied so far */
	uint64_t saved_seq; /* in the database */
	int64_t clock_us;   /* now: wall clock, or the latest event where that is ahead */
	int64_t event_us;   /* the latest event's time */
	bool conf_dirty;    /* something changed that is not in the ledger */
	int32_t today, pruned;
	uint64_t late, foreign; /* events that came too late, or say nothing to us */
	int64_t oldest_us;      /* figures before this are not in memory and not touched */
	struct days days;
	struct ix *ixs;
	struct rep_queue *queues;
	struct rep_person *people;
	struct qrow *qrows;
	struct arow *arows;
	struct rec *recs;
	struct span *spans;
	size_t n_spans, cap_spans;
	struct pl_list dirty, settled; /* ix; settled by age */
	struct pl_arena *tmp;          /* of one event */
	struct rep_row before, after;  /* scratch */
};
struct store *store_new(void);
void store_free(struct store *st);
int32_t store_day(const struct store *st, int64_t us);
int64_t store_midnight(const struct store *st, int32_t day);
struct rep_queue *store_queue(struct store *st, const char *id); /* makes it when new; NULL: no memory or no id */
struct rep_person *store_person(struct store *st, const char *id);
struct qrow *store_qrow(struct store *st, const char *id, int64_t at);
struct arow *store_arow(struct store *st, const char *id, int32_t day);
struct ix *store_ix(struct store *st, const char *id, bool make);
void store_ix_drop(struct store *st, struct ix *x);
bool store_ix_room(struct ix *x, const struct rep_event *ev);
/** Puts the interaction where its row says it is: the queues' lists and counts. row NULL: nowhere. */
void store_place(struct store *st, struct ix *x, const struct rep_row *row);
/** Adds (1) or takes back (-1) what the row says from the figures. */
void store_share(struct store *st, const struct ix *x, const struct rep_row *row, int sign);
void store_members(struct store *st, struct rep_person *p, const Parley__Acd__V1__Agent *conf);
void store_person_state(struct store *st, struct rep_person *p, const Parley__Acd__V1__AgentStatus *status,
			int64_t at_us);
void store_new_day(struct store *st, int64_t now_us);
void store_dirty(struct store *st, struct ix *x);
void store_recs_clear(struct store *st);
/** Figures of days that nothing open belongs to any more leave memory; not while a batch is being written. */
void store_prune(struct store *st, bool dirty_too);
void store_queue_conf(struct store *st, const Parley__Acd__V1__Queue *q, bool deleted);
void store_agent_conf(struct store *st, const Parley__Acd__V1__Agent *a, bool deleted);

/** Applies one message of the ledger. False: it says nothing to reporting. */
bool apply(struct store *st, const struct bus_msg *m);
/** Interactions that were settled linger_us before the latest event and are written: out of memory. */
void apply_forget(struct store *st, int64_t linger_us);
void apply_give_up(struct store *st);

/* Facts of an interaction as they are checkpointed. */
Parley__Report__V1__InteractionFacts *facts_message(const struct ix *x, struct pl_arena *a);
PL_MUST enum pl_err facts_restore(struct ix *x, const Parley__Report__V1__InteractionFacts *m);

/* --- the service --- */
enum rep_mode { REP_STARTING, REP_LOADING, REP_RUNNING };
struct rep {
	struct pl_app *app;
	const struct rep_cfg *cfg;
	struct pg *pg;
	struct redis *redis;
	struct bus_lease *lease;
	struct bus_tail *tail;
	struct store *st;
	enum rep_mode mode;
	bool leader, caught_up, reload, paused, closing;
	int64_t gave_up_us;
	struct flush *flushing;
	uint64_t asked_queues, asked_agents;
	struct pl_timer *flush_timer, *live_timer, *load_timer, *conf_timer, *ready_timer;
	struct obs_check *ready;
	struct obs_metric *m_events, *m_lag, *m_open, *m_batches, *m_batch_us, *m_batch_failed, *m_late, *m_leader,
		*m_rt;
};
PL_MUST enum pl_err rep_new(struct rep **ret, struct pl_app *app, const struct rep_cfg *cfg, struct pl_why *why);
void rep_free(struct rep *r);
void rep_freep(struct rep **r);
void rep_load(struct rep *r); /* throws memory away and begins from the database */
PL_MUST enum pl_err flush_new(struct rep *r, struct pl_why *why);
void flush_soon(struct rep *r);
PL_MUST enum pl_err live_new(struct rep *r, struct pl_why *why);
void live_redis_up(void *arg);
PL_MUST enum pl_err conf_new(struct rep *r, struct pl_why *why);
PL_MUST enum pl_err history_serve(struct rep *r, struct pl_why *why);
#endif
