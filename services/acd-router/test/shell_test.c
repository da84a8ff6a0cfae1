/* The service as a process, against real NATS and PostgreSQL. */
#include "rig.h"

#include <stdio.h>
#include <stdlib.h>

#define QUEUES (&parley__acd__v1__queue_service__descriptor)
#define AGENTS (&parley__acd__v1__agent_service__descriptor)
#define WORK (&parley__acd__v1__work_service__descriptor)
#define ROUTING (&parley__acd__v1__routing_service__descriptor)
#define LONGEST_IDLE PARLEY__ACD__V1__STRATEGY__STRATEGY_LONGEST_IDLE
#define ACCEPTED PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ACCEPTED
#define REJECTED PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_REJECTED
#define READY PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_READY
#define OFFLINE PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_OFFLINE

static const char *as_agent(const char *id)
{
	char *s = pl_arena_printf(rig.a, "agent %s", id);
	return s;
}

static const Parley__Acd__V1__AgentStatus *start_work(const char *agent)
{
	Parley__Acd__V1__StartWorkRequest q = PARLEY__ACD__V1__START_WORK_REQUEST__INIT;
	q.device = PARLEY__ACD__V1__DEVICE__DEVICE_BROWSER;
	q.state = READY;
	const Parley__Acd__V1__StartWorkResponse *r =
		(const void *)rig_call(WORK, "StartWork", as_agent(agent), &q.base);
	return r ? r->status : NULL;
}

static const Parley__Acd__V1__GetSnapshotResponse *snapshot(void)
{
	Parley__Acd__V1__GetSnapshotRequest q = PARLEY__ACD__V1__GET_SNAPSHOT_REQUEST__INIT;
	return (const void *)rig_call(ROUTING, "GetSnapshot", "supervisor", &q.base);
}

START_TEST(an_interaction_is_offered_answered_and_released)
{
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE), *agent = rig_static("m0", queue);
	const char *item = rig_enqueue(queue);
	const struct seen *o = rig_wait("InteractionOffered", 0);
	ck_assert_str_eq(o->item, item);
	ck_assert_str_eq(o->agent, agent);
	ck_assert(strncmp(o->text, "Longest idle: ", 14) == 0);
	rig_reply(o, ACCEPTED);
	ck_assert_str_eq(rig_wait("InteractionDequeued", 0)->text, "answered");
	rig_ended(item, agent);
	ck_assert_str_eq(rig_wait("InteractionReleased", 0)->agent, agent);
	ck_assert_uint_eq(rig_count("Decision"), 1);
	ck_assert_uint_eq(rig_count("InteractionQueued"), 1);
	rig_stop();
}
END_TEST

START_TEST(what_is_wrong_is_named_by_its_field)
{
	rig_start(1);
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT;
	Parley__Acd__V1__CreateQueueRequest in = PARLEY__ACD__V1__CREATE_QUEUE_REQUEST__INIT;
	Parley__Acd__V1__UpdateQueueRequest up = PARLEY__ACD__V1__UPDATE_QUEUE_REQUEST__INIT;
	q.name = (char *)"Support";
	q.ring_timeout_ms = 5;
	in.queue = &q;
	ck_assert_ptr_null(rig_call(QUEUES, "CreateQueue", "admin", &in.base));
	ck_assert_int_eq(rig_why.err, PL_E_FORMAT);
	ck_assert_str_eq(rig_why.field, "queue.ring_timeout_ms");
	q.ring_timeout_ms = 5000;
	ck_assert_ptr_null(rig_call(QUEUES, "CreateQueue", "agent", &in.base));
	ck_assert_int_eq(rig_why.err, PL_E_DENIED);
	const Parley__Acd__V1__CreateQueueResponse *r =
		(const void *)rig_call(QUEUES, "CreateQueue", "admin", &in.base);
	ck_assert_ptr_nonnull(r);
	ck_assert_ptr_null(rig_call(QUEUES, "CreateQueue", "admin", &in.base));
	ck_assert_int_eq(rig_why.err, PL_E_EXISTS);
	ck_assert_str_eq(rig_why.field, "queue.name");
	up.queue = r->queue;
	ck_assert_ptr_nonnull(rig_call(QUEUES, "UpdateQueue", "admin", &up.base));
	ck_assert_ptr_null(rig_call(QUEUES, "UpdateQueue", "admin", &up.base)); /* with the old revision */
	ck_assert_int_eq(rig_why.err, PL_E_CONFLICT);
	rig_wait("QueueChanged", 1);
	rig_stop();
}
END_TEST

