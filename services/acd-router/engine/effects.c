#include "state.h"

/* One step of background work may cause this many effects: a ring-all round is a decision plus an offer and a new
 * agent state per agent. An input itself causes fewer than the rest of the list holds. */
#define STEP_MAX (1 + 3 * ACD_RING_MAX)

struct acd_fx *acd_fx_add(struct acd *e, enum acd_fx_kind kind)
{
	static struct acd_fx
		spill; /* never read: reached only if STEP_MAX were wrong, and then an effect is lost, not memory */
	struct acd_fx *fx = e->out->n < ACD_FX_MAX ? &e->out->fx[e->out->n++] : &spill;
	memset(fx, 0, offsetof(struct acd_fx, queued));
	fx->kind = kind;
	return fx;
}

bool acd_fx_room(const struct acd *e, size_t limit)
{
	return e->out->n + STEP_MAX <= limit;
}

void acd_refuse(struct acd *e, struct acd_id item, struct acd_id agent, const char *why)
{
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_REFUSED);
	fx->item = item;
	fx->agent = agent;
	fx->refused = (struct acd_fx_refused){ why };
}

void acd_reason_copy(char dst[ACD_REASON_LEN], const char *src)
{
	size_t i = 0;
	for (; src && src[i] && i < ACD_REASON_LEN - 1; i++)
		dst[i] = src[i];
	memset(dst + i, 0, ACD_REASON_LEN - i);
}
