/* The service as processes, on a real NATS and PostgreSQL: two copies, a channel that steps sessions, a router that lists its queues. */
#include <check.h>
#include <parley/rpc.h>
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>
#include "parley/acd/v1/acd.pb-c.h"
#include "parley/flow/v1/flow.pb-c.h"

#define RUN (&parley__flow__v1__flow_run_internal_service__descriptor)
#define FLOWS (&parley__flow__v1__flow_service__descriptor)
#define SCHEDULES (&parley__flow__v1__schedule_service__descriptor)
#define ADMIN "admin 0193f0a1-0000-7000-8000-000000000001 s"
#define LIMIT_S 40
#define STR(s) ((char *)(uintptr_t)(s))

static struct tk *nats, *db, *copy[2];
static struct pl_loop *loop;
static struct bus *bus;
static struct pl_arena *arena;
static struct bus_tail *ledger_tail, *input_tail;
static char schedule_id[PL_ID_LEN];

static void turn(void *l) { pl_loop_turn(l); }

/* --- what was published --- */

struct seen { char subject[128], id[80], type[64]; size_t len; uint8_t data[2048]; };
static struct seen ledger[2000], inputs[200];
static size_t n_ledger, n_inputs;

static void keep(struct seen *list, size_t *n, size_t max, const struct bus_msg *m)
{
	ck_assert_uint_lt(*n, max);
	ck_assert_uint_le(m->len, sizeof(list->data));
	struct seen *s = &list[(*n)++];
	pl_strlcpy(s->subject, m->subject, sizeof(s->subject));
	pl_strlcpy(s->id, m->id, sizeof(s->id));
	pl_strlcpy(s->type, m->type, sizeof(s->type));
	s->len = m->len;
	memcpy(s->data, m->data, m->len);
}
static void on_ledger(void *arg, const struct bus_msg *m) { keep(ledger, &n_ledger, PL_ARRAY_N(ledger), m); }
static void on_input(void *arg, const struct bus_msg *m) { keep(inputs, &n_inputs, PL_ARRAY_N(inputs), m); }

static size_t count(const struct seen *list, size_t n, const char *prefix, const char *id)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++)
		found += strncmp(list[i].subject, prefix, strlen(prefix)) == 0 && (strstr(list[i].subject, id) || strstr(list[i].id, id));
	return found;
}
struct want { const char *prefix, *id; size_t n; bool input; };
static bool has(void *arg)
{
	const struct want *w = arg;
	return count(w->input ? inputs : ledger, w->input ? n_inputs : n_ledger, w->prefix, w->id) >= w->n;
}
static void wait_for(const char *prefix, const char *id, size_t n, bool input)
{
	struct want w = { prefix, id, n, input };
	ck_assert_msg(tk_until(has, &w, turn, loop, LIMIT_S), "%s of %s did not come", prefix, id);
}

/* --- calls that wait for their answer --- */

struct said { bool done; enum pl_err err; struct pl_why why; ProtobufCMessage *out; };
static void on_said(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	struct said *s = arg;
	*s = (struct said){ .done = true, .err = err, .out = out ? rpc_dup(out, arena) : NULL };
	if (w)
		s->why = *w;
}
static bool is_done(void *arg) { return ((struct said *)arg)->done; }

static struct said ask(const ProtobufCServiceDescriptor *d, const char *method, const char *actor, const ProtobufCMessage *in)
{
	struct rpc_to to = { d, method, NULL, actor, 3000 };
	struct said s = { 0 };
	struct pl_why why = { 0 };
	if (!rpc_ask(bus, &to, in, on_said, &s, &why)) {
		s.err = why.err;
		s.why = why;
		return s;
	}
	ck_assert(tk_until(is_done, &s, turn, loop, LIMIT_S));
	return s;
}

/* Until the other side is there; other errors are the answer. */
static struct said ask_patiently(const ProtobufCServiceDescriptor *d, const char *method, const char *actor, const ProtobufCMessage *in)
{
	int64_t until = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	struct said s;
	do
		s = ask(d, method, actor, in);
	while ((s.err == PL_E_UNAVAIL || s.err == PL_E_TIMEOUT) && pl_mono_us() < until);
	return s;
}
#define OK(s) ck_assert_msg((s).err == PL_OK, "%s: %s %s", pl_err_name((s).err), (s).why.field, (s).why.text)

/* --- the router's part --- */

