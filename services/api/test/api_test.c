/* auth and two copies of api as processes, with their own NATS, Redis and PostgreSQL; this process speaks HTTP to them
 * and plays the services that own recordings. */
#include "front.h"

#include <parley/acd/v1/acd.pb-c.h>
#include <parley/auth/v1/auth.pb-c.h>
#include <parley/media/v1/media.pb-c.h>
#include <parley/rpc.h>
#include <parley/voice/v1/voice.pb-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- sessions and permissions --- */

START_TEST(login_answers_a_cookie_and_the_permissions)
{
	char *got = post(1, AUTH "GetMe", admin, "{}");

	ck_assert_int_eq(status(got), 200);
	ck_assert(has(got, "\"username\":\"admin\"") && has(got, "\"parley.acd.v1.QueueService.delete\""));
	ck_assert(has(got, "X-Content-Type-Options: nosniff") &&
		  has(got, "Content-Security-Policy: default-src 'self'") && has(got, "Cache-Control: no-store"));
	got = post(0, AUTH "Login", "", "{\"username\":\"admin\",\"password\":\"Wrong-123x\"}");
	ck_assert_int_eq(status(got), 401);
	ck_assert(has(got, "{\"code\":\"unauthenticated\",\"message\":\"the user name or the password is wrong\"}"));
	ck_assert_int_eq(status(post(0, AUTH "GetMe", "", "{}")), 401);
	ck_assert_int_eq(status(post(0, AUTH "GetMe", "0000000000000000000000000000000000000000000", "{}")), 401);
}
END_TEST

START_TEST(a_bearer_token_opens_the_door_too)
{
	char *got = post_with(0, AUTH "GetMe", "", pl_arena_printf(a, "Authorization: Bearer %s\r\n", admin), "{}");
	ck_assert_int_eq(status(got), 200);
}
END_TEST

static bool refused_by_1(void *cookie)
{
	return status(post(1, AUTH "GetMe", cookie, "{}")) == 401;
}

START_TEST(after_logout_every_copy_refuses_the_session)
{
	char *cookie = login("admin", ADMIN_PASSWORD);

	ck_assert_int_eq(status(post(1, AUTH "GetMe", cookie, "{}")), 200); /* the other copy has it in its cache now */
	char *got = post(0, AUTH "Logout", cookie, "{}");
	ck_assert_int_eq(status(got), 200);
	ck_assert(has(got, "Set-Cookie: parley_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"));
	ck_assert_int_eq(status(post(0, AUTH "GetMe", cookie, "{}")), 401);
	ck_assert(tk_until(refused_by_1, cookie, turn, loop,
			   5)); /* shorter than the cache's 10 s: it is the event that does it */
}
END_TEST

START_TEST(roles_are_kept_apart_and_internal_services_do_not_exist)
{
	make_user("agent-1", "AGENT");
	char *agent = login("agent-1", PASSWORD);

	ck_assert_int_eq(status(post(0, USERS "ListUsers", agent, "{}")), 403);
	ck_assert_int_eq(status(post(0, USERS "ListUsers", admin, "{}")), 200);
	ck_assert_int_eq(status(post(0, "parley.acd.v1.QueueService/CreateQueue", agent, "{}")), 403);
	ck_assert_int_eq(status(post(0, "parley.acd.v1.QueueService/ListQueues", agent, "{}")),
			 503); /* allowed; nobody serves it here */
	ck_assert_int_eq(status(post(0, "parley.auth.v1.SessionInternalService/CheckSession", admin, "{}")), 404);
	ck_assert_int_eq(status(post(0, "parley.auth.v1.AuthService/Nothing", admin, "{}")), 404);
}
END_TEST

