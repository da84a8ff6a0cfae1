/* Incoming calls: from INVITE to the ACK of our answer. */
#include <stdio.h>
#include <stdlib.h>

#include "auth.h"
#include "directory.h"
#include "legs.h"

#define HEADERS_MAX 32
#define HEADERS_BYTES_MAX 8192

/* LegIncoming on its way. It outlives the leg when the caller gives up first, because the owner, once known, must hear
 * of it. */
struct incoming_ask {
	struct pl_list link; /* on edge->asks */
	struct edge *edge;
	struct leg *leg; /* NULL: ended meanwhile */
	uint64_t request;
	char leg_id[PL_ID_LEN];
	int64_t asked_us;
};

static void refuse(struct edge *e, msg_t *msg, int status, const char *phrase, enum refusal why)
{
	char after[16];
	snprintf(after, sizeof after, "%d", admit_retry_after_s(edge_random(e)));
	obs_add(e->m.overload[why], 1);
	obs_add(e->m.calls[1][CALL_REFUSED], 1);
	nta_msg_treply(e->agent, msg, status, phrase, SIPTAG_RETRY_AFTER_STR(after), SIPTAG_SERVER_STR(USER_AGENT),
		       TAG_END());
}

static bool admitted(struct edge *e, msg_t *msg)
{
	if (e->draining) {
		refuse(e, msg, SIP_503_SERVICE_UNAVAILABLE, REFUSE_DRAIN);
		return false;
	}
	enum admit_verdict v = admit_call(&e->admit, &e->admit_lim, e->n_legs, edge_now_us(e));
	if (v == ADMIT_OK)
		return true;
	refuse(e, msg, SIP_503_SERVICE_UNAVAILABLE,
	       v == ADMIT_LEGS   ? REFUSE_LEGS
	       : v == ADMIT_RATE ? REFUSE_RATE
				 : REFUSE_SLOW);
	return false;
}

/* The X- headers, and those a flow may ask for. */
static size_t headers_of(struct edge *e, const sip_t *sip, Parley__Common__V1__KeyValue **out)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	size_t n = 0, bytes = 0;
	for (const msg_header_t *h = (const msg_header_t *)sip->sip_unknown; h && n < HEADERS_MAX; h = h->sh_next) {
		const msg_unknown_t *u = (const msg_unknown_t *)h;
		if (!u->un_name || !su_casenmatch(u->un_name, "X-", 2) || !u->un_value)
			continue;
		bytes += strlen(u->un_name) + strlen(u->un_value);
		Parley__Common__V1__KeyValue *kv = PL_NEW(tmp, Parley__Common__V1__KeyValue);
		if (bytes > HEADERS_BYTES_MAX || !kv)
			break;
		parley__common__v1__key_value__init(kv);
		kv->key = (char *)clean_text(e, u->un_name, 128);
		kv->value = (char *)clean_text(e, u->un_value, 1024);
		out[n++] = kv;
	}
	return n;
}

static void incoming_answered(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct incoming_ask *ask = arg;
	struct edge *e = ask->edge;
	struct leg *l = ask->leg;
	int64_t took = pl_mono_us() - ask->asked_us;
	obs_observe(e->m.leg_incoming_us, took);
	admit_answered(&e->admit, took);
	const Parley__Telephony__V1__LegIncomingResponse *r = (const void *)out;
	pl_list_remove(&ask->link);
	if (!l && !err)
		owner_tell_unknown(e, r->owner, ask->leg_id);
	free(ask);
	if (!l)
		return;
	l->ask = NULL;
	if (!err) {
		if (!*l->owner)
			pl_strlcpy(l->owner, r->owner, sizeof l->owner);
		return;
	}
	int status = err == PL_E_NOTFOUND   ? 404
		     : err == PL_E_DENIED   ? 403
		     : err == PL_E_FORMAT   ? 400
		     : err == PL_E_INTERNAL ? 500
					    : 503;
	if (status != 404)
		log_warn("incoming.refused", LOG_S("leg", l->id), LOG_I("status", status), LOG_WHY(why));
	leg_event_if(l, LEG_EV_HANGUP, &(struct leg_input){ .status = status, .reason = "call-control refused" });
}

