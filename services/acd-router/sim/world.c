#include "world.h"

#include "pool.h"

#define MS PL_US_PER_MS

uint64_t world_rnd(struct world *w)
{
	return acd_mix(w->rng += UINT64_C(0x9e3779b97f4a7c15));
}

static unsigned below(struct world *w, unsigned n)
{
	return (unsigned)(world_rnd(w) % n);
}

static bool one_in(struct world *w, unsigned n)
{
	return below(w, n) == 0;
}

struct acd_id world_queue_id(unsigned i)
{
	return (struct acd_id){ 1, i + 1 };
}

struct acd_id world_agent_id(unsigned i)
{
	return (struct acd_id){ 2, i + 1 };
}

static struct acd_id item_id(uint64_t i)
{
	return (struct acd_id){ 3, i + 1 };
}

void world_init(struct world *w, uint64_t seed, unsigned queues, unsigned agents)
{
	memset(w, 0, sizeof(*w));
	w->rng = seed;
	w->now_us = INT64_C(1700000000) * PL_US_PER_S;
	w->n_queues = queues;
	w->n_agents = agents;
	w->oracle.most_in_hand = ACD_HANDS_MAX;
}

static void queue_put(struct world *w, unsigned i, struct acd_in *in)
{
	static const uint8_t channels[] = { ACD_CH_VOICE, ACD_CH_VOICE, ACD_CH_VOICE,
					    ACD_CH_CHAT,  ACD_CH_EMAIL, ACD_CH_TASK };
	in->kind = ACD_IN_QUEUE_PUT;
	in->queue_put.cfg = (struct acd_queue_cfg){
		.id = world_queue_id(i),
		.revision = ++w->revision,
		.channel = channels[i % PL_ARRAY_N(channels)],
		.strategy = (uint8_t)(1 + (i + below(w, 2)) % (ACD_S_N - 1)),
		.weight = (uint8_t)below(w, 3),
		.enabled = !one_in(w, 12),
		.join_when_empty = !one_in(w, 4),
		.leave_when_empty = one_in(w, 5),
		.max_waiting = one_in(w, 4) ? 5 + below(w, 20) : 0,
		.autopause_after = below(w, 4),
		.ring_us = (1 + below(w, 30)) * 1000 * MS,
		.retry_us = below(w, 3) * 2500 * MS,
		.wrap_up_us = below(w, 3) * 7000 * MS,
		.max_wait_us = one_in(w, 3) ? 60000 * MS : 0,
		.deleted = one_in(w, 40),
		.priority = (int32_t)below(w, 3) - 1,
	};
	in->queue_put.note = (struct acd_note){ "queue", 5 };
}

static void agent_put(struct world *w, unsigned i, struct acd_in *in)
{
	struct acd_in_agent_put *p = &in->agent_put;
	in->kind = ACD_IN_AGENT_PUT;
	p->id = world_agent_id(i);
	p->revision = ++w->revision;
	p->kind = i % 5 == 4 ? ACD_AK_STATIC : ACD_AK_PERSON;
	p->enabled = !one_in(w, 15);
	p->deleted = one_in(w, 40);
	p->note = (struct acd_note){ "agent", 5 };
	if (i % 2)
		p->cap[ACD_CH_VOICE] = 1, p->cap[ACD_CH_CHAT] = (uint8_t)(1 + below(w, 4)), p->cap[ACD_CH_TASK] = 1;
	p->members = w->members;
	for (unsigned q = 0; q < w->n_queues; q++)
		if (below(w, 3))
			w->members[p->n_members++] = (struct acd_membership){ world_queue_id(q), (uint16_t)below(w, 3),
									      (uint16_t)below(w, 5) };
}

static void enqueue(struct world *w, struct acd_in *in)
{
	in->kind = ACD_IN_ENQUEUE;
	bool again = w->oracle.n_items > 0 && one_in(w, 10);
	in->enqueue.item = again ? w->oracle.items[below(w, (unsigned)w->oracle.n_items)] : item_id(w->next_item++);
	in->enqueue.queue = world_queue_id(below(w, w->n_queues + one_in(w, 50)));
	in->enqueue.priority = one_in(w, 5) ? (int32_t)below(w, 5) - 2 : 0;
	in->enqueue.queued_at_us = one_in(w, 6) ? w->now_us - below(w, 100000) * MS : 0;
	in->enqueue.note = (struct acd_note){ "customer", 8 };
	if (one_in(w, 9))
		in->enqueue.bonus_us = below(w, 90000) * MS;
	if (one_in(w, 9)) {
		in->enqueue.prefer_agent = world_agent_id(below(w, w->n_agents));
		in->enqueue.prefer_us = below(w, 40000) * MS;
	}
	if (one_in(w, 8))
		in->enqueue.only_agent = world_agent_id(below(w, w->n_agents));
}

