#include "rig.h"

#include <stdlib.h>
#include <unistd.h>

struct rig rig;
static struct pl_why why;

static void rig_print(void)
{
	for (size_t i = 0; i < rig.n; i++)
		fprintf(stderr, "%s %s\n", rig.used[i] ? "  " : "* ", rig.lines[i]);
}

/* What a sanitizer said of a process of ours; true when it said something. */
static bool rig_complaints(void)
{
	bool any = false;
	char path[300], line[500];
	for (int i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/log", rig.cc[i] ? tk_dir(rig.cc[i]) : "");
		FILE *f = rig.cc[i] ? fopen(path, "r") : NULL;
		for (bool on = false; f && fgets(line, sizeof(line), f);) {
			on |= strstr(line, "Sanitizer") || strstr(line, "runtime error");
			any |= on;
			if (on)
				fputs(line, stderr);
		}
		if (f)
			fclose(f);
	}
	return any;
}

static void must(enum pl_err err, const char *what)
{
	if (!err)
		return;
	fprintf(stderr, "%s: %s %s\n", what, pl_err_name(err), why.text);
	rig_print();
	(void)rig_complaints();
	exit(99);
}

/* --- the log --- */

void rig_note(const char *fmt, ...)
{
	va_list ap;
	if (rig.n == RIG_LINES)
		return;
	va_start(ap, fmt);
	vsnprintf(rig.lines[rig.n], sizeof(rig.lines[0]), fmt, ap);
	va_end(ap);
	rig.n++;
}

static void turn(void *l)
{
	pl_loop_turn(l);
	usleep(200); /* a turn does not wait; the machine is shared */
}
void rig_turn(void) { pl_loop_turn(rig.loop); }

struct wanted { const char *what; size_t at; };

static bool found(void *arg)
{
	struct wanted *w = arg;
	for (w->at = 0; w->at < rig.n; w->at++)
		if (!rig.used[w->at] && strstr(rig.lines[w->at], w->what))
			return true;
	return false;
}

const char *rig_line(const char *what)
{
	struct wanted w = { what, 0 };
	if (tk_until(found, &w, turn, rig.loop, RIG_LIMIT_S)) {
		rig.used[w.at] = true;
		return rig.lines[w.at];
	}
	fprintf(stderr, "no line with \"%s\" came; the log:\n", what);
	rig_print();
	return NULL;
}

size_t rig_count(const char *what)
{
	size_t n = 0;
	for (size_t i = 0; i < rig.n; i++)
		n += strstr(rig.lines[i], what) != NULL;
	return n;
}

bool rig_has(const char *what) { return rig_count(what) > 0; }

const char *rig_word(const char *line, const char *key)
{
	static char words[8][80];
	static unsigned next;
	char *out = words[next++ % 8];
	const char *p = line ? strstr(line, key) : NULL;
	size_t n = p ? strcspn(p + strlen(key), " ") : 0;
	pl_strlcpy(out, p ? p + strlen(key) : "", PL_MIN(n + 1, sizeof(words[0])));
	return out;
}

/* --- sip-edge --- */

#define CMD(k) PARLEY__TELEPHONY__V1__LEG_COMMAND__COMMAND_##k

static void on_command(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	must(rpc_unpack(&parley__telephony__v1__leg_command__descriptor, b->data, b->len, pl_loop_tmp(rig.loop), &pm, &why), "command");
	const Parley__Telephony__V1__LegCommand *m = (const void *)pm;
	const char *leg = m->leg_id, *owner = m->owner;
	switch (m->command_case) {
	case CMD(PROGRESS): rig_note("edge progress %s %u owner=%s", leg, m->progress->status, owner); break;
	case CMD(ANSWER): rig_note("edge answer %s sdp=%s owner=%s", leg, m->answer->sdp, owner); break;
	case CMD(DIAL):
		if (m->dial->target_case == PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_PHONE_ID)
			rig_note("edge dial leg=%s phone=%s from=%s sdp=%s owner=%s", leg, m->dial->phone_id, m->dial->from_number,
				 m->dial->sdp, owner);
		else if (m->dial->target_case == PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_URI)
			rig_note("edge dial leg=%s uri=%s sdp=%s owner=%s", leg, m->dial->uri, m->dial->sdp, owner);
		else
			rig_note("edge dial leg=%s trunk=%s number=%s owner=%s", leg, m->dial->trunk->trunk_id, m->dial->trunk->number, owner);
		break;
	case CMD(HANGUP): rig_note("edge hangup %s %u \"%s\" owner=%s", leg, m->hangup->status, m->hangup->reason, owner); break;
	case CMD(REINVITE): rig_note("edge reinvite %s sdp=%s", leg, m->reinvite->sdp); break;
	case CMD(ANSWER_REINVITE): rig_note("edge answer-reinvite %s sdp=%s", leg, m->answer_reinvite->sdp); break;
	case CMD(ADOPT): rig_note("edge adopt %s owner=%s", leg, owner); break;
	default: rig_note("edge refer-result %s %u", leg, m->refer_result->status);
	}
}

