/* The fold as sentences: events in any order in, the story of the interaction out. */
#include "figures.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define S PL_US_PER_S
#define T0 INT64_C(1792886400000000)

static struct rep_fact facts[REP_FACTS_MAX];
static struct rep_id ids[REP_IDS_MAX];
static char path[REP_PATH_BYTES];
static struct rep_row row;

static struct rep_ix *fresh(void)
{
	static struct rep_ix ix;
	ix = (struct rep_ix){ .facts = facts,
			      .ids = ids,
			      .path = path,
			      .cap_facts = REP_FACTS_MAX,
			      .cap_ids = REP_IDS_MAX,
			      .cap_path = REP_PATH_BYTES };
	return &ix;
}

/* A story is a list of events; times in seconds from T0. */
struct ev {
	double s;
	enum rep_kind kind;
	const char *agent, *queue;
	enum rep_result result, by;
	uint32_t value;
	bool of_queue;
};
#define EV(at, k, ...)                                                                                                 \
	{                                                                                                              \
		.s = (at), .kind = REP_##k __VA_OPT__(, ) __VA_ARGS__                                                  \
	}
#define STARTED EV(0, STARTED)
#define ENDED(s, cause, by_) EV(s, ENDED, .result = REP_R_##cause, .by = REP_R_##by_)
#define QUEUED(s, q) EV(s, QUEUED, .queue = q, .value = 20000)
#define OFFERED(s, a, o) EV(s, OFFERED, .agent = a, .value = o)
#define OFFER_ENDED(s, o, r) EV(s, OFFER_ENDED, .value = o, .result = REP_R_##r)
#define CONNECTED(s, a) EV(s, CONNECTED, .agent = a)
#define DEQUEUED(s, r) EV(s, DEQUEUED, .result = REP_R_##r)
#define DISCONNECTED(s, a, r) EV(s, DISCONNECTED, .agent = a, .result = REP_R_##r)
#define RELEASED(s, a, ms) EV(s, RELEASED, .agent = a, .value = ms)

static struct rep_event event(const struct ev *e, size_t i)
{
	return (struct rep_event){ .kind = e->kind,
				   .seq = i + 1,
				   .id = (i + 1) * 7919,
				   .time_us = T0 + (int64_t)(e->s * 1e6),
				   .agent_id = e->agent,
				   .queue_id = e->queue,
				   .result = e->result,
				   .by = e->by,
				   .value = e->value,
				   .of_queue = e->of_queue,
				   .channel = 1,
				   .direction = 1 };
}

static const char *names[] = { "?", "menu", "queue", "ring", "talk", "hold", "wrap-up", "dial" };

/* "menu 0-5 | queue(q1) 5-9 abandoned | ..." */
static const char *segs(const struct rep_ix *ix)
{
	static char text[8192];
	size_t used = 0;
	text[0] = 0;
	for (uint32_t i = 0; i < row.n_segs; i++) {
		const struct rep_seg *s = &row.segs[i];
		const char *who = s->agent                   ? rep_id(ix, s->agent)
				  : s->kind == REP_SEG_QUEUE ? rep_id(ix, s->queue)
							     : "";
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s%s%s%s %g-", i ? " | " : "",
					 names[s->kind], *who ? "(" : "", who, *who ? ")" : "",
					 (double)(s->from_us - T0) / 1e6);
		used += s->to_us ? (size_t)snprintf(text + used, sizeof(text) - used, "%g",
						    (double)(s->to_us - T0) / 1e6)
				 : 0;
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", s->result ? " " : "",
					 rep_result_name(s->result));
	}
	return text;
}

static void no_second_is_missing(void)
{
	int64_t sum = 0, at = row.started_us;
	for (uint32_t i = 0; i < row.n_segs; i++) {
		const struct rep_seg *s = &row.segs[i];
		ck_assert(s->to_us == 0 || s->to_us >= s->from_us);
		if (s->kind == REP_SEG_RING || s->kind == REP_SEG_WRAP_UP)
			continue;
		ck_assert_int_eq(s->from_us, at);
		at = s->to_us;
		sum += s->to_us - s->from_us;
	}
	if (row.ended_us) {
		ck_assert_int_eq(sum, row.ended_us - row.started_us);
		ck_assert_int_eq(at, row.ended_us);
	}
}

