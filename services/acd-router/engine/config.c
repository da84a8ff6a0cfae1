/* Configuration: queues, agents with their memberships, pause reasons. An older revision than the one in place is
 * ignored. */
#include "state.h"

#define RING_DEFAULT_US (20 * PL_US_PER_S)

/* Members that were configured before their queue find it now. Configuration is rare: a walk over all agents will do.
 */
static void adopt_members(struct acd *e, struct acd_id queue)
{
	for (uint32_t ai = 1; ai <= e->agents.top; ai++) {
		if (!e->agents.live[ai])
			continue;
		uint32_t mi = acd_member_find(e, acd_a(e, ai), queue);
		if (!mi || acd_m(e, mi)->queue)
			continue;
		acd_member_link(e, mi);
		acd_agent_touch(e, ai);
	}
}

/* The order in which members are asked may be another now. */
static void relist_members(struct acd *e, const struct acd_queue *q)
{
	for (uint32_t mi = q->members; mi; mi = acd_m(e, mi)->next)
		acd_agent_touch(e, acd_m(e, mi)->agent);
}

static void unlink_members(struct acd *e, const struct acd_queue *q)
{
	while (q->members)
		acd_member_unlink(e, q->members);
}

void acd_queue_free(struct acd *e, uint32_t qi)
{
	acd_pool_free(&e->queues, qi);
}

static struct acd_queue_cfg sane(const struct acd_queue_cfg *in)
{
	struct acd_queue_cfg c = *in;
	if (c.channel == ACD_CH_NONE || c.channel >= ACD_CH_N)
		c.channel = ACD_CH_VOICE;
	if (c.strategy == ACD_S_NONE || c.strategy >= ACD_S_N)
		c.strategy = ACD_S_LONGEST_IDLE;
	if (c.ring_us <= 0)
		c.ring_us = RING_DEFAULT_US;
	c.retry_us = PL_MAX(c.retry_us, 0);
	return c;
}

static void queue_drop(struct acd *e, uint32_t qi)
{
	struct acd_queue *q = acd_q(e, qi);
	q->cfg.enabled = false;
	unlink_members(e, q);
	acd_queue_drain(e, qi, acd_drain_closed);
	q->cfg.deleted = true;
}

void acd_queue_put(struct acd *e, const struct acd_in_queue *in)
{
	uint32_t qi = acd_pool_find(&e->queues, in->cfg.id);
	if (in->cfg.deleted) {
		if (qi && !acd_q(e, qi)->cfg.deleted)
			queue_drop(e, qi);
		return;
	}
	bool fresh = !qi;
	if (acd_id_none(in->cfg.id) || (fresh && !(qi = acd_pool_new(&e->queues, in->cfg.id)))) {
		acd_refuse(e, (struct acd_id){ 0 }, (struct acd_id){ 0 }, "no room for another queue");
		return;
	}
	struct acd_queue *q = acd_q(e, qi);
	if (!fresh && (q->cfg.deleted || in->cfg.revision <= q->cfg.revision))
		return;
	if (fresh)
		q->serial = ++e->serial;
	uint8_t was_channel = q->cfg.channel;
	q->cfg = sane(&in->cfg);
	if (!fresh && q->n_items > 0) /* capacity is counted by channel: it cannot change under items */
		q->cfg.channel = was_channel;
	acd_pool_note(&e->queues, qi, in->note);
	if (fresh)
		adopt_members(e, q->cfg.id);
	relist_members(e, q);
	if (!q->cfg.enabled)
		acd_queue_drain(e, qi, acd_drain_closed);
}

static void member_free(struct acd *e, struct acd_agent *a, uint32_t *at)
{
	uint32_t mi = *at;
	acd_member_unlink(e, mi);
	*at = acd_m(e, mi)->next_of_agent;
	a->n_members--;
	acd_pool_free(&e->members, mi);
}

static const struct acd_membership *wanted(const struct acd_in_agent_put *in, struct acd_id queue)
{
	for (size_t i = 0; i < PL_MIN(in->n_members, (size_t)ACD_MEMBERSHIP_MAX); i++)
		if (acd_id_eq(in->members[i].queue, queue))
			return &in->members[i];
	return NULL;
}

static void member_add(struct acd *e, uint32_t ai, const struct acd_membership *ms)
{
	struct acd_agent *a = acd_a(e, ai);
	uint32_t mi = acd_pool_new(&e->members, ms->queue), *at = &a->members;
	if (!mi) {
		acd_refuse(e, (struct acd_id){ 0 }, a->id, "no room for another membership");
		return;
	}
	struct acd_member *m = acd_m(e, mi);
	m->serial = ++e->serial;
	m->agent = ai;
	m->penalty = ms->penalty;
	m->rank = ms->rank;
	while (*at)
		at = &acd_m(e, *at)->next_of_agent;
	*at = mi;
	a->n_members++;
	acd_member_link(e, mi);
}

