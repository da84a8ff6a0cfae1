/* The service as processes among stand-ins (rig.h). */
#include "rig.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>

#define KIND(k) PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_##k
#define DEVICE(k) PARLEY__ACD__V1__DEVICE__DEVICE_##k
#define DEST(k) PARLEY__VOICE__V1__INBOUND_ROUTE__DESTINATION_##k
#define CALLS (&parley__voice__v1__call_service__descriptor)
#define LEG "0199d000-0000-7000-8000-000000000001"
#define OFFER1 "0199e000-0000-7000-8000-000000000001"
#define OFFER2 "0199e000-0000-7000-8000-000000000002"

static void up(void)
{
	rig_up();
	rig_start(0);
}
static void down(void)
{
	rig_down();
}

#define SEE(what) ck_assert_msg(rig_line(what) != NULL, "no %s", what)
#define SEEF(...)                                                                                                      \
	({                                                                                                             \
		char text_[200];                                                                                       \
		snprintf(text_, sizeof(text_), __VA_ARGS__);                                                           \
		const char *line_ = rig_line(text_);                                                                   \
		ck_assert_msg(line_ != NULL, "no %s", text_);                                                          \
		line_;                                                                                                 \
	})

/* A call through the menu into the queue; gives the owner and the call's id. */
static void into_queue(const char *leg, char owner[64], char call[64])
{
	ck_assert_int_eq(rig_incoming(leg, "100", owner), PL_OK);
	const char *create = SEEF("create room=");
	pl_strlcpy(call, rig_word(create, "room="), 64);
	SEE("flow step=started seq=1");
	SEEF("edge answer %s sdp=sdp-of-%s", leg, leg);
	SEE("what=prompts/menu");
	rig_digit(owner, call, leg, "2");
	SEEF("flow step=digits seq=2 call=%s 2", call);
	SEE("what=moh/default");
}

/* The agent's phone rings and answers; gives the agent's leg. */
static void phone_answers(const char *owner, const char *call, const char *offer, const char *agent, const char *phone,
			  char leg[64])
{
	rig_offer(call, offer, agent, DEVICE(PHONE), phone);
	const char *dial = SEEF("phone=%s from=+390432111", phone);
	pl_strlcpy(leg, rig_word(dial, "leg="), 64);
	ck_assert_str_eq(rig_word(dial, "owner="), owner);
	rig_leg_event(owner, leg, KIND(RINGING), "", 180);
	SEEF("ev.call.agent-ringing.%s", call);
	rig_leg_event(owner, leg, KIND(ANSWERED), "answer-of-phone", 200);
	SEEF("acd reply offer=%s outcome=1", offer);
	SEEF("media-1 mix ep=%s hears=%s", leg, LEG);
}

