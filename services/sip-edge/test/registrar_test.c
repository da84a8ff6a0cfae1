/* REGISTER, digest, bans, bindings that survive, PhoneService and TrunkService. */
#include "rig.h"

#include <check.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct ua *u;
#define PHONES &parley__telephony__v1__phone_service__descriptor
#define TRUNKS &parley__telephony__v1__trunk_service__descriptor

static void setup(void)
{
	rig_open((const char *const[]){ "--register-min-s=2", "--ban-points=60", "--ban-s=2", "--sip-trace=true",
					"--log-level=debug", NULL });
	u = ua_new(false, false);
}

static void teardown(void)
{
	ua_free(u);
}

static bool seen(void *arg)
{
	return *((int **)arg)[0] >= *((int **)arg)[1];
}

static void wait_count(int *count, int at_least)
{
	int *args[2] = { count, &at_least };
	ck_assert_msg(rig_until(seen, args), "%d never became %d", *count, at_least);
}

/* Asks Redis by a connection of its own. */
static bool redis_has(const char *user)
{
	redisContext *c = redisConnect("127.0.0.1", tk_port(rig.redis));
	redisReply *r = redisCommand(c, "EXISTS sip:aor:%s", user);
	bool has = r && r->integer == 1;
	freeReplyObject(r);
	redisFree(c);
	return has;
}

static bool redis_got(void *arg)
{
	return redis_has(arg);
}

static const Parley__Telephony__V1__Phone *get(const char *user, const char *actor)
{
	Parley__Telephony__V1__GetPhoneRequest q = PARLEY__TELEPHONY__V1__GET_PHONE_REQUEST__INIT;
	const ProtobufCMessage *out;
	q.user = (char *)user;
	if (rig_rpc(PHONES, "GetPhone", actor, &q.base, &out))
		return NULL;
	return ((const Parley__Telephony__V1__GetPhoneResponse *)(const void *)out)->phone;
}

START_TEST(phones_register_with_md5_and_with_sha_256_and_the_ledger_hears_it)
{
	char id[PL_ID_LEN];
	rig_phone("anna", "correct horse", id);
	int up = rig.n_registered, down = rig.n_unregistered;
	ck_assert_int_eq(ua_register(u, "anna", "correct horse", "MD5", 120), 200);
	ck_assert_ptr_nonnull(strstr(ua_header(u, "Contact"), "expires=120"));
	wait_count(&rig.n_registered, up + 1);
	ck_assert_int_eq(ua_register(u, "anna", "correct horse", "SHA-256", 60), 200);
	ck_assert_ptr_nonnull(strstr(ua_header(u, "Contact"), "expires=60"));
	ck_assert(rig_until(redis_got, (char *)"anna"));
	const Parley__Telephony__V1__Phone *p = get("anna", "supervisor u s");
	ck_assert(p && p->registered);
	ck_assert_ptr_nonnull(strstr(p->contact, "sip:ua@127.0.0.1"));
	ck_assert_int_eq(ua_register(u, "anna", "correct horse", "MD5", 0), 200);
	ck_assert_str_eq(ua_header(u, "Contact"), "");
	wait_count(&rig.n_unregistered, down + 1);
	ck_assert_int_eq(rig.n_registered, up + 1); /* a renewal is no news */
}
END_TEST

START_TEST(the_trace_shows_messages_without_secrets_or_whole_numbers)
{
	char id[PL_ID_LEN];
	rig_phone("39347123456", "correct horse", id);
	ck_assert_int_eq(ua_register(u, "39347123456", "correct horse", "MD5", 60), 200);
	const char *log = rig_log();
	ck_assert_ptr_nonnull(strstr(log, "sip.trace"));
	ck_assert_ptr_nonnull(strstr(log, "REGISTER sip:"));
	ck_assert_ptr_nonnull(strstr(log, "sip:39*******56@"));
	ck_assert_ptr_null(strstr(log, "39347123456"));
	ck_assert_ptr_null(strstr(log, "response="));
}
END_TEST

START_TEST(a_binding_that_is_not_renewed_expires)
{
	char id[PL_ID_LEN];
	rig_phone("brief", "correct horse", id);
	int down = rig.n_unregistered;
	ck_assert_int_eq(ua_register(u, "brief", "correct horse", "MD5", 2), 200);
	wait_count(&rig.n_unregistered, down + 1);
	ck_assert(!get("brief", "admin u s")->registered);
}
END_TEST

