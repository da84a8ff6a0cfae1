/* OPTIONS to carriers that ask for it; any answer means that the carrier lives. */
#include <stdio.h>

#include "directory.h"
#include "legs.h"

static int on_answer(void *arg, nta_outgoing_t *orq, const sip_t *sip)
{
	struct trunk *t = arg;
	int status = nta_outgoing_status(orq);
	if (status < 200)
		return 0;
	bool alive = sip && !nta_sip_is_internal(sip);
	if (alive != t->reachable) {
		if (alive)
			log_info("trunk.reachable", LOG_S("trunk", t->name));
		else
			log_warn("trunk.unreachable", LOG_S("trunk", t->name), LOG_I("status", status));
	}
	t->reachable = alive;
	t->ping = NULL;
	nta_outgoing_destroy(orq);
	return 0;
}

static void ping(struct edge *e, struct trunk *t)
{
	char from[160], to[300];
	snprintf(from, sizeof from, "<sip:%s>", e->host);
	snprintf(to, sizeof to, "<%.*s>", (int)strcspn(t->outbound_uri, ";?"), t->outbound_uri);
	nta_leg_t *leg = nta_leg_tcreate(e->agent, NULL, NULL, SIPTAG_FROM_STR(from), SIPTAG_TO_STR(to),
					 NTATAG_NO_DIALOG(1), URLTAG_URL("sip:keepalive@parley.invalid"), TAG_END());
	if (!leg)
		return;
	t->ping = nta_outgoing_tcreate(leg, on_answer, t, NULL, SIP_METHOD_OPTIONS, (url_string_t *)t->outbound_uri,
				       SIPTAG_CONTACT(stack_contact(e, false)), SIPTAG_USER_AGENT_STR(USER_AGENT),
				       TAG_END());
	nta_leg_destroy(leg);
}

void keepalive_tick(struct edge *e)
{
	int64_t now = edge_now_us(e);
	for (struct trunk *t = e->dir->trunks; t; t = t->hh.next) {
		if (!t->keepalive_ms || !t->enabled || pl_empty(t->outbound_uri)) {
			t->reachable = true;
			continue;
		}
		if (t->ping || now < t->ping_us)
			continue;
		t->ping_us = now + (int64_t)t->keepalive_ms * PL_US_PER_MS;
		ping(e, t);
	}
}
