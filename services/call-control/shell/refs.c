/* Names other services own: queues, trunks, phones, where each agent sits. Read whole at the start and once a minute,
 * kept up by events. Readers copy what they keep. */
#include "cc.h"

#include <parley/log.h>
#include <stdlib.h>

#define LIST_MS 5000
#define AGAIN_US (2 * PL_US_PER_S)
#define EVERY_US (60 * PL_US_PER_S)

enum ref_kind { REF_QUEUE, REF_TRUNK, REF_PHONE, REF_AGENT, REF_KIND_N };

/* One of any kind: what a call needs to know of it. */
struct ref {
	UT_hash_handle hh;
	char id[CALL_ID];
	char name[CALL_NUMBER]; /* queue: name; phone: user; trunk: caller id */
	char extra[CALL_ID];    /* queue: music; phone: agent; agent: phone */
	bool flag;      /* queue: record; trunk: enabled and with a way out; phone: enabled; agent: sits at a phone */
	uint64_t order; /* trunks: as listed */
	uint64_t round;
};
struct refs {
	struct cc *cc;
	struct ref *by_id[REF_KIND_N];
	bool asked[REF_KIND_N], known[REF_KIND_N];
	uint64_t round[REF_KIND_N], orders;
	struct pl_timer *timer;
};
struct ask {
	struct refs *r;
	enum ref_kind kind;
};

static struct ref *find(const struct refs *r, enum ref_kind kind, const char *id)
{
	struct ref *x = NULL;
	if (!pl_empty(id))
		HASH_FIND_STR(r->by_id[kind], id, x);
	return x;
}

static struct ref *put(struct refs *r, enum ref_kind kind, const char *id)
{
	struct ref *x = find(r, kind, id);
	if (!x && !pl_empty(id) && strlen(id) < CALL_ID && (x = calloc(1, sizeof(*x)))) {
		pl_strlcpy(x->id, id, sizeof(x->id));
		x->order = ++r->orders;
		HASH_ADD_STR(r->by_id[kind], id, x);
	}
	if (x)
		x->round = r->round[kind];
	return x;
}

static void drop(struct refs *r, enum ref_kind kind, struct ref *x)
{
	HASH_DEL(r->by_id[kind], x);
	free(x);
}

static void drop_id(struct refs *r, enum ref_kind kind, const char *id)
{
	struct ref *x = find(r, kind, id);
	if (x)
		drop(r, kind, x);
}

static void set(struct ref *x, const char *name, const char *extra, bool flag)
{
	if (!x)
		return;
	pl_strlcpy(x->name, name, sizeof(x->name));
	pl_strlcpy(x->extra, extra, sizeof(x->extra));
	x->flag = flag;
}

static void put_queue(struct refs *r, const Parley__Acd__V1__Queue *q)
{
	set(put(r, REF_QUEUE, q->id), q->name, q->music, q->record);
}

static void put_trunk(struct refs *r, const Parley__Telephony__V1__Trunk *t)
{
	set(put(r, REF_TRUNK, t->id), t->caller_id, "", t->enabled && !pl_empty(t->outbound_uri));
}

static void put_phone(struct refs *r, const Parley__Telephony__V1__Phone *p)
{
	set(put(r, REF_PHONE, p->id), p->user, p->agent_id, p->enabled);
}

static void put_agent(struct refs *r, const Parley__Acd__V1__AgentStatus *s)
{
	set(put(r, REF_AGENT, s->agent_id), "", s->phone_id, s->device == PARLEY__ACD__V1__DEVICE__DEVICE_PHONE);
}

/* --- whole lists --- */

static void on_listed(void *arg, enum pl_err err, const ProtobufCMessage *out, const struct pl_why *why)
{
	struct ask *a = arg;
	struct refs *r = a->r;
	enum ref_kind kind = a->kind;
	struct ref *x, *next;
	free(a);
	r->asked[kind] = false;
	if (err) {
		log_info("refs.list-failed", LOG_I("kind", kind), LOG_WHY(why));
		pl_timer_set(r->timer, AGAIN_US);
		return;
	}
	r->round[kind]++;
	if (kind == REF_QUEUE) {
		const Parley__Acd__V1__ListQueuesResponse *m = (const void *)out;
		for (size_t i = 0; i < m->n_queues; i++)
			put_queue(r, m->queues[i]);
	} else if (kind == REF_TRUNK) {
		const Parley__Telephony__V1__ListTrunksResponse *m = (const void *)out;
		for (size_t i = 0; i < m->n_trunks; i++)
			put_trunk(r, m->trunks[i]);
	} else if (kind == REF_PHONE) {
		const Parley__Telephony__V1__ListPhonesResponse *m = (const void *)out;
		for (size_t i = 0; i < m->n_phones; i++)
			put_phone(r, m->phones[i]);
	} else {
		const Parley__Acd__V1__GetSnapshotResponse *m = (const void *)out;
		for (size_t i = 0; i < m->n_agents; i++)
			put_agent(r, m->agents[i]);
	}
	HASH_ITER(hh, r->by_id[kind], x, next)
	if (x->round != r->round[kind])
		drop(r, kind, x);
	r->known[kind] = true;
}