START_TEST(too_brief_gets_423_and_another_persons_number_403)
{
	char id[PL_ID_LEN];
	rig_phone("clara", "correct horse", id);
	ck_assert_int_eq(ua_register(u, "clara", "correct horse", "MD5", 1), 423);
	ck_assert_str_eq(ua_header(u, "Min-Expires"), "2");
	struct dlg d = {
		.ua = u, .call_id = "other", .local = "<sip:anna@127.0.0.1>;tag=1", .remote = "<sip:anna@127.0.0.1>"
	};
	char auth[900];
	snprintf(d.target, sizeof d.target, "sip:127.0.0.1:%d", rig.sip_port);
	dlg_request(&d, "REGISTER", NULL);
	ua_want(u, "SIP/2.0 401");
	ua_authorize(u, "MD5", "clara", "correct horse", "REGISTER", d.target, auth, sizeof auth);
	pl_strlcpy(d.extra, auth, sizeof d.extra);
	dlg_request(&d, "REGISTER", NULL);
	ua_want(u, "SIP/2.0 403");
}
END_TEST

START_TEST(a_used_nonce_is_stale_and_unknown_users_look_like_wrong_passwords)
{
	char id[PL_ID_LEN], auth[900];
	rig_phone("dora", "correct horse", id);
	ck_assert_int_eq(ua_register(u, "dora", "wrong password", "MD5", 60), 401);
	ck_assert_ptr_null(strstr(ua_header(u, "WWW-Authenticate"), "stale"));
	ck_assert_int_eq(ua_register(u, "nobody-here", "wrong password", "SHA-256", 60), 401);
	struct dlg d = {
		.ua = u, .call_id = "dora-1", .local = "<sip:dora@127.0.0.1>;tag=1", .remote = "<sip:dora@127.0.0.1>"
	};
	snprintf(d.target, sizeof d.target, "sip:127.0.0.1:%d", rig.sip_port);
	dlg_request(&d, "REGISTER", NULL);
	ua_want(u, "SIP/2.0 401");
	ua_authorize(u, "MD5", "dora", "correct horse", "REGISTER", d.target, auth, sizeof auth);
	pl_strlcpy(d.extra, auth, sizeof d.extra);
	dlg_request(&d, "REGISTER", NULL);
	ua_want(u, "SIP/2.0 200");
	dlg_request(&d, "REGISTER", NULL); /* replayed by somebody who listened */
	ua_want(u, "SIP/2.0 401");
	ck_assert_ptr_nonnull(strstr(ua_header(u, "WWW-Authenticate"), "stale=true"));
}
END_TEST

START_TEST(redis_wiped_is_filled_again_and_a_new_edge_knows_the_phones)
{
	char id[PL_ID_LEN];
	rig_phone("ella", "correct horse", id);
	ck_assert_int_eq(ua_register(u, "ella", "correct horse", "MD5", 600), 200);
	ck_assert(rig_until(redis_got, (char *)"ella"));
	tk_kill(rig.redis);
	tk_start(rig.redis);
	redisContext *c = redisConnect("127.0.0.1", tk_port(rig.redis));
	freeReplyObject(redisCommand(c, "FLUSHALL"));
	redisFree(c);
	ck_assert_msg(rig_until(redis_got, (char *)"ella"), "not written again");
	tk_kill(rig.edge); /* kill -9: the next one reads Redis */
	tk_start(rig.edge);
	const Parley__Telephony__V1__Phone *p = NULL;
	for (int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S; (!p || !p->registered) && pl_mono_us() < end;
	     rig_turn())
		p = get("ella", "admin u s");
	ck_assert(p && p->registered);
}
END_TEST

static enum pl_err create(const char *user, const char *password, const char *actor)
{
	Parley__Telephony__V1__CreatePhoneRequest q = PARLEY__TELEPHONY__V1__CREATE_PHONE_REQUEST__INIT;
	Parley__Telephony__V1__Phone p = PARLEY__TELEPHONY__V1__PHONE__INIT;
	const ProtobufCMessage *out;
	p.user = (char *)user;
	p.enabled = true;
	q.phone = &p;
	q.password = (char *)password;
	return rig_rpc(PHONES, "CreatePhone", actor, &q.base, &out);
}

