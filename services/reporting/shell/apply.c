/* One message of the ledger into memory. */
#include "parley/flow/v1/flow.pb-c.h"
#include "parley/voice/v1/voice.pb-c.h"
#include "rep.h"

#include <stdio.h>
#include <stdlib.h>

#define LATE_US                                                                                                        \
	(60 * PL_US_PER_S) /* an unknown interaction that was made so long before the event was forgotten already */
#define STRAY_US (600 * PL_US_PER_S)        /* facts of one whose beginning nobody saw */
#define GIVE_UP_US (4 * 3600 * PL_US_PER_S) /* wrap-up that never ends */

typedef Parley__Common__V1__EventMeta meta_t;

/* What all events have in common: the meta is their first field. */
struct event_base {
	ProtobufCMessage base;
	meta_t *meta;
};

struct in {
	struct store *st;
	const struct bus_msg *m;
	const void *p; /* the unpacked event */
	const meta_t *meta;
	struct rep_event ev;
	int32_t priority;
	char path[160];
};

static int64_t now_of(const struct in *in)
{
	int64_t t = rpc_ts_us(in->meta->time);
	return t > 0 ? t : in->m->time_us;
}

/* --- what each type means: fills in->ev; false: nothing for an interaction --- */

static bool started(struct in *in)
{
	const Parley__Voice__V1__CallStarted *p = in->p;
	bool out = p->direction == PARLEY__COMMON__V1__DIRECTION__DIRECTION_OUTBOUND;
	in->ev.kind = REP_STARTED;
	in->ev.direction = (int)p->direction;
	in->ev.customer_number = out ? p->to_number : p->from_number;
	in->ev.customer_name = out ? "" : p->from_name;
	in->ev.dialled_number = p->to_number;
	if (!in->ev.channel)
		in->ev.channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	return true;
}

static bool ended(struct in *in)
{
	const Parley__Voice__V1__CallEnded *p = in->p;
	in->ev.kind = REP_ENDED;
	in->ev.by = rep_result_of(p->ended_by);
	in->ev.result = rep_result_of(p->cause);
	in->ev.mos = p->mos;
	in->ev.loss_pct = p->loss_pct;
	return true;
}

static bool disconnected(struct in *in)
{
	in->ev.kind = REP_DISCONNECTED;
	in->ev.result = rep_result_of(((const Parley__Voice__V1__AgentDisconnected *)in->p)->reason);
	return true;
}

static bool dialled(struct in *in)
{
	in->ev.kind = REP_DIALLED;
	in->ev.value = ((const Parley__Voice__V1__CallDialled *)in->p)->status;
	return true;
}

static bool answered(struct in *in)
{
	in->ev.kind = REP_ANSWERED;
	return true;
}
static bool connected(struct in *in)
{
	in->ev.kind = REP_CONNECTED;
	return true;
}
static bool held(struct in *in)
{
	in->ev.kind = REP_HELD;
	return true;
}
static bool resumed(struct in *in)
{
	in->ev.kind = REP_RESUMED;
	return true;
}
static bool transferred(struct in *in)
{
	in->ev.kind = REP_TRANSFERRED;
	return true;
}
static bool entered(struct in *in)
{
	in->ev.kind = REP_FLOW_ENTERED;
	return true;
}
static bool left(struct in *in)
{
	in->ev.kind = REP_FLOW_LEFT;
	return true;
}

static bool stepped(struct in *in)
{
	const Parley__Flow__V1__FlowStepped *p = in->p;
	in->ev.kind = REP_FLOW_STEP;
	in->ev.of_queue = strcmp(p->node_type, "queue") == 0;
	if (strcmp(p->node_type, "menu") != 0 || strlen(p->node) > 64)
		return true;
	snprintf(in->path, sizeof(in->path), "%.60s%s%.60s", p->output, *p->label ? " " : "", p->label);
	in->ev.path_key = p->node;
	in->ev.path_value = in->path;
	return true;
}

static bool queued(struct in *in)
{
	const Parley__Acd__V1__InteractionQueued *p = in->p;
	const struct rep_queue *q = store_queue(in->st, in->meta->queue_id);
	in->ev.kind = REP_QUEUED;
	in->ev.value = q ? q->sl_ms : 0;
	in->ev.customer_number = p->customer_number;
	in->ev.customer_name = p->customer_name;
	in->priority = p->priority;
	return true;
}

static uint32_t offer(const char *id)
{
	return (uint32_t)(pl_hash(id, strlen(id)) | 1); /* 0 means none */
}

static bool offered(struct in *in)
{
	in->ev.kind = REP_OFFERED;
	in->ev.value = offer(((const Parley__Acd__V1__InteractionOffered *)in->p)->offer_id);
	return true;
}

static bool offer_ended(struct in *in)
{
	static const enum rep_result of[] = {
		REP_R_OTHER,  REP_R_ANSWERED,  REP_R_REJECTED, REP_R_TIMEOUT,
		REP_R_FAILED, REP_R_ELSEWHERE, REP_R_CANCELLED
	}; /* by acd.v1.OfferOutcome */
	const Parley__Acd__V1__OfferEnded *p = in->p;
	in->ev.kind = REP_OFFER_ENDED;
	in->ev.value = offer(p->offer_id);
	in->ev.result = (unsigned)p->outcome < PL_ARRAY_N(of) ? of[p->outcome] : REP_R_OTHER;
	return true;
}

