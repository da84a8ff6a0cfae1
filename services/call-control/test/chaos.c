#include "chaos.h"

#include "../engine/pack.h"
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

static uint32_t pick(struct chaos *x, uint32_t n)
{
	return n ? x->next(x->arg) % n : 0;
}

static const char *name(struct chaos *x, unsigned slot, const char *kind, unsigned n)
{
	snprintf(x->buf[slot], sizeof(x->buf[slot]), "%s-%u", kind, n);
	return x->buf[slot];
}

void chaos_init(struct chaos *x, uint8_t (*next)(void *arg), void *arg)
{
	memset(x, 0, sizeof(*x));
	x->next = next;
	x->arg = arg;
	x->env = (struct call_env){
		.now_us = INT64_C(1790000000000000), .edge = "edge-1", .media = "media-1", .lim = &call_limits_default
	};
	call_init(&x->c, "0199aaaa-bbbb-7ccc-8ddd-eeeeffff0001");
}

/* --- events --- */

static struct call_dest any_dest(struct chaos *x)
{
	struct call_dest d = { .kind = (enum dest_kind)pick(x, DEST_KIND_N),
			       .id = "dest",
			       .number = "0432",
			       .name = "Name",
			       .music = "jazz",
			       .record = pick(x, 2) };
	if (pick(x, 32) == 0)
		d.id = "";
	return d;
}

static const char *any_leg(struct chaos *x)
{
	unsigned at = pick(x, 20);
	for (unsigned i = 0; i < CALL_LEGS; i++) { /* most of the time one that lives */
		unsigned k = (at + i) % CALL_LEGS;
		if (call_leg_alive(&x->c.legs[k]))
			return x->c.legs[k].id;
	}
	return "nobody";
}

static const char *any_agent(struct chaos *x)
{
	if (x->c.far > 0 && pick(x, 4))
		return x->c.legs[x->c.far].agent_id;
	for (unsigned i = 1; i < CALL_LEGS; i++)
		if (call_leg_alive(&x->c.legs[i]) && pick(x, 2))
			return x->c.legs[i].agent_id;
	return name(x, 7, "agent", pick(x, 4));
}

static const char *any_offer(struct chaos *x)
{
	for (unsigned i = 1; i < CALL_LEGS; i++)
		if (call_leg_alive(&x->c.legs[i]) && *x->c.legs[i].offer_id && pick(x, 2))
			return x->c.legs[i].offer_id;
	return name(x, 6, "offer", pick(x, 250));
}

static const char *live_offer(struct chaos *x)
{
	for (unsigned i = 1; i < CALL_LEGS; i++)
		if (call_leg_alive(&x->c.legs[i]) && *x->c.legs[i].offer_id)
			return x->c.legs[i].offer_id;
	return name(x, 0, "offer", x->offers);
}

static void flow_event(struct chaos *x, struct call_event *ev)
{
	struct ev_flow *f = &ev->flow;
	*f = (struct ev_flow){ .seq = x->c.flow_seq - (pick(x, 8) == 0),
			       .node = "flow-1",
			       .ended = pick(x, 6) == 0,
			       .actions = x->acts,
			       .n_actions = pick(x, 4),
			       .err = pick(x, 20) ? PL_OK : PL_E_UNAVAIL };
	x->src[0] = (struct call_source){ .kind = SOURCE_FILE, .text = "prompts/a" };
	x->src[1] = (struct call_source){ .kind = SOURCE_SAY, .text = "hello", .language = "en" };
	for (unsigned i = 0; i < f->n_actions; i++)
		x->acts[i] = (struct flow_action){ .kind = (enum act_kind)pick(x, ACT_KIND_N),
						   .sources = { x->src, pick(x, 3) },
						   .greeting = { x->src, pick(x, 2) },
						   .announcement = { x->src, pick(x, 2) },
						   .exit_key = pick(x, 2) ? "*" : "",
						   .max_digits = pick(x, 4),
						   .terminator = "#",
						   .every_ms = pick(x, 2) * 20000,
						   .position = pick(x, 2),
						   .record = pick(x, 2),
						   .first_ms = 5000,
						   .inter_ms = 2000,
						   .dest = any_dest(x) };
}

static void result_event(struct chaos *x, struct call_event *ev)
{
	struct ev_result *r = &ev->result;
	*r = (struct ev_result){ .err = pick(x, 10) ? PL_OK : PL_E_FORMAT, .why = "because" };
	unsigned at = pick(x, CALL_WAITS);
	for (unsigned i = 0; i < CALL_WAITS && !r->req; i++)
		r->req = x->c.waits[(at + i) % CALL_WAITS].req;
	for (unsigned i = 0; i < CALL_LEGS && r->n < CALL_RESULTS; i++)
		if (pick(x, 16))
			r->sdps[r->n++] = (struct ev_sdp){ x->c.legs[i].id, "v=0" };
}

