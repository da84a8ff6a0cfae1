/* REGISTER: digest, then engine/registrar.c decides, then the answer lists what is bound. */
#include <stdio.h>
#include <stdlib.h>

#include "auth.h"
#include "directory.h"
#include "legs.h"
#include "register.h"

#define CONTACTS_MAX 8

static void refuse(struct edge *e, msg_t *msg, int status)
{
	char min[24];
	obs_add(e->m.register_refused, 1);
	snprintf(min, sizeof min, "%" PRId64, e->cfg->register_min_s);
	nta_msg_treply(e->agent, msg, status, NULL, TAG_IF(status == 423, SIPTAG_MIN_EXPIRES_STR(min)),
		       SIPTAG_SERVER_STR(USER_AGENT), TAG_END());
}

/* Fills at most CONTACTS_MAX; false: too many or no SIP URI. */
static bool contacts_of(su_home_t *home, const sip_t *sip, struct reg_contact *out, struct reg_request *r)
{
	for (const sip_contact_t *m = sip->sip_contact; m; m = m->m_next) {
		if (m->m_url->url_type == url_any) {
			r->star = true;
			continue;
		}
		if (r->n == CONTACTS_MAX || (m->m_url->url_type != url_sip && m->m_url->url_type != url_sips) ||
		    !m->m_url->url_host)
			return false;
		url_t url = *m->m_url;
		url.url_headers = NULL;
		out[r->n].uri = url_as_string(home, &url);
		out[r->n].expires_s = -1;
		if (m->m_expires)
			out[r->n].expires_s = (int64_t)strtoul(m->m_expires, NULL, 10);
		r->n++;
	}
	return !(r->star && r->n);
}

static void answer(struct edge *e, msg_t *msg, const struct reg_aor *aor)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	int64_t now = pl_wall_us();
	char *list = NULL;
	for (size_t i = 0; aor && i < aor->n; i++)
		list = pl_arena_printf(tmp, "%s%s<%s>;expires=%" PRId64, list ? list : "", list ? ", " : "",
				       aor->b[i].contact, reg_left_s(&aor->b[i], now));
	obs_add(e->m.register_ok, 1);
	nta_msg_treply(e->agent, msg, SIP_200_OK, TAG_IF(list, SIPTAG_CONTACT_STR(list)), SIPTAG_SERVER_STR(USER_AGENT),
		       TAG_END());
}

/* True when the To of the REGISTER is the account that proved itself: nobody registers for another (RFC 3261 10.3 step
 * 4). */
static bool own_aor(const sip_t *sip, const struct phone *p)
{
	return pl_streq(sip->sip_to->a_url->url_user, p->user);
}

static void apply(struct edge *e, msg_t *msg, const sip_t *sip, const struct peer *peer, struct phone *p)
{
	struct reg_contact contacts[CONTACTS_MAX];
	struct reg_request r = {
		.contacts = contacts,
		.expires_s = sip->sip_expires ? (int64_t)sip->sip_expires->ex_delta : -1,
		.call_id = sip->sip_call_id->i_id,
		.cseq = sip->sip_cseq->cs_seq,
		.next_hop = peer->uri,
		.user_agent = sip->sip_user_agent ? clean_text(e, sip->sip_user_agent->g_string, 63) : "",
		.node = bus_node(e->app->bus),
	};
	struct reg_limits lim = { e->cfg->register_min_s, e->cfg->register_max_s, e->cfg->register_default_s, 0 };
	bool changed = false;
	if (!contacts_of(msg_home(msg), sip, contacts, &r)) {
		refuse(e, msg, 400);
		return;
	}
	if (!sip->sip_contact) { /* only asks what is bound */
		answer(e, msg, p->aor);
		return;
	}
	struct reg_aor *aor = bindings_of(p);
	if (!aor) {
		refuse(e, msg, 500);
		return;
	}
	bool had = aor->n > 0;
	int status = reg_apply(aor, &r, &lim, pl_wall_us(), &changed);
	if (status == 200)
		answer(e, msg, aor);
	else
		refuse(e, msg, status);
	if (changed)
		bindings_changed(e, p, had, "removed");
	else
		bindings_drop_empty(p);
}

void register_handle(struct edge *e, msg_t *msg, sip_t *sip, const struct peer *peer)
{
	struct phone *p;
	if (!phone_of(e, msg, sip, peer, &p))
		return;
	if (!own_aor(sip, p)) {
		auth_suspicious(e, peer, GUARD_SCAN, "register for another");
		refuse(e, msg, 403);
		return;
	}
	apply(e, msg, sip, peer, p);
}
