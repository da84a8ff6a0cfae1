/* HistoryService: straight SQL over the tables; what is still open comes from its checkpoint, by the same fold. */
#include "parley/voice/v1/voice.pb-c.h"
#include "rep.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT_MAX "10001"
#define COUNT_LIMIT 10000
#define COLUMNS                                                                                                        \
	"i.id, i.channel, i.direction, i.customer_number, i.customer_name, i.dialled_number, i.started_at, "           \
	"i.ended_at, i.queue_id, "                                                                                     \
	"coalesce(q.name, ''), i.agent_id, coalesce(a.name, ''), i.agents, i.outcome, i.ended_by, i.menu_ms, "         \
	"i.wait_ms, i.talk_ms, i.held_ms, "                                                                            \
	"i.wrap_up_ms, i.duration_ms, i.mos, i.loss_pct"
#define NAMES "LEFT JOIN queue q ON q.id = i.queue_id LEFT JOIN agent a ON a.id = i.agent_id"
#define FILTER                                                                                                         \
	"($1::timestamptz IS NULL OR i.started_at >= $1) AND ($2::timestamptz IS NULL OR i.started_at < $2) "          \
	"AND ($3::text = '' OR i.queue_id = $3) AND ($4::text = '' OR i.outcome = $4) AND ($5::int = 0 OR i.channel "  \
	"= $5) "                                                                                                       \
	"AND ($6::text = '' OR i.customer_number ILIKE $6 OR i.customer_name ILIKE $6 OR i.dialled_number ILIKE $6) "
#define AFTER "(i.started_at, i.id) < ($8::timestamptz, $9::uuid) "
#define OWN "FROM interaction_agent o JOIN interaction i ON i.id = o.interaction_id "
#define OWN_FILTER                                                                                                     \
	"o.agent_id = $7::text AND ($1::timestamptz IS NULL OR o.started_at >= $1) AND ($2::timestamptz IS NULL OR "   \
	"o.started_at < $2) AND "
#define N_FILTER 7

typedef Parley__Report__V1__Interaction ix_t;
typedef Parley__Report__V1__Segment seg_t;
typedef const Parley__Report__V1__ListInteractionsRequest list_in_t;

/* Values of the filter differ too much from call to call for one plan to fit all. */
static const struct pg_stmt plan = { "plan", "SET LOCAL plan_cache_mode = force_custom_plan" };

static double real(const struct pg_rows *rows, int i, int col)
{
	const char *s = pg_str(rows, i, col);
	return s ? strtod(s, NULL) : 0;
}

static ix_t *row(struct rpc_call *c, const struct pg_rows *rows, int i)
{
	struct pl_arena *a = c->arena;
	ix_t *m = PL_NEW(a, ix_t);
	if (!m)
		return NULL;
	parley__report__v1__interaction__init(m);
	m->id = pl_arena_strdup(a, pg_str(rows, i, 0));
	m->channel = (Parley__Common__V1__Channel)pg_int(rows, i, 1);
	m->direction = (Parley__Common__V1__Direction)pg_int(rows, i, 2);
	m->customer_number = pl_arena_strdup(a, pg_str(rows, i, 3));
	m->customer_name = pl_arena_strdup(a, pg_str(rows, i, 4));
	m->dialled_number = pl_arena_strdup(a, pg_str(rows, i, 5));
	m->started_at = rpc_ts(a, pg_time_us(rows, i, 6));
	m->ended_at = rpc_ts(a, pg_time_us(rows, i, 7));
	m->queue_id = pl_arena_strdup(a, pg_str(rows, i, 8));
	m->queue_name = pl_arena_strdup(a, pg_str(rows, i, 9));
	m->agent_id = pl_arena_strdup(a, pg_str(rows, i, 10));
	m->agent_name = pl_arena_strdup(a, pg_str(rows, i, 11));
	m->agents = (uint32_t)pg_int(rows, i, 12);
	m->outcome = pl_arena_strdup(a, pg_str(rows, i, 13));
	m->ended_by = pl_arena_strdup(a, pg_str(rows, i, 14));
	m->menu_ms = (uint64_t)pg_int(rows, i, 15);
	m->wait_ms = (uint64_t)pg_int(rows, i, 16);
	m->talk_ms = (uint64_t)pg_int(rows, i, 17);
	m->held_ms = (uint64_t)pg_int(rows, i, 18);
	m->wrap_up_ms = (uint64_t)pg_int(rows, i, 19);
	m->duration_ms = (uint64_t)pg_int(rows, i, 20);
	m->mos = real(rows, i, 21);
	m->loss_pct = real(rows, i, 22);
	return m;
}

