/* Steps of the flow: asked of the node that answered last, then of any. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define STEP_MS 5000

typedef Parley__Flow__V1__StepRequest step_t;
#define EV(k) PARLEY__FLOW__V1__STEP_REQUEST__EVENT_##k
#define ACT(k) PARLEY__FLOW__V1__ACTION__ACTION_##k

struct flow_ask {
	struct cc *cc;
	char id[CALL_ID];
	uint32_t seq;
	bool again;      /* any copy has been asked */
	uint8_t *packed; /* the request, to ask it again */
	size_t len;
};

static void ask_free(struct flow_ask *a)
{
	free(a->packed);
	free(a);
}

/* --- the answer --- */

static struct flow_source_list sources(struct pl_arena *a, Parley__Media__V1__Source **in, size_t n)
{
	struct call_source *out = pl_arena_alloc(a, (n + 1) * sizeof(*out));
	struct flow_source_list r = { out, 0 };
	for (size_t i = 0; out && i < n; i++) {
		const Parley__Media__V1__Source *m = in[i];
		struct call_source *s = &out[r.n++];
		switch (m->source_case) {
		case PARLEY__MEDIA__V1__SOURCE__SOURCE_FILE:
			*s = (struct call_source){ .kind = SOURCE_FILE, .text = m->file };
			break;
		case PARLEY__MEDIA__V1__SOURCE__SOURCE_FOLDER:
			*s = (struct call_source){ .kind = SOURCE_FOLDER, .text = m->folder };
			break;
		case PARLEY__MEDIA__V1__SOURCE__SOURCE_SAY:
			*s = (struct call_source){ .kind = SOURCE_SAY,
						   .text = m->say->text,
						   .language = m->say->language };
			break;
		case PARLEY__MEDIA__V1__SOURCE__SOURCE_SILENCE_MS:
			*s = (struct call_source){ .kind = SOURCE_SILENCE, .a = m->silence_ms };
			break;
		case PARLEY__MEDIA__V1__SOURCE__SOURCE_TONE:
			*s = (struct call_source){ .kind = SOURCE_TONE,
						   .a = m->tone->hz1,
						   .b = m->tone->hz2,
						   .c = m->tone->on_ms,
						   .d = m->tone->off_ms };
			break;
		default:
			r.n--;
		}
	}
	return r;
}

static void queue_action(struct pl_arena *a, const Parley__Flow__V1__WaitInQueueAction *q, struct flow_action *out)
{
	*out = (struct flow_action){ .kind = ACT_QUEUE,
				     .sources = sources(a, q->music, q->n_music),
				     .greeting = sources(a, q->greeting, q->n_greeting),
				     .announcement = sources(a, q->announcement, q->n_announcement),
				     .language = q->language,
				     .exit_key = q->exit_key,
				     .every_ms = q->announce_every_ms,
				     .position = q->announce_position,
				     .record = q->record,
				     .dest = { .kind = DEST_QUEUE, .id = q->queue_id, .name = q->queue_name } };
}

static void dial_action(struct cc *cc, struct pl_arena *a, const Parley__Flow__V1__DialAction *d,
			struct flow_action *out)
{
	*out = (struct flow_action){ .kind = ACT_DIAL, .ring_ms = d->ring_timeout_ms };
	if (!pl_empty(d->uri))
		out->dest = (struct call_dest){ .kind = DEST_URI, .id = d->uri };
	else
		out->dest = refs_resolve(cc->names, d->number, a);
}

static void action(struct cc *cc, struct pl_arena *a, const Parley__Flow__V1__Action *m, struct flow_action *out)
{
	*out = (struct flow_action){ .kind = ACT_NONE };
	switch (m->action_case) {
	case ACT(ANSWER):
		out->kind = ACT_ANSWER;
		break;
	case ACT(PLAY):
		out->kind = ACT_PLAY;
		out->sources = sources(a, m->play->sources, m->play->n_sources);
		break;
	case ACT(COLLECT):
		*out = (struct flow_action){ .kind = ACT_COLLECT,
					     .sources = sources(a, m->collect->sources, m->collect->n_sources),
					     .max_digits = m->collect->max_digits,
					     .terminator = m->collect->terminator,
					     .first_ms = m->collect->first_timeout_ms,
					     .inter_ms = m->collect->inter_digit_timeout_ms };
		break;
	case ACT(WAIT_IN_QUEUE):
		queue_action(a, m->wait_in_queue, out);
		break;
	case ACT(HANGUP):
		out->kind = ACT_HANGUP;
		out->status = m->hangup->status;
		break;
	case ACT(DIAL):
		dial_action(cc, a, m->dial, out);
		break;
	default:
		break;
	}
}

static void answered(struct cc_call *k, uint32_t seq, enum pl_err err, const Parley__Flow__V1__StepResponse *m)
{
	struct pl_arena *a = pl_loop_tmp(k->cc->app->loop);
	struct call_event ev = { .kind = CALL_EV_FLOW };
	ev.flow = (struct ev_flow){ .seq = seq, .err = err };
	if (!err) {
		struct flow_action *acts = pl_arena_alloc(a, (m->n_actions + 1) * sizeof(*acts));
		struct flow_var *vars = pl_arena_alloc(a, (m->n_shown_variables + 1) * sizeof(*vars));
		if (!acts || !vars) {
			ev.flow.err = PL_E_NOMEM;
		} else {
			for (size_t i = 0; i < m->n_actions; i++)
				action(k->cc, a, m->actions[i], &acts[i]);
			for (size_t i = 0; i < m->n_shown_variables; i++)
				vars[i] = (struct flow_var){ m->shown_variables[i]->key, m->shown_variables[i]->value };
			ev.flow.node = m->node;
			ev.flow.actions = acts;
			ev.flow.n_actions = m->n_actions;
			ev.flow.vars = vars;
			ev.flow.n_vars = m->n_shown_variables;
			ev.flow.ended = m->ended;
		}
	}
	(void)!cc_step(k, &ev);
}

