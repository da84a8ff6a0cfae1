/* One transaction: rows, figures, checkpoint, and the sequence number they are true for. In a worker. */
#include "batch.h"

static const struct pg_stmt relax = {
	"relax", "SET LOCAL synchronous_commit = off"
}; /* what a crash loses is read again from the
    * ledger: the number is lost with it */
static const struct pg_stmt advance = {
	"advance", "UPDATE progress SET last_seq = $2, writer = $3, at = now() WHERE last_seq = $1"
};
static const struct pg_stmt ix_put = {
	"ix_put", "INSERT INTO interaction SELECT * FROM unnest($1::uuid[], $2::int[], $3::int[], $4::text[], "
		  "$5::text[], $6::text[], $7::timestamptz[], "
		  "$8::timestamptz[], $9::text[], $10::text[], $11::int[], $12::text[], $13::text[], $14::bigint[], "
		  "$15::bigint[], $16::bigint[], "
		  "$17::bigint[], $18::bigint[], $19::bigint[], $20::float8[], $21::float8[], $22::jsonb[]) "
		  "ON CONFLICT (id) DO UPDATE SET channel = EXCLUDED.channel, direction = EXCLUDED.direction, "
		  "customer_number = EXCLUDED.customer_number, "
		  "customer_name = EXCLUDED.customer_name, dialled_number = EXCLUDED.dialled_number, started_at = "
		  "EXCLUDED.started_at, "
		  "ended_at = EXCLUDED.ended_at, queue_id = EXCLUDED.queue_id, agent_id = EXCLUDED.agent_id, agents = "
		  "EXCLUDED.agents, "
		  "outcome = EXCLUDED.outcome, ended_by = EXCLUDED.ended_by, menu_ms = EXCLUDED.menu_ms, wait_ms = "
		  "EXCLUDED.wait_ms, "
		  "talk_ms = EXCLUDED.talk_ms, held_ms = EXCLUDED.held_ms, wrap_up_ms = EXCLUDED.wrap_up_ms, "
		  "duration_ms = EXCLUDED.duration_ms, "
		  "mos = EXCLUDED.mos, loss_pct = EXCLUDED.loss_pct, menu_path = EXCLUDED.menu_path"
};
static const struct pg_stmt open_put = { "open_put",
					 "INSERT INTO open_interaction SELECT * FROM unnest($1::uuid[], $2::bytea[]) "
					 "ON CONFLICT (id) DO UPDATE SET facts = EXCLUDED.facts" };
static const struct pg_stmt open_del = { "open_del", "DELETE FROM open_interaction WHERE id = ANY ($1::uuid[])" };
static const struct pg_stmt segs_del = { "segs_del", "DELETE FROM segment WHERE interaction_id = ANY ($1::uuid[])" };
static const struct pg_stmt agents_put = {
	"agents_put", "INSERT INTO interaction_agent SELECT * FROM unnest($1::text[], $2::timestamptz[], "
		      "$3::uuid[]) ON CONFLICT DO NOTHING"
};
static const struct pg_stmt q_put = {
	"q_put",
	"INSERT INTO queue_interval SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[], $4::bigint[], "
	"$5::bigint[], $6::bigint[], "
	"$7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]) "
	"ON CONFLICT (queue_id, started_at) DO UPDATE SET offered = EXCLUDED.offered, answered = EXCLUDED.answered, "
	"abandoned = EXCLUDED.abandoned, unmanaged = EXCLUDED.unmanaged, within = EXCLUDED.within, "
	"wait_answered_ms = EXCLUDED.wait_answered_ms, wait_abandoned_ms = EXCLUDED.wait_abandoned_ms, talk_ms = "
	"EXCLUDED.talk_ms, "
	"held_ms = EXCLUDED.held_ms, wrap_ms = EXCLUDED.wrap_ms"
};
static const struct pg_stmt a_put = {
	"a_put",
	"INSERT INTO agent_day SELECT * FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[], $5::bigint[], "
	"$6::bigint[], $7::bigint[], "
	"$8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[]) "
	"ON CONFLICT (agent_id, day) DO UPDATE SET handled = EXCLUDED.handled, missed = EXCLUDED.missed, talk_ms = "
	"EXCLUDED.talk_ms, "
	"held_ms = EXCLUDED.held_ms, wrap_ms = EXCLUDED.wrap_ms, ring_ms = EXCLUDED.ring_ms, ready_ms = "
	"EXCLUDED.ready_ms, "
	"paused_ms = EXCLUDED.paused_ms, offered_ms = EXCLUDED.offered_ms, on_contact_ms = EXCLUDED.on_contact_ms, "
	"wrap_up_ms = EXCLUDED.wrap_up_ms"
};
static const struct pg_stmt people_put = {
	"people_put", "INSERT INTO agent SELECT id, name, deleted, queues::text[], state, since, pause, version, "
		      "status FROM unnest($1::text[], $2::text[], "
		      "$3::boolean[], $4::text[], $5::int[], $6::timestamptz[], $7::text[], $8::bigint[], $9::bytea[]) "
		      "AS t(id, name, deleted, queues, state, since, pause, version, status) "
		      "ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, deleted = EXCLUDED.deleted, queue_ids = "
		      "EXCLUDED.queue_ids, "
		      "state = EXCLUDED.state, since = EXCLUDED.since, pause_reason_id = EXCLUDED.pause_reason_id, "
		      "version = EXCLUDED.version, "
		      "status = EXCLUDED.status"
};
static const struct pg_stmt queues_put = {
	"queues_put",
	"INSERT INTO queue SELECT * FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[], $5::int[], "
	"$6::boolean[]) "
	"ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, channel = EXCLUDED.channel, sl_ms = EXCLUDED.sl_ms, "
	"target_pct = EXCLUDED.target_pct, deleted = EXCLUDED.deleted"
};
static const struct pg_stmt recs_put = {
	"recs_put", "INSERT INTO recording (id, interaction_id, agent_id, status, started_at, body) SELECT * FROM "
		    "unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::timestamptz[], $6::bytea[]) "
		    "ON CONFLICT (id) DO UPDATE SET status = EXCLUDED.status, agent_id = EXCLUDED.agent_id, started_at "
		    "= EXCLUDED.started_at, "
		    "body = EXCLUDED.body WHERE EXCLUDED.status > 1 OR recording.status <= 1"
}; /* 1: expected, the first of a recording's states */

