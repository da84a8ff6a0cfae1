/* PhoneService. Admins edit; supervisors see all; an agent sees the phones that are free or its own, to choose one at
 * start of work. */
#include <ctype.h>

#include "auth.h"
#include "directory.h"
#include "legs.h"
#include "rpc.h"
#include "store.h"

typedef Parley__Telephony__V1__Phone phone_t;
#define PASSWORD_MIN 8
#define PASSWORD_MAX 128

static void registration_put(struct edge *e, phone_t *m, struct pl_arena *a)
{
	const struct phone *p = phone_by_id(e, m->id);
	if (!p || !p->aor || !p->aor->n)
		return;
	m->registered = true;
	m->contact = pl_arena_strdup(a, p->aor->b[0].contact);
	m->user_agent = pl_arena_strdup(a, p->aor->b[0].user_agent);
	m->expires_at = rpc_ts(a, p->aor->b[0].expires_us);
}

/* --- reading: from memory, which is what decides about calls too --- */

static phone_t *message_of(struct edge *e, const struct phone *p, struct pl_arena *a)
{
	phone_t *m = PL_NEW(a, phone_t);
	if (!m)
		return NULL;
	parley__telephony__v1__phone__init(m);
	m->id = pl_arena_strdup(a, p->id);
	m->user = pl_arena_strdup(a, p->user);
	m->display_name = pl_arena_strdup(a, p->display_name);
	m->agent_id = pl_arena_strdup(a, p->agent_id);
	m->enabled = p->enabled;
	m->revision = p->revision;
	registration_put(e, m, a);
	return m;
}

static bool may_see(const struct rpc_actor *a, const struct phone *p)
{
	return a->role >= RPC_SUPERVISOR || pl_empty(p->agent_id) || pl_streq(p->agent_id, a->user_id);
}

static bool loaded(struct rpc_call *c)
{
	struct edge *e = c->arg;
	struct pl_why why;
	if (e->dir->revision)
		return true;
	rpc_fail(c, pl_why_set(&why, PL_E_UNAVAIL, "phones are not loaded yet"), &why);
	return false;
}

static int by_user(const void *a, const void *b)
{
	const phone_t *const *x = a, *const *y = b;
	return strcmp((*x)->user, (*y)->user);
}

static void list_phones(struct rpc_call *c)
{
	struct edge *e = c->arg;
	struct pl_why why;
	const Parley__Telephony__V1__ListPhonesRequest *q = (const void *)c->in;
	Parley__Telephony__V1__ListPhonesResponse out = PARLEY__TELEPHONY__V1__LIST_PHONES_RESPONSE__INIT;
	if (rpc_need(&c->actor, RPC_AGENT, &why)) {
		rpc_fail(c, why.err, &why);
		return;
	}
	if (!loaded(c))
		return;
	out.phones = pl_arena_alloc(c->arena, (HASH_COUNT(e->dir->phones) + 1) * sizeof *out.phones);
	for (const struct phone *p = e->dir->phones; p && out.phones; p = p->hh.next) {
		if ((!pl_empty(q->agent_id) && !pl_streq(q->agent_id, p->agent_id)) || !may_see(&c->actor, p))
			continue;
		phone_t *m = message_of(e, p, c->arena);
		if (m)
			out.phones[out.n_phones++] = m;
	}
	if (out.n_phones)
		qsort(out.phones, out.n_phones, sizeof *out.phones, by_user);
	rpc_reply(c, &out.base);
}

static void get_phone(struct rpc_call *c)
{
	struct edge *e = c->arg;
	struct pl_why why;
	const Parley__Telephony__V1__GetPhoneRequest *q = (const void *)c->in;
	Parley__Telephony__V1__GetPhoneResponse out = PARLEY__TELEPHONY__V1__GET_PHONE_RESPONSE__INIT;
	if (rpc_need(&c->actor, RPC_AGENT, &why)) {
		rpc_fail(c, why.err, &why);
		return;
	}
	if (!loaded(c))
		return;
	const struct phone *p = pl_empty(q->id) ? phone_by_user(e, q->user) : phone_by_id(e, q->id);
	if (!p || !may_see(&c->actor, p)) {
		rpc_fail(c, pl_why_set(&why, PL_E_NOTFOUND, "no such phone"), &why);
		return;
	}
	out.phone = message_of(e, p, c->arena);
	rpc_reply(c, &out.base);
}

/* --- writing: PostgreSQL and the event in one transaction; memory follows the event --- */

static enum pl_err check(const phone_t *p, const char *password, bool create, struct pl_why *why)
{
	if (!p)
		return pl_why_field(why, PL_E_FORMAT, "phone", "missing");
	size_t n = strlen(p->user);
	if (!n || n > 64)
		return pl_why_field(why, PL_E_FORMAT, "phone.user", "1 to 64 characters");
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)p->user[i]) && !strchr("._-", p->user[i]))
			return pl_why_field(why, PL_E_FORMAT, "phone.user", "only letters, digits, '.', '_' and '-'");
	if (strlen(p->display_name) > 128)
		return pl_why_field(why, PL_E_FORMAT, "phone.display_name", "at most 128 bytes");
	if (strlen(p->agent_id) > 64)
		return pl_why_field(why, PL_E_FORMAT, "phone.agent_id", "at most 64 bytes");
	n = strlen(password);
	if ((create || n) && (n < PASSWORD_MIN || n > PASSWORD_MAX))
		return pl_why_field(why, PL_E_FORMAT, "password", "%d to %d characters", PASSWORD_MIN, PASSWORD_MAX);
	return PL_OK;
}

