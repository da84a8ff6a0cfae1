/* Waiting in a queue: what the customer hears, and the agents that are rung meanwhile. */
#include "call_int.h"

static const struct call_act *wait_act(const struct call *c)
{
	const struct call_act *a = c->act < c->n_acts ? &c->acts[c->act] : NULL;
	return a && a->kind == ACT_QUEUE ? a : NULL;
}

void queue_music(struct step *s)
{
	struct call *c = s->c;
	struct call_fx *fx = s->fx;
	const struct call_act *a = wait_act(c);
	if (c->plays == PLAYS_MUSIC)
		return;
	op_stop(s);
	if (a && a->sources.len) {
		op_play(s, PLAYS_MUSIC, c->text + a->sources.at, a->sources.len, true);
		return;
	}
	char folder[CALL_ID + 8] = "moh/";
	str_put(folder + 4, sizeof(folder) - 4, *c->music ? c->music : "default");
	size_t from = fx->say_len;
	if (source_put(fx->say, sizeof(fx->say), &fx->say_len,
		       &(struct call_source){ .kind = SOURCE_FOLDER, .text = folder }))
		return;
	op_play(s, PLAYS_MUSIC, fx->say + from, fx->say_len - from, true);
}

static void announce_later(struct step *s)
{
	const struct call_act *a = wait_act(s->c);
	bool any = a && a->every_ms && (a->announcement.len || a->position);
	s->c->due_us[TIMER_ANNOUNCE] = any ? s->env->now_us + a->every_ms * PL_US_PER_MS : 0;
}

void queue_wait(struct step *s)
{
	struct call *c = s->c;
	const struct call_act *a = wait_act(c);
	if (a && a->greeting.len) {
		op_stop(s);
		op_play(s, PLAYS_GREETING, c->text + a->greeting.at, a->greeting.len, false);
	} else {
		queue_music(s);
	}
	announce_later(s);
	s->fx->save = true;
}

static void enqueue(struct step *s, const char *only_agent)
{
	struct call *c = s->c;
	if (!c->queued_at_us)
		c->queued_at_us = s->env->now_us;
	str_put(c->only_agent, sizeof(c->only_agent), only_agent);
	struct call_effect *e = fx_acd(s, CALL_FX_ENQUEUE);
	str_put(e->id, sizeof(e->id), c->queue_id);
	e->text = c->only_agent;
	c->in_acd = true;
	c->phase = CALL_QUEUE;
}

void queue_enter(struct step *s, const struct call_dest *d)
{
	struct call *c = s->c;
	str_put(c->queue_id, sizeof(c->queue_id), d->id);
	str_put(c->queue_name, sizeof(c->queue_name), d->name);
	str_put(c->music, sizeof(c->music), d->music);
	c->record_queue = d->record;
	c->n_acts = c->act = 0; /* the flow's music was for another queue */
	enqueue(s, "");
	queue_wait(s);
}

void queue_back(struct step *s, const char *only_agent)
{
	enqueue(s, only_agent);
	queue_music(s);
	announce_later(s);
	s->fx->save = true;
}

/* Out of the queue without an agent: back to the flow, or the end. */
void queue_leave(struct step *s, const char *reason, bool tell_router)
{
	struct call *c = s->c;
	if (tell_router)
		fx_acd(s, CALL_FX_CANCEL)->text = reason;
	c->in_acd = false;
	c->due_us[TIMER_ANNOUNCE] = 0;
	for (unsigned i = 1; i < CALL_LEGS; i++)
		leg_drop(s, i, 487, "left the queue");
	if (c->flow_on && !c->flow_ended) {
		op_stop(s);
		c->phase = CALL_MENU;
		flow_step_out(s, STEP_QUEUE_LEFT, reason);
		s->fx->save = true;
	} else {
		call_clear(s, BY_SYSTEM, CAUSE_REJECTED, 503);
	}
}

enum pl_err queue_dequeued(struct step *s)
{
	static const char *const final[] = { "timeout", "empty", "full", "closed" };
	struct call *c = s->c;
	for (size_t i = 0; i < PL_ARRAY_N(final); i++) {
		if (!str_eq(s->ev->dequeued, final[i]))
			continue;
		if (*c->only_agent && *c->queue_id) { /* that agent cannot; anybody may */
			legs_drop_but(s, -1, 487, "left the queue");
			queue_back(s, "");
		} else {
			queue_leave(s, final[i], false);
		}
		return PL_OK;
	}
	return PL_E_STATE; /* our own doing ("answered", "abandoned", "exit-key", "transferred") */
}

