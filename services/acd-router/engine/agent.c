/* Agents: what they chose, what they have in hand, and the state that follows from both. */
#include "state.h"

#define BIT(ch) (1u << (ch))

/* A conversation by voice or video needs the whole person; text leaves room for a call. */
static uint16_t shut_by(uint16_t hands, unsigned ch)
{
	return hands & (BIT(ACD_CH_VOICE) | BIT(ACD_CH_VIDEO)) & (uint16_t)~BIT(ch);
}

uint16_t acd_agent_open(const struct acd *e, const struct acd_agent *a)
{
	uint16_t open = 0;
	if (a->chosen != ACD_ST_READY || !a->enabled || a->due_us > e->now_us || a->n_hands >= ACD_HANDS_MAX)
		return 0;
	for (unsigned ch = ACD_CH_NONE + 1; ch < ACD_CH_N; ch++)
		if (a->used[ch] < a->cap[ch] && !shut_by(a->hands_mask, ch))
			open |= (uint16_t)BIT(ch);
	return open;
}

void acd_agent_sync(struct acd *e, uint32_t ai)
{
	struct acd_agent *a = acd_a(e, ai);
	a->open = acd_agent_open(e, a);
	for (uint32_t mi = a->members; mi; mi = acd_m(e, mi)->next_of_agent) {
		const struct acd_member *m = acd_m(e, mi);
		if (!m->queue)
			continue;
		const struct acd_queue *q = acd_q(e, m->queue);
		if (q->cfg.enabled && a->open & BIT(q->cfg.channel))
			acd_member_list(e, mi);
		else
			acd_member_unlist(e, mi);
	}
}

void acd_agent_less(struct acd *e, uint32_t ai)
{
	struct acd_agent *a = acd_a(e, ai);
	uint16_t open = a->open & acd_agent_open(e, a);
	if (open == a->open)
		return;
	a->open = open;
	for (uint32_t mi = a->members; mi; mi = acd_m(e, mi)->next_of_agent) {
		const struct acd_member *m = acd_m(e, mi);
		if (m->eligible && !(open & BIT(acd_q(e, m->queue)->cfg.channel)))
			acd_member_unlist(e, mi);
	}
}

void acd_agent_touch(struct acd *e, uint32_t ai)
{
	struct acd_agent *a = acd_a(e, ai);
	acd_agent_less(e, ai);
	if (a->dirty == 1)
		return;
	e->n_unsynced++;
	if (!a->dirty) {
		*(e->dirty_last ? &acd_a(e, e->dirty_last)->dirty_next : &e->dirty_first) = ai;
		e->dirty_last = ai;
		a->dirty_next = 0;
	}
	a->dirty = 1;
}

enum acd_state acd_agent_state(const struct acd *e, const struct acd_agent *a)
{
	unsigned seen = 0;
	for (unsigned i = 0; i < a->n_hands; i++)
		seen |= BIT(acd_c(e, a->hands[i])->state);
	if (seen & BIT(ACD_C_CONNECTED))
		return ACD_ST_ON_CONTACT;
	if (seen & BIT(ACD_C_OFFERED))
		return ACD_ST_OFFERED;
	return seen & BIT(ACD_C_WRAP_UP) ? ACD_ST_WRAP_UP : (enum acd_state)a->chosen;
}

void acd_agent_status(const struct acd *e, const struct acd_agent *a, struct acd_status *ret)
{
	bool busy = a->n_hands > 0;
	*ret = (struct acd_status){
		.agent = a->id,
		.state = (uint8_t)acd_agent_state(e, a),
		.since_us = a->shown.since_us,
		.device = a->device,
		.presence = a->presence,
		.missed = a->missed,
		.version = e->version,
		.signed_in_us = a->signed_in_us,
		.n_items = a->n_hands,
	};
	if (busy) {
		ret->next_state = a->chosen;
		ret->next_reason = a->reason;
	} else {
		ret->reason = a->reason;
	}
	memcpy(ret->phone, a->phone, sizeof(ret->phone));
	for (unsigned i = 0; i < a->n_hands; i++) {
		const struct acd_contact *c = acd_c(e, a->hands[i]);
		ret->items[i] = c->id;
		if (ret->state == ACD_ST_WRAP_UP && c->state == ACD_C_WRAP_UP)
			ret->wrap_up_until_us = PL_MAX(ret->wrap_up_until_us, c->due_us);
	}
}

static bool shown_same(const struct acd_shown *s, const struct acd_agent *a, const struct acd_status *st)
{
	return s->state == st->state && s->next_state == st->next_state && s->missed == st->missed &&
	       s->device == st->device && s->presence == st->presence && s->hands_rev == a->hands_rev &&
	       acd_id_eq(s->reason, st->reason) && acd_id_eq(s->next_reason, st->next_reason);
}

/* Lengths are told once: only a change of state or reason ends a period. */
void acd_agent_show(struct acd *e, uint32_t ai, const char *cause, struct acd_id by)
{
	struct acd_agent *a = acd_a(e, ai);
	struct acd_shown *s = &a->shown;
	struct acd_status st;
	acd_agent_status(e, a, &st);
	if (shown_same(s, a, &st))
		return;
	bool changed = s->state != st.state || !acd_id_eq(s->reason, st.reason);
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_AGENT_STATE);
	fx->agent = a->id;
	fx->agent_state.previous = s->state;
	fx->agent_state.previous_us = changed && s->state ? e->now_us - s->since_us : 0;
	fx->agent_state.cause = cause;
	fx->agent_state.by = by;
	if (changed)
		st.since_us = e->now_us;
	st.version = ++e->version; /* two of one input have an order too */
	fx->agent_state.status = st;
	*s = (struct acd_shown){ st.reason, st.next_reason, a->hands_rev, st.state,   st.next_state,
				 st.missed, st.device,      st.presence,  st.since_us };
}

