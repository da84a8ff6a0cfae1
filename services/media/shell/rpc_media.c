/* MediaInternalService and MediaEvents: protobuf to plain operations and back. */
#include <parley/log.h>
#include <parley/media/v1/media.pb-c.h>
#include <stdio.h>

#include "service.h"

typedef Parley__Media__V1__Operation Operation;

static const char **ids_of(char **ids, size_t n)
{
	return (const char **)(void *)ids; /* the same pointers, promised not to be changed */
}

static enum pl_err too_many(struct pl_why *why, const char *field, size_t max)
{
	return pl_why_field(why, PL_E_FULL, field, "at most %zu", max);
}

static enum pl_err take_create(const Parley__Media__V1__CreateEndpoint *p, struct op *op, struct pl_why *why)
{
	op->kind = OP_CREATE_ENDPOINT;
	op->id = p->endpoint_id;
	op->sdp = p->remote_sdp;
	op->webrtc = p->kind == PARLEY__MEDIA__V1__ENDPOINT_KIND__ENDPOINT_KIND_WEBRTC;
	if (!op->webrtc && p->kind != PARLEY__MEDIA__V1__ENDPOINT_KIND__ENDPOINT_KIND_SIP)
		return pl_why_field(why, PL_E_FORMAT, "create_endpoint.kind", "must be SIP or WEBRTC");
	for (size_t i = 0; i < p->n_codecs; i++) {
		enum codec c = codec_find(p->codecs[i], strlen(p->codecs[i]));
		if (c == CODEC_NONE || op->n_codecs == CODEC_N)
			return pl_why_field(why, PL_E_FORMAT, "create_endpoint.codecs",
					    "must be some of PCMA, PCMU, opus");
		op->codecs[op->n_codecs++] = c;
	}
	return PL_OK;
}

static enum pl_err take_source(const Parley__Media__V1__Source *p, struct source *s, struct pl_why *why)
{
	switch (p->source_case) {
	case PARLEY__MEDIA__V1__SOURCE__SOURCE_FILE:
		*s = (struct source){ .kind = SOURCE_FILE, .text = p->file };
		break;
	case PARLEY__MEDIA__V1__SOURCE__SOURCE_FOLDER:
		*s = (struct source){ .kind = SOURCE_FOLDER, .text = p->folder };
		break;
	case PARLEY__MEDIA__V1__SOURCE__SOURCE_SAY:
		*s = (struct source){ .kind = SOURCE_SAY, .text = p->say->text, .language = p->say->language };
		break;
	case PARLEY__MEDIA__V1__SOURCE__SOURCE_SILENCE_MS:
		*s = (struct source){ .kind = SOURCE_SILENCE, .on_ms = p->silence_ms };
		break;
	case PARLEY__MEDIA__V1__SOURCE__SOURCE_TONE:
		*s = (struct source){ .kind = SOURCE_TONE,
				      .hz1 = p->tone->hz1,
				      .hz2 = p->tone->hz2,
				      .on_ms = p->tone->on_ms,
				      .off_ms = p->tone->off_ms };
		break;
	default:
		return pl_why_field(why, PL_E_FORMAT, "play.sources", "an empty source");
	}
	return PL_OK;
}

static enum pl_err take_play(const Parley__Media__V1__Play *p, struct op *op, struct pl_arena *a, struct pl_why *why)
{
	if (p->n_sources == 0 || p->n_sources > OP_SOURCES_MAX)
		return too_many(why, "play.sources", OP_SOURCES_MAX);
	if (p->n_endpoint_ids > OP_IDS_MAX)
		return too_many(why, "play.endpoint_ids", OP_IDS_MAX);
	*op = (struct op){ .kind = OP_PLAY,
			   .id = p->player_id,
			   .ids = ids_of(p->endpoint_ids, p->n_endpoint_ids),
			   .n_ids = p->n_endpoint_ids,
			   .loop = p->loop,
			   .stop_on_digit = p->stop_on_digit,
			   .exclusive = p->exclusive,
			   .offset_ms = p->offset_ms,
			   .n_sources = p->n_sources };
	op->sources = pl_arena_alloc(a, p->n_sources * sizeof(*op->sources));
	enum pl_err err = op->sources ? PL_OK : PL_E_NOMEM;
	for (size_t i = 0; i < p->n_sources && !err; i++)
		err = take_source(p->sources[i], &op->sources[i], why);
	return err;
}

