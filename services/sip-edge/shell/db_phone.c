#include "store.h"

enum pl_err store_revision(struct pg_conn *c, int64_t *ret, struct pl_why *why)
{
	static const struct pg_stmt q = { "revision", "SELECT revision FROM changed" };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, NULL, 0, &r, why);
	if (!err)
		*ret = pg_n(r) ? pg_int(r, 0, 0) : 0;
	return err;
}

enum pl_err store_phones(struct pg_conn *c, const struct phone_filter *f, struct phone_row **ret, size_t *ret_n,
			 struct pl_why *why)
{
	static const struct pg_stmt q = {
		"phones",
		"SELECT id, username, display_name, agent_id, enabled, ha1_md5, ha1_sha256, revision FROM phone"
		" WHERE ($1::text IS NULL OR agent_id = $1) AND ($2::uuid IS NULL OR id = $2) AND ($3::text IS NULL OR "
		"username = $3)"
		" ORDER BY username"
	};
	const char *params[3] = { f->agent_id, f->id, f->user };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, params, 3, &r, why);
	if (err)
		return err;
	size_t n = (size_t)pg_n(r);
	struct phone_row *rows = pl_arena_alloc(pg_tmp(c), (n + 1) * sizeof *rows);
	if (!rows)
		return PL_E_NOMEM;
	for (int i = 0; i < (int)n; i++)
		rows[i] = (struct phone_row){ .id = pg_str(r, i, 0),
					      .user = pg_str(r, i, 1),
					      .display_name = pg_str(r, i, 2),
					      .agent_id = pg_str(r, i, 3),
					      .enabled = pg_bool(r, i, 4),
					      .ha1 = { pg_str(r, i, 5), pg_str(r, i, 6) },
					      .revision = (uint64_t)pg_int(r, i, 7) };
	*ret = rows;
	*ret_n = n;
	return PL_OK;
}

enum pl_err store_phone_insert(struct pg_conn *c, struct phone_row *p, struct pl_why *why)
{
	static const struct pg_stmt q = {
		"phone_insert", "INSERT INTO phone (id, username, display_name, agent_id, enabled, ha1_md5, ha1_sha256)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING revision"
	};
	const char *params[7] = { p->id,
				  p->user,
				  p->display_name,
				  p->agent_id,
				  p->enabled ? "t" : "f",
				  p->ha1[DIGEST_MD5],
				  p->ha1[DIGEST_SHA256] };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, params, 7, &r, why);
	if (!err)
		p->revision = (uint64_t)pg_int(r, 0, 0);
	return err;
}

/* Nothing was updated: is it gone, or was it changed by somebody else? */
static enum pl_err missing(struct pg_conn *c, const char *id, struct pl_why *why)
{
	struct phone_row *rows;
	size_t n;
	enum pl_err err = store_phones(c, &(struct phone_filter){ .id = id }, &rows, &n, why);
	if (err)
		return err;
	return n ? pl_why_field(why, PL_E_CONFLICT, "phone.revision", "changed meanwhile")
		 : pl_why_field(why, PL_E_NOTFOUND, "phone.id", "no such phone");
}

enum pl_err store_phone_update(struct pg_conn *c, struct phone_row *p, struct pl_why *why)
{
	static const struct pg_stmt q = { "phone_update",
					  "UPDATE phone SET username = $2, display_name = $3, agent_id = $4, enabled = "
					  "$5, ha1_md5 = coalesce($6, ha1_md5),"
					  " ha1_sha256 = coalesce($7, ha1_sha256), revision = nextval('revision')"
					  " WHERE id = $1 AND ($8 = 0 OR revision = $8) RETURNING revision" };
	const char *params[8] = { p->id,
				  p->user,
				  p->display_name,
				  p->agent_id,
				  p->enabled ? "t" : "f",
				  p->ha1[DIGEST_MD5],
				  p->ha1[DIGEST_SHA256],
				  pg_int_param(c, (int64_t)p->revision) };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, params, 8, &r, why);
	if (err)
		return err;
	if (!pg_n(r))
		return missing(c, p->id, why);
	p->revision = (uint64_t)pg_int(r, 0, 0);
	return PL_OK;
}

enum pl_err store_phone_delete(struct pg_conn *c, const char *id, struct pl_why *why)
{
	static const struct pg_stmt q = { "phone_delete", "DELETE FROM phone WHERE id = $1" };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, &id, 1, &r, why);
	if (err)
		return err;
	return pg_affected(r) ? PL_OK : pl_why_field(why, PL_E_NOTFOUND, "id", "no such phone");
}