static void on_audit(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	must(rpc_unpack(&parley__telephony__v1__leg_audit__descriptor, b->data, b->len, pl_loop_tmp(rig.loop), &pm, &why), "audit");
	rig_note("edge audit legs=%zu", ((const Parley__Telephony__V1__LegAudit *)(const void *)pm)->n_leg_ids);
}

void rig_leg_event(const char *owner, const char *leg, Parley__Telephony__V1__LegEventKind kind, const char *sdp, uint32_t status)
{
	Parley__Telephony__V1__LegEvent m = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	char subject[96];
	snprintf(subject, sizeof(subject), "node.%s.LegEvents", owner);
	m.leg_id = (char *)(uintptr_t)leg;
	m.edge_node = (char *)(uintptr_t)"edge-1";
	m.seq = ++rig.leg_seq;
	m.kind = kind;
	m.sdp = (char *)(uintptr_t)sdp;
	m.status = status;
	m.by_remote = true;
	must(rpc_send(rig.edge, subject, &m.base), "leg event");
}

enum pl_err rig_incoming(const char *leg, const char *to, char owner[64])
{
	Parley__Telephony__V1__LegIncomingRequest m = PARLEY__TELEPHONY__V1__LEG_INCOMING_REQUEST__INIT;
	const ProtobufCMessage *out;
	m.leg_id = (char *)(uintptr_t)leg;
	m.edge_node = (char *)(uintptr_t)"edge-1";
	m.source = PARLEY__TELEPHONY__V1__LEG_SOURCE__LEG_SOURCE_TRUNK;
	m.source_id = (char *)(uintptr_t)"trunk-1";
	m.from_number = (char *)(uintptr_t)"+390432111";
	m.to_number = (char *)(uintptr_t)to;
	m.sdp = (char *)(uintptr_t)"offer-customer";
	enum pl_err err = PL_E_NOTFOUND; /* a route made just now is known to each copy a little later; 999 is never one */
	for (int i = 0; i < 400 && err == PL_E_NOTFOUND && (i == 0 || strcmp(to, "999") != 0); i++)
		err = rig_ask(rig.edge, &parley__telephony__v1__leg_internal_service__descriptor, "LegIncoming", NULL, &m.base, &out);
	if (!err)
		pl_strlcpy(owner, ((const Parley__Telephony__V1__LegIncomingResponse *)(const void *)out)->owner, 64);
	return err;
}

/* --- media --- */

#define OP(k) PARLEY__MEDIA__V1__OPERATION__OP_##k