static struct rep_ix *told(const struct ev *story, size_t n)
{
	struct rep_ix *ix = fresh();
	for (size_t i = 0; i < n; i++) {
		struct rep_event e = event(&story[i], i);
		ck_assert(rep_add(ix, &e));
		rep_build(ix, &row);
		no_second_is_missing();
	}
	return ix;
}

/* Every order, or many at random, with repetitions: the same row and the same segments. */
static void same_in_any_order(const struct ev *story, size_t n, const char *expected)
{
	struct rep_row first;
	uint64_t seed = 7;
	char text[4096];
	snprintf(text, sizeof(text), "%s", expected);
	memcpy(&first, &row, sizeof(row));
	for (int round = 0; round < 300; round++) {
		size_t order[64];
		struct rep_ix *ix = fresh();
		for (size_t i = 0; i < n; i++)
			order[i] = i;
		for (size_t i = n; i > 1; i--) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			size_t k = (size_t)(seed >> 33) % i, t = order[i - 1];
			order[i - 1] = order[k];
			order[k] = t;
		}
		for (size_t i = 0; i < n; i++) {
			struct rep_event e = event(&story[order[i]], order[i]);
			ck_assert(rep_add(ix, &e));
			ck_assert(!rep_add(ix, &e));
			e.seq += 1000; /* published again, stored again */
			ck_assert(!rep_add(ix, &e));
		}
		rep_build(ix, &row);
		no_second_is_missing();
		ck_assert_str_eq(segs(ix), text);
		ck_assert_int_eq(row.outcome, first.outcome);
		ck_assert_int_eq(row.duration_ms, first.duration_ms);
		ck_assert_int_eq(row.talk_ms, first.talk_ms);
		ck_assert_int_eq(row.wait_ms, first.wait_ms);
		ck_assert_uint_eq(row.n_visits, first.n_visits);
		ck_assert_int_eq(row.final, first.final);
	}
}

#define STORY(expected, ...)                                                                                           \
	static const struct ev story[] = { __VA_ARGS__ };                                                              \
	struct rep_ix *ix = told(story, PL_ARRAY_N(story));                                                            \
	ck_assert_str_eq(segs(ix), (expected));                                                                        \
	same_in_any_order(story, PL_ARRAY_N(story), (expected))

START_TEST(a_caller_who_hangs_up_in_the_menu_has_abandoned_the_menu)
{
	STORY("menu 0-12 customer", STARTED, EV(0.1, FLOW_ENTERED), EV(0.2, ANSWERED),
	      ENDED(12, ABANDONED_MENU, CUSTOMER));
	ck_assert_int_eq(row.outcome, REP_R_ABANDONED_MENU);
	ck_assert_int_eq(row.menu_ms, 12000);
	ck_assert_int_eq(row.duration_ms, 12000);
	ck_assert(row.final);
}
END_TEST

START_TEST(a_flow_that_served_the_caller_by_itself_is_self_service)
{
	STORY("menu 0-30 flow", STARTED, EV(0.1, FLOW_ENTERED), EV(10, FLOW_STEP), EV(29.9, FLOW_LEFT),
	      ENDED(30, NORMAL, FLOW));
	ck_assert_int_eq(row.outcome, REP_R_SELF_SERVICE);
}
END_TEST

START_TEST(a_number_without_route_ends_at_once)
{
	STORY("", STARTED, ENDED(0, NO_ROUTE, SYSTEM));
	ck_assert_int_eq(row.outcome, REP_R_NO_ROUTE);
	ck_assert_int_eq(row.duration_ms, 0);
}
END_TEST

