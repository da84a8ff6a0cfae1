/* FlowService: flows and their versions in PostgreSQL. Handlers are straight SQL on a worker; what they check against
 * is a snapshot taken on the loop. */
#include "svc.h"

#define TEXT(s) ((char *)(uintptr_t)(s))
#define FLOW_COLUMNS "id, name, channel, published_version, revision, updated_at"

typedef Parley__Flow__V1__Flow flow_t;

static void after(struct rpc_call *c)
{
	const struct crud *k = c->arg;
	if (!k->changed)
		return;
	outbox_kick(k->s->outbox);
	k->changed(k->s);
}

void crud_run(struct rpc_call *c, enum rpc_role need, rpc_job_fn job, void (*changed)(struct flow_svc *s))
{
	struct flow_svc *s = c->arg;
	struct pl_why why = { 0 };
	struct crud *k = PL_NEW(c->arena, struct crud);
	enum pl_err err = k ? rpc_need(&c->actor, need, &why) : PL_E_NOMEM;
	if (!err)
		err = refs_snapshot(s, c->arena, &k->refs);
	if (err) {
		rpc_fail(c, err, &why);
		return;
	}
	k->s = s;
	k->changed = changed;
	c->arg = k;
	rpc_on_db(c, s->pg, !changed, job, after);
}

Parley__Common__V1__EventMeta *crud_meta(struct rpc_call *c)
{
	const struct crud *k = c->arg;
	Parley__Common__V1__EventMeta *m = PL_NEW(c->arena, Parley__Common__V1__EventMeta);
	char id[PL_ID_LEN];
	if (!m)
		return NULL;
	parley__common__v1__event_meta__init(m);
	m->event_id = pl_arena_strdup(c->arena, pl_id_new(id));
	m->time = rpc_ts(c->arena, pl_wall_us());
	m->node = k->s->app->cfg.node;
	return m;
}

static flow_t *row(struct rpc_call *c, const struct pg_rows *rows, int i)
{
	flow_t *f = PL_NEW(c->arena, flow_t);
	if (!f)
		return NULL;
	parley__flow__v1__flow__init(f);
	f->id = pl_arena_strdup(c->arena, pg_str(rows, i, 0));
	f->name = pl_arena_strdup(c->arena, pg_str(rows, i, 1));
	f->channel = (Parley__Common__V1__Channel)pg_int(rows, i, 2);
	f->published_version = (uint32_t)pg_int(rows, i, 3);
	f->revision = (uint64_t)pg_int(rows, i, 4);
	f->updated_at = rpc_ts(c->arena, pg_time_us(rows, i, 5));
	return f;
}

static enum pl_err tell(struct rpc_call *c, struct pg_conn *db, flow_t *f, bool deleted, struct pl_why *why)
{
	Parley__Flow__V1__FlowChanged m = PARLEY__FLOW__V1__FLOW_CHANGED__INIT;
	m.meta = crud_meta(c);
	m.flow = f;
	m.deleted = deleted;
	const char *subject = pl_arena_printf(c->arena, "ev.flow.changed.%s", f->id);
	return m.meta && subject ? outbox_add(db, FLOW_SCHEMA, subject, &m.base, why) : PL_E_NOMEM;
}

static enum pl_err id_ok(const char *field, const char *id, struct pl_why *why)
{
	return pl_id_ok(id) ? PL_OK : pl_why_field(why, PL_E_FORMAT, field, "must be a UUID");
}

static enum pl_err flow_one(struct rpc_call *c, struct pg_conn *db, const char *id, flow_t **ret, struct pl_why *why)
{
	static const struct pg_stmt one = { "flow_one",
					    "SELECT " FLOW_COLUMNS " FROM flow WHERE id = $1 AND NOT deleted" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &one, &id, 1, &rows, why);
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such flow");
	*ret = row(c, rows, 0);
	return *ret ? PL_OK : PL_E_NOMEM;
}

/* --- read --- */

static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt all = { "flow_all",
					    "SELECT " FLOW_COLUMNS
					    " FROM flow WHERE NOT deleted ORDER BY lower(name) LIMIT 10000" };
	Parley__Flow__V1__ListFlowsResponse *m = PL_NEW(c->arena, Parley__Flow__V1__ListFlowsResponse);
	struct pg_rows *rows;
	enum pl_err err = m ? pg_exec(db, &all, NULL, 0, &rows, why) : PL_E_NOMEM;
	if (err)
		return err;
	parley__flow__v1__list_flows_response__init(m);
	m->flows = pl_arena_alloc(c->arena, ((size_t)pg_n(rows) + 1) * sizeof(*m->flows));
	for (; m->flows && m->n_flows < (size_t)pg_n(rows); m->n_flows++)
		if (!(m->flows[m->n_flows] = row(c, rows, (int)m->n_flows)))
			return PL_E_NOMEM;
	*out = &m->base;
	return m->flows ? PL_OK : PL_E_NOMEM;
}

