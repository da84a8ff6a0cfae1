/* What media answered. */
#include "call_int.h"

static void customer_ready(struct step *s, const char *sdp)
{
	struct call *c = s->c;
	if (pl_empty(sdp) || !str_fits(sdp, sizeof(c->answer_sdp))) {
		call_clear(s, BY_SYSTEM, CAUSE_FAILED, 488);
		return;
	}
	str_put(c->answer_sdp, sizeof(c->answer_sdp), sdp);
	if (c->phase == CALL_QUEUE && !c->in_acd) { /* a route straight into a queue */
		struct call_dest d = {
			.id = c->queue_id, .name = c->queue_name, .music = c->music, .record = c->record_queue
		};
		if (customer_answer(s))
			queue_enter(s, &d);
	} else if (c->phase == CALL_MENU && c->want_answer && !c->flow_waits) {
		menu_next(s);
	}
}

static void leg_ready(struct step *s, unsigned leg, const char *sdp)
{
	enum leg_fx fx;
	if (leg_step(&s->c->legs[leg], LEG_EV_SDP, &fx) != PL_OK)
		return;
	fx_leg(s, CALL_FX_LEG_DIAL, leg)->sdp = sdp;
	s->fx->save = true;
}

static void wait_ok(struct step *s, const struct call_wait *w, const char *sdp)
{
	switch (w->kind) {
	case WAIT_CUSTOMER:
		customer_ready(s, sdp);
		break;
	case WAIT_DIAL:
		leg_ready(s, w->leg, sdp);
		break;
	case WAIT_BROWSER:
		fx_reply(s, w->rpc, PL_OK, "", sdp);
		break;
	case WAIT_REINVITE:
		fx_leg(s, CALL_FX_LEG_ANSWER_REINVITE, w->leg)->sdp = sdp;
		break;
	case WAIT_ANCHOR:
		adopt_anchored(s, w->leg, sdp);
		break;
	case WAIT_ACK:
		fx_reply(s, w->rpc, PL_OK, "", NULL);
		break;
	case WAIT_CLEAR:
		clear_done(s, s->ev->result.mos, s->ev->result.loss_pct);
		break;
	default:
		break;
	}
}

/* A leg whose endpoint could not be made or set. */
static void leg_broken(struct step *s, unsigned leg)
{
	struct call *c = s->c;
	struct call_leg *l = &c->legs[leg];
	if (leg == 0) {
		call_clear(s, BY_SYSTEM, CAUSE_FAILED, 503);
	} else if ((int)leg == c->far) {
		talk_lost(s, "no media", false);
	} else if (l->role == LEG_PEER) {
		dial_failed(s, leg, 503, false);
	} else if (*l->offer_id) {
		fx_offer_reply(s, l, OFFER_FAILED, "no media");
		leg_drop(s, leg, 503, "no media");
		s->fx->save = true;
	} else {
		call_clear(s, BY_SYSTEM, CAUSE_FAILED, 503);
	}
}

static void wait_failed(struct step *s, const struct call_wait *w)
{
	const struct ev_result *r = &s->ev->result;
	switch (w->kind) {
	case WAIT_CUSTOMER:
		call_clear(s, BY_SYSTEM, CAUSE_FAILED, r->err == PL_E_FORMAT ? 488 : 503);
		break;
	case WAIT_BROWSER:
		fx_reply(s, w->rpc, r->err, r->why, NULL);
		leg_broken(s, w->leg);
		break;
	case WAIT_DIAL:
	case WAIT_TALK:
	case WAIT_ANCHOR:
		leg_broken(s, w->leg);
		break;
	case WAIT_REINVITE:
		fx_leg(s, CALL_FX_LEG_ANSWER_REINVITE, w->leg)->sdp = "";
		break;
	case WAIT_ACK:
		fx_reply(s, w->rpc, r->err, r->why, NULL);
		break;
	case WAIT_CLEAR:
		clear_done(s, 0, 0);
		break;
	default:
		break;
	}
}

enum pl_err on_result(struct step *s)
{
	struct call *c = s->c;
	const struct ev_result *r = &s->ev->result;
	bool any = false;
	for (size_t i = 0; i < CALL_WAITS; i++) {
		struct call_wait w = c->waits[i]; /* a copy: what follows may wipe it */
		if (w.kind == WAIT_NONE || w.req != r->req)
			continue;
		c->waits[i] = (struct call_wait){ 0 };
		any = true;
		const char *sdp = "";
		for (size_t k = 0; k < r->n && k < CALL_RESULTS; k++)
			if (str_eq(r->sdps[k].endpoint_id, c->legs[w.leg].id))
				sdp = or_empty(r->sdps[k].sdp);
		if (r->err)
			wait_failed(s, &w);
		else
			wait_ok(s, &w, sdp);
	}
	return any ? PL_OK : PL_E_NOTFOUND;
}