START_TEST(a_call_goes_by_menu_and_queue_to_a_phone_agent_and_is_recorded)
{
	char owner[64], call[64], agent_leg[64], rec[64];
	rig_route("100", DEST(FLOW_ID), FLOW, false);
	into_queue(LEG, owner, call);
	phone_answers(owner, call, OFFER1, ANNA, "phone-anna", agent_leg);
	SEEF("ev.recording.expected");
	const char *connected = SEEF("ev.call.agent-connected.%s agent=%s queue=%s", call, ANNA, QUEUE);
	pl_strlcpy(rec, rig_word(connected, "rec="), sizeof(rec));
	SEEF("media-1 record rec=%s", rec);
	rig_leg_event(owner, LEG, KIND(ENDED), "", 200);
	SEEF("edge hangup %s", agent_leg);
	SEE("acd ended agent=" ANNA " customer-hangup");
	SEE("flow step=gone");
	SEEF("media-1 stop-record rec=%s", rec);
	SEEF("media-1 destroy-room room=%s", call);
	SEEF("ev.call.ended.%s by=customer cause=normal mos=4.25", call);
	SEEF("ev.call.started.%s same-id=1", call);
	SEEF("ev.call.answered.%s", call);
	SEEF("ev.call.agent-disconnected.%s", call);
	ck_assert_uint_le(rig.applies + rig.steps, 12); /* requests on the path of a queue call */

	/* The recorder's word comes after the call. */
	rig_recording_done(owner, call, rec, true);
	SEEF("ev.recording.verified.%s", rec);
	Parley__Voice__V1__GetRecordingRequest get = PARLEY__VOICE__V1__GET_RECORDING_REQUEST__INIT;
	const ProtobufCMessage *out = NULL;
	get.id = rec;
	get.play = true;
	enum pl_err err = PL_E_NOTFOUND;
	for (int i = 0; i < 200 && err == PL_E_NOTFOUND; i++) /* the table follows the ledger */
		err = rig_ask(rig.router, &parley__voice__v1__recording_service__descriptor, "GetRecording", AS_ANNA,
			      &get.base, &out);
	ck_assert_int_eq(err, PL_OK);
	const Parley__Voice__V1__Recording *r =
		((const Parley__Voice__V1__GetRecordingResponse *)(const void *)out)->recording;
	ck_assert_str_eq(r->interaction_id, call);
	ck_assert_str_eq(r->agent_id, ANNA);
	SEEF("auth audit recording.play user=%s object=%s", ANNA, rec);
	ck_assert_int_eq(rig_ask(rig.router, &parley__voice__v1__recording_service__descriptor, "GetRecording", AS_BERT,
				 &get.base, &out),
			 PL_E_NOTFOUND);
}
END_TEST

static enum pl_err agent(const char *actor, const char *method, const ProtobufCMessage *in,
			 const ProtobufCMessage **out)
{
	return rig_ask(rig.router, CALLS, method, actor, in, out);
}

START_TEST(a_browser_agent_accepts_holds_and_transfers_to_a_queue)
{
	char owner[64], call[64];
	const ProtobufCMessage *out;
	Parley__Voice__V1__AcceptOfferRequest accept = PARLEY__VOICE__V1__ACCEPT_OFFER_REQUEST__INIT;
	Parley__Voice__V1__HoldCallRequest hold = PARLEY__VOICE__V1__HOLD_CALL_REQUEST__INIT;
	Parley__Voice__V1__ResumeCallRequest resume = PARLEY__VOICE__V1__RESUME_CALL_REQUEST__INIT;
	Parley__Voice__V1__ListMyCallsRequest list = PARLEY__VOICE__V1__LIST_MY_CALLS_REQUEST__INIT;
	Parley__Voice__V1__TransferCallRequest transfer = PARLEY__VOICE__V1__TRANSFER_CALL_REQUEST__INIT;
	rig_route("200", DEST(QUEUE_ID), QUEUE, false);
	ck_assert_int_eq(rig_incoming(LEG, "200", owner), PL_OK);
	const char *enqueue = SEEF("acd enqueue call=");
	pl_strlcpy(call, rig_word(enqueue, "call="), sizeof(call));
	char *queued_at = strdup(rig_word(enqueue, "queued_at="));
	SEE("what=moh/jazz"); /* the queue's own music */
	rig_offer(call, OFFER1, ANNA, DEVICE(BROWSER), "");
	SEEF("ev.call.agent-ringing.%s", call);

	ck_assert_int_eq(agent(AS_ANNA, "ListMyCalls", &list.base, &out), PL_OK);
	const Parley__Voice__V1__ListMyCallsResponse *mine = (const void *)out;
	ck_assert_uint_eq(mine->n_calls, 1);
	ck_assert_int_eq(mine->calls[0]->state, PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_OFFERED);
	ck_assert_str_eq(mine->calls[0]->offer_id, OFFER1);
	ck_assert_str_eq(mine->calls[0]->queue_name, "Sales");

	accept.interaction_id = call;
	accept.offer_id = (char *)(uintptr_t)OFFER1;
	accept.sdp = (char *)(uintptr_t) "webrtc-offer";
	ck_assert_int_eq(agent(AS_BERT, "AcceptOffer", &accept.base, &out), PL_E_NOTFOUND);
	ck_assert_int_eq(agent(AS_ANNA, "AcceptOffer", &accept.base, &out), PL_OK);
	ck_assert_int_eq(
		strncmp(((const Parley__Voice__V1__AcceptOfferResponse *)(const void *)out)->sdp, "sdp-of-", 7), 0);
	ck_assert_int_eq(agent(AS_ANNA, "AcceptOffer", &accept.base, &out), PL_E_STATE);
	SEE("acd reply offer=" OFFER1 " outcome=1");

	hold.interaction_id = resume.interaction_id = transfer.interaction_id = call;
	ck_assert_int_eq(agent(AS_ANNA, "HoldCall", &hold.base, &out), PL_OK);
	ck_assert_int_eq(((const Parley__Voice__V1__HoldCallResponse *)(const void *)out)->call->state,
			 PARLEY__VOICE__V1__CALL_STATE__CALL_STATE_HELD);
	SEEF("ev.call.held.%s", call);
	ck_assert_int_eq(agent(AS_ANNA, "HoldCall", &hold.base, &out), PL_E_STATE);
	ck_assert_int_eq(agent(AS_ANNA, "ResumeCall", &resume.base, &out), PL_OK);

	transfer.target_case = PARLEY__VOICE__V1__TRANSFER_CALL_REQUEST__TARGET_QUEUE_ID;
	transfer.queue_id = (char *)(uintptr_t)QUEUE;
	ck_assert_int_eq(agent(AS_ANNA, "TransferCall", &transfer.base, &out), PL_OK);
	SEE("acd ended agent=" ANNA " transfer agent-only");
	const char *again = SEEF("acd enqueue call=%s", call);
	ck_assert_str_eq(rig_word(again, "queued_at="), queued_at); /* the wait goes on */
	free(queued_at);
	rig_leg_event(owner, LEG, KIND(ENDED), "", 200);
	SEEF("acd cancel call=%s abandoned", call);
	SEEF("ev.call.ended.%s by=customer cause=abandoned-queue", call);
}
END_TEST

