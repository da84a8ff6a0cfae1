/* LegCommands: plain publishes to the edge that holds the leg. */
#include "cc.h"

#include <parley/log.h>

typedef Parley__Telephony__V1__LegCommand command_t;
#define CASE(k) PARLEY__TELEPHONY__V1__LEG_COMMAND__COMMAND_##k

static void send(struct cc *cc, const char *edge, command_t *m)
{
	char subject[CALL_NODE + 32];
	snprintf(subject, sizeof(subject), "node.%s.LegCommands", edge);
	m->owner = (char *)(uintptr_t)bus_node(cc->app->bus);
	if (*edge && rpc_send(cc->app->bus, subject, &m->base))
		log_warn("leg.command-lost", LOG_S("leg", m->leg_id)); /* the audit heals it */
}

void cc_hang_up(struct cc *cc, const char *edge, const char *leg_id, uint32_t seq, const char *reason)
{
	command_t m = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegHangup h = PARLEY__TELEPHONY__V1__LEG_HANGUP__INIT;
	h.reason = cc_str(reason);
	m.leg_id = cc_str(leg_id);
	m.seq = seq;
	m.command_case = CASE(HANGUP);
	m.hangup = &h;
	send(cc, edge, &m);
}

static void caller(struct cc_call *k, const struct call_leg *l, Parley__Telephony__V1__LegDial *d)
{
	const char *trunk_id = l->target_kind == DEST_TRUNK ? l->target : NULL;
	bool out = l->role == LEG_CUSTOMER || trunk_id;
	const char *from = out ? refs_trunk_caller_id(k->cc->names, trunk_id) : k->c.from;
	d->from_number = (char *)(uintptr_t)(pl_empty(from) && !trunk_id ? k->c.from : or_text(from));
	d->from_name = (char *)(uintptr_t)(out ? "" : k->c.from_name);
}

static void dial(struct cc_call *k, const struct call_effect *e, command_t *m)
{
	struct call_leg *l = &k->c.legs[e->leg];
	Parley__Telephony__V1__LegDial d = PARLEY__TELEPHONY__V1__LEG_DIAL__INIT;
	Parley__Telephony__V1__DialTrunk t = PARLEY__TELEPHONY__V1__DIAL_TRUNK__INIT;
	switch (l->target_kind) {
	case DEST_PHONE:
		d.target_case = PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_PHONE_ID;
		d.phone_id = l->target;
		break;
	case DEST_TRUNK:
		d.target_case = PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_TRUNK;
		t.trunk_id = l->target;
		t.number = l->number;
		d.trunk = &t;
		break;
	default:
		d.target_case = PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_URI;
		d.uri = l->target;
	}
	caller(k, l, &d);
	d.sdp = cc_str(e->sdp);
	d.ring_timeout_ms = l->ring_timeout_ms +
			    2000; /* the router's timer, or ours, goes first; this one is for when we are gone */
	d.auto_answer = l->auto_answer;
	m->command_case = CASE(DIAL);
	m->dial = &d;
	obs_observe(k->cc->m.offer_dial_us, cc_now(k->cc) - l->since_us);
	send(k->cc, e->edge, m);
}

void fx_do_leg(struct cc_call *k, const struct call_effect *e)
{
	command_t m = PARLEY__TELEPHONY__V1__LEG_COMMAND__INIT;
	Parley__Telephony__V1__LegProgress progress = PARLEY__TELEPHONY__V1__LEG_PROGRESS__INIT;
	Parley__Telephony__V1__LegAnswer answer = PARLEY__TELEPHONY__V1__LEG_ANSWER__INIT;
	Parley__Telephony__V1__LegHangup hangup = PARLEY__TELEPHONY__V1__LEG_HANGUP__INIT;
	Parley__Telephony__V1__LegReinvite reinvite = PARLEY__TELEPHONY__V1__LEG_REINVITE__INIT;
	Parley__Telephony__V1__LegAnswerReinvite reanswer = PARLEY__TELEPHONY__V1__LEG_ANSWER_REINVITE__INIT;
	Parley__Telephony__V1__LegAdopt adopt = PARLEY__TELEPHONY__V1__LEG_ADOPT__INIT;
	Parley__Telephony__V1__LegReferResult refer = PARLEY__TELEPHONY__V1__LEG_REFER_RESULT__INIT;
	char *sdp = cc_str(e->sdp);
	m.leg_id = cc_str(e->leg_id);
	m.seq = e->seq;
	switch (e->kind) {
	case CALL_FX_LEG_DIAL:
		dial(k, e, &m);
		return;
	case CALL_FX_LEG_PROGRESS:
		progress.status = e->status;
		m.command_case = CASE(PROGRESS);
		m.progress = &progress;
		break;
	case CALL_FX_LEG_ANSWER:
		answer.sdp = sdp;
		m.command_case = CASE(ANSWER);
		m.answer = &answer;
		obs_observe(k->cc->m.setup_us, cc_now(k->cc) - k->c.started_us);
		break;
	case CALL_FX_LEG_HANGUP:
		hangup.status = e->status;
		hangup.reason = cc_str(e->text);
		m.command_case = CASE(HANGUP);
		m.hangup = &hangup;
		break;
	case CALL_FX_LEG_REINVITE:
		reinvite.sdp = sdp;
		m.command_case = CASE(REINVITE);
		m.reinvite = &reinvite;
		break;
	case CALL_FX_LEG_ANSWER_REINVITE:
		reanswer.sdp = sdp;
		m.command_case = CASE(ANSWER_REINVITE);
		m.answer_reinvite = &reanswer;
		break;
	case CALL_FX_LEG_REFER_RESULT:
		refer.status = e->status;
		m.command_case = CASE(REFER_RESULT);
		m.refer_result = &refer;
		break;
	default:
		m.command_case = CASE(ADOPT);
		m.adopt = &adopt;
	}
	send(k->cc, e->edge, &m);
}
