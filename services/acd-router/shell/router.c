#include "router.h"

#include <stdlib.h>
#include <sys/mman.h>

#define O(f) offsetof(struct router_opts, f)
const struct cfg_opt router_opt_table[] = { { "sql-dir", CFG_STR, O(sql_dir), "/usr/share/parley/sql/acd-router", 0,
					      4096, "", "Folder of the migrations of the schema acd." },
					    { "max-queues", CFG_INT, O(max_queues), "2000", 1, 100000, "",
					      "Most queues." },
					    { "max-agents", CFG_INT, O(max_agents), "12000", 1, 200000, "",
					      "Most agents, and eight times as many memberships." },
					    { "max-waiting", CFG_INT, O(max_waiting), "50000", 1, 1000000, "",
					      "Most interactions that wait; more leave at once with \"full\"." },
					    { "presence-s", CFG_INT, O(presence_s), "15", 1, 3600, "s",
					      "An agent whose desk or phone is gone for so long goes offline." },
					    { "ledger-max-age-s", CFG_INT, O(ledger_age_s), "7776000", 3600, 315360000,
					      "s", "How long the ledger keeps events." },
					    CFG_END };

enum pl_err router_engine_new(struct router *r, struct pl_why *why)
{
	size_t n = acd_size(&r->lim);
	void *block = n ? mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
			: MAP_FAILED;
	if (block == MAP_FAILED)
		return pl_why_set(why, PL_E_NOMEM, "the engine needs %zu bytes of address space", n);
	if (r->block)
		munmap(r->block, n);
	r->block = block;
	r->e = acd_init(block, &r->lim);
	return PL_OK;
}

static void on_scrape(void *arg)
{
	struct router *r = arg;
	struct acd_counts c = acd_counts_get(r->e);
	obs_set(r->m_waiting, c.waiting);
	obs_set(r->m_items, c.items);
	obs_set(r->m_lag, (int64_t)(acd_seq(r->e) - PL_MIN(emitter_done_seq(r->out), acd_seq(r->e))));
}

static void metrics(struct router *r)
{
	struct obs *o = r->app->obs;
	r->m_inputs = obs_metric_new(o, OBS_COUNTER, "inputs_total", NULL, "Inputs applied.");
	r->m_ignored = obs_metric_new(o, OBS_COUNTER, "inputs_ignored_total", NULL,
				      "Inputs that mean nothing: no UUID, unknown kind.");
	r->m_decisions = obs_metric_new(o, OBS_COUNTER, "decisions_total", NULL, "Decisions taken.");
	r->m_offers = obs_metric_new(o, OBS_COUNTER, "offers_total", NULL, "Offers made.");
	r->m_refused =
		obs_metric_new(o, OBS_COUNTER, "refused_total", NULL, "Inputs refused: stale offers, full pools.");
	r->m_apply =
		obs_metric_new(o, OBS_HISTOGRAM, "apply_seconds", NULL, "Time to apply one input and map its effects.");
	r->m_waiting =
		obs_metric_new(o, OBS_GAUGE, "waiting", NULL, "Interactions that wait and are not being offered.");
	r->m_items = obs_metric_new(o, OBS_GAUGE, "items", NULL, "Interactions that wait or are being offered.");
	r->m_leader = obs_metric_new(o, OBS_GAUGE, "leader", NULL, "1: this copy leads.");
	r->m_broken = obs_metric_new(o, OBS_COUNTER, "invariant_violations_total", NULL,
				     "Seconds in which the state was not what it must be.");
	r->m_events = obs_metric_new(o, OBS_COUNTER, "events_total", NULL, "Events sent to the ledger.");
	r->m_lost = obs_metric_new(o, OBS_COUNTER, "lost_total", NULL, "Inputs or events that were lost, each time.");
	r->m_snapshots = obs_metric_new(o, OBS_COUNTER, "snapshots_total", NULL, "Snapshots stored.");
	r->m_lag = obs_metric_new(o, OBS_GAUGE, "ledger_lag", NULL,
				  "Inputs whose effects the ledger has not all acknowledged.");
	r->ready = obs_check_new(o, "engine");
	obs_check_set(r->ready, false, "reading the log");
	obs_on_scrape(o, on_scrape, r);
}

