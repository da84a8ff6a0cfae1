/* Offers, contacts and wrap-up: what an agent has in hand, from the first ring to the last second. */
#include "state.h"

static void hand_add(struct acd *e, uint32_t ai, uint32_t ci)
{
	struct acd_agent *a = acd_a(e, ai);
	const struct acd_contact *c = acd_c(e, ci);
	a->hands[a->n_hands++] = ci;
	a->used[c->channel]++;
	a->hands_mask |= (uint16_t)(1u << c->channel);
	a->hands_rev++;
}

static void hand_drop(struct acd *e, uint32_t ai, uint32_t ci)
{
	struct acd_agent *a = acd_a(e, ai);
	const struct acd_contact *c = acd_c(e, ci);
	unsigned i = 0;
	while (i < a->n_hands && a->hands[i] != ci)
		i++;
	memmove(&a->hands[i], &a->hands[i + 1], (a->n_hands - i - 1u) * sizeof(a->hands[0]));
	a->n_hands--;
	if (--a->used[c->channel] == 0)
		a->hands_mask &= (uint16_t) ~(1u << c->channel);
	a->hands_rev++;
}

/* Unique for ever: the fence only grows, also over a lost log, because it begins with the time. UUIDv7 in form. */
static struct acd_id offer_id(const struct acd *e, uint64_t fence)
{
	uint64_t ms = (uint64_t)(e->now_us / PL_US_PER_MS) & UINT64_C(0xffffffffffff);
	return (struct acd_id){ ms << 16 | UINT64_C(0x7000) | (fence & 0xfff),
				UINT64_C(0x8000000000000000) | acd_mix(fence ^ (uint64_t)e->epoch_us << 20) >> 2 };
}

static void emit_offered(struct acd *e, const struct acd_contact *c, uint32_t mi)
{
	const struct acd_agent *a = acd_a(e, c->agent);
	const struct acd_item *it = acd_i(e, c->item);
	const struct acd_queue *q = acd_q(e, it->queue);
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_OFFERED);
	fx->channel = it->channel;
	fx->item_ref = c->item;
	fx->item = c->id;
	fx->agent = a->id;
	fx->queue = c->queue;
	fx->offer = c->offer;
	fx->offered = (struct acd_fx_offered){ .fence = c->fence,
					       .deadline_us = c->due_us,
					       .ring_us = q->cfg.ring_us,
					       .queued_at_us = it->queued_at_us,
					       .score = mi ? acd_member_score(e, q, acd_m(e, mi)) : 0,
					       .strategy = mi ? q->cfg.strategy : ACD_S_NONE,
					       .device = a->device };
	memcpy(fx->offered.phone, a->phone, sizeof(a->phone));
}

bool acd_offer(struct acd *e, uint32_t ii, uint32_t ai, uint32_t mi, struct acd_fx *decision)
{
	struct acd_item *it = acd_i(e, ii);
	struct acd_queue *q = acd_q(e, it->queue);
	uint32_t ci = acd_pool_new(&e->contacts, it->id);
	if (!ci)
		return false;
	struct acd_contact *c = acd_c(e, ci);
	c->fence = ++e->fence;
	c->offer = offer_id(e, c->fence);
	c->queue = q->cfg.id;
	c->agent = ai;
	c->item = ii;
	c->state = ACD_C_OFFERED;
	c->channel = q->cfg.channel;
	c->offered_us = c->since_us = e->now_us;
	c->wrap_us = q->cfg.wrap_up_us;
	acd_item_unlist(e, ii);
	q->n_offered += it->offers == 0;
	c->next_of_item = it->offers;
	it->offers = ci;
	it->n_offers++;
	e->n_offers++;
	acd_timer_set(e, ACD_T_CONTACT, ci, e->now_us + q->cfg.ring_us);
	if (decision && acd_id_none(decision->offer))
		decision->offer = c->offer;
	emit_offered(e, c, mi); /* before the counters turn: it tells the score that decided */
	if (mi)
		acd_m(e, mi)->turn = ++q->turn;
	hand_add(e, ai, ci);
	if (acd_agent_open(e, acd_a(e, ai)))
		acd_agent_sync(e, ai); /* room for more, but at another place in the order */
	else
		acd_agent_less(e, ai);
	acd_agent_show(e, ai, "offer", (struct acd_id){ 0 });
	return true;
}

