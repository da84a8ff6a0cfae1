/* One Apply per step: the room's operations in order, and what it answers. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define APPLY_MS 3000

typedef Parley__Media__V1__Operation op_t;
typedef Parley__Media__V1__Source source_t;
#define OP(k) PARLEY__MEDIA__V1__OPERATION__OP_##k
#define SRC(k) PARLEY__MEDIA__V1__SOURCE__SOURCE_##k

struct media_ask {
	struct cc *cc;
	char id[CALL_ID], node[CALL_NODE];
	uint32_t req;
	int stats_at; /* operation that destroyed the customer's endpoint; -1 */
	size_t n;
	struct {
		size_t at;
		char ep[CALL_ID];
	} sdps[CALL_RESULTS];
};

static source_t *source(struct pl_arena *a, const struct call_source *s)
{
	source_t *m = PL_NEW(a, source_t);
	if (!m)
		return NULL;
	parley__media__v1__source__init(m);
	switch (s->kind) {
	case SOURCE_FILE:
		m->source_case = SRC(FILE);
		m->file = cc_str(s->text);
		break;
	case SOURCE_FOLDER:
		m->source_case = SRC(FOLDER);
		m->folder = cc_str(s->text);
		break;
	case SOURCE_SILENCE:
		m->source_case = SRC(SILENCE_MS);
		m->silence_ms = s->a;
		break;
	case SOURCE_SAY:
		m->source_case = SRC(SAY);
		m->say = PL_NEW(a, Parley__Media__V1__Say);
		if (!m->say)
			return NULL;
		parley__media__v1__say__init(m->say);
		m->say->text = cc_str(s->text);
		m->say->language = cc_str(s->language);
		break;
	case SOURCE_TONE:
		m->source_case = SRC(TONE);
		m->tone = PL_NEW(a, Parley__Media__V1__Tone);
		if (!m->tone)
			return NULL;
		parley__media__v1__tone__init(m->tone);
		m->tone->hz1 = s->a;
		m->tone->hz2 = s->b;
		m->tone->on_ms = s->c;
		m->tone->off_ms = s->d;
		break;
	}
	return m;
}

static char **one(struct pl_arena *a, const char *id)
{
	char **list = pl_arena_alloc(a, sizeof(*list));
	if (list)
		list[0] = cc_str(id);
	return list;
}

static char *player_id(struct pl_arena *a, uint32_t n)
{
	return pl_arena_printf(a, "p%u", n);
}

static void play(struct pl_arena *a, const struct call_op *op, op_t *m)
{
	Parley__Media__V1__Play *p = m->play = PL_NEW(a, Parley__Media__V1__Play);
	struct call_source s;
	size_t n = 0;
	if (!p)
		return;
	parley__media__v1__play__init(p);
	for (size_t at = 0; source_next(op->sources, op->sources_len, &at, &s);)
		n++;
	p->player_id = player_id(a, op->player);
	p->endpoint_ids = one(a, op->ep);
	p->n_endpoint_ids = p->endpoint_ids ? 1 : 0;
	p->sources = pl_arena_alloc(a, (n + 1) * sizeof(*p->sources));
	for (size_t at = 0; p->sources && source_next(op->sources, op->sources_len, &at, &s);)
		if ((p->sources[p->n_sources] = source(a, &s)))
			p->n_sources++;
	p->loop = op->loop;
	p->stop_on_digit = op->stop_on_digit;
	p->exclusive = true;
	p->offset_ms = op->offset_ms;
}

#define MAKE(field, type, init)                                                                                        \
	do {                                                                                                           \
		m->field = PL_NEW(a, type);                                                                            \
		if (!m->field)                                                                                         \
			return false;                                                                                  \
		init(m->field);                                                                                        \
	} while (0)

