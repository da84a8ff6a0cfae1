/* FlowRunInternalService.Step: find the session (here, on its owner's node, or nowhere any more), step it once, save
 * it, answer. The answer goes out when the checkpoint is stored: what a channel has been told, a survivor knows. */
#include "svc.h"

#include <parley/log.h>
#include <stdlib.h>

#define JUMPS_MAX 8

typedef Parley__Flow__V1__StepRequest req_t;
typedef Parley__Flow__V1__FlowSession fs_t;

/* A step on its way through callbacks; lives in the call's arena. */
struct job {
	struct flow_svc *s;
	struct rpc_call *c;
	const req_t *in;
	Parley__Flow__V1__StepResponse *out;
	int64_t begun_us;
	struct saved saved;
};

static void fail(struct job *j, enum pl_err err, const struct pl_why *why)
{
	obs_add(j->s->m_refused, 1);
	rpc_fail(j->c, err, why);
}

static void reply(struct job *j, const Parley__Flow__V1__StepResponse *out)
{
	obs_observe(j->s->m_step_us, pl_mono_us() - j->begun_us);
	rpc_reply(j->c, &out->base);
}

static void on_saved(void *arg, bool stored)
{
	struct job *j = arg;
	struct pl_why why = { 0 };
	if (stored)
		reply(j, j->out);
	else /* the channel asks again and reaches the new owner, which does the step anew with the same ids */
		fail(j, pl_why_set(&why, PL_E_UNAVAIL, "another copy has the session now"), &why);
}

/* --- between the checkpoint's message and the engine's state --- */

static void state_load(struct flow_state *st, const fs_t *f, const struct flow_graph *g)
{
	flow_state_init(st);
	st->wait = session_wait(f->wait);
	st->node = flow_node_find(g, f->node);
	st->tries = f->tries;
	st->visits = f->visits;
	st->in_finally = f->in_finally;
	for (size_t i = 0; i < f->n_variables; i++)
		flow_var_set(st, f->variables[i]->name, f->variables[i]->value, f->variables[i]->secret);
}

static enum pl_err state_store(const struct flow_state *st, fs_t *f, const struct flow_graph *g, struct pl_arena *a)
{
	f->wait = (char *)(uintptr_t)session_wait_name(st->wait);
	f->node = (char *)(uintptr_t)(st->node < g->n_nodes ? g->nodes[st->node].name : "");
	f->tries = st->tries;
	f->visits = st->visits;
	f->in_finally = st->in_finally;
	f->n_variables = st->n_vars;
	f->variables = pl_arena_alloc(a, (st->n_vars + 1) * sizeof(*f->variables));
	for (uint32_t i = 0; f->variables && i < st->n_vars; i++) {
		Parley__Flow__V1__FlowVariable *v = PL_NEW(a, Parley__Flow__V1__FlowVariable);
		if (!v)
			return PL_E_NOMEM;
		parley__flow__v1__flow_variable__init(v);
		v->name = (char *)(uintptr_t)st->vars[i].name;
		v->value = (char *)(uintptr_t)st->vars[i].value;
		v->secret = st->vars[i].secret;
		f->variables[i] = v;
	}
	return f->variables ? PL_OK : PL_E_NOMEM;
}

static struct flow_event event_of(const req_t *in)
{
	switch (in->event_case) {
	case PARLEY__FLOW__V1__STEP_REQUEST__EVENT_STARTED:
		return (struct flow_event){ .kind = FLOW_EV_STARTED };
	case PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS:
		return (struct flow_event){ .kind = FLOW_EV_DIGITS, .digits = in->digits->digits };
	case PARLEY__FLOW__V1__STEP_REQUEST__EVENT_QUEUE_LEFT:
		return (struct flow_event){ .kind = FLOW_EV_QUEUE_LEFT, .reason = in->queue_left->reason };
	case PARLEY__FLOW__V1__STEP_REQUEST__EVENT_GONE:
		return (struct flow_event){ .kind = FLOW_EV_GONE };
	case PARLEY__FLOW__V1__STEP_REQUEST__EVENT_FAILED:
		return (struct flow_event){ .kind = FLOW_EV_FAILED };
	default:
		return (struct flow_event){ .kind = FLOW_EV_DONE };
	}
}

/* --- one step --- */

static enum pl_err engine(struct flow_svc *s, const struct graph *g, const struct flow_event *ev)
{
	bool open[FLOW_SCHEDULES_MAX];
	struct flow_env env = { open };
	struct flow_mem mem = { s->step_block, sizeof(s->step_block), 0, false };
	int64_t now = pl_wall_us();
	for (uint32_t i = 0; i < g->g->n_schedules; i++)
		open[i] = refs_open(s->refs, g->g->schedules[i], now);
	return flow_step(g->g, &s->state, ev, &env, &mem, &s->out);
}

