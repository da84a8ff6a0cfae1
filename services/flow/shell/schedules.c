/* ScheduleService: opening hours in PostgreSQL. */
#include "svc.h"

enum { SPANS_MAX = 200, DATES_MAX = 1000 };

typedef Parley__Flow__V1__Schedule sched_t;

static enum pl_err check(struct flow_svc *s, const sched_t *m, struct pl_why *why)
{
	if (!m || pl_empty(m->name) || strlen(m->name) > 128)
		return pl_why_field(why, PL_E_FORMAT, "schedule.name", "must have 1 to 128 bytes");
	if (!refs_zone_ok(s->refs, m->time_zone))
		return pl_why_field(why, PL_E_FORMAT, "schedule.time_zone",
				    "is no zone of the tz database, like Europe/Rome");
	if (m->n_weekly > SPANS_MAX)
		return pl_why_field(why, PL_E_FORMAT, "schedule.weekly", "has more than %d spans", SPANS_MAX);
	if (m->n_closed_dates > DATES_MAX)
		return pl_why_field(why, PL_E_FORMAT, "schedule.closed_dates", "has more than %d dates", DATES_MAX);
	for (size_t i = 0; i < m->n_weekly; i++) {
		const Parley__Flow__V1__OpenSpan *x = m->weekly[i];
		if (x->weekday < 1 || x->weekday > 7)
			return pl_why_field(why, PL_E_FORMAT, "schedule.weekly.weekday",
					    "must be 1 (Monday) to 7 (Sunday)");
		if (x->to_minute > 1440 || x->from_minute >= x->to_minute)
			return pl_why_field(why, PL_E_FORMAT, "schedule.weekly.to_minute",
					    "must be after from_minute and at most 1440");
	}
	for (size_t i = 0; i < m->n_closed_dates; i++)
		if (!flow_date_ok(m->closed_dates[i]))
			return pl_why_field(why, PL_E_FORMAT, "schedule.closed_dates", "must be dates like 2026-12-25");
	return PL_OK;
}

static enum pl_err tell(struct rpc_call *c, struct pg_conn *db, sched_t *m, bool deleted, struct pl_why *why)
{
	Parley__Flow__V1__ScheduleChanged ev = PARLEY__FLOW__V1__SCHEDULE_CHANGED__INIT;
	ev.meta = crud_meta(c);
	ev.schedule = m;
	ev.deleted = deleted;
	const char *subject = pl_arena_printf(c->arena, "ev.flow.schedule-changed.%s", m->id);
	return ev.meta && subject ? outbox_add(db, FLOW_SCHEMA, subject, &ev.base, why) : PL_E_NOMEM;
}

static enum pl_err named(enum pl_err err, struct pl_why *why)
{
	return err == PL_E_EXISTS ? pl_why_field(why, err, "schedule.name", "another schedule has this name") : err;
}

static const char *body_param(struct rpc_call *c, struct pg_conn *db, const sched_t *m)
{
	size_t len = parley__flow__v1__schedule__get_packed_size(m);
	uint8_t *p = pl_arena_alloc(c->arena, len + 1);
	if (!p)
		return NULL;
	parley__flow__v1__schedule__pack(m, p);
	return pg_bytea_param(db, p, len);
}

static enum pl_err read_row(struct rpc_call *c, struct pg_conn *db, const struct pg_rows *rows, int i, sched_t **ret,
			    struct pl_why *why)
{
	size_t len;
	const uint8_t *p = pg_bytes(db, rows, i, 0, &len);
	return rpc_unpack(&parley__flow__v1__schedule__descriptor, p, len, c->arena, (ProtobufCMessage **)(void *)ret,
			  why);
}

static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt all = { "schedule_all",
					    "SELECT body FROM schedule ORDER BY lower(name) LIMIT 1000" };
	Parley__Flow__V1__ListSchedulesResponse *m = PL_NEW(c->arena, Parley__Flow__V1__ListSchedulesResponse);
	struct pg_rows *rows;
	enum pl_err err = m ? pg_exec(db, &all, NULL, 0, &rows, why) : PL_E_NOMEM;
	if (err)
		return err;
	parley__flow__v1__list_schedules_response__init(m);
	m->schedules = pl_arena_alloc(c->arena, ((size_t)pg_n(rows) + 1) * sizeof(*m->schedules));
	if (!m->schedules)
		return PL_E_NOMEM;
	for (; !err && m->n_schedules < (size_t)pg_n(rows); m->n_schedules++)
		err = read_row(c, db, rows, (int)m->n_schedules, &m->schedules[m->n_schedules], why);
	*out = &m->base;
	return err;
}