START_TEST(a_caller_who_hangs_up_while_waiting_has_abandoned_the_queue)
{
	STORY("menu 0-10 | queue(q1) 10-75 abandoned", STARTED, EV(0, FLOW_ENTERED), QUEUED(10, "q1"),
	      EV(10.1, FLOW_LEFT), ENDED(75, ABANDONED_QUEUE, CUSTOMER), DEQUEUED(75.02, ABANDONED));
	ck_assert_int_eq(row.outcome, REP_R_ABANDONED_QUEUE);
	ck_assert_int_eq(row.wait_ms, 65000);
	struct rep_qfig f;
	rep_visit_fig(&row.visits[0], &f);
	ck_assert_int_eq(f.offered, 1);
	ck_assert_int_eq(f.abandoned, 1);
	ck_assert_int_eq(f.wait_abandoned_ms, 65000);
	ck_assert_int_eq(f.answered + f.unmanaged + f.within, 0);
}
END_TEST

START_TEST(an_answered_call_has_wait_talk_hold_and_wrap_up)
{
	STORY("queue(q1) 0-8 answered | ring(a1) 5-8 answered | talk(a1) 8-40 | hold(a1) 40-50 | talk(a1) 50-70 "
	      "agent-hangup | wrap-up(a1) 70-85",
	      STARTED, EV(0.01, ANSWERED), QUEUED(0.02, "q1"), OFFERED(5, "a1", 11), CONNECTED(8, "a1"),
	      DEQUEUED(8.01, ANSWERED), OFFER_ENDED(8.01, 11, ANSWERED), EV(40, HELD), EV(50, RESUMED),
	      DISCONNECTED(70, "a1", AGENT_HANGUP), ENDED(70, NORMAL, AGENT), RELEASED(85, "a1", 15000));
	ck_assert_int_eq(row.outcome, REP_R_ANSWERED);
	ck_assert_int_eq(row.talk_ms, 52000);
	ck_assert_int_eq(row.held_ms, 10000);
	ck_assert_int_eq(row.wrap_ms, 15000);
	ck_assert_int_eq(row.duration_ms, 70000);
	ck_assert_str_eq(rep_id(ix, row.agent), "a1");
	ck_assert_str_eq(rep_id(ix, row.queue), "q1");
	struct rep_qfig f;
	rep_visit_fig(&row.visits[0], &f);
	ck_assert_int_eq(f.answered, 1);
	ck_assert_int_eq(f.within, 1); /* 7.98 s of 20 s */
	ck_assert_int_eq(f.wait_answered_ms, 7980);
	ck_assert_int_eq(f.talk_ms, 52000);
	ck_assert_int_eq(f.wrap_ms, 15000);
	struct rep_afig a;
	rep_work_fig(&row.works[0], &a);
	ck_assert_int_eq(a.handled, 1);
	ck_assert_int_eq(a.held_ms, 10000);
}
END_TEST

START_TEST(a_call_is_not_final_before_its_wrap_up_is_over)
{
	static const struct ev story[] = { STARTED,
					   QUEUED(1, "q1"),
					   CONNECTED(2, "a1"),
					   DEQUEUED(2, ANSWERED),
					   DISCONNECTED(9, "a1", CUSTOMER_HANGUP),
					   ENDED(9, NORMAL, CUSTOMER) };
	told(story, PL_ARRAY_N(story));
	ck_assert_int_ne(row.ended_us, 0);
	ck_assert(!row.final);
}
END_TEST

START_TEST(it_rings_out_at_one_agent_and_a_second_one_answers)
{
	STORY("queue(q1) 0-34 answered | ring(a1) 2-22 timeout | ring(a2) 23-34 answered | talk(a2) 34-60 "
	      "customer-hangup",
	      STARTED, QUEUED(1, "q1"), OFFERED(2, "a1", 5), OFFER_ENDED(22, 5, TIMEOUT), OFFERED(23, "a2", 6),
	      CONNECTED(34, "a2"), DEQUEUED(34, ANSWERED), OFFER_ENDED(34, 6, ANSWERED),
	      DISCONNECTED(60, "a2", CUSTOMER_HANGUP), ENDED(60, NORMAL, CUSTOMER), RELEASED(60, "a2", 0));
	ck_assert(row.final);
	struct rep_afig a;
	rep_ring_fig(&row.segs[1], &a);
	ck_assert_str_eq(rep_id(ix, row.segs[1].agent), "a1");
	ck_assert_int_eq(a.missed, 1);
	ck_assert_int_eq(a.ring_ms, 20000);
	struct rep_qfig f;
	rep_visit_fig(&row.visits[0], &f);
	ck_assert_int_eq(f.within, 0); /* 33 s of 20 s */
}
END_TEST

