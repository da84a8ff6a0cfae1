/** Who gets which interaction, of every channel. Pure: no I/O, clock, log, heap or globals.
 *  Use        acd_apply(state, input, now, sequence) changes the state and lists effects. The same inputs with the
 *             same times give bit-identical effects on every machine; a restored snapshot goes on exactly as the
 *             original.
 *  Units      times are UTC microseconds as the input log stored them (_us); they never go back inside the engine.
 *  Ownership  the caller owns the one block of memory the engine lives in; nothing else is allocated. Notes (names,
 *             addresses, customer data) are opaque bytes the engine carries for the caller.
 *  Bounds     struct acd_limits; an input that finds its pool full is refused with the effect ACD_FX_REFUSED.
 *  Errors     inputs are never errors: what cannot be done is refused or has no effect.
 *  Cost       a decision is O(m log n): m memberships of the agent, n members or waiting items of a queue. */
#ifndef ACD_ENGINE_H
#define ACD_ENGINE_H
#include <parley/base.h>

struct acd_id { /* a UUID in network order; all zero: none */
	uint64_t hi, lo;
};
static inline bool acd_id_eq(struct acd_id a, struct acd_id b)
{
	return a.hi == b.hi && a.lo == b.lo;
}
static inline bool acd_id_none(struct acd_id a)
{
	return !(a.hi | a.lo);
}

/* Values are those of the contract (parley.acd.v1, parley.common.v1.Channel), which the shell asserts at compile
 * time. */
enum acd_channel {
	ACD_CH_NONE,
	ACD_CH_VOICE,
	ACD_CH_CHAT,
	ACD_CH_EMAIL,
	ACD_CH_SMS,
	ACD_CH_WHATSAPP,
	ACD_CH_FAX,
	ACD_CH_OPEN,
	ACD_CH_TASK,
	ACD_CH_VIDEO,
	ACD_CH_N
};
enum acd_strategy {
	ACD_S_NONE,
	ACD_S_LONGEST_IDLE,
	ACD_S_ROUND_ROBIN,
	ACD_S_RING_ALL,
	ACD_S_LEAST_RECENT,
	ACD_S_FEWEST,
	ACD_S_RANDOM,
	ACD_S_LINEAR,
	ACD_S_WEIGHTED_RANDOM,
	ACD_S_N
};
enum acd_state {
	ACD_ST_NONE,
	ACD_ST_OFFLINE,
	ACD_ST_READY,
	ACD_ST_PAUSED,
	ACD_ST_OFFERED,
	ACD_ST_ON_CONTACT,
	ACD_ST_WRAP_UP,
	ACD_ST_N
};
enum acd_agent_kind { ACD_AK_NONE, ACD_AK_PERSON, ACD_AK_STATIC };
enum acd_device { ACD_DEV_NONE, ACD_DEV_BROWSER, ACD_DEV_PHONE, ACD_DEV_ADDRESS };
enum acd_presence { ACD_PR_NONE, ACD_PR_DESK, ACD_PR_PHONE, ACD_PR_STATIC };
enum acd_outcome {
	ACD_OUT_NONE,
	ACD_OUT_ACCEPTED,
	ACD_OUT_REJECTED,
	ACD_OUT_TIMEOUT,
	ACD_OUT_FAILED,
	ACD_OUT_ELSEWHERE,
	ACD_OUT_CANCELLED,
	ACD_OUT_N
};

#define ACD_PHONE_LEN 40       /* a phone's id and its 0 */
#define ACD_REASON_LEN 24      /* a short word of the contract ("abandoned") and its 0 */
#define ACD_CAND_MAX 16        /* candidates of one decision record */
#define ACD_HANDS_MAX 16       /* contacts and offers of one agent, all channels together */
#define ACD_RING_MAX 64        /* agents that ring at once for one item */
#define ACD_TRIED_MAX 8        /* agents an item remembers as asked in vain */
#define ACD_MEMBERSHIP_MAX 256 /* queues of one agent */
#define ACD_FX_MAX 1024 /* effects of one input; what does not fit follows with the next tick, which is due at once */

