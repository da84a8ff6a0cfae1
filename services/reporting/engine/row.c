/* From sorted facts to the row: one walk along the time line. */
#include "fold.h"

#include <string.h>

/* Besides the kinds of segments: time whose meaning the next fact decides. */
enum { SETUP = 100, LIMBO = 101 };

struct walk {
	const struct rep_ix *ix;
	struct rep_row *row;
	int kind; /* of the present stretch: a segment kind, SETUP, LIMBO; 0 before the start */
	int64_t from_us;
	uint8_t agent, queue;
	bool flow; /* a flow has had it */
	bool call; /* it is a call: it has a start and an end of its own */
	bool queued;
	bool dialled;
	enum rep_result cause;
	uint32_t offers[REP_SEGS_MAX]; /* of ring segments, by index of the segment */
};

static int64_t ms(int64_t us)
{
	return us / 1000;
}

static struct rep_seg *seg_add(struct walk *w, enum rep_seg_kind kind, int64_t from, int64_t to)
{
	struct rep_row *r = w->row;
	if (r->n_segs == REP_SEGS_MAX)
		return NULL;
	struct rep_seg *s = &r->segs[r->n_segs++];
	*s = (struct rep_seg){ .kind = kind, .from_us = from, .to_us = to };
	return s;
}

/* The last segment of the time line, which ring and wrap-up are not part of. */
static struct rep_seg *line_last(struct rep_row *r)
{
	for (uint32_t i = r->n_segs; i-- > 0;)
		if (r->segs[i].kind != REP_SEG_RING && r->segs[i].kind != REP_SEG_WRAP_UP)
			return &r->segs[i];
	return NULL;
}

static struct rep_visit *visit_last(struct rep_row *r)
{
	return r->n_visits ? &r->visits[r->n_visits - 1] : NULL;
}

static struct rep_visit *visit_open(struct rep_row *r)
{
	struct rep_visit *v = visit_last(r);
	return v && v->result == REP_R_NONE ? v : NULL;
}

static struct rep_work *work_open(struct rep_row *r)
{
	struct rep_work *k = r->n_works ? &r->works[r->n_works - 1] : NULL;
	return k && !k->to_us ? k : NULL;
}

/* Ends the present stretch at t. A stretch without meaning of its own gives it to its neighbours: before the first
 * thing that happened it belongs to that thing (*ret_from), after the last one to the last. */
static void stretch_end(struct walk *w, int64_t t, int next, enum rep_result result, int64_t *ret_from)
{
	int kind = w->kind;
	*ret_from = t;
	if (kind == 0)
		return;
	bool takes = next == REP_SEG_QUEUE || next == REP_SEG_TALK || next == REP_SEG_DIAL;
	struct rep_seg *last = line_last(w->row);
	if (kind == SETUP && w->ix->direction == 2 /* outbound */)
		kind = REP_SEG_DIAL;
	if ((kind == SETUP || kind == LIMBO) && takes) {
		*ret_from = w->from_us;
		return;
	}
	if (kind == LIMBO && next == 0 && last && last->to_us) {
		last->to_us = t;
		return;
	}
	if (kind == SETUP || kind == LIMBO)
		kind = REP_SEG_MENU;
	if (kind == REP_SEG_MENU && t == w->from_us)
		return;
	struct rep_seg *s = seg_add(w, (enum rep_seg_kind)kind, w->from_us, t);
	if (s) {
		s->agent = w->agent;
		s->queue = w->queue;
		s->result = result;
	} else if (last) {
		last->to_us = t; /* no room: the last one stretches, so that no second is lost */
	}
}

static void go(struct walk *w, int kind, int64_t t, enum rep_result result)
{
	int64_t from;
	stretch_end(w, t, kind, result, &from);
	w->kind = kind;
	w->from_us = from;
	if (kind != REP_SEG_TALK && kind != REP_SEG_HOLD)
		w->agent = 0;
	if (kind == REP_SEG_MENU || kind == LIMBO || kind == REP_SEG_DIAL)
		w->queue = 0;
}

