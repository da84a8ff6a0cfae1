/* LegEvents to the owner: one message each, numbered per leg, sent at the end of the turn with everything else. */
#include "legs.h"

typedef Parley__Telephony__V1__LegEvent event_t;
#define KIND(k) PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_##k
#define STATE(s) PARLEY__TELEPHONY__V1__LEG_STATE__LEG_STATE_##s

static void publish(struct edge *e, const char *owner, event_t *ev)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	char *subject = pl_arena_printf(tmp, "node.%s.LegEvents", owner);
	ev->edge_node = (char *)bus_node(e->app->bus);
	ev->time = rpc_ts(tmp, pl_wall_us());
	obs_add(e->m.events, 1);
	if (!subject || rpc_send(e->app->bus, subject, &ev->base))
		obs_add(e->m.events_lost, 1); /* the audit heals it */
}

static Parley__Telephony__V1__LegState state_of(const struct leg *l)
{
	switch (l->sm.state) {
	case LEG_IDLE:
	case LEG_IN_TRYING:
	case LEG_OUT_CALLING:
		return STATE(TRYING);
	case LEG_IN_RINGING:
	case LEG_IN_ANSWERED:
	case LEG_OUT_RINGING:
		return STATE(RINGING);
	case LEG_UP:
	case LEG_RE_OUT:
	case LEG_RE_WAIT:
	case LEG_RE_IN:
		return STATE(UP);
	default:
		return STATE(GONE);
	}
}

/* Without an owner the event would go nowhere; LegIncoming's answer brings the owner, and the end is told then. */
static void tell(struct leg *l, event_t *ev)
{
	if (!*l->owner)
		return;
	ev->leg_id = l->id;
	ev->seq = ++l->event_seq;
	ev->state = state_of(l);
	publish(l->edge, l->owner, ev);
}

void owner_tell(struct leg *l, Parley__Telephony__V1__LegEventKind kind, const struct leg_input *in)
{
	event_t ev = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	bool ended = kind == KIND(ENDED);
	ev.kind = kind;
	ev.status = in->status > 0 ? (uint32_t)in->status : 0;
	ev.reason = (char *)(in->reason ? in->reason : "");
	ev.sdp = (char *)(!ended && in->sdp ? in->sdp : "");
	ev.by_remote = ended && in->contact; /* leg_do() marks it so */
	if (!ended && in->contact)
		ev.contact = (char *)in->contact;
	tell(l, &ev);
}

void owner_tell_unknown(struct edge *e, const char *owner, const char *leg_id)
{
	event_t ev = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	ev.leg_id = (char *)leg_id;
	ev.kind = KIND(ENDED);
	ev.state = STATE(GONE);
	ev.status = 481;
	publish(e, owner, &ev);
}

void owner_tell_state(struct leg *l)
{
	event_t ev = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	ev.kind = KIND(STATE);
	ev.sdp = l->local_sdp ? l->local_sdp : (char *)"";
	tell(l, &ev);
}

void owner_tell_digits(struct leg *l, const char *digits)
{
	event_t ev = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	ev.kind = KIND(DIGITS);
	ev.digits = (char *)digits;
	tell(l, &ev);
}

void owner_tell_refer(struct leg *l, const char *refer_to)
{
	event_t ev = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	ev.kind = KIND(REFER);
	ev.refer_to = (char *)refer_to;
	tell(l, &ev);
}
