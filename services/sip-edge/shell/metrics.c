/* What this service counts; names and meaning are in README.md. */
#include <stdio.h>

#include "directory.h"

static struct obs_metric *counter(struct edge *e, const char *name, const char *labels, const char *help)
{
	return obs_metric_new(e->app->obs, OBS_COUNTER, name, labels, help);
}

static void stack_counters(struct edge *e)
{
	static usize_t last_in, last_out, last_bad;
	usize_t in = 0, out = 0, bad = 0;
	if (!e->agent)
		return;
	nta_agent_get_stats(e->agent, NTATAG_S_RECV_RETRY_REF(in), NTATAG_S_RETRY_REQUEST_REF(out),
			    NTATAG_S_BAD_MESSAGE_REF(bad), TAG_END());
	obs_add(e->m.retransmissions_in, (int64_t)(in - last_in));
	obs_add(e->m.retransmissions_out, (int64_t)(out - last_out));
	obs_add(e->m.bad_messages, (int64_t)(bad - last_bad));
	last_in = in;
	last_out = out;
	last_bad = bad;
}

static void on_scrape(void *arg)
{
	struct edge *e = arg;
	obs_set(e->m.legs, e->n_legs);
	obs_set(e->m.phones_registered, e->dir ? (int64_t)e->dir->n_registered : 0);
	obs_set(e->m.bans_running, (int64_t)guard_bans(&e->guard, edge_now_us(e)));
	stack_counters(e);
}

enum pl_err metrics_new(struct edge *e, struct pl_why *why)
{
	static const char *const directions[2] = { "out", "in" };
	static const char *const results[CALL_RESULT_N] = { "answered", "not_answered", "refused" };
	static const char *const refusals[REFUSE_N] = { "legs", "rate", "slow", "drain", "channels" };
	struct edge_metrics *m = &e->m;
	char labels[64];
	m->legs = obs_metric_new(e->app->obs, OBS_GAUGE, "legs", NULL, "legs of this moment");
	m->phones_registered =
		obs_metric_new(e->app->obs, OBS_GAUGE, "phones_registered", NULL, "phones with at least one binding");
	m->bans_running =
		obs_metric_new(e->app->obs, OBS_GAUGE, "bans_running", NULL, "addresses banned at this moment");
	for (int d = 0; d < 2; d++) {
		for (int r = 0; r < CALL_RESULT_N; r++) {
			snprintf(labels, sizeof labels, "direction=\"%s\",result=\"%s\"", directions[d], results[r]);
			m->calls[d][r] = counter(e, "calls_total", labels, "finished legs");
		}
	}
	for (int r = 0; r < REFUSE_N; r++) {
		snprintf(labels, sizeof labels, "why=\"%s\"", refusals[r]);
		m->overload[r] =
			counter(e, "overload_refused_total", labels, "calls answered with 503 and Retry-After");
	}
	m->register_ok = counter(e, "registers_total", "result=\"ok\"", "REGISTER requests answered");
	m->register_refused = counter(e, "registers_total", "result=\"refused\"", "REGISTER requests answered");
	m->challenges = counter(e, "challenges_total", NULL, "digest challenges sent");
	m->auth_failures = counter(e, "auth_failures_total", NULL, "wrong secrets");
	m->bans = counter(e, "bans_total", NULL, "bans begun");
	m->dropped = counter(e, "banned_dropped_total", NULL, "requests of banned addresses dropped");
	m->tx_timeouts =
		counter(e, "transaction_timeouts_total", NULL, "requests nobody answered, 2xx nobody acknowledged");
	m->retransmissions_in = counter(e, "retransmissions_total", "direction=\"in\"", "requests repeated");
	m->retransmissions_out = counter(e, "retransmissions_total", "direction=\"out\"", "requests repeated");
	m->bad_messages = counter(e, "bad_messages_total", NULL, "messages that are no SIP or break it");
	m->leg_incoming_us = obs_metric_new(e->app->obs, OBS_HISTOGRAM, "leg_incoming_seconds", NULL,
					    "call-control's answer to a new call");
	m->commands = counter(e, "leg_commands_total", NULL, "commands received");
	m->commands_refused =
		counter(e, "leg_commands_refused_total", NULL, "commands that did not fit the state of the leg");
	m->events = counter(e, "leg_events_total", NULL, "events sent");
	m->events_lost = counter(e, "leg_events_lost_total", NULL, "events that could not be sent");
	if (!m->events_lost)
		return pl_why_set(why, PL_E_NOMEM, "metrics");
	obs_on_scrape(e->app->obs, on_scrape, e);
	return PL_OK;
}
