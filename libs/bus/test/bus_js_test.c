/* Streams against a private nats-server that is killed and started again. */
#include "fixture.h"

static struct fx_reply reply;

static void stream(struct bus *b, const char *name, const char *subject, bool memory)
{
	struct bus_stream_cfg c = {
		.name = name, .subjects = { subject }, .max_age_s = 3600, .dup_window_s = 120, .memory = memory
	};
	bus_stream_ensure(b, &c, fx_on_reply, &reply);
	ck_assert_msg(fx_wait(&reply)->err == PL_OK, "%s", reply.why);
}

static int acked, failed;
static uint64_t ack_seq;

static void on_ack(void *arg, enum pl_err err, const struct bus_msg *m, const struct pl_why *w)
{
	(void)arg, (void)w;
	acked += err == PL_OK;
	failed += err != PL_OK;
	ack_seq = m ? m->seq : 0;
}

static enum pl_err put(struct bus *b, const char *subject, int n, bus_reply_fn fn)
{
	char id[32], data[16];
	snprintf(id, sizeof(id), "%s-%d", subject, n);
	struct bus_out o = { .subject = subject,
			     .type = "N",
			     .data = data,
			     .len = (size_t)snprintf(data, sizeof(data), "%d", n),
			     .msg_id = id };
	return bus_js_publish(b, &o, fn, NULL);
}

/* A reader that checks that it gets 0, 1, 2, ... */
struct seen {
	int n, next, wrong, caught, lost;
	uint64_t seq, lost_first;
	int64_t time_us;
	char id[40], subject[64];
	struct bus_tail *close_at_once;
};

static void on_seen(void *arg, const struct bus_msg *m)
{
	struct seen *s = arg;
	int v = atoi((const char *)m->data);
	s->wrong += v != s->next || m->seq <= s->seq || m->req || *m->reply;
	s->next = v + 1;
	s->seq = m->seq;
	s->time_us = m->time_us;
	pl_strlcpy(s->id, m->id, sizeof(s->id));
	pl_strlcpy(s->subject, m->subject, sizeof(s->subject));
	s->n++;
	if (s->close_at_once)
		bus_tail_close(PL_TAKE(s->close_at_once));
}

static void on_caught(void *arg)
{
	((struct seen *)arg)->caught++;
}

static void on_lost(void *arg, uint64_t from, uint64_t first)
{
	(void)from;
	struct seen *s = arg;
	s->lost++;
	s->lost_first = first;
}

static struct bus_tail *tail(struct bus *b, const char *stream_name, const char *filter, uint64_t from, struct seen *s)
{
	struct bus_tail *t = NULL;
	struct bus_tail_cfg c = { .stream = stream_name,
				  .filter = filter,
				  .from_seq = from,
				  .fn = on_seen,
				  .caught_up = on_caught,
				  .lost = on_lost,
				  .arg = s };
	ck_assert_int_eq(bus_tail_open(&t, b, &c, &why), PL_OK);
	return t;
}

START_TEST(a_publish_is_acknowledged_with_its_sequence_and_stored_once)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	struct seen s = { 0 };
	stream(b, "S", "s.>", false);
	int64_t before = pl_wall_us();
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(put(b, "s.x", i, on_ack), PL_OK);
	ck_assert_uint_eq(bus_js_pending(b), 3);
	fx_until(&acked, 3);
	ck_assert_uint_eq(ack_seq, 3);
	ck_assert_int_eq(put(b, "s.x", 1, on_ack), PL_OK); /* the same id again */
	fx_until(&acked, 4);
	ck_assert_uint_eq(ack_seq, 2);
	ck_assert_uint_eq(bus_js_pending(b), 0);
	struct bus_tail *t = tail(b, "S", NULL, 1, &s);
	fx_until(&s.caught, 1);
	ck_assert_int_eq(s.n, 3);
	ck_assert_int_eq(s.wrong, 0);
	ck_assert_str_eq(s.id, "s.x-2");
	ck_assert_str_eq(s.subject, "s.x");
	ck_assert(s.time_us >= before - PL_US_PER_S && s.time_us <= pl_wall_us() + PL_US_PER_S);
	ck_assert_int_eq(put(b, "s.x", 3, NULL), PL_OK);
	fx_until(&s.n, 4);
	ck_assert_uint_eq(bus_tail_seq(t), 4);
	ck_assert_int_eq(s.caught, 1);
	bus_tail_close(t);
	bus_close(b);
}
END_TEST

