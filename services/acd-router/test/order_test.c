/* In what order agents are asked and items are served. */
#include "kit.h"

#define S(n) ((n)*1000) /* seconds in ms */

/* --- strategies: the order of offers --- */
START_TEST(longest_idle_asks_who_has_been_free_for_longest_over_all_queues)
{
	three_agents(ACD_S_LONGEST_IDLE);
	QUEUE(2);
	AGENT(1, { 1, 0, 0 }, { 2, 0, 0 });
	ck_assert_uint_eq(kit_turn(1, 2), 1); /* now it is the last to have become free, in queue 1 too */
	ck_assert_uint_eq(kit_turn(2, 1), 2);
	ck_assert_uint_eq(kit_turn(3, 1), 3);
	ck_assert_uint_eq(kit_turn(4, 1), 1);
}
END_TEST

START_TEST(round_robin_goes_around_and_remembers_where_it_was)
{
	three_agents(ACD_S_ROUND_ROBIN);
	ck_assert_uint_eq(kit_turn(1, 1), 1);
	ck_assert_uint_eq(kit_turn(2, 1), 2);
	kit_state(1, ACD_ST_PAUSED);
	kit_state(1, ACD_ST_READY); /* a pause does not change the turn */
	ck_assert_uint_eq(kit_turn(3, 1), 3);
	ck_assert_uint_eq(kit_turn(4, 1), 1);
	ck_assert_uint_eq(kit_turn(5, 1), 2);
}
END_TEST

START_TEST(ring_all_asks_all_and_the_first_who_accepts_wins)
{
	three_agents(ACD_S_RING_ALL);
	kit_enqueue(1, 1);
	ck_assert_uint_eq(kit_offers(1), 3);
	kit_reply_of(1, 2, ACD_OUT_ACCEPTED);
	ck_assert_uint_eq(kit_offers(1), 0);
	ck_assert_int_eq(kit_fx(ACD_FX_OFFER_ENDED, 0)->offer_ended.outcome, ACD_OUT_ACCEPTED);
	ck_assert_int_eq(kit_fx(ACD_FX_OFFER_ENDED, 1)->offer_ended.outcome, ACD_OUT_ELSEWHERE);
	ck_assert_int_eq(kit_fx(ACD_FX_OFFER_ENDED, 2)->offer_ended.outcome, ACD_OUT_ELSEWHERE);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_READY);
	ck_assert_int_eq(kit_state_of(2), ACD_ST_ON_CONTACT);
}
END_TEST

START_TEST(ring_all_rings_who_becomes_free_while_it_rings)
{
	three_agents(ACD_S_RING_ALL);
	kit_state(3, ACD_ST_PAUSED);
	kit_enqueue(1, 1);
	ck_assert_uint_eq(kit_offers(1), 2);
	kit_state(3, ACD_ST_READY);
	ck_assert_uint_eq(kit_offers(1), 3);
}
END_TEST

START_TEST(ring_all_asks_the_lowest_penalty_only)
{
	QUEUE(1, .strategy = ACD_S_RING_ALL);
	AGENT(1, { 1, 0, 0 });
	AGENT(2, { 1, 0, 0 });
	AGENT(3, { 1, 1, 0 });
	for (unsigned a = 1; a <= 3; a++)
		kit_state(a, ACD_ST_READY);
	kit_enqueue(1, 1);
	ck_assert_uint_eq(kit_offers(1), 2);
	kit_enqueue(2, 1);
	ck_assert_uint_eq(kit_offered(2), 3);
}
END_TEST

START_TEST(least_recent_asks_whose_last_contact_of_this_queue_is_longest_ago)
{
	three_agents(ACD_S_LEAST_RECENT);
	QUEUE(2);
	AGENT(3, { 1, 0, 0 }, { 2, 0, 0 });
	ck_assert_uint_eq(kit_turn(1, 1), 1);
	ck_assert_uint_eq(kit_turn(2, 1), 2);
	ck_assert_uint_eq(kit_turn(3, 2), 3); /* of another queue: does not count here */
	ck_assert_uint_eq(kit_turn(4, 1), 3);
	ck_assert_uint_eq(kit_turn(5, 1), 1);
}
END_TEST

START_TEST(fewest_asks_who_answered_fewest_and_a_newcomer_is_not_flooded)
{
	three_agents(ACD_S_FEWEST);
	kit_state(3, ACD_ST_PAUSED);
	for (unsigned i = 1; i <= 10; i++)
		kit_turn(i, 1); /* five each for the other two */
	kit_state(3, ACD_ST_READY);
	for (unsigned i = 11; i <= 15; i++)
		ck_assert_uint_eq(kit_turn(i, 1), 3);
	AGENT(4, { 1, 0, 0 });
	kit_state(4, ACD_ST_READY);
	unsigned to_4 = 0;
	for (unsigned i = 21; i <= 28; i++)
		to_4 += kit_turn(i, 1) == 4;
	ck_assert_uint_le(to_4, 3);
}
END_TEST

