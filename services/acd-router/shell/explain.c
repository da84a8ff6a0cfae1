#include "explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SENTENCES_MAX 400
#define DECISIONS_MAX 50
#define READ_MAX_US (5 * PL_US_PER_S)

struct story {
	struct rpc_call *c;
	struct router *r;
	struct bus_tail *tail;
	struct pl_timer *limit;
	char *sentences[SENTENCES_MAX];
	size_t n;
	Parley__Acd__V1__Decision *decisions[DECISIONS_MAX];
	size_t n_decisions;
	bool done;
};

static void say(struct story *s, int64_t at_us, char *text)
{
	char when[PL_TIME_LEN] = "";
	if (!text || s->n == SENTENCES_MAX)
		return;
	if (at_us)
		pl_time_format(at_us, when);
	s->sentences[s->n++] = at_us ? pl_arena_printf(s->c->arena, "%.8s %s", when + 11, text) : text;
}

static const char *agent_name(const struct story *s, const char *id)
{
	struct acd_id a;
	const char *name = acd_id_parse(id, &a) ? note_agent(s->r, a, s->c->arena)->name : "";
	return *name ? name : id;
}

static const char *queue_name(const struct story *s, const char *id)
{
	struct acd_id q;
	const char *name = acd_id_parse(id, &q) ? note_queue(s->r, q, s->c->arena)->name : "";
	return *name ? name : id;
}

static const char *outcome_words(int o)
{
	static const char *const words[ACD_OUT_N] = { "ended",
						      "answered",
						      "rejected it",
						      "let it ring to the end",
						      "could not be reached",
						      "lost it to another agent",
						      "lost it because the customer left" };
	return o >= 0 && o < ACD_OUT_N ? words[o] : words[0];
}

/* The others, and what kept them. */
static char *others(const struct story *s, const Parley__Acd__V1__Decision *d)
{
	char text[600] = "";
	size_t n = 0;
	for (size_t i = 1; i < d->n_candidates && n < sizeof(text) - 120; i++) {
		const Parley__Acd__V1__Candidate *c = d->candidates[i];
		int k = snprintf(text + n, sizeof(text) - n, "%s%.60s %s", n ? ", " : "", agent_name(s, c->agent_id),
				 *c->why_not ? c->why_not : "was next");
		n += k > 0 ? PL_MIN((size_t)k, sizeof(text) - n - 1) : 0;
	}
	return n ? pl_arena_printf(s->c->arena, " Others: %s.", text) : pl_arena_strdup(s->c->arena, "");
}

static void tell_decision(struct story *s, Parley__Acd__V1__Decision *d)
{
	struct pl_arena *a = s->c->arena;
	if (d->n_candidates == 0)
		return;
	say(s, rpc_ts_us(d->meta ? d->meta->time : NULL),
	    pl_arena_printf(a, "%s was chosen (%s); %u still waited.%s", agent_name(s, d->candidates[0]->agent_id),
			    score_words(a, (uint8_t)d->strategy, d->candidates[0]->score), d->waiting, others(s, d)));
	if (s->n_decisions < DECISIONS_MAX)
		s->decisions[s->n_decisions++] = d;
}

static void tell_event(struct story *s, const ProtobufCMessage *m)
{
	struct pl_arena *a = s->c->arena;
	const Parley__Acd__V1__InteractionQueued *q = (const void *)m; /* meta comes first in every event */
	const Parley__Common__V1__EventMeta *meta = q->meta;
	if (!meta)
		return;
	int64_t at = rpc_ts_us(meta->time);
	if (m->descriptor == &parley__acd__v1__interaction_queued__descriptor) {
		say(s, at,
		    pl_arena_printf(a, "It came into %s at place %u, priority %d.", queue_name(s, meta->queue_id),
				    q->position, q->priority));
	} else if (m->descriptor == &parley__acd__v1__offer_ended__descriptor) {
		const Parley__Acd__V1__OfferEnded *o = (const void *)m;
		say(s, at,
		    pl_arena_printf(a, "%s %s after %s.", agent_name(s, meta->agent_id), outcome_words((int)o->outcome),
				    duration_words(a, o->rang_ms * PL_US_PER_MS)));
	} else if (m->descriptor == &parley__acd__v1__interaction_dequeued__descriptor) {
		const Parley__Acd__V1__InteractionDequeued *d = (const void *)m;
		say(s, at,
		    pl_arena_printf(a, "It left %s (%s) after a wait of %s.", queue_name(s, meta->queue_id), d->reason,
				    duration_words(a, (int64_t)d->wait_ms * PL_US_PER_MS)));
	} else if (m->descriptor == &parley__acd__v1__interaction_released__descriptor) {
		say(s, at, pl_arena_printf(a, "%s was done with it.", agent_name(s, meta->agent_id)));
	}
}