START_TEST(a_stream_is_changed_to_what_is_asked_for)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	stream(b, "S", "s.>", false);
	stream(b, "S", "s.>", false);
	struct bus_stream_cfg c = { .name = "S", .subjects = { "s.>", "t.>" }, .max_age_s = 60, .max_bytes = 1 << 20 };
	bus_stream_ensure(b, &c, fx_on_reply, &reply);
	ck_assert_int_eq(fx_wait(&reply)->err, PL_OK);
	ck_assert_int_eq(put(b, "t.x", 0, on_ack), PL_OK);
	fx_until(&acked, 1);
	bus_close(b);
}
END_TEST

START_TEST(a_publish_before_its_stream_exists_waits_for_it)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	ck_assert_int_eq(put(b, "s.x", 0, on_ack), PL_OK);
	fx_turn_for(600);
	ck_assert_int_eq(acked + failed, 0);
	stream(b, "S", "s.>", false);
	fx_until(&acked, 1);
	bus_close(b);
}
END_TEST

START_TEST(a_restart_with_10000_publishes_in_flight_loses_none_and_stores_each_once)
{
	enum { N = 10000 };
	struct bus *b = fx_bus("alpha", "alpha-1"), *reader = fx_bus("beta", "beta-1");
	struct seen s = { 0 };
	stream(b, "S", "s.>", false);
	struct bus_tail *t = tail(reader, "S", NULL, 1, &s);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(put(b, "s.x", i, on_ack), PL_OK);
	fx_until(&acked, N / 20);
	tk_kill(nats);
	ck_assert_int_lt(acked, N);
	ck_assert_uint_gt(bus_js_pending(b), 0);
	fx_turn_for(300);
	tk_start(nats);
	fx_until(&acked, N);
	ck_assert_int_eq(failed, 0);
	fx_until(&s.n, N);
	fx_turn_for(300);
	ck_assert_int_eq(s.n, N);
	ck_assert_int_eq(s.wrong, 0);
	ck_assert_uint_eq(s.seq, N); /* each once */
	ck_assert_int_eq(s.lost, 0);
	bus_tail_close(t);
	bus_close(reader);
	bus_close(b);
}
END_TEST

START_TEST(a_tail_sees_every_message_in_order_over_three_restarts)
{
	struct bus *b = fx_bus("alpha", "alpha-1"), *reader = fx_bus("beta", "beta-1");
	struct seen s = { 0 };
	int n = 0;
	stream(b, "S", "s.>", false);
	struct bus_tail *t = tail(reader, "S", "s.x", 0, &s);
	fx_until(&s.caught, 1); /* only new ones: it must have begun */
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2000; i++, n++)
			ck_assert_int_eq(put(b, "s.x", n, on_ack), PL_OK);
		fx_until(&s.n, n - 1900);
		tk_kill(nats);
		for (int i = 0; i < 100; i++, n++) /* while away */
			ck_assert_int_eq(put(b, "s.x", n, on_ack), PL_OK);
		fx_turn_for(200);
		tk_start(nats);
		fx_until(&s.n, n);
	}
	ck_assert_int_eq(s.wrong, 0);
	ck_assert_int_eq(s.n, n);
	bus_tail_close(t);
	bus_close(reader);
	bus_close(b);
}
END_TEST

START_TEST(a_tail_that_starts_before_what_is_kept_is_told)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	struct seen s = { .next = 0 };
	struct bus_stream_cfg c = { .name = "S", .subjects = { "s.>" }, .max_bytes = 4000 };
	bus_stream_ensure(b, &c, fx_on_reply, &reply);
	ck_assert_int_eq(fx_wait(&reply)->err, PL_OK);
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(put(b, "s.x", i, on_ack), PL_OK);
	fx_until(&acked, 200);
	struct bus_tail *t = tail(b, "S", NULL, 1, &s);
	fx_until(&s.caught, 1);
	ck_assert_int_eq(s.lost, 1);
	ck_assert_uint_gt(s.lost_first, 1);
	ck_assert_uint_eq(s.seq, 200);
	ck_assert_int_eq(s.n, (int)(200 - s.lost_first + 1));
	bus_tail_close(t);
	bus_close(b);
}
END_TEST

