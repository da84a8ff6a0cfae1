/* Inbound routes in memory: the whole table, swapped when it changed. And the RPCs that change it. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define ROUTES_MAX 20000
#define AGAIN_US (2 * PL_US_PER_S)

typedef Parley__Voice__V1__InboundRoute route_t;
#define DEST(k) PARLEY__VOICE__V1__INBOUND_ROUTE__DESTINATION_##k

struct table {
	struct pl_arena *arena; /* holds the strings */
	struct route *at;
	size_t n;
};
struct routes {
	struct cc *cc;
	struct table now;
	bool loaded, loading, again;
	struct pl_timer *timer;
};
struct load {
	struct routes *r;
	struct table t;
};

static void table_done(struct table *t)
{
	pl_arena_free(t->arena);
	*t = (struct table){ 0 };
}

bool routes_loaded(const struct routes *r)
{
	return r->loaded;
}

const struct route *routes_find(struct routes *r, const char *number, const char *trunk_id)
{
	return route_find(r->now.at, r->now.n, or_text(number), or_text(trunk_id));
}

/* --- reading --- */

#define COLUMNS "id, name, number, enabled, kind, destination, coalesce(trunk_id, ''), record, revision"
static const struct pg_stmt all_routes = { "route_all",
					   "SELECT " COLUMNS " FROM route ORDER BY number, id LIMIT 20000" };

static char *column(struct pl_arena *a, const struct pg_rows *rows, int i, int c)
{
	return pl_arena_strdup(a, or_text(pg_str(rows, i, c)));
}

static enum pl_err load_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct load *l = arg;
	struct pg_rows *rows;
	table_done(&l->t); /* the job may run twice */
	enum pl_err err = pg_exec(db, &all_routes, NULL, 0, &rows, why);
	if (err)
		return err;
	size_t n = (size_t)pg_n(rows);
	l->t.arena = pl_arena_new(0);
	l->t.at = l->t.arena ? pl_arena_alloc(l->t.arena, (n + 1) * sizeof(*l->t.at)) : NULL;
	if (!l->t.at)
		return PL_E_NOMEM;
	for (int i = 0; i < (int)n; i++) {
		struct pl_arena *a = l->t.arena;
		struct route *x = &l->t.at[i];
		*x = (struct route){ .id = column(a, rows, i, 0),
				     .name = column(a, rows, i, 1),
				     .number = column(a, rows, i, 2),
				     .enabled = pg_bool(rows, i, 3),
				     .kind = (enum route_kind)pg_int(rows, i, 4),
				     .dest = column(a, rows, i, 5),
				     .trunk_id = column(a, rows, i, 6),
				     .record = pg_bool(rows, i, 7),
				     .revision = (uint64_t)pg_int(rows, i, 8) };
		if (!x->id || !x->name || !x->number || !x->dest || !x->trunk_id)
			return PL_E_NOMEM;
	}
	l->t.n = n;
	return PL_OK;
}

static void load_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct load *l = arg;
	struct routes *r = l->r;
	r->loading = false;
	if (err) {
		log_warn("routes.load-failed", LOG_WHY(why));
		table_done(&l->t);
		pl_timer_set(r->timer, AGAIN_US);
	} else {
		table_done(&r->now);
		r->now = l->t;
		r->loaded = true;
	}
	free(l);
	if (!err && r->again)
		routes_refresh(r);
}

void routes_refresh(struct routes *r)
{
	if (r->loading) {
		r->again = true; /* the read under way may have begun before the change */
		return;
	}
	struct load *l = calloc(1, sizeof(*l));
	r->again = false;
	if (l) {
		l->r = r;
		r->loading = pg_read(r->cc->pg, load_job, load_done, l) == PL_OK;
	}
	if (!r->loading) {
		free(l);
		pl_timer_set(r->timer, AGAIN_US);
	}
}

static void on_timer(void *arg)
{
	routes_refresh(arg);
}

static void on_changed(void *arg, const struct bus_msg *m)
{
	(void)m; /* it may be old: the table is read */
	routes_refresh(((struct cc *)arg)->routes);
}

