/* What PostgreSQL has and the engine has not: put into the log by a new leader. What the engine had before the
 * reading began and PostgreSQL has not is deleted; what came while reading is left alone. */
#include <stdlib.h>

#include "thing.h"

struct known {
	struct acd_id *ids;
	size_t n;
};
struct recon {
	struct router *r;
	struct pl_arena *a;
	struct known before[THING_N];
	ProtobufCMessage **list[THING_N];
	size_t n[THING_N];
	struct known has[THING_N]; /* ids of list, sorted */
};

static int by_id(const void *x, const void *y)
{
	const struct acd_id *a = x, *b = y;
	if (a->hi != b->hi)
		return a->hi < b->hi ? -1 : 1;
	return a->lo < b->lo ? -1 : a->lo > b->lo;
}

static bool next_id(const struct acd *e, enum thing_kind k, uint32_t *pos, struct acd_id *id)
{
	struct acd_queue_view v;
	if (k == THING_AGENT)
		return acd_agent_next(e, pos, id);
	if (k == THING_REASON)
		return acd_reason_next(e, pos, id);
	bool more = acd_queue_next(e, pos, &v);
	if (more)
		*id = v.id;
	return more;
}

static bool remember(struct recon *rc, enum thing_kind k)
{
	struct acd_counts c = acd_counts_get(rc->r->e);
	size_t cap = k == THING_AGENT ? c.agents : k == THING_QUEUE ? c.queues : rc->r->lim.reasons;
	struct known *b = &rc->before[k];
	b->ids = pl_arena_alloc(rc->a, (cap + 1) * sizeof(*b->ids));
	for (uint32_t pos = 0; b->ids && b->n < cap && next_id(rc->r->e, k, &pos, &b->ids[b->n]); b->n++)
		;
	return b->ids != NULL;
}

static enum pl_err sort_ids(struct recon *rc, enum thing_kind k)
{
	struct known *h = &rc->has[k];
	h->n = 0;
	h->ids = pl_arena_alloc(rc->a, (rc->n[k] + 1) * sizeof(*h->ids));
	if (!h->ids)
		return PL_E_NOMEM;
	for (size_t i = 0; i < rc->n[k]; i++)
		h->n += acd_id_parse(*thing_id(&things[k], rc->list[k][i]), &h->ids[h->n]);
	qsort(h->ids, h->n, sizeof(*h->ids), by_id);
	return PL_OK;
}

static enum pl_err job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct recon *rc = arg;
	enum pl_err err = PL_OK;
	for (int k = 0; k < THING_N && !err; k++) {
		err = thing_db_list(db, &things[k], rc->a, &rc->list[k], &rc->n[k], why);
		if (!err)
			err = sort_ids(rc, (enum thing_kind)k);
	}
	return err;
}

static uint64_t engine_revision(const struct router *r, enum thing_kind k, struct acd_id id, struct pl_arena *a)
{
	switch (k) {
	case THING_QUEUE:
		return acd_queue_revision(r->e, id);
	case THING_AGENT:
		return acd_agent_revision(r->e, id);
	default:
		return note_reason(r, id, a)->revision;
	}
}

static bool listed(const struct recon *rc, enum thing_kind k, struct acd_id id)
{
	return bsearch(&id, rc->has[k].ids, rc->has[k].n, sizeof(id), by_id) != NULL;
}

static size_t put_missing(struct recon *rc, enum thing_kind k)
{
	size_t n = 0;
	for (size_t i = 0; i < rc->n[k]; i++) {
		struct acd_id id;
		ProtobufCMessage *m = rc->list[k][i];
		if (!acd_id_parse(*thing_id(&things[k], m), &id) ||
		    engine_revision(rc->r, k, id, rc->a) >= *thing_revision(&things[k], m))
			continue;
		change_put(rc->r, &(struct change){ &things[k], m, false }, NULL, NULL);
		n++;
	}
	return n;
}

static size_t drop_surplus(struct recon *rc, enum thing_kind k)
{
	size_t n = 0;
	for (size_t i = 0; i < rc->before[k].n; i++) {
		struct acd_id id = rc->before[k].ids[i];
		ProtobufCMessage *m = listed(rc, k, id) ? NULL : pl_arena_alloc(rc->a, things[k].d->sizeof_message);
		if (!m)
			continue;
		protobuf_c_message_init(things[k].d, m);
		*thing_id(&things[k], m) = acd_id_dup(rc->a, id);
		*thing_revision(&things[k], m) = engine_revision(rc->r, k, id, rc->a) + 1;
		change_put(rc->r, &(struct change){ &things[k], m, true }, NULL, NULL);
		n++;
	}
	return n;
}

static void on_read(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct recon *rc = arg;
	size_t put = 0, dropped = 0;
	if (err)
		log_warn("acd.reconcile", LOG_WHY(why));
	for (int k = 0; k < THING_N && !err; k++) { /* queues first, then their members */
		put += put_missing(rc, (enum thing_kind)k);
		dropped += drop_surplus(rc, (enum thing_kind)k);
	}
	if (put || dropped)
		log_info("acd.reconciled", LOG_I("put", put), LOG_I("deleted", dropped));
	pl_arena_free(rc->a);
	lead_reconciled(rc->r->lead, !err);
	free(rc);
}

void config_reconcile(struct router *r)
{
	struct recon *rc = calloc(1, sizeof(*rc));
	bool ok = rc && (rc->a = pl_arena_new(0));
	if (ok)
		rc->r = r;
	for (int k = 0; k < THING_N && ok; k++)
		ok = remember(rc, (enum thing_kind)k);
	if (ok && pg_read(r->pg, job, on_read, rc) == PL_OK)
		return;
	log_warn("acd.reconcile.refused");
	if (rc)
		pl_arena_free(rc->a);
	free(rc);
	lead_reconciled(r->lead, false);
}