/* Runs the engine, through jumps into other flows; *g is the graph the session is in afterwards. */
static enum pl_err run(struct job *j, fs_t *f, struct graph **g, struct answer *ans, struct pl_why *why)
{
	struct flow_svc *s = j->s;
	struct tell t = { f, j->in->seq, pl_wall_us(), 0 };
	struct flow_event ev = event_of(j->in);
	for (int jumps = 0;; jumps++) {
		enum pl_err err = engine(s, *g, &ev);
		if (err)
			return pl_why_set(why, err, "the session waits for something else: %s", f->wait);
		err = answer_add(s, ans, (*g)->g, &s->out, j->c->arena);
		if (err)
			return err;
		if (ev.kind == FLOW_EV_STARTED || ev.kind == FLOW_EV_JUMPED)
			tell_entered(s, &t);
		tell_marks(s, &t, &s->out);
		tell_queue(s, &t, &s->out, (*g)->g);
		if (!s->out.jump)
			break;
		struct graph *to = jumps < JUMPS_MAX ? graphs_published(s->graphs, s->out.jump) : NULL;
		ev.kind = to ? FLOW_EV_JUMPED : FLOW_EV_FAILED;
		if (to) {
			*g = to;
			f->flow_id = to->flow_id;
			f->version = to->version;
		}
	}
	if (s->out.ended)
		tell_left(s, &t, &s->out);
	if (s->out.failure) {
		obs_add(s->m_failed, 1);
		log_warn("session.failed", LOG_S("session", f->session_id), LOG_S("flow", f->flow_id),
			 LOG_I("version", f->version), LOG_S("why", s->out.failure));
	}
	return PL_OK;
}

static void step(struct job *j, fs_t *f, struct graph *g)
{
	struct flow_svc *s = j->s;
	struct pl_why why = { 0 };
	struct answer *ans = PL_NEW(j->c->arena, struct answer);
	if (!ans) {
		fail(j, PL_E_NOMEM, NULL);
		return;
	}
	parley__flow__v1__step_response__init(&ans->msg);
	ans->msg.node = s->app->cfg.node;
	enum pl_err err = run(j, f, &g, ans, &why);
	if (!err)
		err = answer_shown(g->g, &s->state, ans, j->c->arena);
	if (!err)
		err = state_store(&s->state, f, g->g, j->c->arena);
	if (err) {
		fail(j, err, &why);
		return;
	}
	f->seq = j->in->seq;
	f->last = &ans->msg;
	f->stepped_at = rpc_ts(j->c->arena, pl_wall_us());
	/* A copy of its own: the graph that texts point into may be gone when the checkpoint is stored. */
	j->out = (Parley__Flow__V1__StepResponse *)(void *)rpc_dup(&ans->msg.base, j->c->arena);
	j->saved = (struct saved){ .fn = on_saved, .arg = j };
	err = j->out ? session_save(s, f, g, &j->saved) : PL_E_NOMEM;
	if (err)
		fail(j, err, pl_why_set(&why, err, "the session cannot be kept") ? &why : NULL);
	else
		obs_add(s->m_steps, 1);
}

/* --- a session that is here --- */

/* A customer who is gone is gone, also when a step before it never arrived. */
static bool seq_ok(const struct session *x, const req_t *in)
{
	bool gone = in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT_GONE;
	return in->seq == x->seq || in->seq == x->seq + 1 || (gone && in->seq > x->seq);
}

static void on_session_graph(void *arg, struct graph *g, const struct pl_why *why)
{
	struct job *j = arg;
	struct session *x = session_find(j->s, j->in->session_id);
	ProtobufCMessage *m;
	struct pl_why err_why = { 0 };
	if (!g || !x) {
		fail(j, g ? PL_E_NOTFOUND : why->err ? why->err : PL_E_UNAVAIL, why);
		return;
	}
	enum pl_err err =
		rpc_unpack(&parley__flow__v1__flow_session__descriptor, x->packed, x->len, j->c->arena, &m, &err_why);
	if (err) {
		fail(j, PL_E_INTERNAL, &err_why);
		return;
	}
	fs_t *f = (void *)m;
	if (f->seq == j->in->seq && f->last) { /* asked again: the same answer, no second effect */
		f->last->node = j->s->app->cfg.node;
		reply(j, f->last);
		return;
	}
	if (!seq_ok(x, j->in)) { /* another step came first while the graph was read */
		fail(j, pl_why_field(&err_why, PL_E_STATE, "seq", "is %u, the last step was %u", j->in->seq, x->seq),
		     &err_why);
		return;
	}
	state_load(&j->s->state, f, g->g);
	step(j, f, g);
}

