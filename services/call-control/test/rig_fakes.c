/* The stand-ins: sip-edge, media, flow, acd-router, auth. */
#include "rig_int.h"

/* --- sip-edge --- */

#define CMD(k) PARLEY__TELEPHONY__V1__LEG_COMMAND__COMMAND_##k

static void on_command(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	rig_must(rpc_unpack(&parley__telephony__v1__leg_command__descriptor, b->data, b->len, pl_loop_tmp(rig.loop),
			    &pm, &rig_why),
		 "command");
	const Parley__Telephony__V1__LegCommand *m = (const void *)pm;
	const char *leg = m->leg_id, *owner = m->owner;
	switch (m->command_case) {
	case CMD(PROGRESS):
		rig_note("edge progress %s %u owner=%s", leg, m->progress->status, owner);
		break;
	case CMD(ANSWER):
		rig_note("edge answer %s sdp=%s owner=%s", leg, m->answer->sdp, owner);
		break;
	case CMD(DIAL):
		if (m->dial->target_case == PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_PHONE_ID)
			rig_note("edge dial leg=%s phone=%s from=%s sdp=%s owner=%s", leg, m->dial->phone_id,
				 m->dial->from_number, m->dial->sdp, owner);
		else if (m->dial->target_case == PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_URI)
			rig_note("edge dial leg=%s uri=%s sdp=%s owner=%s", leg, m->dial->uri, m->dial->sdp, owner);
		else
			rig_note("edge dial leg=%s trunk=%s number=%s owner=%s", leg, m->dial->trunk->trunk_id,
				 m->dial->trunk->number, owner);
		break;
	case CMD(HANGUP):
		rig_note("edge hangup %s %u \"%s\" owner=%s", leg, m->hangup->status, m->hangup->reason, owner);
		break;
	case CMD(REINVITE):
		rig_note("edge reinvite %s sdp=%s", leg, m->reinvite->sdp);
		break;
	case CMD(ANSWER_REINVITE):
		rig_note("edge answer-reinvite %s sdp=%s", leg, m->answer_reinvite->sdp);
		break;
	case CMD(ADOPT):
		rig_note("edge adopt %s owner=%s", leg, owner);
		break;
	default:
		rig_note("edge refer-result %s %u", leg, m->refer_result->status);
	}
}

static void on_audit(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	rig_must(rpc_unpack(&parley__telephony__v1__leg_audit__descriptor, b->data, b->len, pl_loop_tmp(rig.loop), &pm,
			    &rig_why),
		 "audit");
	rig_note("edge audit legs=%zu", ((const Parley__Telephony__V1__LegAudit *)(const void *)pm)->n_leg_ids);
}

void rig_leg_event(const char *owner, const char *leg, Parley__Telephony__V1__LegEventKind kind, const char *sdp,
		   uint32_t status)
{
	Parley__Telephony__V1__LegEvent m = PARLEY__TELEPHONY__V1__LEG_EVENT__INIT;
	char subject[96];
	snprintf(subject, sizeof(subject), "node.%s.LegEvents", owner);
	m.leg_id = (char *)(uintptr_t)leg;
	m.edge_node = (char *)(uintptr_t) "edge-1";
	m.seq = ++rig.leg_seq;
	m.kind = kind;
	m.sdp = (char *)(uintptr_t)sdp;
	m.status = status;
	m.by_remote = true;
	rig_must(rpc_send(rig.edge, subject, &m.base), "leg event");
}

enum pl_err rig_incoming(const char *leg, const char *to, char owner[64])
{
	Parley__Telephony__V1__LegIncomingRequest m = PARLEY__TELEPHONY__V1__LEG_INCOMING_REQUEST__INIT;
	const ProtobufCMessage *out;
	m.leg_id = (char *)(uintptr_t)leg;
	m.edge_node = (char *)(uintptr_t) "edge-1";
	m.source = PARLEY__TELEPHONY__V1__LEG_SOURCE__LEG_SOURCE_TRUNK;
	m.source_id = (char *)(uintptr_t) "trunk-1";
	m.from_number = (char *)(uintptr_t) "+390432111";
	m.to_number = (char *)(uintptr_t)to;
	m.sdp = (char *)(uintptr_t) "offer-customer";
	enum pl_err err =
		PL_E_NOTFOUND; /* a route made just now is known to each copy a little later; 999 is never one */
	for (int i = 0; i < 400 && err == PL_E_NOTFOUND && (i == 0 || strcmp(to, "999") != 0); i++)
		err = rig_ask(rig.edge, &parley__telephony__v1__leg_internal_service__descriptor, "LegIncoming", NULL,
			      &m.base, &out);
	if (!err)
		pl_strlcpy(owner, ((const Parley__Telephony__V1__LegIncomingResponse *)(const void *)out)->owner, 64);
	return err;
}

