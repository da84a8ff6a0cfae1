/* The state as bytes. One function per entity serves both directions, so that they cannot differ. Entities keep their
 * indexes; trees, timers and hash chains are built anew from the entities. Layout: "PACD", version u32, length of the
 * body u64, checksum of the body u64, body; little endian. */
#include <endian.h>

#include "state.h"

#define SNAP_VERSION 1
#define HEAD_BYTES 24

enum mode { MEASURE, SAVE, LOAD };
struct ar {
	enum mode mode;
	uint8_t *out;
	const uint8_t *in;
	size_t at, cap;
	bool bad;
};

/* The low bytes of a little-endian word are the little-endian form of a narrower one. */
static inline uint64_t ar_int(struct ar *r, uint64_t v, unsigned bytes)
{
	if (r->mode != MEASURE) {
		uint64_t word = 0;
		if (r->bad || r->cap - r->at < bytes) {
			r->bad = true;
			return 0;
		}
		if (r->mode == SAVE) {
			word = htole64(v);
			memcpy(r->out + r->at, &word, bytes);
		} else {
			memcpy(&word, r->in + r->at, bytes);
			v = le64toh(word);
		}
	}
	r->at += bytes;
	return v;
}

#define AR(r, v) ((v) = (__typeof__(v))ar_int((r), (uint64_t)(v), sizeof(v)))

static void ar_bytes(struct ar *r, void *p, size_t n)
{
	if (r->mode != MEASURE && (r->bad || r->cap - r->at < n)) {
		r->bad = true;
		return;
	}
	if (r->mode == SAVE && n)
		memcpy(r->out + r->at, p, n);
	else if (r->mode == LOAD && n)
		memcpy(p, r->in + r->at, n);
	r->at += n;
}

static void ar_id(struct ar *r, struct acd_id *id)
{
	AR(r, id->hi);
	AR(r, id->lo);
}

/* An index into a pool; whether somebody lives there is asked when all are there. */
static void ar_ref(struct ar *r, uint32_t *idx, const struct acd_pool *p)
{
	AR(r, *idx);
	if (r->mode == LOAD && *idx > p->cap) {
		r->bad = true;
		*idx = 0;
	}
}

static void ar_flag(struct ar *r, bool *b)
{
	uint8_t v = *b;
	AR(r, v);
	*b = v != 0;
}

static void ar_cfg(struct ar *r, struct acd_queue_cfg *c)
{
	AR(r, c->revision);
	AR(r, c->channel);
	AR(r, c->strategy);
	AR(r, c->weight);
	ar_flag(r, &c->enabled);
	ar_flag(r, &c->join_when_empty);
	ar_flag(r, &c->leave_when_empty);
	ar_flag(r, &c->deleted);
	AR(r, c->max_waiting);
	AR(r, c->autopause_after);
	AR(r, c->priority);
	AR(r, c->ring_us);
	AR(r, c->retry_us);
	AR(r, c->wrap_up_us);
	AR(r, c->max_wait_us);
	if (c->channel >= ACD_CH_N || c->strategy >= ACD_S_N)
		r->bad = true;
}

static void ar_queue(struct ar *r, struct acd *e, uint32_t i)
{
	struct acd_queue *q = acd_q(e, i);
	uint8_t drain = q->drain == acd_drain_empty ? 1 : q->drain == acd_drain_closed ? 2 : 0;
	ar_cfg(r, &q->cfg);
	AR(r, q->serial);
	AR(r, q->turn);
	AR(r, q->answered_floor);
	ar_ref(r, &q->items, &e->items);
	ar_ref(r, &q->items_last, &e->items);
	AR(r, q->n_items);
	AR(r, q->n_offered);
	ar_ref(r, &q->members, &e->members);
	ar_ref(r, &q->members_last, &e->members);
	AR(r, q->n_members);
	AR(r, q->signed_in);
	AR(r, drain);
	AR(r, q->draining);
	ar_ref(r, &q->drain_next, &e->queues);
	q->drain = drain == 1 ? acd_drain_empty : drain == 2 ? acd_drain_closed : NULL;
}