/* --- the list --- */

/* The token: where the page before ended, and a hash of the filter it belongs to. */
static uint64_t filter_hash(list_in_t *in, const char *agent)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "%" PRId64 "/%" PRId64 "/%.64s/%.64s/%.64s/%.64s/%d", rpc_ts_us(in->from),
			 rpc_ts_us(in->to), in->queue_id, agent, in->search, in->outcome, (int)in->channel);
	return pl_hash(text, (size_t)n);
}

static enum pl_err token_read(list_in_t *in, uint64_t hash, int64_t *ret_us, char id[PL_ID_LEN], struct pl_why *why)
{
	uint64_t h;
	*ret_us = 0;
	if (!in->page || pl_empty(in->page->token))
		return PL_OK;
	if (sscanf(in->page->token, "%" SCNx64 ".%" SCNd64 ".%36s", &h, ret_us, id) != 3 || h != hash ||
	    !pl_id_ok(id) || *ret_us <= 0)
		return pl_why_field(why, PL_E_FORMAT, "page.token", "does not belong to this list");
	return PL_OK;
}

/* Part of a number or name: what LIKE gives a meaning loses it. */
static const char *like(struct pl_arena *a, const char *search)
{
	size_t n = strlen(search);
	char *s = pl_arena_alloc(a, 2 * n + 3), *p = s;
	if (!s || n == 0)
		return s ? "" : NULL;
	*p++ = '%';
	for (; *search; search++) {
		if (strchr("%_\\", *search))
			*p++ = '\\';
		*p++ = *search;
	}
	*p++ = '%';
	*p = 0;
	return s;
}

static enum pl_err total(struct pg_conn *db, bool own, const char *const *params, int64_t *ret, struct pl_why *why)
{
	static const struct pg_stmt all = {
		"count_all", "SELECT count(*) FROM (SELECT 1 FROM interaction i WHERE $7::text = '' AND " FILTER
			     "LIMIT " COUNT_MAX ") x"
	};
	static const struct pg_stmt mine = { "count_own", "SELECT count(*) FROM (SELECT 1 " OWN
							  "WHERE " OWN_FILTER FILTER "LIMIT " COUNT_MAX ") x" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, own ? &mine : &all, params, N_FILTER, &rows, why);
	if (!err)
		*ret = pg_int(rows, 0, 0) > COUNT_LIMIT ? -1 : pg_int(rows, 0, 0);
	return err;
}

static enum pl_err page(struct rpc_call *c, struct pg_conn *db, bool own, const char *const *params, uint32_t size,
			uint64_t hash, Parley__Report__V1__ListInteractionsResponse *m, struct pl_why *why)
{
	static const struct pg_stmt all = { "list_all", "SELECT " COLUMNS " FROM interaction i " NAMES
							" WHERE $7::text = '' AND " FILTER "AND " AFTER
							"ORDER BY i.started_at DESC, i.id DESC LIMIT $10" };
	static const struct pg_stmt mine = { "list_own",
					     "SELECT " COLUMNS " " OWN NAMES " WHERE " OWN_FILTER FILTER "AND " AFTER
					     "ORDER BY i.started_at DESC, i.id DESC LIMIT $10" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, own ? &mine : &all, params, 10, &rows, why);
	if (err)
		return err;
	int n = PL_MIN(pg_n(rows), (int)size);
	m->interactions = pl_arena_alloc(c->arena, ((size_t)n + 1) * sizeof(*m->interactions));
	for (int i = 0; m->interactions && i < n; i++)
		if ((m->interactions[m->n_interactions] = row(c, rows, i)))
			m->n_interactions++;
	if (pg_n(rows) > n && n > 0)
		m->page->next_token = pl_arena_printf(c->arena, "%" PRIx64 ".%" PRId64 ".%s", hash,
						      pg_time_us(rows, n - 1, 6), pg_str(rows, n - 1, 0));
	return m->interactions && m->page->next_token ? PL_OK : PL_E_NOMEM;
}