/* --- media --- */

#define OP(k) PARLEY__MEDIA__V1__OPERATION__OP_##k

static void apply_one(const char *node, const char *room, const Parley__Media__V1__Operation *o,
		      Parley__Media__V1__OperationResult *r, struct pl_arena *a)
{
	switch (o->op_case) {
	case OP(CREATE_ENDPOINT):
		r->sdp = pl_arena_printf(a, "sdp-of-%s", o->create_endpoint->endpoint_id);
		rig_note("%s create room=%s ep=%s remote=%s", node, room, o->create_endpoint->endpoint_id,
			 o->create_endpoint->remote_sdp);
		break;
	case OP(SET_REMOTE):
		rig_note("%s remote ep=%s sdp=%s", node, o->set_remote->endpoint_id, o->set_remote->remote_sdp);
		break;
	case OP(MIX):
		rig_note("%s mix ep=%s hears=%s", node, o->mix->endpoint_id,
			 o->mix->n_hears ? o->mix->hears[0] : "nobody");
		break;
	case OP(PLAY):
		rig_note("%s play player=%s what=%s", node, o->play->player_id,
			 o->play->sources[0]->source_case == PARLEY__MEDIA__V1__SOURCE__SOURCE_FOLDER
				 ? o->play->sources[0]->folder
			 : o->play->sources[0]->source_case == PARLEY__MEDIA__V1__SOURCE__SOURCE_FILE
				 ? o->play->sources[0]->file
				 : "other");
		break;
	case OP(STOP_PLAY):
		rig_note("%s stop-play player=%s", node, o->stop_play->player_id);
		break;
	case OP(START_RECORDING):
		rig_note("%s record rec=%s", node, o->start_recording->recording_id);
		break;
	case OP(PAUSE_RECORDING):
		rig_note("%s pause rec=%s", node, o->pause_recording->recording_id);
		break;
	case OP(STOP_RECORDING):
		rig_note("%s stop-record rec=%s", node, o->stop_recording->recording_id);
		break;
	case OP(DESTROY_ENDPOINT):
		r->stats = PL_NEW(a, Parley__Media__V1__EndpointStats);
		parley__media__v1__endpoint_stats__init(r->stats);
		r->stats->mos = 4.25;
		break;
	case OP(DESTROY_ROOM):
		rig_note("%s destroy-room room=%s", node, room);
		break;
	default:
		rig_note("%s digits %s", node, o->send_digits->digits);
	}
}

static void on_apply(struct rpc_call *c)
{
	const Parley__Media__V1__ApplyRequest *in = (const void *)c->in;
	Parley__Media__V1__ApplyResponse m = PARLEY__MEDIA__V1__APPLY_RESPONSE__INIT;
	rig.applies++;
	if (rig.media_refuses) {
		rpc_fail(c, pl_why_set(&rig_why, PL_E_FORMAT, "no codec in common"), &rig_why);
		return;
	}
	m.node = (char *)(uintptr_t)bus_node(c->bus);
	m.results = pl_arena_alloc(c->arena, (in->n_operations + 1) * sizeof(*m.results));
	for (; m.n_results < in->n_operations; m.n_results++) {
		Parley__Media__V1__OperationResult *r = m.results[m.n_results] =
			PL_NEW(c->arena, Parley__Media__V1__OperationResult);
		parley__media__v1__operation_result__init(r);
		apply_one(m.node, in->room_id, in->operations[m.n_results], r, c->arena);
	}
	rpc_reply(c, &m.base);
}

