/* Key-value buckets and leases against a private nats-server. */
#include "fixture.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fx_reply r;

static void bucket(struct bus *b, const char *name, int64_t ttl_s)
{
	bus_kv_ensure(b, &(struct bus_kv_cfg){ .bucket = name, .ttl_s = ttl_s, .history = 1 }, fx_on_reply, &r);
	ck_assert_msg(fx_wait(&r)->err == PL_OK, "%s", r.why);
}

static struct fx_reply *put(struct bus *b, const char *key, const char *v, uint64_t rev)
{
	bus_kv_put(b, "B", key, v, strlen(v), rev, fx_on_reply, &r);
	return fx_wait(&r);
}

static struct fx_reply *get(struct bus *b, const char *key)
{
	bus_kv_get(b, "B", key, fx_on_reply, &r);
	return fx_wait(&r);
}

static struct fx_reply *del(struct bus *b, const char *key, uint64_t rev)
{
	bus_kv_delete(b, "B", key, rev, fx_on_reply, &r);
	return fx_wait(&r);
}

START_TEST(values_are_written_read_compared_and_deleted)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	bucket(b, "B", 0);
	ck_assert_int_eq(get(b, "k.1")->err, PL_E_NOTFOUND);
	ck_assert_int_eq(put(b, "k.1", "one", 0)->err, PL_OK);
	uint64_t rev = r.seq;
	ck_assert_int_eq(put(b, "k.1", "two", 0)->err, PL_E_CONFLICT);
	ck_assert_int_eq(get(b, "k.1")->err, PL_OK);
	ck_assert_str_eq(r.data, "one");
	ck_assert_uint_eq(r.seq, rev);
	ck_assert(r.time_us > pl_wall_us() - 60 * PL_US_PER_S && r.time_us < pl_wall_us() + 60 * PL_US_PER_S);
	ck_assert_int_eq(put(b, "k.1", "two", rev)->err, PL_OK);
	ck_assert_int_eq(put(b, "k.1", "three", rev)->err, PL_E_CONFLICT);
	ck_assert_int_eq(put(b, "k.1", "", BUS_REV_ANY)->err, PL_OK);
	ck_assert_int_eq(get(b, "k.1")->err, PL_OK);
	ck_assert_uint_eq(r.len, 0);
	rev = r.seq;
	ck_assert_int_eq(del(b, "k.1", rev - 1)->err, PL_E_CONFLICT);
	ck_assert_int_eq(del(b, "k.1", rev)->err, PL_OK);
	ck_assert_int_eq(get(b, "k.1")->err, PL_E_NOTFOUND);
	ck_assert_int_eq(put(b, "k.1", "again", 0)->err, PL_OK); /* a delete is as good as absent */
	ck_assert_uint_gt(r.seq, rev);
	ck_assert_str_eq(get(b, "k.1")->data, "again");
	static const char *const bad[] = { "", ".", "a b", "a*", "a..b", ">", "a\r\n", NULL };
	for (int i = 0; bad[i]; i++)
		ck_assert_int_eq(put(b, bad[i], "x", 0)->err, PL_E_FORMAT);
	bus_close(b);
}
END_TEST

START_TEST(a_value_of_any_bytes_survives_a_restart)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	static uint8_t big[200000];
	ck_assert_int_eq(pl_random(big, sizeof(big)), PL_OK);
	bucket(b, "B", 0);
	bus_kv_put(b, "B", "k", big, sizeof(big), 0, fx_on_reply, &r);
	ck_assert_int_eq(fx_wait(&r)->err, PL_OK);
	tk_kill(nats);
	tk_start(nats);
	bus_kv_get(b, "B", "k", fx_on_reply, &r);
	while (fx_wait(&r)->err == PL_E_UNAVAIL) /* it was under way when the connection broke */
		bus_kv_get(b, "B", "k", fx_on_reply, &r);
	ck_assert_int_eq(r.err, PL_OK);
	ck_assert_uint_eq(r.len, sizeof(big));
	ck_assert_mem_eq(r.data, big, strnlen(r.data, 100));
	bus_close(b);
}
END_TEST

struct watch {
	int n, caught;
	char last[64];
};

static void on_change(void *arg, const struct bus_msg *m)
{
	struct watch *w = arg;
	snprintf(w->last, sizeof(w->last), "%s=%.*s", m->subject, (int)m->len, (const char *)m->data);
	w->n++;
}

static void on_caught(void *arg)
{
	((struct watch *)arg)->caught++;
}

