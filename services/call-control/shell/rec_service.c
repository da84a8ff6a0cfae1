/* RecordingService: what was recorded. Agents see their own; who plays one leaves a line in the audit log. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define AUDIT_MS 5000
#define PAGE_DEFAULT 50u
#define PAGE_MAX 500u

typedef Parley__Voice__V1__Recording recording_t;
#define COLUMNS                                                                                                        \
	"id, interaction_id, agent_id, queue_id, status, error, started_at, duration_ms, bytes, sha256, path, "        \
	"media_node, marks"

static recording_t *row(struct pg_conn *db, struct pl_arena *a, const struct pg_rows *rows, int i)
{
	recording_t *m = PL_NEW(a, recording_t);
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	size_t len = 0;
	if (!m)
		return NULL;
	parley__voice__v1__recording__init(m);
	char **const text[] = { &m->id, &m->interaction_id, &m->agent_id, &m->queue_id };
	for (int c = 0; c < 4; c++)
		*text[c] = pl_arena_strdup(a, or_text(pg_str(rows, i, c)));
	m->status = (Parley__Voice__V1__RecordingStatus)pg_int(rows, i, 4);
	m->error = pl_arena_strdup(a, or_text(pg_str(rows, i, 5)));
	m->started_at = rpc_ts(a, pg_time_us(rows, i, 6));
	m->duration_ms = (uint64_t)pg_int(rows, i, 7);
	m->bytes = (uint64_t)pg_int(rows, i, 8);
	m->sha256 = pl_arena_strdup(a, or_text(pg_str(rows, i, 9)));
	m->path = pl_arena_strdup(a, or_text(pg_str(rows, i, 10)));
	m->media_node = pl_arena_strdup(a, or_text(pg_str(rows, i, 11)));
	const uint8_t *marks = pg_null(rows, i, 12) ? NULL : pg_bytes(db, rows, i, 12, &len);
	if (marks && !rpc_unpack(&parley__voice__v1__recording_stopped__descriptor, marks, len, a, &pm, &why)) {
		m->marks = ((Parley__Voice__V1__RecordingStopped *)(void *)pm)->marks;
		m->n_marks = ((Parley__Voice__V1__RecordingStopped *)(void *)pm)->n_marks;
	}
	return m;
}

/* An agent's filter is the own id, everybody else's is empty. */
static const char *own(const struct rpc_call *c)
{
	return c->actor.role == RPC_AGENT ? c->actor.user_id : NULL;
}

/* The token is "<started us>_<id>" of the last row. */
static bool token_ok(const char *token, int64_t *us, const char **id)
{
	char *end = NULL;
	*us = strtoll(token, &end, 10);
	*id = end && *end == '_' ? end + 1 : "";
	return pl_id_ok(*id) && *us > 0;
}

static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	static const struct pg_stmt s = {
		"recording_list",
		"SELECT " COLUMNS " FROM recording WHERE ($1::text IS NULL OR interaction_id = $1) AND "
		"($2::int IS NULL OR status = $2) AND ($3::text IS NULL OR agent_id = $3) AND "
		"($4::timestamptz IS NULL OR (started_at, id) < ($4, $5::uuid)) ORDER BY started_at DESC, id DESC "
		"LIMIT $6"
	};
	const Parley__Voice__V1__ListRecordingsRequest *in = (const void *)c->in;
	Parley__Voice__V1__ListRecordingsResponse *m = PL_NEW(c->arena, Parley__Voice__V1__ListRecordingsResponse);
	const char *token = in->page ? in->page->token : "", *id = NULL;
	uint32_t size = in->page && in->page->size ? PL_MIN(in->page->size, PAGE_MAX) : PAGE_DEFAULT;
	int64_t us = 0;
	struct pg_rows *rows;
	if (!m)
		return PL_E_NOMEM;
	if (*token && !token_ok(token, &us, &id))
		return pl_why_field(why, PL_E_FORMAT, "page.token", "is not one of ours");
	const char *p[] = { pl_empty(in->interaction_id) ? NULL : in->interaction_id,
			    in->status ? pg_int_param(db, in->status) : NULL,
			    own(c),
			    pg_time_param(db, us),
			    id,
			    pg_int_param(db, (int64_t)size + 1) };
	enum pl_err err = pg_exec(db, &s, p, 6, &rows, why);
	if (err)
		return err;
	parley__voice__v1__list_recordings_response__init(m);
	size_t n = PL_MIN((size_t)pg_n(rows), (size_t)size);
	m->recordings = pl_arena_alloc(c->arena, (n + 1) * sizeof(*m->recordings));
	m->page = PL_NEW(c->arena, Parley__Common__V1__PageResponse);
	if (!m->recordings || !m->page)
		return PL_E_NOMEM;
	parley__common__v1__page_response__init(m->page);
	m->page->total = -1;
	for (; m->n_recordings < n; m->n_recordings++)
		if (!(m->recordings[m->n_recordings] = row(db, c->arena, rows, (int)m->n_recordings)))
			return PL_E_NOMEM;
	if (pg_n(rows) > (int)size && n)
		m->page->next_token = pl_arena_printf(c->arena, "%" PRId64 "_%s", pg_time_us(rows, (int)n - 1, 6),
						      m->recordings[n - 1]->id);
	*out = &m->base;
	return PL_OK;
}