START_TEST(who_must_change_the_password_can_do_nothing_else)
{
	char *body = pl_arena_printf(a, "{\"user\":{\"username\":\"fresh\",\"role\":\"ROLE_SUPERVISOR\",\"enabled\":"
					"true,\"mustChangePassword\":true},"
					"\"password\":\"" PASSWORD "\"}");
	ck_assert_int_eq(status(post(0, USERS "CreateUser", admin, body)), 200);
	char *cookie = login("fresh", PASSWORD);
	ck_assert_int_eq(status(post(0, AUTH "GetMe", cookie, "{}")), 200);
	ck_assert_int_eq(status(post(0, USERS "ListUsers", cookie, "{}")), 403);
	ck_assert_int_eq(status(post(0, AUTH "ChangePassword", cookie,
				     "{\"oldPassword\":\"" PASSWORD "\",\"newPassword\":\"Newer-12x\"}")),
			 200);
	for (int i = 0; i < 100 && status(post(0, USERS "ListUsers", cookie, "{}")) != 200; i++)
		usleep(50000);
	ck_assert_int_eq(status(post(0, USERS "ListUsers", cookie, "{}")), 200);
}
END_TEST

/* --- what comes in --- */

START_TEST(errors_name_the_field)
{
	char *got = post(0, USERS "ListUsers", admin, "{\"page\":{\"size\":\"many\"}}");

	ck_assert_int_eq(status(got), 400);
	ck_assert(has(got, "\"code\":\"invalid_argument\"") && has(got, "\"debug\":{\"field\":\"page.size\""));
	got = post(0, USERS "ListUsers", admin, "{");
	ck_assert_int_eq(status(got), 400);
	ck_assert(has(got, "no JSON: line 1"));
	got = post(0, USERS "CreateUser", admin,
		   "{\"user\":{\"username\":\"!\",\"role\":\"ROLE_AGENT\"},\"password\":\"" PASSWORD "\"}");
	ck_assert(status(got) == 400 &&
		  has(got, "\"field\":\"user.username\"")); /* found by the service, told the same way */
	ck_assert_int_eq(status(post(0, USERS "ListUsers", admin, "{\"nonsense\":1}")), 400);
}
END_TEST

START_TEST(binary_protobuf_is_spoken_as_well)
{
	const char *request = pl_arena_printf(
		a,
		"POST /api/" AUTH
		"GetMe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/proto\r\n"
		"Connect-Protocol-Version: 1\r\nConnect-Timeout-Ms: 5000\r\nCookie: parley_session=%s\r\n"
		"Content-Length: 0\r\n\r\n",
		admin);
	struct conn k;

	conn_open(&k, 0, request, strlen(request));
	conn_wait(&k, NULL);
	ck_assert(has(k.got, " 200 ") && has(k.got, "Content-Type: application/proto"));
	char *body = strstr(k.got, "\r\n\r\n") + 4;
	ProtobufCMessage *m;
	ck_assert_int_eq(rpc_unpack(&parley__auth__v1__get_me_response__descriptor, body, k.n - (size_t)(body - k.got),
				    a, &m, &why),
			 PL_OK);
	ck_assert_str_eq(((Parley__Auth__V1__GetMeResponse *)(void *)m)->user->username, "admin");
	close(k.fd);
}
END_TEST

START_TEST(other_sites_methods_types_and_sizes_are_refused)
{
	ck_assert_int_eq(status(post_with(0, AUTH "GetMe", admin, "Origin: https://evil.example\r\n", "{}")), 403);
	ck_assert_int_eq(status(post_with(0, AUTH "GetMe", admin, "Sec-Fetch-Site: cross-site\r\n", "{}")), 403);
	ck_assert_int_eq(status(post_with(0, AUTH "GetMe", admin, "Origin: http://x\r\n", "{}")), 200);
	ck_assert_int_eq(status(post_with(0, AUTH "GetMe", admin, "Connect-Protocol-Version: 2\r\n", "{}")), 400);
	ck_assert_int_eq(status(post_with(0, AUTH "GetMe", admin, "Connect-Timeout-Ms: soon\r\n", "{}")), 400);
	ck_assert_int_eq(status(get(0, "/api/" AUTH "GetMe", admin, "")), 405);
	ck_assert_int_eq(status(http(0, "POST /api/" AUTH
					"GetMe HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\n"
					"Content-Length: 2\r\n\r\n{}")),
			 415);
	size_t n = ((size_t)4 << 20) + 1;
	char *big = pl_arena_alloc(a, n + 1);
	memset(big, ' ', n);
	ck_assert_int_eq(status(post(0, USERS "ListUsers", admin, big)), 413);
}
END_TEST