START_TEST(only_admins_edit_and_bad_input_is_named)
{
	ck_assert_int_eq(create("fred", "correct horse", "supervisor u s"), PL_E_DENIED);
	ck_assert_int_eq(create("fred", "correct horse", ""), PL_E_AUTH);
	ck_assert_int_eq(create("fred", "short", "admin u s"), PL_E_FORMAT);
	ck_assert_int_eq(create("fr ed", "correct horse", "admin u s"), PL_E_FORMAT);
	ck_assert_int_eq(create("fred", "correct horse", "admin u s"), PL_OK);
	ck_assert_int_eq(create("fred", "correct horse", "admin u s"), PL_E_EXISTS);
}
END_TEST

START_TEST(an_agent_sees_free_phones_and_its_own)
{
	Parley__Telephony__V1__UpdatePhoneRequest q = PARLEY__TELEPHONY__V1__UPDATE_PHONE_REQUEST__INIT;
	Parley__Telephony__V1__Phone p = PARLEY__TELEPHONY__V1__PHONE__INIT;
	Parley__Telephony__V1__ListPhonesRequest lq = PARLEY__TELEPHONY__V1__LIST_PHONES_REQUEST__INIT;
	const ProtobufCMessage *out;
	char id[PL_ID_LEN];
	rig_phone("gina", "correct horse", id);
	p.id = id;
	p.user = (char *)"gina";
	p.agent_id = (char *)"agent-7";
	p.enabled = true;
	q.phone = &p;
	ck_assert_int_eq(rig_rpc(PHONES, "UpdatePhone", "admin u s", &q.base, &out), PL_OK);
	ck_assert_ptr_nonnull(get("gina", "agent agent-7 s"));
	ck_assert_ptr_null(get("gina", "agent agent-8 s"));
	ck_assert_int_eq(rig_rpc(PHONES, "ListPhones", "agent agent-8 s", &lq.base, &out), PL_OK);
	const Parley__Telephony__V1__ListPhonesResponse *l = (const void *)out;
	for (size_t i = 0; i < l->n_phones; i++)
		ck_assert_str_ne(l->phones[i]->user, "gina");
	/* The password stayed; a disabled phone is refused; a deleted one is gone. */
	ck_assert_int_eq(ua_register(u, "gina", "correct horse", "MD5", 60), 200);
	p.enabled = false;
	ck_assert_int_eq(rig_rpc(PHONES, "UpdatePhone", "admin u s", &q.base, &out), PL_OK);
	ck_assert_int_eq(ua_register(u, "gina", "correct horse", "MD5", 60), 401);
	p.revision = 1;
	ck_assert_int_eq(rig_rpc(PHONES, "UpdatePhone", "admin u s", &q.base, &out), PL_E_CONFLICT);
	Parley__Telephony__V1__DeletePhoneRequest dq = PARLEY__TELEPHONY__V1__DELETE_PHONE_REQUEST__INIT;
	int down = rig.n_unregistered;
	dq.id = id;
	ck_assert_int_eq(rig_rpc(PHONES, "DeletePhone", "admin u s", &dq.base, &out), PL_OK);
	wait_count(&rig.n_unregistered, down + 1);
	ck_assert_ptr_null(get("gina", "admin u s"));
	ck_assert_int_eq(rig_rpc(PHONES, "DeletePhone", "admin u s", &dq.base, &out), PL_E_NOTFOUND);
}
END_TEST

START_TEST(trunks_are_listed_changed_and_refused)
{
	Parley__Telephony__V1__ListTrunksRequest lq = PARLEY__TELEPHONY__V1__LIST_TRUNKS_REQUEST__INIT;
	Parley__Telephony__V1__UpdateTrunkRequest q = PARLEY__TELEPHONY__V1__UPDATE_TRUNK_REQUEST__INIT;
	const ProtobufCMessage *out;
	ck_assert_int_eq(rig_rpc(TRUNKS, "ListTrunks", "agent u s", &lq.base, &out), PL_E_DENIED);
	ck_assert_int_eq(rig_rpc(TRUNKS, "ListTrunks", "supervisor u s", &lq.base, &out), PL_OK);
	const Parley__Telephony__V1__ListTrunksResponse *l = (const void *)out;
	ck_assert_uint_eq(l->n_trunks, 1);
	ck_assert_str_eq(l->trunks[0]->source_addresses[0], rig.carrier_sources[0]);
	char *bad[] = { (char *)"10.0.0.300" };
	Parley__Telephony__V1__Trunk t = *l->trunks[0];
	q.trunk = &t;
	t.source_addresses = bad;
	t.n_source_addresses = 1;
	ck_assert_int_eq(rig_rpc(TRUNKS, "UpdateTrunk", "admin u s", &q.base, &out), PL_E_FORMAT);
	t.source_addresses = l->trunks[0]->source_addresses;
	t.n_source_addresses = l->trunks[0]->n_source_addresses;
	t.max_channels = 1;
	ck_assert_int_eq(rig_rpc(TRUNKS, "UpdateTrunk", "admin u s", &q.base, &out), PL_OK);
	struct ua *carrier = ua_new(true, false);
	struct dlg a = { 0 }, b = { 0 };
	int n = rig.n_incoming + 1;
	rig.policy = RIG_WAIT;
	dlg_invite(&a, carrier, "100", sdp_a);
	rig_wait_incoming(n);
	ck_assert_int_eq(rig_rpc(TRUNKS, "ListTrunks", "supervisor u s", &lq.base, &out), PL_OK);
	ck_assert_uint_eq(((const Parley__Telephony__V1__ListTrunksResponse *)(const void *)out)->trunks[0]->channels,
			  1);
	dlg_invite(&b, carrier, "101", sdp_a);
	ua_want(carrier, "SIP/2.0 503");
	dlg_ack_fail(&b);
	rig_hangup(rig.leg, 603);
	ua_want(carrier, "SIP/2.0 603");
	dlg_ack_fail(&a);
	ua_free(carrier);
}
END_TEST

