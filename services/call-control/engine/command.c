/* What the agent in the talk asks for. */
#include "call_int.h"

/* The asking agent's leg when it talks. */
static enum pl_err talking(struct step *s)
{
	const struct call *c = s->c;
	if (c->phase != CALL_TALK || c->far < 0 || c->legs[c->far].role != LEG_AGENT)
		return PL_E_STATE;
	return str_eq(c->legs[c->far].agent_id, s->ev->cmd.agent_id) ? PL_OK : PL_E_NOTFOUND;
}

/* As above, and the answer comes when media has carried it out. */
static enum pl_err talking_and_wait(struct step *s)
{
	enum pl_err err = talking(s);
	return err ? err : waits_free(s->c, CALL_LEGS) ? PL_OK : PL_E_FULL;
}

static void reply_when_done(struct step *s)
{
	if (s->fx->req)
		(void)fx_wait(s, WAIT_ACK, (unsigned)s->c->far, s->ev->cmd.rpc); /* talking_and_wait() made sure */
	else
		fx_reply(s, s->ev->cmd.rpc, PL_OK, "", NULL);
	s->fx->save = true;
}

static void mark(struct step *s, enum mark_kind kind)
{
	struct call *c = s->c;
	if (c->recording == REC_OFF || c->n_marks == CALL_MARKS)
		return;
	c->marks[c->n_marks++] = (struct call_mark){ (uint32_t)((s->env->now_us - c->recorded_us) / 1000), kind };
}

enum pl_err cmd_hold(struct step *s)
{
	struct call *c = s->c;
	enum pl_err err = talking_and_wait(s);
	if (err)
		return err;
	if (c->held)
		return PL_E_STATE;
	c->held = true;
	c->held_us = s->env->now_us;
	c->holds++;
	mark(s, MARK_HOLD);
	fx_emit(s, LEDGER_HELD);
	talk_mix(s);
	reply_when_done(s);
	return PL_OK;
}

enum pl_err cmd_resume(struct step *s)
{
	struct call *c = s->c;
	enum pl_err err = talking_and_wait(s);
	if (err)
		return err;
	if (!c->held)
		return PL_E_STATE;
	int64_t held = PL_MAX(s->env->now_us - c->held_us, 0);
	c->held = false;
	c->held_sum_us += held;
	mark(s, MARK_RESUME);
	fx_emit(s, LEDGER_RESUMED)->ms2 = (uint64_t)held / 1000u;
	talk_mix(s);
	reply_when_done(s);
	return PL_OK;
}

enum pl_err cmd_mute(struct step *s)
{
	enum pl_err err = talking_and_wait(s);
	if (err)
		return err;
	s->c->legs[s->c->far].muted = s->ev->cmd.on;
	op_mix(s, 0, s->c->held || s->c->phone_held || s->ev->cmd.on ? -1 : s->c->far);
	reply_when_done(s);
	return PL_OK;
}

enum pl_err cmd_digits(struct step *s)
{
	enum pl_err err = talking_and_wait(s);
	const char *d = or_empty(s->ev->cmd.digits);
	if (err)
		return err;
	if (!*d || strlen(d) >= CALL_DIGITS || strspn(d, "0123456789*#ABCD") != strlen(d))
		return PL_E_FORMAT;
	fx_op(s, OP_DIGITS, s->c->legs[0].id)->digits = d;
	reply_when_done(s);
	return PL_OK;
}

enum pl_err cmd_pause(struct step *s)
{
	struct call *c = s->c;
	bool on = s->ev->cmd.on;
	enum pl_err err = talking_and_wait(s);
	if (err)
		return err;
	if (c->recording != (on ? REC_ON : REC_PAUSED))
		return PL_E_STATE;
	c->recording = on ? REC_PAUSED : REC_ON;
	mark(s, on ? MARK_PAUSE : MARK_UNPAUSE);
	struct call_op *op = fx_op(s, OP_PAUSE_RECORDING, "");
	str_put(op->id, sizeof(op->id), c->recording_id);
	op->on = on;
	struct call_effect *e = fx_emit(s, LEDGER_RECORDING_PAUSED);
	str_put(e->id, sizeof(e->id), c->recording_id);
	e->flag = on;
	reply_when_done(s);
	return PL_OK;
}

enum pl_err cmd_attach(struct step *s)
{
	struct call *c = s->c;
	enum pl_err err = talking_and_wait(s);
	if (err)
		return err;
	struct call_leg *l = &c->legs[c->far];
	if (l->kind != LEG_BROWSER)
		return PL_E_STATE;
	if (l->endpoint)
		fx_op(s, OP_DESTROY, l->id);
	struct call_op *op = fx_op(s, OP_CREATE, l->id);
	op->browser = true;
	op->sdp = s->ev->cmd.sdp;
	l->endpoint = true;
	l->lost = false;
	c->due_us[TIMER_BROWSER] = 0;
	talk_mix(s);
	if (c->recording == REC_OFF) /* the node that recorded is gone */
		record_begin(s, (unsigned)c->far);
	(void)fx_wait(s, WAIT_BROWSER, (unsigned)c->far, s->ev->cmd.rpc);
	s->fx->save = true;
	return PL_OK;
}

