/* WorkService: the agent's own work; and a supervisor's act on an agent. What is asked becomes an input; the answer
 * is the state after this copy's engine applied it. */
#include <stdio.h>

#include "parley/telephony/v1/telephony.pb-c.h"
#include "router.h"
#include "thing.h"

#define ASK_MS 3000

struct act {
	struct rpc_call *c;
	struct router *r;
	struct acd_id agent;
	Parley__Acd__V1__AgentInput in;
};

static struct act *act_new(struct rpc_call *c, const char *agent_id)
{
	struct act *a = PL_NEW(c->arena, struct act);
	struct acd_status st;
	if (!a) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return NULL;
	}
	a->c = c;
	a->r = c->arg;
	if (!acd_id_parse(agent_id, &a->agent) || acd_id_none(a->agent) || !acd_status_get(a->r->e, a->agent, &st)) {
		rpc_no(c, PL_E_NOTFOUND, "agent_id", "there is no such agent");
		return NULL;
	}
	parley__acd__v1__agent_input__init(&a->in);
	a->in.agent_id = pl_arena_strdup(c->arena, agent_id);
	return a;
}

static void on_applied(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct act *a = arg;
	struct thing_one *out = pl_arena_alloc(a->c->arena, a->c->method->output->sizeof_message);
	struct acd_status st;
	if (err || !out || !acd_status_get(a->r->e, a->agent, &st)) {
		rpc_fail(a->c, err ? err : PL_E_NOTFOUND, why);
		return;
	}
	protobuf_c_message_init(a->c->method->output, out); /* each of these answers is one status */
	out->m = &event_status(a->r, &st, a->c->arena)->base;
	rpc_reply(a->c, &out->base);
}

static void act_put(struct act *a)
{
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	char id[PL_ID_LEN];
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_AGENT;
	in.agent = &a->in;
	inlog_put(a->r->in, &in, pl_id_new(id), on_applied, a);
}

/* READY, or PAUSED with a reason that exists, or with none. */
static bool state_ok(struct act *a, Parley__Acd__V1__AgentState state, const char *reason_id)
{
	struct acd_id reason;
	if (state != PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_READY &&
	    state != PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_PAUSED) {
		rpc_no(a->c, PL_E_FORMAT, "state", "must be READY or PAUSED");
		return false;
	}
	if (!acd_id_parse(reason_id, &reason) || (!acd_id_none(reason) && !acd_reason_note(a->r->e, reason).n)) {
		rpc_no(a->c, PL_E_FORMAT, "pause_reason_id", "there is no such reason");
		return false;
	}
	a->in.state = state;
	if (state == PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_PAUSED)
		a->in.pause_reason_id = pl_arena_strdup(a->c->arena, reason_id);
	return true;
}

static bool has_device(struct act *a)
{
	struct acd_status st;
	if (acd_status_get(a->r->e, a->agent, &st) && st.device != ACD_DEV_NONE)
		return true;
	rpc_no(a->c, PL_E_STATE, "agent_id", "has not signed in with a device yet");
	return false;
}

/* --- signing in --- */
static bool phone_free(struct act *a, const char *phone_id)
{
	struct acd_status st;
	struct acd_id id;
	for (uint32_t pos = 0; acd_agent_next(a->r->e, &pos, &id);)
		if (!acd_id_eq(id, a->agent) && acd_status_get(a->r->e, id, &st) && st.signed_in_us &&
		    st.device == ACD_DEV_PHONE && pl_streq(st.phone, phone_id))
			return false;
	return true;
}

