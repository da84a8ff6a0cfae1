/* The engine against theory: queues M/M/n in simulated time, with the engine as the one who brings callers and agents
 * together. Without patience the share that waits and the mean wait are Erlang's C; with exponential patience, the
 * share that leaves is Palm's (Erlang A). Arguments: millions of calls (default 0.3), tolerance in percent (default
 * 3; at 10 million calls 1 holds). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "acd.h"
#include "pool.h"

#define MEAN_SERVICE_S 180.0
#define AGENTS_MAX 64
#define EVENTS_MAX 65536

enum what { ARRIVE, END, GIVE_UP };
struct event {
	double at_s;
	enum what what;
	uint64_t call;
};
struct mm {
	struct acd *e;
	struct acd_fx_list fx;
	uint64_t rng, calls, seq;
	struct event heap[EVENTS_MAX];
	size_t n;
	double now_s, patience_s; /* 0: for ever */
	uint64_t answered, waited, left;
	double wait_s;
};

static double uniform(struct mm *m)
{
	return ((double)(acd_mix(m->rng++) >> 11) + 0.5) / 9007199254740992.0;
}

static double exponential(struct mm *m, double mean)
{
	return -mean * log(uniform(m));
}

static void push(struct mm *m, struct event ev)
{
	size_t at = ++m->n;
	if (at >= EVENTS_MAX)
		abort();
	for (; at > 1 && m->heap[at / 2].at_s > ev.at_s; at /= 2)
		m->heap[at] = m->heap[at / 2];
	m->heap[at] = ev;
}

static struct event pop(struct mm *m)
{
	struct event top = m->heap[1], last = m->heap[m->n--];
	size_t at = 1, kid;
	while ((kid = at * 2) <= m->n) {
		if (kid < m->n && m->heap[kid + 1].at_s < m->heap[kid].at_s)
			kid++;
		if (m->heap[kid].at_s >= last.at_s)
			break;
		m->heap[at] = m->heap[kid];
		at = kid;
	}
	m->heap[at] = last;
	return top;
}

static void apply(struct mm *m, const struct acd_in *in);

/* Agents answer at once: the models know no ringing. */
static void see(struct mm *m, const struct acd_fx *fx)
{
	if (fx->kind == ACD_FX_OFFERED) {
		struct acd_in in = { .kind = ACD_IN_REPLY };
		in.reply = (struct acd_in_reply){
			.item = fx->item, .offer = fx->offer, .fence = fx->offered.fence, .outcome = ACD_OUT_ACCEPTED
		};
		double wait = m->now_s - (double)(fx->offered.queued_at_us - INT64_C(1700000000) * PL_US_PER_S) / 1e6;
		m->answered++;
		m->waited += wait > 1e-5;
		m->wait_s += PL_MAX(wait, 0.0);
		push(m, (struct event){ m->now_s + exponential(m, MEAN_SERVICE_S), END, fx->item.lo });
		apply(m, &in);
	} else if (fx->kind == ACD_FX_DEQUEUED && strcmp(fx->dequeued.reason, "answered") != 0) {
		m->left++;
	}
}

static void apply(struct mm *m, const struct acd_in *in)
{
	struct acd_fx seen[8];
	acd_apply(m->e, in, INT64_C(1700000000) * PL_US_PER_S + (int64_t)(m->now_s * 1e6), ++m->seq, &m->fx);
	size_t n = PL_MIN(m->fx.n, PL_ARRAY_N(seen));
	memcpy(seen, m->fx.fx, n * sizeof(seen[0]));
	for (size_t i = 0; i < n; i++)
		see(m, &seen[i]);
}

static void handle(struct mm *m, struct event ev, double between_s)
{
	struct acd_in in = { .kind = ACD_IN_ENQUEUE };
	m->now_s = ev.at_s;
	switch (ev.what) {
	case ARRIVE:
		in.enqueue.item = (struct acd_id){ 3, ++m->calls };
		in.enqueue.queue = (struct acd_id){ 1, 1 };
		push(m, (struct event){ m->now_s + exponential(m, between_s), ARRIVE, 0 });
		if (m->patience_s > 0)
			push(m, (struct event){ m->now_s + exponential(m, m->patience_s), GIVE_UP, m->calls });
		break;
	case END:
		in = (struct acd_in){ .kind = ACD_IN_ENDED, .ended = { .item = { 3, ev.call } } };
		break;
	default: /* of somebody who was answered it means nothing */
		in = (struct acd_in){ .kind = ACD_IN_CANCEL, .cancel = { { 3, ev.call }, "abandoned" } };
	}
	apply(m, &in);
}

