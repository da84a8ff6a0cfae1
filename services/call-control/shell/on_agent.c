/* CallService: what agents ask for. The owner of the call answers; another copy passes the question on. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define LIST_MS 2000

typedef Parley__Voice__V1__Call call_t;

static void fail(struct rpc_call *rpc, enum pl_err err, const char *text)
{
	struct pl_why why = { 0 };
	pl_why_set(&why, err, "%s", text);
	rpc_fail(rpc, err, &why);
}

/* --- how a call looks to an agent --- */

static Parley__Voice__V1__CallState state_of(const struct call *c, int leg)
{
	bool own = leg >= 0 && leg == c->far;
	switch (c->phase) {
	case CALL_MENU:
		return leg >= 0 ? PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_OFFERED
				: PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_MENU;
	case CALL_QUEUE:
		return leg >= 0 ? PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_OFFERED
				: PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_WAITING;
	case CALL_DIAL:
		return leg >= 0 ? PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_DIALLING
				: PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_TRANSFERRING;
	case CALL_TALK:
		return own && c->held ? PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_HELD
				      : PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_TALKING;
	default:
		return PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_ENDED;
	}
}

static void variables(const struct call *c, call_t *m, struct pl_arena *a)
{
	m->variables = pl_arena_alloc(a, (c->vars_len / 2u + 1) * sizeof(*m->variables));
	for (size_t at = 0; m->variables && at + 1 < c->vars_len;) {
		Parley__Common__V1__KeyValue *v = PL_NEW(a, Parley__Common__V1__KeyValue);
		if (!v)
			return;
		parley__common__v1__key_value__init(v);
		v->key = pl_arena_strdup(a, c->vars + at);
		at += strlen(c->vars + at) + 1;
		v->value = pl_arena_strdup(a, c->vars + at);
		at += strlen(c->vars + at) + 1;
		m->variables[m->n_variables++] = v;
	}
}

static void talk(const struct cc_call *k, int leg, call_t *m, struct pl_arena *a)
{
	const struct call *c = &k->c;
	const struct call_leg *l = &c->legs[leg];
	m->agent_id = cc_str(l->agent_id);
	if (leg != c->far) {
		m->offer_id = cc_str(l->offer_id);
		m->offer_deadline = *l->offer_id ? rpc_ts(a, l->since_us + l->ring_timeout_ms * PL_US_PER_MS) : NULL;
		return;
	}
	m->answered_at = rpc_ts(a, c->talk_us);
	m->held_since = c->held ? rpc_ts(a, c->held_us) : NULL;
	m->recording =
		(Parley__Voice__V1__RecordingState)(c->recording + 1); /* OFF, ON, PAUSED, FAILED in this order */
	m->muted = l->muted;
	m->needs_browser = l->kind == LEG_BROWSER && l->lost;
	m->holds = c->holds;
	m->held_ms = (uint64_t)(c->held_sum_us + (c->held ? PL_MAX(cc_now(k->cc) - c->held_us, 0) : 0)) / 1000u;
}

/* Everything is copied: the answer may be sent after the call has changed. */
call_t *cc_call_view(struct cc_call *k, const char *agent_id, struct pl_arena *a)
{
	call_t *m = PL_NEW(a, call_t);
	const struct call *c = &k->c;
	int leg = call_find_agent(c, agent_id);
	if (!m)
		return NULL;
	parley__voice__v1__call__init(m);
	m->interaction_id = pl_arena_strdup(a, c->id);
	m->direction = (Parley__Common__V1__Direction)c->direction;
	m->state = state_of(c, leg);
	m->customer_number = pl_arena_strdup(a, c->direction == 1 ? c->from : c->to);
	m->customer_name = pl_arena_strdup(a, c->from_name);
	m->dialled_number = pl_arena_strdup(a, c->to);
	m->queue_id = pl_arena_strdup(a, c->queue_id);
	m->queue_name = pl_arena_strdup(a, *c->queue_name ? c->queue_name : refs_queue_name(k->cc->names, c->queue_id));
	m->started_at = rpc_ts(a, c->started_us);
	m->queued_at = rpc_ts(a, c->queued_at_us);
	m->recording = PARLEY__VOICE__V1__RECORDING_STATE__RECORDING_STATE_OFF;
	variables(c, m, a);
	if (leg >= 0)
		talk(k, leg, m, a);
	ProtobufCMessage *copy = rpc_dup(&m->base, a);
	return (call_t *)(void *)copy;
}

/* --- answers --- */