static void list_queues(struct rpc_call *c)
{
	Parley__Acd__V1__ListQueuesResponse m = PARLEY__ACD__V1__LIST_QUEUES_RESPONSE__INIT;
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT, *list[] = { &q };
	q.id = (char *)(uintptr_t)"q-support";
	q.name = (char *)(uintptr_t)"Support";
	q.music = (char *)(uintptr_t)"jazz";
	q.record = true;
	m.queues = list;
	m.n_queues = 1;
	rpc_reply(c, &m.base);
}

static bool stream_done;
static void on_stream(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *why)
{
	ck_assert_int_eq(err, PL_OK);
	stream_done = true;
}
static bool is_true(void *arg) { return *(bool *)arg; }

static struct tk *start(const char *node)
{
	static char args[2][8][256];
	static int n;
	char (*a)[256] = args[n++ % 2];
	int port = tk_free_port();
	snprintf(a[0], 256, "--node=%s", node);
	snprintf(a[1], 256, "--nats-url=%s", tk_url(nats));
	snprintf(a[2], 256, "--pg-dsn=%s", tk_url(db));
	snprintf(a[3], 256, "--health-port=%d", port);
	snprintf(a[4], 256, "--sql-dir=%s", FLOW_SQL_DIR);
	const char *argv[] = { FLOW_PROGRAM, a[0], a[1], a[2], a[3], a[4], "--pg-conns=2", "--log-level=info", NULL };
	return tk_program(argv, port);
}

static void setup(void)
{
	struct pl_why why = { 0 };
	nats = tk_nats(NULL);
	db = tk_pg();
	arena = pl_arena_new(0);
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	struct bus_cfg cfg = { .url = tk_url(nats), .service = "call-control", .node = "tester", .connect_wait_ms = 20000 };
	ck_assert_msg(bus_open(&bus, loop, NULL, &cfg, &why) == PL_OK, "%s", why.text);
	static const struct rpc_entry router[] = { { "ListQueues", list_queues }, { 0 } };
	ck_assert_int_eq(rpc_serve(bus, &parley__acd__v1__queue_service__descriptor, router, NULL, &why), PL_OK);
	static const struct bus_stream_cfg streams[] = { { .name = "LEDGER", .subjects = { "ev.>" } }, { .name = "ACD_IN", .subjects = { "acd.in.>" } } };
	for (size_t i = 0; i < 2; i++) {
		stream_done = false;
		bus_stream_ensure(bus, &streams[i], on_stream, NULL);
		ck_assert(tk_until(is_true, &stream_done, turn, loop, LIMIT_S));
	}
	struct bus_tail_cfg t = { .stream = "LEDGER", .from_seq = 1, .fn = on_ledger };
	ck_assert_int_eq(bus_tail_open(&ledger_tail, bus, &t, &why), PL_OK);
	struct bus_tail_cfg t2 = { .stream = "ACD_IN", .from_seq = 1, .fn = on_input };
	ck_assert_int_eq(bus_tail_open(&input_tail, bus, &t2, &why), PL_OK);
	copy[0] = start("flow-a");
	copy[1] = start("flow-b");
}

static void teardown(void)
{
	for (int i = 0; i < 2; i++)
		tk_free(copy[i]);
	bus_tail_close(ledger_tail);
	bus_tail_close(input_tail);
	bus_close(bus);
	pl_loop_free(loop);
	pl_arena_free(arena);
	tk_free(db);
	tk_free(nats);
}

/* --- flows --- */

static Google__Protobuf__Struct *graph_of(const char *quoted)
{
	ProtobufCMessage *m;
	struct pl_why why = { 0 };
	char *json = pl_arena_strdup(arena, quoted);
	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	ck_assert_msg(rpc_from_json(&google__protobuf__struct__descriptor, json, strlen(json), arena, &m, &why) == PL_OK, "%s", why.text);
	return (Google__Protobuf__Struct *)(void *)m;
}

static void publish(const char *id, uint32_t version)
{
	Parley__Flow__V1__PublishFlowRequest in = PARLEY__FLOW__V1__PUBLISH_FLOW_REQUEST__INIT;
	in.flow_id = (char *)(uintptr_t)id;
	in.version = version;
	struct said s = ask_patiently(FLOWS, "PublishFlow", ADMIN, &in.base);
	OK(s);
}