static void item_unlink_offer(struct acd *e, uint32_t ii, uint32_t ci)
{
	struct acd_item *it = acd_i(e, ii);
	uint32_t *at = &it->offers;
	while (*at != ci)
		at = &acd_c(e, *at)->next_of_item;
	*at = acd_c(e, ci)->next_of_item;
	it->n_offers--;
	e->n_offers--;
	if (!it->offers)
		acd_q(e, it->queue)->n_offered--;
}

static void remember_tried(struct acd_item *it, uint64_t agent_serial)
{
	if (acd_tried(it, agent_serial))
		return;
	if (it->n_tried == ACD_TRIED_MAX)
		memmove(&it->tried[0], &it->tried[1], --it->n_tried * sizeof(it->tried[0]));
	it->tried[it->n_tried++] = agent_serial;
}

static bool is_miss(enum acd_outcome o)
{
	return o == ACD_OUT_TIMEOUT || o == ACD_OUT_FAILED;
}

/* After an offer that came to nothing the agent rests for the queue's retry time, so that others come first and a
 * device that fails at once is not asked in a storm. Enough misses in a row pause a person; an address cannot come
 * back by itself. */
static const char *blame(struct acd *e, uint32_t ai, const struct acd_queue *q, enum acd_outcome outcome)
{
	struct acd_agent *a = acd_a(e, ai);
	if (a->chosen != ACD_ST_READY || !(is_miss(outcome) || outcome == ACD_OUT_REJECTED))
		return "offer";
	int64_t rest = outcome == ACD_OUT_TIMEOUT ? q->cfg.retry_us : PL_MAX(q->cfg.retry_us, ACD_FAIL_REST_US);
	if (rest > 0)
		acd_timer_set(e, ACD_T_AGENT, ai, PL_MAX(a->due_us, e->now_us + rest));
	a->missed_in_row += is_miss(outcome);
	if (a->kind == ACD_AK_STATIC || !is_miss(outcome) || !q->cfg.autopause_after ||
	    a->missed_in_row < q->cfg.autopause_after)
		return "offer";
	acd_agent_chosen(e, a, ACD_ST_PAUSED);
	a->reason = (struct acd_id){ 0 };
	a->missed = 1;
	return "missed";
}

static void emit_offer_ended(struct acd *e, const struct acd_contact *c, enum acd_outcome outcome, const char *reason)
{
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_OFFER_ENDED);
	fx->channel = acd_i(e, c->item)->channel;
	fx->item_ref = c->item;
	fx->item = c->id;
	fx->agent = acd_a(e, c->agent)->id;
	fx->queue = c->queue;
	fx->offer = c->offer;
	fx->offer_ended =
		(struct acd_fx_offer_ended){ .outcome = (uint8_t)outcome, .rang_us = e->now_us - c->offered_us };
	acd_reason_copy(fx->offer_ended.reason, reason);
}

void acd_offer_end(struct acd *e, uint32_t ci, enum acd_outcome outcome, const char *reason)
{
	struct acd_contact *c = acd_c(e, ci);
	struct acd_item *it = acd_i(e, c->item);
	uint32_t ai = c->agent;
	emit_offer_ended(e, c, outcome, reason);
	item_unlink_offer(e, c->item, ci);
	if (is_miss(outcome) || outcome == ACD_OUT_REJECTED)
		remember_tried(it, acd_a(e, ai)->serial);
	acd_timer_clear(e, ACD_T_CONTACT, ci);
	hand_drop(e, ai, ci);
	acd_pool_free(&e->contacts, ci);
	const char *cause = blame(e, ai, acd_q(e, it->queue), outcome);
	acd_agent_touch(e, ai);
	acd_agent_show(e, ai, cause, (struct acd_id){ 0 });
}

