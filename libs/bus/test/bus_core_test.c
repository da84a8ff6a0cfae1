/* The core of the bus against a private nats-server. */
#include "fixture.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* nats.c writes with send(2): counted here, in front of libc's. */
static _Atomic int sends;
ssize_t send(int fd, const void *p, size_t n, int flags);
ssize_t send(int fd, const void *p, size_t n, int flags)
{
	static ssize_t (*real)(int, const void *, size_t, int);
	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "send");
	sends++;
	return real(fd, p, n, flags);
}

static int got;
static char last[256];

static void on_msg(void *arg, const struct bus_msg *m)
{
	got++;
	if (arg)
		++*(int *)arg;
	snprintf(last, sizeof(last), "%s|%s|%s|%.*s", m->subject, m->type, m->actor, (int)m->len,
		 (const char *)m->data);
	if (m->req)
		bus_answer(m->req, "", NULL, 0);
}

static void on_echo(void *arg, const struct bus_msg *m)
{
	(void)arg;
	got++;
	bus_answer(m->req, m->type, m->data, m->len);
}

/* Subscriptions of another connection are in place when a request through it has been answered. */
static void settle(struct bus *b)
{
	static struct fx_reply r;
	struct bus_sub *s;
	char subject[64];
	snprintf(subject, sizeof(subject), "settle.%s", bus_node(b));
	int before = got;
	ck_assert_int_eq(bus_subscribe(&s, b, subject, NULL, on_echo, NULL, &why), PL_OK);
	ck_assert(bus_request(b, &(struct bus_out){ .subject = subject }, 20000, fx_on_reply, &r, &why) != 0);
	ck_assert_int_eq(fx_wait(&r)->err, PL_OK);
	bus_unsubscribe(s);
	got = before;
}

START_TEST(a_message_arrives_with_its_headers)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("beta", "beta-1");
	ck_assert_int_eq(bus_subscribe(NULL, b, "t.*", NULL, on_msg, NULL, &why), PL_OK);
	settle(b);
	struct bus_out o = { .subject = "t.x", .type = "parley.X", .data = "hello", .len = 5, .actor = "user-7" };
	ck_assert_int_eq(bus_publish(a, &o), PL_OK);
	fx_until(&got, 1);
	ck_assert_str_eq(last, "t.x|parley.X|user-7|hello");
	bus_close(a);
	bus_close(b);
}
END_TEST

START_TEST(what_cannot_be_a_subject_or_header_is_refused)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	static const char *const bad[] = { "", ".", "a.", ".a", "a..b", "a b", "a\r\nPUB x 0", "a.*", "a.>", NULL };
	for (int i = 0; bad[i]; i++)
		ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = bad[i] }), PL_E_FORMAT);
	ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "a", .actor = "x\r\nParley-Type: y" }),
			 PL_E_FORMAT);
	ck_assert_int_eq(bus_subscribe(NULL, a, "a b", NULL, on_msg, NULL, &why), PL_E_FORMAT);
	static char big[1 << 20], actor[600];
	memset(actor, 'x', sizeof(actor) - 1);
	ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "a", .actor = actor }), PL_E_FORMAT);
	ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "a", .data = big, .len = sizeof(big) }),
			 PL_E_FULL);
	bus_close(a);
}
END_TEST

START_TEST(the_largest_message_arrives)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	static char big[(1 << 20) - 1024], actor[400];
	memset(actor, 'x', sizeof(actor) - 1);
	ck_assert_int_eq(bus_subscribe(NULL, a, "t.*", NULL, on_msg, NULL, &why), PL_OK);
	ck_assert_int_eq(
		bus_publish(a, &(struct bus_out){ .subject = "t.x", .data = big, .len = sizeof(big), .actor = actor }),
		PL_OK);
	fx_until(&got, 1);
	ck_assert(bus_connected(a));
	bus_close(a);
}
END_TEST

