/* Waiting items: how they come, wait and leave. */
#include "state.h"

const char acd_drain_empty[] = "empty", acd_drain_closed[] = "closed";

static void list_add(struct acd *e, struct acd_queue *q, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	it->prev = q->items_last;
	*(it->prev ? &acd_i(e, it->prev)->next : &q->items) = ii;
	q->items_last = ii;
	q->n_items++;
}

static void list_drop(struct acd *e, struct acd_queue *q, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	*(it->prev ? &acd_i(e, it->prev)->next : &q->items) = it->next;
	*(it->next ? &acd_i(e, it->next)->prev : &q->items_last) = it->prev;
	q->n_items--;
}

static struct acd_key key_of(const struct acd_item *it)
{
	return (struct acd_key){ -(int64_t)it->priority, it->queued_at_us - it->bonus_us, it->serial };
}

void acd_item_list(struct acd *e, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	struct acd_queue *q = acd_q(e, it->queue);
	struct acd_key k = key_of(it);
	it->waiting = 1;
	e->n_waiting++;
	if (it->directed) {
		acd_tree_insert(e->item_nodes, &acd_a(e, it->directed)->directed, ii, k, 1);
		return;
	}
	acd_tree_insert(e->item_nodes, &q->waiting, ii, k, 1);
	if (!q->head || acd_key_less(&k, &e->item_nodes[q->head].key))
		q->head = ii;
}

void acd_item_unlist(struct acd *e, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	struct acd_queue *q = acd_q(e, it->queue);
	if (!it->waiting)
		return;
	it->waiting = 0;
	e->n_waiting--;
	if (it->directed) {
		acd_tree_remove(e->item_nodes, &acd_a(e, it->directed)->directed, ii);
		return;
	}
	acd_tree_remove(e->item_nodes, &q->waiting, ii);
	if (q->head == ii)
		q->head = acd_tree_first(e->item_nodes, q->waiting);
}

uint32_t acd_item_position(const struct acd *e, const struct acd_item *it)
{
	struct acd_key k = key_of(it);
	uint32_t root = it->directed ? acd_a(e, it->directed)->directed : acd_q(e, it->queue)->waiting;
	return acd_tree_below(e->item_nodes, root, &k, NULL) + 1;
}

static void emit_dequeued(struct acd *e, const struct acd_item *it, uint32_t ii, const char *reason)
{
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_DEQUEUED);
	fx->channel = it->channel;
	fx->item_ref = ii;
	fx->item = it->id;
	fx->queue = acd_q(e, it->queue)->cfg.id;
	fx->dequeued = (struct acd_fx_dequeued){ .wait_us = PL_MAX(e->now_us - it->queued_at_us, 0),
						 .position = acd_item_position(e, it) };
	acd_reason_copy(fx->dequeued.reason, reason);
}

void acd_item_done(struct acd *e, uint32_t ii)
{
	acd_item_unlist(e, ii);
	acd_timer_clear(e, ACD_T_ITEM, ii);
	list_drop(e, acd_q(e, acd_i(e, ii)->queue), ii);
	acd_pool_free(&e->items, ii);
}

/* The offers end first, so that no agent holds an offer of an item that is gone. */
void acd_item_leave(struct acd *e, uint32_t ii, const char *reason, enum acd_outcome offers_end)
{
	struct acd_item *it = acd_i(e, ii);
	emit_dequeued(e, it, ii, reason);
	while (it->offers)
		acd_offer_end(e, it->offers, offers_end, reason);
	acd_item_done(e, ii);
}

static void refuse_entry(struct acd *e, const struct acd_in_enqueue *in, struct acd_id queue, const char *reason)
{
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_DEQUEUED);
	fx->channel = in->channel;
	fx->item = in->item;
	fx->queue = queue;
	fx->dequeued =
		(struct acd_fx_dequeued){ .wait_us = in->queued_at_us ? PL_MAX(e->now_us - in->queued_at_us, 0) : 0 };
	acd_reason_copy(fx->dequeued.reason, reason);
}

static const char *no_entry(const struct acd_queue *q, const struct acd_in_enqueue *in)
{
	if (!q->cfg.enabled || q->cfg.deleted)
		return "closed";
	if (q->cfg.max_waiting && q->n_items >= q->cfg.max_waiting)
		return "full";
	if (!q->cfg.join_when_empty && q->signed_in == 0 && acd_id_none(in->only_agent))
		return "empty";
	return NULL;
}

