/* The routing engine alone: decisions a second on one core at 100, 1,000 and 10,000 agents, 10 to 1,000 queues,
 * 10,000 waiting; and how its cost grows. A decision is counted with all that leads to it: the contact before it
 * ends, the offer is accepted, a new caller comes. Prints one JSON object a line:
 * {"name","value","unit","against","ratio","goal","holds"}. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "acd.h"

#define WAITING 10000
#define QUEUES_OF_AGENT 8
#define GOAL_PER_S 200000.0
#define ROUNDS 3

struct ring { /* offers that are to be accepted, contacts that are to be ended */
	struct acd_id item[1 << 15], offer[1 << 15], agent[1 << 15];
	uint64_t fence[1 << 15];
	uint32_t head, tail;
};
struct bench {
	struct acd *e;
	struct acd_fx_list *fx;
	struct ring *r;
	unsigned agents, queues;
	struct acd_id covered[100000]; /* queues that have members, once for each of them */
	size_t n_covered;
	uint64_t seq, items, decisions, rng;
	int64_t now_us;
};

static double cpu_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t rnd(struct bench *b)
{
	b->rng ^= b->rng << 13;
	b->rng ^= b->rng >> 7;
	return b->rng ^= b->rng << 17;
}

static void apply(struct bench *b, const struct acd_in *in)
{
	b->now_us += 50;
	acd_apply(b->e, in, b->now_us, ++b->seq, b->fx);
	for (size_t i = 0; i < b->fx->n; i++) {
		const struct acd_fx *f = &b->fx->fx[i];
		if (f->kind != ACD_FX_OFFERED)
			continue;
		uint32_t at = b->r->tail++ & 0x7fff;
		b->r->item[at] = f->item;
		b->r->offer[at] = f->offer;
		b->r->agent[at] = f->agent;
		b->r->fence[at] = f->offered.fence;
		b->decisions++;
	}
}

static void put_queue(struct bench *b, unsigned i, enum acd_strategy s)
{
	struct acd_in in = { .kind = ACD_IN_QUEUE_PUT };
	in.queue_put.cfg = (struct acd_queue_cfg){ .id = { 1, i + 1 },
						   .revision = 1,
						   .channel = ACD_CH_VOICE,
						   .strategy = (uint8_t)s,
						   .enabled = true,
						   .join_when_empty = true,
						   .ring_us = 3600 * PL_US_PER_S };
	apply(b, &in);
}

static void put_agent(struct bench *b, unsigned i)
{
	struct acd_membership m[QUEUES_OF_AGENT];
	struct acd_in in = { .kind = ACD_IN_AGENT_PUT };
	unsigned n = PL_MIN(b->queues, QUEUES_OF_AGENT), first = (unsigned)(rnd(b) % b->queues);
	for (unsigned k = 0; k < n; k++)
		m[k] = (struct acd_membership){ b->covered[b->n_covered++] =
							(struct acd_id){ 1, (first + k * (b->queues / n)) % b->queues +
										    1 },
						0, (uint16_t)(i % 100) };
	in.agent_put = (struct acd_in_agent_put){
		.id = { 2, i + 1 }, .revision = 1, .kind = ACD_AK_STATIC, .enabled = true, .members = m, .n_members = n
	};
	apply(b, &in);
}

static void enqueue(struct bench *b)
{
	struct acd_in in = { .kind = ACD_IN_ENQUEUE };
	in.enqueue.item = (struct acd_id){ 3, ++b->items };
	in.enqueue.queue = b->covered[rnd(b) % b->n_covered];
	in.enqueue.priority = (int32_t)(rnd(b) % 3);
	apply(b, &in);
}

static void serve_one(struct bench *b)
{
	if (b->r->head == b->r->tail) /* nobody is being offered: the agents of the waiting queues are all busy */
		return;
	uint32_t at = b->r->head++ & 0x7fff;
	struct acd_in in = { .kind = ACD_IN_REPLY };
	in.reply = (struct acd_in_reply){
		.item = b->r->item[at], .offer = b->r->offer[at], .fence = b->r->fence[at], .outcome = ACD_OUT_ACCEPTED
	};
	struct acd_in end = { .kind = ACD_IN_ENDED, .ended = { b->r->item[at], b->r->agent[at], false } };
	apply(b, &in);
	apply(b, &end);
}

