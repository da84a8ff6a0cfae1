/* Outgoing calls: a dial of the owner becomes one INVITE per target; the first 2xx wins. */
#include <stdio.h>
#include <stdlib.h>

#include "directory.h"
#include "legs.h"

#define RING_DEFAULT_MS 60000
#define RING_MAX_MS 600000

static void fork_event(struct fork *f, enum fork_event ev, const struct leg_input *in);

/* --- what the INVITE says --- */

/* User part of a URI: what RFC 3261 25.1 allows unescaped, the rest as %hh. */
static const char *uri_user(struct edge *e, const char *s)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,;?/";
	size_t n = strnlen(s, 128);
	char *out = pl_arena_alloc(pl_loop_tmp(e->app->loop), n * 3 + 1), *p = out;
	if (!out)
		return "";
	for (size_t i = 0; i < n; i++) {
		if (strchr(plain, s[i]))
			*p++ = s[i];
		else
			p += sprintf(p, "%%%02X", (unsigned char)s[i]);
	}
	*p = 0;
	return out;
}

static const char *from_text(struct edge *e, const struct dial *d)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	const char *number = pl_empty(d->from_number) ? "anonymous" : uri_user(e, d->from_number);
	size_t n = d->from_name ? strnlen(d->from_name, 128) : 0;
	char name[2 * 128 + 1], *p = name;
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)d->from_name[i];
		if (c < 0x20 || c == 0x7f)
			continue;
		if (c == '"' || c == '\\')
			*p++ = '\\';
		*p++ = (char)c;
	}
	*p = 0;
	return *name ? pl_arena_printf(tmp, "\"%s\" <sip:%s@%s>", name, number, e->host)
		     : pl_arena_printf(tmp, "<sip:%s@%s>", number, e->host);
}

