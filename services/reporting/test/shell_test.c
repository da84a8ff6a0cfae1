/* The service as processes on a real NATS, PostgreSQL and Redis: the ledger in, rows, figures and answers out. */
#include "ledger.h"
#include "parley/report/v1/report.pb-c.h"
#include <check.h>
#include <parley/pg.h>
#include <parley/redis.h>
#include <parley/rpc.h>
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>

#define HISTORY (&parley__report__v1__history_service__descriptor)
#define LIVE (&parley__report__v1__live_service__descriptor)
#define SUPERVISOR "supervisor 0193f0a1-0000-7000-8000-000000000001 s"
#define S PL_US_PER_S
#define LIMIT_S 60

static struct tk *nats, *db, *cache, *copy[2];
static struct pl_loop *loop;
static struct bus *bus;
static struct pg *pg;
static struct redis *redis;
static struct pl_arena *arena;
static char last_id[PL_ID_LEN];

static void turn(void *l)
{
	pl_loop_turn(l);
}

/* --- asking the database --- */

struct query {
	char sql[512];
	int64_t n;
	bool done;
	enum pl_err err;
};
static enum pl_err query_job(void *arg, struct pg_conn *c, struct pl_why *why)
{
	struct query *q = arg;
	char view[600];
	snprintf(view, sizeof(view), "CREATE OR REPLACE TEMP VIEW answer AS SELECT coalesce((%s), 0)::bigint AS n",
		 q->sql);
	static const struct pg_stmt get = { "get", "SELECT n FROM answer" };
	struct pg_rows *rows;
	enum pl_err err = pg_exec_text(c, view, why);
	if (!err)
		err = pg_exec(c, &get, NULL, 0, &rows, why);
	if (!err)
		q->n = pg_int(rows, 0, 0);
	return err;
}
static void query_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct query *q = arg;
	q->done = true;
	q->err = err;
	if (err)
		fprintf(stderr, "%s: %s\n", q->sql, why->text);
}
static bool is_done(void *arg)
{
	return *(bool *)arg;
}

static int64_t ask_db(const char *sql)
{
	struct query q = { .n = 0 };
	pl_strlcpy(q.sql, sql, sizeof(q.sql));
	ck_assert_int_eq(pg_tx(pg, query_job, query_done, &q), PL_OK);
	ck_assert(tk_until(is_done, &q.done, turn, loop, LIMIT_S));
	ck_assert_int_eq(q.err, PL_OK);
	return q.n;
}

static void wait_db(const char *sql, int64_t want)
{
	int64_t until = pl_mono_us() + LIMIT_S * S, n;
	while ((n = ask_db(sql)) != want)
		ck_assert_msg(pl_mono_us() < until, "%s: %" PRId64 ", not %" PRId64, sql, n, want);
}

/* --- calls --- */

struct said {
	bool done;
	enum pl_err err;
	struct pl_why why;
	ProtobufCMessage *out;
};
static void on_said(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *w)
{
	struct said *s = arg;
	*s = (struct said){ .done = true, .err = err, .out = out ? rpc_dup(out, arena) : NULL };
	if (w)
		s->why = *w;
}
static struct said ask(const ProtobufCServiceDescriptor *d, const char *method, const char *actor,
		       const ProtobufCMessage *in)
{
	int64_t until = pl_mono_us() + LIMIT_S * S;
	struct said s;
	do {
		struct rpc_to to = { d, method, NULL, actor, 3000 };
		struct pl_why why = { 0 };
		s = (struct said){ .err = PL_E_UNAVAIL };
		if (rpc_ask(bus, &to, in, on_said, &s, &why))
			ck_assert(tk_until(is_done, &s.done, turn, loop, LIMIT_S));
		else
			turn(loop);
	} while ((s.err == PL_E_UNAVAIL || s.err == PL_E_TIMEOUT) && pl_mono_us() < until);
	return s;
}
#define OK(s) ck_assert_msg((s).err == PL_OK, "%s: %s %s", pl_err_name((s).err), (s).why.field, (s).why.text)

