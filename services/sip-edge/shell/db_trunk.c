/* Lists travel as text joined by commas; no element can hold one (rpc_trunk.c checks). */
#include "store.h"

#define COLUMNS                                                                                                        \
	"id, name, enabled, array_to_string(source_addresses, ','), outbound_uri, array_to_string(codecs, ','),"       \
	" max_channels, caller_id, keepalive_ms, revision"

enum pl_err store_trunks(struct pg_conn *c, const char *id, struct trunk_row **ret, size_t *ret_n, struct pl_why *why)
{
	static const struct pg_stmt q = { "trunks", "SELECT " COLUMNS
						    " FROM trunk WHERE ($1::uuid IS NULL OR id = $1) ORDER BY name" };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, &id, 1, &r, why);
	if (err)
		return err;
	size_t n = (size_t)pg_n(r);
	struct trunk_row *rows = pl_arena_alloc(pg_tmp(c), (n + 1) * sizeof *rows);
	if (!rows)
		return PL_E_NOMEM;
	for (int i = 0; i < (int)n; i++)
		rows[i] = (struct trunk_row){ .id = pg_str(r, i, 0),
					      .name = pg_str(r, i, 1),
					      .enabled = pg_bool(r, i, 2),
					      .sources = pg_str(r, i, 3),
					      .outbound_uri = pg_str(r, i, 4),
					      .codecs = pg_str(r, i, 5),
					      .max_channels = (uint32_t)pg_int(r, i, 6),
					      .caller_id = pg_str(r, i, 7),
					      .keepalive_ms = (uint32_t)pg_int(r, i, 8),
					      .revision = (uint64_t)pg_int(r, i, 9) };
	*ret = rows;
	*ret_n = n;
	return PL_OK;
}

enum pl_err store_trunk_insert(struct pg_conn *c, struct trunk_row *t, struct pl_why *why)
{
	static const struct pg_stmt q = { "trunk_insert",
					  "INSERT INTO trunk (id, name, enabled, source_addresses, outbound_uri, "
					  "codecs, max_channels, caller_id, keepalive_ms)"
					  " VALUES ($1, $2, $3, coalesce(string_to_array($4, ','), '{}'), $5, "
					  "coalesce(string_to_array($6, ','), '{}'), $7, $8, $9)"
					  " RETURNING revision" };
	const char *params[9] = { t->id,
				  t->name,
				  t->enabled ? "t" : "f",
				  t->sources,
				  t->outbound_uri,
				  t->codecs,
				  pg_int_param(c, t->max_channels),
				  t->caller_id,
				  pg_int_param(c, t->keepalive_ms) };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, params, 9, &r, why);
	if (!err)
		t->revision = (uint64_t)pg_int(r, 0, 0);
	return err;
}

enum pl_err store_trunk_update(struct pg_conn *c, struct trunk_row *t, struct pl_why *why)
{
	static const struct pg_stmt q = {
		"trunk_update",
		"UPDATE trunk SET name = $2, enabled = $3, source_addresses = coalesce(string_to_array($4, ','), "
		"'{}'), outbound_uri = $5,"
		" codecs = coalesce(string_to_array($6, ','), '{}'), max_channels = $7, caller_id = $8, keepalive_ms = "
		"$9,"
		" revision = nextval('revision') WHERE id = $1 AND ($10 = 0 OR revision = $10) RETURNING revision"
	};
	const char *params[10] = { t->id,
				   t->name,
				   t->enabled ? "t" : "f",
				   t->sources,
				   t->outbound_uri,
				   t->codecs,
				   pg_int_param(c, t->max_channels),
				   t->caller_id,
				   pg_int_param(c, t->keepalive_ms),
				   pg_int_param(c, (int64_t)t->revision) };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, params, 10, &r, why);
	if (err)
		return err;
	if (!pg_n(r)) {
		struct trunk_row *rows;
		size_t n;
		err = store_trunks(c, t->id, &rows, &n, why);
		if (err)
			return err;
		return n ? pl_why_field(why, PL_E_CONFLICT, "trunk.revision", "changed meanwhile")
			 : pl_why_field(why, PL_E_NOTFOUND, "trunk.id", "no such trunk");
	}
	t->revision = (uint64_t)pg_int(r, 0, 0);
	return PL_OK;
}

enum pl_err store_trunk_delete(struct pg_conn *c, const char *id, struct pl_why *why)
{
	static const struct pg_stmt q = { "trunk_delete", "DELETE FROM trunk WHERE id = $1" };
	struct pg_rows *r = NULL;
	enum pl_err err = pg_exec(c, &q, &id, 1, &r, why);
	if (err)
		return err;
	return pg_affected(r) ? PL_OK : pl_why_field(why, PL_E_NOTFOUND, "id", "no such trunk");
}