START_TEST(a_deleted_queue_leaves_its_agents_without_it)
{
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE), *agent = rig_static("m0", queue);
	Parley__Acd__V1__DeleteQueueRequest del = PARLEY__ACD__V1__DELETE_QUEUE_REQUEST__INIT;
	Parley__Acd__V1__GetAgentRequest get = PARLEY__ACD__V1__GET_AGENT_REQUEST__INIT;
	del.id = (char *)(uintptr_t)queue;
	get.id = (char *)(uintptr_t)agent;
	ck_assert_ptr_nonnull(rig_call(QUEUES, "DeleteQueue", "admin", &del.base));
	const Parley__Acd__V1__GetAgentResponse *r = (const void *)rig_call(AGENTS, "GetAgent", "admin", &get.base);
	ck_assert_uint_eq(r->agent->n_memberships, 0);
	ck_assert_uint_eq(r->agent->revision, 2);
	rig_enqueue(queue);
	ck_assert_str_eq(rig_wait("InteractionDequeued", 0)->text, "closed");
	rig_stop();
}
END_TEST

START_TEST(a_person_works_from_sign_in_to_sign_out)
{
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE), *agent = rig_person("Anna", queue);
	Parley__Acd__V1__GetMyWorkRequest mine = PARLEY__ACD__V1__GET_MY_WORK_REQUEST__INIT;
	Parley__Acd__V1__SetMyStateRequest pause = PARLEY__ACD__V1__SET_MY_STATE_REQUEST__INIT;
	Parley__Acd__V1__StopWorkRequest stop = PARLEY__ACD__V1__STOP_WORK_REQUEST__INIT;
	pause.state = PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_PAUSED;
	ck_assert_ptr_null(rig_call(WORK, "SetMyState", as_agent(agent), &pause.base));
	ck_assert_int_eq(rig_why.err, PL_E_STATE);
	const Parley__Acd__V1__AgentStatus *st = start_work(agent);
	ck_assert_int_eq(st->state, READY);
	const Parley__Acd__V1__GetMyWorkResponse *w =
		(const void *)rig_call(WORK, "GetMyWork", as_agent(agent), &mine.base);
	ck_assert_uint_eq(w->n_queues, 1);
	ck_assert_str_eq(w->queues[0]->id, queue);
	ck_assert_int_eq(w->status->state, READY);
	const char *item = rig_enqueue(queue);
	const struct seen *o = rig_wait("InteractionOffered", 0);
	rig_reply(o, ACCEPTED);
	rig_wait("InteractionDequeued", 0);
	const Parley__Acd__V1__SetMyStateResponse *p =
		(const void *)rig_call(WORK, "SetMyState", as_agent(agent), &pause.base);
	ck_assert_int_eq(p->status->state, PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_ON_CONTACT);
	ck_assert_int_eq(p->status->next_state, pause.state);
	rig_ended(item, agent);
	rig_wait("InteractionReleased", 0);
	const Parley__Acd__V1__StopWorkResponse *s =
		(const void *)rig_call(WORK, "StopWork", as_agent(agent), &stop.base);
	ck_assert_int_eq(s->status->state, OFFLINE);
	rig_stop();
}
END_TEST

static bool agent_offline(void *arg)
{
	for (size_t i = 0; i < rig.n_seen; i++)
		if (pl_streq(rig.seen[i].type, "AgentStateChanged") && pl_streq(rig.seen[i].text, "presence-lost"))
			return pl_streq(rig.seen[i].agent, arg) && rig.seen[i].state == OFFLINE;
	return false;
}

START_TEST(an_agent_whose_desk_is_gone_goes_offline_and_one_whose_desk_is_there_does_not)
{
	rig.presence_s = "3";
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE), *gone = rig_person("Anna", queue),
		   *here = rig_person("Bert", queue);
	char subject[80];
	snprintf(subject, sizeof(subject), "presence.desk.%s", here);
	ck_assert_int_eq(start_work(gone)->state, READY);
	ck_assert_int_eq(start_work(here)->state, READY);
	for (int i = 0; i < 60 && !agent_offline((void *)(uintptr_t)gone); i++) {
		ck_assert_int_eq(
			bus_publish(rig.bus, &(struct bus_out){ .subject = subject, .type = "", .data = "", .len = 0 }),
			PL_OK);
		rig_turn(500);
	}
	ck_assert(agent_offline((void *)(uintptr_t)gone));
	ck_assert(!agent_offline((void *)(uintptr_t)here));
	rig_stop();
}
END_TEST