static void apply_one(const char *node, const char *room, const Parley__Media__V1__Operation *o, Parley__Media__V1__OperationResult *r,
		      struct pl_arena *a)
{
	switch (o->op_case) {
	case OP(CREATE_ENDPOINT):
		r->sdp = pl_arena_printf(a, "sdp-of-%s", o->create_endpoint->endpoint_id);
		rig_note("%s create room=%s ep=%s remote=%s", node, room, o->create_endpoint->endpoint_id, o->create_endpoint->remote_sdp);
		break;
	case OP(SET_REMOTE): rig_note("%s remote ep=%s sdp=%s", node, o->set_remote->endpoint_id, o->set_remote->remote_sdp); break;
	case OP(MIX): rig_note("%s mix ep=%s hears=%s", node, o->mix->endpoint_id, o->mix->n_hears ? o->mix->hears[0] : "nobody"); break;
	case OP(PLAY):
		rig_note("%s play player=%s what=%s", node, o->play->player_id,
			 o->play->sources[0]->source_case == PARLEY__MEDIA__V1__SOURCE__SOURCE_FOLDER ? o->play->sources[0]->folder
			 : o->play->sources[0]->source_case == PARLEY__MEDIA__V1__SOURCE__SOURCE_FILE ? o->play->sources[0]->file : "other");
		break;
	case OP(STOP_PLAY): rig_note("%s stop-play player=%s", node, o->stop_play->player_id); break;
	case OP(START_RECORDING): rig_note("%s record rec=%s", node, o->start_recording->recording_id); break;
	case OP(PAUSE_RECORDING): rig_note("%s pause rec=%s", node, o->pause_recording->recording_id); break;
	case OP(STOP_RECORDING): rig_note("%s stop-record rec=%s", node, o->stop_recording->recording_id); break;
	case OP(DESTROY_ENDPOINT):
		r->stats = PL_NEW(a, Parley__Media__V1__EndpointStats);
		parley__media__v1__endpoint_stats__init(r->stats);
		r->stats->mos = 4.25;
		break;
	case OP(DESTROY_ROOM): rig_note("%s destroy-room room=%s", node, room); break;
	default: rig_note("%s digits %s", node, o->send_digits->digits);
	}
}

static void on_apply(struct rpc_call *c)
{
	const Parley__Media__V1__ApplyRequest *in = (const void *)c->in;
	Parley__Media__V1__ApplyResponse m = PARLEY__MEDIA__V1__APPLY_RESPONSE__INIT;
	rig.applies++;
	if (rig.media_refuses) {
		rpc_fail(c, pl_why_set(&why, PL_E_FORMAT, "no codec in common"), &why);
		return;
	}
	m.node = (char *)(uintptr_t)bus_node(c->bus);
	m.results = pl_arena_alloc(c->arena, (in->n_operations + 1) * sizeof(*m.results));
	for (; m.n_results < in->n_operations; m.n_results++) {
		Parley__Media__V1__OperationResult *r = m.results[m.n_results] = PL_NEW(c->arena, Parley__Media__V1__OperationResult);
		parley__media__v1__operation_result__init(r);
		apply_one(m.node, in->room_id, in->operations[m.n_results], r, c->arena);
	}
	rpc_reply(c, &m.base);
}

static void on_keep(struct rpc_call *c)
{
	Parley__Media__V1__KeepRoomsResponse m = PARLEY__MEDIA__V1__KEEP_ROOMS_RESPONSE__INIT;
	rig_note("media keep rooms=%zu", ((const Parley__Media__V1__KeepRoomsRequest *)(const void *)c->in)->n_room_ids);
	rpc_reply(c, &m.base);
}

static void media_event(const char *owner, const char *room, Parley__Media__V1__MediaEvent *m)
{
	char subject[96];
	snprintf(subject, sizeof(subject), "node.%s.MediaEvents", owner);
	m->room_id = (char *)(uintptr_t)room;
	m->media_node = (char *)(uintptr_t)"media-1";
	m->seq = ++rig.media_seq;
	must(rpc_send(rig.media, subject, &m->base), "media event");
}

void rig_digit(const char *owner, const char *room, const char *leg, const char *digit)
{
	Parley__Media__V1__MediaEvent m = PARLEY__MEDIA__V1__MEDIA_EVENT__INIT;
	Parley__Media__V1__Digit d = PARLEY__MEDIA__V1__DIGIT__INIT;
	d.endpoint_id = (char *)(uintptr_t)leg;
	d.digit = (char *)(uintptr_t)digit;
	m.event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_DIGIT;
	m.digit = &d;
	media_event(owner, room, &m);
}

void rig_play_done(const char *owner, const char *room, const char *player)
{
	Parley__Media__V1__MediaEvent m = PARLEY__MEDIA__V1__MEDIA_EVENT__INIT;
	Parley__Media__V1__PlayDone d = PARLEY__MEDIA__V1__PLAY_DONE__INIT;
	d.player_id = (char *)(uintptr_t)player;
	d.reason = (char *)(uintptr_t)"end";
	m.event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_PLAY_DONE;
	m.play_done = &d;
	media_event(owner, room, &m);
}

