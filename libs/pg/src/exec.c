/* What a job may do: statements, COPY, and reading their rows. */
#include "pg_int.h"

#include <stdio.h>
#include <stdlib.h>

struct pl_arena *pg_tmp(struct pg_conn *c)
{
	return c->tmp;
}

/* --- errors: SQLSTATE (PostgreSQL 15 manual, appendix A) to ours --- */

static const struct {
	const char *prefix;
	enum pl_err err;
} states[] = {
	{ "23505", PL_E_EXISTS },   /* unique_violation */
	{ "23", PL_E_STATE },       /* foreign key, check, not null, exclusion */
	{ "22", PL_E_FORMAT },      /* data exception: text that is no uuid, a number out of range */
	{ "40001", PL_E_CONFLICT }, /* serialization_failure */
	{ "40P01", PL_E_CONFLICT }, /* deadlock_detected */
	{ "57014", PL_E_TIMEOUT },  /* query_canceled: statement_timeout */
	{ "57P", PL_E_UNAVAIL },    /* admin_shutdown, crash_shutdown, cannot_connect_now */
	{ "08", PL_E_UNAVAIL },     /* connection exception */
	{ "53", PL_E_UNAVAIL },     /* insufficient resources: disk full, too many connections */
	{ "55P03", PL_E_UNAVAIL },  /* lock_not_available */
	{ "P0001", PL_E_STATE },    /* raise_exception */
	{ "", PL_E_INTERNAL },
};

static enum pl_err state_err(const char *sqlstate)
{
	size_t i = 0;

	while (strncmp(sqlstate, states[i].prefix, strlen(states[i].prefix)) != 0)
		i++;
	return states[i].err;
}

enum pl_err pg_check(struct pg_conn *c, PGresult *res, ExecStatusType want, struct pl_why *why)
{
	if (PQresultStatus(res) == want || (want == PGRES_TUPLES_OK && PQresultStatus(res) == PGRES_COMMAND_OK))
		return PL_OK;
	const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *name = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
	if (!name)
		name = PQresultErrorField(res, PG_DIAG_COLUMN_NAME); /* not_null_violation has no constraint in 15 */
	if (PQstatus(c->pg) != CONNECTION_OK)
		return pl_why_set(why, PL_E_UNAVAIL, "the connection to the database was lost");
	enum pl_err err = sqlstate ? state_err(sqlstate) : PL_E_INTERNAL;
	c->retry = err == PL_E_CONFLICT;
	return pl_why_field(why, err, name ? name : "", "%s", text ? text : PQresStatus(PQresultStatus(res)));
}

enum pl_err pg_command(struct pg_conn *c, const char *sql, struct pl_why *why)
{
	PGresult *res = PQexec(c->pg, sql);
	enum pl_err err = pg_check(c, res, PGRES_COMMAND_OK, why);

	PQclear(res);
	return err;
}

/* --- statements --- */

static enum pl_err prepare(struct pg_conn *c, const struct pg_stmt *s, struct pl_why *why)
{
	for (size_t i = 0; i < c->n_prepared; i++)
		if (c->prepared[i] == s->name)
			return PL_OK;
	if (c->n_prepared == c->cap_prepared) {
		size_t cap = c->cap_prepared ? 2 * c->cap_prepared : 32;
		const char **p = realloc(c->prepared, cap * sizeof(*p));
		if (!p)
			return pl_why_set(why, PL_E_NOMEM, "no memory");
		c->prepared = p;
		c->cap_prepared = cap;
	}
	PGresult *res = PQprepare(c->pg, s->name, s->sql, 0, NULL);
	enum pl_err err = pg_check(c, res, PGRES_COMMAND_OK, why);
	PQclear(res);
	if (!err)
		c->prepared[c->n_prepared++] = s->name;
	return err;
}

enum pl_err pg_exec(struct pg_conn *c, const struct pg_stmt *s, const char *const *params, int n_params,
		    struct pg_rows **ret, struct pl_why *why)
{
	enum pl_err err = prepare(c, s, why);

	if (err)
		return err;
	PGresult *res = PQexecPrepared(c->pg, s->name, n_params, params, NULL, NULL, 0);
	err = pg_check(c, res, PGRES_TUPLES_OK, why);
	struct pg_rows *r = err || !ret ? NULL : PL_NEW(c->tmp, struct pg_rows);
	if (!r) {
		PQclear(res);
		return err || !ret ? err : pl_why_set(why, PL_E_NOMEM, "no memory");
	}
	*r = (struct pg_rows){ .next = c->rows, .res = res };
	c->rows = r;
	*ret = r;
	return PL_OK;
}

