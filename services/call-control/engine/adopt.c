/* What goes on when a process that had a part of the call is gone. */
#include "call_int.h"

static void forget_waits(struct step *s, bool reply)
{
	for (size_t i = 0; i < CALL_WAITS; i++) {
		struct call_wait *w = &s->c->waits[i];
		if (reply && w->kind != WAIT_NONE)
			fx_reply(s, w->rpc, PL_E_UNAVAIL, "media node lost", NULL);
		*w = (struct call_wait){ 0 };
	}
}

static void browser_lost(struct step *s, struct call_leg *l)
{
	l->lost = true;
	s->c->due_us[TIMER_BROWSER] = s->env->now_us + s->env->lim->browser_us;
}

/* Legs that are not up depended on what is gone. Gives false when the call ended with them. */
static bool drop_unanswered(struct step *s, bool dialled_too)
{
	struct call *c = s->c;
	if (c->legs[0].state == LEG_INCOMING && (dialled_too || !*c->answer_sdp))
		call_clear(s, BY_LOST, CAUSE_FAILED, 503);
	for (unsigned i = 0; i < CALL_LEGS && c->phase < CALL_CLEARING; i++) {
		struct call_leg *l = &c->legs[i];
		bool dialled = l->state == LEG_DIALLING || l->state == LEG_RINGING;
		if (l->state != LEG_SETUP && !(dialled && dialled_too))
			continue;
		l->state = LEG_DIALLING; /* it may have been dialled without our knowing: hang up */
		if (i && *l->offer_id) {
			fx_offer_reply(s, l, OFFER_FAILED, "node lost");
			leg_drop(s, i, 503, "node lost");
		} else if (i && l->role == LEG_PEER) {
			leg_drop(s, i, 503, "node lost");
			dial_failed(s, i, 503, false);
		} else {
			call_clear(s, BY_LOST, CAUSE_FAILED, 503);
		}
	}
	return c->phase < CALL_CLEARING;
}

static void play_again(struct step *s)
{
	struct call *c = s->c;
	c->plays = PLAYS_NOTHING;
	c->playing = 0;
	if (c->phase == CALL_QUEUE)
		queue_wait(s);
	else if (c->phase == CALL_MENU)
		menu_replay(s);
	else if (c->phase == CALL_TALK)
		talk_mix(s);
	else if (c->phase == CALL_DIAL && c->legs[0].state == LEG_UP)
		queue_music(s);
}

static void flow_again(struct step *s)
{
	struct call *c = s->c;
	if (!c->flow_waits)
		return;
	char why[sizeof(c->flow_why)];
	str_put(why, sizeof(why), c->flow_why);
	c->flow_seq--;
	flow_step_out(s, (enum step_kind)c->flow_step, why);
}

enum pl_err adopt_adopted(struct step *s)
{
	struct call *c = s->c;
	forget_waits(s, false); /* those who asked have their errors from the bus */
	s->fx->save = true;
	if (c->phase == CALL_CLEARING) {
		clear_done(s, 0, 0);
		return PL_OK;
	}
	if (!drop_unanswered(s, false))
		return PL_OK;
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		struct call_leg *l = &c->legs[i];
		if (!call_leg_alive(l))
			continue;
		l->cmd_seq += 16; /* commands sent after the last checkpoint must not make ours look old */
		if (l->kind == LEG_SIP)
			fx_leg(s, CALL_FX_LEG_ADOPT, i);
	}
	c->media_req += 16;
	c->player += 16;
	if (c->playing)
		fx_op(s, OP_STOP_PLAY, "")->player = c->playing;
	play_again(s);
	if (!s->fx->req && *c->media) /* the room must learn whose it is now */
		op_mix(s, 0, c->phase == CALL_TALK && !c->held ? c->far : -1);
	flow_again(s);
	return PL_OK;
}

enum pl_err adopt_media_lost(struct step *s)
{
	struct call *c = s->c;
	if (!*c->media || !str_eq(s->ev->id, c->media))
		return PL_E_NOTFOUND;
	if (c->phase == CALL_CLEARING) {
		clear_done(s, 0, 0);
		return PL_OK;
	}
	forget_waits(s, true);
	for (unsigned i = 0; i < CALL_LEGS; i++)
		c->legs[i].endpoint = false;
	str_put(c->media, sizeof(c->media), s->env->media);
	c->media_seq = 0;
	if (!*c->media) {
		record_end(s, false);
		call_clear(s, BY_LOST, CAUSE_FAILED, 503);
		return PL_OK;
	}
	bool recorded = c->recording != REC_OFF;
	record_end(s, false);
	if (!drop_unanswered(s, true))
		return PL_OK;
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		struct call_leg *l = &c->legs[i];
		if (l->state != LEG_UP)
			continue;
		if (l->kind == LEG_BROWSER) {
			browser_lost(s, l);
			continue;
		}
		fx_op(s, OP_CREATE, l->id);
		l->endpoint = true;
		(void)fx_wait(s, WAIT_ANCHOR, i, 0); /* all waits are free */
	}
	play_again(s);
	if (recorded && c->phase == CALL_TALK && !c->legs[c->far].lost)
		record_begin(s, (unsigned)c->far);
	s->fx->save = true;
	return PL_OK;
}

void adopt_anchored(struct step *s, unsigned leg, const char *sdp)
{
	if (s->c->legs[leg].state == LEG_UP)
		fx_leg(s, CALL_FX_LEG_REINVITE, leg)->sdp = sdp;
}

enum pl_err adopt_edge_lost(struct step *s)
{
	struct call *c = s->c;
	unsigned gone = 0;
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		struct call_leg *l = &c->legs[i];
		if (!call_leg_alive(l) || l->kind != LEG_SIP || !*l->edge || !str_eq(l->edge, s->ev->id))
			continue;
		gone |= 1u << i;
		l->edge[0] = 0; /* nobody is there to be told of its end */
	}
	for (unsigned k = CALL_LEGS; k > 0 && c->phase < CALL_CLEARING;
	     k--) { /* the customer's last: it ends the call */
		unsigned i = k - 1;
		struct call_leg *l = &c->legs[i];
		if (!(gone & 1u << i) || !call_leg_alive(l))
			continue;
		bool up = l->state == LEG_UP;
		if (i == 0) {
			customer_gone(s, BY_LOST);
		} else if ((int)i == c->far) {
			talk_lost(s, "edge lost", true);
		} else if (l->role == LEG_PEER) {
			dial_failed(s, i, 503, false);
		} else if (*l->offer_id && !up) {
			offer_failed(s, i, 503);
		} else {
			leg_forget(s, i);
			call_clear(s, BY_LOST, CAUSE_FAILED, 0);
		}
	}
	return gone ? PL_OK : PL_E_NOTFOUND;
}