START_TEST(one_of_a_queue_group_gets_each_message)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("alpha", "alpha-2");
	int na = 0, nb = 0;
	ck_assert_int_eq(bus_subscribe(NULL, a, "q", "g", on_msg, &na, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(NULL, b, "q", "g", on_msg, &nb, &why), PL_OK);
	settle(a);
	settle(b);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "q" }), PL_OK);
	fx_until(&got, 100);
	fx_turn_for(100);
	ck_assert_int_eq(na + nb, 100);
	ck_assert(na > 0 && nb > 0);
	bus_close(a);
	bus_close(b);
}
END_TEST

START_TEST(a_request_without_a_responder_fails_at_once)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	struct fx_reply r = { 0 };
	int64_t from = pl_mono_us();
	ck_assert(bus_request(a, &(struct bus_out){ .subject = "nobody" }, 30000, fx_on_reply, &r, &why) != 0);
	ck_assert_int_eq(fx_wait(&r)->err, PL_E_UNAVAIL);
	ck_assert_int_lt(pl_mono_us() - from, 10 * PL_US_PER_S);
	bus_close(a);
}
END_TEST

static void cancel_next(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	(void)m, (void)w;
	ck_assert_int_eq(err, PL_E_UNAVAIL);
	uint64_t h = bus_request(arg, &(struct bus_out){ .subject = "nobody" }, 30000, cancel_next, NULL, &why);
	ck_assert(h != 0);
	bus_cancel(arg, h);
	got++;
}

START_TEST(a_request_from_a_handler_may_be_cancelled_there)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	for (int i = 0; i < 20; i++)
		ck_assert(bus_request(a, &(struct bus_out){ .subject = "nobody" }, 30000, cancel_next, a, &why) != 0);
	fx_until(&got, 20);
	settle(a);
	bus_close(a);
}
END_TEST

static struct bus_req *kept;
static char kept_actor[64];
static int64_t kept_deadline;

static void on_keep(void *arg, const struct bus_msg *m)
{
	(void)arg;
	kept = m->req;
	pl_strlcpy(kept_actor, bus_req_actor(m->req), sizeof(kept_actor));
	kept_deadline = bus_req_deadline_us(m->req);
	got++;
}

START_TEST(an_answer_may_come_later_and_may_be_an_error)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("beta", "beta-1");
	struct fx_reply r = { 0 };
	ck_assert_int_eq(bus_subscribe(NULL, b, "rpc.x", "g", on_keep, NULL, &why), PL_OK);
	settle(b);
	ck_assert(bus_request(a, &(struct bus_out){ .subject = "rpc.x", .actor = "u1" }, 20000, fx_on_reply, &r,
			      &why) != 0);
	fx_until(&got, 1);
	ck_assert_str_eq(kept_actor, "u1");
	ck_assert_int_gt(kept_deadline, pl_wall_us());
	ck_assert_int_lt(kept_deadline, pl_wall_us() + 21 * PL_US_PER_S);
	fx_turn_for(50);
	ck_assert_int_eq(r.n, 0);
	struct pl_why w = { 0 };
	pl_why_field(&w, PL_E_FORMAT, "queue.name", "two\r\nlines");
	bus_answer_err(kept, PL_E_FORMAT, &w);
	ck_assert_int_eq(fx_wait(&r)->err, PL_E_FORMAT);
	ck_assert_str_eq(r.field, "queue.name");
	ck_assert_str_eq(r.why, "two  lines");
	bus_close(a);
	bus_close(b);
}
END_TEST

START_TEST(a_late_answer_finds_nobody_and_a_cancelled_request_hears_nothing)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	struct fx_reply r = { 0 }, c = { 0 };
	ck_assert_int_eq(bus_subscribe(NULL, a, "rpc.x", NULL, on_keep, NULL, &why), PL_OK);
	ck_assert(bus_request(a, &(struct bus_out){ .subject = "rpc.x" }, 50, fx_on_reply, &r, &why) != 0);
	ck_assert_int_eq(fx_wait(&r)->err, PL_E_TIMEOUT);
	bus_answer(kept, "", "x", 1);
	uint64_t h = bus_request(a, &(struct bus_out){ .subject = "rpc.x" }, 20000, fx_on_reply, &c, &why);
	fx_until(&got, 2);
	bus_cancel(a, h);
	bus_answer(kept, "", "x", 1);
	settle(a);
	ck_assert_int_eq(r.n, 0);
	ck_assert_int_eq(c.n, 0);
	bus_close(a);
}
END_TEST

