/* What the edges say: calls that come in, events of legs, audits. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define AUDIT_IDS 1000
#define YOUNG_US (20 * PL_US_PER_S)
#define KIND(k) PARLEY__TELEPHONY__V1__LEG_EVENT_KIND__LEG_EVENT_KIND_##k

typedef Parley__Telephony__V1__LegIncomingRequest incoming_t;

/* One round of an edge's list. */
struct audit_from {
	struct audit_from *next;
	char node[CALL_NODE];
	uint64_t round;
	uint32_t parts;
	struct leg_seen *seen;
};
struct leg_seen {
	UT_hash_handle hh;
	char id[CALL_ID];
};

/* --- a call comes in --- */

static struct call_dest by_route(struct cc *cc, const incoming_t *in, struct pl_arena *a)
{
	const struct route *r =
		routes_find(cc->routes, in->to_number,
			    in->source == PARLEY__TELEPHONY__V1__LEG_SOURCE__LEG_SOURCE_TRUNK ? in->source_id : "");
	struct call_dest d = { .kind = DEST_NONE };
	char uri[CALL_TARGET];
	if (!r)
		return d;
	switch (r->kind) {
	case ROUTE_FLOW:
		d = (struct call_dest){ .kind = DEST_FLOW, .id = r->dest };
		break;
	case ROUTE_QUEUE:
		d = refs_queue(cc->names, r->dest, a);
		break;
	case ROUTE_PHONE:
		d = refs_phone_user(cc->names, r->dest, a);
		break;
	case ROUTE_URI:
		if (route_uri(r, in->to_number, uri, sizeof(uri)) == PL_OK)
			d = (struct call_dest){ .kind = DEST_URI,
						.id = pl_arena_strdup(a, uri),
						.number = in->to_number };
		break;
	default:
		break;
	}
	d.record |= r->record;
	return d;
}

static void reply_owner(struct rpc_call *rpc, struct cc *cc)
{
	Parley__Telephony__V1__LegIncomingResponse m = PARLEY__TELEPHONY__V1__LEG_INCOMING_RESPONSE__INIT;
	m.owner = cc_str(bus_node(cc->app->bus));
	rpc_reply(rpc, &m.base);
}

static void refuse(struct rpc_call *rpc, enum pl_err err, const char *text)
{
	struct pl_why why = { 0 };
	pl_why_set(&why, err, "%s", text);
	rpc_fail(rpc, err, &why);
}

static void begin(struct cc *cc, struct rpc_call *rpc, const incoming_t *in)
{
	char id[PL_ID_LEN];
	bool phone = in->source == PARLEY__TELEPHONY__V1__LEG_SOURCE__LEG_SOURCE_PHONE;
	struct call_dest d = by_route(cc, in, rpc->arena);
	if (phone && d.kind == DEST_NONE) /* our own people may dial each other and out; a trunk may not */
		d = refs_resolve(cc->names, in->to_number, rpc->arena);
	struct cc_call *k = cc_call_new(cc, pl_id_new(id));
	if (!k) {
		refuse(rpc, PL_E_FULL, "max_calls is reached");
		return;
	}
	struct call_event ev = { .kind = CALL_EV_INCOMING };
	ev.incoming = (struct ev_incoming){ .leg_id = in->leg_id,
					    .edge = in->edge_node,
					    .from = in->from_number,
					    .from_name = in->from_name,
					    .to = in->to_number,
					    .source_id = in->source_id,
					    .sip_call_id = in->sip_call_id,
					    .sdp = in->sdp,
					    .from_phone = phone,
					    .internal = phone && d.kind != DEST_TRUNK && d.kind != DEST_URI,
					    .dest = d,
					    .kv = in };
	cc->ended_status = 0;
	enum pl_err err = cc_step(k, &ev);
	if (err)
		cc_call_drop(k);
	/* Where the call ended at once it is gone now; the edge gives the answer to its caller. */
	if (err)
		refuse(rpc, err, "the request is not usable");
	else if (d.kind == DEST_NONE)
		refuse(rpc, PL_E_NOTFOUND, "no route for this number");
	else if (cc->ended_status)
		refuse(rpc, cc->ended_status == 404 ? PL_E_NOTFOUND : PL_E_UNAVAIL,
		       "no media node, edge or device for this call");
	else
		reply_owner(rpc, cc);
}

