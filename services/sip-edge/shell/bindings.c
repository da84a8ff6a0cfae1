/* Bindings: in memory on their phone, copied to Redis and to the other edges after each change, told to the ledger when
 * the first comes or the last goes. Redis may be wiped: every binding of ours is written again within REWRITE_S
 * seconds. */
#include <stdlib.h>

#include "directory.h"
#include "legs.h"

#define REWRITE_S 60
#define REDIS_PATIENCE_S 5
#define SUBJECT "node.sip-edge.SipBindings"
#define SCAN_COUNT "500"

typedef Parley__Telephony__V1__SipBindings bindings_t;

struct reg_aor *bindings_of(struct phone *p)
{
	if (!p->aor)
		p->aor = calloc(1, sizeof *p->aor);
	return p->aor;
}

void bindings_drop_empty(struct phone *p)
{
	if (p->aor && !p->aor->n) {
		free(p->aor);
		p->aor = NULL;
	}
}

/* --- as a message --- */

static bindings_t *message_of(struct edge *e, const struct phone *p)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	bindings_t *m = PL_NEW(tmp, bindings_t);
	size_t n = p->aor ? p->aor->n : 0;
	Parley__Telephony__V1__SipBinding **list = pl_arena_alloc(tmp, (n + 1) * sizeof *list);
	Parley__Telephony__V1__SipBinding *each = pl_arena_alloc(tmp, (n + 1) * sizeof *each);
	if (!m || !list || !each)
		return NULL;
	parley__telephony__v1__sip_bindings__init(m);
	m->user = (char *)p->user;
	m->phone_id = (char *)p->id;
	m->edge_node = (char *)bus_node(e->app->bus);
	m->n_bindings = n;
	m->bindings = list;
	for (size_t i = 0; i < n; i++) {
		struct reg_binding *b = &p->aor->b[i];
		parley__telephony__v1__sip_binding__init(&each[i]);
		list[i] = &each[i];
		each[i].contact = b->contact;
		each[i].next_hop = b->next_hop;
		each[i].user_agent = b->user_agent;
		each[i].call_id = b->call_id;
		each[i].cseq = b->cseq;
		each[i].expires_at = rpc_ts(tmp, b->expires_us);
		each[i].edge_node = b->node;
	}
	return m;
}

static void take_message(struct edge *e, const bindings_t *m)
{
	struct phone *p = phone_by_id(e, m->phone_id);
	struct reg_aor *aor = p && p->enabled ? bindings_of(p) : NULL;
	if (!aor)
		return;
	bool had = aor->n;
	aor->n = 0;
	for (size_t i = 0; i < m->n_bindings && i < REG_BINDINGS_MAX; i++) {
		const Parley__Telephony__V1__SipBinding *s = m->bindings[i];
		struct reg_binding *b = &aor->b[aor->n];
		int64_t expires = rpc_ts_us(s->expires_at);
		if (expires <= pl_wall_us())
			continue;
		*b = (struct reg_binding){ .cseq = s->cseq, .expires_us = expires };
		pl_strlcpy(b->contact, s->contact, sizeof b->contact);
		pl_strlcpy(b->next_hop, s->next_hop, sizeof b->next_hop);
		pl_strlcpy(b->user_agent, s->user_agent, sizeof b->user_agent);
		pl_strlcpy(b->call_id, s->call_id, sizeof b->call_id);
		pl_strlcpy(b->node, s->edge_node, sizeof b->node);
		aor->n++;
	}
	e->dir->n_registered += (aor->n > 0) - had;
	bindings_drop_empty(p);
}

static const bindings_t *unpack(struct edge *e, const void *data, size_t len)
{
	struct pl_why why = { 0 };
	ProtobufCMessage *pm = NULL;
	if (rpc_unpack(&parley__telephony__v1__sip_bindings__descriptor, data, len, pl_loop_tmp(e->app->loop), &pm,
		       &why)) {
		log_warn("bindings.bad", LOG_WHY(&why));
		return NULL;
	}
	return (const void *)pm;
}

/* --- Redis --- */