void rig_recording_done(const char *owner, const char *room, const char *recording, bool ok)
{
	Parley__Media__V1__MediaEvent m = PARLEY__MEDIA__V1__MEDIA_EVENT__INIT;
	Parley__Media__V1__RecordingDone d = PARLEY__MEDIA__V1__RECORDING_DONE__INIT;
	d.recording_id = (char *)(uintptr_t)recording;
	d.verified = ok;
	d.error = (char *)(uintptr_t)(ok ? "" : "disk full");
	d.path = (char *)(uintptr_t)"2026/11/22/x.rec";
	d.sha256 = (char *)(uintptr_t)"abc";
	d.duration_ms = 61000;
	d.bytes = 976000;
	m.event_case = PARLEY__MEDIA__V1__MEDIA_EVENT__EVENT_RECORDING_DONE;
	m.recording_done = &d;
	media_event(owner, room, &m);
}

/* --- flow: a menu of one digit, then the queue; after it the end --- */

static Parley__Flow__V1__Action *act(struct pl_arena *a, Parley__Flow__V1__Action__ActionCase kind)
{
	Parley__Flow__V1__Action *m = PL_NEW(a, Parley__Flow__V1__Action);
	parley__flow__v1__action__init(m);
	m->action_case = kind;
	m->answer = PL_NEW(a, Parley__Flow__V1__AnswerAction);
	parley__flow__v1__answer_action__init(m->answer);
	return m;
}

static Parley__Flow__V1__Action *act_collect(struct pl_arena *a)
{
	Parley__Flow__V1__Action *m = act(a, PARLEY__FLOW__V1__ACTION__ACTION_COLLECT);
	Parley__Media__V1__Source *s = PL_NEW(a, Parley__Media__V1__Source);
	m->collect = PL_NEW(a, Parley__Flow__V1__CollectAction);
	parley__flow__v1__collect_action__init(m->collect);
	parley__media__v1__source__init(s);
	s->source_case = PARLEY__MEDIA__V1__SOURCE__SOURCE_FILE;
	s->file = (char *)(uintptr_t)"prompts/menu";
	m->collect->sources = pl_arena_dup(a, &s, sizeof(s));
	m->collect->n_sources = 1;
	m->collect->max_digits = 1;
	m->collect->first_timeout_ms = 60000;
	return m;
}

static Parley__Flow__V1__Action *act_queue(struct pl_arena *a)
{
	Parley__Flow__V1__Action *m = act(a, PARLEY__FLOW__V1__ACTION__ACTION_WAIT_IN_QUEUE);
	m->wait_in_queue = PL_NEW(a, Parley__Flow__V1__WaitInQueueAction);
	parley__flow__v1__wait_in_queue_action__init(m->wait_in_queue);
	m->wait_in_queue->queue_id = (char *)(uintptr_t)QUEUE;
	m->wait_in_queue->queue_name = (char *)(uintptr_t)"Sales";
	m->wait_in_queue->record = true;
	return m;
}

static void on_step(struct rpc_call *c)
{
	static const char *const names[] = { "none", "", "", "started", "done", "digits", "queue-left", "gone", "failed" };
	const Parley__Flow__V1__StepRequest *in = (const void *)c->in;
	Parley__Flow__V1__StepResponse m = PARLEY__FLOW__V1__STEP_RESPONSE__INIT;
	Parley__Flow__V1__Action *list[2];
	Parley__Common__V1__KeyValue var = PARLEY__COMMON__V1__KEY_VALUE__INIT, *vars[] = { &var };
	rig.steps++;
	rig_note("flow step=%s seq=%u call=%s %s", names[in->event_case], in->seq, in->session_id,
		 in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS ? in->digits->digits : "");
	m.node = (char *)(uintptr_t)bus_node(c->bus);
	m.actions = list;
	if (in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT_STARTED) {
		list[m.n_actions++] = act(c->arena, PARLEY__FLOW__V1__ACTION__ACTION_ANSWER);
		list[m.n_actions++] = act_collect(c->arena);
	} else if (in->event_case == PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS) {
		list[m.n_actions++] = act_queue(c->arena);
		var.key = (char *)(uintptr_t)"menu";
		var.value = in->digits->digits;
		m.shown_variables = vars;
		m.n_shown_variables = 1;
	} else {
		m.ended = true;
	}
	rpc_reply(c, &m.base);
}

