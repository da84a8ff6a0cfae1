/* The calls this node owns: found by id and by leg, stepped, kept, let go. */
#include "cc.h"

#include "../engine/pack.h"

#include <parley/log.h>
#include <stdlib.h>

static void on_timer(void *arg);

struct cc_call *cc_call_find(struct cc *cc, const char *id)
{
	struct cc_call *k = NULL;
	if (!pl_empty(id))
		HASH_FIND_STR(cc->calls, id, k);
	return k;
}

struct cc_call *cc_call_by_leg(struct cc *cc, const char *leg_id)
{
	struct leg_ref *r = NULL;
	if (!pl_empty(leg_id))
		HASH_FIND_STR(cc->legs, leg_id, r);
	return r ? r->call : NULL;
}

struct cc_call *cc_call_new(struct cc *cc, const char *id)
{
	struct cc_call *k = HASH_COUNT(cc->calls) < (size_t)cc->cfg->max_calls ? calloc(1, sizeof(*k)) : NULL;
	if (!k)
		return NULL;
	k->cc = cc;
	call_init(&k->c, id);
	if (pl_timer_new(&k->timer, cc->app->loop, on_timer, k)) {
		free(k);
		return NULL;
	}
	k->taken_us = cc_now(cc);
	HASH_ADD(hh, cc->calls, c.id, strlen(k->c.id), k);
	return k;
}

static void forget_legs(struct cc_call *k)
{
	for (struct leg_ref *r = k->refs, *next; r; r = next) {
		next = r->next;
		HASH_DEL(k->cc->legs, r);
		free(r);
	}
	k->refs = NULL;
}

void cc_call_drop(struct cc_call *k)
{
	struct pl_why why = { 0 };
	pl_why_set(&why, PL_E_UNAVAIL, "the call has moved or ended");
	for (size_t i = 0; i < CC_RPCS; i++)
		if (k->rpcs[i].rpc)
			rpc_fail(k->rpcs[i].rpc, PL_E_UNAVAIL, &why);
	forget_legs(k);
	bus_tail_close(k->heal);
	pl_timer_free(k->timer);
	HASH_DEL(k->cc->calls, k);
	free(k);
}

/* Every leg that lives is found by its id; those that are gone stay found until the call ends, which costs nothing: the
 * engine does not know them. */
static void index_legs(struct cc_call *k)
{
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		const struct call_leg *l = &k->c.legs[i];
		struct leg_ref *r = NULL;
		if (!*l->id || !call_leg_alive(l))
			continue;
		HASH_FIND_STR(k->cc->legs, l->id, r);
		if (r)
			continue;
		r = calloc(1, sizeof(*r));
		if (!r)
			continue; /* the audit finds the leg again by the call */
		pl_strlcpy(r->id, l->id, sizeof(r->id));
		r->call = k;
		r->next = k->refs;
		k->refs = r;
		HASH_ADD_STR(k->cc->legs, id, r);
	}
}

/* --- replies --- */

uint64_t cc_rpc_keep(struct cc_call *k, struct rpc_call *rpc)
{
	for (size_t i = 0; i < CC_RPCS; i++) {
		if (k->rpcs[i].rpc)
			continue;
		k->rpcs[i].rpc = rpc;
		k->rpcs[i].token = ++k->cc->tokens;
		return k->rpcs[i].token;
	}
	return 0;
}

/* --- effects --- */

static void save(struct cc_call *k)
{
	static uint8_t buf[CALL_PACK_MAX];
	size_t len = 0;
	enum pl_err err = call_pack(&k->c, buf, sizeof(buf), &len);
	if (!err)
		err = actor_save(k->cc->actors, k->c.id, buf, len, NULL, NULL);
	if (err)
		log_warn("call.save-failed", LOG_S("call", k->c.id), LOG_S("err", pl_err_name(err)));
	k->saved = true;
}

static void ended(struct cc_call *k)
{
	struct cc *cc = k->cc;
	cc->ended_status = k->c.sip_status;
	if (k->saved)
		actor_end(cc->actors, k->c.id);
	obs_add(cc->m.outcome[PL_MIN(k->c.cause, END_CAUSE_N - 1)], 1);
	log_info("call.ended", LOG_S("call", k->c.id), LOG_S("by", call_by_name(k->c.ended_by)),
		 LOG_S("cause", call_cause_name(k->c.cause)), LOG_I("ms", (k->c.ended_us - k->c.started_us) / 1000));
}

/* True: that was the end. */
static bool effect(struct cc_call *k, const struct call_effect *e)
{
	switch (e->kind) {
	case CALL_FX_MEDIA:
		fx_do_media(k, &k->cc->fx);
		break;
	case CALL_FX_FLOW_STEP:
		fx_do_flow(k, e);
		break;
	case CALL_FX_ENQUEUE:
	case CALL_FX_CANCEL:
	case CALL_FX_OFFER_REPLY:
	case CALL_FX_ACD_ENDED:
		fx_do_acd(k, e);
		break;
	case CALL_FX_EMIT:
		fx_do_emit(k, e);
		break;
	case CALL_FX_ASK_POSITION:
		fx_ask_position(k);
		break;
	case CALL_FX_SAVE:
		save(k);
		break;
	case CALL_FX_END:
		ended(k);
		return true;
	default:
		fx_do_leg(k, e);
	}
	return false;
}