START_TEST(a_tail_that_knows_a_longer_stream_is_told)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	struct seen s = { 0 };
	stream(b, "S", "s.>", false);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(put(b, "s.x", i, on_ack), PL_OK);
	fx_until(&acked, 5);
	struct bus_tail *t = tail(b, "S", NULL, 500, &s);
	fx_until(&s.n, 5);
	ck_assert_int_eq(s.lost, 1);
	ck_assert_uint_eq(s.lost_first, 1);
	ck_assert_int_eq(s.wrong, 0);
	bus_tail_close(t);
	t = tail(b, "S", NULL, 6, &s); /* exactly the next one: nothing is lost */
	fx_until(&s.caught, 2);
	ck_assert_int_eq(s.lost, 1);
	bus_tail_close(t);
	bus_close(b);
}
END_TEST

START_TEST(a_tail_of_a_stream_in_memory_begins_anew_after_a_restart)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	struct seen s = { 0 };
	stream(b, "M", "m.>", true);
	struct bus_tail *t = tail(b, "M", NULL, 1, &s);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(put(b, "m.x", i, on_ack), PL_OK);
	fx_until(&s.n, 5);
	fx_until(&acked, 5);
	tk_kill(nats);
	tk_start(nats);
	s = (struct seen){ 0 };
	for (int i = 0; i < 3; i++) { /* the bus makes the stream again by itself */
		char id[16];
		snprintf(id, sizeof(id), "new-%d", i);
		struct bus_out o = { .subject = "m.x", .data = &(char){ (char)('0' + i) }, .len = 1, .msg_id = id };
		ck_assert_int_eq(bus_js_publish(b, &o, on_ack, NULL), PL_OK);
	}
	fx_until(&s.n, 3);
	ck_assert_int_eq(s.wrong, 0);
	ck_assert_int_eq(s.lost, 1); /* a replica must know that it starts from nothing */
	bus_tail_close(t);
	bus_close(b);
}
END_TEST

START_TEST(a_tail_may_be_closed_in_its_handler_and_before_it_began)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	struct seen s = { 0 }, none = { 0 };
	stream(b, "S", "s.>", false);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(put(b, "s.x", i, on_ack), PL_OK);
	fx_until(&acked, 5);
	s.close_at_once = tail(b, "S", NULL, 1, &s);
	bus_tail_close(tail(b, "S", NULL, 1, &none));
	struct bus_tail *asking = tail(b, "S", NULL, 1, &none);
	pl_loop_turn(loop);
	fx_turn_for(260); /* it has just asked, or a little more */
	bus_tail_close(asking);
	fx_until(&s.n, 1);
	int had = none.n;
	fx_turn_for(300);
	ck_assert_int_eq(s.n, 1);
	ck_assert_int_eq(none.n, had);
	for (int i = 0; i < 40;
	     i++) { /* the first message may come before the answer to the consumer's creation, or after */
		struct seen x = { 0 };
		x.close_at_once = tail(b, "S", NULL, 1, &x);
		fx_until(&x.n, 1);
	}
	bus_close(b);
}
END_TEST

/* --- consumers --- */
enum { WORK = 3000 };
struct worker {
	struct bus *b;
	int n, nack_first;
	int *times; /* how often each number was handled */
};

static void on_work(void *arg, struct bus_consumer *c, const struct bus_msg *m, const char *ack)
{
	(void)c;
	struct worker *w = arg;
	int v = atoi((const char *)m->data);
	if (w->nack_first > 0) {
		w->nack_first--;
		bus_nack(w->b, ack, 50);
		return;
	}
	w->times[v]++;
	w->n++;
	bus_ack(w->b, ack);
}

static int times[WORK], handled;

static bool all_handled(void *arg)
{
	(void)arg;
	for (int i = handled; i < WORK; i++, handled++)
		if (!times[i])
			return false;
	return true;
}

static struct bus_consumer *consumer(struct worker *w, int batch, int64_t ack_wait_ms)
{
	struct bus_consumer *c = NULL;
	struct bus_consumer_cfg cfg = { .stream = "S",
					.durable = "workers",
					.filter = "s.>",
					.batch = batch,
					.ack_wait_ms = ack_wait_ms,
					.fn = on_work,
					.arg = w };
	ck_assert_int_eq(bus_consume(&c, w->b, &cfg, &why), PL_OK);
	return c;
}