static const char *flow_make(const char *name, const char *graph)
{
	Parley__Flow__V1__CreateFlowRequest in = PARLEY__FLOW__V1__CREATE_FLOW_REQUEST__INIT;
	Parley__Flow__V1__Flow f = PARLEY__FLOW__V1__FLOW__INIT;
	f.name = (char *)(uintptr_t)name;
	in.flow = &f;
	in.graph = graph_of(graph);
	struct said s = ask_patiently(FLOWS, "CreateFlow", ADMIN, &in.base);
	OK(s);
	const Parley__Flow__V1__CreateFlowResponse *m = (const void *)s.out;
	ck_assert_str_eq(m->flow->name, name);
	return m->flow->id;
}

static Parley__Flow__V1__Schedule *all_week(const char *name)
{
	static Parley__Flow__V1__OpenSpan spans[7], *list[7];
	static Parley__Flow__V1__Schedule s;
	parley__flow__v1__schedule__init(&s);
	for (uint32_t i = 0; i < 7; i++) {
		parley__flow__v1__open_span__init(&spans[i]);
		spans[i].weekday = i + 1;
		spans[i].to_minute = 1440;
		list[i] = &spans[i];
	}
	s.name = (char *)(uintptr_t)name;
	s.time_zone = (char *)(uintptr_t)"Europe/Rome";
	s.weekly = list;
	s.n_weekly = 7;
	return &s;
}

static const char *main_menu(void)
{
	if (!*schedule_id) {
		Parley__Flow__V1__CreateScheduleRequest in = PARLEY__FLOW__V1__CREATE_SCHEDULE_REQUEST__INIT;
		in.schedule = all_week("Always");
		struct said s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
		OK(s);
		const Parley__Flow__V1__CreateScheduleResponse *m = (const void *)s.out;
		pl_strlcpy(schedule_id, m->schedule->id, sizeof(schedule_id));
	}
	return pl_arena_printf(arena, "{'start':'in','show':['topic'],'nodes':{'in':{'type':'answer','next':'hours'},"
		"'hours':{'type':'hours','schedule':'%s','open':'menu','closed':'bye'},"
		"'menu':{'type':'menu','prompt':'Press 1.','choices':{'1':{'to':'q','label':'Fault'}},'variable':'topic','timeout':'q'},"
		"'q':{'type':'queue','queue':'q-support','priority':3,'otherwise':'sorry'},"
		"'sorry':{'type':'say','text':'Sorry about {{topic}}.','next':'bye'},'bye':{'type':'hangup'}}}", schedule_id);
}

/* --- steps --- */

static Parley__Flow__V1__StepRequest *req(const char *session, uint32_t seq)
{
	Parley__Flow__V1__StepRequest *m = PL_NEW(arena, Parley__Flow__V1__StepRequest);
	parley__flow__v1__step_request__init(m);
	m->session_id = (char *)(uintptr_t)session;
	m->seq = seq;
	return m;
}

static struct said step(Parley__Flow__V1__StepRequest *m)
{
	return ask_patiently(RUN, "Step", NULL, &m->base);
}

static struct said step_start(const char *session, const char *flow_id)
{
	Parley__Flow__V1__StepRequest *m = req(session, 1);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_STARTED;
	m->started = PL_NEW(arena, Parley__Flow__V1__SessionStarted);
	parley__flow__v1__session_started__init(m->started);
	m->started->flow_id = (char *)(uintptr_t)flow_id;
	m->started->from_number = (char *)(uintptr_t)"+390432900123";
	m->started->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	return step(m);
}

static struct said step_digits(const char *session, uint32_t seq, const char *digits)
{
	Parley__Flow__V1__StepRequest *m = req(session, seq);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS;
	m->digits = PL_NEW(arena, Parley__Flow__V1__DigitsCollected);
	parley__flow__v1__digits_collected__init(m->digits);
	m->digits->digits = (char *)(uintptr_t)digits;
	return step(m);
}

static struct said step_left(const char *session, uint32_t seq, const char *reason)
{
	Parley__Flow__V1__StepRequest *m = req(session, seq);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_QUEUE_LEFT;
	m->queue_left = PL_NEW(arena, Parley__Flow__V1__QueueLeft);
	parley__flow__v1__queue_left__init(m->queue_left);
	m->queue_left->reason = (char *)(uintptr_t)reason;
	return step(m);
}

