/* What the router does with offers, agents, doors, decisions and snapshots, one sentence each. */
#include "kit.h"

#define S(n) ((n)*1000) /* seconds in ms */

/* --- offers --- */
START_TEST(who_lets_it_ring_is_not_asked_again_while_others_are_there)
{
	three_agents(ACD_S_LONGEST_IDLE);
	kit_enqueue(1, 1);
	ck_assert_uint_eq(kit_offered(1), 1);
	kit_at(kit.now_ms + S(20));
	ck_assert_uint_eq(kit_offered(1), 2);
	kit_at(kit.now_ms + S(20));
	ck_assert_uint_eq(kit_offered(1), 3);
	kit_at(kit.now_ms + S(20));
	ck_assert_uint_eq(kit_offered(1), 1); /* all were asked: around again */
}
END_TEST

START_TEST(who_rejects_rests_for_the_retry_time)
{
	QUEUE(1, .retry_us = 5 * PL_US_PER_S);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_REJECTED);
	ck_assert_uint_eq(kit_offered(1), 0);
	kit_at(kit.now_ms + 4999);
	ck_assert_uint_eq(kit_offered(1), 0);
	kit_at(kit.now_ms + 1);
	ck_assert_uint_eq(kit_offered(1), 1);
}
END_TEST

START_TEST(a_device_that_fails_at_once_is_not_asked_in_a_storm)
{
	QUEUE(1); /* no retry time at all */
	kit_agent(1, ACD_AK_STATIC, NULL, (const struct kit_member[]){ { 1, 0, 0 }, { 0, 0, 0 } });
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_FAILED);
	ck_assert_uint_eq(kit_offered(1), 0);
	kit_at(kit.now_ms + 1000);
	ck_assert_uint_eq(kit_offered(1), 1);
}
END_TEST

START_TEST(an_item_keeps_its_place_after_an_offer_in_vain)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	AGENT(2, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_enqueue(2, 1);
	kit_reply(1, ACD_OUT_FAILED);
	kit_state(2, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(1), 2);
}
END_TEST

START_TEST(missed_offers_pause_the_agent_and_rejections_do_not)
{
	QUEUE(1, .autopause_after = 2, .ring_us = 10 * PL_US_PER_S);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_REJECTED);
	kit_at(S(1));
	kit_at(S(11));
	ck_assert_int_eq(kit_state_of(1), ACD_ST_OFFERED);
	kit_at(S(21));
	ck_assert_int_eq(kit_state_of(1), ACD_ST_PAUSED);
	ck_assert(kit_status(1).missed);
	ck_assert_str_eq(kit_fx(ACD_FX_AGENT_STATE, 0)->agent_state.cause, "missed");
	kit_state(1, ACD_ST_READY);
	ck_assert(!kit_status(1).missed);
	ck_assert_uint_eq(kit_offered(1), 1);
}
END_TEST

START_TEST(an_accepted_offer_with_a_stale_fence_is_refused)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	const struct acd_fx o = *kit_fx(ACD_FX_OFFERED, 0);
	struct acd_in in = { .kind = ACD_IN_REPLY };
	in.reply = (struct acd_in_reply){
		.item = o.item, .offer = o.offer, .fence = o.offered.fence, .outcome = ACD_OUT_ACCEPTED
	};
	kit_at(S(20));
	kit_apply(&in);
	ck_assert_ptr_nonnull(kit_fx(ACD_FX_REFUSED, 0));
	ck_assert_ptr_null(kit_fx(ACD_FX_DEQUEUED, 0));
}
END_TEST

START_TEST(an_answer_that_comes_before_the_ring_was_called_over_counts)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit.now_ms += S(20) + 5; /* no tick came yet */
	kit_reply(1, ACD_OUT_ACCEPTED);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_ON_CONTACT);
}
END_TEST

START_TEST(the_same_acceptance_twice_is_one)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	const struct acd_fx o = *kit_fx(ACD_FX_OFFERED, 0);
	struct acd_in in = { .kind = ACD_IN_REPLY };
	in.reply = (struct acd_in_reply){
		.item = o.item, .offer = o.offer, .fence = o.offered.fence, .outcome = ACD_OUT_ACCEPTED
	};
	kit_apply(&in);
	ck_assert_uint_gt(kit.fx.n, 0);
	kit_apply(&in);
	ck_assert_uint_eq(kit.fx.n, 0);
}
END_TEST