static const Parley__Report__V1__Interaction *get(const char *id, const char *actor, enum pl_err want)
{
	Parley__Report__V1__GetInteractionRequest in = PARLEY__REPORT__V1__GET_INTERACTION_REQUEST__INIT;
	in.id = STR(id);
	struct said s = ask(HISTORY, "GetInteraction", actor, &in.base);
	ck_assert_msg(s.err == want, "%s: %s", pl_err_name(s.err), s.why.text);
	return s.err ? NULL : ((const Parley__Report__V1__GetInteractionResponse *)(const void *)s.out)->interaction;
}

static const Parley__Report__V1__QueueFigures *live_queue(const char *id)
{
	Parley__Report__V1__GetLiveRequest in = PARLEY__REPORT__V1__GET_LIVE_REQUEST__INIT;
	struct said s = ask(LIVE, "GetLive", SUPERVISOR, &in.base);
	OK(s);
	const Parley__Report__V1__GetLiveResponse *m = (const void *)s.out;
	for (size_t i = 0; i < m->n_queues; i++)
		if (strcmp(m->queues[i]->queue_id, id) == 0)
			return m->queues[i];
	return NULL;
}

/* --- real-time messages --- */

static Parley__Report__V1__QueueFigures *rt_queue;
static Parley__Report__V1__AgentFigures *rt_agent;
static int rt_n;
static void on_rt(void *arg, const struct bus_msg *m)
{
	struct pl_why why;
	ProtobufCMessage *p;
	rt_n++;
	if (strcmp(m->subject, "rt.queue.q-rt") == 0 && rpc_decode(m, arena, &p, &why) == PL_OK)
		rt_queue = (Parley__Report__V1__QueueFigures *)(void *)p;
	if (strcmp(m->subject, "rt.agent.a-rt") == 0 && rpc_decode(m, arena, &p, &why) == PL_OK)
		rt_agent = (Parley__Report__V1__AgentFigures *)(void *)p;
}

struct kept {
	bool done, found;
};
static void on_kept(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct kept *k = arg;
	k->done = true;
	k->found = !err && v->kind == REDIS_STR && v->len > 0;
}
static bool redis_has(void *arg)
{
	struct kept k = { 0 };
	if (REDIS_CMD(redis, on_kept, &k, "GET", (const char *)arg) != PL_OK)
		return false;
	ck_assert(tk_until(is_done, &k.done, turn, loop, LIMIT_S));
	return k.found;
}
static bool redis_is_up(void *arg)
{
	return redis_up(redis);
}

/* --- processes --- */

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
	snprintf(a[4], 256, "--sql-dir=%s", REP_SQL_DIR);
	snprintf(a[5], 256, "--redis-url=%s", tk_url(cache));
	const char *argv[] = { REP_PROGRAM,         a[0], a[1], a[2], a[3], a[4], a[5], "--pg-conns=2", "--linger-s=2",
			       "--batch-events=50", NULL };
	return tk_program(argv, port);
}

static void setup(void)
{
	struct pl_why why = { 0 };
	nats = tk_nats(NULL);
	db = tk_pg();
	cache = tk_redis();
	arena = pl_arena_new(0);
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	struct bus_cfg cfg = {
		.url = tk_url(nats), .service = "call-control", .node = "tester", .connect_wait_ms = 20000
	};
	ck_assert_msg(bus_open(&bus, loop, NULL, &cfg, &why) == PL_OK, "%s", why.text);
	ledger_open(bus, loop, pl_wall_us() - 300 * S);
	struct bus_sub *sub;
	ck_assert_int_eq(bus_subscribe(&sub, bus, "rt.>", NULL, on_rt, NULL, &why), PL_OK);
	struct pg_cfg pc = { tk_url(db), NULL, "report", "test", 1 };
	ck_assert_int_eq(pg_open(&pg, loop, NULL, &pc, &why), PL_OK);
	ck_assert_int_eq(redis_open(&redis, loop, NULL, tk_url(cache), NULL, NULL, NULL, NULL, &why), PL_OK);
	ck_assert(tk_until(redis_is_up, NULL, turn, loop, LIMIT_S));
	copy[0] = start("rep-a");
	copy[1] = start("rep-b");
	wait_db("SELECT count(*) FROM information_schema.tables WHERE table_schema = 'report' AND table_name = "
		"'recording'",
		1);
}

