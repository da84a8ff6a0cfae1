/* How the block is laid out. */
#include "state.h"

#define CAP_MAX (16u << 20)

struct cursor {
	char *base; /* NULL: only measuring */
	size_t n;
};

static void *carve(struct cursor *c, size_t n)
{
	size_t at = c->n;
	c->n += (n + 15) & ~(size_t)15;
	return c->base ? c->base + at : NULL;
}

static void pool_lay(struct cursor *c, struct acd_pool *p, uint32_t cap, size_t stride, bool hashed, uint32_t note)
{
	size_t n = (size_t)cap + 1;
	*p = (struct acd_pool){ .stride = stride, .cap = cap };
	p->base = carve(c, n * stride);
	p->link = carve(c, n * sizeof(*p->link));
	p->live = carve(c, n);
	if (hashed) {
		uint32_t buckets = 16;
		while (buckets < cap)
			buckets *= 2;
		p->mask = buckets - 1;
		p->bucket = carve(c, buckets * sizeof(*p->bucket));
	}
	if (note) {
		p->note_cap = note;
		p->note = carve(c, n * note);
		p->note_len = carve(c, n * sizeof(*p->note_len));
	}
}

static bool limits_ok(const struct acd_limits *l)
{
	const uint32_t caps[] = { l->queues, l->agents, l->members, l->items, l->contacts, l->reasons };
	const uint32_t notes[] = { l->queue_note, l->agent_note, l->item_note, l->reason_note };
	for (size_t i = 0; i < PL_ARRAY_N(caps); i++)
		if (caps[i] < 1 || caps[i] > CAP_MAX)
			return false;
	for (size_t i = 0; i < PL_ARRAY_N(notes); i++)
		if (notes[i] < 1 || notes[i] > UINT16_MAX)
			return false;
	return true;
}

static void lay(struct cursor *c, struct acd *e, const struct acd_limits *l)
{
	pool_lay(c, &e->queues, l->queues, sizeof(struct acd_queue), true, l->queue_note);
	pool_lay(c, &e->agents, l->agents, sizeof(struct acd_agent), true, l->agent_note);
	pool_lay(c, &e->members, l->members, sizeof(struct acd_member), false, 0);
	pool_lay(c, &e->items, l->items, sizeof(struct acd_item), true, l->item_note);
	pool_lay(c, &e->contacts, l->contacts, sizeof(struct acd_contact), true, 0);
	pool_lay(c, &e->reasons, l->reasons, sizeof(struct acd_reason), true, l->reason_note);
	e->member_nodes = carve(c, ((size_t)l->members + 1) * sizeof(struct acd_node));
	e->item_nodes = carve(c, ((size_t)l->items + 1) * sizeof(struct acd_node));
	e->heap = carve(c, ((size_t)l->contacts + l->items + l->agents + 1) * sizeof(struct acd_timer));
	e->heap_pos[ACD_T_CONTACT] = carve(c, ((size_t)l->contacts + 1) * sizeof(uint32_t));
	e->heap_pos[ACD_T_ITEM] = carve(c, ((size_t)l->items + 1) * sizeof(uint32_t));
	e->heap_pos[ACD_T_AGENT] = carve(c, ((size_t)l->agents + 1) * sizeof(uint32_t));
}

size_t acd_size(const struct acd_limits *lim)
{
	struct acd scratch = { 0 };
	struct cursor c = { NULL, 0 };
	if (!limits_ok(lim))
		return 0;
	carve(&c, sizeof(struct acd));
	lay(&c, &scratch, lim);
	return c.n;
}

struct acd *acd_init(void *block, const struct acd_limits *lim)
{
	if (!block || !limits_ok(lim))
		return NULL;
	struct cursor c = { block, 0 };
	struct acd *e = carve(&c, sizeof(struct acd));
	e->lim = *lim;
	e->rng = UINT64_C(0x5061726c65790001);
	lay(&c, e, lim);
	return e;
}