/* Pool sizes, fixed for the life of a block; 1 to 16 million each. */
struct acd_limits {
	uint32_t queues, agents, members, items, contacts, reasons;
	uint32_t queue_note, agent_note, item_note, reason_note; /* bytes, at most 65,535 */
};

/* --- inputs --- */
enum acd_in_kind {
	ACD_IN_TICK,
	ACD_IN_ENQUEUE,
	ACD_IN_CANCEL,
	ACD_IN_REPLY,
	ACD_IN_ENDED,
	ACD_IN_AGENT,
	ACD_IN_PRESENCE,
	ACD_IN_QUEUE_PUT,
	ACD_IN_AGENT_PUT,
	ACD_IN_REASON_PUT,
	ACD_IN_PRIORITY,
	ACD_IN_ASSIGN,
	ACD_IN_ALIVE,
	ACD_IN_N
};

struct acd_note {
	const void *p;
	size_t n; /* cut at the limit of the pool */
};
struct acd_in_enqueue {
	struct acd_id item, queue, only_agent;
	struct acd_id
		prefer_agent; /* only to this agent for prefer_us, if it is signed in; then to the queue's members */
	uint8_t channel;      /* NONE: the queue's */
	int32_t priority;
	int64_t queued_at_us;        /* 0: now */
	int64_t prefer_us, bonus_us; /* bonus: it counts as having waited so much longer; waits are told without */
	struct acd_note note;
};
struct acd_in_cancel {
	struct acd_id item;
	char reason[ACD_REASON_LEN];
};
struct acd_in_reply {
	struct acd_id item, offer;
	uint64_t fence;
	uint8_t outcome;
	char reason[ACD_REASON_LEN];
};
struct acd_in_ended {
	struct acd_id item, agent; /* agent none: all who have it in hand */
	bool agent_only;
};
struct acd_in_agent {
	struct acd_id agent, reason, by;
	uint8_t state; /* READY, PAUSED, OFFLINE; NONE: unchanged */
	bool start_work, end_wrap_up;
	struct acd_id wrap_up_item; /* end_wrap_up of this one; none: all */
	uint8_t device, presence;   /* start_work */
	char phone[ACD_PHONE_LEN];
};
struct acd_in_presence {
	struct acd_id agent;
	bool present;
};
struct acd_queue_cfg {
	struct acd_id id;
	uint64_t revision;
	uint8_t channel, strategy, weight;
	bool enabled, join_when_empty, leave_when_empty, deleted;
	uint32_t max_waiting, autopause_after;
	int32_t priority;
	int64_t ring_us, retry_us, wrap_up_us, max_wait_us;
};
struct acd_in_queue {
	struct acd_queue_cfg cfg;
	struct acd_note note;
};
struct acd_membership {
	struct acd_id queue;
	uint16_t penalty, rank;
};
struct acd_in_agent_put {
	struct acd_id id;
	uint64_t revision;
	uint8_t kind;
	bool enabled, deleted;
	uint8_t cap[ACD_CH_N]; /* all 0: one call */
	const struct acd_membership *members;
	size_t n_members;
	struct acd_note note;
};
struct acd_in_reason {
	struct acd_id id;
	bool deleted;
	struct acd_note note;
};
struct acd_in_priority {
	struct acd_id item;
	int32_t priority;
};
struct acd_in_assign {
	struct acd_id item, agent;
};
struct acd_in_alive {
	const struct acd_id *items;
	size_t n;
	int64_t lease_us;
};
struct acd_in {
	enum acd_in_kind kind;
	union {
		struct acd_in_enqueue enqueue;
		struct acd_in_cancel cancel;
		struct acd_in_reply reply;
		struct acd_in_ended ended;
		struct acd_in_agent agent;
		struct acd_in_presence presence;
		struct acd_in_queue queue_put;
		struct acd_in_agent_put agent_put;
		struct acd_in_reason reason_put;
		struct acd_in_priority priority;
		struct acd_in_assign assign;
		struct acd_in_alive alive;
	};
};