static bool header_ok(const Parley__Common__V1__KeyValue *kv)
{
	static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
	if (strncasecmp(kv->key, "X-", 2) != 0 || kv->key[strspn(kv->key, token)] || strlen(kv->key) > 64 ||
	    strlen(kv->value) > 1024)
		return false;
	for (const unsigned char *p = (const unsigned char *)kv->value; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

/* The owner's X- headers, and those that make a phone answer by itself. NULL when there are none. */
static const char *extra_headers(struct edge *e, const struct dial *d)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	const char *out = d->auto_answer ? "Call-Info: <sip:parley.invalid>;answer-after=0\r\nAlert-Info: "
					   "<http://parley.invalid>;info=alert-autoanswer\r\n"
					 : "";
	for (size_t i = 0; i < d->cmd->n_headers && i < 32 && out; i++)
		if (header_ok(d->cmd->headers[i]))
			out = pl_arena_printf(tmp, "%s%s: %s\r\n", out, d->cmd->headers[i]->key,
					      d->cmd->headers[i]->value);
	return pl_empty(out) ? NULL : out;
}

/* --- forks --- */

static int on_invite_answer(void *arg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct fork *f = arg;
	struct leg *l = f->leg;
	int status = nta_outgoing_status(orq);
	struct leg_input in = { .status = status,
				.sip = sip,
				.sdp = sdp_of(l->edge, sip),
				.reason = sip && sip->sip_status ? clean_text(l->edge, sip->sip_status->st_phrase, 128)
								 : "" };
	if (status < 200) {
		fork_event(f, FORK_EV_1XX, &in);
	} else if (status < 300) {
		bool wanted = l->sm.state == LEG_OUT_CALLING || l->sm.state == LEG_OUT_RINGING;
		nta_leg_rtag(f->dialog, sip->sip_to->a_tag);
		nta_leg_client_reroute(f->dialog, sip->sip_record_route, sip->sip_contact, 1);
		if (sip->sip_record_route) { /* proxies stay on the path: they know the way */
			free(f->next_hop);
			f->next_hop = NULL;
		}
		fork_event(f, wanted ? FORK_EV_2XX_WANTED : FORK_EV_2XX_LATE, &in);
	} else {
		if (status == 408 && (!sip || (sip->sip_flags & MSG_FLG_USERMASK) || nta_sip_is_internal(sip)))
			obs_add(l->edge->m.tx_timeouts, 1);
		fork_event(f, FORK_EV_FAIL, &in);
	}
	return 0;
}

static int on_fork_bye_answer(void *arg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct fork *f = arg;
	if (nta_outgoing_status(orq) >= 200)
		fork_event(f, FORK_EV_CLOSED, NULL);
	return 0;
}

static url_string_t *hop(const char *next_hop)
{
	return (url_string_t *)next_hop;
}

static bool fork_send(struct fork *f, const char *request_uri, const struct dial *d)
{
	struct leg *l = f->leg;
	struct edge *e = l->edge;
	char se[48];
	bool stream = strcasestr(f->next_hop ? f->next_hop : request_uri, "transport=t");
	const char *extra = extra_headers(e, d);
	f->dialog = nta_leg_tcreate(e->agent, leg_on_request, l, SIPTAG_FROM_STR(from_text(e, d)),
				    SIPTAG_TO_STR(d->to_uri), TAG_END());
	if (!f->dialog || !nta_leg_tag(f->dialog, NULL))
		return false;
	l->stream = stream;
	snprintf(se, sizeof se, "%" PRId64 ";refresher=uac", e->cfg->session_expires_s);
	f->invite = nta_outgoing_tcreate(f->dialog, on_invite_answer, f, hop(f->next_hop), SIP_METHOD_INVITE,
					 (url_string_t *)request_uri, SIPTAG_CONTACT(stack_contact(e, stream)),
					 SIPTAG_USER_AGENT_STR(USER_AGENT), SIPTAG_ALLOW_STR(ALLOW),
					 SIPTAG_SUPPORTED_STR("timer"), SIPTAG_SESSION_EXPIRES_STR(se),
					 SIPTAG_MIN_SE_STR("90"), TAG_IF(extra, SIPTAG_HEADER_STR(extra)),
					 TAG_IF(l->local_sdp, SIPTAG_CONTENT_TYPE_STR("application/sdp")),
					 TAG_IF(l->local_sdp, SIPTAG_PAYLOAD_STR(l->local_sdp)), TAG_END());
	return f->invite;
}

static void fork_begin(struct leg *l, const char *request_uri, const char *next_hop, const struct dial *d)
{
	struct fork *f = calloc(1, sizeof *f);
	if (!f)
		return;
	f->leg = l;
	f->next = l->forks;
	l->forks = f;
	f->next_hop = next_hop && *next_hop ? strdup(next_hop) : NULL;
	if (!fork_send(f, request_uri, d)) {
		log_warn("dial.unsendable", LOG_S("leg", l->id), LOG_PHONE("uri", request_uri));
		f->sm.state = FORK_GONE;
		f->done = true;
	}
}

static bool forks_done(const struct leg *l)
{
	for (const struct fork *f = l->forks; f; f = f->next)
		if (!f->done)
			return false;
	return true;
}

static void fork_won(struct fork *winner, const struct leg_input *in)
{
	struct leg *l = winner->leg;
	l->dialog = winner->dialog;
	winner->dialog = NULL;
	l->next_hop = PL_TAKE(winner->next_hop);
	winner->done = true;
	session_from_answer(l, in->sip);
	for (struct fork *f = l->forks; f; f = f->next)
		if (f != winner)
			fork_event(f, FORK_EV_CANCEL, NULL);
	const sip_contact_t *m = in->sip->sip_contact;
	struct leg_input up = *in;
	up.contact = m ? url_text(l->edge, m->m_url) : NULL;
	leg_event_if(l, LEG_EV_RX_2XX, &up);
}

static void fork_do(struct fork *f, unsigned fx, const struct leg_input *in)
{
	struct leg *l = f->leg;
	if (fx & FORK_FX_ACK)
		leg_ack(f->dialog, f->next_hop, in->sip);
	if (fx & FORK_FX_CANCEL)
		nta_outgoing_tcancel(f->invite, NULL, NULL, TAG_END());
	if (fx & FORK_FX_BYE) {
		f->bye = nta_outgoing_tcreate(f->dialog, on_fork_bye_answer, f, hop(f->next_hop), SIP_METHOD_BYE, NULL,
					      SIPTAG_USER_AGENT_STR(USER_AGENT), TAG_END());
		if (!f->bye)
			fork_event(f, FORK_EV_CLOSED, NULL);
	}
	if (fx & FORK_FX_TELL_RINGING)
		leg_event_if(l, LEG_EV_RX_1XX, in);
	if (fx & FORK_FX_TELL_WON)
		fork_won(f, in);
	if (fx & FORK_FX_TELL_DONE) {
		f->done = true;
		if (in)
			l->fork_status = fork_better(l->fork_status, in->status);
		if (forks_done(l) && !l->dialog)
			leg_event_if(l, LEG_EV_RX_FAIL,
				     &(struct leg_input){ .status = l->fork_status, .reason = in ? in->reason : "" });
	}
}

static void fork_event(struct fork *f, enum fork_event ev, const struct leg_input *in)
{
	unsigned fx = 0;
	if (!fork_step(&f->sm, ev, &fx))
		fork_do(f, fx, in);
}

void forks_free(struct leg *l)
{
	while (l->forks) {
		struct fork *f = l->forks;
		l->forks = f->next;
		nta_outgoing_destroy(f->invite);
		nta_outgoing_destroy(f->bye);
		if (f->dialog)
			nta_leg_destroy(f->dialog);
		free(f->next_hop);
		free(f);
	}
}

void leg_out_cancel(struct leg *l)
{
	for (struct fork *f = l->forks; f; f = f->next)
		fork_event(f, FORK_EV_CANCEL, NULL);
	if (forks_done(l))
		leg_event_if(l, LEG_EV_CLOSED, NULL);
}

void leg_out_ring(struct leg *l, const struct leg_input *in)
{
	const struct dial *d = in->dial;
	l->local_sdp = pl_empty(d->sdp) ? NULL : strdup(d->sdp);
	for (size_t i = 0; d->aor && i < d->aor->n; i++)
		fork_begin(l, d->aor->b[i].contact, d->aor->b[i].next_hop, d);
	if (!d->aor)
		fork_begin(l, d->target, NULL, d);
	if (forks_done(l))
		leg_event_if(l, LEG_EV_RX_FAIL, &(struct leg_input){ .status = 503, .reason = "Cannot be sent" });
}

/* --- the command --- */

/* sip:number@host;params of the carrier's URI. */
static const char *trunk_uri(struct edge *e, const struct trunk *t, const char *number, bool params)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	url_t *u = url_hdup(e->home, URL_STRING_MAKE(t->outbound_uri)->us_url);
	const char *out = NULL;
	if (u && u->url_host)
		out = pl_arena_printf(tmp, "sip:%s@%s%s%s%s%s", uri_user(e, number), u->url_host,
				      u->url_port ? ":" : "", u->url_port ? u->url_port : "",
				      params && u->url_params ? ";" : "", params && u->url_params ? u->url_params : "");
	su_free(e->home, u);
	return out;
}

