/* Inside a dialog: requests of the far side, our BYE, re-INVITE both ways. */
#include <stdio.h>
#include <stdlib.h>

#include "../engine/info.h"
#include "legs.h"

static url_string_t *hop(const struct leg *l)
{
	return (url_string_t *)l->next_hop;
}

void leg_say(struct leg *l, nta_incoming_t *irq, int status, const char *phrase)
{
	char after[8];
	snprintf(after, sizeof after, "%u", edge_random(l->edge) % 11);
	if (irq)
		nta_incoming_treply(irq, status, phrase, TAG_IF(status == 500, SIPTAG_RETRY_AFTER_STR(after)),
				    SIPTAG_SERVER_STR(USER_AGENT), TAG_END());
}

void leg_ack(nta_leg_t *dialog, const char *next_hop, const sip_t *response)
{
	sip_cseq_t *cseq = response->sip_cseq;
	nta_outgoing_t *ack = nta_outgoing_tcreate(dialog, NULL, NULL, (url_string_t *)next_hop, SIP_METHOD_ACK, NULL,
						   SIPTAG_CSEQ(cseq), SIPTAG_USER_AGENT_STR(USER_AGENT), TAG_END());
	nta_outgoing_destroy(ack); /* it stays as long as 2xx may be repeated */
}

/* --- our BYE --- */

static int on_bye_answer(void *arg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = arg;
	if (nta_outgoing_status(orq) < 200)
		return 0;
	if (nta_outgoing_status(orq) == 408)
		obs_add(l->edge->m.tx_timeouts, 1);
	leg_event_if(l, LEG_EV_CLOSED, NULL);
	return 0;
}

void leg_bye(struct leg *l, const struct leg_input *in)
{
	char reason[64];
	int cause = in->status == 408 ? 102 : in->status >= 500 ? 41 : 16;
	snprintf(reason, sizeof reason, "Q.850;cause=%d", cause);
	l->bye_out = l->dialog ? nta_outgoing_tcreate(l->dialog, on_bye_answer, l, hop(l), SIP_METHOD_BYE, NULL,
						      SIPTAG_REASON_STR(reason), SIPTAG_USER_AGENT_STR(USER_AGENT),
						      TAG_END())
			       : NULL;
	if (!l->bye_out)
		leg_event_if(l, LEG_EV_CLOSED, NULL);
}

/* --- our re-INVITE --- */

static int on_offer_answer(void *arg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct leg *l = arg;
	int status = nta_outgoing_status(orq);
	if (status < 200)
		return 0;
	struct leg_input in = { .status = status, .sip = sip, .sdp = sdp_of(l->edge, sip) };
	enum leg_event ev = status < 300                     ? LEG_EV_RE_2XX
			    : status == 491                  ? LEG_EV_RE_GLARE
			    : status == 481 || status == 408 ? LEG_EV_RE_DEAD
							     : LEG_EV_RE_FAIL;
	if (status < 300) {
		nta_leg_client_reroute(l->dialog, NULL, sip->sip_contact, 0);
		session_from_answer(l, sip);
	}
	if (ev == LEG_EV_RE_DEAD)
		obs_add(l->edge->m.tx_timeouts, status == 408);
	if (ev == LEG_EV_RE_GLARE && !l->offer_sdp && l->local_sdp)
		l->offer_sdp = strdup(l->local_sdp); /* asked again after the wait */
	leg_event_if(l, ev, &in);
	/* The ACK, if one was due, has been sent by now: it looks for its INVITE. */
	if (l->offer_out == orq)
		l->offer_out = NULL;
	nta_outgoing_destroy(orq);
	return 0;
}

void leg_offer(struct leg *l)
{
	char se[64];
	const char *session = session_header(l, false, se);
	if (l->offer_sdp) {
		free(l->local_sdp);
		l->local_sdp = PL_TAKE(l->offer_sdp);
	}
	l->offer_out = nta_outgoing_tcreate(
		l->dialog, on_offer_answer, l, hop(l), SIP_METHOD_INVITE, NULL,
		SIPTAG_CONTACT(stack_contact(l->edge, l->stream)), SIPTAG_USER_AGENT_STR(USER_AGENT),
		SIPTAG_ALLOW_STR(ALLOW), SIPTAG_SUPPORTED_STR("timer"),
		TAG_IF(session, SIPTAG_SESSION_EXPIRES_STR(session)), SIPTAG_CONTENT_TYPE_STR("application/sdp"),
		SIPTAG_PAYLOAD_STR(l->local_sdp), TAG_END());
	if (!l->offer_out)
		leg_event_if(l, LEG_EV_RE_FAIL, &(struct leg_input){ .status = 500 });
}

void leg_reoffer_ack(struct leg *l, const struct leg_input *in)
{
	if (in->sip)
		leg_ack(l->dialog, l->next_hop, in->sip);
}