/* In two queues at once is nobody: a second enqueue moves the item, the same again changes nothing. */
static bool leave_old_place(struct acd *e, const struct acd_in_enqueue *in)
{
	uint32_t ii = acd_pool_find(&e->items, in->item);
	if (!ii)
		return true;
	const struct acd_item *it = acd_i(e, ii);
	if (acd_id_eq(acd_q(e, it->queue)->cfg.id, in->queue) && acd_id_eq(it->only_agent, in->only_agent))
		return false;
	acd_item_leave(e, ii, "transferred", ACD_OUT_CANCELLED);
	return true;
}

/* Who was here before may wait for the agent it knows, while that agent is there at all. */
static void prefer(const struct acd *e, struct acd_item *it, const struct acd_in_enqueue *in)
{
	uint32_t ai = it->directed ? 0 : acd_pool_find(&e->agents, in->prefer_agent);
	if (!ai || in->prefer_us <= 0 || acd_a(e, ai)->chosen == ACD_ST_OFFLINE)
		return;
	it->directed = ai;
	it->only_agent = in->prefer_agent;
	it->prefer_us = e->now_us + in->prefer_us;
}

static void arm(struct acd *e, uint32_t ii)
{
	const struct acd_item *it = acd_i(e, ii);
	int64_t due = it->prefer_us && (!it->leave_us || it->prefer_us < it->leave_us) ? it->prefer_us : it->leave_us;
	if (due)
		acd_timer_set(e, ACD_T_ITEM, ii, due);
	else
		acd_timer_clear(e, ACD_T_ITEM, ii);
}

static void to_everybody(struct acd *e, uint32_t ii)
{
	struct acd_item *it = acd_i(e, ii);
	bool waiting = it->waiting;
	acd_item_unlist(e, ii);
	it->prefer_us = 0;
	it->directed = 0;
	it->only_agent = (struct acd_id){ 0 };
	arm(e, ii);
	if (!waiting) /* it rings just now; should that fail, it waits with the others */
		return;
	acd_item_list(e, ii);
	(void)acd_match_item(e, ii);
}

void acd_item_due(struct acd *e, uint32_t ii)
{
	const struct acd_item *it = acd_i(e, ii);
	if (it->prefer_us && it->prefer_us <= e->now_us)
		to_everybody(e, ii);
	else if (!it->leave_us || it->leave_us > e->now_us)
		arm(e, ii);
	else
		acd_item_leave(e, ii, "timeout", ACD_OUT_CANCELLED);
}

static uint32_t item_new(struct acd *e, const struct acd_in_enqueue *in, uint32_t qi)
{
	struct acd_queue *q = acd_q(e, qi);
	uint32_t ii = acd_pool_new(&e->items, in->item);
	if (!ii)
		return 0;
	struct acd_item *it = acd_i(e, ii);
	int64_t prio = (int64_t)in->priority + q->cfg.priority;
	it->serial = ++e->serial;
	it->queue = qi;
	it->only_agent = in->only_agent;
	it->directed = acd_pool_find(&e->agents, in->only_agent);
	it->priority = (int32_t)PL_MIN(PL_MAX(prio, INT32_MIN), INT32_MAX);
	it->channel = in->channel && in->channel < ACD_CH_N ? in->channel : q->cfg.channel;
	it->queued_at_us = in->queued_at_us > 0 ? PL_MIN(in->queued_at_us, e->now_us) : e->now_us;
	it->entered_us = e->now_us;
	acd_pool_note(&e->items, ii, in->note);
	it->bonus_us = PL_MAX(in->bonus_us, 0);
	it->leave_us = q->cfg.max_wait_us ? e->now_us + q->cfg.max_wait_us : 0;
	prefer(e, it, in);
	list_add(e, q, ii);
	acd_item_list(e, ii);
	arm(e, ii);
	return ii;
}