static void on_event(void *arg, const struct bus_msg *m)
{
	struct story *s = arg;
	ProtobufCMessage *pb = NULL;
	if (s->n >= SENTENCES_MAX - 20 || rpc_decode(m, s->c->arena, &pb, NULL) != PL_OK)
		return;
	if (pb->descriptor == &parley__acd__v1__decision__descriptor)
		tell_decision(s, (Parley__Acd__V1__Decision *)(void *)pb);
	else
		tell_event(s, pb);
}

/* --- as it is now --- */
static void tell_candidates(struct story *s, struct acd_id queue)
{
	struct acd_cand cand[ACD_CAND_MAX];
	size_t n = acd_queue_candidates(s->r->e, queue, cand, ACD_CAND_MAX);
	char id[PL_ID_LEN];
	for (size_t i = 0; i < n; i++)
		say(s, 0,
		    pl_arena_printf(s->c->arena, "%s: %s.", agent_name(s, acd_id_text(cand[i].agent, id)),
				    *why_word(cand[i].why) ? why_word(cand[i].why) : "free"));
	if (n == 0)
		say(s, 0, pl_arena_strdup(s->c->arena, "The queue has no members."));
}

static bool tell_now(struct story *s, struct acd_id item)
{
	struct pl_arena *a = s->c->arena;
	struct acd_item_view v;
	char id[PL_ID_LEN], queue[PL_ID_LEN];
	if (!acd_item_get(s->r->e, item, &v))
		return false;
	int64_t now = inlog_now_us(s->r->in);
	if (!acd_id_none(v.offered_agent))
		say(s, now,
		    pl_arena_printf(a, "Now it is being offered to %s.",
				    agent_name(s, acd_id_text(v.offered_agent, id))));
	else if (!acd_id_none(v.only_agent))
		say(s, now,
		    pl_arena_printf(a, "Now it waits for %s alone, since %s.",
				    agent_name(s, acd_id_text(v.only_agent, id)),
				    duration_words(a, now - v.queued_at_us)));
	else {
		say(s, now,
		    pl_arena_printf(a, "Now it waits in %s at place %u, since %s. The members:",
				    queue_name(s, acd_id_text(v.queue, queue)), v.position,
				    duration_words(a, now - v.queued_at_us)));
		tell_candidates(s, v.queue);
	}
	return true;
}

static void story_free(struct story *s)
{
	bus_tail_close(s->tail);
	pl_timer_free(s->limit);
	free(s);
}

static void item_over(void *arg)
{
	struct story *s = arg;
	struct acd_id item;
	Parley__Acd__V1__ExplainInteractionResponse out = PARLEY__ACD__V1__EXPLAIN_INTERACTION_RESPONSE__INIT;
	if (s->done)
		return;
	s->done = true;
	(void)acd_id_parse(((const Parley__Acd__V1__ExplainInteractionRequest *)(const void *)s->c->in)->interaction_id,
			   &item);
	if (!tell_now(s, item) && s->n == 0) {
		rpc_no(s->c, PL_E_NOTFOUND, "interaction_id", "nothing is known of it");
	} else {
		out.sentences = s->sentences;
		out.n_sentences = s->n;
		out.decisions = s->decisions;
		out.n_decisions = s->n_decisions;
		rpc_reply(s->c, &out.base);
	}
	pl_timer_set(s->limit, 0); /* freed in a turn of its own: we may be inside the tail's call */
}

static void on_limit(void *arg)
{
	struct story *s = arg;
	if (s->done)
		story_free(s);
	else
		item_over(s);
}

