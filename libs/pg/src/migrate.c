#include "pg_int.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <parley/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define FILE_MAX_BYTES ((long)4 << 20)
#define CONNECT_FOR_US (30 * PL_US_PER_S) /* databases and services are often started together */

struct run {
	struct pg_conn conn;
	const char *schema, *dir;
	struct pl_arena *a;
	struct pl_why *why;
};

static void run_done(struct run *r)
{
	pg_conn_forget(&r->conn);
	if (r->conn.pg)
		pg_conn_drop(&r->conn);
	free(r->conn.prepared);
	pl_arena_free(r->conn.tmp);
	pl_arena_free(r->a);
}

static enum pl_err connect_patiently(struct run *r, const struct pg_cfg *cfg)
{
	int64_t until_us = pl_mono_us() + CONNECT_FOR_US;

	for (;;) {
		r->conn.pg = pg_connect(cfg, r->why);
		if (r->conn.pg)
			return PL_OK;
		if (pl_mono_us() > until_us)
			return PL_E_UNAVAIL;
		nanosleep(&(struct timespec){ 0, 250000000 }, NULL);
	}
}

/* A schema's name goes into SQL as it is, so it must be one. */
static bool schema_ok(const char *s)
{
	return s && islower((unsigned char)*s) && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(s) &&
	       strlen(s) < 64;
}

static enum pl_err prepare_schema(struct run *r)
{
	/* looked for first: CREATE IF NOT EXISTS asks for the right to create even where it exists */
	char *sql = pl_arena_printf(
		r->a,
		"SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET client_min_messages = "
		"warning;"
		"SELECT pg_advisory_lock(hashtextextended('parley.migrate.%1$s', 0));"
		"DO $do$ BEGIN"
		" IF NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = '%1$s') THEN CREATE SCHEMA %1$s; END IF;"
		" END $do$;"
		"CREATE TABLE IF NOT EXISTS %1$s.migration (number int PRIMARY KEY, name text NOT NULL, sha256 text "
		"NOT NULL,"
		" at timestamptz NOT NULL DEFAULT now())",
		r->schema);

	return sql ? pg_exec_text(&r->conn, sql, r->why) : pl_why_set(r->why, PL_E_NOMEM, "no memory");
}

static int is_migration(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return n > 9 && strspn(e->d_name, "0123456789") == 4 && e->d_name[4] == '_' &&
	       pl_streq(e->d_name + n - 4, ".sql");
}

static void file_close(FILE **f)
{
	if (*f)
		fclose(*f);
}

static enum pl_err slurp(struct run *r, const char *name, char **ret)
{
	const char *path = pl_arena_printf(r->a, "%s/%s", r->dir, name);
	PL_AUTO(file_close) FILE *f = path ? fopen(path, "re") : NULL;
	long n = -1;

	if (f && !fseek(f, 0, SEEK_END))
		n = ftell(f);
	if (n < 0 || n > FILE_MAX_BYTES)
		return pl_why_set(r->why, PL_E_IO, "%s/%s: %s", r->dir, name,
				  n < 0 ? strerror(errno) : "larger than 4 MiB");
	char *text = pl_arena_alloc(r->a, (size_t)n + 1);
	rewind(f);
	if (!text || fread(text, 1, (size_t)n, f) != (size_t)n)
		return pl_why_set(r->why, PL_E_IO, "%s/%s: cannot be read", r->dir, name);
	*ret = text;
	return PL_OK;
}

/* What the table says about one number: PL_OK and *ret_sha (NULL: not applied yet), *ret_newest the highest applied. */
static enum pl_err applied(struct run *r, const char *number, const char **ret_sha, int64_t *ret_newest)
{
	static const struct pg_stmt find = {
		"migration_find", "SELECT max(number), (SELECT sha256 FROM migration WHERE number = $1) FROM migration"
	};
	struct pg_rows *rows;

	enum pl_err err = pg_exec(&r->conn, &find, &number, 1, &rows, r->why);
	if (!err) {
		*ret_newest = pg_int(rows, 0, 0);
		*ret_sha = pg_str(rows, 0, 1);
	}
	return err;
}

static enum pl_err apply(struct run *r, const char *name, const char *text, const char *sha)
{
	static const struct pg_stmt add = { "migration_add",
					    "INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)" };
	const char *const params[] = { pl_arena_printf(r->a, "%.4s", name), name, sha };
	struct pl_why why = { 0 };

	enum pl_err err = pg_command(&r->conn, "BEGIN", &why);
	if (!err)
		err = pg_exec_text(&r->conn, text, &why);
	if (!err)
		err = pg_exec(&r->conn, &add, params, 3, NULL, &why);
	if (!err)
		err = pg_command(&r->conn, "COMMIT", &why);
	return err ? pl_why_set(r->why, err, "%s: %s", name, why.text) : PL_OK; /* closing the connection rolls back */
}

static enum pl_err migrate_file(struct run *r, const char *name)
{
	const char *had;
	char *text = NULL, sha[65];
	int64_t newest, number = strtol(name, NULL, 10);

	enum pl_err err = slurp(r, name, &text);
	if (!err)
		err = applied(r, pl_arena_printf(r->a, "%.4s", name), &had, &newest);
	if (err)
		return err;
	crypto_sha256_hex(text, strlen(text), sha);
	if (had && !pl_streq(had, sha))
		return pl_why_set(r->why, PL_E_STATE, "%s was changed after it ran; write a new migration instead",
				  name);
	if (!had && number < newest)
		return pl_why_set(r->why, PL_E_STATE, "%s comes before number %" PRId64 ", which ran already", name,
				  newest);
	err = had ? PL_OK : apply(r, name, text, sha);
	pg_conn_forget(&r->conn);
	return err;
}

static enum pl_err migrate_dir(struct run *r)
{
	struct dirent **names;
	enum pl_err err = PL_OK;

	int n = scandir(r->dir, &names, is_migration, alphasort);
	if (n < 0)
		return pl_why_set(r->why, PL_E_IO, "%s: %s", r->dir, strerror(errno));
	for (int i = 1; i < n && !err; i++)
		if (strncmp(names[i]->d_name, names[i - 1]->d_name, 4) == 0)
			err = pl_why_set(r->why, PL_E_FORMAT, "two migrations have the number %.4s", names[i]->d_name);
	for (int i = 0; i < n; i++) {
		if (!err)
			err = migrate_file(r, names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return err;
}

enum pl_err pg_migrate(const struct pg_cfg *cfg, const char *dir, struct pl_why *why)
{
	PL_AUTO(run_done) struct run r = { .schema = cfg->schema, .dir = dir, .why = why };

	if (!schema_ok(cfg->schema))
		return pl_why_set(why, PL_E_FORMAT, "\"%s\" is no name for a schema", cfg->schema ? cfg->schema : "");
	r.a = pl_arena_new(0);
	r.conn.tmp = pl_arena_new(0);
	if (!r.a || !r.conn.tmp)
		return pl_why_set(why, PL_E_NOMEM, "no memory");
	enum pl_err err = connect_patiently(&r, cfg);
	if (!err)
		err = prepare_schema(&r);
	if (!err)
		err = migrate_dir(&r);
	if (!err)
		pl_why_set(why, PL_OK, "%s", "");
	return err; /* the lock goes with the session */
}
