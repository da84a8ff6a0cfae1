#include "pool.h"

static uint32_t slot_of(const struct acd_pool *p, struct acd_id id)
{
	return (uint32_t)acd_mix(id.hi ^ acd_mix(id.lo)) & p->mask;
}

static struct acd_id id_of(const struct acd_pool *p, uint32_t i)
{
	struct acd_id id;
	memcpy(&id, acd_pool_at(p, i), sizeof(id));
	return id;
}

static uint32_t walk(const struct acd_pool *p, uint32_t i, struct acd_id id)
{
	while (i && !acd_id_eq(id_of(p, i), id))
		i = p->link[i];
	return i;
}

uint32_t acd_pool_find(const struct acd_pool *p, struct acd_id id)
{
	return acd_id_none(id) ? 0 : walk(p, p->bucket[slot_of(p, id)], id);
}

uint32_t acd_pool_same(const struct acd_pool *p, uint32_t i)
{
	return walk(p, p->link[i], id_of(p, i));
}

static void occupy(struct acd_pool *p, uint32_t i, struct acd_id id)
{
	memset(acd_pool_at(p, i), 0, p->stride);
	memcpy(acd_pool_at(p, i), &id, sizeof(id));
	p->live[i] = 1;
	p->used++;
	if (p->note_len)
		p->note_len[i] = 0;
	if (p->mask) {
		uint32_t *b = &p->bucket[slot_of(p, id)];
		p->link[i] = *b;
		*b = i;
	}
}

uint32_t acd_pool_new(struct acd_pool *p, struct acd_id id)
{
	uint32_t i = p->free;
	if (i)
		p->free = p->link[i];
	else if (p->top < p->cap)
		i = ++p->top;
	else
		return 0;
	occupy(p, i, id);
	return i;
}

bool acd_pool_take(struct acd_pool *p, uint32_t i, struct acd_id id)
{
	if (i == 0 || i > p->cap || p->live[i])
		return false;
	p->top = PL_MAX(p->top, i);
	occupy(p, i, id);
	return true;
}

void acd_pool_free(struct acd_pool *p, uint32_t i)
{
	if (p->mask) {
		uint32_t *at = &p->bucket[slot_of(p, id_of(p, i))];
		while (*at != i)
			at = &p->link[*at];
		*at = p->link[i];
	}
	p->live[i] = 0;
	p->used--;
	p->link[i] = p->free;
	p->free = i;
}

void acd_pool_note(struct acd_pool *p, uint32_t i, struct acd_note n)
{
	size_t len = PL_MIN(n.n, (size_t)p->note_cap);
	if (len)
		memcpy(p->note + (size_t)i * p->note_cap, n.p, len);
	p->note_len[i] = (uint16_t)len;
}

struct acd_note acd_pool_note_get(const struct acd_pool *p, uint32_t i)
{
	if (i == 0 || i > p->top || !p->note_len)
		return (struct acd_note){ NULL, 0 };
	return (struct acd_note){ p->note + (size_t)i * p->note_cap, p->note_len[i] };
}