void explain_item(struct rpc_call *c)
{
	const Parley__Acd__V1__ExplainInteractionRequest *q = (const void *)c->in;
	struct router *r = c->arg;
	struct pl_why why = { 0 };
	char filter[80];
	if (!pl_id_ok(q->interaction_id)) {
		rpc_no(c, PL_E_FORMAT, "interaction_id", "must be a UUID");
		return;
	}
	struct story *s = calloc(1, sizeof(*s));
	if (!s || pl_timer_new(&s->limit, r->loop, on_limit, s) != PL_OK) {
		free(s);
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	s->c = c;
	s->r = r;
	snprintf(filter, sizeof(filter), "ev.acd.*.%s", q->interaction_id);
	struct bus_tail_cfg t = {
		.stream = "LEDGER", .filter = filter, .from_seq = 1, .fn = on_event, .caught_up = item_over, .arg = s
	};
	enum pl_err err = bus_tail_open(&s->tail, r->bus, &t, &why);
	if (err) {
		rpc_fail(c, err, &why);
		story_free(s);
		return;
	}
	pl_timer_set(s->limit, READ_MAX_US);
}

/* --- an agent --- */
static const char *state_words(uint8_t state)
{
	static const char *const words[ACD_ST_N] = { "in no state",       "signed out", "ready",     "paused",
						     "being offered one", "on contact", "in wrap-up" };
	return state < ACD_ST_N ? words[state] : words[0];
}

static void tell_agent(struct story *s, const struct acd_status *st)
{
	struct pl_arena *a = s->c->arena;
	char id[PL_ID_LEN];
	int64_t now = inlog_now_us(s->r->in);
	const char *name = agent_name(s, acd_id_text(st->agent, id));
	say(s, now,
	    pl_arena_printf(a, "%s is %s since %s%s.", name, state_words(st->state),
			    duration_words(a, now - st->since_us), st->missed ? ", because of missed offers" : ""));
	if (!acd_id_none(st->reason))
		say(s, 0, pl_arena_printf(a, "The reason of the pause: %s.", note_reason(s->r, st->reason, a)->name));
	struct acd_agent_place places[ACD_MEMBERSHIP_MAX];
	size_t n = acd_agent_places(s->r->e, st->agent, places, PL_ARRAY_N(places));
	if (n == 0)
		say(s, 0, pl_arena_printf(a, "%s is in no queue.", name));
	for (size_t i = 0; i < n; i++) {
		const struct acd_agent_place *p = &places[i];
		const char *q = queue_name(s, acd_id_text(p->queue, id));
		if (p->place)
			say(s, 0,
			    pl_arena_printf(a, "In %s: number %u of %u who are free; %u wait.", q, p->place,
					    p->eligible, p->waiting));
		else
			say(s, 0,
			    pl_arena_printf(a, "In %s: not asked (%s); %u wait.", q,
					    *why_word(p->why) ? why_word(p->why) : "the queue's channel is full",
					    p->waiting));
	}
}

void explain_agent(struct rpc_call *c)
{
	const Parley__Acd__V1__ExplainAgentRequest *q = (const void *)c->in;
	Parley__Acd__V1__ExplainAgentResponse out = PARLEY__ACD__V1__EXPLAIN_AGENT_RESPONSE__INIT;
	struct router *r = c->arg;
	struct acd_status st;
	struct acd_id id;
	if (!acd_id_parse(q->agent_id, &id) || acd_id_none(id) || !acd_status_get(r->e, id, &st)) {
		rpc_no(c, PL_E_NOTFOUND, "agent_id", "there is no such agent");
		return;
	}
	struct story *s = PL_NEW(c->arena, struct story);
	if (!s) {
		rpc_fail(c, PL_E_NOMEM, NULL);
		return;
	}
	s->c = c;
	s->r = r;
	tell_agent(s, &st);
	size_t n = diary_find(r->diary, q->agent_id, c->arena, s->decisions, DECISIONS_MAX);
	for (size_t i = 0; i < n; i++) {
		const Parley__Acd__V1__Decision *d = s->decisions[i];
		bool chosen = pl_streq(d->candidates[0]->agent_id, q->agent_id);
		const char *why = "";
		for (size_t k = 1; k < d->n_candidates; k++)
			if (pl_streq(d->candidates[k]->agent_id, q->agent_id))
				why = *d->candidates[k]->why_not ? d->candidates[k]->why_not
								 : "was not the first in the order";
		say(s, rpc_ts_us(d->meta->time),
		    chosen ? pl_arena_printf(c->arena, "Was offered one (%s).",
					     score_words(c->arena, (uint8_t)d->strategy, d->candidates[0]->score))
			   : pl_arena_printf(c->arena, "%s got one: this agent %s.",
					     agent_name(s, d->candidates[0]->agent_id), why));
	}
	out.sentences = s->sentences;
	out.n_sentences = s->n;
	out.decisions = s->decisions;
	out.n_decisions = n;
	rpc_reply(c, &out.base);
}
