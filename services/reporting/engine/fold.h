/** What happened to an interaction, folded from the ledger: facts in, one row with its segments out. Pure: no I/O,
 * clock, log or heap.
 *
 *  An interaction is the set of its facts. The row is a function of that set alone (rep_build), so that it does not
 * matter in which order events of different services arrive, or how often: the same events give the same row, live or
 * replayed.
 *
 *  Units      microseconds since 1970, UTC (_us); milliseconds where said (_ms).
 *  Ownership  the caller owns every struct and gives the arrays room (rep_room) before rep_add. No pointer of an event
 * is kept. Bounds     REP_FACTS_MAX facts (then only the end and releases are taken), REP_IDS_MAX different agents and
 * queues, REP_PATH_BYTES of menu path, REP_SEGS_MAX segments.
 *
 *  Definitions (the same for history and real time)
 *    answered     a queue visit is answered when an agent was connected; its wait runs from queued to connected.
 *    abandoned    the customer ended it while waiting.
 *    unmanaged    it left the queue otherwise: timeout, exit key, empty, full, closed, moved, or the system ended it.
 *    service level, variant A: answered within the queue's threshold / (answered + abandoned).
 *    talk, hold, wrap-up   segments with an agent; a visit carries those of the contact it led to.
 *    segments     menu, queue, talk, hold, dial follow each other without gap from start to end: their lengths add up
 * to the duration. Ring lies inside queue; wrap-up comes after, in the agent's time. */
#ifndef REP_FOLD_H
#define REP_FOLD_H
#include <parley/base.h>

enum {
	REP_FACTS_MAX = 1024,
	REP_FACTS_LATE = 64, /* of these, kept free for ends and releases */
	REP_IDS_MAX = 255,
	REP_PATH_BYTES = 2048,
	REP_SEGS_MAX = 300,
	REP_VISITS_MAX = 32,
	REP_WORKS_MAX = 32,
	REP_TEXT = 128,
};

/* In the order in which facts of the same microsecond are taken. */
/* clang-format off */
#define REP_KINDS(X) \
	X(STARTED) X(FLOW_ENTERED) X(ANSWERED) X(RESUMED) X(HELD) X(TRANSFERRED) X(DISCONNECTED) X(FLOW_STEP) \
	X(QUEUED) X(OFFERED) X(OFFER_ENDED) X(DEQUEUED) X(CONNECTED) X(DIALLED) X(FLOW_LEFT) X(ENDED) X(RELEASED)
/* clang-format on */
enum rep_kind {
#define X(n) REP_##n,
	REP_KINDS(X)
#undef X
		REP_KIND_N
};

/* How a segment, a visit or a call ended; the names are those of the events. */
/* clang-format off */
#define REP_RESULTS(X) \
	X(NONE, "") X(ANSWERED, "answered") X(ABANDONED, "abandoned") X(TIMEOUT, "timeout") X(EXIT_KEY, "exit-key") \
	X(EMPTY, "empty") X(FULL, "full") X(CLOSED, "closed") X(TRANSFERRED, "transferred") X(REJECTED, "rejected") \
	X(FAILED, "failed") X(ELSEWHERE, "elsewhere") X(CANCELLED, "cancelled") X(AGENT_HANGUP, "agent-hangup") \
	X(CUSTOMER_HANGUP, "customer-hangup") X(TRANSFER, "transfer") X(LOST, "lost") X(SYSTEM, "system") \
	X(CUSTOMER, "customer") X(AGENT, "agent") X(FLOW, "flow") X(NORMAL, "normal") \
	X(ABANDONED_MENU, "abandoned-menu") X(ABANDONED_QUEUE, "abandoned-queue") X(NO_ROUTE, "no-route") \
	X(SELF_SERVICE, "self-service") X(OPEN, "open") X(OTHER, "other")
/* clang-format on */
enum rep_result {
#define X(n, s) REP_R_##n,
	REP_RESULTS(X)
#undef X
		REP_RESULT_N
};
const char *rep_result_name(enum rep_result r);
enum rep_result rep_result_of(const char *name); /* unknown: REP_R_OTHER */

