/* The customer talks with an agent or another telephone. */
#include "call_int.h"

bool customer_can_answer(const struct call *c)
{
	return c->legs[0].state == LEG_UP || (c->legs[0].state == LEG_INCOMING && *c->answer_sdp);
}

bool customer_answer(struct step *s)
{
	struct call *c = s->c;
	struct call_leg *l = &c->legs[0];
	enum leg_fx fx;
	if (l->state == LEG_UP)
		return true;
	if (!*c->answer_sdp) {
		c->want_answer = true;
		return false;
	}
	if (leg_step(l, LEG_EV_ANSWER, &fx) != PL_OK)
		return false;
	c->want_answer = false;
	l->up_us = s->env->now_us;
	c->answered_us = s->env->now_us;
	fx_leg(s, CALL_FX_LEG_ANSWER, 0)->sdp = c->answer_sdp;
	fx_emit(s, LEDGER_ANSWERED);
	s->fx->save = true;
	return true;
}

void record_begin(struct step *s, unsigned leg)
{
	struct call *c = s->c;
	if (!c->record_route && !c->record_queue)
		return;
	call_derive_id(c->id, 'r', ++c->counter, c->recording_id);
	c->recording = REC_ON;
	c->recorded_us = s->env->now_us;
	c->n_marks = 0;
	struct call_effect *e = fx_emit(s, LEDGER_RECORDING_EXPECTED);
	str_put(e->id, sizeof(e->id), c->recording_id);
	struct call_op *op = fx_op(s, OP_RECORD, c->legs[0].id);
	str_put(op->hears, sizeof(op->hears), c->legs[leg].id);
	str_put(op->id, sizeof(op->id), c->recording_id);
}

void record_end(struct step *s, bool media_lives)
{
	struct call *c = s->c;
	if (c->recording == REC_OFF)
		return;
	if (media_lives)
		str_put(fx_op(s, OP_STOP_RECORDING, "")->id, CALL_ID, c->recording_id);
	struct call_effect *e = fx_emit(s, LEDGER_RECORDING_STOPPED);
	str_put(e->id, sizeof(e->id), c->recording_id);
	c->recording = REC_OFF;
	c->recording_id[0] = 0;
}

void talk_mix(struct step *s)
{
	struct call *c = s->c;
	if (c->far < 0)
		return;
	unsigned far = (unsigned)c->far;
	bool apart = c->held || c->phone_held || c->legs[far].lost;
	op_mix(s, 0, apart || c->legs[far].muted ? -1 : (int)far);
	if (c->legs[far].endpoint) /* a browser that must come back first has none on a new node */
		op_mix(s, far, apart ? -1 : 0);
	if (apart)
		queue_music(s);
	else
		op_stop(s);
}

void talk_begin(struct step *s, unsigned leg)
{
	struct call *c = s->c;
	struct call_leg *l = &c->legs[leg];
	c->far = (int8_t)leg;
	c->phase = CALL_TALK;
	l->state = LEG_UP;
	if (!l->up_us)
		l->up_us = s->env->now_us;
	c->talk_us = s->env->now_us;
	c->held = c->phone_held = false;
	c->held_sum_us = 0;
	c->holds = 0;
	c->due_us[TIMER_DIGIT] = c->due_us[TIMER_ANNOUNCE] = c->due_us[TIMER_RING] = 0;
	for (unsigned i = 1; i < CALL_LEGS; i++) /* the others rang for nothing; the router knows by our ACCEPTED */
		if (i != leg)
			leg_drop(s, i, 200, "Call completed elsewhere"); /* RFC 3326 section 2: no missed call */
	op_stop(s);
	talk_mix(s);
	record_begin(s, leg);
	fx_offer_reply(s, l, OFFER_ACCEPTED, "");
	if (l->role == LEG_AGENT) {
		struct call_effect *e = fx_emit(s, LEDGER_AGENT_CONNECTED);
		str_put(e->id, sizeof(e->id), c->recording_id);
	}
	s->fx->save = true;
}

void talk_release(struct step *s, const char *reason, bool agent_only)
{
	struct call *c = s->c;
	if (c->far < 0)
		return;
	struct call_leg *l = &c->legs[c->far];
	int64_t now = s->env->now_us;
	record_end(s, true);
	if (l->role != LEG_AGENT)
		return;
	if (c->held)
		c->held_sum_us += now - c->held_us;
	struct call_effect *e = fx_emit(s, LEDGER_AGENT_DISCONNECTED);
	e->text = reason;
	e->ms = (uint64_t)PL_MAX(now - c->talk_us, 0) / 1000u;
	e->ms2 = (uint64_t)c->held_sum_us / 1000u;
	c->held = c->phone_held = false;
	c->due_us[TIMER_BROWSER] = 0;
	if (!*l->offer_id)
		return;
	e = fx_acd(s, CALL_FX_ACD_ENDED);
	str_put(e->agent, sizeof(e->agent), l->agent_id);
	e->text = reason;
	e->flag = agent_only;
	if (!agent_only)
		c->in_acd = false;
}

void talk_over(struct step *s, enum ended_by by, const char *reason, bool hang_up)
{
	struct call *c = s->c;
	int far = c->far;
	talk_release(s, reason, false);
	c->far = -1;
	if (far > 0 && hang_up)
		leg_drop(s, (unsigned)far, 0, reason);
	else if (far > 0)
		leg_forget(s, (unsigned)far);
	if (!c->flow_on || c->flow_ended) {
		call_clear(s, by, by == BY_LOST ? CAUSE_FAILED : CAUSE_NORMAL, 0);
		return;
	}
	op_stop(s);
	op_mix(s, 0, -1);
	c->phase = CALL_MENU;
	c->ended_by = (uint8_t)by; /* unless the flow does something else than to hang up (menu.c) */
	flow_step_out(s, STEP_QUEUE_LEFT, "answered-and-ended");
	s->fx->save = true;
}

void talk_lost(struct step *s, const char *why, bool gone)
{
	struct call *c = s->c;
	unsigned far = (unsigned)c->far;
	bool again = *c->legs[far].offer_id && *c->queue_id;
	talk_release(s, "lost", again);
	c->far = -1;
	if (gone)
		leg_forget(s, far);
	else
		leg_drop(s, far, 500, why);
	if (!again) {
		call_clear(s, BY_LOST, CAUSE_FAILED, 0);
		return;
	}
	op_mix(s, 0, -1);
	queue_back(s, "");
}

void talk_browser_gone(struct step *s)
{
	struct call *c = s->c;
	if (c->phase == CALL_TALK && c->far > 0 && c->legs[c->far].lost)
		talk_lost(s, "browser gone", false);
}