/* --- effects --- */
enum acd_fx_kind {
	ACD_FX_QUEUED,
	ACD_FX_OFFERED,
	ACD_FX_OFFER_ENDED,
	ACD_FX_DEQUEUED,
	ACD_FX_RELEASED,
	ACD_FX_AGENT_STATE,
	ACD_FX_DECISION,
	ACD_FX_REFUSED,
	ACD_FX_N
};

/* Why an agent was not the one. */
enum acd_why {
	ACD_WHY_OK,
	ACD_WHY_OFFLINE,
	ACD_WHY_PAUSED,
	ACD_WHY_OFFERED,
	ACD_WHY_ON_CONTACT,
	ACD_WHY_WRAP_UP,
	ACD_WHY_RESTING,
	ACD_WHY_DISABLED,
	ACD_WHY_TRIED,
	ACD_WHY_PENALTY,
	ACD_WHY_ORDER,
	ACD_WHY_N
};

struct acd_status {
	struct acd_id agent, reason, next_reason;
	uint8_t state, next_state, device, presence;
	bool missed;
	uint8_t n_items;
	char phone[ACD_PHONE_LEN];
	int64_t since_us, wrap_up_until_us, signed_in_us;
	uint64_t version;
	struct acd_id items[ACD_HANDS_MAX];
};
struct acd_cand {
	struct acd_id agent;
	int64_t score; /* in the strategy's own unit, see acd_strategy_score() */
	uint8_t why;
};
struct acd_fx_queued {
	int64_t queued_at_us;
	int32_t priority;
	uint32_t position;
};
struct acd_fx_offered {
	uint64_t fence;
	int64_t deadline_us, ring_us, queued_at_us, score;
	uint8_t strategy; /* NONE: meant for this agent only */
	uint8_t device;
	char phone[ACD_PHONE_LEN];
};
struct acd_fx_offer_ended {
	uint8_t outcome;
	char reason[ACD_REASON_LEN];
	int64_t rang_us;
};
struct acd_fx_dequeued {
	char reason[ACD_REASON_LEN];
	int64_t wait_us;
	uint32_t position;
};
struct acd_fx_released {
	int64_t wrap_up_us;
};
struct acd_fx_agent_state {
	struct acd_status status;
	uint8_t previous;
	int64_t previous_us;
	const char *cause; /* static text of the contract */
	struct acd_id by;
};
struct acd_fx_decision {
	uint8_t strategy;
	uint8_t n_cand;
	uint32_t waiting;
	struct acd_cand cand[ACD_CAND_MAX];
};
struct acd_fx_refused {
	const char *why; /* static text */
};
struct acd_fx {
	enum acd_fx_kind kind;
	uint8_t channel;
	uint32_t item_ref; /* index of the item for acd_item_note(), valid until the next input; 0: none */
	struct acd_id item, agent, queue, offer; /* what it concerns; none where it does not apply */
	union {
		struct acd_fx_queued queued;
		struct acd_fx_offered offered;
		struct acd_fx_offer_ended offer_ended;
		struct acd_fx_dequeued dequeued;
		struct acd_fx_released released;
		struct acd_fx_agent_state agent_state;
		struct acd_fx_decision decision;
		struct acd_fx_refused refused;
	};
};
struct acd_fx_list {
	size_t n;
	struct acd_fx fx[ACD_FX_MAX];
};

/* --- the engine --- */
struct acd;
/** Bytes of the block for these limits; 0: a limit is out of bounds. */
size_t acd_size(const struct acd_limits *lim);
/** block: zeroed, aligned to 16, at least acd_size() bytes; NULL when the limits are out of bounds. Untouched parts
 *  of a pool stay untouched memory. */
