#include <parley/log.h>
#include <parley/redis.h>
#include <parley/testkit.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct tk *server;
static struct pl_loop *loop;
static struct redis *r;
static struct pl_timer *waker;
static struct pl_why why;
static int ups;

static void nothing(void *arg)
{
	(void)arg;
}
static void on_up(void *arg)
{
	++*(int *)arg;
}

static void turn(void *l)
{
	(void)l;
	pl_timer_set(waker, 10 * PL_US_PER_MS);
	struct timespec ts = { .tv_nsec = 200 * 1000 };
	pl_loop_turn(loop);
	nanosleep(&ts, NULL);
}

static void until(bool (*done)(void *arg), void *arg)
{
	ck_assert(tk_until(done, arg, turn, NULL, 40));
}

static bool is_up(void *arg)
{
	return redis_up(*(struct redis **)arg);
}
static bool is_down(void *arg)
{
	return !redis_up(*(struct redis **)arg);
}

static void setup(void)
{
	log_open("test", "test-1", LOG_ERROR);
	server = tk_redis();
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_int_eq(pl_timer_new(&waker, loop, nothing, NULL), PL_OK);
	ck_assert_int_eq(redis_open(&r, loop, NULL, tk_url(server), NULL, NULL, on_up, &ups, &why), PL_OK);
}

static void teardown(void)
{
	redis_close(r);
	pl_timer_free(waker);
	pl_loop_freep(&loop);
	tk_free(server);
}

struct res {
	int n;
	enum pl_err err;
	int kind;
	int64_t i;
	char s[128], why[256];
	size_t items;
};

static void on_reply(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *w)
{
	struct res *x = arg;
	x->n++;
	x->err = err;
	x->kind = v ? (int)v->kind : -1;
	x->i = v ? v->i : 0;
	x->items = v ? v->n : 0;
	const struct redis_val *t = v && v->kind == REDIS_ARRAY && v->n ? &v->items[v->n - 1] : v;
	snprintf(x->s, sizeof(x->s), "%.*s", (int)(t && t->kind == REDIS_STR ? t->len : 0), t && t->s ? t->s : "");
	pl_strlcpy(x->why, w->text, sizeof(x->why));
}

static bool came(void *arg)
{
	return ((struct res *)arg)->n > 0;
}

static struct res *wait(struct res *x)
{
	until(came, x);
	x->n = 0;
	return x;
}

START_TEST(values_of_every_kind_come_back)
{
	struct res x = { 0 };
	until(is_up, &r);
	ck_assert_int_eq(ups, 1);
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "SET", "k", "a b\r\nDEL k"), PL_OK);
	ck_assert_str_eq(wait(&x)->s, "OK");
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "GET", "k"), PL_OK);
	ck_assert_str_eq(wait(&x)->s, "a b\r\nDEL k");
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "GET", "none"), PL_OK);
	ck_assert_int_eq(wait(&x)->kind, REDIS_NIL);
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "INCR", "n"), PL_OK);
	ck_assert_int_eq(wait(&x)->i, 1);
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "MGET", "none", "n"), PL_OK);
	ck_assert_uint_eq(wait(&x)->items, 2);
	ck_assert_str_eq(x.s, "1");
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "INCR", "k"), PL_OK);
	ck_assert_int_eq(wait(&x)->err, PL_E_INTERNAL);
	ck_assert_ptr_nonnull(strstr(x.why, "not an integer"));
}
END_TEST

START_TEST(while_away_commands_fail_at_once_and_afterwards_the_owner_is_told)
{
	struct res x = { 0 };
	until(is_up, &r);
	tk_pause(server); /* so that it is surely still in flight when the connection ends */
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "SET", "k", "v"), PL_OK);
	turn(NULL);
	tk_kill(server);
	ck_assert_int_eq(wait(&x)->err, PL_E_UNAVAIL);
	until(is_down, &r);
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "SET", "k", "v"), PL_E_UNAVAIL);
	ck_assert_int_eq(x.n, 0);
	tk_start(server);
	until(is_up, &r);
	ck_assert_int_eq(ups, 2);
}
END_TEST

