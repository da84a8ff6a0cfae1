/* What may happen when: one table of phase and event. An empty cell is a refusal. */
#include "call_int.h"

const struct call_limits call_limits_default = {
	.ring_slack_us = 5 * PL_US_PER_S,
	.browser_us = 30 * PL_US_PER_S,
	.clear_us = 3 * PL_US_PER_S,
	.longest_us = 12 * 3600 * PL_US_PER_S,
};

void call_init(struct call *c, const char *id)
{
	memset(c, 0, sizeof(*c));
	c->far = -1;
	str_put(c->id, sizeof(c->id), id);
}

int64_t call_due_us(const struct call *c)
{
	int64_t due = 0;
	for (unsigned t = 0; t < CALL_TIMER_N; t++)
		if (c->due_us[t] && (!due || c->due_us[t] < due))
			due = c->due_us[t];
	return due;
}

/* --- a call comes in --- */

static void incoming_to(struct step *s, const struct ev_incoming *in)
{
	struct call *c = s->c;
	struct call_op *op = fx_op(s, OP_CREATE, in->leg_id);
	op->sdp = in->sdp;
	c->legs[0].endpoint = true;
	(void)fx_wait(s, WAIT_CUSTOMER, 0, 0); /* the first of all waits */
	switch (in->dest.kind) {
	case DEST_FLOW:
		c->phase = CALL_MENU;
		c->flow_on = true;
		str_put(c->flow_id, sizeof(c->flow_id), in->dest.id);
		flow_step_out(s, STEP_STARTED, "");
		s->fx->at[s->fx->n - 1].kv = in->kv;
		break;
	case DEST_QUEUE:
		c->phase = CALL_QUEUE;
		str_put(c->queue_id, sizeof(c->queue_id), in->dest.id);
		str_put(c->queue_name, sizeof(c->queue_name), in->dest.name);
		str_put(c->music, sizeof(c->music), in->dest.music);
		c->record_queue = in->dest.record;
		c->want_answer = true;
		break;
	default:
		if (!dial_far(s, &in->dest, 0))
			call_clear(s, BY_SYSTEM, CAUSE_FAILED, *or_empty(s->env->edge) ? 404 : 503);
	}
}

static enum pl_err on_incoming(struct step *s)
{
	struct call *c = s->c;
	const struct ev_incoming *in = &s->ev->incoming;
	struct call_leg *l = &c->legs[0];
	if (pl_empty(in->leg_id) || !str_fits(in->leg_id, CALL_ID) || pl_empty(in->edge) ||
	    !str_fits(in->edge, CALL_NODE) || !str_fits(in->dest.id, in->dest.kind == DEST_URI ? CALL_TARGET : CALL_ID))
		return PL_E_FORMAT;
	c->direction = !in->from_phone ? 1 : in->internal ? 3 : 2;
	str_put(c->from, sizeof(c->from), in->from);
	str_put(c->from_name, sizeof(c->from_name), in->from_name);
	str_put(c->to, sizeof(c->to), in->to);
	str_put(c->source_id, sizeof(c->source_id), in->source_id);
	c->started_us = s->env->now_us;
	fx_emit(s, LEDGER_STARTED)->text = in->sip_call_id;
	if (in->dest.kind == DEST_NONE || !*or_empty(s->env->media)) {
		bool none = in->dest.kind == DEST_NONE;
		call_refuse(s, none ? CAUSE_NO_ROUTE : CAUSE_FAILED, none ? 404 : 503);
		return PL_OK;
	}
	l->state = LEG_INCOMING;
	l->role = LEG_CUSTOMER;
	l->since_us = s->env->now_us;
	str_put(l->id, sizeof(l->id), in->leg_id);
	str_put(l->edge, sizeof(l->edge), in->edge);
	str_put(c->media, sizeof(c->media), s->env->media);
	c->record_route = in->dest.record && in->dest.kind != DEST_QUEUE;
	c->due_us[TIMER_LONGEST] = s->env->now_us + s->env->lim->longest_us;
	incoming_to(s, in);
	return PL_OK;
}

/* --- legs --- */

static unsigned leg_of(const struct step *s)
{
	return (unsigned)call_find_leg(s->c, s->ev->leg.leg_id);
}

static enum pl_err on_ringing(struct step *s)
{
	unsigned at = leg_of(s);
	struct call_leg *l = &s->c->legs[at];
	enum leg_fx fx;
	enum pl_err err = leg_step(l, LEG_EV_RING, &fx);
	if (err || fx != LEG_FX_RING || l->rang)
		return err;
	l->rang = true;
	if (s->c->phase == CALL_DIAL)
		return dial_ringing(s, at);
	struct call_effect *e = fx_emit(s, LEDGER_AGENT_RINGING);
	str_put(e->leg_id, sizeof(e->leg_id), l->id);
	str_put(e->agent, sizeof(e->agent), l->agent_id);
	e->text = l->target_kind == DEST_URI ? "uri" : "phone";
	return PL_OK;
}