START_TEST(the_owner_is_killed_and_the_other_copy_carries_the_call_on)
{
	char owner[64], call[64], agent_leg[64];
	rig_route("100", DEST(FLOW_ID), FLOW, false);
	rig_start(1);
	into_queue(LEG, owner, call);
	phone_answers(owner, call, OFFER1, ANNA, "phone-anna", agent_leg);
	SEEF("ev.call.agent-connected.%s", call);
	int dead = owner[3] - '1';
	const char *other = dead ? "cc-1" : "cc-2";
	rig_turn();
	tk_kill(rig.cc[dead]);
	SEEF("edge adopt %s owner=%s", LEG, other);
	SEEF("edge adopt %s owner=%s", agent_leg, other);
	/* An agent's command finds the new owner; the agent's hang-up ends everything. */
	Parley__Voice__V1__HoldCallRequest hold = PARLEY__VOICE__V1__HOLD_CALL_REQUEST__INIT;
	const ProtobufCMessage *out;
	hold.interaction_id = call;
	ck_assert_int_eq(agent(AS_ANNA, "HoldCall", &hold.base, &out), PL_OK);
	rig_leg_event(other, agent_leg, KIND(ENDED), "", 200);
	SEE("acd ended agent=" ANNA " agent-hangup");
	SEEF("flow step=queue-left seq=3 call=%s", call);
	SEEF("edge hangup %s 0", LEG);
	SEEF("ev.call.ended.%s", call);
	ck_assert_uint_eq(rig_count("ev.call.ended."), 1);
	ck_assert_uint_eq(rig_count("ev.call.agent-connected."), 1);
}
END_TEST

