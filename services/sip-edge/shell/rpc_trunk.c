/* TrunkService. Admins edit, supervisors read. */
#include <stdlib.h>

#include "directory.h"
#include "legs.h"
#include "rpc.h"
#include "store.h"

typedef Parley__Telephony__V1__Trunk trunk_t;
#define SOURCES_MAX 32
#define SOURCES_BYTES 1000 /* joined; struct trunk holds 1024 */
#define CODECS_MAX 16

/* An edit is answered when memory has it too: whoever creates a phone can register it with the next packet. */
struct edit {
	struct rpc_call *call;
	rpc_job_fn job;
	ProtobufCMessage *out;
};

static enum pl_err edit_job(void *arg, struct pg_conn *db, struct pl_why *why)
{
	struct edit *ed = arg;
	return ed->job(ed->call, db, &ed->out, why);
}

static void edit_loaded(void *arg)
{
	struct edit *ed = arg;
	rpc_reply(ed->call, ed->out); /* frees the call and, with its arena, ed */
}

static void edit_done(void *arg, enum pl_err err, const struct pl_why *why)
{
	struct edit *ed = arg;
	struct edge *e = ed->call->arg;
	if (err) {
		rpc_fail(ed->call, err, why);
		return;
	}
	outbox_kick(e->outbox);
	directory_after_load(e, edit_loaded, ed);
}

void rpc_edit(struct rpc_call *c, rpc_job_fn job)
{
	struct edge *e = c->arg;
	struct pl_why why = { 0 };
	struct edit *ed = PL_NEW(c->arena, struct edit);
	enum pl_err err = rpc_need(&c->actor, RPC_ADMIN, &why);
	if (!err && !e->pg)
		err = pl_why_set(&why, PL_E_UNAVAIL, "this sip-edge is leaving");
	if (!err && !ed)
		err = pl_why_set(&why, PL_E_NOMEM, "no memory");
	if (!err) {
		*ed = (struct edit){ .call = c, .job = job };
		err = pg_tx(e->pg, edit_job, edit_done, ed);
		if (err)
			pl_why_set(&why, err, "the database has too much to do");
	}
	if (err)
		rpc_fail(c, err, &why);
}

Parley__Common__V1__EventMeta *rpc_event_meta(struct rpc_call *c, const char *agent_id)
{
	Parley__Common__V1__EventMeta *m = PL_NEW(c->arena, Parley__Common__V1__EventMeta);
	char *id = pl_arena_alloc(c->arena, PL_ID_LEN);
	if (!m || !id)
		return NULL;
	parley__common__v1__event_meta__init(m);
	m->event_id = pl_id_new(id);
	m->time = rpc_ts(c->arena, pl_wall_us());
	m->node = (char *)bus_node(c->bus);
	m->agent_id = (char *)agent_id;
	m->channel = PARLEY__COMMON__V1__CHANNEL__CHANNEL_VOICE;
	return m;
}

/* --- rows and messages --- */

static char **split(struct pl_arena *a, const char *joined, size_t *ret_n)
{
	char *text = pl_arena_strdup(a, joined), *save = NULL;
	char **out = pl_arena_alloc(a, (strlen(joined) / 2 + 2) * sizeof *out);
	*ret_n = 0;
	if (!text || !out)
		return NULL;
	for (char *s = strtok_r(text, ",", &save); s; s = strtok_r(NULL, ",", &save))
		out[(*ret_n)++] = s;
	return out;
}

static const char *join(struct pl_arena *a, char *const *items, size_t n)
{
	const char *out = "";
	for (size_t i = 0; i < n && out; i++)
		out = pl_arena_printf(a, "%s%s%s", out, i ? "," : "", items[i]);
	return out;
}

static trunk_t *message_of(struct pl_arena *a, const struct trunk_row *r)
{
	trunk_t *m = PL_NEW(a, trunk_t);
	if (!m)
		return NULL;
	parley__telephony__v1__trunk__init(m);
	m->id = pl_arena_strdup(a, r->id);
	m->name = pl_arena_strdup(a, r->name);
	m->enabled = r->enabled;
	m->source_addresses = split(a, r->sources, &m->n_source_addresses);
	m->outbound_uri = pl_arena_strdup(a, r->outbound_uri);
	m->codecs = split(a, r->codecs, &m->n_codecs);
	m->max_channels = r->max_channels;
	m->caller_id = pl_arena_strdup(a, r->caller_id);
	m->revision = r->revision;
	m->keepalive_ms = r->keepalive_ms;
	return m;
}