static void offer_answered(struct step *s, unsigned at)
{
	struct call_leg *l = &s->c->legs[at];
	if (!customer_answer(s)) {
		fx_offer_reply(s, l, OFFER_FAILED, "customer not ready");
		leg_drop(s, at, 480, "customer not ready");
		return;
	}
	fx_op(s, OP_SET_REMOTE, l->id)->sdp = s->ev->leg.sdp;
	(void)fx_wait(s, WAIT_TALK, at, 0); /* the leg's own wait (WAIT_DIAL) is over */
	talk_begin(s, at);
}

static enum pl_err on_answered(struct step *s)
{
	unsigned at = leg_of(s);
	struct call *c = s->c;
	enum leg_fx fx;
	if (at == 0 &&
	    c->legs[0].state == LEG_UP) { /* our 2xx was acknowledged; a late answer in the ACK (RFC 3264 section 4) */
		if (!pl_empty(s->ev->leg.sdp))
			fx_op(s, OP_SET_REMOTE, c->legs[0].id)->sdp = s->ev->leg.sdp;
		return PL_OK;
	}
	if (at == 0 && c->legs[0].state == LEG_INCOMING)
		return PL_E_STATE;
	enum pl_err err = leg_step(&c->legs[at], LEG_EV_ANSWER, &fx);
	if (err)
		return err;
	c->legs[at].up_us = s->env->now_us;
	if (c->phase == CALL_DIAL)
		dial_answered(s, at);
	else
		offer_answered(s, at);
	return PL_OK;
}

static enum pl_err on_ended(struct step *s)
{
	struct call *c = s->c;
	unsigned at = leg_of(s);
	struct call_leg *l = &c->legs[at];
	const struct ev_leg *e = &s->ev->leg;
	if (at == 0 && (l->state == LEG_UP || l->state == LEG_INCOMING))
		customer_gone(s, e->lost ? BY_LOST : BY_CUSTOMER);
	else if ((int)at == c->far && e->lost)
		talk_lost(s, "leg lost", true);
	else if ((int)at == c->far)
		talk_over(s, BY_AGENT, "agent-hangup", false);
	else if (at == 0 || l->role == LEG_PEER)
		dial_failed(s, at, e->status, e->by_remote);
	else if (*l->offer_id)
		offer_failed(s, at, e->status);
	else { /* the agent of a call out */
		bool up = l->state == LEG_UP;
		leg_forget(s, at);
		call_clear(s, BY_AGENT, up ? CAUSE_NORMAL : CAUSE_FAILED, up ? 0 : e->status);
	}
	return PL_OK;
}

static enum pl_err on_reinvited(struct step *s)
{
	struct call *c = s->c;
	unsigned at = leg_of(s);
	if (c->legs[at].state != LEG_UP)
		return PL_E_STATE;
	if (s->ev->leg.status >= 300 || pl_empty(s->ev->leg.sdp)) { /* it did not follow us to the new media node */
		if (at == 0) {
			call_clear(s, BY_LOST, CAUSE_FAILED, 488);
		} else if ((int)at == c->far) {
			talk_lost(s, "re-INVITE refused", false);
		} else {
			return PL_E_STATE;
		}
		return PL_OK;
	}
	fx_op(s, OP_SET_REMOTE, c->legs[at].id)->sdp = s->ev->leg.sdp;
	return PL_OK;
}

static enum pl_err on_info(struct step *s)
{
	enum pl_err err = leg_of(s) == 0 ? PL_OK : PL_E_STATE;
	for (const char *d = or_empty(s->ev->leg.digits); *d && !err; d++)
		if (s->c->phase == CALL_MENU)
			err = menu_digit(s, *d);
		else if (s->c->phase == CALL_QUEUE)
			err = queue_digit(s, *d);
	return err;
}

/* --- media --- */

static enum pl_err on_menu_digit(struct step *s)
{
	return call_find_leg(s->c, s->ev->digit.endpoint_id) == 0 ? menu_digit(s, s->ev->digit.digit) : PL_E_STATE;
}

static enum pl_err on_queue_digit(struct step *s)
{
	return call_find_leg(s->c, s->ev->digit.endpoint_id) == 0 ? queue_digit(s, s->ev->digit.digit) : PL_E_STATE;
}

static enum pl_err on_endpoint(struct step *s)
{
	struct call *c = s->c;
	int at = call_find_leg(c, s->ev->endpoint.endpoint_id);
	if (at <= 0 || at != c->far || c->legs[at].kind != LEG_BROWSER || c->legs[at].lost == s->ev->endpoint.lost)
		return PL_E_STATE;
	c->legs[at].lost = s->ev->endpoint.lost;
	c->due_us[TIMER_BROWSER] = c->legs[at].lost ? s->env->now_us + s->env->lim->browser_us : 0;
	talk_mix(s);
	s->fx->save = true;
	return PL_OK;
}