START_TEST(a_waiting_caller_survives_the_owner_and_gets_the_offer_made_meanwhile)
{
	char owner[64], call[64], agent_leg[64];
	rig_route("100", DEST(FLOW_ID), FLOW, false);
	rig_start(1);
	into_queue(LEG, owner, call);
	int dead = owner[3] - '1';
	const char *other = dead ? "cc-1" : "cc-2";
	tk_kill(rig.cc[dead]);
	rig_offer(call, OFFER2, BERT, DEVICE(PHONE), "phone-bert"); /* nobody owns the call now */
	SEEF("edge adopt %s owner=%s", LEG, other);
	const char *dial = SEEF("phone=phone-bert");
	pl_strlcpy(agent_leg, rig_word(dial, "leg="), sizeof(agent_leg));
	ck_assert_str_eq(rig_word(dial, "owner="), other);
	rig_leg_event(other, agent_leg, KIND(ANSWERED), "answer-of-phone", 200);
	SEE("acd reply offer=" OFFER2 " outcome=1");
	rig_leg_event(other, LEG, KIND(ENDED), "", 200);
	SEEF("ev.call.ended.%s by=customer cause=normal", call);
}
END_TEST

START_TEST(a_talk_moves_to_another_media_node_when_its_own_dies)
{
	char owner[64], call[64], agent_leg[64], other[] = "0199d000-0000-7000-8000-000000000100", owner2[64];
	rig_route("100", DEST(FLOW_ID), FLOW, false);
	into_queue(LEG, owner, call);
	phone_answers(owner, call, OFFER1, ANNA, "phone-anna", agent_leg);
	SEEF("ev.recording.expected");
	rig_second_media();
	for (int i = 0; i < 800 && !rig_has("media-2 create"); i++) { /* until call-control knows it */
		snprintf(other + 33, 4, "%03d", i + 100);
		ck_assert_int_eq(rig_incoming(other, "100", owner2), PL_OK);
		SEEF("edge answer %s", other);
	}
	rig_lose_media();
	SEEF("media-2 create room=%s ep=%s", call, LEG);
	SEEF("edge reinvite %s sdp=sdp-of-%s", LEG, LEG);
	SEEF("edge reinvite %s sdp=sdp-of-%s", agent_leg, agent_leg);
	SEEF("ev.recording.stopped");
	SEEF("ev.recording.expected"); /* the second half is a recording of its own */
	rig_leg_event(owner, LEG, KIND(REINVITED), "answer-customer-2", 200);
	SEEF("media-2 remote ep=%s sdp=answer-customer-2", LEG);
	rig_leg_event(owner, agent_leg, KIND(ENDED), "", 200);
	SEE("acd ended agent=" ANNA " agent-hangup");
	SEEF("ev.call.ended.%s", call);
}
END_TEST

START_TEST(refusals_name_their_reason)
{
	char owner[64];
	ck_assert_int_eq(rig_incoming(LEG, "999", owner), PL_E_NOTFOUND);
	SEE("cause=no-route");
	rig_route("300", DEST(URI), "sip:{rest}@127.0.0.1:5090", false);
	rig.media_refuses = true;
	ck_assert_int_eq(rig_incoming(LEG, "300", owner), PL_OK);
	SEEF("edge hangup %s 488", LEG);
	SEE("cause=failed");
}
END_TEST

START_TEST(a_direct_route_rings_the_far_side_before_it_answers_the_caller)
{
	char owner[64], far[64];
	rig_route("echo-*", DEST(URI), "sip:{rest}@127.0.0.1:5090", false);
	ck_assert_int_eq(rig_incoming(LEG, "echo-7", owner), PL_OK);
	const char *dial = SEEF("uri=sip:7@127.0.0.1:5090");
	pl_strlcpy(far, rig_word(dial, "leg="), sizeof(far));
	rig_leg_event(owner, far, KIND(RINGING), "", 180);
	SEEF("edge progress %s 180", LEG);
	ck_assert(!rig_has("edge answer"));
	rig_leg_event(owner, far, KIND(ANSWERED), "answer-far", 200);
	SEEF("edge answer %s", LEG);
	rig_leg_event(owner, far, KIND(ENDED), "", 200);
	SEEF("edge hangup %s", LEG);
	SEE("by=agent cause=normal");
}
END_TEST

