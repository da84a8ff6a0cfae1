/* The service as processes, on a real NATS and PostgreSQL: two copies, a channel that steps sessions, a router that
 * lists its queues. */
#include "shell_rig.h"

#include <stdio.h>
#include <stdlib.h>

/* --- tests; one after the other on the same servers --- */

START_TEST(a_caller_goes_through_the_menu_into_the_queue)
{
	char x[PL_ID_LEN];
	const char *flow = flow_make("Main", main_menu());
	publish(flow, 1);
	struct said s = step_start(pl_id_new(x), flow);
	OK(s);
	ck_assert_uint_eq(RESPONSE(s)->n_actions, 2);
	ck_assert_int_eq(RESPONSE(s)->actions[0]->action_case, PARLEY__FLOW__V1__ACTION__ACTION_ANSWER);
	ck_assert_int_eq(RESPONSE(s)->actions[1]->action_case, PARLEY__FLOW__V1__ACTION__ACTION_COLLECT);
	ck_assert_str_eq(RESPONSE(s)->actions[1]->collect->sources[0]->say->text, "Press 1.");
	s = step_digits(x, 2, "1");
	OK(s);
	const Parley__Flow__V1__WaitInQueueAction *w = RESPONSE(s)->actions[0]->wait_in_queue;
	ck_assert_str_eq(w->queue_id, "q-support");
	ck_assert_str_eq(w->queue_name, "Support");
	ck_assert_str_eq(w->music[0]->folder, "moh/jazz");
	ck_assert(w->record);
	ck_assert_uint_eq(RESPONSE(s)->n_shown_variables, 1);
	ck_assert_str_eq(RESPONSE(s)->shown_variables[0]->value, "1 Fault");
	wait_for("acd.in.enqueue", x, 1, true);
	wait_for("ev.flow.step.", x, 2, false);
	struct seen *e = &inputs[n_inputs - 1];
	ck_assert_str_eq(e->id, pl_arena_printf(arena, "%s-2-enqueue", x));
	Parley__Acd__V1__AcdInput *in = parley__acd__v1__acd_input__unpack(NULL, e->len, e->data);
	ck_assert(in && in->input_case == PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE);
	ck_assert_str_eq(in->enqueue->customer_number, "+390432900123");
	ck_assert_int_eq(in->enqueue->priority, 3);
	ck_assert_str_eq(in->enqueue->attributes[0]->value, "1 Fault");
	parley__acd__v1__acd_input__free_unpacked(in, NULL);
	OK(step_left(x, 3, "answered-and-ended"));
	wait_for("ev.flow.left.", x, 1, false);
}
END_TEST

START_TEST(the_same_step_again_gives_the_same_answer_and_no_second_effect)
{
	char x[PL_ID_LEN];
	const char *flow = flow_make("Again", main_menu());
	publish(flow, 1);
	struct said a = step_start(pl_id_new(x), flow), b = step_start(x, flow);
	OK(a);
	OK(b);
	ck_assert_uint_eq(RESPONSE(a)->n_actions, RESPONSE(b)->n_actions);
	ck_assert_str_eq(RESPONSE(a)->node, RESPONSE(b)->node); /* the other copy passed it on */
	a = step_digits(x, 2, "1");
	b = step_digits(x, 2, "1");
	OK(a);
	OK(b);
	ck_assert_str_eq(RESPONSE(b)->actions[0]->wait_in_queue->queue_id, "q-support");
	b = step_digits(x, 4, "1");
	ck_assert_int_eq(b.err, PL_E_STATE);
	ck_assert_str_eq(b.why.field, "seq");
	b = step_digits(x, 3, "1"); /* it waits in the queue */
	ck_assert_int_eq(b.err, PL_E_STATE);
	OK(step_gone(x, 9)); /* gone is gone, whatever was lost before */
	OK(step_gone(x, 10));
	wait_for("ev.flow.left.", x, 1, false);
	ck_assert_uint_eq(count(inputs, n_inputs, "acd.in.enqueue", x), 1);
	ck_assert_uint_eq(count(ledger, n_ledger, "ev.flow.entered.", x), 1);
	ck_assert_uint_eq(count(ledger, n_ledger, "ev.flow.left.", x), 1);
}
END_TEST