START_TEST(when_it_rings_everywhere_the_others_have_not_missed_it)
{
	STORY("queue(q1) 0-6 answered | ring(a1) 2-6 elsewhere | ring(a2) 2-6 answered | talk(a2) 6-9 customer-hangup",
	      STARTED, QUEUED(1, "q1"), OFFERED(2, "a1", 5), OFFERED(2, "a2", 6), CONNECTED(6, "a2"),
	      OFFER_ENDED(6, 5, ELSEWHERE), OFFER_ENDED(6, 6, ANSWERED), DEQUEUED(6, ANSWERED),
	      DISCONNECTED(9, "a2", CUSTOMER_HANGUP), ENDED(9, NORMAL, CUSTOMER), RELEASED(9, "a2", 0));
	struct rep_afig a;
	rep_ring_fig(&row.segs[1], &a);
	ck_assert_int_eq(a.missed, 0);
}
END_TEST

START_TEST(the_end_of_the_call_cancels_what_still_rings)
{
	STORY("queue(q1) 0-5 abandoned | ring(a1) 2-5 cancelled", STARTED, QUEUED(1, "q1"), OFFERED(2, "a1", 5),
	      ENDED(5, ABANDONED_QUEUE, CUSTOMER), DEQUEUED(5.1, ABANDONED), OFFER_ENDED(5.1, 5, CANCELLED));
}
END_TEST

START_TEST(a_blind_transfer_frees_the_agent_and_waits_again)
{
	STORY("queue(q1) 0-5 answered | talk(a1) 5-20 transfer | queue(q2) 20-40 answered | wrap-up(a1) 20-25 | "
	      "talk(a2) 40-60 customer-hangup | "
	      "wrap-up(a2) 60-70",
	      STARTED, QUEUED(1, "q1"), CONNECTED(5, "a1"), DEQUEUED(5, ANSWERED), EV(20, TRANSFERRED),
	      DISCONNECTED(20, "a1", TRANSFER), QUEUED(20.2, "q2"), RELEASED(25, "a1", 5000), CONNECTED(40, "a2"),
	      DEQUEUED(40, ANSWERED), DISCONNECTED(60, "a2", CUSTOMER_HANGUP), ENDED(60, NORMAL, CUSTOMER),
	      RELEASED(70, "a2", 10000));
	ck_assert_uint_eq(row.agents, 2);
	ck_assert_uint_eq(row.n_visits, 2);
	ck_assert_str_eq(rep_id(ix, row.agent), "a2");
	ck_assert_str_eq(rep_id(ix, row.queue), "q2");
	struct rep_qfig f, g;
	rep_visit_fig(&row.visits[0], &f);
	rep_visit_fig(&row.visits[1], &g);
	ck_assert_int_eq(f.talk_ms, 15000);
	ck_assert_int_eq(f.wrap_ms, 5000);
	ck_assert_int_eq(g.talk_ms, 20000);
	ck_assert_int_eq(g.wait_answered_ms, 19800);
}
END_TEST

START_TEST(a_queue_that_times_out_gives_the_caller_back_to_the_flow)
{
	STORY("menu 0-3 | queue(q1) 3-33 timeout | menu 33-40 flow", STARTED, EV(0, FLOW_ENTERED), QUEUED(3, "q1"),
	      DEQUEUED(33, TIMEOUT), EV(33.1, FLOW_STEP, .of_queue = true), ENDED(40, NORMAL, FLOW));
	ck_assert_int_eq(row.outcome, REP_R_TIMEOUT);
	struct rep_qfig f;
	rep_visit_fig(&row.visits[0], &f);
	ck_assert_int_eq(f.unmanaged, 1);
}
END_TEST

