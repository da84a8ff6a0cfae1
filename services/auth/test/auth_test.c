/* The service as a process, with its own NATS, Redis and PostgreSQL, asked over the bus as api asks it. */
#include <check.h>
#include <parley/auth/v1/auth.pb-c.h>
#include <parley/log.h>
#include <parley/rpc.h>
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define AU(name) Parley__Auth__V1__##name
#define INIT(name) PARLEY__AUTH__V1__##name##__INIT
#define SERVICE(name) (&parley__auth__v1__##name##__descriptor)
#define ADMIN_PASSWORD "Pa-first-7x"
#define PASSWORD "Secret-12x"

static struct tk *nats, *redis, *db, *auth;
static struct pl_loop *loop;
static struct bus *bus;
static struct pl_arena *a;
static struct pl_why why;
static char secret[] = "/tmp/parley-auth-XXXXXX";

static void turn(void *l)
{
	pl_loop_turn(l);
}

struct said {
	bool done;
	enum pl_err err;
	struct pl_why why;
	ProtobufCMessage *out;
};
static bool is_done(void *arg)
{
	return ((struct said *)arg)->done;
}

static void on_said(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	struct said *s = arg;

	*s = (struct said){ .done = true, .err = err, .out = out ? rpc_dup(out, a) : NULL };
	if (w)
		s->why = *w;
}

static struct said last;

static enum pl_err ask(const ProtobufCServiceDescriptor *service, const char *method, const void *in, const char *actor)
{
	struct rpc_to to = { .service = service, .method = method, .actor = actor, .timeout_ms = 20000 };

	last = (struct said){ 0 };
	ck_assert_msg(rpc_ask(bus, &to, in, on_said, &last, &why) != 0, "%s", why.text);
	ck_assert(tk_until(is_done, &last, turn, loop, 30));
	return last.err;
}

static enum pl_err login(const char *username, const char *password)
{
	AU(LoginRequest) in = INIT(LOGIN_REQUEST);

	in.username = (char *)(uintptr_t)username;
	in.password = (char *)(uintptr_t)password;
	in.remote_address = (char *)(uintptr_t) "192.0.2.7";
	return ask(SERVICE(auth_service), "Login", &in, "");
}

static enum pl_err check(const char *token)
{
	AU(CheckSessionRequest) in = INIT(CHECK_SESSION_REQUEST);

	in.token = (char *)(uintptr_t)token;
	return ask(SERVICE(session_internal_service), "CheckSession", &in, NULL);
}

/* Signs in and gives token and the actor header of the session. */
static char *signed_in(const char *username, const char *password, char **ret_actor)
{
	static const char *const roles[] = { "", "agent", "supervisor", "admin" };

	ck_assert_msg(login(username, password) == PL_OK, "%s", last.why.text);
	char *token = ((AU(LoginResponse) *)(void *)last.out)->token;
	ck_assert_int_eq(check(token), PL_OK);
	AU(CheckSessionResponse) *s = (void *)last.out;
	*ret_actor = pl_arena_printf(a, "%s %s %s", roles[s->user->role], s->user->id, s->session_id);
	return token;
}

static char *admin_actor(void)
{
	char *actor;

	signed_in("admin", ADMIN_PASSWORD, &actor);
	return actor;
}

static AU(User) * make_user(const char *admin, const char *username, Parley__Auth__V1__Role role)
{
	AU(CreateUserRequest) in = INIT(CREATE_USER_REQUEST);
	AU(User) u = INIT(USER);

	u.username = (char *)(uintptr_t)username;
	u.role = role;
	u.enabled = true;
	in.user = &u;
	in.password = (char *)(uintptr_t)PASSWORD;
	ck_assert_msg(ask(SERVICE(user_service), "CreateUser", &in, admin) == PL_OK, "%s: %s", username, last.why.text);
	return ((AU(CreateUserResponse) *)(void *)last.out)->user;
}

/* --- the stack --- */

static void start_all(void)
{
	int fd = mkstemp(secret);

	if (fd < 0 || dprintf(fd, "%s\n", ADMIN_PASSWORD) < 0 || fchmod(fd, 0600))
		exit(99);
	close(fd);
	nats = tk_nats(NULL);
	redis = tk_redis();
	db = tk_pg();
	int port = tk_free_port();
	char o[6][512];
	snprintf(o[0], sizeof(o[0]), "--nats-url=%s", tk_url(nats));
	snprintf(o[1], sizeof(o[1]), "--redis-url=%s", tk_url(redis));
	snprintf(o[2], sizeof(o[2]), "--pg-dsn=%s", tk_url(db));
	snprintf(o[3], sizeof(o[3]), "--health-port=%d", port);
	snprintf(o[4], sizeof(o[4]), "--sql-dir=%s", getenv("SQL_DIR"));
	snprintf(o[5], sizeof(o[5]), "--bootstrap-admin-password-file=%s", secret);
	const char *const argv[] = { getenv("AUTH_BIN"), "--node=auth-1", o[0], o[1], o[2], o[3], o[4], o[5], NULL };
	auth = tk_program(argv, port);
}

