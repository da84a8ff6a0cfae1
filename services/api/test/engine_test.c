#include "../engine/door.h"
#include "../engine/permission.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* --- permission: the matrix as people read it: agent, supervisor, administrator --- */
static const struct {
	const char *service, *method;
	bool may[PERM_ROLE_N];
} matrix[] = {
	{ "parley.auth.v1.AuthService", "GetMe", { 0, 1, 1, 1 } },
	{ "parley.auth.v1.AuthService", "Logout", { 0, 1, 1, 1 } },
	{ "parley.auth.v1.AuthService", "ChangePassword", { 0, 1, 1, 1 } },
	{ "parley.auth.v1.UserService", "ListUsers", { 0, 0, 1, 1 } },
	{ "parley.auth.v1.UserService", "CreateUser", { 0, 0, 0, 1 } },
	{ "parley.auth.v1.UserService", "DeleteUser", { 0, 0, 0, 1 } },
	{ "parley.auth.v1.AuditService", "ListAuditEntries", { 0, 0, 0, 1 } },
	{ "parley.acd.v1.QueueService", "ListQueues", { 0, 1, 1, 1 } },
	{ "parley.acd.v1.QueueService", "UpdateQueue", { 0, 0, 0, 1 } },
	{ "parley.acd.v1.QueueService", "DeleteQueue", { 0, 0, 0, 1 } },
	{ "parley.acd.v1.AgentService", "ListAgents", { 0, 1, 1, 1 } },
	{ "parley.acd.v1.AgentService", "SetAgentState", { 0, 0, 1, 1 } },
	{ "parley.acd.v1.AgentService", "UpdateAgent", { 0, 0, 0, 1 } },
	{ "parley.acd.v1.WorkService", "StartWork", { 0, 1, 1, 1 } },
	{ "parley.acd.v1.WorkService", "GetMyWork", { 0, 1, 1, 1 } },
	{ "parley.acd.v1.RoutingService", "GetSnapshot", { 0, 0, 1, 1 } },
	{ "parley.acd.v1.RoutingService", "ExplainInteraction", { 0, 0, 1, 1 } },
	{ "parley.acd.v1.RoutingService", "AssignInteraction", { 0, 0, 1, 1 } },
	{ "parley.acd.v1.PauseReasonService", "CreatePauseReason", { 0, 0, 0, 1 } },
	{ "parley.voice.v1.CallService", "TransferCall", { 0, 1, 1, 1 } },
	{ "parley.voice.v1.RecordingService", "GetRecording", { 0, 1, 1, 1 } },
	{ "parley.voice.v1.RouteService", "ListInboundRoutes", { 0, 0, 1, 1 } },
	{ "parley.voice.v1.RouteService", "CreateInboundRoute", { 0, 0, 0, 1 } },
	{ "parley.flow.v1.FlowService", "PublishFlow", { 0, 0, 0, 1 } },
	{ "parley.report.v1.HistoryService", "ListInteractions", { 0, 1, 1, 1 } },
	{ "parley.new.v1.FutureService", "ListThings", { 0, 0, 1, 1 } },
	{ "parley.new.v1.FutureService", "MakeThing", { 0, 0, 0, 1 } },
	{ "parley.auth.v1.SessionInternalService", "CheckSession", { 0, 0, 0, 0 } },
	{ "parley.media.v1.RecordingStoreInternalService", "ReadRecording", { 0, 0, 0, 0 } },
};

START_TEST(each_role_may_what_the_matrix_says)
{
	for (int role = 0; role < PERM_ROLE_N; role++)
		ck_assert_msg(perm_allowed((enum perm_role)role, matrix[_i].service, matrix[_i].method) ==
				      matrix[_i].may[role],
			      "%s/%s role %d", matrix[_i].service, matrix[_i].method, role);
}
END_TEST

START_TEST(only_login_is_open)
{
	ck_assert(perm_open("parley.auth.v1.AuthService", "Login"));
	ck_assert(!perm_open("parley.auth.v1.AuthService", "GetMe"));
	ck_assert(!perm_open("parley.auth.v1.UserService", "Login"));
	ck_assert(!perm_allowed((enum perm_role)99, "parley.auth.v1.AuthService", "GetMe"));
}
END_TEST

