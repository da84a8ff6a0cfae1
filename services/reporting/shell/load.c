/* Memory from the tables: the checkpoint a copy begins with. The new store is built by the job, seen by nobody before
 * it is done. */
#include "rep.h"

#include <parley/log.h>
#include <stdlib.h>

#define DAYS_BACK 120
#define DAYS_AHEAD 400
#define RETRY_US PL_US_PER_S
#define WINDOW_US (REP_WINDOW_MIN * 60 * PL_US_PER_S)

struct load {
	struct rep *r;
	struct store *st;
};

static enum pl_err days(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = { "days",
					  "SELECT d::date - date '1970-01-01', (d::timestamp AT TIME ZONE $1) FROM "
					  "generate_series((now() AT TIME ZONE $1)::date - $2::int, (now() AT TIME "
					  "ZONE $1)::date + $3::int, interval '1 day') d ORDER BY 1" };
	struct pg_rows *rows;
	const char *params[] = { l->r->cfg->time_zone, pg_int_param(db, DAYS_BACK), pg_int_param(db, DAYS_AHEAD) };
	enum pl_err err = pg_exec(db, &s, params, 3, &rows, why);
	if (err)
		return err;
	struct days *d = &l->st->days;
	d->n = (size_t)pg_n(rows);
	d->from_us = calloc(d->n + 1, sizeof(*d->from_us));
	if (!d->from_us || d->n == 0)
		return pl_why_set(why, PL_E_NOMEM, "no memory for the calendar");
	d->first = (int32_t)pg_int(rows, 0, 0);
	for (size_t i = 0; i < d->n; i++)
		d->from_us[i] = pg_time_us(rows, (int)i, 1);
	return PL_OK;
}

static enum pl_err sequence(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = { "progress", "SELECT last_seq FROM progress" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, NULL, 0, &rows, why);
	if (!err && pg_n(rows) != 1)
		err = pl_why_set(why, PL_E_INTERNAL, "the table progress has no row");
	if (!err)
		l->st->seq = l->st->saved_seq = (uint64_t)pg_int(rows, 0, 0);
	return err;
}

static enum pl_err queues(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = { "queues", "SELECT id, name, channel, sl_ms, target_pct, deleted FROM queue" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, NULL, 0, &rows, why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		struct rep_queue *q = store_queue(l->st, pg_str(rows, i, 0));
		if (!q)
			return PL_E_NOMEM;
		pl_strlcpy(q->name, pg_str(rows, i, 1), sizeof(q->name));
		q->channel = (int)pg_int(rows, i, 2);
		q->sl_ms = (uint32_t)pg_int(rows, i, 3);
		q->target_pct = (uint32_t)pg_int(rows, i, 4);
		q->deleted = pg_bool(rows, i, 5);
		q->db_dirty = false;
	}
	return err;
}

static enum pl_err people(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"people", "SELECT id, name, deleted, state, since, pause_reason_id, version, status FROM agent"
	};
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, NULL, 0, &rows, why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		struct rep_person *p = store_person(l->st, pg_str(rows, i, 0));
		size_t len;
		const uint8_t *status = pg_bytes(db, rows, i, 7, &len);
		if (!p || !(p->status = malloc(len + 1)))
			return PL_E_NOMEM;
		pl_strlcpy(p->name, pg_str(rows, i, 1), sizeof(p->name));
		p->deleted = pg_bool(rows, i, 2);
		p->st.state = (enum rep_agent_state)((unsigned)pg_int(rows, i, 3) % REP_A_STATE_N);
		p->st.since_us = pg_time_us(rows, i, 4);
		pl_strlcpy(p->st.pause_id, pg_str(rows, i, 5), sizeof(p->st.pause_id));
		p->st.version = (uint64_t)pg_int(rows, i, 6);
		if (len)
			memcpy(p->status, status, len);
		p->status_len = len;
	}
	return err;
}

