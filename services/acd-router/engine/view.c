/* Reading the state. */
#include "state.h"

struct acd_note acd_item_note(const struct acd *e, uint32_t item_ref)
{
	return acd_pool_note_get(&e->items, item_ref);
}

struct acd_note acd_queue_note(const struct acd *e, struct acd_id queue)
{
	return acd_pool_note_get(&e->queues, acd_pool_find(&e->queues, queue));
}

struct acd_note acd_agent_note(const struct acd *e, struct acd_id agent)
{
	return acd_pool_note_get(&e->agents, acd_pool_find(&e->agents, agent));
}

struct acd_note acd_reason_note(const struct acd *e, struct acd_id reason)
{
	return acd_pool_note_get(&e->reasons, acd_pool_find(&e->reasons, reason));
}

uint64_t acd_queue_revision(const struct acd *e, struct acd_id queue)
{
	return acd_q(e, acd_pool_find(&e->queues, queue))->cfg.revision;
}

uint64_t acd_agent_revision(const struct acd *e, struct acd_id agent)
{
	return acd_a(e, acd_pool_find(&e->agents, agent))->revision;
}

static struct acd_item_view item_view(const struct acd *e, uint32_t ii)
{
	const struct acd_item *it = acd_i(e, ii);
	struct acd_item_view v = { .item = it->id,
				   .queue = acd_q(e, it->queue)->cfg.id,
				   .only_agent = it->only_agent,
				   .channel = it->channel,
				   .priority = it->priority,
				   .position = acd_item_position(e, it),
				   .item_ref = ii,
				   .queued_at_us = it->queued_at_us,
				   .entered_us = it->entered_us };
	if (it->offers)
		v.offered_agent = acd_a(e, acd_c(e, it->offers)->agent)->id;
	return v;
}

bool acd_item_get(const struct acd *e, struct acd_id item, struct acd_item_view *ret)
{
	uint32_t ii = acd_pool_find(&e->items, item);
	if (ii)
		*ret = item_view(e, ii);
	return ii != 0;
}

size_t acd_queue_items(const struct acd *e, struct acd_id queue, struct acd_item_view *out, size_t max)
{
	uint32_t qi = acd_pool_find(&e->queues, queue);
	if (!qi)
		return 0;
	const struct acd_queue *q = acd_q(e, qi);
	size_t n = 0;
	for (uint32_t ii = q->items; ii && n < max; ii = acd_i(e, ii)->next) /* offered, or meant for one agent */
		if (!acd_i(e, ii)->waiting || acd_i(e, ii)->directed)
			out[n++] = item_view(e, ii);
	struct acd_walk w;
	acd_walk_from(&w, e->item_nodes, q->waiting, 0);
	for (uint32_t ii; n < max && (ii = acd_walk_next(&w, e->item_nodes));)
		out[n++] = item_view(e, ii);
	return q->n_items;
}

static bool next_live(const struct acd_pool *p, uint32_t *pos)
{
	while (++*pos <= p->top)
		if (p->live[*pos])
			return true;
	return false;
}

bool acd_queue_next(const struct acd *e, uint32_t *pos, struct acd_queue_view *ret)
{
	if (!next_live(&e->queues, pos))
		return false;
	const struct acd_queue *q = acd_q(e, *pos);
	*ret = (struct acd_queue_view){ q->cfg.id, q->n_items - q->n_offered, q->n_offered, q->signed_in,
					acd_tree_size(e->member_nodes, q->eligible) };
	return true;
}

bool acd_agent_next(const struct acd *e, uint32_t *pos, struct acd_id *ret)
{
	if (!next_live(&e->agents, pos))
		return false;
	*ret = acd_a(e, *pos)->id;
	return true;
}

bool acd_reason_next(const struct acd *e, uint32_t *pos, struct acd_id *ret)
{
	if (!next_live(&e->reasons, pos))
		return false;
	memcpy(ret, acd_pool_at(&e->reasons, *pos), sizeof(*ret));
	return true;
}

struct acd_counts acd_counts_get(const struct acd *e)
{
	return (struct acd_counts){ e->queues.used,   e->agents.used, e->items.used,
				    e->contacts.used, e->n_offers,    e->n_waiting };
}

bool acd_agent_in_queue(const struct acd *e, struct acd_id agent, struct acd_id queue)
{
	uint32_t ai = acd_pool_find(&e->agents, agent);
	return ai && acd_member_find(e, acd_a(e, ai), queue);
}

size_t acd_agent_places(const struct acd *e, struct acd_id agent, struct acd_agent_place *out, size_t max)
{
	uint32_t ai = acd_pool_find(&e->agents, agent);
	size_t n = 0;
	for (uint32_t mi = ai ? acd_a(e, ai)->members : 0; mi && n < max; mi = acd_m(e, mi)->next_of_agent) {
		const struct acd_member *m = acd_m(e, mi);
		if (!m->queue)
			continue;
		const struct acd_queue *q = acd_q(e, m->queue);
		struct acd_agent_place *p = &out[n++];
		*p = (struct acd_agent_place){ .queue = q->cfg.id,
					       .eligible = acd_tree_size(e->member_nodes, q->eligible),
					       .waiting = acd_tree_size(e->item_nodes, q->waiting),
					       .why = (uint8_t)acd_why_not(e, acd_a(e, ai)) };
		if (m->eligible)
			p->place = acd_tree_below(e->member_nodes, q->eligible, &e->member_nodes[mi].key, NULL) + 1;
	}
	return n;
}