static void teardown(void)
{
	tk_free(copy[0]);
	tk_free(copy[1]);
	redis_close(redis);
	pg_close(pg);
	turn(loop); /* what its threads posted last */
	bus_close(bus);
	pl_loop_free(loop);
	pl_arena_free(arena);
	tk_free(cache);
	tk_free(db);
	tk_free(nats);
}

/* --- tests; one after the other on the same servers --- */

START_TEST(a_call_becomes_a_row_with_segments_recording_and_menu_path)
{
	char rec[PL_ID_LEN];
	struct who w = { pl_id_new(last_id), NULL, NULL }, q = { last_id, NULL, "q1" }, a = { last_id, "a1", "q1" };
	queue_conf("q1", "Support");
	agent_conf("a1", "Marta Rinaldi", "q1");
	started(&w, 200, "+390432900123");
	entered(&w, 200.1);
	chose(&w, 208, "1", "Fault");
	queued(&q, 210, 0);
	offered(&a, 212, "o1");
	recording(&a, 215, pl_id_new(rec), PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_EXPECTED);
	connected(&a, 215);
	dequeued(&q, 215, "answered");
	disconnected(&a, 245);
	ended(&a, 245, "customer", "normal");
	released(&a, 260, 15000);
	stopped(&a, 245, rec);
	recording(&a, 246, rec, PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_VERIFIED);
	ledger_settle();
	wait_db("SELECT count(*) FROM recording WHERE status = 2", 1);
	const Parley__Report__V1__Interaction *m = get(last_id, SUPERVISOR, PL_OK);
	ck_assert_str_eq(m->outcome, "answered");
	ck_assert_str_eq(m->queue_name, "Support");
	ck_assert_str_eq(m->agent_name, "Marta Rinaldi");
	ck_assert_str_eq(m->customer_number, "+390432900123");
	ck_assert_str_eq(m->customer_name, "Alba ?\"\\");
	ck_assert_uint_eq(m->menu_ms, 10000);
	ck_assert_uint_eq(m->wait_ms, 5000);
	ck_assert_uint_eq(m->talk_ms, 30000);
	ck_assert_uint_eq(m->wrap_up_ms, 15000);
	ck_assert_uint_eq(m->duration_ms, 45000);
	ck_assert(m->mos == 4.25);
	ck_assert_uint_eq(m->n_segments, 5);
	ck_assert_int_eq(m->segments[2]->kind, PARLEY__REPORT__V1__SEGMENT_KIND__SEGMENT_KIND_RING);
	ck_assert_str_eq(m->segments[3]->agent_name, "Marta Rinaldi");
	ck_assert_uint_eq(m->n_recordings, 1);
	ck_assert_int_eq(m->recordings[0]->status, PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_VERIFIED);
	ck_assert_uint_eq(m->recordings[0]->n_marks, 1);
	ck_assert_str_eq(m->recordings[0]->marks[0]->kind, "hold");
	ck_assert_uint_eq(m->n_menu_path, 1);
	ck_assert_str_eq(m->menu_path[0]->value, "1 Fault");
	ck_assert_int_eq(ask_db("SELECT sum(answered * 1000 + within) FROM queue_day WHERE queue_id = 'q1'"), 1001);
	ck_assert_int_eq(ask_db("SELECT handled * 1000000 + talk_ms FROM agent_day WHERE agent_id = 'a1'"), 1030000);
	ck_assert_int_eq(ask_db("SELECT count(*) FROM open_interaction"), 0);
}
END_TEST