START_TEST(an_agent_dials_out_by_the_own_phone)
{
	Parley__Voice__V1__DialNumberRequest dial = PARLEY__VOICE__V1__DIAL_NUMBER_REQUEST__INIT;
	const ProtobufCMessage *out;
	char call[PL_ID_LEN], leg[64];
	dial.interaction_id = pl_id_new(call);
	dial.number = (char *)(uintptr_t) "0432555";
	ck_assert_int_eq(agent(AS_ANNA, "DialNumber", &dial.base, &out), PL_OK);
	ck_assert_int_eq(agent(AS_ANNA, "DialNumber", &dial.base, &out), PL_E_EXISTS);
	pl_strlcpy(leg, rig_word(SEEF("phone=phone-anna"), "leg="), sizeof(leg));
	rig_leg_event("cc-1", leg, KIND(ANSWERED), "answer-anna", 200);
	const char *far = SEEF("trunk=trunk-1 number=0432555");
	rig_leg_event("cc-1", rig_word(far, "leg="), KIND(ANSWERED), "answer-far", 200);
	SEEF("ev.call.agent-connected.%s", call);
	rig_leg_event("cc-1", leg, KIND(ENDED), "", 200);
	SEEF("ev.call.ended.%s by=agent cause=normal", call);
}
END_TEST

static enum pl_err expire_job(void *arg, struct pg_conn *c, struct pl_why *why)
{
	return pg_exec_text(c, "UPDATE recording SET stopped_at = now() - interval '61 s' WHERE stopped_at IS NOT NULL",
			    why);
}
static void expired(void *arg, enum pl_err err, const struct pl_why *why)
{
	rig_note("expired %s", pl_err_name(err));
}

START_TEST(a_recording_without_word_is_failed_after_a_minute)
{
	char owner[64], call[64], leg[64];
	rig_route("200", DEST(QUEUE_ID), QUEUE, false);
	ck_assert_int_eq(rig_incoming(LEG, "200", owner), PL_OK);
	pl_strlcpy(call, rig_word(SEEF("acd enqueue call="), "call="), sizeof(call));
	phone_answers(owner, call, OFFER1, ANNA, "phone-anna", leg);
	rig_leg_event(owner, LEG, KIND(ENDED), "", 200);
	SEEF("ev.call.ended.%s", call);
	SEE("ev.recording.stopped.");
	for (int i = 0; i < 40 && !rig_has("ev.recording.failed.");
	     i++) { /* the row comes with the fold; then time is turned back */
		ck_assert_int_eq(pg_tx(rig.db, expire_job, expired, NULL), PL_OK);
		SEE("expired");
		for (int k = 0; k < 100 && !rig_has("ev.recording.failed."); k++)
			rig_turn();
	}
	SEE("ev.recording.failed.");
}
END_TEST

START_TEST(a_copy_that_drains_takes_no_more_calls_and_ends_when_its_last_is_over)
{
	char owner[64], call[64], leg2[] = "0199d000-0000-7000-8000-000000000002", owner2[64];
	rig_route("100", DEST(FLOW_ID), FLOW, false);
	rig_start(1);
	into_queue(LEG, owner, call);
	int which = owner[3] - '1';
	ck_assert_int_eq(kill(tk_pid(rig.cc[which]), SIGTERM), 0);
	for (int i = 0; i < 6; i++) {
		leg2[35] = (char)('2' + i);
		ck_assert_int_eq(rig_incoming(leg2, "100", owner2), PL_OK);
		if (i > 0) /* the first may have been asked before the signal */
			ck_assert_str_ne(owner2, owner);
	}
	rig_leg_event(owner, LEG, KIND(ENDED), "", 200);
	SEEF("ev.call.ended.%s", call);
	ck_assert_int_eq(tk_stop(rig.cc[which]), 0);
}
END_TEST

