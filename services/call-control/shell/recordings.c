/* Recordings: the table is a fold of ev.recording.* by a durable consumer that all copies share, so that a database
 * that is away loses nothing and the path of a call never waits for it. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define BATCH 100
#define GATHER_US (20 * PL_US_PER_MS)
#define AGAIN_MS 1000
#define ACK_WAIT_MS 30000
#define SWEEP_EVERY_S 5
#define NOTE_US (600 * PL_US_PER_S)
#define NOTES_MAX 20000

typedef Parley__Voice__V1__Recording recording_t;

struct item {
	struct item *next;
	ProtobufCMessage *m;
	char *ack;
};
struct note { /* whose recording it is, for its last word */
	UT_hash_handle hh;
	char id[CALL_ID], interaction_id[CALL_ID], agent_id[CALL_ID], queue_id[CALL_ID];
	int64_t at_us;
};
struct batch {
	struct pl_arena *arena;
	struct item *first, **end;
	size_t n;
};
struct recordings {
	struct cc *cc;
	struct bus_consumer *consumer;
	struct batch gathering, folding;
	bool busy, sweeping;
	struct pl_timer *timer;
	struct note *notes; /* oldest first */
	uint64_t swept;
};

/* --- the last word of a recorder --- */

void recordings_note(struct recordings *r, const char *recording_id, const char *interaction_id, const char *agent_id,
		     const char *queue_id)
{
	struct note *n = NULL, *old, *next;
	int64_t now = cc_now(r->cc);
	HASH_ITER(hh, r->notes, old, next)
	{
		if (now - old->at_us < NOTE_US && HASH_COUNT(r->notes) < NOTES_MAX)
			break;
		HASH_DEL(r->notes, old);
		free(old);
	}
	HASH_FIND_STR(r->notes, recording_id, n);
	if (n || !(n = calloc(1, sizeof(*n))))
		return;
	pl_strlcpy(n->id, recording_id, sizeof(n->id));
	pl_strlcpy(n->interaction_id, interaction_id, sizeof(n->interaction_id));
	pl_strlcpy(n->agent_id, agent_id, sizeof(n->agent_id));
	pl_strlcpy(n->queue_id, queue_id, sizeof(n->queue_id));
	n->at_us = now;
	HASH_ADD_STR(r->notes, id, n);
}

static void on_stored(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct cc *cc = arg;
	if (!err)
		return;
	obs_add(cc->m.emit_failed, 1);
	log_error("recording.event-failed", LOG_WHY(why));
}

void recordings_done(struct recordings *r, const char *room_id, const char *node,
		     const Parley__Media__V1__RecordingDone *d)
{
	struct cc *cc = r->cc;
	struct pl_arena *tmp = pl_loop_tmp(cc->app->loop);
	Parley__Voice__V1__RecordingVerified ok = PARLEY__VOICE__V1__RECORDING_VERIFIED__INIT;
	Parley__Voice__V1__RecordingFailed bad = PARLEY__VOICE__V1__RECORDING_FAILED__INIT;
	recording_t m = PARLEY__VOICE__V1__RECORDING__INIT;
	struct note *n = NULL;
	char event_id[CALL_ID], subject[96];
	HASH_FIND_STR(r->notes, d->recording_id, n);
	m.id = d->recording_id;
	m.interaction_id = cc_str(room_id);
	m.agent_id = cc_str(n ? n->agent_id : "");
	m.queue_id = cc_str(n ? n->queue_id : "");
	m.status = d->verified ? PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_VERIFIED
			       : PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_FAILED;
	m.error = d->error;
	m.started_at = d->started_at;
	m.duration_ms = d->duration_ms;
	m.bytes = d->bytes;
	m.sha256 = d->sha256;
	m.path = d->path;
	m.media_node = cc_str(node);
	call_derive_id(d->recording_id, d->verified ? 'V' : 'F', 0, event_id);
	ok.meta = bad.meta = cc_meta(cc, tmp, event_id);
	ok.recording = bad.recording = &m;
	if (!ok.meta)
		return;
	ok.meta->interaction_id = m.interaction_id;
	ok.meta->agent_id = m.agent_id;
	ok.meta->queue_id = m.queue_id;
	if (!d->verified) {
		obs_add(cc->m.rec_failed, 1);
		log_error("recording.failed", LOG_S("recording", d->recording_id), LOG_S("call", room_id),
			  LOG_S("why", d->error));
	}
	snprintf(subject, sizeof(subject), "ev.recording.%s.%s", d->verified ? "verified" : "failed", d->recording_id);
	if (rpc_emit(cc->app->bus, subject, event_id, d->verified ? &ok.base : &bad.base, on_stored, cc) != PL_OK)
		obs_add(cc->m.emit_failed, 1); /* the sweep finds it */
}

