/* Session timers (RFC 4028): a call whose BYE was lost ends. We refresh whenever the far side lets us: with UPDATE
 * where it is allowed, else with a re-INVITE of the SDP in force. A far side that knows no session timer is asked by
 * OPTIONS inside the dialog: 481 or silence ends the leg as well. */
#include <stdio.h>
#include <stdlib.h>

#include "legs.h"

#define MIN_SE_S 90

static bool allows(const sip_t *sip, const char *method)
{
	return sip->sip_allow && sip_is_allowed(sip->sip_allow, sip_method_unknown, method);
}

static uint32_t sane(const struct leg *l, uint32_t s)
{
	if (!s)
		s = (uint32_t)l->edge->cfg->session_expires_s;
	return PL_MAX(PL_MIN(s, 86400u), (uint32_t)MIN_SE_S);
}

static void arm(struct leg *l)
{
	int64_t s = l->session.interval_s;
	/* RFC 4028 10: the refresher at half time; the other side gives up a little before the end. */
	int64_t wait = l->session.we_refresh ? s / 2 : s - PL_MIN(32, s / 3);
	l->session.due_us = s ? edge_now_us(l->edge) + wait * PL_US_PER_S : 0;
	if (!l->buried)
		leg_timer_arm(l);
}

/* As UAS (RFC 4028 9). */
void session_from_invite(struct leg *l, const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;
	l->session.supported = sip->sip_supported && sip_has_feature(sip->sip_supported, "timer");
	l->session.update_ok = allows(sip, "UPDATE");
	l->session.interval_s = sane(l, x ? (uint32_t)x->x_delta : 0);
	l->session.we_refresh = !(x && x->x_refresher && su_casematch(x->x_refresher, "uac"));
	if (!l->session.supported)
		l->session.we_refresh = true;
	arm(l);
}

/* As UAC: the answer says who refreshes (RFC 4028 7.2). */
void session_from_answer(struct leg *l, const sip_t *sip)
{
	const sip_session_expires_t *x = sip->sip_session_expires;
	if (sip->sip_allow)
		l->session.update_ok = allows(sip, "UPDATE");
	l->session.supported = x;
	l->session.interval_s = sane(l, x ? (uint32_t)x->x_delta : 0);
	l->session.we_refresh = !(x && x->x_refresher && su_casematch(x->x_refresher, "uas"));
	arm(l);
}

void session_refreshed(struct leg *l, const sip_t *request)
{
	const sip_session_expires_t *x = request->sip_session_expires;
	if (x) {
		l->session.supported = true;
		l->session.interval_s = sane(l, (uint32_t)x->x_delta);
		l->session.we_refresh = !(x->x_refresher && su_casematch(x->x_refresher, "uac"));
	}
	arm(l);
}

const char *session_header(const struct leg *l, bool uas, char buf[64])
{
	if (!l->session.supported || !l->session.interval_s)
		return NULL;
	const char *us = uas ? "uas" : "uac", *them = uas ? "uac" : "uas";
	snprintf(buf, 64, "%u;refresher=%s", l->session.interval_s, l->session.we_refresh ? us : them);
	return buf;
}

static int on_refresh_answer(void *arg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = arg;
	int status = nta_outgoing_status(orq);
	if (status < 200)
		return 0;
	if (l->refresh_out == orq)
		l->refresh_out = NULL;
	nta_outgoing_destroy(orq);
	if (status == 481 || status == 408) {
		obs_add(l->edge->m.tx_timeouts, status == 408);
		leg_event_if(l, LEG_EV_RE_DEAD,
			     &(struct leg_input){ .status = status, .reason = "Session refresh failed" });
	}
	return 0;
}

static void refresh(struct leg *l)
{
	char se[64];
	const char *session = session_header(l, false, se);
	bool update = l->session.supported && l->session.update_ok;
	if (l->refresh_out || l->sm.state != LEG_UP)
		return;
	if (session && !update) {
		leg_event_if(l, LEG_EV_OFFER, NULL); /* same SDP again */
		return;
	}
	l->refresh_out = update ? nta_outgoing_tcreate(l->dialog, on_refresh_answer, l, (url_string_t *)l->next_hop,
						       SIP_METHOD_UPDATE, NULL,
						       SIPTAG_CONTACT(stack_contact(l->edge, l->stream)),
						       SIPTAG_SUPPORTED_STR("timer"),
						       TAG_IF(session, SIPTAG_SESSION_EXPIRES_STR(session)),
						       SIPTAG_USER_AGENT_STR(USER_AGENT), TAG_END())
				: nta_outgoing_tcreate(l->dialog, on_refresh_answer, l, (url_string_t *)l->next_hop,
						       SIP_METHOD_OPTIONS, NULL,
						       SIPTAG_CONTACT(stack_contact(l->edge, l->stream)),
						       SIPTAG_USER_AGENT_STR(USER_AGENT), TAG_END());
}

void session_due(struct leg *l)
{
	if (l->sm.state < LEG_UP || l->sm.state > LEG_RE_IN) { /* not up (any more): nothing to keep */
		if (l->sm.state < LEG_UP)
			arm(l);
		return;
	}
	if (!l->session.we_refresh) {
		leg_event_if(l, LEG_EV_EXPIRED, &(struct leg_input){ .status = 408, .reason = "Session expired" });
		return;
	}
	refresh(l);
	if (!l->buried)
		arm(l);
}