static struct rpc_call *rpc_take(struct cc_call *k, uint64_t token)
{
	for (size_t i = 0; i < CC_RPCS; i++)
		if (k->rpcs[i].rpc && k->rpcs[i].token == token)
			return PL_TAKE(k->rpcs[i].rpc);
	return NULL;
}

#define REPLY(T, init, ...)                                                                                            \
	do {                                                                                                           \
		Parley__Voice__V1__##T m = PARLEY__VOICE__V1__##init;                                                  \
		__VA_ARGS__;                                                                                           \
		rpc_reply(rpc, &m.base);                                                                               \
	} while (0)

void fx_do_reply(struct cc_call *k, const struct call_effect *e)
{
	struct rpc_call *rpc = rpc_take(k, e->rpc);
	if (!rpc) /* asked of an owner before us */
		return;
	if (e->err) {
		fail(rpc, e->err, or_text(e->text));
		return;
	}
	call_t *call = cc_call_view(k, rpc->actor.user_id, rpc->arena);
	char *sdp = cc_str(e->sdp);
	const char *name = rpc->method->name;
	if (pl_streq(name, "AcceptOffer"))
		REPLY(AcceptOfferResponse, ACCEPT_OFFER_RESPONSE__INIT, m.sdp = sdp, m.call = call);
	else if (pl_streq(name, "AttachBrowser"))
		REPLY(AttachBrowserResponse, ATTACH_BROWSER_RESPONSE__INIT, m.sdp = sdp);
	else if (pl_streq(name, "DialNumber"))
		REPLY(DialNumberResponse, DIAL_NUMBER_RESPONSE__INIT, m.sdp = sdp, m.call = call);
	else if (pl_streq(name, "RejectOffer"))
		REPLY(RejectOfferResponse, REJECT_OFFER_RESPONSE__INIT);
	else if (pl_streq(name, "HoldCall"))
		REPLY(HoldCallResponse, HOLD_CALL_RESPONSE__INIT, m.call = call);
	else if (pl_streq(name, "ResumeCall"))
		REPLY(ResumeCallResponse, RESUME_CALL_RESPONSE__INIT, m.call = call);
	else if (pl_streq(name, "MuteCall"))
		REPLY(MuteCallResponse, MUTE_CALL_RESPONSE__INIT, m.call = call);
	else if (pl_streq(name, "SendDigits"))
		REPLY(SendDigitsResponse, SEND_DIGITS_RESPONSE__INIT);
	else if (pl_streq(name, "TransferCall"))
		REPLY(TransferCallResponse, TRANSFER_CALL_RESPONSE__INIT);
	else if (pl_streq(name, "HangupCall"))
		REPLY(HangupCallResponse, HANGUP_CALL_RESPONSE__INIT);
	else
		REPLY(PauseRecordingResponse, PAUSE_RECORDING_RESPONSE__INIT, m.call = call);
}

/* --- commands --- */

/* All requests but ListMyCalls begin with the interaction's id. */
static const char *interaction_of(const struct rpc_call *rpc)
{
	const ProtobufCFieldDescriptor *f =
		protobuf_c_message_descriptor_get_field_by_name(rpc->in->descriptor, "interaction_id");
	return f ? *(char *const *)(const void *)((const char *)rpc->in + f->offset) : "";
}

static const char *refusal(enum pl_err err)
{
	switch (err) {
	case PL_E_NOTFOUND:
		return "no such call or offer of yours";
	case PL_E_FORMAT:
		return "not usable as it is";
	case PL_E_FULL:
		return "too much is under way in this call";
	case PL_E_UNAVAIL:
		return "no telephone or media node is there";
	default:
		return "not in this state of the call";
	}
}

static void step(struct cc_call *k, struct rpc_call *rpc, struct call_event *ev)
{
	uint64_t token = cc_rpc_keep(k, rpc);
	if (!token) {
		fail(rpc, PL_E_FULL, "too much is under way in this call");
		return;
	}
	ev->cmd.rpc = token;
	ev->cmd.agent_id = rpc->actor.user_id;
	enum pl_err err =
		cc_step(k, ev); /* when it was taken, the reply is an effect; then neither k nor rpc may be touched */
	if (err && rpc_take(k, token))
		fail(rpc, err, refusal(err));
}

