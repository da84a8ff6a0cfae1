#include "fxhash.h"

#include "pool.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	return acd_mix(h ^ v);
}

static uint64_t mix_id(uint64_t h, struct acd_id id)
{
	return mix(mix(h, id.hi), id.lo);
}

static uint64_t mix_text(uint64_t h, const char *s)
{
	for (; s && *s; s++)
		h = mix(h, (uint8_t)*s);
	return h;
}

static uint64_t mix_status(uint64_t h, const struct acd_status *s)
{
	h = mix_id(mix_id(mix_id(h, s->agent), s->reason), s->next_reason);
	h = mix(h, s->state | s->next_state << 8 | s->device << 16 | (unsigned)s->presence << 24);
	h = mix(h, (uint64_t)s->missed << 8 | s->n_items);
	h = mix(mix(mix(mix(h, (uint64_t)s->since_us), (uint64_t)s->wrap_up_until_us), (uint64_t)s->signed_in_us),
		s->version);
	for (unsigned i = 0; i < s->n_items; i++)
		h = mix_id(h, s->items[i]);
	return mix_text(h, s->phone);
}

static uint64_t mix_body(uint64_t h, const struct acd_fx *f)
{
	switch (f->kind) {
	case ACD_FX_QUEUED:
		return mix(mix(mix(h, (uint64_t)f->queued.queued_at_us), (uint64_t)f->queued.priority),
			   f->queued.position);
	case ACD_FX_OFFERED:
		h = mix(mix(mix(h, f->offered.fence), (uint64_t)f->offered.deadline_us), (uint64_t)f->offered.ring_us);
		h = mix(mix(h, (uint64_t)f->offered.queued_at_us), (uint64_t)f->offered.score);
		return mix_text(mix(h, f->offered.strategy | f->offered.device << 8), f->offered.phone);
	case ACD_FX_OFFER_ENDED:
		return mix_text(mix(mix(h, f->offer_ended.outcome), (uint64_t)f->offer_ended.rang_us),
				f->offer_ended.reason);
	case ACD_FX_DEQUEUED:
		return mix_text(mix(mix(h, f->dequeued.position), (uint64_t)f->dequeued.wait_us), f->dequeued.reason);
	case ACD_FX_RELEASED:
		return mix(h, (uint64_t)f->released.wrap_up_us);
	case ACD_FX_AGENT_STATE:
		h = mix(mix(h, f->agent_state.previous), (uint64_t)f->agent_state.previous_us);
		return mix_status(mix_text(mix_id(h, f->agent_state.by), f->agent_state.cause), &f->agent_state.status);
	case ACD_FX_DECISION:
		h = mix(mix(h, f->decision.strategy | f->decision.n_cand << 8), f->decision.waiting);
		for (unsigned i = 0; i < f->decision.n_cand; i++)
			h = mix(mix(mix_id(h, f->decision.cand[i].agent), (uint64_t)f->decision.cand[i].score),
				f->decision.cand[i].why);
		return h;
	default:
		return mix_text(h, f->refused.why);
	}
}

uint64_t fx_hash(const struct acd_fx_list *l, uint64_t h)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct acd_fx *f = &l->fx[i];
		h = mix(h, f->kind | f->channel << 8);
		h = mix_id(mix_id(mix_id(mix_id(h, f->item), f->agent), f->queue), f->offer);
		h = mix_body(h, f);
	}
	return h;
}
