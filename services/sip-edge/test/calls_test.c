/* Calls through the real sip-edge, message by message. */
#include "rig.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static struct ua *carrier;

static void setup(void)
{
	rig_open(NULL);
	rig.policy = RIG_WAIT;
	rig.list_nothing = false;
	carrier = ua_new(true, false);
}

static bool legs_zero(void *arg)
{
	return rig_metric("parley_sip_edge_legs") == 0;
}

static void teardown(void)
{
	ua_free(carrier);
	ck_assert_msg(rig_until(legs_zero, NULL), "legs were left: %f", rig_metric("parley_sip_edge_legs"));
	rig.n_events = 0;
}

static struct dlg call_up(void)
{
	struct dlg d = { 0 };
	int n = rig.n_incoming + 1;
	dlg_invite(&d, carrier, "100", sdp_a);
	rig_wait_incoming(n);
	rig_answer(rig.leg, sdp_b);
	ua_want(carrier, "SIP/2.0 200");
	dlg_ack(&d);
	rig_event(rig.leg, KIND(ANSWERED));
	return d;
}

static void bye_and_ok(struct dlg *d)
{
	dlg_request(d, "BYE", NULL);
	ua_want(d->ua, "SIP/2.0 200");
}

START_TEST(a_trunk_call_is_offered_answered_and_ended_by_the_caller)
{
	struct dlg d = { .extra = "X-Customer: 42\r\n" };
	int n = rig.n_incoming + 1;
	dlg_invite(&d, carrier, "100", sdp_a);
	ua_want(carrier, "SIP/2.0 100");
	rig_wait_incoming(n);
	ck_assert_str_eq(rig.from, "+391234");
	ck_assert_str_eq(rig.to, "100");
	ck_assert_str_eq(rig.offer, sdp_a);
	ck_assert_str_eq(rig.header, "42");
	ck_assert_str_eq(rig.source_id, rig.trunk_id);
	rig_progress(rig.leg, 180, NULL);
	ua_want(carrier, "SIP/2.0 180");
	rig_answer(rig.leg, sdp_b);
	ua_want(carrier, "SIP/2.0 200");
	ck_assert_str_eq(ua_body(carrier), sdp_b);
	dlg_ack(&d);
	const struct rig_event *e = rig_event(rig.leg, KIND(ANSWERED));
	ck_assert_int_eq(e->state, PARLEY__TELEPHONY__V1__LEG_STATE__LEG_STATE_UP);
	ck_assert_uint_eq(e->seq, 1);
	bye_and_ok(&d);
	e = rig_event(rig.leg, KIND(ENDED));
	ck_assert(e->by_remote);
	ck_assert_uint_eq(e->status, 200);
	ck_assert_uint_eq(e->seq, 2);
}
END_TEST

START_TEST(the_owner_hangs_up)
{
	struct dlg d = call_up();
	rig_hangup(rig.leg, 0);
	ua_want(carrier, "BYE ");
	ck_assert_ptr_nonnull(strstr(ua_header(carrier, "Reason"), "cause=16"));
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
	ck_assert(!rig_event(rig.leg, KIND(ENDED))->by_remote);
}
END_TEST

START_TEST(an_unknown_number_gets_404_and_a_refusal_its_status)
{
	struct dlg d = { 0 };
	rig.policy = RIG_NOT_FOUND;
	dlg_invite(&d, carrier, "nowhere", sdp_a);
	ua_want(carrier, "SIP/2.0 404");
	dlg_ack_fail(&d);
	rig.policy = RIG_WAIT;
	int n = rig.n_incoming + 1;
	dlg_invite(&d, carrier, "100", sdp_a);
	rig_wait_incoming(n);
	rig_hangup(rig.leg, 486);
	ua_want(carrier, "SIP/2.0 486");
	dlg_ack_fail(&d);
	rig_event(rig.leg, KIND(ENDED));
}
END_TEST

