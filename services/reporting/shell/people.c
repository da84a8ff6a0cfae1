/* Agents and queues as the ledger tells of them: names, memberships, states. */
#include "rep.h"

#include <stdlib.h>

static void count(struct rep_person *p, int sign)
{
	for (size_t i = 0; i < p->n_queues; i++) {
		uint32_t *n = &p->queues[i]->agents[p->st.state];
		*n = sign < 0 ? *n - (*n > 0) : *n + 1;
		p->queues[i]->rt_dirty = true;
	}
}

void store_members(struct store *st, struct rep_person *p, const Parley__Acd__V1__Agent *conf)
{
	size_t n = conf->enabled ? conf->n_memberships : 0;
	struct rep_queue **list = calloc(n + 1, sizeof(*list));
	if (!list)
		return;
	count(p, -1);
	free(p->queues);
	p->queues = list;
	p->n_queues = 0;
	for (size_t i = 0; i < n; i++) {
		struct rep_queue *q = store_queue(st, conf->memberships[i]->queue_id);
		if (q)
			list[p->n_queues++] = q;
	}
	count(p, 1);
	p->rt_dirty = p->db_dirty = true;
}

/* A state that ended, cut at each midnight of the company. */
static void state_share(struct store *st, const struct rep_person *p, const struct rep_span *s)
{
	for (int64_t at = PL_MAX(s->from_us, st->oldest_us); at < s->to_us;) {
		int32_t day = store_day(st, at);
		int64_t end = PL_MIN(s->to_us, store_midnight(st, day + 1));
		struct arow *r = store_arow(st, p->id, day);
		if (!r || end <= at)
			return;
		r->state_ms[s->state] += (end - at) / 1000;
		r->dirty = true;
		at = end;
	}
}

static void span_keep(struct store *st, const struct rep_person *p, const struct rep_span *s)
{
	if (st->n_spans == st->cap_spans) {
		size_t cap = st->cap_spans ? st->cap_spans * 2 : 256;
		struct span *more = realloc(st->spans, cap * sizeof(*more));
		if (!more)
			return;
		st->spans = more;
		st->cap_spans = cap;
	}
	struct span *x = &st->spans[st->n_spans++];
	x->s = *s;
	pl_strlcpy(x->agent_id, p->id, sizeof(x->agent_id));
}

static void status_keep(struct rep_person *p, const Parley__Acd__V1__AgentStatus *m)
{
	size_t len = parley__acd__v1__agent_status__get_packed_size(m);
	uint8_t *bytes = malloc(len + 1);
	if (!bytes)
		return;
	parley__acd__v1__agent_status__pack(m, bytes);
	free(p->status);
	p->status = bytes;
	p->status_len = len;
}

void store_person_state(struct store *st, struct rep_person *p, const Parley__Acd__V1__AgentStatus *status,
			int64_t at_us)
{
	struct rep_span closed;
	enum rep_agent_state was = p->st.state;
	int state = (unsigned)status->state < REP_A_STATE_N ? (int)status->state : REP_A_NONE;
	count(p, -1);
	if (!rep_agent_change(&p->st, (enum rep_agent_state)state, status->pause_reason_id, at_us, status->version,
			      &closed)) {
		count(p, 1);
		return;
	}
	count(p, 1);
	if (was != REP_A_NONE && was != REP_A_OFFLINE && closed.to_us > closed.from_us) {
		state_share(st, p, &closed);
		span_keep(st, p, &closed);
	}
	if (!pl_empty(status->agent_name))
		pl_strlcpy(p->name, status->agent_name, sizeof(p->name));
	status_keep(p, status);
	p->rt_dirty = p->db_dirty = true;
}

void store_queue_conf(struct store *st, const Parley__Acd__V1__Queue *m, bool deleted)
{
	struct rep_queue *q = store_queue(st, m->id);
	if (!q)
		return;
	pl_strlcpy(q->name, m->name, sizeof(q->name));
	q->channel = (int)m->channel;
	q->sl_ms = m->service_level_ms;
	q->target_pct = m->service_level_target_pct;
	q->deleted = deleted;
	q->rt_dirty = q->db_dirty = true;
}

void store_agent_conf(struct store *st, const Parley__Acd__V1__Agent *m, bool deleted)
{
	struct rep_person *p = store_person(st, m->id);
	Parley__Acd__V1__Agent none = PARLEY__ACD__V1__AGENT__INIT;
	if (!p)
		return;
	pl_strlcpy(p->name, m->name, sizeof(p->name));
	p->deleted = deleted;
	store_members(st, p, deleted ? &none : m);
}
