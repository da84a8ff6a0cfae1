/** The engine's state, open so that tests can look at it. Entities live in pools and know each other by index; index
 *  0 is nobody. A restored engine gives the same index to the same newcomer, and all order comes from serial numbers
 *  or lists: it decides the same. */
#ifndef ACD_STATE_H
#define ACD_STATE_H
#include "acd.h"
#include "pool.h"
#include "tree.h"

#define ACD_FAIL_REST_US (1 * PL_US_PER_S) /* an agent whose device failed is left alone at least so long */
#define ACD_PENALTY_SHIFT 32

enum acd_contact_state { ACD_C_OFFERED = 1, ACD_C_CONNECTED, ACD_C_WRAP_UP };
enum acd_timer_kind { ACD_T_CONTACT = 1, ACD_T_ITEM, ACD_T_AGENT, ACD_T_N };

/** What an agent has in hand: an offer, then a contact, then its wrap-up. It outlives the item. */
struct acd_contact {
	struct acd_id id; /* of the interaction; several agents may have the same in hand */
	struct acd_id offer, queue;
	uint64_t fence;
	uint32_t agent, item, next_of_item; /* item: only while offered */
	uint8_t state, channel;
	int64_t offered_us, since_us, due_us, wrap_us;
};

/** An interaction that waits or is being offered. */
struct acd_item {
	struct acd_id id, only_agent;
	uint64_t serial;
	uint32_t queue, prev, next; /* all items of the queue, oldest first */
	uint32_t offers, n_offers;
	uint32_t directed; /* agent in whose tree it waits; 0: the queue's */
	int32_t priority;
	uint16_t ring_penalty; /* of the present round of ring all */
	uint8_t channel, waiting, n_tried;
	int64_t queued_at_us, entered_us, due_us;
	int64_t bonus_us;              /* it counts as having waited so much longer */
	int64_t prefer_us, leave_us;   /* when it stops waiting for one agent alone; when it leaves; 0: never */
	uint64_t tried[ACD_TRIED_MAX]; /* serials of agents, oldest first */
};

struct acd_member {
	struct acd_id queue_id;
	uint64_t serial;
	uint32_t queue; /* 0: that queue does not exist (yet) */
	uint32_t agent, next_of_agent, prev, next;
	uint16_t penalty, rank;
	uint8_t eligible; /* is in the queue's tree */
	uint64_t turn, answered;
	int64_t last_us; /* when a contact of this queue last began or ended */
};

struct acd_shown { /* what the last AGENT_STATE effect said */
	struct acd_id reason, next_reason;
	uint64_t hands_rev;
	uint8_t state, next_state, missed, device, presence;
	int64_t since_us;
};

struct acd_agent {
	struct acd_id id;
	uint64_t revision, serial;
	uint8_t kind, chosen, device, presence, missed, enabled, deleted, dirty;
	uint8_t cap[ACD_CH_N], used[ACD_CH_N];
	uint8_t over[ACD_CH_N]; /* what it had in hand when its capacity was last configured: it may end that in peace
				 */
	uint8_t n_hands;
	uint16_t open, hands_mask; /* channels: open for offers and listed in the trees; in hand */
	uint32_t missed_in_row, members, n_members, directed, dirty_next;
	uint32_t hands[ACD_HANDS_MAX];
	uint64_t hands_rev;
	struct acd_id reason;
	int64_t idle_since_us, due_us /* rests until */, signed_in_us;
	char phone[ACD_PHONE_LEN];
	struct acd_shown shown;
};

struct acd_queue {
	struct acd_queue_cfg cfg; /* begins with the id */
	uint64_t serial, turn, answered_floor;
	uint32_t items, items_last, n_items, n_offered;
	uint32_t members, members_last, n_members, signed_in;
	uint32_t eligible, waiting; /* roots */
	uint32_t head;              /* first of waiting */
	uint32_t drain_next;
	const char *drain; /* why everybody leaves now, NULL: nobody has to */
	uint8_t draining;  /* is on the drain list */
};

struct acd_reason {
	struct acd_id id;
};

struct acd_timer {
	int64_t due_us;
	uint64_t serial;
	uint32_t kind, idx;
};

struct acd {
	struct acd_limits lim;
	struct acd_pool queues, agents, members, items, contacts, reasons;
	struct acd_node *member_nodes, *item_nodes;
	struct acd_timer *heap;
	uint32_t *heap_pos[ACD_T_N];
	uint32_t n_heap;
	uint32_t dirty_first, dirty_last, n_unsynced;
	uint32_t drain_first, drain_last;
	uint64_t seq, version, serial, fence, rng;
	int64_t now_us, epoch_us;
	uint32_t n_offers, n_waiting;
	uint8_t starved;         /* somebody was not served because the pool of contacts was used up */
	struct acd_fx_list *out; /* only inside acd_apply() */
};

static inline struct acd_queue *acd_q(const struct acd *e, uint32_t i)
{
	return acd_pool_at(&e->queues, i);
}
static inline struct acd_agent *acd_a(const struct acd *e, uint32_t i)
{
	return acd_pool_at(&e->agents, i);
}
static inline struct acd_member *acd_m(const struct acd *e, uint32_t i)
{
	return acd_pool_at(&e->members, i);
}
static inline struct acd_item *acd_i(const struct acd *e, uint32_t i)
{
	return acd_pool_at(&e->items, i);
}
static inline struct acd_contact *acd_c(const struct acd *e, uint32_t i)
{
	return acd_pool_at(&e->contacts, i);
}

