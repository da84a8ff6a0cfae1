#include <check.h>
#include <parley/rpc.h>
#include <parley/testkit.h>
#include <sample.pb-c.h>
#include <stdio.h>
#include <stdlib.h>

#define SERVICE (&parley__rpctest__v1__sample_service__descriptor)
typedef Parley__Rpctest__V1__Sample Sample;
typedef Parley__Rpctest__V1__Inner Inner;

static struct tk *nats, *db;
static struct pl_loop *loop;
static struct bus *server, *client;
static struct pg *pg;
static struct pl_why why;
static struct rpc_call *held; /* a call that is answered later */
static struct rpc_actor seen;
static int after_runs;
static bool passed;

static void turn(void *l)
{
	pl_loop_turn(l);
}

struct said {
	bool done;
	enum pl_err err;
	struct pl_why why;
	char name[64];
	uint32_t weight;
};
static bool is_done(void *arg)
{
	return ((struct said *)arg)->done;
}
static bool is_held(void *arg)
{
	return held != NULL;
}

static void on_said(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	struct said *s = arg;

	*s = (struct said){ .done = true, .err = err };
	if (w)
		s->why = *w;
	if (out && out->descriptor == &parley__rpctest__v1__inner__descriptor) {
		pl_strlcpy(s->name, ((const Inner *)(const void *)out)->name, sizeof(s->name));
		s->weight = ((const Inner *)(const void *)out)->weight_g;
	}
}

/* --- the service under test --- */

static void get_inner(struct rpc_call *c)
{
	const Sample *in = (const void *)c->in;
	Inner out = PARLEY__RPCTEST__V1__INNER__INIT;
	struct pl_why w;

	seen = c->actor;
	if (pl_streq(in->text, "refuse")) {
		rpc_fail(c, pl_why_field(&w, PL_E_STATE, "inner.name", "not \"%s\"", in->text), &w);
	} else if (pl_streq(in->text, "later")) {
		held = c;
	} else if (pl_streq(in->text, "pass") && !passed) {
		passed = true;
		rpc_pass(c, "sample-1");
	} else if (pl_streq(in->text, "big")) {
		out.name = pl_arena_alloc(c->arena, (size_t)2 << 20);
		memset(out.name, 'x', ((size_t)2 << 20) - 1);
		rpc_reply(c, &out.base);
	} else {
		out.name = in->text;
		out.weight_g = in->u32 + 1;
		rpc_reply(c, &out.base);
	}
}

static enum pl_err set_job(struct rpc_call *c, struct pg_conn *conn, ProtobufCMessage **out, struct pl_why *w)
{
	static const struct pg_stmt add = { "add", "SELECT $1::int + 1, 1 / nullif($1::int, 99)" };
	const Inner *in = (const void *)c->in;
	struct pg_rows *r;

	if (in->weight_g == 7)
		return pl_why_field(w, PL_E_EXISTS, "weight_g", "seven is taken");
	enum pl_err err = pg_exec(conn, &add, (const char *[]){ pg_int_param(conn, in->weight_g) }, 1, &r, w);
	if (err)
		return err;
	Sample *s = PL_NEW(c->arena, Sample);
	if (!s)
		return PL_E_NOMEM;
	parley__rpctest__v1__sample__init(s);
	s->i64 = pg_int(r, 0, 0);
	*out = &s->base;
	return PL_OK;
}

static void after(struct rpc_call *c)
{
	after_runs++;
}
static void set_inner(struct rpc_call *c)
{
	rpc_on_db(c, pg, false, set_job, after);
}

static const struct rpc_entry entries[] = { { "GetInner", get_inner }, { "SetInner", set_inner }, { NULL, NULL } };

static void setup(void)
{
	struct bus_cfg sc = { .url = tk_url(nats), .service = "sample", .node = "sample-1", .connect_wait_ms = 10000 };
	struct bus_cfg cc = { .url = tk_url(nats), .service = "asker", .node = "asker-1", .connect_wait_ms = 10000 };
	struct pg_cfg pc = { .dsn = tk_url(db), .schema = "public", .app_name = "rpc_test", .conns = 1 };

	held = NULL;
	after_runs = 0;
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_msg(bus_open(&server, loop, NULL, &sc, &why) == PL_OK, "%s", why.text);
	ck_assert_msg(bus_open(&client, loop, NULL, &cc, &why) == PL_OK, "%s", why.text);
	ck_assert_int_eq(pg_open(&pg, loop, NULL, &pc, &why), PL_OK);
	ck_assert_int_eq(rpc_serve(server, SERVICE, entries, NULL, &why), PL_OK);
	ck_assert_int_eq(rpc_serve_node(server, SERVICE, entries, NULL, &why), PL_OK);
}

static void teardown(void)
{
	pg_close(pg);
	bus_close(client);
	bus_close(server);
	pl_loop_free(loop);
}