static enum pl_err create_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt add = {
		"schedule_add", "INSERT INTO schedule (id, name, time_zone, body) VALUES ($1, $2, $3, $4)"
	};
	const Parley__Flow__V1__CreateScheduleRequest *in = (const void *)c->in;
	Parley__Flow__V1__CreateScheduleResponse *m = PL_NEW(c->arena, Parley__Flow__V1__CreateScheduleResponse);
	char id[PL_ID_LEN];
	if (!m)
		return PL_E_NOMEM;
	parley__flow__v1__create_schedule_response__init(m);
	m->schedule = in->schedule;
	m->schedule->id = pl_arena_strdup(c->arena, pl_id_new(id));
	m->schedule->revision = 1;
	const char *params[] = { id, in->schedule->name, in->schedule->time_zone, body_param(c, db, m->schedule) };
	enum pl_err err = named(pg_exec(db, &add, params, 4, NULL, why), why);
	*out = &m->base;
	return err ? err : tell(c, db, m->schedule, false, why);
}

static enum pl_err update_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt lock = { "schedule_lock",
					     "SELECT revision FROM schedule WHERE id = $1 FOR UPDATE" };
	static const struct pg_stmt set = {
		"schedule_set", "UPDATE schedule SET name = $2, time_zone = $3, body = $4, revision = $5 WHERE id = $1"
	};
	const Parley__Flow__V1__UpdateScheduleRequest *in = (const void *)c->in;
	Parley__Flow__V1__UpdateScheduleResponse *m = PL_NEW(c->arena, Parley__Flow__V1__UpdateScheduleResponse);
	struct pg_rows *rows;
	if (!m || !pl_id_ok(in->schedule->id))
		return m ? pl_why_field(why, PL_E_FORMAT, "schedule.id", "must be a UUID") : PL_E_NOMEM;
	parley__flow__v1__update_schedule_response__init(m);
	m->schedule = (sched_t *)(void *)rpc_dup(&in->schedule->base, c->arena); /* the job may run twice */
	enum pl_err err =
		m->schedule ? pg_exec(db, &lock, (const char *[]){ in->schedule->id }, 1, &rows, why) : PL_E_NOMEM;
	if (err)
		return err;
	if (pg_n(rows) == 0)
		return pl_why_field(why, PL_E_NOTFOUND, "schedule.id", "there is no such schedule");
	if ((uint64_t)pg_int(rows, 0, 0) != in->schedule->revision)
		return pl_why_field(why, PL_E_CONFLICT, "schedule.revision",
				    "somebody changed it meanwhile: read it again");
	m->schedule->revision++;
	const char *params[] = { in->schedule->id, in->schedule->name, in->schedule->time_zone,
				 body_param(c, db, m->schedule), pg_int_param(db, (int64_t)m->schedule->revision) };
	err = named(pg_exec(db, &set, params, 5, NULL, why), why);
	*out = &m->base;
	return err ? err : tell(c, db, m->schedule, false, why);
}

static enum pl_err delete_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt del = { "schedule_delete", "DELETE FROM schedule WHERE id = $1 RETURNING body" };
	const Parley__Flow__V1__DeleteScheduleRequest *in = (const void *)c->in;
	Parley__Flow__V1__DeleteScheduleResponse *m = PL_NEW(c->arena, Parley__Flow__V1__DeleteScheduleResponse);
	struct pg_rows *rows;
	sched_t *old = NULL;
	if (!m || !pl_id_ok(in->id))
		return m ? pl_why_field(why, PL_E_FORMAT, "id", "must be a UUID") : PL_E_NOMEM;
	enum pl_err err = pg_exec(db, &del, (const char *[]){ in->id }, 1, &rows, why);
	if (!err && pg_n(rows) == 0)
		err = pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such schedule");
	if (!err)
		err = read_row(c, db, rows, 0, &old, why);
	if (err)
		return err;
	parley__flow__v1__delete_schedule_response__init(m);
	*out = &m->base;
	return tell(c, db, old, true, why);
}

static void changed(struct flow_svc *s)
{
	refs_refresh_schedules(s->refs);
}

/* Zones are files: they are looked at on the loop (once each, then kept), not in the job. */
static void checked(struct rpc_call *c, const sched_t *m, rpc_job_fn job)
{
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, RPC_SUPERVISOR, &why);
	if (!err)
		err = check(c->arg, m, &why);
	if (err)
		rpc_fail(c, err, &why);
	else
		crud_run(c, RPC_SUPERVISOR, job, changed);
}

static void on_list(struct rpc_call *c)
{
	crud_run(c, RPC_AGENT, list_job, NULL);
}
static void on_create(struct rpc_call *c)
{
	checked(c, ((const Parley__Flow__V1__CreateScheduleRequest *)(const void *)c->in)->schedule, create_job);
}
static void on_update(struct rpc_call *c)
{
	checked(c, ((const Parley__Flow__V1__UpdateScheduleRequest *)(const void *)c->in)->schedule, update_job);
}
static void on_delete(struct rpc_call *c)
{
	crud_run(c, RPC_SUPERVISOR, delete_job, changed);
}

enum pl_err schedules_serve(struct flow_svc *s, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "ListSchedules", on_list },
						    { "CreateSchedule", on_create },
						    { "UpdateSchedule", on_update },
						    { "DeleteSchedule", on_delete },
						    { 0 } };
	return rpc_serve(s->app->bus, &parley__flow__v1__schedule_service__descriptor, entries, s, why);
}
