/* The service put together. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define AUDIT_EVERY_S 10

int64_t cc_now(const struct cc *cc)
{
	return pl_loop_now_us(cc->app->loop) + cc->wall_offset_us;
}

/* The wall clock as it runs, but never backwards: a correction backwards is followed by waiting. */
static void follow_clock(struct cc *cc)
{
	int64_t offset = pl_wall_us() - pl_mono_us();
	if (!cc->wall_offset_us || offset > cc->wall_offset_us)
		cc->wall_offset_us = offset;
	else if (offset < cc->wall_offset_us)
		cc->wall_offset_us -=
			PL_MIN(cc->wall_offset_us - offset, PL_US_PER_S / 10); /* once a second: 10 % slower */
}

enum pl_err cc_subscribe(struct cc *cc, const char *subject, const char *queue, bus_fn fn, struct pl_why *why)
{
	if (cc->n_subs == PL_ARRAY_N(cc->subs))
		return pl_why_set(why, PL_E_INTERNAL, "too many subscriptions");
	enum pl_err err = bus_subscribe(&cc->subs[cc->n_subs], cc->app->bus, subject, queue, fn, cc, why);
	cc->n_subs += !err;
	return err;
}

static void readiness(struct cc *cc)
{
	bool routes = routes_loaded(cc->routes), lease = actors_held(cc->actors);
	obs_check_set(cc->ready, routes && lease,
		      !routes  ? "routes are not read yet"
		      : !lease ? "no lease: calls are not ours to steer"
			       : "");
}

static void drain_check(struct cc *cc)
{
	if (!cc->draining || cc->drained || HASH_COUNT(cc->calls))
		return;
	cc->drained = true;
	pl_app_drained(cc->app);
}

static void on_second(void *arg)
{
	struct cc *cc = arg;
	follow_clock(cc);
	readiness(cc);
	recordings_second(cc->recs);
	if (++cc->seconds % AUDIT_EVERY_S == 0 && bus_connected(cc->app->bus) && actors_held(cc->actors)) {
		on_legs_audit(cc);
		on_media_keep(cc);
	}
	drain_check(cc);
}

/* No new calls; those that are here end by themselves within drain_s. What is left then is adopted by the other copies
 * when our lease is given up. */
static void on_drain(void *arg, struct pl_app *app)
{
	struct cc *cc = arg;
	cc->draining = true;
	log_info("calls.drain", LOG_I("calls", HASH_COUNT(cc->calls)));
	drain_check(cc);
}

static void on_scrape(void *arg)
{
	struct cc *cc = arg;
	obs_set(cc->m.active, (int64_t)HASH_COUNT(cc->calls));
}

static int64_t load(void *arg)
{
	return (int64_t)HASH_COUNT(((struct cc *)arg)->calls);
}

static enum pl_err metrics(struct cc *cc)
{
	static const char *const labels[END_CAUSE_N] = { "cause=\"none\"",           "cause=\"normal\"",
							 "cause=\"abandoned-menu\"", "cause=\"abandoned-queue\"",
							 "cause=\"no-route\"",       "cause=\"failed\"",
							 "cause=\"rejected\"" };
	struct obs *o = cc->app->obs;
	struct cc_metrics *m = &cc->m;
	bool ok = true;
	m->active = obs_metric_new(o, OBS_GAUGE, "calls_active", NULL, "Calls this node owns");
	for (unsigned i = 0; i < END_CAUSE_N; i++)
		ok &= (m->outcome[i] = obs_metric_new(o, OBS_COUNTER, "calls_total", labels[i],
						      "Calls that ended, by cause")) != NULL;
	m->setup_us =
		obs_metric_new(o, OBS_HISTOGRAM, "setup_seconds", NULL, "From the INVITE's arrival to our answer");
	m->offer_dial_us = obs_metric_new(o, OBS_HISTOGRAM, "offer_dial_seconds", NULL,
					  "From an offer to the dial of the agent's leg");
	m->rec_failed = obs_metric_new(o, OBS_COUNTER, "recordings_failed_total", NULL,
				       "Recordings that were due and are not there: an alarm");
	m->refused = obs_metric_new(o, OBS_COUNTER, "events_refused_total", NULL,
				    "Events that came twice, late or for another state");
	m->adopted =
		obs_metric_new(o, OBS_COUNTER, "calls_adopted_total", NULL, "Calls taken over from a node that died");
	m->asks = obs_metric_new(o, OBS_COUNTER, "requests_total", NULL,
				 "Requests to media and flow on the path of calls");
	m->emit_failed = obs_metric_new(o, OBS_COUNTER, "publishes_failed_total", NULL,
					"Events and router inputs that could not be stored");
	cc->ready = obs_check_new(o, "calls");
	obs_on_scrape(o, on_scrape, cc);
	return ok && m->active && m->setup_us && m->offer_dial_us && m->rec_failed && m->refused && m->adopted &&
			       m->asks && m->emit_failed && cc->ready
		       ? PL_OK
		       : PL_E_NOMEM;
}