void routes_close(struct routes *r)
{
	if (!r)
		return;
	table_done(&r->now);
	pl_timer_free(r->timer);
	free(r);
}

enum pl_err routes_open(struct routes **ret, struct cc *cc, struct pl_why *why)
{
	struct routes *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = r;
	r->cc = cc;
	enum pl_err err = pl_timer_new(&r->timer, cc->app->loop, on_timer, r);
	if (!err)
		err = cc_subscribe(cc, "ev.voice.route-changed.*", NULL, on_changed, why);
	if (!err)
		routes_refresh(r);
	return err;
}

/* --- RouteService --- */

static const char *dest_of(const route_t *m, enum route_kind *ret)
{
	switch (m->destination_case) {
	case DEST(FLOW_ID):
		*ret = ROUTE_FLOW;
		return m->flow_id;
	case DEST(QUEUE_ID):
		*ret = ROUTE_QUEUE;
		return m->queue_id;
	case DEST(PHONE_USER):
		*ret = ROUTE_PHONE;
		return m->phone_user;
	case DEST(URI):
		*ret = ROUTE_URI;
		return m->uri;
	default:
		*ret = ROUTE_NONE;
		return "";
	}
}

static route_t *route_message(struct pl_arena *a, const struct route *x)
{
	route_t *m = PL_NEW(a, route_t);
	if (!m)
		return NULL;
	parley__voice__v1__inbound_route__init(m);
	m->id = pl_arena_strdup(a, x->id);
	m->name = pl_arena_strdup(a, x->name);
	m->number = pl_arena_strdup(a, x->number);
	m->enabled = x->enabled;
	m->trunk_id = pl_arena_strdup(a, x->trunk_id);
	m->record = x->record;
	m->revision = x->revision;
	char *dest = pl_arena_strdup(a, x->dest);
	m->destination_case = x->kind == ROUTE_FLOW    ? DEST(FLOW_ID)
			      : x->kind == ROUTE_QUEUE ? DEST(QUEUE_ID)
			      : x->kind == ROUTE_PHONE ? DEST(PHONE_USER)
						       : DEST(URI);
	m->flow_id = dest; /* all members of the oneof lie in one place */
	return m;
}

static void list_routes(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	Parley__Voice__V1__ListInboundRoutesResponse m = PARLEY__VOICE__V1__LIST_INBOUND_ROUTES_RESPONSE__INIT;
	struct pl_why why = { 0 };
	const struct table *t = &cc->routes->now;
	enum pl_err err = rpc_need(&rpc->actor, RPC_SUPERVISOR, &why);
	m.routes = pl_arena_alloc(rpc->arena, (t->n + 1) * sizeof(*m.routes));
	if (!err && !m.routes)
		err = pl_why_set(&why, PL_E_NOMEM, "no memory");
	for (; !err && m.n_routes < t->n; m.n_routes++)
		if (!(m.routes[m.n_routes] = route_message(rpc->arena, &t->at[m.n_routes])))
			err = pl_why_set(&why, PL_E_NOMEM, "no memory");
	if (err)
		rpc_fail(rpc, err, &why);
	else
		rpc_reply(rpc, &m.base);
}

static enum pl_err check(const route_t *m, struct pl_why *why)
{
	enum route_kind kind;
	const char *dest = m ? dest_of(m, &kind) : "";
	char uri[CALL_TARGET];
	if (!m || pl_empty(m->name) || strlen(m->name) > 128)
		return pl_why_field(why, PL_E_FORMAT, "route.name", "must have 1 to 128 bytes");
	if (!route_number_ok(m->number))
		return pl_why_field(why, PL_E_FORMAT, "route.number",
				    "must be 1 to 63 of A-Z a-z 0-9 + # . _ -, with a * at most at its end");
	if (kind == ROUTE_NONE || pl_empty(dest))
		return pl_why_field(why, PL_E_FORMAT, "route.destination",
				    "must be a flow, a queue, a phone user or a URI");
	if (kind == ROUTE_URI) {
		struct route x = { .number = m->number, .dest = dest };
		if (strncmp(dest, "sip:", 4) != 0 || strpbrk(dest, " \r\n<>\"") ||
		    route_uri(&x, m->number, uri, sizeof(uri)) == PL_E_FULL)
			return pl_why_field(why, PL_E_FORMAT, "route.uri", "must be a SIP URI of at most %d bytes",
					    CALL_TARGET - 1);
	} else if (strlen(dest) >= CALL_ID) {
		return pl_why_field(why, PL_E_FORMAT, "route.destination", "must have at most %d bytes", CALL_ID - 1);
	}
	if (!pl_empty(m->trunk_id) && strlen(m->trunk_id) >= CALL_ID)
		return pl_why_field(why, PL_E_FORMAT, "route.trunk_id", "must have at most %d bytes", CALL_ID - 1);
	return PL_OK;
}