static void list(struct refs *r, enum ref_kind kind)
{
	static const struct {
		const ProtobufCServiceDescriptor *d;
		const char *method;
	} calls[REF_KIND_N] = {
		[REF_QUEUE] = { &parley__acd__v1__queue_service__descriptor, "ListQueues" },
		[REF_TRUNK] = { &parley__telephony__v1__trunk_service__descriptor, "ListTrunks" },
		[REF_PHONE] = { &parley__telephony__v1__phone_service__descriptor, "ListPhones" },
		[REF_AGENT] = { &parley__acd__v1__routing_service__descriptor, "GetSnapshot" },
	};
	static const Parley__Acd__V1__ListQueuesRequest queues = PARLEY__ACD__V1__LIST_QUEUES_REQUEST__INIT;
	static const Parley__Telephony__V1__ListTrunksRequest trunks = PARLEY__TELEPHONY__V1__LIST_TRUNKS_REQUEST__INIT;
	static const Parley__Telephony__V1__ListPhonesRequest phones = PARLEY__TELEPHONY__V1__LIST_PHONES_REQUEST__INIT;
	static const Parley__Acd__V1__GetSnapshotRequest snapshot = PARLEY__ACD__V1__GET_SNAPSHOT_REQUEST__INIT;
	const ProtobufCMessage *in[REF_KIND_N] = { &queues.base, &trunks.base, &phones.base, &snapshot.base };
	struct pl_why why = { 0 };
	struct ask *a = r->asked[kind] ? NULL : calloc(1, sizeof(*a));
	if (!a)
		return;
	*a = (struct ask){ r, kind };
	struct rpc_to to = { calls[kind].d, calls[kind].method, NULL, NULL, LIST_MS };
	r->asked[kind] = rpc_ask(r->cc->app->bus, &to, in[kind], on_listed, a, &why) != 0;
	if (!r->asked[kind])
		free(a);
}

void refs_refresh(struct refs *r)
{
	bool all = r->known[0] && r->known[1] && r->known[2] && r->known[3];
	for (unsigned k = 0; k < REF_KIND_N; k++)
		if (all || !r->known[k])
			list(r, (enum ref_kind)k);
	pl_timer_set(r->timer, all ? EVERY_US : AGAIN_US);
}

static void on_timer(void *arg)
{
	refs_refresh(arg);
}

/* --- events --- */

static void on_changed(void *arg, const struct bus_msg *b)
{
	struct cc *cc = arg;
	struct refs *r = cc->names;
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	if (rpc_decode(b, pl_loop_tmp(cc->app->loop), &pm, &why)) {
		log_warn("refs.event-bad", LOG_WHY(&why));
		return;
	}
	if (pm->descriptor == &parley__acd__v1__queue_changed__descriptor) {
		const Parley__Acd__V1__QueueChanged *m = (const void *)pm;
		if (m->queue && m->deleted)
			drop_id(r, REF_QUEUE, m->queue->id);
		else if (m->queue)
			put_queue(r, m->queue);
	} else if (pm->descriptor == &parley__telephony__v1__trunk_changed__descriptor) {
		const Parley__Telephony__V1__TrunkChanged *m = (const void *)pm;
		if (m->trunk && m->deleted)
			drop_id(r, REF_TRUNK, m->trunk->id);
		else if (m->trunk)
			put_trunk(r, m->trunk);
	} else if (pm->descriptor == &parley__telephony__v1__phone_changed__descriptor) {
		const Parley__Telephony__V1__PhoneChanged *m = (const void *)pm;
		if (m->phone && m->deleted)
			drop_id(r, REF_PHONE, m->phone->id);
		else if (m->phone)
			put_phone(r, m->phone);
	} else if (pm->descriptor == &parley__acd__v1__agent_state_changed__descriptor) {
		const Parley__Acd__V1__AgentStateChanged *m = (const void *)pm;
		if (m->status)
			put_agent(r, m->status);
	}
}

/* --- questions --- */

