/* RoutingService: what is going on, from this copy's engine; and a supervisor's acts on waiting items. */
#include <stdio.h>
#include <stdlib.h>

#include "explain.h"
#include "router.h"

#define ITEMS_MAX 5000
#define ANSWER_BYTES ((size_t)900000) /* the bus carries 1 MiB */

/* One answer being put together, as far as it fits. */
struct shot {
	struct rpc_call *c;
	const struct router *r;
	Parley__Acd__V1__GetSnapshotResponse out;
	struct acd_item_view *views;
	size_t bytes;
};

/* An agent sees the callers of its own queues only. */
static bool may_see(const struct shot *s, struct acd_id queue)
{
	struct acd_id me;
	return s->c->actor.role != RPC_AGENT ||
	       (acd_id_parse(s->c->actor.user_id, &me) && acd_agent_in_queue(s->r->e, me, queue));
}

static bool fits(struct shot *s, const ProtobufCMessage *m)
{
	size_t n = m ? protobuf_c_message_get_packed_size(m) + 6 : ANSWER_BYTES;
	if (s->bytes + n > ANSWER_BYTES)
		s->out.truncated = 1;
	else
		s->bytes += n;
	return !s->out.truncated;
}

static void add_item(struct shot *s, const struct acd_item_view *v)
{
	Parley__Acd__V1__WaitingItem *w = event_item(s->r, v, s->c->arena);
	if (s->out.n_waiting < ITEMS_MAX && fits(s, w ? &w->base : NULL))
		s->out.waiting[s->out.n_waiting++] = w;
	else
		s->out.truncated = 1;
}

static void add_items(struct shot *s, struct acd_id only)
{
	struct acd_queue_view q;
	for (uint32_t pos = 0; acd_queue_next(s->r->e, &pos, &q);) {
		if (q.waiting + q.offered == 0 || (!acd_id_none(only) && !acd_id_eq(only, q.id)) || !may_see(s, q.id))
			continue;
		size_t n = acd_queue_items(s->r->e, q.id, s->views, ITEMS_MAX);
		for (size_t i = 0; i < PL_MIN(n, (size_t)ITEMS_MAX) && !s->out.truncated; i++)
			add_item(s, &s->views[i]);
		s->out.truncated |= n > ITEMS_MAX;
	}
}

static void add_agents(struct shot *s, struct acd_id queue)
{
	struct acd_status st;
	struct acd_id id;
	for (uint32_t pos = 0; acd_agent_next(s->r->e, &pos, &id) && !s->out.truncated;) {
		if ((!acd_id_none(queue) && !acd_agent_in_queue(s->r->e, id, queue)) ||
		    !acd_status_get(s->r->e, id, &st))
			continue;
		Parley__Acd__V1__AgentStatus *m = event_status(s->r, &st, s->c->arena);
		if (fits(s, m ? &m->base : NULL))
			s->out.agents[s->out.n_agents++] = m;
	}
}

static void fill(struct shot *s, const Parley__Acd__V1__GetSnapshotRequest *q, struct acd_id queue, struct acd_id item)
{
	struct acd_item_view v;
	if (!acd_id_none(item)) {
		if (acd_item_get(s->r->e, item, &v) && may_see(s, v.queue))
			add_item(s, &v);
		return;
	}
	if (!q->no_waiting)
		add_items(s, queue);
	if (!q->no_agents)
		add_agents(s, queue);
}

static void get_snapshot(struct rpc_call *c)
{
	const Parley__Acd__V1__GetSnapshotRequest *q = (const void *)c->in;
	struct shot s = { .c = c, .r = c->arg, .out = PARLEY__ACD__V1__GET_SNAPSHOT_RESPONSE__INIT };
	struct acd_id queue, item;
	if (!rpc_may(c, RPC_AGENT))
		return;
	if (!acd_id_parse(q->queue_id, &queue) || !acd_id_parse(q->interaction_id, &item)) {
		rpc_no(c, PL_E_FORMAT, "queue_id", "must be a UUID or empty, and so must interaction_id");
		return;
	}
	s.out.version = acd_version(s.r->e);
	s.out.waiting = pl_arena_alloc(c->arena, (ITEMS_MAX + 1) * sizeof(*s.out.waiting));
	s.out.agents = pl_arena_alloc(c->arena, (acd_counts_get(s.r->e).agents + 1) * sizeof(*s.out.agents));
	s.views = pl_arena_alloc(c->arena, (ITEMS_MAX + 1) * sizeof(*s.views));
	if (!s.out.waiting || !s.out.agents || !s.views) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	fill(&s, q, queue, item);
	rpc_reply(c, &s.out.base);
}

/* --- acts --- */
static void on_applied(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct rpc_call *c = arg;
	ProtobufCMessage *out = err ? NULL : pl_arena_alloc(c->arena, c->method->output->sizeof_message);
	if (!out) {
		rpc_fail(c, err ? err : PL_E_NOMEM, why);
		return;
	}
	protobuf_c_message_init(c->method->output, out);
	if (strcmp(c->method->name, "CreateTask") == 0)
		((Parley__Acd__V1__CreateTaskResponse *)(void *)out)->interaction_id =
			((const Parley__Acd__V1__CreateTaskRequest *)(const void *)c->in)->interaction_id;
	rpc_reply(c, out);
}