static void step_here(struct job *j, struct session *x)
{
	struct pl_why why = { 0 };
	if (x->ended && j->in->seq > x->seq) {
		Parley__Flow__V1__StepResponse *over = PL_NEW(j->c->arena, Parley__Flow__V1__StepResponse);
		if (!over) {
			fail(j, PL_E_NOMEM, NULL);
			return;
		}
		parley__flow__v1__step_response__init(over);
		over->node = j->s->app->cfg.node;
		over->ended = true;
		reply(j, over);
		return;
	}
	if (!seq_ok(x, j->in)) {
		fail(j, pl_why_field(&why, PL_E_STATE, "seq", "is %u, the last step was %u", j->in->seq, x->seq), &why);
		return;
	}
	if (x->graph) {
		on_session_graph(j, x->graph, &why);
		return;
	}
	ProtobufCMessage *m;
	if (rpc_unpack(&parley__flow__v1__flow_session__descriptor, x->packed, x->len, j->c->arena, &m, &why) !=
	    PL_OK) {
		fail(j, PL_E_INTERNAL, &why);
		return;
	}
	const fs_t *f = (const void *)m;
	graphs_get(j->s->graphs, f->flow_id, f->version, on_session_graph, j);
}

/* --- a session that begins --- */

static void on_start_graph(void *arg, struct graph *g, const struct pl_why *why)
{
	struct job *j = arg;
	struct flow_svc *s = j->s;
	const Parley__Flow__V1__SessionStarted *st = j->in->started;
	struct session *x = session_find(s, j->in->session_id);
	if (x) { /* the same start twice, close together */
		step_here(j, x);
		return;
	}
	fs_t *f = PL_NEW(j->c->arena, fs_t);
	if (!g || !f) {
		fail(j, g ? PL_E_NOMEM : why->err ? why->err : PL_E_NOTFOUND, why);
		return;
	}
	parley__flow__v1__flow_session__init(f);
	f->session_id = j->in->session_id;
	f->flow_id = g->flow_id;
	f->version = g->version;
	f->channel = st->channel;
	f->from_number = st->from_number;
	f->from_name = st->from_name;
	f->contact_id = st->contact_id;
	f->wait = (char *)(uintptr_t)session_wait_name(FLOW_W_START);
	flow_state_init(&s->state);
	flow_var_set(&s->state, "interaction_id", f->session_id, false);
	flow_var_set(&s->state, "from_number", st->from_number, false);
	flow_var_set(&s->state, "from_name", st->from_name, false);
	flow_var_set(&s->state, "to_number", st->to_number, false);
	flow_var_set(&s->state, "contact_id", st->contact_id, false);
	for (size_t i = 0; i < st->n_variables && i < FLOW_VARS_MAX / 2; i++) /* half is the flow's own */
		flow_var_set(&s->state, st->variables[i]->key, st->variables[i]->value, false);
	step(j, f, g);
}

static void on_claimed(void *arg, bool ours)
{
	struct job *j = arg;
	struct pl_why why = { 0 };
	struct session *x = session_find(j->s, j->in->session_id);
	if (ours && x)
		step_here(j, x);
	else if (j->in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT_STARTED)
		graphs_get(j->s->graphs, j->in->started->flow_id, 0, on_start_graph, j);
	else
		fail(j, pl_why_field(&why, PL_E_NOTFOUND, "session_id", "there is no such session"), &why);
}

static void on_owner(void *arg, const char *node)
{
	struct job *j = arg;
	if (*node && strcmp(node, j->s->app->cfg.node) != 0)
		rpc_pass(j->c, node);
	else
		actor_claim(j->s->actors, j->in->session_id, on_claimed, j);
}

static void on_step(struct rpc_call *c)
{
	struct flow_svc *s = c->arg;
	const req_t *in = (const void *)c->in;
	struct pl_why why = { 0 };
	struct job *j = PL_NEW(c->arena, struct job);
	bool first = in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT_STARTED;
	enum pl_err err = j ? rpc_need(&c->actor, RPC_SERVICE, &why) : PL_E_NOMEM;
	if (!err && !pl_id_ok(in->session_id))
		err = pl_why_field(&why, PL_E_FORMAT, "session_id", "must be a UUID");
	if (!err && (in->seq == 0 || first != (in->seq == 1)))
		err = pl_why_field(&why, PL_E_FORMAT, "seq", "the first step is 1 and has started");
	if (!err && in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT__NOT_SET)
		err = pl_why_field(&why, PL_E_FORMAT, "event", "is missing");
	if (!err && !actors_held(s->actors))
		err = pl_why_set(&why, PL_E_UNAVAIL, "this copy has lost its lease");
	if (err) {
		rpc_fail(c, err, &why);
		return;
	}
	*j = (struct job){ .s = s, .c = c, .in = in, .begun_us = pl_mono_us() };
	struct session *x = session_find(s, in->session_id);
	if (x)
		step_here(j, x);
	else
		actor_owner(s->actors, in->session_id, on_owner, j);
}

enum pl_err step_serve(struct flow_svc *s, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "Step", on_step }, { 0 } };
	const ProtobufCServiceDescriptor *d = &parley__flow__v1__flow_run_internal_service__descriptor;
	enum pl_err err = rpc_serve(s->app->bus, d, entries, s, why);
	return err ? err : rpc_serve_node(s->app->bus, d, entries, s, why);
}