START_TEST(a_watch_shows_the_last_value_of_each_key_and_then_changes)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	struct watch w = { 0 }, empty = { 0 };
	struct bus_tail *t = NULL, *e = NULL;
	bucket(b, "B", 0);
	struct bus_tail_cfg c = { .stream = "KV_B",
				  .filter = "$KV.B.>",
				  .last_per_subject = true,
				  .fn = on_change,
				  .caught_up = on_caught,
				  .arg = &empty };
	ck_assert_int_eq(bus_tail_open(&e, b, &c, &why), PL_OK);
	fx_until(&empty.caught, 1);
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(put(b, i % 2 ? "x" : "y", i % 2 ? "vx" : "vy", BUS_REV_ANY)->err, PL_OK);
	c.arg = &w;
	ck_assert_int_eq(bus_tail_open(&t, b, &c, &why), PL_OK);
	fx_until(&w.caught, 1);
	ck_assert_int_eq(w.n, 2);
	ck_assert_int_eq(put(b, "x", "new", BUS_REV_ANY)->err, PL_OK);
	fx_until(&w.n, 3);
	ck_assert_str_eq(w.last, "$KV.B.x=new");
	fx_until(&empty.n, 21);
	bus_tail_close(t);
	bus_tail_close(e);
	bus_close(b);
}
END_TEST

START_TEST(a_key_of_a_bucket_with_a_ttl_vanishes)
{
	struct bus *b = fx_bus("alpha", "alpha-1");
	bucket(b, "B", 1);
	ck_assert_int_eq(put(b, "k", "v", 0)->err, PL_OK);
	int64_t end = pl_mono_us() + LIMIT_S * PL_US_PER_S;
	while (get(b, "k")->err == PL_OK)
		ck_assert_int_lt(pl_mono_us(), end);
	ck_assert_int_eq(put(b, "k", "v", 0)->err, PL_OK);
	bus_close(b);
}
END_TEST

/* --- leases --- */
struct holder {
	struct bus *b;
	struct bus_lease *l;
	int gained, lost;
	uint64_t fence;
};

static void on_lease(void *arg, enum bus_lease_change c, uint64_t fence)
{
	struct holder *h = arg;
	h->gained += c == BUS_LEASE_GAINED;
	h->lost += c == BUS_LEASE_LOST;
	if (c == BUS_LEASE_GAINED)
		ck_assert_uint_gt(fence, h->fence);
	else
		ck_assert_uint_eq(fence, h->fence);
	h->fence = fence;
}

static void take(struct holder *h, const char *node)
{
	h->b = fx_bus("acd-router", node);
	ck_assert_int_eq(bus_lease_new(&h->l, h->b, "router", on_lease, h), PL_OK);
}

START_TEST(a_lease_has_one_holder_and_moves_at_once_when_it_is_given_up)
{
	struct holder a = { 0 }, b = { 0 };
	take(&a, "router-1");
	fx_until(&a.gained, 1);
	ck_assert(bus_lease_held(a.l));
	take(&b, "router-2");
	fx_turn_for(2500);
	ck_assert_int_eq(b.gained, 0);
	ck_assert_int_eq(a.lost, 0);
	ck_assert(bus_lease_held(a.l) && !bus_lease_held(b.l));
	ck_assert_str_eq(bus_lease_holder(b.l), "router-1");
	ck_assert_str_eq(bus_lease_holder(a.l), "router-1");
	int64_t from = pl_mono_us();
	bus_lease_free(a.l);
	fx_until(&b.gained, 1);
	ck_assert_int_lt(pl_mono_us() - from, 3 * PL_US_PER_S); /* sooner than it would have expired */
	ck_assert_uint_gt(b.fence, a.fence);
	bus_lease_free(b.l);
	bus_close(a.b);
	bus_close(b.b);
}
END_TEST

/* A holder in a process of its own that writes into shared memory whether it holds, by the common clock. */
struct shared {
	volatile int64_t held_at_us;
	volatile uint64_t fence;
	volatile int overlap;
	volatile int64_t other_held_at_us;
};

static void note(struct shared *s, struct holder *h, volatile int64_t *mine, volatile int64_t *other)
{
	/* Ours must hold before and after we looked at the other's note, else it says nothing. */
	if (!bus_lease_held(h->l)) {
		*mine = 0;
		return;
	}
	*mine = pl_mono_us();
	__sync_synchronize();
	if (*other && bus_lease_held(h->l) && pl_mono_us() - *other < 50000)
		s->overlap++;
	s->fence = h->fence;
}

static void child_holder(struct shared *s)
{
	struct holder h = { 0 };
	loop = NULL;
	ck_assert_int_eq(pl_loop_new(&loop, &why), PL_OK);
	struct bus_cfg c = { .url = tk_url(nats), .service = "acd-router", .node = "child", .connect_wait_ms = 10000 };
	if (bus_open(&h.b, loop, NULL, &c, &why) != PL_OK || bus_lease_new(&h.l, h.b, "router", on_lease, &h) != PL_OK)
		_exit(1);
	for (;;) {
		pl_loop_turn(loop);
		note(s, &h, &s->held_at_us, &s->other_held_at_us);
		usleep(1000);
	}
}

struct pair {
	struct shared *s;
	struct holder h;
};