START_TEST(a_caller_who_hangs_up_frees_the_agent_at_once)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_enqueue(2, 1);
	kit_cancel(1);
	ck_assert_int_eq(kit_fx(ACD_FX_OFFER_ENDED, 0)->offer_ended.outcome, ACD_OUT_CANCELLED);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "abandoned");
	ck_assert_uint_eq(kit_offered(2), 1);
}
END_TEST

/* --- agents --- */
START_TEST(a_pause_takes_effect_after_the_contact_and_its_wrap_up)
{
	QUEUE(1, .wrap_up_us = 10 * PL_US_PER_S);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_ACCEPTED);
	kit_state(1, ACD_ST_PAUSED);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_ON_CONTACT);
	ck_assert_int_eq(kit_status(1).next_state, ACD_ST_PAUSED);
	kit_ended(1);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_WRAP_UP);
	kit_at(kit.now_ms + S(10));
	ck_assert_int_eq(kit_state_of(1), ACD_ST_PAUSED);
}
END_TEST

START_TEST(wrap_up_belongs_to_the_agent_over_all_queues)
{
	QUEUE(1, .wrap_up_us = 10 * PL_US_PER_S);
	QUEUE(2);
	AGENT(1, { 1, 0, 0 }, { 2, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_ACCEPTED);
	kit_enqueue(2, 2);
	kit_ended(1);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_WRAP_UP);
	ck_assert_uint_eq(kit_offered(2), 0);
	struct acd_in in = { .kind = ACD_IN_AGENT };
	in.agent = (struct acd_in_agent){ .agent = kit_agent_id(1), .end_wrap_up = true };
	kit_apply(&in);
	ck_assert_uint_eq(kit_offered(2), 1);
}
END_TEST

START_TEST(a_pause_while_it_rings_takes_the_offer_back)
{
	three_agents(ACD_S_LONGEST_IDLE);
	kit_enqueue(1, 1);
	kit_state(1, ACD_ST_PAUSED);
	ck_assert_uint_eq(kit_offered(1), 2);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_PAUSED);
}
END_TEST

START_TEST(who_signs_out_keeps_the_contact_and_gets_no_other)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_ACCEPTED);
	kit_state(1, ACD_ST_OFFLINE);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_ON_CONTACT);
	kit_enqueue(2, 1);
	kit_ended(1);
	ck_assert_int_eq(kit_state_of(1), ACD_ST_OFFLINE);
	ck_assert_uint_eq(kit_offered(2), 0);
}
END_TEST

START_TEST(a_lost_presence_ends_the_offer_and_signs_out)
{
	three_agents(ACD_S_LONGEST_IDLE);
	kit_enqueue(1, 1);
	kit_apply(&(struct acd_in){ .kind = ACD_IN_PRESENCE, .presence = { kit_agent_id(1), false } });
	ck_assert_int_eq(kit_state_of(1), ACD_ST_OFFLINE);
	ck_assert_uint_eq(kit_offered(1), 2);
}
END_TEST

START_TEST(capacity_is_per_channel_and_a_call_leaves_no_room_for_text)
{
	const uint8_t cap[ACD_CH_N] = { [ACD_CH_VOICE] = 1, [ACD_CH_CHAT] = 2 };
	QUEUE(1);
	QUEUE(2, .channel = ACD_CH_CHAT);
	kit_agent(1, ACD_AK_PERSON, cap, (const struct kit_member[]){ { 1, 0, 0 }, { 2, 0, 0 }, { 0, 0, 0 } });
	kit_state(1, ACD_ST_READY);
	for (unsigned i = 1; i <= 3; i++)
		kit_enqueue(i, 2);
	ck_assert_uint_eq(kit_offered(1), 1);
	ck_assert_uint_eq(kit_offered(2), 1);
	ck_assert_uint_eq(kit_offered(3), 0);
	kit_reply(1, ACD_OUT_ACCEPTED);
	kit_reply(2, ACD_OUT_ACCEPTED);
	kit_enqueue(4, 1);
	ck_assert_uint_eq(kit_offered(4), 1); /* text leaves room for a call */
	kit_reply(4, ACD_OUT_ACCEPTED);
	kit_ended(1);
	ck_assert_uint_eq(kit_offered(3), 0);
	kit_ended(4);
	ck_assert_uint_eq(kit_offered(3), 1);
}
END_TEST

