/* Compiled versions in memory. Published ones stay; others as long as a session uses them. What is published is
 * followed by events and looked up again every half minute, so that a lost event costs no more than that. */
#include "svc.h"

#include <parley/log.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_US (30 * PL_US_PER_S)
#define RETRY_US PL_US_PER_S

struct pub { /* flows that exist, by id */
	char flow_id[PL_ID_LEN];
	uint32_t version; /* published; 0 none */
	bool seen;        /* in the present refresh */
	UT_hash_handle hh;
};

struct graphs {
	struct flow_svc *s;
	struct graph *all;
	struct pub *pubs;
	struct pl_timer *look;
	bool busy, again, loaded;
};

/* --- one version out of the database --- */

struct load {
	struct graphs *gs;
	char flow_id[PL_ID_LEN];
	uint32_t version;
	graph_fn fn;
	void *arg;
	const struct flow_graph *g; /* of the job */
	void *block;
};

static enum pl_err load_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt one = {
		"version_one",
		"SELECT v.version, v.graph FROM version v JOIN flow f ON f.id = v.flow_id "
		"WHERE v.flow_id = $1 AND v.version = CASE WHEN $2 = 0 THEN f.published_version ELSE $2 END "
		"AND ($2 > 0 OR NOT f.deleted)"
	};
	struct load *l = arg;
	struct pg_rows *rows;
	ProtobufCMessage *st;
	enum pl_err err =
		pg_exec(db, &one, (const char *[]){ l->flow_id, pg_int_param(db, l->version) }, 2, &rows, why);
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_field(why, PL_E_NOTFOUND, "flow_id",
				    l->version ? "there is no such version" : "there is no such published flow");
	const char *json = pg_str(rows, 0, 1);
	err = rpc_from_json(&google__protobuf__struct__descriptor, json, strlen(json), pg_tmp(db), &st, why);
	if (err)
		return err;
	l->version = (uint32_t)pg_int(rows, 0, 0);
	free(l->block); /* a job may run twice */
	l->block = NULL;
	return flow_build((const Google__Protobuf__Struct *)(const void *)st, pg_tmp(db), &l->g, &l->block, why);
}

static struct graph *find(const struct graphs *gs, const char *flow_id, uint32_t version)
{
	char key[64];
	struct graph *g;
	snprintf(key, sizeof(key), "%s/%u", flow_id, version);
	HASH_FIND_STR(gs->all, key, g);
	return g;
}

static void drop_unused(struct graphs *gs, struct graph *g)
{
	if (g->refs > 0 || g->published)
		return;
	HASH_DEL(gs->all, g);
	free(g->block);
	free(g);
}

static struct graph *keep(struct graphs *gs, struct load *l)
{
	struct graph *g = find(gs, l->flow_id, l->version);
	if (g || !(g = calloc(1, sizeof(*g))))
		return g;
	snprintf(g->key, sizeof(g->key), "%s/%u", l->flow_id, l->version);
	pl_strlcpy(g->flow_id, l->flow_id, sizeof(g->flow_id));
	g->version = l->version;
	g->g = l->g;
	g->block = PL_TAKE(l->block);
	HASH_ADD_STR(gs->all, key, g);
	return g;
}

static void load_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct load *l = arg;
	struct graph *g = err ? NULL : keep(l->gs, l);
	if (g) {
		struct pub *p;
		HASH_FIND_STR(l->gs->pubs, g->flow_id, p);
		g->published = p && p->version == g->version;
		graph_ref(g);
	} else {
		log_warn("flow.load-failed", LOG_S("flow", l->flow_id), LOG_I("version", l->version), LOG_WHY(why));
	}
	l->fn(l->arg, g, why);
	if (g)
		graph_unref(l->gs, g);
	free(l->block);
	free(l);
}

void graphs_get(struct graphs *gs, const char *flow_id, uint32_t version, graph_fn fn, void *arg)
{
	struct pl_why why = { 0 };
	struct graph *g = version ? find(gs, flow_id, version) : graphs_published(gs, flow_id);
	if (g) {
		fn(arg, g, &why);
		return;
	}
	if (!pl_id_ok(flow_id)) {
		pl_why_field(&why, PL_E_NOTFOUND, "flow_id", "there is no such flow");
		fn(arg, NULL, &why);
		return;
	}
	struct load *l = calloc(1, sizeof(*l));
	if (l) {
		*l = (struct load){ .gs = gs, .version = version, .fn = fn, .arg = arg };
		pl_strlcpy(l->flow_id, flow_id, sizeof(l->flow_id));
		if (pg_read(gs->s->pg, load_job, load_done, l) == PL_OK)
			return;
		free(l);
	}
	pl_why_set(&why, PL_E_FULL, "too much waits for the database");
	fn(arg, NULL, &why);
}

void graph_ref(struct graph *g)
{
	g->refs++;
}

void graph_unref(struct graphs *gs, struct graph *g)
{
	if (!g)
		return;
	g->refs--;
	drop_unused(gs, g);
}

struct graph *graphs_published(struct graphs *gs, const char *flow_id)
{
	struct pub *p;
	HASH_FIND_STR(gs->pubs, flow_id, p);
	return p && p->version ? find(gs, flow_id, p->version) : NULL;
}