static void transfer_dest(struct cc *cc, struct rpc_call *rpc, struct call_event *ev)
{
	const Parley__Voice__V1__TransferCallRequest *m = (const void *)rpc->in;
	switch (m->target_case) {
	case PARLEY__VOICE__V1__TRANSFER_CALL_REQUEST__TARGET_QUEUE_ID:
		ev->cmd.dest = refs_queue(cc->names, m->queue_id, rpc->arena);
		break;
	case PARLEY__VOICE__V1__TRANSFER_CALL_REQUEST__TARGET_AGENT_ID:
		ev->cmd.dest = (struct call_dest){ .kind = DEST_AGENT, .id = m->agent_id };
		break;
	case PARLEY__VOICE__V1__TRANSFER_CALL_REQUEST__TARGET_NUMBER:
		ev->cmd.dest = refs_resolve(cc->names, m->number, rpc->arena);
		break;
	default:
		break;
	}
}

static void command(struct cc *cc, struct cc_call *k, struct rpc_call *rpc)
{
	struct call_event ev = { .kind = CALL_EVENT_N };
	const char *name = rpc->method->name;
	if (pl_streq(name, "AcceptOffer")) {
		const Parley__Voice__V1__AcceptOfferRequest *m = (const void *)rpc->in;
		ev.kind = CALL_EV_ACCEPT;
		ev.cmd = (struct ev_cmd){ .offer_id = m->offer_id, .sdp = m->sdp };
	} else if (pl_streq(name, "RejectOffer")) {
		const Parley__Voice__V1__RejectOfferRequest *m = (const void *)rpc->in;
		ev.kind = CALL_EV_REJECT;
		ev.cmd = (struct ev_cmd){ .offer_id = m->offer_id, .reason = m->reason };
	} else if (pl_streq(name, "AttachBrowser")) {
		ev.kind = CALL_EV_ATTACH;
		ev.cmd.sdp = ((const Parley__Voice__V1__AttachBrowserRequest *)(const void *)rpc->in)->sdp;
	} else if (pl_streq(name, "HoldCall")) {
		ev.kind = CALL_EV_HOLD;
	} else if (pl_streq(name, "ResumeCall")) {
		ev.kind = CALL_EV_RESUME;
	} else if (pl_streq(name, "MuteCall")) {
		ev.kind = CALL_EV_MUTE;
		ev.cmd.on = ((const Parley__Voice__V1__MuteCallRequest *)(const void *)rpc->in)->muted;
	} else if (pl_streq(name, "SendDigits")) {
		ev.kind = CALL_EV_SEND_DIGITS;
		ev.cmd.digits = ((const Parley__Voice__V1__SendDigitsRequest *)(const void *)rpc->in)->digits;
	} else if (pl_streq(name, "TransferCall")) {
		ev.kind = CALL_EV_TRANSFER;
		transfer_dest(cc, rpc, &ev);
		if (ev.cmd.dest.kind == DEST_NONE) {
			fail(rpc, PL_E_NOTFOUND, "this number leads nowhere");
			return;
		}
	} else if (pl_streq(name, "HangupCall")) {
		ev.kind = CALL_EV_HANGUP;
	} else {
		ev.kind = CALL_EV_PAUSE_RECORDING;
		ev.cmd.on = ((const Parley__Voice__V1__PauseRecordingRequest *)(const void *)rpc->in)->paused;
	}
	step(k, rpc, &ev);
}

struct search {
	struct cc *cc;
	struct rpc_call *rpc;
};

static void on_claimed(void *arg, bool ours)
{
	struct search *s = arg;
	struct cc_call *k = ours ? cc_call_find(s->cc, interaction_of(s->rpc)) : NULL;
	if (k)
		command(s->cc, k, s->rpc);
	else
		fail(s->rpc, PL_E_NOTFOUND, "no such call");
	free(s);
}

static void on_owner(void *arg, const char *node)
{
	struct search *s = arg;
	const char *here = bus_node(s->cc->app->bus);
	if (!pl_empty(node) && !pl_streq(node, here) && bus_find_node(s->cc->app->bus, "call-control", node)) {
		rpc_pass(s->rpc, node);
		free(s);
	} else if (!pl_empty(node) && !pl_streq(node, here)) { /* its owner has just died: it becomes ours */
		actor_claim(s->cc->actors, interaction_of(s->rpc), on_claimed, s);
	} else {
		fail(s->rpc, PL_E_NOTFOUND, "no such call");
		free(s);
	}
}

static bool agent_asks(struct rpc_call *rpc)
{
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&rpc->actor, RPC_AGENT, &why);
	if (!err && rpc->actor.role == RPC_SERVICE)
		err = pl_why_set(&why, PL_E_DENIED, "only agents have calls");
	if (!err)
		err = rpc_text_ok(rpc->in, &why);
	if (err)
		rpc_fail(rpc, err, &why);
	return !err;
}