static void setup(void)
{
	struct bus_cfg bc = { .url = tk_url(nats), .service = "api", .node = "api-test", .connect_wait_ms = 20000 };

	a = pl_arena_new(0);
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_msg(bus_open(&bus, loop, NULL, &bc, &why) == PL_OK, "%s", why.text);
	/* a service that starts is not there at once, nor is its first user */
	for (int i = 0; i < 200 && login("admin", ADMIN_PASSWORD) != PL_OK; i++)
		usleep(100000);
	ck_assert_msg(last.err == PL_OK, "%s", last.why.text);
}

static void teardown(void)
{
	bus_close(bus);
	pl_loop_free(loop);
	pl_arena_free(a);
}

/* --- tests --- */

static int ended;
static void on_event(void *arg, const struct bus_msg *m)
{
	ended += strncmp(m->subject, "ev.auth.session-ended.", 22) == 0;
}
static bool has_ended(void *arg)
{
	return ended >= *(int *)arg;
}

static struct bus_tail *follow(void)
{
	struct bus_tail_cfg c = {
		.stream = "LEDGER", .from_seq = 1, .filter = "ev.auth.session-ended.>", .fn = on_event
	};
	struct bus_tail *t;

	ended = 0;
	ck_assert_int_eq(bus_tail_open(&t, bus, &c, &why), PL_OK);
	return t;
}

START_TEST(a_session_lives_from_login_to_logout)
{
	char *actor, *token = signed_in("admin", ADMIN_PASSWORD, &actor);
	AU(LogoutRequest) out = INIT(LOGOUT_REQUEST);
	AU(GetMeRequest) me = INIT(GET_ME_REQUEST);
	int one = 1;

	ck_assert_int_eq(ask(SERVICE(auth_service), "GetMe", &me, actor), PL_OK);
	ck_assert_str_eq(((AU(GetMeResponse) *)(void *)last.out)->user->username, "admin");
	ck_assert_int_eq(ask(SERVICE(auth_service), "Logout", &out, actor), PL_OK);
	ck_assert_int_eq(check(token), PL_E_AUTH);
	struct bus_tail *t = follow();
	ck_assert(tk_until(has_ended, &one, turn, loop, 30));
	bus_tail_close(t);
	ck_assert_int_eq(check("0000000000000000000000000000000000000000000"), PL_E_AUTH);
}
END_TEST

START_TEST(wrong_name_and_wrong_password_are_told_alike_and_throttled_alike)
{
	char *admin = admin_actor();

	make_user(admin, "throttled", PARLEY__AUTH__V1__ROLE__ROLE_AGENT);
	ck_assert_int_eq(login("throttled", "Wrong-123x"), PL_E_AUTH);
	char *known = pl_arena_strdup(a, last.why.text);
	ck_assert_int_eq(login("nobody-at-all", "Wrong-123x"), PL_E_AUTH);
	ck_assert_str_eq(last.why.text, known);
	static const char *const names[] = { "nobody-at-all", "throttled" };
	for (size_t k = 0; k < 2; k++) {
		int tries = 1;
		/* each one over the free ones locks for twice as long; at the third the lock outlives the next question
		 */
		while ((login(names[k], "Wrong-123x") == PL_E_AUTH || !strstr(last.why.text, "in 4 s")) && tries < 2000)
			tries++;
		ck_assert_int_eq(last.err, PL_E_FULL);
	}
	ck_assert_int_eq(login("throttled", PASSWORD), PL_E_FULL); /* the right one too, for a while */
	ck_assert_int_eq(login("admin", ADMIN_PASSWORD), PL_OK);   /* others are not concerned */
}
END_TEST

START_TEST(a_password_meets_the_policy)
{
	char *admin = admin_actor();
	AU(CreateUserRequest) in = INIT(CREATE_USER_REQUEST);
	AU(User) u = INIT(USER);

	u.username = (char *)(uintptr_t) "weak";
	u.role = PARLEY__AUTH__V1__ROLE__ROLE_AGENT;
	in.user = &u;
	in.password = (char *)(uintptr_t) "password";
	ck_assert_int_eq(ask(SERVICE(user_service), "CreateUser", &in, admin), PL_E_STATE);
	ck_assert_str_eq(last.why.field, "password");
}
END_TEST

