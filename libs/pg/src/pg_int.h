/* Shared by the files of libs/pg. */
#ifndef PARLEY_PG_INT_H
#define PARLEY_PG_INT_H
#include <libpq-fe.h>
#include <parley/pg.h>

/* A connection is used by one worker thread only. */
struct pg_conn {
	PGconn *pg;            /* NULL: not connected */
	struct pl_arena *tmp;  /* of the running job */
	struct pg_rows *rows;  /* of the running job, to be cleared */
	const char **prepared; /* names of statements this session knows, by address */
	size_t n_prepared, cap_prepared;
	bool retry; /* the last failure was a serialization failure or a deadlock */
};

struct pg_rows {
	struct pg_rows *next;
	PGresult *res;
};

PGconn *pg_connect(const struct pg_cfg *cfg, struct pl_why *why); /* blocking, at most 5 s; NULL: failed */
void pg_conn_forget(struct pg_conn *c);                           /* rows and tmp of the job that ended */
void pg_conn_drop(struct pg_conn *c);                             /* closes the connection */
/** A plain command that gives no rows: BEGIN, COMMIT. */
PL_MUST enum pl_err pg_command(struct pg_conn *c, const char *sql, struct pl_why *why);
/** Takes res; PL_OK, or the error it carries. */
PL_MUST enum pl_err pg_check(struct pg_conn *c, PGresult *res, ExecStatusType want, struct pl_why *why);
#endif