START_TEST(a_caller_who_cancels_gets_487_and_the_owner_hears_it)
{
	struct dlg d = { 0 };
	int n = rig.n_incoming + 1;
	dlg_invite(&d, carrier, "100", sdp_a);
	rig_wait_incoming(n);
	rig_progress(rig.leg, 180, NULL);
	ua_want(carrier, "SIP/2.0 180");
	dlg_cancel(&d);
	ua_want(carrier, "SIP/2.0 200");
	ua_want(carrier, "SIP/2.0 487");
	dlg_ack_fail(&d);
	const struct rig_event *e = rig_event(rig.leg, KIND(ENDED));
	ck_assert(e->by_remote);
	ck_assert_uint_eq(e->status, 487);
}
END_TEST

START_TEST(a_call_control_that_says_nothing_leads_to_503)
{
	struct dlg d = { 0 };
	rig.policy = RIG_SILENT;
	dlg_invite(&d, carrier, "100", sdp_a);
	ua_want(carrier, "SIP/2.0 503");
	int after = atoi(ua_header(carrier, "Retry-After"));
	ck_assert(after >= 5 && after <= 15);
	dlg_ack_fail(&d);
}
END_TEST

START_TEST(a_repeated_invite_makes_no_second_call_and_gets_the_last_answer)
{
	struct dlg d = { 0 };
	int n = rig.n_incoming + 1;
	dlg_invite(&d, carrier, "100", sdp_a);
	rig_wait_incoming(n);
	rig_progress(rig.leg, 180, NULL);
	ua_want(carrier, "SIP/2.0 180");
	d.cseq = 0;
	char branch[64];
	pl_strlcpy(branch, d.branch, sizeof branch);
	ua_send(carrier,
		"INVITE %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=%s;rport\r\nMax-Forwards: 70\r\nFrom: "
		"%s\r\nTo: %s\r\n"
		"Call-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:ua@127.0.0.1:%d>\r\nContent-Length: 0\r\n\r\n",
		d.target, carrier->port, branch, d.local, d.remote, d.call_id, carrier->port);
	ua_want(carrier, "SIP/2.0 180");
	ck_assert_int_eq(rig.n_incoming, n);
	d.cseq = 1;
	rig_hangup(rig.leg, 486);
	ua_want(carrier, "SIP/2.0 486");
	dlg_ack_fail(&d);
}
END_TEST

START_TEST(re_invites_go_both_ways)
{
	struct dlg d = call_up();
	dlg_request(&d, "INVITE", sdp_a);
	ck_assert_str_eq(rig_event(rig.leg, KIND(REMOTE_REINVITE))->sdp, sdp_a);
	rig_answer_reinvite(rig.leg, sdp_b);
	ua_want(carrier, "SIP/2.0 200");
	dlg_ack(&d);
	rig_reinvite(rig.leg, sdp_a);
	ua_want(carrier, "INVITE ");
	ck_assert_str_eq(ua_body(carrier), sdp_a);
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", sdp_b);
	ua_want(carrier, "ACK ");
	const struct rig_event *e = rig_event(rig.leg, KIND(REINVITED));
	ck_assert_str_eq(e->sdp, sdp_b);
	ck_assert_uint_eq(e->status, 200);
	bye_and_ok(&d);
}
END_TEST

START_TEST(offers_that_cross_get_491_and_ours_is_repeated) /* RFC 3261 14.1 */
{
	struct dlg d = call_up(), theirs;
	rig_reinvite(rig.leg, sdp_b);
	ua_want(carrier, "INVITE ");
	dlg_mark(&d);
	theirs = d;
	dlg_request(&theirs, "INVITE", sdp_a);
	ua_want(carrier, "SIP/2.0 491");
	dlg_ack_fail(&theirs);
	dlg_reply(&d, 491, "Request Pending", NULL);
	ua_want(carrier, "ACK ");
	ua_want(carrier, "INVITE ");
	ck_assert_str_eq(ua_body(carrier), sdp_b);
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", sdp_a);
	ua_want(carrier, "ACK ");
	rig_event(rig.leg, KIND(REINVITED));
	d.cseq = theirs.cseq;
	bye_and_ok(&d);
}
END_TEST