static void leg_event(struct chaos *x, struct call_event *ev)
{
	static const uint32_t statuses[] = { 200, 486, 408, 503, 487 };
	ev->leg = (struct ev_leg){ .leg_id = any_leg(x),
				   .status = statuses[pick(x, 5)],
				   .sdp = pick(x, 8) ? "v=0\na=sendrecv" : "a=inactive",
				   .digits = "1#*",
				   .by_remote = pick(x, 2),
				   .lost = pick(x, 8) == 0,
				   .dest = any_dest(x) };
	if (ev->kind == CALL_EV_LEG_REINVITED && pick(x, 4))
		ev->leg.status = 200;
	int at = call_find_leg(&x->c, ev->leg.leg_id);
	if (at >= 0 && pick(x, 4))
		ev->leg.seq = x->c.legs[at].ev_seq + pick(x, 3);
}

static void fill_offer(struct chaos *x, struct call_event *ev)
{
	static const enum dest_kind kinds[] = { DEST_BROWSER, DEST_PHONE, DEST_URI, DEST_FLOW };
	x->offers++;
	ev->offer = (struct ev_offer){ .offer_id = pick(x, 8) ? name(x, 0, "offer", x->offers) : live_offer(x),
				       .agent_id = name(x, 1, "agent", pick(x, 6)),
				       .queue_id = "q1",
				       .queue_name = "Sales",
				       .fence = x->offers,
				       .ring_timeout_ms = 20000,
				       .record = pick(x, 2) };
	ev->offer.device = (struct call_dest){ .kind = kinds[pick(x, pick(x, 9) ? 3 : 4)], .id = "phone-1" };
}

static void fill_incoming(struct chaos *x, struct call_event *ev)
{
	ev->incoming = (struct ev_incoming){ .leg_id = "customer-leg",
					     .edge = "edge-1",
					     .from = "1",
					     .to = "100",
					     .sdp = "v=0",
					     .from_phone = pick(x, 4) == 0,
					     .dest = any_dest(x) };
	if (pick(x, 4))
		ev->incoming.dest.kind = pick(x, 2) ? DEST_FLOW : DEST_QUEUE;
}

static void fill(struct chaos *x, struct call_event *ev)
{
	switch (ev->kind) {
	case CALL_EV_INCOMING:
		fill_incoming(x, ev);
		break;
	case CALL_EV_MEDIA_RESULT:
		result_event(x, ev);
		break;
	case CALL_EV_PLAY_DONE:
		ev->play = (struct ev_play){ .player = x->c.playing - (pick(x, 4) == 0),
					     .failed = pick(x, 8) == 0,
					     .stopped = pick(x, 2),
					     .played_ms = 500 };
		break;
	case CALL_EV_DIGIT:
		ev->digit = (struct ev_digit){ .endpoint_id = any_leg(x), .digit = "0123456789*#"[pick(x, 12)] };
		break;
	case CALL_EV_ENDPOINT:
		ev->endpoint = (struct ev_endpoint){ .endpoint_id = any_leg(x), .lost = pick(x, 2) };
		break;
	case CALL_EV_FLOW:
		flow_event(x, ev);
		break;
	case CALL_EV_OFFERED:
		fill_offer(x, ev);
		break;
	case CALL_EV_OFFER_ENDED:
		ev->offer_end = (struct ev_offer_end){ any_offer(x), (enum offer_outcome)(1 + pick(x, 6)) };
		break;
	case CALL_EV_DEQUEUED:
		ev->dequeued = (const char *const[]){ "answered", "timeout", "empty", "abandoned" }[pick(x, 4)];
		break;
	case CALL_EV_POSITION:
		ev->position = pick(x, 30);
		break;
	case CALL_EV_EDGE_LOST:
		ev->id = pick(x, 2) ? "edge-1" : "edge-2";
		break;
	case CALL_EV_MEDIA_LOST:
		ev->id = pick(x, 2) ? x->c.media : "media-9";
		break;
	case CALL_EV_RECORDING_FAILED:
		ev->id = x->c.recording_id;
		break;
	case CALL_EV_TIMER:
	case CALL_EV_ADOPTED:
		break;
	default:
		if (ev->kind >= CALL_EV_LEG_RINGING && ev->kind <= CALL_EV_LEG_DIGITS) {
			leg_event(x, ev);
			break;
		}
		ev->cmd = (struct ev_cmd){ .rpc = ++x->rpc,
					   .agent_id = any_agent(x),
					   .offer_id = any_offer(x),
					   .sdp = "v=0",
					   .digits = "12",
					   .on = pick(x, 2),
					   .dest = any_dest(x),
					   .device = any_dest(x) };
	}
}

/* --- claims --- */

