/* QueueService, AgentService's configuration, PauseReasonService: into PostgreSQL, from there into the router's log,
 * and answered when this copy's engine knows it. */
#include <stdio.h>

#include "thing.h"

enum op { OP_CREATE, OP_UPDATE, OP_DELETE };
struct write {
	struct rpc_call *c;
	struct router *r;
	const struct thing *t;
	enum op op;
	ProtobufCMessage *m;
	const char *id;
	struct changes ch;
	size_t waiting;
	enum pl_err err;
	struct pl_why why;
};

bool rpc_may(struct rpc_call *c, enum rpc_role at_least)
{
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, at_least, &why);
	if (err)
		rpc_fail(c, err, &why);
	return !err;
}

void rpc_no(struct rpc_call *c, enum pl_err err, const char *field, const char *text)
{
	struct pl_why why = { 0 };
	(void)pl_why_field(&why, err, field, "%s", text);
	rpc_fail(c, err, &why);
}

/* --- into the log --- */
void change_put(struct router *r, const struct change *ch, inlog_fn fn, void *arg)
{
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__PutQueue q = PARLEY__ACD__V1__PUT_QUEUE__INIT;
	Parley__Acd__V1__PutAgent g = PARLEY__ACD__V1__PUT_AGENT__INIT;
	Parley__Acd__V1__PutPauseReason p = PARLEY__ACD__V1__PUT_PAUSE_REASON__INIT;
	char id[64 + 1];
	switch (ch->t->kind) {
	case THING_AGENT:
		g.agent = (Parley__Acd__V1__Agent *)(void *)ch->m;
		g.deleted = ch->deleted;
		in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_AGENT;
		in.put_agent = &g;
		break;
	case THING_REASON:
		p.pause_reason = (Parley__Acd__V1__PauseReason *)(void *)ch->m;
		p.deleted = ch->deleted;
		in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_PAUSE_REASON;
		in.put_pause_reason = &p;
		break;
	default:
		q.queue = (Parley__Acd__V1__Queue *)(void *)ch->m;
		q.deleted = ch->deleted;
		in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_QUEUE;
		in.put_queue = &q;
	}
	snprintf(id, sizeof(id), "%s-%" PRIu64, *thing_id(ch->t, ch->m), *thing_revision(ch->t, ch->m));
	inlog_put(r->in, &in, id, fn, arg);
}

/* --- writing --- */
static void answer(struct write *w)
{
	struct thing_one *out = pl_arena_alloc(w->c->arena, w->c->method->output->sizeof_message);
	if (!out) {
		rpc_fail(w->c, PL_E_NOMEM, NULL);
		return;
	}
	protobuf_c_message_init(w->c->method->output, out);
	if (w->op != OP_DELETE)
		out->m = w->m;
	rpc_reply(w->c, &out->base);
}

/* It is committed: a log that cannot be reached now gets it when a leader next compares the two. */
static void on_put(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct write *w = arg;
	if (err)
		log_warn("acd.config.put", LOG_WHY(why));
	if (--w->waiting == 0)
		answer(w);
}

static enum pl_err job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct write *w = arg;
	w->ch = (struct changes){ .a = w->c->arena };
	switch (w->op) {
	case OP_CREATE:
		return thing_db_create(db, w->t, w->m, &w->ch, why);
	case OP_UPDATE:
		return thing_db_update(db, w->t, w->m, &w->ch, why);
	default:
		return thing_db_delete(db, w->t, w->id, &w->ch, why);
	}
}

static void on_written(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct write *w = arg;
	if (err) {
		rpc_fail(w->c, err, why);
		return;
	}
	outbox_kick(w->r->outbox);
	w->waiting = w->ch.n + 1; /* ours: answers may come at once */
	for (size_t i = 0; i < w->ch.n; i++)
		change_put(w->r, &w->ch.list[i], on_put, w);
	on_put(w, PL_OK, NULL);
}

static enum pl_err prepare(struct write *w, struct pl_why *why)
{
	if (w->op == OP_DELETE) {
		w->id = ((const struct thing_ref *)(const void *)w->c->in)->id;
		return pl_id_ok(w->id) ? PL_OK : pl_why_field(why, PL_E_FORMAT, "id", "must be a UUID in lower case");
	}
	w->m = ((const struct thing_one *)(const void *)w->c->in)->m;
	if (!w->m)
		return pl_why_field(why, PL_E_FORMAT, w->t->path, "must be there");
	if (w->op == OP_UPDATE && pl_empty(*thing_id(w->t, w->m)))
		return pl_why_field(why, PL_E_FORMAT, "id", "must be there");
	return w->t->valid(w->m, w->c->arena, why);
}