START_TEST(an_update_with_offer_is_answered_and_one_without_refreshes)
{
	struct dlg d = call_up();
	pl_strlcpy(d.extra, "Supported: timer\r\nSession-Expires: 300;refresher=uac\r\n", sizeof d.extra);
	dlg_request(&d, "UPDATE", NULL);
	ua_want(carrier, "SIP/2.0 200");
	ck_assert_ptr_nonnull(strstr(ua_header(carrier, "Session-Expires"), "300;refresher=uac"));
	dlg_request(&d, "UPDATE", sdp_a);
	rig_event(rig.leg, KIND(REMOTE_REINVITE));
	rig_answer_reinvite(rig.leg, "");
	ua_want(carrier, "SIP/2.0 488");
	bye_and_ok(&d);
}
END_TEST

START_TEST(keys_by_info_and_a_refer_reach_the_owner)
{
	struct dlg d = call_up();
	pl_strlcpy(d.extra, "Content-Type: application/dtmf-relay\r\n", sizeof d.extra);
	d.cseq++;
	ua_send(carrier,
		"INFO %s SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:%d;branch=z9hG4bKinfo%d;rport\r\nFrom: %s\r\nTo: "
		"%s\r\nCall-ID: %s\r\n"
		"Max-Forwards: 70\r\nCSeq: %u INFO\r\nContent-Type: application/dtmf-relay\r\nContent-Length: "
		"24\r\n\r\nSignal=#\r\nDuration=160\r\n",
		d.target, carrier->port, carrier->port, d.local, d.remote, d.call_id, d.cseq);
	ua_want(carrier, "SIP/2.0 200");
	ck_assert_str_eq(rig_event(rig.leg, KIND(DIGITS))->digits, "#");
	pl_strlcpy(d.extra, "Refer-To: <sip:200@127.0.0.1>\r\n", sizeof d.extra);
	dlg_request(&d, "REFER", NULL);
	ua_want(carrier, "SIP/2.0 202");
	ck_assert_str_eq(rig_event(rig.leg, KIND(REFER))->refer_to, "sip:200@127.0.0.1");
	rig_refer_result(rig.leg, 200);
	ua_want(carrier, "NOTIFY ");
	ck_assert_ptr_nonnull(strstr(ua_body(carrier), "SIP/2.0 200"));
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
	*d.extra = 0;
	bye_and_ok(&d);
}
END_TEST

START_TEST(hanging_up_before_the_ack_waits_for_it) /* RFC 3261 15 */
{
	struct dlg d = { 0 };
	int n = rig.n_incoming + 1;
	dlg_invite(&d, carrier, "100", sdp_a);
	rig_wait_incoming(n);
	rig_answer(rig.leg, sdp_b);
	ua_want(carrier, "SIP/2.0 200");
	rig_hangup(rig.leg, 0);
	rig_event(rig.leg, KIND(ENDED));
	dlg_ack(&d);
	ua_want(carrier, "BYE ");
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
}
END_TEST

START_TEST(a_dial_rings_is_answered_and_ends_from_either_side)
{
	struct ua *far = ua_new(false, false);
	for (int remote = 0; remote < 2; remote++) {
		char leg[PL_ID_LEN], uri[96];
		struct dlg d;
		snprintf(uri, sizeof uri, "sip:m0@127.0.0.1:%d", far->port);
		rig_dial(leg, uri, NULL, 20000);
		ua_want(far, "INVITE sip:m0@");
		ck_assert_str_eq(ua_body(far), sdp_a);
		ck_assert_ptr_nonnull(strstr(ua_header(far, "From"), "\"Anna \\\"A\\\"\" <sip:+39%20347%201234567@"));
		ck_assert_str_eq(ua_header(far, "X-Queue"), "support");
		dlg_incoming(&d, far);
		dlg_reply(&d, 180, "Ringing", NULL);
		ck_assert_uint_eq(rig_event(leg, KIND(RINGING))->status, 180);
		dlg_reply(&d, 200, "OK", sdp_b);
		ua_want(far, "ACK ");
		ck_assert_str_eq(rig_event(leg, KIND(ANSWERED))->sdp, sdp_b);
		dlg_reply(&d, 200, "OK", sdp_b); /* our ACK was lost */
		ua_want(far, "ACK ");
		if (remote) {
			bye_and_ok(&d);
			ck_assert(rig_event(leg, KIND(ENDED))->by_remote);
		} else {
			rig_hangup(leg, 0);
			ua_want(far, "BYE ");
			dlg_mark(&d);
			dlg_reply(&d, 200, "OK", NULL);
			rig_event(leg, KIND(ENDED));
		}
	}
	ua_free(far);
}
END_TEST