static bool dequeued(struct in *in)
{
	in->ev.kind = REP_DEQUEUED;
	in->ev.result = rep_result_of(((const Parley__Acd__V1__InteractionDequeued *)in->p)->reason);
	return true;
}

static bool released(struct in *in)
{
	const Parley__Acd__V1__InteractionReleased *p = in->p;
	in->ev.kind = REP_RELEASED;
	in->ev.value = (uint32_t)PL_MIN(p->wrap_up_ms, (uint64_t)86400000);
	return true;
}

static bool agent_state(struct in *in)
{
	const Parley__Acd__V1__AgentStateChanged *p = in->p;
	struct rep_person *a =
		p->status ? store_person(in->st, *p->status->agent_id ? p->status->agent_id : in->meta->agent_id)
			  : NULL;
	if (a)
		store_person_state(in->st, a, p->status, now_of(in));
	return false;
}

static bool queue_changed(struct in *in)
{
	const Parley__Acd__V1__QueueChanged *p = in->p;
	if (p->queue)
		store_queue_conf(in->st, p->queue, p->deleted);
	return false;
}

static bool agent_changed(struct in *in)
{
	const Parley__Acd__V1__AgentChanged *p = in->p;
	if (p->agent)
		store_agent_conf(in->st, p->agent, p->deleted);
	return false;
}

static struct rec *rec_get(struct store *st, const char *id)
{
	struct rec *r;
	if (!pl_id_ok(id))
		return NULL;
	HASH_FIND_STR(st->recs, id, r);
	if (r || !(r = calloc(1, sizeof(*r))))
		return r;
	pl_strlcpy(r->id, id, sizeof(r->id));
	HASH_ADD_STR(st->recs, id, r);
	return r;
}

/* Replaces *bytes by the packed message; nothing changes when memory is out. */
static bool pack(const ProtobufCMessage *m, uint8_t **bytes, size_t *len)
{
	size_t n = protobuf_c_message_get_packed_size(m);
	uint8_t *p = malloc(n + 1);
	if (!p)
		return false;
	protobuf_c_message_pack(m, p);
	free(*bytes);
	*bytes = p;
	*len = n;
	return true;
}

/* Expected, verified and failed have the same fields. */
static bool recording(struct in *in)
{
	const Parley__Voice__V1__Recording *m = ((const Parley__Voice__V1__RecordingExpected *)in->p)->recording;
	bool expected = m && m->status == PARLEY__VOICE__V1__RECORDING_STATUS__RECORDING_STATUS_EXPECTED;
	struct rec *r = m && pl_id_ok(m->interaction_id) ? rec_get(in->st, m->id) : NULL;
	if (!r || (expected && r->status > (int)m->status) || !pack(&m->base, &r->body, &r->len))
		return false;
	r->status = (int)m->status;
	r->started_us = rpc_ts_us(m->started_at);
	pl_strlcpy(r->interaction_id, m->interaction_id, sizeof(r->interaction_id));
	pl_strlcpy(r->agent_id, m->agent_id, sizeof(r->agent_id));
	return false;
}

static bool stopped(struct in *in)
{
	const Parley__Voice__V1__RecordingStopped *p = in->p;
	struct rec *r = rec_get(in->st, p->recording_id);
	if (r && !pack(&p->base, &r->marks, &r->marks_len))
		in->st->foreign++;
	return false;
}

static const struct type {
	const ProtobufCMessageDescriptor *d;
	bool (*fn)(struct in *in);
} types[] = {
/* by frequency */
#define T(pkg, lower, fn)                                                                                              \
	{                                                                                                              \
		&parley__##pkg##__v1__##lower##__descriptor, fn                                                        \
	}
	T(acd, agent_state_changed, agent_state),
	T(voice, call_started, started),
	T(voice, call_answered, answered),
	T(voice, call_ended, ended),
	T(acd, interaction_queued, queued),
	T(acd, interaction_offered, offered),
	T(acd, offer_ended, offer_ended),
	T(acd, interaction_dequeued, dequeued),
	T(voice, agent_connected, connected),
	T(voice, agent_disconnected, disconnected),
	T(acd, interaction_released, released),
	T(flow, flow_entered, entered),
	T(flow, flow_stepped, stepped),
	T(flow, flow_left, left),
	T(voice, recording_expected, recording),
	T(voice, recording_verified, recording),
	T(voice, recording_failed, recording),
	T(voice, recording_stopped, stopped),
	T(voice, call_held, held),
	T(voice, call_resumed, resumed),
	T(voice, call_transferred, transferred),
	T(voice, call_dialled, dialled),
	T(acd, queue_changed, queue_changed),
	T(acd, agent_changed, agent_changed),
};