/* The row as it goes in; hashes in the call's arena when there is a password. */
static struct phone_row row_of(struct rpc_call *c, const phone_t *p, const char *password)
{
	struct edge *e = c->arg;
	struct phone_row r = { .id = p->id,
			       .user = p->user,
			       .display_name = p->display_name,
			       .agent_id = p->agent_id,
			       .enabled = p->enabled,
			       .revision = p->revision };
	char(*ha1)[DIGEST_HEX_MAX] = *password ? pl_arena_alloc(c->arena, DIGEST_ALGORITHM_N * DIGEST_HEX_MAX) : NULL;
	if (ha1) {
		auth_ha1(p->user, e->cfg->realm, password, ha1);
		for (int a = 0; a < DIGEST_ALGORITHM_N; a++)
			r.ha1[a] = ha1[a];
	}
	return r;
}

static phone_t *copy_of(struct rpc_call *c, const struct phone_row *r)
{
	phone_t *m = PL_NEW(c->arena, phone_t);
	if (!m)
		return NULL;
	parley__telephony__v1__phone__init(m);
	m->id = (char *)r->id;
	m->user = (char *)r->user;
	m->display_name = (char *)r->display_name;
	m->agent_id = (char *)r->agent_id;
	m->enabled = r->enabled;
	m->revision = r->revision;
	return m;
}

static enum pl_err tell(struct rpc_call *c, struct pg_conn *db, phone_t *p, bool deleted, struct pl_why *why)
{
	Parley__Telephony__V1__PhoneChanged ev = PARLEY__TELEPHONY__V1__PHONE_CHANGED__INIT;
	ev.meta = rpc_event_meta(c, p->agent_id);
	ev.phone = p;
	ev.deleted = deleted;
	char *subject = pl_arena_printf(c->arena, "ev.telephony.phone-changed.%s", p->id);
	return ev.meta && subject ? outbox_add(db, "telephony", subject, &ev.base, why) : PL_E_NOMEM;
}

static enum pl_err create_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const Parley__Telephony__V1__CreatePhoneRequest *q = (const void *)c->in;
	Parley__Telephony__V1__CreatePhoneResponse *r = PL_NEW(c->arena, Parley__Telephony__V1__CreatePhoneResponse);
	char *id = pl_arena_alloc(c->arena, PL_ID_LEN);
	enum pl_err err = check(q->phone, q->password, true, why);
	if (err || !r || !id)
		return err ? err : PL_E_NOMEM;
	struct phone_row row = row_of(c, q->phone, q->password);
	row.id = pl_id_new(id);
	err = store_phone_insert(db, &row, why);
	if (err)
		return err;
	parley__telephony__v1__create_phone_response__init(r);
	r->phone = copy_of(c, &row);
	*out = &r->base;
	return r->phone ? tell(c, db, r->phone, false, why) : PL_E_NOMEM;
}

static enum pl_err update_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const Parley__Telephony__V1__UpdatePhoneRequest *q = (const void *)c->in;
	Parley__Telephony__V1__UpdatePhoneResponse *r = PL_NEW(c->arena, Parley__Telephony__V1__UpdatePhoneResponse);
	struct phone_row *old;
	size_t n;
	enum pl_err err = check(q->phone, q->password, false, why);
	if (!err && !pl_id_ok(q->phone->id))
		err = pl_why_field(why, PL_E_FORMAT, "phone.id", "no id");
	if (!err)
		err = store_phones(db, &(struct phone_filter){ .id = q->phone->id }, &old, &n, why);
	if (!err && !n)
		err = pl_why_field(why, PL_E_NOTFOUND, "phone.id", "no such phone");
	/* The hashes contain the user name: a new name needs the password again. */
	if (!err && strcmp(old->user, q->phone->user) && pl_empty(q->password))
		err = pl_why_field(why, PL_E_FORMAT, "password", "needed when the user changes");
	if (err || !r)
		return err ? err : PL_E_NOMEM;
	struct phone_row row = row_of(c, q->phone, q->password);
	err = store_phone_update(db, &row, why);
	if (err)
		return err;
	parley__telephony__v1__update_phone_response__init(r);
	r->phone = copy_of(c, &row);
	*out = &r->base;
	return r->phone ? tell(c, db, r->phone, false, why) : PL_E_NOMEM;
}

static enum pl_err delete_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const Parley__Telephony__V1__DeletePhoneRequest *q = (const void *)c->in;
	Parley__Telephony__V1__DeletePhoneResponse *r = PL_NEW(c->arena, Parley__Telephony__V1__DeletePhoneResponse);
	phone_t *gone = PL_NEW(c->arena, phone_t);
	if (!r || !gone)
		return PL_E_NOMEM;
	if (!pl_id_ok(q->id))
		return pl_why_field(why, PL_E_FORMAT, "id", "no id");
	parley__telephony__v1__delete_phone_response__init(r);
	parley__telephony__v1__phone__init(gone);
	gone->id = q->id;
	enum pl_err err = store_phone_delete(db, q->id, why);
	*out = &r->base;
	return err ? err : tell(c, db, gone, true, why);
}

static void create_phone(struct rpc_call *c)
{
	rpc_edit(c, create_job);
}
static void update_phone(struct rpc_call *c)
{
	rpc_edit(c, update_job);
}
static void delete_phone(struct rpc_call *c)
{
	rpc_edit(c, delete_job);
}

enum pl_err rpc_phone_open(struct edge *e, struct pl_why *why)
{
	static const struct rpc_entry entries[] = {
		{ "ListPhones", list_phones },   { "GetPhone", get_phone },       { "CreatePhone", create_phone },
		{ "UpdatePhone", update_phone }, { "DeletePhone", delete_phone }, { NULL, NULL },
	};
	return rpc_serve(e->app->bus, &parley__telephony__v1__phone_service__descriptor, entries, e, why);
}