static bool find_item(struct rpc_call *c, const char *text, struct acd_item_view *ret)
{
	const struct router *r = c->arg;
	struct acd_id id;
	if (acd_id_parse(text, &id) && !acd_id_none(id) && acd_item_get(r->e, id, ret))
		return true;
	rpc_no(c, PL_E_NOTFOUND, "interaction_id", "does not wait");
	return false;
}

static void put(struct rpc_call *c, const Parley__Acd__V1__AcdInput *in, const char *msg_id)
{
	char id[PL_ID_LEN];
	inlog_put(((struct router *)c->arg)->in, in, msg_id ? msg_id : pl_id_new(id), on_applied, c);
}

static void assign(struct rpc_call *c)
{
	const Parley__Acd__V1__AssignInteractionRequest *q = (const void *)c->in;
	const struct router *r = c->arg;
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__Assign a = PARLEY__ACD__V1__ASSIGN__INIT;
	struct acd_item_view v;
	struct acd_status st;
	struct acd_id agent;
	if (!rpc_may(c, RPC_SUPERVISOR) || !find_item(c, q->interaction_id, &v))
		return;
	if (!acd_id_parse(q->agent_id, &agent) || !acd_status_get(r->e, agent, &st)) {
		rpc_no(c, PL_E_NOTFOUND, "agent_id", "there is no such agent");
		return;
	}
	if (!st.signed_in_us) {
		rpc_no(c, PL_E_STATE, "agent_id", "is signed out");
		return;
	}
	a.interaction_id = q->interaction_id;
	a.agent_id = q->agent_id;
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_ASSIGN;
	in.assign = &a;
	put(c, &in, NULL);
}

static void set_priority(struct rpc_call *c)
{
	const Parley__Acd__V1__SetInteractionPriorityRequest *q = (const void *)c->in;
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__SetPriority p = PARLEY__ACD__V1__SET_PRIORITY__INIT;
	struct acd_item_view v;
	if (!rpc_may(c, RPC_SUPERVISOR) || !find_item(c, q->interaction_id, &v))
		return;
	p.interaction_id = q->interaction_id;
	p.priority = q->priority;
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_SET_PRIORITY;
	in.set_priority = &p;
	put(c, &in, NULL);
}

static bool task_ok(struct rpc_call *c, const Parley__Acd__V1__CreateTaskRequest *q)
{
	const struct router *r = c->arg;
	struct acd_id queue;
	if (!pl_id_ok(q->interaction_id))
		rpc_no(c, PL_E_FORMAT, "interaction_id",
		       "must be a UUID made by you, so that the same task twice is one");
	else if (!acd_id_parse(q->queue_id, &queue) || !acd_queue_revision(r->e, queue))
		rpc_no(c, PL_E_NOTFOUND, "queue_id", "there is no such queue");
	else if (strlen(q->title) > 200)
		rpc_no(c, PL_E_FORMAT, "title", "must have at most 200 bytes");
	else if (q->n_attributes > 20)
		rpc_no(c, PL_E_FORMAT, "attributes", "must be at most 20");
	else
		return true;
	return false;
}

static void create_task(struct rpc_call *c)
{
	const Parley__Acd__V1__CreateTaskRequest *q = (const void *)c->in;
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__Enqueue e = PARLEY__ACD__V1__ENQUEUE__INIT;
	Parley__Common__V1__KeyValue title = PARLEY__COMMON__V1__KEY_VALUE__INIT;
	char id[64 + 1];
	if (!rpc_may(c, RPC_AGENT) || !task_ok(c, q))
		return;
	e.interaction_id = q->interaction_id;
	e.queue_id = q->queue_id;
	e.channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_TASK;
	e.priority = q->priority;
	e.source = (char *)(uintptr_t)bus_node(c->bus); /* only packed */
	title.key = (char *)"title";
	title.value = q->title;
	e.attributes = pl_arena_alloc(c->arena, (q->n_attributes + 1) * sizeof(*e.attributes));
	if (!e.attributes) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	e.attributes[e.n_attributes++] = &title;
	for (size_t i = 0; i < q->n_attributes; i++)
		e.attributes[e.n_attributes++] = q->attributes[i];
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE;
	in.enqueue = &e;
	snprintf(id, sizeof(id), "task-%s", q->interaction_id);
	put(c, &in, id);
}

static void explain_interaction(struct rpc_call *c)
{
	if (rpc_may(c, RPC_SUPERVISOR))
		explain_item(c);
}

static void explain_agent_call(struct rpc_call *c)
{
	if (rpc_may(c, RPC_SUPERVISOR))
		explain_agent(c);
}

enum pl_err rpc_routing_serve(struct router *r, struct pl_why *why)
{
	static const struct rpc_entry routing[] = { { "GetSnapshot", get_snapshot },
						    { "AssignInteraction", assign },
						    { "SetInteractionPriority", set_priority },
						    { "CreateTask", create_task },
						    { "ExplainInteraction", explain_interaction },
						    { "ExplainAgent", explain_agent_call },
						    { NULL, NULL } };
	return rpc_serve(r->bus, &parley__acd__v1__routing_service__descriptor, routing, r, why);
}