START_TEST(a_session_has_so_many_requests_a_second)
{
	char *cookie = login("admin", ADMIN_PASSWORD);
	bool refused = false;
	char *many = pl_arena_printf(a,
				     "POST /api/parley.acd.v1.QueueService/CreateQueue HTTP/1.1\r\nHost: "
				     "x\r\nContent-Type: application/json\r\n"
				     "Cookie: parley_session=%s\r\nContent-Length: 1\r\n\r\n{",
				     cookie);
	struct conn k;

	conn_open(&k, 0, "", 0);
	for (int i = 0; i < 1500 && !refused; i++) { /* one connection, so fast enough to be too fast */
		ck_assert_int_eq(send(k.fd, many, strlen(many), MSG_NOSIGNAL), (ssize_t)strlen(many));
		k.n = 0;
		k.got[0] = 0;
		conn_wait(&k, "}");
		refused = status(k.got) == 429;
	}
	ck_assert(refused);
	close(k.fd);
	ck_assert_int_eq(status(post(0, AUTH "GetMe", admin, "{}")), 200); /* others go on */
}
END_TEST

START_TEST(the_desk_is_served_and_its_router_gets_every_page)
{
	char *got = get(0, "/", "", "");

	ck_assert(status(got) == 200 && has(got, "<html>desk</html>") && has(got, "Cache-Control: no-cache"));
	ck_assert(has(get(0, "/history/5", "", ""), "<html>desk</html>"));
	got = get(0, "/assets/app-1.js", "", "");
	ck_assert(has(got, "let x") && has(got, "immutable") && has(got, "text/javascript"));
	ck_assert_int_eq(status(get(0, "/assets/gone.js", "", "")), 404);
	ck_assert_int_eq(status(get(0, "/../boot.txt", "", "")), 404);
	ck_assert_int_eq(status(get(0, "/api/nothing", admin, "")), 404);
}
END_TEST

/* --- the event stream --- */

static void sse(struct conn *k, int which, const char *cookie, const char *last)
{
	char *request =
		pl_arena_printf(a, "GET /api/events HTTP/1.1\r\nHost: x\r\nCookie: parley_session=%s\r\n%s%s%s\r\n",
				cookie, *last ? "Last-Event-ID: " : "", last, *last ? "\r\n" : "");
	conn_open(k, which, request, strlen(request));
	conn_wait(k, "\r\n\r\n");
}

static char *last_id(const char *got)
{
	const char *s = NULL;

	for (const char *p = got; (p = strstr(p, "\nid: ")); p++)
		s = p + 5;
	return s ? pl_arena_printf(a, "%.*s", (int)strcspn(s, "\n"), s) : pl_arena_strdup(a, "");
}

static int count(const char *got, const char *text)
{
	int n = 0;

	for (; (got = strstr(got, text)); got++)
		n++;
	return n;
}

START_TEST(a_stream_that_was_away_gets_exactly_what_it_missed_from_any_copy)
{
	struct conn k, again;

	sse(&k, 0, admin, "");
	make_user("seen-1", "AGENT");
	conn_wait(&k, "\"username\":\"seen-1\"");
	conn_wait(&k, "\n\n");
	char *id = last_id(k.got);
	close(k.fd);
	make_user("missed-1", "AGENT");
	make_user("missed-2", "AGENT");
	for (int which = 0; which < 2; which++) {
		sse(&again, which, admin, id);
		conn_wait(&again, "\"username\":\"missed-2\"");
		ck_assert_int_eq(count(again.got, "event: ledger"), 2);
		ck_assert(has(again.got, "\"username\":\"missed-1\"") && !has(again.got, "seen-1"));
		close(again.fd);
	}
}
END_TEST

