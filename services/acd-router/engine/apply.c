#include "state.h"

static bool timer_step(struct acd *e)
{
	if (!e->n_heap || e->heap[1].due_us > e->now_us)
		return false;
	struct acd_timer t = e->heap[1];
	switch (t.kind) {
	case ACD_T_CONTACT:
		acd_contact_due(e, t.idx);
		break;
	case ACD_T_ITEM:
		acd_item_due(e, t.idx);
		break;
	default:
		acd_agent_rest_over(e, t.idx);
	}
	return true;
}

/* What follows from time and from earlier steps. Whoever became free is served before the next timer fires: what
 * happened first decides first. */
void acd_pending(struct acd *e, size_t limit)
{
	while (acd_fx_room(e, limit) &&
	       (acd_drain_step(e) || acd_match_step(e) || acd_starved_step(e) || timer_step(e)))
		;
}

static void handle(struct acd *e, const struct acd_in *in)
{
	switch (in->kind) {
	case ACD_IN_ENQUEUE:
		acd_enqueue(e, &in->enqueue);
		break;
	case ACD_IN_CANCEL:
		acd_cancel(e, &in->cancel);
		break;
	case ACD_IN_REPLY:
		acd_reply(e, &in->reply);
		break;
	case ACD_IN_ENDED:
		acd_ended(e, &in->ended);
		break;
	case ACD_IN_AGENT:
		acd_agent_input(e, &in->agent);
		break;
	case ACD_IN_PRESENCE:
		acd_agent_presence(e, &in->presence);
		break;
	case ACD_IN_QUEUE_PUT:
		acd_queue_put(e, &in->queue_put);
		break;
	case ACD_IN_AGENT_PUT:
		acd_agent_put(e, &in->agent_put);
		break;
	case ACD_IN_REASON_PUT:
		acd_reason_put(e, &in->reason_put);
		break;
	case ACD_IN_PRIORITY:
		acd_priority(e, &in->priority);
		break;
	case ACD_IN_ASSIGN:
		acd_assign(e, &in->assign);
		break;
	case ACD_IN_ALIVE:
		acd_alive(e, &in->alive);
		break;
	default:
		break; /* a tick: only time passes */
	}
}

/* An answer that comes before anybody was told of the ring's end counts, even if its time was up. So answers, signs
 * of life and the end of things go before the timers; all else after them. */
static bool before_timers(const struct acd_in *in)
{
	return in->kind == ACD_IN_REPLY || in->kind == ACD_IN_ENDED || in->kind == ACD_IN_CANCEL ||
	       in->kind == ACD_IN_ALIVE;
}

void acd_apply(struct acd *e, const struct acd_in *in, int64_t now_us, uint64_t seq, struct acd_fx_list *out)
{
	out->n = 0;
	e->out = out;
	e->now_us = PL_MAX(e->now_us, now_us);
	if (!e->epoch_us) {
		e->epoch_us = PL_MAX(e->now_us, 1);
		e->fence = (uint64_t)e->epoch_us;
		e->version = (uint64_t)(e->epoch_us / PL_US_PER_MS);
	}
	e->version++;
	if (seq)
		e->seq = seq;
	if (before_timers(in)) {
		handle(e, in);
	} else {
		acd_pending(e, ACD_FX_MAX / 2);
		handle(e, in);
	}
	acd_pending(e, ACD_FX_MAX);
	e->out = NULL;
}

int64_t acd_next_due_us(const struct acd *e)
{
	if (e->drain_first || e->dirty_first || (e->starved && e->contacts.used < e->contacts.cap))
		return e->now_us;
	return e->n_heap ? e->heap[1].due_us : INT64_MAX;
}

uint64_t acd_seq(const struct acd *e)
{
	return e->seq;
}

uint64_t acd_version(const struct acd *e)
{
	return e->version;
}

int64_t acd_epoch_us(const struct acd *e)
{
	return e->epoch_us;
}

struct acd_id acd_fx_id(const struct acd *e, int64_t now_us, uint64_t seq, size_t n)
{
	uint64_t ms = (uint64_t)(now_us / PL_US_PER_MS) & UINT64_C(0xffffffffffff);
	uint64_t lo = acd_mix(seq ^ acd_mix((uint64_t)e->epoch_us));
	return (struct acd_id){ ms << 16 | UINT64_C(0x7000) | (n & 0xfff), UINT64_C(0x8000000000000000) | lo >> 2 };
}