static void reply(struct world *w, struct acd_in *in)
{
	static const uint8_t outcomes[] = { ACD_OUT_ACCEPTED, ACD_OUT_ACCEPTED, ACD_OUT_ACCEPTED,  ACD_OUT_REJECTED,
					    ACD_OUT_TIMEOUT,  ACD_OUT_FAILED,   ACD_OUT_CANCELLED, ACD_OUT_ELSEWHERE };
	if (w->oracle.n_offers == 0)
		return;
	const struct oracle_offer *o = NULL;
	for (unsigned tries = 0; !o || (o->connected && tries < 6); tries++)
		o = &w->oracle.offers[below(w, (unsigned)w->oracle.n_offers)];
	in->kind = ACD_IN_REPLY;
	in->reply = (struct acd_in_reply){ .item = o->item,
					   .offer = o->offer,
					   .fence = o->fence - one_in(w, 20),
					   .outcome = outcomes[below(w, PL_ARRAY_N(outcomes))] };
}

static void ended(struct world *w, struct acd_in *in)
{
	if (w->oracle.n_offers == 0)
		return;
	const struct oracle_offer *o = &w->oracle.offers[below(w, (unsigned)w->oracle.n_offers)];
	in->kind = ACD_IN_ENDED;
	in->ended = (struct acd_in_ended){ o->item, one_in(w, 3) ? (struct acd_id){ 0 } : o->agent, one_in(w, 3) };
}

static void agent(struct world *w, struct acd_in *in)
{
	static const uint8_t states[] = { ACD_ST_READY,  ACD_ST_READY,   ACD_ST_READY,
					  ACD_ST_PAUSED, ACD_ST_OFFLINE, ACD_ST_NONE };
	in->kind = ACD_IN_AGENT;
	in->agent = (struct acd_in_agent){ .agent = world_agent_id(below(w, w->n_agents)),
					   .state = states[below(w, PL_ARRAY_N(states))],
					   .start_work = !one_in(w, 4),
					   .end_wrap_up = one_in(w, 3),
					   .device = ACD_DEV_PHONE,
					   .presence = ACD_PR_DESK,
					   .phone = "phone" };
}

static void cancel(struct world *w, struct acd_in *in)
{
	in->kind = ACD_IN_CANCEL;
	in->cancel.item = w->oracle.n_items ? w->oracle.items[below(w, (unsigned)w->oracle.n_items)] : item_id(0);
}

static void steer(struct world *w, struct acd_in *in)
{
	struct acd_id item = w->oracle.n_items ? w->oracle.items[below(w, (unsigned)w->oracle.n_items)] : item_id(0);
	if (one_in(w, 2)) {
		in->kind = ACD_IN_ASSIGN;
		in->assign = (struct acd_in_assign){ item, world_agent_id(below(w, w->n_agents)) };
	} else {
		in->kind = ACD_IN_PRIORITY;
		in->priority = (struct acd_in_priority){ item, (int32_t)below(w, 7) - 3 };
	}
}

static void alive(struct world *w, struct acd_in *in)
{
	if (w->oracle.n_offers == 0)
		return;
	w->alive = w->oracle.offers[below(w, (unsigned)w->oracle.n_offers)].item;
	in->kind = ACD_IN_ALIVE;
	in->alive = (struct acd_in_alive){ &w->alive, 1, (1 + below(w, 30)) * 1000 * MS };
}

/* Time passes in small steps, with now and then the jump of a log that nobody wrote to for a while. */
static void pass(struct world *w, const struct acd *e)
{
	int64_t due = acd_next_due_us(e);
	if (one_in(w, 400))
		w->now_us += below(w, 200000) * MS;
	else if (one_in(w, 3) && due > w->now_us && due < w->now_us + 5000 * MS)
		w->now_us = due;
	else
		w->now_us += below(w, 500) * MS;
}

void world_next(struct world *w, const struct acd *e, uint64_t i, struct acd_in *in)
{
	memset(in, 0, sizeof(*in));
	pass(w, e);
	if (i < w->n_queues) {
		queue_put(w, (unsigned)i, in);
	} else if (i < w->n_queues + w->n_agents) {
		agent_put(w, (unsigned)i - w->n_queues, in);
	} else {
		unsigned p = below(w, 1000);
		if (p < 280)
			enqueue(w, in);
		else if (p < 480)
			reply(w, in);
		else if (p < 660)
			ended(w, in);
		else if (p < 800)
			agent(w, in);
		else if (p < 860)
			cancel(w, in);
		else if (p < 880)
			steer(w, in);
		else if (p < 886)
			queue_put(w, below(w, w->n_queues), in);
		else if (p < 895)
			agent_put(w, below(w, w->n_agents), in);
		else if (p < 899)
			alive(w, in);
		else if (p < 905)
			in->kind = ACD_IN_PRESENCE, in->presence.agent = world_agent_id(below(w, w->n_agents));
		/* else: a tick */
	}
}