static enum pl_err take_record(const Parley__Media__V1__StartRecording *p, struct op *op, struct pl_why *why)
{
	if (p->n_left_endpoint_ids > OP_IDS_MAX || p->n_right_endpoint_ids > OP_IDS_MAX)
		return too_many(why, "start_recording", OP_IDS_MAX);
	*op = (struct op){ .kind = OP_START_RECORDING,
			   .id = p->recording_id,
			   .ids = ids_of(p->left_endpoint_ids, p->n_left_endpoint_ids),
			   .n_ids = p->n_left_endpoint_ids,
			   .right_ids = ids_of(p->right_endpoint_ids, p->n_right_endpoint_ids),
			   .n_right = p->n_right_endpoint_ids };
	return PL_OK;
}

#define IS(what) PARLEY__MEDIA__V1__OPERATION__OP_##what
static enum pl_err take_op(const Operation *p, struct op *op, struct pl_arena *a, struct pl_why *why)
{
	switch (p->op_case) {
	case IS(CREATE_ENDPOINT):
		return take_create(p->create_endpoint, op, why);
	case IS(SET_REMOTE):
		*op = (struct op){ .kind = OP_SET_REMOTE,
				   .id = p->set_remote->endpoint_id,
				   .sdp = p->set_remote->remote_sdp,
				   .is_offer = p->set_remote->is_offer };
		return PL_OK;
	case IS(MIX):
		*op = (struct op){ .kind = OP_MIX,
				   .id = p->mix->endpoint_id,
				   .ids = ids_of(p->mix->hears, p->mix->n_hears),
				   .n_ids = p->mix->n_hears };
		return p->mix->n_hears > OP_IDS_MAX ? too_many(why, "mix.hears", OP_IDS_MAX) : PL_OK;
	case IS(PLAY):
		return take_play(p->play, op, a, why);
	case IS(STOP_PLAY):
		*op = (struct op){ .kind = OP_STOP_PLAY, .id = p->stop_play->player_id };
		return PL_OK;
	case IS(START_RECORDING):
		return take_record(p->start_recording, op, why);
	case IS(PAUSE_RECORDING):
		*op = (struct op){ .kind = OP_PAUSE_RECORDING,
				   .id = p->pause_recording->recording_id,
				   .paused = p->pause_recording->paused,
				   .text = p->pause_recording->reason };
		return PL_OK;
	case IS(STOP_RECORDING):
		*op = (struct op){ .kind = OP_STOP_RECORDING, .id = p->stop_recording->recording_id };
		return PL_OK;
	case IS(DESTROY_ENDPOINT):
		*op = (struct op){ .kind = OP_DESTROY_ENDPOINT, .id = p->destroy_endpoint->endpoint_id };
		return PL_OK;
	case IS(DESTROY_ROOM):
		op->kind = OP_DESTROY_ROOM;
		return PL_OK;
	case IS(SEND_DIGITS):
		*op = (struct op){ .kind = OP_SEND_DIGITS,
				   .id = p->send_digits->endpoint_id,
				   .text = p->send_digits->digits };
		return PL_OK;
	default:
		return pl_why_field(why, PL_E_FORMAT, "operations", "an operation that this node does not know");
	}
}

