#include "auth.h"

#define COLUMNS                                                                                                        \
	"id, username, full_name, alias, email, role, enabled, must_change_password, created_at, last_login_at, "      \
	"revision, locale,"                                                                                            \
	" time_zone, password_hash, locked_until, password_changed_at"

static const char *const roles[] = { [PARLEY__AUTH__V1__ROLE__ROLE_AGENT] = "agent",
				     [PARLEY__AUTH__V1__ROLE__ROLE_SUPERVISOR] = "supervisor",
				     [PARLEY__AUTH__V1__ROLE__ROLE_ADMIN] = "admin" };

static const char *role_text(Parley__Auth__V1__Role r)
{
	return (unsigned)r < PL_ARRAY_N(roles) && roles[r] ? roles[r] : "";
}

static Parley__Auth__V1__Role role_of(const char *text)
{
	for (unsigned i = 1; i < PL_ARRAY_N(roles); i++)
		if (pl_streq(roles[i], text))
			return (Parley__Auth__V1__Role)i;
	return PARLEY__AUTH__V1__ROLE__ROLE_UNSPECIFIED;
}

static enum pl_err read_row(struct pl_arena *a, const struct pg_rows *r, int i, struct user_row *ret)
{
	AU(User) *u = PL_NEW(a, AU(User));

	if (!u)
		return PL_E_NOMEM;
	parley__auth__v1__user__init(u);
	char **const text[] = { &u->id, &u->username, &u->full_name, &u->alias, &u->email };
	for (int k = 0; k < (int)PL_ARRAY_N(text); k++)
		*text[k] = pl_arena_strdup(a, pg_str(r, i, k));
	u->role = role_of(pg_str(r, i, 5));
	u->enabled = pg_bool(r, i, 6);
	u->must_change_password = pg_bool(r, i, 7);
	u->created_at = rpc_ts(a, pg_time_us(r, i, 8));
	u->last_login_at = rpc_ts(a, pg_time_us(r, i, 9));
	u->revision = (uint64_t)pg_int(r, i, 10);
	u->locale = pl_arena_strdup(a, pg_str(r, i, 11));
	u->time_zone = pl_arena_strdup(a, pg_str(r, i, 12));
	*ret = (struct user_row){ .user = u,
				  .password_hash = pl_arena_strdup(a, pg_str(r, i, 13)),
				  .locked_until_us = pg_time_us(r, i, 14),
				  .password_changed_us = pg_time_us(r, i, 15) };
	return u->id && u->username && u->full_name && u->alias && u->email && u->locale && u->time_zone &&
			       ret->password_hash
		       ? PL_OK
		       : PL_E_NOMEM;
}

static enum pl_err get_one(struct pg_conn *c, struct pl_arena *a, const struct pg_stmt *s, const char *param,
			   struct user_row *ret, struct pl_why *why)
{
	struct pg_rows *r;

	enum pl_err err = pg_exec(c, s, &param, 1, &r, why);
	if (err)
		return err;
	return pg_n(r) ? read_row(a, r, 0, ret) : pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such user");
}

enum pl_err db_user_get(struct pg_conn *c, struct pl_arena *a, const char *id, bool lock, struct user_row *ret,
			struct pl_why *why)
{
	static const struct pg_stmt get = { "user_get", "SELECT " COLUMNS " FROM users WHERE id = $1" };
	static const struct pg_stmt get_lock = { "user_get_lock",
						 "SELECT " COLUMNS " FROM users WHERE id = $1 FOR UPDATE" };

	if (!pl_id_ok(id))
		return pl_why_field(why, PL_E_NOTFOUND, "id", "there is no such user");
	return get_one(c, a, lock ? &get_lock : &get, id, ret, why);
}

enum pl_err db_user_find(struct pg_conn *c, struct pl_arena *a, const char *username, struct user_row *ret,
			 struct pl_why *why)
{
	static const struct pg_stmt find = { "user_find", "SELECT " COLUMNS " FROM users WHERE username = $1" };

	return get_one(c, a, &find, username, ret, why);
}

enum pl_err db_user_insert(struct pg_conn *c, const AU(User) * u, const char *hash, struct pl_why *why)
{
	static const struct pg_stmt insert = { "user_insert",
					       "INSERT INTO users (id, username, full_name, alias, email, role, "
					       "enabled, locale, time_zone, must_change_password, password_hash)"
					       " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)" };
	const char *const params[] = { u->id,
				       u->username,
				       u->full_name,
				       u->alias,
				       u->email,
				       role_text(u->role),
				       u->enabled ? "t" : "f",
				       u->locale,
				       u->time_zone,
				       u->must_change_password ? "t" : "f",
				       hash };

	enum pl_err err = pg_exec(c, &insert, params, PL_ARRAY_N(params), NULL, why);
	return err == PL_E_EXISTS ? pl_why_field(why, err, strstr(why->field, "username") ? "user.username" : "user.id",
						 "is taken")
				  : err;
}

enum pl_err db_user_update(struct pg_conn *c, const AU(User) * u, struct pl_why *why)
{
	static const struct pg_stmt update = {
		"user_update", "UPDATE users SET username = $2, full_name = $3, alias = $4, email = $5, role = $6, "
			       "enabled = $7, locale = $8, time_zone = $9,"
			       " must_change_password = $10, revision = revision + 1 WHERE id = $1 AND revision = $11"
	};
	const char *const params[] = { u->id,
				       u->username,
				       u->full_name,
				       u->alias,
				       u->email,
				       role_text(u->role),
				       u->enabled ? "t" : "f",
				       u->locale,
				       u->time_zone,
				       u->must_change_password ? "t" : "f",
				       pg_int_param(c, (int64_t)u->revision) };
	struct pg_rows *r;