static void claim(struct chaos *x, bool holds, const char *what)
{
	if (!holds && !x->broken) {
		x->broken = what;
		if (getenv("CHAOS_TRACE"))
			printf("broken: %s\n", what);
	}
}

static struct chaos_leg *leg_known(struct chaos *x, const char *id)
{
	for (size_t i = 0; i < x->n_legs; i++)
		if (strcmp(x->legs[i].id, id) == 0)
			return &x->legs[i];
	if (x->n_legs == CHAOS_LEGS)
		return &x->legs[0];
	x->legs[x->n_legs] = (struct chaos_leg){ .dialled = false };
	pl_strlcpy(x->legs[x->n_legs].id, id, CALL_ID);
	return &x->legs[x->n_legs++];
}

static void check_effect(struct chaos *x, const struct call_effect *e)
{
	struct chaos_leg *l;
	switch (e->kind) {
	case CALL_FX_LEG_DIAL:
		l = leg_known(x, e->leg_id);
		claim(x, !l->dialled, "a leg is dialled once");
		claim(x, *e->edge && *e->leg_id, "a dialled leg has an edge");
		l->dialled = true;
		break;
	case CALL_FX_LEG_HANGUP:
		l = leg_known(x, e->leg_id);
		claim(x, !l->ended, "a leg is ended once");
		l->ended = true;
		break;
	case CALL_FX_LEG_ANSWER:
		claim(x, e->sdp && *e->sdp, "an answer has SDP");
		break;
	case CALL_FX_EMIT:
		if (e->event == LEDGER_RECORDING_EXPECTED) {
			claim(x, !*x->recording, "one recording at a time");
			pl_strlcpy(x->recording, e->id, sizeof(x->recording));
		} else if (e->event == LEDGER_RECORDING_STOPPED) {
			claim(x, strcmp(x->recording, e->id) == 0, "what is stopped was begun");
			x->recording[0] = 0;
		}
		break;
	case CALL_FX_REPLY:
		claim(x, e->rpc <= x->rpc, "a reply has its question");
		x->answered++;
		break;
	default:
		break;
	}
}

static unsigned up_agents(const struct call *c)
{
	unsigned n = 0;
	for (unsigned i = 1; i < CALL_LEGS; i++)
		n += c->legs[i].state == LEG_UP;
	return n;
}

static void check_state(struct chaos *x)
{
	const struct call *c = &x->c;
	unsigned alive = 0;
	for (unsigned i = 1; i < CALL_LEGS; i++)
		alive += call_leg_alive(&c->legs[i]);
	claim(x, !x->fx.overflow, "effects fit");
	claim(x, up_agents(c) <= 1, "never two agents in the talk");
	claim(x, (c->phase == CALL_TALK) == (c->far > 0), "who talks is known");
	claim(x, c->far < 0 || c->legs[c->far].state == LEG_UP, "who talks is up");
	if (c->phase >= CALL_CLEARING)
		claim(x, alive == 0 && !call_leg_alive(&c->legs[0]), "nobody is left when the call is over");
	if (c->direction == 1 && c->phase > CALL_IDLE && c->phase < CALL_CLEARING)
		claim(x, call_leg_alive(&c->legs[0]), "no agent is left when the customer is gone");
	if (c->phase == CALL_TALK)
		claim(x, c->legs[0].state == LEG_UP, "the customer is in the talk");
	if (c->phase >= CALL_CLEARING)
		claim(x, !*x->recording, "a recording that was expected is stopped");
	if (c->recording != REC_OFF)
		claim(x, c->phase == CALL_TALK, "only a talk is recorded");
}

static void check_pack(struct chaos *x)
{
	static uint8_t buf[CALL_PACK_MAX];
	static struct call back;
	size_t len = 0;
	claim(x, call_pack(&x->c, buf, sizeof(buf), &len) == PL_OK, "a call fits its checkpoint");
	claim(x, call_unpack(&back, buf, len) == PL_OK, "a checkpoint can be read");
	static uint8_t again[CALL_PACK_MAX];
	size_t len2 = 0;
	claim(x, call_pack(&back, again, sizeof(again), &len2) == PL_OK && len == len2 && memcmp(buf, again, len) == 0,
	      "a checkpoint read and written is the same");
	if (pick(x, 2)) { /* go on with what was read, as the next owner would, but keep the old owner's questions */
		for (size_t i = 0; i < CALL_WAITS; i++)
			back.waits[i].rpc = x->c.waits[i].rpc;
		x->c = back;
	}
}

static void note_ended(struct chaos *x, const struct call_event *ev, const struct call *before)
{
	if (ev->kind == CALL_EV_LEG_ENDED)
		leg_known(x, ev->leg.leg_id)->ended = true;
	for (unsigned i = 0; ev->kind == CALL_EV_EDGE_LOST && i < CALL_LEGS; i++)
		if (call_leg_alive(&before->legs[i]) && strcmp(before->legs[i].edge, ev->id) == 0)
			leg_known(x, before->legs[i].id)->ended = true;
}