static enum pl_err on_held_music(struct step *s)
{
	const struct ev_play *p = &s->ev->play;
	if (p->player != s->c->music_player || !p->stopped)
		return PL_E_NOTFOUND;
	s->c->music_ms = p->played_ms;
	return PL_OK;
}

static enum pl_err on_recording_failed(struct step *s)
{
	if (s->c->recording == REC_OFF || !str_eq(s->ev->id, s->c->recording_id))
		return PL_E_NOTFOUND;
	s->c->recording = REC_FAILED;
	return PL_OK;
}

static enum pl_err late_offer(struct step *s)
{
	struct call_leg l = { .fence = s->ev->offer.fence };
	str_put(l.offer_id, sizeof(l.offer_id), s->ev->offer.offer_id);
	str_put(l.agent_id, sizeof(l.agent_id), s->ev->offer.agent_id);
	for (unsigned i = 1; i < CALL_LEGS; i++)
		if (call_leg_alive(&s->c->legs[i]) && strcmp(s->c->legs[i].offer_id, l.offer_id) == 0)
			return PL_E_EXISTS;
	fx_offer_reply(s, &l, OFFER_FAILED, "not waiting");
	return PL_OK;
}

/* --- timers --- */

static void ring_timer(struct step *s)
{
	struct call *c = s->c;
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		struct call_leg *l = &c->legs[i];
		bool rings = l->state == LEG_SETUP || l->state == LEG_DIALLING || l->state == LEG_RINGING;
		if (!rings || c->phase != CALL_DIAL)
			continue;
		leg_drop(s, i, 487, "no answer");
		if (l->role == LEG_AGENT)
			call_clear(s, BY_AGENT, CAUSE_FAILED, 408);
		else
			dial_failed(s, i, 408, false);
	}
}

static enum pl_err on_timer(struct step *s)
{
	struct call *c = s->c;
	bool any = false;
	for (unsigned t = 0; t < CALL_TIMER_N; t++) {
		if (!c->due_us[t] || c->due_us[t] > s->env->now_us)
			continue;
		c->due_us[t] = 0;
		any = true;
		switch (t) {
		case TIMER_DIGIT:
			menu_digit_timer(s);
			break;
		case TIMER_ANNOUNCE:
			if (c->phase == CALL_QUEUE)
				queue_announce(s);
			break;
		case TIMER_RING:
			ring_timer(s);
			break;
		case TIMER_BROWSER:
			talk_browser_gone(s);
			break;
		case TIMER_CLEAR:
			clear_done(s, 0, 0);
			break;
		default:
			call_clear(s, BY_SYSTEM, CAUSE_NORMAL, 0);
		}
	}
	return any ? PL_OK : PL_E_STATE;
}

/* --- the table --- */

/* clang-format off */
#define LEGS_LIVE \
	[CALL_EV_LEG_RINGING] = on_ringing, [CALL_EV_LEG_ANSWERED] = on_answered, [CALL_EV_LEG_ENDED] = on_ended, \
	[CALL_EV_LEG_REINVITED] = on_reinvited, [CALL_EV_LEG_REINVITE] = leg_reinvite, [CALL_EV_LEG_REFER] = leg_refer, \
	[CALL_EV_LEG_DIGITS] = on_info, [CALL_EV_MEDIA_RESULT] = on_result, [CALL_EV_EDGE_LOST] = adopt_edge_lost, \
	[CALL_EV_MEDIA_LOST] = adopt_media_lost, [CALL_EV_TIMER] = on_timer, [CALL_EV_ADOPTED] = adopt_adopted
#define OFFERS \
	[CALL_EV_OFFERED] = queue_offered, [CALL_EV_OFFER_ENDED] = queue_offer_ended, [CALL_EV_ACCEPT] = queue_accept, \
	[CALL_EV_REJECT] = queue_reject

