/* What the flow wants: its actions one after the other, then the next step. */
#include "call_int.h"

#define EMPTY_ANSWERS_MAX 3 /* a flow that answers with nothing again and again goes in a circle */

void flow_step_out(struct step *s, enum step_kind kind, const char *why)
{
	struct call *c = s->c;
	c->n_acts = c->act = 0;
	c->flow_step = (uint8_t)kind;
	str_put(c->flow_why, sizeof(c->flow_why), why);
	c->flow_waits = true;
	struct call_effect *e = fx_add(s, CALL_FX_FLOW_STEP);
	e->step = kind;
	e->n = ++c->flow_seq;
	e->text = kind == STEP_DIGITS ? c->digits : c->flow_why;
	e->flag = kind == STEP_DIGITS && str_eq(why, "timeout");
	str_put(e->id, sizeof(e->id), c->flow_id);
}

void flow_gone(struct step *s)
{
	if (s->c->flow_on && !s->c->flow_ended) {
		flow_step_out(s, STEP_GONE, "");
		s->c->flow_ended = true;
	}
}

static void flow_broken(struct step *s)
{
	s->c->flow_ended = true;
	call_clear(s, BY_SYSTEM, CAUSE_FAILED, 503);
}

static const char *span(const struct call *c, struct call_span at)
{
	return c->text + at.at;
}

static void play_prompt(struct step *s, const struct call_act *a)
{
	bool input = a->kind == ACT_COLLECT;
	op_stop(s);
	op_play(s, input ? PLAYS_INPUT : PLAYS_PROMPT, span(s->c, a->sources), a->sources.len, false);
	s->fx->ops[s->fx->n_ops - 1].stop_on_digit = input;
}

/* Are the digits so far a whole input? */
static bool input_full(struct call *c, const struct call_act *a)
{
	size_t n = strlen(c->digits);
	char *end = a->terminator ? memchr(c->digits, a->terminator, n) : NULL;
	if (end)
		memset(end, 0, (size_t)(c->digits + n - end)); /* what was typed after it is not for the next menu */
	return end || (a->max_digits && n >= a->max_digits);
}

static void input_done(struct step *s, bool timed_out)
{
	s->c->due_us[TIMER_DIGIT] = 0;
	op_stop(s);
	flow_step_out(s, STEP_DIGITS, timed_out ? "timeout" : "");
}

static bool input_begin(struct step *s, const struct call_act *a)
{
	struct call *c = s->c;
	if (input_full(c, a)) {
		input_done(s, false);
		return false;
	}
	if (*c->digits || !a->sources.len) /* typed ahead, or nothing to hear */
		c->due_us[TIMER_DIGIT] = s->env->now_us + (*c->digits ? a->inter_ms : a->first_ms) * PL_US_PER_MS;
	else
		play_prompt(s, a);
	return false;
}

static void wait_begin(struct step *s, const struct call_act *a)
{
	struct call *c = s->c;
	str_put(c->queue_id, sizeof(c->queue_id), span(c, a->id));
	str_put(c->queue_name, sizeof(c->queue_name), span(c, a->name));
	memset(c->digits, 0, sizeof(c->digits));
	c->only_agent[0] = 0;
	c->record_queue = a->record;
	c->in_acd = true;
	c->queued_at_us = s->env->now_us;
	c->phase = CALL_QUEUE;
	queue_wait(s);
}

static bool far_begin(struct step *s, const struct call_act *a)
{
	struct call_dest d = { .kind = (enum dest_kind)a->target_kind,
			       .id = span(s->c, a->id),
			       .number = span(s->c, a->name) };
	if (dial_far(s, &d, a->ring_ms))
		return false;
	flow_step_out(s, STEP_FAILED, "no such number");
	return false;
}

