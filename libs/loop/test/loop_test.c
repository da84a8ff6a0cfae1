#include <parley/loop.h>

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

static struct pl_loop *loop;
static struct pl_why why;

static void setup(void)
{
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
}

static void teardown(void)
{
	pl_loop_freep(&loop);
}

struct tick {
	struct pl_timer *t;
	int n, stop_at;
	int64_t due_us;
	bool early;
};

static void on_tick(void *arg)
{
	struct tick *k = arg;
	k->early |= pl_loop_now_us(loop) < k->due_us || pl_mono_us() < k->due_us;
	if (++k->n == k->stop_at) {
		pl_timer_free(k->t); /* inside its own callback */
		pl_loop_stop(loop);
		return;
	}
	k->due_us = pl_mono_us() + 1500;
	pl_timer_set(k->t, 1500);
}

START_TEST(a_timer_never_runs_early_and_may_be_set_and_freed_in_its_callback)
{
	struct tick k = { .stop_at = 50 };
	ck_assert_int_eq(pl_timer_new(&k.t, loop, on_tick, &k), PL_OK);
	pl_timer_set(k.t, 0);
	pl_loop_run(loop);
	ck_assert_int_eq(k.n, 50);
	ck_assert(!k.early);
}
END_TEST

static void on_every(void *arg)
{
	struct tick *k = arg;
	if (++k->n == 2)
		nanosleep(&(struct timespec){ .tv_nsec = 50 * 1000 * 1000 }, NULL); /* the process is slow once */
	if (k->n == 10) {
		pl_timer_free(k->t);
		pl_loop_stop(loop);
	}
}

START_TEST(a_repeating_timer_does_not_make_up_for_lost_time)
{
	struct tick k = { 0 };
	int64_t from = pl_mono_us();
	ck_assert_int_eq(pl_timer_new(&k.t, loop, on_every, &k), PL_OK);
	pl_timer_every(k.t, 5000);
	pl_loop_run(loop);
	ck_assert_int_ge(pl_mono_us() - from, 10000 + 50000 + 7 * 5000);
}
END_TEST

enum { POSTERS = 4, POSTS = 10000 };
static int posted;

static void on_post(void *arg)
{
	(void)arg;
	if (++posted == POSTERS * POSTS)
		pl_loop_stop(loop);
}

static void *poster(void *arg)
{
	(void)arg;
	for (int i = 0; i < POSTS; i++)
		while (pl_loop_post(loop, on_post, NULL) == PL_E_FULL)
			sched_yield();
	return NULL;
}

START_TEST(posts_from_many_threads_all_arrive)
{
	pthread_t t[POSTERS];
	for (int i = 0; i < POSTERS; i++)
		pthread_create(&t[i], NULL, poster, NULL);
	pl_loop_run(loop);
	for (int i = 0; i < POSTERS; i++)
		pthread_join(t[i], NULL);
	ck_assert_int_eq(posted, POSTERS * POSTS);
}
END_TEST

static void nothing(void *arg)
{
	(void)arg;
}

START_TEST(a_full_post_queue_refuses_and_counts)
{
	for (int i = 0; i < PL_LOOP_POST_MAX; i++)
		ck_assert_int_eq(pl_loop_post(loop, nothing, NULL), PL_OK);
	ck_assert_int_eq(pl_loop_post(loop, nothing, NULL), PL_E_FULL);
	ck_assert_uint_eq(pl_loop_post_refused(loop), 1);
	pl_loop_turn(loop);
	ck_assert_int_eq(pl_loop_post(loop, nothing, NULL), PL_OK);
}
END_TEST

static int turns_hooked, work_at_hook, work_now;
static bool tmp_was_whole;
static char *tmp_text;

static void on_turn(void *arg)
{
	(void)arg;
	turns_hooked++;
	work_at_hook = work_now;
	if (tmp_text)
		tmp_was_whole = strcmp(tmp_text, "alive") == 0;
	tmp_text = NULL;
}

static void in_turn(void *arg)
{
	(void)arg;
	work_now++;
	tmp_text = pl_arena_strdup(pl_loop_tmp(loop), "alive");
}

START_TEST(hooks_run_after_the_callbacks_of_a_turn_and_then_tmp_is_wiped)
{
	struct pl_timer *t;
	ck_assert_int_eq(pl_loop_on_turn(loop, on_turn, NULL), PL_OK);
	ck_assert_int_eq(pl_timer_new(&t, loop, in_turn, NULL), PL_OK);
	pl_timer_set(t, 0);
	ck_assert_int_eq(pl_loop_post(loop, in_turn, NULL), PL_OK);
	pl_loop_turn(loop);
	pl_loop_turn(loop);
	ck_assert_int_eq(work_at_hook, 2);
	ck_assert(tmp_was_whole);
	ck_assert_uint_eq(pl_arena_used(pl_loop_tmp(loop)), 0);
	pl_loop_off_turn(loop, on_turn, NULL);
	int before = turns_hooked;
	pl_loop_turn(loop);
	ck_assert_int_eq(turns_hooked, before);
	pl_timer_free(t);
}
END_TEST

