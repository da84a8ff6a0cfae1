/* Memberships: the link between an agent and a queue, and its place in the queue's order of asking. */
#include "state.h"

void acd_member_link(struct acd *e, uint32_t mi)
{
	struct acd_member *m = acd_m(e, mi);
	const struct acd_agent *a = acd_a(e, m->agent);
	m->queue = acd_pool_find(&e->queues, m->queue_id);
	if (!m->queue)
		return;
	struct acd_queue *q = acd_q(e, m->queue);
	m->prev = q->members_last;
	m->next = 0;
	if (m->prev)
		acd_m(e, m->prev)->next = mi;
	else
		q->members = mi;
	q->members_last = mi;
	q->n_members++;
	q->signed_in += a->chosen != ACD_ST_OFFLINE;
	m->turn = ++q->turn;
	m->answered = q->answered_floor; /* a newcomer is not flooded with all that others had before */
}

void acd_member_unlink(struct acd *e, uint32_t mi)
{
	struct acd_member *m = acd_m(e, mi);
	if (!m->queue)
		return;
	struct acd_queue *q = acd_q(e, m->queue);
	acd_member_unlist(e, mi);
	*(m->prev ? &acd_m(e, m->prev)->next : &q->members) = m->next;
	*(m->next ? &acd_m(e, m->next)->prev : &q->members_last) = m->prev;
	q->n_members--;
	q->signed_in -= acd_a(e, m->agent)->chosen != ACD_ST_OFFLINE;
	m->queue = m->prev = m->next = 0;
}

struct acd_key acd_member_key(const struct acd *e, const struct acd_queue *q, const struct acd_member *m)
{
	const struct acd_agent *a = acd_a(e, m->agent);
	struct acd_key k = { (int64_t)m->penalty << ACD_PENALTY_SHIFT, 0, m->serial };
	switch (q->cfg.strategy) {
	case ACD_S_ROUND_ROBIN:
		k.b = (int64_t)m->turn;
		break;
	case ACD_S_LEAST_RECENT:
		k.b = m->last_us;
		break;
	case ACD_S_FEWEST:
		k.b = (int64_t)m->answered;
		break;
	case ACD_S_LINEAR:
		k.b = m->rank;
		break;
	case ACD_S_RING_ALL:
	case ACD_S_RANDOM:
	case ACD_S_WEIGHTED_RANDOM: /* any order will do; this one puts whoever comes back at the end, where it is cheap
				     */
		k.b = a->idle_since_us;
		break;
	default: /* whoever has something in hand already is not idle: after the others, least laden first */
		k.a += a->n_hands;
		k.b = a->idle_since_us;
	}
	return k;
}

void acd_member_unlist(struct acd *e, uint32_t mi)
{
	struct acd_member *m = acd_m(e, mi);
	if (!m->eligible)
		return;
	acd_tree_remove(e->member_nodes, &acd_q(e, m->queue)->eligible, mi);
	m->eligible = 0;
}

void acd_member_list(struct acd *e, uint32_t mi)
{
	struct acd_member *m = acd_m(e, mi);
	struct acd_queue *q = acd_q(e, m->queue);
	struct acd_key k = acd_member_key(e, q, m);
	uint32_t weight = PL_MAX(m->rank, 1u);
	if (m->eligible) {
		const struct acd_node *n = &e->member_nodes[mi];
		if (n->key.a == k.a && n->key.b == k.b && n->weight == weight)
			return;
		acd_member_unlist(e, mi);
	}
	acd_tree_insert(e->member_nodes, &q->eligible, mi, k, weight);
	m->eligible = 1;
}

uint32_t acd_member_find(const struct acd *e, const struct acd_agent *a, struct acd_id queue)
{
	uint32_t mi = a->members;
	while (mi && !acd_id_eq(acd_m(e, mi)->queue_id, queue))
		mi = acd_m(e, mi)->next_of_agent;
	return mi;
}

void acd_member_signed(struct acd *e, struct acd_agent *a, int by)
{
	for (uint32_t mi = a->members; mi; mi = acd_m(e, mi)->next_of_agent) {
		uint32_t qi = acd_m(e, mi)->queue;
		if (!qi)
			continue;
		struct acd_queue *q = acd_q(e, qi);
		q->signed_in += (uint32_t)by;
		if (q->signed_in == 0 && q->cfg.leave_when_empty)
			acd_queue_drain(e, qi, acd_drain_empty);
		else if (q->signed_in > 0 && q->drain == acd_drain_empty)
			q->drain = NULL;
	}
}