START_TEST(two_copies_share_the_work_and_each_message_is_handled)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("alpha", "alpha-2");
	struct worker wa = { .b = a, .times = times, .nack_first = 3 }, wb = { .b = b, .times = times };
	stream(a, "S", "s.>", false);
	struct bus_consumer *ca = consumer(&wa, 50, 5000), *cb = consumer(&wb, 50, 5000);
	for (int i = 0; i < WORK; i++)
		ck_assert_int_eq(put(a, "s.x", i, NULL), PL_OK);
	fx_until_fn(all_handled, NULL);
	ck_assert_int_eq(wa.n + wb.n, WORK);
	ck_assert(wa.n > 0 && wb.n > 0);
	bus_consumer_close(ca);
	bus_consumer_close(cb);
	bus_close(a);
	bus_close(b);
}
END_TEST

START_TEST(a_consumer_goes_on_after_a_restart)
{
	struct bus *a = fx_bus("alpha", "alpha-1");
	struct worker w = { .b = a, .times = times };
	stream(a, "S", "s.>", false);
	struct bus_consumer *c = consumer(&w, 10, 1000);
	for (int i = 0; i < WORK / 2; i++)
		ck_assert_int_eq(put(a, "s.x", i, NULL), PL_OK);
	fx_until(&w.n, 100);
	tk_kill(nats);
	fx_turn_for(200);
	tk_start(nats);
	for (int i = WORK / 2; i < WORK; i++)
		ck_assert_int_eq(put(a, "s.x", i, NULL), PL_OK);
	fx_until_fn(all_handled, NULL);
	bus_consumer_close(c);
	bus_close(a);
}
END_TEST

START_TEST(what_a_closed_copy_did_not_acknowledge_comes_to_another)
{
	struct bus *a = fx_bus("alpha", "alpha-1"), *b = fx_bus("alpha", "alpha-2");
	struct worker wa = { .b = a, .times = times, .nack_first = 0 }, wb = { .b = b, .times = times };
	stream(a, "S", "s.>", false);
	struct bus_consumer *ca = consumer(&wa, 10, 500);
	fx_turn_for(600); /* its pull waits at the server now */
	bus_consumer_close(ca);
	for (int i = 0; i < WORK; i++)
		ck_assert_int_eq(put(b, "s.x", i, NULL), PL_OK);
	struct bus_consumer *cb = consumer(&wb, 100, 500);
	fx_until_fn(all_handled, NULL);
	bus_consumer_close(cb);
	bus_close(a);
	bus_close(b);
}
END_TEST

START_TEST(more_than_the_bound_of_unacknowledged_publishes_is_refused)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	stream(b, "S", "s.>", false);
	tk_pause(nats);
	int n = 0;
	while (put(b, "s.x", n, on_ack) == PL_OK)
		n++;
	ck_assert_int_eq(n, 100000);
	ck_assert_int_eq(put(b, "s.x", n, on_ack), PL_E_FULL);
	tk_resume(nats);
	int64_t from = pl_mono_us();
	fx_until(&acked, n);
	printf("100,000 publishes acknowledged in %" PRId64 " ms\n", (pl_mono_us() - from) / 1000);
	ck_assert_int_eq(failed, 0);
	bus_close(b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_publish_is_acknowledged_with_its_sequence_and_stored_once,
				       a_stream_is_changed_to_what_is_asked_for,
				       a_publish_before_its_stream_exists_waits_for_it,
				       a_restart_with_10000_publishes_in_flight_loses_none_and_stores_each_once,
				       a_tail_sees_every_message_in_order_over_three_restarts,
				       a_tail_that_starts_before_what_is_kept_is_told,
				       a_tail_that_knows_a_longer_stream_is_told,
				       a_tail_of_a_stream_in_memory_begins_anew_after_a_restart,
				       a_tail_may_be_closed_in_its_handler_and_before_it_began,
				       two_copies_share_the_work_and_each_message_is_handled,
				       a_consumer_goes_on_after_a_restart,
				       what_a_closed_copy_did_not_acknowledge_comes_to_another,
				       more_than_the_bound_of_unacknowledged_publishes_is_refused };
	return fx_run("bus js", tests, PL_ARRAY_N(tests));
}