static bool line_open(const struct walk *w)
{
	return w->kind != 0 && !w->row->ended_us;
}

/* --- rings --- */

static void ring_begin(struct walk *w, const struct rep_fact *f)
{
	struct rep_seg *s = seg_add(w, REP_SEG_RING, f->time_us, 0);
	if (!s)
		return;
	s->agent = f->agent;
	s->queue = f->queue ? f->queue : w->queue;
	w->offers[w->row->n_segs - 1] = f->value;
}

/* By offer, or by agent (offer 0), or all (both 0). */
static void ring_end(struct walk *w, uint32_t offer, uint8_t agent, int64_t t, enum rep_result result)
{
	for (uint32_t i = 0; i < w->row->n_segs; i++) {
		struct rep_seg *s = &w->row->segs[i];
		if (s->kind != REP_SEG_RING || (offer && w->offers[i] != offer) || (agent && s->agent != agent))
			continue;
		if (!s->to_us)
			s->to_us = t < s->from_us ? s->from_us : t;
		else if (!offer || s->result != REP_R_CANCELLED)
			continue; /* what ended it first stays, unless that was only the end of the call */
		s->result = result;
	}
}

/* --- queues --- */

static void on_queued(struct walk *w, const struct rep_fact *f)
{
	struct rep_row *r = w->row;
	struct rep_visit *open = visit_open(r);
	if (r->ended_us)
		return;
	if (open) {
		open->result = REP_R_TRANSFERRED;
		open->to_us = f->time_us;
	}
	go(w, REP_SEG_QUEUE, f->time_us,
	   w->kind == REP_SEG_QUEUE  ? REP_R_TRANSFERRED
	   : w->kind == REP_SEG_MENU ? REP_R_NONE
				     : REP_R_TRANSFER);
	w->queue = f->queue;
	w->queued = true;
	if (r->n_visits == REP_VISITS_MAX)
		return;
	r->visits[r->n_visits++] =
		(struct rep_visit){ .queue = f->queue, .from_us = f->time_us, .threshold_ms = f->value };
	r->queue = f->queue;
}

static void connect(struct walk *w, uint8_t agent, int64_t t)
{
	struct rep_row *r = w->row;
	struct rep_visit *v = visit_last(r);
	if (r->ended_us)
		return;
	if (v && (v->result == REP_R_NONE || (v->result == REP_R_ANSWERED && !v->agent))) {
		v->to_us = v->to_us && v->to_us < t ? v->to_us : t;
		v->result = REP_R_ANSWERED;
		v->agent = agent;
	} else {
		v = NULL;
	}
	ring_end(w, 0, agent, t, REP_R_ANSWERED);
	uint8_t queue = v ? v->queue : 0;
	go(w, REP_SEG_TALK, t, REP_R_ANSWERED);
	w->agent = agent;
	w->queue = queue;
	r->agent = agent;
	if (r->n_works < REP_WORKS_MAX)
		r->works[r->n_works++] = (struct rep_work){
			.agent = agent, .queue = queue, .visit = v ? (int8_t)(v - r->visits) : (int8_t)-1, .from_us = t
		};
}

/* The visit that was left: the queue's last one; at the same microsecond the next visit may have begun already
 * (overflow). */
static struct rep_visit *visit_left(struct rep_row *r, uint8_t queue)
{
	for (uint32_t i = r->n_visits; queue && i-- > 0;)
		if (r->visits[i].queue == queue)
			return &r->visits[i];
	return visit_last(r);
}

static void seg_of_visit(struct rep_row *r, const struct rep_visit *v)
{
	for (uint32_t i = r->n_segs; i-- > 0;)
		if (r->segs[i].kind == REP_SEG_QUEUE && r->segs[i].queue == v->queue) {
			r->segs[i].result = v->result;
			return;
		}
}

