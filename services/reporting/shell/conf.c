/* Names and thresholds of queues and agents that the kept part of the ledger may not tell any more: asked of acd-router
 * once per load. */
#include "rep.h"

#include <parley/log.h>

#define ASK_MS 5000
#define RETRY_US (2 * PL_US_PER_S)

static void on_queues(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct rep *r = arg;
	const Parley__Acd__V1__ListQueuesResponse *m = (const void *)out;
	r->asked_queues = 0;
	if (err) {
		log_debug("queues.list-failed", LOG_WHY(why));
		pl_timer_set(r->conf_timer, RETRY_US);
		return;
	}
	for (size_t i = 0; r->st && i < m->n_queues; i++)
		store_queue_conf(r->st, m->queues[i], false);
	if (r->st)
		r->st->conf_dirty = true;
}

static void on_agents(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct rep *r = arg;
	const Parley__Acd__V1__ListAgentsResponse *m = (const void *)out;
	r->asked_agents = 0;
	if (err) {
		log_debug("agents.list-failed", LOG_WHY(why));
		pl_timer_set(r->conf_timer, RETRY_US);
		return;
	}
	for (size_t i = 0; r->st && i < m->n_agents; i++)
		store_agent_conf(r->st, m->agents[i], false);
	if (r->st)
		r->st->conf_dirty = true;
}

static void on_timer(void *arg)
{
	struct rep *r = arg;
	struct pl_why why = { 0 };
	Parley__Acd__V1__ListQueuesRequest q = PARLEY__ACD__V1__LIST_QUEUES_REQUEST__INIT;
	Parley__Acd__V1__ListAgentsRequest a = PARLEY__ACD__V1__LIST_AGENTS_REQUEST__INIT;
	struct rpc_to to_q = { &parley__acd__v1__queue_service__descriptor, "ListQueues", NULL, NULL, ASK_MS };
	struct rpc_to to_a = { &parley__acd__v1__agent_service__descriptor, "ListAgents", NULL, NULL, ASK_MS };
	if (!r->asked_queues)
		r->asked_queues = rpc_ask(r->app->bus, &to_q, &q.base, on_queues, r, &why);
	if (!r->asked_agents)
		r->asked_agents = rpc_ask(r->app->bus, &to_a, &a.base, on_agents, r, &why);
	if (!r->asked_queues || !r->asked_agents)
		pl_timer_set(r->conf_timer, RETRY_US);
}

enum pl_err conf_new(struct rep *r, struct pl_why *why)
{
	enum pl_err err = pl_timer_new(&r->conf_timer, r->app->loop, on_timer, r);
	return err ? pl_why_set(why, err, "no timer") : PL_OK;
}