enum pl_err pg_exec_text(struct pg_conn *c, const char *sql, struct pl_why *why)
{
	PGresult *res = PQexec(c->pg, sql);
	enum pl_err err = pg_check(c, res, PGRES_TUPLES_OK, why);

	if (PQresultStatus(res) == PGRES_EMPTY_QUERY) /* a file of comments */
		err = PL_OK;
	PQclear(res);
	return err;
}

enum pl_err pg_copy(struct pg_conn *c, const char *copy_sql, const char *data, size_t len, struct pl_why *why)
{
	static const size_t piece = (size_t)1 << 20;
	PGresult *res = PQexec(c->pg, copy_sql);
	enum pl_err err = pg_check(c, res, PGRES_COPY_IN, why);

	PQclear(res);
	if (err)
		return err;
	int ok = 1;
	for (size_t at = 0; at < len && ok == 1; at += piece)
		ok = PQputCopyData(c->pg, data + at, (int)PL_MIN(piece, len - at));
	if (PQputCopyEnd(c->pg, ok == 1 ? NULL : "the sender failed") != 1 && ok == 1)
		err = pl_why_set(why, PL_E_UNAVAIL, "the connection to the database was lost");
	while ((res = PQgetResult(c->pg))) {
		if (!err)
			err = pg_check(c, res, PGRES_COMMAND_OK, why);
		PQclear(res);
	}
	return err;
}

/* --- rows --- */

int pg_n(const struct pg_rows *r)
{
	return PQntuples(r->res);
}
int pg_affected(const struct pg_rows *r)
{
	return atoi(PQcmdTuples(r->res));
}
bool pg_null(const struct pg_rows *r, int row, int col)
{
	return PQgetisnull(r->res, row, col) != 0;
}

const char *pg_str(const struct pg_rows *r, int row, int col)
{
	return pg_null(r, row, col) ? NULL : PQgetvalue(r->res, row, col);
}

int64_t pg_int(const struct pg_rows *r, int row, int col)
{
	return pg_null(r, row, col) ? 0 : strtoll(PQgetvalue(r->res, row, col), NULL, 10);
}

bool pg_bool(const struct pg_rows *r, int row, int col)
{
	return !pg_null(r, row, col) && PQgetvalue(r->res, row, col)[0] == 't';
}

/* "2026-11-22 15:04:05.123456+00" */
int64_t pg_time_us(const struct pg_rows *r, int row, int col)
{
	char text[40];
	int64_t us = 0;

	size_t n = pg_null(r, row, col) ? 0 : pl_strlcpy(text, PQgetvalue(r->res, row, col), sizeof(text));
	if (n < sizeof("2026-11-22 15:04:05+00") - 1 || n >= sizeof(text) || strcmp(text + n - 3, "+00") != 0)
		return 0;
	text[10] = 'T';
	memcpy(text + n - 3, "Z", 2);
	return pl_time_parse(text, &us) ? 0 : us;
}

const uint8_t *pg_bytes(struct pg_conn *c, const struct pg_rows *r, int row, int col, size_t *ret_len)
{
	const char *s = pg_str(r, row, col);

	*ret_len = 0;
	if (!s || s[0] != '\\' || s[1] != 'x')
		return NULL;
	size_t n = strlen(s + 2) / 2;
	uint8_t *p = pl_arena_alloc(c->tmp, n + 1);
	if (!p || pl_unhex(s + 2, p, n))
		return NULL;
	*ret_len = n;
	return p;
}

/* --- parameters --- */

const char *pg_int_param(struct pg_conn *c, int64_t v)
{
	return pl_arena_printf(c->tmp, "%" PRId64, v);
}

const char *pg_time_param(struct pg_conn *c, int64_t wall_us)
{
	char text[PL_TIME_LEN];

	return wall_us ? pl_arena_strdup(c->tmp, pl_time_format(wall_us, text)) : NULL;
}

const char *pg_bytea_param(struct pg_conn *c, const void *p, size_t n)
{
	char *s = pl_arena_alloc(c->tmp, 2 * n + 3);

	if (!s)
		return NULL;
	memcpy(s, "\\x", 2);
	pl_hex(p, n, s + 2);
	return s;
}