START_TEST(a_busy_far_side_is_told_as_it_is)
{
	struct ua *far = ua_new(false, false);
	char leg[PL_ID_LEN], uri[96];
	struct dlg d;
	snprintf(uri, sizeof uri, "sip:m0@127.0.0.1:%d", far->port);
	rig_dial(leg, uri, NULL, 20000);
	ua_want(far, "INVITE ");
	dlg_incoming(&d, far);
	dlg_reply(&d, 486, "Busy Here", NULL);
	ua_want(far, "ACK ");
	const struct rig_event *e = rig_event(leg, KIND(ENDED));
	ck_assert_uint_eq(e->status, 486);
	ck_assert(e->by_remote);
	ua_free(far);
}
END_TEST

START_TEST(ringing_too_long_is_cancelled_and_ends_with_408)
{
	struct ua *far = ua_new(false, false);
	char leg[PL_ID_LEN], uri[96];
	struct dlg d;
	snprintf(uri, sizeof uri, "sip:m0@127.0.0.1:%d", far->port);
	rig_dial(leg, uri, NULL, 700);
	ua_want(far, "INVITE ");
	dlg_incoming(&d, far);
	dlg_reply(&d, 180, "Ringing", NULL);
	const struct rig_event *e = rig_event(leg, KIND(ENDED));
	ck_assert_uint_eq(e->status, 408);
	ck_assert(!e->by_remote);
	ua_want(far, "CANCEL ");
	struct dlg c = d;
	dlg_mark(&c);
	dlg_reply(&c, 200, "OK", NULL);
	dlg_reply(&d, 487, "Request Terminated", NULL);
	ua_want(far, "ACK ");
	ua_free(far);
}
END_TEST

START_TEST(no_cancel_before_a_1xx_and_a_2xx_that_crosses_it_gets_ack_and_bye) /* RFC 3261 9.1, 13.2.2.4 */
{
	struct ua *far = ua_new(false, false);
	char leg[PL_ID_LEN], uri[96];
	struct dlg d;
	snprintf(uri, sizeof uri, "sip:m0@127.0.0.1:%d", far->port);
	rig_dial(leg, uri, NULL, 20000);
	ua_want(far, "INVITE ");
	dlg_incoming(&d, far);
	rig_hangup(leg, 0);
	rig_event(leg, KIND(ENDED));
	ua_want(far, "INVITE "); /* repeated, not cancelled */
	dlg_reply(&d, 180, "Ringing", NULL);
	ua_want(far, "CANCEL ");
	struct dlg c = d;
	dlg_mark(&c);
	dlg_reply(&d, 200, "OK", sdp_b);
	dlg_reply(&c, 200, "OK", NULL);
	ua_want(far, "ACK ");
	ua_want(far, "BYE ");
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
	ck_assert(!rig_has_event(leg, KIND(ANSWERED)));
	ua_free(far);
}
END_TEST