static struct said step_gone(const char *session, uint32_t seq)
{
	Parley__Flow__V1__StepRequest *m = req(session, seq);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_GONE;
	m->gone = PL_NEW(arena, Parley__Flow__V1__CustomerGone);
	parley__flow__v1__customer_gone__init(m->gone);
	return step(m);
}

#define RESPONSE(s) ((const Parley__Flow__V1__StepResponse *)(const void *)(s).out)

/* --- tests; one after the other on the same servers --- */

START_TEST(a_caller_goes_through_the_menu_into_the_queue)
{
	char x[PL_ID_LEN];
	const char *flow = flow_make("Main", main_menu());
	publish(flow, 1);
	struct said s = step_start(pl_id_new(x), flow);
	OK(s);
	ck_assert_uint_eq(RESPONSE(s)->n_actions, 2);
	ck_assert_int_eq(RESPONSE(s)->actions[0]->action_case, PARLEY__FLOW__V1__ACTION__ACTION_ANSWER);
	ck_assert_int_eq(RESPONSE(s)->actions[1]->action_case, PARLEY__FLOW__V1__ACTION__ACTION_COLLECT);
	ck_assert_str_eq(RESPONSE(s)->actions[1]->collect->sources[0]->say->text, "Press 1.");
	s = step_digits(x, 2, "1");
	OK(s);
	const Parley__Flow__V1__WaitInQueueAction *w = RESPONSE(s)->actions[0]->wait_in_queue;
	ck_assert_str_eq(w->queue_id, "q-support");
	ck_assert_str_eq(w->queue_name, "Support");
	ck_assert_str_eq(w->music[0]->folder, "moh/jazz");
	ck_assert(w->record);
	ck_assert_uint_eq(RESPONSE(s)->n_shown_variables, 1);
	ck_assert_str_eq(RESPONSE(s)->shown_variables[0]->value, "1 Fault");
	wait_for("acd.in.enqueue", x, 1, true);
	wait_for("ev.flow.step.", x, 2, false);
	struct seen *e = &inputs[n_inputs - 1];
	ck_assert_str_eq(e->id, pl_arena_printf(arena, "%s-2-enqueue", x));
	Parley__Acd__V1__AcdInput *in = parley__acd__v1__acd_input__unpack(NULL, e->len, e->data);
	ck_assert(in && in->input_case == PARLEY__ACD__V1__ACD_INPUT__INPUT_ENQUEUE);
	ck_assert_str_eq(in->enqueue->customer_number, "+390432900123");
	ck_assert_int_eq(in->enqueue->priority, 3);
	ck_assert_str_eq(in->enqueue->attributes[0]->value, "1 Fault");
	parley__acd__v1__acd_input__free_unpacked(in, NULL);
	OK(step_left(x, 3, "answered-and-ended"));
	wait_for("ev.flow.left.", x, 1, false);
}
END_TEST

START_TEST(the_same_step_again_gives_the_same_answer_and_no_second_effect)
{
	char x[PL_ID_LEN];
	const char *flow = flow_make("Again", main_menu());
	publish(flow, 1);
	struct said a = step_start(pl_id_new(x), flow), b = step_start(x, flow);
	OK(a);
	OK(b);
	ck_assert_uint_eq(RESPONSE(a)->n_actions, RESPONSE(b)->n_actions);
	ck_assert_str_eq(RESPONSE(a)->node, RESPONSE(b)->node);	/* the other copy passed it on */
	a = step_digits(x, 2, "1");
	b = step_digits(x, 2, "1");
	OK(a);
	OK(b);
	ck_assert_str_eq(RESPONSE(b)->actions[0]->wait_in_queue->queue_id, "q-support");
	b = step_digits(x, 4, "1");
	ck_assert_int_eq(b.err, PL_E_STATE);
	ck_assert_str_eq(b.why.field, "seq");
	b = step_digits(x, 3, "1");	/* it waits in the queue */
	ck_assert_int_eq(b.err, PL_E_STATE);
	OK(step_gone(x, 9));		/* gone is gone, whatever was lost before */
	OK(step_gone(x, 10));
	wait_for("ev.flow.left.", x, 1, false);
	ck_assert_uint_eq(count(inputs, n_inputs, "acd.in.enqueue", x), 1);
	ck_assert_uint_eq(count(ledger, n_ledger, "ev.flow.entered.", x), 1);
	ck_assert_uint_eq(count(ledger, n_ledger, "ev.flow.left.", x), 1);
}
END_TEST