static void on_command(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	if (!agent_asks(rpc))
		return;
	struct cc_call *k = cc_call_find(cc, interaction_of(rpc));
	if (k) {
		command(cc, k, rpc);
		return;
	}
	if (!pl_id_ok(interaction_of(rpc))) {
		fail(rpc, PL_E_NOTFOUND, "no such call");
		return;
	}
	struct search *s = calloc(1, sizeof(*s));
	if (!s) {
		fail(rpc, PL_E_NOMEM, "no memory");
		return;
	}
	*s = (struct search){ cc, rpc };
	actor_owner(cc->actors, interaction_of(rpc), on_owner, s);
}

/* Passed on by a copy that looked up the owner: not passed again. */
static void on_command_here(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	if (!agent_asks(rpc))
		return;
	struct cc_call *k = cc_call_find(cc, interaction_of(rpc));
	if (k)
		command(cc, k, rpc);
	else
		fail(rpc, PL_E_NOTFOUND, "no such call");
}

/* --- calls out --- */

static void dial_new(struct cc *cc, struct rpc_call *rpc)
{
	const Parley__Voice__V1__DialNumberRequest *m = (const void *)rpc->in;
	struct call_event ev = { .kind = CALL_EV_DIAL_OUT };
	ev.cmd.dest = refs_resolve(cc->names, m->number, rpc->arena);
	ev.cmd.sdp = m->sdp;
	ev.cmd.device = pl_empty(m->sdp) ? refs_agent_phone(cc->names, rpc->actor.user_id, rpc->arena)
					 : (struct call_dest){ .kind = DEST_BROWSER };
	if (ev.cmd.dest.kind == DEST_NONE || ev.cmd.dest.kind == DEST_QUEUE) {
		fail(rpc, PL_E_NOTFOUND, "this number leads to no telephone");
		return;
	}
	if (ev.cmd.device.kind == DEST_NONE) {
		fail(rpc, PL_E_STATE, "you have no telephone: sign in with one, or dial from the browser");
		return;
	}
	for (struct cc_call *k = cc->calls; k; k = k->hh.next)
		if (call_find_agent(&k->c, rpc->actor.user_id) >= 0) {
			fail(rpc, PL_E_STATE, "you have a call already");
			return;
		}
	struct cc_call *k = cc_call_new(cc, m->interaction_id);
	if (!k) {
		fail(rpc, PL_E_FULL, "max_calls is reached");
		return;
	}
	uint64_t token = ev.cmd.rpc = cc_rpc_keep(k, rpc);
	ev.cmd.agent_id = rpc->actor.user_id;
	enum pl_err err = cc_step(k, &ev);
	if (!err)
		return;
	if (rpc_take(k, token))
		fail(rpc, err, refusal(err));
	cc_call_drop(k);
}

static void on_dial_owner(void *arg, const char *node)
{
	struct search *s = arg;
	if (!pl_empty(node))
		fail(s->rpc, PL_E_EXISTS, "this call exists already");
	else
		dial_new(s->cc, s->rpc);
	free(s);
}

static void on_dial(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	const Parley__Voice__V1__DialNumberRequest *m = (const void *)rpc->in;
	struct pl_why why = { 0 };
	if (!agent_asks(rpc))
		return;
	if (!pl_id_ok(m->interaction_id)) {
		rpc_fail(rpc, pl_why_field(&why, PL_E_FORMAT, "interaction_id", "must be a UUID"), &why);
		return;
	}
	if (cc_call_find(cc, m->interaction_id)) {
		fail(rpc, PL_E_EXISTS, "this call exists already");
		return;
	}
	if (cc->draining || !actors_held(cc->actors)) {
		fail(rpc, PL_E_UNAVAIL, "not ready");
		return;
	}
	struct search *s = calloc(1, sizeof(*s));
	if (!s) {
		fail(rpc, PL_E_NOMEM, "no memory");
		return;
	}
	*s = (struct search){ cc, rpc };
	actor_owner(cc->actors, m->interaction_id, on_dial_owner, s);
}

/* --- all calls of one agent, whichever copies own them --- */

struct list {
	struct cc *cc;
	struct rpc_call *rpc;
	call_t **calls;
	size_t n, max, waiting;
};

static void add_own(struct cc *cc, const char *agent_id, struct list *l)
{
	struct cc_call *k, *next;
	HASH_ITER(hh, cc->calls, k, next)
	{
		if (l->n == l->max || call_find_agent(&k->c, agent_id) < 0)
			continue;
		if ((l->calls[l->n] = cc_call_view(k, agent_id, l->rpc->arena)))
			l->n++;
	}
}