START_TEST(a_customer_who_goes_while_a_step_is_being_stored_leaves_no_question_open)
{
	const char *flow = flow_make("Hurry", main_menu());
	publish(flow, 1);
	for (int i = 0; i < 50; i++) {
		char x[PL_ID_LEN];
		OK(step_start(pl_id_new(x), flow));
		Parley__Flow__V1__StepRequest *m[2] = { req(x, 2), req(x, 3) };
		m[0]->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS;
		m[0]->digits = PL_NEW(arena, Parley__Flow__V1__DigitsCollected);
		parley__flow__v1__digits_collected__init(m[0]->digits);
		m[0]->digits->digits = STR("1");
		m[1]->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_GONE;
		m[1]->gone = PL_NEW(arena, Parley__Flow__V1__CustomerGone);
		parley__flow__v1__customer_gone__init(m[1]->gone);
		struct said s[2] = { 0 };
		struct rpc_to to = { RUN, "Step", NULL, NULL, 10000 };
		struct pl_why why = { 0 };
		for (int k = 0; k < 2; k++) /* both in one turn: the first is not answered when the second comes */
			ck_assert(rpc_ask(bus, &to, &m[k]->base, on_said, &s[k], &why));
		for (int k = 0; k < 2; k++)
			ck_assert(tk_until(is_done, &s[k], turn, loop, LIMIT_S));
		for (int k = 0; k < 2;
		     k++) /* a busy machine: a lease may lapse for a moment, and the channel asks again */
			if (s[k].err == PL_E_UNAVAIL)
				s[k] = step(m[k]);
		/* Two copies may hear them in the other order: then the call was over before the digit. */
		ck_assert_msg(s[0].err == PL_OK || s[0].err == PL_E_STATE, "%s: %s", pl_err_name(s[0].err),
			      s[0].why.text);
		OK(s[1]);
		ck_assert(RESPONSE(s[1])->ended);
	}
}
END_TEST

START_TEST(a_graph_with_problems_is_kept_but_not_published)
{
	Parley__Flow__V1__CreateFlowRequest in = PARLEY__FLOW__V1__CREATE_FLOW_REQUEST__INIT;
	Parley__Flow__V1__Flow f = PARLEY__FLOW__V1__FLOW__INIT;
	f.name = (char *)(uintptr_t) "Wrong";
	in.flow = &f;
	in.graph = graph_of("{'start':'q','nodes':{'q':{'type':'queue','queue':'q-nowhere'}}}");
	struct said s = ask_patiently(FLOWS, "CreateFlow", ADMIN, &in.base);
	OK(s);
	const Parley__Flow__V1__CreateFlowResponse *m = (const void *)s.out;
	Parley__Flow__V1__PublishFlowRequest pub = PARLEY__FLOW__V1__PUBLISH_FLOW_REQUEST__INIT;
	pub.flow_id = m->flow->id;
	pub.version = 1;
	s = ask_patiently(FLOWS, "PublishFlow", ADMIN, &pub.base);
	ck_assert_int_eq(s.err, PL_E_STATE);
	ck_assert_str_eq(s.why.field, "nodes.q.queue");
	Parley__Flow__V1__GetFlowRequest get = PARLEY__FLOW__V1__GET_FLOW_REQUEST__INIT;
	get.id = m->flow->id;
	s = ask_patiently(FLOWS, "GetFlow", ADMIN, &get.base);
	OK(s);
	const Parley__Flow__V1__GetFlowResponse *g = (const void *)s.out;
	ck_assert_uint_eq(g->n_problems, 1);
	ck_assert_str_eq(g->problems[0]->text, "there is no such queue: q-nowhere");
	ck_assert_uint_eq(g->flow->published_version, 0);
	s = ask(FLOWS, "PublishFlow", "agent 0193f0a1-0000-7000-8000-000000000002 s", &pub.base);
	ck_assert_int_eq(s.err, PL_E_DENIED);
	s = ask_patiently(FLOWS, "CreateFlow", ADMIN, &in.base);
	ck_assert_int_eq(s.err, PL_E_EXISTS);
	ck_assert_str_eq(s.why.field, "flow.name");
	Parley__Flow__V1__UpdateFlowRequest up = PARLEY__FLOW__V1__UPDATE_FLOW_REQUEST__INIT;
	up.flow = g->flow;
	up.flow->name = STR("Renamed");
	s = ask_patiently(FLOWS, "UpdateFlow", ADMIN, &up.base);
	OK(s);
	ck_assert_str_eq(((const Parley__Flow__V1__UpdateFlowResponse *)(const void *)s.out)->flow->name, "Renamed");
	ck_assert_int_eq(ask_patiently(FLOWS, "UpdateFlow", ADMIN, &up.base).err, PL_E_CONFLICT);
}
END_TEST