static void stop_it(void *arg)
{
	(void)arg;
	pl_loop_stop(loop);
}

START_TEST(a_hook_makes_no_busy_loop)
{
	struct pl_timer *t;
	ck_assert_int_eq(pl_loop_on_turn(loop, on_turn, NULL), PL_OK);
	ck_assert_int_eq(pl_timer_new(&t, loop, stop_it, NULL), PL_OK);
	pl_timer_set(t, 200 * PL_US_PER_MS);
	pl_loop_run(loop);
	ck_assert_int_lt(turns_hooked, 20);
	pl_timer_free(t);
}
END_TEST

struct pipe_end {
	struct pl_fd *f;
	int fd, got, events;
};

static void on_fd(void *arg, int events)
{
	struct pipe_end *e = arg;
	char b[16];
	e->events = events;
	ssize_t n = read(e->fd, b, sizeof(b));
	if (n > 0) {
		e->got += (int)n;
		return;
	}
	pl_fd_free(e->f);
	close(e->fd);
	pl_loop_stop(loop);
}

START_TEST(a_descriptor_reports_reading_and_the_other_sides_end)
{
	int p[2];
	ck_assert_int_eq(pipe2(p, O_NONBLOCK), 0);
	struct pipe_end e = { .fd = p[0] };
	ck_assert_int_eq(pl_fd_new(&e.f, loop, p[0], on_fd, &e), PL_OK);
	pl_fd_want(e.f, PL_FD_READ);
	ck_assert_int_eq(write(p[1], "abc", 3), 3);
	pl_loop_turn(loop);
	ck_assert_int_eq(e.got, 3);
	pl_fd_want(e.f, 0);
	ck_assert_int_eq(write(p[1], "abc", 3), 3);
	pl_loop_turn(loop);
	ck_assert_int_eq(e.got, 3); /* paused */
	pl_fd_want(e.f, PL_FD_READ);
	close(p[1]);
	pl_loop_run(loop);
	ck_assert_int_eq(e.got, 6);
}
END_TEST

struct job {
	pthread_t on;
	int done;
};

static void job_work(void *arg)
{
	((struct job *)arg)->on = pthread_self();
}

static void job_done(void *arg)
{
	((struct job *)arg)->done++;
	pl_loop_stop(loop);
}

START_TEST(work_runs_elsewhere_and_is_done_here)
{
	struct job j = { 0 };
	ck_assert_int_eq(pl_loop_work(loop, job_work, job_done, &j), PL_OK);
	pl_loop_run(loop);
	ck_assert_int_eq(j.done, 1);
	ck_assert(!pthread_equal(j.on, pthread_self()));
}
END_TEST

START_TEST(another_loop_can_drive_ours_by_descriptor_and_timeout)
{
	struct tick k = { .stop_at = 1 };
	ck_assert_int_eq(pl_timer_new(&k.t, loop, on_tick, &k), PL_OK);
	pl_timer_set(k.t, 30 * PL_US_PER_MS);
	for (int turns = 0; k.n == 0 && turns < 50; turns++) {
		pl_loop_turn(loop);
		int wait = pl_loop_backend_timeout_ms(loop);
		ck_assert_int_le(wait, 31); /* rounded up */
		struct pollfd pf = { .fd = pl_loop_backend_fd(loop), .events = POLLIN };
		if (k.n == 0)
			poll(&pf, 1, wait);
	}
	ck_assert_int_eq(k.n, 1);
	ck_assert_int_eq(pl_loop_post(loop, in_turn, NULL), PL_OK); /* a post wakes the descriptor */
	struct pollfd pf = { .fd = pl_loop_backend_fd(loop), .events = POLLIN };
	ck_assert_int_eq(poll(&pf, 1, 20000), 1);
}
END_TEST

START_TEST(a_stop_before_the_run_is_not_lost)
{
	pl_loop_stop(loop);
	pl_loop_run(loop);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("loop");
	TCase *c = tcase_create("loop");
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_timer_never_runs_early_and_may_be_set_and_freed_in_its_callback);
	tcase_add_test(c, a_repeating_timer_does_not_make_up_for_lost_time);
	tcase_add_test(c, posts_from_many_threads_all_arrive);
	tcase_add_test(c, a_full_post_queue_refuses_and_counts);
	tcase_add_test(c, hooks_run_after_the_callbacks_of_a_turn_and_then_tmp_is_wiped);
	tcase_add_test(c, a_hook_makes_no_busy_loop);
	tcase_add_test(c, a_descriptor_reports_reading_and_the_other_sides_end);
	tcase_add_test(c, work_runs_elsewhere_and_is_done_here);
	tcase_add_test(c, another_loop_can_drive_ours_by_descriptor_and_timeout);
	tcase_add_test(c, a_stop_before_the_run_is_not_lost);
	suite_add_tcase(s, c);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