static void on_dequeued(struct walk *w, const struct rep_fact *f)
{
	struct rep_row *r = w->row;
	struct rep_visit *v = visit_left(r, f->queue);
	bool moved = v && v != visit_last(r);
	if (!v)
		return;
	if (v->result == REP_R_NONE ||
	    ((moved || r->ended_us) && v->result != REP_R_ANSWERED)) { /* the router knows best how */
		v->to_us = v->to_us ? v->to_us : f->time_us;
		v->result = f->result == REP_R_NONE ? REP_R_OTHER : (enum rep_result)f->result;
	}
	if (moved || r->ended_us) {
		seg_of_visit(r, v);
		return;
	}
	if (f->result == REP_R_ANSWERED) {
		if (!w->call) /* work that is no call: nothing else says that it was taken */
			connect(w, f->agent, f->time_us);
	} else if (w->kind == REP_SEG_QUEUE) {
		go(w, w->flow && f->result != REP_R_ABANDONED ? REP_SEG_MENU : LIMBO, f->time_us, v->result);
	}
}

/* --- with an agent --- */

static void work_end(struct walk *w, int64_t t, enum rep_result result, int next)
{
	struct rep_work *k = work_open(w->row);
	if (k)
		k->to_us = t;
	if (w->kind == REP_SEG_TALK || w->kind == REP_SEG_HOLD)
		go(w, next, t, result);
}

static void on_released(struct walk *w, const struct rep_fact *f)
{
	struct rep_row *r = w->row;
	int64_t from = f->time_us - (int64_t)f->value * 1000;
	struct rep_work *k = NULL;
	for (uint32_t i = r->n_works; i-- > 0 && !k;)
		if (r->works[i].agent == f->agent && !r->works[i].released)
			k = &r->works[i];
	if (!k)
		return;
	k->released = true;
	k->wrap_ms = f->value;
	if (!k->to_us) { /* no call said when the contact was over: it was when wrap-up began */
		from = PL_MAX(from, k->from_us);
		if (w->kind == REP_SEG_TALK || w->kind == REP_SEG_HOLD)
			from = PL_MAX(from, w->from_us);
		work_end(w, from, REP_R_NORMAL, LIMBO);
		k->to_us = from;
	}
	struct rep_seg *s = f->value ? seg_add(w, REP_SEG_WRAP_UP, from, f->time_us) : NULL;
	if (s) {
		s->agent = f->agent;
		s->queue = k->queue;
	}
}

/* --- the end --- */

/* A flow that has nothing more to say after the agent hung up did not end the call: the agent did. */
static enum rep_result who_ended(const struct walk *w, const struct rep_fact *f)
{
	const struct rep_seg *last = line_last(w->row);
	bool talked = w->kind == LIMBO && last && (last->kind == REP_SEG_TALK || last->kind == REP_SEG_HOLD);
	return f->by == REP_R_FLOW && talked && last->result == REP_R_AGENT_HANGUP ? REP_R_AGENT
										   : (enum rep_result)f->by;
}

static void on_ended(struct walk *w, const struct rep_fact *f)
{
	struct rep_row *r = w->row;
	struct rep_visit *v = visit_open(r);
	int64_t from;
	if (r->ended_us)
		return;
	w->cause = (enum rep_result)f->result;
	r->ended_by = who_ended(w, f);
	if (v) {
		v->to_us = f->time_us;
		v->result =
			f->by == REP_R_CUSTOMER || f->result == REP_R_ABANDONED_QUEUE ? REP_R_ABANDONED : REP_R_SYSTEM;
	}
	struct rep_work *k = work_open(r);
	if (k)
		k->to_us = f->time_us;
	ring_end(w, 0, 0, f->time_us, REP_R_CANCELLED);
	enum rep_result how = v ? v->result
			      : w->kind == REP_SEG_TALK || w->kind == REP_SEG_HOLD
				      ? f->by == REP_R_CUSTOMER ? REP_R_CUSTOMER_HANGUP
					: f->by == REP_R_AGENT  ? REP_R_AGENT_HANGUP
								: (enum rep_result)f->by
				      : (enum rep_result)f->by;
	stretch_end(w, f->time_us, 0, how, &from);
	r->ended_us = f->time_us;
	w->kind = 0;
}