static struct acd_limits limits_of(const struct router_opts *o)
{
	return (struct acd_limits){ .queues = (uint32_t)o->max_queues,
				    .agents = (uint32_t)o->max_agents,
				    .members = (uint32_t)PL_MIN(o->max_agents * 8, 1 << 23),
				    .items = (uint32_t)o->max_waiting,
				    .contacts = (uint32_t)(o->max_agents * 4 + 1024),
				    .reasons = 1000,
				    .queue_note = 512,
				    .agent_note = 512,
				    .item_note = 1536,
				    .reason_note = 256 };
}

static enum pl_err open_db(struct router *r, struct pl_why *why)
{
	const struct pl_app_cfg *c = &r->app->cfg;
	struct pg_cfg pc = { .dsn = c->pg_dsn,
			     .password = c->pg_password,
			     .schema = "acd",
			     .app_name = c->node,
			     .conns = (int)c->pg_conns };
	enum pl_err err = pg_migrate(&pc, r->opts->sql_dir, why);
	if (!err)
		err = pg_open(&r->pg, r->loop, r->app->obs, &pc, why);
	if (!err)
		err = outbox_open(&r->outbox, r->bus, r->pg, "acd", why);
	return err;
}

static enum pl_err parts(struct router *r, struct pl_why *why)
{
	enum pl_err err = router_engine_new(r, why);
	if (!err)
		err = diary_new(&r->diary);
	if (!err)
		err = inlog_new(&r->in, r);
	if (!err)
		err = emitter_new(&r->out, r, why);
	if (!err)
		err = snaps_new(&r->snaps, r);
	if (!err)
		err = lead_new(&r->lead, r);
	if (!err)
		err = presence_new(&r->presence, r, why);
	return err;
}

static void on_served(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct router *r = arg;
	(void)m, (void)why;
	if (err && err != PL_E_NOTFOUND) { /* NATS went away just now */
		pl_timer_set(r->again, PL_US_PER_S);
		return;
	}
	obs_check_set(r->ready, true, "");
	lead_start(r->lead);
}

/* One round trip: the server has our subscriptions before anybody hears that we are ready. */
static void ask_served(void *arg)
{
	struct router *r = arg;
	bus_kv_get(r->bus, ACD_BUCKET, "head", on_served, r);
}

/* Before, the engine is in the past: answers would be wrong. */
void router_caught_up(struct router *r)
{
	struct pl_why why = { 0 };
	enum pl_err err = rpc_config_serve(r, &why);
	if (!err)
		err = rpc_work_serve(r, &why);
	if (!err)
		err = rpc_routing_serve(r, &why);
	if (err) {
		log_error("acd.serve", LOG_WHY(&why));
		obs_check_set(r->ready, false, "cannot serve");
		return;
	}
	ask_served(r);
}

enum pl_err router_new(struct router **ret, struct pl_app *app, const struct router_opts *opts, struct pl_why *why)
{
	struct router *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = r;
	r->app = app;
	r->bus = app->bus;
	r->loop = app->loop;
	r->opts = opts;
	r->lim = limits_of(opts);
	r->fx = calloc(1, sizeof(*r->fx));
	r->tmp = pl_arena_new(0);
	if (!r->fx || !r->tmp)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	metrics(r);
	enum pl_err err = pl_timer_new(&r->again, r->loop, ask_served, r);
	if (!err)
		err = open_db(r, why);
	if (!err)
		err = parts(r, why);
	if (!err)
		snaps_start(r->snaps);
	return err;
}

void router_free(struct router *r)
{
	if (!r)
		return;
	if (r->lead)
		lead_stop(r->lead); /* first: another copy leads at once */
	outbox_close(r->outbox);
	pg_close(r->pg); /* jobs end now and report to parts that are still there */
	pl_timer_free(r->again);
	presence_free(r->presence);
	snaps_free(r->snaps);
	inlog_free(r->in);
	lead_free(r->lead);
	emitter_free(r->out);
	diary_free(r->diary);
	pl_arena_free(r->tmp);
	free(r->fx);
	if (r->block)
		munmap(r->block, acd_size(&r->lim));
	free(r);
}

void router_freep(struct router **r)
{
	router_free(*r);
}