START_TEST(an_id_that_is_too_old_or_unknown_means_reload)
{
	struct conn k;

	for (int i = 0; i < 210; i++) { /* more than --keep-events */
		char id[PL_ID_LEN];
		Parley__Auth__V1__LoginFailed e = PARLEY__AUTH__V1__LOGIN_FAILED__INIT;
		ck_assert_int_eq(rpc_emit(bus, "ev.auth.login-failed.unknown", pl_id_new(id), &e.base, NULL, NULL),
				 PL_OK);
	}
	while (bus_js_pending(bus))
		pl_loop_turn(loop);
	sse(&k, 0, admin, "1");
	conn_wait(&k, "event: reload");
	close(k.fd);
	sse(&k, 0, admin, "999999999");
	conn_wait(&k, "event: reload");
	close(k.fd);
	ck_assert_int_eq(status(get(0, "/api/events", "", "")), 401);
}
END_TEST

START_TEST(an_agent_sees_the_own_events_and_the_figures_of_queues)
{
	char *mine = make_user("agent-2", "AGENT");
	char *agent = login("agent-2", PASSWORD);
	struct conn k, boss;

	sse(&k, 0, agent, "");
	sse(&boss, 0, admin, "");
	char *other = make_user("agent-3", "AGENT"), id[PL_ID_LEN];
	Parley__Auth__V1__SessionStarted e = PARLEY__AUTH__V1__SESSION_STARTED__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	meta.agent_id = mine;
	e.meta = &meta;
	e.username = (char *)(uintptr_t) "marker";
	conn_wait(&boss, other);
	ck_assert_int_eq(rpc_emit(bus, "ev.auth.session-started.x", pl_id_new(id), &e.base, NULL, NULL), PL_OK);
	conn_wait(&k, "marker"); /* behind the other's, so that one would have come */
	ck_assert(!has(k.got, other));
	Parley__Acd__V1__DeskPresence rt = PARLEY__ACD__V1__DESK_PRESENCE__INIT;
	rt.node = (char *)(uintptr_t) "one";
	ck_assert_int_eq(rpc_send(bus, "rt.secret.1", &rt.base), PL_OK);
	rt.node = (char *)(uintptr_t) "two";
	ck_assert_int_eq(rpc_send(bus, "rt.queue.1", &rt.base), PL_OK);
	conn_wait(&k, "event: rt\ndata: {\"subject\":\"rt.queue.1\"");
	conn_wait(&boss, "rt.queue.1");
	ck_assert(!has(k.got, "rt.secret.1") && has(boss.got, "rt.secret.1"));
	conn_wait(&k, "event: beat\nid: ");
	close(k.fd);
	close(boss.fd);
}
END_TEST

static int here, gone;
static char present_id[64];
static void on_presence(void *arg, const struct bus_msg *m)
{
	Parley__Acd__V1__DeskPresence *p = parley__acd__v1__desk_presence__unpack(NULL, m->len, m->data);

	if (pl_streq(p->agent_id, present_id)) {
		here += !p->gone;
		gone += p->gone;
	}
	parley__acd__v1__desk_presence__free_unpacked(p, NULL);
}
static bool is_here(void *arg)
{
	return here >= *(int *)arg;
}
static bool is_gone(void *arg)
{
	return gone > 0;
}

