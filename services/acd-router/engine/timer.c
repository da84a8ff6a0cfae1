/* One binary heap of everything that is due; each entity has at most one timer. Ties are broken by kind and serial
 * number, so that the order never depends on history. */
#include "state.h"

static bool before(const struct acd_timer *x, const struct acd_timer *y)
{
	if (x->due_us != y->due_us)
		return x->due_us < y->due_us;
	if (x->kind != y->kind)
		return x->kind < y->kind;
	return x->serial < y->serial;
}

static void place(struct acd *e, uint32_t at, struct acd_timer t)
{
	e->heap[at] = t;
	e->heap_pos[t.kind][t.idx] = at;
}

static void up(struct acd *e, uint32_t at, struct acd_timer t)
{
	while (at > 1 && before(&t, &e->heap[at / 2])) {
		place(e, at, e->heap[at / 2]);
		at /= 2;
	}
	place(e, at, t);
}

static void down(struct acd *e, uint32_t at, struct acd_timer t)
{
	for (;;) {
		uint32_t kid = at * 2;
		if (kid > e->n_heap)
			break;
		if (kid < e->n_heap && before(&e->heap[kid + 1], &e->heap[kid]))
			kid++;
		if (!before(&e->heap[kid], &t))
			break;
		place(e, at, e->heap[kid]);
		at = kid;
	}
	place(e, at, t);
}

static uint64_t serial_of(const struct acd *e, enum acd_timer_kind kind, uint32_t idx)
{
	switch (kind) {
	case ACD_T_CONTACT:
		return acd_c(e, idx)->fence;
	case ACD_T_ITEM:
		return acd_i(e, idx)->serial;
	default:
		return acd_a(e, idx)->serial;
	}
}

static int64_t *due_of(const struct acd *e, enum acd_timer_kind kind, uint32_t idx)
{
	switch (kind) {
	case ACD_T_CONTACT:
		return &acd_c(e, idx)->due_us;
	case ACD_T_ITEM:
		return &acd_i(e, idx)->due_us;
	default:
		return &acd_a(e, idx)->due_us;
	}
}

void acd_timer_clear(struct acd *e, enum acd_timer_kind kind, uint32_t idx)
{
	uint32_t at = e->heap_pos[kind][idx];
	*due_of(e, kind, idx) = 0;
	if (!at)
		return;
	e->heap_pos[kind][idx] = 0;
	struct acd_timer last = e->heap[e->n_heap--];
	if (at > e->n_heap)
		return;
	if (at > 1 && before(&last, &e->heap[at / 2]))
		up(e, at, last);
	else
		down(e, at, last);
}

void acd_timer_set(struct acd *e, enum acd_timer_kind kind, uint32_t idx, int64_t due_us)
{
	acd_timer_clear(e, kind, idx);
	*due_of(e, kind, idx) = due_us;
	up(e, ++e->n_heap, (struct acd_timer){ due_us, serial_of(e, kind, idx), kind, idx });
}
