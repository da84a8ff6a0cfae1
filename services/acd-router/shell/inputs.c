/* From the contract to the engine's inputs. */
#include "router.h"

#define SAME(a, b) _Static_assert((int)(a) == (int)(b), "the engine counts like the contract")
SAME(ACD_S_WEIGHTED_RANDOM, PARLEY__ACD__V1__STRATEGY__STRATEGY_WEIGHTED_RANDOM);
SAME(ACD_S_LEAST_RECENT, PARLEY__ACD__V1__STRATEGY__STRATEGY_LEAST_RECENT);
SAME(ACD_ST_WRAP_UP, PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_WRAP_UP);
SAME(ACD_ST_PAUSED, PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_PAUSED);
SAME(ACD_OUT_CANCELLED, PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_CANCELLED);
SAME(ACD_OUT_TIMEOUT, PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_TIMEOUT);
SAME(ACD_DEV_ADDRESS, PARLEY__ACD__V1__DEVICE__DEVICE_ADDRESS);
SAME(ACD_PR_STATIC, PARLEY__ACD__V1__PRESENCE__PRESENCE_STATIC);
SAME(ACD_AK_STATIC, PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_STATIC);
SAME(ACD_CH_VIDEO, PARLEY__COMMON__V1__CHANNEL__CHANNEL_VIDEO);
SAME(ACD_CH_TASK, PARLEY__COMMON__V1__CHANNEL__CHANNEL_TASK);

/* 0, which is "none" in all of the engine's enums, for what a newer contract may send. */
static uint8_t known(int v, int n)
{
	return v > 0 && v < n ? (uint8_t)v : 0;
}

static struct acd_note pack(const ProtobufCMessage *m, struct pl_arena *a)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = pl_arena_alloc(a, n ? n : 1);
	return p ? (struct acd_note){ p, protobuf_c_message_pack(m, p) } : (struct acd_note){ NULL, 0 };
}

/* What offers tell of the customer. What is too long for a note goes without its attributes, the last first. */
static struct acd_note enqueue_note(const struct router *r, const Parley__Acd__V1__Enqueue *m, struct pl_arena *a)
{
	Parley__Acd__V1__Enqueue n = PARLEY__ACD__V1__ENQUEUE__INIT;
	n.contact_id = m->contact_id;
	n.customer_number = m->customer_number;
	n.customer_name = m->customer_name;
	n.source = m->source;
	n.attributes = m->attributes;
	n.n_attributes = m->n_attributes;
	while (n.n_attributes > 0 && protobuf_c_message_get_packed_size(&n.base) > r->lim.item_note)
		n.n_attributes--;
	if (protobuf_c_message_get_packed_size(&n.base) > r->lim.item_note)
		n.customer_name = n.customer_number = (char *)"";
	if (protobuf_c_message_get_packed_size(&n.base) > r->lim.item_note)
		return (struct acd_note){ NULL, 0 };
	return pack(&n.base, a);
}

static bool map_enqueue(const struct router *r, const Parley__Acd__V1__Enqueue *m, struct pl_arena *a,
			struct acd_in_enqueue *o)
{
	o->channel = known((int)m->channel, ACD_CH_N);
	o->priority = m->priority;
	o->queued_at_us = rpc_ts_us(m->queued_at);
	o->prefer_us = m->prefer_ms * PL_US_PER_MS;
	o->bonus_us = m->age_bonus_ms * PL_US_PER_MS;
	o->note = enqueue_note(r, m, a);
	return acd_id_parse(m->interaction_id, &o->item) && acd_id_parse(m->queue_id, &o->queue) &&
	       acd_id_parse(m->only_agent_id, &o->only_agent) && acd_id_parse(m->prefer_agent_id, &o->prefer_agent);
}

static bool map_reply(const Parley__Acd__V1__OfferReply *m, struct acd_in_reply *o)
{
	o->fence = m->fence;
	o->outcome = known((int)m->outcome, ACD_OUT_N);
	pl_strlcpy(o->reason, m->reason, sizeof(o->reason));
	return acd_id_parse(m->interaction_id, &o->item) && acd_id_parse(m->offer_id, &o->offer);
}

static bool map_agent(const Parley__Acd__V1__AgentInput *m, struct acd_in_agent *o)
{
	o->state = known((int)m->state, ACD_ST_PAUSED + 1);
	o->start_work = m->start_work;
	o->end_wrap_up = m->end_wrap_up;
	o->device = known((int)m->device, ACD_DEV_ADDRESS + 1);
	o->presence = known((int)m->presence, ACD_PR_STATIC + 1);
	pl_strlcpy(o->phone, m->phone_id, sizeof(o->phone));
	return acd_id_parse(m->agent_id, &o->agent) && acd_id_parse(m->pause_reason_id, &o->reason) &&
	       acd_id_parse(m->by_user_id, &o->by) && acd_id_parse(m->interaction_id, &o->wrap_up_item);
}

static bool map_queue(const Parley__Acd__V1__PutQueue *p, struct pl_arena *a, struct acd_in_queue *o)
{
	const Parley__Acd__V1__Queue *q = p->queue;
	if (!q)
		return false;
	Parley__Acd__V1__Queue n = PARLEY__ACD__V1__QUEUE__INIT;
	n.name = q->name;
	n.record = q->record;
	n.music = q->music;
	n.service_level_ms = q->service_level_ms;
	n.service_level_target_pct = q->service_level_target_pct;
	o->note = pack(&n.base, a);
	o->cfg = (struct acd_queue_cfg){
		.revision = q->revision,
		.channel = known((int)q->channel, ACD_CH_N),
		.strategy = known((int)q->strategy, ACD_S_N),
		.weight = (uint8_t)PL_MIN(q->weight, 10u),
		.enabled = q->enabled,
		.join_when_empty = q->join_when_empty,
		.leave_when_empty = q->leave_when_empty,
		.deleted = p->deleted,
		.max_waiting = q->max_waiting,
		.autopause_after = q->autopause_after,
		.priority = q->priority,
		.ring_us = q->ring_timeout_ms * PL_US_PER_MS,
		.retry_us = q->retry_ms * PL_US_PER_MS,
		.wrap_up_us = q->wrap_up_ms * PL_US_PER_MS,
		.max_wait_us = q->max_wait_ms * PL_US_PER_MS,
	};
	return acd_id_parse(q->id, &o->cfg.id);
}