/* Last: it bans 127.0.0.1 for 2 s. */
START_TEST(guessing_passwords_ends_in_silence_for_a_while)
{
	char id[PL_ID_LEN];
	rig_phone("hans", "correct horse", id);
	struct dlg d = {
		.ua = u, .call_id = "guess", .local = "<sip:hans@127.0.0.1>;tag=1", .remote = "<sip:hans@127.0.0.1>"
	};
	char auth[900];
	bool banned = false;
	snprintf(d.target, sizeof d.target, "sip:127.0.0.1:%d", rig.sip_port);
	for (int i = 0; i < 30 && !banned; i++) {
		*d.extra = 0;
		dlg_request(&d, "REGISTER", NULL);
		banned = rig_metric("parley_sip_edge_bans_total") > 0;
		if (banned)
			break;
		ua_want(u, "SIP/2.0 401");
		ua_authorize(u, "MD5", "hans", "guess", "REGISTER", d.target, auth, sizeof auth);
		pl_strlcpy(d.extra, auth, sizeof d.extra);
		dlg_request(&d, "REGISTER", NULL);
		ua_want(u, "SIP/2.0 401");
	}
	ck_assert(rig_metric("parley_sip_edge_bans_total") == 1);
	ck_assert(ua_quiet(u, 300));
	dlg_request(&d, "OPTIONS", NULL);
	ck_assert(ua_quiet(u, 300));
	ck_assert(rig_metric("parley_sip_edge_banned_dropped_total") > 0);
	/* The carrier at the same address goes on, and the ban ends. */
	struct ua *carrier = ua_new(true, false);
	struct dlg c = {
		.ua = carrier, .call_id = "opt", .local = "<sip:x@127.0.0.1>;tag=1", .remote = "<sip:127.0.0.1>"
	};
	pl_strlcpy(c.target, d.target, sizeof c.target);
	dlg_request(&c, "OPTIONS", NULL);
	ua_want(carrier, "SIP/2.0 200");
	ua_free(carrier);
	int status = 0;
	for (int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S; status != 200 && pl_mono_us() < end;) {
		*d.extra = 0;
		dlg_request(&d, "OPTIONS", NULL);
		status = ua_quiet(u, 200) ? 0 : atoi(u->msg + 8);
	}
	ck_assert_int_eq(status, 200);
}
END_TEST

START_TEST(sip_edge_ends_well)
{
	rig_close();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("sip-edge registrar");
	TCase *c = tcase_create("all");
	tcase_set_timeout(c, 0);
	tcase_add_checked_fixture(c, setup, teardown);
#define T(name) tcase_add_test(c, name)
	T(phones_register_with_md5_and_with_sha_256_and_the_ledger_hears_it);
	T(the_trace_shows_messages_without_secrets_or_whole_numbers);
	T(a_binding_that_is_not_renewed_expires);
	T(too_brief_gets_423_and_another_persons_number_403);
	T(a_used_nonce_is_stale_and_unknown_users_look_like_wrong_passwords);
	T(redis_wiped_is_filled_again_and_a_new_edge_knows_the_phones);
	T(only_admins_edit_and_bad_input_is_named);
	T(an_agent_sees_free_phones_and_its_own);
	T(trunks_are_listed_changed_and_refused);
	T(guessing_passwords_ends_in_silence_for_a_while);
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
