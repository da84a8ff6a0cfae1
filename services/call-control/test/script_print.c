#include "script.h"

const char *script_name(const struct script_names *m, const char *id)
{
	for (size_t i = m->n; id && *id && i-- > 0;)
		if (strcmp(m->ids[i], id) == 0)
			return m->names[i];
	return id && *id ? id : "-";
}

static void learn(struct script_names *m, const char *id, const char *what, size_t n)
{
	if (!*id || m->n == PL_ARRAY_N(m->ids))
		return;
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->ids[i], id) == 0)
			return;
	pl_strlcpy(m->ids[m->n], id, CALL_ID);
	if (n)
		snprintf(m->names[m->n], sizeof(m->names[0]), "%s%zu", what, n);
	else
		snprintf(m->names[m->n], sizeof(m->names[0]), "%s", what);
	m->n++;
}

void script_learn(struct script_names *m, const struct call *c, const struct call_fx *fx)
{
	static const char *const roles[] = { "customer", "agent", "peer" };
	for (size_t i = 0; i < CALL_LEGS; i++)
		learn(m, c->legs[i].id, roles[c->legs[i].role % 3], i);
	for (size_t i = 0; i < fx->n_ops; i++)
		if (fx->ops[i].kind == OP_RECORD) {
			size_t before = m->n;
			learn(m, fx->ops[i].id, "rec", m->recs + 1);
			m->recs += m->n > before;
		}
}

static void print_sources(FILE *f, const char *p, size_t len)
{
	struct call_source s;
	for (size_t at = 0; source_next(p, len, &at, &s);)
		fprintf(f, " %c:%s", (char)s.kind, s.text);
}

static void print_op(FILE *f, const struct script_names *m, const struct call_op *o)
{
	static const char *const names[OP_KIND_N] = {
		"create",          "set-remote",     "mix",     "play",         "stop-play", "record",
		"pause-recording", "stop-recording", "destroy", "destroy-room", "digits"
	};
	fprintf(f, "<   %s", names[o->kind]);
	if (*o->ep)
		fprintf(f, " %s", script_name(m, o->ep));
	switch (o->kind) {
	case OP_CREATE:
	case OP_SET_REMOTE:
		fprintf(f, "%s%s", o->browser ? " webrtc" : "", o->offer ? " offer" : "");
		if (o->sdp)
			fprintf(f, " sdp=%s", o->sdp);
		break;
	case OP_MIX:
		fprintf(f, " hears %s", *o->hears ? script_name(m, o->hears) : "nobody");
		break;
	case OP_PLAY:
		fprintf(f, " p%u%s%s", o->player, o->loop ? " loop" : "", o->stop_on_digit ? " until-digit" : "");
		if (o->offset_ms)
			fprintf(f, " from=%" PRIu64 "ms", o->offset_ms);
		print_sources(f, o->sources, o->sources_len);
		break;
	case OP_STOP_PLAY:
		fprintf(f, " p%u", o->player);
		break;
	case OP_RECORD:
		fprintf(f, " | %s as %s", script_name(m, o->hears), script_name(m, o->id));
		break;
	case OP_PAUSE_RECORDING:
		fprintf(f, " %s %s", script_name(m, o->id), o->on ? "on" : "off");
		break;
	case OP_STOP_RECORDING:
		fprintf(f, " %s", script_name(m, o->id));
		break;
	case OP_DIGITS:
		fprintf(f, " %s", o->digits);
		break;
	default:
		break;
	}
	fputc('\n', f);
}

static void print_emit(FILE *f, const struct script_names *m, const struct call_effect *e)
{
	fprintf(f, "< emit %s", call_ledger_name(e->event));
	if (*e->leg_id)
		fprintf(f, " leg=%s", script_name(m, e->leg_id));
	if (*e->agent)
		fprintf(f, " agent=%s", e->agent);
	if (*e->queue)
		fprintf(f, " queue=%s", e->queue);
	if (*e->id)
		fprintf(f, " id=%s", script_name(m, e->id));
	if (e->text && *e->text)
		fprintf(f, " %s", e->text);
	if (e->text2 && *e->text2)
		fprintf(f, " %s", e->text2);
	if (e->status)
		fprintf(f, " status=%u", e->status);
	if (e->ms || e->ms2)
		fprintf(f, " ms=%" PRIu64 " held=%" PRIu64, e->ms, e->ms2);
	if (e->mos > 0)
		fprintf(f, " mos=%.1f", e->mos);
	if (e->event == LEDGER_RECORDING_PAUSED)
		fprintf(f, e->flag ? " on" : " off");
	fputc('\n', f);
}