static bool map_agent_put(const Parley__Acd__V1__PutAgent *p, struct pl_arena *a, struct acd_in_agent_put *o)
{
	const Parley__Acd__V1__Agent *g = p->agent;
	struct acd_membership *ms = g ? pl_arena_alloc(a, (g->n_memberships + 1) * sizeof(*ms)) : NULL;
	if (!ms)
		return false;
	Parley__Acd__V1__Agent n = PARLEY__ACD__V1__AGENT__INIT;
	n.name = g->name;
	n.address = g->address;
	n.auto_answer = g->auto_answer;
	o->note = pack(&n.base, a);
	o->revision = g->revision;
	o->kind = g->kind == PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_STATIC ? ACD_AK_STATIC : ACD_AK_PERSON;
	o->enabled = g->enabled;
	o->deleted = p->deleted;
	for (size_t i = 0; i < g->n_capacities; i++)
		if (known((int)g->capacities[i]->channel, ACD_CH_N))
			o->cap[g->capacities[i]->channel] =
				(uint8_t)PL_MIN(g->capacities[i]->max, (uint32_t)ACD_HANDS_MAX);
	for (size_t i = 0; i < g->n_memberships; i++) {
		const Parley__Acd__V1__Membership *m = g->memberships[i];
		struct acd_membership *t = &ms[o->n_members];
		*t = (struct acd_membership){ .penalty = (uint16_t)PL_MIN(m->penalty, 1000u),
					      .rank = (uint16_t)PL_MIN(m->rank, 1000u) };
		o->n_members += acd_id_parse(m->queue_id, &t->queue);
	}
	o->members = ms;
	return acd_id_parse(g->id, &o->id);
}

static bool map_reason(const Parley__Acd__V1__PutPauseReason *p, struct pl_arena *a, struct acd_in_reason *o)
{
	if (!p->pause_reason)
		return false;
	o->deleted = p->deleted;
	o->note = pack(&p->pause_reason->base, a);
	return acd_id_parse(p->pause_reason->id, &o->id);
}

static bool map_alive(const Parley__Acd__V1__ContactsAlive *m, struct pl_arena *a, struct acd_in_alive *o)
{
	struct acd_id *ids = pl_arena_alloc(a, (m->n_interaction_ids + 1) * sizeof(*ids));
	for (size_t i = 0; ids && i < m->n_interaction_ids; i++)
		o->n += acd_id_parse(m->interaction_ids[i], &ids[o->n]);
	o->items = ids;
	o->lease_us = PL_MIN(PL_MAX(m->lease_ms, 1000u), 86400000u) * PL_US_PER_MS;
	return ids != NULL;
}

bool input_map(const struct router *r, const Parley__Acd__V1__AcdInput *in, struct pl_arena *a, struct acd_in *ret)
{
	memset(ret, 0, sizeof(*ret));
	switch (in->input_case) {
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_TICK:
		return true;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE:
		ret->kind = ACD_IN_ENQUEUE;
		return map_enqueue(r, in->enqueue, a, &ret->enqueue);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_CANCEL:
		ret->kind = ACD_IN_CANCEL;
		pl_strlcpy(ret->cancel.reason, in->cancel->reason, sizeof(ret->cancel.reason));
		return acd_id_parse(in->cancel->interaction_id, &ret->cancel.item);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_OFFER_REPLY:
		ret->kind = ACD_IN_REPLY;
		return map_reply(in->offer_reply, &ret->reply);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ENDED:
		ret->kind = ACD_IN_ENDED;
		ret->ended.agent_only = in->ended->agent_only;
		return acd_id_parse(in->ended->interaction_id, &ret->ended.item) &&
		       acd_id_parse(in->ended->agent_id, &ret->ended.agent);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_AGENT:
		ret->kind = ACD_IN_AGENT;
		return map_agent(in->agent, &ret->agent);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_QUEUE:
		ret->kind = ACD_IN_QUEUE_PUT;
		return map_queue(in->put_queue, a, &ret->queue_put);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_AGENT:
		ret->kind = ACD_IN_AGENT_PUT;
		return map_agent_put(in->put_agent, a, &ret->agent_put);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_PAUSE_REASON:
		ret->kind = ACD_IN_REASON_PUT;
		return map_reason(in->put_pause_reason, a, &ret->reason_put);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_SET_PRIORITY:
		ret->kind = ACD_IN_PRIORITY;
		ret->priority.priority = in->set_priority->priority;
		return acd_id_parse(in->set_priority->interaction_id, &ret->priority.item);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ASSIGN:
		ret->kind = ACD_IN_ASSIGN;
		return acd_id_parse(in->assign->interaction_id, &ret->assign.item) &&
		       acd_id_parse(in->assign->agent_id, &ret->assign.agent);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_PRESENCE:
		ret->kind = ACD_IN_PRESENCE;
		ret->presence.present = in->presence->present;
		return acd_id_parse(in->presence->agent_id, &ret->presence.agent);
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ALIVE:
		ret->kind = ACD_IN_ALIVE;
		return map_alive(in->alive, a, &ret->alive);
	default:
		return false;
	}
}