START_TEST(overflow_to_another_queue_is_two_visits_and_one_call)
{
	STORY("menu 0-3 | queue(q1) 3-33 timeout | queue(q2) 33-40 abandoned", STARTED, EV(0, FLOW_ENTERED),
	      QUEUED(3, "q1"), EV(33, DEQUEUED, .queue = "q1", .result = REP_R_TIMEOUT), QUEUED(33, "q2"),
	      ENDED(40, ABANDONED_QUEUE, CUSTOMER));
	ck_assert_int_eq(row.outcome, REP_R_ABANDONED_QUEUE);
	ck_assert_uint_eq(row.n_visits, 2);
}
END_TEST

START_TEST(a_survey_after_the_talk_is_menu_again)
{
	STORY("menu 0-0.5 | queue(q1) 0.5-5 answered | talk(a1) 5-20 agent-hangup | menu 20-31 flow", STARTED,
	      EV(0.5, FLOW_ENTERED), QUEUED(0.5, "q1"), CONNECTED(5, "a1"), DEQUEUED(5, ANSWERED),
	      DISCONNECTED(20, "a1", AGENT_HANGUP), EV(20.1, FLOW_STEP, .of_queue = true), EV(25, FLOW_STEP),
	      ENDED(31, NORMAL, FLOW), RELEASED(20, "a1", 0));
}
END_TEST

START_TEST(the_agent_who_hangs_up_has_ended_the_call_though_the_flow_says_the_last_word)
{
	STORY("menu 0-0.5 | queue(q1) 0.5-5 answered | talk(a1) 5-20.1 agent-hangup", STARTED, EV(0, FLOW_ENTERED),
	      QUEUED(0.5, "q1"), CONNECTED(5, "a1"), DEQUEUED(5, ANSWERED), DISCONNECTED(20, "a1", AGENT_HANGUP),
	      EV(20.05, FLOW_STEP, .of_queue = true), ENDED(20.1, NORMAL, FLOW), RELEASED(20, "a1", 0));
	ck_assert_int_eq(row.ended_by, REP_R_AGENT);
}
END_TEST

START_TEST(a_call_straight_to_another_number_is_dial)
{
	STORY("dial 0-20 customer", STARTED, EV(4, DIALLED, .value = 200), ENDED(20, NORMAL, CUSTOMER));
	ck_assert_int_eq(row.outcome, REP_R_ANSWERED);
	ck_assert_int_eq(row.talk_ms, 20000);
}
END_TEST

START_TEST(a_number_that_is_busy_is_failed)
{
	STORY("menu 0-2 system", STARTED, EV(2, DIALLED, .value = 486), ENDED(2, FAILED, SYSTEM));
	ck_assert_int_eq(row.outcome, REP_R_FAILED);
}
END_TEST

START_TEST(work_that_is_no_call_runs_from_its_queue_to_its_release)
{
	STORY("queue(q1) 0-5 answered | talk(a1) 5-60 normal | wrap-up(a1) 60-70", QUEUED(0, "q1"),
	      EV(5, DEQUEUED, .agent = "a1", .result = REP_R_ANSWERED), RELEASED(70, "a1", 10000));
	ck_assert(row.final);
	ck_assert_int_eq(row.outcome, REP_R_ANSWERED);
	ck_assert_int_eq(row.duration_ms, 60000);
}
END_TEST

START_TEST(clocks_that_differ_a_little_between_services_lose_no_second)
{
	STORY("queue(q1) -0.01-5 answered | talk(a1) 5-20 customer-hangup",
	      EV(-0.01, QUEUED, .queue = "q1", .value = 20000), STARTED, DEQUEUED(4.99, ANSWERED), CONNECTED(5, "a1"),
	      ENDED(20, NORMAL, CUSTOMER), DISCONNECTED(20.01, "a1", CUSTOMER_HANGUP), RELEASED(20.02, "a1", 0));
}
END_TEST

START_TEST(what_goes_on_now_is_an_open_segment)
{
	static const struct ev story[] = { STARTED, QUEUED(1, "q1"), CONNECTED(5, "a1") };
	struct rep_ix *ix = told(story, 2);
	ck_assert_str_eq(segs(ix), "queue(q1) 0-");
	ck_assert_str_eq(rep_id(ix, row.waiting), "q1");
	ck_assert_int_eq(row.waiting_since_us, T0 + S);
	ck_assert_int_eq(row.outcome, REP_R_OPEN);
	ix = told(story, 3);
	ck_assert_str_eq(segs(ix), "queue(q1) 0-5 answered | talk(a1) 5-");
	ck_assert_int_eq(row.waiting, 0);
	ck_assert_str_eq(rep_id(ix, row.talking), "q1");
	ck_assert_str_eq(rep_id(ix, row.talking_agent), "a1");
}
END_TEST

