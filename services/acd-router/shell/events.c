/* From the engine's effects to events of the contract. Every copy maps every effect; only the leader sends. */
#include <stdio.h>

#include "router.h"

struct ctx {
	const struct router *r;
	const struct acd_fx *fx;
	struct pl_arena *a;
	Parley__Common__V1__EventMeta *meta;
};

#define EVENT(c, type, TYPE)                                                                                           \
	event_new(c, sizeof(Parley__Acd__V1__##type), &(Parley__Acd__V1__##type)PARLEY__ACD__V1__##TYPE##__INIT)

static void *event_new(const struct ctx *c, size_t n, const void *init)
{
	return pl_arena_dup(c->a, init, n);
}

Parley__Acd__V1__AgentStatus *event_status(const struct router *r, const struct acd_status *st, struct pl_arena *a)
{
	Parley__Acd__V1__AgentStatus *s = PL_NEW(a, Parley__Acd__V1__AgentStatus);
	if (!s)
		return NULL;
	parley__acd__v1__agent_status__init(s);
	s->agent_id = acd_id_dup(a, st->agent);
	s->state = (Parley__Acd__V1__AgentState)st->state;
	s->since = rpc_ts(a, st->since_us);
	s->pause_reason_id = acd_id_dup(a, st->reason);
	s->pause_reason_name = acd_id_none(st->reason) ? (char *)"" : note_reason(r, st->reason, a)->name;
	s->missed = st->missed;
	s->device = (Parley__Acd__V1__Device)st->device;
	s->phone_id = pl_arena_strdup(a, st->phone);
	s->presence = (Parley__Acd__V1__Presence)st->presence;
	s->interaction_ids = pl_arena_alloc(a, (st->n_items + 1u) * sizeof(char *));
	for (unsigned i = 0; s->interaction_ids && i < st->n_items; i++)
		s->interaction_ids[s->n_interaction_ids++] = acd_id_dup(a, st->items[i]);
	s->wrap_up_until = rpc_ts(a, st->wrap_up_until_us);
	s->next_state = (Parley__Acd__V1__AgentState)st->next_state;
	s->next_pause_reason_id = acd_id_dup(a, st->next_reason);
	s->version = st->version;
	s->agent_name = note_agent(r, st->agent, a)->name;
	s->signed_in_at = rpc_ts(a, st->signed_in_us);
	return s;
}

Parley__Acd__V1__WaitingItem *event_item(const struct router *r, const struct acd_item_view *v, struct pl_arena *a)
{
	Parley__Acd__V1__WaitingItem *w = PL_NEW(a, Parley__Acd__V1__WaitingItem);
	const Parley__Acd__V1__Enqueue *n = note_item(r, v->item_ref, a);
	if (!w)
		return NULL;
	parley__acd__v1__waiting_item__init(w);
	w->interaction_id = acd_id_dup(a, v->item);
	w->queue_id = acd_id_dup(a, v->queue);
	w->channel = (Parley__Common__V1__Channel)v->channel;
	w->customer_number = n->customer_number;
	w->customer_name = n->customer_name;
	w->queued_at = rpc_ts(a, v->queued_at_us);
	w->priority = v->priority;
	w->position = v->position;
	w->offered_agent_id = acd_id_dup(a, v->offered_agent);
	return w;
}

static ProtobufCMessage *map_queued(const struct ctx *c)
{
	Parley__Acd__V1__InteractionQueued *m = EVENT(c, InteractionQueued, INTERACTION_QUEUED);
	const Parley__Acd__V1__Enqueue *n = note_item(c->r, c->fx->item_ref, c->a);
	if (!m)
		return NULL;
	m->meta = c->meta;
	m->queued_at = rpc_ts(c->a, c->fx->queued.queued_at_us);
	m->priority = c->fx->queued.priority;
	m->position = c->fx->queued.position;
	m->customer_number = n->customer_number;
	m->customer_name = n->customer_name;
	return &m->base;
}

static ProtobufCMessage *map_offered(const struct ctx *c)
{
	Parley__Acd__V1__InteractionOffered *m = EVENT(c, InteractionOffered, INTERACTION_OFFERED);
	const struct acd_fx_offered *o = &c->fx->offered;
	const Parley__Acd__V1__Enqueue *n = note_item(c->r, c->fx->item_ref, c->a);
	const Parley__Acd__V1__Queue *q = note_queue(c->r, c->fx->queue, c->a);
	const Parley__Acd__V1__Agent *g = note_agent(c->r, c->fx->agent, c->a);
	if (!m)
		return NULL;
	m->meta = c->meta;
	m->offer_id = acd_id_dup(c->a, c->fx->offer);
	m->fence = o->fence;
	m->deadline = rpc_ts(c->a, o->deadline_us);
	m->ring_timeout_ms = (uint32_t)(o->ring_us / PL_US_PER_MS);
	m->device = (Parley__Acd__V1__Device)o->device;
	m->phone_id = pl_arena_strdup(c->a, o->phone);
	m->address = g->address;
	m->auto_answer = g->auto_answer;
	m->queued_at = rpc_ts(c->a, o->queued_at_us);
	m->customer_number = n->customer_number;
	m->customer_name = n->customer_name;
	m->queue_name = q->name;
	m->why = score_words(c->a, o->strategy, o->score);
	m->attributes = n->attributes;
	m->n_attributes = n->n_attributes;
	m->record = q->record;
	m->agent_name = g->name;
	return &m->base;
}

static ProtobufCMessage *map_offer_ended(const struct ctx *c)
{
	Parley__Acd__V1__OfferEnded *m = EVENT(c, OfferEnded, OFFER_ENDED);
	if (!m)
		return NULL;
	m->meta = c->meta;
	m->offer_id = acd_id_dup(c->a, c->fx->offer);
	m->outcome = (Parley__Acd__V1__OfferOutcome)c->fx->offer_ended.outcome;
	m->reason = pl_arena_strdup(c->a, c->fx->offer_ended.reason);
	m->rang_ms = (uint32_t)(c->fx->offer_ended.rang_us / PL_US_PER_MS);
	return &m->base;
}

static ProtobufCMessage *map_dequeued(const struct ctx *c)
{
	Parley__Acd__V1__InteractionDequeued *m = EVENT(c, InteractionDequeued, INTERACTION_DEQUEUED);
	if (!m)
		return NULL;
	m->meta = c->meta;
	m->reason = pl_arena_strdup(c->a, c->fx->dequeued.reason);
	m->wait_ms = (uint64_t)(c->fx->dequeued.wait_us / PL_US_PER_MS);
	m->position = c->fx->dequeued.position;
	return &m->base;
}

static ProtobufCMessage *map_released(const struct ctx *c)
{
	Parley__Acd__V1__InteractionReleased *m = EVENT(c, InteractionReleased, INTERACTION_RELEASED);
	if (!m)
		return NULL;
	m->meta = c->meta;
	m->wrap_up_ms = (uint64_t)(c->fx->released.wrap_up_us / PL_US_PER_MS);
	return &m->base;
}

static ProtobufCMessage *map_agent_state(const struct ctx *c)
{
	Parley__Acd__V1__AgentStateChanged *m = EVENT(c, AgentStateChanged, AGENT_STATE_CHANGED);
	const struct acd_fx_agent_state *s = &c->fx->agent_state;
	if (!m)
		return NULL;
	m->meta = c->meta;
	m->status = event_status(c->r, &s->status, c->a);
	m->previous = (Parley__Acd__V1__AgentState)s->previous;
	m->previous_ms = (uint64_t)(s->previous_us / PL_US_PER_MS);
	m->cause = pl_arena_strdup(c->a, s->cause);
	m->by_user_id = acd_id_dup(c->a, s->by);
	return &m->base;
}

static ProtobufCMessage *map_decision(const struct ctx *c)
{
	Parley__Acd__V1__Decision *m = EVENT(c, Decision, DECISION);
	const struct acd_fx_decision *d = &c->fx->decision;
	Parley__Acd__V1__Candidate *cand = pl_arena_alloc(c->a, d->n_cand * sizeof(*cand));
	Parley__Acd__V1__Candidate **list = pl_arena_alloc(c->a, d->n_cand * sizeof(*list));
	if (!m || !cand || !list)
		return NULL;
	m->meta = c->meta;
	m->offer_id = acd_id_dup(c->a, c->fx->offer);
	m->strategy = (Parley__Acd__V1__Strategy)d->strategy;
	m->waiting = d->waiting;
	for (unsigned i = 0; i < d->n_cand; i++) {
		parley__acd__v1__candidate__init(&cand[i]);
		cand[i].agent_id = acd_id_dup(c->a, d->cand[i].agent);
		cand[i].score = d->cand[i].score;
		cand[i].why_not = (char *)why_word(d->cand[i].why); /* only packed, never written */
		list[i] = &cand[i];
	}
	m->candidates = list;
	m->n_candidates = d->n_cand;
	return &m->base;
}

static const struct {
	const char *name;
	bool of_agent;
	ProtobufCMessage *(*map)(const struct ctx *c);
} kinds[ACD_FX_N] = {
	[ACD_FX_QUEUED] = { "queued", false, map_queued },
	[ACD_FX_OFFERED] = { "offered", false, map_offered },
	[ACD_FX_OFFER_ENDED] = { "offer-ended", false, map_offer_ended },
	[ACD_FX_DEQUEUED] = { "dequeued", false, map_dequeued },
	[ACD_FX_RELEASED] = { "released", false, map_released },
	[ACD_FX_AGENT_STATE] = { "agent-state", true, map_agent_state },
	[ACD_FX_DECISION] = { "decision", false, map_decision },
};

static Parley__Common__V1__EventMeta *meta_new(const struct ctx *c, const char *id, int64_t now_us)
{
	Parley__Common__V1__EventMeta *m = PL_NEW(c->a, Parley__Common__V1__EventMeta);
	if (!m)
		return NULL;
	parley__common__v1__event_meta__init(m);
	m->event_id = pl_arena_strdup(c->a, id);
	m->time = rpc_ts(c->a, now_us);
	m->node = pl_arena_strdup(c->a, bus_node(c->r->bus));
	m->interaction_id = acd_id_dup(c->a, c->fx->item);
	m->agent_id = acd_id_dup(c->a, c->fx->agent);
	m->queue_id = acd_id_dup(c->a, c->fx->queue);
	m->channel = (Parley__Common__V1__Channel)c->fx->channel;
	if (c->fx->item_ref)
		m->contact_id = note_item(c->r, c->fx->item_ref, c->a)->contact_id;
	return m;
}

bool event_map(const struct router *r, const struct acd_fx *fx, int64_t now_us, uint64_t seq, size_t n,
	       struct pl_arena *a, struct event *ret)
{
	struct ctx c = { r, fx, a, NULL };
	char of[PL_ID_LEN];
	if ((unsigned)fx->kind >= ACD_FX_N || !kinds[fx->kind].map)
		return false;
	acd_id_text(acd_fx_id(r->e, now_us, seq, n), ret->id);
	c.meta = meta_new(&c, ret->id, now_us);
	if (!c.meta)
		return false;
	snprintf(ret->subject, sizeof(ret->subject), "ev.acd.%s.%s", kinds[fx->kind].name,
		 acd_id_text(kinds[fx->kind].of_agent ? fx->agent : fx->item, of));
	ret->msg = kinds[fx->kind].map(&c);
	return ret->msg != NULL;
}
