/* Whom to ask: the strategies, and the record of why. */
#include "state.h"

#define ELIGIBLE_SHOWN 8 /* of a decision's candidates; the rest of the record says why others were not asked */
#define OTHERS_LOOKED_AT 24

bool acd_tried(const struct acd_item *it, uint64_t agent_serial)
{
	for (unsigned i = 0; i < it->n_tried; i++)
		if (it->tried[i] == agent_serial)
			return true;
	return false;
}

static uint64_t rnd(struct acd *e)
{
	return acd_mix(e->rng += UINT64_C(0x9e3779b97f4a7c15));
}

/* How many, and their weight, share the lowest penalty. */
static uint32_t first_group(const struct acd *e, const struct acd_queue *q, uint64_t *ret_weight)
{
	uint32_t first = acd_tree_first(e->member_nodes, q->eligible);
	int64_t above = (e->member_nodes[first].key.a >> ACD_PENALTY_SHIFT) + 1;
	struct acd_key k = { above << ACD_PENALTY_SHIFT, INT64_MIN, 0 };
	return acd_tree_below(e->member_nodes, q->eligible, &k, ret_weight);
}

static uint32_t first_untried(const struct acd *e, const struct acd_queue *q, const struct acd_item *it, uint32_t from,
			      uint32_t n)
{
	struct acd_walk w;
	acd_walk_from(&w, e->member_nodes, q->eligible, from);
	for (uint32_t mi; n > 0 && (mi = acd_walk_next(&w, e->member_nodes)); n--)
		if (!acd_tried(it, acd_a(e, acd_m(e, mi)->agent)->serial))
			return mi;
	return 0;
}

static uint32_t pick_random(struct acd *e, const struct acd_queue *q, const struct acd_item *it)
{
	uint64_t weight;
	uint32_t n = first_group(e, q, &weight), at;
	if (q->cfg.strategy == ACD_S_RANDOM)
		at = (uint32_t)(rnd(e) % n);
	else
		at = acd_tree_at_weight(e->member_nodes, q->eligible, rnd(e) % weight);
	uint32_t mi = first_untried(e, q, it, at, PL_MIN(n - at, ACD_TRIED_MAX + 1u));
	return mi ? mi : first_untried(e, q, it, 0, ACD_TRIED_MAX + 1);
}

uint32_t acd_pick(struct acd *e, const struct acd_queue *q, const struct acd_item *it)
{
	if (!q->eligible)
		return 0;
	uint32_t mi;
	if (q->cfg.strategy == ACD_S_RANDOM || q->cfg.strategy == ACD_S_WEIGHTED_RANDOM)
		mi = pick_random(e, q, it);
	else
		mi = first_untried(e, q, it, 0, ACD_TRIED_MAX + 1);
	return mi ? mi
		  : acd_tree_first(e->member_nodes, q->eligible); /* all were asked already and have rested since */
}

size_t acd_pick_all(const struct acd *e, const struct acd_queue *q, const struct acd_item *it, uint32_t *out,
		    size_t max)
{
	size_t n = 0;
	if (!q->eligible)
		return 0;
	uint32_t group = first_group(e, q, NULL);
	struct acd_walk w;
	acd_walk_from(&w, e->member_nodes, q->eligible, 0);
	for (uint32_t mi; group > 0 && n < max && (mi = acd_walk_next(&w, e->member_nodes)); group--)
		out[n++] = mi;
	return n;
}

int64_t acd_member_score(const struct acd *e, const struct acd_queue *q, const struct acd_member *m)
{
	const struct acd_agent *a = acd_a(e, m->agent);
	switch (q->cfg.strategy) {
	case ACD_S_ROUND_ROBIN:
		return (int64_t)(q->turn - m->turn); /* asked so many turns ago */
	case ACD_S_LEAST_RECENT:
		return m->last_us ? e->now_us - m->last_us : 0;
	case ACD_S_FEWEST:
		return (int64_t)m->answered;
	case ACD_S_LINEAR:
	case ACD_S_WEIGHTED_RANDOM:
		return m->rank;
	case ACD_S_LONGEST_IDLE:
		return a->n_hands ? 0 : e->now_us - a->idle_since_us;
	default:
		return 0;
	}
}