static void check_end(struct chaos *x)
{
	for (size_t i = 0; i < x->n_legs; i++)
		claim(x, x->legs[i].ended || !x->legs[i].dialled, "every dialled leg is ended");
	claim(x, x->adopted || x->asked == x->answered, "every question that was taken is answered");
	struct call_event ev = { .kind = CALL_EV_TIMER };
	claim(x, call_step(&x->c, &ev, &x->env, &x->fx) != PL_OK && x->fx.n == 0, "nothing happens after the end");
}

static bool apply(struct chaos *x, const struct call_event *ev)
{
	static struct call before;
	before = x->c;
	x->before = x->c.phase;
	x->event = ev->kind;
	x->steps++;
	/* What ends by itself is noted before the step: a hang-up for it would be one too many. */
	struct chaos_leg saved[CHAOS_LEGS];
	size_t n_saved = x->n_legs;
	memcpy(saved, x->legs, sizeof(saved[0]) * n_saved);
	note_ended(x, ev, &before);
	if (call_step(&x->c, ev, &x->env, &x->fx) != PL_OK) {
		claim(x, x->fx.n == 0, "a refused event has no effect");
		memcpy(x->legs, saved, sizeof(saved[0]) * n_saved);
		x->n_legs = n_saved;
		x->refused++;
		return false;
	}
	bool cmd = ev->kind == CALL_EV_DIAL_OUT || (ev->kind >= CALL_EV_ACCEPT && ev->kind <= CALL_EV_PAUSE_RECORDING);
	x->asked += cmd;
	x->adopted |= ev->kind == CALL_EV_ADOPTED;
	if (getenv("CHAOS_TRACE")) {
		static struct script_names names;
		script_learn(&names, &x->c, &x->fx);
		printf("> %s %s\n", call_event_name(ev->kind),
		       ev->kind >= CALL_EV_LEG_RINGING && ev->kind <= CALL_EV_LEG_DIGITS
			       ? script_name(&names, ev->leg.leg_id)
			       : "");
		script_effects(stdout, &names, &x->c, &x->fx);
	}
	for (size_t i = 0; i < x->fx.n; i++)
		check_effect(x, &x->fx.at[i]);
	check_state(x);
	return true;
}

bool chaos_step(struct chaos *x)
{
	static const uint8_t usual[] = { CALL_EV_MEDIA_RESULT, CALL_EV_MEDIA_RESULT, CALL_EV_MEDIA_RESULT,
					 CALL_EV_FLOW,         CALL_EV_OFFERED,      CALL_EV_LEG_ANSWERED,
					 CALL_EV_LEG_RINGING,  CALL_EV_PLAY_DONE,    CALL_EV_ACCEPT };
	struct call_event ev = { .kind = (enum call_event_kind)pick(x, CALL_EVENT_N) };
	if (x->c.phase == CALL_IDLE)
		ev.kind = pick(x, 4) ? CALL_EV_INCOMING : CALL_EV_DIAL_OUT;
	else if (pick(x, 2) ||
		 ((ev.kind == CALL_EV_EDGE_LOST || ev.kind == CALL_EV_LEG_ENDED || ev.kind == CALL_EV_DEQUEUED) &&
		  pick(x, 4)))
		ev.kind = (enum call_event_kind)usual[pick(x, sizeof(usual))];
	x->env.now_us += pick(x, 16) == 0 ? 10 * PL_US_PER_S : pick(x, 255) * PL_US_PER_MS;
	x->env.edge = (const char *const[]){ "edge-1", "edge-2", "" }[pick(x, 20) % 3 % (pick(x, 5) ? 2 : 3)];
	x->env.media = pick(x, 30) ? "media-1" : "";
	fill(x, &ev);
	(void)apply(x, &ev);
	if (pick(x, 8) == 0)
		check_pack(x);
	if (x->c.phase == CALL_END)
		check_end(x);
	return !x->broken && x->c.phase != CALL_END;
}

void chaos_finish(struct chaos *x)
{
	if (x->c.phase == CALL_IDLE || x->c.phase == CALL_END || x->broken)
		return;
	x->env.now_us += 24 * 3600 * PL_US_PER_S; /* the longest call is over */
	for (int i = 0; i < 4 && x->c.phase != CALL_END && !x->broken; i++) {
		struct call_event ev = { .kind = CALL_EV_TIMER };
		(void)apply(x, &ev);
		x->env.now_us += 60 * PL_US_PER_S;
	}
	claim(x, x->c.phase == CALL_END, "time ends every call");
	if (x->c.phase == CALL_END)
		check_end(x);
}
