/* Calls to a telephone that no queue chose: direct routes, the flow's dial, transfers to a number, calls out by an
 * agent. */
#include "call_int.h"

#define RING_MS_DEFAULT 60000u

static void ring_timer(struct step *s, unsigned leg)
{
	s->c->due_us[TIMER_RING] =
		s->env->now_us + s->c->legs[leg].ring_timeout_ms * PL_US_PER_MS + s->env->lim->ring_slack_us;
}

bool dial_far(struct step *s, const struct call_dest *d, uint32_t ring_ms)
{
	struct call *c = s->c;
	if (!leg_can_target(d) || d->kind == DEST_BROWSER || !*or_empty(s->env->edge))
		return false;
	for (unsigned i = 1; i < CALL_LEGS;
	     i++) { /* a queue's agents who ring already: the flow wants something else now */
		if (call_leg_alive(&c->legs[i]))
			fx_offer_reply(s, &c->legs[i], OFFER_FAILED, "not waiting");
		leg_drop(s, i, 487, "not waiting");
	}
	int at = leg_new(s, LEG_PEER, s->env->edge, NULL);
	if (at < 0)
		return false;
	struct call_leg *l = &c->legs[at];
	leg_target(l, d);
	l->ring_timeout_ms = ring_ms ? ring_ms : RING_MS_DEFAULT;
	leg_prepare(s, (unsigned)at);
	ring_timer(s, (unsigned)at);
	c->phase = CALL_DIAL;
	s->fx->save = true;
	return true;
}

static void agent_up(struct step *s, unsigned agent)
{
	struct call *c = s->c;
	c->legs[agent].up_us = s->env->now_us;
	leg_prepare(s, 0);
	ring_timer(s, 0);
	s->fx->save = true;
}

/* The agent's device first, then the number: leg 1 is the agent, leg 0 the other side. */
static void dial_out_device(struct step *s, const struct ev_cmd *m, unsigned agent)
{
	struct call *c = s->c;
	struct call_leg *l = &c->legs[agent];
	if (l->kind == LEG_BROWSER) {
		struct call_op *op = fx_op(s, OP_CREATE, l->id);
		op->browser = true;
		op->sdp = m->sdp;
		l->endpoint = true;
		l->state = LEG_UP;
		(void)fx_wait(s, WAIT_BROWSER, agent, m->rpc);
		agent_up(s, agent);
		return;
	}
	l->auto_answer = true;
	leg_prepare(s, agent);
	ring_timer(s, agent);
	c->legs[0].state = LEG_FREE;
	fx_reply(s, m->rpc, PL_OK, "", NULL);
}

static enum pl_err dial_out_ok(const struct step *s)
{
	const struct ev_cmd *m = &s->ev->cmd;
	if (pl_empty(m->agent_id) || !str_fits(m->agent_id, CALL_ID) || !leg_can_target(&m->device) ||
	    !leg_can_target(&m->dest) || m->dest.kind == DEST_BROWSER)
		return PL_E_FORMAT;
	return *or_empty(s->env->edge) && *or_empty(s->env->media) ? PL_OK : PL_E_UNAVAIL;
}

enum pl_err dial_out(struct step *s)
{
	struct call *c = s->c;
	const struct ev_cmd *m = &s->ev->cmd;
	enum pl_err err = dial_out_ok(s);
	if (err)
		return err;
	c->direction = m->dest.kind == DEST_PHONE ? 3 : 2;
	c->phase = CALL_DIAL;
	c->started_us = s->env->now_us;
	c->due_us[TIMER_LONGEST] = s->env->now_us + s->env->lim->longest_us;
	c->record_route = s->env->record_out;
	str_put(c->media, sizeof(c->media), s->env->media);
	str_put(c->to, sizeof(c->to), pl_empty(m->dest.number) ? m->dest.id : m->dest.number);
	int customer = leg_new(s, LEG_CUSTOMER, s->env->edge, NULL);
	int agent = leg_new(s, LEG_AGENT, m->device.kind == DEST_BROWSER ? "" : s->env->edge, NULL);
	struct call_leg *l = &c->legs[agent];
	leg_target(&c->legs[customer], &m->dest);
	leg_target(l, &m->device);
	str_put(l->agent_id, sizeof(l->agent_id), m->agent_id);
	l->ring_timeout_ms = c->legs[customer].ring_timeout_ms = RING_MS_DEFAULT;
	struct call_effect *e = fx_emit(s, LEDGER_STARTED);
	e->text = "";
	str_put(e->agent, sizeof(e->agent), l->agent_id);
	dial_out_device(s, m, (unsigned)agent);
	s->fx->save = true;
	return PL_OK;
}

