/* The audit log and what other services ask about sessions. */
#include "auth.h"

static enum pl_err list_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	AU(ListAuditEntriesResponse) *answer = PL_NEW(c->arena, AU(ListAuditEntriesResponse));

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__list_audit_entries_response__init(answer);
	*out = &answer->base;
	return db_audit_list(db, c->arena, (const void *)c->in, answer, why);
}

void rpc_list_audit_entries(struct rpc_call *c)
{
	struct auth *a = c->arg;
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, RPC_ADMIN, &why);

	if (err)
		rpc_fail(c, err, &why);
	else
		rpc_on_db(c, a->pg, true, list_job, NULL);
}

static void on_checked(void *arg, enum pl_err err, const AU(CheckSessionResponse) * s, const struct pl_why *why)
{
	struct rpc_call *c = arg;

	if (err)
		rpc_fail(c, err, why);
	else
		rpc_reply(c, &s->base);
}

void rpc_check_session(struct rpc_call *c)
{
	const AU(CheckSessionRequest) *in = (const void *)c->in;
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, RPC_SERVICE, &why);

	if (!err && strlen(in->token) != CRYPTO_TOKEN_LEN - 1)
		err = pl_why_set(&why, PL_E_AUTH, "the session has ended");
	if (err)
		rpc_fail(c, err, &why);
	else
		session_check(c->arg, in->token, on_checked, c);
}

/* What an entry changed is JSON or empty; PostgreSQL refuses anything else (jsonb). */
static enum pl_err add_job(struct rpc_call *c, struct pg_conn *db, ProtobufCMessage **out, struct pl_why *why)
{
	const AU(AuditEntry) *e = ((const AU(AddAuditEntryRequest) *)(const void *)c->in)->entry;
	AU(AddAuditEntryResponse) *answer = PL_NEW(c->arena, AU(AddAuditEntryResponse));
	const struct audit entry = { .user_id = e->user_id,
				     .username = e->username,
				     .remote_address = e->remote_address,
				     .action = e->action,
				     .object_id = e->object_id,
				     .before_json = e->before,
				     .after_json = e->after };

	if (!answer)
		return PL_E_NOMEM;
	parley__auth__v1__add_audit_entry_response__init(answer);
	*out = &answer->base;
	return db_audit_add(db, &entry, why);
}

void rpc_add_audit_entry(struct rpc_call *c)
{
	const AU(AddAuditEntryRequest) *in = (const void *)c->in;
	struct auth *a = c->arg;
	struct pl_why why = { 0 };
	enum pl_err err = rpc_need(&c->actor, RPC_SERVICE, &why);

	if (!err && (!in->entry || pl_empty(in->entry->action)))
		err = pl_why_field(&why, PL_E_FORMAT, "entry.action", "is missing");
	if (err)
		rpc_fail(c, err, &why);
	else
		rpc_on_db(c, a->pg, false, add_job, NULL);
}