enum pl_err cmd_hangup(struct step *s)
{
	struct call *c = s->c;
	int at = call_find_agent(c, s->ev->cmd.agent_id);
	if (at < 0)
		return PL_E_NOTFOUND;
	bool own = !*c->legs[at].offer_id; /* a call of the agent's own making, maybe still being dialled */
	if (at != c->far && !own)
		return PL_E_STATE; /* an offer is rejected, not hung up */
	fx_reply(s, s->ev->cmd.rpc, PL_OK, "", NULL);
	if (at != c->far) {
		leg_drop(s, (unsigned)at, 0, "agent hung up");
		call_clear(s, BY_AGENT, CAUSE_NORMAL, 0);
		return PL_OK;
	}
	talk_over(s, BY_AGENT, "agent-hangup", true);
	return PL_OK;
}

static const char *transfer_kind(enum dest_kind k)
{
	return k == DEST_QUEUE ? "queue" : k == DEST_AGENT ? "agent" : "number";
}

static bool transferable(const struct call *c, const struct call_dest *d)
{
	switch (d->kind) {
	case DEST_QUEUE:
		return str_fits(d->id, sizeof(c->queue_id)) && !pl_empty(d->id);
	case DEST_AGENT:
		return str_fits(d->id, sizeof(c->only_agent)) && !pl_empty(d->id);
	default:
		return d->kind != DEST_BROWSER && leg_can_target(d);
	}
}

/* The far leg lets go of the customer, who hears music from now on. */
static void transfer(struct step *s, const struct call_dest *d)
{
	struct call *c = s->c;
	unsigned far = (unsigned)c->far;
	struct call_effect *e = fx_emit(s, LEDGER_TRANSFERRED);
	e->text = transfer_kind(d->kind);
	e->text2 = d->kind == DEST_QUEUE || d->kind == DEST_AGENT || pl_empty(d->number) ? d->id : d->number;
	bool in_queue = d->kind == DEST_QUEUE || d->kind == DEST_AGENT;
	talk_release(s, "transfer", in_queue);
	c->far = -1;
	leg_drop(s, far, 0, "transferred");
	op_mix(s, 0, -1);
	if (d->kind == DEST_QUEUE) {
		queue_enter(s, d);
	} else if (d->kind == DEST_AGENT) {
		queue_back(s, d->id);
	} else {
		queue_music(s);
		c->phase = CALL_DIAL;
		c->n_acts = c->act = 0;
		if (!dial_far(s, d, 0))
			dial_failed(s, 0, 404, false);
	}
}

enum pl_err cmd_transfer(struct step *s)
{
	enum pl_err err = talking(s);
	if (err)
		return err;
	if (!transferable(s->c, &s->ev->cmd.dest))
		return PL_E_FORMAT;
	fx_reply(s, s->ev->cmd.rpc, PL_OK, "", NULL);
	transfer(s, &s->ev->cmd.dest);
	return PL_OK;
}

/* --- what the agent's telephone asks for --- */

enum pl_err leg_refer(struct step *s)
{
	struct call *c = s->c;
	int at = call_find_leg(c, s->ev->leg.leg_id);
	const struct call_dest *d = &s->ev->leg.dest;
	/* Only an agent's telephone may send the customer elsewhere; a customer who could would dial out at our cost.
	 */
	bool may =
		at > 0 && at == c->far && c->legs[at].role == LEG_AGENT && c->phase == CALL_TALK && transferable(c, d);
	fx_leg(s, CALL_FX_LEG_REFER_RESULT, (unsigned)at)->status = may ? 200 : 603;
	if (may)
		transfer(s, d);
	return PL_OK;
}

enum pl_err leg_reinvite(struct step *s)
{
	struct call *c = s->c;
	int at = call_find_leg(c, s->ev->leg.leg_id);
	if (c->legs[at].state != LEG_UP || !waits_free(c, CALL_LEGS)) {
		fx_leg(s, CALL_FX_LEG_ANSWER_REINVITE, (unsigned)at)->sdp = "";
		return PL_OK;
	}
	struct call_op *op = fx_op(s, OP_SET_REMOTE, c->legs[at].id);
	op->sdp = s->ev->leg.sdp;
	op->offer = true;
	(void)fx_wait(s, WAIT_REINVITE, (unsigned)at, 0);
	bool holds = sdp_holds(s->ev->leg.sdp);
	if (at == c->far && c->phase == CALL_TALK && holds != c->phone_held) {
		c->phone_held = holds;
		talk_mix(s);
		s->fx->save = true;
	}
	return PL_OK;
}
