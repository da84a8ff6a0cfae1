/* The machines of a leg and of its forks. */
#include <check.h>
#include <stdlib.h>

#include "../engine/fork.h"
#include "../engine/leg.h"

static struct leg_limits lim;

static unsigned step(struct leg_sm *l, enum leg_event ev)
{
	unsigned fx = 0;
	ck_assert_msg(leg_step(l, ev, 1000, &lim, &fx) == PL_OK, "%s refused in %s", leg_event_name(ev),
		      leg_state_name(l->state));
	return fx;
}

static struct leg_sm at(enum leg_state s)
{
	lim = leg_limits_default();
	return (struct leg_sm){ .state = s };
}

/* --- legs --- */

START_TEST(an_incoming_call_is_answered_and_acknowledged)
{
	struct leg_sm l = at(LEG_IDLE);
	ck_assert_uint_eq(step(&l, LEG_EV_INVITE), 0);
	ck_assert_int_eq(l.state, LEG_IN_TRYING);
	ck_assert_int_gt(l.due_us, 0);
	ck_assert_uint_eq(step(&l, LEG_EV_PROGRESS), LEG_FX_PROGRESS);
	ck_assert_uint_eq(step(&l, LEG_EV_ANSWER), LEG_FX_OK);
	ck_assert_uint_eq(step(&l, LEG_EV_ACK), LEG_FX_ANSWERED);
	ck_assert_int_eq(l.state, LEG_UP);
	ck_assert_int_eq(l.due_us, 0);
	ck_assert_uint_eq(step(&l, LEG_EV_BYE), LEG_FX_ENDED | LEG_FX_BY_REMOTE);
	ck_assert_int_eq(l.state, LEG_GONE);
}
END_TEST

START_TEST(hanging_up_between_our_2xx_and_its_ack_waits_for_the_ack) /* RFC 3261 15 */
{
	struct leg_sm l = at(LEG_IN_ANSWERED);
	ck_assert_uint_eq(step(&l, LEG_EV_HANGUP), LEG_FX_ENDED);
	ck_assert_int_eq(l.state, LEG_IN_DRAIN);
	ck_assert_uint_eq(step(&l, LEG_EV_ACK), LEG_FX_BYE);
	ck_assert_uint_eq(step(&l, LEG_EV_CLOSED), 0);
	ck_assert_int_eq(l.state, LEG_GONE);
}
END_TEST

START_TEST(a_2xx_without_ack_ends_in_bye) /* RFC 3261 13.3.1.4 */
{
	struct leg_sm l = at(LEG_IN_ANSWERED);
	ck_assert_uint_eq(step(&l, LEG_EV_NO_ACK), LEG_FX_BYE | LEG_FX_ENDED | LEG_FX_BY_REMOTE);
	ck_assert_int_eq(l.state, LEG_CLEARING);
}
END_TEST

START_TEST(a_second_180_does_not_lengthen_the_ring)
{
	struct leg_sm l = at(LEG_IDLE);
	lim.stay_us[LEG_OUT_CALLING] = 500;
	step(&l, LEG_EV_DIAL);
	ck_assert_int_eq(l.due_us, 1500);
	unsigned fx;
	ck_assert_int_eq(leg_step(&l, LEG_EV_RX_1XX, 1200, &lim, &fx), PL_OK);
	ck_assert_int_eq(leg_step(&l, LEG_EV_RX_1XX, 1400, &lim, &fx), PL_OK);
	ck_assert_int_eq(l.due_us, 1500);
	ck_assert_uint_eq(step(&l, LEG_EV_TIMER), LEG_FX_CANCEL | LEG_FX_ENDED);
	ck_assert_int_eq(l.state, LEG_OUT_CANCEL);
}
END_TEST