START_TEST(verbs_come_from_the_first_word)
{
	ck_assert_int_eq(perm_verb_of("ListUsers"), PERM_READ);
	ck_assert_int_eq(perm_verb_of("GetUser"), PERM_READ);
	ck_assert_int_eq(perm_verb_of("FindUser"), PERM_READ);
	ck_assert_int_eq(perm_verb_of("DeleteUser"), PERM_DELETE);
	ck_assert_int_eq(perm_verb_of("HangupCall"), PERM_EDIT);
	ck_assert_str_eq(perm_verb_name(PERM_DELETE), "delete");
}
END_TEST

static const struct {
	const char *origin, *host, *allowed;
	bool ok;
} origins[] = {
	{ "http://desk.example:8080", "desk.example:8080", "", true },
	{ "https://desk.example", "Desk.Example", "", true },
	{ "http://desk.example", "desk.example:8080", "", false },
	{ "https://evil.example", "desk.example", "", false },
	{ "https://desk.example.evil", "desk.example", "", false },
	{ "https://evil.example@desk.example", "desk.example", "", false },
	{ "https://desk.example/x", "desk.example", "", false },
	{ "null", "desk.example", "", false },
	{ "", "desk.example", "", false },
	{ "file://", "", "", false },
	{ "http://", "", "", false },
	{ "ftp://desk.example", "desk.example", "", false },
	{ "https://crm.example", "desk.example", "https://a.example, https://crm.example", true },
	{ "https://crm.example.evil", "desk.example", "https://crm.example", false },
	{ "https://crm", "desk.example", "https://crm.example", false },
};

START_TEST(an_origin_is_ours_or_listed)
{
	ck_assert_msg(door_origin_ok(origins[_i].origin, origins[_i].host, origins[_i].allowed) == origins[_i].ok, "%s",
		      origins[_i].origin);
}
END_TEST

START_TEST(paths_are_read_strictly)
{
	char service[128], method[64], id[64], what[16];
	const char *rel;

	ck_assert(door_rpc_path("/api/parley.auth.v1.AuthService/Login", service, method));
	ck_assert_str_eq(service, "parley.auth.v1.AuthService");
	ck_assert_str_eq(method, "Login");
	ck_assert(!door_rpc_path("/api/events", service, method));
	ck_assert(!door_rpc_path("/api/a.B/C/D", service, method));
	ck_assert(!door_rpc_path("/api/a.B/", service, method));
	ck_assert(!door_rpc_path("/api/a.*/>", service, method)); /* nothing that means something to the bus */
	ck_assert(!door_rpc_path("/api/a b.c/d", service, method));
	ck_assert(door_recording_path("/api/recordings/0193-af/audio", id, what));
	ck_assert_str_eq(what, "audio");
	ck_assert(!door_recording_path("/api/recordings/../audio", id, what));
	ck_assert(!door_recording_path("/api/recordings//audio", id, what));
	ck_assert_int_eq(door_web_path("/", &rel), DOOR_INDEX);
	ck_assert_int_eq(door_web_path("/history/5", &rel), DOOR_INDEX);
	ck_assert_str_eq(rel, "index.html");
	ck_assert_int_eq(door_web_path("/assets/app-3f2a.js", &rel), DOOR_ASSET);
	ck_assert_str_eq(rel, "assets/app-3f2a.js");
	ck_assert_int_eq(door_web_path("/favicon.ico", &rel), DOOR_FILE);
	ck_assert_int_eq(door_web_path("/index.html", &rel), DOOR_INDEX);
}
END_TEST

START_TEST(a_bucket_gives_twice_the_rate_at_once_and_then_the_rate)
{
	struct door_bucket b = { 0 };
	int64_t now_us = 5000000;
	int n = 0;

	while (door_take(&b, now_us, 50))
		n++;
	ck_assert_int_eq(n, 100);
	ck_assert(!door_take(&b, now_us + 19999, 50));
	ck_assert(door_take(&b, now_us + 20000, 50));
	for (n = 0; door_take(&b, now_us + 1020000, 50);)
		n++;
	ck_assert_int_eq(n, 50);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("door");
	Suite *s = suite_create("api engine");

	tcase_add_loop_test(tc, each_role_may_what_the_matrix_says, 0, (int)(sizeof(matrix) / sizeof(matrix[0])));
	tcase_add_loop_test(tc, an_origin_is_ours_or_listed, 0, (int)(sizeof(origins) / sizeof(origins[0])));
	tcase_add_test(tc, only_login_is_open);
	tcase_add_test(tc, verbs_come_from_the_first_word);
	tcase_add_test(tc, paths_are_read_strictly);
	tcase_add_test(tc, a_bucket_gives_twice_the_rate_at_once_and_then_the_rate);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