START_TEST(facts_of_an_unknown_interaction_make_no_row)
{
	static const struct ev story[] = { RELEASED(5, "a1", 100) };
	told(story, 1);
	ck_assert(!row.known);
}
END_TEST

START_TEST(any_events_in_any_order_keep_every_second_once)
{
	static const char *const agents[] = { "a1", "a2", "a3", NULL }, *const queues[] = { "q1", "q2", NULL };
	uint64_t seed = 99;
#define RND(n) ((seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u) >> 33) % (n)
	for (int round = 0; round < 20000; round++) {
		struct rep_ix *ix = fresh();
		size_t n = RND(40) + 1;
		for (size_t i = 0; i < n; i++) {
			struct rep_event e = { .kind = (enum rep_kind)(RND(REP_KIND_N)),
					       .seq = i + 1,
					       .id = i + 1,
					       .time_us = T0 + (int64_t)(RND(60)) * S,
					       .agent_id = agents[RND(4)],
					       .queue_id = queues[RND(3)],
					       .result = (enum rep_result)(RND(REP_RESULT_N)),
					       .by = (enum rep_result)(RND(REP_RESULT_N)),
					       .value = (uint32_t)(RND(30000)),
					       .direction = (int)(RND(3)) };
			rep_add(ix, &e);
			rep_build(ix, &row);
			if (row.started_us)
				no_second_is_missing();
			ck_assert_uint_le(row.n_segs, REP_SEGS_MAX);
		}
	}
}
END_TEST

START_TEST(a_thousand_holds_are_cut_but_no_second_is_lost)
{
	struct rep_ix *ix = fresh();
	struct ev e = STARTED;
	struct rep_event x = event(&e, 0);
	ck_assert(rep_add(ix, &x));
	e = (struct ev)CONNECTED(1, "a1");
	x = event(&e, 1);
	ck_assert(rep_add(ix, &x));
	for (size_t i = 0; i < 2000; i++) {
		e = (struct ev){ .s = 2 + (double)i, .kind = i % 2 ? REP_RESUMED : REP_HELD };
		x = event(&e, i + 2);
		rep_add(ix, &x);
	}
	e = (struct ev)ENDED(3000, NORMAL, CUSTOMER);
	x = event(&e, 5000);
	ck_assert(rep_add(ix, &x));
	rep_build(ix, &row);
	no_second_is_missing();
	ck_assert_uint_gt(ix->cut, 0);
	ck_assert_int_eq(row.duration_ms, 3000000);
}
END_TEST

START_TEST(the_sliding_service_level_forgets_after_half_an_hour)
{
	struct rep_window w = { 0 };
	struct rep_visit good = {
		.result = REP_R_ANSWERED, .from_us = T0, .to_us = T0 + 10 * S, .threshold_ms = 20000
	};
	struct rep_visit late = {
		.result = REP_R_ANSWERED, .from_us = T0, .to_us = T0 + 30 * S, .threshold_ms = 20000
	};
	struct rep_visit lost = {
		.result = REP_R_ABANDONED, .from_us = T0, .to_us = T0 + 40 * S, .threshold_ms = 20000
	};
	struct rep_visit left = { .result = REP_R_TIMEOUT, .from_us = T0, .to_us = T0 + 40 * S, .threshold_ms = 20000 };
	int64_t now = T0 + 60 * S;
	ck_assert_int_eq(rep_window_level(&w, now), -1);
	rep_window_visit(&w, &good, 1, now);
	ck_assert_int_eq(rep_window_level(&w, now), 10000);
	rep_window_visit(&w, &late, 1, now);
	rep_window_visit(&w, &lost, 1, now);
	rep_window_visit(&w, &left, 1, now); /* unmanaged is not counted */
	ck_assert_int_eq(rep_window_level(&w, now), 3333);
	rep_window_visit(&w, &lost, -1, now);
	ck_assert_int_eq(rep_window_level(&w, now), 5000);
	ck_assert_int_eq(rep_window_level(&w, now + 28 * 60 * S), 5000);
	ck_assert_int_eq(rep_window_level(&w, now + 31 * 60 * S), -1);
	rep_window_waiting(&w, 3, now);
	rep_window_waiting(&w, 2, now);
	uint32_t h[REP_WINDOW_MIN];
	rep_window_history(&w, now + 60 * S, h);
	ck_assert_uint_eq(h[REP_WINDOW_MIN - 2], 3);
	ck_assert_uint_eq(h[REP_WINDOW_MIN - 1], 0);
}
END_TEST

