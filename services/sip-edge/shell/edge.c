/* Wiring, the second's tick, drain and the end. */
#include <malloc.h>
#include <stdlib.h>

#include "auth.h"
#include "directory.h"
#include "legs.h"
#include "rpc.h"

#define TRIM_S 15
#define TRIM_BYTES (16u << 20)
#define TRIM_KEEP_BYTES (4u << 20)

uint32_t edge_random(struct edge *e)
{
	e->random = e->random * 1664525u + 1013904223u;
	return e->random >> 8;
}

/* What thousands of finished calls have left goes back to the system, at most every TRIM_S and only when it is worth
 * it. */
static void memory_return(struct edge *e)
{
	if (e->seconds % TRIM_S == 0 && mallinfo2().fordblks > TRIM_BYTES)
		malloc_trim(TRIM_KEEP_BYTES);
}

static void on_second(void *arg)
{
	struct edge *e = arg;
	e->seconds++;
	directory_tick(e);
	orphans_check(e);
	audit_send(e);
	memory_return(e);
	if (e->draining && !e->n_legs) {
		e->draining = false; /* said once */
		pl_app_drained(e->app);
	}
}

static int64_t load_of(void *arg)
{
	const struct edge *e = arg;
	return e->n_legs;
}

static void on_drain(void *arg, struct pl_app *app)
{
	struct edge *e = arg;
	e->draining = true;
	log_info("edge.draining", LOG_I("legs", e->n_legs));
}

static void on_stop(void *arg)
{
	struct edge *e = arg;
	e->stopping = true;
}

static enum pl_err tables_make(struct edge *e, struct pl_why *why)
{
	const struct edge_cfg *c = e->cfg;
	e->guard_mem = calloc(GUARD_N, sizeof *e->guard_mem);
	e->seen.slots = calloc(NONCES_N, sizeof *e->seen.slots);
	e->seen.n = NONCES_N;
	if (!e->guard_mem || !e->seen.slots)
		return pl_why_set(why, PL_E_NOMEM, "tables");
	e->guard.e = e->guard_mem;
	e->guard.n = GUARD_N;
	auth_init(e);
	e->limits = leg_limits_default();
	e->admit_lim = (struct admit_limits){ .max_legs = c->max_legs,
					      .calls_per_s = c->calls_per_s,
					      .burst = c->calls_burst,
					      .slow_us = c->slow_ms * PL_US_PER_MS };
	wheel_init(&e->wheel, pl_mono_us());
	enum pl_err err = pl_random(e->nonce_key, sizeof e->nonce_key);
	return err ? err : pl_random(&e->random, sizeof e->random);
}

static enum pl_err timers_make(struct edge *e)
{
	struct pl_loop *l = e->app->loop;
	enum pl_err err = pl_timer_new(&e->wheel_timer, l, legs_tick, e);
	if (!err)
		err = pl_timer_new(&e->second, l, on_second, e);
	if (err)
		return err;
	pl_timer_every(e->wheel_timer, WHEEL_TICK_US);
	pl_timer_every(e->second, PL_US_PER_S);
	return PL_OK;
}

static enum pl_err stores_open(struct edge *e, struct pl_why *why)
{
	const struct pl_app_cfg *c = &e->app->cfg;
	struct pg_cfg pg = { .dsn = c->pg_dsn,
			     .password = c->pg_password,
			     .schema = "telephony",
			     .app_name = "sip-edge",
			     .conns = (int)c->pg_conns };
	enum pl_err err = pg_migrate(&pg, e->cfg->sql_dir, why);
	if (!err)
		err = pg_open(&e->pg, e->app->loop, e->app->obs, &pg, why);
	if (!err)
		err = outbox_open(&e->outbox, e->app->bus, e->pg, "telephony", why);
	if (!err)
		err = redis_open(&e->redis, e->app->loop, e->app->obs, c->redis_url, c->redis_user, c->redis_password,
				 bindings_redis_up, e, why);
	return err;
}

/* Only so that bus_find_node() knows the other edges. */
static void on_edge_node(void *arg, enum bus_node_change c, const struct bus_node *n) {}

static void stream_ready(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	if (err)
		log_warn("ledger.not_ensured", LOG_WHY(why));
}

static enum pl_err bus_wire(struct edge *e, struct pl_why *why)
{
	static const struct bus_stream_cfg ledger = {
		.name = "LEDGER", .subjects = { "ev.>" }, .max_age_s = 90 * 86400, .dup_window_s = 120, .replicas = 1
	};
	bus_stream_ensure(e->app->bus, &ledger, stream_ready, e);
	enum pl_err err = directory_open(e, why);
	if (!err)
		err = bindings_open(e, why);
	if (!err)
		err = commands_open(e, why);
	if (!err)
		err = audit_open(e, why);
	if (!err)
		err = bus_watch_nodes(e->app->bus, "sip-edge", on_edge_node, e);
	if (!err)
		err = rpc_phone_open(e, why);
	if (!err)
		err = rpc_trunk_open(e, why);
	if (!err)
		err = bus_announce(e->app->bus, load_of, e->cfg->max_legs, e->host, e);
	return err;
}

static enum pl_err build(struct edge *e, struct pl_why *why)
{
	e->ready_config = obs_check_new(e->app->obs, "directory");
	e->ready_bindings = obs_check_new(e->app->obs, "bindings");
	enum pl_err err = tables_make(e, why);
	if (!err)
		err = metrics_new(e, why);
	if (!err)
		err = stores_open(e, why);
	if (!err)
		err = stack_open(e, why);
	if (!err)
		err = timers_make(e);
	if (!err)
		err = bus_wire(e, why);
	if (!err)
		err = pl_app_on_drain(e->app, on_drain, e);
	return err;
}

enum pl_err edge_new(struct edge **ret, struct pl_app *app, const struct edge_cfg *cfg, struct pl_why *why)
{
	PL_AUTO(edge_freep) struct edge *e = calloc(1, sizeof *e);
	if (!e)
		return pl_why_set(why, PL_E_NOMEM, "edge");
	e->app = app;
	e->cfg = cfg;
	pl_list_init(&e->dead);
	pl_list_init(&e->asks);
	enum pl_err err = build(e, why);
	if (err)
		return err;
	log_info("edge.listening", LOG_S("sip", e->host));
	*ret = PL_TAKE(e);
	return PL_OK;
}

enum pl_err edge_run(struct edge *e, struct pl_why *why)
{
	pl_app_ready(e->app, on_stop, e);
	stack_run(e);
	return PL_OK;
}

void edge_free(struct edge *e)
{
	if (!e)
		return;
	struct bus_sub *const subs[] = { e->sub_commands, e->sub_audit, e->sub_bindings, e->sub_changes[0],
					 e->sub_changes[1] };
	for (size_t i = 0; i < PL_ARRAY_N(subs); i++)
		if (subs[i])
			bus_unsubscribe(subs[i]);
	pl_timer_free(e->wheel_timer);
	pl_timer_free(e->second);
	legs_drop_all(e);
	leg_in_cancel_asks(e);
	audit_close(e);
	outbox_close(e->outbox);
	struct pg *pg = PL_TAKE(e->pg);
	pg_close(pg); /* its last jobs report before the directory goes */
	if (pg)
		pl_loop_turn(e->app->loop); /* and what they posted is taken */
	directory_close(e);
	redis_close(e->redis);
	stack_close(e);
	free(e->guard_mem);
	free(e->seen.slots);
	free(e);
}

void edge_freep(struct edge **e)
{
	edge_free(*e);
	*e = NULL;
}