static void on_forward(void *arg, const struct bus_msg *m)
{
	(void)arg;
	bus_forward(m->req, "node.b.Echo", m);
}

static void on_who(void *arg, const struct bus_msg *m)
{
	(void)arg;
	bus_answer(m->req, m->type, m->actor, strlen(m->actor));
}

START_TEST(a_forwarded_request_is_answered_to_the_one_who_asked)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("beta", "beta-1");
	struct fx_reply r = { 0 };
	struct bus_sub *s;
	ck_assert_int_eq(bus_subscribe(NULL, b, "rpc.x", "g", on_forward, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(&s, b, "node.b.Echo", NULL, on_who, NULL, &why), PL_OK);
	settle(b);
	struct bus_out o = { .subject = "rpc.x", .type = "T", .actor = "u9" };
	ck_assert(bus_request(a, &o, 20000, fx_on_reply, &r, &why) != 0);
	ck_assert_int_eq(fx_wait(&r)->err, PL_OK);
	ck_assert_str_eq(r.data, "u9");
	ck_assert_str_eq(r.type, "T");
	bus_unsubscribe(s);
	settle(b);
	ck_assert(bus_request(a, &o, 500, fx_on_reply, &r, &why) != 0);
	ck_assert_int_eq(fx_wait(&r)->err,
			 PL_E_TIMEOUT); /* the server tells a missing responder only to who owns the inbox */
	bus_close(a);
	bus_close(b);
}
END_TEST

static struct bus *turn_bus;

static void publish_ten(void *arg)
{
	(void)arg;
	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(
			bus_publish(turn_bus, &(struct bus_out){ .subject = "t.x", .data = "12345", .len = 5 }), PL_OK);
}

START_TEST(ten_publishes_in_a_turn_are_one_write)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("beta", "beta-1");
	ck_assert_int_eq(bus_subscribe(NULL, b, "t.*", NULL, on_msg, NULL, &why), PL_OK);
	settle(b);
	settle(a);
	turn_bus = a;
	fx_turn_for(50); /* what settling has left */
	ck_assert_int_eq(pl_loop_post(loop, publish_ten, NULL), PL_OK);
	int before = sends;
	ck_assert_int_eq(before > 0, 1); /* the counter counts */
	fx_until(&got, 10);
	ck_assert_int_eq(sends - before, 1);
	bus_close(a);
	bus_close(b);
}
END_TEST

static int rounds;
static int64_t round_from, best_us;

static void on_round(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	(void)arg, (void)m, (void)w;
	ck_assert_int_eq(err, PL_OK);
	int64_t took = pl_mono_us() - round_from;
	best_us = rounds == 0 || took < best_us ? took : best_us;
	if (++rounds == 500) {
		pl_loop_stop(loop);
		return;
	}
	round_from = pl_mono_us();
	ck_assert(bus_request(turn_bus, &(struct bus_out){ .subject = "rpc.echo" }, 20000, on_round, NULL, &why) != 0);
}

START_TEST(a_request_takes_microseconds_not_milliseconds)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("beta", "beta-1");
	ck_assert_int_eq(bus_subscribe(NULL, b, "rpc.echo", "g", on_echo, NULL, &why), PL_OK);
	settle(b);
	turn_bus = a;
	int64_t from = round_from = pl_mono_us();
	ck_assert(bus_request(a, &(struct bus_out){ .subject = "rpc.echo" }, 20000, on_round, NULL, &why) != 0);
	pl_loop_run(loop);
	printf("request and reply: best %" PRId64 " us, mean %" PRId64 " us\n", best_us, (pl_mono_us() - from) / 500);
	ck_assert_int_lt(best_us, 900); /* a delayed flush is 1,000 us */
	bus_close(a);
	bus_close(b);
}
END_TEST

static bool is_down(void *b)
{
	return !bus_connected(b);
}

static bool is_up(void *b)
{
	return bus_connected(b);
}