static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	list_in_t *in = (const void *)c->in;
	Parley__Report__V1__ListInteractionsResponse *m =
		PL_NEW(c->arena, Parley__Report__V1__ListInteractionsResponse);
	Parley__Common__V1__PageResponse *pr = PL_NEW(c->arena, Parley__Common__V1__PageResponse);
	const char *agent = c->actor.role == RPC_AGENT ? c->actor.user_id : in->agent_id;
	uint32_t size = in->page && in->page->size ? in->page->size : 50;
	char id[PL_ID_LEN] = "ffffffff-ffff-ffff-ffff-ffffffffffff";
	int64_t at;
	if (!m || !pr)
		return PL_E_NOMEM;
	if (size > 500)
		return pl_why_field(why, PL_E_FORMAT, "page.size", "is at most 500");
	if (strlen(in->search) > 64)
		return pl_why_field(why, PL_E_FORMAT, "search", "is at most 64 bytes");
	uint64_t hash = filter_hash(in, agent);
	enum pl_err err = token_read(in, hash, &at, id, why);
	if (err)
		return err;
	parley__report__v1__list_interactions_response__init(m);
	parley__common__v1__page_response__init(pr);
	m->page = pr;
	const char *params[10] = { pg_time_param(db, rpc_ts_us(in->from)),
				   pg_time_param(db, rpc_ts_us(in->to)),
				   in->queue_id,
				   in->outcome,
				   pg_int_param(db, in->channel),
				   like(c->arena, in->search),
				   agent,
				   at ? pg_time_param(db, at) : "infinity",
				   id,
				   pg_int_param(db, (int64_t)size + 1) };
	err = params[5] ? pg_exec(db, &plan, NULL, 0, NULL, why) : PL_E_NOMEM;
	if (!err)
		err = total(db, *agent != 0, params, &pr->total, why);
	if (!err)
		err = page(c, db, *agent != 0, params, size, hash, m, why);
	*out = &m->base;
	return err;
}

/* --- one --- */

static seg_t *seg_new(struct pl_arena *a, int kind, int64_t from, int64_t to, const char *agent, const char *queue,
		      const char *result)
{
	seg_t *s = PL_NEW(a, seg_t);
	if (!s)
		return NULL;
	parley__report__v1__segment__init(s);
	s->kind = (Parley__Report__V1__SegmentKind)kind;
	s->started_at = rpc_ts(a, from);
	s->ended_at = rpc_ts(a, to);
	s->agent_id = pl_arena_strdup(a, agent);
	s->queue_id = pl_arena_strdup(a, queue);
	s->result = pl_arena_strdup(a, result);
	return s;
}

static enum pl_err segs_closed(struct rpc_call *c, struct pg_conn *db, ix_t *m, struct pl_why *why)
{
	static const struct pg_stmt s = { "segs",
					  "SELECT kind, started_at, ended_at, agent_id, queue_id, result FROM segment "
					  "WHERE interaction_id = $1 ORDER BY n" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, (const char *[]){ m->id }, 1, &rows, why);
	if (err)
		return err;
	m->segments = pl_arena_alloc(c->arena, ((size_t)pg_n(rows) + 1) * sizeof(*m->segments));
	for (int i = 0; m->segments && i < pg_n(rows); i++) {
		seg_t *x = seg_new(c->arena, (int)pg_int(rows, i, 0), pg_time_us(rows, i, 1), pg_time_us(rows, i, 2),
				   pg_str(rows, i, 3), pg_str(rows, i, 4), pg_str(rows, i, 5));
		if (!x)
			return PL_E_NOMEM;
		m->segments[m->n_segments++] = x;
	}
	return m->segments ? PL_OK : PL_E_NOMEM;
}