static void redis_put(struct edge *e, struct phone *p)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	const bindings_t *m = message_of(e, p);
	char *key = pl_arena_printf(tmp, "sip:aor:%s", p->user);
	p->dirty = true;
	if (!m || !key || !e->redis || !redis_up(e->redis))
		return;
	if (!m->n_bindings) {
		p->dirty = REDIS_CMD(e->redis, NULL, NULL, "DEL", key) != PL_OK;
		return;
	}
	int64_t latest = 0;
	for (size_t i = 0; i < p->aor->n; i++)
		latest = PL_MAX(latest, p->aor->b[i].expires_us);
	char *at = pl_arena_printf(tmp, "%" PRId64, latest / PL_US_PER_MS);
	size_t n = protobuf_c_message_get_packed_size(&m->base);
	uint8_t *body = pl_arena_alloc(tmp, n);
	if (!at || !body)
		return;
	protobuf_c_message_pack(&m->base, body);
	const char *argv[] = { "SET", key, (const char *)body, "PXAT", at };
	const size_t len[] = { 3, strlen(key), n, 4, strlen(at) };
	p->dirty = redis_cmd(e->redis, NULL, NULL, 5, argv, len) != PL_OK;
}

/* Each time Redis is there (again): first read what an edge before us has left, later write what we hold. */
void bindings_redis_up(void *arg)
{
	struct edge *e = arg;
	if (!e->bindings_read) {
		bindings_load(e);
		return;
	}
	for (struct phone *p = e->dir ? e->dir->phones : NULL; p; p = p->hh.next)
		if (p->aor && p->aor->n)
			redis_put(e, p);
}

static void on_value(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct edge *e = arg;
	if (err || v->kind != REDIS_STR)
		return;
	const bindings_t *m = unpack(e, v->s, v->len);
	struct phone *p = m ? phone_by_id(e, m->phone_id) : NULL;
	if (p && !p->aor) /* what we heard ourselves meanwhile is newer */
		take_message(e, m);
}

static void on_scan(void *arg, enum pl_err err, const struct redis_val *v, const struct pl_why *why)
{
	struct edge *e = arg;
	bool ok = !err && v->kind == REDIS_ARRAY && v->n == 2 && v->items[1].kind == REDIS_ARRAY;
	for (size_t i = 0; ok && i < v->items[1].n; i++)
		if (REDIS_CMD(e->redis, on_value, e, "GET", v->items[1].items[i].s))
			break;
	if (ok && !pl_streq(v->items[0].s, "0")) {
		ok = !REDIS_CMD(e->redis, on_scan, e, "SCAN", v->items[0].s, "MATCH", "sip:aor:*", "COUNT", SCAN_COUNT);
		if (ok)
			return;
	}
	if (err) {
		log_warn("bindings.not_loaded", LOG_WHY(why));
		return; /* tried again when Redis is back */
	}
	/* The last GETs were sent before this answer came, so theirs are here as well or follow in this turn. */
	log_info("bindings.loaded", LOG_I("registered", e->dir->n_registered));
	e->bindings_read = true;
	obs_check_set(e->ready_bindings, true, "");
}

void bindings_load(struct edge *e)
{
	if (!e->dir || !e->dir->revision || !redis_up(e->redis))
		return; /* whichever comes last calls again */
	if (REDIS_CMD(e->redis, on_scan, e, "SCAN", "0", "MATCH", "sip:aor:*", "COUNT", SCAN_COUNT))
		log_warn("bindings.not_loaded", LOG_S("why", "Redis does not take commands"));
}

/* --- the ledger --- */

static Parley__Common__V1__EventMeta *meta(struct edge *e, char id[PL_ID_LEN], const struct phone *p)
{
	struct pl_arena *tmp = pl_loop_tmp(e->app->loop);
	Parley__Common__V1__EventMeta *m = PL_NEW(tmp, Parley__Common__V1__EventMeta);
	if (!m)
		return NULL;
	parley__common__v1__event_meta__init(m);
	m->event_id = pl_id_new(id);
	m->time = rpc_ts(tmp, pl_wall_us());
	m->node = (char *)bus_node(e->app->bus);
	m->agent_id = (char *)p->agent_id;
	m->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	return m;
}