START_TEST(linear_always_begins_with_the_lowest_rank)
{
	three_agents(ACD_S_LINEAR);
	ck_assert_uint_eq(kit_turn(1, 1), 1);
	ck_assert_uint_eq(kit_turn(2, 1), 1);
	kit_state(1, ACD_ST_PAUSED);
	ck_assert_uint_eq(kit_turn(3, 1), 2);
	kit_enqueue(4, 1);
	kit_enqueue(5, 1);
	ck_assert_uint_eq(kit_offered(4), 2);
	ck_assert_uint_eq(kit_offered(5), 3);
}
END_TEST

static void shares(enum acd_strategy s, unsigned got[4])
{
	three_agents(s);
	memset(got, 0, 4 * sizeof(got[0]));
	for (unsigned i = 1; i <= 6000; i++)
		got[kit_turn(i, 1)]++;
}

START_TEST(random_gives_everybody_the_same_share)
{
	unsigned got[4];
	shares(ACD_S_RANDOM, got); /* 2000 each; the deviation of a fair draw is 37 */
	for (unsigned a = 1; a <= 3; a++)
		ck_assert_uint_lt(got[a] > 2000 ? got[a] - 2000 : 2000 - got[a], 200);
}
END_TEST

START_TEST(weighted_random_gives_shares_by_rank)
{
	unsigned got[4];
	shares(ACD_S_WEIGHTED_RANDOM, got); /* ranks 1, 2, 3 */
	for (unsigned a = 1; a <= 3; a++)
		ck_assert_uint_lt(got[a] > 1000 * a ? got[a] - 1000 * a : 1000 * a - got[a], 200);
}
END_TEST

START_TEST(a_higher_penalty_is_asked_only_when_nobody_below_is_free)
{
	for (unsigned s = ACD_S_LONGEST_IDLE; s < ACD_S_N; s++) {
		kit_stop();
		kit_start();
		QUEUE(1, .strategy = (uint8_t)s);
		AGENT(1, { 1, 5, 0 });
		kit_state(1, ACD_ST_READY);
		kit.now_ms += 1000;
		AGENT(2, { 1, 1, 9 });
		kit_state(2, ACD_ST_READY);
		kit_enqueue(1, 1);
		ck_assert_uint_eq(kit_offered(1), 2);
		kit_enqueue(2, 1);
		ck_assert_uint_eq(kit_offered(2), 1);
	}
}
END_TEST

/* --- the order of items --- */
START_TEST(priority_goes_before_age_and_age_before_arrival)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit.now_ms = S(100);
	kit_enqueue(1, 1);
	kit_enqueue_more(2, 1, 0, S(50)); /* waited elsewhere before */
	kit_enqueue_more(3, 1, 5, -1);
	kit_enqueue(4, 1);
	kit_state(1, ACD_ST_READY);
	const unsigned order[] = { 3, 2, 1, 4 };
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(kit_offered(order[i]), 1);
		kit_reply(order[i], ACD_OUT_ACCEPTED);
		kit_ended(order[i]);
	}
}
END_TEST

START_TEST(of_two_queues_the_heavier_is_served_first)
{
	QUEUE(1, .weight = 1);
	QUEUE(2, .weight = 2);
	AGENT(1, { 1, 0, 0 }, { 2, 0, 0 });
	kit_enqueue_more(1, 1, 9, -1);
	kit.now_ms += 1000;
	kit_enqueue(2, 2);
	kit_state(1, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(2), 1);
	AGENT(2, { 2, 0, 0 }, { 1, 0, 0 }); /* whichever queue the agent has first */
	kit_enqueue(3, 2);
	kit_state(2, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(3), 2);
}
END_TEST

START_TEST(a_changed_priority_counts_from_the_next_decision)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_enqueue(1, 1);
	kit_enqueue(2, 1);
	kit_apply(&(struct acd_in){ .kind = ACD_IN_PRIORITY, .priority = { kit_item_id(2), 7 } });
	kit_state(1, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(2), 1);
}
END_TEST

START_TEST(an_item_for_one_agent_waits_for_that_agent_and_comes_first)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	AGENT(2, { 1, 0, 0 });
	kit_enqueue(1, 1);
	kit_enqueue_for(2, 1, 2);
	kit_state(1, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(1), 1);
	ck_assert_uint_eq(kit_offered(2), 0);
	kit_enqueue(3, 1);
	kit_state(2, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(2), 2);
	ck_assert_uint_eq(kit_offered(3), 0);
}
END_TEST

