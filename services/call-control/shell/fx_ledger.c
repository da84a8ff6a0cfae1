/* Facts for the ledger. The event's id is derived from the call, the kind and the call's counter: said twice, stored
 * once. */
#include "cc.h"

#include <parley/log.h>

typedef Parley__Voice__V1__Recording recording_t;

Parley__Common__V1__EventMeta *cc_meta(struct cc *cc, struct pl_arena *a, const char *event_id)
{
	Parley__Common__V1__EventMeta *m = PL_NEW(a, Parley__Common__V1__EventMeta);
	if (!m)
		return NULL;
	parley__common__v1__event_meta__init(m);
	m->event_id = pl_arena_strdup(a, event_id);
	m->time = rpc_ts(a, cc_now(cc));
	m->node = cc_str(bus_node(cc->app->bus));
	m->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	return m->event_id && m->time ? m : NULL;
}

static void on_stored(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	struct cc *cc = arg;
	if (!err)
		return;
	obs_add(cc->m.emit_failed, 1);
	log_error("event.failed", LOG_WHY(why));
}

struct emit {
	struct cc_call *k;
	const struct call_effect *e;
	struct pl_arena *a;
	Parley__Common__V1__EventMeta *meta;
};

static void out(const struct emit *x, const char *entity, const ProtobufCMessage *m)
{
	char subject[96];
	snprintf(subject, sizeof(subject), "ev.%s.%s", call_ledger_name(x->e->event), entity);
	if (rpc_emit(x->k->cc->app->bus, subject, x->meta->event_id, m, on_stored, x->k->cc) == PL_OK)
		return;
	obs_add(x->k->cc->m.emit_failed, 1);
	log_error("event.refused", LOG_S("subject", subject));
}

/* BODY(type in capitals, type) declares `m` of this type with its meta set. */
#define BODY(T, t)                                                                                                     \
	Parley__Voice__V1__##T m = PARLEY__VOICE__V1__##t##__INIT;                                                     \
	m.meta = x->meta

static void emit_started(const struct emit *x)
{
	const struct call *c = &x->k->c;
	BODY(CallStarted, CALL_STARTED);
	m.direction = (Parley__Common__V1__Direction)c->direction; /* the same numbers */
	m.from_number = cc_str(c->from);
	m.from_name = cc_str(c->from_name);
	m.to_number = cc_str(c->to);
	m.source_id = cc_str(c->source_id);
	m.sip_call_id = cc_str(x->e->text);
	out(x, c->id, &m.base);
}

static void emit_ringing(const struct emit *x)
{
	BODY(AgentRinging, AGENT_RINGING);
	m.leg_id = cc_str(x->e->leg_id);
	m.device = cc_str(x->e->text);
	out(x, x->k->c.id, &m.base);
}

static void emit_connected(const struct emit *x)
{
	BODY(AgentConnected, AGENT_CONNECTED);
	m.leg_id = cc_str(x->e->leg_id);
	m.recording_id = cc_str(x->e->id);
	out(x, x->k->c.id, &m.base);
}

static void emit_disconnected(const struct emit *x)
{
	BODY(AgentDisconnected, AGENT_DISCONNECTED);
	m.leg_id = cc_str(x->e->leg_id);
	m.reason = cc_str(x->e->text);
	m.talk_ms = x->e->ms;
	m.held_ms = x->e->ms2;
	out(x, x->k->c.id, &m.base);
}

static void emit_ended(const struct emit *x)
{
	BODY(CallEnded, CALL_ENDED);
	m.ended_by = cc_str(x->e->text);
	m.cause = cc_str(x->e->text2);
	m.sip_status = x->e->status;
	m.duration_ms = x->e->ms;
	m.mos = x->e->mos;
	m.loss_pct = x->e->loss_pct;
	out(x, x->k->c.id, &m.base);
}