START_TEST(agents_see_their_own_history_only)
{
	char other[PL_ID_LEN];
	struct who w = { pl_id_new(other), NULL, NULL };
	started(&w, 250, "+39055111");
	ended(&w, 255, "customer", "abandoned-menu");
	ledger_settle();
	wait_db("SELECT count(*) FROM interaction WHERE outcome = 'abandoned-menu'", 1);
	Parley__Report__V1__ListInteractionsRequest in = PARLEY__REPORT__V1__LIST_INTERACTIONS_REQUEST__INIT;
	struct said s = ask(HISTORY, "ListInteractions", "agent a1 s", &in.base);
	OK(s);
	const Parley__Report__V1__ListInteractionsResponse *m = (const void *)s.out;
	ck_assert_uint_eq(m->n_interactions, 1);
	ck_assert_str_eq(m->interactions[0]->id, last_id);
	ck_assert_int_eq(m->page->total, 1);
	s = ask(HISTORY, "ListInteractions", "agent a2 s", &in.base);
	OK(s);
	ck_assert_uint_eq(((const Parley__Report__V1__ListInteractionsResponse *)(const void *)s.out)->n_interactions,
			  0);
	get(other, "agent a1 s", PL_E_NOTFOUND);
	get(last_id, "agent a1 s", PL_OK);
	ck_assert_int_eq(ask(HISTORY, "ListInteractions", "", &in.base).err, PL_E_AUTH);
	in.search = STR("0432_0"); /* no wildcard */
	s = ask(HISTORY, "ListInteractions", SUPERVISOR, &in.base);
	OK(s);
	ck_assert_uint_eq(((const Parley__Report__V1__ListInteractionsResponse *)(const void *)s.out)->n_interactions,
			  0);
	in.search = STR("900123");
	s = ask(HISTORY, "ListInteractions", SUPERVISOR, &in.base);
	OK(s);
	ck_assert_uint_eq(((const Parley__Report__V1__ListInteractionsResponse *)(const void *)s.out)->n_interactions,
			  1);
}
END_TEST

START_TEST(the_live_page_moves_while_it_happens)
{
	char x[PL_ID_LEN], y[PL_ID_LEN];
	struct who w = { pl_id_new(x), NULL, "q-rt" }, v = { pl_id_new(y), NULL, "q-rt" }, a = { x, "a-rt", "q-rt" };
	queue_conf("q-rt", "Real time");
	agent_conf("a-rt", "Luca Moretti", "q-rt");
	agent_state("a-rt", 200, PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_READY, 1, NULL);
	started(&w, 280, "+39011");
	queued(&w, 281, 0);
	started(&v, 282, "+39022");
	queued(&v, 283, 7);
	offered(&a, 284, "o-rt");
	ledger_settle();
	int64_t until = pl_mono_us() + LIMIT_S * S;
	while (!(rt_queue && rt_queue->waiting == 2 && rt_queue->n_waiting_items == 2 &&
		 *rt_queue->waiting_items[1]->offered_agent_id)) {
		ck_assert(pl_mono_us() < until);
		turn(loop);
	}
	ck_assert_str_eq(rt_queue->queue_name, "Real time");
	ck_assert_str_eq(rt_queue->waiting_items[0]->customer_number, "+39022"); /* by priority */
	ck_assert_uint_eq(rt_queue->waiting_items[0]->position, 1);
	ck_assert_str_eq(rt_queue->waiting_items[1]->offered_agent_id, "a-rt");
	ck_assert_int_eq(rpc_ts_us(rt_queue->longest_since), ledger_t0_us + 281 * S);
	ck_assert_uint_eq(rt_queue->agents_ready, 1);
	ck_assert_uint_eq(rt_queue->offered_today, 2);
	ck_assert_int_eq(rt_queue->service_level_pct100, -1);
	wait_db("SELECT count(*) FROM open_interaction", 2);
	const Parley__Report__V1__Interaction *open = get(x, SUPERVISOR, PL_OK); /* what is open is history too */
	ck_assert_str_eq(open->outcome, "open");
	ck_assert_uint_eq(open->n_segments, 2);
	agent_state("a-rt", 290, PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_ON_CONTACT, 2, x);
	connected(&a, 290);
	dequeued(&w, 290, "answered");
	ledger_settle();
	while (!(rt_queue->talking == 1 && rt_agent && rt_agent->status && rt_agent->status->n_interaction_ids == 1)) {
		ck_assert(pl_mono_us() < until);
		turn(loop);
	}
	ck_assert_uint_eq(rt_queue->waiting, 1);
	ck_assert_uint_eq(rt_queue->answered_today, 1);
	ck_assert_uint_eq(rt_queue->agents_on_contact, 1);
	ck_assert_int_eq(rt_queue->service_level_pct100, 10000);
	ck_assert_str_eq(rt_agent->customer_number, "+39011");
	ck_assert_str_eq(rt_agent->interaction_id, x);
	ck_assert_uint_ge(rt_agent->sum_ready_ms, 90000);
	ended(&v, 295, "customer", "abandoned-queue");
	dequeued(&v, 295, "abandoned");
	disconnected(&a, 296);
	ended(&a, 296, "customer", "normal");
	released(&a, 296, 0);
	agent_state("a-rt", 296, PARLEY__ACD__V1__AGENT_STATE__AGENT_STATE_READY, 3, NULL);
	ledger_settle();
	while (!(rt_queue->waiting == 0 && rt_queue->abandoned_today == 1 && rt_queue->talking == 0 &&
		 rt_queue->agents_ready == 1)) {
		ck_assert(pl_mono_us() < until);
		turn(loop);
	}
	ck_assert_int_eq(rt_queue->service_level_pct100, 5000);
	ck_assert_int_eq((int)live_queue("q-rt")->abandoned_today, 1);
	wait_db("SELECT ready_ms / 1000 FROM agent_day WHERE agent_id = 'a-rt'", 90);
	wait_db("SELECT count(*) FROM agent_state_interval WHERE agent_id = 'a-rt'", 2);
}
END_TEST

