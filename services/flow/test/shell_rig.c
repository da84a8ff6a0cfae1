#include "shell_rig.h"

#include <stdio.h>
#include <stdlib.h>

struct tk *copy[2];
static struct tk *nats, *db;
struct pl_loop *loop;
struct bus *bus;
struct pl_arena *arena;
static struct bus_tail *ledger_tail, *input_tail;
static char schedule_id[PL_ID_LEN];

void turn(void *l)
{
	pl_loop_turn(l);
}

/* --- what was published --- */

struct seen ledger[2000], inputs[200];
size_t n_ledger, n_inputs;

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
static void on_ledger(void *arg, const struct bus_msg *m)
{
	keep(ledger, &n_ledger, PL_ARRAY_N(ledger), m);
}
static void on_input(void *arg, const struct bus_msg *m)
{
	keep(inputs, &n_inputs, PL_ARRAY_N(inputs), m);
}

size_t count(const struct seen *list, size_t n, const char *prefix, const char *id)
{
	size_t found = 0;
	for (size_t i = 0; i < n; i++)
		found += strncmp(list[i].subject, prefix, strlen(prefix)) == 0 &&
			 (strstr(list[i].subject, id) || strstr(list[i].id, id));
	return found;
}
struct want {
	const char *prefix, *id;
	size_t n;
	bool input;
};
static bool has(void *arg)
{
	const struct want *w = arg;
	return count(w->input ? inputs : ledger, w->input ? n_inputs : n_ledger, w->prefix, w->id) >= w->n;
}
void wait_for(const char *prefix, const char *id, size_t n, bool input)
{
	struct want w = { prefix, id, n, input };
	ck_assert_msg(tk_until(has, &w, turn, loop, LIMIT_S), "%s of %s did not come", prefix, id);
}

/* --- calls that wait for their answer --- */

void on_said(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	struct said *s = arg;
	*s = (struct said){ .done = true, .err = err, .out = out ? rpc_dup(out, arena) : NULL };
	if (w)
		s->why = *w;
}
bool is_done(void *arg)
{
	return ((struct said *)arg)->done;
}

struct said ask(const ProtobufCServiceDescriptor *d, const char *method, const char *actor, const ProtobufCMessage *in)
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
struct said ask_patiently(const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
			  const ProtobufCMessage *in)
{
	int64_t until = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	struct said s;
	do
		s = ask(d, method, actor, in);
	while ((s.err == PL_E_UNAVAIL || s.err == PL_E_TIMEOUT) && pl_mono_us() < until);
	return s;
}

/* --- the router's part --- */