/* --- their re-INVITE or UPDATE --- */

int leg_on_offer_ack(void *arg, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = arg;
	bool ack = sip && sip->sip_request && sip->sip_request->rq_method == sip_method_ack;
	if (sip && !ack) { /* CANCEL; the stack answers 487 */
		if (irq == l->offer_in) {
			l->offer_in = NULL;
			leg_event_if(l, LEG_EV_CANCEL, NULL);
			nta_incoming_destroy(irq);
		}
		return 0;
	}
	if (irq != l->ack_wait)
		return 0;
	l->ack_wait = NULL;
	const char *sdp = sdp_of(l->edge, sip);
	leg_event_if(l, ack ? LEG_EV_ACK : LEG_EV_NO_ACK, &(struct leg_input){ .status = ack ? 200 : 408 });
	if (ack && sdp && l->offerless)
		owner_tell(l, PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_REINVITED,
			   &(struct leg_input){ .status = 200, .sdp = sdp });
	nta_incoming_destroy(irq);
	return 0;
}

void leg_reoffer_answer(struct leg *l, const struct leg_input *in)
{
	char se[64];
	nta_incoming_t *irq = PL_TAKE(l->offer_in);
	if (!irq)
		return;
	bool invite = nta_incoming_method(irq) == sip_method_invite;
	const char *session = session_header(l, true, se);
	if (pl_empty(in->sdp)) {
		leg_say(l, irq, SIP_488_NOT_ACCEPTABLE);
		nta_incoming_destroy(irq);
		return;
	}
	free(l->local_sdp);
	l->local_sdp = strdup(in->sdp);
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_CONTACT(stack_contact(l->edge, l->stream)),
			    SIPTAG_SERVER_STR(USER_AGENT), SIPTAG_ALLOW_STR(ALLOW), SIPTAG_SUPPORTED_STR("timer"),
			    TAG_IF(session, SIPTAG_SESSION_EXPIRES_STR(session)),
			    SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(in->sdp), TAG_END());
	if (!invite) {
		nta_incoming_destroy(irq);
		return;
	}
	if (l->ack_wait)
		nta_incoming_destroy(l->ack_wait);
	l->ack_wait = irq;
}

void leg_reoffer_refuse(struct leg *l, int status)
{
	nta_incoming_t *irq = PL_TAKE(l->offer_in);
	if (!irq)
		return;
	leg_say(l, irq, status, NULL);
	nta_incoming_destroy(irq);
}

/* 200 at once with the SDP we have: a request without offer, or one that only refreshes the session. */
static int answer_as_is(struct leg *l, nta_incoming_t *irq)
{
	l->offer_in = irq;
	leg_reoffer_answer(l, &(struct leg_input){ .sdp = pl_empty(l->local_sdp) ? NULL : l->local_sdp });
	return 0;
}

static int on_reinvite(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	const char *sdp = sdp_of(l->edge, sip);
	nta_incoming_bind(irq, leg_on_offer_ack, l);
	if (!leg_accepts(&l->sm, LEG_EV_OFFERED)) {
		leg_say(l, irq, SIP_481_NO_TRANSACTION);
		nta_incoming_destroy(irq);
		return 0;
	}
	bool idle = l->sm.state == LEG_UP || l->sm.state == LEG_RE_WAIT;
	if (idle) {
		nta_leg_server_route(l->dialog, sip->sip_record_route, sip->sip_contact);
		session_refreshed(l, sip);
		l->offerless = !sdp;
	}
	if (l->sm.state == LEG_UP && !sdp)
		return answer_as_is(l, irq);
	if (idle) {
		l->offer_in = irq;
		nta_incoming_treply(irq, SIP_100_TRYING, TAG_END());
	}
	leg_event_if(l, LEG_EV_OFFERED, &(struct leg_input){ .irq = irq, .sip = sip, .sdp = sdp });
	if (!idle)
		nta_incoming_destroy(irq);
	return 0;
}

static int on_update(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	const char *sdp = sdp_of(l->edge, sip);
	if (sdp)
		return on_reinvite(l, irq, sip);
	char se[64];
	session_refreshed(l, sip);
	if (sip->sip_contact && l->sm.state >= LEG_UP)
		nta_leg_server_route(l->dialog, NULL, sip->sip_contact);
	const char *session = session_header(l, true, se);
	nta_incoming_treply(irq, SIP_200_OK, SIPTAG_CONTACT(stack_contact(l->edge, l->stream)),
			    TAG_IF(session, SIPTAG_SESSION_EXPIRES_STR(session)), SIPTAG_SERVER_STR(USER_AGENT),
			    TAG_END());
	nta_incoming_destroy(irq);
	return 0;
}

/* --- the rest --- */