START_TEST(a_customer_who_goes_while_a_step_is_being_stored_leaves_no_question_open)
{
	const char *flow = flow_make("Hurry", main_menu());
	publish(flow, 1);
	for (int i = 0; i < 50; i++) {
		char x[PL_ID_LEN];
		OK(step_start(pl_id_new(x), flow));
		Parley__Flow__V1__StepRequest *m[2] = { req(x, 2), req(x, 3) };
		m[0]->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS;
		m[0]->digits = PL_NEW(arena, Parley__Flow__V1__DigitsCollected);
		parley__flow__v1__digits_collected__init(m[0]->digits);
		m[0]->digits->digits = STR("1");
		m[1]->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_GONE;
		m[1]->gone = PL_NEW(arena, Parley__Flow__V1__CustomerGone);
		parley__flow__v1__customer_gone__init(m[1]->gone);
		struct said s[2] = { 0 };
		struct rpc_to to = { RUN, "Step", NULL, NULL, 10000 };
		struct pl_why why = { 0 };
		for (int k = 0; k < 2; k++)	/* both in one turn: the first is not answered when the second comes */
			ck_assert(rpc_ask(bus, &to, &m[k]->base, on_said, &s[k], &why));
		for (int k = 0; k < 2; k++)
			ck_assert(tk_until(is_done, &s[k], turn, loop, LIMIT_S));
		for (int k = 0; k < 2; k++)	/* a busy machine: a lease may lapse for a moment, and the channel asks again */
			if (s[k].err == PL_E_UNAVAIL)
				s[k] = step(m[k]);
		/* Two copies may hear them in the other order: then the call was over before the digit. */
		ck_assert_msg(s[0].err == PL_OK || s[0].err == PL_E_STATE, "%s: %s", pl_err_name(s[0].err), s[0].why.text);
		OK(s[1]);
		ck_assert(RESPONSE(s[1])->ended);
	}
}
END_TEST

START_TEST(a_graph_with_problems_is_kept_but_not_published)
{
	Parley__Flow__V1__CreateFlowRequest in = PARLEY__FLOW__V1__CREATE_FLOW_REQUEST__INIT;
	Parley__Flow__V1__Flow f = PARLEY__FLOW__V1__FLOW__INIT;
	f.name = (char *)(uintptr_t)"Wrong";
	in.flow = &f;
	in.graph = graph_of("{'start':'q','nodes':{'q':{'type':'queue','queue':'q-nowhere'}}}");
	struct said s = ask_patiently(FLOWS, "CreateFlow", ADMIN, &in.base);
	OK(s);
	const Parley__Flow__V1__CreateFlowResponse *m = (const void *)s.out;
	Parley__Flow__V1__PublishFlowRequest pub = PARLEY__FLOW__V1__PUBLISH_FLOW_REQUEST__INIT;
	pub.flow_id = m->flow->id;
	pub.version = 1;
	s = ask_patiently(FLOWS, "PublishFlow", ADMIN, &pub.base);
	ck_assert_int_eq(s.err, PL_E_STATE);
	ck_assert_str_eq(s.why.field, "nodes.q.queue");
	Parley__Flow__V1__GetFlowRequest get = PARLEY__FLOW__V1__GET_FLOW_REQUEST__INIT;
	get.id = m->flow->id;
	s = ask_patiently(FLOWS, "GetFlow", ADMIN, &get.base);
	OK(s);
	const Parley__Flow__V1__GetFlowResponse *g = (const void *)s.out;
	ck_assert_uint_eq(g->n_problems, 1);
	ck_assert_str_eq(g->problems[0]->text, "there is no such queue: q-nowhere");
	ck_assert_uint_eq(g->flow->published_version, 0);
	s = ask(FLOWS, "PublishFlow", "agent 0193f0a1-0000-7000-8000-000000000002 s", &pub.base);
	ck_assert_int_eq(s.err, PL_E_DENIED);
	s = ask_patiently(FLOWS, "CreateFlow", ADMIN, &in.base);
	ck_assert_int_eq(s.err, PL_E_EXISTS);
	ck_assert_str_eq(s.why.field, "flow.name");
}
END_TEST

