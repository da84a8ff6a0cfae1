/* Real time: what changed goes out at most twice a second and key, and every 5 s in any case, so that who comes late or
 * whose Redis was wiped has it soon. GetLive answers from memory, on any copy. */
#include "rep.h"

#include <parley/log.h>
#include <stdio.h>
#include <stdlib.h>

#define TICK_US (500 * PL_US_PER_MS)
#define AGAIN_US (5 * PL_US_PER_S)
#define REDIS_KEEP_S "30"
#define ITEMS_MAX 100 /* waiting items in a message; the count is whole */

typedef Parley__Report__V1__QueueFigures qfig_t;
typedef Parley__Report__V1__AgentFigures afig_t;

static char *text(struct pl_arena *a, const char *s)
{
	char *p = pl_arena_strdup(a, s);
	return p ? p : (char *)(uintptr_t) "";
}

static Parley__Acd__V1__WaitingItem *item(struct rep *r, const struct ix *x, uint32_t position, struct pl_arena *a)
{
	Parley__Acd__V1__WaitingItem *m = PL_NEW(a, Parley__Acd__V1__WaitingItem);
	struct rep_row *row = &r->st->after;
	if (!m)
		return NULL;
	rep_build(&x->f, row);
	parley__acd__v1__waiting_item__init(m);
	m->interaction_id = text(a, x->id);
	m->queue_id = text(a, x->waiting->id);
	m->channel = (Parley__Common__V1__Channel)x->f.channel;
	m->customer_number = text(a, x->f.customer_number);
	m->customer_name = text(a, x->f.customer_name);
	m->queued_at = rpc_ts(a, row->waiting_since_us);
	m->priority = x->priority;
	m->position = position;
	for (uint32_t i = row->n_segs; i-- > 0;)
		if (row->segs[i].kind == REP_SEG_RING && !row->segs[i].to_us) {
			m->offered_agent_id = text(a, rep_id(&x->f, row->segs[i].agent));
			break;
		}
	return m;
}

static int by_priority(const void *x, const void *y)
{
	const Parley__Acd__V1__WaitingItem *a = *(Parley__Acd__V1__WaitingItem *const *)x,
					   *b = *(Parley__Acd__V1__WaitingItem *const *)y;
	if (a->priority != b->priority)
		return a->priority > b->priority ? -1 : 1;
	return a->position < b->position ? -1 : a->position > b->position;
}

static void items(struct rep *r, const struct rep_queue *q, qfig_t *m, struct pl_arena *a)
{
	int64_t since = 0;
	m->waiting_items = pl_arena_alloc(a, (ITEMS_MAX + 1) * sizeof(*m->waiting_items));
	if (!m->waiting_items)
		return;
	PL_LIST_EACH (n, &q->waiting) {
		if (m->n_waiting_items == ITEMS_MAX)
			break;
		Parley__Acd__V1__WaitingItem *w =
			item(r, PL_CONTAINER(n, struct ix, in_queue), (uint32_t)m->n_waiting_items + 1, a);
		if (!w)
			return;
		int64_t at = rpc_ts_us(w->queued_at);
		if (!since || at < since) {
			since = at;
			m->longest_since = w->queued_at;
		}
		m->waiting_items[m->n_waiting_items++] = w;
	}
	qsort(m->waiting_items, m->n_waiting_items, sizeof(*m->waiting_items), by_priority);
	for (size_t i = 0; i < m->n_waiting_items; i++)
		m->waiting_items[i]->position = (uint32_t)i + 1;
}

static qfig_t *queue_message(struct rep *r, const struct rep_queue *q, int64_t now, struct pl_arena *a)
{
	qfig_t *m = PL_NEW(a, qfig_t);
	uint32_t *history = pl_arena_alloc(a, REP_WINDOW_MIN * sizeof(*history));
	if (!m || !history)
		return NULL;
	parley__report__v1__queue_figures__init(m);
	m->queue_id = text(a, q->id);
	m->queue_name = text(a, q->name);
	m->channel = (Parley__Common__V1__Channel)q->channel;
	m->time = rpc_ts(a, now);
	m->waiting = q->n_waiting;
	m->talking = q->n_talking;
	m->agents_ready = q->agents[REP_A_READY];
	m->agents_paused = q->agents[REP_A_PAUSED];
	m->agents_on_contact = q->agents[REP_A_ON_CONTACT];
	m->agents_wrap_up = q->agents[REP_A_WRAP_UP];
	m->agents_signed_in = m->agents_ready + m->agents_paused + m->agents_on_contact + m->agents_wrap_up +
			      q->agents[REP_A_OFFERED];
	m->offered_today = (uint64_t)q->today.offered;
	m->answered_today = (uint64_t)q->today.answered;
	m->abandoned_today = (uint64_t)q->today.abandoned;
	m->unmanaged_today = (uint64_t)q->today.unmanaged;
	m->sum_wait_answered_ms = (uint64_t)q->today.wait_answered_ms;
	m->sum_talk_ms = (uint64_t)q->today.talk_ms;
	m->within_service_level_today = (uint64_t)q->today.within;
	m->service_level_pct100 = rep_window_level(&q->window, now);
	m->service_level_target_pct = q->target_pct;
	rep_window_history(&q->window, now, history);
	m->waiting_history = history;
	m->n_waiting_history = REP_WINDOW_MIN;
	items(r, q, m, a);
	return m;
}

