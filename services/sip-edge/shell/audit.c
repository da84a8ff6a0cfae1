/* What heals lost messages and dead owners: LegAudit both ways, and the end of legs nobody owns. */
#include <stdlib.h>

#include "legs.h"

#define EVERY_S 10
#define IDS_PER_MESSAGE 1000
#define YOUNG_US (20 * PL_US_PER_S)

/* One round of an owner's lists; a handful of owners at a time. */
struct owner_round {
	UT_hash_handle hh;
	char node[49];
	uint64_t round;
	uint32_t parts; /* seen of this round */
	uint64_t mark;  /* what its legs got in listed_round */
};

struct batch {
	UT_hash_handle hh;
	char owner[49];
	char **ids;
	size_t n, sent;
	uint32_t part;
};

static void batch_send(struct edge *e, struct batch *b, bool more)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	Parley__Telephony__V1__LegAudit a = PARLEY__TELEPHONY__V1__LEG_AUDIT__INIT;
	char *subject = pl_arena_printf(tmp, "node.%s.LegAudit", b->owner);
	a.node = (char *)bus_node(e->app->bus);
	a.leg_ids = b->ids;
	a.n_leg_ids = b->n;
	a.more = more;
	a.round = e->audit_round;
	a.part = b->part++;
	if (!subject || rpc_send(e->app->bus, subject, &a.base))
		log_debug("audit.not_sent", LOG_S("owner", b->owner));
	b->n = 0;
}

static struct batch *batch_of(struct edge *e, struct batch **all, const char *owner)
{
	struct batch *b = NULL;
	HASH_FIND_STR(*all, owner, b);
	if (b)
		return b;
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	b = PL_NEW(tmp, struct batch);
	if (!b)
		return NULL;
	b->ids = pl_arena_alloc(tmp, IDS_PER_MESSAGE * sizeof *b->ids);
	pl_strlcpy(b->owner, owner, sizeof b->owner);
	if (!b->ids)
		return NULL;
	HASH_ADD_STR(*all, owner, b);
	return b;
}

void audit_send(struct edge *e)
{
	struct batch *all = NULL, *b, *bnext;
	if (e->seconds % EVERY_S)
		return;
	e->audit_round++;
	for (struct leg *l = e->legs; l; l = l->hh.next) {
		if (!*l->owner || l->sm.state == LEG_CLEARING || l->sm.state == LEG_OUT_CANCEL ||
		    l->sm.state == LEG_IN_DRAIN)
			continue;
		b = batch_of(e, &all, l->owner);
		if (!b)
			break;
		if (b->n == IDS_PER_MESSAGE)
			batch_send(e, b, true);
		b->ids[b->n++] = l->id;
	}
	HASH_ITER(hh, all, b, bnext)
	{
		batch_send(e, b, false);
		HASH_DEL(all, b);
	}
}

static struct owner_round *round_of(struct edge *e, const char *node, uint64_t round)
{
	struct owner_round *r = NULL;
	HASH_FIND_STR(e->rounds, node, r);
	if (!r) {
		r = HASH_COUNT(e->rounds) < 1000 ? calloc(1, sizeof *r) : NULL;
		if (!r)
			return NULL;
		pl_strlcpy(r->node, node, sizeof r->node);
		HASH_ADD_STR(e->rounds, node, r);
	}
	if (r->round != round || !r->mark) {
		r->round = round;
		r->parts = 0;
		r->mark = ++e->marks;
	}
	return r;
}

/* A whole round is here: what this owner does not list twice in a row is hung up. */
static void missing_end(struct edge *e, const struct owner_round *r)
{
	struct leg *l, *next;
	int64_t now = edge_now_us(e);
	HASH_ITER(hh, e->legs, l, next)
	{
		if (!pl_streq(l->owner, r->node) || now - l->born_us < YOUNG_US)
			continue;
		if (l->listed_round == r->mark) {
			l->unlisted = 0;
			continue;
		}
		if (++l->unlisted < 2)
			continue;
		log_warn("leg.not_listed", LOG_S("leg", l->id), LOG_S("owner", r->node));
		leg_event_if(l, LEG_EV_HANGUP, &(struct leg_input){ .reason = "Owner does not know it" });
	}
}

static void on_audit(void *arg, const struct bus_msg *m)
{
	struct edge *e = arg;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	if (rpc_unpack(&parley__telephony__v1__leg_audit__descriptor, m->data, m->len, pl_loop_tmp(e->app->loop), &pm,
		       &why)) {
		log_warn("audit.bad", LOG_WHY(&why));
		return;
	}
	const Parley__Telephony__V1__LegAudit *a = (const void *)pm;
	struct owner_round *r = !pl_empty(a->node) && strlen(a->node) < 49 ? round_of(e, a->node, a->round) : NULL;
	if (!r)
		return;
	for (size_t i = 0; i < a->n_leg_ids; i++) {
		struct leg *l = leg_find(e, a->leg_ids[i]);
		if (!l || !pl_streq(l->owner, a->node))
			owner_tell_unknown(e, a->node, a->leg_ids[i]);
		else
			l->listed_round = r->mark;
	}
	r->parts++;
	if (!a->more && r->parts == a->part + 1)
		missing_end(e, r);
}

static void on_node(void *arg, enum bus_node_change c, const struct bus_node *n)
{
	struct edge *e = arg;
	for (struct leg *l = e->legs; l; l = l->hh.next)
		if (pl_streq(l->owner, n->node))
			l->orphan_us = c == BUS_NODE_UP ? 0 : edge_now_us(e);
	log_info(c == BUS_NODE_UP ? "owner.up" : "owner.down", LOG_S("node", n->node));
}

/* Once a second. With the bus away nobody can be heard: then no owner counts as lost. */
void orphans_check(struct edge *e)
{
	struct leg *l, *next;
	int64_t now = edge_now_us(e);
	bool deaf = !bus_connected(e->app->bus);
	HASH_ITER(hh, e->legs, l, next)
	{
		if (deaf && l->orphan_us)
			l->orphan_us = now;
		if (!l->orphan_us) {
			if (e->seconds % EVERY_S == 0 && *l->owner && !deaf &&
			    !bus_find_node(e->app->bus, "call-control", l->owner))
				l->orphan_us = now;
			continue;
		}
		if (now - l->orphan_us < e->cfg->orphan_s * PL_US_PER_S)
			continue;
		l->orphan_us = now;
		log_warn("leg.orphan", LOG_S("leg", l->id), LOG_S("owner", l->owner));
		leg_event_if(l, LEG_EV_HANGUP, &(struct leg_input){ .status = 503, .reason = "Owner is gone" });
	}
}

void audit_close(struct edge *e)
{
	struct owner_round *r, *next;
	HASH_ITER(hh, e->rounds, r, next)
	{
		HASH_DEL(e->rounds, r);
		free(r);
	}
}

enum pl_err audit_open(struct edge *e, struct pl_why *why)
{
	char *subject = pl_arena_printf(e->app->arena, "node.%s.LegAudit", bus_node(e->app->bus));
	enum pl_err err = bus_subscribe(&e->sub_audit, e->app->bus, subject, NULL, on_audit, e, why);
	if (!err)
		err = bus_watch_nodes(e->app->bus, "call-control", on_node, e);
	return err;
}