static void on_phone(void *arg, enum pl_err err, const ProtobufCMessage *m, const struct pl_why *why)
{
	struct act *a = arg;
	const Parley__Telephony__V1__GetPhoneResponse *got = (const void *)m;
	if (err == PL_E_NOTFOUND || (!err && !got->phone)) {
		rpc_no(a->c, PL_E_STATE, "phone_id", "there is no such phone");
	} else if (err) {
		rpc_fail(a->c, err, why);
	} else if (!got->phone->registered) {
		rpc_no(a->c, PL_E_STATE, "phone_id", "the phone is not registered");
	} else if (!pl_empty(got->phone->agent_id) && !pl_streq(got->phone->agent_id, a->in.agent_id)) {
		rpc_no(a->c, PL_E_STATE, "phone_id", "the phone belongs to another agent");
	} else if (!phone_free(a, a->in.phone_id)) {
		rpc_no(a->c, PL_E_STATE, "phone_id", "another agent works with this phone");
	} else {
		act_put(a);
	}
}

static void ask_phone(struct act *a)
{
	Parley__Telephony__V1__GetPhoneRequest q = PARLEY__TELEPHONY__V1__GET_PHONE_REQUEST__INIT;
	struct rpc_to to = { .service = &parley__telephony__v1__phone_service__descriptor,
			     .method = "GetPhone",
			     .actor = "service acd-router",
			     .timeout_ms = ASK_MS };
	struct pl_why why = { 0 };
	q.id = a->in.phone_id;
	if (!rpc_ask(a->r->bus, &to, &q.base, on_phone, a, &why))
		rpc_fail(a->c, why.err ? why.err : PL_E_UNAVAIL, &why);
}

static void start_work(struct rpc_call *c)
{
	const Parley__Acd__V1__StartWorkRequest *q = (const void *)c->in;
	struct act *a = rpc_may(c, RPC_AGENT) ? act_new(c, c->actor.user_id) : NULL;
	if (!a || !state_ok(a, q->state ? q->state : PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_READY, ""))
		return;
	a->in.start_work = true;
	a->in.device = q->device;
	a->in.presence = q->presence;
	switch (q->device) {
	case PARLEY__ACD__V1__DEVICE__DEVICE_BROWSER:
		a->in.presence = PARLEY__ACD__V1__PRESENCE__PRESENCE_DESK; /* a browser is where its desk is */
		act_put(a);
		return;
	case PARLEY__ACD__V1__DEVICE__DEVICE_PHONE:
		break;
	default:
		rpc_no(c, PL_E_FORMAT, "device", "must be BROWSER or PHONE");
		return;
	}
	if (q->presence != PARLEY__ACD__V1__PRESENCE__PRESENCE_DESK)
		a->in.presence = PARLEY__ACD__V1__PRESENCE__PRESENCE_PHONE;
	if (pl_empty(q->phone_id) || strlen(q->phone_id) >= ACD_PHONE_LEN) {
		rpc_no(c, PL_E_FORMAT, "phone_id", "must be the id of a phone");
		return;
	}
	a->in.phone_id = pl_arena_strdup(c->arena, q->phone_id);
	ask_phone(a);
}

static void stop_work(struct rpc_call *c)
{
	struct act *a = rpc_may(c, RPC_AGENT) ? act_new(c, c->actor.user_id) : NULL;
	if (!a)
		return;
	a->in.state = PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_OFFLINE;
	act_put(a);
}

static bool signed_in(struct act *a)
{
	struct acd_status st;
	if (acd_status_get(a->r->e, a->agent, &st) && st.signed_in_us)
		return true;
	rpc_no(a->c, PL_E_STATE, "state", "is signed out: start work first");
	return false;
}

static void set_my_state(struct rpc_call *c)
{
	const Parley__Acd__V1__SetMyStateRequest *q = (const void *)c->in;
	struct act *a = rpc_may(c, RPC_AGENT) ? act_new(c, c->actor.user_id) : NULL;
	if (a && state_ok(a, q->state, q->pause_reason_id) && signed_in(a))
		act_put(a);
}

static void end_wrap_up(struct rpc_call *c)
{
	const Parley__Acd__V1__EndWrapUpRequest *q = (const void *)c->in;
	struct act *a = rpc_may(c, RPC_AGENT) ? act_new(c, c->actor.user_id) : NULL;
	struct acd_id item;
	if (!a)
		return;
	if (!acd_id_parse(q->interaction_id, &item)) {
		rpc_no(c, PL_E_FORMAT, "interaction_id", "must be a UUID or empty");
		return;
	}
	a->in.end_wrap_up = true;
	a->in.interaction_id = pl_arena_strdup(c->arena, q->interaction_id);
	act_put(a);
}

