#include "fixture.h"

#include <time.h>

struct tk *nats;
struct pl_loop *loop;
struct pl_why why;
static struct pl_timer *waker;

static void nothing(void *arg)
{
	(void)arg;
}

static void turn_once(void *l)
{
	(void)l;
	pl_timer_set(waker, 20 * PL_US_PER_MS); /* a turn never sleeps for longer */
	struct timespec ts = { .tv_nsec = 200 * 1000 };
	pl_loop_turn(loop);
	nanosleep(&ts, NULL);
}

void fx_open(void)
{
	log_open("test", "test-1", getenv("TEST_LOG") ? LOG_DEBUG : LOG_ERROR);
	nats = tk_nats(NULL);
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	ck_assert_int_eq(pl_timer_new(&waker, loop, nothing, NULL), PL_OK);
}

void fx_close(void)
{
	pl_timer_free(waker);
	pl_loop_freep(&loop);
	tk_free(nats);
}

struct bus *fx_bus(const char *service, const char *node)
{
	struct bus *b = NULL;
	struct bus_cfg c = { .url = tk_url(nats), .service = service, .node = node, .connect_wait_ms = 10000 };
	enum pl_err err = bus_open(&b, loop, NULL, &c, &why);
	ck_assert_msg(err == PL_OK, "%s", why.text);
	return b;
}

void fx_until_fn(bool (*done)(void *arg), void *arg)
{
	ck_assert_msg(tk_until(done, arg, turn_once, NULL, LIMIT_S), "what was waited for did not come in %d s",
		      LIMIT_S);
}

struct count {
	const int *n;
	int want;
};

static bool reached(void *arg)
{
	const struct count *c = arg;
	return *c->n >= c->want;
}

void fx_until(const int *n, int want)
{
	fx_until_fn(reached, &(struct count){ n, want });
}

static bool passed(void *arg)
{
	return pl_mono_us() >= *(int64_t *)arg;
}

void fx_turn_for(int ms)
{
	int64_t end = pl_mono_us() + ms * PL_US_PER_MS;
	fx_until_fn(passed, &end);
}

void fx_on_reply(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	struct fx_reply *r = arg;
	r->n++;
	r->err = err;
	r->seq = m ? m->seq : 0;
	r->time_us = m ? m->time_us : 0;
	r->len = m ? m->len : 0;
	snprintf(r->data, sizeof(r->data), "%.*s", (int)(m ? m->len : 0), m && m->data ? (const char *)m->data : "");
	pl_strlcpy(r->type, m ? m->type : "", sizeof(r->type));
	pl_strlcpy(r->why, w->text, sizeof(r->why));
	pl_strlcpy(r->field, w->field, sizeof(r->field));
}

struct fx_reply *fx_wait(struct fx_reply *r)
{
	fx_until(&r->n, 1);
	r->n--;
	return r;
}

int fx_run(const char *name, const TTest *const *tests, size_t n)
{
	Suite *s = suite_create(name);
	TCase *c = tcase_create(name);
	tcase_set_timeout(c, 120);
	tcase_add_checked_fixture(c, fx_open, fx_close);
	for (size_t i = 0; i < n; i++)
		tcase_add_test(c, tests[i]);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