	enum pl_err err = pg_exec(c, &update, params, PL_ARRAY_N(params), &r, why);
	if (err == PL_E_EXISTS)
		return pl_why_field(why, err, "user.username", "is taken");
	if (!err && !pg_affected(r))
		return pl_why_field(why, PL_E_CONFLICT, "user.revision",
				    "somebody changed it meanwhile: read it again");
	return err;
}

enum pl_err db_user_password(struct pg_conn *c, const char *id, const char *hash, bool keep_age, struct pl_why *why)
{
	static const struct pg_stmt set = { "user_password",
					    "UPDATE users SET password_hash = $2, password_changed_at = now(), "
					    "must_change_password = false, failed_logins = 0,"
					    " locked_until = NULL, revision = revision + 1 WHERE id = $1" };
	static const struct pg_stmt rehash = { "user_rehash", "UPDATE users SET password_hash = $2 WHERE id = $1" };

	return pg_exec(c, keep_age ? &rehash : &set, (const char *[]){ id, hash }, 2, NULL, why);
}

enum pl_err db_user_delete(struct pg_conn *c, const char *id, struct pl_why *why)
{
	static const struct pg_stmt delete = { "user_delete", "DELETE FROM users WHERE id = $1" };

	return pg_exec(c, &delete, &id, 1, NULL, why);
}

/* The counter in Redis may be wiped; this one may not. From the tenth failure in a row on: 1, 2, 4 ... 60 minutes. */
enum pl_err db_user_login(struct pg_conn *c, const char *id, bool ok, struct pl_why *why)
{
	static const struct pg_stmt good = {
		"user_login",
		"UPDATE users SET failed_logins = 0, locked_until = NULL, last_login_at = now() WHERE id = $1"
	};
	static const struct pg_stmt bad = {
		"user_login_failed",
		"UPDATE users SET failed_logins = failed_logins + 1, locked_until = CASE WHEN failed_logins >= 9"
		" THEN now() + make_interval(mins => least(60, 2 ^ least(failed_logins - 9, 6))::int) END WHERE id = $1"
	};

	return pg_exec(c, ok ? &good : &bad, &id, 1, NULL, why);
}

enum pl_err db_user_admin_left(struct pg_conn *c, struct pl_why *why)
{
	/* the lock: two administrators who remove each other at the same moment must not both succeed */
	static const struct pg_stmt lock = {
		"user_admin_lock", "SELECT pg_advisory_xact_lock(hashtextextended('parley.auth.admins', 0))"
	};
	static const struct pg_stmt count = { "user_admin_count",
					      "SELECT count(*) FROM users WHERE role = 'admin' AND enabled" };
	struct pg_rows *r;

	enum pl_err err = pg_exec(c, &lock, NULL, 0, NULL, why);
	if (!err)
		err = pg_exec(c, &count, NULL, 0, &r, why);
	if (!err && !pg_int(r, 0, 0))
		return pl_why_field(why, PL_E_STATE, "user.role", "the last administrator must stay");
	return err;
}

static const char *like(struct pg_conn *c, const char *s)
{
	char *out = pl_arena_alloc(pg_tmp(c), 2 * strlen(s) + 3), *o = out;

	if (!out)
		return NULL;
	for (*o++ = '%'; *s; s++) {
		if (strchr("%_\\", *s))
			*o++ = '\\';
		*o++ = *s;
	}
	*o = '%';
	return out;
}

enum pl_err db_user_list(struct pg_conn *c, struct pl_arena *a, const AU(ListUsersRequest) * in,
			 AU(ListUsersResponse) * out, struct pl_why *why)
{
#define WHERE                                                                                                          \
	" FROM users WHERE ($1::text IS NULL OR username ILIKE $1 OR full_name ILIKE $1 OR email ILIKE $1)"            \
	" AND ($2::text IS NULL OR role = $2)"
	static const struct pg_stmt list = { "user_list",
					     "SELECT " COLUMNS WHERE
					     " AND ($3::text IS NULL OR username > $3) ORDER BY username LIMIT $4" };
	static const struct pg_stmt count = { "user_count", "SELECT count(*)" WHERE };
	uint32_t size = in->page && in->page->size ? PL_MIN(in->page->size, 500u) : 50;
	const char *const params[] = { pl_empty(in->search) ? NULL : like(c, in->search),
				       in->role ? role_text(in->role) : NULL,
				       in->page && !pl_empty(in->page->token) ? in->page->token : NULL,
				       pg_int_param(c, size + 1) };
	struct pg_rows *r, *n;

	enum pl_err err = pg_exec(c, &list, params, 4, &r, why);
	if (!err)
		err = pg_exec(c, &count, params, 2, &n, why);
	if (err)
		return err;
	size_t found = (size_t)pg_n(r);
	out->users = pl_arena_alloc(a, (found + 1) * sizeof(*out->users));
	out->page = PL_NEW(a, Parley__Common__V1__PageResponse);
	if (!out->users || !out->page)
		return PL_E_NOMEM;
	parley__common__v1__page_response__init(out->page);
	out->page->total = pg_int(n, 0, 0);
	for (; out->n_users < PL_MIN(found, size) && !err; out->n_users++) {
		struct user_row row;
		err = read_row(a, r, (int)out->n_users, &row);
		out->users[out->n_users] = row.user;
	}
	if (!err && found > size)
		out->page->next_token = out->users[size - 1]->username;
	return err;
}