/* Does one action; true: it is done, go on. */
static bool act_begin(struct step *s, const struct call_act *a)
{
	switch (a->kind) {
	case ACT_HANGUP: /* straight after a talk it is that talk's end */
		s->c->flow_ended = true;
		call_clear(s, s->c->ended_by ? (enum ended_by)s->c->ended_by : BY_FLOW, a->status ? CAUSE_REJECTED : CAUSE_NORMAL,
			   a->status);
		return false;
	case ACT_DIAL:
		s->c->ended_by = BY_NOBODY;
		return far_begin(s, a);
	default:
		s->c->ended_by = BY_NOBODY; /* the flow goes on with the customer */
		break;
	}
	if (!customer_answer(s)) /* all others need it answered; its SDP brings us back here */
		return false;
	switch (a->kind) {
	case ACT_ANSWER:
		return true;
	case ACT_PLAY:
		if (!a->sources.len)
			return true;
		play_prompt(s, a);
		return false;
	case ACT_COLLECT:
		return input_begin(s, a);
	case ACT_QUEUE:
		wait_begin(s, a);
		return false;
	default:
		return true;
	}
}

void menu_next(struct step *s)
{
	struct call *c = s->c;
	while (c->phase == CALL_MENU && !c->flow_waits && c->act < c->n_acts) {
		if (!act_begin(s, &c->acts[c->act]))
			return;
		c->act++;
	}
	if (c->phase != CALL_MENU || c->flow_waits)
		return;
	if (c->flow_ended)
		call_clear(s, BY_FLOW, CAUSE_NORMAL, 0);
	else if (c->n_acts == 0 && ++c->flow_empty > EMPTY_ANSWERS_MAX)
		flow_broken(s);
	else
		flow_step_out(s, STEP_DONE, "");
}

void menu_replay(struct step *s)
{
	struct call *c = s->c;
	c->playing = 0;
	c->plays = PLAYS_NOTHING;
	c->due_us[TIMER_DIGIT] = 0;
	if (!c->flow_waits && !c->want_answer)
		menu_next(s);
}

/* --- the flow's answer --- */

static enum pl_err keep_text(struct call *c, const char *text, struct call_span *ret)
{
	size_t n = strlen(or_empty(text)) + 1;
	if (sizeof(c->text) - c->text_len < n)
		return PL_E_FULL;
	memcpy(c->text + c->text_len, or_empty(text), n);
	*ret = (struct call_span){ c->text_len, (uint16_t)(n - 1) };
	c->text_len = (uint16_t)(c->text_len + n);
	return PL_OK;
}

static enum pl_err keep_sources(struct call *c, const struct flow_source_list *l, struct call_span *ret)
{
	size_t len = c->text_len, from = len;
	enum pl_err err = PL_OK;
	for (size_t i = 0; i < l->n && !err; i++)
		err = source_put(c->text, sizeof(c->text), &len, &l->at[i]);
	*ret = (struct call_span){ (uint16_t)from, (uint16_t)(len - from) };
	c->text_len = (uint16_t)len;
	return err;
}

static enum pl_err keep_action(struct call *c, const struct flow_action *in, struct call_act *a)
{
	*a = (struct call_act){ .kind = (uint8_t)in->kind,
				.max_digits = (uint8_t)PL_MIN(in->max_digits, CALL_DIGITS - 1u),
				.terminator = or_empty(in->terminator)[0],
				.exit_key = or_empty(in->exit_key)[0],
				.position = in->position,
				.record = in->record,
				.status = (uint16_t)in->status,
				.first_ms = in->first_ms,
				.inter_ms = in->inter_ms,
				.every_ms = in->every_ms,
				.ring_ms = in->ring_ms,
				.target_kind = (uint8_t)in->dest.kind };
	enum pl_err err = keep_sources(c, &in->sources, &a->sources);
	if (!err)
		err = keep_sources(c, &in->greeting, &a->greeting);
	if (!err)
		err = keep_sources(c, &in->announcement, &a->announcement);
	if (!err)
		err = keep_text(c, in->language, &a->language);
	if (!err)
		err = keep_text(c, in->dest.id, &a->id);
	return err ? err : keep_text(c, in->kind == ACT_DIAL ? in->dest.number : in->dest.name, &a->name);
}

static void keep_vars(struct call *c, const struct ev_flow *f)
{
	c->vars_len = 0;
	for (size_t i = 0; i < f->n_vars; i++) {
		size_t nk = strlen(or_empty(f->vars[i].key)) + 1, nv = strlen(or_empty(f->vars[i].value)) + 1;
		if (c->vars_len + nk + nv > sizeof(c->vars))
			return; /* shown only: what does not fit is not shown */
		memcpy(c->vars + c->vars_len, or_empty(f->vars[i].key), nk);
		memcpy(c->vars + c->vars_len + nk, or_empty(f->vars[i].value), nv);
		c->vars_len = (uint16_t)(c->vars_len + nk + nv);
	}
}