START_TEST(a_session_keeps_its_version_and_new_ones_take_the_published_one)
{
	char x[PL_ID_LEN], y[PL_ID_LEN];
	const char *flow = flow_make("Versions", "{'start':'m','nodes':{'m':{'type':'menu','prompt':'One','choices':{'1':'m'},'timeout':'m'}}}");
	publish(flow, 1);
	OK(step_start(pl_id_new(x), flow));
	Parley__Flow__V1__CreateFlowVersionRequest in = PARLEY__FLOW__V1__CREATE_FLOW_VERSION_REQUEST__INIT;
	in.flow_id = (char *)(uintptr_t)flow;
	in.graph = graph_of("{'start':'m','nodes':{'m':{'type':'menu','prompt':'Two','choices':{'1':'m'},'timeout':'m'}}}");
	struct said s = ask_patiently(FLOWS, "CreateFlowVersion", ADMIN, &in.base);
	OK(s);
	ck_assert_uint_eq(((const Parley__Flow__V1__CreateFlowVersionResponse *)(const void *)s.out)->version->version, 2);
	publish(flow, 2);
	int64_t until = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	do {	/* the news travels by event: until then the old version begins */
		s = step_start(pl_id_new(y), flow);
		OK(s);
		ck_assert(pl_mono_us() < until);
	} while (strcmp(RESPONSE(s)->actions[0]->collect->sources[0]->say->text, "Two") != 0);
	s = step_digits(x, 2, "1");
	OK(s);
	ck_assert_str_eq(RESPONSE(s)->actions[0]->collect->sources[0]->say->text, "One");
}
END_TEST

START_TEST(what_a_caller_types_in_secret_is_nowhere_in_the_ledger)
{
	char x[PL_ID_LEN];
	const char *flow = flow_make("Secret", "{'start':'c','show':['pin','ok'],'nodes':{'c':{'type':'collect','prompt':'PIN?','variable':'pin',"
		"'secret':true,'next':'i','timeout':'h'},'i':{'type':'if','when':{'variable':'pin','is':'eq','value':'86420975'},'true':'s','false':'h'},"
		"'s':{'type':'set','variables':{'ok':'yes'},'next':'q'},'q':{'type':'queue','queue':'q-support'},'h':{'type':'hangup'}}}");
	publish(flow, 1);
	struct said s = step_start(pl_id_new(x), flow);
	OK(s);
	ck_assert(RESPONSE(s)->actions[0]->collect->secret);
	s = step_digits(x, 2, "86420975");
	OK(s);
	ck_assert_int_eq(RESPONSE(s)->actions[0]->action_case, PARLEY__FLOW__V1__ACTION__ACTION_WAIT_IN_QUEUE);
	ck_assert_uint_eq(RESPONSE(s)->n_shown_variables, 1);
	ck_assert_str_eq(RESPONSE(s)->shown_variables[0]->key, "ok");
	wait_for("acd.in.enqueue", x, 1, true);
	wait_for("ev.flow.step.", x, 2, false);
	for (size_t i = 0; i < n_ledger; i++)
		ck_assert_ptr_null(memmem(ledger[i].data, ledger[i].len, "86420975", 8));
	for (size_t i = 0; i < n_inputs; i++)
		ck_assert_ptr_null(memmem(inputs[i].data, inputs[i].len, "86420975", 8));
}
END_TEST

START_TEST(when_its_copy_is_killed_another_goes_on_with_the_session)
{
	enum { N = 20 };
	static char ids[N][PL_ID_LEN];
	const char *flow = flow_make("Survives", main_menu());
	publish(flow, 1);
	char owner[N][64];
	for (int i = 0; i < N; i++) {
		OK(step_start(pl_id_new(ids[i]), flow));
		struct said s = step_digits(ids[i], 2, "1");
		OK(s);
		pl_strlcpy(owner[i], RESPONSE(s)->node, sizeof(owner[i]));
	}
	int dead = strcmp(owner[0], "flow-a") == 0 ? 0 : 1;
	const char *survivor = dead == 0 ? "flow-b" : "flow-a";
	tk_kill(copy[dead]);
	for (int i = 0; i < N; i++) {
		struct said s = step_digits(ids[i], 2, "1");	/* the channel asks again what it may not have heard */
		OK(s);
		ck_assert_str_eq(RESPONSE(s)->actions[0]->wait_in_queue->queue_id, "q-support");
		s = step_left(ids[i], 3, "timeout");
		OK(s);
		ck_assert_str_eq(RESPONSE(s)->node, survivor);
		ck_assert_str_eq(RESPONSE(s)->actions[0]->play->sources[0]->say->text, "Sorry about 1 Fault.");
		ck_assert(RESPONSE(s)->ended);
	}
	for (int i = 0; i < N; i++) {
		wait_for("ev.flow.left.", ids[i], 1, false);
		ck_assert_uint_eq(count(inputs, n_inputs, "acd.in.enqueue", ids[i]), 1);
		ck_assert_uint_eq(count(ledger, n_ledger, "ev.flow.left.", ids[i]), 1);
	}
	tk_start(copy[dead]);
}
END_TEST