/* --- the fold --- */

static const char *us_param(struct pg_conn *db, const Parley__Common__V1__EventMeta *meta, int64_t us)
{
	return pg_time_param(db, us ? us : meta && meta->time ? rpc_ts_us(meta->time) : pl_wall_us());
}

static enum pl_err fold_expected(struct pg_conn *db, const Parley__Voice__V1__RecordingExpected *m, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"recording_expected",
		"INSERT INTO recording (id, interaction_id, agent_id, queue_id, status, started_at, media_node) "
		"VALUES ($1, $2, $3, $4, 1, $5, $6) ON CONFLICT (id) DO UPDATE SET interaction_id = "
		"EXCLUDED.interaction_id, "
		"agent_id = EXCLUDED.agent_id, queue_id = EXCLUDED.queue_id, started_at = EXCLUDED.started_at"
	};
	const recording_t *r = m->recording;
	const char *p[] = { r->id,
			    r->interaction_id,
			    r->agent_id,
			    r->queue_id,
			    us_param(db, m->meta, rpc_ts_us(r->started_at)),
			    r->media_node };
	return pg_exec(db, &s, p, 6, NULL, why);
}

static enum pl_err fold_stopped(struct pg_conn *db, const Parley__Voice__V1__RecordingStopped *m, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"recording_stopped",
		"INSERT INTO recording (id, status, started_at, stopped_at, marks) VALUES ($1, 1, $2, $2, $3) "
		"ON CONFLICT (id) DO UPDATE SET stopped_at = EXCLUDED.stopped_at, marks = EXCLUDED.marks"
	};
	Parley__Voice__V1__RecordingStopped only = PARLEY__VOICE__V1__RECORDING_STOPPED__INIT;
	only.marks = m->marks;
	only.n_marks = m->n_marks;
	size_t len = parley__voice__v1__recording_stopped__get_packed_size(&only);
	uint8_t *bytes = pl_arena_alloc(pg_tmp(db), len + 1);
	if (!bytes)
		return PL_E_NOMEM;
	parley__voice__v1__recording_stopped__pack(&only, bytes);
	const char *p[] = { m->recording_id, us_param(db, m->meta, 0), pg_bytea_param(db, bytes, len) };
	return pg_exec(db, &s, p, 3, NULL, why);
}

/* A verified recording stays verified; one that was given up becomes verified when its word comes late after all. */
static enum pl_err fold_done(struct pg_conn *db, const Parley__Common__V1__EventMeta *meta, const recording_t *r,
			     struct pl_why *why)
{
	static const struct pg_stmt s = {
		"recording_done",
		"INSERT INTO recording AS r (id, interaction_id, agent_id, queue_id, status, error, started_at, "
		"duration_ms, bytes, sha256, path, "
		"media_node) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (id) DO UPDATE SET "
		"status = EXCLUDED.status, error = EXCLUDED.error, duration_ms = EXCLUDED.duration_ms, bytes = "
		"EXCLUDED.bytes, "
		"sha256 = EXCLUDED.sha256, path = EXCLUDED.path, media_node = coalesce(nullif(EXCLUDED.media_node, "
		"''), r.media_node), "
		"interaction_id = coalesce(nullif(EXCLUDED.interaction_id, ''), r.interaction_id), "
		"agent_id = coalesce(nullif(EXCLUDED.agent_id, ''), r.agent_id), "
		"queue_id = coalesce(nullif(EXCLUDED.queue_id, ''), r.queue_id) WHERE r.status <> 2"
	};
	const char *p[] = { r->id,
			    r->interaction_id,
			    r->agent_id,
			    r->queue_id,
			    pg_int_param(db, r->status),
			    r->error,
			    us_param(db, meta, rpc_ts_us(r->started_at)),
			    pg_int_param(db, (int64_t)r->duration_ms),
			    pg_int_param(db, (int64_t)r->bytes),
			    r->sha256,
			    r->path,
			    r->media_node };
	return pg_exec(db, &s, p, 12, NULL, why);
}