static enum pl_err version_read(struct rpc_call *c, struct pg_conn *db, const char *id, uint32_t version,
				Parley__Flow__V1__FlowVersion **ret, struct pl_why *why)
{
	static const struct pg_stmt one = {
		"version_read", "SELECT version, graph, created_at, created_by FROM version WHERE flow_id = $1 "
				"AND ($2 = 0 OR version = $2) ORDER BY version DESC LIMIT 1"
	};
	struct pg_rows *rows;
	ProtobufCMessage *graph;
	enum pl_err err = pg_exec(db, &one, (const char *[]){ id, pg_int_param(db, version) }, 2, &rows, why);
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_field(why, PL_E_NOTFOUND, "version", "there is no such version");
	const char *json = pg_str(rows, 0, 1);
	err = rpc_from_json(&google__protobuf__struct__descriptor, json, strlen(json), c->arena, &graph, why);
	Parley__Flow__V1__FlowVersion *v = err ? NULL : PL_NEW(c->arena, Parley__Flow__V1__FlowVersion);
	if (!v)
		return err ? err : PL_E_NOMEM;
	parley__flow__v1__flow_version__init(v);
	v->flow_id = TEXT(id);
	v->version = (uint32_t)pg_int(rows, 0, 0);
	v->graph = (Google__Protobuf__Struct *)(void *)graph;
	v->created_at = rpc_ts(c->arena, pg_time_us(rows, 0, 2));
	v->created_by = pl_arena_strdup(c->arena, pg_str(rows, 0, 3));
	*ret = v;
	return PL_OK;
}

static enum pl_err get_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const struct crud *k = c->arg;
	const Parley__Flow__V1__GetFlowRequest *in = (const void *)c->in;
	Parley__Flow__V1__GetFlowResponse *m = PL_NEW(c->arena, Parley__Flow__V1__GetFlowResponse);
	enum pl_err err = m ? id_ok("id", in->id, why) : PL_E_NOMEM;
	if (err)
		return err;
	parley__flow__v1__get_flow_response__init(m);
	err = flow_one(c, db, in->id, &m->flow, why);
	if (!err)
		err = version_read(c, db, in->id, in->version, &m->version, why);
	if (!err)
		err = flow_check(m->version->graph, &k->refs, c->arena, &m->n_problems, &m->problems, why);
	*out = &m->base;
	return err;
}

/* --- write --- */

static enum pl_err version_add(struct rpc_call *c, struct pg_conn *db, const char *id,
			       const Google__Protobuf__Struct *graph, uint32_t *ret, struct pl_why *why)
{
	static const struct pg_stmt add = {
		"version_add",
		"INSERT INTO version (flow_id, version, graph, created_by) "
		"SELECT $1, coalesce(max(version), 0) + 1, $2, $3 FROM version WHERE flow_id = $1 RETURNING version"
	};
	static const Google__Protobuf__Struct none = GOOGLE__PROTOBUF__STRUCT__INIT;
	struct pg_rows *rows;
	char *json;
	size_t len;
	enum pl_err err = rpc_to_json(graph ? &graph->base : &none.base, c->arena, &json, &len, why);
	if (err)
		return err;
	if (len > FLOW_GRAPH_BYTES_MAX)
		return pl_why_field(why, PL_E_FORMAT, "graph", "is larger than 256 KiB");
	err = pg_exec(db, &add, (const char *[]){ id, json, c->actor.user_id }, 3, &rows, why);
	if (!err)
		*ret = (uint32_t)pg_int(rows, 0, 0);
	return err;
}

static enum pl_err create_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt add = {
		"flow_add", "INSERT INTO flow (id, name, channel) VALUES ($1, $2, $3) RETURNING " FLOW_COLUMNS
	};
	const struct crud *k = c->arg;
	const Parley__Flow__V1__CreateFlowRequest *in = (const void *)c->in;
	Parley__Flow__V1__CreateFlowResponse *m = PL_NEW(c->arena, Parley__Flow__V1__CreateFlowResponse);
	char id[PL_ID_LEN];
	struct pg_rows *rows;
	uint32_t version;
	if (!m)
		return PL_E_NOMEM;
	parley__flow__v1__create_flow_response__init(m);
	if (!in->flow || pl_empty(in->flow->name) || strlen(in->flow->name) > 128)
		return pl_why_field(why, PL_E_FORMAT, "flow.name", "must have 1 to 128 bytes");
	enum pl_err err = flow_check(in->graph, &k->refs, c->arena, &m->n_problems, &m->problems, why);
	if (err)
		return err;
	int channel = in->flow->channel ? (int)in->flow->channel : PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	err = pg_exec(db, &add, (const char *[]){ pl_id_new(id), in->flow->name, pg_int_param(db, channel) }, 3, &rows,
		      why);
	if (err == PL_E_EXISTS)
		return pl_why_field(why, err, "flow.name", "another flow has this name");
	if (err)
		return err;
	m->flow = row(c, rows, 0);
	err = m->flow ? version_add(c, db, m->flow->id, in->graph, &version, why) : PL_E_NOMEM;
	*out = &m->base;
	return err ? err : tell(c, db, m->flow, false, why);
}

