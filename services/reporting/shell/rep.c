#include "rep.h"

#include <parley/log.h>
#include <stdlib.h>

#define LEASE_KEY "reporting.writer"
#define LEASE_WAIT_US (600 * PL_US_PER_MS) /* then begin without it: somebody else has it */
#define LAG_READY 100000

static void on_load_timer(void *arg)
{
	struct rep *r = arg;
	if (r->mode == REP_STARTING)
		rep_load(r);
}

static void on_lease(void *arg, enum bus_lease_change c, uint64_t fence)
{
	struct rep *r = arg;
	r->leader = c == BUS_LEASE_GAINED;
	obs_set(r->m_leader, r->leader);
	log_info("lease", LOG_B("leader", r->leader), LOG_I("fence", fence));
	if (r->leader)
		rep_load(r); /* what the one before has written is the beginning */
}

static int64_t unwritten(const struct store *st)
{
	return st->seq > st->saved_seq ? (int64_t)(st->seq - st->saved_seq) : 0; /* less: the ledger was made anew */
}

static void on_scrape(void *arg)
{
	struct rep *r = arg;
	obs_set(r->m_open, r->st ? (int64_t)HASH_COUNT(r->st->ixs) : 0);
	obs_set(r->m_lag, r->st ? unwritten(r->st) : 0);
	obs_set(r->m_late, r->st ? (int64_t)r->st->late : 0);
}

static void on_ready_timer(void *arg)
{
	struct rep *r = arg;
	bool ok = r->mode == REP_RUNNING && r->caught_up && unwritten(r->st) < LAG_READY;
	obs_check_set(r->ready, ok,
		      ok                       ? ""
		      : r->mode != REP_RUNNING ? "the checkpoint is being read"
		      : !r->caught_up          ? "the ledger is being read"
					       : "the database is far behind the ledger");
}

static enum pl_err metrics(struct rep *r)
{
	struct obs *o = r->app->obs;
	r->ready = obs_check_new(o, "ledger");
	r->m_events = obs_metric_new(o, OBS_COUNTER, "events_total", NULL, "Messages of the ledger read");
	r->m_lag = obs_metric_new(o, OBS_GAUGE, "unwritten_events", NULL,
				  "Messages applied in memory but not in the tables yet");
	r->m_open = obs_metric_new(o, OBS_GAUGE, "interactions", NULL, "Interactions in memory");
	r->m_late =
		obs_metric_new(o, OBS_GAUGE, "late_events", NULL, "Events of interactions that were over long before");
	r->m_batches = obs_metric_new(o, OBS_COUNTER, "batches_total", "result=\"ok\"", "Transactions written");
	r->m_batch_failed =
		obs_metric_new(o, OBS_COUNTER, "batches_total", "result=\"failed\"", "Transactions written");
	r->m_batch_us = obs_metric_new(o, OBS_HISTOGRAM, "batch_seconds", NULL, "From taking a batch to its commit");
	r->m_leader = obs_metric_new(o, OBS_GAUGE, "leader", NULL, "1: this copy writes");
	r->m_rt = obs_metric_new(o, OBS_COUNTER, "rt_messages_total", NULL, "Real-time messages sent");
	obs_on_scrape(o, on_scrape, r);
	return r->ready && r->m_events && r->m_lag && r->m_open && r->m_late && r->m_batches && r->m_batch_failed &&
			       r->m_batch_us && r->m_leader && r->m_rt
		       ? PL_OK
		       : PL_E_NOMEM;
}

static enum pl_err stores(struct rep *r, struct pl_why *why)
{
	const struct pl_app_cfg *a = &r->app->cfg;
	struct pg_cfg cfg = { a->pg_dsn, a->pg_password, REP_SCHEMA, "parley-reporting", (int)a->pg_conns };
	enum pl_err err = pg_migrate(&cfg, r->cfg->sql_dir, why);
	if (!err)
		err = pg_open(&r->pg, r->app->loop, r->app->obs, &cfg, why);
	if (!err)
		err = redis_open(&r->redis, r->app->loop, r->app->obs, a->redis_url, a->redis_user, a->redis_password,
				 live_redis_up, r, why);
	return err;
}

static void on_ledger(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	(void)arg;
	(void)m;
	if (err)
		log_error("ledger.ensure-failed", LOG_WHY(why));
}

static enum pl_err begin(struct rep *r, struct pl_why *why)
{
	struct bus_stream_cfg ledger = { .name = "LEDGER", .subjects = { "ev.>" }, .max_age_s = r->cfg->ledger_age_s };
	bus_stream_ensure(r->app->bus, &ledger, on_ledger, r);
	enum pl_err err = pl_timer_new(&r->load_timer, r->app->loop, on_load_timer, r);
	if (!err)
		err = pl_timer_new(&r->ready_timer, r->app->loop, on_ready_timer, r);
	if (!err)
		err = flush_new(r, why);
	if (!err)
		err = conf_new(r, why);
	if (!err)
		err = live_new(r, why);
	if (!err)
		err = history_serve(r, why);
	if (!err)
		err = bus_lease_new(&r->lease, r->app->bus, LEASE_KEY, on_lease, r);
	if (!err)
		err = bus_announce(r->app->bus, NULL, 0, "", r);
	if (err)
		return err;
	pl_timer_set(r->load_timer, LEASE_WAIT_US);
	pl_timer_every(r->ready_timer, 100 * PL_US_PER_MS);
	return PL_OK;
}

enum pl_err rep_new(struct rep **ret, struct pl_app *app, const struct rep_cfg *cfg, struct pl_why *why)
{
	struct rep *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = r; /* a half-built one is freed by the caller */
	r->app = app;
	r->cfg = cfg;
	enum pl_err err = metrics(r);
	if (!err)
		err = stores(r, why);
	return err ? err : begin(r, why);
}

void rep_free(struct rep *r)
{
	if (!r)
		return;
	r->closing = true;
	bus_tail_close(r->tail);
	bus_lease_free(r->lease);
	pg_close(r->pg); /* first: its jobs report to what follows */
	pl_timer_free(r->flush_timer);
	pl_timer_free(r->live_timer);
	pl_timer_free(r->load_timer);
	pl_timer_free(r->conf_timer);
	pl_timer_free(r->ready_timer);
	rpc_cancel(r->app->bus, r->asked_queues);
	rpc_cancel(r->app->bus, r->asked_agents);
	redis_close(r->redis);
	store_free(r->st);
	free(r);
}

void rep_freep(struct rep **r)
{
	rep_free(*r);
	*r = NULL;
}