static void on_keep(struct rpc_call *c)
{
	Parley__Media__V1__KeepRoomsResponse m = PARLEY__MEDIA__V1__KEEP_ROOMS_RESPONSE__INIT;
	rig_note("media keep rooms=%zu",
		 ((const Parley__Media__V1__KeepRoomsRequest *)(const void *)c->in)->n_room_ids);
	rpc_reply(c, &m.base);
}

static void media_event(const char *owner, const char *room, Parley__Media__V1__MediaEvent *m)
{
	char subject[96];
	snprintf(subject, sizeof(subject), "node.%s.MediaEvents", owner);
	m->room_id = (char *)(uintptr_t)room;
	m->media_node = (char *)(uintptr_t) "media-1";
	m->seq = ++rig.media_seq;
	rig_must(rpc_send(rig.media, subject, &m->base), "media event");
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
	d.reason = (char *)(uintptr_t) "end";
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
	d.path = (char *)(uintptr_t) "2026/11/22/x.rec";
	d.sha256 = (char *)(uintptr_t) "abc";
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
	s->file = (char *)(uintptr_t) "prompts/menu";
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
	m->wait_in_queue->queue_name = (char *)(uintptr_t) "Sales";
	m->wait_in_queue->record = true;
	return m;
}

static void on_step(struct rpc_call *c)
{
	static const char *const names[] = {
		"none", "", "", "started", "done", "digits", "queue-left", "gone", "failed"
	};
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
		var.key = (char *)(uintptr_t) "menu";
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
	rig_must(rpc_decode(b, pl_loop_tmp(rig.loop), &pm, &rig_why), "input");
	const Parley__Acd__V1__AcdInput *m = (const void *)pm;
	rig.inputs++;
	switch (m->input_case) {
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE:
		rig_note("acd enqueue call=%s queue=%s only=%s from=%s queued_at=%" PRId64, m->enqueue->interaction_id,
			 m->enqueue->queue_id, m->enqueue->only_agent_id, m->enqueue->customer_number,
			 rpc_ts_us(m->enqueue->queued_at));
		break;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_CANCEL:
		rig_note("acd cancel call=%s %s", m->cancel->interaction_id, m->cancel->reason);
		break;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_OFFER_REPLY:
		rig_note("acd reply offer=%s outcome=%d fence=%" PRIu64, m->offer_reply->offer_id,
			 m->offer_reply->outcome, m->offer_reply->fence);
		break;
	case PARLEY__ACD__V1__ACD_INPUT__INPUT_ENDED:
		rig_note("acd ended agent=%s %s%s", m->ended->agent_id, m->ended->reason,
			 m->ended->agent_only ? " agent-only" : "");
		break;
	default:
		break;
	}
}

static void on_ledger_event(void *arg, const struct bus_msg *b)
{
	ProtobufCMessage *pm = NULL;
	if (strncmp(b->subject, "ev.acd.", 7) == 0)
		return;
	rig_must(rpc_decode(b, pl_loop_tmp(rig.loop), &pm, &rig_why), b->subject);
	if (pm->descriptor == &parley__voice__v1__call_ended__descriptor) {
		const Parley__Voice__V1__CallEnded *m = (const void *)pm;
		rig_note("%s by=%s cause=%s mos=%.2f id=%s", b->subject, m->ended_by, m->cause, m->mos, b->id);
	} else if (pm->descriptor == &parley__voice__v1__agent_connected__descriptor) {
		const Parley__Voice__V1__AgentConnected *m = (const void *)pm;
		rig_note("%s agent=%s queue=%s rec=%s", b->subject, m->meta->agent_id, m->meta->queue_id,
			 m->recording_id);
	} else {
		const Parley__Common__V1__EventMeta *const *meta =
			(const void *)((const char *)pm + sizeof(ProtobufCMessage));
		rig_note("%s same-id=%d", b->subject, *meta && pl_streq((*meta)->event_id, b->id));
	}
}

static void on_queues(struct rpc_call *c)
{
	Parley__Acd__V1__ListQueuesResponse m = PARLEY__ACD__V1__LIST_QUEUES_RESPONSE__INIT;
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT, *list[] = { &q };
	q.id = (char *)(uintptr_t)QUEUE;
	q.name = (char *)(uintptr_t) "Sales";
	q.music = (char *)(uintptr_t) "jazz";
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
	t.id = (char *)(uintptr_t) "trunk-1";
	t.enabled = true;
	t.outbound_uri = (char *)(uintptr_t) "sip:carrier";
	m.trunks = list;
	m.n_trunks = 1;
	rpc_reply(c, &m.base);
}