static void ar_shown(struct ar *r, struct acd_shown *s)
{
	ar_id(r, &s->reason);
	ar_id(r, &s->next_reason);
	AR(r, s->hands_rev);
	AR(r, s->state);
	AR(r, s->next_state);
	AR(r, s->missed);
	AR(r, s->device);
	AR(r, s->presence);
	AR(r, s->since_us);
}

static void ar_agent(struct ar *r, struct acd *e, uint32_t i)
{
	struct acd_agent *a = acd_a(e, i);
	AR(r, a->revision);
	AR(r, a->serial);
	uint8_t *const small[] = { &a->kind,   &a->chosen,  &a->device,  &a->presence,
				   &a->missed, &a->enabled, &a->deleted, &a->dirty };
	for (size_t k = 0; k < PL_ARRAY_N(small); k++)
		AR(r, *small[k]);
	ar_bytes(r, a->cap, sizeof(a->cap));
	ar_bytes(r, a->used, sizeof(a->used));
	ar_bytes(r, a->over, sizeof(a->over));
	AR(r, a->n_hands);
	AR(r, a->open);
	AR(r, a->hands_mask);
	AR(r, a->missed_in_row);
	ar_ref(r, &a->members, &e->members);
	AR(r, a->n_members);
	ar_ref(r, &a->dirty_next, &e->agents);
	if (a->n_hands > ACD_HANDS_MAX) {
		r->bad = true;
		a->n_hands = 0;
	}
	for (unsigned k = 0; k < a->n_hands; k++)
		ar_ref(r, &a->hands[k], &e->contacts);
	AR(r, a->hands_rev);
	ar_id(r, &a->reason);
	AR(r, a->idle_since_us);
	AR(r, a->due_us);
	AR(r, a->signed_in_us);
	ar_bytes(r, a->phone, sizeof(a->phone));
	a->phone[ACD_PHONE_LEN - 1] = 0;
	ar_shown(r, &a->shown);
}

static void ar_member(struct ar *r, struct acd *e, uint32_t i)
{
	struct acd_member *m = acd_m(e, i);
	struct acd_node *n = &e->member_nodes[i];
	AR(r, m->serial);
	ar_ref(r, &m->queue, &e->queues);
	ar_ref(r, &m->agent, &e->agents);
	ar_ref(r, &m->next_of_agent, &e->members);
	ar_ref(r, &m->prev, &e->members);
	ar_ref(r, &m->next, &e->members);
	AR(r, m->penalty);
	AR(r, m->rank);
	AR(r, m->eligible);
	AR(r, m->turn);
	AR(r, m->answered);
	AR(r, m->last_us);
	if (!m->eligible)
		return;
	AR(r, n->key.a); /* where it stands, which may be an older place than its numbers say if it is still to be
			    looked at */
	AR(r, n->key.b);
	AR(r, n->weight);
}

static void ar_item(struct ar *r, struct acd *e, uint32_t i)
{
	struct acd_item *it = acd_i(e, i);
	ar_id(r, &it->only_agent);
	AR(r, it->serial);
	ar_ref(r, &it->queue, &e->queues);
	ar_ref(r, &it->prev, &e->items);
	ar_ref(r, &it->next, &e->items);
	ar_ref(r, &it->offers, &e->contacts);
	AR(r, it->n_offers);
	ar_ref(r, &it->directed, &e->agents);
	AR(r, it->priority);
	AR(r, it->ring_penalty);
	AR(r, it->channel);
	AR(r, it->waiting);
	AR(r, it->n_tried);
	AR(r, it->queued_at_us);
	AR(r, it->entered_us);
	AR(r, it->due_us);
	AR(r, it->bonus_us);
	AR(r, it->prefer_us);
	AR(r, it->leave_us);
	if (it->n_tried > ACD_TRIED_MAX) {
		r->bad = true;
		it->n_tried = 0;
	}
	for (unsigned k = 0; k < it->n_tried; k++)
		AR(r, it->tried[k]);
}