static enum pl_err memberships(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = { "memberships", "SELECT id, unnest(queue_ids) FROM agent ORDER BY id" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, NULL, 0, &rows, why);
	for (int i = 0; !err && i < pg_n(rows);) {
		struct rep_person *p = store_person(l->st, pg_str(rows, i, 0));
		Parley__Acd__V1__Agent conf = PARLEY__ACD__V1__AGENT__INIT;
		int n = i;
		while (n < pg_n(rows) && strcmp(pg_str(rows, n, 0), pg_str(rows, i, 0)) == 0)
			n++;
		size_t count = (size_t)(n - i);
		Parley__Acd__V1__Membership *m = pl_arena_alloc(pg_tmp(db), count * sizeof(*m));
		conf.memberships = pl_arena_alloc(pg_tmp(db), count * sizeof(*conf.memberships));
		if (!p || !m || !conf.memberships)
			return PL_E_NOMEM;
		for (conf.n_memberships = 0; i < n; i++, conf.n_memberships++) {
			parley__acd__v1__membership__init(&m[conf.n_memberships]);
			m[conf.n_memberships].queue_id = (char *)(uintptr_t)pg_str(rows, i, 1);
			conf.memberships[conf.n_memberships] = &m[conf.n_memberships];
		}
		conf.enabled = true;
		store_members(l->st, p, &conf);
	}
	for (struct rep_person *p = l->st->people; p; p = p->hh.next)
		p->db_dirty = false;
	return err;
}

/* What is open now: its visits of the last half hour count in the window; figures come from their tables. */
static enum pl_err open_ones(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = { "open_all", "SELECT id, facts FROM open_interaction" };
	struct store *st = l->st;
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, NULL, 0, &rows, why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		size_t len;
		const uint8_t *p = pg_bytes(db, rows, i, 1, &len);
		ProtobufCMessage *m;
		struct ix *x = store_ix(st, pg_str(rows, i, 0), true);
		err = x ? rpc_unpack(&parley__report__v1__interaction_facts__descriptor, p, len, pg_tmp(db), &m, why)
			: PL_E_NOMEM;
		if (!err)
			err = facts_restore(x, (const void *)m);
		if (err)
			return err;
		rep_build(&x->f, &st->after);
		x->known = st->after.known;
		x->stored_open = true;
		x->n_agents_written = st->after.agents;
		if (!x->known)
			pl_list_push(&st->settled, &x->in_settled);
		store_place(st, x, &st->after);
		if (st->after.started_us)
			st->oldest_us = PL_MIN(st->oldest_us, rep_interval_of(st->after.started_us));
		for (uint32_t v = 0; v < st->after.n_visits; v++) {
			struct rep_queue *q = store_queue(st, rep_id(&x->f, st->after.visits[v].queue));
			if (q)
				rep_window_visit(&q->window, &st->after.visits[v], 1, st->clock_us);
		}
	}
	return err;
}

static enum pl_err figures(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt qs = {
		"q_all",
		"SELECT queue_id, started_at, offered, answered, abandoned, unmanaged, within, wait_answered_ms, "
		"wait_abandoned_ms, talk_ms, held_ms, wrap_ms FROM queue_interval WHERE started_at >= $1"
	};
	static const struct pg_stmt as = {
		"a_all",
		"SELECT agent_id, day, handled, missed, talk_ms, held_ms, wrap_ms, ring_ms, ready_ms, paused_ms, "
		"offered_ms, on_contact_ms, wrap_up_ms FROM agent_day WHERE day >= $1"
	};
	struct store *st = l->st;
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &qs, (const char *[]){ pg_time_param(db, st->oldest_us) }, 1, &rows, why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		struct qrow *r = store_qrow(st, pg_str(rows, i, 0), pg_time_us(rows, i, 1));
		if (!r || !store_queue(st, r->key.id))
			return PL_E_NOMEM;
		int col = 2;
#define X(n) r->f.n = pg_int(rows, i, col++);
		REP_QFIGS(X)
#undef X
	}
	if (!err)
		err = pg_exec(db, &as, (const char *[]){ pg_int_param(db, store_day(st, st->oldest_us)) }, 1, &rows,
			      why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		struct arow *r = store_arow(st, pg_str(rows, i, 0), (int32_t)pg_int(rows, i, 1));
		if (!r)
			return PL_E_NOMEM;
		int col = 2;
#define X(n) r->f.n = pg_int(rows, i, col++);
		REP_AFIGS(X)
#undef X
		for (int s = REP_A_READY; s <= REP_A_WRAP_UP; s++)
			r->state_ms[s] = pg_int(rows, i, col++);
	}
	return err;
}