START_TEST(an_open_desk_is_present_until_its_last_stream_closes)
{
	pl_strlcpy(present_id, make_user("agent-4", "AGENT"), sizeof(present_id));
	char *cookie = login("agent-4", PASSWORD);
	struct bus_sub *sub;
	struct conn one, two;
	int first = 1, third = 3;

	ck_assert_int_eq(bus_subscribe(&sub, bus, "presence.desk.*", NULL, on_presence, NULL, &why), PL_OK);
	pl_loop_turn(loop);
	here = gone = 0;
	sse(&one, 0, cookie, "");
	ck_assert(tk_until(is_here, &first, turn, loop, 30));
	sse(&two, 0, cookie, "");
	close(one.fd);
	ck_assert(tk_until(is_here, &third, turn, loop, 30)); /* goes on every 5 s */
	ck_assert_int_eq(gone, 0);
	close(two.fd);
	ck_assert(tk_until(is_gone, NULL, turn, loop, 30));
	bus_unsubscribe(sub);
}
END_TEST

START_TEST(a_stream_ends_with_its_session)
{
	char *cookie = login("admin", ADMIN_PASSWORD);
	struct conn k;

	sse(&k, 1, cookie, "");
	ck_assert_int_eq(status(post(0, AUTH "Logout", cookie, "{}")), 200);
	conn_wait(&k, "0\r\n\r\n"); /* the last chunk */
	close(k.fd);
}
END_TEST

START_TEST(while_nats_is_away_calls_fail_at_once_and_streams_catch_up)
{
	struct conn k;

	sse(&k, 0, admin, "");
	conn_wait(&k, "event: beat");
	nats_away();
	int64_t begin_us = pl_mono_us();
	while (status(post(0, AUTH "GetMe", admin, "{}")) != 503) /* it notices within a moment */
		;
	ck_assert_int_lt(pl_mono_us() - begin_us, 20 * PL_US_PER_S);
	nats_back();
	for (int i = 0; i < 300 && status(post(0, AUTH "GetMe", admin, "{}")) != 200; i++)
		usleep(100000);
	make_user("after-nats", "AGENT");
	conn_wait(&k, "\"username\":\"after-nats\""); /* on the stream that was open all the time */
	close(k.fd);
}
END_TEST

/* --- recordings: this process is call-control and media --- */

#define WAV_BYTES 1300000u
static bool played;

static void get_recording(struct rpc_call *c)
{
	const Parley__Voice__V1__GetRecordingRequest *in = (const void *)c->in;
	Parley__Voice__V1__GetRecordingResponse out = PARLEY__VOICE__V1__GET_RECORDING_RESPONSE__INIT;
	Parley__Voice__V1__Recording r = PARLEY__VOICE__V1__RECORDING__INIT;
	struct pl_why w = { 0 };

	if (c->actor.role == RPC_AGENT) {
		rpc_fail(c, pl_why_set(&w, PL_E_DENIED, "not yours"), &w);
		return;
	}
	played |= in->play;
	r.id = in->id;
	r.path = (char *)(uintptr_t) "2026/11/x.rec";
	out.recording = &r;
	rpc_reply(c, &out.base);
}

static void read_recording(struct rpc_call *c)
{
	const Parley__Media__V1__ReadRecordingRequest *in = (const void *)c->in;
	Parley__Media__V1__ReadRecordingResponse out = PARLEY__MEDIA__V1__READ_RECORDING_RESPONSE__INIT;
	size_t n = in->offset < WAV_BYTES ? PL_MIN((size_t)in->length, (size_t)(WAV_BYTES - in->offset)) : 0;

	ck_assert_uint_le(in->length, 524288);
	out.data = (ProtobufCBinaryData){ n, pl_arena_alloc(c->arena, n + 1) };
	for (size_t i = 0; i < n; i++)
		out.data.data[i] = (uint8_t)('A' + (in->offset + i) % 23);
	out.total_bytes = WAV_BYTES;
	rpc_reply(c, &out.base);
}

static void get_peaks(struct rpc_call *c)
{
	Parley__Media__V1__GetPeaksResponse out = PARLEY__MEDIA__V1__GET_PEAKS_RESPONSE__INIT;
	uint32_t left[] = { 5, 0, 127 };

	out.n_left = 3;
	out.left = left;
	out.duration_ms = 1500;
	rpc_reply(c, &out.base);
}