/* --- survival --- */
#define CALLERS 20
static void twenty_wait(const char **items, const char *queue)
{
	for (int i = 0; i < CALLERS; i++)
		items[i] = rig_enqueue(queue);
	rig_wait("InteractionQueued", CALLERS - 1);
}

static void all_answered_in_order(const char *const *items)
{
	rig_wait("InteractionReleased", CALLERS - 1);
	ck_assert_uint_eq(rig_count("InteractionOffered"), CALLERS);
	for (size_t i = 0; i < CALLERS; i++)
		ck_assert_str_eq(rig_nth("InteractionOffered", i)->item, items[i]);
}

START_TEST(kill_9_of_the_leader_while_20_wait_all_are_offered_once_and_in_order)
{
	const char *items[CALLERS];
	rig_start(2);
	const char *queue = rig_queue("Support", LONGEST_IDLE);
	twenty_wait(items, queue);
	int leader = rig_leader();
	rig.answer = true;
	int64_t t0 = pl_mono_us();
	tk_kill(rig.copy[leader]);
	rig_static("m0", queue);
	int64_t took = rig_wait("InteractionOffered", 0)->at_us - t0;
	printf("takeover: %lld ms from kill -9 to the first offer\n", (long long)(took / 1000));
	ck_assert_int_lt(took, 5 * PL_US_PER_S); /* the goal is 3 s; a busy machine gets some more */
	all_answered_in_order(items);
	rig_stop();
}
END_TEST

START_TEST(a_leader_that_slept_for_10_s_finds_out_that_it_was_deposed_and_changes_nothing)
{
	const char *items[CALLERS];
	rig_start(2);
	const char *queue = rig_queue("Support", LONGEST_IDLE);
	twenty_wait(items, queue);
	int leader = rig_leader();
	tk_pause(rig.copy[leader]);
	rig.answer = true;
	/* By the log, as the stopped copy would take its share of the requests and keep them. */
	char agent[PL_ID_LEN];
	Parley__Acd__V1__AcdInput in = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__PutAgent put = PARLEY__ACD__V1__PUT_AGENT__INIT;
	Parley__Acd__V1__Agent g = PARLEY__ACD__V1__AGENT__INIT;
	Parley__Acd__V1__Membership m = PARLEY__ACD__V1__MEMBERSHIP__INIT, *ms = &m;
	m.queue_id = (char *)(uintptr_t)queue;
	g.id = pl_id_new(agent);
	g.name = (char *)"m0";
	g.kind = PARLEY__ACD__V1__AGENT_KIND__AGENT_KIND_STATIC;
	g.enabled = 1;
	g.revision = 1;
	g.memberships = &ms;
	g.n_memberships = 1;
	put.agent = &g;
	in.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_PUT_AGENT;
	in.put_agent = &put;
	rig_turn(6000); /* a new leader reconciles first: what only the log knows would be taken out again */
	rig_put(&in, NULL);
	all_answered_in_order(items);
	rig_turn(4000);
	size_t before = rig.n_seen;
	tk_resume(rig.copy[leader]);
	rig_turn(5000);
	for (size_t i = before; i < rig.n_seen; i++)
		ck_assert_msg(!rig.seen[i].again && strncmp(rig.seen[i].type, "Offer", 5) != 0 &&
				      strncmp(rig.seen[i].type, "Interaction", 11) != 0,
			      "%s after it woke up", rig.seen[i].type);
	ck_assert_double_eq(rig_metric(leader, "parley_acd_router_leader"), 0);
	rig_stop();
}
END_TEST

START_TEST(a_copy_that_starts_alone_again_knows_who_waits)
{
	const char *items[CALLERS];
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE);
	twenty_wait(items, queue);
	rig_turn(1500); /* long enough to have noted what was told */
	tk_kill(rig.copy[0]);
	rig_copy_start(0);
	ck_assert_uint_eq(snapshot()->n_waiting, CALLERS);
	rig.answer = true;
	rig_static("m0", queue);
	all_answered_in_order(items);
	ck_assert_uint_eq(rig_count("InteractionQueued"), CALLERS);
	rig_stop();
}
END_TEST

static void on_deleted(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	*(bool *)arg = true;
}
static bool is_true(void *arg)
{
	return *(bool *)arg;
}

static bool snapshot_stored(void *arg)
{
	return rig_metric(0, "parley_acd_router_snapshots_total") >= *(int *)arg;
}

