/* What the router decided, heard live from the bus; after an adoption also what was missed. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define SNAPSHOT_MS 2000
#define SNAPSHOT_OLD_US (5 * PL_US_PER_S)

typedef Parley__Acd__V1__InteractionOffered offered_t;

static void offered(struct cc_call *k, const offered_t *m)
{
	struct call_event ev = { .kind = CALL_EV_OFFERED };
	ev.offer = (struct ev_offer){ .offer_id = m->offer_id,
				      .agent_id = m->meta ? m->meta->agent_id : "",
				      .queue_id = m->meta ? m->meta->queue_id : "",
				      .queue_name = m->queue_name,
				      .fence = m->fence,
				      .ring_timeout_ms = m->ring_timeout_ms,
				      .auto_answer = m->auto_answer,
				      .record = m->record };
	if (m->device == PARLEY__ACD__V1__DEVICE__DEVICE_BROWSER)
		ev.offer.device = (struct call_dest){ .kind = DEST_BROWSER };
	else if (m->device == PARLEY__ACD__V1__DEVICE__DEVICE_PHONE)
		ev.offer.device = (struct call_dest){ .kind = DEST_PHONE, .id = m->phone_id };
	else if (m->device == PARLEY__ACD__V1__DEVICE__DEVICE_ADDRESS)
		ev.offer.device = (struct call_dest){ .kind = DEST_URI, .id = m->address };
	if (!ev.offer.ring_timeout_ms)
		ev.offer.ring_timeout_ms = 20000;
	(void)!cc_step(k, &ev);
}

static void offer_ended(struct cc_call *k, const Parley__Acd__V1__OfferEnded *m)
{
	static const enum offer_outcome map[] = {
		[PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ACCEPTED] = OFFER_ACCEPTED,
		[PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_REJECTED] = OFFER_REJECTED,
		[PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_TIMEOUT] = OFFER_TIMEOUT,
		[PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_FAILED] = OFFER_FAILED,
		[PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_ELSEWHERE] = OFFER_ELSEWHERE,
		[PARLEY__ACD__V1__OFFER_OUTCOME__OFFER_OUTCOME_CANCELLED] = OFFER_CANCELLED,
	};
	struct call_event ev = { .kind = CALL_EV_OFFER_ENDED };
	ev.offer_end.offer_id = m->offer_id;
	ev.offer_end.outcome = (size_t)m->outcome < PL_ARRAY_N(map) ? map[m->outcome] : OFFER_FAILED;
	(void)!cc_step(k, &ev);
}

static void on_acd(void *arg, const struct bus_msg *b)
{
	struct cc *cc = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	const char *dot = strrchr(b->subject, '.');
	struct cc_call *k = dot ? cc_call_find(cc, dot + 1) : NULL;
	if (!k) /* another node's */
		return;
	if (rpc_decode(b, pl_loop_tmp(cc->app->loop), &pm, &why)) {
		log_warn("acd.event-bad", LOG_WHY(&why));
		return;
	}
	if (pm->descriptor == &parley__acd__v1__interaction_offered__descriptor) {
		offered(k, (const offered_t *)(const void *)pm);
	} else if (pm->descriptor == &parley__acd__v1__offer_ended__descriptor) {
		offer_ended(k, (const Parley__Acd__V1__OfferEnded *)(const void *)pm);
	} else if (pm->descriptor == &parley__acd__v1__interaction_dequeued__descriptor) {
		struct call_event ev = { .kind = CALL_EV_DEQUEUED };
		ev.dequeued = ((const Parley__Acd__V1__InteractionDequeued *)(const void *)pm)->reason;
		(void)!cc_step(k, &ev);
	}
}

/* --- what was missed while nobody owned the call: the last of each of its events --- */

static void heal_done(void *arg)
{
	struct cc_call *k = arg;
	struct call_event ev = { .kind = CALL_EV_DEQUEUED, .dequeued = k->heal_reason };
	bus_tail_close(k->heal);
	k->heal = NULL;
	if (*k->heal_reason)
		(void)!cc_step(k, &ev);
}

static void on_missed(void *arg, const struct bus_msg *b)
{
	struct cc_call *k = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	if (strncmp(b->subject, "ev.acd.queued.", 14) == 0) {
		k->heal_reason[0] = 0; /* it left an earlier queue */
	} else if (strncmp(b->subject, "ev.acd.dequeued.", 16) == 0) {
		if (!rpc_decode(b, pl_loop_tmp(k->cc->app->loop), &pm, &why) &&
		    pm->descriptor == &parley__acd__v1__interaction_dequeued__descriptor)
			pl_strlcpy(k->heal_reason,
				   ((const Parley__Acd__V1__InteractionDequeued *)(const void *)pm)->reason,
				   sizeof(k->heal_reason));
	} else {
		on_acd(k->cc, b); /* what was seen already is refused by the engine: known offer, unknown end */
	}
}