static bool ask_call_control(struct leg *l, Parley__Telephony__V1__LegIncomingRequest *q)
{
	struct edge *e = l->edge;
	struct pl_why why = { 0 };
	struct incoming_ask *ask = calloc(1, sizeof *ask);
	if (!ask)
		return false;
	*ask = (struct incoming_ask){ .edge = e, .leg = l, .asked_us = pl_mono_us() };
	pl_strlcpy(ask->leg_id, l->id, sizeof ask->leg_id);
	struct rpc_to to = { .service = &parley__telephony__v1__leg_internal_service__descriptor,
			     .method = "LegIncoming",
			     .actor = "service sip-edge",
			     .timeout_ms = e->cfg->incoming_timeout_ms };
	ask->request = rpc_ask(e->app->bus, &to, &q->base, incoming_answered, ask, &why);
	if (!ask->request) {
		log_warn("incoming.not_asked", LOG_S("leg", l->id), LOG_WHY(&why));
		free(ask);
		return false;
	}
	pl_list_push(&e->asks, &ask->link);
	l->ask = ask;
	return true;
}

void leg_in_cancel_asks(struct edge *e)
{
	PL_LIST_EACH_SAFE (it, &e->asks) {
		struct incoming_ask *ask = PL_CONTAINER(it, struct incoming_ask, link);
		rpc_cancel(e->app->bus, ask->request);
		pl_list_remove(it);
		free(ask);
	}
}

static void tell_call_control(struct leg *l, const sip_t *sip, const struct caller *who, const struct peer *peer)
{
	struct edge *e = l->edge;
	Parley__Common__V1__KeyValue *headers[HEADERS_MAX];
	Parley__Telephony__V1__LegIncomingRequest q = PARLEY__TELEPHONY__V1__LEG_INCOMING_REQUEST__INIT;
	const char *sdp = sdp_of(e, sip);
	q.leg_id = l->id;
	q.edge_node = (char *)bus_node(e->app->bus);
	q.source = who->trunk ? PARLEY__TELEPHONY__V1__LEG_SOURCE__LEG_SOURCE_TRUNK
			      : PARLEY__TELEPHONY__V1__LEG_SOURCE__LEG_SOURCE_PHONE;
	q.source_id = (char *)who->id;
	q.from_number = (char *)clean_text(e, who->user ? who->user : sip->sip_from->a_url->url_user, 128);
	const char *name = sip->sip_from->a_display;
	su_home_t *home = su_home_new(sizeof *home);
	char *plain = name && *name == '"' && home ? msg_unquote_dup(home, name) : NULL;
	q.from_name = (char *)clean_text(e, plain ? plain : name, 128);
	su_home_unref(home);
	q.to_number = (char *)clean_text(e, sip->sip_request->rq_url->url_user, 128);
	q.sdp = (char *)(sdp ? sdp : "");
	q.sip_call_id = (char *)clean_text(e, sip->sip_call_id->i_id, 256);
	q.remote_address = (char *)peer->uri;
	q.time = rpc_ts(pl_loop_tmp(e->app->loop), pl_wall_us());
	q.headers = headers;
	q.n_headers = headers_of(e, sip, headers);
	if (!ask_call_control(l, &q))
		leg_event_if(l, LEG_EV_HANGUP, &(struct leg_input){ .status = 503, .reason = "call-control is away" });
}

/* Dialog and server transaction; the message belongs to the transaction afterwards. */
static bool dialog_make(struct leg *l, msg_t *msg, sip_t *sip, const struct caller *who, const struct peer *peer)
{
	struct edge *e = l->edge;
	l->dialog =
		nta_leg_tcreate(e->agent, leg_on_request, l, SIPTAG_CALL_ID(sip->sip_call_id), SIPTAG_FROM(sip->sip_to),
				SIPTAG_TO(sip->sip_from), NTATAG_REMOTE_CSEQ(sip->sip_cseq->cs_seq), TAG_END());
	if (!l->dialog || !nta_leg_tag(l->dialog, NULL)) {
		nta_msg_treply(e->agent, msg, SIP_500_INTERNAL_SERVER_ERROR, TAG_END());
		return false;
	}
	nta_leg_server_route(l->dialog, sip->sip_record_route, sip->sip_contact);
	l->invite_in = nta_incoming_create(e->agent, l->dialog, msg, sip, TAG_END());
	if (!l->invite_in)
		return false;
	nta_incoming_bind(l->invite_in, leg_on_ack_cancel, l);
	l->stream = peer->stream;
	/* A phone may sit behind NAT: back to where the INVITE came from, unless proxies ask to stay on the path. */
	if (!who->trunk && !sip->sip_record_route)
		l->next_hop = strdup(peer->uri);
	return true;
}