static struct trunk_row row_of(struct rpc_call *c, const trunk_t *t)
{
	return (struct trunk_row){
		.id = t->id,
		.name = t->name,
		.outbound_uri = t->outbound_uri,
		.caller_id = t->caller_id,
		.enabled = t->enabled,
		.sources = join(c->arena, t->source_addresses, t->n_source_addresses),
		.codecs = join(c->arena, t->codecs, t->n_codecs),
		.max_channels = t->max_channels,
		.keepalive_ms = t->keepalive_ms,
		.revision = t->revision,
	};
}

static bool plain(const char *s, size_t max)
{
	size_t n = strlen(s);
	return n <= max && !strpbrk(s, "\r\n\t<>\"");
}

static enum pl_err check(const trunk_t *t, struct pl_why *why)
{
	size_t bytes = 0;
	if (!t)
		return pl_why_field(why, PL_E_FORMAT, "trunk", "missing");
	if (pl_empty(t->name) || strlen(t->name) > 128)
		return pl_why_field(why, PL_E_FORMAT, "trunk.name", "1 to 128 bytes");
	if (t->n_source_addresses > SOURCES_MAX)
		return pl_why_field(why, PL_E_FORMAT, "trunk.source_addresses", "at most %d", SOURCES_MAX);
	for (size_t i = 0; i < t->n_source_addresses; i++) {
		struct source_rule r;
		struct pl_why reason;
		bytes += strlen(t->source_addresses[i]) + 1;
		if (source_rule_make(t->source_addresses[i], &r, &reason) || bytes > SOURCES_BYTES)
			return pl_why_field(why, PL_E_FORMAT, "trunk.source_addresses", "%s", reason.text);
	}
	if (!plain(t->outbound_uri, 255) ||
	    (*t->outbound_uri && strncasecmp(t->outbound_uri, "sip:", 4) && strncasecmp(t->outbound_uri, "sips:", 5)))
		return pl_why_field(why, PL_E_FORMAT, "trunk.outbound_uri",
				    "sip:host:port;transport=udp, at most 255 bytes");
	if (t->n_codecs > CODECS_MAX)
		return pl_why_field(why, PL_E_FORMAT, "trunk.codecs", "at most %d", CODECS_MAX);
	for (size_t i = 0; i < t->n_codecs; i++)
		if (pl_empty(t->codecs[i]) || strchr(t->codecs[i], ',') || !plain(t->codecs[i], 32))
			return pl_why_field(why, PL_E_FORMAT, "trunk.codecs", "names like PCMA");
	if (!plain(t->caller_id, 64))
		return pl_why_field(why, PL_E_FORMAT, "trunk.caller_id", "at most 64 bytes");
	if (t->max_channels > 1000000)
		return pl_why_field(why, PL_E_FORMAT, "trunk.max_channels", "at most 1000000");
	if (t->keepalive_ms && (t->keepalive_ms < 1000 || t->keepalive_ms > 3600000))
		return pl_why_field(why, PL_E_FORMAT, "trunk.keepalive_ms", "0, or 1000 to 3600000");
	return PL_OK;
}

static enum pl_err tell(struct rpc_call *c, struct pg_conn *db, trunk_t *t, bool deleted, struct pl_why *why)
{
	Parley__Telephony__V1__TrunkChanged ev = PARLEY__TELEPHONY__V1__TRUNK_CHANGED__INIT;
	ev.meta = rpc_event_meta(c, "");
	ev.trunk = t;
	ev.deleted = deleted;
	char *subject = t ? pl_arena_printf(c->arena, "ev.telephony.trunk-changed.%s", t->id) : NULL;
	return ev.meta && subject ? outbox_add(db, "telephony", subject, &ev.base, why) : PL_E_NOMEM;
}

/* --- the RPCs --- */

