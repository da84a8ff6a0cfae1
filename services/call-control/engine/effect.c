#include "call_int.h"

struct call_effect *fx_add(struct step *s, enum call_fx_kind kind)
{
	struct call_fx *fx = s->fx;
	if (fx->n >= CALL_FX_MAX - 3) { /* the last three are kept for MEDIA, SAVE and END */
		fx->overflow = true;
		fx->n = CALL_FX_MAX - 4;
	}
	struct call_effect *e = &fx->at[fx->n++];
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	return e;
}

static void leg_names(struct call_effect *e, const struct call *c, unsigned leg)
{
	const struct call_leg *l = &c->legs[leg];
	e->leg = (uint8_t)leg;
	str_put(e->leg_id, sizeof(e->leg_id), l->id);
	str_put(e->edge, sizeof(e->edge), l->edge);
	str_put(e->agent, sizeof(e->agent), l->agent_id);
}

struct call_effect *fx_leg(struct step *s, enum call_fx_kind kind, unsigned leg)
{
	struct call_effect *e = fx_add(s, kind);
	leg_names(e, s->c, leg);
	e->seq = ++s->c->legs[leg].cmd_seq;
	return e;
}

struct call_effect *fx_emit(struct step *s, enum call_ledger event)
{
	struct call_effect *e = fx_add(s, CALL_FX_EMIT);
	struct call *c = s->c;
	e->event = event;
	e->n = ++c->counter;
	str_put(e->queue, sizeof(e->queue), c->queue_id);
	if (c->far >= 0)
		leg_names(e, c, (unsigned)c->far);
	return e;
}

struct call_effect *fx_acd(struct step *s, enum call_fx_kind kind)
{
	struct call_effect *e = fx_add(s, kind);
	e->n = ++s->c->counter;
	return e;
}

void fx_reply(struct step *s, uint64_t rpc, enum pl_err err, const char *text, const char *sdp)
{
	if (!rpc)
		return;
	struct call_effect *e = fx_add(s, CALL_FX_REPLY);
	e->rpc = rpc;
	e->err = err;
	e->text = or_empty(text);
	e->sdp = or_empty(sdp);
	e->flag = err == PL_OK;
}

void fx_offer_reply(struct step *s, const struct call_leg *l, enum offer_outcome outcome, const char *why)
{
	if (!*l->offer_id)
		return;
	struct call_effect *e = fx_add(s, CALL_FX_OFFER_REPLY);
	str_put(e->id, sizeof(e->id), l->offer_id);
	str_put(e->agent, sizeof(e->agent), l->agent_id);
	e->fence = l->fence;
	e->outcome = outcome;
	e->text = why;
}

struct call_op *fx_op(struct step *s, enum op_kind kind, const char *ep)
{
	struct call_fx *fx = s->fx;
	if (!fx->req) {
		fx->req = ++s->c->media_req;
		fx->media = s->c->media;
	}
	if (fx->n_ops == CALL_OPS_MAX) {
		fx->overflow = true;
		fx->n_ops--;
	}
	struct call_op *op = &fx->ops[fx->n_ops++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	str_put(op->ep, sizeof(op->ep), ep);
	return op;
}

bool waits_free(const struct call *c, size_t n)
{
	for (size_t i = 0; i < CALL_WAITS && n; i++)
		n -= c->waits[i].kind == WAIT_NONE;
	return n == 0;
}

bool fx_wait(struct step *s, enum wait_kind kind, unsigned leg, uint64_t rpc)
{
	for (size_t i = 0; i < CALL_WAITS; i++) {
		struct call_wait *w = &s->c->waits[i];
		if (w->kind != WAIT_NONE)
			continue;
		*w = (struct call_wait){ .kind = (uint8_t)kind, .leg = (uint8_t)leg, .req = s->fx->req, .rpc = rpc };
		return true;
	}
	return false;
}

void op_mix(struct step *s, unsigned leg, int hears)
{
	struct call_op *op = fx_op(s, OP_MIX, s->c->legs[leg].id);
	if (hears >= 0)
		str_put(op->hears, sizeof(op->hears), s->c->legs[hears].id);
}

void op_play(struct step *s, enum play_kind what, const char *sources, size_t len, bool loop)
{
	struct call *c = s->c;
	/* What rings back is for the agent of a call out; all else is for the customer. */
	int ear = what == PLAYS_RINGBACK ? call_find_agent(c, c->legs[1].agent_id) : 0;
	struct call_op *op = fx_op(s, OP_PLAY, c->legs[ear < 0 ? 0 : ear].id);
	op->player = ++c->player;
	op->sources = sources;
	op->sources_len = len;
	op->loop = loop;
	c->playing = c->player;
	c->plays = (uint8_t)what;
	if (what == PLAYS_MUSIC) {
		op->offset_ms = c->music_ms;
		c->music_player = c->player;
	}
}

void op_stop(struct step *s)
{
	struct call *c = s->c;
	if (c->playing)
		fx_op(s, OP_STOP_PLAY, "")->player = c->playing;
	c->playing = 0;
	c->plays = PLAYS_NOTHING;
}