static void begin(struct edge *e, msg_t *msg, sip_t *sip, const struct caller *who, const struct peer *peer)
{
	char id[PL_ID_LEN];
	struct leg *l = leg_new(e, pl_id_new(id), true);
	if (!l) {
		nta_msg_treply(e->agent, msg, SIP_503_SERVICE_UNAVAILABLE, TAG_END());
		return;
	}
	leg_event_if(l, LEG_EV_INVITE, NULL);
	if (!dialog_make(l, msg, sip, who, peer)) {
		leg_event_if(l, LEG_EV_HANGUP, &(struct leg_input){ .status = 500 });
		return;
	}
	if (who->trunk) {
		l->trunk = who->trunk;
		trunk_take(l->trunk);
	}
	l->offerless = !sip->sip_payload;
	session_from_invite(l, sip);
	nta_incoming_treply(l->invite_in, SIP_100_TRYING, TAG_END());
	tell_call_control(l, sip, who, peer);
}

void leg_in_invite(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer)
{
	struct caller who;
	if (!sip->sip_contact || !sip->sip_contact->m_url->url_host) {
		nta_msg_treply(e->agent, msg, 400, "Contact missing", TAG_END());
		return;
	}
	if (!caller_of(e, msg, sip, peer, &who))
		return; /* answered: challenge, 403, or nothing at all */
	if (!admitted(e, msg))
		return;
	if (who.trunk && who.trunk->max_channels && who.trunk->channels >= who.trunk->max_channels) {
		refuse(e, msg, SIP_503_SERVICE_UNAVAILABLE, REFUSE_CHANNELS);
		return;
	}
	if (sip->sip_payload && !sdp_of(e, sip)) {
		nta_msg_treply(e->agent, msg, SIP_415_UNSUPPORTED_MEDIA, SIPTAG_ACCEPT_STR("application/sdp"),
			       TAG_END());
		return;
	}
	if (sip->sip_require && !(sip_has_feature(sip->sip_require, "timer") && !sip->sip_require->k_items[1])) {
		nta_msg_treply(e->agent, msg, SIP_420_BAD_EXTENSION,
			       SIPTAG_UNSUPPORTED((const sip_unsupported_t *)sip->sip_require), TAG_END());
		return;
	}
	begin(e, msg, sip, &who, peer);
}

void leg_in_progress(struct leg *l, const struct leg_input *in)
{
	bool sdp = !pl_empty(in->sdp);
	int status = in->status == 183 || sdp ? 183 : 180;
	nta_incoming_treply(l->invite_in, status, status == 183 ? sip_183_Session_progress : sip_180_Ringing,
			    SIPTAG_CONTACT(stack_contact(l->edge, l->stream)), SIPTAG_SERVER_STR(USER_AGENT),
			    TAG_IF(sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
			    TAG_IF(sdp, SIPTAG_PAYLOAD_STR(in->sdp)), TAG_END());
}

void leg_in_ok(struct leg *l, const struct leg_input *in)
{
	char se[64];
	const char *session = session_header(l, true, se);
	free(l->local_sdp);
	l->local_sdp = strdup(in->sdp ? in->sdp : "");
	nta_incoming_treply(l->invite_in, SIP_200_OK, SIPTAG_CONTACT(stack_contact(l->edge, l->stream)),
			    SIPTAG_SERVER_STR(USER_AGENT), SIPTAG_ALLOW_STR(ALLOW), SIPTAG_SUPPORTED_STR("timer"),
			    TAG_IF(session, SIPTAG_SESSION_EXPIRES_STR(session)),
			    TAG_IF(session && l->session.supported, SIPTAG_REQUIRE_STR("timer")),
			    SIPTAG_CONTENT_TYPE_STR("application/sdp"), SIPTAG_PAYLOAD_STR(l->local_sdp), TAG_END());
}

void leg_in_refuse(struct leg *l, const struct leg_input *in)
{
	char after[16];
	int status = in->status >= 300 && in->status <= 699 ? in->status : 480;
	snprintf(after, sizeof after, "%d", admit_retry_after_s(edge_random(l->edge)));
	/* The To tag of the dialog is in every answer; the transaction keeps what it needs for repeats. */
	if (l->invite_in)
		nta_incoming_treply(l->invite_in, status, NULL, SIPTAG_SERVER_STR(USER_AGENT),
				    TAG_IF(status == 503, SIPTAG_RETRY_AFTER_STR(after)), TAG_END());
}

void leg_in_forget(struct leg *l)
{
	if (l->ask)
		l->ask->leg = NULL;
	l->ask = NULL;
	if (l->invite_in) {
		nta_incoming_bind(l->invite_in, NULL, NULL);
		nta_incoming_destroy(l->invite_in);
	}
	l->invite_in = NULL;
}