START_TEST(a_fixed_address_is_always_ready)
{
	QUEUE(1);
	kit_enqueue(1, 1);
	kit_agent(1, ACD_AK_STATIC, NULL, (const struct kit_member[]){ { 1, 0, 0 }, { 0, 0, 0 } });
	ck_assert_uint_eq(kit_offered(1), 1);
	ck_assert_int_eq(kit_fx(ACD_FX_OFFERED, 0)->offered.device, ACD_DEV_ADDRESS);
}
END_TEST

START_TEST(a_transfer_releases_this_agent_only_and_keeps_the_time_of_arrival)
{
	QUEUE(1, .wrap_up_us = 5 * PL_US_PER_S);
	QUEUE(2);
	AGENT(1, { 1, 0, 0 });
	AGENT(2, { 2, 0, 0 });
	kit_state(1, ACD_ST_READY);
	kit_enqueue(1, 1);
	kit_reply(1, ACD_OUT_ACCEPTED);
	kit.now_ms = S(60);
	kit_enqueue(2, 2);
	kit_apply(&(struct acd_in){ .kind = ACD_IN_ENDED, .ended = { kit_item_id(1), kit_agent_id(1), true } });
	ck_assert_int_eq(kit_state_of(1), ACD_ST_WRAP_UP);
	kit_enqueue_more(1, 2, 0, 0);
	kit_state(2, ACD_ST_READY);
	ck_assert_uint_eq(kit_offered(1), 2);
}
END_TEST

START_TEST(a_contact_whose_lease_is_not_renewed_ends_and_one_without_lease_does_not)
{
	QUEUE(1);
	AGENT(1, { 1, 0, 0 });
	AGENT(2, { 1, 0, 0 });
	for (unsigned i = 1; i <= 2; i++) {
		kit_state(i, ACD_ST_READY);
		kit_enqueue(i, 1);
		kit_reply(i, ACD_OUT_ACCEPTED);
	}
	const struct acd_id item = kit_item_id(1);
	const struct acd_in in = { .kind = ACD_IN_ALIVE, .alive = { &item, 1, 60 * PL_US_PER_S } };
	kit_apply(&in);
	kit_at(S(40));
	kit_apply(&in);
	kit_at(S(99));
	ck_assert_int_eq(kit_state_of(1), ACD_ST_ON_CONTACT);
	kit_at(S(100));
	ck_assert_int_eq(kit_state_of(1), ACD_ST_READY);
	kit_at(S(9999));
	ck_assert_int_eq(kit_state_of(2), ACD_ST_ON_CONTACT);
}
END_TEST

/* --- doors --- */
START_TEST(a_full_queue_and_a_closed_one_and_an_empty_one_say_so)
{
	QUEUE(1, .max_waiting = 1);
	kit_enqueue(1, 1);
	kit_enqueue(2, 1);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "full");
	QUEUE(2, .enabled = false);
	kit_enqueue(3, 2);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "closed");
	kit_enqueue(4, 99);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "closed");
	QUEUE(3, .join_when_empty = false);
	kit_enqueue(5, 3);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "empty");
	AGENT(1, { 3, 0, 0 });
	kit_state(1, ACD_ST_PAUSED);
	kit_enqueue(6, 3);
	ck_assert_ptr_nonnull(kit_fx(ACD_FX_QUEUED, 0));
}
END_TEST

START_TEST(all_leave_when_the_last_member_signs_out_if_the_queue_says_so)
{
	QUEUE(1, .leave_when_empty = true);
	AGENT(1, { 1, 0, 0 });
	kit_state(1, ACD_ST_PAUSED);
	for (unsigned i = 1; i <= 2000; i++)
		kit_enqueue(i, 1);
	kit_state(1, ACD_ST_OFFLINE);
	ck_assert_uint_le(kit.fx.n, ACD_FX_MAX);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "empty");
	kit_at(kit.now_ms + 1); /* more than one input can tell: the rest follows at once */
	ck_assert_uint_eq(acd_counts_get(kit.e).items, 0);
}
END_TEST