static const struct pg_stmt marks_put = {
	"marks_put", "UPDATE recording r SET marks = u.marks FROM unnest($1::uuid[], $2::bytea[]) AS "
		     "u(id, marks) WHERE r.id = u.id"
}; /* stopped comes after expected, from the same service */

static enum pl_err put(struct pg_conn *db, const struct pg_stmt *s, struct sqltext *cols, int n_cols, size_t n_rows,
		       struct pl_why *why)
{
	const char *params[IX_COLUMNS];
	if (n_rows == 0)
		return PL_OK;
	for (int i = 0; i < n_cols; i++)
		params[i] = cols[i].p;
	return pg_exec(db, s, params, n_cols, NULL, why);
}

static enum pl_err progress(struct flush *b, struct pg_conn *db, struct pl_why *why)
{
	struct pg_rows *rows;
	const char *params[] = { pg_int_param(db, (int64_t)b->from_seq), pg_int_param(db, (int64_t)b->to_seq),
				 b->r->app->cfg.node };
	enum pl_err err = pg_exec(db, &relax, NULL, 0, NULL, why);
	if (!err)
		err = pg_exec(db, &advance, params, 3, &rows, why);
	if (!err && pg_affected(rows) != 1)
		err = pl_why_set(why, PL_E_CONFLICT, "the tables are not at sequence %" PRIu64 " any more",
				 b->from_seq);
	return err;
}

enum pl_err batch_write(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct flush *b = arg;
	enum pl_err err = progress(b, db, why);
	if (!err)
		err = put(db, &ix_put, b->ix, IX_COLUMNS, b->n_ix, why);
	if (!err)
		err = put(db, &open_put, b->open, 2, b->n_open, why);
	if (!err)
		err = put(db, &open_del, b->open_gone, 1, b->n_open_gone, why);
	if (!err)
		err = put(db, &segs_del, b->segs_gone, 1, b->n_segs_gone, why);
	if (!err && b->segs->n)
		err = pg_copy(db, "COPY segment FROM STDIN", b->segs->p, b->segs->n, why);
	if (!err)
		err = put(db, &agents_put, b->agents, 3, b->n_agents, why);
	if (!err)
		err = put(db, &q_put, b->q, Q_COLUMNS, b->n_q, why);
	if (!err)
		err = put(db, &a_put, b->a, A_COLUMNS, b->n_a, why);
	if (!err)
		err = put(db, &people_put, b->people, PERSON_COLUMNS, b->n_people, why);
	if (!err)
		err = put(db, &queues_put, b->queues, QUEUE_COLUMNS, b->n_queues, why);
	if (!err)
		err = put(db, &recs_put, b->recs, REC_COLUMNS, b->n_recs, why);
	if (!err)
		err = put(db, &marks_put, b->marks, 2, b->n_marks, why);
	if (!err && b->spans->n)
		err = pg_copy(db, "COPY agent_state_interval FROM STDIN", b->spans->p, b->spans->n, why);
	return err;
}