/* --- the question --- */

static void on_stepped(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why);

static bool ask(struct flow_ask *a, const char *node, const step_t *m)
{
	struct pl_why why = { 0 };
	struct rpc_to to = { &parley__flow__v1__flow_run_internal_service__descriptor, "Step", node, NULL, STEP_MS };
	obs_add(a->cc->m.asks, 1);
	return rpc_ask(a->cc->app->bus, &to, &m->base, on_stepped, a, &why) != 0;
}

static bool ask_again(struct flow_ask *a)
{
	ProtobufCMessage *m = NULL;
	struct pl_why why = { 0 };
	if (a->again || rpc_unpack(&parley__flow__v1__step_request__descriptor, a->packed, a->len,
				   pl_loop_tmp(a->cc->app->loop), &m, &why))
		return false;
	a->again = true;
	return ask(a, NULL, (const step_t *)(const void *)m);
}

static void on_stepped(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct flow_ask *a = arg;
	if ((err == PL_E_UNAVAIL || err == PL_E_TIMEOUT) && ask_again(a))
		return; /* the same number: what was done already is not done twice */
	struct cc_call *k = cc_call_find(a->cc, a->id);
	uint32_t seq = a->seq;
	if (err)
		log_warn("flow.step-failed", LOG_S("call", a->id), LOG_I("seq", seq), LOG_WHY(why));
	const Parley__Flow__V1__StepResponse *m = (const void *)out;
	if (!k && !err && m->n_actions && m->actions[m->n_actions - 1]->action_case == ACT(WAIT_IN_QUEUE))
		fx_acd_cancel(a->cc, a->id, "abandoned"); /* the flow put a call into the queue that ended meanwhile */
	ask_free(a);
	if (k)
		answered(k, seq, err, m);
}

static void started(struct cc_call *k, const struct call_effect *e, struct pl_arena *a,
		    Parley__Flow__V1__SessionStarted *s)
{
	const Parley__Telephony__V1__LegIncomingRequest *in = e->kv;
	s->flow_id = cc_str(e->id);
	s->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	s->from_number = k->c.from;
	s->from_name = k->c.from_name;
	s->to_number = k->c.to;
	s->time = rpc_ts(a, k->c.started_us);
	if (in) {
		s->n_variables = in->n_headers;
		s->variables = in->headers;
	}
}

static bool fill(struct cc_call *k, const struct call_effect *e, struct pl_arena *a, step_t *m)
{
#define PART(c, f, t, i)                                                                                               \
	do {                                                                                                           \
		m->event_case = EV(c);                                                                                 \
		m->f = PL_NEW(a, t);                                                                                   \
		if (!m->f)                                                                                             \
			return false;                                                                                  \
		i(m->f);                                                                                               \
	} while (0)
	switch (e->step) {
	case STEP_STARTED:
		PART(STARTED, started, Parley__Flow__V1__SessionStarted, parley__flow__v1__session_started__init);
		started(k, e, a, m->started);
		return true;
	case STEP_DIGITS:
		PART(DIGITS, digits, Parley__Flow__V1__DigitsCollected, parley__flow__v1__digits_collected__init);
		m->digits->digits = cc_str(e->text);
		m->digits->timed_out = e->flag;
		return true;
	case STEP_QUEUE_LEFT:
		PART(QUEUE_LEFT, queue_left, Parley__Flow__V1__QueueLeft, parley__flow__v1__queue_left__init);
		m->queue_left->reason = cc_str(e->text);
		if (pl_streq(e->text, "exit-key"))
			m->queue_left->digit = k->c.digits;
		return true;
	case STEP_GONE:
		PART(GONE, gone, Parley__Flow__V1__CustomerGone, parley__flow__v1__customer_gone__init);
		return true;
	case STEP_FAILED:
		PART(FAILED, failed, Parley__Flow__V1__ActionFailed, parley__flow__v1__action_failed__init);
		m->failed->error = cc_str(e->text);
		return true;
	default:
		PART(DONE, done, Parley__Flow__V1__ActionDone, parley__flow__v1__action_done__init);
		return true;
	}
#undef PART
}

void fx_do_flow(struct cc_call *k, const struct call_effect *e)
{
	struct pl_arena *tmp = pl_loop_tmp(k->cc->app->loop);
	step_t m = PARLEY__FLOW__V1__STEP_REQUEST__INIT;
	struct flow_ask *a = calloc(1, sizeof(*a));
	const char *node =
		*k->c.flow_node && bus_find_node(k->cc->app->bus, "flow", k->c.flow_node) ? k->c.flow_node : NULL;
	m.session_id = k->c.id;
	m.seq = e->n;
	bool ok = a && fill(k, e, tmp, &m);
	if (ok) {
		a->cc = k->cc;
		a->seq = e->n;
		a->again = !node;
		pl_strlcpy(a->id, k->c.id, sizeof(a->id));
		a->len = parley__flow__v1__step_request__get_packed_size(&m);
		a->packed = malloc(a->len + 1);
		ok = a->packed != NULL;
	}
	if (ok) {
		parley__flow__v1__step_request__pack(&m, a->packed);
		if (ask(a, node, &m))
			return;
	}
	if (a)
		ask_free(a);
	k->flow_failed = e->n;
}