static void list_queues(struct rpc_call *c)
{
	Parley__Acd__V1__ListQueuesResponse m = PARLEY__ACD__V1__LIST_QUEUES_RESPONSE__INIT;
	Parley__Acd__V1__Queue q = PARLEY__ACD__V1__QUEUE__INIT, *list[] = { &q };
	q.id = (char *)(uintptr_t) "q-support";
	q.name = (char *)(uintptr_t) "Support";
	q.music = (char *)(uintptr_t) "jazz";
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
static bool is_true(void *arg)
{
	return *(bool *)arg;
}

static struct tk *start(const char *node)
{
	static char args[2][8][256];
	static int n;
	char(*a)[256] = args[n++ % 2];
	int port = tk_free_port();
	snprintf(a[0], 256, "--node=%s", node);
	snprintf(a[1], 256, "--nats-url=%s", tk_url(nats));
	snprintf(a[2], 256, "--pg-dsn=%s", tk_url(db));
	snprintf(a[3], 256, "--health-port=%d", port);
	snprintf(a[4], 256, "--sql-dir=%s", FLOW_SQL_DIR);
	const char *argv[] = { FLOW_PROGRAM, a[0], a[1], a[2], a[3], a[4], "--pg-conns=2", "--log-level=info", NULL };
	return tk_program(argv, port);
}

void setup(void)
{
	struct pl_why why = { 0 };
	nats = tk_nats(NULL);
	db = tk_pg();
	arena = pl_arena_new(0);
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	struct bus_cfg cfg = {
		.url = tk_url(nats), .service = "call-control", .node = "tester", .connect_wait_ms = 20000
	};
	ck_assert_msg(bus_open(&bus, loop, NULL, &cfg, &why) == PL_OK, "%s", why.text);
	static const struct rpc_entry router[] = { { "ListQueues", list_queues }, { 0 } };
	ck_assert_int_eq(rpc_serve(bus, &parley__acd__v1__queue_service__descriptor, router, NULL, &why), PL_OK);
	static const struct bus_stream_cfg streams[] = { { .name = "LEDGER", .subjects = { "ev.>" } },
							 { .name = "ACD_IN", .subjects = { "acd.in.>" } } };
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

void teardown(void)
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

Google__Protobuf__Struct *graph_of(const char *quoted)
{
	ProtobufCMessage *m;
	struct pl_why why = { 0 };
	char *json = pl_arena_strdup(arena, quoted);
	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	ck_assert_msg(rpc_from_json(&google__protobuf__struct__descriptor, json, strlen(json), arena, &m, &why) ==
			      PL_OK,
		      "%s", why.text);
	return (Google__Protobuf__Struct *)(void *)m;
}

void publish(const char *id, uint32_t version)
{
	Parley__Flow__V1__PublishFlowRequest in = PARLEY__FLOW__V1__PUBLISH_FLOW_REQUEST__INIT;
	in.flow_id = (char *)(uintptr_t)id;
	in.version = version;
	struct said s = ask_patiently(FLOWS, "PublishFlow", ADMIN, &in.base);
	OK(s);
}

const char *flow_make(const char *name, const char *graph)
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

Parley__Flow__V1__Schedule *all_week(const char *name)
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
	s.time_zone = (char *)(uintptr_t) "Europe/Rome";
	s.weekly = list;
	s.n_weekly = 7;
	return &s;
}

const char *main_menu(void)
{
	if (!*schedule_id) {
		Parley__Flow__V1__CreateScheduleRequest in = PARLEY__FLOW__V1__CREATE_SCHEDULE_REQUEST__INIT;
		in.schedule = all_week("Always");
		struct said s = ask_patiently(SCHEDULES, "CreateSchedule", ADMIN, &in.base);
		OK(s);
		const Parley__Flow__V1__CreateScheduleResponse *m = (const void *)s.out;
		pl_strlcpy(schedule_id, m->schedule->id, sizeof(schedule_id));
	}
	return pl_arena_printf(
		arena,
		"{'start':'in','show':['topic'],'nodes':{'in':{'type':'answer','next':'hours'},"
		"'hours':{'type':'hours','schedule':'%s','open':'menu','closed':'bye'},"
		"'menu':{'type':'menu','prompt':'Press "
		"1.','choices':{'1':{'to':'q','label':'Fault'}},'variable':'topic','timeout':'q'},"
		"'q':{'type':'queue','queue':'q-support','priority':3,'otherwise':'sorry'},"
		"'sorry':{'type':'say','text':'Sorry about {{topic}}.','next':'bye'},'bye':{'type':'hangup'}}}",
		schedule_id);
}

/* --- steps --- */

Parley__Flow__V1__StepRequest *req(const char *session, uint32_t seq)
{
	Parley__Flow__V1__StepRequest *m = PL_NEW(arena, Parley__Flow__V1__StepRequest);
	parley__flow__v1__step_request__init(m);
	m->session_id = (char *)(uintptr_t)session;
	m->seq = seq;
	return m;
}

struct said step(Parley__Flow__V1__StepRequest *m)
{
	return ask_patiently(RUN, "Step", NULL, &m->base);
}

struct said step_start(const char *session, const char *flow_id)
{
	Parley__Flow__V1__StepRequest *m = req(session, 1);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_STARTED;
	m->started = PL_NEW(arena, Parley__Flow__V1__SessionStarted);
	parley__flow__v1__session_started__init(m->started);
	m->started->flow_id = (char *)(uintptr_t)flow_id;
	m->started->from_number = (char *)(uintptr_t) "+390432900123";
	m->started->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	return step(m);
}

struct said step_digits(const char *session, uint32_t seq, const char *digits)
{
	Parley__Flow__V1__StepRequest *m = req(session, seq);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_DIGITS;
	m->digits = PL_NEW(arena, Parley__Flow__V1__DigitsCollected);
	parley__flow__v1__digits_collected__init(m->digits);
	m->digits->digits = (char *)(uintptr_t)digits;
	return step(m);
}

struct said step_left(const char *session, uint32_t seq, const char *reason)
{
	Parley__Flow__V1__StepRequest *m = req(session, seq);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_QUEUE_LEFT;
	m->queue_left = PL_NEW(arena, Parley__Flow__V1__QueueLeft);
	parley__flow__v1__queue_left__init(m->queue_left);
	m->queue_left->reason = (char *)(uintptr_t)reason;
	return step(m);
}

struct said step_gone(const char *session, uint32_t seq)
{
	Parley__Flow__V1__StepRequest *m = req(session, seq);
	m->event_case = PARLEY__FLOW__V1__STEP_REQUEST__EVENT_GONE;
	m->gone = PL_NEW(arena, Parley__Flow__V1__CustomerGone);
	parley__flow__v1__customer_gone__init(m->gone);
	return step(m);
}