/* --- answers --- */
static Parley__Media__V1__EndpointStats *put_stats(const struct ep_stats *s, struct pl_arena *a)
{
	Parley__Media__V1__EndpointStats *p = PL_NEW(a, Parley__Media__V1__EndpointStats);
	if (!p)
		return NULL;
	parley__media__v1__endpoint_stats__init(p);
	p->packets_in = s->packets_in;
	p->packets_out = s->packets_out;
	p->bytes_in = s->bytes_in;
	p->bytes_out = s->bytes_out;
	p->lost_in = s->lost_in;
	p->jitter_ms = s->jitter_ms;
	p->rtt_ms = s->rtt_ms;
	p->mos = s->mos;
	p->codec = pl_arena_strdup(a, s->codec);
	return p->codec ? p : NULL;
}

static Parley__Media__V1__OperationResult *put_result(const struct op_result *r, struct pl_arena *a)
{
	Parley__Media__V1__OperationResult *p = PL_NEW(a, Parley__Media__V1__OperationResult);
	if (!p)
		return NULL;
	parley__media__v1__operation_result__init(p);
	if (r->sdp)
		p->sdp = (char *)(uintptr_t)r->sdp;
	if (r->has_stats && !(p->stats = put_stats(&r->stats, a)))
		return NULL;
	return p;
}

static void apply_done(struct job *j)
{
	struct rpc_call *c = j->arg;
	struct media *m = c->arg;
	Parley__Media__V1__ApplyResponse out = PARLEY__MEDIA__V1__APPLY_RESPONSE__INIT;
	if (j->err) {
		j->why.err = j->err;
		rpc_fail(c, j->err, &j->why);
		return;
	}
	out.node = m->app->cfg.node;
	out.results = pl_arena_alloc(c->arena, (j->n_ops + 1) * sizeof(*out.results));
	bool ok = out.results != NULL;
	for (; ok && out.n_results < j->n_ops; out.n_results++)
		ok = (out.results[out.n_results] = put_result(&j->results[out.n_results], c->arena)) != NULL;
	if (ok)
		rpc_reply(c, &out.base);
	else
		rpc_fail(c, PL_E_NOMEM, NULL);
}

static void apply(struct rpc_call *c)
{
	const Parley__Media__V1__ApplyRequest *in = (const void *)c->in;
	struct media *m = c->arg;
	struct pl_why why = { 0 };
	struct job *j = PL_NEW(c->arena, struct job);
	struct op *ops = pl_arena_alloc(c->arena, (in->n_operations + 1) * sizeof(*ops));
	enum pl_err err = rpc_need(&c->actor, RPC_SERVICE, &why);
	if (!err && (!j || !ops))
		err = pl_why_set(&why, PL_E_NOMEM, "memory is out");
	if (!err && in->n_operations > 64)
		err = too_many(&why, "operations", 64);
	for (size_t i = 0; i < in->n_operations && !err; i++)
		err = take_op(in->operations[i], &ops[i], c->arena, &why);
	if (err) {
		rpc_fail(c, err, &why);
		return;
	}
	*j = (struct job){ .room_id = in->room_id,
			   .owner = in->owner,
			   .ops = ops,
			   .n_ops = in->n_operations,
			   .arena = c->arena,
			   .done = apply_done,
			   .arg = c };
	core_apply(m->core, j);
}

struct unknown {
	Parley__Media__V1__KeepRoomsResponse out;
};

static void note_unknown(void *arg, const char *id)
{
	struct unknown *u = arg;
	u->out.unknown_room_ids[u->out.n_unknown_room_ids++] = (char *)(uintptr_t)id;
}

static void keep_rooms(struct rpc_call *c)
{
	const Parley__Media__V1__KeepRoomsRequest *in = (const void *)c->in;
	struct media *m = c->arg;
	struct pl_why why = { 0 };
	struct unknown u = { PARLEY__MEDIA__V1__KEEP_ROOMS_RESPONSE__INIT };
	enum pl_err err = rpc_need(&c->actor, RPC_SERVICE, &why);
	if (!err && pl_empty(in->owner))
		err = pl_why_field(&why, PL_E_FORMAT, "owner", "must not be empty");
	u.out.unknown_room_ids = pl_arena_alloc(c->arena, (in->n_room_ids + 1) * sizeof(char *));
	if (!err && !u.out.unknown_room_ids)
		err = pl_why_set(&why, PL_E_NOMEM, "memory is out");
	if (err) {
		rpc_fail(c, err, &why);
		return;
	}
	core_keep_rooms(m->core, in->owner, (const char *const *)in->room_ids, in->n_room_ids, note_unknown, &u);
	rpc_reply(c, &u.out.base);
}