static enum pl_err fold_one(struct pg_conn *db, const ProtobufCMessage *m, struct pl_why *why)
{
	if (m->descriptor == &parley__voice__v1__recording_expected__descriptor)
		return fold_expected(db, (const void *)m, why);
	if (m->descriptor == &parley__voice__v1__recording_stopped__descriptor)
		return fold_stopped(db, (const void *)m, why);
	if (m->descriptor == &parley__voice__v1__recording_verified__descriptor) {
		const Parley__Voice__V1__RecordingVerified *v = (const void *)m;
		return fold_done(db, v->meta, v->recording, why);
	}
	const Parley__Voice__V1__RecordingFailed *f = (const void *)m;
	return fold_done(db, f->meta, f->recording, why);
}

static enum pl_err fold_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct recordings *r = arg;
	enum pl_err err = PL_OK;
	for (struct item *i = r->folding.first; i && !err; i = i->next)
		err = fold_one(db, i->m, why);
	return err;
}

static void flush(void *arg);

static void batch_done(struct batch *b)
{
	pl_arena_free(b->arena);
	*b = (struct batch){ 0 };
}

static void fold_done_all(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct recordings *r = arg;
	if (err)
		log_warn("recordings.fold-failed", LOG_I("events", r->folding.n), LOG_WHY(why));
	for (struct item *i = r->folding.first; i; i = i->next)
		if (err)
			bus_nack(r->cc->app->bus, i->ack, AGAIN_MS);
		else
			bus_ack(r->cc->app->bus, i->ack);
	batch_done(&r->folding);
	r->busy = false;
	flush(r);
}

static void flush(void *arg)
{
	struct recordings *r = arg;
	if (r->busy || !r->gathering.n)
		return;
	r->folding = r->gathering;
	r->gathering = (struct batch){ 0 };
	r->busy = true;
	enum pl_err err = pg_tx(r->cc->pg, fold_job, fold_done_all, r);
	if (err) {
		struct pl_why why = { 0 };
		pl_why_set(&why, err, "the database has too much to do");
		fold_done_all(r, err, &why);
	}
}

/* What the fold reads. Anything else in ev.recording.* is not for the table. */
static bool wanted(const ProtobufCMessage *m)
{
	if (m->descriptor == &parley__voice__v1__recording_expected__descriptor) {
		const recording_t *r = ((const Parley__Voice__V1__RecordingExpected *)(const void *)m)->recording;
		return r && pl_id_ok(r->id);
	}
	if (m->descriptor == &parley__voice__v1__recording_stopped__descriptor)
		return pl_id_ok(((const Parley__Voice__V1__RecordingStopped *)(const void *)m)->recording_id);
	if (m->descriptor == &parley__voice__v1__recording_verified__descriptor) {
		const recording_t *r = ((const Parley__Voice__V1__RecordingVerified *)(const void *)m)->recording;
		return r && pl_id_ok(r->id);
	}
	if (m->descriptor == &parley__voice__v1__recording_failed__descriptor) {
		const recording_t *r = ((const Parley__Voice__V1__RecordingFailed *)(const void *)m)->recording;
		return r && pl_id_ok(r->id);
	}
	return false;
}

static void on_event(void *arg, struct bus_consumer *c, const struct bus_msg *b, const char *ack)
{
	struct recordings *r = arg;
	struct batch *g = &r->gathering;
	struct pl_why why = { 0 };
	ProtobufCMessage *m = NULL;
	if (!g->arena) {
		g->arena = pl_arena_new(0);
		g->end = &g->first;
	}
	struct item *i = g->arena ? PL_NEW(g->arena, struct item) : NULL;
	char *copy = i ? pl_arena_strdup(g->arena, ack) : NULL;
	if (!copy) {
		bus_nack(r->cc->app->bus, ack, AGAIN_MS);
		return;
	}
	if (rpc_decode(b, g->arena, &m, &why) || rpc_text_ok(m, &why) ||
	    !wanted(m)) { /* it would not get better by waiting */
		bus_ack(r->cc->app->bus, ack);
		return;
	}
	*i = (struct item){ .m = m, .ack = copy };
	*g->end = i;
	g->end = &i->next;
	if (++g->n == 1)
		pl_timer_set(r->timer, GATHER_US);
}

/* --- those without a word --- */

struct sweep {
	struct recordings *r;
	int n;
};