static enum pl_err update_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt lock = { "flow_lock",
					     "SELECT revision FROM flow WHERE id = $1 AND NOT deleted FOR UPDATE" };
	static const struct pg_stmt set = { "flow_set",
					    "UPDATE flow SET name = $2, revision = revision + 1, updated_at = now() "
					    "WHERE id = $1 RETURNING " FLOW_COLUMNS };
	const flow_t *in = ((const Parley__Flow__V1__UpdateFlowRequest *)(const void *)c->in)->flow;
	Parley__Flow__V1__UpdateFlowResponse *m = PL_NEW(c->arena, Parley__Flow__V1__UpdateFlowResponse);
	struct pg_rows *rows;
	if (!m)
		return PL_E_NOMEM;
	if (!in || pl_empty(in->name) || strlen(in->name) > 128)
		return pl_why_field(why, PL_E_FORMAT, "flow.name", "must have 1 to 128 bytes");
	enum pl_err err = id_ok("flow.id", in->id, why);
	if (!err)
		err = pg_exec(db, &lock, (const char *[]){ in->id }, 1, &rows, why);
	if (!err && pg_n(rows) == 0)
		err = pl_why_field(why, PL_E_NOTFOUND, "flow.id", "there is no such flow");
	if (!err && (uint64_t)pg_int(rows, 0, 0) != in->revision)
		err = pl_why_field(why, PL_E_CONFLICT, "flow.revision", "somebody changed it meanwhile: read it again");
	if (!err)
		err = pg_exec(db, &set, (const char *[]){ in->id, in->name }, 2, &rows, why);
	if (err == PL_E_EXISTS)
		return pl_why_field(why, err, "flow.name", "another flow has this name");
	if (err)
		return err;
	parley__flow__v1__update_flow_response__init(m);
	m->flow = row(c, rows, 0);
	*out = &m->base;
	return m->flow ? tell(c, db, m->flow, false, why) : PL_E_NOMEM;
}

static enum pl_err add_version_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt touch = { "flow_touch",
					      "UPDATE flow SET revision = revision + 1, updated_at = now() "
					      "WHERE id = $1 AND NOT deleted RETURNING " FLOW_COLUMNS };
	const struct crud *k = c->arg;
	const Parley__Flow__V1__CreateFlowVersionRequest *in = (const void *)c->in;
	Parley__Flow__V1__CreateFlowVersionResponse *m = PL_NEW(c->arena, Parley__Flow__V1__CreateFlowVersionResponse);
	struct pg_rows *rows;
	uint32_t version = 0;
	enum pl_err err = m ? id_ok("flow_id", in->flow_id, why) : PL_E_NOMEM;
	if (err)
		return err;
	parley__flow__v1__create_flow_version_response__init(m);
	err = flow_check(in->graph, &k->refs, c->arena, &m->n_problems, &m->problems, why);
	if (!err) /* the row's lock also gives versions their order */
		err = pg_exec(db, &touch, (const char *[]){ in->flow_id }, 1, &rows, why);
	if (!err && pg_n(rows) == 0)
		err = pl_why_field(why, PL_E_NOTFOUND, "flow_id", "there is no such flow");
	if (!err)
		err = version_add(c, db, in->flow_id, in->graph, &version, why);
	if (!err)
		err = version_read(c, db, in->flow_id, version, &m->version, why);
	flow_t *f = err ? NULL : row(c, rows, 0);
	*out = &m->base;
	return err ? err : f ? tell(c, db, f, false, why) : PL_E_NOMEM;
}

static enum pl_err no_problems(const struct crud *k, struct rpc_call *c, const Google__Protobuf__Struct *graph,
			       struct pl_why *why)
{
	size_t n;
	Parley__Flow__V1__FlowProblem **p;
	if (!k->refs.queue)
		return pl_why_set(why, PL_E_UNAVAIL, "which queues exist is not known yet: is acd-router running?");
	enum pl_err err = flow_check(graph, &k->refs, c->arena, &n, &p, why);
	if (err || n == 0)
		return err;
	const char *field = pl_arena_printf(c->arena, "nodes.%s.%s", p[0]->node, p[0]->field);
	return pl_why_field(why, PL_E_STATE, *p[0]->node && field ? field : p[0]->field, "%s%s%s", p[0]->text,
			    n > 1 ? " (and more)" : "", "");
}

