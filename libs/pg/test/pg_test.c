#include <check.h>
#include <parley/pg.h>
#include <parley/testkit.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct tk *server;
static struct pl_loop *loop;
static struct pg *pg;
static struct pl_why why;

struct result {
	bool done;
	enum pl_err err;
	struct pl_why why;
	int runs;
	int64_t n;
	pthread_t thread;
	const char *text;
};

static struct pg_cfg config(void)
{
	return (struct pg_cfg){ .dsn = tk_url(server), .schema = "unit", .app_name = "pg_test", .conns = 3 };
}

static void turn(void *l)
{
	pl_loop_turn(l);
}
static bool is_done(void *arg)
{
	return ((struct result *)arg)->done;
}

static void on_done(void *arg, enum pl_err err, const struct pl_why *w)
{
	struct result *r = arg;

	r->done = true;
	r->err = err;
	if (w)
		r->why = *w;
}

static enum pl_err finish(struct result *r, enum pl_err queued)
{
	ck_assert_int_eq(queued, PL_OK);
	ck_assert(tk_until(is_done, r, turn, loop, 30));
	return r->err;
}

static void setup(void)
{
	struct pg_cfg c = config();

	memset(&why, 0, sizeof(why));
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_int_eq(pg_open(&pg, loop, NULL, &c, &why), PL_OK);
}

static void teardown(void)
{
	pg_close(pg);
	pl_loop_free(loop);
}

/* --- jobs --- */

static enum pl_err exec_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	struct result *r = arg;

	r->runs++;
	r->thread = pthread_self();
	return pg_exec_text(c, r->text, w);
}

static enum pl_err run_sql(const char *sql, struct result *r)
{
	*r = (struct result){ .text = sql };
	return finish(r, pg_tx(pg, exec_job, on_done, r));
}

static enum pl_err count_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	static const struct pg_stmt count = { "count", "SELECT count(*) FROM t WHERE id >= $1" };
	struct result *r = arg;
	struct pg_rows *rows;

	enum pl_err err = pg_exec(c, &count, (const char *[]){ pg_int_param(c, r->n) }, 1, &rows, w);
	if (!err)
		r->n = pg_int(rows, 0, 0);
	return err;
}

static int64_t count(void)
{
	struct result r = { 0 };

	ck_assert_int_eq(finish(&r, pg_read(pg, count_job, on_done, &r)), PL_OK);
	return r.n;
}

static void fresh_table(void)
{
	struct result r;

	ck_assert_int_eq(
		run_sql("CREATE SCHEMA IF NOT EXISTS unit; DROP TABLE IF EXISTS t;"
			"CREATE TABLE t (id int CONSTRAINT t_key PRIMARY KEY, n int CONSTRAINT small CHECK (n < 100))",
			&r),
		PL_OK);
}

START_TEST(a_job_commits_on_a_worker_and_reports_on_the_loop)
{
	struct result r;

	fresh_table();
	ck_assert_int_eq(run_sql("INSERT INTO t VALUES (1, 1), (2, 2)", &r), PL_OK);
	ck_assert(!pthread_equal(r.thread, pthread_self()));
	ck_assert_int_eq(count(), 2);
}
END_TEST

static enum pl_err insert_then_fail(void *arg, struct pg_conn *c, struct pl_why *w)
{
	enum pl_err err = pg_exec_text(c, "INSERT INTO t VALUES (7, 7)", w);
	return err ? err : PL_E_DENIED;
}

static enum pl_err insert_and_ignore(void *arg, struct pg_conn *c, struct pl_why *w)
{
	struct pl_why unused;
	enum pl_err err = pg_exec_text(c, "INSERT INTO t VALUES (7, 7)", w);
	ck_assert_int_eq(pg_exec_text(c, "SELECT 1 / 0", &unused), PL_E_FORMAT);
	return err;
}

START_TEST(a_job_that_fails_leaves_nothing_behind)
{
	struct result r = { 0 }, r2 = { 0 };

	fresh_table();
	ck_assert_int_eq(finish(&r, pg_tx(pg, insert_then_fail, on_done, &r)), PL_E_DENIED);
	ck_assert_str_eq(r.why.text, "permission_denied");
	ck_assert_int_eq(finish(&r2, pg_tx(pg, insert_and_ignore, on_done, &r2)), PL_E_INTERNAL);
	ck_assert_int_eq(count(), 0);
}
END_TEST