/* The last "offered" is live only when no end came after it. A tail gives them in stream order, so an offer that has
 * ended is begun and let go again before anything is dialled: both come in one turn, before media has answered. */
void on_acd_heal(struct cc_call *k)
{
	struct pl_why why = { 0 };
	char filter[CALL_ID + 16];
	if (k->c.phase != CALL_QUEUE && k->c.phase != CALL_MENU)
		return;
	snprintf(filter, sizeof(filter), "ev.acd.*.%s", k->c.id);
	struct bus_tail_cfg c = { .stream = "LEDGER",
				  .filter = filter,
				  .from_seq = 1,
				  .last_per_subject = true,
				  .fn = on_missed,
				  .caught_up = heal_done,
				  .arg = k };
	if (bus_tail_open(&k->heal, k->cc->app->bus, &c, &why))
		log_warn("acd.heal-failed", LOG_S("call", k->c.id), LOG_WHY(&why)); /* the offer then rings out */
}

/* --- position in the queue, from one snapshot for all who ask within some seconds --- */

struct position {
	struct pl_list link;
	char id[CALL_ID];
};
struct place {
	UT_hash_handle hh;
	char id[CALL_ID];
	uint32_t position;
};
struct positions {
	struct pl_list asking; /* calls that wait for the answer under way */
	bool under_way;
	int64_t at_us; /* of the newest snapshot */
	struct place *places;
};

static void tell(struct cc *cc, const char *id)
{
	struct place *p = NULL;
	struct cc_call *k = cc_call_find(cc, id);
	struct call_event ev = { .kind = CALL_EV_POSITION };
	HASH_FIND_STR(cc->positions->places, id, p);
	ev.position = p ? p->position : 0;
	if (k)
		(void)!cc_step(k, &ev);
}

static void places_clear(struct positions *s)
{
	struct place *p, *next;
	HASH_ITER(hh, s->places, p, next)
	{
		HASH_DEL(s->places, p);
		free(p);
	}
}

static void tell_all(void *arg)
{
	struct cc *cc = arg;
	cc->positions->under_way = false;
	PL_LIST_EACH_SAFE (it, &cc->positions->asking) {
		struct position *p = PL_CONTAINER(it, struct position, link);
		pl_list_remove(it);
		tell(cc, p->id);
		free(p);
	}
}

static void on_snapshot(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct cc *cc = arg;
	const Parley__Acd__V1__GetSnapshotResponse *m = (const void *)out;
	struct positions *s = cc->positions;
	places_clear(s);
	for (size_t i = 0; !err && i < m->n_waiting; i++) {
		struct place *p = calloc(1, sizeof(*p));
		if (!p)
			break;
		pl_strlcpy(p->id, m->waiting[i]->interaction_id, sizeof(p->id));
		p->position = m->waiting[i]->position;
		HASH_ADD_STR(s->places, id, p);
	}
	if (!err)
		s->at_us = cc_now(cc);
	tell_all(cc);
}

/* Answers in a later turn always: the engine is in the middle of a step. */
void fx_ask_position(struct cc_call *k)
{
	struct cc *cc = k->cc;
	Parley__Acd__V1__GetSnapshotRequest m = PARLEY__ACD__V1__GET_SNAPSHOT_REQUEST__INIT;
	struct pl_why why = { 0 };
	struct positions *s = cc->positions;
	struct position *p = calloc(1, sizeof(*p));
	if (!p)
		return;
	pl_strlcpy(p->id, k->c.id, sizeof(p->id));
	pl_list_push(&s->asking, &p->link);
	if (s->under_way)
		return;
	if (cc_now(cc) - s->at_us < SNAPSHOT_OLD_US) {
		s->under_way = pl_loop_post(cc->app->loop, tell_all, cc) == PL_OK;
		return;
	}
	struct rpc_to to = { &parley__acd__v1__routing_service__descriptor, "GetSnapshot", NULL, NULL, SNAPSHOT_MS };
	s->under_way = rpc_ask(cc->app->bus, &to, &m.base, on_snapshot, cc, &why) != 0;
}

void on_acd_close(struct cc *cc)
{
	struct positions *s = cc->positions;
	if (!s)
		return;
	places_clear(s);
	PL_LIST_EACH_SAFE (it, &s->asking)
		free(PL_CONTAINER(it, struct position, link));
	free(s);
	cc->positions = NULL;
}

enum pl_err on_acd_open(struct cc *cc, struct pl_why *why)
{
	cc->positions = calloc(1, sizeof(*cc->positions));
	if (!cc->positions)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	pl_list_init(&cc->positions->asking);
	enum pl_err err = cc_subscribe(cc, "ev.acd.offered.*", NULL, on_acd, why);
	if (!err)
		err = cc_subscribe(cc, "ev.acd.offer-ended.*", NULL, on_acd, why);
	return err ? err : cc_subscribe(cc, "ev.acd.dequeued.*", NULL, on_acd, why);
}