START_TEST(a_server_that_hangs_is_left)
{
	until(is_up, &r);
	tk_pause(server);
	until(is_down, &r);
	tk_resume(server);
	until(is_up, &r);
}
END_TEST

START_TEST(a_password_is_used_and_a_wrong_one_told)
{
	struct res x = { 0 };
	struct redis *with = NULL, *wrong = NULL;
	until(is_up, &r);
	ck_assert_int_eq(REDIS_CMD(r, on_reply, &x, "ACL", "SETUSER", "auth", "on", ">secret", "~*", "+@all"), PL_OK);
	ck_assert_int_eq(wait(&x)->err, PL_OK);
	int n = 0, bad = 0;
	char url[64];
	snprintf(url, sizeof(url), "redis://127.0.0.1:%d/3", tk_port(server));
	ck_assert_int_eq(redis_open(&with, loop, NULL, url, "auth", "secret", on_up, &n, &why), PL_OK);
	ck_assert_int_eq(redis_open(&wrong, loop, NULL, url, "auth", "no", on_up, &bad, &why), PL_OK);
	until(is_up, &with);
	ck_assert_int_eq(REDIS_CMD(with, on_reply, &x, "CLIENT", "INFO"), PL_OK);
	ck_assert_int_eq(wait(&x)->err, PL_OK);
	for (int i = 0; i < 50; i++)
		turn(NULL);
	ck_assert_int_eq(bad, 0);
	ck_assert_int_eq(REDIS_CMD(wrong, on_reply, &x, "PING"), PL_E_UNAVAIL);
	redis_close(with);
	redis_close(wrong);
}
END_TEST

START_TEST(more_than_the_bound_in_flight_is_refused)
{
	until(is_up, &r);
	enum pl_err err = PL_OK;
	int n = 0;
	while ((err = REDIS_CMD(r, NULL, NULL, "PING")) == PL_OK)
		n++;
	ck_assert_int_eq(err, PL_E_FULL);
	ck_assert_int_eq(n, 100000);
	struct res x = { 0 };
	until(is_up, &r);
	for (int i = 0; i < 100 && REDIS_CMD(r, on_reply, &x, "PING") != PL_OK; i++)
		turn(NULL);
	ck_assert_str_eq(wait(&x)->s, "PONG");
}
END_TEST

START_TEST(only_a_redis_url_is_taken)
{
	static const char *const bad[] = { "",
					   "127.0.0.1",
					   "http://x",
					   "redis://",
					   "redis://:1",
					   "redis://h:0",
					   "redis://h:65536",
					   "redis://h:1x",
					   "redis://h/x",
					   "redis://u:p@h/",
					   "redis://[::1",
					   NULL };
	struct redis *x = NULL;
	for (int i = 0; bad[i]; i++) {
		ck_assert_msg(redis_open(&x, loop, NULL, bad[i], NULL, NULL, NULL, NULL, &why) == PL_E_FORMAT, "%s",
			      bad[i]);
		ck_assert_str_eq(why.field, "redis-url");
	}
	static const char *const good[] = { "redis://127.0.0.1:1", "redis://localhost:1/", "redis://[::1]:1/2", NULL };
	for (int i = 0; good[i]; i++) {
		ck_assert_msg(redis_open(&x, loop, NULL, good[i], NULL, NULL, NULL, NULL, &why) == PL_OK, "%s",
			      good[i]);
		for (int k = 0; k < i * 5; k++)
			turn(NULL);
		redis_close(x); /* in each stage of connecting */
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("redis");
	TCase *c = tcase_create("redis");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, values_of_every_kind_come_back);
	tcase_add_test(c, while_away_commands_fail_at_once_and_afterwards_the_owner_is_told);
	tcase_add_test(c, a_server_that_hangs_is_left);
	tcase_add_test(c, a_password_is_used_and_a_wrong_one_told);
	tcase_add_test(c, more_than_the_bound_in_flight_is_refused);
	tcase_add_test(c, only_a_redis_url_is_taken);
	suite_add_tcase(s, c);
	SRunner *n = srunner_create(s);
	srunner_run_all(n, CK_ENV);
	int failed = srunner_ntests_failed(n);
	srunner_free(n);
	return failed ? 1 : 0;
}