/* --- acd-router and auth --- */

static void on_input(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	must(rpc_decode(b, pl_loop_tmp(rig.loop), &pm, &why), "input");
	const Parley__Acd__V1__AcdInput *m = (const void *)pm;
	rig.inputs++;
	switch (m->input_case) {
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE:
		rig_note("acd enqueue call=%s queue=%s only=%s from=%s queued_at=%" PRId64, m->enqueue->interaction_id, m->enqueue->queue_id,
			 m->enqueue->only_agent_id, m->enqueue->customer_number, rpc_ts_us(m->enqueue->queued_at));
		break;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_CANCEL: rig_note("acd cancel call=%s %s", m->cancel->interaction_id, m->cancel->reason); break;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_OFFER_REPLY:
		rig_note("acd reply offer=%s outcome=%d fence=%" PRIu64, m->offer_reply->offer_id, m->offer_reply->outcome, m->offer_reply->fence);
		break;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ENDED:
		rig_note("acd ended agent=%s %s%s", m->ended->agent_id, m->ended->reason, m->ended->agent_only ? " agent-only" : "");
		break;
	default: break;
	}
}

static void on_ledger_event(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	if (strncmp(b->subject, "ev.acd.", 7) == 0)
		return;
	must(rpc_decode(b, pl_loop_tmp(rig.loop), &pm, &why), b->subject);
	if (pm->descriptor == &parley__voice__v1__call_ended__descriptor) {
		const Parley__Voice__V1__CallEnded *m = (const void *)pm;
		rig_note("%s by=%s cause=%s mos=%.2f id=%s", b->subject, m->ended_by, m->cause, m->mos, b->id);
	} else if (pm->descriptor == &parley__voice__v1__agent_connected__descriptor) {
		const Parley__Voice__V1__AgentConnected *m = (const void *)pm;
		rig_note("%s agent=%s queue=%s rec=%s", b->subject, m->meta->agent_id, m->meta->queue_id, m->recording_id);
	} else {
		const Parley__Common__V1__EventMeta *const *meta = (const void *)((const char *)pm + sizeof(ProtobufCMessage));
		rig_note("%s same-id=%d", b->subject, *meta && pl_streq((*meta)->event_id, b->id));
	}
}

static void on_queues(struct rpc_call *c)
{
	Parley__Acd__V1__ListQueuesResponse m = PARLEY__ACD__V1__LIST_QUEUES_RESPONSE__INIT;
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT, *list[] = { &q };
	q.id = (char *)(uintptr_t)QUEUE;
	q.name = (char *)(uintptr_t)"Sales";
	q.music = (char *)(uintptr_t)"jazz";
	q.record = true;
	m.queues = list;
	m.n_queues = 1;
	rpc_reply(c, &m.base);
}

static void on_snapshot(struct rpc_call *c)
{
	Parley__Acd__V1__GetSnapshotResponse m = PARLEY__ACD__V1__GET_SNAPSHOT_RESPONSE__INIT;
	rpc_reply(c, &m.base);
}

static void on_trunks(struct rpc_call *c)
{
	Parley__Telephony__V1__ListTrunksResponse m = PARLEY__TELEPHONY__V1__LIST_TRUNKS_RESPONSE__INIT;
	Parley__Telephony__V1__Trunk t = PARLEY__TELEPHONY__V1__TRUNK__INIT, *list[] = { &t };
	t.id = (char *)(uintptr_t)"trunk-1";
	t.enabled = true;
	t.outbound_uri = (char *)(uintptr_t)"sip:carrier";
	m.trunks = list;
	m.n_trunks = 1;
	rpc_reply(c, &m.base);
}