static void set_up(struct mm *m, unsigned agents)
{
	struct acd_in q = { .kind = ACD_IN_QUEUE_PUT };
	struct acd_membership ms = { { 1, 1 }, 0, 0 };
	q.queue_put.cfg = (struct acd_queue_cfg){ .id = { 1, 1 },
						  .revision = 1,
						  .channel = ACD_CH_VOICE,
						  .strategy = ACD_S_LONGEST_IDLE,
						  .enabled = true,
						  .join_when_empty = true,
						  .ring_us = 20 * PL_US_PER_S };
	apply(m, &q);
	for (unsigned i = 0; i < agents; i++) {
		struct acd_in a = { .kind = ACD_IN_AGENT_PUT };
		a.agent_put = (struct acd_in_agent_put){ .id = { 2, i + 1 },
							 .revision = 1,
							 .kind = ACD_AK_STATIC,
							 .enabled = true,
							 .members = &ms,
							 .n_members = 1 };
		apply(m, &a);
	}
}

/* --- theory --- */
static double erlang_c(unsigned n, double a)
{
	double b = 1; /* Erlang's B by its stable recursion */
	for (unsigned i = 1; i <= n; i++)
		b = a * b / (i + a * b);
	return b / (1 - a / n * (1 - b));
}

/* Share of callers who leave, by the stationary distribution of the birth-death process (Palm 1957). */
static double erlang_a_left(unsigned n, double a, double service_s, double patience_s)
{
	double p = 1, sum = 0, waiting = 0, arrive = a / service_s;
	for (unsigned k = 0; k < 100000 && p > 1e-18; k++) {
		sum += p;
		waiting += k > n ? (k - n) * p : 0;
		p *= arrive / (PL_MIN(k + 1, n) / service_s + (k + 1 > n ? (k + 1 - n) / patience_s : 0));
	}
	return waiting / sum / patience_s / arrive;
}

static int judge(const char *what, double got, double want, double tolerance)
{
	double off = fabs(got - want) / want;
	printf("%-44s %10.5f, by theory %10.5f: off by %.2f %%\n", what, got, want, off * 100);
	return off > tolerance;
}

static int run(unsigned agents, double load, double patience_s, uint64_t calls, double tolerance)
{
	const struct acd_limits lim = { 2, AGENTS_MAX, AGENTS_MAX, 20000, 1024, 1, 1, 1, 1, 1 };
	struct mm *m = calloc(1, sizeof(*m));
	void *block = calloc(1, acd_size(&lim));
	if (!m || !block)
		abort();
	m->e = acd_init(block, &lim);
	m->rng = agents * 1000003u;
	m->patience_s = patience_s;
	double between = MEAN_SERVICE_S / load;
	set_up(m, agents);
	push(m, (struct event){ 0, ARRIVE, 0 });
	while (m->calls < calls)
		handle(m, pop(m), between);
	int bad = 0;
	printf("%u agents, %.1f erlang, patience %.0f s, %" PRIu64 " calls\n", agents, load, patience_s, m->calls);
	if (patience_s > 0) {
		bad |= judge("  share that leaves", (double)m->left / (double)m->calls,
			     erlang_a_left(agents, load, MEAN_SERVICE_S, patience_s), tolerance);
	} else {
		double c = erlang_c(agents, load);
		bad |= judge("  share that waits", (double)m->waited / (double)m->answered, c, tolerance);
		bad |= judge("  mean wait of all, s", m->wait_s / (double)m->answered,
			     c * MEAN_SERVICE_S / (agents - load),
			     calls < 5000000 ? tolerance * 2 : tolerance); /* waits scatter more than shares */
	}
	free(block);
	free(m);
	return bad;
}

int main(int argc, char **argv)
{
	uint64_t calls = (uint64_t)((argc > 1 ? atof(argv[1]) : 0.3) * 1e6);
	double tolerance = (argc > 2 ? atof(argv[2]) : 3) / 100;
	int bad = run(10, 8, 0, calls, tolerance);
	bad |= run(50, 45, 0, calls, tolerance);
	bad |= run(10, 10, 120, calls, tolerance);
	bad |= run(50, 55, 60, calls, tolerance);
	return bad;
}