static void take(struct walk *w, const struct rep_fact *f)
{
	struct rep_row *r = w->row;
	switch ((enum rep_kind)f->kind) {
	case REP_STARTED:
		if (w->kind == 0 && !r->ended_us)
			go(w, SETUP, f->time_us, REP_R_NONE);
		break;
	case REP_FLOW_ENTERED:
	case REP_FLOW_STEP:
		w->flow = true;
		if (line_open(w) && (w->kind == SETUP || (w->kind == LIMBO && !f->flag)))
			w->kind = REP_SEG_MENU;
		break;
	case REP_HELD:
		if (w->kind == REP_SEG_TALK)
			go(w, REP_SEG_HOLD, f->time_us, REP_R_NONE);
		break;
	case REP_RESUMED:
		if (w->kind == REP_SEG_HOLD)
			go(w, REP_SEG_TALK, f->time_us, REP_R_NONE);
		break;
	case REP_DISCONNECTED:
		work_end(w, f->time_us, (enum rep_result)f->result, LIMBO);
		break;
	case REP_QUEUED:
		on_queued(w, f);
		break;
	case REP_OFFERED:
		ring_begin(w, f);
		break;
	case REP_OFFER_ENDED:
		ring_end(w, f->value, 0, f->time_us, (enum rep_result)f->result);
		break;
	case REP_DEQUEUED:
		on_dequeued(w, f);
		break;
	case REP_CONNECTED:
		connect(w, f->agent, f->time_us);
		break;
	case REP_DIALLED:
		if (line_open(w) && (f->value == 0 || (f->value >= 200 && f->value < 300))) {
			w->dialled = true;
			go(w, REP_SEG_DIAL, f->time_us, REP_R_NONE);
		}
		break;
	case REP_ENDED:
		on_ended(w, f);
		break;
	case REP_RELEASED:
		on_released(w, f);
		break;
	case REP_ANSWERED:    /* the line is up: says nothing about what the caller hears */
	case REP_TRANSFERRED: /* disconnected and queued tell it */
	case REP_FLOW_LEFT:
	case REP_KIND_N:
		break;
	}
}

static enum rep_result outcome(const struct walk *w)
{
	struct rep_row *r = w->row;
	struct rep_visit *v = visit_last(r);
	if (!r->ended_us)
		return REP_R_OPEN;
	if (r->n_works > 0 || w->dialled)
		return REP_R_ANSWERED;
	if (w->cause == REP_R_NO_ROUTE || w->cause == REP_R_FAILED)
		return w->cause;
	if (w->cause == REP_R_REJECTED)
		return REP_R_FAILED;
	if (v && v->result == REP_R_ABANDONED)
		return REP_R_ABANDONED_QUEUE;
	if (v)
		return REP_R_TIMEOUT;
	return r->ended_by == REP_R_CUSTOMER || w->cause == REP_R_ABANDONED_MENU ? REP_R_ABANDONED_MENU
										 : REP_R_SELF_SERVICE;
}

static void work_add(struct rep_row *r, const struct rep_seg *s)
{
	for (uint32_t i = r->n_works; i-- > 0;) {
		struct rep_work *k = &r->works[i];
		if (k->agent != s->agent || s->from_us < k->from_us)
			continue;
		*(s->kind == REP_SEG_HOLD ? &k->held_ms : &k->talk_ms) += ms(s->to_us - s->from_us);
		return;
	}
}

static void sums(struct rep_row *r)
{
	int64_t us[REP_SEG_DIAL + 1] = { 0 };
	for (uint32_t i = 0; i < r->n_segs; i++) {
		const struct rep_seg *s = &r->segs[i];
		if (!s->to_us)
			continue;
		us[s->kind] += s->to_us - s->from_us;
		if (s->kind == REP_SEG_TALK || s->kind == REP_SEG_HOLD)
			work_add(r, s);
	}
	r->menu_ms = ms(us[REP_SEG_MENU]);
	r->wait_ms = ms(us[REP_SEG_QUEUE]);
	r->talk_ms = ms(us[REP_SEG_TALK] + us[REP_SEG_DIAL]);
	r->held_ms = ms(us[REP_SEG_HOLD]);
	r->wrap_ms = ms(us[REP_SEG_WRAP_UP]);
	r->duration_ms = r->ended_us ? ms(r->ended_us - r->started_us) : 0;
	for (uint32_t i = 0; i < r->n_works; i++) {
		const struct rep_work *k = &r->works[i];
		bool again = false;
		for (uint32_t p = 0; p < i; p++)
			again |= r->works[p].agent == k->agent;
		r->agents += !again;
		if (k->visit < 0)
			continue;
		r->visits[k->visit].talk_ms += k->talk_ms;
		r->visits[k->visit].held_ms += k->held_ms;
		r->visits[k->visit].wrap_ms += k->wrap_ms;
	}
}