static enum pl_err tell(struct rpc_call *c, struct pg_conn *db, route_t *m, bool deleted, struct pl_why *why)
{
	char event_id[PL_ID_LEN];
	Parley__Voice__V1__RouteChanged ev = PARLEY__VOICE__V1__ROUTE_CHANGED__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	meta.event_id = pl_id_new(event_id);
	meta.time = rpc_ts(c->arena, pl_wall_us());
	meta.node = cc_str(bus_node(c->bus));
	ev.meta = &meta;
	ev.route = m;
	ev.deleted = deleted;
	const char *subject = pl_arena_printf(c->arena, "ev.voice.route-changed.%s", m->id);
	return subject && meta.time ? outbox_add(db, CC_SCHEMA, subject, &ev.base, why) : PL_E_NOMEM;
}

static enum pl_err named(enum pl_err err, struct pl_why *why)
{
	return err == PL_E_EXISTS ? pl_why_field(why, err, "route.number", "another route has this number (and trunk)")
				  : err;
}

/* Parameters 1 to 9 of both statements. */
static void params_of(struct pg_conn *db, const route_t *m, const char *p[9])
{
	enum route_kind kind;
	const char *dest = dest_of(m, &kind);
	p[0] = m->id;
	p[1] = m->name;
	p[2] = m->number;
	p[3] = m->enabled ? "t" : "f";
	p[4] = pg_int_param(db, kind);
	p[5] = dest;
	p[6] = pl_empty(m->trunk_id) ? NULL : m->trunk_id;
	p[7] = m->record ? "t" : "f";
	p[8] = pg_int_param(db, (int64_t)m->revision);
}

static enum pl_err create_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt add = {
		"route_add", "INSERT INTO route (id, name, number, enabled, kind, destination, trunk_id, record, "
			     "revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
	};
	const Parley__Voice__V1__CreateInboundRouteRequest *in = (const void *)c->in;
	Parley__Voice__V1__CreateInboundRouteResponse *m =
		PL_NEW(c->arena, Parley__Voice__V1__CreateInboundRouteResponse);
	char id[PL_ID_LEN];
	const char *p[9];
	if (!m)
		return PL_E_NOMEM;
	parley__voice__v1__create_inbound_route_response__init(m);
	m->route = (route_t *)(void *)rpc_dup(&in->route->base, c->arena);
	if (!m->route)
		return PL_E_NOMEM;
	if (!pl_id_ok(in->route->id))
		m->route->id = pl_arena_strdup(c->arena, pl_id_new(id));
	m->route->revision = 1;
	params_of(db, m->route, p);
	enum pl_err err = named(pg_exec(db, &add, p, 9, NULL, why), why);
	*out = &m->base;
	return err ? err : tell(c, db, m->route, false, why);
}