enum acd_why acd_why_not(const struct acd *e, const struct acd_agent *a)
{
	if (!a->enabled)
		return ACD_WHY_DISABLED;
	switch (acd_agent_state(e, a)) {
	case ACD_ST_OFFLINE:
		return ACD_WHY_OFFLINE;
	case ACD_ST_PAUSED:
		return ACD_WHY_PAUSED;
	case ACD_ST_OFFERED:
		return ACD_WHY_OFFERED;
	case ACD_ST_ON_CONTACT:
		return ACD_WHY_ON_CONTACT;
	case ACD_ST_WRAP_UP:
		return ACD_WHY_WRAP_UP;
	default:
		return a->due_us > e->now_us ? ACD_WHY_RESTING : ACD_WHY_ORDER;
	}
}

static struct acd_cand cand_of(const struct acd *e, const struct acd_queue *q, const struct acd_member *m,
			       enum acd_why why)
{
	return (struct acd_cand){ acd_a(e, m->agent)->id, acd_member_score(e, q, m), (uint8_t)why };
}

/* Eligible members in order, except one; then members that are not, with the reason. it may be NULL. */
static size_t candidates(const struct acd *e, const struct acd_queue *q, const struct acd_item *it, uint32_t but,
			 struct acd_cand *out, size_t max)
{
	struct acd_walk w;
	size_t n = 0;
	unsigned penalty = but ? acd_m(e, but)->penalty : UINT16_MAX, looked = OTHERS_LOOKED_AT;
	acd_walk_from(&w, e->member_nodes, q->eligible, 0);
	for (uint32_t mi; n < PL_MIN(max, ELIGIBLE_SHOWN) && (mi = acd_walk_next(&w, e->member_nodes));) {
		const struct acd_member *m = acd_m(e, mi);
		enum acd_why why = it && acd_tried(it, acd_a(e, m->agent)->serial) ? ACD_WHY_TRIED
				   : m->penalty > penalty                          ? ACD_WHY_PENALTY
										   : ACD_WHY_ORDER;
		if (mi != but)
			out[n++] = cand_of(e, q, m, why);
	}
	for (uint32_t mi = q->members; mi && n < max && looked > 0; mi = acd_m(e, mi)->next, looked--) {
		const struct acd_member *m = acd_m(e, mi);
		if (mi != but && !m->eligible)
			out[n++] = cand_of(e, q, m, acd_why_not(e, acd_a(e, m->agent)));
	}
	return n;
}

struct acd_fx *acd_decide(struct acd *e, uint32_t ii, uint32_t ai, uint32_t mi)
{
	const struct acd_item *it = acd_i(e, ii);
	const struct acd_queue *q = acd_q(e, it->queue);
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_DECISION);
	struct acd_fx_decision *d = &fx->decision;
	fx->channel = it->channel;
	fx->item_ref = ii;
	fx->item = it->id;
	fx->agent = acd_a(e, ai)->id;
	fx->queue = q->cfg.id;
	d->waiting = acd_tree_size(e->item_nodes, q->waiting) - (it->waiting && !it->directed); /* besides this one */
	d->strategy = mi ? q->cfg.strategy : ACD_S_NONE;
	d->n_cand = 1;
	if (mi) {
		d->cand[0] = cand_of(e, q, acd_m(e, mi), ACD_WHY_OK);
		d->n_cand = (uint8_t)(1 + candidates(e, q, it, mi, d->cand + 1, ACD_CAND_MAX - 1));
	} else {
		d->cand[0] = (struct acd_cand){ acd_a(e, ai)->id, 0, ACD_WHY_OK };
	}
	return fx;
}

size_t acd_queue_candidates(const struct acd *e, struct acd_id queue, struct acd_cand *out, size_t max)
{
	uint32_t qi = acd_pool_find(&e->queues, queue);
	return qi ? candidates(e, acd_q(e, qi), NULL, 0, out, max) : 0;
}