START_TEST(all_bindings_of_a_phone_ring_and_the_first_answer_wins)
{
	char id[PL_ID_LEN], leg[PL_ID_LEN];
	struct ua *one = ua_new(false, false), *two = ua_new(false, false);
	struct dlg a, b, c;
	rig_phone("two.phones", "correct horse", id);
	ck_assert_int_eq(ua_register(one, "two.phones", "correct horse", "MD5", 120), 200);
	ck_assert_int_eq(ua_register(two, "two.phones", "correct horse", "SHA-256", 120), 200);
	rig_dial(leg, NULL, id, 20000);
	ua_want(one, "INVITE ");
	ua_want(two, "INVITE ");
	dlg_incoming(&a, one);
	dlg_incoming(&b, two);
	dlg_reply(&a, 180, "Ringing", NULL);
	dlg_reply(&b, 180, "Ringing", NULL);
	rig_event(leg, KIND(RINGING));
	dlg_reply(&b, 200, "OK", sdp_b);
	ua_want(two, "ACK ");
	ua_want(one, "CANCEL ");
	rig_event(leg, KIND(ANSWERED));
	/* The other one answered at the same moment. */
	c = a;
	dlg_mark(&c);
	dlg_reply(&a, 200, "OK", sdp_a);
	dlg_reply(&c, 200, "OK", NULL);
	ua_want(one, "ACK ");
	ua_want(one, "BYE ");
	dlg_mark(&a);
	dlg_reply(&a, 200, "OK", NULL);
	bye_and_ok(&b);
	ck_assert(rig_event(leg, KIND(ENDED))->by_remote);
	/* Nobody registered: told at once. */
	ck_assert_int_eq(ua_register(one, "two.phones", "correct horse", "MD5", 0), 200);
	ck_assert_int_eq(ua_register(two, "two.phones", "correct horse", "MD5", 0), 200);
	rig_dial(leg, NULL, id, 20000);
	ck_assert_uint_eq(rig_event(leg, KIND(ENDED))->status, 480);
	ua_free(one);
	ua_free(two);
}
END_TEST

START_TEST(calls_work_over_tcp)
{
	struct ua *phone = ua_new(false, true);
	struct dlg d = { 0 };
	char id[PL_ID_LEN], auth[900], leg[PL_ID_LEN];
	int n = rig.n_incoming + 1;
	rig_phone("tcp-phone", "correct horse", id);
	ck_assert_int_eq(ua_register(phone, "tcp-phone", "correct horse", "MD5", 120), 200);
	dlg_invite(&d, phone, "100", sdp_a);
	ua_want(phone, "SIP/2.0 401");
	dlg_ack_fail(&d);
	ua_authorize(phone, "MD5", "tcp-phone", "correct horse", "INVITE", d.target, auth, sizeof auth);
	pl_strlcpy(d.extra, auth, sizeof d.extra);
	dlg_request(&d, "INVITE", sdp_a);
	rig_wait_incoming(n);
	ck_assert_str_eq(rig.from, "tcp-phone");
	ck_assert_str_eq(rig.source_id, id);
	rig_answer(rig.leg, sdp_b);
	ua_want(phone, "SIP/2.0 200");
	*d.extra = 0;
	dlg_ack(&d);
	rig_event(rig.leg, KIND(ANSWERED));
	rig_hangup(rig.leg, 0);
	ua_want(phone, "BYE "); /* on the same connection */
	dlg_mark(&d);
	dlg_reply(&d, 200, "OK", NULL);
	rig_dial(leg, NULL, id, 20000);
	ua_want(phone, "INVITE ");
	dlg_incoming(&d, phone);
	dlg_reply(&d, 200, "OK", sdp_b);
	ua_want(phone, "ACK ");
	rig_event(leg, KIND(ANSWERED));
	bye_and_ok(&d);
	rig_event(leg, KIND(ENDED));
	ua_free(phone);
}
END_TEST

START_TEST(an_adopting_owner_hears_the_state_and_then_commands)
{
	struct dlg d = call_up();
	char leg[PL_ID_LEN];
	pl_strlcpy(leg, rig.leg, sizeof leg);
	rig_adopt(leg, "cc-2"); /* hears node.cc-2.LegEvents: not us */
	rig_hangup(leg, 0);     /* cc-1 has lost it */
	rig_adopt(leg, "cc-1");
	const struct rig_event *e = rig_event(leg, KIND(STATE));
	ck_assert_int_eq(e->state, PARLEY__TELEPHONY__V1__LEG_STATE__LEG_STATE_UP);
	ck_assert(!rig_has_event(leg, KIND(ENDED)));
	rig_answer("00000000-0000-7000-8000-000000000000", sdp_a);
	e = rig_event("00000000-0000-7000-8000-000000000000", KIND(ENDED));
	ck_assert_uint_eq(e->seq, 0);
	ck_assert_uint_eq(e->status, 481);
	bye_and_ok(&d);
}
END_TEST