START_TEST(violations_name_their_constraint)
{
	struct result r;

	fresh_table();
	ck_assert_int_eq(run_sql("INSERT INTO t VALUES (1, 1); INSERT INTO t VALUES (1, 2)", &r), PL_E_EXISTS);
	ck_assert_str_eq(r.why.field, "t_key");
	ck_assert_int_eq(run_sql("INSERT INTO t VALUES (1, 100)", &r), PL_E_STATE);
	ck_assert_str_eq(r.why.field, "small");
	ck_assert_int_eq(run_sql("INSERT INTO t VALUES (NULL, 1)", &r), PL_E_STATE);
	ck_assert_str_eq(r.why.field, "id");
	ck_assert_int_eq(run_sql("SELECT 'x'::uuid", &r), PL_E_FORMAT);
	ck_assert_int_eq(run_sql("SELECT * FROM nowhere", &r), PL_E_INTERNAL);
	ck_assert_int_eq(run_sql("SET LOCAL statement_timeout = 20; SELECT pg_sleep(5)", &r), PL_E_TIMEOUT);
}
END_TEST

START_TEST(a_read_job_cannot_write)
{
	struct result r = { .text = "INSERT INTO t VALUES (1, 1)" };

	fresh_table();
	ck_assert_int_eq(finish(&r, pg_read(pg, exec_job, on_done, &r)), PL_E_INTERNAL);
	ck_assert_int_eq(count(), 0);
}
END_TEST

static enum pl_err types_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	static const struct pg_stmt s = {
		"types", "SELECT $1::int8, $2::bool, $3::timestamptz, $4::bytea, $5::text, $6::timestamptz"
	};
	static const int64_t at_us = INT64_C(1700000000123456);
	const char *const params[] = { pg_int_param(c, INT64_MIN),   "true", pg_time_param(c, at_us),
				       pg_bytea_param(c, "a\0b", 3), NULL,   pg_time_param(c, 0) };
	struct pg_rows *rows;
	size_t n;

	enum pl_err err = pg_exec(c, &s, params, 6, &rows, w);
	if (err)
		return err;
	ck_assert_int_eq(pg_n(rows), 1);
	ck_assert(pg_int(rows, 0, 0) == INT64_MIN);
	ck_assert(pg_bool(rows, 0, 1));
	ck_assert_int_eq(pg_time_us(rows, 0, 2), at_us);
	ck_assert_mem_eq(pg_bytes(c, rows, 0, 3, &n), "a\0b", 3);
	ck_assert_uint_eq(n, 3);
	ck_assert(pg_str(rows, 0, 4) == NULL && pg_null(rows, 0, 4));
	ck_assert_int_eq(pg_time_us(rows, 0, 5), 0);
	return PL_OK;
}

START_TEST(values_come_back_as_they_went)
{
	struct result r = { 0 };

	ck_assert_int_eq(finish(&r, pg_read(pg, types_job, on_done, &r)), PL_OK);
}
END_TEST

static enum pl_err copy_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	struct result *r = arg;
	return pg_copy(c, "COPY t (id, n) FROM STDIN", r->text, strlen(r->text), w);
}

START_TEST(copy_takes_lines_and_reports_the_bad_one)
{
	struct result r = { .text = "1\t1\n2\t\\N\n3\t3\n" }, bad = { .text = "4\tx\n" };

	fresh_table();
	ck_assert_int_eq(finish(&r, pg_tx(pg, copy_job, on_done, &r)), PL_OK);
	ck_assert_int_eq(finish(&bad, pg_tx(pg, copy_job, on_done, &bad)), PL_E_FORMAT);
	ck_assert_int_eq(count(), 3);
}
END_TEST

/* Two jobs take two rows in opposite order; the barrier makes sure that each holds its first. */
static pthread_barrier_t both;

struct lock_job {
	struct result r;
	const char *first, *second;
};

static enum pl_err lock_job(void *arg, struct pg_conn *c, struct pl_why *w)
{
	struct lock_job *l = arg;

