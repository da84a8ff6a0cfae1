#include "auth.h"

static const char *json_of(struct pg_conn *c, const ProtobufCMessage *m, const char *text)
{
	struct pl_why why;
	char *json;
	size_t n;

	if (!m)
		return pl_empty(text) ? NULL : text;
	return rpc_to_json(m, pg_tmp(c), &json, &n, &why) ? NULL : json;
}

enum pl_err db_audit_add(struct pg_conn *c, const struct audit *e, struct pl_why *why)
{
	static const struct pg_stmt add = { "audit_add",
					    "INSERT INTO audit (id, user_id, username, remote_address, action, "
					    "object_id, before, after) VALUES ($1, $2,"
					    " coalesce($3, (SELECT username FROM users WHERE id = $2::uuid), ''),"
					    " coalesce($4, (SELECT remote_address FROM audit WHERE action = 'login' "
					    "AND object_id = $9 LIMIT 1), ''),"
					    " $5, $6, $7, $8)" };
	char id[PL_ID_LEN];
	const char *const params[] = { pl_id_new(id),
				       e->user_id && pl_id_ok(e->user_id) ? e->user_id : NULL,
				       pl_empty(e->username) ? NULL : e->username,
				       e->remote_address,
				       e->action,
				       e->object_id ? e->object_id : "",
				       json_of(c, e->before, e->before_json),
				       json_of(c, e->after, e->after_json),
				       e->session_id };

	return pg_exec(c, &add, params, PL_ARRAY_N(params), NULL, why);
}

static char *text(struct pl_arena *a, const struct pg_rows *r, int row, int col)
{
	const char *s = pg_str(r, row, col);

	return s ? pl_arena_strdup(a, s) : (char *)(uintptr_t) "";
}

static AU(AuditEntry) * read_entry(struct pl_arena *a, const struct pg_rows *r, int i)
{
	AU(AuditEntry) *e = PL_NEW(a, AU(AuditEntry));

	if (!e)
		return NULL;
	parley__auth__v1__audit_entry__init(e);
	e->id = text(a, r, i, 0);
	e->time = rpc_ts(a, pg_time_us(r, i, 1));
	char **const fields[] = { &e->user_id,   &e->username, &e->remote_address, &e->action,
				  &e->object_id, &e->before,   &e->after };
	for (int k = 0; k < (int)PL_ARRAY_N(fields); k++) {
		*fields[k] = text(a, r, i, 2 + k);
		if (!*fields[k])
			return NULL;
	}
	return e->id ? e : NULL;
}

enum pl_err db_audit_list(struct pg_conn *c, struct pl_arena *a, const AU(ListAuditEntriesRequest) * in,
			  AU(ListAuditEntriesResponse) * out, struct pl_why *why)
{
	static const struct pg_stmt list = {
		"audit_list",
		"SELECT id, at, user_id, username, remote_address, action, object_id, before, after FROM audit"
		" WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::text IS NULL OR action = $2) AND ($3::uuid IS NULL "
		"OR id < $3)"
		" ORDER BY id DESC LIMIT $4"
	};
	uint32_t size = in->page && in->page->size ? PL_MIN(in->page->size, 500u) : 50;
	const char *const params[] = { pl_empty(in->user_id) ? NULL : in->user_id,
				       pl_empty(in->action) ? NULL : in->action,
				       in->page && !pl_empty(in->page->token) ? in->page->token : NULL,
				       pg_int_param(c, size + 1) };
	struct pg_rows *r;

	if (params[0] && !pl_id_ok(params[0]))
		return pl_why_field(why, PL_E_FORMAT, "user_id", "is no id");
	if (params[2] && !pl_id_ok(params[2]))
		return pl_why_field(why, PL_E_FORMAT, "page.token", "is not one of ours");
	enum pl_err err = pg_exec(c, &list, params, 4, &r, why);
	if (err)
		return err;
	size_t found = (size_t)pg_n(r), n = PL_MIN(found, size);
	out->entries = pl_arena_alloc(a, (n + 1) * sizeof(*out->entries));
	out->page = PL_NEW(a, Parley__Common__V1__PageResponse);
	if (!out->entries || !out->page)
		return PL_E_NOMEM;
	parley__common__v1__page_response__init(out->page);
	out->page->total = -1; /* counting a log that only grows costs more each day */
	for (; out->n_entries < n; out->n_entries++) {
		out->entries[out->n_entries] = read_entry(a, r, (int)out->n_entries);
		if (!out->entries[out->n_entries])
			return PL_E_NOMEM;
	}
	if (found > size)
		out->page->next_token = out->entries[n - 1]->id;
	return PL_OK;
}