static void enqueue_preferring(unsigned item, unsigned agent, int64_t for_us)
{
	struct acd_in in = { .kind = ACD_IN_ENQUEUE };
	in.enqueue = (struct acd_in_enqueue){ .item = kit_item_id(item),
					      .queue = kit_queue_id(1),
					      .prefer_agent = kit_agent_id(agent),
					      .prefer_us = for_us };
	kit_apply(&in);
}

START_TEST(who_prefers_an_agent_waits_for_it_for_a_while_and_then_takes_anybody)
{
	three_agents(ACD_S_LONGEST_IDLE);
	kit_state(2, ACD_ST_PAUSED);
	enqueue_preferring(1, 2, 30 * PL_US_PER_S);
	ck_assert_uint_eq(kit_offered(1), 0);
	kit_at(kit.now_ms + S(30));
	ck_assert_uint_eq(kit_offered(1), 1);
	enqueue_preferring(2, 2, 30 * PL_US_PER_S);
	kit_state(2, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(2), 2);
	kit_state(3, ACD_ST_OFFLINE);
	enqueue_preferring(3, 3, 30 * PL_US_PER_S); /* not there: nothing to wait for */
	kit_reply(1, ACD_OUT_ACCEPTED);
	kit_ended(1);
	ck_assert_uint_eq(kit_offered(3), 1);
}
END_TEST

START_TEST(an_age_bonus_changes_the_order_and_not_the_wait_that_is_told)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_enqueue(1, 1);
	kit.now_ms = S(5);
	struct acd_in in = { .kind = ACD_IN_ENQUEUE };
	in.enqueue = (struct acd_in_enqueue){ .item = kit_item_id(2),
					      .queue = kit_queue_id(1),
					      .bonus_us = 60 * PL_US_PER_S };
	kit_apply(&in);
	kit.now_ms = S(10);
	kit_state(1, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(2), 1);
	kit_reply(2, ACD_OUT_ACCEPTED);
	ck_assert_int_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.wait_us, 5 * PL_US_PER_S);
}
END_TEST

START_TEST(an_assigned_item_goes_to_that_agent_whoever_was_being_asked)
{
	three_agents(ACD_S_LONGEST_IDLE);
	kit_enqueue(1, 1);
	ck_assert_uint_eq(kit_offered(1), 1);
	kit_apply(&(struct acd_in){ .kind = ACD_IN_ASSIGN, .assign = { kit_item_id(1), kit_agent_id(3) } });
	ck_assert_uint_eq(kit_offered(1), 3);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_READY);
}
END_TEST

START_TEST(a_second_enqueue_moves_the_item_and_the_same_again_changes_nothing)
{
	QUEUE(1);
	QUEUE(2);
	kit_enqueue(1, 1);
	kit_enqueue(1, 1);
	ck_assert_uint_eq(kit.fx.n, 0);
	kit_enqueue(1, 2);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "transferred");
	ck_assert_ptr_nonnull(kit_fx(ACD_FX_QUEUED, 0));
	ck_assert_uint_eq(acd_counts_get(kit.e).items, 1);
}
END_TEST

int main(void)
{
	const TTest *const all[] = {
		longest_idle_asks_who_has_been_free_for_longest_over_all_queues,
		round_robin_goes_around_and_remembers_where_it_was,
		ring_all_asks_all_and_the_first_who_accepts_wins,
		ring_all_rings_who_becomes_free_while_it_rings,
		ring_all_asks_the_lowest_penalty_only,
		least_recent_asks_whose_last_contact_of_this_queue_is_longest_ago,
		fewest_asks_who_answered_fewest_and_a_newcomer_is_not_flooded,
		linear_always_begins_with_the_lowest_rank,
		random_gives_everybody_the_same_share,
		weighted_random_gives_shares_by_rank,
		a_higher_penalty_is_asked_only_when_nobody_below_is_free,
		priority_goes_before_age_and_age_before_arrival,
		of_two_queues_the_heavier_is_served_first,
		a_changed_priority_counts_from_the_next_decision,
		an_item_for_one_agent_waits_for_that_agent_and_comes_first,
		who_prefers_an_agent_waits_for_it_for_a_while_and_then_takes_anybody,
		an_age_bonus_changes_the_order_and_not_the_wait_that_is_told,
		an_assigned_item_goes_to_that_agent_whoever_was_being_asked,
		a_second_enqueue_moves_the_item_and_the_same_again_changes_nothing,
	};
	return kit_run("acd order", all, PL_ARRAY_N(all));
}