START_TEST(an_offer_that_meets_theirs_gets_491_and_ours_is_repeated_after_the_wait) /* RFC 3261 14.1, 14.2 */
{
	struct leg_sm l = at(LEG_UP);
	ck_assert_uint_eq(step(&l, LEG_EV_OFFER), LEG_FX_OFFER);
	ck_assert_uint_eq(step(&l, LEG_EV_OFFERED), LEG_FX_SAY_491);
	ck_assert_int_eq(l.state, LEG_RE_OUT);
	ck_assert_uint_eq(step(&l, LEG_EV_RE_GLARE), 0);
	ck_assert_int_eq(l.state, LEG_RE_WAIT);
	ck_assert_int_gt(l.due_us, 0);
	ck_assert_uint_eq(step(&l, LEG_EV_TIMER), LEG_FX_OFFER);
	ck_assert_uint_eq(step(&l, LEG_EV_RE_2XX), LEG_FX_RE_ACK | LEG_FX_REINVITED);
	ck_assert_int_eq(l.state, LEG_UP);
}
END_TEST

START_TEST(a_second_offer_of_theirs_while_one_is_open_gets_500) /* RFC 3261 14.2 */
{
	struct leg_sm l = at(LEG_UP);
	ck_assert_uint_eq(step(&l, LEG_EV_OFFERED), LEG_FX_REMOTE_OFFER);
	ck_assert_uint_eq(step(&l, LEG_EV_OFFERED), LEG_FX_SAY_500);
	ck_assert(!leg_accepts(&l, LEG_EV_OFFER));
	ck_assert_uint_eq(step(&l, LEG_EV_REANSWER), LEG_FX_RE_ANSWER);
	ck_assert_int_eq(l.state, LEG_UP);
}
END_TEST

START_TEST(a_2xx_to_our_offer_is_acknowledged_even_while_clearing)
{
	struct leg_sm l = at(LEG_RE_OUT);
	ck_assert_uint_eq(step(&l, LEG_EV_HANGUP), LEG_FX_BYE | LEG_FX_ENDED);
	ck_assert_uint_eq(step(&l, LEG_EV_RE_2XX), LEG_FX_RE_ACK);
	ck_assert_int_eq(l.state, LEG_CLEARING);
}
END_TEST

START_TEST(a_refused_event_touches_nothing)
{
	struct leg_sm l = at(LEG_IN_TRYING), before;
	unsigned fx = 77;
	l.due_us = 5;
	before = l;
	ck_assert_int_eq(leg_step(&l, LEG_EV_REANSWER, 9, &lim, &fx), PL_E_STATE);
	ck_assert_int_eq(leg_step(&l, LEG_EVENT_N, 9, &lim, &fx), PL_E_STATE);
	ck_assert_mem_eq(&l, &before, sizeof l);
	ck_assert_uint_eq(fx, 77);
}
END_TEST

/* What must hold for every walk through the table: ENDED is told exactly once on each way to the end of a leg the owner
 * knew, a timed state has its timer, GONE is final. */
START_TEST(random_walks_tell_the_end_once_and_never_stick)
{
	unsigned seed = (unsigned)_i * 2654435761u + 1;
	for (int walk = 0; walk < 20000; walk++) {
		struct leg_sm l = at(LEG_IDLE);
		int ended = 0, steps = 0;
		while (l.state != LEG_GONE && steps++ < 200) {
			unsigned fx = 0;
			enum leg_state was = l.state;
			enum leg_event ev = (enum leg_event)((seed = seed * 1103515245u + 12345u) >> 16) % LEG_EVENT_N;
			if (leg_step(&l, ev, steps, &lim, &fx))
				continue;
			ended += (fx & LEG_FX_ENDED) != 0;
			ck_assert_int_le(ended, 1);
			ck_assert_msg(!(ended == 1 && !(fx & LEG_FX_ENDED) &&
					(fx & (LEG_FX_ANSWERED | LEG_FX_RINGING | LEG_FX_REINVITED))),
				      "event after the end in %s", leg_state_name(was));
			if (l.state != was && lim.stay_us[l.state] > 0)
				ck_assert_int_gt(l.due_us, 0);
		}
		if (l.state == LEG_GONE)
			ck_assert_int_eq(ended, 1);
		for (enum leg_event ev = 0; ev < LEG_EVENT_N && l.state == LEG_GONE; ev++)
			ck_assert(!leg_accepts(&l, ev));
	}
}
END_TEST

