/* The table of legs: one door for events, the order of effects, timers, the end. */
#include <stdlib.h>

#include "directory.h"
#include "legs.h"

#define SDP_MAX 16384

struct leg *leg_find(struct edge *e, const char *id)
{
	struct leg *l = NULL;
	HASH_FIND_STR(e->legs, id, l);
	return l;
}

struct leg *leg_new(struct edge *e, const char *id, bool incoming)
{
	struct leg *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->edge = e;
	l->incoming = incoming;
	l->born_us = edge_now_us(e);
	pl_strlcpy(l->id, id, sizeof l->id);
	pl_list_init(&l->link);
	HASH_ADD_STR(e->legs, id, l);
	e->n_legs++;
	return l;
}

static void leg_free(struct leg *l)
{
	leg_in_forget(l);
	forks_free(l);
	if (l->offer_in)
		nta_incoming_destroy(l->offer_in);
	if (l->ack_wait)
		nta_incoming_destroy(l->ack_wait);
	nta_outgoing_destroy(l->offer_out);
	nta_outgoing_destroy(l->bye_out);
	nta_outgoing_destroy(l->refresh_out);
	if (l->dialog)
		nta_leg_destroy(l->dialog);
	free(l->next_hop);
	free(l->local_sdp);
	free(l->offer_sdp);
	free(l);
}

void legs_bury(struct edge *e)
{
	while (!pl_list_empty(&e->dead)) {
		struct leg *l = PL_CONTAINER(e->dead.next, struct leg, link);
		pl_list_remove(&l->link);
		leg_free(l);
	}
}

static void leg_gone(struct leg *l)
{
	struct edge *e = l->edge;
	if (l->buried)
		return; /* an effect of the event ended it already */
	l->buried = true;
	wheel_set(&e->wheel, &l->timer, 0);
	if (l->trunk)
		trunk_release(l->trunk);
	l->trunk = NULL;
	HASH_DEL(e->legs, l);
	e->n_legs--;
	obs_add(e->m.calls[l->incoming][l->answered ? CALL_ANSWERED : CALL_ENDED_EARLY], 1);
	pl_list_push(&e->dead, &l->link);
}

void legs_drop_all(struct edge *e)
{
	struct leg *l, *next;
	HASH_ITER(hh, e->legs, l, next)
	{
		l->sm.state = LEG_GONE;
		leg_gone(l);
	}
	legs_bury(e);
}

void leg_timer_arm(struct leg *l)
{
	int64_t a = l->sm.due_us, b = l->session.due_us;
	int64_t due = !a ? b : !b ? a : PL_MIN(a, b);
	if (due != l->timer.due_us)
		wheel_set(&l->edge->wheel, &l->timer, due);
}

static void leg_due(struct leg *l, int64_t now_us)
{
	if (l->session.due_us && l->session.due_us <= now_us) {
		l->session.due_us = 0;
		session_due(l);
	}
	if (l->sm.state != LEG_GONE && l->sm.due_us && l->sm.due_us <= now_us) {
		l->sm.due_us = 0;
		leg_event_if(l, LEG_EV_TIMER, &(struct leg_input){ .status = 408, .reason = "Timeout" });
	}
	if (l->sm.state != LEG_GONE)
		leg_timer_arm(l);
}

void legs_tick(void *arg)
{
	struct edge *e = arg;
	struct wheel_node *n;
	int64_t now = edge_now_us(e);
	while ((n = wheel_take(&e->wheel, now)))
		leg_due(PL_CONTAINER(n, struct leg, timer), now);
}