/* Ended states of today and the part of the present one that lies in today. */
static uint64_t state_ms(const struct store *st, const struct rep_person *p, const struct arow *row,
			 enum rep_agent_state state, int64_t now)
{
	int64_t ms = row ? row->state_ms[state] : 0;
	int64_t from = PL_MAX(p->st.since_us, store_midnight(st, st->today));
	if (p->st.state == state && now > from)
		ms += (now - from) / 1000;
	return (uint64_t)PL_MAX(ms, 0);
}

static void in_hand(struct rep *r, afig_t *m, struct pl_arena *a)
{
	const Parley__Acd__V1__AgentStatus *s = m->status;
	struct ix *x =
		s && s->n_interaction_ids ? store_ix(r->st, s->interaction_ids[s->n_interaction_ids - 1], false) : NULL;
	if (!x)
		return;
	m->interaction_id = text(a, x->id);
	m->customer_number = text(a, x->f.customer_number);
	m->customer_name = text(a, x->f.customer_name);
	rep_build(&x->f, &r->st->after);
	m->queue_id = text(a, rep_id(&x->f, r->st->after.queue));
}

static afig_t *agent_message(struct rep *r, const struct rep_person *p, int64_t now, struct pl_arena *a)
{
	struct store *st = r->st;
	afig_t *m = PL_NEW(a, afig_t);
	ProtobufCMessage *status = NULL;
	struct pl_why why;
	if (!m)
		return NULL;
	parley__report__v1__agent_figures__init(m);
	const struct arow *row = store_arow(st, p->id, st->today);
	m->agent_id = text(a, p->id);
	m->agent_name = text(a, p->name);
	m->time = rpc_ts(a, now);
	if (p->status_len &&
	    rpc_unpack(&parley__acd__v1__agent_status__descriptor, p->status, p->status_len, a, &status, &why) == PL_OK)
		m->status = (Parley__Acd__V1__AgentStatus *)(void *)status;
	m->queue_ids = pl_arena_alloc(a, (p->n_queues + 1) * sizeof(*m->queue_ids));
	for (; m->queue_ids && m->n_queue_ids < p->n_queues; m->n_queue_ids++)
		m->queue_ids[m->n_queue_ids] = text(a, p->queues[m->n_queue_ids]->id);
	if (row) {
		m->handled_today = (uint64_t)row->f.handled;
		m->missed_today = (uint64_t)row->f.missed;
		m->sum_talk_ms = (uint64_t)row->f.talk_ms;
		m->sum_wrap_up_ms = (uint64_t)row->f.wrap_ms;
	}
	m->sum_ready_ms = state_ms(st, p, row, REP_A_READY, now);
	m->sum_paused_ms = state_ms(st, p, row, REP_A_PAUSED, now);
	in_hand(r, m, a);
	return m;
}

/* --- out --- */

static void send(struct rep *r, const char *what, const char *id, const ProtobufCMessage *m, struct pl_arena *a)
{
	char subject[96], key[96];
	snprintf(subject, sizeof(subject), "rt.%s.%s", what, id);
	snprintf(key, sizeof(key), "rt:%s:%s", what, id);
	obs_add(r->m_rt, 1);
	if (rpc_send(r->app->bus, subject, m) != PL_OK)
		log_debug("rt.lost", LOG_S("subject", subject));
	size_t len = protobuf_c_message_get_packed_size(m);
	uint8_t *p = pl_arena_alloc(a, len + 1);
	if (!p || !redis_up(r->redis))
		return;
	protobuf_c_message_pack(m, p);
	const char *argv[] = { "SET", key, (const char *)p, "EX", REDIS_KEEP_S };
	size_t lens[] = { 3, strlen(key), len, 2, sizeof(REDIS_KEEP_S) - 1 };
	if (redis_cmd(r->redis, NULL, NULL, 5, argv, lens) != PL_OK)
		log_debug("rt.not-kept", LOG_S("key", key));
}

