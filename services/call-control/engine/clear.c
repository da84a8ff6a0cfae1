/* The end of a call: everything is let go in one step, then the last word of media (its statistics) ends it. */
#include "call_int.h"

void clear_done(struct step *s, double mos, double loss_pct)
{
	struct call *c = s->c;
	struct call_effect *e = fx_emit(s, LEDGER_ENDED);
	e->text = call_by_name(c->ended_by);
	e->text2 = call_cause_name(c->cause);
	e->status = c->sip_status;
	e->ms = (uint64_t)PL_MAX(c->ended_us - c->started_us, 0) / 1000u;
	e->mos = mos;
	e->loss_pct = loss_pct;
	c->phase = CALL_END;
	memset(c->due_us, 0, sizeof(c->due_us));
}

static void ended(struct step *s, enum ended_by by, enum end_cause cause, uint32_t status)
{
	struct call *c = s->c;
	c->ended_by = (uint8_t)by;
	c->cause = (uint8_t)cause;
	c->sip_status = (uint16_t)status;
	c->ended_us = s->env->now_us;
}

void call_refuse(struct step *s, enum end_cause cause, uint32_t status)
{
	ended(s, BY_SYSTEM, cause, status);
	clear_done(s, 0, 0);
}

void call_clear(struct step *s, enum ended_by by, enum end_cause cause, uint32_t status)
{
	struct call *c = s->c;
	if (c->phase >= CALL_CLEARING)
		return;
	talk_release(s, "system", false); /* where a talk was still on */
	c->far = -1;
	if (c->in_acd)
		fx_acd(s, CALL_FX_CANCEL)->text = "abandoned";
	c->in_acd = false;
	flow_gone(s);
	legs_drop_but(s, 0, 487, "call ended");
	leg_drop(s, 0, status, "call ended");
	for (size_t i = 0; i < CALL_WAITS; i++)
		c->waits[i] = (struct call_wait){ 0 };
	memset(c->due_us, 0, sizeof(c->due_us));
	c->playing = 0;
	c->plays = PLAYS_NOTHING;
	ended(s, by, cause, status);
	c->phase = CALL_CLEARING;
	if (!*c->media) {
		clear_done(s, 0, 0);
		return;
	}
	fx_op(s, OP_DESTROY_ROOM, "");
	(void)fx_wait(s, WAIT_CLEAR, 0, 0);
	c->due_us[TIMER_CLEAR] = s->env->now_us + s->env->lim->clear_us;
}

void customer_gone(struct step *s, enum ended_by by)
{
	struct call *c = s->c;
	enum end_cause cause = c->phase == CALL_QUEUE || (c->phase == CALL_MENU && c->in_acd) ? CAUSE_ABANDONED_QUEUE
			       : c->phase == CALL_MENU                                        ? CAUSE_ABANDONED_MENU
											      : CAUSE_NORMAL;
	talk_release(s, by == BY_LOST ? "lost" : "customer-hangup", false);
	leg_forget(s, 0);
	if (c->far > 0)
		leg_drop(s, (unsigned)c->far, 0, "customer hung up");
	c->far = -1;
	call_clear(s, by, by == BY_LOST && cause == CAUSE_NORMAL ? CAUSE_FAILED : cause, 0);
}