static bool room_op(struct pl_arena *a, const struct call_op *op, op_t *m)
{
	switch (op->kind) {
	case OP_RECORD:
		m->op_case = OP(START_RECORDING);
		MAKE(start_recording, Parley__Media__V1__StartRecording, parley__media__v1__start_recording__init);
		m->start_recording->recording_id = cc_str(op->id);
		m->start_recording->left_endpoint_ids = one(a, op->ep);
		m->start_recording->right_endpoint_ids = one(a, op->hears);
		m->start_recording->n_left_endpoint_ids = m->start_recording->n_right_endpoint_ids = 1;
		return m->start_recording->left_endpoint_ids && m->start_recording->right_endpoint_ids;
	case OP_PAUSE_RECORDING:
		m->op_case = OP(PAUSE_RECORDING);
		MAKE(pause_recording, Parley__Media__V1__PauseRecording, parley__media__v1__pause_recording__init);
		m->pause_recording->recording_id = cc_str(op->id);
		m->pause_recording->paused = op->on;
		m->pause_recording->reason = cc_str(op->on ? "agent" : "");
		return true;
	case OP_STOP_RECORDING:
		m->op_case = OP(STOP_RECORDING);
		MAKE(stop_recording, Parley__Media__V1__StopRecording, parley__media__v1__stop_recording__init);
		m->stop_recording->recording_id = cc_str(op->id);
		return true;
	case OP_DESTROY:
		m->op_case = OP(DESTROY_ENDPOINT);
		MAKE(destroy_endpoint, Parley__Media__V1__DestroyEndpoint, parley__media__v1__destroy_endpoint__init);
		m->destroy_endpoint->endpoint_id = cc_str(op->ep);
		return true;
	case OP_DESTROY_ROOM:
		m->op_case = OP(DESTROY_ROOM);
		MAKE(destroy_room, Parley__Media__V1__DestroyRoom, parley__media__v1__destroy_room__init);
		return true;
	default:
		m->op_case = OP(SEND_DIGITS);
		MAKE(send_digits, Parley__Media__V1__SendDigits, parley__media__v1__send_digits__init);
		m->send_digits->endpoint_id = cc_str(op->ep);
		m->send_digits->digits = cc_str(op->digits);
		return true;
	}
}

static bool operation(struct pl_arena *a, const struct call_op *op, op_t *m)
{
	switch (op->kind) {
	case OP_CREATE:
		m->op_case = OP(CREATE_ENDPOINT);
		MAKE(create_endpoint, Parley__Media__V1__CreateEndpoint, parley__media__v1__create_endpoint__init);
		m->create_endpoint->endpoint_id = cc_str(op->ep);
		m->create_endpoint->kind = op->browser ? PARLEY__MEDIA__V1__ENDPOINT_KIND__ENDPOINT_KIND_WEBRTC
						       : PARLEY__MEDIA__V1__ENDPOINT_KIND__ENDPOINT_KIND_SIP;
		m->create_endpoint->remote_sdp = cc_str(op->sdp);
		return true;
	case OP_SET_REMOTE:
		m->op_case = OP(SET_REMOTE);
		MAKE(set_remote, Parley__Media__V1__SetRemote, parley__media__v1__set_remote__init);
		m->set_remote->endpoint_id = cc_str(op->ep);
		m->set_remote->remote_sdp = cc_str(op->sdp);
		m->set_remote->is_offer = op->offer;
		return true;
	case OP_MIX:
		m->op_case = OP(MIX);
		MAKE(mix, Parley__Media__V1__Mix, parley__media__v1__mix__init);
		m->mix->endpoint_id = cc_str(op->ep);
		m->mix->hears = one(a, op->hears);
		m->mix->n_hears = *op->hears ? 1 : 0;
		return m->mix->hears != NULL;
	case OP_PLAY:
		m->op_case = OP(PLAY);
		play(a, op, m);
		return m->play != NULL;
	case OP_STOP_PLAY:
		m->op_case = OP(STOP_PLAY);
		MAKE(stop_play, Parley__Media__V1__StopPlay, parley__media__v1__stop_play__init);
		m->stop_play->player_id = player_id(a, op->player);
		return true;
	default:
		return room_op(a, op, m);
	}
}