static const char *reason_text(struct leg *l, const sip_t *sip)
{
	if (!sip->sip_reason || !sip->sip_reason->re_protocol)
		return NULL;
	const sip_reason_t *r = sip->sip_reason;
	return clean_text(l->edge,
			  pl_arena_printf(pl_loop_tmp(l->edge->app->loop), "%s;cause=%s", r->re_protocol,
					  r->re_cause ? r->re_cause : ""),
			  128);
}

static int on_info(struct leg *l, const sip_t *sip)
{
	char digit[2] = "";
	const sip_content_type_t *ct = sip->sip_content_type;
	if (!sip->sip_payload || !ct)
		return 200;
	bool relay = su_casematch(ct->c_type, "application/dtmf-relay");
	if (!relay && !su_casematch(ct->c_type, "application/dtmf"))
		return 415;
	*digit = info_digit(sip->sip_payload->pl_data, sip->sip_payload->pl_len, relay);
	if (!*digit)
		return 400;
	owner_tell_digits(l, digit);
	return 200;
}

static int on_refer(struct leg *l, nta_incoming_t *irq, const sip_t *sip)
{
	if (l->sm.state < LEG_UP || !sip->sip_refer_to)
		return sip->sip_refer_to ? 403 : 400;
	if (l->refer_open)
		return 491;
	nta_incoming_treply(irq, SIP_202_ACCEPTED, SIPTAG_CONTACT(stack_contact(l->edge, l->stream)), TAG_END());
	l->refer_open = true;
	owner_tell_refer(l, url_text(l->edge, sip->sip_refer_to->r_url));
	nta_incoming_destroy(irq);
	return 0;
}

void leg_refer_result(struct leg *l, uint32_t status)
{
	char body[48];
	if (!l->refer_open || !l->dialog || l->sm.state < LEG_UP)
		return;
	bool final = status >= 200;
	snprintf(body, sizeof body, "SIP/2.0 %u %s\r\n", status,
		 status < 200   ? "Trying"
		 : status < 300 ? "OK"
				: "Failed");
	nta_outgoing_t *n = nta_outgoing_tcreate(
		l->dialog, NULL, NULL, hop(l), SIP_METHOD_NOTIFY, NULL, SIPTAG_EVENT_STR("refer"),
		SIPTAG_SUBSCRIPTION_STATE_STR(final ? "terminated;reason=noresource" : "active;expires=60"),
		SIPTAG_CONTACT(stack_contact(l->edge, l->stream)),
		SIPTAG_CONTENT_TYPE_STR("message/sipfrag;version=2.0"), SIPTAG_PAYLOAD_STR(body), TAG_END());
	nta_outgoing_destroy(n);
	l->refer_open = !final;
}

int leg_on_request(void *arg, nta_leg_t *dialog, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = arg;
	if (l->buried || dialog != l->dialog)
		return 481;
	switch (sip->sip_request->rq_method) {
	case sip_method_bye:
		nta_incoming_treply(irq, SIP_200_OK, SIPTAG_SERVER_STR(USER_AGENT), TAG_END());
		nta_incoming_destroy(irq);
		leg_event_if(l, LEG_EV_BYE,
			     &(struct leg_input){ .status = l->answered || l->sm.state >= LEG_UP ? 200 : 487,
						  .reason = reason_text(l, sip) });
		return 0;
	case sip_method_invite:
		return on_reinvite(l, irq, sip);
	case sip_method_update:
		return on_update(l, irq, sip);
	case sip_method_ack: /* one the transaction has seen already */
		nta_incoming_destroy(irq);
		return 0;
	case sip_method_info:
		return on_info(l, sip);
	case sip_method_refer:
		return on_refer(l, irq, sip);
	case sip_method_options:
	case sip_method_notify:
		return 200;
	default:
		return 405;
	}
}

/* Of the first INVITE: its ACK, its CANCEL, or (sip NULL) no ACK within 64*T1. */
int leg_on_ack_cancel(void *arg, nta_incoming_t *irq, const sip_t *sip)
{
	struct leg *l = arg;
	if (!sip) {
		obs_add(l->edge->m.tx_timeouts, 1);
		leg_event_if(l, LEG_EV_NO_ACK, &(struct leg_input){ .status = 408, .reason = "No ACK" });
	} else if (sip->sip_request->rq_method == sip_method_ack) {
		leg_event_if(l, LEG_EV_ACK,
			     &(struct leg_input){ .status = 200, .sip = sip, .sdp = sdp_of(l->edge, sip) });
	} else {
		leg_event_if(l, LEG_EV_CANCEL, &(struct leg_input){ .status = 487, .reason = "Cancelled" });
		return 0;
	}
	if (l->invite_in == irq) {
		nta_incoming_bind(irq, NULL, NULL);
		nta_incoming_destroy(irq);
		l->invite_in = NULL;
	}
	return 0;
}