static void print_dial(FILE *f, const struct script_names *m, const struct call *c, const struct call_effect *e)
{
	static const char *const kinds[DEST_KIND_N] = { "none",  "flow", "queue", "agent",
							"phone", "uri",  "trunk", "browser" };
	const struct call_leg *l = &c->legs[e->leg];
	fprintf(f, "< leg-dial %s edge=%s %s=%s", script_name(m, e->leg_id), e->edge, kinds[l->target_kind], l->target);
	if (*l->number)
		fprintf(f, " number=%s", l->number);
	fprintf(f, " ring=%u%s sdp=%s\n", l->ring_timeout_ms, l->auto_answer ? " auto-answer" : "", e->sdp);
}

static void print_leg(FILE *f, const struct script_names *m, const struct call_effect *e)
{
	static const char *const names[CALL_FX_N] = { [CALL_FX_LEG_PROGRESS] = "leg-progress",
						      [CALL_FX_LEG_ANSWER] = "leg-answer",
						      [CALL_FX_LEG_HANGUP] = "leg-hangup",
						      [CALL_FX_LEG_REINVITE] = "leg-reinvite",
						      [CALL_FX_LEG_ANSWER_REINVITE] = "leg-answer-reinvite",
						      [CALL_FX_LEG_REFER_RESULT] = "leg-refer-result",
						      [CALL_FX_LEG_ADOPT] = "leg-adopt" };
	fprintf(f, "< %s %s", names[e->kind], script_name(m, e->leg_id));
	if (e->status)
		fprintf(f, " status=%u", e->status);
	if (e->text)
		fprintf(f, " \"%s\"", e->text);
	if (e->sdp)
		fprintf(f, " sdp=%s", e->sdp);
	fputc('\n', f);
}

static void print_other(FILE *f, const struct call_effect *e)
{
	static const char *const steps[STEP_KIND_N] = {
		"", "started", "done", "digits", "queue-left", "gone", "failed"
	};
	static const char *const outcomes[OFFER_OUTCOME_N] = { "",       "accepted",  "rejected", "timeout",
							       "failed", "elsewhere", "cancelled" };
	switch (e->kind) {
	case CALL_FX_FLOW_STEP:
		fprintf(f, "< flow-step %u %s \"%s\"%s\n", e->n, steps[e->step], e->text, e->flag ? " timed-out" : "");
		break;
	case CALL_FX_ENQUEUE:
		fprintf(f, "< acd-enqueue %s%s%s\n", e->id, *e->text ? " only=" : "", e->text);
		break;
	case CALL_FX_CANCEL:
		fprintf(f, "< acd-cancel %s\n", e->text);
		break;
	case CALL_FX_OFFER_REPLY:
		fprintf(f, "< acd-offer-reply %s fence=%" PRIu64 " %s%s%s\n", e->id, e->fence, outcomes[e->outcome],
			*e->text ? ": " : "", e->text);
		break;
	case CALL_FX_ACD_ENDED:
		fprintf(f, "< acd-ended %s %s%s\n", e->agent, e->text, e->flag ? " agent-only" : "");
		break;
	case CALL_FX_REPLY:
		fprintf(f, "< reply #%" PRIu64 " %s%s%s%s%s\n", e->rpc, pl_err_name(e->err), *e->text ? " " : "",
			e->text, *e->sdp ? " sdp=" : "", e->sdp);
		break;
	case CALL_FX_ASK_POSITION:
		fprintf(f, "< ask-position\n");
		break;
	case CALL_FX_SAVE:
		fprintf(f, "< save\n");
		break;
	default:
		fprintf(f, "< end\n");
	}
}

void script_effects(FILE *f, const struct script_names *m, const struct call *c, const struct call_fx *fx)
{
	for (size_t i = 0; i < fx->n; i++) {
		const struct call_effect *e = &fx->at[i];
		if (e->kind == CALL_FX_MEDIA) {
			fprintf(f, "< media #%u on %s\n", e->req, fx->media);
			for (size_t k = 0; k < fx->n_ops; k++)
				print_op(f, m, &fx->ops[k]);
		} else if (e->kind == CALL_FX_EMIT) {
			print_emit(f, m, e);
		} else if (e->kind == CALL_FX_LEG_DIAL) {
			print_dial(f, m, c, e);
		} else if (e->kind >= CALL_FX_LEG_PROGRESS && e->kind <= CALL_FX_LEG_ADOPT) {
			print_leg(f, m, e);
		} else {
			print_other(f, e);
		}
	}
	if (fx->overflow)
		fprintf(f, "< OVERFLOW\n");
}