static bool allowed(struct rpc_call *rpc)
{
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&rpc->actor, RPC_AGENT, &why);
	if (!err)
		err = rpc_text_ok(rpc->in, &why);
	if (err)
		rpc_fail(rpc, err, &why);
	return !err;
}

static void list_recordings(struct rpc_call *rpc)
{
	if (allowed(rpc))
		rpc_on_db(rpc, ((struct cc *)rpc->arg)->pg, true, list_job, NULL);
}

/* --- one, maybe to be heard --- */

struct get {
	struct rpc_call *rpc;
	recording_t *m;
};

static enum pl_err get_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	static const struct pg_stmt s = { "recording_get",
					  "SELECT " COLUMNS
					  " FROM recording WHERE id = $1 AND ($2::text IS NULL OR agent_id = $2)" };
	struct get *g = arg;
	const Parley__Voice__V1__GetRecordingRequest *in = (const void *)g->rpc->in;
	struct pg_rows *rows;
	enum pl_err err = pg_exec(db, &s, (const char *[]){ in->id, own(g->rpc) }, 2, &rows, why);
	if (err)
		return err;
	if (pg_n(rows) == 0) /* not there, or not for this agent: the same answer */
		return pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such recording");
	g->m = row(db, g->rpc->arena, rows, 0);
	return g->m ? PL_OK : PL_E_NOMEM;
}

static void get_send(struct get *g)
{
	Parley__Voice__V1__GetRecordingResponse m = PARLEY__VOICE__V1__GET_RECORDING_RESPONSE__INIT;
	m.recording = g->m;
	rpc_reply(g->rpc, &m.base);
	free(g);
}

static void on_audited(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct get *g = arg;
	if (!err) {
		get_send(g);
		return;
	}
	log_warn("recording.audit-failed", LOG_S("recording", g->m->id),
		 LOG_WHY(why)); /* what is not noted is not played */
	rpc_fail(g->rpc, PL_E_UNAVAIL, why);
	free(g);
}

static void audit(struct get *g)
{
	struct cc *cc = g->rpc->arg;
	Parley__Auth__V1__AddAuditEntryRequest m = PARLEY__AUTH__V1__ADD_AUDIT_ENTRY_REQUEST__INIT;
	Parley__Auth__V1__AuditEntry e = PARLEY__AUTH__V1__AUDIT_ENTRY__INIT;
	struct pl_why why = { 0 };
	char id[PL_ID_LEN];
	e.id = pl_id_new(id);
	e.time = rpc_ts(g->rpc->arena, pl_wall_us());
	e.user_id = g->rpc->actor.user_id;
	e.action = cc_str("recording.play");
	e.object_id = g->m->id;
	m.entry = &e;
	struct rpc_to to = { &parley__auth__v1__session_internal_service__descriptor, "AddAuditEntry", NULL, NULL,
			     AUDIT_MS };
	if (!rpc_ask(cc->app->bus, &to, &m.base, on_audited, g, &why))
		on_audited(g, PL_E_UNAVAIL, NULL, &why);
}

static void got(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct get *g = arg;
	if (err) {
		rpc_fail(g->rpc, err, why);
		free(g);
	} else if (((const Parley__Voice__V1__GetRecordingRequest *)(const void *)g->rpc->in)->play) {
		audit(g);
	} else {
		get_send(g);
	}
}

static void get_recording(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	struct pl_why why = { 0 };
	if (!allowed(rpc))
		return;
	if (!pl_id_ok(((const Parley__Voice__V1__GetRecordingRequest *)(const void *)rpc->in)->id)) {
		rpc_fail(rpc, pl_why_field(&why, PL_E_FORMAT, "id", "must be a UUID"), &why);
		return;
	}
	struct get *g = calloc(1, sizeof(*g));
	if (g)
		g->rpc = rpc;
	enum pl_err err = g ? pg_read(cc->pg, get_job, got, g) : PL_E_NOMEM;
	if (!err)
		return;
	free(g);
	rpc_fail(rpc, pl_why_set(&why, err, "the database has too much to do"), &why);
}

enum pl_err recordings_serve(struct cc *cc, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "ListRecordings", list_recordings },
						    { "GetRecording", get_recording },
						    { NULL, NULL } };
	return rpc_serve(cc->app->bus, &parley__voice__v1__recording_service__descriptor, entries, cc, why);
}