static void list_send(struct list *l)
{
	Parley__Voice__V1__ListMyCallsResponse m = PARLEY__VOICE__V1__LIST_MY_CALLS_RESPONSE__INIT;
	m.calls = l->calls;
	m.n_calls = l->n;
	rpc_reply(l->rpc, &m.base);
}

static bool list_init(struct list *l, struct rpc_call *rpc)
{
	*l = (struct list){ .cc = rpc->arg, .rpc = rpc, .max = 64 };
	l->calls = pl_arena_alloc(rpc->arena, l->max * sizeof(*l->calls));
	if (l->calls)
		add_own(l->cc, rpc->actor.user_id, l);
	else
		fail(rpc, PL_E_NOMEM, "no memory");
	return l->calls != NULL;
}

static void on_list_here(struct rpc_call *rpc)
{
	struct list l;
	if (agent_asks(rpc) && list_init(&l, rpc))
		list_send(&l);
}

static void on_part(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct list *l = arg;
	const Parley__Voice__V1__ListMyCallsResponse *m = (const void *)out;
	for (size_t i = 0; !err && i < m->n_calls && l->n < l->max; i++)
		if ((l->calls[l->n] = (call_t *)(void *)rpc_dup(&m->calls[i]->base, l->rpc->arena)))
			l->n++;
	if (err)
		log_warn("calls.list-part",
			 LOG_WHY(why)); /* that copy is dying: its calls come back with their new owner */
	if (--l->waiting)
		return;
	list_send(l);
	free(l);
}

static void on_list(struct rpc_call *rpc)
{
	struct list *l = agent_asks(rpc) ? calloc(1, sizeof(*l)) : NULL;
	Parley__Voice__V1__ListMyCallsRequest m = PARLEY__VOICE__V1__LIST_MY_CALLS_REQUEST__INIT;
	struct pl_why why = { 0 };
	if (!l || !list_init(l, rpc)) {
		free(l);
		return;
	}
	l->waiting = 1;
	for (size_t i = 0; i < l->cc->n_peers; i++) {
		struct rpc_to to = { &parley__voice__v1__call_service__descriptor, "ListMyCalls", l->cc->peers[i],
				     rpc->req ? bus_req_actor(rpc->req) : "", LIST_MS };
		l->waiting += rpc_ask(l->cc->app->bus, &to, &m.base, on_part, l, &why) != 0;
	}
	if (--l->waiting)
		return;
	list_send(l);
	free(l);
}

static void on_peer(void *arg, enum bus_node_change c, const struct bus_node *n)
{
	struct cc *cc = arg;
	size_t at = 0;
	if (pl_streq(n->node, bus_node(cc->app->bus)))
		return;
	while (at < cc->n_peers && !pl_streq(cc->peers[at], n->node))
		at++;
	if (c == BUS_NODE_UP && at == cc->n_peers && at < CC_NODES)
		pl_strlcpy(cc->peers[cc->n_peers++], n->node, CALL_NODE);
	else if (c == BUS_NODE_DOWN && at < cc->n_peers)
		memmove(cc->peers[at], cc->peers[--cc->n_peers], CALL_NODE);
}

#define COMMANDS(f)                                                                                                    \
	{ "AcceptOffer", f }, { "RejectOffer", f }, { "AttachBrowser", f }, { "HoldCall", f }, { "ResumeCall", f },    \
		{ "MuteCall", f }, { "SendDigits", f }, { "TransferCall", f }, { "HangupCall", f },                    \
	{                                                                                                              \
		"PauseRecording", f                                                                                    \
	}

enum pl_err on_agent_open(struct cc *cc, struct pl_why *why)
{
	static const struct rpc_entry all[] = {
		COMMANDS(on_command), { "DialNumber", on_dial }, { "ListMyCalls", on_list }, { NULL, NULL }
	};
	static const struct rpc_entry here[] = { COMMANDS(on_command_here),
						 { "ListMyCalls", on_list_here },
						 { NULL, NULL } };
	const ProtobufCServiceDescriptor *d = &parley__voice__v1__call_service__descriptor;
	enum pl_err err = bus_watch_nodes(cc->app->bus, "call-control", on_peer, cc);
	if (!err)
		err = rpc_serve_node(cc->app->bus, d, here, cc, why);
	return err ? err : rpc_serve(cc->app->bus, d, all, cc, why);
}