static const struct rpc_entry recording_entries[] = { { "GetRecording", get_recording }, { NULL, NULL } };
static const struct rpc_entry store_entries[] = { { "ReadRecording", read_recording },
						  { "GetPeaks", get_peaks },
						  { NULL, NULL } };

START_TEST(a_recording_is_streamed_whole_and_in_ranges)
{
	static const char path[] = "/api/recordings/0193f0a1-0000-7000-8000-000000000000/audio";
	struct conn k;

	make_user("agent-5", "AGENT");
	ck_assert_int_eq(
		rpc_serve(bus, &parley__voice__v1__recording_service__descriptor, recording_entries, NULL, &why),
		PL_OK);
	ck_assert_int_eq(rpc_serve(bus, &parley__media__v1__recording_store_internal_service__descriptor, store_entries,
				   NULL, &why),
			 PL_OK);
	char *got;
	for (int i = 0; i < 100 && status(got = get(0, path, admin, "Range: bytes=5-9\r\n")) == 503; i++)
		; /* until the subscriptions are there */
	ck_assert_msg(status(got) == 206 && has(got, "Content-Range: bytes 5-9/1300000") && has(got, "\r\n\r\nFGHIJ"),
		      "%s", got);
	ck_assert(!played);
	char *request = pl_arena_printf(
		a, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: parley_session=%s\r\n\r\n", path, admin);
	conn_open(&k, 0, request, strlen(request));
	conn_wait(&k, NULL);
	ck_assert(has(k.got, "Content-Length: 1300000") && has(k.got, "Content-Type: audio/wav") && played);
	uint8_t *body = (uint8_t *)strstr(k.got, "\r\n\r\n") + 4;
	ck_assert_uint_eq(k.n - (size_t)((char *)body - k.got), WAV_BYTES);
	for (size_t i = 0; i < WAV_BYTES; i++)
		if (body[i] != 'A' + i % 23)
			ck_abort_msg("byte %zu is wrong", i);
	close(k.fd);
	ck_assert_int_eq(status(get(0, path, admin, "Range: bytes=1300000-\r\n")), 416);
	got = get(0, "/api/recordings/0193f0a1-0000-7000-8000-000000000000/peaks", admin, "");
	ck_assert(has(got, "\"left\":[5,0,127]") && has(got, "\"durationMs\":\"1500\""));
	ck_assert_int_eq(status(get(0, path, login("agent-5", PASSWORD), "")), 403);
	ck_assert_int_eq(status(get(0, path, "", "")), 401);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("api");
	Suite *s = suite_create("api");

	start_all();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, login_answers_a_cookie_and_the_permissions);
	tcase_add_test(tc, a_bearer_token_opens_the_door_too);
	tcase_add_test(tc, after_logout_every_copy_refuses_the_session);
	tcase_add_test(tc, roles_are_kept_apart_and_internal_services_do_not_exist);
	tcase_add_test(tc, who_must_change_the_password_can_do_nothing_else);
	tcase_add_test(tc, errors_name_the_field);
	tcase_add_test(tc, binary_protobuf_is_spoken_as_well);
	tcase_add_test(tc, other_sites_methods_types_and_sizes_are_refused);
	tcase_add_test(tc, a_session_has_so_many_requests_a_second);
	tcase_add_test(tc, the_desk_is_served_and_its_router_gets_every_page);
	tcase_add_test(tc, a_stream_that_was_away_gets_exactly_what_it_missed_from_any_copy);
	tcase_add_test(tc, an_agent_sees_the_own_events_and_the_figures_of_queues);
	tcase_add_test(tc, an_open_desk_is_present_until_its_last_stream_closes);
	tcase_add_test(tc, a_stream_ends_with_its_session);
	tcase_add_test(tc, an_id_that_is_too_old_or_unknown_means_reload);
	tcase_add_test(tc, a_recording_is_streamed_whole_and_in_ranges);
	tcase_add_test(tc, while_nats_is_away_calls_fail_at_once_and_streams_catch_up);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return !stop_all() || failed ? 1 : 0;
}