static enum pl_err publish_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt set = {
		"flow_publish", "UPDATE flow SET published_version = $2, revision = revision + 1, "
				"updated_at = now() WHERE id = $1 AND NOT deleted RETURNING " FLOW_COLUMNS
	};
	const Parley__Flow__V1__PublishFlowRequest *in = (const void *)c->in;
	Parley__Flow__V1__PublishFlowResponse *m = PL_NEW(c->arena, Parley__Flow__V1__PublishFlowResponse);
	Parley__Flow__V1__FlowVersion *v;
	struct pg_rows *rows;
	enum pl_err err = m ? id_ok("flow_id", in->flow_id, why) : PL_E_NOMEM;
	if (!err && in->version == 0)
		err = pl_why_field(why, PL_E_FORMAT, "version", "must say which version");
	if (!err)
		err = version_read(c, db, in->flow_id, in->version, &v, why);
	if (!err)
		err = no_problems(c->arg, c, v->graph, why);
	if (!err)
		err = pg_exec(db, &set, (const char *[]){ in->flow_id, pg_int_param(db, in->version) }, 2, &rows, why);
	if (!err && pg_n(rows) == 0)
		err = pl_why_field(why, PL_E_NOTFOUND, "flow_id", "there is no such flow");
	if (err)
		return err;
	parley__flow__v1__publish_flow_response__init(m);
	m->flow = row(c, rows, 0);
	*out = &m->base;
	return m->flow ? tell(c, db, m->flow, false, why) : PL_E_NOMEM;
}

static enum pl_err delete_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt del = {
		"flow_delete", "UPDATE flow SET deleted = true, revision = revision + 1, updated_at = now() "
			       "WHERE id = $1 AND NOT deleted RETURNING " FLOW_COLUMNS
	};
	const Parley__Flow__V1__DeleteFlowRequest *in = (const void *)c->in;
	Parley__Flow__V1__DeleteFlowResponse *m = PL_NEW(c->arena, Parley__Flow__V1__DeleteFlowResponse);
	struct pg_rows *rows;
	enum pl_err err = m ? id_ok("id", in->id, why) : PL_E_NOMEM;
	if (!err)
		err = pg_exec(db, &del, (const char *[]){ in->id }, 1, &rows, why);
	if (!err && pg_n(rows) == 0)
		err = pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such flow");
	if (err)
		return err;
	parley__flow__v1__delete_flow_response__init(m);
	*out = &m->base;
	flow_t *f = row(c, rows, 0);
	return f ? tell(c, db, f, true, why) : PL_E_NOMEM;
}

static void changed(struct flow_svc *s)
{
	graphs_refresh(s->graphs);
}

static void on_list(struct rpc_call *c)
{
	crud_run(c, RPC_SUPERVISOR, list_job, NULL);
}

/* What checks a graph sees every queue and schedule that was there when it was asked, also those made a moment before.
 */
static void fresh(struct rpc_call *c, void (*then)(void *c))
{
	const struct flow_svc *s = c->arg;
	refs_fresh(s->refs, then, c);
}

static void get(void *c)
{
	crud_run(c, RPC_SUPERVISOR, get_job, NULL);
}
static void create(void *c)
{
	crud_run(c, RPC_ADMIN, create_job, changed);
}
static void add_version(void *c)
{
	crud_run(c, RPC_ADMIN, add_version_job, changed);
}
static void publish(void *c)
{
	crud_run(c, RPC_ADMIN, publish_job, changed);
}
static void on_get(struct rpc_call *c)
{
	fresh(c, get);
}
static void on_create(struct rpc_call *c)
{
	fresh(c, create);
}
static void on_add_version(struct rpc_call *c)
{
	fresh(c, add_version);
}
static void on_publish(struct rpc_call *c)
{
	fresh(c, publish);
}
static void on_update(struct rpc_call *c)
{
	crud_run(c, RPC_ADMIN, update_job, changed);
}
static void on_delete(struct rpc_call *c)
{
	crud_run(c, RPC_ADMIN, delete_job, changed);
}

enum pl_err flows_serve(struct flow_svc *s, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "ListFlows", on_list },
						    { "GetFlow", on_get },
						    { "CreateFlow", on_create },
						    { "UpdateFlow", on_update },
						    { "CreateFlowVersion", on_add_version },
						    { "PublishFlow", on_publish },
						    { "DeleteFlow", on_delete },
						    { 0 } };
	return rpc_serve(s->app->bus, &parley__flow__v1__flow_service__descriptor, entries, s, why);
}