static void leg_incoming(struct rpc_call *rpc)
{
	struct cc *cc = rpc->arg;
	const incoming_t *in = (const incoming_t *)(const void *)rpc->in;
	const struct bus_node *other;
	struct pl_why why = { 0 };
	if (rpc->actor.role != RPC_SERVICE)
		refuse(rpc, PL_E_DENIED, "between services only");
	else if (rpc_text_ok(rpc->in, &why))
		rpc_fail(rpc, why.err, &why);
	else if (cc_call_by_leg(cc, in->leg_id)) /* asked again */
		reply_owner(rpc, cc);
	else if (cc->draining && (other = bus_pick_node(cc->app->bus, "call-control", bus_node(cc->app->bus))))
		rpc_pass(rpc, other->node);
	else if (cc->draining)
		refuse(rpc, PL_E_UNAVAIL, "draining");
	else if (!routes_loaded(cc->routes) || !actors_held(cc->actors))
		refuse(rpc, PL_E_UNAVAIL, "starting");
	else
		begin(cc, rpc, in);
}

/* --- events of legs --- */

static void user_of(const char *refer_to, char *out, size_t size)
{
	const char *p = refer_to, *colon = strchr(p, ':');
	const char *lt = strchr(p, '<');
	if (lt && (colon = strchr(lt, ':')) == NULL)
		colon = lt;
	p = colon ? colon + 1 : p;
	size_t n = strcspn(p, "@;?>");
	pl_strlcpy(out, p, PL_MIN(size, n + 1));
}

/* The answer to LegAdopt. */
static void on_state(struct cc_call *k, const Parley__Telephony__V1__LegEvent *m)
{
	int at = call_find_leg(&k->c, m->leg_id);
	if (at < 0)
		return;
	struct call_leg *l = &k->c.legs[at];
	bool gone = m->state == PARLEY__TELEPHONY__V1__LEG_STATE__LEG_STATE_GONE;
	bool answer_lost = m->state == PARLEY__TELEPHONY__V1__LEG_STATE__LEG_STATE_UP &&
			   (l->state == LEG_DIALLING || l->state == LEG_RINGING);
	if (!gone && !answer_lost) {
		l->ev_seq = PL_MAX(l->ev_seq, m->seq);
		return;
	}
	if (answer_lost) /* nobody knows its SDP any more: it is let go, and the router offers again */
		cc_hang_up(k->cc, l->edge, l->id, ++l->cmd_seq, "answer lost");
	struct call_event ev = { .kind = CALL_EV_LEG_ENDED };
	ev.leg = (struct ev_leg){ .leg_id = m->leg_id, .status = 503, .lost = true };
	(void)!cc_step(k, &ev);
}

static enum call_event_kind kind_of(Parley__Telephony__V1__LegEventKind k)
{
	switch (k) {
	case KIND(RINGING):
		return CALL_EV_LEG_RINGING;
	case KIND(ANSWERED):
		return CALL_EV_LEG_ANSWERED;
	case KIND(ENDED):
		return CALL_EV_LEG_ENDED;
	case KIND(REINVITED):
		return CALL_EV_LEG_REINVITED;
	case KIND(REMOTE_REINVITE):
		return CALL_EV_LEG_REINVITE;
	case KIND(DIGITS):
		return CALL_EV_LEG_DIGITS;
	case KIND(REFER):
		return CALL_EV_LEG_REFER;
	default:
		return CALL_EVENT_N;
	}
}

