#include "oracle.h"

static size_t item_at(const struct oracle *o, struct acd_id id)
{
	size_t i = 0;
	while (i < o->n_items && !acd_id_eq(o->items[i], id))
		i++;
	return i;
}

static size_t offer_at(const struct oracle *o, struct acd_id offer)
{
	size_t i = 0;
	while (i < o->n_offers && !acd_id_eq(o->offers[i].offer, offer))
		i++;
	return i;
}

static void offer_gone(struct oracle *o, size_t at)
{
	o->offers[at] = o->offers[--o->n_offers];
}

static const char *see_queued(struct oracle *o, const struct acd_fx *f)
{
	if (item_at(o, f->item) < o->n_items)
		return "an item was queued twice";
	if (o->n_items == ORACLE_ITEMS)
		return "the oracle is full of items";
	o->items[o->n_items++] = f->item;
	return NULL;
}

static const char *see_offered(struct oracle *o, const struct acd_fx *f)
{
	unsigned in_hand = 0;
	o->n_offered++;
	if (item_at(o, f->item) == o->n_items)
		return "an item was offered that does not wait";
	if (f->offered.fence <= o->last_fence)
		return "a fence did not grow";
	o->last_fence = f->offered.fence;
	for (size_t i = 0; i < o->n_offers; i++) {
		in_hand += acd_id_eq(o->offers[i].agent, f->agent);
		if (acd_id_eq(o->offers[i].agent, f->agent) && acd_id_eq(o->offers[i].item, f->item) &&
		    !o->offers[i].connected)
			return "an agent was offered the same item twice at once";
	}
	if (in_hand >= o->most_in_hand)
		return "an agent was offered more than it may hold";
	if (o->n_offers == ORACLE_OFFERS)
		return "the oracle is full of offers";
	o->offers[o->n_offers++] = (struct oracle_offer){ f->item, f->agent, f->offer, f->offered.fence, false };
	return NULL;
}

static const char *see_offer_ended(struct oracle *o, const struct acd_fx *f)
{
	size_t at = offer_at(o, f->offer);
	if (at == o->n_offers || o->offers[at].connected)
		return "an offer ended that was not open";
	if (f->offer_ended.outcome != ACD_OUT_ACCEPTED) {
		offer_gone(o, at);
		return NULL;
	}
	o->n_answered++;
	o->offers[at].connected = true;
	return NULL;
}

static const char *see_dequeued(struct oracle *o, const struct acd_fx *f)
{
	size_t at = item_at(o, f->item);
	o->n_left++;
	if (at == o->n_items) /* refused at the door */
		return strcmp(f->dequeued.reason, "answered") == 0 ? "an item was answered that did not wait" : NULL;
	o->items[at] = o->items[--o->n_items];
	return NULL;
}

static const char *see_released(struct oracle *o, const struct acd_fx *f)
{
	size_t at = offer_at(o, f->offer);
	if (at == o->n_offers || !o->offers[at].connected)
		return "an agent was released from what it did not have";
	offer_gone(o, at);
	return NULL;
}

static const char *see(struct oracle *o, const struct acd_fx *f)
{
	switch (f->kind) {
	case ACD_FX_QUEUED:
		return see_queued(o, f);
	case ACD_FX_OFFERED:
		return see_offered(o, f);
	case ACD_FX_OFFER_ENDED:
		return see_offer_ended(o, f);
	case ACD_FX_DEQUEUED:
		return see_dequeued(o, f);
	case ACD_FX_RELEASED:
		return see_released(o, f);
	case ACD_FX_REFUSED:
		o->n_refused++;
		return NULL;
	case ACD_FX_AGENT_STATE:
		o->n_states++;
		return NULL;
	default:
		return f->decision.n_cand < 1 || f->decision.n_cand > ACD_CAND_MAX ? "a decision without candidates"
										   : NULL;
	}
}

/* An offer may only be open for an item that waits, except within one step. */
static const char *see_rest(const struct oracle *o)
{
	for (size_t i = 0; i < o->n_offers; i++)
		if (!o->offers[i].connected && item_at(o, o->offers[i].item) == o->n_items)
			return "an offer outlived its item";
	return NULL;
}

const char *oracle_see(struct oracle *o, const struct acd_fx_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const char *bad = see(o, &l->fx[i]);
		if (bad)
			return bad;
	}
	return see_rest(o);
}
