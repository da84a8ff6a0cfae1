#include <check.h>
#include <parley/auth/v1/auth.pb-c.h>
#include <parley/outbox.h>
#include <parley/testkit.h>
#include <stdio.h>
#include <stdlib.h>

static struct tk *db, *nats;
static struct pl_loop *loop;
static struct pg *pg;
static struct bus *bus;
static struct pl_why why;

static void turn(void *l)
{
	pl_loop_turn(l);
}

static void until(bool (*ok)(void *), void *arg)
{
	ck_assert(tk_until(ok, arg, turn, loop, 30));
}

struct wait {
	bool done;
	enum pl_err err;
	int n;
	struct pl_why why;
};
static bool is_done(void *arg)
{
	return ((struct wait *)arg)->done;
}

static void on_reply(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	*(struct wait *)arg = (struct wait){ .done = true, .err = err };
}

static void on_job(void *arg, enum pl_err err, const struct pl_why *w)
{
	struct wait *k = arg;

	k->done = true;
	k->err = err;
	if (w)
		k->why = *w;
}

static void setup(void)
{
	struct pg_cfg pc = { .dsn = tk_url(db), .schema = "unit", .app_name = "outbox_test", .conns = 2 };
	struct bus_cfg bc = { .url = tk_url(nats), .service = "unit", .node = "unit-1", .connect_wait_ms = 10000 };
	struct bus_stream_cfg sc = {
		.name = "LEDGER", .subjects = { "ev.>" }, .max_age_s = 3600, .dup_window_s = 120, .replicas = 1
	};
	struct wait w = { 0 };

	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_int_eq(pg_open(&pg, loop, NULL, &pc, &why), PL_OK);
	ck_assert_msg(bus_open(&bus, loop, NULL, &bc, &why) == PL_OK, "%s", why.text);
	bus_stream_ensure(bus, &sc, on_reply, &w);
	until(is_done, &w);
	ck_assert_int_eq(w.err, PL_OK);
}

static void teardown(void)
{
	pg_close(pg);
	bus_close(bus);
	pl_loop_free(loop);
}

static enum pl_err table_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	return pg_exec_text(c, "CREATE SCHEMA IF NOT EXISTS unit; DROP TABLE IF EXISTS outbox;" OUTBOX_SQL, w);
}

static enum pl_err left_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	static const struct pg_stmt left = { "left", "SELECT count(*) FROM outbox" };
	struct pg_rows *r;
	enum pl_err err = pg_exec(c, &left, NULL, 0, &r, w);
	if (!err)
		((struct wait *)arg)->n = (int)pg_int(r, 0, 0);
	return err;
}

static bool table_empty(void *arg)
{
	struct wait *w = arg;

	if (w->done && (w->err || w->n)) {
		*w = (struct wait){ 0 };
		ck_assert_int_eq(pg_read(pg, left_job, on_job, w), PL_OK);
	}
	return w->done && !w->err && !w->n;
}

/* Adds events numbered from..from+n-1 in one transaction; fails it at the end when told to. */
struct add {
	struct wait w;
	int from, n;
	enum pl_err fail;
};

static enum pl_err add_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	struct add *a = arg;

	for (int i = a->from; i < a->from + a->n; i++) {
		Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
		Parley__Auth__V1__LoginFailed e = PARLEY__AUTH__V1__LOGIN_FAILED__INIT;
		char id[PL_ID_LEN], name[16];
		meta.event_id = pl_id_new(id);
		snprintf(name, sizeof(name), "%d", i);
		e.meta = &meta;
		e.username = name;
		enum pl_err err = outbox_add(c, "unit", "ev.auth.login-failed.unknown", &e.base, w);
		if (err)
			return err;
	}
	return a->fail;
}

static void add(struct add *a)
{
	ck_assert_int_eq(pg_tx(pg, add_job, on_job, a), PL_OK);
	until(is_done, &a->w);
	ck_assert_int_eq(a->w.err, a->fail);
}

