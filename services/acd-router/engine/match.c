/* Bringing together. At rest no queue has both a waiting item and an eligible agent. So when an item comes, the order
 * of the agents decides (pick.c), and when an agent becomes free, the order of the items decides. */
#include "state.h"

#define RINGING_LOOKED_AT 8
#define DIRECTED_LOOKED_AT 8

/* False: every contact there may be is in somebody's hands. All who are free look again as soon as one is given back.
 */
static bool contact_room(struct acd *e)
{
	bool room = e->contacts.used < e->contacts.cap;
	e->starved |= !room;
	return room;
}

static bool match_directed(struct acd *e, uint32_t ii)
{
	const struct acd_item *it = acd_i(e, ii);
	uint16_t open = acd_agent_open(e, acd_a(e, it->directed));
	if (!(open & 1u << acd_q(e, it->queue)->cfg.channel) || !contact_room(e))
		return false;
	return acd_offer(e, ii, it->directed, 0, acd_decide(e, ii, it->directed, 0));
}

static bool match_all(struct acd *e, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	uint32_t mis[ACD_RING_MAX];
	size_t n = acd_pick_all(e, acd_q(e, it->queue), it, mis, ACD_RING_MAX);
	if (n == 0 || !contact_room(e))
		return false;
	it->ring_penalty = acd_m(e, mis[0])->penalty;
	struct acd_fx *d = acd_decide(e, ii, acd_m(e, mis[0])->agent, mis[0]);
	for (size_t i = 0; i < n; i++)
		if (!acd_offer(e, ii, acd_m(e, mis[i])->agent, mis[i], d))
			break;
	return true;
}

bool acd_match_item(struct acd *e, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	const struct acd_queue *q = acd_q(e, it->queue);
	if (it->directed)
		return match_directed(e, ii);
	if (q->head != ii || !q->eligible) /* somebody waits already: agents that are free now look for that one */
		return false;
	if (q->cfg.strategy == ACD_S_RING_ALL)
		return match_all(e, ii);
	if (!contact_room(e))
		return false;
	uint32_t mi = acd_pick(e, q, it), ai = acd_m(e, mi)->agent;
	return acd_offer(e, ii, ai, mi, acd_decide(e, ii, ai, mi));
}

static uint32_t best_directed(const struct acd *e, const struct acd_agent *a, uint16_t open)
{
	struct acd_walk w;
	unsigned looked = DIRECTED_LOOKED_AT;
	acd_walk_from(&w, e->item_nodes, a->directed, 0);
	for (uint32_t ii; looked > 0 && (ii = acd_walk_next(&w, e->item_nodes)); looked--)
		if (open & 1u << acd_q(e, acd_i(e, ii)->queue)->cfg.channel)
			return ii;
	return 0;
}

/* Across the agent's queues: weight, then the items' own order. */
static uint32_t best_waiting(const struct acd *e, const struct acd_agent *a, uint16_t open, uint32_t *ret_mi)
{
	uint32_t best = 0;
	const struct acd_queue *of = NULL;
	for (uint32_t mi = a->members; mi; mi = acd_m(e, mi)->next_of_agent) {
		const struct acd_member *m = acd_m(e, mi);
		if (!m->queue)
			continue;
		const struct acd_queue *q = acd_q(e, m->queue);
		if (!q->head || !(open & 1u << q->cfg.channel) || !q->cfg.enabled)
			continue;
		if (best && (q->cfg.weight < of->cfg.weight ||
			     (q->cfg.weight == of->cfg.weight &&
			      !acd_key_less(&e->item_nodes[q->head].key, &e->item_nodes[best].key))))
			continue;
		best = q->head;
		of = q;
		*ret_mi = mi;
	}
	return best;
}

static bool rings_at(const struct acd *e, const struct acd_item *it, uint32_t ai)
{
	for (uint32_t ci = it->offers; ci; ci = acd_c(e, ci)->next_of_item)
		if (acd_c(e, ci)->agent == ai)
			return true;
	return false;
}

static bool may_join(const struct acd *e, const struct acd_item *it, uint32_t ai, const struct acd_member *m)
{
	return it->offers && !it->directed && it->n_offers < ACD_RING_MAX && m->penalty <= it->ring_penalty &&
	       !acd_tried(it, acd_a(e, ai)->serial) && !rings_at(e, it, ai);
}

/* Ring all: who becomes free while it rings, rings too. */
static bool join_ringing(struct acd *e, uint32_t ai, uint16_t open)
{
	for (uint32_t mi = acd_a(e, ai)->members; mi; mi = acd_m(e, mi)->next_of_agent) {
		const struct acd_member *m = acd_m(e, mi);
		const struct acd_queue *q = m->queue ? acd_q(e, m->queue) : NULL;
		if (!q || q->cfg.strategy != ACD_S_RING_ALL || !q->n_offered || !(open & 1u << q->cfg.channel) ||
		    !q->cfg.enabled)
			continue;
		unsigned looked = RINGING_LOOKED_AT;
		for (uint32_t ii = q->items; ii && looked > 0; ii = acd_i(e, ii)->next, looked--)
			if (may_join(e, acd_i(e, ii), ai, m) && contact_room(e))
				return acd_offer(e, ii, ai, mi, acd_decide(e, ii, ai, mi));
	}
	return false;
}

static void sync_dirty(struct acd *e)
{
	for (uint32_t ai = e->dirty_first; ai && e->n_unsynced > 0; ai = acd_a(e, ai)->dirty_next) {
		if (acd_a(e, ai)->dirty != 1)
			continue;
		acd_agent_sync(e, ai);
		acd_a(e, ai)->dirty = 2;
		e->n_unsynced--;
	}
}

static bool serve(struct acd *e, uint32_t ai, bool alone)
{
	struct acd_agent *a = acd_a(e, ai);
	uint16_t open = acd_agent_open(e, a);
	uint32_t mi = 0, ii;
	if (!open)
		return false;
	if (a->directed && (ii = best_directed(e, a, open)))
		return acd_match_item(e, ii);
	ii = best_waiting(e, a, open, &mi);
	if (!ii)
		return join_ringing(e, ai, open);
	if (!alone || acd_q(e, acd_i(e, ii)->queue)->eligible) {
		sync_dirty(e);
		return acd_match_item(e, ii);
	}
	/* The common case under load: nobody else is free, so the agent need not be listed in its queues' orders to
	 * be found. */
	return contact_room(e) && acd_offer(e, ii, ai, mi, acd_decide(e, ii, ai, mi));
}

bool acd_match_step(struct acd *e)
{
	uint32_t ai = e->dirty_first;
	if (!ai)
		return false;
	struct acd_agent *a = acd_a(e, ai);
	bool alone = e->dirty_last == ai;
	if (!alone)
		sync_dirty(e);
	if (serve(e, ai, alone))
		return true;
	sync_dirty(e);
	e->dirty_first = a->dirty_next;
	if (!e->dirty_first)
		e->dirty_last = 0;
	a->dirty = 0;
	a->dirty_next = 0;
	if (a->deleted && a->n_hands == 0)
		acd_agent_free(e, ai);
	return true;
}

bool acd_starved_step(struct acd *e)
{
	if (!e->starved || e->contacts.used == e->contacts.cap)
		return false;
	e->starved = 0;
	for (uint32_t ai = 1; ai <= e->agents.top; ai++)
		if (e->agents.live[ai] && acd_agent_open(e, acd_a(e, ai)))
			acd_agent_touch(e, ai);
	return true;
}
