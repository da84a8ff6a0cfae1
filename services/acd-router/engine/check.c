/* The invariants. Every walk is bounded, so that a damaged snapshot is found out and not followed in circles. */
#include "state.h"

#define OVERDUE_US (5 * PL_US_PER_S) /* time to heal: a leader that dies is replaced within 3 s */

#define NEED(cond, what)                                                                                               \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			return what;                                                                                   \
	} while (0)

struct sums {
	uint32_t items, contacts, offers, waiting, members;
};

static const char *check_heap(const struct acd *e)
{
	for (uint32_t i = 1; i <= e->n_heap; i++) {
		const struct acd_timer *t = &e->heap[i];
		NEED(e->heap_pos[t->kind][t->idx] == i, "a timer does not know its place");
		NEED(i == 1 || e->heap[i / 2].due_us <= t->due_us, "timers are out of order");
	}
	return NULL;
}

static const char *check_offers(const struct acd *e, uint32_t ii, uint32_t *ret_n)
{
	const struct acd_item *it = acd_i(e, ii);
	uint32_t n = 0;
	for (uint32_t ci = it->offers; ci && n <= e->contacts.used; ci = acd_c(e, ci)->next_of_item, n++) {
		const struct acd_contact *c = acd_c(e, ci);
		NEED(e->contacts.live[ci] && c->state == ACD_C_OFFERED && c->item == ii,
		     "an item lists an offer that is not its own");
		NEED(acd_id_eq(c->id, it->id), "an offer is of another interaction");
	}
	NEED(n == it->n_offers, "an item counts its offers wrong");
	*ret_n += n;
	return NULL;
}

static bool in_tree(const struct acd_node *nodes, uint32_t root, uint32_t i)
{
	return acd_tree_nth(nodes, root, acd_tree_below(nodes, root, &nodes[i].key, NULL)) == i;
}

static const char *check_item(const struct acd *e, uint32_t ii)
{
	const struct acd_item *it = acd_i(e, ii);
	const struct acd_queue *q = acd_q(e, it->queue);
	NEED(it->queue && e->queues.live[it->queue], "an item is in no queue");
	NEED(acd_pool_find(&e->items, it->id) == ii, "an item is there twice");
	NEED(it->waiting == (it->offers == 0), "an item neither waits nor is offered");
	NEED(!it->directed || (e->agents.live[it->directed] && acd_id_eq(acd_a(e, it->directed)->id, it->only_agent)),
	     "an item is meant for an agent who does not exist");
	if (it->waiting)
		NEED(in_tree(e->item_nodes, it->directed ? acd_a(e, it->directed)->directed : q->waiting, ii),
		     "a waiting item is not in its order");
	NEED((it->due_us != 0) == (e->heap_pos[ACD_T_ITEM][ii] != 0), "an item's longest wait has no timer");
	return NULL;
}

static const char *check_queue_items(const struct acd *e, uint32_t qi, struct sums *sum)
{
	const struct acd_queue *q = acd_q(e, qi);
	uint32_t n = 0, offered = 0, waiting = 0, prev = 0;
	for (uint32_t ii = q->items; ii && n <= e->items.used; prev = ii, ii = acd_i(e, ii)->next, n++) {
		const struct acd_item *it = acd_i(e, ii);
		NEED(e->items.live[ii] && it->queue == qi && it->prev == prev, "an item is in two queues");
		offered += it->offers != 0;
		waiting += it->waiting && !it->directed;
		sum->waiting += it->waiting;
		const char *bad = check_offers(e, ii, &sum->offers);
		bad = bad ? bad : check_item(e, ii);
		NEED(!bad, bad);
	}
	sum->items += n;
	NEED(n == q->n_items && q->items_last == prev, "a queue counts its items wrong");
	NEED(offered == q->n_offered, "a queue counts its offered items wrong");
	NEED(waiting == acd_tree_size(e->item_nodes, q->waiting), "a queue's order misses somebody");
	NEED(q->head == acd_tree_first(e->item_nodes, q->waiting), "a queue's first is not its first");
	return NULL;
}

static const char *check_member(const struct acd *e, uint32_t mi, uint32_t qi)
{
	const struct acd_member *m = acd_m(e, mi);
	const struct acd_queue *q = acd_q(e, qi);
	NEED(e->members.live[mi] && m->queue == qi && e->agents.live[m->agent], "a queue lists a stranger");
	const struct acd_agent *a = acd_a(e, m->agent);
	if (a->dirty)
		return NULL;
	bool want = q->cfg.enabled && acd_agent_open(e, a) & 1u << q->cfg.channel;
	NEED(want == m->eligible, "a free agent is not listed, or a busy one is");
	if (m->eligible) {
		struct acd_key k = acd_member_key(e, q, m), has = e->member_nodes[mi].key;
		NEED(k.a == has.a && k.b == has.b && in_tree(e->member_nodes, q->eligible, mi),
		     "an agent is listed at a wrong place");
	}
	return NULL;
}