START_TEST(every_live_state_can_be_ended_by_the_owner_or_by_time)
{
	for (enum leg_state s = LEG_IN_TRYING; s < LEG_GONE; s++) {
		struct leg_sm l = at(s);
		ck_assert_msg(leg_accepts(&l, LEG_EV_HANGUP) || leg_accepts(&l, LEG_EV_TIMER), "%s", leg_state_name(s));
	}
}
END_TEST

START_TEST(waits_after_491_follow_who_made_the_call_id)
{
	for (uint32_t r = 0; r < 1000; r++) {
		int64_t own = leg_glare_wait_us(true, r), other = leg_glare_wait_us(false, r);
		ck_assert(own >= 2100000 && own <= 4000000 && own % 10000 == 0);
		ck_assert(other >= 0 && other <= 2000000 && other % 10000 == 0);
	}
}
END_TEST

/* --- forks --- */

static unsigned fstep(struct fork_sm *f, enum fork_event ev)
{
	unsigned fx = 0;
	ck_assert_int_eq(fork_step(f, ev, &fx), PL_OK);
	return fx;
}

START_TEST(a_2xx_that_crosses_our_cancel_gets_ack_and_bye) /* RFC 3261 13.2.2.4 */
{
	struct fork_sm f = { FORK_RINGING };
	ck_assert_uint_eq(fstep(&f, FORK_EV_CANCEL), FORK_FX_CANCEL);
	ck_assert_uint_eq(fstep(&f, FORK_EV_2XX_WANTED), FORK_FX_ACK | FORK_FX_BYE);
	ck_assert_uint_eq(fstep(&f, FORK_EV_CLOSED), FORK_FX_TELL_DONE);
	ck_assert_int_eq(f.state, FORK_GONE);
}
END_TEST

START_TEST(a_late_2xx_of_a_loser_gets_ack_and_bye)
{
	struct fork_sm f = { FORK_CALLING };
	ck_assert_uint_eq(fstep(&f, FORK_EV_2XX_LATE), FORK_FX_ACK | FORK_FX_BYE);
	unsigned fx;
	ck_assert_int_eq(fork_step(&f, FORK_EV_FAIL, &fx), PL_E_STATE);
}
END_TEST

START_TEST(of_several_failures_the_telling_one_is_told)
{
	ck_assert_int_eq(fork_better(408, 486), 486);
	ck_assert_int_eq(fork_better(486, 503), 486);
	ck_assert_int_eq(fork_better(486, 603), 603);
	ck_assert_int_eq(fork_better(0, 408), 408);
	ck_assert_int_eq(fork_better(503, 404), 404);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge leg");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 60);
#define T(name) tcase_add_test(c, name)
	T(an_incoming_call_is_answered_and_acknowledged);
	T(hanging_up_between_our_2xx_and_its_ack_waits_for_the_ack);
	T(a_2xx_without_ack_ends_in_bye);
	T(a_second_180_does_not_lengthen_the_ring);
	T(an_offer_that_meets_theirs_gets_491_and_ours_is_repeated_after_the_wait);
	T(a_second_offer_of_theirs_while_one_is_open_gets_500);
	T(a_2xx_to_our_offer_is_acknowledged_even_while_clearing);
	T(a_refused_event_touches_nothing);
	T(every_live_state_can_be_ended_by_the_owner_or_by_time);
	T(waits_after_491_follow_who_made_the_call_id);
	T(a_2xx_that_crosses_our_cancel_gets_ack_and_bye);
	T(a_late_2xx_of_a_loser_gets_ack_and_bye);
	T(of_several_failures_the_telling_one_is_told);
	tcase_add_loop_test(c, random_walks_tell_the_end_once_and_never_stick, 0, 5);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