struct call_dest refs_queue(struct refs *r, const char *queue_id, struct pl_arena *a)
{
	const struct ref *q = find(r, REF_QUEUE, queue_id);
	struct call_dest d = { .kind = DEST_QUEUE, .id = queue_id };
	if (q) {
		d.name = pl_arena_strdup(a, q->name);
		d.music = pl_arena_strdup(a, q->extra);
		d.record = q->flag;
	}
	return d;
}

const char *refs_queue_name(struct refs *r, const char *queue_id)
{
	const struct ref *q = find(r, REF_QUEUE, queue_id);
	return q ? q->name : "";
}

const char *refs_trunk_caller_id(struct refs *r, const char *trunk_id)
{
	const struct ref *t = find(r, REF_TRUNK, trunk_id);
	return t ? t->name : "";
}

struct call_dest refs_phone_user(struct refs *r, const char *user, struct pl_arena *a)
{
	struct ref *x, *next;
	HASH_ITER(hh, r->by_id[REF_PHONE], x, next)
	if (x->flag && pl_streq(x->name, user))
		return (struct call_dest){ .kind = DEST_PHONE,
					   .id = pl_arena_strdup(a, x->id),
					   .number = pl_arena_strdup(a, user) };
	return (struct call_dest){ .kind = DEST_NONE };
}

struct call_dest refs_agent_phone(struct refs *r, const char *agent_id, struct pl_arena *a)
{
	const struct ref *at = find(r, REF_AGENT, agent_id);
	struct ref *x, *next;
	if (at && at->flag && !pl_empty(at->extra))
		return (struct call_dest){ .kind = DEST_PHONE, .id = pl_arena_strdup(a, at->extra) };
	HASH_ITER(hh, r->by_id[REF_PHONE], x, next) /* not signed in with a phone: the one that is the agent's */
	if (x->flag && pl_streq(x->extra, agent_id))
		return (struct call_dest){ .kind = DEST_PHONE, .id = pl_arena_strdup(a, x->id) };
	return (struct call_dest){ .kind = DEST_NONE };
}

static struct call_dest by_trunk(struct refs *r, const char *number, struct pl_arena *a)
{
	struct ref *x, *next, *first = NULL;
	if (strspn(number, "+0123456789*#") != strlen(number))
		return (struct call_dest){ .kind = DEST_NONE };
	HASH_ITER(hh, r->by_id[REF_TRUNK], x, next)
	if (x->flag && (!first || x->order < first->order))
		first = x;
	if (!first)
		return (struct call_dest){ .kind = DEST_NONE };
	return (struct call_dest){ .kind = DEST_TRUNK,
				   .id = pl_arena_strdup(a, first->id),
				   .number = pl_arena_strdup(a, number) };
}

struct call_dest refs_resolve(struct refs *r, const char *number, struct pl_arena *a)
{
	char uri[CALL_TARGET];
	if (pl_empty(number) || !route_number_ok(number))
		return (struct call_dest){ .kind = DEST_NONE };
	struct call_dest d = refs_phone_user(r, number, a);
	if (d.kind != DEST_NONE)
		return d;
	const struct route *route = routes_find(r->cc->routes, number, "");
	if (route && route->kind == ROUTE_QUEUE)
		return refs_queue(r, pl_arena_strdup(a, route->dest), a);
	if (route && route->kind == ROUTE_PHONE)
		return refs_phone_user(r, route->dest, a);
	if (route && route->kind == ROUTE_URI && route_uri(route, number, uri, sizeof(uri)) == PL_OK)
		return (struct call_dest){ .kind = DEST_URI,
					   .id = pl_arena_strdup(a, uri),
					   .number = pl_arena_strdup(a, number) };
	return by_trunk(r, number, a);
}

void refs_close(struct refs *r)
{
	struct ref *x, *next;
	if (!r)
		return;
	for (unsigned k = 0; k < REF_KIND_N; k++)
		HASH_ITER(hh, r->by_id[k], x, next)
	drop(r, (enum ref_kind)k, x);
	pl_timer_free(r->timer);
	free(r);
}

enum pl_err refs_open(struct refs **ret, struct cc *cc, struct pl_why *why)
{
	static const char *const subjects[] = { "ev.acd.queue-changed.*", "ev.telephony.trunk-changed.*",
						"ev.telephony.phone-changed.*", "ev.acd.agent-state.*" };
	struct refs *r = calloc(1, sizeof(*r));
	if (!r)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	*ret = r;
	r->cc = cc;
	enum pl_err err = pl_timer_new(&r->timer, cc->app->loop, on_timer, r);
	for (size_t i = 0; i < PL_ARRAY_N(subjects) && !err; i++)
		err = cc_subscribe(cc, subjects[i], NULL, on_changed, why);
	if (!err)
		pl_timer_set(r->timer, 0);
	return err;
}