void acd_offer_lost(struct acd *e, uint32_t ci, enum acd_outcome outcome, const char *reason)
{
	uint32_t ii = acd_c(e, ci)->item;
	acd_offer_end(e, ci, outcome, reason);
	if (acd_i(e, ii)->offers)
		return;
	acd_item_list(e, ii); /* at its old place: the key has not changed */
	(void)acd_match_item(e, ii);
}

static void count_answer(struct acd *e, const struct acd_contact *c)
{
	struct acd_agent *a = acd_a(e, c->agent);
	uint32_t mi = acd_member_find(e, a, c->queue);
	a->missed_in_row = 0;
	if (!mi || !acd_m(e, mi)->queue)
		return;
	struct acd_member *m = acd_m(e, mi);
	struct acd_queue *q = acd_q(e, m->queue);
	q->answered_floor = PL_MAX(q->answered_floor, m->answered);
	m->answered++;
	m->last_us = e->now_us;
}

static void emit_answered(struct acd *e, const struct acd_contact *c)
{
	const struct acd_item *it = acd_i(e, c->item);
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_DEQUEUED);
	fx->channel = it->channel;
	fx->item_ref = c->item;
	fx->item = c->id;
	fx->agent = acd_a(e, c->agent)->id;
	fx->queue = c->queue;
	fx->offer = c->offer;
	fx->dequeued = (struct acd_fx_dequeued){ .wait_us = PL_MAX(e->now_us - it->queued_at_us, 0),
						 .position = acd_item_position(e, it) };
	acd_reason_copy(fx->dequeued.reason, "answered");
}

static void accept(struct acd *e, uint32_t ci)
{
	struct acd_contact *c = acd_c(e, ci);
	uint32_t ii = c->item, ai = c->agent;
	emit_offer_ended(e, c, ACD_OUT_ACCEPTED, NULL);
	emit_answered(e, c);
	item_unlink_offer(e, ii, ci);
	acd_timer_clear(e, ACD_T_CONTACT, ci);
	c->item = c->next_of_item = 0;
	c->state = ACD_C_CONNECTED;
	c->since_us = e->now_us;
	acd_a(e, ai)->hands_rev++;
	count_answer(e, c);
	acd_agent_touch(e, ai); /* its place in the order has changed, should it have room for more */
	acd_agent_show(e, ai, "contact", (struct acd_id){ 0 });
	while (acd_i(e, ii)->offers) /* ring all: the first one wins, in the same step */
		acd_offer_end(e, acd_i(e, ii)->offers, ACD_OUT_ELSEWHERE, NULL);
	acd_item_done(e, ii);
}

void acd_reply(struct acd *e, const struct acd_in_reply *in)
{
	uint32_t ci = acd_pool_find(&e->contacts, in->item);
	while (ci && !acd_id_eq(acd_c(e, ci)->offer, in->offer))
		ci = acd_pool_same(&e->contacts, ci);
	const struct acd_contact *c = acd_c(e, ci);
	bool again = ci && c->fence == in->fence && c->state != ACD_C_OFFERED && in->outcome == ACD_OUT_ACCEPTED;
	if (again)
		return;
	if (!ci || c->fence != in->fence || c->state != ACD_C_OFFERED) {
		acd_refuse(e, in->item, (struct acd_id){ 0 }, "stale offer");
		return;
	}
	switch (in->outcome) {
	case ACD_OUT_ACCEPTED:
		accept(e, ci);
		break;
	case ACD_OUT_REJECTED:
	case ACD_OUT_TIMEOUT:
	case ACD_OUT_FAILED:
	case ACD_OUT_CANCELLED:
		acd_offer_lost(e, ci, in->outcome, in->reason);
		break;
	default:
		acd_refuse(e, in->item, (struct acd_id){ 0 }, "unknown outcome");
	}
}