/* What is going on, as an open segment at the end of the list. */
static void present(struct walk *w)
{
	struct rep_row *r = w->row;
	struct rep_visit *v = visit_open(r);
	if (v) {
		r->waiting = v->queue;
		r->waiting_since_us = v->from_us;
	}
	if (w->kind == REP_SEG_TALK || w->kind == REP_SEG_HOLD) {
		r->talking = w->queue;
		r->talking_agent = w->agent;
	}
	int kind = w->kind == SETUP || w->kind == LIMBO ? REP_SEG_MENU : w->kind;
	struct rep_seg *s = kind ? seg_add(w, (enum rep_seg_kind)kind, w->from_us, 0) : NULL;
	if (s) {
		s->agent = w->agent;
		s->queue = w->queue;
	}
}

/* Work that is no call ends with its last release. */
static void task_end(struct walk *w)
{
	struct rep_row *r = w->row;
	const struct rep_visit *v = visit_last(r);
	if (w->call || r->ended_us || !v || v->result == REP_R_NONE)
		return;
	const struct rep_work *k = r->n_works ? &r->works[r->n_works - 1] : NULL;
	if (v->result == REP_R_ANSWERED && (!k || !k->released))
		return;
	struct rep_fact end = { .time_us = k ? k->to_us : v->to_us,
				.kind = REP_ENDED,
				.by = v->result == REP_R_ABANDONED ? REP_R_CUSTOMER : REP_R_SYSTEM };
	end.time_us = PL_MAX(end.time_us, w->from_us);
	on_ended(w, &end);
}

/* By beginning; what lies inside another one after it. The time line is in order already, so few move. */
static void sort(struct rep_row *r)
{
	for (uint32_t i = 1; i < r->n_segs; i++) {
		struct rep_seg s = r->segs[i];
		bool nested = s.kind == REP_SEG_RING || s.kind == REP_SEG_WRAP_UP;
		uint32_t at = i;
		while (at > 0) {
			const struct rep_seg *p = &r->segs[at - 1];
			bool p_nested = p->kind == REP_SEG_RING || p->kind == REP_SEG_WRAP_UP;
			if (p->from_us < s.from_us || (p->from_us == s.from_us && (nested || !p_nested)))
				break;
			r->segs[at] = *p;
			at--;
		}
		r->segs[at] = s;
	}
}

void rep_build(const struct rep_ix *ix, struct rep_row *row)
{
	struct walk w = { .ix = ix, .row = row };
	memset(row, 0, offsetof(struct rep_row, segs));
	for (uint32_t i = 0; i < ix->n_facts; i++)
		w.call |= ix->facts[i].kind == REP_STARTED;
	for (uint32_t i = 0; i < ix->n_facts; i++) {
		const struct rep_fact *f = &ix->facts[i];
		int was = w.kind;
		take(&w, f);
		if (was == 0 && w.kind != 0 && !row->started_us)
			row->started_us = f->time_us;
		row->last_us = f->time_us;
	}
	task_end(&w);
	row->known = w.call || w.queued;
	row->outcome = outcome(&w);
	row->final = row->ended_us != 0;
	for (uint32_t i = 0; i < row->n_works; i++)
		row->final &= row->works[i].released || row->works[i].visit < 0;
	if (!row->ended_us)
		present(&w);
	sort(row);
	sums(row);
}