size_t graphs_flow_ids(const struct graphs *gs, const char **ids, size_t max)
{
	size_t n = 0;
	for (const struct pub *p = gs->pubs; p && n < max; p = p->hh.next)
		ids[n++] = p->flow_id;
	return n;
}

/* --- which versions are published --- */

struct look {
	struct graphs *gs;
	struct pl_arena *a;
	size_t n;
	struct {
		char flow_id[PL_ID_LEN];
		uint32_t version;
	} * rows;
};

static enum pl_err look_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt all = { "flow_published",
					    "SELECT id, published_version FROM flow WHERE NOT deleted" };
	struct look *k = arg;
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &all, NULL, 0, &rows, why);
	if (err)
		return err;
	k->n = (size_t)pg_n(rows);
	k->rows = pl_arena_alloc(k->a, (k->n + 1) * sizeof(*k->rows));
	for (size_t i = 0; k->rows && i < k->n; i++) {
		pl_strlcpy(k->rows[i].flow_id, pg_str(rows, (int)i, 0), PL_ID_LEN);
		k->rows[i].version = (uint32_t)pg_int(rows, (int)i, 1);
	}
	return k->rows ? PL_OK : PL_E_NOMEM;
}

static void on_preloaded(void *arg, struct graph *g, const struct pl_why *why)
{
	(void)arg; /* load_done() has logged what failed; a step that needs it says so */
	(void)g;
	(void)why;
}

static struct pub *pub_of(struct graphs *gs, const char *flow_id)
{
	struct pub *p;
	HASH_FIND_STR(gs->pubs, flow_id, p);
	if (p || !(p = calloc(1, sizeof(*p))))
		return p;
	pl_strlcpy(p->flow_id, flow_id, sizeof(p->flow_id));
	HASH_ADD_STR(gs->pubs, flow_id, p);
	return p;
}

static void unpublish(struct graphs *gs, const char *flow_id, uint32_t version)
{
	struct graph *g = find(gs, flow_id, version);
	if (!g)
		return;
	g->published = false;
	drop_unused(gs, g);
}

static void look_apply(struct graphs *gs, const struct look *k)
{
	struct pub *p, *tmp;
	for (size_t i = 0; i < k->n; i++) {
		p = pub_of(gs, k->rows[i].flow_id);
		if (!p)
			return;
		p->seen = true;
		if (p->version != k->rows[i].version) {
			unpublish(gs, p->flow_id, p->version);
			p->version = k->rows[i].version;
		}
		struct graph *g = find(gs, p->flow_id, p->version);
		if (g)
			g->published = true;
		else if (p->version)
			graphs_get(gs, p->flow_id, p->version, on_preloaded, NULL);
	}
	HASH_ITER(hh, gs->pubs, p, tmp)
	{
		if (!p->seen) {
			unpublish(gs, p->flow_id, p->version);
			HASH_DEL(gs->pubs, p);
			free(p);
		} else {
			p->seen = false;
		}
	}
	gs->loaded = true;
}

static void look_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct look *k = arg;
	struct graphs *gs = k->gs;
	if (err)
		log_warn("flow.list-failed", LOG_WHY(why));
	else
		look_apply(gs, k);
	pl_arena_free(k->a);
	free(k);
	gs->busy = false;
	pl_timer_set(gs->look, gs->again ? 0 : err ? RETRY_US : LOOK_US);
	gs->again = false;
}

void graphs_refresh(struct graphs *gs)
{
	if (gs->busy) { /* what is being read may be older than the event that asks */
		gs->again = true;
		return;
	}
	struct look *k = calloc(1, sizeof(*k));
	if (k && (k->a = pl_arena_new(8 << 20))) {
		k->gs = gs;
		if (pg_read(gs->s->pg, look_job, look_done, k) == PL_OK) {
			gs->busy = true;
			return;
		}
		pl_arena_free(k->a);
	}
	free(k);
	pl_timer_set(gs->look, RETRY_US);
}

static void on_look(void *arg)
{
	graphs_refresh(arg);
}

bool graphs_loaded(const struct graphs *gs)
{
	return gs->loaded;
}

enum pl_err graphs_new(struct graphs **ret, struct flow_svc *s, struct pl_why *why)
{
	struct graphs *gs = calloc(1, sizeof(*gs));
	if (!gs)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	gs->s = s;
	enum pl_err err = pl_timer_new(&gs->look, s->app->loop, on_look, gs);
	if (err) {
		free(gs);
		return pl_why_set(why, err, "no timer");
	}
	*ret = gs;
	return PL_OK;
}

void graphs_free(struct graphs *gs)
{
	struct graph *g, *tmp;
	struct pub *p, *ptmp;
	if (!gs)
		return;
	HASH_ITER(hh, gs->all, g, tmp)
	{
		HASH_DEL(gs->all, g);
		free(g->block);
		free(g);
	}
	HASH_ITER(hh, gs->pubs, p, ptmp)
	{
		HASH_DEL(gs->pubs, p);
		free(p);
	}
	pl_timer_free(gs->look);
	free(gs);
}
