/* Messages to the router's log. Their ids come from the call's id and its counter, so that what an adopted call sends
 * again counts once. */
#include "cc.h"

#include <parley/log.h>

typedef Parley__Acd__V1__AcdInput input_t;
#define IN(k) PARLEY__ACD__V1__ACD_INPUT__INPUT_##k

static void on_stored(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct cc *cc = arg;
	if (!err)
		return;
	obs_add(cc->m.emit_failed, 1);
	log_error("acd.input-failed", LOG_WHY(why));
}

static void put(struct cc *cc, const char *kind, const char *msg_id, const input_t *m)
{
	char subject[48];
	snprintf(subject, sizeof(subject), "acd.in.%s", kind);
	if (rpc_emit(cc->app->bus, subject, msg_id, &m->base, on_stored, cc) == PL_OK)
		return;
	obs_add(cc->m.emit_failed, 1);
	log_error("acd.input-refused", LOG_S("kind", kind), LOG_S("id", msg_id));
}

static Parley__Acd__V1__OfferOutcome outcome(enum offer_outcome o)
{
	static const Parley__Acd__V1__OfferOutcome map[OFFER_OUTCOME_N] = {
		[OFFER_ACCEPTED] = PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ACCEPTED,
		[OFFER_REJECTED] = PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_REJECTED,
		[OFFER_TIMEOUT] = PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_TIMEOUT,
		[OFFER_FAILED] = PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_FAILED,
		[OFFER_ELSEWHERE] = PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ELSEWHERE,
		[OFFER_CANCELLED] = PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_CANCELLED,
	};
	return map[o];
}

static void enqueue(struct cc_call *k, const struct call_effect *e, const char *msg_id)
{
	struct pl_arena *tmp = pl_loop_tmp(k->cc->app->loop);
	input_t in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__Enqueue m = PARLEY__ACD__V1__ENQUEUE__INIT;
	Parley__Common__V1__KeyValue *kv[CALL_VARS / 2];
	m.interaction_id = k->c.id;
	m.queue_id = cc_str(e->id);
	m.channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	m.queued_at = rpc_ts(tmp, k->c.queued_at_us);
	m.customer_number = k->c.direction == 1 ? k->c.from : k->c.to;
	m.customer_name = k->c.from_name;
	m.only_agent_id = cc_str(e->text);
	m.source = cc_str(bus_node(k->cc->app->bus));
	m.attributes = kv;
	for (size_t at = 0; at + 1 < k->c.vars_len;) { /* what the flow gathered goes along to the agent */
		Parley__Common__V1__KeyValue *v = PL_NEW(tmp, Parley__Common__V1__KeyValue);
		if (!v)
			break;
		parley__common__v1__key_value__init(v);
		v->key = k->c.vars + at;
		at += strlen(v->key) + 1;
		v->value = k->c.vars + at;
		at += strlen(v->value) + 1;
		kv[m.n_attributes++] = v;
	}
	in.input_case = IN(ENQUEUE);
	in.enqueue = &m;
	put(k->cc, "enqueue", msg_id, &in);
}

static void offer_reply(struct cc_call *k, const struct call_effect *e)
{
	static const char *const names[OFFER_OUTCOME_N] = { "none",   "accepted",  "rejected", "timeout",
							    "failed", "elsewhere", "cancelled" };
	char msg_id[2 * CALL_ID];
	input_t in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__OfferReply m = PARLEY__ACD__V1__OFFER_REPLY__INIT;
	m.interaction_id = k->c.id;
	m.offer_id = cc_str(e->id);
	m.fence = e->fence;
	m.outcome = outcome(e->outcome);
	m.reason = cc_str(e->text);
	in.input_case = IN(OFFER_REPLY);
	in.offer_reply = &m;
	snprintf(msg_id, sizeof(msg_id), "%s-%s", e->id, names[e->outcome]);
	put(k->cc, "offer_reply", msg_id, &in);
}

void fx_acd_cancel(struct cc *cc, const char *interaction_id, const char *reason)
{
	char msg_id[2 * CALL_ID];
	input_t in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__CancelInteraction m = PARLEY__ACD__V1__CANCEL_INTERACTION__INIT;
	m.interaction_id = cc_str(interaction_id);
	m.reason = cc_str(reason);
	in.input_case = IN(CANCEL);
	in.cancel = &m;
	snprintf(msg_id, sizeof(msg_id), "%s-late-cancel", interaction_id);
	put(cc, "cancel", msg_id, &in);
}

void fx_do_acd(struct cc_call *k, const struct call_effect *e)
{
	char msg_id[2 * CALL_ID];
	input_t in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	snprintf(msg_id, sizeof(msg_id), "%s-%u-%s", k->c.id, e->n,
		 e->kind == CALL_FX_ENQUEUE  ? "enqueue"
		 : e->kind == CALL_FX_CANCEL ? "cancel"
					     : "ended");
	if (e->kind == CALL_FX_ENQUEUE) {
		enqueue(k, e, msg_id);
	} else if (e->kind == CALL_FX_OFFER_REPLY) {
		offer_reply(k, e);
	} else if (e->kind == CALL_FX_CANCEL) {
		Parley__Acd__V1__CancelInteraction m = PARLEY__ACD__V1__CANCEL_INTERACTION__INIT;
		m.interaction_id = k->c.id;
		m.reason = cc_str(e->text);
		in.input_case = IN(CANCEL);
		in.cancel = &m;
		put(k->cc, "cancel", msg_id, &in);
	} else {
		Parley__Acd__V1__InteractionEnded m = PARLEY__ACD__V1__INTERACTION_ENDED__INIT;
		m.interaction_id = k->c.id;
		m.agent_id = cc_str(e->agent);
		m.reason = cc_str(e->text);
		m.agent_only = e->flag;
		in.input_case = IN(ENDED);
		in.ended = &m;
		put(k->cc, "ended", msg_id, &in);
	}
}