static enum pl_err update_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt lock = { "route_lock", "SELECT revision FROM route WHERE id = $1 FOR UPDATE" };
	static const struct pg_stmt change = {
		"route_set", "UPDATE route SET name = $2, number = $3, enabled = $4, kind = $5, destination = $6, "
			     "trunk_id = $7, record = $8, revision = $9 WHERE id = $1"
	};
	const Parley__Voice__V1__UpdateInboundRouteRequest *in = (const void *)c->in;
	Parley__Voice__V1__UpdateInboundRouteResponse *m =
		PL_NEW(c->arena, Parley__Voice__V1__UpdateInboundRouteResponse);
	struct pg_rows *rows;
	const char *p[9];
	if (!m)
		return PL_E_NOMEM;
	if (!pl_id_ok(in->route->id))
		return pl_why_field(why, PL_E_FORMAT, "route.id", "must be a UUID");
	parley__voice__v1__update_inbound_route_response__init(m);
	m->route = (route_t *)(void *)rpc_dup(&in->route->base, c->arena); /* the job may run twice */
	enum pl_err err = m->route ? pg_exec(db, &lock, (const char *[]){ in->route->id }, 1, &rows, why) : PL_E_NOMEM;
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_field(why, PL_E_NOTFOUND, "route.id", "there is no such route");
	if ((uint64_t)pg_int(rows, 0, 0) != in->route->revision)
		return pl_why_field(why, PL_E_CONFLICT, "route.revision",
				    "somebody changed it meanwhile: read it again");
	m->route->revision++;
	params_of(db, m->route, p);
	err = named(pg_exec(db, &change, p, 9, NULL, why), why);
	*out = &m->base;
	return err ? err : tell(c, db, m->route, false, why);
}

static enum pl_err delete_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt del = { "route_del", "DELETE FROM route WHERE id = $1 RETURNING " COLUMNS };
	const Parley__Voice__V1__DeleteInboundRouteRequest *in = (const void *)c->in;
	Parley__Voice__V1__DeleteInboundRouteResponse *m =
		PL_NEW(c->arena, Parley__Voice__V1__DeleteInboundRouteResponse);
	struct pg_rows *rows;
	if (!m)
		return PL_E_NOMEM;
	if (!pl_id_ok(in->id))
		return pl_why_field(why, PL_E_FORMAT, "id", "must be a UUID");
	parley__voice__v1__delete_inbound_route_response__init(m);
	enum pl_err err = pg_exec(db, &del, (const char *[]){ in->id }, 1, &rows, why);
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such route");
	struct route x = { .id = pg_str(rows, 0, 0),
			   .name = pg_str(rows, 0, 1),
			   .number = pg_str(rows, 0, 2),
			   .enabled = pg_bool(rows, 0, 3),
			   .kind = (enum route_kind)pg_int(rows, 0, 4),
			   .dest = pg_str(rows, 0, 5),
			   .trunk_id = pg_str(rows, 0, 6),
			   .record = pg_bool(rows, 0, 7),
			   .revision = (uint64_t)pg_int(rows, 0, 8) };
	route_t *old = route_message(c->arena, &x);
	*out = &m->base;
	return old ? tell(c, db, old, true, why) : PL_E_NOMEM;
}

static void changed(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	outbox_kick(cc->outbox);
	routes_refresh(cc->routes);
}

static void change(struct rpc_call *rpc, const route_t *m, bool need_route, rpc_job_fn job)
{
	struct cc *cc = rpc->arg;
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&rpc->actor, RPC_ADMIN, &why);
	if (!err)
		err = rpc_text_ok(rpc->in, &why);
	if (!err && need_route)
		err = check(m, &why);
	if (!err && need_route && cc->routes->now.n >= ROUTES_MAX)
		err = pl_why_set(&why, PL_E_FULL, "at most %d routes", ROUTES_MAX);
	if (err)
		rpc_fail(rpc, err, &why);
	else
		rpc_on_db(rpc, cc->pg, false, job, changed);
}

static void create_route(struct rpc_call *rpc)
{
	change(rpc, ((const Parley__Voice__V1__CreateInboundRouteRequest *)(const void *)rpc->in)->route, true,
	       create_job);
}

static void update_route(struct rpc_call *rpc)
{
	change(rpc, ((const Parley__Voice__V1__UpdateInboundRouteRequest *)(const void *)rpc->in)->route, true,
	       update_job);
}

static void delete_route(struct rpc_call *rpc)
{
	change(rpc, NULL, false, delete_job);
}

enum pl_err routes_serve(struct cc *cc, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "ListInboundRoutes", list_routes },
						    { "CreateInboundRoute", create_route },
						    { "UpdateInboundRoute", update_route },
						    { "DeleteInboundRoute", delete_route },
						    { NULL, NULL } };
	return rpc_serve(cc->app->bus, &parley__voice__v1__route_service__descriptor, entries, cc, why);
}