static void on_phones(struct rpc_call *c)
{
	Parley__Telephony__V1__ListPhonesResponse m = PARLEY__TELEPHONY__V1__LIST_PHONES_RESPONSE__INIT;
	Parley__Telephony__V1__Phone p = PARLEY__TELEPHONY__V1__PHONE__INIT, q = p, *list[] = { &p, &q };
	p.id = (char *)(uintptr_t) "phone-anna";
	p.user = (char *)(uintptr_t) "201";
	p.agent_id = (char *)(uintptr_t)ANNA;
	p.enabled = q.enabled = true;
	q.id = (char *)(uintptr_t) "phone-bert";
	q.user = (char *)(uintptr_t) "202";
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

void rig_offer(const char *interaction, const char *offer, const char *agent, Parley__Acd__V1__Device device,
	       const char *target)
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
	rig_must(rpc_emit(rig.router, subject, id, &m.base, NULL, NULL), "offer");
}

void rig_offer_ended(const char *interaction, const char *offer, const char *agent,
		     Parley__Acd__V1__OfferOutcome outcome)
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
	rig_must(rpc_emit(rig.router, subject, id, &m.base, NULL, NULL), "offer end");
}

/* --- all of them --- */

struct bus *rig_media_node(const char *node)
{
	static const struct rpc_entry media[] = { { "Apply", on_apply }, { "KeepRooms", on_keep }, { NULL, NULL } };
	struct bus *b = rig_connect("media", node);
	rig_must(rpc_serve_node(b, &parley__media__v1__media_internal_service__descriptor, media, NULL, &rig_why),
		 "media");
	return b;
}

void rig_serve_all(void)
{
	static const struct rpc_entry flow[] = { { "Step", on_step }, { NULL, NULL } };
	static const struct rpc_entry queues[] = { { "ListQueues", on_queues }, { NULL, NULL } };
	static const struct rpc_entry routing[] = { { "GetSnapshot", on_snapshot }, { NULL, NULL } };
	static const struct rpc_entry trunks[] = { { "ListTrunks", on_trunks }, { NULL, NULL } };
	static const struct rpc_entry phones[] = { { "ListPhones", on_phones }, { NULL, NULL } };
	static const struct rpc_entry sessions[] = { { "AddAuditEntry", on_audit_entry }, { NULL, NULL } };
	struct bus_sub *s;
	rig_must(bus_subscribe(&s, rig.edge, "node.edge-1.LegCommands", NULL, on_command, NULL, &rig_why), "commands");
	rig_must(bus_subscribe(&s, rig.edge, "node.edge-1.LegAudit", NULL, on_audit, NULL, &rig_why), "audit");
	rig_must(bus_subscribe(&s, rig.router, "acd.in.>", NULL, on_input, NULL, &rig_why), "inputs");
	rig_must(bus_subscribe(&s, rig.router, "ev.>", NULL, on_ledger_event, NULL, &rig_why), "ledger");
	rig_must(rpc_serve(rig.flow, &parley__flow__v1__flow_run_internal_service__descriptor, flow, NULL, &rig_why),
		 "flow");
	rig_must(rpc_serve_node(rig.flow, &parley__flow__v1__flow_run_internal_service__descriptor, flow, NULL,
				&rig_why),
		 "flow");
	rig_must(rpc_serve(rig.router, &parley__acd__v1__queue_service__descriptor, queues, NULL, &rig_why), "queues");
	rig_must(rpc_serve(rig.router, &parley__acd__v1__routing_service__descriptor, routing, NULL, &rig_why),
		 "routing");
	rig_must(rpc_serve(rig.router, &parley__telephony__v1__trunk_service__descriptor, trunks, NULL, &rig_why),
		 "trunks");
	rig_must(rpc_serve(rig.router, &parley__telephony__v1__phone_service__descriptor, phones, NULL, &rig_why),
		 "phones");
	rig_must(rpc_serve(rig.router, &parley__auth__v1__session_internal_service__descriptor, sessions, NULL,
			   &rig_why),
		 "sessions");
}