START_TEST(real_time_values_are_back_soon_after_redis_was_wiped)
{
	struct kept k = { 0 };
	ck_assert(tk_until(redis_has, STR("rt:queue:q-rt"), turn, loop, LIMIT_S));
	ck_assert_int_eq(REDIS_CMD(redis, on_kept, &k, "FLUSHALL"), PL_OK);
	ck_assert(tk_until(is_done, &k.done, turn, loop, LIMIT_S));
	ck_assert(!redis_has(STR("rt:agent:a-rt")));
	ck_assert(tk_until(redis_has, STR("rt:queue:q-rt"), turn, loop, LIMIT_S));
	ck_assert(tk_until(redis_has, STR("rt:agent:a-rt"), turn, loop, LIMIT_S));
}
END_TEST

static void check_many(int64_t n)
{
#define MANY "FROM interaction WHERE customer_number = '+39040'"
	wait_db("SELECT count(*) " MANY " AND outcome = 'answered'", n / 2);
	wait_db("SELECT count(*) " MANY " AND outcome <> 'open'", n);
	wait_db("SELECT count(*) FROM open_interaction", 0);
	ck_assert_int_eq(ask_db("SELECT count(*) " MANY), n);
	ck_assert_int_eq(ask_db("SELECT count(*) " MANY " AND outcome = 'abandoned-queue'"), n / 4);
	ck_assert_int_eq(ask_db("SELECT count(*) " MANY " AND outcome = 'self-service'"), n / 4);
	ck_assert_int_eq(ask_db("SELECT sum(talk_ms) " MANY), n / 2 * 20000);
	ck_assert_int_eq(ask_db("SELECT sum(duration_ms) " MANY), n / 2 * 27000 + n / 4 * 8000 + n / 4 * 9000);
	/* no row missing or doubled, no second lost: segments of the time line add up to the durations */
	ck_assert_int_eq(ask_db("SELECT count(*) FROM interaction i WHERE customer_number = '+39040' AND duration_ms "
				"<> (SELECT sum(extract(epoch FROM "
				"s.ended_at - s.started_at) * 1000) FROM segment s WHERE s.interaction_id = i.id AND "
				"s.kind NOT IN (3, 6))"),
			 0);
	ck_assert_int_eq(ask_db("SELECT count(*) FROM segment s JOIN interaction i ON i.id = s.interaction_id WHERE "
				"customer_number = '+39040' AND s.kind = 3"),
			 n / 2 + n / 4);
	ck_assert_int_eq(ask_db("SELECT sum(offered) FROM queue_interval WHERE queue_id = 'q-many'"), n / 4 * 3);
	ck_assert_int_eq(ask_db("SELECT sum(answered) FROM queue_interval WHERE queue_id = 'q-many'"), n / 2);
	ck_assert_int_eq(ask_db("SELECT sum(abandoned) FROM queue_interval WHERE queue_id = 'q-many'"), n / 4);
	ck_assert_int_eq(ask_db("SELECT sum(wait_answered_ms) FROM queue_interval WHERE queue_id = 'q-many'"),
			 n / 2 * 6000);
	ck_assert_int_eq(ask_db("SELECT sum(handled) FROM agent_day WHERE agent_id LIKE 'm-_'"), n / 2);
	ck_assert_int_eq(ask_db("SELECT sum(wrap_ms) FROM agent_day WHERE agent_id LIKE 'm-_'"), n / 2 * 3000);
	ck_assert_int_eq(ask_db("SELECT missed FROM agent_day WHERE agent_id = 'm-miss'"), n / 4);
	ck_assert_int_eq((int)live_queue("q-many")->answered_today + (int)live_queue("q-many")->abandoned_today,
			 n / 4 * 3);
}