	l->r.runs++;
	enum pl_err err = pg_exec_text(c, l->first, w);
	if (l->r.runs == 1)
		pthread_barrier_wait(&both);
	return err ? err : pg_exec_text(c, l->second, w);
}

START_TEST(a_deadlock_is_tried_again)
{
	const char *one = "UPDATE t SET n = n + 1 WHERE id = 1", *two = "UPDATE t SET n = n + 1 WHERE id = 2";
	struct lock_job a = { .first = one, .second = two }, b = { .first = two, .second = one };
	struct result r;

	fresh_table();
	ck_assert_int_eq(run_sql("INSERT INTO t VALUES (1, 0), (2, 0)", &r), PL_OK);
	pthread_barrier_init(&both, NULL, 2);
	ck_assert_int_eq(pg_tx(pg, lock_job, on_done, &a), PL_OK);
	ck_assert_int_eq(finish(&b.r, pg_tx(pg, lock_job, on_done, &b)), PL_OK);
	ck_assert(tk_until(is_done, &a.r, turn, loop, 30));
	ck_assert_int_eq(a.r.err, PL_OK);
	ck_assert_int_ge(a.r.runs + b.r.runs, 3); /* the second try may meet the other again */
	ck_assert_int_eq(run_sql("INSERT INTO t SELECT 10, 1 FROM t WHERE id = 1 AND n = 2", &r), PL_OK);
	ck_assert_int_eq(count(), 3);
	pthread_barrier_destroy(&both);
}
END_TEST

static bool works_again(void *arg)
{
	struct result *r = arg;

	if (r->done && r->err) {
		*r = (struct result){ 0 };
		ck_assert_int_eq(pg_read(pg, count_job, on_done, r), PL_OK);
	}
	return r->done && !r->err;
}

START_TEST(a_lost_server_fails_the_job_and_is_found_again)
{
	struct result slow = { .text = "SELECT pg_sleep(20)" }, r = { .done = true, .err = PL_E_UNAVAIL };

	fresh_table();
	ck_assert_int_eq(pg_tx(pg, exec_job, on_done, &slow), PL_OK);
	ck_assert_int_eq(count(), 0); /* another worker; by now the slow one runs too or will fail to start */
	tk_kill(server);
	tk_start(server);
	ck_assert(tk_until(is_done, &slow, turn, loop, 30));
	ck_assert(slow.err == PL_E_UNAVAIL || slow.runs == 1);
	ck_assert(tk_until(works_again, &r, turn, loop, 30));
}
END_TEST

START_TEST(a_job_waits_for_a_server_that_starts_later)
{
	struct result r = { 0 };

	fresh_table();
	tk_kill(server);
	ck_assert_int_eq(pg_read(pg, count_job, on_done, &r), PL_OK);
	tk_start(server);
	ck_assert(tk_until(is_done, &r, turn, loop, 30));
	/* a worker whose connection had not noticed yet may have taken it; then it says so */
	ck_assert(r.err == PL_OK || r.err == PL_E_UNAVAIL);
}
END_TEST

static void count_done(void *arg, enum pl_err err, const struct pl_why *w)
{
	struct result *r = arg;

	if (err == PL_E_CANCELLED)
		r->runs++;
	r->n++;
}

START_TEST(the_queue_is_bounded_and_closing_answers_every_job)
{
	struct result r = { .text = "SELECT pg_sleep(0.2)" };
	struct pg_cfg c = config();
	struct pg *small;
	int64_t taken = 0;

	c.conns = 1;
	ck_assert_int_eq(pg_open(&small, loop, NULL, &c, &why), PL_OK);
	while (taken < 20000 && !pg_tx(small, exec_job, count_done, &r))
		taken++;
	ck_assert_int_ge(taken, 10000);
	ck_assert_int_lt(taken, 10010);
	pg_close(small);
	ck_assert_int_eq(r.n, taken); /* each exactly once */
}
END_TEST

/* --- migrations --- */

static char dir[] = "/tmp/parley-migrate-XXXXXX";

static void put(const char *name, const char *sql)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert(f != NULL);
	fputs(sql, f);
	fclose(f);
}