static const struct type *type_of(const char *name)
{
	for (size_t i = 0; i < PL_ARRAY_N(types); i++)
		if (strcmp(types[i].d->name, name) == 0)
			return &types[i];
	return NULL;
}

/* --- interactions --- */

static int64_t born_us(
	const char *id) /* UUIDv7 (RFC 9562 5.7): milliseconds in the first 48 bits; 0: another version */
{
	uint64_t ms = 0;
	if (id[14] != '7')
		return 0;
	for (int i = 0; i < 13; i++) {
		if (i == 8)
			continue;
		char c = id[i];
		ms = ms << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	return (int64_t)ms * 1000;
}

static struct ix *ix_for(struct in *in)
{
	struct store *st = in->st;
	const char *id = in->meta->interaction_id;
	struct ix *x = store_ix(st, id, false);
	if (x || !pl_id_ok(id))
		return x;
	int64_t born = born_us(id);
	bool task = in->ev.channel == PARLEY__COMMON__V1__CHANNEL__CHANNEL_TASK;
	if ((born && !task && born + LATE_US < in->ev.time_us) || HASH_COUNT(st->ixs) >= 2 * REP_OPEN_MAX) {
		st->late++;
		return NULL;
	}
	return store_ix(st, id, true);
}

static void settle(struct store *st, struct ix *x, const struct rep_row *row)
{
	bool gave_up = row->ended_us && row->ended_us + GIVE_UP_US < st->clock_us;
	x->settled = row->final || gave_up;
	pl_list_remove(&x->in_settled);
	if (x->settled || !row->known) /* one nobody knows waits there for its beginning */
		pl_list_push(&st->settled, &x->in_settled);
}

static void fold(struct in *in)
{
	struct store *st = in->st;
	struct ix *x = ix_for(in);
	if (!x || !store_ix_room(x, &in->ev))
		return;
	rep_build(&x->f, &st->before);
	if (!rep_add(&x->f, &in->ev))
		return;
	rep_build(&x->f, &st->after);
	if (st->before.known)
		store_share(st, x, &st->before, -1);
	if (st->after.known)
		store_share(st, x, &st->after, 1);
	if (in->ev.kind == REP_QUEUED)
		x->priority = in->priority;
	x->known = st->after.known;
	store_place(st, x, &st->after);
	settle(st, x, &st->after);
	store_dirty(st, x);
	for (uint8_t i = 1; i <= x->f.n_ids; i++) { /* what an agent has in hand may have changed */
		struct rep_person *p;
		HASH_FIND_STR(st->people, rep_id(&x->f, i), p);
		if (p)
			p->rt_dirty = true;
	}
}

bool apply(struct store *st, const struct bus_msg *m)
{
	const struct type *t = type_of(m->type);
	struct pl_why why;
	ProtobufCMessage *msg;
	st->seq = m->seq;
	if (!t) {
		st->foreign++;
		return false;
	}
	pl_arena_reset(st->tmp);
	if (rpc_unpack(t->d, m->data, m->len, st->tmp, &msg, &why) != PL_OK ||
	    !((const struct event_base *)(const void *)msg)->meta) {
		st->foreign++;
		return false;
	}
	struct in in = { .st = st, .m = m, .p = msg, .meta = ((const struct event_base *)(const void *)msg)->meta };
	const char *id = *in.meta->event_id ? in.meta->event_id : m->id;
	in.ev = (struct rep_event){ .seq = m->seq,
				    .id = *id ? pl_hash(id, strlen(id)) : m->seq,
				    .time_us = now_of(&in),
				    .agent_id = in.meta->agent_id,
				    .queue_id = in.meta->queue_id,
				    .channel = (int)in.meta->channel };
	st->clock_us = PL_MAX(st->clock_us, in.ev.time_us);
	st->event_us = PL_MAX(st->event_us, in.ev.time_us);
	store_new_day(st, st->clock_us);
	if (t->fn(&in))
		fold(&in);
	return true;
}

/* A wrap-up whose end the ledger never told must not keep its interaction open for ever. */
void apply_give_up(struct store *st)
{
	for (struct ix *x = st->ixs; x; x = x->hh.next) {
		int64_t last = x->f.n_facts ? x->f.facts[x->f.n_facts - 1].time_us : 0;
		if (x->settled || !x->known || last + GIVE_UP_US > st->clock_us)
			continue;
		rep_build(&x->f, &st->after);
		if (!st->after.ended_us)
			continue;
		settle(st, x, &st->after);
		store_dirty(st, x);
	}
}

void apply_forget(struct store *st, int64_t linger_us)
{
	PL_LIST_EACH_SAFE (n, &st->settled) {
		struct ix *x = PL_CONTAINER(n, struct ix, in_settled);
		int64_t last = x->f.n_facts ? x->f.facts[x->f.n_facts - 1].time_us : 0;
		if (last + (x->known ? linger_us : STRAY_US) > st->event_us)
			return;
		if (x->stored_open && !x->forget && !x->known) {
			x->forget = true;
			store_dirty(st, x);
		}
		if (!x->dirty && !x->stored_open) /* else the database must have its end first */
			store_ix_drop(st, x);
	}
}