START_TEST(schedules_are_checked_and_changes_meet_an_old_revision_with_a_conflict)
{
	Parley__Flow__V1__CreateScheduleRequest in = PARLEY__FLOW__V1__CREATE_SCHEDULE_REQUEST__INIT;
	in.schedule = all_week("Office");
	in.schedule->time_zone = (char *)(uintptr_t)"Europe/Atlantis";
	struct said s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
	ck_assert_int_eq(s.err, PL_E_FORMAT);
	ck_assert_str_eq(s.why.field, "schedule.time_zone");
	in.schedule->time_zone = (char *)(uintptr_t)"../../etc/passwd";
	ck_assert_int_eq(ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base).err, PL_E_FORMAT);
	in.schedule->time_zone = (char *)(uintptr_t)"Europe/Rome";
	in.schedule->weekly[0]->to_minute = 1441;
	s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
	ck_assert_str_eq(s.why.field, "schedule.weekly.to_minute");
	in.schedule->weekly[0]->to_minute = 60;
	s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
	OK(s);
	Parley__Flow__V1__UpdateScheduleRequest up = PARLEY__FLOW__V1__UPDATE_SCHEDULE_REQUEST__INIT;
	up.schedule = ((const Parley__Flow__V1__CreateScheduleResponse *)(const void *)s.out)->schedule;
	OK(ask_patiently(SCHEDULES, "UpdateSchedule", ADMIN, &up.base));
	ck_assert_int_eq(ask_patiently(SCHEDULES, "UpdateSchedule", ADMIN, &up.base).err, PL_E_CONFLICT);
	Parley__Flow__V1__DeleteScheduleRequest del = PARLEY__FLOW__V1__DELETE_SCHEDULE_REQUEST__INIT;
	del.id = up.schedule->id;
	OK(ask_patiently(SCHEDULES, "DeleteSchedule", ADMIN, &del.base));
	wait_for("ev.flow.schedule-changed.", up.schedule->id, 3, false);
}
END_TEST

START_TEST(copies_that_are_told_to_stop_end_cleanly)	/* under a leak checker: without a leak */
{
	for (int i = 0; i < 2; i++) {
		Parley__Flow__V1__StepRequest nonsense = PARLEY__FLOW__V1__STEP_REQUEST__INIT;
		struct rpc_to to = { RUN, "Step", i == 0 ? "flow-a" : "flow-b", NULL, 3000 };
		struct pl_why why = { 0 };
		int64_t until = pl_mono_us() + LIMIT_S * PL_US_PER_S;
		struct said s;
		do {	/* until it has begun its work */
			s = (struct said){ .err = PL_E_UNAVAIL };
			ck_assert(pl_mono_us() < until);
			if (rpc_ask(bus, &to, &nonsense.base, on_said, &s, &why))
				ck_assert(tk_until(is_done, &s, turn, loop, LIMIT_S));
		} while (s.err != PL_E_FORMAT);
		ck_assert_int_eq(tk_stop(copy[i]), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("flow shell");
	TCase *t = tcase_create("shell");
	tcase_set_timeout(t, 300);
	tcase_add_unchecked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_caller_goes_through_the_menu_into_the_queue);
	tcase_add_test(t, the_same_step_again_gives_the_same_answer_and_no_second_effect);
	tcase_add_test(t, a_customer_who_goes_while_a_step_is_being_stored_leaves_no_question_open);
	tcase_add_test(t, a_graph_with_problems_is_kept_but_not_published);
	tcase_add_test(t, a_session_keeps_its_version_and_new_ones_take_the_published_one);
	tcase_add_test(t, what_a_caller_types_in_secret_is_nowhere_in_the_ledger);
	tcase_add_test(t, when_its_copy_is_killed_another_goes_on_with_the_session);
	tcase_add_test(t, schedules_are_checked_and_changes_meet_an_old_revision_with_a_conflict);
	tcase_add_test(t, copies_that_are_told_to_stop_end_cleanly);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);	/* the servers belong to this process */
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