static void set_timer(struct cc_call *k)
{
	int64_t due = call_due_us(&k->c);
	if (due)
		pl_timer_set(k->timer, PL_MAX(due - cc_now(k->cc), 0));
	else
		pl_timer_stop(k->timer);
}

static enum pl_err step_once(struct cc_call *k, const struct call_event *ev, bool *ret_over)
{
	struct cc *cc = k->cc;
	const char *edge = "", *media = "";
	const struct bus_node *n;
	/* The customer's own edge is preferred, so that both legs of a call share a process. It lives, or we had been
	 * told. */
	if (call_leg_alive(&k->c.legs[0]))
		edge = k->c.legs[0].edge;
	else if (ev->kind == CALL_EV_INCOMING)
		edge = or_text(ev->incoming.edge);
	else if (ev->kind == CALL_EV_DIAL_OUT && (n = bus_pick_node(cc->app->bus, "sip-edge", NULL)))
		edge = n->node;
	if ((ev->kind == CALL_EV_INCOMING || ev->kind == CALL_EV_DIAL_OUT || ev->kind == CALL_EV_MEDIA_LOST) &&
	    (n = bus_pick_node(cc->app->bus, "media", NULL)))
		media = n->node;
	struct call_env env = { .now_us = cc_now(cc),
				.edge = edge,
				.media = media,
				.record_out = cc->cfg->record_out,
				.lim = &cc->limits };
	char edge_copy[CALL_NODE]; /* env.edge may be a leg's own field */
	pl_strlcpy(edge_copy, edge, sizeof(edge_copy));
	env.edge = edge_copy;
	enum pl_err err = call_step(&k->c, ev, &env, &cc->fx);
	if (err) {
		obs_add(cc->m.refused, 1);
		return err;
	}
	index_legs(k);
	for (size_t i = 0; i < cc->fx.n; i++)
		if (cc->fx.at[i].kind != CALL_FX_REPLY)
			*ret_over |= effect(k, &cc->fx.at[i]);
	for (size_t i = 0; i < cc->fx.n;
	     i++) /* last, because a reply frees the request whose strings the others may use */
		if (cc->fx.at[i].kind == CALL_FX_REPLY)
			fx_do_reply(k, &cc->fx.at[i]);
	return PL_OK;
}

enum pl_err cc_step(struct cc_call *k, const struct call_event *ev)
{
	bool over = false;
	enum pl_err err = step_once(k, ev, &over);
	for (int i = 0; !over && (k->media_failed || k->flow_failed) && i < 8; i++) {
		struct call_event next = { .kind = CALL_EV_MEDIA_RESULT };
		if (k->media_failed)
			next.result = (struct ev_result){ .req = k->media_failed,
							  .err = PL_E_UNAVAIL,
							  .why = "media node not reached" };
		else {
			next.kind = CALL_EV_FLOW;
			next.flow = (struct ev_flow){ .seq = k->flow_failed, .err = PL_E_UNAVAIL };
		}
		if (k->media_failed)
			k->media_failed = 0;
		else
			k->flow_failed = 0;
		(void)!step_once(k, &next, &over);
	}
	if (over)
		cc_call_drop(k);
	else
		set_timer(k);
	return err;
}

static void on_timer(void *arg)
{
	struct cc_call *k = arg;
	struct call_event ev = { .kind = CALL_EV_TIMER };
	(void)!cc_step(k, &ev);
}

/* --- ownership --- */

void cc_adopt(void *arg, const char *id, const void *body, size_t len)
{
	struct cc *cc = arg;
	if (cc_call_find(cc, id))
		return;
	struct cc_call *k = cc_call_new(cc, id);
	if (!k || call_unpack(&k->c, body, len) || !pl_streq(k->c.id, id)) {
		log_error("call.adopt-failed", LOG_S("call", id), LOG_I("bytes", len));
		if (k) {
			HASH_DEL(cc->calls, k); /* under whatever name the bytes gave it */
			pl_timer_free(k->timer);
			free(k);
		}
		actor_end(cc->actors, id);
		return;
	}
	log_info("call.adopted", LOG_S("call", id), LOG_I("phase", k->c.phase));
	obs_add(cc->m.adopted, 1);
	k->saved = true;
	index_legs(k);
	if (k->c.recording != REC_OFF && k->c.far > 0)
		recordings_note(cc->recs, k->c.recording_id, id, k->c.legs[k->c.far].agent_id, k->c.queue_id);
	on_acd_heal(k);
	struct call_event ev = { .kind = CALL_EV_ADOPTED };
	(void)!cc_step(k, &ev);
}

void cc_lost(void *arg)
{
	struct cc *cc = arg;
	struct cc_call *k, *next;
	log_warn("calls.lost", LOG_I("calls", HASH_COUNT(cc->calls)));
	HASH_ITER(hh, cc->calls, k, next)
	cc_call_drop(k);
}