/* Memberships that stay keep what they remember (turns, answers). */
static void members_put(struct acd *e, uint32_t ai, const struct acd_in_agent_put *in)
{
	struct acd_agent *a = acd_a(e, ai);
	for (uint32_t *at = &a->members; *at;) {
		struct acd_member *m = acd_m(e, *at);
		const struct acd_membership *ms = wanted(in, m->queue_id);
		if (!ms) {
			member_free(e, a, at);
			continue;
		}
		acd_member_unlist(e, *at);
		m->penalty = ms->penalty;
		m->rank = ms->rank;
		at = &m->next_of_agent;
	}
	for (size_t i = 0; i < PL_MIN(in->n_members, (size_t)ACD_MEMBERSHIP_MAX); i++)
		if (!acd_id_none(in->members[i].queue) && !acd_member_find(e, a, in->members[i].queue))
			member_add(e, ai, &in->members[i]);
}

static void caps_put(struct acd_agent *a, const struct acd_in_agent_put *in)
{
	bool any = false;
	for (unsigned ch = 1; ch < ACD_CH_N; ch++) {
		a->cap[ch] = PL_MIN(in->cap[ch], ACD_HANDS_MAX);
		any |= a->cap[ch] != 0;
	}
	for (unsigned ch = 1; ch < ACD_CH_N; ch++)
		a->over[ch] = a->used[ch];
	if (!any)
		a->cap[ACD_CH_VOICE] = 1;
}

/* Items that were meant for an agent who is no more belong to everybody in their queue. */
static void directed_free(struct acd *e, struct acd_agent *a)
{
	while (a->directed) {
		uint32_t ii = a->directed;
		acd_item_unlist(e, ii);
		acd_i(e, ii)->directed = 0;
		acd_i(e, ii)->only_agent = (struct acd_id){ 0 };
		acd_i(e, ii)->prefer_us = 0; /* its timer may still fire, and finds nothing to do but arm the next */
		acd_item_list(e, ii);
		(void)acd_match_item(e, ii);
	}
}

void acd_agent_free(struct acd *e, uint32_t ai)
{
	struct acd_agent *a = acd_a(e, ai);
	if (a->directed) /* an offer to it came back meanwhile */
		directed_free(e, a);
	acd_timer_clear(e, ACD_T_AGENT, ai);
	while (a->members)
		member_free(e, a, &a->members);
	acd_pool_free(&e->agents, ai);
}

static void agent_drop(struct acd *e, uint32_t ai)
{
	struct acd_agent *a = acd_a(e, ai);
	if (a->chosen != ACD_ST_OFFLINE)
		acd_agent_offline(e, ai, "configuration", (struct acd_id){ 0 });
	a->enabled = 0;
	a->deleted = 1;
	while (a->members)
		member_free(e, a, &a->members);
	directed_free(e, a);
	acd_agent_touch(e, ai); /* freed when it has nothing in hand any more */
}

static uint32_t agent_new(struct acd *e, struct acd_id id)
{
	uint32_t ai = acd_id_none(id) ? 0 : acd_pool_new(&e->agents, id);
	if (!ai) {
		acd_refuse(e, (struct acd_id){ 0 }, id, "no room for another agent");
		return 0;
	}
	struct acd_agent *a = acd_a(e, ai);
	a->serial = ++e->serial;
	a->chosen = ACD_ST_OFFLINE;
	a->shown = (struct acd_shown){ .state = ACD_ST_OFFLINE, .since_us = e->now_us };
	return ai;
}

static void presence_put(struct acd *e, uint32_t ai, bool was_enabled)
{
	struct acd_agent *a = acd_a(e, ai);
	if (!a->enabled && a->chosen != ACD_ST_OFFLINE)
		acd_agent_offline(e, ai, "configuration", (struct acd_id){ 0 });
	if (a->kind != ACD_AK_STATIC || !a->enabled)
		return;
	a->device = ACD_DEV_ADDRESS;
	a->presence = ACD_PR_STATIC;
	if (!was_enabled)
		acd_agent_chosen(e, a, ACD_ST_READY);
}

void acd_agent_put(struct acd *e, const struct acd_in_agent_put *in)
{
	uint32_t ai = acd_pool_find(&e->agents, in->id);
	if (in->deleted) {
		if (ai && !acd_a(e, ai)->deleted)
			agent_drop(e, ai);
		return;
	}
	bool fresh = !ai;
	if (fresh && !(ai = agent_new(e, in->id)))
		return;
	struct acd_agent *a = acd_a(e, ai);
	if (!fresh && !a->deleted && in->revision <= a->revision)
		return;
	bool was_enabled = a->enabled && a->kind == in->kind;
	a->revision = in->revision;
	a->kind = in->kind == ACD_AK_STATIC ? ACD_AK_STATIC : ACD_AK_PERSON;
	a->enabled = in->enabled;
	a->deleted = 0;
	caps_put(a, in);
	acd_pool_note(&e->agents, ai, in->note);
	members_put(e, ai, in);
	presence_put(e, ai, was_enabled);
	acd_agent_touch(e, ai);
	acd_agent_show(e, ai, "configuration", (struct acd_id){ 0 });
}

void acd_reason_put(struct acd *e, const struct acd_in_reason *in)
{
	uint32_t ri = acd_pool_find(&e->reasons, in->id);
	if (in->deleted) {
		if (ri)
			acd_pool_free(&e->reasons, ri);
		return;
	}
	if (!ri && (acd_id_none(in->id) || !(ri = acd_pool_new(&e->reasons, in->id)))) {
		acd_refuse(e, (struct acd_id){ 0 }, (struct acd_id){ 0 }, "no room for another pause reason");
		return;
	}
	acd_pool_note(&e->reasons, ri, in->note);
}