static void *migrate_thread(void *arg)
{
	struct pg_cfg c = config();
	struct pl_why w = { 0 };

	c.schema = "twice";
	*(enum pl_err *)arg = pg_migrate(&c, dir, &w);
	return NULL;
}

START_TEST(migrations_run_once_and_in_order)
{
	struct pg_cfg c = config();
	struct result r;

	put("0001_first.sql", "-- names without a schema mean our own\nCREATE TABLE m (id int);");
	put("0002_second.sql", "ALTER TABLE m ADD COLUMN name text; INSERT INTO m VALUES (1, 'x');");
	put("README.txt", "not a migration");
	c.schema = "mig";
	ck_assert_msg(pg_migrate(&c, dir, &why) == PL_OK, "%s", why.text);
	ck_assert_int_eq(pg_migrate(&c, dir, &why), PL_OK);
	ck_assert_int_eq(run_sql("DO $$ BEGIN ASSERT (SELECT count(*) FROM mig.m WHERE name = 'x') = 1; END $$", &r),
			 PL_OK);

	put("0003_bad.sql", "CREATE TABLE half (id int); SELECT 1 / 0;");
	ck_assert_int_eq(pg_migrate(&c, dir, &why), PL_E_FORMAT);
	ck_assert_msg(strncmp(why.text, "0003_bad.sql: ", 14) == 0, "%s", why.text);
	ck_assert_int_eq(run_sql("SELECT * FROM mig.half", &r), PL_E_INTERNAL);

	put("0003_bad.sql", "CREATE TABLE whole (id int);");
	ck_assert_int_eq(pg_migrate(&c, dir, &why), PL_OK);
	put("0002_second.sql", "-- changed");
	ck_assert_int_eq(pg_migrate(&c, dir, &why), PL_E_STATE);
	put("0003_again.sql", "");
	put("0002_second.sql", "ALTER TABLE m ADD COLUMN name text; INSERT INTO m VALUES (1, 'x');");
	ck_assert_int_eq(pg_migrate(&c, dir, &why), PL_E_FORMAT);
}
END_TEST

START_TEST(two_copies_that_migrate_at_once_do_it_once)
{
	enum pl_err err[4] = { PL_E_INTERNAL, PL_E_INTERNAL, PL_E_INTERNAL, PL_E_INTERNAL };
	pthread_t t[4];

	char path[128];
	snprintf(path, sizeof(path), "%s/0003_again.sql", dir);
	unlink(path);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, migrate_thread, &err[i]);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		ck_assert_int_eq(err[i], PL_OK);
	}
}
END_TEST

START_TEST(a_schema_name_that_is_none_is_refused)
{
	struct pg_cfg c = config();

	c.schema = "a; DROP TABLE x";
	ck_assert_int_eq(pg_migrate(&c, dir, &why), PL_E_FORMAT);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("pg");
	Suite *s = suite_create("pg");

	server = tk_pg();
	if (!mkdtemp(dir))
		return 1;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 90);
	tcase_add_test(tc, a_job_commits_on_a_worker_and_reports_on_the_loop);
	tcase_add_test(tc, a_job_that_fails_leaves_nothing_behind);
	tcase_add_test(tc, violations_name_their_constraint);
	tcase_add_test(tc, a_read_job_cannot_write);
	tcase_add_test(tc, values_come_back_as_they_went);
	tcase_add_test(tc, copy_takes_lines_and_reports_the_bad_one);
	tcase_add_test(tc, a_deadlock_is_tried_again);
	tcase_add_test(tc, the_queue_is_bounded_and_closing_answers_every_job);
	tcase_add_test(tc, migrations_run_once_and_in_order);
	tcase_add_test(tc, two_copies_that_migrate_at_once_do_it_once);
	tcase_add_test(tc, a_schema_name_that_is_none_is_refused);
	tcase_add_test(tc, a_lost_server_fails_the_job_and_is_found_again);
	tcase_add_test(tc, a_job_waits_for_a_server_that_starts_later);
	suite_add_tcase(s, tc);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK); /* the server and the threads belong to this process */
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	tk_free(server);
	char cmd[160];
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	return system(cmd) || failed ? 1 : 0;
}