static enum pl_err tell_failed(struct pg_conn *db, struct pg_rows *rows, int i, struct cc *cc, struct pl_why *why)
{
	struct pl_arena *a = pg_tmp(db);
	Parley__Voice__V1__RecordingFailed m = PARLEY__VOICE__V1__RECORDING_FAILED__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	recording_t r = PARLEY__VOICE__V1__RECORDING__INIT;
	char event_id[CALL_ID], subject[96];
	r.id = cc_str(pg_str(rows, i, 0));
	r.interaction_id = meta.interaction_id = cc_str(pg_str(rows, i, 1));
	r.agent_id = meta.agent_id = cc_str(pg_str(rows, i, 2));
	r.queue_id = meta.queue_id = cc_str(pg_str(rows, i, 3));
	r.started_at = rpc_ts(a, pg_time_us(rows, i, 4));
	r.media_node = cc_str(pg_str(rows, i, 5));
	r.error = cc_str(pg_str(rows, i, 6));
	r.status = PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_FAILED;
	call_derive_id(r.id, 'F', 1, event_id);
	meta.event_id = event_id;
	meta.time = rpc_ts(a, pl_wall_us());
	meta.node = cc_str(bus_node(cc->app->bus));
	meta.channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	m.meta = &meta;
	m.recording = &r;
	snprintf(subject, sizeof(subject), "ev.recording.failed.%s", r.id);
	return outbox_add(db, CC_SCHEMA, subject, &m.base, why);
}

static enum pl_err sweep_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"recording_sweep", "UPDATE recording SET status = 3, error = 'no word from media' WHERE id IN (SELECT "
				   "id FROM recording WHERE status = 1 AND "
				   "(stopped_at < now() - interval '60 s' OR started_at < now() - interval '1 day') "
				   "LIMIT 1000 FOR UPDATE SKIP LOCKED) "
				   "RETURNING id, interaction_id, agent_id, queue_id, started_at, media_node, error"
	};
	struct sweep *w = arg;
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, NULL, 0, &rows, why);
	w->n = err ? 0 : pg_n(rows);
	for (int i = 0; i < w->n && !err; i++)
		err = tell_failed(db, rows, i, w->r->cc, why);
	return err;
}

static void swept(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct sweep *w = arg;
	struct cc *cc = w->r->cc;
	w->r->sweeping = false;
	if (err)
		log_warn("recordings.sweep-failed", LOG_WHY(why));
	else if (w->n) {
		obs_add(cc->m.rec_failed, w->n);
		log_error("recordings.no-word", LOG_I("recordings", w->n));
		outbox_kick(cc->outbox);
	}
	free(w);
}

void recordings_second(struct recordings *r)
{
	if (++r->swept % SWEEP_EVERY_S || r->sweeping)
		return;
	struct sweep *w = calloc(1, sizeof(*w));
	if (!w)
		return;
	w->r = r;
	r->sweeping = pg_tx(r->cc->pg, sweep_job, swept, w) == PL_OK;
	if (!r->sweeping)
		free(w);
}

/* --- life --- */

static void on_ledger(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct recordings *r = arg;
	struct pl_why here = { 0 };
	struct bus_consumer_cfg c = { .stream = "LEDGER",
				      .durable = "call-control-recordings",
				      .filter = "ev.recording.>",
				      .batch = BATCH,
				      .ack_wait_ms = ACK_WAIT_MS,
				      .fn = on_event,
				      .arg = r };
	if (err)
		log_error("ledger.ensure-failed", LOG_WHY(why));
	else if (bus_consume(&r->consumer, r->cc->app->bus, &c, &here))
		log_error("recordings.consume-failed", LOG_WHY(&here));
}

void recordings_close(struct recordings *r)
{
	struct note *n, *next;
	if (!r)
		return;
	bus_consumer_close(r->consumer);
	pl_timer_free(r->timer);
	batch_done(&r->gathering);
	batch_done(&r->folding);
	HASH_ITER(hh, r->notes, n, next)
	{
		HASH_DEL(r->notes, n);
		free(n);
	}
	free(r);
}

enum pl_err recordings_open(struct recordings **ret, struct cc *cc, struct pl_why *why)
{
	struct recordings *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = r;
	r->cc = cc;
	enum pl_err err = pl_timer_new(&r->timer, cc->app->loop, flush, r);
	if (!err)
		rpc_ledger_ensure(cc->app->bus, on_ledger, r);
	return err;
}