START_TEST(a_changed_password_ends_the_other_sessions)
{
	char *admin = admin_actor(), *mine, *other_actor;
	AU(ChangePasswordRequest) in = INIT(CHANGE_PASSWORD_REQUEST);

	make_user(admin, "changer", PARLEY__AUTH__V1__ROLE__ROLE_AGENT);
	char *token = signed_in("changer", PASSWORD, &mine), *other = signed_in("changer", PASSWORD, &other_actor);
	in.old_password = (char *)(uintptr_t) "Wrong-123x";
	in.new_password = (char *)(uintptr_t) "Newer-12x";
	ck_assert_int_eq(ask(SERVICE(auth_service), "ChangePassword", &in, mine), PL_E_DENIED);
	ck_assert_str_eq(last.why.field, "old_password");
	in.old_password = (char *)(uintptr_t)PASSWORD;
	ck_assert_msg(ask(SERVICE(auth_service), "ChangePassword", &in, mine) == PL_OK, "%s", last.why.text);
	while (check(other) == PL_OK) /* ends just after the answer */
		;
	ck_assert_int_eq(last.err, PL_E_AUTH);
	ck_assert_int_eq(check(token), PL_OK);
	ck_assert_int_eq(login("changer", PASSWORD), PL_E_AUTH);
	ck_assert_int_eq(login("changer", "Newer-12x"), PL_OK);
}
END_TEST

static enum pl_err update(const char *actor, AU(User) * u)
{
	AU(UpdateUserRequest) in = INIT(UPDATE_USER_REQUEST);

	in.user = u;
	return ask(SERVICE(user_service), "UpdateUser", &in, actor);
}

START_TEST(an_update_needs_the_newest_revision_and_a_disabled_user_is_out)
{
	char *admin = admin_actor(), *actor;
	AU(User) *u = make_user(admin, "leaver", PARLEY__AUTH__V1__ROLE__ROLE_AGENT);
	char *token = signed_in("leaver", PASSWORD, &actor);

	u->full_name = (char *)(uintptr_t) "Leaving Soon";
	ck_assert_int_eq(update(admin, u), PL_OK);
	ck_assert_int_eq(update(admin, u), PL_E_CONFLICT);
	ck_assert_str_eq(last.why.field, "user.revision");
	u->revision++;
	u->enabled = false;
	ck_assert_int_eq(update(admin, u), PL_OK);
	while (check(token) == PL_OK)
		;
	ck_assert_int_eq(last.err, PL_E_AUTH);
	ck_assert_int_eq(login("leaver", PASSWORD), PL_E_AUTH);
}
END_TEST

START_TEST(the_last_administrator_stays)
{
	char *admin = admin_actor();
	AU(GetMeRequest) me = INIT(GET_ME_REQUEST);

	ck_assert_int_eq(ask(SERVICE(auth_service), "GetMe", &me, admin), PL_OK);
	AU(User) *u = ((AU(GetMeResponse) *)(void *)last.out)->user;
	u->role = PARLEY__AUTH__V1__ROLE__ROLE_AGENT;
	ck_assert_int_eq(update(admin, u), PL_E_STATE);
	ck_assert_str_eq(last.why.field, "user.role");
}
END_TEST

START_TEST(who_is_no_administrator_changes_nobody)
{
	char *admin = admin_actor(), *agent, *supervisor;
	AU(ListUsersRequest) list = INIT(LIST_USERS_REQUEST);
	AU(DeleteUserRequest) del = INIT(DELETE_USER_REQUEST);
	AU(CheckSessionRequest) c = INIT(CHECK_SESSION_REQUEST);

	make_user(admin, "agent-x", PARLEY__AUTH__V1__ROLE__ROLE_AGENT);
	make_user(admin, "super-x", PARLEY__AUTH__V1__ROLE__ROLE_SUPERVISOR);
	signed_in("agent-x", PASSWORD, &agent);
	signed_in("super-x", PASSWORD, &supervisor);
	ck_assert_int_eq(ask(SERVICE(user_service), "ListUsers", &list, agent), PL_E_DENIED);
	ck_assert_int_eq(ask(SERVICE(user_service), "ListUsers", &list, supervisor), PL_OK);
	ck_assert_int_eq(ask(SERVICE(user_service), "ListUsers", &list, ""), PL_E_AUTH);
	ck_assert_int_eq(ask(SERVICE(user_service), "DeleteUser", &del, supervisor), PL_E_DENIED);
	ck_assert_int_eq(ask(SERVICE(session_internal_service), "CheckSession", &c, admin), PL_E_DENIED);
}
END_TEST

START_TEST(lists_come_in_pages_and_can_be_searched)
{
	char *admin = admin_actor();
	AU(ListUsersRequest) in = INIT(LIST_USERS_REQUEST);
	Parley__Common__V1__PageRequest page = PARLEY__COMMON__V1__PAGE_REQUEST__INIT;
	size_t seen = 0;

	for (int i = 0; i < 5; i++)
		make_user(admin, pl_arena_printf(a, "page_%d", i), PARLEY__AUTH__V1__ROLE__ROLE_AGENT);
	in.page = &page;
	in.search = (char *)(uintptr_t) "page_"; /* the underscore is no wildcard */
	page.size = 2;
	do {
		ck_assert_int_eq(ask(SERVICE(user_service), "ListUsers", &in, admin), PL_OK);
		AU(ListUsersResponse) *out = (void *)last.out;
		ck_assert_int_eq(out->page->total, 5);
		seen += out->n_users;
		page.token = out->page->next_token;
	} while (*page.token);
	ck_assert_uint_eq(seen, 5);
}
END_TEST