/* --- offers --- */

static enum pl_err offer_refuse(struct step *s, const struct ev_offer *o, const char *why)
{
	struct call_leg l = { .fence = o->fence };
	str_put(l.offer_id, sizeof(l.offer_id), o->offer_id);
	str_put(l.agent_id, sizeof(l.agent_id), o->agent_id);
	fx_offer_reply(s, &l, OFFER_FAILED, why);
	return PL_OK;
}

static int find_offer(const struct call *c, const char *offer_id)
{
	for (int i = 1; offer_id && *offer_id && i < CALL_LEGS; i++)
		if (call_leg_alive(&c->legs[i]) && strcmp(c->legs[i].offer_id, offer_id) == 0)
			return i;
	return -1;
}

enum pl_err queue_offered(struct step *s)
{
	struct call *c = s->c;
	const struct ev_offer *o = &s->ev->offer;
	if (!str_fits(o->offer_id, CALL_ID) || !str_fits(o->agent_id, CALL_ID) || pl_empty(o->offer_id))
		return PL_E_FORMAT;
	if (find_offer(c, o->offer_id) >= 0)
		return PL_E_EXISTS;
	if (c->phase == CALL_MENU && !c->flow_waits)
		return offer_refuse(s, o, "not waiting");
	if (!leg_can_target(&o->device))
		return offer_refuse(s, o, "no usable device");
	if (o->device.kind != DEST_BROWSER && !*or_empty(s->env->edge))
		return offer_refuse(s, o, "no sip-edge");
	int at = leg_new(s, LEG_AGENT, o->device.kind == DEST_BROWSER ? "" : s->env->edge, o->offer_id);
	if (at < 0)
		return offer_refuse(s, o, "too many rung at once");
	struct call_leg *l = &c->legs[at];
	leg_target(l, &o->device);
	str_put(l->agent_id, sizeof(l->agent_id), o->agent_id);
	l->fence = o->fence;
	l->ring_timeout_ms = o->ring_timeout_ms;
	l->auto_answer = o->auto_answer;
	c->in_acd = true;
	c->record_queue |= o->record;
	if (!*c->queue_id)
		str_put(c->queue_id, sizeof(c->queue_id), o->queue_id);
	if (!*c->queue_name)
		str_put(c->queue_name, sizeof(c->queue_name), o->queue_name);
	if (l->kind == LEG_BROWSER) {
		l->state = LEG_OFFERED;
		l->rang = true;
		struct call_effect *e = fx_emit(s, LEDGER_AGENT_RINGING);
		str_put(e->leg_id, sizeof(e->leg_id), l->id);
		str_put(e->agent, sizeof(e->agent), l->agent_id);
		e->text = "browser";
		s->fx->save = true;
	} else {
		leg_prepare(s, (unsigned)at); /* kept when it is dialled */
	}
	return PL_OK;
}

enum pl_err queue_offer_ended(struct step *s)
{
	const struct ev_offer_end *o = &s->ev->offer_end;
	int at = find_offer(s->c, o->offer_id);
	if (at < 0)
		return PL_E_NOTFOUND;
	if (o->outcome == OFFER_ACCEPTED)
		return PL_E_STATE; /* our own doing */
	bool talks = s->c->legs[at].state == LEG_UP;
	if (talks) { /* it rang out in the router's log before our word came: the router offers it to the next */
		s->c->legs[at].offer_id[0] = 0; /* the router knows */
		talk_release(s, "system", true);
		s->c->far = -1;
		op_mix(s, 0, -1);
	}
	bool elsewhere = o->outcome == OFFER_ELSEWHERE;
	leg_drop(s, (unsigned)at, elsewhere ? 200 : 487, elsewhere ? "Call completed elsewhere" : "offer ended");
	if (talks) {
		s->c->phase = CALL_QUEUE;
		s->c->held = s->c->phone_held = false;
		queue_music(s);
	}
	s->fx->save = true;
	return PL_OK;
}