static enum pl_err segs_folded(struct rpc_call *c, const ProtobufCMessage *facts, ix_t *m)
{
	struct ix x = { 0 };
	struct rep_row *r = PL_NEW(c->arena, struct rep_row);
	enum pl_err err = r ? facts_restore(&x, (const void *)facts) : PL_E_NOMEM;
	if (!err) {
		rep_build(&x.f, r);
		m->segments = pl_arena_alloc(c->arena, (r->n_segs + 1) * sizeof(*m->segments));
		err = m->segments ? PL_OK : PL_E_NOMEM;
	}
	for (uint32_t i = 0; !err && i < r->n_segs; i++) {
		const struct rep_seg *s = &r->segs[i];
		seg_t *t = seg_new(c->arena, s->kind, s->from_us, s->to_us, rep_id(&x.f, s->agent),
				   rep_id(&x.f, s->queue), rep_result_name(s->result));
		if (!t)
			err = PL_E_NOMEM;
		else
			m->segments[m->n_segments++] = t;
	}
	free(x.f.facts);
	free(x.f.ids);
	free(x.f.path);
	return err;
}

static enum pl_err segments(struct rpc_call *c, struct pg_conn *db, ix_t *m, struct pl_why *why)
{
	static const struct pg_stmt s = { "open_one", "SELECT facts FROM open_interaction WHERE id = $1" };
	struct pg_rows *rows;
	ProtobufCMessage *facts;
	size_t len;
	enum pl_err err = pg_exec(db, &s, (const char *[]){ m->id }, 1, &rows, why);
	if (err || pg_n(rows) == 0)
		return err ? err : segs_closed(c, db, m, why);
	const uint8_t *p = pg_bytes(db, rows, 0, 0, &len);
	err = rpc_unpack(&parley__report__v1__interaction_facts__descriptor, p, len, c->arena, &facts, why);
	return err ? err : segs_folded(c, facts, m);
}

static enum pl_err names(struct rpc_call *c, struct pg_conn *db, ix_t *m, struct pl_why *why)
{
	static const struct pg_stmt s = { "name_one", "SELECT coalesce((SELECT name FROM agent WHERE id = $1), ''), "
						      "coalesce((SELECT name FROM queue WHERE id = $2), '')" };
	for (size_t i = 0; i < m->n_segments; i++) {
		seg_t *x = m->segments[i], *same = NULL;
		for (size_t p = 0; p < i && !same; p++)
			if (strcmp(m->segments[p]->agent_id, x->agent_id) == 0 &&
			    strcmp(m->segments[p]->queue_id, x->queue_id) == 0)
				same = m->segments[p];
		struct pg_rows *rows;
		if (same) {
			x->agent_name = same->agent_name;
			x->queue_name = same->queue_name;
			continue;
		}
		enum pl_err err = pg_exec(db, &s, (const char *[]){ x->agent_id, x->queue_id }, 2, &rows, why);
		if (err)
			return err;
		x->agent_name = pl_arena_strdup(c->arena, pg_str(rows, 0, 0));
		x->queue_name = pl_arena_strdup(c->arena, pg_str(rows, 0, 1));
	}
	return PL_OK;
}

static enum pl_err recordings(struct rpc_call *c, struct pg_conn *db, ix_t *m, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"recordings", "SELECT body, marks FROM recording WHERE interaction_id = $1 ORDER BY started_at, id"
	};
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, (const char *[]){ m->id }, 1, &rows, why);
	m->recordings = err ? NULL : pl_arena_alloc(c->arena, ((size_t)pg_n(rows) + 1) * sizeof(*m->recordings));
	for (int i = 0; !err && m->recordings && i < pg_n(rows); i++) {
		size_t len;
		const uint8_t *p = pg_bytes(db, rows, i, 0, &len);
		ProtobufCMessage *x, *stopped;
		err = rpc_unpack(&parley__voice__v1__recording__descriptor, p, len, c->arena, &x, why);
		if (err)
			return err;
		Parley__Voice__V1__Recording *rec = m->recordings[m->n_recordings++] = (void *)x;
		if (pg_null(rows, i, 1))
			continue;
		p = pg_bytes(db, rows, i, 1, &len);
		err = rpc_unpack(&parley__voice__v1__recording_stopped__descriptor, p, len, c->arena, &stopped, why);
		if (err)
			return err;
		rec->marks = ((Parley__Voice__V1__RecordingStopped *)(void *)stopped)->marks;
		rec->n_marks = ((Parley__Voice__V1__RecordingStopped *)(void *)stopped)->n_marks;
	}
	return err ? err : m->recordings ? PL_OK : PL_E_NOMEM;
}