/* All that follows from a new choice, except saying so. */
void acd_agent_chosen(struct acd *e, struct acd_agent *a, uint8_t state)
{
	bool was_off = a->chosen == ACD_ST_OFFLINE, off = state == ACD_ST_OFFLINE;
	if (state == ACD_ST_READY && a->chosen != ACD_ST_READY && a->n_hands == 0)
		a->idle_since_us = e->now_us;
	a->chosen = state;
	a->missed = 0;
	if (was_off && !off) {
		a->signed_in_us = e->now_us;
		acd_member_signed(e, a, 1);
	} else if (!was_off && off) {
		a->signed_in_us = 0;
		acd_member_signed(e, a, -1);
	}
}

static void end_hands(struct acd *e, uint32_t ai, uint8_t state, enum acd_outcome outcome, const char *reason)
{
	struct acd_agent *a = acd_a(e, ai);
	uint32_t hands[ACD_HANDS_MAX];
	unsigned n = a->n_hands;
	memcpy(hands, a->hands, sizeof(hands));
	for (unsigned i = 0; i < n; i++) {
		if (acd_c(e, hands[i])->state != state)
			continue;
		if (state == ACD_C_OFFERED)
			acd_offer_lost(e, hands[i], outcome, reason);
		else
			acd_contact_release(e, hands[i]);
	}
}

void acd_agent_offline(struct acd *e, uint32_t ai, const char *cause, struct acd_id by)
{
	struct acd_agent *a = acd_a(e, ai);
	acd_agent_chosen(e, a, ACD_ST_OFFLINE);
	a->reason = (struct acd_id){ 0 };
	acd_agent_less(e, ai);
	end_hands(e, ai, ACD_C_OFFERED, ACD_OUT_FAILED, "offline");
	end_hands(e, ai, ACD_C_WRAP_UP, ACD_OUT_NONE, NULL);
	acd_agent_show(e, ai, cause, by);
}

static void set_state(struct acd *e, uint32_t ai, const struct acd_in_agent *in)
{
	struct acd_agent *a = acd_a(e, ai);
	const char *cause = acd_id_none(in->by) ? "agent" : "supervisor";
	if (in->state == ACD_ST_OFFLINE) {
		acd_agent_offline(e, ai, cause, in->by);
		return;
	}
	if (in->state == ACD_ST_READY || in->state == ACD_ST_PAUSED) {
		acd_agent_chosen(e, a, in->state);
		a->missed_in_row = 0;
		a->reason = in->state == ACD_ST_PAUSED ? in->reason : (struct acd_id){ 0 };
	}
	if (in->state == ACD_ST_PAUSED) {
		acd_agent_less(e, ai);
		end_hands(e, ai, ACD_C_OFFERED, ACD_OUT_REJECTED, "paused");
	} else if (a->due_us) {
		acd_timer_clear(e, ACD_T_AGENT, ai); /* who says "ready" again wants work now */
	}
	acd_agent_touch(e, ai);
	acd_agent_show(e, ai, cause, in->by);
}

static void end_wrap_up(struct acd *e, uint32_t ai, struct acd_id item)
{
	struct acd_agent *a = acd_a(e, ai);
	for (unsigned i = a->n_hands; i-- > 0;) {
		const struct acd_contact *c = acd_c(e, a->hands[i]);
		if (c->state == ACD_C_WRAP_UP && (acd_id_none(item) || acd_id_eq(item, c->id)))
			acd_contact_release(e, a->hands[i]);
	}
}

void acd_agent_input(struct acd *e, const struct acd_in_agent *in)
{
	uint32_t ai = acd_pool_find(&e->agents, in->agent);
	struct acd_agent *a = acd_a(e, ai);
	if (!ai || !a->enabled || a->deleted) {
		acd_refuse(e, (struct acd_id){ 0 }, in->agent, "no such agent");
		return;
	}
	if (in->start_work) {
		a->device = in->device;
		a->presence = in->presence;
		memcpy(a->phone, in->phone, sizeof(a->phone));
		a->phone[ACD_PHONE_LEN - 1] = 0;
	} else if (in->state != ACD_ST_OFFLINE && in->state && a->device == ACD_DEV_NONE) {
		acd_refuse(e, (struct acd_id){ 0 }, in->agent, "no device");
		return;
	}
	if (in->end_wrap_up) {
		end_wrap_up(e, ai, in->wrap_up_item);
		acd_agent_show(e, ai, acd_id_none(in->by) ? "agent" : "supervisor", in->by);
	}
	if (in->state)
		set_state(e, ai, in);
	else if (in->start_work)
		acd_agent_show(e, ai, "agent", in->by);
}

void acd_agent_presence(struct acd *e, const struct acd_in_presence *in)
{
	uint32_t ai = acd_pool_find(&e->agents, in->agent);
	const struct acd_agent *a = acd_a(e, ai);
	if (ai && !in->present && a->kind == ACD_AK_PERSON && a->chosen != ACD_ST_OFFLINE)
		acd_agent_offline(e, ai, "presence-lost", (struct acd_id){ 0 });
}

void acd_agent_rest_over(struct acd *e, uint32_t ai)
{
	acd_timer_clear(e, ACD_T_AGENT, ai);
	acd_agent_touch(e, ai);
}

bool acd_status_get(const struct acd *e, struct acd_id agent, struct acd_status *ret)
{
	uint32_t ai = acd_pool_find(&e->agents, agent);
	if (ai)
		acd_agent_status(e, acd_a(e, ai), ret);
	return ai != 0;
}