static void on_tick(void *arg)
{
	struct rep *r = arg;
	if (r->mode != REP_RUNNING || !r->caught_up)
		return;
	struct store *st = r->st;
	int64_t now = pl_wall_us(), mono = pl_mono_us();
	struct pl_arena *a = pl_loop_tmp(r->app->loop);
	st->clock_us = PL_MAX(st->clock_us, now);
	store_new_day(st, st->clock_us);
	bool speak = r->leader && bus_lease_held(r->lease);
	for (struct rep_queue *q = st->queues; q; q = q->hh.next) {
		rep_window_waiting(&q->window, q->n_waiting, st->clock_us);
		if (!speak || q->deleted || (!q->rt_dirty && mono - q->sent_us < AGAIN_US))
			continue;
		qfig_t *m = queue_message(r, q, now, a);
		if (m)
			send(r, "queue", q->id, &m->base, a);
		q->rt_dirty = false;
		q->sent_us = mono;
	}
	for (struct rep_person *p = st->people; p && speak; p = p->hh.next) {
		if (p->deleted || (!p->rt_dirty && mono - p->sent_us < AGAIN_US))
			continue;
		afig_t *m = agent_message(r, p, now, a);
		if (m)
			send(r, "agent", p->id, &m->base, a);
		p->rt_dirty = false;
		p->sent_us = mono;
	}
}

void live_redis_up(void *arg)
{
	struct rep *r = arg;
	for (struct rep_queue *q = r->st ? r->st->queues : NULL; q; q = q->hh.next)
		q->rt_dirty = true;
	for (struct rep_person *p = r->st ? r->st->people : NULL; p; p = p->hh.next)
		p->rt_dirty = true;
}

/* --- GetLive --- */

/* Agents see how busy queues and colleagues are, not who calls. */
static void hide_customers(Parley__Report__V1__GetLiveResponse *m, const char *me)
{
	char *none = (char *)(uintptr_t) "";
	for (size_t i = 0; i < m->n_queues; i++)
		m->queues[i]->n_waiting_items = 0;
	for (size_t i = 0; i < m->n_agents; i++)
		if (strcmp(m->agents[i]->agent_id, me) != 0)
			m->agents[i]->customer_number = m->agents[i]->customer_name = m->agents[i]->interaction_id =
				none;
}

static void on_get_live(struct rpc_call *c)
{
	struct rep *r = c->arg;
	struct pl_why why = { 0 };
	Parley__Report__V1__GetLiveResponse *m = PL_NEW(c->arena, Parley__Report__V1__GetLiveResponse);
	enum pl_err err = m ? rpc_need(&c->actor, RPC_AGENT, &why) : PL_E_NOMEM;
	if (!err && (!r->st || !r->caught_up))
		err = pl_why_set(&why, PL_E_UNAVAIL, "figures are being read");
	if (err) {
		rpc_fail(c, err, &why);
		return;
	}
	struct store *st = r->st;
	int64_t now = pl_wall_us();
	parley__report__v1__get_live_response__init(m);
	m->time = rpc_ts(c->arena, now);
	m->queues = pl_arena_alloc(c->arena, (HASH_COUNT(st->queues) + 1) * sizeof(*m->queues));
	m->agents = pl_arena_alloc(c->arena, (HASH_COUNT(st->people) + 1) * sizeof(*m->agents));
	for (const struct rep_queue *q = st->queues; m->queues && q; q = q->hh.next)
		if (!q->deleted && (m->queues[m->n_queues] = queue_message(r, q, now, c->arena)))
			m->n_queues++;
	for (const struct rep_person *p = st->people; m->agents && p; p = p->hh.next)
		if (!p->deleted && (m->agents[m->n_agents] = agent_message(r, p, now, c->arena)))
			m->n_agents++;
	if (c->actor.role == RPC_AGENT)
		hide_customers(m, c->actor.user_id);
	rpc_reply(c, &m->base);
}

enum pl_err live_new(struct rep *r, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "GetLive", on_get_live }, { 0 } };
	enum pl_err err = pl_timer_new(&r->live_timer, r->app->loop, on_tick, r);
	if (err)
		return pl_why_set(why, err, "no timer");
	pl_timer_every(r->live_timer, TICK_US);
	return rpc_serve(r->app->bus, &parley__report__v1__live_service__descriptor, entries, r, why);
}