void rpc_set_agent_state(struct rpc_call *c)
{
	const Parley__Acd__V1__SetAgentStateRequest *q = (const void *)c->in;
	struct act *a = rpc_may(c, RPC_SUPERVISOR) ? act_new(c, q->agent_id) : NULL;
	if (!a)
		return;
	if (pl_id_ok(c->actor.user_id))
		a->in.by_user_id = c->actor.user_id;
	if (q->state == PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_OFFLINE) {
		a->in.state = q->state;
		act_put(a);
	} else if (state_ok(a, q->state, q->pause_reason_id) && has_device(a)) {
		act_put(a);
	}
}

/* --- all the desk needs --- */
static enum pl_err my_work_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt mine = { "queue_of_agent",
					     "SELECT q.body FROM queue q JOIN member m ON m.queue_id = q.id"
					     " WHERE m.agent_id = $1 ORDER BY lower(q.name)" };
	Parley__Acd__V1__GetMyWorkResponse *r = PL_NEW(c->arena, Parley__Acd__V1__GetMyWorkResponse);
	ProtobufCMessage *agent = NULL, **reasons = NULL, **queues = NULL;
	if (!r)
		return PL_E_NOMEM;
	parley__acd__v1__get_my_work_response__init(r);
	*out = &r->base;
	enum pl_err err = thing_db_get(db, &things[THING_AGENT], c->actor.user_id, c->arena, &agent, why);
	if (!err)
		err = thing_db_list(db, &things[THING_REASON], c->arena, &reasons, &r->n_pause_reasons, why);
	if (!err)
		err = thing_db_list_of(db, &mine, c->actor.user_id, things[THING_QUEUE].d, c->arena, &queues,
				       &r->n_queues, why);
	r->agent = (Parley__Acd__V1__Agent *)(void *)agent;
	r->pause_reasons = (Parley__Acd__V1__PauseReason **)(void *)reasons;
	r->queues = (Parley__Acd__V1__Queue **)(void *)queues;
	return err;
}

struct my_work {
	struct rpc_call *c;
	ProtobufCMessage *out;
};

static enum pl_err my_work_read(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct my_work *w = arg;
	return my_work_job(w->c, db, &w->out, why);
}

static void on_my_work(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct my_work *w = arg;
	struct router *r = w->c->arg;
	struct acd_status st;
	struct acd_id id;
	Parley__Acd__V1__GetMyWorkResponse *out = (Parley__Acd__V1__GetMyWorkResponse *)(void *)w->out;
	if (err) {
		rpc_fail(w->c, err, why);
		return;
	}
	if (acd_id_parse(w->c->actor.user_id, &id) && acd_status_get(r->e, id, &st))
		out->status = event_status(r, &st, w->c->arena);
	rpc_reply(w->c, w->out);
}

static void get_my_work(struct rpc_call *c)
{
	struct router *r = c->arg;
	struct my_work *w = PL_NEW(c->arena, struct my_work);
	if (!rpc_may(c, RPC_AGENT))
		return;
	if (!w) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	w->c = c;
	enum pl_err err = pg_read(r->pg, my_work_read, on_my_work, w);
	if (err)
		rpc_fail(c, err, NULL);
}

enum pl_err rpc_work_serve(struct router *r, struct pl_why *why)
{
	static const struct rpc_entry work[] = { { "StartWork", start_work },    { "StopWork", stop_work },
						 { "SetMyState", set_my_state }, { "EndWrapUp", end_wrap_up },
						 { "GetMyWork", get_my_work },   { NULL, NULL } };
	return rpc_serve(r->bus, &parley__acd__v1__work_service__descriptor, work, r, why);
}