START_TEST(a_session_keeps_its_version_and_new_ones_take_the_published_one)
{
	char x[PL_ID_LEN], y[PL_ID_LEN];
	const char *flow = flow_make(
		"Versions",
		"{'start':'m','nodes':{'m':{'type':'menu','prompt':'One','choices':{'1':'m'},'timeout':'m'}}}");
	publish(flow, 1);
	OK(step_start(pl_id_new(x), flow));
	Parley__Flow__V1__CreateFlowVersionRequest in = PARLEY__FLOW__V1__CREATE_FLOW_VERSION_REQUEST__INIT;
	in.flow_id = (char *)(uintptr_t)flow;
	in.graph = graph_of(
		"{'start':'m','nodes':{'m':{'type':'menu','prompt':'Two','choices':{'1':'m'},'timeout':'m'}}}");
	struct said s = ask_patiently(FLOWS, "CreateFlowVersion", ADMIN, &in.base);
	OK(s);
	ck_assert_uint_eq(((const Parley__Flow__V1__CreateFlowVersionResponse *)(const void *)s.out)->version->version,
			  2);
	publish(flow, 2);
	int64_t until = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	do { /* the news travels by event: until then the old version begins */
		s = step_start(pl_id_new(y), flow);
		OK(s);
		ck_assert(pl_mono_us() < until);
	} while (strcmp(RESPONSE(s)->actions[0]->collect->sources[0]->say->text, "Two") != 0);
	s = step_digits(x, 2, "1");
	OK(s);
	ck_assert_str_eq(RESPONSE(s)->actions[0]->collect->sources[0]->say->text, "One");
}
END_TEST

START_TEST(what_a_caller_types_in_secret_is_nowhere_in_the_ledger)
{
	char x[PL_ID_LEN];
	const char *flow = flow_make(
		"Secret",
		"{'start':'c','show':['pin','ok'],'nodes':{'c':{'type':'collect','prompt':'PIN?','variable':'pin',"
		"'secret':true,'next':'i','timeout':'h'},'i':{'type':'if','when':{'variable':'pin','is':'eq','value':'"
		"86420975'},'true':'s','false':'h'},"
		"'s':{'type':'set','variables':{'ok':'yes'},'next':'q'},'q':{'type':'queue','queue':'q-support'},'h':{'"
		"type':'hangup'}}}");
	publish(flow, 1);
	struct said s = step_start(pl_id_new(x), flow);
	OK(s);
	ck_assert(RESPONSE(s)->actions[0]->collect->secret);
	s = step_digits(x, 2, "86420975");
	OK(s);
	ck_assert_int_eq(RESPONSE(s)->actions[0]->action_case, PARLEY__FLOW__V1__ACTION__ACTION_WAIT_IN_QUEUE);
	ck_assert_uint_eq(RESPONSE(s)->n_shown_variables, 1);
	ck_assert_str_eq(RESPONSE(s)->shown_variables[0]->key, "ok");
	wait_for("acd.in.enqueue", x, 1, true);
	wait_for("ev.flow.step.", x, 2, false);
	for (size_t i = 0; i < n_ledger; i++)
		ck_assert_ptr_null(memmem(ledger[i].data, ledger[i].len, "86420975", 8));
	for (size_t i = 0; i < n_inputs; i++)
		ck_assert_ptr_null(memmem(inputs[i].data, inputs[i].len, "86420975", 8));
}
END_TEST

START_TEST(when_its_copy_is_killed_another_goes_on_with_the_session)
{
	enum { N = 20 };
	static char ids[N][PL_ID_LEN];
	const char *flow = flow_make("Survives", main_menu());
	publish(flow, 1);
	char owner[N][64];
	for (int i = 0; i < N; i++) {
		OK(step_start(pl_id_new(ids[i]), flow));
		struct said s = step_digits(ids[i], 2, "1");
		OK(s);
		pl_strlcpy(owner[i], RESPONSE(s)->node, sizeof(owner[i]));
	}
	int dead = strcmp(owner[0], "flow-a") == 0 ? 0 : 1;
	const char *survivor = dead == 0 ? "flow-b" : "flow-a";
	tk_kill(copy[dead]);
	for (int i = 0; i < N; i++) {
		struct said s = step_digits(ids[i], 2, "1"); /* the channel asks again what it may not have heard */
		OK(s);
		ck_assert_str_eq(RESPONSE(s)->actions[0]->wait_in_queue->queue_id, "q-support");
		s = step_left(ids[i], 3, "timeout");
		OK(s);
		ck_assert_str_eq(RESPONSE(s)->node, survivor);
		ck_assert_str_eq(RESPONSE(s)->actions[0]->play->sources[0]->say->text, "Sorry about 1 Fault.");
		ck_assert(RESPONSE(s)->ended);
	}
	for (int i = 0; i < N; i++) {
		wait_for("ev.flow.left.", ids[i], 1, false);
		ck_assert_uint_eq(count(inputs, n_inputs, "acd.in.enqueue", ids[i]), 1);
		ck_assert_uint_eq(count(ledger, n_ledger, "ev.flow.left.", ids[i]), 1);
	}
	tk_start(copy[dead]);
}
END_TEST