START_TEST(kill_in_the_middle_of_a_thousand_calls_loses_and_doubles_nothing)
{
	queue_conf("q-many", "Many");
	for (int i = 0; i < 1000; i++) {
		one_call(i);
		if (i % 10 == 0)
			ledger_settle();
		if (i == 200 || i == 500) /* the writer, then the one that took over, then both */
			tk_kill(copy[i == 500]);
		if (i == 350 || i == 650)
			tk_start(copy[i == 650]);
		if (i == 800) {
			tk_kill(copy[0]);
			tk_kill(copy[1]);
			tk_start(copy[0]);
			tk_start(copy[1]);
		}
	}
	ledger_settle();
	check_many(1000);
}
END_TEST

START_TEST(the_database_away_delays_and_loses_nothing)
{
	tk_kill(db);
	for (int i = 1000; i < 1200; i++)
		one_call(i);
	ledger_settle();
	tk_start(db);
	int64_t until = pl_mono_us() + LIMIT_S * S;
	struct query q;
	do { /* until the test itself is connected again */
		q = (struct query){ .sql = "SELECT 1" };
		ck_assert_int_eq(pg_tx(pg, query_job, query_done, &q), PL_OK);
		ck_assert(tk_until(is_done, &q.done, turn, loop, LIMIT_S));
		ck_assert(pl_mono_us() < until);
	} while (q.err);
	check_many(1200);
}
END_TEST

START_TEST(lists_are_read_in_pages_without_gap_or_repetition)
{
	Parley__Report__V1__ListInteractionsRequest in = PARLEY__REPORT__V1__LIST_INTERACTIONS_REQUEST__INIT;
	Parley__Common__V1__PageRequest page = PARLEY__COMMON__V1__PAGE_REQUEST__INIT;
	size_t n = 0;
	int64_t before = INT64_MAX;
	in.page = &page;
	in.queue_id = STR("q-many");
	in.outcome = STR("answered");
	page.size = 130;
	do {
		struct said s = ask(HISTORY, "ListInteractions", SUPERVISOR, &in.base);
		OK(s);
		const Parley__Report__V1__ListInteractionsResponse *m = (const void *)s.out;
		ck_assert_int_eq(m->page->total, 600);
		for (size_t i = 0; i < m->n_interactions; i++, n++) {
			int64_t at = rpc_ts_us(m->interactions[i]->started_at);
			ck_assert_int_le(at, before);
			before = at;
		}
		page.token = m->page->next_token;
	} while (*page.token);
	ck_assert_uint_eq(n, 600);
	page.token = STR("1.2.3");
	ck_assert_int_eq(ask(HISTORY, "ListInteractions", SUPERVISOR, &in.base).err, PL_E_FORMAT);
}
END_TEST

START_TEST(copies_that_are_told_to_stop_end_cleanly) /* under a leak checker: without a leak */
{
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(tk_stop(copy[i]), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reporting shell");
	TCase *t = tcase_create("shell");
	tcase_set_timeout(t, 400);
	tcase_add_unchecked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	tcase_add_test(t, a_call_becomes_a_row_with_segments_recording_and_menu_path);
	tcase_add_test(t, agents_see_their_own_history_only);
	tcase_add_test(t, the_live_page_moves_while_it_happens);
	tcase_add_test(t, real_time_values_are_back_soon_after_redis_was_wiped);
	tcase_add_test(t, kill_in_the_middle_of_a_thousand_calls_loses_and_doubles_nothing);
	tcase_add_test(t, the_database_away_delays_and_loses_nothing);
	tcase_add_test(t, lists_are_read_in_pages_without_gap_or_repetition);
	tcase_add_test(t, copies_that_are_told_to_stop_end_cleanly);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK); /* the servers belong to this process */
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
