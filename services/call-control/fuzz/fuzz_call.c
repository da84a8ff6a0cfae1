/* Bytes become events of one call; the claims of test/chaos.h are the oracle. */
#include "../test/chaos.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct bytes {
	const uint8_t *p;
	size_t n, at;
};

static uint8_t next(void *arg)
{
	struct bytes *b = arg;
	return b->at < b->n ? b->p[b->at++] : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct chaos x;
	struct bytes b = { data, n, 0 };
	chaos_init(&x, next, &b);
	while (b.at < b.n && chaos_step(&x)) {
	}
	chaos_finish(&x);
	if (x.broken) {
		fprintf(stderr, "phase %u to %u by %s: %s\n", x.before, x.c.phase, call_event_name(x.event), x.broken);
		abort();
	}
	return 0;
}
