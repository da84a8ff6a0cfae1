/* Memory without servers: whatever arrives, in whatever order and however often, the figures equal the sum over the
 * rows, and the queues' lists hold exactly who waits. */
#include "parley/voice/v1/voice.pb-c.h"
#include "rep.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define S PL_US_PER_S
#define CALLS 40
#define KINDS 10
#define STR(s) ((char *)(uintptr_t)(s))

static struct store *st;
static uint64_t seed, seq;
static char ids[CALLS][PL_ID_LEN];
static int64_t t0;

static uint32_t rnd(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
	return (uint32_t)(seed >> 33) % n;
}

static void setup(void)
{
	st = store_new();
	t0 = INT64_C(1792886400000000);
	st->days.from_us = calloc(10, sizeof(*st->days.from_us));
	st->days.first = (int32_t)(t0 / 86400 / S) - 5;
	for (st->days.n = 0; st->days.n < 10; st->days.n++)
		st->days.from_us[st->days.n] = ((int64_t)st->days.first + (int64_t)st->days.n) * 86400 * S;
	st->clock_us = t0;
	store_new_day(st, t0);
	seq = 0;
	/* Version 4: made by somebody else, so that their age says nothing. */
	for (int i = 0; i < CALLS; i++)
		snprintf(ids[i], PL_ID_LEN, "%08x-0000-4000-8000-%012x", i, i * 7919);
}

static void teardown(void)
{
	store_free(st);
}

/* One event: its kind, call, agent and second follow from n, so that the same n is the same event. */
static bool deliver(uint32_t n)
{
	static const ProtobufCMessageDescriptor *const types[KINDS] = {
		&parley__voice__v1__call_started__descriptor,       &parley__acd__v1__interaction_queued__descriptor,
		&parley__acd__v1__interaction_offered__descriptor,  &parley__acd__v1__offer_ended__descriptor,
		&parley__acd__v1__interaction_dequeued__descriptor, &parley__voice__v1__agent_connected__descriptor,
		&parley__voice__v1__call_held__descriptor,          &parley__voice__v1__agent_disconnected__descriptor,
		&parley__voice__v1__call_ended__descriptor,         &parley__acd__v1__interaction_released__descriptor,
	};
	uint64_t save = seed;
	seed = n * UINT64_C(0x9e3779b97f4a7c15) + 1;
	char event[PL_ID_LEN], agent[8], queue[8];
	Google__Protobuf__Timestamp t = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
	Parley__Common__V1__EventMeta meta = PARLEY__COMMON__V1__EVENT_META__INIT;
	(void)rnd(2);
	const ProtobufCMessageDescriptor *d = types[rnd(KINDS)];
	snprintf(event, sizeof(event), "%08x-1111-7000-8000-000000000000", n);
	snprintf(agent, sizeof(agent), "a%u", rnd(5));
	snprintf(queue, sizeof(queue), "q%u", rnd(3));
	meta.event_id = event;
	meta.interaction_id = ids[rnd(CALLS)];
	meta.agent_id = agent;
	meta.queue_id = queue;
	t.seconds = t0 / S + rnd(600);
	t.nanos = (int32_t)rnd(1000) * 1000;
	meta.time = &t;
	ProtobufCMessage *m = calloc(1, d->sizeof_message);
	d->message_init(m);
	((struct {
		ProtobufCMessage base;
		Parley__Common__V1__EventMeta *meta;
	} *)(void *)m)
		->meta = &meta;
	if (d == &parley__voice__v1__call_ended__descriptor)
		((Parley__Voice__V1__CallEnded *)(void *)m)->ended_by = STR(rnd(2) ? "customer" : "agent");
	if (d == &parley__acd__v1__interaction_dequeued__descriptor)
		((Parley__Acd__V1__InteractionDequeued *)(void *)m)->reason = STR(rnd(2) ? "answered" : "timeout");
	if (d == &parley__acd__v1__interaction_released__descriptor)
		((Parley__Acd__V1__InteractionReleased *)(void *)m)->wrap_up_ms = rnd(5000);
	uint8_t data[512];
	size_t len = protobuf_c_message_pack(m, data);
	ck_assert_uint_le(len, sizeof(data));
	free(m);
	struct bus_msg msg = { .subject = "ev",
			       .type = d->name,
			       .data = data,
			       .len = len,
			       .id = event,
			       .seq = ++seq,
			       .time_us = t0,
			       .actor = "",
			       .reply = "" };
	seed = save;
	return apply(st, &msg);
}

static struct rep_qfig figures_of_tables(const char *queue)
{
	struct rep_qfig sum = { 0 };
	for (const struct qrow *r = st->qrows; r; r = r->hh.next)
		if (strcmp(r->key.id, queue) == 0)
			rep_qfig_add(&sum, &r->f, 1);
	return sum;
}