struct acd *acd_init(void *block, const struct acd_limits *lim);
/** seq: of the input in its log, for acd_seq() only; 0: leave it. Afterwards out holds the effects, in order. */
void acd_apply(struct acd *e, const struct acd_in *in, int64_t now_us, uint64_t seq, struct acd_fx_list *out);
/** When a tick is needed next; INT64_MAX: never; at or before now: at once. */
int64_t acd_next_due_us(const struct acd *e);
uint64_t acd_seq(const struct acd *e);     /* of the last input applied */
uint64_t acd_version(const struct acd *e); /* grows with each input and each state of an agent */
int64_t acd_epoch_us(const struct acd *e); /* time of the first input of this life; 0: none yet */
/** The 16 bytes of an id that is the same on every copy: for the n-th effect of an input. UUIDv7 in form. */
struct acd_id acd_fx_id(const struct acd *e, int64_t now_us, uint64_t seq, size_t n);

/** Why the state is not what it must be: static text, NULL when it is. now_us tells whether a lease is overdue, that
 *  is whether the engine was not told the time for long. O(size of the state). */
const char *acd_check(const struct acd *e, int64_t now_us);

/** Bytes written, 0: cap is too small (acd_save_size() is enough). Versioned, little endian, with a checksum. */
size_t acd_save_size(const struct acd *e);
size_t acd_save(const struct acd *e, void *buf, size_t cap);
/** Into a freshly initialised engine. PL_E_FORMAT: damaged, of another version, or larger than the limits; then init
 *  again. */
PL_MUST enum pl_err acd_load(struct acd *e, const void *buf, size_t n);

/* --- reading it --- */
bool acd_status_get(const struct acd *e, struct acd_id agent, struct acd_status *ret);
struct acd_note acd_item_note(const struct acd *e, uint32_t item_ref);
struct acd_note acd_queue_note(const struct acd *e, struct acd_id queue); /* n 0: unknown */
struct acd_note acd_agent_note(const struct acd *e, struct acd_id agent);
struct acd_note acd_reason_note(const struct acd *e, struct acd_id reason);
uint64_t acd_queue_revision(const struct acd *e, struct acd_id queue); /* 0: unknown */
uint64_t acd_agent_revision(const struct acd *e, struct acd_id agent);

struct acd_item_view {
	struct acd_id item, queue, offered_agent, only_agent;
	uint8_t channel;
	int32_t priority;
	uint32_t position, item_ref; /* 1: the next */
	int64_t queued_at_us, entered_us;
};
bool acd_item_get(const struct acd *e, struct acd_id item, struct acd_item_view *ret);
/** Items of a queue in their order: those being offered first, then the waiting. Writes at most max, returns how many
 *  there are. */
size_t acd_queue_items(const struct acd *e, struct acd_id queue, struct acd_item_view *out, size_t max);
struct acd_queue_view {
	struct acd_id id;
	uint32_t waiting, offered, signed_in, eligible;
};
/** The i-th queue, agent in no particular order; false past the end. Steps over holes: start with *pos 0. */
bool acd_queue_next(const struct acd *e, uint32_t *pos, struct acd_queue_view *ret);
bool acd_agent_next(const struct acd *e, uint32_t *pos, struct acd_id *ret);
bool acd_reason_next(const struct acd *e, uint32_t *pos, struct acd_id *ret);
/** Members of a queue as a decision would see them now, at most max. */
size_t acd_queue_candidates(const struct acd *e, struct acd_id queue, struct acd_cand *out, size_t max);
bool acd_agent_in_queue(const struct acd *e, struct acd_id agent, struct acd_id queue);
struct acd_agent_place {
	struct acd_id queue;
	uint32_t place, eligible, waiting; /* place 0: is not asked; then why says it */
	uint8_t why;
};
/** An agent's queues and its place in the order of each; at most max. */
size_t acd_agent_places(const struct acd *e, struct acd_id agent, struct acd_agent_place *out, size_t max);
struct acd_counts {
	uint32_t queues, agents, items, contacts, offers, waiting;
};
struct acd_counts acd_counts_get(const struct acd *e);
#endif