static bool gained_checked(void *arg)
{
	struct pair *p = arg;
	note(p->s, &p->h, &p->s->other_held_at_us, &p->s->held_at_us);
	return p->h.gained > 0;
}

static bool child_holds(void *arg)
{
	return ((struct shared *)arg)->held_at_us != 0;
}

static void lease_moves_when(int sig, int64_t limit_us)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	if (pid == 0)
		child_holder(s);
	fx_until_fn(child_holds, s);
	struct pair p = { .s = s };
	take(&p.h, "router-2");
	fx_turn_for(1500);
	ck_assert_int_eq(p.h.gained, 0);
	uint64_t first = s->fence;
	kill(pid, sig);
	int64_t from = pl_mono_us();
	fx_until_fn(gained_checked, &p);
	int64_t took = pl_mono_us() - from;
	printf("signal %d: the lease moved after %" PRId64 " ms\n", sig, took / 1000);
	ck_assert_int_lt(took, limit_us);
	ck_assert_uint_gt(p.h.fence, first);
	if (sig == SIGSTOP) { /* the one that slept finds out when it wakes */
		kill(pid, SIGCONT);
		int64_t end = pl_mono_us() + 2 * PL_US_PER_S;
		while (pl_mono_us() < end) {
			fx_turn_for(5);
			gained_checked(&p);
		}
		ck_assert_int_eq(p.h.lost, 0);
	}
	ck_assert_int_eq(s->overlap, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	bus_lease_free(p.h.l);
	bus_close(p.h.b);
}

START_TEST(a_lease_moves_within_4_s_after_its_holder_was_killed)
{
	lease_moves_when(SIGKILL, 4 * PL_US_PER_S);
}
END_TEST

START_TEST(a_lease_moves_within_4_s_after_its_holder_stopped_and_two_never_hold_it)
{
	lease_moves_when(SIGSTOP, 4 * PL_US_PER_S);
}
END_TEST

START_TEST(a_restart_of_nats_neither_gives_a_lease_to_two_nor_makes_fences_go_back)
{
	struct holder a = { 0 }, b = { 0 };
	take(&a, "router-1");
	fx_until(&a.gained, 1);
	take(&b, "router-2");
	for (int round = 0; round < 2; round++) {
		uint64_t fence = PL_MAX(a.fence, b.fence);
		int gained = a.gained + b.gained;
		tk_kill(nats);
		if (round == 1)
			fx_turn_for(4000); /* long enough for the lease to end */
		tk_start(nats);
		int64_t end = pl_mono_us() + 6 * PL_US_PER_S;
		while (pl_mono_us() < end) {
			fx_turn_for(5);
			ck_assert(!(bus_lease_held(a.l) && bus_lease_held(b.l)));
		}
		ck_assert(bus_lease_held(a.l) || bus_lease_held(b.l));
		if (a.gained + b.gained > gained)
			ck_assert_uint_gt(PL_MAX(a.fence, b.fence), fence);
		if (round == 1)
			ck_assert_int_gt(a.lost, 0);
	}
	bus_lease_free(a.l);
	bus_lease_free(b.l);
	bus_close(a.b);
	bus_close(b.b);
}
END_TEST

static void free_when_gained(void *arg, enum bus_lease_change c, uint64_t fence)
{
	(void)fence;
	struct holder *h = arg;
	h->gained += c == BUS_LEASE_GAINED;
	bus_lease_free(PL_TAKE(h->l));
}

START_TEST(a_lease_may_be_freed_in_its_callback_and_at_any_moment)
{
	struct holder h = { .b = fx_bus("x", "x-1") };
	ck_assert_int_eq(bus_lease_new(&h.l, h.b, "k", free_when_gained, &h), PL_OK);
	fx_until(&h.gained, 1);
	for (int i = 0; i < 60; i++) {
		struct bus_lease *l = NULL;
		ck_assert_int_eq(bus_lease_new(&l, h.b, "k", on_lease, &h), PL_OK);
		fx_turn_for(i * 7);
		bus_lease_free(l);
	}
	bus_close(h.b);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { values_are_written_read_compared_and_deleted,
				       a_value_of_any_bytes_survives_a_restart,
				       a_watch_shows_the_last_value_of_each_key_and_then_changes,
				       a_key_of_a_bucket_with_a_ttl_vanishes,
				       a_lease_has_one_holder_and_moves_at_once_when_it_is_given_up,
				       a_lease_moves_within_4_s_after_its_holder_was_killed,
				       a_lease_moves_within_4_s_after_its_holder_stopped_and_two_never_hold_it,
				       a_restart_of_nats_neither_gives_a_lease_to_two_nor_makes_fences_go_back,
				       a_lease_may_be_freed_in_its_callback_and_at_any_moment };
	return fx_run("bus kv", tests, PL_ARRAY_N(tests));
}
