/* A leg's life. Source: RFC 3261 9.1, 13.2.2.4 are the edge's business; here a leg is dialled once and ended once. */
#include "call_int.h"

/* clang-format off */
#define TO(s, f) { LEG_##s, LEG_FX_##f }
static const struct rule { uint8_t to, fx; } rules[LEG_STATE_N][LEG_EV_N] = {	/* to LEG_FREE: refused */
	[LEG_INCOMING] = { [LEG_EV_ANSWER] = TO(UP, NONE), [LEG_EV_END] = TO(GONE, NONE), [LEG_EV_DROP] = TO(GONE, HANGUP) },
	[LEG_SETUP] = { [LEG_EV_SDP] = TO(DIALLING, DIAL), [LEG_EV_END] = TO(GONE, NONE), [LEG_EV_DROP] = TO(GONE, NONE) },
	[LEG_OFFERED] = { [LEG_EV_ANSWER] = TO(UP, TALK), [LEG_EV_END] = TO(GONE, NONE), [LEG_EV_DROP] = TO(GONE, NONE) },
	[LEG_DIALLING] = { [LEG_EV_RING] = TO(RINGING, RING), [LEG_EV_ANSWER] = TO(UP, TALK), [LEG_EV_END] = TO(GONE, NONE),
		[LEG_EV_DROP] = TO(GONE, HANGUP) },
	[LEG_RINGING] = { [LEG_EV_RING] = TO(RINGING, NONE), [LEG_EV_ANSWER] = TO(UP, TALK), [LEG_EV_END] = TO(GONE, NONE),
		[LEG_EV_DROP] = TO(GONE, HANGUP) },
	[LEG_UP] = { [LEG_EV_RING] = TO(UP, NONE) /* overtaken by the answer */, [LEG_EV_END] = TO(GONE, NONE),
		[LEG_EV_DROP] = TO(GONE, HANGUP) },
};
/* clang-format on */

enum pl_err leg_step(struct call_leg *l, enum leg_event ev, enum leg_fx *ret)
{
	if (l->state >= LEG_STATE_N || (unsigned)ev >= LEG_EV_N || rules[l->state][ev].to == LEG_FREE)
		return PL_E_STATE;
	const struct rule *r = &rules[l->state][ev];
	l->state = r->to;
	*ret = (enum leg_fx)r->fx;
	return PL_OK;
}

bool call_leg_alive(const struct call_leg *l)
{
	return l->state != LEG_FREE && l->state != LEG_GONE;
}

int call_find_leg(const struct call *c, const char *leg_id)
{
	for (int i = 0; leg_id && *leg_id && i < CALL_LEGS; i++)
		if (call_leg_alive(&c->legs[i]) && strcmp(c->legs[i].id, leg_id) == 0)
			return i;
	return -1;
}

int call_find_agent(const struct call *c, const char *agent_id)
{
	int found = -1; /* a leg that is up goes before one that rings */
	for (int i = 1; agent_id && *agent_id && i < CALL_LEGS; i++) {
		const struct call_leg *l = &c->legs[i];
		if (call_leg_alive(l) && l->role == LEG_AGENT && strcmp(l->agent_id, agent_id) == 0 &&
		    (found < 0 || l->state == LEG_UP))
			found = i;
	}
	return found;
}

unsigned legs_alive(const struct call *c, enum leg_role role)
{
	unsigned n = 0;
	for (unsigned i = 0; i < CALL_LEGS; i++)
		n += call_leg_alive(&c->legs[i]) && c->legs[i].role == role;
	return n;
}

int leg_new(struct step *s, enum leg_role role, const char *edge, const char *offer_id)
{
	struct call *c = s->c;
	int at = -1;
	for (int i = role == LEG_CUSTOMER ? 0 : 1; i < (role == LEG_CUSTOMER ? 1 : CALL_LEGS) && at < 0; i++)
		if (c->legs[i].state == LEG_FREE)
			at = i;
	if (at < 0)
		return -1;
	struct call_leg *l = &c->legs[at];
	memset(l, 0, sizeof(*l));
	l->state = LEG_SETUP;
	l->role = (uint8_t)role;
	l->since_us = s->env->now_us;
	str_put(l->edge, sizeof(l->edge), edge);
	str_put(l->offer_id, sizeof(l->offer_id), offer_id);
	if (*l->offer_id) {
		char both[2 * CALL_ID]; /* the time of the call, then what is hashed */
		str_put(both, sizeof(both), c->id);
		str_put(both + strlen(both), CALL_ID, l->offer_id);
		call_derive_id(both, 'o', 0, l->id);
	} else {
		call_derive_id(c->id, 'l', ++c->counter, l->id);
	}
	return at;
}

bool leg_can_target(const struct call_dest *d)
{
	if (d->kind != DEST_PHONE && d->kind != DEST_URI && d->kind != DEST_TRUNK)
		return d->kind == DEST_BROWSER;
	return !pl_empty(d->id) && str_fits(d->id, CALL_TARGET) && str_fits(d->number, CALL_NUMBER);
}

void leg_target(struct call_leg *l, const struct call_dest *d)
{
	l->target_kind = (uint8_t)d->kind;
	l->kind = d->kind == DEST_BROWSER ? LEG_BROWSER : LEG_SIP;
	str_put(l->target, sizeof(l->target), d->id);
	str_put(l->number, sizeof(l->number), d->number);
}

void leg_forget(struct step *s, unsigned leg)
{
	struct call_leg *l = &s->c->legs[leg];
	if (l->endpoint && *s->c->media)
		fx_op(s, OP_DESTROY, l->id);
	l->endpoint = false;
	l->state = LEG_GONE;
	for (size_t i = 0; i < CALL_WAITS; i++) {
		struct call_wait *w = &s->c->waits[i];
		if (w->kind == WAIT_NONE || w->leg != leg || w->kind == WAIT_CLEAR)
			continue;
		fx_reply(s, w->rpc, PL_E_STATE, "the call is over", NULL);
		*w = (struct call_wait){ 0 };
	}
}

void leg_drop(struct step *s, unsigned leg, uint32_t status, const char *why)
{
	struct call_leg *l = &s->c->legs[leg];
	enum leg_fx fx = LEG_FX_NONE;
	if (leg_step(l, LEG_EV_DROP, &fx) != PL_OK)
		return;
	if (fx == LEG_FX_HANGUP && l->kind == LEG_SIP && *l->edge) {
		struct call_effect *e = fx_leg(s, CALL_FX_LEG_HANGUP, leg);
		e->status = status;
		e->text = why;
	}
	leg_forget(s, leg);
}

void legs_drop_but(struct step *s, int keep, uint32_t status, const char *why)
{
	for (int i = 1; i < CALL_LEGS; i++)
		if (i != keep)
			leg_drop(s, (unsigned)i, status, why);
}

void leg_prepare(struct step *s, unsigned leg)
{
	struct call_leg *l = &s->c->legs[leg];
	fx_op(s, OP_CREATE, l->id);
	l->endpoint = true;
	l->state = LEG_SETUP;
	(void)fx_wait(s, WAIT_DIAL, leg, 0); /* there is a wait for each leg */
}