static struct bench *bench_new(unsigned agents, unsigned queues, enum acd_strategy s)
{
	const struct acd_limits lim = { 1024, 12000, 100000, 40000, 40000, 16, 16, 16, 16, 16 };
	struct bench *b = calloc(1, sizeof(*b));
	size_t size = (acd_size(&lim) + 63) / 64 * 64;
	void *block = aligned_alloc(64, size);
	if (!b || !block || !(b->fx = malloc(sizeof(*b->fx))) || !(b->r = calloc(1, sizeof(*b->r))))
		abort();
	memset(block, 0, size);
	b->e = acd_init(block, &lim);
	b->agents = agents;
	b->queues = queues;
	b->rng = 88172645463325252u;
	b->now_us = INT64_C(1700000000) * PL_US_PER_S;
	for (unsigned i = 0; i < queues; i++)
		put_queue(b, i, s);
	for (unsigned i = 0; i < agents; i++)
		put_agent(b, i);
	return b;
}

static void bench_free(struct bench *b)
{
	free(b->e);
	free(b->fx);
	free(b->r);
	free(b);
}

/* 10,000 wait; who becomes free gets the next. */
static double busy(unsigned agents, unsigned queues)
{
	struct bench *b = bench_new(agents, queues, ACD_S_LONGEST_IDLE);
	while (acd_counts_get(b->e).waiting < WAITING)
		enqueue(b);
	for (unsigned i = 0; i < agents; i++) { /* everybody has had one */
		serve_one(b);
		enqueue(b);
	}
	uint64_t from = b->decisions;
	double t0 = cpu_s(), t;
	do
		for (int i = 0; i < 1000; i++) {
			serve_one(b);
			enqueue(b);
		}
	while ((t = cpu_s() - t0) < 0.5);
	double per_s = (double)(b->decisions - from) / t;
	if (acd_check(b->e, b->now_us))
		abort();
	bench_free(b);
	return per_s;
}

/* Nobody waits; who comes gets the best of those who are free. */
static double idle(unsigned agents, unsigned queues, enum acd_strategy s)
{
	struct bench *b = bench_new(agents, queues, s);
	uint64_t from = b->decisions;
	double t0 = cpu_s(), t;
	do
		for (int i = 0; i < 1000; i++) {
			enqueue(b);
			serve_one(b);
		}
	while ((t = cpu_s() - t0) < 0.3);
	double per_s = (double)(b->decisions - from) / t;
	bench_free(b);
	return per_s;
}

static int by_value(const void *a, const void *b)
{
	return *(const double *)a < *(const double *)b ? -1 : 1;
}

static double median(double (*run)(unsigned, unsigned), unsigned agents, unsigned queues)
{
	double v[ROUNDS];
	for (int i = 0; i < ROUNDS; i++)
		v[i] = run(agents, queues);
	qsort(v, ROUNDS, sizeof(v[0]), by_value);
	return v[ROUNDS / 2];
}

static int line(const char *name, double v, const char *unit, const char *against, double goal, bool holds)
{
	printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"%s\",\"against\":\"%s\",\"ratio\":%.3f,\"goal\":%.3f,"
	       "\"holds\":%s}\n",
	       name, v, unit, against, v / goal, goal, holds ? "true" : "false");
	fflush(stdout);
	return holds ? 0 : 1;
}

int main(void)
{
	static const unsigned agents[] = { 100, 1000, 10000 }, queues[] = { 10, 100, 1000 };
	static const char *const names[ACD_S_N] = { "",       "longest idle", "round robin",
						    "",       "least recent", "fewest",
						    "random", "linear",       "weighted random" };
	char name[120];
	double small = 0, large = 0;
	for (size_t a = 0; a < PL_ARRAY_N(agents); a++)
		for (size_t q = 0; q < PL_ARRAY_N(queues); q++) {
			double v = median(busy, agents[a], queues[q]);
			if (q == 0 && a == 0)
				small = v;
			if (q == 0)
				large = v;
			snprintf(name, sizeof(name), "acd decisions, %u agents, %u queues, 10000 waiting", agents[a],
				 queues[q]);
			line(name, v, "1/s and core", "goal", GOAL_PER_S, v >= GOAL_PER_S);
		}
	for (int s = ACD_S_LONGEST_IDLE; s < ACD_S_N; s++) {
		if (!*names[s])
			continue;
		double v = idle(10000, 10, (enum acd_strategy)s);
		snprintf(name, sizeof(name), "acd decisions, 10000 agents free, 10 queues, %s", names[s]);
		line(name, v, "1/s and core", "goal", GOAL_PER_S, v >= GOAL_PER_S);
	}
	double grown = small / large, log_n = log(10000) / log(100);
	printf("{\"name\":\"acd cost of a decision, 10000 agents over "
	       "100\",\"value\":%.2f,\"unit\":\"times\",\"against\":\"log n\","
	       "\"ratio\":%.3f,\"goal\":%.3f,\"holds\":%s}\n",
	       grown, grown / log_n, log_n, grown <= log_n ? "true" : "false");
	return 0;
}