static void ar_contact(struct ar *r, struct acd *e, uint32_t i)
{
	struct acd_contact *c = acd_c(e, i);
	ar_id(r, &c->offer);
	ar_id(r, &c->queue);
	AR(r, c->fence);
	ar_ref(r, &c->agent, &e->agents);
	ar_ref(r, &c->item, &e->items);
	ar_ref(r, &c->next_of_item, &e->contacts);
	AR(r, c->state);
	AR(r, c->channel);
	AR(r, c->offered_us);
	AR(r, c->since_us);
	AR(r, c->due_us);
	AR(r, c->wrap_us);
	if (c->state < ACD_C_OFFERED || c->state > ACD_C_WRAP_UP || c->channel >= ACD_CH_N)
		r->bad = true;
}

static void ar_reason(struct ar *r, struct acd *e, uint32_t i)
{
	(void)r, (void)e, (void)i;
}

static void ar_note(struct ar *r, struct acd_pool *p, uint32_t i)
{
	if (!p->note_len)
		return;
	uint16_t n = p->note_len[i];
	AR(r, n);
	if (n > p->note_cap) {
		r->bad = true;
		return;
	}
	ar_bytes(r, p->note + (size_t)i * p->note_cap, n);
	if (r->mode == LOAD && !r->bad)
		p->note_len[i] = n;
}

/* The free indexes in the order of their use, so that a restored engine gives the same index to the same newcomer. */
static void ar_free(struct ar *r, struct acd_pool *p)
{
	uint32_t top = p->top, last = 0;
	AR(r, top);
	if (r->bad || top > p->cap || top < p->top) {
		r->bad = true;
		return;
	}
	p->top = top;
	uint32_t n = top - p->used;
	for (uint32_t i = p->free; r->mode != LOAD && i; i = p->link[i])
		AR(r, i);
	for (; r->mode == LOAD && n > 0 && !r->bad; n--) {
		uint32_t i = 0;
		AR(r, i);
		if (i == 0 || i > top || p->live[i])
			r->bad = true;
		else if (last)
			p->link[last] = i;
		else
			p->free = i;
		if (!r->bad)
			p->live[i] = 2; /* seen: nobody is free twice */
		last = i;
	}
	for (uint32_t i = 1; r->mode == LOAD && i <= p->top; i++)
		if (p->live[i] == 2)
			p->live[i] = 0;
}

static void ar_pool(struct ar *r, struct acd *e, struct acd_pool *p, void (*one)(struct ar *, struct acd *, uint32_t))
{
	uint32_t n = p->used, i = 0;
	AR(r, n);
	if (n > p->cap) {
		r->bad = true;
		return;
	}
	while (n-- > 0 && !r->bad) {
		struct acd_id id = { 0 };
		if (r->mode != LOAD) {
			while (!p->live[++i])
				;
			memcpy(&id, acd_pool_at(p, i), sizeof(id));
		}
		AR(r, i);
		ar_id(r, &id);
		if (r->mode == LOAD && (r->bad || !acd_pool_take(p, i, id))) {
			r->bad = true;
			return;
		}
		one(r, e, i);
		ar_note(r, p, i);
	}
	ar_free(r, p);
}

static void ar_all(struct ar *r, struct acd *e)
{
	AR(r, e->seq);
	AR(r, e->version);
	AR(r, e->serial);
	AR(r, e->fence);
	AR(r, e->rng);
	AR(r, e->now_us);
	AR(r, e->epoch_us);
	ar_ref(r, &e->dirty_first, &e->agents);
	ar_ref(r, &e->dirty_last, &e->agents);
	AR(r, e->n_unsynced);
	ar_ref(r, &e->drain_first, &e->queues);
	ar_ref(r, &e->drain_last, &e->queues);
	AR(r, e->n_offers);
	AR(r, e->starved);
	ar_pool(r, e, &e->queues, ar_queue);
	ar_pool(r, e, &e->agents, ar_agent);
	ar_pool(r, e, &e->members, ar_member);
	ar_pool(r, e, &e->items, ar_item);
	ar_pool(r, e, &e->contacts, ar_contact);
	ar_pool(r, e, &e->reasons, ar_reason);
}