static void ringback(struct step *s)
{
	struct call_fx *fx = s->fx;
	size_t from = fx->say_len; /* ITU-T E.180: 425 Hz, 1 s on, 4 s off */
	struct call_source tone = { .kind = SOURCE_TONE, .a = 425, .c = 1000, .d = 4000 };
	if (!source_put(fx->say, sizeof(fx->say), &fx->say_len, &tone))
		op_play(s, PLAYS_RINGBACK, fx->say + from, fx->say_len - from, true);
}

enum pl_err dial_ringing(struct step *s, unsigned leg)
{
	struct call *c = s->c;
	if (leg == 0)
		ringback(s);
	else if (c->legs[leg].role == LEG_PEER && c->legs[0].state == LEG_INCOMING)
		fx_leg(s, CALL_FX_LEG_PROGRESS, 0)->status = 180;
	return PL_OK;
}

static void remote(struct step *s, unsigned leg)
{
	fx_op(s, OP_SET_REMOTE, s->c->legs[leg].id)->sdp = s->ev->leg.sdp;
	(void)fx_wait(s, WAIT_TALK, leg, 0); /* the leg's own wait (WAIT_DIAL) is over */
}

void dial_answered(struct step *s, unsigned leg)
{
	struct call *c = s->c;
	struct call_leg *l = &c->legs[leg];
	l->up_us = s->env->now_us;
	remote(s, leg);
	if (l->role == LEG_AGENT) { /* the agent of a call out has picked up */
		c->legs[0].state = LEG_SETUP;
		agent_up(s, leg);
		return;
	}
	struct call_effect *e = fx_emit(s, LEDGER_DIALLED);
	e->text = *l->number ? l->number : l->target;
	e->status = 200;
	if (l->role == LEG_CUSTOMER) {
		c->answered_us = s->env->now_us;
		fx_emit(s, LEDGER_ANSWERED);
		talk_begin(s, 1);
		return;
	}
	if (customer_answer(s))
		talk_begin(s, leg);
	else
		call_clear(s, BY_SYSTEM, CAUSE_FAILED, 500); /* media never answered the caller's offer */
}

/* The far leg did not come: flow, queue or the end, whichever there is. leg 0: it was never made. */
void dial_failed(struct step *s, unsigned leg, uint32_t status, bool by_remote)
{
	struct call *c = s->c;
	c->due_us[TIMER_RING] = 0;
	bool out = c->direction != 1 && c->legs[1].role == LEG_AGENT && call_leg_alive(&c->legs[1]);
	struct call_effect *e = fx_emit(s, LEDGER_DIALLED);
	e->text = *c->legs[leg].number ? c->legs[leg].number : c->legs[leg].target;
	e->status = status;
	if (leg || out)
		leg_forget(s, leg);
	if (!out && c->act < c->n_acts && c->acts[c->act].kind == ACT_DIAL) {
		c->phase = CALL_MENU;
		flow_step_out(s, STEP_FAILED, status == 486 ? "busy" : status == 408 ? "no-answer" : "failed");
		s->fx->save = true;
	} else if (!out && *c->queue_id) { /* a transfer that failed: the customer is not lost */
		queue_back(s, "");
	} else {
		call_clear(s, BY_SYSTEM, by_remote ? CAUSE_REJECTED : CAUSE_FAILED, status);
	}
}