static uint64_t ask(struct said *s, const char *method, const ProtobufCMessage *in, const char *node, const char *actor,
		    int64_t timeout_ms)
{
	struct rpc_to to = {
		.service = SERVICE, .method = method, .node = node, .actor = actor, .timeout_ms = timeout_ms
	};

	*s = (struct said){ 0 };
	uint64_t h = rpc_ask(client, &to, in, on_said, s, &why);
	ck_assert_msg(h != 0, "%s", why.text);
	return h;
}

static void finish(struct said *s)
{
	ck_assert(tk_until(is_done, s, turn, loop, 30));
}

/* The server's subscription travels on another connection than the question: ask until it is there. */
static void ask_text(struct said *s, const char *text)
{
	Sample in = PARLEY__RPCTEST__V1__SAMPLE__INIT;

	in.text = (char *)(uintptr_t)text;
	in.u32 = 41;
	do {
		ask(s, "GetInner", &in.base, NULL, "agent 0193a 0193b", 20000);
		finish(s);
	} while (s->err == PL_E_UNAVAIL);
}

START_TEST(a_call_is_answered_and_knows_who_asks)
{
	struct said s;

	ask_text(&s, "hello");
	ck_assert_int_eq(s.err, PL_OK);
	ck_assert_str_eq(s.name, "hello");
	ck_assert_uint_eq(s.weight, 42);
	ck_assert_int_eq(seen.role, RPC_AGENT);
	ck_assert_str_eq(seen.user_id, "0193a");
	ck_assert_str_eq(seen.session_id, "0193b");
}
END_TEST

START_TEST(without_an_actor_the_service_itself_asks)
{
	Sample in = PARLEY__RPCTEST__V1__SAMPLE__INIT;
	struct said s;

	ask_text(&s, "warm up");
	ask(&s, "GetInner", &in.base, NULL, NULL, 20000);
	finish(&s);
	ck_assert_int_eq(seen.role, RPC_SERVICE);
	ck_assert_str_eq(seen.user_id, "asker");
}
END_TEST

START_TEST(an_error_arrives_with_field_and_reason)
{
	struct said s;

	ask_text(&s, "refuse");
	ck_assert_int_eq(s.err, PL_E_STATE);
	ck_assert_str_eq(s.why.field, "inner.name");
	ck_assert_str_eq(s.why.text, "not \"refuse\"");
}
END_TEST

START_TEST(a_method_without_handler_is_unimplemented_and_a_service_without_server_unavailable)
{
	Inner in = PARLEY__RPCTEST__V1__INNER__INIT;
	struct said s;

	ask_text(&s, "warm up");
	ask(&s, "Ignored", &in.base, NULL, NULL, 20000);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_UNSUPPORTED);
	ask(&s, "Ignored", &in.base, "nowhere", NULL, 20000);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_UNAVAIL);
}
END_TEST

START_TEST(an_answer_may_come_later_or_too_late)
{
	Sample in = PARLEY__RPCTEST__V1__SAMPLE__INIT;
	Inner out = PARLEY__RPCTEST__V1__INNER__INIT;
	struct said s;

	ask_text(&s, "warm up");
	in.text = (char *)"later";
	ask(&s, "GetInner", &in.base, NULL, NULL, 20000);
	ck_assert(tk_until(is_held, NULL, turn, loop, 30));
	out.name = (char *)"late";
	rpc_reply(held, &out.base);
	finish(&s);
	ck_assert_str_eq(s.name, "late");
	held = NULL;
	ask(&s, "GetInner", &in.base, NULL, NULL, 200);
	ck_assert(tk_until(is_held, NULL, turn, loop, 30));
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_TIMEOUT);
	rpc_reply(held, &out.base);
}
END_TEST

START_TEST(a_cancelled_question_is_never_answered)
{
	Sample in = PARLEY__RPCTEST__V1__SAMPLE__INIT;
	Inner out = PARLEY__RPCTEST__V1__INNER__INIT;
	struct said s, other;

	ask_text(&s, "warm up");
	in.text = (char *)"later";
	uint64_t h = ask(&s, "GetInner", &in.base, NULL, NULL, 20000);
	ck_assert(tk_until(is_held, NULL, turn, loop, 30));
	rpc_cancel(client, h);
	rpc_cancel(client, h);
	rpc_reply(held, &out.base);
	ask_text(&other, "behind it");
	ck_assert(!s.done);
}
END_TEST

START_TEST(a_call_reaches_one_node_and_may_be_passed_to_it)
{
	Sample in = PARLEY__RPCTEST__V1__SAMPLE__INIT;
	struct said s;

	passed = false;
	ask_text(&s, "pass");
	ck_assert(passed);
	ck_assert_str_eq(s.name, "pass");
	ck_assert_uint_eq(s.weight, 42);
	ck_assert_int_eq(seen.role, RPC_AGENT); /* the one who asked first */
	in.text = (char *)"direct";
	ask(&s, "GetInner", &in.base, "sample-1", NULL, 20000);
	finish(&s);
	ck_assert_str_eq(s.name, "direct");
}
END_TEST