static enum pl_err keep_answer(struct call *c, const struct ev_flow *f)
{
	enum pl_err err = f->n_actions > CALL_ACTIONS ? PL_E_FULL : PL_OK;
	c->text_len = 0;
	c->n_acts = c->act = 0;
	for (size_t i = 0; i < f->n_actions && !err; i++)
		err = keep_action(c, &f->actions[i], &c->acts[i]);
	if (!err)
		c->n_acts = (uint8_t)f->n_actions;
	str_put(c->flow_node, sizeof(c->flow_node), f->node);
	keep_vars(c, f);
	c->flow_ended = f->ended;
	c->flow_waits = false;
	return err;
}

static bool flow_expected(const struct step *s)
{
	return s->c->flow_waits && s->ev->flow.seq == s->c->flow_seq;
}

enum pl_err menu_flow(struct step *s)
{
	struct call *c = s->c;
	if (!flow_expected(s))
		return PL_E_STATE;
	enum pl_err err = s->ev->flow.err ? s->ev->flow.err : keep_answer(c, &s->ev->flow);
	if (err) {
		flow_broken(s);
		return PL_OK;
	}
	if (c->flow_step == STEP_DIGITS)
		memset(c->digits, 0, sizeof(c->digits));
	if (c->n_acts)
		c->flow_empty = 0;
	s->fx->save = true;
	menu_next(s);
	return PL_OK;
}

/* An agent may be rung, and even answer, before the flow's word that the call is in a queue is here. */
enum pl_err late_flow(struct step *s)
{
	struct call *c = s->c;
	const struct ev_flow *f = &s->ev->flow;
	bool queued = !f->err && f->n_actions && f->actions[f->n_actions - 1].kind == ACT_QUEUE;
	if (c->phase ==
	    CALL_CLEARING) { /* the customer left while the flow, in any of its steps, put the call into a queue */
		if (queued)
			fx_acd(s, CALL_FX_CANCEL)->text = "abandoned";
		return queued ? PL_OK : PL_E_STATE;
	}
	if (!flow_expected(s))
		return PL_E_STATE;
	c->flow_waits = false;
	if (!queued)
		return PL_OK;
	bool ended = c->flow_ended;
	if (keep_answer(c, f) != PL_OK)
		c->n_acts = 0;
	c->flow_ended = ended || f->ended;
	c->act = c->n_acts ? (uint8_t)(c->n_acts - 1) : 0;
	str_put(c->queue_name, sizeof(c->queue_name), f->actions[f->n_actions - 1].dest.name);
	s->fx->save = true;
	return PL_OK;
}

enum pl_err menu_digit(struct step *s, char digit)
{
	struct call *c = s->c;
	size_t n = strlen(c->digits);
	if (n + 1 < sizeof(c->digits))
		c->digits[n] = digit;
	const struct call_act *a = c->act < c->n_acts ? &c->acts[c->act] : NULL;
	if (c->flow_waits || !a || a->kind != ACT_COLLECT)
		return PL_OK; /* typed ahead */
	if (input_full(c, a))
		input_done(s, false);
	else
		c->due_us[TIMER_DIGIT] = s->env->now_us + a->inter_ms * PL_US_PER_MS;
	return PL_OK;
}

enum pl_err menu_played(struct step *s)
{
	struct call *c = s->c;
	if (!c->playing || s->ev->play.player != c->playing || c->act >= c->n_acts)
		return PL_E_NOTFOUND;
	const struct call_act *a = &c->acts[c->act];
	c->playing = 0;
	c->plays = PLAYS_NOTHING;
	if (s->ev->play.failed) {
		flow_step_out(s, STEP_FAILED, "play");
	} else if (a->kind == ACT_COLLECT) {
		if (!*c->digits)
			c->due_us[TIMER_DIGIT] = s->env->now_us + a->first_ms * PL_US_PER_MS;
	} else {
		c->act++;
		menu_next(s);
	}
	return PL_OK;
}

void menu_digit_timer(struct step *s)
{
	if (s->c->phase == CALL_MENU && !s->c->flow_waits)
		input_done(s, true);
}