START_TEST(the_longest_wait_ends_with_timeout)
{
	QUEUE(1, .max_wait_us = 30 * PL_US_PER_S);
	kit_enqueue(1, 1);
	kit_at(S(30));
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "timeout");
	ck_assert_int_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.wait_us, 30 * PL_US_PER_S);
}
END_TEST

START_TEST(a_deleted_queue_sends_everybody_away_and_a_deleted_agent_nobody)
{
	QUEUE(1);
	QUEUE(2);
	AGENT(1, { 1, 0, 0 });
	AGENT(2, { 2, 0, 0 });
	kit_enqueue(1, 1);
	kit_enqueue_for(2, 2, 1);
	kit_state(2, ACD_ST_READY);
	struct acd_in del = { .kind = ACD_IN_AGENT_PUT };
	del.agent_put = (struct acd_in_agent_put){ .id = kit_agent_id(1), .deleted = true };
	kit_apply(&del);
	ck_assert_uint_eq(kit_offered(2), 2); /* it was meant for the one who is gone: now it belongs to its queue */
	struct acd_in gone = { .kind = ACD_IN_QUEUE_PUT };
	gone.queue_put.cfg = (struct acd_queue_cfg){ .id = kit_queue_id(1), .deleted = true };
	kit_apply(&gone);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "closed");
	ck_assert_uint_eq(acd_counts_get(kit.e).queues, 1);
}
END_TEST

START_TEST(an_older_revision_of_the_configuration_is_ignored)
{
	QUEUE(1, .weight = 3);
	struct acd_in old = { .kind = ACD_IN_QUEUE_PUT };
	old.queue_put.cfg = (struct acd_queue_cfg){ .id = kit_queue_id(1), .revision = kit.revision, .enabled = false };
	kit_apply(&old);
	kit_enqueue(1, 1);
	ck_assert_ptr_nonnull(kit_fx(ACD_FX_QUEUED, 0));
}
END_TEST

START_TEST(members_configured_before_their_queue_are_in_it_when_it_comes)
{
	AGENT(1, { 7, 0, 0 });
	kit_state(1, ACD_ST_READY);
	QUEUE(7);
	kit_enqueue(1, 7);
	ck_assert_uint_eq(kit_offered(1), 1);
}
END_TEST

/* --- decisions --- */
START_TEST(a_decision_names_the_candidates_and_why_not_the_others)
{
	QUEUE(1);
	for (unsigned a = 1; a <= 5; a++)
		AGENT(a, { 1, a == 5 ? 3 : 0, 0 });
	for (unsigned a = 1; a <= 5; a++) {
		kit.now_ms += 1000;
		kit_state(a, a == 2 ? ACD_ST_PAUSED : ACD_ST_READY);
	}
	kit_state(4, ACD_ST_OFFLINE);
	kit_enqueue(1, 1);
	const struct acd_fx *d = kit_fx(ACD_FX_DECISION, 0);
	ck_assert_uint_eq(d->decision.n_cand, 5);
	const unsigned who[] = { 1, 3, 5, 2, 4 };
	const enum acd_why why[] = { ACD_WHY_OK, ACD_WHY_ORDER, ACD_WHY_PENALTY, ACD_WHY_PAUSED, ACD_WHY_OFFLINE };
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_uint_eq(d->decision.cand[i].agent.lo, who[i]);
		ck_assert_int_eq(d->decision.cand[i].why, why[i]);
	}
	ck_assert_int_eq(d->decision.cand[0].score, 4 * PL_US_PER_S);
	ck_assert(acd_id_eq(d->offer, kit_fx(ACD_FX_OFFERED, 0)->offer));
}
END_TEST