START_TEST(schedules_are_checked_and_changes_meet_an_old_revision_with_a_conflict)
{
	Parley__Flow__V1__CreateScheduleRequest in = PARLEY__FLOW__V1__CREATE_SCHEDULE_REQUEST__INIT;
	in.schedule = all_week("Office");
	in.schedule->time_zone = (char *)(uintptr_t) "Europe/Atlantis";
	struct said s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
	ck_assert_int_eq(s.err, PL_E_FORMAT);
	ck_assert_str_eq(s.why.field, "schedule.time_zone");
	in.schedule->time_zone = (char *)(uintptr_t) "../../etc/passwd";
	ck_assert_int_eq(ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base).err, PL_E_FORMAT);
	in.schedule->time_zone = (char *)(uintptr_t) "Europe/Rome";
	in.schedule->weekly[0]->to_minute = 1441;
	s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
	ck_assert_str_eq(s.why.field, "schedule.weekly.to_minute");
	in.schedule->weekly[0]->to_minute = 60;
	s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
	OK(s);
	Parley__Flow__V1__UpdateScheduleRequest up = PARLEY__FLOW__V1__UPDATE_SCHEDULE_REQUEST__INIT;
	up.schedule = ((const Parley__Flow__V1__CreateScheduleResponse *)(const void *)s.out)->schedule;
	OK(ask_patiently(SCHEDULES, "UpdateSchedule", ADMIN, &up.base));
	ck_assert_int_eq(ask_patiently(SCHEDULES, "UpdateSchedule", ADMIN, &up.base).err, PL_E_CONFLICT);
	Parley__Flow__V1__DeleteScheduleRequest del = PARLEY__FLOW__V1__DELETE_SCHEDULE_REQUEST__INIT;
	del.id = up.schedule->id;
	OK(ask_patiently(SCHEDULES, "DeleteSchedule", ADMIN, &del.base));
	wait_for("ev.flow.schedule-changed.", up.schedule->id, 3, false);
}
END_TEST

START_TEST(copies_that_are_told_to_stop_end_cleanly) /* under a leak checker: without a leak */
{
	for (int i = 0; i < 2; i++) {
		Parley__Flow__V1__StepRequest nonsense = PARLEY__FLOW__V1__STEP_REQUEST__INIT;
		struct rpc_to to = { RUN, "Step", i == 0 ? "flow-a" : "flow-b", NULL, 3000 };
		struct pl_why why = { 0 };
		int64_t until = pl_mono_us() + LIMIT_S * PL_US_PER_S;
		struct said s;
		do { /* until it has begun its work */
			s = (struct said){ .err = PL_E_UNAVAIL };
			ck_assert(pl_mono_us() < until);
			if (rpc_ask(bus, &to, &nonsense.base, on_said, &s, &why))
				ck_assert(tk_until(is_done, &s, turn, loop, LIMIT_S));
		} while (s.err != PL_E_FORMAT);
		ck_assert_int_eq(tk_stop(copy[i]), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow shell");
	TCase *t = tcase_create("shell");
	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_caller_goes_through_the_menu_into_the_queue);
	tcase_add_test(t, the_same_step_again_gives_the_same_answer_and_no_second_effect);
	tcase_add_test(t, a_customer_who_goes_while_a_step_is_being_stored_leaves_no_question_open);
	tcase_add_test(t, a_graph_with_problems_is_kept_but_not_published);
	tcase_add_test(t, a_session_keeps_its_version_and_new_ones_take_the_published_one);
	tcase_add_test(t, what_a_caller_types_in_secret_is_nowhere_in_the_ledger);
	tcase_add_test(t, when_its_copy_is_killed_another_goes_on_with_the_session);
	tcase_add_test(t, schedules_are_checked_and_changes_meet_an_old_revision_with_a_conflict);
	tcase_add_test(t, copies_that_are_told_to_stop_end_cleanly);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK); /* the servers belong to this process */
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
