#include "svc.h"

#include <parley/log.h>
#include <stdlib.h>

#define STREAM_LEDGER "LEDGER"
#define TICK_US (100 * PL_US_PER_MS)
#define SWEEP_TICKS 50

/* Ready when the caches hold what a call needs. Queues are missing only while acd-router is away: calls still run, with
 * the default music. */
static void readiness(struct flow_svc *s)
{
	bool ok = graphs_loaded(s->graphs) && refs_loaded(s->refs), held = actors_held(s->actors);
	obs_check_set(s->loaded, ok && held && s->takes_steps,
		      ok ? held ? "" : "waits for its lease" : "flows and schedules are being read");
}

/* Steps are taken from the moment on when they can be done: a copy that is still starting must not refuse what another
 * would do. */
static void take_steps(struct flow_svc *s)
{
	struct pl_why why = { 0 };
	if (s->takes_steps || !actors_held(s->actors) || !graphs_loaded(s->graphs) || !refs_loaded(s->refs))
		return;
	enum pl_err err = step_serve(s, &why);
	if (err)
		log_error("steps.not-served", LOG_WHY(&why));
	s->takes_steps = !err;
}

static void on_tick(void *arg)
{
	struct flow_svc *s = arg;
	take_steps(s);
	if (s->ticks++ % SWEEP_TICKS == 0)
		sessions_sweep(s);
	readiness(s);
}

static void on_flow_changed(void *arg, const struct bus_msg *m)
{
	(void)m; /* what it says is read from the database: it may be old */
	graphs_refresh(((struct flow_svc *)arg)->graphs);
}

static void on_schedule_changed(void *arg, const struct bus_msg *m)
{
	(void)m;
	refs_refresh_schedules(((struct flow_svc *)arg)->refs);
}

static void on_queue_changed(void *arg, const struct bus_msg *m)
{
	(void)m;
	refs_refresh_queues(((struct flow_svc *)arg)->refs);
}

static void on_ledger(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	(void)arg;
	(void)m;
	if (err)
		log_error("ledger.ensure-failed", LOG_WHY(why));
}

static enum pl_err metrics(struct flow_svc *s)
{
	struct obs *o = s->app->obs;
	s->loaded = obs_check_new(o, "flows");
	s->m_sessions = obs_metric_new(o, OBS_GAUGE, "sessions", NULL, "Sessions in memory");
	s->m_steps = obs_metric_new(o, OBS_COUNTER, "steps_total", NULL, "Steps done");
	s->m_refused = obs_metric_new(o, OBS_COUNTER, "steps_refused_total", NULL, "Steps refused");
	s->m_failed = obs_metric_new(o, OBS_COUNTER, "sessions_failed_total", NULL, "Sessions a flow's mistake ended");
	s->m_step_us = obs_metric_new(o, OBS_HISTOGRAM, "step_seconds", NULL,
				      "From a step's arrival to its answer, checkpoint included");
	return s->loaded && s->m_sessions && s->m_steps && s->m_refused && s->m_failed && s->m_step_us ? PL_OK
												       : PL_E_NOMEM;
}

static enum pl_err database(struct flow_svc *s, struct pl_why *why)
{
	const struct pl_app_cfg *a = &s->app->cfg;
	struct pg_cfg cfg = { a->pg_dsn, a->pg_password, FLOW_SCHEMA, "parley-flow", (int)a->pg_conns };
	enum pl_err err = pg_migrate(&cfg, s->cfg->sql_dir, why);
	if (!err)
		err = pg_open(&s->pg, s->app->loop, s->app->obs, &cfg, why);
	if (!err)
		err = outbox_open(&s->outbox, s->app->bus, s->pg, FLOW_SCHEMA, why);
	return err;
}

static enum pl_err listen(struct flow_svc *s, struct pl_why *why)
{
	struct bus *b = s->app->bus;
	struct bus_stream_cfg ledger = { .name = STREAM_LEDGER,
					 .subjects = { "ev.>" },
					 .max_age_s = s->cfg->ledger_age_s };
	bus_stream_ensure(b, &ledger, on_ledger, s);
	enum pl_err err = bus_subscribe(&s->on_flow, b, "ev.flow.changed.*", NULL, on_flow_changed, s, why);
	if (!err)
		err = bus_subscribe(&s->on_schedule, b, "ev.flow.schedule-changed.*", NULL, on_schedule_changed, s,
				    why);
	if (!err)
		err = bus_subscribe(&s->on_queue, b, "ev.acd.queue-changed.*", NULL, on_queue_changed, s, why);
	return err;
}

static enum pl_err serve(struct flow_svc *s, struct pl_why *why)
{
	struct actors_cfg cfg = {
		.kind = "flow", .keep_s = s->cfg->idle_s, .adopt = sessions_adopt, .lost = sessions_lost, .arg = s
	};
	enum pl_err err = actors_open(&s->actors, s->app->bus, &cfg, why);
	if (!err)
		err = flows_serve(s, why);
	if (!err)
		err = schedules_serve(s, why);
	return err ? err : bus_announce(s->app->bus, NULL, 0, "", s);
}

enum pl_err flow_svc_new(struct flow_svc **ret, struct pl_app *app, const struct flow_cfg *cfg, struct pl_why *why)
{
	struct flow_svc *s = calloc(1, sizeof(*s));
	if (!s)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = s; /* a half-built one is freed by the caller */
	s->app = app;
	s->cfg = cfg;
	enum pl_err err = metrics(s);
	if (!err)
		err = database(s, why);
	if (!err)
		err = graphs_new(&s->graphs, s, why);
	if (!err)
		err = refs_new(&s->refs, s, why);
	if (!err)
		err = pl_timer_new(&s->tick, app->loop, on_tick, s);
	if (!err)
		err = listen(s, why);
	if (!err)
		err = serve(s, why);
	if (err)
		return err;
	graphs_refresh(s->graphs);
	refs_refresh_schedules(s->refs);
	refs_refresh_queues(s->refs);
	pl_timer_every(s->tick, TICK_US);
	return PL_OK;
}

void flow_svc_free(struct flow_svc *s)
{
	if (!s)
		return;
	bus_unsubscribe(s->on_flow);
	bus_unsubscribe(s->on_schedule);
	bus_unsubscribe(s->on_queue);
	pl_timer_free(s->tick);
	outbox_close(s->outbox);
	pg_close(s->pg); /* before the caches: jobs that are cut off still report to them */
	sessions_free(s);
	actors_close(s->actors);
	refs_free(s->refs);
	graphs_free(s->graphs);
	free(s);
}

void flow_svc_freep(struct flow_svc **s)
{
	flow_svc_free(*s);
	*s = NULL;
}