/* Visits of the last half hour that are over: the sliding service level, and how many waited in each minute. */
static enum pl_err window(struct load *l, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"window", "SELECT s.queue_id, s.started_at, s.ended_at, s.result FROM interaction i JOIN segment s "
			  "ON s.interaction_id = i.id WHERE i.started_at > $1::timestamptz - interval '2 hours' AND "
			  "s.kind = 2 AND s.ended_at > $1"
	};
	struct store *st = l->st;
	struct pg_rows *rows;
	int64_t from = st->clock_us - WINDOW_US, minute = 60 * PL_US_PER_S;
	enum pl_err err = pg_exec(db, &s, (const char *[]){ pg_time_param(db, from) }, 1, &rows, why);
	for (int i = 0; !err && i < pg_n(rows); i++) {
		struct rep_queue *q = store_queue(st, pg_str(rows, i, 0));
		struct rep_visit v = { .from_us = pg_time_us(rows, i, 1),
				       .to_us = pg_time_us(rows, i, 2),
				       .result = rep_result_of(pg_str(rows, i, 3)) };
		if (!q)
			continue;
		v.threshold_ms = q->sl_ms;
		rep_window_visit(&q->window, &v, 1, st->clock_us);
		int32_t *waiting = q->window.waiting;
		for (int64_t t = PL_MAX(v.from_us, from + minute); t < v.to_us; t += minute)
			if (q->window.minute[t / minute % REP_WINDOW_MIN] == t / minute)
				waiting[t / minute % REP_WINDOW_MIN]++;
	}
	return err;
}

static enum pl_err load_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct load *l = arg;
	store_free(l->st); /* a job may run twice */
	l->st = store_new();
	if (!l->st)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	struct store *st = l->st;
	st->clock_us = pl_wall_us();
	enum pl_err err = days(l, db, why);
	if (!err)
		err = sequence(l, db, why);
	if (err)
		return err;
	st->oldest_us = store_midnight(st, store_day(st, st->clock_us) - 1);
	err = queues(l, db, why);
	if (!err)
		err = people(l, db, why);
	if (!err)
		err = memberships(l, db, why);
	if (!err)
		err = window(l, db, why);
	if (!err)
		err = open_ones(l, db, why);
	if (!err)
		err = figures(l, db, why);
	if (!err)
		store_new_day(st, st->clock_us);
	return err;
}

/* --- on the loop --- */

static void on_event(void *arg, const struct bus_msg *m)
{
	struct rep *r = arg;
	apply(r->st, m);
	obs_add(r->m_events, 1);
	if (r->st->seq - r->st->saved_seq >= (uint64_t)r->cfg->batch_events)
		flush_soon(r);
}

static void on_caught_up(void *arg)
{
	struct rep *r = arg;
	r->caught_up = true;
	log_info("ledger.caught-up", LOG_I("seq", r->st->seq), LOG_B("leader", r->leader));
}

/* The ledger does not have what comes next: it was cut by age while we were away, or made anew (then its numbers begin
 * at 1 again). What is there is read. */
static void on_lost(void *arg, uint64_t from_seq, uint64_t first_seq)
{
	(void)arg;
	log_error("ledger.gone", LOG_I("from", from_seq), LOG_I("first_kept", first_seq));
}

static void on_loaded(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct load *l = arg;
	struct rep *r = l->r;
	struct pl_why w = { 0 };
	r->mode = REP_STARTING;
	if (!err && !r->reload && !r->closing) {
		store_free(r->st);
		r->st = PL_TAKE(l->st);
		struct bus_tail_cfg c = { .stream = "LEDGER",
					  .from_seq = r->st->seq + 1,
					  .fn = on_event,
					  .caught_up = on_caught_up,
					  .lost = on_lost,
					  .arg = r };
		err = bus_tail_open(&r->tail, r->app->bus, &c, &w);
		why = &w;
	}
	store_free(l->st);
	free(l);
	if (r->closing)
		return;
	if (err || r->reload) {
		if (err)
			log_warn("load.failed", LOG_WHY(why));
		r->reload = false;
		pl_timer_set(r->load_timer, err ? RETRY_US : 0);
		return;
	}
	r->mode = REP_RUNNING;
	log_info("loaded", LOG_I("seq", r->st->seq), LOG_I("open", HASH_COUNT(r->st->ixs)), LOG_B("leader", r->leader));
	pl_timer_set(r->conf_timer, 0);
}

void rep_load(struct rep *r)
{
	if (r->closing)
		return;
	if (r->flushing || r->mode == REP_LOADING) {
		r->reload = true;
		return;
	}
	struct load *l = calloc(1, sizeof(*l));
	bus_tail_close(r->tail);
	r->tail = NULL;
	r->caught_up = false;
	r->reload = r->paused = false;
	r->mode = REP_STARTING;
	if (l) {
		l->r = r;
		if (pg_read(r->pg, load_job, on_loaded, l) == PL_OK) {
			r->mode = REP_LOADING;
			return;
		}
		free(l);
	}
	pl_timer_set(r->load_timer, RETRY_US);
}
