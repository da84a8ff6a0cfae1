/* What a sip-edge does that has little room, a slow or dead call-control, and callers who vanish. */
#include "rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct ua *carrier;

static void setup(void)
{
	rig_open((const char *const[]){ "--max-legs=2", "--calls-per-s=10", "--calls-burst=4", "--orphan-s=3",
					"--session-expires-s=90", NULL });
	rig.policy = RIG_WAIT;
	carrier = ua_new(true, false);
}

static bool legs_zero(void *arg)
{
	return rig_metric("parley_sip_edge_legs") == 0;
}

static void teardown(void)
{
	ua_free(carrier);
	ck_assert(rig_until(legs_zero, NULL));
	rig.n_events = 0;
}

static int final_status(struct ua *u)
{
	do
		ua_want(u, "SIP/2.0 ");
	while (atoi(u->msg + 8) < 200);
	return atoi(u->msg + 8);
}

START_TEST(more_legs_than_allowed_get_503_with_retry_after)
{
	struct dlg d[3] = { 0 };
	char leg[2][PL_ID_LEN];
	for (int i = 0; i < 2; i++) {
		int n = rig.n_incoming + 1;
		dlg_invite(&d[i], carrier, "100", sdp_a);
		rig_wait_incoming(n);
		pl_strlcpy(leg[i], rig.leg, PL_ID_LEN);
	}
	dlg_invite(&d[2], carrier, "100", sdp_a);
	ck_assert_int_eq(final_status(carrier), 503);
	int after = atoi(ua_header(carrier, "Retry-After"));
	ck_assert(after >= 5 && after <= 15);
	dlg_ack_fail(&d[2]);
	ck_assert(rig_metric("parley_sip_edge_overload_refused_total{why=\"legs\"}") == 1);
	for (int i = 0; i < 2; i++) {
		rig_hangup(leg[i], 486);
		ck_assert_int_eq(final_status(carrier), 486);
		d[i].call_id[0] = 0;
		pl_strlcpy(d[i].call_id, ua_header(carrier, "Call-ID"), sizeof d[i].call_id);
		dlg_ack_fail(&d[i]);
	}
}
END_TEST

START_TEST(calls_that_come_faster_than_allowed_get_503)
{
	int refused = 0;
	rig.policy = RIG_NOT_FOUND;
	for (int i = 0; i < 12; i++) {
		struct dlg d = { 0 };
		dlg_invite(&d, carrier, "100", sdp_a);
		int status = final_status(carrier);
		ck_assert(status == 404 || status == 503);
		refused += status == 503;
		dlg_ack_fail(&d);
	}
	ck_assert_int_gt(refused, 0);
	ck_assert(rig_metric("parley_sip_edge_overload_refused_total{why=\"rate\"}") == refused);
}
END_TEST

/* A call that the bucket lets in; the test before may have emptied it. */
static struct dlg call_up(void)
{
	struct dlg d = { 0 };
	for (int n = rig.n_incoming; rig.n_incoming == n;) {
		dlg_invite(&d, carrier, "100", sdp_a);
		ua_want(carrier, "SIP/2.0 ");
		if (atoi(carrier->msg + 8) == 503) {
			dlg_ack_fail(&d);
			ua_quiet(carrier, 200);
		} else {
			rig_wait_incoming(n + 1);
		}
	}
	rig_answer(rig.leg, sdp_b);
	ua_want(carrier, "SIP/2.0 200");
	return d;
}

START_TEST(a_leg_its_owner_does_not_list_is_hung_up)
{
	struct dlg d = call_up();
	dlg_ack(&d);
	rig.list_nothing = true;
	int64_t begin = pl_mono_us();
	while (!rig_has_event(rig.leg, KIND(ENDED)) && pl_mono_us() - begin < 60 * PL_US_PER_S)
		rig_turn();
	ck_assert(rig_has_event(rig.leg, KIND(ENDED)));
	ck_assert_int_gt(pl_mono_us() - begin, 15 * PL_US_PER_S); /* not on the first round */
	ua_want(carrier, "BYE ");
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
	rig.list_nothing = false;
}
END_TEST

START_TEST(a_caller_who_never_acknowledges_gets_bye) /* RFC 3261 13.3.1.4: after 64*T1 = 32 s */
{
	struct dlg d = call_up();
	int64_t begin = pl_mono_us();
	int repeats = 0;
	while (!rig_has_event(rig.leg, KIND(ENDED)) && pl_mono_us() - begin < 60 * PL_US_PER_S) {
		repeats += !ua_quiet(carrier, 50) && !strncmp(carrier->msg, "SIP/2.0 200", 11);
	}
	ck_assert(rig_has_event(rig.leg, KIND(ENDED)));
	ck_assert_int_ge(repeats, 5);
	dlg_take(&d);
	if (strncmp(carrier->msg, "BYE ", 4))
		ua_want(carrier, "BYE ");
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
}
END_TEST

START_TEST(the_session_timer_finds_a_far_side_that_forgot_the_call) /* RFC 4028; its BYE was lost */
{
	struct dlg d = call_up();
	dlg_ack(&d);
	rig_event(rig.leg, KIND(ANSWERED));
	int64_t begin = pl_mono_us();
	while (strncmp(carrier->msg, "OPTIONS ", 8) && pl_mono_us() - begin < 70 * PL_US_PER_S)
		ua_quiet(carrier, 50);
	ck_assert_int_ge(pl_mono_us() - begin, 40 * PL_US_PER_S); /* half of --session-expires-s */
	dlg_mark(&d);
	dlg_reply(&d, 481, "Call Does Not Exist", NULL);
	const struct rig_event *e = rig_event(rig.leg, KIND(ENDED));
	ck_assert(e->by_remote);
	ck_assert_uint_eq(e->status, 481);
	ua_want(carrier, "BYE ");
	dlg_mark(&d);
	dlg_reply(&d, 481, "Call Does Not Exist", NULL);
}
END_TEST

/* Last: call-control is gone afterwards. */
START_TEST(a_leg_whose_owner_died_ends_unless_somebody_adopts_it)
{
	struct dlg d = call_up();
	dlg_ack(&d);
	rig_event(rig.leg, KIND(ANSWERED));
	rig_adopt(rig.leg, "cc-gone"); /* an owner that no heartbeat knows */
	int64_t begin = pl_mono_us();
	while (strncmp(carrier->msg, "BYE ", 4) && pl_mono_us() - begin < 60 * PL_US_PER_S)
		ua_quiet(carrier, 50);
	ck_assert_int_eq(strncmp(carrier->msg, "BYE ", 4), 0);
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
}
END_TEST

START_TEST(sip_edge_ends_well)
{
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge overload");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 0);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, more_legs_than_allowed_get_503_with_retry_after);
	tcase_add_test(c, calls_that_come_faster_than_allowed_get_503);
	tcase_add_test(c, a_leg_its_owner_does_not_list_is_hung_up);
	tcase_add_test(c, a_caller_who_never_acknowledges_gets_bye);
	tcase_add_test(c, the_session_timer_finds_a_far_side_that_forgot_the_call);
	tcase_add_test(c, a_leg_whose_owner_died_ends_unless_somebody_adopts_it);
	suite_add_tcase(s, c);
	TCase *end = tcase_create("end");
	tcase_set_timeout(end, 0);
	tcase_add_test(end, sip_edge_ends_well);
	suite_add_tcase(s, end);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