/** One event, as the shell decoded it. Strings may be NULL. */
struct rep_event {
	enum rep_kind kind;
	uint64_t seq; /* of the stream: decides between facts of the same microsecond */
	uint64_t id;  /* hash of the event's id: makes a repeated delivery or publication harmless */
	int64_t time_us;
	const char *agent_id, *queue_id;
	enum rep_result result; /* DEQUEUED, OFFER_ENDED, DISCONNECTED: how; ENDED: cause */
	enum rep_result by;     /* ENDED: who */
	uint32_t value; /* QUEUED: service level in ms, 0 none; RELEASED: wrap-up in ms; OFFERED, OFFER_ENDED: hash of
			 * the offer; DIALLED: SIP status, 0 or 2xx answered */
	/* Facts about the interaction; what comes first stays. */
	int channel, direction;
	const char *customer_number, *customer_name, *dialled_number;
	const char *path_key, *path_value; /* FLOW_STEP at a menu */
	bool of_queue;                     /* FLOW_STEP: left a queue node; says nothing about what the caller hears */
	double mos, loss_pct;              /* ENDED */
};

struct rep_fact {
	int64_t time_us;
	uint64_t seq, id;
	uint32_t value;
	uint8_t kind, result, by, agent, queue, flag; /* agent, queue: index into ids plus 1; 0 none */
};
struct rep_id {
	char s[40];
};

struct rep_ix {
	struct rep_fact *facts; /* sorted by time, kind, seq */
	struct rep_id *ids;
	char *path; /* key 0 value 0 ... */
	uint32_t n_facts, cap_facts, n_ids, cap_ids, path_used, cap_path;
	uint32_t cut;           /* facts that found no room */
	int channel, direction; /* of common.v1; 0 not known yet */
	char customer_number[64], customer_name[REP_TEXT], dialled_number[64];
	double mos, loss_pct;
};

/** Room that *ev may take. The caller makes cap_* at least this, then calls rep_add. */
struct rep_room {
	uint32_t facts, ids, path;
};
struct rep_room rep_room(const struct rep_ix *ix, const struct rep_event *ev);
/** False: it was known already or is beyond a bound, and nothing has changed. */
bool rep_add(struct rep_ix *ix, const struct rep_event *ev);

enum rep_seg_kind {
	REP_SEG_NONE,
	REP_SEG_MENU,
	REP_SEG_QUEUE,
	REP_SEG_RING,
	REP_SEG_TALK,
	REP_SEG_HOLD,
	REP_SEG_WRAP_UP,
	REP_SEG_DIAL
};
struct rep_seg { /* kinds as in report.v1.SegmentKind */
	enum rep_seg_kind kind;
	enum rep_result result;
	uint8_t agent, queue;   /* as in facts */
	int64_t from_us, to_us; /* to 0: still open */
};
/* One stay in a queue. */
struct rep_visit {
	uint8_t queue, agent;
	enum rep_result result; /* NONE: still waiting */
	int64_t from_us, to_us;
	uint32_t threshold_ms; /* service level at that time; 0 none */
	int64_t talk_ms, held_ms, wrap_ms;
};
/* One contact with an agent. */
struct rep_work {
	uint8_t agent, queue;
	int8_t visit; /* -1: none */
	bool released;
	int64_t from_us, to_us; /* to 0: still connected */
	int64_t talk_ms, held_ms, wrap_ms;
};
struct rep_row {
	bool known;                   /* it has begun in what was read of the ledger; else the row means nothing */
	bool final;                   /* ended, and nothing more is due (wrap-up) */
	int64_t started_us, ended_us; /* ended 0: open */
	int64_t last_us;              /* latest fact */
	enum rep_result outcome, ended_by;
	uint8_t queue, agent; /* the last */
	uint32_t agents;
	int64_t menu_ms, wait_ms, talk_ms, held_ms, wrap_ms, duration_ms;
	uint8_t waiting, talking, talking_agent; /* the queue in which it waits or is talked to, now */
	int64_t waiting_since_us;
	uint32_t n_segs, n_visits, n_works;
	struct rep_seg segs[REP_SEGS_MAX];
	struct rep_visit visits[REP_VISITS_MAX];
	struct rep_work works[REP_WORKS_MAX];
};
void rep_build(const struct rep_ix *ix, struct rep_row *row);
/** The id an index of a fact, segment or visit means; "" for 0. */
const char *rep_id(const struct rep_ix *ix, uint8_t index);
#endif