START_TEST(lengths_of_states_are_told_once_and_add_up)
{
	int64_t sum = 0;
	QUEUE(1, .wrap_up_us = 3 * PL_US_PER_S);
	AGENT(1, { 1, 0, 0 });
	kit.now_ms = S(10);
	kit_state(1, ACD_ST_READY);
	kit.now_ms = S(20);
	kit_enqueue(1, 1);
	sum += kit_fx(ACD_FX_AGENT_STATE, 0)->agent_state.previous_us; /* ready */
	kit.now_ms = S(24);
	kit_reply(1, ACD_OUT_ACCEPTED);
	sum += kit_fx(ACD_FX_AGENT_STATE, 0)->agent_state.previous_us; /* offered */
	kit.now_ms = S(30);
	kit_state(1, ACD_ST_PAUSED); /* only what comes next changes */
	ck_assert_int_eq(kit_fx(ACD_FX_AGENT_STATE, 0)->agent_state.previous_us, 0);
	kit.now_ms = S(60);
	kit_ended(1);
	sum += kit_fx(ACD_FX_AGENT_STATE, 0)->agent_state.previous_us; /* on contact */
	kit_at(S(70));
	sum += kit_fx(ACD_FX_AGENT_STATE, 0)->agent_state.previous_us; /* wrap-up */
	ck_assert_int_eq(sum, (63 - 10) * PL_US_PER_S);
}
END_TEST

/* --- snapshots --- */
START_TEST(a_snapshot_with_one_bit_turned_is_refused)
{
	three_agents(ACD_S_LONGEST_IDLE);
	for (unsigned i = 1; i <= 5; i++)
		kit_enqueue(i, 1);
	uint8_t buf[8192];
	size_t n = acd_save(kit.e, buf, sizeof(buf));
	ck_assert_uint_eq(n, acd_save_size(kit.e));
	kit_stop();
	for (size_t bit = 0; bit < n * 8; bit += 131) {
		kit_start();
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ck_assert_int_eq(acd_load(kit.e, buf, n), PL_E_FORMAT);
		buf[bit / 8] ^= (uint8_t)(1u << bit % 8);
		kit_stop();
	}
	kit_start();
	ck_assert_int_eq(acd_load(kit.e, buf, n), PL_OK);
	ck_assert_uint_eq(acd_counts_get(kit.e).items, 5);
}
END_TEST

START_TEST(a_full_pool_refuses_and_goes_on)
{
	QUEUE(1);
	for (unsigned i = 1; i <= 4097; i++)
		kit_enqueue(i, 1);
	ck_assert_str_eq(kit_fx(ACD_FX_DEQUEUED, 0)->dequeued.reason, "full");
	kit_cancel(7);
	kit_enqueue(5000, 1);
	ck_assert_ptr_nonnull(kit_fx(ACD_FX_QUEUED, 0));
}
END_TEST

int main(void)
{
	const TTest *const all[] = {
		who_lets_it_ring_is_not_asked_again_while_others_are_there,
		who_rejects_rests_for_the_retry_time,
		a_device_that_fails_at_once_is_not_asked_in_a_storm,
		an_item_keeps_its_place_after_an_offer_in_vain,
		missed_offers_pause_the_agent_and_rejections_do_not,
		an_accepted_offer_with_a_stale_fence_is_refused,
		an_answer_that_comes_before_the_ring_was_called_over_counts,
		the_same_acceptance_twice_is_one,
		a_caller_who_hangs_up_frees_the_agent_at_once,
		a_pause_takes_effect_after_the_contact_and_its_wrap_up,
		wrap_up_belongs_to_the_agent_over_all_queues,
		a_pause_while_it_rings_takes_the_offer_back,
		who_signs_out_keeps_the_contact_and_gets_no_other,
		a_lost_presence_ends_the_offer_and_signs_out,
		capacity_is_per_channel_and_a_call_leaves_no_room_for_text,
		a_fixed_address_is_always_ready,
		a_transfer_releases_this_agent_only_and_keeps_the_time_of_arrival,
		a_contact_whose_lease_is_not_renewed_ends_and_one_without_lease_does_not,
		a_full_queue_and_a_closed_one_and_an_empty_one_say_so,
		all_leave_when_the_last_member_signs_out_if_the_queue_says_so,
		the_longest_wait_ends_with_timeout,
		a_deleted_queue_sends_everybody_away_and_a_deleted_agent_nobody,
		an_older_revision_of_the_configuration_is_ignored,
		members_configured_before_their_queue_are_in_it_when_it_comes,
		a_decision_names_the_candidates_and_why_not_the_others,
		lengths_of_states_are_told_once_and_add_up,
		a_snapshot_with_one_bit_turned_is_refused,
		a_full_pool_refuses_and_goes_on,
	};
	return kit_run("acd engine", all, PL_ARRAY_N(all));
}