static void all_adds_up(void)
{
	static struct rep_row row;
	for (const struct rep_queue *q = st->queues; q; q = q->hh.next) {
		struct rep_qfig sum = { 0 }, one, table = figures_of_tables(q->id);
		uint32_t waiting = 0, talking = 0, listed = 0;
		for (const struct ix *x = st->ixs; x; x = x->hh.next) {
			rep_build(&x->f, &row);
			waiting += strcmp(rep_id(&x->f, row.waiting), q->id) == 0;
			talking += strcmp(rep_id(&x->f, row.talking), q->id) == 0;
			for (uint32_t i = 0; row.known && i < row.n_visits; i++)
				if (strcmp(rep_id(&x->f, row.visits[i].queue), q->id) == 0) {
					rep_visit_fig(&row.visits[i], &one);
					rep_qfig_add(&sum, &one, 1);
				}
		}
		PL_LIST_EACH (n, &q->waiting)
			listed++;
		ck_assert_mem_eq(&sum, &table, sizeof(sum));
		ck_assert_mem_eq(&sum, &q->today, sizeof(sum));
		ck_assert_uint_eq(q->n_waiting, waiting);
		ck_assert_uint_eq(listed, waiting);
		ck_assert_uint_eq(q->n_talking, talking);
	}
}

static struct rep_afig agents_sum(void)
{
	struct rep_afig sum = { 0 };
	for (const struct arow *r = st->arows; r; r = r->hh.next)
		rep_afig_add(&sum, &r->f, 1);
	return sum;
}

START_TEST(figures_are_the_sum_over_the_rows_whatever_arrives)
{
	for (seed = 1; seed < 30; seed++) {
		uint64_t first = seed;
		for (uint32_t i = 0; i < 800; i++) {
			deliver(rnd(1500)); /* some twice, most in a wrong order */
			if (i % 40 == 0)
				all_adds_up();
		}
		all_adds_up();
		teardown();
		setup();
		seed = first;
	}
}
END_TEST

START_TEST(the_same_events_in_another_order_give_the_same_figures)
{
	struct rep_qfig q[3];
	struct rep_afig a = { 0 };
	char name[8];
	for (int round = 0; round < 6; round++) {
		for (uint32_t i = 0; i < 701; i++)
			deliver((i * (uint32_t)(round * 2 + 1)) % 701); /* 701 is prime: each once */
		for (int k = 0; k < 3; k++) {
			snprintf(name, sizeof(name), "q%d", k);
			struct rep_qfig f = figures_of_tables(name);
			if (round == 0)
				q[k] = f;
			ck_assert_mem_eq(&q[k], &f, sizeof(f));
			ck_assert_int_gt(f.offered, 0);
		}
		struct rep_afig sum = agents_sum();
		if (round == 0)
			a = sum;
		ck_assert_mem_eq(&a, &sum, sizeof(sum));
		teardown();
		setup();
	}
}
END_TEST

START_TEST(an_interaction_comes_back_from_its_checkpoint_as_it_was)
{
	static struct rep_row before, after;
	struct pl_arena *a = pl_arena_new(0);
	for (uint32_t i = 0; i < 1000; i++)
		deliver(i);
	for (const struct ix *x = st->ixs; x; x = x->hh.next) {
		struct ix y = { 0 };
		struct pl_why why;
		ProtobufCMessage *m;
		const Parley__Report__V1__InteractionFacts *f = facts_message(x, a);
		size_t len = parley__report__v1__interaction_facts__get_packed_size(f);
		uint8_t *p = pl_arena_alloc(a, len);
		parley__report__v1__interaction_facts__pack(f, p);
		ck_assert_int_eq(rpc_unpack(&parley__report__v1__interaction_facts__descriptor, p, len, a, &m, &why),
				 PL_OK);
		ck_assert_int_eq(facts_restore(&y, (const void *)m), PL_OK);
		rep_build(&x->f, &before);
		rep_build(&y.f, &after);
		ck_assert_mem_eq(&before, &after, offsetof(struct rep_row, segs));
		ck_assert_mem_eq(before.segs, after.segs, before.n_segs * sizeof(before.segs[0]));
		free(y.f.facts);
		free(y.f.ids);
		free(y.f.path);
	}
	pl_arena_free(a);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("reporting store");
	TCase *t = tcase_create("store");
	tcase_set_timeout(t, 120);
	tcase_add_checked_fixture(t, setup, teardown);
	suite_add_tcase(s, t);
	tcase_add_test(t, figures_are_the_sum_over_the_rows_whatever_arrives);
	tcase_add_test(t, the_same_events_in_another_order_give_the_same_figures);
	tcase_add_test(t, an_interaction_comes_back_from_its_checkpoint_as_it_was);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