static void write_call(struct rpc_call *c, enum thing_kind kind, enum op op)
{
	struct pl_why why = { 0 };
	struct router *r = c->arg;
	struct write *w = PL_NEW(c->arena, struct write);
	if (!rpc_may(c, RPC_SUPERVISOR))
		return;
	if (!w) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	*w = (struct write){ .c = c, .r = r, .t = &things[kind], .op = op };
	enum pl_err err = prepare(w, &why);
	if (!err)
		err = pg_tx(r->pg, job, on_written, w);
	if (err)
		rpc_fail(c, err, why.text[0] ? &why : NULL);
}

/* --- reading --- */
static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const char *m = c->method->name;
	const struct thing *t = &things[strcmp(m, "ListQueues") == 0   ? THING_QUEUE
					: strcmp(m, "ListAgents") == 0 ? THING_AGENT
								       : THING_REASON];
	struct thing_many *l = pl_arena_alloc(c->arena, c->method->output->sizeof_message);
	if (!l)
		return PL_E_NOMEM;
	protobuf_c_message_init(c->method->output, l);
	*out = &l->base;
	return thing_db_list(db, t, c->arena, &l->m, &l->n, why);
}

static enum pl_err get_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const struct thing *t = &things[strcmp(c->method->name, "GetQueue") == 0 ? THING_QUEUE : THING_AGENT];
	struct thing_one *o = pl_arena_alloc(c->arena, c->method->output->sizeof_message);
	if (!o)
		return PL_E_NOMEM;
	protobuf_c_message_init(c->method->output, o);
	*out = &o->base;
	return thing_db_get(db, t, ((const struct thing_ref *)(const void *)c->in)->id, c->arena, &o->m, why);
}

static void list_call(struct rpc_call *c)
{
	if (rpc_may(c, RPC_AGENT))
		rpc_on_db(c, ((struct router *)c->arg)->pg, true, list_job, NULL);
}

static void get_call(struct rpc_call *c)
{
	if (rpc_may(c, RPC_AGENT))
		rpc_on_db(c, ((struct router *)c->arg)->pg, true, get_job, NULL);
}

static void create_queue(struct rpc_call *c)
{
	write_call(c, THING_QUEUE, OP_CREATE);
}
static void update_queue(struct rpc_call *c)
{
	write_call(c, THING_QUEUE, OP_UPDATE);
}
static void delete_queue(struct rpc_call *c)
{
	write_call(c, THING_QUEUE, OP_DELETE);
}
static void create_agent(struct rpc_call *c)
{
	write_call(c, THING_AGENT, OP_CREATE);
}
static void update_agent(struct rpc_call *c)
{
	write_call(c, THING_AGENT, OP_UPDATE);
}
static void delete_agent(struct rpc_call *c)
{
	write_call(c, THING_AGENT, OP_DELETE);
}
static void create_reason(struct rpc_call *c)
{
	write_call(c, THING_REASON, OP_CREATE);
}
static void update_reason(struct rpc_call *c)
{
	write_call(c, THING_REASON, OP_UPDATE);
}
static void delete_reason(struct rpc_call *c)
{
	write_call(c, THING_REASON, OP_DELETE);
}

enum pl_err rpc_config_serve(struct router *r, struct pl_why *why)
{
	static const struct rpc_entry queues[] = { { "ListQueues", list_call },     { "GetQueue", get_call },
						   { "CreateQueue", create_queue }, { "UpdateQueue", update_queue },
						   { "DeleteQueue", delete_queue }, { NULL, NULL } };
	static const struct rpc_entry agents[] = { { "ListAgents", list_call },
						   { "GetAgent", get_call },
						   { "CreateAgent", create_agent },
						   { "UpdateAgent", update_agent },
						   { "DeleteAgent", delete_agent },
						   { "SetAgentState", rpc_set_agent_state },
						   { NULL, NULL } };
	static const struct rpc_entry reasons[] = { { "ListPauseReasons", list_call },
						    { "CreatePauseReason", create_reason },
						    { "UpdatePauseReason", update_reason },
						    { "DeletePauseReason", delete_reason },
						    { NULL, NULL } };
	enum pl_err err = rpc_serve(r->bus, &parley__acd__v1__queue_service__descriptor, queues, r, why);
	if (!err)
		err = rpc_serve(r->bus, &parley__acd__v1__agent_service__descriptor, agents, r, why);
	if (!err)
		err = rpc_serve(r->bus, &parley__acd__v1__pause_reason_service__descriptor, reasons, r, why);
	return err;
}