/* effects.c */
struct acd_fx *acd_fx_add(struct acd *e, enum acd_fx_kind kind);
bool acd_fx_room(const struct acd *e, size_t limit); /* for one more step of background work */
void acd_refuse(struct acd *e, struct acd_id item, struct acd_id agent, const char *why);
void acd_reason_copy(char dst[ACD_REASON_LEN], const char *src);

/* snap.c */
uint64_t acd_checksum(const uint8_t *p, size_t n);

/* timer.c */
void acd_timer_set(struct acd *e, enum acd_timer_kind kind, uint32_t idx, int64_t due_us);
void acd_timer_clear(struct acd *e, enum acd_timer_kind kind, uint32_t idx);

/* agent.c */
enum acd_state acd_agent_state(const struct acd *e, const struct acd_agent *a);
void acd_agent_status(const struct acd *e, const struct acd_agent *a, struct acd_status *ret);
uint16_t acd_agent_open(const struct acd *e, const struct acd_agent *a);
void acd_agent_sync(struct acd *e, uint32_t ai);  /* trees and open mask as the state says */
void acd_agent_less(struct acd *e, uint32_t ai);  /* leaves trees it must not be in any more, joins none */
void acd_agent_touch(struct acd *e, uint32_t ai); /* may have become free: looked at before the input is done */
void acd_agent_show(struct acd *e, uint32_t ai, const char *cause, struct acd_id by);
void acd_agent_input(struct acd *e, const struct acd_in_agent *in);
void acd_agent_presence(struct acd *e, const struct acd_in_presence *in);
void acd_agent_offline(struct acd *e, uint32_t ai, const char *cause, struct acd_id by);
void acd_agent_chosen(struct acd *e, struct acd_agent *a, uint8_t state);
void acd_agent_rest_over(struct acd *e, uint32_t ai);

/* config.c */
void acd_queue_put(struct acd *e, const struct acd_in_queue *in);
void acd_agent_put(struct acd *e, const struct acd_in_agent_put *in);
void acd_agent_free(struct acd *e, uint32_t ai);
void acd_reason_put(struct acd *e, const struct acd_in_reason *in);
void acd_queue_free(struct acd *e, uint32_t qi);

/* member.c */
void acd_member_link(struct acd *e, uint32_t mi); /* into its queue, if that exists */
void acd_member_unlink(struct acd *e, uint32_t mi);
void acd_member_list(struct acd *e, uint32_t mi); /* into the tree of the eligible */
struct acd_key acd_member_key(const struct acd *e, const struct acd_queue *q, const struct acd_member *m);
void acd_member_unlist(struct acd *e, uint32_t mi);
uint32_t acd_member_find(const struct acd *e, const struct acd_agent *a, struct acd_id queue);
void acd_member_signed(struct acd *e, struct acd_agent *a, int by); /* +1, -1 in all its queues */

/* item.c */
void acd_enqueue(struct acd *e, const struct acd_in_enqueue *in);
void acd_cancel(struct acd *e, const struct acd_in_cancel *in);
void acd_priority(struct acd *e, const struct acd_in_priority *in);
void acd_assign(struct acd *e, const struct acd_in_assign *in);
void acd_item_list(struct acd *e, uint32_t ii); /* into the tree where it waits */
void acd_item_unlist(struct acd *e, uint32_t ii);
void acd_item_leave(struct acd *e, uint32_t ii, const char *reason, enum acd_outcome offers_end);
void acd_item_due(struct acd *e, uint32_t ii);
void acd_item_done(struct acd *e, uint32_t ii); /* without offers: gone without a word */
uint32_t acd_item_position(const struct acd *e, const struct acd_item *it);
extern const char acd_drain_empty[], acd_drain_closed[];
void acd_queue_drain(struct acd *e, uint32_t qi, const char *reason); /* one of the two */
bool acd_drain_step(struct acd *e);

/* offer.c */
/** mi 0: the agent need not be a member. False: no room for another contact. */
bool acd_offer(struct acd *e, uint32_t ii, uint32_t ai, uint32_t mi, struct acd_fx *decision);
/** The agent is free of it; the item may be left without offers, which the caller must mend. */
void acd_offer_end(struct acd *e, uint32_t ci, enum acd_outcome outcome, const char *reason);
/** The same, and the item waits again if this was its last offer. */
void acd_offer_lost(struct acd *e, uint32_t ci, enum acd_outcome outcome, const char *reason);
void acd_reply(struct acd *e, const struct acd_in_reply *in);
void acd_ended(struct acd *e, const struct acd_in_ended *in);
void acd_alive(struct acd *e, const struct acd_in_alive *in);
void acd_contact_due(struct acd *e, uint32_t ci);
void acd_contact_release(struct acd *e, uint32_t ci); /* wrap-up over, or none */

/* match.c */
bool acd_match_item(struct acd *e, uint32_t ii); /* a waiting item looks for agents; true: it found some */
bool acd_starved_step(struct acd *e);
bool acd_match_step(struct acd *e); /* agents that may have become free look for items */

/* apply.c */
void acd_pending(struct acd *e, size_t limit);

/* pick.c */
uint32_t acd_pick(struct acd *e, const struct acd_queue *q, const struct acd_item *it); /* member, 0: none */
size_t acd_pick_all(const struct acd *e, const struct acd_queue *q, const struct acd_item *it, uint32_t *out,
		    size_t max);
int64_t acd_member_score(const struct acd *e, const struct acd_queue *q, const struct acd_member *m);
enum acd_why acd_why_not(const struct acd *e, const struct acd_agent *a);
struct acd_fx *acd_decide(struct acd *e, uint32_t ii, uint32_t ai, uint32_t mi);
bool acd_tried(const struct acd_item *it, uint64_t agent_serial);
#endif