static enum pl_err (*const rules[CALL_PHASE_N][CALL_EVENT_N])(struct step *) = {
	[CALL_IDLE] = { [CALL_EV_INCOMING] = on_incoming, [CALL_EV_DIAL_OUT] = dial_out },
	[CALL_MENU] = { LEGS_LIVE, OFFERS,
		[CALL_EV_PLAY_DONE] = menu_played, [CALL_EV_DIGIT] = on_menu_digit, [CALL_EV_FLOW] = menu_flow },
	[CALL_QUEUE] = { LEGS_LIVE, OFFERS,
		[CALL_EV_PLAY_DONE] = queue_played, [CALL_EV_DIGIT] = on_queue_digit, [CALL_EV_DEQUEUED] = queue_dequeued,
		[CALL_EV_POSITION] = queue_position, [CALL_EV_FLOW] = late_flow },
	[CALL_DIAL] = { LEGS_LIVE,
		[CALL_EV_HANGUP] = cmd_hangup, [CALL_EV_OFFERED] = late_offer, [CALL_EV_PLAY_DONE] = on_held_music,
		[CALL_EV_FLOW] = late_flow },
	[CALL_TALK] = { LEGS_LIVE,
		[CALL_EV_PLAY_DONE] = on_held_music, [CALL_EV_ENDPOINT] = on_endpoint, [CALL_EV_RECORDING_FAILED] = on_recording_failed,
		[CALL_EV_OFFERED] = late_offer, [CALL_EV_OFFER_ENDED] = queue_offer_ended, [CALL_EV_ATTACH] = cmd_attach,
		[CALL_EV_HOLD] = cmd_hold, [CALL_EV_RESUME] = cmd_resume, [CALL_EV_MUTE] = cmd_mute,
		[CALL_EV_SEND_DIGITS] = cmd_digits, [CALL_EV_TRANSFER] = cmd_transfer, [CALL_EV_HANGUP] = cmd_hangup,
		[CALL_EV_PAUSE_RECORDING] = cmd_pause, [CALL_EV_FLOW] = late_flow },
	[CALL_CLEARING] = { [CALL_EV_MEDIA_RESULT] = on_result, [CALL_EV_TIMER] = on_timer, [CALL_EV_FLOW] = late_flow,
		[CALL_EV_MEDIA_LOST] = adopt_media_lost, [CALL_EV_ADOPTED] = adopt_adopted },
};
/* clang-format on */

/* Delivery is at least once and may be late: what was seen before is refused here, before any handler. */
static enum pl_err seen(struct step *s, uint32_t **leg_seq, uint64_t *media_seq)
{
	const struct call_event *ev = s->ev;
	*leg_seq = NULL;
	*media_seq = 0;
	if (ev->kind >= CALL_EV_LEG_RINGING && ev->kind <= CALL_EV_LEG_DIGITS) {
		int at = call_find_leg(s->c, ev->leg.leg_id);
		if (at < 0)
			return PL_E_NOTFOUND;
		if (ev->leg.seq && ev->leg.seq <= s->c->legs[at].ev_seq)
			return PL_E_EXISTS;
		*leg_seq = ev->leg.seq ? &s->c->legs[at].ev_seq : NULL;
	} else if (ev->kind == CALL_EV_PLAY_DONE) {
		*media_seq = ev->play.seq;
	} else if (ev->kind == CALL_EV_DIGIT) {
		*media_seq = ev->digit.seq;
	} else if (ev->kind == CALL_EV_ENDPOINT) {
		*media_seq = ev->endpoint.seq;
	}
	return *media_seq && *media_seq <= s->c->media_seq ? PL_E_EXISTS : PL_OK;
}

static void sweep(struct call *c)
{
	for (unsigned i = 0; i < CALL_LEGS; i++)
		if (c->legs[i].state == LEG_GONE)
			memset(&c->legs[i], 0, sizeof(c->legs[i]));
}

static void finish(struct step *s)
{
	struct call_fx *fx = s->fx;
	bool live = s->c->phase < CALL_CLEARING;
	if (fx->req)
		fx->at[fx->n++] = (struct call_effect){ .kind = CALL_FX_MEDIA, .req = fx->req };
	if (fx->save && live)
		fx->at[fx->n++] = (struct call_effect){ .kind = CALL_FX_SAVE };
	if (s->c->phase == CALL_END)
		fx->at[fx->n++] = (struct call_effect){ .kind = CALL_FX_END };
}

enum pl_err call_step(struct call *c, const struct call_event *ev, const struct call_env *env, struct call_fx *fx)
{
	struct step s = { c, ev, env, fx };
	uint32_t *leg_seq = NULL;
	uint64_t media_seq = 0;
	fx->n = fx->n_ops = fx->say_len = 0;
	fx->req = 0;
	fx->media = c->media;
	fx->save = fx->overflow = false;
	if (c->phase >= CALL_PHASE_N || (unsigned)ev->kind >= CALL_EVENT_N || !rules[c->phase][ev->kind])
		return PL_E_STATE;
	sweep(c);
	enum pl_err err = seen(&s, &leg_seq, &media_seq);
	if (err)
		return err;
	uint32_t seq = ev->leg.seq;
	err = rules[c->phase][ev->kind](&s);
	if (err) {
		fx->n = fx->n_ops = 0;
		return err;
	}
	if (leg_seq)
		*leg_seq = seq;
	if (media_seq)
		c->media_seq = media_seq;
	finish(&s);
	return PL_OK;
}
