/* Requests that belong to no dialog, before the stack has allocated anything for them. */
#include "auth.h"
#include "directory.h"
#include "legs.h"
#include "register.h"

static int answer(struct edge *e, msg_t *msg, int status, const char *phrase)
{
	nta_msg_treply(e->agent, msg, status, phrase, SIPTAG_ALLOW_STR(ALLOW), SIPTAG_SERVER_STR(USER_AGENT),
		       TAG_END());
	return 0;
}

static int options(struct edge *e, msg_t *msg)
{
	nta_msg_treply(e->agent, msg, SIP_200_OK, SIPTAG_ALLOW_STR(ALLOW), SIPTAG_ACCEPT_STR("application/sdp"),
		       SIPTAG_SUPPORTED_STR("timer"), SIPTAG_SERVER_STR(USER_AGENT), TAG_END());
	return 0;
}

static int drop(struct edge *e, msg_t *msg)
{
	nta_msg_discard(e->agent, msg);
	return 0;
}

int dispatch(void *arg, nta_agent_t *agent, msg_t *msg, sip_t *sip)
{
	struct edge *e = arg;
	struct peer peer;
	if (!sip || !sip->sip_request || sip->sip_request->rq_method == sip_method_ack)
		return drop(e, msg);
	peer_of(e, msg, &peer);
	bool trunk = trunk_by_source(e, &peer);
	if (!trunk && guard_banned(&e->guard, peer.addr, edge_now_us(e))) {
		obs_add(e->m.dropped, 1);
		return drop(e, msg);
	}
	bool in_dialog = sip->sip_to->a_tag;
	switch (sip->sip_request->rq_method) {
	case sip_method_invite:
		if (in_dialog)
			return answer(e, msg, SIP_481_NO_TRANSACTION);
		leg_in_invite(e, msg, sip, &peer);
		return 0;
	case sip_method_register:
		register_handle(e, msg, sip, &peer);
		return 0;
	case sip_method_options:
		return in_dialog ? answer(e, msg, SIP_481_NO_TRANSACTION) : options(e, msg);
	case sip_method_bye:
	case sip_method_cancel:
	case sip_method_prack:
	case sip_method_update:
	case sip_method_info:
	case sip_method_notify:
	case sip_method_refer:
		return answer(e, msg, SIP_481_NO_TRANSACTION);
	default:
		if (!trunk)
			auth_suspicious(e, &peer, GUARD_SCAN, "unknown method");
		return answer(e, msg, SIP_405_METHOD_NOT_ALLOWED);
	}
}