static enum pl_err path(struct rpc_call *c, struct pg_conn *db, ix_t *m, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"menu_path",
		"SELECT e->>'key', e->>'value' FROM interaction i, jsonb_array_elements(i.menu_path) e WHERE i.id = $1"
	};
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, (const char *[]){ m->id }, 1, &rows, why);
	m->menu_path = err ? NULL : pl_arena_alloc(c->arena, ((size_t)pg_n(rows) + 1) * sizeof(*m->menu_path));
	for (int i = 0; !err && m->menu_path && i < pg_n(rows); i++) {
		Parley__Common__V1__KeyValue *kv = PL_NEW(c->arena, Parley__Common__V1__KeyValue);
		if (!kv)
			return PL_E_NOMEM;
		parley__common__v1__key_value__init(kv);
		kv->key = pl_arena_strdup(c->arena, pg_str(rows, i, 0));
		kv->value = pl_arena_strdup(c->arena, pg_str(rows, i, 1));
		m->menu_path[m->n_menu_path++] = kv;
	}
	return err ? err : m->menu_path ? PL_OK : PL_E_NOMEM;
}

/* An agent has no business with what others did: for them it does not exist. */
static enum pl_err get_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt one = { "get_one", "SELECT " COLUMNS " FROM interaction i " NAMES
						       " WHERE i.id = $1 AND ($2::text = '' OR EXISTS "
						       "(SELECT 1 FROM interaction_agent o WHERE o.agent_id = $2 AND "
						       "o.interaction_id = i.id AND o.started_at = i.started_at))" };
	const Parley__Report__V1__GetInteractionRequest *in = (const void *)c->in;
	Parley__Report__V1__GetInteractionResponse *m = PL_NEW(c->arena, Parley__Report__V1__GetInteractionResponse);
	struct pg_rows *rows;
	if (!m || !pl_id_ok(in->id))
		return m ? pl_why_field(why, PL_E_FORMAT, "id", "must be a UUID") : PL_E_NOMEM;
	const char *own = c->actor.role == RPC_AGENT ? c->actor.user_id : "";
	enum pl_err err = pg_exec(db, &one, (const char *[]){ in->id, own }, 2, &rows, why);
	if (!err && pg_n(rows) == 0)
		err = pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such interaction");
	if (err)
		return err;
	parley__report__v1__get_interaction_response__init(m);
	m->interaction = row(c, rows, 0);
	*out = &m->base;
	err = m->interaction ? segments(c, db, m->interaction, why) : PL_E_NOMEM;
	if (!err)
		err = names(c, db, m->interaction, why);
	if (!err)
		err = recordings(c, db, m->interaction, why);
	return err ? err : path(c, db, m->interaction, why);
}

static void run(struct rpc_call *c, rpc_job_fn job)
{
	struct rep *r = c->arg;
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, RPC_AGENT, &why);
	if (err)
		rpc_fail(c, err, &why);
	else
		rpc_on_db(c, r->pg, true, job, NULL);
}

static void on_list(struct rpc_call *c)
{
	run(c, list_job);
}
static void on_get(struct rpc_call *c)
{
	run(c, get_job);
}

enum pl_err history_serve(struct rep *r, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "ListInteractions", on_list },
						    { "GetInteraction", on_get },
						    { 0 } };
	return rpc_serve(r->app->bus, &parley__report__v1__history_service__descriptor, entries, r, why);
}