void acd_contact_release(struct acd *e, uint32_t ci)
{
	const struct acd_contact *c = acd_c(e, ci);
	uint32_t ai = c->agent;
	struct acd_agent *a = acd_a(e, ai);
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_RELEASED);
	fx->channel = c->channel;
	fx->item = c->id;
	fx->agent = a->id;
	fx->queue = c->queue;
	fx->offer = c->offer;
	fx->released = (struct acd_fx_released){ c->state == ACD_C_WRAP_UP ? e->now_us - c->since_us : 0 };
	acd_timer_clear(e, ACD_T_CONTACT, ci);
	hand_drop(e, ai, ci);
	acd_pool_free(&e->contacts, ci);
	if (a->n_hands == 0)
		a->idle_since_us = e->now_us;
	acd_agent_touch(e, ai);
}

static void contact_end(struct acd *e, uint32_t ci)
{
	struct acd_contact *c = acd_c(e, ci);
	uint32_t ai = c->agent;
	struct acd_agent *a = acd_a(e, ai);
	uint32_t mi = acd_member_find(e, a, c->queue);
	if (mi)
		acd_m(e, mi)->last_us = e->now_us;
	acd_timer_clear(e, ACD_T_CONTACT, ci);
	if (c->wrap_us <= 0 || a->chosen == ACD_ST_OFFLINE) {
		acd_contact_release(e, ci);
		acd_agent_show(e, ai, "contact", (struct acd_id){ 0 });
		return;
	}
	c->state = ACD_C_WRAP_UP;
	c->since_us = e->now_us;
	a->hands_rev++;
	acd_timer_set(e, ACD_T_CONTACT, ci, e->now_us + c->wrap_us);
	acd_agent_touch(e, ai); /* one with room for more is listed by when it last had a contact */
	acd_agent_show(e, ai, "wrap-up", (struct acd_id){ 0 });
}

/* In the order of their fences, which is the same on every copy; the chains of the pool are not. */
static uint32_t next_connected(const struct acd *e, const struct acd_in_ended *in, uint64_t after)
{
	uint32_t best = 0;
	for (uint32_t ci = acd_pool_find(&e->contacts, in->item); ci; ci = acd_pool_same(&e->contacts, ci)) {
		const struct acd_contact *c = acd_c(e, ci);
		bool all = !in->agent_only || acd_id_none(in->agent);
		if (c->state == ACD_C_CONNECTED && c->fence > after && (!best || c->fence < acd_c(e, best)->fence) &&
		    (all || acd_id_eq(in->agent, acd_a(e, c->agent)->id)))
			best = ci;
	}
	return best;
}

void acd_ended(struct acd *e, const struct acd_in_ended *in)
{
	uint64_t fence = 0;
	for (uint32_t ci; (ci = next_connected(e, in, fence));) {
		fence = acd_c(e, ci)->fence;
		contact_end(e, ci);
	}
	uint32_t ii = in->agent_only ? 0 : acd_pool_find(&e->items, in->item);
	if (ii)
		acd_item_leave(e, ii, "abandoned", ACD_OUT_CANCELLED);
}

void acd_alive(struct acd *e, const struct acd_in_alive *in)
{
	for (size_t i = 0; i < in->n; i++)
		for (uint32_t ci = acd_pool_find(&e->contacts, in->items[i]); ci; ci = acd_pool_same(&e->contacts, ci))
			if (acd_c(e, ci)->state == ACD_C_CONNECTED && in->lease_us > 0)
				acd_timer_set(e, ACD_T_CONTACT, ci, e->now_us + in->lease_us);
}

void acd_contact_due(struct acd *e, uint32_t ci)
{
	uint32_t ai = acd_c(e, ci)->agent;
	if (acd_c(e, ci)->state == ACD_C_OFFERED) {
		acd_offer_lost(e, ci, ACD_OUT_TIMEOUT, NULL);
		return;
	}
	if (acd_c(e, ci)->state == ACD_C_CONNECTED) { /* its lease was not renewed */
		contact_end(e, ci);
		return;
	}
	acd_contact_release(e, ci);
	acd_agent_show(e, ai, "wrap-up", (struct acd_id){ 0 });
}