void offer_failed(struct step *s, unsigned leg, uint32_t status)
{
	enum offer_outcome o = status == 408                                     ? OFFER_TIMEOUT
			       : status == 486 || status == 600 || status == 603 ? OFFER_REJECTED
										 : OFFER_FAILED;
	fx_offer_reply(s, &s->c->legs[leg], o, o == OFFER_FAILED ? "device not reached" : "device said no");
	leg_forget(s, leg);
	s->fx->save = true;
}

static enum pl_err offer_of_cmd(struct step *s, int *ret)
{
	const struct ev_cmd *m = &s->ev->cmd;
	int at = find_offer(s->c, m->offer_id);
	if (at < 0 || !str_eq(s->c->legs[at].agent_id, m->agent_id))
		return PL_E_NOTFOUND;
	*ret = at;
	return s->c->legs[at].state == LEG_UP ? PL_E_STATE : PL_OK;
}

enum pl_err queue_accept(struct step *s)
{
	struct call *c = s->c;
	int at = -1;
	enum pl_err err = offer_of_cmd(s, &at);
	if (err)
		return err;
	if (c->legs[at].state != LEG_OFFERED || !waits_free(c, CALL_LEGS) || !customer_can_answer(c))
		return PL_E_STATE;
	(void)customer_answer(s);
	struct call_op *op = fx_op(s, OP_CREATE, c->legs[at].id);
	op->browser = true;
	op->sdp = s->ev->cmd.sdp;
	c->legs[at].endpoint = true;
	(void)fx_wait(s, WAIT_BROWSER, (unsigned)at, s->ev->cmd.rpc);
	talk_begin(s, (unsigned)at);
	return PL_OK;
}

enum pl_err queue_reject(struct step *s)
{
	int at = -1;
	enum pl_err err = offer_of_cmd(s, &at);
	if (err)
		return err;
	fx_offer_reply(s, &s->c->legs[at], OFFER_REJECTED, "rejected");
	leg_drop(s, (unsigned)at, 487, "rejected");
	fx_reply(s, s->ev->cmd.rpc, PL_OK, "", NULL);
	s->fx->save = true;
	return PL_OK;
}

/* --- what the customer does and hears --- */

enum pl_err queue_digit(struct step *s, char digit)
{
	const struct call_act *a = wait_act(s->c);
	if (!a || !a->exit_key || a->exit_key != digit)
		return PL_OK;
	s->c->digits[0] = digit;
	queue_leave(s, "exit-key", true);
	return PL_OK;
}

enum pl_err queue_played(struct step *s)
{
	struct call *c = s->c;
	const struct ev_play *p = &s->ev->play;
	if (p->player == c->music_player && p->stopped) {
		c->music_ms = p->played_ms;
		if (p->player != c->playing)
			return PL_OK;
	}
	if (!c->playing || p->player != c->playing)
		return PL_E_NOTFOUND;
	bool music = c->plays == PLAYS_MUSIC;
	c->playing = 0;
	c->plays = PLAYS_NOTHING;
	if (!music || !p->failed) /* music that cannot be played is silence, not a loop of failures */
		queue_music(s);
	return PL_OK;
}

static void announce(struct step *s, uint32_t position)
{
	struct call *c = s->c;
	struct call_fx *fx = s->fx;
	const struct call_act *a = wait_act(c);
	announce_later(s);
	if (!a || c->plays == PLAYS_GREETING)
		return;
	size_t from = fx->say_len;
	if (position && source_position(fx->say, sizeof(fx->say), &fx->say_len, c->text + a->language.at, position))
		fx->say_len = from;
	for (size_t at = 0; at < a->announcement.len;) {
		struct call_source src;
		if (!source_next(c->text + a->announcement.at, a->announcement.len, &at, &src) ||
		    source_put(fx->say, sizeof(fx->say), &fx->say_len, &src))
			break;
	}
	if (fx->say_len == from)
		return;
	op_stop(s);
	op_play(s, PLAYS_ANNOUNCEMENT, fx->say + from, fx->say_len - from, false);
}

void queue_announce(struct step *s)
{
	const struct call_act *a = wait_act(s->c);
	if (a && a->position)
		fx_add(s, CALL_FX_ASK_POSITION);
	else
		announce(s, 0);
}

enum pl_err queue_position(struct step *s)
{
	announce(s, s->ev->position);
	return PL_OK;
}