START_TEST(routes_are_for_administrators_and_unique)
{
	Parley__Voice__V1__CreateInboundRouteRequest m = PARLEY__VOICE__V1__CREATE_INBOUND_ROUTE_REQUEST__INIT;
	Parley__Voice__V1__InboundRoute r = PARLEY__VOICE__V1__INBOUND_ROUTE__INIT;
	const ProtobufCServiceDescriptor *d = &parley__voice__v1__route_service__descriptor;
	const ProtobufCMessage *out;
	r.name = r.number = (char *)(uintptr_t) "100";
	r.destination_case = DEST(FLOW_ID);
	r.flow_id = (char *)(uintptr_t)FLOW;
	m.route = &r;
	ck_assert_int_eq(rig_ask(rig.router, d, "CreateInboundRoute", AS_ANNA, &m.base, &out), PL_E_DENIED);
	ck_assert_int_eq(rig_ask(rig.router, d, "CreateInboundRoute", ADMIN, &m.base, &out), PL_OK);
	Parley__Voice__V1__InboundRoute made =
		*((const Parley__Voice__V1__CreateInboundRouteResponse *)(const void *)out)->route;
	char id[PL_ID_LEN];
	pl_strlcpy(id, made.id, sizeof(id));
	ck_assert_int_eq(rig_ask(rig.router, d, "CreateInboundRoute", ADMIN, &m.base, &out), PL_E_EXISTS);
	r.number = (char *)(uintptr_t) "1*2";
	ck_assert_int_eq(rig_ask(rig.router, d, "CreateInboundRoute", ADMIN, &m.base, &out), PL_E_FORMAT);
	Parley__Voice__V1__UpdateInboundRouteRequest u = PARLEY__VOICE__V1__UPDATE_INBOUND_ROUTE_REQUEST__INIT;
	r.number = (char *)(uintptr_t) "101";
	r.id = id;
	r.revision = 1;
	u.route = &r;
	ck_assert_int_eq(rig_ask(rig.router, d, "UpdateInboundRoute", ADMIN, &u.base, &out), PL_OK);
	ck_assert_int_eq(rig_ask(rig.router, d, "UpdateInboundRoute", ADMIN, &u.base, &out), PL_E_CONFLICT);
	Parley__Voice__V1__DeleteInboundRouteRequest del = PARLEY__VOICE__V1__DELETE_INBOUND_ROUTE_REQUEST__INIT;
	del.id = id;
	ck_assert_int_eq(rig_ask(rig.router, d, "DeleteInboundRoute", ADMIN, &del.base, &out), PL_OK);
	ck_assert_int_eq(rig_ask(rig.router, d, "DeleteInboundRoute", ADMIN, &del.base, &out), PL_E_NOTFOUND);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("call-control");
	TCase *t = tcase_create("service");
	tcase_set_timeout(t, 240);
	tcase_add_checked_fixture(t, up, down);
	tcase_add_test(t, a_call_goes_by_menu_and_queue_to_a_phone_agent_and_is_recorded);
	tcase_add_test(t, a_browser_agent_accepts_holds_and_transfers_to_a_queue);
	tcase_add_test(t, the_owner_is_killed_and_the_other_copy_carries_the_call_on);
	tcase_add_test(t, a_waiting_caller_survives_the_owner_and_gets_the_offer_made_meanwhile);
	tcase_add_test(t, a_talk_moves_to_another_media_node_when_its_own_dies);
	tcase_add_test(t, refusals_name_their_reason);
	tcase_add_test(t, a_direct_route_rings_the_far_side_before_it_answers_the_caller);
	tcase_add_test(t, an_agent_dials_out_by_the_own_phone);
	tcase_add_test(t, a_recording_without_word_is_failed_after_a_minute);
	tcase_add_test(t, a_copy_that_drains_takes_no_more_calls_and_ends_when_its_last_is_over);
	tcase_add_test(t, routes_are_for_administrators_and_unique);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_VERBOSE);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