static void take_results(const struct media_ask *k, const Parley__Media__V1__ApplyResponse *m, struct ev_result *r)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->sdps[i].at < m->n_results)
			r->sdps[r->n++] = (struct ev_sdp){ k->sdps[i].ep, m->results[k->sdps[i].at]->sdp };
	if (k->stats_at < 0 || (size_t)k->stats_at >= m->n_results || !m->results[k->stats_at]->stats)
		return;
	const Parley__Media__V1__EndpointStats *s = m->results[k->stats_at]->stats;
	uint64_t all = s->packets_in + s->lost_in;
	r->mos = s->mos;
	r->loss_pct = all ? 100.0 * (double)s->lost_in / (double)all : 0;
}

static void on_applied(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct media_ask *a = arg;
	struct cc_call *k = cc_call_find(a->cc, a->id);
	struct call_event ev = { .kind = CALL_EV_MEDIA_RESULT };
	ev.result = (struct ev_result){ .req = a->req, .err = err, .why = err ? why->text : "" };
	if (err)
		log_warn("media.apply-failed", LOG_S("call", a->id), LOG_S("node", a->node), LOG_WHY(why));
	else
		take_results(a, (const Parley__Media__V1__ApplyResponse *)(const void *)out, &ev.result);
	if (k)
		(void)!cc_step(k, &ev);
	free(a);
}

static struct media_ask *ask_new(struct cc_call *k, const struct call_fx *fx)
{
	struct media_ask *a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->cc = k->cc;
	a->req = fx->req;
	a->stats_at = -1;
	pl_strlcpy(a->id, k->c.id, sizeof(a->id));
	pl_strlcpy(a->node, fx->media, sizeof(a->node));
	for (size_t i = 0; i < fx->n_ops; i++) {
		const struct call_op *op = &fx->ops[i];
		bool sdp = op->kind == OP_CREATE || (op->kind == OP_SET_REMOTE && op->offer);
		if (sdp && a->n < CALL_RESULTS) {
			a->sdps[a->n].at = i;
			pl_strlcpy(a->sdps[a->n++].ep, op->ep, CALL_ID);
		}
		if (op->kind == OP_DESTROY && pl_streq(op->ep, k->c.legs[0].id))
			a->stats_at = (int)i;
	}
	return a;
}

void fx_do_media(struct cc_call *k, const struct call_fx *fx)
{
	struct pl_arena *tmp = pl_loop_tmp(k->cc->app->loop);
	Parley__Media__V1__ApplyRequest m = PARLEY__MEDIA__V1__APPLY_REQUEST__INIT;
	struct pl_why why = { 0 };
	m.room_id = k->c.id;
	m.owner = cc_str(bus_node(k->cc->app->bus));
	m.operations = pl_arena_alloc(tmp, (fx->n_ops + 1) * sizeof(*m.operations));
	op_t *ops = pl_arena_alloc(tmp, (fx->n_ops + 1) * sizeof(*ops));
	struct media_ask *a = ask_new(k, fx);
	bool ok = m.operations && ops && a;
	for (size_t i = 0; ok && i < fx->n_ops; i++) {
		parley__media__v1__operation__init(&ops[i]);
		m.operations[m.n_operations++] = &ops[i];
		ok = operation(tmp, &fx->ops[i], &ops[i]);
	}
	struct rpc_to to = { &parley__media__v1__media_internal_service__descriptor, "Apply", fx->media, NULL,
			     APPLY_MS };
	obs_add(k->cc->m.asks, 1);
	if (ok && rpc_ask(k->cc->app->bus, &to, &m.base, on_applied, a, &why))
		return;
	log_warn("media.apply-not-sent", LOG_S("call", k->c.id), LOG_WHY(&why));
	k->media_failed = fx->req;
	free(a);
}