static void emit(struct edge *e, const char *what, const struct phone *p, const char *id, const ProtobufCMessage *m)
{
	char *subject = pl_arena_printf(pl_loop_tmp(e->app->loop), "ev.telephony.%s.%s", what, p->id);
	if (!subject || rpc_emit(e->app->bus, subject, id, m, NULL, NULL))
		log_warn("event.not_sent", LOG_S("event", what), LOG_S("phone", p->id));
}

static void tell_registered(struct edge *e, const struct phone *p)
{
	char id[PL_ID_LEN];
	Parley__Telephony__V1__PhoneRegistered m = PARLEY__TELEPHONY__V1__PHONE_REGISTERED__INIT;
	m.meta = meta(e, id, p);
	m.phone_id = (char *)p->id;
	m.user = (char *)p->user;
	m.contact = p->aor->b[0].contact;
	m.user_agent = p->aor->b[0].user_agent;
	emit(e, "registered", p, id, &m.base);
}

static void tell_unregistered(struct edge *e, const struct phone *p, const char *why)
{
	char id[PL_ID_LEN];
	Parley__Telephony__V1__PhoneUnregistered m = PARLEY__TELEPHONY__V1__PHONE_UNREGISTERED__INIT;
	m.meta = meta(e, id, p);
	m.phone_id = (char *)p->id;
	m.user = (char *)p->user;
	m.reason = (char *)why;
	emit(e, "unregistered", p, id, &m.base);
}

void bindings_changed(struct edge *e, struct phone *p, bool had_some, const char *why_gone)
{
	bool has = p->aor && p->aor->n;
	const bindings_t *m = message_of(e, p);
	e->dir->n_registered += has - had_some;
	redis_put(e, p);
	if (m && rpc_send(e->app->bus, SUBJECT, &m->base))
		log_debug("bindings.not_sent", LOG_PHONE("user", p->user));
	if (has && !had_some)
		tell_registered(e, p);
	if (!has && had_some)
		tell_unregistered(e, p, why_gone);
	if (has != had_some)
		log_info(has ? "phone.registered" : "phone.unregistered", LOG_PHONE("user", p->user),
			 LOG_S("next_hop", has ? p->aor->b[0].next_hop : ""), LOG_S("reason", has ? "" : why_gone));
	bindings_drop_empty(p);
}

static void on_bindings(void *arg, const struct bus_msg *m)
{
	struct edge *e = arg;
	const bindings_t *b = unpack(e, m->data, m->len);
	if (b && !pl_streq(b->edge_node, bus_node(e->app->bus))) /* not our own echo */
		take_message(e, b);
}

/* Whose business the expiry is: the edge that took the binding, or anybody when that one is gone (telling it twice does
 * no harm). */
static bool ours_to_tell(struct edge *e, const struct reg_aor *aor)
{
	for (size_t i = 0; i < aor->n; i++)
		if (pl_streq(aor->b[i].node, bus_node(e->app->bus)) ||
		    !bus_find_node(e->app->bus, "sip-edge", aor->b[i].node))
			return true;
	return false;
}

void bindings_tick(struct edge *e)
{
	int64_t now = pl_wall_us();
	uint64_t turn = e->seconds % REWRITE_S;
	struct phone *p, *next;
	/* Without Redis phones are simply not known until they register again; waiting longer would only refuse calls.
	 */
	if (!e->bindings_read && e->seconds == REDIS_PATIENCE_S)
		obs_check_set(e->ready_bindings, true, "");
	HASH_ITER(hh, e->dir->phones, p, next)
	{
		if (!p->aor) {
			if (p->dirty)
				redis_put(e, p);
			continue;
		}
		bool ours = ours_to_tell(e, p->aor);
		if (p->aor->n && reg_expire(p->aor, now)) {
			if (ours || p->aor->n) {
				bindings_changed(e, p, true, "expired");
			} else {
				e->dir->n_registered--;
				bindings_drop_empty(p);
			}
		} else if (ours && (p->dirty || p->hh.hashv % REWRITE_S == turn)) {
			redis_put(e, p);
		}
	}
}

enum pl_err bindings_open(struct edge *e, struct pl_why *why)
{
	return bus_subscribe(&e->sub_bindings, e->app->bus, SUBJECT, NULL, on_bindings, e, why);
}