/* In the order of the bits: what stops comes before what begins, the owner hears last. */
static void leg_do(struct leg *l, unsigned fx, const struct leg_input *in)
{
	if (fx & LEG_FX_INVITE)
		leg_out_ring(l, in);
	if (fx & LEG_FX_PROGRESS)
		leg_in_progress(l, in);
	if (fx & LEG_FX_OK)
		leg_in_ok(l, in);
	if (fx & LEG_FX_REFUSE)
		leg_in_refuse(l, in);
	if (fx & LEG_FX_CANCEL)
		leg_out_cancel(l);
	if (fx & LEG_FX_RE_ACK)
		leg_reoffer_ack(l, in);
	if (fx & LEG_FX_RE_REFUSE)
		leg_reoffer_refuse(l, fx & LEG_FX_ENDED ? 487 : 500);
	if (fx & LEG_FX_RE_ANSWER)
		leg_reoffer_answer(l, in);
	if (fx & LEG_FX_SAY_491)
		leg_say(l, in->irq, SIP_491_REQUEST_PENDING);
	if (fx & LEG_FX_SAY_500)
		leg_say(l, in->irq, SIP_500_INTERNAL_SERVER_ERROR);
	if (fx & LEG_FX_BYE)
		leg_bye(l, in);
	if (fx & LEG_FX_OFFER)
		leg_offer(l);
	if (fx & LEG_FX_RINGING)
		owner_tell(l, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_RINGING, in);
	if (fx & LEG_FX_ANSWERED) {
		l->answered = true;
		owner_tell(l, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_ANSWERED, in);
	}
	if (fx & LEG_FX_REINVITED)
		owner_tell(l, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_REINVITED, in);
	if (fx & LEG_FX_REMOTE_OFFER)
		owner_tell(l, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_REMOTE_REINVITE, in);
	if (fx & LEG_FX_ENDED)
		owner_tell(l, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_ENDED,
			   &(struct leg_input){ .status = in->status,
						.reason = in->reason,
						.irq = in->irq,
						.contact = fx & LEG_FX_BY_REMOTE ? "remote" : NULL });
}

enum pl_err leg_event(struct leg *l, enum leg_event ev, const struct leg_input *in)
{
	static const struct leg_input nothing;
	struct edge *e = l->edge;
	unsigned fx = 0;
	enum leg_state was = l->sm.state;
	enum pl_err err = leg_step(&l->sm, ev, edge_now_us(e), &e->limits, &fx);
	log_debug("leg.event", LOG_S("leg", l->id), LOG_S("event", leg_event_name(ev)),
		  LOG_S("from", leg_state_name(was)), LOG_S("to", err ? "refused" : leg_state_name(l->sm.state)));
	if (err)
		return err;
	if (ev == LEG_EV_DIAL && in && in->expires_ms)
		l->sm.due_us = edge_now_us(e) + (int64_t)in->expires_ms * PL_US_PER_MS;
	if (l->sm.state == LEG_RE_WAIT && was != LEG_RE_WAIT)
		l->sm.due_us = edge_now_us(e) + leg_glare_wait_us(!l->incoming, edge_random(e));
	leg_do(l, fx, in ? in : &nothing);
	if (l->sm.state == LEG_GONE) {
		leg_gone(l);
		return PL_OK;
	}
	leg_timer_arm(l);
	/* An offer of the owner that had to wait for theirs. */
	if (l->sm.state == LEG_UP && was != LEG_UP && l->offer_sdp)
		leg_event_if(l, LEG_EV_OFFER, NULL);
	return PL_OK;
}

void leg_event_if(struct leg *l, enum leg_event ev, const struct leg_input *in)
{
	if (leg_event(l, ev, in))
		log_debug("leg.refused", LOG_S("leg", l->id), LOG_S("event", leg_event_name(ev)));
}

const char *clean_text(struct edge *e, const char *s, size_t max)
{
	size_t n = s ? strnlen(s, max) : 0;
	char *out = pl_arena_dup(pl_loop_tmp(e->app->loop), s ? s : "", n + 1);
	if (!out)
		return "";
	out[n] = 0;
	if (!pl_utf8_ok(out, n)) {
		for (size_t i = 0; i < n; i++)
			if ((unsigned char)out[i] >= 0x80)
				out[i] = '?';
	}
	return out;
}

const char *sdp_of(struct edge *e, const sip_t *sip)
{
	const sip_payload_t *p = sip ? sip->sip_payload : NULL;
	if (!p || !p->pl_len || p->pl_len > SDP_MAX || !pl_utf8_ok(p->pl_data, p->pl_len))
		return NULL;
	if (sip->sip_content_type && !su_casematch(sip->sip_content_type->c_type, "application/sdp"))
		return NULL;
	char *out = pl_arena_alloc(pl_loop_tmp(e->app->loop), p->pl_len + 1);
	return out ? memcpy(out, p->pl_data, p->pl_len) : NULL;
}

const char *url_text(struct edge *e, const url_t *url)
{
	char buf[512];
	issize_t n = url_e(buf, sizeof buf, url);
	return n > 0 && (size_t)n < sizeof buf ? clean_text(e, buf, sizeof buf - 1) : "";
}