static void emit_expected(const struct emit *x)
{
	const struct call *c = &x->k->c;
	recording_t r = PARLEY__VOICE__V1__RECORDING__INIT;
	BODY(RecordingExpected, RECORDING_EXPECTED);
	r.id = cc_str(x->e->id);
	r.interaction_id = cc_str(c->id);
	r.agent_id = cc_str(x->e->agent);
	r.queue_id = cc_str(x->e->queue);
	r.status = PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_EXPECTED;
	r.started_at = rpc_ts(x->a, c->recorded_us);
	r.media_node = cc_str(c->media);
	m.recording = &r;
	recordings_note(x->k->cc->recs, x->e->id, c->id, x->e->agent, x->e->queue);
	out(x, x->e->id, &m.base);
}

static void emit_stopped(const struct emit *x)
{
	static const char *const kinds[MARK_KIND_N] = { "hold", "resume", "pause", "unpause" };
	const struct call *c = &x->k->c;
	Parley__Voice__V1__RecordingMark marks[CALL_MARKS], *list[CALL_MARKS];
	BODY(RecordingStopped, RECORDING_STOPPED);
	for (size_t i = 0; i < c->n_marks; i++) {
		parley__voice__v1__recording_mark__init(&marks[i]);
		marks[i].offset_ms = c->marks[i].offset_ms;
		marks[i].kind = cc_str(kinds[PL_MIN(c->marks[i].kind, MARK_KIND_N - 1u)]);
		list[i] = &marks[i];
	}
	m.recording_id = cc_str(x->e->id);
	m.marks = list;
	m.n_marks = c->n_marks;
	out(x, x->e->id, &m.base);
}

static void emit_small(const struct emit *x)
{
	const char *id = x->k->c.id;
	switch (x->e->event) {
	case LEDGER_ANSWERED: {
		BODY(CallAnswered, CALL_ANSWERED);
		out(x, id, &m.base);
		break;
	}
	case LEDGER_HELD: {
		BODY(CallHeld, CALL_HELD);
		out(x, id, &m.base);
		break;
	}
	case LEDGER_RESUMED: {
		BODY(CallResumed, CALL_RESUMED);
		m.held_ms = x->e->ms2;
		out(x, id, &m.base);
		break;
	}
	case LEDGER_TRANSFERRED: {
		BODY(CallTransferred, CALL_TRANSFERRED);
		m.target_kind = cc_str(x->e->text);
		m.target = cc_str(x->e->text2);
		out(x, id, &m.base);
		break;
	}
	case LEDGER_DIALLED: {
		BODY(CallDialled, CALL_DIALLED);
		m.target = cc_str(x->e->text);
		m.status = x->e->status;
		out(x, id, &m.base);
		break;
	}
	default: {
		BODY(RecordingPaused, RECORDING_PAUSED);
		m.recording_id = cc_str(x->e->id);
		m.paused = x->e->flag;
		out(x, x->e->id, &m.base);
	}
	}
}

void fx_do_emit(struct cc_call *k, const struct call_effect *e)
{
	static void (*const verbs[CALL_LEDGER_N])(const struct emit *) = {
		[LEDGER_STARTED] = emit_started,
		[LEDGER_AGENT_RINGING] = emit_ringing,
		[LEDGER_AGENT_CONNECTED] = emit_connected,
		[LEDGER_AGENT_DISCONNECTED] = emit_disconnected,
		[LEDGER_ENDED] = emit_ended,
		[LEDGER_RECORDING_EXPECTED] = emit_expected,
		[LEDGER_RECORDING_STOPPED] = emit_stopped,
	};
	char event_id[CALL_ID];
	struct emit x = { k, e, pl_loop_tmp(k->cc->app->loop), NULL };
	call_derive_id(k->c.id, (char)('A' + e->event), e->n, event_id);
	x.meta = cc_meta(k->cc, x.a, event_id);
	if (!x.meta) {
		obs_add(k->cc->m.emit_failed, 1);
		return;
	}
	x.meta->interaction_id = k->c.id;
	x.meta->agent_id = cc_str(e->agent);
	x.meta->queue_id = cc_str(e->queue);
	if (verbs[e->event])
		verbs[e->event](&x);
	else
		emit_small(&x);
}
