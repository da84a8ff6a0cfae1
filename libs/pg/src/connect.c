#include "pg_int.h"

#include <stdio.h>

#define CONNECT_TIMEOUT_S "5"
/* Every session speaks the same: ISO dates in UTC, bytea as hex, and no statement or forgotten transaction holds a lock
 * for ever. */
#define SESSION                                                                                                        \
	"-c statement_timeout=30000 -c idle_in_transaction_session_timeout=60000 -c timezone=UTC -c datestyle=ISO "    \
	"-c bytea_output=hex -c extra_float_digits=1 -c search_path="

static void no_notice(void *arg, const char *text)
{
	(void)arg, (void)text;
} /* stderr is for log lines */

PGconn *pg_connect(const struct pg_cfg *cfg, struct pl_why *why)
{
	char options[256];

	snprintf(options, sizeof(options), SESSION "%s", cfg->schema ? cfg->schema : "public");
	const char *const keys[] = { "dbname",          "password",         "application_name",
				     "client_encoding", "connect_timeout",  "options",
				     "keepalives_idle", "tcp_user_timeout", NULL };
	const char *const values[] = { cfg->dsn, cfg->password, cfg->app_name, "UTF8", CONNECT_TIMEOUT_S,
				       options,  "10",          "10000",       NULL };
	PGconn *pg = PQconnectdbParams(keys, values, 1);
	PQsetNoticeProcessor(pg, no_notice, NULL);
	if (PQstatus(pg) == CONNECTION_OK)
		return pg;
	const char *text = PQerrorMessage(pg);
	pl_why_set(why, PL_E_UNAVAIL, "%.*s", (int)strcspn(text, "\n"), text);
	PQfinish(pg);
	return NULL;
}

void pg_conn_forget(struct pg_conn *c)
{
	for (struct pg_rows *r = c->rows; r; r = r->next)
		PQclear(r->res); /* r itself lies in tmp */
	c->rows = NULL;
	if (c->tmp)
		pl_arena_reset(c->tmp);
}

void pg_conn_drop(struct pg_conn *c)
{
	PQfinish(c->pg);
	c->pg = NULL;
	c->n_prepared = 0;
}