static void on_phones(struct rpc_call *c)
{
	Parley__Telephony__V1__ListPhonesResponse m = PARLEY__TELEPHONY__V1__LIST_PHONES_RESPONSE__INIT;
	Parley__Telephony__V1__Phone p = PARLEY__TELEPHONY__V1__PHONE__INIT, q = p, *list[] = { &p, &q };
	p.id = (char *)(uintptr_t)"phone-anna";
	p.user = (char *)(uintptr_t)"201";
	p.agent_id = (char *)(uintptr_t)ANNA;
	p.enabled = q.enabled = true;
	q.id = (char *)(uintptr_t)"phone-bert";
	q.user = (char *)(uintptr_t)"202";
	q.agent_id = (char *)(uintptr_t)BERT;
	m.phones = list;
	m.n_phones = 2;
	rpc_reply(c, &m.base);
}

static void on_audit_entry(struct rpc_call *c)
{
	Parley__Auth__V1__AddAuditEntryResponse m = PARLEY__AUTH__V1__ADD_AUDIT_ENTRY_RESPONSE__INIT;
	const Parley__Auth__V1__AddAuditEntryRequest *in = (const void *)c->in;
	rig_note("auth audit %s user=%s object=%s", in->entry->action, in->entry->user_id, in->entry->object_id);
	rpc_reply(c, &m.base);
}

void rig_offer(const char *interaction, const char *offer, const char *agent, Parley__Acd__V1__Device device, const char *target)
{
	static uint64_t fence = 100;
	Parley__Acd__V1__InteractionOffered m = PARLEY__ACD__V1__INTERACTION_OFFERED__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	char subject[96], id[PL_ID_LEN];
	meta.event_id = pl_id_new(id);
	meta.interaction_id = (char *)(uintptr_t)interaction;
	meta.agent_id = (char *)(uintptr_t)agent;
	meta.queue_id = (char *)(uintptr_t)QUEUE;
	m.meta = &meta;
	m.offer_id = (char *)(uintptr_t)offer;
	m.fence = ++fence;
	m.ring_timeout_ms = 20000;
	m.device = device;
	m.phone_id = (char *)(uintptr_t)target;
	m.record = true;
	snprintf(subject, sizeof(subject), "ev.acd.offered.%s", interaction);
	must(rpc_emit(rig.router, subject, id, &m.base, NULL, NULL), "offer");
}

void rig_offer_ended(const char *interaction, const char *offer, const char *agent, Parley__Acd__V1__OfferOutcome outcome)
{
	Parley__Acd__V1__OfferEnded m = PARLEY__ACD__V1__OFFER_ENDED__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	char subject[96], id[PL_ID_LEN];
	meta.event_id = pl_id_new(id);
	meta.interaction_id = (char *)(uintptr_t)interaction;
	meta.agent_id = (char *)(uintptr_t)agent;
	m.meta = &meta;
	m.offer_id = (char *)(uintptr_t)offer;
	m.outcome = outcome;
	snprintf(subject, sizeof(subject), "ev.acd.offer-ended.%s", interaction);
	must(rpc_emit(rig.router, subject, id, &m.base, NULL, NULL), "offer end");
}

/* --- asking --- */

struct answer { bool done; enum pl_err err; struct pl_arena *arena; const ProtobufCMessage *m; };
static struct answer answer;

static void on_answer(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	answer.done = true;
	answer.err = err;
	answer.m = out ? rpc_dup(out, answer.arena) : NULL;
	if (err && w)
		rig_note("refused: %s %s", pl_err_name(err), w->text);
}

static bool answered(void *arg) { return answer.done; }

enum pl_err rig_ask(struct bus *b, const ProtobufCServiceDescriptor *d, const char *method, const char *actor, const ProtobufCMessage *in,
		    const ProtobufCMessage **ret)
{
	struct rpc_to to = { d, method, NULL, actor, 10000 };
	pl_arena_free(answer.arena);
	answer = (struct answer){ .arena = pl_arena_new(0) };
	if (!rpc_ask(b, &to, in, on_answer, NULL, &why))
		must(PL_E_INTERNAL, method);
	if (!tk_until(answered, NULL, turn, rig.loop, RIG_LIMIT_S))
		must(PL_E_TIMEOUT, method);
	if (answer.err == PL_E_TIMEOUT)
		(void)rig_complaints();
	*ret = answer.m;
	return answer.err;
}

