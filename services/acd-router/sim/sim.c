/* Drives the engine with random events from fixed seeds: invariants after every step, an oracle over the effects, and
 * a second engine that is restored from a snapshot now and then and must say the same from there on. Argument:
 * millions of events (default 1). */
#include <stdio.h>
#include <stdlib.h>

#include "fxhash.h"
#include "world.h"

struct pair {
	struct acd_limits lim;
	struct acd *a, *b;
	struct acd_fx_list fa, fb;
	uint8_t *snap;
	size_t snap_cap;
};

static struct acd *engine_new(const struct acd_limits *lim, struct acd *old)
{
	free(old);
	void *block = aligned_alloc(16, (acd_size(lim) + 15) / 16 * 16);
	if (!block)
		abort();
	memset(block, 0, acd_size(lim));
	return acd_init(block, lim);
}

static int fail(uint64_t seed, uint64_t i, const char *what)
{
	printf("seed %llu, event %llu: %s\n", (unsigned long long)seed, (unsigned long long)i, what);
	return 1;
}

static const char *restore(struct pair *p)
{
	size_t n = acd_save_size(p->a);
	if (n > p->snap_cap) {
		p->snap_cap = n * 2;
		p->snap = realloc(p->snap, p->snap_cap);
	}
	if (!p->snap || acd_save(p->a, p->snap, p->snap_cap) != n)
		return "a snapshot is not as long as it said";
	p->b = engine_new(&p->lim, p->b);
	return acd_load(p->b, p->snap, n) == PL_OK ? NULL : "a snapshot does not load";
}

static const char *step(struct pair *p, struct world *w, uint64_t i, struct acd_in *in)
{
	world_next(w, p->a, i, in);
	acd_apply(p->a, in, w->now_us, i + 1, &p->fa);
	acd_apply(p->b, in, w->now_us, i + 1, &p->fb);
	if (fx_hash(&p->fa, 0) != fx_hash(&p->fb, 0))
		return "the restored engine says something else";
	const char *bad = acd_check(p->a, w->now_us);
	bad = bad ? bad : oracle_see(&w->oracle, &p->fa);
	if (!bad && i % 1999 == 1998)
		bad = restore(p);
	return bad;
}

static int run(uint64_t seed, uint64_t events, const struct acd_limits *lim, unsigned queues, unsigned agents)
{
	static struct world w;
	static struct acd_in in;
	struct pair *p = calloc(1, sizeof(*p));
	int rc = 0;
	if (!p)
		abort();
	p->lim = *lim;
	p->a = engine_new(lim, NULL);
	p->b = engine_new(lim, NULL);
	world_init(&w, seed, queues, agents);
	for (uint64_t i = 0; i < events && !rc; i++) {
		const char *bad = step(p, &w, i, &in);
		rc = bad ? fail(seed, i, bad) : 0;
	}
	printf("seed %llu: %llu events, %llu offered, %llu answered, %llu left, %llu refused, %llu agent states\n",
	       (unsigned long long)seed, (unsigned long long)events, (unsigned long long)w.oracle.n_offered,
	       (unsigned long long)w.oracle.n_answered, (unsigned long long)w.oracle.n_left,
	       (unsigned long long)w.oracle.n_refused, (unsigned long long)w.oracle.n_states);
	if (!rc && w.oracle.n_answered * 50 < events) /* a simulation in which nothing happens proves nothing */
		rc = fail(seed, events, "too little happened");
	free(p->a);
	free(p->b);
	free(p->snap);
	free(p);
	return rc;
}

int main(int argc, char **argv)
{
	double millions = argc > 1 ? atof(argv[1]) : 1;
	uint64_t each = (uint64_t)(millions * 1e6 / 4);
	const struct acd_limits roomy = { 64, 256, 4096, 4096, 4096, 16, 64, 64, 64, 64 };
	const struct acd_limits tight = { 5, 9, 30, 12, 5, 4, 8, 8, 8, 8 }; /* every pool runs full */
	int rc = run(1, each, &roomy, 3, 4);
	rc = rc ? rc : run(2, each, &roomy, 8, 20);
	rc = rc ? rc : run(3, each, &roomy, 6, 90);
	return rc ? rc : run(4, each, &tight, 6, 11);
}