enum pl_err media_serve(struct media *m, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "Apply", apply }, { "KeepRooms", keep_rooms }, { NULL, NULL } };
	return rpc_serve_node(m->app->bus, &parley__media__v1__media_internal_service__descriptor, entries, m, why);
}

/* --- events --- */
union body {
	Parley__Media__V1__Digit digit;
	Parley__Media__V1__PlayDone play;
	Parley__Media__V1__RecordingDone rec;
	Parley__Media__V1__EndpointState state;
};

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void put_recording(Parley__Media__V1__RecordingDone *p, const struct event *ev, struct pl_arena *tmp)
{
	parley__media__v1__recording_done__init(p);
	p->recording_id = text(ev->id);
	p->verified = ev->verified;
	p->error = text(ev->error);
	p->path = text(ev->path);
	p->sha256 = text(ev->sha256);
	p->duration_ms = ev->ms;
	p->bytes = ev->bytes;
	p->packets_left = ev->packets_left;
	p->packets_right = ev->packets_right;
	p->started_at = rpc_ts(tmp, ev->started_us);
}

static void put_body(Parley__Media__V1__MediaEvent *out, union body *b, const struct event *ev, char digit[2],
		     struct pl_arena *tmp)
{
	switch (ev->kind) {
	case EVENT_DIGIT:
		parley__media__v1__digit__init(&b->digit);
		b->digit.endpoint_id = text(ev->id);
		digit[0] = ev->digit;
		b->digit.digit = digit;
		b->digit.duration_ms = (uint32_t)ev->ms;
		out->digit = &b->digit;
		out->event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_DIGIT;
		break;
	case EVENT_PLAY_DONE:
		parley__media__v1__play_done__init(&b->play);
		b->play.player_id = text(ev->id);
		b->play.reason = text(ev->reason);
		b->play.error = text(ev->error);
		b->play.played_ms = ev->ms;
		out->play_done = &b->play;
		out->event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_PLAY_DONE;
		break;
	case EVENT_RECORDING_DONE:
		put_recording(&b->rec, ev, tmp);
		out->recording_done = &b->rec;
		out->event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_RECORDING_DONE;
		break;
	case EVENT_ENDPOINT_STATE:
		parley__media__v1__endpoint_state__init(&b->state);
		b->state.endpoint_id = text(ev->id);
		b->state.kind = (Parley__Media__V1__EndpointStateKind)ev->state;
		b->state.stats = put_stats(&ev->stats, tmp);
		out->endpoint_state = &b->state;
		out->event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_ENDPOINT_STATE;
		break;
	}
}

void media_send_event(void *arg, const struct event *ev)
{
	struct media *m = arg;
	struct pl_arena *tmp = pl_loop_tmp(m->app->loop);
	Parley__Media__V1__MediaEvent out = PARLEY__MEDIA__V1__MEDIA_EVENT__INIT;
	union body body;
	char digit[2] = "", subject[128];
	if (!ev->owner[0])
		return;
	out.room_id = text(ev->room_id);
	out.media_node = m->app->cfg.node;
	out.seq = ev->seq;
	out.time = rpc_ts(tmp, ev->wall_us);
	put_body(&out, &body, ev, digit, tmp);
	snprintf(subject, sizeof(subject), "node.%s.MediaEvents", ev->owner);
	enum pl_err err = rpc_send(m->app->bus, subject, &out.base);
	if (err)
		log_warn("event.not-sent", LOG_S("subject", subject), LOG_S("room", ev->room_id),
			 LOG_S("err", pl_err_name(err)));
}