/* Reads the ledger: the numbers must come once and in order. */
struct seen {
	int next, want;
	bool wrong;
};

static void on_event(void *arg, const struct bus_msg *m)
{
	struct seen *s = arg;
	Parley__Auth__V1__LoginFailed *e = parley__auth__v1__login_failed__unpack(NULL, m->len, m->data);

	ck_assert_str_eq(m->type, "parley.auth.v1.LoginFailed");
	ck_assert_str_eq(m->id, e->meta->event_id);
	if (atoi(e->username) != s->next)
		s->wrong = true;
	s->next++;
	parley__auth__v1__login_failed__free_unpacked(e, NULL);
}
static bool all_seen(void *arg)
{
	return ((struct seen *)arg)->next >= ((struct seen *)arg)->want;
}

static void begin(void)
{
	struct wait w = { 0 };

	ck_assert_int_eq(pg_tx(pg, table_job, on_job, &w), PL_OK);
	until(is_done, &w);
	ck_assert_msg(w.err == PL_OK, "%s", w.why.text);
}

START_TEST(what_was_committed_reaches_the_ledger_once_in_order_and_the_rest_never)
{
	struct add a = { .from = 0, .n = 700 }, failed = { .from = 9000, .n = 5, .fail = PL_E_DENIED },
		   b = { .from = 700, .n = 50 };
	struct seen s = { .want = 750 };
	struct bus_tail_cfg tc = { .stream = "LEDGER", .from_seq = 1, .fn = on_event, .arg = &s };
	struct bus_tail *tail;
	struct outbox *box;

	begin();
	ck_assert_int_eq(bus_tail_open(&tail, bus, &tc, &why), PL_OK);
	add(&a); /* before the publisher runs: what another process left */
	ck_assert_int_eq(outbox_open(&box, bus, pg, "unit", &why), PL_OK);
	add(&failed);
	add(&b);
	outbox_kick(box);
	until(all_seen, &s);
	ck_assert(!s.wrong);
	until(table_empty, &(struct wait){ .done = true, .n = 1 });
	ck_assert_int_eq(s.next, 750);
	outbox_close(box);
	bus_tail_close(tail);
}
END_TEST

START_TEST(rows_wait_while_nats_is_away_and_go_when_it_is_back)
{
	struct add a = { .from = 0, .n = 10 };
	struct outbox *box;

	begin();
	ck_assert_int_eq(outbox_open(&box, bus, pg, "unit", &why), PL_OK);
	tk_kill(nats);
	add(&a);
	outbox_kick(box);
	tk_start(nats);
	until(table_empty, &(struct wait){ .done = true, .n = 1 });
	outbox_close(box);
}
END_TEST

static enum pl_err big_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	Parley__Auth__V1__LoginFailed e = PARLEY__AUTH__V1__LOGIN_FAILED__INIT;

	e.username = pl_arena_alloc(pg_tmp(c), (size_t)1 << 20);
	memset(e.username, 'x', ((size_t)1 << 20) - 1);
	return outbox_add(c, "unit", "ev.auth.login-failed.unknown", &e.base, w);
}

START_TEST(an_event_that_the_bus_cannot_carry_fails_its_transaction)
{
	struct wait w = { 0 };

	begin();
	ck_assert_int_eq(pg_tx(pg, big_job, on_job, &w), PL_OK);
	until(is_done, &w);
	ck_assert_int_eq(w.err, PL_E_FULL);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("outbox");
	Suite *s = suite_create("outbox");

	db = tk_pg();
	nats = tk_nats(NULL);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, what_was_committed_reaches_the_ledger_once_in_order_and_the_rest_never);
	tcase_add_test(tc, rows_wait_while_nats_is_away_and_go_when_it_is_back);
	tcase_add_test(tc, an_event_that_the_bus_cannot_carry_fails_its_transaction);
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