START_TEST(an_agent_state_closes_the_one_before_and_old_news_change_nothing)
{
	struct rep_agent a = { 0 };
	struct rep_span s;
	ck_assert(rep_agent_change(&a, REP_A_READY, NULL, T0, 5, &s));
	ck_assert_int_eq(s.state, REP_A_NONE);
	ck_assert(rep_agent_change(&a, REP_A_PAUSED, "lunch", T0 + 60 * S, 9, &s));
	ck_assert_int_eq(s.state, REP_A_READY);
	ck_assert_int_eq(s.to_us - s.from_us, 60 * S);
	ck_assert(!rep_agent_change(&a, REP_A_OFFLINE, NULL, T0 + 30 * S, 7, &s));
	ck_assert(!rep_agent_change(&a, REP_A_PAUSED, "lunch", T0 + 60 * S, 9, &s));
	ck_assert(rep_agent_change(&a, REP_A_READY, NULL, T0 + 90 * S, 10, &s));
	ck_assert_str_eq(s.pause_id, "lunch");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reporting fold");
	TCase *t = tcase_create("fold");
	tcase_set_timeout(t, 120);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_caller_who_hangs_up_in_the_menu_has_abandoned_the_menu);
	tcase_add_test(t, a_flow_that_served_the_caller_by_itself_is_self_service);
	tcase_add_test(t, a_number_without_route_ends_at_once);
	tcase_add_test(t, a_caller_who_hangs_up_while_waiting_has_abandoned_the_queue);
	tcase_add_test(t, an_answered_call_has_wait_talk_hold_and_wrap_up);
	tcase_add_test(t, a_call_is_not_final_before_its_wrap_up_is_over);
	tcase_add_test(t, it_rings_out_at_one_agent_and_a_second_one_answers);
	tcase_add_test(t, when_it_rings_everywhere_the_others_have_not_missed_it);
	tcase_add_test(t, the_end_of_the_call_cancels_what_still_rings);
	tcase_add_test(t, a_blind_transfer_frees_the_agent_and_waits_again);
	tcase_add_test(t, a_queue_that_times_out_gives_the_caller_back_to_the_flow);
	tcase_add_test(t, overflow_to_another_queue_is_two_visits_and_one_call);
	tcase_add_test(t, a_survey_after_the_talk_is_menu_again);
	tcase_add_test(t, the_agent_who_hangs_up_has_ended_the_call_though_the_flow_says_the_last_word);
	tcase_add_test(t, a_call_straight_to_another_number_is_dial);
	tcase_add_test(t, a_number_that_is_busy_is_failed);
	tcase_add_test(t, work_that_is_no_call_runs_from_its_queue_to_its_release);
	tcase_add_test(t, clocks_that_differ_a_little_between_services_lose_no_second);
	tcase_add_test(t, what_goes_on_now_is_an_open_segment);
	tcase_add_test(t, facts_of_an_unknown_interaction_make_no_row);
	tcase_add_test(t, any_events_in_any_order_keep_every_second_once);
	tcase_add_test(t, a_thousand_holds_are_cut_but_no_second_is_lost);
	tcase_add_test(t, the_sliding_service_level_forgets_after_half_an_hour);
	tcase_add_test(t, an_agent_state_closes_the_one_before_and_old_news_change_nothing);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