static bool uri_ok(struct edge *e, const char *uri)
{
	url_t *u = url_hdup(e->home, URL_STRING_MAKE(uri)->us_url);
	bool ok = u && (u->url_type == url_sip || u->url_type == url_sips) && u->url_host && *u->url_host &&
		  strlen(uri) < 512 && !strpbrk(uri, "\r\n <>");
	su_free(e->home, u);
	return ok;
}

/* SIP status that says why not; 0: *d is complete. */
static int target_of(struct edge *e, struct leg *l, const Parley__Telephony__V1__LegDial *c, struct dial *d)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	switch (c->target_case) {
	case PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_PHONE_ID: {
		struct phone *p = phone_by_id(e, c->phone_id);
		if (!p)
			return 404;
		if (!p->enabled || !p->aor || !p->aor->n)
			return 480;
		d->aor = p->aor;
		d->to_uri = pl_arena_printf(tmp, "<sip:%s@%s>", uri_user(e, p->user), e->host);
		return 0;
	}
	case PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_URI:
		if (!uri_ok(e, c->uri))
			return 400;
		d->target = c->uri;
		d->to_uri = pl_arena_printf(tmp, "<%.*s>", (int)strcspn(c->uri, ";?"), c->uri);
		return 0;
	case PARLEY__TELEPHONY__V1__LEG_DIAL__TARGET_TRUNK: {
		struct trunk *t = trunk_by_id(e, c->trunk->trunk_id);
		if (!t || !t->enabled || !uri_ok(e, t->outbound_uri))
			return 404;
		if (t->max_channels && t->channels >= t->max_channels)
			return 503;
		d->target = trunk_uri(e, t, c->trunk->number, true);
		const char *to = trunk_uri(e, t, c->trunk->number, false);
		d->to_uri = pl_arena_printf(tmp, "<%s>", to ? to : "");
		if (pl_empty(d->from_number))
			d->from_number = t->caller_id;
		l->trunk = t;
		trunk_take(t);
		return d->target ? 0 : 404;
	}
	default:
		return 400;
	}
}

void leg_out_dial(struct edge *e, const Parley__Telephony__V1__LegCommand *c)
{
	const Parley__Telephony__V1__LegDial *dc = c->dial;
	struct leg *l = leg_new(e, c->leg_id, false);
	if (!l)
		return;
	pl_strlcpy(l->owner, c->owner, sizeof l->owner);
	l->cmd_seq = c->seq;
	struct dial d = { .from_number = dc->from_number,
			  .from_name = dc->from_name,
			  .sdp = dc->sdp,
			  .auto_answer = dc->auto_answer,
			  .cmd = dc };
	int status = e->n_legs > e->cfg->max_legs ? 503 : e->draining ? 503 : target_of(e, l, dc, &d);
	uint32_t ring = dc->ring_timeout_ms ? PL_MIN(dc->ring_timeout_ms, RING_MAX_MS) : RING_DEFAULT_MS;
	if (!status) {
		leg_event_if(l, LEG_EV_DIAL, &(struct leg_input){ .expires_ms = ring, .dial = &d });
		return;
	}
	/* Nothing was sent: the machine goes through both steps, so that the owner hears an ordinary end. */
	log_info("dial.refused", LOG_S("leg", l->id), LOG_I("status", status));
	l->sm.state = LEG_OUT_CALLING;
	leg_event_if(l, LEG_EV_RX_FAIL, &(struct leg_input){ .status = status, .reason = "Not dialled" });
}