START_TEST(everything_is_in_the_audit_log_and_no_password_is)
{
	char *admin = admin_actor(), *actor;
	AU(ListAuditEntriesRequest) in = INIT(LIST_AUDIT_ENTRIES_REQUEST);
	Parley__Common__V1__PageRequest page = PARLEY__COMMON__V1__PAGE_REQUEST__INIT;
	char *json;
	size_t n;

	make_user(admin, "audited", PARLEY__AUTH__V1__ROLE__ROLE_AGENT);
	signed_in("audited", PASSWORD, &actor);
	ck_assert_int_eq(login("audited", "Wrong-123x"), PL_E_AUTH);
	page.size = 500;
	in.page = &page;
	ck_assert_int_eq(ask(SERVICE(audit_service), "ListAuditEntries", &in, actor), PL_E_DENIED);
	ck_assert_int_eq(ask(SERVICE(audit_service), "ListAuditEntries", &in, admin), PL_OK);
	AU(ListAuditEntriesResponse) *out = (void *)last.out;
	bool created = false, failed = false;
	for (size_t i = 0; i < out->n_entries; i++) {
		AU(AuditEntry) *e = out->entries[i];
		failed |= pl_streq(e->action, "login.failed") && pl_streq(e->username, "audited") &&
			  pl_streq(e->remote_address, "192.0.2.7");
		created |= pl_streq(e->action, "user.create") && strstr(e->after, "audited") &&
			   pl_streq(e->username, "admin") && pl_streq(e->remote_address, "192.0.2.7");
	}
	ck_assert(failed);
	ck_assert(created);
	ck_assert_int_eq(rpc_to_json(last.out, a, &json, &n, &why), PL_OK);
	ck_assert(!strstr(json, PASSWORD) && !strstr(json, "argon2"));
}
END_TEST

static bool login_works(void *arg)
{
	return login("admin", ADMIN_PASSWORD) == PL_OK;
}

START_TEST(without_redis_nobody_gets_in_and_a_wiped_one_ends_sessions_only)
{
	char *actor, *token = signed_in("admin", ADMIN_PASSWORD, &actor);

	tk_kill(redis);
	enum pl_err err = login("admin", ADMIN_PASSWORD);
	ck_assert_msg(err == PL_E_UNAVAIL, "%d", err);
	ck_assert_int_ne(check(token), PL_OK);
	tk_start(redis); /* it kept nothing */
	ck_assert(tk_until(login_works, NULL, turn, loop, 30));
	ck_assert_int_eq(check(token), PL_E_AUTH);
}
END_TEST

START_TEST(a_killed_auth_comes_back_with_everything)
{
	char *actor, *token = signed_in("admin", ADMIN_PASSWORD, &actor);

	tk_kill(auth);
	ck_assert_int_eq(login("admin", ADMIN_PASSWORD), PL_E_UNAVAIL);
	tk_start(auth);
	ck_assert(tk_until(login_works, NULL, turn, loop, 30));
	ck_assert_int_eq(check(token), PL_OK); /* sessions are not in the process */
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("auth");
	Suite *s = suite_create("auth");

	start_all();
	if (getenv("DEBUG"))
		log_open("test", "test", LOG_DEBUG);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, a_session_lives_from_login_to_logout);
	tcase_add_test(tc, wrong_name_and_wrong_password_are_told_alike_and_throttled_alike);
	tcase_add_test(tc, a_password_meets_the_policy);
	tcase_add_test(tc, a_changed_password_ends_the_other_sessions);
	tcase_add_test(tc, an_update_needs_the_newest_revision_and_a_disabled_user_is_out);
	tcase_add_test(tc, the_last_administrator_stays);
	tcase_add_test(tc, who_is_no_administrator_changes_nobody);
	tcase_add_test(tc, lists_come_in_pages_and_can_be_searched);
	tcase_add_test(tc, everything_is_in_the_audit_log_and_no_password_is);
	tcase_add_test(tc, without_redis_nobody_gets_in_and_a_wiped_one_ends_sessions_only);
	tcase_add_test(tc, a_killed_auth_comes_back_with_everything);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	int status = tk_stop(auth);
	unlink(secret);
	tk_free(auth);
	tk_free(nats);
	tk_free(redis);
	tk_free(db);
	return failed || status ? 1 : 0;
}