static int open_files(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

START_TEST(the_bus_comes_back_after_restarts_and_leaks_no_descriptor)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	struct fx_reply r = { 0 }, lost = { 0 };
	ck_assert_int_eq(bus_subscribe(NULL, a, "rpc.keep", NULL, on_keep, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(NULL, a, "t.*", NULL, on_msg, NULL, &why), PL_OK);
	settle(a);
	int files = 0;
	for (int i = 0; i < 5; i++) {
		int had = got;
		ck_assert(bus_request(a, &(struct bus_out){ .subject = "rpc.keep" }, 60000, fx_on_reply, &lost, &why) !=
			  0);
		fx_until(&got, had + 1);
		tk_kill(nats);
		fx_until_fn(is_down, a);
		ck_assert_int_eq(fx_wait(&lost)->err, PL_E_UNAVAIL); /* the answer cannot come any more */
		bus_answer(kept, "", NULL, 0);
		had = got;
		struct bus_out o = { .subject = "t.kept", .data = &(char){ (char)('0' + i) }, .len = 1 };
		ck_assert_int_eq(bus_publish(a, &o), PL_OK);
		ck_assert(bus_request(a, &(struct bus_out){ .subject = "rpc.none" }, 60000, fx_on_reply, &r, &why) !=
			  0);
		tk_start(nats);
		fx_until_fn(is_up, a);
		fx_until(&got, had + 1); /* what was published while away arrives, the request too */
		ck_assert_int_eq(last[strlen(last) - 1], '0' + i);
		ck_assert_int_eq(fx_wait(&r)->err, PL_E_UNAVAIL);
		if (i == 0)
			files = open_files();
	}
	ck_assert_int_le(open_files(), files);
	bus_close(a);
}
END_TEST

START_TEST(the_buffer_while_away_is_bounded)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	static char big[512 << 10];
	tk_kill(nats);
	fx_until_fn(is_down, a);
	int n = 0;
	while (bus_publish(a, &(struct bus_out){ .subject = "t.x", .data = big, .len = sizeof(big) }) == PL_OK)
		n++;
	ck_assert_int_eq(n, 63); /* of 32 MiB */
	ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "t.x", .data = big, .len = sizeof(big) }),
			 PL_E_FULL);
	struct fx_reply r = { 0 };
	ck_assert(bus_request(a, &(struct bus_out){ .subject = "x" }, 100, fx_on_reply, &r, &why) != 0);
	ck_assert_int_eq(fx_wait(&r)->err, PL_E_TIMEOUT);
	bus_close(a);
}
END_TEST

START_TEST(a_server_that_hangs_is_left)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	tk_pause(nats);
	fx_until_fn(is_down, a);
	tk_resume(nats);
	fx_until_fn(is_up, a);
	bus_close(a);
}
END_TEST

static struct bus_sub *self_sub;

static void on_self(void *arg, const struct bus_msg *m)
{
	(void)arg, (void)m;
	got++;
	bus_unsubscribe(self_sub);
}

START_TEST(a_handler_may_unsubscribe_itself)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	int other = 0;
	ck_assert_int_eq(bus_subscribe(&self_sub, a, "s.x", NULL, on_self, NULL, &why), PL_OK);
	ck_assert_int_eq(bus_subscribe(NULL, a, "s.*", NULL, on_msg, &other, &why), PL_OK);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "s.x" }), PL_OK);
	fx_until(&other, 5);
	ck_assert_int_eq(got, 6);
	bus_close(a);
}
END_TEST

static int ups, downs;
static int64_t load_now;

static void on_node(void *arg, enum bus_node_change c, const struct bus_node *n)
{
	(void)arg;
	ck_assert_str_eq(n->service, "media");
	if (c == BUS_NODE_UP)
		ups++;
	else
		downs++;
}

static int64_t load_of(void *arg)
{
	return *(int64_t *)arg;
}

static bool load_is_9(void *arg)
{
	return bus_find_node(arg, "media", "media-1") && bus_find_node(arg, "media", "media-1")->load == 9;
}