START_TEST(an_answer_the_bus_cannot_carry_is_an_error)
{
	struct said s;

	ask_text(&s, "big");
	ck_assert_int_eq(s.err, PL_E_FULL);
}
END_TEST

static void on_raw(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	on_said(arg, err, NULL, w);
}

START_TEST(bytes_that_are_no_message_are_refused)
{
	struct bus_out o = {
		.subject = "rpc.parley.rpctest.v1.SampleService.GetInner", .type = "x", .data = "\xff\xff\xff", .len = 3
	};
	struct said s;

	ask_text(&s, "warm up");
	s.done = false;
	ck_assert(bus_request(client, &o, 20000, on_raw, &s, &why) != 0);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_FORMAT);
}
END_TEST

START_TEST(a_handler_of_sql_answers_from_the_database)
{
	Inner in = PARLEY__RPCTEST__V1__INNER__INIT;
	struct said s;

	ask_text(&s, "warm up");
	in.weight_g = 1;
	ask(&s, "SetInner", &in.base, NULL, NULL, 20000);
	finish(&s);
	ck_assert_msg(s.err == PL_OK, "%s", s.why.text);
	ck_assert_int_eq(after_runs, 1);
	in.weight_g = 7;
	ask(&s, "SetInner", &in.base, NULL, NULL, 20000);
	finish(&s);
	ck_assert_int_eq(s.err, PL_E_EXISTS);
	ck_assert_str_eq(s.why.field, "weight_g");
	ck_assert_int_eq(after_runs, 1);
}
END_TEST

static void on_event(void *arg, const struct bus_msg *m)
{
	struct said *s = arg;
	ProtobufCMessage *out;

	/* the sample is no part of the contract, so its type is unknown; an Empty-like type of the contract is not */
	s->err = rpc_decode(m, pl_loop_tmp(loop), &out, &s->why);
	pl_strlcpy(s->name, m->type, sizeof(s->name));
	s->done = true;
}

START_TEST(one_way_messages_carry_their_type)
{
	Inner out = PARLEY__RPCTEST__V1__INNER__INIT;
	struct said s = { 0 };
	struct bus_sub *sub;

	ck_assert_int_eq(bus_subscribe(&sub, client, "rt.test", NULL, on_event, &s, &why), PL_OK);
	ck_assert_int_eq(rpc_send(client, "rt.test", &out.base), PL_OK);
	finish(&s);
	ck_assert_str_eq(s.name, "parley.rpctest.v1.Inner");
	ck_assert_int_eq(s.err, PL_E_FORMAT);
	bus_unsubscribe(sub);
}
END_TEST

START_TEST(the_actor_header_is_read_strictly)
{
	static const struct {
		const char *header;
		enum rpc_role role;
	} v[] = { { "agent u s", RPC_AGENT },   { "supervisor u s", RPC_SUPERVISOR },
		  { "admin u s", RPC_ADMIN },   { "service flow", RPC_SERVICE },
		  { "", RPC_NOBODY },           { NULL, RPC_NOBODY },
		  { "agent", RPC_NOBODY },      { "root u s", RPC_NOBODY },
		  { "agent u s x", RPC_NOBODY } };

	for (size_t i = 0; i < PL_ARRAY_N(v); i++) {
		struct rpc_actor a;
		rpc_actor_parse(v[i].header, &a);
		ck_assert_int_eq(a.role, v[i].role);
	}
	struct rpc_actor agent = { .role = RPC_AGENT }, nobody = { 0 };
	ck_assert_int_eq(rpc_need(&agent, RPC_AGENT, &why), PL_OK);
	ck_assert_int_eq(rpc_need(&agent, RPC_SUPERVISOR, &why), PL_E_DENIED);
	ck_assert_int_eq(rpc_need(&nobody, RPC_AGENT, &why), PL_E_AUTH);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("rpc");
	Suite *s = suite_create("rpc");

	nats = tk_nats(NULL);
	db = tk_pg();
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, a_call_is_answered_and_knows_who_asks);
	tcase_add_test(tc, without_an_actor_the_service_itself_asks);
	tcase_add_test(tc, an_error_arrives_with_field_and_reason);
	tcase_add_test(tc, a_method_without_handler_is_unimplemented_and_a_service_without_server_unavailable);
	tcase_add_test(tc, an_answer_may_come_later_or_too_late);
	tcase_add_test(tc, a_cancelled_question_is_never_answered);
	tcase_add_test(tc, a_call_reaches_one_node_and_may_be_passed_to_it);
	tcase_add_test(tc, an_answer_the_bus_cannot_carry_is_an_error);
	tcase_add_test(tc, bytes_that_are_no_message_are_refused);
	tcase_add_test(tc, a_handler_of_sql_answers_from_the_database);
	tcase_add_test(tc, one_way_messages_carry_their_type);
	tcase_add_test(tc, the_actor_header_is_read_strictly);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	tk_free(nats);
	tk_free(db);
	return failed ? 1 : 0;
}