START_TEST(snapshots_bound_the_log_and_carry_the_state)
{
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE), *items[30];
	Parley__Acd__V1__AcdInput tick = PARLEY__ACD__V1__ACD_INPUT__INIT;
	Parley__Acd__V1__Tick t = PARLEY__ACD__V1__TICK__INIT;
	tick.input_case = PARLEY__ACD__V1__ACD_INPUT__INPUT_TICK;
	tick.tick = &t;
	for (int i = 0; i < 30; i++)
		items[i] = rig_enqueue(queue);
	for (int round = 1; round <= 2; round++) {
		rig.answer = true; /* do not wait for each */
		for (int i = 0; i < 10050; i++)
			rig_put(&tick, NULL);
		rig.answer = false;
		ck_assert(rig_until(snapshot_stored, &round));
	}
	tk_kill(rig.copy[0]);
	rig_copy_start(0);
	ck_assert_double_lt(rig_metric(0, "parley_acd_router_inputs_total"), 15000); /* the rest came in a snapshot */
	const Parley__Acd__V1__GetSnapshotResponse *s = snapshot();
	ck_assert_uint_eq(s->n_waiting, 30);
	for (size_t i = 0; i < 30; i++)
		ck_assert_str_eq(s->waiting[i]->interaction_id, items[i]);
	ck_assert_str_eq(s->waiting[0]->customer_name, "Ada");
	/* The log alone is lost: they are still there, and what comes from now on is heard, though it counts from 1
	 * again. */
	bool deleted = false;
	tk_kill(rig.copy[0]);
	struct bus_out o = { .subject = "$JS.API.STREAM.DELETE.ACD_IN", .type = "", .data = "", .len = 0 };
	ck_assert_uint_ne(bus_request(rig.bus, &o, 5000, on_deleted, &deleted, &rig_why), 0);
	ck_assert(rig_until(is_true, &deleted));
	rig_copy_start(0);
	rig_wait("InputLost", 0);
	ck_assert_uint_eq(snapshot()->n_waiting, 30);
	rig_enqueue(queue);
	rig_wait("InteractionQueued", 30);
	ck_assert_uint_eq(snapshot()->n_waiting, 31);
	rig_stop();
}
END_TEST

START_TEST(nats_and_postgresql_go_away_and_come_back_and_nobody_is_lost)
{
	const char *items[CALLERS];
	rig_start(2);
	const char *queue = rig_queue("Support", LONGEST_IDLE);
	twenty_wait(items, queue);
	tk_stop(rig.nats);
	rig_turn(5000);
	tk_start(rig.nats);
	tk_stop(rig.pg);
	rig_turn(1000);
	ck_assert_uint_eq(rig_count("InteractionDequeued"), 0);
	tk_start(rig.pg);
	rig_leader();
	const char *agent = NULL;
	for (int i = 0; i < 60 && !agent; i++) { /* until the database answers again */
		agent = rig_static_try("m0", queue);
		rig_turn(500);
	}
	ck_assert_ptr_nonnull(agent);
	for (size_t i = 0; i < CALLERS; i++) {
		const struct seen o = *rig_wait("InteractionOffered", i);
		ck_assert_str_eq(o.item, items[i]);
		rig_reply(&o, ACCEPTED);
		rig_ended(o.item, o.agent);
	}
	rig_wait("InteractionReleased", CALLERS - 1);
	ck_assert_uint_eq(rig_count("InteractionOffered"), CALLERS);
	rig_stop();
}
END_TEST

START_TEST(a_lost_log_is_said_and_the_configuration_comes_from_the_database)
{
	bool deleted = false;
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE), *agent = rig_static("m0", queue);
	tk_kill(rig.copy[0]);
	static const char *const gone[] = { "$JS.API.STREAM.DELETE.ACD_IN", "$JS.API.STREAM.DELETE.KV_ACD_SNAP" };
	for (int i = 0; i < 2; i++) {
		deleted = false;
		struct bus_out o = { .subject = gone[i], .type = "", .data = "", .len = 0 };
		ck_assert_uint_ne(bus_request(rig.bus, &o, 5000, on_deleted, &deleted, &rig_why), 0);
		ck_assert(rig_until(is_true, &deleted));
	}
	rig_copy_start(0);
	while (snapshot()->n_agents == 0) /* the case has a limit of its own */
		rig_turn(50);
	rig.answer = true;
	rig_enqueue(queue);
	ck_assert_str_eq(rig_wait("InteractionReleased", 0)->agent, agent);
	rig_stop();
}
END_TEST