void rig_route(const char *number, Parley__Voice__V1__InboundRoute__DestinationCase kind, const char *dest, bool record)
{
	Parley__Voice__V1__CreateInboundRouteRequest m = PARLEY__VOICE__V1__CREATE_INBOUND_ROUTE_REQUEST__INIT;
	Parley__Voice__V1__InboundRoute r = PARLEY__VOICE__V1__INBOUND_ROUTE__INIT;
	const ProtobufCMessage *out;
	r.name = r.number = (char *)(uintptr_t)number;
	r.enabled = true;
	r.record = record;
	r.destination_case = kind;
	r.flow_id = (char *)(uintptr_t)dest;
	m.route = &r;
	must(rig_ask(rig.router, &parley__voice__v1__route_service__descriptor, "CreateInboundRoute", ADMIN, &m.base, &out), "route");
	(void)!rig_line("ev.voice.route-changed");
}

/* --- up and down --- */

static struct bus *connect(const char *service, const char *node)
{
	struct bus *b = NULL;
	struct bus_cfg c = { .url = tk_url(rig.nats), .service = service, .node = node, .connect_wait_ms = 20000 };
	must(bus_open(&b, rig.loop, NULL, &c, &why), node);
	must(bus_announce(b, NULL, 1000, "", NULL), node);
	return b;
}

static struct bus *media_node(const char *node)
{
	static const struct rpc_entry media[] = { { "Apply", on_apply }, { "KeepRooms", on_keep }, { NULL, NULL } };
	struct bus *b = connect("media", node);
	must(rpc_serve_node(b, &parley__media__v1__media_internal_service__descriptor, media, NULL, &why), "media");
	return b;
}

void rig_second_media(void) { rig.media2 = media_node("media-2"); }

void rig_lose_media(void)
{
	bus_close(rig.media);
	rig.media = NULL;
}

static void serve_all(void)
{
	static const struct rpc_entry flow[] = { { "Step", on_step }, { NULL, NULL } };
	static const struct rpc_entry queues[] = { { "ListQueues", on_queues }, { NULL, NULL } };
	static const struct rpc_entry routing[] = { { "GetSnapshot", on_snapshot }, { NULL, NULL } };
	static const struct rpc_entry trunks[] = { { "ListTrunks", on_trunks }, { NULL, NULL } };
	static const struct rpc_entry phones[] = { { "ListPhones", on_phones }, { NULL, NULL } };
	static const struct rpc_entry sessions[] = { { "AddAuditEntry", on_audit_entry }, { NULL, NULL } };
	struct bus_sub *s;
	must(bus_subscribe(&s, rig.edge, "node.edge-1.LegCommands", NULL, on_command, NULL, &why), "commands");
	must(bus_subscribe(&s, rig.edge, "node.edge-1.LegAudit", NULL, on_audit, NULL, &why), "audit");
	must(bus_subscribe(&s, rig.router, "acd.in.>", NULL, on_input, NULL, &why), "inputs");
	must(bus_subscribe(&s, rig.router, "ev.>", NULL, on_ledger_event, NULL, &why), "ledger");
	must(rpc_serve(rig.flow, &parley__flow__v1__flow_run_internal_service__descriptor, flow, NULL, &why), "flow");
	must(rpc_serve_node(rig.flow, &parley__flow__v1__flow_run_internal_service__descriptor, flow, NULL, &why), "flow");
	must(rpc_serve(rig.router, &parley__acd__v1__queue_service__descriptor, queues, NULL, &why), "queues");
	must(rpc_serve(rig.router, &parley__acd__v1__routing_service__descriptor, routing, NULL, &why), "routing");
	must(rpc_serve(rig.router, &parley__telephony__v1__trunk_service__descriptor, trunks, NULL, &why), "trunks");
	must(rpc_serve(rig.router, &parley__telephony__v1__phone_service__descriptor, phones, NULL, &why), "phones");
	must(rpc_serve(rig.router, &parley__auth__v1__session_internal_service__descriptor, sessions, NULL, &why), "sessions");
}

static bool is_up(void *arg)
{
	const char *node = arg;
	return bus_find_node(rig.router, "call-control", node) != NULL;
}