static void on_event(void *arg, const struct bus_msg *b)
{
	struct cc *cc = arg;
	struct pl_arena *tmp = pl_loop_tmp(cc->app->loop);
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	if (rpc_unpack(&parley__telephony__v1__leg_event__descriptor, b->data, b->len, tmp, &pm, &why)) {
		log_warn("leg.event-bad", LOG_WHY(&why));
		return;
	}
	const Parley__Telephony__V1__LegEvent *m = (const void *)pm;
	struct cc_call *k = cc_call_by_leg(cc, m->leg_id);
	struct call_event ev = { .kind = kind_of(m->kind) };
	if (!k) {
		if (m->kind != KIND(ENDED) && m->kind != KIND(STATE))
			cc_hang_up(cc, m->edge_node, m->leg_id, UINT32_MAX / 2, "no such call");
		return;
	}
	if (m->kind == KIND(STATE)) {
		on_state(k, m);
		return;
	}
	if (ev.kind == CALL_EVENT_N)
		return;
	ev.leg = (struct ev_leg){ .leg_id = m->leg_id,
				  .seq = m->seq,
				  .status = m->status,
				  .sdp = m->sdp,
				  .reason = m->reason,
				  .digits = m->digits,
				  .by_remote = m->by_remote };
	/* An end that nobody asked for: the edge lost the dialog (481, timer), or no longer knows the leg. */
	ev.leg.lost = m->kind == KIND(ENDED) && !m->by_remote &&
		      (m->seq == 0 || m->status == 481 || m->status == 408 || m->status >= 500);
	char number[CALL_NUMBER];
	if (m->kind == KIND(REFER)) {
		user_of(m->refer_to, number, sizeof(number));
		ev.leg.dest = refs_resolve(cc->names, number, tmp);
	}
	(void)!cc_step(k, &ev);
}

/* --- audits --- */

static struct audit_from *round_of(struct cc *cc, const char *node, uint64_t round)
{
	struct audit_from *f = cc->audits;
	struct leg_seen *s, *next;
	while (f && !pl_streq(f->node, node))
		f = f->next;
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return NULL;
		pl_strlcpy(f->node, node, sizeof(f->node));
		f->next = cc->audits;
		cc->audits = f;
	}
	if (f->round != round) {
		HASH_ITER(hh, f->seen, s, next)
		{
			HASH_DEL(f->seen, s);
			free(s);
		}
		f->round = round;
		f->parts = 0;
	}
	return f;
}

/* A whole round: legs of this edge that it does not list are gone. */
static void missing_end(struct cc *cc, const struct audit_from *f)
{
	struct cc_call *k, *next;
	int64_t now = cc_now(cc);
	HASH_ITER(hh, cc->calls, k, next)
	{
		char lost[CALL_ID] = "";
		for (unsigned i = 0; i < CALL_LEGS && !*lost; i++) {
			const struct call_leg *l = &k->c.legs[i];
			struct leg_seen *s = NULL;
			bool dialled = l->state == LEG_INCOMING || l->state == LEG_DIALLING ||
				       l->state == LEG_RINGING || l->state == LEG_UP;
			if (!dialled || l->kind != LEG_SIP || !pl_streq(l->edge, f->node) ||
			    now - l->since_us < YOUNG_US || now - k->taken_us < YOUNG_US)
				continue;
			HASH_FIND_STR(f->seen, l->id, s);
			if (!s)
				pl_strlcpy(lost, l->id, sizeof(lost));
		}
		if (!*lost)
			continue;
		log_warn("leg.not-listed", LOG_S("leg", lost), LOG_S("edge", f->node));
		struct call_event ev = { .kind = CALL_EV_LEG_ENDED };
		ev.leg = (struct ev_leg){ .leg_id = lost, .status = 481, .lost = true };
		(void)!cc_step(k, &ev); /* another leg of this call: with the next round */
	}
}

static void on_audit(void *arg, const struct bus_msg *b)
{
	struct cc *cc = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	if (rpc_unpack(&parley__telephony__v1__leg_audit__descriptor, b->data, b->len, pl_loop_tmp(cc->app->loop), &pm,
		       &why)) {
		log_warn("audit.bad", LOG_WHY(&why));
		return;
	}
	const Parley__Telephony__V1__LegAudit *m = (const void *)pm;
	struct audit_from *f =
		!pl_empty(m->node) && strlen(m->node) < CALL_NODE ? round_of(cc, m->node, m->round) : NULL;
	if (!f)
		return;
	for (size_t i = 0; i < m->n_leg_ids; i++) {
		struct cc_call *k = cc_call_by_leg(cc, m->leg_ids[i]);
		if (!k || call_find_leg(&k->c, m->leg_ids[i]) < 0) {
			cc_hang_up(cc, m->node, m->leg_ids[i], UINT32_MAX / 2, "no such call");
			continue;
		}
		struct leg_seen *s = calloc(1, sizeof(*s));
		if (!s)
			return; /* the round stays incomplete and ends nothing */
		pl_strlcpy(s->id, m->leg_ids[i], sizeof(s->id));
		HASH_ADD_STR(f->seen, id, s);
	}
	f->parts++;
	if (!m->more && f->parts == m->part + 1)
		missing_end(cc, f);
}