START_TEST(why_it_waited_is_told_in_plain_words)
{
	rig_start(1);
	const char *queue = rig_queue("Support", LONGEST_IDLE);
	rig_static("m0", queue);
	const char *item = rig_enqueue(queue);
	rig_reply(rig_wait("InteractionOffered", 0), REJECTED);
	rig_wait("OfferEnded", 0);
	Parley__Acd__V1__ExplainInteractionRequest q = PARLEY__ACD__V1__EXPLAIN_INTERACTION_REQUEST__INIT;
	q.interaction_id = (char *)(uintptr_t)item;
	const Parley__Acd__V1__ExplainInteractionResponse *r =
		(const void *)rig_call(ROUTING, "ExplainInteraction", "supervisor", &q.base);
	ck_assert_msg(r != NULL, "%s", rig_why.text);
	char all[8192] = "";
	for (size_t i = 0; i < r->n_sentences; i++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", r->sentences[i]);
	fputs(all, stdout);
	ck_assert_ptr_nonnull(strstr(all, "It came into Support at place 1"));
	ck_assert_ptr_nonnull(strstr(all, "m0 was chosen (Longest idle"));
	ck_assert_ptr_nonnull(strstr(all, "m0 rejected it"));
	ck_assert_ptr_nonnull(strstr(all, "Now it "));
	ck_assert_uint_ge(r->n_decisions, 1);
	rig_stop();
}
END_TEST

static int by_us(const void *a, const void *b)
{
	return *(const int64_t *)a < *(const int64_t *)b ? -1 : 1;
}

START_TEST(a_free_agent_gets_the_next_of_1000_within_20_ms)
{
	enum { WAITING = 1000, ROUNDS = 400 };
	static int64_t took[ROUNDS];
	rig_start(2);
	const char *queue = rig_queue("Support", LONGEST_IDLE);
	for (int i = 0; i < WAITING; i++)
		rig_enqueue(queue);
	rig_wait("InteractionQueued", WAITING - 1);
	const char *agent = rig_static("m0", queue);
	for (int i = 0; i < ROUNDS; i++) {
		const struct seen *o = rig_wait("InteractionOffered", (size_t)i);
		char item[PL_ID_LEN];
		memcpy(item, o->item, sizeof(item));
		rig_reply(o, ACCEPTED);
		rig_wait("InteractionDequeued", (size_t)i);
		int64_t t0 = pl_mono_us();
		rig.answer = true; /* send only */
		rig_ended(item, agent);
		rig.answer = false;
		took[i] = rig_wait("InteractionOffered", (size_t)i + 1)->at_us - t0;
	}
	qsort(took, ROUNDS, sizeof(took[0]), by_us);
	printf("agent free to offer heard: p50 %lld us, p99 %lld us\n", (long long)took[ROUNDS / 2],
	       (long long)took[ROUNDS * 99 / 100]);
	ck_assert_int_lt(took[ROUNDS / 2],
			 20 * PL_US_PER_MS); /* the p99 is the benchmark's business: here others use the machine too */
	rig_stop();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("acd-router");
	TCase *t = tcase_create("shell");
	tcase_set_timeout(t, 170);
	tcase_add_test(t, an_interaction_is_offered_answered_and_released);
	tcase_add_test(t, what_is_wrong_is_named_by_its_field);
	tcase_add_test(t, a_deleted_queue_leaves_its_agents_without_it);
	tcase_add_test(t, a_person_works_from_sign_in_to_sign_out);
	tcase_add_test(t, an_agent_whose_desk_is_gone_goes_offline_and_one_whose_desk_is_there_does_not);
	tcase_add_test(t, kill_9_of_the_leader_while_20_wait_all_are_offered_once_and_in_order);
	tcase_add_test(t, a_leader_that_slept_for_10_s_finds_out_that_it_was_deposed_and_changes_nothing);
	tcase_add_test(t, a_copy_that_starts_alone_again_knows_who_waits);
	tcase_add_test(t, nats_and_postgresql_go_away_and_come_back_and_nobody_is_lost);
	tcase_add_test(t, snapshots_bound_the_log_and_carry_the_state);
	tcase_add_test(t, a_lost_log_is_said_and_the_configuration_comes_from_the_database);
	tcase_add_test(t, why_it_waited_is_told_in_plain_words);
	tcase_add_test(t, a_free_agent_gets_the_next_of_1000_within_20_ms);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int bad = srunner_ntests_failed(r);
	srunner_free(r);
	return bad ? 1 : 0;
}