/* Against damage, not against malice. Eight bytes at a time: snapshots of large companies have tens of megabytes. */
uint64_t acd_checksum(const uint8_t *p, size_t n)
{
	uint64_t h = acd_mix(n), word;
	for (; n >= sizeof(word); p += sizeof(word), n -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = (h ^ le64toh(word)) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	for (; n > 0; n--)
		h = (h ^ *p++) * UINT64_C(0x100000001b3);
	return acd_mix(h);
}

size_t acd_save_size(const struct acd *e)
{
	struct ar r = { .mode = MEASURE };
	ar_all(&r, (struct acd *)(uintptr_t)e); /* only LOAD writes */
	return r.at + HEAD_BYTES;
}

size_t acd_save(const struct acd *e, void *buf, size_t cap)
{
	if (cap < HEAD_BYTES)
		return 0;
	struct ar body = { .mode = SAVE, .out = (uint8_t *)buf + HEAD_BYTES, .cap = cap - HEAD_BYTES };
	ar_all(&body, (struct acd *)(uintptr_t)e);
	if (body.bad)
		return 0;
	struct ar head = { .mode = SAVE, .out = buf, .cap = HEAD_BYTES };
	memcpy(buf, "PACD", 4);
	head.at = 4;
	ar_int(&head, SNAP_VERSION, 4);
	ar_int(&head, body.at, 8);
	ar_int(&head, acd_checksum(body.out, body.at), 8);
	return HEAD_BYTES + body.at;
}

#define LIVE(p, i) ((i) == 0 || (p).live[i])

/* Every index leads to somebody, so that acd_check() can walk. */
static bool refs_ok(const struct acd *e)
{
	bool ok = LIVE(e->agents, e->dirty_first) && LIVE(e->agents, e->dirty_last) &&
		  LIVE(e->queues, e->drain_first) && LIVE(e->queues, e->drain_last) &&
		  !e->dirty_first == !e->dirty_last && !e->drain_first == !e->drain_last;
	for (uint32_t i = 1; ok && i <= e->queues.top; i++)
		ok = !e->queues.live[i] ||
		     (LIVE(e->items, acd_q(e, i)->items) && LIVE(e->members, acd_q(e, i)->members) &&
		      LIVE(e->items, acd_q(e, i)->items_last) && LIVE(e->members, acd_q(e, i)->members_last) &&
		      LIVE(e->queues, acd_q(e, i)->drain_next));
	for (uint32_t i = 1; ok && i <= e->agents.top; i++) {
		const struct acd_agent *a = acd_a(e, i);
		ok = !e->agents.live[i] || (LIVE(e->members, a->members) && LIVE(e->agents, a->dirty_next));
		for (unsigned k = 0; ok && e->agents.live[i] && k < a->n_hands; k++)
			ok = a->hands[k] && e->contacts.live[a->hands[k]];
	}
	for (uint32_t i = 1; ok && i <= e->members.top; i++) {
		const struct acd_member *m = acd_m(e, i);
		ok = !e->members.live[i] ||
		     (m->agent && e->agents.live[m->agent] && LIVE(e->queues, m->queue) && LIVE(e->members, m->prev) &&
		      LIVE(e->members, m->next) && LIVE(e->members, m->next_of_agent) && (!m->eligible || m->queue));
	}
	for (uint32_t i = 1; ok && i <= e->items.top; i++) {
		const struct acd_item *it = acd_i(e, i);
		ok = !e->items.live[i] ||
		     (it->queue && e->queues.live[it->queue] && LIVE(e->items, it->prev) && LIVE(e->items, it->next) &&
		      LIVE(e->contacts, it->offers) && LIVE(e->agents, it->directed));
	}
	for (uint32_t i = 1; ok && i <= e->contacts.top; i++) {
		const struct acd_contact *c = acd_c(e, i);
		ok = !e->contacts.live[i] || (c->agent && e->agents.live[c->agent] && LIVE(e->items, c->item) &&
					      LIVE(e->contacts, c->next_of_item));
	}
	return ok;
}

static void rebuild(struct acd *e)
{
	for (uint32_t i = 1; i <= e->items.top; i++) {
		if (!e->items.live[i])
			continue;
		if (acd_i(e, i)->due_us)
			acd_timer_set(e, ACD_T_ITEM, i, acd_i(e, i)->due_us);
		if (acd_i(e, i)->waiting)
			acd_item_list(e, i);
	}
	for (uint32_t i = 1; i <= e->contacts.top; i++)
		if (e->contacts.live[i] && acd_c(e, i)->due_us)
			acd_timer_set(e, ACD_T_CONTACT, i, acd_c(e, i)->due_us);
	for (uint32_t i = 1; i <= e->agents.top; i++)
		if (e->agents.live[i] && acd_a(e, i)->due_us)
			acd_timer_set(e, ACD_T_AGENT, i, acd_a(e, i)->due_us);
	for (uint32_t i = 1; i <= e->members.top; i++) {
		const struct acd_member *m = acd_m(e, i);
		struct acd_node n = e->member_nodes[i];
		if (e->members.live[i] && m->eligible)
			acd_tree_insert(e->member_nodes, &acd_q(e, m->queue)->eligible, i,
					(struct acd_key){ n.key.a, n.key.b, m->serial }, n.weight);
	}
}

/* The chain of agents to be looked at ends, and holds whoever says it is in it. */
static bool chains_ok(const struct acd *e)
{
	uint32_t n = 0, unsynced = 0, last = 0, marked = 0;
	for (uint32_t ai = e->dirty_first; ai && n <= e->agents.used; last = ai, ai = acd_a(e, ai)->dirty_next, n++)
		unsynced += acd_a(e, ai)->dirty == 1;
	for (uint32_t i = 1; i <= e->agents.top; i++)
		marked += e->agents.live[i] && acd_a(e, i)->dirty;
	if (n != marked || last != e->dirty_last || unsynced != e->n_unsynced)
		return false;
	n = last = marked = 0;
	for (uint32_t qi = e->drain_first; qi && n <= e->queues.used; last = qi, qi = acd_q(e, qi)->drain_next, n++)
		;
	for (uint32_t i = 1; i <= e->queues.top; i++)
		marked += e->queues.live[i] && acd_q(e, i)->draining;
	return n == marked && last == e->drain_last;
}

enum pl_err acd_load(struct acd *e, const void *buf, size_t n)
{
	struct ar head = { .mode = LOAD, .in = buf, .at = 4, .cap = PL_MIN(n, (size_t)HEAD_BYTES) };
	if (n < HEAD_BYTES || memcmp(buf, "PACD", 4) != 0 || ar_int(&head, 0, 4) != SNAP_VERSION ||
	    ar_int(&head, 0, 8) != n - HEAD_BYTES ||
	    ar_int(&head, 0, 8) != acd_checksum((const uint8_t *)buf + HEAD_BYTES, n - HEAD_BYTES))
		return PL_E_FORMAT;
	struct ar r = { .mode = LOAD, .in = (const uint8_t *)buf + HEAD_BYTES, .cap = n - HEAD_BYTES };
	ar_all(&r, e);
	if (r.bad || r.at != r.cap || !refs_ok(e) || !chains_ok(e))
		return PL_E_FORMAT;
	rebuild(e);
	return acd_check(e, e->now_us) ? PL_E_FORMAT : PL_OK;
}