static void audit_send(struct cc *cc, const char *edge)
{
	Parley__Telephony__V1__LegAudit m = PARLEY__TELEPHONY__V1__LEG_AUDIT__INIT;
	struct cc_call *k, *next;
	char subject[CALL_NODE + 16], *ids[AUDIT_IDS];
	snprintf(subject, sizeof(subject), "node.%s.LegAudit", edge);
	m.node = cc_str(bus_node(cc->app->bus));
	m.round = cc->audit_round;
	m.leg_ids = ids;
	HASH_ITER(hh, cc->calls, k, next)
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		struct call_leg *l = &k->c.legs[i];
		if (!call_leg_alive(l) || l->state == LEG_SETUP || l->kind != LEG_SIP || !pl_streq(l->edge, edge))
			continue;
		if (m.n_leg_ids == AUDIT_IDS) {
			m.more = true;
			(void)!rpc_send(cc->app->bus, subject, &m.base);
			m.part++;
			m.n_leg_ids = 0;
		}
		ids[m.n_leg_ids++] = l->id;
	}
	m.more = false;
	(void)!rpc_send(cc->app->bus, subject, &m.base);
}

struct edges {
	char at[CC_NODES][CALL_NODE];
	size_t n;
};

/* Every edge that a call of ours touches, and every one that sent us an audit. */
void on_legs_audit(struct cc *cc)
{
	struct edges e = { .n = 0 };
	struct cc_call *k, *next;
	cc->audit_round++;
	for (struct audit_from *f = cc->audits; f && e.n < CC_NODES; f = f->next)
		pl_strlcpy(e.at[e.n++], f->node, CALL_NODE);
	HASH_ITER(hh, cc->calls, k, next)
	for (unsigned i = 0; i < CALL_LEGS; i++) {
		const char *edge = k->c.legs[i].edge;
		size_t at = 0;
		while (at < e.n && strcmp(e.at[at], edge) != 0)
			at++;
		if (*edge && at == e.n && e.n < CC_NODES)
			pl_strlcpy(e.at[e.n++], edge, CALL_NODE);
	}
	for (size_t i = 0; i < e.n; i++)
		audit_send(cc, e.at[i]);
}

/* --- nodes --- */

static void on_edge_node(void *arg, enum bus_node_change c, const struct bus_node *n)
{
	struct cc *cc = arg;
	struct cc_call *k, *next;
	char node[CALL_NODE];
	if (c == BUS_NODE_UP || !bus_connected(cc->app->bus))
		return;
	pl_strlcpy(node, n->node, sizeof(node));
	log_warn("edge.lost", LOG_S("node", node));
	struct call_event ev = { .kind = CALL_EV_EDGE_LOST, .id = node };
	HASH_ITER(hh, cc->calls, k, next)
	(void)!cc_step(k, &ev);
}

void on_legs_close(struct cc *cc)
{
	for (struct audit_from *f = cc->audits, *next; f; f = next) {
		struct leg_seen *s, *n;
		next = f->next;
		HASH_ITER(hh, f->seen, s, n)
		{
			HASH_DEL(f->seen, s);
			free(s);
		}
		free(f);
	}
	cc->audits = NULL;
}

enum pl_err on_legs_open(struct cc *cc, struct pl_why *why)
{
	static const struct rpc_entry entries[] = { { "LegIncoming", leg_incoming }, { NULL, NULL } };
	char subject[CALL_NODE + 32];
	snprintf(subject, sizeof(subject), "node.%s.LegEvents", bus_node(cc->app->bus));
	enum pl_err err = cc_subscribe(cc, subject, NULL, on_event, why);
	snprintf(subject, sizeof(subject), "node.%s.LegAudit", bus_node(cc->app->bus));
	if (!err)
		err = cc_subscribe(cc, subject, NULL, on_audit, why);
	if (!err)
		err = bus_watch_nodes(cc->app->bus, "sip-edge", on_edge_node, cc);
	if (!err)
		err = rpc_serve_node(cc->app->bus, &parley__telephony__v1__leg_internal_service__descriptor, entries,
				     cc, why);
	return err ? err
		   : rpc_serve(cc->app->bus, &parley__telephony__v1__leg_internal_service__descriptor, entries, cc,
			       why);
}