START_TEST(nodes_are_seen_picked_by_load_and_missed)
{
	struct bus *w = fx_bus("call-control", "cc-1"), *a = fx_bus("media", "media-1"),
		   *b = fx_bus("media", "media-2");
	int64_t load_b = 5;
	load_now = 1;
	ck_assert_int_eq(bus_watch_nodes(w, "media", on_node, NULL), PL_OK);
	ck_assert_int_eq(bus_announce(a, load_of, 10, "udp=10.0.0.1", &load_now), PL_OK);
	ck_assert_int_eq(bus_announce(b, load_of, 10, "", &load_b), PL_OK);
	fx_until(&ups, 2);
	ck_assert_str_eq(bus_find_node(w, "media", "media-1")->info, "udp=10.0.0.1");
	ck_assert_str_eq(bus_pick_node(w, "media", NULL)->node, "media-1");
	ck_assert_str_eq(bus_pick_node(w, "media", "media-1")->node, "media-2");
	load_now = 9;
	fx_until_fn(load_is_9, w);
	ck_assert_str_eq(bus_pick_node(w, "media", NULL)->node, "media-2");
	bus_close(b); /* says goodbye */
	fx_until(&downs, 1);
	ck_assert_str_eq(bus_pick_node(w, "media", NULL)->node, "media-1");
	ck_assert_ptr_null(bus_pick_node(w, "media", "media-1"));
	ck_assert_ptr_null(bus_pick_node(w, "sip-edge", NULL));
	tk_kill(nats);
	fx_until_fn(is_down, w);
	fx_turn_for(4500); /* silence of our own making */
	ck_assert_int_eq(downs, 1);
	tk_start(nats);
	fx_until_fn(is_up, w);
	fx_until_fn(is_up, a);
	fx_turn_for(1500);
	ck_assert_int_eq(downs, 1);
	bus_close(a);
	fx_until(&downs, 2);
	bus_close(w);
}
END_TEST

START_TEST(what_was_published_before_the_close_arrives)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("beta", "beta-1");
	static char big[100 << 10];
	ck_assert_int_eq(bus_subscribe(NULL, b, "t.*", NULL, on_msg, NULL, &why), PL_OK);
	settle(b);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(bus_publish(a, &(struct bus_out){ .subject = "t.x", .data = big, .len = sizeof(big) }),
				 PL_OK);
	bus_close(a);
	fx_until(&got, 50);
	bus_close(b);
}
END_TEST

START_TEST(a_server_that_is_not_there_is_an_error_with_the_options_name)
{
	struct bus *b = NULL;
	struct bus_cfg c = { .url = "nats://127.0.0.1:1", .service = "alpha", .node = "alpha-1" };
	ck_assert_int_eq(bus_open(&b, loop, NULL, &c, &why), PL_E_UNAVAIL);
	ck_assert_str_eq(why.field, "nats-url");
	c.node = "Not A Node";
	ck_assert_int_eq(bus_open(&b, loop, NULL, &c, &why), PL_E_FORMAT);
	ck_assert_ptr_null(b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_request_from_a_handler_may_be_cancelled_there,
				       a_message_arrives_with_its_headers,
				       what_cannot_be_a_subject_or_header_is_refused,
				       the_largest_message_arrives,
				       one_of_a_queue_group_gets_each_message,
				       a_request_without_a_responder_fails_at_once,
				       an_answer_may_come_later_and_may_be_an_error,
				       a_late_answer_finds_nobody_and_a_cancelled_request_hears_nothing,
				       a_forwarded_request_is_answered_to_the_one_who_asked,
				       ten_publishes_in_a_turn_are_one_write,
				       a_request_takes_microseconds_not_milliseconds,
				       the_bus_comes_back_after_restarts_and_leaks_no_descriptor,
				       the_buffer_while_away_is_bounded,
				       a_server_that_hangs_is_left,
				       a_handler_may_unsubscribe_itself,
				       nodes_are_seen_picked_by_load_and_missed,
				       what_was_published_before_the_close_arrives,
				       a_server_that_is_not_there_is_an_error_with_the_options_name };
	return fx_run("bus core", tests, PL_ARRAY_N(tests));
}