static enum pl_err database(struct cc *cc, struct pl_why *why)
{
	const struct pl_app_cfg *a = &cc->app->cfg;
	struct pg_cfg cfg = { a->pg_dsn, a->pg_password, CC_SCHEMA, "parley-call-control", (int)a->pg_conns };
	enum pl_err err = pg_migrate(&cfg, cc->cfg->sql_dir, why);
	if (!err)
		err = pg_open(&cc->pg, cc->app->loop, cc->app->obs, &cfg, why);
	return err ? err : outbox_open(&cc->outbox, cc->app->bus, cc->pg, CC_SCHEMA, why);
}

static enum pl_err wire(struct cc *cc, struct pl_why *why)
{
	struct actors_cfg actors = { .kind = "call", .keep_s = 86400, .adopt = cc_adopt, .lost = cc_lost, .arg = cc };
	enum pl_err err = on_legs_open(cc, why);
	if (!err)
		err = on_media_open(cc, why);
	if (!err)
		err = on_acd_open(cc, why);
	if (!err)
		err = on_agent_open(cc, why);
	if (!err)
		err = routes_serve(cc, why);
	if (!err)
		err = recordings_serve(cc, why);
	if (!err)
		err = actors_open(&cc->actors, cc->app->bus, &actors, why);
	if (!err)
		err = pl_app_on_drain(cc->app, on_drain, cc);
	return err ? err : bus_announce(cc->app->bus, load, cc->cfg->max_calls, "", cc);
}

enum pl_err cc_new(struct cc **ret, struct pl_app *app, const struct cc_cfg *cfg, struct pl_why *why)
{
	struct cc *cc = calloc(1, sizeof(*cc));
	if (!cc)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = cc; /* a half-built one is freed by the caller */
	cc->app = app;
	cc->cfg = cfg;
	cc->limits = call_limits_default;
	cc->limits.longest_us = cfg->longest_call_s * PL_US_PER_S;
	follow_clock(cc);
	enum pl_err err = metrics(cc);
	if (!err)
		err = database(cc, why);
	if (!err)
		err = routes_open(&cc->routes, cc, why);
	if (!err)
		err = refs_open(&cc->names, cc, why);
	if (!err)
		err = recordings_open(&cc->recs, cc, why);
	if (!err)
		err = wire(cc, why);
	if (!err)
		err = pl_timer_new(&cc->second, app->loop, on_second, cc);
	if (!err)
		pl_timer_every(cc->second, PL_US_PER_S);
	return err;
}

void cc_free(struct cc *cc)
{
	struct cc_call *k, *next;
	if (!cc)
		return;
	for (size_t i = 0; i < cc->n_subs; i++)
		bus_unsubscribe(cc->subs[i]);
	HASH_ITER(hh, cc->calls, k, next) /* their checkpoints stay: another copy goes on */
	cc_call_drop(k);
	pl_timer_free(cc->second);
	outbox_close(cc->outbox);
	pg_close(cc->pg); /* before what its jobs report to */
	actors_close(cc->actors);
	on_legs_close(cc);
	on_acd_close(cc);
	recordings_close(cc->recs);
	refs_close(cc->names);
	routes_close(cc->routes);
	free(cc);
}

void cc_freep(struct cc **cc)
{
	cc_free(*cc);
	*cc = NULL;
}