static const char *check_queue(const struct acd *e, uint32_t qi, struct sums *sum)
{
	const struct acd_queue *q = acd_q(e, qi);
	uint32_t n = 0, eligible = 0, signed_in = 0, prev = 0;
	for (uint32_t mi = q->members; mi && n <= e->members.used; prev = mi, mi = acd_m(e, mi)->next, n++) {
		const char *bad = check_member(e, mi, qi);
		NEED(!bad, bad);
		NEED(acd_m(e, mi)->prev == prev, "a queue's members are chained wrong");
		eligible += acd_m(e, mi)->eligible;
		signed_in += acd_a(e, acd_m(e, mi)->agent)->chosen != ACD_ST_OFFLINE;
	}
	NEED(n == q->n_members && q->members_last == prev, "a queue counts its members wrong");
	NEED(eligible == acd_tree_size(e->member_nodes, q->eligible), "a queue counts its eligible agents wrong");
	NEED(signed_in == q->signed_in, "a queue counts who is signed in wrong");
	NEED(!q->waiting || !q->eligible || e->dirty_first || e->contacts.used == e->contacts.cap,
	     "a free eligible agent while somebody waits");
	return check_queue_items(e, qi, sum);
}

static const char *check_contact(const struct acd *e, uint32_t ci, uint32_t ai)
{
	const struct acd_contact *c = acd_c(e, ci);
	NEED(e->contacts.live[ci] && c->agent == ai, "an agent has a contact of somebody else");
	NEED(c->state != ACD_C_OFFERED || (c->item && e->items.live[c->item]), "an offer without an item");
	NEED(c->state == ACD_C_OFFERED || !c->item, "a contact still holds its item");
	NEED(c->state == ACD_C_CONNECTED || c->due_us != 0, "an offer or wrap-up without an end");
	NEED((c->due_us != 0) == (e->heap_pos[ACD_T_CONTACT][ci] != 0), "an offer or wrap-up without a timer");
	return NULL;
}

static const char *check_agent(const struct acd *e, uint32_t ai, struct sums *sum)
{
	const struct acd_agent *a = acd_a(e, ai);
	uint8_t used[ACD_CH_N] = { 0 };
	NEED(a->n_hands <= ACD_HANDS_MAX, "an agent has too much in hand");
	for (unsigned i = 0; i < a->n_hands; i++) {
		const char *bad = check_contact(e, a->hands[i], ai);
		NEED(!bad, bad);
		used[acd_c(e, a->hands[i])->channel]++;
	}
	sum->contacts += a->n_hands;
	for (unsigned ch = 0; ch < ACD_CH_N; ch++) {
		NEED(used[ch] == a->used[ch], "an agent counts what it has in hand wrong");
		NEED(a->used[ch] <= PL_MAX(a->cap[ch], a->over[ch]), "an agent above its capacity");
		NEED((used[ch] != 0) == ((a->hands_mask >> ch & 1) != 0), "an agent's channels in hand are wrong");
	}
	NEED((a->due_us != 0) == (e->heap_pos[ACD_T_AGENT][ai] != 0), "an agent rests without a timer");
	NEED(!a->deleted || a->n_hands || a->dirty, "a deleted agent with nothing in hand");
	NEED(a->dirty || a->open == acd_agent_open(e, a), "an agent's openness is stale");
	NEED(a->chosen == ACD_ST_OFFLINE || a->chosen == ACD_ST_READY || a->chosen == ACD_ST_PAUSED,
	     "an agent in no state");
	uint32_t n = 0;
	for (uint32_t mi = a->members; mi && n <= e->members.used; mi = acd_m(e, mi)->next_of_agent, n++)
		NEED(e->members.live[mi] && acd_m(e, mi)->agent == ai, "an agent has a membership of somebody else");
	NEED(n == a->n_members, "an agent counts its memberships wrong");
	sum->members += n;
	uint32_t ii = a->directed && !a->dirty && acd_tree_size(e->item_nodes, a->directed) == 1 ? a->directed : 0;
	NEED(!ii || !(acd_agent_open(e, a) & 1u << acd_q(e, acd_i(e, ii)->queue)->cfg.channel) ||
		     e->contacts.used == e->contacts.cap,
	     "a free agent while somebody waits for it");
	return NULL;
}

const char *acd_check(const struct acd *e, int64_t now_us)
{
	struct sums sum = { 0 };
	const char *bad = check_heap(e);
	for (uint32_t i = 1; !bad && i <= e->queues.top; i++)
		if (e->queues.live[i])
			bad = check_queue(e, i, &sum);
	for (uint32_t i = 1; !bad && i <= e->agents.top; i++)
		if (e->agents.live[i])
			bad = check_agent(e, i, &sum);
	NEED(!bad, bad);
	NEED(sum.items == e->items.used, "an item is in no queue's list");
	NEED(sum.contacts == e->contacts.used, "an offer without an owner");
	NEED(sum.offers == e->n_offers && sum.waiting == e->n_waiting, "the totals are wrong");
	NEED(sum.members == e->members.used, "a membership without an agent");
	NEED(e->n_heap == 0 || now_us - e->heap[1].due_us < OVERDUE_US, "a lease is overdue");
	return NULL;
}