START_TEST(requests_that_fit_nowhere_are_answered_by_the_book)
{
	struct ua *stranger = ua_new(false, false);
	struct dlg d = { .ua = stranger, .call_id = "nowhere", .local = "<sip:x@127.0.0.1>;tag=1" };
	snprintf(d.target, sizeof d.target, "sip:127.0.0.1:%d", rig.sip_port);
	snprintf(d.remote, sizeof d.remote, "<sip:127.0.0.1>");
	dlg_request(&d, "OPTIONS", NULL);
	ua_want(stranger, "SIP/2.0 200");
	ck_assert_ptr_nonnull(strstr(ua_header(stranger, "Allow"), "INVITE"));
	dlg_request(&d, "BYE", NULL);
	ua_want(stranger, "SIP/2.0 481");
	dlg_request(&d, "PUBLISH", NULL);
	ua_want(stranger, "SIP/2.0 405");
	dlg_invite(&d, stranger, "100", sdp_a);
	ua_want(stranger, "SIP/2.0 401");
	dlg_ack_fail(&d);
	snprintf(d.extra, sizeof d.extra, "Require: 100rel\r\n");
	dlg_invite(&d, carrier, "100", sdp_a);
	ua_want(carrier, "SIP/2.0 420");
	dlg_ack_fail(&d);
	ua_free(stranger);
}
END_TEST

START_TEST(garbage_is_survived)
{
	struct ua *stranger = ua_new(false, false);
	ua_send(stranger, "\r\n\r\n");
	ua_send(stranger, "HELLO\r\n\r\n");
	ua_send(stranger, "INVITE sip:x SIP/2.0\r\n\r\n");
	ua_send(stranger, "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
			  "<sip:a@b>;tag=2\r\nCall-ID: q\r\nCSeq: 1 INVITE\r\n\r\n");
	ua_send(stranger, "ACK sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nFrom: "
			  "<sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: q\r\nCSeq: 1 ACK\r\n\r\n");
	struct dlg d = call_up();
	bye_and_ok(&d);
	ua_free(stranger);
}
END_TEST

START_TEST(sip_edge_ends_well)
{
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge calls");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 0);
	tcase_add_checked_fixture(c, setup, teardown);
#define T(name) tcase_add_test(c, name)
	T(a_trunk_call_is_offered_answered_and_ended_by_the_caller);
	T(the_owner_hangs_up);
	T(an_unknown_number_gets_404_and_a_refusal_its_status);
	T(a_caller_who_cancels_gets_487_and_the_owner_hears_it);
	T(a_call_control_that_says_nothing_leads_to_503);
	T(a_repeated_invite_makes_no_second_call_and_gets_the_last_answer);
	T(re_invites_go_both_ways);
	T(offers_that_cross_get_491_and_ours_is_repeated);
	T(an_update_with_offer_is_answered_and_one_without_refreshes);
	T(keys_by_info_and_a_refer_reach_the_owner);
	T(hanging_up_before_the_ack_waits_for_it);
	T(a_dial_rings_is_answered_and_ends_from_either_side);
	T(a_busy_far_side_is_told_as_it_is);
	T(ringing_too_long_is_cancelled_and_ends_with_408);
	T(no_cancel_before_a_1xx_and_a_2xx_that_crosses_it_gets_ack_and_bye);
	T(all_bindings_of_a_phone_ring_and_the_first_answer_wins);
	T(calls_work_over_tcp);
	T(an_adopting_owner_hears_the_state_and_then_commands);
	T(requests_that_fit_nowhere_are_answered_by_the_book);
	T(garbage_is_survived);
	suite_add_tcase(s, c);
	TCase *end = tcase_create("end");
	tcase_set_timeout(end, 0);
	tcase_add_test(end, sip_edge_ends_well);
	suite_add_tcase(s, end);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK); /* one edge for all of them */
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