/* A call to a route of the test's own is taken: the lease, the routes, the media node and the edge are known. */
static bool takes_calls(void *arg)
{
	const char *node = arg;
	struct rpc_to to = { &parley__telephony__v1__leg_internal_service__descriptor, "LegIncoming", node, NULL, 2000 };
	Parley__Telephony__V1__LegIncomingRequest m = PARLEY__TELEPHONY__V1__LEG_INCOMING_REQUEST__INIT;
	m.leg_id = (char *)(uintptr_t)node;
	m.edge_node = (char *)(uintptr_t)"edge-1";
	m.to_number = (char *)(uintptr_t)"probe";
	m.sdp = (char *)(uintptr_t)"probe";
	pl_arena_free(answer.arena);
	answer = (struct answer){ .arena = pl_arena_new(0) };
	if (!rpc_ask(rig.edge, &to, &m.base, on_answer, NULL, &why))
		return false;
	(void)!tk_until(answered, NULL, turn, rig.loop, 5);
	return !answer.err;
}

void rig_start(int cc)
{
	char node[64], sql[512], pg[512], nats[128];
	snprintf(node, sizeof(node), "--node=cc-%d", cc + 1);
	snprintf(sql, sizeof(sql), "--sql-dir=%s/sql", getenv("CC_SOURCE"));
	snprintf(pg, sizeof(pg), "--pg-dsn=%s", tk_url(rig.pg));
	snprintf(nats, sizeof(nats), "--nats-url=%s", tk_url(rig.nats));
	const char *const argv[] = { getenv("CC_PROGRAM"), node, sql, pg, nats, "--pg-conns=2", "--health-port=0", "--drain-s=5", NULL };
	rig.cc[cc] = tk_program(argv, 0);
	if (!tk_until(is_up, node + 7, turn, rig.loop, RIG_LIMIT_S))
		must(PL_E_TIMEOUT, node);
	if (cc == 0)
		rig_route("probe", PARLEY__VOICE__V1__INBOUND_ROUTE__DESTINATION_QUEUE_ID, "probe", false);
	if (!tk_until(takes_calls, node + 7, turn, rig.loop, RIG_LIMIT_S))
		must(PL_E_TIMEOUT, node);
	rig_leg_event(node + 7, node + 7, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_ENDED, "", 200);
	if (!rig_line("by=customer"))
		must(PL_E_TIMEOUT, node);
	rig.applies = rig.steps = rig.inputs = 0;
	rig.n = 0;
	memset(rig.used, 0, sizeof(rig.used));
}

static void on_stream(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	must(err, "stream");
	*(bool *)arg = true;
}
static bool is_true(void *arg) { return *(bool *)arg; }

void rig_up(void)
{
	bool streams = false;
	struct bus_stream_cfg acd = { .name = "ACD_IN", .subjects = { "acd.in.>" }, .max_age_s = 3600, .dup_window_s = 120, .replicas = 1 };
	memset(&rig, 0, sizeof(rig));
	rig.nats = tk_nats(NULL);
	rig.pg = tk_pg();
	must(pl_loop_new(&rig.loop, &why), "loop");
	rig.edge = connect("sip-edge", "edge-1");
	rig.flow = connect("flow", "flow-1");
	rig.router = connect("acd-router", "router-1");
	rig.media = media_node("media-1");
	must(bus_watch_nodes(rig.router, "call-control", NULL, NULL), "watch");
	bus_stream_ensure(rig.router, &acd, on_stream, &streams);
	if (!tk_until(is_true, &streams, turn, rig.loop, RIG_LIMIT_S))
		must(PL_E_TIMEOUT, "streams");
	serve_all();
	struct pg_cfg pc = { tk_url(rig.pg), NULL, "voice", "test", 1 };
	must(pg_open(&rig.db, rig.loop, NULL, &pc, &why), "pg");
}

void rig_down(void)
{
	for (int i = 0; i < 2; i++)
		if (rig.cc[i])
			(void)tk_stop(rig.cc[i]); /* leaks are told at the end */
	if (rig_complaints())
		exit(98);
	tk_free(rig.cc[0]);
	tk_free(rig.cc[1]);
	pg_close(rig.db);
	bus_close(rig.media2);
	bus_close(rig.media);
	bus_close(rig.edge);
	bus_close(rig.flow);
	bus_close(rig.router);
	pl_arena_free(answer.arena);
	answer.arena = NULL;
	pl_loop_free(rig.loop);
	tk_free(rig.pg);
	tk_free(rig.nats);
}