static int by_name(const void *a, const void *b)
{
	const trunk_t *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

static trunk_t *live(struct pl_arena *a, const struct trunk *t)
{
	struct trunk_row r = { .id = t->id,
			       .name = t->name,
			       .outbound_uri = t->outbound_uri,
			       .caller_id = t->caller_id,
			       .enabled = t->enabled,
			       .sources = t->sources,
			       .codecs = t->codecs,
			       .max_channels = t->max_channels,
			       .keepalive_ms = t->keepalive_ms,
			       .revision = t->revision };
	trunk_t *m = message_of(a, &r);
	if (m) {
		m->channels = t->channels;
		m->reachable = t->reachable;
	}
	return m;
}

static void list_trunks(struct rpc_call *c)
{
	struct edge *e = c->arg;
	struct pl_why why = { 0 };
	Parley__Telephony__V1__ListTrunksResponse out = PARLEY__TELEPHONY__V1__LIST_TRUNKS_RESPONSE__INIT;
	enum pl_err err = rpc_need(&c->actor, RPC_SUPERVISOR, &why);
	if (!err && !e->dir->revision)
		err = pl_why_set(&why, PL_E_UNAVAIL, "trunks are not loaded yet");
	if (err) {
		rpc_fail(c, err, &why);
		return;
	}
	out.trunks = pl_arena_alloc(c->arena, (HASH_COUNT(e->dir->trunks) + 1) * sizeof *out.trunks);
	for (const struct trunk *t = e->dir->trunks; t && out.trunks; t = t->hh.next) {
		trunk_t *m = live(c->arena, t);
		if (m)
			out.trunks[out.n_trunks++] = m;
	}
	if (out.n_trunks)
		qsort(out.trunks, out.n_trunks, sizeof *out.trunks, by_name);
	rpc_reply(c, &out.base);
}

static enum pl_err create_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const Parley__Telephony__V1__CreateTrunkRequest *q = (const void *)c->in;
	Parley__Telephony__V1__CreateTrunkResponse *r = PL_NEW(c->arena, Parley__Telephony__V1__CreateTrunkResponse);
	char *id = pl_arena_alloc(c->arena, PL_ID_LEN);
	enum pl_err err = check(q->trunk, why);
	if (err || !r || !id)
		return err ? err : PL_E_NOMEM;
	struct trunk_row row = row_of(c, q->trunk);
	row.id = pl_id_new(id);
	err = store_trunk_insert(db, &row, why);
	if (err)
		return err;
	parley__telephony__v1__create_trunk_response__init(r);
	r->trunk = message_of(c->arena, &row);
	*out = &r->base;
	return tell(c, db, r->trunk, false, why);
}

static enum pl_err update_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const Parley__Telephony__V1__UpdateTrunkRequest *q = (const void *)c->in;
	Parley__Telephony__V1__UpdateTrunkResponse *r = PL_NEW(c->arena, Parley__Telephony__V1__UpdateTrunkResponse);
	enum pl_err err = check(q->trunk, why);
	if (!err && !pl_id_ok(q->trunk->id))
		err = pl_why_field(why, PL_E_FORMAT, "trunk.id", "no id");
	if (err || !r)
		return err ? err : PL_E_NOMEM;
	struct trunk_row row = row_of(c, q->trunk);
	err = store_trunk_update(db, &row, why);
	if (err)
		return err;
	parley__telephony__v1__update_trunk_response__init(r);
	r->trunk = message_of(c->arena, &row);
	*out = &r->base;
	return tell(c, db, r->trunk, false, why);
}

static enum pl_err delete_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const Parley__Telephony__V1__DeleteTrunkRequest *q = (const void *)c->in;
	Parley__Telephony__V1__DeleteTrunkResponse *r = PL_NEW(c->arena, Parley__Telephony__V1__DeleteTrunkResponse);
	trunk_t *gone = PL_NEW(c->arena, trunk_t);
	if (!r || !gone)
		return PL_E_NOMEM;
	if (!pl_id_ok(q->id))
		return pl_why_field(why, PL_E_FORMAT, "id", "no id");
	parley__telephony__v1__delete_trunk_response__init(r);
	parley__telephony__v1__trunk__init(gone);
	gone->id = q->id;
	enum pl_err err = store_trunk_delete(db, q->id, why);
	*out = &r->base;
	return err ? err : tell(c, db, gone, true, why);
}

static void create_trunk(struct rpc_call *c)
{
	rpc_edit(c, create_job);
}
static void update_trunk(struct rpc_call *c)
{
	rpc_edit(c, update_job);
}
static void delete_trunk(struct rpc_call *c)
{
	rpc_edit(c, delete_job);
}

enum pl_err rpc_trunk_open(struct edge *e, struct pl_why *why)
{
	static const struct rpc_entry entries[] = {
		{ "ListTrunks", list_trunks },
		{ "CreateTrunk", create_trunk },
		{ "UpdateTrunk", update_trunk },
		{ "DeleteTrunk", delete_trunk },
		{ NULL, NULL },
	};
	return rpc_serve(e->app->bus, &parley__telephony__v1__trunk_service__descriptor, entries, e, why);
}