void acd_enqueue(struct acd *e, const struct acd_in_enqueue *in)
{
	uint32_t qi = acd_pool_find(&e->queues, in->queue);
	if (acd_id_none(in->item)) {
		acd_refuse(e, in->item, in->only_agent, "no interaction id");
		return;
	}
	if (!leave_old_place(e, in))
		return;
	struct acd_queue *q = acd_q(e, qi);
	const char *no = qi ? no_entry(q, in) : "closed";
	if (!no && !acd_id_none(in->only_agent) && !acd_pool_find(&e->agents, in->only_agent))
		no = "closed";
	uint32_t ii = no ? 0 : item_new(e, in, qi);
	if (!ii) {
		refuse_entry(e, in, in->queue, no ? no : "full");
		return;
	}
	const struct acd_item *it = acd_i(e, ii);
	struct acd_fx *fx = acd_fx_add(e, ACD_FX_QUEUED);
	fx->channel = it->channel;
	fx->item_ref = ii;
	fx->item = it->id;
	fx->queue = q->cfg.id;
	fx->queued = (struct acd_fx_queued){ it->queued_at_us, it->priority, acd_item_position(e, it) };
	acd_match_item(e, ii);
}

void acd_cancel(struct acd *e, const struct acd_in_cancel *in)
{
	uint32_t ii = acd_pool_find(&e->items, in->item);
	if (ii)
		acd_item_leave(e, ii, in->reason[0] ? in->reason : "abandoned", ACD_OUT_CANCELLED);
}

void acd_priority(struct acd *e, const struct acd_in_priority *in)
{
	uint32_t ii = acd_pool_find(&e->items, in->item);
	if (!ii)
		return;
	struct acd_item *it = acd_i(e, ii);
	bool waiting = it->waiting;
	acd_item_unlist(e, ii);
	it->priority = in->priority;
	if (waiting)
		acd_item_list(e, ii);
}

/* From now on the item is meant for this agent alone, and is asked for before what the agent's queues hold. */
void acd_assign(struct acd *e, const struct acd_in_assign *in)
{
	uint32_t ii = acd_pool_find(&e->items, in->item), ai = acd_pool_find(&e->agents, in->agent);
	if (!ii || !ai || acd_a(e, ai)->deleted) {
		acd_refuse(e, in->item, in->agent, "no such item or agent");
		return;
	}
	struct acd_item *it = acd_i(e, ii);
	if (it->directed == ai && !it->prefer_us)
		return;
	while (it->offers)
		acd_offer_end(e, it->offers, ACD_OUT_ELSEWHERE, "assigned");
	acd_item_unlist(e, ii);
	it->only_agent = in->agent;
	it->directed = ai;
	it->n_tried = 0;
	it->prefer_us = 0;
	arm(e, ii);
	acd_item_list(e, ii);
	acd_match_item(e, ii);
}

void acd_queue_drain(struct acd *e, uint32_t qi, const char *reason)
{
	struct acd_queue *q = acd_q(e, qi);
	if (!q->drain || !q->cfg.deleted) /* of a deleted queue everybody leaves, whoever comes back */
		q->drain = reason;
	if (q->draining)
		return;
	q->draining = 1;
	q->drain_next = 0;
	*(e->drain_last ? &acd_q(e, e->drain_last)->drain_next : &e->drain_first) = qi;
	e->drain_last = qi;
}

/* A contact meant for one agent does not leave because the others went home; its own agent's absence is what counts. */
static uint32_t next_to_drain(const struct acd *e, const struct acd_queue *q)
{
	bool empty = q->drain == acd_drain_empty;
	for (uint32_t ii = q->items; ii; ii = acd_i(e, ii)->next) {
		const struct acd_item *it = acd_i(e, ii);
		if (!empty || !it->directed || acd_a(e, it->directed)->chosen == ACD_ST_OFFLINE)
			return ii;
	}
	return 0;
}

bool acd_drain_step(struct acd *e)
{
	uint32_t qi = e->drain_first;
	if (!qi)
		return false;
	struct acd_queue *q = acd_q(e, qi);
	uint32_t ii = q->drain ? next_to_drain(e, q) : 0;
	if (!ii) {
		e->drain_first = q->drain_next;
		if (!e->drain_first)
			e->drain_last = 0;
		q->draining = 0;
		q->drain_next = 0;
		q->drain = NULL;
		if (q->cfg.deleted)
			acd_queue_free(e, qi);
		return true;
	}
	acd_item_leave(e, ii, q->drain, ACD_OUT_CANCELLED);
	return true;
}
